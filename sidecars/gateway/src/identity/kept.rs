//! What was read from the database, kept in memory while it does not change.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Values kept; beyond, all are forgotten and read again.
const KEPT_MAX: usize = 100_000;

/// Values by key.
#[derive(Debug)]
pub struct Kept<K, V>(RwLock<Inner<K, V>>);

#[derive(Debug)]
struct Inner<K, V> {
    values: HashMap<K, Arc<V>>,
    /// How often something was forgotten.
    changes: u64,
}

/// A value is not there. It may be kept with this, unless something was forgotten since: then what was read may be older than the
/// change.
#[derive(Clone, Copy, Debug)]
pub struct Absent(u64);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(RwLock::new(Inner { values: HashMap::new(), changes: 0 }))
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    fn read(&self) -> RwLockReadGuard<'_, Inner<K, V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K, V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, or what is needed to keep it.
    ///
    /// # Errors
    /// [`Absent`].
    pub fn get(&self, key: &K) -> Result<Arc<V>, Absent> {
        let inner = self.read();
        inner.values.get(key).cloned().ok_or(Absent(inner.changes))
    }

    /// Keeps what was read after [`Kept::get`] did not have it.
    pub fn put(&self, key: K, value: V, absent: Absent) -> Arc<V> {
        let value = Arc::new(value);
        let mut inner = self.write();
        if inner.changes == absent.0 {
            if inner.values.len() >= KEPT_MAX {
                inner.values.clear();
            }
            inner.values.insert(key, Arc::clone(&value));
        }
        value
    }

    /// Forgets a value that has changed. Call it after the change.
    pub fn forget(&self, key: &K) {
        let mut inner = self.write();
        inner.values.remove(key);
        inner.changes += 1;
    }

    /// Forgets all.
    pub fn clear(&self) {
        let mut inner = self.write();
        inner.values.clear();
        inner.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let kept = Kept::default();
        let absent = kept.get(&1).expect_err("empty");
        kept.forget(&1);
        assert_eq!(*kept.put(1, "old", absent), "old");
        let absent = kept.get(&1).expect_err("it may be old");
        kept.put(1, "new", absent);
        assert_eq!(kept.get(&1).map(|value| *value).ok(), Some("new"));
        kept.clear();
        assert!(kept.get(&1).is_err());
    }
}
