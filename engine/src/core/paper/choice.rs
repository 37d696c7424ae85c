//! Which fill model an instrument gets: what is set for it, as far as its feed tells enough.

use super::FillModel;
use super::bars::{Bars, Part};
use super::exact::Exact;
use super::levels::Levels;
use super::probability::Probability;
use super::queue::{Place, Queue, Resting};
use super::quotes::Quotes;
use super::risk_averse::RiskAverse;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    EXPONENT_E3_MAX, FLAG_FILL_ON_TOUCH, FillModelKind, SetFillModel, VOLUME_SHARE_BP_MAX,
};
use tidegate_model::market::Bar;
use tidegate_model::{Lots, Reject, RejectReason, Ticks};

/// How much of a market a feed tells, the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Depth {
    /// Every displayed order (L3). Where nothing was told yet, this is supposed.
    #[default]
    Orders,
    /// Price levels (L2).
    Levels,
    /// The best bid and offer, or trades alone (L1).
    Quotes,
    /// Nothing but bars.
    Bars,
}

/// The one model that decides, of all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// See [`super::exact`].
    Exact(Exact),
    /// See [`super::risk_averse`].
    RiskAverse(Levels<RiskAverse>),
    /// See [`super::probability`].
    Probability(Levels<Probability>),
    /// See [`super::quotes`].
    Quotes(Quotes),
    /// See [`super::bars`].
    Bars(Bars),
}

impl Default for Model {
    fn default() -> Self {
        Self::Exact(Exact)
    }
}

/// Calls a method of the model that it is.
macro_rules! of_model {
    ($model:expr, $inner:ident => $call:expr) => {
        match $model {
            Model::Exact($inner) => $call,
            Model::RiskAverse($inner) => $call,
            Model::Probability($inner) => $call,
            Model::Quotes($inner) => $call,
            Model::Bars($inner) => $call,
        }
    };
}

impl FillModel for Model {
    #[inline]
    fn kind(&self) -> FillModelKind {
        of_model!(self, model => model.kind())
    }

    #[inline]
    fn rested(&self, resting: &mut Resting, displayed: Lots) {
        of_model!(self, model => model.rested(resting, displayed));
    }

    #[inline]
    fn order_came(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        of_model!(self, model => model.order_came(queue, place, qty));
    }

    #[inline]
    fn order_left(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        of_model!(self, model => model.order_left(queue, place, qty));
    }

    #[inline]
    fn order_met(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        of_model!(self, model => model.order_met(queue, place, qty));
    }

    #[inline]
    fn traded(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) -> Lots {
        of_model!(self, model => model.traded(queue, price, qty))
    }

    #[inline]
    fn level_told(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) {
        of_model!(self, model => model.level_told(queue, price, qty));
    }

    fn bar(&self, queue: &mut Queue<'_>, bar: &Bar, part: Part, left: Lots) -> Lots {
        of_model!(self, model => model.bar(queue, bar, part, left))
    }
}

/// Lets settings pass that mean something.
///
/// # Errors
/// `BadField` with the largest value allowed and the one sent.
pub fn check(set: &SetFillModel) -> Result<(), Reject> {
    let refuse = |limit: u64, value: u64| {
        Err(Reject::new(RejectReason::BadField, limit.into(), value.into()))
    };
    let kind = FillModelKind::from_wire(set.model);
    if set.model != 0 && kind.is_none() {
        return refuse(FillModelKind::ALL.len() as u64, set.model.into());
    }
    if set.flags & !FLAG_FILL_ON_TOUCH != 0 {
        return refuse(FLAG_FILL_ON_TOUCH.into(), set.flags.into());
    }
    let exponents = match kind {
        Some(FillModelKind::Power) => 1..=EXPONENT_E3_MAX,
        _ => 0..=0,
    };
    if !exponents.contains(&set.exponent_e3) {
        return refuse((*exponents.end()).into(), set.exponent_e3.into());
    }
    if set.volume_share_bp > VOLUME_SHARE_BP_MAX {
        return refuse(VOLUME_SHARE_BP_MAX.into(), set.volume_share_bp.into());
    }
    Ok(())
}

/// The model that holds where the feed tells `depth`. `unit` is one unit of the instrument in lots, at least 1.
pub fn choose(set: &SetFillModel, depth: Depth, unit: Lots) -> Model {
    use FillModelKind as Kind;
    let needs = |kind: Kind| match kind {
        Kind::Exact => Depth::Orders,
        Kind::RiskAverse | Kind::Power | Kind::Log | Kind::Square => Depth::Levels,
        Kind::Quotes => Depth::Quotes,
        Kind::Bars => Depth::Bars,
    };
    let default = match depth {
        Depth::Orders => Kind::Exact,
        Depth::Levels => Kind::RiskAverse,
        Depth::Quotes => Kind::Quotes,
        Depth::Bars => Kind::Bars,
    };
    // Where more is told than bars, no bars are.
    let is_told = |kind| depth <= needs(kind) && (kind != Kind::Bars || depth == Depth::Bars);
    let asked = Kind::from_wire(set.model).filter(|&kind| is_told(kind));
    let touch = set.flags & FLAG_FILL_ON_TOUCH != 0;
    let probability = |function| Model::Probability(Levels(function));
    match asked.unwrap_or(default) {
        Kind::Exact => Model::Exact(Exact),
        Kind::RiskAverse => Model::RiskAverse(Levels(RiskAverse)),
        Kind::Power => probability(Probability::Power(set.exponent_e3)),
        Kind::Log if set.log_unit.0 > 0 => probability(Probability::Log(set.log_unit)),
        Kind::Log => probability(Probability::Log(unit)),
        Kind::Square => probability(Probability::Square),
        Kind::Quotes => Model::Quotes(Quotes { touch }),
        Kind::Bars => Model::Bars(Bars { touch, volume_share_bp: set.volume_share_bp }),
    }
}
