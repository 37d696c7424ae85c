//! A database for each test: SQLite in a folder of its own, or a schema of its own in the PostgreSQL at `TIDEGATE_POSTGRES`.

use crate::db;
use crate::keys::{hex, random};
use sqlx::AnyPool;
use tempfile::TempDir;

pub struct Database {
    pub pool: AnyPool,
    _dir: TempDir,
}

impl Database {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let pool = db::open(&url(&dir).await).await.expect("a database");
        Self { pool, _dir: dir }
    }
}

/// Where a new, empty database is.
pub async fn url(dir: &TempDir) -> String {
    let Ok(server) = std::env::var("TIDEGATE_POSTGRES") else {
        return format!("sqlite://{}", dir.path().join("gateway.db").display());
    };
    let schema = format!("test_{}", hex(&random::<8>()));
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&server).await.expect("TIDEGATE_POSTGRES is a server");
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::query(create).execute(&pool).await.expect("a schema");
    let sign = if server.contains('?') { '&' } else { '?' };
    format!("{server}{sign}options=-csearch_path%3D{schema}")
}
