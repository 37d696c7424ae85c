//! What accounts hold and have open, from execution reports alone: none of the engine's own sums is used.

use crate::alert::Place;
use crate::report::{SymbolId, Told};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use tidegate_client::proto::ExecType;

/// Open orders that are known at once: as many as a large engine has. About 150 bytes each.
pub(crate) const ORDERS_MAX: usize = 1 << 20;
/// Pairs of account and instrument that are known at once. About 200 bytes each.
pub(crate) const HOLDINGS_MAX: usize = 1 << 18;
/// The largest notional of one order, in 1e-18: [`ORDERS_MAX`] of them still fit.
const NOTIONAL_MAX: i128 = i128::MAX >> 21;

/// Quantity (1e-9) at a price (1e-9), in 1e-18 of the currency; `None` if it is more than one order can be worth.
pub(crate) fn notional(qty: i128, price: i64, multiplier: i64) -> Option<i128> {
    let value = qty.checked_mul(price.into())?;
    // The multiplier is mostly 1; the split keeps what does not fit one product exact.
    let per_unit = i128::from(crate::report::NANO);
    let (whole, rest) = (value / per_unit, value % per_unit);
    let multiplier = i128::from(multiplier);
    let scaled = whole.checked_mul(multiplier)?.checked_add(rest * multiplier / per_unit)?;
    (scaled.abs() <= NOTIONAL_MAX).then_some(scaled)
}

/// An open order as it was last told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub account: u32,
    pub symbol: SymbolId,
    pub side: usize,
    pub leaves: i64,
    pub price: Option<i64>,
    /// Where it came to its price.
    pub entered: Place,
    /// A message about it is under way and counted; its answer is not counted again.
    pub is_pending: bool,
    /// The market has seen it: it does not wait for its stop price.
    is_shown: bool,
    notional: Option<i128>,
    parent_id: u64,
    /// It is worked by children, which are counted in its place.
    is_worked: bool,
}

impl Open {
    /// True if others may have seen it: it neither waits for its stop price nor for the engine to work it.
    pub fn is_in_market(&self) -> bool {
        self.is_shown && !self.is_worked
    }
}

/// Open orders of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    /// In 1e-9.
    pub qty: i128,
    /// In 1e-18 of the currency.
    pub notional: i128,
    pub orders: u32,
    /// Orders without a price, in an instrument that was not executed yet: not in `notional`.
    pub unpriced: u32,
}

/// One account in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Below 0 is short; in 1e-9. `None` until it is known.
    pub position: Option<i128>,
    pub open: [Side; 2],
    /// The input of the last execution here.
    executed_seq: u64,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is in the sums.
    Yes,
    /// A table is full: the sums lack it.
    Full(&'static str),
}

/// A position that is told and what executions come to, in 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub told: i128,
    pub by_executions: i128,
}

#[derive(Default)]
pub(crate) struct Exposures {
    orders: HashMap<u64, Open>,
    holdings: BTreeMap<(u32, SymbolId), Holding>,
    /// The last price at which anyone here executed, by symbol.
    prices: HashMap<SymbolId, i64>,
    from_the_first: bool,
}

impl Exposures {
    pub fn new(from_the_first: bool) -> Self {
        Self { from_the_first, ..Self::default() }
    }

    pub fn order(&self, order_id: u64) -> Option<&Open> {
        self.orders.get(&order_id)
    }

    pub fn order_mut(&mut self, order_id: u64) -> Option<&mut Open> {
        self.orders.get_mut(&order_id)
    }

    pub fn orders_len(&self) -> usize {
        self.orders.len()
    }

    /// Every pair of account and instrument, in order.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, SymbolId), &Holding)> {
        self.holdings.iter().map(|(key, holding)| (*key, holding))
    }

    pub fn last_price(&self, symbol: SymbolId) -> Option<i64> {
        self.prices.get(&symbol).copied()
    }

    fn holding(&mut self, account: u32, symbol: SymbolId) -> Option<&mut Holding> {
        let is_full = self.holdings.len() >= HOLDINGS_MAX;
        match self.holdings.entry((account, symbol)) {
            std::collections::btree_map::Entry::Occupied(found) => Some(found.into_mut()),
            std::collections::btree_map::Entry::Vacant(_) if is_full => None,
            std::collections::btree_map::Entry::Vacant(free) => {
                let position = self.from_the_first.then_some(0);
                Some(free.insert(Holding { position, ..Holding::default() }))
            }
        }
    }

    /// Takes in an order as it stands now.
    pub fn apply(&mut self, told: &Told, place: Place, multiplier: i64) -> Kept {
        let executed = match told.exec_type {
            ExecType::Trade => i128::from(told.last_qty),
            ExecType::TradeCancel => -i128::from(told.last_qty),
            _ => 0,
        };
        if let (ExecType::Trade, Some(price)) = (told.exec_type, told.last_price) {
            self.prices.insert(told.symbol, price);
        }
        let Some(holding) = self.holding(told.account, told.symbol) else {
            return Kept::Full("accounts and instruments");
        };
        if executed != 0 {
            let signed = if told.side == 0 { executed } else { -executed };
            // Positions of 2^63 executions of 2^63 still fit.
            holding.position = holding.position.map(|it| it.saturating_add(signed));
            holding.executed_seq = place.seq;
        }
        self.keep(told, place, multiplier)
    }

    /// Replaces what is known of an open order, or forgets it.
    fn keep(&mut self, told: &Told, place: Place, multiplier: i64) -> Kept {
        self.stand_in(told);
        let at = told.price.or_else(|| self.last_price(told.symbol));
        let known = self.orders.get(&told.order_id).copied();
        if let Some(open) = known {
            self.count(&open, -1);
        }
        if !told.is_open || told.leaves == 0 {
            self.orders.remove(&told.order_id);
            return Kept::Yes;
        }
        let open = Open {
            account: told.account,
            symbol: told.symbol,
            side: told.side,
            leaves: told.leaves,
            price: told.price,
            entered: known.filter(|it| it.price == told.price).map_or(place, |it| it.entered),
            is_pending: known.is_some_and(|it| it.is_pending),
            is_shown: known.map_or(!told.waits, |it| it.is_shown)
                || told.exec_type == ExecType::Triggered,
            notional: at.and_then(|price| notional(told.leaves.into(), price, multiplier)),
            parent_id: told.parent_id,
            is_worked: known.is_some_and(|it| it.is_worked),
        };
        let is_full = self.orders.len() >= ORDERS_MAX;
        match self.orders.entry(told.order_id) {
            Entry::Occupied(mut found) => _ = found.insert(open),
            Entry::Vacant(_) if is_full => return Kept::Full("open orders"),
            Entry::Vacant(free) => _ = free.insert(open),
        }
        self.count(&open, 1);
        Kept::Yes
    }

    /// An order that names a parent which names none is the child of an algorithm: from now on children are counted in the
    /// parent's place. (The legs of a list name its first leg, which names itself.)
    fn stand_in(&mut self, told: &Told) {
        if told.parent_id == 0 || told.parent_id == told.order_id {
            return;
        }
        let parent = self.orders.get(&told.parent_id).copied();
        if let Some(parent) = parent.filter(|it| it.parent_id == 0 && !it.is_worked) {
            self.count(&parent, -1);
            if let Some(kept) = self.orders.get_mut(&told.parent_id) {
                kept.is_worked = true;
            }
        }
    }

    fn count(&mut self, open: &Open, sign: i32) {
        if open.is_worked {
            return;
        }
        let Some(holding) = self.holdings.get_mut(&(open.account, open.symbol)) else { return };
        let side = &mut holding.open[open.side];
        side.qty += i128::from(open.leaves) * i128::from(sign);
        side.notional += open.notional.unwrap_or(0) * i128::from(sign);
        side.orders = side.orders.saturating_add_signed(sign);
        if open.notional.is_none() {
            side.unpriced = side.unpriced.saturating_add_signed(sign);
        }
    }

    /// Compares what the engine tells with what executions came to. What executions cannot explain is taken over: a split, a
    /// position that was there before the first event, an execution put right. It is a difference if an execution of the same
    /// input should have explained it.
    pub fn compare(
        &mut self,
        account: u32,
        symbol: SymbolId,
        told: i64,
        seq: u64,
    ) -> Option<Difference> {
        let told = i128::from(told);
        let holding = self.holding(account, symbol)?;
        let before = holding.position.replace(told);
        let is_explained = holding.executed_seq != seq;
        before
            .filter(|by_executions| *by_executions != told && !is_explained)
            .map(|by_executions| Difference { told, by_executions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::NANO;

    #[test]
    fn notional_is_exact_or_none() {
        let one = i128::from(NANO);
        for (qty, price, multiplier, expected) in [
            (10 * one, 250_000_000, NANO, Some(2_500_000_000_000_000_000)),
            (10 * one, -250_000_000, NANO, Some(-2_500_000_000_000_000_000)),
            (1, 1, NANO, Some(1)),
            (3, 1, 50 * NANO, Some(150)),
            (1, 1, 500_000_000, Some(0)),
            (one, NANO, 500_000_000, Some(500_000_000_000_000_000)),
            (i64::MAX.into(), i64::MAX, NANO, None),
            (i128::MAX, i64::MAX, NANO, None),
        ] {
            assert_eq!(notional(qty, price, multiplier), expected, "{qty} {price} {multiplier}");
        }
    }
}
