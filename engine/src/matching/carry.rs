//! Carrying out: an order arrives, is replaced or triggered, and trades, rests, waits or ends.

use super::hash::Place;
use super::market::Market;
use super::pool::{NONE, Pool};
use super::take::{Taker, least};
use super::terms::{Entry, Trail};
use super::{Phase, Reports};
use tidegate_model::command::{OrderType, PegKind, PostOnly, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::{Reject, RejectReason, Side, Ticks};

impl Market {
    /// Refuses a post-only order that would take (rule 3.3).
    pub(super) fn check_post_only(&self, pool: &Pool, entry: &Entry) -> Result<(), Reject> {
        let Some(best) = self.would_take(pool, entry) else { return Ok(()) };
        let (best, price) = (i128::from(best), i128::from(entry.price.0));
        Err(Reject::new(RejectReason::PostOnlyWouldCross, best, price))
    }

    /// The limit that a new order gets: its own, or another if it slides (rule 3.3).
    pub(super) fn posted(&self, pool: &Pool, entry: &Entry) -> Result<Ticks, Reject> {
        let Some(best) = self.would_take(pool, entry) else { return Ok(entry.price) };
        let short = match entry.side {
            Side::Buy => (best - 1).div_euclid(self.step) * self.step,
            Side::Sell => (best.div_euclid(self.step) + 1) * self.step,
        };
        if entry.terms.post_only == Some(PostOnly::Slide) && short >= self.step {
            return Ok(Ticks(short));
        }
        self.check_post_only(pool, entry).map(|()| entry.price)
    }

    /// The price at which a post-only order would take.
    fn would_take(&self, pool: &Pool, entry: &Entry) -> Option<i64> {
        entry.terms.post_only?;
        let best = self.best_executable(pool, entry.side.opposite(), entry.qty.0);
        best.filter(|best| reaches(entry.side, entry.price.0, *best))
    }

    /// Carries out an order that is nowhere.
    pub(super) fn carry_out(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let place = self.place_of(pool, slot);
        if place == Place::Waiting {
            return self.begin_waiting(pool, slot, out);
        }
        if self.phase != Phase::Continuous || place == Place::AtClose {
            self.split(pool, slot);
            if place == Place::Pegged {
                pool.node_mut(slot).price = 0;
            }
            return self.rest(pool, slot, place, out);
        }
        let entry = pool.entry(slot);
        let immediate = match (entry.time_in_force, entry.order_type) {
            (TimeInForce::Fok, _) => Some(CancelReason::Fok),
            (_, OrderType::Market) => Some(CancelReason::NoLiquidity),
            (TimeInForce::Ioc, _) => Some(CancelReason::Ioc),
            _ => None,
        };
        let Some(mut taker) = self.taker(pool, slot, &entry) else {
            let is_pegged = entry.order_type == OrderType::Pegged;
            let reason = if is_pegged { immediate } else { Some(CancelReason::NoLiquidity) };
            if let Some(reason) = reason {
                return self.forget(pool, slot, reason, out);
            }
            pool.node_mut(slot).price = 0;
            return self.rest(pool, slot, place, out);
        };
        if entry.time_in_force == TimeInForce::Fok && !self.can_take(pool, &taker, taker.left) {
            return self.forget(pool, slot, CancelReason::Fok, out);
        }
        if entry.terms.min_qty.is_some() && !self.can_take(pool, &taker, least(pool, slot)) {
            if immediate.is_some() {
                return self.forget(pool, slot, CancelReason::MinQty, out);
            }
            return self.rest(pool, slot, Place::Conditional, out);
        }
        self.take(pool, &mut taker, out);
        let node = pool.node_mut(slot);
        node.qty = taker.left;
        node.reserve = 0;
        let paused = self.halt_if_due(pool, out);
        if taker.left == 0 {
            pool.remove_whole(slot, out);
        } else if let Some(reason) = immediate {
            let reason = if paused { CancelReason::PriceBand } else { reason };
            self.forget(pool, slot, reason, out);
        } else {
            self.split(pool, slot);
            let place = self.place_of(pool, slot);
            self.rest(pool, slot, place, out);
        }
    }

    /// The order as a taker now; `None` if it has no price. A market-to-limit order becomes a limit order.
    fn taker(&mut self, pool: &mut Pool, slot: u32, entry: &Entry) -> Option<Taker> {
        let side = entry.side;
        let limit = match entry.order_type {
            OrderType::Market if entry.price == Ticks::ZERO => match side {
                Side::Buy => i64::MAX - 1,
                Side::Sell => i64::MIN + 1,
            },
            OrderType::MarketToLimit => {
                let best = self.best_executable(pool, side.opposite(), entry.qty.0);
                let is_in_reach =
                    |best: &i64| entry.price.0 == 0 || reaches(side, entry.price.0, *best);
                let best = best.filter(is_in_reach)?;
                self.become_plain(pool, slot, OrderType::Limit, Ticks(best));
                best
            }
            OrderType::Pegged => {
                let price = self.peg_price(entry)?;
                pool.node_mut(slot).price = price;
                price
            }
            _ => entry.price.0,
        };
        let (account, self_trade) = (entry.account.0, entry.terms.self_trade);
        Some(Taker { handle: entry.handle, account, side, self_trade, limit, left: entry.qty.0 })
    }

    /// An order becomes one of another type with this limit, and forgets what set it off.
    pub(super) fn become_plain(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        order_type: OrderType,
        price: Ticks,
    ) {
        let special = pool.special_mut(slot);
        special.entry.order_type = order_type;
        special.entry.price = price;
        special.entry.terms.stop_price = None;
        special.entry.terms.trail = None;
        special.entry.terms.limit_offset = None;
        let is_plain = special.entry.is_plain();
        pool.node_mut(slot).price = price.0;
        if is_plain {
            pool.drop_special(slot);
        }
    }

    /// A stop, touched or trailing order begins to wait; it may be its turn at once.
    fn begin_waiting(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let entry = &mut pool.special_mut(slot).entry;
        if entry.terms.stop_price.is_none()
            && let (Some(trail), Some(last)) = (entry.terms.trail, self.last)
        {
            entry.terms.stop_price = Some(Ticks(trailed(entry.side, trail, last, self.step)));
        }
        let entry = &pool.special(slot).entry;
        let is_reached = self.phase == Phase::Continuous
            && match (entry.terms.stop_price, self.last) {
                (Some(stop), Some(last)) if rises(entry) => last >= stop.0,
                (Some(stop), Some(last)) => last <= stop.0,
                _ => false,
            };
        if is_reached {
            self.carry_triggered(pool, slot, out);
        } else {
            self.rest(pool, slot, Place::Waiting, out);
        }
    }

    /// The price that a pegged order has now.
    pub(super) fn peg_price(&self, entry: &Entry) -> Option<i64> {
        let peg = entry.terms.peg?;
        let best = |side: Side| self.books[side.index()].best_price();
        let followed = match peg.kind {
            PegKind::Primary => best(entry.side)?,
            PegKind::Market => best(entry.side.opposite())?,
            PegKind::Mid => {
                let (sum, two_steps) = (best(Side::Buy)? + best(Side::Sell)?, 2 * self.step);
                let up = if entry.side == Side::Sell { two_steps - 1 } else { 0 };
                (sum + up).div_euclid(two_steps) * self.step
            }
        };
        let price = followed + peg.offset.0;
        let price = match (entry.price.0, entry.side) {
            (0, _) => price,
            (limit, Side::Buy) => price.min(limit),
            (limit, Side::Sell) => price.max(limit),
        };
        (price >= self.step).then_some(price)
    }

    /// An order that rests beside the book takes, and keeps its place with what is left.
    pub(super) fn carry_at_rest(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let mut taker = resting_taker(pool, slot);
        let before = taker.left;
        self.take(pool, &mut taker, out);
        self.halt_if_due(pool, out);
        if taker.left == 0 {
            self.lift(pool, slot, out);
            pool.remove_whole(slot, out);
        } else if taker.left < before {
            self.reduce_shown(pool, slot, before - taker.left, out);
        }
    }

    /// Goes into the halt if a trade was due outside the price band (rule 8); true if so.
    #[inline(always)]
    pub(super) fn halt_if_due(&mut self, pool: &mut Pool, out: &mut impl Reports) -> bool {
        let is_due = core::mem::take(&mut self.paused);
        if is_due {
            self.halt(pool, out);
        }
        is_due
    }

    #[cold]
    fn halt(&mut self, pool: &mut Pool, out: &mut impl Reports) {
        self.phase = Phase::Halt;
        out.phase(Phase::Halt);
        self.wait_on(pool);
    }
}

/// A pegged or minimum-quantity order, where it rests, as a taker.
pub(super) fn resting_taker(pool: &Pool, slot: u32) -> Taker {
    let entry = &pool.special(slot).entry;
    let node = pool.node(slot);
    Taker {
        handle: node.handle,
        account: node.account,
        side: node.side(),
        self_trade: entry.terms.self_trade,
        limit: node.price,
        left: node.open(),
    }
}

/// True if an order of `side` at `price` trades with one at `other` of the other side.
pub(super) fn reaches(side: Side, price: i64, other: i64) -> bool {
    match side {
        Side::Buy => price >= other,
        Side::Sell => price <= other,
    }
}

/// True if trades at or above its stop price trigger the order, not those at or below it.
pub(super) fn rises(entry: &Entry) -> bool {
    let touched =
        matches!(entry.order_type, OrderType::MarketIfTouched | OrderType::LimitIfTouched);
    (entry.side == Side::Buy) != touched
}

/// The stop price that follows a trade at `price`.
pub(super) fn trailed(side: Side, trail: Trail, price: i64, step: i64) -> i64 {
    let distance = match trail {
        Trail::Ticks(ticks) => ticks,
        Trail::Ppm(ppm) => {
            let share = i128::from(price) * i128::from(ppm);
            let step = i128::from(step);
            let steps = (share + step * 1_000_000 - 1).div_euclid(step * 1_000_000).max(1);
            i64::try_from(steps * step).expect("a share of a price is no more than the price")
        }
    };
    match side {
        Side::Buy => price + distance,
        Side::Sell => price - distance,
    }
}

/// The record of an order that is nowhere yet.
#[inline(always)]
pub(super) fn node_of(entry: &Entry, market: u32) -> super::pool::Node {
    super::pool::Node {
        price: entry.price.0,
        qty: entry.qty.0,
        reserve: 0,
        stamp: 0,
        handle: entry.handle,
        account: entry.account.0,
        next: NONE,
        prev: NONE,
        special: NONE,
        market,
        side: entry.side.index() as u8,
        place: Place::Displayed as u8,
        time_in_force: entry.time_in_force.wire(),
        is_live: 1,
        level: 0,
    }
}
