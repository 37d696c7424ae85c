//! Access tokens (JWT, HS256, nothing else) and refresh tokens.

use crate::error::{ApiError, Code, Result};
use crate::keys::{Keys, Purpose, hex};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who made a token, and whom it is for.
const ISSUER: &str = "tidegate";
/// Characters of a token at most.
const LEN_MAX: usize = 1_024;
/// What refresh tokens begin with, so that one who finds one knows what it is.
const REFRESH_PREFIX: &str = "tgr_";

/// What an access token says. It does not say what its bearer may: that is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// When it was made, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    pub exp: i64,
    iss: String,
}

/// Makes and reads tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    refresh: hmac::Key,
    access_s: i64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// Which refresh token of which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The session.
    pub session: Uuid,
    /// Its how many-eth.
    pub generation: i64,
}

impl Tokens {
    /// Tokens signed with keys of these; access tokens are good for so many minutes.
    pub fn new(keys: &Keys, access_minutes: u32) -> Self {
        let key = keys.of(Purpose::Access);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "sub", "iss"]);
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
            refresh: hmac::Key::new(hmac::HMAC_SHA256, &keys.of(Purpose::Refresh)),
            access_s: i64::from(access_minutes) * 60,
        }
    }

    /// Seconds that an access token is good for.
    pub fn access_s(&self) -> i64 {
        self.access_s
    }

    /// An access token of a session.
    ///
    /// # Errors
    /// [`Code::Internal`].
    pub fn access(&self, user: Uuid, session: Uuid) -> Result<String> {
        let iat = crate::now_ms() / 1_000;
        let claims =
            Claims { sub: user, sid: session, iat, exp: iat + self.access_s, iss: ISSUER.into() };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(ApiError::internal)
    }

    /// What an access token says, if it is one of ours that is still good.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`].
    pub fn claims(&self, token: &str) -> Result<Claims> {
        use jsonwebtoken::errors::ErrorKind;
        let bad = |message: &str| ApiError::new(Code::Unauthenticated, message);
        if token.len() > LEN_MAX {
            return Err(bad("this is no token of the gateway"));
        }
        let read = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        read.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => {
                bad("the access token has ended; POST /api/v1/auth/refresh gives another")
            }
            _ => bad("this is no token of the gateway"),
        })
    }

    /// A refresh token.
    pub fn refresh(&self, refresh: Refresh) -> String {
        let body = format!("{}.{}", refresh.session.simple(), refresh.generation);
        let tag = hmac::sign(&self.refresh, body.as_bytes());
        format!("{REFRESH_PREFIX}{body}.{}", hex(tag.as_ref()))
    }

    /// Which one a refresh token is; `None` if it was not made here. Whether it is still good, its session says.
    pub fn read_refresh(&self, token: &str) -> Option<Refresh> {
        let (body, tag) = token.strip_prefix(REFRESH_PREFIX)?.rsplit_once('.')?;
        let tag = crate::keys::unhex(tag)?;
        hmac::verify(&self.refresh, body.as_bytes(), &tag).ok()?;
        let (session, generation) = body.split_once('.')?;
        Some(Refresh { session: session.parse().ok()?, generation: generation.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&Keys::new(&[1; 32]), 15)
    }

    #[test]
    fn an_access_token_is_good_here_and_nowhere_else() {
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = tokens().access(user, session).expect("made");
        let claims = tokens().claims(&token).expect("it is ours");
        assert_eq!((claims.sub, claims.sid, claims.exp - claims.iat), (user, session, 900));
        assert!(Tokens::new(&Keys::new(&[2; 32]), 15).claims(&token).is_err());
        let refresh = tokens().refresh(Refresh { session, generation: 1 });
        assert!(tokens().claims(&refresh).is_err());
        assert_eq!(tokens().read_refresh(&token), None);
    }

    #[test]
    fn no_other_algorithm_and_no_end_that_is_over_is_taken() {
        let key = Keys::new(&[1; 32]).of(Purpose::Access);
        let claims =
            |exp| Claims { sub: Uuid::nil(), sid: Uuid::nil(), iat: 0, exp, iss: ISSUER.into() };
        let make = |algorithm, claims: &Claims| {
            let key = EncodingKey::from_secret(&key);
            jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("made")
        };
        let later = crate::now_ms() / 1_000 + 60;
        assert!(tokens().claims(&make(Algorithm::HS256, &claims(later))).is_ok());
        assert!(tokens().claims(&make(Algorithm::HS512, &claims(later))).is_err());
        assert!(tokens().claims(&make(Algorithm::HS256, &claims(1))).is_err());
        let other = Claims { iss: "other".into(), ..claims(later) };
        assert!(tokens().claims(&make(Algorithm::HS256, &other)).is_err());
        // {"alg":"none"} with no signature.
        let good = make(Algorithm::HS256, &claims(later));
        let body = good.split('.').nth(1).expect("three parts");
        assert!(tokens().claims(&format!("eyJhbGciOiJub25lIn0.{body}.")).is_err());
    }

    #[test]
    fn a_refresh_token_cannot_be_made_up() {
        let refresh = Refresh { session: Uuid::from_u128(7), generation: 3 };
        let token = tokens().refresh(refresh);
        assert_eq!(tokens().read_refresh(&token), Some(refresh));
        let next = token.replace(".3.", ".4.");
        for bad in ["", "tgr_", "tgr_a.1.00", &next, &token[..token.len() - 2]] {
            assert_eq!(tokens().read_refresh(bad), None, "{bad}");
        }
    }
}
