//! What a row of daily equities says. The one place where floats are right: nothing here goes back into the engine.
//!
//! Let `E_0` be the equity at the start, `E_1 .. E_n` that at the end of each day with data, `r_t = E_t / E_{t-1} - 1`, `P` the
//! days of a year (252 unless said: exchange days; 365 for markets that never close) and `f` the yearly risk-free rate, of
//! which `f / P` falls to a day.
//!
//! | figure | definition | source |
//! |---|---|---|
//! | total return | `E_n / E_0 - 1` | |
//! | annual return | `(E_n / E_0)^(P / n) - 1`, compounded | GIPS 2020, annualised return |
//! | volatility | sample standard deviation (n - 1) of `r`, times `sqrt(P)` | |
//! | Sharpe | mean of `r - f/P` over its sample standard deviation, times `sqrt(P)` | Sharpe, The Sharpe Ratio, 1994 |
//! | its standard error | `sqrt((1 + S^2 / 2) / n) * sqrt(P)`, `S` the daily ratio, for independent returns | Lo, The Statistics of Sharpe Ratios, 2002 |
//! | Sortino | mean of `r - f/P` over the root of the mean of `min(r - f/P, 0)^2` over all `n` days, times `sqrt(P)` | Sortino and Price, 1994 |
//! | max drawdown | largest `1 - E_t / max(E_0 .. E_t)` | |
//! | its duration | most days in a row below an earlier high, whether it was reached again or not | |
//! | Calmar | annual return over max drawdown, over the whole row | Young, 1991 (there over 36 months) |

/// Days below which nothing is scaled to a year: the standard error of a Sharpe ratio of 20 days is above 3.5.
pub const DAYS_MIN: usize = 20;

/// How the row is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Year {
    /// Days of a year, `P`.
    pub days: f64,
    /// Yearly risk-free rate, `f`, as a fraction.
    pub risk_free: f64,
}

/// Figures that are scaled to a year; those that divide by 0 are absent.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Annual {
    /// Compounded return.
    pub annual_return: f64,
    /// Standard deviation of returns.
    pub volatility: f64,
    /// Return over volatility.
    pub sharpe: Option<f64>,
    /// Standard error of `sharpe`.
    pub sharpe_error: Option<f64>,
    /// Return over downside deviation.
    pub sortino: Option<f64>,
    /// Return over largest drawdown.
    pub calmar: Option<f64>,
}

/// What a row of daily equities says.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Statistics {
    /// Days, `n`.
    pub days: usize,
    /// As a fraction; absent if the row starts at 0 or below.
    pub total_return: Option<f64>,
    /// As a fraction of the high before it.
    pub max_drawdown: f64,
    /// Days.
    pub max_drawdown_days: usize,
    /// Absent below [`DAYS_MIN`] days, and if any equity of the row is 0 or below: returns mean nothing then.
    pub annual: Option<Annual>,
}

impl Statistics {
    /// Of `equity`: that at the start, then one a day.
    pub fn of(equity: &[f64], year: Year) -> Self {
        let days = equity.len().saturating_sub(1);
        let (first, last) = match equity {
            [first, .., last] => (*first, *last),
            _ => (0.0, 0.0),
        };
        let (max_drawdown, max_drawdown_days) = drawdown(equity);
        let is_alive = equity.iter().all(|equity| *equity > 0.0);
        let annual = (days >= DAYS_MIN && is_alive).then(|| annual(equity, max_drawdown, year));
        let total_return = (first > 0.0).then(|| last / first - 1.0);
        Self { days, total_return, max_drawdown, max_drawdown_days, annual }
    }
}

/// The largest drawdown as a fraction, and the most days below an earlier high.
fn drawdown(equity: &[f64]) -> (f64, usize) {
    let (mut high, mut deepest) = (f64::NEG_INFINITY, 0.0f64);
    let (mut below, mut longest) = (0, 0);
    for &equity in equity {
        if equity >= high {
            (high, below) = (equity, 0);
            continue;
        }
        below += 1;
        longest = longest.max(below);
        if high > 0.0 {
            deepest = deepest.max(1.0 - equity / high);
        }
    }
    (deepest, longest)
}

/// `a / b`, unless `b` is nothing but rounding.
fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 1e-12).then(|| a / b)
}

fn annual(equity: &[f64], max_drawdown: f64, year: Year) -> Annual {
    let count = (equity.len() - 1) as f64;
    let free = year.risk_free / year.days;
    let returns: Vec<f64> = equity.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
    let mean = returns.iter().sum::<f64>() / count;
    // What is risk-free is the same each day: it shifts the mean and leaves the deviation.
    let deviation =
        (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let downside =
        (returns.iter().map(|r| (r - free).min(0.0).powi(2)).sum::<f64>() / count).sqrt();
    let scale = year.days.sqrt();
    let annual_return = (equity[equity.len() - 1] / equity[0]).powf(year.days / count) - 1.0;
    let daily_sharpe = ratio(mean - free, deviation);
    Annual {
        annual_return,
        volatility: deviation * scale,
        sharpe: daily_sharpe.map(|daily| daily * scale),
        sharpe_error: daily_sharpe
            .map(|daily| ((1.0 + daily.powi(2) / 2.0) / count).sqrt() * scale),
        sortino: ratio(mean - free, downside).map(|daily| daily * scale),
        calmar: ratio(annual_return, max_drawdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Year = Year { days: 252.0, risk_free: 0.0 };

    #[track_caller]
    fn close(found: f64, expected: f64, what: &str) {
        assert!((found - expected).abs() < 1e-9, "{what}: {found}, by hand {expected}");
    }

    /// 100, then 10 times +2 % and -1 % in turn.
    fn see_saw() -> Vec<f64> {
        let mut row = vec![100.0];
        for day in 0..20 {
            let factor = if day % 2 == 0 { 1.02 } else { 0.99 };
            row.push(row[day] * factor);
        }
        row
    }

    #[test]
    fn a_see_saw_by_hand() {
        // Ten returns of 0.02 and ten of -0.01: mean 0.005, each 0.015 away from it, so the sample variance is
        // 20 x 0.000225 / 19 = 0.000236842105...; the downside: 10 x 0.0001 / 20 = 0.00005.
        let found = Statistics::of(&see_saw(), YEAR);
        let annual = found.annual.expect("20 days are enough");
        let growth = (1.02f64 * 0.99).powi(10);
        assert_eq!(found.days, 20);
        close(found.total_return.expect("above 0"), growth - 1.0, "total return");
        close(annual.annual_return, growth.powf(12.6) - 1.0, "annual return: 252 / 20 = 12.6");
        let deviation = 0.015 * (20.0f64 / 19.0).sqrt();
        close(annual.volatility, deviation * 252f64.sqrt(), "volatility");
        // 0.005 / 0.0153896753 = 0.3248931448; x 15.8745078664 = 5.1575187...
        let sharpe = annual.sharpe.expect("it moves");
        close(sharpe, 0.005 / deviation * 252f64.sqrt(), "Sharpe");
        assert!((sharpe - 5.1575).abs() < 1e-4, "{sharpe}");
        // S = 0.32489: sqrt((1 + 0.0527777...) / 20) = 0.2294316...; x 15.8745 = 3.6421...
        let error = annual.sharpe_error.expect("it moves");
        assert!((error - 3.6421).abs() < 1e-4, "{error}");
        // 0.005 / sqrt(0.00005) = 0.7071067...; x 15.8745 = 11.2249721...
        close(annual.sortino.expect("it falls"), 126f64.sqrt(), "Sortino");
        close(found.max_drawdown, 0.01, "max drawdown");
        assert_eq!(found.max_drawdown_days, 1);
        close(annual.calmar.expect("it falls"), annual.annual_return / 0.01, "Calmar");
    }

    #[test]
    fn the_risk_free_rate_is_taken_off_each_day() {
        let year = Year { days: 252.0, risk_free: 0.252 };
        let annual = Statistics::of(&see_saw(), year).annual.expect("20 days");
        let deviation = 0.015 * (20.0f64 / 19.0).sqrt();
        close(annual.sharpe.expect("it moves"), 0.004 / deviation * 252f64.sqrt(), "Sharpe");
        // Ten days 0.011 below: 10 x 0.000121 / 20.
        let downside = 0.0000605f64.sqrt();
        close(annual.sortino.expect("it falls"), 0.004 / downside * 252f64.sqrt(), "Sortino");
    }

    #[test]
    fn short_flat_and_ruined_rows_claim_nothing() {
        let short = Statistics::of(&see_saw()[..20], YEAR);
        assert_eq!((short.days, short.annual), (19, None));
        assert!(short.total_return.is_some());

        let flat = Statistics::of(&[100.0; 40], YEAR);
        let annual = flat.annual.expect("39 days");
        assert_eq!((annual.sharpe, annual.sortino, annual.calmar), (None, None, None));
        assert_eq!((annual.annual_return, annual.volatility, flat.max_drawdown), (0.0, 0.0, 0.0));

        let mut ruined = see_saw();
        ruined.push(-5.0);
        let ruined = Statistics::of(&ruined, YEAR);
        assert_eq!(ruined.annual, None);
        assert!(ruined.max_drawdown > 1.0 && ruined.total_return.expect("from 100") < -1.0);

        for row in [&[][..], &[0.0], &[0.0, 1.0]] {
            assert_eq!(Statistics::of(row, YEAR).total_return, None, "{row:?}");
        }
    }

    #[test]
    fn drawdowns_are_as_deep_and_long_as_they_look() {
        for (row, depth, days) in [
            (&[100.0, 110.0, 120.0][..], 0.0, 0),
            (&[100.0, 80.0, 90.0, 100.0], 0.2, 2),
            // Never reached again: it lasts to the end. The deeper one is the shorter.
            (&[100.0, 50.0, 100.0, 90.0, 95.0, 99.0], 0.5, 3),
            (&[100.0, 120.0, 60.0, 130.0, 117.0], 0.5, 1),
            (&[100.0, 90.0], 0.1, 1),
        ] {
            let found = drawdown(row);
            assert!((found.0 - depth).abs() < 1e-12, "{row:?}: {found:?}");
            assert_eq!(found.1, days, "{row:?}");
        }
    }
}
