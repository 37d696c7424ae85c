//! What an execution is charged: the rates of its instrument, or a schedule that was set for its account or instrument.

use serde::{Deserialize, Serialize};
use tidegate_model::command::{AssignFees, SetFees};
use tidegate_model::event::Liquidity;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Sparse, UpTo, check_hash};
use tidegate_model::units::{MONEY_PER_UNIT, NANO};
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, Money, Reject, RejectReason, Side, StateHash,
};
use tidegate_risk::exposure::PAIR_MONEY_MAX;

/// Rates are in 1e-8.
const RATE_SCALE: i128 = 100_000_000;
/// [`Money`] units in 1e-9 of a currency.
const MONEY_PER_NANO: i128 = MONEY_PER_UNIT / NANO as i128;

/// Schedules that may be set: more than the tariffs of all venues and brokers of one firm.
pub const SCHEDULES_MAX: u32 = 256;

const TAG_SCHEDULE: u64 = 0x6f6d_7366_6565_7363;
const TAG_ASSIGNED: u64 = 0x6f6d_7366_6565_6173;

/// The fee on `notional` (at least 0), rounded up: a fee away from zero, a rebate (below 0) towards it, so
/// that the house never gives away what a division left over.
///
/// Exact for any notional within [`PAIR_MONEY_MAX`] and any rate within 100 %.
#[inline]
pub fn fee(notional: Money, rate_e8: i64) -> Money {
    if rate_e8 == 0 {
        return Money::ZERO;
    }
    let rate = i128::from(rate_e8);
    // Split, so that the product fits whatever the notional: whole x rate is exact, the rest is small.
    let (whole, rest) = (notional.0 / RATE_SCALE, notional.0 % RATE_SCALE);
    let rest_fee = rest * rate;
    let rounded_up =
        rest_fee.div_euclid(RATE_SCALE) + i128::from(rest_fee.rem_euclid(RATE_SCALE) != 0);
    Money(whole * rate + rounded_up)
}

/// The rate of `instrument` for an execution that rested or took, in 1e-8.
#[inline]
pub const fn rate_e8(instrument: &Instrument, liquidity: Liquidity) -> i64 {
    match liquidity {
        Liquidity::Maker => instrument.maker_fee_e8,
        // An auction gives no rebate: nobody rested for anybody.
        Liquidity::Taker | Liquidity::Auction => instrument.taker_fee_e8,
    }
}

/// What one order was charged so far, where a schedule counts by order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commission {
    /// The commissions of its executions, before the least and the most that an order pays.
    pub raw: Money,
    /// What of it was charged.
    pub charged: Money,
}

/// What an execution is charged by a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// All of it; below 0 is a rebate.
    pub fee: Money,
    /// What the order was charged with it.
    pub commission: Commission,
}

fn overflow() -> Reject {
    Reject::new(RejectReason::Overflow, PAIR_MONEY_MAX.0, i128::MAX)
}

/// Money of a count of 1e-9.
const fn money(nano: i64) -> i128 {
    // 63 bits of 1e9: it fits.
    nano as i128 * MONEY_PER_NANO
}

/// `amount`, at least `min` and at most `max`; 0 is no bound.
fn clamp(amount: i128, min_nano: i64, max_nano: i64) -> i128 {
    let amount = if min_nano == 0 { amount } else { amount.max(money(min_nano)) };
    if max_nano == 0 { amount } else { amount.min(money(max_nano)) }
}

/// What an execution of `qty` lots worth `notional` is charged by `schedule`, given what its order was charged before:
///
/// 1. commission: rate of the notional, plus so much a lot, plus so much a trade, within the bounds of a trade;
/// 2. of all commissions of the order together, within the bounds of an order, what is not charged yet;
/// 3. for a sale, what the regulator takes: a rate of the notional (SEC, Section 31 of the Exchange Act), and so much a lot
///    up to a most a trade (FINRA, By-Laws Schedule A, section 1(b)(2)), each rounded up to `sell_round_nano`.
///
/// # Errors
/// [`RejectReason::Overflow`] if an amount passes [`PAIR_MONEY_MAX`].
pub fn charge(
    schedule: &SetFees,
    side: Side,
    liquidity: Liquidity,
    qty: Lots,
    notional: Money,
    before: Commission,
) -> Result<Charge, Reject> {
    let (commission, levy) = parts(schedule, side, liquidity, qty, notional)?;
    let raw = before.raw.0.checked_add(commission).ok_or_else(overflow)?;
    let total = within_order(schedule, Money(raw));
    let charged = total.charged.0.checked_sub(before.charged.0).ok_or_else(overflow)?;
    let fee = charged.checked_add(levy).ok_or_else(overflow)?;
    if fee.unsigned_abs() > PAIR_MONEY_MAX.0 as u128 {
        return Err(overflow());
    }
    let commission = if is_by_order(schedule) { total } else { Commission::default() };
    Ok(Charge { fee: Money(fee), commission })
}

/// True if a schedule looks at all executions of an order together.
pub(crate) const fn is_by_order(schedule: &SetFees) -> bool {
    schedule.order_min_nano | schedule.order_max_nano != 0
}

/// The commission of one execution, within the bounds of a trade, and what the regulator takes.
pub(crate) fn parts(
    schedule: &SetFees,
    side: Side,
    liquidity: Liquidity,
    qty: Lots,
    notional: Money,
) -> Result<(i128, i128), Reject> {
    let per =
        |nano: i64, qty: Lots| money(nano).checked_mul(i128::from(qty.0)).ok_or_else(overflow);
    let (rate_e8, per_lot_nano) = match liquidity {
        Liquidity::Maker => (schedule.maker_e8, schedule.maker_per_lot_nano),
        // An auction gives no rebate: nobody rested for anybody.
        Liquidity::Taker | Liquidity::Auction => (schedule.taker_e8, schedule.taker_per_lot_nano),
    };
    let by_notional = fee(notional, rate_e8).0;
    let commission = by_notional.checked_add(per(per_lot_nano, qty)?).ok_or_else(overflow)?;
    let commission = commission.checked_add(money(schedule.per_trade_nano)).ok_or_else(overflow)?;
    let commission = clamp(commission, schedule.trade_min_nano, schedule.trade_max_nano);
    if side == Side::Buy {
        return Ok((commission, 0));
    }
    let round_up = |amount: i128| {
        let step = money(schedule.sell_round_nano).max(1);
        // At most one step more.
        amount.checked_add(step - 1).map(|up| up - up.rem_euclid(step)).ok_or_else(overflow)
    };
    let by_notional = round_up(fee(notional, schedule.sell_e8).0)?;
    let by_lots = round_up(per(schedule.sell_per_lot_nano, qty)?)?;
    let by_lots = clamp(by_lots, 0, schedule.sell_per_lot_max_nano);
    Ok((commission, by_notional.checked_add(by_lots).ok_or_else(overflow)?))
}

/// What all commissions of an order come to within its bounds.
pub(crate) fn within_order(schedule: &SetFees, raw: Money) -> Commission {
    let charged = clamp(raw.0, schedule.order_min_nano, schedule.order_max_nano);
    Commission { raw, charged: Money(charged) }
}

/// Refuses a schedule that means nothing.
///
/// # Errors
/// [`RejectReason::BadField`] with the value at fault.
pub fn check_schedule(set: &SetFees) -> Result<(), Reject> {
    let check = |ok: bool, value: i64| {
        if ok { Ok(()) } else { Err(Reject::of(RejectReason::BadField, value.into())) }
    };
    check((1..=SCHEDULES_MAX).contains(&set.schedule), set.schedule.into())?;
    let whole = i64::try_from(RATE_SCALE).expect("100 %");
    for rate in [set.maker_e8, set.taker_e8] {
        check((-whole..=whole).contains(&rate), rate)?;
    }
    check((0..=whole).contains(&set.sell_e8), set.sell_e8)?;
    for amount in [
        set.trade_min_nano,
        set.trade_max_nano,
        set.order_min_nano,
        set.order_max_nano,
        set.sell_per_lot_nano,
        set.sell_per_lot_max_nano,
        set.sell_round_nano,
    ] {
        check(amount >= 0, amount)?;
    }
    for (min, max) in
        [(set.trade_min_nano, set.trade_max_nano), (set.order_min_nano, set.order_max_nano)]
    {
        check(max == 0 || min <= max, max)?;
    }
    Ok(())
}

/// Every schedule, and whom it is for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fees {
    #[serde(with = "UpTo::<{ SCHEDULES_MAX as usize }>")]
    schedules: Vec<Option<SetFees>>,
    /// By account and by instrument: the number of a schedule, or 0.
    #[serde(with = "Sparse::<{ AccountId::COUNT_MAX }>")]
    by_account: Vec<u16>,
    #[serde(with = "Sparse::<{ InstrumentId::COUNT_MAX }>")]
    by_instrument: Vec<u16>,
    /// How many accounts and instruments have one: as long as none has, nobody looks.
    assigned: u32,
    hash: StateHash,
}

impl Fees {
    pub(crate) fn new() -> Self {
        Self {
            schedules: Vec::new(),
            by_account: Vec::new(),
            by_instrument: Vec::new(),
            assigned: 0,
            hash: StateHash::default(),
        }
    }

    /// Looks at what was read from a snapshot.
    pub(crate) fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "fees", why);
        let is_set = |number: &u16| {
            *number == 0 || self.schedules.get(*number as usize - 1).is_some_and(Option::is_some)
        };
        let numbers = || self.by_account.iter().chain(&self.by_instrument);
        check(numbers().all(is_set), "assigned schedules are there")?;
        let assigned = numbers().filter(|number| **number != 0).count();
        check(self.assigned as usize == assigned, "assignments are counted")?;
        let mut schedules = self.schedules.iter().flatten();
        check(schedules.all(|set| check_schedule(set).is_ok()), "schedules are some")?;
        let mut hash = StateHash::default();
        self.schedules.iter().flatten().for_each(|set| hash.add(hash_schedule(set)));
        for (table, of_account) in [(&self.by_account, true), (&self.by_instrument, false)] {
            for (at, number) in table.iter().enumerate() {
                hash.add(hash_assigned(at, of_account, *number));
            }
        }
        check_hash("fees", self.hash, hash)
    }

    pub(crate) const fn hash(&self) -> StateHash {
        self.hash
    }

    pub(crate) fn set(&mut self, set: &SetFees) -> Result<(), Reject> {
        check_schedule(set)?;
        let at = set.schedule as usize - 1;
        if self.schedules.len() <= at {
            self.schedules.resize(at + 1, None);
        }
        if let Some(old) = self.schedules[at].replace(*set) {
            self.hash.remove(hash_schedule(&old));
        }
        self.hash.add(hash_schedule(set));
        Ok(())
    }

    /// Gives an account or an instrument a schedule, or takes it away. The account is open.
    pub(crate) fn assign(&mut self, assign: &AssignFees) -> Result<(), Reject> {
        let &AssignFees { account, instrument, schedule, .. } = assign;
        let known =
            schedule == 0 || self.schedules.get(schedule as usize - 1).is_some_and(Option::is_some);
        let of_account = account != AccountId::NONE;
        if !known || of_account == (instrument != InstrumentId::NONE) {
            return Err(Reject::of(RejectReason::BadField, schedule.into()));
        }
        if !of_account && instrument.index() >= InstrumentId::COUNT_MAX {
            return Err(Reject::of(RejectReason::UnknownInstrument, instrument.0.into()));
        }
        let (table, at) = match of_account {
            true => (&mut self.by_account, account.index()),
            false => (&mut self.by_instrument, instrument.index()),
        };
        if table.len() <= at {
            table.resize(at + 1, 0);
        }
        let term = |schedule: u16| hash_assigned(at, of_account, schedule);
        let old = core::mem::replace(&mut table[at], schedule as u16);
        self.hash.remove(term(old));
        self.hash.add(term(schedule as u16));
        self.assigned = self.assigned + u32::from(schedule != 0) - u32::from(old != 0);
        Ok(())
    }

    /// The schedule for an execution, if there is one: that of the account goes before that of the instrument.
    #[inline]
    pub(crate) fn schedule(
        &self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> Option<&SetFees> {
        if self.assigned == 0 {
            return None;
        }
        self.assigned_to(account, instrument)
    }

    #[cold]
    fn assigned_to(&self, account: AccountId, instrument: InstrumentId) -> Option<&SetFees> {
        let of = |table: &[u16], at: usize| {
            table.get(at).copied().filter(|number| *number != 0).map(usize::from)
        };
        let number = of(&self.by_account, account.index())
            .or_else(|| of(&self.by_instrument, instrument.index()))?;
        self.schedules[number - 1].as_ref()
    }
}

fn hash_assigned(at: usize, of_account: bool, schedule: u16) -> u64 {
    match schedule {
        0 => 0,
        _ => hash_words(TAG_ASSIGNED, &[at as u64, of_account.into(), schedule.into()]),
    }
}

fn hash_schedule(set: &SetFees) -> u64 {
    hash_words(TAG_SCHEDULE, &bytemuck::cast::<SetFees, [u64; 14]>(*set))
}
