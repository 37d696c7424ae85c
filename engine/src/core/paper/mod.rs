//! The paper venue: fills against the real market, without touching it.
//!
//! * Nothing fills unless the instrument trades. Orders that reach the venue in a halt rest, as do those that rested
//!   before; when trading goes on, those that the book crosses take from it first.
//! * A marketable order takes what is displayed, level by level and order by order. What it took stays taken:
//!   each displayed order remembers how much of it is gone to us, until it leaves the book. New orders at the
//!   level are fresh liquidity.
//! * A market order goes no further than its protection price, the bound of the price collar when it was let in.
//! * How a resting order gets forward in its queue, and what fills it there, is for a [`FillModel`] to say, one for each
//!   kind of data.
//! * A displayed order or level that arrives across a resting order would have met it, and is taken by it.
//! * What the market did before an order came to rest, by the feed's clock, cannot fill it, even if a feed that begins again
//!   tells it later; displayed orders that are told again stand ahead of it again.
//! * What our taking does to the price is nothing, or what [`impact`] says.
//! * Paper orders never meet each other: the market that was recorded did not contain them. Those of one side share what
//!   comes, better price first, then first come: each lot of flow fills at most one lot of ours.
//! * Where ours took flow, the record goes on and executes displayed orders that would have been spared. Those still stand ahead
//!   of orders of ours that come to their price later ([`Spared`]), until the record shows nothing there any more.
//!
//! Bias: while a feed that began again catches up, an order sent meanwhile takes from the book of that time. The market does
//! not react to paper orders. What was spared would have been canceled some time (pessimistic), or would still be there when the
//! record's level is gone (optimistic); our takers do not take of it (pessimistic).

pub mod bars;
mod choice;
pub mod exact;
mod fixed;
pub mod impact;
pub mod latency;
pub mod levels;
pub mod probability;
mod queue;
pub mod quotes;
pub mod risk_averse;
mod taken;

pub use bars::Part;
pub use choice::{Depth, Model};
pub use impact::Impact;
pub use latency::Latency;
pub use levels::LevelPlace;
pub use queue::{FillCause, Market, PaperFill, Place, Queue, Resting, Spared, is_better};
pub use taken::Taken;

use super::table::Bounded;
use crate::book::Slot as BookSlot;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{FillModelKind, SetFillModel, SetImpact};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::hash_words;
use tidegate_model::market::{Bar, MarketEventKind};
use tidegate_model::saved::{Inconsistent, Room, make_room, room};
use tidegate_model::{
    InstrumentId, Lots, MarketEvent, Reject, RejectReason, Side, StateHash, Ticks, UnixNanos,
};
use tidegate_oms::{OrderSlot, Requester};

/// Orders, cancels and replaces that may be on their way to the venue at once.
pub const IN_FLIGHT_MAX: usize = 65_536;

/// How resting orders of ours get forward and are filled. One implementation for each kind of data; each says in its head what
/// it assumes and which way it errs.
///
/// A model hears what the market did to one side of one instrument, and puts fills into the [`Queue`] of our orders there.
/// It hears nothing of instruments without orders of ours.
pub trait FillModel {
    /// Which one it is, for the report of a fill.
    fn kind(&self) -> FillModelKind;

    /// An order of ours comes to rest behind `displayed` lots at its price.
    fn rested(&self, resting: &mut Resting, displayed: Lots) {
        resting.ahead = displayed;
    }

    /// `qty` lots came to be displayed at `place`.
    fn order_came(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        let _ = (queue, place, qty);
    }

    /// `qty` lots left the order displayed at `place`, for whatever reason.
    fn order_left(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        let _ = (queue, place, qty);
    }

    /// An aggressor met `qty` lots of the order displayed at `place`. To a model that knows no places it is a trade.
    fn order_met(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        self.traded(queue, place.price, qty);
    }

    /// An aggressor against this side traded `qty` lots at `price`; which order it met is not told. Returns how much of it
    /// would have met ours.
    fn traded(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) -> Lots;

    /// `qty` lots are now displayed at `price`. Of a book that is cleared nothing is told.
    fn level_told(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) {
        let _ = (queue, price, qty);
    }

    /// A part of a bar, of which our orders may take `left` lots together. Returns how much of it they took.
    fn bar(&self, queue: &mut Queue<'_>, bar: &Bar, part: Part, left: Lots) -> Lots {
        let _ = (queue, bar, part, left);
        Lots::ZERO
    }
}

/// What travels between the gate and the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A new order.
    New,
    /// The end of an order, and why.
    Cancel(CancelReason),
    /// New price and quantity, which the order store keeps.
    Replace,
    /// A new quantity, since other orders of its list changed; as it is to be when this arrives.
    Resize,
}

/// A request on its way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Flight {
    /// When it arrives.
    pub due: UnixNanos,
    /// The order it is about.
    pub order: OrderSlot,
    /// What it asks for.
    pub request: Request,
    /// Who asks.
    pub who: Requester,
    /// Its latency was said by [`PaperVenue::set_recorded_latency`]: it keeps no place among the others.
    pub is_recorded: bool,
}

/// Where a taking order takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Displayed {
    /// A displayed order.
    Order(BookSlot),
    /// A price level of a feed that shows no orders.
    Level(Side, Ticks),
}

/// An order that takes, waiting for the open of a bar.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AtOpen {
    /// The order.
    pub order: OrderSlot,
    /// When it reached the venue: the bar begins then or later.
    pub since: UnixNanos,
}

/// The bar that is applied.
#[derive(Clone, Copy, Debug)]
struct InBar {
    instrument: InstrumentId,
    /// Lots of its volume that our orders may still take.
    left: Lots,
    /// The order that a price of it has brought, and that price.
    at: Option<(OrderSlot, Ticks)>,
    /// How many of `armed` have been looked at.
    looked_at: usize,
}

/// What the venue holds of one instrument.
#[derive(Debug, Serialize, Deserialize)]
struct Desk {
    /// By side; best price first, then first come.
    resting: [Vec<Resting>; 2],
    /// By side.
    spared: [Spared; 2],
    /// First come first.
    at_open: Vec<AtOpen>,
    /// The first half of a bar, until the second comes.
    half: Option<MarketEvent>,
    /// What decides on their fills, chosen by the three that follow.
    #[serde(skip)]
    model: Model,
    /// As set by command.
    set: SetFillModel,
    /// What the feed told last.
    depth: Depth,
    /// One unit of the instrument.
    unit: Lots,
    /// What our taking does to its price.
    impact: Impact,
    /// Orders of it were removed and are in their queues yet.
    has_removed: bool,
}

/// The paper venue's own state: what is under way, what rests, what is taken.
#[derive(Debug, Serialize, Deserialize)]
pub struct PaperVenue {
    latency: Latency,
    /// What a simulation says that the requests sent next take.
    recorded_ns: Option<u64>,
    /// The market event that is applied, or was last.
    pub(super) market: Market,
    in_flight: Bounded<Flight, IN_FLIGHT_MAX>,
    /// By instrument.
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    desks: Vec<Desk>,
    /// The latest time when any order came to rest. What is at rest tells it, or less.
    #[serde(skip)]
    rested_last: UnixNanos,
    taken: Taken,
    /// Filled while a market event is applied, emptied by the core after it.
    #[serde(skip, default = "room::<_, 1_024>")]
    pub(super) fills: Vec<PaperFill>,
    /// Displayed orders that our resting orders met as they arrived, to be flagged after the event.
    #[serde(skip, default = "room::<_, 64>")]
    pub(super) met: Vec<(BookSlot, Lots)>,
    /// Between inputs there is none.
    #[serde(skip)]
    in_bar: Option<InBar>,
    /// Orders that came to wait for their stop price while it is applied.
    #[serde(skip, default = "room::<_, 64>")]
    armed: Vec<OrderSlot>,
    /// What is removed stays in its queue until all of it is.
    removes_later: bool,
    /// Instruments with such orders.
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    with_removed: Vec<InstrumentId>,
}

impl Desk {
    fn make_room(&mut self) {
        self.resting.iter_mut().for_each(|queue| make_room(queue, 16));
        make_room(&mut self.at_open, 16);
        self.spared.iter_mut().for_each(Spared::make_room);
    }
}

impl PaperVenue {
    /// A venue without orders, beside books that display `book_orders_max` orders at most.
    pub fn new(book_orders_max: u32) -> Self {
        Self {
            latency: Latency::none(),
            recorded_ns: None,
            market: Market::default(),
            in_flight: Bounded::new(),
            desks: Vec::with_capacity(InstrumentId::COUNT_MAX),
            rested_last: UnixNanos::ZERO,
            taken: Taken::new(book_orders_max),
            fills: Vec::with_capacity(1_024),
            met: Vec::with_capacity(64),
            in_bar: None,
            armed: Vec::with_capacity(64),
            removes_later: false,
            with_removed: Vec::with_capacity(InstrumentId::COUNT_MAX),
        }
    }

    /// Looks at what was read from a snapshot, of `instruments`, `orders` and books that display `book_orders_max` orders at
    /// most, and makes the room that there was.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(
        &mut self,
        instruments: usize,
        orders: usize,
        book_orders_max: u32,
    ) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "paper venue", why);
        check(self.desks.len() == instruments, "every instrument has a place")?;
        check(!self.removes_later && self.with_removed.is_empty(), "no removal is under way")?;
        let is_there = |slot: OrderSlot| slot.index() < orders;
        check(self.in_flight.iter().all(|flight| is_there(flight.order)), "requests have orders")?;
        let due = || self.in_flight.iter().map(|flight| flight.due);
        check(due().is_sorted(), "requests arrive in their order")?;
        for (desk, id) in self.desks.iter_mut().zip(0..) {
            let resting = desk.resting.iter().flatten().map(|resting| resting.order);
            let mut all = resting.chain(desk.at_open.iter().map(|waiting| waiting.order));
            check(all.all(is_there), "what rests are orders")?;
            check(desk.unit > Lots::ZERO && !desk.has_removed, "a unit is some lots")?;
            let is_known = choice::check(&desk.set).is_ok() && desk.set.instrument.0 == id;
            check(is_known && desk.impact.is_sound(), "settings mean something")?;
            desk.model = choice::choose(&desk.set, desk.depth, desk.unit);
            desk.make_room();
            let rested = desk.resting.iter().flatten().map(|resting| resting.since);
            self.rested_last = rested.fold(self.rested_last, UnixNanos::max);
        }
        self.latency.restored()?;
        self.taken.restored(instruments, book_orders_max)
    }

    /// How long requests and reports take.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// As [`Self::latency`], to change it for what is sent from now on, or to ask it.
    pub fn latency_mut(&mut self) -> &mut Latency {
        &mut self.latency
    }

    /// A simulation of what was recorded says how long each request that is sent next takes, in place of the latency that
    /// is set; such requests overtake each other, since they may have gone over several connections. No command leads
    /// here, so it is not hashed. What was said before is returned.
    pub fn set_recorded_latency(&mut self, latency_ns: Option<u64>) -> Option<u64> {
        std::mem::replace(&mut self.recorded_ns, latency_ns)
    }

    /// True if requests reach the venue at once.
    pub fn is_immediate(&self) -> bool {
        self.recorded_ns.map_or_else(|| self.latency.is_immediate(), |ns| ns == 0)
    }

    /// Makes room for one more instrument, of which one unit is `unit` lots.
    pub fn define_instrument(&mut self, unit: Lots) {
        let instrument = InstrumentId(self.desks.len() as u32);
        let set = SetFillModel { instrument, ..Default::default() };
        let depth = Depth::default();
        let model = choice::choose(&set, depth, unit);
        let mut desk = Desk {
            resting: Default::default(),
            spared: Default::default(),
            at_open: Vec::new(),
            half: None,
            model,
            set,
            depth,
            unit,
            impact: Impact::default(),
            has_removed: false,
        };
        desk.make_room();
        self.desks.push(desk);
        self.taken.define_instrument();
    }

    /// Sets how resting orders of an instrument are filled; the model that holds now.
    ///
    /// # Errors
    /// `BadField` for settings that mean nothing, `OrdersResting` while orders of ours rest.
    pub fn set_fill_model(&mut self, set: SetFillModel) -> Result<FillModelKind, Reject> {
        choice::check(&set)?;
        let desk = &mut self.desks[set.instrument.index()];
        if desk.set == set {
            return Ok(desk.model.kind());
        }
        let resting = desk.resting.iter().map(Vec::len).sum::<usize>() + desk.at_open.len();
        if resting > 0 {
            return Err(Reject::of(RejectReason::OrdersResting, resting as i128));
        }
        desk.set = set;
        desk.model = choice::choose(&desk.set, desk.depth, desk.unit);
        Ok(desk.model.kind())
    }

    /// Sets what our taking does to the price of an instrument; what was pushed before is forgotten.
    ///
    /// # Errors
    /// As [`Impact::check`].
    pub fn set_impact(&mut self, set: SetImpact) -> Result<(), Reject> {
        Impact::check(&set)?;
        self.desks[set.instrument.index()].impact = Impact::new(set);
        Ok(())
    }

    /// What our taking does to the price of an instrument.
    #[inline]
    pub fn impact(&self, instrument: InstrumentId) -> &Impact {
        &self.desks[instrument.index()].impact
    }

    /// An order on `side` took `qty` lots at `now`.
    #[inline]
    pub fn took(&mut self, instrument: InstrumentId, side: Side, qty: Lots, now: UnixNanos) {
        self.desks[instrument.index()].impact.took(side, qty, now);
    }

    /// The day ends: what was pushed is forgotten.
    pub fn forget_impact(&mut self) {
        self.desks.iter_mut().for_each(|desk| desk.impact.forget());
    }

    /// The feed of an instrument tells so much. Orders of ours at rest, if there are any, keep what was ahead of them.
    #[inline]
    pub fn told(&mut self, instrument: InstrumentId, depth: Depth) {
        let desk = &mut self.desks[instrument.index()];
        if desk.depth != depth {
            desk.depth = depth;
            desk.model = choice::choose(&desk.set, depth, desk.unit);
            for resting in desk.resting.iter_mut().flatten() {
                desk.model.rested(resting, resting.ahead);
            }
        }
    }

    /// Sends a request on its way at `now`.
    ///
    /// Latency may have been lowered since the last one was sent; requests still arrive in the order of sending,
    /// as over one connection.
    ///
    /// # Errors
    /// [`IN_FLIGHT_MAX`] if that many are under way.
    pub fn send(
        &mut self,
        now: UnixNanos,
        order: OrderSlot,
        request: Request,
        who: Requester,
    ) -> Result<(), usize> {
        let is_recorded = self.recorded_ns.is_some();
        let latency_ns = self.recorded_ns.unwrap_or_else(|| self.latency.to_venue(now));
        let earliest = UnixNanos(now.0.saturating_add(latency_ns));
        let before = match self.in_flight.back() {
            Some(last) if last.is_recorded => self.in_flight.iter().rev().find(|f| !f.is_recorded),
            last => last,
        };
        let due = before.filter(|_| !is_recorded).map_or(earliest, |last| last.due.max(earliest));
        let flight = Flight { due, order, request, who, is_recorded };
        let sent = match self.in_flight.back() {
            Some(last) if last.due > due => {
                self.in_flight.insert_before(flight, |other| other.due > due)
            }
            _ => self.in_flight.push_back(flight),
        };
        sent.map_err(|_| IN_FLIGHT_MAX)
    }

    /// Lets a request pass for which there is room on the way.
    ///
    /// # Errors
    /// `CapacityExceeded` with [`IN_FLIGHT_MAX`].
    pub fn check_room(&self) -> Result<(), Reject> {
        if self.in_flight.has_room() {
            return Ok(());
        }
        let limit = IN_FLIGHT_MAX as i128;
        Err(Reject::new(RejectReason::CapacityExceeded, limit, limit + 1))
    }

    /// When the next request arrives.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.in_flight.front().map(|flight| flight.due)
    }

    /// The next request that has arrived by `now`.
    pub fn arrived(&mut self, now: UnixNanos) -> Option<Flight> {
        self.in_flight.pop_front_if(|flight| flight.due <= now)
    }

    /// True if market events of the instrument can concern an order of ours.
    #[inline]
    pub fn has_resting(&self, instrument: InstrumentId) -> bool {
        let [buys, sells] = &self.desks[instrument.index()].resting;
        !(buys.is_empty() && sells.is_empty())
    }

    /// Orders of ours at rest on one side, best price first, then first come.
    pub fn resting(&self, instrument: InstrumentId, side: Side) -> &[Resting] {
        &self.desks[instrument.index()].resting[side.index()]
    }

    /// Lays an order to rest behind everything displayed at its price.
    pub fn rest(&mut self, instrument: InstrumentId, side: Side, mut resting: Resting) {
        self.rested_last = self.rested_last.max(resting.since);
        let desk = &mut self.desks[instrument.index()];
        let displayed = resting.ahead;
        resting.spared = desk.spared[side.index()].at(resting.price);
        desk.model.rested(&mut resting, displayed);
        let queue = &mut desk.resting[side.index()];
        let at = queue.partition_point(|other| !is_better(side, resting.price, other.price));
        queue.insert(at, resting);
    }

    /// Takes an order off the venue, if it rests there or waits for an open.
    pub fn remove(&mut self, instrument: InstrumentId, side: Side, order: OrderSlot) {
        let desk = &mut self.desks[instrument.index()];
        if self.removes_later {
            if !desk.has_removed {
                desk.has_removed = true;
                self.with_removed.push(instrument);
            }
            return;
        }
        let queue = &mut desk.resting[side.index()];
        if let Some(at) = queue.iter().position(|resting| resting.order == order) {
            queue.remove(at);
        } else if let Some(at) = desk.at_open.iter().position(|waiting| waiting.order == order) {
            desk.at_open.remove(at);
        }
    }

    /// Many orders are removed until [`Self::remove_together`]: they stay in their queues until then, which nobody must look
    /// at meanwhile.
    pub fn remove_later(&mut self) {
        self.removes_later = true;
    }

    /// Takes out of the queues, in one pass through each, what was removed and is not open any more.
    pub fn remove_together(&mut self, is_open: impl Fn(OrderSlot) -> bool) {
        self.removes_later = false;
        while let Some(instrument) = self.with_removed.pop() {
            let desk = &mut self.desks[instrument.index()];
            desk.has_removed = false;
            for queue in &mut desk.resting {
                queue.retain(|resting| is_open(resting.order));
            }
            desk.at_open.retain(|waiting| is_open(waiting.order));
        }
    }

    /// Lowers the open quantity of a resting order, which keeps its place; false if it does not rest there.
    pub fn reduce(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        order: OrderSlot,
        leaves: Lots,
    ) -> bool {
        let queue = &mut self.desks[instrument.index()].resting[side.index()];
        let Some(resting) = queue.iter_mut().find(|resting| resting.order == order) else {
            return false;
        };
        assert!(leaves.0 > 0, "an order without open quantity does not rest");
        assert!(leaves <= resting.leaves, "a larger quantity loses its place");
        resting.leaves = leaves;
        true
    }

    /// What decides on fills of the instrument's resting orders, and those of one side.
    #[inline]
    fn queue(&mut self, instrument: InstrumentId, side: Side) -> (Model, Queue<'_>) {
        let desk = &mut self.desks[instrument.index()];
        let model = desk.model;
        let orders = &mut desk.resting[side.index()];
        let spared = &mut desk.spared[side.index()];
        let (market, fills, rested_last) = (self.market, &mut self.fills, self.rested_last);
        let model_kind = model.kind();
        (model, Queue { side, market, rested_last, model: model_kind, orders, spared, fills })
    }

    /// Which model decides on fills of the instrument.
    pub fn model_of(&self, instrument: InstrumentId) -> FillModelKind {
        self.desks[instrument.index()].model.kind()
    }

    /// See [`FillModel::order_came`].
    #[inline]
    pub fn order_came(&mut self, instrument: InstrumentId, side: Side, place: Place, qty: Lots) {
        let (model, mut queue) = self.queue(instrument, side);
        model.order_came(&mut queue, place, qty);
    }

    /// See [`FillModel::order_left`].
    #[inline]
    pub fn order_left(&mut self, instrument: InstrumentId, side: Side, place: Place, qty: Lots) {
        let (model, mut queue) = self.queue(instrument, side);
        model.order_left(&mut queue, place, qty);
    }

    /// See [`FillModel::order_met`].
    #[inline]
    pub fn order_met(&mut self, instrument: InstrumentId, side: Side, place: Place, qty: Lots) {
        let (model, mut queue) = self.queue(instrument, side);
        model.order_met(&mut queue, place, qty);
    }

    /// See [`FillModel::traded`].
    pub fn traded(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Lots {
        let (model, mut queue) = self.queue(instrument, side);
        model.traded(&mut queue, price, qty)
    }

    /// See [`FillModel::level_told`].
    #[inline]
    pub fn level_told(&mut self, instrument: InstrumentId, side: Side, price: Ticks, qty: Lots) {
        let (model, mut queue) = self.queue(instrument, side);
        model.level_told(&mut queue, price, qty);
    }

    /// Nothing is displayed at a price any more: what was spared there is forgotten.
    #[inline]
    pub fn level_gone(&mut self, instrument: InstrumentId, side: Side, price: Ticks) {
        let desk = &mut self.desks[instrument.index()];
        let spared = &mut desk.spared[side.index()];
        if !spared.is_empty() && spared.forget(price) {
            let at = desk.resting[side.index()].iter_mut().filter(|order| order.price == price);
            at.for_each(|order| order.spared = Lots::ZERO);
        }
    }

    /// Nothing is displayed any more, at prices where nothing was before either: all that was spared is forgotten.
    pub fn levels_gone(&mut self, instrument: InstrumentId) {
        let desk = &mut self.desks[instrument.index()];
        for (spared, resting) in desk.spared.iter_mut().zip(&mut desk.resting) {
            if !spared.is_empty() {
                spared.forget_all();
                resting.iter_mut().for_each(|order| order.spared = Lots::ZERO);
            }
        }
    }

    /// `qty` lots are offered at `price` by an order that arrived on the side opposite to `side`; returns how many
    /// of them met orders of ours resting on `side`.
    #[inline]
    pub fn crossed_by(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Lots {
        let (_, mut queue) = self.queue(instrument, side);
        queue.meet(qty, price, |_| true)
    }

    /// What the feed of the instrument told last.
    #[inline]
    pub fn depth(&self, instrument: InstrumentId) -> Depth {
        self.desks[instrument.index()].depth
    }

    /// Takes one half of a bar; the bar if it is complete and means something.
    pub fn half_of_bar(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Option<Bar> {
        let half = &mut self.desks[instrument.index()].half;
        let first = half.take();
        if event.kind() == Some(MarketEventKind::BarRange) {
            *half = Some(*event);
        }
        Bar::from_events(&first?, event)
    }

    /// From now on to [`Self::end_bar`] a bar is applied.
    pub fn begin_bar(&mut self, instrument: InstrumentId, bar: &Bar) {
        let left = match self.desks[instrument.index()].model {
            Model::Bars(model) => model.share_of(bar.volume),
            _ => Lots::ZERO,
        };
        self.in_bar = Some(InBar { instrument, left, at: None, looked_at: 0 });
    }

    /// The bar is done.
    pub fn end_bar(&mut self) {
        self.in_bar = None;
        self.armed.clear();
    }

    /// True while a bar of the instrument is applied.
    #[inline]
    pub fn is_in_bar(&self, instrument: InstrumentId) -> bool {
        self.in_bar.is_some_and(|bar| bar.instrument == instrument)
    }

    /// Lots that our orders may still take of the bar.
    pub fn left_of_bar(&self) -> Lots {
        self.in_bar.map_or(Lots::ZERO, |bar| bar.left)
    }

    /// An order took so many of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn take_of_bar(&mut self, qty: Lots) {
        let bar = self.in_bar.as_mut().expect("a bar is applied");
        bar.left = bar.left.checked_sub(qty).expect("no more is taken than is left");
    }

    /// A price of the bar brings an order to the venue, or no longer does.
    pub fn at_price_in_bar(&mut self, at: Option<(OrderSlot, Ticks)>) {
        self.in_bar.as_mut().expect("a bar is applied").at = at;
    }

    /// The price of the bar that brought the order.
    pub fn price_in_bar(&self, order: OrderSlot) -> Option<Ticks> {
        let (brought, price) = self.in_bar?.at?;
        (brought == order).then_some(price)
    }

    /// An order begins to wait for its stop price.
    pub fn armed(&mut self, order: OrderSlot) {
        if self.in_bar.is_some() {
            self.armed.push(order);
        }
    }

    /// The orders that began to wait in this bar since this was asked last.
    pub fn newly_armed(&mut self) -> std::ops::Range<usize> {
        let bar = self.in_bar.as_mut().expect("a bar is applied");
        let from = std::mem::replace(&mut bar.looked_at, self.armed.len());
        from..self.armed.len()
    }

    /// True if any did.
    pub fn has_armed(&self) -> bool {
        self.in_bar.is_some_and(|bar| bar.looked_at < self.armed.len())
    }

    /// True if the order is one of those.
    pub fn is_armed(&self, among: std::ops::Range<usize>, order: OrderSlot) -> bool {
        self.armed[among].contains(&order)
    }

    /// Lets an order wait for the next open. There are never more than orders are kept.
    pub fn wait_for_open(&mut self, instrument: InstrumentId, waiting: AtOpen) {
        self.desks[instrument.index()].at_open.push(waiting);
    }

    /// The next order that waits for an open and reached the venue by `begin`; it waits no longer.
    pub fn next_at_open(
        &mut self,
        instrument: InstrumentId,
        begin: UnixNanos,
    ) -> Option<OrderSlot> {
        let at_open = &mut self.desks[instrument.index()].at_open;
        let at = at_open.iter().position(|waiting| waiting.since <= begin)?;
        Some(at_open.remove(at).order)
    }

    /// Fills resting orders by a part of the bar that is applied.
    pub fn fill_by_bar(&mut self, instrument: InstrumentId, side: Side, bar: &Bar, part: Part) {
        let left = self.left_of_bar();
        let (model, mut queue) = self.queue(instrument, side);
        let met = model.bar(&mut queue, bar, part, left);
        self.take_of_bar(met);
    }

    /// What of the displayed market is gone to our taking orders.
    #[inline]
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// As [`Self::taken`], to change it.
    #[inline]
    pub fn taken_mut(&mut self) -> &mut Taken {
        &mut self.taken
    }

    /// The hash of everything under way, resting and taken. The lists are short and hashed from scratch.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        let mut add = |tag: u64, words: &[u64]| hash.add(hash_words(tag, words));
        add(0x5041_5045, &[self.latency.hash().0, self.market.time.0]);
        for (place, flight) in self.in_flight.iter().enumerate() {
            let kind = match flight.request {
                Request::New => 1,
                Request::Replace => 2,
                Request::Resize => 3,
                Request::Cancel(reason) => 1 << 8 | u64::from(reason.wire()),
            };
            let order = flight.order.index() as u64;
            let who = u64::from(flight.who.principal.0) << 32 | u64::from(flight.who.session.0);
            let request_id = flight.who.request_id;
            add(0x464c_4947, &[place as u64, flight.due.0, order, kind, who, request_id]);
        }
        for (instrument, desk) in self.desks.iter().enumerate() {
            let unset = SetFillModel { instrument: desk.set.instrument, ..Default::default() };
            let set: [u64; 3] = bytemuck::cast(desk.set);
            if desk.set != unset || desk.depth != Depth::default() {
                let depth = (instrument as u64) << 8 | desk.depth as u64;
                add(0x4445_534b, &[depth, set[0], set[1], set[2]]);
            }
            if desk.impact != Impact::default() {
                let [a, b, c, d, e, f] = desk.impact.words();
                add(0x494d_5041, &[instrument as u64, a, b, c, d, e, f]);
            }
            for (place, waiting) in desk.at_open.iter().enumerate() {
                let place = (instrument as u64) << 32 | place as u64;
                add(0x4f50_454e, &[place, waiting.order.index() as u64, waiting.since.0]);
            }
            if let Some(half) = desk.half {
                let words: [u64; 8] = bytemuck::cast(half);
                add(0x4841_4c46, &words);
            }
            for (side, spared) in desk.spared.iter().enumerate() {
                for (place, (price, qty)) in spared.iter().enumerate() {
                    let place = (instrument as u64) << 32 | (side as u64) << 31 | place as u64;
                    add(0x5350_4152, &[place, price.0 as u64, qty.0]);
                }
            }
            for (side, queue) in desk.resting.iter().enumerate() {
                for (place, resting) in queue.iter().enumerate() {
                    let place = (instrument as u64) << 32 | (side as u64) << 31 | place as u64;
                    let words = [
                        place,
                        resting.order.index() as u64,
                        resting.price.0 as u64,
                        resting.priority,
                        resting.ahead.0,
                        resting.leaves.0,
                        resting.since.0,
                        resting.spared.0,
                    ];
                    add(0x5245_5354, &words);
                    if resting.level != LevelPlace::default() {
                        let [a, b, c, d, e, f, g] = resting.level.words();
                        add(0x504c_4143, &[words[0], a, b, c, d, e, f, g]);
                    }
                }
            }
        }
        hash.combined(self.taken.hash())
    }
}
