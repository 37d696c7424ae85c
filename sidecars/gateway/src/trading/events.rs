//! What happens to people's accounts, as it happens: a task follows the engine's events, keeps the [`Picture`], and tells who listens.
//!
//! For streams to people, `gateway.events`:
//!
//! * [`Events::subscribe`] gives every [`Update`] from now on: its place in the engine's order, the account it is about (`None`: the
//!   firm's), and what changed. Check the account against those of the caller: `gateway.accounts.numbers_of(user)`.
//! * [`Events::since`] gives those after a place that a client has seen, for its resume; subscribe first, then ask, and drop what
//!   comes twice by its place. `None`: they are no longer kept, and the client must read the state anew.
//! * A receiver that lags ([`broadcast::error::RecvError::Lagged`]) has missed updates: close it, or go on with `since`.
//! * [`Update::json`] is what clients hear.
//!
//! All updates of one event have one place, and are told without others between them.

use super::accounts::Accounts;
use super::picture::{Bounds, Change, Picture, Position, place};
use super::{report, risk};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tidegate_client::proto::EventPosition;
use tidegate_client::{Client, ClientError, EventFilter};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// Updates that a listener may be behind before it lags.
const BEHIND_MAX: usize = 4_096;
/// Updates kept for those who resume.
const KEPT_MAX: usize = 65_536;
/// Wait before a reconnect; it doubles up to the longest.
const RECONNECT_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long an answer waits until reads include what it tells.
const REACH_TIMEOUT: Duration = Duration::from_millis(500);

/// One change of one account, or of the firm.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its place in the engine's order.
    pub position: Position,
    /// The engine's number of the account that it is about; `None`: the firm's, for those who watch risk.
    pub account: Option<u32>,
    /// What changed.
    pub change: Change,
}

impl Update {
    /// The channel that it belongs to: `orders`, `fills`, `positions`, `balances`, `risk` or `alerts`.
    pub fn channel(&self) -> &'static str {
        match self.change {
            Change::Order(..) | Change::CancelReject(..) => "orders",
            Change::Execution(_) => "fills",
            Change::Position(_) => "positions",
            Change::Balance(_) => "balances",
            Change::Limits(_) | Change::Proposal(_) => "risk",
            Change::KillSwitch(_) | Change::Tripped(_) => "alerts",
        }
    }

    /// As clients hear it: `{"channel","seq","account","data"}`; `seq` is what they resume after.
    pub fn json(&self, accounts: &Accounts) -> Value {
        let account = self.account.and_then(|number| accounts.by_number(number));
        let id = account.as_ref().map(|account| account.id);
        let shown = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
        let data = match &self.change {
            Change::Order(row, parent) => {
                shown(serde_json::to_value(report::Order::new(row, id, *parent)))
            }
            Change::Execution(row) => shown(serde_json::to_value(report::Execution::new(row, id))),
            Change::CancelReject(order, refused) => json!({
                "id": order,
                "cancel_reject": refused.reject.as_ref().map(report::Reject::new),
            }),
            Change::Position(position) => {
                shown(serde_json::to_value(report::Position::new(position, id, None, None)))
            }
            Change::Balance(balance) => shown(serde_json::to_value(report::Balance::new(balance))),
            Change::Limits(limits) => shown(serde_json::to_value(risk::Limits::new(limits))),
            Change::KillSwitch(kill) => {
                shown(serde_json::to_value(risk::Kill::new(kill, None, accounts)))
            }
            Change::Tripped(tripped) => {
                shown(serde_json::to_value(risk::Tripped::new(tripped, accounts)))
            }
            Change::Proposal(proposal) => {
                shown(serde_json::to_value(risk::Proposal::of(proposal, accounts)))
            }
        };
        json!({ "channel": self.channel(), "seq": place(self.position), "account": id, "data": data })
    }
}

#[derive(Debug)]
struct Shared {
    picture: RwLock<Picture>,
    told: broadcast::Sender<Arc<Update>>,
    /// The newest updates, and the place after which they are whole.
    kept: Mutex<(VecDeque<Arc<Update>>, Position)>,
    reached: watch::Sender<Position>,
    is_caught_up: AtomicBool,
    /// Whether everything was read once that was there at the start.
    has_begun: AtomicBool,
    executions: Counter,
    accounts_of: [u32; 2],
    bounds: Bounds,
}

/// Follows the engine's events; ends when it is dropped.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Events {
    /// Begins to follow, from the first event on; counts `executions` that happen from now on.
    pub fn start(
        engine: Client,
        accounts_of: [u32; 2],
        bounds: Bounds,
        executions: Counter,
    ) -> Self {
        let shared = Arc::new(Shared {
            picture: RwLock::new(Picture::new(accounts_of, bounds)),
            told: broadcast::Sender::new(BEHIND_MAX),
            kept: Mutex::new((VecDeque::new(), (0, 0))),
            reached: watch::Sender::new((0, 0)),
            is_caught_up: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            executions,
            accounts_of,
            bounds,
        });
        let task = tokio::spawn(follow(Arc::clone(&shared), engine));
        Self { shared, task }
    }

    /// The picture as it is now. Do not hold it over an `await`.
    pub fn picture(&self) -> RwLockReadGuard<'_, Picture> {
        self.shared.picture.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything is read that the engine had told when the connection stood last. For readiness.
    pub fn is_caught_up(&self) -> bool {
        self.shared.is_caught_up.load(Ordering::Acquire)
    }

    /// Every update from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Update>> {
        self.shared.told.subscribe()
    }

    /// Updates after a place, oldest first; `None` if some of them are no longer kept, or the place is not of this engine.
    pub fn since(&self, after: Position) -> Option<Vec<Arc<Update>>> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = after >= kept.1 && after <= *self.shared.reached.borrow();
        is_known.then(|| {
            let from = kept.0.partition_point(|update| update.position <= after);
            kept.0.range(from..).cloned().collect()
        })
    }

    /// Waits until the picture includes an event, half a second at most: who was answered reads what the answer told.
    pub async fn reach(&self, position: Option<&EventPosition>) {
        let Some(position) = position.map(|at| (at.seq, at.ordinal)) else { return };
        let mut reached = self.shared.reached.subscribe();
        let waiting = reached.wait_for(|at| *at >= position);
        if tokio::time::timeout(REACH_TIMEOUT, waiting).await.is_err() {
            tracing::warn!("the picture is behind the engine's answers");
        }
    }
}

async fn follow(shared: Arc<Shared>, engine: Client) {
    let (first, longest) = RECONNECT_WAIT;
    let (mut wait, mut after) = (first, None);
    loop {
        let before = after;
        let error = listen(&shared, &engine, &mut after).await;
        shared.is_caught_up.store(false, Ordering::Release);
        if is_foreign(&error) {
            // Another engine is there now, or one whose log was set back: what was told before is not its.
            tracing::error!("the engine's events begin anew: {error}");
            let fresh = Picture::new(shared.accounts_of, shared.bounds);
            *shared.picture.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            *shared.kept.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
            shared.reached.send_replace((0, 0));
            after = None;
        } else {
            tracing::info!("the engine's events broke off: {error}");
        }
        wait = if after == before { (wait * 2).min(longest) } else { first };
        tokio::time::sleep(wait).await;
    }
}

/// Whether the engine never was where the picture is.
fn is_foreign(error: &ClientError) -> bool {
    matches!(error, ClientError::Call { status, .. } if status.code() == tonic::Code::OutOfRange)
}

/// Listens until the stream breaks.
async fn listen(
    shared: &Shared,
    engine: &Client,
    after: &mut Option<EventPosition>,
) -> ClientError {
    let mut stream = engine.events(*after, EventFilter::default());
    loop {
        match stream.step_once().await {
            Ok(Some(event)) => {
                *after = event.position.or(*after);
                take(shared, event);
            }
            Ok(None) => {
                *after = stream.position().or(*after);
                if let Some(at) = after.as_ref().map(|at| (at.seq, at.ordinal)) {
                    let mut picture =
                        shared.picture.write().unwrap_or_else(PoisonError::into_inner);
                    picture.passed(at);
                    drop(picture);
                    shared.reached.send_replace(at);
                }
                shared.is_caught_up.store(true, Ordering::Release);
                shared.has_begun.store(true, Ordering::Relaxed);
            }
            Err(error) => return error,
        }
    }
}

fn take(shared: &Shared, event: tidegate_client::proto::Event) {
    let (changes, at) = {
        let mut picture = shared.picture.write().unwrap_or_else(PoisonError::into_inner);
        (picture.apply(event), picture.as_of())
    };
    if !changes.is_empty() {
        let mut kept = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let has_begun = shared.has_begun.load(Ordering::Relaxed);
        for change in changes {
            if has_begun && matches!(change, Change::Execution(_)) {
                shared.executions.inc();
            }
            let update = Arc::new(Update { position: at, account: account_of(&change), change });
            kept.0.push_back(Arc::clone(&update));
            if kept.0.len() > KEPT_MAX
                && let Some(gone) = kept.0.pop_front()
            {
                kept.1 = gone.position;
            }
            // Nobody may be listening.
            let _ = shared.told.send(update);
        }
    }
    shared.reached.send_replace(at);
}

fn account_of(change: &Change) -> Option<u32> {
    use tidegate_client::proto::{Scope, ScopeKind};
    let scoped = |scope: &Option<Scope>| {
        let scope = scope.as_ref().filter(|scope| scope.kind() == ScopeKind::Account);
        scope.map(|scope| scope.id)
    };
    match change {
        Change::Order(row, _) => Some(row.report.account),
        Change::Execution(row) => Some(row.report.account),
        Change::CancelReject(_, report) => Some(report.account),
        Change::Position(report) => Some(report.account),
        Change::Balance(report) => Some(report.account),
        Change::Limits(limits) => Some(limits.account),
        Change::KillSwitch(kill) => scoped(&kill.scope),
        Change::Tripped(tripped) => scoped(&tripped.scope),
        // For those who decide, not for whom it is about.
        Change::Proposal(_) => None,
    }
}
