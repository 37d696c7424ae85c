//! `tidegate run`

use super::backtest::{parse_symbol, strategies};
use crate::config::{Config, DEFAULT_TOML, StrategyEntry, Token};
use crate::replica::{self, Role};
use crate::starting::raise_open_files;
use crate::system::System;
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_edge::EdgeConfig;
use tidegate_engine::latency::Latency;
use tidegate_engine::runtime;
use tidegate_feed_handler::udp::{AfterSession, FeedConfig, FeedOutcome, FeedReceiver, FeedStats};
use tidegate_model::{AccountId, MarketEvent, PrincipalId, Symbol, UnixNanos};
use tidegate_replication::node::Node;

/// Runs the server until Ctrl-C: feed, engine, journal and gRPC edge.
///
/// Without a configuration it listens on loopback, has no feed, and prints a token for this run. Accounts, instruments, limits
/// and controls come from the configuration or over gRPC, where limits take two persons; an account without limits cannot trade.
/// Started again on the same journal, it recovers everything that was acknowledged.
///
/// With --strategy a strategy trades inside the engine, on its thread, as it would in a backtest: it hears each change of the market and
/// of its orders when it has happened, and what it answers goes in at once. A standby takes it from the section `[strategy]` of its
/// configuration, and begins with it when it leads.
///
/// Ctrl-C stops it in order: the feed ends, the strategy says its last word, open orders are canceled, the journal is sealed.
#[derive(Debug, clap::Args)]
#[command(after_help = strategies())]
pub struct RunArgs {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every key with its default and what is allowed, and exit.
    #[arg(long)]
    print_config: bool,
    /// As one of several nodes: lead even if acknowledged inputs may be missing here.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    strategy: StrategyArgs,
}

/// What trades inside the engine, in place of the section `[strategy]` of the configuration.
#[derive(Debug, clap::Args)]
struct StrategyArgs {
    /// A strategy that is built in, to trade inside the engine as it does in a backtest; in place of `[strategy]` in the configuration
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// A parameter of the strategy; can be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "strategy")]
    param: Vec<String>,
    /// The account that it trades for; without, the first of the configuration
    #[arg(long, value_name = "N", requires = "strategy", value_parser = clap::value_parser!(u32).range(0..AccountId::COUNT_MAX as i64))]
    account: Option<u32>,
    /// Trade only these symbols; without, the first 32 there are
    #[arg(long, value_name = "S,S", requires = "strategy", value_delimiter = ',', value_parser = parse_symbol)]
    symbols: Vec<Symbol>,
}

impl StrategyArgs {
    /// Puts it into `config`.
    ///
    /// # Errors
    /// If there is no such strategy, it has no such parameter, or nobody says for which account it trades.
    fn put_into(self, config: &mut Config) -> Result<()> {
        let Some(name) = self.strategy else { return Ok(()) };
        let own = config.strategy.take().map(|entry| entry.principal);
        let entry = StrategyEntry::of(name, self.param, self.account, self.symbols, own);
        entry.check(config)?;
        config.strategy = Some(entry);
        Ok(())
    }
}

/// Runs the command.
pub fn run(args: RunArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    if args.print_config {
        write!(out, "{DEFAULT_TOML}")?;
        return Ok(());
    }
    let mut config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    args.strategy.put_into(&mut config)?;
    let edge_config = edge_config(&mut config, &mut out)?;
    let stop = stop_on_signal()?;
    raise_open_files();
    let node = config.replication.as_ref().map(replica::node).transpose()?;
    let role = match &node {
        None => Role::Alone,
        Some(node) => {
            let leading = replica::lead(node, &config.journal.dir, args.force)?;
            writeln!(out, "primary   {} in epoch {}", node.name(), leading.epoch)?;
            Role::Primary(node, leading)
        }
    };
    let (feed_in, feed_out) = runtime::feed_ring();
    let feed = Feed::bind(&config, feed_in, AfterSession::Wait)?;
    let system = System::start_as(&role, &config, edge_config, feed_out)?;
    serve(&mut out, &config, system, feed, &stop, node.as_ref())
}

/// Serves until something ends it, and stops in order.
pub fn serve(
    out: &mut impl Write,
    config: &Config,
    system: System,
    feed: Option<Feed>,
    stop: &AtomicBool,
    node: Option<&Node>,
) -> Result<()> {
    let line = feed.as_ref().map(Feed::line_addr).transpose()?;
    // What runs is stopped in order, even if nobody can be told any more.
    let mut told = greet(out, config, &system, line);
    let latency = &system.latency;
    let feed = feed.map(|feed| feed.start(Arc::clone(latency))).transpose()?;
    if let Some(feed) = &feed {
        system.feed_runs(&feed.stats);
    }
    match system.settle_in(config) {
        Ok([threads, memory]) if told.is_ok() => {
            told = writeln!(out, "threads   {threads}\nmemory    {memory}\nCtrl-C stops.");
        }
        Ok(_) => {}
        // Slower than planned is better than not at all.
        Err(error) => tracing::error!("{error:#}; threads stay where the system has them"),
    }

    if told.is_ok() {
        told = wait(out, stop, || system.has_failed(), feed.as_ref());
    }
    let given = node.and_then(Node::given_to);
    told = told.and_then(|()| match &given {
        Some(to) => writeln!(out, "given     to {to}, which leads"),
        None => writeln!(out, "stopping: feed, orders, journal"),
    });
    // An engine that fails lets its feed go, not the other way round.
    let engine_failed = system.has_failed();
    let feed = feed.map(RunningFeed::stop).transpose();
    let stopped = system.stop();
    if given.is_some() {
        return Ok(told?);
    }
    if engine_failed {
        return stopped.map(|_| ()).and(Err(anyhow!("the engine stopped by itself")));
    }
    let feed = feed?;
    let stopped = stopped?;
    replica::closed(config, true);
    told?;
    if let Some((outcome, stats)) = feed {
        let load = |cell: &std::sync::atomic::AtomicU64| cell.load(Ordering::Relaxed);
        writeln!(
            out,
            "feed      {outcome:?}: {} messages, {} gaps, {} recovered, {} lost",
            load(&stats.messages),
            load(&stats.gaps),
            load(&stats.recovered),
            load(&stats.lost)
        )?;
    }
    writeln!(out, "stopped   after input {}, state hash {}", stopped.seq, stopped.state_hash)?;
    Ok(())
}

/// Waits until something ends: `stop` is set, the engine has failed, or the feed has, or nobody can be told any more.
/// Tells of each session of the feed that is over.
fn wait(
    out: &mut impl Write,
    stop: &AtomicBool,
    has_failed: impl Fn() -> bool,
    feed: Option<&RunningFeed>,
) -> io::Result<()> {
    let mut told = 0;
    loop {
        // Read before the end of a session, so that whatever ended before is still told.
        let is_over = stop.load(Ordering::Relaxed)
            || has_failed()
            || feed.is_some_and(RunningFeed::is_finished);
        if let Some(end) =
            feed.and_then(|feed| feed.stats.last_end()).filter(|end| end.count > told)
        {
            told = end.count;
            writeln!(
                out,
                "feed: session {} over after {} messages; waiting for the next",
                end.session, end.messages
            )?;
        }
        if is_over {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Says where everything is. `line` is where the feed listens, with the port that the system chose for 0.
fn greet(
    out: &mut impl Write,
    config: &Config,
    system: &System,
    line: Option<SocketAddr>,
) -> io::Result<()> {
    writeln!(out, "journal   {}", config.journal.dir.display())?;
    if let Some(report) = system.recovered() {
        let from = match report.from {
            Some(seq) => format!("the snapshot after input {seq}"),
            None => "its first input".into(),
        };
        let (inputs, took) = (report.inputs, report.took.as_secs_f64());
        let open = system.status.open_orders.load(Ordering::Relaxed);
        writeln!(
            out,
            "recovered {inputs} inputs from {from} on, in {took:.2} s; {open} orders are open"
        )?;
    }
    writeln!(out, "release   {} (nothing leaves before)", system.release.level())?;
    let scheme = if config.edge.tls.is_some() { "https" } else { "http" };
    writeln!(out, "gRPC      {scheme}://{} (reflection and health are on)", system.edge_addr)?;
    if let Some(strategy) = &config.strategy {
        let account = strategy.account(config).map_or(0, |account| account.0);
        writeln!(out, "strategy  {} for account {account}", strategy.name)?;
    }
    if let Some(addr) = system.metrics_addr {
        writeln!(out, "metrics   http://{addr}/metrics")?;
    }
    match line {
        Some(line) => writeln!(out, "feed      MoldUDP64 at {line}"),
        None => writeln!(out, "feed      none: set [feed] line_a"),
    }
}

/// A flag that Ctrl-C and a polite kill set.
pub fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    Ok(stop)
}

/// The edge as the configuration has it; a token is made up and told where there is none.
pub fn edge_config(config: &mut Config, out: &mut impl Write) -> Result<EdgeConfig> {
    if config.edge.tokens.is_empty() && config.edge.listen.ip().is_loopback() {
        let token = random_token()?;
        writeln!(out, "token     {token} (for this run; set [[edge.tokens]] for one of your own)")?;
        let operator = Token::of_person(token, PrincipalId(1), "operator");
        config.edge.tokens.push(Token { may_administer: true, may_control: true, ..operator });
    }
    let tokens = config.edge.tokens.iter().map(Token::entry).collect();
    let routes = config.routes.iter().map(|route| route.name.clone()).collect();
    let (listen, door) = (config.edge.listen, config.door());
    let tls = config.edge.tls.clone().map(Into::into);
    let edge = EdgeConfig { listen, door, tokens, routes, tls, ..Default::default() };
    // Before anything is recovered or written.
    edge.check().context("the configuration cannot be served")?;
    Ok(edge)
}

/// 128 random bits of the system's, as text.
pub fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read random bytes for a token")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The feed's sockets and ring, before its thread runs.
pub struct Feed {
    receiver: FeedReceiver,
    ring: rtrb::Producer<MarketEvent>,
}

/// The feed's thread.
pub struct RunningFeed {
    thread: JoinHandle<Result<FeedOutcome, tidegate_feed_handler::Error>>,
    stop: Arc<AtomicBool>,
    /// What it has seen.
    pub stats: Arc<FeedStats>,
}

impl Feed {
    /// Opens the sockets that the configuration names; `None` if it names none.
    pub fn bind(
        config: &Config,
        ring: rtrb::Producer<MarketEvent>,
        after_session: AfterSession,
    ) -> Result<Option<Self>> {
        let Some(line_a) = config.feed.line_a else { return Ok(None) };
        let midnight = config.feed.midnight_unix_s;
        let receiver = FeedReceiver::bind(FeedConfig {
            line_b: config.feed.line_b,
            interface: config.feed.interface.unwrap_or(Ipv4Addr::UNSPECIFIED),
            request_server: config.feed.rerequest,
            midnight: midnight.map(|seconds| UnixNanos(seconds.get() * 1_000_000_000)),
            after_session,
            ..FeedConfig::new(line_a)
        })?;
        Ok(Some(Self { receiver, ring }))
    }

    /// Where line A arrives.
    pub fn line_addr(&self) -> Result<SocketAddr> {
        self.receiver.line_addrs().first().copied().context("the feed has a line")
    }

    /// Starts to receive; `latency` hears how long decoding takes.
    pub fn start(mut self, latency: Arc<Latency>) -> Result<RunningFeed> {
        self.receiver.on_decoded(Box::new(move |received, at| latency.decoded(received, at)));
        let (stop, stats) = (Arc::new(AtomicBool::new(false)), Arc::new(FeedStats::default()));
        let (stop_inner, stats_inner) = (Arc::clone(&stop), Arc::clone(&stats));
        let thread = std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || self.receiver.run(self.ring, &stop_inner, &stats_inner))
            .context("cannot start the feed's thread")?;
        Ok(RunningFeed { thread, stop, stats })
    }
}

impl RunningFeed {
    /// Stops receiving.
    pub fn stop(self) -> Result<(FeedOutcome, Arc<FeedStats>)> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(outcome) => Ok((outcome?, self.stats)),
            Err(_) => anyhow::bail!("the feed's thread stopped on a broken invariant"),
        }
    }

    /// True once the feed has failed, or has ended after its session (see [`AfterSession`]).
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(outcome: Result<FeedOutcome, tidegate_feed_handler::Error>) -> RunningFeed {
        let thread = std::thread::spawn(move || outcome);
        RunningFeed { thread, stop: Arc::default(), stats: Arc::default() }
    }

    #[test]
    fn a_feed_that_fails_ends_the_wait_and_says_why() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 7));
        let cause = io::Error::other("the cable is out");
        let failed =
            fed(Err(tidegate_feed_handler::Error::Socket { what: "receive at", addr, cause }));
        wait(&mut Vec::new(), &AtomicBool::new(false), || false, Some(&failed)).expect("told");
        let error = failed.stop().map(|_| ()).expect_err("it failed").to_string();
        assert!(error.contains("127.0.0.1:7") && error.contains("the cable is out"), "{error}");
    }

    #[test]
    fn the_wait_ends_on_a_signal_and_with_the_engine() {
        let mut out = Vec::new();
        wait(&mut out, &AtomicBool::new(true), || false, None).expect("told");
        wait(&mut out, &AtomicBool::new(false), || true, None).expect("told");
        assert_eq!(out, b"");
    }
}
