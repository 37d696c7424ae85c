//! One record for each (account, instrument) that was ever used, found without hashing.
//!
//! Most accounts trade few instruments, and a check of one that was quiet for a while waits for memory, load by load. So
//! an account's first `FEW` pairs stand in one cache line of its own: that line, then the record. With one pair more all
//! of them move to pages that instruments share: its directory, the page, then the record. The directory lies where the
//! account's number says, so that no load waits for the line before it.

use serde::{Deserialize, Serialize};
use tidegate_model::saved::touch;
use tidegate_model::{AccountId, InstrumentId, Reject, RejectReason};

/// Pairs that one table can hold: `FEW` for each account there can be.
pub const PAIRS_MAX: usize = 1 << 20;
/// Pairs of an account that need no page. Their instruments are compared at once.
const FEW: usize = 8;
/// Instruments that share a page: 256 bytes, so that an account whose instruments lie far apart costs little.
const PAGE_LEN: usize = 64;
/// Pages that an account may need.
const PAGES_PER_ACCOUNT: usize = InstrumentId::COUNT_MAX / PAGE_LEN;
/// Pages that one table can hold. Each has a pair at least, so that they never run out before the pairs do.
const PAGES_MAX: usize = PAIRS_MAX;

const _: () = assert!(PAIRS_MAX == FEW * AccountId::COUNT_MAX);
const _: () = assert!(PAGE_LEN * PAGES_PER_ACCOUNT == InstrumentId::COUNT_MAX);
const _: () = assert!(InstrumentId::COUNT_MAX < u16::MAX as usize, "instruments of a line");
const _: () = assert!(size_of::<Line>() == 64);

/// Pairs and pages whose memory [`PairTable::prefault`] touches: as many as a busy day of one firm uses.
const PAIRS_WARM: usize = 4_096;
/// Accounts, from 0, whose memory it touches, 1.1 MiB: those that are likely to trade many instruments.
const ACCOUNTS_WARM: usize = 1_024;

/// Where a pair's record is; valid for the table that gave it, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairSlot(u32);

impl PairSlot {
    /// The number of the record, from 0, in the order in which pairs were first used.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The pairs of an account as long as they are few.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    /// Record numbers + 1; 0 behind the last.
    records: [u32; FEW],
    /// By rising number.
    instruments: [u16; FEW],
    /// Pairs that the account has, wherever they stand.
    count: u32,
}

impl Line {
    const EMPTY: Self = Self { records: [0; FEW], instruments: [u16::MAX; FEW], count: 0 };

    #[inline]
    const fn is_few(&self) -> bool {
        self.count as usize <= FEW
    }

    /// The record number + 1 of an instrument, or 0. Looks at four of them at once.
    #[inline]
    fn find(&self, instrument: InstrumentId) -> u32 {
        const EACH: u64 = 0x0001_0001_0001_0001;
        let Ok(wanted) = u16::try_from(instrument.0) else { return 0 };
        let halves: [[u16; FEW / 2]; 2] = bytemuck::cast(self.instruments);
        for (half, from) in halves.into_iter().zip([0, FEW / 2]) {
            let differs: u64 = u64::from_le_bytes(bytemuck::cast(half.map(u16::to_le)))
                ^ (EACH * u64::from(wanted));
            // The high bit of the first that is 0, and perhaps of some behind it.
            let found = differs.wrapping_sub(EACH) & !differs & (EACH << 15);
            if found != 0 {
                return self.records[from + found.trailing_zeros() as usize / 16];
            }
        }
        0
    }

    /// Puts in a pair that it does not have, among those before it.
    fn insert(&mut self, instrument: InstrumentId, record: u32) {
        let (wanted, count) = (instrument.0 as u16, self.count as usize);
        let at = self.instruments[..count].partition_point(|other| *other < wanted);
        self.instruments.copy_within(at..count, at + 1);
        self.records.copy_within(at..count, at + 1);
        (self.instruments[at], self.records[at]) = (wanted, record);
    }

    /// Every pair in it: instrument and record number + 1.
    fn pairs(self) -> impl Iterator<Item = (InstrumentId, u32)> {
        let pairs = self.instruments.into_iter().zip(self.records);
        pairs.filter(|pair| pair.1 != 0).map(|(id, record)| (InstrumentId(id.into()), record))
    }
}

/// A table of records by account and instrument.
///
/// Room is reserved when it is made, and the operating system gives the memory as it is touched: nothing is allocated
/// later. Beside the records that is 64 bytes for each account up to the highest number and, of one with many instruments,
/// 1 KiB and 256 bytes for each page.
#[derive(Debug)]
pub struct PairTable<T> {
    /// By account.
    lines: Vec<Line>,
    /// By account with many, then by high bits of the instrument: page number + 1, or 0.
    directory: Vec<u32>,
    /// By low bits of the instrument: record number + 1, or 0.
    pages: Vec<[u32; PAGE_LEN]>,
    records: Vec<T>,
}

impl<T> PairTable<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self {
            lines: Vec::with_capacity(AccountId::COUNT_MAX),
            directory: vec![0; AccountId::COUNT_MAX * PAGES_PER_ACCOUNT],
            pages: Vec::with_capacity(PAGES_MAX),
            records: Vec::with_capacity(PAIRS_MAX),
        }
    }

    /// Writes to the room of the first few thousand pairs, so that the first order of a pair does not wait for
    /// the system to hand out a page. `blank` is overwritten later.
    pub fn prefault(&mut self, blank: T)
    where
        T: Clone,
    {
        touch(&mut self.lines, ACCOUNTS_WARM, Line::EMPTY);
        for page in &mut self.directory[..ACCOUNTS_WARM * PAGES_PER_ACCOUNT] {
            *page = core::hint::black_box(*page);
        }
        touch(&mut self.pages, PAIRS_WARM, [0; PAGE_LEN]);
        touch(&mut self.records, PAIRS_WARM, blank);
    }

    /// Makes room for the pairs of `account`.
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
        if self.lines.len() <= account.index() {
            self.lines.resize(account.index() + 1, Line::EMPTY);
        }
        Ok(())
    }

    /// Where the record of the pair is, if it has one.
    #[inline(always)]
    pub fn find(&self, account: AccountId, instrument: InstrumentId) -> Option<PairSlot> {
        let line = self.lines.get(account.index())?;
        let record = if line.is_few() {
            line.find(instrument)
        } else {
            let page =
                self.directory(account).get(instrument.index() / PAGE_LEN)?.checked_sub(1)?;
            self.pages[page as usize][instrument.index() % PAGE_LEN]
        };
        record.checked_sub(1).map(PairSlot)
    }

    /// The pages of an account that is open; all 0 as long as it has few pairs.
    #[inline]
    fn directory(&self, account: AccountId) -> &[u32] {
        &self.directory[account.index() * PAGES_PER_ACCOUNT..][..PAGES_PER_ACCOUNT]
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
        let line = self
            .lines
            .get_mut(account.index())
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(account.0)))?;
        if instrument.index() >= InstrumentId::COUNT_MAX {
            return Err(Reject::of(RejectReason::UnknownInstrument, i128::from(instrument.0)));
        }
        if self.records.len() == PAIRS_MAX {
            let max = PAIRS_MAX as i128;
            return Err(Reject::new(RejectReason::CapacityExceeded, max, max));
        }
        self.records.push(record);
        let number = self.records.len() as u32;
        let before = *line;
        if (before.count as usize) < FEW {
            line.insert(instrument, number);
        }
        line.count += 1;
        if before.count as usize == FEW {
            for (instrument, number) in before.pairs() {
                self.insert_in_page(account, instrument, number);
            }
        }
        if before.count as usize >= FEW {
            self.insert_in_page(account, instrument, number);
        }
        Ok(PairSlot(number - 1))
    }

    fn insert_in_page(&mut self, account: AccountId, instrument: InstrumentId, record: u32) {
        let (high, low) = (instrument.index() / PAGE_LEN, instrument.index() % PAGE_LEN);
        let page = &mut self.directory[account.index() * PAGES_PER_ACCOUNT + high];
        if *page == 0 {
            self.pages.push([0; PAGE_LEN]);
            *page = self.pages.len() as u32;
        }
        self.pages[*page as usize - 1][low] = record;
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

    /// Accounts that there is room for, from number 0.
    pub(crate) fn accounts(&self) -> u32 {
        self.lines.len() as u32
    }

    /// Every record, in the order in which the pairs were first used.
    pub(crate) fn all(&self) -> &[T] {
        &self.records
    }

    /// How many records there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record that was made as number `at`, from 0, to change.
    #[inline]
    pub fn record_mut(&mut self, at: usize) -> &mut T {
        &mut self.records[at]
    }

    /// Every record of `account`, by rising instrument.
    pub fn of_account(&self, account: AccountId) -> impl Iterator<Item = (InstrumentId, &T)> {
        let (few, many) = match self.lines.get(account.index()) {
            None => (Line::EMPTY, &[][..]),
            Some(line) if line.is_few() => (*line, &[][..]),
            Some(_) => (Line::EMPTY, self.directory(account)),
        };
        let pages = many.iter().enumerate().filter(|(_, page)| **page != 0);
        let in_pages = pages.flat_map(|(high, page)| {
            let page = self.pages[*page as usize - 1].iter().enumerate();
            page.filter(|(_, record)| **record != 0)
                .map(move |(low, record)| (InstrumentId((high * PAGE_LEN + low) as u32), *record))
        });
        few.pairs()
            .chain(in_pages)
            .map(|(instrument, record)| (instrument, &self.records[record as usize - 1]))
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
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The bounds that only a full table shows: the last pair fits, the next one does not, and whatever is there is found.
    #[test]
    fn every_account_may_have_a_few_pairs() {
        let mut table = PairTable::new();
        let last = AccountId(AccountId::COUNT_MAX as u32 - 1);
        let pairs = || {
            let accounts = (0..AccountId::COUNT_MAX as u32).map(AccountId);
            accounts.flat_map(|account| (0..FEW as u32).map(move |n| (account, n)))
        };
        // Far apart, and another set for each account.
        let instrument =
            |account: AccountId, n: u32| InstrumentId((account.0 * 31 + n * 1_999) % 16_384);
        for (account, n) in pairs() {
            table.open_account(account).expect("in range");
            let slot = table.find_or_insert(account, instrument(account, n), || (account, n));
            assert!(slot.is_ok(), "{account} {n}");
        }
        let full = table.find_or_insert(last, InstrumentId(1), || (last, 0)).expect_err("one more");
        let max = PAIRS_MAX as i128;
        assert_eq!(full, Reject::new(RejectReason::CapacityExceeded, max, max));
        for (account, n) in pairs() {
            let slot = table.find(account, instrument(account, n)).expect("inserted above");
            assert_eq!(*table.get(slot), (account, n));
        }
        assert!(table.pages.is_empty(), "few need no page");
    }

    proptest! {
        /// Against a map: what is found, what an account has and in which order, and what there is in all.
        #[test]
        fn agrees_with_a_map(
            steps in prop::collection::vec((0_u32..4, 0_u32..40, any::<bool>()), 0..120),
            far in prop::sample::select(vec![1_u32, 63, 64, 409]),
        ) {
            let mut table = PairTable::new();
            let mut twin = BTreeMap::new();
            let mut first_used = Vec::new();
            for account in 0..3 {
                table.open_account(AccountId(account)).expect("in range");
            }
            for (at, (account, n, insert)) in steps.into_iter().enumerate() {
                let key = (AccountId(account), InstrumentId(n * far));
                if insert && account < 3 {
                    let slot = table.find_or_insert(key.0, key.1, || at).expect("there is room");
                    if !twin.contains_key(&key) {
                        first_used.push(key);
                    }
                    *table.get_mut(slot) += 1;
                    *twin.entry(key).or_insert(at) += 1;
                }
                let found = table.find(key.0, key.1).map(|slot| *table.get(slot));
                prop_assert_eq!(found, twin.get(&key).copied());
            }
            for account in (0..4).map(AccountId) {
                let found: Vec<_> = table.of_account(account).map(|(id, at)| (id, *at)).collect();
                let wanted = twin.range((account, InstrumentId(0))..=(account, InstrumentId::NONE));
                prop_assert_eq!(found, wanted.map(|(key, at)| (key.1, *at)).collect::<Vec<_>>());
            }
            let all: Vec<_> = first_used.iter().map(|key| twin[key]).collect();
            prop_assert_eq!(table.records().copied().collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut table = PairTable::new();
        table.open_account(AccountId(3)).expect("in range");
        let pairs = [(3, 16_383), (3, 0), (0, 64), (3, 63)];
        for (account, instrument) in pairs {
            let (account, instrument) = (AccountId(account), InstrumentId(instrument));
            assert_eq!(table.find(account, instrument), None);
            let slot = table.find_or_insert(account, instrument, || (account, instrument));
            assert_eq!(table.find(account, instrument), slot.ok());
        }
        let of_account: Vec<u32> = table.of_account(AccountId(3)).map(|(id, _)| id.0).collect();
        assert_eq!(of_account, [0, 63, 16_383]);
        assert_eq!(table.of_account(AccountId(4)).count(), 0);
        assert_eq!(table.records().count(), pairs.len());
    }

    #[test]
    fn ids_out_of_range_are_rejects() {
        let mut table = PairTable::new();
        for account in [AccountId(AccountId::COUNT_MAX as u32), AccountId::NONE] {
            let reject = table.open_account(account).expect_err("out of range");
            assert_eq!(reject.reason, RejectReason::CapacityExceeded);
        }
        table.open_account(AccountId(0)).expect("in range");
        let mut reason = |account, instrument| {
            assert_eq!(table.find(account, instrument), None);
            table.find_or_insert(account, instrument, || ()).expect_err("out of range").reason
        };
        assert_eq!(reason(AccountId(1), InstrumentId(0)), RejectReason::UnknownAccount);
        assert_eq!(reason(AccountId(0), InstrumentId(16_384)), RejectReason::UnknownInstrument);
        assert_eq!(reason(AccountId(0), InstrumentId::NONE), RejectReason::UnknownInstrument);
        // What stands for "none" in a line, and what looks like the first instrument in 16 bits.
        for hostile in [65_535, 65_536] {
            let hostile = InstrumentId(hostile);
            assert_eq!(reason(AccountId(0), hostile), RejectReason::UnknownInstrument);
        }
    }
}
