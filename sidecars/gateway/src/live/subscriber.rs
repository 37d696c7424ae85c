//! What one client follows, whichever way it came.

use super::events::{EventChannel, Position, Since, Told, Whose};
use super::topics::{Aspect, Key, Listener, RESOLUTIONS, SUBSCRIPTIONS_MAX, Topic};
use super::{Credential, Hub};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::{Caller, unauthenticated};
use crate::permission::Permission;
use crate::trading::accounts::{Account, Accounts};
use axum::extract::ws::Utf8Bytes;
use futures_util::stream::{Stream, unfold};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use tokio::time::sleep;
use utoipa::ToSchema;
use uuid::Uuid;

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// Best bids and offers of `symbols`.
    Quotes,
    /// Books of `symbols`, to the depth that is kept.
    Books,
    /// The last trade of each of `symbols`; numbers that jump say that there were more, which GET /trades/{symbol} has.
    Trades,
    /// The newest bar of each of `symbols`, of `resolution`.
    Bars,
    /// What becomes of orders of `account`.
    Orders,
    /// Executions of `account`.
    Fills,
    /// Positions of `account`.
    Positions,
    /// Cash of `account`.
    Balances,
    /// Limits of `account`; for those who decide, what waits for a second person.
    Risk,
    /// Tripped controls and kill switches of `account`, of oneself and of the firm.
    Alerts,
}

impl Channel {
    /// The channel of events, if it is one.
    fn events(self) -> Option<EventChannel> {
        match self {
            Self::Quotes | Self::Books | Self::Trades | Self::Bars => None,
            Self::Orders => Some(EventChannel::Orders),
            Self::Fills => Some(EventChannel::Fills),
            Self::Positions => Some(EventChannel::Positions),
            Self::Balances => Some(EventChannel::Balances),
            Self::Risk => Some(EventChannel::Risk),
            Self::Alerts => Some(EventChannel::Alerts),
        }
    }

    /// Whether it is of accounts, and not of instruments.
    pub fn is_of_accounts(self) -> bool {
        self.events().is_some()
    }

    fn permission(self) -> Permission {
        match self {
            Self::Quotes | Self::Books | Self::Trades | Self::Bars => Permission::MarketRead,
            Self::Orders | Self::Fills => Permission::OrdersRead,
            Self::Positions | Self::Balances => Permission::AccountsRead,
            Self::Risk | Self::Alerts => Permission::RiskRead,
        }
    }
}

/// What somebody wants to follow, or no more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// What of it.
    pub channel: Channel,
    /// Channels of the market: which instruments.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// Channels of accounts: whose; absent: all of one's own.
    pub account: Option<Uuid>,
    /// Bars: `1s`, `1m`, `5m`, `15m`, `1h` or `1d`; `1m` if absent.
    pub resolution: Option<String>,
    /// Channels of accounts: events after this place; absent: from now on.
    pub from: Option<String>,
}

/// What is followed from now on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Followed {
    /// The place from which on events come.
    pub from: Position,
    /// True if events between what was asked for and that are not known here: what stands must be loaded anew.
    pub gap: bool,
}

enum Follow {
    State(Key, Arc<Topic>),
    Events { channel: EventChannel, whose: Whose, cursor: Position },
}

/// What one client follows.
pub(crate) struct Subscriber {
    hub: Arc<Hub>,
    listener: Arc<Listener>,
    /// By the bit that the listener is marked with.
    follows: Vec<Option<Follow>>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for follow in self.follows.drain(..).flatten() {
            leave(&self.hub, &self.listener, &follow);
        }
    }
}

fn leave(hub: &Hub, listener: &Arc<Listener>, follow: &Follow) {
    match follow {
        Follow::State(key, _) => hub.topics.leave(*key, listener),
        Follow::Events { whose, .. } => hub.log.leave(*whose, listener),
    }
}

/// A message, and the place of the event that it tells of.
pub(crate) type Message = (Option<Position>, Utf8Bytes);

/// Events of several channels, in their order; what a later one makes needless is left out.
fn in_order(mut found: Vec<(Position, Told)>) -> Vec<Message> {
    found.sort_by_key(|(position, told)| (*position, told.channel));
    let mut replaced = HashSet::new();
    let mut messages = Vec::with_capacity(found.len());
    for (position, told) in found.into_iter().rev() {
        let is_newest = told.replaces.is_none_or(|key| replaced.insert(key));
        if is_newest {
            messages.push((Some(position), told.text));
        }
    }
    messages.reverse();
    messages
}

impl Subscriber {
    /// Follows nothing.
    pub fn new(gateway: &Gateway) -> Self {
        let hub = Arc::clone(&gateway.live.hub);
        Self { hub, listener: Arc::default(), follows: Vec::new() }
    }

    /// What wakes it.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// The number of a subscription, and how many there are.
    fn place(&self, is: impl Fn(&Follow) -> bool) -> Option<usize> {
        self.follows.iter().position(|one| one.as_ref().is_some_and(&is))
    }

    fn room(&self, wanted: usize) -> Result<()> {
        let count = self.follows.iter().flatten().count() + wanted;
        if count <= SUBSCRIPTIONS_MAX {
            return Ok(());
        }
        let message = format!("{count} subscriptions, {SUBSCRIPTIONS_MAX} are allowed");
        let details = json!({ "limit": SUBSCRIPTIONS_MAX, "value": count });
        Err(ApiError::new(Code::TooMany, message).with(details))
    }

    /// A number that is free; there is room.
    fn free(&mut self) -> usize {
        self.follows.iter().position(Option::is_none).unwrap_or_else(|| {
            self.follows.push(None);
            self.follows.len() - 1
        })
    }

    /// Follows what is wanted.
    ///
    /// # Errors
    /// What may not be, is not there, or is too much; then nothing of it is followed.
    pub async fn follow(
        &mut self,
        gateway: &Gateway,
        caller: &Caller,
        wanted: &Wanted,
    ) -> Result<Followed> {
        caller.check(wanted.channel.permission())?;
        match wanted.channel.events() {
            Some(channel) => self.follow_events(gateway, caller, wanted, channel).await,
            None => self.follow_states(gateway, wanted),
        }
    }

    /// Follows what is wanted of the market, whoever asks.
    ///
    /// # Errors
    /// As of [`Self::follow`].
    pub fn follow_states(&mut self, gateway: &Gateway, wanted: &Wanted) -> Result<Followed> {
        let aspect = aspect(wanted)?;
        let mut instruments = Vec::new();
        for symbol in &wanted.symbols {
            let instrument = gateway
                .market
                .instrument(symbol)
                .map_err(|error| error.with(json!({ "field": "symbols", "symbol": symbol })))?;
            let key = (instrument.slot, aspect);
            let is = |one: &Follow| matches!(one, Follow::State(other, _) if *other == key);
            if self.place(is).is_none() && instruments.iter().all(|(other, _)| *other != key) {
                instruments.push((key, instrument));
            }
        }
        self.room(instruments.len())?;
        for (key, instrument) in instruments {
            let at = self.free();
            let bit = u8::try_from(at).map_err(ApiError::internal)?;
            let topic = self.hub.topics.follow(&instrument, aspect, &self.listener, bit);
            self.follows[at] = Some(Follow::State(key, topic));
        }
        Ok(Followed { from: self.hub.log.head(), gap: false })
    }

    async fn follow_events(
        &mut self,
        gateway: &Gateway,
        caller: &Caller,
        wanted: &Wanted,
        channel: EventChannel,
    ) -> Result<Followed> {
        if !wanted.symbols.is_empty() || wanted.resolution.is_some() {
            return Err(ApiError::field("symbols", "this channel is of accounts, not of symbols"));
        }
        let from = wanted.from.as_deref().map(str::parse::<Position>).transpose();
        let from = from.map_err(|()| ApiError::field("from", "from: SEQ:ORDINAL, two numbers"))?;
        let accounts = Accounts::asked(gateway, caller, wanted.account).await?;
        let mut all: Vec<Whose> = accounts.iter().map(|one| Whose::Account(one.number)).collect();
        if matches!(channel, EventChannel::Risk | EventChannel::Alerts) {
            all.extend([Whose::Principal(caller.principal), Whose::Everybody]);
            if caller.permissions.has(Permission::RiskWrite) {
                all.push(Whose::Deciders);
            }
        }
        let is = |one: &Follow, this: Whose| matches!(one, Follow::Events { channel: c, whose, .. } if (*c, *whose) == (channel, this));
        let is_new = |this: &&Whose| self.place(|one| is(one, **this)).is_none();
        self.room(all.iter().filter(is_new).count())?;
        let mut followed =
            Followed { from: from.unwrap_or_else(|| self.hub.log.head()), gap: false };
        let asked = all.iter().map(|whose| (*whose, followed.from));
        for since in self.hub.log.since(asked) {
            if let Since::Gap(head) = since {
                followed = Followed { from: head, gap: true };
            }
        }
        for whose in all {
            let at = match self.place(|one| is(one, whose)) {
                Some(at) => at,
                None => {
                    self.hub.log.listen(whose, &self.listener);
                    self.free()
                }
            };
            self.follows[at] = Some(Follow::Events { channel, whose, cursor: followed.from });
        }
        self.listener.events();
        Ok(followed)
    }

    /// Follows it no more; what was not followed is no error.
    ///
    /// # Errors
    /// What is not there.
    pub async fn unfollow(
        &mut self,
        gateway: &Gateway,
        caller: Option<&Caller>,
        wanted: &Wanted,
    ) -> Result<()> {
        let mut slots = Vec::new();
        for symbol in &wanted.symbols {
            slots.push(gateway.market.instrument(symbol)?.slot);
        }
        let states = match wanted.channel.events() {
            None => Some(aspect(wanted)?),
            Some(_) => None,
        };
        let account = match wanted.account {
            Some(id) => {
                let caller = caller.ok_or_else(unauthenticated)?;
                Some(Accounts::seen(gateway, caller, id).await?)
            }
            None => None,
        };
        for at in 0..self.follows.len() {
            let is_meant = match &self.follows[at] {
                Some(Follow::State((slot, aspect), _)) => {
                    states == Some(*aspect) && slots.contains(slot)
                }
                Some(Follow::Events { channel, whose, .. }) => {
                    let is_meant =
                        |account: &Arc<Account>| *whose == Whose::Account(account.number);
                    wanted.channel.events() == Some(*channel)
                        && account.as_ref().is_none_or(is_meant)
                }
                None => false,
            };
            if is_meant && let Some(follow) = self.follows[at].take() {
                leave(&self.hub, &self.listener, &follow);
            }
        }
        Ok(())
    }

    /// What there is to send, as a stream that ends when it was so slow that events for it are no longer kept, or when the caller may
    /// no longer see an account of it. While nobody reads it, nothing waits in it but the newest of each state.
    pub fn into_stream(
        self,
        gateway: Arc<Gateway>,
        caller: Caller,
    ) -> impl Stream<Item = Message> + Send + 'static {
        let state = (self, gateway, caller, VecDeque::new(), Vec::new());
        unfold(state, async |(mut subscriber, gateway, caller, mut waiting, mut out)| {
            loop {
                if let Some(message) = waiting.pop_front() {
                    return Some((message, (subscriber, gateway, caller, waiting, out)));
                }
                subscriber.listener.wait().await;
                subscriber.check_accounts(&gateway, &caller).await.ok()?;
                if !subscriber.take(&mut out) {
                    return None;
                }
                waiting.extend(out.drain(..));
                // What changes meanwhile is told once.
                sleep(subscriber.hub.interval).await;
            }
        })
    }

    /// Whether its client may still listen: by what it came in with, and to whose accounts it follows.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] if not.
    pub(super) async fn check(&self, gateway: &Gateway, credential: &Credential) -> Result<()> {
        credential.check(gateway).await?;
        self.check_accounts(gateway, &credential.caller).await
    }

    async fn check_accounts(&self, gateway: &Gateway, caller: &Caller) -> Result<()> {
        for follow in self.follows.iter().flatten() {
            let Follow::Events { whose: Whose::Account(number), .. } = follow else { continue };
            let Some(account) = gateway.accounts.by_number(*number) else { continue };
            // Who cannot be looked up now is looked up again soon.
            if let Ok(false) = gateway.identity.may_see(account.owner, caller).await {
                let message = "you may not see one of these accounts any more; come again";
                return Err(ApiError::new(Code::Unauthenticated, message));
            }
        }
        Ok(())
    }

    /// Takes what there is to send. False: it was so slow that events for it are no longer kept.
    pub fn take(&mut self, out: &mut Vec<Message>) -> bool {
        let follows = &self.follows;
        self.listener.take_dirty(|bit| {
            if let Some(Some(Follow::State(_, topic))) = follows.get(usize::from(bit)) {
                out.extend(topic.latest().map(|text| (None, text)));
            }
        });
        if !self.listener.take_events() {
            return true;
        }
        let asked = self.follows.iter().flatten().filter_map(|follow| match follow {
            Follow::Events { whose, cursor, .. } => Some((*whose, *cursor)),
            Follow::State(..) => None,
        });
        let all = self.hub.log.since(asked);
        let mut found = Vec::new();
        let follows = self.follows.iter_mut().flatten().filter_map(|follow| match follow {
            Follow::Events { channel, whose, cursor } => Some((*channel, *whose, cursor)),
            Follow::State(..) => None,
        });
        for ((channel, whose, cursor), since) in follows.zip(all) {
            let Since::Events(events, head) = since else { return false };
            *cursor = head;
            for event in events {
                let told = event.told.iter();
                let told = told.filter(|told| (told.channel, told.whose) == (channel, whose));
                found.extend(told.map(|told| (event.position, told.clone())));
            }
        }
        out.extend(in_order(found));
        true
    }
}

/// Which aspect of an instrument is wanted.
fn aspect(wanted: &Wanted) -> Result<Aspect> {
    if wanted.symbols.is_empty() {
        return Err(ApiError::field("symbols", "symbols: name at least one"));
    }
    if wanted.account.is_some() || wanted.from.is_some() {
        return Err(ApiError::field("account", "this channel is of symbols, not of accounts"));
    }
    match (wanted.channel, wanted.resolution.as_deref()) {
        (Channel::Bars, resolution) => {
            let resolution = resolution.unwrap_or("1m");
            let base = RESOLUTIONS.iter().position(|name| *name == resolution);
            let base = base.and_then(|base| u8::try_from(base).ok()).ok_or_else(|| {
                let message = format!("resolution: one of {}", RESOLUTIONS.join(", "));
                ApiError::field("resolution", message)
            })?;
            Ok(Aspect::Bars(base))
        }
        (_, Some(_)) => Err(ApiError::field("resolution", "only bars have a resolution")),
        (Channel::Books, None) => Ok(Aspect::Books),
        (Channel::Trades, None) => Ok(Aspect::Trades),
        (_, None) => Ok(Aspect::Quotes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_out_in_their_order_and_only_the_newest_of_what_replaces() {
        let told = |channel, text: &str, key: Option<&str>| Told {
            whose: Whose::Everybody,
            channel,
            text: text.into(),
            replaces: key.map(Into::into),
        };
        let at = |seq| Position { seq, ordinal: 0 };
        let found = vec![
            (at(2), told(EventChannel::Positions, "p2", Some("A"))),
            (at(3), told(EventChannel::Positions, "p3", Some("A"))),
            (at(2), told(EventChannel::Positions, "q2", Some("B"))),
            (at(3), told(EventChannel::Fills, "f3", None)),
            (at(3), told(EventChannel::Orders, "o3", None)),
            (at(1), told(EventChannel::Orders, "o1", None)),
        ];
        let texts: Vec<String> =
            in_order(found).into_iter().map(|(_, text)| text.to_string()).collect();
        assert_eq!(texts, ["o1", "q2", "o3", "f3", "p3"]);
    }
}
