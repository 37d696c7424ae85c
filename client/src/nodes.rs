//! One server of several: the nodes of a deployment, of which the primary alone takes connections.

use crate::ClientError;
use crate::tls::Tls;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same with one of several addresses: a machine that is gone holds up the next one for as long.
const NODE_TIMEOUT: Duration = Duration::from_millis(500);
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Bytes to and from a server, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// True if the first of `addrs` is to be spoken to over TLS.
pub(crate) fn is_encrypted(addrs: &str) -> bool {
    addrs.trim_start().starts_with("https://")
}

/// The endpoint at `addr`; `http://` may be left out.
fn endpoint(addr: &str) -> Result<Endpoint, ClientError> {
    let url = if addr.contains("://") { addr.to_string() } else { format!("http://{addr}") };
    Endpoint::from_shared(url)
        .map_err(|source| ClientError::Address { addr: addr.to_string(), source })
}

/// Connects to the first of `addrs` that takes a connection, over TLS if that is given, and again whenever that is lost, each time beginning with the one after.
pub(crate) async fn connect(
    addrs: &str,
    tls: Option<Tls>,
    with: impl Fn(Endpoint) -> Endpoint,
) -> Result<Channel, ClientError> {
    let mut endpoints = Vec::new();
    for addr in addrs.split(',') {
        endpoints.push(endpoint(addr.trim())?);
    }
    let is_encrypted = |endpoint: &Endpoint| endpoint.uri().scheme_str() == Some("https");
    if endpoints.iter().any(|endpoint| is_encrypted(endpoint) != tls.is_some()) {
        return Err(ClientError::Mixed { addr: addrs.to_string() });
    }
    let port = if tls.is_some() { HTTPS_PORT } else { HTTP_PORT };
    let hosts = endpoints.iter().map(|endpoint| {
        let uri = endpoint.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        (host.to_string(), uri.port_u16().unwrap_or(port))
    });
    let (hosts, next) = (Arc::<[_]>::from_iter(hosts), Arc::new(AtomicUsize::new(0)));
    let connector = tower::service_fn(move |_: Uri| {
        let (hosts, next, tls) = (Arc::clone(&hosts), Arc::clone(&next), tls.clone());
        async move { first_of(&hosts, &next, tls.as_ref()).await.map(TokioIo::new) }
    });
    let refused = |source| ClientError::Connect { addr: addrs.to_string(), source };
    with(endpoints.swap_remove(0)).connect_with_connector(connector).await.map_err(refused)
}

async fn first_of(
    hosts: &[(String, u16)],
    next: &AtomicUsize,
    tls: Option<&Tls>,
) -> io::Result<Box<dyn Stream>> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let patience = if hosts.len() > 1 { NODE_TIMEOUT } else { CONNECT_TIMEOUT };
    for _ in hosts {
        let (host, port) = &hosts[next.fetch_add(1, Ordering::Relaxed) % hosts.len()];
        match tokio::time::timeout(patience, one(host, *port, tls)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refused = error,
            Err(_) => refused = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(refused)
}

async fn one(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(match tls {
        Some(tls) => Box::new(tls.connect(host, stream).await?),
        None => Box::new(stream),
    })
}
