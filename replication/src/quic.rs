//! Messages on a QUIC stream.

use crate::message::{Control, HEADER_LEN, Message, MessageError, Reply, Request, header};
use crate::tls::{Tls, TlsError, node_name};
use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a handshake, a first message or an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Why a link is none, or is none any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuicError {
    /// The socket.
    #[error("cannot use UDP at {address}: {cause}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// A name that leads to no address.
    #[error("'{address}' leads to no address: {cause}")]
    Resolve {
        /// The name.
        address: String,
        /// Why.
        cause: io::Error,
    },
    /// The beginning of a connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] quinn::ConnectError),
    /// The connection.
    #[error("the connection ended: {0}{hint}", hint = hint(.0))]
    Connection(#[from] quinn::ConnectionError),
    /// Nothing could be read.
    #[error("the link ended: {0}")]
    Read(#[source] quinn::ReadExactError),
    /// Nothing could be written.
    #[error("the link ended: {0}")]
    Write(#[source] quinn::WriteError),
    /// Bytes that are no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The other side's certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing came in time.
    #[error("no answer within {PATIENCE:?}")]
    TimedOut,
    /// An answer took too long.
    #[error("no answer within {patience:?}")]
    NoAnswer {
        /// How long was waited.
        patience: Duration,
    },
    /// Something else came than was asked for.
    #[error("the other side sent something else than an answer")]
    NotAnAnswer,
}

/// What to do about an end of a connection, where its text does not say.
fn hint(error: &quinn::ConnectionError) -> &'static str {
    // RFC 9001, section 4.8: alerts of TLS are errors 0x100 to 0x1ff.
    let code = match error {
        quinn::ConnectionError::TransportError(error) => u64::from(error.code),
        quinn::ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        _ => 0,
    };
    match code {
        0x100..0x200 => {
            "; the certificates of both nodes must be of one authority, name them as they are configured, and be valid today"
        }
        _ => "",
    }
}

impl From<quinn::ReadExactError> for QuicError {
    fn from(error: quinn::ReadExactError) -> Self {
        match error {
            quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(lost)) => lost.into(),
            other => Self::Read(other),
        }
    }
}

impl From<quinn::WriteError> for QuicError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(lost) => lost.into(),
            other => Self::Write(other),
        }
    }
}

impl From<tokio::time::error::Elapsed> for QuicError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::TimedOut
    }
}

/// An endpoint that listens at `listen`, and connects from there. Call it within a runtime.
///
/// # Errors
/// [`QuicError::Bind`].
pub fn bind(listen: SocketAddr, tls: &Tls) -> Result<Endpoint, QuicError> {
    let wrong = |cause| QuicError::Bind { address: listen, cause };
    let mut endpoint = Endpoint::server(tls.server.clone(), listen).map_err(wrong)?;
    endpoint.set_default_client_config(tls.client.clone());
    Ok(endpoint)
}

/// An endpoint that only connects. Call it within a runtime.
///
/// # Errors
/// [`QuicError::Bind`].
pub fn client(tls: &Tls) -> Result<Endpoint, QuicError> {
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut endpoint =
        Endpoint::client(address).map_err(|cause| QuicError::Bind { address, cause })?;
    endpoint.set_default_client_config(tls.client.clone());
    Ok(endpoint)
}

/// One ordered stream to another node, whose certificate says that it is `name`.
#[derive(Debug)]
pub struct Link {
    /// The other node.
    pub name: String,
    /// The connection below.
    pub connection: Connection,
    /// To the other node.
    pub out: Outgoing,
    /// From the other node.
    pub incoming: Incoming,
}

/// What goes out on a link.
#[derive(Debug)]
pub struct Outgoing(SendStream);

/// What comes in on a link.
#[derive(Debug)]
pub struct Incoming {
    stream: RecvStream,
    body: Vec<u8>,
}

impl Outgoing {
    /// Sends bytes that are whole messages.
    ///
    /// # Errors
    /// [`QuicError::Write`].
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), QuicError> {
        Ok(self.0.write_all(bytes).await?)
    }

    /// Says that nothing more comes, and waits until all has arrived.
    pub async fn finish(mut self) {
        if self.0.finish().is_ok() {
            let _ = tokio::time::timeout(PATIENCE, self.0.stopped()).await;
        }
    }
}

impl Incoming {
    /// The next message: its shape and body, for [`Message::decode`]. Not to be given up half way: what was read is lost then.
    ///
    /// # Errors
    /// [`QuicError::Read`], [`QuicError::Message`].
    pub async fn next(&mut self) -> Result<(u8, &[u8]), QuicError> {
        let mut head = [0; HEADER_LEN];
        self.stream.read_exact(&mut head).await?;
        let (shape, len) = header(head)?;
        self.body.resize(len, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok((shape, &self.body))
    }
}

/// Connects to node `name` at `address`, a host and a port.
///
/// # Errors
/// [`QuicError`]: also if the node there has another name.
pub async fn connect(endpoint: &Endpoint, name: &str, address: &str) -> Result<Link, QuicError> {
    let unresolved = |cause| QuicError::Resolve { address: address.to_string(), cause };
    let mut found = tokio::net::lookup_host(address).await.map_err(unresolved)?;
    let none = || unresolved(io::ErrorKind::NotFound.into());
    let to = found.next().ok_or_else(none)?;
    let connecting = endpoint.connect(to, name)?;
    let connection = tokio::time::timeout(PATIENCE, connecting).await??;
    let (out, stream) = connection.open_bi().await?;
    let incoming = Incoming { stream, body: Vec::new() };
    Ok(Link { name: name.to_string(), connection, out: Outgoing(out), incoming })
}

/// Takes a node that connects.
///
/// # Errors
/// [`QuicError`]: also if it has no certificate of the authority.
pub async fn accept(incoming: quinn::Incoming) -> Result<Link, QuicError> {
    let connection = tokio::time::timeout(PATIENCE, incoming).await??;
    let name = {
        let identity = connection.peer_identity().ok_or(TlsError::NoName)?;
        let chain = identity.downcast::<Vec<CertificateDer<'static>>>();
        let chain = chain.map_err(|_| TlsError::NoName)?;
        node_name(chain.first().ok_or(TlsError::NoName)?)?
    };
    let (out, stream) = tokio::time::timeout(PATIENCE, connection.accept_bi()).await??;
    let incoming = Incoming { stream, body: Vec::new() };
    Ok(Link { name, connection, out: Outgoing(out), incoming })
}

/// Ends a connection, saying why.
pub fn close(connection: &Connection, why: &str) {
    connection.close(VarInt::from_u32(0), why.as_bytes());
}

/// Asks node `name` at `address`, with that node's or another's certificate. What it says while it is at it goes to `told`.
///
/// # Errors
/// [`QuicError`]: also if there is no answer within `patience`.
pub async fn ask(
    endpoint: &Endpoint,
    name: &str,
    address: &str,
    request: Request,
    patience: Duration,
    mut told: impl FnMut(&str),
) -> Result<Reply, QuicError> {
    let answered = async {
        let mut link = connect(endpoint, name, address).await?;
        link.out.send(&Control::Ask(request).to_bytes()).await?;
        loop {
            let (shape, body) = link.incoming.next().await?;
            match Message::decode(shape, body)? {
                Message::Control(Control::Reply(Reply::Waits(text))) => told(&text),
                Message::Control(Control::Reply(reply)) => {
                    close(&link.connection, "answered");
                    return Ok(reply);
                }
                _ => return Err(QuicError::NotAnAnswer),
            }
        }
    };
    let late = |_| QuicError::NoAnswer { patience };
    tokio::time::timeout(patience, answered).await.map_err(late)?
}
