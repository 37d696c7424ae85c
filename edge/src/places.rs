//! Where resting orders stand in the queues of their prices: what the engine's thread tells of one instrument, for all who ask.

use crate::link::{BookRequests, QueuePicture};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::{InstrumentId, SeqNo};
use tokio::sync::Mutex;

/// How often it looks whether the engine has answered.
const POLL: Duration = Duration::from_millis(1);
/// Instruments whose places are kept for those who ask next: 17 MB at most.
const KEPT_MAX: usize = 256;

/// What the engine told last of each instrument, and the way to ask it.
#[derive(Debug)]
pub(crate) struct Places {
    requests: Arc<BookRequests>,
    /// Who holds it may ask; all others wait for what they are told, in their turn.
    known: Mutex<HashMap<InstrumentId, Arc<QueuePicture>>>,
}

impl Places {
    pub fn new(requests: Arc<BookRequests>) -> Self {
        Self { requests, known: Mutex::default() }
    }

    /// The places in one instrument after the input `since`, which the engine has applied, or a later one.
    pub async fn after(&self, since: SeqNo, instrument: InstrumentId) -> Arc<QueuePicture> {
        let mut known = self.known.lock().await;
        if let Some(picture) = known.get(&instrument).filter(|picture| picture.seq >= since) {
            return Arc::clone(picture);
        }
        // Somebody who went away may have left a request with the engine.
        let picture = self.picture().await;
        self.requests.ask_places(picture, instrument);
        let picture = self.picture().await;
        let told = Arc::new(QueuePicture::clone(&picture));
        self.requests.return_places(picture);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(instrument, Arc::clone(&told));
        told
    }

    /// The one picture, once the engine has none to fill.
    async fn picture(&self) -> Box<QueuePicture> {
        loop {
            if let Some(picture) = self.requests.take_places() {
                return picture;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
