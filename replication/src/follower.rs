//! What a standby takes, in which order, and what it refuses.
//!
//! The driver gives it every message of a link and does what it says ([`Told`]): cut a tail that nobody confirmed, begin an
//! epoch, append and apply records. It reports how far it got, and sends what [`Follower::confirm`] makes of that.

use crate::Moment;
use crate::catchup::Expected;
use crate::history::History;
use crate::message::{
    Confirm, Control, EpochBegins, HandOver, Hello, Message, PROTOCOL_VERSION, Progress, Records,
    Refusal, SnapshotBegins, Welcome,
};
use std::time::Duration;
use tidegate_journal::protection::{Protection, is_removed};
use tidegate_model::SeqNo;

/// Why a follower ends a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowerError {
    /// A message that does not come there.
    #[error("the leader sent what does not come there: {what}")]
    Unexpected {
        /// What it was.
        what: &'static str,
    },
    /// The leader does not take it.
    #[error("the leader refuses: {0}")]
    Refused(Refusal),
    /// The leader is of an older epoch than this follower has heard of. Tell it: [`Follower::fenced`].
    #[error(
        "the leader is of epoch {leader}, epoch {newest} has begun: it is none any more; if it was made to lead with --force, move this node's journal away and begin anew"
    )]
    OldLeader {
        /// Its epoch.
        leader: u64,
        /// The newest.
        newest: u64,
    },
    /// The leader has another journal.
    #[error("the leader has journal {leader:032x}, this follower {own:032x}")]
    Instance {
        /// The leader's.
        leader: u128,
        /// The own.
        own: u128,
    },
    /// The leader goes on from where this journal does not.
    #[error(
        "the leader goes on after {common}, which is not in this journal's history up to {last}"
    )]
    Common {
        /// What the leader takes for common.
        common: SeqNo,
        /// The own last number.
        last: SeqNo,
    },
    /// Following would cut what a leader has told was confirmed by all: that leader is not one that may lead.
    #[error(
        "following would cut what lies after {common}, though everything up to {replicated} was confirmed and may have been acknowledged: this leader has lost its end; promote this node, or, if an operator accepted the loss, move its journal away and begin anew"
    )]
    WouldLose {
        /// Where it would cut.
        common: SeqNo,
        /// How far everything was confirmed.
        replicated: SeqNo,
    },
    /// A record is missing or comes twice.
    #[error("the leader sent records after {found}, {expected} was the last")]
    NotContiguous {
        /// The last that was taken.
        expected: SeqNo,
        /// What the leader takes for that.
        found: SeqNo,
    },
    /// Epochs only grow.
    #[error("the leader sent records of epoch {found} after those of {before}")]
    EpochOrder {
        /// The one before.
        before: u64,
        /// What came.
        found: u64,
    },
}

/// What a message asks of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'m> {
    /// Nothing.
    Nothing,
    /// The leader has taken this follower. If there is a cut, do it, rebuild the state, and call [`Follower::cut`] before anything else.
    Follow {
        /// The journal that is followed; a new one gets this instance.
        instance: u128,
        /// Everything after this number must be cut, in a way that keeps what is cut.
        cut_after: Option<SeqNo>,
    },
    /// The records that come belong to this epoch: they begin a segment.
    Epoch(EpochBegins),
    /// Append and apply these, in order.
    Records(Records<'m>),
    /// The leader gives over: everything up to its last record is here. Take the lease, if there is one, and lead.
    HandOver(HandOver),
    /// The leader has taken this follower, and a snapshot comes: pieces, records of the event log, and then of the journal up to it.
    /// Nothing that the follower has is touched until all of that is there and was looked at ([`crate::catchup::Incoming`]); then it
    /// begins anew with it.
    Snapshot(Box<SnapshotBegins>),
    /// A piece of it.
    Piece {
        /// Where it begins.
        offset: u64,
        /// The bytes.
        bytes: &'m [u8],
    },
}

/// A follower as it is before it has heard of any leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// The journal it has.
    pub instance: Option<u128>,
    /// The version of its engine's behaviour.
    pub behaviour_version: u32,
    /// What its journal holds.
    pub history: History,
    /// Whether its journal holds all that it ever confirmed: so unless the machine has lost power since.
    pub is_complete: bool,
    /// The lowest number that the journal can be cut after ([`crate::catchup::back_to`]).
    pub back_to: SeqNo,
    /// The last input that it knows everybody confirmed who had to, itself as a primary perhaps: what was let out at a replica level.
    pub replicated: SeqNo,
}

/// The standby's side of its link.
#[derive(Debug)]
pub struct Follower {
    name: String,
    instance: Option<u128>,
    behaviour_version: u32,
    newest_epoch: u64,
    /// What the driver was told to append is in it already.
    history: History,
    back_to: SeqNo,
    /// The epoch of the records that come next, if it has begun and none has come yet.
    beginning: Option<u64>,
    link: Option<Linked>,
    is_complete: bool,
    replicated: SeqNo,
    leader_last: SeqNo,
    in_sync: bool,
    progress: Progress,
    /// The leader has asked for a sign of life: a heartbeat is answered.
    is_asked: bool,
}

#[derive(Debug)]
struct Linked {
    /// The leader's epoch; `None` before its welcome.
    epoch: Option<u64>,
    heard: Moment,
    /// What must be cut before anything is taken.
    cut_after: Option<SeqNo>,
    /// With this record everything is there that was confirmed before the link.
    complete_at: SeqNo,
    /// A snapshot comes, and what the follower has stays as it is.
    expected: Option<Expected>,
}

impl Follower {
    /// A follower without a link.
    pub fn new(start: Start) -> Self {
        let Start { name, instance, behaviour_version, history, is_complete, back_to, replicated } =
            start;
        Self {
            name,
            instance,
            behaviour_version,
            newest_epoch: history.last_epoch().unwrap_or(0),
            history,
            back_to,
            beginning: None,
            link: None,
            is_complete,
            replicated,
            leader_last: SeqNo::ZERO,
            in_sync: false,
            progress: Progress::default(),
            is_asked: false,
        }
    }

    /// There is a new link: what to say first. What the driver was told to append must be in the journal by then.
    pub fn connected(&mut self, now: Moment) -> Control {
        let complete_at = SeqNo(u64::MAX);
        let (epoch, cut_after, expected) = (None, None, None);
        self.link = Some(Linked { epoch, heard: now, cut_after, complete_at, expected });
        self.beginning = None;
        Control::Hello(Hello {
            version: PROTOCOL_VERSION,
            name: self.name.clone(),
            instance: self.instance,
            behaviour_version: self.behaviour_version,
            newest_epoch: self.newest_epoch,
            history: self.history.clone(),
            back_to: self.back_to,
        })
    }

    /// The link is gone.
    pub fn disconnected(&mut self) {
        self.link = None;
        self.beginning = None;
    }

    /// An epoch has begun, as the lease's record tells: older leaders are none any more.
    pub fn heard_of(&mut self, epoch: u64) {
        self.newest_epoch = self.newest_epoch.max(epoch);
    }

    /// The leader has said something.
    ///
    /// # Errors
    /// [`FollowerError`] if the link must be closed.
    pub fn hear<'m>(
        &mut self,
        now: Moment,
        message: Message<'m>,
    ) -> Result<Told<'m>, FollowerError> {
        let unexpected = |what| Err(FollowerError::Unexpected { what });
        let newest = self.newest_epoch;
        let Some(link) = &mut self.link else { return unexpected("anything without a link") };
        link.heard = now;
        let Some(epoch) = link.epoch else {
            return match message {
                Message::Control(Control::Welcome(welcome)) => self.welcome(&welcome),
                Message::Control(Control::Refused(refusal)) => Err(FollowerError::Refused(refusal)),
                _ => unexpected("something before its welcome"),
            };
        };
        if epoch < newest {
            return Err(FollowerError::OldLeader { leader: epoch, newest });
        }
        if link.cut_after.is_some() {
            return unexpected("something before the cut was done");
        }
        match (message, &mut link.expected) {
            (Message::Control(Control::Heartbeat(beat)), _) => {
                if beat.epoch != epoch {
                    return unexpected("a heartbeat of another epoch");
                }
                self.replicated = self.replicated.max(beat.replicated);
                self.leader_last = beat.last;
                self.in_sync = beat.in_sync;
                self.is_asked = true;
                Ok(Told::Nothing)
            }
            (message, Some(expected)) => expected.hear(epoch, message),
            (Message::Records(records), None) => self.take(epoch, records),
            (Message::Control(Control::Epoch(begins)), None) => self.begin(epoch, begins),
            (Message::Control(Control::HandOver(given)), None) => {
                if given.epoch != epoch || given.last != self.history.last() {
                    return unexpected("a hand-over of another epoch or number");
                }
                Ok(Told::HandOver(given))
            }
            (Message::Piece { .. }, None) => unexpected("a piece of no snapshot"),
            (Message::Control(Control::Refused(refusal)), None) => {
                Err(FollowerError::Refused(refusal))
            }
            (Message::Control(_), None) => unexpected("a follower's message"),
        }
    }

    fn welcome(&mut self, welcome: &Welcome) -> Result<Told<'static>, FollowerError> {
        let Welcome { instance, epoch, common, last: leader_last, replicated, .. } = *welcome;
        if epoch < self.newest_epoch {
            return Err(FollowerError::OldLeader { leader: epoch, newest: self.newest_epoch });
        }
        if let Some(own) = self.instance.filter(|own| *own != instance) {
            return Err(FollowerError::Instance { leader: instance, own });
        }
        let last = self.history.last();
        if common > last || common > leader_last {
            return Err(FollowerError::Common { common, last });
        }
        // What it never had it cannot lose.
        if common < self.replicated.min(last) {
            return Err(FollowerError::WouldLose { common, replicated: self.replicated });
        }
        let snapshot = welcome.snapshot.as_deref();
        if snapshot.is_some_and(|begins| begins.seq <= common || begins.seq > leader_last) {
            return Err(FollowerError::Unexpected { what: "a snapshot that leads nowhere" });
        }
        let keeps = is_removed(Protection::CutTail) || snapshot.is_some();
        let cut_after = (common < last && !keeps).then_some(common);
        self.instance = Some(instance);
        self.newest_epoch = epoch;
        self.leader_last = leader_last;
        // Whether it is in sync with this leader, the leader tells.
        self.in_sync = false;
        self.replicated = self.replicated.max(replicated.min(common));
        self.progress = Progress::default();
        self.is_asked = true;
        if let Some(link) = &mut self.link {
            link.epoch = Some(epoch);
            link.cut_after = cut_after;
            link.complete_at = leader_last;
            link.expected = snapshot.cloned().map(Expected::new);
        }
        match snapshot {
            Some(begins) => Ok(Told::Snapshot(Box::new(begins.clone()))),
            None => Ok(Told::Follow { instance, cut_after }),
        }
    }

    /// What [`Told::Follow`] asked to cut is cut and kept aside, and the state is that of the last record left.
    pub fn cut(&mut self) {
        let Some(after) = self.link.as_mut().and_then(|link| link.cut_after.take()) else { return };
        self.history.cut_after(after);
        self.progress = Progress::default();
    }

    fn begin(
        &mut self,
        leader_epoch: u64,
        begins: EpochBegins,
    ) -> Result<Told<'static>, FollowerError> {
        let (expected, found) = (self.history.last(), begins.after);
        if expected != found {
            return Err(FollowerError::NotContiguous { expected, found });
        }
        // Records of epoch 0 are those of a journal that never had a standby.
        let before = self.history.last_epoch();
        if begins.epoch > leader_epoch {
            return Err(FollowerError::Unexpected { what: "an epoch newer than its own" });
        }
        if let Some(before) = before.filter(|before| begins.epoch < *before) {
            return Err(FollowerError::EpochOrder { before, found: begins.epoch });
        }
        if before == Some(begins.epoch) {
            return Ok(Told::Nothing);
        }
        self.beginning = Some(begins.epoch);
        Ok(Told::Epoch(begins))
    }

    fn take<'m>(&mut self, epoch: u64, records: Records<'m>) -> Result<Told<'m>, FollowerError> {
        if records.leader_epoch != epoch {
            return Err(FollowerError::Unexpected { what: "records of another leader" });
        }
        let (expected, found) = (self.history.last(), records.after);
        if expected != found {
            return Err(FollowerError::NotContiguous { expected, found });
        }
        if records.last > records.after {
            match self.beginning.take() {
                Some(epoch) => self.history.begin(epoch),
                None if self.history.last_epoch().is_none() => {
                    return Err(FollowerError::Unexpected { what: "records without an epoch" });
                }
                None => {}
            }
            self.history.grow(records.last);
        }
        Ok(Told::Records(records))
    }

    /// The driver is so far: what to send the leader, if that is news or it has asked.
    pub fn confirm(&mut self, progress: Progress) -> Option<Control> {
        let link = self.link.as_ref()?;
        let epoch = link.epoch.filter(|epoch| *epoch >= self.newest_epoch)?;
        // While a snapshot comes nothing is confirmed: what is on its way is in no journal yet.
        let progress = if link.expected.is_some() { Progress::default() } else { progress };
        if link.cut_after.is_some() || (progress == self.progress && !self.is_asked) {
            return None;
        }
        self.is_asked = false;
        self.is_complete |= progress.received >= link.complete_at;
        self.progress = progress;
        Some(Control::Confirm(Confirm { epoch, progress }))
    }

    /// What to tell a leader of an older epoch before the link is closed.
    pub fn fenced(&self) -> Control {
        Control::Fenced { epoch: self.newest_epoch }
    }

    /// How long the leader has said nothing; `None` without a link.
    pub fn silence(&self, now: Moment) -> Option<Duration> {
        self.link.as_ref().map(|link| now.since(link.heard))
    }

    /// A sign of life is to be sent, whether the leader has asked or not: what it said may wait to be read.
    pub fn sign(&mut self) {
        self.is_asked = true;
    }

    /// The input of the snapshot that comes, and how many bytes of how many are here.
    pub fn catching_up(&self) -> Option<(SeqNo, u64, u64)> {
        self.link.as_ref()?.expected.as_ref().map(Expected::progress)
    }

    /// The epoch of the leader that is followed.
    pub fn leader_epoch(&self) -> Option<u64> {
        self.link.as_ref().and_then(|link| link.epoch)
    }

    /// The newest epoch that it has heard of.
    pub fn newest_epoch(&self) -> u64 {
        self.newest_epoch
    }

    /// Whether the journal holds everything that this follower ever confirmed: it may take over only then.
    pub fn is_complete(&self) -> bool {
        self.is_complete || is_removed(Protection::Complete)
    }

    /// Whether the leader took it for in sync when it last said something.
    pub fn in_sync(&self) -> bool {
        self.in_sync
    }

    /// How far the leader said that everything was confirmed.
    pub fn replicated(&self) -> SeqNo {
        self.replicated
    }

    /// The leader's last record as far as is known.
    pub fn leader_last(&self) -> SeqNo {
        self.leader_last.max(self.history.last())
    }

    /// The epochs and the last number of what it was told to append.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The journal that it has.
    pub fn instance(&self) -> Option<u128> {
        self.instance
    }
}
