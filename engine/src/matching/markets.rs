//! Every market, and what one may ask of it. The way of a plain order is here whole: in, through what it meets, to its place.

use super::hash::Place;
use super::market::{BESIDE_MAX, Market};
use super::pool::{NONE, Node, Pool};
use super::take::Taker;
use super::terms::Entry;
use super::{Indicative, PRICE_MAX, Phase, QTY_MAX, Queued, Reports};
use serde::{Deserialize, Serialize};
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::saved::{Inconsistent, UpTo};
use tidegate_model::{
    AccountId, InstrumentId, Lots, Reject, RejectReason, Side, StateHash, Ticks, UnixNanos,
};

/// A limit order without further terms: DAY, GTC, IOC or FOK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The number by which the market knows it; no live order may have it.
    pub handle: u32,
    /// Whose it is.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// DAY, GTC, IOC or FOK.
    pub time_in_force: TimeInForce,
    /// Lots, above 0.
    pub qty: Lots,
    /// Limit.
    pub price: Ticks,
}

/// Most handles: the sum of so many quantities fits in 64 bits.
pub const HANDLES_MAX: u32 = 1 << 24;

/// The market of every instrument.
#[derive(Debug, Serialize, Deserialize)]
pub struct Markets {
    pool: Pool,
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    markets: Vec<Market>,
}

impl Markets {
    /// No market yet, and room for orders with handles below `handles_max`, at most [`HANDLES_MAX`]. Memory is taken as handles
    /// are used, or by [`Self::prefault`].
    pub fn new(handles_max: u32) -> Self {
        Self { pool: Pool::new(handles_max.min(HANDLES_MAX)), markets: Vec::new() }
    }

    /// Makes what follows from what was read from a snapshot of markets with these steps, and looks at all of it.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(&mut self, steps: &[Ticks], handles_max: u32) -> Result<(), Inconsistent> {
        let Self { pool, markets } = self;
        let check = |holds, why| Inconsistent::unless(holds, "markets", why);
        check(markets.len() == steps.len(), "instruments have their markets")?;
        pool.restored(handles_max.min(HANDLES_MAX))?;
        let mut found = vec![false; pool.handles_max() + 1];
        for ((market, id), step) in markets.iter_mut().zip(0..).zip(steps) {
            check(market.id == id && market.step == step.0, "markets are numbered through")?;
            market.restored(pool, &mut found)?;
        }
        check(pool.live().all(|slot| found[slot as usize]), "every order is in a market")
    }

    /// Takes and touches the memory that the first 2^17 handles need; without it memory moves as orders come.
    pub fn prefault(&mut self) {
        self.pool.prefault();
    }

    /// Takes and touches the memory that all handles need, so that none moves as orders come.
    pub fn prefault_all(&mut self) {
        self.pool.prefault_all();
    }

    /// Opens a market whose order prices are multiples of `step`, 1 to 2^32; returns its number.
    pub fn define(&mut self, step: Ticks) -> u32 {
        let id = self.markets.len() as u32;
        self.markets.push(Market::new(id, step));
        id
    }

    /// A plain limit order comes: what [`Self::enter`] does with one, in a straight line.
    #[inline]
    pub fn enter_plain(&mut self, market: u32, order: &Plain, out: &mut impl Reports) {
        let Self { pool, markets } = self;
        let id = market;
        let market = &mut markets[market as usize];
        let Plain { handle, side, price, qty, time_in_force, .. } = *order;
        let is_usual = market.phase == Phase::Continuous
            && matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Ioc)
            && pool.is_free(handle)
            && qty.0.wrapping_sub(1) < QTY_MAX.0
            && market.takes_price(price);
        if !is_usual {
            return self.enter_slowly(id, order, out);
        }
        out.accepted(handle, price);
        let account = order.account.0;
        let mut taker =
            Taker { handle, account, side, self_trade: None, limit: price.0, left: qty.0 };
        market.take(pool, &mut taker, out);
        if taker.left > 0 {
            let paused = market.halt_if_due(pool, out);
            if time_in_force == TimeInForce::Ioc {
                let reason = if paused { CancelReason::PriceBand } else { CancelReason::Ioc };
                out.canceled(handle, Lots(taker.left), reason);
                out.ended(handle);
            } else {
                let node = Node {
                    price: price.0,
                    qty: taker.left,
                    reserve: 0,
                    stamp: market.take_stamp(),
                    handle,
                    account,
                    next: NONE,
                    prev: NONE,
                    special: NONE,
                    market: id,
                    side: side.index() as u8,
                    place: Place::Displayed as u8,
                    time_in_force: time_in_force.wire(),
                    is_live: 1,
                    level: 0,
                };
                market.hash.add(node.hash());
                let slot = pool.insert(handle, node);
                market.display(pool, slot, out);
            }
        } else {
            out.ended(handle);
        }
        market.follow(pool, out);
    }

    #[cold]
    #[inline(never)]
    fn enter_slowly(&mut self, market: u32, order: &Plain, out: &mut impl Reports) {
        self.enter_any(market, &order.entry(), out);
    }

    /// An order comes. It is accepted and carried out, or refused.
    pub fn enter(&mut self, market: u32, entry: &Entry, out: &mut impl Reports) {
        if !entry.is_plain() {
            return self.enter_any(market, entry, out);
        }
        let &Entry { handle, account, side, time_in_force, qty, price, .. } = entry;
        let plain = Plain { handle, account, side, time_in_force, qty, price };
        self.enter_plain(market, &plain, out);
    }

    fn enter_any(&mut self, market: u32, entry: &Entry, out: &mut impl Reports) {
        match self.admit(market, entry) {
            Err(reject) => out.rejected(entry.handle, reject),
            Ok(price) => {
                let Self { pool, markets } = self;
                let market = &mut markets[market as usize];
                out.accepted(entry.handle, price);
                let slot = pool.insert_entry(&Entry { price, ..*entry }, market.id);
                if entry.time_in_force == TimeInForce::Gtd {
                    market.note_expiry(entry.terms.expire_at, entry.handle);
                }
                market.carry_out(pool, slot, out);
                market.follow(pool, out);
            }
        }
    }

    /// The price with which the order is taken, which is another than its own if it slides.
    fn admit(&mut self, market: u32, entry: &Entry) -> Result<Ticks, Reject> {
        let Self { pool, markets } = self;
        let market = &markets[market as usize];
        let full = |limit: usize| {
            Reject::new(RejectReason::CapacityExceeded, limit as i128, limit as i128 + 1)
        };
        entry.check(Ticks(market.step))?;
        if entry.handle as usize >= pool.handles_max() {
            return Err(full(pool.handles_max()));
        }
        if pool.find(entry.handle) != NONE {
            return Err(Reject::of(RejectReason::DuplicateId, entry.handle.into()));
        }
        entry.check_now(market.phase, market.time)?;
        let side = entry.side.index();
        let lists = [&market.pegs[side], &market.conditional[side], &market.trailing];
        if !entry.is_plain() && lists.iter().any(|list| list.len() >= BESIDE_MAX) {
            return Err(full(BESIDE_MAX));
        }
        market.posted(pool, entry)
    }

    /// Cancels a live order.
    #[inline]
    pub fn cancel(&mut self, handle: u32, out: &mut impl Reports) {
        let Self { pool, markets } = self;
        let slot = pool.find(handle);
        if slot == NONE {
            return out.refused(handle, Reject::of(RejectReason::UnknownOrder, handle.into()));
        }
        let node = pool.node(slot);
        let market = &mut markets[node.market as usize];
        if node.special == NONE {
            market.hash.remove(node.hash());
            let qty = Lots(node.qty);
            market.undisplay(pool, slot, out);
            out.canceled(handle, qty, CancelReason::User);
            pool.remove(slot, out);
        } else {
            market.end(pool, slot, CancelReason::User, out);
        }
        market.follow(pool, out);
    }

    /// Gives a live order `leaves` open lots, above 0, the limit `price` (0 for an order without one), and another stop price
    /// if one is given.
    #[inline]
    pub fn replace(
        &mut self,
        handle: u32,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
        out: &mut impl Reports,
    ) {
        let Self { pool, markets } = self;
        let slot = pool.find(handle);
        if slot == NONE {
            return out.refused(handle, Reject::of(RejectReason::UnknownOrder, handle.into()));
        }
        let node = pool.node(slot);
        let market = &mut markets[node.market as usize];
        let is_usual = node.special == NONE
            && market.phase == Phase::Continuous
            && stop_price.is_none()
            && leaves.0.wrapping_sub(1) < QTY_MAX.0
            && market.takes_price(price)
            && (price.0 != node.price || leaves.0 > node.qty);
        if !is_usual {
            return self.replace_slowly(slot, leaves, price, stop_price, out);
        }
        let (account, side) = (node.account, node.side());
        market.hash.remove(node.hash());
        market.undisplay(pool, slot, out);
        out.replaced(handle, price, leaves);
        let mut taker =
            Taker { handle, account, side, self_trade: None, limit: price.0, left: leaves.0 };
        market.take(pool, &mut taker, out);
        if taker.left == 0 {
            pool.remove(slot, out);
        } else {
            market.halt_if_due(pool, out);
            let stamp = market.take_stamp();
            let node = pool.node_mut(slot);
            node.price = price.0;
            node.qty = taker.left;
            node.stamp = stamp;
            market.hash.add(node.hash());
            market.display(pool, slot, out);
        }
        market.follow(pool, out);
    }

    #[cold]
    #[inline(never)]
    fn replace_slowly(
        &mut self,
        slot: u32,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
        out: &mut impl Reports,
    ) {
        let Self { pool, markets } = self;
        let handle = pool.node(slot).handle;
        let market = &mut markets[pool.node(slot).market as usize];
        let old = pool.entry(slot);
        let new = match old.replaced(leaves, price, stop_price, Ticks(market.step)) {
            Ok(new) => new,
            Err(reject) => return out.refused(handle, reject),
        };
        if market.phase == Phase::Closed {
            let reject = Reject::of(RejectReason::Phase, market.phase as i128);
            return out.refused(handle, reject);
        }
        let keeps_stop = new.terms.stop_price == old.terms.stop_price;
        if price == old.price && keeps_stop && leaves <= old.qty {
            out.replaced(handle, price, leaves);
            market.shrink(pool, slot, leaves.0, out);
            return market.follow(pool, out);
        }
        let now = new.check_now(market.phase, market.time);
        if let Err(reject) = now.and_then(|()| market.check_post_only(pool, &new)) {
            return out.refused(handle, reject);
        }
        market.lift(pool, slot, out);
        let node = pool.node_mut(slot);
        (node.price, node.qty, node.reserve) = (price.0, leaves.0, 0);
        if node.special != NONE {
            pool.special_mut(slot).entry = new;
        }
        out.replaced(handle, price, leaves);
        market.carry_out(pool, slot, out);
        market.follow(pool, out);
    }

    /// Cancels the orders of one account, or of all, on one side or both, in the order of their stamps.
    pub fn mass_cancel(
        &mut self,
        market: u32,
        account: Option<AccountId>,
        side: Option<Side>,
        out: &mut impl Reports,
    ) {
        self.markets[market as usize].mass_cancel(&mut self.pool, account, side, out);
    }

    /// Cancels these live orders of one market, in the order of their stamps; what follows comes after the last. Leaves the
    /// list sorted so.
    pub fn cancel_all(
        &mut self,
        market: u32,
        handles: &mut [u32],
        reason: CancelReason,
        out: &mut impl Reports,
    ) {
        let Self { pool, markets } = self;
        let market = &mut markets[market as usize];
        handles.sort_unstable_by_key(|handle| {
            let slot = pool.find(*handle);
            (pool.node(slot).stamp, pool.entry_arrival(slot))
        });
        for handle in handles {
            let slot = pool.find(*handle);
            if slot != NONE {
                market.end(pool, slot, reason, out);
            }
        }
        market.follow(pool, out);
    }

    /// Steps to another phase (rule 6).
    pub fn set_phase(&mut self, market: u32, phase: Phase, out: &mut impl Reports) {
        self.markets[market as usize].set_phase(&mut self.pool, phase, out);
    }

    /// Tells the time; orders whose time has come expire. It does not go back.
    pub fn set_time(&mut self, market: u32, now: UnixNanos, out: &mut impl Reports) {
        self.markets[market as usize].set_time(&mut self.pool, now, out);
    }

    /// Sets limit down and limit up, or takes them away (rule 8).
    pub fn set_bands(
        &mut self,
        market: u32,
        bands: Option<(Ticks, Ticks)>,
        out: &mut impl Reports,
    ) {
        let market = &mut self.markets[market as usize];
        market.band = bands.map_or((i64::MIN, i64::MAX), |(low, high)| (low.0, high.0));
        market.follow(&mut self.pool, out);
    }

    /// Sets the price that stands in for the last trade in auctions until there is one.
    pub fn set_reference(&mut self, market: u32, price: Ticks) {
        self.markets[market as usize].reference = Some(price.0);
    }

    /// How many markets there are; their numbers are below.
    pub fn count(&self) -> u32 {
        self.markets.len() as u32
    }

    /// One step of order prices.
    pub fn step(&self, market: u32) -> Ticks {
        Ticks(self.markets[market as usize].step)
    }

    /// The phase.
    pub fn phase(&self, market: u32) -> Phase {
        self.markets[market as usize].phase
    }

    /// The price that auctions lean to: the one that was set since the last trade, else that of the last trade.
    pub fn reference(&self, market: u32) -> Option<Ticks> {
        let market = &self.markets[market as usize];
        market.reference.or(market.last).map(Ticks)
    }

    /// The price of the last trade.
    pub fn last(&self, market: u32) -> Option<Ticks> {
        self.markets[market as usize].last.map(Ticks)
    }

    /// What an auction would do now; nothing while orders are not collected. It looks at every order.
    pub fn indicative(&mut self, market: u32) -> Indicative {
        self.markets[market as usize].indicative(&self.pool)
    }

    /// Orders that the last look at an auction, or the last auction, went over.
    pub fn bidders(&self, market: u32) -> usize {
        self.markets[market as usize].bidders
    }

    /// Open quantity of a live order, displayed or not.
    pub fn open(&self, handle: u32) -> Option<Lots> {
        let slot = self.pool.find(handle);
        (slot != NONE).then(|| Lots(self.pool.node(slot).open()))
    }

    /// A live order as it stands: open quantity, terms in force.
    pub fn entry(&self, handle: u32) -> Option<Entry> {
        let slot = self.pool.find(handle);
        (slot != NONE).then(|| self.pool.entry(slot))
    }

    /// Side and limit of a live order.
    #[inline]
    pub fn order(&self, handle: u32) -> Option<(Side, Ticks)> {
        let slot = self.pool.find(handle);
        let node = self.pool.node(slot);
        (slot != NONE).then_some((node.side(), Ticks(node.price)))
    }

    /// The limit of a live order, 0 for one without; of a pegged order the one it may not pass.
    pub fn limit(&self, handle: u32) -> Option<Ticks> {
        let slot = self.pool.find(handle);
        (slot != NONE).then(|| self.pool.entry(slot).price)
    }

    /// The best displayed price.
    #[inline]
    pub fn best(&self, market: u32, side: Side) -> Option<Ticks> {
        self.markets[market as usize].books[side.index()].best_price().map(Ticks)
    }

    /// Lots displayed at a price.
    pub fn displayed(&self, market: u32, side: Side, price: Ticks) -> Lots {
        let market = &self.markets[market as usize];
        let book = &market.books[side.index()];
        Lots(book.find(&market.grid, price.0).map_or(0, |level| book.queue(level).qty))
    }

    /// Displayed prices, best first, with lots and orders.
    pub fn levels(&self, market: u32, side: Side) -> impl Iterator<Item = (Ticks, Lots, u32)> {
        let market = &self.markets[market as usize];
        let levels = market.books[side.index()].iter(&market.grid);
        levels.map(|(price, queue)| (Ticks(price), Lots(queue.qty), queue.orders))
    }

    /// Displayed orders, best price first, then by their turn.
    pub fn queued(&self, market: u32, side: Side) -> impl Iterator<Item = Queued> {
        let market = &self.markets[market as usize];
        market.books[side.index()].iter(&market.grid).flat_map(move |(price, queue)| {
            let (mut next, mut ahead) = (queue.head, 0);
            std::iter::from_fn(move || {
                if next == NONE {
                    return None;
                }
                let node = self.pool.node(next);
                let queued = Queued {
                    handle: node.handle,
                    price: Ticks(price),
                    open: Lots(node.open()),
                    level: Lots(queue.qty),
                    ahead: Lots(ahead),
                    behind: Lots(queue.qty - ahead - node.qty),
                };
                (next, ahead) = (node.next, ahead + node.qty);
                Some(queued)
            })
        })
    }

    /// The hash of a market with its orders.
    pub fn state_hash(&self, market: u32) -> StateHash {
        self.markets[market as usize].state_hash()
    }
}

impl Plain {
    #[inline(always)]
    fn entry(&self) -> Entry {
        Entry {
            account: self.account,
            time_in_force: self.time_in_force,
            ..Entry::limit(self.handle, self.side, self.price, self.qty)
        }
    }
}

impl Market {
    /// True if an order may have this limit.
    #[inline(always)]
    fn takes_price(&self, price: Ticks) -> bool {
        let (step, whole) = self.grid.step(price.0);
        let is_multiple = whole && step.unsigned_abs() <= self.grid.step_max() as u64;
        is_multiple && (price.0.wrapping_sub(1) as u64) < PRICE_MAX.0 as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Trade;

    /// Counts trades.
    #[derive(Default)]
    struct Trades(usize);

    impl Reports for Trades {
        fn accepted(&mut self, _: u32, _: Ticks) {}
        fn trade(&mut self, _: &Trade) {
            self.0 += 1;
        }
        fn canceled(&mut self, _: u32, _: Lots, _: CancelReason) {}
        fn replaced(&mut self, _: u32, _: Ticks, _: Lots) {}
        fn triggered(&mut self, _: u32, _: Ticks) {}
        fn rejected(&mut self, _: u32, _: Reject) {}
        fn refused(&mut self, _: u32, _: Reject) {}
    }

    /// 5,000 plain offers at 1,000 prices: to know that one lot would trade, none of them has to be listed.
    #[test]
    fn a_fill_or_kill_order_lists_no_more_than_it_needs() {
        let (mut markets, mut out) = (Markets::new(10_000), Trades::default());
        markets.define(Ticks(1));
        let order = |handle: u32, side, time_in_force, price| Plain {
            handle,
            account: AccountId(1),
            side,
            time_in_force,
            qty: Lots(1),
            price: Ticks(price),
        };
        for handle in 0..5_000 {
            let price = 100 + i64::from(handle % 1_000);
            markets.enter_plain(0, &order(handle, Side::Sell, TimeInForce::Gtc, price), &mut out);
        }
        markets.enter_plain(0, &order(5_000, Side::Buy, TimeInForce::Fok, 2_000), &mut out);
        assert_eq!((out.0, markets.markets[0].makers.capacity()), (1, 0));
    }
}
