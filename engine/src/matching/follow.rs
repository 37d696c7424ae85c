//! What follows when an order has been carried out (rule 9): pegs, minimum quantities, triggers.

use super::carry::{reaches, resting_taker, rises, trailed};
use super::ladder::Queue;
use super::market::{Market, put_in, remove, take_out};
use super::pool::{NONE, Pool, SIDES};
use super::take::least;
use super::{Phase, Reports};
use std::cmp::Reverse;
use tidegate_model::Ticks;
use tidegate_model::command::OrderType;

impl Market {
    /// Does what follows until nothing more does.
    #[inline(always)]
    pub(super) fn follow(&mut self, pool: &mut Pool, out: &mut impl Reports) {
        if self.watching != 0 {
            self.follow_all(pool, out);
        }
        self.traded = None;
    }

    #[cold]
    #[inline(never)]
    fn follow_all(&mut self, pool: &mut Pool, out: &mut impl Reports) {
        loop {
            self.look_at_trades(pool);
            if self.phase != Phase::Continuous {
                return self.wait_on(pool);
            }
            self.reprice(pool);
            let meets = SIDES.iter().find_map(|side| {
                self.pegs[side.index()].iter().copied().find(|slot| self.peg_meets(pool, *slot))
            });
            if let Some(slot) = meets.or_else(|| self.first_conditional(pool)) {
                self.carry_at_rest(pool, slot, out);
            } else if let Some(slot) = self.triggered.pop_front() {
                self.hash.remove(pool.hash(slot));
                self.watching -= 1;
                if pool.special(slot).entry.terms.trail.is_some() {
                    remove(&mut self.trailing, slot);
                }
                pool.special_mut(slot).stop_after = None;
                self.carry_triggered(pool, slot, out);
            } else {
                return;
            }
        }
    }

    /// Gives pegged orders the prices that follow from the book.
    fn reprice(&mut self, pool: &mut Pool) {
        let best = [0, 1].map(|side| self.books[side].best_price());
        if self.followed == Some(best) {
            return;
        }
        self.followed = Some(best);
        let mut stamp = None;
        for side in 0..2 {
            let mut pegs = core::mem::take(&mut self.pegs[side]);
            for &slot in &pegs {
                let price = self.peg_price(&pool.special(slot).entry).unwrap_or(0);
                if price == pool.node(slot).price {
                    continue;
                }
                let stamp = *stamp.get_or_insert_with(|| self.take_stamp());
                self.hash.remove(pool.hash(slot));
                let node = pool.node_mut(slot);
                node.price = price;
                node.stamp = stamp;
                self.hash.add(pool.hash(slot));
            }
            pegs.sort_unstable_by_key(|slot| self.peg_rank(pool, *slot));
            self.pegs[side] = pegs;
        }
    }

    /// By what pegged orders of one side rank; those without a price come last.
    fn peg_rank(&self, pool: &Pool, slot: u32) -> (bool, Reverse<i64>, u64, u64) {
        let node = pool.node(slot);
        let key = self.books[usize::from(node.side & 1)].key(node.price);
        (node.price == 0, Reverse(key), node.stamp, pool.entry_arrival(slot))
    }

    /// Puts a pegged order, with its price, in its place among the others.
    pub(super) fn enlist_peg(&mut self, pool: &Pool, slot: u32) {
        let side = usize::from(pool.node(slot).side & 1);
        let own = self.peg_rank(pool, slot);
        let at = self.pegs[side].partition_point(|other| self.peg_rank(pool, *other) < own);
        self.pegs[side].insert(at, slot);
    }

    /// True if the pegged order could trade now.
    fn peg_meets(&self, pool: &Pool, slot: u32) -> bool {
        let node = pool.node(slot);
        let best = self.best_executable(pool, node.side().opposite(), node.open());
        node.price != 0 && best.is_some_and(|best| reaches(node.side(), node.price, best))
    }

    /// The first minimum-quantity order that could take its minimum.
    fn first_conditional(&mut self, pool: &Pool) -> Option<u32> {
        for side in 0..2 {
            for at in 0..self.conditional[side].len() {
                let slot = self.conditional[side][at];
                if self.can_take(pool, &resting_taker(pool, slot), least(pool, slot)) {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Lets what was traded since the last look move trailing orders and trigger waiting ones. Trades between the first and the last were at prices between
    /// theirs, so that these two say everything.
    fn look_at_trades(&mut self, pool: &mut Pool) {
        let Some((first, last)) = self.traded.take() else { return };
        for price in [first, last] {
            self.trail(pool, price);
            self.trigger(pool, price);
        }
    }

    /// Moves the stop prices of trailing orders after a trade at `price`.
    fn trail(&mut self, pool: &mut Pool, price: i64) {
        for at in 0..self.trailing.len() {
            let slot = self.trailing[at];
            let special = pool.special(slot);
            let entry = &special.entry;
            let Some(trail) = entry.terms.trail else { continue };
            let stop = trailed(entry.side, trail, price, self.step);
            let moves = |old: Option<Ticks>| {
                old.is_none_or(|old| if rises(entry) { stop < old.0 } else { stop > old.0 })
            };
            if special.stop_after.is_some() {
                if moves(special.stop_after) {
                    pool.special_mut(slot).stop_after = Some(Ticks(stop));
                }
            } else if moves(entry.terms.stop_price) {
                self.hash.remove(pool.hash(slot));
                self.stop_waiting(pool, slot);
                pool.special_mut(slot).entry.terms.stop_price = Some(Ticks(stop));
                self.wait(pool, slot);
                self.hash.add(pool.hash(slot));
            }
        }
    }

    /// Brings the turn of the orders that a trade at `price` triggers, where orders trade.
    pub(super) fn trigger(&mut self, pool: &mut Pool, price: i64) {
        if self.phase != Phase::Continuous {
            return;
        }
        let mut walk = core::mem::take(&mut self.walk);
        walk.clear();
        for ladder in &self.waiting {
            let reached = ladder
                .iter(&self.grid)
                .take_while(|(stop, _)| ladder.key(*stop) >= ladder.key(price));
            for (_, queue) in reached {
                let mut slot = queue.head;
                while slot != NONE {
                    walk.push(slot);
                    slot = pool.node(slot).next;
                }
            }
        }
        walk.sort_unstable_by_key(|slot| {
            let stop = pool.special(*slot).entry.terms.stop_price.unwrap_or_default();
            (Reverse(stop.0.abs_diff(price)), pool.node(*slot).stamp)
        });
        for &slot in &walk {
            self.set_off(pool, slot);
        }
        self.walk = walk;
    }

    /// The turn of a waiting order comes.
    fn set_off(&mut self, pool: &mut Pool, slot: u32) {
        self.stop_waiting(pool, slot);
        let special = pool.special_mut(slot);
        special.stop_after = special.entry.terms.stop_price;
        self.triggered.push_back(slot);
    }

    /// The orders whose turn was to come wait on.
    pub(super) fn wait_on(&mut self, pool: &mut Pool) {
        while let Some(slot) = self.triggered.pop_front() {
            self.hash.remove(pool.hash(slot));
            let special = pool.special_mut(slot);
            special.entry.terms.stop_price = special.stop_after.take();
            self.wait(pool, slot);
            self.hash.add(pool.hash(slot));
        }
    }

    /// A stop, touched or trailing order that is nowhere becomes a market or limit order and is carried out.
    pub(super) fn carry_triggered(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let entry = pool.special(slot).entry;
        let (order_type, price) = match (entry.order_type, entry.terms.limit_offset) {
            (OrderType::StopLimit | OrderType::LimitIfTouched, _) => {
                (OrderType::Limit, entry.price)
            }
            (OrderType::TrailingStopLimit, None) => (OrderType::Limit, entry.price),
            (OrderType::TrailingStopLimit, Some(offset)) => {
                let stop = entry.terms.stop_price.unwrap_or_default();
                (OrderType::Limit, Ticks((stop.0 + offset.0).max(self.step)))
            }
            _ => (OrderType::Market, entry.price),
        };
        let limit = if order_type == OrderType::Limit { price } else { Ticks::ZERO };
        out.triggered(entry.handle, limit);
        self.become_plain(pool, slot, order_type, price);
        self.carry_out(pool, slot, out);
    }

    /// Puts a waiting order among those of its stop price, if it has one.
    pub(super) fn wait(&mut self, pool: &mut Pool, slot: u32) {
        let entry = &pool.special(slot).entry;
        let Some(stop) = entry.terms.stop_price else { return };
        let ladder = &mut self.waiting[usize::from(!rises(entry))];
        put_in(ladder, &self.grid, pool, slot, stop.0);
    }

    /// Takes a waiting order from among those of its stop price.
    pub(super) fn stop_waiting(&mut self, pool: &mut Pool, slot: u32) {
        let entry = &pool.special(slot).entry;
        if entry.terms.stop_price.is_some() {
            let ladder = &mut self.waiting[usize::from(!rises(entry))];
            take_out(ladder, &self.grid, pool, slot);
        }
    }

    /// The queue of a waiting order's stop price.
    pub(super) fn waiting_queue(&mut self, pool: &Pool, slot: u32) -> Option<&mut Queue> {
        let entry = &pool.special(slot).entry;
        entry.terms.stop_price?;
        let ladder = &mut self.waiting[usize::from(!rises(entry))];
        Some(ladder.queue_mut(pool.node(slot).level))
    }
}
