//! Every execution of the day, by number, so that one can be taken back or put right.

use crate::order::OrderSlot;
use crate::orders::ORDERS_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::event::Liquidity;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, UpTo, check_hash, touch};
use tidegate_model::{AccountId, ExecId, InstrumentId, Lots, Money, Side, StateHash, Ticks};

const TAG_EXECUTION: u64 = 0x6f6d_7365_7865_6375;
const TAG_NEXT: u64 = 0x6f6d_736e_6578_6563;

/// One execution as it is booked. 64 bytes, written one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// What was charged for it. May be something even when it was taken back: see [`crate::Amended::is`].
    pub fee: Money,
    /// Its number.
    pub exec_id: ExecId,
    /// The execution of the same account and instrument before it, since the position was last carried on; or 0.
    pub(super) before: ExecId,
    /// LastQty; 0 once it was taken back.
    pub qty: Lots,
    /// LastPx.
    pub price: Ticks,
    /// The order that was executed.
    pub order: OrderSlot,
    /// Its account.
    pub account: AccountId,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Bought or sold.
    pub side: Side,
    /// Rested or took.
    pub liquidity: Liquidity,
}

const _: () = assert!(size_of::<Executed>() == 64, "one cache line");

impl Executed {
    fn hash(&self) -> u64 {
        let of = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let taken = u64::from(self.liquidity.wire()) << 8 | u64::from(self.side.wire());
        hash_words(
            TAG_EXECUTION,
            &[
                self.exec_id.0 << 16 | taken,
                of(self.order.0, self.account.0),
                self.qty.0,
                self.price.0 as u64,
                self.fee.0 as u64,
                (self.fee.0 >> 64) as u64,
            ],
        )
    }
}

/// The executions since the day began, the last of them if there were more than there is room for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Executions {
    /// By number, masked. Grows, within its reserved room, until the first lap of numbers is done.
    #[serde(with = "UpTo::<{ ORDERS_MAX as usize }>")]
    records: Vec<Executed>,
    mask: u64,
    next: u64,
    /// The first number of the day.
    first: u64,
    hash: StateHash,
}

impl Executions {
    /// Room for `count_max`, a power of two.
    pub fn new(count_max: u32) -> Self {
        assert!(count_max.is_power_of_two(), "numbers are masked");
        Self {
            records: Vec::with_capacity(count_max as usize),
            mask: u64::from(count_max) - 1,
            next: 1,
            first: 1,
            hash: StateHash::default(),
        }
    }

    /// Writes to the room that was reserved, so that no execution waits for the system to hand out a page.
    pub fn prefault(&mut self) {
        const BLANK: Executed = Executed {
            fee: Money::ZERO,
            exec_id: ExecId(0),
            before: ExecId(0),
            qty: Lots::ZERO,
            price: Ticks::ZERO,
            order: OrderSlot(0),
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            side: Side::Buy,
            liquidity: Liquidity::Maker,
        };
        touch(&mut self.records, self.mask as usize + 1, BLANK);
    }

    /// Looks at what was read from a snapshot, and reserves the room that [`Self::new`] does.
    pub fn restored(&mut self, count_max: u32, orders: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "executions", why);
        let (count, used) = (count_max as usize, self.records.len());
        check(self.mask + 1 == u64::from(count_max), "it has room for other executions")?;
        let numbered = self.next > 0 && (1..=self.next).contains(&self.first);
        check(numbered && used <= count, "executions are numbered from 1")?;
        check(used == count || self.next == used as u64 + 1, "the next execution has a place")?;
        let is_placed = |(at, kept): (usize, &Executed)| {
            kept.exec_id.0.wrapping_sub(1) & self.mask == at as u64
                && kept.exec_id.0 < self.next
                && kept.before.0 < kept.exec_id.0
                && kept.order.index() < orders
        };
        check(self.records.iter().enumerate().all(is_placed), "executions lie by their number")?;
        check_hash("executions", self.hash(), self.hash_from_scratch())?;
        self.records.reserve_exact(count - used);
        self.prefault();
        Ok(())
    }

    /// The number that the next execution gets.
    #[inline]
    pub const fn next(&self) -> ExecId {
        ExecId(self.next)
    }

    /// True for a number of today.
    #[inline]
    pub const fn is_of_today(&self, exec_id: ExecId) -> bool {
        exec_id.0 >= self.first
    }

    /// Keeps an execution, which has the next number.
    #[inline]
    pub fn push(&mut self, executed: Executed) {
        assert!(executed.exec_id.0 == self.next, "executions are numbered through");
        let at = ((self.next - 1) & self.mask) as usize;
        self.hash.add(executed.hash());
        if at == self.records.len() {
            self.records.push(executed);
        } else {
            let old = core::mem::replace(&mut self.records[at], executed);
            if self.is_of_today(old.exec_id) {
                self.hash.remove(old.hash());
            }
        }
        self.next += 1;
    }

    /// The execution of a number, if it is kept.
    pub fn get(&self, exec_id: ExecId) -> Option<&Executed> {
        let at = exec_id.0.checked_sub(1)? & self.mask;
        let found = self.records.get(at as usize)?;
        (found.exec_id == exec_id && self.is_of_today(exec_id)).then_some(found)
    }

    /// Puts other figures in place of an execution's that is kept.
    pub fn amend(&mut self, exec_id: ExecId, qty: Lots, price: Ticks, fee: Money) {
        let at = ((exec_id.0 - 1) & self.mask) as usize;
        let found = &mut self.records[at];
        self.hash.remove(found.hash());
        (found.qty, found.price, found.fee) = (qty, price, fee);
        self.hash.add(found.hash());
    }

    /// The day ends: nothing of it can be amended any more.
    pub fn begin_day(&mut self) {
        self.first = self.next;
        self.hash = StateHash::default();
    }

    pub fn hash(&self) -> StateHash {
        self.hash.combined(self.hash_of_numbers())
    }

    fn hash_of_numbers(&self) -> StateHash {
        StateHash(hash_words(TAG_NEXT, &[self.next, self.first]))
    }

    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = self.hash_of_numbers();
        for executed in self.records.iter().filter(|kept| self.is_of_today(kept.exec_id)) {
            hash.add(executed.hash());
        }
        hash
    }
}
