//! Logarithms and powers of two in integers, for models that need a ratio of real functions. No float, no table from outside:
//! the constants are computed when this is compiled.

/// Bits after the point of a logarithm.
pub const LOG_BITS: u32 = 32;
/// Bits after the point of [`exp2_neg`]: 1 is `1 << EXP_BITS`.
pub const EXP_BITS: u32 = 62;

/// `log2(x)` with [`LOG_BITS`] after the point; below the true value by less than 2^-31.
///
/// # Panics
/// If `x` is 0, which has no logarithm.
pub fn log2(x: u64) -> u64 {
    let whole = u64::from(x.ilog2());
    // In [1, 2), with 63 bits after the point.
    let mut mantissa = x << (63 - whole);
    let mut log = whole;
    for _ in 0..LOG_BITS {
        // Each squaring doubles the logarithm of the mantissa: its next bit comes before the point.
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let carries = square >> 64 != 0;
        mantissa = if carries { (square >> 1) as u64 } else { square as u64 };
        log = log << 1 | u64::from(carries);
    }
    log
}

/// `2^-(2^-k)` for k from 1 to [`LOG_BITS`], with 63 bits after the point.
const ROOTS: [u64; LOG_BITS as usize] = {
    let mut roots = [0; LOG_BITS as usize];
    // The square root of a half, then of what is before.
    let mut square: u128 = 1 << 125;
    let mut k = 0;
    while k < roots.len() {
        roots[k] = square.isqrt() as u64;
        square = (roots[k] as u128) << 63;
        k += 1;
    }
    roots
};

/// `2^-r` for `r` with [`LOG_BITS`] after the point, with [`EXP_BITS`] after its own; relative to the true value below by less than
/// 2^-56, and by less than 2^-[`EXP_BITS`] absolutely.
pub fn exp2_neg(r: u64) -> u64 {
    let whole = r >> LOG_BITS;
    if whole > u64::from(EXP_BITS) {
        return 0;
    }
    let mut power: u64 = 1 << 63;
    for (k, root) in ROOTS.iter().enumerate() {
        if r >> (LOG_BITS - 1 - k as u32) & 1 != 0 {
            power = ((u128::from(power) * u128::from(*root)) >> 63) as u64;
        }
    }
    power >> (whole + 63 - u64::from(EXP_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: f64 = (1u64 << EXP_BITS) as f64;

    fn check_log(x: u64) {
        let (got, want) = (log2(x) as f64 / (1u64 << LOG_BITS) as f64, (x as f64).log2());
        assert!((got - want).abs() < 1e-9, "log2({x}): {got}, not {want}");
    }

    fn check_exp(r: u64) {
        let (got, want) =
            (exp2_neg(r) as f64, ONE * (-(r as f64) / (1u64 << LOG_BITS) as f64).exp2());
        assert!((got - want).abs() <= 1.0 + want * 1e-14, "2^-{r}: {got}, not {want}");
    }

    #[test]
    fn ends_of_the_range() {
        for (x, want) in [(1, 0), (2, 1 << LOG_BITS), (1 << 63, 63 << LOG_BITS)] {
            assert_eq!(log2(x), want);
        }
        [3, 5, 7, 1_000_000_007, u64::MAX - 1, u64::MAX].into_iter().for_each(check_log);
        assert_eq!(exp2_neg(0), 1 << EXP_BITS);
        assert_eq!(exp2_neg(1 << LOG_BITS), 1 << (EXP_BITS - 1));
        assert_eq!(exp2_neg(62 << LOG_BITS), 1);
        assert_eq!((exp2_neg(63 << LOG_BITS), exp2_neg(u64::MAX)), (0, 0));
        [1, 2, 1 << 31, (1 << 32) - 1, (1 << 32) + 1, 61 << 32].into_iter().for_each(check_exp);
    }

    proptest! {
        #[test]
        fn as_floats_reckon(x in 1..=u64::MAX, shift in 0..64u32, r in 0..(64u64 << LOG_BITS)) {
            check_log((x >> shift).max(1));
            check_exp(r);
        }

        #[test]
        fn neither_ever_turns(x in 1..u64::MAX, r in 0..(64u64 << LOG_BITS)) {
            prop_assert!(log2(x) <= log2(x + 1));
            prop_assert!(exp2_neg(r) >= exp2_neg(r + 1));
        }
    }
}
