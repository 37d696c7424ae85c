//! From an order reference to its slot.
//!
//! Exchanges such as Nasdaq number orders densely over the day: their references index pages of slots, which
//! are recycled when the last of their orders has left. References that are large (CME) or sparse live in an
//! open-addressing table with a fixed key, which can hold every order.

use super::BookLimits;
use tidegate_model::ahead;
use tidegate_model::hash::fold;

/// References in a page, as a power of two. 4,096 slots are 16 KiB.
const PAGE_BITS: u32 = 12;
const PAGE_LEN: usize = 1 << PAGE_BITS;

/// A page gives its references to the table only if they are this few: it bounds the work of one insertion.
const EVACUATE_LIVE_MAX: u32 = 512;
/// Pages looked at to find one to evacuate.
const EVACUATE_LOOKS: usize = 16;

/// One stretch of `PAGE_LEN` references: its page and how many slots in the page are not 0.
/// Page 0 is all zero and stands for every stretch without one.
///
/// An array, because `vec!` of zero arrays takes fresh zero pages of the system and touches nothing.
type Stretch = [u32; 2];
const PAGE: usize = 0;
const LIVE: usize = 1;

/// Where a reference was found. Valid until the index changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Never 0.
    pub(super) slot: u32,
    /// In `cells`, or [`IN_TABLE`].
    cell: usize,
}

const IN_TABLE: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct RefIndex {
    /// By `reference >> PAGE_BITS`.
    stretches: Vec<Stretch>,
    /// Slots of all pages; 0 is none.
    cells: Vec<u32>,
    /// By page: the stretch that has it, or the next free page.
    owners: Vec<u32>,
    free_page: u32,
    pages_max: usize,
    /// Where the last search for a page to evacuate ended.
    hand: usize,
    /// Slots by hash of their reference, 0 is none; a power of two, at least twice the number of orders.
    table: Vec<u32>,
    table_len: usize,
    table_shift: u32,
}

impl RefIndex {
    pub(super) fn new(limits: &BookLimits) -> Self {
        let stretches = limits.direct_refs_max.div_ceil(PAGE_LEN as u64);
        let stretches = usize::try_from(stretches).expect("64-bit address space").min(1 << 31);
        let table_len = (limits.orders_max as usize * 2).next_power_of_two().max(16);
        let pages_max = limits.index_pages_max as usize;
        let mut cells = Vec::with_capacity((pages_max + 1) * PAGE_LEN);
        cells.resize(PAGE_LEN, 0);
        let mut owners = Vec::with_capacity(pages_max + 1);
        owners.push(0);
        Self {
            stretches: vec![[0; 2]; stretches],
            cells,
            owners,
            free_page: 0,
            pages_max,
            hand: 1,
            table: vec![0; table_len],
            table_len: 0,
            table_shift: 64 - table_len.trailing_zeros(),
        }
    }

    /// The slot of `order_ref` and where it stands, or none.
    #[inline(always)]
    pub(super) fn find(&self, order_ref: u64, refs: &[u64]) -> Option<Found> {
        if let Some(stretch) = self.stretches.get((order_ref >> PAGE_BITS) as usize) {
            let cell = cell_of(stretch[PAGE], order_ref);
            let slot = self.cells[cell];
            if slot != 0 {
                return Some(Found { slot, cell });
            }
            if self.table_len == 0 {
                return None;
            }
        }
        self.find_in_table(order_ref, refs)
    }

    /// Begins to fetch what [`Self::find`] of `order_ref` looks at.
    #[inline]
    pub(super) fn fetch(&self, order_ref: u64) {
        match self.stretches.get((order_ref >> PAGE_BITS) as usize) {
            Some(stretch) if self.table_len == 0 || stretch[PAGE] != 0 => {
                ahead::fetch(&self.cells[cell_of(stretch[PAGE], order_ref)]);
            }
            _ => ahead::fetch(&self.table[self.home(order_ref)]),
        }
    }

    /// The slot of `order_ref`, 0 if it is not in the index. No branch tells which, while the table is empty.
    #[inline(always)]
    pub(super) fn slot_or_none(&self, order_ref: u64, refs: &[u64]) -> u32 {
        if self.table_len != 0 {
            return self.slot_or_none_slowly(order_ref, refs);
        }
        let stretch = self.stretches.get((order_ref >> PAGE_BITS) as usize);
        stretch.map_or(0, |stretch| self.cells[cell_of(stretch[PAGE], order_ref)])
    }

    #[inline(never)]
    fn slot_or_none_slowly(&self, order_ref: u64, refs: &[u64]) -> u32 {
        self.find(order_ref, refs).map_or(0, |found| found.slot)
    }

    /// Enters `order_ref`; false if it is in the index already.
    #[inline(always)]
    pub(super) fn insert(&mut self, order_ref: u64, slot: u32, refs: &[u64]) -> bool {
        if self.table_len == 0
            && let Some(stretch) = self.stretches.get_mut((order_ref >> PAGE_BITS) as usize)
            && stretch[PAGE] != 0
        {
            let cell = &mut self.cells[cell_of(stretch[PAGE], order_ref)];
            if *cell != 0 {
                return false;
            }
            *cell = slot;
            stretch[LIVE] += 1;
            return true;
        }
        self.insert_slowly(order_ref, slot, refs)
    }

    #[inline(never)]
    fn insert_slowly(&mut self, order_ref: u64, slot: u32, refs: &[u64]) -> bool {
        if self.find(order_ref, refs).is_some() {
            return false;
        }
        let at = (order_ref >> PAGE_BITS) as usize;
        if at < self.stretches.len() {
            if self.stretches[at][PAGE] == 0
                && let Some(page) = self.take_page(at, refs)
            {
                self.stretches[at] = [page, 0];
            }
            let stretch = &mut self.stretches[at];
            if stretch[PAGE] != 0 {
                stretch[LIVE] += 1;
                self.cells[cell_of(stretch[PAGE], order_ref)] = slot;
                return true;
            }
        }
        self.insert_in_table(order_ref, slot);
        true
    }

    /// Takes out what [`Self::find`] found.
    #[inline(always)]
    pub(super) fn remove(&mut self, order_ref: u64, found: Found, refs: &[u64]) {
        if found.cell == IN_TABLE {
            self.remove_from_table(order_ref, refs);
            return;
        }
        self.cells[found.cell] = 0;
        let stretch = &mut self.stretches[(order_ref >> PAGE_BITS) as usize];
        stretch[LIVE] -= 1;
        if stretch[LIVE] == 0 {
            let page = stretch[PAGE];
            stretch[PAGE] = 0;
            self.give_page(page);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_page(&mut self, page: u32) {
        self.owners[page as usize] = self.free_page;
        self.free_page = page;
    }

    #[cold]
    #[inline(never)]
    fn take_page(&mut self, stretch: usize, refs: &[u64]) -> Option<u32> {
        if self.free_page == 0 && self.owners.len() <= self.pages_max {
            let page = self.owners.len() as u32;
            self.owners.push(0);
            self.cells.resize(self.cells.len() + PAGE_LEN, 0);
            self.give_page(page);
        }
        if self.free_page == 0 {
            self.evacuate_page(refs);
        }
        if self.free_page == 0 {
            return None;
        }
        let page = self.free_page;
        self.free_page = self.owners[page as usize];
        self.owners[page as usize] = stretch as u32;
        Some(page)
    }

    /// Moves the references of the emptiest of the next pages to the table, if they are few. All pages are in use.
    fn evacuate_page(&mut self, refs: &[u64]) {
        let pages = self.owners.len() - 1;
        let mut emptiest = None;
        for _ in 0..EVACUATE_LOOKS.min(pages) {
            self.hand = if self.hand >= pages { 1 } else { self.hand + 1 };
            let live = self.stretches[self.owners[self.hand] as usize][LIVE];
            if live <= EVACUATE_LIVE_MAX && emptiest.is_none_or(|(least, _)| live < least) {
                emptiest = Some((live, self.hand));
            }
        }
        let Some((_, page)) = emptiest else { return };
        for at in page * PAGE_LEN..(page + 1) * PAGE_LEN {
            let slot = core::mem::take(&mut self.cells[at]);
            if slot != 0 {
                self.insert_in_table(refs[slot as usize], slot);
            }
        }
        self.stretches[self.owners[page] as usize] = [0; 2];
        self.give_page(page as u32);
    }

    #[inline(always)]
    fn home(&self, order_ref: u64) -> usize {
        // The upper bits of the product are the best mixed.
        (fold(order_ref, 0) >> self.table_shift) as usize
    }

    #[inline(never)]
    fn find_in_table(&self, order_ref: u64, refs: &[u64]) -> Option<Found> {
        let mask = self.table.len() - 1;
        let mut at = self.home(order_ref);
        // The table is at most half full: there is always a 0 to end on.
        loop {
            let slot = self.table[at];
            if slot == 0 {
                return None;
            }
            if refs[slot as usize] == order_ref {
                return Some(Found { slot, cell: IN_TABLE });
            }
            at = (at + 1) & mask;
        }
    }

    fn insert_in_table(&mut self, order_ref: u64, slot: u32) {
        let mask = self.table.len() - 1;
        assert!(self.table_len <= mask / 2, "the table holds at most as many as there are orders");
        let mut at = self.home(order_ref);
        while self.table[at] != 0 {
            at = (at + 1) & mask;
        }
        self.table[at] = slot;
        self.table_len += 1;
    }

    #[inline(never)]
    fn remove_from_table(&mut self, order_ref: u64, refs: &[u64]) {
        let mask = self.table.len() - 1;
        let mut hole = self.home(order_ref);
        loop {
            let slot = self.table[hole];
            assert!(slot != 0, "what is removed from the table is in it");
            if refs[slot as usize] == order_ref {
                break;
            }
            hole = (hole + 1) & mask;
        }
        self.table_len -= 1;
        // Moves later entries of the run into the hole, so that no search stops early.
        let mut at = hole;
        loop {
            self.table[hole] = 0;
            loop {
                at = (at + 1) & mask;
                let slot = self.table[at];
                if slot == 0 {
                    return;
                }
                let home = self.home(refs[slot as usize]);
                if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                    self.table[hole] = slot;
                    hole = at;
                    break;
                }
            }
        }
    }
}

#[inline(always)]
fn cell_of(page: u32, order_ref: u64) -> usize {
    (page as usize) << PAGE_BITS | (order_ref as usize & (PAGE_LEN - 1))
}
