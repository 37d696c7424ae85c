//! A queue with a bound, allocated once.

use std::collections::VecDeque;

/// First in, first out, never more than its bound, never reallocated.
#[derive(Debug)]
pub struct Bounded<T> {
    items: VecDeque<T>,
    count_max: usize,
}

impl<T> Bounded<T> {
    /// Room for `count_max` items, allocated now.
    pub fn new(count_max: usize) -> Self {
        Self { items: VecDeque::with_capacity(count_max), count_max }
    }

    /// Appends `item`.
    ///
    /// # Errors
    /// Gives it back if the bound is reached.
    pub fn push_back(&mut self, item: T) -> Result<(), T> {
        if self.items.len() == self.count_max {
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
        if self.items.len() == self.count_max {
            return Err(item);
        }
        let at = self.items.partition_point(|other| !is_later(other));
        self.items.insert(at, item);
        Ok(())
    }

    /// True if the bound is not reached.
    pub fn has_room(&self) -> bool {
        self.items.len() < self.count_max
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
