//! Starting and stopping.

use crate::Desk;
use crate::tally::note;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::pin::Pin;
use std::time::Duration;
use tidegate_client::proto::{Instrument, ListPositionsRequest};
use tidegate_client::{Client, PriceGrid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How often the list of instruments is looked at while symbols are missing.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait for all symbols before going on with those there are.
const SYMBOLS_WAIT: Duration = Duration::from_secs(5);
/// When none are named, those there are when no new one has come for this long.
const SYMBOLS_QUIET: Duration = Duration::from_millis(500);
/// Order lots of one order: positions of ten and more of them are still far inside 64 bits.
const SIZE_MAX: u64 = 1_000_000_000;
/// Symbols traded when none are named.
const SYMBOLS_MAX: usize = 32;

/// An example strategy: trades over gRPC until it is told to stop, then cancels its orders and says what it did.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:7800")]
    addr: String,
    /// The token that lets us trade.
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: String,
    /// The account to trade for.
    #[arg(long)]
    account: u32,
    /// The symbols to trade, separated by commas; without, the first 32 there are.
    #[arg(long, value_delimiter = ',')]
    symbols: Vec<String>,
    /// Stop after this many seconds; without, at SIGTERM, Ctrl-C or the end of standard input.
    #[arg(long)]
    seconds: Option<u64>,
    /// Shares (or contracts) of one order, in the instrument's smallest order quantity.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=SIZE_MAX))]
    size: u64,
}

/// All that a strategy trades with.
pub struct Start {
    /// The connection, for market data and questions.
    pub client: Client,
    /// The order session.
    pub desk: Desk,
    /// What to trade: one at least.
    pub markets: Vec<Market>,
    /// Order lots of one order: 1 to 1,000,000,000.
    pub size: u64,
    /// Is done when we are asked to stop.
    pub stop: Pin<Box<dyn Future<Output = Result<()>>>>,
}

/// One instrument to trade.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its symbol.
    pub symbol: String,
    /// Its prices and quantities as whole numbers.
    pub grid: PriceGrid,
    /// What the account held of it when we started, in order lots; negative when short.
    pub held: i64,
}

impl Start {
    /// Reads the command line, connects, finds the markets and what we hold of them, and opens an order session.
    ///
    /// `None` if we were asked to stop before there was anything to trade.
    ///
    /// # Errors
    /// Says what is wrong with the command line's values, that nobody answers at the address, that the token is
    /// unknown, or that none of the symbols is there after some seconds.
    pub async fn new(strategy: &'static str) -> Result<Option<Self>> {
        let args = Args::parse();
        let client = Client::connect(&args.addr, Some(&args.token)).await?;
        let mut stop: Pin<Box<dyn Future<Output = _>>> = Box::pin(stopped(args.seconds));
        let markets = tokio::select! {
            markets = args.markets(&client) => markets?,
            stopped = &mut stop => {
                stopped?;
                Vec::new()
            }
        };
        let desk = Desk::open(&client, strategy, args.account, markets.len()).await?;
        if markets.is_empty() {
            desk.close().await?.print()?;
            return Ok(None);
        }
        Ok(Some(Self { client, desk, markets, size: args.size, stop }))
    }
}

impl Args {
    /// Finds the instruments to trade. A feed defines them as it starts, so they may take a moment to be there.
    async fn markets(&self, client: &Client) -> Result<Vec<Market>> {
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
        let mut markets = Vec::new();
        for instrument in &found {
            markets.push(self.market(client, instrument).await?);
        }
        Ok(markets)
    }

    async fn market(&self, client: &Client, instrument: &Instrument) -> Result<Market> {
        let symbol = instrument.symbol.clone();
        let grid = PriceGrid::new(instrument).with_context(|| symbol.clone())?;
        let ours = ListPositionsRequest {
            account: Some(self.account),
            symbol: symbol.clone(),
            ..Default::default()
        };
        let held = match client.list_positions(ours).await?.positions.first() {
            Some(position) => grid.lots(&position.qty)?,
            None => 0,
        };
        Ok(Market { symbol, grid, held })
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
    fn sizes_that_nothing_can_be_divided_by_are_refused() {
        for (size, is_good) in
            [("0", false), ("1", true), ("1000000000", true), ("1000000001", false)]
        {
            let line = ["strategy", "--account", "1", "--token", "t", "--size", size];
            let args = Args::try_parse_from(line);
            assert_eq!(args.is_ok(), is_good, "{size}");
        }
    }
}
