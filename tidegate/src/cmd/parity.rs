//! `tidegate parity`

mod report;

use crate::time_text::{span, span_text};
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use report::{Report, Told};
use std::io;
use std::path::PathBuf;
use tidegate_engine::parity::{Progress, Rates, Settings, Stage, compare};
use tidegate_model::command::{EXPONENT_E3_MAX, FLAG_FILL_ON_TOUCH, FillModelKind, SetFillModel};
use tidegate_model::decimal::parse_nano;
use tidegate_model::instrument::FEE_E8_MAX;

/// Say why real and simulated fills differ, order by order, in money.
///
/// The journal of a live or paper engine is run again, and its orders through the simulator: the same paper venue, with the
/// market data that the journal holds, each request at the time at which it was sent. What sets the actual fills of an order
/// apart from the simulated ones is told by its causes: latency, queue place, slippage, missed fills, extra fills, fees. The
/// causes add up to the difference exactly. Below 0 the real order did worse.
///
/// Without options the simulator supposes what the journal says: of a paper journal nothing differs then, of a live one
/// that is what the paper venue would have done in place of the real one. docs/parity.md defines each cause.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate parity data/journal\n  \
    tidegate parity data/journal --latency 500us --fees -0.2,0.5 --orders 50\n  \
    tidegate parity data/journal --output csv > orders.csv\n  \
    tidegate parity data/journal --output json | jq '.totals[]'")]
pub struct ParityArgs {
    /// The journal's directory
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Suppose so long from the gate to the venue, such as 250us, 5ms; without, as the journal sets it
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    latency: Option<u64>,
    /// Suppose that resting orders are filled so: exact, risk_averse, power:N, log, square, quotes, quotes:touch, bars,
    /// bars:touch; without, as the journal sets it. Where the data tells too little for a model, its default holds
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    fill_model: Option<SetFillModel>,
    /// Suppose these fees in basis points of the notional, below 0 a rebate; without, the journal's schedules
    #[arg(long, value_name = "MAKER,TAKER", value_parser = parse_fees, allow_hyphen_values = true)]
    fees: Option<Rates>,
    /// How the result is written: a page, one JSON object, or one CSV line an order
    #[arg(long, default_value = "text")]
    output: Form,
    /// Orders on the page, the largest differences first
    #[arg(long, value_name = "N", default_value_t = 20)]
    orders: usize,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Text,
    Json,
    Csv,
}

/// The longest latency, as in the configuration of a server.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

fn parse_span(text: &str) -> Result<u64, String> {
    let ns = span(text).ok_or("a span such as 250us, 10ms, 1.5s or 5m is needed")?;
    if ns <= LATENCY_MAX_NS { Ok(ns) } else { Err("at most 60s is allowed".to_string()) }
}

fn parse_model(text: &str) -> Result<SetFillModel, String> {
    let (name, more) = text.split_once(':').map_or((text, None), |(name, more)| (name, Some(more)));
    let kind = FillModelKind::ALL.iter().find(|kind| kind.as_str() == name);
    let kind = *kind.ok_or_else(|| {
        let all: Vec<_> = FillModelKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("one of {} is needed", all.join(", "))
    })?;
    let set = SetFillModel { model: kind.wire(), ..SetFillModel::default() };
    match (kind, more) {
        (FillModelKind::Power, Some(power)) => {
            let e3 = parse_nano(power).ok().filter(|nano| nano % 1_000_000 == 0);
            let e3 = e3.and_then(|nano| u32::try_from(nano / 1_000_000).ok());
            let e3 = e3.filter(|e3| (1..=EXPONENT_E3_MAX).contains(e3));
            let exponent_e3 = e3.ok_or("a power from 0.001 to 10 is needed, as in power:2")?;
            Ok(SetFillModel { exponent_e3, ..set })
        }
        (FillModelKind::Power, None) => Err("its power is needed, as in power:2".to_string()),
        (FillModelKind::Quotes | FillModelKind::Bars, Some("touch")) => {
            Ok(SetFillModel { flags: FLAG_FILL_ON_TOUCH, ..set })
        }
        (_, None) => Ok(set),
        (_, Some(more)) => Err(format!("'{more}' means nothing to {name}")),
    }
}

fn parse_fees(text: &str) -> Result<Rates, String> {
    /// 1e-8, the resolution of a rate, is so many 1e-9 of a basis point.
    const NANO_BP_PER_E8: i64 = 100_000;
    let rate = |text: &str| {
        let nano_bp = parse_nano(text.trim()).ok().filter(|nano| nano % NANO_BP_PER_E8 == 0)?;
        Some(nano_bp / NANO_BP_PER_E8).filter(|e8| (-FEE_E8_MAX..=FEE_E8_MAX).contains(e8))
    };
    let rates = text
        .split_once(',')
        .and_then(|(maker, taker)| Some(Rates { maker_e8: rate(maker)?, taker_e8: rate(taker)? }));
    rates.ok_or_else(|| {
        "two rates in basis points are needed, as -0.2,0.5: multiples of 0.0001, -10000 to 10000"
            .to_string()
    })
}

/// Runs the command.
pub fn run(args: ParityArgs) -> Result<()> {
    ensure!(args.journal.is_dir(), "{} is not a journal's directory", args.journal.display());
    let settings =
        Settings { latency_ns: args.latency, fill_model: args.fill_model, rates: args.fees };
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(
        "{spinner} {msg}, {human_pos} inputs, {per_sec}",
    )?);
    let mut stage = None;
    let mut show = |progress: Progress| {
        if stage.replace(progress.stage) != Some(progress.stage) {
            bar.reset();
            bar.set_message(match progress.stage {
                Stage::Reading => "reading the journal".to_string(),
                Stage::Simulating(at, of) => format!("simulation {at} of {of}"),
            });
        }
        bar.set_position(progress.inputs);
    };
    let shown = args.journal.display().to_string();
    let compared = compare(&args.journal, &settings, &mut show);
    bar.finish_and_clear();
    let compared = compared.with_context(|| format!("cannot compare {shown}"))?;
    let Some(parity) = compared else { bail!("{shown} holds no inputs") };
    let told = Told {
        journal: shown,
        latency: span_text(settings.latency_ns.unwrap_or(parity.recording.latency_ns)),
        is_latency_given: settings.latency_ns.is_some(),
        fill_model: settings.fill_model,
        rates: settings.rates,
    };
    let report = Report::new(told, &parity)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.output {
        Form::Text => report.write_text(&mut out, args.orders)?,
        Form::Json => report.write_json(&mut out)?,
        Form::Csv => report.write_csv(&mut out)?,
    }
    io::Write::flush(&mut out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_models() {
        for (text, model, flags, exponent_e3) in [
            ("exact", FillModelKind::Exact, 0, 0),
            ("risk_averse", FillModelKind::RiskAverse, 0, 0),
            ("power:2", FillModelKind::Power, 0, 2_000),
            ("power:0.5", FillModelKind::Power, 0, 500),
            ("quotes:touch", FillModelKind::Quotes, FLAG_FILL_ON_TOUCH, 0),
        ] {
            let set = parse_model(text).unwrap();
            assert_eq!((set.model, set.flags, set.exponent_e3), (model.wire(), flags, exponent_e3));
        }
        for text in ["", "exactly", "power", "power:0", "power:11", "power:0.0001", "exact:touch"] {
            assert!(parse_model(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_fees() {
        assert_eq!(parse_fees("-0.2,0.5"), Ok(Rates { maker_e8: -2_000, taker_e8: 5_000 }));
        assert_eq!(parse_fees("0, 10000"), Ok(Rates { maker_e8: 0, taker_e8: FEE_E8_MAX }));
        for text in ["", "1", "1,", "1,2,3", "0.00001,0", "10001,0", "a,b"] {
            assert!(parse_fees(text).is_err(), "{text}");
        }
    }
}
