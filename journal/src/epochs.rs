//! Which records of a journal were written in which epoch, as the headers of its segments tell.

use crate::directory::{open_segment, segment_indexes};
use crate::error::JournalError;
use crate::header::SegmentHeader;
use crate::storage::Dir;
use crate::watermark::Position;
use tidegate_model::SeqNo;

/// The header of the oldest segment in `dir` that is in use; `None` if nothing was ever written.
///
/// # Errors
/// [`JournalError::MissingSegment`] if there is a hole, [`JournalError::BadHeader`] for a header that is damaged.
pub fn oldest(dir: impl Into<Dir>) -> Result<Option<SegmentHeader>, JournalError> {
    let dir = dir.into();
    let Some(&index) = segment_indexes(&dir)?.first() else { return Ok(None) };
    let header = open_segment(&dir, index)?.map(|(_, header)| header);
    Ok(header.filter(|header| header.first_seq.is_some()))
}

/// The headers of the segments in `dir` that are in use, oldest first.
///
/// # Errors
/// [`JournalError::MissingSegment`] if there is a hole, [`JournalError::BadHeader`] for a header that is damaged.
pub fn headers(dir: impl Into<Dir>) -> Result<Vec<SegmentHeader>, JournalError> {
    let dir = dir.into();
    let synced = crate::synced::read(&dir)?.map(|synced| synced.position);
    let mut headers = Vec::new();
    for index in segment_indexes(&dir)? {
        let missing = || JournalError::MissingSegment { dir: dir.path().to_path_buf(), index };
        let begin = Position { segment: index, offset: 0 };
        let header = match open_segment(&dir, index) {
            // A loss of power may have left it so: recovery cuts there.
            Err(JournalError::BadHeader { .. }) if synced.is_some_and(|s| s <= begin) => break,
            found => found?.ok_or_else(missing)?.1,
        };
        headers.extend(header.first_seq.is_some().then_some(header));
    }
    Ok(headers)
}

/// The epochs of the journal in `dir`, oldest first, each with the number that its first record has, or would have. Empty if
/// nothing was ever written.
///
/// # Errors
/// As [`headers`].
pub fn epochs(dir: impl Into<Dir>) -> Result<Vec<(u64, SeqNo)>, JournalError> {
    let mut epochs: Vec<(u64, SeqNo)> = Vec::new();
    for header in headers(dir)? {
        let Some(first) = header.first_seq else { continue };
        // An epoch without a record left no trace but a segment.
        epochs.pop_if(|(_, before)| *before == first);
        if epochs.last().is_none_or(|(epoch, _)| *epoch != header.epoch) {
            epochs.push((header.epoch, first));
        }
    }
    Ok(epochs)
}
