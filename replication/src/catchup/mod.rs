//! A follower that needs records which its leader does not have any more begins anew with a snapshot.
//!
//! * The leader looks what it has ([`held`]), and sends it ([`Stream`]): the snapshot's file in pieces, the event log up to it, the
//!   records that lead up to it from the last link of the chains of hashes on, or from the first that it has. Whoever reads for that
//!   has a thread of its own for each follower, and what is on its way is bounded by the link: nobody waits for it but that follower.
//! * The follower lays all of that beside its journal ([`Incoming`]), and looks at it as a restart would: hash and state of the snapshot,
//!   journal, epoch, versions, every record and event. Until that is done nothing that it has is touched. Then the new journal takes the
//!   place of the old one, which is set aside whole ([`tidegate_journal::exchange`]), and the follower begins again with it: to its
//!   leader it is a follower whose journal ends at the snapshot.
//!
//! The records come along because a journal that ends with one is like any other: its epoch tells what it has in common with others,
//! and the chains go on from the link before. The events come along because clients resume anywhere in the event log, and the edge
//! knows from it what there is.

mod expected;
mod incoming;
mod outgoing;
mod receiver;

pub(crate) use expected::Expected;
pub use incoming::{Incoming, IncomingError, Place};
pub use outgoing::{Held, Stream, StreamError, Watermarks, held};
pub(crate) use receiver::Receiver;

use tidegate_engine::snapshot::{SnapshotError, read_header, snapshots};
use tidegate_journal::{Dir, JournalError, oldest};
use tidegate_model::SeqNo;

/// The lowest number that the journal in `dir` could be cut after, so that a state of it is still known: zero of one that begins with
/// its first record.
///
/// # Errors
/// [`NotKnown`].
pub fn back_to(dir: &Dir) -> Result<SeqNo, NotKnown> {
    let Some(header) = oldest(dir)? else { return Ok(SeqNo::ZERO) };
    let first = header.first_seq.unwrap_or(SeqNo(1));
    if first <= SeqNo(1) {
        return Ok(SeqNo::ZERO);
    }
    let fits = |seq: &SeqNo| {
        let is_ours = |seq| read_header(dir, seq).is_ok_and(|s| s.instance == header.instance);
        seq.next() >= first && is_ours(*seq)
    };
    // Without any it cannot be cut at all.
    Ok(snapshots(dir)?.into_iter().rfind(fits).unwrap_or(SeqNo::MAX))
}

/// What is in a journal's folder cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotKnown {
    /// Its segments.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}
