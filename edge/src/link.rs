//! What the edge has of the engine, in one place. Nothing of the edge can make the engine wait: commands go into
//! bounded rings, events come out of the event log, public data out of a broadcast that readers cannot block.

use std::sync::Arc;
pub use tidegate_engine::broadcast::Reader;
pub(crate) use tidegate_engine::core::places::{QueuePicture, QueuePlace};
pub use tidegate_engine::event_log::{EventCursor, EventLog, EventLogError, EventPosition};
pub use tidegate_engine::lane::CommandLane;
pub use tidegate_engine::latency::Latency;
pub use tidegate_engine::runtime::seats::Usher;
pub use tidegate_engine::runtime::{BookRequests, EngineStatus, Release};

/// The engine, as the edge sees it.
#[derive(Debug)]
pub struct EngineLink {
    /// The ring that kill switches are engaged through, and nothing else: the engine asks it before every other.
    pub kill: CommandLane,
    /// Rings into the engine: the first carries all unary calls, each other one order session at a time.
    pub lanes: Vec<CommandLane>,
    /// Every event, numbered.
    pub events: EventLog,
    /// Public data, read from its beginning.
    pub public: Reader,
    /// Asks the engine for whole books.
    pub book_requests: Arc<BookRequests>,
    /// Where the engine stands.
    pub status: Arc<EngineStatus>,
    /// Gives seats to sessions that share memory.
    pub usher: Usher,
    /// How far outputs are released: the one that event log and broadcast have.
    pub release: Arc<Release>,
    /// What each stage takes; the edge says when reports have left.
    pub latency: Arc<Latency>,
}
