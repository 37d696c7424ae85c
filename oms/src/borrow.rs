//! What is borrowed to be short, and what it costs by the day.

use crate::ledger::actions::Action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::command::SetBorrow;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::Inconsistent;
use tidegate_model::{InstrumentId, Reject, RejectReason, StateHash, Ticks, UnixNanos};

/// The dearest rate: a hundred times the value a year, in millionths.
pub const RATE_E6_MAX: u32 = 100_000_000;
/// Days that one roll charges at most: a clock that stood longer is wrong, and its jump is nobody's debt.
pub const DAYS_MAX: u64 = 366;

const NANOS_PER_DAY: u64 = 86_400 * 1_000_000_000;
const TAG_RATE: u64 = 0x6f6d_7362_6f72_726f;
const TAG_DAY: u64 = 0x6f6d_7362_6f64_6179;

/// The rates, and when they were last charged.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Borrow {
    /// Millionths of the value a year, and the days of such a year; instruments that cost nothing are not there.
    rates: BTreeMap<InstrumentId, (u32, u16)>,
    /// The day of the last roll, counted from the epoch.
    rolled_on: Option<u64>,
}

impl Borrow {
    /// Sets a rate, or takes it away.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] for a rate above [`RATE_E6_MAX`] or a year of neither 360 nor 365 days.
    pub(crate) fn set(&mut self, set: &SetBorrow) -> Result<(), Reject> {
        let bad = |limit: u32, value: u32| {
            Err(Reject::new(RejectReason::BadField, limit.into(), value.into()))
        };
        if set.rate_e6 > RATE_E6_MAX {
            return bad(RATE_E6_MAX, set.rate_e6);
        }
        if !matches!(set.days_per_year, 360 | 365) {
            return bad(365, set.days_per_year.into());
        }
        match set.rate_e6 {
            0 => self.rates.remove(&set.instrument),
            rate => self.rates.insert(set.instrument, (rate, set.days_per_year)),
        };
        Ok(())
    }

    /// Looks at what was read from a snapshot.
    pub(crate) fn restored(&self) -> Result<(), Inconsistent> {
        let is_rate = |(rate, year): &(u32, u16)| *rate <= RATE_E6_MAX && matches!(year, 360 | 365);
        Inconsistent::unless(self.rates.values().all(is_rate), "borrow rates", "a rate is one")
    }

    /// What a day roll at `now` charges: by instrument that costs something, given what its positions are valued at. Calendar
    /// days since the last roll count (UTC); the first roll counts one.
    pub(crate) fn due(
        &self,
        now: UnixNanos,
        mark: impl Fn(InstrumentId) -> Option<Ticks>,
    ) -> impl Iterator<Item = (InstrumentId, Action)> {
        let days = match self.rolled_on {
            None => 1,
            Some(day) => (now.0 / NANOS_PER_DAY).saturating_sub(day).min(DAYS_MAX),
        };
        let due = move |(instrument, &(rate_e6, year)): (&InstrumentId, &(u32, u16))| {
            let (e6, over) = (u64::from(rate_e6) * days, u64::from(year));
            (*instrument, Action::Borrow { e6, over, price: mark(*instrument) })
        };
        self.rates.iter().filter(move |_| days > 0).map(due)
    }

    /// The days up to `now` are charged.
    pub(crate) fn rolled(&mut self, now: UnixNanos) {
        self.rolled_on = self.rolled_on.max(Some(now.0 / NANOS_PER_DAY));
    }

    pub(crate) fn hash(&self) -> StateHash {
        let mut hash = StateHash(hash_words(TAG_DAY, &[self.rolled_on.map_or(0, |day| day + 1)]));
        for (instrument, (rate_e6, year)) in &self.rates {
            let words = [instrument.0.into(), (*rate_e6).into(), (*year).into()];
            hash.add(hash_words(TAG_RATE, &words));
        }
        hash
    }
}
