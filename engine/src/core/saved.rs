//! The whole state as bytes, and back: what a snapshot holds.
//!
//! What is saved is MessagePack: a struct is the sequence of its fields. **To add a field**, put it at the end of its struct with
//! `#[serde(default)]`; a state that was saved before then still reads. Any other change of what is saved needs a new
//! [`STATE_VERSION`], and code that reads the one before.

use super::Core;
use tidegate_model::StateHash;
use tidegate_model::saved::Inconsistent;

/// The version of the encoding that [`Core::save`] writes.
pub const STATE_VERSION: u32 = 1;

/// Why bytes are no state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// They were written in an encoding that is not known here.
    #[error("the state is of version {0}; versions up to {STATE_VERSION} are known here")]
    Version(u32),
    /// They do not say what a state is.
    #[error("the state cannot be decoded: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// They say what cannot be.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
    /// The state is another than the one that was saved.
    #[error("the state has hash {found}, {expected} was saved")]
    Hash {
        /// As it was saved.
        expected: StateHash,
        /// As it is.
        found: StateHash,
    },
}

impl Core {
    /// Appends the whole state to `out`, in version [`STATE_VERSION`]. Between inputs only.
    ///
    /// # Panics
    /// If memory runs out.
    pub fn save(&self, out: &mut Vec<u8>) {
        rmp_serde::encode::write(out, self).expect("a state of known lengths is written to memory");
    }

    /// The state that [`Self::save`] wrote, with all the room that [`Self::new`] reserves: it goes on as if it had never been
    /// away. Every link and every sum in it is looked at, and its hash is `hash`.
    ///
    /// # Errors
    /// [`LoadError`]. The bytes may be anything; memory is bounded by the capacities that they name, which are those that a
    /// journal may name.
    pub fn load(version: u32, bytes: &[u8], hash: StateHash) -> Result<Self, LoadError> {
        if version != STATE_VERSION {
            return Err(LoadError::Version(version));
        }
        let mut core: Self = rmp_serde::from_slice(bytes)?;
        core.restored()?;
        let found = core.state_hash();
        if found != hash {
            return Err(LoadError::Hash { expected: hash, found });
        }
        Ok(core)
    }

    /// Looks at what was read, and makes the room that it needs.
    fn restored(&mut self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "core", why);
        let (orders_max, book_orders_max) =
            (self.configure.orders_max, self.configure.book_orders_max);
        self.listing.restored()?;
        let instruments = self.listing.count();
        self.risk.restored()?;
        self.oms.restored(orders_max, instruments)?;
        let orders = self.oms.places();
        check(self.books.limits().orders_max == book_orders_max, "books have another size")?;
        self.paper.restored(instruments, orders, book_orders_max)?;
        self.routes.restored(orders_max, &self.listing)?;
        self.waiting.restored(instruments, orders)?;
        self.expiries.restored(orders_max)?;
        self.proposals.restored()?;
        self.internal.restored(&self.listing, orders_max)?;
        let legs = |assembling: &super::lists::Assembling| assembling.is_sound();
        check(self.assembling.iter().all(legs), "a list that comes has its legs")?;
        if let Some(answers) = &self.answers {
            answers.restored()?;
        }
        self.note_next_deed();
        Ok(())
    }
}
