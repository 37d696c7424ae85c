//! Starting and stopping.

use crate::tally::note;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::time::Duration;
use tidegate_client::proto::Instrument;
use tidegate_client::{Client, PriceGrid};
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

/// An example strategy: trades over gRPC until it is told to stop, then cancels its orders and says what it did.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:7800")]
    pub addr: String,
    /// The token that lets us trade.
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    pub token: String,
    /// The account to trade for.
    #[arg(long)]
    pub account: u32,
    /// The symbols to trade, separated by commas; without, the first 32 there are.
    #[arg(long, value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Stop after this many seconds; without, at SIGTERM, Ctrl-C or the end of standard input.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Shares (or contracts) of one order, in the instrument's smallest order quantity.
    #[arg(long, default_value_t = 100)]
    pub size: u64,
}

impl Args {
    /// Connects to the server.
    ///
    /// # Errors
    /// Says what is wrong with the address, or that nobody answers there.
    pub async fn connect(&self) -> Result<Client> {
        Ok(Client::connect(&self.addr, Some(&self.token)).await?)
    }

    /// Finds the instruments to trade. A feed defines them as it starts, so they may take a moment to be there.
    ///
    /// # Errors
    /// If none of the symbols is there after some seconds.
    pub async fn markets(&self, client: &Client) -> Result<Vec<Market>> {
        let until = Instant::now() + SYMBOLS_WAIT;
        let (mut count, mut changed_at) = (0, Instant::now());
        loop {
            let all = client.instruments().await?;
            let is_wanted =
                |i: &&Instrument| self.symbols.is_empty() || self.symbols.contains(&i.symbol);
            let found: Vec<&Instrument> = all.iter().filter(is_wanted).collect();
            if found.len() != count {
                (count, changed_at) = (found.len(), Instant::now());
            }
            let is_complete = if self.symbols.is_empty() {
                count > 0 && changed_at.elapsed() >= SYMBOLS_QUIET
            } else {
                count == self.symbols.len()
            };
            if is_complete || Instant::now() >= until {
                ensure!(count > 0, "the server lists none of the symbols to trade");
                if count < self.symbols.len() {
                    let asked = self.symbols.len();
                    note(format_args!("the server lists {count} of {asked} symbols"));
                }
                return found.into_iter().take(SYMBOLS_MAX).map(Market::new).collect();
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// One instrument to trade.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its symbol.
    pub symbol: String,
    /// Its prices and quantities as whole numbers.
    pub grid: PriceGrid,
}

impl Market {
    fn new(instrument: &Instrument) -> Result<Self> {
        let symbol = instrument.symbol.clone();
        let grid = PriceGrid::new(instrument).with_context(|| symbol.clone())?;
        Ok(Self { symbol, grid })
    }
}

/// Waits until we are asked to stop: time is up, SIGTERM, Ctrl-C, or the end of standard input, which is how a parent
/// process says goodbye.
///
/// # Errors
/// If signals cannot be listened to.
pub async fn stopped(args: &Args) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let time_is_up = async {
        match args.seconds {
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
        if args.seconds.is_some() {
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
