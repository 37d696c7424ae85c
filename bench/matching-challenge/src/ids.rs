//! From the benchmark's order ids, 64 bits wide and sparse, to the market's handles, small and used again, and back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids below this are their own codes: the benchmark's are dense from 1.
const DENSE_MAX: u64 = 1 << 31;
/// Other ids that one run may name.
const SPARSE_MAX: usize = 1 << 16;
/// Places in the table to begin with; it doubles when a quarter of them is taken, so that a look is
/// nearly always one.
const TABLE_LEN_MIN: usize = 1 << 14;

/// The ids of the codes from `DENSE_MAX` on: written before the first report that names one leaves, read where reports arrive.
static SPARSE: [AtomicU64; SPARSE_MAX] = [const { AtomicU64::new(0) }; SPARSE_MAX];

/// The id of a code.
#[inline(always)]
pub fn id_of(code: u32) -> u64 {
    match u64::from(code).checked_sub(DENSE_MAX) {
        None => code.into(),
        Some(at) => SPARSE[at as usize].load(Ordering::Relaxed),
    }
}

/// 32-bit codes of ids, as reports carry them.
#[derive(Debug, Default)]
pub struct Codes {
    sparse: HashMap<u64, u32>,
}

impl Codes {
    /// The code of an id.
    #[inline(always)]
    pub fn code_of(&mut self, id: u64) -> u32 {
        if id < DENSE_MAX { id as u32 } else { self.sparse_code(id) }
    }

    #[cold]
    fn sparse_code(&mut self, id: u64) -> u32 {
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

/// The handles of live orders, by code: a table as small as the orders that live, so that it stays in a core's cache.
#[derive(Debug)]
pub struct Handles {
    /// A handle and one more, or 0; linear probing from [`Self::home`].
    table: Box<[u32]>,
    /// By handle: its order's code.
    codes: Vec<u32>,
    /// Handles that ended, the last one first to be used again.
    free: Vec<u32>,
    live: usize,
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            table: vec![0; TABLE_LEN_MIN].into_boxed_slice(),
            codes: Vec::with_capacity(1 << 20),
            free: Vec::with_capacity(1 << 20),
            live: 0,
        }
    }
}

impl Handles {
    /// Where an order of `code` is looked for first.
    #[inline(always)]
    fn home(&self, code: u32) -> usize {
        let spread = code.wrapping_mul(0x9e37_79b1);
        (spread >> (32 - self.table.len().trailing_zeros())) as usize
    }

    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.table.len() - 1)
    }

    /// The handle of a live order; one that no order has, if there is none.
    #[inline(always)]
    pub fn find(&self, code: u32) -> u32 {
        let mut at = self.home(code);
        loop {
            let handle = self.table[at].wrapping_sub(1);
            if handle == u32::MAX || self.codes[handle as usize] == code {
                return handle;
            }
            at = self.next(at);
        }
    }

    /// The code of a handle's order, the last one it had if that has ended.
    #[inline(always)]
    pub fn code(&self, handle: u32) -> u32 {
        self.codes[handle as usize]
    }

    /// A handle for a new order.
    #[inline(always)]
    pub fn insert(&mut self, code: u32) -> u32 {
        if self.live >= self.table.len() / 4 {
            self.grow();
        }
        self.live += 1;
        let handle = match self.free.pop() {
            Some(handle) => {
                self.codes[handle as usize] = code;
                handle
            }
            None => {
                self.codes.push(code);
                self.codes.len() as u32 - 1
            }
        };
        self.place(code, handle);
        handle
    }

    #[inline(always)]
    fn place(&mut self, code: u32, handle: u32) {
        let mut at = self.home(code);
        while self.table[at] != 0 {
            at = self.next(at);
        }
        self.table[at] = handle + 1;
    }

    /// The order of a handle has ended.
    #[inline(always)]
    pub fn remove(&mut self, handle: u32) {
        self.live -= 1;
        self.free.push(handle);
        let mut at = self.home(self.codes[handle as usize]);
        while self.table[at] != handle + 1 {
            at = self.next(at);
        }
        self.table[at] = 0;
        // Whoever would not be found across the gap steps into it.
        let mut gap = at;
        loop {
            at = self.next(at);
            if self.table[at] == 0 {
                return;
            }
            let home = self.home(self.codes[self.table[at] as usize - 1]);
            let mask = self.table.len() - 1;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.table[gap] = self.table[at];
                self.table[at] = 0;
                gap = at;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let table = vec![0; self.table.len() * 2].into_boxed_slice();
        let old = std::mem::replace(&mut self.table, table);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            self.place(self.codes[entry as usize - 1], entry - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Codes, Handles, id_of};
    use std::collections::HashMap;

    #[test]
    fn a_map_holds_the_same() {
        let (mut handles, mut map) = (Handles::default(), HashMap::new());
        let mut state = 1u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let code = (state >> 33) as u32 % 20_000;
            match map.get(&code) {
                None => {
                    assert_eq!(handles.find(code), u32::MAX, "code {code} has ended");
                    map.insert(code, handles.insert(code));
                }
                Some(&handle) => {
                    assert_eq!(handles.find(code), handle, "code {code}");
                    assert_eq!(handles.code(handle), code);
                    if state & 1 << 20 != 0 {
                        handles.remove(handle);
                        map.remove(&code);
                    }
                }
            }
        }
        assert!(map.len() > 4_096, "the table grew");
    }

    #[test]
    fn wide_ids_come_back() {
        let mut codes = Codes::default();
        for id in [0, 1, 1 << 30, 1 << 31, u64::MAX, 1 << 31] {
            assert_eq!(id_of(codes.code_of(id)), id);
        }
    }
}
