//! The guard in front of every route: who is it, and may they? What a route needs is read from its OpenAPI description, so the
//! document, what is enforced and what the matrix test walks are one.

use super::answer::{REQUEST_ID, request_id};
use super::idempotency;
use super::limits::Left;
use super::origin::Origin;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::keys::random;
use crate::permission::{Permission, Permissions, Role};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

/// The header of request ids.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id of the caller's, at most; a longer one is replaced.
const REQUEST_ID_LEN_MAX: usize = 64;

/// Somebody who may do what is asked.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: Uuid,
    /// What the engine takes the user for.
    pub principal: u32,
    /// What the user is.
    pub role: Role,
    /// What the credential lets through: of a session all of the role's, of an API key its scopes.
    pub permissions: Permissions,
    /// The session; `None` for an API key.
    pub session: Option<Uuid>,
    /// From where.
    pub ip: IpAddr,
}

impl Caller {
    /// Whether the caller has `permission`.
    ///
    /// # Errors
    /// [`Code::NotPermitted`].
    pub fn check(&self, permission: Permission) -> Result<()> {
        if self.permissions.has(permission) {
            return Ok(());
        }
        let role = self.role.as_str();
        let message = match self.session {
            None if self.role.permissions().has(permission) => {
                format!("this needs {permission}, which this API key was not given")
            }
            _ => format!("this needs {permission}, which the role {role} does not have here"),
        };
        Err(ApiError::new(Code::NotPermitted, message).with(json!({ "permission": permission })))
    }

    /// A row of the audit log about what the caller does.
    pub(crate) fn entry(
        &self,
        action: &'static str,
        target: impl ToString,
        detail: Value,
    ) -> crate::audit::Entry {
        crate::audit::Entry {
            actor: self.user.to_string(),
            action,
            target: target.to_string(),
            detail,
            ip: self.ip.to_string(),
            request_id: request_id(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthenticated)
    }
}

/// From where a request comes, for routes that strangers may call.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// The address.
    pub ip: IpAddr,
    /// What the client calls itself; shown in the list of sessions.
    pub user_agent: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Stranger {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let user_agent = agent.unwrap_or_default().chars().take(200).collect();
        Ok(Self { ip: Origin::of(&parts.extensions).ip, user_agent })
    }
}

/// Nobody is logged in.
pub fn unauthenticated() -> ApiError {
    ApiError::new(Code::Unauthenticated, "log in, and send 'Authorization: Bearer TOKEN'")
}

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What whoever shows a credential must be allowed; `None`: nothing is asked.
    pub permission: Option<Permission>,
    /// Whether strangers may call it: always, or, where a permission is named, as long as the market is open to them.
    pub is_open: bool,
}

/// What routes need, by method and path.
#[derive(Clone, Debug, Default)]
pub struct Needs(HashMap<(Method, String), Need>);

impl Needs {
    /// Reads what each operation of an OpenAPI document needs: the scope of its `bearer` requirement; an empty requirement, alone or
    /// beside it, opens it to strangers.
    ///
    /// # Panics
    /// On an operation that does not say: nothing is open by omission.
    pub fn of(document: &utoipa::openapi::OpenApi) -> Self {
        let document = serde_json::to_value(document).expect("the document is JSON");
        let mut needs = HashMap::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                let security = operation["security"].as_array();
                let security = security
                    .unwrap_or_else(|| panic!("{method} {path} does not say who may call it"));
                let scope = security.iter().find_map(|one| one["bearer"][0].as_str());
                let is_open = security.iter().any(|one| one == &json!({}));
                let permission = scope.map(|name| {
                    Permission::from_name(name)
                        .unwrap_or_else(|| panic!("{method} {path}: no permission '{name}'"))
                });
                assert!(
                    is_open || permission.is_some(),
                    "{method} {path}: a permission, or open to strangers"
                );
                needs.insert((method, path.clone()), Need { permission, is_open });
            }
        }
        Self(needs)
    }

    /// Whether a path has any operation.
    fn has(&self, path: &str) -> bool {
        self.0.keys().any(|(_, known)| known == path)
    }

    /// Every operation with what it needs, by path and method.
    pub fn list(&self) -> Vec<(String, String, Need)> {
        let all = self.0.iter();
        let mut all: Vec<_> =
            all.map(|((method, path), need)| (path.clone(), method.to_string(), *need)).collect();
        all.sort();
        all
    }
}

/// What the guard needs to know.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Everything.
    pub gateway: Arc<Gateway>,
    /// What routes need.
    pub needs: Arc<Needs>,
}

/// Lets a request pass to its route, or not.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let method = match *request.method() {
        Method::HEAD => Method::GET,
        ref other => other.clone(),
    };
    let named = (method, path.unwrap_or_default());
    let Some(need) = guard.needs.0.get(&named).copied() else {
        return match guard.needs.has(&named.1) {
            // The path has no such method; the router says so.
            true => next.run(request).await,
            // Every route is in the document: whoever comes by a way that is not goes no further.
            false => ApiError::internal("a route that says not who may call it").into_response(),
        };
    };
    let origin = Origin::of(request.extensions());
    let stranger = || guard.gateway.ops.limits.stranger(origin, named.0.as_str(), &named.1);
    let looks_on = need.is_open
        && guard.gateway.config.market.is_open
        && !request.headers().contains_key(header::AUTHORIZATION);
    let admitted = match need.permission {
        Some(_) if looks_on => guard.gateway.ops.limits.onlooker(origin),
        None => {
            let headers = request.method().is_safe().then(|| request.headers());
            match known(&guard.gateway, headers, origin.ip).await {
                Some(left) => left,
                None => stranger(),
            }
        }
        Some(need) => match admit(&guard.gateway, request.headers(), origin.ip, need).await {
            Ok((caller, left)) => {
                request.extensions_mut().insert(caller);
                Ok(left)
            }
            // Who guesses at tokens is a stranger.
            Err(error) if error.code == Code::Unauthenticated => stranger().and(Err(error)),
            Err(error) => Err(error),
        },
    };
    match admitted {
        Ok(left) => {
            // Within the guard: it knows by whom.
            let once = idempotency::once(&guard.gateway.idempotency, request, next).await;
            let mut response = once.unwrap_or_else(IntoResponse::into_response);
            left.tell(response.headers_mut());
            response
        }
        Err(error) => {
            if error.code == Code::TooMany {
                let whose = if need.is_open { "address" } else { "user" };
                guard.gateway.ops.metrics.limited(whose);
            }
            error.into_response()
        }
    }
}

/// Who reads or follows what is open to all, and shows a good credential, counts as oneself and not by address.
async fn known(gateway: &Gateway, headers: Option<&HeaderMap>, ip: IpAddr) -> Option<Result<Left>> {
    let token = bearer(headers?).ok().flatten()?;
    let caller = gateway.identity.caller(token, ip).await.ok()?;
    let api_key = caller.session.is_none().then_some(token);
    Some(gateway.ops.limits.user(caller.user, api_key))
}

async fn admit(
    gateway: &Gateway,
    headers: &HeaderMap,
    ip: IpAddr,
    need: Permission,
) -> Result<(Caller, Left)> {
    let token = bearer(headers)?.ok_or_else(unauthenticated)?;
    let caller = gateway.identity.caller(token, ip).await?;
    let api_key = caller.session.is_none().then_some(token);
    let left = gateway.ops.limits.user(caller.user, api_key)?;
    caller.check(need)?;
    Ok((caller, left))
}

/// The token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(header) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    token.map(Some).ok_or_else(|| {
        ApiError::new(Code::Unauthenticated, "the header must read 'Authorization: Bearer TOKEN'")
    })
}

/// Gives a request an id, the caller's own if that is one, and says it in the answer.
pub async fn name<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let given = request.headers().get(&REQUEST_ID_HEADER).and_then(|id| id.to_str().ok());
    let is_fine = |id: &&str| {
        (1..=REQUEST_ID_LEN_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let id = given.filter(is_fine).map_or_else(new_id, str::to_string);
    let value = HeaderValue::from_str(&id);
    let mut response = REQUEST_ID.scope(id, next(request)).await;
    if let Ok(value) = value {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    response
}

/// An id that no other request has: each is as far from the one before as the golden ratio of all numbers, from a random first on.
fn new_id() -> String {
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(u64::from_ne_bytes(random::<8>())));
    format!("{:016x}", NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
}
