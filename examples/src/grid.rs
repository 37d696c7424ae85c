//! A grid: orders to buy and to sell at fixed distances from the middle, moved with it, looked at every so often.
//!
//! It shows how to keep many orders where they should be: each look makes the list of prices anew, cancels what rests
//! elsewhere and sends what is missing. Prices are multiples of the distance, so that most orders stay when the market moves.

use crate::Params;
use crate::momentum::{SIZES, touch_in_steps};
use anyhow::Result;
use tidegate_client::strategy::{
    Desk, InstrumentId, Lots, OrdStatus, Order, OrderKey, Report, Side, Strategy, Ticks,
    TimeInForce, UnixNanos,
};

/// See the head of this module.
#[derive(Debug)]
pub struct Grid {
    settings: Settings,
    /// By instrument.
    working: Vec<Vec<Working>>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Order lots of one order.
    size: u64,
    /// Orders on each side.
    orders: i64,
    /// Order ticks between two of them.
    gap: i64,
    /// Order ticks from the middle to the first, at least.
    half: i64,
    /// Sizes held, long or short, from which on that side gets no new orders.
    inventory_max: i64,
    /// Time between two looks.
    every_ns: u64,
}

/// An order that is not finished.
#[derive(Clone, Copy, Debug)]
struct Working {
    key: OrderKey,
    side: Side,
    price: Ticks,
    /// It rests, and nobody asked for its end.
    can_cancel: bool,
}

impl Grid {
    /// With `size`: order lots of one order; `orders`: on each side; `gap`: order ticks between them; `half`: order ticks
    /// from the middle to the first; `inventory`: sizes that may be held; `every_ms`: time between two looks.
    ///
    /// # Errors
    /// If one of them is out of range.
    pub fn new(params: &mut Params) -> Result<Self> {
        let settings = Settings {
            size: params.number("size", 100, SIZES)?,
            orders: params.number("orders", 20, 1..=500)? as i64,
            gap: params.number("gap", 10, 1..=1_000_000)? as i64,
            half: params.number("half", 20, 0..=1_000_000)? as i64,
            inventory_max: params.number("inventory", 50, 1..=1_000_000)? as i64,
            every_ns: params.millis("every_ms", 100, 1..=3_600_000)?.as_nanos() as u64,
        };
        Ok(Self { settings, working: Vec::new() })
    }

    /// Cancels what rests where nothing should, and sends what is missing.
    fn look(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let Settings { size, orders, gap, half, inventory_max, .. } = self.settings;
        let Some(((bid, ask), step)) = touch_in_steps(desk, instrument) else { return };
        let lots = size.saturating_mul(desk.terms(instrument).order_lot.0);
        let held = desk.position(instrument) / i64::try_from(lots).unwrap_or(i64::MAX);
        // Down to the grid from the middle less the half, and up from the middle and the half.
        let low = (bid + ask - 2 * half).div_euclid(2 * gap);
        let high = -(-(bid + ask + 2 * half)).div_euclid(2 * gap);
        let (bids, asks) = (
            if held < inventory_max { orders } else { 0 },
            if held > -inventory_max { orders } else { 0 },
        );
        let (bids, asks) = (low - bids + 1..=low, high..=high + asks - 1);
        let working = &mut self.working[instrument.index()];
        let unit = gap * step;
        for order in working.iter_mut().filter(|order| order.can_cancel) {
            let wanted = if order.side == Side::Buy { &bids } else { &asks };
            let is_wanted = order.price.0 % unit == 0 && wanted.contains(&(order.price.0 / unit));
            if !is_wanted && desk.cancel(order.key).is_ok() {
                order.can_cancel = false;
            }
        }
        // The nearest to the middle first: what finds no room is sent at the next look.
        let wanted = bids.rev().map(|at| (Side::Buy, at)).chain(asks.map(|at| (Side::Sell, at)));
        for (side, at) in wanted.filter(|(_, at)| *at > 0) {
            let price = Ticks(at * unit);
            if working.iter().any(|order| order.side == side && order.price == price) {
                continue;
            }
            let order = Order {
                instrument,
                side,
                qty: Lots(lots),
                price: Some(price),
                time_in_force: TimeInForce::Gtc,
            };
            let Ok(key) = desk.submit(order) else { return };
            working.push(Working { key, side, price, can_cancel: false });
        }
    }
}

impl Strategy for Grid {
    fn on_instrument(&mut self, _: InstrumentId, desk: &mut Desk) {
        self.working.push(Vec::new());
        desk.wake_at(desk.now());
    }

    fn on_report(&mut self, report: &Report, _: &mut Desk) {
        let working = &mut self.working[report.instrument.index()];
        let Some(at) = working.iter().position(|order| order.key == report.key) else { return };
        match report.status {
            status if status.is_final() => {
                working.swap_remove(at);
            }
            OrdStatus::New => working[at].can_cancel = true,
            _ => {}
        }
    }

    fn on_timer(&mut self, desk: &mut Desk) {
        for instrument in desk.instruments() {
            self.look(instrument, desk);
        }
        desk.wake_at(UnixNanos(desk.now().0 + self.settings.every_ns));
    }
}

/// Looks on and does nothing: what it costs to play a file.
#[derive(Debug)]
pub struct Idle;

impl Strategy for Idle {}
