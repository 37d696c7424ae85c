//! `tidegate latency`

mod live;
mod view;

use crate::cmd::stats::grouped;
use crate::remote::ServerArgs;
use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use tidegate_client::proto;

/// Watch what each stage of an order's way takes, against the budget.
///
/// Live on a terminal: percentiles of the whole paths and of the step to each stage, the slowest of each second, and where the time
/// of the slowest orders of the last minute went. docs/latency.md says what each stage is. It reads and changes nothing.
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q ends, w changes between the last minute and all since the start, up and down choose an order, \
    space holds the picture.\n\nExamples:\n  tidegate latency\n  tidegate latency --once --minute\n  \
    tidegate latency --json | jq '.figures[] | select(.breaches > 0)'"
)]
pub struct LatencyArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print a table once; so it is where the output is no terminal
    #[arg(long)]
    once: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Figures of the last minute; without, of all since the server's start
    #[arg(long)]
    minute: bool,
}

/// Runs the command.
pub fn run(args: LatencyArgs) -> Result<()> {
    let window = match args.minute {
        true => proto::LatencyWindow::Minute,
        false => proto::LatencyWindow::Unspecified,
    };
    let request = proto::GetLatencyRequest { window: window.into() };
    // A server that does not answer is told before the terminal changes.
    let asked = |client: tidegate_client::Client| async move { client.get_latency(request).await };
    let report = args.server.ask(asked)?;
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", as_json(&report))?;
        return Ok(());
    }
    if args.once || !out.is_terminal() {
        write!(out, "{}", as_text(&report))?;
        return Ok(());
    }
    live::run(args.server, report)
}

/// A duration for people: three digits, and its unit.
pub(crate) fn short(ns: u64) -> String {
    for (unit_ns, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")] {
        if ns >= unit_ns {
            let value = ns as f64 / unit_ns as f64;
            // What would be rounded up to four digits has none behind the point.
            let digits = if value < 9.995 {
                2
            } else if value < 99.95 {
                1
            } else {
                0
            };
            return format!("{value:.digits$} {unit}");
        }
    }
    format!("{ns} ns")
}

/// A table's cell: nothing where nothing was measured.
pub(super) fn cell(count: u64, ns: u64) -> String {
    if count == 0 { "-".into() } else { short(ns) }
}

pub(super) fn window_text(window: i32) -> &'static str {
    match proto::LatencyWindow::try_from(window) {
        Ok(proto::LatencyWindow::Minute) => "the last minute",
        _ => "since the start",
    }
}

/// What was measured, or has a budget.
pub(super) fn shown(report: &proto::LatencyReport) -> impl Iterator<Item = &proto::LatencyFigures> {
    report.figures.iter().filter(|figures| figures.count > 0 || figures.budget_ns > 0)
}

/// A waterfall's name.
pub(super) fn title(slow: &proto::LatencyWaterfall) -> String {
    let proto::LatencyWaterfall { kind, seq, session, request_id, .. } = slow;
    format!("{kind}, input {seq}, session {session}, request {request_id}")
}

/// Each stage of a waterfall with the time that the step to it took; the first has none.
pub(super) fn steps(slow: &proto::LatencyWaterfall) -> impl Iterator<Item = (&str, u64)> {
    slow.steps.iter().scan(None, |before: &mut Option<u64>, step| {
        let took = step.ts.saturating_sub(before.unwrap_or(step.ts));
        *before = Some(step.ts);
        Some((step.stage.as_str(), took))
    })
}

fn as_text(report: &proto::LatencyReport) -> String {
    let mut text = format!(
        "{:<16}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
        window_text(report.window),
        "count",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "budget",
        "breaches"
    );
    for figures in shown(report) {
        let cell = |ns| cell(figures.count, ns);
        text += &format!(
            "{:<16}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
            figures.name,
            grouped(figures.count),
            cell(figures.p50_ns),
            cell(figures.p90_ns),
            cell(figures.p99_ns),
            cell(figures.p999_ns),
            cell(figures.p9999_ns),
            cell(figures.max_ns),
            if figures.budget_ns == 0 { "-".into() } else { short(figures.budget_ns) },
            grouped(figures.breaches)
        );
    }
    text += &format!(
        "{} inputs followed, {} under way, {} not followed\n",
        grouped(report.traces),
        grouped(report.pending),
        grouped(report.dropped)
    );
    if !report.slowest.is_empty() {
        text += "\nslowest of the last minute\n";
    }
    for slow in &report.slowest {
        let way: Vec<_> = steps(slow)
            .map(
                |(stage, ns)| {
                    if ns == 0 { stage.to_string() } else { format!("{stage} {}", short(ns)) }
                },
            )
            .collect();
        text += &format!(
            "{:>10}  {}\n{:>12}{}\n",
            short(slow.took_ns),
            title(slow),
            "",
            way.join(" > ")
        );
    }
    if report.alerts_count > 0 {
        text += &format!("\n{} alerts; the last\n", grouped(report.alerts_count));
    }
    for alert in report.alerts.iter().rev().take(10) {
        text += &alert_text(alert);
        text += "\n";
    }
    text
}

/// An alert in one line.
pub(super) fn alert_text(alert: &proto::LatencyAlert) -> String {
    let at = crate::time_text::moment_text(tidegate_model::UnixNanos(alert.ts));
    let clock = at.get(11..19).unwrap_or_default();
    let of = alert.worst.as_ref().map(title).unwrap_or_default();
    let more = match alert.breaches {
        0 | 1 => String::new(),
        breaches => format!(", the worst of {}", grouped(breaches)),
    };
    let (took, budget) = (short(alert.took_ns), short(alert.budget_ns));
    format!("{clock}  {} took {took} of {budget}{more} ({of})", alert.name)
}

fn waterfall_json(slow: &proto::LatencyWaterfall) -> Value {
    let steps = slow.steps.iter().map(|step| json!({ "stage": step.stage, "ts": step.ts }));
    json!({
        "path": slow.path,
        "kind": slow.kind,
        "seq": slow.seq,
        "session": slow.session,
        "request_id": slow.request_id,
        "took_ns": slow.took_ns,
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn as_json(report: &proto::LatencyReport) -> Value {
    let figures = report.figures.iter().map(|figures| {
        json!({
            "name": figures.name,
            "count": figures.count,
            "p50_ns": figures.p50_ns,
            "p90_ns": figures.p90_ns,
            "p99_ns": figures.p99_ns,
            "p999_ns": figures.p999_ns,
            "p9999_ns": figures.p9999_ns,
            "max_ns": figures.max_ns,
            "budget_ns": (figures.budget_ns > 0).then_some(figures.budget_ns),
            "breaches": figures.breaches,
        })
    });
    let alerts = report.alerts.iter().map(|alert| {
        json!({
            "number": alert.number,
            "ts": alert.ts,
            "name": alert.name,
            "took_ns": alert.took_ns,
            "budget_ns": alert.budget_ns,
            "breaches": alert.breaches,
            "worst": alert.worst.as_ref().map(waterfall_json),
        })
    });
    json!({
        "ts": report.ts,
        "window": if report.window == 0 { "start" } else { "minute" },
        "figures": figures.collect::<Vec<_>>(),
        "slowest": report.slowest.iter().map(waterfall_json).collect::<Vec<_>>(),
        "worst_by_second_ns": report.worst_by_second,
        "alerts": alerts.collect::<Vec<_>>(),
        "alerts_count": report.alerts_count,
        "traces": report.traces,
        "pending": report.pending,
        "dropped": report.dropped,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report with an order over its budget.
    pub fn report() -> proto::LatencyReport {
        let figures = |name: &str, p50_ns: u64, budget_ns| proto::LatencyFigures {
            name: name.into(),
            count: 12_345,
            p50_ns,
            p90_ns: p50_ns * 2,
            p99_ns: p50_ns * 5,
            p999_ns: p50_ns * 10,
            p9999_ns: p50_ns * 100,
            max_ns: p50_ns * 700,
            budget_ns,
            breaches: u64::from(budget_ns > 0) * 3,
        };
        let begin = 1_700_000_000_000_000_000;
        let steps = [("received", 0), ("sequenced", 12_000), ("journaled", 12_400)];
        let steps = steps.into_iter().chain([("released", 69_000_000), ("delivered", 70_000_000)]);
        let steps =
            steps.map(|(stage, ns)| proto::LatencyStep { stage: stage.into(), ts: begin + ns });
        let slow = proto::LatencyWaterfall {
            path: "order".into(),
            kind: "new_order".into(),
            seq: 77,
            session: 4,
            request_id: 9,
            took_ns: 70_000_000,
            steps: steps.collect(),
        };
        let mut worst_by_second: Vec<u64> = (0..60).map(|second| second * 500_000).collect();
        worst_by_second[55] = 70_000_000;
        proto::LatencyReport {
            ts: begin,
            figures: vec![
                figures("order", 100_000, 50_000_000),
                proto::LatencyFigures {
                    name: "fill".into(),
                    budget_ns: 50_000_000,
                    ..Default::default()
                },
                figures("sequenced", 9_000, 0),
                figures("journaled", 450, 0),
            ],
            slowest: vec![slow.clone()],
            worst_by_second,
            alerts: vec![proto::LatencyAlert {
                number: 3,
                ts: begin,
                name: "order".into(),
                took_ns: 70_000_000,
                budget_ns: 50_000_000,
                breaches: 2,
                worst: Some(slow),
            }],
            alerts_count: 3,
            traces: 24_690,
            ..Default::default()
        }
    }

    #[test]
    fn durations_have_three_digits() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (9_994, "9.99 µs"),
            (9_996, "10.0 µs"),
            (99_960, "100 µs"),
            (70_000_000, "70.0 ms"),
            (60_000_000_000, "60.0 s"),
        ] {
            assert_eq!(short(ns), text);
        }
    }

    #[test]
    fn the_table_says_what_was_slow_and_where() {
        let text = as_text(&report());
        for said in [
            "since the start        count",
            "order                 12,345    100 µs    200 µs",
            "50.0 ms         3",
            "fill                       0         -",
            "70.0 ms  new_order, input 77, session 4, request 9",
            "received > sequenced 12.0 µs > journaled 400 ns > released 69.0 ms > delivered 1.00 ms",
            "3 alerts; the last",
            "22:13:20  order took 70.0 ms of 50.0 ms, the worst of 2 (new_order, input 77",
        ] {
            assert!(text.contains(said), "'{said}' is not in:\n{text}");
        }
    }

    #[test]
    fn json_has_everything_in_nanoseconds() {
        let json = as_json(&report());
        assert_eq!(json["figures"][0]["p99_ns"], 500_000);
        assert_eq!(json["figures"][2]["budget_ns"], Value::Null);
        assert_eq!(json["slowest"][0]["steps"][1]["stage"], "sequenced");
        assert_eq!(json["alerts"][0]["worst"]["seq"], 77);
        assert_eq!(json["worst_by_second_ns"].as_array().map(Vec::len), Some(60));
    }
}
