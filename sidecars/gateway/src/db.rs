//! The database: SQLite or PostgreSQL, with the same statements.

use anyhow::{Context, Result};
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use std::time::Duration;

/// Connections at one time; SQLite has one writer at a time anyway.
const CONNECTIONS_MAX: u32 = 8;
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the database at `url` (`sqlite://FILE` or `postgres://USER@HOST/NAME`) and brings its tables up to date.
///
/// # Errors
/// An unknown kind of URL, a database that cannot be reached, tables of a newer version.
pub async fn open(url: &str) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let is_sqlite = url.starts_with("sqlite:");
    // A file that is not there yet is made.
    let url = match is_sqlite && !url.contains('?') {
        true => format!("{url}?mode=rwc"),
        false => url.to_string(),
    };
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if is_sqlite {
                    // Readers go on while one writes, and every commit is on the disk.
                    for pragma in ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"]
                    {
                        let text = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
                        sqlx::query(text).execute(&mut *connection).await?;
                    }
                }
                Ok(())
            })
        })
        .after_release(move |connection, _| {
            Box::pin(async move {
                // What failed for want of space can leave a transaction open that nobody knows of: it would keep the lock, and take with it
                // what is written later. Such a connection is closed.
                if is_sqlite {
                    let is_free = sqlx::query("BEGIN").execute(&mut *connection).await.is_ok();
                    return Ok(is_free && sqlx::query("ROLLBACK").execute(connection).await.is_ok());
                }
                Ok(true)
            })
        })
        .connect(&url)
        .await
        .with_context(|| format!("cannot open the database {}", without_password(&url)))?;
    sqlx::migrate!("./migrations")
        .run(&pool)
        .await
        .context("cannot bring the tables up to date")?;
    Ok(pool)
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://...{}", &url[..scheme], &url[at..])
        }
        _ => url.to_string(),
    }
}

/// Whether a statement failed because the same is there already.
pub fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_nobody_knows_of_keeps_no_lock() {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("a.db").display());
        let pool = open(&url).await.expect("open");
        for _ in 0..3 {
            let mut left = pool.acquire().await.expect("a connection");
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *left).await.expect("begun");
            drop(left);
            let mark =
                "INSERT INTO secret_mark (id, sealed) VALUES (1, 'x') ON CONFLICT DO NOTHING";
            let written =
                tokio::time::timeout(Duration::from_secs(3), sqlx::query(mark).execute(&pool));
            written.await.expect("no lock").expect("written");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("postgres://u:secret@h/d"), "postgres://...@h/d");
        assert_eq!(without_password("sqlite://a.db?mode=rwc"), "sqlite://a.db?mode=rwc");
    }
}
