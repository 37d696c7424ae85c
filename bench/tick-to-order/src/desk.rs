//! An engine that this program drives itself, with the market and the account that all ways trade with.

use crate::open_loop::Stamps;
use anyhow::Result;
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_bench::desk;
use tidegate_engine::broadcast;
use tidegate_engine::core::Core;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::runtime::seats::{self, Usher};
use tidegate_engine::runtime::{
    self, BookRequests, Engine, EngineConfig, EngineStatus, Inputs, Orders, Outputs, Strategy,
    SyncPolicy, Trace, Wait,
};
use tidegate_model::command::Configure;
use tidegate_model::event::ExecType;
use tidegate_model::{Event, EventRecord, MarketEvent, Side, Ticks, UnixNanos};
use tidegate_ring::queue::Receiver;

const BID: Ticks = Ticks(1_000_000);
const OFFER: Ticks = Ticks(1_000_100);

/// Stamps each order when it is at the venue, and trades with what is inside.
pub struct Watch<S> {
    pub inner: S,
    pub stamps: Stamps,
}

/// True if the event says that an order is at its venue.
#[inline]
fn is_at_venue(record: &EventRecord) -> bool {
    matches!(record.event(), Some(Event::Execution(it)) if it.exec_type == ExecType::New.wire())
}

impl<S: Strategy> Strategy for Watch<S> {
    #[inline]
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders) {
        self.inner.on_market(core, event, orders);
    }
    #[inline]
    fn on_event(&mut self, record: &EventRecord) {
        if is_at_venue(record) {
            self.stamps.stamp();
        }
        self.inner.on_event(record);
    }
}

/// The market: fresh liquidity on either side in turn, never the same quantity, so that each event is seen.
pub struct Market {
    refs: [u64; 2],
    sent: u64,
}

impl Market {
    /// What opens it.
    pub fn begin() -> (Self, [MarketEvent; 3]) {
        let market = Self { refs: [1, 2], sent: 0 };
        let [bid, offer] = [(Side::Buy, BID), (Side::Sell, OFFER)]
            .map(|(side, price)| desk::add(side.index() as u64 + 1, side, price, 1_000));
        (market, [desk::definition(), bid, offer])
    }

    /// The next event; its `feed_seq` counts from 0.
    #[inline]
    pub fn next(&mut self) -> MarketEvent {
        let side = (self.sent % 2) as usize;
        let (new_ref, qty) = (self.sent + 3, 1_000 + self.sent / 2 % 2);
        let event = desk::refresh(self.refs[side], new_ref, [BID, OFFER][side], qty, self.sent);
        self.refs[side] = new_ref;
        self.sent += 1;
        event
    }
}

/// Where an engine's journal is, and how it is set up.
pub fn config(dir: &TempDir) -> EngineConfig {
    EngineConfig {
        journal_dir: (&dir.path().join("journal")).into(),
        journal: tidegate_journal::Config { segment_len: 512 << 20, ..Default::default() },
        // Room for as many orders as three seconds of the fastest rate have.
        configure: Configure { orders_max: 1 << 21, ..desk::CONFIGURE },
        pin_core: None,
        wait: Wait::Spin,
        release: Arc::default(),
        sync: Some(SyncPolicy::default()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    }
}

/// What is outside an engine: the other ends of what goes in and of what comes out.
pub struct Ends {
    pub feed: Producer<MarketEvent>,
    pub events: Receiver<EventRecord>,
    pub public: broadcast::Reader,
    pub traces: Consumer<Trace>,
    pub usher: Usher,
    operator: CommandLane,
}

impl Ends {
    /// Both sides of everything.
    pub fn new() -> Result<(Self, Inputs, Outputs)> {
        let (feed, feed_in) = runtime::feed_ring();
        let (events_out, events) = runtime::event_ring()?;
        let (stages, traces) = runtime::stage_ring();
        let (public_out, public) = broadcast::channel(Arc::default())?;
        let (usher, seats) = seats::seats();
        let (operator, operator_in) = lane();
        let book_requests = Arc::new(BookRequests::default());
        let inputs = Inputs { feed: feed_in, lanes: vec![operator_in], book_requests };
        let routes = Vec::new();
        let outputs = Outputs { events: events_out, public: public_out, stages, routes, seats };
        Ok((Self { feed, events, public, traces, usher, operator }, inputs, outputs))
    }

    /// Sends what opens the market and lets the account trade.
    pub fn open_market(&mut self) -> Market {
        let (market, opening) = Market::begin();
        for event in opening {
            self.feed.push(event).expect("it is empty");
        }
        for command in desk::set_up() {
            self.operator.try_send(command).expect("it is empty");
        }
        market
    }
}

/// An engine and all that is outside it, on one thread.
pub struct Driven<S> {
    engine: Engine<S>,
    inputs: Inputs,
    pub ends: Ends,
    market: Market,
    _dir: TempDir,
}

impl<S: Strategy> Driven<S> {
    /// An engine in which the market is open and the account may trade.
    pub fn start(strategy: S) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (mut ends, inputs, outputs) = Ends::new()?;
        let status = Arc::<EngineStatus>::default();
        let config = config(&dir);
        let engine = Engine::recover(&config, outputs, EventPosition::default(), strategy, status)?;
        let market = ends.open_market();
        let mut driven = Self { engine, inputs, ends, market, _dir: dir };
        while driven.turn()? > 0 {}
        driven.drain();
        tidegate_engine::memory::populate()?;
        Ok(driven)
    }

    /// One turn of the engine. Its clock is its own, as on its thread.
    #[inline]
    pub fn turn(&mut self) -> Result<usize> {
        Ok(self.engine.turn(&mut self.inputs, runtime::unix_now)?)
    }

    /// Takes away what an event log and a collector would.
    #[inline]
    pub fn drain(&mut self) {
        while self.ends.events.pop().is_some() {}
        while self.ends.traces.pop().is_ok() {}
    }

    /// Offers the next event.
    #[inline]
    pub fn offer(&mut self) {
        let event = MarketEvent { ts_recv: UnixNanos(1), ..self.market.next() };
        self.ends.feed.push(event).expect("the turn before took what was there");
    }
}
