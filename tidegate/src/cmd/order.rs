//! `tidegate order`

use crate::remote::{ServerArgs, unless_refused};
use crate::time_text::moment;
use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_client::proto;
use tidegate_client::proto::submit_order_request::Trail;
use tidegate_client::proto::{cancel_order_request, replace_order_request};
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType, OrdStatus};
use tidegate_model::{ReleaseLevel, Side};

/// Place, change and cancel orders of a running server.
///
/// The answer is the engine's first word on the request. What a rule refuses ends with exit code 1 and says which limit was
/// met by which value. What orders do in a market of the house stands in docs/rule-book.md.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct OrderArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The account
    #[arg(long, default_value_t = 1, global = true)]
    account: u32,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// What the answer waits for, if that is more than the server's outputs do
    #[arg(long, global = true, value_name = "LEVEL", value_parser = release_levels())]
    release: Option<String>,
    #[command(subcommand)]
    ask: Ask,
}

const HELP: &str = "\
Examples (the token in TIDEGATE_TOKEN):
  tidegate order new TIDE buy 100 --price 100.05
  tidegate order new TIDE sell 50 --type stop_limit --stop-price 99.50 --price 99.40 --tif gtc
  tidegate order new TIDE sell 50 --type trailing_stop --trail 1%
  tidegate order new TIDE buy 1000 --price 100 --display-qty 100 --post-only slide
  tidegate order new TIDE buy 100 --type pegged --peg mid --offset -0.01
  tidegate order new TIDE buy 100 --price 100.05 --release power
  tidegate order replace TIDE --id 17 --qty 80 --price 100.04
  tidegate order cancel --id 17
  tidegate order cancel-all --symbol TIDE --side buy";

#[derive(Debug, Subcommand)]
enum Ask {
    /// Place an order
    New(Box<New>),
    /// Change quantity and price of an order
    Replace(Replace),
    /// Cancel an order
    Cancel(Named),
    /// Cancel every open order in scope: of the account, or of all
    CancelAll(CancelAll),
}

fn sides() -> PossibleValuesParser {
    PossibleValuesParser::new(Side::ALL.iter().map(|side| side.as_str()))
}

macro_rules! names {
    ($function:ident, $type:ty) => {
        fn $function() -> PossibleValuesParser {
            PossibleValuesParser::new(<$type>::ALL.iter().map(|value| value.as_str()))
        }
    };
}
names!(order_types, OrderType);
names!(lives, TimeInForce);
names!(pegs, PegKind);
names!(post_onlys, PostOnly);
names!(self_trades, SelfTrade);
names!(release_levels, ReleaseLevel);

/// The number that an enum of the protocol shares with the engine's; the parser let no other name pass.
macro_rules! number {
    ($type:ty, $text:expr) => {
        <$type>::ALL
            .iter()
            .find(|value| value.as_str() == $text)
            .map_or(0, |value| value.wire().into())
    };
}

#[derive(Args, Debug)]
pub(super) struct New {
    /// What to trade
    symbol: String,
    /// Which way
    #[arg(value_parser = sides())]
    side: String,
    /// How much; decimal text
    qty: String,
    /// Your own name for it, unique today [default: one made of the time]
    #[arg(long, value_name = "NAME")]
    client_order_id: Option<String>,
    /// How it is priced and what sets it off
    #[arg(long = "type", default_value = "limit", value_name = "TYPE", value_parser = order_types())]
    order_type: String,
    /// How long it lives
    #[arg(long, default_value = "day", value_name = "TIF", value_parser = lives())]
    tif: String,
    /// Limit price
    #[arg(long)]
    price: Option<String>,
    /// The trades that set a stop or touched order off; the first stop price of a trailing one
    #[arg(long, value_name = "PRICE")]
    stop_price: Option<String>,
    /// How far a trailing order keeps from the last trade: 0.50, or 1%
    #[arg(long, value_name = "DISTANCE")]
    trail: Option<String>,
    /// What a pegged order follows
    #[arg(long, value_parser = pegs())]
    peg: Option<String>,
    /// Added to what a pegged order follows, or to the stop price of a trailing stop-limit order
    #[arg(long, allow_hyphen_values = true)]
    offset: Option<String>,
    /// Never take: be refused, or slide to one step short of the other side
    #[arg(long, value_name = "INSTEAD", value_parser = post_onlys())]
    post_only: Option<String>,
    /// What happens where it would trade with an order of its own account
    #[arg(long, value_name = "INSTEAD", value_parser = self_trades())]
    stp: Option<String>,
    /// Do not display it
    #[arg(long)]
    hidden: bool,
    /// Display no more than this at a time
    #[arg(long, value_name = "QTY")]
    display_qty: Option<String>,
    /// Fewest that one execution may take
    #[arg(long, value_name = "QTY")]
    min_qty: Option<String>,
    /// When a good-till-date order ends, e.g. 2026-12-30T20:00:00Z
    #[arg(long, value_name = "MOMENT", required_if_eq("tif", "gtd"))]
    expire: Option<String>,
    /// The strategy that it belongs to; 0 is none
    #[arg(long, default_value_t = 0)]
    strategy: u32,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Named {
    /// The engine's number of the order
    #[arg(long)]
    id: Option<u64>,
    /// Your own name of the order
    #[arg(long, value_name = "NAME")]
    client_order_id: Option<String>,
}

#[derive(Args, Debug)]
struct Replace {
    /// What it trades
    symbol: String,
    #[command(flatten)]
    order: Named,
    /// The new quantity, executed part included
    #[arg(long)]
    qty: String,
    /// The new limit price, also if it stays; none for an order without one
    #[arg(long)]
    price: Option<String>,
    /// The new stop price of an order that waits for one
    #[arg(long, value_name = "PRICE")]
    stop_price: Option<String>,
}

#[derive(Args, Debug)]
struct CancelAll {
    /// Only of this symbol
    #[arg(long)]
    symbol: Option<String>,
    /// Only of this side
    #[arg(long, value_parser = sides())]
    side: Option<String>,
    /// Of all accounts
    #[arg(long)]
    all_accounts: bool,
}

/// Runs the command.
pub fn run(args: OrderArgs) -> Result<()> {
    let OrderArgs { server, account, json, release, ask } = args;
    let level = release.as_deref().and_then(ReleaseLevel::from_name);
    let mut out = io::stdout().lock();
    let report = match ask {
        Ask::New(new) => {
            let request = new.request(account)?;
            server.ask_at(level, |client| async move { client.submit(request).await })?
        }
        Ask::Replace(replace) => {
            let request = replace.request(account);
            server.ask_at(level, |client| async move { client.replace(request).await })?
        }
        Ask::Cancel(order) => {
            use cancel_order_request::Order;
            let named = order.id.map(Order::OrderId);
            let order = named.or(order.client_order_id.map(Order::ClientOrderId));
            let request = proto::CancelOrderRequest { account, order };
            server.ask_at(level, |client| async move { client.cancel(request).await })?
        }
        Ask::CancelAll(scope) => {
            let request = proto::MassCancelRequest {
                account: (!scope.all_accounts).then_some(account),
                symbol: scope.symbol.unwrap_or_default(),
                side: scope.side.map_or(0, |side| number!(Side, side)),
            };
            let done =
                server.ask_at(level, |client| async move { client.mass_cancel(request).await })?;
            match json {
                true => {
                    let level = level_name(done.release_level);
                    let done = json!({ "canceled": done.canceled, "release_level": level });
                    writeln!(out, "{done}")?;
                }
                false => writeln!(out, "{} orders canceled", done.canceled)?,
            }
            return unless_refused(done.reject.as_ref());
        }
    };
    match json {
        true => writeln!(out, "{}", as_json(&report))?,
        false => writeln!(out, "{}", as_text(&report))?,
    }
    unless_refused(report.reject.as_ref())
}

impl New {
    /// The order as the server takes it.
    pub(super) fn request(self, account: u32) -> Result<proto::SubmitOrderRequest> {
        let expire_at = match &self.expire {
            None => 0,
            Some(text) => {
                moment(text)
                    .with_context(|| {
                        format!("--expire: '{text}' is no moment such as 2026-12-30T20:00:00Z")
                    })?
                    .0
            }
        };
        let trail = self.trail.map(|text| match text.strip_suffix('%') {
            Some(percent) => Trail::TrailPercent(percent.to_string()),
            None => Trail::TrailAmount(text),
        });
        Ok(proto::SubmitOrderRequest {
            account,
            symbol: self.symbol,
            client_order_id: self.client_order_id.map_or_else(name_by_time, Ok)?,
            side: number!(Side, self.side),
            order_type: number!(OrderType, self.order_type),
            time_in_force: number!(TimeInForce, self.tif),
            qty: self.qty,
            price: self.price.unwrap_or_default(),
            cancel_on_disconnect: false,
            stop_price: self.stop_price.unwrap_or_default(),
            trail,
            peg: self.peg.map_or(0, |peg| number!(PegKind, peg)),
            offset: self.offset.unwrap_or_default(),
            post_only: self.post_only.map_or(0, |instead| number!(PostOnly, instead)),
            self_trade: self.stp.map_or(0, |instead| number!(SelfTrade, instead)),
            hidden: self.hidden,
            display_qty: self.display_qty.unwrap_or_default(),
            min_qty: self.min_qty.unwrap_or_default(),
            expire_at,
            strategy: self.strategy,
        })
    }
}

impl Replace {
    fn request(self, account: u32) -> proto::ReplaceOrderRequest {
        use replace_order_request::Order;
        let named = self.order.id.map(Order::OrderId);
        proto::ReplaceOrderRequest {
            account,
            order: named.or(self.order.client_order_id.map(Order::ClientOrderId)),
            symbol: self.symbol,
            qty: self.qty,
            price: self.price.unwrap_or_default(),
            stop_price: self.stop_price.unwrap_or_default(),
        }
    }
}

/// A name that no other order of a person has.
fn name_by_time() -> Result<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(format!("cli-{}", since.as_nanos()))
}

/// The engine's name of a number of the protocol.
macro_rules! name {
    ($type:ty, $number:expr) => {
        u8::try_from($number).ok().and_then(<$type>::from_wire).map_or("", <$type>::as_str)
    };
}

fn level_name(number: i32) -> &'static str {
    name!(ReleaseLevel, number)
}

fn as_text(report: &proto::OrderReport) -> String {
    let proto::OrderReport { order_id, client_order_id, symbol, qty, cum_qty, leaves_qty, .. } =
        report;
    let mut text = format!(
        "order {order_id} ({client_order_id}) {}: {} {qty} {symbol} {}",
        name!(OrdStatus, report.ord_status),
        name!(Side, report.side),
        name!(OrderType, report.order_type),
    );
    if !report.price.is_empty() {
        text += &format!(" {}", report.price);
    }
    text += &format!(
        " {}; {cum_qty} executed, {leaves_qty} open",
        name!(TimeInForce, report.time_in_force)
    );
    if !report.avg_price.is_empty() {
        text += &format!(", average price {}", report.avg_price);
    }
    if report.ord_status() == proto::OrdStatus::PendingApproval {
        text += "; a person has to approve it (tidegate risk proposals)";
    }
    if report.cancel_reason != 0 {
        text += &format!("; {}", name!(CancelReason, report.cancel_reason));
    }
    match level_name(report.release_level) {
        "" => text,
        level => format!("{text} (released at {level})"),
    }
}

fn as_json(report: &proto::OrderReport) -> serde_json::Value {
    let position = report.position.unwrap_or_default();
    let reject = report.reject.as_ref().map(|reject| {
        json!({
            "code": reject.code, "limit": reject.limit, "value": reject.value, "text": reject.text,
        })
    });
    json!({
        "order_id": report.order_id,
        "client_order_id": report.client_order_id,
        "account": report.account,
        "symbol": report.symbol,
        "exec_type": name!(ExecType, report.exec_type),
        "ord_status": name!(OrdStatus, report.ord_status),
        "side": name!(Side, report.side),
        "order_type": name!(OrderType, report.order_type),
        "time_in_force": name!(TimeInForce, report.time_in_force),
        "qty": report.qty,
        "price": report.price,
        "cum_qty": report.cum_qty,
        "leaves_qty": report.leaves_qty,
        "avg_price": report.avg_price,
        "cancel_reason": name!(CancelReason, report.cancel_reason),
        "reject": reject,
        "release_level": level_name(report.release_level),
        "seq": position.seq,
        "ts": report.ts,
    })
}
