//! The envelope of answers: `{"data":…,"meta":…}`.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;

use crate::error::{ApiError, Code};

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
}

/// An answer, and how it is told: 200, or what [`Data::created`] says.
#[derive(Debug)]
pub struct Data<T> {
    status: StatusCode,
    data: T,
    meta: Meta,
}

impl<T> Data<T> {
    /// 200.
    pub fn new(data: T) -> Self {
        Self { status: StatusCode::OK, data, meta: Meta::default() }
    }

    /// 201: something is there that was not.
    pub fn created(data: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::new(data) }
    }

    /// A page, and the cursor of the next.
    pub fn page(data: T, next_cursor: Option<String>) -> Self {
        Self { meta: Meta { next_cursor, ..Meta::default() }, ..Self::new(data) }
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
        let Self { status, data, mut meta } = self;
        meta.request_id = request_id();
        (status, Json(Envelope { data, meta })).into_response()
    }
}

/// A JSON body; what cannot be read is a typed error.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        use axum::extract::rejection::JsonRejection as Rejection;
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
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

/// The innermost cause, which names field and place.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
