//! Taking: what an order does to the other side.

use super::hash::{Place, hash_terms};
use super::ladder::NO_KEY;
use super::market::Market;
use super::pool::{NONE, Pool};
use super::{Reports, Trade};
use std::cmp::Reverse;
use tidegate_model::command::SelfTrade;
use tidegate_model::event::CancelReason;
use tidegate_model::{Lots, Side, Ticks};

/// An order that takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) handle: u32,
    pub(super) account: u32,
    pub(super) side: Side,
    pub(super) self_trade: Option<SelfTrade>,
    /// Worst price, or the extreme one for any.
    pub(super) limit: i64,
    pub(super) left: u64,
}

/// An order that a taker may trade with, by its rank: better price, displayed class, stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Maker {
    /// Of its side's ladders: larger is better.
    pub(super) key: i64,
    pub(super) is_hidden: bool,
    pub(super) stamp: u64,
    pub(super) arrival: u64,
    pub(super) slot: u32,
}

impl Maker {
    pub(super) fn rank(&self) -> (Reverse<i64>, bool, u64, u64) {
        (Reverse(self.key), self.is_hidden, self.stamp, self.arrival)
    }
}

impl Market {
    /// True if the taker meets something displayed.
    #[inline(always)]
    pub(super) fn crosses(&self, taker: &Taker) -> bool {
        let book = &self.books[taker.side.opposite().index()];
        book.best_key() >= book.key(taker.limit)
    }

    /// The taker trades with what it meets.
    #[inline(always)]
    pub(super) fn take(&mut self, pool: &mut Pool, taker: &mut Taker, out: &mut impl Reports) {
        if self.beside[taker.side.opposite().index()] == 0 && taker.self_trade.is_none() {
            if self.crosses(taker) {
                self.take_displayed(pool, taker, out);
            }
        } else {
            self.take_any(pool, taker, out);
        }
    }

    /// The taker takes; nothing but what is displayed is on the other side.
    #[inline(never)]
    fn take_displayed(&mut self, pool: &mut Pool, taker: &mut Taker, out: &mut impl Reports) {
        let maker_side = taker.side.opposite();
        let book = &mut self.books[maker_side.index()];
        let limit = book.key(taker.limit);
        while taker.left > 0 && book.best_key() >= limit {
            let key = book.best_key();
            let price = book.key(key);
            if price < self.band.0 || price > self.band.1 {
                self.paused = true;
                break;
            }
            let level = book.best_level();
            let queue = book.queue_mut(level);
            let mut head = queue.head;
            while head != NONE && taker.left > 0 {
                let node = pool.node_mut(head);
                let qty = taker.left.min(node.qty);
                self.hash.remove(node.hash());
                out.trade(&Trade {
                    maker: node.handle,
                    taker: taker.handle,
                    taker_side: taker.side,
                    auction: false,
                    price: Ticks(price),
                    qty: Lots(qty),
                });
                taker.left -= qty;
                queue.qty -= qty;
                if qty < node.qty {
                    node.qty -= qty;
                    self.hash.add(node.hash());
                    break;
                }
                queue.orders -= 1;
                let next = node.next;
                if node.special != NONE {
                    queue.head = next;
                    queue.tail = if next == NONE { NONE } else { queue.tail };
                    let stamp = &mut self.next_stamp;
                    let reserve = &mut self.reserve[maker_side.index()];
                    let gone = show_next(pool, head, stamp, reserve, out, |pool, slot| {
                        pool.push(queue, slot)
                    });
                    self.hash.0 = self.hash.0.wrapping_add(gone);
                    head = queue.head;
                    continue;
                }
                pool.remove(head, out);
                head = next;
            }
            queue.head = head;
            queue.tail = if head == NONE { NONE } else { queue.tail };
            pool.node_mut(head).prev = NONE;
            out.level(maker_side, Ticks(price), Lots(queue.qty), queue.orders);
            if head == NONE {
                book.emptied(&self.grid, level);
            }
            let first = self.traded.map_or(price, |(first, _)| first);
            self.traded = Some((first, price));
        }
        if let Some((_, last)) = self.traded {
            self.last = Some(last);
            self.reference = None;
        }
    }

    /// The taker takes, from orders beside the book as well, or under its account's instruction.
    #[cold]
    #[inline(never)]
    fn take_any(&mut self, pool: &mut Pool, taker: &mut Taker, out: &mut impl Reports) {
        let maker_side = taker.side.opposite();
        let limit = self.books[maker_side.index()].key(taker.limit);
        while taker.left > 0 {
            let maker = self.first_maker(pool, maker_side, taker.left);
            let Some(maker) = maker.filter(|maker| maker.key >= limit) else { return };
            let price = self.books[maker_side.index()].key(maker.key);
            if !self.is_in_band(price) {
                self.paused = true;
                return;
            }
            let node = pool.node(maker.slot);
            if let Some(instruction) = taker.self_trade
                && node.account == taker.account
            {
                self.prevent(pool, taker, maker.slot, instruction, out);
                continue;
            }
            let qty = taker.left.min(node.qty);
            out.trade(&Trade {
                maker: node.handle,
                taker: taker.handle,
                taker_side: taker.side,
                auction: false,
                price: Ticks(price),
                qty: Lots(qty),
            });
            taker.left -= qty;
            self.executed(pool, maker.slot, qty, out);
            self.note_trade(price);
        }
    }

    /// True if a trade at the price would not pause the market (rule 8.1).
    fn is_in_band(&self, price: i64) -> bool {
        price >= self.band.0 && price <= self.band.1
    }

    pub(super) fn note_trade(&mut self, price: i64) {
        let first = self.traded.map_or(price, |(first, _)| first);
        self.traded = Some((first, price));
        self.last = Some(price);
        self.reference = None;
    }

    /// `qty` lots of what an order shows were executed where it rests.
    pub(super) fn executed(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        qty: u64,
        out: &mut impl Reports,
    ) {
        let node = *pool.node(slot);
        if qty < node.qty {
            return self.reduce_shown(pool, slot, qty, out);
        }
        self.lift(pool, slot, out);
        let node = pool.node_mut(slot);
        node.qty = 0;
        if node.reserve == 0 {
            return pool.remove_whole(slot, out);
        }
        self.split(pool, slot);
        let stamp = self.take_stamp();
        pool.node_mut(slot).stamp = stamp;
        let place = pool.node(slot).place();
        self.put(pool, slot, place, out);
    }

    /// Parts the open quantity of an order that is in no queue into what it shows and what it holds back.
    pub(super) fn split(&mut self, pool: &mut Pool, slot: u32) {
        let display = match pool.node(slot).special {
            NONE => None,
            _ => pool.special(slot).entry.terms.display_qty,
        };
        let node = pool.node_mut(slot);
        let open = node.open();
        node.qty = display.map_or(open, |display| display.0.min(open));
        node.reserve = open - node.qty;
    }

    /// Rule 3.6: the taker met an order of its own account.
    fn prevent(
        &mut self,
        pool: &mut Pool,
        taker: &mut Taker,
        maker: u32,
        instruction: SelfTrade,
        out: &mut impl Reports,
    ) {
        let cancel_taker = |taker: &mut Taker, qty: u64, out: &mut _| {
            taker.left -= qty;
            Reports::canceled(out, taker.handle, Lots(qty), CancelReason::SelfTrade);
        };
        match instruction {
            SelfTrade::CancelNewest => cancel_taker(taker, taker.left, out),
            SelfTrade::CancelOldest => self.end(pool, maker, CancelReason::SelfTrade, out),
            SelfTrade::CancelBoth => {
                self.end(pool, maker, CancelReason::SelfTrade, out);
                cancel_taker(taker, taker.left, out);
            }
            SelfTrade::Decrement => {
                let open = pool.node(maker).open();
                let qty = open.min(taker.left);
                if qty == open {
                    self.end(pool, maker, CancelReason::SelfTrade, out);
                } else {
                    out.canceled(pool.node(maker).handle, Lots(qty), CancelReason::SelfTrade);
                    self.shrink(pool, maker, open - qty, out);
                }
                cancel_taker(taker, qty, out);
            }
        }
    }

    /// The order that a taker of `left` lots trades with first, whatever its price.
    fn first_maker(&self, pool: &Pool, side: Side, left: u64) -> Option<Maker> {
        let ladders = [(&self.books[side.index()], false), (&self.hidden[side.index()], true)];
        let heads = ladders.iter().filter(|(ladder, _)| ladder.best_key() != NO_KEY);
        let heads = heads.map(|(ladder, is_hidden)| {
            self.maker(pool, ladder.queue(ladder.best_level()).head, *is_hidden)
        });
        let peg = self.pegs[side.index()].first().filter(|slot| pool.node(**slot).price != 0);
        let conditional = &self.conditional[side.index()];
        let conditional = conditional.iter().find(|slot| left >= least(pool, **slot));
        let beside = peg.into_iter().chain(conditional).map(|slot| self.maker(pool, *slot, false));
        heads.chain(beside).min_by_key(Maker::rank)
    }

    pub(super) fn maker(&self, pool: &Pool, slot: u32, is_hidden: bool) -> Maker {
        let node = pool.node(slot);
        let key = self.books[usize::from(node.side & 1)].key(node.price);
        Maker { key, is_hidden, stamp: node.stamp, arrival: pool.entry_arrival(slot), slot }
    }

    /// The best price that an order of `qty` lots on the other side could trade at now.
    pub(super) fn best_executable(&self, pool: &Pool, side: Side, qty: u64) -> Option<i64> {
        let maker = self.first_maker(pool, side, qty)?;
        Some(self.books[side.index()].key(maker.key))
    }

    /// True if the taker could trade at least `need` lots now (rule 3.6).
    pub(super) fn can_take(&mut self, pool: &Pool, taker: &Taker, need: u64) -> bool {
        let mut makers = core::mem::take(&mut self.makers);
        let could = Could { market: self, pool, account: taker.account, need };
        let can = could.take(taker, &mut makers);
        self.makers = makers;
        can
    }
}

/// Counts what a taker would trade. It goes no further than it has to: what lies behind costs nothing.
struct Could<'a> {
    market: &'a Market,
    pool: &'a Pool,
    account: u32,
    need: u64,
}

/// What was counted so far.
struct Count {
    left: u64,
    taken: u64,
}

impl Could<'_> {
    /// Goes over the makers price by price. `makers` is room for those of one price.
    fn take(&self, taker: &Taker, makers: &mut Vec<(Maker, u64)>) -> bool {
        let (market, pool) = (self.market, self.pool);
        let side = taker.side.opposite().index();
        let (book, hidden) = (&market.books[side], &market.hidden[side]);
        let limit = book.key(taker.limit);
        let mut levels = book.iter(&market.grid).peekable();
        let mut hidden = hidden.iter(&market.grid).peekable();
        let mut beside = [&market.pegs[side], &market.conditional[side]].map(|slots| {
            slots.iter().copied().filter(|slot| pool.node(*slot).price != 0).peekable()
        });
        let is_plain = taker.self_trade.is_none() && market.reserve[side] == 0;
        let mut count = Count { left: taker.left, taken: 0 };
        while count.taken < self.need && count.left > 0 {
            let heads = [levels.peek(), hidden.peek()].map(|head| head.map(|head| head.0));
            let besides =
                beside.each_mut().map(|slots| slots.peek().map(|at| pool.node(*at).price));
            let prices = heads.into_iter().chain(besides).flatten();
            let Some(price) = prices.max_by_key(|price| book.key(*price)) else { break };
            if book.key(price) < limit {
                break;
            }
            makers.clear();
            for slots in &mut beside {
                while let Some(slot) = slots.next_if(|slot| pool.node(*slot).price == price) {
                    makers.push((market.maker(pool, slot, false), pool.node(slot).qty));
                }
            }
            if let Some((_, queue)) = hidden.next_if(|(at, _)| *at == price) {
                self.list(queue.head, true, makers);
            }
            if let Some((_, queue)) = levels.next_if(|(at, _)| *at == price) {
                if is_plain && makers.is_empty() && market.is_in_band(price) {
                    let qty = queue.qty.min(count.left);
                    count.taken += qty;
                    count.left -= qty;
                    continue;
                }
                self.list(queue.head, false, makers);
            }
            makers.sort_unstable_by_key(|(maker, _)| maker.rank());
            if !self.count(taker.self_trade, makers, &mut count) {
                break;
            }
        }
        count.taken >= self.need
    }

    /// Lists the orders of a queue, an iceberg once more with what it holds back.
    fn list(&self, head: u32, is_hidden: bool, makers: &mut Vec<(Maker, u64)>) {
        let mut slot = head;
        while slot != NONE {
            let node = self.pool.node(slot);
            let maker = self.market.maker(self.pool, slot, is_hidden);
            makers.push((maker, node.qty));
            if node.reserve > 0 {
                // Its next parts come behind everything displayed at the price.
                makers.push((Maker { stamp: u64::MAX, ..maker }, node.reserve));
            }
            slot = node.next;
        }
    }

    /// Counts the makers of one price, in their order; false if it ends there.
    fn count(
        &self,
        instruction: Option<SelfTrade>,
        makers: &[(Maker, u64)],
        count: &mut Count,
    ) -> bool {
        for &(maker, qty) in makers {
            let node = self.pool.node(maker.slot);
            if node.place() == Place::Conditional && count.left < least(self.pool, maker.slot) {
                continue;
            }
            let is_done = count.taken >= self.need || count.left == 0;
            if is_done || !self.market.is_in_band(node.price) {
                return false;
            }
            if instruction.is_some() && node.account == self.account {
                match instruction {
                    Some(SelfTrade::CancelNewest | SelfTrade::CancelBoth) => return false,
                    Some(SelfTrade::Decrement) if maker.stamp == node.stamp => {
                        count.left -= count.left.min(node.open());
                    }
                    _ => {}
                }
                continue;
            }
            let qty = qty.min(count.left);
            count.taken += qty;
            count.left -= qty;
        }
        true
    }
}

/// The smallest execution that a resting minimum-quantity order takes part in.
pub(super) fn least(pool: &Pool, slot: u32) -> u64 {
    let min = pool.special(slot).entry.terms.min_qty.map_or(1, |qty| qty.0);
    min.min(pool.node(slot).open())
}

/// All that an order showed is executed. An iceberg shows its next part behind the others, any other order is forgotten.
/// Returns what that adds to the state hash, which does not hold the order's own record any more.
#[cold]
#[inline(never)]
fn show_next(
    pool: &mut Pool,
    slot: u32,
    next_stamp: &mut u64,
    reserve: &mut u64,
    out: &mut impl Reports,
    push: impl FnOnce(&mut Pool, u32),
) -> u64 {
    let terms = hash_terms(&pool.special(slot).entry);
    if pool.node(slot).reserve == 0 {
        pool.remove_whole(slot, out);
        return terms.wrapping_neg();
    }
    let display = pool.special(slot).entry.terms.display_qty.map_or(u64::MAX, |qty| qty.0);
    let node = pool.node_mut(slot);
    node.qty = display.min(node.reserve);
    node.reserve -= node.qty;
    node.stamp = *next_stamp;
    *reserve -= node.qty;
    *next_stamp += 1;
    let hash = node.hash();
    push(pool, slot);
    hash
}
