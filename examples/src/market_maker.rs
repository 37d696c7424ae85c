//! A market maker: offers to buy and to sell at the touch of several instruments, and earns the spread when both are taken.
//!
//! It shows how to keep two orders an instrument where they should be:
//!
//! 1. a book or a fill says where the orders *should* be (`Quoting::target`),
//! 2. what *is* there is compared with it, and sent, replaced or canceled (`Quoting::adjust`),
//! 3. the engine's reports say what came of it (`Quoting::on_report`).
//!
//! The inventory skews the quotes: whoever is long bids lower and offers lower, until somebody buys.

use crate::Params;
use crate::budget::Budget;
use crate::momentum::{SIZES, touch_in_steps};
use anyhow::Result;
use tidegate_client::strategy::{
    Desk, ExecType, InstrumentId, Lots, OrdStatus, Order, OrderKey, Report, Side, Strategy, Ticks,
    TimeInForce, UnixNanos,
};

/// After a refusal the instrument is left alone for this long.
const BACK_OFF_NS: u64 = 1_000_000_000;
/// How long to wait when the budget of messages is spent.
const BUDGET_PAUSE_NS: u64 = 20_000_000;

/// See the head of this module.
#[derive(Debug)]
pub struct MarketMaker {
    settings: Settings,
    budget: Budget,
    quoting: Vec<Quoting>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Order lots of one order.
    size: u64,
    /// Sizes that may be held, long or short.
    inventory_max: i64,
    /// One instrument's orders are changed at most this often: chasing every flicker only loses the place in the queue.
    rest_ns: u64,
}

impl MarketMaker {
    /// With `size`: order lots of one order; `inventory`: so many sizes may be held; `rest_ms`: least time between two
    /// changes of one instrument's orders.
    ///
    /// # Errors
    /// If one of them is out of range.
    pub fn new(params: &mut Params) -> Result<Self> {
        let settings = Settings {
            size: params.number("size", 100, SIZES)?,
            inventory_max: params.number("inventory", 10, 1..=1_000)? as i64,
            rest_ns: params.millis("rest_ms", 100, 0..=60_000)?.as_nanos() as u64,
        };
        Ok(Self { settings, budget: Budget::default(), quoting: Vec::new() })
    }

    fn adjust(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let Self { settings, budget, quoting } = self;
        quoting[instrument.index()].adjust(instrument, *settings, budget, desk);
    }
}

impl Strategy for MarketMaker {
    fn on_instrument(&mut self, _: InstrumentId, _: &mut Desk) {
        self.quoting.push(Quoting::default());
    }

    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        self.adjust(instrument, desk);
    }

    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        self.quoting[report.instrument.index()].on_report(report, desk.now());
        self.adjust(report.instrument, desk);
    }

    fn on_timer(&mut self, desk: &mut Desk) {
        for instrument in desk.instruments() {
            self.adjust(instrument, desk);
        }
    }
}

/// An order of ours that may be executed.
#[derive(Clone, Copy, Debug)]
struct Working {
    key: OrderKey,
    price: Ticks,
    /// A request about it is on its way; another would only cross it.
    is_in_flight: bool,
}

/// One instrument and our two orders in it.
#[derive(Clone, Copy, Debug, Default)]
struct Quoting {
    bid: Option<Working>,
    ask: Option<Working>,
    /// Not before then.
    rest_until: UnixNanos,
}

/// Where an order on `side` should be, if anywhere, when the touch is at `bid` and `ask` and so many sizes are held. All
/// prices in order ticks.
fn target(side: Side, (bid, ask): (i64, i64), sizes: i64, inventory_max: i64) -> Option<i64> {
    let is_full = match side {
        Side::Buy => sizes >= inventory_max,
        Side::Sell => sizes <= -inventory_max,
    };
    if is_full {
        return None;
    }
    // A tick of skew for every two sizes held. A wide spread leaves room to be alone in front.
    let skew = sizes / 2;
    let step = i64::from(ask - bid > 2);
    let (bid_target, ask_target) = (bid + step - skew, ask - step - skew);
    // Never through the other side: we make prices, we do not take them.
    Some(match side {
        Side::Buy => bid_target.min(ask - 1).max(1),
        Side::Sell => ask_target.max(bid + 1).max(1),
    })
}

impl Quoting {
    /// Brings both orders to where they should be.
    fn adjust(
        &mut self,
        instrument: InstrumentId,
        settings: Settings,
        budget: &mut Budget,
        desk: &mut Desk,
    ) {
        let now = desk.now();
        if now < self.rest_until {
            return desk.wake_at(self.rest_until);
        }
        let lots = settings.size.saturating_mul(desk.terms(instrument).order_lot.0);
        let sizes = desk.position(instrument) / i64::try_from(lots).unwrap_or(i64::MAX);
        let touch = touch_in_steps(desk, instrument);
        for side in [Side::Buy, Side::Sell] {
            let target = touch.and_then(|(touch, step)| {
                let steps = target(side, touch, sizes, settings.inventory_max)?;
                Some(Ticks(steps * step))
            });
            let working = if side == Side::Buy { &mut self.bid } else { &mut self.ask };
            let is_wanted = match (target, &working) {
                (Some(_), None) => true,
                (target, Some(working)) => !working.is_in_flight && target != Some(working.price),
                (None, None) => false,
            };
            if !is_wanted {
                continue;
            }
            if !budget.afford(now) {
                return desk.wake_at(UnixNanos(now.0 + BUDGET_PAUSE_NS));
            }
            let qty = Lots(lots);
            let is_sent = match (target, &mut *working) {
                (Some(price), None) => {
                    let time_in_force = TimeInForce::Day;
                    let order = Order { instrument, side, qty, price: Some(price), time_in_force };
                    let sent = desk.submit(order);
                    *working = sent.ok().map(|key| Working { key, price, is_in_flight: true });
                    sent.is_ok()
                }
                (Some(price), Some(working)) => {
                    working.is_in_flight = desk.replace(working.key, qty, price).is_ok();
                    working.is_in_flight
                }
                (None, Some(working)) => {
                    working.is_in_flight = desk.cancel(working.key).is_ok();
                    working.is_in_flight
                }
                (None, None) => false,
            };
            if is_sent {
                self.rest_until = UnixNanos(now.0 + settings.rest_ns);
            }
        }
    }

    fn on_report(&mut self, report: &Report, now: UnixNanos) {
        let mine = if report.side == Side::Buy { &mut self.bid } else { &mut self.ask };
        let Some(working) = mine.as_mut().filter(|working| working.key == report.key) else {
            return;
        };
        if report.reject.is_some() {
            self.rest_until = UnixNanos(now.0 + BACK_OFF_NS);
        }
        match report.status {
            status if status.is_final() => *mine = None,
            OrdStatus::PendingNew | OrdStatus::PendingCancel | OrdStatus::PendingReplace => {}
            _ => {
                working.price = report.price;
                // A fill says nothing about a request that is on its way.
                if report.exec_type != Some(ExecType::Trade) {
                    working.is_in_flight = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_join_the_touch_step_inside_a_wide_one_and_lean_with_the_inventory() {
        for (touch, sizes, bid, ask) in [
            ((100, 101), 0, Some(100), Some(101)),
            ((100, 102), 0, Some(100), Some(102)),
            ((100, 103), 0, Some(101), Some(102)),
            ((100, 101), 4, Some(98), Some(101)),
            ((100, 101), -4, Some(100), Some(103)),
            ((100, 110), 2, Some(100), Some(108)),
            ((100, 101), 10, None, Some(101)),
            ((100, 101), -10, Some(100), None),
            ((1, 2), 8, Some(1), Some(2)),
        ] {
            let found = [Side::Buy, Side::Sell].map(|side| target(side, touch, sizes, 10));
            assert_eq!(found, [bid, ask], "{touch:?} with {sizes} held");
        }
    }
}
