//! Latency between us and the venue, by legs.
//!
//! * *Feed*: from the venue's market to us. The engine's time is the time at which we see the market, so the venue is ahead of it by
//!   this leg: a request reaches a market that is as much later.
//! * *Entry*: from the gate to the venue. A request is due at the venue after feed and entry.
//! * *Answer*: from the venue to us. A report about what happened at the venue leaves after it, less the feed's leg, which what
//!   happened has taken already; never before it happened.
//!
//! Each leg is constant, drawn from a distribution, or replayed from recorded round trips. The last two are one thing here: a
//! table of points between which is interpolated, asked with a random share for a distribution and with the time for a
//! recording. Random shares come from a counter and a seed that a command gave; nothing is drawn inside.
//!
//! Requests arrive in the order of sending and reports in the order of what they tell, as over one connection: one that was
//! quicker waits for the one before.
//!
//! Bias: draws are independent, real latency comes in bursts. The engine's own books (positions, limits, orders that wait) are
//! kept at the venue's time: only what is told is told later.

use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    AddLatencyPoints, LATENCY_NS_MAX, LATENCY_POINTS_MAX, LatencyLeg, LatencyModel, LatencyPoint,
    SetLatency,
};
use tidegate_model::hash::{fold, hash_words};
use tidegate_model::saved::{Inconsistent, UpTo, check_hash};
use tidegate_model::{Reject, RejectReason, StateHash, UnixNanos};

/// What random shares and quantiles count in.
const SHARE_ONE: u64 = 1_000_000_000;

/// One leg.
#[derive(Debug, Serialize, Deserialize)]
struct Leg {
    model: LatencyModel,
    constant_ns: u64,
    seed: u64,
    /// Random shares drawn so far.
    draws: u64,
    #[serde(with = "UpTo::<LATENCY_POINTS_MAX>")]
    points: Vec<LatencyPoint>,
    /// Sum of the hashes of the points.
    hash: StateHash,
}

impl Leg {
    fn constant(constant_ns: u64) -> Self {
        let model = LatencyModel::Constant;
        let (points, hash) = (Vec::new(), StateHash::default());
        Self { model, constant_ns, seed: 0, draws: 0, points, hash }
    }

    fn is_zero(&self) -> bool {
        self.model == LatencyModel::Constant && self.constant_ns == 0
    }

    /// The latency of something at `now`. A table without points counts as constant.
    fn at(&mut self, now: UnixNanos) -> u64 {
        if self.points.is_empty() {
            return self.constant_ns;
        }
        let x = match self.model {
            LatencyModel::Constant => return self.constant_ns,
            LatencyModel::Recorded => now.0,
            LatencyModel::Distribution => {
                self.draws += 1;
                share(self.seed, self.draws)
            }
        };
        interpolate(&self.points, x)
    }
}

fn hash_of_point(at: usize, point: &LatencyPoint) -> u64 {
    hash_words(0x504f_494e, &[at as u64, point.at, point.ns])
}

/// The `count`th random share of a seed, below [`SHARE_ONE`].
fn share(seed: u64, count: u64) -> u64 {
    // One multiplication mixes a counter too little: neighbours stay alike.
    let mixed = fold(fold(seed, count), count.rotate_left(32) ^ seed);
    ((u128::from(mixed) * u128::from(SHARE_ONE)) >> 64) as u64
}

/// The value at `x`, on straight lines between points that ascend; outside of them the nearest point's.
///
/// # Panics
/// If there is no point.
fn interpolate(points: &[LatencyPoint], x: u64) -> u64 {
    let after = points.partition_point(|point| point.at <= x);
    let (Some(a), Some(b)) = (after.checked_sub(1).map(|at| points[at]), points.get(after)) else {
        return if after == 0 { points[0].ns } else { points[after - 1].ns };
    };
    let (run, rise) = (i128::from(b.at - a.at), i128::from(b.ns) - i128::from(a.ns));
    let value = i128::from(a.ns) + rise * i128::from(x - a.at) / run;
    u64::try_from(value).expect("between two values that are not negative")
}

/// All legs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Feed, entry, answer.
    legs: [Leg; 3],
}

impl Latency {
    /// Everything happens at once.
    pub fn none() -> Self {
        Self { legs: [0; 3].map(Leg::constant) }
    }

    /// Looks at what was read from a snapshot.
    pub fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "latency", why);
        for leg in &self.legs {
            let ascends = leg.points.windows(2).all(|pair| pair[0].at < pair[1].at);
            check(ascends, "points ascend")?;
            let mut hash = StateHash::default();
            leg.points
                .iter()
                .enumerate()
                .for_each(|(at, point)| hash.add(hash_of_point(at, point)));
            check_hash("latency", leg.hash, hash)?;
        }
        Ok(())
    }

    fn leg(&mut self, leg: LatencyLeg) -> &mut Leg {
        &mut self.legs[leg as usize - 1]
    }

    /// Sets the entry leg to a constant, and the others to none.
    pub fn reset(&mut self, entry_ns: u64) {
        *self = Self::none();
        *self.leg(LatencyLeg::Entry) = Leg::constant(entry_ns);
    }

    /// Sets a leg; its table is empty then.
    ///
    /// # Errors
    /// `BadField` with the largest value allowed and the one sent.
    pub fn set(&mut self, set: &SetLatency) -> Result<(), Reject> {
        let (leg, model) = (LatencyLeg::from_wire(set.leg), LatencyModel::from_wire(set.model));
        let (Some(leg), Some(model)) = (leg, model) else {
            let value = if leg.is_none() { set.leg } else { set.model };
            return Err(Reject::new(RejectReason::BadField, 3, value.into()));
        };
        check_ns(set.constant_ns)?;
        *self.leg(leg) = Leg { model, seed: set.seed, ..Leg::constant(set.constant_ns) };
        Ok(())
    }

    /// Adds points to the table of a leg, behind those that it has; how many it has then.
    ///
    /// # Errors
    /// `BadField` for points that do not ascend, quantiles above one or that fall, or what is longer than an hour;
    /// `CapacityExceeded` with [`LATENCY_POINTS_MAX`]. Nothing is added then.
    pub fn add_points(&mut self, add: &AddLatencyPoints) -> Result<u64, Reject> {
        let bad = |limit: u64, value: u64| {
            Err(Reject::new(RejectReason::BadField, limit.into(), value.into()))
        };
        let Some(leg) = LatencyLeg::from_wire(add.leg) else { return bad(3, add.leg.into()) };
        let Some(points) = add.points.get(..usize::from(add.count)) else {
            return bad(add.points.len() as u64, add.count.into());
        };
        let leg = self.leg(leg);
        let is_distribution = leg.model == LatencyModel::Distribution;
        let mut last = leg.points.last().copied();
        for point in points {
            check_ns(point.ns)?;
            if is_distribution && point.at > SHARE_ONE {
                return bad(SHARE_ONE, point.at);
            }
            if let Some(last) = last
                && (point.at <= last.at || (is_distribution && point.ns < last.ns))
            {
                return bad(last.at, point.at);
            }
            last = Some(*point);
        }
        let count = leg.points.len() + points.len();
        if count > LATENCY_POINTS_MAX {
            let (limit, value) = (LATENCY_POINTS_MAX as i128, count as i128);
            return Err(Reject::new(RejectReason::CapacityExceeded, limit, value));
        }
        for point in points {
            leg.hash.add(hash_of_point(leg.points.len(), point));
            leg.points.push(*point);
        }
        Ok(count as u64)
    }

    /// True if requests reach the venue at once.
    #[inline]
    pub fn is_immediate(&self) -> bool {
        let [feed, entry, _] = &self.legs;
        feed.is_zero() && entry.is_zero()
    }

    /// True if reports leave at once.
    #[inline]
    pub fn answers_at_once(&self) -> bool {
        self.legs[LatencyLeg::Answer as usize - 1].is_zero()
    }

    /// How long a request that is sent at `now` takes to the venue.
    pub fn to_venue(&mut self, now: UnixNanos) -> u64 {
        let [feed, entry, _] = &mut self.legs;
        feed.at(now).saturating_add(entry.at(now))
    }

    /// How long after `at` a report of what happened at the venue then leaves.
    pub fn from_venue(&mut self, at: UnixNanos) -> u64 {
        let [feed, _, answer] = &mut self.legs;
        answer.at(at).saturating_sub(feed.at(at))
    }

    /// The hash of all of it.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (at, leg) in self.legs.iter().enumerate() {
            let model = (at as u64) << 8 | u64::from(leg.model.wire());
            let points = leg.points.len() as u64 ^ leg.hash.0.rotate_left(at as u32 + 1);
            hash.add(hash_words(
                0x4c41_5445,
                &[model, leg.constant_ns, leg.seed, leg.draws, points],
            ));
        }
        hash
    }
}

fn check_ns(ns: u64) -> Result<(), Reject> {
    if ns <= LATENCY_NS_MAX {
        return Ok(());
    }
    Err(Reject::new(RejectReason::BadField, LATENCY_NS_MAX.into(), ns.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(points: &[(u64, u64)]) -> Vec<LatencyPoint> {
        points.iter().map(|&(at, ns)| LatencyPoint { at, ns }).collect()
    }

    #[test]
    fn straight_lines_between_points() {
        let table = points(&[(10, 100), (20, 300), (40, 200)]);
        for (x, want) in [
            (0, 100),
            (10, 100),
            (15, 200),
            (20, 300),
            (21, 295),
            (39, 205),
            (40, 200),
            (u64::MAX, 200),
        ] {
            assert_eq!(interpolate(&table, x), want, "at {x}");
        }
        assert_eq!(interpolate(&points(&[(5, 7)]), 0), 7);
        let wide = points(&[(0, 0), (u64::MAX, LATENCY_NS_MAX)]);
        assert_eq!(interpolate(&wide, u64::MAX - 1), LATENCY_NS_MAX - 1);
    }

    #[test]
    fn shares_are_spread_evenly_and_differ_by_seed() {
        const DRAWS: u64 = 100_000;
        for seed in [0, 1, 2, u64::MAX] {
            let mut buckets = [0u64; 10];
            let (mut sum, mut rising, mut last) = (0u128, 0, 0);
            for count in 1..=DRAWS {
                let share = share(seed, count);
                assert!(share < SHARE_ONE);
                buckets[(share / (SHARE_ONE / 10)) as usize] += 1;
                sum += u128::from(share);
                rising += u64::from(share > last);
                last = share;
            }
            let near = |value: u64, want: u64, by: u64| value.abs_diff(want) <= by;
            assert!(buckets.iter().all(|&n| near(n, DRAWS / 10, 500)), "{seed}: {buckets:?}");
            assert!(near((sum / u128::from(DRAWS)) as u64, SHARE_ONE / 2, SHARE_ONE / 200));
            assert!(near(rising, DRAWS / 2, 1_000), "{seed}: {rising} rise");
        }
        assert_ne!(share(1, 1), share(2, 1));
    }

    #[test]
    fn quantiles_come_back_as_they_were_given() {
        let mut latency = Latency::none();
        let (leg, model) = (LatencyLeg::Entry.wire(), LatencyModel::Distribution.wire());
        latency.set(&SetLatency { leg, model, seed: 7, ..Default::default() }).expect("valid");
        let mut add = AddLatencyPoints { leg, count: 3, ..Default::default() };
        add.points[0] = LatencyPoint { at: 0, ns: 1_000 };
        add.points[1] = LatencyPoint { at: 900_000_000, ns: 2_000 };
        add.points[2] = LatencyPoint { at: SHARE_ONE, ns: 12_000 };
        assert_eq!(latency.add_points(&add), Ok(3));
        let mut drawn: Vec<u64> = (0..100_000).map(|_| latency.to_venue(UnixNanos(1))).collect();
        drawn.sort_unstable();
        for (quantile, want) in [(45_000, 1_500), (90_000, 2_000), (95_000, 7_000)] {
            assert!(drawn[quantile].abs_diff(want) < want / 20, "{quantile}: {}", drawn[quantile]);
        }
    }
}
