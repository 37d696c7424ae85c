//! One side of one book: the queues of orders by price, and which of them is best.
//!
//! Prices that are multiples of the instrument's stride and near the best lie in a *window*: a ring of adjacent
//! steps, with a bitmap of those that hold something. Entering and leaving a queue there takes no branch that depends on the
//! flow. All other prices lie in `far`, sorted. Nothing depends on which of the two a price is in.
//!
//! Both sides count upwards to the best: a bid's key is its price, an offer's is the complement of its price,
//! so that the best is the largest key and no price overflows.

use crate::grid::Grid;
use tidegate_model::{Side, Ticks};

/// Steps in a window; a multiple of 64 and a power of two. At one cent, 5.12: the part of a share's book where nearly all orders are.
pub(super) const WINDOW_LEN: usize = 512;
const WORDS: usize = WINDOW_LEN / 64;
/// Steps above the best that a window keeps free for it to improve; the rest lies below it.
const HEADROOM: i64 = WINDOW_LEN as i64 / 4;
/// The window moves only this often in lookups that missed it, which bounds the cost of moving per event.
const MISSES_PER_MOVE: u32 = 64;
/// And only if it is off by this many steps.
const DRIFT_MIN: i64 = WINDOW_LEN as i64 / 8;

/// The orders at one price, first to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) qty: u64,
    pub(super) orders: u32,
    /// Slot of the first order, 0 is none.
    pub(super) head: u32,
    /// Slot of the last order, 0 is none.
    pub(super) tail: u32,
}

/// A price outside the window.
#[derive(Clone, Copy, Debug)]
struct FarQueue {
    key: i64,
    queue: Queue,
}

/// Where a queue is. Valid until the next insertion or removal in the ladder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    /// In the window, at this place of the ring.
    Near(usize),
    /// In `far`, at this index.
    Far(usize),
}

#[derive(Debug)]
pub(super) struct Ladder {
    /// 0 for bids, -1 for offers: xor with it turns prices to keys, and back.
    flip: i64,
    /// Key step of the first place of the window; a multiple of 64.
    base: i64,
    /// Bit i: place i of the ring holds something.
    words: [u64; WORDS],
    /// The ring, by key step modulo its length; allocated when the side is first used.
    window: Option<Box<[Queue; WINDOW_LEN]>>,
    /// Sorted by key, the best last.
    far: Vec<FarQueue>,
    /// Lookups that missed the window since it moved.
    misses: u32,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        let flip = if side == Side::Buy { 0 } else { -1 };
        Self { flip, base: 0, words: [0; WORDS], window: None, far: Vec::new(), misses: 0 }
    }

    /// The place in the window of `price`, if it is one of the window's.
    #[inline(always)]
    fn near(&self, grid: &Grid, price: Ticks) -> Option<usize> {
        let (step, whole) = grid.step(price.0);
        let step = step ^ self.flip;
        let inside = (step.wrapping_sub(self.base) as u64) < WINDOW_LEN as u64;
        (inside & whole & self.window.is_some()).then_some(step as usize % WINDOW_LEN)
    }

    /// The queue of a price in the window, whether it holds anything or not; of any other price, some queue. `None` if there is no
    /// window.
    #[inline(always)]
    pub(super) fn window_queue(&self, grid: &Grid, price: Ticks) -> Option<&Queue> {
        let (step, _) = grid.step(price.0);
        self.window().map(|window| &window[(step ^ self.flip) as usize % WINDOW_LEN])
    }

    /// The queue of a price that has one.
    #[inline(always)]
    pub(super) fn find(&self, grid: &Grid, price: Ticks) -> Option<Spot> {
        match self.near(grid, price) {
            Some(place) => {
                (self.words[place / 64] >> (place % 64) & 1 != 0).then_some(Spot::Near(place))
            }
            None => self.find_far(price).ok().map(Spot::Far),
        }
    }

    /// The queue of a price that is known to have one.
    #[inline(always)]
    pub(super) fn held(&self, grid: &Grid, price: Ticks) -> Spot {
        match self.near(grid, price) {
            Some(place) => Spot::Near(place),
            None => self.held_far(price),
        }
    }

    #[cold]
    #[inline(never)]
    fn held_far(&self, price: Ticks) -> Spot {
        Spot::Far(self.find_far(price).expect("an order's price has a queue"))
    }

    /// The queue of `price`, made if there is none. [`Self::note_held`] or [`Self::note_emptied`] must follow.
    #[inline(always)]
    pub(super) fn enter(&mut self, grid: &Grid, price: Ticks) -> Spot {
        match self.near(grid, price) {
            Some(place) => Spot::Near(place),
            None => self.enter_far(grid, price),
        }
    }

    /// The queue at `spot`.
    #[inline(always)]
    pub(super) fn queue(&self, spot: Spot) -> &Queue {
        match spot {
            Spot::Near(place) => &self.window().expect(WINDOW_HELD)[place],
            Spot::Far(at) => &self.far[at].queue,
        }
    }

    /// The queue at `spot`, to be changed. [`Self::note_held`] or [`Self::note_emptied`] must follow.
    #[inline(always)]
    pub(super) fn queue_mut(&mut self, spot: Spot) -> &mut Queue {
        match spot {
            Spot::Near(place) => &mut self.window.as_deref_mut().expect(WINDOW_HELD)[place],
            Spot::Far(at) => &mut self.far[at].queue,
        }
    }

    /// Notes that the queue at `spot`, which may have been empty, holds something.
    #[inline(always)]
    pub(super) fn note_held(&mut self, spot: Spot) {
        if let Spot::Near(place) = spot {
            self.words[place / 64] |= 1 << (place % 64);
        }
    }

    /// Notes whether the queue at `spot`, which held something, is empty now. `spot` is void then.
    #[inline(always)]
    pub(super) fn note_emptied(&mut self, spot: Spot, emptied: bool) {
        match spot {
            // No branch: whether a level empties is a coin toss in real flow.
            Spot::Near(place) => self.words[place / 64] ^= u64::from(emptied) << (place % 64),
            Spot::Far(at) => {
                if emptied {
                    self.remove_far(at);
                }
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn remove_far(&mut self, at: usize) {
        self.far.remove(at);
    }

    #[inline(always)]
    fn window(&self) -> Option<&[Queue; WINDOW_LEN]> {
        self.window.as_deref()
    }

    fn find_far(&self, price: Ticks) -> Result<usize, usize> {
        let key = price.0 ^ self.flip;
        self.far.binary_search_by_key(&key, |far| far.key)
    }

    #[cold]
    #[inline(never)]
    fn enter_far(&mut self, grid: &Grid, price: Ticks) -> Spot {
        let (step, whole) = grid.step(price.0);
        let usable = whole && step.unsigned_abs() < grid.step_max() as u64;
        if usable {
            self.misses += 1;
            if self.window.is_none() {
                self.open_window(grid, step ^ self.flip);
            } else if self.misses >= MISSES_PER_MOVE {
                self.follow_best(grid);
            }
            if let Some(place) = self.near(grid, price) {
                return Spot::Near(place);
            }
        }
        match self.find_far(price) {
            Ok(at) => Spot::Far(at),
            Err(at) => {
                let key = price.0 ^ self.flip;
                self.far.insert(at, FarQueue { key, queue: Queue::default() });
                Spot::Far(at)
            }
        }
    }

    /// The base of a window around a best price at `step`.
    fn base_for(grid: &Grid, step: i64) -> Option<i64> {
        let low = -grid.step_max();
        let high = grid.step_max() - WINDOW_LEN as i64;
        if high - 128 < low {
            return None;
        }
        let below = WINDOW_LEN as i64 - HEADROOM;
        let base = step.saturating_sub(below).clamp(low + 64, high);
        Some(base & !63)
    }

    fn open_window(&mut self, grid: &Grid, step: i64) {
        let Some(base) = Self::base_for(grid, step) else { return };
        let queues = vec![Queue::default(); WINDOW_LEN].into_boxed_slice();
        self.window = Some(queues.try_into().expect("the length is the window's"));
        self.far.reserve(64);
        self.move_window(grid, base);
    }

    /// Moves the window to where the best is, if it has drifted.
    fn follow_best(&mut self, grid: &Grid) {
        self.misses = 0;
        let Some(best) = self.best(grid).map(|(price, _)| price) else { return };
        let step = best.0.div_euclid(grid.stride()) ^ self.flip;
        if let Some(base) = Self::base_for(grid, step)
            && base.abs_diff(self.base) >= DRIFT_MIN as u64
        {
            self.move_window(grid, base);
        }
    }

    fn move_window(&mut self, grid: &Grid, base: i64) {
        let window = self.window.as_deref_mut().expect(WINDOW_HELD);
        // What no longer lies in the window goes to the far list.
        for index in 0..WORDS {
            let mut word = self.words[index];
            while word != 0 {
                let place = index * 64 + word.trailing_zeros() as usize;
                word &= word - 1;
                let step = step_at(self.base, place);
                if (step.wrapping_sub(base) as u64) < WINDOW_LEN as u64 {
                    continue;
                }
                let queue = core::mem::take(&mut window[place]);
                let key = ((step ^ self.flip) * grid.stride()) ^ self.flip;
                self.far.push(FarQueue { key, queue });
                self.words[index] &= !(1 << (place % 64));
            }
        }
        self.base = base;
        // And what now does comes from there.
        let (flip, words) = (self.flip, &mut self.words);
        self.far.retain(|far| {
            let (step, whole) = grid.step(far.key ^ flip);
            let step = step ^ flip;
            let inside = (step.wrapping_sub(base) as u64) < WINDOW_LEN as u64;
            if inside & whole {
                let place = step as usize % WINDOW_LEN;
                window[place] = far.queue;
                words[place / 64] |= 1 << (place % 64);
            }
            !(inside & whole)
        });
        self.far.sort_unstable_by_key(|far| far.key);
    }

    /// How many places lie between the window's start and its best one.
    #[inline(always)]
    fn best_near(&self) -> Option<usize> {
        // The window starts at a word's boundary, and the best is mostly in one of the words below the headroom.
        let first = self.first_word();
        for index in (0..WORDS).rev() {
            let word = self.words[(first + index) % WORDS];
            if word != 0 {
                return Some(index * 64 + word.ilog2() as usize);
            }
        }
        None
    }

    /// The word of the window's first 64 places.
    #[inline(always)]
    fn first_word(&self) -> usize {
        (self.base as usize / 64) % WORDS
    }

    /// The best price that holds something, and its queue.
    #[inline(always)]
    pub(super) fn best(&self, grid: &Grid) -> Option<(Ticks, &Queue)> {
        match (self.best_near(), self.far.last()) {
            (None, None) => None,
            (Some(offset), None) => Some(self.near_at(grid, offset)),
            (None, Some(far)) => Some((Ticks(far.key ^ self.flip), &far.queue)),
            (Some(offset), Some(far)) => {
                let near = self.near_at(grid, offset);
                if near.0.0 ^ self.flip > far.key {
                    Some(near)
                } else {
                    Some((Ticks(far.key ^ self.flip), &far.queue))
                }
            }
        }
    }

    /// The price and queue `offset` places after the window's start.
    #[inline(always)]
    fn near_at(&self, grid: &Grid, offset: usize) -> (Ticks, &Queue) {
        let step = self.base + offset as i64;
        let queue = &self.window().expect(WINDOW_HELD)[step as usize % WINDOW_LEN];
        (Ticks((step ^ self.flip) * grid.stride()), queue)
    }

    /// All prices that hold something, best first.
    pub(super) fn iter<'a>(&'a self, grid: &'a Grid) -> LadderIter<'a> {
        LadderIter { ladder: self, grid, near: self.best_near(), far: self.far.len() }
    }
}

/// All prices of a side that hold something, best first.
#[derive(Clone, Debug)]
pub(super) struct LadderIter<'a> {
    ladder: &'a Ladder,
    grid: &'a Grid,
    /// The next in the window, as an offset from its start.
    near: Option<usize>,
    /// Far queues that are left.
    far: usize,
}

impl LadderIter<'_> {
    /// The best place of the window below `offset`.
    fn near_below(&self, offset: usize) -> Option<usize> {
        let first = self.ladder.first_word();
        let mut index = offset / 64;
        let mut below = (1u64 << (offset % 64)) - 1;
        loop {
            let word = self.ladder.words[(first + index) % WORDS] & below;
            if word != 0 {
                return Some(index * 64 + word.ilog2() as usize);
            }
            index = index.checked_sub(1)?;
            below = u64::MAX;
        }
    }
}

impl<'a> Iterator for LadderIter<'a> {
    type Item = (Ticks, &'a Queue);

    fn next(&mut self) -> Option<Self::Item> {
        let far = self.far.checked_sub(1).map(|at| &self.ladder.far[at]);
        if let Some(offset) = self.near {
            let (price, queue) = self.ladder.near_at(self.grid, offset);
            if far.is_none_or(|far| price.0 ^ self.ladder.flip > far.key) {
                self.near = self.near_below(offset);
                return Some((price, queue));
            }
        }
        let far = far?;
        self.far -= 1;
        Some((Ticks(far.key ^ self.ladder.flip), &far.queue))
    }
}

const WINDOW_HELD: &str = "a place in the window is given only once there is one";

/// The key step that lies at `place` of the ring of a window that starts at `base`.
#[inline(always)]
fn step_at(base: i64, place: usize) -> i64 {
    base + ((place as i64).wrapping_sub(base) & (WINDOW_LEN as i64 - 1))
}
