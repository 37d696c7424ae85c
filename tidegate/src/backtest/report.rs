//! What a backtest found, as text, JSON or CSV. Nothing in it depends on when or how fast it ran.

use super::host::Host;
use super::play::{Played, names};
use super::recorder::{Counts, Mark, Recorder, units};
use super::statistics::{DAYS_MIN, Statistics, Year};
use crate::in_process::SYMBOLS_MAX;
use crate::latency::Latencies;
use crate::time_text::NANOS_PER_DAY;
use crate::time_text::{date_text, moment_text, span_text};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;
use tidegate_engine::core::Core;
use tidegate_model::instrument::format_money;
use tidegate_model::{AccountId, InstrumentId, Money};

/// What was run, in words; the rest is in [`Played`].
#[derive(Clone, Debug)]
pub struct Told {
    /// The file.
    pub file: String,
    /// What the file is.
    pub format: &'static str,
    /// Its messages that were read.
    pub messages: u64,
    /// The strategy and what was set of it.
    pub strategy: String,
    /// The account that traded.
    pub account: AccountId,
    /// To the venue and back.
    pub latencies: Latencies,
    /// Between two looks at the market.
    pub interval_ns: u64,
    /// Between two samples of the equity.
    pub sample_ns: u64,
    /// How returns are scaled.
    pub year: Year,
}

/// What a backtest found. Amounts are exact decimal texts; what is computed from them is a number.
#[derive(Debug, Serialize)]
pub struct Report {
    file: String,
    format: &'static str,
    messages: u64,
    strategy: String,
    account: u32,
    currency: String,
    from: String,
    to: String,
    result: Outcome,
    statistics: Statistics,
    days_per_year: f64,
    risk_free: f64,
    /// The deepest fall of all samples of the equity, as a fraction.
    max_drawdown_sampled: f64,
    /// The time between two samples.
    sampled_every: String,
    trades: Trades,
    orders: Counts,
    assumptions: Vec<Assumption>,
    warnings: Vec<String>,
    daily: Vec<Day>,
    inputs: u64,
    market_events: u64,
    steps: u64,
    state_hash: String,
}

/// What became of the money.
#[derive(Debug, Serialize)]
struct Outcome {
    equity_begin: String,
    equity_end: String,
    /// The difference of the two.
    profit: String,
    realised: String,
    unrealised: String,
    fees: String,
    /// Bought and sold, both counted; absent if it passes the integers.
    traded: Option<String>,
    /// `traded` over the mean of the daily equities.
    turnover: Option<f64>,
    /// Share of the time with a position.
    exposure_time: f64,
}

/// Round trips, from flat to flat: see `trips.rs`.
#[derive(Debug, Serialize)]
struct Trades {
    count: u64,
    won: u64,
    lost: u64,
    even: u64,
    /// Positions that are still open at the end: they are in the equity, not in the trips.
    open: u32,
    /// Won over all.
    hit_rate: Option<f64>,
    /// All that was won over all that was lost.
    profit_factor: Option<f64>,
    /// Mean result after fees, in the currency.
    average: Option<f64>,
    average_won: Option<f64>,
    average_lost: Option<f64>,
}

/// What the figures rest on.
#[derive(Debug, Serialize)]
struct Assumption {
    of: &'static str,
    is: String,
}

/// The equity at the end of one day.
#[derive(Clone, Debug, Serialize)]
struct Day {
    date: String,
    ts: u64,
    equity: String,
    /// Since the mark before, as a fraction.
    day_return: Option<f64>,
}

fn over(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

impl Report {
    /// Draws up what `played` found.
    pub fn new(told: Told, played: &Played) -> Self {
        let Played { finished, begin, end, .. } = played;
        let (core, recorder) = (&finished.core, &finished.observer);
        let marks: Vec<&Mark> = std::iter::once(begin).chain(&played.days).collect();
        let row: Vec<f64> = marks.iter().map(|mark| units(mark.equity)).collect();
        let statistics = Statistics::of(&row, told.year);
        let currency = core.oms().account(told.account).map(|a| a.currency.as_str().to_string());
        let warnings = warnings(&told, played, &statistics);
        Self {
            account: told.account.0,
            currency: currency.unwrap_or_default(),
            from: moment_text(begin.ts),
            to: moment_text(end.ts),
            result: outcome(played, &row),
            statistics,
            days_per_year: told.year.days,
            risk_free: told.year.risk_free,
            max_drawdown_sampled: played.drawdown,
            sampled_every: span_text(told.sample_ns),
            trades: trades(recorder),
            orders: recorder.counts.clone(),
            assumptions: assumptions(&told, played),
            warnings,
            daily: marks.windows(2).map(|pair| day(pair[0], pair[1])).collect(),
            inputs: core.seq().0,
            market_events: played.events,
            steps: finished.steps,
            state_hash: finished.state_hash.to_string(),
            file: told.file,
            format: told.format,
            messages: told.messages,
            strategy: told.strategy,
        }
    }

    /// One JSON object.
    ///
    /// # Errors
    /// None that numbers and texts could lead to.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Lines of name and value, by name; the days are not among them.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_csv(&self, out: &mut impl Write) -> Result<()> {
        let Value::Object(mut fields) = serde_json::to_value(self)? else {
            anyhow::bail!("a report has named fields");
        };
        fields.remove("daily");
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["name", "value"])?;
        flatten("", &Value::Object(fields), &mut |name, value| {
            csv.write_record([name, value]).map_err(Into::into)
        })?;
        csv.flush()?;
        Ok(())
    }

    /// A page for people.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_text(&self, out: &mut impl Write) -> Result<()> {
        let Self { result, statistics, currency, .. } = self;
        writeln!(out, "file          {} ({}), {} messages", self.file, self.format, self.messages)?;
        writeln!(out, "strategy      {}, account {}", self.strategy, self.account)?;
        writeln!(out, "from          {}", self.from)?;
        writeln!(out, "to            {}", self.to)?;
        writeln!(out)?;
        writeln!(out, "equity        {} -> {} {currency}", result.equity_begin, result.equity_end)?;
        let total = percent(statistics.total_return);
        writeln!(out, "profit        {} ({total})", result.profit)?;
        writeln!(
            out,
            "of it         realised {}, unrealised {}, fees {}",
            result.realised, result.unrealised, result.fees
        )?;
        writeln!(
            out,
            "drawdown      {} by day, {} every {}; longest {} days",
            percent(Some(statistics.max_drawdown)),
            percent(Some(self.max_drawdown_sampled)),
            self.sampled_every,
            statistics.max_drawdown_days
        )?;
        self.write_annual(out)?;
        writeln!(
            out,
            "traded        {}; turnover {}; in the market {} of the time",
            result.traded.as_deref().unwrap_or("beyond counting"),
            times(result.turnover),
            percent(Some(result.exposure_time))
        )?;
        self.write_orders(out)?;
        writeln!(out)?;
        writeln!(out, "What the figures rest on")?;
        for Assumption { of, is } in &self.assumptions {
            writeln!(out, "  {of:<12}{is}")?;
        }
        if !self.warnings.is_empty() {
            writeln!(out, "Beware")?;
            for warning in &self.warnings {
                writeln!(out, "  * {warning}")?;
            }
        }
        writeln!(out)?;
        writeln!(
            out,
            "state hash    {} after {} inputs, {} steps of the strategy",
            self.state_hash, self.inputs, self.steps
        )?;
        Ok(())
    }

    fn write_orders(&self, out: &mut impl Write) -> Result<()> {
        let Self { trades, orders, .. } = self;
        writeln!(
            out,
            "round trips   {}: {} won, {} lost, {} even; {} positions open at the end",
            trades.count, trades.won, trades.lost, trades.even, trades.open
        )?;
        writeln!(
            out,
            "              hit rate {}, profit factor {}, average {}",
            percent(trades.hit_rate),
            number(trades.profit_factor),
            number(trades.average)
        )?;
        writeln!(
            out,
            "fills         {} resting, {} taking",
            orders.maker_fills, orders.taker_fills
        )?;
        writeln!(
            out,
            "orders        {} placed, {} replaced, {} expired; canceled: {}; refused: {}",
            orders.orders,
            orders.replaced,
            orders.expired,
            listed(&orders.canceled),
            listed(&orders.refused)
        )?;
        Ok(())
    }

    fn write_annual(&self, out: &mut impl Write) -> Result<()> {
        let Self { statistics, days_per_year, .. } = self;
        let days = statistics.days;
        let Some(annual) = statistics.annual else {
            writeln!(
                out,
                "a year        {days} days: nothing is scaled to a year below {DAYS_MIN}, or once the equity was gone"
            )?;
            return Ok(());
        };
        writeln!(
            out,
            "a year        return {}, volatility {} ({days} days, {days_per_year} a year)",
            percent(Some(annual.annual_return)),
            percent(Some(annual.volatility))
        )?;
        writeln!(
            out,
            "ratios        Sharpe {} (standard error {}), Sortino {}, Calmar {}",
            number(annual.sharpe),
            number(annual.sharpe_error),
            number(annual.sortino),
            number(annual.calmar)
        )?;
        Ok(())
    }
}

fn outcome(played: &Played, row: &[f64]) -> Outcome {
    let Played { finished, begin, end, days, .. } = played;
    let recorder = &finished.observer;
    let mean = row.iter().skip(1).sum::<f64>() / days.len().max(1) as f64;
    let span_ns = end.ts.0.saturating_sub(begin.ts.0);
    let exposed_ns = recorder.trips.exposed_ns(end.ts).min(span_ns);
    Outcome {
        equity_begin: format_money(begin.equity),
        equity_end: format_money(end.equity),
        profit: format_money(Money(end.equity.0.saturating_sub(begin.equity.0))),
        realised: format_money(end.realised),
        unrealised: format_money(end.unrealised),
        fees: format_money(end.fees),
        traded: recorder.traded.map(format_money),
        turnover: recorder.traded.and_then(|traded| over(units(traded), mean)),
        exposure_time: over(exposed_ns as f64, span_ns as f64).unwrap_or(0.0),
    }
}

fn trades(recorder: &Recorder) -> Trades {
    let trips = &recorder.trips;
    let (count, won, lost) = (trips.count() as f64, trips.won as f64, trips.lost as f64);
    let (gained, given) = (units(trips.gained), units(trips.given));
    Trades {
        count: trips.count(),
        won: trips.won,
        lost: trips.lost,
        even: trips.even,
        open: trips.open,
        hit_rate: over(won, count),
        profit_factor: over(gained, given),
        average: over(gained - given, count),
        average_won: over(gained, won),
        average_lost: over(given, lost).map(|average| -average),
    }
}

fn day(before: &Mark, mark: &Mark) -> Day {
    let (from, to) = (units(before.equity), units(mark.equity));
    // A mark at midnight is of the day that ends there.
    let date = date_text(mark.ts.0.saturating_sub(1) / NANOS_PER_DAY);
    let day_return = (from > 0.0).then(|| to / from - 1.0);
    Day { date, ts: mark.ts.0, equity: format_money(mark.equity), day_return }
}

fn assumptions(told: &Told, played: &Played) -> Vec<Assumption> {
    let looks = match told.interval_ns {
        0 => "each change of the best prices, each trade".to_string(),
        ns => format!(
            "the latest best prices every {}, all trades; own orders at once",
            span_text(ns)
        ),
    };
    let told: [(&str, String); 6] = [
        ("data", played.kinds.text()),
        (
            "fills",
            format!(
                "on paper beside the recorded market, which does not react; by model: {}",
                listed(&played.finished.observer.counts.fill_models)
            ),
        ),
        ("latency", told.latencies.text()),
        ("hears", looks),
        ("fees", fees(&played.finished.core)),
        (
            "marks",
            "positions count at the last trade, held between best bid and offer; nothing is closed at the end".to_string(),
        ),
    ];
    told.into_iter().map(|(of, is)| Assumption { of, is }).collect()
}

/// The instruments' fees in basis points, from the lowest to the highest.
fn fees(core: &Core) -> String {
    let ids = (0..core.listing().count() as u32).map(InstrumentId);
    let terms = ids.map(|id| core.listing()[id].instrument);
    let (mut makers, mut takers): (Vec<_>, Vec<_>) =
        terms.map(|terms| (terms.maker_fee_e8, terms.taker_fee_e8)).unzip();
    let range = |rates: &mut Vec<i64>| {
        rates.sort_unstable();
        let text = |e8: i64| tidegate_model::decimal::format_scaled(e8.into(), 4, 0);
        match (rates.first(), rates.last()) {
            (Some(low), Some(high)) if low != high => {
                format!("{} to {} bp", text(*low), text(*high))
            }
            (Some(low), _) => format!("{} bp", text(*low)),
            _ => "none".to_string(),
        }
    };
    format!("resting {}, taking {} of notional", range(&mut makers), range(&mut takers))
}

/// What makes this backtest look better than it is, or less certain.
fn warnings(told: &Told, played: &Played, statistics: &Statistics) -> Vec<String> {
    let Played { finished, end, .. } = played;
    let (core, counts) = (&finished.core, &finished.observer.counts);
    let counters = core.counters();
    let mut said = Vec::new();
    let mut warn = |is_so: bool, text: String| {
        if is_so {
            said.push(text);
        }
    };
    let fills = counts.maker_fills + counts.taker_fills;
    warn(fills == 0, "the strategy never traded".into());
    let is_immediate = told.latencies.is_immediate();
    warn(is_immediate, "no latency: no live order is at the venue at once".into());
    warn(
        !is_immediate && played.kinds.is_seamless,
        "bars follow each other without a pause, and an order that is under way when one begins waits for the next: \
         --latency 0 lets what one suggests be done at the open of the next"
            .into(),
    );
    warn(
        fills > 0 && end.fees == Money::ZERO,
        "no fees were charged; give the instruments theirs with --config".into(),
    );
    warn(
        statistics.days < DAYS_MIN,
        format!(
            "{} days say little; a year's figures are left out below {DAYS_MIN}",
            statistics.days
        ),
    );
    if let Some(annual) = statistics.annual
        && let (Some(sharpe), Some(error)) = (annual.sharpe, annual.sharpe_error)
    {
        warn(
            sharpe.abs() < 2.0 * error,
            format!(
                "a Sharpe ratio of {sharpe:.2} is within two standard errors ({error:.2} each) of 0"
            ),
        );
    }
    let open = finished.observer.trips.open;
    warn(
        open > 0,
        format!("{open} positions are open at the end; closing them would cost the spread"),
    );
    warn(end.unpriced > 0, format!("{} positions have no price and count at cost", end.unpriced));
    let refused: u64 = counts.refused.values().sum();
    warn(refused > 0, format!("{refused} requests were refused: {}", listed(&counts.refused)));
    warn(
        counters.unknown_orders > 0,
        format!(
            "{} messages name orders from before the file or a gap: books lack what those displayed",
            counters.unknown_orders
        ),
    );
    warn(counters.gaps > 0, format!("the data has {} gaps; each emptied the books", counters.gaps));
    let listed = core.listing().count();
    warn(
        listed > SYMBOLS_MAX && played.is_unnamed,
        format!(
            "only the first {SYMBOLS_MAX} of {listed} instruments were traded; name others with --symbols"
        ),
    );
    warn(!played.missing.is_empty(), format!("the file has nothing of {}", names(&played.missing)));
    said
}

fn listed(counts: &std::collections::BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return "none".to_string();
    }
    let each: Vec<_> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    each.join(", ")
}

fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "n/a".to_string(), |fraction| format!("{:.4} %", fraction * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_string(), |value| format!("{value:.4}"))
}

fn times(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_string(), |value| format!("{value:.4} times"))
}

/// Gives out every plain value under its path, such as `result.fees` or `warnings.0`.
fn flatten(
    path: &str,
    value: &Value,
    give: &mut impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let below = |name: &str| {
        if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
    };
    match value {
        Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| flatten(&below(name), value, give))
        }
        Value::Array(values) => values
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| flatten(&below(&at.to_string()), value, give)),
        Value::Null => give(path, ""),
        Value::String(text) => give(path, text),
        other => give(path, &other.to_string()),
    }
}

/// Tells a strategy in another process what was found, and lets it go.
///
/// # Errors
/// None that a report could lead to.
pub fn tell(host: Host, report: &Report) -> Result<()> {
    if let Host::There(strategy) = host {
        strategy.finish(report.json()?);
    }
    Ok(())
}
