//! The paper venue: fills against the real book, without touching it.
//!
//! * Nothing fills unless the instrument trades. Orders that reach the venue in a halt rest, as do those that rested
//!   before; when trading goes on, those that the book crosses take from it first.
//! * A marketable order takes what is displayed, level by level and order by order. What it took stays taken:
//!   each displayed order remembers how much of it is gone to us, until it leaves the book. New orders at the
//!   level are fresh liquidity.
//! * A market order goes no further than its protection price, the bound of the price collar when it was let in.
//! * A resting order knows its exact place: every displayed order that arrived earlier at its price is ahead.
//!   Executions of orders ahead, and their cancels, bring it forward. An execution of an order *behind* it, or at
//!   a worse price, would have met it first: it fills by that quantity, at its own price.
//! * A displayed order that arrives across a resting one would have met it as well, and is taken by it.
//! * What the market did before an order came to rest, by the feed's clock, cannot fill it, even if a feed that begins again
//!   tells it later; displayed orders that are told again stand ahead of it again.
//! * Paper orders never meet each other: the market that was recorded did not contain them.
//!
//! Bias: while a feed that began again catches up, an order sent meanwhile takes from the book of that time. The market does
//! not react to paper orders. Where the real flow would have been absorbed by our order
//! and stopped, the record goes on; see [`PaperVenue::flow`].

use super::table::Bounded;
use crate::book::Slot as BookSlot;
use tidegate_model::event::CancelReason;
use tidegate_model::hash::hash_words;
use tidegate_model::{InstrumentId, Lots, Reject, RejectReason, Side, StateHash, Ticks, UnixNanos};
use tidegate_oms::{OrderSlot, Requester};

/// Orders, cancels and replaces that may be on their way to the venue at once.
pub const IN_FLIGHT_MAX: usize = 65_536;

/// What travels between the gate and the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new order.
    New,
    /// The end of an order, and why.
    Cancel(CancelReason),
    /// New price and quantity, which the order store keeps.
    Replace,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    /// When it arrives.
    pub due: UnixNanos,
    /// The order it is about.
    pub order: OrderSlot,
    /// What it asks for.
    pub request: Request,
    /// Who asks.
    pub who: Requester,
}

/// An order of ours resting at the venue.
#[derive(Clone, Copy, Debug)]
pub struct Resting {
    /// The order.
    pub order: OrderSlot,
    /// Its limit price.
    pub price: Ticks,
    /// The arrival number it would have had: displayed orders with a smaller one are ahead at its price.
    pub priority: u64,
    /// Lots displayed ahead of it.
    pub ahead: Lots,
    /// Lots still open.
    pub leaves: Lots,
    /// The market's time when it came to rest: what the market did before cannot fill it.
    pub since: UnixNanos,
}

/// A fill of a resting order, found while a market event was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakerFill {
    /// The order.
    pub order: OrderSlot,
    /// Its own price.
    pub price: Ticks,
    /// Lots executed.
    pub qty: Lots,
}

/// How much of a level without orders is gone to us.
#[derive(Clone, Copy, Debug)]
struct TakenLevel {
    side: Side,
    price: Ticks,
    qty: Lots,
}

/// Where a taking order takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Displayed {
    /// A displayed order.
    Order(BookSlot),
    /// A price level of a feed that shows no orders.
    Level(Side, Ticks),
}

/// What the venue holds of one instrument.
#[derive(Debug)]
struct Desk {
    /// By side; best price first, then first come.
    resting: [Vec<Resting>; 2],
    /// Levels without orders that are partly gone to us, first taken first; never more than the book has.
    taken_levels: Vec<TakenLevel>,
}

/// The paper venue's own state: what is under way, what rests, what is taken.
#[derive(Debug)]
pub struct PaperVenue {
    latency_ns: u64,
    /// When the market event that is applied happened, by the feed's clock. A feed that begins again, as after a restart
    /// in the middle of a session, goes back in it.
    pub(super) market_time: UnixNanos,
    in_flight: Bounded<Flight>,
    /// By instrument.
    desks: Vec<Desk>,
    /// How much of each displayed order is gone to us, by its slot. The book marks the orders of which it is not 0,
    /// so that nobody looks here for the others.
    taken: Vec<u64>,
    /// Sum of the hashes of what is not 0 in `taken`.
    taken_hash: StateHash,
    /// Filled by [`Self::flow`], emptied by the core after each market event.
    pub(super) fills: Vec<MakerFill>,
    /// Displayed orders that our resting orders met as they arrived, to be flagged after the event.
    pub(super) met: Vec<(BookSlot, Lots)>,
}

impl PaperVenue {
    /// A venue without orders, beside books that display `book_orders_max` orders at most.
    pub fn new(book_orders_max: u32) -> Self {
        Self {
            latency_ns: 0,
            market_time: UnixNanos::ZERO,
            in_flight: Bounded::new(IN_FLIGHT_MAX),
            desks: Vec::with_capacity(InstrumentId::COUNT_MAX),
            // Zeroed memory is address space until it is written.
            taken: vec![0; book_orders_max as usize + 1],
            taken_hash: StateHash::default(),
            fills: Vec::with_capacity(1_024),
            met: Vec::with_capacity(64),
        }
    }

    /// Sets the time between gate and venue for requests sent from now on.
    pub fn set_latency(&mut self, latency_ns: u64) {
        self.latency_ns = latency_ns;
    }

    /// True if requests reach the venue at once.
    pub fn is_immediate(&self) -> bool {
        self.latency_ns == 0
    }

    /// Makes room for one more instrument.
    pub fn define_instrument(&mut self) {
        let queue = || Vec::with_capacity(16);
        self.desks.push(Desk { resting: [queue(), queue()], taken_levels: Vec::with_capacity(16) });
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
        let earliest = UnixNanos(now.0.saturating_add(self.latency_ns));
        let due = self.in_flight.back().map_or(earliest, |last| last.due.max(earliest));
        self.in_flight.push_back(Flight { due, order, request, who }).map_err(|_| IN_FLIGHT_MAX)
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
    pub fn rest(&mut self, instrument: InstrumentId, side: Side, resting: Resting) {
        let queue = &mut self.desks[instrument.index()].resting[side.index()];
        let at = queue.partition_point(|other| !is_better(side, resting.price, other.price));
        queue.insert(at, resting);
    }

    /// Takes an order off the venue; `None` if it does not rest there.
    pub fn remove(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        order: OrderSlot,
    ) -> Option<Resting> {
        let queue = &mut self.desks[instrument.index()].resting[side.index()];
        let at = queue.iter().position(|resting| resting.order == order)?;
        Some(queue.remove(at))
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

    /// A displayed order shrank by `by` lots: whoever queues behind it at that price moves forward.
    #[inline]
    pub fn ahead_reduced(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        priority: u64,
        by: Lots,
    ) {
        for resting in &mut self.desks[instrument.index()].resting[side.index()] {
            if resting.price == price && priority < resting.priority {
                resting.ahead = Lots(resting.ahead.0.saturating_sub(by.0));
            }
        }
    }

    /// `qty` lots traded against an order displayed at `price` on `side`, which came `priority`th.
    ///
    /// Every order of ours that stands before it, by price or by place, would have been met first. Orders of ours
    /// share the flow in their own priority. The record does not stop there, so over-filling by flow that our own
    /// order would have absorbed is bounded by the flow itself: each lot of it fills at most one lot of ours.
    #[inline]
    pub fn flow(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        priority: u64,
        qty: Lots,
    ) {
        self.meet(instrument, side, qty, |resting| {
            is_better(side, resting.price, price)
                || (resting.price == price && resting.priority <= priority)
        });
    }

    /// `qty` lots traded at `price` against nothing displayed: orders of ours on `side` at better prices would have
    /// been met first.
    /// Returns how much of it met them.
    pub fn flow_through(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Lots {
        self.meet(instrument, side, qty, |resting| is_better(side, resting.price, price))
    }

    /// An order of `qty` lots came to be displayed as the `priority`th, at a time before some of ours at its price rested:
    /// a feed that began again tells it a second time. It stood ahead of those, and does again.
    #[inline]
    pub fn told_again(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        priority: u64,
        qty: Lots,
    ) {
        for resting in &mut self.desks[instrument.index()].resting[side.index()] {
            if resting.price == price && resting.since > self.market_time {
                resting.priority = priority + 1;
                resting.ahead = Lots(resting.ahead.0.saturating_add(qty.0));
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
        self.meet(instrument, side, qty, |resting| !is_better(side, price, resting.price))
    }

    #[inline]
    fn meet(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        qty: Lots,
        is_met: impl Fn(&Resting) -> bool,
    ) -> Lots {
        let mut left = qty;
        for resting in &mut self.desks[instrument.index()].resting[side.index()] {
            if left.0 == 0 {
                break;
            }
            if !is_met(resting) || resting.leaves.0 == 0 || resting.since > self.market_time {
                continue;
            }
            let filled = left.min(resting.leaves);
            resting.leaves.0 -= filled.0;
            left.0 -= filled.0;
            self.fills.push(MakerFill { order: resting.order, price: resting.price, qty: filled });
        }
        self.desks[instrument.index()].resting[side.index()].retain(|resting| resting.leaves.0 > 0);
        Lots(qty.0 - left.0)
    }

    /// How much of a displayed order is gone to us. 0 for one that the book does not mark.
    #[inline]
    pub fn taken(&self, order: BookSlot) -> Lots {
        Lots(self.taken[order.index()])
    }

    /// How much of a level without orders is gone to us.
    pub fn taken_of_level(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Lots {
        let mut taken = self.desks[instrument.index()].taken_levels.iter();
        taken.find(|level| level.is_at(side, price)).map_or(Lots::ZERO, |level| level.qty)
    }

    /// Notes how much of a displayed order is gone to us.
    #[inline]
    pub fn set_taken(&mut self, order: BookSlot, qty: Lots) {
        let hash_of = |qty: u64| hash_words(0x5441_4b45, &[order.index() as u64, qty]);
        let taken = &mut self.taken[order.index()];
        if *taken > 0 {
            self.taken_hash.remove(hash_of(*taken));
        }
        if qty.0 > 0 {
            self.taken_hash.add(hash_of(qty.0));
        }
        *taken = qty.0;
    }

    /// Notes that `qty` more lots of a level without orders are gone to us.
    pub fn take_of_level(&mut self, instrument: InstrumentId, side: Side, price: Ticks, qty: Lots) {
        let taken = &mut self.desks[instrument.index()].taken_levels;
        match taken.iter_mut().find(|level| level.is_at(side, price)) {
            Some(level) => level.qty.0 += qty.0,
            None => taken.push(TakenLevel { side, price, qty }),
        }
    }

    /// The feed told a level anew: nothing of it is gone to us.
    #[inline]
    pub fn level_refreshed(&mut self, instrument: InstrumentId, side: Side, price: Ticks) {
        let taken = &mut self.desks[instrument.index()].taken_levels;
        if !taken.is_empty() {
            taken.retain(|level| !level.is_at(side, price));
        }
    }

    /// The hash of everything under way, resting and taken. The lists are short and hashed from scratch; what is taken
    /// of displayed orders has its sum kept.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        let mut add = |tag: u64, words: &[u64]| hash.add(hash_words(tag, words));
        add(0x5041_5045, &[self.latency_ns, self.market_time.0]);
        for (place, flight) in self.in_flight.iter().enumerate() {
            let kind = match flight.request {
                Request::New => 1,
                Request::Replace => 2,
                Request::Cancel(reason) => 1 << 8 | u64::from(reason.wire()),
            };
            let order = flight.order.index() as u64;
            let who = u64::from(flight.who.principal.0) << 32 | u64::from(flight.who.session.0);
            let request_id = flight.who.request_id;
            add(0x464c_4947, &[place as u64, flight.due.0, order, kind, who, request_id]);
        }
        for (instrument, desk) in self.desks.iter().enumerate() {
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
                    ];
                    add(0x5245_5354, &words);
                }
            }
            for taken in &desk.taken_levels {
                let place = (instrument as u64) << 32 | u64::from(taken.side.wire());
                add(0x4c45_5645, &[place, taken.price.0 as u64, taken.qty.0]);
            }
        }
        hash.combined(self.taken_hash)
    }
}

impl TakenLevel {
    fn is_at(&self, side: Side, price: Ticks) -> bool {
        self.side == side && self.price == price
    }
}

/// True if `a` is a better price than `b` for orders on `side`.
#[inline]
pub fn is_better(side: Side, a: Ticks, b: Ticks) -> bool {
    match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}
