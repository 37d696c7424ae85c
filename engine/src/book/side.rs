//! One side of a book whose feed tells levels and no orders (L1, L2): quantities by price, and which price is best.
//!
//! Feeds of whole books change levels far from the best all the time, so the *window* is wide: a ring of adjacent steps, with a bitmap
//! of those that hold something. All other prices lie in `far`, sorted; in a book of few levels all of them do. Nothing
//! depends on which of the two a price is in.
//!
//! What a step is follows from the prices: the greatest that they are all multiples of. Feeds count in units much finer than
//! what their prices move in, and do not say by how much.
//!
//! As in a `ladder`, both sides count upwards to the best: a bid's key is its price, an offer's is the complement of its price.

use super::Level;
use crate::grid::Grid;
use bytemuck::{Pod, Zeroable};
use tidegate_model::{Lots, Side, Ticks, ahead};

/// Steps in a window; a multiple of 64 and a power of two. At 0.1, 6,553: a tenth of a bitcoin's price. 1 MiB of address space,
/// of which what is never touched costs nothing.
const WINDOW_LEN: usize = 1 << 16;
const WORDS: usize = WINDOW_LEN / 64;
/// Steps above the best that a window keeps free for it to improve; the rest lies below it.
const HEADROOM: i64 = WINDOW_LEN as i64 / 4;
/// Levels from which on a side has a window: fewer are found as quickly in the list.
const WINDOW_FROM: usize = 32;
/// The window moves, or changes its step, only this often in levels that came outside of it, which bounds the cost of moving.
const MISSES_PER_MOVE: u32 = 64;
/// And it moves only if it is off by this many steps.
const DRIFT_MIN: i64 = WINDOW_LEN as i64 / 8;
/// No step: nothing of the window is held.
const NONE: i64 = i64::MIN;

/// A level; without quantity it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Held {
    qty: u64,
    orders: u32,
    reserved: u32,
}

/// A level outside the window.
#[derive(Clone, Copy, Debug)]
struct Far {
    key: i64,
    held: Held,
}

/// Where a level is, or would be. Valid until the next change of its side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the window, at this key step.
    Near(i64),
    /// In `far`, at this index if it is there.
    Far(Result<usize, usize>),
}

/// The part of a side where most of it lies.
#[derive(Debug)]
struct Window {
    grid: Grid,
    /// Key step of the first place; a multiple of 64.
    base: i64,
    /// The best key step that holds something, or [`NONE`].
    best: i64,
    /// Bit i: place i of the ring holds something.
    words: Box<[u64]>,
    /// The ring, by key step modulo its length.
    ring: Box<[Held]>,
}

/// One side.
#[derive(Debug)]
pub(super) struct LevelSide {
    /// 0 for bids, -1 for offers: xor with it turns prices to keys, and back.
    flip: i64,
    window: Option<Window>,
    /// Sorted by key, the best last.
    far: Vec<Far>,
    /// Levels that came outside the window since it moved.
    misses: u32,
    /// The greatest common divisor of those prices that are no multiples of the window's step; 0 if there are none.
    odd: u64,
}

/// The place in its ring of a key step.
#[inline(always)]
fn place_of(step: i64) -> usize {
    step as usize % WINDOW_LEN
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A step that is no greater than a grid's may be.
fn stride_of(divisor: u64) -> i64 {
    let mut stride = divisor.max(1);
    while stride > Grid::STRIDE_MAX as u64 {
        stride = if stride.is_multiple_of(10) { stride / 10 } else { 1 };
    }
    stride as i64
}

impl Window {
    /// The key step of a price, if the window has a place for it.
    #[inline(always)]
    fn step(&self, price: Ticks, flip: i64) -> Option<i64> {
        let (step, is_whole) = self.grid.step(price.0);
        let step = step ^ flip;
        let is_near = (step.wrapping_sub(self.base) as u64) < WINDOW_LEN as u64;
        (is_near & is_whole).then_some(step)
    }

    /// An empty window around a best price, in the memory of an empty one before; `None` where steps end.
    fn around(stride: i64, flip: i64, best: Ticks, before: Option<Self>) -> Option<Self> {
        let grid = Grid::new(stride);
        let base = base_for(&grid, best.0.div_euclid(stride) ^ flip)?;
        let window = before.unwrap_or_else(|| Self {
            grid,
            base,
            best: NONE,
            words: bytemuck::allocation::zeroed_slice_box(WORDS),
            ring: bytemuck::allocation::zeroed_slice_box(WINDOW_LEN),
        });
        Some(Self { grid, base, ..window })
    }

    /// The best key step at or below `step` that holds something.
    fn best_from(&self, step: i64) -> i64 {
        let Some(mut left) = step.checked_sub(self.base).filter(|offset| *offset >= 0) else {
            return NONE;
        };
        let first = place_of(self.base) / 64;
        loop {
            let (index, bit) = (left as usize / 64, left as usize % 64);
            let word = self.words[(first + index) % WORDS] & (u64::MAX >> (63 - bit));
            if word != 0 {
                return self.base + (index * 64) as i64 + i64::from(word.ilog2());
            }
            if index == 0 {
                return NONE;
            }
            left = (index * 64) as i64 - 1;
        }
    }

    #[inline(always)]
    fn put(&mut self, step: i64, held: Held) {
        let place = place_of(step);
        let had = core::mem::replace(&mut self.ring[place], held).qty != 0;
        let has = held.qty != 0;
        if had == has {
            return;
        }
        self.words[place / 64] ^= 1 << (place % 64);
        if has {
            self.best = self.best.max(step);
        } else if self.best == step {
            self.best = self.best_from(step);
        }
    }

    fn price(&self, flip: i64, step: i64) -> Ticks {
        Ticks((step ^ flip) * self.grid.stride())
    }
}

/// The base of a window around a best key step.
fn base_for(grid: &Grid, best: i64) -> Option<i64> {
    let low = -grid.step_max();
    let high = grid.step_max() - WINDOW_LEN as i64;
    if high - 128 < low {
        return None;
    }
    let below = WINDOW_LEN as i64 - HEADROOM;
    Some(best.saturating_sub(below).clamp(low + 64, high) & !63)
}

#[inline(always)]
fn level(price: Ticks, held: Held) -> Level {
    Level { price, qty: Lots(held.qty), orders: held.orders }
}

impl LevelSide {
    pub(super) fn new(side: Side) -> Self {
        let flip = if side == Side::Buy { 0 } else { -1 };
        Self { flip, window: None, far: Vec::new(), misses: 0, odd: 0 }
    }

    /// Where the level at `price` is or would be.
    #[inline(always)]
    pub(super) fn place(&self, price: Ticks) -> Place {
        if let Some(window) = &self.window
            && let Some(step) = window.step(price, self.flip)
        {
            return Place::Near(step);
        }
        Place::Far(self.find_far(price))
    }

    /// Begins to fetch the level at `price`, if the window has a place for it.
    #[inline]
    pub(super) fn fetch(&self, price: Ticks) {
        if let Some(window) = &self.window
            && let Some(step) = window.step(price, self.flip)
        {
            ahead::fetch(&window.ring[place_of(step)]);
        }
    }

    fn find_far(&self, price: Ticks) -> Result<usize, usize> {
        let key = price.0 ^ self.flip;
        self.far.binary_search_by_key(&key, |far| far.key)
    }

    /// The level at a place that [`Self::place`] gave for `price`; without quantity if there is none.
    #[inline(always)]
    pub(super) fn at(&self, place: Place, price: Ticks) -> Level {
        let held = match (place, &self.window) {
            (Place::Near(step), Some(window)) => window.ring[place_of(step)],
            (Place::Far(Ok(at)), _) => self.far[at].held,
            _ => Held::default(),
        };
        level(price, held)
    }

    /// Sets the level at a place that [`Self::place`] gave for its price; without quantity it goes.
    #[inline(always)]
    pub(super) fn put(&mut self, place: Place, level: Level) {
        let held = Held { qty: level.qty.0, orders: level.orders, reserved: 0 };
        match (place, &mut self.window) {
            (Place::Near(step), Some(window)) => window.put(step, held),
            (place, _) => self.put_far(place, level.price, held),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_far(&mut self, place: Place, price: Ticks, held: Held) {
        match place {
            Place::Far(Ok(at)) if held.qty == 0 => drop(self.far.remove(at)),
            Place::Far(Ok(at)) => self.far[at].held = held,
            Place::Far(Err(at)) if held.qty != 0 => {
                self.far.insert(at, Far { key: price.0 ^ self.flip, held });
                self.missed(price);
            }
            _ => {}
        }
    }

    /// A level came outside the window.
    fn missed(&mut self, price: Ticks) {
        let Some(window) = &self.window else {
            if self.far.len() >= WINDOW_FROM {
                let prices = self.far.iter().map(|far| (far.key ^ self.flip).unsigned_abs());
                let divisor = prices.fold(0, gcd);
                self.open(stride_of(divisor));
            }
            return;
        };
        let stride = window.grid.stride();
        if price.0 % stride != 0 {
            self.odd = gcd(self.odd, price.0.unsigned_abs());
        }
        self.misses += 1;
        if self.misses < MISSES_PER_MOVE {
            return;
        }
        let Some((best, _)) = self.best_held() else { return };
        let odd = std::mem::take(&mut self.odd);
        self.misses = 0;
        if odd != 0 {
            self.open(stride_of(gcd(stride as u64, odd)));
        } else if let Some(base) = base_for(&window.grid, best.0.div_euclid(stride) ^ self.flip)
            && base.abs_diff(window.base) >= DRIFT_MIN as u64
        {
            self.open(stride);
        }
    }

    /// Lays all levels out anew, with a window of this step around the best.
    fn open(&mut self, stride: i64) {
        let Some((best, _)) = self.best_held() else { return };
        let Self { flip, window, far, .. } = self;
        if let Some(window) = window {
            while window.best != NONE {
                let (step, price) = (window.best, window.price(*flip, window.best));
                far.push(Far { key: price.0 ^ *flip, held: window.ring[place_of(step)] });
                window.put(step, Held::default());
            }
        }
        far.sort_unstable_by_key(|far| far.key);
        *window = Window::around(stride, *flip, best, window.take());
        let Some(window) = window else { return };
        far.retain(|far| match window.step(Ticks(far.key ^ *flip), *flip) {
            Some(step) => {
                window.put(step, far.held);
                false
            }
            None => true,
        });
    }

    #[inline(always)]
    fn best_held(&self) -> Option<(Ticks, Held)> {
        let far = self.far.last().map(|far| (Ticks(far.key ^ self.flip), far.held));
        let near = self.window.as_ref().filter(|window| window.best != NONE).map(|window| {
            (window.price(self.flip, window.best), window.ring[place_of(window.best)])
        });
        match (near, far) {
            (Some(near), Some(far)) if near.0.0 ^ self.flip < far.0.0 ^ self.flip => Some(far),
            (Some(near), _) => Some(near),
            (None, far) => far,
        }
    }

    /// The best level.
    #[inline(always)]
    pub(super) fn best(&self) -> Option<Level> {
        self.best_held().map(|(price, held)| level(price, held))
    }

    /// All levels, best first.
    pub(super) fn iter(&self) -> LevelSideIter<'_> {
        let near = self.window.as_ref().map_or(NONE, |window| window.best);
        LevelSideIter { side: self, near, far: self.far.len() }
    }
}

/// All levels of a side, best first.
#[derive(Clone, Debug)]
pub(super) struct LevelSideIter<'a> {
    side: &'a LevelSide,
    /// The next in the window, or [`NONE`].
    near: i64,
    /// Levels outside that are left.
    far: usize,
}

impl Iterator for LevelSideIter<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let flip = self.side.flip;
        let far = self.far.checked_sub(1).map(|at| &self.side.far[at]);
        if let Some(window) = self.side.window.as_ref().filter(|_| self.near != NONE) {
            let price = window.price(flip, self.near);
            if far.is_none_or(|far| price.0 ^ flip > far.key) {
                let held = window.ring[place_of(self.near)];
                self.near = window.best_from(self.near - 1);
                return Some(level(price, held));
            }
        }
        let far = far?;
        self.far -= 1;
        Some(level(Ticks(far.key ^ flip), far.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Changes of one side: a price and its quantity.
    fn check(side: Side, changes: impl IntoIterator<Item = (i64, u64)>) -> LevelSide {
        let (mut levels, mut twin) = (LevelSide::new(side), BTreeMap::new());
        for (price, qty) in changes {
            let key = if side == Side::Buy { price } else { !price };
            let place = levels.place(Ticks(price));
            let before = levels.at(place, Ticks(price)).qty.0;
            assert_eq!(before, twin.get(&key).copied().unwrap_or(0), "before {price}");
            levels.put(place, Level { price: Ticks(price), qty: Lots(qty), orders: 0 });
            if qty == 0 {
                twin.remove(&key);
            } else {
                twin.insert(key, qty);
            }
            let told = |level: Level| (level.price.0 ^ levels.flip, level.qty.0);
            let best = twin.last_key_value().map(|(key, qty)| (*key, *qty));
            assert_eq!(levels.best().map(told), best, "after {price}: {qty}");
        }
        let all: Vec<_> =
            levels.iter().map(|level| (level.price.0 ^ levels.flip, level.qty.0)).collect();
        assert_eq!(all, twin.into_iter().rev().collect::<Vec<_>>());
        levels
    }

    fn stride(levels: &LevelSide) -> Option<i64> {
        levels.window.as_ref().map(|window| window.grid.stride())
    }

    #[test]
    fn the_step_is_what_prices_are_multiples_of_and_gets_finer_with_them() {
        for side in [Side::Buy, Side::Sell] {
            let coarse = |n: i64| (6_000_000_000_000 + n * 50_000_000, 1);
            assert_eq!(
                stride(&check(side, (0..31).map(coarse))),
                None,
                "few levels need no window"
            );
            let levels = check(side, (0..200).map(coarse));
            assert_eq!(stride(&levels), Some(50_000_000));
            assert!(levels.far.is_empty());
            let fine = |n: i64| (6_000_000_000_000 + n * 10_000_000, 1);
            let levels = check(side, (0..200).map(coarse).chain((0..1_000).map(fine)));
            assert_eq!(stride(&levels), Some(10_000_000));
            assert!(levels.far.is_empty());
            // A price that only a finer step would hold, alone, lies outside.
            let levels = check(side, (0..200).map(coarse).chain([(7, 1)]));
            assert_eq!((stride(&levels), levels.far.len()), (Some(50_000_000), 1));
        }
    }

    #[test]
    fn the_window_follows_the_best() {
        for side in [Side::Buy, Side::Sell] {
            let run = (0..1_000i64).flat_map(|n| {
                let at = 1_000_000 + n * 1_000;
                (0..4).map(move |i| (at + i, 1)).chain((0..4).map(move |i| (at - 40_000 + i, 0)))
            });
            let levels = check(side, run);
            assert!(levels.far.len() < 100, "{}", levels.far.len());
        }
    }

    #[test]
    fn prices_at_the_ends_of_their_range_are_right_too() {
        let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        let many = (0..100).map(|n| (n * 7, 1));
        for side in [Side::Buy, Side::Sell] {
            for end in ends {
                let around = (0..200i64).map(|n| (end.saturating_add(n - 100), 2));
                check(side, many.clone().chain(ends.map(|end| (end, 3))).chain(around));
                check(side, (0..200i64).map(|n| (end.saturating_add(n * 3 - 300), 2)));
            }
        }
        let huge = (0..100).map(|n| (n * 100_000_000_000, 1));
        assert_eq!(stride(&check(Side::Buy, huge)), Some(1_000_000_000));
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(
            steps in proptest::collection::vec((0..400u32, 0..3u64, 0..10u8), 0..1_500),
            middle in -100_000..1_000_000i64, tick in 1..2_000i64, sell: bool,
        ) {
            let mut at = middle;
            let changes = steps.into_iter().map(|(away, qty, run)| {
                let away = i64::from(away);
                let price = match run {
                    0 => { at += away * 100; at }
                    1 => { at -= away * 150; at }
                    2 => return (at * tick + away, qty),
                    _ => at + away - 200,
                };
                (price * tick, qty)
            });
            check(if sell { Side::Sell } else { Side::Buy }, changes.collect::<Vec<_>>());
        }
    }
}
