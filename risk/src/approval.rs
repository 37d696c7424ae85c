//! The proof that an order went through the gate.

use crate::exposure::OrderExposure;
use tidegate_model::Ticks;

/// How the controls counted what they approved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub exposure: OrderExposure,
    pub price: Ticks,
    pub protection_price: Ticks,
}

/// A `T` that passed every control. Venues and the order store accept nothing else.
///
/// The fields are private and the constructor is this crate's own, so the only way to one is a check
/// of [`crate::Risk`]. It is neither `Clone` nor `Copy`: one check, one approval.
///
/// ```compile_fail,E0451
/// // Nobody else can write one down ...
/// let forged = tidegate_risk::RiskApproved {
///     body: 1,
///     exposure: todo!(),
///     exposure_price: todo!(),
///     protection_price: todo!(),
/// };
/// ```
///
/// ```compile_fail,E0624
/// // ... or call its constructor ...
/// let forged = tidegate_risk::RiskApproved::approve(1, todo!());
/// ```
///
/// ```compile_fail,E0599
/// // ... or copy the one that was given.
/// fn twice(approved: tidegate_risk::RiskApproved<u8>) -> [tidegate_risk::RiskApproved<u8>; 2] {
///     [approved.clone(), approved]
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct RiskApproved<T> {
    body: T,
    exposure: OrderExposure,
    exposure_price: Ticks,
    protection_price: Ticks,
}

impl<T> RiskApproved<T> {
    pub(crate) const fn approve(body: T, counted: Counted) -> Self {
        let Counted { exposure, price: exposure_price, protection_price } = counted;
        Self { body, exposure, exposure_price, protection_price }
    }

    /// What was approved.
    #[inline]
    pub const fn get(&self) -> &T {
        &self.body
    }

    /// What the order ties up from now on, priced as the controls priced it.
    #[inline]
    pub const fn exposure(&self) -> &OrderExposure {
        &self.exposure
    }

    /// The price that [`Self::exposure`] counts each lot at, in ticks.
    #[inline]
    pub const fn exposure_price(&self) -> Ticks {
        self.exposure_price
    }

    /// The worst price that the order may trade at, in ticks: its limit, or for a market order the bound of the collar.
    #[inline]
    pub const fn protection_price(&self) -> Ticks {
        self.protection_price
    }
}
