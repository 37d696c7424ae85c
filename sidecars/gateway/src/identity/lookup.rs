//! Hashes of tokens that are looked up by what they are: without the gateway's secret a copy of the database tells nothing of them.

use crate::keys::{Keys, Purpose, hex, unhex};
use ring::hmac;

/// A keyed hash.
#[derive(Debug)]
pub struct Lookup(hmac::Key);

impl Lookup {
    /// With the key of these.
    pub fn new(keys: &Keys) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &keys.of(Purpose::Lookup)))
    }

    /// The hash of a token of some kind, in hexadecimal digits. What is of one kind is worth nothing as another.
    pub fn hash(&self, kind: &str, token: &str) -> String {
        hex(hmac::sign(&self.0, [kind, token].join("\0").as_bytes()).as_ref())
    }

    /// Whether a hash is that of a token of some kind; takes as long for each wrong one.
    pub fn is_hash(&self, kind: &str, token: &str, hash: &str) -> bool {
        let hash = unhex(hash).unwrap_or_default();
        hmac::verify(&self.0, [kind, token].join("\0").as_bytes(), &hash).is_ok()
    }
}
