//! What can be followed: the channels of [`crate::live`], told in GraphQL.

use super::CALL_COST;
use super::rest::refused;
use super::types::{Order, Quote};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::Caller;
use crate::live::subscriber::{Channel, Subscriber, Wanted};
use async_graphql::{Context, ID, Subscription as Subscribes};
use futures_util::stream::{BoxStream, StreamExt, once};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::future::ready;
use std::sync::Arc;

/// Who follows.
#[derive(Clone)]
pub struct Follower {
    /// Everything.
    pub gateway: Arc<Gateway>,
    /// Who.
    pub caller: Caller,
}

/// A message of [`crate::live`].
#[derive(Deserialize)]
struct Told<T> {
    data: T,
}

/// What is told as long as somebody reads it.
type Updates<T> = BoxStream<'static, async_graphql::Result<T>>;

impl Follower {
    async fn follow<T: DeserializeOwned + Send + 'static>(
        &self,
        wanted: Wanted,
    ) -> Result<Updates<T>> {
        let mut subscriber = Subscriber::new(&self.gateway);
        subscriber.follow(&self.gateway, &self.caller, &wanted).await?;
        // A channel also tells of what is no such thing, as of a cancel that was refused.
        let read = |(_, text): (_, axum::extract::ws::Utf8Bytes)| {
            let told = serde_json::from_str::<Told<T>>(&text);
            ready(told.ok().map(|told| Ok(told.data)))
        };
        let lagged = async {
            let message = "some were lost, or an account may not be seen any more: read what stands, and subscribe";
            Err(refused(ApiError::new(Code::Conflict, message)))
        };
        let (gateway, caller) = (Arc::clone(&self.gateway), self.caller.clone());
        Ok(subscriber.into_stream(gateway, caller).filter_map(read).chain(once(lagged)).boxed())
    }
}

/// What can be followed.
pub struct Subscription;

#[Subscribes]
impl Subscription {
    /// Best bids and offers of instruments, up to 200 of them: as they stand, then whenever one changes. Of several changes that wait
    /// only the newest is told.
    #[graphql(complexity = "CALL_COST + child_complexity")]
    async fn quote_updates(
        &self,
        context: &Context<'_>,
        symbols: Vec<String>,
    ) -> async_graphql::Result<Updates<Quote>> {
        let follower = context.data::<Follower>()?;
        let channel = Channel::Quotes;
        let wanted = Wanted { channel, symbols, account: None, resolution: None, from: None };
        follower.follow(wanted).await.map_err(refused)
    }

    /// Whatever becomes of the orders of one's accounts, or of one of them, from now on.
    #[graphql(complexity = "CALL_COST + child_complexity")]
    async fn order_updates(
        &self,
        context: &Context<'_>,
        account: Option<ID>,
    ) -> async_graphql::Result<Updates<Order>> {
        let follower = context.data::<Follower>()?;
        let no_uuid = |_| refused(ApiError::field("account", "account: a UUID"));
        let account = account.map(|id| id.parse().map_err(no_uuid)).transpose()?;
        let channel = Channel::Orders;
        let symbols = Vec::new();
        let wanted = Wanted { channel, symbols, account, resolution: None, from: None };
        follower.follow(wanted).await.map_err(refused)
    }
}
