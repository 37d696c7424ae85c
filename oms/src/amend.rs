//! Trade bust and trade correct: an execution is taken back, or put right, and order, position, cash, fees and profit are
//! what they would be if it had been so from the start.

use crate::fee::{Commission, charge, fee, is_by_order, parts, rate_e8, within_order};
use crate::ledger::WalletSlot;
use crate::ledger::amend::Amendment;
use crate::ledger::executions::Executed;
use crate::oms::Oms;
use crate::order::{Order, OrderSlot};
use crate::position::{overflow, trade_value};
use tidegate_model::command::{AmendKind, AmendTrade};
use tidegate_model::event::Position;
use tidegate_model::{ExecId, Instrument, Lots, Money, Reject, RejectReason, Ticks};

/// What an amendment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amended {
    /// Taken back or put right.
    pub kind: AmendKind,
    /// The order.
    pub order: OrderSlot,
    /// The execution as it was booked before.
    pub was: Executed,
    /// The execution as it is booked now. Of one that is taken back the quantity is 0, and so is the fee, unless its order is
    /// charged by the order: then it is what the order still owes and its other executions do not bear.
    pub is: Executed,
    /// The position after it.
    pub position: Position,
    /// The currency of the account that was paid in.
    pub wallet: WalletSlot,
}

impl Oms {
    /// Takes an execution back, or puts it right.
    ///
    /// What it executed too much, LeavesQty of the order has again: what becomes of that is the caller's to say.
    ///
    /// # Errors
    /// [`RejectReason::UnknownTrade`] if it is no execution of this order that is kept, or was taken back before;
    /// [`RejectReason::TooLateToAmend`] if a settlement, a dividend or a split has come since, or more executions than are
    /// kept; [`RejectReason::BadField`] for a quantity that is 0 or more than was executed; [`RejectReason::BadPrice`];
    /// [`RejectReason::Overflow`]. Then nothing is changed.
    pub fn amend_trade(
        &mut self,
        asked: &AmendTrade,
        terms: &Instrument,
    ) -> Result<Amended, Reject> {
        let unknown = Reject::of(RejectReason::UnknownTrade, asked.exec_id.0.into());
        let was = *self.executed(asked.exec_id).ok_or(unknown)?;
        let order = *self.order(was.order);
        let named = order.order_id == asked.order_id && order.account == asked.account;
        if !named || was.qty == Lots::ZERO {
            return Err(unknown);
        }
        let bad = |value: i128| Reject::new(RejectReason::BadField, was.qty.0.into(), value);
        let kind = AmendKind::from_wire(asked.kind).ok_or(bad(asked.kind.into()))?;
        let (qty, price) = match kind {
            AmendKind::Bust => (Lots::ZERO, was.price),
            AmendKind::Correct if asked.qty == Lots::ZERO || asked.qty > was.qty => {
                return Err(bad(asked.qty.0.into()));
            }
            AmendKind::Correct if asked.price <= Ticks::ZERO => {
                return Err(Reject::of(RejectReason::BadPrice, asked.price.0.into()));
            }
            AmendKind::Correct => (asked.qty, asked.price),
        };
        let (fee, commission) = self.fee_anew(&order, &was, (qty, price), terms)?;
        let amendment = Amendment { exec_id: was.exec_id, qty, price, fee };
        let checked = self.ledger.check_amendment(amendment, terms)?;
        match kind {
            AmendKind::Bust => self.trade_canceled(was.order, was.qty, was.price)?,
            AmendKind::Correct => {
                self.trade_corrected(was.order, (was.qty, was.price), (qty, price))?
            }
        };
        self.orders.update(was.order, |order| order.commission = commission);
        self.note_amendment(was.order);
        let (wallet, position) = self.ledger.amend(checked, terms);
        let is = *self.executed(was.exec_id).expect("it stays kept");
        Ok(Amended { kind, order: was.order, was, is, position, wallet })
    }

    /// An execution of today, if it is kept: the last of them are, as many as there may be orders.
    pub fn executed(&self, exec_id: ExecId) -> Option<&Executed> {
        self.ledger.execution(exec_id)
    }

    /// What an execution is charged that should have been another, by the schedule that is in force now; and what its order is
    /// charged then.
    fn fee_anew(
        &self,
        order: &Order,
        was: &Executed,
        (qty, price): (Lots, Ticks),
        terms: &Instrument,
    ) -> Result<(Money, Commission), Reject> {
        let notional =
            |price, qty| trade_value(price, qty, terms).map(|value| Money(value.0.abs()));
        let is_bust = qty == Lots::ZERO;
        let worth = notional(price, qty)?;
        let Some(schedule) = self.fees.schedule(was.account, was.instrument) else {
            let fee = if is_bust { Money::ZERO } else { fee(worth, rate_e8(terms, was.liquidity)) };
            return Ok((fee, order.commission));
        };
        let (side, liquidity) = (was.side, was.liquidity);
        if !is_by_order(schedule) {
            let charged = match is_bust {
                true => Money::ZERO,
                false => charge(schedule, side, liquidity, qty, worth, Commission::default())?.fee,
            };
            return Ok((charged, order.commission));
        }
        // The order's commission without this execution and with the one it should have been, within the bounds of an order.
        let old = parts(schedule, side, liquidity, was.qty, notional(was.price, was.qty)?)?;
        let new = match is_bust {
            true => (0, 0),
            false => parts(schedule, side, liquidity, qty, worth)?,
        };
        let changed = |amount: Money, plus: i128, minus: i128| {
            let sum = amount.0.checked_add(plus).and_then(|sum| sum.checked_sub(minus));
            sum.map(Money).ok_or_else(|| overflow(plus))
        };
        let raw = changed(order.commission.raw, new.0, old.0)?;
        let executes_nothing = order.cum_qty == was.qty && is_bust;
        let commission = match executes_nothing {
            true => Commission::default(),
            false => within_order(schedule, raw),
        };
        let fee = changed(was.fee, commission.charged.0, order.commission.charged.0)?;
        let fee = changed(fee, new.1, old.1)?;
        Ok((fee, commission))
    }
}
