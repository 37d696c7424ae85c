//! The thread that lays what arrives on the disk: the link goes on telling its leader that the follower lives.

use super::{Incoming, IncomingError, Place};
use crate::message::{Control, Message, SnapshotBegins};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_engine::snapshot::Header;
use tidegate_journal::exchange;
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
    /// Starts the thread. It begins when `stage` is free: one of a link before may still be at work there.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn start(
        place: Place,
        begins: SnapshotBegins,
        stage: Arc<Mutex<()>>,
    ) -> std::io::Result<Self> {
        let (messages, incoming) = mpsc::channel(MESSAGES_MAX);
        let (tell, outcome) = oneshot::channel();
        std::thread::Builder::new().name("catch-up".into()).spawn(move || {
            // Whoever begins clears what a panic left.
            let _stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            let received = receive(&place, &begins, incoming).map_err(|error| error.to_string());
            // Whoever gave up does not hear it.
            let is_wanted = match received.transpose() {
                Some(received) => received.is_ok() & tell.send(received).is_ok(),
                None => false,
            };
            if !is_wanted && let Err(error) = exchange::clear(&place.dir) {
                tracing::warn!(%error, "a snapshot that is of no use stays in the folder incoming");
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
