//! Ways to keep the prices of one side of a book: what decision record 7 (`docs/decisions/`) is about.
//!
//! The unit is one step: an order leaves, another comes, and the best price is asked for. One thread; the clock is criterion's. All
//! keep how many orders a price has, and nothing else: what a queue costs is the same behind any of them.
//! Books of 100 to 1,000,000 orders; each comes at a random distance below a price that walks a tick at a time, and leaves when
//! as many have come after it as rest. `dense`: within 500 ticks, `sparse`: within 1,000,000,000, where the window holds nearly
//! nothing and each order has its own price.
//!
//! The market's own ladder is private to it; `window` is the same thing in its shortest form, with a tree for the prices beyond it.

#![allow(missing_docs, reason = "a bench")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hint::black_box;
use tidegate_bench::flow::Random;

const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
const SPREADS: [(&str, u64); 2] = [("dense", 500), ("sparse", 1_000_000_000)];
const START: i64 = 2_000_000_000;
/// Steps made up before the clock starts; they go round.
const STEPS: usize = 1 << 20;

/// The prices of bids: the largest is the best.
trait Prices: Default {
    fn add(&mut self, price: i64);
    fn take(&mut self, price: i64);
    fn best(&mut self) -> Option<i64>;
}

/// The tree of the standard library.
#[derive(Default)]
struct Tree(BTreeMap<i64, u32>);

impl Prices for Tree {
    fn add(&mut self, price: i64) {
        *self.0.entry(price).or_default() += 1;
    }

    fn take(&mut self, price: i64) {
        let count = self.0.get_mut(&price).expect("it was added");
        *count -= 1;
        if *count == 0 {
            self.0.remove(&price);
        }
    }

    fn best(&mut self) -> Option<i64> {
        self.0.last_key_value().map(|(price, _)| *price)
    }
}

/// One list in order, the best last.
#[derive(Default)]
struct Sorted(Vec<(i64, u32)>);

impl Prices for Sorted {
    fn add(&mut self, price: i64) {
        match self.0.binary_search_by_key(&price, |level| level.0) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (price, 1)),
        }
    }

    fn take(&mut self, price: i64) {
        let at = self.0.binary_search_by_key(&price, |level| level.0).expect("it was added");
        self.0[at].1 -= 1;
        if self.0[at].1 == 0 {
            self.0.remove(at);
        }
    }

    fn best(&mut self) -> Option<i64> {
        self.0.last().map(|level| level.0)
    }
}

/// A hash map of prices, and a heap of those that are or were there: what is gone is passed over when it comes up.
#[derive(Default)]
struct Hashed {
    counts: HashMap<i64, u32>,
    heap: BinaryHeap<i64>,
}

impl Prices for Hashed {
    fn add(&mut self, price: i64) {
        let count = self.counts.entry(price).or_default();
        *count += 1;
        if *count == 1 {
            self.heap.push(price);
        }
    }

    fn take(&mut self, price: i64) {
        let count = self.counts.get_mut(&price).expect("it was added");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&price);
        }
    }

    fn best(&mut self) -> Option<i64> {
        while !self.counts.contains_key(self.heap.peek()?) {
            self.heap.pop();
        }
        self.heap.peek().copied()
    }
}

/// Steps in a window.
const LEN: i64 = 64 * 64 * 64;

/// A window of adjacent prices around the start with a bitmap of three levels, and a tree for all others.
struct Window {
    counts: Box<[u32]>,
    words: Box<[u64]>,
    tops: [u64; 64],
    root: u64,
    far: Tree,
}

impl Default for Window {
    fn default() -> Self {
        let (counts, words) = (vec![0; LEN as usize], vec![0; LEN as usize / 64]);
        let (counts, words) = (counts.into_boxed_slice(), words.into_boxed_slice());
        Self { counts, words, tops: [0; 64], root: 0, far: Tree::default() }
    }
}

impl Window {
    fn place(price: i64) -> Option<usize> {
        let place = price - START + LEN / 2;
        (0..LEN).contains(&place).then_some(place as usize)
    }
}

impl Prices for Window {
    fn add(&mut self, price: i64) {
        let Some(place) = Self::place(price) else { return self.far.add(price) };
        self.counts[place] += 1;
        self.words[place / 64] |= 1 << (place % 64);
        self.tops[place / 4_096] |= 1 << (place / 64 % 64);
        self.root |= 1 << (place / 4_096);
    }

    fn take(&mut self, price: i64) {
        let Some(place) = Self::place(price) else { return self.far.take(price) };
        self.counts[place] -= 1;
        if self.counts[place] > 0 {
            return;
        }
        self.words[place / 64] &= !(1 << (place % 64));
        let top = &mut self.tops[place / 4_096];
        *top &= !(u64::from(self.words[place / 64] == 0) << (place / 64 % 64));
        self.root &= !(u64::from(*top == 0) << (place / 4_096));
    }

    fn best(&mut self) -> Option<i64> {
        let far = self.far.best();
        if self.root == 0 {
            return far;
        }
        let top = self.root.ilog2() as usize;
        let word = top * 64 + self.tops[top].ilog2() as usize;
        let place = word * 64 + self.words[word].ilog2() as usize;
        far.max(Some(place as i64 + START - LEN / 2))
    }
}

/// The prices of orders in the order in which they come.
fn prices(spread: u64) -> Vec<i64> {
    let mut random = Random(spread);
    let mut top = START;
    let mut next = || {
        top += random.below(3) as i64 - 1;
        top - random.below(spread) as i64
    };
    (0..STEPS).map(|_| next()).collect()
}

/// `sparse_max`: no more orders than that at prices of their own.
fn measure<P: Prices>(criterion: &mut Criterion, name: &str, sparse_max: usize) {
    let mut group = criterion.benchmark_group(format!("matching_structures/{name}"));
    for (spread_name, spread) in SPREADS {
        let prices = prices(spread);
        for size in SIZES {
            if spread_name == "sparse" && size > sparse_max {
                continue;
            }
            let mut book = P::default();
            prices[..size].iter().for_each(|price| book.add(*price));
            let mut at = 0;
            group.bench_function(BenchmarkId::new(spread_name, size), |bencher| {
                bencher.iter(|| {
                    book.take(prices[at % STEPS]);
                    book.add(prices[(at + size) % STEPS]);
                    at += 1;
                    black_box(book.best())
                });
            });
        }
    }
    group.finish();
}

fn structures(criterion: &mut Criterion) {
    measure::<Window>(criterion, "window", usize::MAX);
    measure::<Tree>(criterion, "tree", usize::MAX);
    measure::<Hashed>(criterion, "hash_and_heap", usize::MAX);
    // A million prices would take minutes to be put in.
    measure::<Sorted>(criterion, "sorted_list", 10_000);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = structures
}
criterion_main!(benches);
