//! The past of a made-up market, made up as well: bars that end where its prices begin, so that charts are not empty.

use anyhow::{Context, Result};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tidegate_feed_handler::synthetic::Random;
use tidegate_model::Symbol;

const SECOND_NS: u64 = 1_000_000_000;
/// From the newest: how long bars are in seconds, how many of them before longer ones, how far a price goes in one (2^-16 of it), and
/// in how many it comes half the way back to where it stands today.
const STRETCHES: [Stretch; 3] = [
    Stretch { seconds: 60, bars: 24 * 60, step: 120, half_life: 45 },
    Stretch { seconds: 3_600, bars: 30 * 24, step: 400, half_life: 45 },
    Stretch { seconds: 86_400, bars: 365, step: 900, half_life: 180 },
];
/// Shares of a minute, on average: about what the market without an end trades.
const SHARES_OF_MINUTE: u64 = 300_000;

struct Stretch {
    seconds: u64,
    bars: u64,
    step: u64,
    half_life: i64,
}

/// Writes the past of each symbol, whose price is now so many 1/100 cent, as `tidegate gateway import-bars` takes it.
pub fn write(dir: &Path, seed: u64, prices: &[(Symbol, u32)], now_ns: u64) -> Result<PathBuf> {
    let file = dir.join("history.csv");
    let mut out = csv::Writer::from_path(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    out.write_record(["symbol", "start", "seconds", "open", "high", "low", "close", "volume"])?;
    for (at, (symbol, price)) in (0u64..).zip(prices) {
        for bar in past(Random::new(seed.wrapping_add(at << 32)), *price, now_ns / SECOND_NS) {
            let start = Timestamp::from_second(bar.start_s.try_into()?)?.to_string();
            let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(decimal);
            let (seconds, volume) = (bar.seconds.to_string(), bar.volume.to_string());
            out.write_record([
                symbol.as_str(),
                &start,
                &seconds,
                &open,
                &high,
                &low,
                &close,
                &volume,
            ])?;
        }
    }
    out.flush()?;
    Ok(file)
}

/// 1/100 cent as text.
fn decimal(ticks: i64) -> String {
    format!("{}.{:04}", ticks / 10_000, ticks % 10_000)
}

struct Bar {
    start_s: u64,
    seconds: u64,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: u64,
}

/// Bars back from now, newest first: each opens where the one before it closed.
fn past(mut random: Random, price: u32, now_s: u64) -> Vec<Bar> {
    let anchor = i64::from(price);
    let mut close = anchor;
    let mut end_s = now_s;
    let mut bars = Vec::new();
    for (at, stretch) in STRETCHES.iter().enumerate() {
        let Stretch { seconds, bars: count, step, half_life } = *stretch;
        // A stretch ends where the next longer bar begins.
        let longer_s = STRETCHES.get(at + 1).map_or(seconds, |longer| longer.seconds);
        let begin_s = end_s - seconds * count;
        let begin_s = begin_s - begin_s % longer_s;
        end_s -= end_s % seconds;
        while end_s > begin_s {
            let start_s = end_s - seconds;
            // On a cent, as the market's prices are.
            let mut away = || {
                let sum = random.below(2 * step) + random.below(2 * step);
                anchor * (sum.cast_signed() - 2 * step.cast_signed()) / 65_536
            };
            let open = close + (anchor - close) / half_life + away();
            let (above, below) = (away().abs() / 2, away().abs() / 2);
            let [open, high, low] = [open, open.max(close) + above, open.min(close) - below]
                .map(|ticks| (ticks / 100).max(1) * 100);
            let (high, low) = (high.max(open).max(close), low.min(open).min(close));
            let of_minute = SHARES_OF_MINUTE / 2 + random.below(SHARES_OF_MINUTE);
            let volume = of_minute * (seconds / 60);
            bars.push(Bar { start_s, seconds, open, high, low, close, volume });
            (close, end_s) = (open, start_s);
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_leads_without_a_hole_to_the_price_of_today() {
        let now_s = 1_700_000_123;
        let bars = past(Random::new(7), 1_412_500, now_s);
        assert_eq!(bars[0].close, 1_412_500);
        assert_eq!(bars[0].start_s + 60, now_s - now_s % 60);
        for pair in bars.windows(2) {
            let [next, bar] = pair else { continue };
            assert_eq!((bar.start_s + bar.seconds, bar.close), (next.start_s, next.open));
        }
        for Bar { start_s, seconds, open, high, low, close, .. } in &bars {
            assert!(start_s % seconds == 0 && *low > 0);
            assert!(low <= open.min(close) && high >= open.max(close));
            assert!((low - 1_412_500).abs() < 500_000, "{low}");
        }
        assert!(bars.iter().filter(|bar| bar.seconds == 86_400).count() >= 365);
    }
}
