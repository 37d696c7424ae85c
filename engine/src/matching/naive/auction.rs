//! Call auctions (rule 7), by trying every price.

use super::{NaiveMarket, Order, book_place, first_part};
use crate::matching::hash::Place;
use crate::matching::{Indicative, Reports, Trade};
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::{Lots, Side, Ticks};

/// What an auction does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) price: Ticks,
    /// Lots executed, above 0.
    qty: u64,
    /// Lots left at the price: of buyers if above 0, of sellers if below.
    surplus: i128,
}

impl NaiveMarket {
    /// What an auction would do now; nothing outside the phases that collect orders.
    pub fn indicative(&self) -> Indicative {
        let Some(call) = self.call().filter(|_| self.state.phase.collects()) else {
            return Indicative::NOTHING;
        };
        Indicative {
            price: Some(call.price),
            qty: Lots(call.qty),
            imbalance: Lots(lots(call.surplus.unsigned_abs())),
            side: if call.surplus >= 0 { Side::Buy } else { Side::Sell },
        }
    }

    /// The auction's price and quantity, or `None` if nothing trades (rules 7.1 and 7.2).
    pub(super) fn call(&self) -> Option<Call> {
        let takes_part: Vec<&Order> =
            self.orders.values().filter(|order| is_called(order)).collect();
        let mut prices: Vec<Ticks> =
            takes_part.iter().map(|order| order.entry.price).filter(|price| price.0 != 0).collect();
        prices.sort_unstable();
        prices.dedup();
        let reference = self.state.reference.or(self.state.last);
        if prices.is_empty() {
            prices.extend(reference);
        }
        let at = |price: Ticks| {
            let sum = |side: Side| -> i128 {
                takes_part
                    .iter()
                    .filter(|order| order.entry.side == side && order.accepts(price))
                    .map(|order| i128::from(order.entry.qty.0))
                    .sum()
            };
            let (bought, sold) = (sum(Side::Buy), sum(Side::Sell));
            let qty = lots(bought.min(sold).unsigned_abs());
            Call { price, qty, surplus: bought - sold }
        };
        let mut calls: Vec<Call> = prices.into_iter().map(at).filter(|call| call.qty > 0).collect();
        let most = calls.iter().map(|call| call.qty).max()?;
        calls.retain(|call| call.qty == most);
        let least = calls.iter().map(|call| call.surplus.unsigned_abs()).min()?;
        calls.retain(|call| call.surplus.unsigned_abs() == least);
        let (lowest, highest) = (*calls.first()?, *calls.last()?);
        if calls.iter().all(|call| call.surplus > 0) {
            return Some(highest);
        }
        if calls.iter().all(|call| call.surplus < 0) {
            return Some(lowest);
        }
        let price = match reference {
            Some(reference) => reference.clamp(lowest.price, highest.price),
            None => {
                let step = self.increment.0;
                let middle = (lowest.price.0 + highest.price.0).div_euclid(2 * step) * step;
                Ticks(middle)
            }
        };
        Some(at(price))
    }

    /// Runs the auction, and ends what was in the book for it alone (rules 4.3, 6.2, 7.3).
    pub(super) fn uncross(&mut self, call: Option<Call>, out: &mut impl Reports) {
        if let Some(call) = call {
            self.pair(call, out);
        }
        let is_market = |order: &Order| order.place == Place::AtMarket;
        self.cancel_all(CancelReason::NoLiquidity, is_market, out);
        let ends = |order: &Order| {
            let life = order.entry.time_in_force;
            matches!(life, TimeInForce::AtTheOpen | TimeInForce::AtTheClose)
                && order.place != Place::AtClose
        };
        self.cancel_all(CancelReason::Expired, ends, out);
    }

    /// Trades the first buyer with the first seller until all that can be is executed.
    fn pair(&mut self, call: Call, out: &mut impl Reports) {
        let mut queues = [Side::Buy, Side::Sell].map(|side| self.queue(side, call.price));
        let mut left = call.qty;
        while left > 0 {
            let [maker, taker] = queues.each_ref().map(|queue| queue[0]);
            let open = [maker, taker].map(|handle| self.orders[&handle].entry.qty.0);
            let qty = Lots(left.min(open[0]).min(open[1]));
            let (taker_side, auction, price) = (Side::Sell, true, call.price);
            out.trade(&Trade { maker, taker, taker_side, auction, price, qty });
            left -= qty.0;
            for (queue, handle) in queues.iter_mut().zip([maker, taker]) {
                let order = self.orders.get_mut(&handle).expect("it takes part");
                order.execute(qty);
                if order.entry.qty == Lots(0) {
                    self.orders.remove(&handle);
                    queue.remove(0);
                }
            }
            self.traded(call.price);
        }
        // Of both sides together one order at most is executed in part.
        let exhausted = |order: &&Order| order.place == Place::Displayed && order.shown == Lots(0);
        let iceberg = self.orders.values().find(exhausted).map(|order| order.entry.handle);
        if let Some(handle) = iceberg {
            self.refresh(handle);
        }
    }

    /// The orders of a side that trade at `price`, first to last.
    fn queue(&self, side: Side, price: Ticks) -> Vec<u32> {
        let takes_part =
            |order: &&Order| is_called(order) && order.entry.side == side && order.accepts(price);
        let mut queue: Vec<&Order> = self.orders.values().filter(takes_part).collect();
        queue.sort_by_key(|order| order.rank(Some(order.entry.price).filter(|price| price.0 != 0)));
        queue.iter().map(|order| order.entry.handle).collect()
    }

    /// At-the-close orders join the book with the stamps they have (rule 6, `close_auction`).
    pub(super) fn join_close(&mut self) {
        for order in self.orders.values_mut().filter(|order| order.place == Place::AtClose) {
            order.place = book_place(&order.entry);
            if order.place == Place::Displayed {
                order.shown = first_part(&order.entry);
            }
        }
    }
}

/// True if the order takes part in an auction (rule 6.3).
fn is_called(order: &Order) -> bool {
    matches!(order.place, Place::Displayed | Place::Hidden | Place::AtMarket)
}

fn lots(qty: u128) -> u64 {
    u64::try_from(qty).expect("QTY_MAX bounds the sum")
}
