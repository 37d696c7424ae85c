//! The generator's own book of one symbol: enough to keep what it says consistent.

use std::collections::BTreeMap;
use tidegate_model::Side;

const NONE: u32 = u32::MAX;

/// A live order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) order_ref: u64,
    pub(super) cents: u32,
    pub(super) shares: u32,
    pub(super) side: Side,
    /// Neighbours in the queue of its price.
    before: u32,
    behind: u32,
    /// Its place in the list of live orders.
    live_at: u32,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

/// Orders by price, then by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    orders: Vec<Order>,
    free: Vec<u32>,
    live: Vec<u32>,
    queues: [BTreeMap<u32, Queue>; 2],
    counts: [u32; 2],
}

impl Book {
    /// Live orders on both sides.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Live orders on one side.
    pub(super) fn count(&self, side: Side) -> u32 {
        self.counts[side.index()]
    }

    /// The best price of a side in cents.
    pub(super) fn best(&self, side: Side) -> Option<u32> {
        self.best_queue(side).map(|(cents, _)| cents)
    }

    fn best_queue(&self, side: Side) -> Option<(u32, Queue)> {
        let queues = &self.queues[side.index()];
        let entry = match side {
            Side::Buy => queues.last_key_value(),
            Side::Sell => queues.first_key_value(),
        };
        entry.map(|(&cents, &queue)| (cents, queue))
    }

    /// The order that is executed next on a side.
    pub(super) fn front(&self, side: Side) -> Option<u32> {
        self.best_queue(side).map(|(_, queue)| queue.first)
    }

    /// The youngest order at the best price of a side.
    pub(super) fn youngest_at_best(&self, side: Side) -> Option<u32> {
        self.best_queue(side).map(|(_, queue)| queue.last)
    }

    /// The live order at `index`, below [`Self::len`].
    pub(super) fn nth(&self, index: usize) -> u32 {
        self.live[index]
    }

    pub(super) fn order(&self, slot: u32) -> &Order {
        &self.orders[slot as usize]
    }

    pub(super) fn add(&mut self, order_ref: u64, side: Side, cents: u32, shares: u32) {
        assert!(shares > 0, "an order without shares");
        let live_at = self.live.len() as u32;
        let mut order =
            Order { order_ref, cents, shares, side, before: NONE, behind: NONE, live_at };
        let slot = self.free.pop().unwrap_or(self.orders.len() as u32);
        self.queues[side.index()]
            .entry(cents)
            .and_modify(|queue| {
                order.before = queue.last;
                self.orders[queue.last as usize].behind = slot;
                queue.last = slot;
            })
            .or_insert(Queue { first: slot, last: slot });
        match self.orders.get_mut(slot as usize) {
            Some(free) => *free = order,
            None => self.orders.push(order),
        }
        self.live.push(slot);
        self.counts[side.index()] += 1;
    }

    /// Takes shares off an order; it leaves when none are left.
    pub(super) fn take(&mut self, slot: u32, shares: u32) {
        let order = &mut self.orders[slot as usize];
        assert!(shares <= order.shares, "more shares than the order has");
        order.shares -= shares;
        if order.shares == 0 {
            self.remove(slot);
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let Order { cents, side, before, behind, live_at, .. } = self.orders[slot as usize];
        if before != NONE {
            self.orders[before as usize].behind = behind;
        }
        if behind != NONE {
            self.orders[behind as usize].before = before;
        }
        let queues = &mut self.queues[side.index()];
        if before == NONE && behind == NONE {
            queues.remove(&cents);
        } else if before == NONE || behind == NONE {
            let queue = queues.get_mut(&cents).expect("a live order stands in a queue");
            if before == NONE {
                queue.first = behind;
            } else {
                queue.last = before;
            }
        }
        self.live.swap_remove(live_at as usize);
        if let Some(&moved) = self.live.get(live_at as usize) {
            self.orders[moved as usize].live_at = live_at;
        }
        self.free.push(slot);
        self.counts[side.index()] -= 1;
    }
}
