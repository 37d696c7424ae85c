//! An empty database for each test: SQLite in a folder of its own, or a schema of its own in the PostgreSQL at `TIDEGATE_POSTGRES`.

use std::path::Path;

/// Where it is.
pub async fn url(dir: &Path) -> String {
    let Ok(server) = std::env::var("TIDEGATE_POSTGRES") else {
        return format!("sqlite://{}", dir.join("gateway.db").display());
    };
    let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&server).await.expect("TIDEGATE_POSTGRES is a server");
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::query(create).execute(&pool).await.expect("a schema");
    let sign = if server.contains('?') { '&' } else { '?' };
    format!("{server}{sign}options=-csearch_path%3D{schema}")
}
