//! `tidegate market`

use crate::remote::{ServerArgs, unless_refused};
use crate::time_text::{moment_text, span};
use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use std::io::{self, Write};
use tidegate_client::proto;
use tidegate_model::UnixNanos;
use tidegate_model::command::Phase;
use tidegate_model::event::PhaseCause;

/// Look after the markets of the house of a running server: phases, price bands, reference prices.
///
/// What each phase and band does stands in docs/rule-book.md, rules 6 to 8. Anything but `show` needs the token of somebody who
/// may administer.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct MarketArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    ask: Ask,
}

const HELP: &str = "\
Examples (the token in TIDEGATE_TOKEN):
  tidegate market show TIDE
  tidegate market phase open_auction            of every market
  tidegate market phase continuous TIDE
  tidegate market bands TIDE --static 10 --dynamic 2.5 --pause 5m
  tidegate market reference TIDE 100.00";

#[derive(Debug, Subcommand)]
enum Ask {
    /// The phase of a market, and how it came to it
    Show {
        /// The instrument
        symbol: String,
    },
    /// Step to another phase
    Phase {
        /// The phase
        #[arg(value_parser = PossibleValuesParser::new(Phase::ALL.iter().map(|phase| phase.as_str())))]
        phase: String,
        /// The instrument [default: every market of the house]
        symbol: Option<String>,
    },
    /// Set how far prices may go at once
    Bands {
        /// The instrument [default: every market of the house]
        symbol: Option<String>,
        /// Per cent from the last auction's price, or from the reference that was set since [default: any distance]
        #[arg(long = "static", value_name = "PERCENT")]
        static_percent: Option<String>,
        /// Per cent from the last trade [default: any distance]
        #[arg(long = "dynamic", value_name = "PERCENT")]
        dynamic_percent: Option<String>,
        /// How long a trade outside pauses the market before an auction, e.g. 5m [default: until somebody ends it]
        #[arg(long, value_name = "SPAN")]
        pause: Option<String>,
    },
    /// Set the price that orders are measured against, and that auctions lean to, until there is a trade
    Reference {
        /// The instrument
        symbol: String,
        /// The price
        price: String,
    },
}

/// Runs the command.
pub fn run(args: MarketArgs) -> Result<()> {
    let MarketArgs { server, ask } = args;
    let mut out = io::stdout().lock();
    let done = match ask {
        Ask::Show { symbol } => {
            let request = proto::GetPhaseRequest { symbol };
            let report = server.ask(|client| async move { client.get_phase(request).await })?;
            writeln!(out, "{}", as_text(&report))?;
            return Ok(());
        }
        Ask::Phase { phase, symbol } => {
            let phase = Phase::ALL.iter().find(|known| known.as_str() == phase);
            let request = proto::SetPhaseRequest {
                symbol: symbol.unwrap_or_default(),
                phase: phase.map_or(0, |phase| phase.wire().into()),
            };
            server.ask(|client| async move { client.set_phase(request).await })?
        }
        Ask::Bands { symbol, static_percent, dynamic_percent, pause } => {
            let pause_ns = pause.map_or(Ok(0), |text| {
                span(&text).with_context(|| format!("--pause: '{text}' is no span such as 5m"))
            })?;
            let request = proto::SetBandsRequest {
                symbol: symbol.unwrap_or_default(),
                static_percent: static_percent.unwrap_or_default(),
                dynamic_percent: dynamic_percent.unwrap_or_default(),
                pause_ms: pause_ns / 1_000_000,
            };
            server.ask(|client| async move { client.set_bands(request).await })?
        }
        Ask::Reference { symbol, price } => {
            let request = proto::SetReferenceRequest { symbol, price };
            server.ask(|client| async move { client.set_reference(request).await })?
        }
    };
    unless_refused(done.reject.as_ref())?;
    writeln!(out, "done, at input {}", done.position.unwrap_or_default().seq)?;
    Ok(())
}

fn as_text(report: &proto::PhaseReport) -> String {
    let name = |number: i32| u8::try_from(number).ok().and_then(Phase::from_wire);
    let cause = u8::try_from(report.cause).ok().and_then(PhaseCause::from_wire);
    let mut text =
        format!("{} is in {}", report.symbol, name(report.phase).map_or("?", Phase::as_str));
    if let (Some(before), Some(cause)) = (name(report.before), cause) {
        text += &format!(", after {before}, because of: {cause}");
    }
    if report.reopen_at != 0 {
        text += &format!("; reopens at {}", moment_text(UnixNanos(report.reopen_at)));
    }
    text
}
