//! Who is calling, and what the answer waits for. Everything that changes state needs `authorization: Bearer TOKEN`.

use crate::clients::Client;
use crate::config::{EdgeConfig, TOKEN_LEN_MAX, TokenEntry};
use crate::error::echo;
use crate::link::Release;
use crate::traces::Trace;
use std::hint::black_box;
use std::sync::Arc;
use tidegate_client::{PRINCIPAL_KEY, RELEASE_LEVEL_KEY, proto};
use tidegate_model::{PrincipalId, ReleaseLevel};
use tonic::{Request, Status};

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Vec<(TokenEntry, Arc<Client>)>,
    /// Whoever reads without a token.
    local: Arc<Client>,
    loopback_reads_free: bool,
    release: Arc<Release>,
}

/// Somebody who may do what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whom the engine takes the caller for.
    pub principal: PrincipalId,
    /// What the answer waits for: never less than every output does.
    pub level: ReleaseLevel,
    /// The trace that the call belongs to.
    pub trace: Option<Trace>,
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

/// Refuses a token that does not act for `principal`.
fn check_acts_for(entry: &TokenEntry, principal: PrincipalId) -> Result<(), Status> {
    let name = &entry.name;
    let whom = match entry.acts_for {
        Some(range) if range.contains(principal) => return Ok(()),
        Some(range) => format!("for principals {range}"),
        None => "for no principal but its own".to_string(),
    };
    Err(Status::permission_denied(format!(
        "the token named '{name}' acts {whom}, and not for {principal} (acts_for in edge.tokens)"
    )))
}

fn with_clients(tokens: &[TokenEntry]) -> Vec<(TokenEntry, Arc<Client>)> {
    tokens.iter().map(|entry| (entry.clone(), Client::new(entry))).collect()
}

impl Auth {
    pub fn new(config: &EdgeConfig, release: Arc<Release>) -> Self {
        Self {
            tokens: with_clients(&config.tokens),
            local: Client::local(),
            loopback_reads_free: config.loopback_reads_free,
            release,
        }
    }

    /// What the answer waits for: the deployment's level, and the one that the call asks for.
    pub fn level<T>(&self, request: &Request<T>) -> Result<ReleaseLevel, Status> {
        let level = self.release.level();
        let Some(asked) = request.metadata().get(RELEASE_LEVEL_KEY) else { return Ok(level) };
        let name = asked.to_str().unwrap_or_default();
        let Some(asked) = ReleaseLevel::from_name(name) else {
            let names: Vec<_> = ReleaseLevel::ALL.iter().map(|level| level.as_str()).collect();
            return Err(Status::invalid_argument(format!(
                "{RELEASE_LEVEL_KEY}: '{}' is none of {}",
                echo(name),
                names.join(", ")
            )));
        };
        if !self.release.offers(asked) {
            return Err(Status::failed_precondition(format!(
                "{RELEASE_LEVEL_KEY}: {asked} waits for followers, and none is configured here"
            )));
        }
        Ok(level.union(asked))
    }

    /// The bearer of the request's token; `None` if it carries none.
    fn bearer<T>(
        &self,
        request: &Request<T>,
    ) -> Result<Option<&(TokenEntry, Arc<Client>)>, Status> {
        let Some(header) = request.metadata().get("authorization") else { return Ok(None) };
        let token = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = token.filter(|token| token.len() <= TOKEN_LEN_MAX) else {
            return Err(Status::unauthenticated("authorization: must read 'Bearer TOKEN'"));
        };
        let found = self.known(token.as_bytes());
        let found = found.ok_or_else(|| Status::unauthenticated("authorization: unknown token"))?;
        found.1.called();
        Ok(Some(found))
    }

    /// Whom a token stands for, and what is open of it.
    pub fn known(&self, token: &[u8]) -> Option<&(TokenEntry, Arc<Client>)> {
        // No early end: how long it takes must not tell which token came close.
        let mut found = None;
        for known in &self.tokens {
            if is_equal(known.0.token.as_bytes(), token) {
                found = Some(known);
            }
        }
        found
    }

    /// The token of a call that changes state.
    fn changer<T>(&self, request: &Request<T>) -> Result<&TokenEntry, Status> {
        self.bearer(request)?.map(|(entry, _)| entry).ok_or_else(|| {
            Status::unauthenticated(
                "this call changes state and needs 'authorization: Bearer TOKEN' (edge.tokens in the configuration)",
            )
        })
    }

    /// Who calls with a token: whom the call names, if the token may act for that one, or else the token's own principal.
    fn caller<T>(&self, entry: &TokenEntry, request: &Request<T>) -> Result<Caller, Status> {
        let mut named = request.metadata().get_all(PRINCIPAL_KEY).iter();
        let Some(name) = named.next() else {
            return self.acting(entry.principal, entry, request);
        };
        let text = name.to_str().unwrap_or_default();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number && named.next().is_none());
        let Some(number) = number else {
            return Err(Status::invalid_argument(format!(
                "{PRINCIPAL_KEY}: must be the number of one principal, 1 to {}, and is '{}'",
                PrincipalId::COUNT_MAX - 1,
                echo(text)
            )));
        };
        let principal = PrincipalId(number);
        check_acts_for(entry, principal)?;
        self.acting(principal, entry, request)
    }

    /// `principal`, for whom the bearer of a token calls.
    fn acting<T>(
        &self,
        principal: PrincipalId,
        entry: &TokenEntry,
        request: &Request<T>,
    ) -> Result<Caller, Status> {
        let level = self.level(request)?;
        Ok(Caller { principal, level, trace: Trace::of(entry.principal, request) })
    }

    /// Whose traces a call may collect.
    pub fn collector<T>(&self, request: &Request<T>) -> Result<PrincipalId, Status> {
        let (entry, _) = self.bearer(request)?.ok_or_else(|| {
            Status::unauthenticated(
                "traces are for whose calls they are: 'authorization: Bearer TOKEN'",
            )
        })?;
        Ok(entry.principal)
    }

    /// Lets a call pass that changes state, and says for whom.
    pub fn trader<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        self.caller(self.changer(request)?, request)
    }

    /// Lets a call pass that administers, and says for whom.
    pub fn administrator<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let entry = self.changer(request)?;
        let caller = self.caller(entry, request)?;
        if entry.may_administer {
            return Ok(caller);
        }
        Err(Status::permission_denied(
            "this call administers the engine; the token's principal may only trade and read",
        ))
    }

    /// Lets a call pass that changes controls, and says for whom.
    pub fn controller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let entry = self.changer(request)?;
        let caller = self.caller(entry, request)?;
        if entry.may_control {
            return Ok(caller);
        }
        Err(Status::permission_denied(
            "this call changes controls, which needs the token of a person with may_control",
        ))
    }

    /// Lets a gateway pass that says who `principal` is, as the configuration does: as the operator.
    pub fn gateway<T>(
        &self,
        request: &Request<T>,
        principal: PrincipalId,
    ) -> Result<Caller, Status> {
        let entry = self.changer(request)?;
        if request.metadata().contains_key(PRINCIPAL_KEY) {
            return Err(Status::invalid_argument(format!(
                "{PRINCIPAL_KEY}: this call is the gateway's own, and never that of somebody it acts for"
            )));
        }
        check_acts_for(entry, principal)?;
        self.acting(PrincipalId::OPERATOR, entry, request)
    }

    /// Who gives an account its first limits for a gateway that may administer and control, as the configuration does: the
    /// operator; `None` for every other call.
    pub fn founder<T>(&self, request: &Request<T>) -> Result<Option<Caller>, Status> {
        let entry = self.changer(request)?;
        let may = entry.acts_for.is_some() && entry.may_administer && entry.may_control;
        if !may || request.metadata().contains_key(PRINCIPAL_KEY) {
            return Ok(None);
        }
        self.acting(PrincipalId::OPERATOR, entry, request).map(Some)
    }

    /// Lets a call pass that reads, and says of which client.
    pub fn reader<T>(&self, request: &Request<T>) -> Result<&Arc<Client>, Status> {
        if let Some((_, client)) = self.bearer(request)? {
            return Ok(client);
        }
        let is_local = request.remote_addr().is_some_and(|addr| addr.ip().is_loopback());
        if self.loopback_reads_free && is_local {
            self.local.called();
            return Ok(&self.local);
        }
        Err(Status::unauthenticated("reading from here needs 'authorization: Bearer TOKEN'"))
    }

    /// All who have called, in the order of the configuration; whoever has no token last.
    pub fn clients(&self) -> Vec<proto::ClientReport> {
        let with_token = self.tokens.iter().map(|(_, client)| client);
        with_token.chain([&self.local]).filter_map(|client| client.report()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ActsFor;
    use tonic::Code;

    fn auth() -> Auth {
        let entry = |token: &str, may_administer, may_control| TokenEntry {
            token: token.into(),
            principal: PrincipalId(7),
            name: "t".into(),
            may_administer,
            may_control,
            acts_for: None,
        };
        Auth {
            tokens: with_clients(&[
                entry("trader-token-0123", false, false),
                entry("admin-token-01234", true, false),
                entry("officer-token-012", false, true),
            ]),
            local: Client::local(),
            loopback_reads_free: true,
            release: Arc::default(),
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
        let code = |result: Result<Caller, Status>| {
            result.map(|caller| caller.principal).map_err(|status| status.code())
        };
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
    fn a_gateway_acts_for_its_own_people_only() {
        let mut auth = auth();
        let range = ActsFor::new(PrincipalId(1_000), PrincipalId(1_005)).expect("principals");
        auth.tokens[0].0.acts_for = Some(range);
        let (gateway, other) = ("Bearer trader-token-0123", "Bearer officer-token-012");
        let (denied, invalid) = (Err(Code::PermissionDenied), Err(Code::InvalidArgument));
        for (header, named, whom) in [
            (gateway, &[][..], Ok(PrincipalId(7))),
            (gateway, &["1000"], Ok(PrincipalId(1_000))),
            (gateway, &["1005"], Ok(PrincipalId(1_005))),
            (gateway, &["999"], denied),
            (gateway, &["1006"], denied),
            // Not even its own, nor the operator's.
            (gateway, &["7"], denied),
            (gateway, &["0"], denied),
            (gateway, &["4294967295"], denied),
            (gateway, &["4294967296"], invalid),
            (gateway, &[""], invalid),
            (gateway, &["+1000"], invalid),
            (gateway, &["-1"], invalid),
            (gateway, &["1000 "], invalid),
            (gateway, &["alice"], invalid),
            (gateway, &["1000", "1000"], invalid),
            (gateway, &["1000", "1001"], invalid),
            (other, &["1000"], denied),
            (other, &["7"], denied),
            ("Bearer nonsense", &["1000"], Err(Code::Unauthenticated)),
        ] {
            let mut request = request(Some(header));
            for number in named {
                request.metadata_mut().append(PRINCIPAL_KEY, number.parse().expect("ASCII"));
            }
            let found = auth.trader(&request).map(|caller| caller.principal);
            assert_eq!(found.map_err(|status| status.code()), whom, "{header} {named:?}");
            // What the token may not, nobody may through it.
            let found = auth.administrator(&request).map_err(|status| status.code());
            assert_eq!(found.err(), Some(whom.err().unwrap_or(Code::PermissionDenied)));
        }
        for (header, principal, named, whom) in [
            (gateway, 1_000, None, Ok(PrincipalId::OPERATOR)),
            (gateway, 1_006, None, denied),
            (gateway, 7, None, denied),
            (gateway, 0, None, denied),
            (gateway, 1_000, Some("1000"), invalid),
            (other, 1_000, None, denied),
            (other, 7, None, denied),
            ("Bearer nonsense", 1_000, None, Err(Code::Unauthenticated)),
        ] {
            let mut request = request(Some(header));
            if let Some(number) = named {
                request.metadata_mut().insert(PRINCIPAL_KEY, number.parse().expect("ASCII"));
            }
            let found = auth.gateway(&request, PrincipalId(principal));
            let found = found.map(|caller| caller.principal).map_err(|status| status.code());
            assert_eq!(found, whom, "{header} {principal} {named:?}");
        }
    }

    #[test]
    fn an_answer_waits_for_the_deployment_and_for_what_is_asked() {
        use ReleaseLevel::{Power, Process, Replica, ReplicaPower};
        let refused = Err(Code::FailedPrecondition);
        for (release, asked, level) in [
            (Release::new(Process), None, Ok(Process)),
            (Release::new(Process), Some("power"), Ok(Power)),
            (Release::new(Power), Some("process"), Ok(Power)),
            (Release::new(Power), Some("replica"), refused),
            (Release::new(Power), Some("replica+power"), refused),
            (Release::with_followers(Power), Some("replica"), Ok(ReplicaPower)),
            (Release::new(Replica), Some("process"), Ok(Replica)),
            (Release::new(Process), Some("durable"), Err(Code::InvalidArgument)),
            (Release::new(Process), Some(""), Err(Code::InvalidArgument)),
        ] {
            let auth = Auth { release: Arc::new(release), ..auth() };
            let mut request = request(Some("Bearer trader-token-0123"));
            if let Some(asked) = asked {
                request.metadata_mut().insert(RELEASE_LEVEL_KEY, asked.parse().expect("ASCII"));
            }
            let found = auth.trader(&request).map(|caller| caller.level);
            assert_eq!(found.map_err(|status| status.code()), level, "{:?}", auth.release);
        }
    }

    #[test]
    fn reading_without_a_token_is_for_loopback_only() {
        // A request that did not come over TCP has no address: not loopback.
        assert!(auth().reader(&request(None)).is_err());
        let auth = auth();
        assert!(auth.clients().is_empty());
        let client = auth.reader(&request(Some("Bearer trader-token-0123"))).expect("it may");
        let _stream = client.open_stream();
        let told = auth.clients();
        assert_eq!((told.len(), told[0].principal, told[0].streams_open), (1, 7, 1));
        assert!(auth.reader(&request(Some("Bearer wrong"))).is_err());
    }
}
