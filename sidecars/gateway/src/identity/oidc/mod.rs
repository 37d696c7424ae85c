//! Signing in elsewhere: the authorization code flow with PKCE, state and nonce. What ties its two halves together is sealed in a
//! cookie, so that a code is worth something only in the browser that began.

mod provider;

pub use provider::Provider;

use super::engine::engine_hears;
use super::login::{TokenPair, display_name, email, enter, entry};
use super::people::{Person, uuid};
use crate::config::{Config, ProviderKind};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Stranger;
use crate::keys::{hex, random};
use crate::permission::Role;
use anyhow::ensure;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provider::{Asked, Subject, form};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// How long a sign-in may take, and how long the code of the second factor then may.
const FLOW_MS: i64 = 10 * 60 * 1_000;
const TICKET_MS: i64 = 5 * 60 * 1_000;
const COOKIE: &str = "tidegate_oidc";

/// What the browser keeps, sealed, until it comes back.
#[derive(Serialize, Deserialize)]
struct Flow {
    provider: String,
    state: String,
    nonce: String,
    verifier: String,
    ends_at: i64,
}

/// That somebody has signed in, but for the second factor.
#[derive(Serialize, Deserialize)]
struct Ticket {
    user: Uuid,
    ends_at: i64,
}

/// The providers of the configuration.
///
/// # Errors
/// What is missing or cannot be.
pub(super) fn providers(config: &Config) -> anyhow::Result<Vec<Provider>> {
    let all = config.identity.providers.iter().map(Provider::new);
    let all = all.collect::<anyhow::Result<Vec<_>>>()?;
    for (at, one) in all.iter().enumerate() {
        let is_new = all[..at].iter().all(|other| other.name != one.name);
        ensure!(is_new, "identity.providers: two are named '{}'", one.name);
    }
    Ok(all)
}

/// Where to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Start {
    /// Send the browser there. The cookie of this answer must come back with it.
    url: String,
}

/// What a provider sends back; it may add more.
#[derive(Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(super) struct Back {
    /// Good once, for a minute or so.
    code: Option<String>,
    /// As it was sent there.
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// The second factor of somebody who has signed in elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Finish {
    /// `details.ticket` of `second_factor_required`.
    ticket: String,
    /// A code, or a recovery code.
    code: String,
}

fn over() -> ApiError {
    let message = "this sign-in did not begin in this browser, or is over; start again";
    ApiError::new(Code::Unauthenticated, message)
}

fn find<'a>(gateway: &'a Gateway, name: &str) -> Result<&'a Provider> {
    let found = gateway.identity.providers.iter().find(|provider| provider.name == name);
    found.ok_or_else(|| ApiError::not_found("provider of sign-ins"))
}

fn redirect_uri(gateway: &Gateway, provider: &Provider) -> String {
    format!("{}/api/v1/auth/oidc/{}/callback", gateway.config.public_url, provider.name)
}

/// The cookie; without a value it is taken away. A provider that comes back by POST needs it sent across sites.
fn cookie(gateway: &Gateway, provider: &Provider, value: &str) -> [(HeaderName, String); 1] {
    let age_s = if value.is_empty() { 0 } else { FLOW_MS / 1_000 };
    let is_tls = gateway.config.public_url.starts_with("https://");
    let guard = match (provider.kind, is_tls) {
        (ProviderKind::Apple, true) => "SameSite=None; Secure",
        (_, true) => "SameSite=Lax; Secure",
        (_, false) => "SameSite=Lax",
    };
    let text =
        format!("{COOKIE}={value}; Path=/api/v1/auth/oidc; HttpOnly; Max-Age={age_s}; {guard}");
    [(header::SET_COOKIE, text)]
}

/// The names of the providers that one can sign in with.
#[utoipa::path(get, path = "/api/v1/auth/oidc", tag = "identity", security(()),
    responses((status = 200, body = Envelope<Vec<String>>)))]
pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Data<Vec<String>> {
    Data::new(gateway.identity.providers.iter().map(|provider| provider.name.clone()).collect())
}

/// Begins to sign in with a provider.
#[utoipa::path(get, path = "/api/v1/auth/oidc/{provider}/start", tag = "identity", security(()),
    params(("provider" = String, Path)), responses((status = 200, body = Envelope<Start>)))]
pub(super) async fn start(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
) -> Result<([(HeaderName, String); 1], Data<Start>)> {
    let provider = find(&gateway, &name)?;
    let [state, nonce, verifier] = [(); 3].map(|()| hex(&random::<32>()));
    let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
    let asked = Asked {
        redirect_uri: &redirect_uri(&gateway, provider),
        state: &state,
        nonce: &nonce,
        verifier: &URL_SAFE_NO_PAD.encode(challenge),
    };
    let url = provider.start(&asked).await?;
    let flow = Flow { provider: name, state, nonce, verifier, ends_at: crate::now_ms() + FLOW_MS };
    let sealed = seal(&gateway, "oidc_flow", &flow)?;
    Ok((cookie(&gateway, provider, &sealed), Data::new(Start { url })))
}

fn seal(gateway: &Gateway, what: &str, value: &impl Serialize) -> Result<String> {
    let bytes = serde_json::to_vec(value).map_err(ApiError::internal)?;
    gateway.identity.sealer.seal(what, Uuid::nil(), &bytes)
}

fn unseal<T: serde::de::DeserializeOwned>(
    gateway: &Gateway,
    what: &str,
    sealed: &str,
) -> Option<T> {
    let bytes = gateway.identity.sealer.unseal(what, Uuid::nil(), sealed)?;
    serde_json::from_slice(&bytes).ok()
}

fn flow(gateway: &Gateway, headers: &HeaderMap) -> Option<Flow> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, sealed) = pairs.find(|(name, _)| *name == COOKIE)?;
    unseal::<Flow>(gateway, "oidc_flow", sealed).filter(|flow| crate::now_ms() < flow.ends_at)
}

/// Where the page takes over: what the provider said stands behind `#`, which no server sees, and is not used up yet.
fn page_address(provider: &str, back: &Back) -> String {
    let given = [("code", &back.code), ("state", &back.state), ("error", &back.error)];
    let mut fields = vec![("oidc", provider)];
    fields.extend(given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    format!("/sign-in#{}", form(&fields))
}

/// Comes back from a provider, and logs in; registers who is not known yet. A browser that is led here as to a page is led on to
/// `/sign-in` of the page, which asks again with what it was given.
#[utoipa::path(get, path = "/api/v1/auth/oidc/{provider}/callback", tag = "identity", security(()),
    params(("provider" = String, Path), Back),
    responses((status = 200, body = Envelope<TokenPair>), (status = 303, description = "To the page, for a browser that is led here.")))]
pub(super) async fn callback(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    from: Stranger,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response> {
    come_back(&gateway, &name, &from, &headers, back).await
}

/// The same, for a provider that comes back with a form.
#[utoipa::path(post, path = "/api/v1/auth/oidc/{provider}/callback", tag = "identity", security(()),
    params(("provider" = String, Path)), request_body(content = Back, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Envelope<TokenPair>), (status = 303, description = "To the page, for a browser that is led here.")))]
pub(super) async fn callback_form(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    from: Stranger,
    headers: HeaderMap,
    Form(back): Form<Back>,
) -> Result<Response> {
    come_back(&gateway, &name, &from, &headers, back).await
}

async fn come_back(
    gateway: &Arc<Gateway>,
    name: &str,
    from: &Stranger,
    headers: &HeaderMap,
    back: Back,
) -> Result<Response> {
    let provider = find(gateway, name)?;
    // https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
    if headers.get("sec-fetch-dest").is_some_and(|dest| dest == "document") {
        return Ok(Redirect::to(&page_address(name, &back)).into_response());
    }
    let flow = flow(gateway, headers).filter(|flow| flow.provider == name).ok_or_else(over)?;
    if back.state.as_deref() != Some(&*flow.state) {
        return Err(over());
    }
    let Some(code) = back.code else {
        let why: String =
            back.error.unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(ApiError::new(Code::Unauthenticated, format!("{name} says no: {why}")));
    };
    let asked = Asked {
        redirect_uri: &redirect_uri(gateway, provider),
        state: &flow.state,
        nonce: &flow.nonce,
        verifier: &flow.verifier,
    };
    let subject = provider.subject(&code, &asked).await?;
    let person = person(gateway, name, from, subject).await?;
    if person.has_totp {
        let ticket = Ticket { user: person.id, ends_at: crate::now_ms() + TICKET_MS };
        let ticket = seal(gateway, "oidc_ticket", &ticket)?;
        let message =
            "POST /api/v1/auth/oidc/finish with this ticket and a code of the second factor";
        let error = ApiError::new(Code::SecondFactorRequired, message);
        return Err(error.with(json!({ "ticket": ticket })));
    }
    let pair = enter(gateway, &person, from, None).await?;
    Ok((cookie(gateway, provider, ""), Data::new(pair)).into_response())
}

/// Gives the code of the second factor after a sign-in elsewhere, and logs in.
#[utoipa::path(post, path = "/api/v1/auth/oidc/finish", tag = "identity", security(()), request_body = Finish,
    responses((status = 200, body = Envelope<TokenPair>)))]
pub(super) async fn finish(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Finish>,
) -> Result<Data<TokenPair>> {
    let ticket = unseal::<Ticket>(&gateway, "oidc_ticket", &asked.ticket);
    let ticket = ticket.filter(|ticket| crate::now_ms() < ticket.ends_at).ok_or_else(over)?;
    let person = gateway.identity.people.get(ticket.user).await?;
    let person = person.filter(|person| !person.is_disabled).ok_or_else(over)?;
    enter(&gateway, &person, &from, Some(&asked.code)).await.map(Data::new)
}

/// The user who signed in: one who did before, one with the address that the provider has verified, or a new one.
async fn person(
    gateway: &Arc<Gateway>,
    provider: &str,
    from: &Stranger,
    subject: Subject,
) -> Result<Arc<Person>> {
    let identity = &gateway.identity;
    let known =
        sqlx::query("SELECT user_id FROM external_identities WHERE provider = $1 AND subject = $2")
            .bind(provider.to_string())
            .bind(subject.id.clone())
            .fetch_optional(&gateway.pool)
            .await?;
    if let Some(row) = known {
        let person = identity.people.get(uuid(&row.try_get::<String, _>("user_id")?)?).await?;
        let gone = || ApiError::new(Code::Unauthenticated, "this user cannot log in any more");
        return person.filter(|person| !person.is_disabled).ok_or_else(gone);
    }
    let unverified = || {
        let message = format!("{provider} has verified no address of yours; register with one");
        ApiError::new(Code::NotPermitted, message)
    };
    let address = subject.email.and_then(|given| email(&given).ok()).ok_or_else(unverified)?;
    let person = match identity.people.by_email(&address).await? {
        Some(person) if person.is_disabled => {
            return Err(ApiError::new(Code::Unauthenticated, "this user cannot log in any more"));
        }
        // Whoever set that password may not be the one who has the address.
        Some(person) if !person.is_verified && person.password_hash.is_some() => {
            let message = "this address is registered and not verified: log in and verify it first, or reset the password";
            return Err(ApiError::new(Code::Conflict, message));
        }
        Some(person) => Arc::new(person),
        None if !gateway.config.identity.open_registration => {
            let message = "registration is closed here; ask an administrator for a user";
            return Err(ApiError::new(Code::NotPermitted, message));
        }
        None => {
            let local = address.split('@').next().unwrap_or_default();
            let name = subject.name.as_deref().and_then(|name| display_name(name).ok());
            let name = name.unwrap_or_else(|| local.chars().take(100).collect());
            let person = identity.people.add(&address, &name, None, Role::Trader).await?;
            let detail = json!({ "email": address, "provider": provider });
            gateway.audit.add(entry(person.id, from, "user.register", detail)).await?;
            let (gateway, id) = (Arc::clone(gateway), person.id);
            tokio::spawn(async move { engine_hears(&gateway, id).await });
            person
        }
    };
    let now = crate::now_ms();
    sqlx::query(
        "UPDATE users SET email_verified_at = COALESCE(email_verified_at, $2) WHERE id = $1",
    )
    .bind(person.id.to_string())
    .bind(now)
    .execute(&gateway.pool)
    .await?;
    let linked = sqlx::query(
        "INSERT INTO external_identities (provider, subject, user_id, email, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(provider.to_string())
    .bind(subject.id)
    .bind(person.id.to_string())
    .bind(address)
    .bind(now)
    .execute(&gateway.pool)
    .await;
    match linked {
        Err(error) if crate::db::is_duplicate(&error) => {
            return Err(ApiError::new(Code::Conflict, "you signed in twice at once; try again"));
        }
        linked => linked?,
    };
    identity.people.changed(person.id);
    gateway.audit.add(entry(person.id, from, "oidc.link", json!({ "provider": provider }))).await?;
    identity.person(person.id).await
}
