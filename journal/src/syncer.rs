//! From the page cache to the disk: what raises `process` to `power`.

use crate::directory::segment_path;
use crate::error::JournalError;
use crate::protection::{Protection, is_removed};
use crate::storage::{Dir, Open, StorageFile};
use crate::synced::{Synced, SyncedFile};
use crate::watermark::{Position, Watermark};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_model::SeqNo;

/// Makes records last through a loss of power. For any thread but the writer's own, which would wait for the disk.
#[derive(Clone, Debug)]
pub struct Syncer {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    dir: Dir,
    watermark: Arc<Watermark>,
    instance: u128,
    synced: SyncedFile,
    /// The last record that is synced, and where the synced bytes end.
    done: Option<(SeqNo, Position)>,
    /// The first segment that may hold anything not synced.
    segment: u64,
    /// That segment's file, kept open so that no error report of the system is missed.
    file: Option<Box<dyn StorageFile>>,
    failed: bool,
}

impl Syncer {
    /// A syncer of the journal in `dir`, which is synced up to where the writer begins.
    pub(crate) fn new(
        dir: &Dir,
        watermark: Arc<Watermark>,
        instance: u128,
        synced: SyncedFile,
    ) -> Self {
        let segment = watermark.position().segment;
        let dir = dir.clone();
        let (done, file) = (None, None);
        let shared =
            Shared { dir, watermark, instance, synced, done, segment, file, failed: false };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Writes to the disk what is committed now, then that this is so, and returns the last record's number that is there. Takes
    /// as long as the disk takes.
    ///
    /// # Errors
    /// The first error is final: after it nobody knows what the disk holds, so every further call returns
    /// [`JournalError::SyncFailed`]. Stop, restart and let recovery look.
    pub fn sync(&self) -> Result<SeqNo, JournalError> {
        // A panic under the lock leaves `failed` as it was; what it says is true either way.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.failed {
            return Err(JournalError::SyncFailed { dir: shared.dir.path().to_path_buf() });
        }
        let done = shared.sync();
        if done.is_err() && is_removed(Protection::SyncError) {
            return Ok(shared.watermark.seq());
        }
        shared.failed = done.is_err();
        done
    }
}

impl Shared {
    fn sync(&mut self) -> Result<SeqNo, JournalError> {
        let seq = self.watermark.seq();
        let position = self.watermark.position();
        if self.done == Some((seq, position)) {
            return Ok(seq);
        }
        while self.segment <= position.segment {
            let in_use = self.segment < position.segment || position.offset > 0;
            if in_use {
                self.sync_segment()?;
            }
            if self.segment == position.segment {
                break;
            }
            self.segment += 1;
            self.file = None;
        }
        // Nothing above it counts as synced before this is.
        if is_removed(Protection::Watermark) {
            return Ok(seq);
        }
        self.synced.write(&Synced { instance: self.instance, position, seq })?;
        self.done = Some((seq, position));
        Ok(seq)
    }

    fn sync_segment(&mut self) -> Result<(), JournalError> {
        let path = segment_path(self.dir.path(), self.segment);
        let file = match self.file.take() {
            Some(file) => file,
            None => self.dir.open(&path, Open::Read)?,
        };
        if !is_removed(Protection::Sync) {
            file.sync().map_err(JournalError::io("sync", &path))?;
        }
        self.file = Some(file);
        Ok(())
    }
}
