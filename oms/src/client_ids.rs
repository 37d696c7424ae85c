//! Which order bears which client's name today: a table of fixed size, with a fixed hash.

use crate::order::OrderSlot;
use crate::orders::ORDERS_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::ahead;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::Sparse;
use tidegate_model::{AccountId, ClientOrderId};

/// Entries looked at before the table is called full. At the load of one half that the table never passes,
/// chance makes runs below 100 even among millions; only names chosen to collide come here.
const PROBES_MAX: usize = 1024;

/// Bits of an entry that say which slot.
const SLOT_BITS: u32 = ORDERS_MAX.trailing_zeros();
/// Entries whose tag differs from the name's are passed over without a look at the order; one in 1,023 does not.
const TAG_COUNT: u64 = (1 << (u32::BITS - SLOT_BITS)) - 1;

/// Open addressing with linear probing. An entry is `tag << SLOT_BITS | slot` with a tag from 1, or 0; the name itself
/// is compared in the order. Names are only freed all at once, when the day ends, so nothing is ever deleted.
///
/// Four bytes an entry, since each order waits for one that is in no cache.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientIds {
    #[serde(with = "Sparse::<{ 2 * ORDERS_MAX as usize }>")]
    entries: Vec<u32>,
    mask: usize,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The order that bears the name.
    Taken(OrderSlot),
    /// The name is free, and this is where it would go.
    Free(usize),
    /// The name is not found within [`PROBES_MAX`].
    Full,
}

impl ClientIds {
    /// Room for `orders_max` names, a power of two.
    pub fn new(orders_max: usize) -> Self {
        assert!(orders_max.is_power_of_two(), "positions are masked");
        Self { entries: vec![0; 2 * orders_max], mask: 2 * orders_max - 1 }
    }

    pub fn hash(account: AccountId, id: &ClientOrderId) -> u64 {
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(id.0.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        hash_words(u64::from(account.0), &words)
    }

    /// Begins to fetch the entry where [`Self::probe`] looks first, which takes the memory longer than anything else that
    /// an order waits for.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        ahead::fetch(&self.entries[hash as usize & self.mask]);
    }

    /// Looks a name up; `bears_it` says whether the order in a slot has it.
    #[inline]
    pub fn probe(&self, hash: u64, bears_it: impl Fn(OrderSlot) -> bool) -> Probe {
        let tag = tag(hash);
        for step in 0..PROBES_MAX.min(self.entries.len()) {
            let at = (hash as usize).wrapping_add(step) & self.mask;
            let entry = self.entries[at];
            if entry == 0 {
                return Probe::Free(at);
            }
            let slot = OrderSlot(entry & ((1 << SLOT_BITS) - 1));
            if entry >> SLOT_BITS == tag && bears_it(slot) {
                return Probe::Taken(slot);
            }
        }
        Probe::Full
    }

    /// Writes a name where [`Self::probe`] found room for it.
    #[inline]
    pub fn insert(&mut self, at: usize, hash: u64, slot: OrderSlot) {
        assert!(self.entries[at] == 0, "a name is written where there is none");
        self.entries[at] = (tag(hash) << SLOT_BITS) | slot.0;
    }

    /// True if it is made for `orders_max` orders and names only the first `used` places.
    pub fn is_sound(&self, orders_max: usize, used: usize) -> bool {
        let is_there = |entry: &u32| (entry & ((1 << SLOT_BITS) - 1)) < used as u32;
        self.entries.len() == 2 * orders_max
            && self.mask == self.entries.len() - 1
            && self.entries.iter().filter(|entry| **entry != 0).all(is_there)
    }

    /// Writes to all of the table, so that no name waits for the system to hand out a page.
    pub fn prefault(&mut self) {
        for entry in &mut self.entries {
            *entry = core::hint::black_box(*entry);
        }
    }

    /// Forgets every name.
    pub fn clear(&mut self) {
        self.entries.fill(0);
    }
}

/// From the upper half of the hash, as the lower one says where the entry stands.
#[inline]
fn tag(hash: u64) -> u32 {
    (((hash >> 32) * TAG_COUNT) >> 32) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_chosen_to_collide_fill_only_their_run() {
        let mut names = ClientIds::new(4_096);
        // Near the end of the table, so that the run goes round.
        let hash = 8_190;
        for number in 0..PROBES_MAX as u32 {
            let Probe::Free(at) = names.probe(hash, |_| false) else { panic!("room for {number}") };
            names.insert(at, hash, OrderSlot(number));
        }
        assert_eq!(names.probe(hash, |_| false), Probe::Full);
        assert_eq!(names.probe(hash, |slot| slot.0 == 1_000), Probe::Taken(OrderSlot(1_000)));
        assert_eq!(names.probe(hash + 1_024, |_| false), Probe::Free(1_022), "behind the run");
        names.clear();
        assert_eq!(names.probe(hash, |_| true), Probe::Free(8_190));
    }

    #[test]
    fn a_name_is_one_accounts() {
        let name = ClientOrderId::new("a").expect("a name");
        let hashes = [0, 1, 2].map(|account| ClientIds::hash(AccountId(account), &name));
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    }
}
