//! A snapshot's file: written whole or not at all, and believed only as far as it can be checked.

use super::{EventsSoFar, KEPT, folder};
use crate::core::{Core, LoadError, STATE_VERSION};
use crate::event_log::EventPosition;
use crate::replay::{BEHAVIOUR_VERSION, Journal};
use std::io;
use std::path::{Path, PathBuf};
use tidegate_journal::storage::{LockRefused, Open, StorageFile};
use tidegate_journal::{Dir, synced};
use tidegate_model::{SeqNo, StateHash, UnixNanos};

const MAGIC: [u8; 8] = *b"TGSNAP\r\n";
const FORMAT_VERSION: u16 = 1;
pub(super) const HEADER_LEN: usize = 144;
pub(super) const HASH_AT: usize = 112;
pub(super) const SUFFIX: &str = ".tgs";
pub(super) const UNFINISHED_SUFFIX: &str = ".tgs.tmp";
const LOCK_NAME: &str = "LOCK";
const DIGITS: usize = 20;
/// The longest body that is read, 16 GiB: twice what the largest capacities can fill.
pub(super) const BODY_LEN_MAX: u64 = 1 << 34;

/// What a snapshot says about itself; the layout is in the head of the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The encoding of the state.
    pub state_version: u32,
    /// The behaviour of the engine whose state it is.
    pub behaviour_version: u32,
    /// The journal.
    pub instance: u128,
    /// The epoch that the input was written in.
    pub epoch: u64,
    /// The input.
    pub seq: SeqNo,
    /// The engine's time after it.
    pub now: UnixNanos,
    /// The state after it.
    pub state_hash: StateHash,
    /// The events up to it.
    pub events: EventsSoFar,
    /// Bytes of the body.
    pub body_len: u64,
}

/// Why a snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file system failed.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else is writing one.
    #[error("{path} is held: another snapshot of this journal is being written")]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// It is no snapshot, or not whole, or not as it was written.
    #[error("{path} is no whole snapshot: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// It is of a version that this build does not know.
    #[error("{path} has {what} {found}, this build knows up to {known}: use a newer build")]
    Version {
        /// The file.
        path: PathBuf,
        /// Which version.
        what: &'static str,
        /// The one found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// Its state is none.
    #[error("{path} holds no state: {source}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LoadError,
    },
    /// More bytes of it come than may.
    #[error("a snapshot of {len} bytes or more comes, it may have {max}")]
    TooLong {
        /// How many came, or were to come.
        len: u64,
        /// The most.
        max: u64,
    },
    /// It is whole, and cannot be begun from here.
    #[error("{path} does not fit: {why}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A snapshot that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What it says about itself.
    pub header: Header,
    /// The state.
    pub core: Core,
}

pub(super) fn io_error<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SnapshotError + 'a {
    move |source| SnapshotError::Io { what, path: path.to_path_buf(), source }
}

impl SnapshotError {
    /// True if the file is not there any more: a node that runs has taken newer ones since it was listed.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Header {
    /// What is said of `core`, a state of the journal `instance` whose last input was written in `epoch`.
    fn of(core: &Core, instance: u128, epoch: u64, events: EventsSoFar) -> Self {
        Self {
            state_version: STATE_VERSION,
            behaviour_version: BEHAVIOUR_VERSION,
            instance,
            epoch,
            seq: core.seq(),
            now: core.now(),
            state_hash: core.state_hash(),
            events,
            body_len: 0,
        }
    }

    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &FORMAT_VERSION.to_le_bytes());
        put(10, &(HEADER_LEN as u16).to_le_bytes());
        put(12, &self.state_version.to_le_bytes());
        put(16, &self.behaviour_version.to_le_bytes());
        put(24, &self.instance.to_le_bytes());
        put(40, &self.epoch.to_le_bytes());
        put(48, &self.seq.0.to_le_bytes());
        put(56, &self.now.0.to_le_bytes());
        put(64, &self.state_hash.0.to_le_bytes());
        put(72, &self.events.count.to_le_bytes());
        put(80, &self.events.last.seq.0.to_le_bytes());
        put(88, &self.events.last.ordinal.to_le_bytes());
        put(96, &self.body_len.to_le_bytes());
        bytes
    }

    /// The header, if the bytes are one of a version that is known.
    fn decode(bytes: &[u8; HEADER_LEN], path: &Path) -> Result<Self, SnapshotError> {
        let damaged = |why| SnapshotError::Damaged { path: path.to_path_buf(), why };
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if bytes[..8] != MAGIC {
            return Err(damaged("it does not begin as one"));
        }
        let version = |what, found, known| {
            let path = path.to_path_buf();
            if found <= known {
                Ok(())
            } else {
                Err(SnapshotError::Version { path, what, found, known })
            }
        };
        version("format version", u16_at(8).into(), FORMAT_VERSION.into())?;
        version("state version", u32_at(12), STATE_VERSION)?;
        version("behaviour version", u32_at(16), BEHAVIOUR_VERSION)?;
        if usize::from(u16_at(10)) != HEADER_LEN {
            return Err(damaged("its header has another length"));
        }
        if u64_at(96) > BODY_LEN_MAX {
            return Err(damaged("its state would be longer than any"));
        }
        let last = EventPosition { seq: SeqNo(u64_at(80)), ordinal: u32_at(88) };
        Ok(Self {
            state_version: u32_at(12),
            behaviour_version: u32_at(16),
            instance: u128::from(u64_at(24)) | u128::from(u64_at(32)) << 64,
            epoch: u64_at(40),
            seq: SeqNo(u64_at(48)),
            now: UnixNanos(u64_at(56)),
            state_hash: StateHash(u64_at(64)),
            events: EventsSoFar { count: u64_at(72), last },
            body_len: u64_at(96),
        })
    }
}

fn hash_of(header: &[u8; HEADER_LEN], body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header[..HASH_AT]);
    hasher.update(body);
    *hasher.finalize().as_bytes()
}

pub(super) fn path_of(folder: &Dir, seq: SeqNo, suffix: &str) -> PathBuf {
    folder.path().join(format!("{:0DIGITS$}{suffix}", seq.0))
}

fn seq_of(name: &str) -> Option<SeqNo> {
    let digits = name.strip_suffix(SUFFIX)?;
    let well_formed = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { digits.parse().ok().map(SeqNo) } else { None }
}

fn names(folder: &Dir) -> Result<Vec<String>, SnapshotError> {
    match folder.storage().list(folder.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(io_error("list", folder.path())),
    }
}

/// The inputs of which the journal in `dir` has snapshots, newest first; of files that are there, whatever is in them.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn snapshots(dir: &Dir) -> Result<Vec<SeqNo>, SnapshotError> {
    let mut found: Vec<_> = names(&folder(dir))?.iter().filter_map(|name| seq_of(name)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Writes a snapshot of `core`, the state of journal `instance` in `dir` after an input that was written in `epoch`, and takes
/// away those that are older than the newest [`KEPT`], but for one that a restart can begin with for certain. When this returns, it survives a loss of power.
///
/// # Errors
/// [`SnapshotError::Io`], [`SnapshotError::Busy`]. Those that were there are still there then.
pub fn write(
    dir: &Dir,
    core: &Core,
    instance: u128,
    epoch: u64,
    events: EventsSoFar,
) -> Result<Header, SnapshotError> {
    let folder = folder(dir);
    let storage = folder.storage();
    storage.create_dir(folder.path()).map_err(io_error("create", folder.path()))?;
    let lock = folder.path().join(LOCK_NAME);
    let _lock = storage.lock(&lock).map_err(|refused| match refused {
        LockRefused::Held(_) => SnapshotError::Busy { path: lock.clone() },
        LockRefused::Io(source) => SnapshotError::Io { what: "lock", path: lock.clone(), source },
    })?;
    for name in names(&folder)?.iter().filter(|name| name.ends_with(UNFINISHED_SUFFIX)) {
        // What a crash left.
        let path = folder.path().join(name);
        storage.remove(&path).map_err(io_error("remove", &path))?;
    }
    let mut bytes = vec![0; HEADER_LEN];
    core.save(&mut bytes);
    let body_len = (bytes.len() - HEADER_LEN) as u64;
    let header = Header { body_len, ..Header::of(core, instance, epoch, events) };
    let mut head = header.encode();
    let hash = hash_of(&head, &bytes[HEADER_LEN..]);
    head[HASH_AT..].copy_from_slice(&hash);
    bytes[..HEADER_LEN].copy_from_slice(&head);
    let path = path_of(&folder, header.seq, SUFFIX);
    let unfinished = path_of(&folder, header.seq, UNFINISHED_SUFFIX);
    let file = storage.open(&unfinished, Open::Create).map_err(io_error("create", &unfinished))?;
    file.write_all_at(&bytes, 0).map_err(io_error("write", &unfinished))?;
    file.sync().map_err(io_error("sync", &unfinished))?;
    drop(file);
    storage.rename(&unfinished, &path).map_err(io_error("rename", &unfinished))?;
    storage.sync_dir(folder.path()).map_err(io_error("sync", folder.path()))?;
    let found = snapshots(dir)?;
    // One that a restart can begin with stays, however old it is.
    let is_good = |seq: SeqNo| is_certain(dir, seq) && read_bytes(dir, seq).is_ok();
    let certain = found.iter().find(|seq| is_good(**seq));
    for &old in found.iter().skip(KEPT).filter(|seq| Some(*seq) != certain) {
        let path = path_of(&folder, old, SUFFIX);
        storage.remove(&path).map_err(io_error("remove", &path))?;
    }
    Ok(header)
}

/// An open snapshot: its file, its header as it lies and as it says, its path.
pub(super) struct Opened {
    pub file: Box<dyn StorageFile>,
    pub head: [u8; HEADER_LEN],
    pub header: Header,
    pub path: PathBuf,
}

pub(super) fn open(dir: &Dir, seq: SeqNo) -> Result<Opened, SnapshotError> {
    let folder = folder(dir);
    let path = path_of(&folder, seq, SUFFIX);
    let file = folder.storage().open(&path, Open::Read).map_err(io_error("open", &path))?;
    let damaged = |why| SnapshotError::Damaged { path: path.clone(), why };
    let len = file.len().map_err(io_error("look at", &path))?;
    if len < HEADER_LEN as u64 {
        return Err(damaged("it is too short for a header"));
    }
    let mut head = [0; HEADER_LEN];
    file.read_exact_at(&mut head, 0).map_err(io_error("read", &path))?;
    let header = Header::decode(&head, &path)?;
    if len != HEADER_LEN as u64 + header.body_len {
        return Err(damaged("it has another length than it says"));
    }
    if header.seq != seq {
        return Err(damaged("it is of another input than its name says"));
    }
    Ok(Opened { file, head, header, path })
}

/// What the snapshot of input `seq` says about itself. Nothing of that is checked against the rest of it.
///
/// # Errors
/// [`SnapshotError`].
pub fn read_header(dir: &Dir, seq: SeqNo) -> Result<Header, SnapshotError> {
    open(dir, seq).map(|opened| opened.header)
}

/// Reads the snapshot of input `seq` and checks all of it: the hash of its bytes before anything is made of them, every link of
/// its state, and the state's hash.
///
/// # Errors
/// [`SnapshotError`].
pub fn read(dir: &Dir, seq: SeqNo) -> Result<Loaded, SnapshotError> {
    let (header, body) = read_bytes(dir, seq)?;
    let path = path_of(&folder(dir), seq, SUFFIX);
    let core = Core::load(header.state_version, &body, header.state_hash);
    let core = core.map_err(|source| SnapshotError::State { path: path.clone(), source })?;
    if core.seq() != header.seq || core.now() != header.now {
        return Err(SnapshotError::Damaged { path, why: "its state is of another input" });
    }
    Ok(Loaded { header, core })
}

/// The bytes of a snapshot behind its header, which are those that were written.
fn read_bytes(dir: &Dir, seq: SeqNo) -> Result<(Header, Vec<u8>), SnapshotError> {
    let Opened { file, head, header, path } = open(dir, seq)?;
    let damaged = |why| SnapshotError::Damaged { path: path.clone(), why };
    let len = usize::try_from(header.body_len).map_err(|_| damaged("it is longer than memory"))?;
    let mut body = vec![0; len];
    file.read_exact_at(&mut body, HEADER_LEN as u64).map_err(io_error("read", &path))?;
    if hash_of(&head, &body) != head[HASH_AT..] {
        return Err(damaged("its bytes are not those that were written"));
    }
    Ok((header, body))
}

/// The newest snapshot of the journal in `dir` that a restart can begin with whatever is lost with the power: it is good, and of
/// journal and event log the disk has everything up to it. What is older need not be kept for a restart.
///
/// # Errors
/// [`SnapshotError::Io`] if the folder cannot be listed.
pub fn newest_certain(dir: &Dir) -> Result<Option<Header>, SnapshotError> {
    for seq in snapshots(dir)? {
        if is_certain(dir, seq)
            && let Ok(loaded) = read(dir, seq)
        {
            return Ok(Some(loaded.header));
        }
    }
    Ok(None)
}

/// Whether the snapshot of input `seq` says that it is of the journal, and the disk has everything that the state is of and everything
/// that it has told.
fn is_certain(dir: &Dir, seq: SeqNo) -> bool {
    let Ok(header) = read_header(dir, seq) else { return false };
    let on_disk = |dir: &Dir| synced::read(dir).ok().flatten().map_or(0, |synced| synced.seq.0);
    let belongs = || {
        let journal = Journal::of(dir).ok().flatten();
        journal.is_some_and(|journal| journal.check(&header).is_ok())
    };
    seq.0 <= on_disk(dir) && header.events.count <= on_disk(&dir.join("events")) && belongs()
}

/// The newest snapshot in `dir` that is good and that `fits`, if there is one; and why those that are newer were passed over.
pub fn newest(
    dir: &Dir,
    fits: impl Fn(&Header) -> Result<(), String>,
) -> (Option<Loaded>, Vec<SnapshotError>) {
    let mut passed = Vec::new();
    let found = match snapshots(dir) {
        Ok(found) => found,
        Err(error) => return (None, vec![error]),
    };
    for seq in found {
        let path = path_of(&folder(dir), seq, SUFFIX);
        let fit = read_header(dir, seq)
            .and_then(|header| fits(&header).map_err(|why| SnapshotError::Unfit { path, why }));
        match fit.and_then(|()| read(dir, seq)) {
            Ok(loaded) => return (Some(loaded), passed),
            Err(error) if error.is_gone() => {}
            Err(error) => passed.push(error),
        }
    }
    (None, passed)
}
