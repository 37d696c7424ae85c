//! Prices in order, however far apart: the levels of a ladder that lie outside its window.
//!
//! Blocks of entries in order, and an index of the blocks in order: finding is two binary searches, adding and taking
//! away move half a block of entries and, once in many times, half of the index. Memory is kept when prices go.

use super::ladder::{NO_KEY, NO_LEVEL};

/// Entries in a block: moving half of them takes about as long as finding the block among a hundred.
const BLOCK_LEN: usize = 128;
/// A block with so few entries joins a neighbour that has as few. So of two neighbours one has more, and an eighth of all places is used.
const FEW: usize = BLOCK_LEN / 4;

/// Keys in order and the level of each.
#[derive(Clone, Debug)]
struct Block {
    len: usize,
    keys: [i64; BLOCK_LEN],
    levels: [u32; BLOCK_LEN],
}

const EMPTY: Block = Block { len: 0, keys: [0; BLOCK_LEN], levels: [0; BLOCK_LEN] };

impl Block {
    #[inline(always)]
    fn keys(&self) -> &[i64] {
        &self.keys[..self.len]
    }

    /// Where the first key is that is not below `key`.
    #[inline(always)]
    fn place(&self, key: i64) -> usize {
        self.keys().partition_point(|other| *other < key)
    }

    #[inline(always)]
    fn entry(&self, at: usize) -> Option<(i64, u32)> {
        self.keys().get(at).map(|key| (*key, self.levels[at]))
    }

    #[inline(always)]
    fn insert(&mut self, at: usize, key: i64, level: u32) {
        self.keys.copy_within(at..self.len, at + 1);
        self.levels.copy_within(at..self.len, at + 1);
        self.keys[at] = key;
        self.levels[at] = level;
        self.len += 1;
    }

    #[inline(always)]
    fn remove(&mut self, at: usize) {
        self.keys.copy_within(at + 1..self.len, at);
        self.levels.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Moves the entries from `at` on to the end of `other`, which has room for them.
    fn move_to(&mut self, other: &mut Self, at: usize) {
        let end = other.len + self.len - at;
        other.keys[other.len..end].copy_from_slice(&self.keys[at..self.len]);
        other.levels[other.len..end].copy_from_slice(&self.levels[at..self.len]);
        other.len = end;
        self.len = at;
    }
}

/// Levels by key. There are at most as many as orders.
#[derive(Clone, Debug)]
pub(super) struct Far {
    /// The best key and its level; [`NO_KEY`] if there is none.
    best: (i64, u32),
    /// Of each block, in order: nothing in it is below this, and nothing in the blocks before is not. That of the first says
    /// nothing.
    firsts: Vec<i64>,
    /// Of each block, in order: its place in `blocks`. There is one at least; of several none is empty.
    order: Vec<u32>,
    blocks: Vec<Block>,
    /// Blocks that nobody uses.
    free: Vec<u32>,
}

impl Far {
    pub(super) fn new() -> Self {
        Self {
            best: (NO_KEY, NO_LEVEL),
            firsts: vec![NO_KEY],
            order: vec![0],
            blocks: vec![EMPTY],
            free: Vec::new(),
        }
    }

    /// The best key and its level; [`NO_KEY`] if there is none.
    #[inline(always)]
    pub(super) fn best(&self) -> (i64, u32) {
        self.best
    }

    /// The block, by its place in the order, that has the key or gets it.
    #[inline(always)]
    fn block_of(&self, key: i64) -> usize {
        self.firsts.partition_point(|first| *first <= key).saturating_sub(1)
    }

    #[inline(always)]
    fn block(&self, at: usize) -> &Block {
        &self.blocks[self.order[at] as usize]
    }

    #[inline(always)]
    fn block_mut(&mut self, at: usize) -> &mut Block {
        &mut self.blocks[self.order[at] as usize]
    }

    /// The block at a place in the order, and the one before.
    fn block_and_before(&mut self, at: usize) -> [&mut Block; 2] {
        let pair = [self.order[at] as usize, self.order[at - 1] as usize];
        self.blocks.get_disjoint_mut(pair).expect("a block has one place in the order")
    }

    /// The level of a key.
    pub(super) fn find(&self, key: i64) -> Option<u32> {
        let block = self.block(self.block_of(key));
        let (found, level) = block.entry(block.place(key))?;
        (found == key).then_some(level)
    }

    /// The first key that is not below `key`, and its level.
    pub(super) fn next(&self, key: i64) -> Option<(i64, u32)> {
        let at = self.block_of(key);
        let block = self.block(at);
        let here = block.entry(block.place(key));
        here.or_else(|| self.blocks[*self.order.get(at + 1)? as usize].entry(0))
    }

    /// The level of a key, which is `fresh` from now on if there was none.
    #[inline(always)]
    pub(super) fn enter(&mut self, key: i64, fresh: u32) -> u32 {
        let at = self.block_of(key);
        let block = self.block_mut(at);
        let place = block.place(key);
        match block.entry(place) {
            Some((found, level)) if found == key => return level,
            _ if block.len < BLOCK_LEN => block.insert(place, key, fresh),
            _ => self.split(at, key, fresh),
        }
        if key > self.best.0 {
            self.best = (key, fresh);
        }
        fresh
    }

    /// Puts a key into a full block, whose upper half gets a block of its own.
    #[cold]
    #[inline(never)]
    fn split(&mut self, at: usize, key: i64, level: u32) {
        let upper = self.free.pop().unwrap_or_else(|| {
            self.blocks.push(EMPTY);
            self.blocks.len() as u32 - 1
        });
        self.order.insert(at + 1, upper);
        let [upper, lower] = self.block_and_before(at + 1);
        lower.move_to(upper, BLOCK_LEN / 2);
        let first = upper.keys[0];
        let block = if key < first { lower } else { upper };
        block.insert(block.place(key), key, level);
        self.firsts.insert(at + 1, first);
    }

    /// Takes away a key, which must be there.
    #[inline(always)]
    pub(super) fn remove(&mut self, key: i64) {
        let at = self.block_of(key);
        let block = self.block_mut(at);
        let place = block.place(key);
        assert!(block.keys().get(place) == Some(&key), "a key is taken away once");
        block.remove(place);
        if block.len <= FEW && self.order.len() > 1 {
            self.tidy(at);
        }
        if key == self.best.0 {
            self.best = self.iter().next().unwrap_or((NO_KEY, NO_LEVEL));
        }
    }

    /// A block has few entries left, and neighbours: it goes if it has none, or joins one that has few as well.
    #[cold]
    #[inline(never)]
    fn tidy(&mut self, at: usize) {
        if self.block(at).len == 0 {
            return self.drop_block(at);
        }
        for at in [at, at + 1] {
            if at == 0 || at == self.order.len() {
                continue;
            }
            let [upper, lower] = self.block_and_before(at);
            if lower.len <= FEW && upper.len <= FEW {
                upper.move_to(lower, 0);
                return self.drop_block(at);
            }
        }
    }

    fn drop_block(&mut self, at: usize) {
        self.firsts.remove(at);
        let block = self.order.remove(at);
        self.free.push(block);
    }

    /// All keys and their levels, the best first.
    pub(super) fn iter(&self) -> FarIter<'_> {
        FarIter { far: self, block: self.order.len(), left: 0 }
    }
}

/// Keys and their levels, the best first.
#[derive(Clone, Debug)]
pub(super) struct FarIter<'a> {
    far: &'a Far,
    /// Blocks before the one that is read, and that one.
    block: usize,
    /// Entries that are left in the one that is read.
    left: usize,
}

impl Iterator for FarIter<'_> {
    type Item = (i64, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            self.block = self.block.checked_sub(1)?;
            self.left = self.far.block(self.block).len;
        }
        self.left = self.left.checked_sub(1)?;
        self.far.block(self.block).entry(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_LEN, Far};
    use crate::matching::ladder::{NO_KEY, NO_LEVEL};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Adds the key if it is not there, and takes it away if it is; so the map.
    fn toggle(far: &mut Far, map: &mut BTreeMap<i64, u32>, key: i64, level: u32) {
        match map.remove(&key) {
            Some(_) => far.remove(key),
            None => {
                map.insert(key, level);
                assert_eq!(far.enter(key, level), level);
                assert_eq!(far.enter(key, level + 1), level, "{key} is there");
            }
        }
    }

    /// The same, in every way of asking, and no more blocks than [`super::FEW`] allows.
    #[track_caller]
    fn check(far: &Far, map: &BTreeMap<i64, u32>, key: i64) {
        let pair = |(key, level): (&i64, &u32)| (*key, *level);
        let best = map.last_key_value().map_or((NO_KEY, NO_LEVEL), pair);
        assert_eq!(far.best(), best, "the best");
        assert_eq!(far.find(key), map.get(&key).copied(), "level of {key}");
        assert_eq!(far.next(key), map.range(key..).next().map(pair), "not below {key}");
        assert!(far.iter().eq(map.iter().rev().map(pair)), "all of them");
        let blocks = far.order.len();
        assert!(blocks <= 1 + map.len() * 8 / BLOCK_LEN, "{blocks} blocks for {} keys", map.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Few keys, which come and go; runs of neighbours, so that blocks fill and empty.
        #[test]
        fn a_map_holds_the_same(
            runs in prop::collection::vec((0..40i64, 1..120i64, 1..4i64, any::<bool>()), 1..60),
        ) {
            let (mut far, mut map) = (Far::new(), BTreeMap::new());
            for (start, len, stride, falls) in runs {
                for at in 0..len {
                    let at = if falls { len - 1 - at } else { at };
                    let key = (start * 25 + at * stride - 500) * 1_000_000_007;
                    let level = map.len() as u32 + 1;
                    toggle(&mut far, &mut map, key, level);
                    prop_assert_eq!(far.find(key), map.get(&key).copied());
                }
                check(&far, &map, start * 1_000_000_007);
            }
            for key in map.keys().copied().collect::<Vec<_>>() {
                toggle(&mut far, &mut map, key, 0);
            }
            check(&far, &map, 0);
            prop_assert_eq!(far.order.len(), 1);
        }
    }

    #[test]
    fn the_ends_of_the_range_have_their_places() {
        let (mut far, mut map) = (Far::new(), BTreeMap::new());
        for key in [i64::MAX, NO_KEY + 1, 0, -1] {
            toggle(&mut far, &mut map, key, 7);
            check(&far, &map, key);
            check(&far, &map, i64::MIN);
            check(&far, &map, i64::MAX);
        }
    }

    #[test]
    fn memory_is_used_again() {
        let (mut far, mut map) = (Far::new(), BTreeMap::new());
        for round in 0..4 {
            for key in 0..10_000 {
                toggle(&mut far, &mut map, key * 7_919 % 10_007, 1);
            }
            check(&far, &map, 5_000);
            let blocks = far.blocks.len();
            assert!(blocks <= 10_000 * 3 / BLOCK_LEN, "{blocks} blocks in round {round}");
        }
    }
}
