//! From where on something is a pattern. `docs/surveillance.md` says what each threshold means and where it comes from.

use crate::recent::PER_KEY_MAX;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: u64 = 1_000_000_000;
/// The longest window: an hour of event time, so that what is held for it stays small beside its bound.
const WITHIN_MAX_NS: u64 = 3_600 * SECOND;
/// The longest window of the order-to-trade ratio, which holds counts only: a day.
const RATIO_WINDOW_MAX_NS: u64 = 24 * WITHIN_MAX_NS;
/// The shortest window of the order-to-trade ratio: it is counted in eight parts.
const RATIO_WINDOW_MIN_NS: u64 = SECOND;

/// Thresholds of every pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An alert of one kind, about the same and in the same instrument, is told again at the earliest after so long;
    /// nanoseconds.
    pub cool_down_ns: u64,
    /// Orders refused by risk controls that are an alert.
    pub breach_count: u32,
    /// Within so long; nanoseconds, at most an hour.
    pub breach_within_ns: u64,
    /// How long a purchase and a sale may lie apart; nanoseconds, at most an hour.
    pub wash_within_ns: u64,
    /// How much of the larger quantity the smaller one must be; per cent, 1 to 100.
    pub wash_match_percent: u32,
    /// How long an execution and what is withdrawn after it may lie apart; nanoseconds, at most an hour.
    pub layering_within_ns: u64,
    /// Different prices that must be withdrawn.
    pub layering_prices: u32,
    /// Quantity withdrawn at so many prices, per cent of that executed.
    pub layering_percent: u32,
    /// Quantity withdrawn at however few prices, per cent of that executed.
    pub spoofing_percent: u32,
    /// The window of the order-to-trade ratio; nanoseconds, a second to a day.
    pub ratio_window_ns: u64,
    /// Messages to executions, less one, that may be.
    pub ratio_number_max: u32,
    /// Quantity of messages to quantity executed, less one, that may be.
    pub ratio_volume_max: u32,
    /// Messages in the window below which no ratio is looked at.
    pub ratio_messages_min: u32,
    /// Accounts that belong to one owner: each maps to a number that its owner's accounts share and no other has.
    pub owners: BTreeMap<u32, u32>,
    /// Principals who trade for owners that have nothing to do with each other.
    pub shared_principals: BTreeSet<u32>,
    /// True if events are heard from the very first: then a position that was never told is flat.
    pub from_the_first: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cool_down_ns: 60 * SECOND,
            breach_count: 5,
            breach_within_ns: 10 * SECOND,
            wash_within_ns: 60 * SECOND,
            wash_match_percent: 90,
            layering_within_ns: 5 * SECOND,
            layering_prices: 3,
            layering_percent: 400,
            spoofing_percent: 1_000,
            ratio_window_ns: 3_600 * SECOND,
            ratio_number_max: 100,
            ratio_volume_max: 1_000,
            ratio_messages_min: 500,
            owners: BTreeMap::new(),
            shared_principals: BTreeSet::new(),
            from_the_first: true,
        }
    }
}

/// A threshold that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}; it may be {least} to {most}")]
#[non_exhaustive]
pub struct SettingsError {
    /// The field of [`Settings`].
    pub name: &'static str,
    /// As given.
    pub value: u64,
    /// The least it may be.
    pub least: u64,
    /// The most it may be.
    pub most: u64,
}

impl Settings {
    /// Whose account it is: the number that all accounts of its owner share.
    pub(crate) fn owner(&self, account: u32) -> Owner {
        self.owners.get(&account).map_or(Owner::Alone(account), |owner| Owner::Named(*owner))
    }

    /// # Errors
    /// The first threshold that is out of its range.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let count_max = PER_KEY_MAX as u64;
        let any = u64::from(u32::MAX);
        let rows: [(&'static str, u64, u64, u64); 12] = [
            ("breach_count", self.breach_count.into(), 1, count_max),
            ("breach_within_ns", self.breach_within_ns, 1, WITHIN_MAX_NS),
            ("wash_within_ns", self.wash_within_ns, 0, WITHIN_MAX_NS),
            ("wash_match_percent", self.wash_match_percent.into(), 1, 100),
            ("layering_within_ns", self.layering_within_ns, 1, WITHIN_MAX_NS),
            ("layering_prices", self.layering_prices.into(), 1, count_max),
            ("layering_percent", self.layering_percent.into(), 1, any),
            ("spoofing_percent", self.spoofing_percent.into(), 1, any),
            ("ratio_window_ns", self.ratio_window_ns, RATIO_WINDOW_MIN_NS, RATIO_WINDOW_MAX_NS),
            ("ratio_number_max", self.ratio_number_max.into(), 1, any),
            ("ratio_volume_max", self.ratio_volume_max.into(), 1, any),
            ("ratio_messages_min", self.ratio_messages_min.into(), 1, any),
        ];
        match rows.into_iter().find(|(_, value, least, most)| value < least || value > most) {
            Some((name, value, least, most)) => Err(SettingsError { name, value, least, most }),
            None => Ok(()),
        }
    }
}

/// Who stands behind an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The account stands for itself.
    Alone(u32),
    /// An owner of several.
    Named(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_a_range() {
        let check = |change: fn(&mut Settings), wrong: Option<&str>| {
            let mut settings = Settings::default();
            change(&mut settings);
            assert_eq!(settings.check().err().map(|error| error.name), wrong, "{settings:?}");
        };
        check(|_| {}, None);
        check(|it| it.breach_count = 0, Some("breach_count"));
        check(|it| it.breach_count = PER_KEY_MAX as u32, None);
        check(|it| it.breach_count = PER_KEY_MAX as u32 + 1, Some("breach_count"));
        check(|it| it.breach_within_ns = 0, Some("breach_within_ns"));
        check(|it| it.wash_within_ns = 0, None);
        check(|it| it.wash_within_ns = WITHIN_MAX_NS + 1, Some("wash_within_ns"));
        check(|it| it.wash_match_percent = 101, Some("wash_match_percent"));
        check(|it| it.layering_within_ns = 0, Some("layering_within_ns"));
        check(|it| it.ratio_window_ns = RATIO_WINDOW_MAX_NS, None);
        check(|it| it.ratio_window_ns = RATIO_WINDOW_MIN_NS - 1, Some("ratio_window_ns"));
    }
}
