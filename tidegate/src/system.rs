//! The whole system in one process: engine, event log, edge and feed, started in order and stopped in reverse.

use crate::config::{AccountEntry, Config, Wait};
use anyhow::{Context, Result, anyhow, bail};
use rtrb::Consumer;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_edge::{EdgeConfig, EngineLink};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::{self, EventLog, EventLogError, EventLogHandle};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineHandle, Inputs, Outputs, StageSample, Stopped,
};
use tidegate_journal::JournalError;
use tidegate_model::command::{Configure, MassCancel, OpenAccount, SetLimits, Transfer};
use tidegate_model::event::{Ack, Event};
use tidegate_model::{
    AccountId, Command, CommandRecord, InstrumentId, Lots, MarketEvent, PrincipalId, RejectReason,
    SessionId,
};

/// Order sessions that clients may hold at once, beside the lane that unary calls share.
const SESSIONS_MAX: usize = 15;
/// How long the operator's own commands may take; recovery is over by then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A running system.
pub struct System {
    engine: EngineHandle,
    log: EventLogHandle,
    edge: Edge,
    operator: Operator,
    paper_latency: Duration,
    /// Where gRPC listens.
    pub edge_addr: SocketAddr,
    /// Timed stages.
    pub stages: Consumer<StageSample>,
    /// What everyone may know of the engine.
    pub status: Arc<runtime::EngineStatus>,
}

struct Edge {
    runtime: tokio::runtime::Runtime,
    shutdown: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), tidegate_edge::EdgeError>>,
}

/// The operator's own lane: what the configuration asks for goes the way of every command.
struct Operator {
    lane: CommandLane,
    events: EventLog,
    next_request: u64,
}

impl System {
    /// Starts everything; the given ring brings market data. Returns when the engine has recovered and the edge
    /// listens.
    pub fn start(
        config: &Config,
        edge_config: EdgeConfig,
        feed: Consumer<MarketEvent>,
    ) -> Result<Self> {
        let dir = &config.journal.dir;
        let journal = tidegate_journal::Config {
            segment_len: config.journal.segment_mib.get() << 20,
            ..Default::default()
        };
        let (log_writer, events) =
            event_log::open(&dir.join("events"), journal.clone()).map_err(|error| {
                let refused = log_refused(dir, &error);
                anyhow!(error).context(refused)
            })?;
        let (event_ring, events_in) = runtime::event_ring();
        let (stage_ring, stages) = runtime::stage_ring();
        let (public_writer, public) = broadcast::channel();
        let (operator_lane, operator_in) = lane();
        let (mut lanes, mut lanes_in) = (Vec::new(), vec![operator_in]);
        for _ in 0..=SESSIONS_MAX {
            let (sender, receiver) = lane();
            lanes.push(sender);
            lanes_in.push(receiver);
        }
        let book_requests = Arc::new(BookRequests::default());
        let inputs = Inputs { feed, lanes: lanes_in, book_requests: Arc::clone(&book_requests) };
        let outputs = Outputs { events: event_ring, public: public_writer, stages: stage_ring };
        let paper_latency = Duration::from_micros(config.engine.paper_latency_us.get());
        let engine_config = EngineConfig {
            journal_dir: dir.clone(),
            journal,
            configure: Configure {
                paper_latency_ns: paper_latency.as_nanos() as u64,
                orders_max: config.engine.orders_max.get() as u32,
                book_orders_max: config.engine.book_orders_max.get() as u32,
            },
            pin_core: config.engine.pin_core,
            wait: match config.engine.wait {
                Wait::Spin => runtime::Wait::Spin,
                Wait::Yield => runtime::Wait::Yield,
                Wait::Park => runtime::Wait::Park,
            },
        };
        let log = event_log::start(log_writer, events_in)?;
        let engine = runtime::start(engine_config, inputs, outputs, events.last(), ())?;
        let status = Arc::clone(&engine.status);
        while !status.alive.load(Ordering::Acquire) {
            if engine.is_finished() {
                engine.stop()?;
                bail!("the engine ended while it started");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // Recovery may have told old events again; none of them may be taken for an answer of this run.
        log.settle()?;

        let mut operator =
            Operator { lane: operator_lane, events: events.clone(), next_request: 1 };
        let link = EngineLink {
            lanes,
            events: events.clone(),
            public,
            book_requests,
            status: Arc::clone(&status),
        };
        let started = operator.set_up(config).and_then(|()| Edge::start(link, edge_config));
        let (edge, edge_addr) = match started {
            Ok(started) => started,
            Err(error) => {
                // The first error is the one to tell; what runs already ends in order, the journal sealed.
                let _ = engine.stop();
                let _ = log.stop();
                return Err(error);
            }
        };
        let system = Self { engine, log, edge, operator, paper_latency, edge_addr, stages, status };
        Ok(system)
    }

    /// True if the engine has stopped by itself: something is wrong.
    pub fn has_failed(&self) -> bool {
        self.engine.is_finished()
    }

    /// Stops: orders are canceled, clients are let go, the journal is sealed. The feed has ended before.
    pub fn stop(mut self) -> Result<Stopped> {
        let latency = self.paper_latency;
        let mut cancel = |engine: &EngineHandle| {
            if engine.is_finished() { Ok(()) } else { self.operator.cancel_everything(latency) }
        };
        // Once while clients can hear of it, and once when none can send any more.
        let told = cancel(&self.engine);
        let edge = self.edge.stop();
        let canceled = cancel(&self.engine);
        let stopped = self.engine.stop();
        let log = self.log.stop();
        let stopped = stopped?;
        log?;
        told.and(edge).and(canceled)?;
        Ok(stopped)
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
        let served = runtime.spawn(bound.serve(async {
            let _ = shut_down.await;
        }));
        Ok((Self { runtime, shutdown, served }, addr))
    }

    fn stop(self) -> Result<()> {
        let _ = self.shutdown.send(());
        let served = self.runtime.block_on(self.served);
        served.context("the edge panicked")??;
        Ok(())
    }
}

impl Operator {
    /// What the configuration asks for, as commands. Commands that an earlier run has done already are passed over.
    fn set_up(&mut self, config: &Config) -> Result<()> {
        for entry in &config.instruments {
            let answer = self.ask(Command::DefineInstrument(entry.instrument()?))?;
            refused(&answer, &[])
                .with_context(|| format!("cannot define instrument {}", entry.symbol))?;
        }
        for entry in &config.accounts {
            self.open(entry).with_context(|| format!("cannot open account {}", entry.id.get()))?;
        }
        Ok(())
    }

    fn open(&mut self, entry: &AccountEntry) -> Result<()> {
        let account = AccountId(entry.id.get() as u32);
        let open = OpenAccount { account, reserved: [0; 4], currency: entry.currency };
        let opened = self.ask(Command::OpenAccount(open))?;
        refused(&opened, &[RejectReason::DuplicateAccount])?;
        if opened.reject().is_none() {
            let amount = entry.cash.money();
            let paid =
                self.ask(Command::Transfer(Transfer { amount, account, reserved: [0; 12] }))?;
            refused(&paid, &[])?;
        }
        if let Some(limits) = &entry.limits {
            let limits = SetLimits {
                max_order_notional: limits.max_order_notional.money(),
                credit: limits.credit.money(),
                max_order_qty: Lots(limits.max_order_qty.get()),
                max_position: Lots(limits.max_position.get()),
                price_collar_bp: limits.price_collar_bp.get() as u32,
                max_open_orders: limits.max_open_orders.get() as u32,
                messages_per_sec: limits.messages_per_sec.get() as u32,
                message_burst: limits.message_burst.get() as u32,
                account,
                reserved: [0; 12],
            };
            refused(&self.ask(Command::SetLimits(limits))?, &[])?;
        }
        Ok(())
    }

    /// Cancels every open order, and waits for as long as the cancels take to the venue.
    fn cancel_everything(&mut self, latency: Duration) -> Result<()> {
        let everything = MassCancel {
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            side: 0,
            reserved: [0; 7],
        };
        let canceled = self.ask(Command::MassCancel(everything))?;
        if canceled.value > 0 && !latency.is_zero() {
            std::thread::sleep(latency + Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, command: Command) -> Result<Ack> {
        let mut cursor = self.events.cursor(self.events.last())?;
        let request_id = self.next_request;
        self.next_request += 1;
        let mut record =
            CommandRecord::new(command).from_session(PrincipalId(0), SessionId(0), request_id);
        record.ts_recv = runtime::unix_now();
        if self.lane.try_send(record).is_err() {
            bail!("the engine does not take commands");
        }
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        while Instant::now() < deadline {
            let Some(event) = cursor.next()? else {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            };
            if event.session == SessionId(0)
                && event.request_id == request_id
                && let Some(Event::Ack(ack)) = event.event()
            {
                return Ok(ack);
            }
        }
        bail!("the engine did not answer within {} s", ANSWER_TIMEOUT.as_secs());
    }
}

/// What it means that the event log cannot be opened, and what can be done about it.
fn log_refused(dir: &Path, error: &EventLogError) -> String {
    let events = dir.join("events");
    match error {
        EventLogError::Journal(JournalError::Locked { .. }) => {
            format!("the journal in {} is in use", dir.display())
        }
        EventLogError::Journal(JournalError::Io { .. } | JournalError::NoSpace { .. }) => {
            format!("cannot open the event log in {}", events.display())
        }
        _ => format!(
            "cannot open the event log; remove {}, it is rebuilt from the journal",
            events.display()
        ),
    }
}

fn refused(answer: &Ack, allowed: &[RejectReason]) -> Result<()> {
    match answer.reject() {
        Some(reject) if !allowed.contains(&reject.reason) => bail!("the engine refused: {reject}"),
        _ => Ok(()),
    }
}
