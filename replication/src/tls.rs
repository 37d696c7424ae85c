//! Who may speak with whom: TLS 1.3 with certificates on both sides, of one authority that is the deployment's own.

use crate::message::{MessageError, check_name};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What both sides say they speak.
const PROTOCOL: &[u8] = b"tidegate-replica/1";
/// A link on which nothing arrives for so long is gone. Followers that say nothing are let go earlier.
const IDLE_MAX_MS: u32 = 3_000;
/// So that a silent link stays.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// Bytes on their way on one link: far more than a network of a data centre holds, and little memory.
const WINDOW_LEN: u32 = 8 << 20;

/// Where a node's certificates lie, PEM files all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The authority that has signed every node's certificate.
    pub authority: PathBuf,
    /// The own certificate, whose DNS name is the node's name.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read or holds nothing of its kind.
    #[error("{path} holds no {what} in PEM: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why.
        cause: rustls::pki_types::pem::Error,
    },
    /// They do not fit together.
    #[error("the certificates do not fit together: {0}")]
    Config(#[from] rustls::Error),
    /// The authority cannot be used to check others.
    #[error("the authority's certificate cannot be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// Not for QUIC.
    #[error("the certificates cannot be used for QUIC: {0}")]
    Suite(#[from] NoInitialCipherSuite),
    /// A certificate without the DNS name of a node.
    #[error("a certificate names no node: its first DNS name must be the node's name")]
    NoName,
    /// A name that no node can have.
    #[error("a certificate names no node: {0}")]
    Name(#[from] MessageError),
    /// A certificate that cannot be taken apart.
    #[error("a certificate cannot be read: {0}")]
    Certificate(#[from] webpki::Error),
}

/// Both sides of a node's TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) server: ServerConfig,
    pub(crate) client: ClientConfig,
    /// The name in the own certificate.
    pub name: String,
}

impl Tls {
    /// Reads certificates from files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(files: &Files) -> Result<Self, TlsError> {
        let wrong = |path: &Path, what| {
            let path = path.to_path_buf();
            move |cause| TlsError::File { path, what, cause }
        };
        let certificates = |path: &Path| {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            read.map_err(wrong(path, "certificate"))
        };
        let authority: Vec<_> = certificates(&files.authority)?;
        let chain: Vec<_> = certificates(&files.certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(&files.key).map_err(wrong(&files.key, "private key"))?;
        Self::new(authority, chain, key)
    }

    /// Certificates that were read already: the authority's, the own with those that lead to the authority, and its key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(
        authority: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let name = node_name(chain.first().ok_or(TlsError::NoName)?)?;
        let mut roots = RootCertStore::empty();
        for certificate in authority {
            roots.add(certificate)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = &[&rustls::version::TLS13];
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        let transport = Arc::new(transport());
        let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
        server.transport_config(Arc::clone(&transport));
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
        client.transport_config(transport);
        Ok(Self { server, client, name })
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MAX_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_LEN))
        .receive_window(VarInt::from_u32(WINDOW_LEN))
        .send_window(u64::from(WINDOW_LEN));
    transport
}

/// The node that a certificate is of: its first DNS name.
///
/// # Errors
/// [`TlsError::NoName`], [`TlsError::Name`], [`TlsError::Certificate`].
pub fn node_name(certificate: &CertificateDer<'_>) -> Result<String, TlsError> {
    let parsed = webpki::EndEntityCert::try_from(certificate)?;
    let name = parsed.valid_dns_names().next().ok_or(TlsError::NoName)?.to_string();
    check_name(&name)?;
    Ok(name)
}
