//! The listening socket, with a bound on connections: one past it is closed at once, so that those there are live on.
//!
//! A few more are kept for this machine, for a moment each: whoever runs the server can reach it to stop what floods it. Where
//! even those are taken there is the kill file, which needs no connection.

use crate::tls::secure;
use rustls::ServerConfig;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Pause after a failure to accept: it is mostly a lack of file handles, which only time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections kept for this machine beside `connections_max`.
const RESERVED: usize = 8;
/// How long a connection may have such a place: time for a few calls, and then it is another's turn.
const RESERVED_FOR: Duration = Duration::from_secs(10);

/// Bytes to and from a client, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Stream for T {}

/// A connection that counts for as long as it lives.
#[derive(Debug)]
pub struct Counted {
    stream: Box<dyn Stream>,
    info: TcpConnectInfo,
    _permit: OwnedSemaphorePermit,
    /// When it ends, if it may not last.
    until: Option<Pin<Box<Sleep>>>,
}

/// Accepts connections, at most `connections_max` at one time, each for `lasting` at most, if that is given. With `tls` they come out
/// when hands are shaken; until then they count too.
pub fn accept(
    listener: TcpListener,
    connections_max: usize,
    lasting: Option<Duration>,
    tls: Option<Arc<ServerConfig>>,
) -> ReceiverStream<io::Result<Counted>> {
    let connections = Arc::new(Semaphore::new(connections_max));
    let reserved = Arc::new(Semaphore::new(RESERVED));
    let (accepted, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = accepted.closed() => return,
            };
            let place = || {
                if let Ok(permit) = Arc::clone(&connections).try_acquire_owned() {
                    return Some((permit, lasting.map(|for_long| Box::pin(sleep(for_long)))));
                }
                let reserved =
                    peer.ip().to_canonical().is_loopback().then(|| Arc::clone(&reserved));
                let permit = reserved?.try_acquire_owned().ok()?;
                Some((permit, Some(Box::pin(sleep(RESERVED_FOR)))))
            };
            let Some((_permit, until)) = place() else {
                tracing::warn!(connections_max, "too many connections; the new one is closed");
                continue;
            };
            // Orders are small and must not wait for more to send.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY");
            }
            let info = stream.connect_info();
            let Some(tls) = tls.clone() else {
                let counted = Counted { stream: Box::new(stream), info, _permit, until };
                if accepted.send(Ok(counted)).await.is_err() {
                    return;
                }
                continue;
            };
            let accepted = accepted.clone();
            tokio::spawn(async move {
                match secure(tls, stream).await {
                    Ok(stream) => {
                        let counted = Counted { stream: Box::new(stream), info, _permit, until };
                        // The server may have gone meanwhile.
                        let _ = accepted.send(Ok(counted)).await;
                    }
                    Err(error) => tracing::info!(%peer, %error, "no handshake"),
                }
            });
        }
    });
    ReceiverStream::new(incoming)
}

impl Connected for Counted {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.until.as_mut().is_some_and(|until| until.as_mut().poll(context).is_ready()) {
            // As if the other end had closed it.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
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
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
