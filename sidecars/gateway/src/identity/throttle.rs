//! Slows guessing down without letting anybody lock somebody else out: failures count for an address and a network together. Who
//! comes from elsewhere is not held up by them.

use crate::http::origin::place as network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Failures without a wait: people mistype.
const FREE: u32 = 5;
/// The longest wait.
const WAIT_MAX_MS: i64 = 15 * 60 * 1_000;
/// Failures of one network with any address, within [`WINDOW_MS`]: many users may share one.
const NETWORK_MAX: u32 = 100;
/// How long failures are remembered.
const WINDOW_MS: i64 = 60 * 60 * 1_000;
/// Pairs and networks that are remembered; beyond, the oldest half is forgotten.
const KEPT_MAX: usize = 100_000;

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: i64,
}

/// What failed lately.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<(String, IpAddr), Failures>>);

fn wait_ms(failures: Failures, max: u32, now: i64) -> i64 {
    if failures.count < max || now - failures.last_ms > WINDOW_MS {
        return 0;
    }
    let doublings = (failures.count - max).min(20);
    let wait = (1_000i64 << doublings).min(WAIT_MAX_MS);
    (failures.last_ms + wait - now).max(0)
}

impl Throttle {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(String, IpAddr), Failures>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seconds to wait before `who` may be tried from `ip` again; `None`: now.
    pub fn wait_s(&self, who: &str, ip: IpAddr, now: i64) -> Option<i64> {
        let network = network(ip);
        let wait = self.with(|kept| {
            let of = |who: &str| kept.get(&(who.to_string(), network)).copied().unwrap_or_default();
            wait_ms(of(who), FREE, now).max(wait_ms(of(""), NETWORK_MAX, now))
        });
        (wait > 0).then_some((wait + 999) / 1_000)
    }

    /// A try failed.
    pub fn failed(&self, who: &str, ip: IpAddr, now: i64) {
        let network = network(ip);
        self.with(|kept| {
            if kept.len() >= KEPT_MAX {
                let mut times: Vec<_> = kept.values().map(|failures| failures.last_ms).collect();
                let middle = times.len() / 2;
                let (_, &mut oldest, _) = times.select_nth_unstable(middle);
                kept.retain(|_, failures| failures.last_ms > oldest);
            }
            for who in [who, ""] {
                let failures = kept.entry((who.to_string(), network)).or_default();
                let count = if now - failures.last_ms > WINDOW_MS { 0 } else { failures.count };
                *failures = Failures { count: count.saturating_add(1), last_ms: now };
            }
        });
    }

    /// A try succeeded: the pair begins anew.
    pub fn succeeded(&self, who: &str, ip: IpAddr) {
        self.with(|kept| kept.remove(&(who.to_string(), network(ip))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_slows_down_and_locks_nobody_else_out() {
        let throttle = Throttle::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut now = 1_000_000;
        for _ in 0..FREE {
            assert_eq!(throttle.wait_s("ann", here, now), None);
            throttle.failed("ann", here, now);
        }
        assert_eq!(throttle.wait_s("ann", here, now), Some(1));
        assert_eq!(throttle.wait_s("ann", there, now), None);
        assert_eq!(throttle.wait_s("bob", here, now), None);
        throttle.failed("ann", here, now);
        assert_eq!(throttle.wait_s("ann", here, now), Some(2));
        for _ in 0..40 {
            throttle.failed("ann", here, now);
        }
        assert_eq!(throttle.wait_s("ann", here, now), Some(900));
        now += WINDOW_MS + 1;
        assert_eq!(throttle.wait_s("ann", here, now), None);
        throttle.succeeded("ann", here);
        assert_eq!(throttle.wait_s("ann", here, now), None);
    }

    #[test]
    fn a_network_that_guesses_at_everybody_is_slowed_down() {
        let throttle = Throttle::default();
        let ip = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for n in 0..NETWORK_MAX {
            throttle.failed(&format!("user{n}"), ip(n as u16), 1_000);
        }
        assert!(throttle.wait_s("ann", ip(9_999), 1_000).is_some());
        assert!(
            throttle
                .wait_s("ann", IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]), 1_000)
                .is_none()
        );
    }
}
