//! Wakes threads that sleep long because nothing has come for a while.
//!
//! A thread that polls sleeps for some microseconds at a time while there is work now and then, and nobody need wake it. When there has
//! been none for a while it goes to sleep at a bell, and whoever has work for it rings.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// How much longer than asked for a sleep may take.
const SLACK_NS: u64 = 1_000;

/// A place where threads sleep until somebody rings.
#[derive(Debug, Default)]
pub struct Bell {
    asleep: AtomicUsize,
    sleepers: Mutex<Vec<Thread>>,
}

impl Bell {
    /// Sleeps until somebody rings, `at_most` so long; not at all if `has_work` by the time that a ring would be heard.
    pub fn sleep(&self, at_most: Duration, has_work: impl FnOnce() -> bool) {
        self.lock(|sleepers| sleepers.push(std::thread::current()));
        // Either the one who rings sees a sleeper, or the sleeper sees the work.
        fence(Ordering::SeqCst);
        if !has_work() {
            std::thread::park_timeout(at_most);
        }
        let own = std::thread::current().id();
        self.lock(|sleepers| sleepers.retain(|thread| thread.id() != own));
    }

    /// Wakes those who sleep. A look at a number where nobody does. To be called after the work is there to be seen.
    #[inline]
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        self.lock(|sleepers| sleepers.drain(..).for_each(|thread| thread.unpark()));
    }

    fn lock(&self, change: impl FnOnce(&mut MutexGuard<'_, Vec<Thread>>)) {
        // Nothing under the lock can panic half way, so a poisoned list is a whole one.
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sleepers);
        self.asleep.store(sleepers.len(), Ordering::Relaxed);
    }
}

/// Sleeps of a thread that polls: short ones while there was work lately, then at a bell.
#[derive(Debug)]
pub struct Rest {
    short: Duration,
    /// Short sleeps before the first long one.
    shorts: u32,
    slept: u32,
}

impl Rest {
    /// Sleeps `short`, until there was no work for `quiet` of such sleeps; then longer, at a bell. To be made on the thread that sleeps:
    /// from now on its sleeps end when they are over, where the kernel would add 50 microseconds to each.
    pub fn new(short: Duration, quiet: Duration) -> Self {
        // Without it sleeps are longer, and nothing else.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(SLACK_NS));
        let shorts = (quiet.as_nanos() / short.as_nanos().max(1)) as u32;
        Self { short, shorts, slept: 0 }
    }

    /// There was work.
    #[inline]
    pub fn worked(&mut self) {
        self.slept = 0;
    }

    /// There was none; a long sleep takes `long` at most. Without a bell every sleep is a short one.
    pub fn sleep(&mut self, bell: Option<&Bell>, long: Duration, has_work: impl FnOnce() -> bool) {
        match bell {
            Some(bell) if self.slept >= self.shorts => bell.sleep(long, has_work),
            _ => {
                self.slept = self.slept.saturating_add(1);
                std::thread::sleep(self.short);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn no_ring_is_missed() {
        let (bell, work, done) = (Bell::default(), AtomicU64::new(0), AtomicU64::new(0));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while seen < 2_000 {
                        bell.sleep(LONG, || work.load(Ordering::Relaxed) > seen);
                        seen = work.load(Ordering::Relaxed);
                        done.fetch_max(seen, Ordering::Relaxed);
                    }
                });
            }
            for n in 1..=2_000 {
                work.store(n, Ordering::Relaxed);
                bell.ring();
                while done.load(Ordering::Relaxed) < n {
                    std::thread::yield_now();
                }
            }
        });
        assert!(began.elapsed() < LONG, "a sleeper waited for its time to be up");
    }

    #[test]
    fn short_sleeps_come_before_long_ones_and_after_work() {
        let bell = Bell::default();
        let mut rest = Rest::new(Duration::from_micros(1), Duration::from_micros(3));
        for _ in 0..2 {
            for _ in 0..3 {
                rest.sleep(Some(&bell), LONG, || unreachable!("a short sleep"));
            }
            let asked = AtomicBool::new(false);
            rest.sleep(Some(&bell), LONG, || {
                asked.store(true, Ordering::Relaxed);
                true
            });
            assert!(asked.into_inner(), "a long one");
            rest.worked();
        }
        let mut without = Rest::new(Duration::from_micros(1), Duration::ZERO);
        without.sleep(None, LONG, || unreachable!("no bell, no long sleep"));
    }
}
