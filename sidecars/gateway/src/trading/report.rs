//! What people see of orders, executions, positions and cash.

use super::amount::{Amount, is_zero};
use super::picture::{AccountPicture, ExecutionRow, OrderRow, place};
use super::words::{Liquidity, OrdStatus, OrderType, Side, TimeInForce};
use crate::market;
use crate::market::report::{name, some};
use serde::Serialize;
use tidegate_client::decimal;
use tidegate_client::proto::{self, CancelReason, ExecType, FillModel, MarketEventKind};
use utoipa::ToSchema;
use uuid::Uuid;

/// The engine's time as text; RFC 3339, UTC.
pub fn time(ns: u64) -> String {
    market::report::time(market::picture::signed(ns)).to_string()
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Reject {
    /// The engine's reason, such as `max_order_qty`; stable.
    #[schema(example = "buying_power")]
    pub reason: String,
    /// The limit in force, in the unit that the reason names.
    pub limit: String,
    /// The value that met it.
    pub value: String,
    /// Whose limit it was; absent if it was no control's.
    pub scope: Option<String>,
    /// For people.
    pub message: String,
}

impl Reject {
    /// As the engine said it.
    pub fn new(reject: &proto::Reject) -> Self {
        Self {
            reason: reject.code.clone(),
            limit: reject.limit.clone(),
            value: reject.value.clone(),
            scope: some(&reject.scope),
            message: reject.text.clone(),
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Order {
    /// Its UUID.
    pub id: Uuid,
    /// The account's UUID.
    pub account: Option<Uuid>,
    /// What it trades.
    pub symbol: String,
    /// Buy or sell.
    pub side: Option<Side>,
    /// How it is priced.
    #[serde(rename = "type")]
    pub order_type: Option<OrderType>,
    /// How long it lives.
    pub time_in_force: Option<TimeInForce>,
    /// Where it stands.
    pub status: Option<OrdStatus>,
    /// Quantity; decimal text.
    pub qty: String,
    /// Limit price; decimal text.
    pub limit_price: Option<String>,
    /// The price that it waits or waited for; decimal text. Absent where it trails the market.
    pub stop_price: Option<String>,
    /// Executed so far.
    pub filled_qty: String,
    /// May still be executed.
    pub leaves_qty: String,
    /// Average price of what is executed.
    pub avg_price: Option<String>,
    /// The currency of prices.
    pub currency: String,
    /// The order that it belongs to: the first of its list, the parent whose child it is.
    pub parent: Option<Uuid>,
    /// The strategy that it belongs to.
    pub strategy: Option<u32>,
    /// Why it was refused, if it was.
    pub reject: Option<Reject>,
    /// Why it was canceled, if it was.
    pub cancel_reason: Option<String>,
    /// When it was entered; RFC 3339.
    pub created_at: String,
    /// When it changed last; RFC 3339.
    pub updated_at: String,
    /// The event that told it last, `SEQ:ORDINAL`.
    pub seq: String,
}

impl Order {
    /// Of a row of the picture; `parent` as it is called outside.
    pub fn new(row: &OrderRow, account: Option<Uuid>, parent: Option<Uuid>) -> Self {
        let report = &row.report;
        let at = report.position.map_or((0, 0), |at| (at.seq, at.ordinal));
        Self {
            id: row.id,
            account,
            symbol: report.symbol.clone(),
            side: Side::of(report.side),
            order_type: OrderType::of(report.order_type),
            time_in_force: TimeInForce::of(report.time_in_force),
            status: row.status(),
            qty: report.qty.clone(),
            limit_price: some(&report.price),
            stop_price: some(&report.stop_price),
            filled_qty: report.cum_qty.clone(),
            leaves_qty: report.leaves_qty.clone(),
            avg_price: some(&report.avg_price),
            currency: report.currency.clone(),
            parent,
            strategy: (report.strategy != 0).then_some(report.strategy),
            reject: report.reject.as_ref().map(Reject::new),
            cancel_reason: CancelReason::try_from(report.cancel_reason)
                .ok()
                .filter(|reason| *reason != CancelReason::Unspecified)
                .map(|reason| name(reason.as_str_name(), "CANCEL_REASON_")),
            created_at: time(row.created_at),
            updated_at: time(report.ts),
            seq: place(at),
        }
    }

    /// Of a row of its account's picture, which knows its parent's name.
    pub fn of(row: &OrderRow, account: Uuid, picture: &AccountPicture) -> Self {
        Self::new(row, Some(account), picture.parent_of(&row.report))
    }
}

/// An execution.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Execution {
    /// Its UUID.
    pub id: Uuid,
    /// The order's.
    pub order: Uuid,
    /// The account's.
    pub account: Option<Uuid>,
    /// `trade`, `trade_cancel` (it was taken back) or `trade_correct` (it was put right).
    #[serde(rename = "type")]
    pub kind: String,
    /// What was traded.
    pub symbol: String,
    /// Bought or sold.
    pub side: Option<Side>,
    /// Quantity; decimal text.
    pub qty: String,
    /// Price; decimal text.
    pub price: Option<String>,
    /// Fee; below 0 a rebate; decimal text.
    pub fee: String,
    /// The currency of price and fee.
    pub currency: String,
    /// Which side of the trade the order was on.
    pub liquidity: Option<Liquidity>,
    /// Why it happened.
    pub why: Why,
    /// When; RFC 3339.
    pub at: String,
    /// The event that told it, `SEQ:ORDINAL`.
    pub seq: String,
}

impl Execution {
    /// Of a row of the picture.
    pub fn new(row: &ExecutionRow, account: Option<Uuid>) -> Self {
        let report = &row.report;
        let at = place(report.position.map_or((0, 0), |at| (at.seq, at.ordinal)));
        let kind = ExecType::try_from(report.exec_type).unwrap_or_default();
        Self {
            id: Uuid::new_v5(&row.order, at.as_bytes()),
            order: row.order,
            account,
            kind: name(kind.as_str_name(), "EXEC_TYPE_"),
            symbol: report.symbol.clone(),
            side: Side::of(report.side),
            qty: report.last_qty.clone(),
            price: some(&report.last_price),
            fee: report.fee.clone(),
            currency: report.currency.clone(),
            liquidity: Liquidity::of(report.liquidity),
            why: Why::new(report),
            at: time(report.ts),
            seq: at,
        }
    }
}

/// Why an execution happened; what does not apply to it is absent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Why {
    /// On paper: how the fill was decided, such as `exact` or `quotes`.
    pub fill_model: Option<String>,
    /// The kind of market event that caused it, such as `execute`.
    pub cause_kind: Option<String>,
    /// The engine's input that told that event; a number as text.
    pub cause_seq: Option<String>,
    /// At rest on paper: quantity displayed ahead when the order came to rest; decimal text.
    pub queue_ahead_at_entry: Option<String>,
    /// At rest on paper: quantity displayed ahead when it happened. Above 0, the market went through the order's price.
    pub queue_ahead_at_fill: Option<String>,
    /// Taking on paper: how much of the price is the impact of the order itself; decimal text, at least 0.
    pub impact: Option<String>,
}

impl Why {
    fn new(report: &proto::OrderReport) -> Self {
        let model = Some(report.fill_model()).filter(|model| *model != FillModel::Unspecified);
        let kind = Some(report.cause_kind()).filter(|kind| *kind != MarketEventKind::Unspecified);
        let is_paper = |liquidity| model.is_some() && report.liquidity() == liquidity;
        let [rested, took] = [proto::Liquidity::Maker, proto::Liquidity::Taker].map(is_paper);
        Self {
            fill_model: model.map(|model| name(model.as_str_name(), "FILL_MODEL_")),
            cause_kind: kind.map(|kind| name(kind.as_str_name(), "MARKET_EVENT_KIND_")),
            cause_seq: (report.cause_seq != 0).then(|| report.cause_seq.to_string()),
            queue_ahead_at_entry: rested.then(|| report.queue_ahead_at_entry.clone()),
            queue_ahead_at_fill: rested.then(|| report.queue_ahead_at_fill.clone()),
            impact: took.then(|| report.impact.clone()),
        }
    }
}

/// Cash in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Balance {
    /// The currency.
    pub currency: String,
    /// Cash; decimal text.
    pub cash: String,
    /// Paid in less paid out.
    pub deposits: String,
    /// Realised profit and loss over all instruments, before fees.
    pub realised: String,
    /// Fees.
    pub fees: String,
    /// Dividends received less paid.
    pub dividends: String,
    /// Paid for what was borrowed.
    pub borrow: String,
    /// Received from other currencies of the account, less given.
    pub conversions: String,
}

impl Balance {
    /// As the engine told it.
    pub fn new(report: &proto::AccountReport) -> Self {
        Self {
            currency: report.currency.clone(),
            cash: report.cash.clone(),
            deposits: report.deposits.clone(),
            realised: report.realised.clone(),
            fees: report.fees.clone(),
            dividends: report.dividends.clone(),
            borrow: report.borrow.clone(),
            conversions: report.conversions.clone(),
        }
    }
}

/// A position.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Position {
    /// The account's UUID.
    pub account: Option<Uuid>,
    /// What is held.
    pub symbol: String,
    /// Quantity; below 0 is short; decimal text.
    pub qty: String,
    /// What the open position cost; decimal text in `currency`.
    pub cost: String,
    /// Average price of it; absent when flat.
    pub avg_price: Option<String>,
    /// What it is valued at; absent without a market.
    pub mark_price: Option<String>,
    /// Its value at the mark.
    pub value: Option<String>,
    /// Value less cost.
    pub unrealised: Option<String>,
    /// Realised profit and loss before fees.
    pub realised: String,
    /// Fees paid.
    pub fees: String,
    /// Bought since the account opened.
    pub bought: String,
    /// Sold since the account opened.
    pub sold: String,
    /// The currency of all amounts.
    pub currency: String,
    /// What it is worth, to be added up.
    #[serde(skip)]
    pub worth: Worth,
}

/// What a position is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// Its value at the mark, or its cost where there is none.
    pub value: Amount,
    /// Whether there is a mark.
    pub is_marked: bool,
    /// Value less cost; 0 without a mark.
    pub unrealised: Amount,
    /// What it adds to equity. What is settled daily was never paid for: only what it makes until it is settled next.
    pub equity: Amount,
}

impl Position {
    /// As the engine told it, at a mark in 1e-9, of an instrument of these terms.
    pub fn new(
        report: &proto::PositionReport,
        account: Option<Uuid>,
        mark: Option<i128>,
        terms: Option<&proto::Instrument>,
    ) -> Self {
        let multiplier = terms.map_or("1", |terms| terms.multiplier.as_str());
        let value = mark.and_then(|mark| Amount::value(mark, &report.qty, multiplier));
        let cost = Amount::parse(&report.cost);
        let unrealised = value.and_then(|value| Some(value.minus(cost?)));
        let mut worth = Worth {
            value: value.or(cost).unwrap_or_default(),
            is_marked: value.is_some(),
            unrealised: unrealised.unwrap_or_default(),
            ..Default::default()
        };
        worth.equity = match terms.is_some_and(is_settled_daily) {
            true => worth.unrealised,
            false => worth.value,
        };
        Self {
            account,
            symbol: report.symbol.clone(),
            qty: report.qty.clone(),
            cost: report.cost.clone(),
            avg_price: some(&report.avg_price),
            mark_price: mark.map(decimal::format_nano),
            value: value.map(Amount::text),
            unrealised: unrealised.map(Amount::text),
            realised: report.realised.clone(),
            fees: report.fees.clone(),
            bought: report.bought.clone(),
            sold: report.sold.clone(),
            currency: report.currency.clone(),
            worth,
        }
    }
}

/// Whether nothing is held.
pub fn is_flat(report: &proto::PositionReport) -> bool {
    is_zero(&report.qty)
}

/// Whether positions of an instrument are not paid for: what they make or lose is paid every day.
pub fn is_settled_daily(terms: &proto::Instrument) -> bool {
    terms.settlement() == proto::Settlement::Daily
}
