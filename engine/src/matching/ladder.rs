//! One side of a market: the levels of its book by price, and which of them is best.
//!
//! Prices that are multiples of the market's step and near the first ones lie in a *window*: a ring of adjacent steps, so that a
//! price is an index, with a bitmap of three levels of 64, so that the next price that holds something is three
//! instructions away, however far. All other prices lie in `far`, in blocks. Nothing depends on which of the two a price is in.
//!
//! The levels themselves lie close together, apart from the window: however far orders spread, what is touched is small.
//!
//! Both sides count upwards to the best: a bid's key is its price, an offer's is the complement of its price, so that
//! the best is the largest key and no price overflows.

use super::far::{Far, FarIter};
use super::markets::HANDLES_MAX;
use crate::grid::Grid;
use core::iter::Peekable;
use serde::{Deserialize, Serialize};
use tidegate_model::Side;
use tidegate_model::saved::{Inconsistent, UpTo};

/// Steps in a window: three levels of 64. At one cent, 2,621: all prices of nearly every share. Memory is used as it is touched.
const WINDOW_LEN: usize = 64 * 64 * 64;
/// Steps that a window keeps free above its first price.
const HEADROOM: i64 = WINDOW_LEN as i64 / 2;
/// The window moves only this often in entries that missed it, which bounds the cost of moving per order.
const MISSES_PER_MOVE: u32 = 4_096;
/// And only if it is off by this many steps.
const DRIFT_MIN: i64 = WINDOW_LEN as i64 / 4;
/// Levels that a side has room for when it is first used.
const LEVELS_MIN: usize = 1_024;
/// Levels that one side may have made room for: one for each order, doubled once more than needed.
const LEVELS_MAX: usize = 4 * HANDLES_MAX as usize;
/// No key: below that of every price.
pub(super) const NO_KEY: i64 = i64::MIN;
/// No level.
pub(super) const NO_LEVEL: u32 = 0;

/// Orders in a row, first to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) qty: u64,
    pub(super) orders: u32,
    /// First order, 0 is none.
    pub(super) head: u32,
    /// Last order, 0 is none.
    pub(super) tail: u32,
}

/// The orders at one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(align(32))]
struct Level {
    queue: Queue,
    key: i64,
}

const _: () = assert!(size_of::<Level>() == 32);

/// Saved are the levels; where they are found follows from their keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ladder {
    /// 0 for bids, -1 for offers: xor with it turns prices to keys, and back.
    flip: i64,
    /// Key of the best price that holds something, or [`NO_KEY`].
    #[serde(skip, default = "no_key")]
    best: i64,
    /// Its level.
    #[serde(skip)]
    best_level: u32,
    /// The level that was freed last, or [`NO_LEVEL`]; the next one is in its `head`.
    free: u32,
    /// Steps in the window: [`WINDOW_LEN`], or 0 until the side is first used.
    len: u64,
    /// Key step of the first place of the window.
    base: i64,
    /// Which of `tops` hold something.
    #[serde(skip)]
    root: u64,
    /// Which of `words` hold something.
    #[serde(skip, default = "no_tops")]
    tops: [u64; 64],
    /// Bit i: place i of the ring holds something.
    #[serde(skip)]
    words: Box<[u64]>,
    /// The ring, by key step modulo its length: the level there, if its bit is set.
    #[serde(skip)]
    window: Box<[u32]>,
    /// The first is nobody's.
    #[serde(with = "UpTo::<LEVELS_MAX>")]
    levels: Vec<Level>,
    /// Keys outside the window and their levels.
    #[serde(skip, default = "Far::new")]
    far: Far,
    /// Entries that missed the window since it moved.
    misses: u32,
}

const fn no_key() -> i64 {
    NO_KEY
}

const fn no_tops() -> [u64; 64] {
    [0; 64]
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self {
            flip: if side == Side::Buy { 0 } else { -1 },
            best: NO_KEY,
            best_level: NO_LEVEL,
            free: NO_LEVEL,
            len: 0,
            base: 0,
            root: 0,
            tops: [0; 64],
            words: Box::default(),
            window: Box::default(),
            levels: Vec::new(),
            far: Far::new(),
            misses: 0,
        }
    }

    /// Makes what follows from the levels that were read from a snapshot; tells the levels that hold something.
    pub(super) fn restored(&mut self, grid: &Grid, side: Side) -> Result<Vec<u32>, Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "price levels", why);
        check(self.flip == Self::new(side).flip, "bids and offers are apart")?;
        let mut is_free = vec![false; self.levels.len()];
        let mut at = self.free;
        while at != NO_LEVEL {
            let free = is_free.get_mut(at as usize).filter(|free| !**free);
            let free =
                free.ok_or(Inconsistent { part: "price levels", why: "free ones are a list" });
            *free? = true;
            at = self.levels[at as usize].queue.head;
        }
        if self.len != 0 {
            let bases = -grid.step_max()..=grid.step_max() - WINDOW_LEN as i64;
            let is_window = self.len == WINDOW_LEN as u64 && bases.contains(&self.base);
            check(is_window, "the window is within the prices")?;
            self.words = bytemuck::zeroed_slice_box(WINDOW_LEN / 64);
            self.window = bytemuck::zeroed_slice_box(WINDOW_LEN);
        }
        let held = (1..self.levels.len()).filter(|at| !is_free[*at]).map(|at| at as u32);
        let held: Vec<u32> = held.collect();
        for &level in &held {
            let key = self.levels[level as usize].key;
            let is_new = match self.near(grid, key ^ self.flip) {
                Some(place) => {
                    let is_new = !self.is_held(place);
                    self.window[place] = level;
                    self.words[place / 64] |= 1 << (place % 64);
                    self.tops[place / 4_096] |= 1 << (place / 64 % 64);
                    self.root |= 1 << (place / 4_096);
                    is_new
                }
                None => key != NO_KEY && self.far.enter(key, level) == level,
            };
            check(is_new, "a price has one level")?;
            self.note_best(key, level);
        }
        Ok(held)
    }

    /// The price of a level.
    pub(super) fn price_of(&self, level: u32) -> i64 {
        self.levels[level as usize].key ^ self.flip
    }

    /// The key of a price: larger is better. Of a key, its price.
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

    /// The level of the best price; the side must not be empty.
    #[inline(always)]
    pub(super) fn best_level(&self) -> u32 {
        self.best_level
    }

    /// The place in the window of a price, if it is one of the window's.
    #[inline(always)]
    fn near(&self, grid: &Grid, price: i64) -> Option<usize> {
        let (step, whole) = grid.step(price);
        let step = step ^ self.flip;
        let inside = (step.wrapping_sub(self.base) as u64) < self.len;
        (inside & whole).then_some(step as usize % WINDOW_LEN)
    }

    /// The level of a price that holds something.
    pub(super) fn find(&self, grid: &Grid, price: i64) -> Option<u32> {
        match self.near(grid, price) {
            Some(place) => self.is_held(place).then(|| self.window[place]),
            None => self.far.find(self.key(price)),
        }
    }

    #[inline(always)]
    fn is_held(&self, place: usize) -> bool {
        self.words[place / 64] >> (place % 64) & 1 != 0
    }

    /// The level of a price, made if there is none; something must be put into it.
    #[inline(always)]
    pub(super) fn enter(&mut self, grid: &Grid, price: i64) -> u32 {
        let Some(place) = self.near(grid, price) else { return self.enter_far(grid, price) };
        let key = self.key(price);
        if self.free == NO_LEVEL {
            self.grow();
        }
        // No branch: whether a price holds something is a coin toss.
        let is_held = self.is_held(place);
        let level = if is_held { self.window[place] } else { self.free };
        let record = &mut self.levels[level as usize];
        let fresh = Level { queue: Queue::default(), key };
        self.free = if is_held { self.free } else { record.queue.head };
        *record = if is_held { *record } else { fresh };
        self.window[place] = level;
        self.words[place / 64] |= 1 << (place % 64);
        self.tops[place / 4_096] |= 1 << (place / 64 % 64);
        self.root |= 1 << (place / 4_096);
        self.note_best(key, level);
        level
    }

    #[inline(always)]
    fn note_best(&mut self, key: i64, level: u32) {
        let better = key > self.best;
        self.best = if better { key } else { self.best };
        self.best_level = if better { level } else { self.best_level };
    }

    #[inline(always)]
    pub(super) fn queue(&self, level: u32) -> &Queue {
        &self.levels[level as usize].queue
    }

    #[inline(always)]
    pub(super) fn queue_mut(&mut self, level: u32) -> &mut Queue {
        &mut self.levels[level as usize].queue
    }

    /// Makes room for one more level at least.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let first = self.levels.len().max(1);
        let len = (self.levels.len() * 2).max(LEVELS_MIN);
        self.levels.resize(len, Level::default());
        for level in (first..len).rev() {
            self.levels[level].queue.head = self.free;
            self.free = level as u32;
        }
    }

    /// The level is empty now: its price leaves the ladder.
    #[inline(always)]
    pub(super) fn emptied(&mut self, grid: &Grid, level: u32) {
        let record = &mut self.levels[level as usize];
        let key = record.key;
        record.queue.head = self.free;
        self.free = level;
        let place = self.near(grid, key ^ self.flip);
        match place {
            Some(place) => {
                let word = &mut self.words[place / 64];
                *word &= !(1 << (place % 64));
                if *word == 0 {
                    let top = &mut self.tops[place / 4_096];
                    *top &= !(1 << (place / 64 % 64));
                    self.root &= !(u64::from(*top == 0) << (place / 4_096));
                }
            }
            None => self.leave_far(key),
        }
        if key == self.best {
            self.find_best(grid, place);
        }
    }

    /// The best was at `place` of the window, or outside, and is gone: finds the next.
    #[inline(always)]
    fn find_best(&mut self, grid: &Grid, place: Option<usize>) {
        let near = match place {
            Some(place) => self.held_below(place),
            None => self.held_from_top(),
        };
        let near = near.map(|place| (self.key_at(grid, place), self.window[place]));
        let near = near.unwrap_or((NO_KEY, NO_LEVEL));
        let far = self.far.best();
        // A branch, which nearly never goes the other way: nobody waits for `far`.
        (self.best, self.best_level) = if far.0 > near.0 { far } else { near };
    }

    /// The next place below `place` that holds something, in the window's order.
    #[inline(always)]
    fn held_below(&self, place: usize) -> Option<usize> {
        let word = self.words[place / 64] & ((1 << (place % 64)) - 1);
        if word != 0 {
            return Some(place & !63 | word.ilog2() as usize);
        }
        // The ring's end comes before its start where the window began in between.
        let wrapped = || self.last_held(WINDOW_LEN / 64).filter(|at| *at > place);
        self.last_held(place / 64).or_else(wrapped)
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
        self.key_of(grid, self.step_at(place))
    }

    /// The key of the price that a step of a window stands for.
    #[inline(always)]
    fn key_of(&self, grid: &Grid, step: i64) -> i64 {
        ((step ^ self.flip) * grid.stride()) ^ self.flip
    }

    #[inline(always)]
    fn step_at(&self, place: usize) -> i64 {
        self.base + ((place as i64).wrapping_sub(self.base) & (WINDOW_LEN as i64 - 1))
    }

    #[cold]
    #[inline(never)]
    fn leave_far(&mut self, key: i64) {
        self.far.remove(key);
    }

    #[cold]
    #[inline(never)]
    fn enter_far(&mut self, grid: &Grid, price: i64) -> u32 {
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
        let key = self.key(price);
        if self.free == NO_LEVEL {
            self.grow();
        }
        let level = self.far.enter(key, self.free);
        if level == self.free {
            let record = &mut self.levels[level as usize];
            self.free = record.queue.head;
            *record = Level { queue: Queue::default(), key };
        }
        self.note_best(key, level);
        level
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
        // What no longer lies in the window goes to the others.
        for word in 0..self.words.len() {
            let mut bits = self.words[word];
            while bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if (self.step_at(place).wrapping_sub(base) as u64) >= self.len {
                    self.far.enter(self.key_at(grid, place), self.window[place]);
                    self.words[word] &= !(1 << (place % 64));
                }
            }
        }
        self.base = base;
        // And what now does comes from there.
        let last = self.key_of(grid, base + WINDOW_LEN as i64 - 1);
        let mut from = self.key_of(grid, base);
        while let Some((key, level)) = self.far.next(from).filter(|(key, _)| *key <= last) {
            if let Some(place) = self.near(grid, key ^ self.flip) {
                self.far.remove(key);
                self.window[place] = level;
                self.words[place / 64] |= 1 << (place % 64);
            }
            from = key + 1;
        }
        self.root = 0;
        for (index, words) in self.words.chunks_exact(64).enumerate() {
            let held = words.iter().enumerate();
            self.tops[index] = held.fold(0, |top, (at, word)| top | u64::from(*word != 0) << at);
            self.root |= u64::from(self.tops[index] != 0) << index;
        }
    }

    /// All prices that hold something, best first.
    pub(super) fn iter<'a>(&'a self, grid: &'a Grid) -> LadderIter<'a> {
        let (near, far) = (self.held_from_top(), self.far.iter().peekable());
        LadderIter { ladder: self, grid, near, far }
    }
}

/// All prices of a side that hold something, best first.
#[derive(Clone, Debug)]
pub(super) struct LadderIter<'a> {
    ladder: &'a Ladder,
    grid: &'a Grid,
    /// The next place in the window.
    near: Option<usize>,
    /// What is left outside.
    far: Peekable<FarIter<'a>>,
}

impl<'a> Iterator for LadderIter<'a> {
    type Item = (i64, &'a Queue);

    fn next(&mut self) -> Option<Self::Item> {
        let ladder = self.ladder;
        if let Some(place) = self.near {
            let key = ladder.key_at(self.grid, place);
            if self.far.peek().is_none_or(|(far, _)| key > *far) {
                let below = ladder.held_below(place);
                self.near = below.filter(|at| ladder.step_at(*at) < ladder.step_at(place));
                return Some((key ^ ladder.flip, ladder.queue(ladder.window[place])));
            }
        }
        let (key, level) = self.far.next()?;
        Some((key ^ ladder.flip, ladder.queue(level)))
    }
}
