//! `[[accounts]]`

use super::values::{
    Count32, Count64, Decimal, Within, account_kind, code, cost_method, not_negative, usd, zero,
};
use serde::Deserialize;
use tidegate_model::command::{AccountKind, CostMethod, Reason, SetLimits};
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, Lots};

/// `[[accounts]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Its number.
    pub id: Within<0, { AccountId::COUNT_MAX as u64 - 1 }>,
    /// Its currency.
    #[serde(default = "usd", deserialize_with = "code")]
    pub currency: Code,
    /// What it must have for what it trades.
    #[serde(default = "AccountEntry::cash_kind", deserialize_with = "account_kind")]
    pub kind: AccountKind,
    /// What of a position goes when a part of it is closed.
    #[serde(default = "AccountEntry::average", deserialize_with = "cost_method")]
    pub cost_method: CostMethod,
    /// Cash paid in when it is opened.
    #[serde(deserialize_with = "not_negative")]
    pub cash: Decimal,
    /// Its limits; without them it may not trade.
    pub limits: Option<LimitsEntry>,
}

impl AccountEntry {
    fn cash_kind() -> AccountKind {
        AccountKind::Cash
    }
    fn average() -> CostMethod {
        CostMethod::Average
    }

    /// Its number, as the engine has it.
    pub fn account(&self) -> AccountId {
        AccountId(self.id.get() as u32)
    }
}

/// `[accounts.limits]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Largest notional of one order.
    #[serde(deserialize_with = "not_negative")]
    pub max_order_notional: Decimal,
    /// Largest quantity of one order, in lots.
    pub max_order_qty: Count64,
    /// Largest position in one instrument, in lots.
    pub max_position: Count64,
    /// Exposure allowed above the account's own funds.
    #[serde(default = "zero", deserialize_with = "not_negative")]
    pub credit: Decimal,
    /// Widest aggressive distance from the reference price, in basis points.
    pub price_collar_bp: Count32,
    /// Most open orders.
    pub max_open_orders: Count32,
    /// Orders, cancels and replaces a second.
    pub messages_per_sec: Count32,
    /// How many of them may come at once.
    pub message_burst: Count32,
}

impl LimitsEntry {
    /// The limits as the engine takes them.
    pub fn of(&self, account: AccountId) -> SetLimits {
        SetLimits {
            max_order_notional: self.max_order_notional.money(),
            credit: self.credit.money(),
            max_order_qty: Lots(self.max_order_qty.get()),
            max_position: Lots(self.max_position.get()),
            price_collar_bp: self.price_collar_bp.get() as u32,
            max_open_orders: self.max_open_orders.get() as u32,
            messages_per_sec: self.messages_per_sec.get() as u32,
            message_burst: self.message_burst.get() as u32,
            account,
            reserved: [0; 12],
            reason: Reason::EMPTY,
        }
    }
}
