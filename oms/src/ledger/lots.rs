//! Tax lots of accounts that realise first in, first out.
//!
//! A position's lots are a list, oldest first, and one more that is in no list: the newest. It is what the position holds
//! beyond the list, in lots and in cost, so that a position of one lot needs no list, and one for whose next lot there is
//! no room adds to its newest: nothing is refused, and the sum is always that of the position.
//!
//! What closes a position moves a cursor along the list. Lots that it has passed stay until the day ends, so that a trade
//! of the day can be amended: [`TaxLots::rewind`] has the lots as they were when it began.

use super::NONE;
use crate::position::share;
use serde::{Deserialize, Serialize};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room};
use tidegate_model::{AccountId, InstrumentId, Money, StateHash};
use tidegate_risk::pairs::PAIRS_MAX;

/// Lots that all positions together may have in lists, closed ones of the day included: 32 MiB, touched as they come.
pub const TAX_LOTS_MAX: usize = 1 << 20;
/// Lots that one position may have in its list: so many at most are walked when it closes.
pub const LOTS_PER_POSITION_MAX: u32 = 4_096;

const TAG_LOT: u64 = 0x6f6d_7374_6178_6c74;
const TAG_QUEUE: u64 = 0x6f6d_7371_7565_7565;

/// Lots bought or sold together, older than the newest. Does not change while it is in a list.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct TaxLot {
    /// Above 0 for bought ones, below 0 for ones sold short.
    cost: Money,
    qty: u64,
    next: u32,
    /// Its place among all that the position ever had in its list.
    number: u32,
}

/// What a position has beside its newest lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Older {
    /// The oldest lot that is not closed, or [`NONE`].
    cursor: u32,
    /// The last lot of the list, or [`NONE`].
    tail: u32,
    /// Lots from the cursor on.
    count: u32,
    /// What of the lot at the cursor is closed.
    taken_qty: u64,
    taken_cost: Money,
    /// What the list still holds.
    qty: u64,
    cost: Money,
}

impl Older {
    const EMPTY: Self = Self {
        cursor: NONE,
        tail: NONE,
        count: 0,
        taken_qty: 0,
        taken_cost: Money::ZERO,
        qty: 0,
        cost: Money::ZERO,
    };
}

/// The lots of one position.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LotQueue {
    account: AccountId,
    instrument: InstrumentId,
    /// The first lot of the list: the oldest one when the day began.
    head: u32,
    /// Lots that were ever in the list.
    numbered: u32,
    now: Older,
    opening: Older,
    hash: u64,
}

/// A queue after some of it is closed, to be kept with [`TaxLots::keep`].
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    now: Older,
    /// What the closed lots had cost.
    pub released: Money,
}

/// The lots of every position that has some.
#[derive(Debug, Serialize, Deserialize)]
pub struct TaxLots {
    #[serde(with = "Room::<TAX_LOTS_MAX>")]
    lots: Vec<TaxLot>,
    /// The first of a list of places that are free again.
    free: u32,
    #[serde(with = "Room::<PAIRS_MAX>")]
    queues: Vec<LotQueue>,
}

/// Where a position's queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSlot(u32);

impl TaxLots {
    pub fn new() -> Self {
        Self {
            lots: Vec::with_capacity(TAX_LOTS_MAX),
            free: NONE,
            queues: Vec::with_capacity(PAIRS_MAX),
        }
    }

    /// Looks at what was read from a snapshot: every lot is in one queue or free.
    pub fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "tax lots", why);
        let mut seen = vec![false; self.lots.len()];
        // True if it is a list, and none of its lots is in another.
        let mut walk = |first: u32, visit: &mut dyn FnMut(u32)| {
            let mut at = first;
            while at != NONE {
                match seen.get_mut(at as usize) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return false,
                }
                visit(at);
                at = self.lots[at as usize].next;
            }
            true
        };
        check(walk(self.free, &mut |_| ()), "free places are a list")?;
        for queue in &self.queues {
            let ends = [queue.now.cursor, queue.now.tail, queue.opening.cursor, queue.opening.tail];
            let mut found = ends.map(|end| end == NONE);
            let is_list = walk(queue.head, &mut |at| {
                ends.iter().zip(&mut found).for_each(|(end, found)| *found |= *end == at);
            });
            check(is_list && found.iter().all(|found| *found), "a queue has its lots")?;
            check(queue.hash == queue.hash_now(), "queues enter the state hash as they are")?;
        }
        check(seen.iter().all(|seen| *seen), "every lot is in a queue or free")
    }

    /// True if there is such a queue.
    pub fn has(&self, slot: QueueSlot) -> bool {
        (slot.0 as usize) < self.queues.len()
    }

    /// A queue for a position, which has one at most; there is room for as many as there are positions.
    pub fn open_queue(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        hash: &mut StateHash,
    ) -> QueueSlot {
        let slot = QueueSlot(self.queues.len() as u32);
        let (now, opening) = (Older::EMPTY, Older::EMPTY);
        let mut queue =
            LotQueue { account, instrument, head: NONE, numbered: 0, now, opening, hash: 0 };
        queue.enter(hash);
        self.queues.push(queue);
        slot
    }

    /// What closing `closing` lots, oldest first, does to a position that holds `qty` lots (of either sign) at `cost`.
    /// A part of a lot leaves at its share of the lot's cost, rounded towards zero.
    pub fn close(&self, slot: QueueSlot, qty: u64, cost: Money, closing: u64) -> Closed {
        let mut now = self.queues[slot.0 as usize].now;
        let newest = (qty - now.qty, cost.0 - now.cost.0);
        let (mut left, mut released) = (closing, 0);
        while left > 0 && now.cursor != NONE {
            let lot = &self.lots[now.cursor as usize];
            let (lot_qty, lot_cost) = (lot.qty - now.taken_qty, lot.cost.0 - now.taken_cost.0);
            let part = left.min(lot_qty);
            let part_cost = share(lot_cost, part.into(), lot_qty.into());
            (left, released) = (left - part, released + part_cost);
            (now.qty, now.cost.0) = (now.qty - part, now.cost.0 - part_cost);
            if part < lot_qty {
                (now.taken_qty, now.taken_cost.0) =
                    (now.taken_qty + part, now.taken_cost.0 + part_cost);
            } else {
                (now.taken_qty, now.taken_cost) = (0, Money::ZERO);
                (now.cursor, now.count) = (lot.next, now.count - 1);
            }
        }
        if left > 0 {
            released += share(newest.1, left.into(), newest.0.into());
        }
        Closed { now, released: Money(released) }
    }

    /// Takes over what [`Self::close`] said.
    pub fn keep(&mut self, slot: QueueSlot, closed: Closed, hash: &mut StateHash) {
        let queue = &mut self.queues[slot.0 as usize];
        queue.now = closed.now;
        queue.enter(hash);
    }

    /// More is opened in the same direction: the newest lot of a position that holds `qty` lots at `cost` joins the list, if
    /// there is room.
    pub fn push_newest(&mut self, slot: QueueSlot, qty: u64, cost: Money, hash: &mut StateHash) {
        let queue = self.queues[slot.0 as usize];
        let newest = qty - queue.now.qty;
        if newest == 0 || queue.now.count == LOTS_PER_POSITION_MAX {
            return;
        }
        let cost = Money(cost.0 - queue.now.cost.0);
        let lot = TaxLot { cost, qty: newest, next: NONE, number: queue.numbered };
        let Some(at) = self.place(lot) else { return };
        hash.add(queue.hash_of(&lot));
        if queue.now.tail != NONE {
            self.lots[queue.now.tail as usize].next = at;
        }
        let queue = &mut self.queues[slot.0 as usize];
        queue.numbered = queue.numbered.wrapping_add(1);
        queue.head = if queue.head == NONE { at } else { queue.head };
        let now = &mut queue.now;
        now.tail = at;
        now.cursor = if now.cursor == NONE { at } else { now.cursor };
        (now.count, now.qty, now.cost.0) = (now.count + 1, now.qty + newest, now.cost.0 + cost.0);
        queue.enter(hash);
    }

    fn place(&mut self, lot: TaxLot) -> Option<u32> {
        if self.free != NONE {
            let at = self.free;
            self.free = self.lots[at as usize].next;
            self.lots[at as usize] = lot;
            return Some(at);
        }
        if self.lots.len() == TAX_LOTS_MAX {
            return None;
        }
        self.lots.push(lot);
        Some(self.lots.len() as u32 - 1)
    }

    /// Frees the lots from `from` on, up to `to` but not it.
    fn release(&mut self, queue: &LotQueue, from: u32, to: u32, hash: &mut StateHash) {
        let mut at = from;
        while at != to {
            let lot = self.lots[at as usize];
            hash.remove(queue.hash_of(&lot));
            self.lots[at as usize].next = self.free;
            self.free = at;
            at = lot.next;
        }
    }

    /// Has the lots as they were when the day began.
    pub fn rewind(&mut self, slot: QueueSlot, hash: &mut StateHash) {
        let mut queue = self.queues[slot.0 as usize];
        let tail = queue.opening.tail;
        let first = match self.lots.get_mut(tail as usize) {
            Some(tail) => core::mem::replace(&mut tail.next, NONE),
            None => core::mem::replace(&mut queue.head, NONE),
        };
        self.release(&queue, first, NONE, hash);
        queue.now = queue.opening;
        queue.enter(hash);
        self.queues[slot.0 as usize] = queue;
    }

    /// What is there now is what the day begins with: forgets what was closed before.
    pub fn begin_day(&mut self, slot: QueueSlot, hash: &mut StateHash) {
        let mut queue = self.queues[slot.0 as usize];
        self.release(&queue, queue.head, queue.now.cursor, hash);
        queue.head = queue.now.cursor;
        if queue.head == NONE {
            queue.now.tail = NONE;
        } else {
            let lot = &mut self.lots[queue.head as usize];
            hash.remove(queue.hash_of(lot));
            lot.qty -= queue.now.taken_qty;
            lot.cost.0 -= queue.now.taken_cost.0;
            hash.add(queue.hash_of(lot));
        }
        (queue.now.taken_qty, queue.now.taken_cost) = (0, Money::ZERO);
        queue.opening = queue.now;
        queue.enter(hash);
        self.queues[slot.0 as usize] = queue;
    }

    /// Puts other lots in place of all, oldest first, the last of them being the newest; the day begins with them.
    pub fn replace(&mut self, slot: QueueSlot, lots: &[(u128, Money)], hash: &mut StateHash) {
        let queue = self.queues[slot.0 as usize];
        self.release(&queue, queue.head, NONE, hash);
        let emptied = &mut self.queues[slot.0 as usize];
        (emptied.head, emptied.now) = (NONE, Older::EMPTY);
        let (mut qty, mut cost) = (0, 0);
        for (lot_qty, lot_cost) in lots {
            self.push_newest(slot, qty, Money(cost), hash);
            qty += u64::try_from(*lot_qty).expect("a position counts its lots in 63 bits");
            cost += lot_cost.0;
        }
        self.begin_day(slot, hash);
    }

    /// The lots as a list, oldest first, of a position that holds `qty` lots at `cost`.
    pub fn list(
        &self,
        slot: QueueSlot,
        qty: u64,
        cost: Money,
    ) -> impl Iterator<Item = (u64, Money)> {
        let now = self.queues[slot.0 as usize].now;
        let first = self.lots.get(now.cursor as usize);
        let lots = core::iter::successors(first, |lot| self.lots.get(lot.next as usize));
        let open = move |(at, lot): (usize, &TaxLot)| match at {
            0 => (lot.qty - now.taken_qty, Money(lot.cost.0 - now.taken_cost.0)),
            _ => (lot.qty, lot.cost),
        };
        let newest = (qty - now.qty, Money(cost.0 - now.cost.0));
        lots.enumerate().map(open).chain((newest.0 > 0).then_some(newest))
    }

    /// The hash of one queue and its lots, computed anew.
    pub fn hash_from_scratch(&self, slot: QueueSlot) -> StateHash {
        let queue = &self.queues[slot.0 as usize];
        let mut hash = StateHash::default();
        hash.add(queue.hash_now());
        let first = self.lots.get(queue.head as usize);
        for lot in core::iter::successors(first, |lot| self.lots.get(lot.next as usize)) {
            hash.add(queue.hash_of(lot));
        }
        hash
    }
}

impl LotQueue {
    fn hash_of(&self, lot: &TaxLot) -> u64 {
        let pair = u64::from(self.account.0) << 32 | u64::from(self.instrument.0);
        let cost = [lot.cost.0 as u64, (lot.cost.0 >> 64) as u64];
        hash_words(TAG_LOT, &[pair, lot.number.into(), lot.qty, cost[0], cost[1]])
    }

    /// The places of lots are not part of it: they are nobody's business, and the lots are hashed themselves.
    fn hash_now(&self) -> u64 {
        let pair = u64::from(self.account.0) << 32 | u64::from(self.instrument.0);
        let of = |older: &Older| {
            let [taken, cost] = [older.taken_cost, older.cost]
                .map(|money| [money.0 as u64, (money.0 >> 64) as u64]);
            let words = [
                older.count.into(),
                older.taken_qty,
                taken[0],
                taken[1],
                older.qty,
                cost[0],
                cost[1],
            ];
            hash_words(TAG_QUEUE, &words)
        };
        hash_words(pair, &[of(&self.now), of(&self.opening), self.numbered.into()])
    }

    fn enter(&mut self, hash: &mut StateHash) {
        hash.remove(self.hash);
        self.hash = self.hash_now();
        hash.add(self.hash);
    }
}
