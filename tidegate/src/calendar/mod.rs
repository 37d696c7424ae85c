//! When exchanges trade: sessions with half days and time zones, as data with its source (`calendars.toml`), and the thread that
//! asks the engine for the phases that follow from them ([`clock`]).

pub mod clock;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tidegate_model::UnixNanos;
use tidegate_model::command::Phase;

const DATA: &str = include_str!("calendars.toml");

static CALENDARS: LazyLock<Vec<Calendar>> = LazyLock::new(|| {
    let file: File = toml::from_str(DATA).expect("a test reads the built-in calendars");
    let mut calendars = file.calendar;
    for at in 0..calendars.len() {
        let Some(code) = calendars[at].days_of.clone() else { continue };
        let other = calendars.iter().find(|other| other.code == code);
        let other = other.expect("a test looks for the calendars that others refer to").clone();
        (calendars[at].holidays, calendars[at].early) = (other.holidays, other.early);
    }
    calendars
});

#[derive(Deserialize)]
struct File {
    calendar: Vec<Calendar>,
}

/// A day of some year, as `MM-DD`.
type Days = BTreeMap<String, Vec<String>>;

/// The same calendar: there is one of each code.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

/// When one exchange trades; the head of `calendars.toml` says what each key means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name here: ISO 10383 where there is one.
    pub code: String,
    /// The exchange.
    pub name: String,
    /// Its time zone (IANA).
    pub time_zone: String,
    /// The first and the last year that it knows.
    pub years: [i16; 2],
    /// Where its dates and hours come from.
    pub source: String,
    days_of: Option<String>,
    #[serde(default = "working_days")]
    week: Vec<String>,
    #[serde(default)]
    opens_the_day_before: bool,
    #[serde(default)]
    always: bool,
    #[serde(default)]
    hours: Vec<Hours>,
    #[serde(default)]
    holidays: Days,
    #[serde(default)]
    early: Vec<Early>,
}

fn working_days() -> Vec<String> {
    ["mon", "tue", "wed", "thu", "fri"].map(String::from).to_vec()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: Date,
    pre_open: Option<Time>,
    open_auction: Option<Time>,
    open: Time,
    r#break: Option<[Time; 2]>,
    close: Time,
    closing_call: Option<[i64; 2]>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Early {
    close: Time,
    days: Days,
}

/// A market that follows a calendar steps to a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: UnixNanos,
    /// To which.
    pub phase: Phase,
}

/// One session: its steps, rising in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The date on which it closes.
    pub date: Date,
    /// At least one.
    pub steps: Vec<Step>,
    /// True if it closes before the usual time.
    pub is_early: bool,
}

/// What a calendar says of a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Day {
    /// The exchange trades.
    Session(Session),
    /// It would, but for a holiday.
    Holiday,
    /// It does not trade on this day of the week.
    Weekend,
}

/// A date that a calendar knows nothing of.
#[derive(Debug, thiserror::Error)]
#[error("calendar {code} knows {first} to {last}, and nothing of {date}")]
pub struct Unknown {
    code: String,
    first: i16,
    last: i16,
    date: Date,
}

/// Every calendar.
pub fn all() -> &'static [Calendar] {
    &CALENDARS
}

/// The calendar with this code.
pub fn find(code: &str) -> Option<&'static Calendar> {
    all().iter().find(|calendar| calendar.code == code)
}

/// The codes of all calendars, to say what is allowed.
pub fn codes() -> String {
    let codes: Vec<_> = all().iter().map(|calendar| calendar.code.as_str()).collect();
    codes.join(", ")
}

fn is_listed(days: &Days, date: Date) -> bool {
    let day = format!("{:02}-{:02}", date.month(), date.day());
    days.get(&date.year().to_string()).is_some_and(|days| days.contains(&day))
}

fn weekday_text(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

impl Calendar {
    /// What there is on a date.
    ///
    /// # Errors
    /// [`Unknown`] outside the years of the calendar.
    pub fn day(&self, date: Date) -> Result<Day, Unknown> {
        let [first, last] = self.years;
        let hours = self.hours.iter().rfind(|hours| hours.from <= date);
        if !(first..=last).contains(&date.year()) || (hours.is_none() && !self.always) {
            return Err(Unknown { code: self.code.clone(), first, last, date });
        }
        let weekday = weekday_text(date.weekday());
        if !self.week.iter().any(|day| day == weekday) {
            return Ok(Day::Weekend);
        }
        if is_listed(&self.holidays, date) {
            return Ok(Day::Holiday);
        }
        let early = self.early.iter().find(|early| is_listed(&early.days, date));
        let early = early.map(|early| early.close);
        let steps = match hours {
            Some(hours) => self.steps(hours, date, early),
            None => vec![(date.to_datetime(Time::midnight()), Phase::Continuous)],
        };
        let zone = self.zone();
        let step = |(at, phase)| Step { at: moment_in(&zone, at), phase };
        let steps = steps.into_iter().map(step).collect();
        Ok(Day::Session(Session { date, steps, is_early: early.is_some() }))
    }

    fn steps(&self, hours: &Hours, date: Date, early: Option<Time>) -> Vec<(DateTime, Phase)> {
        let opens_on = match self.opens_the_day_before {
            true => date.yesterday().expect("its years are far from the last there are"),
            false => date,
        };
        let mut steps = Vec::new();
        let before = [(hours.pre_open, Phase::PreOpen), (hours.open_auction, Phase::OpenAuction)];
        for (time, phase) in before {
            steps.extend(time.map(|time| (opens_on.to_datetime(time), phase)));
        }
        steps.push((opens_on.to_datetime(hours.open), Phase::Continuous));
        if let Some([from, to]) = hours.r#break {
            steps.push((date.to_datetime(from), Phase::Halt));
            steps.push((date.to_datetime(to), Phase::Continuous));
        }
        let close = date.to_datetime(early.unwrap_or(hours.close));
        let after = |secs| close.saturating_add(SignedDuration::from_secs(secs));
        let closing = match hours.closing_call {
            Some([from, to]) => {
                vec![(after(from), Phase::CloseAuction), (after(to), Phase::Closed)]
            }
            None => vec![(close, Phase::Closed)],
        };
        // An early close comes before what would have been later.
        steps.retain(|(at, _)| *at < closing[0].0);
        steps.extend(closing);
        steps
    }

    fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).expect("a test asks for the time zone of every calendar")
    }

    /// A moment in the exchange's time zone.
    pub fn local(&self, at: UnixNanos) -> Zoned {
        let timestamp = Timestamp::from_nanosecond(at.0.into());
        timestamp.expect("64 bits of nanoseconds are in range").to_zoned(self.zone())
    }

    /// The date at the exchange.
    pub fn date(&self, at: UnixNanos) -> Date {
        self.local(at).date()
    }
}

fn moment_in(zone: &TimeZone, at: DateTime) -> UnixNanos {
    // A time that a change of the clocks leaves out or repeats: no exchange opens or closes at one.
    let zoned = at.to_zoned(zone.clone()).expect("the years of calendars are in range");
    let nanos = zoned.timestamp().as_nanosecond();
    UnixNanos(u64::try_from(nanos).expect("the years of calendars are after 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    /// `hh:mm:ss phase` of each step, in the exchange's time, and in UTC the first.
    fn told(code: &str, day: &str) -> (String, String) {
        let calendar = find(code).expect("a calendar");
        let session = match calendar.day(date(day)).expect("known") {
            Day::Session(session) => session,
            Day::Holiday => return ("holiday".into(), String::new()),
            Day::Weekend => return ("weekend".into(), String::new()),
        };
        let text = |step: &Step| {
            let local = calendar.local(step.at);
            format!("{} {}", local.strftime("%H:%M:%S"), step.phase)
        };
        let steps: Vec<_> = session.steps.iter().map(text).collect();
        let first = crate::time_text::moment_text(session.steps[0].at);
        (steps.join(", "), first[..16].to_string())
    }

    /// From the exchanges' own pages: half days, changes of the clocks, holidays that move.
    #[test]
    fn known_days_are_as_the_exchanges_had_or_announced_them() {
        let usual =
            "06:30:00 pre_open, 09:30:00 continuous, 16:00:00 close_auction, 16:00:01 closed";
        let table = [
            ("XNYS", "2026-11-20", usual, "2026-11-20T11:30"),
            ("XNYS", "2026-07-06", usual, "2026-07-06T10:30"),
            ("XNYS", "2026-11-26", "holiday", ""),
            ("XNYS", "2025-01-09", "holiday", ""),
            ("XNYS", "2026-11-21", "weekend", ""),
            (
                "XNYS",
                "2026-11-27",
                "06:30:00 pre_open, 09:30:00 continuous, 13:00:00 close_auction, 13:00:01 closed",
                "2026-11-27T11:30",
            ),
            (
                "XNAS",
                "2026-12-24",
                "04:00:00 pre_open, 09:28:00 open_auction, 09:30:00 continuous, 13:00:00 close_auction, 13:00:01 closed",
                "2026-12-24T09:00",
            ),
            ("XNAS", "2022-06-20", "holiday", ""),
            (
                "XLON",
                "2026-12-24",
                "05:05:00 pre_open, 07:50:00 open_auction, 08:00:00 continuous, 12:30:00 close_auction, 12:35:00 closed",
                "2026-12-24T05:05",
            ),
            ("XLON", "2022-09-19", "holiday", ""),
            ("XLON", "2026-08-31", "holiday", ""),
            (
                "XPAR",
                "2026-12-31",
                "07:15:00 pre_open, 09:00:00 continuous, 14:00:00 close_auction, 14:05:00 closed",
                "2026-12-31T06:15",
            ),
            (
                "XPAR",
                "2026-07-14",
                "07:15:00 pre_open, 09:00:00 continuous, 17:30:00 close_auction, 17:35:00 closed",
                "2026-07-14T05:15",
            ),
            (
                "XETR",
                "2026-12-30",
                "07:30:00 pre_open, 08:50:00 open_auction, 09:00:00 continuous, 14:00:00 close_auction, 14:05:00 closed",
                "2026-12-30T06:30",
            ),
            ("XETR", "2026-12-24", "holiday", ""),
            ("XETR", "2021-05-24", "holiday", ""),
            (
                "XTKS",
                "2024-11-01",
                "08:00:00 pre_open, 09:00:00 continuous, 11:30:00 halt, 12:30:00 continuous, 15:00:00 close_auction, 15:00:01 closed",
                "2024-10-31T23:00",
            ),
            (
                "XTKS",
                "2024-11-05",
                "08:00:00 pre_open, 09:00:00 continuous, 11:30:00 halt, 12:30:00 continuous, 15:25:00 close_auction, 15:30:00 closed",
                "2024-11-04T23:00",
            ),
            ("XTKS", "2026-09-22", "holiday", ""),
            (
                "CME",
                "2026-11-23",
                "16:45:00 pre_open, 17:00:00 continuous, 16:00:00 closed",
                "2026-11-22T22:45",
            ),
            (
                "CME",
                "2026-11-26",
                "16:45:00 pre_open, 17:00:00 continuous, 12:00:00 closed",
                "2026-11-25T22:45",
            ),
            ("24x7", "2026-12-25", "00:00:00 continuous", "2026-12-25T00:00"),
        ];
        for (code, day, steps, first_utc) in table {
            let expected = (steps.to_string(), first_utc.to_string());
            assert_eq!(told(code, day), expected, "{code} {day}");
        }
    }

    /// Sessions of a year, as the exchanges count them.
    #[test]
    fn years_have_as_many_sessions_as_the_exchanges_say() {
        let sessions = |code: &str, year: i16| {
            let calendar = find(code).expect("a calendar");
            let days = Date::constant(year, 1, 1).series(jiff::ToSpan::days(1));
            let days = days.take_while(|day| day.year() == year);
            let is_session = |day: &Date| matches!(calendar.day(*day), Ok(Day::Session(_)));
            days.filter(is_session).count()
        };
        let table = [
            ("XNYS", 2020, 253),
            ("XNYS", 2021, 252),
            ("XNYS", 2022, 251),
            ("XNYS", 2023, 250),
            ("XNYS", 2024, 252),
            ("XNYS", 2025, 250),
            ("XNYS", 2026, 251),
            ("XLON", 2024, 254),
            ("XLON", 2026, 253),
            ("XTKS", 2024, 245),
            ("24x7", 2024, 366),
        ];
        for (code, year, expected) in table {
            assert_eq!(sessions(code, year), expected, "{code} {year}");
        }
    }

    #[test]
    fn every_calendar_is_whole() {
        for calendar in all() {
            let code = &calendar.code;
            assert!(!calendar.source.is_empty() && !calendar.name.is_empty(), "{code}");
            let [first, last] = calendar.years;
            let mut before = UnixNanos::ZERO;
            let days = Date::constant(first, 1, 1).series(jiff::ToSpan::days(1));
            // A century of days without holidays says no more than ten years.
            let days = days.take_while(|day| day.year() <= last.min(first + 10));
            let mut listed = 0;
            for day in days {
                let known = calendar.day(day).expect("a day of its years");
                listed += usize::from(known == Day::Holiday);
                let Day::Session(session) = known else { continue };
                for step in &session.steps {
                    assert!(
                        step.at > before,
                        "{code} {day}: steps rise, from session to session too"
                    );
                    before = step.at;
                }
                assert_eq!(
                    session.is_early,
                    calendar.early.iter().any(|e| is_listed(&e.days, day))
                );
            }
            // A holiday on a weekend, or a day that is not one, would be a slip of the pen.
            let holidays: usize = calendar.holidays.values().map(Vec::len).sum();
            assert_eq!(listed, holidays, "{code}");
            for day in [Date::constant(first - 1, 12, 31), Date::constant(last + 1, 1, 1)] {
                assert!(calendar.day(day).is_err(), "{code} knows nothing of {day}");
            }
        }
    }
}
