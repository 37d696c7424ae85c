//! What operators ask for about accounts: currencies, conversions, fees.

use crate::ids::{AccountId, Code, InstrumentId};
use crate::units::Money;
use bytemuck::{Pod, Zeroable};

/// Sets what one unit of a currency is worth in another: `mantissa / 10^scale`. One way; the way back is a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetRate {
    /// One unit of this ...
    pub from: Code,
    /// ... is worth the rate in units of this.
    pub to: Code,
    /// The rate's digits; 0 takes the rate away.
    pub mantissa: u64,
    /// Its decimals, at most [`crate::fx::RATE_SCALE_MAX`].
    pub scale: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Changes cash of an account from one currency into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Convert {
    /// What is given, above 0.
    pub amount: Money,
    /// What is received for it, as it was dealt; 0 takes the rate that is set.
    pub received: Money,
    /// The currency given.
    pub from: Code,
    /// The currency received.
    pub to: Code,
    /// The account.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 12],
}

/// Asks what an account is worth; the answer is an [`crate::event::Equity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReportEquity {
    /// The account, or [`AccountId::NONE`] for each of which it can be said.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Sets a schedule of fees, in place of the one with its number. What it charges stands in `tidegate_oms::fee::charge`.
/// Amounts are in 1e-9 of the currency of the instrument; a bound of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetFees {
    /// Its number, from 1.
    pub schedule: u32,
    /// Zero.
    pub reserved: [u8; 4],
    /// Of the notional when resting, in 1e-8 (1 basis point = 10,000); below 0 is a rebate.
    pub maker_e8: i64,
    /// Of the notional when taking, in 1e-8.
    pub taker_e8: i64,
    /// For each lot when resting; below 0 is a rebate.
    pub maker_per_lot_nano: i64,
    /// For each lot when taking.
    pub taker_per_lot_nano: i64,
    /// For each execution.
    pub per_trade_nano: i64,
    /// The least commission of one execution.
    pub trade_min_nano: i64,
    /// The most commission of one execution.
    pub trade_max_nano: i64,
    /// The least commission of all executions of one order.
    pub order_min_nano: i64,
    /// The most commission of all executions of one order.
    pub order_max_nano: i64,
    /// Of the notional of a sale, in 1e-8, for the regulator (SEC Section 31: 27.80 a million is 2,780).
    pub sell_e8: i64,
    /// For each lot sold, for the regulator (FINRA TAF).
    pub sell_per_lot_nano: i64,
    /// The most of that for one execution.
    pub sell_per_lot_max_nano: i64,
    /// What the regulator's fees are each rounded up to a multiple of (10,000,000 is a cent).
    pub sell_round_nano: i64,
}

/// Gives an account or an instrument a schedule of fees. That of the account goes before that of the instrument, and
/// either before the rates of the instrument itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AssignFees {
    /// The account, or [`AccountId::NONE`].
    pub account: AccountId,
    /// The instrument, or [`InstrumentId::NONE`]; exactly one of the two is given.
    pub instrument: InstrumentId,
    /// The number of a schedule that is set; 0 takes it away.
    pub schedule: u32,
    /// Zero.
    pub reserved: [u8; 4],
}
