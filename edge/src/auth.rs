//! Who is calling. Everything that changes state needs `authorization: Bearer TOKEN`.

use crate::config::{EdgeConfig, TOKEN_LEN_MAX, TokenEntry};
use std::hint::black_box;
use tidegate_model::PrincipalId;
use tonic::{Request, Status};

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Vec<TokenEntry>,
    loopback_reads_free: bool,
}

/// Compares in a time that depends on the lengths only.
fn is_equal(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (at, byte) in secret.iter().enumerate() {
        let other = given.get(at).copied().unwrap_or(0);
        difference |= usize::from(black_box(byte ^ other));
    }
    black_box(difference) == 0
}

impl Auth {
    pub fn new(config: &EdgeConfig) -> Self {
        Self { tokens: config.tokens.clone(), loopback_reads_free: config.loopback_reads_free }
    }

    /// The bearer of the request's token; `None` if it carries none.
    fn bearer<T>(&self, request: &Request<T>) -> Result<Option<&TokenEntry>, Status> {
        let Some(header) = request.metadata().get("authorization") else { return Ok(None) };
        let token = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = token.filter(|token| token.len() <= TOKEN_LEN_MAX) else {
            return Err(Status::unauthenticated("authorization: must read 'Bearer TOKEN'"));
        };
        // No early end: how long it takes must not tell which token came close.
        let mut found = None;
        for entry in &self.tokens {
            if is_equal(entry.token.as_bytes(), token.as_bytes()) {
                found = Some(entry);
            }
        }
        found.map(Some).ok_or_else(|| Status::unauthenticated("authorization: unknown token"))
    }

    /// Lets a call pass that changes state, and says for whom.
    pub fn trader<T>(&self, request: &Request<T>) -> Result<PrincipalId, Status> {
        let entry = self.bearer(request)?.ok_or_else(|| {
            Status::unauthenticated(
                "this call changes state and needs 'authorization: Bearer TOKEN' (edge.tokens in the configuration)",
            )
        })?;
        Ok(entry.principal)
    }

    /// Lets a call pass that administers, and says for whom.
    pub fn administrator<T>(&self, request: &Request<T>) -> Result<PrincipalId, Status> {
        let principal = self.trader(request)?;
        match self.bearer(request)? {
            Some(entry) if entry.may_administer => Ok(principal),
            _ => Err(Status::permission_denied(
                "this call administers the engine; the token's principal may only trade and read",
            )),
        }
    }

    /// Lets a call pass that changes controls, and says for whom.
    pub fn controller<T>(&self, request: &Request<T>) -> Result<PrincipalId, Status> {
        let principal = self.trader(request)?;
        match self.bearer(request)? {
            Some(entry) if entry.may_control => Ok(principal),
            _ => Err(Status::permission_denied(
                "this call changes controls, which needs the token of a person with may_control",
            )),
        }
    }

    /// Lets a call pass that reads.
    pub fn reader<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if self.bearer(request)?.is_some() {
            return Ok(());
        }
        let is_local = request.remote_addr().is_some_and(|addr| addr.ip().is_loopback());
        if self.loopback_reads_free && is_local {
            return Ok(());
        }
        Err(Status::unauthenticated("reading from here needs 'authorization: Bearer TOKEN'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn auth() -> Auth {
        let entry = |token: &str, may_administer, may_control| TokenEntry {
            token: token.into(),
            principal: PrincipalId(7),
            name: "t".into(),
            may_administer,
            may_control,
        };
        Auth {
            tokens: vec![
                entry("trader-token-0123", false, false),
                entry("admin-token-01234", true, false),
                entry("officer-token-012", false, true),
            ],
            loopback_reads_free: true,
        }
    }

    fn request(header: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().expect("ASCII"));
        }
        request
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_equal(b"abc", b"abc"));
        for other in ["", "ab", "abcd", "abd", "xbc"] {
            assert!(!is_equal(b"abc", other.as_bytes()), "{other}");
        }
        assert!(!is_equal(b"ab\0", b"ab"));
    }

    #[test]
    fn each_kind_of_call_asks_for_its_right() {
        let auth = auth();
        let code = |result: Result<PrincipalId, Status>| result.map_err(|s| s.code());
        let trader = Some("Bearer trader-token-0123");
        let admin = Some("bearer admin-token-01234");
        let officer = Some("Bearer officer-token-012");
        let (stranger, denied) = (Err(Code::Unauthenticated), Err(Code::PermissionDenied));
        let ok = Ok(PrincipalId(7));
        for (header, trade, administer, control) in [
            (None, stranger, stranger, stranger),
            (Some("Bearer nonsense"), stranger, stranger, stranger),
            (Some("Basic trader-token-0123"), stranger, stranger, stranger),
            (Some("Bearer"), stranger, stranger, stranger),
            (trader, ok, denied, denied),
            (admin, ok, ok, denied),
            (officer, ok, denied, ok),
        ] {
            assert_eq!(code(auth.trader(&request(header))), trade, "{header:?}");
            assert_eq!(code(auth.administrator(&request(header))), administer, "{header:?}");
            assert_eq!(code(auth.controller(&request(header))), control, "{header:?}");
        }
    }

    #[test]
    fn reading_without_a_token_is_for_loopback_only() {
        // A request that did not come over TCP has no address: not loopback.
        assert!(auth().reader(&request(None)).is_err());
        assert!(auth().reader(&request(Some("Bearer trader-token-0123"))).is_ok());
        assert!(auth().reader(&request(Some("Bearer wrong"))).is_err());
    }
}
