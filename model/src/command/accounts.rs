//! What operators ask for about accounts: currencies and conversions.

use crate::ids::{AccountId, Code};
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
