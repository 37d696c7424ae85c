//! `tidegate demo`

mod history;
mod market;
mod people;
mod report;
mod strategies;

use super::run::{Feed, RunningFeed, random_token, stop_on_signal};
use crate::config::{Config, Token};
use crate::remote::{ServerArgs, unless_refused};
use crate::scope_text::ScopeText;
use crate::system::System;
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use market::Market;
use people::People;
use report::Report;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strategies::Strategies;
use tidegate_client::proto::SetVolumeCurveRequest;
use tidegate_edge::{EdgeConfig, TokenEntry};
use tidegate_engine::core::NoOutput;
use tidegate_engine::latency::{self, Latency, Window};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime;
use tidegate_feed_handler::udp::{AfterSession, FeedStats};
use tidegate_model::PrincipalId;
use tidegate_model::command::Role;

/// Sees the whole system trade on this machine, until Ctrl-C: a feed over loopback UDP (MoldUDP64), the engine with its journal,
/// the gRPC edge, two strategies in processes of their own (a market maker that shares memory with the engine, and a momentum
/// trader over gRPC), and the gateway for people, with a user whose paper account has 100,000.
///
/// At the end the journal is replayed from nothing, and the exit code is 0 only if both reached the same state.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// How long the market is played, 5 to 3600; a busy one, with the whole of a day in it. Without it a quiet one is played until
    /// Ctrl-C, a day at most.
    #[arg(long, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: Option<u64>,
    /// A market data file to play (ITCH 5.0 BinaryFILE: plain, .gz or .zst); a made-up session by default.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How many times faster than recorded the file is played, 1 to 1000.
    #[arg(long, default_value_t = 10, requires = "input", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    speed: u32,
    /// The seed of the made-up session: the same one gives the same market.
    #[arg(long, default_value_t = 1, conflicts_with = "input")]
    seed: u64,
    /// Where everything is kept, the journal and the gateway's database; a new folder in data/ by default.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Settings of the gateway (`tidegate gateway --print-config` has all) beside those that the demo makes.
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
}

/// How often what happens is told where no terminal shows it, in seconds.
const TELL_EVERY_S: u64 = 5;
/// How long a strategy or the gateway may take to end after it was asked to.
const CHILD_GRACE: Duration = Duration::from_secs(10);
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

    let market = Market::new(args.input.as_deref(), args.speed, args.seed, args.seconds)?;
    writeln!(out, "market     {market}")?;

    let outcome = trade(&args, &dir, market, &stop, &mut out)?;
    writeln!(out, "replay     the journal from nothing ...")?;
    let replayed = replay(&dir.join("journal"), &mut NoOutput, |_| {})?;
    let replayed = replayed.context("the journal holds no inputs")?;
    let report = Report::new(outcome, &replayed, &dir)?;
    report.print(&mut out)?;
    // Whoever stops it at once has seen no fills.
    report.verdict(args.seconds.is_some(), &mut out)
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
    market: Market,
    stop: &Arc<AtomicBool>,
    out: &mut impl Write,
) -> Result<Outcome> {
    let mut config = Config::parse(include_str!("demo/demo.toml")).context("demo.toml")?;
    config.journal.dir = dir.join("journal");
    for group in &mut config.risk.groups {
        group.members.retain(|member| {
            matches!(member, ScopeText::Symbol(symbol) if market.symbols().contains(symbol))
        });
    }
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
    let guest = tokens.pop().context("the guest has a token")?;
    let gateway = people::token(random_token()?)?;
    let all = [&tokens[..], &[guest.clone(), gateway.entry()]].concat();
    config.edge.tokens.push(gateway.clone());
    let (listen, door) = (edge_addr(), config.door());
    let door_path = door.clone();
    let edge_config = EdgeConfig { listen, door, tokens: all, ..Default::default() };

    let (feed_in, feed_out) = runtime::feed_ring();
    let feed = Feed::bind(&config, feed_in, AfterSession::End)?.context("the demo has a feed")?;
    let line = feed.line_addr()?;
    let door = door_path.as_deref();
    let (market, gateway) = (&market, &gateway.token);
    let show = Show { args, dir, market, door, tokens: &tokens, gateway, stop, line, request_addr };
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
        .and_then(|()| set_curve(edge, &guest.token).context("the curve of volume"))
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

/// Curve 0, for VWAP: half hours of a day as a stock exchange has it, most of it when it opens and closes.
fn set_curve(edge: SocketAddr, token: &str) -> Result<()> {
    let weights = (0..48).map(|half_hour| match half_hour {
        29..=41 => 20 + 4 * u32::abs_diff(half_hour, 35),
        _ => 5,
    });
    let request = SetVolumeCurveRequest {
        curve: 0,
        begin_ns: 0,
        bucket_ns: 30 * 60 * 1_000_000_000,
        weights: weights.collect(),
    };
    let server = ServerArgs::new(format!("http://{edge}"), token.into());
    let answer = server.ask(|client| async move { client.set_volume_curve(request).await })?;
    unless_refused(answer.reject.as_ref())
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
    dir: &'a Path,
    market: &'a Market,
    door: Option<&'a Path>,
    tokens: &'a [TokenEntry],
    /// The gateway's token.
    gateway: &'a str,
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
        let server = self.market.play(self.line, self.request_addr)?;
        let traded = self.serve(feed, system, out);
        let (watched, ()) = first(traded, server.stop())?;
        Ok(watched)
    }

    fn serve(&self, feed: &RunningFeed, system: &System, out: &mut impl Write) -> Result<Watched> {
        let settings = self.args.gateway.as_deref();
        let history = self.market.openings().map(|(seed, openings)| {
            history::write(self.dir, seed, &openings, runtime::unix_now().0)
        });
        let history = history.transpose().context("the market's past")?;
        let history = history.as_deref();
        let mut people =
            People::start(system.edge_addr, self.gateway, self.dir, settings, history)?;
        let traded = people.tell(out).map_err(Into::into);
        let traded = traded.and_then(|()| self.trade(feed, system, &mut people, out));
        let (watched, ()) = first(traded, people.stop(CHILD_GRACE))?;
        Ok(watched)
    }

    fn trade(
        &self,
        feed: &RunningFeed,
        system: &System,
        people: &mut People,
        out: &mut impl Write,
    ) -> Result<Watched> {
        let symbols = self.market.symbols();
        let mut strategies = Strategies::start(system.edge_addr, self.door, self.tokens, symbols)?;
        let started = Instant::now();
        let mut has_ended = || strategies.has_ended() || people.has_ended();
        let watched = watch(self.args, system, feed, &mut has_ended, self.stop, out);
        let market_seconds = started.elapsed().as_secs_f64();
        let said = strategies.stop(CHILD_GRACE);
        let ((), strategies) = first(watched.map_err(Into::into), said)?;
        Ok(Watched { strategies, market_seconds })
    }
}

/// Shows what happens until time is up, the market ends, Ctrl-C is pressed or something fails.
fn watch(
    args: &DemoArgs,
    system: &System,
    feed: &RunningFeed,
    has_ended: &mut impl FnMut() -> bool,
    stop: &AtomicBool,
    out: &mut impl Write,
) -> io::Result<()> {
    let (bar, template) = match args.seconds {
        Some(seconds) => (ProgressBar::new(seconds * 10), "{bar:24} {elapsed} {msg}"),
        None => (ProgressBar::new_spinner(), "{elapsed} {msg}; Ctrl-C stops"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
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
        if !is_terminal && elapsed.as_secs() >= last_told + TELL_EVERY_S {
            last_told = elapsed.as_secs();
            writeln!(out, "{last_told:>4} s     {told}")?;
        }
        bar.set_message(told);
        let over = args.seconds.is_some_and(|seconds| elapsed.as_secs() >= seconds)
            || stop.load(Ordering::Relaxed)
            || feed.is_finished()
            || system.has_failed()
            || has_ended();
        if over {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
    Ok(())
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
