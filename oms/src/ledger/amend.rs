//! Trades that are taken back or put right: a position is what the day began with and the executions since, so it is booked
//! anew from there, as if the trade had never been, or had been as it should.

use super::executions::Executed;
use super::{CASH_MAX, Ledger, PositionRecord, WalletSlot, hash_position};
use crate::position::{Trade, overflow, trade_value, within_bound};
use tidegate_model::event::{Account, Position};
use tidegate_model::{ExecId, Instrument, Lots, Money, Reject, RejectReason, Ticks};
use tidegate_risk::pairs::PairSlot;

/// How an execution should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which.
    pub exec_id: ExecId,
    /// LastQty; 0 takes it back.
    pub qty: Lots,
    /// LastPx.
    pub price: Ticks,
    /// Its fee.
    pub fee: Money,
}

/// An amendment that can be booked.
#[derive(Debug)]
pub struct Checked {
    amendment: Amendment,
    slot: PairSlot,
    wallet: WalletSlot,
    /// Every execution since the position was carried on, oldest first.
    chain: Vec<ExecId>,
}

impl Ledger {
    /// Lets an amendment pass that can be booked.
    ///
    /// # Errors
    /// [`RejectReason::UnknownTrade`] for an execution that is not kept; [`RejectReason::TooLateToAmend`] if a settlement, a
    /// dividend or a split has come since, or too many executions; [`RejectReason::Overflow`].
    pub fn check_amendment(
        &self,
        amendment: Amendment,
        terms: &Instrument,
    ) -> Result<Checked, Reject> {
        let exec_id = amendment.exec_id;
        let unknown = Reject::of(RejectReason::UnknownTrade, exec_id.0.into());
        let &Executed { account, instrument, .. } = self.executions.get(exec_id).ok_or(unknown)?;
        let slot = self.positions.find(account, instrument).ok_or(unknown)?;
        let &PositionRecord { opening, last_exec, .. } = self.positions.get(slot);

        let late = Reject::of(RejectReason::TooLateToAmend, exec_id.0.into());
        let mut chain = Vec::new();
        let (mut qty, mut money) = (u128::from(opening.qty.unsigned_abs()), opening.cost.0.abs());
        let mut next = last_exec;
        while next != ExecId(0) {
            let executed = self.executions.get(next).ok_or(late)?;
            let (lots, price, fee) = match executed.exec_id == exec_id {
                true => (amendment.qty, amendment.price, amendment.fee),
                false => (executed.qty, executed.price, executed.fee),
            };
            qty += u128::from(lots.0);
            for part in [trade_value(price, lots, terms)?, fee] {
                money = within_bound(money + part.0.abs())?.0;
            }
            chain.push(next);
            next = executed.before;
        }
        if !chain.contains(&exec_id) {
            return Err(late);
        }
        // With every sum within these, booking anew cannot fail on the way.
        if qty > i64::MAX as u128
            || u128::from(opening.bought.0.max(opening.sold.0)) + qty > u64::MAX.into()
        {
            return Err(overflow(qty as i128));
        }
        let wallet = self.find(account, terms.currency)?;
        let Account { cash, realised, fees, .. } = self.wallet(wallet).account;
        let cost = self.wallet(wallet).cost;
        for total in [cash, realised, fees, cost, opening.realised, opening.fees] {
            if total.0.unsigned_abs() > CASH_MAX.0 as u128 {
                return Err(Reject::new(RejectReason::Overflow, CASH_MAX.0, total.0));
            }
        }
        chain.reverse();
        Ok(Checked { amendment, slot, wallet, chain })
    }

    /// Books an amendment that was checked: the position and the account after it.
    pub fn amend(&mut self, checked: Checked, terms: &Instrument) -> (WalletSlot, Position) {
        let Checked { amendment: Amendment { exec_id, qty, price, fee }, slot, wallet, chain } =
            checked;
        self.executions.amend(exec_id, qty, price, fee);
        let record = self.positions.get_mut(slot);
        let (account, instrument, before) = (record.account, record.instrument, record.position);
        record.position = record.opening;
        if let Some(queue) = record.queue {
            self.lots.rewind(queue, &mut self.hash);
        }
        for exec_id in chain {
            let &Executed { side, qty, price, fee, .. } =
                self.executions.get(exec_id).expect("the chain was walked");
            if qty > Lots::ZERO {
                self.book_anew(slot, &Trade { side, qty, price, fee }, terms);
            } else {
                // What the order is charged without it, and its other executions do not bear.
                self.positions.get_mut(slot).position.fees.0 += fee.0;
            }
        }
        let record = self.positions.get_mut(slot);
        let after = record.position;
        self.hash.remove(record.hash);
        record.hash = hash_position(account, instrument, &after);
        self.hash.add(record.hash);

        let (kept, hash) = self.wallet_mut(wallet);
        let realised = after.realised.0 - before.realised.0;
        let fees = after.fees.0 - before.fees.0;
        let paid = if terms.is_settled_daily() { 0 } else { after.cost.0 - before.cost.0 };
        kept.account.realised.0 += realised;
        kept.account.fees.0 += fees;
        kept.account.cash.0 += realised - fees - paid;
        kept.cost.0 += paid;
        kept.enter(account, hash);
        (wallet, after)
    }

    /// Books one trade of a position that is booked anew.
    fn book_anew(&mut self, slot: PairSlot, trade: &Trade, terms: &Instrument) {
        let checked = "every sum was checked";
        let record = self.positions.get(slot);
        let (account, instrument) = (record.account, record.instrument);
        let change = match record.queue {
            None => crate::position::booked(&record.position, trade, terms).expect(checked),
            Some(_) => {
                let booked = self.booked_by_lots(account, instrument, trade, terms);
                let (change, closing) = booked.expect(checked);
                self.keep_lots(slot, closing);
                change
            }
        };
        self.positions.get_mut(slot).position = change.position;
    }

    /// What happened to all holders closes what was traded before: it was reckoned on the position as it was.
    pub(super) fn carry_on(&mut self, slot: PairSlot) {
        let record = self.positions.get_mut(slot);
        record.last_exec = ExecId(0);
        if let Some(queue) = record.queue {
            self.lots.begin_day(queue, &mut self.hash);
        }
    }
}
