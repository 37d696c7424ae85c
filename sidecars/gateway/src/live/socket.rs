//! The WebSocket: a client says what it wants, and is sent it.
//!
//! A client sends `{"op":"auth","token"}`, `{"op":"subscribe","channel",…}`, `{"op":"unsubscribe","channel",…}` or `{"op":"ping"}`,
//! with an `id` if it likes, which the answer repeats. Answers have an `op`, what is told of a channel has a `channel`.

use super::subscriber::{Channel, Followed, Message as Outgoing, Subscriber, Wanted};
use super::{CHECK_EVERY, Credential, Place, closed};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::{Stranger, bearer};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::SinkExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use uuid::Uuid;

/// Bytes of a message of a client's: 200 symbols, and some.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Bytes that are read, and gathered before they are written, at a time: each client has both.
pub(super) const BUFFER_BYTES: usize = 2 * 1024;
/// Characters of an id of a request.
const ID_LEN_MAX: usize = 64;
/// How long a client may take to say who it is.
pub(super) const AUTH_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what it is sent.
pub(super) const SEND_PATIENCE: Duration = Duration::from_secs(15);
/// How long a client gets to hear why it is closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// Checks between two pings: some 20 s.
pub(super) const CHECKS_PER_PING: u32 = 7;
/// A client that has sent nothing for so long, not even a pong, is gone.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// Requests between two checks.
pub(super) const REQUESTS_MAX: u32 = 400;

/// Why a socket is closed; 4000 and above are ours.
pub(super) struct Close(pub u16, pub String);

impl Close {
    pub const AWAY: u16 = 1_001;
    const UNSUPPORTED: u16 = 1_003;
    const TOO_BIG: u16 = 1_009;
    const UNAUTHENTICATED: u16 = 4_401;
    pub const IDLE: u16 = 4_408;
    /// So slow that events were lost: come again, with the last place.
    const LAGGED: u16 = 4_409;
    pub const TOO_MANY: u16 = 4_429;

    pub fn new(code: u16, why: impl Into<String>) -> Option<Self> {
        Some(Self(code, why.into()))
    }
}

/// A request; which fields it needs depends on `op`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    op: Op,
    id: Option<String>,
    token: Option<String>,
    channel: Option<Channel>,
    #[serde(default)]
    symbols: Vec<String>,
    account: Option<Uuid>,
    resolution: Option<String>,
    from: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Auth,
    Subscribe,
    Unsubscribe,
    Ping,
}

/// Opens a WebSocket. Its client says who it is by an Authorization header, or by `{"op":"auth","token":TOKEN}` within 10 seconds; never
/// in the address. Then `{"op":"subscribe","channel":CHANNEL,"symbols":[…]}` or, of accounts, `"account":UUID` and `"from":"SEQ:ORDINAL"`.
#[utoipa::path(get, path = "/api/v1/stream", tag = "live", security(()),
    responses((status = 101, description = "A WebSocket; docs/live.md has its messages.")))]
pub(super) async fn stream(
    State(gateway): State<Arc<Gateway>>,
    stranger: Stranger,
    headers: HeaderMap,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let upgrade = upgrade.map_err(|error| ApiError::new(Code::Malformed, error.body_text()))?;
    let credential = match bearer(&headers)? {
        Some(token) => Some(Credential::of(&gateway, token, stranger.ip).await?),
        None => None,
    };
    let user = credential.as_ref().map(|credential| credential.caller.user);
    let place = Place::take(&gateway.live.hub, user)?;
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| run(gateway, socket, place, stranger.ip, credential)))
}

async fn run(
    gateway: Arc<Gateway>,
    mut socket: WebSocket,
    place: Place,
    ip: IpAddr,
    credential: Option<Credential>,
) {
    let subscriber = Subscriber::new(&gateway);
    let mut client =
        Client { gateway, place, ip, credential, subscriber, out: Vec::new(), requests: 0 };
    let Some(close) = client.serve(&mut socket).await else { return };
    drop(client);
    say_why(socket, close).await;
}

/// Closes a socket whose client should hear why.
pub(super) async fn say_why(mut socket: WebSocket, Close(code, why): Close) {
    let frame = CloseFrame { code, reason: why.chars().take(100).collect::<String>().into() };
    // What it sent and nobody read would take the reason with it.
    let _ = timeout(CLOSE_PATIENCE, async {
        let _ = socket.send(Message::Close(Some(frame))).await;
        while let Some(Ok(_)) = socket.recv().await {}
    })
    .await;
}

/// The text of what came, if it is more than a sign of life.
///
/// # Errors
/// The reason to close, or `None`: the client is gone.
pub(super) fn text(
    heard: Option<std::result::Result<Message, axum::Error>>,
    bytes_max: usize,
) -> std::result::Result<Option<Utf8Bytes>, Option<Close>> {
    match heard {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => Err(Close::new(Close::UNSUPPORTED, "send JSON as text")),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Err(error)) if error.to_string().starts_with("Space limit") => {
            let why = format!("a message has at most {bytes_max} bytes");
            Err(Close::new(Close::TOO_BIG, why))
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(None),
    }
}

struct Client {
    gateway: Arc<Gateway>,
    place: Place,
    ip: IpAddr,
    credential: Option<Credential>,
    subscriber: Subscriber,
    /// What is to be sent now.
    out: Vec<Outgoing>,
    /// Requests since the last check.
    requests: u32,
}

impl Client {
    /// Serves until there is a reason to close, or `None`: it is gone.
    async fn serve(&mut self, socket: &mut WebSocket) -> Option<Close> {
        let mut closing = self.place.hub.closing.subscribe();
        let mut closed = pin!(closed(&mut closing));
        let pause = self.place.hub.interval;
        let listener = Arc::clone(self.subscriber.listener());
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let opened = Instant::now();
        let (mut heard_at, mut send_at) = (opened, opened);
        let (mut is_woken, mut checked) = (false, 0u32);
        loop {
            // In this order, so that one wake-up is one look at what woke; the pause between two sendings is for all else.
            let is_due = tokio::select! {
                biased;
                () = listener.wait(), if !is_woken => {
                    is_woken = Instant::now() < send_at;
                    !is_woken
                }
                () = sleep_until(send_at), if is_woken => {
                    is_woken = false;
                    true
                }
                () = &mut closed => {
                    return Close::new(Close::AWAY, "the gateway stops; come again");
                }
                heard = socket.recv() => {
                    heard_at = Instant::now();
                    self.requests += 1;
                    match text(heard, MESSAGE_BYTES_MAX) {
                        Ok(Some(text)) => self.request(&text).await,
                        Ok(None) => {}
                        Err(close) => return close,
                    }
                    if self.requests > REQUESTS_MAX {
                        let why = format!("{REQUESTS_MAX} requests in {} s", CHECK_EVERY.as_secs());
                        return Close::new(Close::TOO_MANY, why);
                    }
                    self.send(socket).await?;
                    false
                }
                _ = checks.tick() => {
                    (self.requests, checked) = (0, checked + 1);
                    if let Err(close) = self.check(opened).await {
                        return Some(close);
                    }
                    if heard_at.elapsed() > IDLE {
                        return Close::new(Close::IDLE, "nothing was heard of you");
                    }
                    if checked.is_multiple_of(CHECKS_PER_PING) {
                        let ping = Message::Ping(Vec::new().into());
                        timeout(SEND_PATIENCE, socket.send(ping)).await.ok()?.ok()?;
                    }
                    false
                }
            };
            if is_due {
                let is_whole = self.subscriber.take(&mut self.out);
                if !is_whole {
                    self.say(&json!({ "op": "lagged" }));
                }
                self.send(socket).await?;
                if !is_whole {
                    return Close::new(Close::LAGGED, "events were lost; subscribe with from");
                }
                send_at = Instant::now() + pause;
            }
        }
    }

    /// Whether it may still listen.
    async fn check(&self, opened: Instant) -> std::result::Result<(), Close> {
        let ended = match &self.credential {
            Some(credential) => self.subscriber.check(&self.gateway, credential).await.err(),
            None if !self.place.is_known() && opened.elapsed() > AUTH_PATIENCE => {
                let message = "say who you are within 10 s: {\"op\":\"auth\",\"token\":TOKEN}";
                Some(ApiError::new(Code::Unauthenticated, message))
            }
            None => None,
        };
        ended.map_or(Ok(()), |error| Err(Close(Close::UNAUTHENTICATED, error.message)))
    }

    fn say(&mut self, message: &Value) {
        self.out.push((None, message.to_string().into()));
    }

    /// Sends all that waits; `None` if the client takes nothing.
    async fn send(&mut self, socket: &mut WebSocket) -> Option<()> {
        if self.out.is_empty() {
            return Some(());
        }
        let out = &mut self.out;
        let sending = timeout(SEND_PATIENCE, async {
            for (_, text) in out.drain(..) {
                socket.feed(Message::Text(text)).await?;
            }
            socket.flush().await
        });
        sending.await.ok()?.ok()?;
        // A burst is not kept for ever.
        self.out.shrink_to(16);
        Some(())
    }

    /// Does what is asked and puts the answer to what is to be sent.
    async fn request(&mut self, text: &str) {
        let mut id = None;
        let done = match serde_json::from_str::<Request>(text) {
            Ok(mut request) => {
                id = request.id.take().filter(|id| id.len() <= ID_LEN_MAX);
                self.do_request(request).await
            }
            Err(error) => {
                Err(ApiError::new(Code::Malformed, format!("this is no request: {error}")))
            }
        };
        let mut answer = done.unwrap_or_else(|ApiError { code, message, details }| {
            json!({
                "op": "error",
                "error": { "code": code, "message": message, "details": details },
            })
        });
        if let Some(id) = id {
            answer["id"] = json!(id);
        }
        self.say(&answer);
    }

    async fn do_request(&mut self, request: Request) -> Result<Value> {
        let Request { op, token, channel, symbols, account, resolution, from, .. } = request;
        match op {
            Op::Ping => return Ok(json!({ "op": "pong" })),
            Op::Auth => return self.auth(token.as_deref()).await,
            Op::Subscribe | Op::Unsubscribe => {}
        }
        let channel = channel.ok_or_else(|| ApiError::field("channel", "channel: name one"))?;
        let wanted = Wanted { channel, symbols, account, resolution, from };
        let gateway = &self.gateway;
        let caller = self.credential.as_ref().map(|credential| &credential.caller);
        let is_for_all = gateway.config.market.is_open && !channel.is_of_accounts();
        if caller.is_none() && !is_for_all {
            let message = "first say who you are: {\"op\":\"auth\",\"token\":TOKEN}";
            return Err(ApiError::new(Code::Unauthenticated, message));
        }
        let about = json!({ "channel": channel, "symbols": wanted.symbols, "account": account });
        let mut answer = about;
        if matches!(op, Op::Unsubscribe) {
            self.subscriber.unfollow(gateway, caller, &wanted).await?;
            answer["op"] = json!("unsubscribed");
            return Ok(answer);
        }
        let Followed { from, gap } = match caller {
            Some(caller) => self.subscriber.follow(gateway, caller, &wanted).await?,
            None => {
                self.place.look_on(self.ip)?;
                self.subscriber.follow_states(gateway, &wanted)?
            }
        };
        answer["op"] = json!("subscribed");
        answer["from"] = json!(from);
        answer["gap"] = json!(gap);
        Ok(answer)
    }

    /// Takes a token: the first, or another of the same user before the one in use ends.
    async fn auth(&mut self, token: Option<&str>) -> Result<Value> {
        let token = token.ok_or_else(|| ApiError::field("token", "token: give one"))?;
        let fresh = Credential::of(&self.gateway, token, self.ip).await?;
        let user = fresh.caller.user;
        if let Some(old) = &self.credential
            && (old.caller.user, old.caller.permissions) != (user, fresh.caller.permissions)
        {
            let message = "this socket is somebody else's, or has other permissions; open another";
            return Err(ApiError::new(Code::NotPermitted, message));
        }
        self.place.of(user)?;
        self.credential = Some(fresh);
        Ok(json!({ "op": "authenticated", "user": user }))
    }
}
