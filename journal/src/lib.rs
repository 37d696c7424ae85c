//! The journal: every input of the engine, in order, on disk before it is applied.
//!
//! A journal is a directory of append-only segments `00000000000000000001.tgj`, `...02.tgj`, ... One [`Writer`]
//! appends frames into a memory-mapped segment that was allocated and faulted in beforehand; any number of
//! [`Reader`]s walk the frames, in the same process or another. The frame is laid out in [`frame`], the segment's
//! header in [`header`].
//!
//! # What survives what
//!
//! [`Writer::append`] gives the `process` level: once it returns, the record is in the page cache and survives a
//! crash or `kill -9` of the process. It does **not** survive loss of power until [`Syncer::sync`] has returned a
//! sequence number at or above it. No append waits for a disk. How far the disk has come stands in the durable
//! watermark ([`synced`]), which is written before a sync returns: what is damaged below it is refused, above it
//! recovery cuts.
//!
//! # Invariants
//!
//! * **One writer.** `DIR/LOCK` is held for as long as a [`Writer`] lives.
//! * **Nothing is overwritten.** A sealed segment is never opened for writing again; recovery copies what it cuts to the
//!   directory `cut`, clears it, seals the segment, and begins a new one. A follower whose end its leader never had cuts
//!   that the same way ([`recovery::cut_after`]).
//! * **One journal or the other.** Where another takes a journal's place ([`exchange`]), the old one is set aside whole, and a crash
//!   on the way leaves what goes on from there.
//! * **Nothing is skipped.** Damage below the watermark is a typed error that names file and offset.
//! * The append allocates nothing and makes no system call, except where a segment is full.
//! * Readers never map a file: a file that shrinks under a map kills the process with SIGBUS, a short read does not.
//!
//! Files are reached through [`storage`], so that a simulator can crash, tear and refuse what a disk would.
//!
//! Start reading at [`frame`], then [`writer`] and [`reader`].

#[cfg(not(target_endian = "little"))]
compile_error!(
    "records travel as they lie in memory; the journal supports little-endian machines only"
);

pub mod archive;
pub mod bell;
pub mod chain;
mod crc;
mod directory;
pub mod epochs;
pub mod error;
pub mod exchange;
pub mod frame;
pub mod header;
mod mapped;
mod prepare;
pub mod protection;
pub mod reader;
pub mod recovery;
pub mod release;
mod scan;
pub mod storage;
pub mod sync_thread;
pub mod synced;
pub mod syncer;
mod system;
pub mod verify;
pub mod watermark;
pub mod writer;

pub use bell::{Bell, Rest};
pub use epochs::{epochs, headers, oldest};
pub use error::{Damage, JournalError};
pub use frame::{Checkpoint, Seal, SealReason};
pub use header::SegmentHeader;
pub use reader::{Reader, Record, Torn};
pub use recovery::Recovery;
pub use release::Release;
pub use storage::Dir;
pub use sync_thread::{SyncPolicy, SyncThread};
pub use synced::Synced;
pub use syncer::Syncer;
pub use tidegate_model::ReleaseLevel;
pub use verify::{Report, verify};
pub use watermark::{Position, Watermark};
pub use writer::{Config, Writer};
