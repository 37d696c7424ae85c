//! The durable watermark: up to where a journal is known to be on the disk.
//!
//! It stands in the file `SYNCED` beside the segments: two slots of 4096 bytes that are written in turn, each in one sector, so
//! that one of them is whole whatever a crash does to the other.
//!
//! ```text
//! offset  size  field     unit
//!      0     8  magic     "TGSYNC\r\n"
//!      8     2  version   1
//!     10     6  zero
//!     16    16  instance  the journal it belongs to
//!     32     8  count     of writes: the higher of the two slots holds
//!     40     8  segment   with the next, where the synced bytes end
//!     48     8  offset    bytes from the beginning of that segment's file
//!     56     8  seq       the last record that is synced
//!     64     4  crc32c    of bytes 0..64
//! ```
//!
//! What is damaged below it was on the disk and is not any more: that is refused. What is damaged above it nobody was told to be
//! synced: recovery cuts there. A journal without the file was written before there was one, and is read by the strict rule.

use crate::crc;
use crate::error::JournalError;
use crate::header::u64_at;
use crate::storage::{Dir, Open, StorageFile};
use crate::watermark::Position;
use std::io::ErrorKind;
use std::path::PathBuf;
use tidegate_model::SeqNo;

const NAME: &str = "SYNCED";
const MAGIC: [u8; 8] = *b"TGSYNC\r\n";
const VERSION: u16 = 1;
/// Bytes between the slots: what a disk or a file system may write at once.
const SLOT_LEN: u64 = 4096;
const CRC_AT: usize = 64;
const LEN: usize = CRC_AT + 4;

/// What is known to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The journal.
    pub instance: u128,
    /// Where the synced bytes end.
    pub position: Position,
    /// The last record that is synced; the number before the first if there is none.
    pub seq: SeqNo,
}

/// The file, for the one who writes it.
#[derive(Debug)]
pub(crate) struct SyncedFile {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    count: u64,
}

impl SyncedFile {
    /// Opens the file in `dir`, or makes it.
    pub(crate) fn open(dir: &Dir) -> Result<Self, JournalError> {
        let path = dir.path().join(NAME);
        let count = read_counted(dir)?.map_or(0, |(count, _)| count);
        let file = dir.open(&path, Open::Synced)?;
        Ok(Self { file, path, count })
    }

    /// Writes `synced`; when this returns, it survives a loss of power.
    pub(crate) fn write(&mut self, synced: &Synced) -> Result<(), JournalError> {
        self.count += 1;
        let slot = self.count % 2 * SLOT_LEN;
        let bytes = encode(self.count, synced);
        self.file.write_all_at(&bytes, slot).map_err(JournalError::io("write", &self.path))
    }
}

/// The watermark of the journal in `dir`; `None` if it has none.
///
/// # Errors
/// [`JournalError::BadSynced`] if the file is there and no slot of it is whole.
pub fn read(dir: impl Into<Dir>) -> Result<Option<Synced>, JournalError> {
    Ok(read_counted(&dir.into())?.map(|(_, synced)| synced))
}

fn read_counted(dir: &Dir) -> Result<Option<(u64, Synced)>, JournalError> {
    let path = dir.path().join(NAME);
    let Some(file) = dir.open_if_there(&path)? else { return Ok(None) };
    // Made, and not written yet.
    if file.len().map_err(JournalError::io("look at", &path))? == 0 {
        return Ok(None);
    }
    let mut newest: Option<(u64, Synced)> = None;
    for slot in [0, SLOT_LEN] {
        let mut bytes = [0; LEN];
        match file.read_exact_at(&mut bytes, slot) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => continue,
            other => other.map_err(JournalError::io("read", &path))?,
        }
        if let Some(found) = decode(&bytes)
            && newest.as_ref().is_none_or(|newest| found.0 > newest.0)
        {
            newest = Some(found);
        }
    }
    newest.map(Some).ok_or(JournalError::BadSynced { path })
}

fn encode(count: u64, synced: &Synced) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&synced.instance.to_le_bytes());
    let Position { segment, offset } = synced.position;
    for (at, word) in [(32, count), (40, segment), (48, offset), (56, synced.seq.0)] {
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc::bytes(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; LEN]) -> Option<(u64, Synced)> {
    let word = |at| u64_at(bytes, at);
    let head_fits = bytes[..8] == MAGIC && bytes[8..10] == VERSION.to_le_bytes();
    if !head_fits || crc::bytes(&bytes[..CRC_AT]).to_le_bytes() != bytes[CRC_AT..] {
        return None;
    }
    let mut instance = [0; 16];
    instance.copy_from_slice(&bytes[16..32]);
    let position = Position { segment: word(40), offset: word(48) };
    let instance = u128::from_le_bytes(instance);
    Some((word(32), Synced { instance, position, seq: SeqNo(word(56)) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn synced(n: u64) -> Synced {
        let position = Position { segment: n / 10 + 1, offset: n * 8 };
        Synced { instance: 7, position, seq: SeqNo(n) }
    }

    #[test]
    fn the_last_one_written_holds_and_either_slot_may_be_torn() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let dir = Dir::from(home.path());
        assert_eq!(read(&dir).expect("none"), None);
        let mut file = SyncedFile::open(&dir).expect("made");
        assert_eq!(read(&dir).expect("made, and empty"), None);
        for n in 1..9 {
            file.write(&synced(n)).expect("written");
            assert_eq!(read(&dir).expect("whole"), Some(synced(n)));
            let path = home.path().join(NAME);
            let whole = fs::read(&path).expect("there");
            let newest = (n % 2 * SLOT_LEN) as usize;
            for bit in 0..LEN * 8 {
                let mut torn = whole.clone();
                torn[newest + bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, &torn).expect("put there");
                match read(&dir) {
                    Ok(Some(before)) => assert_eq!(before, synced(n - 1), "bit {bit}"),
                    Err(JournalError::BadSynced { .. }) => assert_eq!(n, 1, "bit {bit}"),
                    other => panic!("bit {bit}: {other:?}"),
                }
            }
            fs::write(&path, &whole).expect("put back");
            // Opened again, it goes on counting.
            file = SyncedFile::open(&dir).expect("opened");
        }
    }
}
