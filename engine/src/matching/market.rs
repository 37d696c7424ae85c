//! The market of one instrument: where its orders are, and how they get there and away.

use super::auction::Bidding;
use super::hash::{MarketState, Place, hash_market};
use super::ladder::{Ladder, Queue};
use super::pool::{NONE, Pool, SIDES};
use super::take::Maker;
use super::{Phase, Reports};
use crate::grid::Grid;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use tidegate_model::command::{OrderType, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::{Lots, Side, StateHash, Ticks, UnixNanos};

/// Pegged, minimum-quantity and trailing orders that one market holds of each kind and side: each is looked at when the best
/// price, the other side or the last trade changes.
pub(super) const BESIDE_MAX: usize = 16_384;

/// The market of one instrument, without its orders' records.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Market {
    /// Its number among the markets.
    pub(super) id: u32,
    /// One step of order prices.
    pub(super) step: i64,
    pub(super) grid: Grid,
    pub(super) phase: Phase,
    /// Limit down and limit up; the extremes of 64 bits if there are none.
    pub(super) band: (i64, i64),
    pub(super) last: Option<i64>,
    pub(super) reference: Option<i64>,
    pub(super) time: UnixNanos,
    pub(super) next_stamp: u64,
    /// By side: what is displayed.
    pub(super) books: [Ladder; 2],
    /// Orders beside the book, by side: hidden, pegged, with a minimum. Taking from a side that has some is slower.
    pub(super) beside: [u32; 2],
    /// Lots that icebergs hold back, by side.
    pub(super) reserve: [u64; 2],
    /// Orders that may act when others did: pegged, with a minimum, waiting.
    pub(super) watching: u32,
    /// A trade outside the band was due.
    pub(super) paused: bool,
    /// The prices of the first and the last trade since triggers were looked at.
    pub(super) traded: Option<(i64, i64)>,
    /// By side: hidden orders.
    pub(super) hidden: [Ladder; 2],
    /// By side: pegged orders, the first to trade first.
    pub(super) pegs: [Vec<u32>; 2],
    /// The best displayed prices that all pegged orders' prices are from.
    pub(super) followed: Option<[Option<i64>; 2]>,
    /// By side: orders with a minimum quantity, the first to trade first.
    pub(super) conditional: [Vec<u32>; 2],
    /// By stop price: orders that trades at or above it trigger, and at or below it.
    pub(super) waiting: [Ladder; 2],
    /// Trailing orders, those without a stop price included.
    pub(super) trailing: Vec<u32>,
    /// Waiting orders whose turn comes.
    pub(super) triggered: VecDeque<u32>,
    /// By side: market orders that wait for an auction.
    pub(super) at_market: [Queue; 2],
    pub(super) at_close: Queue,
    /// When orders expire: time and handle. Some may be gone.
    pub(super) expiries: BinaryHeap<Reverse<(UnixNanos, u32)>>,
    pub(super) hash: StateHash,
    /// Scratch: orders that are walked over while lists change.
    #[serde(skip)]
    pub(super) walk: Vec<u32>,
    /// Scratch: orders and lots that somebody might trade with.
    #[serde(skip)]
    pub(super) makers: Vec<(Maker, u64)>,
    /// Orders that the last look at an auction, or the last auction, went over.
    pub(super) bidders: usize,
    /// Scratch of auctions.
    #[serde(skip)]
    pub(super) bidding: Bidding,
}

impl Market {
    pub(super) fn new(id: u32, step: Ticks) -> Self {
        let ladders = || SIDES.map(Ladder::new);
        Self {
            id,
            step: step.0,
            grid: Grid::new(step.0),
            phase: Phase::Continuous,
            band: (i64::MIN, i64::MAX),
            last: None,
            reference: None,
            time: UnixNanos::ZERO,
            next_stamp: 1,
            books: ladders(),
            beside: [0; 2],
            reserve: [0; 2],
            watching: 0,
            paused: false,
            traded: None,
            hidden: ladders(),
            pegs: [Vec::new(), Vec::new()],
            followed: None,
            conditional: [Vec::new(), Vec::new()],
            // The lowest is best where rising trades trigger, the highest where falling ones do.
            waiting: [Ladder::new(Side::Sell), Ladder::new(Side::Buy)],
            trailing: Vec::new(),
            triggered: VecDeque::new(),
            at_market: [Queue::default(); 2],
            at_close: Queue::default(),
            expiries: BinaryHeap::new(),
            hash: StateHash::default(),
            walk: Vec::new(),
            makers: Vec::new(),
            bidders: 0,
            bidding: Bidding::default(),
        }
    }

    pub(super) fn state_hash(&self) -> StateHash {
        let bands = (self.band != (i64::MIN, i64::MAX)).then_some(self.band);
        let mut hash = self.hash;
        hash.add(hash_market(&MarketState {
            phase: self.phase,
            last: self.last.map(Ticks),
            reference: self.reference.map(Ticks),
            bands: bands.map(|(low, high)| (Ticks(low), Ticks(high))),
            next_stamp: self.next_stamp,
            time: self.time,
        }));
        hash
    }

    #[inline(always)]
    pub(super) fn take_stamp(&mut self) -> u64 {
        self.next_stamp += 1;
        self.next_stamp - 1
    }

    /// Puts an order with a new stamp where it belongs: it rests or waits.
    pub(super) fn rest(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        place: Place,
        out: &mut impl Reports,
    ) {
        let stamp = self.take_stamp();
        pool.node_mut(slot).stamp = stamp;
        if pool.node(slot).special != NONE {
            pool.special_mut(slot).arrival = stamp;
        }
        self.put(pool, slot, place, out);
    }

    /// Puts an order, with the stamp that it has, at `place`.
    pub(super) fn put(&mut self, pool: &mut Pool, slot: u32, place: Place, out: &mut impl Reports) {
        let entry = (place != Place::Displayed).then(|| pool.entry(slot));
        let node = pool.node_mut(slot);
        node.place = place as u8;
        let side = usize::from(node.side & 1);
        if place != Place::Displayed {
            node.qty = node.open();
            node.reserve = 0;
        }
        let price = node.price;
        match (place, entry) {
            (Place::Displayed, _) | (_, None) => {
                self.reserve[side] += node.reserve;
                self.display(pool, slot, out);
            }
            (Place::Hidden, _) => {
                self.beside[side] += 1;
                put_in(&mut self.hidden[side], &self.grid, pool, slot, price);
            }
            (Place::Pegged, _) => {
                self.beside[side] += 1;
                self.watching += 1;
                // It may have changed the book it follows, or come while none was followed.
                self.followed = None;
                self.enlist_peg(pool, slot);
            }
            (Place::Conditional, _) => {
                self.beside[side] += 1;
                self.watching += 1;
                let rank = |slot: u32| {
                    (Reverse(self.books[side].key(pool.node(slot).price)), pool.node(slot).stamp)
                };
                let own = rank(slot);
                let at = self.conditional[side].partition_point(|other| rank(*other) < own);
                self.conditional[side].insert(at, slot);
            }
            (Place::Waiting, Some(entry)) => {
                self.watching += 1;
                if entry.terms.trail.is_some() {
                    self.trailing.push(slot);
                }
                self.wait(pool, slot);
            }
            (Place::AtMarket, _) => pool.push(&mut self.at_market[side], slot),
            (Place::AtClose, _) => pool.push(&mut self.at_close, slot),
        }
        self.hash.add(pool.hash(slot));
    }

    /// As [`Self::put`], ahead of orders with later stamps.
    pub(super) fn put_by_stamp(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        place: Place,
        out: &mut impl Reports,
    ) {
        let node = pool.node(slot);
        let side = usize::from(node.side & 1);
        let (price, stamp) = (node.price, node.stamp);
        let queue = match place {
            Place::Displayed => self.books[side]
                .find(&self.grid, price)
                .map(|level| self.books[side].queue(level).head),
            Place::Hidden => self.hidden[side]
                .find(&self.grid, price)
                .map(|level| self.hidden[side].queue(level).head),
            Place::AtMarket => Some(self.at_market[side].head),
            _ => None,
        };
        // Whoever has a later stamp steps back and comes again.
        let mut later = core::mem::take(&mut self.walk);
        later.clear();
        let mut next = queue.unwrap_or(NONE);
        while next != NONE {
            if pool.node(next).stamp > stamp {
                later.push(next);
            }
            next = pool.node(next).next;
        }
        for &slot in &later {
            self.lift(pool, slot, out);
        }
        self.put(pool, slot, place, out);
        for &slot in &later {
            self.put(pool, slot, place, out);
        }
        self.walk = later;
    }

    /// Takes an order from where it is.
    pub(super) fn lift(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        self.hash.remove(pool.hash(slot));
        let node = *pool.node(slot);
        let side = usize::from(node.side & 1);
        match node.place() {
            Place::Displayed => {
                self.reserve[side] -= node.reserve;
                self.undisplay(pool, slot, out);
            }
            Place::Hidden => {
                self.beside[side] -= 1;
                let ladder = &mut self.hidden[side];
                take_out(ladder, &self.grid, pool, slot);
            }
            Place::Pegged => {
                self.beside[side] -= 1;
                self.watching -= 1;
                remove(&mut self.pegs[side], slot);
            }
            Place::Conditional => {
                self.beside[side] -= 1;
                self.watching -= 1;
                remove(&mut self.conditional[side], slot);
            }
            Place::Waiting => {
                self.watching -= 1;
                if pool.special(slot).entry.terms.trail.is_some() {
                    remove(&mut self.trailing, slot);
                }
                self.stop_waiting(pool, slot);
            }
            Place::AtMarket => pool.unlink(&mut self.at_market[side], slot),
            Place::AtClose => pool.unlink(&mut self.at_close, slot),
        }
    }

    /// Puts an order at the end of its price's displayed queue.
    #[inline(always)]
    pub(super) fn display(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let (side, price) = (pool.node(slot).side, pool.node(slot).price);
        let book = &mut self.books[usize::from(side & 1)];
        let queue = put_in(book, &self.grid, pool, slot, price);
        out.level(SIDES[usize::from(side & 1)], Ticks(price), Lots(queue.qty), queue.orders);
    }

    /// Takes an order out of its displayed queue.
    #[inline(always)]
    pub(super) fn undisplay(&mut self, pool: &mut Pool, slot: u32, out: &mut impl Reports) {
        let (side, price) = (pool.node(slot).side, pool.node(slot).price);
        let book = &mut self.books[usize::from(side & 1)];
        let (qty, orders) = take_out(book, &self.grid, pool, slot);
        out.level(SIDES[usize::from(side & 1)], Ticks(price), Lots(qty), orders);
    }

    /// Where an order goes that rests or waits in this phase.
    pub(super) fn place_of(&self, pool: &Pool, slot: u32) -> Place {
        if pool.node(slot).special == NONE {
            return Place::Displayed;
        }
        let entry = &pool.special(slot).entry;
        if entry.is_triggered() {
            Place::Waiting
        } else if entry.time_in_force == TimeInForce::AtTheClose
            && self.phase != Phase::CloseAuction
        {
            Place::AtClose
        } else if entry.terms.min_qty.is_some() {
            Place::Conditional
        } else if entry.order_type == OrderType::Pegged {
            Place::Pegged
        } else if entry.order_type == OrderType::Market {
            Place::AtMarket
        } else if entry.terms.hidden {
            Place::Hidden
        } else {
            Place::Displayed
        }
    }

    /// Takes an order off the market.
    pub(super) fn end(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        reason: CancelReason,
        out: &mut impl Reports,
    ) {
        self.lift(pool, slot, out);
        self.forget(pool, slot, reason, out);
    }

    /// Tells that an order that is nowhere any more has ended, and forgets it.
    pub(super) fn forget(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        reason: CancelReason,
        out: &mut impl Reports,
    ) {
        let node = pool.node(slot);
        out.canceled(node.handle, Lots(node.open()), reason);
        pool.remove_whole(slot, out);
    }

    /// Lowers the open quantity of an order that keeps its place, hidden quantity first.
    pub(super) fn shrink(&mut self, pool: &mut Pool, slot: u32, open: u64, out: &mut impl Reports) {
        self.hash.remove(pool.hash(slot));
        let node = pool.node_mut(slot);
        let side = usize::from(node.side & 1);
        let gone = node.open() - open;
        let from_reserve = gone.min(node.reserve);
        let from_qty = gone - from_reserve;
        node.reserve -= from_reserve;
        node.qty -= from_qty;
        self.reserve[side] -= if node.place() == Place::Displayed { from_reserve } else { 0 };
        self.lower_queue(pool, slot, from_qty, out);
        self.hash.add(pool.hash(slot));
    }

    /// Lowers what an order shows, which keeps its place.
    pub(super) fn reduce_shown(
        &mut self,
        pool: &mut Pool,
        slot: u32,
        qty: u64,
        out: &mut impl Reports,
    ) {
        self.hash.remove(pool.hash(slot));
        pool.node_mut(slot).qty -= qty;
        self.lower_queue(pool, slot, qty, out);
        self.hash.add(pool.hash(slot));
    }

    /// Lowers the sum of the queue that an order is in.
    fn lower_queue(&mut self, pool: &Pool, slot: u32, qty: u64, out: &mut impl Reports) {
        let node = pool.node(slot);
        let (price, side) = (node.price, usize::from(node.side & 1));
        let queue = match node.place() {
            Place::Displayed => {
                let queue = self.books[side].queue_mut(node.level);
                queue.qty -= qty;
                if qty > 0 {
                    out.level(SIDES[side], Ticks(price), Lots(queue.qty), queue.orders);
                }
                return;
            }
            Place::Hidden => self.hidden[side].queue_mut(node.level),
            Place::Waiting => match self.waiting_queue(pool, slot) {
                Some(queue) => queue,
                None => return,
            },
            Place::AtMarket => &mut self.at_market[side],
            Place::AtClose => &mut self.at_close,
            Place::Pegged | Place::Conditional => return,
        };
        queue.qty -= qty;
    }

    /// Every order of the market for which `is_meant`, by stamp, into `walk`.
    pub(super) fn gather(&mut self, pool: &Pool, is_meant: impl Fn(&Pool, u32) -> bool) {
        let mut walk = core::mem::take(&mut self.walk);
        walk.clear();
        let mut chain = |head: u32| {
            let mut slot = head;
            while slot != NONE {
                if is_meant(pool, slot) {
                    walk.push(slot);
                }
                slot = pool.node(slot).next;
            }
        };
        for ladder in self.books.iter().chain(&self.hidden).chain(&self.waiting) {
            ladder.iter(&self.grid).for_each(|(_, queue)| chain(queue.head));
        }
        chain(self.at_market[0].head);
        chain(self.at_market[1].head);
        chain(self.at_close.head);
        let unset = self
            .trailing
            .iter()
            .filter(|slot| pool.special(**slot).entry.terms.stop_price.is_none());
        let beside = self.pegs.iter().chain(&self.conditional).flatten().chain(unset);
        walk.extend(beside.copied().filter(|slot| is_meant(pool, *slot)));
        walk.sort_unstable_by_key(|slot| (pool.node(*slot).stamp, pool.entry_arrival(*slot)));
        self.walk = walk;
    }
}

/// Puts an order at the end of its price's level of a ladder.
#[inline(always)]
pub(super) fn put_in<'l>(
    ladder: &'l mut Ladder,
    grid: &Grid,
    pool: &mut Pool,
    slot: u32,
    price: i64,
) -> &'l Queue {
    let level = ladder.enter(grid, price);
    pool.node_mut(slot).level = level;
    let queue = ladder.queue_mut(level);
    pool.push(queue, slot);
    queue
}

/// Takes an order out of its level of a ladder; returns what is left there.
#[inline(always)]
pub(super) fn take_out(ladder: &mut Ladder, grid: &Grid, pool: &mut Pool, slot: u32) -> (u64, u32) {
    let level = pool.node(slot).level;
    let queue = ladder.queue_mut(level);
    pool.unlink(queue, slot);
    let (qty, orders) = (queue.qty, queue.orders);
    if orders == 0 {
        ladder.emptied(grid, level);
    }
    (qty, orders)
}

/// Takes an order out of a list that holds it.
pub(super) fn remove(list: &mut Vec<u32>, slot: u32) {
    let at = list.iter().position(|other| *other == slot).expect("the list of its place holds it");
    list.remove(at);
}
