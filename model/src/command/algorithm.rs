//! Execution algorithms: a parent order that the engine works by child orders.
//!
//! A parent is entered as a [`NewAlgorithm`], then the parent itself as a [`super::NewOrder`] with the same `list_id` and leg 1,
//! by the same session: the order says what is to be traded, the algorithm how. It is canceled and replaced like any order.

use crate::ids::{AccountId, InstrumentId, StrategyId};
use crate::units::{Lots, UnixNanos};
use bytemuck::{Pod, Zeroable};

/// Parts of a volume curve: half hours of a whole day, or nine minutes of a day of shares.
pub const CURVE_BUCKETS_MAX: usize = 48;
/// Volume curves: one for each of a thousand instruments is beyond a desk's estimates, and 128 bytes each.
pub const CURVES_MAX: usize = 1_024;
/// The least time between the children of one parent, so that parents cannot flood the engine: 100 ms.
pub const ALGORITHM_INTERVAL_MIN_NS: u64 = 100_000_000;
/// The longest that one parent with a schedule may work: 31 days.
pub const ALGORITHM_DURATION_MAX_NS: u64 = 31 * 86_400_000_000_000;

wire_enum!(
    /// How a parent order is worked (FIX TargetStrategy, tag 847).
    Algorithm {
        /// The same quantity in each interval from start to end.
        Twap = 1 => "twap",
        /// In each interval what a curve of volume says its share is.
        Vwap = 2 => "vwap",
        /// A share of what the market trades.
        Pov = 3 => "pov",
        /// One part at a time, the next when it is filled.
        Iceberg = 4 => "iceberg",
    }
);

/// How the parent order that follows is worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NewAlgorithm {
    /// The account that the parent trades for.
    pub account: AccountId,
    /// The session's own number for it, which the parent repeats; above 0.
    pub list_id: u32,
    /// No child goes out before this; 0: from the entry on.
    pub start_at: UnixNanos,
    /// What is not executed by then is given up: the parent expires. Needed by TWAP and VWAP; 0: as long as the parent lives.
    pub end_at: UnixNanos,
    /// Of TWAP and VWAP: time between two children, at least [`ALGORITHM_INTERVAL_MIN_NS`]; else 0.
    pub interval_ns: u64,
    /// Of an iceberg: the quantity of each child. Of POV: the least one (0: one order lot). Else 0.
    pub slice_qty: Lots,
    /// Of POV: the share of the market's volume in 0.01 %, 1 to 10,000; else 0.
    pub rate_bp: u32,
    /// Of VWAP: the number of its [`SetVolumeCurve`]; else 0.
    pub curve: u32,
    /// An [`Algorithm`] on the wire.
    pub algorithm: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

crate::saved_as_bytes!(NewAlgorithm);

/// How the volume of a day spreads over it, in parts of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetVolumeCurve {
    /// When the first part begins: nanoseconds since midnight UTC.
    pub begin_ns: u64,
    /// How long each part is, above 0.
    pub bucket_ns: u64,
    /// Its number, from 0 to the number of curves so far; a number in use gets another curve.
    pub curve: u32,
    /// How many parts there are: 1 to [`CURVE_BUCKETS_MAX`].
    pub bucket_count: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// What is traded in each part, in any unit; zero from `bucket_count` on.
    pub weights: [u16; CURVE_BUCKETS_MAX],
}

crate::saved_as_bytes!(SetVolumeCurve);

/// Closes positions: what is open is canceled, and when it is gone market orders take the positions back to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Flatten {
    /// When: a time to come; 0 or one that has passed: now; `u64::MAX`: what waited for its time no longer does.
    pub at: UnixNanos,
    /// Whose positions.
    pub account: AccountId,
    /// In what; [`InstrumentId::NONE`] for everything.
    pub instrument: InstrumentId,
    /// The strategy that the orders which close belong to, or 0.
    pub strategy: StrategyId,
    /// Zero.
    pub reserved: [u8; 6],
}

crate::saved_as_bytes!(Flatten);

impl Flatten {
    /// Closes what an account holds, in the name of no strategy.
    pub const fn of(at: UnixNanos, account: AccountId, instrument: InstrumentId) -> Self {
        Self { at, account, instrument, strategy: StrategyId::NONE, reserved: [0; 6] }
    }
}
