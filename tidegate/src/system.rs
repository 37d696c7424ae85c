//! The whole system in one process: engine, event log, edge and feed, started in order and stopped in reverse.

use crate::behind::Behind;
use crate::calendar::clock::CalendarClock;
use crate::cmd::latency::short;
use crate::config::{Config, RouteVenue};
use crate::in_process::Residence;
use crate::kill::trigger::{self, KillThread, KillTrigger};
use crate::latency::Latencies;
use crate::machine::core_text;
use crate::memory;
use crate::metrics::{Metrics, Sources};
use crate::operator::Operator;
use crate::replica::{self, Role};
use crate::space::SpaceWatch;
use crate::starting::{
    check_sizes, log_refused, settle, tell_of_watermark, tell_recovery, wait_for,
};
use crate::threads::Plan;
use anyhow::{Context, Result, anyhow};
use rtrb::{Consumer, Producer};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tidegate_adapters::runner::{self, Policy, RunnerHandle};
use tidegate_adapters::tidegate::{TidegateAdapter, TidegateVenue};
use tidegate_edge::{EdgeConfig, EngineLink};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::{self, EventLogHandle, EventPosition, RELEASE_PATIENCE};
use tidegate_engine::lane::{LANE_CAPACITY, lane};
use tidegate_engine::latency::{self, Alert, Collector, Latency, LatencyHandle, What};
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineError, EngineHandle, EngineStatus, Inputs, OpenJournal,
    Outputs, RecoveryReport, Stopped, Strategy,
};
use tidegate_feed_handler::udp::FeedStats;
use tidegate_journal::{Release, SyncPolicy};
use tidegate_model::command::Configure;
use tidegate_model::{CommandRecord, MarketEvent, RoutedRequest, SessionId};
use tidegate_replication::standby::Unbegun;

/// Order sessions that clients may hold at once, beside the lane that unary calls share.
const SESSIONS_MAX: usize = 15;

/// A running system.
pub struct System {
    engine: EngineHandle,
    log: EventLogHandle,
    edge: Edge,
    /// The adapters of live routes.
    routes: Vec<RunnerHandle>,
    calendars: Option<CalendarClock>,
    kill_file: KillThread,
    space: Option<SpaceWatch>,
    behind: Behind,
    operator: Operator,
    /// What trades inside the engine.
    residence: Option<Residence>,
    latencies: Latencies,
    plan: Plan,
    /// Where gRPC listens.
    pub edge_addr: SocketAddr,
    /// Where metrics are served, if they are.
    pub metrics_addr: Option<SocketAddr>,
    /// What the stages of the way take.
    pub latency: Arc<Latency>,
    feed_stats: Arc<OnceLock<Arc<FeedStats>>>,
    measuring: LatencyHandle,
    /// What everyone may know of the engine.
    pub status: Arc<EngineStatus>,
    /// How far outputs are released.
    pub release: Arc<Release>,
}

struct Edge {
    runtime: tokio::runtime::Runtime,
    shutdown: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), tidegate_edge::EdgeError>>,
    /// A session that comes in another way.
    session: SessionId,
}

impl System {
    /// Starts everything; the given ring brings market data. Returns when the engine has recovered and the edge
    /// listens.
    pub fn start(
        config: &Config,
        edge_config: EdgeConfig,
        feed: Consumer<MarketEvent>,
    ) -> Result<Self> {
        Self::start_as(&Role::Alone, config, edge_config, feed)
    }

    /// Starts everything as one of several nodes. As a standby it returns when it leads.
    ///
    /// # Errors
    /// [`replica::NotLed`] of a standby, and whatever stops a start.
    pub fn start_as(
        role: &Role<'_>,
        config: &Config,
        edge_config: EdgeConfig,
        feed: Consumer<MarketEvent>,
    ) -> Result<Self> {
        let plan = Plan::of_process(config)?;
        let residence = match &config.strategy {
            Some(entry) => Some(Residence::new(entry, entry.account(config)?)?),
            None => None,
        };
        memory::prepare(config);
        runtime::clock::start();
        let dir = &config.journal.dir;
        // What a crash interrupted.
        tidegate_journal::exchange::finish(&dir.into())?;
        let files = config.journal.files();
        let (epoch, instance) = match role {
            Role::Alone => (0, None),
            Role::Primary(_, leading) => (leading.epoch, Some(leading.instance)),
            Role::Standby(_, following) => (following.epoch, Some(following.instance)),
        };
        let journal = tidegate_journal::Config { epoch, instance, ..files.clone() };
        let release = Arc::new(config.release()?);
        let latencies = Latencies::read(&config.paper.ways())?;
        let configure = Configure {
            paper_latency_ns: latencies.entry_ns(),
            orders_max: config.engine.orders_max.get() as u32,
            book_orders_max: config.engine.book_orders_max.get() as u32,
            currency: config.risk.currency,
        };
        check_sizes(dir, &configure)?;
        let kill_file = config.kill_file();
        if config.risk.kill_file.is_some() {
            trigger::check_folder(&kill_file)?;
        }
        tell_of_watermark(dir)?;
        let (log_writer, events, lost) =
            event_log::open_beside(dir, files.clone(), release.level()).map_err(|error| {
                let refused = log_refused(dir, &error);
                anyhow!(error).context(refused)
            })?;
        if lost > 0 {
            tracing::warn!(
                events = lost,
                "the machine lost power before its disk had the last inputs; their events are set aside in events/cut, \
                 and clients that saw them were told at the process level"
            );
        }
        let (event_ring, events_in) =
            runtime::event_ring().context("no memory for the ring of events")?;
        let (stage_ring, stages) = runtime::stage_ring();
        let metrics = config.metrics.listen.map(Metrics::bind).transpose()?;
        let metrics_addr = metrics.as_ref().map(Metrics::addr).transpose()?;
        let latency = Arc::new(Latency::new(config.latency.budgets()));
        let collector = Collector::new(Arc::clone(&latency), stages, release.level());
        let measuring = latency::start(collector, &events, tell_alert)
            .context("cannot start the thread that measures")?;
        let (public_writer, public) = broadcast::channel(Arc::clone(&release))?;
        // The engine polls in this order: what stops it comes first.
        let (mut kill_file_lane, kill_file_in) = lane();
        let (mut kill, kill_in) = lane();
        let (mut operator_lane, operator_in) = lane();
        let (mut calendar_lane, calendar_in) = lane();
        let (mut space_lane, space_in) = lane();
        let mut lanes = Vec::new();
        let mut lanes_in = vec![kill_file_in, kill_in, space_in, operator_in, calendar_in];
        for _ in 0..=SESSIONS_MAX {
            let (sender, receiver) = lane();
            lanes.push(sender);
            lanes_in.push(receiver);
        }
        let book_requests = Arc::new(BookRequests::default());
        let (mut adapters, mut route_rings) = (Vec::new(), Vec::new());
        for _ in &config.routes {
            let (requests, requests_in) = runtime::route_ring();
            let (reports, reports_in) = rtrb::RingBuffer::new(LANE_CAPACITY);
            route_rings.push(requests);
            lanes_in.push(reports_in);
            adapters.push((requests_in, reports));
        }
        let inputs = Inputs { feed, lanes: lanes_in, book_requests: Arc::clone(&book_requests) };
        let (usher, seats) = runtime::seats::seats();
        let outputs = Outputs {
            events: event_ring,
            public: public_writer,
            stages: stage_ring,
            routes: route_rings,
            seats,
        };
        let engine_config = EngineConfig {
            journal_dir: dir.into(),
            journal,
            configure,
            // With all other threads, once they run.
            pin_core: None,
            wait: plan.wait,
            release: Arc::clone(&release),
            sync: Some(SyncPolicy {
                every: Duration::from_millis(config.journal.sync_every_ms.get()),
                ..Default::default()
            }),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let log = event_log::start(log_writer, events_in, Arc::clone(&release))?;
        let last = events.last();
        let parts = (engine_config, inputs, outputs, last);
        let (mut residence, place) = residence.unzip();
        let (engine, unbegun) = start_engine(role, parts, place);
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => {
                log.stop()?;
                return Err(error.into());
            }
        };
        let status = Arc::clone(&engine.status);
        let own = [
            &mut kill_file_lane,
            &mut kill,
            &mut space_lane,
            &mut operator_lane,
            &mut calendar_lane,
        ];
        own.into_iter().chain(&mut lanes).for_each(|lane| lane.wakes(&status));
        let mut operator =
            Operator::new(operator_lane, events.clone(), Arc::clone(&status), Arc::clone(&release));
        let mut kill_file =
            KillTrigger::new(kill_file, kill_file_lane, events.clone(), Arc::clone(&status));
        let log_watermark = events.watermark();
        let link = EngineLink {
            kill,
            lanes,
            events,
            public,
            book_requests,
            status: Arc::clone(&status),
            usher,
            release: Arc::clone(&release),
            latency: Arc::clone(&latency),
        };
        // If it does not lead, what follows the journal has ended before anything is done to that.
        let led = opened(role, &engine).and_then(|open| {
            tell_recovery(&status);
            let behind = Behind::start(config, &open, Arc::clone(&log_watermark), &release)?;
            match (role, unbegun) {
                (Role::Standby(node, following), Some(unbegun)) => {
                    following.until_led(node, dir, &engine, &open, unbegun, &files)?;
                }
                _ => wait_until_alive(&engine)?,
            }
            if let Role::Primary(node, _) | Role::Standby(node, _) = role {
                replica::take_lead(node, dir, &engine, &open, log_watermark, &release)?;
            }
            Ok(behind)
        });
        let behind = match led {
            Ok(behind) => behind,
            Err(error) => return Err(not_led(engine, log, &release, error)),
        };
        let feed_stats = Arc::default();
        let sources = Sources {
            status: Arc::clone(&status),
            release: Arc::clone(&release),
            latency: Arc::clone(&latency),
            feed: Arc::clone(&feed_stats),
        };
        // Recovery may have told old events again; none of them may be taken for an answer of this run.
        let started = settle(&engine, &log, &release)
            .and_then(|()| operator.set_up(config, configure, &latencies))
            .and_then(|followed| {
                // Before anything can send an order.
                kill_file.at_start()?;
                let kill_file = kill_file.start()?;
                let space = SpaceWatch::start(&config.journal, space_lane)?;
                let calendars = CalendarClock::start(&followed, calendar_lane)?;
                let routes = start_routes(config, adapters)?;
                if let Some(residence) = &residence {
                    let account = residence.account();
                    let checked = operator.check_account(account);
                    checked.with_context(|| format!("the strategy's account {account}"))?;
                }
                let edge = Edge::start(link, edge_config)?;
                if let Some(metrics) = metrics {
                    metrics.serve(sources, edge.0.runtime.handle())?;
                }
                if let Some(residence) = &mut residence {
                    let session = edge.0.session;
                    latency.seated(session);
                    residence.begin(session, &status)?;
                }
                Ok((kill_file, space, calendars, routes, edge))
            });
        let (kill_file, space, calendars, routes, (edge, edge_addr)) = match started {
            Ok(started) => started,
            Err(error) => {
                // What runs already ends in order, the journal sealed; an engine that ended by itself knows best why.
                let has_failed = !status.alive.load(Ordering::Acquire);
                return Err(match end(engine, log, &release) {
                    Err(cause) if has_failed => cause,
                    _ => error,
                });
            }
        };
        Ok(Self {
            engine,
            log,
            edge,
            calendars,
            kill_file,
            space,
            behind,
            routes,
            operator,
            residence,
            latencies,
            plan,
            edge_addr,
            metrics_addr,
            latency,
            feed_stats,
            measuring,
            status,
            release,
        })
    }

    /// Puts every thread where it is to run, warns of what shares a core with one that spins, and keeps memory where that is asked for.
    /// Once everything runs, the feed too. Returns where the threads are, and what was done about memory.
    ///
    /// # Errors
    /// If the system does not let a thread run where it was planned.
    pub fn settle_in(&self, config: &Config) -> Result<[String; 2]> {
        self.plan.carry_out()?;
        for (name, cores) in self.plan.own() {
            tracing::info!(thread = name, cores = core_text(cores), "placed");
        }
        for warning in self.plan.warnings() {
            tracing::warn!("{warning}");
        }
        Ok([self.plan.line(), memory::keep(config, &self.plan)])
    }

    /// The feed runs: its figures are among those that are served.
    pub fn feed_runs(&self, stats: &Arc<FeedStats>) {
        let _ = self.feed_stats.set(Arc::clone(stats));
    }

    /// How the engine came to its state; `None` for a journal that had nothing.
    pub fn recovered(&self) -> Option<&RecoveryReport> {
        let report = self.engine.status.recovery.get();
        report.filter(|report| report.inputs > 0 || report.from.is_some())
    }

    /// True if the engine has stopped by itself: something is wrong.
    pub fn has_failed(&self) -> bool {
        self.engine.is_finished()
    }

    /// Stops: the strategy inside ends, orders are canceled, clients are let go, the journal is sealed. The feed has ended
    /// before. Where nothing is released any more, it waits for each of the first and the last for ten seconds at most.
    ///
    /// # Errors
    /// What went wrong on the way, and what was never released: it is told after the next start.
    pub fn stop(mut self) -> Result<Stopped> {
        if let Some(calendars) = self.calendars.take() {
            calendars.stop();
        }
        if let Some(residence) = &self.residence {
            residence.end(&self.status);
        }
        // Once while clients can hear of it, and again when none can send any more.
        let told = self.operator.cancel_everything().map(|canceled| {
            let longest = Duration::from_nanos(self.latencies.longest_ns());
            if canceled.ack.value > 0 && !longest.is_zero() {
                std::thread::sleep(longest + Duration::from_millis(5));
            }
        });
        let edge = self.edge.stop();
        // What was not released once is not waited for again.
        let canceled = match &told {
            Err(_) if self.operator.is_held() => Ok(()),
            _ => self.operator.cancel_until_none_is_open(),
        };
        for route in self.routes {
            route.stop();
        }
        self.kill_file.stop();
        drop(self.space);
        // What ended the engine is why it could not be asked.
        let stopped = end(self.engine, self.log, &self.release)?;
        self.behind.finish();
        drop(self.measuring);
        told.and(edge).and(canceled)?;
        Ok(stopped)
    }
}

/// Starts the engine's thread with `strategy` on it; of a standby, with the node's end of its queue.
fn start_engine<S: Strategy + 'static>(
    role: &Role<'_>,
    (config, inputs, outputs, logged): (EngineConfig, Inputs, Outputs, EventPosition),
    strategy: S,
) -> (Result<EngineHandle, EngineError>, Option<Unbegun>) {
    let Role::Standby(node, _) = role else {
        return (runtime::start(config, inputs, outputs, logged, strategy), None);
    };
    let (end, unbegun) = node.queue(Arc::clone(&config.release));
    (runtime::start_standby(config, inputs, outputs, logged, strategy, end), Some(unbegun))
}

/// Tells a human that something takes longer than it may; one kind once a second at most.
fn tell_alert(alert: &Alert) {
    let what = match alert.what {
        What::Path(_) => "whole path",
        What::Stage(_) => "step",
    };
    tracing::warn!(
        of = alert.what.as_str(),
        took = short(alert.took_ns),
        budget = short(alert.budget_ns),
        breaches = alert.breaches,
        input = alert.trace.seq.0,
        session = alert.trace.session.0,
        request_id = alert.trace.request_id,
        "a {what} took longer than it may; `tidegate latency` shows where the time went"
    );
}

/// The journal, once the engine has replayed it.
fn opened(role: &Role<'_>, engine: &EngineHandle) -> Result<OpenJournal> {
    let is_stopped = || match role {
        Role::Standby(_, following) => following.stop.load(Ordering::Relaxed),
        _ => false,
    };
    let open = wait_for(engine, is_stopped, |status| status.journal.get().cloned())?;
    open.ok_or_else(|| replica::NotLed::Stopped.into())
}

fn wait_until_alive(engine: &EngineHandle) -> Result<()> {
    let is_alive = |status: &EngineStatus| status.alive.load(Ordering::Acquire).then_some(());
    wait_for(engine, || false, is_alive).map(|_| ())
}

/// Starts the adapter of each route.
fn start_routes(
    config: &Config,
    ends: Vec<(Consumer<RoutedRequest>, Producer<CommandRecord>)>,
) -> Result<Vec<RunnerHandle>> {
    let mut running = Vec::new();
    for (number, (route, (ring, lane))) in config.routes.iter().zip(ends).enumerate() {
        let instruments = config.instruments.iter();
        let instruments = instruments.filter(|entry| entry.route.as_ref() == Some(&route.name));
        let number = u8::try_from(number).context("the configuration bounds the routes")?;
        let RouteVenue::Tidegate = route.venue;
        let adapter = TidegateAdapter::new(TidegateVenue {
            address: route.address.clone(),
            token: route.token.clone(),
            account: route.account.get() as u32,
            route: number,
            settle: Duration::from_millis(route.settle_ms.get()),
            cancel_foreign: route.cancel_foreign,
            instruments: instruments.map(|entry| config.terms(entry)).collect::<Result<_>>()?,
        });
        let policy = Policy {
            route: number,
            timeout: Duration::from_millis(route.timeout_ms.get()),
            requests_per_sec: route.requests_per_sec.get() as u32,
        };
        let started = runner::start(adapter, policy, ring, lane);
        running.push(started.with_context(|| format!("cannot start route '{}'", route.name))?);
    }
    Ok(running)
}

/// Stops the engine, then the event log, and tells what stopped the first of them if it was not this.
fn end(engine: EngineHandle, log: EventLogHandle, release: &Release) -> Result<Stopped> {
    stop_within(&engine, release);
    match (engine.stop(), log.stop()) {
        // An engine without its log only knows that it is gone.
        (Err(EngineError::EventLogGone), Err(cause)) => Err(cause.into()),
        (stopped, logged) => {
            let stopped = stopped?;
            logged?;
            Ok(stopped)
        }
    }
}

/// Asks the engine to stop. One that waits for the release of what fills its buffer is let go when patience is over: what is not
/// released then stays in the journal, and the next start tells it.
fn stop_within(engine: &EngineHandle, release: &Release) {
    engine.ask_to_stop();
    let until = Instant::now() + RELEASE_PATIENCE;
    while !engine.is_finished() {
        if Instant::now() >= until && engine.status.is_waiting.load(Ordering::Acquire) {
            release.stop("the engine was told to stop while its release buffer was full".into());
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends what does not lead, and says why: an engine that ended by itself knows best.
fn not_led(
    engine: EngineHandle,
    log: EventLogHandle,
    release: &Release,
    error: anyhow::Error,
) -> anyhow::Error {
    stop_within(&engine, release);
    let ended = engine.stop();
    // A standby lets nothing out: what is not released is not waited for.
    release.stop("this node does not lead".into());
    let _ = log.stop();
    match ended {
        Err(cause) if !error.is::<replica::NotLed>() => cause.into(),
        _ => error,
    }
}

impl Edge {
    fn start(link: EngineLink, config: EdgeConfig) -> Result<(Self, SocketAddr)> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("edge")
            .enable_all()
            .build()
            .context("cannot start the edge's threads")?;
        let (shutdown, shut_down) = tokio::sync::oneshot::channel::<()>();
        let listen = config.listen;
        let bound = runtime.block_on(tidegate_edge::bind(link, config));
        let bound = bound.with_context(|| format!("cannot serve gRPC on {listen}"))?;
        let addr = bound.local_addr();
        let session = bound.next_session();
        let served = runtime.spawn(bound.serve(async {
            let _ = shut_down.await;
        }));
        Ok((Self { runtime, shutdown, served, session }, addr))
    }

    fn stop(self) -> Result<()> {
        let _ = self.shutdown.send(());
        let served = self.runtime.block_on(self.served);
        served.context("the edge panicked")??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tidegate_model::market::{Definition, MarketEventKind};
    use tidegate_model::{InstrumentId, Symbol};

    fn definition(n: u32) -> MarketEvent {
        Definition {
            kind: MarketEventKind::Definition.wire(),
            price_scale: 4,
            flags: 0,
            channel_id: n,
            ts_event: runtime::unix_now(),
            ts_recv: runtime::unix_now(),
            symbol: Symbol::new(&format!("S{n}")).expect("valid"),
            tick_size_nano: 100_000,
            lot_size_nano: 1_000_000_000,
        }
        .into_event()
    }

    #[test]
    fn a_log_that_fails_is_told_as_the_cause_and_at_once() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let more =
            "[engine]\norders_max = 1024\nbook_orders_max = 1024\n[journal]\nsegment_mib = 1\n";
        let mut config = Config::parse(more).expect("valid");
        config.journal.dir = dir.path().to_path_buf();
        let (mut feed_in, feed) = runtime::feed_ring();
        let edge = EdgeConfig { listen: ([127, 0, 0, 1], 0).into(), ..Default::default() };
        let system = System::start(&config, edge, feed).expect("it starts");
        // Each definition makes an event; in this folder no further segment can be made for them.
        std::fs::remove_dir_all(dir.path().join("events")).expect("it is there");
        for n in 0..InstrumentId::COUNT_MAX as u32 {
            feed_in.push(definition(n)).expect("room for all");
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while !system.has_failed() {
            assert!(Instant::now() < deadline, "the engine goes on without its log");
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        let error = format!("{:#}", system.stop().expect_err("the log failed"));
        assert!(error.contains("the event log failed") && error.contains("events"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "it waited for a dead engine");
    }
}
