//! The call auction (rule 7).

use super::hash::Place;
use super::market::Market;
use super::pool::{NONE, Pool, SIDES};
use super::take::Maker;
use super::{Indicative, Phase, Reports, Trade};
use std::cmp::{Ordering, Reverse};
use tidegate_model::{Lots, Side, Ticks};

/// The key of an order at any price: before every other.
const ANY_PRICE: i64 = i64::MAX;

/// What an auction at one price would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    price: i64,
    qty: u64,
    /// Lots left: above 0 to buy, below 0 to sell.
    surplus: i128,
}

impl Outcome {
    /// Rules 7.1 a and b.
    fn worth(&self) -> (u64, Reverse<u128>) {
        (self.qty, Reverse(self.surplus.unsigned_abs()))
    }
}

/// Scratch of auctions, kept so that they allocate nothing.
#[derive(Debug, Default)]
pub(super) struct Bidding {
    /// By side: the orders that take part, in the order in which they trade, and their open lots.
    orders: [Vec<(Maker, u64)>; 2],
    /// Every limit, rising.
    prices: Vec<i64>,
    /// The prices that nothing yet seen is better than.
    best: Vec<Outcome>,
}

impl Bidding {
    /// Lots that trade at `price`, by side, if there are enough on the other.
    fn lots(&self, side: Side, own_key: i64) -> u64 {
        let orders = self.orders[side.index()].iter();
        orders.filter(|(maker, _)| maker.key >= own_key).map(|(_, qty)| *qty).sum()
    }
}

impl Market {
    /// Lists the orders of a side that take part.
    fn list_bidders(&self, pool: &Pool, side: Side, bidders: &mut Vec<(Maker, u64)>) {
        bidders.clear();
        let ladders = [(&self.books[side.index()], false), (&self.hidden[side.index()], true)];
        for (ladder, is_hidden) in ladders {
            for (_, queue) in ladder.iter(&self.grid) {
                let mut slot = queue.head;
                while slot != NONE {
                    bidders.push((self.maker(pool, slot, is_hidden), pool.node(slot).open()));
                    slot = pool.node(slot).next;
                }
            }
        }
        let mut slot = self.at_market[side.index()].head;
        while slot != NONE {
            let node = pool.node(slot);
            let maker = self.maker(pool, slot, true);
            let maker = match node.price {
                0 => Maker { key: ANY_PRICE, is_hidden: false, ..maker },
                _ => maker,
            };
            bidders.push((maker, node.open()));
            slot = node.next;
        }
        bidders.sort_unstable_by_key(|(maker, _)| maker.rank());
    }

    /// The price at which an auction trades, and what that gives; `None` if nothing trades.
    fn outcome(&mut self, pool: &Pool, bidding: &mut Bidding) -> Option<Outcome> {
        for side in SIDES {
            self.list_bidders(pool, side, &mut bidding.orders[side.index()]);
        }
        self.bidders = bidding.orders.iter().map(Vec::len).sum();
        let reference = self.reference.or(self.last);
        bidding.prices.clear();
        for side in SIDES {
            let orders = bidding.orders[side.index()].iter();
            let limits = orders.filter(|(maker, _)| maker.key != ANY_PRICE);
            bidding.prices.extend(limits.map(|(maker, _)| self.books[side.index()].key(maker.key)));
        }
        bidding.prices.sort_unstable();
        bidding.prices.dedup();
        if bidding.prices.is_empty() {
            bidding.prices.extend(reference);
        }
        // Rising prices lose buyers and win sellers.
        let [buyers, sellers] = &bidding.orders;
        let sell_key = |price: i64| self.books[Side::Sell.index()].key(price);
        let (mut demand, mut supply) = (bidding.lots(Side::Buy, i64::MIN), 0);
        let (mut last_buyer, mut next_seller) = (buyers.len(), 0);
        bidding.best.clear();
        for &price in &bidding.prices {
            while last_buyer > 0 && buyers[last_buyer - 1].0.key < price {
                last_buyer -= 1;
                demand -= buyers[last_buyer].1;
            }
            while next_seller < sellers.len() && sellers[next_seller].0.key >= sell_key(price) {
                supply += sellers[next_seller].1;
                next_seller += 1;
            }
            let surplus = i128::from(demand) - i128::from(supply);
            let outcome = Outcome { price, qty: demand.min(supply), surplus };
            match bidding.best.first().map(|first| outcome.worth().cmp(&first.worth())) {
                Some(Ordering::Less) => continue,
                Some(Ordering::Equal) => {}
                Some(Ordering::Greater) | None => bidding.best.clear(),
            }
            bidding.best.push(outcome);
        }
        let (lowest, highest) = (*bidding.best.first()?, *bidding.best.last()?);
        if lowest.qty == 0 {
            return None;
        }
        if bidding.best.iter().all(|outcome| outcome.surplus > 0) {
            return Some(highest);
        }
        if bidding.best.iter().all(|outcome| outcome.surplus < 0) {
            return Some(lowest);
        }
        let middle = (lowest.price + highest.price).div_euclid(2 * self.step) * self.step;
        let price = reference.unwrap_or(middle).clamp(lowest.price, highest.price);
        // Between two prices that execute most, a price executes as much.
        let demand = bidding.lots(Side::Buy, price);
        let supply = bidding.lots(Side::Sell, sell_key(price));
        let surplus = i128::from(demand) - i128::from(supply);
        Some(Outcome { price, qty: demand.min(supply), surplus })
    }

    /// What an auction would do now.
    pub(super) fn indicative(&mut self, pool: &Pool) -> Indicative {
        if !self.phase.collects() {
            return Indicative::NOTHING;
        }
        let mut bidding = core::mem::take(&mut self.bidding);
        let outcome = self.outcome(pool, &mut bidding);
        self.bidding = bidding;
        let Some(outcome) = outcome else { return Indicative::NOTHING };
        Indicative {
            price: Some(Ticks(outcome.price)),
            qty: Lots(outcome.qty),
            imbalance: Lots(u64::try_from(outcome.surplus.unsigned_abs()).unwrap_or(u64::MAX)),
            side: if outcome.surplus < 0 { Side::Sell } else { Side::Buy },
        }
    }

    /// Steps to `phase` and holds the auction. If its price lies outside the band the market goes into a halt instead.
    pub(super) fn step_with_auction(
        &mut self,
        pool: &mut Pool,
        phase: Phase,
        out: &mut impl Reports,
    ) {
        let mut bidding = core::mem::take(&mut self.bidding);
        let outcome = self.outcome(pool, &mut bidding);
        let (low, high) = self.band;
        let is_outside = outcome.is_some_and(|outcome| outcome.price < low || outcome.price > high);
        self.phase = if is_outside { Phase::Halt } else { phase };
        out.phase(self.phase);
        if let Some(outcome) = outcome.filter(|_| !is_outside) {
            self.uncross(pool, &mut bidding.orders, outcome, out);
        }
        self.bidding = bidding;
    }

    /// Trades what an auction trades.
    fn uncross(
        &mut self,
        pool: &mut Pool,
        [buyers, sellers]: &mut [Vec<(Maker, u64)>; 2],
        outcome: Outcome,
        out: &mut impl Reports,
    ) {
        let price = outcome.price;
        let mut left = outcome.qty;
        let (mut buyer, mut seller) = (0, 0);
        while left > 0 {
            let (maker, taker) = (&mut buyers[buyer], &mut sellers[seller]);
            let qty = left.min(maker.1).min(taker.1);
            out.trade(&Trade {
                maker: pool.node(maker.0.slot).handle,
                taker: pool.node(taker.0.slot).handle,
                taker_side: Side::Sell,
                auction: true,
                price: Ticks(price),
                qty: Lots(qty),
            });
            maker.1 -= qty;
            taker.1 -= qty;
            left -= qty;
            buyer += usize::from(maker.1 == 0);
            seller += usize::from(taker.1 == 0);
        }
        self.note_trade(price);
        for (orders, last) in [(buyers, buyer), (sellers, seller)] {
            for &(maker, open) in orders.iter().take(last + 1) {
                let node = pool.node(maker.slot);
                let qty = node.open() - open;
                if qty == 0 {
                    continue;
                }
                if open > 0 && qty >= node.qty {
                    // What it showed is executed: the next part shows.
                    self.lift(pool, maker.slot, out);
                    let node = pool.node_mut(maker.slot);
                    (node.qty, node.reserve) = (0, open);
                    self.split(pool, maker.slot);
                    let place: Place = pool.node(maker.slot).place();
                    pool.node_mut(maker.slot).stamp = self.take_stamp();
                    self.put(pool, maker.slot, place, out);
                } else if open > 0 {
                    self.reduce_shown(pool, maker.slot, qty, out);
                } else {
                    self.lift(pool, maker.slot, out);
                    pool.remove_whole(maker.slot, out);
                }
            }
        }
    }
}
