//! What happened lately, by key: bounded in time and in number.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Entries that are kept for all keys together. At 100,000 a second a window of ten seconds is whole; beyond, the oldest go
/// first and it is told. 256 bytes each at most: 256 MiB.
pub(crate) const ENTRIES_MAX: usize = 1 << 20;
/// Entries that are kept for one key, so that looking through them stays below some microseconds. A pattern needs a few.
pub(crate) const PER_KEY_MAX: usize = 256;

struct Entry<V> {
    ts: u64,
    serial: u64,
    value: V,
}

/// Values of the last `within_ns`, by key.
pub(crate) struct Recent<K, V> {
    within_ns: u64,
    entries_max: usize,
    by_key: HashMap<K, VecDeque<Entry<V>>>,
    /// Every entry by age. One that its key has dropped already is passed over when its time comes.
    order: VecDeque<(u64, u64, K)>,
    serial: u64,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub fn new(within_ns: u64) -> Self {
        Self::with_bound(within_ns, ENTRIES_MAX)
    }

    fn with_bound(within_ns: u64, entries_max: usize) -> Self {
        let (by_key, order) = (HashMap::new(), VecDeque::new());
        Self { within_ns, entries_max, by_key, order, serial: 0 }
    }

    /// Takes in what happened `now`, which is never before what came earlier. True if something younger than the window had
    /// to go for it.
    pub fn push(&mut self, now: u64, key: K, value: V) -> bool {
        while self.order.front().is_some_and(|(ts, ..)| self.is_over(*ts, now)) {
            self.drop_oldest();
        }
        let mut lost = false;
        if self.order.len() == self.entries_max {
            self.drop_oldest();
            lost = true;
        }
        let entries = self.by_key.entry(key).or_default();
        if entries.len() == PER_KEY_MAX {
            let oldest = entries.pop_front();
            lost |= oldest.is_some_and(|it| now.saturating_sub(it.ts) <= self.within_ns);
        }
        self.serial += 1;
        entries.push_back(Entry { ts: now, serial: self.serial, value });
        self.order.push_back((now, self.serial, key));
        lost
    }

    /// What happened to `key` within the window that ends `now`, oldest first.
    pub fn of(&self, key: &K, now: u64) -> impl Iterator<Item = &V> {
        let entries = self.by_key.get(key).into_iter().flatten();
        entries.filter(move |it| !self.is_over(it.ts, now)).map(|it| &it.value)
    }

    /// Entries that are held for all keys.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    fn is_over(&self, ts: u64, now: u64) -> bool {
        now.saturating_sub(ts) > self.within_ns
    }

    fn drop_oldest(&mut self) {
        let Some((_, serial, key)) = self.order.pop_front() else { return };
        let Some(entries) = self.by_key.get_mut(&key) else { return };
        if entries.front().is_some_and(|it| it.serial == serial) {
            entries.pop_front();
        }
        if entries.is_empty() {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_window_ends_where_it_says() {
        let mut recent = Recent::new(10);
        assert!(!recent.push(100, 'a', 1));
        assert!(!recent.push(105, 'a', 2));
        for (now, expected) in [(105, vec![1, 2]), (110, vec![1, 2]), (111, vec![2]), (116, vec![])]
        {
            assert_eq!(recent.of(&'a', now).copied().collect::<Vec<_>>(), expected, "at {now}");
        }
        assert_eq!(recent.of(&'b', 105).count(), 0);
    }

    #[test]
    fn bounds_are_kept_and_told() {
        let mut recent = Recent::with_bound(1_000, 4);
        let lost: Vec<_> = (0..6).map(|n| recent.push(n, n, n)).collect();
        assert_eq!(lost, [false, false, false, false, true, true]);
        assert_eq!((recent.len(), recent.by_key.len()), (4, 4));

        let mut recent = Recent::new(u64::MAX);
        let lost = (0..PER_KEY_MAX as u64 + 3).filter(|n| recent.push(*n, 'a', *n)).count();
        assert_eq!((lost, recent.of(&'a', 0).count()), (3, PER_KEY_MAX));
    }

    proptest! {
        /// The naive twin keeps everything and looks through all of it.
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0u64..5, 0u8..4), 0..200)) {
            let mut recent = Recent::with_bound(7, 1_000);
            let (mut all, mut now) = (Vec::new(), 0);
            for (n, (pause, key)) in steps.into_iter().enumerate() {
                now += pause;
                recent.push(now, key, n);
                all.push((now, key, n));
                for key in 0..4 {
                    let expected: Vec<_> =
                        all.iter().filter(|it| it.1 == key && it.0 + 7 >= now).map(|it| it.2).collect();
                    prop_assert_eq!(recent.of(&key, now).copied().collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
