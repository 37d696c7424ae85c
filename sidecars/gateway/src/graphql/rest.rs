//! The REST API as GraphQL reaches it: in this process, as the same caller, through the same guard, limits and handlers. What may be
//! done and what it does is said once.

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
    extensions: axum::http::Extensions,
}

impl Rest {
    /// For whoever sent a request.
    pub fn new(router: Router, parts: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        Self { router, headers, extensions: parts.extensions.clone() }
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
        *request.uri_mut() = path.parse().map_err(|_| failed("an argument fits no path"))?;
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        let json_type = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json_type);
        if let Some(key) = key {
            let value = HeaderValue::try_from(key)
                .map_err(|_| failed("an idempotency key has 1 to 128 visible ASCII characters"))?;
            request.headers_mut().insert(KEY_HEADER, value);
        }
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let is_good = answer.status().is_success();
        let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(failed)?;
        let mut body: Value = serde_json::from_slice(&body).map_err(failed)?;
        if is_good {
            return serde_json::from_value(body["data"].take()).map_err(failed);
        }
        let error = body["error"].take();
        let message = error["message"].as_str().unwrap_or("the call failed").to_string();
        let code = error["code"].as_str().unwrap_or("internal").to_string();
        let details = GraphValue::from_json(error["details"].clone()).unwrap_or_default();
        Err(Error::new(message).extend_with(|_, extensions| {
            extensions.set("code", code.as_str());
            extensions.set("details", details.clone());
        }))
    }
}

/// A fault of ours, or an argument that cannot be passed on.
fn failed(cause: impl std::fmt::Display) -> Error {
    let details = GraphValue::from_json(json!({})).unwrap_or_default();
    Error::new(cause.to_string()).extend_with(|_, extensions| {
        extensions.set("code", "malformed");
        extensions.set("details", details.clone());
    })
}

/// Text as a part of a path or query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_leaves_its_place() {
        for (text, path) in [
            ("ACME", "ACME"),
            ("BRK.B", "BRK.B"),
            ("a/../b?c=d&e#f", "a%2F..%2Fb%3Fc%3Dd%26e%23f"),
            ("ü ", "%C3%BC%20"),
        ] {
            assert_eq!(escaped(text), path);
        }
    }
}
