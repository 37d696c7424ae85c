//! A database for each unit test.

#[path = "../tests/support/database.rs"]
mod database;

use crate::db;
use sqlx::AnyPool;
use tempfile::TempDir;

pub struct Database {
    pub pool: AnyPool,
    _dir: TempDir,
}

impl Database {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let pool = db::open(&database::url(dir.path()).await).await.expect("a database");
        Self { pool, _dir: dir }
    }
}
