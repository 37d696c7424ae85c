//! The follower's side: what arrives is laid beside its journal, and looked at before it takes the place of that.

use crate::message::{EpochBegins, Records, SnapshotBegins};
use tidegate_engine::core::NoOutput;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::replay::{BEHAVIOUR_VERSION, ReplayError, resume};
use tidegate_engine::snapshot::{self, Header, SnapshotError};
use tidegate_journal::chain::{self, ChainHash, Head};
use tidegate_journal::{Config, Dir, JournalError, Reader, Writer, epochs, exchange};
use tidegate_model::{EventRecord, SeqNo};

/// Where a follower begins anew, and how its files are laid out.
#[derive(Clone, Debug)]
pub struct Place {
    /// The journal's directory.
    pub dir: Dir,
    /// How segments of the journal are laid out, and which journal it is.
    pub journal: Config,
    /// The same for those of the event log.
    pub log: Config,
}

/// Why a snapshot that arrives cannot be used. Nothing that the follower has was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncomingError {
    /// Files of the journal or the event log that are written for it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its own file.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A restart would not begin with it.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// It is not what was announced, or does not fit together.
    #[error("what the leader sent with the snapshot of input {seq} does not fit: {why}")]
    Unfit {
        /// The input.
        seq: SeqNo,
        /// What does not fit.
        why: String,
    },
}

/// A snapshot, its events and its records, as they arrive.
#[derive(Debug)]
pub struct Incoming {
    place: Place,
    stage: Dir,
    begins: SnapshotBegins,
    snapshot: Option<snapshot::Incoming>,
    log: Option<Writer>,
    /// The last event.
    told: Option<EventRecord>,
    journal: Option<Writer>,
    last: SeqNo,
}

impl Incoming {
    /// Begins, taking away what another left that did not come to its end.
    ///
    /// # Errors
    /// [`IncomingError`].
    pub fn begin(place: &Place, begins: &SnapshotBegins) -> Result<Self, IncomingError> {
        exchange::clear(&place.dir)?;
        let stage = exchange::stage(&place.dir);
        let snapshot = snapshot::Incoming::begin(&stage, begins.seq, begins.len)?;
        Ok(Self {
            place: place.clone(),
            stage,
            begins: begins.clone(),
            snapshot: Some(snapshot),
            log: None,
            told: None,
            journal: None,
            last: begins.after,
        })
    }

    /// A piece of the snapshot's file, the next.
    ///
    /// # Errors
    /// [`IncomingError`].
    pub fn piece(&mut self, bytes: &[u8]) -> Result<(), IncomingError> {
        match &mut self.snapshot {
            Some(snapshot) => Ok(snapshot.push(bytes)?),
            None => Err(self.unfit("a piece comes behind its end")),
        }
    }

    /// The epoch of the records that come next.
    ///
    /// # Errors
    /// [`IncomingError`].
    pub fn epoch(&mut self, begins: EpochBegins) -> Result<(), IncomingError> {
        Ok(self.journal()?.begin_epoch(begins.epoch, begins.behaviour_version)?)
    }

    /// Events, or, when all of those are there, records of the journal. True with the last of them: then comes [`Self::finish`].
    ///
    /// # Errors
    /// [`IncomingError`].
    pub fn records(&mut self, records: &Records<'_>) -> Result<bool, IncomingError> {
        if self.log.as_ref().map_or(0, |log| log.last_seq().0) < self.begins.events {
            for record in records.iter() {
                let told = bytemuck::try_pod_read_unaligned(record.payload);
                self.told = Some(told.map_err(|_| self.unfit("a record is no event"))?);
                self.log()?.append(record.kind, record.seq, record.payload)?;
            }
            return Ok(false);
        }
        for record in records.iter() {
            self.journal()?.append(record.kind, record.seq, record.payload)?;
        }
        self.last = records.last;
        Ok(self.last == self.begins.seq)
    }

    /// The event log that comes into being.
    fn log(&mut self) -> Result<&mut Writer, JournalError> {
        match &mut self.log {
            Some(log) => Ok(log),
            none => {
                let config = Config { epoch: 0, ..self.place.log.clone() };
                Ok(none.insert(Writer::open(self.stage.join("events"), config)?.0))
            }
        }
    }

    /// The journal that comes into being.
    fn journal(&mut self) -> Result<&mut Writer, JournalError> {
        match &mut self.journal {
            Some(journal) => Ok(journal),
            none => {
                let first_seq = self.begins.after.next();
                // Segment 1 is the one with the journal's first record.
                let first_index = if first_seq == SeqNo(1) { 1 } else { 2 };
                let config =
                    Config { epoch: 0, first_seq, first_index, ..self.place.journal.clone() };
                Ok(none.insert(Writer::open(&self.stage, config)?.0))
            }
        }
    }

    /// Everything is there: makes it last, and looks at it as a restart would. It takes the place of the follower's journal with
    /// [`exchange::commit`], when nobody uses that any more.
    ///
    /// # Errors
    /// [`IncomingError`]: it cannot be used.
    pub fn finish(mut self) -> Result<Header, IncomingError> {
        let seq = self.begins.seq;
        if self.last != seq {
            return Err(self.unfit("records are missing"));
        }
        self.snapshot.take().ok_or_else(|| self.unfit("there is no file"))?.finish()?;
        self.log()?;
        for writer in [self.log.take(), self.journal.take()].into_iter().flatten() {
            writer.close()?;
        }
        let starts = self.begins.history.starts().iter();
        let starts: Vec<_> = starts.map(|start| (start.epoch, start.first)).collect();
        epochs::seed(&self.stage, &starts)?;
        if let Some(link) = self.begins.link {
            let instance = self.place.journal.instance.unwrap_or_default();
            let (audit, market) = (ChainHash(link.audit), ChainHash(link.market));
            chain::seed(&self.stage, instance, Head { seq: link.seq, audit, market })?;
        }
        self.check()
    }

    fn check(&self) -> Result<Header, IncomingError> {
        let seq = self.begins.seq;
        tidegate_journal::verify(&self.stage)?;
        self.check_chain()?;
        let mut resumed = resume(&self.stage, |_| Ok(()))?;
        let Some(header) = resumed.from.filter(|header| header.seq == seq) else {
            let why = resumed.passed_over.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(self.unfit(why.join("; ")));
        };
        resumed.finish(&mut NoOutput, |_| {})?;
        let told = self.told.as_ref().map(EventPosition::of).unwrap_or_default();
        let checks = [
            (header.epoch == self.begins.epoch(), "it is of another epoch"),
            (header.events.count == self.begins.events, "it has told another number of events"),
            (header.events.last == told, "the events do not end where it does"),
            (header.behaviour_version <= BEHAVIOUR_VERSION, "it is of a newer engine"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(self.unfit(*why)),
            None => Ok(header),
        }
    }

    /// What follows the link leads on from it, so far as that can be seen here.
    fn check_chain(&self) -> Result<(), IncomingError> {
        let mut reader = Reader::open(&self.stage)?;
        let first = reader.next()?.map(|record| record.seq);
        match self.begins.link {
            Some(link) if first.is_some_and(|first| link.seq.next() < first) => {
                Err(self.unfit("records are missing behind the link of its chain"))
            }
            _ => Ok(()),
        }
    }

    fn unfit(&self, why: impl Into<String>) -> IncomingError {
        IncomingError::Unfit { seq: self.begins.seq, why: why.into() }
    }
}
