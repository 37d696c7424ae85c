//! Slows guessing down without letting anybody lock somebody else out: failures count for an address and a network together. Who
//! comes from elsewhere is not held up by them.

use crate::error::{ApiError, Code, Result};
use crate::http::origin::place as network;
use serde_json::json;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Failures without a wait: people mistype.
const FREE: u32 = 5;
/// The longest wait.
const WAIT_MAX_MS: i64 = 15 * 60 * 1_000;
/// Failures of one network with any address, within [`WINDOW_MS`]: many users may share one.
const NETWORK_MAX: u32 = 100;
/// Stands for every network.
const ANYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// How long failures are remembered.
const WINDOW_MS: i64 = 60 * 60 * 1_000;
/// Pairs and networks that are remembered; beyond, the oldest half is forgotten.
const KEPT_MAX: usize = 100_000;

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: i64,
}

type Failed = HashMap<(String, IpAddr), Failures>;

/// What failed lately.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Failed>);

fn wait_ms(failures: Failures, max: u32, now: i64) -> i64 {
    if failures.count < max || now - failures.last_ms > WINDOW_MS {
        return 0;
    }
    let doublings = (failures.count - max).min(20);
    let wait = (1_000i64 << doublings).min(WAIT_MAX_MS);
    (failures.last_ms + wait - now).max(0)
}

impl Throttle {
    fn with<T>(&self, work: impl FnOnce(&mut Failed) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a try of `who` from `ip` as failed until [`Throttle::succeeded`] says otherwise, so that many tries at once are many
    /// tries; or says how many seconds to wait before the next.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    pub fn begin(&self, who: &str, ip: IpAddr, now: i64) -> Result<()> {
        let network = network(ip);
        let wait = self.with(|kept| {
            let of = |who: &str| kept.get(&(who.to_string(), network)).copied().unwrap_or_default();
            let wait = wait_ms(of(who), FREE, now).max(wait_ms(of(""), NETWORK_MAX, now));
            if wait == 0 {
                for who in [who, ""] {
                    count(kept, (who.to_string(), network), now);
                }
            }
            wait
        });
        refuse(wait)
    }

    /// The same for tries from anywhere, of which so many are free. Where they fail, this is for those only who have shown something
    /// already that others do not know, such as the password: strangers must not be able to use it up.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    pub fn begin_anywhere(&self, who: &str, free: u32, now: i64) -> Result<()> {
        self.begin_at(who, ANYWHERE, free, now)
    }

    /// The same for tries from one network.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    pub fn begin_at(&self, who: &str, network: IpAddr, free: u32, now: i64) -> Result<()> {
        let wait = self.with(|kept| {
            let key = (who.to_string(), network);
            let wait = wait_ms(kept.get(&key).copied().unwrap_or_default(), free, now);
            if wait == 0 {
                count(kept, key, now);
            }
            wait
        });
        refuse(wait)
    }

    /// A try succeeded: the pair begins anew.
    pub fn succeeded(&self, who: &str, ip: IpAddr) {
        let network = network(ip);
        self.with(|kept| {
            kept.remove(&(who.to_string(), ANYWHERE));
            kept.remove(&(who.to_string(), network));
            if let Some(failures) = kept.get_mut(&(String::new(), network)) {
                failures.count = failures.count.saturating_sub(1);
            }
        });
    }
}

fn count(kept: &mut Failed, key: (String, IpAddr), now: i64) {
    if kept.len() >= KEPT_MAX {
        let mut times: Vec<_> = kept.values().map(|failures| failures.last_ms).collect();
        let middle = times.len() / 2;
        let (_, &mut oldest, _) = times.select_nth_unstable(middle);
        kept.retain(|_, failures| failures.last_ms > oldest);
    }
    let failures = kept.entry(key).or_default();
    let before = if now - failures.last_ms > WINDOW_MS { 0 } else { failures.count };
    *failures = Failures { count: before.saturating_add(1), last_ms: now };
}

fn refuse(wait_ms: i64) -> Result<()> {
    if wait_ms == 0 {
        return Ok(());
    }
    let seconds = (wait_ms + 999) / 1_000;
    let message = format!("too many tries from here; try again in {seconds} s");
    Err(ApiError::new(Code::TooMany, message).with(json!({ "retry_after_s": seconds })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_s(throttle: &Throttle, who: &str, ip: IpAddr, now: i64) -> Option<u64> {
        let refused = throttle.begin(who, ip, now).err()?;
        refused.details["retry_after_s"].as_u64()
    }

    #[test]
    fn guessing_slows_down_and_locks_nobody_else_out() {
        let throttle = Throttle::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut now = 1_000_000;
        for _ in 0..FREE {
            assert_eq!(wait_s(&throttle, "ann", here, now), None);
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            assert_eq!(wait_s(&throttle, "ann", here, now), Some(wait));
            assert_eq!(wait_s(&throttle, "ann", there, now), None, "who comes from elsewhere");
            throttle.succeeded("ann", there);
            assert_eq!(wait_s(&throttle, "bob", here, now), None);
            throttle.succeeded("bob", here);
            now += wait as i64 * 1_000;
            assert_eq!(wait_s(&throttle, "ann", here, now), None);
        }
        now += WINDOW_MS + 1;
        assert_eq!(wait_s(&throttle, "ann", here, now), None);
        throttle.succeeded("ann", here);
        assert_eq!(wait_s(&throttle, "ann", here, now), None);
    }

    #[test]
    fn a_network_that_guesses_at_everybody_is_slowed_down() {
        let throttle = Throttle::default();
        let ip = |net: u16, last: u16| IpAddr::from([0x2001, 0xdb8, 0, net, 0, 0, 0, last]);
        for n in 0..NETWORK_MAX {
            assert!(throttle.begin(&format!("user{n}"), ip(1, n as u16), 1_000).is_ok());
        }
        assert!(throttle.begin("ann", ip(1, 9_999), 1_000).is_err());
        assert!(throttle.begin("ann", ip(2, 1), 1_000).is_ok());
    }

    #[test]
    fn many_networks_are_no_way_around_a_limit_for_all_of_them() {
        let throttle = Throttle::default();
        for _ in 0..50 {
            assert!(throttle.begin_anywhere("ann", 50, 1_000).is_ok());
        }
        assert!(throttle.begin_anywhere("ann", 50, 1_000).is_err());
        assert!(throttle.begin_anywhere("bob", 50, 1_000).is_ok());
        throttle.succeeded("ann", IpAddr::from([10, 0, 0, 1]));
        assert!(throttle.begin_anywhere("ann", 50, 1_000).is_ok());
    }
}
