//! What the engine's answers mean for callers.

use super::report::Reject;
use crate::error::{ApiError, Code, Result};
use serde_json::json;
use tidegate_client::{ClientError, proto};
use tonic::Code as Grpc;

/// A refusal of the engine.
pub fn rejected(reject: &proto::Reject) -> ApiError {
    let Reject { reason, limit, value, scope, message } = Reject::new(reject);
    let details = json!({ "reason": reason, "limit": limit, "value": value, "scope": scope });
    ApiError::new(Code::Rejected, message).with(details)
}

/// Lets pass what was not refused.
///
/// # Errors
/// [`Code::Rejected`] with the engine's reason.
pub fn check(reject: Option<&proto::Reject>) -> Result<()> {
    reject.map_or(Ok(()), |reject| Err(rejected(reject)))
}

/// A call that changes something and failed: done or not, where that is not known.
pub fn unknown(error: ClientError) -> ApiError {
    let ClientError::Call { status, .. } = &error else { return error.into() };
    let is_sent = !error.was_not_sent() && !status.message().contains("not sent");
    let is_open = matches!(
        status.code(),
        Grpc::Cancelled
            | Grpc::DeadlineExceeded
            | Grpc::Internal
            | Grpc::Unavailable
            | Grpc::Unknown
    );
    if !(is_sent && is_open) {
        return error.into();
    }
    tracing::warn!("an outcome is not known: {error}");
    let message = "the engine did not answer; whether it was done is not known: \
                   send the same again under the same Idempotency-Key";
    ApiError::new(Code::OutcomeUnknown, message).with(json!({ "retry_after_s": 1 }))
}
