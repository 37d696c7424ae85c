//! The records of a journal as messages, from any number on and on behind its writer.

use crate::history::{EpochStart, History, HistoryError};
use crate::message::{BODY_LEN_MAX, Control, EpochBegins, RecordsBuilder};
use std::sync::Arc;
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_SEAL};
use tidegate_journal::{Dir, JournalError, Reader, Watermark};
use tidegate_model::SeqNo;

/// Bytes of a batch of records: some packets, so that a record waits for no long batch behind it.
pub const BATCH_LEN_MAX: usize = 64 << 10;

const _: () = assert!(BATCH_LEN_MAX <= BODY_LEN_MAX);

/// Reads a journal for one follower.
#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    leader_epoch: u64,
    after: SeqNo,
    state: State,
    /// A record that was read and is in no message yet.
    held: Option<Held>,
}

/// What was given last.
#[derive(Debug)]
struct State {
    era: Option<Era>,
    last: SeqNo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Era {
    epoch: u64,
    behaviour_version: u32,
}

#[derive(Debug)]
struct Held {
    kind: u8,
    seq: SeqNo,
    era: Era,
    payload: Vec<u8>,
}

/// The message that is being filled.
struct Batch {
    open: Option<RecordsBuilder>,
    leader_epoch: u64,
}

impl Tail {
    /// The records after `after` of the journal in `dir`, as its writer's watermark moves.
    ///
    /// # Errors
    /// As [`Reader::follow`] and [`Reader::seek`]: [`JournalError::SeqNotHeld`] if the journal begins later.
    pub fn open(
        dir: impl Into<Dir>,
        watermark: Arc<Watermark>,
        leader_epoch: u64,
        after: SeqNo,
    ) -> Result<Self, JournalError> {
        let mut reader = Reader::follow(dir, watermark)?;
        // Without a record there is nothing to look for yet.
        if after > SeqNo::ZERO {
            // From that record on: a checkpoint of it may come behind it. A journal may as well begin just after it.
            match reader.seek(after) {
                Err(JournalError::SeqNotHeld { .. }) => reader.seek(after.next())?,
                sought => sought?,
            }
        }
        let state = State { era: None, last: after };
        Ok(Self { reader, leader_epoch, after, state, held: None })
    }

    /// Appends messages to `out`: records up to number `up_to`, about [`BATCH_LEN_MAX`] bytes of them, with the epoch they are
    /// of before them where that is news. Nothing if there is nothing (yet).
    ///
    /// # Errors
    /// What is wrong with the journal.
    pub fn fill(&mut self, up_to: SeqNo, out: &mut Vec<u8>) -> Result<(), JournalError> {
        let end = out.len() + BATCH_LEN_MAX;
        let mut batch = Batch { open: None, leader_epoch: self.leader_epoch };
        if let Some(held) = self.held.take_if(|held| held.seq <= up_to) {
            let added =
                batch.add(&mut self.state, held.era, (held.seq, held.kind), &held.payload, out);
            assert!(added, "the first record fits");
        }
        while self.held.is_none() && out.len() < end {
            let Some(record) = self.reader.next()? else { break };
            let (kind, seq, payload) = (record.kind, record.seq, record.payload);
            // A checkpoint of the last record that both have may come: then both compare their states at once.
            let is_before =
                if kind == KIND_CHECKPOINT { seq < self.after } else { seq <= self.after };
            if kind == KIND_SEAL || is_before {
                continue;
            }
            let era = Era { epoch: record.epoch, behaviour_version: record.behaviour_version };
            if seq > up_to || !batch.add(&mut self.state, era, (seq, kind), payload, out) {
                self.held = Some(Held { kind, seq, era, payload: payload.to_vec() });
            }
        }
        batch.finish(out);
        Ok(())
    }

    /// The number of the last record that was given.
    pub fn last(&self) -> SeqNo {
        self.state.last
    }
}

impl Batch {
    /// Adds a record to the open message, or to a new one behind word of the new epoch. False if it does not fit any more.
    #[inline]
    fn add(
        &mut self,
        state: &mut State,
        era: Era,
        (seq, kind): (SeqNo, u8),
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        if state.era != Some(era) {
            self.finish(out);
            state.era = Some(era);
            let Era { epoch, behaviour_version } = era;
            Control::Epoch(EpochBegins { epoch, behaviour_version, after: state.last }).encode(out);
        }
        let (epoch, after) = (self.leader_epoch, state.last);
        let builder = self.open.get_or_insert_with(|| RecordsBuilder::begin(epoch, after, out));
        let fits = builder.push(kind, payload, out);
        if fits {
            state.last = seq;
        }
        fits
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(builder) = self.open.take() {
            builder.finish(out);
        }
    }
}

/// Why a journal's history cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryFailed {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its epochs are in no order.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// The history of the journal in `dir`, whose last record is `last`, as its writer tells.
///
/// # Errors
/// [`HistoryFailed`].
pub fn history(dir: impl Into<Dir>, last: SeqNo) -> Result<History, HistoryFailed> {
    let mut starts: Vec<_> = tidegate_journal::epochs(dir)?
        .into_iter()
        .filter(|(_, first)| *first <= last)
        .map(|(epoch, first)| EpochStart { epoch, first })
        .collect();
    let extra = starts.len().saturating_sub(crate::history::EPOCHS_MAX);
    starts.drain(..extra);
    Ok(History::new(starts, last)?)
}
