//! CRC32C of frames: with the processor's own instruction where there is one, else with the `crc32c` crate.
//!
//! The instruction takes 3 cycles a word and needs no set-up, so that a 64-byte record costs less here than the
//! call into a general function that first decides how to split its input.
// Allowed here: intrinsics of one processor family and stores through a raw pointer need `unsafe`.
#![allow(unsafe_code)]

use crate::frame::{FRAME_ALIGN, FRAME_HEADER_LEN};

/// True if the processor has the CRC32C instruction.
#[inline]
pub(crate) fn has_instruction() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        std::arch::is_x86_feature_detected!("sse4.2")
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        false
    }
}

/// CRC32C of a whole frame: of every byte behind the CRC field. `bytes` has at least a frame's header.
#[inline]
pub(crate) fn frame(bytes: &[u8]) -> u32 {
    debug_assert!(bytes.len() >= FRAME_HEADER_LEN);
    debug_assert!(bytes.len().is_multiple_of(FRAME_ALIGN));
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if has_instruction() {
        // SAFETY: the processor has SSE 4.2.
        return unsafe { x86::of_slice(&bytes[4..]) };
    }
    crc32c::crc32c(&bytes[4..])
}

/// CRC32C of any bytes.
pub(crate) fn bytes(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Copies `payload` to `to`, pads it with zeros to a multiple of 8, and returns the CRC32C of
/// `head`, `seq` and the padded payload, which is the frame's CRC.
///
/// # Safety
/// `to` is valid for writes of the padded length, is aligned to 8 and does not overlap `payload`.
/// If `instruction` is true, [`has_instruction`] has returned true.
#[inline]
pub(crate) unsafe fn copy_frame<P: Payload + ?Sized>(
    to: *mut u64,
    payload: &P,
    head: u32,
    seq: u64,
    instruction: bool,
) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if instruction {
        // SAFETY: the caller's promises are the same.
        return unsafe { x86::copy_frame(to, payload, head, seq) };
    }
    let _ = instruction;
    let bytes = payload.as_bytes();
    let padded = bytes.len().next_multiple_of(FRAME_ALIGN);
    // SAFETY: `to` is valid for `padded` bytes and does not overlap `bytes`, as the caller promises.
    let copy = unsafe {
        let target = to.cast::<u8>();
        target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        target.add(bytes.len()).write_bytes(0, padded - bytes.len());
        std::slice::from_raw_parts(target.cast_const(), padded)
    };
    let crc = crc32c::crc32c(&head.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &seq.to_le_bytes());
    crc32c::crc32c_append(crc, copy)
}

/// Bytes to append: a slice, or a plain record whose size the compiler knows.
pub(crate) trait Payload {
    fn as_bytes(&self) -> &[u8];
}

impl Payload for [u8] {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

/// A plain record; its size is a constant where it is appended, so its loop is unrolled.
#[repr(transparent)]
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: bytemuck::Pod> Payload for Plain<&T> {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self.0)
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86 {
    use super::Payload;
    use core::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

    #[target_feature(enable = "sse4.2")]
    #[inline]
    pub(super) fn of_slice(bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut crc = u64::from(u32::MAX);
        // A frame without its CRC field is 4 bytes and then whole words: those 4 go first.
        if rest.len() == 4 {
            let (first, words) = bytes.split_first_chunk::<4>().expect("there are 4 left over");
            crc = u64::from(_mm_crc32_u32(crc as u32, u32::from_le_bytes(*first)));
            for word in words.as_chunks::<8>().0 {
                crc = _mm_crc32_u64(crc, u64::from_le_bytes(*word));
            }
            return !(crc as u32);
        }
        for word in words {
            crc = _mm_crc32_u64(crc, u64::from_le_bytes(*word));
        }
        let mut crc = crc as u32;
        for byte in rest {
            crc = _mm_crc32_u8(crc, *byte);
        }
        !crc
    }

    /// # Safety
    /// As for [`super::copy_frame`].
    #[target_feature(enable = "sse4.2")]
    #[inline]
    pub(super) unsafe fn copy_frame<P: Payload + ?Sized>(
        to: *mut u64,
        payload: &P,
        head: u32,
        seq: u64,
    ) -> u32 {
        let mut crc = u64::from(_mm_crc32_u32(u32::MAX, head));
        crc = _mm_crc32_u64(crc, seq);
        let (words, rest) = payload.as_bytes().as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            crc = _mm_crc32_u64(crc, word);
            // SAFETY: `index` counts whole words of the payload, for which `to` is valid.
            unsafe { to.add(index).write(word) };
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let word = u64::from_le_bytes(last);
            crc = _mm_crc32_u64(crc, word);
            // SAFETY: `to` is valid for the padded payload, whose last word this is.
            unsafe { to.add(words.len()).write(word) };
        }
        !(crc as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, frame_len, head_of};
    use proptest::prelude::*;

    #[test]
    fn known_value() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(bytes(&[0; 32]), 0x8a91_36aa);
    }

    proptest! {
        #[test]
        fn both_ways_agree_with_the_crate(
            payload in proptest::collection::vec(any::<u8>(), 0..600), kind: u8, seq: u64,
        ) {
            let head = head_of(u16::try_from(payload.len()).expect("short"), kind);
            let len = frame_len(payload.len());
            let mut plain = vec![0u8; len];
            plain[4..8].copy_from_slice(&head.to_le_bytes());
            plain[8..16].copy_from_slice(&seq.to_le_bytes());
            plain[16..16 + payload.len()].copy_from_slice(&payload);
            let expected = crc32c::crc32c(&plain[4..]);
            prop_assert_eq!(frame(&plain), expected);
            for instruction in [false, has_instruction()] {
                let mut copy = vec![u64::MAX; len / 8 - 2];
                // SAFETY: `copy` holds the padded payload.
                let crc = unsafe {
                    copy_frame(copy.as_mut_ptr(), payload.as_slice(), head, seq, instruction)
                };
                prop_assert_eq!(crc, expected);
                prop_assert_eq!(bytemuck::cast_slice::<u64, u8>(&copy), &plain[16..]);
            }
            plain[..4].copy_from_slice(&expected.to_le_bytes());
            let header = FrameHeader::parse(plain[..16].try_into().expect("16 bytes"));
            prop_assert_eq!(
                (header.crc, usize::from(header.payload_len), header.kind, header.zero, header.seq),
                (expected, payload.len(), kind, 0, seq)
            );
        }
    }
}
