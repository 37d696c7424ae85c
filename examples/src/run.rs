//! A strategy as a program of its own, over gRPC or over shared memory.

use crate::summary::{Summary, note};
use crate::{Params, build};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tidegate_client::Client;
use tidegate_client::proto::Instrument;
use tidegate_client::strategy::{
    Live, Shared, Symbol, Tally, Wait, trade, trade_in_lock_step, trade_over_shared_memory,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How often the list of instruments is looked at while symbols are missing.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait for all symbols before going on with those there are.
const SYMBOLS_WAIT: Duration = Duration::from_secs(5);
/// When none are named, those there are when no new one has come for this long.
const SYMBOLS_QUIET: Duration = Duration::from_millis(500);
/// Symbols traded when none are named.
const SYMBOLS_MAX: usize = 32;
/// Least time between two quotes of one symbol.
const QUOTES_EVERY_MS: u32 = 10;

/// An example strategy: trades over gRPC, or over shared memory, until it is told to stop, then cancels its orders and says what it did.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where the server, or the backtest, listens.
    #[arg(long, default_value = "http://127.0.0.1:7800")]
    addr: String,
    /// Trade in a backtest (`tidegate backtest FILE --listen ADDR`) instead of on a server. It says which account and which
    /// symbols, and it ends by itself.
    #[arg(long, conflicts_with_all = ["account", "symbols", "seconds"])]
    lock_step: bool,
    /// Trade over memory shared with the server, which must be on this machine, in place of gRPC: the path of its door
    /// (`[edge] door` in its configuration, by default door.sock in the journal's folder).
    #[arg(long, value_name = "PATH", conflicts_with = "lock_step")]
    door: Option<PathBuf>,
    /// The token that lets us trade.
    #[arg(
        long,
        env = "TIDEGATE_TOKEN",
        hide_env_values = true,
        required_unless_present = "lock_step"
    )]
    token: Option<String>,
    /// The account to trade for.
    #[arg(long, required_unless_present = "lock_step")]
    account: Option<u32>,
    /// The symbols to trade, separated by commas; without, the first 32 there are.
    #[arg(long, value_delimiter = ',')]
    symbols: Vec<String>,
    /// Stop after this many seconds; without, at SIGTERM, Ctrl-C or the end of standard input.
    #[arg(long)]
    seconds: Option<u64>,
    /// Shares (or contracts) of one order, in the instrument's smallest order quantity.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(crate::momentum::SIZES))]
    size: u64,
    /// A parameter of the strategy; can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
}

/// Reads the command line, connects, trades with the strategy `name` until it is over, and prints what was done.
///
/// # Errors
/// Says what is wrong with the command line's values, that nobody answers at the address, that the token is unknown, that
/// none of the symbols is there after some seconds, or why the server ended it.
pub async fn run(name: &'static str) -> Result<()> {
    let args = Args::parse();
    let params = Params::parse(args.param.iter().map(String::as_str))?.or("size", args.size);
    if let Some(door) = &args.door {
        let tally = args.over_shared_memory(name, door, params).await?;
        let account = args.account.unwrap_or_default();
        return print(&Summary::new(&tally, name, account, args.symbols.len()).line()?);
    }
    let strategy = build(name, params)?;
    if args.lock_step {
        let client = Client::connect(&args.addr, None).await?;
        return print(&trade_in_lock_step(&client, strategy).await?);
    }
    let client = Client::connect(&args.addr, args.token.as_deref()).await?;
    let mut stop: Pin<Box<dyn Future<Output = _>>> = Box::pin(stopped(args.seconds));
    let instruments = tokio::select! {
        instruments = args.instruments(&client) => instruments?,
        stopped = &mut stop => {
            stopped?;
            Vec::new()
        }
    };
    let (account, symbols) = (args.account.unwrap_or_default(), instruments.len());
    if symbols == 0 {
        note(format_args!("stopped before the symbols were there"));
        return print(&Summary::new(&Tally::default(), name, account, 0).line()?);
    }
    let live = Live {
        account,
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
    let tally = trade(&client, live, strategy, stop).await?;
    print(&Summary::new(&tally, name, account, symbols).line()?)
}

/// Prints a line to standard output. If nobody reads that any more, nobody wants to know.
fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write the summary to standard output"),
    }
}

/// What orders are called: unique over restarts too, for it begins with the time at which we started.
fn prefix(name: &str) -> Result<String> {
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("{}-{:x}", &name[..3], started.as_millis()))
}

impl Args {
    /// Trades at the server's door, on a thread of its own.
    async fn over_shared_memory(
        &self,
        name: &'static str,
        door: &Path,
        params: Params,
    ) -> Result<Tally> {
        let symbols = self.symbols.iter().map(|symbol| Symbol::new(symbol));
        let shared = Shared {
            door: door.to_path_buf(),
            token: self.token.clone().unwrap_or_default(),
            account: self.account.unwrap_or_default(),
            symbols: symbols.collect::<Result<_, _>>()?,
            prefix: prefix(name)?,
            wait: Wait::default(),
            note,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stop_inner = Arc::clone(&stop);
        let mut trading = tokio::task::spawn_blocking(move || {
            Ok::<_, anyhow::Error>(trade_over_shared_memory(
                shared,
                build(name, params)?,
                &stop_inner,
            )?)
        });
        tokio::select! {
            ended = &mut trading => return ended?,
            stopped = stopped(self.seconds) => stopped?,
        }
        stop.store(true, Ordering::Relaxed);
        trading.await?
    }

    /// Finds the instruments to trade. A feed defines them as it starts, so they may take a moment to be there.
    async fn instruments(&self, client: &Client) -> Result<Vec<Instrument>> {
        let until = Instant::now() + SYMBOLS_WAIT;
        let (mut count, mut changed_at) = (0, Instant::now());
        let mut found = loop {
            let mut found = client.instruments().await?;
            found.retain(|i| self.symbols.is_empty() || self.symbols.contains(&i.symbol));
            if found.len() != count {
                (count, changed_at) = (found.len(), Instant::now());
            }
            let is_complete = if self.symbols.is_empty() {
                count > 0 && changed_at.elapsed() >= SYMBOLS_QUIET
            } else {
                count == self.symbols.len()
            };
            if is_complete || Instant::now() >= until {
                break found;
            }
            tokio::time::sleep(POLL).await;
        };
        ensure!(count > 0, "the server lists none of the symbols to trade");
        if count < self.symbols.len() {
            let asked = self.symbols.len();
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
    };
    tokio::select! {
        () = time_is_up => {}
        () = input_ends => {}
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen to Ctrl-C")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_where_to_trade_and_for_whom() {
        for (line, is_good) in [
            ("--account 1 --token t", true),
            ("--account 1 --token t --size 0", false),
            ("--account 1 --token t --size 1", true),
            ("--account 1 --token t --size 1000000000", true),
            ("--account 1 --token t --size 1000000001", false),
            ("--account 1 --token t --param hold_ms=5", true),
            ("--token t", false),
            ("--lock-step --addr 127.0.0.1:1", true),
            ("--lock-step --account 1", false),
            ("--account 1 --token t --door data/journal/door.sock", true),
            ("--lock-step --door data/journal/door.sock", false),
        ] {
            let args = Args::try_parse_from(format!("strategy {line}").split(' '));
            assert_eq!(args.is_ok(), is_good, "{line}");
        }
    }
}
