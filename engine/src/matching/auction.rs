//! The call auction (rule 7).

use super::hash::Place;
use super::market::Market;
use super::pool::{NONE, Pool, SIDES};
use super::take::Maker;
use super::{Indicative, Phase, Reports, Trade};
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

impl Market {
    /// The orders of a side that take part, in the order in which they trade, and their open lots.
    fn bidders(&self, pool: &Pool, side: Side) -> Vec<(Maker, u64)> {
        let mut bidders = Vec::new();
        for (ladder, is_hidden) in
            [(&self.books[side.index()], false), (&self.hidden[side.index()], true)]
        {
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
        bidders
    }

    /// The price at which `buyers` and `sellers` trade, and what that gives; `None` if nothing trades.
    fn outcome(&self, buyers: &[(Maker, u64)], sellers: &[(Maker, u64)]) -> Option<Outcome> {
        let sides = [(Side::Buy, buyers), (Side::Sell, sellers)];
        let reference = self.reference.or(self.last);
        let mut prices: Vec<i64> = sides
            .iter()
            .flat_map(|(side, orders)| {
                let limits = orders.iter().filter(|(maker, _)| maker.key != ANY_PRICE);
                limits.map(|(maker, _)| self.books[side.index()].key(maker.key))
            })
            .collect();
        prices.sort_unstable();
        prices.dedup();
        if prices.is_empty() {
            prices.extend(reference);
        }
        // Rising prices lose buyers and win sellers.
        let total = |orders: &[(Maker, u64)]| orders.iter().map(|(_, qty)| *qty).sum::<u64>();
        let (mut demand, mut supply) = (total(buyers), 0);
        let (mut last_buyer, mut next_seller) = (buyers.len(), 0);
        let mut best: Vec<Outcome> = Vec::new();
        for price in prices {
            while last_buyer > 0 && buyers[last_buyer - 1].0.key < price {
                last_buyer -= 1;
                demand -= buyers[last_buyer].1;
            }
            let own = self.books[Side::Sell.index()].key(price);
            while next_seller < sellers.len() && sellers[next_seller].0.key >= own {
                supply += sellers[next_seller].1;
                next_seller += 1;
            }
            let surplus = i128::from(demand) - i128::from(supply);
            let outcome = Outcome { price, qty: demand.min(supply), surplus };
            let worth = |outcome: &Outcome| (outcome.qty, std::cmp::Reverse(outcome.surplus.abs()));
            match best.first().map(|first| worth(&outcome).cmp(&worth(first))) {
                Some(std::cmp::Ordering::Less) => continue,
                Some(std::cmp::Ordering::Equal) => {}
                _ => best.clear(),
            }
            best.push(outcome);
        }
        let (lowest, highest) = (*best.first()?, *best.last()?);
        if lowest.qty == 0 {
            return None;
        }
        if best.iter().all(|outcome| outcome.surplus > 0) {
            return Some(highest);
        }
        if best.iter().all(|outcome| outcome.surplus < 0) {
            return Some(lowest);
        }
        let middle = (lowest.price + highest.price).div_euclid(2 * self.step) * self.step;
        let price = reference.unwrap_or(middle).clamp(lowest.price, highest.price);
        // Between two prices that execute most, a price executes as much.
        let lots = |orders: &[(Maker, u64)], key: i64| {
            orders.iter().filter(|(maker, _)| maker.key >= key).map(|(_, qty)| *qty).sum::<u64>()
        };
        let demand = lots(buyers, price);
        let supply = lots(sellers, self.books[Side::Sell.index()].key(price));
        let surplus = i128::from(demand) - i128::from(supply);
        Some(Outcome { price, qty: demand.min(supply), surplus })
    }

    /// What an auction would do now.
    pub(super) fn indicative(&self, pool: &Pool) -> Indicative {
        if !self.phase.collects() {
            return Indicative::NOTHING;
        }
        let [buyers, sellers] = SIDES.map(|side| self.bidders(pool, side));
        let Some(outcome) = self.outcome(&buyers, &sellers) else { return Indicative::NOTHING };
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
        let [buyers, sellers] = SIDES.map(|side| self.bidders(pool, side));
        let outcome = self.outcome(&buyers, &sellers);
        let (low, high) = self.band;
        let is_outside = outcome.is_some_and(|outcome| outcome.price < low || outcome.price > high);
        self.phase = if is_outside { Phase::Halt } else { phase };
        out.phase(self.phase);
        if let Some(outcome) = outcome.filter(|_| !is_outside) {
            self.uncross(pool, buyers, sellers, outcome, out);
        }
    }

    /// Trades what an auction trades.
    fn uncross(
        &mut self,
        pool: &mut Pool,
        mut buyers: Vec<(Maker, u64)>,
        mut sellers: Vec<(Maker, u64)>,
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
            for (maker, open) in orders.into_iter().take(last + 1) {
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
