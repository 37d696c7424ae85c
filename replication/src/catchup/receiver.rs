//! The thread that lays what arrives on the disk: the link goes on telling its leader that the follower lives.

use super::{Incoming, IncomingError, Place};
use crate::message::{Control, Message, SnapshotBegins};
use tidegate_engine::snapshot::Header;
use tokio::sync::{mpsc, oneshot};

/// Messages between the link and the disk: 16 MiB at most.
const MESSAGES_MAX: usize = 64;

/// The link's end of it.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Messages as they came: their shape and their body.
    pub messages: mpsc::Sender<(u8, Vec<u8>)>,
    /// What became of it, once.
    pub outcome: oneshot::Receiver<Result<Header, String>>,
}

impl Receiver {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn start(place: Place, begins: SnapshotBegins) -> std::io::Result<Self> {
        let (messages, incoming) = mpsc::channel(MESSAGES_MAX);
        let (tell, outcome) = oneshot::channel();
        std::thread::Builder::new().name("catch-up".into()).spawn(move || {
            let received = receive(&place, &begins, incoming);
            // Whoever gave up does not hear it.
            if let Some(received) = received.transpose() {
                let _ = tell.send(received.map_err(|error| error.to_string()));
            }
        })?;
        Ok(Self { messages, outcome })
    }
}

/// Takes what comes, to its end; `None` if the link was given up before.
fn receive(
    place: &Place,
    begins: &SnapshotBegins,
    mut messages: mpsc::Receiver<(u8, Vec<u8>)>,
) -> Result<Option<Header>, IncomingError> {
    let mut incoming = Incoming::begin(place, begins)?;
    while let Some((shape, body)) = messages.blocking_recv() {
        // It was read once before.
        match Message::decode(shape, &body) {
            Ok(Message::Piece { bytes, .. }) => incoming.piece(bytes)?,
            Ok(Message::Control(Control::Epoch(begins))) => incoming.epoch(begins)?,
            Ok(Message::Records(records)) if incoming.records(&records)? => {
                return incoming.finish().map(Some);
            }
            _ => {}
        }
    }
    Ok(None)
}
