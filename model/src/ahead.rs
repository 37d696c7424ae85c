//! Asking the memory for what will be looked at later.

/// Begins to fetch the cache line of `place`, and waits for nothing: by the time that it is looked at, it may be there. Changes nothing that
/// a program sees.
#[inline(always)]
pub fn fetch<T>(place: &T) {
    let place: *const T = place;
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a hint to the processor has no safe form on stable Rust")]
    // SAFETY: a prefetch reads nothing that the program sees and does not fault; the address is a reference's anyway.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
