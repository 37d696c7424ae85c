//! Bars: what an order that takes, waits or rests gets of one, in an order that errs against us.
//!
//! A bar is told when it is over. What was at the venue, or waited for its stop price, when it began takes part, in this order:
//!
//! 1. the open: orders that take, first come first; stop and touched orders that it has reached; limit orders that it has
//!    passed;
//! 2. the range: stop orders; then touched orders and limit orders; then stop orders that the fills of this bar have brought
//!    about. A position whose stop and target both lie in the range is thus stopped out;
//! 3. the close, which is the last trade: it triggers like any other, and what it triggers waits for the next bar.
//!
//! Within a bar time is not resolved: what the engine sends because of it arrives in it. Between the two ends of the range the
//! path goes to the nearer end of the close last, which matters to trailing stops alone: first to the low where the bar
//! closes at its open or higher, else first to the high.

use super::Core;
use super::market::{is_acceptable, trade_update};
use super::output::Publisher;
use super::paper::{AtOpen, Depth, PaperFill, Part};
use super::taking::moved;
use tidegate_model::command::{OrderType, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::market::{Bar, MarketEventKind};
use tidegate_model::{InstrumentId, Lots, MarketEvent, Side, Ticks};
use tidegate_oms::{Order, OrderSlot};

/// Which of the waiting orders that a bar has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All of them.
    Any,
    /// Those that follow the market.
    Stop,
    /// Those that follow the market and came to wait within this bar.
    NewStop,
    /// Those that meet it.
    Touched,
}

impl Core {
    /// One half of a bar. A second half that completes none is refused.
    pub(super) fn bar_event(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        publisher: &mut Publisher<'_>,
    ) {
        // Where more is told, a bar says again what was told before it.
        let is_told_more =
            [Side::Buy, Side::Sell].iter().any(|&side| self.books.best(instrument, side).is_some());
        match self.paper.half_of_bar(instrument, event) {
            Some(bar) if !is_told_more => self.bar(instrument, &bar, publisher),
            None if event.kind() == Some(MarketEventKind::BarRange) => {}
            _ => self.counters.refused_events += 1,
        }
    }

    fn bar(&mut self, instrument: InstrumentId, bar: &Bar, publisher: &mut Publisher<'_>) {
        self.paper.told(instrument, Depth::Bars);
        // Where nothing was traded, no price is proved.
        if self.is_trading(instrument) && bar.volume.0 > 0 {
            self.paper.begin_bar(instrument, bar);
            while let Some(slot) = self.paper.next_at_open(instrument, bar.begin) {
                self.execute_at(slot, bar.open, publisher);
                self.follow_up(publisher);
            }
            self.trigger_in_bar(instrument, bar, Part::Open, Kind::Any, publisher);
            self.fill_limits(instrument, bar, Part::Open, publisher);
            self.trigger_in_bar(instrument, bar, Part::Range, Kind::Stop, publisher);
            self.trigger_in_bar(instrument, bar, Part::Range, Kind::Touched, publisher);
            self.fill_limits(instrument, bar, Part::Range, publisher);
            // Each round triggers what came to wait in the one before; orders that bring about others are finite.
            while self.paper.has_armed() {
                self.trigger_in_bar(instrument, bar, Part::Range, Kind::NewStop, publisher);
            }
            self.paper.end_bar();
        }
        self.note_trade(instrument, bar.close, bar.volume);
        publisher.public(trade_update(instrument, 0, bar.close, bar.volume));
    }

    fn fill_limits(
        &mut self,
        instrument: InstrumentId,
        bar: &Bar,
        part: Part,
        publisher: &mut Publisher<'_>,
    ) {
        for side in [Side::Buy, Side::Sell] {
            self.paper.fill_by_bar(instrument, side, bar, part);
            self.settle_resting(publisher);
            self.follow_up(publisher);
        }
    }

    /// Triggers the orders of that kind that the part of the bar has reached.
    fn trigger_in_bar(
        &mut self,
        instrument: InstrumentId,
        bar: &Bar,
        part: Part,
        kind: Kind,
        publisher: &mut Publisher<'_>,
    ) {
        let armed = if kind == Kind::NewStop { self.paper.newly_armed() } else { 0..0 };
        if !self.waiting.has_any(instrument) {
            return;
        }
        let mut triggered = std::mem::take(&mut self.triggered);
        let path = match part {
            Part::Open => [bar.open, bar.open],
            Part::Range if bar.close >= bar.open => [bar.low, bar.high],
            Part::Range => [bar.high, bar.low],
        };
        for price in path {
            self.waiting.traded(instrument, price, &mut triggered);
        }
        triggered.retain(|waiter| {
            let order = self.oms.order(waiter.slot);
            let was_there = order.entered_at <= bar.begin;
            let meets =
                matches!(order.order_type, OrderType::MarketIfTouched | OrderType::LimitIfTouched);
            let takes_part = match kind {
                Kind::Any => was_there,
                Kind::Stop => was_there && !meets,
                Kind::Touched => was_there && meets,
                Kind::NewStop => !meets && self.paper.is_armed(armed.clone(), waiter.slot),
            };
            if !takes_part {
                self.waiting.insert(instrument, *waiter);
            }
            takes_part
        });
        for waiter in &triggered {
            let stop = waiter.stop_price.expect("a price has reached it");
            let price = match part {
                Part::Open => bar.open,
                Part::Range => stop.clamp(bar.low, bar.high),
            };
            self.paper.at_price_in_bar(Some((waiter.slot, price)));
            self.trigger(waiter, publisher);
            // Its list may let it go only when another order is canceled: still at this price.
            self.follow_up(publisher);
            self.paper.at_price_in_bar(None);
        }
        triggered.clear();
        self.triggered = triggered;
    }

    /// An order comes to a venue of which bars are told. What takes waits for the next open, unless a price within this bar
    /// brought it.
    pub(super) fn execute_in_bars(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let order = self.oms.order(slot);
        let takes = order.order_type.is_market()
            || order.order_type == OrderType::MarketToLimit && order.price == Ticks::ZERO
            || matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if let Some(price) = self.paper.price_in_bar(slot) {
            self.execute_at(slot, price, publisher);
        } else if takes {
            let (instrument, since) = (order.instrument, self.arrived_at);
            self.paper.wait_for_open(instrument, AtOpen { order: slot, since });
        } else {
            self.lay_to_rest(slot, self.arrived_at);
        }
    }

    /// An order takes at a price of the bar what is left of its volume, then rests or ends.
    fn execute_at(&mut self, slot: OrderSlot, price: Ticks, publisher: &mut Publisher<'_>) {
        let before = self.enter_venue(publisher);
        self.execute_in_bar_at(slot, price, publisher);
        publisher.reports_leave_at(before);
    }

    fn execute_in_bar_at(&mut self, slot: OrderSlot, price: Ticks, publisher: &mut Publisher<'_>) {
        let order = self.oms.order(slot);
        let &Order { instrument, side, order_type, time_in_force, .. } = order;
        let limit = match order_type {
            _ if order_type.is_market() => order.protection_price,
            OrderType::MarketToLimit if order.price == Ticks::ZERO => order.protection_price,
            _ => order.price,
        };
        let wanted = self.oms.live_qty(slot);
        let own = Lots(self.paper.left_of_bar().min(wanted).0.div_ceil(2));
        let impact = self.paper.impact(instrument).ticks(side, price, own, self.arrived_at);
        let price = moved(side, price, impact);
        let accepts = is_acceptable(side, limit, price);
        let reachable = match accepts {
            true => self.paper.left_of_bar().min(wanted),
            false => Lots::ZERO,
        };
        if time_in_force == TimeInForce::Fok && reachable < wanted {
            return self.end(slot, CancelReason::Fok, publisher);
        }
        if accepts && order_type == OrderType::MarketToLimit && order.price == Ticks::ZERO {
            self.oms.priced(slot, self.onto_tick(instrument, side, price));
        }
        if reachable.0 > 0 {
            self.paper.take_of_bar(reachable);
            let model = self.paper.model_of(instrument);
            let cause = self.paper.market.cause;
            let fill = PaperFill::taken(slot, price, reachable, cause, model).with_impact(impact);
            self.paper.took(instrument, side, reachable, self.arrived_at);
            self.fill(fill, publisher);
        }
        let waits_on = accepts
            && order_type.is_market()
            && !matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if waits_on && reachable < wanted && self.oms.order(slot).is_open() {
            // Only its share of the volume was not enough.
            let since = self.paper.market.time;
            return self.paper.wait_for_open(instrument, AtOpen { order: slot, since });
        }
        self.rest_or_end(slot, self.paper.market.time, publisher);
    }
}
