//! What the order management knows of accounts: their currencies, their positions, what they are worth.

use crate::account::Wallet;
use crate::ledger::WalletSlot;
use crate::ledger::actions::{Action, Posted};
use crate::oms::Oms;
use crate::position::unrealised;
use bytemuck::Zeroable;
use tidegate_model::command::{
    AssignFees, Convert, CostMethod, OpenAccount, SetBorrow, SetFees, SetRate,
};
use tidegate_model::event::{Account, Equity, Position};
use tidegate_model::fx::Rate;
use tidegate_model::ids::Code;
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Money, Reject, RejectReason, Ticks, UnixNanos,
};
use tidegate_risk::{Funds, MarginFunds, MarginTerms};

/// What a position is valued with.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// The terms of its instrument.
    pub terms: &'a Instrument,
    /// What it could be closed at, if that is known.
    pub price: Option<Ticks>,
    /// What it ties up, of a margin account.
    pub margin: Option<MarginTerms>,
}

/// Sums over the positions that are paid for in one currency.
#[derive(Clone, Copy, Default)]
struct Held {
    unrealised: Money,
    /// Initial margin by their marks, and by what they cost.
    initial: Money,
    initial_at_cost: Money,
    maintenance: Money,
}

/// What an account is worth, and what of it may be tied up.
struct Worth {
    equity: Equity,
    /// Equity, less what the initial margin by marks is above that by cost.
    for_margin: Money,
}

impl Oms {
    /// Opens an account without cash.
    ///
    /// # Errors
    /// [`RejectReason::DuplicateAccount`]; [`RejectReason::CapacityExceeded`] for an id that is not below
    /// [`AccountId::COUNT_MAX`]; [`RejectReason::BadField`] if the currency is no code or the cost method none.
    pub fn open_account(&mut self, open: &OpenAccount) -> Result<(), Reject> {
        let cost_method = match open.cost_method {
            0 => CostMethod::Average,
            wire => CostMethod::from_wire(wire)
                .ok_or(Reject::of(RejectReason::BadField, wire.into()))?,
        };
        self.ledger.open_account(open.account, open.currency, cost_method)?;
        self.orders.open_account(open.account);
        Ok(())
    }

    /// Pays cash in (above 0) or out (below 0), of the base currency if `currency` is empty. It is the operator's to know
    /// whether cash may go below zero. A currency that the account does not hold it holds from now on.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`] or [`RejectReason::Overflow`]; [`RejectReason::BadField`] if `currency` is no code,
    /// [`RejectReason::CapacityExceeded`] beyond [`AccountId::CURRENCIES_MAX`]. Then nothing is paid.
    pub fn transfer(
        &mut self,
        account: AccountId,
        amount: Money,
        currency: Code,
    ) -> Result<WalletSlot, Reject> {
        self.ledger.transfer(account, amount, currency)
    }

    /// Sets what one unit of a currency is worth in another, or takes the rate away.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] or [`RejectReason::CapacityExceeded`].
    pub fn set_rate(&mut self, set: &SetRate) -> Result<(), Reject> {
        self.ledger.set_rate(set)
    }

    /// What one unit of `from` is worth in `to`, if anybody has said.
    pub fn rate(&self, from: Code, to: Code) -> Option<Rate> {
        if from == to { Some(Rate::ONE) } else { self.ledger.rate(from, to) }
    }

    /// Gives cash of one currency for cash of another: the two currencies, and what was added to each.
    ///
    /// At the rate that is set, what the division leaves over is kept for the account's next conversion into that currency.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`], [`RejectReason::CurrencyMismatch`] if the account does not hold what it gives,
    /// [`RejectReason::NoRate`], [`RejectReason::BadField`], [`RejectReason::Overflow`],
    /// [`RejectReason::CapacityExceeded`]. Then nothing is changed.
    pub fn convert(&mut self, convert: &Convert) -> Result<[(WalletSlot, Money); 2], Reject> {
        self.ledger.convert(convert)
    }

    /// Sets a schedule of fees.
    ///
    /// # Errors
    /// As [`crate::fee::check_schedule`].
    pub fn set_fees(&mut self, set: &SetFees) -> Result<(), Reject> {
        self.fees.set(set)
    }

    /// Gives an account or an instrument, which the caller knows, a schedule of fees or takes it away.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`]; [`RejectReason::BadField`] unless exactly one of the two is named and the schedule
    /// is set.
    pub fn assign_fees(&mut self, assign: &AssignFees) -> Result<(), Reject> {
        if assign.account != AccountId::NONE {
            self.ledger.base(assign.account)?;
        }
        self.fees.assign(assign)
    }

    /// Sets what being short in an instrument costs.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] for a rate or a year out of range.
    pub fn set_borrow(&mut self, set: &SetBorrow) -> Result<(), Reject> {
        self.borrow.set(set)
    }

    /// What a day roll at `now` charges who is short: by instrument that costs something, valued by `mark`.
    pub fn borrow_due(
        &self,
        now: UnixNanos,
        mark: impl Fn(InstrumentId) -> Option<Ticks>,
    ) -> impl Iterator<Item = (InstrumentId, Action)> {
        self.borrow.due(now, mark)
    }

    /// The days up to `now` are charged.
    pub fn borrow_charged(&mut self, now: UnixNanos) {
        self.borrow.rolled(now);
    }

    /// Lets an action pass that can happen to every holder of an instrument.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] if an amount does not fit, [`RejectReason::BadPrice`] if a split leaves a fraction and
    /// there is no price for it.
    pub fn check_action(
        &self,
        instrument: InstrumentId,
        terms: &Instrument,
        action: Action,
    ) -> Result<(), Reject> {
        self.ledger.check_action(instrument, terms, action)
    }

    /// Does an action, which was checked, to every holder of an instrument, by rising account, and tells each; how many
    /// there were. Linear in those who ever traded the instrument.
    ///
    /// # Panics
    /// If it was not checked.
    pub fn act(
        &mut self,
        instrument: InstrumentId,
        terms: &Instrument,
        action: Action,
        each: impl FnMut(&Posted),
    ) -> u64 {
        self.ledger.act(instrument, terms, action, each)
    }

    /// What an order in an instrument is paid with.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`], or [`RejectReason::CurrencyMismatch`] if the account holds nothing in the currency
    /// of the instrument.
    #[inline]
    pub fn funds<'a>(
        &self,
        account: AccountId,
        terms: &Instrument,
        margin: Option<&'a MarginFunds>,
    ) -> Result<Funds<'a>, Reject> {
        let wallet = self.ledger.wallet(self.ledger.find(account, terms.currency)?);
        let rate = match wallet.number {
            0 => Some(Rate::ONE),
            _ => self.ledger.rate(wallet.account.currency, wallet.account.base),
        };
        let equity_at_cost = wallet.equity_at_cost();
        Ok(Funds { currency: wallet.number, equity_at_cost, rate, margin })
    }

    /// What the margin of an account is measured against. Linear in its positions.
    pub fn margin_funds<'a>(
        &self,
        account: AccountId,
        mark: impl Fn(InstrumentId) -> Mark<'a>,
    ) -> MarginFunds {
        let mut rates = [None; AccountId::CURRENCIES_MAX];
        for wallet in self.ledger.wallets(account) {
            let Account { currency, base, .. } = wallet.account;
            rates[usize::from(wallet.number)] = self.ledger.rate(currency, base);
        }
        let worth = self.worth(account, mark);
        let standing =
            worth.as_ref().map(|worth| [worth.equity.equity, worth.equity.maintenance_margin]);
        let standing = standing.map_err(|reject| *reject);
        MarginFunds { equity: worth.map(|worth| worth.for_margin), standing, rates }
    }

    /// The account in its base currency, as an event tells it.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`].
    #[inline]
    pub fn account(&self, account: AccountId) -> Result<&Account, Reject> {
        self.ledger.base(account).map(|wallet| &wallet.account)
    }

    /// The account in the currency at `slot`, as an event tells it.
    #[inline]
    pub fn account_at(&self, slot: WalletSlot) -> &Account {
        &self.ledger.wallet(slot).account
    }

    /// The account in one currency, as an event tells it.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`], or [`RejectReason::CurrencyMismatch`] if it holds none.
    #[inline]
    pub fn account_in(&self, account: AccountId, currency: Code) -> Result<&Account, Reject> {
        self.ledger.find(account, currency).map(|slot| self.account_at(slot))
    }

    /// The account in every currency that it holds, the base currency first.
    pub fn currencies(&self, account: AccountId) -> impl Iterator<Item = &Account> {
        self.ledger.wallets(account).map(|wallet| &wallet.account)
    }

    /// Cash of the base currency, and the positions paid for in it at cost. 0 if the account is unknown.
    #[inline]
    pub fn equity_at_cost(&self, account: AccountId) -> Money {
        self.ledger.base(account).map_or(Money::ZERO, Wallet::equity_at_cost)
    }

    /// What the account is worth in its base currency: cash of all currencies, and all positions at their marks, or at
    /// their cost where there is no mark. Linear in its positions.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`]; [`RejectReason::NoRate`] if the rate of a currency is not set that it has something
    /// of; [`RejectReason::Overflow`].
    pub fn equity<'a>(
        &self,
        account: AccountId,
        mark: impl Fn(InstrumentId) -> Mark<'a>,
    ) -> Result<Equity, Reject> {
        self.worth(account, mark).map(|worth| worth.equity)
    }

    fn worth<'a>(
        &self,
        account: AccountId,
        mark: impl Fn(InstrumentId) -> Mark<'a>,
    ) -> Result<Worth, Reject> {
        let currency = self.account(account)?.currency;
        let mut sums = [Held::default(); AccountId::CURRENCIES_MAX];
        let mut unmarked = 0;
        for (instrument, held) in self.positions(account).filter(|(_, held)| held.qty != 0) {
            let mark = mark(instrument);
            unmarked += u32::from(mark.price.is_none());
            let wallet = self.ledger.wallet(self.ledger.find(account, mark.terms.currency)?);
            sums[usize::from(wallet.number)].add(held, &mark)?;
        }
        let mut equity = Equity { currency, unmarked, ..Equity::zeroed() };
        let mut for_margin = Money::ZERO;
        for wallet in self.ledger.wallets(account) {
            let Held { unrealised, initial, initial_at_cost, maintenance } =
                sums[usize::from(wallet.number)];
            let total = added(wallet.equity_at_cost(), unrealised)?;
            let more = added(initial, Money(-initial_at_cost.0))?;
            if [total, unrealised, initial, more].iter().all(|money| *money == Money::ZERO) {
                continue;
            }
            let no_rate = Reject::of(RejectReason::NoRate, i128::from(account.0));
            let rate = self.ledger.rate(wallet.account.currency, currency).ok_or(no_rate)?;
            // Rounded down, and so is what is owed: its sign is turned.
            let in_base = |amount: Money| rate.value(amount).ok_or_else(|| too_much(amount));
            equity.equity = added(equity.equity, in_base(total)?)?;
            equity.unrealised = added(equity.unrealised, in_base(unrealised)?)?;
            for (owed, part) in [
                (&mut equity.initial_margin, initial),
                (&mut equity.maintenance_margin, maintenance),
            ] {
                *owed = added(*owed, Money(-in_base(Money(-part.0))?.0))?;
            }
            for_margin = added(for_margin, in_base(added(total, Money(-more.0))?)?)?;
        }
        equity.excess_liquidity = added(equity.equity, Money(-equity.maintenance_margin.0))?;
        Ok(Worth { equity, for_margin })
    }

    /// The position, as an event tells it; all zero if there never was one.
    #[inline]
    pub fn position(&self, account: AccountId, instrument: InstrumentId) -> &Position {
        self.ledger.position(account, instrument)
    }

    /// The lots of a position of an account that realises first in, first out, oldest first: how many, and what they cost.
    /// Empty for one that averages.
    pub fn tax_lots(
        &self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> impl Iterator<Item = (u64, Money)> {
        self.ledger.tax_lots(account, instrument)
    }

    /// Unrealised profit and loss of a position at `mark`, before fees.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`].
    pub fn unrealised(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        mark: Ticks,
        terms: &Instrument,
    ) -> Result<Money, Reject> {
        unrealised(self.position(account, instrument), mark, terms)
    }

    /// Every account, by rising id, in its base currency.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.ledger.accounts().map(|(id, wallet)| (id, &wallet.account))
    }

    /// Every position an account ever had, by rising instrument.
    pub fn positions(&self, account: AccountId) -> impl Iterator<Item = (InstrumentId, &Position)> {
        self.ledger.positions(account)
    }
}

impl Held {
    /// Counts a position: at its mark or, where there is none, at its cost.
    fn add(&mut self, held: &Position, mark: &Mark<'_>) -> Result<(), Reject> {
        let open = match mark.price {
            Some(price) => unrealised(held, price, mark.terms)?,
            None => Money::ZERO,
        };
        self.unrealised = added(self.unrealised, open)?;
        let Some(margin) = mark.margin else { return Ok(()) };
        let lots = u128::from(held.qty.unsigned_abs());
        // Below 0 at a price below 0, where it owes no more than by its lots.
        let value = added(held.cost, open)?;
        let value = if held.qty < 0 { Money(-value.0) } else { value };
        let [value, cost] = [value.max(Money::ZERO), Money(held.cost.0.abs())];
        for (sum, part) in [
            (&mut self.initial, margin.initial.of(value, lots)),
            (&mut self.initial_at_cost, margin.initial.of(cost, lots)),
            (&mut self.maintenance, margin.maintenance.of(value, lots)),
        ] {
            *sum = added(*sum, part)?;
        }
        Ok(())
    }
}

#[cold]
fn too_much(value: Money) -> Reject {
    Reject::new(RejectReason::Overflow, i128::MAX, value.0)
}

fn added(total: Money, part: Money) -> Result<Money, Reject> {
    total.checked_add(part).ok_or_else(|| too_much(part))
}
