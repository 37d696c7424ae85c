//! Secrets that the gateway must be able to read again, sealed in the database: AES-256-GCM, bound to the row that they belong to.

use crate::error::{ApiError, Result};
use crate::keys::{Keys, Purpose, hex, random, unhex};
use anyhow::{Context, anyhow, ensure};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sqlx::{AnyPool, Row};
use std::path::Path;
use uuid::Uuid;

/// Hexadecimal digits that name a key.
const ID_LEN: usize = 8;
/// The table of what shows which secret a database belongs to.
const MARK: &str = "secret_mark";

/// Seals with the newest key, opens with any.
pub struct Sealer {
    /// Newest first; never empty.
    keys: Vec<(String, LessSafeKey)>,
}

// Secrets stay out of logs.
impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

fn key(keys: &Keys) -> (String, LessSafeKey) {
    let secret = keys.of(Purpose::Seal);
    let id = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), b"tidegate key id");
    let key = UnboundKey::new(&AES_256_GCM, &secret).expect("a key of 32 bytes");
    (hex(&id.as_ref()[..ID_LEN / 2]), LessSafeKey::new(key))
}

/// What a sealed text is bound to: moved to another row, it does not open.
fn place(table: &str, row: Uuid) -> Vec<u8> {
    [table.as_bytes(), &[0], row.as_bytes()].concat()
}

/// The rows of one user in a table: a secret that is bound to them does not open in another's.
pub fn owned(table: &str, user: Uuid) -> String {
    format!("{table} of {user}")
}

impl Sealer {
    /// Whether it was sealed with the newest key.
    pub fn is_newest(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_some_and(|(id, _)| id == self.keys[0].0)
    }

    /// Seals with the key of `newest`, and opens what that or one of `older` sealed.
    pub fn new(newest: &Keys, older: &[Keys]) -> Self {
        Self { keys: std::iter::once(newest).chain(older).map(key).collect() }
    }

    /// The same with the secret that was in force before, if the folder has it as `secret.old`.
    ///
    /// # Errors
    /// A file that cannot be read or is no secret.
    pub fn open(newest: &Keys, dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("secret.old");
        let older = match path.exists() {
            true => vec![Keys::open(&path).context("the secret before")?],
            false => Vec::new(),
        };
        Ok(Self::new(newest, &older))
    }

    /// Makes sure that this database was sealed with these keys: a lost secret must not be replaced without a word.
    ///
    /// # Errors
    /// Another secret, or the database's.
    pub async fn recognise(&self, pool: &AnyPool) -> anyhow::Result<()> {
        let row = sqlx::query("SELECT sealed FROM secret_mark WHERE id = 1");
        let sealed: Option<String> = match row.fetch_optional(pool).await? {
            Some(row) => Some(row.try_get("sealed")?),
            None => None,
        };
        if let Some(sealed) = &sealed {
            ensure!(
                self.unseal(MARK, Uuid::nil(), sealed).is_some(),
                "this database belongs to another secret: restore the file 'secret' of its folder (or what [secrets] names), without \
                 which second factors, API keys and brokers' credentials are lost; after a change of the secret, keep the one before \
                 as secret.old"
            );
            if self.is_newest(sealed) {
                return Ok(());
            }
        }
        let mark =
            self.seal(MARK, Uuid::nil(), b"tidegate").map_err(|error| anyhow!(error.message))?;
        sqlx::query(
            "INSERT INTO secret_mark (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(mark)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// Seals a secret of a row.
    ///
    /// # Errors
    /// [`Code::Internal`](crate::error::Code::Internal): it is longer than the cipher can take.
    pub fn seal(&self, table: &str, row: Uuid, secret: &[u8]) -> Result<String> {
        let (id, key) = &self.keys[0];
        let nonce: [u8; NONCE_LEN] = random();
        let mut bytes = secret.to_vec();
        let aad = Aad::from(place(table, row));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .map_err(|_| ApiError::internal("a secret is too long to be sealed"))?;
        Ok(format!("{id}.{}{}", hex(&nonce), hex(&bytes)))
    }

    /// Opens what was sealed for the row; `None` if it was not, or was changed, or its key is gone.
    pub fn unseal(&self, table: &str, row: Uuid, sealed: &str) -> Option<Vec<u8>> {
        let (id, bytes) = sealed.split_once('.')?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == id)?;
        let mut bytes = unhex(bytes)?;
        let (nonce, secret) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = key.open_in_place(nonce, Aad::from(place(table, row)), secret).ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_row_only() {
        let sealer = Sealer::new(&Keys::new(&[1; 32]), &[]);
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = sealer.seal("users", row, b"secret").expect("sealed");
        assert_eq!(sealer.unseal("users", row, &sealed).as_deref(), Some(&b"secret"[..]));
        assert_ne!(sealer.seal("users", row, b"secret").expect("sealed"), sealed);
        assert_eq!(sealer.unseal("users", other, &sealed), None);
        assert_eq!(sealer.unseal("brokers", row, &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(sealer.unseal("users", row, &changed), None, "{at}");
        }
        for bad in ["", ".", "00", &sealed[..20]] {
            assert_eq!(sealer.unseal("users", row, bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_database_knows_its_secret() {
        let database = crate::testing::Database::new().await;
        let [first, second] = [Keys::new(&[1; 32]), Keys::new(&[2; 32])];
        let of = |keys: &Keys| Sealer::new(keys, &[]);
        for _ in 0..2 {
            of(&first).recognise(&database.pool).await.expect("its own");
        }
        let error = of(&second).recognise(&database.pool).await.expect_err("another's");
        assert!(error.to_string().contains("secret.old"), "{error}");
        // With the one before it is the database's from now on.
        let changed = Sealer::new(&second, std::slice::from_ref(&first));
        changed.recognise(&database.pool).await.expect("both");
        of(&second).recognise(&database.pool).await.expect("the new one");
        assert!(of(&first).recognise(&database.pool).await.is_err());
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_seals() {
        let [old, new] = [1, 2].map(|n| Keys::new(&[n; 32]));
        let row = Uuid::from_u128(1);
        let before = Sealer::new(&old, &[]).seal("users", row, b"secret").expect("sealed");
        assert_eq!(Sealer::new(&new, &[]).unseal("users", row, &before), None);
        let both = Sealer::new(&new, &[old]);
        assert_eq!(both.unseal("users", row, &before).as_deref(), Some(&b"secret"[..]));
        let after = both.seal("users", row, b"secret").expect("sealed");
        assert!(Sealer::new(&new, &[]).unseal("users", row, &after).is_some());
    }
}
