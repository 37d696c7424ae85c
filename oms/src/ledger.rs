//! Who holds what: the cash of every account and the position of every account in every instrument.

use crate::account::AccountRecord;
use crate::position::{Trade, booked};
use bytemuck::Zeroable;
use tidegate_model::event::{Account, Position};
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, Instrument, InstrumentId, Money, Reject, RejectReason, StateHash};
use tidegate_risk::pairs::PairTable;

const TAG_POSITION: u64 = 0x6f6d_7370_6f73_6974;

/// Cash totals stay within this, so that sums of a few of them cannot overflow: 4.2e19 units of currency.
const CASH_MAX: Money = Money(1 << 125);

#[derive(Clone, Copy, Debug)]
struct PositionRecord {
    account: AccountId,
    instrument: InstrumentId,
    position: Position,
    hash: u64,
}

impl PositionRecord {
    fn flat(account: AccountId, instrument: InstrumentId) -> Self {
        Self { account, instrument, position: Position::zeroed(), hash: 0 }
    }
}

/// What a trade did to its position and its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Lots held after it; below 0 is short.
    pub position_qty: i64,
    /// What they cost; below 0 is short.
    pub position_cost: Money,
    /// What the trade realised, before its fee.
    pub realised: Money,
    /// Cash after it.
    pub cash: Money,
}

#[derive(Debug)]
pub struct Ledger {
    accounts: Vec<Option<AccountRecord>>,
    positions: PairTable<PositionRecord>,
    none: Position,
    hash: StateHash,
}

impl Ledger {
    pub fn new() -> Self {
        Self {
            accounts: Vec::new(),
            positions: PairTable::new(),
            none: Position::zeroed(),
            hash: StateHash::default(),
        }
    }

    pub fn prefault(&mut self) {
        self.positions.prefault(PositionRecord::flat(AccountId::NONE, InstrumentId::NONE));
    }

    pub const fn hash(&self) -> StateHash {
        self.hash
    }

    pub fn open_account(&mut self, id: AccountId, currency: Code) -> Result<(), Reject> {
        if self.account(id).is_ok() {
            return Err(Reject::of(RejectReason::DuplicateAccount, i128::from(id.0)));
        }
        if !currency.is_valid() {
            return Err(Reject::of(RejectReason::BadField, i128::from(currency.0[0])));
        }
        self.positions.open_account(id)?;
        if self.accounts.len() <= id.index() {
            self.accounts.resize(id.index() + 1, None);
        }
        let mut record = AccountRecord { account: Account::zeroed(), cost: Money::ZERO, hash: 0 };
        record.account.currency = currency;
        self.put_account(id, record);
        Ok(())
    }

    #[inline]
    pub fn account(&self, id: AccountId) -> Result<&AccountRecord, Reject> {
        self.accounts
            .get(id.index())
            .and_then(Option::as_ref)
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(id.0)))
    }

    /// Enters a record, after the sum that must hold was asserted.
    #[inline]
    fn put_account(&mut self, id: AccountId, mut record: AccountRecord) {
        record.assert_conserved();
        self.hash.remove(record.hash);
        record.hash = record.hash_now(id);
        self.hash.add(record.hash);
        self.accounts[id.index()] = Some(record);
    }

    pub fn transfer(&mut self, id: AccountId, amount: Money) -> Result<(), Reject> {
        let mut record = *self.account(id)?;
        record.account.cash = sum(record.account.cash, amount)?;
        record.account.deposits = sum(record.account.deposits, amount)?;
        self.put_account(id, record);
        Ok(())
    }

    /// Books a trade into position and cash, or changes nothing.
    #[inline]
    pub fn book(
        &mut self,
        id: AccountId,
        instrument: InstrumentId,
        trade: &Trade,
        terms: &Instrument,
    ) -> Result<Booking, Reject> {
        let mut record = *self.account(id)?;
        let change = booked(self.position(id, instrument), trade, terms)?;
        record.account.cash = sum(record.account.cash, change.cash)?;
        record.account.realised = sum(record.account.realised, change.realised)?;
        record.account.fees = sum(record.account.fees, trade.fee)?;
        record.cost = sum(record.cost, change.cost)?;

        let flat = || PositionRecord::flat(id, instrument);
        let slot = self.positions.find_or_insert(id, instrument, flat)?;
        let held = self.positions.get_mut(slot);
        held.position = change.position;
        self.hash.remove(held.hash);
        held.hash = hash_position(id, instrument, &change.position);
        self.hash.add(held.hash);
        self.put_account(id, record);
        Ok(Booking {
            position_qty: change.position.qty,
            position_cost: change.position.cost,
            realised: change.realised,
            cash: record.account.cash,
        })
    }

    #[inline]
    pub fn position(&self, id: AccountId, instrument: InstrumentId) -> &Position {
        match self.positions.find(id, instrument) {
            Some(slot) => &self.positions.get(slot).position,
            None => &self.none,
        }
    }

    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &AccountRecord)> {
        let numbered = self.accounts.iter().enumerate();
        numbered.filter_map(|(id, record)| record.as_ref().map(|r| (AccountId(id as u32), r)))
    }

    pub fn positions(&self, id: AccountId) -> impl Iterator<Item = (InstrumentId, &Position)> {
        self.positions.of_account(id).map(|(instrument, record)| (instrument, &record.position))
    }

    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (id, record) in self.accounts() {
            hash.add(record.hash_now(id));
        }
        for held in self.positions.records() {
            hash.add(hash_position(held.account, held.instrument, &held.position));
        }
        hash
    }
}

fn sum(total: Money, part: Money) -> Result<Money, Reject> {
    total
        .checked_add(part)
        .filter(|sum| sum.0.unsigned_abs() <= CASH_MAX.0 as u128)
        .ok_or(Reject::new(RejectReason::Overflow, CASH_MAX.0, part.0))
}

#[inline]
fn hash_position(id: AccountId, instrument: InstrumentId, position: &Position) -> u64 {
    let [cost, realised, fees] = [position.cost, position.realised, position.fees]
        .map(|money| [money.0 as u64, (money.0 >> 64) as u64]);
    hash_words(
        TAG_POSITION,
        &[
            u64::from(id.0) << 32 | u64::from(instrument.0),
            position.qty as u64,
            cost[0],
            cost[1],
            realised[0],
            realised[1],
            fees[0],
            fees[1],
            position.bought.0,
            position.sold.0,
        ],
    )
}
