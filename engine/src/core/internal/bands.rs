//! How far prices of one market may go at once, and what ends the pause that begins where one would have gone further
//! (`docs/rule-book.md`, rule 8).

use crate::matching::PRICE_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{BAND_PPM_MAX, PAUSE_NS_MAX, PPM_PER_UNIT, Phase, SetBands};
use tidegate_model::event::PhaseCause;
use tidegate_model::hash::hash_words;
use tidegate_model::{Reject, RejectReason, Ticks, UnixNanos};

/// Limit down and limit up.
pub(super) type Limits = (Ticks, Ticks);

/// The bands of one market, and its pause.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Guard {
    static_ppm: u32,
    dynamic_ppm: u32,
    pause_ns: u64,
    /// What the static band lies around: the last auction's price, or a reference that was set since.
    anchor: Option<Ticks>,
    /// Pauses since the market last traded continuously.
    pauses: u32,
    /// When the pause ends.
    reopen_at: Option<UnixNanos>,
    /// When the last step was due, or taken if it was not due by a calendar.
    stepped_at: UnixNanos,
    /// What the market was last told.
    in_force: Option<Limits>,
}

impl Guard {
    /// Takes over other bands, which are [`check`]ed. `reference` stands in until there is an auction.
    pub fn set(&mut self, set: &SetBands, reference: Option<Ticks>) {
        (self.static_ppm, self.dynamic_ppm) = (set.static_ppm, set.dynamic_ppm);
        self.pause_ns = set.pause_ns;
        self.anchor = self.anchor.or(reference);
    }

    /// The static band lies around this price from now on.
    pub fn set_anchor(&mut self, price: Ticks) {
        self.anchor = Some(price);
    }

    /// The market stepped to `phase`.
    pub fn stepped(&mut self, phase: Phase, cause: PhaseCause, now: UnixNanos) {
        self.reopen_at = None;
        self.stepped_at = now;
        if cause == PhaseCause::PriceBand {
            self.pauses = self.pauses.saturating_add(1);
            if self.pause_ns > 0 {
                self.reopen_at = Some(UnixNanos(now.0.saturating_add(self.pause_ns)));
            }
        } else if phase == Phase::Continuous || cause == PhaseCause::Command {
            self.pauses = 0;
        }
    }

    /// True if a step that a calendar had due at `due_at` comes too late, or was taken.
    pub fn is_past(&self, due_at: UnixNanos) -> bool {
        due_at <= self.stepped_at
    }

    /// The step that was asked for last was due at `at`.
    pub fn set_stepped_at(&mut self, at: UnixNanos) {
        self.stepped_at = at;
    }

    /// When the pause ends by itself, if there is one.
    pub fn reopen_at(&self) -> Option<UnixNanos> {
        self.reopen_at
    }

    /// True if the market has bands, or was told some that it has no more.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.static_ppm | self.dynamic_ppm != 0 || self.in_force.is_some()
    }

    /// The limits that hold in `phase` after a trade at `last`, if they are others than the market was told; they are
    /// then taken as told.
    pub fn changed(&mut self, phase: Phase, last: Option<Ticks>) -> Option<Option<Limits>> {
        let limits = self.limits(phase, last);
        (limits != std::mem::replace(&mut self.in_force, limits)).then_some(limits)
    }

    fn limits(&self, phase: Phase, last: Option<Ticks>) -> Option<Limits> {
        let around = |price: Option<Ticks>, ppm: u64| {
            price.filter(|_| ppm > 0).map(|price| band(price, ppm))
        };
        if phase != Phase::Continuous {
            // An auction finds a price by itself: only the static band bounds it, and the more the more often that failed.
            let times = 1 + u64::from(self.pauses);
            return around(self.anchor, u64::from(self.static_ppm) * times);
        }
        let bands =
            [around(self.anchor, self.static_ppm.into()), around(last, self.dynamic_ppm.into())];
        bands.into_iter().flatten().reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// The words that it adds to a state hash.
    pub fn hash(&self) -> u64 {
        let option = |price: Option<Ticks>| price.map_or([0, 0], |price| [1, price.0 as u64]);
        let [has_anchor, anchor] = option(self.anchor);
        let [has_low, low] = option(self.in_force.map(|limits| limits.0));
        let [_, high] = option(self.in_force.map(|limits| limits.1));
        let reopen_at = self.reopen_at.map_or(0, |at| at.0);
        let shares = u64::from(self.static_ppm) << 32 | u64::from(self.dynamic_ppm);
        let pauses = u64::from(self.pauses);
        let words =
            [shares, self.pause_ns, has_anchor, anchor, pauses, reopen_at, has_low, low, high];
        hash_words(0x4241_4e44, &words).wrapping_add(hash_words(1, &[self.stepped_at.0]))
    }
}

/// The prices at most `ppm` millionths of `price` away from it: whole ticks, both ends inside.
fn band(price: Ticks, ppm: u64) -> Limits {
    let width = i128::from(price.0) * i128::from(ppm) / i128::from(PPM_PER_UNIT);
    let price = i128::from(price.0);
    let bound = |end: i128| {
        let inside = end.clamp(1, PRICE_MAX.0.into());
        Ticks(i64::try_from(inside).expect("it lies between two prices"))
    };
    (bound(price - width), bound(price + width))
}

/// Refuses bands that cannot be.
///
/// # Errors
/// `BadField` with the largest value that is allowed.
pub(super) fn check(set: &SetBands) -> Result<(), Reject> {
    let bounds = [
        (u64::from(set.static_ppm), u64::from(BAND_PPM_MAX)),
        (set.dynamic_ppm.into(), BAND_PPM_MAX.into()),
        (set.pause_ns, PAUSE_NS_MAX),
    ];
    match bounds.into_iter().find(|(value, limit)| value > limit) {
        Some((value, limit)) => {
            Err(Reject::new(RejectReason::BadField, limit.into(), value.into()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(static_ppm: u32, dynamic_ppm: u32, anchor: i64) -> Guard {
        Guard { static_ppm, dynamic_ppm, anchor: Some(Ticks(anchor)), ..Default::default() }
    }

    #[test]
    fn limits_are_the_inner_ones_of_both_bands() {
        let table = [
            // static, dynamic, anchor, last, expected
            (100_000, 0, 1_000, None, Some((900, 1_100))),
            (100_000, 50_000, 1_000, Some(1_080), Some((1_026, 1_100))),
            (0, 50_000, 1_000, Some(1_000), Some((950, 1_050))),
            (0, 50_000, 1_000, None, None),
            (0, 0, 1_000, Some(1_000), None),
            (1_000_000, 0, 1_000, None, Some((1, 2_000))),
            // Inside: 1.5 ticks are one.
            (1_500, 0, 1_000, None, Some((999, 1_001))),
            (1_000_000, 0, PRICE_MAX.0, None, Some((1, PRICE_MAX.0))),
        ];
        for (static_ppm, dynamic_ppm, anchor, last, expected) in table {
            let found =
                guard(static_ppm, dynamic_ppm, anchor).limits(Phase::Continuous, last.map(Ticks));
            let found = found.map(|(low, high)| (low.0, high.0));
            assert_eq!(found, expected, "{static_ppm} {dynamic_ppm} {anchor} {last:?}");
        }
    }

    #[test]
    fn each_pause_widens_what_the_auction_after_it_may_find() {
        let mut guard = guard(100_000, 10_000, 1_000);
        guard.pause_ns = 5;
        let mut found = Vec::new();
        for round in 0..4 {
            found.push(guard.limits(Phase::Halt, Some(Ticks(1_000))).map(|limits| limits.1.0));
            guard.stepped(Phase::Halt, PhaseCause::PriceBand, UnixNanos(round * 100));
            assert_eq!(guard.reopen_at(), Some(UnixNanos(round * 100 + 5)));
        }
        assert_eq!(found, [Some(1_100), Some(1_200), Some(1_300), Some(1_400)]);
        guard.stepped(Phase::Continuous, PhaseCause::Reopening, UnixNanos(500));
        assert_eq!((guard.pauses, guard.reopen_at()), (0, None));
    }
}
