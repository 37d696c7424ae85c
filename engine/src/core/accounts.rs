//! Accounts: cash, currencies, and what they are worth. Each is a journaled command.

use super::output::Publisher;
use super::{Core, Listed};
use bytemuck::Zeroable;
use tidegate_model::command::{
    AccountKind, AssignFees, Convert, OpenAccount, ReportEquity, SetFees, SetMargin, SetRate,
    Transfer,
};
use tidegate_model::event::{Equity, Event, Posting, PostingKind};
use tidegate_model::{AccountId, InstrumentId, Money, Reject, RejectReason, Ticks};
use tidegate_oms::{Mark, Oms, Requester, WalletSlot};
use tidegate_risk::MarginFunds;

impl Core {
    pub(super) fn open_account(
        &mut self,
        open: OpenAccount,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let kind = match open.kind {
            0 => AccountKind::Cash,
            wire => AccountKind::from_wire(wire)
                .ok_or(Reject::of(RejectReason::BadField, wire.into()))?,
        };
        self.oms.open_account(&open)?;
        match kind {
            AccountKind::Cash => self.risk.open_account(open.account)?,
            AccountKind::Margin => self.risk.open_margin_account(open.account)?,
        }
        if let Ok(state) = self.oms.account(open.account) {
            publisher.event(who, open.account, InstrumentId::NONE, &Event::Account(*state));
        }
        Ok(0)
    }

    pub(super) fn transfer(
        &mut self,
        transfer: Transfer,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let slot = self.oms.transfer(transfer.account, transfer.amount, transfer.currency)?;
        tell_account(&self.oms, slot, who, publisher);
        Ok(0)
    }

    pub(super) fn convert(
        &mut self,
        convert: Convert,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        for (slot, amount) in self.oms.convert(&convert)? {
            let kind = PostingKind::Conversion.wire();
            self.tell_posting(slot, InstrumentId::NONE, amount, who, publisher, |posting| {
                posting.kind = kind;
            });
        }
        Ok(0)
    }

    pub(super) fn set_rate(&mut self, set: SetRate) -> Result<u64, Reject> {
        self.oms.set_rate(&set)?;
        self.count_in_firm_currency();
        Ok(0)
    }

    pub(super) fn set_fees(&mut self, set: SetFees) -> Result<u64, Reject> {
        self.oms.set_fees(&set).map(|()| 0)
    }

    pub(super) fn assign_fees(&mut self, assign: AssignFees) -> Result<u64, Reject> {
        if assign.instrument != InstrumentId::NONE {
            self.check_instrument(assign.instrument)?;
        }
        self.oms.assign_fees(&assign).map(|()| 0)
    }

    pub(super) fn set_margin(&mut self, set: SetMargin) -> Result<u64, Reject> {
        self.risk.set_margin(&set).map(|()| 0)
    }

    pub(super) fn check_instrument(&self, id: InstrumentId) -> Result<&Listed, Reject> {
        let unknown = Reject::of(RejectReason::UnknownInstrument, id.0.into());
        self.listing.get(id).ok_or(unknown)
    }

    /// Tells what one account is worth, or each of which that can be said; how many there were.
    pub(super) fn report_equity(
        &self,
        report: ReportEquity,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        if report.account != AccountId::NONE {
            let equity = self.equity(report.account)?;
            publisher.event(who, report.account, InstrumentId::NONE, &Event::Equity(equity));
            return Ok(1);
        }
        let mut told = 0;
        for (account, _) in self.oms.accounts() {
            if let Ok(equity) = self.equity(account) {
                publisher.event(who, account, InstrumentId::NONE, &Event::Equity(equity));
                told += 1;
            }
        }
        Ok(told)
    }

    /// What an account is worth, each position at its instrument's mark.
    ///
    /// # Errors
    /// As [`tidegate_oms::Oms::equity`].
    pub fn equity(&self, account: AccountId) -> Result<Equity, Reject> {
        let is_margin = self.risk.is_margin(account);
        self.oms.equity(account, |instrument| self.mark_with(instrument, is_margin))
    }

    /// What the margin of an account is measured against; `None` of a cash account.
    #[inline]
    pub(super) fn margin_funds(&self, account: AccountId) -> Option<MarginFunds> {
        self.risk.is_margin(account).then(|| self.margin_funds_now(account))
    }

    #[cold]
    fn margin_funds_now(&self, account: AccountId) -> MarginFunds {
        self.oms.margin_funds(account, |instrument| self.mark_with(instrument, true))
    }

    fn mark_with(&self, instrument: InstrumentId, is_margin: bool) -> Mark<'_> {
        Mark {
            terms: &self.listing[instrument].instrument,
            price: self.mark(instrument),
            margin: is_margin.then(|| self.risk.margin(instrument)),
        }
    }

    /// What positions in an instrument are valued at: its reference price, else its last settlement price.
    pub fn mark(&self, instrument: InstrumentId) -> Option<Ticks> {
        self.reference(instrument).or(self.listing[instrument].settlement)
    }

    /// Tells what moved cash, and the account after it.
    fn tell_posting(
        &self,
        slot: WalletSlot,
        instrument: InstrumentId,
        amount: Money,
        who: Requester,
        publisher: &mut Publisher<'_>,
        fill_in: impl FnOnce(&mut Posting),
    ) {
        let currency = self.oms.account_at(slot).currency;
        let mut posting = Posting { amount, currency, ..Posting::zeroed() };
        fill_in(&mut posting);
        publisher.event(who, slot.account(), instrument, &Event::Posting(posting));
        tell_account(&self.oms, slot, who, publisher);
    }
}

/// Tells an account in one of its currencies.
pub(super) fn tell_account(
    oms: &Oms,
    slot: WalletSlot,
    who: Requester,
    publisher: &mut Publisher<'_>,
) {
    let state = *oms.account_at(slot);
    publisher.event(who, slot.account(), InstrumentId::NONE, &Event::Account(state));
}
