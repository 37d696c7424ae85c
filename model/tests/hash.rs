//! The state hash: independent of order, undone by removal, and moved by any change of any bit.

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::StateHash;
use tidegate_model::hash::hash_words;

/// Values that every version must agree on: checkpoints in old journals are compared with them.
#[test]
fn golden_values() {
    let check = |tag, words: &[u64], hash: &str| {
        assert_eq!(StateHash(hash_words(tag, words)).to_string(), hash, "{tag} {words:?}");
    };
    check(0, &[], "c9d874ca57d9e055");
    check(1, &[], "f2f37271ad33e225");
    check(1, &[0], "9107301cf809534e");
    check(1, &[0, 0], "83263aea95fc0c14");
    check(1, &[1, 2, 3], "ce6375b078e57f6d");
    check(7, &[u64::MAX; 8], "57430232eb3efbea");
}

/// The records of a state as (tag, words).
fn records() -> impl Strategy<Value = Vec<(u64, Vec<u64>)>> {
    let word = prop_oneof![0u64..4, any::<u64>()];
    vec((0u64..4, vec(word, 0..6)), 0..20)
}

fn hash_of(records: &[(u64, Vec<u64>)]) -> StateHash {
    let mut hash = StateHash::default();
    for (tag, words) in records {
        hash.add(hash_words(*tag, words));
    }
    hash
}

proptest! {
    #[test]
    fn order_of_records_does_not_matter((records, shuffled) in records().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))) {
        prop_assert_eq!(hash_of(&records), hash_of(&shuffled));
    }

    #[test]
    fn removal_undoes_addition(records in records(), more in records()) {
        let before = hash_of(&records);
        let mut hash = before;
        for (tag, words) in &more {
            hash.add(hash_words(*tag, words));
        }
        for (tag, words) in more.iter().rev() {
            hash.remove(hash_words(*tag, words));
        }
        prop_assert_eq!(hash, before);
    }

    #[test]
    fn parts_combine(left in records(), right in records()) {
        let both: Vec<_> = left.iter().chain(&right).cloned().collect();
        prop_assert_eq!(hash_of(&left).combined(hash_of(&right)), hash_of(&both));
    }

    #[test]
    fn one_bit_moves_the_hash(tag: u64, words in vec(any::<u64>(), 1..8), at: prop::sample::Index, bit in 0u32..64) {
        let mut changed = words.clone();
        changed[at.index(words.len())] ^= 1 << bit;
        let (old, new) = (hash_words(tag, &words), hash_words(tag, &changed));
        let moved = (old ^ new).count_ones();
        prop_assert!(moved >= 4, "only {} bits moved", moved);
        prop_assert_ne!(old, hash_words(tag ^ (1 << bit), &words), "the tag counts");
    }

    #[test]
    fn place_and_number_of_words_count(tag: u64, words in vec(any::<u64>(), 1..8)) {
        let mut longer = words.clone();
        longer.push(0);
        prop_assert_ne!(hash_words(tag, &words), hash_words(tag, &longer));
        let mut reversed = words.clone();
        reversed.reverse();
        if reversed != words {
            prop_assert_ne!(hash_words(tag, &words), hash_words(tag, &reversed));
        }
    }
}

/// Small numbers are what records are made of: a grid of them must not collide, and must fill the buckets evenly.
#[test]
fn small_records_spread() {
    let mut hashes = Vec::new();
    for tag in 0..4 {
        for a in 0..64 {
            for b in 0..64 {
                hashes.push(hash_words(tag, &[a, b]));
                hashes.push(hash_words(tag, &[a, b, a ^ b]));
            }
        }
    }
    let count = hashes.len();
    let mut buckets = [0u32; 256];
    for hash in &hashes {
        buckets[(hash & 255) as usize] += 1;
    }
    let (low, high) = (buckets.iter().min(), buckets.iter().max());
    assert!(low > Some(&80) && high < Some(&180), "128 expected in each: {low:?} to {high:?}");
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count, "two records collide");
}
