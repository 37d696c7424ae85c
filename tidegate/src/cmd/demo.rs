//! `tidegate demo`

mod report;
mod strategies;

use super::run::{Feed, RunningFeed, random_token, stop_on_signal};
use crate::config::{Config, Token};
use crate::system::System;
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strategies::Strategies;
use tidegate_edge::{EdgeConfig, TokenEntry};
use tidegate_engine::core::NoOutput;
use tidegate_engine::latency::{self, Latency, Window};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime;
use tidegate_feed_handler::binary_file;
use tidegate_feed_handler::mold_udp64::SessionName;
use tidegate_feed_handler::server::{FeedServer, PlayError, ServerConfig, ServerStats, Speed};
use tidegate_feed_handler::source::{Format, Source};
use tidegate_feed_handler::synthetic::{Length, Parameters, Session, write_session};
use tidegate_feed_handler::udp::{AfterSession, FeedStats};
use tidegate_model::command::Role;
use tidegate_model::market::MarketEventKind;
use tidegate_model::{MarketEvent, PrincipalId, Symbol};

/// Sees the whole system trade on this machine: a feed over loopback UDP (MoldUDP64), the engine with its journal,
/// the gRPC edge, and two strategies in processes of their own: a market maker that shares memory with the engine, and a momentum
/// trader over gRPC.
///
/// At the end the journal is replayed from nothing, and the exit code is 0 only if both reached the same state.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// How long the market is played, 5 to 3600.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// A market data file to play (ITCH 5.0 BinaryFILE: plain, .gz or .zst); a made-up session by default.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How many times faster than recorded the file is played, 1 to 1000.
    #[arg(long, default_value_t = 10, requires = "input", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    speed: u32,
    /// The seed of the made-up session: the same one gives the same market.
    #[arg(long, default_value_t = 1, conflicts_with = "input")]
    seed: u64,
    /// Where the journal and the session are kept; a new folder in data/ by default.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Symbols of the made-up market, and at most of a file, that the strategies trade.
const SYMBOLS: u16 = 8;
/// Messages of a file that are looked at to find its busiest symbols.
const SCAN_MESSAGES_MAX: u64 = 3_000_000;
/// Half past nine in New York: what a whole day's file has before is played flat out.
const OPENING_NS: u64 = (9 * 3_600 + 30 * 60) * 1_000_000_000;
/// How long a strategy may take to end after it was asked to.
const STRATEGY_GRACE: Duration = Duration::from_secs(10);
/// The account of each strategy.
const ACCOUNTS: [(u32, &str); 2] = [(1, "market-maker"), (2, "momentum")];
/// The account of whoever watches, with a token that is printed.
const GUEST: (u32, &str) = (3, "guest");
/// Where gRPC listens if nobody else does.
const PORT: u16 = 7_800;

/// Runs the command.
pub fn run(args: DemoArgs) -> Result<()> {
    let stop = stop_on_signal()?;
    let mut out = io::stdout().lock();
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => PathBuf::from(format!("data/demo-{}", runtime::unix_now().0 / 1_000_000_000)),
    };
    ensure!(
        !dir.join("journal").exists(),
        "{} holds a journal already; name another folder with --dir",
        dir.display()
    );
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    writeln!(out, "Tidegate demo: everything is in {}", dir.display())?;

    let input = match &args.input {
        Some(path) => path.clone(),
        None => make_session(&dir, &args)?,
    };
    let symbols =
        busiest_symbols(&input).with_context(|| format!("reading {}", input.display()))?;
    let names: Vec<_> = symbols.iter().map(Symbol::as_str).collect();
    writeln!(out, "market     {} ({})", input.display(), names.join(" "))?;

    let outcome = trade(&args, &dir, &input, &symbols, &stop, &mut out)?;
    writeln!(out, "replay     the journal from nothing ...")?;
    let replayed = replay(&dir.join("journal"), &mut NoOutput, |_| {})?;
    let replayed = replayed.context("the journal holds no inputs")?;
    let report = Report::new(outcome, &replayed, &dir)?;
    report.print(&mut out)?;
    report.verdict(&mut out)
}

/// What a demo leaves behind.
struct Outcome {
    stopped: runtime::Stopped,
    feed: Arc<FeedStats>,
    latency: latency::Report,
    strategies: Vec<serde_json::Value>,
    market_seconds: f64,
}

fn trade(
    args: &DemoArgs,
    dir: &Path,
    input: &Path,
    symbols: &[Symbol],
    stop: &Arc<AtomicBool>,
    out: &mut impl Write,
) -> Result<Outcome> {
    let mut config = Config::parse(include_str!("demo/demo.toml")).context("demo.toml")?;
    config.journal.dir = dir.join("journal");
    let request_addr = free_port()?;
    config.feed.line_a = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.feed.rerequest = Some(request_addr);

    for (account, name) in ACCOUNTS.into_iter().chain([GUEST]) {
        let person = Token::of_person(random_token()?, PrincipalId(account), name);
        config.edge.tokens.push(match (account, name) {
            GUEST => Token { may_administer: true, may_control: true, ..person },
            _ => Token { role: Role::Strategy, ..person },
        });
    }
    let mut tokens: Vec<_> = config.edge.tokens.iter().map(Token::entry).collect();
    let all = tokens.clone();
    let guest = tokens.pop().context("the guest has a token")?;
    let (listen, door) = (edge_addr(), config.door());
    let door_path = door.clone();
    let edge_config = EdgeConfig { listen, door, tokens: all, ..Default::default() };

    let (feed_in, feed_out) = runtime::feed_ring();
    let feed = Feed::bind(&config, feed_in, AfterSession::End)?.context("the demo has a feed")?;
    let line = feed.line_addr()?;
    let door = door_path.as_deref();
    let show = Show { args, input, symbols, door, tokens: &tokens, stop, line, request_addr };
    let system = System::start(&config, edge_config, feed_out)?;
    let edge = system.edge_addr;
    let latency: Arc<Latency> = Arc::clone(&system.latency);
    let played = writeln!(out, "gRPC       http://{edge} (reflection and health are on)")
        .and_then(|()| {
            let (token, account) = (&guest.token, GUEST.0);
            writeln!(out, "your token {token} (trades account {account}, may administer)")
        })
        .and_then(|()| match door {
            Some(door) => writeln!(out, "door       {} (shared memory)", door.display()),
            None => Ok(()),
        })
        .map_err(Into::into)
        .and_then(|()| show.play(feed, &system, out));
    let has_failed = system.has_failed();
    let stopped = system.stop();
    let (stopped, (watched, feed)) = if has_failed {
        first(stopped, played)?
    } else {
        let (played, stopped) = first(played, stopped)?;
        (stopped, played)
    };
    let Watched { strategies, market_seconds } = watched;
    let latency = latency.report(Window::Start, runtime::unix_now());
    Ok(Outcome { stopped, feed, latency, strategies, market_seconds })
}

/// Both, or the error that came first.
fn first<A, B>(earlier: Result<A>, later: Result<B>) -> Result<(A, B)> {
    let earlier = earlier?;
    Ok((earlier, later?))
}

/// What is played, to whom, and for how long. Each of its steps starts one thing more, lets the next step run, and
/// stops what it started whatever came of that.
struct Show<'a> {
    args: &'a DemoArgs,
    input: &'a Path,
    symbols: &'a [Symbol],
    door: Option<&'a Path>,
    tokens: &'a [TokenEntry],
    stop: &'a AtomicBool,
    line: SocketAddr,
    request_addr: SocketAddr,
}

/// What the strategies did, and how long everything took.
struct Watched {
    strategies: Vec<serde_json::Value>,
    market_seconds: f64,
}

impl Show<'_> {
    fn play(
        &self,
        feed: Feed,
        system: &System,
        out: &mut impl Write,
    ) -> Result<(Watched, Arc<FeedStats>)> {
        let feed = feed.start(Arc::clone(&system.latency))?;
        system.feed_runs(&feed.stats);
        let sent = self.send(&feed, system, out);
        let (watched, (_, stats)) = first(sent, feed.stop())?;
        Ok((watched, stats))
    }

    fn send(&self, feed: &RunningFeed, system: &System, out: &mut impl Write) -> Result<Watched> {
        let server = Server::start(self.input, self.line, self.request_addr, self.args)?;
        let traded = self.trade(feed, system, out);
        let (watched, ()) = first(traded, server.stop())?;
        Ok(watched)
    }

    fn trade(&self, feed: &RunningFeed, system: &System, out: &mut impl Write) -> Result<Watched> {
        let mut strategies =
            Strategies::start(system.edge_addr, self.door, self.tokens, self.symbols)?;
        let started = Instant::now();
        let watched = watch(self.args, system, feed, &mut strategies, self.stop, out);
        let market_seconds = started.elapsed().as_secs_f64();
        let said = strategies.stop(STRATEGY_GRACE);
        let ((), strategies) = first(watched.map_err(Into::into), said)?;
        Ok(Watched { strategies, market_seconds })
    }
}

/// Shows what happens until time is up, the market ends, Ctrl-C is pressed or something fails.
fn watch(
    args: &DemoArgs,
    system: &System,
    feed: &RunningFeed,
    strategies: &mut Strategies,
    stop: &AtomicBool,
    out: &mut impl Write,
) -> io::Result<()> {
    let bar = ProgressBar::new(args.seconds * 10);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let is_terminal = !bar.is_hidden();
    let started = Instant::now();
    let mut last_told = 0;
    loop {
        let elapsed = started.elapsed();
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let status = &system.status;
        let told = format!(
            "{} market messages, {} commands, {} fills, {} gaps",
            load(&feed.stats.messages),
            load(&status.commands),
            load(&status.fills),
            load(&feed.stats.gaps)
        );
        bar.set_position(elapsed.as_millis() as u64 / 100);
        if !is_terminal && elapsed.as_secs() >= last_told + 5 {
            last_told = elapsed.as_secs();
            writeln!(out, "{last_told:>4} s     {told}")?;
        }
        bar.set_message(told);
        let over = elapsed.as_secs() >= args.seconds
            || stop.load(Ordering::Relaxed)
            || feed.is_finished()
            || system.has_failed()
            || strategies.has_ended();
        if over {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
    Ok(())
}

/// The sender's thread.
struct Server {
    thread: JoinHandle<Result<(), PlayError>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn start(
        input: &Path,
        line: SocketAddr,
        requests: SocketAddr,
        args: &DemoArgs,
    ) -> Result<Self> {
        let mut file = binary_file::open(input)?;
        let speed = Speed::Times(if args.input.is_some() { args.speed } else { 1 });
        let server = FeedServer::bind(ServerConfig {
            request_listen: requests,
            session: SessionName::new("DEMO").context("a valid session name")?,
            speed,
            pace_from_ns: OPENING_NS,
            linger: Duration::from_secs(1),
            ..ServerConfig::new(line)
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let stop_inner = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("feed-server".into())
            .spawn(move || server.run(&mut file, &stop_inner, &ServerStats::default()).map(|_| ()))
            .context("cannot start the sender's thread")?;
        Ok(Self { thread, stop })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(done) => Ok(done.context("the market data file")?),
            Err(_) => bail!("the sender's thread stopped on a broken invariant"),
        }
    }
}

/// Makes up a session as long as the demo and writes it into `dir`.
fn make_session(dir: &Path, args: &DemoArgs) -> Result<PathBuf> {
    let path = dir.join("session.itch");
    let parameters = Parameters {
        seed: args.seed,
        symbols: SYMBOLS,
        length: Length::DurationNs(args.seconds * 1_000_000_000),
        ..Default::default()
    };
    let mut out = BufWriter::new(
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?,
    );
    write_session(Session::new(parameters)?, &mut out, |_, _| {})?;
    out.into_inner().context("cannot write the session")?;
    Ok(path)
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

/// The usual port, or any free one if it is taken.
fn edge_addr() -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], PORT));
    let is_free = std::net::TcpListener::bind(usual).is_ok();
    if is_free { usual } else { SocketAddr::from(([127, 0, 0, 1], 0)) }
}

/// A port of loopback that nobody uses now.
fn free_port() -> Result<SocketAddr> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).context("cannot open a loopback port")?;
    Ok(socket.local_addr()?)
}
