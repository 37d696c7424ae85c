//! A node that follows: records go from the link through a bounded queue to the engine's thread, which journals and applies
//! them; how far that is goes back.

use crate::Moment;
use crate::catchup::{Place, Receiver};
use crate::follower::{self, Follower, FollowerError, Told};
use crate::history::History;
use crate::lease::{Lease, Standing};
use crate::message::{
    Control, EpochBegins, Hello, Message, PROTOCOL_VERSION, Progress, Stands, Stop,
};
use crate::node::Shared;
use crate::quic::{self, Link, Outgoing, PATIENCE, QuicError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidegate_engine::replay::ReplayError;
use tidegate_engine::runtime::{Engine, EngineError, Followed, Primary, Strategy};
use tidegate_engine::snapshot::Header;
use tidegate_journal::Release;
use tidegate_model::SeqNo;
use tokio::sync::{Notify, mpsc, watch};

/// Batches between the link and the engine: 16 MiB at most.
const BATCHES_MAX: usize = 64;
/// Batches that the engine takes in one turn.
const BATCHES_PER_TURN: usize = 4;
/// Between two tries to find the primary, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// After a snapshot that could not be used: whatever was wrong, the next is as long.
const CATCH_UP_AGAIN: Duration = Duration::from_secs(10);

/// What a standby begins with.
#[derive(Debug)]
pub struct Start {
    /// The journal that it has.
    pub instance: u128,
    /// What that holds.
    pub history: History,
    /// The version of the engine's behaviour.
    pub behaviour_version: u32,
    /// Whether it has everything that it ever confirmed.
    pub is_complete: bool,
    /// The lowest number that its journal could be cut after ([`crate::catchup::back_to`]).
    pub back_to: SeqNo,
    /// Where it begins anew if it is too far behind.
    pub place: Place,
}

/// The node's end of a queue to the engine, before the engine has replayed its journal.
#[derive(Debug)]
pub struct Unbegun {
    state: Arc<State>,
    batches: mpsc::Sender<Batch>,
}

/// What became of following.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It leads, in this epoch: the engine was told.
    Leads {
        /// The epoch.
        epoch: u64,
    },
    /// Records behind this number are to be cut, and everything is to begin again from there.
    Cut {
        /// The number.
        after: SeqNo,
    },
    /// It was too far behind, and a snapshot is there: it is to take the place of what there is
    /// ([`tidegate_journal::exchange::commit`]), and everything is to begin again from there.
    CaughtUp {
        /// The snapshot's input.
        seq: SeqNo,
    },
    /// It cannot follow any more.
    Failed {
        /// Why.
        why: String,
    },
}

enum Batch {
    Epoch(EpochBegins),
    /// The body of a message of records.
    Records(u8, Vec<u8>),
}

/// Shared by the link's task, the engine's thread and operators.
#[derive(Debug)]
struct State {
    follower: Mutex<Follower>,
    release: Arc<Release>,
    /// How far the engine is: journaled and applied.
    taken: AtomicU64,
    news: Notify,
    /// The epoch to lead in; 0 while it follows.
    lead: AtomicU64,
    is_over: AtomicBool,
    failed: Mutex<Option<Stop>>,
    outcome: Mutex<Option<Outcome>>,
    /// Whether it is over, for those who wait for that.
    over: watch::Sender<bool>,
    /// The engine takes no more from here: it leads, or has ended.
    is_left: watch::Sender<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn end(&self, outcome: Outcome) {
        locked(&self.outcome).get_or_insert(outcome);
        self.stop();
    }

    fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        self.over.send_replace(true);
    }

    fn lead_by_itself(&self, shared: &Shared, newest: u64) {
        let epoch = shared.own_epoch(newest);
        locked(&self.follower).heard_of(epoch);
        lead(self, epoch);
    }

    fn progress(&self) -> Progress {
        let taken = SeqNo(self.taken.load(Ordering::Acquire));
        let synced = self.release.synced().min(taken);
        Progress { received: taken, applied: taken, synced }
    }
}

/// A node's state while it follows. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Following(Arc<State>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Following {
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        locked(&self.0.outcome).clone()
    }

    pub(crate) fn is_complete(&self) -> bool {
        locked(&self.0.follower).is_complete()
    }

    /// How it stands, for another node.
    pub(crate) fn stands(&self) -> Stands {
        let follower = locked(&self.0.follower);
        let history = follower.history();
        let (epoch, last) = (history.last_epoch(), history.last());
        // Told to lead, it does, though its engine may not have heard of it yet: that cannot be taken back.
        let lead = self.0.lead.load(Ordering::Acquire);
        let leads = (lead > 0).then_some(lead);
        Stands { leads, is_asked: false, instance: follower.instance(), epoch, last }
    }

    /// Whether it has everything that was acknowledged, as far as it has heard; else why not.
    pub(crate) fn check_entitled(&self) -> Result<(), String> {
        let follower = locked(&self.0.follower);
        if follower.in_sync() && follower.is_complete() {
            return Ok(());
        }
        Err(format!(
            "it was not in sync when it last heard of a primary (epoch {}, input {} of {}): inputs that were acknowledged may be missing; \
             promote another, or accept that with --force",
            follower.newest_epoch(),
            self.0.taken.load(Ordering::Acquire),
            follower.leader_last()
        ))
    }

    /// How long the primary that it follows has said nothing; `None` if it follows none.
    pub(crate) fn silence(&self, now: Moment) -> Option<Duration> {
        let follower = locked(&self.0.follower);
        follower.leader_epoch().and_then(|_| follower.silence(now))
    }

    /// Leads in an epoch of this node's own, where no store gives them out.
    pub(crate) fn lead(&self, shared: &Shared) {
        let newest = locked(&self.0.follower).newest_epoch();
        self.0.lead_by_itself(shared, newest);
    }

    /// Lines for people.
    pub(crate) fn status(&self, now: Moment) -> String {
        let follower = locked(&self.0.follower);
        let at = self.0.taken.load(Ordering::Acquire);
        let link = match (follower.leader_epoch(), follower.silence(now)) {
            (Some(epoch), Some(silence)) => format!(
                "follows the primary of epoch {epoch}, heard {} ms ago",
                silence.as_millis()
            ),
            _ => "has no link to a primary".into(),
        };
        let sync = match (follower.in_sync(), follower.is_complete()) {
            (true, true) => "in sync",
            (_, false) => "not complete: this machine lost power and has not caught up since",
            (false, true) => "not in sync",
        };
        let behind = follower.leader_last().0.saturating_sub(at);
        let newest = follower.newest_epoch();
        let catching_up = match follower.catching_up() {
            Some((seq, bytes, len)) => {
                format!("; takes the snapshot of input {seq}, {bytes} of {len} bytes are here")
            }
            None => String::new(),
        };
        format!(
            "standby at input {at} of epoch {newest}, {behind} behind; {link}; {sync}{catching_up}\n"
        )
    }
}

/// The engine's end: it takes records from here.
#[derive(Debug)]
pub struct FollowEnd {
    batches: mpsc::Receiver<Batch>,
    state: Arc<State>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Epoch(begins) => begins.fmt(f),
            Self::Records(_, body) => write!(f, "Records({} bytes)", body.len()),
        }
    }
}

impl FollowEnd {
    fn take<S: Strategy>(&self, engine: &mut Engine<S>, batch: &Batch) -> Result<(), EngineError> {
        match batch {
            Batch::Epoch(begins) => engine.begin_epoch(begins.epoch, begins.behaviour_version),
            Batch::Records(shape, body) => {
                if let Ok(Message::Records(records)) = Message::decode(*shape, body) {
                    for record in records.iter() {
                        engine.take(record.kind, record.seq, record.payload)?;
                    }
                    self.state.taken.store(records.last.0, Ordering::Release);
                    self.state.news.notify_one();
                }
                Ok(())
            }
        }
    }
}

impl Drop for FollowEnd {
    fn drop(&mut self) {
        self.state.is_left.send_replace(true);
    }
}

impl<S: Strategy> Primary<S> for FollowEnd {
    fn follow(&mut self, engine: &mut Engine<S>) -> Result<Followed, EngineError> {
        // Read before the queue, so that what came before is taken before.
        let lead = self.state.lead.load(Ordering::Acquire);
        let is_over = self.state.is_over.load(Ordering::Acquire);
        for taken in 0..BATCHES_PER_TURN {
            let Ok(batch) = self.batches.try_recv() else {
                return Ok(match (taken, lead, is_over) {
                    (0, 0, true) => Followed::End,
                    (0, 0, false) => Followed::Nothing,
                    (0, epoch, _) => Followed::Lead(epoch),
                    _ => Followed::Some,
                });
            };
            if let Err(error) = self.take(engine, &batch) {
                let why = match &error {
                    EngineError::Replay(ReplayError::Diverged { seq, recorded, replayed }) => {
                        Stop::Diverged { seq: *seq, recorded: *recorded, own: *replayed }
                    }
                    other => Stop::failed(other.to_string()),
                };
                tracing::error!("the standby stops: {why}");
                *locked(&self.state.failed) = Some(why.clone());
                self.state.end(Outcome::Failed { why: why.to_string() });
                return Err(error);
            }
        }
        Ok(Followed::Some)
    }
}

/// A queue to the engine, whose outputs wait for `release`.
pub(crate) fn queue(name: &str, release: Arc<Release>) -> (FollowEnd, Unbegun) {
    let nobody = follower::Start {
        name: name.to_string(),
        instance: None,
        behaviour_version: 0,
        history: History::default(),
        is_complete: false,
        back_to: SeqNo::ZERO,
        replicated: SeqNo::ZERO,
    };
    let state = Arc::new(State {
        follower: Mutex::new(Follower::new(nobody)),
        release,
        taken: AtomicU64::new(0),
        news: Notify::new(),
        lead: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        failed: Mutex::new(None),
        outcome: Mutex::new(None),
        over: watch::Sender::new(false),
        is_left: watch::Sender::new(false),
    });
    let (batches_in, batches) = mpsc::channel(BATCHES_MAX);
    let end = FollowEnd { batches, state: Arc::clone(&state) };
    (end, Unbegun { state, batches: batches_in })
}

/// The node's side of following, and the task that keeps the link.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    unbegun: Unbegun,
    start: Start,
) -> (Following, impl Future<Output = ()> + Send + use<>) {
    let Start { instance, history, behaviour_version, is_complete, back_to, place } = start;
    if let Some(lease) = &shared.lease {
        lease.change(|lease| lease.instance(format!("{instance:032x}")));
    }
    let Unbegun { state, batches } = unbegun;
    state.taken.store(history.last().0, Ordering::Release);
    *locked(&state.follower) = Follower::new(follower::Start {
        name: shared.name.clone(),
        instance: Some(instance),
        behaviour_version,
        history,
        is_complete,
        back_to,
        // As far as the event log goes.
        replicated: state.release.replicated(),
    });
    let task = keep_link(Arc::clone(shared), Arc::clone(&state), batches, place);
    (Following(state), task)
}

/// Does what is due of a standby: tells the lease how it stands, and leads when that says so.
pub(crate) fn tick(shared: &Shared) {
    let following = shared.following();
    let Some(Following(state)) = &*following else { return };
    if state.is_over.load(Ordering::Acquire) {
        return;
    }
    let mut follower = locked(&state.follower);
    let Some(lease) = &shared.lease else { return };
    let mut machine = lease.locked();
    machine.journal(follower.is_complete(), follower.newest_epoch());
    let now = shared.now();
    match machine.standing() {
        Standing::Holder { epoch, .. } if machine.is_held(now) => {
            follower.heard_of(epoch);
            follower.disconnected();
            drop(follower);
            lead(state, epoch);
        }
        Standing::Over { epoch } => state.end(Outcome::Failed {
            why: format!(
                "the lease of epoch {epoch} was lost before this node led: start it again"
            ),
        }),
        _ => {}
    }
}

fn lead(state: &State, epoch: u64) {
    tracing::warn!("this standby leads from here on, in epoch {epoch}");
    state.lead.store(epoch, Ordering::Release);
    state.end(Outcome::Leads { epoch });
}

/// Finds the primary, follows it, and begins again when the link ends.
async fn keep_link(
    shared: Arc<Shared>,
    state: Arc<State>,
    batches: mpsc::Sender<Batch>,
    place: Place,
) {
    let mut pause = BACK_OFF.0;
    let mut turn = 0;
    while !state.is_over.load(Ordering::Acquire) {
        if let Some((name, address)) = primary_of(&shared, turn) {
            let began = Instant::now();
            let linked = match quic::connect(&shared.endpoint, &name, &address).await {
                Ok(link) => follow(&shared, &state, &batches, &place, link).await,
                Err(error) => Err(Ended::Quic(error)),
            };
            locked(&state.follower).disconnected();
            if began.elapsed() > BACK_OFF.1 && pause <= BACK_OFF.1 {
                pause = BACK_OFF.0;
                shared.told().is_well(&name);
            }
            if let Err(ended) = linked {
                if matches!(ended, Ended::CatchUp(_)) {
                    pause = CATCH_UP_AGAIN;
                }
                let text = format!("'{name}' at {address}: {ended}");
                if shared.told().is_news(&name, &text) {
                    tracing::warn!("{text}");
                }
            }
        }
        turn += 1;
        let _ = tokio::time::timeout(pause, over(&state)).await;
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

async fn over(state: &State) {
    // The sender is in the state itself.
    let _ = state.over.subscribe().wait_for(|is_over| *is_over).await;
}

/// Whom to follow: the holder of the lease, or one after the other.
fn primary_of(shared: &Shared, turn: usize) -> Option<(String, String)> {
    if let Some(lease) = &shared.lease {
        let lease = lease.locked();
        let record = lease.record()?;
        let holder = record.holder.clone().filter(|holder| *holder != shared.name)?;
        return Some((holder, record.address.clone()));
    }
    let count = shared.peers.len().max(1);
    shared.peers.iter().nth(turn % count).map(|(name, address)| (name.clone(), address.clone()))
}

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Quic(#[from] QuicError),
    #[error(transparent)]
    Follower(#[from] FollowerError),
    #[error("this standby stops")]
    Over,
    #[error("no thread takes a snapshot: {0}")]
    Thread(std::io::Error),
    #[error("the snapshot cannot be used: {0}")]
    CatchUp(String),
}

async fn follow(
    shared: &Arc<Shared>,
    state: &Arc<State>,
    batches: &mpsc::Sender<Batch>,
    place: &Place,
    link: Link,
) -> Result<(), Ended> {
    let Link { connection, mut out, mut incoming, .. } = link;
    // What was received is in the journal before a greeting says so.
    while locked(&state.follower).history().last().0 > state.taken.load(Ordering::Acquire) {
        if state.is_over.load(Ordering::Acquire) {
            return Err(Ended::Over);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let hello = locked(&state.follower).connected(shared.now());
    out.send(&hello.to_bytes()).await?;
    // Confirmations go out beside what comes in.
    let (stop_confirming, stopped) = watch::channel(false);
    let mut confirming = None;
    let mut out = Some(out);
    let mut receiver: Option<Receiver> = None;
    let ended = loop {
        let next = tokio::select! {
            next = tokio::time::timeout(shared.limits.silence_max * 2, incoming.next()) => next,
            () = over(state) => break Ended::Over,
            received = received(&mut receiver) => break caught_up(state, received),
        };
        let (shape, body) = match next {
            Err(_) => break QuicError::TimedOut.into(),
            Ok(Err(error)) => break error.into(),
            Ok(Ok(next)) => next,
        };
        let message = match Message::decode(shape, body) {
            Ok(message) => message,
            Err(error) => break QuicError::from(error).into(),
        };
        let told = locked(&state.follower).hear(shared.now(), message);
        let batch = match told {
            Err(error) => break error.into(),
            Ok(Told::Follow { cut_after: Some(after), .. }) => {
                state.end(Outcome::Cut { after });
                break Ended::Over;
            }
            Ok(told @ (Told::Follow { .. } | Told::Snapshot(_))) => {
                if let Told::Snapshot(begins) = told {
                    let seq = begins.seq;
                    tracing::warn!(input = seq.0, "too far behind: a snapshot comes");
                    let stage = Arc::clone(&shared.stage);
                    match Receiver::start(place.clone(), *begins, stage) {
                        Ok(started) => receiver = Some(started),
                        Err(error) => break Ended::Thread(error),
                    }
                }
                if let Some(out) = out.take() {
                    let (state, every) = (Arc::clone(state), shared.limits.heartbeat);
                    confirming = Some(tokio::spawn(confirm(state, every, out, stopped.clone())));
                }
                continue;
            }
            Ok(Told::Nothing) => {
                let follower = locked(&state.follower);
                let taken = SeqNo(state.taken.load(Ordering::Acquire));
                state.release.set_replicated(follower.replicated().min(taken));
                state.news.notify_one();
                continue;
            }
            Ok(_) if receiver.is_some() => {
                let message = (shape, body.to_vec());
                tokio::select! {
                    // An error is told by the next turn.
                    () = hand_on(&receiver, message) => continue,
                    () = over(state) => break Ended::Over,
                }
            }
            Ok(Told::Epoch(begins)) => Batch::Epoch(begins),
            Ok(Told::Records(_)) => Batch::Records(shape, body.to_vec()),
            Ok(Told::HandOver(given)) => {
                take_over(shared, state, given.epoch);
                continue;
            }
            Ok(Told::Piece { .. }) => continue,
        };
        tokio::select! {
            sent = batches.send(batch) => {
                if sent.is_err() {
                    break Ended::Over;
                }
                state.release.ring();
            }
            () = over(state) => break Ended::Over,
        }
    };
    if let Some(confirming) = confirming {
        stop_confirming.send_replace(true);
        out = confirming.await.ok();
    }
    if let (Some(last), Some(mut out)) = (last_word(state, &ended).await, out) {
        let _ = out.send(&last.to_bytes()).await;
        let _ = tokio::time::timeout(PATIENCE / 4, out.finish()).await;
    }
    quic::close(&connection, &ended.to_string());
    Err(ended)
}

/// What became of the snapshot that comes; never, if none does.
async fn received(receiver: &mut Option<Receiver>) -> Result<Header, String> {
    match receiver {
        Some(receiver) => {
            let gone = || Err("the thread that takes it has ended".to_string());
            (&mut receiver.outcome).await.unwrap_or_else(|_| gone())
        }
        None => std::future::pending().await,
    }
}

fn caught_up(state: &State, received: Result<Header, String>) -> Ended {
    match received {
        Ok(header) => {
            state.end(Outcome::CaughtUp { seq: header.seq });
            Ended::Over
        }
        Err(why) => Ended::CatchUp(why),
    }
}

/// Gives a part of a snapshot to the thread that takes it; waits for the disk.
async fn hand_on(receiver: &Option<Receiver>, message: (u8, Vec<u8>)) {
    if let Some(receiver) = receiver {
        let _ = receiver.messages.send(message).await;
    }
}

/// What is still to be said: why it stops, that it leads, or that the leader is none any more.
async fn last_word(state: &State, ended: &Ended) -> Option<Control> {
    if let Some(why) = locked(&state.failed).clone() {
        return Some(Control::Stopped(why));
    }
    let epoch = state.lead.load(Ordering::Acquire);
    if epoch > 0 {
        let mut left = state.is_left.subscribe();
        let _ = tokio::time::timeout(PATIENCE, left.wait_for(|is_left| *is_left)).await;
        return Some(Control::Taken { epoch });
    }
    let is_old = matches!(ended, Ended::Follower(FollowerError::OldLeader { .. }));
    is_old.then(|| locked(&state.follower).fenced())
}

/// Sends how far the engine is, whenever that is news; and while a snapshot comes again and again that this follower lives: a leader
/// that sends one has no room for the heartbeats that ask for it.
async fn confirm(
    state: Arc<State>,
    heartbeat: Duration,
    mut out: Outgoing,
    mut stop: watch::Receiver<bool>,
) -> Outgoing {
    while !*stop.borrow() {
        let confirm = locked(&state.follower).confirm(state.progress());
        if let Some(confirm) = confirm
            && out.send(&confirm.to_bytes()).await.is_err()
        {
            return out;
        }
        tokio::select! {
            () = state.news.notified() => {}
            () = tokio::time::sleep(heartbeat) => {
                let mut follower = locked(&state.follower);
                if follower.catching_up().is_some() {
                    follower.sign();
                }
            }
            _ = stop.changed() => {}
        }
    }
    out
}

/// The primary has given over.
fn take_over(shared: &Shared, state: &State, epoch: u64) {
    match &shared.lease {
        // It was given up for this node.
        Some(lease) => lease.change(Lease::look),
        None => state.lead_by_itself(shared, epoch),
    }
}

/// Asks whoever leads which journal it has.
pub(crate) async fn ask_instance(
    shared: &Arc<Shared>,
    behaviour_version: u32,
) -> Result<u128, String> {
    let mut why = "no primary is known yet".to_string();
    for turn in 0..shared.peers.len().max(1) {
        let Some((name, address)) = primary_of(shared, turn) else { continue };
        match asked_instance(shared, behaviour_version, &name, &address).await {
            Ok(instance) => return Ok(instance),
            Err(error) => why = format!("'{name}' at {address}: {error}"),
        }
    }
    Err(why)
}

async fn asked_instance(
    shared: &Shared,
    behaviour_version: u32,
    name: &str,
    address: &str,
) -> Result<u128, Ended> {
    let mut link = quic::connect(&shared.endpoint, name, address).await?;
    let hello = Hello {
        version: PROTOCOL_VERSION,
        name: shared.name.clone(),
        instance: None,
        behaviour_version,
        newest_epoch: 0,
        history: History::default(),
        back_to: SeqNo::ZERO,
    };
    link.out.send(&Control::Hello(hello).to_bytes()).await?;
    let answer = tokio::time::timeout(PATIENCE, link.incoming.next()).await;
    let (shape, body) = answer.map_err(QuicError::from)??;
    match Message::decode(shape, body).map_err(QuicError::from)? {
        Message::Control(Control::Welcome(welcome)) => {
            quic::close(&link.connection, "asked only");
            Ok(welcome.instance)
        }
        Message::Control(Control::Refused(refusal)) => Err(FollowerError::Refused(refusal).into()),
        _ => Err(QuicError::NotAnAnswer.into()),
    }
}
