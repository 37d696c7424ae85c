//! For clients without WebSocket: server-sent events, and events for who asks again and again.

use super::subscriber::{Channel, Followed, Message, Subscriber, Wanted};
use super::{CHECK_EVERY, Credential, Place, closed};
use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::{Caller, bearer, unauthenticated};
use crate::market::Query;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Events that wait for one client, besides what its socket holds.
const WAITING_MAX: usize = 4;
/// How often a comment is sent, so that proxies keep the stream open.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Longest wait of a question for events, within what a request may take.
const WAIT_MS_MAX: u64 = 15_000;
/// Events of one answer if nothing is said, and at most.
const PAGE: [usize; 2] = [100, 1_000];

/// What is sent; nothing fails.
type Sent = std::result::Result<Event, Infallible>;

/// What to follow.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SseQuery {
    /// What of it.
    #[param(inline)]
    channel: Channel,
    /// Channels of the market: symbols with commas between them.
    symbols: Option<String>,
    /// Channels of accounts: whose; absent: all of one's own.
    account: Option<Uuid>,
    /// Bars: `1s`, `1m`, `5m`, `15m`, `1h` or `1d`; `1m` if absent.
    resolution: Option<String>,
    /// Channels of accounts: events after this place, `SEQ:ORDINAL`; the header Last-Event-ID, which browsers send, is stronger.
    from: Option<String>,
}

/// The messages of one channel of the WebSocket, as server-sent events. The first, `subscribed`, says from where, and whether there is
/// a gap; `lagged` and `ended` say why the stream ends.
#[utoipa::path(get, path = "/api/v1/stream/sse", tag = "live", security(("bearer" = ["market:read"])),
    params(SseQuery), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn sse(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<SseQuery>,
) -> Result<Sse<KeepAliveStream<ReceiverStream<Sent>>>> {
    let SseQuery { channel, symbols, account, resolution, from } = query;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_string);
    let symbols = symbols.unwrap_or_default();
    let symbols = symbols.split(',').filter(|one| !one.is_empty()).map(str::to_string).collect();
    let is_of_accounts = channel.is_of_accounts();
    let from = last.filter(|_| is_of_accounts).or(from);
    let wanted = Wanted { channel, symbols, account, resolution, from };
    let place = Place::take(&gateway.live.hub, Some(caller.user))?;
    let mut subscriber = Subscriber::new(&gateway);
    let Followed { from, gap } = subscriber.follow(&gateway, &caller, &wanted).await?;
    let token = bearer(&headers)?.ok_or_else(unauthenticated)?.into();
    let begun = json!({ "channel": channel, "from": from, "gap": gap });
    let begun = Event::default().event("subscribed").data(begun.to_string());
    let begun = if is_of_accounts { begun.id(from.to_string()) } else { begun };
    let (tell, told) = mpsc::channel(WAITING_MAX);
    let credential = Credential { token, caller };
    tokio::spawn(async move {
        if tell.send(Ok(begun)).await.is_err() {
            return;
        }
        let end = feed(&gateway, &place, &mut subscriber, &credential, &tell).await;
        if let Some((name, why)) = end {
            let _ = tell.send(Ok(Event::default().event(name).data(why))).await;
        }
    });
    Ok(Sse::new(ReceiverStream::new(told)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// Sends what there is, until the client is gone (`None`) or there is a reason to end.
async fn feed(
    gateway: &Gateway,
    place: &Place,
    subscriber: &mut Subscriber,
    credential: &Credential,
    tell: &mpsc::Sender<Sent>,
) -> Option<(&'static str, String)> {
    let listener = Arc::clone(subscriber.listener());
    let mut closing = place.hub.closing.subscribe();
    let mut checks = interval(CHECK_EVERY);
    let mut out = Vec::new();
    loop {
        tokio::select! {
            () = closed(&mut closing) => {
                return Some(("ended", "the gateway stops; come again".into()));
            }
            () = tell.closed() => return None,
            _ = checks.tick() => {
                if let Err(error) = subscriber.check(gateway, credential).await {
                    return Some(("ended", error.message));
                }
                continue;
            }
            () = listener.wait() => {}
        }
        if !subscriber.take(&mut out) {
            return Some(("lagged", "events were lost; come again with the last place".into()));
        }
        for (position, text) in out.drain(..) {
            let event = Event::default().data(text.as_str());
            let event = match position {
                Some(position) => event.id(position.to_string()),
                None => event,
            };
            // Room is awaited no longer than the gateway runs.
            tokio::select! {
                sent = tell.send(Ok(event)) => sent.ok()?,
                () = closed(&mut closing) => return None,
            }
        }
        sleep(place.hub.interval).await;
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// A channel of accounts; `orders` if absent.
    #[param(inline)]
    channel: Option<Channel>,
    /// Whose; absent: all of one's own.
    account: Option<Uuid>,
    /// After this place, `SEQ:ORDINAL`; absent: from now on.
    after: Option<String>,
    /// How long to wait if there are none, up to 15000; 0 if absent.
    wait_ms: Option<u64>,
    /// A page, 1 to 1000; 100.
    limit: Option<usize>,
}

/// Events after a place.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsReport {
    /// The messages of the WebSocket.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// Give it as `after` the next time.
    after: String,
    /// True if events after the place that was asked for are not known here any more: what stands must be loaded anew.
    gap: bool,
}

/// Events of one's accounts after a place; waits for the first if asked to.
#[utoipa::path(get, path = "/api/v1/events", tag = "live", security(("bearer" = ["accounts:read"])),
    params(EventsQuery), responses((status = 200, body = Envelope<EventsReport>)))]
pub(super) async fn poll(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Data<EventsReport>> {
    let EventsQuery { channel, account, after, wait_ms, limit } = query;
    let channel = channel.unwrap_or(Channel::Orders);
    if !channel.is_of_accounts() {
        return Err(ApiError::field("channel", "channel: one of accounts, such as orders"));
    }
    let (wait_ms, limit) = (wait_ms.unwrap_or(0), limit.unwrap_or(PAGE[0]));
    if wait_ms > WAIT_MS_MAX {
        return Err(ApiError::field("wait_ms", format!("wait_ms: 0 to {WAIT_MS_MAX}")));
    }
    if !(1..=PAGE[1]).contains(&limit) {
        return Err(ApiError::field("limit", format!("limit: 1 to {}", PAGE[1])));
    }
    let until = Instant::now() + Duration::from_millis(wait_ms);
    let place = Place::take(&gateway.live.hub, Some(caller.user))?;
    let mut closing = place.hub.closing.subscribe();
    let mut subscriber = Subscriber::new(&gateway);
    let listener = Arc::clone(subscriber.listener());
    let wanted = Wanted { channel, symbols: Vec::new(), account, resolution: None, from: after };
    let Followed { from, gap } = subscriber.follow(&gateway, &caller, &wanted).await?;
    let mut out: Vec<Message> = Vec::new();
    loop {
        let is_whole = subscriber.take(&mut out);
        if !is_whole || !out.is_empty() {
            break;
        }
        tokio::select! {
            waited = timeout_at(until, listener.wait()) => if waited.is_err() { break },
            () = closed(&mut closing) => break,
        }
    }
    // The session may have ended meanwhile.
    let token = bearer(&headers)?.ok_or_else(unauthenticated)?.into();
    subscriber.check(&gateway, &Credential { token, caller }).await?;
    out.truncate(limit);
    let after = out.last().and_then(|(position, _)| *position).unwrap_or(from);
    let read = |(_, text): &Message| serde_json::from_str(text).map_err(ApiError::internal);
    let events = out.iter().map(read).collect::<Result<Vec<Value>>>()?;
    Ok(Data::new(EventsReport { events, after: after.to_string(), gap }))
}
