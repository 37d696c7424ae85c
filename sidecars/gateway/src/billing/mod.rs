//! Plans that are paid for. Who takes the money is behind [`Payments`]; its events are signed and say only whose subscription has
//! changed. What is paid for is asked anew after each, so it does not matter in which order they come, or how often.

mod stripe;

use crate::config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::trading::plans::Plan;
use anyhow::ensure;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyPool, Row};
use std::sync::Arc;
use tokio::sync::Mutex;
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

/// Whose subscription has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The user, if the event names one.
    pub user: Option<Uuid>,
    /// What the service calls the user.
    pub customer: String,
}

/// A subscription as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the service calls it.
    pub id: String,
    /// `active`, `trialing`, `past_due`, `unpaid`, `incomplete` and so on.
    pub status: String,
    /// The plan that is paid for; free, for a price that is not sold here.
    pub plan: Plan,
    /// Until when, in seconds since the Unix epoch.
    pub paid_until: Option<i64>,
}

/// Whether the plan of a subscription is in force. A payment that is late gets the service's days of grace.
fn is_paid(status: &str) -> bool {
    matches!(status, "active" | "trialing" | "past_due")
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
    /// The subscriptions of `customer` that have not ended.
    ///
    /// # Errors
    /// [`Code::Upstream`].
    fn standing(&self, customer: &str) -> Result<Vec<Standing>>;
    /// Whose subscription has changed, with the event's id, if `signature` shows that it is the service's and is not older than five minutes at `now_s`.
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
            for plan in config.prices.keys() {
                let is_sold = *plan == Plan::from_name(plan).as_str() && plan != FREE;
                ensure!(is_sold, "billing.prices: '{plan}' is not basic, pro or enterprise");
            }
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

/// What the service calls a user, and the status of the subscription.
async fn customer(pool: &AnyPool, user: Uuid) -> Result<Option<(String, String)>> {
    let row = sqlx::query("SELECT customer, status FROM subscriptions WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(pool)
        .await?;
    row.map(|row| Ok((row.try_get("customer")?, row.try_get("status")?))).transpose()
}

/// Runs what may block.
async fn page(ask: impl FnOnce() -> Result<String> + Send + 'static) -> Result<Data<Page>> {
    let url = tokio::task::spawn_blocking(ask).await.map_err(ApiError::internal)??;
    Ok(Data::new(Page { url }))
}

/// Makes a page of the payment service where a plan is bought; for who has one, where it is changed: nobody pays twice.
#[utoipa::path(post, path = "/api/v1/billing/checkout", tag = "billing", security(("bearer" = ["credentials:write"])),
    request_body = Checkout, responses((status = 200, body = Envelope<Page>)))]
async fn checkout(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Checkout>,
) -> Result<Data<Page>> {
    let payments = payments(&gateway)?;
    let person = gateway.identity.person(caller.user).await?;
    let customer = customer(&gateway.pool, caller.user).await?;
    if let Some((customer, status)) = &customer
        && is_paid(status)
    {
        let customer = customer.clone();
        return page(move || payments.portal(&customer)).await;
    }
    let order = Order {
        user: caller.user,
        email: person.email.clone(),
        customer: customer.map(|(customer, _)| customer),
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
    let (customer, _) = customer.ok_or_else(|| ApiError::not_found("subscription"))?;
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

/// Hears what the payment service has to tell; its signature is asked for.
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
        apply(&gateway, payments, change).await?;
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

/// Makes the user's plan what is paid for now.
async fn apply(gateway: &Gateway, payments: Arc<dyn Payments>, change: Change) -> Result<()> {
    // One at a time, from the question to the last write: of two events the later one's answer stays.
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    let pool = &gateway.pool;
    let Change { user, customer } = change;
    let known = sqlx::query("SELECT user_id FROM subscriptions WHERE customer = $1")
        .bind(customer.clone())
        .fetch_optional(pool)
        .await?;
    let user: Option<String> = match known {
        Some(row) => Some(row.try_get("user_id")?),
        None => user.map(|user| user.to_string()),
    };
    let user = user.and_then(|user| user.parse::<Uuid>().ok());
    let Some(user) = user else {
        tracing::warn!(customer, "a payment of nobody we know");
        return Ok(());
    };
    if gateway.identity.person(user).await.is_err() {
        tracing::warn!(customer, "a payment for a user who is not here");
        return Ok(());
    }
    let asked = customer.clone();
    let standing = tokio::task::spawn_blocking(move || payments.standing(&asked));
    let standing = standing.await.map_err(ApiError::internal)??;
    // Of several, the one that gives most.
    let rank = |plan| Plan::ALL.iter().position(|one| *one == plan);
    let best = standing.into_iter().max_by_key(|one| (is_paid(&one.status), rank(one.plan)));
    let (subscription, status, paid, paid_until) = match best {
        Some(best) => (Some(best.id), best.status, best.plan, best.paid_until),
        None => (None, "canceled".to_string(), Plan::Free, None),
    };
    let plan = if is_paid(&status) { paid } else { Plan::Free };
    let stored = sqlx::query(
        "INSERT INTO subscriptions (user_id, customer, subscription, status, plan, paid_until, asked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $8)
         ON CONFLICT (user_id) DO UPDATE SET customer = excluded.customer, subscription = excluded.subscription,
             status = excluded.status, plan = excluded.plan, paid_until = excluded.paid_until,
             asked_at = excluded.asked_at
         WHERE subscriptions.customer = excluded.customer OR $7 = 1",
    )
    .bind(user.to_string())
    .bind(customer)
    .bind(subscription)
    .bind(status.clone())
    .bind(paid.as_str())
    .bind(paid_until)
    .bind(i64::from(is_paid(&status)))
    .bind(crate::now_ms() / 1_000)
    .execute(pool)
    .await?;
    // The same user as another customer, who pays for nothing.
    if stored.rows_affected() == 0 {
        return Ok(());
    }
    gateway.identity.set_plan(user, plan.as_str()).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plans_that_there_are_can_be_sold() {
        let with = |plan: &str| config::Billing {
            stripe_key: "sk_test_x".into(),
            webhook_secret: "whsec_x".into(),
            prices: [(plan.to_string(), "price_1".to_string())].into(),
            ..Default::default()
        };
        assert!(open(&with("pro")).is_ok_and(|payments| payments.is_some()));
        for bad in ["gold", "Pro", "free", ""] {
            assert!(open(&with(bad)).is_err(), "{bad}");
        }
    }
}
