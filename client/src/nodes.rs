//! One server of several: the nodes of a deployment, of which the primary alone takes connections.

use crate::ClientError;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same with one of several addresses: a machine that is gone holds up the next one for as long.
const NODE_TIMEOUT: Duration = Duration::from_millis(500);
const HTTP_PORT: u16 = 80;

/// The endpoint at `addr`; `http://` may be left out.
fn endpoint(addr: &str) -> Result<Endpoint, ClientError> {
    let url = if addr.contains("://") { addr.to_string() } else { format!("http://{addr}") };
    Endpoint::from_shared(url)
        .map_err(|source| ClientError::Address { addr: addr.to_string(), source })
}

/// Connects to the first of `addrs` that takes a connection, and again whenever that is lost, each time beginning with the one after.
pub(crate) async fn connect(
    addrs: &str,
    with: impl Fn(Endpoint) -> Endpoint,
) -> Result<Channel, ClientError> {
    let mut endpoints = Vec::new();
    for addr in addrs.split(',') {
        endpoints.push(endpoint(addr.trim())?);
    }
    let hosts = endpoints.iter().map(|endpoint| {
        let uri = endpoint.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        (host.to_string(), uri.port_u16().unwrap_or(HTTP_PORT))
    });
    let (hosts, next) = (Arc::<[_]>::from_iter(hosts), Arc::new(AtomicUsize::new(0)));
    let connector = tower::service_fn(move |_: Uri| {
        let (hosts, next) = (Arc::clone(&hosts), Arc::clone(&next));
        async move { first_of(&hosts, &next).await.map(TokioIo::new) }
    });
    let refused = |source| ClientError::Connect { addr: addrs.to_string(), source };
    with(endpoints.swap_remove(0)).connect_with_connector(connector).await.map_err(refused)
}

async fn first_of(hosts: &[(String, u16)], next: &AtomicUsize) -> io::Result<TcpStream> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let patience = if hosts.len() > 1 { NODE_TIMEOUT } else { CONNECT_TIMEOUT };
    for _ in hosts {
        let (host, port) = &hosts[next.fetch_add(1, Ordering::Relaxed) % hosts.len()];
        match tokio::time::timeout(patience, TcpStream::connect((host.as_str(), *port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => refused = error,
            Err(_) => refused = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(refused)
}
