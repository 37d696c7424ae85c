//! The tasks that feed streams: one tells what of the market changed, one follows the engine's events.

use super::Hub;
use super::events::{Event, EventChannel as Channel, Position, Told, Whose};
use crate::error::Result;
use crate::market::last_event;
use crate::market::picture::{Picture, signed};
use crate::market::report::{name, time};
use serde_json::{Value, json};
use sqlx::{AnyPool, Row};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{self, EventKind, ScopeKind};
use tidegate_client::{Client, ClientError, EventFilter};

/// Least time between two rounds of telling: what changes meanwhile is told once.
const ROUND: Duration = Duration::from_millis(5);
/// How many inputs back the events are read that were there before we were, for clients that come again after a restart.
const LOOK_BACK: u64 = 200_000;
/// Wait after the engine refused.
const RETRY: Duration = Duration::from_secs(1);
/// For how long an account without a UUID is taken to have none. Those of people have one before the engine hears of them.
const UNKNOWN_FOR: Duration = Duration::from_millis(50);
/// Accounts whose UUID is remembered; beyond, all are looked up again.
const KNOWN_MAX: usize = 200_000;

/// Tells what of the market changed.
pub(super) async fn dispatch(hub: Arc<Hub>, picture: Arc<Picture>) {
    loop {
        picture.changes.notified().await;
        for instrument in picture.take_changed() {
            hub.topics.publish(&instrument, instrument.take_changed());
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Follows the engine's events for as long as the gateway runs.
pub(super) async fn events(hub: Arc<Hub>, client: Client, pool: AnyPool) {
    let mut names = Names { pool, known: HashMap::new() };
    let mut after = None;
    loop {
        let Err(error) = hear(&hub, &client, &mut names, &mut after).await;
        tracing::warn!("events cannot be followed: {error}");
        tokio::time::sleep(RETRY).await;
    }
}

async fn hear(
    hub: &Hub,
    client: &Client,
    names: &mut Names,
    after: &mut Option<Position>,
) -> std::result::Result<std::convert::Infallible, ClientError> {
    let from = match *after {
        Some(after) => after,
        None => {
            let last = last_event(client).await?.map_or(0, |last| last.seq);
            let from = Position { seq: last.saturating_sub(LOOK_BACK), ordinal: 0 };
            hub.log.begin(from);
            *after.insert(from)
        }
    };
    let kinds = vec![
        EventKind::Execution,
        EventKind::CancelReject,
        EventKind::Position,
        EventKind::Limits,
        EventKind::Equity,
        EventKind::Tripped,
        EventKind::KillSwitch,
    ];
    let filter = EventFilter { kinds, ..EventFilter::default() };
    let place =
        (from.seq > 0).then_some(proto::EventPosition { seq: from.seq, ordinal: from.ordinal });
    let mut events = client.events(place, filter);
    loop {
        let event = events.next().await?;
        let Some(place) = event.position else { continue };
        let position = Position { seq: place.seq, ordinal: place.ordinal };
        if let Some(event) = told(event, position, names).await {
            hub.log.add(event);
        }
        *after = Some(position);
    }
}

/// What accounts are called outside.
struct Names {
    pool: AnyPool,
    known: HashMap<u32, (Option<String>, Instant)>,
}

impl Names {
    /// The UUID of an account; `None` if it is nobody's.
    async fn of(&mut self, account: u32) -> Option<String> {
        if let Some((name, at)) = self.known.get(&account)
            && (name.is_some() || at.elapsed() < UNKNOWN_FOR)
        {
            return name.clone();
        }
        let name = loop {
            match self.look(account).await {
                Ok(name) => break name,
                Err(error) => tracing::warn!("accounts cannot be looked up: {}", error.message),
            }
            tokio::time::sleep(RETRY).await;
        };
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(account, (name.clone(), Instant::now()));
        name
    }

    async fn look(&self, account: u32) -> Result<Option<String>> {
        let row = sqlx::query("SELECT id FROM accounts WHERE number = $1").bind(i64::from(account));
        let row = row.fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }
}

/// Whom an event of a scope is about; `None`: nobody who could hear it.
fn whose(scope: Option<&proto::Scope>) -> Option<Whose> {
    let scope = scope?;
    match scope.kind() {
        ScopeKind::Firm | ScopeKind::Instrument => Some(Whose::Everybody),
        ScopeKind::Account => Some(Whose::Account(scope.id)),
        ScopeKind::Principal => Some(Whose::Principal(scope.id)),
        ScopeKind::Strategy | ScopeKind::Group | ScopeKind::Unspecified => None,
    }
}

fn scope(scope: Option<&proto::Scope>) -> Value {
    let Some(scope) = scope else { return Value::Null };
    let kind = name(scope.kind().as_str_name(), "SCOPE_KIND_");
    match scope.symbol.is_empty() {
        true => json!({ "kind": kind }),
        false => json!({ "kind": kind, "symbol": scope.symbol }),
    }
}

/// An event as it is told outside.
async fn told(event: proto::Event, position: Position, names: &mut Names) -> Option<Event> {
    let at = time(signed(event.ts));
    let (whose, channels, data, key) = content(event)?;
    let account = match whose {
        Whose::Account(number) => Some(names.of(number).await?),
        Whose::Principal(_) | Whose::Everybody => None,
    };
    let key: Option<Arc<str>> =
        key.map(|key| format!("{}/{key}", account.as_deref().unwrap_or_default()).into());
    let message = |channel: &Channel| {
        Told {
        channel: *channel,
        text: json!({ "channel": channel, "seq": position, "account": account, "time": at, "data": data })
            .to_string()
            .into(),
        replaces: key.clone(),
    }
    };
    Some(Event { position, whose, told: channels.iter().map(message).collect() })
}

/// Whom an event is about, on which channels it is told, what, and what it replaces.
type Content = (Whose, &'static [Channel], Value, Option<String>);

fn content(event: proto::Event) -> Option<Content> {
    Some(match event.body? {
        Body::Execution(order) => {
            use proto::ExecType as E;
            let channels: &[Channel] = match order.exec_type() {
                E::Trade | E::TradeCancel | E::TradeCorrect => &[Channel::Orders, Channel::Fills],
                E::Rejected => &[Channel::Orders, Channel::Alerts],
                _ => &[Channel::Orders],
            };
            (Whose::Account(order.account), channels, order_report(&order), None)
        }
        Body::CancelReject(order) => {
            let mut data = order_report(&order);
            data["exec_type"] = json!("cancel_rejected");
            (Whose::Account(order.account), &[Channel::Orders, Channel::Alerts], data, None)
        }
        Body::PositionReport(held) => {
            let data = json!({
                "symbol": held.symbol, "qty": held.qty, "cost": held.cost,
                "avg_price": some(&held.avg_price), "realised": held.realised, "fees": held.fees,
                "bought": held.bought, "sold": held.sold, "currency": held.currency,
            });
            (Whose::Account(held.account), &[Channel::Positions], data, Some(held.symbol))
        }
        Body::Limits(limits) => {
            let data = json!({
                "kind": "limits", "max_order_notional": limits.max_order_notional,
                "credit": limits.credit, "max_order_lots": limits.max_order_lots.to_string(),
                "max_position_lots": limits.max_position_lots.to_string(),
                "price_collar_bp": limits.price_collar_bp,
                "max_open_orders": limits.max_open_orders,
                "messages_per_sec": limits.messages_per_sec, "message_burst": limits.message_burst,
            });
            (Whose::Account(limits.account), &[Channel::Risk], data, None)
        }
        Body::EquityReport(worth) => {
            let data = json!({
                "kind": "equity", "currency": worth.currency, "equity": worth.equity,
                "unrealised": worth.unrealised, "unmarked": worth.unmarked,
                "initial_margin": worth.initial_margin,
                "maintenance_margin": worth.maintenance_margin,
                "excess_liquidity": worth.excess_liquidity,
            });
            (Whose::Account(worth.account), &[Channel::Risk], data, None)
        }
        Body::Tripped(tripped) => {
            let data = json!({
                "kind": "control", "scope": scope(tripped.scope.as_ref()),
                "control": name(tripped.control().as_str_name(), "CONTROL_KIND_"),
                "action": name(tripped.action().as_str_name(), "ACTION_"),
                "limit": tripped.limit, "value": tripped.value, "stopped": tripped.stopped,
                "until": (tripped.until > 0).then(|| time(signed(tripped.until))),
                "reason": some(&tripped.reason),
            });
            (whose(tripped.scope.as_ref())?, &[Channel::Risk, Channel::Alerts], data, None)
        }
        Body::KillSwitchReport(kill) => {
            let data = json!({
                "kind": "kill_switch", "scope": scope(kill.scope.as_ref()), "engaged": kill.engaged,
                "mode": name(kill.mode().as_str_name(), "KILL_MODE_"), "reason": some(&kill.reason),
            });
            (whose(kill.scope.as_ref())?, &[Channel::Risk, Channel::Alerts], data, None)
        }
        _ => return None,
    })
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn order_report(order: &proto::OrderReport) -> Value {
    let reject = order.reject.as_ref().map(|reject| {
        json!({
            "code": reject.code, "text": reject.text, "limit": reject.limit, "value": reject.value,
            "scope": some(&reject.scope),
        })
    });
    let reason = name(order.cancel_reason().as_str_name(), "CANCEL_REASON_");
    json!({
        "order_id": order.client_order_id,
        "symbol": order.symbol,
        "exec_type": name(order.exec_type().as_str_name(), "EXEC_TYPE_"),
        "ord_status": name(order.ord_status().as_str_name(), "ORD_STATUS_"),
        "side": name(order.side().as_str_name(), "SIDE_"),
        "order_type": name(order.order_type().as_str_name(), "ORDER_TYPE_"),
        "time_in_force": name(order.time_in_force().as_str_name(), "TIME_IN_FORCE_"),
        "qty": order.qty,
        "price": some(&order.price),
        "cum_qty": order.cum_qty,
        "leaves_qty": order.leaves_qty,
        "avg_price": some(&order.avg_price),
        "last_qty": order.last_qty,
        "last_price": some(&order.last_price),
        "fee": order.fee,
        "currency": order.currency,
        "liquidity": name(order.liquidity().as_str_name(), "LIQUIDITY_"),
        "exec_id": (order.exec_id > 0).then(|| order.exec_id.to_string()),
        "cancel_reason": (reason != "unspecified").then_some(reason),
        "reject": reject,
    })
}
