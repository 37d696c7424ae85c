//! Random numbers that are the same on every machine: integers only.

/// `ln 2` in units of 2^-32.
const LN_2_Q32: u64 = 2_977_044_472;
/// Steps of the exponential table.
const STEPS: usize = 1_024;
/// `-ln((i + 0.5) / STEPS)` in units of 2^-16, for the inversion method.
static EXPONENTIAL_Q16: [u32; STEPS] = exponential_table();

/// The binary logarithm of `x` (at least 1) in units of 2^-32, by repeated squaring.
const fn log2_q32(x: u64) -> u64 {
    let whole = x.ilog2();
    // The mantissa in [1, 2) as 2^-31.
    let mut mantissa = ((x as u128) << 31 >> whole) as u64;
    let mut log = (whole as u64) << 32;
    let mut bit = 1u64 << 31;
    while bit > 0 {
        mantissa = ((mantissa as u128 * mantissa as u128) >> 31) as u64;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            log += bit;
        }
        bit >>= 1;
    }
    log
}

const fn exponential_table() -> [u32; STEPS] {
    let mut table = [0; STEPS];
    let mut i = 0;
    while i < STEPS {
        // -log2((2i + 1) / 2048) = 11 - log2(2i + 1).
        let log2 = (11u64 << 32) - log2_q32(2 * i as u64 + 1);
        table[i] = ((log2 as u128 * LN_2_Q32 as u128) >> 48) as u32;
        i += 1;
    }
    table
}

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function. The same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    #[inline]
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `per_mille` times in a thousand.
    #[inline]
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// An exponentially distributed number with this mean, below 8 means.
    #[inline]
    pub(super) fn exponential(&mut self, mean: u64) -> u64 {
        let q16 = EXPONENTIAL_Q16[(self.next() >> 54) as usize];
        ((u128::from(mean) * u128::from(q16)) >> 16) as u64
    }

    /// A whole number from 0 to 1,022 whose tail falls off with the power -2: `P(X >= x) = 1 / (1 + x)`.
    #[inline]
    pub(super) fn power_law(&mut self) -> u64 {
        1_023 / (1 + (self.next() >> 54)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_exponential() {
        // Values of -ln((i + 0.5) / 1024) from an independent computation, in 2^-16.
        for (i, value) in
            [(0, 7.624_618_9), (1, 6.526_006_6), (511, 0.694_124_2), (1023, 0.000_488_4)]
        {
            let want = (value * 65_536.0) as i64;
            assert!((i64::from(EXPONENTIAL_Q16[i]) - want).abs() <= 1, "{i}");
        }
        let mut random = Random::new(1);
        let mean = (0..100_000).map(|_| random.exponential(1_000_000)).sum::<u64>() / 100_000;
        assert!((985_000..1_015_000).contains(&mean), "{mean}");
    }

    #[test]
    fn splitmix_gives_its_published_sequence() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }
}
