//! Integer units. No value of one kind can stand where another is meant.

use bytemuck::{Pod, Zeroable};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Nanounits in one unit: the scale of tick sizes, lot sizes and multipliers.
pub const NANO: i64 = 1_000_000_000;

/// [`Money`] units in one unit of currency (10^18).
///
/// A tick is a whole number of 1e-9, so is a lot: their product is a whole number of 1e-18. Every
/// notional is therefore exact, and an `i128` still holds 1.7e20 units of currency.
pub const MONEY_PER_UNIT: i128 = 1_000_000_000_000_000_000;

macro_rules! unit {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[derive(Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(<$inner>::MAX);

            /// `self + other`, or `None` on overflow.
            #[inline]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) { Some(v) => Some(Self(v)), None => None }
            }

            /// `self - other`, or `None` on overflow.
            #[inline]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) { Some(v) => Some(Self(v)), None => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

/// `a x b`, or `None` if it does not fit. Of shares both fit 64 bits, where one multiplication does.
#[inline]
pub fn product(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}

unit!(
    /// A price, counted in the instrument's tick size. May be negative (spreads).
    Ticks(i64)
);
unit!(
    /// A quantity, counted in the instrument's lot size.
    Lots(u64)
);
unit!(
    /// An amount of one currency, in units of 1e-18 of it (see [`MONEY_PER_UNIT`]).
    Money(i128)
);
unit!(
    /// The place of an input in the engine's one sequence; the first input is 1.
    SeqNo(u64)
);
unit!(
    /// UTC nanoseconds since the Unix epoch.
    UnixNanos(u64)
);

impl SeqNo {
    /// The number after `self`.
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
