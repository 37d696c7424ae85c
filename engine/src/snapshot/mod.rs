//! Snapshots: the whole state after an input, in a file, so that a restart need not apply what came before it.
//!
//! `JOURNAL_DIR/snapshots/<20 digits>.tgs` is the state after the input of that number:
//!
//! ```text
//! offset  size  field              unit
//!      0     8  magic              "TGSNAP\r\n"
//!      8     2  format_version     1: of this header
//!     10     2  header_len         144
//!     12     4  state_version      of the encoding of the body, [`STATE_VERSION`]
//!     16     4  behaviour_version  of the engine that the state is of
//!     20     4  zero
//!     24    16  instance           the journal it belongs to
//!     40     8  epoch              that the input was written in
//!     48     8  seq                the input
//!     56     8  now                the engine's time after it, UTC nanoseconds
//!     64     8  state_hash         after it
//!     72     8  events             told up to it
//!     80     8  event_seq          the input of the last of them
//!     88     4  event_ordinal      and its place there
//!     92     4  zero
//!     96     8  body_len           bytes
//!    104     8  zero
//!    112    32  blake3             of bytes 0..112 and the body
//!    144        body               see [`Core::save`]
//! ```
//!
//! A snapshot is derived: whoever has none, or has lost one, begins at the journal's first input. It is written under another
//! name, synced and renamed, so that a crash leaves those before it alone; the newest [`KEPT`] stay, and
//! the newest that a restart can begin with whatever the power takes.
//!
//! Who takes one is whoever has a state of the right input: the [`Shadow`], which follows the journal beside the engine, a
//! standby, or a command. The engine's thread never does.

mod file;
mod shadow;
mod travel;

pub use file::{
    Header, Loaded, SnapshotError, newest, newest_certain, read, read_header, snapshots, write,
};
pub use shadow::{Follow, News, Shadow, ShadowError};
pub use travel::{FILE_LEN_MAX, Incoming, Outgoing};

use crate::core::output::Output;
use crate::event_log::EventPosition;
use tidegate_journal::Dir;
use tidegate_model::{EventRecord, PublicUpdate, SeqNo};

#[cfg(doc)]
use crate::core::{Core, STATE_VERSION};

/// Snapshots that are kept: the newest, one before it in case that one is bad, and one more.
pub const KEPT: usize = 3;

/// Where the snapshots of the journal in `dir` lie.
pub fn folder(dir: &Dir) -> Dir {
    dir.join("snapshots")
}

/// The events of a state so far: how many, and where the last one stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsSoFar {
    /// How many: the number of the last one in the event log.
    pub count: u64,
    /// Where it stands.
    pub last: EventPosition,
}

/// An output that counts events and lets go of everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting(pub EventsSoFar);

impl Output for Counting {
    #[inline]
    fn event(&mut self, event: &EventRecord) {
        self.0.count += 1;
        self.0.last = EventPosition::of(event);
    }

    #[inline]
    fn public(&mut self, _: &PublicUpdate) {}

    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {}
}
