//! The routes, and what lies around all of them.

pub mod answer;
pub mod cursor;
mod document;
pub mod guard;
pub mod idempotency;
pub mod limits;
pub mod origin;
pub mod serve;
mod tls;

use crate::error::{ApiError, Code};
use crate::gateway::Gateway;
use crate::graphql::{self, GraphQl};
use crate::{billing, config, identity, live, market, ops, trading};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use guard::{Guard, Needs};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

/// Bytes of a body at most; the largest real one, a list of orders, has some 20 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a browser may remember which origins may call.
const PREFLIGHT_LASTS: Duration = Duration::from_secs(600);

/// What pages of other origins may read of an answer, beside its body.
const EXPOSED: [HeaderName; 4] = [
    guard::REQUEST_ID_HEADER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    header::RETRY_AFTER,
];

/// What every answer says to browsers: nothing of ours is framed, guessed at, or kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The routes of the API, and their description.
pub fn api() -> (Router<Arc<Gateway>>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(document::empty())
        .merge(identity::routes())
        .merge(billing::routes())
        .merge(trading::routes())
        .merge(market::routes())
        .merge(live::routes())
        .merge(graphql::routes())
        .split_for_parts();
    document::finish(&mut document);
    (router, document)
}

/// Everything that is served.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let (api, document) = api();
    let guarding = Guard { gateway: Arc::clone(&gateway), needs: Arc::new(Needs::of(&document)) };
    let state = || Arc::clone(&gateway);
    let pages =
        document::routes(&document).route_layer(from_fn_with_state(state(), limit_strangers));
    let api = api
        // Within the guard: it knows by whom.
        .route_layer(from_fn_with_state(state(), idempotency::layer))
        .route_layer(from_fn_with_state(guarding, guard::guard));
    let graphql = GraphQl::new(api.clone().with_state(state()));
    let router = api
        .layer(Extension(graphql))
        .merge(pages)
        .merge(ops::health::routes())
        .merge(ops::metrics::routes())
        .fallback(|| async { ApiError::not_found("page; GET /docs says what there is") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "this path has no such method; see /docs")
        })
        .with_state(state())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(answer::enclose))
        .layer(from_fn(end_in_time))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a panic, told above").into_response()
        }))
        .layer(cors(&gateway.config.cors))
        .layer(from_fn_with_state(state(), ops::trace::observe))
        .layer(from_fn_with_state(state(), origin::locate))
        .layer(from_fn(guard::name));
    let hsts = (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    let headers = HEADERS.into_iter().chain(gateway.config.tls.is_on().then_some(hsts));
    headers.fold(router, |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::if_not_present(name, value))
    })
}

/// Pages that strangers may see, each address so often.
async fn limit_strangers(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = origin::Origin::of(request.extensions());
    match gateway.ops.limits.stranger(origin, request.method().as_str(), request.uri().path()) {
        Ok(left) => {
            let mut response = next.run(request).await;
            left.tell(response.headers_mut());
            response
        }
        Err(error) => {
            gateway.ops.metrics.limited("address");
            error.into_response()
        }
    }
}

/// Cuts off what takes too long: a body that does not come, a route that does not end.
async fn end_in_time(request: Request, next: Next) -> Response {
    let late = |_| {
        let seconds = REQUEST_TIMEOUT.as_secs();
        let error = ApiError::new(Code::TimedOut, "the request took too long, its body included");
        error.with(json!({ "limit_s": seconds })).into_response()
    };
    timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

/// Which pages of other origins may call. No credential of theirs comes along: there are no cookies, and none would be taken.
fn cors(config: &config::Cors) -> CorsLayer {
    let origins = config.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_LASTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_who_may_call_it() {
        let (_, document) = api();
        assert!(Needs::of(&document).list().len() >= 5);
    }
}
