//! Buys each instrument once, as soon as it trades, and keeps it: what every other strategy is to be compared with.

use crate::Params;
use anyhow::Result;
use tidegate_client::strategy::{
    Desk, InstrumentId, Lots, Order, OrderKey, Report, Side, Strategy, TimeInForce, Trade,
    UnixNanos,
};

/// Time between two tries to buy what was not there.
const TRY_AGAIN_NS: u64 = 1_000_000_000;

/// What it has of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Bought {
    working: Option<OrderKey>,
    not_before: UnixNanos,
}

/// See the head of this module.
#[derive(Debug)]
pub struct BuyAndHold {
    /// Order lots of each instrument.
    size: u64,
    bought: Vec<Bought>,
}

impl BuyAndHold {
    /// With `size`: order lots of each instrument.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn new(params: &mut Params) -> Result<Self> {
        Ok(Self { size: params.number("size", 100, crate::momentum::SIZES)?, bought: Vec::new() })
    }

    fn buy(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let wanted = Lots(self.size.saturating_mul(desk.terms(instrument).order_lot.0));
        let held = Lots(desk.position(instrument).max(0).unsigned_abs());
        let bought = &mut self.bought[instrument.index()];
        let is_due = bought.working.is_none() && desk.now() >= bought.not_before;
        if !is_due || held >= wanted || !desk.book(instrument).is_trading {
            return;
        }
        let order = Order {
            instrument,
            side: Side::Buy,
            qty: Lots(wanted.0 - held.0),
            price: None,
            time_in_force: TimeInForce::Ioc,
        };
        bought.working = desk.submit(order).ok();
        bought.not_before = UnixNanos(desk.now().0 + TRY_AGAIN_NS);
    }
}

impl Strategy for BuyAndHold {
    fn on_instrument(&mut self, _: InstrumentId, _: &mut Desk) {
        self.bought.push(Bought::default());
    }

    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        if desk.book(instrument).touch().is_some() {
            self.buy(instrument, desk);
        }
    }

    fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {
        self.buy(trade.instrument, desk);
    }

    fn on_report(&mut self, report: &Report, _: &mut Desk) {
        let bought = &mut self.bought[report.instrument.index()];
        if bought.working == Some(report.key) && report.status.is_final() {
            bought.working = None;
        }
    }
}
