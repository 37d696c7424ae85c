//! The clock beside the engine: it gives inputs their time of arrival, and time of its own when nothing else does.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tidegate_model::UnixNanos;

/// The nanoseconds since the Unix epoch by this machine's clock.
pub fn unix_now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(since.as_nanos() as u64)
}

/// The system's clock, but it never stands still: when that is set back, or stood ahead when the journal was written, this
/// one goes on at its own pace until it is reached. Message rates and requests on their way wait for no correction.
pub(super) struct EngineClock {
    since: Instant,
    at: UnixNanos,
}

impl EngineClock {
    /// A clock that begins at `engine_time`, or at the system's time if that is later.
    pub(super) fn new(engine_time: UnixNanos) -> Self {
        Self { since: Instant::now(), at: unix_now().max(engine_time) }
    }

    pub(super) fn now(&mut self) -> UnixNanos {
        self.read(unix_now(), Instant::now())
    }

    fn read(&mut self, system: UnixNanos, instant: Instant) -> UnixNanos {
        let passed = instant.saturating_duration_since(self.since).as_nanos() as u64;
        let own = UnixNanos(self.at.0.saturating_add(passed));
        if system > own {
            *self = Self { since: instant, at: system };
        }
        own.max(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_engines_clock_goes_on_when_the_systems_is_set_back() {
        let start = Instant::now();
        let after = |ns: u64| start + Duration::from_nanos(ns);
        let mut clock = EngineClock { since: start, at: UnixNanos(1_000) };
        let mut read = |system: u64, ns: u64| clock.read(UnixNanos(system), after(ns)).0;
        assert_eq!(read(1_050, 50), 1_050);
        assert_eq!(read(1_300, 60), 1_300, "set forward: it follows");
        assert_eq!(read(100, 160), 1_400, "set back: it goes on by itself");
        assert_eq!(read(200, 260), 1_500);
        assert_eq!(read(1_600, 270), 1_600, "reached again");
    }
}
