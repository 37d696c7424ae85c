//! The thread of one route: connects, reconciles, then moves requests out and reports in until something breaks.

use crate::{Adapter, AdapterError, Known, Reports};
use rtrb::{Consumer, Producer, PushError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_model::command::{RouteLink, RouteReport, RouteReportKind, RouteStatus};
use tidegate_model::{Command, CommandRecord, RoutedKind, RoutedOrder, RoutedRequest, UnixNanos};
use tokio::time::{sleep, timeout};

/// First wait before another connection; it doubles up to [`CONNECT_WAIT_MAX`].
const CONNECT_WAIT_MIN: Duration = Duration::from_millis(50);
/// Longest wait: a venue that comes back is noticed soon.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the engine's ring is looked at: it has no way to wake a thread, and the network takes longer.
const RING_LOOK: Duration = Duration::from_micros(200);
/// How long all of a reconciliation may take.
const RECONCILE_MAX: Duration = Duration::from_secs(60);

/// What a venue bears.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The route's number.
    pub route: u8,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Requests a second; the engine's ring holds what is above it.
    pub requests_per_sec: u32,
}

/// A running route.
#[derive(Debug)]
pub struct RunnerHandle {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl RunnerHandle {
    /// Ends the connection and the thread. The engine goes on to treat the route as it last stood.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the thread of a route stopped on a broken invariant");
        }
    }
}

/// Starts the thread of a route between the engine's ring and lane and an adapter.
///
/// # Errors
/// If the system gives no thread.
pub fn start<A: Adapter + 'static>(
    adapter: A,
    policy: Policy,
    ring: Consumer<RoutedRequest>,
    lane: Producer<CommandRecord>,
) -> std::io::Result<RunnerHandle> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runner = Runner { policy, ring, lane, stop: Arc::clone(&stop), number: 0 };
    let name = format!("route-{}", policy.route);
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || runtime.block_on(runner.run(adapter)))?;
    Ok(RunnerHandle { thread, stop })
}

struct Runner {
    policy: Policy,
    ring: Consumer<RoutedRequest>,
    lane: Producer<CommandRecord>,
    stop: Arc<AtomicBool>,
    /// The last request taken from the ring.
    number: u64,
}

impl Runner {
    async fn run(&mut self, mut adapter: impl Adapter) {
        let mut wait = CONNECT_WAIT_MIN;
        while !self.is_over() {
            let mut was_up = false;
            let error = match self.session(&mut adapter, &mut was_up).await {
                Ok(()) => return,
                Err(error) => error,
            };
            tracing::warn!(route = self.policy.route, %error, "the route is down");
            if self.status(RouteLink::Down, [0; 2]).await.is_err() {
                return;
            }
            wait = if was_up { CONNECT_WAIT_MIN } else { (wait * 2).min(CONNECT_WAIT_MAX) };
            let until = Instant::now() + wait;
            while Instant::now() < until && !self.is_over() {
                sleep(CONNECT_WAIT_MIN / 5).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// One connection, from its beginning to its end; `Ok` if the runner was stopped.
    async fn session(
        &mut self,
        adapter: &mut impl Adapter,
        was_up: &mut bool,
    ) -> Result<(), AdapterError> {
        let cursor = within(self.policy.timeout, adapter.connect()).await?;
        adapter.check_version()?;
        self.status(RouteLink::Reconciling, cursor).await?;
        let Some(known) = self.known().await else { return Ok(()) };
        let mut reports = Reports::default();
        let reconciled = within(RECONCILE_MAX, adapter.reconcile(known, &mut reports)).await;
        self.tell(&mut reports).await?;
        reconciled?;
        self.status(RouteLink::Up, cursor).await?;
        *was_up = true;
        let mut due = Instant::now();
        while !self.is_over() {
            tokio::select! {
                heard = adapter.next(&mut reports) => heard?,
                () = sleep(RING_LOOK) => {
                    while Instant::now() >= due && let Ok(request) = self.ring.pop() {
                        due = Instant::now() + Duration::from_secs(1) / self.policy.requests_per_sec;
                        self.send(adapter, &request, &mut reports).await?;
                    }
                }
            }
            self.tell(&mut reports).await?;
        }
        Ok(())
    }

    /// What the engine asks for: requests from before the reconciliation are void. `None` if the runner is stopped.
    async fn known(&mut self) -> Option<Known> {
        let mut known = Known::default();
        let mut has_begun = false;
        while !self.is_over() {
            let Ok(request) = self.ring.pop() else {
                sleep(RING_LOOK).await;
                continue;
            };
            self.number = request.number;
            match request.kind {
                RoutedKind::Begin { cursor } => {
                    known = Known { cursor, journal: request.journal, orders: Vec::new() };
                    has_begun = true;
                }
                RoutedKind::Query(order) if has_begun => known.orders.push(order),
                RoutedKind::End if has_begun => return Some(known),
                _ => {}
            }
        }
        None
    }

    async fn send(
        &mut self,
        adapter: &mut impl Adapter,
        request: &RoutedRequest,
        reports: &mut Reports,
    ) -> Result<(), AdapterError> {
        let expected = self.number + 1;
        if request.number != expected {
            return Err(AdapterError::Gap { expected, found: request.number });
        }
        self.number = expected;
        let sent = within(self.policy.timeout, adapter.send(&request.kind, reports)).await;
        if sent.is_err()
            && let Some(order) = order_of(&request.kind)
        {
            reports.order(report(RouteReportKind::UnknownOutcome, self.policy.route, order));
            self.tell(reports).await?;
        }
        sent
    }

    async fn status(&mut self, link: RouteLink, cursor: [u64; 2]) -> Result<(), AdapterError> {
        let (route, link) = (self.policy.route, link.wire());
        let status = RouteStatus { cursor, route, link, reserved: [0; 6] };
        self.lay(Command::RouteStatus(status)).await
    }

    async fn tell(&mut self, reports: &mut Reports) -> Result<(), AdapterError> {
        for command in reports.0.drain(..) {
            self.lay(command).await?;
        }
        Ok(())
    }

    /// Reports are never dropped: the lane is waited for, for as long as there is an engine.
    async fn lay(&mut self, command: Command) -> Result<(), AdapterError> {
        let mut record = CommandRecord::new(command);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        record.ts_recv = UnixNanos(since.as_nanos() as u64);
        while let Err(PushError::Full(_)) = self.lane.push(record) {
            if self.lane.is_abandoned() {
                return Err(AdapterError::EngineGone);
            }
            sleep(RING_LOOK).await;
        }
        if self.lane.is_abandoned() { Err(AdapterError::EngineGone) } else { Ok(()) }
    }
}

async fn within<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, AdapterError>>,
) -> Result<T, AdapterError> {
    timeout(limit, future).await.map_err(|_| AdapterError::Timeout(limit))?
}

fn order_of(kind: &RoutedKind) -> Option<&RoutedOrder> {
    match kind {
        RoutedKind::New(order) | RoutedKind::Cancel(order) | RoutedKind::Replace(order) => {
            Some(order)
        }
        RoutedKind::Begin { .. } | RoutedKind::Query(_) | RoutedKind::End => None,
    }
}

/// A report about an order that says nothing but its kind.
pub(crate) fn report(kind: RouteReportKind, route: u8, order: &RoutedOrder) -> RouteReport {
    RouteReport {
        order_id: order.order_id,
        attempt: order.attempt,
        route,
        kind: kind.wire(),
        ..bytemuck::Zeroable::zeroed()
    }
}
