//! The gateway's own secret, and the keys that are derived from it: one for each purpose, so that what was made for one is
//! worth nothing for another.

use anyhow::{Context, Result, ensure};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of the secret and of each key.
pub const KEY_BYTES: usize = 32;

/// What keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs access tokens.
    Access,
    /// Signs refresh tokens.
    Refresh,
    /// Signs what is mailed to show that an address is one's own.
    VerifyEmail,
    /// Signs what is mailed to set a new password.
    ResetPassword,
    /// Signs cursors of pages.
    Cursor,
    /// Seals secrets in the database.
    Seal,
    /// Hashes API keys, recovery codes and authorizations.
    Lookup,
    /// Hashes rows of the audit log.
    Audit,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Access => b"tidegate gateway access token 1",
            Self::Refresh => b"tidegate gateway refresh token 1",
            Self::VerifyEmail => b"tidegate gateway verify e-mail 1",
            Self::ResetPassword => b"tidegate gateway reset password 1",
            Self::Cursor => b"tidegate gateway cursor 1",
            Self::Seal => b"tidegate gateway seal 1",
            Self::Lookup => b"tidegate gateway lookup 1",
            Self::Audit => b"tidegate gateway audit 1",
        }
    }
}

/// The secret; keys come from it by HKDF-SHA256.
pub struct Keys(Prk);

// Secrets stay out of logs.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Keys {
    /// Keys of a secret.
    pub fn new(secret: &[u8; KEY_BYTES]) -> Self {
        Self(Salt::new(HKDF_SHA256, b"tidegate").extract(secret))
    }

    /// Reads the secret from a file of 64 hexadecimal digits, which is made if it is not there.
    ///
    /// # Errors
    /// A file that cannot be read or made, is no such secret, or can be read by others.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        if !path.exists() {
            let secret: [u8; KEY_BYTES] = random();
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(|| format!("cannot make the secret {shown}"))?;
            writeln!(file, "{}", hex(&secret)).and_then(|()| file.sync_all())?;
        }
        let meta = fs::metadata(path).with_context(|| format!("cannot read the secret {shown}"))?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        ensure!(mode & 0o077 == 0, "others can read the secret {shown}: chmod 600 {shown}");
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        Self::read(&text).with_context(|| format!("the secret {shown}"))
    }

    /// Keys of a secret as text: 64 hexadecimal digits.
    ///
    /// # Errors
    /// Any other text; the message does not show it.
    pub fn read(text: &str) -> Result<Self> {
        let secret = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        Ok(Self::new(&secret.context("it has not 64 hexadecimal digits")?))
    }

    /// The key for a purpose.
    pub fn of(&self, purpose: Purpose) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        let info = [purpose.label()];
        let made = self.0.expand(&info, Length).and_then(|okm| okm.fill(&mut key));
        made.expect("HKDF gives a key of 32 bytes");
        key
    }
}

/// Unguessable bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Hexadecimal digits as bytes; `None` if they are none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_key() {
        let keys = Keys::new(&[7; KEY_BYTES]);
        let all = [
            Purpose::Access,
            Purpose::Refresh,
            Purpose::VerifyEmail,
            Purpose::ResetPassword,
            Purpose::Cursor,
            Purpose::Seal,
            Purpose::Lookup,
            Purpose::Audit,
        ];
        for (at, purpose) in all.iter().enumerate() {
            assert_eq!(keys.of(*purpose), keys.of(*purpose));
            for other in &all[at + 1..] {
                assert_ne!(keys.of(*purpose), keys.of(*other), "{purpose:?} {other:?}");
            }
        }
        assert_ne!(keys.of(Purpose::Access), Keys::new(&[8; KEY_BYTES]).of(Purpose::Access));
    }

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret");
        let made = Keys::open(&path).expect("made").of(Purpose::Seal);
        assert_eq!(Keys::open(&path).expect("read").of(Purpose::Seal), made);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&path, open).expect("it is ours");
        assert!(Keys::open(&path).expect_err("open to others").to_string().contains("chmod 600"));
        let bad = dir.path().join("bad");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&bad)
            .expect("new");
        writeln!(file, "0011").expect("written");
        assert!(Keys::open(&bad).is_err());
    }
}
