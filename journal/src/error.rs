//! What can go wrong, with the file, the offset and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the bytes at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The frame's bytes do not have the CRC that the frame states.
    #[error("the record's CRC does not match its bytes")]
    Crc,
    /// The frame would reach beyond the end of the file.
    #[error("the record is longer than the rest of the file")]
    Length,
    /// A header word is zero, as at the end of the data, but records follow.
    #[error("the record is missing: its place is empty")]
    Missing,
    /// A byte that must be zero is not, or the kind is 0.
    #[error("the record's header is not one that any version writes")]
    Header,
    /// The record's number does not follow the one before.
    #[error("the record has number {found}, but {expected} must come here")]
    Sequence {
        /// The number that had to come.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// Bytes other than zero lie behind the seal.
    #[error("there are bytes behind the seal")]
    AfterSeal,
    /// The seal counts other records than the segment holds, or has another size.
    #[error("the seal does not fit the segment")]
    Seal,
    /// A later segment has records, but this one was never sealed.
    #[error("the segment ends without a seal, but later segments have records")]
    Unsealed,
}

/// Every error of this crate. Messages say what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused something.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said. Part of the message, so it is no source of its own.
        error: io::Error,
    },
    /// The disk has no room for the next segment. Nothing was half written.
    #[error(
        "no space for a segment of {needed_bytes} bytes at {path}: free space or move the journal, then go on"
    )]
    NoSpace {
        /// The file that could not be allocated.
        path: PathBuf,
        /// Its size in bytes.
        needed_bytes: u64,
    },
    /// Another writer holds the directory.
    #[error("{dir} is being written by {}: stop it first, or use another directory", holder_text(.holder_pid))]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
        /// The process that holds it, if it wrote its number down.
        holder_pid: Option<u32>,
    },
    /// The directory has no segment.
    #[error("{dir} holds no journal: it has no file such as 00000000000000000001.tgj")]
    NoJournal {
        /// The directory.
        dir: PathBuf,
    },
    /// What says in which epochs records were written that are not here any more is damaged.
    #[error(
        "{path} is damaged: it tells the epochs of records that were taken away; restore it from a copy, or remove it, and standbys that need those records get an empty folder"
    )]
    BadEpochs {
        /// The file.
        path: PathBuf,
    },
    /// Another journal is taking the place of this one.
    #[error(
        "another journal is taking the place of the one in {dir}: start a node on it, which ends that"
    )]
    Exchanging {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// What says where a journal goes that another takes the place of is damaged.
    #[error(
        "{path} is damaged: it tells where the journal here is set aside that the one in {} takes the place of; move one of them away", .path.parent().unwrap_or(.path).display()
    )]
    BadExchange {
        /// The file.
        path: PathBuf,
    },
    /// A segment's header is damaged or belongs to something else.
    #[error("{path} has a bad segment header: {reason}; restore the file from a copy")]
    BadHeader {
        /// The segment.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The durable watermark is there and cannot be read: nobody knows what was on the disk.
    #[error(
        "{path} is damaged: neither of its two entries is whole; restore the journal from a copy, or remove the file, and damage anywhere but at the end is refused"
    )]
    BadSynced {
        /// The file.
        path: PathBuf,
    },
    /// A segment was written by a newer version.
    #[error(
        "{path} has format version {found}, this build reads up to {supported}: use a newer build"
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The newest version this build reads.
        supported: u16,
    },
    /// A segment between two others is gone.
    #[error("{dir} lacks segment {index}: restore the file {index:020}.tgj from a copy")]
    MissingSegment {
        /// The directory.
        dir: PathBuf,
        /// The number of the missing segment.
        index: u64,
    },
    /// A segment belongs to another journal than the caller or its neighbours.
    #[error(
        "{path} belongs to instance {found:032x}, not {expected:032x}: files of two journals are mixed, or the directory is the wrong one"
    )]
    WrongInstance {
        /// The segment.
        path: PathBuf,
        /// The instance it names.
        found: u128,
        /// The instance it should name.
        expected: u128,
    },
    /// The caller's epoch is older than what the journal holds: another primary has taken over.
    #[error(
        "{path} is of epoch {found}, this writer of epoch {asked}: a newer primary wrote here, do not start this one"
    )]
    StaleEpoch {
        /// The segment with the newer epoch.
        path: PathBuf,
        /// Its epoch.
        found: u64,
        /// The caller's epoch.
        asked: u64,
    },
    /// An epoch that is older than that of the records before.
    #[error("epoch {asked} cannot follow epoch {before}")]
    EpochBack {
        /// Of the records before.
        before: u64,
        /// Asked for.
        asked: u64,
    },
    /// A record is damaged and is not the torn end of the journal.
    #[error(
        "{path} is damaged at byte {offset}: {damage}; restore the file from a copy (a standby or an archive has one)"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damaged frame begins.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// A segment is shorter than it was made, and not because it was sealed: something else cut it.
    #[error(
        "{path} was cut by something else: it has {len} of {expected} bytes and no seal, its records end at byte {offset}; restore the file from a copy"
    )]
    Truncated {
        /// The segment.
        path: PathBuf,
        /// Where its last whole record ends.
        offset: u64,
        /// Its length in bytes.
        len: u64,
        /// The length it was made with.
        expected: u64,
    },
    /// A payload is longer than a frame can say.
    #[error("a payload of {len} bytes is too long: at most {max} are allowed")]
    PayloadTooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A payload has another size than its kind.
    #[error("record {seq} of kind {kind} has {len} bytes, {expected} were expected")]
    PayloadSize {
        /// The record's number.
        seq: u64,
        /// The record's kind.
        kind: u8,
        /// Bytes it has.
        len: usize,
        /// Bytes that were expected.
        expected: usize,
    },
    /// The caller may not append frames of this kind.
    #[error("records of kind {kind} are the journal's own")]
    ReservedKind {
        /// The kind asked for.
        kind: u8,
    },
    /// The caller left out, repeated or swapped a number.
    #[error("record {found} was appended where {expected} must come")]
    NotContiguous {
        /// The number that must come.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// The configured size of segments is out of bounds.
    #[error("segment_len is {len}; it must be a multiple of 4096 from {min} to {max}")]
    SegmentLen {
        /// Bytes asked for.
        len: u64,
        /// The smallest size.
        min: u64,
        /// The largest size.
        max: u64,
    },
    /// The first sequence number of a new journal must be 1 or more.
    #[error("first_seq is 0; the first record has number 1 or more")]
    FirstSeqZero,
    /// A reader asked for a record older than the journal holds.
    #[error(
        "record {asked} is not in {dir}: its first record is {first}; older segments were archived"
    )]
    SeqNotHeld {
        /// The directory.
        dir: PathBuf,
        /// The number asked for.
        asked: u64,
        /// The first number it holds.
        first: u64,
    },
    /// A chain of hashes does not lead through what was kept of it.
    #[error(
        "the {chain} chain of {dir} does not lead through {kept} at record {seq}: a record up to there was changed, removed or inserted; compare with an archive or a standby"
    )]
    ChainDiffers {
        /// The journal's directory.
        dir: PathBuf,
        /// The number at which the hashes differ.
        seq: u64,
        /// Which chain: `audit` or `market`.
        chain: &'static str,
        /// What it was compared with.
        kept: &'static str,
    },
    /// The journal does not begin with its first record, and nothing says how the chain began.
    #[error(
        "{dir} begins at record {first} and its file CHAIN is missing or damaged: restore CHAIN from an archive, nothing else knows the records before"
    )]
    ChainLost {
        /// The journal's directory.
        dir: PathBuf,
        /// Its first record.
        first: u64,
    },
    /// Market events are missing, so there is nothing that the market chain could be of.
    #[error(
        "market events of {dir} were pruned: it has no market chain any more, an older head can still be verified"
    )]
    Pruned {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// The head at the last record can still change: a checkpoint may repeat its number.
    #[error("there is no final head at record {asked}: the newest is at {newest}")]
    HeadNotFinal {
        /// The number asked for.
        asked: u64,
        /// The last number with a final head.
        newest: u64,
    },
    /// A store of archived objects refused something.
    #[error("cannot {what} {object} in {place}: {cause}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// The object.
        object: String,
        /// The store.
        place: String,
        /// What it said.
        cause: String,
    },
    /// An archived object is not what it must be.
    #[error("archived {object}: {reason}")]
    Archive {
        /// The object, or the segment by the beginning of its objects' names.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An earlier sync failed; what the disk holds is unknown, so nothing may be acknowledged any more.
    #[error(
        "an earlier sync of {dir} failed: stop and restart, recovery finds what the disk holds"
    )]
    SyncFailed {
        /// The directory.
        dir: PathBuf,
    },
    /// The thread that prepares segments is gone.
    #[error("the thread that prepares segments of {dir} stopped: restart the process")]
    PreparerGone {
        /// The directory.
        dir: PathBuf,
    },
}

fn holder_text(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_string(), |pid| format!("process {pid}"))
}

impl JournalError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Io { what, path, error }
    }

    /// What a store says when it fails.
    pub fn store(
        what: &'static str,
        store: &dyn crate::archive::Store,
        object: &str,
        cause: impl std::fmt::Display,
    ) -> Self {
        Self::Store {
            what,
            object: object.to_string(),
            place: store.place(),
            cause: cause.to_string(),
        }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, damage: Damage) -> Self {
        Self::Damaged { path: path.to_path_buf(), offset, damage }
    }
}
