//! The REST API as GraphQL reaches it: in this process, as the same caller, through the same guard, limits and handlers. What may be
//! done and what it does is said once.

use crate::error::{ApiError, Code};
use crate::http::origin::Origin;
use async_graphql::{Error, ErrorExtensions, Value as GraphValue};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Headers of the caller's that each call carries.
const PASSED_ON: [HeaderName; 3] =
    [header::AUTHORIZATION, header::USER_AGENT, HeaderName::from_static("trade-authorization")];
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The REST API, for one caller.
#[derive(Clone)]
pub struct Rest {
    router: Router,
    headers: HeaderMap,
    origin: Origin,
    /// The Idempotency-Key of the question.
    key: Option<String>,
    /// Whether who asks may hang up between what is changed and what is written of it.
    may_hang_up: bool,
}

impl Rest {
    /// The same over a socket, for whoever a token stands for.
    #[must_use]
    pub fn by(mut self, token: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(format!("Bearer {token}")) {
            self.headers.insert(header::AUTHORIZATION, value);
        }
        self.may_hang_up = true;
        self
    }

    /// For whoever sent a request.
    pub fn new(router: Router, parts: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let key = parts.headers.get(&KEY_HEADER).and_then(|key| key.to_str().ok());
        let key = key.map(str::to_string);
        Self { router, headers, origin: Origin::of(&parts.extensions), key, may_hang_up: false }
    }

    /// The name of what one field makes, if the question came under an Idempotency-Key: the same when it comes again.
    pub fn key(&self, field: &str) -> Option<String> {
        self.key.as_ref().map(|key| format!("{key}:{field}"))
    }

    /// What is at a path.
    ///
    /// # Errors
    /// The API's, with its code.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> async_graphql::Result<T> {
        self.call(Method::GET, path, None, None).await
    }

    /// Calls a route.
    ///
    /// # Errors
    /// The API's, with its code.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> async_graphql::Result<T> {
        let mut request = Request::new(match &body {
            Some(body) => Body::from(body.to_string()),
            None => Body::empty(),
        });
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| malformed("an argument fits no path"))?;
        *request.headers_mut() = self.headers.clone();
        // Nothing else of the caller's request: who it is, and which route this is, is found out anew.
        request.extensions_mut().insert(self.origin);
        let json_type = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json_type);
        if let Some(key) = key {
            let value = HeaderValue::try_from(key).map_err(|_| {
                malformed("an idempotency key has 1 to 128 visible ASCII characters")
            })?;
            request.headers_mut().insert(KEY_HEADER, value);
        }
        let is_safe = request.method().is_safe();
        let answering = self.router.clone().oneshot(request);
        let answer = match self.may_hang_up && !is_safe {
            // Done to its end, as any request that changes something.
            true => tokio::spawn(answering).await.map_err(fault)?,
            false => answering.await,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let is_good = answer.status().is_success();
        let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(fault)?;
        let mut body: Value = serde_json::from_slice(&body).map_err(fault)?;
        if is_good {
            return serde_json::from_value(body["data"].take()).map_err(fault);
        }
        let error = body["error"].take();
        let message = error["message"].as_str().unwrap_or("the call failed").to_string();
        let code = error["code"].as_str().unwrap_or("internal");
        Err(with_code(message, code, error["details"].clone()))
    }
}

/// An error as GraphQL has it: `extensions.code` is the API's.
fn with_code(message: String, code: &str, details: Value) -> Error {
    let details = GraphValue::from_json(details).unwrap_or_default();
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", code);
        extensions.set("details", details.clone());
    })
}

/// An error of the API.
pub fn refused(error: ApiError) -> Error {
    let code = json!(error.code);
    with_code(error.message, code.as_str().unwrap_or("internal"), error.details)
}

/// An argument that cannot be passed on.
fn malformed(message: &str) -> Error {
    refused(ApiError::new(Code::Malformed, message))
}

/// A fault of ours.
fn fault(cause: impl std::fmt::Display) -> Error {
    refused(ApiError::internal(cause))
}
