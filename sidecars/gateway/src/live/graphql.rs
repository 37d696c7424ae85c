//! GraphQL over a WebSocket, by the protocol `graphql-transport-ws`: questions that are answered once, and subscriptions.
//!
//! <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>

use super::socket::{
    AUTH_PATIENCE, BUFFER_BYTES, CHECKS_PER_PING, Close, IDLE, REQUESTS_MAX, SEND_PATIENCE,
    say_why, text,
};
use super::{CHECK_EVERY, Credential, Place, closed};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::graphql::{Follower, GraphQl, Question, Rest, refused};
use crate::http::guard::{Stranger, bearer};
use async_graphql::{Pos, Response as Told, Value as GraphValue};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::stream::{BoxStream, StreamExt, once};
use serde::Deserialize;
use serde_json::{Value, json};
use std::future::ready;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_stream::StreamMap;

/// The protocol, as the client offers it.
const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes of a message of a client's: a document of some length, or 200 symbols.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Operations of one socket at a time.
const OPERATIONS_MAX: usize = 16;
/// Characters of the name of one.
const ID_LEN_MAX: usize = 64;

/// The codes of the protocol.
impl Close {
    const INVALID: u16 = 4_400;
    /// Something was asked for before `connection_init`.
    const TOO_EARLY: u16 = 4_401;
    const FORBIDDEN: u16 = 4_403;
    const NO_INIT: u16 = 4_408;
    const ID_IN_USE: u16 = 4_409;
    const INIT_AGAIN: u16 = 4_429;
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    ConnectionInit { payload: Option<Init> },
    Subscribe { id: String, payload: Question },
    Complete { id: String },
    Ping { payload: Option<Value> },
    Pong {},
}

/// Who it is, for those who cannot send a header.
#[derive(Default, Deserialize)]
struct Init {
    token: Option<String>,
}

/// Opens a WebSocket for GraphQL, with the subprotocol `graphql-transport-ws`. Its client says who it is by an Authorization header, or
/// by `{"type":"connection_init","payload":{"token":TOKEN}}` within 10 seconds; never in the address.
#[utoipa::path(get, path = "/api/v1/graphql", tag = "graphql", security(()),
    responses((status = 101, description = "A WebSocket; docs/live.md has its limits.")))]
pub(super) async fn stream(
    State(gateway): State<Arc<Gateway>>,
    Extension(graphql): Extension<GraphQl>,
    stranger: Stranger,
    // Takes the connection out of the parts, which live as long as the socket.
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    parts: Parts,
) -> Result<Response> {
    let upgrade = upgrade.map_err(|error| ApiError::new(Code::Malformed, error.body_text()))?;
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = format!("offer the subprotocol: 'Sec-WebSocket-Protocol: {PROTOCOL}'");
        return Err(ApiError::new(Code::Malformed, message));
    }
    let credential = match bearer(&parts.headers)? {
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
    let rest = graphql.rest(&parts);
    let client = Client {
        gateway,
        graphql,
        rest,
        place,
        ip: stranger.ip,
        credential,
        is_begun: false,
        operations: StreamMap::new(),
        requests: 0,
    };
    Ok(upgrade.on_upgrade(move |socket| run(client, socket)))
}

async fn run(mut client: Client, mut socket: WebSocket) {
    let Some(close) = client.serve(&mut socket).await else { return };
    drop(client);
    say_why(socket, close).await;
}

struct Client {
    gateway: Arc<Gateway>,
    graphql: GraphQl,
    rest: Rest,
    place: Place,
    ip: IpAddr,
    credential: Option<Credential>,
    /// Whether `connection_init` was heard.
    is_begun: bool,
    /// What is under way, by its name; `None` is its end.
    operations: StreamMap<String, BoxStream<'static, Option<Told>>>,
    /// Messages since the last check.
    requests: u32,
}

impl Client {
    /// Serves until there is a reason to close, or `None`: it is gone.
    async fn serve(&mut self, socket: &mut WebSocket) -> Option<Close> {
        let mut closing = self.place.hub.closing.subscribe();
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let opened = Instant::now();
        let (mut heard_at, mut checked) = (opened, 0u32);
        loop {
            tokio::select! {
                () = closed(&mut closing) => {
                    return Close::new(Close::AWAY, "the gateway stops; come again");
                }
                heard = socket.recv() => {
                    heard_at = Instant::now();
                    self.requests += 1;
                    if self.requests > REQUESTS_MAX {
                        let why = format!("{REQUESTS_MAX} messages in {} s", CHECK_EVERY.as_secs());
                        return Close::new(Close::TOO_MANY, why);
                    }
                    let text = match text(heard, MESSAGE_BYTES_MAX) {
                        Ok(Some(text)) => text,
                        Ok(None) => continue,
                        Err(close) => return close,
                    };
                    match self.hear(&text).await {
                        Ok(Some(answer)) => send(socket, &answer).await?,
                        Ok(None) => {}
                        Err(close) => return Some(close),
                    }
                }
                // Asked for one at a time: what changes while it is sent is told once.
                Some((id, told)) = self.operations.next(), if !self.operations.is_empty() => {
                    send(socket, &self.tell(&id, told)).await?;
                }
                _ = checks.tick() => {
                    (self.requests, checked) = (0, checked + 1);
                    if let Some(credential) = &self.credential
                        && let Err(error) = credential.check(&self.gateway).await
                    {
                        return Close::new(Close::FORBIDDEN, error.message);
                    }
                    if !self.is_begun && opened.elapsed() > AUTH_PATIENCE {
                        return Close::new(Close::NO_INIT, "connection initialisation timeout");
                    }
                    if heard_at.elapsed() > IDLE {
                        return Close::new(Close::IDLE, "nothing was heard of you");
                    }
                    if checked.is_multiple_of(CHECKS_PER_PING) {
                        let ping = Message::Ping(Vec::new().into());
                        timeout(SEND_PATIENCE, socket.send(ping)).await.ok()?.ok()?;
                    }
                }
            }
        }
    }

    /// Does what is said; an answer, if there is one at once.
    async fn hear(&mut self, text: &str) -> std::result::Result<Option<Value>, Close> {
        let said = serde_json::from_str(text)
            .map_err(|error| Close(Close::INVALID, format!("this is no message: {error}")))?;
        match said {
            Said::ConnectionInit { payload } => self.begin(payload.unwrap_or_default()).await,
            Said::Subscribe { id, payload } => self.subscribe(id, payload),
            Said::Complete { id } => {
                self.operations.remove(&id);
                Ok(None)
            }
            Said::Ping { payload } => Ok(Some(match payload {
                Some(payload) => json!({ "type": "pong", "payload": payload }),
                None => json!({ "type": "pong" }),
            })),
            Said::Pong {} => Ok(None),
        }
    }

    async fn begin(&mut self, init: Init) -> std::result::Result<Option<Value>, Close> {
        if self.is_begun {
            return Err(Close(Close::INIT_AGAIN, "too many initialisation requests".into()));
        }
        let forbidden = |error: ApiError| Close(Close::FORBIDDEN, error.message);
        if let Some(token) = init.token {
            let credential = Credential::of(&self.gateway, &token, self.ip).await;
            let credential = credential.map_err(forbidden)?;
            if self.credential.as_ref().is_some_and(|old| old.caller.user != credential.caller.user)
            {
                let why = "the header names another user".to_string();
                return Err(Close(Close::FORBIDDEN, why));
            }
            self.place.of(credential.caller.user).map_err(forbidden)?;
            self.credential = Some(credential);
        }
        let Some(credential) = &self.credential else {
            let why = "say who you are: a header, or {\"token\":TOKEN} as payload".to_string();
            return Err(Close(Close::FORBIDDEN, why));
        };
        self.rest = self.rest.clone().by(&credential.token);
        self.is_begun = true;
        Ok(Some(json!({ "type": "connection_ack" })))
    }

    fn subscribe(
        &mut self,
        id: String,
        question: Question,
    ) -> std::result::Result<Option<Value>, Close> {
        let Some(credential) = self.credential.as_ref().filter(|_| self.is_begun) else {
            return Err(Close(
                Close::TOO_EARLY,
                "unauthorized: connection_init comes first".into(),
            ));
        };
        if id.is_empty() || id.len() > ID_LEN_MAX {
            let why = format!("an id has 1 to {ID_LEN_MAX} characters");
            return Err(Close(Close::INVALID, why));
        }
        if self.operations.contains_key(&id) {
            return Err(Close(Close::ID_IN_USE, format!("subscriber for {id} already exists")));
        }
        let Credential { token, caller } = credential;
        let api_key = caller.session.is_none().then_some(&**token);
        let admitted = self.gateway.ops.limits.user(caller.user, api_key).map(drop);
        let admitted = admitted.and_then(|()| match self.operations.len() < OPERATIONS_MAX {
            true => Ok(()),
            false => {
                let message = format!("{OPERATIONS_MAX} operations are under way; end one");
                let details = json!({ "limit": OPERATIONS_MAX });
                Err(ApiError::new(Code::TooMany, message).with(details))
            }
        });
        if let Err(error) = admitted {
            let error = refused(error).into_server_error(Pos::default());
            return Ok(Some(json!({ "type": "error", "id": id, "payload": [error] })));
        }
        let follower = Follower { gateway: Arc::clone(&self.gateway), caller: caller.clone() };
        let told = self.graphql.follow(question, self.rest.clone(), follower);
        let told = told.map(Some).chain(once(ready(None)));
        self.operations.insert(id, told.boxed());
        Ok(None)
    }

    /// What is told of an operation. One of which there is nothing but errors has ended with them.
    fn tell(&mut self, id: &str, told: Option<Told>) -> Value {
        let Some(told) = told else { return json!({ "type": "complete", "id": id }) };
        if told.data == GraphValue::Null && !told.errors.is_empty() {
            self.operations.remove(id);
            return json!({ "type": "error", "id": id, "payload": told.errors });
        }
        json!({ "type": "next", "id": id, "payload": told })
    }
}

/// `None` if the client takes nothing.
async fn send(socket: &mut WebSocket, message: &Value) -> Option<()> {
    let sending = socket.send(Message::text(message.to_string()));
    timeout(SEND_PATIENCE, sending).await.ok()?.ok()
}
