//! Who holds what: the cash of every account and the position of every account in every instrument.

pub mod actions;
pub mod amend;
pub mod executions;
mod lots;
mod wallets;

use crate::account::Wallet;
use crate::order::OrderSlot;
use crate::position::{Change, Trade, booked, booked_at, closing_qty};
use crate::rates::Rates;
use bytemuck::Zeroable;
use executions::{Executed, Executions};
use lots::{Closed, QueueSlot, TaxLots};
use serde::{Deserialize, Serialize};
use tidegate_model::command::CostMethod;
use tidegate_model::event::{Liquidity, Position};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Sparse, UpTo, check_hash};
use tidegate_model::{
    AccountId, ExecId, Instrument, InstrumentId, Money, Reject, RejectReason, StateHash,
};
use tidegate_risk::exposure::PAIR_MONEY_MAX;
use tidegate_risk::pairs::{PairSlot, PairTable};
use tidegate_risk::saved::Paired;

/// Currencies beside base ones that there can be.
const OTHERS_MAX: usize = AccountId::COUNT_MAX * (AccountId::CURRENCIES_MAX - 1);
const TAG_POSITION: u64 = 0x6f6d_7370_6f73_6974;

/// Totals stay within this, 5.3e18 units of currency, so that the sums of a few of them cannot overflow even when each
/// instrument of an account has added [`tidegate_risk::exposure::PAIR_MONEY_MAX`] once.
const CASH_MAX: Money = Money(1 << 122);

const _: () = assert!(
    CASH_MAX.0.checked_add(PAIR_MONEY_MAX.0 * InstrumentId::COUNT_MAX as i128).is_some(),
    "a total of an account and what all instruments add must fit"
);

/// No wallet, in a link.
pub const NONE: u32 = u32::MAX;

/// An account: its base currency, and where its others are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct AccountRecord {
    base: Wallet,
    currencies: u8,
    cost_method: CostMethod,
}

/// Where one currency of an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletSlot {
    account: AccountId,
    /// [`NONE`] for the base currency.
    other: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PositionRecord {
    account: AccountId,
    instrument: InstrumentId,
    position: Position,
    hash: u64,
    /// The last execution of today, unless the position was carried on since; or 0.
    last_exec: ExecId,
    /// The position before the first of those executions.
    opening: Position,
    /// Its lots, where the account realises first in, first out, and there was a trade.
    queue: Option<QueueSlot>,
    /// The position of another account that came to the instrument before.
    holder_before: Option<PairSlot>,
}

impl Paired for PositionRecord {
    fn pair(&self) -> (AccountId, InstrumentId) {
        (self.account, self.instrument)
    }
}

impl PositionRecord {
    fn flat(account: AccountId, instrument: InstrumentId) -> Self {
        let (position, opening) = (Position::zeroed(), Position::zeroed());
        let (last_exec, queue, holder_before) = (ExecId(0), None, None);
        Self { account, instrument, position, hash: 0, last_exec, opening, queue, holder_before }
    }
}

impl WalletSlot {
    /// Whose it is.
    #[inline]
    pub const fn account(self) -> AccountId {
        self.account
    }
}

/// What was executed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The order.
    pub order: OrderSlot,
    /// Rested or took.
    pub liquidity: Liquidity,
}

/// What a trade did to its position and its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The number of the execution.
    pub exec_id: ExecId,
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

/// What a trade does to a queue of lots.
#[derive(Clone, Copy, Debug)]
struct Closing {
    queue: QueueSlot,
    /// `None` if nothing closes.
    closed: Option<Closed>,
    /// What was held before, and what it had cost.
    held: u64,
    cost: Money,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Ledger {
    #[serde(with = "UpTo::<{ AccountId::COUNT_MAX }>")]
    accounts: Vec<Option<AccountRecord>>,
    /// Currencies beside the base ones, in the order in which accounts came to hold them.
    #[serde(with = "UpTo::<OTHERS_MAX>")]
    others: Vec<Wallet>,
    rates: Rates,
    positions: PairTable<PositionRecord>,
    /// By instrument: the position of who came to it last. From there [`PositionRecord::holder_before`] leads to the others.
    #[serde(with = "Sparse::<{ InstrumentId::COUNT_MAX }>")]
    last_holder: Vec<Option<PairSlot>>,
    lots: TaxLots,
    executions: Executions,
    none: Position,
    hash: StateHash,
}

impl Ledger {
    /// Empty, with room for `executions_max` executions of a day, a power of two.
    pub fn new(executions_max: u32) -> Self {
        Self {
            accounts: Vec::new(),
            others: Vec::new(),
            rates: Rates::new(),
            positions: PairTable::new(),
            last_holder: vec![None; InstrumentId::COUNT_MAX],
            lots: TaxLots::new(),
            executions: Executions::new(executions_max),
            none: Position::zeroed(),
            hash: StateHash::default(),
        }
    }

    /// Looks at what was read from a snapshot, and reserves the room that [`Self::new`] does.
    pub fn restored(&mut self, executions_max: u32, orders: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "accounts", why);
        self.executions.restored(executions_max, orders)?;
        self.lots.restored()?;
        check(self.last_holder.len() == InstrumentId::COUNT_MAX, "every instrument has a place")?;
        let mut seen = vec![false; self.others.len()];
        for (id, record) in self.accounts.iter().enumerate() {
            let Some(AccountRecord { base, currencies, .. }) = record else { continue };
            let id = AccountId(id as u32);
            check(base.has_own_hashes(id), "wallets enter the state hash as they are")?;
            let (mut next, mut count) = (base.next, 1);
            while next != NONE {
                match seen.get_mut(next as usize) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return check(false, "a currency is one account's"),
                }
                let other = &self.others[next as usize];
                check(other.has_own_hashes(id), "wallets enter the state hash as they are")?;
                (next, count) = (other.next, count + 1);
            }
            check(count == *currencies, "an account's currencies are counted")?;
        }
        check(seen.iter().all(|seen| *seen), "every currency is an account's")?;
        let pairs = self.positions.len();
        for (at, held) in self.positions.records().enumerate() {
            check(self.record(held.account).is_ok(), "positions have accounts")?;
            check(held.last_exec.0 < self.executions.next().0, "positions know past executions")?;
            let is_before = held.holder_before.is_none_or(|before| before.index() < at);
            check(is_before, "who came before is known before")?;
            let queue = held.queue.is_none_or(|queue| self.lots.has(queue));
            check(queue, "positions have their lots")?;
            let hash = hash_position(held.account, held.instrument, &held.position);
            check(
                held.hash == hash || held.hash == 0,
                "positions enter the state hash as they are",
            )?;
        }
        let is_there = |slot: &PairSlot| slot.index() < pairs;
        check(self.last_holder.iter().flatten().all(is_there), "holders have positions")?;
        check_hash("accounts", self.hash(), self.hash_from_scratch())?;
        self.prefault();
        Ok(())
    }

    pub fn prefault(&mut self) {
        self.positions.prefault(PositionRecord::flat(AccountId::NONE, InstrumentId::NONE));
        self.executions.prefault();
    }

    pub fn hash(&self) -> StateHash {
        self.hash.combined(self.rates.hash()).combined(self.executions.hash())
    }

    /// True if a trade worth `notional` is sure to be booked, and one more of that size after it: each total is within a
    /// quarter of its bound, and so is the trade.
    #[inline]
    pub fn has_room(
        &self,
        id: AccountId,
        instrument: InstrumentId,
        &Trade { qty, fee, .. }: &Trade,
        notional: Money,
        terms: &Instrument,
    ) -> bool {
        let Ok(slot) = self.find(id, terms.currency) else { return false };
        let within =
            |total: Money, bound: Money| total.0.unsigned_abs() <= bound.0.unsigned_abs() / 4;
        let position = self.position(id, instrument);
        let Wallet { account, cost, .. } = self.wallet(slot);
        let lots = [position.bought.0, position.sold.0, position.qty.unsigned_abs(), qty.0];
        lots.iter().all(|lots| *lots <= i64::MAX as u64 / 4)
            && [notional, fee, position.cost].iter().all(|money| within(*money, PAIR_MONEY_MAX))
            && [
                account.cash,
                account.realised,
                account.fees,
                *cost,
                position.realised,
                position.fees,
            ]
            .iter()
            .all(|money| within(*money, CASH_MAX))
    }

    /// Books a trade into position and cash, or changes nothing.
    #[inline]
    pub fn book(
        &mut self,
        id: AccountId,
        instrument: InstrumentId,
        trade: &Trade,
        by: By,
        terms: &Instrument,
    ) -> Result<Booking, Reject> {
        let wallet_slot = self.find(id, terms.currency)?;
        let by_lots = self.record(id)?.cost_method == CostMethod::Fifo;
        let (change, closing) = match by_lots {
            false => (booked(self.position(id, instrument), trade, terms)?, None),
            true => self.booked_by_lots(id, instrument, trade, terms)?,
        };
        let wallet = self.wallet(wallet_slot);
        let cash = sum(wallet.account.cash, change.cash)?;
        let realised = sum(wallet.account.realised, change.realised)?;
        let fees = sum(wallet.account.fees, trade.fee)?;
        let cost = sum(wallet.cost, change.paid)?;

        let mut is_first = false;
        let slot = self.positions.find_or_insert(id, instrument, || {
            is_first = true;
            PositionRecord::flat(id, instrument)
        })?;
        if is_first {
            let before = self.last_holder[instrument.index()].replace(slot);
            self.positions.get_mut(slot).holder_before = before;
        }
        let exec_id = self.executions.next();
        let held = self.positions.get_mut(slot);
        if !self.executions.is_of_today(held.last_exec) {
            (held.opening, held.last_exec) = (held.position, ExecId(0));
        }
        let before = core::mem::replace(&mut held.last_exec, exec_id);
        held.position = change.position;
        self.hash.remove(held.hash);
        held.hash = hash_position(id, instrument, &change.position);
        self.hash.add(held.hash);
        let By { order, liquidity } = by;
        let &Trade { side, qty, price, fee } = trade;
        self.executions.push(Executed {
            fee,
            exec_id,
            before,
            qty,
            price,
            order,
            account: id,
            instrument,
            side,
            liquidity,
        });
        if by_lots {
            self.keep_lots(slot, closing);
        }
        let (wallet, hash) = self.wallet_mut(wallet_slot);
        wallet.account.cash = cash;
        wallet.account.realised = realised;
        wallet.account.fees = fees;
        wallet.cost = cost;
        wallet.enter(id, hash);
        Ok(Booking {
            exec_id,
            position_qty: change.position.qty,
            position_cost: change.position.cost,
            realised: change.realised,
            cash,
            wallet: wallet_slot,
        })
    }

    /// What a trade changes where lots are realised first in, first out.
    #[cold]
    fn booked_by_lots(
        &self,
        id: AccountId,
        instrument: InstrumentId,
        trade: &Trade,
        terms: &Instrument,
    ) -> Result<(Change, Option<Closing>), Reject> {
        let before = *self.position(id, instrument);
        let found = self.positions.find(id, instrument);
        let queue = found.and_then(|slot| self.positions.get(slot).queue);
        let closing = queue.map(|queue| {
            let qty = closing_qty(&before, trade);
            let held = before.qty.unsigned_abs();
            let closed = (qty > 0).then(|| self.lots.close(queue, held, before.cost, qty));
            Closing { queue, closed, held, cost: before.cost }
        });
        // Without a queue there was no trade, so that nothing closes.
        let released = closing.as_ref().and_then(|closing| closing.closed).map(|c| c.released);
        let change = booked_at(&before, trade, released.unwrap_or_default(), terms)?;
        Ok((change, closing))
    }

    /// Brings the lots of a position up to a trade that is booked.
    #[cold]
    fn keep_lots(&mut self, slot: PairSlot, closing: Option<Closing>) {
        match closing {
            None => {
                let record = self.positions.get_mut(slot);
                let (id, instrument) = (record.account, record.instrument);
                record.queue = Some(self.lots.open_queue(id, instrument, &mut self.hash));
            }
            Some(Closing { queue, closed: Some(closed), .. }) => {
                self.lots.keep(queue, closed, &mut self.hash);
            }
            Some(Closing { queue, closed: None, held, cost }) => {
                self.lots.push_newest(queue, held, cost, &mut self.hash);
            }
        }
    }

    /// An execution of today, if it is kept.
    pub fn execution(&self, exec_id: ExecId) -> Option<&Executed> {
        self.executions.get(exec_id)
    }

    /// The lots of a position that realises first in, first out: how many and what they cost, oldest first.
    pub fn tax_lots(
        &self,
        id: AccountId,
        instrument: InstrumentId,
    ) -> impl Iterator<Item = (u64, Money)> {
        let found = self.positions.find(id, instrument).map(|slot| self.positions.get(slot));
        let held = found.and_then(|held| held.queue.map(|queue| (queue, &held.position)));
        held.into_iter().flat_map(|(queue, position)| {
            self.lots.list(queue, position.qty.unsigned_abs(), position.cost)
        })
    }

    /// The trading day ends: what is there is what the next one begins with.
    pub fn day_roll(&mut self) {
        self.executions.begin_day();
        for record in self.positions.records() {
            if let Some(queue) = record.queue {
                self.lots.begin_day(queue, &mut self.hash);
            }
        }
    }

    #[inline]
    pub fn position(&self, id: AccountId, instrument: InstrumentId) -> &Position {
        match self.positions.find(id, instrument) {
            Some(slot) => &self.positions.get(slot).position,
            None => &self.none,
        }
    }

    pub fn positions(&self, id: AccountId) -> impl Iterator<Item = (InstrumentId, &Position)> {
        self.positions.of_account(id).map(|(instrument, record)| (instrument, &record.position))
    }

    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = self.rates.hash().combined(self.executions.hash_from_scratch());
        for (id, _) in self.accounts() {
            for wallet in self.wallets(id) {
                hash.add(wallet.hash_now(id));
                hash.add(wallet.rare_hash_now(id));
            }
        }
        for held in self.positions.records() {
            hash.add(hash_position(held.account, held.instrument, &held.position));
            if let Some(queue) = held.queue {
                hash = hash.combined(self.lots.hash_from_scratch(queue));
            }
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
