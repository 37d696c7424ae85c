//! What concerns every holder of an instrument at once: dividends, splits, settlements, the cost of borrowing.
//!
//! Each is asked of every holder before any is changed, so that it happens to all or to none.

use super::{CASH_MAX, Ledger, WalletSlot, hash_position};
use crate::position::{overflow, share, trade_value, within_bound};
use tidegate_model::event::{Account, Position};
use tidegate_model::{Instrument, InstrumentId, Lots, Money, Reject, RejectReason, Ticks};
use tidegate_risk::pairs::PairSlot;

/// What happens to the holders of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Each lot receives this much; one that is short pays it.
    Dividend(Money),
    /// `denominator` lots become `numerator`; what does not make a whole lot is sold (bought in, if short) at `price`.
    Split {
        /// Lots after it ...
        numerator: u32,
        /// ... for so many before.
        denominator: u32,
        /// Ticks for one lot after it; not above 0 is no price.
        price: Ticks,
    },
    /// Positions that are settled daily are carried on at this price, and what that makes is paid.
    Settle(Ticks),
    /// Short positions pay `e6` millionths of their value at `price`, or of their cost where there is none.
    Borrow {
        /// Millionths of the value, a count times `over`.
        e6: u64,
        /// What `e6` is divided by, above 0.
        over: u64,
        /// What the position is valued at.
        price: Option<Ticks>,
    },
}

/// What happened to one holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The currency of the account that was paid in.
    pub wallet: WalletSlot,
    /// What it holds.
    pub instrument: InstrumentId,
    /// What was added to cash.
    pub amount: Money,
    /// Lots held before.
    pub qty: i64,
    /// The position after it.
    pub position: Position,
    /// The account after it.
    pub account: Account,
}

/// What an action changes for one holder.
#[derive(Clone, Copy, Debug, Default)]
struct Effect {
    cash: i128,
    realised: i128,
    dividends: i128,
    borrow: i128,
    /// Added to the cost of positions that are paid for.
    paid: i128,
}

/// Splits lots, given oldest first as (lots, what they cost): the lots after it, and what the fraction had cost that does
/// not make a whole one. Together they have what all had, unless the fraction is none. A lot that becomes less than one joins
/// the next; the fraction is of the last that is left.
pub fn split_lots(
    lots: &[(u64, Money)],
    numerator: u32,
    denominator: u32,
) -> (Vec<(u128, Money)>, Money) {
    let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
    let mut split: Vec<(u128, Money)> = Vec::with_capacity(lots.len());
    // In parts of a lot after the split: what came, and what the lots before the last have of it.
    let (mut parts, mut parts_before) = (0, 0);
    let (mut whole, mut carried) = (0, 0);
    for (qty, cost) in lots {
        parts += u128::from(*qty) * numerator;
        carried += cost.0;
        let after = parts / denominator;
        if after > whole {
            parts_before = whole * denominator;
            split.push((after - whole, Money(carried)));
            (whole, carried) = (after, 0);
        }
    }
    let Some(last) = split.last_mut() else { return (split, Money(carried)) };
    let fraction = parts - whole * denominator;
    last.1.0 += carried;
    let released = match fraction {
        0 => 0,
        // Below 2^20 of at most 2^84.
        _ => share(last.1.0, fraction as i128, (parts - parts_before) as i128),
    };
    last.1.0 -= released;
    (split, Money(released))
}

impl Ledger {
    /// Lets an action pass that can happen to every holder of an instrument.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] if an amount does not fit, [`RejectReason::BadPrice`] if a split leaves a fraction and
    /// there is no price for it.
    pub fn check_action(
        &self,
        instrument: InstrumentId,
        terms: &Instrument,
        action: Action,
    ) -> Result<(), Reject> {
        for slot in self.positions_in(instrument) {
            if !self.concerns(action, slot) {
                continue;
            }
            self.effect(slot, terms, action)?;
            let account = self.positions.get(slot).account;
            let wallet = self.wallet(self.find(account, terms.currency)?);
            let Account { cash, realised, dividends, borrow, .. } = wallet.account;
            for total in [cash, realised, dividends, borrow, wallet.cost] {
                if total.0.unsigned_abs() > CASH_MAX.0 as u128 {
                    return Err(Reject::new(RejectReason::Overflow, CASH_MAX.0, total.0));
                }
            }
        }
        Ok(())
    }

    /// Does an action, which was checked, to every holder of an instrument, by rising account, and tells each; how many
    /// there were.
    pub fn act(
        &mut self,
        instrument: InstrumentId,
        terms: &Instrument,
        action: Action,
        mut each: impl FnMut(&Posted),
    ) -> u64 {
        let mut count = 0;
        for slot in self.positions_in(instrument) {
            // One who holds nothing would have held something if an earlier trade had not been.
            self.carry_on(slot);
            if self.concerns(action, slot) {
                each(&self.act_on(slot, terms, action));
                count += 1;
            }
        }
        count
    }

    /// Every position that there ever was in an instrument, by rising account.
    fn positions_in(&self, instrument: InstrumentId) -> Vec<PairSlot> {
        let last = self.last_holder.get(instrument.index()).copied().flatten();
        let before = |slot: &PairSlot| self.positions.get(*slot).holder_before;
        let mut slots: Vec<_> = core::iter::successors(last, before).collect();
        slots.sort_unstable_by_key(|slot| self.positions.get(*slot).account);
        slots
    }

    /// True if an action concerns a position.
    fn concerns(&self, action: Action, slot: PairSlot) -> bool {
        let qty = self.positions.get(slot).position.qty;
        if matches!(action, Action::Borrow { .. }) { qty < 0 } else { qty != 0 }
    }

    /// What `action` does to one holder: the position after it, and the rest.
    fn effect(
        &self,
        slot: PairSlot,
        terms: &Instrument,
        action: Action,
    ) -> Result<(Position, Effect), Reject> {
        let before = self.positions.get(slot).position;
        let (mut after, mut effect) = (before, Effect::default());
        let times = |amount: i128, qty: i64| {
            let product = amount.checked_mul(qty.into()).ok_or_else(|| overflow(amount))?;
            within_bound(product).map(|money| money.0)
        };
        match action {
            Action::Dividend(per_lot) => {
                effect.dividends = times(per_lot.0, before.qty)?;
                effect.cash = effect.dividends;
            }
            Action::Split { numerator, denominator, price } => {
                self.split(slot, &mut after, (numerator, denominator))?;
                let parts = u128::from(before.qty.unsigned_abs()) * u128::from(numerator);
                let fraction = (parts % u128::from(denominator)) as i128;
                let released = before.cost.0 - after.cost.0;
                if fraction > 0 {
                    if price <= Ticks::ZERO {
                        return Err(Reject::of(RejectReason::BadPrice, price.0.into()));
                    }
                    let one =
                        trade_value(price, Lots(1), terms)?.0 * i128::from(before.qty.signum());
                    // Rounded against the holder: a seller gets less, a buyer pays more.
                    effect.realised = (one * fraction).div_euclid(denominator.into()) - released;
                }
                effect.cash = effect.realised;
                if !terms.is_settled_daily() {
                    (effect.cash, effect.paid) = (effect.realised + released, -released);
                }
            }
            Action::Settle(price) if terms.is_settled_daily() => {
                let per_lot = trade_value(price, Lots(1), terms)?;
                after.cost = Money(times(per_lot.0, before.qty)?);
                effect.realised = after.cost.0 - before.cost.0;
                effect.cash = effect.realised;
            }
            Action::Settle(_) => {}
            Action::Borrow { e6, over, price } => {
                let at_mark = price.and_then(|price| terms.notional(price, Lots(1)));
                let at_mark = at_mark.and_then(|per_lot| times(per_lot.0, before.qty).ok());
                let value = at_mark.unwrap_or(before.cost.0).unsigned_abs();
                effect.borrow = per_million(value, e6, over)?;
                effect.cash = -effect.borrow;
            }
        }
        let realised = after.realised.0.checked_add(effect.realised);
        after.realised = Money(realised.ok_or_else(|| overflow(effect.realised))?);
        // One instrument adds no more than this once, whatever came before.
        for part in [effect.cash, effect.realised, effect.dividends, effect.borrow] {
            within_bound(part)?;
        }
        Ok((after, effect))
    }

    fn act_on(&mut self, slot: PairSlot, terms: &Instrument, action: Action) -> Posted {
        let checked = "asked before";
        let (after, effect) = self.effect(slot, terms, action).expect(checked);
        let held = self.positions.get_mut(slot);
        let (account, instrument, before) = (held.account, held.instrument, held.position);
        let queue = held.queue;
        held.position = after;
        self.hash.remove(held.hash);
        held.hash = hash_position(account, instrument, &after);
        self.hash.add(held.hash);
        match (queue, action) {
            (Some(queue), Action::Split { numerator, denominator, .. }) => {
                let lots = self.lots.list(queue, before.qty.unsigned_abs(), before.cost);
                let (lots, _) = split_lots(&lots.collect::<Vec<_>>(), numerator, denominator);
                self.lots.replace(queue, &lots, &mut self.hash);
            }
            (Some(queue), Action::Settle(_)) if terms.is_settled_daily() => {
                let per_lot = after.cost.0 / i128::from(after.qty.unsigned_abs());
                let lots = self.lots.list(queue, before.qty.unsigned_abs(), before.cost);
                let at_price = |(qty, _)| (u128::from(qty), Money(i128::from(qty) * per_lot));
                let lots: Vec<_> = lots.map(at_price).collect();
                self.lots.replace(queue, &lots, &mut self.hash);
            }
            _ => {}
        }
        let wallet_slot = self.find(account, terms.currency).expect(checked);
        let (wallet, hash) = self.wallet_mut(wallet_slot);
        let told = &mut wallet.account;
        told.cash.0 += effect.cash;
        told.realised.0 += effect.realised;
        told.dividends.0 += effect.dividends;
        told.borrow.0 += effect.borrow;
        wallet.cost.0 += effect.paid;
        wallet.enter_all(account, hash);
        let told = wallet.account;
        Posted {
            wallet: wallet_slot,
            instrument,
            amount: Money(effect.cash),
            qty: before.qty,
            position: after,
            account: told,
        }
    }

    /// The position that a split leaves. What a split adds counts as bought by one who is long, and what it takes as sold.
    fn split(
        &self,
        slot: PairSlot,
        position: &mut Position,
        (numerator, denominator): (u32, u32),
    ) -> Result<(), Reject> {
        let before = *position;
        let qty = before.qty.unsigned_abs();
        let (split, _) = match self.positions.get(slot).queue {
            None => split_lots(&[(qty, before.cost)], numerator, denominator),
            Some(queue) => {
                let lots = self.lots.list(queue, qty, before.cost).collect::<Vec<_>>();
                split_lots(&lots, numerator, denominator)
            }
        };
        let held = split.iter().map(|lot| lot.0).sum::<u128>();
        let held = i64::try_from(held).map_err(|_| overflow(held as i128))?;
        position.qty = held * before.qty.signum();
        position.cost = Money(split.iter().map(|lot| lot.1.0).sum());
        let change = i128::from(position.qty) - i128::from(before.qty);
        let lots = if change > 0 { &mut position.bought } else { &mut position.sold };
        let moved = u64::try_from(change.unsigned_abs()).map_err(|_| overflow(change))?;
        *lots = lots.checked_add(Lots(moved)).ok_or_else(|| overflow(change))?;
        Ok(())
    }
}

/// `value x e6 / (1,000,000 x over)`, rounded up.
fn per_million(value: u128, e6: u64, over: u64) -> Result<i128, Reject> {
    let whole = u128::from(over) * 1_000_000;
    let too_much = || overflow(i128::MAX);
    let (quotient, rest) = (value / whole, value % whole);
    let part = rest.checked_mul(e6.into()).ok_or_else(too_much)?.div_ceil(whole);
    let cost = quotient.checked_mul(e6.into()).and_then(|cost| cost.checked_add(part));
    i128::try_from(cost.ok_or_else(too_much)?).map_err(|_| too_much())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_of_lots() {
        type Row<'a> = (&'a [(u64, i128)], (u32, u32), &'a [(u128, i128)], i128);
        let table: &[Row<'_>] = &[
            (&[(10, 1_000)], (2, 1), &[(20, 1_000)], 0),
            (&[(10, 1_000)], (1, 2), &[(5, 1_000)], 0),
            // 4.5 lots: half a lot of nine halves, a ninth of the cost.
            (&[(3, 900)], (3, 2), &[(4, 800)], 100),
            (&[(3, -900)], (3, 2), &[(4, -800)], -100),
            // Each lot by itself where each comes out whole.
            (&[(2, 200), (4, 800)], (3, 2), &[(3, 200), (6, 800)], 0),
            // 1.5 and 1.5: the half of the first joins the second, which has no fraction then.
            (&[(1, 100), (1, 300)], (3, 2), &[(1, 100), (2, 300)], 0),
            // Half a lot is none: its cost goes on, and one and a half make one and a fraction of a third.
            (&[(1, 100), (2, 800)], (1, 2), &[(1, 600)], 300),
            // The last that is less than one joins the one before.
            (&[(2, 100), (1, 20)], (1, 2), &[(1, 80)], 40),
            // Nothing is left: all of it is the fraction.
            (&[(1, 100), (2, 500)], (1, 10), &[], 600),
            (&[], (3, 2), &[], 0),
        ];
        for (lots, (numerator, denominator), expected, fraction) in table {
            let lots: Vec<_> = lots.iter().map(|(qty, cost)| (*qty, Money(*cost))).collect();
            let (split, released) = split_lots(&lots, *numerator, *denominator);
            let split: Vec<_> = split.iter().map(|(qty, cost)| (*qty, cost.0)).collect();
            assert_eq!((&split[..], released.0), (*expected, *fraction), "{lots:?}");
        }
    }

    #[test]
    fn cost_of_borrowing_is_rounded_up() {
        for (value, e6, over, cost) in [
            (1_000_000, 30_000, 360, 84),
            (360_000_000, 30_000, 360, 30_000),
            (1, 1, 365, 1),
            (0, 100_000_000, 360, 0),
            (1 << 110, 100_000_000 * 366, 360, (1_i128 << 110) * 100 * 366 / 360 + 1),
        ] {
            assert_eq!(per_million(value, e6, over), Ok(cost), "{value} {e6} {over}");
        }
    }

    proptest! {
        /// No lot and no money comes or goes: whole lots are what the sum makes, and costs add up to what all had cost.
        #[test]
        fn a_split_keeps_the_sums(
            lots in prop::collection::vec((1_u64..1_000_000, 0_i128..1 << 100), 0..8),
            numerator in 1_u32..=1_000_000,
            denominator in 1_u32..=1_000_000,
        ) {
            let lots: Vec<_> = lots.iter().map(|(qty, cost)| (*qty, Money(*cost))).collect();
            let (split, released) = split_lots(&lots, numerator, denominator);
            let parts = lots.iter().map(|lot| u128::from(lot.0)).sum::<u128>() * u128::from(numerator);
            prop_assert_eq!(split.iter().map(|lot| lot.0).sum::<u128>(), parts / u128::from(denominator));
            prop_assert!(split.iter().all(|lot| lot.0 > 0 && lot.1 >= Money::ZERO));
            let cost = |lots: &mut dyn Iterator<Item = Money>| lots.map(|cost| cost.0).sum::<i128>();
            let before = cost(&mut lots.iter().map(|lot| lot.1));
            prop_assert_eq!(cost(&mut split.iter().map(|lot| lot.1)) + released.0, before);
            prop_assert!(released >= Money::ZERO);
            if parts % u128::from(denominator) == 0 {
                prop_assert_eq!(released, Money::ZERO);
            }
        }
    }
}
