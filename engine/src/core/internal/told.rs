//! What a market of the house tells, as steps of orders, bookings, and news for everyone.

use super::super::Listed;
use super::super::market::{level_update, trade_update};
use super::super::orders::NOBODY;
use super::super::output::Publisher;
use super::super::reports::{Execute, report, report_refusal, report_reject};
use super::bands::Guard;
use crate::book::Level;
use crate::matching::{Phase, Reports, Trade};
use tidegate_model::command::OrderType;
use tidegate_model::event::{CancelReason, Event, ExecType, Liquidity, PhaseCause, PhaseChange};
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, InstrumentId, Lots, PublicKind, PublicUpdate, Reject, Side, Ticks, UnixNanos,
};
use tidegate_oms::{Oms, Order, OrderSlot, Place, Requester, Waiter, Waiting};
use tidegate_risk::Risk;

/// What a market's phase means for whoever asks whether the instrument trades.
fn status_of(phase: Phase) -> TradingStatus {
    match phase {
        Phase::Continuous => TradingStatus::Trading,
        Phase::Halt => TradingStatus::Paused,
        Phase::PreOpen | Phase::OpenAuction | Phase::CloseAuction => TradingStatus::QuotationOnly,
        Phase::Closed => TradingStatus::Closed,
    }
}

/// The order that a market is asked about, by whom, and why it is canceled if it is.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub slot: OrderSlot,
    pub who: Requester,
    pub reason: CancelReason,
    /// It was told before: the first answer is no news.
    pub quiet: bool,
}

/// The phase that a market is asked to step to, and why.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub phase: Phase,
    pub cause: PhaseCause,
}

/// Is told what one market does, and books it.
pub(super) struct Told<'a, 'o> {
    pub oms: &'a mut Oms,
    pub risk: &'a mut Risk,
    /// Legs of lists that the engine holds until a stop price is reached.
    pub waiting: &'a mut Waiting,
    /// Those of them that trades have reached.
    pub triggered: &'a mut Vec<Waiter>,
    pub listed: &'a mut Listed,
    pub instrument: InstrumentId,
    pub now: UnixNanos,
    pub fills: &'a mut u64,
    pub asked: Option<Asked>,
    /// What was asked for quietly was refused.
    pub is_refused: bool,
    /// What it was asked to step to.
    pub step: Option<Step>,
    /// The phase that it was in last.
    pub before: Phase,
    pub guard: &'a mut Guard,
    pub publisher: &'a mut Publisher<'o>,
}

/// Why a step of an order's life that a market tells cannot fail.
const IN_STEP: &str = "the order store follows the market step by step";

impl Told<'_, '_> {
    #[inline]
    fn slot(&self, handle: u32) -> OrderSlot {
        self.oms.slot(handle).expect("a market holds orders of the store only")
    }

    /// Who asked for what happens to the order: now, or when it came.
    #[inline]
    fn who(&self, slot: OrderSlot) -> Requester {
        match self.asked {
            Some(asked) if asked.slot == slot => asked.who,
            _ => self.oms.order(slot).who,
        }
    }

    #[inline]
    fn report(&mut self, slot: OrderSlot, exec_type: ExecType, who: Requester) {
        report(self.oms, slot, exec_type, who, self.publisher, |_| {});
    }

    /// True if this is the answer to what was asked for quietly.
    #[inline]
    fn is_quiet(&mut self, slot: OrderSlot) -> bool {
        match &mut self.asked {
            Some(asked) if asked.slot == slot => std::mem::take(&mut asked.quiet),
            _ => false,
        }
    }

    /// The last trade triggers what the engine holds, once the market is done with what it was asked.
    #[inline]
    fn traded(&mut self, price: Ticks) {
        if self.listed.status == TradingStatus::Trading && self.waiting.has_any(self.instrument) {
            self.waiting.traded(self.instrument, price, self.triggered);
        }
    }

    /// Takes a step that changes what an order ties up.
    fn step(&mut self, slot: OrderSlot, step: impl FnOnce(&mut Oms)) {
        let before = self.oms.exposure(slot);
        step(self.oms);
        self.oms.recount(self.risk, slot, &before);
    }

    /// `qty` lots are taken off an order: all that is left of it, or OrderQty is restated.
    fn take_off(&mut self, slot: OrderSlot, qty: Lots, reason: CancelReason) {
        let &Order { qty: order_qty, .. } = self.oms.order(slot);
        let exec_type = if qty < self.oms.live_qty(slot) {
            ExecType::Restated
        } else if reason == CancelReason::Expired {
            ExecType::Expired
        } else {
            ExecType::Canceled
        };
        let who = self.who(slot);
        self.step(slot, |oms| {
            let step = match exec_type {
                ExecType::Restated => oms.restated(slot, Lots(order_qty.0 - qty.0)),
                ExecType::Expired => oms.expired(slot),
                _ => oms.canceled(slot),
            };
            step.expect(IN_STEP);
        });
        report(self.oms, slot, exec_type, who, self.publisher, |execution| {
            execution.last_qty = qty;
            if exec_type != ExecType::Expired {
                execution.cancel_reason = reason.wire();
            }
        });
    }
}

impl Reports for Told<'_, '_> {
    fn accepted(&mut self, handle: u32, price: Ticks) {
        let slot = self.slot(handle);
        let order = self.oms.order(slot);
        let was_here = order.acknowledged;
        if price != order.price && order.post_only.is_some() {
            // It slid.
            self.oms.priced(slot, price);
        }
        if was_here {
            // The engine accepted it when it began to wait for its stop price.
            return;
        }
        self.oms.accepted(slot).expect(IN_STEP);
        let who = self.who(slot);
        self.report(slot, ExecType::New, who);
    }

    fn trade(&mut self, trade: &Trade) {
        let &Trade { taker_side, auction, price, qty, .. } = trade;
        let [maker, taker] = match auction {
            true => [Liquidity::Auction; 2],
            false => [Liquidity::Maker, Liquidity::Taker],
        };
        let sides = [(self.slot(trade.maker), maker), (self.slot(trade.taker), taker)];
        let terms = &self.listed.instrument;
        let can_fill = |&(slot, liquidity): &(OrderSlot, Liquidity)| {
            self.oms.can_fill(slot, qty, price, liquidity, terms)
        };
        if !sides.iter().all(can_fill) {
            let reason = CancelReason::CannotBook;
            return sides.iter().for_each(|(slot, _)| self.take_off(*slot, qty, reason));
        }
        let took = self.oms.order(sides[1].0);
        if took.order_type == OrderType::MarketToLimit && took.price == Ticks::ZERO {
            // From its first trade on it is a limit order at that price.
            self.oms.priced(sides[1].0, price);
        }
        self.listed.last_trade = Some(price);
        self.risk.marked(self.now, self.instrument, price);
        if auction {
            self.guard.set_anchor(price);
        }
        let aggressor = if auction { 0 } else { taker_side.wire() };
        self.publisher.public(trade_update(self.instrument, aggressor, price, qty));
        for (slot, liquidity) in sides {
            Execute { slot, qty, price, liquidity, terms: &self.listed.instrument }
                .book(self.oms, self.risk, self.publisher, |_| {})
                .expect("both sides were asked for room first");
            *self.fills += 1;
        }
        self.traded(price);
        self.oms.note_traded(self.instrument, qty, self.now);
    }

    fn canceled(&mut self, handle: u32, qty: Lots, reason: CancelReason) {
        let slot = self.slot(handle);
        if self.is_quiet(slot) {
            return;
        }
        let reason = match self.asked {
            Some(asked) if asked.slot == slot && reason == CancelReason::User => asked.reason,
            _ => reason,
        };
        self.take_off(slot, qty, reason);
    }

    fn replaced(&mut self, handle: u32, _: Ticks, _: Lots) {
        let slot = self.slot(handle);
        if self.is_quiet(slot) {
            return;
        }
        self.step(slot, |oms| {
            oms.replaced(slot).expect(IN_STEP);
        });
        let who = self.who(slot);
        self.report(slot, ExecType::Replaced, who);
    }

    fn triggered(&mut self, handle: u32, price: Ticks) {
        let slot = self.slot(handle);
        let protection_price = self.oms.order(slot).protection_price;
        self.oms.triggered(slot, price, protection_price, Place::House).expect(IN_STEP);
        let who = self.oms.order(slot).who;
        self.report(slot, ExecType::Triggered, who);
    }

    fn rejected(&mut self, handle: u32, reject: Reject) {
        let slot = self.slot(handle);
        if self.oms.order(slot).cum_qty > Lots::ZERO {
            // More of an exit than it executed before is not taken any more: that ends it.
            let live = self.oms.live_qty(slot);
            return self.take_off(slot, live, CancelReason::Contingent);
        }
        self.step(slot, |oms| {
            oms.rejected(slot).expect(IN_STEP);
        });
        report_reject(self.oms, slot, reject, self.who(slot), self.publisher);
    }

    fn refused(&mut self, handle: u32, reject: Reject) {
        // A cancel is not refused: what the store has open, the market has.
        let slot = self.slot(handle);
        if self.is_quiet(slot) {
            self.is_refused = true;
            return;
        }
        self.step(slot, |oms| {
            oms.replace_rejected(slot).expect(IN_STEP);
        });
        report_refusal(self.oms, slot, reject, self.who(slot), self.publisher);
    }

    fn phase(&mut self, phase: Phase) {
        let cause = match self.step {
            Some(step) if step.phase == phase => step.cause,
            _ => PhaseCause::PriceBand,
        };
        self.guard.stepped(phase, cause, self.publisher.ts);
        let before = std::mem::replace(&mut self.before, phase);
        let change = PhaseChange {
            reopen_at: self.guard.reopen_at().unwrap_or_default(),
            last_price: self.listed.last_trade.unwrap_or_default(),
            phase: phase.wire(),
            before: before.wire(),
            cause: cause.wire(),
            reserved: [0; 5],
        };
        let event = Event::Phase(change);
        self.publisher.event(NOBODY, AccountId::NONE, self.instrument, &event);
        let status = status_of(phase);
        self.listed.status = status;
        if let Some(last) = self.listed.last_trade {
            self.traded(last);
        }
        self.publisher.public(PublicUpdate {
            kind: PublicKind::Status.wire(),
            instrument: self.instrument,
            orders: status.wire().into(),
            ..Default::default()
        });
    }

    #[inline]
    fn level(&mut self, side: Side, price: Ticks, qty: Lots, orders: u32) {
        let level = Level { price, qty, orders };
        self.publisher.public(level_update(self.instrument, side, level));
    }
}
