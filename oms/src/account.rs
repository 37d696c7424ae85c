//! An account's cash, currency by currency, and the sum that must always hold in each.

use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use tidegate_model::event::Account;
use tidegate_model::fx::Rest;
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, Money, StateHash};

const TAG_ACCOUNT: u64 = 0x6f6d_7361_6363_7473;
const TAG_ACCOUNT_RARE: u64 = 0x6f6d_7361_6363_7472;

/// One currency of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// What people see of it.
    pub account: Account,
    /// Sum of the cost of the open positions paid for in this currency; short ones count below 0.
    pub cost: Money,
    /// What conversions into this currency left over so far.
    pub rest: Rest,
    /// Its number among the account's currencies; 0 is the base currency.
    pub number: u8,
    /// Where the account's next currency is, or [`crate::ledger::NONE`].
    pub(crate) next: u32,
    /// This record's terms of the state hash as they were last entered: what fills change, and the rest.
    hash: u64,
    rare_hash: u64,
}

impl Wallet {
    pub(crate) fn new(currency: Code, base: Code, number: u8) -> Self {
        let account = Account { currency, base, ..Account::zeroed() };
        let rest = Rest::default();
        let next = crate::ledger::NONE;
        Self { account, cost: Money::ZERO, rest, number, next, hash: 0, rare_hash: 0 }
    }

    /// True if what was entered into the hash is what it is.
    pub(crate) fn has_own_hashes(&self, id: AccountId) -> bool {
        self.hash == self.hash_now(id) && self.rare_hash == self.rare_hash_now(id)
    }

    /// Cash and positions at cost.
    #[inline]
    pub fn equity_at_cost(&self) -> Money {
        Money(self.account.cash.0 + self.cost.0)
    }

    /// Stops the engine if money was made or lost by arithmetic.
    #[inline]
    fn assert_conserved(&self) {
        let Account { deposits, realised, fees, dividends, borrow, conversions, .. } = self.account;
        let came = deposits.0 + realised.0 + dividends.0 + conversions.0;
        assert_eq!(
            self.equity_at_cost().0,
            came - fees.0 - borrow.0,
            "cash + positions at cost = deposits + realised + dividends - fees - borrow + conversions"
        );
    }

    /// Enters what fills and transfers change, after the sum that must hold was asserted.
    #[inline]
    pub(crate) fn enter(&mut self, id: AccountId, hash: &mut StateHash) {
        self.assert_conserved();
        hash.remove(self.hash);
        self.hash = self.hash_now(id);
        hash.add(self.hash);
    }

    /// As [`Self::enter`], with what fills do not change.
    pub(crate) fn enter_all(&mut self, id: AccountId, hash: &mut StateHash) {
        self.enter(id, hash);
        hash.remove(self.rare_hash);
        self.rare_hash = self.rare_hash_now(id);
        hash.add(self.rare_hash);
    }

    /// The canonical hash of what fills and transfers change. `cost` is a sum over positions, which have their own.
    #[inline]
    pub(crate) fn hash_now(&self, id: AccountId) -> u64 {
        let account = &self.account;
        let [cash, deposits, realised, fees] =
            [account.cash, account.deposits, account.realised, account.fees].map(words);
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

    /// The canonical hash of the rest.
    pub(crate) fn rare_hash_now(&self, id: AccountId) -> u64 {
        let account = &self.account;
        let [dividends, borrow, conversions] =
            [account.dividends, account.borrow, account.conversions].map(words);
        hash_words(
            TAG_ACCOUNT_RARE,
            &[
                u64::from(id.0) << 8 | u64::from(self.number),
                u64::from_le_bytes(account.currency.0),
                dividends[0],
                dividends[1],
                borrow[0],
                borrow[1],
                conversions[0],
                conversions[1],
                self.rest.units(),
            ],
        )
    }
}

#[inline]
fn words(money: Money) -> [u64; 2] {
    [money.0 as u64, (money.0 >> 64) as u64]
}
