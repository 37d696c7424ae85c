//! Who the gateway is: its certificate and key, read again when their files change. Only TLS 1.3 is spoken.

use crate::config;
use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Certificate and key, if there are any.
#[derive(Debug)]
pub struct Identity {
    current: Option<Arc<RwLock<Arc<ServerConfig>>>>,
}

impl Identity {
    /// Reads the files, and looks after them from now on. One that cannot be used takes the place of none that can.
    ///
    /// # Errors
    /// Files that cannot be read, that hold no certificate or key, or two that do not go together.
    pub fn open(config: &config::Tls) -> Result<Self> {
        if !config.is_on() {
            return Ok(Self { current: None });
        }
        let mut seen = changed_at(config);
        let current = Arc::new(RwLock::new(read(config)?));
        let (config, watched) = (config.clone(), Arc::downgrade(&current));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(current) = watched.upgrade() else { return };
                let now = changed_at(&config);
                if now == seen {
                    continue;
                }
                match read(&config) {
                    Ok(fresh) => {
                        *current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                        tracing::info!("new certificate");
                        seen = now;
                    }
                    // Perhaps only one of the two is there yet.
                    Err(error) => tracing::warn!("the old certificate stays: {error:#}"),
                }
            }
        });
        Ok(Self { current: Some(current) })
    }

    /// For the next connection; `None`: there is no TLS.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        let current = self.current.as_ref()?;
        let config = current.read().unwrap_or_else(PoisonError::into_inner);
        Some(TlsAcceptor::from(Arc::clone(&config)))
    }
}

fn changed_at(config: &config::Tls) -> [Option<SystemTime>; 2] {
    [&config.cert, &config.key].map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn read(config: &config::Tls) -> Result<Arc<ServerConfig>> {
    let (cert, key) = (config.cert.display(), config.key.display());
    let chain = CertificateDer::pem_file_iter(&config.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("tls.cert: cannot read {cert}"))?;
    let private = PrivateKeyDer::from_pem_file(&config.key)
        .with_context(|| format!("tls.key: cannot read {key}"))?;
    let mut made = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("tls: {cert} and {key} do not go together"))?;
    made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(made))
}
