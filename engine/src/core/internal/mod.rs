//! The markets of the house: orders that passed the gate meet each other in [`Markets`], at once, and what a market tells
//! becomes what it means for the order store, the positions, the gate's counters and everyone.
//!
//! * A market knows an order by the index of its slot in the order store.
//! * A trade is booked for both sides or for neither. Where one side cannot be booked, because an amount would come too near
//!   the end of the integers, the quantity is taken off both orders, as self-trade prevention does (rule 3.6).
//! * An order without a limit of its own trades no further than the bound of its account's collar when it came (a waiting order:
//!   around its stop price): market, stop, touched, market-to-limit and pegged orders.
//! * Many orders that are canceled at once leave a market before anything follows from that (rule 5.6).

mod bands;
mod entry;
mod phases;
mod told;

use super::output::Publisher;
use super::paper::Request;
use super::{Core, Listing};
use crate::matching::{Indicative, Markets, Plain};
use bands::Guard;
pub(super) use entry::check_house_terms;
use entry::{as_triggered, entry, house_price, is_plain};
pub(super) use phases::indicative_updates;
use phases::{Agenda, LastTold};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{NewOrder, OrderType, ReplaceOrder};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room, UpTo};
use tidegate_model::{Instrument, InstrumentId, Lots, Side, StateHash, Ticks, UnixNanos};
use tidegate_oms::{Order, OrderSlot, Place, Requester, Waiter};
use told::{Asked, Step, Told};

/// No market, in the table by instrument.
const NONE: u32 = u32::MAX;

/// Every market of the house, and whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Internal {
    pub(super) markets: Markets,
    /// By instrument: the number of its market, or [`NONE`].
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    market_of: Vec<u32>,
    /// By market.
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    instruments: Vec<InstrumentId>,
    /// By market.
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    guards: Vec<Guard>,
    /// By market; what was told is no state.
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    told: Vec<LastTold>,
    agenda: Agenda,
    /// Scratch: market and handle of orders that leave together.
    #[serde(skip)]
    pub(super) leaving: Vec<(u32, u32)>,
    /// Scratch: those of one market.
    #[serde(skip)]
    handles: Vec<u32>,
    /// Legs of lists whose stop prices trades have reached, in their turn; none between inputs.
    #[serde(skip)]
    pub(super) triggered: Vec<Waiter>,
}

impl Internal {
    /// No market yet, room for `orders_max` orders in all of them.
    pub fn new(orders_max: u32) -> Self {
        Self {
            markets: Markets::new(orders_max),
            market_of: Vec::with_capacity(InstrumentId::COUNT_MAX),
            instruments: Vec::new(),
            guards: Vec::new(),
            told: Vec::new(),
            agenda: Agenda::default(),
            leaving: Vec::new(),
            handles: Vec::new(),
            triggered: Vec::new(),
        }
    }

    /// Takes note of the next instrument, and opens its market if it has one.
    pub fn define_instrument(&mut self, id: InstrumentId, terms: &Instrument) {
        if !terms.is_internal() {
            return self.market_of.push(NONE);
        }
        if self.instruments.is_empty() {
            self.markets.prefault_all();
        }
        self.market_of.push(self.markets.define(terms.order_tick));
        self.instruments.push(id);
        self.guards.push(Guard::default());
        self.told.push(LastTold::NOTHING);
        self.agenda.add_market(self.guards.len());
    }

    /// Looks at what was read from a snapshot of an engine for `orders_max` orders, and makes the room that there was.
    pub fn restored(&mut self, listing: &Listing, orders_max: u32) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "markets of the house", why);
        let (mut markets, mut steps) = (Vec::new(), Vec::new());
        for listed in listing.iter() {
            let market = self.market_of.get(listed.id.index()).copied();
            let is_internal = listed.instrument.is_internal();
            let number = if is_internal { markets.len() as u32 } else { NONE };
            check(market == Some(number), "instruments have their markets")?;
            if is_internal {
                markets.push(listed.id);
                steps.push(listed.instrument.order_tick);
            }
        }
        check(self.market_of.len() == listing.iter().count(), "instruments have their markets")?;
        check(self.instruments == markets, "markets have their instruments")?;
        let count = markets.len();
        check(self.guards.len() == count && self.told.len() == count, "markets are guarded")?;
        check(self.agenda.is_sound(count), "what falls due does so in a market")?;
        self.markets.restored(&steps, orders_max)?;
        if count > 0 {
            self.markets.prefault_all();
            self.agenda.add_market(count);
        }
        Ok(())
    }

    /// The number of an instrument's market, if it has one.
    #[inline]
    pub fn market_of(&self, instrument: InstrumentId) -> Option<u32> {
        let market = self.market_of.get(instrument.index()).copied();
        market.filter(|market| *market != NONE)
    }

    /// The markets, by number.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// What an auction in this market would do, as it was told last.
    pub fn last_indicative(&self, market: u32) -> Indicative {
        self.told[market as usize].indicative
    }

    /// What orders are measured against: the price that was set since the last trade, else the last trade, else the middle
    /// of the best displayed prices.
    pub fn reference(&self, market: u32) -> Option<Ticks> {
        self.markets.reference(market).or_else(|| {
            let bid = self.markets.best(market, Side::Buy)?.0;
            let offer = self.markets.best(market, Side::Sell)?.0;
            Some(Ticks(bid.midpoint(offer)))
        })
    }

    /// The best displayed price of a side of a market.
    #[inline]
    pub fn best(&self, market: u32, side: Side) -> Option<Ticks> {
        self.markets.best(market, side)
    }

    /// The hash of every market with its orders.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (market, instrument) in self.instruments.iter().enumerate() {
            let state = self.markets.state_hash(market as u32);
            let guard = self.guards[market].hash();
            hash.add(hash_words(0x4d41_524b, &[instrument.0.into(), state.0, guard]));
        }
        hash
    }
}

impl Core {
    /// An order that was let in, a cancel or a replace goes to its market, which answers at once.
    pub(super) fn ask_market(
        &mut self,
        market: u32,
        (slot, request, who): (OrderSlot, Request, Requester),
        publisher: &mut Publisher<'_>,
    ) {
        let handle = slot.index() as u32;
        let order = *self.oms.order(slot);
        let reason = match request {
            Request::Cancel(reason) => reason,
            Request::New | Request::Replace | Request::Resize => CancelReason::User,
        };
        let asked = Some(Asked { slot, who, reason, quiet: false });
        let is_away = || self.internal.markets.open(handle).is_none();
        match request {
            Request::New => self.enter_market(market, slot, asked, publisher),
            // All of it is held back.
            Request::Cancel(reason) if is_away() => self.end_for(slot, reason, who, publisher),
            Request::Cancel(_) => {
                _ = self.in_market(market, asked, publisher, |markets, told| {
                    markets.cancel(handle, told);
                })
            }
            Request::Replace if is_away() => self.replace_here(slot, who, publisher),
            Request::Replace => {
                let terms = order.replace.expect("a replace was asked for");
                let held = self.oms.bond(slot).held;
                let leaves = Lots(terms.qty.0 - order.cum_qty.0 - held.0);
                let step = self.internal.markets.step(market);
                let price = house_price(&order, terms.price, step);
                let stop_price = Some(terms.stop_price).filter(|stop| *stop != Ticks::ZERO);
                self.in_market(market, asked, publisher, |markets, told| {
                    markets.replace(handle, leaves, price, stop_price, told);
                });
            }
            Request::Resize => self.arrive_resize(slot, publisher),
        }
    }

    /// The market of the house that has the order now, if one has.
    #[inline]
    pub(super) fn market_with(&self, slot: OrderSlot) -> Option<u32> {
        let order = self.oms.order(slot);
        let market = self.internal.market_of(order.instrument)?;
        let is_there = order.place == Place::House
            && self.internal.markets.open(slot.index() as u32).is_some();
        is_there.then_some(market)
    }

    /// What is live of an order enters its market.
    fn enter_market(
        &mut self,
        market: u32,
        slot: OrderSlot,
        asked: Option<Asked>,
        publisher: &mut Publisher<'_>,
    ) {
        let handle = slot.index() as u32;
        let (mut order, mut new) = (*self.oms.order(slot), self.oms.entered(slot));
        if is_plain(&new) && order.qty == self.oms.live_qty(slot) {
            let &Order { account, side, time_in_force, qty, price, .. } = &order;
            let plain = Plain { handle, account, side, time_in_force, qty, price };
            self.in_market(market, asked, publisher, |markets, told| {
                markets.enter_plain(market, &plain, told);
            });
            return;
        }
        order.qty = self.oms.live_qty(slot);
        if order.qty == Lots::ZERO {
            return;
        }
        if order.order_type.waits() && self.oms.is_leg(slot) {
            (order, new) = as_triggered(order, &new);
        }
        let entry = entry(handle, &order, &new, self.internal.markets.step(market));
        self.in_market(market, asked, publisher, |markets, told| {
            markets.enter(market, &entry, told);
        });
        self.take_over_limit(slot);
    }

    /// What an order has open in its market becomes what is live of it. That was told before; one that its market does not take
    /// so is canceled.
    pub(super) fn resize_in_house(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let handle = slot.index() as u32;
        let &Order { instrument, who, acknowledged, .. } = self.oms.order(slot);
        let market = self.internal.market_of(instrument).expect("it trades in the house");
        let live = self.oms.live_qty(slot);
        let asked = Some(Asked { slot, who, reason: CancelReason::Contingent, quiet: true });
        match self.internal.markets.entry(handle) {
            // It has yet to begin, and does so with what is live then.
            None if !acknowledged => {}
            None => self.send(slot, Request::New, who, publisher),
            Some(entry) => {
                let is_refused = live > Lots::ZERO
                    && self.in_market(market, asked, publisher, |markets, told| {
                        markets.replace(handle, live, entry.price, None, told);
                    });
                if live == Lots::ZERO || is_refused {
                    self.in_market(market, asked, publisher, |markets, told| {
                        markets.cancel(handle, told);
                    });
                }
                if is_refused {
                    // What the market had of it is not what is left of it: the store knows.
                    self.end_for(slot, CancelReason::Contingent, who, publisher);
                }
            }
        }
    }

    /// A market-to-limit order has the limit that its market gave it, if it rests without having traded.
    fn take_over_limit(&mut self, slot: OrderSlot) {
        let order = self.oms.order(slot);
        if order.order_type == OrderType::MarketToLimit
            && order.price == Ticks::ZERO
            && let Some(limit) = self.internal.markets.limit(slot.index() as u32)
        {
            self.oms.priced(slot, limit);
        }
    }

    /// An order in a market of the house as it would be entered with new terms; `None` of a plain limit order.
    pub(super) fn as_replaced_in_house(
        &self,
        slot: OrderSlot,
        replace: &ReplaceOrder,
    ) -> Option<NewOrder> {
        let entry = self.internal.markets.entry(slot.index() as u32)?;
        let entered = self.oms.entered(slot);
        let &ReplaceOrder { qty, price, stop_price, .. } = replace;
        if entry.order_type == OrderType::Limit && stop_price == Ticks::ZERO {
            return None;
        }
        let order_type = entry.order_type.wire();
        let in_force = entry.terms.stop_price.unwrap_or_default();
        let stop_price = if stop_price == Ticks::ZERO { in_force } else { stop_price };
        let new = NewOrder { order_type, qty, price, stop_price, ..entered };
        Some(match entry.order_type.trails() {
            true => new,
            // What followed the market no longer does.
            false => NewOrder { trail: 0, trail_unit: 0, ..new },
        })
    }

    /// The time has come at which an order of a market ends: with it all of that market whose time that is.
    pub(super) fn tell_time(
        &mut self,
        slot: OrderSlot,
        now: UnixNanos,
        publisher: &mut Publisher<'_>,
    ) {
        let order = self.oms.order(slot);
        let market = self.internal.market_of(order.instrument).filter(|_| order.is_open());
        let Some(market) = market else { return };
        if self.internal.markets.open(slot.index() as u32).is_none() {
            // All of it is held back.
            self.expire(slot, publisher);
            return;
        }
        self.in_market(market, None, publisher, |markets, told| {
            markets.set_time(market, now, told);
        });
    }

    /// The orders that are listed in `leaving` leave their markets.
    pub(super) fn leave_markets(&mut self, reason: CancelReason, publisher: &mut Publisher<'_>) {
        let mut leaving = core::mem::take(&mut self.internal.leaving);
        let mut handles = core::mem::take(&mut self.internal.handles);
        leaving.sort_unstable();
        for of_market in leaving.chunk_by(|a, b| a.0 == b.0) {
            let market = of_market[0].0;
            handles.clear();
            handles.extend(of_market.iter().map(|(_, handle)| handle));
            self.in_market(market, None, publisher, |markets, told| {
                markets.cancel_all(market, &mut handles, reason, told);
            });
        }
        leaving.clear();
        self.internal.leaving = leaving;
        self.internal.handles = handles;
    }

    /// Asks a market something, and does what follows from its answers. True if it was asked for something quietly, and refused
    /// it.
    #[inline]
    fn in_market(
        &mut self,
        market: u32,
        asked: Option<Asked>,
        publisher: &mut Publisher<'_>,
        ask: impl FnOnce(&mut Markets, &mut Told<'_, '_>),
    ) -> bool {
        let is_refused = self.ask_told(market, asked, None, publisher, ask);
        self.settle_market(market, publisher);
        is_refused
    }

    /// Asks a market something, with everything at hand that its answers change. True if it was asked for something quietly,
    /// and refused it.
    fn ask_told(
        &mut self,
        market: u32,
        asked: Option<Asked>,
        step: Option<Step>,
        publisher: &mut Publisher<'_>,
        ask: impl FnOnce(&mut Markets, &mut Told<'_, '_>),
    ) -> bool {
        let Self { internal, oms, risk, listing, waiting, counters, now, .. } = self;
        let Internal { markets, instruments, guards, triggered, .. } = internal;
        let instrument = instruments[market as usize];
        let listed = &mut listing[instrument];
        let fills = &mut counters.fills;
        let (now, is_refused) = (*now, false);
        let mut told = Told {
            oms,
            risk,
            waiting,
            triggered,
            listed,
            instrument,
            now,
            fills,
            asked,
            is_refused,
            step,
            before: markets.phase(market),
            guard: &mut guards[market as usize],
            publisher,
        };
        ask(markets, &mut told);
        told.is_refused
    }
}
