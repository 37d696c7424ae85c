//! Round trips: what was won or lost between being flat and being flat again.

use tidegate_model::event::Position;
use tidegate_model::{Money, UnixNanos};

/// One instrument's trip that is not over.
#[derive(Clone, Copy, Debug)]
struct Open {
    realised: Money,
    fees: Money,
}

/// One instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    qty: i64,
    realised: Money,
    fees: Money,
    open: Option<Open>,
}

/// Counts round trips over all instruments, and the time with a position.
///
/// A trip begins when a position leaves 0 and ends when it is 0 again or has changed sign; its result is what was realised
/// meanwhile less the fees. The fee of the execution that turns a position belongs to the trip that it ends.
#[derive(Clone, Debug, Default)]
pub struct Trips {
    holdings: Vec<Holding>,
    /// Trips that ended above 0.
    pub won: u64,
    /// Trips that ended below 0.
    pub lost: u64,
    /// Trips that ended at 0.
    pub even: u64,
    /// Sum of what was won.
    pub gained: Money,
    /// Sum of what was lost, above 0.
    pub given: Money,
    /// Positions that are not flat.
    pub open: u32,
    exposed_ns: u64,
    exposed_since: UnixNanos,
}

impl Trips {
    /// Instrument `at` has `position` since `now`.
    pub fn position(&mut self, at: usize, position: &Position, now: UnixNanos) {
        if self.holdings.len() <= at {
            self.holdings.resize(at + 1, Holding::default());
        }
        let before = self.holdings[at];
        let mut open = before.open;
        let is_over = before.qty != 0 && before.qty.signum() != position.qty.signum();
        if is_over && let Some(begun) = open.take() {
            let realised = position.realised.0 - begun.realised.0;
            self.ended(Money(realised - (position.fees.0 - begun.fees.0)));
        }
        if position.qty != 0 && open.is_none() {
            // The execution that opens it is part of it; one that turns a position is not.
            let from = if is_over {
                (position.realised, position.fees)
            } else {
                (before.realised, before.fees)
            };
            open = Some(Open { realised: from.0, fees: from.1 });
        }
        match (before.qty != 0, position.qty != 0) {
            (false, true) => {
                if self.open == 0 {
                    self.exposed_since = now;
                }
                self.open += 1;
            }
            (true, false) => {
                self.open -= 1;
                if self.open == 0 {
                    self.exposed_ns += now.0.saturating_sub(self.exposed_since.0);
                }
            }
            _ => {}
        }
        self.holdings[at] =
            Holding { qty: position.qty, realised: position.realised, fees: position.fees, open };
    }

    fn ended(&mut self, result: Money) {
        match result.0 {
            1.. => {
                self.won += 1;
                self.gained.0 += result.0;
            }
            0 => self.even += 1,
            _ => {
                self.lost += 1;
                self.given.0 -= result.0;
            }
        }
    }

    /// Trips that are over.
    pub fn count(&self) -> u64 {
        self.won + self.lost + self.even
    }

    /// Nanoseconds up to `now` in which any position was not flat.
    pub fn exposed_ns(&self, now: UnixNanos) -> u64 {
        let running = if self.open > 0 { now.0.saturating_sub(self.exposed_since.0) } else { 0 };
        self.exposed_ns + running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    fn position(qty: i64, realised: i128, fees: i128) -> Position {
        Position { qty, realised: Money(realised), fees: Money(fees), ..Position::zeroed() }
    }

    #[test]
    fn trips_end_when_flat_or_turned_and_carry_their_fees() {
        let mut trips = Trips::default();
        // (instrument, qty, realised, fees) one after the other; then won, lost, even, gained, given.
        for (step, told, expected) in [
            ("opened", (0, 100, 0, 1), (0, 0, 0, 0, 0)),
            ("half closed", (0, 50, 10, 2), (0, 0, 0, 0, 0)),
            ("closed: 20 less 3 of fees", (0, 0, 20, 3), (1, 0, 0, 17, 0)),
            ("another, short", (1, -10, 0, 1), (1, 0, 0, 17, 0)),
            ("turned: -5 less 2", (1, 10, -5, 2), (1, 1, 0, 17, 7)),
            ("closed: 1 less 1", (1, 0, -4, 3), (1, 1, 1, 17, 7)),
            ("opened again", (0, 1, 20, 3), (1, 1, 1, 17, 7)),
            ("closed: 5 less a rebate of 1", (0, 0, 25, 2), (2, 1, 1, 23, 7)),
        ] {
            let (at, qty, realised, fees) = told;
            trips.position(at, &position(qty, realised, fees), UnixNanos(0));
            let found = (trips.won, trips.lost, trips.even, trips.gained.0, trips.given.0);
            assert_eq!(found, expected, "{step}");
        }
        assert_eq!((trips.count(), trips.open), (4, 0));
    }

    #[test]
    fn time_with_a_position_counts_once_over_instruments() {
        let mut trips = Trips::default();
        for (at, qty, now) in
            [(0, 5, 10), (1, -5, 20), (0, 0, 30), (1, 5, 35), (1, 0, 40), (0, 1, 90)]
        {
            trips.position(at, &position(qty, 0, 0), UnixNanos(now));
        }
        assert_eq!(trips.exposed_ns(UnixNanos(100)), 30 + 10);
    }
}
