//! From the benchmark's order ids, 64 bits wide, to the market's handles and back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids below this are handles as they are: the benchmark's are dense from 1.
const DENSE_MAX: u64 = 1 << 25;
/// Other ids that one run may name.
const SPARSE_MAX: usize = 1 << 16;
/// Handles are below this.
pub const HANDLES_MAX: u32 = DENSE_MAX as u32 + SPARSE_MAX as u32;

/// The ids of the handles from `DENSE_MAX` on: written before the first report that names one leaves, read where reports arrive.
static SPARSE: [AtomicU64; SPARSE_MAX] = [const { AtomicU64::new(0) }; SPARSE_MAX];

/// The handles that ids from `DENSE_MAX` on have.
#[derive(Debug, Default)]
pub struct Ids {
    sparse: HashMap<u64, u32>,
}

impl Ids {
    /// The handle of an id.
    #[inline(always)]
    pub fn handle(&mut self, id: u64) -> u32 {
        if id < DENSE_MAX { id as u32 } else { self.sparse_handle(id) }
    }

    #[cold]
    fn sparse_handle(&mut self, id: u64) -> u32 {
        let next = self.sparse.len();
        let at = *self.sparse.entry(id).or_insert(next as u32);
        if at as usize >= SPARSE_MAX {
            eprintln!(
                "order id {id}: more than {SPARSE_MAX} ids of {DENSE_MAX} and above in one run"
            );
            std::process::abort();
        }
        SPARSE[at as usize].store(id, Ordering::Relaxed);
        DENSE_MAX as u32 + at
    }
}

/// The id of a handle.
#[inline(always)]
pub fn order_id(handle: u32) -> u64 {
    match u64::from(handle).checked_sub(DENSE_MAX) {
        None => handle.into(),
        Some(at) => SPARSE[at as usize].load(Ordering::Relaxed),
    }
}
