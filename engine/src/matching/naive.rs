//! The market of one instrument again, for tests to compare the fast one with: obvious before anything else.

mod auction;

use super::hash::{MarketState, OrderState, Place, hash_market, hash_order, hash_terms};
use super::terms::{Entry, Peg, Trail};
use super::{Indicative, Phase, Queued, Reports, Trade, is_self_trade};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::StateHash;
use tidegate_model::{AccountId, Lots, Reject, RejectReason, Side, Ticks, UnixNanos};

/// A live order.
#[derive(Clone, Debug)]
struct Order {
    /// As it is now: `qty` is open quantity, and what has been triggered is a market or limit order.
    entry: Entry,
    place: Place,
    /// Of what is open, the displayed part; 0 unless it is displayed.
    shown: Lots,
    /// Of a pegged order, its price now.
    peg_price: Option<Ticks>,
    stamp: u64,
    /// The stamp with which it came to rest.
    arrival: u64,
    /// Of a waiting order, what triggered it in this input; forgotten when continuous trading begins.
    trigger: Option<Trigger>,
}

/// The trade by which a waiting order was triggered.
#[derive(Clone, Copy, Debug)]
struct Trigger {
    /// Number of the trade within the input.
    trade: u64,
    /// How far the trade lies beyond the stop price.
    distance: u64,
    /// The stop price that it reached.
    stop_price: Ticks,
}

/// How an order ranks among those of its side; the smallest is first (rule 1.1). A market order has no price and comes first.
type Rank = (Option<i64>, bool, u64, u64);

impl Order {
    fn new(entry: Entry) -> Self {
        let place = Place::Displayed;
        Self { entry, place, shown: Lots(0), peg_price: None, stamp: 0, arrival: 0, trigger: None }
    }

    /// The price at which others may trade with it while it rests.
    fn resting_price(&self) -> Option<Ticks> {
        match self.place {
            Place::Displayed | Place::Hidden | Place::Conditional => Some(self.entry.price),
            Place::Pegged => self.peg_price,
            Place::Waiting | Place::AtMarket | Place::AtClose => None,
        }
    }

    /// True if it may trade at `price` as far as its limit goes.
    fn accepts(&self, price: Ticks) -> bool {
        let limit = match self.entry.order_type {
            OrderType::Pegged => self.peg_price,
            _ => Some(self.entry.price),
        };
        match limit {
            // A peg that has nothing to follow.
            None => false,
            // No limit.
            Some(Ticks(0)) => true,
            Some(limit) if self.entry.side == Side::Buy => price <= limit,
            Some(limit) => price >= limit,
        }
    }

    /// Fewest lots that it trades at a time.
    fn least(&self) -> Lots {
        self.entry.terms.min_qty.unwrap_or(Lots(1)).min(self.entry.qty)
    }

    /// Lots that it trades before others have their turn.
    fn available(&self) -> Lots {
        if self.place == Place::Displayed { self.shown } else { self.entry.qty }
    }

    fn rank(&self, price: Option<Ticks>) -> Rank {
        let sign = if self.entry.side == Side::Buy { -1 } else { 1 };
        let is_hidden = matches!(self.place, Place::Hidden | Place::AtMarket);
        (price.map(|price| sign * price.0), is_hidden, self.stamp, self.arrival)
    }

    /// Takes `qty` off it; an iceberg loses displayed quantity first.
    fn execute(&mut self, qty: Lots) {
        self.entry.qty = less(self.entry.qty, qty);
        self.shown = less(self.shown, qty.min(self.shown));
    }

    /// Takes `qty` off it; an iceberg loses hidden quantity first.
    fn shrink(&mut self, qty: Lots) {
        self.entry.qty = less(self.entry.qty, qty);
        self.shown = self.shown.min(self.entry.qty);
    }

    /// True if a trade at `price` reaches its stop price (rules 2.4 to 2.6).
    fn is_reached(&self, price: Ticks) -> bool {
        let touched =
            matches!(self.entry.order_type, OrderType::MarketIfTouched | OrderType::LimitIfTouched);
        let from_below = (self.entry.side == Side::Buy) != touched;
        self.entry
            .terms
            .stop_price
            .is_some_and(|stop| if from_below { price >= stop } else { price <= stop })
    }
}

fn less(qty: Lots, by: Lots) -> Lots {
    qty.checked_sub(by).expect("no more is taken off an order than it has")
}

/// Listens to a trial.
struct Nobody;

impl Reports for Nobody {
    fn accepted(&mut self, _: u32, _: Ticks) {}
    fn trade(&mut self, _: &Trade) {}
    fn canceled(&mut self, _: u32, _: Lots, _: CancelReason) {}
    fn replaced(&mut self, _: u32, _: Ticks, _: Lots) {}
    fn triggered(&mut self, _: u32, _: Ticks) {}
    fn rejected(&mut self, _: u32, _: Reject) {}
    fn refused(&mut self, _: u32, _: Reject) {}
}

/// The market of one instrument, written for obviousness: one map of orders, looked through for every question.
#[derive(Clone, Debug)]
pub struct NaiveMarket {
    increment: Ticks,
    state: MarketState,
    orders: BTreeMap<u32, Order>,
    /// Trades of this input.
    trades: u64,
    /// What was last said of the auction.
    told: Indicative,
}

impl NaiveMarket {
    /// An empty market in continuous trading. `increment` is one step of prices, above 0.
    pub fn new(increment: Ticks) -> Self {
        assert!(increment.0 > 0, "a step of prices is above 0");
        let state = MarketState { next_stamp: 1, ..MarketState::default() };
        Self { increment, state, orders: BTreeMap::new(), trades: 0, told: Indicative::NOTHING }
    }

    /// The phase that it is in.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// The price of the last trade.
    pub fn last(&self) -> Option<Ticks> {
        self.state.last
    }

    /// The limit of a live order as it is now, 0 if it has none.
    pub fn limit(&self, handle: u32) -> Option<Ticks> {
        self.orders.get(&handle).map(|order| order.entry.price)
    }

    /// The open quantity of a live order.
    pub fn open(&self, handle: u32) -> Option<Lots> {
        self.orders.get(&handle).map(|order| order.entry.qty)
    }

    /// What rests at a price at which others may trade with it, displayed or not: handle, price, and the fewest lots that
    /// one execution takes.
    pub fn interest(&self) -> Vec<(u32, Ticks, Lots)> {
        let priced =
            |order: &Order| Some((order.entry.handle, order.resting_price()?, order.least()));
        self.orders.values().filter_map(priced).collect()
    }

    /// The displayed book of one side, best first: price, lots, orders.
    pub fn levels(&self, side: Side) -> Vec<(Ticks, Lots, u32)> {
        let mut levels: BTreeMap<i64, (Ticks, Lots, u32)> = BTreeMap::new();
        for order in self.orders.values() {
            if order.entry.side == side && order.place == Place::Displayed {
                let price = order.entry.price;
                let key = if side == Side::Buy { -price.0 } else { price.0 };
                let level = levels.entry(key).or_insert((price, Lots(0), 0));
                level.1 = level.1.checked_add(order.shown).expect("QTY_MAX bounds the sum");
                level.2 += 1;
            }
        }
        levels.into_values().collect()
    }

    /// Displayed orders of one side, best price first, then by their turn.
    pub fn queued(&self, side: Side) -> Vec<Queued> {
        let is_meant = |order: &&Order| order.entry.side == side && order.place == Place::Displayed;
        let mut displayed: Vec<&Order> = self.orders.values().filter(is_meant).collect();
        displayed.sort_by_key(|order| order.rank(order.resting_price()));
        let sum = |orders: &mut dyn Iterator<Item = &&Order>| {
            orders.fold(Lots(0), |sum, order| {
                sum.checked_add(order.shown).expect("QTY_MAX bounds the sum")
            })
        };
        let queued = |(at, order): (usize, &&Order)| {
            let price = order.entry.price;
            let is_here = |other: &&&Order| other.entry.price == price;
            Queued {
                handle: order.entry.handle,
                price,
                open: order.entry.qty,
                level: sum(&mut displayed.iter().filter(is_here)),
                ahead: sum(&mut displayed[..at].iter().filter(is_here)),
                behind: sum(&mut displayed[at + 1..].iter().filter(is_here)),
            }
        };
        displayed.iter().enumerate().map(queued).collect()
    }

    /// The hash of everything that decides what the market does next.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for order in self.orders.values() {
            let entry = &order.entry;
            let is_displayed = order.place == Place::Displayed;
            let price = match order.place {
                Place::Pegged => order.peg_price.unwrap_or_default(),
                _ => entry.price,
            };
            hash.add(hash_order(&OrderState {
                handle: entry.handle,
                account: entry.account.0,
                side: entry.side.index() as u8,
                place: order.place,
                time_in_force: entry.time_in_force,
                price: price.0,
                qty: if is_displayed { order.shown.0 } else { entry.qty.0 },
                reserve: if is_displayed { less(entry.qty, order.shown).0 } else { 0 },
                stamp: order.stamp,
            }));
            if !entry.is_plain() {
                hash.add(hash_terms(entry));
            }
        }
        hash.add(hash_market(&self.state));
        hash
    }

    /// Takes a new order.
    pub fn enter(&mut self, entry: &Entry, out: &mut impl Reports) {
        let order = match self.admit(entry) {
            Ok(entry) => Order::new(entry),
            Err(reject) => return out.rejected(entry.handle, reject),
        };
        out.accepted(entry.handle, order.entry.price);
        self.arrive(order, out);
        self.settle(out);
    }

    /// The order as it is taken: a post-only order may have slid.
    fn admit(&self, entry: &Entry) -> Result<Entry, Reject> {
        entry.check(self.increment)?;
        if self.orders.contains_key(&entry.handle) {
            return Err(Reject::of(RejectReason::DuplicateId, entry.handle.into()));
        }
        entry.check_now(self.state.phase, self.state.time)?;
        self.keep_post_only(*entry, false)
    }

    /// Takes an order off (rule 5.4).
    pub fn cancel(&mut self, handle: u32, out: &mut impl Reports) {
        match self.orders.remove(&handle) {
            Some(order) => out.canceled(handle, order.entry.qty, CancelReason::User),
            None => return out.refused(handle, unknown(handle)),
        }
        self.settle(out);
    }

    /// Takes off every order of the account and side, or of all.
    pub fn mass_cancel(
        &mut self,
        account: Option<AccountId>,
        side: Option<Side>,
        out: &mut impl Reports,
    ) {
        let is_meant = |order: &Order| {
            account.is_none_or(|account| account == order.entry.account)
                && side.is_none_or(|side| side == order.entry.side)
        };
        self.cancel_all(CancelReason::MassCancel, is_meant, out);
        self.settle(out);
    }

    /// Gives an order `leaves` open lots and the limit `price` (0 if it has none), and a waiting one another stop price
    /// if one is given (rule 5).
    pub fn replace(
        &mut self,
        handle: u32,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
        out: &mut impl Reports,
    ) {
        let Some(old) = self.orders.get(&handle) else {
            return out.refused(handle, unknown(handle));
        };
        let entry = match self.amend(&old.entry, leaves, price, stop_price) {
            Ok(entry) => entry,
            Err(reject) => return out.refused(handle, reject),
        };
        let mut order = self.orders.remove(&handle).expect("it was found");
        out.replaced(handle, entry.price, leaves);
        if keeps_place(&order.entry, &entry) {
            order.shrink(less(order.entry.qty, leaves));
            self.orders.insert(handle, order);
        } else {
            self.arrive(Order::new(entry), out);
        }
        self.settle(out);
    }

    fn amend(
        &self,
        old: &Entry,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
    ) -> Result<Entry, Reject> {
        let entry = old.replaced(leaves, price, stop_price, self.increment)?;
        if self.state.phase == Phase::Closed {
            return Err(Reject::of(RejectReason::Phase, Phase::Closed as i128));
        }
        if keeps_place(old, &entry) {
            return Ok(entry);
        }
        entry.check_now(self.state.phase, self.state.time)?;
        self.keep_post_only(entry, true)
    }

    /// Moves the market to another phase (rule 6).
    pub fn set_phase(&mut self, phase: Phase, out: &mut impl Reports) {
        let before = self.state.phase;
        if phase == before {
            return;
        }
        let closes = before == Phase::CloseAuction && phase == Phase::Closed;
        if phase == Phase::Continuous || closes {
            let call = self.call();
            if call.is_some_and(|call| self.is_outside_bands(call.price)) {
                self.state.phase = Phase::Halt;
                out.phase(Phase::Halt);
                return self.settle(out);
            }
            out.phase(phase);
            self.uncross(call, out);
        } else {
            out.phase(phase);
        }
        self.state.phase = phase;
        match phase {
            Phase::Continuous => self.trigger_reached(),
            Phase::CloseAuction => self.join_close(),
            Phase::Closed => {
                let ends = |order: &Order| {
                    use TimeInForce as F;
                    matches!(order.entry.time_in_force, F::Day | F::AtTheOpen | F::AtTheClose)
                };
                self.cancel_all(CancelReason::Expired, ends, out);
            }
            Phase::PreOpen | Phase::OpenAuction | Phase::Halt => {}
        }
        self.settle(out);
    }

    /// Moves the market's time on; it never goes back.
    pub fn set_time(&mut self, now: UnixNanos, out: &mut impl Reports) {
        self.state.time = self.state.time.max(now);
        let now = self.state.time;
        let ends = |order: &Order| {
            order.entry.time_in_force == TimeInForce::Gtd && order.entry.terms.expire_at <= now
        };
        self.cancel_all(CancelReason::Expired, ends, out);
        self.settle(out);
    }

    /// Sets limit down and limit up, or removes them (rule 8).
    pub fn set_bands(&mut self, bands: Option<(Ticks, Ticks)>, out: &mut impl Reports) {
        self.state.bands = bands;
        self.settle(out);
    }

    /// Gives auctions a reference price until there is a trade (rule 7.1).
    pub fn set_reference(&mut self, price: Ticks, out: &mut impl Reports) {
        self.state.reference = Some(price);
        self.settle(out);
    }

    /// Cancels the orders that are meant, in the order of their stamps.
    fn cancel_all(
        &mut self,
        reason: CancelReason,
        is_meant: impl Fn(&Order) -> bool,
        out: &mut impl Reports,
    ) {
        let mut meant: Vec<&Order> = self.orders.values().filter(|order| is_meant(order)).collect();
        meant.sort_by_key(|order| (order.stamp, order.arrival));
        let handles: Vec<u32> = meant.iter().map(|order| order.entry.handle).collect();
        for handle in handles {
            let order = self.orders.remove(&handle).expect("it was found");
            out.canceled(handle, order.entry.qty, reason);
        }
    }
}

/// An order comes in, trades and rests.
impl NaiveMarket {
    /// Takes an order that was accepted or replaced and has no place yet.
    fn arrive(&mut self, order: Order, out: &mut impl Reports) {
        let waits_for_close = order.entry.time_in_force == TimeInForce::AtTheClose
            && self.state.phase != Phase::CloseAuction;
        if order.entry.is_triggered() {
            self.wait(order, out);
        } else if waits_for_close {
            self.rest(order, Place::AtClose);
        } else if self.state.phase == Phase::Continuous {
            self.carry_out(order, out);
        } else {
            let place = book_place(&order.entry);
            self.rest(order, place);
        }
    }

    /// An order that is triggered at once or waits for it (rules 2.4 to 2.6).
    fn wait(&mut self, mut order: Order, out: &mut impl Reports) {
        if let (None, Some(last)) = (order.entry.terms.stop_price, self.state.last) {
            self.trail(&mut order, last);
        }
        let is_reached = self.state.last.is_some_and(|last| order.is_reached(last));
        match order.entry.terms.stop_price {
            Some(stop) if is_reached && self.state.phase == Phase::Continuous => {
                self.trigger(order, stop, out);
            }
            _ => self.rest(order, Place::Waiting),
        }
    }

    /// Carries out an order that was triggered: from now on it is a market or limit order.
    fn trigger(&mut self, mut order: Order, stop_price: Ticks, out: &mut impl Reports) {
        let entry = &mut order.entry;
        let has_limit = entry.has_limit() || entry.terms.limit_offset.is_some();
        entry.order_type = if has_limit { OrderType::Limit } else { OrderType::Market };
        if let Some(offset) = entry.terms.limit_offset.take() {
            entry.price = Ticks((stop_price.0 + offset.0).max(self.increment.0));
        }
        entry.terms.stop_price = None;
        entry.terms.trail = None;
        out.triggered(entry.handle, if has_limit { entry.price } else { Ticks::ZERO });
        self.carry_out(Order::new(order.entry), out);
    }

    /// Trades what can be traded now; what is left rests or is canceled (rules 2, 3, 4).
    fn carry_out(&mut self, mut order: Order, out: &mut impl Reports) {
        let handle = order.entry.handle;
        if order.entry.order_type == OrderType::MarketToLimit {
            let Some(best) = self.best_for(&order) else {
                return out.canceled(handle, order.entry.qty, CancelReason::NoLiquidity);
            };
            order.entry.order_type = OrderType::Limit;
            order.entry.price = best;
        }
        order.peg_price = self.peg_price(&order.entry);
        let is_market = order.entry.order_type == OrderType::Market;
        let life = order.entry.time_in_force;
        if life == TimeInForce::Fok && self.could_trade(&order) < order.entry.qty {
            return out.canceled(handle, order.entry.qty, CancelReason::Fok);
        }
        if order.entry.terms.min_qty.is_some() && self.could_trade(&order) < order.least() {
            if is_market || life == TimeInForce::Ioc {
                return out.canceled(handle, order.entry.qty, CancelReason::MinQty);
            }
            let place = book_place(&order.entry);
            return self.rest(order, place);
        }
        self.take(&mut order, out);
        let left = order.entry.qty;
        let is_halted = self.state.phase != Phase::Continuous;
        if left == Lots(0) {
        } else if !is_market && life != TimeInForce::Ioc {
            let place = book_place(&order.entry);
            self.rest(order, place);
        } else if is_halted {
            out.canceled(handle, left, CancelReason::PriceBand);
        } else if is_market {
            out.canceled(handle, left, CancelReason::NoLiquidity);
        } else {
            out.canceled(handle, left, CancelReason::Ioc);
        }
    }

    /// Gives the order a place and a new stamp.
    fn rest(&mut self, mut order: Order, place: Place) {
        order.place = place;
        order.stamp = self.next_stamp();
        order.arrival = order.stamp;
        if place == Place::Displayed {
            order.shown = first_part(&order.entry);
        }
        self.orders.insert(order.entry.handle, order);
    }

    fn next_stamp(&mut self) -> u64 {
        let stamp = self.state.next_stamp;
        self.state.next_stamp += 1;
        stamp
    }

    /// The lots that `taker` would trade if it were carried out now (rules 3.4, 3.6, 4.2): tried out on a copy.
    fn could_trade(&self, taker: &Order) -> Lots {
        self.clone().take(&mut taker.clone(), &mut Nobody)
    }

    /// Trades `taker`, which is not among the orders, with what rests, until nothing is left or nothing meets it.
    /// Gives the lots that were traded.
    fn take(&mut self, taker: &mut Order, out: &mut impl Reports) -> Lots {
        let mut traded = Lots(0);
        while taker.entry.qty > Lots(0) {
            let Some((maker, price)) = self.first_for(taker) else { break };
            if self.is_outside_bands(price) {
                self.state.phase = Phase::Halt;
                out.phase(Phase::Halt);
                break;
            }
            let accounts = (taker.entry.account.0, self.orders[&maker].entry.account.0);
            if is_self_trade(taker.entry.terms.self_trade, accounts.0, accounts.1) {
                self.prevent_self_trade(taker, maker, out);
                continue;
            }
            let qty = taker.entry.qty.min(self.orders[&maker].available());
            traded = traded.checked_add(qty).expect("no more than the order's quantity");
            taker.execute(qty);
            let taker_side = taker.entry.side;
            let taker = taker.entry.handle;
            out.trade(&Trade { maker, taker, taker_side, auction: false, price, qty });
            self.execute_maker(maker, qty);
            self.traded(price);
        }
        traded
    }

    /// The resting order that `taker` trades with first, and its price.
    fn first_for(&self, taker: &Order) -> Option<(u32, Ticks)> {
        let meets = |maker: &&Order| {
            maker.entry.side != taker.entry.side
                && maker.resting_price().is_some_and(|price| taker.accepts(price))
                && maker.least() <= taker.entry.qty
        };
        let first = self.orders.values().filter(meets).min_by_key(|m| m.rank(m.resting_price()))?;
        Some((first.entry.handle, first.resting_price()?))
    }

    fn best_for(&self, taker: &Order) -> Option<Ticks> {
        self.first_for(taker).map(|(_, price)| price)
    }

    fn execute_maker(&mut self, handle: u32, qty: Lots) {
        let order = self.orders.get_mut(&handle).expect("a maker rests");
        order.execute(qty);
        if order.entry.qty == Lots(0) {
            self.orders.remove(&handle);
        } else if order.place == Place::Displayed && order.shown == Lots(0) {
            self.refresh(handle);
        }
    }

    /// Shows the next part of an iceberg behind everything displayed at its price (rule 3.1).
    fn refresh(&mut self, handle: u32) {
        let stamp = self.next_stamp();
        let order = self.orders.get_mut(&handle).expect("an iceberg rests");
        order.shown = first_part(&order.entry);
        order.stamp = stamp;
    }

    fn prevent_self_trade(&mut self, taker: &mut Order, maker: u32, out: &mut impl Reports) {
        let resting = self.orders.get_mut(&maker).expect("a maker rests");
        let (own, other) = (taker.entry.qty, resting.entry.qty);
        let (off_maker, off_taker) = match taker.entry.terms.self_trade {
            Some(SelfTrade::CancelNewest) => (Lots(0), own),
            Some(SelfTrade::CancelOldest) => (other, Lots(0)),
            Some(SelfTrade::CancelBoth) => (other, own),
            Some(SelfTrade::Decrement) => (own.min(other), own.min(other)),
            None => unreachable!("only an instruction forbids it"),
        };
        if off_maker > Lots(0) {
            resting.shrink(off_maker);
            if resting.entry.qty == Lots(0) {
                self.orders.remove(&maker);
            }
            out.canceled(maker, off_maker, CancelReason::SelfTrade);
        }
        if off_taker > Lots(0) {
            taker.shrink(off_taker);
            out.canceled(taker.entry.handle, off_taker, CancelReason::SelfTrade);
        }
    }

    /// A post-only order as it may enter (rule 3.3); every other order as it is.
    fn keep_post_only(&self, mut entry: Entry, is_replace: bool) -> Result<Entry, Reject> {
        let Some(kind) = entry.terms.post_only else { return Ok(entry) };
        let Some(best) = self.best_for(&Order::new(entry)) else { return Ok(entry) };
        if self.state.phase != Phase::Continuous {
            return Ok(entry);
        }
        let step = if entry.side == Side::Buy { -self.increment.0 } else { self.increment.0 };
        let slid = Ticks(best.0 + step);
        if kind == PostOnly::Reject || is_replace || slid.0 <= 0 {
            let (limit, value) = (best.0.into(), entry.price.0.into());
            return Err(Reject::new(RejectReason::PostOnlyWouldCross, limit, value));
        }
        entry.price = slid;
        Ok(entry)
    }

    fn is_outside_bands(&self, price: Ticks) -> bool {
        self.state.bands.is_some_and(|(low, high)| price < low || price > high)
    }
}

/// What follows from trades and from changes of the book.
impl NaiveMarket {
    /// Everything that follows an input (rule 9).
    fn settle(&mut self, out: &mut impl Reports) {
        while self.state.phase == Phase::Continuous {
            self.reprice_pegs();
            let next = self
                .first_peg_that_takes()
                .or_else(|| self.first_minimum_that_is_met())
                .or_else(|| self.first_triggered());
            let Some(handle) = next else { break };
            let mut order = self.orders.remove(&handle).expect("it was found");
            if let Some(trigger) = order.trigger {
                self.trigger(order, trigger.stop_price, out);
            } else {
                self.take(&mut order, out);
                // What is left keeps its place.
                if order.entry.qty > Lots(0) {
                    self.orders.insert(handle, order);
                }
            }
        }
        self.trades = 0;
        let now = self.indicative();
        if now != self.told {
            self.told = now;
            if self.state.phase.collects() {
                out.indicative(now);
            }
        }
    }

    /// A trade happened: waiting orders follow it and are triggered by it (rules 2.4 to 2.6).
    fn traded(&mut self, price: Ticks) {
        self.state.last = Some(price);
        self.state.reference = None;
        self.trades += 1;
        let mut orders = std::mem::take(&mut self.orders);
        for order in orders.values_mut().filter(|order| order.place == Place::Waiting) {
            self.trail(order, price);
            if self.state.phase == Phase::Continuous && order.trigger.is_none() {
                order.trigger = self.trigger_by(order, price);
            }
        }
        self.orders = orders;
    }

    /// The last trade decides which waiting orders are triggered when continuous trading begins (rule 6.3).
    fn trigger_reached(&mut self) {
        let Some(last) = self.state.last else { return };
        let mut orders = std::mem::take(&mut self.orders);
        for order in orders.values_mut().filter(|order| order.place == Place::Waiting) {
            order.trigger = self.trigger_by(order, last);
        }
        self.orders = orders;
    }

    fn trigger_by(&self, order: &Order, price: Ticks) -> Option<Trigger> {
        let stop_price = order.entry.terms.stop_price.filter(|_| order.is_reached(price))?;
        let distance = price.0.abs_diff(stop_price.0);
        Some(Trigger { trade: self.trades, distance, stop_price })
    }

    /// Moves the stop price of a trailing order after a trade at `price` (rule 2.6).
    fn trail(&self, order: &mut Order, price: Ticks) {
        let step = i128::from(self.increment.0);
        let distance = match order.entry.terms.trail {
            None => return,
            Some(Trail::Ticks(ticks)) => ticks,
            Some(Trail::Ppm(ppm)) => {
                // Rounded up to a whole step; both factors are above 0.
                let exact = i128::from(price.0) * i128::from(ppm);
                let steps = (exact + step * 1_000_000 - 1) / (step * 1_000_000);
                i64::try_from(steps * step).expect("a share of a price is a price")
            }
        };
        let (followed, old) = match order.entry.side {
            Side::Sell => (price.0 - distance, order.entry.terms.stop_price),
            Side::Buy => (price.0 + distance, order.entry.terms.stop_price),
        };
        let stop = match (old, order.entry.side) {
            (None, _) => followed,
            (Some(old), Side::Sell) => old.0.max(followed),
            (Some(old), Side::Buy) => old.0.min(followed),
        };
        order.entry.terms.stop_price = Some(Ticks(stop));
    }

    /// Gives every pegged order the price that the book gives now; those that change get one stamp together (rule 1.2).
    fn reprice_pegs(&mut self) {
        let mut changes = Vec::new();
        for (handle, order) in &self.orders {
            let price = self.peg_price(&order.entry);
            if order.place == Place::Pegged && price != order.peg_price {
                changes.push((*handle, price));
            }
        }
        if changes.is_empty() {
            return;
        }
        let stamp = self.next_stamp();
        for (handle, price) in changes {
            let order = self.orders.get_mut(&handle).expect("it was found");
            order.peg_price = price;
            order.stamp = stamp;
        }
    }

    /// The price that the book gives a pegged order now (rule 2.7).
    fn peg_price(&self, entry: &Entry) -> Option<Ticks> {
        let Peg { kind, offset } = entry.terms.peg?;
        let best = |side| self.levels(side).first().map(|level| level.0.0);
        let (own, other) = (best(entry.side), best(entry.side.opposite()));
        let step = self.increment.0;
        let followed = match (kind, entry.side) {
            (PegKind::Primary, _) => own?,
            (PegKind::Market, _) => other?,
            (PegKind::Mid, Side::Buy) => (own? + other?).div_euclid(2 * step) * step,
            (PegKind::Mid, Side::Sell) => -((-own? - other?).div_euclid(2 * step) * step),
        };
        let price = followed + offset.0;
        let price = match (entry.price.0, entry.side) {
            (0, _) => price,
            (limit, Side::Buy) => price.min(limit),
            (limit, Side::Sell) => price.max(limit),
        };
        (price > 0).then_some(Ticks(price))
    }

    /// The first pegged order that meets the other side (rule 9.1).
    fn first_peg_that_takes(&self) -> Option<u32> {
        let mut pegs = self.resting(Place::Pegged);
        pegs.retain(|order| self.first_for(order).is_some());
        pegs.first().map(|order| order.entry.handle)
    }

    /// The first resting order whose minimum quantity is to be had (rule 9.2).
    fn first_minimum_that_is_met(&self) -> Option<u32> {
        let mut orders = self.resting(Place::Conditional);
        orders.retain(|order| self.first_for(order).is_some());
        orders.retain(|order| self.could_trade(order) >= order.least());
        orders.first().map(|order| order.entry.handle)
    }

    /// The first waiting order that has been triggered (rule 9.3).
    fn first_triggered(&self) -> Option<u32> {
        let triggered = self.orders.values().filter_map(|order| Some((order, order.trigger?)));
        let first = triggered
            .min_by_key(|(order, trigger)| (trigger.trade, Reverse(trigger.distance), order.stamp));
        first.map(|(order, _)| order.entry.handle)
    }

    /// The orders of a place, buyers before sellers, each side in its rank.
    fn resting(&self, place: Place) -> Vec<&Order> {
        let mut orders: Vec<&Order> =
            self.orders.values().filter(|order| order.place == place).collect();
        orders.sort_by_key(|order| (order.entry.side.index(), order.rank(order.resting_price())));
        orders
    }
}

fn unknown(handle: u32) -> Reject {
    Reject::of(RejectReason::UnknownOrder, handle.into())
}

/// The same price and no more quantity keep the place (rule 5.2).
fn keeps_place(old: &Entry, new: &Entry) -> bool {
    new.price == old.price && new.qty <= old.qty && new.terms.stop_price == old.terms.stop_price
}

/// Where an order rests that waits for no trigger and no closing auction.
fn book_place(entry: &Entry) -> Place {
    match entry.order_type {
        OrderType::Market => Place::AtMarket,
        OrderType::Pegged => Place::Pegged,
        _ if entry.terms.min_qty.is_some() => Place::Conditional,
        _ if entry.terms.hidden => Place::Hidden,
        _ => Place::Displayed,
    }
}

/// What an order that is displayed shows of its open quantity.
fn first_part(entry: &Entry) -> Lots {
    entry.terms.display_qty.unwrap_or(entry.qty).min(entry.qty)
}
