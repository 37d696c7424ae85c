//! The cash of every account, currency by currency.

use super::{AccountRecord, CASH_MAX, Ledger, NONE, WalletSlot, sum};
use crate::account::Wallet;
use tidegate_model::command::{Convert, CostMethod, SetRate};
use tidegate_model::event::Account;
use tidegate_model::fx::{Rate, Rest};
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, Money, Reject, RejectReason, StateHash};

impl Ledger {
    pub fn open_account(
        &mut self,
        id: AccountId,
        currency: Code,
        cost_method: CostMethod,
    ) -> Result<(), Reject> {
        if self.record(id).is_ok() {
            return Err(Reject::of(RejectReason::DuplicateAccount, i128::from(id.0)));
        }
        if !currency.is_valid() {
            return Err(Reject::of(RejectReason::BadField, i128::from(currency.0[0])));
        }
        self.positions.open_account(id)?;
        if self.accounts.len() <= id.index() {
            self.accounts.resize(id.index() + 1, None);
        }
        let mut base = Wallet::new(currency, currency, 0);
        base.enter_all(id, &mut self.hash);
        self.accounts[id.index()] = Some(AccountRecord { base, currencies: 1, cost_method });
        Ok(())
    }

    #[inline]
    pub(super) fn record(&self, id: AccountId) -> Result<&AccountRecord, Reject> {
        self.accounts
            .get(id.index())
            .and_then(Option::as_ref)
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(id.0)))
    }

    /// The base currency of an account.
    #[inline]
    pub fn base(&self, id: AccountId) -> Result<&Wallet, Reject> {
        self.record(id).map(|record| &record.base)
    }

    /// Where an account keeps a currency.
    #[inline]
    pub fn find(&self, id: AccountId, currency: Code) -> Result<WalletSlot, Reject> {
        let record = self.record(id)?;
        if record.base.account.currency == currency {
            return Ok(WalletSlot { account: id, other: NONE });
        }
        self.find_other(id, record.base.next, currency)
    }

    #[cold]
    fn find_other(
        &self,
        account: AccountId,
        first: u32,
        currency: Code,
    ) -> Result<WalletSlot, Reject> {
        let mut other = first;
        while let Some(wallet) = self.others.get(other as usize) {
            if wallet.account.currency == currency {
                return Ok(WalletSlot { account, other });
            }
            other = wallet.next;
        }
        Err(Reject::of(RejectReason::CurrencyMismatch, i128::from(account.0)))
    }

    /// Where an account keeps a currency that it holds from now on, if it did not before.
    fn find_or_hold(&mut self, id: AccountId, currency: Code) -> Result<WalletSlot, Reject> {
        let record = *self.record(id)?;
        if let Ok(slot) = self.find(id, currency) {
            return Ok(slot);
        }
        if !currency.is_valid() {
            return Err(Reject::of(RejectReason::BadField, i128::from(currency.0[0])));
        }
        let number = record.currencies;
        if usize::from(number) == AccountId::CURRENCIES_MAX {
            let limit = AccountId::CURRENCIES_MAX as i128;
            return Err(Reject::new(RejectReason::CapacityExceeded, limit, limit + 1));
        }
        let other = self.others.len() as u32;
        let mut wallet = Wallet::new(currency, record.base.account.currency, number);
        wallet.next = record.base.next;
        wallet.enter_all(id, &mut self.hash);
        self.others.push(wallet);
        let record = self.accounts[id.index()].as_mut().expect("looked up above");
        record.base.next = other;
        record.currencies += 1;
        Ok(WalletSlot { account: id, other })
    }

    #[inline]
    pub fn wallet(&self, slot: WalletSlot) -> &Wallet {
        if slot.other == NONE {
            let record = self.accounts[slot.account.index()].as_ref();
            return &record.expect("an account stays open").base;
        }
        &self.others[slot.other as usize]
    }

    /// The wallet, and the hash that it is entered into after a change.
    #[inline]
    pub(super) fn wallet_mut(&mut self, slot: WalletSlot) -> (&mut Wallet, &mut StateHash) {
        if slot.other == NONE {
            let record = self.accounts[slot.account.index()].as_mut();
            return (&mut record.expect("an account stays open").base, &mut self.hash);
        }
        (&mut self.others[slot.other as usize], &mut self.hash)
    }

    /// Every currency of an account, the base currency first.
    pub fn wallets(&self, id: AccountId) -> impl Iterator<Item = &Wallet> {
        let base = self.record(id).ok().map(|record| &record.base);
        core::iter::successors(base, |wallet| self.others.get(wallet.next as usize))
    }

    pub fn transfer(
        &mut self,
        id: AccountId,
        amount: Money,
        currency: Code,
    ) -> Result<WalletSlot, Reject> {
        let base = self.base(id)?.account.currency;
        // Asked first, so that what is refused opens no currency.
        sum(Money::ZERO, amount)?;
        let slot = self.find_or_hold(id, if currency.is_empty() { base } else { currency })?;
        let Account { cash, deposits, .. } = self.wallet(slot).account;
        let (cash, deposits) = (sum(cash, amount)?, sum(deposits, amount)?);
        let (wallet, hash) = self.wallet_mut(slot);
        wallet.account.cash = cash;
        wallet.account.deposits = deposits;
        wallet.enter(id, hash);
        Ok(slot)
    }

    pub fn set_rate(&mut self, set: &SetRate) -> Result<(), Reject> {
        self.rates.set(set)
    }

    /// What one unit of `from` is worth in `to`.
    pub fn rate(&self, from: Code, to: Code) -> Option<Rate> {
        self.rates.get(from, to)
    }

    /// Gives cash of one currency for cash of another; what was received.
    pub fn convert(&mut self, convert: &Convert) -> Result<[(WalletSlot, Money); 2], Reject> {
        let &Convert { amount, received, from, to, account, .. } = convert;
        let bad = |value| Err(Reject::of(RejectReason::BadField, value));
        if amount <= Money::ZERO {
            return bad(amount.0);
        }
        if received < Money::ZERO {
            return bad(received.0);
        }
        let giver = self.find(account, from)?;
        if from == to {
            return bad(i128::from(account.0));
        }
        let rest = self.find(account, to).map_or(Rest::default(), |slot| self.wallet(slot).rest);
        let (received, rest) = if received > Money::ZERO {
            (received, rest)
        } else {
            let no_rate = Reject::of(RejectReason::NoRate, i128::from(account.0));
            let rate = self.rates.get(from, to).ok_or(no_rate)?;
            let overflow = Reject::new(RejectReason::Overflow, CASH_MAX.0, amount.0);
            rate.convert(amount, rest).ok_or(overflow)?
        };
        let moved = |account: &Account, part| {
            sum(account.conversions, part).and_then(|total| Ok((total, sum(account.cash, part)?)))
        };
        let given = Money(-amount.0);
        let gone = moved(&self.wallet(giver).account, given)?;
        // Asked first, so that what is refused opens no currency.
        sum(Money::ZERO, received)?;
        let taker = self.find_or_hold(account, to)?;
        let come = moved(&self.wallet(taker).account, received)?;
        for (slot, (conversions, cash)) in [(giver, gone), (taker, come)] {
            let (wallet, hash) = self.wallet_mut(slot);
            wallet.account.conversions = conversions;
            wallet.account.cash = cash;
            if slot == taker {
                wallet.rest = rest;
            }
            wallet.enter_all(account, hash);
        }
        Ok([(giver, given), (taker, received)])
    }

    /// Every account by rising id, with its base currency.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Wallet)> {
        let numbered = self.accounts.iter().enumerate();
        numbered.filter_map(|(id, record)| record.as_ref().map(|r| (AccountId(id as u32), &r.base)))
    }
}
