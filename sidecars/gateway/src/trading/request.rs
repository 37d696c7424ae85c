//! What callers ask for: orders, in their words, checked and put into those of the engine.

use super::amount::canonical;
use super::words::{OrderType, PegKind, PostOnly, SelfTrade, Side, TimeInForce};
use crate::error::{ApiError, Result};
use crate::keys::hex;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tidegate_client::decimal;
use tidegate_client::proto::{self, ExecType, SubmitOrderRequest, submit_order_request::Trail};
use utoipa::ToSchema;
use uuid::Uuid;

/// A new order.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The account's UUID.
    pub account: Uuid,
    /// What it trades.
    #[schema(example = "ACME")]
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced, and what sets it off.
    #[serde(rename = "type")]
    pub order_type: OrderType,
    /// How long it lives; absent: the day.
    #[serde(default = "day")]
    pub time_in_force: TimeInForce,
    /// Quantity; decimal text, above 0.
    #[schema(example = "10")]
    pub qty: String,
    /// Limit price; decimal text. Needed by limit, stop-limit and limit-if-touched orders.
    #[schema(example = "10.02")]
    pub limit_price: Option<String>,
    /// The trades that set it off. Needed by stop and touched orders.
    pub stop_price: Option<String>,
    /// Of a trailing order: how far its stop price keeps from the last trade.
    pub trail_amount: Option<String>,
    /// The same in per cent of the trade's price.
    pub trail_percent: Option<String>,
    /// What a pegged order follows.
    pub peg: Option<PegKind>,
    /// Of a pegged order: added to what it follows. Of a trailing stop-limit order: added to the stop price, for its limit.
    pub offset: Option<String>,
    /// Whether it may never take.
    pub post_only: Option<PostOnly>,
    /// What happens where it would trade with another order of its account.
    pub self_trade: Option<SelfTrade>,
    /// Whether it is not displayed.
    #[serde(default)]
    pub hidden: bool,
    /// Most that is displayed at a time.
    pub display_qty: Option<String>,
    /// Fewest that one execution may take.
    pub min_qty: Option<String>,
    /// When a good-till-date order ends; RFC 3339.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expire_at: Option<Timestamp>,
    /// The strategy that it belongs to, 1 to 4,095.
    pub strategy: Option<u32>,
}

fn day() -> TimeInForce {
    TimeInForce::Day
}

/// Nanoseconds since the Unix epoch.
///
/// # Errors
/// [`crate::error::Code::InvalidField`] naming `field`, for a time before it or beyond 64 bits.
pub fn nanos(field: &str, at: Timestamp) -> Result<u64> {
    let nanos = u64::try_from(at.as_nanosecond()).ok().filter(|nanos| *nanos > 0);
    nanos.ok_or_else(|| ApiError::field(field, "a time after 1970 and before 2554"))
}

impl NewOrder {
    /// With numbers in their shortest form, so that what is the same order is the same text.
    ///
    /// # Errors
    /// [`crate::error::Code::InvalidField`]: what is no number, and what the type of order needs or cannot have.
    pub fn checked(mut self) -> Result<Self> {
        use OrderType as T;
        self.qty = canonical("qty", &self.qty)?;
        for (field, text) in [
            ("limit_price", &mut self.limit_price),
            ("stop_price", &mut self.stop_price),
            ("trail_amount", &mut self.trail_amount),
            ("trail_percent", &mut self.trail_percent),
            ("offset", &mut self.offset),
            ("display_qty", &mut self.display_qty),
            ("min_qty", &mut self.min_qty),
        ] {
            if let Some(text) = text {
                *text = canonical(field, text)?;
            }
        }
        let needs_limit = matches!(self.order_type, T::Limit | T::StopLimit | T::LimitIfTouched);
        let needs_stop = matches!(
            self.order_type,
            T::Stop | T::StopLimit | T::MarketIfTouched | T::LimitIfTouched
        );
        let trails = matches!(self.order_type, T::TrailingStop | T::TrailingStopLimit);
        let trail = self.trail_amount.is_some() || self.trail_percent.is_some();
        let kind = self.order_type.as_text();
        for (field, is_missing) in [
            ("limit_price", needs_limit && self.limit_price.is_none()),
            ("stop_price", needs_stop && self.stop_price.is_none()),
            ("trail_amount", trails && !trail),
            ("peg", self.order_type == T::Pegged && self.peg.is_none()),
            ("expire_at", self.time_in_force == TimeInForce::Gtd && self.expire_at.is_none()),
        ] {
            if is_missing {
                return Err(ApiError::field(field, format!("a {kind} order needs it")));
            }
        }
        let has_no_limit = matches!(
            self.order_type,
            T::Market | T::Stop | T::MarketToLimit | T::MarketIfTouched | T::TrailingStop
        );
        for (field, is_odd) in [
            ("limit_price", has_no_limit && self.limit_price.is_some()),
            ("trail_amount", !trails && trail),
            ("trail_amount", self.trail_amount.is_some() && self.trail_percent.is_some()),
            ("peg", self.order_type != T::Pegged && self.peg.is_some()),
            ("expire_at", self.time_in_force != TimeInForce::Gtd && self.expire_at.is_some()),
            ("strategy", self.strategy.is_some_and(|number| !(1..4_096).contains(&number))),
        ] {
            if is_odd {
                return Err(ApiError::field(field, format!("a {kind} order cannot have it so")));
            }
        }
        Ok(self)
    }

    /// As the engine takes it, for account `number` under the name `id`.
    ///
    /// # Errors
    /// [`crate::error::Code::InvalidField`] for an end that is no time of the engine's.
    pub fn to_engine(&self, number: u32, id: Uuid) -> Result<SubmitOrderRequest> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let trail = match (&self.trail_amount, &self.trail_percent) {
            (Some(amount), _) => Some(Trail::TrailAmount(amount.clone())),
            (_, Some(percent)) => Some(Trail::TrailPercent(percent.clone())),
            _ => None,
        };
        let expire_at = self.expire_at.map(|at| nanos("expire_at", at)).transpose()?;
        Ok(SubmitOrderRequest {
            account: number,
            symbol: self.symbol.clone(),
            client_order_id: id.hyphenated().to_string(),
            side: self.side.number(),
            order_type: self.order_type.number(),
            time_in_force: self.time_in_force.number(),
            qty: self.qty.clone(),
            price: text(&self.limit_price),
            cancel_on_disconnect: false,
            stop_price: text(&self.stop_price),
            trail,
            peg: self.peg.map_or(0, PegKind::number),
            offset: text(&self.offset),
            post_only: self.post_only.map_or(0, PostOnly::number),
            self_trade: self.self_trade.map_or(0, SelfTrade::number),
            hidden: self.hidden,
            display_qty: text(&self.display_qty),
            min_qty: text(&self.min_qty),
            expire_at: expire_at.unwrap_or(0),
            strategy: self.strategy.unwrap_or(0),
        })
    }

    /// Whether a report may be of this order, which may have been changed since. As long as it stands as it was entered, its
    /// quantity and price say so too.
    pub fn may_be(&self, report: &proto::OrderReport) -> bool {
        use OrderType as T;
        let nano = |text: &str| decimal::parse_nano(text).ok();
        let moves = matches!(self.order_type, T::TrailingStop | T::TrailingStopLimit | T::Pegged);
        let is_new = matches!(
            report.exec_type(),
            ExecType::New | ExecType::PendingNew | ExecType::PendingApproval
        );
        let is_as_entered = is_new && !moves;
        let price = self.limit_price.as_deref().and_then(nano);
        report.symbol == self.symbol
            && report.side == self.side.number()
            && report.time_in_force == self.time_in_force.number()
            && (!is_as_entered
                || nano(&report.qty) == nano(&self.qty) && nano(&report.price) == price)
    }

    /// One sentence: what it is.
    pub fn summary(&self) -> String {
        let side = self.side.as_text();
        let mut text =
            format!("{side} {} {}, {}", self.qty, self.symbol, self.order_type.as_text());
        for (name, value) in [
            ("at", &self.limit_price),
            ("stop", &self.stop_price),
            ("trailing by", &self.trail_amount),
            ("trailing by %", &self.trail_percent),
            ("offset", &self.offset),
            ("shown", &self.display_qty),
            ("at least", &self.min_qty),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" {name} {value}"));
            }
        }
        text.push_str(&format!(", {}", self.time_in_force.as_text()));
        if let Some(at) = self.expire_at {
            text.push_str(&format!(" until {at}"));
        }
        for (name, value) in [
            ("hidden", self.hidden.then(String::new)),
            ("pegged to", self.peg.map(PegKind::as_text)),
            ("post only:", self.post_only.map(PostOnly::as_text)),
            ("against oneself:", self.self_trade.map(SelfTrade::as_text)),
            ("of strategy", self.strategy.map(|number| number.to_string())),
        ] {
            if let Some(value) = value {
                text.push_str(format!(", {name} {value}").trim_end());
            }
        }
        text
    }
}

/// The hash of what is asked for: one for each order, list or parent that differs in anything.
pub fn hash(asked: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(asked).map_err(ApiError::internal)?;
    Ok(hex(digest(&SHA256, &text).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn order(change: impl FnOnce(&mut Value)) -> Result<NewOrder> {
        let mut body = json!({
            "account": Uuid::nil(), "symbol": "ACME", "side": "buy", "type": "limit", "qty": "5",
            "limit_price": "10.02",
        });
        change(&mut body);
        let read: NewOrder = serde_json::from_value(body)
            .map_err(|error| ApiError::field("body", error.to_string()))?;
        read.checked()
    }

    #[test]
    fn what_a_type_of_order_needs_and_cannot_have_is_named() {
        for (field, value, expected) in [
            ("qty", json!("5"), None),
            ("qty", json!(5), Some("body")),
            ("qty", json!("1e3"), Some("qty")),
            ("limit_price", Value::Null, Some("limit_price")),
            ("type", json!("market"), Some("limit_price")),
            ("type", json!("stop_limit"), Some("stop_price")),
            ("type", json!("pegged"), Some("peg")),
            ("type", json!("nonsense"), Some("body")),
            ("trail_amount", json!("1"), Some("trail_amount")),
            ("time_in_force", json!("gtd"), Some("expire_at")),
            ("expire_at", json!("2030-01-01T00:00:00Z"), Some("expire_at")),
            ("strategy", json!(4_096), Some("strategy")),
            ("principal", json!(1), Some("body")),
            ("client_order_id", json!("mine"), Some("body")),
        ] {
            let read = order(|body| body[field] = value.clone());
            let at_fault = read.err().map(|error| error.details["field"].clone());
            assert_eq!(at_fault, expected.map(Value::from), "{field} {value}");
        }
    }

    #[test]
    fn the_same_order_has_the_same_hash() {
        let hashed = |field: &str, value: Value| {
            let read = order(|body| body[field] = value).expect("an order");
            hash(&read).expect("hashed")
        };
        let same = hashed("qty", json!("5"));
        assert_eq!(hashed("qty", json!("5.0")), same);
        assert_eq!(hashed("limit_price", json!("10.020")), same);
        for (field, value) in [
            ("qty", json!("6")),
            ("limit_price", json!("10.03")),
            ("side", json!("sell")),
            ("account", json!(Uuid::max())),
            ("hidden", json!(true)),
        ] {
            assert_ne!(hashed(field, value), same, "{field}");
        }
    }
}
