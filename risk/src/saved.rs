//! What was read from a snapshot is looked at before it is believed: places lie in their tables, sums are those of their terms.

use crate::gate::Risk;
use crate::pairs::PairTable;
use crate::scopes::{RECORDS_MAX, bit};
use crate::throttle::Ring;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tidegate_model::saved::{Inconsistent, check_hash};
use tidegate_model::{AccountId, InstrumentId};

const PART: &str = "risk";

/// A record of a [`PairTable`], which says whose it is.
pub trait Paired {
    /// Account and instrument, as the table finds the record by them.
    fn pair(&self) -> (AccountId, InstrumentId);
}

/// The records tell where everything else of the table points: they are saved, and put in again one after the other.
impl<T: Serialize> Serialize for PairTable<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.accounts(), self.all()).serialize(to)
    }
}

impl<'de, T: Deserialize<'de> + Paired> Deserialize<'de> for PairTable<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (accounts, records) = <(u32, Vec<T>)>::deserialize(from)?;
        let mut table = Self::new();
        if let Some(last) = accounts.checked_sub(1) {
            table.open_account(AccountId(last)).map_err(de::Error::custom)?;
        }
        for (at, record) in records.into_iter().enumerate() {
            let (account, instrument) = record.pair();
            table.find_or_insert(account, instrument, || record).map_err(de::Error::custom)?;
            if table.len() != at + 1 {
                return Err(de::Error::custom("a pair has two records"));
            }
        }
        Ok(table)
    }
}

impl Risk {
    /// Looks at what was read from a snapshot, and touches the memory that the next pairs need.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(&mut self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, PART, why);
        check(self.accounts.len() == self.committed_others.len(), "sums belong to accounts")?;
        check(self.accounts.len() <= self.pairs.accounts() as usize, "accounts have pairs")?;
        let records = self.scopes.iter().count();
        check((1..=RECORDS_MAX).contains(&records), "there is the firm, and a bound on scopes")?;
        check(self.scopes.is_linked(), "scopes are found by their numbers, and have their groups")?;
        let kinds = |record: &crate::scopes::ScopeRecord| {
            record.controls.iter().fold(0, |kinds, control| kinds | bit(control.kind))
        };
        check(self.scopes.iter().all(|record| record.kinds == kinds(record)), "kinds of controls")?;
        let in_use = self.scopes.iter().fold(0, |kinds, record| kinds | record.kinds);
        check(self.in_use == in_use, "kinds of controls that are in use")?;
        let rings = || self.scopes.iter().flat_map(|record| &record.executions);
        check(rings().all(Ring::is_sound), "a throttle's times lie in its ring")?;
        check(!self.is_held, "losses are looked at between inputs")?;
        check(self.has_own_hashes(), "records enter the state hash as they are")?;
        check_hash("recent orders", self.recent.hash(), self.recent.hash_from_scratch())?;
        check_hash("principals", self.people.hash(), self.people.hash_from_scratch())?;
        check_hash(PART, self.hash(), self.hash_from_scratch())?;
        self.prefault();
        Ok(())
    }
}
