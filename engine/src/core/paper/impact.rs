//! What our own taking does to the price: nothing, or the square-root law.
//!
//! Who takes `Q` lots within a day moves the price, against himself, by
//!
//! ```text
//! I(Q) = Y x volatility of a day x price x root of (Q / volume of a day)
//! ```
//!
//! with `Y` near 1, over many markets, sizes and decades (Almgren et al. 2005; Toth et al. 2011). The recorded market shows none of that for
//! our orders: what was taken is gone only until somebody else's order comes. So each instrument may be given its volatility, volume
//! and `Y` ([`SetImpact`]), and what our orders took, of all accounts together, stands between the recorded prices and ours:
//!
//! * Where depth is told, an order pays what it takes level by level; that is its own impact. Those before it have moved every price
//!   that it meets by `I` of what they took. A price so moved that it is beyond the limit is not taken.
//! * Of bars no depth is told: an order pays for those before it and for half of itself besides.
//! * Taking on the other side moves back what was moved, but no price is ever better than the recorded one.
//! * Half of what was pushed is forgotten after each half-life, along straight lines between, and all of it with the day.
//! * The price moved is rounded to the nearest tick: where ticks are coarse, little orders move nothing.
//!
//! Assumption: the law holds for us, and the market forgets at one rate. Bias: the price of resting orders and marks is not moved, so
//! a position that our own taking would have marked up or down is not (pessimistic for buyers that hold, optimistic for those who
//! turn around); what others would do because of us is not there.

use serde::{Deserialize, Serialize};
use tidegate_model::command::{COEFFICIENT_E4_MAX, HALF_LIFE_NS_MAX, SetImpact, VOLATILITY_E6_MAX};
use tidegate_model::{Lots, Reject, RejectReason, Side, Ticks, UnixNanos};

/// Bits after the point of the root.
const ROOT_BITS: u32 = 20;
/// After so many half-lives nothing is left of 64 bits.
const HALVINGS_MAX: u64 = 64;

/// The impact of what our orders took of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    set: SetImpact,
    /// Lots bought less lots sold, at `at`; half of it is forgotten after each half-life.
    pushed: i64,
    at: UnixNanos,
}

impl Impact {
    /// True if its settings mean something.
    pub fn is_sound(&self) -> bool {
        Self::check(&self.set).is_ok()
    }

    /// Lets settings pass that mean something; all 0 is none.
    ///
    /// # Errors
    /// `BadField` with the largest value allowed and the one sent; without a volume the coefficient may be 0 only.
    pub fn check(set: &SetImpact) -> Result<(), Reject> {
        for (limit, value) in [
            (VOLATILITY_E6_MAX.into(), set.volatility_e6.into()),
            (COEFFICIENT_E4_MAX.into(), set.coefficient_e4.into()),
            (HALF_LIFE_NS_MAX, set.half_life_ns),
        ] {
            if value > limit {
                return Err(Reject::new(RejectReason::BadField, limit.into(), value.into()));
            }
        }
        if set.coefficient_e4 > 0 && set.daily_volume == Lots::ZERO {
            let value = set.coefficient_e4.into();
            return Err(Reject::new(RejectReason::BadField, 0, value));
        }
        Ok(())
    }

    /// As set; nothing is pushed yet.
    pub fn new(set: SetImpact) -> Self {
        Self { set, ..Self::default() }
    }

    /// True if taking moves the price.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.coefficient_e4 > 0
    }

    /// By how much an order on `side` that takes at `now` pays more than `price`, if `own` lots count besides those before it.
    pub fn ticks(&self, side: Side, price: Ticks, own: Lots, now: UnixNanos) -> Ticks {
        if !self.is_set() {
            return Ticks::ZERO;
        }
        let pushed = i128::from(self.left(now));
        let before = if side == Side::Buy { pushed } else { -pushed };
        let lots = before.max(0) + i128::from(own.0);
        let lots = u128::try_from(lots).expect("neither is below 0");
        let root = ((lots << (2 * ROOT_BITS)) / u128::from(self.set.daily_volume.0)).isqrt();
        let whole = u128::from(price.0.unsigned_abs())
            * u128::from(self.set.volatility_e6)
            * u128::from(self.set.coefficient_e4);
        const UNIT: u128 = 10_000_000_000 << ROOT_BITS;
        let ticks = whole.checked_mul(root).map_or(u128::MAX, |product| product / (UNIT / 2));
        // To the nearest: half a tick more, then down.
        Ticks(i64::try_from(ticks / 2 + ticks % 2).unwrap_or(i64::MAX))
    }

    /// An order on `side` took `qty` lots at `now`.
    pub fn took(&mut self, side: Side, qty: Lots, now: UnixNanos) {
        if !self.is_set() {
            return;
        }
        let qty = i64::try_from(qty.0).unwrap_or(i64::MAX);
        let left = self.left(now);
        self.pushed = match side {
            Side::Buy => left.saturating_add(qty),
            Side::Sell => left.saturating_sub(qty),
        };
        self.at = self.at.max(now);
    }

    /// The day ends: all is forgotten.
    pub fn forget(&mut self) {
        (self.pushed, self.at) = (0, UnixNanos::ZERO);
    }

    /// What is not forgotten at `now` of what was pushed.
    fn left(&self, now: UnixNanos) -> i64 {
        let elapsed = now.0.saturating_sub(self.at.0);
        let half_life = self.set.half_life_ns;
        if half_life == 0 || elapsed == 0 {
            return self.pushed;
        }
        let halvings = elapsed / half_life;
        if halvings >= HALVINGS_MAX {
            return 0;
        }
        let at_last = i128::from(self.pushed) / (1_i128 << halvings);
        let since = i128::from(elapsed % half_life);
        let left = at_last - at_last * since / (2 * i128::from(half_life));
        i64::try_from(left).expect("no more is left than was pushed")
    }

    /// The words that its hash is made of.
    pub fn words(&self) -> [u64; 6] {
        let [a, b, c, d]: [u64; 4] = bytemuck::cast(self.set);
        [a, b, c, d, self.pushed as u64, self.at.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000_000_000;

    /// A share at 200.0000 that moves 2 % and trades 100 million lots a day.
    fn share(half_life_ns: u64) -> Impact {
        Impact::new(SetImpact {
            volatility_e6: 20_000,
            coefficient_e4: 10_000,
            daily_volume: Lots(100_000_000),
            half_life_ns,
            ..Default::default()
        })
    }

    #[test]
    fn the_square_root_of_what_was_taken() {
        let price = Ticks(2_000_000);
        // 200.00 x 2 % = 4.0000 for a whole day's volume, the root of the share for less.
        for (lots, want) in
            [(0, 0), (1, 4), (100, 40), (10_000, 400), (1_000_000, 4_000), (100_000_000, 40_000)]
        {
            let mut impact = share(0);
            impact.took(Side::Buy, Lots(lots), UnixNanos(1));
            let ticks = |side, own| impact.ticks(side, price, Lots(own), UnixNanos(2)).0;
            assert_eq!(ticks(Side::Buy, 0), want, "{lots}");
            assert_eq!(share(0).ticks(Side::Sell, price, Lots(lots), UnixNanos(2)).0, want);
            assert_eq!(ticks(Side::Sell, 0), 0, "nothing is given for turning around");
        }
        let mut impact = share(0);
        impact.took(Side::Buy, Lots(500), UnixNanos(1));
        impact.took(Side::Sell, Lots(600), UnixNanos(1));
        assert_eq!(impact.ticks(Side::Sell, price, Lots(0), UnixNanos(2)), Ticks(40));
        impact.forget();
        assert_eq!(impact.ticks(Side::Sell, price, Lots(0), UnixNanos(2)), Ticks(0));
    }

    #[test]
    fn half_is_forgotten_after_a_half_life() {
        let mut impact = share(HOUR);
        impact.took(Side::Sell, Lots(1_000), UnixNanos(5));
        for (elapsed, want) in [
            (0, -1_000),
            (HOUR / 2, -750),
            (HOUR, -500),
            (3 * HOUR / 2, -375),
            (2 * HOUR, -250),
            (10 * HOUR, 0),
            (u64::MAX - 5, 0),
        ] {
            assert_eq!(impact.left(UnixNanos(5 + elapsed)), want, "{elapsed}");
        }
        assert_eq!(impact.left(UnixNanos::ZERO), -1_000, "a clock that goes back forgets nothing");
    }

    #[test]
    fn settings_are_checked() {
        let wide = SetImpact { daily_volume: Lots(1), ..Default::default() };
        for (set, want) in [
            (SetImpact::default(), ""),
            (SetImpact { coefficient_e4: 1, ..Default::default() }, "bad_field: limit=0 value=1"),
            (
                SetImpact { volatility_e6: 10_000_001, ..wide },
                "bad_field: limit=10000000 value=10000001",
            ),
            (
                SetImpact { coefficient_e4: 1_000_001, ..wide },
                "bad_field: limit=1000000 value=1000001",
            ),
            (
                SetImpact { half_life_ns: HALF_LIFE_NS_MAX + 1, ..wide },
                "bad_field: limit=604800000000000 value=604800000000001",
            ),
        ] {
            let told =
                Impact::check(&set).map_or_else(|reject| reject.to_string(), |()| String::new());
            assert_eq!(told, want);
        }
    }

    proptest! {
        /// The naive twin computes with floats, and remembers every order.
        #[test]
        fn as_the_law_says(
            taken in prop::collection::vec((any::<bool>(), 1..1_000_000u64, 0..HOUR), 0..20),
            price in 1..100_000_000i64, volume in 1_000_000..1_000_000_000u64,
            volatility_e6 in 1..200_000u32, coefficient_e4 in 1..30_000u32,
            half_life_ns in prop::sample::select(vec![0, HOUR / 4, 10 * HOUR]), own in 0..100_000u64, buy: bool,
        ) {
            let set = SetImpact {
                volatility_e6, coefficient_e4, daily_volume: Lots(volume), half_life_ns, ..Default::default()
            };
            let mut impact = Impact::new(set);
            let (mut now, mut pushed) = (0, 0.0);
            let kept = |pushed: f64, elapsed: u64| {
                if half_life_ns == 0 {
                    return pushed;
                }
                let halvings = (elapsed / half_life_ns) as i32;
                let since = (elapsed % half_life_ns) as f64 / half_life_ns as f64;
                pushed / 2f64.powi(halvings) * (1.0 - since / 2.0)
            };
            for (buys, lots, later) in taken {
                pushed = kept(pushed, later) + if buys { lots as f64 } else { -(lots as f64) };
                now += later;
                impact.took(if buys { Side::Buy } else { Side::Sell }, Lots(lots), UnixNanos(now));
            }
            let side = if buy { Side::Buy } else { Side::Sell };
            let lots = (if buy { pushed } else { -pushed }).max(0.0) + own as f64;
            let want = f64::from(coefficient_e4) / 1e4 * f64::from(volatility_e6) / 1e6 * price as f64
                * (lots / volume as f64).sqrt();
            let got = impact.ticks(side, Ticks(price), Lots(own), UnixNanos(now)).0 as f64;
            // Lots forgotten are whole ones, and the root has twenty bits: both are less than this.
            let off = want * 1e-3 + 1.0 + price as f64 * 1e-6
                + f64::from(volatility_e6) / 1e6 * f64::from(coefficient_e4) / 1e4 * price as f64 * (25.0 / volume as f64).sqrt();
            prop_assert!((got - want).abs() <= off, "{got} instead of {want}");
        }
    }
}
