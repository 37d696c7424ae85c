//! What comes with a snapshot, in which order, and nothing else: the follower's side, which does no I/O.

use crate::follower::{FollowerError, Told};
use crate::message::{Control, EpochBegins, Message, Records, SnapshotBegins};
use tidegate_journal::frame::KIND_EVENT;
use tidegate_model::SeqNo;

/// How far a snapshot and what comes with it are.
#[derive(Debug)]
pub(crate) struct Expected {
    begins: SnapshotBegins,
    /// Bytes of its file.
    bytes: u64,
    /// Events.
    events: u64,
    /// The last record of the journal.
    last: SeqNo,
    /// The epoch of the records that come.
    epoch: Option<u64>,
}

impl Expected {
    pub fn new(begins: SnapshotBegins) -> Self {
        let last = begins.after;
        Self { begins, bytes: 0, events: 0, last, epoch: None }
    }

    /// The snapshot's input, and how many bytes of how many have come.
    pub fn progress(&self) -> (SeqNo, u64, u64) {
        (self.begins.seq, self.bytes, self.begins.len)
    }

    /// The leader, of `leader_epoch`, has said something that is no heartbeat.
    pub fn hear<'m>(
        &mut self,
        leader_epoch: u64,
        message: Message<'m>,
    ) -> Result<Told<'m>, FollowerError> {
        match message {
            Message::Piece { offset, bytes } => self.piece(offset, bytes),
            Message::Control(Control::Epoch(begins)) => self.epoch(leader_epoch, begins),
            Message::Records(records) if records.leader_epoch != leader_epoch => {
                unexpected("records of another leader")
            }
            Message::Records(records) => self.records(records),
            Message::Control(Control::Refused(refusal)) => Err(FollowerError::Refused(refusal)),
            Message::Control(_) => unexpected("something else while a snapshot comes"),
        }
    }

    fn piece<'m>(&mut self, offset: u64, bytes: &'m [u8]) -> Result<Told<'m>, FollowerError> {
        let len = bytes.len() as u64;
        if offset != self.bytes || len == 0 || len > self.begins.len - self.bytes {
            return unexpected("a piece of a snapshot that is not the next");
        }
        self.bytes += len;
        Ok(Told::Piece { offset, bytes })
    }

    fn epoch(
        &mut self,
        leader_epoch: u64,
        begins: EpochBegins,
    ) -> Result<Told<'static>, FollowerError> {
        if self.events < self.begins.events || self.bytes < self.begins.len {
            return unexpected("an epoch before a snapshot and its events are there");
        }
        if begins.after != self.last {
            return Err(FollowerError::NotContiguous { expected: self.last, found: begins.after });
        }
        if begins.epoch > leader_epoch {
            return unexpected("an epoch newer than its own");
        }
        if let Some(before) = self.epoch.filter(|before| begins.epoch < *before) {
            return Err(FollowerError::EpochOrder { before, found: begins.epoch });
        }
        self.epoch = Some(begins.epoch);
        Ok(Told::Epoch(begins))
    }

    fn records<'m>(&mut self, records: Records<'m>) -> Result<Told<'m>, FollowerError> {
        if self.bytes < self.begins.len {
            return unexpected("records before a snapshot is there");
        }
        let is_event = |kind| kind == KIND_EVENT;
        if self.events < self.begins.events {
            let expected = SeqNo(self.events);
            if records.after != expected {
                return Err(FollowerError::NotContiguous { expected, found: records.after });
            }
            let is_bounded = records.last.0 <= self.begins.events;
            if !is_bounded || !records.iter().all(|record| is_event(record.kind)) {
                return unexpected("something else than the events up to a snapshot");
            }
            self.events = records.last.0;
            return Ok(Told::Records(records));
        }
        if records.after != self.last {
            let (expected, found) = (self.last, records.after);
            return Err(FollowerError::NotContiguous { expected, found });
        }
        let is_bounded = records.last <= self.begins.seq && self.epoch.is_some();
        if !is_bounded || records.iter().any(|record| is_event(record.kind)) {
            return unexpected("something else than the records up to a snapshot");
        }
        if self.last == self.begins.seq {
            // A checkpoint behind the last one, which nobody needs.
            return Ok(Told::Nothing);
        }
        self.last = records.last;
        Ok(Told::Records(records))
    }
}

fn unexpected<T>(what: &'static str) -> Result<T, FollowerError> {
    Err(FollowerError::Unexpected { what })
}
