//! Times as people write and read them.

use tidegate_model::UnixNanos;

const NANOS_PER_SEC: u64 = 1_000_000_000;
/// Nanoseconds of a day.
pub const NANOS_PER_DAY: u64 = 86_400 * NANOS_PER_SEC;
/// The last year that a time may lie in: far inside 64 bits of nanoseconds.
const YEAR_MAX: u64 = 2_199;

/// A time of day such as `09:30:00` or `09:30:00.000000001`, in nanoseconds since midnight.
pub fn time_of_day(text: &str) -> Option<u64> {
    let digits = |text: &str, len: usize| -> Option<u64> {
        let right = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        right.then(|| text.parse().ok()).flatten()
    };
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) if !fraction.is_empty() && fraction.len() <= 9 => {
            (clock, format!("{fraction:0<9}"))
        }
        Some(_) => return None,
        None => (text, "0".repeat(9)),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|&hour| hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|&minute| minute < 60)?;
    let second = digits(parts.next()?, 2).filter(|&second| second < 60)?;
    let nanos = digits(&fraction, 9)?;
    let none_left = parts.next().is_none();
    none_left.then_some(((hour * 60 + minute) * 60 + second) * NANOS_PER_SEC + nanos)
}

/// A moment: `2019-12-30` (its midnight), `2019-12-30T14:35:00Z` or with up to nine decimals; UTC.
pub fn moment(text: &str) -> Option<UnixNanos> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time_of_day(time.strip_suffix('Z')?)?),
        None => (text, 0),
    };
    Some(UnixNanos(days_of(date)? * NANOS_PER_DAY + time))
}

/// The days from 1 January 1970 to a date such as `2019-12-30`.
fn days_of(date: &str) -> Option<u64> {
    let year: u64 = date.get(..4)?.parse().ok().filter(|year| (1970..=YEAR_MAX).contains(year))?;
    let month: u64 = date.get(5..7)?.parse().ok()?;
    let day: u64 = date.get(8..)?.parse().ok().filter(|day| *day <= 31)?;
    // Years that begin in March put the leap day last.
    let (march_year, march_month) = match month {
        1..=2 => (year - 1, month + 9),
        3..=12 => (year, month - 3),
        _ => return None,
    };
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let day_of_year = (153 * march_month + 2) / 5 + day;
    let days = (march_year * 365 + leap_days + day_of_year).checked_sub(719_469)?;
    // Whatever is no date, or not written as one, comes back as another text.
    (date_text(days) == date).then_some(days)
}

/// A moment as `2019-12-30T14:35:00.000156000Z`.
pub fn moment_text(at: UnixNanos) -> String {
    let (days, of_day) = (at.0 / NANOS_PER_DAY, at.0 % NANOS_PER_DAY);
    let (secs, nanos) = (of_day / NANOS_PER_SEC, of_day % NANOS_PER_SEC);
    let date = date_text(days);
    format!("{date}T{:02}:{:02}:{:02}.{nanos:09}Z", secs / 3_600, secs / 60 % 60, secs % 60)
}

/// A span such as `250us`, `1ms`, `1.5s` or `2m`, in nanoseconds; a bare number but 0 has no unit and is none.
pub fn span(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit_ns = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let nano = u64::try_from(tidegate_model::decimal::parse_nano(number).ok()?).ok()?;
    let ns = u128::from(nano) * u128::from(unit_ns);
    let (whole, rest) = (ns / u128::from(NANOS_PER_SEC), ns % u128::from(NANOS_PER_SEC));
    (rest == 0).then(|| u64::try_from(whole).ok()).flatten()
}

/// Units of a span, the largest first.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600 * NANOS_PER_SEC),
    ("m", 60 * NANOS_PER_SEC),
    ("s", NANOS_PER_SEC),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A span in the largest unit that it is a whole number of.
pub fn span_text(ns: u64) -> String {
    let fits = UNITS.iter().find(|(_, unit_ns)| ns > 0 && ns.is_multiple_of(*unit_ns));
    fits.map_or_else(|| "0".to_string(), |(unit, unit_ns)| format!("{} {unit}", ns / unit_ns))
}

/// The date of a day counted from 1 January 1970.
pub fn date_text(days: u64) -> String {
    // Counted in eras of 400 years that begin on 1 March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_of_day() {
        for (text, expected) in [
            ("00:00:00", Some(0)),
            ("09:30:00.5", Some(34_200_500_000_000)),
            ("23:59:59.999999999", Some(86_399_999_999_999)),
            ("24:00:00", None),
            ("9:30:00", None),
            ("09:30", None),
            ("09:30:00.", None),
            ("09:30:00.0000000001", None),
            ("09:30:00:00", None),
            ("-9:30:00", None),
        ] {
            assert_eq!(time_of_day(text), expected, "{text}");
        }
    }

    #[test]
    fn moments_go_there_and_back() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2019-12-30T14:35:00.000156Z", Some(1_577_716_500_000_156_000)),
            ("2020-02-29", Some(18_321 * NANOS_PER_DAY)),
            ("2199-12-31T23:59:59Z", Some(7_258_118_399_000_000_000)),
            ("2019-02-29", None),
            ("2019-13-01", None),
            ("2019-00-01", None),
            ("2019-01-00", None),
            ("2019-01-99999999999999", None),
            ("1969-12-31", None),
            ("2200-01-01", None),
            ("2019-1-01", None),
            ("2019-12-30T14:35:00", None),
            ("2019-12-30 14:35:00", None),
            ("14:35:00", None),
            ("", None),
            ("é019-12-30", None),
        ] {
            assert_eq!(moment(text).map(|at| at.0), expected, "{text}");
        }
        let at = UnixNanos(1_577_716_500_000_156_000);
        assert_eq!(moment_text(at), "2019-12-30T14:35:00.000156000Z");
        for days in 0..84_000 {
            assert_eq!(days_of(&date_text(days)), Some(days));
        }
        assert_eq!(date_text(18_260), "2019-12-30");
    }

    #[test]
    fn spans_have_a_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("250us", Some(250_000)),
            ("1.5s", Some(1_500_000_000)),
            ("2m", Some(120_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("7ns", Some(7)),
            ("0.5ns", None),
            ("5", None),
            ("ms", None),
            ("-1s", None),
            ("1d", None),
            ("9999999999h", None),
        ] {
            assert_eq!(span(text), expected, "{text}");
        }
        for (ns, text) in [(0, "0"), (250_000, "250 us"), (90_000_000_000, "90 s"), (7, "7 ns")] {
            assert_eq!(span_text(ns), text);
        }
    }
}
