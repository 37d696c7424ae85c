//! What the primary knows of its followers, and how far all of those are that must be before anything leaves.
//!
//! # In sync
//!
//! The followers that must have a record before it may leave at a replica level, and who may take over, are one set. It stands in
//! the lease's record where there is a consensus store, else only here. Two rules keep who may lead complete, at every
//! moment and whatever of a change has arrived in the store:
//!
//! * Adding: once it has confirmed everything that may have left, wait for its confirmations too, then write the set.
//! * Removing: first write the set, then stop waiting.
//!
//! So the leader waits for every follower that is in the set as written, or in the one that is being written. The last one
//! is never removed, and without any nothing is replicated: it waits, and says so ([`Leader::alarm`]).

use crate::Moment;
use crate::catchup::Held;
use crate::history::History;
use crate::message::{
    Confirm, Control, HandOver, Heartbeat, Hello, Message, PROTOCOL_VERSION, Progress, Refusal,
    SnapshotBegins, Stop, Welcome,
};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_journal::protection::{Protection, is_removed};
use tidegate_model::SeqNo;

/// Followers of one primary: each costs a stream of its own and is one more to wait for.
pub const FOLLOWERS_MAX: usize = 8;

/// The names of followers.
pub type Names = BTreeSet<String>;

/// Times and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A follower that says nothing for so long is taken for gone: its link is closed.
    pub silence_max: Duration,
    /// A follower that is in sync and so far behind holds everyone up: it loses its place, unless it is the last.
    pub lag_max: Duration,
    /// A follower no farther behind than this comes into sync.
    pub join_lag: Duration,
    /// Records that may be on their way to one follower: at 200,000 a second, a third of a second.
    pub window: u64,
    /// A new follower that lacks more records than this begins with a snapshot, though the journal holds all of them: they would take
    /// it longer than a state takes to travel.
    pub far_behind: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            silence_max: Duration::from_millis(500),
            lag_max: Duration::from_secs(1),
            join_lag: Duration::from_millis(200),
            window: 65_536,
            far_behind: 4_000_000,
        }
    }
}

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The journal.
    pub instance: u128,
    /// The epoch that it leads in.
    pub epoch: u64,
    /// The version of its engine's behaviour.
    pub behaviour_version: u32,
}

/// One connection of one follower; a later one of the same follower has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Why a link must be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is a newer link of the same follower, or the link was closed.
    #[error("the link is not in use any more")]
    Old,
    /// The follower said nothing for too long.
    #[error("'{name}' said nothing for {silence:?}")]
    Silent {
        /// Whose link.
        name: String,
        /// How long.
        silence: Duration,
    },
    /// A message that a follower does not send.
    #[error("'{name}' sent what no follower sends: {what}")]
    Unexpected {
        /// Whose link.
        name: String,
        /// What it was.
        what: &'static str,
    },
    /// A confirmation of what was not sent.
    #[error("'{name}' confirmed {confirmed}, but was sent no more than {sent}")]
    NotSent {
        /// Whose link.
        name: String,
        /// What it confirmed.
        confirmed: SeqNo,
        /// What it was sent.
        sent: SeqNo,
    },
    /// A confirmation for another epoch than the leader's.
    #[error("'{name}' confirmed in epoch {found}, the leader is of epoch {epoch}")]
    Epoch {
        /// Whose link.
        name: String,
        /// Its epoch.
        found: u64,
        /// The leader's.
        epoch: u64,
    },
    /// The follower stopped.
    #[error("'{name}' stopped: {why}")]
    Stopped {
        /// Which.
        name: String,
        /// Why.
        why: Stop,
    },
}

/// What is to be done; the driver asks until there is nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a control message.
    Send {
        /// On this link.
        link: LinkId,
        /// This.
        message: Control,
    },
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        why: LinkError,
    },
    /// Have the engine record the hash of its state: a follower has caught up, and compares it with its own.
    RecordState,
    /// Write this set, and say [`Leader::in_sync_stands`] when it is. It is asked once for each set.
    WriteInSync(Names),
}

/// Why nothing that waits for followers leaves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// No follower is in sync.
    #[error("no follower is in sync")]
    NoFollower,
    /// Followers that are in sync stand still.
    #[error("waiting for {} to catch up", .names.join(", "))]
    Waiting {
        /// Which.
        names: Vec<String>,
    },
}

/// How a follower stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerStatus {
    /// Its name.
    pub name: String,
    /// Whether it is connected.
    pub is_linked: bool,
    /// Whether it must confirm before anything leaves.
    pub in_sync: bool,
    /// How far it is.
    pub progress: Progress,
    /// The input of the snapshot that it is sent.
    pub catching_up: Option<SeqNo>,
    /// Why it stopped, if it did.
    pub stopped: Option<Stop>,
}

#[derive(Debug)]
struct Peer {
    name: String,
    link: Option<Link>,
    /// As far as it has confirmed, on this link or the one before.
    progress: Progress,
    /// The leader's last record at a moment: when the follower confirms it, it is no farther behind than the time since.
    mark: Option<(SeqNo, Moment)>,
    /// How far behind it was when it passed its last mark; `None` until it has passed one on this link.
    lag: Option<Duration>,
    stopped: Option<Stop>,
}

#[derive(Debug)]
struct Link {
    id: LinkId,
    /// Where the stream began.
    common: SeqNo,
    sent: SeqNo,
    /// A snapshot is sent, and the records up to its own: nothing else goes on this link.
    until: Option<SeqNo>,
    heard: Moment,
    told: Option<Moment>,
    told_in_sync: bool,
    /// The state was recorded since it caught up.
    is_compared: bool,
}

/// The primary's side of every link.
#[derive(Debug)]
pub struct Leader {
    identity: Identity,
    limits: Limits,
    history: History,
    peers: Vec<Peer>,
    links: u64,
    /// The set as it was last written.
    written: Names,
    /// The set that is being written.
    writing: Option<Names>,
    /// Whether the driver has been told to write it.
    asked: bool,
    replicated: SeqNo,
    /// Up to where anything may have left at a level that waits for followers; never above `replicated`.
    left: SeqNo,
    /// The last record of the epochs before: any of them may have left.
    begun_after: SeqNo,
    fenced: Option<u64>,
    /// Whether an epoch that a follower brings along may end this one: only a store gives out epochs that mean something.
    heeds_hellos: bool,
    taken_by: Option<(String, u64)>,
    closing: Vec<(LinkId, LinkError)>,
}

impl Leader {
    /// A leader whose journal has `history`, with the followers of these names. `in_sync` is the set as it stands in the lease's
    /// record; empty without one.
    ///
    /// # Panics
    /// If there are more than [`FOLLOWERS_MAX`] names.
    pub fn new(
        identity: Identity,
        limits: Limits,
        history: History,
        followers: &Names,
        in_sync: Names,
    ) -> Self {
        assert!(followers.len() <= FOLLOWERS_MAX, "{} followers", followers.len());
        // Who is in the set and not in the configuration any more is waited for until another is in sync.
        let names: Names = followers.union(&in_sync).cloned().collect();
        let peer = |name| Peer {
            name,
            link: None,
            progress: Progress::default(),
            mark: None,
            lag: None,
            stopped: None,
        };
        Self {
            identity,
            limits,
            peers: names.into_iter().map(peer).collect(),
            links: 0,
            written: in_sync,
            writing: None,
            asked: false,
            replicated: SeqNo::ZERO,
            left: SeqNo::ZERO,
            begun_after: history.last(),
            history,
            fenced: None,
            heeds_hellos: true,
            taken_by: None,
            closing: Vec::new(),
        }
    }

    /// There is no consensus store: a node that led by mistake, and comes back as a follower, is refused and ends nobody.
    pub fn without_store(mut self) -> Self {
        self.heeds_hellos = false;
        self
    }

    /// Who leads.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// What its journal holds and held.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The journal has grown to `last`, in the leader's epoch.
    pub fn grown(&mut self, last: SeqNo) {
        if last <= self.history.last() {
            return;
        }
        if self.history.last_epoch() != Some(self.identity.epoch) {
            self.history.begin(self.identity.epoch);
        }
        self.history.grow(last);
    }

    /// Takes a follower that connects: a link, and the answer to send on it. What it had before is closed. `held` is what the journal
    /// has just now: of what it does not have a snapshot is sent instead.
    ///
    /// # Errors
    /// A [`Refusal`] to send instead.
    pub fn greet(
        &mut self,
        now: Moment,
        hello: &Hello,
        held: &Held,
    ) -> Result<(LinkId, Welcome), Refusal> {
        let Identity { instance, epoch, behaviour_version } = self.identity;
        if hello.version != PROTOCOL_VERSION {
            let (leader, follower) = (PROTOCOL_VERSION, hello.version);
            return Err(Refusal::Version { leader, follower });
        }
        let Some(place) = self.peers.iter().position(|peer| peer.name == hello.name) else {
            return Err(Refusal::Unknown { name: hello.name.clone() });
        };
        if let Some(follower) = hello.instance.filter(|follower| *follower != instance) {
            return Err(Refusal::Instance { leader: instance, follower });
        }
        let newest = hello.newest_epoch.max(hello.history.last_epoch().unwrap_or(0));
        if newest > epoch {
            if self.heeds_hellos {
                self.fence(newest);
            }
            return Err(Refusal::OldLeader { leader: epoch, newest });
        }
        if self.fenced.is_some() {
            return Err(Refusal::NotLeading);
        }
        if hello.behaviour_version != behaviour_version {
            let (leader, follower) = (behaviour_version, hello.behaviour_version);
            return Err(Refusal::Behaviour { leader, follower });
        }
        let common = self.history.common(&hello.history);
        if common == SeqNo::ZERO && hello.history.last() > SeqNo::ZERO {
            return Err(Refusal::Foreign);
        }
        let snapshot = self.snapshot_for(hello, common, held)?;
        self.links += 1;
        let id = LinkId(self.links);
        let peer = &mut self.peers[place];
        if let Some(before) = peer.link.take() {
            self.closing.push((before.id, LinkError::Old));
        }
        let from = snapshot.as_ref().map_or(common, |snapshot| snapshot.after);
        peer.link = Some(Link {
            id,
            common: from,
            sent: from,
            until: snapshot.as_ref().map(|snapshot| snapshot.seq),
            heard: now,
            told: None,
            told_in_sync: false,
            is_compared: false,
        });
        // It may have lost what it had in memory only, and it has not promised yet to hear no older leader.
        peer.progress = Progress::default();
        peer.mark = Some((self.history.last(), now));
        peer.lag = None;
        peer.stopped = None;
        let (last, replicated) = (self.history.last(), self.left);
        Ok((id, Welcome { instance, epoch, common, last, replicated, snapshot }))
    }

    /// The snapshot that a follower begins with, whose journal is the same up to `common`; `None` if records do.
    fn snapshot_for(
        &self,
        hello: &Hello,
        common: SeqNo,
        held: &Held,
    ) -> Result<Option<Box<SnapshotBegins>>, Refusal> {
        let (needed, last) = (common.next(), hello.history.last());
        // It has no state to go on from at the last number that both have.
        let is_stuck = common < last && common < hello.back_to;
        let snapshot = held.snapshot.as_ref().filter(|snapshot| {
            let is_ours = self.history.epoch_at(snapshot.seq) == Some(snapshot.epoch());
            snapshot.seq > common && is_ours
        });
        if needed < held.first || is_stuck {
            let snapshot = snapshot.ok_or(Refusal::NotHeld { first: held.first, needed })?;
            return Ok(Some(Box::new(snapshot.clone())));
        }
        let is_far = |snapshot: &&SnapshotBegins| {
            last == SeqNo::ZERO && snapshot.seq.0 > self.limits.far_behind
        };
        Ok(snapshot.filter(is_far).cloned().map(Box::new))
    }

    /// Somebody else leads in `epoch`, a newer one: that ends it.
    pub fn fence(&mut self, epoch: u64) {
        self.fenced = Some(self.fenced.map_or(epoch, |known| known.max(epoch)));
    }

    /// A follower has said something.
    ///
    /// # Errors
    /// [`LinkError`] if the link must be closed.
    pub fn hear(
        &mut self,
        now: Moment,
        link: LinkId,
        message: &Message<'_>,
    ) -> Result<(), LinkError> {
        let epoch = self.identity.epoch;
        let peer =
            self.peers.iter_mut().find(|peer| peer.link.as_ref().is_some_and(|l| l.id == link));
        let peer = peer.ok_or(LinkError::Old)?;
        let name = peer.name.clone();
        let state = peer.link.as_mut().ok_or(LinkError::Old)?;
        state.heard = now;
        let unexpected = |what| Err(LinkError::Unexpected { name: name.clone(), what });
        match message {
            Message::Control(Control::Confirm(Confirm { epoch: found, progress })) => {
                if *found != epoch {
                    return Err(LinkError::Epoch { name, found: *found, epoch });
                }
                let (confirmed, sent) = (progress.received, state.sent);
                if confirmed > sent || progress.applied > confirmed || progress.synced > confirmed {
                    let confirmed = confirmed.max(progress.applied).max(progress.synced);
                    return Err(LinkError::NotSent { name, confirmed, sent });
                }
                peer.progress = *progress;
                peer.pass_mark(now);
                self.advance();
                Ok(())
            }
            Message::Control(Control::Fenced { epoch: newest }) => {
                if *newest <= epoch {
                    return unexpected("a fence of an epoch that is not newer");
                }
                self.fence(*newest);
                Ok(())
            }
            Message::Control(Control::Stopped(why)) => {
                peer.stopped = Some(why.clone());
                Err(LinkError::Stopped { name, why: why.clone() })
            }
            Message::Control(Control::Taken { epoch: taken }) => {
                if *taken <= epoch {
                    return unexpected("that it leads in an epoch that is not newer");
                }
                self.taken_by = Some((name, *taken));
                self.fence(*taken);
                Ok(())
            }
            Message::Control(_) => unexpected("a leader's message"),
            Message::Records(_) => unexpected("records"),
            Message::Piece { .. } => unexpected("a piece of a snapshot"),
        }
    }

    /// A link is gone, whatever ended it.
    pub fn closed(&mut self, link: LinkId) {
        for peer in &mut self.peers {
            if peer.link.as_ref().is_some_and(|l| l.id == link) {
                peer.link = None;
                peer.lag = None;
            }
        }
    }

    /// The last number that may be sent on a link now; `None` if it is not in use any more.
    pub fn may_send(&self, link: LinkId) -> Option<SeqNo> {
        let (peer, state) = self.linked(link)?;
        if let Some(until) = state.until {
            // The transport bounds what is on its way: nothing of it is confirmed.
            return Some(until.min(self.history.last()));
        }
        let end = peer.progress.received.max(state.common).0.saturating_add(self.limits.window);
        Some(SeqNo(end.min(self.history.last().0)))
    }

    /// Records up to `last` were put on a link, in order. Say so before they are on their way: a confirmation of more than was sent
    /// closes the link.
    pub fn sent(&mut self, link: LinkId, last: SeqNo) {
        for peer in &mut self.peers {
            if let Some(state) = peer.link.as_mut().filter(|l| l.id == link) {
                state.sent = state.sent.max(last);
            }
        }
    }

    fn linked(&self, link: LinkId) -> Option<(&Peer, &Link)> {
        self.peers.iter().find_map(|peer| {
            let state = peer.link.as_ref().filter(|l| l.id == link)?;
            Some((peer, state))
        })
    }

    /// What is to be done at `now`; `None` until the next call if there is nothing (more).
    pub fn act(&mut self, now: Moment) -> Option<Action> {
        if let Some((link, why)) = self.closing.pop() {
            return Some(Action::Close { link, why });
        }
        for peer in &mut self.peers {
            peer.pass_mark(now);
            if peer.mark.is_none() && peer.link.is_some() {
                peer.mark = Some((self.history.last(), now));
            }
        }
        for place in 0..self.peers.len() {
            let in_sync = self.written.contains(&self.peers[place].name);
            let peer = &mut self.peers[place];
            let Some(link) = &mut peer.link else { continue };
            let silence = now.since(link.heard);
            if silence > self.limits.silence_max {
                let (id, name) = (link.id, peer.name.clone());
                self.closed(id);
                return Some(Action::Close { link: id, why: LinkError::Silent { name, silence } });
            }
            if peer.lag.is_some() && !link.is_compared {
                link.is_compared = true;
                return Some(Action::RecordState);
            }
            let is_due = link.told.is_none_or(|told| now.since(told) >= self.limits.heartbeat);
            if is_due || link.told_in_sync != in_sync {
                link.told = Some(now);
                link.told_in_sync = in_sync;
                let (epoch, last) = (self.identity.epoch, self.history.last());
                let heartbeat = Heartbeat { epoch, last, replicated: self.left, in_sync };
                let message = Control::Heartbeat(heartbeat);
                return Some(Action::Send { link: link.id, message });
            }
        }
        if self.writing.is_none() && self.fenced.is_none() {
            self.writing = self.wanted(now);
            self.asked = false;
        }
        if let (Some(set), false) = (&self.writing, self.asked) {
            self.asked = true;
            return Some(Action::WriteInSync(set.clone()));
        }
        None
    }

    /// Another set than the written one, if there should be.
    fn wanted(&self, now: Moment) -> Option<Names> {
        let released = self.replicated.max(self.begun_after);
        let is_near = |peer: &Peer| peer.lag.is_some_and(|lag| lag <= self.limits.join_lag);
        let joins = |peer: &&Peer| is_near(peer) && peer.progress.received >= released;
        let joining: Names =
            self.peers.iter().filter(joins).map(|peer| peer.name.clone()).collect();
        if !joining.is_subset(&self.written) {
            return Some(self.written.union(&joining).cloned().collect());
        }
        let stays = |peer: &&Peer| match &peer.link {
            None => false,
            Some(_) => peer.lag_at(now).is_none_or(|lag| lag <= self.limits.lag_max),
        };
        let staying = self.peers.iter().filter(stays).map(|peer| peer.name.clone());
        let staying: Names = staying.filter(|name| self.written.contains(name)).collect();
        // One of those that stay must be up to date, not only connected: who waits for it waits in vain else.
        let is_kept = joining.iter().any(|name| staying.contains(name));
        (staying != self.written && is_kept).then_some(staying)
    }

    /// This set is in the store, or there is none to write it to. It settles what [`Action::WriteInSync`] asked for, if it is that.
    pub fn in_sync_stands(&mut self, set: &Names) {
        if self.writing.as_ref() == Some(set) {
            self.written.clone_from(set);
            self.writing = None;
            self.advance();
        }
    }

    /// Moves on what all have that must.
    fn advance(&mut self) {
        if self.written.is_empty() || self.fenced.is_some() {
            return;
        }
        let waited_for = |peer: &&Peer| {
            let name = &peer.name;
            if is_removed(Protection::LeaveOrder) {
                return self.writing.as_ref().unwrap_or(&self.written).contains(name);
            }
            self.written.contains(name)
                || self.writing.as_ref().is_some_and(|set| set.contains(name))
        };
        let all = self.peers.iter().filter(waited_for).map(|peer| peer.progress.received).min();
        self.replicated = self.replicated.max(all.unwrap_or(SeqNo::ZERO));
    }

    /// How far everything is in the journals of all in-sync followers: only up to there may anything leave at a replica level.
    pub fn replicated(&self) -> SeqNo {
        self.replicated
    }

    /// Outputs of inputs up to `seq` may have left at a level that waits for followers: what followers hear of. Where the level waits
    /// for the disk too, that is less than [`Self::replicated`], and after a loss of power the rest may be gone.
    pub fn left(&mut self, seq: SeqNo) {
        self.left = self.left.max(seq.min(self.replicated));
    }

    /// The followers that must confirm and may take over, as it was last written.
    pub fn in_sync(&self) -> &Names {
        &self.written
    }

    /// The newer epoch that a follower has told of: this leader is none any more, and must stop.
    pub fn fenced(&self) -> Option<u64> {
        self.fenced
    }

    /// Who leads now, and in which epoch, after a hand-over.
    pub fn taken_by(&self) -> Option<(&str, u64)> {
        self.taken_by.as_ref().map(|(name, epoch)| (name.as_str(), *epoch))
    }

    /// Gives over to `name`, once no more inputs are taken and everything is confirmed by it: what to send, and on which link.
    /// `None` while that is not so.
    pub fn hand_over(&self, name: &str) -> Option<(LinkId, Control)> {
        let peer = self.peers.iter().find(|peer| peer.name == name)?;
        let link = peer.link.as_ref()?;
        let last = self.history.last();
        let is_ready =
            self.written.contains(name) && self.replicated == last && peer.progress.applied == last;
        let message = Control::HandOver(HandOver { epoch: self.identity.epoch, last });
        is_ready.then_some((link.id, message))
    }

    /// Why nothing would leave at a replica level now.
    pub fn alarm(&self, now: Moment) -> Option<Alarm> {
        if self.written.is_empty() {
            return Some(Alarm::NoFollower);
        }
        let stands = |peer: &&Peer| {
            peer.link.is_none() || peer.lag_at(now).is_some_and(|lag| lag > self.limits.lag_max)
        };
        let names = self.peers.iter().filter(stands).map(|peer| peer.name.clone());
        let names: Vec<_> = names.filter(|name| self.written.contains(name)).collect();
        (!names.is_empty()).then_some(Alarm::Waiting { names })
    }

    /// How every follower stands.
    pub fn status(&self) -> Vec<FollowerStatus> {
        let status = |peer: &Peer| FollowerStatus {
            name: peer.name.clone(),
            is_linked: peer.link.is_some(),
            in_sync: self.written.contains(&peer.name),
            progress: peer.progress,
            catching_up: peer.link.as_ref().and_then(|link| link.until),
            stopped: peer.stopped.clone(),
        };
        self.peers.iter().map(status).collect()
    }
}

impl Peer {
    /// Notes how far behind it is, if it has come to its mark.
    fn pass_mark(&mut self, now: Moment) {
        if let Some((seq, since)) = self.mark
            && self.progress.received >= seq
            && self.link.is_some()
        {
            self.lag = Some(now.since(since));
            self.mark = None;
        }
    }

    /// How far behind it is at least.
    fn lag_at(&self, now: Moment) -> Option<Duration> {
        let waits = self.mark.map(|(_, since)| now.since(since));
        waits.max(self.lag)
    }
}
