//! Certificates for tests.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidegate_client::tls::Tls;
use tidegate_edge::EdgeTls;

/// An authority, and files of it and of whom it vouches for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let cert = params.self_signed(&key).expect("signed");
        std::fs::write(dir.path().join("ca.pem"), cert.pem()).expect("written");
        Self { issuer: Issuer::new(params, key), dir }
    }

    /// The authority's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for this machine and its key, of that name.
    pub fn vouch(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]);
        let cert = params.expect("names").signed_by(&key, &self.issuer).expect("signed");
        let path = |ending| self.dir.path().join(format!("{name}.{ending}"));
        std::fs::write(path("pem"), cert.pem()).expect("written");
        std::fs::write(path("key"), key.serialize_pem()).expect("written");
        (path("pem"), path("key"))
    }

    /// An edge's, that asks everybody for a certificate of this authority.
    pub fn edge(&self) -> EdgeTls {
        let (cert, key) = self.vouch("edge");
        EdgeTls { cert, key, client_ca: Some(self.ca()) }
    }

    /// A client's, that trusts `edge` and shows a certificate of this authority.
    pub fn client(&self, edge: &Path) -> Tls {
        let (cert, key) = self.vouch("client");
        Tls::read(edge, Some((&cert, &key))).expect("they fit together")
    }
}
