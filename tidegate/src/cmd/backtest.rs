//! `tidegate backtest`

use crate::backtest::fills::FillLog;
use crate::backtest::host::Host;
use crate::backtest::play::{Plan, Play, Played};
use crate::backtest::reading::Reading;
use crate::backtest::recorder::Recorder;
use crate::backtest::report::{self, Report, Told};
use crate::backtest::statistics::Year;
use crate::backtest::table::Table;
use crate::config::Config;
use crate::in_process::InProcess;
use crate::latency::{Latencies, Way, Ways};
use crate::paper::Model;
use crate::time_text::{NANOS_PER_DAY, moment, span, span_text, time_of_day};
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_edge::LockStep;
use tidegate_examples::{Params, STRATEGIES, build, parameters};
use tidegate_feed_handler::source::Source;
use tidegate_model::command::Configure;
use tidegate_model::{AccountId, MarketEvent, Symbol, UnixNanos};

/// What the strategy's orders are called: the same as over gRPC, so that both lead to the same state.
const PREFIX: &str = "bt";

/// Trade a market data file with a strategy, on the same engine that trades live.
///
/// Each market event is applied, the strategy hears what changed and answers, its orders pass risk and are filled on paper
/// against the books; the engine waits meanwhile. Nothing depends on a clock: the same file, strategy and options lead to
/// the same state hash. Books are built from everything the file has, the strategy trades the named symbols.
///
/// Without --config there is one account, 1, with 1,000,000 USD, no credit and wide limits; fees are 0. A configuration is
/// that of `tidegate run`; of it count the engine's sizes, the instruments with their fees and the accounts with their limits.
///
/// Statistics are of the equity at the end of each day; docs/guide.md says how each is defined.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(), group = clap::ArgGroup::new("who").required(true))]
pub struct BacktestArgs {
    /// The file: whatever `tidegate stats` reads
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A strategy that is built in
    #[arg(long, value_name = "NAME", group = "who")]
    strategy: Option<String>,
    /// Wait for a strategy in a process of its own, over gRPC (BacktestService), on this loopback address
    #[arg(long, value_name = "ADDR", group = "who")]
    listen: Option<SocketAddr>,
    /// A parameter of the strategy; can be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "listen")]
    param: Vec<String>,
    /// Instruments, accounts and sizes (TOML, as `tidegate run --print-config` prints it)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The account that trades; without, the first there is
    #[arg(long, value_name = "N")]
    account: Option<u32>,
    /// Play and trade only these symbols; without, all are played and the first 32 traded
    #[arg(long, value_name = "S,S", value_delimiter = ',', value_parser = parse_symbol)]
    symbols: Vec<Symbol>,
    /// The strategy hears from then on, what was before only fills the books: 2019-12-30, 2019-12-30T14:35:00Z, or a time of
    /// the first day on the feed's clock such as 09:35:00
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    from: Option<When>,
    /// The last moment that is played; written as --from
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    to: Option<When>,
    /// How long orders take to the venue: a span such as 250us, recorded:FILE or random:FILE (docs/paper-fills.md); without,
    /// that of --config, else 1ms
    #[arg(long, value_name = "WAY", value_parser = Way::parse)]
    latency: Option<Way>,
    /// How long market data take to us, given as --latency; without, that of --config, else 0
    #[arg(long, value_name = "WAY", value_parser = Way::parse)]
    feed_latency: Option<Way>,
    /// How long the venue's answers take to us, given as --latency; without, that of --config, else 0
    #[arg(long, value_name = "WAY", value_parser = Way::parse)]
    answer_latency: Option<Way>,
    /// Where random latencies begin; without, that of --config, else 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    latency_seed: Option<u64>,
    /// How resting orders of all instruments are filled: exact, risk_averse, power (power:2.5), log, square, quotes or bars
    /// (docs/paper-fills.md); without, that of --config, else by what the file tells
    #[arg(long, value_name = "MODEL", value_parser = Model::parse)]
    fill_model: Option<Model>,
    /// Least time between two looks of the strategy at the market, such as 10ms; 0: it hears every change
    #[arg(long, value_name = "SPAN", default_value = "0", value_parser = parse_span)]
    interval: u64,
    /// Seconds that a strategy over gRPC may take to connect, and for each answer
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with = "strategy")]
    timeout: u64,
    /// Days of a year, to which returns are scaled: 252 for an exchange, 365 for a market that never closes
    #[arg(long, value_name = "N", default_value_t = 252.0, value_parser = parse_days)]
    days_per_year: f64,
    /// Yearly risk-free rate in per cent
    #[arg(long, value_name = "%", default_value_t = 0.0, value_parser = parse_rate)]
    risk_free: f64,
    /// How the result is written
    #[arg(long, default_value = "text")]
    output: Form,
    /// Write every fill and its reason: CSV, or JSON lines where the name ends in .json or .jsonl
    #[arg(long, value_name = "FILE")]
    fills: Option<PathBuf>,
    /// Write the equity over time, in the same forms
    #[arg(long, value_name = "FILE")]
    equity: Option<PathBuf>,
    /// Time between two equities in that file; also what the sampled drawdown is of
    #[arg(long, value_name = "SPAN", default_value = "1m", value_parser = parse_span)]
    equity_every: u64,
    /// Journal the run in a new folder: `tidegate replay` reaches the same state from it
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

/// The strategies that are built in with their parameters, for people.
pub fn strategies() -> String {
    let mut text = "Strategies, each with its parameters (--param NAME=VALUE):\n".to_string();
    for (name, what) in STRATEGIES {
        let params = parameters(name).into_iter().map(|(name, value)| format!(" {name}={value}"));
        text += &format!("  {name:<14}{what}\n{:16}{}\n", "", params.collect::<String>().trim());
    }
    text
}

/// How the result is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Text,
    Json,
    Csv,
}

fn after_help() -> String {
    strategies()
        + "\nExamples:\n  tidegate backtest day.itch.gz --strategy momentum --symbols TIDE --latency 500us\n  \
        tidegate backtest day.itch.gz --strategy market-maker --param size=200 --fills fills.csv --equity equity.csv\n  \
        tidegate backtest day.itch.gz --listen 127.0.0.1:7900 --output json"
}

/// A point of time as it was given.
#[derive(Clone, Copy, Debug)]
enum When {
    /// UTC.
    At(UnixNanos),
    /// Nanoseconds after the feed's midnight, on its first day.
    OfDay(u64),
}

impl When {
    fn at(self, midnight: UnixNanos) -> UnixNanos {
        match self {
            Self::At(at) => at,
            Self::OfDay(ns) => UnixNanos(midnight.0.saturating_add(ns)),
        }
    }
}

fn parse_when(text: &str) -> Result<When, String> {
    let of_day = time_of_day(text).map(When::OfDay);
    of_day.or_else(|| moment(text).map(When::At)).ok_or_else(|| {
        "a time such as 2019-12-30, 2019-12-30T14:35:00Z or 09:35:00 is needed".to_string()
    })
}

fn parse_span(text: &str) -> Result<u64, String> {
    span(text).ok_or_else(|| "a span such as 250us, 10ms, 1.5s or 5m is needed".to_string())
}

pub fn parse_symbol(text: &str) -> Result<Symbol, String> {
    Symbol::new(text).map_err(|error| error.to_string())
}

fn parse_days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days| (1.0..=366.0).contains(days));
    days.ok_or_else(|| "a number of days from 1 to 366 is needed".to_string())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (-100.0..=100.0).contains(rate));
    rate.ok_or_else(|| "a rate from -100 to 100 is needed".to_string())
}

/// Latency unless anything is said: what a retail line takes at best. None would be a lie.
const LATENCY_DEFAULT_NS: u64 = 1_000_000;
/// The shortest time between two samples: a day has 86 million of them.
const SAMPLE_MIN_NS: u64 = 1_000_000;

/// Runs the command.
pub fn run(args: BacktestArgs) -> Result<()> {
    let shown = args.file.display().to_string();
    let config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::parse(include_str!("../backtest/default.toml"))?,
    };
    let account = account(&args, &config)?;
    let latencies = Latencies::read(&ways(&args, &config))?;
    ensure!(
        args.equity_every >= SAMPLE_MIN_NS,
        "--equity-every {} is not allowed: at least 1ms",
        span_text(args.equity_every)
    );
    let commands = latencies.commands();
    let mut source = Source::open(&args.file).with_context(|| format!("reading {shown}"))?;
    let (first, waiting) = first_events(&mut source).with_context(|| format!("reading {shown}"))?;
    // Of feeds that count from the epoch, the first day is that of the first event.
    let midnight = match source.midnight() {
        UnixNanos(0) => UnixNanos(first.0 / NANOS_PER_DAY * NANOS_PER_DAY),
        midnight => midnight,
    };
    let (from, to) = (args.from.map(|from| from.at(midnight)), args.to.map(|to| to.at(midnight)));
    if let (Some(from), Some(to)) = (from, to) {
        ensure!(from < to, "--from is not before --to");
    }
    let plan = Plan {
        config: &config,
        configure: Configure {
            paper_latency_ns: latencies.entry_ns(),
            orders_max: config.engine.orders_max.get() as u32,
            book_orders_max: config.engine.book_orders_max.get() as u32,
            currency: tidegate_model::ids::Code::EMPTY,
        },
        latencies: &commands,
        fill_model: args.fill_model,
        account,
        symbols: &args.symbols,
        from,
        to,
        interval_ns: args.interval,
        day_end_ns: midnight.0 % NANOS_PER_DAY,
        sample_ns: args.equity_every,
    };
    let fills = args.fills.as_deref().map(Table::create).transpose()?.map(FillLog::new);
    let equity = args.equity.as_deref().map(Table::create).transpose()?;
    let journal = args.journal.as_deref().map(new_journal).transpose()?;
    let (strategy, host) = host(&args, account)?;
    let recorder = Recorder::new(account, fills);
    let mut play = Play::new(plan, first, host, recorder, journal, equity)?;
    let messages = watched(&mut source, &mut play, &waiting, &shown)?;
    let mut played: Played = play.finish()?;
    played.finished.observer.finish()?;
    let told = Told {
        file: shown,
        format: source.format().as_str(),
        messages,
        strategy,
        account,
        latencies: latencies.clone(),
        interval_ns: args.interval,
        sample_ns: args.equity_every,
        year: Year { days: args.days_per_year, risk_free: args.risk_free / 100.0 },
    };
    let report = Report::new(told, &played);
    report::tell(played.finished.trader, &report)?;
    let mut out = io::stdout().lock();
    match args.output {
        Form::Text => report.write_text(&mut out)?,
        Form::Json => writeln!(out, "{}", report.json()?)?,
        Form::Csv => report.write_csv(&mut out)?,
    }
    Ok(())
}

/// The time of the first event, and the events of its message.
fn first_events(source: &mut Source) -> Result<(UnixNanos, Vec<MarketEvent>)> {
    let mut events = Vec::new();
    while events.is_empty() && source.read_message(|event| events.push(event))? {}
    let first = events.first().context("there is no market event in it")?.ts_recv;
    Ok((first, events))
}

/// Plays the file to its end, or to `--to`, and shows how far it is. Returns how many messages that were.
fn watched(
    source: &mut Source,
    play: &mut Play<'_>,
    waiting: &[MarketEvent],
    shown: &str,
) -> Result<u64> {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    let mut messages = source.messages();
    if play.events(waiting)? < waiting.len() {
        return Ok(messages);
    }
    std::thread::scope(|scope| {
        let mut reading = Reading::start(scope, source);
        while let Some(batch) = reading.next() {
            let played = play.events(&batch.events)?;
            messages = batch.messages(played);
            if played < batch.events.len() {
                break;
            }
            if let Some(error) = batch.error {
                return Err(error).with_context(|| format!("reading {shown}"));
            }
            play.breathe();
            if !bar.is_hidden() {
                bar.set_message(format!("{messages} messages  {}", play.progress()));
                bar.tick();
            }
            reading.played(batch);
        }
        bar.finish_and_clear();
        Ok(messages)
    })
}

fn account(args: &BacktestArgs, config: &Config) -> Result<AccountId> {
    let mut ids = config.accounts.iter().map(|entry| entry.account());
    match args.account {
        None => ids.next().context("the configuration has no [[accounts]]: nobody could trade"),
        Some(asked) => ids
            .find(|id| id.0 == asked)
            .with_context(|| format!("the configuration has no account {asked}")),
    }
}

/// The ways to the venue and back: as asked for, else as configured, else the default.
fn ways(args: &BacktestArgs, config: &Config) -> Ways {
    let configured = match &args.config {
        Some(_) => config.paper.ways(),
        None => Ways { entry: Way::Always(LATENCY_DEFAULT_NS), ..config.paper.ways() },
    };
    Ways {
        feed: args.feed_latency.clone().unwrap_or(configured.feed),
        entry: args.latency.clone().unwrap_or(configured.entry),
        answer: args.answer_latency.clone().unwrap_or(configured.answer),
        seed: args.latency_seed.unwrap_or(configured.seed),
    }
}

fn new_journal(dir: &std::path::Path) -> Result<tidegate_journal::Writer> {
    let is_empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => true,
    };
    ensure!(is_empty, "{} is not empty; name a new folder with --journal", dir.display());
    let opened = tidegate_journal::Writer::open(dir, tidegate_journal::Config::default());
    let (writer, _) =
        opened.with_context(|| format!("cannot begin a journal in {}", dir.display()))?;
    Ok(writer)
}

/// The strategy's side, and what to call it.
fn host(args: &BacktestArgs, account: AccountId) -> Result<(String, Host)> {
    match (&args.strategy, args.listen) {
        (Some(name), _) => {
            let params = Params::parse(args.param.iter().map(String::as_str))?;
            let strategy = build(name, params)?;
            let told = [std::slice::from_ref(name), &args.param].concat().join(" ");
            Ok((told, Host::Here(Box::new(InProcess::new(strategy, account, PREFIX)))))
        }
        (None, Some(listen)) => {
            ensure!(
                listen.ip().is_loopback(),
                "--listen {listen} is not allowed: only loopback, since no token is asked for"
            );
            let timeout = Duration::from_secs(args.timeout);
            let mut strategy = LockStep::listen(listen, account, timeout)?;
            // Whoever starts the strategy waits for this line.
            let addr = strategy.local_addr();
            writeln!(
                io::stderr(),
                "waiting for a strategy at http://{addr} (BacktestService.Run)"
            )?;
            strategy.wait_for_strategy()?;
            Ok(("over gRPC".to_string(), Host::There(Box::new(strategy))))
        }
        (None, None) => bail!("neither --strategy nor --listen is given"),
    }
}
