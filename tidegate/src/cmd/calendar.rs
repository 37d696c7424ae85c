//! `tidegate calendar`

use crate::calendar::{self, Calendar, Day, Session};
use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::civil::Date;
use serde_json::json;
use std::io::{self, Write};
use tidegate_engine::runtime::unix_now;
use tidegate_model::command::Phase;

/// Days that one call prints at most: the years that most calendars know.
const DAYS_MAX: i64 = 3_660;

/// When an exchange trades: its sessions, half days and holidays, and the phases that a market of the house follows.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct CalendarArgs {
    /// The calendar, e.g. XNYS; without one, all that there are
    calendar: Option<String>,
    /// One date
    #[arg(long, conflicts_with_all = ["from", "to"], requires = "calendar")]
    date: Option<Date>,
    /// The first date [default: today at the exchange]
    #[arg(long, requires = "calendar")]
    from: Option<Date>,
    /// The last date [default: six days after the first]
    #[arg(long, requires = "calendar")]
    to: Option<Date>,
    /// Print one JSON object a line, times also in nanoseconds since the Unix epoch
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  tidegate calendar
  tidegate calendar XNYS
  tidegate calendar XLON --from 2026-12-21 --to 2027-01-04
  tidegate calendar CME --date 2026-11-26 --json

An instrument with a market of the house follows one by its key `calendar` in the configuration.";

/// Runs the command.
pub fn run(args: CalendarArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let Some(code) = &args.calendar else { return list(&mut out, args.json) };
    let calendar = calendar::find(code).with_context(|| {
        format!("there is no calendar '{code}'; there are {}", calendar::codes())
    })?;
    let first = args.date.or(args.from).unwrap_or_else(|| calendar.date(unix_now()));
    let last = args.date.or(args.to).unwrap_or_else(|| first.saturating_add(jiff::ToSpan::days(6)));
    ensure!(first <= last, "--to {last} is before --from {first}");
    let count = (last - first).get_days() + 1;
    ensure!(i64::from(count) <= DAYS_MAX, "{count} days are too many: at most {DAYS_MAX}");
    for date in first.series(jiff::ToSpan::days(1)).take_while(|date| *date <= last) {
        let day = calendar.day(date)?;
        match args.json {
            true => writeln!(out, "{}", day_json(calendar, date, &day))?,
            false => writeln!(out, "{}", day_text(calendar, date, &day))?,
        }
    }
    Ok(())
}

fn list(out: &mut impl Write, json: bool) -> Result<()> {
    for calendar in calendar::all() {
        let Calendar { code, name, time_zone, years: [first, last], source, .. } = calendar;
        if json {
            let line = json!({
                "calendar": code, "name": name, "time_zone": time_zone, "first_year": first,
                "last_year": last, "source": source,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{code:<5} {name}, {time_zone}, {first} to {last}\n      {source}")?;
        }
    }
    Ok(())
}

fn why_not(day: &Day) -> &'static str {
    match day {
        Day::Session(session) if session.is_early => "early close",
        Day::Session(_) => "",
        Day::Holiday => "holiday",
        Day::Weekend => "weekend",
    }
}

fn day_text(calendar: &Calendar, date: Date, day: &Day) -> String {
    let mut text = format!("{date} {}", date.strftime("%a"));
    if let Day::Session(session) = day {
        for step in &session.steps {
            let local = calendar.local(step.at);
            // Of a session that opens the evening before, that is said.
            let before =
                if local.date() < date { format!("{} ", local.date()) } else { String::new() };
            let time = local.strftime(if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
            text += &format!("  {before}{time} {}", step.phase);
        }
    }
    match why_not(day) {
        "" => text,
        why => format!("{text}  ({why})"),
    }
}

/// The first step to a phase, or the last one.
fn at(calendar: &Calendar, session: &Session, phase: Phase) -> Option<String> {
    let step = session.steps.iter().find(|step| step.phase == phase)?;
    Some(calendar.local(step.at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn day_json(calendar: &Calendar, date: Date, day: &Day) -> serde_json::Value {
    let Day::Session(session) = day else {
        return json!({
            "calendar": calendar.code, "date": date.to_string(), "is_open": false, "why": why_not(day),
        });
    };
    let steps: Vec<_> = session
        .steps
        .iter()
        .map(|step| {
            let local = calendar.local(step.at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            json!({ "at": local, "ns": step.at.0, "phase": step.phase.as_str() })
        })
        .collect();
    json!({
        "calendar": calendar.code,
        "date": date.to_string(),
        "is_open": true,
        "is_early": session.is_early,
        "open": at(calendar, session, Phase::Continuous),
        "close": at(calendar, session, Phase::CloseAuction).or(at(calendar, session, Phase::Closed)),
        "steps": steps,
    })
}
