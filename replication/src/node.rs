//! A node: one endpoint, the lease if there is one, and what it is just now, primary or standby.

use crate::Moment;
use crate::leader::{Limits, Names};
use crate::lease::{Candidate, Demand, Lease, Standing, Timing};
use crate::message::{Control, Message, Stands};
use crate::primary::{self, Lead, Leading};
use crate::promote;
use crate::quic::{self, Link, PATIENCE, QuicError};
use crate::standby::{self, FollowEnd, Following, Unbegun};
use crate::store::{Etcd, StoreError};
use crate::tls::Tls;
use crate::told::Told;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidegate_journal::Release;
use tokio::runtime::Runtime;

/// Connections that are served at once: each follower's and some operators'.
const CONNECTIONS_MAX: usize = 32;
/// Nodes that a deployment may have, and so epochs from one of a node to its next without a lease.
const EPOCHS_A_ROUND: u64 = 16;
const _: () = assert!(EPOCHS_A_ROUND > crate::leader::FOLLOWERS_MAX as u64);
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(2);

/// What makes a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where it listens, UDP.
    pub listen: SocketAddr,
    /// Where others reach it: a host and a port.
    pub address: String,
    /// The other nodes, by name, and where each is reached.
    pub peers: BTreeMap<String, String>,
    /// Times and bounds of the protocol.
    pub limits: Limits,
    /// The lease, if one is held.
    pub lease: Option<LeaseConfig>,
    /// How long a hand-over may take before the primary goes on by itself.
    pub hand_over_max: Duration,
}

/// Where the lease is kept, and how long it is.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// etcd's servers.
    pub etcd: Vec<String>,
    /// The key of the record.
    pub key: String,
    /// Times.
    pub timing: Timing,
}

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The network.
    #[error(transparent)]
    Quic(#[from] QuicError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Threads.
    #[error("cannot start the threads of replication: {0}")]
    Runtime(std::io::Error),
    /// Somebody else holds the lease.
    #[error("'{holder}' holds the lease in epoch {epoch}: start this one as a standby")]
    Held {
        /// Who.
        holder: String,
        /// In which epoch.
        epoch: u64,
    },
    /// It may not lead.
    #[error("this node may not lead: {why}")]
    NotEntitled {
        /// Why.
        why: String,
    },
    /// The configuration names this node among the others.
    #[error("'{0}' is this node's own name, in its certificate: a peer has another")]
    OwnPeer(String),
    /// The store does not answer.
    #[error("the consensus store did not answer within {0:?}")]
    NoStore(Duration),
}

/// How often a primary without a store looks for another that leads.
const LOOK_FOR_ANOTHER_EVERY: Duration = Duration::from_secs(1);

/// The lease and its store.
#[derive(Debug)]
pub(crate) struct LeaseDriver {
    lease: Mutex<Lease>,
    store: Etcd,
    wake: tokio::sync::Notify,
}

impl LeaseDriver {
    pub(crate) fn locked(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is wanted, and looks at once whether that asks for a question.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Lease)) {
        change(&mut self.locked());
        self.wake.notify_one();
    }
}

/// What all tasks and threads of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    origin: Instant,
    pub(crate) name: String,
    pub(crate) endpoint: quinn::Endpoint,
    pub(crate) peers: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) lease: Option<LeaseDriver>,
    pub(crate) hand_over_max: Duration,
    leading: Mutex<Option<Leading>>,
    following: Mutex<Option<Following>>,
    connections: AtomicUsize,
    /// Operators who wait for an answer.
    pub(crate) asks: AtomicUsize,
    /// Those of them who told it to lead.
    pub(crate) promotions: AtomicUsize,
    told: Mutex<Told>,
    /// Held by whoever lays a snapshot beside the journal.
    pub(crate) stage: Arc<Mutex<()>>,
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        Moment(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The epoch that this node begins after `newest` where no store gives them out: each node has its own, by its place among
    /// all names, so that two which lead at once by mistake are told apart.
    pub(crate) fn own_epoch(&self, newest: u64) -> u64 {
        let place = self.peers.keys().filter(|name| **name < self.name).count() as u64;
        let first = newest / EPOCHS_A_ROUND * EPOCHS_A_ROUND + place;
        if first > newest { first } else { first + EPOCHS_A_ROUND }
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leading(&self) -> MutexGuard<'_, Option<Leading>> {
        self.leading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn following(&self) -> MutexGuard<'_, Option<Following>> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node's threads.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Node {
    /// Listens, and looks at the lease's record if there is one. It neither leads nor follows yet.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn start(config: NodeConfig, tls: &Tls) -> Result<Self, NodeError> {
        if config.peers.contains_key(&tls.name) {
            return Err(NodeError::OwnPeer(tls.name.clone()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("replication")
            .enable_all()
            .build()
            .map_err(NodeError::Runtime)?;
        let _inside = runtime.enter();
        let endpoint = quic::bind(config.listen, tls)?;
        let lease = config.lease.map(|lease| {
            let who = Candidate {
                name: tls.name.clone(),
                address: config.address.clone(),
                instance: None,
                may_create: false,
            };
            let store = Etcd::new(&lease.etcd, &lease.key, lease.timing.patience)?;
            let (lease, wake) =
                (Mutex::new(Lease::new(who, lease.timing)), tokio::sync::Notify::new());
            Ok::<_, StoreError>(LeaseDriver { lease, store, wake })
        });
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            name: tls.name.clone(),
            endpoint,
            peers: config.peers,
            limits: config.limits,
            lease: lease.transpose()?,
            hand_over_max: config.hand_over_max,
            leading: Mutex::new(None),
            following: Mutex::new(None),
            connections: AtomicUsize::new(0),
            asks: AtomicUsize::new(0),
            promotions: AtomicUsize::new(0),
            told: Mutex::default(),
            stage: Arc::default(),
        });
        runtime.spawn(listen(Arc::clone(&shared)));
        runtime.spawn(tick(Arc::clone(&shared)));
        match shared.lease {
            Some(_) => runtime.spawn(keep_lease(Arc::clone(&shared))),
            None => runtime.spawn(look_for_another(Arc::clone(&shared))),
        };
        drop(_inside);
        Ok(Self { shared, runtime: Some(runtime) })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`std::io::Error`] if the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// Whether there is a lease.
    pub fn has_lease(&self) -> bool {
        self.shared.lease.is_some()
    }

    /// Takes the lease for a primary that starts, on a journal that `journal` tells of; waits for it for `patience`. The epoch, and
    /// the followers that must confirm.
    ///
    /// # Errors
    /// [`NodeError::Held`], [`NodeError::NotEntitled`], [`NodeError::NoStore`].
    pub fn acquire(&self, journal: &Known, patience: Duration) -> Result<(u64, Names), NodeError> {
        let Some(lease) = &self.shared.lease else {
            return Ok((self.shared.own_epoch(journal.newest_epoch), Names::new()));
        };
        lease.change(|lease| {
            lease.instance(format!("{:032x}", journal.instance));
            lease.may_create();
            lease.journal(journal.is_complete, journal.newest_epoch);
            if journal.force {
                lease.demand(Demand::Force);
            }
        });
        let began = Instant::now();
        loop {
            let now = self.shared.now();
            {
                let lease = lease.locked();
                if let (Standing::Holder { epoch, .. }, true) =
                    (lease.standing(), lease.is_held(now))
                {
                    return Ok((
                        epoch,
                        lease.record().map(|r| r.in_sync.clone()).unwrap_or_default(),
                    ));
                }
                if let Some(error) = lease.error() {
                    return Err(NodeError::NotEntitled { why: error.to_string() });
                }
                if began.elapsed() > patience {
                    let Some(record) = lease.record() else {
                        return Err(NodeError::NoStore(patience));
                    };
                    let name = Some(self.shared.name.as_str());
                    return Err(match &record.holder {
                        Some(holder) if Some(holder.as_str()) != name => {
                            NodeError::Held { holder: holder.clone(), epoch: record.epoch }
                        }
                        _ => NodeError::NotEntitled {
                            why: "this machine has lost power since it led, and a follower may have more: start it as a standby".into(),
                        },
                    });
                }
            }
            std::thread::sleep(TICK);
        }
    }

    /// Leads from now on.
    pub fn lead(&self, lead: Lead) {
        let followers: Names = self.shared.peers.keys().cloned().collect();
        let mut leading = Leading::new(lead, self.shared.limits, &followers, self.has_lease());
        leading.tick(&self.shared);
        // In this order: whoever asks meanwhile hears that it leads.
        *self.shared.leading() = Some(leading);
        *self.shared.following() = None;
    }

    /// A queue to a standby's engine, whose outputs wait for `release`: the engine's end, and the node's for [`Self::begin`].
    pub fn queue(&self, release: Arc<Release>) -> (FollowEnd, Unbegun) {
        standby::queue(&self.shared.name, release)
    }

    /// Follows whoever leads, from what the engine has replayed on.
    pub fn begin(&self, unbegun: Unbegun, start: standby::Start) {
        let (following, task) = standby::begin(&self.shared, unbegun, start);
        *self.shared.following() = Some(following);
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// Whether a node that follows has everything that it ever confirmed.
    pub fn is_complete(&self) -> bool {
        self.shared.following().as_ref().is_some_and(Following::is_complete)
    }

    /// The followers that must confirm, as the lease's record has them.
    pub fn in_sync(&self) -> Names {
        let lease = self.shared.lease.as_ref();
        lease
            .and_then(|lease| lease.locked().record().map(|r| r.in_sync.clone()))
            .unwrap_or_default()
    }

    /// The node that a hand-over went to, which leads.
    pub fn given_to(&self) -> Option<String> {
        self.shared.leading().as_ref().and_then(Leading::given_to)
    }

    /// What has become of following; `None` while it goes on.
    pub fn outcome(&self) -> Option<standby::Outcome> {
        self.shared.following().as_ref().and_then(Following::outcome)
    }

    /// Follows nobody any more.
    pub fn stop_following(&self) {
        *self.shared.following() = None;
    }

    /// Finds out which journal the primary has, for a standby without one.
    ///
    /// # Errors
    /// What the last try said; tries again until `patience` is over.
    pub fn instance(&self, behaviour_version: u32, patience: Duration) -> Result<u128, String> {
        let Some(runtime) = &self.runtime else { return Err("the node has stopped".into()) };
        let began = Instant::now();
        loop {
            match runtime.block_on(standby::ask_instance(&self.shared, behaviour_version)) {
                Ok(instance) => return Ok(instance),
                Err(why) if began.elapsed() > patience => return Err(why),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// What speaks against it that this node leads, whose journal stands as `own`, as far as the other nodes say that can be reached:
    /// that one of them leads, or has more.
    pub fn objection(&self, own: &Stands) -> Option<String> {
        let others = self.runtime.as_ref()?.block_on(promote::others(&self.shared));
        promote::objection(own, &others)
    }

    /// Lines about how it stands, for people.
    pub fn status(&self) -> String {
        status(&self.shared)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whoever asked what has become of it by now is told.
        let until = Instant::now() + PATIENCE;
        while self.shared.asks.load(Ordering::Acquire) > 0 && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        *self.shared.leading() = None;
        *self.shared.following() = None;
        self.shared.endpoint.close(quinn::VarInt::from_u32(0), b"the node stops");
        if let Some(runtime) = self.runtime.take() {
            // What was said last may still arrive.
            let idle = self.shared.endpoint.wait_idle();
            let _ = runtime.block_on(async { tokio::time::timeout(PATIENCE / 10, idle).await });
            runtime.shutdown_background();
        }
    }
}

/// What a node's journal says about it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Which it is.
    pub instance: u128,
    /// Whether it has everything that this node ever confirmed or wrote: not so if the machine has lost power.
    pub is_complete: bool,
    /// The newest epoch in it.
    pub newest_epoch: u64,
    /// Take the lease whatever may be missing.
    pub force: bool,
}

pub(crate) fn status(shared: &Shared) -> String {
    let now = shared.now();
    let mut text = format!("node {}: ", shared.name);
    if let Some(leading) = shared.leading().as_ref() {
        text += &leading.status(now);
    } else if let Some(following) = shared.following().as_ref() {
        text += &following.status(now);
    } else {
        text += "neither leads nor follows\n";
    }
    if let Some(lease) = &shared.lease {
        let lease = lease.locked();
        text += &match lease.record() {
            None => "lease: not seen yet\n".to_string(),
            Some(record) => format!(
                "lease: epoch {}, held by {}, in sync: {}\n",
                record.epoch,
                record.holder.as_deref().unwrap_or("nobody"),
                record.in_sync.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
        };
        if let Some(error) = lease.error() {
            text += &format!("ALARM: {error}\n");
        }
    }
    text
}

async fn tick(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(leading) = &mut *shared.leading() {
            leading.tick(&shared);
        }
        standby::tick(&shared);
    }
}

/// Without a store nobody says who leads: a primary asks those who do not follow it, and gives way to one of a newer epoch.
async fn look_for_another(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LOOK_FOR_ANOTHER_EVERY).await;
        let is_alone = shared.leading().as_ref().is_some_and(Leading::misses_one);
        if !is_alone {
            continue;
        }
        let others = promote::others(&shared).await;
        let newest = promote::newest_leader(&others);
        if let (Some((name, stands)), Some(leading)) = (newest, &mut *shared.leading()) {
            leading.heard_of(name, stands);
        }
    }
}

/// Carries questions to the store and answers back.
async fn keep_lease(shared: Arc<Shared>) {
    let Some(lease) = &shared.lease else { return };
    loop {
        let (ask, next) = {
            let mut machine = lease.locked();
            let ask = machine.ask(shared.now());
            (ask, machine.next_at())
        };
        if let Some(ask) = ask {
            let answer = lease.store.ask(&ask.question).await;
            lease.locked().answer(shared.now(), ask.number, answer);
            continue;
        }
        let pause =
            next.since(shared.now()).clamp(Duration::from_millis(1), Duration::from_millis(100));
        let _ = tokio::time::timeout(pause, lease.wake.notified()).await;
    }
}

async fn listen(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        if shared.connections.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            shared.connections.fetch_sub(1, Ordering::AcqRel);
            incoming.refuse();
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let from = incoming.remote_address();
            let served = match quic::accept(incoming).await {
                Ok(link) => serve(&shared, link).await,
                Err(error) => {
                    let (host, text) = (from.ip().to_string(), error.to_string());
                    if shared.told().is_news(&host, &text) {
                        tracing::warn!("{host} wanted to connect: {text}");
                    }
                    Ok(())
                }
            };
            if let Err(error) = served {
                tracing::info!("from {from}: {error}");
            }
            shared.connections.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

async fn serve(shared: &Arc<Shared>, mut link: Link) -> Result<(), QuicError> {
    let first = {
        let (shape, body) = tokio::time::timeout(PATIENCE, link.incoming.next()).await??;
        match Message::decode(shape, body)? {
            Message::Control(control) => control,
            _ => return Err(QuicError::NotAnAnswer),
        }
    };
    match first {
        Control::Hello(hello) => primary::serve(shared, link, hello).await,
        Control::Ask(request) => promote::answer(shared, &link.name, request, link.out).await,
        _ => Err(QuicError::NotAnAnswer),
    }
}
