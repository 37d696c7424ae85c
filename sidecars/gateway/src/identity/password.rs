//! Passwords and PINs: Argon2id, with the parameters that OWASP names first, off the threads that serve.

use crate::error::{ApiError, Code, Result};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Characters of a password at least (NIST SP 800-63B asks for 8; 12 where it is the only factor).
const LEN_MIN: usize = 10;
/// Bytes of a password at most: it is hashed whole.
const LEN_MAX: usize = 256;
/// KiB, passes and lanes of one hash (OWASP Password Storage Cheat Sheet: m=19456, t=2, p=1).
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Hashes at one time: each takes 19 MiB and a core for some 30 ms.
const AT_ONCE: usize = 2;
/// Requests that may wait for one.
const WAITING_MAX: usize = 64;

/// Hashes and verifies.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// A hash of nobody's: an unknown user takes as long as a known one.
    nobody: String,
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(secret: &[u8]) -> String {
    let salt: [u8; 16] = crate::keys::random();
    let hash = argon2().hash_password_with_salt(secret, &salt);
    hash.expect("the salt and the secret are in range").to_string()
}

impl Passwords {
    /// None is being hashed yet.
    pub fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
            nobody: hash(&crate::keys::random::<16>()),
        }
    }

    /// The same, with places of its own: for those who are logged in, whom a crowd of strangers must not keep out.
    pub fn apart(&self) -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)), ..self.clone() }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            ApiError::new(Code::TooMany, "too many passwords are being checked; try again")
                .with(serde_json::json!({ "retry_after_s": 2 }))
        })?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(ApiError::internal)?;
        // A hash that is begun goes on when its client is gone, and keeps its place as long.
        let work = move || (work(), place, turn);
        let (done, ..) = tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?;
        Ok(done)
    }

    /// The hash of a secret, in PHC form.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    pub async fn hash(&self, secret: String) -> Result<String> {
        self.run(move || hash(secret.as_bytes())).await
    }

    /// Whether the secret is the one that was hashed. Takes as long without a hash.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    pub async fn is_right(&self, secret: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        if secret.len() > LEN_MAX {
            return Ok(false);
        }
        self.run(move || {
            let parsed = PasswordHash::new(&hash);
            let right =
                parsed.is_ok_and(|hash| argon2().verify_password(secret.as_bytes(), &hash).is_ok());
            right && known
        })
        .await
    }
}

/// Refuses a password that is too easy.
///
/// # Errors
/// [`Code::InvalidField`] with the rule.
pub fn check(password: &str, email: &str) -> Result<()> {
    let bad = |why: &str| Err(ApiError::field("password", why));
    if password.chars().count() < LEN_MIN {
        return bad("a password has at least 10 characters");
    }
    if password.len() > LEN_MAX {
        return bad("a password has at most 256 bytes");
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        return bad("a password is more than one character repeated");
    }
    let local = email.split('@').next().unwrap_or_default();
    if password.eq_ignore_ascii_case(email)
        || (local.len() >= 5 && password.eq_ignore_ascii_case(local))
    {
        return bad("a password is not one's own address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_not_and_nobody_has_one() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (secret, hash, is_right) in [
            ("correct horse", Some(hash.clone()), true),
            ("correct hors", Some(hash.clone()), false),
            ("", Some(hash), false),
            ("correct horse", None, false),
            ("correct horse", Some("no hash".into()), false),
        ] {
            assert_eq!(passwords.is_right(secret.into(), hash).await, Ok(is_right), "{secret}");
        }
    }

    #[test]
    fn easy_passwords_are_refused() {
        for bad in ["", "short", "aaaaaaaaaaaa", "ann@example.org", &"x".repeat(300)] {
            assert!(check(bad, "ann@example.org").is_err(), "{bad}");
        }
        assert!(check("correct horse battery", "ann@example.org").is_ok());
    }
}
