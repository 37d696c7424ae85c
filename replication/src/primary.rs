//! A node that leads: a thread for each follower reads the journal behind the engine, and what followers confirm moves the
//! release on.

use crate::Moment;
use crate::catchup::{Held, Stream, StreamError, Watermarks, held};
use crate::history::History;
use crate::leader::{Action, Identity, Leader, Limits, LinkId, Names};
use crate::lease::{Lease, Standing};
use crate::message::{Control, Hello, Message, Refusal, Stands, Welcome};
use crate::node::Shared;
use crate::quic::{self, Incoming, Link, QuicError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_engine::runtime::{Drain, EngineStatus};
use tidegate_engine::snapshot::KEPT as SNAPSHOTS_KEPT;
use tidegate_journal::{Dir, JournalError, Release, Watermark};
use tidegate_model::{ReleaseLevel, SeqNo};
use tokio::sync::mpsc;

/// Batches between the thread that reads the journal and the link: one that is sent and one that is ready.
const BATCHES_MAX: usize = 2;
/// How long a thread that reads the journal sleeps when it has caught up.
const PARK: Duration = Duration::from_micros(50);

/// What a node leads with.
#[derive(Debug)]
pub struct Lead {
    /// The journal's directory.
    pub dir: Dir,
    /// How far its writer has come.
    pub watermark: Arc<Watermark>,
    /// How far that of its event log has come.
    pub events: Arc<Watermark>,
    /// What leaves when.
    pub release: Arc<Release>,
    /// Set when no inputs are to be taken any more.
    pub drain: Arc<Drain>,
    /// Where its engine is asked to record its state.
    pub status: Arc<EngineStatus>,
    /// Who leads.
    pub identity: Identity,
    /// What the journal holds.
    pub history: History,
    /// The followers that must confirm, as the lease's record has them; empty without one.
    pub in_sync: Names,
}

/// A node's state while it leads.
#[derive(Debug)]
pub(crate) struct Leading {
    leader: Leader,
    links: BTreeMap<LinkId, LinkOut>,
    dir: Dir,
    watermark: Arc<Watermark>,
    events: Arc<Watermark>,
    /// Snapshots that turned out to be damaged.
    bad: BTreeSet<SeqNo>,
    release: Arc<Release>,
    drain: Arc<Drain>,
    status: Arc<EngineStatus>,
    giving: Option<Giving>,
    /// Whether a store says who leads.
    has_store: bool,
    alarm: Option<String>,
}

/// A hand-over on its way.
#[derive(Debug)]
struct Giving {
    to: String,
    since: Moment,
    /// The lease was given up for the heir.
    is_given: bool,
    /// The heir was told to lead.
    is_told: bool,
    /// It takes longer than a hand-over may.
    is_late: bool,
}

/// How a hand-over stands, for the operator who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// On its way.
    Not,
    /// The heir leads.
    Taken,
    /// This primary goes on.
    Kept,
    /// The heir was told and has not said that it leads, and no store says who does.
    Unknown,
}

#[derive(Debug)]
struct LinkOut {
    out: mpsc::Sender<Vec<u8>>,
    connection: quinn::Connection,
    is_over: Arc<AtomicBool>,
}

impl Leading {
    pub(crate) fn new(lead: Lead, limits: Limits, followers: &Names, has_store: bool) -> Self {
        let Lead { dir, watermark, events, release, drain, status, identity, history, in_sync } =
            lead;
        let leader = Leader::new(identity, limits, history, followers, in_sync);
        let leader = if has_store { leader } else { leader.without_store() };
        let (links, giving, alarm, bad) = (BTreeMap::new(), None, None, BTreeSet::new());
        Self {
            leader,
            links,
            dir,
            watermark,
            events,
            bad,
            release,
            drain,
            status,
            giving,
            has_store,
            alarm,
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.now();
        self.leader.grown(self.watermark.seq());
        if let Some(lease) = &shared.lease
            && let Some(set) = lease.locked().in_sync()
        {
            self.leader.in_sync_stands(set);
        }
        while let Some(action) = self.leader.act(now) {
            match action {
                Action::Send { link, message } => {
                    // A link that is full of records has something to hear.
                    if let Some(link) = self.links.get(&link) {
                        let _ = link.out.try_send(message.to_bytes());
                    }
                }
                Action::Close { link, why } => self.close(link, &why.to_string()),
                Action::RecordState => self.status.ask_for_checkpoint(),
                Action::WriteInSync(set) => match &shared.lease {
                    Some(lease) => lease.change(|lease| lease.write_in_sync(set)),
                    None => self.leader.in_sync_stands(&set),
                },
            }
        }
        self.publish(shared, now);
        self.hand_over(shared, now);
        let alarm = self.alarm(now);
        if alarm != self.alarm {
            match &alarm {
                Some(alarm) => tracing::error!("{alarm}"),
                None => tracing::warn!("the alarm is over: followers are in sync"),
            }
            self.alarm = alarm;
        }
    }

    /// Lets leave what may, or nothing any more.
    fn publish(&mut self, shared: &Shared, now: Moment) {
        if self.release.is_stopped() {
            return;
        }
        let over = match (self.leader.taken_by(), self.leader.fenced()) {
            (Some((name, epoch)), _) => Some(format!("'{name}' was given over to and leads in epoch {epoch}")),
            (None, Some(newest)) => Some(format!(
                "this primary of epoch {} is none any more: epoch {newest} has begun; start it again as a standby",
                self.leader.identity().epoch
            )),
            (None, None) => shared.lease.as_ref().and_then(|lease| {
                let lease = lease.locked();
                match lease.standing() {
                    _ if lease.is_held(now) => None,
                    // Given up for the one that is given over to, and not taken by anybody yet: all in sync have everything.
                    Standing::Over { epoch } if self.giving.is_some() && lease.record().is_some_and(|r| r.is_given_up(epoch)) => None,
                    Standing::Over { .. } => Some("the lease is held by another: start this one again as a standby".to_string()),
                    _ => Some("the lease could not be renewed in time: another may lead by now; start this one again as a standby".to_string()),
                }
            }),
        };
        match over {
            Some(why) => {
                self.drain.ask(true);
                self.release.stop(why.clone());
                let links: Vec<_> = self.links.keys().copied().collect();
                links.into_iter().for_each(|link| self.close(link, &why));
            }
            None => {
                self.release.set_replicated(self.leader.replicated());
                let level = self.release.level().union(ReleaseLevel::Replica);
                self.leader.left(self.release.reached(level));
            }
        }
    }

    fn close(&mut self, link: LinkId, why: &str) {
        self.leader.closed(link);
        if let Some(link) = self.links.remove(&link) {
            link.is_over.store(true, Ordering::Release);
            quic::close(&link.connection, why);
        }
    }

    /// Takes the next step of a hand-over, if one is on its way. One that takes too long is taken back, unless the heir may lead by now.
    fn hand_over(&mut self, shared: &Shared, now: Moment) {
        let Some(giving) = &mut self.giving else { return };
        let lease = shared.lease.as_ref();
        if now.since(giving.since) > shared.hand_over_max {
            let was_late = std::mem::replace(&mut giving.is_late, true);
            let may_go_on = match lease {
                Some(lease) if giving.is_given => {
                    if !was_late {
                        lease.change(Lease::take_back);
                    }
                    let lease = lease.locked();
                    lease.is_held(now) && !lease.is_taking_back()
                }
                _ => !giving.is_told,
            };
            if may_go_on {
                self.keep();
            }
            return;
        }
        if !self.drain.is_done() {
            return;
        }
        // Nothing comes after this number any more.
        self.leader.grown(self.watermark.seq());
        let Some((link, message)) = self.leader.hand_over(&giving.to) else { return };
        if let Some(lease) = lease {
            if !giving.is_given {
                giving.is_given = true;
                let to = giving.to.clone();
                tracing::warn!("gives the lease up for '{to}'");
                lease.change(|lease| lease.give_up(to));
            }
            if !matches!(lease.locked().standing(), Standing::Over { .. }) {
                return;
            }
        }
        if !giving.is_told
            && let Some(link) = self.links.get(&link)
        {
            giving.is_told = link.out.try_send(message.to_bytes()).is_ok();
        }
    }

    /// Whether a node does not follow it.
    pub(crate) fn misses_one(&self) -> bool {
        self.leader.status().iter().any(|follower| !follower.is_linked)
    }

    /// Another node says that it leads.
    pub(crate) fn heard_of(&mut self, name: &str, stands: &Stands) {
        let Identity { epoch: own, instance, .. } = self.leader.identity();
        let Some(epoch) = stands.leads else { return };
        if stands.instance != Some(instance) {
            tracing::error!("'{name}' leads as well, with another journal: stop one of the two");
        } else if epoch > own {
            self.leader.fence(epoch);
        } else {
            tracing::error!(
                "'{name}' leads as well, in epoch {epoch}; this primary is of epoch {own}: stop that one"
            );
        }
    }

    /// Begins to give over.
    pub(crate) fn give_to(&mut self, to: Option<String>, now: Moment) -> Result<String, String> {
        if let Some(giving) = &self.giving {
            return Ok(giving.to.clone());
        }
        let can = |name: &String| {
            self.leader.status().iter().any(|s| s.name == *name && s.is_linked && s.in_sync)
        };
        let to = match to {
            Some(name) if can(&name) => name,
            Some(name) => return Err(format!("'{name}' is not connected and in sync")),
            None => {
                let found = self.leader.in_sync().iter().find(|name| can(name)).cloned();
                found.ok_or(
                    "no follower is connected and in sync: there is nobody to give over to",
                )?
            }
        };
        self.drain.ask(true);
        let (is_given, is_told, is_late) = (false, false, false);
        self.giving = Some(Giving { to: to.clone(), since: now, is_given, is_told, is_late });
        Ok(to)
    }

    /// Goes on as primary instead of giving over.
    pub(crate) fn keep(&mut self) {
        if let Some(giving) = self.giving.take() {
            tracing::warn!("'{}' has not taken over: this primary goes on", giving.to);
            self.drain.ask(false);
        }
    }

    /// How a hand-over stands that was begun.
    pub(crate) fn given(&self) -> Given {
        match &self.giving {
            _ if self.leader.taken_by().is_some() => Given::Taken,
            None => Given::Kept,
            Some(giving) if giving.is_late && !self.has_store => Given::Unknown,
            Some(_) => Given::Not,
        }
    }

    /// The heir that was told to lead and has not said that it does, where nobody else says who leads.
    pub(crate) fn heir(&self) -> Option<&str> {
        let is_open =
            |giving: &&Giving| giving.is_told && giving.is_late && self.leader.taken_by().is_none();
        let giving = self.giving.as_ref().filter(is_open);
        giving.filter(|_| !self.has_store).map(|giving| giving.to.as_str())
    }

    /// How it stands, for another node.
    pub(crate) fn stands(&mut self) -> Stands {
        self.leader.grown(self.watermark.seq());
        let Identity { epoch, instance, .. } = self.leader.identity();
        let leads = !self.release.is_stopped() && !self.giving.as_ref().is_some_and(|g| g.is_told);
        Stands {
            is_asked: false,
            leads: leads.then_some(epoch),
            instance: Some(instance),
            epoch: self.leader.history().last_epoch(),
            last: self.leader.history().last(),
        }
    }

    /// What an operator must hear of.
    fn alarm(&self, now: Moment) -> Option<String> {
        let heir = self.heir().map(|heir| {
            format!(
                "'{heir}' was told to lead and has not said that it does: nothing is taken here; if it does not lead, tidegate promote takes back"
            )
        });
        let alarm = || {
            let alarm = self.leader.alarm(now)?;
            let level = self.release.level();
            Some(match level.is_replicated() {
                true => format!("{alarm}: nothing leaves at the level '{level}' until it is so"),
                false => format!(
                    "{alarm}: outputs leave at the level '{level}', and nobody else may have what they tell"
                ),
            })
        };
        heir.or_else(alarm)
    }

    /// To whom a hand-over went that has come to its end.
    pub(crate) fn given_to(&self) -> Option<String> {
        self.leader.taken_by().map(|(name, _)| name.to_string())
    }

    /// Lines for people.
    pub(crate) fn status(&self, now: Moment) -> String {
        let Identity { epoch, .. } = self.leader.identity();
        let (last, replicated) = (self.watermark.seq(), self.leader.replicated());
        let mut text =
            format!("primary of epoch {epoch}, at input {last}, replicated up to {replicated}\n");
        for follower in self.leader.status() {
            let link = match (&follower.stopped, follower.is_linked) {
                (Some(why), _) => format!("stopped: {why}"),
                (None, true) => "connected".into(),
                (None, false) => "not connected".into(),
            };
            let sync = match follower.catching_up {
                Some(seq) => format!("not in sync, is sent the snapshot of input {seq}"),
                None if follower.in_sync => "in sync".into(),
                None => "not in sync".into(),
            };
            let progress = follower.progress;
            text += &format!(
                "follower {}: {link}, {sync}, received {}, applied {}, synced {}\n",
                follower.name, progress.received, progress.applied, progress.synced
            );
        }
        if let Some(alarm) = self.alarm(now) {
            text += &format!("ALARM: {alarm}\n");
        }
        text
    }
}

/// Serves a follower until its link ends.
pub(crate) async fn serve(shared: &Arc<Shared>, link: Link, hello: Hello) -> Result<(), QuicError> {
    let Link { name, connection, mut out, mut incoming } = link;
    let greeted = if hello.name == name {
        let held = what_is_held(shared).await;
        held.and_then(|held| greet(shared, &connection, &hello, &held))
    } else {
        Err(Refusal::Unknown { name: name.clone() })
    };
    let greeted = match greeted {
        Ok(greeted) => greeted,
        Err(refusal) => {
            let text = format!("follower '{name}' is refused: {refusal}");
            if shared.told().is_news(&name, &text) {
                tracing::warn!("{text}");
            }
            out.send(&Control::Refused(refusal).to_bytes()).await?;
            out.finish().await;
            return Ok(());
        }
    };
    let Greeted { id, mut batches, is_over } = greeted;
    shared.told().is_well(&name);
    // A new standby asks first which journal it is to begin, on a link of its own.
    let follows = hello.instance.is_some();
    if follows {
        tracing::info!("follower '{name}' follows");
    }
    let mut writing = tokio::spawn(async move {
        while let Some(batch) = batches.recv().await {
            out.send(&batch).await?;
        }
        Ok::<(), QuicError>(())
    });
    let ended = tokio::select! {
        ended = hear(shared, id, &mut incoming) => ended,
        written = &mut writing => written.unwrap_or(Ok(())),
    };
    writing.abort();
    is_over.store(true, Ordering::Release);
    let why = ended.as_ref().err().map(ToString::to_string).unwrap_or_default();
    if follows {
        tracing::warn!("follower '{name}' is gone: {why}");
    }
    if let Some(leading) = &mut *shared.leading() {
        leading.close(id, &why);
    }
    ended
}

struct Greeted {
    id: LinkId,
    batches: mpsc::Receiver<Vec<u8>>,
    is_over: Arc<AtomicBool>,
}

/// What the journal has just now. Files are looked at, on a thread that may wait for a disk, and without holding up who leads.
async fn what_is_held(shared: &Arc<Shared>) -> Result<Held, Refusal> {
    let look = {
        let mut leading = shared.leading();
        let leading = leading.as_mut().ok_or(Refusal::NotLeading)?;
        leading.leader.grown(leading.watermark.seq());
        let (dir, history) = (leading.dir.clone(), leading.leader.history().clone());
        let (events, bad) = (leading.events.seq().0, leading.bad.clone());
        move || held(&dir, &history, events, &bad)
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(held)) => Ok(held),
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
                Ok(Ok(_)) => String::new(),
            };
            tracing::error!("no follower can be taken: {why}");
            Err(Refusal::NotLeading)
        }
    }
}

fn greet(
    shared: &Arc<Shared>,
    connection: &quinn::Connection,
    hello: &Hello,
    held: &Held,
) -> Result<Greeted, Refusal> {
    let mut leading = shared.leading();
    let leading = leading.as_mut().ok_or(Refusal::NotLeading)?;
    leading.leader.grown(leading.watermark.seq());
    let (id, welcome) = leading.leader.greet(shared.now(), hello, held)?;
    let (out, batches) = mpsc::channel(BATCHES_MAX);
    let is_over = Arc::<AtomicBool>::default();
    let _ = out.try_send(Control::Welcome(welcome.clone()).to_bytes());
    let reading = Reading {
        shared: Arc::clone(shared),
        id,
        out: out.clone(),
        is_over: Arc::clone(&is_over),
        dir: leading.dir.clone(),
        watermarks: Watermarks {
            journal: Arc::clone(&leading.watermark),
            events: Arc::clone(&leading.events),
        },
        welcome,
    };
    let name = format!("replica-{}", hello.name);
    let thread = std::thread::Builder::new().name(name.chars().take(15).collect());
    if let Err(error) = thread.spawn(move || reading.run()) {
        tracing::error!("no thread for follower '{}': {error}", hello.name);
        leading.leader.closed(id);
        return Err(Refusal::NotLeading);
    }
    let link = LinkOut { out, connection: connection.clone(), is_over: Arc::clone(&is_over) };
    leading.links.insert(id, link);
    Ok(Greeted { id, batches, is_over })
}

async fn hear(shared: &Arc<Shared>, id: LinkId, incoming: &mut Incoming) -> Result<(), QuicError> {
    loop {
        let (shape, body) = incoming.next().await?;
        let message = Message::decode(shape, body)?;
        let mut leading = shared.leading();
        let Some(leading) = leading.as_mut() else { return Ok(()) };
        let now = shared.now();
        let heard = leading.leader.hear(now, id, &message);
        leading.publish(shared, now);
        if let Err(error) = heard {
            tracing::warn!("{error}");
            return Ok(());
        }
    }
}

impl Leading {
    /// The journal has changed under its writer. Nobody can follow it any more, so that nothing would leave: it ends, if there is
    /// one who has everything that left and can take over.
    fn give_way(&self, error: &JournalError) {
        let is_damage = matches!(
            error,
            JournalError::Damaged { .. }
                | JournalError::BadHeader { .. }
                | JournalError::Truncated { .. }
                | JournalError::MissingSegment { .. }
        );
        if is_damage && !self.leader.in_sync().is_empty() {
            self.release.stop(format!("its followers cannot read its journal: {error}"));
        }
    }
}

/// A thread that reads the journal for one follower.
struct Reading {
    shared: Arc<Shared>,
    id: LinkId,
    out: mpsc::Sender<Vec<u8>>,
    is_over: Arc<AtomicBool>,
    dir: Dir,
    watermarks: Watermarks,
    welcome: Welcome,
}

impl Reading {
    fn run(self) {
        let outcome = self.read();
        if let Err(error) = &outcome {
            tracing::error!("nothing more can be sent to a follower: {error}");
        }
        if let Some(leading) = &mut *self.shared.leading() {
            match outcome {
                Err(StreamError::Journal(error)) => leading.give_way(&error),
                Err(StreamError::Snapshot(_)) => {
                    let seq = self.welcome.snapshot.as_ref().map(|snapshot| snapshot.seq);
                    leading.bad.extend(seq);
                    // There are no more that it could send: those that are kept, and one that a restart needs.
                    while leading.bad.len() > SNAPSHOTS_KEPT + 1 {
                        leading.bad.pop_first();
                    }
                }
                _ => {}
            }
            leading.close(self.id, "the journal is not read for it any more");
        }
    }

    fn read(&self) -> Result<(), StreamError> {
        let journal = &self.watermarks.journal;
        let mut stream = Stream::open(&self.dir, self.watermarks.clone(), &self.welcome)?;
        while !self.is_over.load(Ordering::Acquire) {
            if !stream.has_more() {
                std::thread::sleep(PARK);
                continue;
            }
            let up_to = {
                let mut leading = self.shared.leading();
                let Some(leading) = leading.as_mut() else { return Ok(()) };
                leading.leader.grown(journal.seq());
                let Some(up_to) = leading.leader.may_send(self.id) else { return Ok(()) };
                up_to
            };
            let mut batch = Vec::new();
            stream.fill(up_to, &mut batch)?;
            if batch.is_empty() {
                std::thread::sleep(PARK);
                continue;
            }
            if let Some(leading) = self.shared.leading().as_mut() {
                leading.leader.sent(self.id, stream.last());
            }
            if self.out.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
