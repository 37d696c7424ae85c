//! Plans that are paid for. Who takes the money is behind [`Payments`]; what it tells of is signed, counts once, and never goes back
//! behind what is newer.

mod stripe;

use crate::config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use anyhow::ensure;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyPool, Row};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The plan of those who pay nothing.
const FREE: &str = "free";
/// Days that events are remembered; the service repeats one for three.
const EVENT_DAYS: i64 = 30;

/// A plan to be bought.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who buys.
    pub user: Uuid,
    /// The buyer's address.
    pub email: String,
    /// What the service calls the buyer, if it knows one.
    pub customer: Option<String>,
    /// The plan.
    pub plan: String,
    /// The same for a repetition.
    pub once: String,
}

/// What an event says of somebody's subscription; what it does not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The user, if the event names one.
    pub user: Option<Uuid>,
    /// What the service calls the user.
    pub customer: String,
    /// What it calls the subscription.
    pub subscription: Option<String>,
    /// `active`, `trialing`, `past_due`, `canceled`, `unpaid` and so on.
    pub status: Option<String>,
    /// The plan that is paid for.
    pub plan: Option<String>,
    /// Until when, in seconds since the Unix epoch.
    pub paid_until: Option<i64>,
    /// When the event was made, in seconds.
    pub at: i64,
}

/// Who takes the money. Calls may block.
pub trait Payments: std::fmt::Debug + Send + Sync {
    /// The page where `order` is paid.
    ///
    /// # Errors
    /// A plan without a price; [`Code::Upstream`].
    fn checkout(&self, order: &Order) -> Result<String>;
    /// The page where `customer` changes or ends what was bought.
    ///
    /// # Errors
    /// [`Code::Upstream`].
    fn portal(&self, customer: &str) -> Result<String>;
    /// What an event says, with its id, if `signature` shows that it is the service's and is not older than five minutes at `now_s`.
    ///
    /// # Errors
    /// [`Code::WrongCredentials`], [`Code::Malformed`].
    fn event(&self, signature: &str, body: &[u8], now_s: i64) -> Result<(String, Option<Change>)>;
}

/// Who takes the money here; `None` if plans are given by administrators alone.
///
/// # Errors
/// A configuration that is half there.
pub fn open(config: &config::Billing) -> anyhow::Result<Option<Arc<dyn Payments>>> {
    let secret = |given: &str, name: &str| match given.is_empty() {
        true => std::env::var(name).ok().filter(|value| !value.is_empty()),
        false => Some(given.to_string()),
    };
    let key = secret(&config.stripe_key, "TIDEGATE_STRIPE_KEY");
    let webhook = secret(&config.webhook_secret, "TIDEGATE_STRIPE_WEBHOOK_SECRET");
    match (key, webhook) {
        (None, None) => Ok(None),
        (Some(key), Some(webhook)) => {
            ensure!(!config.prices.is_empty(), "billing.prices: at least one plan needs a price");
            Ok(Some(Arc::new(stripe::Stripe::new(config, key, &webhook))))
        }
        _ => anyhow::bail!(
            "billing.stripe_key and billing.webhook_secret are needed both, or neither"
        ),
    }
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(checkout))
        .routes(routes!(portal))
        .routes(routes!(subscription))
        .routes(routes!(webhook))
}

/// A plan to buy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Checkout {
    /// Its name.
    #[schema(example = "pro")]
    plan: String,
}

/// Where to go.
#[derive(Debug, Serialize, ToSchema)]
struct Page {
    /// A page of the payment service.
    url: String,
}

/// What is paid for.
#[derive(Debug, Serialize, ToSchema)]
struct Subscription {
    /// `none`, or the payment service's word: `active`, `past_due`, `canceled` and so on.
    status: String,
    /// The plan that is paid for.
    plan: String,
    /// Until when, in milliseconds since the Unix epoch.
    paid_until: Option<i64>,
}

fn payments(gateway: &Gateway) -> Result<Arc<dyn Payments>> {
    gateway.payments.clone().ok_or_else(|| {
        ApiError::new(Code::NotFound, "plans are not sold here; an administrator gives them")
    })
}

async fn customer(pool: &AnyPool, user: Uuid) -> Result<Option<String>> {
    let row = sqlx::query("SELECT customer FROM subscriptions WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| row.try_get("customer")).transpose()?)
}

/// Runs what may block.
async fn page(ask: impl FnOnce() -> Result<String> + Send + 'static) -> Result<Data<Page>> {
    let url = tokio::task::spawn_blocking(ask).await.map_err(ApiError::internal)??;
    Ok(Data::new(Page { url }))
}

/// Makes a page of the payment service where a plan is bought.
#[utoipa::path(post, path = "/api/v1/billing/checkout", tag = "billing", security(("bearer" = ["credentials:write"])),
    request_body = Checkout, responses((status = 200, body = Envelope<Page>)))]
async fn checkout(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Checkout>,
) -> Result<Data<Page>> {
    let payments = payments(&gateway)?;
    let person = gateway.identity.person(caller.user).await?;
    let order = Order {
        user: caller.user,
        email: person.email.clone(),
        customer: customer(&gateway.pool, caller.user).await?,
        once: format!("{}-{}-{}", caller.user, asked.plan, crate::now_ms() / 60_000),
        plan: asked.plan,
    };
    gateway.audit.add(caller.entry("billing.checkout", &order.plan, json!({}))).await?;
    page(move || payments.checkout(&order)).await
}

/// Makes a page of the payment service where what was bought is changed or ended.
#[utoipa::path(post, path = "/api/v1/billing/portal", tag = "billing", security(("bearer" = ["credentials:write"])),
    responses((status = 200, body = Envelope<Page>)))]
async fn portal(State(gateway): State<Arc<Gateway>>, caller: Caller) -> Result<Data<Page>> {
    let payments = payments(&gateway)?;
    let customer = customer(&gateway.pool, caller.user).await?;
    let customer = customer.ok_or_else(|| ApiError::not_found("subscription"))?;
    page(move || payments.portal(&customer)).await
}

/// What the caller pays for.
#[utoipa::path(get, path = "/api/v1/billing/subscription", tag = "billing", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Subscription>)))]
async fn subscription(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Subscription>> {
    let row = sqlx::query("SELECT status, plan, paid_until FROM subscriptions WHERE user_id = $1")
        .bind(caller.user.to_string())
        .fetch_optional(&gateway.pool)
        .await?;
    let Some(row) = row else {
        let none = Subscription { status: "none".into(), plan: FREE.into(), paid_until: None };
        return Ok(Data::new(none));
    };
    let paid_until: Option<i64> = row.try_get("paid_until")?;
    Ok(Data::new(Subscription {
        status: row.try_get("status")?,
        plan: row.try_get("plan")?,
        paid_until: paid_until.map(|seconds| seconds.saturating_mul(1_000)),
    }))
}

/// Whether an event was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// False if it came before.
    taken: bool,
}

/// Hears what the payment service has to tell; its signature is asked for. An event that comes again, or after one that is newer,
/// changes nothing.
#[utoipa::path(post, path = "/api/v1/billing/webhooks/stripe", tag = "billing", security(()),
    request_body(content = String, content_type = "application/json", description = "An event of Stripe's."),
    params(("Stripe-Signature" = String, Header, description = "`t=SECONDS,v1=HMAC`")),
    responses((status = 200, body = Envelope<Taken>)))]
async fn webhook(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Data<Taken>> {
    let payments = payments(&gateway)?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let (id, change) =
        payments.event(signature.unwrap_or_default(), &body, crate::now_ms() / 1_000)?;
    if let Some(change) = change {
        apply(&gateway, &change).await?;
    }
    // Remembered after it was applied: one that is cut off is told again, and to apply it twice changes nothing.
    let now = crate::now_ms();
    let added = sqlx::query(
        "INSERT INTO billing_events (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(now)
    .execute(&gateway.pool)
    .await?;
    sqlx::query("DELETE FROM billing_events WHERE received_at < $1")
        .bind(now - EVENT_DAYS * 86_400_000)
        .execute(&gateway.pool)
        .await?;
    Ok(Data::new(Taken { taken: added.rows_affected() == 1 }))
}

/// Makes the user's plan what the newest event says.
async fn apply(gateway: &Gateway, change: &Change) -> Result<()> {
    let pool = &gateway.pool;
    let known = sqlx::query("SELECT user_id FROM subscriptions WHERE customer = $1")
        .bind(change.customer.clone())
        .fetch_optional(pool)
        .await?;
    let user: Option<String> = match known {
        Some(row) => Some(row.try_get("user_id")?),
        None => change.user.map(|user| user.to_string()),
    };
    let user = user.and_then(|user| user.parse::<Uuid>().ok());
    let Some(user) = user else {
        tracing::warn!(customer = change.customer, "a payment of nobody we know");
        return Ok(());
    };
    if gateway.identity.person(user).await.is_err() {
        tracing::warn!(customer = change.customer, "a payment for a user who is not here");
        return Ok(());
    }
    let stored = sqlx::query(
        "INSERT INTO subscriptions (user_id, customer, subscription, status, plan, paid_until, event_at)
         VALUES ($1, $2, $3, COALESCE($4, 'incomplete'), COALESCE($5, 'free'), $6, $7)
         ON CONFLICT (user_id) DO UPDATE SET
             customer = excluded.customer,
             subscription = COALESCE($3, subscriptions.subscription),
             status = COALESCE($4, subscriptions.status),
             plan = COALESCE($5, subscriptions.plan),
             paid_until = COALESCE($6, subscriptions.paid_until),
             event_at = excluded.event_at
         WHERE subscriptions.event_at <= excluded.event_at",
    )
    .bind(user.to_string())
    .bind(change.customer.clone())
    .bind(change.subscription.clone())
    .bind(change.status.clone())
    .bind(change.plan.clone())
    .bind(change.paid_until)
    .bind(change.at)
    .execute(pool)
    .await?;
    if stored.rows_affected() == 0 || change.status.is_none() {
        return Ok(());
    }
    let row = sqlx::query("SELECT status, plan FROM subscriptions WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_one(pool)
        .await?;
    let (status, paid): (String, String) = (row.try_get("status")?, row.try_get("plan")?);
    // A payment that is late gets the service's days of grace.
    let is_paid = matches!(status.as_str(), "active" | "trialing" | "past_due");
    let plan = if is_paid { &paid } else { FREE };
    gateway.identity.set_plan(user, plan).await?;
    let entry = crate::audit::Entry {
        actor: "system".into(),
        action: "billing.plan",
        target: user.to_string(),
        detail: json!({ "plan": plan, "status": status }),
        ip: String::new(),
        request_id: crate::http::answer::request_id(),
    };
    gateway.audit.add(entry).await
}
