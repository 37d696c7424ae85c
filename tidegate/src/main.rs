//! Tidegate: one binary that runs the engine and everything around it.

use clap::{Parser, Subcommand};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

mod cmd {
    //! One module a command.
    pub mod backtest;
    pub mod book;
    pub mod calendar;
    pub mod demo;
    pub mod desk;
    pub mod doctor;
    pub mod feed;
    pub mod r#gen;
    pub mod journal;
    pub mod kill;
    pub mod latency;
    pub mod market;
    pub mod matching;
    pub mod order;
    pub mod parity;
    pub mod promote;
    pub mod replay;
    pub mod risk;
    pub mod route;
    pub mod run;
    pub mod standby;
    pub mod stats;
    pub mod status;
    pub mod surveil;
    pub mod trade;
}
mod backtest;
mod behind;
mod calendar;
mod config;
mod controls;
mod doctor;
mod in_process;
mod kill;
mod latency;
mod machine;
mod memory;
mod metrics;
mod operator;
mod paper;
mod remote;
mod replica;
mod s3;
mod scope_text;
mod space;
mod starting;
mod system;
mod threads;
mod time_text;

#[global_allocator]
static ALLOCATOR: tidegate_engine::memory::HugePages = tidegate_engine::memory::HugePages;

/// A deterministic trading engine: market feeds in, orders through risk, fills on paper, everything journaled.
///
/// Start with `tidegate demo`: a whole system on this machine, with a made-up market and two strategies.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

const EXAMPLES: &str = "\
Examples:
  tidegate demo --seconds 20                     see the whole system trade
  tidegate gen -o day.itch.gz --symbols 20       make up a session
  tidegate stats day.itch.gz                     what is in a file
  tidegate book day.itch.gz --symbol TIDE        a book at its end
  tidegate match orders.jsonl                    what the internal market does with orders
  tidegate backtest day.itch.gz --strategy momentum
                                                 trade a file
  tidegate run --print-config > tidegate.toml    every key of the server, with its default
  tidegate run --config tidegate.toml            the server
  tidegate trade momentum --account 1            a strategy in a process of its own, on that server
  tidegate doctor                                what this machine should have for the server
  tidegate desk equity 1                         what an account of a running server is worth
  tidegate kill --journal data/journal           stop everything, whatever else does not work
  tidegate status                                what a running server has appended, synced, released
  tidegate latency                               what each stage of the way takes, live
  tidegate route status                          how the live routes of the server stand
  tidegate order new TIDE buy 100 --price 100.05 an order to a running server
  tidegate market phase open_auction             what the markets of the house do
  tidegate calendar XNYS                         when an exchange trades
  tidegate risk show                             controls and limits in force, and what stands still
  tidegate surveil --exposure                    who looks like abuse, and what each account has open
  tidegate gateway --config gateway.toml         people and programs over HTTP
  tidegate replay data/journal                   run a journal again and compare every state hash
  tidegate parity data/journal                   why real and simulated fills differ, in money
  tidegate journal verify data/journal           is every byte as it was written";

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Run the server: feed, engine, journal and gRPC edge, until Ctrl-C.
    Run(cmd::run::RunArgs),
    /// Trade on a running server with a strategy in a process of its own, over gRPC or shared memory.
    Trade(cmd::trade::TradeArgs),
    /// Run a standby: follow the primary, and lead when it is this node's turn.
    Standby(cmd::standby::StandbyArgs),
    /// Let a standby lead, or hand over to one as planned.
    Promote(cmd::promote::PromoteArgs),
    /// See the whole system trade on this machine: feed, engine, edge and two strategies.
    Demo(cmd::demo::DemoArgs),
    /// Stop everything, or one scope, whatever else does not work.
    Kill(cmd::kill::KillArgs),
    /// Tell a server what a trading desk decides: accounts, cash, fees, margins, dividends, trades taken back.
    Desk(Box<cmd::desk::DeskArgs>),
    /// Check this machine for the server, and say what to change and what it costs not to.
    Doctor(cmd::doctor::DoctorArgs),
    /// Trade a market data file with a strategy, on the same engine that trades live.
    Backtest(Box<cmd::backtest::BacktestArgs>),
    /// Place, change and cancel orders of a running server.
    Order(cmd::order::OrderArgs),
    /// Look after the markets of the house of a running server: phases, price bands, reference prices.
    Market(cmd::market::MarketArgs),
    /// When an exchange trades: sessions, half days, holidays.
    Calendar(cmd::calendar::CalendarArgs),
    /// Count what is in a market data file.
    Stats(cmd::stats::StatsArgs),
    /// Show a book at given points of a market data file.
    Book(cmd::book::BookArgs),
    /// Match orders: JSON Lines in, JSON Lines of what happened out.
    Match(cmd::matching::MatchArgs),
    /// Make up a session of market data.
    Gen(cmd::r#gen::GenArgs),
    /// Play market data files over the network.
    Feed(cmd::feed::FeedArgs),
    /// Show where a running server stands: what is appended, on disk, with followers.
    Status(cmd::status::StatusArgs),
    /// Watch what each stage of an order's way takes, against the budget.
    Latency(cmd::latency::LatencyArgs),
    /// Look at the live routes of a running server, and settle what differs.
    Route(cmd::route::RouteArgs),
    /// Watch a running server: drop copy, exposure, alerts for limit breaches, wash trades, layering, order-to-trade ratios.
    Surveil(Box<cmd::surveil::SurveilArgs>),
    /// Let people and their programs in over HTTP: users, REST and streams, as a client of a running server.
    Gateway(tidegate_gateway::command::GatewayArgs),
    /// Say who may do how much, ask what would be refused, decide what waits for a second person.
    Risk(cmd::risk::RiskArgs),
    /// Run a journal again and compare every recorded state hash.
    Replay(cmd::replay::ReplayArgs),
    /// Say why real and simulated fills differ, order by order, in money.
    Parity(cmd::parity::ParityArgs),
    /// Check, show or export a journal.
    Journal(cmd::journal::JournalArgs),
}

/// Log lines go to standard error: those that `TIDEGATE_LOG` lets through, as `TIDEGATE_LOG_FORMAT` says: `text` or `json`.
fn start_log() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Of a standard error that cannot be written there is nobody to tell.
        .log_internal_errors(false);
    let format = std::env::var_os("TIDEGATE_LOG_FORMAT").unwrap_or_default();
    match format.to_str() {
        Some("" | "text") => log.init(),
        Some("json") => log.json().flatten_event(true).with_span_list(false).init(),
        _ => anyhow::bail!("TIDEGATE_LOG_FORMAT: {format:?} is not text or json"),
    }
    Ok(())
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Err(error) = start_log() {
        let _ = writeln!(io::stderr(), "tidegate: {error}");
        return ExitCode::FAILURE;
    }
    let done = match command {
        Cmd::Doctor(args) => match cmd::doctor::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Cmd::Run(args) => cmd::run::run(args),
        Cmd::Trade(args) => cmd::trade::run(args),
        Cmd::Standby(args) => cmd::standby::run(args),
        Cmd::Promote(args) => cmd::promote::run(args),
        Cmd::Demo(args) => cmd::demo::run(args),
        Cmd::Kill(args) => cmd::kill::run(args),
        Cmd::Desk(args) => cmd::desk::run(*args),
        Cmd::Backtest(args) => cmd::backtest::run(*args),
        Cmd::Order(args) => cmd::order::run(args),
        Cmd::Market(args) => cmd::market::run(args),
        Cmd::Calendar(args) => cmd::calendar::run(args),
        Cmd::Stats(args) => cmd::stats::run(args),
        Cmd::Book(args) => cmd::book::run(args),
        Cmd::Match(args) => cmd::matching::run(args),
        Cmd::Gen(args) => cmd::r#gen::run(args),
        Cmd::Feed(args) => cmd::feed::run(args),
        Cmd::Status(args) => cmd::status::run(args),
        Cmd::Latency(args) => cmd::latency::run(args),
        Cmd::Route(args) => cmd::route::run(args),
        Cmd::Surveil(args) => cmd::surveil::run(*args),
        Cmd::Gateway(args) => tidegate_gateway::command::run(args),
        Cmd::Risk(args) => cmd::risk::run(args),
        Cmd::Replay(args) => cmd::replay::run(args),
        Cmd::Parity(args) => cmd::parity::run(args),
        Cmd::Journal(args) => cmd::journal::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "tidegate: {}", told(&error));
            // As for a command line that cannot be read.
            if error.is::<cmd::matching::BadLine>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The error and its causes in one line. Many messages hold their cause's words already; none is said twice.
fn told(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// True if the reader of our output has had enough, as `| head` has: no failure, and nobody left to tell.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
