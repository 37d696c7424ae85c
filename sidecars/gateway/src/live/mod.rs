//! What is told as it happens: over WebSocket, in GraphQL, as server-sent events, or to who asks again and again.
//!
//! * [`topics`]: states of the market, of which a client gets the newest;
//! * [`events`]: what becomes of accounts, of which a client gets everything, or hears that it did not;
//! * [`subscriber`]: what one client follows, whichever way it came;
//! * [`follow`]: the tasks that feed both.

mod events;
mod follow;
mod graphql;
mod socket;
mod sse;
pub(crate) mod subscriber;
mod topics;

pub(crate) use topics::Listener;

use crate::config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::Caller;
use crate::http::origin::place;
use crate::market::Market;
use crate::trading::accounts::Accounts;
use crate::trading::events::Events;
use events::Log;
use serde_json::json;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use topics::Topics;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// How often is looked whether a client may still listen: its token is good, its session has not ended.
const CHECK_EVERY: Duration = Duration::from_secs(3);

/// Sockets at one time of which is not known yet whose they are: so many strangers cannot take the places of others.
const STRANGERS_MAX: usize = 1_000;

/// What all streams share.
#[derive(Debug)]
struct Hub {
    topics: Topics,
    log: Log,
    streams: AtomicUsize,
    streams_max: usize,
    strangers: AtomicUsize,
    users: Holders<Uuid>,
    onlookers: Holders<IpAddr>,
    onlooking: AtomicUsize,
    onlooking_max: usize,
    interval: Duration,
    closing: watch::Sender<bool>,
}

/// Waits until all streams are to end.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Streams to people and programs, and the tasks that feed them.
#[derive(Debug)]
pub(crate) struct Live {
    hub: Arc<Hub>,
    _tasks: JoinSet<()>,
}

/// Ends all streams.
pub(crate) struct Closer(Arc<Hub>);

impl Closer {
    /// Ends them.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }
}

impl Live {
    /// Begins to feed.
    pub fn start(
        config: &config::Live,
        market: &Market,
        events: &Arc<Events>,
        accounts: &Arc<Accounts>,
    ) -> Self {
        let hub = Arc::new(Hub {
            topics: Topics::default(),
            log: Log::new(config.events_kept),
            streams: AtomicUsize::new(0),
            streams_max: config.connections,
            strangers: AtomicUsize::new(0),
            users: Holders::new(config.connections_per_user),
            onlookers: Holders::new(config.onlookers_per_ip),
            onlooking: AtomicUsize::new(0),
            onlooking_max: config.onlookers,
            interval: Duration::from_millis(config.interval_ms),
            closing: watch::Sender::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::dispatch(Arc::clone(&hub), Arc::clone(&market.picture)));
        let (events, accounts) = (Arc::clone(events), Arc::clone(accounts));
        tasks.spawn(follow::events(Arc::clone(&hub), events, accounts));
        Self { hub, _tasks: tasks }
    }

    /// How many there are.
    pub fn streams(&self) -> usize {
        self.hub.streams.load(Ordering::Acquire)
    }

    /// What ends all streams.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.hub))
    }
}

/// How many streams each of its kind has.
#[derive(Debug)]
struct Holders<K> {
    each: Mutex<HashMap<K, usize>>,
    max: usize,
}

impl<K: Copy + Eq + Hash> Holders<K> {
    fn new(max: usize) -> Self {
        Self { each: Mutex::default(), max }
    }

    /// Counts one more, unless it has all that it may have.
    fn add(&self, holder: K) -> bool {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = each.entry(holder).or_default();
        let has_room = *count < self.max;
        *count += usize::from(has_room);
        has_room
    }

    fn remove(&self, holder: K) {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = each.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                each.remove(&holder);
            }
        }
    }
}

/// Whose a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// Somebody who has still to say who it is, or what it follows.
    Stranger,
    /// Somebody at this place who follows the market.
    Onlooker(IpAddr),
    User(Uuid),
}

/// A place among all streams; given back when it is dropped.
#[derive(Debug)]
struct Place {
    hub: Arc<Hub>,
    holder: Holder,
}

impl Place {
    /// Takes one of a user, or of a stranger who has still to say who it is.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    fn take(hub: &Arc<Hub>, user: Option<Uuid>) -> Result<Self> {
        let strangers = hub.strangers.fetch_add(1, Ordering::AcqRel);
        let (streams, max) = (hub.streams.fetch_add(1, Ordering::AcqRel), hub.streams_max);
        let mut place = Self { hub: Arc::clone(hub), holder: Holder::Stranger };
        if let Some(user) = user {
            place.of(user)?;
        } else if strangers >= STRANGERS_MAX {
            let message = "too many have still to say who they are; send an Authorization header";
            let details = json!({ "limit": STRANGERS_MAX, "retry_after_s": 5 });
            return Err(ApiError::new(Code::TooMany, message).with(details));
        }
        if streams >= max {
            let message = format!("all {max} streams are taken (live.connections); try again");
            let details = json!({ "limit": max, "retry_after_s": 5 });
            return Err(ApiError::new(Code::TooMany, message).with(details));
        }
        Ok(place)
    }

    /// Makes it a user's.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    fn of(&mut self, user: Uuid) -> Result<()> {
        if self.holder == Holder::User(user) {
            return Ok(());
        }
        if !self.hub.users.add(user) {
            let max = self.hub.users.max;
            let message =
                format!("you have {max} streams open (live.connections_per_user); close one");
            return Err(ApiError::new(Code::TooMany, message).with(json!({ "limit": max })));
        }
        self.give_back();
        self.holder = Holder::User(user);
        Ok(())
    }

    /// Makes a stranger's one of those that follow the market without saying who they are.
    ///
    /// # Errors
    /// [`Code::TooMany`].
    fn look_on(&mut self, ip: IpAddr) -> Result<()> {
        if self.holder != Holder::Stranger {
            return Ok(());
        }
        let (at, max, each) = (place(ip), self.hub.onlooking_max, self.hub.onlookers.max);
        let has_room = self.hub.onlooking.fetch_add(1, Ordering::AcqRel) < max;
        if !has_room || !self.hub.onlookers.add(at) {
            self.hub.onlooking.fetch_sub(1, Ordering::AcqRel);
            let message = match has_room {
                true => format!("your address has {each} streams open (live.onlookers_per_ip)"),
                false => format!("all {max} streams of strangers are taken (live.onlookers)"),
            };
            let error = ApiError::new(Code::TooMany, message + "; log in");
            return Err(error.with(json!({ "limit": if has_room { each } else { max } })));
        }
        self.give_back();
        self.holder = Holder::Onlooker(at);
        Ok(())
    }

    /// Whether it is known what it is for.
    fn is_known(&self) -> bool {
        self.holder != Holder::Stranger
    }

    fn give_back(&self) {
        match self.holder {
            Holder::Stranger => {
                self.hub.strangers.fetch_sub(1, Ordering::AcqRel);
            }
            Holder::Onlooker(at) => {
                self.hub.onlooking.fetch_sub(1, Ordering::AcqRel);
                self.hub.onlookers.remove(at);
            }
            Holder::User(user) => self.hub.users.remove(user),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.streams.fetch_sub(1, Ordering::AcqRel);
        self.give_back();
    }
}

/// Who listens, looked at again and again.
#[derive(Debug)]
struct Credential {
    /// What it was shown by.
    token: Box<str>,
    caller: Caller,
}

impl Credential {
    /// Whom a token stands for.
    ///
    /// # Errors
    /// As [`crate::identity::Identity::caller`].
    async fn of(gateway: &Gateway, token: &str, ip: IpAddr) -> Result<Self> {
        let caller = gateway.identity.caller(token, ip).await?;
        Ok(Self { token: token.into(), caller })
    }

    /// Whether it still stands for the same: the token has not ended, nor the session, nor what the user may.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] if not.
    async fn check(&self, gateway: &Gateway) -> Result<()> {
        match gateway.identity.caller(&self.token, self.caller.ip).await {
            Ok(caller) if caller.permissions == self.caller.permissions => Ok(()),
            Ok(_) => {
                Err(ApiError::new(Code::Unauthenticated, "what you may has changed; come again"))
            }
            // Who cannot be looked up now is looked up again soon.
            Err(error) if error.code != Code::Unauthenticated => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(socket::stream))
        .routes(routes!(graphql::stream))
        .routes(routes!(sse::sse))
        .routes(routes!(sse::poll))
}
