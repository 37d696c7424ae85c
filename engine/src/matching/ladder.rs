//! One side of a market: the queues of orders by price, and which of them is best.
//!
//! Prices that are multiples of the market's step and near the first ones lie in a *window*: a ring of adjacent steps, so that
//! a price is an index, with a bitmap of three levels of 64, so that the next price that holds something is three
//! instructions away, however far. All other prices lie in `far`, sorted. Nothing depends on which of the two a price is in.
//!
//! Both sides count upwards to the best: a bid's key is its price, an offer's is the complement of its price, so that
//! the best is the largest key and no price overflows.

use crate::grid::Grid;
use bytemuck::{Pod, Zeroable};
use tidegate_model::Side;

/// Steps in a window: three levels of 64. At one cent, 2,621: all prices of nearly every share. Memory is used as it is touched.
const WINDOW_LEN: usize = 64 * 64 * 64;
/// Steps that a window keeps free above its first price.
const HEADROOM: i64 = WINDOW_LEN as i64 / 2;
/// The window moves only this often in entries that missed it, which bounds the cost of moving per order.
const MISSES_PER_MOVE: u32 = 4_096;
/// And only if it is off by this many steps.
const DRIFT_MIN: i64 = WINDOW_LEN as i64 / 4;
/// No key: below that of every price.
pub(super) const NO_KEY: i64 = i64::MIN;
/// No spot.
const NO_SPOT: u32 = u32::MAX;

/// The orders at one price, first to last.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Queue {
    pub(super) qty: u64,
    pub(super) orders: u32,
    /// First order, 0 is none.
    pub(super) head: u32,
    /// Last order, 0 is none.
    pub(super) tail: u32,
    reserved: u32,
}

#[derive(Clone, Copy, Debug)]
struct FarQueue {
    key: i64,
    queue: Queue,
}

/// Where a queue is: valid until the next price enters or leaves the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot(u32);

impl Spot {
    #[inline(always)]
    fn far(self) -> Option<usize> {
        (self.0 as usize).checked_sub(WINDOW_LEN)
    }
}

#[derive(Debug)]
pub(super) struct Ladder {
    /// 0 for bids, -1 for offers: xor with it turns prices to keys, and back.
    flip: i64,
    /// Key of the best price that holds something, or [`NO_KEY`].
    best: i64,
    /// Where that is.
    best_spot: u32,
    /// Steps in the window: [`WINDOW_LEN`], or 0 until the side is first used.
    len: u64,
    /// Key step of the first place of the window.
    base: i64,
    /// Which of `tops` hold something.
    root: u64,
    /// Which of `words` hold something.
    tops: [u64; 64],
    /// Bit i: place i of the ring holds something.
    words: Box<[u64]>,
    /// The ring, by key step modulo its length.
    window: Box<[Queue]>,
    /// Sorted by key, the best last.
    far: Vec<FarQueue>,
    /// Entries that missed the window since it moved.
    misses: u32,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self {
            flip: if side == Side::Buy { 0 } else { -1 },
            best: NO_KEY,
            best_spot: NO_SPOT,
            len: 0,
            base: 0,
            root: 0,
            tops: [0; 64],
            words: Box::default(),
            window: Box::default(),
            far: Vec::new(),
            misses: 0,
        }
    }

    /// The key of a price: larger is better.
    #[inline(always)]
    pub(super) fn key(&self, price: i64) -> i64 {
        price ^ self.flip
    }

    /// The key of the best price, [`NO_KEY`] if the side is empty.
    #[inline(always)]
    pub(super) fn best_key(&self) -> i64 {
        self.best
    }

    /// The best price, if the side is not empty.
    #[inline(always)]
    pub(super) fn best_price(&self) -> Option<i64> {
        (self.best != NO_KEY).then_some(self.best ^ self.flip)
    }

    /// Where the best price is; the side must not be empty.
    #[inline(always)]
    pub(super) fn best_spot(&self) -> Spot {
        Spot(self.best_spot)
    }

    /// The place in the window of `price`, if it is one of the window's.
    #[inline(always)]
    fn near(&self, grid: &Grid, price: i64) -> Option<Spot> {
        let (step, whole) = grid.step(price);
        let step = step ^ self.flip;
        let inside = (step.wrapping_sub(self.base) as u64) < self.len;
        (inside & whole).then_some(Spot(step as u32 % WINDOW_LEN as u32))
    }

    /// The queue of a price that is known to have one.
    #[inline(always)]
    pub(super) fn held(&self, grid: &Grid, price: i64) -> Spot {
        match self.near(grid, price) {
            Some(spot) => spot,
            None => self.held_far(price),
        }
    }

    #[cold]
    #[inline(never)]
    fn held_far(&self, price: i64) -> Spot {
        Self::far_spot(self.find_far(price).expect("an order's price has a queue"))
    }

    /// The queue of `price`, if it holds something.
    pub(super) fn find(&self, grid: &Grid, price: i64) -> Option<Spot> {
        match self.near(grid, price) {
            Some(spot) => Some(spot).filter(|spot| self.queue(*spot).head != 0),
            None => self.find_far(price).ok().map(Self::far_spot),
        }
    }

    /// The queue of `price`, made if there is none; something must be put into it.
    #[inline(always)]
    pub(super) fn enter(&mut self, grid: &Grid, price: i64) -> Spot {
        let spot = match self.near(grid, price) {
            Some(spot) => {
                let place = spot.0 as usize;
                self.words[place / 64] |= 1 << (place % 64);
                self.tops[place / 4_096] |= 1 << (place / 64 % 64);
                self.root |= 1 << (place / 4_096);
                spot
            }
            None => self.enter_far(grid, price),
        };
        let key = self.key(price);
        let better = key > self.best;
        self.best = if better { key } else { self.best };
        self.best_spot = if better { spot.0 } else { self.best_spot };
        spot
    }

    #[inline(always)]
    pub(super) fn queue(&self, spot: Spot) -> &Queue {
        match spot.far() {
            None => &self.window[spot.0 as usize],
            Some(at) => &self.far[at].queue,
        }
    }

    #[inline(always)]
    pub(super) fn queue_mut(&mut self, spot: Spot) -> &mut Queue {
        match spot.far() {
            None => &mut self.window[spot.0 as usize],
            Some(at) => &mut self.far[at].queue,
        }
    }

    /// The queue at `spot`, which has the price of `key`, is empty now; the spot is void.
    #[inline(always)]
    pub(super) fn emptied(&mut self, grid: &Grid, spot: Spot, key: i64) {
        match spot.far() {
            None => {
                let place = spot.0 as usize;
                let word = &mut self.words[place / 64];
                *word &= !(1 << (place % 64));
                if *word == 0 {
                    let top = &mut self.tops[place / 4_096];
                    *top &= !(1 << (place / 64 % 64));
                    self.root &= !(u64::from(*top == 0) << (place / 4_096));
                }
            }
            Some(at) => self.remove_far(at),
        }
        if key == self.best {
            self.find_best(grid, spot);
        }
    }

    /// The best was at `spot` and is gone: finds the next.
    #[inline(always)]
    fn find_best(&mut self, grid: &Grid, spot: Spot) {
        let near = match spot.far() {
            None => self.held_below(spot.0 as usize),
            Some(_) => self.held_from_top(),
        };
        let near = near.map(|place| (self.key_at(grid, place), place as u32));
        let (mut best, mut best_spot) = near.unwrap_or((NO_KEY, NO_SPOT));
        if let Some(far) = self.far.last()
            && far.key > best
        {
            best = far.key;
            best_spot = Self::far_spot(self.far.len() - 1).0;
        }
        self.best = best;
        self.best_spot = best_spot;
    }

    /// The next place below `place` that holds something, in the window's order.
    #[inline(always)]
    fn held_below(&self, place: usize) -> Option<usize> {
        let word = self.words[place / 64] & ((1 << (place % 64)) - 1);
        if word != 0 {
            return Some(place & !63 | word.ilog2() as usize);
        }
        // The ring's end comes before its start where the window began in between.
        self.last_held(place / 64)
            .or_else(|| self.last_held(WINDOW_LEN / 64).filter(|at| *at > place))
    }

    /// The best place of the window that holds something.
    fn held_from_top(&self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let start = self.base as usize % WINDOW_LEN;
        // What the window holds before its start in the ring comes after its end.
        let wrapped = self.held_below(start).filter(|at| *at < start);
        wrapped.or_else(|| self.last_held(WINDOW_LEN / 64))
    }

    /// The last place that holds something in the words before `word`.
    #[inline(always)]
    fn last_held(&self, word: usize) -> Option<usize> {
        let tops = if word < WINDOW_LEN / 64 {
            let top = self.tops[word / 64] & ((1 << (word % 64)) - 1);
            if top != 0 {
                let word = word & !63 | top.ilog2() as usize;
                return Some(word * 64 + self.words[word].ilog2() as usize);
            }
            self.root & ((1 << (word / 64)) - 1)
        } else {
            self.root
        };
        if tops == 0 {
            return None;
        }
        let top = tops.ilog2() as usize;
        let word = top * 64 + self.tops[top].ilog2() as usize;
        Some(word * 64 + self.words[word].ilog2() as usize)
    }

    /// The key of the price at a place of the window.
    #[inline(always)]
    fn key_at(&self, grid: &Grid, place: usize) -> i64 {
        let step = self.step_at(place);
        ((step ^ self.flip) * grid.stride()) ^ self.flip
    }

    #[inline(always)]
    fn step_at(&self, place: usize) -> i64 {
        self.base + ((place as i64).wrapping_sub(self.base) & (WINDOW_LEN as i64 - 1))
    }

    fn far_spot(at: usize) -> Spot {
        Spot((WINDOW_LEN + at) as u32)
    }

    fn find_far(&self, price: i64) -> Result<usize, usize> {
        let key = self.key(price);
        self.far.binary_search_by_key(&key, |far| far.key)
    }

    #[cold]
    #[inline(never)]
    fn remove_far(&mut self, at: usize) {
        self.far.remove(at);
        if self.best_spot as usize > WINDOW_LEN + at && self.best_spot != NO_SPOT {
            self.best_spot -= 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_far(&mut self, grid: &Grid, price: i64) -> Spot {
        let (step, whole) = grid.step(price);
        if whole && step.unsigned_abs() < grid.step_max() as u64 {
            self.misses += 1;
            if self.len == 0 {
                self.open_window(grid, step ^ self.flip);
            } else if self.misses >= MISSES_PER_MOVE {
                self.follow_best(grid);
            }
            if self.near(grid, price).is_some() {
                return self.enter(grid, price);
            }
        }
        match self.find_far(price) {
            Ok(at) => Self::far_spot(at),
            Err(at) => {
                let key = self.key(price);
                self.far.insert(at, FarQueue { key, queue: Queue::default() });
                if self.best_spot != NO_SPOT && self.best_spot as usize >= WINDOW_LEN + at {
                    self.best_spot += 1;
                }
                Self::far_spot(at)
            }
        }
    }

    /// The base of a window around `step`.
    fn base_for(grid: &Grid, step: i64) -> Option<i64> {
        let (low, high) = (-grid.step_max(), grid.step_max() - WINDOW_LEN as i64);
        (low < high).then(|| step.saturating_sub(HEADROOM).clamp(low, high))
    }

    fn open_window(&mut self, grid: &Grid, step: i64) {
        let Some(base) = Self::base_for(grid, step) else { return };
        self.words = bytemuck::zeroed_slice_box(WINDOW_LEN / 64);
        self.window = bytemuck::zeroed_slice_box(WINDOW_LEN);
        self.len = WINDOW_LEN as u64;
        self.far.reserve(64);
        self.move_window(grid, base);
    }

    /// Moves the window to where the best is, if it has drifted.
    fn follow_best(&mut self, grid: &Grid) {
        self.misses = 0;
        let Some(best) = self.best_price() else { return };
        let step = best.div_euclid(grid.stride()) ^ self.flip;
        if let Some(base) = Self::base_for(grid, step)
            && base.abs_diff(self.base) >= DRIFT_MIN as u64
        {
            self.move_window(grid, base);
        }
    }

    fn move_window(&mut self, grid: &Grid, base: i64) {
        // What no longer lies in the window goes to the far list.
        for word in 0..self.words.len() {
            let mut bits = self.words[word];
            while bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if (self.step_at(place).wrapping_sub(base) as u64) < self.len {
                    continue;
                }
                let key = self.key_at(grid, place);
                let queue = core::mem::take(&mut self.window[place]);
                self.far.push(FarQueue { key, queue });
                self.words[word] &= !(1 << (place % 64));
            }
        }
        self.base = base;
        // And what now does comes from there.
        let mut far = core::mem::take(&mut self.far);
        far.retain(|far| match self.near(grid, far.key ^ self.flip) {
            Some(Spot(place)) => {
                self.window[place as usize] = far.queue;
                self.words[place as usize / 64] |= 1 << (place % 64);
                false
            }
            None => true,
        });
        far.sort_unstable_by_key(|far| far.key);
        self.far = far;
        self.root = 0;
        for (index, words) in self.words.chunks_exact(64).enumerate() {
            let held = words.iter().enumerate();
            self.tops[index] = held.fold(0, |top, (at, word)| top | u64::from(*word != 0) << at);
            self.root |= u64::from(self.tops[index] != 0) << index;
        }
        if self.best != NO_KEY {
            self.best_spot = self.held(grid, self.best ^ self.flip).0;
        }
    }

    /// All prices that hold something, best first.
    pub(super) fn iter<'a>(&'a self, grid: &'a Grid) -> LadderIter<'a> {
        LadderIter { ladder: self, grid, near: self.held_from_top(), far: self.far.len() }
    }
}

/// All prices of a side that hold something, best first.
#[derive(Clone, Debug)]
pub(super) struct LadderIter<'a> {
    ladder: &'a Ladder,
    grid: &'a Grid,
    /// The next place in the window.
    near: Option<usize>,
    /// Far queues that are left.
    far: usize,
}

impl<'a> Iterator for LadderIter<'a> {
    type Item = (i64, &'a Queue);

    fn next(&mut self) -> Option<Self::Item> {
        let ladder = self.ladder;
        let far = self.far.checked_sub(1).map(|at| &ladder.far[at]);
        if let Some(place) = self.near {
            let key = ladder.key_at(self.grid, place);
            if far.is_none_or(|far| key > far.key) {
                let below = ladder.held_below(place);
                self.near = below.filter(|at| ladder.step_at(*at) < ladder.step_at(place));
                return Some((key ^ ladder.flip, &ladder.window[place]));
            }
        }
        let far = far?;
        self.far -= 1;
        Some((far.key ^ ladder.flip, &far.queue))
    }
}
