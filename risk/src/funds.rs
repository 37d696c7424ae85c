//! What an account can pay with.

use tidegate_model::fx::Rate;
use tidegate_model::{AccountId, Money, Reject, RejectReason};

/// What buying power is measured against, from the order management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// Which of the account's currencies the instrument is paid for in; 0 is the base currency.
    pub currency: u8,
    /// Cash of that currency, and the positions paid for in it at cost.
    pub equity_at_cost: Money,
    /// What one unit of it is worth in the base currency, which limits count in; `None` if nobody has said.
    pub rate: Option<Rate>,
}

impl Funds {
    /// Funds in the base currency.
    pub const fn of_base(equity_at_cost: Money) -> Self {
        Self { currency: 0, equity_at_cost, rate: Some(Rate::ONE) }
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
        let rate = self.rate.ok_or(Reject::of(RejectReason::NoRate, i128::from(account.0)))?;
        rate.value(amount).ok_or(Reject::new(RejectReason::Overflow, i128::MAX, amount.0))
    }
}
