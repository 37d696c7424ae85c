//! Who the edge is, and who may connect: TLS 1.3 before gRPC.

use crate::error::EdgeError;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::tls::{ALPN, TlsError, authorities, chain, private};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client without TLS may take to read that it needs it.
const TOLD_TIMEOUT: Duration = Duration::from_secs(1);
/// How a handshake begins (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// What a client without TLS is told.
const ENCRYPTED_ONLY: &[u8] = b"this server speaks TLS: connect with https://";

/// TLS of an edge: PEM files all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeTls {
    /// The certificate and those that lead to its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority of whose certificates a client must show one; without, everybody may connect.
    pub client_ca: Option<PathBuf>,
}

impl EdgeTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EdgeError::Tls`], which names the file.
    pub(crate) fn read(&self) -> Result<Arc<ServerConfig>, EdgeError> {
        let Self { cert, key, client_ca } = self;
        let pair = |why| TlsError::Pair { cert: cert.clone(), key: key.clone(), why };
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3");
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let unfit = |error: rustls::server::VerifierBuilderError| TlsError::File {
                    path: path.clone(),
                    what: "authority's certificate",
                    why: error.to_string(),
                };
                config.with_client_cert_verifier(verifier.build().map_err(unfit)?)
            }
        };
        let mut config = config.with_single_cert(chain(cert)?, private(key)?).map_err(pair)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

/// Shakes hands. Who does not speak TLS is told so.
///
/// # Errors
/// Nothing that is a handshake came in time, or it failed.
pub(crate) async fn secure(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let shaking = async {
        let mut first = [HANDSHAKE];
        stream.peek(&mut first).await?;
        match first {
            [HANDSHAKE] => TlsAcceptor::from(config).accept(stream).await,
            _ => {
                // Whoever does not read it is cut.
                let _ = timeout(TOLD_TIMEOUT, refuse(stream)).await;
                Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"))
            }
        }
    };
    timeout(HANDSHAKE_TIMEOUT, shaking).await?
}

/// Says goodbye as HTTP/2 does: no settings, and why it goes away (RFC 9113, 6.5 and 6.8).
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    const NO_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const INADEQUATE_SECURITY: u8 = 12;
    let length = 8 + ENCRYPTED_ONLY.len() as u8;
    let mut told = NO_SETTINGS.to_vec();
    told.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    told.extend([0, 0, 0, 0, 0, 0, 0, INADEQUATE_SECURITY]);
    told.extend(ENCRYPTED_ONLY);
    stream.write_all(&told).await?;
    stream.shutdown().await?;
    // What is not read when the socket is closed would take the words back.
    let mut rest = [0; 512];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
