//! What sets an order's actual fills and its simulated ones apart, in money. The head of [`super`] says what each part is.

use super::recorded::{Fill, OrderRecord, Venue};
use tidegate_model::{Instrument, Lots, Money, Side, Ticks};

/// Fills of one order, in the simulations that differ in one thing each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs<'a> {
    /// As the simulator supposes.
    pub base: &'a [Fill],
    /// With the latency that was.
    pub way: &'a [Fill],
    /// With the queue places that were, too.
    pub queue: &'a [Fill],
    /// From the last place of the queue.
    pub last: &'a [Fill],
    /// From the first.
    pub first: &'a [Fill],
}

/// Fills together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Lots.
    pub qty: Lots,
    /// Sum of price x quantity in ticks x lots.
    pub ticks_lots: i128,
    /// Fees.
    pub fees: Money,
}

impl Sum {
    /// `None` if it passes the integers.
    pub fn of(fills: &[Fill]) -> Option<Self> {
        let mut sum = Self::default();
        for fill in fills {
            let ticks_lots = i128::from(fill.price.0).checked_mul(i128::from(fill.qty.0))?;
            sum.qty = sum.qty.checked_add(fill.qty)?;
            sum.ticks_lots = sum.ticks_lots.checked_add(ticks_lots)?;
            sum.fees = sum.fees.checked_add(fill.fee)?;
        }
        Some(sum)
    }
}

/// What sets an order's fills apart: actual less simulated, in money. Below 0 the actual ones are worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Of the time that requests took.
    pub latency: Money,
    /// Of the place in the queue.
    pub queue: Money,
    /// Of prices.
    pub slippage: Money,
    /// Of lots that only the simulation filled.
    pub missed: Money,
    /// Of lots that only the real order filled.
    pub extra: Money,
    /// Of fees.
    pub fees: Money,
    /// What the actual fills are worth, after fees.
    pub actual: Money,
    /// What the simulated ones are worth, after fees.
    pub simulated: Money,
    /// Actual less simulated: all of it.
    pub difference: Money,
    /// Lots behind `missed`.
    pub missed_qty: Lots,
    /// Lots behind `extra`.
    pub extra_qty: Lots,
    /// Lots by which the queue place changed what was filled; above 0 more was.
    pub queue_qty: i64,
}

impl Parts {
    /// Each part with its name, in the order in which they are told.
    pub fn named(&self) -> [(&'static str, Money); 6] {
        [
            ("latency", self.latency),
            ("queue place", self.queue),
            ("slippage", self.slippage),
            ("missed fills", self.missed),
            ("extra fills", self.extra),
            ("fees", self.fees),
        ]
    }

    /// Adds those of another order.
    pub fn add(&mut self, other: &Self) -> Option<()> {
        let of = |this: &mut Money, other: Money| {
            *this = this.checked_add(other)?;
            Some(())
        };
        of(&mut self.latency, other.latency)?;
        of(&mut self.queue, other.queue)?;
        of(&mut self.slippage, other.slippage)?;
        of(&mut self.missed, other.missed)?;
        of(&mut self.extra, other.extra)?;
        of(&mut self.fees, other.fees)?;
        of(&mut self.actual, other.actual)?;
        of(&mut self.simulated, other.simulated)?;
        of(&mut self.difference, other.difference)?;
        self.missed_qty = self.missed_qty.checked_add(other.missed_qty)?;
        self.extra_qty = self.extra_qty.checked_add(other.extra_qty)?;
        self.queue_qty = self.queue_qty.checked_add(other.queue_qty)?;
        Some(())
    }
}

/// What fills bring in, before fees, in ticks x lots; below 0 they cost.
pub(super) fn cash_of(side: Side, fills: &[Fill]) -> Option<i128> {
    let sum = Sum::of(fills)?.ticks_lots;
    match side {
        Side::Buy => sum.checked_neg(),
        Side::Sell => Some(sum),
    }
}

/// What `qty` lots bought or sold at `price` are worth at `mark`, in ticks x lots.
fn worth(side: Side, price: Ticks, mark: Ticks, qty: Lots) -> Option<i128> {
    let gained = match side {
        Side::Buy => i128::from(mark.0) - i128::from(price.0),
        Side::Sell => i128::from(price.0) - i128::from(mark.0),
    };
    gained.checked_mul(i128::from(qty.0))
}

fn worth_of(side: Side, fills: &[Fill], mark: Ticks) -> Option<i128> {
    fills
        .iter()
        .try_fold(0i128, |sum, fill| sum.checked_add(worth(side, fill.price, mark, fill.qty)?))
}

/// What the lots from `from` to `to` of fills are worth, counted in the order of execution.
fn worth_between(side: Side, fills: &[Fill], mark: Ticks, from: u64, to: u64) -> Option<i128> {
    let mut at = 0u64;
    fills.iter().try_fold(0i128, |sum, fill| {
        let begin = at;
        at = at.checked_add(fill.qty.0)?;
        let qty = at.min(to).saturating_sub(begin.max(from));
        sum.checked_add(worth(side, fill.price, mark, Lots(qty))?)
    })
}

/// Takes an order's difference apart; `None` if it passes the integers.
///
/// # Panics
/// If the parts are not the whole.
pub(super) fn attribute(
    order: &OrderRecord,
    runs: &Runs<'_>,
    mark: Ticks,
    terms: &Instrument,
) -> Option<Parts> {
    let side = order.side;
    let is_routed = matches!(order.venue, Venue::Route(_));
    let like = if is_routed { runs.way } else { runs.queue };
    let (actual, base) = (Sum::of(&order.fills)?, Sum::of(runs.base)?);
    let qty = |fills| Sum::of(fills).map(|sum| sum.qty.0);
    let (filled, supposed) = (actual.qty.0, qty(like)?);
    let latency = worth_of(side, runs.way, mark)?.checked_sub(worth_of(side, runs.base, mark)?)?;
    let mut queue = worth_of(side, like, mark)?.checked_sub(worth_of(side, runs.way, mark)?)?;
    let mut queue_qty = signed(supposed)?.checked_sub(signed(qty(runs.way)?)?)?;

    let both = filled.min(supposed);
    let slippage = worth_between(side, &order.fills, mark, 0, both)?
        .checked_sub(worth_between(side, like, mark, 0, both)?)?;
    // Missing lots: first those that no place explains, then those that a worse place does.
    let by_place = match is_routed {
        true => (supposed - both).min(supposed - qty(runs.last)?.min(supposed)),
        false => 0,
    };
    let missed_qty = supposed - both - by_place;
    let missed = -worth_between(side, like, mark, both, both + missed_qty)?;
    queue = queue.checked_sub(worth_between(side, like, mark, both + missed_qty, supposed)?)?;
    queue_qty = queue_qty.checked_sub(signed(by_place)?)?;
    // Lots beyond: first those that a better place explains, then the others.
    let by_place = match is_routed {
        true => (filled - both).min(qty(runs.first)?.max(supposed) - supposed),
        false => 0,
    };
    let extra = worth_between(side, &order.fills, mark, both + by_place, filled)?;
    queue = queue.checked_add(worth_between(side, &order.fills, mark, both, both + by_place)?)?;
    queue_qty = queue_qty.checked_add(signed(by_place)?)?;

    let fees = base.fees.checked_sub(actual.fees)?;
    let value = |fills, fees| terms.value_of(worth_of(side, fills, mark)?)?.checked_sub(fees);
    let actual = value(&order.fills, actual.fees)?;
    let simulated = value(runs.base, base.fees)?;
    let parts = Parts {
        latency: terms.value_of(latency)?,
        queue: terms.value_of(queue)?,
        slippage: terms.value_of(slippage)?,
        missed: terms.value_of(missed)?,
        extra: terms.value_of(extra)?,
        fees,
        actual,
        simulated,
        difference: actual.checked_sub(simulated)?,
        missed_qty: Lots(missed_qty),
        extra_qty: Lots(filled - both - by_place),
        queue_qty,
    };
    let sum = parts.named().iter().try_fold(Money::ZERO, |sum, part| sum.checked_add(part.1))?;
    assert_eq!(sum, parts.difference, "order {}: the parts are the whole", order.order_id);
    Some(parts)
}

fn signed(qty: u64) -> Option<i64> {
    i64::try_from(qty).ok()
}
