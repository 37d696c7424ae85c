//! A house for tests: a real engine with its journal in a temporary folder, an edge in front of it, and a feed that
//! the test itself plays.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod authority;

use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tidegate_client::Client;
use tidegate_client::proto::*;
use tidegate_edge::{Edge, EdgeConfig, EdgeError, EngineLink, TokenEntry};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::{self, EventLog, EventLogHandle};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::latency::{Collector, Latency, LatencyHandle};
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineHandle, EngineStatus, Inputs, Outputs, Release,
    SyncPolicy, Trace, Wait,
};
use tidegate_model::command::{
    Configure, MAY_CONTROL, MAY_TRADE, Reason, Role, SetLimits, SetPrincipal,
};
use tidegate_model::market::{Definition, MarketEventKind as Kind};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{
    AccountId, Command, CommandRecord, Lots, MarketEvent, Money, PrincipalId, Side as ModelSide,
    StrategyId, Symbol, Ticks, UnixNanos,
};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

pub const ADMIN: &str = "admin-token-0123456789";
pub const TRADER: &str = "trader-token-0123456789";
pub const SYMBOL: &str = "ACME";
pub const ACCOUNT: u32 = 1;

/// Lanes of one edge: one for unary calls, two for sessions. One more is for kill switches.
pub const LANES: usize = 3;
/// Edges that one engine can have, one after the other.
const EDGES_MAX: usize = 2;

pub struct House {
    pub client: Client,
    pub addr: String,
    feed: Producer<MarketEvent>,
    lanes: Vec<CommandLane>,
    /// The configuration's own: who there is, and the first limits of accounts.
    operator: Mutex<CommandLane>,
    public: broadcast::Reader,
    book_requests: Arc<BookRequests>,
    pub status: Arc<EngineStatus>,
    pub release: Arc<Release>,
    pub stages: Consumer<Trace>,
    latency: Arc<Latency>,
    events: EventLog,
    engine: EngineHandle,
    log: EventLogHandle,
    edge: Running,
    orders: u64,
    _dir: TempDir,
}

pub struct Running {
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<Result<(), EdgeError>>,
}

impl Running {
    pub async fn stop(self) {
        self.shutdown.send(()).expect("the edge runs");
        self.served.await.expect("no panic").expect("a clean end");
    }
}

pub fn config() -> EdgeConfig {
    let token = |token: &str, principal, may_administer| TokenEntry {
        token: token.into(),
        principal: PrincipalId(principal),
        name: token.into(),
        may_administer,
        may_control: may_administer,
        acts_for: None,
    };
    EdgeConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tokens: vec![token(ADMIN, 1, true), token(TRADER, 2, false)],
        ..Default::default()
    }
}

pub async fn serve(link: EngineLink, config: EdgeConfig) -> (Running, String) {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let edge = Edge::bind(link, config).await.expect("the edge starts");
    let addr = format!("{scheme}://{}", edge.local_addr());
    let (shutdown, down) = oneshot::channel();
    let served = tokio::spawn(edge.serve(async {
        let _ = down.await;
    }));
    (Running { shutdown, served }, addr)
}

impl House {
    /// An engine and an edge, nothing set up.
    pub async fn empty(config: EdgeConfig) -> Self {
        Self::empty_at(config, Release::default(), SyncPolicy::default()).await
    }

    /// The same with a release level and a disk of the caller's.
    pub async fn empty_at(config: EdgeConfig, release: Release, sync: SyncPolicy) -> Self {
        let release = Arc::new(release);
        let dir = TempDir::new().expect("a folder");
        let (writer, events) =
            event_log::open(&dir.path().join("events"), Default::default()).expect("a log");
        let (event_ring, events_in) = runtime::event_ring().expect("memory");
        let (stage_ring, stages) = runtime::stage_ring();
        let (public_writer, public) = broadcast::channel(Arc::clone(&release)).expect("memory");
        let (feed, feed_out) = runtime::feed_ring();
        let (mut lanes, mut lanes_in) = (Vec::new(), Vec::new());
        for _ in 0..(LANES + 1) * EDGES_MAX + 1 {
            let (sender, receiver) = lane();
            lanes.push(sender);
            lanes_in.push(receiver);
        }
        let book_requests = Arc::new(BookRequests::default());
        let (usher, seats) = runtime::seats::seats();
        let inputs =
            Inputs { feed: feed_out, lanes: lanes_in, book_requests: Arc::clone(&book_requests) };
        let outputs = Outputs {
            events: event_ring,
            public: public_writer,
            stages: stage_ring,
            routes: Vec::new(),
            seats,
        };
        let engine_config = EngineConfig {
            journal_dir: (&dir.path().join("journal")).into(),
            journal: Default::default(),
            configure: Configure {
                paper_latency_ns: 0,
                orders_max: 1 << 14,
                book_orders_max: 1 << 14,
                currency: tidegate_model::ids::Code::EMPTY,
            },
            pin_core: None,
            wait: Wait::Park,
            release: Arc::clone(&release),
            sync: Some(sync),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let log = event_log::start(writer, events_in, Arc::clone(&release)).expect("a thread");
        let engine =
            runtime::start(engine_config, inputs, outputs, events.last(), ()).expect("a thread");
        let status = Arc::clone(&engine.status);
        while !status.alive.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut operator = lanes.pop().expect("a lane");
        set_people(&mut operator, &events).await;
        let latency = Arc::<Latency>::default();
        let link = EngineLink {
            latency: Arc::clone(&latency),
            usher,
            kill: lanes.pop().expect("a lane"),
            lanes: lanes.split_off(lanes.len() - LANES),
            events: events.clone(),
            public: public.clone(),
            book_requests: Arc::clone(&book_requests),
            status: Arc::clone(&status),
            release: Arc::clone(&release),
        };
        let (edge, addr) = serve(link, config).await;
        let client = Client::connect(&addr, Some(ADMIN)).await.expect("a connection");
        Self {
            client,
            addr,
            feed,
            lanes,
            operator: Mutex::new(operator),
            public,
            book_requests,
            status,
            release,
            stages,
            latency,
            events,
            engine,
            log,
            edge,
            orders: 0,
            _dir: dir,
        }
    }

    /// With an instrument that trades at 10.00 / 10.02, and an account with 100,000.
    pub async fn new(config: EdgeConfig) -> Self {
        Self::new_at(config, Release::default(), SyncPolicy::default()).await
    }

    /// The same with a release level and a disk of the caller's.
    pub async fn new_at(config: EdgeConfig, release: Release, sync: SyncPolicy) -> Self {
        let mut house = Self::empty_at(config, release, sync).await;
        house.open_account(ACCOUNT).await;
        let definition = Definition {
            kind: Kind::Definition.wire(),
            price_scale: 4,
            flags: 0,
            channel_id: 7,
            ts_event: UnixNanos(1),
            ts_recv: UnixNanos(1),
            symbol: Symbol::new(SYMBOL).expect("a symbol"),
            tick_size_nano: 100_000,
            lot_size_nano: 1_000_000_000,
        };
        house.feed(definition.into_event());
        house.add(1, ModelSide::Buy, 1000, 500);
        house.add(2, ModelSide::Sell, 1002, 500);
        house.settle(|book| book.bids.len() == 1 && book.asks.len() == 1).await;
        house
    }

    pub async fn open_account(&self, account: u32) {
        let client = &self.client;
        let open = OpenAccountRequest { account, currency: "USD".into(), ..Default::default() };
        done(client.open_account(open).await.expect("an answer"));
        let cash = TransferRequest { account, amount: "100000".into(), ..Default::default() };
        done(client.transfer(cash).await.expect("an answer"));
        let limits = SetLimits {
            max_order_notional: Money(50_000 * MONEY_PER_UNIT),
            max_order_qty: Lots(1_000),
            max_position: Lots(2_000),
            price_collar_bp: 1_000,
            max_open_orders: 5_000,
            messages_per_sec: 1_000_000,
            message_burst: 1_000_000,
            account: AccountId(account),
            reason: Reason::EMPTY,
            ..SetLimits::default()
        };
        let mut operator = self.operator.lock().await;
        configure(&mut operator, &self.events, Command::SetLimits(limits)).await;
    }

    pub fn feed(&mut self, event: MarketEvent) {
        self.feed.push(event).expect("room");
    }

    /// A displayed order, its price in cents.
    pub fn add(&mut self, order_ref: u64, side: ModelSide, cents: i64, qty: u64) {
        self.feed(MarketEvent {
            side: side.wire(),
            price: Ticks(cents * 100),
            qty: Lots(qty),
            ..event(Kind::Add, order_ref)
        });
    }

    /// Executes part of a displayed order.
    pub fn execute(&mut self, order_ref: u64, qty: u64) {
        self.feed(MarketEvent { qty: Lots(qty), ..event(Kind::Execute, order_ref) });
    }

    pub fn delete(&mut self, order_ref: u64) {
        self.feed(event(Kind::Delete, order_ref));
    }

    /// Waits until the book is as it should be.
    pub async fn settle(&self, is_there: impl Fn(&Book) -> bool) -> Book {
        for _ in 0..2_000 {
            let request = GetBookRequest { symbol: SYMBOL.into(), depth: 100 };
            match self.client.get_book(request).await {
                Ok(book) if is_there(&book) => return book,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
        panic!("the book did not become what it should");
    }

    /// A limit order for the day, with a name of its own.
    pub fn order(&mut self, side: Side, qty: &str, price: &str) -> SubmitOrderRequest {
        self.orders += 1;
        SubmitOrderRequest {
            account: ACCOUNT,
            symbol: SYMBOL.into(),
            client_order_id: format!("c{}", self.orders),
            side: side.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Day.into(),
            qty: qty.into(),
            price: price.into(),
            ..Default::default()
        }
    }

    pub async fn trader(&self) -> Client {
        Client::connect(&self.addr, Some(TRADER)).await.expect("a connection")
    }

    /// The edge goes, and another takes its place at the same address.
    pub async fn restart_edge(self) -> Self {
        self.restart_edge_with(config()).await
    }

    /// The same with a configuration of the caller's.
    pub async fn restart_edge_with(self, config: EdgeConfig) -> Self {
        let Self { edge, mut lanes, .. } = self;
        edge.stop().await;
        let (_, listen) = self.addr.split_once("://").expect("a URL");
        let listen = listen.parse().expect("an address");
        let link = EngineLink {
            latency: Arc::clone(&self.latency),
            // The engine's seats went with the first.
            usher: runtime::seats::seats().0,
            kill: lanes.pop().expect("a lane"),
            lanes: lanes.split_off(lanes.len() - LANES),
            events: self.events.clone(),
            public: self.public.clone(),
            book_requests: Arc::clone(&self.book_requests),
            status: Arc::clone(&self.status),
            release: Arc::clone(&self.release),
        };
        let (edge, addr) = serve(link, EdgeConfig { listen, ..config }).await;
        Self { edge, lanes, addr, ..self }
    }

    /// From now on what stages take is put together, as in the server.
    pub fn collect(&mut self) -> LatencyHandle {
        let stages = std::mem::replace(&mut self.stages, runtime::stage_ring().1);
        let latency = Arc::clone(&self.latency);
        let collector = Collector::new(latency, stages, self.release.level());
        tidegate_engine::latency::start(collector, &self.events, |_| ()).expect("a thread")
    }

    /// Ends everything, in order.
    pub async fn close(self) {
        self.edge.stop().await;
        self.engine.stop().expect("the engine ends well");
        self.log.stop().expect("the log ends well");
    }
}

/// Tells the engine whom the tokens of [`config`] stand for.
pub async fn set_people(lane: &mut CommandLane, events: &EventLog) {
    for (number, permissions) in [(1, MAY_TRADE | MAY_CONTROL), (2, MAY_TRADE)] {
        let person = SetPrincipal {
            principal: PrincipalId(number),
            account: AccountId::NONE,
            strategy: StrategyId::NONE,
            role: Role::Person.wire(),
            permissions,
            reserved: [0; 4],
            name: [0; 24],
        };
        configure(lane, events, Command::SetPrincipal(person)).await;
    }
}

/// Sends a command of the configuration, and waits until the change and its acknowledgement are told.
async fn configure(lane: &mut CommandLane, events: &EventLog, command: Command) {
    let before = events.count();
    let ts_recv = runtime::unix_now();
    lane.try_send(CommandRecord { ts_recv, ..CommandRecord::new(command) }).expect("room");
    while events.count() < before + 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn event(kind: Kind, order_ref: u64) -> MarketEvent {
    MarketEvent { kind: kind.wire(), channel_id: 7, order_ref, ..Default::default() }
}

pub fn done(answer: AdminResponse) {
    assert_eq!(answer.reject, None);
}

/// The code and text of a failed call.
pub fn failure<T: std::fmt::Debug>(
    answer: Result<T, tidegate_client::ClientError>,
) -> (tonic::Code, String) {
    match answer.expect_err("the call should fail") {
        tidegate_client::ClientError::Call { status, .. } => {
            (status.code(), status.message().to_string())
        }
        other => panic!("{other}"),
    }
}
