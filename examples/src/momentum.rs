//! A momentum trader: when a price has moved one way for a second, it takes what is offered there and bets on more of
//! the same; after a fixed time it gets out again, right or wrong.
//!
//! It shows how to take liquidity: immediate-or-cancel orders with a limit to get in, market orders to get out, and
//! how to follow quotes and trades of several instruments at once.

use crate::Params;
use crate::budget::Budget;
use anyhow::Result;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use tidegate_client::strategy::{
    Desk, InstrumentId, Lots, Order, OrderKey, Report, Side, Strategy, Ticks, TimeInForce, Trade,
    UnixNanos,
};

/// Order lots of one order: positions of ten and more of them are still far inside 64 bits.
pub(crate) const SIZES: RangeInclusive<u64> = 1..=1_000_000_000;
/// Pause between two entries into an instrument, and after a refusal.
const PAUSE_NS: u64 = 1_000_000_000;
/// How long to wait when the budget of messages is spent.
const BUDGET_PAUSE_NS: u64 = 20_000_000;
/// Middles that are remembered of the window; in between only the latest counts.
const MIDDLES: u64 = 128;

/// See the head of this module.
#[derive(Debug)]
pub struct Momentum {
    settings: Settings,
    budget: Budget,
    trends: Vec<Trend>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Order lots of one order.
    size: u64,
    /// A trend is measured over this much time.
    window_ns: u64,
    /// How long a position is held.
    hold_ns: u64,
    /// Order ticks that the middle must have moved within the window, times two: the middle lies between two ticks.
    move_half_ticks: i64,
    /// Order ticks beyond the touch that we pay to get in.
    slippage_ticks: i64,
}

impl Momentum {
    /// With `size`: order lots of one order; `window_ms`: a trend is measured over this time; `hold_ms`: so long a position is
    /// held; `move_half_ticks`: so far the middle must have moved; `slippage_ticks`: what is paid beyond the touch.
    ///
    /// # Errors
    /// If one of them is out of range.
    pub fn new(params: &mut Params) -> Result<Self> {
        let settings = Settings {
            size: params.number("size", 100, SIZES)?,
            window_ns: params.millis("window_ms", 1_000, 1..=86_400_000)?.as_nanos() as u64,
            hold_ns: params.millis("hold_ms", 1_500, 1..=86_400_000)?.as_nanos() as u64,
            move_half_ticks: params.number("move_half_ticks", 2, 1..=1_000_000)? as i64,
            slippage_ticks: params.number("slippage_ticks", 1, 0..=1_000_000)? as i64,
        };
        Ok(Self { settings, budget: Budget::default(), trends: Vec::new() })
    }

    fn decide(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let Self { settings, budget, trends } = self;
        trends[instrument.index()].decide(instrument, settings, budget, desk);
    }
}

impl Strategy for Momentum {
    fn on_instrument(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let opened_at = (desk.position(instrument) != 0).then(|| desk.now());
        self.trends.push(Trend { opened_at, ..Trend::default() });
    }

    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let middle = touch_in_steps(desk, instrument).map(|((bid, ask), _)| bid + ask);
        let every = self.settings.window_ns / MIDDLES;
        self.trends[instrument.index()].on_middle(middle, desk.now(), every);
        self.decide(instrument, desk);
    }

    fn on_trade(&mut self, trade: &Trade, _: &mut Desk) {
        let lots = i64::try_from(trade.qty.0).unwrap_or(i64::MAX);
        let tape = &mut self.trends[trade.instrument.index()].tape;
        *tape = match trade.aggressor {
            Some(Side::Buy) => tape.saturating_add(lots),
            Some(Side::Sell) => tape.saturating_sub(lots),
            None => *tape,
        };
    }

    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        let position = desk.position(report.instrument);
        self.trends[report.instrument.index()].on_report(report, position, desk.now());
        self.decide(report.instrument, desk);
    }

    fn on_timer(&mut self, desk: &mut Desk) {
        for instrument in desk.instruments() {
            self.decide(instrument, desk);
        }
    }
}

/// Best bid and offer in order ticks, rounded away from each other since feeds may quote between the prices that orders may
/// name, and the ticks of one order tick; `None` while the instrument does not trade or lacks one of them.
pub(crate) fn touch_in_steps(desk: &Desk, instrument: InstrumentId) -> Option<((i64, i64), i64)> {
    let (bid, ask) = desk.book(instrument).touch()?;
    let step = desk.terms(instrument).order_tick_at(bid.price).0;
    let above = i64::from(ask.price.0.rem_euclid(step) != 0);
    Some(((bid.price.0.div_euclid(step), ask.price.0.div_euclid(step) + above), step))
}

/// One instrument: what its price does, and what we do about it.
#[derive(Debug, Default)]
struct Trend {
    /// Twice the middle of bid and offer over time, in order ticks, oldest first.
    middles: VecDeque<(UnixNanos, i64)>,
    /// Bought less sold by aggressors since the last decision to enter: which way the tape leans.
    tape: i64,
    /// When the position was opened.
    opened_at: Option<UnixNanos>,
    /// The order we wait for; there is never more than one.
    working: Option<OrderKey>,
    not_before: UnixNanos,
}

impl Trend {
    fn on_middle(&mut self, middle: Option<i64>, now: UnixNanos, every_ns: u64) {
        let Some(middle) = middle else { return self.middles.clear() };
        match self.middles.back_mut() {
            Some((at, last)) if now.0 < at.0 + every_ns => *last = middle,
            _ => self.middles.push_back((now, middle)),
        }
        // Twice what a window holds: the one before it is what the window began with.
        if self.middles.len() as u64 > 2 * MIDDLES {
            self.middles.pop_front();
        }
    }

    /// Which way the price has gone over the window, if far enough and the tape does not lean against it.
    fn signal(&mut self, now: UnixNanos, settings: &Settings) -> Option<Side> {
        // The newest middle that is at least a window old is what the window began with.
        let begin = UnixNanos(now.0.checked_sub(settings.window_ns)?);
        while self.middles.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.middles.pop_front();
        }
        let (then, before) = *self.middles.front()?;
        let (_, latest) = *self.middles.back()?;
        if then > begin {
            return None;
        }
        match latest - before {
            moved if moved >= settings.move_half_ticks && self.tape >= 0 => Some(Side::Buy),
            moved if moved <= -settings.move_half_ticks && self.tape <= 0 => Some(Side::Sell),
            _ => None,
        }
    }

    fn decide(
        &mut self,
        instrument: InstrumentId,
        settings: &Settings,
        budget: &mut Budget,
        desk: &mut Desk,
    ) {
        let now = desk.now();
        let Some((touch, step)) = touch_in_steps(desk, instrument) else { return };
        if self.working.is_some() {
            return;
        }
        let position = desk.position(instrument);
        let order = if position == 0 {
            if now < self.not_before {
                return;
            }
            let Some(side) = self.signal(now, settings) else { return };
            let limit = match side {
                Side::Buy => touch.1 + settings.slippage_ticks,
                Side::Sell => (touch.0 - settings.slippage_ticks).max(1),
            };
            let qty = Lots(settings.size.saturating_mul(desk.terms(instrument).order_lot.0));
            let price = Some(Ticks(limit * step));
            Order { instrument, side, qty, price, time_in_force: TimeInForce::Ioc }
        } else {
            let over_at = self.opened_at.map_or(now, |at| UnixNanos(at.0 + settings.hold_ns));
            let due = over_at.max(self.not_before);
            if now < due {
                return desk.wake_at(due);
            }
            let side = if position > 0 { Side::Sell } else { Side::Buy };
            let qty = Lots(position.unsigned_abs());
            Order { instrument, side, qty, price: None, time_in_force: TimeInForce::Ioc }
        };
        if !budget.afford(now) {
            return desk.wake_at(UnixNanos(now.0 + BUDGET_PAUSE_NS));
        }
        self.working = desk.submit(order).ok();
        if position == 0 {
            self.tape = 0;
        } else {
            self.not_before = UnixNanos(now.0 + PAUSE_NS);
        }
    }

    fn on_report(&mut self, report: &Report, position: i64, now: UnixNanos) {
        if position == 0 {
            self.opened_at = None;
        } else if self.opened_at.is_none() {
            self.opened_at = Some(now);
        }
        if self.working != Some(report.key) {
            return;
        }
        if report.status.is_final() {
            self.working = None;
        }
        if report.reject.is_some() {
            self.not_before = UnixNanos(now.0 + PAUSE_NS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The signal at the end of middles told at tenths of a second, and the tape.
    fn signal(middles: &[(u64, i64)], tape: i64, at: u64) -> Option<Side> {
        let momentum = Momentum::new(&mut Params::default()).expect("defaults are allowed");
        let time = |tenths: u64| UnixNanos(1_000 * SECOND + tenths * SECOND / 10);
        let mut trend = Trend { tape, ..Trend::default() };
        for &(tenths, middle) in middles {
            trend.on_middle(Some(middle), time(tenths), momentum.settings.window_ns / MIDDLES);
        }
        trend.signal(time(at), &momentum.settings)
    }

    #[test]
    fn a_move_within_the_window_is_followed_unless_the_tape_leans_against_it() {
        for (middles, tape, at, expected) in [
            (&[(0, 200), (5, 202)][..], 0, 10, Some(Side::Buy)),
            (&[(0, 200), (5, 202)], 1, 10, Some(Side::Buy)),
            (&[(0, 200), (5, 202)], -1, 10, None),
            (&[(0, 200), (5, 198)], 0, 10, Some(Side::Sell)),
            (&[(0, 200), (5, 198)], 1, 10, None),
            (&[(0, 200), (5, 201)], 0, 10, None),
            // The window is not full yet.
            (&[(0, 200), (5, 202)], 0, 9, None),
            // The move is older than the window.
            (&[(0, 200), (5, 202), (6, 202)], 0, 16, None),
            (&[(0, 200), (2, 202), (9, 204)], 0, 12, Some(Side::Buy)),
            (&[], 0, 10, None),
        ] {
            assert_eq!(signal(middles, tape, at), expected, "{middles:?}, tape {tape}, at {at}");
        }
    }

    #[test]
    fn a_busy_market_does_not_shorten_the_window() {
        let mut trend = Trend::default();
        let every = SECOND / MIDDLES;
        for at in 0..100_000u64 {
            trend.on_middle(Some(200), UnixNanos(SECOND + at * SECOND / 50_000), every);
        }
        assert!(trend.middles.len() as u64 <= 2 * MIDDLES + 1);
        let (oldest, newest) = (trend.middles[0].0, trend.middles[trend.middles.len() - 1].0);
        assert!(newest.0 - oldest.0 >= SECOND, "{oldest} to {newest}");
    }
}
