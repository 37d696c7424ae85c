//! Bars in the database: what has ended is written down, and read again at the start.

use super::bars::{BASES, Bar, Bars, SECOND_NS};
use super::picture::Picture;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often what ended is written: so much is lost at most when the gateway is killed, beside the minute that runs.
const EVERY: Duration = Duration::from_secs(10);
/// How late trades of an interval may come.
const LATE_NS: i64 = 5 * SECOND_NS;
/// Rows of one statement; other writers wait for it, orders among them.
const ROWS_AT_ONCE: usize = 100;

/// A bar as it is written: its symbol, its seconds, and what it is.
pub(super) type Written = (String, i64, Bar);

/// Writes down what ends, for as long as it runs.
pub(super) async fn keep(pool: AnyPool, picture: Arc<Picture>) {
    let mut done_ns = now_ns() - LATE_NS;
    loop {
        tokio::time::sleep(EVERY).await;
        let until_ns = now_ns() - LATE_NS;
        let result = async {
            let mut connection = pool.acquire().await?;
            write(&mut connection, &ended(&picture, done_ns, until_ns), true).await?;
            forget(&mut connection, until_ns / SECOND_NS).await
        };
        match result.await {
            Ok(()) => done_ns = until_ns,
            Err(error) => tracing::warn!("bars are not written down, trying again: {error}"),
        }
    }
}

fn now_ns() -> i64 {
    crate::now_ms().saturating_mul(1_000_000)
}

/// Bars that ended after a time and not after another; those of a second are not kept.
fn ended(picture: &Picture, after_ns: i64, until_ns: i64) -> Vec<Written> {
    let all = picture.index().sorted.clone();
    let mut rows = Vec::new();
    for instrument in all {
        let state = instrument.look();
        let ended = state.bars.ended(after_ns, until_ns).filter(|(seconds, _)| *seconds > 1);
        rows.extend(ended.map(|(seconds, bar)| (instrument.symbol.clone(), seconds, *bar)));
    }
    rows
}

/// Writes bars down, and says how many; one that is there already is replaced or stays.
pub(super) async fn write(
    connection: &mut AnyConnection,
    rows: &[Written],
    replaces: bool,
) -> sqlx::Result<u64> {
    let mut written = 0;
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let values: Vec<String> = (0..rows.len())
            .map(|row| {
                let marks: Vec<_> = (1..=11).map(|at| format!("${}", row * 11 + at)).collect();
                format!("({})", marks.join(", "))
            })
            .collect();
        let other = match replaces {
            true => {
                "UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
                 close = excluded.close, volume = excluded.volume, value = excluded.value,
                 trades = excluded.trades, is_whole = excluded.is_whole"
            }
            false => "NOTHING",
        };
        let text = format!(
            "INSERT INTO bars (symbol, seconds, starts_at, open, high, low, close, volume, value, trades, is_whole)
             VALUES {} ON CONFLICT (symbol, seconds, starts_at) DO {other}",
            values.join(", ")
        );
        let mut statement = sqlx::query(AssertSqlSafe(text));
        for (symbol, seconds, bar) in rows {
            statement = statement
                .bind(symbol.clone())
                .bind(*seconds)
                .bind(bar.start_ns / SECOND_NS)
                .bind(bar.open)
                .bind(bar.high)
                .bind(bar.low)
                .bind(bar.close)
                .bind(bar.volume.to_string())
                .bind(bar.value.to_string())
                .bind(i64::try_from(bar.trades).unwrap_or(i64::MAX))
                .bind(i64::from(bar.is_whole));
        }
        written += statement.execute(&mut *connection).await?.rows_affected();
    }
    Ok(written)
}

/// Since when bars of so many seconds are kept, in seconds: as many as there is room for if each interval has trades.
pub(super) fn kept_since(now_s: i64, seconds: i64, keep: usize) -> i64 {
    now_s - seconds * i64::try_from(keep).unwrap_or(i64::MAX / seconds)
}

/// Lets go of what is older.
async fn forget(connection: &mut AnyConnection, now_s: i64) -> sqlx::Result<()> {
    for (seconds, keep) in BASES {
        sqlx::query("DELETE FROM bars WHERE seconds = $1 AND starts_at < $2")
            .bind(seconds)
            .bind(kept_since(now_s, seconds, keep))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Reads what was written, by symbol.
pub(super) async fn read(pool: &AnyPool) -> sqlx::Result<HashMap<String, Bars>> {
    let symbols = sqlx::query("SELECT DISTINCT symbol FROM bars").fetch_all(pool).await?;
    let mut all = HashMap::with_capacity(symbols.len());
    for symbol in symbols {
        let symbol: String = symbol.try_get("symbol")?;
        let rows = sqlx::query("SELECT * FROM bars WHERE symbol = $1 ORDER BY seconds, starts_at")
            .bind(symbol.clone())
            .fetch_all(pool)
            .await?;
        let written = rows.iter().map(bar).collect::<sqlx::Result<Vec<_>>>()?;
        all.insert(symbol, Bars::restore(written.into_iter()));
    }
    Ok(all)
}

fn bar(row: &AnyRow) -> sqlx::Result<(i64, Bar)> {
    let wide = |column: &str| -> sqlx::Result<i128> {
        let text: String = row.try_get(column)?;
        text.parse().map_err(|error: std::num::ParseIntError| sqlx::Error::ColumnDecode {
            index: column.into(),
            source: error.into(),
        })
    };
    let bar = Bar {
        start_ns: row.try_get::<i64, _>("starts_at")?.saturating_mul(SECOND_NS),
        open: row.try_get("open")?,
        high: row.try_get("high")?,
        low: row.try_get("low")?,
        close: row.try_get("close")?,
        volume: wide("volume")?,
        value: wide("value")?,
        trades: u64::try_from(row.try_get::<i64, _>("trades")?).unwrap_or_default(),
        is_whole: row.try_get::<i64, _>("is_whole")? != 0,
    };
    Ok((row.try_get("seconds")?, bar))
}
