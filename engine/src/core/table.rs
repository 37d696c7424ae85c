//! A queue with a bound, allocated once.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;
use tidegate_model::saved::Room;

/// First in, first out, never more than its bound, never reallocated.
#[derive(Debug)]
pub struct Bounded<T, const COUNT_MAX: usize> {
    items: VecDeque<T>,
}

impl<T: Serialize, const COUNT_MAX: usize> Serialize for Bounded<T, COUNT_MAX> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(&self.items)
    }
}

impl<'de, T: Deserialize<'de>, const COUNT_MAX: usize> Deserialize<'de> for Bounded<T, COUNT_MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self { items: Room::<COUNT_MAX>::deserialize(from)?.into() })
    }
}

impl<T, const COUNT_MAX: usize> Default for Bounded<T, COUNT_MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const COUNT_MAX: usize> Bounded<T, COUNT_MAX> {
    /// Room for `COUNT_MAX` items, allocated now.
    pub fn new() -> Self {
        Self { items: VecDeque::with_capacity(COUNT_MAX) }
    }

    /// Appends `item`.
    ///
    /// # Errors
    /// Gives it back if the bound is reached.
    pub fn push_back(&mut self, item: T) -> Result<(), T> {
        if self.items.len() == COUNT_MAX {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }

    /// Puts `item` before the first one that `is_later`; those are all at the end.
    ///
    /// # Errors
    /// Gives it back if the bound is reached.
    pub fn insert_before(&mut self, item: T, is_later: impl Fn(&T) -> bool) -> Result<(), T> {
        if self.items.len() == COUNT_MAX {
            return Err(item);
        }
        let at = self.items.partition_point(|other| !is_later(other));
        self.items.insert(at, item);
        Ok(())
    }

    /// True if the bound is not reached.
    pub fn has_room(&self) -> bool {
        self.items.len() < COUNT_MAX
    }

    /// Takes the first item if it fits `condition`.
    pub fn pop_front_if(&mut self, condition: impl FnOnce(&T) -> bool) -> Option<T> {
        if condition(self.items.front()?) { self.items.pop_front() } else { None }
    }

    /// The first item.
    pub fn front(&self) -> Option<&T> {
        self.items.front()
    }

    /// The last item.
    pub fn back(&self) -> Option<&T> {
        self.items.back()
    }

    /// Every item, first come first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter()
    }
}
