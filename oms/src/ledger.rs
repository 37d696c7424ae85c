//! Who holds what: the cash of every account and the position of every account in every instrument.

use crate::account::Wallet;
use crate::position::{Trade, booked};
use crate::rates::Rates;
use bytemuck::Zeroable;
use tidegate_model::command::{Convert, SetRate};
use tidegate_model::event::{Account, Position};
use tidegate_model::fx::{Rate, Rest};
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, Instrument, InstrumentId, Money, Reject, RejectReason, StateHash};
use tidegate_risk::pairs::PairTable;

const TAG_POSITION: u64 = 0x6f6d_7370_6f73_6974;

/// Totals stay within this, 5.3e18 units of currency, so that the sums of a few of them cannot overflow even when each
/// instrument of an account has added [`tidegate_risk::exposure::PAIR_MONEY_MAX`] once.
const CASH_MAX: Money = Money(1 << 122);

/// No wallet, in a link.
pub const NONE: u32 = u32::MAX;

/// An account: its base currency, and where its others are.
#[derive(Clone, Copy, Debug)]
struct AccountRecord {
    base: Wallet,
    currencies: u8,
}

/// Where one currency of an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletSlot {
    account: AccountId,
    /// [`NONE`] for the base currency.
    other: u32,
}

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

impl WalletSlot {
    /// Whose it is.
    #[inline]
    pub const fn account(self) -> AccountId {
        self.account
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
    /// The currency of the account that it was paid in.
    pub wallet: WalletSlot,
}

#[derive(Debug)]
pub struct Ledger {
    accounts: Vec<Option<AccountRecord>>,
    /// Currencies beside the base ones, in the order in which accounts came to hold them.
    others: Vec<Wallet>,
    rates: Rates,
    positions: PairTable<PositionRecord>,
    none: Position,
    hash: StateHash,
}

impl Ledger {
    pub fn new() -> Self {
        Self {
            accounts: Vec::new(),
            others: Vec::new(),
            rates: Rates::new(),
            positions: PairTable::new(),
            none: Position::zeroed(),
            hash: StateHash::default(),
        }
    }

    pub fn prefault(&mut self) {
        self.positions.prefault(PositionRecord::flat(AccountId::NONE, InstrumentId::NONE));
    }

    pub fn hash(&self) -> StateHash {
        self.hash.combined(self.rates.hash())
    }

    pub fn open_account(&mut self, id: AccountId, currency: Code) -> Result<(), Reject> {
        if self.record(id).is_ok() {
            return Err(Reject::of(RejectReason::DuplicateAccount, i128::from(id.0)));
        }
        if !currency.is_valid() {
            return Err(Reject::of(RejectReason::BadField, i128::from(currency.0[0])));
        }
        self.positions.open_account(id)?;
        if self.accounts.len() <= id.index() {
            self.accounts.resize(id.index() + 1, None);
        }
        let mut base = Wallet::new(currency, currency, 0);
        base.enter_all(id, &mut self.hash);
        self.accounts[id.index()] = Some(AccountRecord { base, currencies: 1 });
        Ok(())
    }

    #[inline]
    fn record(&self, id: AccountId) -> Result<&AccountRecord, Reject> {
        self.accounts
            .get(id.index())
            .and_then(Option::as_ref)
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(id.0)))
    }

    /// The base currency of an account.
    #[inline]
    pub fn base(&self, id: AccountId) -> Result<&Wallet, Reject> {
        self.record(id).map(|record| &record.base)
    }

    /// Where an account keeps a currency.
    #[inline]
    pub fn find(&self, id: AccountId, currency: Code) -> Result<WalletSlot, Reject> {
        let record = self.record(id)?;
        if record.base.account.currency == currency {
            return Ok(WalletSlot { account: id, other: NONE });
        }
        self.find_other(id, record.base.next, currency)
    }

    #[cold]
    fn find_other(
        &self,
        account: AccountId,
        first: u32,
        currency: Code,
    ) -> Result<WalletSlot, Reject> {
        let mut other = first;
        while let Some(wallet) = self.others.get(other as usize) {
            if wallet.account.currency == currency {
                return Ok(WalletSlot { account, other });
            }
            other = wallet.next;
        }
        Err(Reject::of(RejectReason::CurrencyMismatch, i128::from(account.0)))
    }

    /// Where an account keeps a currency that it holds from now on, if it did not before.
    fn find_or_hold(&mut self, id: AccountId, currency: Code) -> Result<WalletSlot, Reject> {
        let record = *self.record(id)?;
        if let Ok(slot) = self.find(id, currency) {
            return Ok(slot);
        }
        if !currency.is_valid() {
            return Err(Reject::of(RejectReason::BadField, i128::from(currency.0[0])));
        }
        let number = record.currencies;
        if usize::from(number) == AccountId::CURRENCIES_MAX {
            let limit = AccountId::CURRENCIES_MAX as i128;
            return Err(Reject::new(RejectReason::CapacityExceeded, limit, limit + 1));
        }
        let other = self.others.len() as u32;
        let mut wallet = Wallet::new(currency, record.base.account.currency, number);
        wallet.next = record.base.next;
        wallet.enter_all(id, &mut self.hash);
        self.others.push(wallet);
        let record = self.accounts[id.index()].as_mut().expect("looked up above");
        record.base.next = other;
        record.currencies += 1;
        Ok(WalletSlot { account: id, other })
    }

    #[inline]
    pub fn wallet(&self, slot: WalletSlot) -> &Wallet {
        if slot.other == NONE {
            let record = self.accounts[slot.account.index()].as_ref();
            return &record.expect("an account stays open").base;
        }
        &self.others[slot.other as usize]
    }

    /// The wallet, and the hash that it is entered into after a change.
    #[inline]
    fn wallet_mut(&mut self, slot: WalletSlot) -> (&mut Wallet, &mut StateHash) {
        if slot.other == NONE {
            let record = self.accounts[slot.account.index()].as_mut();
            return (&mut record.expect("an account stays open").base, &mut self.hash);
        }
        (&mut self.others[slot.other as usize], &mut self.hash)
    }

    /// Every currency of an account, the base currency first.
    pub fn wallets(&self, id: AccountId) -> impl Iterator<Item = &Wallet> {
        let base = self.record(id).ok().map(|record| &record.base);
        core::iter::successors(base, |wallet| self.others.get(wallet.next as usize))
    }

    pub fn transfer(
        &mut self,
        id: AccountId,
        amount: Money,
        currency: Code,
    ) -> Result<WalletSlot, Reject> {
        let base = self.base(id)?.account.currency;
        // Asked first, so that what is refused opens no currency.
        sum(Money::ZERO, amount)?;
        let slot = self.find_or_hold(id, if currency.is_empty() { base } else { currency })?;
        let Account { cash, deposits, .. } = self.wallet(slot).account;
        let (cash, deposits) = (sum(cash, amount)?, sum(deposits, amount)?);
        let (wallet, hash) = self.wallet_mut(slot);
        wallet.account.cash = cash;
        wallet.account.deposits = deposits;
        wallet.enter(id, hash);
        Ok(slot)
    }

    pub fn set_rate(&mut self, set: &SetRate) -> Result<(), Reject> {
        self.rates.set(set)
    }

    /// What one unit of `from` is worth in `to`.
    pub fn rate(&self, from: Code, to: Code) -> Option<Rate> {
        self.rates.get(from, to)
    }

    /// Gives cash of one currency for cash of another; what was received.
    pub fn convert(&mut self, convert: &Convert) -> Result<[(WalletSlot, Money); 2], Reject> {
        let &Convert { amount, received, from, to, account, .. } = convert;
        let bad = |value| Err(Reject::of(RejectReason::BadField, value));
        if amount <= Money::ZERO {
            return bad(amount.0);
        }
        if received < Money::ZERO {
            return bad(received.0);
        }
        let giver = self.find(account, from)?;
        if from == to {
            return bad(i128::from(account.0));
        }
        let rest = self.find(account, to).map_or(Rest::default(), |slot| self.wallet(slot).rest);
        let (received, rest) = if received > Money::ZERO {
            (received, rest)
        } else {
            let no_rate = Reject::of(RejectReason::NoRate, i128::from(account.0));
            let rate = self.rates.get(from, to).ok_or(no_rate)?;
            let overflow = Reject::new(RejectReason::Overflow, CASH_MAX.0, amount.0);
            rate.convert(amount, rest).ok_or(overflow)?
        };
        let moved = |account: &Account, part| {
            sum(account.conversions, part).and_then(|total| Ok((total, sum(account.cash, part)?)))
        };
        let given = Money(-amount.0);
        let gone = moved(&self.wallet(giver).account, given)?;
        // Asked first, so that what is refused opens no currency.
        sum(Money::ZERO, received)?;
        let taker = self.find_or_hold(account, to)?;
        let come = moved(&self.wallet(taker).account, received)?;
        for (slot, (conversions, cash)) in [(giver, gone), (taker, come)] {
            let (wallet, hash) = self.wallet_mut(slot);
            wallet.account.conversions = conversions;
            wallet.account.cash = cash;
            if slot == taker {
                wallet.rest = rest;
            }
            wallet.enter_all(account, hash);
        }
        Ok([(giver, given), (taker, received)])
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
        let wallet_slot = self.find(id, terms.currency)?;
        let change = booked(self.position(id, instrument), trade, terms)?;
        let wallet = self.wallet(wallet_slot);
        let cash = sum(wallet.account.cash, change.cash)?;
        let realised = sum(wallet.account.realised, change.realised)?;
        let fees = sum(wallet.account.fees, trade.fee)?;
        let cost = sum(wallet.cost, change.cost)?;

        let flat = || PositionRecord::flat(id, instrument);
        let slot = self.positions.find_or_insert(id, instrument, flat)?;
        let held = self.positions.get_mut(slot);
        held.position = change.position;
        self.hash.remove(held.hash);
        held.hash = hash_position(id, instrument, &change.position);
        self.hash.add(held.hash);
        let (wallet, hash) = self.wallet_mut(wallet_slot);
        wallet.account.cash = cash;
        wallet.account.realised = realised;
        wallet.account.fees = fees;
        wallet.cost = cost;
        wallet.enter(id, hash);
        Ok(Booking {
            position_qty: change.position.qty,
            position_cost: change.position.cost,
            realised: change.realised,
            cash,
            wallet: wallet_slot,
        })
    }

    #[inline]
    pub fn position(&self, id: AccountId, instrument: InstrumentId) -> &Position {
        match self.positions.find(id, instrument) {
            Some(slot) => &self.positions.get(slot).position,
            None => &self.none,
        }
    }

    /// Every account by rising id, with its base currency.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Wallet)> {
        let numbered = self.accounts.iter().enumerate();
        numbered.filter_map(|(id, record)| record.as_ref().map(|r| (AccountId(id as u32), &r.base)))
    }

    pub fn positions(&self, id: AccountId) -> impl Iterator<Item = (InstrumentId, &Position)> {
        self.positions.of_account(id).map(|(instrument, record)| (instrument, &record.position))
    }

    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = self.rates.hash();
        for (id, _) in self.accounts() {
            for wallet in self.wallets(id) {
                hash.add(wallet.hash_now(id));
                hash.add(wallet.rare_hash_now(id));
            }
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
