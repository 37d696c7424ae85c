//! What somebody has at stake in one instrument, and what that adds to sums over instruments.

use crate::exposure::PairExposure;
use serde::{Deserialize, Serialize};
use tidegate_model::command::FACTORS_MAX;
use tidegate_model::fx::Rate;
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::{Instrument, Money, Side, Ticks};

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

/// What an account, a strategy or a principal has in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stake {
    /// Lots and money, open and held. The cost of a position is kept for accounts only.
    pub exposure: PairExposure,
    /// Received for what was sold less paid for what was bought, and fees; in the instrument's currency.
    pub cash: i128,
    /// What of it is in the sums.
    pub counted: Contribution,
    /// No open buy has a limit above it, no open sell one below it; since that side was last without one. Only where to look:
    /// whoever is near it asks the orders themselves.
    pub best: [Option<Ticks>; 2],
}

impl Stake {
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
    /// Lots held on `side` if every open order of that side executes and none of the other.
    pub fn worst_position(&self, side: Side) -> i128 {
        match side {
            Side::Buy => self.position + self.open[0],
            Side::Sell => self.open[1] - self.position,
        }
    }
}

/// `limit` beside the best of a side, as [`Stake::best`] keeps it.
#[inline]
pub(crate) fn note_best(best: &mut [Option<Ticks>; 2], side: Side, limit: Ticks) {
    let best = &mut best[side.index()];
    *best = Some(match (*best, side) {
        (None, _) => limit,
        (Some(best), Side::Buy) => best.max(limit),
        (Some(best), Side::Sell) => best.min(limit),
    });
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
        counted.clamp(-STAKE_MAX, STAKE_MAX)
    }

    /// Profit and loss of all accounts in it together, in the firm's currency.
    pub fn pnl_of_all(&self) -> i128 {
        let Some(mark) = self.mark else { return 0 };
        let value = self.all.position.checked_mul(mark.0.into());
        let value = value.and_then(|ticks| ticks.checked_mul(self.money_per_tick_lot));
        let value = value.unwrap_or(self.all.position.signum() * STAKE_MAX);
        self.in_firm(value.saturating_add(self.all.cash))
    }

    /// What positions and open orders of it add to sums.
    #[inline]
    pub fn contribution(&self, exposure: &PairExposure, cash: i128) -> Contribution {
        let lots = i128::from(exposure.position);
        let mark = i128::from(self.mark.map_or(0, |mark| mark.0));
        // 63 bits times 63 bits; a unit of money that is beyond 2^64 is beyond what orders may have too.
        let ticks = lots * mark;
        let value = ticks.checked_mul(self.money_per_tick_lot);
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
        let open = exposure.open_notional.map(|money| self.in_firm(money.0));
        Contribution { open, long, short, pnl }
    }
}
