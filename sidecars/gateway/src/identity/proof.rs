//! What is mailed to show that an address is one's own: tokens that hold no secret but a tag, bound to what they are about.

use super::people::Person;
use crate::keys::{Keys, Purpose, hex, unhex};
use ring::hmac;
use uuid::Uuid;

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// Characters of a token at most.
const LEN_MAX: usize = 256;

/// What a token shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// That the address is one's own, for 24 hours; good until it is shown.
    Address,
    /// That one may set a new password, for an hour; good until the password changes.
    Reset,
}

impl Shows {
    fn prefix(self) -> &'static str {
        match self {
            Self::Address => "tgv_",
            Self::Reset => "tgp_",
        }
    }

    fn life_ms(self) -> i64 {
        match self {
            Self::Address => 24 * HOUR_MS,
            Self::Reset => HOUR_MS,
        }
    }
}

/// Makes and reads them.
#[derive(Debug)]
pub struct Proofs {
    address: hmac::Key,
    reset: hmac::Key,
}

impl Proofs {
    /// Signed with keys of these.
    pub fn new(keys: &Keys) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &keys.of(purpose));
        Self { address: key(Purpose::VerifyEmail), reset: key(Purpose::ResetPassword) }
    }

    fn key(&self, shows: Shows) -> &hmac::Key {
        match shows {
            Shows::Address => &self.address,
            Shows::Reset => &self.reset,
        }
    }

    /// What is signed: a token is worth nothing once the address or, to set one, the password is another.
    fn signed(shows: Shows, body: &str, person: &Person) -> String {
        let password = match shows {
            Shows::Address => "",
            Shows::Reset => person.password_hash.as_deref().unwrap_or_default(),
        };
        [body, &person.email, password].join("\0")
    }

    /// A token for somebody.
    pub fn make(&self, shows: Shows, person: &Person, now: i64) -> String {
        let body = format!("{}{}.{}", shows.prefix(), person.id.simple(), now + shows.life_ms());
        let tag = hmac::sign(self.key(shows), Self::signed(shows, &body, person).as_bytes());
        format!("{body}.{}", hex(tag.as_ref()))
    }

    /// Whom a token is for, if it is one. Whether it is good, [`Proofs::is_good`] says.
    pub fn user(shows: Shows, token: &str) -> Option<Uuid> {
        if token.len() > LEN_MAX {
            return None;
        }
        token.strip_prefix(shows.prefix())?.split('.').next()?.parse().ok()
    }

    /// Whether a token is good for somebody as the user is now.
    pub fn is_good(&self, shows: Shows, token: &str, person: &Person, now: i64) -> bool {
        let read = || {
            let (body, tag) = token.rsplit_once('.')?;
            let signed = Self::signed(shows, body, person);
            hmac::verify(self.key(shows), signed.as_bytes(), &unhex(tag)?).ok()?;
            body.rsplit_once('.')?.1.parse::<i64>().ok()
        };
        Self::user(shows, token) == Some(person.id) && read().is_some_and(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Role;

    #[test]
    fn a_token_is_good_for_one_thing_of_one_user_for_a_while() {
        let proofs = Proofs::new(&Keys::new(&[1; 32]));
        let ann = Person {
            id: Uuid::from_u128(1),
            email: "ann@x.org".into(),
            name: "Ann".into(),
            role: Role::Trader,
            plan: "free".into(),
            principal: 1_000,
            password_hash: Some("$argon2id$1".into()),
            created_at: 0,
            is_verified: false,
            is_disabled: false,
            has_totp: false,
            has_pin: false,
            engine_role: String::new(),
            preferences: "{}".into(),
        };
        for (shows, other) in [(Shows::Address, Shows::Reset), (Shows::Reset, Shows::Address)] {
            let token = proofs.make(shows, &ann, 1_000);
            assert_eq!(Proofs::user(shows, &token), Some(ann.id));
            let is_good = |shows, token: &str, person: &Person, now| {
                proofs.is_good(shows, token, person, now)
            };
            assert!(is_good(shows, &token, &ann, 1_000));
            assert!(!is_good(shows, &token, &ann, 1_000 + shows.life_ms()));
            assert!(!is_good(other, &token, &ann, 1_000));
            let renamed = token.replace(shows.prefix(), other.prefix());
            assert!(!is_good(other, &renamed, &ann, 1_000));
            let bob = Person { id: Uuid::from_u128(2), ..ann.clone() };
            assert!(!is_good(shows, &token, &bob, 1_000));
            let moved = Person { email: "other@x.org".into(), ..ann.clone() };
            assert!(!is_good(shows, &token, &moved, 1_000));
            let changed = Person { password_hash: None, ..ann.clone() };
            assert_eq!(is_good(shows, &token, &changed, 1_000), shows == Shows::Address);
            let longer = token.replace(&(1_000 + shows.life_ms()).to_string(), "99999999999999");
            assert!(!is_good(shows, &longer, &ann, 1_000));
            for bad in ["", ".", "tgv_", "tgp_..", &token[..token.len() - 1]] {
                assert!(!is_good(shows, bad, &ann, 1_000), "{bad}");
            }
        }
    }
}
