//! The web page: what `ui/` builds, taken into the binary (read from its folder in debug builds).

use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::http::origin::Origin;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing;
use rust_embed::{Embed, EmbeddedFile};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;

#[derive(Embed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Built;

/// The page that the others begin with.
const INDEX: &str = "index.html";
/// Names of files below `assets` change with their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Others are asked for anew, and answered with 304 if they are as before.
const ASK_AGAIN: &str = "no-cache";

/// What stands where the page would, in a binary that was built without it.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tidegate</title>\
    <h1>This gateway was built without its page</h1><p>Build it with <code>make page</code>, then the gateway anew. \
    Everything that the page shows is described at <a href=\"/docs\">/docs</a>.</p></html>";

/// Files of the page, each by its own path.
pub fn routes(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let top = ["/icon.svg", "/theme.js"].into_iter();
    let router = top.fold(Router::new(), |router, path| {
        let name = path.trim_start_matches('/');
        router.route(path, routing::get(async |headers: HeaderMap| file(name, &headers, ASK_AGAIN)))
    });
    router
        .route("/", routing::get(async |headers: HeaderMap| index(&headers)))
        .route("/assets/{name}", routing::get(asset))
        .route_layer(CompressionLayer::new())
        .route_layer(from_fn_with_state(Arc::clone(gateway), limit_onlookers))
}

/// What is at no path of ours: the page for people, for it has paths of its own, and an error for programs.
pub async fn otherwise(request: Request) -> Response {
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_reading = [Method::GET, Method::HEAD].contains(method) && accepts.contains("text/html");
    let is_ours = ["/api/", "/assets/", "/docs/"].iter().any(|prefix| path.starts_with(prefix));
    match is_reading && !is_ours {
        true => index(headers),
        false => ApiError::not_found("page; GET /docs says what there is").into_response(),
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{name}"), &headers, FOR_EVER)
}

fn index(headers: &HeaderMap) -> Response {
    match Built::get(INDEX) {
        Some(found) => tell(found, headers, ASK_AGAIN),
        None => ([(CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response(),
    }
}

fn file(name: &str, headers: &HeaderMap, cached: &'static str) -> Response {
    match Built::get(name) {
        Some(found) => tell(found, headers, cached),
        None => ApiError::not_found("file of the page; reload it").into_response(),
    }
}

fn tell(found: EmbeddedFile, headers: &HeaderMap, cached: &'static str) -> Response {
    let tag = format!("W/\"{}\"", crate::keys::hex(&found.metadata.sha256_hash()));
    let about = [(CACHE_CONTROL, cached.to_string()), (ETAG, tag.clone())];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = match found.metadata.mimetype() {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_string(),
    };
    (about, [(CONTENT_TYPE, kind)], Bytes::from(found.data.into_owned())).into_response()
}

/// Files cost a compression each: so many for each address, with what it sees of the market.
async fn limit_onlookers(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    match gateway.ops.limits.onlooker(Origin::of(request.extensions())) {
        Ok(_) => next.run(request).await,
        Err(error) => {
            gateway.ops.metrics.limited("address");
            error.into_response()
        }
    }
}
