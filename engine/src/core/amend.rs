//! Trade bust and trade correct: an execution is taken back, or put right.

use super::Core;
use super::accounts::tell_account;
use super::output::Publisher;
use super::reports::{filled, report};
use tidegate_model::command::{AmendKind, AmendTrade};
use tidegate_model::event::{CancelReason, Event, ExecType};
use tidegate_model::{Lots, Reject, RejectReason};
use tidegate_oms::{Amended, Order};
use tidegate_risk::Filled;

impl Core {
    /// What is taken back is not put back into the market: of an order that works, OrderQty shrinks by it, so that what the
    /// venue holds of it stays as it is; one that was filled is canceled for it.
    pub(super) fn amend_trade(
        &mut self,
        asked: AmendTrade,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::UnknownTrade, asked.exec_id.0.into());
        let executed = *self.oms.executed(asked.exec_id).ok_or(unknown)?;
        let terms = &self.listing[executed.instrument].instrument;
        let before = self.oms.exposure(executed.order);
        let Order { account, instrument, who, .. } = *self.oms.order(executed.order);
        let was_open = self.oms.order(executed.order).is_open();
        let amended = self.oms.amend_trade(&asked, terms)?;
        let Amended { kind, order: slot, was, is, position, wallet } = amended;

        let order = self.oms.order(slot);
        let [before_it, now_it] =
            [&was, &is].map(|one| filled(order, (one.qty, one.price), terms, one.fee));
        let held = (position.qty, position.cost);
        self.risk.amended(&before_it, &Filled { position: held, ..now_it });
        let (exec_type, told) = match kind {
            AmendKind::Bust => (ExecType::TradeCancel, was),
            AmendKind::Correct => (ExecType::TradeCorrect, is),
        };
        report(&mut self.oms, slot, exec_type, who, publisher, |execution| {
            execution.last_qty = told.qty;
            execution.last_price = told.price;
            execution.fee = is.fee;
            execution.liquidity = is.liquidity.wire();
            execution.exec_id = is.exec_id;
        });
        let taken_back = Lots(was.qty.0 - is.qty.0);
        if taken_back > Lots::ZERO && was_open {
            let qty = Lots(self.oms.order(slot).qty.0 - taken_back.0);
            self.oms.restated(slot, qty).expect("it works on, or all that is left is executed");
            report(&mut self.oms, slot, ExecType::Restated, who, publisher, |_| {});
            self.oms.recount(&mut self.risk, slot, &before);
        } else if self.oms.order(slot).is_open() {
            self.oms.canceled(slot).expect("it was filled, and nothing is under way");
            report(&mut self.oms, slot, ExecType::Canceled, who, publisher, |execution| {
                execution.last_qty = taken_back;
                execution.cancel_reason = CancelReason::TradeBust.wire();
            });
        }
        publisher.event(who, account, instrument, &Event::Position(position));
        tell_account(&self.oms, wallet, who, publisher);
        Ok(was.exec_id.0)
    }
}
