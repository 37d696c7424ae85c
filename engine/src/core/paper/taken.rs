//! What of the displayed market is gone to our taking orders.

use crate::book::BookLimits;
use crate::book::Slot as BookSlot;
use serde::{Deserialize, Serialize};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room, Sparse, check_hash, make_room};
use tidegate_model::{InstrumentId, Lots, Side, StateHash, Ticks};

const TAG_TAKEN: u64 = 0x5441_4b45;

/// How much of a level without orders is gone to us.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct TakenLevel {
    side: Side,
    price: Ticks,
    qty: Lots,
}

impl TakenLevel {
    fn is_at(&self, side: Side, price: Ticks) -> bool {
        self.side == side && self.price == price
    }
}

/// What is gone to us.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Of each displayed order, by its slot. The book marks the orders of which it is not 0, so that nobody looks here for
    /// the others.
    #[serde(with = "Sparse::<{ BookLimits::ORDERS_CEILING as usize + 1 }>")]
    orders: Vec<u64>,
    /// Sum of the hashes of what is not 0 in `orders`.
    orders_hash: StateHash,
    /// By instrument: levels without orders that are partly gone, first taken first; never more than the book has.
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    levels: Vec<Vec<TakenLevel>>,
}

impl Taken {
    /// Nothing is gone, of `book_orders_max` orders at most.
    pub fn new(book_orders_max: u32) -> Self {
        Self {
            // Zeroed memory is address space until it is written.
            orders: vec![0; book_orders_max as usize + 1],
            orders_hash: StateHash::default(),
            levels: Vec::with_capacity(InstrumentId::COUNT_MAX),
        }
    }

    /// Makes room for one more instrument.
    pub fn define_instrument(&mut self) {
        self.levels.push(Vec::with_capacity(16));
    }

    /// Looks at what was read from a snapshot, of `instruments` and `book_orders_max` displayed orders at most, and makes the room
    /// that there was.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(
        &mut self,
        instruments: usize,
        book_orders_max: u32,
    ) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "taken orders", why);
        check(self.orders.len() == book_orders_max as usize + 1, "displayed orders have places")?;
        check(self.levels.len() == instruments, "every instrument has a place")?;
        let mut hash = StateHash::default();
        for (order, qty) in self.orders.iter().enumerate().filter(|(_, qty)| **qty > 0) {
            hash.add(hash_words(TAG_TAKEN, &[order as u64, *qty]));
        }
        check_hash("taken orders", self.orders_hash, hash)?;
        self.levels.iter_mut().for_each(|taken| make_room(taken, 16));
        Ok(())
    }

    /// How much of a displayed order is gone to us. 0 for one that the book does not mark.
    #[inline]
    pub fn of_order(&self, order: BookSlot) -> Lots {
        Lots(self.orders[order.index()])
    }

    /// Notes how much of a displayed order is gone to us.
    #[inline]
    pub fn set_of_order(&mut self, order: BookSlot, qty: Lots) {
        let hash_of = |qty: u64| hash_words(TAG_TAKEN, &[order.index() as u64, qty]);
        let taken = &mut self.orders[order.index()];
        if *taken > 0 {
            self.orders_hash.remove(hash_of(*taken));
        }
        if qty.0 > 0 {
            self.orders_hash.add(hash_of(qty.0));
        }
        *taken = qty.0;
    }

    /// How much of a level without orders is gone to us.
    pub fn of_level(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Lots {
        let mut taken = self.levels[instrument.index()].iter();
        taken.find(|level| level.is_at(side, price)).map_or(Lots::ZERO, |level| level.qty)
    }

    /// Notes that `qty` more lots of a level without orders are gone to us.
    pub fn take_of_level(&mut self, instrument: InstrumentId, side: Side, price: Ticks, qty: Lots) {
        let taken = &mut self.levels[instrument.index()];
        match taken.iter_mut().find(|level| level.is_at(side, price)) {
            Some(level) => level.qty.0 += qty.0,
            None => taken.push(TakenLevel { side, price, qty }),
        }
    }

    /// The feed told a level anew: no more of it can be gone to us than is there.
    #[inline]
    pub fn level_told(&mut self, instrument: InstrumentId, side: Side, price: Ticks, qty: Lots) {
        let taken = &mut self.levels[instrument.index()];
        if taken.is_empty() {
            return;
        }
        taken.retain_mut(|level| {
            if level.is_at(side, price) {
                level.qty = level.qty.min(qty);
            }
            level.qty.0 > 0
        });
    }

    /// The hash of all of it. The lists are short and hashed from scratch; what is gone of displayed orders has its sum kept.
    pub fn hash(&self) -> StateHash {
        let mut hash = self.orders_hash;
        for (instrument, taken) in self.levels.iter().enumerate() {
            for level in taken {
                let place = (instrument as u64) << 32 | u64::from(level.side.wire());
                hash.add(hash_words(0x4c45_5645, &[place, level.price.0 as u64, level.qty.0]));
            }
        }
        hash
    }
}
