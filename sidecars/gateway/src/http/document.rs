//! The OpenAPI document, the pages that show it, and those that links in mails lead to.

use crate::error::ErrorBody;
use crate::gateway::Gateway;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::{Router, routing};
use std::sync::Arc;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, Server};
use utoipa::{OpenApi as _, PartialSchema as _, ToSchema as _};

/// What any operation may answer instead of what it is for; the body says which.
const ERRORS: [(&str, &str); 14] = [
    ("400", "The request cannot be read."),
    ("401", "Nobody is logged in, or the credential is not good."),
    ("403", "The caller may not do this."),
    ("404", "There is no such thing, or it is somebody else's."),
    ("408", "The request did not come in time."),
    (
        "409",
        "It is there already, has changed meanwhile, or the Idempotency-Key was used for another request.",
    ),
    ("413", "The body is too large."),
    ("415", "The body is no JSON."),
    ("422", "A field breaks a rule, or the engine refused."),
    ("423", "Locked after too many failures."),
    ("429", "More requests than allowed; Retry-After says when to try again."),
    ("500", "A fault of the gateway."),
    ("503", "The engine or the database cannot be reached."),
    ("504", "The outcome is not known; ask again with the same Idempotency-Key."),
];

const DESCRIPTION: &str = "Markets, accounts and orders of a Tidegate engine, for people and their programs.\n\n\
    Every answer is `{\"data\":…,\"meta\":…}` or `{\"error\":{\"code\",\"message\",\"details\"}}`; codes are stable, messages are for \
    people. Prices, quantities and money are decimal text. Send `Authorization: Bearer TOKEN` with an access token or an API key; no \
    cookie is ever used.";

#[derive(utoipa::OpenApi)]
#[openapi(info(title = "Tidegate"))]
struct Document;

/// The document before there are any routes.
pub fn empty() -> OpenApi {
    Document::openapi()
}

/// Adds what is the same for all operations: errors, names, the scheme of security.
pub fn finish(document: &mut OpenApi) {
    document.info.description = Some(DESCRIPTION.into());
    document.servers = Some(vec![Server::new("/")]);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token of POST /api/v1/auth/login, or an API key."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    let mut schemas = vec![(ErrorBody::name().into_owned(), ErrorBody::schema())];
    ErrorBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (status, description) in ERRORS {
        let schema = Ref::from_schema_name(ErrorBody::name());
        let content = Content::new(Some(RefOr::Ref(schema)));
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .build();
        components.responses.insert(format!("Error{status}"), response.into());
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(name(method, path));
            for (status, _) in ERRORS {
                let response = Ref::from_response_name(format!("Error{status}"));
                let said = &mut operation.responses.responses;
                said.entry(status.into()).or_insert(RefOr::Ref(response));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [("get", get), ("post", post), ("put", put), ("patch", patch), ("delete", delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What programs that are generated from the document call an operation, e.g. `get_users_me`.
fn name(method: &str, path: &str) -> String {
    let parts = path.trim_start_matches("/api/v1/").split(['/', '-', '.']);
    let parts = parts.map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        Some(parameter) => format!("by_{parameter}"),
        None => part.to_string(),
    });
    [method.to_string()].into_iter().chain(parts).collect::<Vec<_>>().join("_")
}

/// The document, and the page that shows it, without any help from elsewhere.
pub fn routes(document: &OpenApi) -> Router<Arc<Gateway>> {
    let json = document.to_json().expect("the document is JSON");
    let page = |kind: &'static str, text: Bytes| {
        routing::get(move || async move {
            ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
        })
    };
    let html = include_bytes!("reference/index.html");
    let script = include_bytes!("reference/reference.js");
    let style = include_bytes!("reference/reference.css");
    Router::new()
        .route("/api/v1/openapi.json", page("application/json", json.into()))
        .route("/docs", page("text/html; charset=utf-8", Bytes::from_static(html)))
        .route(
            "/docs/reference.js",
            page("text/javascript; charset=utf-8", Bytes::from_static(script)),
        )
        .route("/docs/reference.css", page("text/css; charset=utf-8", Bytes::from_static(style)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_how_it_fails() {
        let (_, document) = crate::http::api();
        let document = serde_json::to_value(&document).expect("JSON");
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let id = operation["operationId"].as_str().expect("a name");
                assert!(names.insert(id.to_string()), "{method} {path}: {id} is there twice");
                assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
                assert!(operation["summary"].is_string(), "{method} {path} says not what it does");
                for (status, _) in ERRORS {
                    let said = operation["responses"].get(status);
                    assert!(said.is_some_and(Value::is_object), "{method} {path} {status}");
                }
            }
        }
        assert!(names.contains("get_users_me") && names.contains("delete_sessions_by_id"));
    }

    /// The page's types are made of the file, which no running gateway is needed for.
    #[test]
    fn the_page_is_made_for_this_document() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/openapi.json");
        let document = crate::http::api().1.to_pretty_json().expect("JSON") + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &document).expect("written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == document,
            "ui/openapi.json is of another document; renew it, and the page's types of it:\n\
             UPDATE=1 cargo nextest run -p tidegate-gateway the_page_is_made_for_this_document"
        );
    }

    #[test]
    fn what_the_document_refers_to_is_there() {
        fn walk(value: &Value, document: &Value) {
            if let Some(reference) = value["$ref"].as_str() {
                let pointer = reference.strip_prefix('#').expect("in the document itself");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            for part in value.as_object().into_iter().flat_map(|object| object.values()) {
                walk(part, document);
            }
            for part in value.as_array().into_iter().flatten() {
                walk(part, document);
            }
        }
        let document = serde_json::to_value(crate::http::api().1).expect("JSON");
        walk(&document, &document);
    }
}
