//! The routes, and what lies around all of them.

pub mod answer;
pub mod cursor;
pub mod guard;
pub mod idempotency;

use crate::error::{ApiError, Code};
use crate::gateway::Gateway;
use crate::{billing, graphql, identity, live, market, trading};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::{Json, Router, middleware};
use guard::{Guard, Needs};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// Bytes of a body at most; the largest real one, a list of orders, has some 20 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// What every answer says to browsers: nothing of ours is framed, guessed at, or kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

#[derive(OpenApi)]
#[openapi(
    info(title = "Tidegate", description = "Markets, accounts and orders of a Tidegate engine, for people and their programs."),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token of POST /api/v1/auth/login, or an API key."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The routes of the API, and their description.
pub fn api() -> (Router<Arc<Gateway>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(identity::routes())
        .merge(billing::routes())
        .merge(trading::routes())
        .merge(market::routes())
        .merge(live::routes())
        .merge(graphql::routes())
        .split_for_parts()
}

/// Everything that is served.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let (api, document) = api();
    let guarding = Guard { gateway: Arc::clone(&gateway), needs: Arc::new(Needs::of(&document)) };
    let document = Json(document);
    let once = middleware::from_fn_with_state(Arc::clone(&gateway), idempotency::layer);
    let router = api
        // Within the guard: it knows by whom.
        .route_layer(once)
        .route_layer(middleware::from_fn_with_state(guarding, guard::guard))
        .route("/api/v1/openapi.json", axum::routing::get(move || async move { document }))
        .fallback(|| async {
            ApiError::not_found("page; GET /api/v1/openapi.json lists what there is")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                Code::MethodNotAllowed,
                "this path has no such method; see /api/v1/openapi.json",
            )
        })
        .with_state(gateway)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a panic, told above").into_response()
        }))
        .layer(from_fn(guard::name));
    HEADERS.into_iter().fold(router, |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::if_not_present(name, value))
    })
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
