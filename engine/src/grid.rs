//! From a price to the number of its step, by one multiplication.

use serde::{Deserialize, Serialize};
use tidegate_model::instrument::ORDER_TICK_MAX;

/// The steps of an instrument's prices: from price to step number by one multiplication.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "i64", try_from = "i64")]
pub(crate) struct Grid {
    stride: i64,
    /// Trailing zero bits of the stride.
    shift: u32,
    /// The bits below those.
    below: i64,
    /// Inverse of the odd part of the stride, modulo 2^64.
    inverse: i64,
    /// Step numbers of a window stay within plus and minus this, so that no product with the stride overflows.
    step_max: i64,
}

impl From<Grid> for i64 {
    fn from(grid: Grid) -> Self {
        grid.stride
    }
}

impl TryFrom<i64> for Grid {
    type Error = &'static str;

    fn try_from(stride: i64) -> Result<Self, Self::Error> {
        let is_stride = (1..=Self::STRIDE_MAX).contains(&stride);
        is_stride.then(|| Self::new(stride)).ok_or("a stride is 1 to 2^32 ticks")
    }
}

impl Grid {
    /// The largest stride.
    pub(crate) const STRIDE_MAX: i64 = ORDER_TICK_MAX.0;

    /// Steps of `stride` ticks, 1 to [`Self::STRIDE_MAX`].
    pub(crate) fn new(stride: i64) -> Self {
        assert!((1..=Self::STRIDE_MAX).contains(&stride), "strides are checked at definition");
        let shift = stride.trailing_zeros();
        let odd = stride >> shift;
        // Newton's iteration doubles the number of right bits: 3, 6, 12, 24, 48, 96.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2i64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        let below = (1 << shift) - 1;
        Self { stride, shift, below, inverse, step_max: i64::MAX / stride - 1 }
    }

    /// The step number of a price that is a multiple of the stride; of another, a number beyond `step_max` or a
    /// number with `false`.
    ///
    /// The odd part's inverse maps multiples to their quotients, and as it is a bijection, nothing else to them.
    #[inline(always)]
    pub(crate) fn step(&self, price: i64) -> (i64, bool) {
        let whole = price & self.below == 0;
        (price.wrapping_mul(self.inverse).wrapping_shr(self.shift), whole)
    }

    /// Ticks in a step.
    #[inline(always)]
    pub(crate) fn stride(&self) -> i64 {
        self.stride
    }

    /// The largest step number that a window may reach.
    #[inline(always)]
    pub(crate) fn step_max(&self) -> i64 {
        self.step_max
    }
}
