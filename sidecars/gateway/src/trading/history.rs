//! What accounts were worth: a task writes it down once a minute, and people read it as a curve.
//!
//! A sample is the last of its minute, of its hour and of its day: each of the three is a row of its own, which the next sample of
//! that minute, hour or day takes over. So old rows go by their age alone, and none has to be chosen that stays.

use super::accounts::{Account, Accounts};
use super::amount::Amount;
use super::picture::place;
use super::portfolio::{Totals, worth};
use super::report::{is_settled_daily, time};
use crate::error::Result;
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::Caller;
use crate::market::Query;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tidegate_client::proto::{AccountReport, PositionReport};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Accounts that are written in one transaction: other writers wait for it some milliseconds, orders among them.
const ACCOUNTS_AT_ONCE: usize = 20;
/// Points of one answer at most; beyond any resolution's rows of an account with three currencies.
const POINTS_MAX: i64 = 10_000;

/// How often, and after which pause, an account is looked at whose events of one input have not all come.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(1);

/// How far apart points are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
enum Resolution {
    #[default]
    #[serde(rename = "1m")]
    Minute,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "1d")]
    Day,
}

impl Resolution {
    const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        }
    }

    /// How long its rows are kept, as bars of the market are: two days of minutes (2,880 rows of an account and currency) for the
    /// curve of today beside yesterday's, a quarter of a year of hours (2,160), five years of days (1,826).
    fn kept_ms(self) -> i64 {
        match self {
            Self::Minute => 2 * DAY_MS,
            Self::Hour => 90 * DAY_MS,
            Self::Day => 1_826 * DAY_MS,
        }
    }
}

/// What an account was worth in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct EquityPoint {
    /// When; RFC 3339.
    at: String,
    #[serde(flatten)]
    figures: EquityFigures,
}

/// What is written of it; decimal text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct EquityFigures {
    /// The currency of all amounts.
    currency: String,
    /// Cash and positions at their marks, as in the portfolio.
    equity: String,
    /// Cash.
    cash: String,
    /// Realised profit and loss since the account opened, before fees.
    realised: String,
    /// Profit and loss of open positions.
    unrealised: String,
    /// Fees since the account opened.
    fees: String,
}

/// What an account is worth now, by currency; nothing of a currency of which a position has no mark, for that is not known.
async fn now(gateway: &Gateway, account: &Arc<Account>) -> Vec<EquityFigures> {
    for _ in 0..TRIES {
        if let Some(figures) = look(gateway, account) {
            return figures;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Vec::new()
}

/// The same; `None` between the events of one input.
fn look(gateway: &Gateway, account: &Arc<Account>) -> Option<Vec<EquityFigures>> {
    let picture = gateway.events.picture();
    let known = picture.account(account.number)?;
    let is_paid = |symbol: &str| !picture.instrument(symbol).is_some_and(is_settled_daily);
    if !is_balanced(&known.balances, known.positions.values(), is_paid) {
        return None;
    }
    let totals = worth(gateway, &picture, std::slice::from_ref(account)).totals;
    let known = totals.into_iter().filter(|totals| totals.unmarked == 0);
    let figures = |Totals { currency, equity, cash, realised, unrealised, fees, .. }| {
        EquityFigures { currency, equity, cash, realised, unrealised, fees }
    };
    Some(known.map(figures).collect())
}

/// Whether cash and positions are of one moment, as they are in each currency where cash and the cost of what was paid for are what
/// came in and was made. A position and the cash that paid for it are told by two events; between them an account seems to be
/// worth more or less.
fn is_balanced<'a>(
    balances: &[AccountReport],
    positions: impl Iterator<Item = &'a PositionReport> + Clone,
    is_paid: impl Fn(&str) -> bool,
) -> bool {
    let read = |text: &String| Amount::parse(text).unwrap_or_default();
    balances.iter().all(|balance| {
        let paid = positions
            .clone()
            .filter(|position| position.currency == balance.currency && is_paid(&position.symbol));
        let held = paid.fold(read(&balance.cash), |sum, position| sum.plus(read(&position.cost)));
        let came = [&balance.deposits, &balance.realised, &balance.dividends, &balance.conversions];
        let went = [&balance.fees, &balance.borrow];
        let came = came.into_iter().map(read).fold(Amount::default(), Amount::plus);
        held == went.into_iter().map(read).fold(came, Amount::minus)
    })
}

/// Writes down what accounts are worth, for as long as the gateway lives.
pub(crate) async fn keep(gateway: Weak<Gateway>) {
    let mut written = HashMap::new();
    loop {
        let Some(gateway) = gateway.upgrade() else { return };
        let every_ms = i64::from(gateway.config.trading.equity_every_s) * 1_000;
        if let Err(error) = sample(&gateway, &mut written).await {
            tracing::warn!("what accounts are worth is not written down: {}", error.message);
        }
        drop::<Arc<Gateway>>(gateway);
        let wait_ms = every_ms - crate::now_ms().rem_euclid(every_ms);
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
    }
}

/// Takes a sample of every account that has ever traded and is worth something else than when it was written last.
async fn sample(gateway: &Gateway, written: &mut HashMap<Uuid, Vec<EquityFigures>>) -> Result<()> {
    let at = crate::now_ms();
    // What is not read yet would look like a fall.
    if !gateway.events.is_caught_up() {
        return Ok(());
    }
    for accounts in gateway.accounts.all().chunks(ACCOUNTS_AT_ONCE) {
        let mut changed = Vec::new();
        for account in accounts.iter().filter(|account| has_traded(gateway, account)) {
            let figures = now(gateway, account).await;
            if !figures.is_empty() && written.get(&account.id) != Some(&figures) {
                changed.push((account.id, figures));
            }
        }
        if !changed.is_empty() {
            write(&gateway.pool, at, &changed).await?;
            written.extend(changed);
        }
    }
    forget(&gateway.pool, at).await
}

/// Whether an account is open and ever held anything.
fn has_traded(gateway: &Gateway, account: &Account) -> bool {
    let picture = gateway.events.picture();
    let known = picture.account(account.number).filter(|_| account.is_open);
    known.is_some_and(|known| !known.positions.is_empty())
}

async fn write(pool: &AnyPool, at: i64, samples: &[(Uuid, Vec<EquityFigures>)]) -> Result<()> {
    let mut transaction = pool.begin().await?;
    for (account, all) in samples {
        for figures in all {
            put(&mut transaction, *account, at, figures).await?;
        }
    }
    Ok(transaction.commit().await?)
}

async fn put(
    transaction: &mut Transaction<'_, Any>,
    account: Uuid,
    at: i64,
    figures: &EquityFigures,
) -> Result<()> {
    for seconds in Resolution::ALL.map(Resolution::seconds) {
        sqlx::query(
            "INSERT INTO equity_samples
               (account_id, currency, interval_s, starts_at, at, equity, cash, realised, unrealised, fees)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (account_id, interval_s, starts_at, currency) DO UPDATE SET at = excluded.at,
               equity = excluded.equity, cash = excluded.cash, realised = excluded.realised,
               unrealised = excluded.unrealised, fees = excluded.fees",
        )
        .bind(account.to_string())
        .bind(figures.currency.clone())
        .bind(seconds)
        .bind(at - at.rem_euclid(seconds * 1_000))
        .bind(at)
        .bind(figures.equity.clone())
        .bind(figures.cash.clone())
        .bind(figures.realised.clone())
        .bind(figures.unrealised.clone())
        .bind(figures.fees.clone())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Lets go of what is older than its resolution keeps.
async fn forget(pool: &AnyPool, now: i64) -> Result<()> {
    for resolution in Resolution::ALL {
        sqlx::query("DELETE FROM equity_samples WHERE interval_s = $1 AND starts_at < $2")
            .bind(resolution.seconds())
            .bind(now - resolution.kept_ms())
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// Which points.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Of this account.
    account: Uuid,
    /// Not before; RFC 3339; absent: as far back as there are any.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before; RFC 3339; absent: up to now.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// By the minute for two days, by the hour for 90, by the day for five years; absent: by the minute.
    #[serde(default)]
    #[param(inline)]
    resolution: Resolution,
}

/// What an account was worth, oldest first: the last of each minute, hour or day in which that changed, 10,000 points at most, and
/// now. Nothing of an account that has not traded yet.
#[utoipa::path(get, path = "/api/v1/portfolio/history", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(Asked), responses((status = 200, body = Envelope<Vec<EquityPoint>>)))]
pub(super) async fn history(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Data<Vec<EquityPoint>>> {
    let account = Accounts::seen(&gateway, &caller, asked.account).await?;
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let (from, to) = (ms(asked.from).unwrap_or(0), ms(asked.to).unwrap_or(i64::MAX));
    let mut points = read(&gateway.pool, account.id, asked.resolution, from, to).await?;
    let at = crate::now_ms();
    let has_any = !points.is_empty() || has_samples(&gateway.pool, account.id).await?;
    if has_any && (from..to).contains(&at) {
        let point = |figures| EquityPoint { at: shown(at), figures };
        points.extend(now(&gateway, &account).await.into_iter().map(point));
    }
    let seen = place(gateway.events.picture().as_of());
    Ok(Data::new(points).as_of(seen))
}

/// Milliseconds as text.
fn shown(ms: i64) -> String {
    time(u64::try_from(ms).unwrap_or_default().saturating_mul(1_000_000))
}

async fn read(
    pool: &AnyPool,
    account: Uuid,
    resolution: Resolution,
    from: i64,
    to: i64,
) -> Result<Vec<EquityPoint>> {
    let rows = sqlx::query(
        "SELECT * FROM equity_samples WHERE account_id = $1 AND interval_s = $2 AND at >= $3 AND at < $4
         ORDER BY starts_at DESC, currency DESC LIMIT $5",
    )
    .bind(account.to_string())
    .bind(resolution.seconds())
    .bind(from)
    .bind(to)
    .bind(POINTS_MAX)
    .fetch_all(pool)
    .await?;
    let point = |row: &AnyRow| -> Result<EquityPoint> {
        let figures = EquityFigures {
            currency: row.try_get("currency")?,
            equity: row.try_get("equity")?,
            cash: row.try_get("cash")?,
            realised: row.try_get("realised")?,
            unrealised: row.try_get("unrealised")?,
            fees: row.try_get("fees")?,
        };
        Ok(EquityPoint { at: shown(row.try_get("at")?), figures })
    };
    rows.iter().rev().map(point).collect()
}

async fn has_samples(pool: &AnyPool, account: Uuid) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM equity_samples WHERE account_id = $1 LIMIT 1")
        .bind(account.to_string())
        .fetch_optional(pool)
        .await?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Database;

    fn figures(currency: &str, equity: &str) -> EquityFigures {
        let [currency, equity, zero] = [currency, equity, "0.00"].map(str::to_string);
        EquityFigures {
            currency,
            equity,
            cash: zero.clone(),
            realised: zero.clone(),
            unrealised: zero.clone(),
            fees: zero,
        }
    }

    async fn account(pool: &AnyPool) -> Uuid {
        let (user, account) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let made = sqlx::query(
            "INSERT INTO users (id, email, name, principal, role, plan, created_at)
             VALUES ($1, 'a', 'a', 1000, 'trader', 'free', 0)",
        );
        made.bind(user.to_string()).execute(pool).await.expect("done");
        let made = sqlx::query(
            "INSERT INTO accounts (id, number, owner, name, created_at) VALUES ($1, 1000, $2, 'a', 0)",
        );
        let made = made.bind(account.to_string()).bind(user.to_string());
        made.execute(pool).await.expect("done");
        account
    }

    #[test]
    fn between_a_position_and_its_cash_nothing_is_looked_at() {
        let cash = |cash: &str| AccountReport {
            currency: "USD".into(),
            cash: cash.into(),
            deposits: "1000".into(),
            realised: "5".into(),
            fees: "1".into(),
            dividends: "2".into(),
            borrow: "3".into(),
            conversions: "-4".into(),
            ..Default::default()
        };
        let position = |symbol: &str, cost: &str| PositionReport {
            symbol: symbol.into(),
            cost: cost.into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let (long, short, future) =
            (position("A", "100"), position("B", "-50.5"), position("F", "250000"));
        for (balance, positions, expected) in [
            ("999", vec![], true),
            ("899", vec![&long], true),
            ("999", vec![&long], false),
            ("899", vec![], false),
            ("949.5", vec![&long, &short], true),
            // What is settled daily was not paid for.
            ("899", vec![&long, &future], true),
        ] {
            let is_paid = |symbol: &str| symbol != "F";
            let is = is_balanced(&[cash(balance)], positions.iter().copied(), is_paid);
            assert_eq!(is, expected, "{balance} and {positions:?}");
        }
    }

    #[tokio::test]
    async fn the_last_of_each_interval_is_kept_for_as_long_as_its_resolution_is() {
        let database = Database::new().await;
        let pool = &database.pool;
        let account = account(pool).await;
        let minute = 60 * 1_000;
        let start = 20_000 * DAY_MS;
        for (at, equity) in [
            (start, "1.00"),
            (start + minute - 1, "2.00"),
            (start + minute, "3.00"),
            (start + 61 * minute, "4.00"),
            (start + DAY_MS, "5.00"),
        ] {
            let both = ["USD", "EUR"].map(|currency| figures(currency, equity));
            write(pool, at, &[(account, both.into())]).await.expect("written");
        }
        let told = async |resolution, from, to| {
            let points = read(pool, account, resolution, from, to).await.expect("read");
            let (eur, usd): (Vec<_>, Vec<_>) =
                points.into_iter().partition(|point| point.figures.currency == "EUR");
            assert_eq!(eur.len(), usd.len());
            usd.into_iter().map(|point| point.figures.equity).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(Resolution::Minute, 0, i64::MAX).await, "2.00 3.00 4.00 5.00");
        assert_eq!(told(Resolution::Hour, 0, i64::MAX).await, "3.00 4.00 5.00");
        assert_eq!(told(Resolution::Day, 0, i64::MAX).await, "4.00 5.00");
        let (from, to) = (start + minute, start + DAY_MS);
        assert_eq!(told(Resolution::Minute, from, to).await, "3.00 4.00");

        for (now, left) in [
            (start + 2 * DAY_MS, ["2.00 3.00 4.00 5.00", "3.00 4.00 5.00", "4.00 5.00"]),
            (start + 2 * DAY_MS + 1, ["3.00 4.00 5.00", "3.00 4.00 5.00", "4.00 5.00"]),
            (start + 90 * DAY_MS + 1, ["", "4.00 5.00", "4.00 5.00"]),
            (start + 1_826 * DAY_MS + 1, ["", "", "5.00"]),
        ] {
            forget(pool, now).await.expect("done");
            for (resolution, left) in Resolution::ALL.into_iter().zip(left) {
                assert_eq!(told(resolution, 0, i64::MAX).await, left, "{resolution:?} at {now}");
            }
        }
        assert!(has_samples(pool, account).await.expect("read"));
        assert!(!has_samples(pool, Uuid::nil()).await.expect("read"));
    }
}
