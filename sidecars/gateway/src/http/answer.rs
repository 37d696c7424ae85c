//! The envelope of answers: `{"data":…,"meta":…}`.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::fmt;
use std::marker::PhantomData;
use utoipa::ToSchema;

use super::idempotency::FoundByName;
use crate::error::{ApiError, Code};

/// Bytes of an explanation of the framework's at most.
const BARE_BYTES_MAX: usize = 4 * 1024;

tokio::task_local! {
    /// The id of the request that is under way; answers and log lines carry it.
    pub(crate) static REQUEST_ID: String;
}

/// The id of the request that is under way; empty outside of one.
pub(crate) fn request_id() -> String {
    REQUEST_ID.try_with(String::clone).unwrap_or_default()
}

/// An answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Envelope<T> {
    /// What was asked for.
    pub data: T,
    /// About the answer.
    pub meta: Meta,
}

/// About an answer.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Meta {
    /// Names the request in the log.
    pub request_id: String,
    /// For the next page, as `cursor`; absent: this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The engine's last event that the answer includes, as `SEQ:ORDINAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// True: there are more than are told at once, and no further page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// An answer, and how it is told: 200, or what [`Data::created`] says.
#[derive(Debug)]
pub struct Data<T> {
    status: StatusCode,
    data: T,
    meta: Meta,
    is_found_by_name: bool,
}

impl<T> Data<T> {
    /// 200.
    pub fn new(data: T) -> Self {
        Self { status: StatusCode::OK, data, meta: Meta::default(), is_found_by_name: false }
    }

    /// 201: something is there that was not.
    pub fn created(data: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::new(data) }
    }

    /// 201 of what an Idempotency-Key names: see [`FoundByName`].
    pub fn named(data: T) -> Self {
        Self { is_found_by_name: true, ..Self::created(data) }
    }

    /// A page, and the cursor of the next.
    pub fn page(data: T, next_cursor: Option<String>) -> Self {
        Self { meta: Meta { next_cursor, ..Meta::default() }, ..Self::new(data) }
    }

    /// The same, of which some may have been left out.
    #[must_use]
    pub fn truncated(mut self, truncated: bool) -> Self {
        self.meta.truncated = truncated;
        self
    }

    /// The same, with the engine's last event that it includes.
    #[must_use]
    pub fn as_of(mut self, as_of: String) -> Self {
        self.meta.as_of = Some(as_of);
        self
    }
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let Self { status, data, mut meta, is_found_by_name } = self;
        meta.request_id = request_id();
        let mut response = (status, Json(Envelope { data, meta })).into_response();
        if is_found_by_name {
            response.extensions_mut().insert(FoundByName);
        }
        response
    }
}

/// A JSON body; what cannot be read is a typed error.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        use axum::extract::rejection::JsonRejection as Rejection;
        match Json::<Object<T>>::from_request(request, state).await {
            Ok(Json(Object(body))) => Ok(Self(body)),
            Err(Rejection::MissingJsonContentType(_)) => Err(ApiError::new(
                Code::NotJson,
                "the body must be JSON: Content-Type: application/json",
            )),
            Err(Rejection::JsonDataError(error)) => Err(ApiError::new(
                Code::InvalidField,
                format!("the body does not fit: {}", root(&error)),
            )),
            Err(Rejection::BytesRejection(error))
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                let max = super::BODY_BYTES_MAX;
                let error =
                    ApiError::new(Code::TooLarge, format!("the body has more than {max} bytes"));
                Err(error.with(json!({ "limit_bytes": max })))
            }
            Err(error) => Err(ApiError::new(
                Code::Malformed,
                format!("the body cannot be read: {}", root(&error)),
            )),
        }
    }
}

/// A JSON object. What serde derives takes a list of the fields' values as well, which no document says.
struct Object<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        from.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Puts what a route could not read into the envelope: what the framework says of paths and queries is bare text.
pub(crate) async fn enclose(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_bare = kind.is_some_and(|kind| kind.starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_bare {
        return response;
    }
    let bytes = to_bytes(response.into_body(), BARE_BYTES_MAX).await.unwrap_or_default();
    ApiError::new(Code::Malformed, String::from_utf8_lossy(&bytes)).into_response()
}

/// The innermost cause, which names field and place.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
