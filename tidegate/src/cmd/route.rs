//! `tidegate route`: the live routes of a running server.

use crate::time_text::moment_text;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, Write};
use tidegate_client::Client;
use tidegate_client::proto::{
    BlockedInstrument, ConfirmPositionRequest, ListRoutesRequest, RouteInfo,
};
use tidegate_model::UnixNanos;
use tidegate_model::command::RouteLink;
use tidegate_model::event::RouteDifferenceKind;

/// Look at the live routes of a running server, and settle what differs.
///
/// While a route is not up, its instruments take only orders that reduce a position; those and cancels leave when it is up
/// again. A difference that no rule settles blocks its instrument until it is confirmed here.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate route status\n  \
    tidegate route status --json | jq '.routes[] | select(.link != \"up\")'\n  \
    TIDEGATE_TOKEN=... tidegate route confirm ACME")]
pub struct RouteArgs {
    /// Where the server listens
    #[arg(long, global = true, default_value = "http://127.0.0.1:7800", value_name = "URL")]
    addr: String,
    /// The token: any to look from another machine, one that may administer to confirm
    #[arg(long, global = true, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How each route stands, and which instruments are blocked
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Take the position at the venue for known: the instrument trades again
    Confirm {
        /// The instrument
        symbol: String,
    },
}

/// Runs the command.
pub fn run(args: RouteArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::connect(&args.addr, args.token.as_deref()).await?;
        match args.what {
            What::Status { json } => status(&client, json).await,
            What::Confirm { symbol } => confirm(&client, symbol).await,
        }
    })
}

async fn status(client: &Client, as_json: bool) -> Result<()> {
    let routes = client.list_routes(ListRoutesRequest {}).await?.routes;
    let mut out = io::stdout().lock();
    if as_json {
        let routes: Vec<_> = routes.iter().map(route_json).collect();
        writeln!(out, "{}", json!({ "routes": routes }))?;
        return Ok(());
    }
    if routes.is_empty() {
        writeln!(out, "no live routes: [[routes]] of the configuration is empty")?;
        return Ok(());
    }
    writeln!(out, "{:<16} {:<12} {:>6} {:>6}  since", "route", "link", "open", "unsure")?;
    for route in &routes {
        let unsure = route.state.map_or(0, |state| state.unsure_orders);
        let since = if route.since == 0 { "-".into() } else { time(route.since) };
        let (name, open) = (&route.name, route.open_orders);
        writeln!(out, "{name:<16} {:<12} {open:>6} {unsure:>6}  {since}", link(route))?;
        for (kind, count) in sorted(route) {
            writeln!(out, "  differences: {count} {kind}")?;
        }
        for held in &route.blocked {
            let (kind, here, there) = difference(held);
            let (symbol, since) = (&held.symbol, time(held.since));
            writeln!(
                out,
                "  blocked: {symbol} since {since}, {kind}: {here} lots here, {there} there"
            )?;
        }
    }
    Ok(())
}

async fn confirm(client: &Client, symbol: String) -> Result<()> {
    let answer = client.confirm_position(ConfirmPositionRequest { symbol: symbol.clone() }).await?;
    if let Some(reject) = answer.reject {
        bail!("{symbol} is not confirmed: {}", reject.text);
    }
    writeln!(
        io::stdout(),
        "{symbol} trades again; {} lots beside are expected at its venue",
        answer.value
    )?;
    Ok(())
}

fn link(route: &RouteInfo) -> &'static str {
    let link = route.state.and_then(|state| u8::try_from(state.link).ok());
    link.and_then(RouteLink::from_wire).unwrap_or(RouteLink::Down).as_str()
}

/// Kind, lots here, lots there.
fn difference(held: &BlockedInstrument) -> (&'static str, i64, i64) {
    let Some(told) = held.difference else { return ("unknown", 0, 0) };
    let kind = u8::try_from(told.kind).ok().and_then(RouteDifferenceKind::from_wire);
    (kind.map_or("unknown", RouteDifferenceKind::as_str), told.here_lots, told.there_lots)
}

fn sorted(route: &RouteInfo) -> Vec<(&String, &u64)> {
    let mut differences: Vec<_> = route.differences.iter().collect();
    differences.sort();
    differences
}

fn time(nanos: u64) -> String {
    moment_text(UnixNanos(nanos))
}

fn route_json(route: &RouteInfo) -> Value {
    let blocked = route.blocked.iter().map(|held| {
        let (kind, here, there) = difference(held);
        json!({"symbol": held.symbol, "since_ns": held.since, "difference": kind,
            "here_lots": here, "there_lots": there})
    });
    json!({
        "name": route.name,
        "link": link(route),
        "since_ns": route.since,
        "open_orders": route.open_orders,
        "unsure_orders": route.state.map_or(0, |state| state.unsure_orders),
        "differences": route.differences,
        "blocked": blocked.collect::<Vec<_>>(),
    })
}
