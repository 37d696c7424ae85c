//! What lets an order of a person through: preview, then an authorization with a second factor, then the order itself.
//!
//! The server says what the order is and what it would cost, and hashes it. The hash is signed, so that nothing is authorized that the
//! server did not say. The person's PIN or code gives a token that is bound to user, account and hash for 5 minutes and lets one
//! order through; what is changed has another hash and needs another.

use super::accounts::{Account, Accounts, as_of};
use super::amount::Amount;
use super::principal;
use super::report::{Reject, is_settled_daily};
use super::request::{NewOrder, hash};
use super::words::{Side, VenueKind};
use crate::config::Authorization;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::identity::Second;
use crate::keys::{hex, random};
use crate::market::report::{name, some};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::decimal;
use tidegate_client::proto::{CheckOrderRequest, Scope, Verdict};
use utoipa::ToSchema;
use uuid::Uuid;

/// The header that carries the token of an authorization.
pub const AUTHORIZATION_HEADER: HeaderName = HeaderName::from_static("trade-authorization");
/// How long an authorization is good.
const GOOD_MS: i64 = 5 * 60 * 1_000;
/// What the signature of a hash is made for.
const PREVIEW: &str = "trade preview";
/// What tokens begin with.
const PREFIX: &str = "tga_";
/// Characters of the hash of an order, which the signature follows: SHA-256 in hexadecimal digits.
const HASH_LEN: usize = 64;

/// What an order is and would cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    /// For `POST /api/v1/orders/authorize`.
    pub hash: String,
    /// Whether the order needs an authorization.
    pub needs_authorization: bool,
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// What an order would cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Estimate {
    /// One sentence: what it is, and what it would cost.
    pub summary: String,
    /// What the instrument is valued at now; absent without a market.
    mark_price: Option<String>,
    /// Quantity at its limit price, or at the mark; absent if there is neither.
    notional: Option<String>,
    /// What taking would cost of that, at the instrument's own rate.
    fee: Option<String>,
    /// What it would take from cash (below 0: bring), fee included; of what is settled daily the fee alone.
    cost: Option<String>,
    /// The currency of the amounts.
    currency: Option<String>,
    /// Why no control could look at it, such as an account that is not open; absent if they did.
    reject: Option<Reject>,
    /// What each control in force that looks at such an order says of it now, by the engine's own word; it sends 512 at most.
    controls: Vec<ControlVerdict>,
}

/// What one control says of an order that was not sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ControlVerdict {
    /// The reason that a refusal would give, such as `max_order_qty`; stable.
    reason: String,
    /// Whose limit it is, such as `account`.
    scope: String,
    /// The limit in force, in the unit that the reason names.
    limit: String,
    /// What the order would make of it.
    value: String,
    /// Whether the order passes.
    passes: bool,
    /// For people; absent of one that lets it pass.
    message: Option<String>,
}

impl ControlVerdict {
    fn new(verdict: &Verdict) -> Self {
        let kind = verdict.scope.as_ref().map(Scope::kind).unwrap_or_default();
        Self {
            reason: verdict.code.clone(),
            scope: name(kind.as_str_name(), "SCOPE_KIND_"),
            limit: verdict.limit.clone(),
            value: verdict.value.clone(),
            passes: verdict.passes,
            message: some(&verdict.text),
        }
    }
}

/// Says what an order is and would cost; nothing is sent.
#[utoipa::path(post, path = "/api/v1/orders/preview", tag = "orders", security(("bearer" = ["orders:write"])),
    request_body = NewOrder, responses((status = 200, body = Envelope<Preview>)))]
pub(super) async fn preview(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<NewOrder>,
) -> Result<Data<Preview>> {
    let asked = asked.checked()?;
    let account = Accounts::ready(&gateway, &caller, asked.account).await?;
    let preview = Preview {
        hash: signed(&gateway, &caller, account.id, &asked)?,
        needs_authorization: is_needed(&gateway, &caller, &[asked.symbol.as_str()]),
        estimate: estimate(&gateway, &caller, &account, &asked).await?,
    };
    Ok(Data::new(preview).as_of(as_of(&gateway)))
}

/// The hash of what was previewed, signed for whoever asked.
pub(super) fn signed(
    gateway: &Gateway,
    caller: &Caller,
    account: Uuid,
    asked: &impl Serialize,
) -> Result<String> {
    let hash = hash(asked)?;
    let tag = gateway.trading.lookup.hash(PREVIEW, &previewed(caller, account, &hash));
    Ok(hash + &tag)
}

fn previewed(caller: &Caller, account: Uuid, hash: &str) -> String {
    format!("{} {account} {hash}", caller.user)
}

/// What an order would cost, and whether it would be refused.
pub(super) async fn estimate(
    gateway: &Gateway,
    caller: &Caller,
    account: &Account,
    asked: &NewOrder,
) -> Result<Estimate> {
    let terms = gateway.events.picture().instrument(&asked.symbol).cloned();
    let terms = terms.ok_or_else(|| ApiError::field("symbol", "there is no such instrument"))?;
    let mark_price = super::marks::of(&gateway.market, &asked.symbol).map(decimal::format_nano);
    let price = asked.limit_price.clone().or_else(|| mark_price.clone());
    let notional = price.and_then(|price| Amount::product(&price, &asked.qty, &terms.multiplier));
    let fee = notional.and_then(|notional| notional.size().times(&terms.taker_fee_rate));
    let cost = notional.zip(fee).map(|(notional, fee)| match asked.side {
        _ if is_settled_daily(&terms) => fee,
        Side::Buy => notional.plus(fee),
        Side::Sell => fee.minus(notional),
    });
    let currency = terms.currency.clone();
    let about = match (notional, fee) {
        (Some(notional), Some(fee)) => {
            format!("; about {} {currency}, fee about {}", notional.text(), fee.text())
        }
        _ => "; no market to value it at".to_string(),
    };
    let engine = principal::trader(gateway, caller).await?;
    let order = asked.to_engine(account.number, Uuid::now_v7())?;
    let checked = engine.check_order(CheckOrderRequest { order: Some(order) }).await?;
    Ok(Estimate {
        summary: format!("{}: {}{about}", account.name, asked.summary()),
        mark_price,
        notional: notional.map(Amount::text),
        fee: fee.map(Amount::text),
        cost: cost.map(Amount::text),
        currency: Some(currency),
        reject: checked.reject.as_ref().map(Reject::new),
        controls: checked.verdicts.iter().map(ControlVerdict::new).collect(),
    })
}

/// What is authorized, and the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Authorize {
    /// The account's UUID.
    account: Uuid,
    /// The hash of the preview.
    hash: String,
    /// The PIN; this or `totp`.
    pin: Option<String>,
    /// The code of the authenticator.
    totp: Option<String>,
}

// The second factor stays out of logs.
impl std::fmt::Debug for Authorize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorize")
            .field("account", &self.account)
            .field("hash", &self.hash)
            .finish()
    }
}

/// What lets the order through.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Authorized {
    /// For the header `Trade-Authorization`; good once.
    token: String,
    /// Until when, in milliseconds since the Unix epoch.
    expires_at: i64,
}

/// The name of a token in the database.
fn lookup(gateway: &Gateway, token: &str) -> String {
    gateway.trading.lookup.hash("trade authorization", token)
}

/// Authorizes one order with a second factor.
#[utoipa::path(post, path = "/api/v1/orders/authorize", tag = "orders", security(("bearer" = ["orders:write"])),
    request_body = Authorize, responses((status = 201, body = Envelope<Authorized>)))]
pub(super) async fn authorize(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Authorize>,
) -> Result<Data<Authorized>> {
    if caller.session.is_none() {
        let message = "an authorization is a person's, in a session; a program needs none";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    let account = gateway.accounts.own(&caller, asked.account)?;
    let (hash, tag) = asked.hash.split_at_checked(HASH_LEN).unwrap_or_default();
    if !gateway.trading.lookup.is_hash(PREVIEW, &previewed(&caller, account.id, hash), tag) {
        let rule = "the hash of a preview of one's own, for this account";
        return Err(ApiError::field("hash", rule));
    }
    let second = match (asked.pin, asked.totp) {
        (Some(pin), None) => Second::Pin(pin),
        (None, Some(code)) => Second::Totp(code),
        _ => return Err(ApiError::field("pin", "give pin or totp, one of them")),
    };
    gateway.identity.check_second(caller.user, second).await?;
    let made = grant(&gateway, &caller, account.id, hash).await?;
    let detail = json!({ "hash": hash });
    gateway.audit.add(caller.entry("order.authorize", account.id, detail)).await?;
    Ok(Data::created(made))
}

async fn grant(
    gateway: &Gateway,
    caller: &Caller,
    account: Uuid,
    order_hash: &str,
) -> Result<Authorized> {
    let token = format!("{PREFIX}{}", hex(&random::<32>()));
    let now = crate::now_ms();
    let expires_at = now + GOOD_MS;
    sqlx::query(
        "INSERT INTO trade_authorizations (id, user_id, account_id, order_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(lookup(gateway, &token))
    .bind(caller.user.to_string())
    .bind(account.to_string())
    .bind(order_hash.to_string())
    .bind(now)
    .bind(expires_at)
    .execute(&gateway.pool)
    .await?;
    sqlx::query("DELETE FROM trade_authorizations WHERE expires_at < $1")
        .bind(now - GOOD_MS)
        .execute(&gateway.pool)
        .await?;
    Ok(Authorized { token, expires_at })
}

/// Whether an order of a caller in these symbols needs an authorization.
pub(super) fn is_needed(gateway: &Gateway, caller: &Caller, symbols: &[&str]) -> bool {
    if principal::is_program(caller) {
        return false;
    }
    match gateway.config.trading.authorization {
        Authorization::Always => true,
        Authorization::Never => false,
        Authorization::Live => {
            let picture = gateway.events.picture();
            // What is not known is refused by the engine anyway.
            symbols.iter().any(|symbol| {
                let terms = picture.instrument(symbol);
                terms.is_some_and(|terms| VenueKind::of(terms.venue_kind) == Some(VenueKind::Route))
            })
        }
    }
}

/// Lets an order pass that needs no authorization, or has one: it is used up by `order`, which may come again.
pub(super) async fn check(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
    account: Uuid,
    symbols: &[&str],
    order: Uuid,
    order_hash: &str,
) -> Result<()> {
    // An instrument of which nothing was heard yet may be one of a live venue.
    let is_unheard = |symbol: &&str| gateway.events.picture().instrument(symbol).is_none();
    let may_be_live = gateway.config.trading.authorization == Authorization::Live
        && !principal::is_program(caller)
        && !gateway.events.is_caught_up()
        && symbols.iter().any(is_unheard);
    if may_be_live {
        let message = "the gateway still reads what there is to trade; try again";
        return Err(ApiError::new(Code::Unavailable, message).with(json!({ "retry_after_s": 1 })));
    }
    if !is_needed(gateway, caller, symbols) {
        return Ok(());
    }
    let needed = |message: &str| Err(ApiError::new(Code::AuthorizationRequired, message));
    let token = headers.get(&AUTHORIZATION_HEADER).and_then(|token| token.to_str().ok());
    let Some(token) = token.filter(|token| token.len() == PREFIX.len() + 64) else {
        return needed(
            "preview this order, authorize it, and send the token as Trade-Authorization",
        );
    };
    let used = sqlx::query(
        "UPDATE trade_authorizations SET used_at = COALESCE(used_at, $6), used_by = $5
         WHERE id = $1 AND user_id = $2 AND account_id = $3 AND order_hash = $4 AND expires_at > $6
           AND (used_at IS NULL OR used_by = $5)",
    )
    .bind(lookup(gateway, token))
    .bind(caller.user.to_string())
    .bind(account.to_string())
    .bind(order_hash.to_string())
    .bind(order.to_string())
    .bind(crate::now_ms())
    .execute(&gateway.pool)
    .await?;
    match used.rows_affected() {
        1 => Ok(()),
        _ => needed("this authorization is over, was used, or is for another order"),
    }
}
