//! What can go wrong, for those who call: one closed list with stable codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_client::ClientError;
use utoipa::ToSchema;

/// An answer that says why nothing was done. Its JSON is `{"error":{"code","message","details"}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// Which of the kinds, stable between versions.
    pub code: Code,
    /// One sentence for people: what is wrong, and what to do.
    pub message: String,
    /// For programs: the field, the limit, the value; an object.
    pub details: Value,
}

/// What goes wrong, by kind. The names in answers are these in `snake_case`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the request cannot be read.
    Malformed,
    /// 422: a field breaks a rule; `details.field` names it.
    InvalidField,
    /// 401: nobody is logged in, or the token is not good.
    Unauthenticated,
    /// 401: the credentials are wrong.
    WrongCredentials,
    /// 401: the password is right and a code of the second factor is needed.
    SecondFactorRequired,
    /// 403: the caller may not do this; `details.permission` names what is missing.
    NotPermitted,
    /// 403: an order of a person needs a token of `POST /api/v1/orders/authorize`.
    AuthorizationRequired,
    /// 404: there is no such thing, or it is somebody else's.
    NotFound,
    /// 405: the path has no such method.
    MethodNotAllowed,
    /// 408: the request did not come in time.
    TimedOut,
    /// 409: it is there already, or has changed meanwhile.
    Conflict,
    /// 409: the Idempotency-Key was used with another request.
    KeyReused,
    /// 413: the body is larger than allowed.
    TooLarge,
    /// 415: the body is no JSON.
    NotJson,
    /// 422: the engine's risk or the venue refused the order; `details.reason` is the engine's.
    Rejected,
    /// 423: too many failures; locked until an unlock or `details.until`.
    Locked,
    /// 429: more requests than allowed; `Retry-After` says when to try again.
    TooMany,
    /// 500: a fault of the gateway; the request id finds it in the log.
    Internal,
    /// 502: a service that the gateway asked answered what it should not.
    Upstream,
    /// 503: the engine or the database cannot be reached.
    Unavailable,
    /// 504: the outcome is not known; ask again with the same Idempotency-Key.
    OutcomeUnknown,
}

impl Code {
    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::WrongCredentials | Self::SecondFactorRequired => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotPermitted | Self::AuthorizationRequired => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::KeyReused => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField | Self::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Locked => StatusCode::LOCKED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// The outcome of a call.
pub type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: json!({}) }
    }

    /// The same with details; an object.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// A field breaks a rule.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, message).with(json!({ "field": field }))
    }

    /// There is no such thing, or it is somebody else's: the answer does not tell which.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// A fault of ours. The caller hears nothing of the cause; the log does.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {cause}");
        Self::new(Code::Internal, "the gateway failed; its log has the cause under the request id")
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed => {
                tracing::error!("the database cannot be reached: {error}");
                Self::new(Code::Unavailable, "the database cannot be reached; try again")
            }
            other => Self::internal(format_args!("the database: {other}")),
        }
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        use tonic::Code as Grpc;
        let ClientError::Call { status, .. } = &error else {
            tracing::error!("the engine: {error}");
            return Self::new(Code::Unavailable, "the engine cannot be reached; try again");
        };
        let message = status.message().to_string();
        let field = status.metadata().get("tidegate-field").and_then(|name| name.to_str().ok());
        let code = match status.code() {
            // A field names what is not there, such as a symbol.
            Grpc::NotFound if field.is_some() => Code::InvalidField,
            Grpc::InvalidArgument | Grpc::OutOfRange => Code::InvalidField,
            Grpc::NotFound => Code::NotFound,
            Grpc::AlreadyExists | Grpc::FailedPrecondition | Grpc::Aborted => Code::Conflict,
            Grpc::PermissionDenied => Code::NotPermitted,
            Grpc::ResourceExhausted => Code::TooMany,
            Grpc::DeadlineExceeded | Grpc::Unknown => Code::OutcomeUnknown,
            Grpc::Unavailable | Grpc::Cancelled => Code::Unavailable,
            // The gateway's own token, not the caller's: nobody outside can mend it.
            _ => return Self::internal(error),
        };
        let details = field.map_or_else(|| json!({}), |field| json!({ "field": field }));
        Self::new(code, message).with(details)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let retry_after = self.details.get("retry_after_s").and_then(Value::as_u64);
        let body = json!({
            "error": { "code": self.code, "message": self.message, "details": self.details }
        });
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidegate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The shape of an error, for the documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorContent,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorContent {
    /// Which kind; stable.
    pub code: Code,
    /// For people.
    pub message: String,
    /// For programs.
    #[schema(value_type = Object)]
    pub details: Value,
}
