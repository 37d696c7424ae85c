//! What the demo plays: a file, or a market that is made up while it is played.

use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_feed_handler::binary_file::{self, Reader};
use tidegate_feed_handler::mold_udp64::SessionName;
use tidegate_feed_handler::server::{FeedServer, PlayError, ServerConfig, ServerStats, Speed};
use tidegate_feed_handler::source::{Format, Source};
use tidegate_feed_handler::synthetic::{
    Length, MESSAGES_PER_SEC, Parameters, START_TIME_NS, Session, Stream,
};
use tidegate_model::market::MarketEventKind;
use tidegate_model::{MarketEvent, Symbol};

/// Symbols of the made-up market, and at most of a file, that the strategies trade.
const SYMBOLS: u16 = 8;
/// Messages of a file that are looked at to find its busiest symbols.
const SCAN_MESSAGES_MAX: u64 = 3_000_000;
/// Half past nine in New York: what a whole day's file has before is played flat out.
const OPENING_NS: u64 = (9 * 3_600 + 30 * 60) * 1_000_000_000;
/// A market without an end begins at one in the morning, and is as long as a day then allows.
const ENDLESS_START_NS: u64 = 3_600 * 1_000_000_000;
const ENDLESS_NS: u64 = 22 * 3_600 * 1_000_000_000;
/// Messages a second of a market without an end: 100 MB of journal an hour.
const ENDLESS_RATE: u32 = 400;

/// A market to play.
pub struct Market {
    from: From,
    symbols: Vec<Symbol>,
}

enum From {
    File { path: PathBuf, speed: u32 },
    MadeUp { session: Box<Session>, parameters: Parameters },
}

impl Market {
    /// The file if there is one, so many times faster than recorded; else one of `seed`, busy for so many seconds or quiet without
    /// an end.
    pub fn new(input: Option<&Path>, speed: u32, seed: u64, seconds: Option<u64>) -> Result<Self> {
        if let Some(path) = input {
            let symbols =
                busiest_symbols(path).with_context(|| format!("reading {}", path.display()))?;
            return Ok(Self { from: From::File { path: path.into(), speed }, symbols });
        }
        let (length_ns, messages_per_sec, start_time_ns) = match seconds {
            Some(seconds) => (seconds * 1_000_000_000, MESSAGES_PER_SEC, START_TIME_NS),
            None => (ENDLESS_NS, ENDLESS_RATE, ENDLESS_START_NS),
        };
        let length = Length::DurationNs(length_ns);
        let parameters =
            Parameters { seed, symbols: SYMBOLS, length, messages_per_sec, start_time_ns };
        let session = Box::new(Session::new(parameters)?);
        let symbols = session.symbols().collect();
        Ok(Self { from: From::MadeUp { session, parameters }, symbols })
    }

    /// What the strategies trade.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The seed of one that is made up, and where each symbol's price begins, in 1/100 cent.
    pub fn openings(&self) -> Option<(u64, Vec<(Symbol, u32)>)> {
        let From::MadeUp { session, parameters } = &self.from else { return None };
        Some((parameters.seed, session.symbols().zip(session.prices()).collect()))
    }

    /// Begins to send it to `line`, on a thread of its own.
    pub fn play(&self, line: SocketAddr, requests: SocketAddr) -> Result<Server> {
        match &self.from {
            From::File { path, speed } => {
                Server::start(binary_file::open(path)?, *speed, OPENING_NS, line, requests)
            }
            From::MadeUp { session, parameters } => {
                let reader = Reader::new(Stream::new((**session).clone()));
                Server::start(reader, 1, parameters.start_time_ns, line, requests)
            }
        }
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            From::File { path, speed } => write!(f, "{} {speed} times as fast", path.display())?,
            From::MadeUp { parameters, .. } => write!(f, "made up of seed {}", parameters.seed)?,
        }
        let names: Vec<_> = self.symbols.iter().map(Symbol::as_str).collect();
        write!(f, " ({})", names.join(" "))
    }
}

/// The sender's thread.
pub struct Server {
    thread: JoinHandle<Result<(), PlayError>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn start<R: Read + Send + 'static>(
        mut reader: Reader<R>,
        speed: u32,
        pace_from_ns: u64,
        line: SocketAddr,
        requests: SocketAddr,
    ) -> Result<Self> {
        let server = FeedServer::bind(ServerConfig {
            request_listen: requests,
            session: SessionName::new("DEMO").context("a valid session name")?,
            speed: Speed::Times(speed),
            pace_from_ns,
            linger: Duration::from_secs(1),
            ..ServerConfig::new(line)
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("feed-server".into())
            .spawn(move || server.run(&mut reader, &told, &ServerStats::default()).map(|_| ()))
            .context("cannot start the sender's thread")?;
        Ok(Self { thread, stop })
    }

    /// Ends the session, and what was wrong with it.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(done) => Ok(done.context("the market data file")?),
            Err(_) => bail!("the sender's thread stopped on a broken invariant"),
        }
    }
}

/// The symbols with the most orders in the first [`SCAN_MESSAGES_MAX`] messages, busiest first.
fn busiest_symbols(path: &Path) -> Result<Vec<Symbol>> {
    let mut source = Source::open(path)?;
    ensure!(source.format() == Format::Itch, "only ITCH 5.0 in BinaryFILE framing can be played");
    // By stock locate: its symbol and how many orders were added.
    let mut counted = vec![(Symbol::EMPTY, 0u64); 1 << 16];
    let mut count = |event: MarketEvent| {
        let Some(entry) = counted.get_mut(event.channel_id as usize) else { return };
        if let Some(definition) = event.definition() {
            entry.0 = definition.symbol;
        }
        entry.1 += u64::from(event.kind == MarketEventKind::Add.wire());
    };
    while source.messages() < SCAN_MESSAGES_MAX && source.read_message(&mut count)? {}
    counted.retain(|(symbol, orders)| !symbol.is_empty() && *orders > 0);
    counted.sort_by_key(|(_, orders)| std::cmp::Reverse(*orders));
    ensure!(!counted.is_empty(), "it holds no orders to trade against");
    Ok(counted.into_iter().take(SYMBOLS.into()).map(|(symbol, _)| symbol).collect())
}
