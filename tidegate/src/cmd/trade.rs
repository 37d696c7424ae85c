//! `tidegate trade`: a strategy as a program of its own, over gRPC or over shared memory.

use super::backtest::{parse_symbol, strategies};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tidegate_client::Client;
use tidegate_client::proto::Instrument;
use tidegate_client::strategy::{
    Desk, InstrumentId, Live, Report, Shared, Strategy, Symbol, Tally, Trade, Wait, trade,
    trade_in_lock_step, trade_over_shared_memory,
};
use tidegate_examples::{Params, build};
use tidegate_model::RejectReason;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How often the list of instruments is looked at while symbols are missing.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait for all symbols before going on with those there are.
const SYMBOLS_WAIT: Duration = Duration::from_secs(5);
/// How long the server may take to answer what is there.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// When none are named, those there are when no new one has come for this long.
const SYMBOLS_QUIET: Duration = Duration::from_millis(500);
/// Symbols traded when none are named.
const SYMBOLS_MAX: usize = 32;
/// Least time between two quotes of one symbol.
const QUOTES_EVERY_MS: u32 = 10;

/// Trades on a running server with a strategy in this process, over gRPC or over shared memory, until it is told to stop; then it
/// cancels its orders and says what it did.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct TradeArgs {
    /// The strategy.
    strategy: String,
    /// Where the server, or the backtest, listens.
    #[arg(long, default_value = "http://127.0.0.1:7800", conflicts_with = "door")]
    addr: String,
    /// Trade in a backtest (`tidegate backtest FILE --listen ADDR`) instead of on a server. It says which account and which
    /// symbols, and it ends by itself.
    #[arg(long, conflicts_with_all = ["account", "symbols", "seconds"])]
    lock_step: bool,
    /// Trade over memory shared with the server, which must be on this machine, in place of gRPC: the path of its door
    /// (`[edge] door` in its configuration, by default door.sock in the journal's folder).
    #[arg(long, value_name = "PATH", conflicts_with = "lock_step")]
    door: Option<PathBuf>,
    /// The token that lets us trade; better in the environment, where the other users of the machine do not see it.
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The account to trade for.
    #[arg(long, required_unless_present = "lock_step")]
    account: Option<u32>,
    /// The symbols to trade, separated by commas; without, the first 32 there are.
    #[arg(long, value_delimiter = ',', value_parser = parse_symbol)]
    symbols: Vec<Symbol>,
    /// Stop after this many seconds; without, at SIGTERM, Ctrl-C or the end of standard input.
    #[arg(long)]
    seconds: Option<u64>,
    /// A parameter of the strategy; can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
}

fn after_help() -> String {
    strategies()
        + "\nExamples (with a token in TIDEGATE_TOKEN):\n  tidegate trade momentum --account 1 --symbols TIDE --param size=200\n  \
        tidegate trade market-maker --account 1 --door data/journal/door.sock --seconds 60\n  \
        tidegate trade momentum --lock-step --addr http://127.0.0.1:7900"
}

/// Runs the command: connects, trades until it is over, and prints what was done.
pub fn run(args: TradeArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(args.run())
}

/// Prints a line to standard output. If nobody reads that any more, nobody wants to know.
fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write the summary to standard output"),
    }
}

/// What the orders of the strategy `name` are called: unique over restarts too, for it begins with the time at which we started.
fn prefix(name: &str) -> Result<String> {
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("{}-{:x}", &name[..3], started.as_millis()))
}

impl TradeArgs {
    async fn run(self) -> Result<()> {
        let name = self.strategy.as_str();
        let params = Params::parse(self.param.iter().map(String::as_str))?;
        let strategy = build(name, params)?;
        if self.lock_step {
            let trade = async {
                let client = Client::connect(&self.addr, None).await?;
                trade_in_lock_step(&client, strategy).await
            };
            let hint = || format!("no `tidegate backtest FILE --listen` at {}", self.addr);
            return print(&trade.await.with_context(hint)?);
        }
        ensure!(self.token.is_some(), "a token is needed: in TIDEGATE_TOKEN, or by --token");
        let traded = Arc::<AtomicUsize>::default();
        let strategy = Told { strategy, traded: Arc::clone(&traded), refused: Vec::new() };
        let summary = |tally: &Tally| {
            let symbols = traded.load(Ordering::Relaxed);
            Summary::new(tally, name, self.account.unwrap_or_default(), symbols).line()
        };
        if let Some(door) = &self.door {
            let tally = self.over_shared_memory(door, strategy).await?;
            return print(&summary(&tally)?);
        }
        let client = Client::connect(&self.addr, self.token.as_deref()).await?;
        let mut stop: Pin<Box<dyn Future<Output = _>>> = Box::pin(stopped(self.seconds));
        let instruments = tokio::select! {
            instruments = self.instruments(&client) => instruments?,
            stopped = &mut stop => {
                stopped?;
                Vec::new()
            }
        };
        if instruments.is_empty() {
            note(format_args!("stopped before the symbols were there"));
            return print(&summary(&Tally::default())?);
        }
        let live = Live {
            account: self.account.unwrap_or_default(),
            instruments,
            prefix: prefix(name)?,
            min_interval_ms: QUOTES_EVERY_MS,
            note,
        };
        let stop = async {
            if let Err(error) = stop.await {
                note(format_args!("{error:#}"));
            }
        };
        let ended = || format!("the server at {} has ended the session", self.addr);
        let tally = trade(&client, live, strategy, stop).await.with_context(ended)?;
        print(&summary(&tally)?)
    }

    /// Trades at the server's door, on a thread of its own.
    async fn over_shared_memory(&self, door: &Path, strategy: Told) -> Result<Tally> {
        let shared = Shared {
            door: door.to_path_buf(),
            token: self.token.clone().unwrap_or_default(),
            account: self.account.unwrap_or_default(),
            symbols: self.symbols.clone(),
            prefix: prefix(&self.strategy)?,
            wait: Wait::default(),
            note,
        };
        let traded = Arc::clone(&strategy.traded);
        let stop = Arc::new(AtomicBool::new(false));
        let stop_inner = Arc::clone(&stop);
        let mut trading = tokio::task::spawn_blocking(move || {
            Ok::<_, anyhow::Error>(trade_over_shared_memory(shared, strategy, &stop_inner)?)
        });
        let nothing = async {
            tokio::time::sleep(SYMBOLS_WAIT).await;
            if traded.load(Ordering::Relaxed) == 0 {
                note(format_args!("the server lists none of the symbols to trade so far"));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = &mut trading => return ended?,
            stopped = stopped(self.seconds) => stopped?,
            () = nothing => {}
        }
        stop.store(true, Ordering::Relaxed);
        trading.await?
    }

    /// Finds the instruments to trade. A feed defines them as it starts, so they may take a moment to be there.
    async fn instruments(&self, client: &Client) -> Result<Vec<Instrument>> {
        let asked: BTreeSet<_> = self.symbols.iter().copied().collect();
        let until = Instant::now() + SYMBOLS_WAIT;
        let (mut count, mut changed_at) = (0, Instant::now());
        let mut found = loop {
            let answer = tokio::time::timeout(ANSWER_WAIT, client.instruments()).await;
            let silent = || format!("the server at {} does not answer", self.addr);
            let mut found = answer.with_context(silent)??;
            let is_asked = |i: &Instrument| asked.iter().any(|symbol| *symbol.as_str() == i.symbol);
            found.retain(|i| asked.is_empty() || is_asked(i));
            if found.len() != count {
                (count, changed_at) = (found.len(), Instant::now());
            }
            let is_complete = if asked.is_empty() {
                count > 0 && changed_at.elapsed() >= SYMBOLS_QUIET
            } else {
                count == asked.len()
            };
            if is_complete || Instant::now() >= until {
                break found;
            }
            tokio::time::sleep(POLL).await;
        };
        ensure!(count > 0, "the server lists none of the symbols to trade");
        if count < asked.len() {
            let asked = asked.len();
            note(format_args!("the server lists {count} of {asked} symbols"));
        }
        found.truncate(SYMBOLS_MAX);
        Ok(found)
    }
}

/// Waits until we are asked to stop: time is up, SIGTERM, Ctrl-C, or the end of standard input, which is how a parent
/// process says goodbye.
///
/// # Errors
/// If signals cannot be listened to.
async fn stopped(seconds: Option<u64>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let time_is_up = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let began = Instant::now();
    // A thread of its own: a task that reads a terminal could not be ended.
    let (ended, input_ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let input_ends = async {
        let _ = input_ended.await;
        // Whoever gave us a time has told us when to stop: a script's empty input does not.
        if seconds.is_some() {
            std::future::pending::<()>().await;
        }
        // Later it is a parent's goodbye.
        if began.elapsed() < SYMBOLS_QUIET {
            note(format_args!("without standard input it ends; --seconds N trades on without it"));
        }
    };
    tokio::select! {
        () = time_is_up => {}
        () = input_ends => {}
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen to Ctrl-C")?,
    }
    Ok(())
}

/// A strategy of which people hear why it was refused, each reason once, and which counts what it may trade.
struct Told {
    strategy: Box<dyn Strategy + Send>,
    traded: Arc<AtomicUsize>,
    refused: Vec<RejectReason>,
}

impl Strategy for Told {
    fn on_start(&mut self, desk: &mut Desk) {
        self.strategy.on_start(desk);
    }
    fn on_instrument(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        self.traded.fetch_add(1, Ordering::Relaxed);
        self.strategy.on_instrument(instrument, desk);
    }
    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        self.strategy.on_book(instrument, desk);
    }
    fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {
        self.strategy.on_trade(trade, desk);
    }
    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        if let Some(reason) = report.reject
            && !self.refused.contains(&reason)
        {
            let symbol = desk.terms(report.instrument).symbol;
            note(format_args!("{symbol}: refused: {reason} (told once, counted in the summary)"));
            self.refused.push(reason);
        }
        self.strategy.on_report(report, desk);
    }
    fn on_timer(&mut self, desk: &mut Desk) {
        self.strategy.on_timer(desk);
    }
    fn on_end(&mut self, desk: &mut Desk) {
        self.strategy.on_end(desk);
    }
}

/// The one line that a strategy prints when it ends.
#[derive(Debug, Serialize)]
struct Summary {
    /// Its name.
    strategy: String,
    /// The account it traded for.
    account: u32,
    /// Symbols it traded.
    symbols: usize,
    /// New orders sent.
    orders: u64,
    /// Cancels sent.
    cancels: u64,
    /// Replaces sent.
    replaces: u64,
    /// Executions of its orders.
    fills: u64,
    /// Requests that were refused.
    rejects: u64,
    /// Requests whose first answer was timed, from sending to hearing it.
    round_trips: u64,
    /// Half of them took at most this many microseconds.
    round_trip_p50_us: u64,
    /// 99 % of them did.
    round_trip_p99_us: u64,
    /// 99.9 % of them did.
    round_trip_p999_us: u64,
    /// All of them did.
    round_trip_max_us: u64,
}

impl Summary {
    /// What `tally` counted.
    fn new(tally: &Tally, strategy: &str, account: u32, symbols: usize) -> Self {
        let [p50, p99, p999, max] = tally.quantiles_us([500, 990, 999, 1_000]);
        Self {
            strategy: strategy.to_string(),
            account,
            symbols,
            orders: tally.orders,
            cancels: tally.cancels,
            replaces: tally.replaces,
            fills: tally.fills,
            rejects: tally.rejects,
            round_trips: tally.round_trips,
            round_trip_p50_us: p50,
            round_trip_p99_us: p99,
            round_trip_p999_us: p999,
            round_trip_max_us: max,
        }
    }

    /// The line, as JSON.
    ///
    /// # Errors
    /// None that numbers and names could lead to.
    fn line(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}

/// Tells whoever watches; a strategy goes on when nobody does.
fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    #[test]
    fn the_command_line_says_where_to_trade_and_for_whom() {
        for (line, is_good) in [
            ("--account 1 --token t", true),
            ("--account 1 --token t --param size=1 --param hold_ms=5", true),
            ("--token t", false),
            ("--account 1", true),
            ("--account 1 --addr http://127.0.0.1:1 --door data/journal/door.sock", false),
            ("--lock-step --addr 127.0.0.1:1", true),
            ("--lock-step --account 1", false),
            ("--account 1 --token t --door data/journal/door.sock", true),
            ("--lock-step --door data/journal/door.sock", false),
        ] {
            let words = format!("trade momentum {line}");
            let args = TradeArgs::augment_args(clap::Command::new("trade"));
            assert_eq!(args.try_get_matches_from(words.split(' ')).is_ok(), is_good, "{line}");
        }
    }

    #[test]
    fn the_line_says_who_and_what() {
        let line = Summary::new(&Tally::default(), "a-test", 1, 2).line().expect("text");
        assert!(line.starts_with(r#"{"strategy":"a-test","account":1,"symbols":2,"orders":0,"#));
        assert!(line.ends_with('}') && !line.contains('\n'), "{line}");
    }
}
