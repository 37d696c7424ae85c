//! What operators ask for about accounts: currencies, conversions, fees, and what happens to all who hold an instrument.

use crate::ids::{AccountId, Code, ExecId, InstrumentId, OrderId};
use crate::units::{Lots, Money, Ticks};
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

crate::saved_as_bytes!(SetFees);

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

/// Sets what being short in an instrument costs, charged when the trading day ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetBorrow {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Millionths of the value a year, at most 100,000,000; 0 charges nothing.
    pub rate_e6: u32,
    /// Days of such a year: 360 or 365, as the market counts.
    pub days_per_year: u16,
    /// Zero.
    pub reserved: [u8; 6],
}

wire_enum!(
    /// What a [`CorporateAction`] is.
    CorporateActionKind {
        /// Cash for each lot: long positions receive it, short ones pay it.
        CashDividend = 1 => "cash_dividend",
        /// So many lots for so many.
        Split = 2 => "split",
    }
);

/// What happens to every holder of an instrument.
///
/// A split is refused while orders of the instrument are open, because their prices and quantities would mean something else;
/// a dividend leaves them as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CorporateAction {
    /// Of a dividend: cash for one lot, above 0, in the currency of the instrument.
    pub amount: Money,
    /// Of a split: what one lot after it is worth, in ticks, for fractions that do not make a whole one. 0 refuses a split
    /// that leaves a fraction to anybody.
    pub price: Ticks,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Of a split: lots after it, 1 to 1,000,000 ...
    pub numerator: u32,
    /// ... for so many before, 1 to 1,000,000.
    pub denominator: u32,
    /// A [`CorporateActionKind`] on the wire.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 11],
}

/// Sets the settlement price of an instrument. Positions that are settled daily are carried on at it, and what that makes
/// or loses is paid (variation margin); for others it is what they are valued at where nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Settle {
    /// In ticks.
    pub price: Ticks,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Zero.
    pub reserved: [u8; 4],
}

wire_enum!(
    /// What an [`AmendTrade`] does.
    AmendKind {
        /// Takes the execution back (FIX ExecType H).
        Bust = 1 => "bust",
        /// Puts its price or quantity right (FIX ExecType G).
        Correct = 2 => "correct",
    }
);

/// Takes an execution of today back, or puts it right. Order, position, cash, fees and profit become what they would be if it
/// had been so. What is taken back is not put back into the market: OrderQty of an order that still works shrinks by it,
/// and one that was filled is canceled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AmendTrade {
    /// The order.
    pub order_id: OrderId,
    /// Its execution.
    pub exec_id: ExecId,
    /// Of a correction: LastQty as it should be, at most what was executed.
    pub qty: Lots,
    /// Of a correction: LastPx as it should be, above 0.
    pub price: Ticks,
    /// The account.
    pub account: AccountId,
    /// An [`AmendKind`] on the wire.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Sets the margins of an instrument, for margin accounts: a share of the value, so much a lot, or both. All 0 takes them
/// away: then all of the value is tied up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetMargin {
    /// For each lot, to open a position; at least 0, in the currency of the instrument.
    pub initial_per_lot: Money,
    /// For each lot, to keep it; at most as much.
    pub maintenance_per_lot: Money,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Millionths of the value, to open a position; at most 10,000,000.
    pub initial_e6: u32,
    /// Millionths of the value, to keep it; at most as much.
    pub maintenance_e6: u32,
    /// Zero.
    pub reserved: [u8; 4],
}
