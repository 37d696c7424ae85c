//! TLS 1.3 to an edge: whom to trust, and who asks. The edge reads its own files the same way.

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::env::var_os;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What both sides speak inside.
pub const ALPN: &[u8] = b"h2";
/// The file of the authority that vouches for the server.
const CA: &str = "TIDEGATE_CA";
/// The client's own certificate.
const CERT: &str = "TIDEGATE_CERT";
/// Its key.
const KEY: &str = "TIDEGATE_KEY";

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read, or holds nothing of its kind.
    #[error("{} holds no {what} in PEM: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it does not.
        why: String,
    },
    /// A certificate and a key that are not each other's.
    #[error("{} and {} do not go together: {why}", cert.display(), key.display())]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// Nobody says whom to trust.
    #[error("{CA} must name the file of the authority that made the server's certificate (PEM)")]
    NoAuthority,
    /// A certificate without its key, or a key alone.
    #[error("{CERT} and {KEY} go together: give both or none")]
    Half,
}

/// Whom a connection trusts, and what it shows.
#[derive(Clone, Debug)]
pub struct Tls {
    connector: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts servers with a certificate of the authorities in `ca`, and shows `own`, a certificate and its key. All are PEM files.
    ///
    /// # Errors
    /// [`TlsError::File`], [`TlsError::Pair`].
    pub fn read(ca: &Path, own: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(authorities(ca)?);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some((cert, key)) => config
                .with_client_auth_cert(chain(cert)?, private(key)?)
                .map_err(|why| TlsError::Pair { cert: cert.into(), key: key.into(), why })?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { connector: Arc::new(config) })
    }

    /// As the environment says: `TIDEGATE_CA` names the authority's file, `TIDEGATE_CERT` and `TIDEGATE_KEY` those of the client.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_env() -> Result<Self, TlsError> {
        let [ca, cert, key] =
            [CA, CERT, KEY].map(|name| var_os(name).filter(|path| !path.is_empty()));
        let ca = ca.ok_or(TlsError::NoAuthority)?;
        let own = match (&cert, &key) {
            (Some(cert), Some(key)) => Some((Path::new(cert), Path::new(key))),
            (None, None) => None,
            _ => return Err(TlsError::Half),
        };
        Self::read(Path::new(&ca), own)
    }

    /// Shakes hands with the server called `host`, and waits for its first word: only then it has accepted who asks.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let name = ServerName::try_from(host.to_string()).map_err(wrong)?;
        let connector = TlsConnector::from(Arc::clone(&self.connector));
        let mut stream = connector.connect(name, stream).await?;
        if stream.fill_buf().await?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(stream)
    }
}

fn file(path: &Path, what: &'static str, why: impl ToString) -> TlsError {
    TlsError::File { path: path.into(), what, why: why.to_string() }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(file(path, what, "there is none")),
        read => read.map_err(|why| file(path, what, why)),
    }
}

/// A certificate and those that lead to its authority.
///
/// # Errors
/// [`TlsError::File`].
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(path, "certificate")
}

/// A private key.
///
/// # Errors
/// [`TlsError::File`].
pub fn private(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|why| file(path, "private key", why))
}

/// Authorities to trust.
///
/// # Errors
/// [`TlsError::File`].
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    const WHAT: &str = "authority's certificate";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, WHAT)? {
        roots.add(certificate).map_err(|why| file(path, WHAT, why))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ca.pem");
        let missing = Tls::read(&path, None).expect_err("there is none").to_string();
        assert!(missing.contains("ca.pem holds no authority's certificate"), "{missing}");
        std::fs::write(&path, "nonsense").expect("written");
        let empty = Tls::read(&path, None).expect_err("it holds none").to_string();
        assert!(empty.contains("ca.pem holds no authority's certificate"), "{empty}");
    }
}
