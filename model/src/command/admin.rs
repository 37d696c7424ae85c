//! What operators ask for: accounts, limits, kill switches, configuration.

use super::risk::Reason;
use crate::ids::{AccountId, Code};
use crate::scope::Scope;
use crate::units::{Lots, Money};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What a lot that is closed had cost.
    CostMethod {
        /// The average of all that is open.
        Average = 1 => "average",
        /// What was paid for the oldest that is open: first in, first out.
        Fifo = 2 => "fifo",
    }
);

wire_enum!(
    /// What an account must have for what it trades.
    AccountKind {
        /// The whole value, each currency for its own.
        Cash = 1 => "cash",
        /// The margin of each instrument, out of all of its currencies together.
        Margin = 2 => "margin",
    }
);

/// Opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OpenAccount {
    /// Its number, below [`AccountId::COUNT_MAX`].
    pub account: AccountId,
    /// A [`CostMethod`] on the wire; 0 is [`CostMethod::Average`].
    pub cost_method: u8,
    /// An [`AccountKind`] on the wire; 0 is [`AccountKind::Cash`].
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Its base currency: what it is worth is told in it.
    pub currency: Code,
}

/// Pays cash in (above 0) or out (below 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Transfer {
    /// The amount.
    pub amount: Money,
    /// The account.
    pub account: AccountId,
    /// The currency of the amount; empty is the account's base currency. From the first transfer in a currency on the
    /// account holds it.
    pub currency: Code,
    /// Zero.
    pub reserved: [u8; 4],
}

impl OpenAccount {
    /// A cash account at average cost.
    pub const fn of(account: AccountId, currency: Code) -> Self {
        Self { account, cost_method: 0, kind: 0, reserved: [0; 2], currency }
    }
}

impl Transfer {
    /// A transfer of the account's base currency.
    pub const fn of_base(account: AccountId, amount: Money) -> Self {
        Self { amount, account, currency: Code::EMPTY, reserved: [0; 4] }
    }
}

/// Sets every limit of one account; the account cannot trade before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetLimits {
    /// Largest notional of one order.
    pub max_order_notional: Money,
    /// Largest sum of notionals of open orders and positions above the account's cash (credit).
    pub credit: Money,
    /// Largest quantity of one order, in lots.
    pub max_order_qty: Lots,
    /// Largest position, long or short, in one instrument, in lots, with every open order executed.
    pub max_position: Lots,
    /// Widest distance of a limit price from the reference on its aggressive side, in 1e-4 (basis points).
    pub price_collar_bp: u32,
    /// Most open orders.
    pub max_open_orders: u32,
    /// New, cancel and replace messages a second, on event time.
    pub messages_per_sec: u32,
    /// Messages that may come at once (the token bucket's depth).
    pub message_burst: u32,
    /// The account.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 12],
    /// Why.
    pub reason: Reason,
}

crate::saved_as_bytes!(SetLimits);

/// Engages or releases a kill switch. Releasing one is a proposal that a second person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KillSwitch {
    /// Where [`Self::scope`] is all zero, as in journals of versions that knew only these: one account, or
    /// [`AccountId::NONE`] for the firm.
    pub account: AccountId,
    /// 1 engages it and cancels every open order in scope; 0 releases it.
    pub engaged: u8,
    /// A [`super::KillMode`] on the wire; 0 is [`super::KillMode::Block`].
    pub mode: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Its scope.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
}

impl KillSwitch {
    /// Engages the switch of a scope, or asks for its release.
    pub const fn of(scope: Scope, engaged: bool) -> Self {
        Self {
            account: AccountId::NONE,
            engaged: engaged as u8,
            mode: 0,
            reserved: [0; 2],
            scope,
            reason: Reason::EMPTY,
        }
    }

    /// Whom it is for, as any version wrote it.
    pub fn whom(&self) -> Scope {
        match (self.scope == Scope::default(), self.account) {
            (false, _) => self.scope,
            (true, AccountId::NONE) => Scope::FIRM,
            (true, account) => Scope::account(account),
        }
    }
}

/// What shapes the engine's answers and is neither instrument nor account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Configure {
    /// Time from the gate to the paper venue, in nanoseconds of event time. Each [`Configure`] sets it anew, and the other
    /// legs of the way ([`super::SetLatency`]) to 0.
    pub paper_latency_ns: u64,
    /// Orders that may be open or kept for the day; a power of two.
    pub orders_max: u32,
    /// Displayed orders that all books together may hold.
    pub book_orders_max: u32,
    /// The currency that the firm's sums are counted in; empty is USD.
    pub currency: Code,
}

crate::saved_as_bytes!(Configure);
