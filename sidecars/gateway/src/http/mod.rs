//! The routes, and what lies around all of them.

pub mod answer;
pub mod cursor;
mod document;
pub mod guard;
pub mod idempotency;
pub mod limits;
pub mod origin;
mod page;
pub mod serve;
mod tls;

use crate::error::{ApiError, Code};
use crate::gateway::Gateway;
use crate::graphql::{self, GraphQl};
use crate::{billing, config, identity, live, market, ops, trading};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use guard::{Guard, Needs};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
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
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
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
        .merge(ops::system::routes())
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
    let api = api.route_layer(from_fn_with_state(guarding, guard::guard));
    let graphql = GraphQl::new(api.clone().with_state(state()));
    let hsts = (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    let headers = HEADERS.into_iter().chain(gateway.config.tls.is_on().then_some(hsts));
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    let surrounding = Surrounding { gateway: Arc::clone(&gateway), headers };
    // One layer of all: each of its own would have every route boxed and copied once more, for each request.
    let layer = ServiceBuilder::new()
        .layer(from_fn_with_state(surrounding, surround))
        .layer(cors(&gateway.config.cors))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a panic, told above").into_response()
        }))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Extension(graphql));
    api.merge(pages)
        .merge(ops::health::routes())
        .merge(page::routes(&gateway))
        .merge(ops::metrics::routes())
        .fallback(page::otherwise)
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "this path has no such method; see /docs")
        })
        .with_state(state())
        .layer(layer)
}

/// What lies around all routes.
#[derive(Clone)]
struct Surrounding {
    gateway: Arc<Gateway>,
    /// What every answer says, where it does not say something else.
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

/// Names, places, traces and times a request, and puts what came of it into the form of our answers.
async fn surround(State(around): State<Surrounding>, mut request: Request, next: Next) -> Response {
    let is_safe = request.method().is_safe();
    let Surrounding { gateway, headers } = around;
    origin::locate(&gateway, &mut request);
    let answering = guard::name(request, |request| async move {
        let next = |request| async { answer::enclose(end_in_time(next.run(request)).await).await };
        ops::trace::observe(&gateway, request, next).await
    });
    let mut response = match is_safe {
        true => answering.await,
        // What may change something is done to its end, though its client hangs up: half of it would be in the database, and
        // neither in memory nor in the audit log.
        false => tokio::spawn(answering)
            .await
            .unwrap_or_else(|error| ApiError::internal(error).into_response()),
    };
    for (name, value) in headers.iter() {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
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
async fn end_in_time(answering: impl Future<Output = Response>) -> Response {
    let late = |_| {
        let seconds = REQUEST_TIMEOUT.as_secs();
        let error = ApiError::new(Code::TimedOut, "the request took too long, its body included");
        error.with(json!({ "limit_s": seconds })).into_response()
    };
    timeout(REQUEST_TIMEOUT, answering).await.unwrap_or_else(late)
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

/// Text as a part of a path or query.
pub(crate) fn escaped(text: &str) -> String {
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
    fn every_route_says_who_may_call_it() {
        let (_, document) = api();
        assert!(Needs::of(&document).list().len() >= 5);
    }

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
