//! How many requests each may make: the generic cell rate algorithm for each user, API key, and place and route.

use super::origin::{Origin, place};
use crate::config;
use crate::error::{ApiError, Code};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use serde_json::json;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// What a minute allows (draft-ietf-httpapi-ratelimit-headers-10, 3).
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of what may come at once (the same, 4).
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// Who is remembered at one time, of each kind; beyond, those in full possession are forgotten, and then neighbours share a limit.
const KEPT_MAX: usize = 100_000;

type Limiter<K> =
    RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// One kind of limit.
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    per_minute: NonZeroU32,
    burst: NonZeroU32,
    limiter: Limiter<K>,
    /// Since when nothing was swept, in milliseconds.
    swept_at: AtomicU64,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let limiter = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self { name, per_minute, burst, limiter, swept_at: AtomicU64::new(0) }
    }

    /// Whether there is room for more keys. Once a second it is made, if there is not.
    fn has_room(&self) -> bool {
        if self.limiter.len() < KEPT_MAX {
            return true;
        }
        let now = u64::try_from(crate::now_ms()).unwrap_or_default();
        let before = self.swept_at.swap(now, Ordering::Relaxed);
        if now.saturating_sub(before) < 1_000 {
            self.swept_at.store(before, Ordering::Relaxed);
            return false;
        }
        self.limiter.retain_recent();
        self.limiter.len() < KEPT_MAX
    }

    /// Who a stranger is counted as: a place, or its wide neighbourhood where too many are remembered.
    fn place_of(&self, origin: Origin) -> IpAddr {
        match self.has_room() {
            true => place(origin.ip),
            false => crowd(origin.ip),
        }
    }

    fn take(&self, key: &K) -> Result<Left, ApiError> {
        let (per_minute, burst) = (self.per_minute.get(), self.burst.get());
        match self.limiter.check_key(key) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let full_s = (u64::from(burst - left.min(burst)) * 60).div_ceil(per_minute.into());
                Ok(Left { name: self.name, per_minute, burst, left, full_s })
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let wait_s =
                    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000).max(1);
                let name = self.name;
                let error = ApiError::new(
                    Code::TooMany,
                    format!("more than {per_minute} requests a minute; try again in {wait_s} s"),
                );
                Err(error.with(json!({
                    "limit": name, "per_minute": per_minute, "burst": burst, "retry_after_s": wait_s
                })))
            }
        }
    }
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    name: &'static str,
    per_minute: u32,
    burst: u32,
    left: u32,
    full_s: u64,
}

impl Left {
    /// Says it in an answer.
    pub fn tell(self, headers: &mut HeaderMap) {
        let Self { name, per_minute, burst, left, full_s } = self;
        let policy = format!("\"{name}\";q={per_minute};w=60, \"{name}-burst\";q={burst}");
        let state = format!("\"{name}-burst\";r={left};t={full_s}");
        for (header, value) in [(POLICY, policy), (STATE, state)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header, value);
            }
        }
    }
}

/// All limits.
pub struct Limits {
    user: Limit<Uuid>,
    /// By a keyed hash of the key.
    key: Limit<u64>,
    open: Limit<(IpAddr, u64)>,
    market: Limit<IpAddr>,
    hasher: RandomState,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// As configured.
    pub fn new(config: &config::Limits) -> Self {
        Self {
            user: Limit::new("user", config.user_per_minute, config.user_burst),
            key: Limit::new("key", config.key_per_minute, config.key_burst),
            open: Limit::new("address", config.open_per_minute, config.open_burst),
            market: Limit::new("address", config.market_per_minute, config.market_burst),
            hasher: RandomState::new(),
        }
    }

    /// One request of a user, by an API key if one is given.
    ///
    /// # Errors
    /// [`Code::TooMany`], with the limit and when to try again.
    pub fn user(&self, user: Uuid, api_key: Option<&str>) -> Result<Left, ApiError> {
        if let Some(key) = api_key {
            // The key's own word is told if it has less left.
            let of_key = self.key.take(&self.hasher.hash_one(key))?;
            let of_user = self.user.take(&user)?;
            return Ok(if of_key.left < of_user.left { of_key } else { of_user });
        }
        self.user.take(&user)
    }

    /// One request of a stranger to a route.
    ///
    /// # Errors
    /// [`Code::TooMany`], with the limit and when to try again.
    pub fn stranger(&self, origin: Origin, method: &str, route: &str) -> Result<Left, ApiError> {
        self.open.take(&(self.open.place_of(origin), self.hasher.hash_one((method, route))))
    }

    /// One request of a stranger to the market.
    ///
    /// # Errors
    /// [`Code::TooMany`], with the limit and when to try again.
    pub fn onlooker(&self, origin: Origin) -> Result<Left, ApiError> {
        self.market.take(&self.market.place_of(origin))
    }

    /// Forgets who has everything left.
    pub fn sweep(&self) {
        self.user.limiter.retain_recent();
        self.key.limiter.retain_recent();
        self.open.limiter.retain_recent();
        self.market.limiter.retain_recent();
    }
}

/// The wide neighbourhood of an address: a few hundred of IPv4, some ten thousand of IPv6 in use.
fn crowd(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::from([ip.octets()[0], 0, 0, 0]),
        IpAddr::V6(ip) => IpAddr::from([ip.segments()[0], 0, 0, 0, 0, 0, 0, 0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32, burst: u32) -> Limits {
        let count = |count| NonZeroU32::new(count).expect("some");
        Limits::new(&config::Limits {
            user_per_minute: count(per_minute),
            user_burst: count(burst),
            key_per_minute: count(per_minute),
            key_burst: count(burst - 1),
            open_per_minute: count(per_minute),
            open_burst: count(burst),
            ..config::Limits::default()
        })
    }

    fn from(ip: &str) -> Origin {
        Origin { ip: ip.parse().expect(ip), is_local: false }
    }

    #[test]
    fn each_user_and_key_has_its_own() {
        let limits = limits(6, 3);
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for left in [2, 1, 0] {
            assert_eq!(limits.user(ann, None).expect("within").left, left);
        }
        let error = limits.user(ann, None).expect_err("used up");
        assert_eq!((error.code, &error.details["limit"]), (Code::TooMany, &json!("user")));
        assert_eq!(error.details["retry_after_s"], 10);
        assert!(limits.user(bob, Some("k1")).is_ok());
        assert!(limits.user(bob, Some("k1")).is_ok());
        assert_eq!(limits.user(bob, Some("k1")).expect_err("used up").details["limit"], "key");
        assert!(limits.user(bob, Some("k2")).is_ok());
    }

    #[test]
    fn strangers_are_counted_by_place_and_route() {
        let limits = limits(6, 2);
        let take = |ip: &str, route: &str| limits.stranger(from(ip), "POST", route).is_ok();
        assert!(take("192.0.2.1", "/a") && take("192.0.2.1", "/a") && !take("192.0.2.1", "/a"));
        assert!(take("192.0.2.1", "/b") && take("192.0.2.2", "/a"));
        // A whole /64 is one customer.
        assert!(
            take("2001:db8::1", "/a") && take("2001:db8::2", "/a") && !take("2001:db8::3", "/a")
        );
        assert!(take("2001:db8:0:1::1", "/a"));
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let limits = limits(60, 2);
        for n in 0..KEPT_MAX as u128 + 5_000 {
            let ip = IpAddr::V6((0x2001_0db8 << 96 | n << 64).into());
            let _ = limits.stranger(Origin { ip, is_local: false }, "GET", "/a");
        }
        assert!(limits.open.limiter.len() <= KEPT_MAX + 1);
    }

    #[test]
    fn answers_say_what_is_left() {
        let mut headers = HeaderMap::new();
        limits(600, 100).user(Uuid::nil(), None).expect("within").tell(&mut headers);
        assert_eq!(headers[POLICY], "\"user\";q=600;w=60, \"user-burst\";q=100");
        assert_eq!(headers[STATE], "\"user-burst\";r=99;t=1");
    }
}
