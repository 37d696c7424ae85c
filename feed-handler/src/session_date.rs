//! Which day a session belongs to. ITCH counts nanoseconds since midnight in New York and never says the day.

use std::path::Path;
use tidegate_model::UnixNanos;

const SECS_PER_DAY: u64 = 86_400;
const NANOS_PER_SEC: u64 = 1_000_000_000;
/// The last year with a date: keeps every time of the session far inside 64 bits.
const YEAR_MAX: u32 = 2_199;

/// Midnight in New York at the start of a day, in UTC; `None` if there is no such day from 1970 to 2199.
///
/// Daylight time is that of the Energy Policy Act of 2005 (second Sunday of March to first Sunday of
/// November); earlier days use it too, which may be an hour off in the weeks where the law differed.
pub fn new_york_midnight(year: u32, month: u32, day: u32) -> Option<UnixNanos> {
    let days = days_of(year, month, day)?;
    // The clock changes at two in the night, so the day of the change still begins in the old time.
    let summer_from = days_since_epoch(year, 3, nth_sunday(year, 3, 2));
    let summer_to = days_since_epoch(year, 11, nth_sunday(year, 11, 1));
    let hours_behind = if days > summer_from && days <= summer_to { 4 } else { 5 };
    Some(UnixNanos((days * SECS_PER_DAY + hours_behind * 3_600) * NANOS_PER_SEC))
}

/// Days from 1 January 1970 to a date; `None` if there is no such day from 1970 to 2199.
pub fn days_of(year: u32, month: u32, day: u32) -> Option<u64> {
    const DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1970..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let leap_day = u32::from(month == 2 && is_leap(year));
    if day == 0 || day > DAYS[month as usize - 1] + leap_day {
        return None;
    }
    Some(days_since_epoch(year, month, day))
}

/// The latest New York midnight at or before `now`: what the ITCH clock of a live session counts from.
pub fn last_new_york_midnight(now: UnixNanos) -> UnixNanos {
    let today = now.0 / NANOS_PER_SEC / SECS_PER_DAY;
    // New York is behind, so it is either the day that UTC has or the one before.
    (0..=1)
        .filter_map(|back| {
            let (year, month, day) = date_of(today.saturating_sub(back));
            new_york_midnight(year, month, day).filter(|midnight| *midnight <= now)
        })
        .next()
        .unwrap_or(UnixNanos(today * SECS_PER_DAY * NANOS_PER_SEC))
}

/// The date of a day counted from 1 January 1970.
fn date_of(days_since_1970: u64) -> (u32, u32, u32) {
    let mut year = 1970 + (days_since_1970 / 366) as u32;
    while days_since_epoch(year + 1, 1, 1) <= days_since_1970 {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_since_epoch(year, month + 1, 1) <= days_since_1970 {
        month += 1;
    }
    (year, month, (days_since_1970 - days_since_epoch(year, month, 1)) as u32 + 1)
}

/// The day that a file's name tells, as `YYYYMMDD` or `MMDDYYYY` (Nasdaq's own archive), as New York midnight.
///
/// Names without a date give `None`; callers then count from the epoch, so that times of day read right.
pub fn midnight_from_file_name(path: &Path) -> Option<UnixNanos> {
    let name = path.file_name()?.to_str()?;
    let runs = name.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 8);
    for run in runs {
        let number = |from: usize, to: usize| run[from..to].parse::<u32>().unwrap_or(0);
        let year_first = new_york_midnight(number(0, 4), number(4, 6), number(6, 8));
        let year_last = new_york_midnight(number(4, 8), number(0, 2), number(2, 4));
        if let Some(midnight) = year_first.or(year_last) {
            return Some(midnight);
        }
    }
    None
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1 January 1970 in the Gregorian calendar; the date must be valid.
fn days_since_epoch(year: u32, month: u32, day: u32) -> u64 {
    let (year, month, day) = (u64::from(year), u64::from(month), u64::from(day));
    // Years that begin in March put the leap day last.
    let march_year = if month <= 2 { year - 1 } else { year };
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    march_year * 365 + leap_days + day_of_year - 719_468
}

fn nth_sunday(year: u32, month: u32, nth: u32) -> u32 {
    // 1 January 1970 was a Thursday, day 4 of a week that begins with Sunday as day 0.
    let weekday_of_first = (days_since_epoch(year, month, 1) + 4) % 7;
    let first_sunday = 1 + (7 - weekday_of_first as u32) % 7;
    first_sunday + 7 * (nth - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_follows_the_calendar_and_daylight_time() {
        let check = |ymd: (u32, u32, u32), secs: Option<u64>| {
            let got = new_york_midnight(ymd.0, ymd.1, ymd.2).map(|t| t.0 / NANOS_PER_SEC);
            assert_eq!(got, secs, "{ymd:?}");
        };
        check((2019, 12, 30), Some(1_577_682_000));
        check((2020, 3, 8), Some(1_583_643_600));
        check((2020, 3, 9), Some(1_583_726_400));
        check((2020, 11, 1), Some(1_604_203_200));
        check((2020, 11, 2), Some(1_604_293_200));
        check((1970, 1, 1), Some(18_000));
        check((2020, 2, 29), Some(1_582_952_400));
        check((2019, 2, 29), None);
        check((2019, 13, 1), None);
        check((1969, 12, 31), None);
        check((2019, 1, 0), None);
    }

    #[test]
    fn last_midnight_is_the_one_before_now() {
        let check = |now_secs: u64, midnight_secs: u64| {
            let got = last_new_york_midnight(UnixNanos(now_secs * NANOS_PER_SEC));
            assert_eq!(got.0 / NANOS_PER_SEC, midnight_secs);
        };
        check(1_577_682_000, 1_577_682_000);
        check(1_577_681_999, 1_577_682_000 - SECS_PER_DAY);
        check(1_577_682_000 + SECS_PER_DAY - 1, 1_577_682_000);
        check(1_604_203_200 + 25 * 3_600 - 1, 1_604_203_200);
        check(1_604_203_200 + 25 * 3_600, 1_604_293_200);
    }

    #[test]
    fn file_names_tell_the_day() {
        let check = |name: &str, ymd: Option<(u32, u32, u32)>| {
            let want = ymd.and_then(|(y, m, d)| new_york_midnight(y, m, d));
            assert_eq!(midnight_from_file_name(Path::new(name)), want, "{name}");
        };
        check("/x/AAPL_20191230_0935-0939.itch", Some((2019, 12, 30)));
        check("12302019.NASDAQ_ITCH50.gz", Some((2019, 12, 30)));
        check("session.itch", None);
        check("99999999.itch", None);
        check("123456789.itch", None);
    }
}
