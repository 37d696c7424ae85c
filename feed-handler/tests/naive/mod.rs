//! A book that is plainly right: ordered maps, no cleverness. It refuses what no valid feed says.

use std::collections::BTreeMap;
use tidegate_model::market::{MarketEvent, MarketEventKind, Side};

#[derive(Clone, Debug)]
struct Order {
    channel: u32,
    side: Side,
    price: i64,
    qty: u64,
    /// Place in the order of arrival.
    arrival: u64,
}

/// All books of a feed.
#[derive(Default)]
pub struct NaiveBooks {
    orders: BTreeMap<u64, Order>,
    /// Orders by channel, side, price and arrival.
    queues: BTreeMap<(u32, u8), BTreeMap<(i64, u64), u64>>,
    arrivals: u64,
    pub unknown: u64,
}

impl NaiveBooks {
    pub fn orders(&self) -> usize {
        self.orders.len()
    }

    pub fn best(&self, channel: u32, side: Side) -> Option<i64> {
        let queue = self.queues.get(&(channel, side.wire()))?;
        match side {
            Side::Buy => queue.keys().next_back().map(|k| k.0),
            Side::Sell => queue.keys().next().map(|k| k.0),
        }
    }

    /// The order that must be executed next.
    pub fn front(&self, channel: u32, side: Side) -> Option<u64> {
        let price = self.best(channel, side)?;
        let queue = self.queues.get(&(channel, side.wire()))?;
        queue.range((price, 0)..=(price, u64::MAX)).next().map(|(_, &order)| order)
    }

    pub fn side_of(&self, order_ref: u64) -> Option<Side> {
        self.orders.get(&order_ref).map(|o| o.side)
    }

    fn insert(&mut self, channel: u32, order_ref: u64, side: Side, price: i64, qty: u64) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let old = self.orders.insert(order_ref, Order { channel, side, price, qty, arrival });
        assert!(old.is_none(), "reference {order_ref} is used twice");
        self.queues.entry((channel, side.wire())).or_default().insert((price, arrival), order_ref);
    }

    fn remove(&mut self, order_ref: u64) -> Option<Order> {
        let order = self.orders.remove(&order_ref)?;
        self.queues
            .get_mut(&(order.channel, order.side.wire()))
            .expect("its queue exists")
            .remove(&(order.price, order.arrival));
        Some(order)
    }

    fn take(&mut self, order_ref: u64, qty: u64) {
        let Some(order) = self.orders.get_mut(&order_ref) else {
            self.unknown += 1;
            return;
        };
        order.qty = order.qty.checked_sub(qty).expect("more taken than there is");
        if order.qty == 0 {
            self.remove(order_ref);
        }
    }

    pub fn apply(&mut self, event: &MarketEvent) {
        let (price, qty) = (event.price.0, event.qty.0);
        match event.kind().expect("a known kind") {
            MarketEventKind::Add => {
                let side = event.side().expect("orders have sides");
                self.insert(event.channel_id, event.order_ref, side, price, qty);
            }
            MarketEventKind::Execute
            | MarketEventKind::ExecuteAtPrice
            | MarketEventKind::Reduce => self.take(event.order_ref, qty),
            MarketEventKind::Delete => {
                let known = self.remove(event.order_ref).is_some();
                self.unknown += u64::from(!known);
            }
            MarketEventKind::Replace => match self.remove(event.order_ref) {
                Some(old) => self.insert(old.channel, event.aux, old.side, price, qty),
                None => self.unknown += 1,
            },
            _ => {}
        }
    }
}
