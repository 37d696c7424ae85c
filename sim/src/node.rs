//! A process: the engine, and what replication makes of it, primary or standby.

use crate::dice::Dice;
use crate::load;
use crate::machine::{INSTANCE, Machine, Rig, place};
use crate::net::{Item, Net};
use crate::store::Store;
use anyhow::{Context, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegate_engine::replay::BEHAVIOUR_VERSION;
use tidegate_journal::{JournalError, exchange};
use tidegate_model::{ReleaseLevel, SeqNo};
use tidegate_replication::catchup::{
    Incoming, IncomingError, Stream, StreamError, Watermarks, back_to, held,
};
use tidegate_replication::follower::{FollowerError, Start, Told};
use tidegate_replication::leader::{Action, Identity, Limits, LinkId, Names};
use tidegate_replication::lease::{Answer, Candidate, Demand, Standing, Timing};
use tidegate_replication::message::{Control, HEADER_LEN, Message, Progress, Refusal, header};
use tidegate_replication::tail::history;
use tidegate_replication::{Follower, Leader, Lease, Moment};

/// The lease: a world lives for about a second.
const LEASE: Duration = Duration::from_millis(60);
/// Between two tries to connect.
const CONNECT_EVERY: Duration = Duration::from_millis(3);
/// How long a hand-over may take before it is taken back.
const HAND_OVER_MAX: Duration = Duration::from_millis(80);
/// Silence after which a follower takes its leader for gone.
const SILENCE_MAX: Duration = Duration::from_millis(40);

fn limits() -> Limits {
    Limits {
        heartbeat: Duration::from_millis(5),
        silence_max: SILENCE_MAX,
        lag_max: Duration::from_millis(60),
        join_lag: Duration::from_millis(20),
        // Worlds are small.
        far_behind: 300,
        ..Limits::default()
    }
}

/// Why a process ends.
#[derive(Debug)]
pub enum NodeEnd {
    /// As it should; it may be started again.
    Over(String),
    /// Its leader never had what is behind this input: that is cut before it starts again.
    Cut(SeqNo),
    /// A snapshot of its leader is there, and takes the place of its journal before it starts again.
    CaughtUp(SeqNo),
    /// Its leader lacks what was confirmed: after an operator's force, it needs an empty disk.
    WouldLose(String),
    /// What its journal holds has changed: it cannot be followed, and gives way to one that can.
    Damaged(String),
    /// Something that must hold does not.
    Wrong(anyhow::Error),
}

impl NodeEnd {
    fn damaged(error: JournalError) -> Self {
        Self::Damaged(error.to_string())
    }
}

fn over(error: anyhow::Error) -> NodeEnd {
    let text = format!("{error:#}");
    // The state is another than the primary's, or than it was.
    if text.contains("state hash") || text.contains("event log goes to") {
        return NodeEnd::Wrong(error);
    }
    NodeEnd::Over(text)
}

enum Role {
    /// The only machine.
    Alone,
    Standby(Box<Standby>),
    Leading(Box<Leading>),
}

struct Standby {
    follower: Follower,
    /// The link and the machine at its other end.
    link: Option<(u64, usize)>,
    tried: Option<Moment>,
    /// The snapshot that comes on the link.
    incoming: Option<Incoming>,
}

struct Leading {
    leader: Leader,
    epoch: u64,
    links: BTreeMap<LinkId, LinkOut>,
    /// Snapshots that turned out to be damaged.
    bad: BTreeSet<SeqNo>,
    giving: Option<Giving>,
}

/// A hand-over on its way.
struct Giving {
    to: String,
    since: Moment,
    /// The lease was given up for the heir.
    is_given: bool,
    /// The heir was told.
    is_told: bool,
    /// It was asked back.
    is_late: bool,
}

impl Giving {
    /// The next step: what to tell the heir, or that this primary goes on. As the server's driver, `Leading::hand_over` in
    /// `replication/src/primary.rs`.
    fn step(&mut self, leader: &Leader, lease: &mut Lease, clock: Moment) -> Step {
        if clock.since(self.since) > HAND_OVER_MAX {
            let was_late = std::mem::replace(&mut self.is_late, true);
            if !self.is_given {
                return Step::GoOn;
            }
            if !was_late {
                lease.take_back();
            }
            let is_back = lease.is_held(clock) && !lease.is_taking_back();
            return if is_back { Step::GoOn } else { Step::Wait };
        }
        let Some((link, message)) = leader.hand_over(&self.to) else { return Step::Wait };
        if !self.is_given {
            self.is_given = true;
            lease.give_up(self.to.clone());
        }
        let is_over = matches!(lease.standing(), Standing::Over { .. });
        if !is_over || std::mem::replace(&mut self.is_told, true) {
            return Step::Wait;
        }
        Step::Tell(link, message)
    }
}

enum Step {
    Wait,
    Tell(LinkId, Control),
    GoOn,
}

struct LinkOut {
    to: usize,
    link: u64,
    stream: Stream,
    /// The snapshot that it begins with.
    snapshot: Option<SeqNo>,
}

/// A process.
pub struct Node {
    at: usize,
    names: Vec<String>,
    /// Its engine, journal and log.
    pub rig: Rig,
    lease: Option<Lease>,
    role: Role,
    /// Whether what a new journal needs is on its way.
    pub is_setting_up: bool,
    unpublished: bool,
}

impl Node {
    /// Starts the process of a machine on what its disk holds.
    ///
    /// # Errors
    /// What the disk or its content refuses.
    pub fn boot(
        at: usize,
        machine: &Machine,
        level: ReleaseLevel,
        now: u64,
        has_store: bool,
        names: Vec<String>,
    ) -> Result<Self> {
        let date = machine.date(now);
        // What a crash interrupted.
        exchange::finish(&machine.dir())?;
        let mut rig = Rig::boot(machine, level, date)?;
        let (lease, role) = if has_store {
            let who = Candidate {
                name: machine.name.clone(),
                address: at.to_string(),
                instance: Some(format!("{INSTANCE:032x}")),
                may_create: at == 0,
            };
            let follower = Follower::new(Start {
                name: machine.name.clone(),
                instance: Some(INSTANCE),
                behaviour_version: BEHAVIOUR_VERSION,
                history: history(machine.dir(), rig.last())?,
                is_complete: machine.is_complete,
                back_to: back_to(&machine.dir())?,
                replicated: rig.release.replicated(),
            });
            let standby = Standby { follower, link: None, tried: None, incoming: None };
            (Some(Lease::new(who, Timing::of_lease(LEASE))), Role::Standby(Box::new(standby)))
        } else {
            rig.engine.go_live(load::configure(), date)?;
            (None, Role::Alone)
        };
        Ok(Self { at, names, rig, lease, role, is_setting_up: false, unpublished: true })
    }

    /// Whether it takes inputs from clients, or would if its lease were held.
    pub fn is_leading(&self) -> bool {
        !matches!(self.role, Role::Standby(_))
    }

    /// The epoch that it leads in; 0 of a standby.
    pub fn epoch(&self) -> u64 {
        match &self.role {
            Role::Leading(leading) => leading.epoch,
            _ => 0,
        }
    }

    /// Whether it may take inputs by its own clock: it holds the lease, and has not given it up for another.
    pub fn may_take(&self, clock: u64) -> bool {
        let Role::Leading(leading) = &self.role else { return false };
        let is_given = leading.giving.as_ref().is_some_and(|giving| giving.is_given);
        !is_given && self.lease.as_ref().is_some_and(|lease| lease.is_held(Moment(clock)))
    }

    /// Whether everything that is released is in its log.
    pub fn has_published(&self) -> bool {
        !self.unpublished
    }

    /// How it stands, for people.
    pub fn standing(&self) -> String {
        let last = self.rig.last();
        let released = self.rig.release.released();
        match &self.role {
            Role::Alone => format!("is alone at {last}, released {released}"),
            Role::Leading(leading) => format!(
                "leads in epoch {} at {last}, released {released}, in sync {:?}, {:?}, {:?}",
                leading.epoch,
                leading.leader.in_sync(),
                self.lease.as_ref().map(Lease::standing),
                leading.leader.status()
            ),
            Role::Standby(standby) => format!(
                "follows at {last}, link {:?}, complete {}, {:?}, record {:?}",
                standby.link,
                standby.follower.is_complete(),
                self.lease.as_ref().map(Lease::standing),
                self.lease.as_ref().and_then(Lease::record)
            ),
        }
    }

    /// An operator lets it give over to one of those who may; to whom. `None` if it does not lead, or nobody may.
    pub fn give_over(&mut self, clock: u64, dice: &mut Dice) -> Option<String> {
        let Role::Leading(leading) = &mut self.role else { return None };
        let status = leading.leader.status();
        let able: Vec<_> = status.iter().filter(|peer| peer.is_linked && peer.in_sync).collect();
        if able.is_empty() || leading.giving.is_some() {
            return None;
        }
        let to = able[dice.below(able.len() as u64) as usize].name.clone();
        let (is_given, is_told, is_late) = (false, false, false);
        let since = Moment(clock);
        leading.giving = Some(Giving { to: to.clone(), since, is_given, is_told, is_late });
        Some(to)
    }

    /// An operator makes it take over, whatever may be missing.
    pub fn force(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.demand(Demand::Force);
        }
    }

    /// The newest epoch in its journal.
    pub fn last_epoch(&self) -> u64 {
        match &self.role {
            Role::Standby(standby) => standby.follower.history().last_epoch().unwrap_or(0),
            _ => self.epoch(),
        }
    }

    /// The store's answer.
    pub fn answer(&mut self, clock: u64, number: u64, answer: Answer) {
        if let Some(lease) = &mut self.lease {
            lease.answer(Moment(clock), number, answer);
        }
    }

    /// What it does when it gets the processor. Returns how many events left.
    ///
    /// # Errors
    /// Why it ends.
    pub fn step(
        &mut self,
        machine: &mut Machine,
        now: u64,
        dice: &mut Dice,
        net: &mut Net,
        store: &mut Store,
    ) -> Result<usize, NodeEnd> {
        let clock = Moment(machine.clock(now));
        self.keep_lease(machine, clock, now, store, net).map_err(over)?;
        match &mut self.role {
            Role::Alone => {
                self.rig.turn(machine.date(now)).map_err(over)?;
            }
            Role::Standby(_) => self.follow(machine, clock, net),
            Role::Leading(_) => self.lead(machine, clock, now, net)?,
        }
        if dice.one_in(3) {
            self.rig.sync().map_err(over)?;
        }
        if dice.one_in(30) {
            self.rig.sync_log().map_err(over)?;
        }
        let moved = self.rig.publish().map_err(over)?;
        self.unpublished = moved > 0;
        Ok(moved)
    }

    /// Lets out everything that may leave.
    ///
    /// # Errors
    /// Why it ends.
    pub fn publish_all(&mut self) -> Result<(), NodeEnd> {
        while self.rig.publish().map_err(over)? > 0 {}
        Ok(())
    }

    fn keep_lease(
        &mut self,
        machine: &mut Machine,
        clock: Moment,
        now: u64,
        store: &mut Store,
        net: &mut Net,
    ) -> Result<()> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        if let Role::Standby(standby) = &self.role {
            let follower = &standby.follower;
            machine.is_complete = follower.is_complete();
            lease.journal(follower.is_complete(), follower.newest_epoch());
        }
        if let Some(ask) = lease.ask(clock) {
            store.ask(self.at, now, ask);
        }
        match (lease.standing(), &mut self.role) {
            // Given up for the heir, and not taken by anybody yet: all in sync have everything.
            (Standing::Over { epoch }, Role::Leading(leading))
                if leading.giving.is_some()
                    && lease.record().is_some_and(|record| record.is_given_up(epoch)) =>
            {
                Ok(())
            }
            (Standing::Over { epoch }, _) => Err(anyhow!("its lease of epoch {epoch} is over")),
            (Standing::Holder { epoch, .. }, Role::Standby(standby)) if lease.is_held(clock) => {
                let in_sync = lease.record().map(|record| record.in_sync.clone());
                let date = machine.date(now);
                let identity =
                    Identity { instance: INSTANCE, epoch, behaviour_version: BEHAVIOUR_VERSION };
                let history = standby.follower.history().clone();
                let followers: Names =
                    self.names.iter().filter(|name| **name != machine.name).cloned().collect();
                self.rig.engine.lead(epoch, load::configure(), date)?;
                let mut leader = Leader::new(
                    identity,
                    limits(),
                    history,
                    &followers,
                    in_sync.unwrap_or_default(),
                );
                leader.grown(self.rig.last());
                // If the one before gave over, it hears that it was taken.
                if let Some((link, to)) = standby.link {
                    send(net, self.at, to, link, &Control::Taken { epoch });
                }
                let (links, bad, giving) = (BTreeMap::new(), BTreeSet::new(), None);
                let leading = Leading { leader, epoch, links, bad, giving };
                self.role = Role::Leading(Box::new(leading));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, machine: &Machine, clock: Moment, net: &mut Net) {
        let Role::Standby(standby) = &mut self.role else { return };
        if standby.follower.silence(clock).is_some_and(|silence| silence > SILENCE_MAX) {
            standby.follower.disconnected();
            (standby.link, standby.incoming) = (None, None);
        }
        let record = self.lease.as_ref().and_then(Lease::record);
        if let Some(record) = record {
            standby.follower.heard_of(record.epoch);
        }
        let holder = record.and_then(|record| record.holder.clone());
        let is_due = standby.tried.is_none_or(|tried| clock.since(tried) >= CONNECT_EVERY);
        if standby.link.is_none()
            && is_due
            && let Some(holder) = holder.filter(|holder| *holder != machine.name)
            && let Some(to) = self.names.iter().position(|name| *name == holder)
        {
            let link = net.link();
            standby.tried = Some(clock);
            standby.link = Some((link, to));
            let hello = standby.follower.connected(clock);
            send(net, self.at, to, link, &hello);
        }
        let last = self.rig.last();
        let progress =
            Progress { received: last, applied: last, synced: self.rig.release.synced().min(last) };
        if let Some((link, to)) = standby.link
            && let Some(confirm) = standby.follower.confirm(progress)
        {
            send(net, self.at, to, link, &confirm);
        }
        self.rig.release.set_replicated(standby.follower.replicated().min(last));
    }

    fn lead(
        &mut self,
        machine: &Machine,
        clock: Moment,
        now: u64,
        net: &mut Net,
    ) -> Result<(), NodeEnd> {
        let Role::Leading(leading) = &mut self.role else { return Ok(()) };
        let Some(lease) = &mut self.lease else { return Ok(()) };
        if lease.is_held(clock) && leading.giving.is_none() {
            self.rig.turn(machine.date(now)).map_err(over)?;
        }
        let Leading { leader, links, bad, giving, .. } = leading.as_mut();
        leader.grown(self.rig.last());
        let mut failed = Vec::new();
        for (id, out) in links.iter_mut() {
            let Some(up_to) = leader.may_send(*id) else {
                failed.push(*id);
                continue;
            };
            let mut bytes = Vec::new();
            match out.stream.fill(up_to, &mut bytes) {
                Ok(()) => {}
                Err(StreamError::Journal(error) | StreamError::Events(error)) => {
                    return Err(NodeEnd::damaged(error));
                }
                Err(error) => {
                    if matches!(error, StreamError::Snapshot(_)) {
                        bad.extend(out.snapshot);
                    }
                    net.send(self.at, out.to, Item::Closed { link: out.link });
                    leader.closed(*id);
                    failed.push(*id);
                    continue;
                }
            }
            leader.sent(*id, out.stream.last());
            if !bytes.is_empty() {
                net.send(self.at, out.to, Item::Bytes { link: out.link, bytes });
            }
        }
        for id in failed {
            links.remove(&id);
        }
        while let Some(action) = leader.act(clock) {
            match action {
                Action::Send { link, message } => {
                    if let Some(out) = links.get(&link) {
                        send(net, self.at, out.to, out.link, &message);
                    }
                }
                Action::Close { link, .. } => {
                    if let Some(out) = links.remove(&link) {
                        net.send(self.at, out.to, Item::Closed { link: out.link });
                    }
                }
                Action::RecordState => self.rig.engine.status().ask_for_checkpoint(),
                Action::WriteInSync(set) => lease.write_in_sync(set),
            }
        }
        if let Some(set) = lease.in_sync() {
            leader.in_sync_stands(set);
        }
        match giving.as_mut().map_or(Step::Wait, |giving| giving.step(leader, lease, clock)) {
            Step::Wait => {}
            Step::GoOn => *giving = None,
            Step::Tell(id, message) => {
                if let Some(out) = links.get(&id) {
                    send(net, self.at, out.to, out.link, &message);
                }
            }
        }
        if let Some((name, epoch)) = leader.taken_by() {
            return Err(NodeEnd::Over(format!("'{name}' took over, in epoch {epoch}")));
        }
        let release = &self.rig.release;
        release.set_replicated(leader.replicated());
        leader.left(release.reached(release.level().union(ReleaseLevel::Replica)));
        if let Some(epoch) = leader.fenced() {
            return Err(NodeEnd::Over(format!("epoch {epoch} has begun")));
        }
        Ok(())
    }

    /// Something has arrived.
    ///
    /// # Errors
    /// Why it ends.
    pub fn hear(
        &mut self,
        machine: &mut Machine,
        now: u64,
        from: usize,
        item: &Item,
        net: &mut Net,
    ) -> Result<(), NodeEnd> {
        let clock = Moment(machine.clock(now));
        let (link, mut bytes) = match item {
            Item::Closed { link } => {
                self.closed(from, *link);
                return Ok(());
            }
            Item::Bytes { link, bytes } => (*link, bytes.as_slice()),
        };
        while let Some(head) = bytes.first_chunk::<HEADER_LEN>() {
            let (shape, len) = header(*head).context("a header").map_err(NodeEnd::Wrong)?;
            let body = &bytes[HEADER_LEN..][..len];
            let message = Message::decode(shape, body).context("a body").map_err(NodeEnd::Wrong)?;
            bytes = &bytes[HEADER_LEN + len..];
            let goes_on = if self.is_leading() {
                self.hear_follower(machine, clock, from, link, &message, net)?
            } else {
                self.hear_leader(machine, clock, from, link, message, net)?
            };
            if !goes_on {
                net.send(self.at, from, Item::Closed { link });
                self.closed(from, link);
                break;
            }
        }
        Ok(())
    }

    fn closed(&mut self, from: usize, link: u64) {
        match &mut self.role {
            Role::Alone => {}
            Role::Standby(standby) => {
                if standby.link == Some((link, from)) {
                    standby.follower.disconnected();
                    (standby.link, standby.incoming) = (None, None);
                }
            }
            Role::Leading(leading) => {
                let found =
                    leading.links.iter().find(|(_, out)| (out.to, out.link) == (from, link));
                if let Some(id) = found.map(|(id, _)| *id) {
                    leading.links.remove(&id);
                    leading.leader.closed(id);
                }
            }
        }
    }

    fn hear_follower(
        &mut self,
        machine: &Machine,
        clock: Moment,
        from: usize,
        link: u64,
        message: &Message<'_>,
        net: &mut Net,
    ) -> Result<bool, NodeEnd> {
        let Role::Leading(leading) = &mut self.role else { return Ok(false) };
        let Leading { leader, links, bad, .. } = leading.as_mut();
        let known = links.iter().find(|(_, out)| (out.to, out.link) == (from, link));
        if let Some(id) = known.map(|(id, _)| *id) {
            return Ok(leader.hear(clock, id, message).is_ok());
        }
        let Message::Control(Control::Hello(hello)) = message else { return Ok(false) };
        let watermarks =
            Watermarks { journal: self.rig.engine.watermark(), events: self.rig.log.watermark() };
        let dir = machine.dir();
        leader.grown(self.rig.last());
        let held = held(&dir, leader.history(), watermarks.events.seq().0, bad);
        let held = held.context("what the journal holds").map_err(over)?;
        match leader.greet(clock, hello, &held) {
            Ok((id, welcome)) => {
                let snapshot = welcome.snapshot.as_ref().map(|snapshot| snapshot.seq);
                match Stream::open(&dir, watermarks, &welcome) {
                    Ok(stream) => {
                        links.insert(id, LinkOut { to: from, link, stream, snapshot });
                        send(net, self.at, from, link, &Control::Welcome(welcome));
                        Ok(true)
                    }
                    Err(StreamError::Journal(error)) => Err(NodeEnd::damaged(error)),
                    Err(_) => {
                        leader.closed(id);
                        Ok(false)
                    }
                }
            }
            Err(refusal) => {
                send(net, self.at, from, link, &Control::Refused(refusal));
                Ok(true)
            }
        }
    }

    fn caught_up(standby: &mut Standby) -> Result<bool, NodeEnd> {
        match standby.incoming.take().map(Incoming::finish) {
            Some(Ok(header)) => Err(NodeEnd::CaughtUp(header.seq)),
            Some(Err(error)) => incoming_failed(error),
            None => Ok(true),
        }
    }

    fn hear_leader(
        &mut self,
        machine: &Machine,
        clock: Moment,
        from: usize,
        link: u64,
        message: Message<'_>,
        net: &mut Net,
    ) -> Result<bool, NodeEnd> {
        let Role::Standby(standby) = &mut self.role else { return Ok(false) };
        if standby.link != Some((link, from)) {
            if matches!(message, Message::Control(Control::Hello(_))) {
                send(net, self.at, from, link, &Control::Refused(Refusal::NotLeading));
            }
            return Ok(false);
        }
        let told = standby.follower.hear(clock, message);
        if let (Ok(told), Some(incoming)) = (&told, &mut standby.incoming) {
            let taken = match told {
                Told::Piece { bytes, .. } => incoming.piece(bytes).map(|()| false),
                Told::Epoch(begins) => incoming.epoch(*begins).map(|()| false),
                Told::Records(records) => incoming.records(records),
                _ => Ok(false),
            };
            return match taken {
                Ok(false) => Ok(true),
                Ok(true) => Self::caught_up(standby),
                Err(error) => incoming_failed(error),
            };
        }
        match told {
            Ok(Told::Follow { cut_after: Some(after), .. }) => Err(NodeEnd::Cut(after)),
            Ok(Told::Snapshot(begins)) => match Incoming::begin(&place(machine), &begins) {
                Ok(incoming) => {
                    standby.incoming = Some(incoming);
                    Ok(true)
                }
                Err(error) => incoming_failed(error),
            },
            Ok(Told::Epoch(begins)) => {
                let began = self.rig.engine.begin_epoch(begins.epoch, begins.behaviour_version);
                began.map_err(|error| over(error.into())).map(|()| true)
            }
            Ok(Told::HandOver(_)) => {
                if let Some(lease) = &mut self.lease {
                    lease.look();
                }
                Ok(true)
            }
            Ok(Told::Records(records)) => {
                for record in records.iter() {
                    let taken = self.rig.engine.take(record.kind, record.seq, record.payload);
                    taken.map_err(|error| over(error.into()))?;
                }
                Ok(true)
            }
            Ok(_) => Ok(true),
            Err(FollowerError::OldLeader { .. }) => {
                let fenced = standby.follower.fenced();
                send(net, self.at, from, link, &fenced);
                Ok(false)
            }
            Err(error @ FollowerError::WouldLose { .. }) => {
                Err(NodeEnd::WouldLose(error.to_string()))
            }
            Err(_) => Ok(false),
        }
    }
}

/// What arrived cannot be used: of a disk that fails, or its leader's.
fn incoming_failed(error: IncomingError) -> Result<bool, NodeEnd> {
    match &error {
        IncomingError::Unfit { .. } => Ok(false),
        _ => Err(over(error.into())),
    }
}

fn send(net: &mut Net, from: usize, to: usize, link: u64, message: &Control) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    net.send(from, to, Item::Bytes { link, bytes });
}
