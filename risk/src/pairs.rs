//! One record for each (account, instrument) that was ever used, found by two loads and no hashing.

use tidegate_model::{AccountId, InstrumentId, Reject, RejectReason};

/// Pairs that one table can hold. Most accounts trade few instruments: 64 for each of 4,096 accounts.
pub const PAIRS_MAX: usize = 1 << 18;
/// Instruments that share a page of the directory.
const PAGE_LEN: usize = 256;
/// Pages an account's directory points to.
const PAGES_PER_ACCOUNT: usize = InstrumentId::COUNT_MAX / PAGE_LEN;
/// Pages that one table can hold, 1 KiB each: 16 for each of 4,096 accounts.
const PAGES_MAX: usize = 1 << 16;

const _: () = assert!(PAGE_LEN * PAGES_PER_ACCOUNT == InstrumentId::COUNT_MAX);

/// Pairs whose memory [`PairTable::prefault`] touches: as many as a busy day of one firm uses, 5 MiB.
const PAIRS_WARM: usize = 4_096;

/// Where a pair's record is; valid for the table that gave it, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSlot(u32);

/// A table of records by account and instrument.
///
/// Room is reserved when it is made, and the operating system gives the memory as it is touched: nothing
/// is allocated later but the 256-byte directory of an account, when it is opened.
#[derive(Debug)]
pub struct PairTable<T> {
    /// By account, then by high bits of the instrument: page number + 1, or 0.
    directory: Vec<[u32; PAGES_PER_ACCOUNT]>,
    /// By low bits of the instrument: record number + 1, or 0.
    pages: Vec<[u32; PAGE_LEN]>,
    records: Vec<T>,
}

impl<T> PairTable<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self {
            directory: Vec::new(),
            pages: Vec::with_capacity(PAGES_MAX),
            records: Vec::with_capacity(PAIRS_MAX),
        }
    }

    /// Writes to the room of the first few thousand pairs, so that the first order of a pair does not wait for
    /// the system to hand out a page. `blank` is overwritten later.
    ///
    /// # Panics
    /// After the first pair.
    pub fn prefault(&mut self, blank: T)
    where
        T: Clone,
    {
        assert!(self.records.is_empty(), "before the first pair");
        self.pages.resize(PAIRS_WARM, [0; PAGE_LEN]);
        self.pages.clear();
        self.records.resize(PAIRS_WARM, blank);
        self.records.clear();
    }

    /// Makes room for the directory of `account`.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] if the id is not below [`AccountId::COUNT_MAX`].
    pub fn open_account(&mut self, account: AccountId) -> Result<(), Reject> {
        if account.index() >= AccountId::COUNT_MAX {
            return Err(Reject::new(
                RejectReason::CapacityExceeded,
                AccountId::COUNT_MAX as i128,
                i128::from(account.0),
            ));
        }
        if self.directory.len() <= account.index() {
            self.directory.resize(account.index() + 1, [0; PAGES_PER_ACCOUNT]);
        }
        Ok(())
    }

    /// Where the record of the pair is, if it has one.
    #[inline]
    pub fn find(&self, account: AccountId, instrument: InstrumentId) -> Option<PairSlot> {
        let pages = self.directory.get(account.index())?;
        let page = pages.get(instrument.index() / PAGE_LEN)?.checked_sub(1)?;
        let record = self.pages[page as usize][instrument.index() % PAGE_LEN];
        record.checked_sub(1).map(PairSlot)
    }

    /// Where the record of the pair is, made of `record` if it has none.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`] before [`Self::open_account`], [`RejectReason::UnknownInstrument`]
    /// for an id out of range, [`RejectReason::CapacityExceeded`] if the table is full.
    #[inline]
    pub fn find_or_insert(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        record: impl FnOnce() -> T,
    ) -> Result<PairSlot, Reject> {
        match self.find(account, instrument) {
            Some(slot) => Ok(slot),
            None => self.insert(account, instrument, record()),
        }
    }

    #[cold]
    fn insert(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        record: T,
    ) -> Result<PairSlot, Reject> {
        let full =
            |max: usize| Reject::new(RejectReason::CapacityExceeded, max as i128, max as i128);
        let directory = self
            .directory
            .get_mut(account.index())
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(account.0)))?;
        let page = directory
            .get_mut(instrument.index() / PAGE_LEN)
            .ok_or(Reject::of(RejectReason::UnknownInstrument, i128::from(instrument.0)))?;
        if self.records.len() == PAIRS_MAX {
            return Err(full(PAIRS_MAX));
        }
        if *page == 0 {
            if self.pages.len() == PAGES_MAX {
                return Err(full(PAGES_MAX));
            }
            self.pages.push([0; PAGE_LEN]);
            *page = self.pages.len() as u32;
        }
        self.records.push(record);
        let number = self.records.len() as u32;
        self.pages[*page as usize - 1][instrument.index() % PAGE_LEN] = number;
        Ok(PairSlot(number - 1))
    }

    /// The record at `slot`.
    #[inline]
    pub fn get(&self, slot: PairSlot) -> &T {
        &self.records[slot.0 as usize]
    }

    /// The record at `slot`, to change.
    #[inline]
    pub fn get_mut(&mut self, slot: PairSlot) -> &mut T {
        &mut self.records[slot.0 as usize]
    }

    /// Every record of `account`, by rising instrument.
    pub fn of_account(&self, account: AccountId) -> impl Iterator<Item = (InstrumentId, &T)> {
        let pages = self.directory.get(account.index()).map_or(&[][..], |pages| &pages[..]);
        pages.iter().enumerate().filter(|(_, page)| **page != 0).flat_map(move |(high, page)| {
            let page = &self.pages[*page as usize - 1];
            page.iter().enumerate().filter(|(_, record)| **record != 0).map(move |(low, record)| {
                let instrument = InstrumentId((high * PAGE_LEN + low) as u32);
                (instrument, &self.records[*record as usize - 1])
            })
        })
    }

    /// Every record, in the order in which the pairs were first used.
    pub fn records(&self) -> impl Iterator<Item = &T> {
        self.records.iter()
    }
}

impl<T> Default for PairTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut table = PairTable::new();
        table.open_account(AccountId(3)).expect("in range");
        let pairs = [(3, 16_383), (3, 0), (0, 256), (3, 255)];
        for (account, instrument) in pairs {
            let (account, instrument) = (AccountId(account), InstrumentId(instrument));
            assert_eq!(table.find(account, instrument), None);
            let slot = table.find_or_insert(account, instrument, || (account, instrument));
            assert_eq!(table.find(account, instrument), slot.ok());
        }
        let of_account: Vec<u32> = table.of_account(AccountId(3)).map(|(id, _)| id.0).collect();
        assert_eq!(of_account, [0, 255, 16_383]);
        assert_eq!(table.of_account(AccountId(4)).count(), 0);
        assert_eq!(table.records().count(), pairs.len());
    }

    #[test]
    fn ids_out_of_range_are_rejects() {
        let mut table = PairTable::new();
        for account in [AccountId(4_096), AccountId::NONE] {
            let reject = table.open_account(account).expect_err("out of range");
            assert_eq!(reject.reason, RejectReason::CapacityExceeded);
        }
        table.open_account(AccountId(0)).expect("in range");
        let mut reason = |account, instrument| {
            table.find_or_insert(account, instrument, || ()).expect_err("out of range").reason
        };
        assert_eq!(reason(AccountId(1), InstrumentId(0)), RejectReason::UnknownAccount);
        assert_eq!(reason(AccountId(0), InstrumentId(16_384)), RejectReason::UnknownInstrument);
        assert_eq!(reason(AccountId(0), InstrumentId::NONE), RejectReason::UnknownInstrument);
    }
}
