//! The file through the engine: which of its events, from when to when, and what is noted on the way.

use super::host::Host;
use super::recorder::{Mark, Recorder, units};
use super::table::Table;
use crate::config::{AccountEntry, Config};
use crate::in_process::SYMBOLS_MAX;
use crate::paper::Model;
use crate::time_text::{NANOS_PER_DAY, moment_text};
use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use tidegate_engine::backtest::{self, Backtest, Finished};
use tidegate_engine::core::CHANNELS_MAX;
use tidegate_engine::trader::Watch;
use tidegate_model::command::{Configure, OpenAccount, Transfer};
use tidegate_model::instrument::format_money;
use tidegate_model::market::MarketEventKind;
use tidegate_model::{AccountId, Command, InstrumentId, MarketEvent, Symbol, UnixNanos};

/// Days of one backtest: 270 years.
const DAYS_MAX: usize = 100_000;

/// How a file is played.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Instruments and accounts.
    pub config: &'a Config,
    /// The sizes of the engine.
    pub configure: Configure,
    /// What sets the latency of its venue beyond `configure`.
    pub latencies: &'a [Command],
    /// How resting orders of all instruments are filled, whatever `config` says.
    pub fill_model: Option<Model>,
    /// The account that trades.
    pub account: AccountId,
    /// The symbols that are played and traded; if there are none, all are played and the first traded.
    pub symbols: &'a [Symbol],
    /// The strategy hears from then on.
    pub from: Option<UnixNanos>,
    /// What comes after is not played.
    pub to: Option<UnixNanos>,
    /// Least time between two looks of the strategy at the market.
    pub interval_ns: u64,
    /// The time of day at which a day ends, in nanoseconds after midnight UTC.
    pub day_end_ns: u64,
    /// Time between two equities in the file of them.
    pub sample_ns: u64,
}

/// What kinds of market data came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kinds {
    /// Orders one by one (L3).
    pub orders: bool,
    /// Price levels (L2).
    pub levels: bool,
    /// Best prices (L1).
    pub quotes: bool,
    /// Trades.
    pub trades: bool,
    /// Bars.
    pub bars: bool,
    /// Some bar begins when one before it ends.
    pub is_seamless: bool,
}

/// Kinds of events on the wire: one bit each.
type KindSet = u32;

/// Those that are applied at once, unless it is time for something else: neither of the file itself nor parts of bars.
const PLAIN: KindSet = {
    use MarketEventKind::{Bar, BarRange, Definition, System};
    let all = (1 << (Bar as u8 + 1)) - 2;
    all & !(1 << Definition as u8 | 1 << System as u8 | 1 << BarRange as u8 | 1 << Bar as u8)
};

/// Those that a day without trading has too.
const NO_DAY: KindSet = 1 << MarketEventKind::Definition as u8 | 1 << MarketEventKind::System as u8;

/// The bit of a kind; 0 of one that is none.
#[inline]
fn bit(kind: u8) -> KindSet {
    1u32.checked_shl(kind.into()).unwrap_or(0)
}

impl Kinds {
    fn of(seen: KindSet, is_seamless: bool) -> Self {
        let is_seen = |kind: MarketEventKind| seen & bit(kind.wire()) != 0;
        Self {
            orders: is_seen(MarketEventKind::Add),
            levels: is_seen(MarketEventKind::Level),
            quotes: is_seen(MarketEventKind::Quote),
            trades: is_seen(MarketEventKind::Trade),
            bars: is_seen(MarketEventKind::Bar),
            is_seamless,
        }
    }

    /// What there is, the most telling first.
    pub fn text(&self) -> String {
        let all = [
            (self.orders, "orders (L3)"),
            (self.levels, "price levels (L2)"),
            (self.quotes, "best prices (L1)"),
            (self.trades, "trades"),
            (self.bars, "bars"),
        ];
        let there: Vec<_> =
            all.iter().filter(|(is_there, _)| *is_there).map(|(_, text)| *text).collect();
        if there.is_empty() { "nothing".to_string() } else { there.join(", ") }
    }
}

/// Lets through the events of the named symbols only.
struct Filter<'a> {
    symbols: &'a [Symbol],
    /// By channel.
    is_played: Vec<bool>,
    seen: Vec<Symbol>,
}

impl Filter<'_> {
    #[inline]
    fn lets_through(&mut self, event: &MarketEvent) -> bool {
        if self.symbols.is_empty() {
            return true;
        }
        let channel = event.channel_id as usize;
        if let Some(definition) = event.definition() {
            let is_named = self.symbols.contains(&definition.symbol);
            if is_named && !self.seen.contains(&definition.symbol) {
                self.seen.push(definition.symbol);
            }
            if channel < CHANNELS_MAX {
                if self.is_played.len() <= channel {
                    self.is_played.resize(channel + 1, false);
                }
                self.is_played[channel] = is_named;
            }
            return is_named;
        }
        match event.kind() {
            Some(MarketEventKind::System | MarketEventKind::Gap) => true,
            _ => self.is_played.get(channel).is_some_and(|is_played| *is_played),
        }
    }
}

/// The equity at one moment, as it is written.
#[derive(Debug, Serialize)]
struct Row {
    time: String,
    ts: u64,
    /// `start`, `sample`, `day` or `end`.
    at: &'static str,
    equity: String,
    cash: String,
    realised: String,
    unrealised: String,
    fees: String,
    positions: u32,
}

/// A backtest on its way.
pub struct Play<'a> {
    plan: Plan<'a>,
    backtest: Backtest<Host, Recorder>,
    filter: Filter<'a>,
    /// Instruments whose fill model is set.
    modeled: u32,
    curve: Curve,
    seen: KindSet,
    /// Some bar began when one before it ended.
    is_seamless: bool,
    events: u64,
    begin: Option<Mark>,
    days: Vec<Mark>,
    day_end: UnixNanos,
    /// Before then nothing is to be done but to apply plain events.
    calm_until: UnixNanos,
    /// The strategy does not hear yet of what happened then.
    held_at: Option<UnixNanos>,
    next_sample: UnixNanos,
    /// Something was applied since the last sample, so that the next one may differ.
    is_fresh: bool,
    /// The day has more than definitions and words of the system: it counts.
    is_day: bool,
    first: UnixNanos,
    last: UnixNanos,
}

/// What is left when the file is over.
pub struct Played {
    /// The engine's side.
    pub finished: Finished<Host, Recorder>,
    /// What kinds of data came.
    pub kinds: Kinds,
    /// Market events played.
    pub events: u64,
    /// The account when the strategy began to hear.
    pub begin: Mark,
    /// At the end of each day with data, the last at the end.
    pub days: Vec<Mark>,
    /// The account at the end.
    pub end: Mark,
    /// The largest drawdown at any sample, as a fraction.
    pub drawdown: f64,
    /// No symbols were named: the first that came were traded.
    pub is_unnamed: bool,
    /// Named symbols that never came.
    pub missing: Vec<Symbol>,
}

impl<'a> Play<'a> {
    /// Sets an engine up at `first`, the time of the first event.
    pub fn new(
        plan: Plan<'a>,
        first: UnixNanos,
        host: Host,
        recorder: Recorder,
        journal: Option<tidegate_journal::Writer>,
        equity: Option<Table>,
    ) -> Result<Self> {
        let watch = match plan.symbols {
            [] => Watch::First(SYMBOLS_MAX),
            named => Watch::Symbols(named.to_vec()),
        };
        let config = backtest::Config {
            configure: plan.configure,
            begin: first,
            account: plan.account,
            watch,
            interval_ns: plan.interval_ns,
            journal,
        };
        let mut backtest = Backtest::new(config, host, recorder)?;
        for command in plan.latencies {
            backtest.command(*command).context("cannot set the latency")?;
        }
        for entry in &plan.config.instruments {
            let named = || format!("cannot define instrument {}", entry.symbol);
            let terms = entry.instrument()?;
            let id = backtest.command(Command::DefineInstrument(terms)).with_context(named)?;
            for command in entry.paper.commands(InstrumentId(id as u32), &terms) {
                backtest.command(command).with_context(named)?;
            }
        }
        for entry in &plan.config.accounts {
            for command in opening(entry) {
                let done = backtest.command(command);
                done.with_context(|| format!("cannot open account {}", entry.id.get()))?;
            }
        }
        let day_end = day_end_of(first, false, plan.day_end_ns);
        let filter = Filter { symbols: plan.symbols, is_played: Vec::new(), seen: Vec::new() };
        let mut play = Self {
            plan,
            backtest,
            filter,
            modeled: 0,
            curve: Curve { table: equity, high: f64::NEG_INFINITY, drawdown: 0.0 },
            seen: 0,
            is_seamless: false,
            events: 0,
            begin: None,
            days: Vec::new(),
            day_end,
            calm_until: UnixNanos::ZERO,
            held_at: None,
            next_sample: UnixNanos::MAX,
            is_fresh: false,
            is_day: false,
            first,
            last: first,
        };
        play.set_models()?;
        Ok(play)
    }

    /// Sets the fill model of instruments that are new.
    fn set_models(&mut self) -> Result<()> {
        let Some(model) = self.plan.fill_model else { return Ok(()) };
        while (self.modeled as usize) < self.backtest.core().listing().count() {
            let set = model.of(InstrumentId(self.modeled));
            self.backtest.command(Command::SetFillModel(set))?;
            self.modeled += 1;
        }
        Ok(())
    }

    /// Plays events of which each is no earlier than the one before it, and returns how many: if not all of them, the next lies after the
    /// end, and nothing more is to be played.
    pub fn events(&mut self, events: &[MarketEvent]) -> Result<usize> {
        for (at, event) in events.iter().enumerate() {
            self.backtest.core().fetch_ahead(|distance| events.get(at + distance));
            if !self.event(event)? {
                return Ok(at);
            }
        }
        Ok(events.len())
    }

    /// Plays one event; false if it lies after the end, and nothing more is to be played.
    #[inline]
    fn event(&mut self, event: &MarketEvent) -> Result<bool> {
        let bit = bit(event.kind);
        if event.ts_recv >= self.calm_until || bit & PLAIN == 0 {
            return self.event_with_care(event, bit);
        }
        if !self.filter.lets_through(event) {
            return Ok(true);
        }
        self.backtest.market(event)?;
        self.noted(event, bit);
        Ok(true)
    }

    #[inline]
    fn noted(&mut self, event: &MarketEvent, bit: KindSet) {
        self.seen |= bit;
        self.is_fresh = true;
        self.is_day |= bit & !NO_DAY != 0;
        self.events += 1;
        self.last = self.last.max(event.ts_recv);
    }

    /// The next moment at which more is to be done than to apply an event.
    fn next_care(&self) -> UnixNanos {
        if self.begin.is_none() || self.held_at.is_some() {
            return UnixNanos::ZERO;
        }
        let after = |at: UnixNanos| UnixNanos(at.0.saturating_add(1));
        let to = self.plan.to.map_or(UnixNanos::MAX, after);
        to.min(self.day_end).min(after(self.next_sample))
    }

    #[inline(never)]
    fn event_with_care(&mut self, event: &MarketEvent, bit: KindSet) -> Result<bool> {
        let at = event.ts_recv;
        if self.plan.to.is_some_and(|to| at > to) {
            return Ok(false);
        }
        if !self.filter.lets_through(event) {
            return Ok(true);
        }
        let is_bar = matches!(event.kind(), Some(MarketEventKind::BarRange | MarketEventKind::Bar));
        let day_end = day_end_of(at, is_bar, self.plan.day_end_ns);
        if self.held_at.is_some_and(|held| at > held) {
            self.go_on(day_end)?;
        }
        if self.begin.is_none() && self.plan.from.is_none_or(|from| at >= from) {
            self.start()?;
        }
        if day_end > self.day_end {
            self.backtest.pass_to(self.day_end)?;
            self.end_day(day_end)?;
        }
        if at > self.next_sample {
            self.sample(at)?;
        }
        if is_bar {
            self.backtest.pass_to(at)?;
            self.backtest.hold();
            self.held_at = Some(at);
        }
        if event.kind() == Some(MarketEventKind::Bar) {
            // A bar names its beginning; `last` is still the end of those before it.
            self.is_seamless |= self.seen & bit != 0 && self.last < at && event.aux <= self.last.0;
        }
        self.backtest.market(event)?;
        if event.definition().is_some() {
            self.set_models()?;
        }
        self.noted(event, bit);
        self.calm_until = self.next_care();
        Ok(true)
    }

    /// To be called now and then while the file is read.
    pub fn breathe(&mut self) {
        self.backtest.trader().breathe();
    }

    /// What it is at, for people who watch.
    pub fn progress(&self) -> String {
        let equity = self.mark().map_or(f64::NAN, |mark| units(mark.equity));
        let counts = self.backtest.core().counters();
        format!(
            "{}  {} fills  equity {:.2}",
            moment_text(self.backtest.now()),
            counts.fills,
            equity
        )
    }

    /// The strategy begins to hear.
    fn start(&mut self) -> Result<()> {
        let at = self.plan.from.unwrap_or(self.first).max(self.first);
        self.backtest.pass_to(at)?;
        let begin = self.note("start")?;
        self.begin = Some(begin);
        let step = self.plan.sample_ns;
        self.next_sample = UnixNanos(at.0.saturating_add(step));
        self.backtest.start()?;
        Ok(())
    }

    /// The strategy hears of the bars that ended at one moment, of all of them together, once time goes on into the day that
    /// ends at `day_end`. If they were their day's last, the day has rolled before: what it sends then is for the next day.
    fn go_on(&mut self, day_end: UnixNanos) -> Result<()> {
        if day_end > self.day_end && self.begin.is_some() {
            self.end_day(day_end)?;
        }
        self.held_at = None;
        self.backtest.release()?;
        Ok(())
    }

    /// Notes the equity, if anything happened in the day, and rolls the day; the next ends at `day_end`.
    fn end_day(&mut self, day_end: UnixNanos) -> Result<()> {
        if self.begin.is_some() && self.is_day {
            ensure!(self.days.len() < DAYS_MAX, "the file has more than {DAYS_MAX} days");
            let mark = self.note("day")?;
            self.days.push(mark);
        }
        self.backtest.command(Command::DayRoll)?;
        self.is_fresh = false;
        self.is_day = false;
        self.day_end = day_end;
        Ok(())
    }

    /// Notes the equity at the latest moment of the grid before `at`.
    fn sample(&mut self, at: UnixNanos) -> Result<()> {
        if self.is_fresh {
            self.backtest.pass_to(self.next_sample)?;
            self.note("sample")?;
            self.is_fresh = false;
        }
        let step = self.plan.sample_ns.max(1);
        let behind = at.0 - self.next_sample.0;
        self.next_sample =
            UnixNanos(self.next_sample.0.saturating_add(behind.div_ceil(step) * step));
        Ok(())
    }

    fn mark(&self) -> Result<Mark> {
        let mark = Mark::take(self.backtest.core(), self.plan.account, self.backtest.now());
        mark.map_err(|reject| anyhow!("the account cannot be valued: {reject}"))
    }

    /// Takes a mark and writes it.
    fn note(&mut self, at: &'static str) -> Result<Mark> {
        let mark = self.mark()?;
        self.curve.note(&mark, at)?;
        Ok(mark)
    }

    /// The file is over.
    pub fn finish(mut self) -> Result<Played> {
        if let Some(to) = self.plan.to {
            self.backtest.pass_to(to.max(self.last))?;
        }
        let named = self.plan.symbols.iter();
        let missing: Vec<_> =
            named.filter(|named| !self.filter.seen.contains(named)).copied().collect();
        ensure!(
            missing.is_empty() || missing.len() < self.plan.symbols.len(),
            "the file has nothing of {}",
            names(&missing)
        );
        let begin = self.begin.context("the file ends before --from: there is nothing to trade")?;
        let Self { plan, backtest, mut curve, seen, is_seamless, events, mut days, .. } = self;
        let kinds = Kinds::of(seen, is_seamless);
        let finished = backtest.finish()?;
        let end = Mark::take(&finished.core, plan.account, finished.core.now());
        let end = end.map_err(|reject| anyhow!("the account cannot be valued: {reject}"))?;
        curve.note(&end, "end")?;
        days.push(end);
        let (drawdown, is_unnamed) = (curve.finish()?, plan.symbols.is_empty());
        Ok(Played { finished, kinds, events, begin, days, end, drawdown, is_unnamed, missing })
    }
}

/// Symbols, one after the other.
pub fn names(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(", ")
}

/// The equity over time: written, and its drawdown measured.
struct Curve {
    table: Option<Table>,
    high: f64,
    drawdown: f64,
}

impl Curve {
    fn note(&mut self, mark: &Mark, at: &'static str) -> Result<()> {
        let equity = units(mark.equity);
        self.high = self.high.max(equity);
        if self.high > 0.0 {
            self.drawdown = self.drawdown.max(1.0 - equity / self.high);
        }
        let Some(table) = &mut self.table else { return Ok(()) };
        table.write(&Row {
            time: moment_text(mark.ts),
            ts: mark.ts.0,
            at,
            equity: format_money(mark.equity),
            cash: format_money(mark.cash),
            realised: format_money(mark.realised),
            unrealised: format_money(mark.unrealised),
            fees: format_money(mark.fees),
            positions: mark.positions,
        })
    }

    /// Ends the file; the largest drawdown.
    fn finish(self) -> Result<f64> {
        self.table.map_or(Ok(()), Table::finish)?;
        Ok(self.drawdown)
    }
}

/// The commands that open an account as the configuration has it.
fn opening(entry: &AccountEntry) -> impl Iterator<Item = Command> {
    let account = entry.account();
    let open = OpenAccount::of(account, entry.currency);
    let cash = Transfer::of_base(account, entry.cash.money());
    let limits = entry.limits.as_ref().map(|limits| Command::SetLimits(limits.of(account)));
    [Command::OpenAccount(open), Command::Transfer(cash)].into_iter().chain(limits)
}

/// When the day of an event ends. What happens at that very moment belongs to the next day, except a bar that ends then.
fn day_end_of(at: UnixNanos, is_bar: bool, day_end_ns: u64) -> UnixNanos {
    let of_day = at.0.saturating_sub(day_end_ns);
    let days =
        if is_bar { of_day.div_ceil(NANOS_PER_DAY).max(1) } else { of_day / NANOS_PER_DAY + 1 };
    UnixNanos(days.saturating_mul(NANOS_PER_DAY).saturating_add(day_end_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_process::InProcess;
    use tidegate_client::strategy::{Desk, Order, Strategy, TimeInForce, Trade};
    use tidegate_examples::{Params, build};
    use tidegate_model::market::{Bar, Definition};
    use tidegate_model::{Lots, Side, Ticks};

    const DAY: u64 = NANOS_PER_DAY;
    const HOUR: u64 = DAY / 24;

    const SIZES: Configure = Configure {
        paper_latency_ns: 0,
        orders_max: 1 << 12,
        book_orders_max: 1 << 12,
        currency: tidegate_model::ids::Code::EMPTY,
    };

    fn definition() -> MarketEvent {
        Definition {
            kind: MarketEventKind::Definition.wire(),
            price_scale: 4,
            flags: 0,
            channel_id: 1,
            ts_event: UnixNanos(DAY),
            ts_recv: UnixNanos(DAY),
            symbol: Symbol::new("ACME").expect("valid"),
            tick_size_nano: 100_000,
            lot_size_nano: 1_000_000_000,
        }
        .into_event()
    }

    /// An event on the one channel, at a price in whole dollars.
    fn event(ts: u64, kind: MarketEventKind, side: Option<Side>, dollars: i64) -> MarketEvent {
        MarketEvent {
            kind: kind.wire(),
            side: side.map_or(0, Side::wire),
            channel_id: 1,
            ts_event: UnixNanos(ts),
            ts_recv: UnixNanos(ts),
            // One order a side: told again, it replaces nothing, so each has a number of its own.
            order_ref: ts + u64::from(side == Some(Side::Sell)),
            price: Ticks(dollars * 10_000),
            qty: Lots(1_000),
            ..MarketEvent::default()
        }
    }

    fn plan<'a>(config: &'a Config, symbols: &'a [Symbol]) -> Plan<'a> {
        Plan {
            config,
            configure: SIZES,
            latencies: &[],
            fill_model: None,
            account: AccountId(1),
            symbols,
            from: None,
            to: None,
            interval_ns: 0,
            day_end_ns: 0,
            sample_ns: HOUR,
        }
    }

    fn config() -> Config {
        Config::parse(include_str!("default.toml")).expect("valid")
    }

    fn play<'a>(plan: Plan<'a>, events: &[MarketEvent]) -> Result<Played> {
        play_with(build("buy-and-hold", Params::default()).expect("it is there"), plan, events)
    }

    fn play_with<'a>(
        strategy: Box<dyn Strategy>,
        plan: Plan<'a>,
        events: &[MarketEvent],
    ) -> Result<Played> {
        let host = Host::Here(Box::new(InProcess::new(strategy, plan.account, "bt")));
        let recorder = Recorder::new(plan.account, None);
        let mut play = Play::new(plan, events[0].ts_recv, host, recorder, None, None)?;
        play.events(events)?;
        play.finish()
    }

    /// Day 1 opens at 100; then each day has one trade, at so many dollars. No data on days 4 and 5.
    fn week() -> Vec<MarketEvent> {
        use MarketEventKind::{Add, Clear, Trade};
        let mut events = vec![
            definition(),
            event(DAY + HOUR, Add, Some(Side::Buy), 99),
            event(DAY + HOUR, Add, Some(Side::Sell), 100),
        ];
        for (day, dollars) in [(1, 110), (2, 99), (3, 121), (6, 130)] {
            let at = day * DAY + 12 * HOUR;
            events.push(event(at, Clear, None, 0));
            events.push(event(at, Trade, None, dollars));
        }
        events
    }

    fn equities(played: &Played) -> Vec<f64> {
        std::iter::once(&played.begin).chain(&played.days).map(|mark| units(mark.equity)).collect()
    }

    #[test]
    fn the_equity_is_marked_at_the_end_of_each_day_that_has_data() {
        let config = config();
        let played = play(plan(&config, &[]), &week()).expect("it plays");
        // 100 shares bought at 100: 10 up, 1 down, 21 up, 30 up.
        let expected = [1_000_000.0, 1_001_000.0, 999_900.0, 1_002_100.0, 1_003_000.0];
        assert_eq!(equities(&played), expected);
        let ends: Vec<_> = played.days.iter().map(|mark| mark.ts.0).collect();
        assert_eq!(ends, [2 * DAY, 3 * DAY, 4 * DAY, 6 * DAY + 12 * HOUR]);
        let deepest = 1.0 - 999_900.0 / 1_001_000.0;
        assert!((played.drawdown - deepest).abs() < 1e-12, "{}", played.drawdown);
        let position =
            played.finished.core.oms().position(AccountId(1), tidegate_model::InstrumentId(0));
        assert_eq!(position.qty, 100);
    }

    #[test]
    fn it_trades_from_and_to_the_times_that_are_asked_for() {
        let config = config();
        let late = Plan { from: Some(UnixNanos(DAY + 2 * HOUR)), ..plan(&config, &[]) };
        let played = play(late, &week()).expect("it plays");
        assert_eq!(played.begin.ts.0, DAY + 2 * HOUR);
        // The books were filled before: it buys at once.
        assert_eq!(equities(&played)[1], 1_001_000.0);

        let short = Plan { to: Some(UnixNanos(2 * DAY + 13 * HOUR)), ..plan(&config, &[]) };
        let played = play(short, &week()).expect("it plays");
        assert_eq!(equities(&played), [1_000_000.0, 1_001_000.0, 999_900.0]);
        assert_eq!(played.end.ts.0, 2 * DAY + 13 * HOUR);

        let never = Plan { from: Some(UnixNanos(9 * DAY)), ..plan(&config, &[]) };
        let error = play(never, &week()).err().expect("there is nothing").to_string();
        assert!(error.contains("before --from"), "{error}");
    }

    /// Daily bars of one instrument, from midnight to midnight, given in dollars as open, high, low and close.
    fn bars(days: &[[i64; 4]]) -> Vec<MarketEvent> {
        let bar = |(day, &[open, high, low, close]): (usize, &[i64; 4])| Bar {
            channel_id: 1,
            begin: UnixNanos((day as u64 + 1) * DAY),
            end: UnixNanos((day as u64 + 2) * DAY),
            open: Ticks(open * 10_000),
            high: Ticks(high * 10_000),
            low: Ticks(low * 10_000),
            close: Ticks(close * 10_000),
            volume: Lots(1_000_000),
            feed_seq: day as u64,
        };
        let bars = days.iter().enumerate().map(bar);
        std::iter::once(definition()).chain(bars.flat_map(|bar| bar.into_events())).collect()
    }

    #[test]
    fn of_daily_bars_each_is_a_day_and_what_it_suggests_is_done_at_the_next_open() {
        let config = config();
        let days =
            [[100, 105, 95, 101], [102, 110, 101, 108], [107, 109, 90, 95], [96, 97, 96, 97]];
        let played = play(plan(&config, &[]), &bars(&days)).expect("it plays");
        // Heard of the first bar at its end, bought 100 at the open of the second, 102: closes of 108, 95, 97.
        let expected = [1_000_000.0, 1_000_000.0, 1_000_600.0, 999_300.0, 999_500.0];
        assert_eq!(equities(&played), expected);
        let ends: Vec<_> = played.days.iter().map(|mark| mark.ts.0 / DAY).collect();
        assert_eq!(ends, [2, 3, 4, 5]);
        // An order that is under way when the next bar begins is late by a bar.
        let late = Plan {
            configure: Configure { paper_latency_ns: 1_000, ..SIZES },
            ..plan(&config, &[])
        };
        let played = play(late, &bars(&days)).expect("it plays");
        assert_eq!(
            equities(&played),
            [1_000_000.0, 1_000_000.0, 1_000_000.0, 998_800.0, 999_000.0]
        );
    }

    /// Bids 96 for 10 when it first hears of a trade, once.
    struct Bid(TimeInForce, bool);

    impl Strategy for Bid {
        fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {
            let Self(time_in_force, is_sent) = *self;
            if !is_sent {
                let (qty, price) = (Lots(10), Some(Ticks(960_000)));
                let (instrument, side) = (trade.instrument, Side::Buy);
                let order = Order { instrument, side, qty, price, time_in_force };
                desk.submit(order).expect("room");
                self.1 = true;
            }
        }
    }

    #[test]
    fn an_order_for_the_day_that_answers_a_daily_bar_lives_through_the_next_one() {
        let config = config();
        let days = |second_low: i64| {
            bars(&[[100, 105, 97, 101], [102, 110, second_low, 108], [107, 109, 90, 95]])
        };
        for (time_in_force, second_low, fills, expired) in [
            (TimeInForce::Day, 95, 1, 0),
            (TimeInForce::Day, 101, 0, 1),
            (TimeInForce::Gtc, 101, 1, 0),
        ] {
            // From midnight to midnight, and as sessions that end three hours before it.
            for early in [0, 3 * HOUR] {
                let mut events = days(second_low);
                for event in events.iter_mut().filter(|event| event.definition().is_none()) {
                    event.ts_event.0 -= early;
                    event.ts_recv.0 -= early;
                }
                let strategy = Box::new(Bid(time_in_force, false));
                let played = play_with(strategy, plan(&config, &[]), &events).expect("it plays");
                let counts = &played.finished.observer.counts;
                let found = (counts.maker_fills, counts.expired);
                assert_eq!(found, (fills, expired), "{time_in_force} {second_low}: {counts:?}");
                let ends: Vec<_> = played.days.iter().map(|mark| mark.ts.0 + early).collect();
                assert_eq!(ends, [2 * DAY, 3 * DAY, 4 * DAY]);
            }
        }
    }

    /// Notes how many instruments have a last price when it hears of a trade.
    struct Counting(std::rc::Rc<std::cell::RefCell<Vec<(u64, usize)>>>);

    impl Strategy for Counting {
        fn on_trade(&mut self, _: &Trade, desk: &mut Desk) {
            desk.wake_at(desk.now());
        }
        fn on_timer(&mut self, desk: &mut Desk) {
            let known = desk.instruments().filter(|id| desk.book(*id).last.is_some()).count();
            self.0.borrow_mut().push((desk.now().0 / DAY, known));
        }
    }

    #[test]
    fn bars_of_one_moment_are_heard_of_together() {
        let config = config();
        let day = [100, 105, 97, 101];
        let mut other = Vec::new();
        for mut event in bars(&[day, day]) {
            event.channel_id = 2;
            if let Some(definition) = event.definition() {
                let symbol = Symbol::new("OTHER").expect("valid");
                event = Definition { symbol, ..definition }.into_event();
            }
            other.push(event);
        }
        // The two halves of a bar stay together.
        let mut events = vec![bars(&[day, day])[0], other[0]];
        for (one, two) in bars(&[day, day])[1..].chunks(2).zip(other[1..].chunks(2)) {
            events.extend(one.iter().chain(two));
        }
        let heard = std::rc::Rc::default();
        let strategy = Box::new(Counting(std::rc::Rc::clone(&heard)));
        play_with(strategy, plan(&config, &[]), &events).expect("it plays");
        assert_eq!(*heard.borrow(), [(2, 2), (3, 2)]);
    }

    #[test]
    fn other_symbols_are_not_played() {
        let config = config();
        let [acme, other] = ["ACME", "OTHER"].map(|name| Symbol::new(name).expect("valid"));
        let both = [acme, other];
        let played = play(plan(&config, &both), &week()).expect("it plays");
        assert_eq!((played.events, played.missing.as_slice()), (11, &[other][..]));
        let error = play(plan(&config, &[other]), &week()).err().expect("nothing").to_string();
        assert!(error.contains("nothing of OTHER"), "{error}");
    }

    #[test]
    fn a_day_ends_with_the_bars_that_end_then_and_before_anything_else() {
        const FIVE: u64 = 5 * NANOS_PER_DAY / 24;
        for (at, day_end, expected, of_bar) in [
            (0, 0, DAY, DAY),
            (1, 0, DAY, DAY),
            (DAY - 1, 0, DAY, DAY),
            (DAY, 0, 2 * DAY, DAY),
            (DAY + 1, 0, 2 * DAY, 2 * DAY),
            (FIVE, FIVE, DAY + FIVE, DAY + FIVE),
            (DAY + FIVE, FIVE, 2 * DAY + FIVE, DAY + FIVE),
            (DAY + FIVE + 1, FIVE, 2 * DAY + FIVE, 2 * DAY + FIVE),
            (u64::MAX, 0, u64::MAX, u64::MAX),
        ] {
            let found = [false, true].map(|is_bar| day_end_of(UnixNanos(at), is_bar, day_end).0);
            assert_eq!(found, [expected, of_bar], "{at} {day_end}");
        }
    }
}
