//! What an account has at stake in one instrument: open orders and the position, both at once.

use crate::margin::Requirement;
use crate::pairs::PAIRS_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::Ticks;
use tidegate_model::hash::hash_words;
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, Money, PrincipalId, Reject, RejectReason, Side,
    StrategyId,
};

/// The most money that one account may have open, or hold, on one side of one instrument: 2.0e13 units of currency. With it
/// no sum over all pairs that a table can hold, of what they hold and have open on both sides, can overflow an `i128`.
pub const PAIR_MONEY_MAX: Money = Money(1 << 104);

const _: () = assert!(
    i128::MAX / PAIR_MONEY_MAX.0 / 4 >= PAIRS_MAX as i128,
    "the sum of all positions and open orders of the firm must fit"
);

const TAG_PAIR: u64 = 0x7269_736b_7061_6972;

/// What one open order ties up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderExposure {
    /// Whose order.
    pub account: AccountId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// LeavesQty; while a replace is under way the larger of before and after.
    pub qty: Lots,
    /// The dearest that `qty` may cost, at least 0; see [`crate::collar::Collar::exposure_price`].
    pub notional: Money,
    /// The strategy that it belongs to.
    pub strategy: StrategyId,
    /// Who entered it.
    pub principal: PrincipalId,
    /// Its limit, or for a market order the worst price that it may trade at.
    pub limit: Ticks,
}

impl OrderExposure {
    /// The exposure of `qty` lots at `price`, of nobody's strategy.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] if the notional is above [`PAIR_MONEY_MAX`].
    #[inline]
    pub fn of(
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        qty: Lots,
        price: Ticks,
        terms: &Instrument,
    ) -> Result<Self, Reject> {
        let notional = bounded_notional(price, qty, terms.money_per_tick_lot)?;
        let (strategy, principal) = (StrategyId::NONE, PrincipalId::OPERATOR);
        Ok(Self { account, instrument, side, qty, notional, strategy, principal, limit: price })
    }
}

impl OrderExposure {
    /// What two orders tie up of which only one can execute: the larger of both, in lots and in money.
    #[inline]
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let (qty, notional) = (self.qty.max(other.qty), self.notional.max(other.notional));
        let limit = match self.side {
            Side::Buy => self.limit.max(other.limit),
            Side::Sell => self.limit.min(other.limit),
        };
        Self { qty, notional, limit, ..*self }
    }

    /// The same, tying up nothing.
    #[inline]
    #[must_use]
    pub const fn none(&self) -> Self {
        Self { qty: Lots::ZERO, notional: Money::ZERO, ..*self }
    }
}

/// How an order is counted beside others of its list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// For itself.
    #[default]
    Alone,
    /// Of it and of others that tie up this, only one can execute: the larger is counted.
    OneOf(OrderExposure),
    /// Not yet: it only ever closes what another order of its list has opened, and is counted as that is executed.
    Later,
}

/// `|price| x qty` in money, at most [`PAIR_MONEY_MAX`].
///
/// # Errors
/// [`RejectReason::Overflow`] with the bound as its limit.
#[inline]
pub fn bounded_notional(
    price: Ticks,
    qty: Lots,
    money_per_tick_lot: i128,
) -> Result<Money, Reject> {
    let overflow = || Reject::new(RejectReason::Overflow, PAIR_MONEY_MAX.0, i128::MAX);
    // 63 bits times 64 bits: always fits.
    let ticks_lots = u128::from(price.0.unsigned_abs()) * u128::from(qty.0);
    let per_one = money_per_tick_lot.unsigned_abs();
    // Shares need 64 bits on either side, where one multiplication does.
    let notional = match (u64::try_from(ticks_lots), u64::try_from(per_one)) {
        (Ok(ticks_lots), Ok(per_one)) => u128::from(ticks_lots) * u128::from(per_one),
        _ => ticks_lots.checked_mul(per_one).ok_or_else(overflow)?,
    };
    if notional > PAIR_MONEY_MAX.0 as u128 { Err(overflow()) } else { Ok(Money(notional as i128)) }
}

/// The counters of one (account, instrument).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairExposure {
    /// Lots of open orders, by [`Side::index`].
    pub open_qty: [Lots; 2],
    /// Money that the open orders may cost at most, by [`Side::index`].
    pub open_notional: [Money; 2],
    /// Lots held; below 0 is short.
    pub position: i64,
    /// What the position cost; above 0 long, below 0 short.
    pub cost: Money,
}

impl PairExposure {
    /// The money the pair ties up: the larger of what its two sides could come to.
    ///
    /// A side comes to what the position cost, if it lies on that side, and all that its open orders may
    /// cost. Orders of both sides cannot both increase the position, so the smaller side is free. A side
    /// whose orders could all execute and still only reduce the position comes to nothing: they bring
    /// money back.
    #[inline]
    pub fn committed(&self) -> Money {
        let of_side = |side: Side, cost: i128| {
            if self.worst_position(side) <= 0 {
                return 0;
            }
            cost.max(0) + self.open_notional[side.index()].0
        };
        Money(of_side(Side::Buy, self.cost.0).max(of_side(Side::Sell, -self.cost.0)))
    }

    /// The margin that the pair ties up: as [`Self::committed`], of the margin of each side.
    pub fn margin(&self, initial: &Requirement) -> Money {
        let of_side = |side: Side, cost: i128| {
            let lots = self.worst_position(side);
            if lots <= 0 {
                return Money::ZERO;
            }
            // Two amounts within [`PAIR_MONEY_MAX`].
            let value = Money(cost.max(0) + self.open_notional[side.index()].0);
            initial.of(value, lots.unsigned_abs())
        };
        of_side(Side::Buy, self.cost.0).max(of_side(Side::Sell, -self.cost.0))
    }

    /// Lots held on `side` (long for buy) if every open order of that side executes and none of the other.
    #[inline]
    pub fn worst_position(&self, side: Side) -> i128 {
        let held = i128::from(self.position);
        let toward = if side == Side::Buy { held } else { -held };
        toward + i128::from(self.open_qty[side.index()].0)
    }

    /// Lets what can be put in beside all that is open, whatever of that makes way for it.
    ///
    /// # Errors
    /// As [`Self::with`].
    #[inline]
    pub(crate) fn check_room(&self, added: &OrderExposure) -> Result<(), Reject> {
        let side = added.side.index();
        let (qty, notional) = (self.open_qty[side], self.open_notional[side]);
        let fits = qty.0.checked_add(added.qty.0).is_some()
            && notional.0 + added.notional.0 <= PAIR_MONEY_MAX.0;
        if fits { Ok(()) } else { Err(Reject::of(RejectReason::Overflow, PAIR_MONEY_MAX.0)) }
    }

    /// Counts `after` in place of `before`, which are the same order's.
    ///
    /// # Panics
    /// If `before` was not counted, or `after` does not fit: [`Self::with`] was to be asked.
    #[inline]
    pub(crate) fn count(&mut self, before: &OrderExposure, after: &OrderExposure) {
        const CHECKED: &str = "what is counted was checked for overflow";
        let at = before.side.index();
        let (qty, notional) = (&mut self.open_qty[at], &mut self.open_notional[at]);
        let rest = qty.checked_sub(before.qty);
        let rest = rest.expect("an order leaves with no more lots than it brought");
        *qty = rest.checked_add(after.qty).expect(CHECKED);
        let rest = notional.0 - before.notional.0;
        assert!(rest >= 0, "an order leaves with no more money than it brought");
        assert!(after.notional >= Money::ZERO, "a notional is an amount, not a direction");
        notional.0 = rest + after.notional.0;
        assert!(*notional <= PAIR_MONEY_MAX, "{CHECKED}");
    }

    /// The counters with `removed` taken out and `added` put in.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] if a counter would not fit.
    ///
    /// # Panics
    /// If `removed` is more than is open: it was never put in.
    #[inline]
    pub(crate) fn with(
        mut self,
        removed: Option<&OrderExposure>,
        added: Option<&OrderExposure>,
    ) -> Result<Self, Reject> {
        if let Some(order) = removed {
            let side = order.side.index();
            let qty = self.open_qty[side].checked_sub(order.qty);
            self.open_qty[side] = qty.expect("an order leaves with no more lots than it brought");
            let notional = Money(self.open_notional[side].0 - order.notional.0);
            assert!(notional >= Money::ZERO, "an order leaves with no more money than it brought");
            self.open_notional[side] = notional;
        }
        if let Some(order) = added {
            let side = order.side.index();
            let full = |limit: i128| Reject::new(RejectReason::Overflow, limit, i128::MAX);
            assert!(order.notional >= Money::ZERO, "a notional is an amount, not a direction");
            self.open_qty[side] = self.open_qty[side]
                .checked_add(order.qty)
                .ok_or_else(|| full(i128::from(u64::MAX)))?;
            self.open_notional[side] = self.open_notional[side]
                .checked_add(order.notional)
                .filter(|sum| *sum <= PAIR_MONEY_MAX)
                .ok_or_else(|| full(PAIR_MONEY_MAX.0))?;
        }
        Ok(self)
    }

    /// The canonical hash; 0 if the pair holds nothing, so that a used-up pair equals one never used.
    #[inline]
    pub(crate) fn hash(&self, account: AccountId, instrument: InstrumentId) -> u64 {
        if *self == Self::default() {
            return 0;
        }
        let [buy_qty, sell_qty] = self.open_qty;
        let [buys, sells] = self.open_notional;
        hash_words(
            TAG_PAIR,
            &[
                u64::from(account.0) << 32 | u64::from(instrument.0),
                buy_qty.0,
                sell_qty.0,
                buys.0 as u64,
                (buys.0 >> 64) as u64,
                sells.0 as u64,
                (sells.0 >> 64) as u64,
                self.position as u64,
                self.cost.0 as u64,
                (self.cost.0 >> 64) as u64,
            ],
        )
    }
}
