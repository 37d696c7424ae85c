//! The listening socket and its connections: how many there may be, how slow they may be, and how they end. HTTP/1.1, and HTTP/2
//! where a client asks for it by ALPN.

use super::origin::place;
use super::tls::Identity;
use crate::gateway::Gateway;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

/// How long a client may take for the head of a request, and a connection may wait for its next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take for the handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often an idle connection of HTTP/2 is probed, and how long a probe may stay unanswered.
const PROBE: Duration = Duration::from_secs(15);
/// Bytes of the head of a request at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request at most.
const HEADERS_MAX: usize = 64;
/// Requests of one connection of HTTP/2 that may be under way.
const STREAMS_MAX: u32 = 64;
/// How long requests in flight get to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Pause after a failure to accept: it is mostly a lack of file handles, which only time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is connected.
#[derive(Debug)]
struct Doors {
    all_max: u32,
    each_max: u32,
    open: Mutex<(u32, HashMap<IpAddr, u32>)>,
}

/// One connection that counts for as long as it lives, as a WebSocket too.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    place: Option<IpAddr>,
    doors: Arc<Doors>,
    /// Runs out while the client takes nothing of what it is sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    /// What came of a write, unless the client has taken nothing for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Doors {
    fn enter(self: &Arc<Self>, stream: TcpStream, ip: Option<IpAddr>) -> Option<Counted> {
        let place = ip.map(|ip| place(ip.to_canonical()));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *open;
        let count = place.and_then(|place| each.get(&place).copied()).unwrap_or(0);
        if *all >= self.all_max || count >= self.each_max {
            return None;
        }
        *all += 1;
        if let Some(place) = place {
            each.insert(place, count + 1);
        }
        Some(Counted { stream, place, doors: Arc::clone(self), stalled: None })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *open;
        *all -= 1;
        let Some(place) = self.place else { return };
        if let Some(count) = each.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                each.remove(&place);
            }
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Serves until `stop`, then lets requests in flight end. `ready` hears where it listens.
///
/// # Errors
/// An address that cannot be listened on, a certificate that cannot be used.
pub async fn serve(
    gateway: Arc<Gateway>,
    stop: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let listen = gateway.config.listen;
    let limits = &gateway.config.limits;
    let doors = Arc::new(Doors {
        all_max: limits.connections,
        each_max: limits.connections_per_ip,
        open: Mutex::default(),
    });
    let identity = Identity::open(&gateway.config.tls)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; another port: listen in the file"))?;
    raise_handles(limits.connections);
    ready(listener.local_addr()?);
    let trusted = limits.trusted_proxies.clone();
    let router = super::router(Arc::clone(&gateway));
    let (down, is_down) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // The connections of a trusted proxy are those of all its clients: only their sum is bounded.
        let is_proxy = trusted.iter().any(|network| network.has(peer.ip()));
        let Some(stream) = doors.enter(stream, (!is_proxy).then(|| peer.ip())) else {
            gateway.ops.metrics.refused_connections.inc();
            tracing::debug!(%peer, "too many connections; the new one is closed");
            continue;
        };
        // Answers are small and must not wait for more to send.
        if let Err(error) = stream.stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let (router, is_down) = (router.clone(), is_down.clone());
        match identity.acceptor() {
            None => drop(tokio::spawn(carry_http1(stream, peer, router, is_down))),
            Some(acceptor) => drop(tokio::spawn(async move {
                match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                        carry_http2(stream, peer, router, is_down).await;
                    }
                    Ok(Ok(stream)) => carry_http1(stream, peer, router, is_down).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
                    Err(_) => tracing::debug!(%peer, "the handshake took too long"),
                }
            })),
        }
    }
    drop((listener, is_down));
    gateway.live.closer().close();
    let _ = down.send(true);
    // It is closed when the last connection has gone.
    if timeout(SHUTDOWN_GRACE, down.closed()).await.is_err() {
        tracing::warn!("some requests did not end in time; they are cut");
    }
    gateway.ops.traces.close().await;
    Ok(())
}

/// Lets the process have as many files open as connections need, if the system lets it.
fn raise_handles(connections: u32) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::from(connections) + 256;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let can = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(can), maximum });
    if raised.is_err() || can < wanted {
        tracing::warn!("{can} files may be open, limits.connections needs {wanted}: see ulimit -n");
    }
}

type Routes = TowerToHyperService<Addressed>;

/// The routes, for a connection from one address.
#[derive(Clone)]
struct Addressed {
    router: Router,
    peer: SocketAddr,
}

impl tower::Service<hyper::Request<hyper::body::Incoming>> for Addressed {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = axum::routing::future::RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: hyper::Request<hyper::body::Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request.map(axum::body::Body::new))
    }
}

fn routes(router: Router, peer: SocketAddr) -> Routes {
    TowerToHyperService::new(Addressed { router, peer })
}

/// Waits until the gateway is to end.
async fn hear(is_down: &mut watch::Receiver<bool>) {
    // An error means that the other end is gone, which is the end as well.
    let _ = is_down.wait_for(|down| *down).await;
}

async fn carry_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    mut is_down: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), routes(router, peer))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = hear(&mut is_down) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

async fn carry_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    mut is_down: watch::Receiver<bool>,
) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PROBE)
        .keep_alive_timeout(PROBE)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), routes(router, peer));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = hear(&mut is_down) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
