//! An account's cash, and the sum that must always hold.

use tidegate_model::event::Account;
use tidegate_model::hash::hash_words;
use tidegate_model::{AccountId, Money};

const TAG_ACCOUNT: u64 = 0x6f6d_7361_6363_7473;

/// An account as the ledger keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// What people see of it.
    pub account: Account,
    /// Sum of the cost of its open positions; short ones count below 0.
    pub cost: Money,
    /// This record's term of the state hash as it was last entered.
    pub(crate) hash: u64,
}

impl AccountRecord {
    /// Cash and positions at cost: net deposits + realised - fees.
    #[inline]
    pub fn equity_at_cost(&self) -> Money {
        Money(self.account.cash.0 + self.cost.0)
    }

    /// Stops the engine if money was made or lost by arithmetic.
    #[inline]
    pub(crate) fn assert_conserved(&self) {
        let paid_in = self.account.deposits.0 + self.account.realised.0 - self.account.fees.0;
        assert_eq!(
            self.equity_at_cost().0,
            paid_in,
            "cash + positions at cost = net deposits + realised - fees"
        );
    }

    /// The canonical hash. `cost` is a sum over positions, which have their own.
    #[inline]
    pub(crate) fn hash_now(&self, id: AccountId) -> u64 {
        let account = &self.account;
        let [cash, deposits, realised, fees] =
            [account.cash, account.deposits, account.realised, account.fees]
                .map(|money| [money.0 as u64, (money.0 >> 64) as u64]);
        hash_words(
            TAG_ACCOUNT,
            &[
                u64::from(id.0),
                u64::from_le_bytes(account.currency.0),
                cash[0],
                cash[1],
                deposits[0],
                deposits[1],
                realised[0],
                realised[1],
                fees[0],
                fees[1],
            ],
        )
    }
}
