//! TLS: which version, and whose certificate.

mod support;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::house::House;
use support::house::authority::Authority;
use support::{Front, edge_config};
use tidegate_edge::EdgeConfig;
use tidegate_gateway::{Config, Gateway};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate of its own for `localhost`, and what it is as text.
fn certify(dir: &Path) -> String {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
    let cert = params.self_signed(&key).expect("signed").pem();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).expect("written");
    std::fs::write(dir.join("cert.pem"), &cert).expect("written");
    cert
}

async fn connect(
    addr: &str,
    trusted: &str,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).expect("PEM")).expect("added");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(addr).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Asks for `/health` over a connection that stays open.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        let mut part = [0; 1_024];
        let length = stream.read(&mut part).await.expect("answered");
        assert!(length > 0, "it was cut: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&part[..length]);
    }
    String::from_utf8(heard).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_3_is_spoken_and_a_new_certificate_needs_no_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = certify(dir.path());
    let front = Front::with(|config| {
        config.tls.cert = dir.path().join("cert.pem");
        config.tls.key = dir.path().join("key.pem");
    })
    .await;
    let addr = front.api.base.trim_start_matches("http://").to_string();
    let mut old = connect(&addr, &first, &[&TLS13], b"http/1.1").await.expect("it is trusted");
    let heard = ask(&mut old).await;
    assert!(heard.starts_with("HTTP/1.1 200") && heard.contains("strict-transport-security"));
    assert!(connect(&addr, &first, &[&TLS12], b"http/1.1").await.is_err());
    let two = connect(&addr, &first, &[&TLS13], b"h2").await.expect("it is trusted");
    assert_eq!(two.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let second = certify(dir.path());
    let mut fresh = None;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Ok(stream) = connect(&addr, &second, &[&TLS13], b"http/1.1").await {
            fresh = Some(stream);
            break;
        }
    }
    assert!(ask(&mut fresh.expect("the new certificate")).await.starts_with("HTTP/1.1 200"));
    // Who was there before stays.
    assert!(ask(&mut old).await.starts_with("HTTP/1.1 200"));
    assert!(connect(&addr, &first, &[&TLS13], b"http/1.1").await.is_err());
    // A file that is broken takes nothing away.
    std::fs::write(dir.path().join("cert.pem"), "nonsense").expect("written");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(connect(&addr, &second, &[&TLS13], b"http/1.1").await.is_ok());
    drop((old, two));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_is_reached_over_tls_by_whom_it_knows() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let house = House::new(edge_config()).await;
    let encrypted = EdgeConfig { tls: Some(ours.edge()), ..edge_config() };
    let house = house.restart_edge_with(encrypted).await;
    let [(cert, key), (foreign_cert, foreign_key)] = [&ours, &theirs].map(|of| of.vouch("gateway"));
    let engine = house.addr.trim_start_matches("https://").to_string();
    let ca = std::fs::read_to_string(ours.ca()).expect("PEM");
    assert!(connect(&engine, &ca, &[&TLS12], b"h2").await.is_err(), "TLS 1.2 is refused");
    let front = Front::before(house, |config| {
        config.engine.tls_ca = ours.ca();
        (config.engine.tls_cert, config.engine.tls_key) = (cert, key);
    })
    .await;
    let ann = front.register("ann").await;
    let account = ann.open_account("over TLS").await;
    let order = serde_json::json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "limit", "qty": "10", "limit_price": "10.00"
    });
    let taken = ann.post_once("/api/v1/orders", "tls", &order).await;
    assert_eq!(taken.status, 201, "{taken:#?}");
    // A file that is missing is named at once.
    let refused = async |change: &dyn Fn(&mut Config)| {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config { dir: dir.path().into(), ..Config::default() };
        config.engine.addr = format!("https://{engine}");
        config.engine.token = support::GATEWAY.into();
        change(&mut config);
        let opened = tokio::time::timeout(Duration::from_secs(2), Gateway::open(config)).await;
        opened.map(|opened| format!("{:#}", opened.expect_err("refused")))
    };
    let missing = refused(&|config| config.engine.tls_ca = "/nowhere/ca.pem".into()).await;
    assert!(missing.expect("at once").contains("/nowhere/ca.pem holds no authority"));
    // One that the edge does not know gets nowhere.
    let stranger = refused(&|config| {
        config.engine.tls_ca = ours.ca();
        config.engine.tls_cert = foreign_cert.clone();
        config.engine.tls_key = foreign_key.clone();
    })
    .await;
    assert!(stranger.is_err(), "it tries on");
    front.close().await;
}
