//! What somebody has at stake in one instrument, and what that adds to sums over instruments.

use crate::exposure::{OrderExposure, PairExposure};
use serde::{Deserialize, Serialize};
use tidegate_model::command::FACTORS_MAX;
use tidegate_model::fx::Rate;
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::units::product;
use tidegate_model::{Instrument, Lots, Money, Side, Ticks};

const TAG_STAKE: u64 = 0x7269_736b_7374_616b;

/// The most that one stake adds to a sum, on either side: 20 trillion units of the firm's currency. With it no sum over all
/// stakes overflows an `i128`; the gate lets no order make it more.
pub(crate) const STAKE_MAX: i128 = 1 << 104;

/// What one stake adds to sums, in the firm's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// What open orders may cost at most, by [`Side::index`].
    pub open: [i128; 2],
    /// What a long position is worth.
    pub long: i128,
    /// What a short position is worth, above 0.
    pub short: i128,
    /// Profit and loss since the first order, realised and not, after fees.
    pub pnl: i128,
}

impl Contribution {
    /// Field by field, with `other`.
    #[inline]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            open: [self.open[0] + other.open[0], self.open[1] + other.open[1]],
            long: self.long + other.long,
            short: self.short + other.short,
            pnl: self.pnl + other.pnl,
        }
    }

    /// Field by field, less `other`.
    #[inline]
    pub(crate) fn less(&self, other: &Self) -> Self {
        Self {
            open: [self.open[0] - other.open[0], self.open[1] - other.open[1]],
            long: self.long - other.long,
            short: self.short - other.short,
            pnl: self.pnl - other.pnl,
        }
    }

    /// True if one of the amounts is the most that is counted, and may be more.
    pub(crate) fn is_cut(&self) -> bool {
        [self.open[0], self.open[1], self.long, self.short].contains(&STAKE_MAX)
    }
}

/// How far what somebody adds to sums went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moved {
    /// It is in no sum.
    Uncounted,
    /// Open orders of one side, and nothing else.
    Open(Side, i128),
    /// Anything.
    All(Contribution),
}

impl Moved {
    /// The same, field by field.
    pub fn by(&self) -> Contribution {
        let mut by = Contribution::default();
        match self {
            Self::Uncounted => {}
            Self::Open(side, open) => by.open[side.index()] = *open,
            Self::All(all) => by = *all,
        }
        by
    }
}

/// What an account, a strategy or a principal has in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stake {
    /// Lots and money, open and held. The cost of a position is kept for accounts only.
    pub exposure: PairExposure,
    /// Received for what was sold less paid for what was bought, and fees; in the instrument's currency.
    pub cash: i128,
    /// What of it is in the sums.
    pub counted: Contribution,
    /// The mark that it was valued at last, if that is known; a snapshot does not tell.
    #[serde(skip)]
    valued_at: Option<Ticks>,
    /// No open buy has a limit above it, no open sell one below it; since that side was last without one. Only where to look:
    /// whoever is near it asks the orders themselves.
    pub best: [Option<Ticks>; 2],
}

impl Stake {
    /// Counts `after` in place of `before`, which are the same order's, and values it all at the mark.
    #[inline]
    pub fn count(
        &mut self,
        before: &OrderExposure,
        after: &OrderExposure,
        traded: &Traded,
    ) -> Moved {
        let open = self.count_open(before, after, traded);
        // At the same mark what is held is worth the same, and nothing is nothing at any.
        if self.exposure.position == 0 || self.valued_at == traded.mark {
            return Moved::Open(before.side, open);
        }
        let mut by = self.value(traded);
        by.open[before.side.index()] = open;
        Moved::All(by)
    }

    /// Counts `after` in place of `before`, which are the same order's; what that adds to the open orders of its side.
    #[inline]
    pub fn count_open(
        &mut self,
        before: &OrderExposure,
        after: &OrderExposure,
        traded: &Traded,
    ) -> i128 {
        let at = before.side.index();
        self.exposure.count(before, after);
        note_best(&mut self.best, after, self.exposure.open_qty[at] == Lots::ZERO);
        let open = traded.in_firm(self.exposure.open_notional[at].0);
        open - core::mem::replace(&mut self.counted.open[at], open)
    }

    /// Values what is held at the mark; what that adds to sums.
    #[inline]
    pub fn value(&mut self, traded: &Traded) -> Contribution {
        self.valued_at = traded.mark;
        let open = self.counted.open;
        let after = traded.held(self.exposure.position, self.cash);
        let before = core::mem::replace(&mut self.counted, Contribution { open, ..after });
        Contribution { open: [0; 2], ..after.less(&before) }
    }

    /// Values all of it at the mark; all that it adds to sums.
    pub fn value_anew(&mut self, traded: &Traded) -> Contribution {
        self.valued_at = traded.mark;
        self.counted = traded.contribution(&self.exposure, self.cash);
        self.counted
    }

    pub fn hash(&self, holder: u64) -> u64 {
        let PairExposure { open_qty, open_notional, position, .. } = self.exposure;
        if open_qty.iter().all(|qty| qty.0 == 0) && position == 0 && self.cash == 0 {
            return 0;
        }
        let [buys, sells] = open_notional.map(|money| money.0);
        let half = |money: i128| [money as u64, (money >> 64) as u64];
        let ([a, b], [c, d], [e, f]) = (half(buys), half(sells), half(self.cash));
        let words = [holder, open_qty[0].0, open_qty[1].0, position as u64, a, b, c, d, e, f];
        hash_words(TAG_STAKE, &words)
    }
}

/// What risk knows of an instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Traded {
    /// What one tick of one lot is worth, in the currency of the instrument.
    pub money_per_tick_lot: i128,
    /// That currency.
    pub currency: Code,
    /// What one unit of it is worth in the firm's currency; `None` if nobody has said.
    pub rate: Option<Rate>,
    /// What a position is valued at.
    pub mark: Option<Ticks>,
    /// The mark when the day before ended.
    pub previous_close: Option<Ticks>,
    /// The lists that it is on, as bits.
    pub lists: u64,
    /// Its factors, if anybody has said.
    pub factors: Option<Box<[i32; FACTORS_MAX]>>,
    /// What all accounts have in it together.
    pub all: Everyone,
}

/// What all accounts have in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Everyone {
    /// Lots of open orders, by [`Side::index`].
    pub open: [i128; 2],
    /// Lots held, long less short.
    pub position: i128,
    /// As [`Stake::cash`].
    pub cash: i128,
    /// What of profit and loss is in the sums of the firm, the instrument and its group.
    pub pnl: i128,
    /// As [`Stake::best`].
    pub best: [Option<Ticks>; 2],
    /// Open orders, and those of them that were not executed yet.
    pub open_orders: u32,
    pub untouched: u32,
}

impl Everyone {
    /// Counts `after` in place of `before`, which are the same order's.
    #[inline]
    pub fn count(&mut self, before: &OrderExposure, after: &OrderExposure) {
        let open = &mut self.open[before.side.index()];
        *open += i128::from(after.qty.0) - i128::from(before.qty.0);
        note_best(&mut self.best, after, *open == 0);
    }

    /// Lots held on `side` if every open order of that side executes and none of the other.
    pub fn worst_position(&self, side: Side) -> i128 {
        match side {
            Side::Buy => self.position + self.open[0],
            Side::Sell => self.open[1] - self.position,
        }
    }
}

/// Notes the limit of an order beside the best of its side, as [`Stake::best`] keeps it; nothing is if that side `is_empty`.
#[inline]
fn note_best(best: &mut [Option<Ticks>; 2], order: &OrderExposure, is_empty: bool) {
    let best = &mut best[order.side.index()];
    if is_empty {
        *best = None;
    } else if order.qty > Lots::ZERO {
        *best = Some(match (*best, order.side) {
            (None, _) => order.limit,
            (Some(best), Side::Buy) => best.max(order.limit),
            (Some(best), Side::Sell) => best.min(order.limit),
        });
    }
}

impl Traded {
    pub fn of(terms: &Instrument, rate: Option<Rate>) -> Self {
        Self {
            money_per_tick_lot: terms.money_per_tick_lot,
            currency: terms.currency,
            rate,
            mark: None,
            previous_close: None,
            lists: 0,
            factors: None,
            all: Everyone::default(),
        }
    }

    #[inline]
    pub(crate) fn in_firm(&self, amount: i128) -> i128 {
        let counted = match self.rate {
            Some(Rate::ONE) => amount,
            Some(rate) => rate.value(Money(amount)).map_or(amount.signum() * STAKE_MAX, |m| m.0),
            // Whoever limits sums of money lets no order pass that cannot be counted.
            None => 0,
        };
        if counted.unsigned_abs() <= STAKE_MAX as u128 {
            return counted;
        }
        counted.signum() * STAKE_MAX
    }

    /// Profit and loss of all accounts in it together, in the firm's currency.
    pub fn pnl_of_all(&self) -> i128 {
        let Some(mark) = self.mark else { return 0 };
        let ticks_lots = product(self.all.position, mark.0.into());
        let value = ticks_lots.and_then(|ticks| product(ticks, self.money_per_tick_lot));
        let value = value.unwrap_or(self.all.position.signum() * STAKE_MAX);
        self.in_firm(value.saturating_add(self.all.cash))
    }

    /// What positions and open orders of it add to sums.
    #[inline]
    pub fn contribution(&self, exposure: &PairExposure, cash: i128) -> Contribution {
        let open = exposure.open_notional.map(|money| self.in_firm(money.0));
        Contribution { open, ..self.held(exposure.position, cash) }
    }

    /// What a position of so many lots adds to sums.
    #[inline]
    fn held(&self, lots: i64, cash: i128) -> Contribution {
        let lots = i128::from(lots);
        let mark = i128::from(self.mark.map_or(0, |mark| mark.0));
        // 63 bits times 63 bits; a unit of money that is beyond 2^64 is beyond what orders may have too.
        let ticks = lots * mark;
        let value = product(ticks, self.money_per_tick_lot);
        let value = value.unwrap_or(ticks.signum() * STAKE_MAX);
        let in_firm = self.in_firm(value);
        let pnl = match self.mark {
            // Nobody knows what it is worth: neither what was paid for it.
            None if lots != 0 => 0,
            _ => self.in_firm(value.saturating_add(cash)),
        };
        // At a price below 0 what is held is owed.
        let size = in_firm.abs();
        let (long, short) = if lots >= 0 { (size, 0) } else { (0, size) };
        Contribution { open: [0; 2], long, short, pnl }
    }
}
