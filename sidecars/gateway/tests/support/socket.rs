//! A WebSocket to the gateway.

use super::Api;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one; with the token of `api`, if it has one.
    pub async fn try_open(api: &Api) -> Result<Self, Error> {
        Self::dial(api, "/api/v1/stream", None).await
    }

    /// Opens one for GraphQL.
    pub async fn graphql(api: &Api) -> Result<Self, Error> {
        Self::dial(api, "/api/v1/graphql", Some("graphql-transport-ws")).await
    }

    pub async fn dial(api: &Api, path: &str, protocol: Option<&str>) -> Result<Self, Error> {
        let url = format!("{}{path}", api.base.replace("http", "ws"));
        let mut request = url.into_client_request().expect("a request");
        if let Some(protocol) = protocol {
            let value = protocol.parse().expect("a header");
            request.headers_mut().insert("sec-websocket-protocol", value);
        }
        if let Some(token) = &api.token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        connect_async(request).await.map(|(socket, _)| Self(socket))
    }

    pub async fn open(api: &Api) -> Self {
        Self::try_open(api).await.expect("it opens")
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    /// The next message, or the code with which it was closed.
    pub async fn next(&mut self) -> Result<Value, u16> {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Ok(serde_json::from_str(&text).expect("JSON"));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Err(frame.map_or(0, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(0),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("something comes")
    }

    /// The next message that is as it should be.
    pub async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await.expect("it is open");
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, request: Value) -> Value {
        self.send(request).await;
        self.until(|message| message["op"].is_string()).await
    }

    /// Waits until it is closed; the code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
