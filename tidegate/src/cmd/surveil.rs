//! `tidegate surveil`: feeds the events of a running server to the library of patterns, and prints what it tells.

use crate::time_text::{moment_text, span};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_client::proto::{Event, EventPosition};
use tidegate_client::{Client, ClientError, EventFilter};
use tidegate_model::UnixNanos;
use tidegate_surveillance::{Alert, Place, Settings, Surveillance, drop_copy};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Events that may wait to be looked at; beyond, the server's stream waits.
const WAITING_MAX: usize = 4_096;
/// First wait before a reconnect; it doubles up to [`RECONNECT_WAIT_MAX`].
const RECONNECT_WAIT_MIN: Duration = Duration::from_millis(50);
/// Longest wait between two tries, so that a restart of the server is noticed soon.
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the position is written down: what is told again after a crash is at most as old.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Watches a running server: every execution report, what each account holds and has open, and alerts for what looks like
/// abuse.
///
/// It reads the event stream and changes nothing. Output is one JSON object a line, or lines for people on a terminal. The
/// same events give the same alerts. docs/surveillance.md defines each pattern.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate surveil --live\n  \
    tidegate surveil --drop-copy --state surveil.json >> drop-copy.jsonl\n  \
    tidegate surveil --exposure 5 --owner 1,2,7\n  \
    tidegate surveil --json | jq 'select(.severity == \"high\")'")]
pub struct SurveilArgs {
    /// Where the server listens
    #[arg(long, default_value = "http://127.0.0.1:7800", value_name = "URL")]
    addr: String,
    /// The token, to look from another machine
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Begin with this event, as SEQ:ORDINAL, or with the first one of input SEQ; without, with the very first
    #[arg(long, value_name = "EVENT", value_parser = before)]
    from: Option<Place>,
    /// Keep the position in this file, and go on after it: what lies before is heard again, in silence, so that exposure and
    /// windows are whole
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Tell only what happens from now on; the past is heard in silence, so that exposure and windows are whole
    #[arg(long, conflicts_with = "state")]
    live: bool,
    /// Print every execution report and cancel reject, of every account and session
    #[arg(long)]
    drop_copy: bool,
    /// Print what each account holds and has open in each instrument, every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    exposure: Option<u64>,
    /// JSON on a terminal as well
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    thresholds: Thresholds,
}

/// From where on something is a pattern.
#[derive(Args, Debug)]
#[command(next_help_heading = "Thresholds")]
struct Thresholds {
    /// The same is told again after so long
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    cool_down: u64,
    /// Refusals by risk controls, of one principal or account, that are an alert
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    breach_count: u32,
    /// Within so long
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    breach_within: u64,
    /// How far a purchase and a sale of one owner may lie apart to be a wash trade
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    wash_within: u64,
    /// How much of the larger quantity the smaller must be
    #[arg(long, value_name = "PERCENT", default_value_t = 90)]
    wash_match: u32,
    /// How long after an execution orders of the other side are withdrawn to be layering
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    layering_within: u64,
    /// At how many prices
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    layering_prices: u32,
    /// How much quantity, in per cent of what was executed
    #[arg(long, value_name = "PERCENT", default_value_t = 400)]
    layering_ratio: u32,
    /// The same at however few prices, to be spoofing
    #[arg(long, value_name = "PERCENT", default_value_t = 1_000)]
    spoofing_ratio: u32,
    /// The window of the order-to-trade ratio
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1h")]
    ratio_window: u64,
    /// Messages to executions, less one, that may be
    #[arg(long, value_name = "RATIO", default_value_t = 100)]
    ratio_number: u32,
    /// Quantity of messages to quantity executed, less one, that may be
    #[arg(long, value_name = "RATIO", default_value_t = 1_000)]
    ratio_volume: u32,
    /// Messages below which no ratio is looked at
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    ratio_messages: u32,
    /// Accounts of one owner, such as 1,2,7; may be given again for another owner
    #[arg(long, value_name = "ACCOUNTS", value_parser = accounts)]
    owner: Vec<Accounts>,
    /// A principal who trades for owners that have nothing to do with each other; may be given again
    #[arg(long, value_name = "PRINCIPAL")]
    shared_principal: Vec<u32>,
}

/// The accounts of one owner.
#[derive(Clone, Debug)]
struct Accounts(BTreeSet<u32>);

/// The place just before an event.
fn before(text: &str) -> Result<Place, String> {
    let (seq, ordinal) = text.split_once(':').unwrap_or((text, "0"));
    match (seq.parse::<u64>(), ordinal.parse::<u32>()) {
        (Ok(seq), Ok(0)) => Ok(Place { seq: seq.saturating_sub(1), ordinal: u32::MAX }),
        (Ok(seq), Ok(ordinal)) => Ok(Place { seq, ordinal: ordinal - 1 }),
        _ => Err("not an event such as 1200 or 1200:3".into()),
    }
}

fn time(text: &str) -> Result<u64, String> {
    span(text).ok_or_else(|| "not a time such as 500ms, 10s or 5m".into())
}

fn accounts(text: &str) -> Result<Accounts, String> {
    let numbers: Result<BTreeSet<u32>, _> = text.split(',').map(|it| it.trim().parse()).collect();
    numbers.map(Accounts).map_err(|_| "not accounts such as 1,2,7".into())
}

impl Thresholds {
    fn settings(&self, from_the_first: bool) -> Result<Settings> {
        let mut settings = Settings {
            cool_down_ns: self.cool_down,
            breach_count: self.breach_count,
            breach_within_ns: self.breach_within,
            wash_within_ns: self.wash_within,
            wash_match_percent: self.wash_match,
            layering_within_ns: self.layering_within,
            layering_prices: self.layering_prices,
            layering_percent: self.layering_ratio,
            spoofing_percent: self.spoofing_ratio,
            ratio_window_ns: self.ratio_window,
            ratio_number_max: self.ratio_number,
            ratio_volume_max: self.ratio_volume,
            ratio_messages_min: self.ratio_messages,
            shared_principals: self.shared_principal.iter().copied().collect(),
            from_the_first,
            ..Settings::default()
        };
        for (number, Accounts(of_one)) in (1..).zip(&self.owner) {
            for account in of_one {
                if settings.owners.insert(*account, number).is_some() {
                    bail!("account {account} has two owners: give each account once in --owner");
                }
            }
        }
        Ok(settings)
    }
}

/// Runs the command until it is told to end.
pub fn run(args: SurveilArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(args))
}

async fn watch(args: SurveilArgs) -> Result<()> {
    let settings = args.thresholds.settings(args.from.is_none())?;
    let mut surveillance = Surveillance::new(settings)?;
    let told = args.state.as_deref().map(read_state).transpose()?.flatten();
    let client = Client::connect(&args.addr, args.token.as_deref()).await?;
    for terms in client.instruments().await? {
        surveillance.define(&terms).map_err(anyhow::Error::msg)?;
    }
    if let Some(told) = told {
        let mut there = client.events(Some(told.into()), EventFilter::default());
        there.open().await.context("the position in --state is of another journal")?;
    }
    let (sender, mut events) = mpsc::channel(WAITING_MAX);
    let hearing = tokio::spawn(hear(client, args.from.map(EventPosition::from), sender));

    let is_json = args.json || !io::stdout().is_terminal();
    let (drop_copy, is_silent) = (args.drop_copy, args.live);
    let mut watch =
        Watch { surveillance, told, is_silent, is_live: false, is_json, drop_copy, late_max_ns: 0 };
    let mut state = State { path: args.state, saved: told };
    let [mut asked, mut terminated] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let mut exposure = interval(Duration::from_secs(args.exposure.unwrap_or(1)));
    exposure.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut save = interval(SAVE_EVERY);
    save.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = events.recv_many(&mut batch, WAITING_MAX) => {
                if count == 0 {
                    break;
                }
                // Flushed once a batch, so that a burst costs one write and nothing waits.
                let mut out = io::BufWriter::new(io::stdout().lock());
                batch.drain(..).try_for_each(|heard| watch.hear(&mut out, heard))?;
                out.flush()?;
            }
            _ = exposure.tick(), if args.exposure.is_some() => watch.exposure()?,
            _ = save.tick() => state.save(watch.surveillance.last())?,
            _ = asked.recv() => break,
            _ = terminated.recv() => break,
        }
    }
    state.save(watch.surveillance.last())?;
    if hearing.is_finished() {
        return Ok(hearing.await.context("the events' reader ended")??);
    }
    let counts = watch.surveillance.counts();
    let at = watch.surveillance.last().map_or("no event".to_string(), |at| at.to_string());
    writeln!(
        io::stderr(),
        "{} events to {at}, {} alerts, {} unreadable, {} out of order, {} bounds met; live alerts told within {} ms",
        counts.events,
        counts.alerts,
        counts.unreadable,
        counts.out_of_order,
        counts.bounds_met,
        watch.late_max_ns.div_ceil(1_000_000)
    )?;
    Ok(())
}

/// What the stream says.
enum Heard {
    Event(Box<Event>),
    /// All that was there has been heard: what follows is live.
    CaughtUp,
}

/// Passes on every event after `after`, over disconnects, which it tells: who watches must know when nothing is seen.
async fn hear(
    client: Client,
    mut after: Option<EventPosition>,
    heard: mpsc::Sender<Heard>,
) -> Result<(), ClientError> {
    let mut wait = RECONNECT_WAIT_MIN;
    let mut lost_at = None;
    loop {
        let mut stream = client.events(after, EventFilter::default());
        let broken = match stream.open().await {
            Err(error) => error,
            Ok(()) => loop {
                if let Some(since) = lost_at.take().map(|at: Instant| at.elapsed()) {
                    tracing::warn!(?since, "the events go on");
                }
                match stream.step_once().await {
                    Ok(event) => {
                        wait = RECONNECT_WAIT_MIN;
                        after = stream.position();
                        let said = event.map_or(Heard::CaughtUp, |it| Heard::Event(Box::new(it)));
                        if heard.send(said).await.is_err() {
                            return Ok(());
                        }
                    }
                    Err(error) => break error,
                }
            },
        };
        if broken.is_final() {
            return Err(broken);
        }
        if lost_at.is_none() {
            tracing::warn!(%broken, "the events broke off; nothing is watched until they go on");
            lost_at = Some(Instant::now());
        }
        sleep(wait).await;
        wait = (wait * 2).min(RECONNECT_WAIT_MAX);
    }
}

/// What is watched, and how it is told.
struct Watch {
    surveillance: Surveillance,
    /// What was told before, up to here: it is heard in silence.
    told: Option<Place>,
    /// What was there before is not told.
    is_silent: bool,
    /// All that was there before has been heard.
    is_live: bool,
    is_json: bool,
    drop_copy: bool,
    /// The longest time from an event to the alert that tells of it, of those that happened while it listened.
    late_max_ns: u64,
}

impl Watch {
    fn hear(&mut self, out: &mut impl Write, heard: Heard) -> io::Result<()> {
        match heard {
            Heard::Event(event) => self.event(out, &event),
            Heard::CaughtUp => {
                (self.is_silent, self.is_live) = (false, true);
                Ok(())
            }
        }
    }

    fn event(&mut self, out: &mut impl Write, event: &Event) -> io::Result<()> {
        let alerts = self.surveillance.on_event(event);
        if !self.speaks() {
            return Ok(());
        }
        if self.drop_copy
            && let Some(copy) = drop_copy(event)
        {
            writeln!(out, "{copy}")?;
        }
        for alert in alerts {
            let now = now_ns();
            if self.is_live {
                self.late_max_ns = self.late_max_ns.max(now.saturating_sub(alert.ts));
            }
            match self.is_json {
                true => writeln!(out, "{}", alert.to_json(now))?,
                false => writeln!(out, "{}", line(&alert, now))?,
            }
        }
        Ok(())
    }

    fn speaks(&self) -> bool {
        !self.is_silent && self.told.is_none_or(|told| self.surveillance.last() > Some(told))
    }

    fn exposure(&self) -> io::Result<()> {
        let Some(at) = self.surveillance.last().filter(|at| self.told.is_none_or(|it| *at >= it))
        else {
            return Ok(());
        };
        if self.is_silent {
            return Ok(());
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        if !self.is_json {
            writeln!(
                out,
                "{:>7} {:<12} {:>14} {:>16} {:>16} {:>18} {:>18}  after event {at}",
                "account", "symbol", "position", "open buys", "open sells", "gross", "net"
            )?;
        }
        for exposure in self.surveillance.exposures() {
            if self.is_json {
                let mut told = exposure.to_json();
                told["seq"] = at.seq.into();
                told["ordinal"] = at.ordinal.into();
                writeln!(out, "{told}")?;
                continue;
            }
            let [buys, sells] = &exposure.open_qty;
            let (account, symbol) = (exposure.account, &exposure.symbol);
            let (position, gross, net) = (&exposure.position, &exposure.gross, &exposure.net);
            writeln!(
                out,
                "{account:>7} {symbol:<12} {position:>14} {buys:>16} {sells:>16} {gross:>18} {net:>18}  {}",
                exposure.currency
            )?;
        }
        out.flush()
    }
}

/// An alert for people.
fn line(alert: &Alert, now_ns: u64) -> String {
    let at = moment_text(UnixNanos(alert.ts));
    let (severity, kind) = (alert.severity.as_str(), alert.kind.as_str());
    let late_ms = now_ns.saturating_sub(alert.ts) / 1_000_000;
    let repeats = match alert.repeats {
        0 => String::new(),
        n => format!(", {n} times more since it was told before"),
    };
    format!(
        "{at} {severity:<6} {kind:<22} {} (event {}, told {late_ms} ms after{repeats})",
        alert.text, alert.place
    )
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The file that keeps the position.
struct State {
    path: Option<PathBuf>,
    saved: Option<Place>,
}

/// The position that was kept; none if there is no file yet.
fn read_state(path: &Path) -> Result<Option<Place>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |name: &str| kept[name].as_u64();
    let ordinal = number("ordinal").and_then(|it| u32::try_from(it).ok());
    match (number("seq"), ordinal) {
        (Some(seq), Some(ordinal)) => Ok(Some(Place { seq, ordinal })),
        _ => bail!("{} holds no position; remove it to begin anew", path.display()),
    }
}

impl State {
    /// Writes the position down, unless it is there; never back while what was told is heard again.
    fn save(&mut self, at: Option<Place>) -> Result<()> {
        let (Some(path), Some(at)) = (&self.path, at.filter(|at| Some(*at) > self.saved)) else {
            return Ok(());
        };
        // A file of its own first: a crash leaves the old position or the new one, never half of it.
        let beside = path.with_extension("new");
        let text = format!("{{\"seq\": {}, \"ordinal\": {}}}\n", at.seq, at.ordinal);
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.saved = Some(at);
        Ok(())
    }
}
