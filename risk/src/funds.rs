//! What an account can pay with.

use tidegate_model::fx::Rate;
use tidegate_model::{AccountId, Money, Reject, RejectReason};

/// What buying power is measured against, from the order management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds<'a> {
    /// Which of the account's currencies the instrument is paid for in; 0 is the base currency.
    pub currency: u8,
    /// Cash of that currency, and the positions paid for in it at cost.
    pub equity_at_cost: Money,
    /// What one unit of it is worth in the base currency, which limits count in; `None` if nobody has said.
    pub rate: Option<Rate>,
    /// Of a margin account, what its margin is measured against.
    pub margin: Option<&'a MarginFunds>,
}

/// What the margin of an account is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarginFunds {
    /// Cash and positions at their marks, in the base currency, less what the initial margin of positions is above that at
    /// their cost. Why nobody knows it, if that is so.
    pub equity: Result<Money, Reject>,
    /// Cash and positions at their marks, and the maintenance margin, in the base currency.
    pub standing: Result<[Money; 2], Reject>,
    /// What one unit of each of the account's currencies is worth in the base currency.
    pub rates: [Option<Rate>; AccountId::CURRENCIES_MAX],
}

impl Funds<'_> {
    /// Funds in the base currency.
    pub const fn of_base(equity_at_cost: Money) -> Self {
        Self { currency: 0, equity_at_cost, rate: Some(Rate::ONE), margin: None }
    }

    /// What an amount of the instrument's currency is in the base currency.
    ///
    /// # Errors
    /// [`RejectReason::NoRate`] or [`RejectReason::Overflow`].
    #[inline]
    pub(crate) fn in_base(&self, account: AccountId, amount: Money) -> Result<Money, Reject> {
        if self.currency == 0 {
            return Ok(amount);
        }
        rated(account, amount, self.rate)
    }
}

impl MarginFunds {
    /// What amounts of the account's currencies are together in the base currency, each rounded up.
    pub(crate) fn sum_in_base(
        &self,
        account: AccountId,
        amounts: impl Iterator<Item = Money>,
    ) -> Result<Money, Reject> {
        let mut sum = Money::ZERO;
        for (amount, rate) in amounts.zip(self.rates) {
            if amount != Money::ZERO {
                // Rates round down: what is owed is turned to round up.
                let owed = rated(account, Money(-amount.0), rate)?;
                sum = sum.checked_sub(owed).ok_or_else(|| overflow(amount))?;
            }
        }
        Ok(sum)
    }
}

fn overflow(amount: Money) -> Reject {
    Reject::new(RejectReason::Overflow, i128::MAX, amount.0)
}

fn rated(account: AccountId, amount: Money, rate: Option<Rate>) -> Result<Money, Reject> {
    let rate = rate.ok_or(Reject::of(RejectReason::NoRate, i128::from(account.0)))?;
    rate.value(amount).ok_or_else(|| overflow(amount))
}
