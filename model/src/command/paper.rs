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

/// Sets how resting orders of one instrument are filled; refused while any rest.
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
