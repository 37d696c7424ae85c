//! The state hash: a wrapping sum of one canonical hash per record.
//!
//! A sum does not depend on the order of its terms, so two implementations that hold the same records in
//! different structures agree, and a mutation costs one subtraction and one addition. Where one input changes a record several
//! times, only the last of its hashes enters; whoever asks for the sum before gets it as if that had happened.

use bytemuck::{Pod, Zeroable};

/// The wrapping sum over all records of a state.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Pod,
    Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
#[repr(transparent)]
pub struct StateHash(pub u64);

impl StateHash {
    /// Enters a record with the given [`hash_words`].
    #[inline]
    pub fn add(&mut self, record: u64) {
        self.0 = self.0.wrapping_add(record);
    }

    /// Takes a record out again.
    #[inline]
    pub fn remove(&mut self, record: u64) {
        self.0 = self.0.wrapping_sub(record);
    }

    /// The hash of two states side by side.
    #[inline]
    pub fn combined(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl core::fmt::Display for StateHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

const KEY_A: u64 = 0x9e37_79b9_7f4a_7c15;
const KEY_B: u64 = 0xd6e8_feb8_6659_fd93;

/// Multiplies to 128 bits and folds the halves: one multiplication, every input bit reaches every output bit.
#[inline]
pub const fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ KEY_A) as u128 * (b ^ KEY_B) as u128;
    (product as u64) ^ ((product >> 64) as u64)
}

/// The canonical hash of one record: its `tag` (what kind of record) and its words in declared order.
#[inline]
pub fn hash_words(tag: u64, words: &[u64]) -> u64 {
    let mut hash = tag;
    let mut chunks = words.chunks_exact(2);
    for pair in &mut chunks {
        hash = fold(hash.rotate_left(23) ^ pair[0], pair[1].wrapping_add(hash));
    }
    if let [last] = chunks.remainder() {
        hash = fold(hash.rotate_left(23) ^ last, hash);
    }
    fold(hash, words.len() as u64)
}
