//! Who may be primary: one record in a consensus store, changed by compare-and-swap only.
//!
//! The holder writes it again and again. A candidate that has seen it unchanged for a whole lease, by its own clock, takes it over
//! with the next epoch, if the record says that it is in sync. No clocks of two machines are compared. The holder counts its
//! lease from before it asked the store, less a margin, so it ends for the holder before it ends for anybody else, as
//! long as clocks run alike to within the margin; and where they do not, the followers of the new epoch keep what
//! the old holder does from leaving.
//!
//! This machine only decides. The driver carries [`Ask`]s to the store and answers back, one at a time.

use crate::Moment;
use crate::leader::{FOLLOWERS_MAX, Names};
use crate::message::{MessageError, check_epoch, check_name};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegate_journal::protection::{Protection, is_removed};

/// The version of the record.
pub const RECORD_VERSION: u16 = 1;
/// Bytes of an address in the record.
pub const ADDRESS_LEN_MAX: usize = 256;

/// What the store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u16,
    /// The journal, as 32 hexadecimal digits.
    pub instance: String,
    /// The epoch of the holder.
    pub epoch: u64,
    /// Who holds it; `None` when it was given up.
    pub holder: Option<String>,
    /// Where followers find the holder.
    pub address: String,
    /// The followers that the holder waits for; one of them may take over.
    pub in_sync: Names,
    /// Whom it was given up for.
    pub heir: Option<String>,
    /// Counts the holder's writes: a record that was written again is another.
    pub writes: u64,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Written by another version.
    #[error("the lease's record has version {found}, this build knows {RECORD_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// Of another journal: two deployments use one key.
    #[error("the lease's record is of journal {found}, not of {own}: two deployments use one key")]
    Instance {
        /// Its journal.
        found: String,
        /// Ours.
        own: String,
    },
    /// A name or an epoch that is none.
    #[error("the lease's record holds what it may not: {0}")]
    Name(#[from] MessageError),
    /// More followers, or a longer address, than there may be.
    #[error("the lease's record holds {what} of {len}, at most {max} are allowed")]
    TooLong {
        /// Which.
        what: &'static str,
        /// How much.
        len: usize,
        /// The most.
        max: usize,
    },
}

impl Record {
    /// Checks what was read from a store; `instance` is the own journal, if there is one yet.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn check(&self, instance: Option<&str>) -> Result<(), RecordError> {
        if self.version != RECORD_VERSION {
            return Err(RecordError::Version { found: self.version });
        }
        if let Some(own) = instance.filter(|own| *own != self.instance) {
            return Err(RecordError::Instance {
                found: self.instance.clone(),
                own: own.to_string(),
            });
        }
        check_epoch(self.epoch)?;
        for (what, len, max) in [
            ("followers", self.in_sync.len(), FOLLOWERS_MAX),
            ("bytes of address", self.address.len(), ADDRESS_LEN_MAX),
        ] {
            if len > max {
                return Err(RecordError::TooLong { what, len, max });
            }
        }
        let names = self.in_sync.iter().chain(&self.holder).chain(&self.heir);
        for name in names {
            check_name(name)?;
        }
        Ok(())
    }

    /// Whether the holder of `epoch` gave it up and nobody has taken it since.
    pub fn is_given_up(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.holder.is_none()
    }
}

/// What the store calls a version of the record; 0 is that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// Times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a record stands unchanged before somebody else may take over.
    pub lease: Duration,
    /// How much earlier the holder stops by itself.
    pub margin: Duration,
    /// Between two writes of the holder.
    pub renew: Duration,
    /// Between two looks of a candidate.
    pub poll: Duration,
    /// How long an answer of the store may take before it is asked again.
    pub patience: Duration,
}

impl Timing {
    /// Times that fit a lease: written five times in it, looked at twenty times.
    pub fn of_lease(lease: Duration) -> Self {
        Self { lease, margin: lease / 5, renew: lease / 5, poll: lease / 20, patience: lease / 4 }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::of_lease(Duration::from_secs(1))
    }
}

/// What the store is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The record and its revision.
    Read,
    /// Write `record` if the revision is still `expected`.
    Swap {
        /// The revision.
        expected: Revision,
        /// The new record.
        record: Record,
    },
}

/// A question with its number; an answer to another than the last is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The number.
    pub number: u64,
    /// The question.
    pub question: Question,
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a read.
    Is(Option<(Record, Revision)>),
    /// To a swap: done.
    Swapped(Revision),
    /// To a swap: the revision was another, nothing was written.
    Differs,
    /// No answer, or one that does not tell whether it was done.
    Unknown,
}

/// Where one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Looks, and may take over.
    Candidate,
    /// Holds the lease in this epoch.
    Holder {
        /// The epoch.
        epoch: u64,
        /// Until when, by the own clock; written again before that.
        until: Moment,
    },
    /// Held it, and somebody else does now, or it was given up. It stays so: only a new process is a candidate again.
    Over {
        /// The epoch that it held.
        epoch: u64,
    },
}

/// Who asks to take over without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// An operator, or a leader that gave over: at once, but only if in sync.
    Now,
    /// An operator who accepts that what was acknowledged may be missing.
    Force,
}

/// Who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name.
    pub name: String,
    /// Where followers would find it.
    pub address: String,
    /// The journal, as in [`Record::instance`]; `None` of one that has none yet.
    pub instance: Option<String>,
    /// Whether it may write the first record of all.
    pub may_create: bool,
}

/// One node's view of the lease.
#[derive(Debug)]
pub struct Lease {
    who: Candidate,
    timing: Timing,
    standing: Standing,
    known: Option<Known>,
    flight: Option<Flight>,
    /// The record that was last asked to be written, and when.
    sent: Option<(Record, Moment)>,
    asks: u64,
    must_read: bool,
    next_at: Moment,
    /// Whether the own journal holds everything that it has confirmed or written: not so after a loss of power, until caught up.
    is_complete: bool,
    /// The newest epoch heard of.
    newest_epoch: u64,
    demand: Option<Demand>,
    wanted: Option<Names>,
    giving_up: Option<String>,
    taking_back: bool,
    error: Option<RecordError>,
}

#[derive(Debug)]
struct Known {
    record: Option<Record>,
    revision: Revision,
    /// When it was first seen.
    since: Moment,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    at: Moment,
    is_swap: bool,
}

impl Lease {
    /// A candidate that knows nothing yet.
    pub fn new(who: Candidate, timing: Timing) -> Self {
        Self {
            who,
            timing,
            standing: Standing::Candidate,
            known: None,
            flight: None,
            sent: None,
            asks: 0,
            must_read: true,
            next_at: Moment::default(),
            is_complete: false,
            newest_epoch: 0,
            demand: None,
            wanted: None,
            giving_up: None,
            taking_back: false,
            error: None,
        }
    }

    /// Says which journal this is, once that is known.
    pub fn instance(&mut self, instance: String) {
        self.who.instance = Some(instance);
    }

    /// Says that it may write the first record of all: a primary that is started on purpose.
    pub fn may_create(&mut self) {
        self.who.may_create = true;
    }

    /// Says whether the own journal holds everything that it ever confirmed, and the newest epoch it knows.
    pub fn journal(&mut self, is_complete: bool, newest_epoch: u64) {
        self.is_complete = is_complete;
        self.newest_epoch = self.newest_epoch.max(newest_epoch);
    }

    /// Takes over without waiting for the lease to end.
    pub fn demand(&mut self, demand: Demand) {
        self.demand = self.demand.max(Some(demand));
        self.next_at = Moment::default();
        self.must_read = true;
    }

    /// Whoever demanded it was told that it did not come about: from here on it waits like any other.
    pub fn withdraw(&mut self) {
        self.demand = None;
    }

    /// Of the holder: writes this set with the next record, at once. [`Self::in_sync`] tells when it stands.
    pub fn write_in_sync(&mut self, set: Names) {
        self.wanted = Some(set);
        self.next_at = Moment::default();
    }

    /// Of the holder: gives the lease up for `heir`, who needs not wait for its end.
    pub fn give_up(&mut self, heir: String) {
        self.giving_up = Some(heir);
        self.next_at = Moment::default();
    }

    /// Of one that gave the lease up: takes it back, in the same epoch, unless somebody else holds it by now. It is done, one way or
    /// the other, when [`Self::is_taking_back`] says so no more.
    pub fn take_back(&mut self) {
        self.giving_up = None;
        self.taking_back = true;
        self.next_at = Moment::default();
    }

    /// Whether it is not known yet if the lease could be taken back.
    pub fn is_taking_back(&self) -> bool {
        self.taking_back
    }

    /// Looks at the record at once: it was given up for this node.
    pub fn look(&mut self) {
        self.next_at = Moment::default();
        self.must_read = true;
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether inputs may be taken at `now`.
    pub fn is_held(&self, now: Moment) -> bool {
        matches!(self.standing, Standing::Holder { until, .. } if now < until)
    }

    /// The record as it was last seen or written.
    pub fn record(&self) -> Option<&Record> {
        self.known.as_ref().and_then(|known| known.record.as_ref())
    }

    /// What is wrong with the record that the store has; nothing is taken over then.
    pub fn error(&self) -> Option<&RecordError> {
        self.error.as_ref()
    }

    /// Of the holder: the set as it stands in the store, if none is being written.
    pub fn in_sync(&self) -> Option<&Names> {
        if self.wanted.is_some() {
            return None;
        }
        self.record().map(|record| &record.in_sync)
    }

    /// The question for the store at `now`, if there is one. Ask again after each answer and each [`Self::next_at`].
    pub fn ask(&mut self, now: Moment) -> Option<Ask> {
        if let Some(flight) = &self.flight {
            if now.since(flight.at) < self.timing.patience {
                return None;
            }
            self.must_read |= flight.is_swap;
            self.flight = None;
        }
        let is_over = matches!(self.standing, Standing::Over { .. }) && !self.taking_back;
        if is_over || now < self.next_at {
            return None;
        }
        let question = match (&self.known, self.must_read) {
            (Some(known), false) => match self.next_record(known, now) {
                Some(record) => Question::Swap { expected: known.revision, record },
                None => Question::Read,
            },
            _ => Question::Read,
        };
        self.asks += 1;
        let number = self.asks;
        let is_swap = matches!(question, Question::Swap { .. });
        if let Question::Swap { record, .. } = &question {
            self.sent = Some((record.clone(), now));
        }
        self.flight = Some(Flight { number, at: now, is_swap });
        Some(Ask { number, question })
    }

    /// When [`Self::ask`] should be called at the latest.
    pub fn next_at(&self) -> Moment {
        match &self.flight {
            Some(flight) => flight.at + self.timing.patience,
            None => self.next_at,
        }
    }

    /// The record to write over the known one; `None` if it is to stay.
    fn next_record(&self, known: &Known, now: Moment) -> Option<Record> {
        match (self.standing, &known.record) {
            (Standing::Holder { epoch, .. }, Some(record)) => {
                let mut next = record.clone();
                next.writes += 1;
                if let Some(set) = &self.wanted {
                    next.in_sync.clone_from(set);
                }
                if self.giving_up.is_some() {
                    next.holder = None;
                    next.heir.clone_from(&self.giving_up);
                }
                debug_assert_eq!(next.epoch, epoch, "the holder's record");
                Some(next)
            }
            // Nobody has led since: the epoch goes on.
            (Standing::Over { epoch }, Some(record))
                if self.taking_back && record.is_given_up(epoch) =>
            {
                let holder = Some(self.who.name.clone());
                Some(Record { holder, heir: None, writes: record.writes + 1, ..record.clone() })
            }
            (Standing::Candidate, Some(record)) if self.may_take(record, known.since, now) => {
                let mut in_sync = record.in_sync.clone();
                in_sync.remove(&self.who.name);
                // Taken by force, nobody is known to have what this one has.
                if !self.is_entitled(record) {
                    in_sync.clear();
                }
                Some(self.first_record(record.instance.clone(), record.epoch, in_sync))
            }
            (Standing::Candidate, None) if self.who.may_create => {
                let instance = self.who.instance.clone()?;
                Some(self.first_record(instance, 0, Names::new()))
            }
            _ => None,
        }
    }

    /// The first record of a new epoch.
    fn first_record(&self, instance: String, epoch: u64, in_sync: Names) -> Record {
        Record {
            version: RECORD_VERSION,
            instance,
            epoch: epoch.max(self.newest_epoch) + 1,
            holder: Some(self.who.name.clone()),
            address: self.who.address.clone(),
            in_sync,
            heir: None,
            writes: 0,
        }
    }

    /// Whether everything that may have left is in the own journal.
    fn is_entitled(&self, record: &Record) -> bool {
        let name = &self.who.name;
        self.is_complete && (record.in_sync.contains(name) || record.holder.as_ref() == Some(name))
    }

    fn may_take(&self, record: &Record, since: Moment, now: Moment) -> bool {
        if self.error.is_some() || self.who.instance.is_none() {
            return false;
        }
        if self.demand == Some(Demand::Force) {
            return true;
        }
        let name = Some(&self.who.name);
        // The holder of that name was a process on this journal, which one process has at a time.
        let need_not_wait = record.holder.as_ref() == name
            || (record.holder.is_none() && record.heir.as_ref() == name)
            || self.demand.is_some()
            || is_removed(Protection::Lease);
        self.is_entitled(record) && (need_not_wait || now.since(since) >= self.timing.lease)
    }

    /// The store's answer to question `number`, at `now`.
    pub fn answer(&mut self, now: Moment, number: u64, answer: Answer) {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return };
        self.next_at = now;
        match answer {
            Answer::Is(found) => {
                self.must_read = false;
                self.learn(now, found);
            }
            Answer::Swapped(revision) if flight.is_swap => {
                let Some((record, at)) = self.sent.clone() else { return };
                self.know(now, Some(record.clone()), revision);
                self.wrote(&record, at);
            }
            Answer::Swapped(_) | Answer::Differs => self.must_read = true,
            Answer::Unknown => {
                self.must_read = true;
                self.next_at = now + self.timing.poll;
            }
        }
    }

    fn know(&mut self, now: Moment, record: Option<Record>, revision: Revision) {
        let is_same = self.known.as_ref().is_some_and(|known| known.revision == revision);
        if !is_same {
            self.known = Some(Known { record, revision, since: now });
        }
    }

    /// A record was read.
    fn learn(&mut self, now: Moment, found: Option<(Record, Revision)>) {
        let (record, revision) =
            found.map_or((None, Revision(0)), |(r, revision)| (Some(r), revision));
        self.error = record.as_ref().and_then(|r| r.check(self.who.instance.as_deref()).err());
        if let Some(record) = &record {
            self.newest_epoch = self.newest_epoch.max(record.epoch);
        }
        self.know(now, record.clone(), revision);
        let sent = self.sent.clone();
        let is_last_sent = sent.as_ref().is_some_and(|(sent, _)| Some(sent) == record.as_ref());
        let tried = sent.as_ref().map(|(sent, _)| sent.epoch);
        match (self.standing, record, sent) {
            (_, Some(record), Some((_, at))) if is_last_sent => self.wrote(&record, at),
            (Standing::Holder { epoch, .. }, Some(record), _)
                if record.epoch == epoch && record.holder.as_ref() == Some(&self.who.name) =>
            {
                // An earlier write arrived late: the lease is still held, until when is not known better than before.
                self.settle(&record);
            }
            (Standing::Holder { epoch, .. }, _, _) => self.standing = Standing::Over { epoch },
            (Standing::Candidate, Some(record), _)
                if tried == Some(record.epoch)
                    && record.holder.as_ref() == Some(&self.who.name) =>
            {
                let epoch = record.epoch;
                self.standing = Standing::Holder { epoch, until: Moment::default() };
                self.settle(&record);
            }
            (Standing::Candidate, _, _) => self.next_at = self.next_look(now),
            (Standing::Over { epoch }, record, _) => {
                self.taking_back &= record.is_some_and(|record| record.is_given_up(epoch));
            }
        }
    }

    /// When a candidate looks again: soon, and at once when it may take over.
    fn next_look(&self, now: Moment) -> Moment {
        let takes = self.known.as_ref().is_some_and(|known| self.next_record(known, now).is_some());
        if takes { now } else { now + self.timing.poll }
    }

    /// A record of ours is in the store since some time after `at`.
    fn wrote(&mut self, record: &Record, at: Moment) {
        let epoch = record.epoch;
        if record.holder.is_none() {
            self.standing = Standing::Over { epoch };
            return;
        }
        let until = at + self.timing.lease.saturating_sub(self.timing.margin);
        self.standing = Standing::Holder { epoch, until };
        self.demand = None;
        self.taking_back &= self.giving_up.is_some();
        self.next_at = at + self.timing.renew;
        self.settle(record);
    }

    fn settle(&mut self, record: &Record) {
        if self.wanted.as_ref() == Some(&record.in_sync) {
            self.wanted = None;
        }
        if self.wanted.is_some() || self.giving_up.is_some() {
            self.next_at = Moment::default();
        }
    }
}
