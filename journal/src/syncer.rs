//! From the page cache to the disk: what raises `process` to `power`.

use crate::directory::segment_path;
use crate::error::JournalError;
use crate::watermark::Watermark;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_model::SeqNo;

/// Makes records last through a loss of power. Belongs to any thread but the writer's.
#[derive(Debug)]
pub struct Syncer {
    dir: PathBuf,
    watermark: Arc<Watermark>,
    /// The first segment that may hold anything not synced.
    segment: u64,
    /// That segment's file, kept open so that no error report of the system is missed.
    file: Option<File>,
    failed: bool,
}

impl Syncer {
    pub(crate) fn new(dir: &Path, watermark: Arc<Watermark>) -> Self {
        let segment = watermark.position().segment;
        Self { dir: dir.to_path_buf(), watermark, segment, file: None, failed: false }
    }

    /// Writes to the disk what is committed now, and returns the last record's number that is there. Takes as long as
    /// the disk takes.
    ///
    /// # Errors
    /// The first error is final: after it nobody knows what the disk holds, so every further call returns
    /// [`JournalError::SyncFailed`]. Stop, restart and let recovery look.
    pub fn sync(&mut self) -> Result<SeqNo, JournalError> {
        if self.failed {
            return Err(JournalError::SyncFailed { dir: self.dir.clone() });
        }
        let seq = self.watermark.seq();
        let position = self.watermark.position();
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
        Ok(seq)
    }

    fn sync_segment(&mut self) -> Result<(), JournalError> {
        let path = segment_path(&self.dir, self.segment);
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => File::open(&path),
        };
        let synced = file.and_then(|file| file.sync_data().map(|()| file));
        match synced {
            Ok(file) => {
                self.file = Some(file);
                Ok(())
            }
            Err(source) => {
                self.failed = true;
                Err(JournalError::io("sync", &path)(source))
            }
        }
    }
}
