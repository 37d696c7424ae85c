//! How fills are made up where no market makes them: what operators set for the paper venue.

use crate::ids::InstrumentId;
use crate::units::Lots;
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// How the paper venue decides that a resting order is filled. Each needs data of a certain depth; what it assumes and
    /// which way it errs stands with its code in `engine/src/core/paper/`.
    FillModelKind {
        /// The exact place in the queue. Needs orders (L3).
        Exact = 1 => "exact",
        /// Only trades at its price bring an order forward; whoever cancels stood behind. Needs levels (L2).
        RiskAverse = 2 => "risk_averse",
        /// Cancels are shared between ahead and behind by `f(x) = x^n`. Needs levels (L2).
        Power = 3 => "power",
        /// As [`Self::Power`], by `f(x) = log(1 + x)`.
        Log = 4 => "log",
        /// As [`Self::Power`], by `f(x) = x^2`.
        Square = 5 => "square",
        /// A trade or quote through the order's price, or if configured a trade at it. Needs quotes or trades (L1).
        Quotes = 6 => "quotes",
        /// A bar whose range passes the order's price. Needs bars.
        Bars = 7 => "bars",
    }
);

/// [`SetFillModel::flags`]: a trade at an order's price fills it, not only one through it. Of quotes and bars.
pub const FLAG_FILL_ON_TOUCH: u8 = 1;
/// The whole of a bar's volume, in 1e-4.
pub const VOLUME_SHARE_BP_MAX: u32 = 10_000;
/// The steepest power: beyond it all but nothing leaves from the shorter side of the queue.
pub const EXPONENT_E3_MAX: u32 = 10_000;

/// Sets how resting orders of one instrument are filled; what changes that is refused while any rest.
///
/// Where the feed tells less than the model needs, the default for what it tells holds: exact for orders, risk-averse for
/// levels, quotes for quotes, bars for bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetFillModel {
    /// The instrument.
    pub instrument: InstrumentId,
    /// A [`FillModelKind`] on the wire, or 0 for the default of what the feed tells.
    pub model: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// The power of [`FillModelKind::Power`] in 1e-3, 1 to [`EXPONENT_E3_MAX`]; 0 for other models.
    pub exponent_e3: u32,
    /// Most of a bar's volume that our orders may take together, in 1e-4; 0 for a tenth.
    pub volume_share_bp: u32,
    /// Lots that are the 1 in `log(1 + x)` of [`FillModelKind::Log`]; 0 for one unit of the instrument.
    pub log_unit: Lots,
}

crate::saved_as_bytes!(SetFillModel);

/// The largest volatility of a day that is taken for one: ten times the price, in 1e-6.
pub const VOLATILITY_E6_MAX: u32 = 10_000_000;
/// The largest factor of impact, in 1e-4: a hundred times what is measured anywhere.
pub const COEFFICIENT_E4_MAX: u32 = 1_000_000;
/// The longest half-life of impact: a week.
pub const HALF_LIFE_NS_MAX: u64 = 7 * 86_400_000_000_000;

/// Sets what our own taking does to the price of one instrument; all 0 but the instrument: nothing.
///
/// What stands with the code in `engine/src/core/paper/impact.rs` says how the four make a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetImpact {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Standard deviation of the return of a day, in 1e-6 of the price; at most [`VOLATILITY_E6_MAX`].
    pub volatility_e6: u32,
    /// Lots that the market trades in a day.
    pub daily_volume: Lots,
    /// Time after which half of what we pushed is forgotten, nanoseconds; at most [`HALF_LIFE_NS_MAX`]; 0:
    /// it is kept until the day ends.
    pub half_life_ns: u64,
    /// What the law is multiplied with, in 1e-4, at most [`COEFFICIENT_E4_MAX`]; 0: there is no impact.
    pub coefficient_e4: u32,
    /// Zero.
    pub reserved: [u8; 4],
}

crate::saved_as_bytes!(SetImpact);

wire_enum!(
    /// A leg of the way between us and the paper venue.
    LatencyLeg {
        /// The market's news, to us.
        Feed = 1 => "feed",
        /// A request, from the gate to the venue.
        Entry = 2 => "entry",
        /// The venue's answer, to us.
        Answer = 3 => "answer",
    }
);

wire_enum!(
    /// How the latency of a leg is found.
    LatencyModel {
        /// It is always the same.
        Constant = 1 => "constant",
        /// It is drawn from quantiles: [`LatencyPoint::at`] is a share in 1e-9.
        Distribution = 2 => "distribution",
        /// It is what was recorded around that time: [`LatencyPoint::at`] is a time.
        Recorded = 3 => "recorded",
    }
);

/// The longest latency: an hour. What is longer is an outage.
pub const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Points of one leg's table: a round trip a second for eighteen hours. 1 MiB.
pub const LATENCY_POINTS_MAX: usize = 65_536;

/// Sets one leg of the paper venue's latency and empties its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetLatency {
    /// Of [`LatencyModel::Constant`], and of a table that has no points: nanoseconds, at most [`LATENCY_NS_MAX`].
    pub constant_ns: u64,
    /// Of [`LatencyModel::Distribution`]: where its random shares begin.
    pub seed: u64,
    /// A [`LatencyLeg`] on the wire.
    pub leg: u8,
    /// A [`LatencyModel`] on the wire.
    pub model: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A point of a latency table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LatencyPoint {
    /// The share of all that are as quick or quicker, in 1e-9, or the time, UTC nanoseconds. Ascends in a table.
    pub at: u64,
    /// Nanoseconds, at most [`LATENCY_NS_MAX`].
    pub ns: u64,
}

crate::saved_as_bytes!(LatencyPoint);

/// Adds points to the table of a leg. Between points the latency runs straight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AddLatencyPoints {
    /// The points, of which the first `count` are used.
    pub points: [LatencyPoint; 7],
    /// A [`LatencyLeg`] on the wire.
    pub leg: u8,
    /// How many points.
    pub count: u8,
    /// Zero.
    pub reserved: [u8; 6],
}
