//! How far from the reference an order may reach, and what price it is counted at.

use tidegate_model::{Reject, RejectReason, Side, Ticks};

/// Basis points in the whole.
const BP_PER_UNIT: u64 = 10_000;

/// The two bounds around a reference price: an order may be that aggressive and no more.
///
/// The passive side has no bound: a bid far below the market harms nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collar {
    reference: Ticks,
    /// The width in whole ticks, rounded down: a bound between two ticks is the tick inside.
    width_ticks: u128,
}

impl Collar {
    /// The collar of `width_bp` basis points around `reference`.
    ///
    /// # Errors
    /// [`RejectReason::NoReferencePrice`] if there is no reference, or it is not above 0.
    #[inline]
    pub fn around(reference: Option<Ticks>, width_bp: u32) -> Result<Self, Reject> {
        let Some(reference) = reference.filter(|price| price.0 > 0) else {
            let value = reference.map_or(0, |price| i128::from(price.0));
            return Err(Reject::of(RejectReason::NoReferencePrice, value));
        };
        let scaled = u128::from(reference.0.unsigned_abs()) * u128::from(width_bp);
        // Nearly always in 64 bits, where a division by a constant is a multiplication.
        let width_ticks = match u64::try_from(scaled) {
            Ok(scaled) => u128::from(scaled / BP_PER_UNIT),
            Err(_) => scaled / u128::from(BP_PER_UNIT),
        };
        Ok(Self { reference, width_ticks })
    }

    /// The most aggressive price allowed, in ticks: the highest of a buy, the lowest of a sell.
    #[inline]
    pub fn bound_ticks(&self, side: Side) -> i128 {
        // Below 2^63 x 2^32 / 10^4: it fits.
        let width = self.width_ticks as i128;
        match side {
            Side::Buy => i128::from(self.reference.0) + width,
            Side::Sell => i128::from(self.reference.0) - width,
        }
    }

    /// The bound as a price; one that no price can reach is the last that there is.
    #[inline]
    pub fn bound(&self, side: Side) -> Ticks {
        let bound = self.bound_ticks(side);
        Ticks(bound.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Lets `price` pass if it is not more aggressive than the bound.
    ///
    /// # Errors
    /// [`RejectReason::PriceCollar`] with the bound and the price, in ticks.
    #[inline]
    pub fn check(&self, side: Side, price: Ticks) -> Result<(), Reject> {
        let bound = self.bound_ticks(side);
        let price = i128::from(price.0);
        let inside = match side {
            Side::Buy => price <= bound,
            Side::Sell => price >= bound,
        };
        if inside { Ok(()) } else { Err(Reject::new(RejectReason::PriceCollar, bound, price)) }
    }

    /// The price at which an order is counted against money limits: the dearest at which it may trade.
    ///
    /// A buy trades at its limit or below; a market buy is taken to reach its bound. A sell trades at its
    /// limit *or above*, so it counts at the reference unless its limit is higher; a market sell too.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] if a bound does not fit [`Ticks`].
    #[inline]
    pub fn exposure_price(&self, side: Side, limit_price: Option<Ticks>) -> Result<Ticks, Reject> {
        match (side, limit_price) {
            (Side::Buy, Some(limit)) => Ok(limit),
            (Side::Buy, None) => {
                let bound = self.bound_ticks(Side::Buy);
                i64::try_from(bound)
                    .map(Ticks)
                    .map_err(|_| Reject::new(RejectReason::Overflow, i128::from(i64::MAX), bound))
            }
            (Side::Sell, Some(limit)) => Ok(limit.max(self.reference)),
            (Side::Sell, None) => Ok(self.reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: i64, bp: u32, side: Side, price: i64) -> Option<(i128, i128)> {
        let collar = Collar::around(Some(Ticks(reference)), bp).expect("a reference above 0");
        collar.check(side, Ticks(price)).err().map(|reject| {
            assert_eq!(reject.reason, RejectReason::PriceCollar);
            (reject.limit, reject.value)
        })
    }

    #[test]
    fn bound_is_the_last_price_inside() {
        let table = [
            // reference, bp, side, price, refused with (bound, price)
            (10_000, 500, Side::Buy, 10_499, None),
            (10_000, 500, Side::Buy, 10_500, None),
            (10_000, 500, Side::Buy, 10_501, Some((10_500, 10_501))),
            (10_000, 500, Side::Buy, 1, None),
            (10_000, 500, Side::Sell, 9_501, None),
            (10_000, 500, Side::Sell, 9_500, None),
            (10_000, 500, Side::Sell, 9_499, Some((9_500, 9_499))),
            (10_000, 500, Side::Sell, i64::MAX, None),
            // A bound between two ticks is the tick inside: 33 x 5 % = 1.65.
            (33, 500, Side::Buy, 34, None),
            (33, 500, Side::Buy, 35, Some((34, 35))),
            (33, 500, Side::Sell, 32, None),
            (33, 500, Side::Sell, 31, Some((32, 31))),
            // No width: at the reference or passive.
            (100, 0, Side::Buy, 100, None),
            (100, 0, Side::Buy, 101, Some((100, 101))),
            (100, 0, Side::Sell, 99, Some((100, 99))),
            // Wider than the price itself: every sell passes.
            (100, 20_000, Side::Sell, 1, None),
            (100, 20_000, Side::Buy, 301, Some((300, 301))),
            (i64::MAX, u32::MAX, Side::Buy, i64::MAX, None),
            (i64::MAX, u32::MAX, Side::Sell, 1, None),
            (i64::MAX, 0, Side::Sell, i64::MAX - 1, Some((i64::MAX.into(), i64::MAX as i128 - 1))),
        ];
        for (reference, bp, side, price, expected) in table {
            assert_eq!(
                check(reference, bp, side, price),
                expected,
                "{reference} {bp} {side} {price}"
            );
        }
    }

    #[test]
    fn no_reference_is_a_reject() {
        for reference in [None, Some(Ticks(0)), Some(Ticks(-1)), Some(Ticks(i64::MIN))] {
            let reject = Collar::around(reference, 500).expect_err("no reference");
            assert_eq!(reject.reason, RejectReason::NoReferencePrice);
        }
    }

    #[test]
    fn orders_count_at_their_dearest_price() {
        let collar = Collar::around(Some(Ticks(100)), 1_000).expect("a reference");
        assert_eq!(collar.exposure_price(Side::Buy, Some(Ticks(90))), Ok(Ticks(90)));
        assert_eq!(collar.exposure_price(Side::Buy, None), Ok(Ticks(110)));
        assert_eq!(collar.exposure_price(Side::Sell, Some(Ticks(95))), Ok(Ticks(100)));
        assert_eq!(collar.exposure_price(Side::Sell, Some(Ticks(120))), Ok(Ticks(120)));
        assert_eq!(collar.exposure_price(Side::Sell, None), Ok(Ticks(100)));

        let widest = Collar::around(Some(Ticks::MAX), 1_000).expect("a reference");
        let reject = widest.exposure_price(Side::Buy, None).expect_err("beyond 64 bits");
        assert_eq!(reject.reason, RejectReason::Overflow);
    }
}
