//! A gateway before a real engine in one process, for those who test it from outside: prints where it listens and whom it knows, and
//! runs until its standard input ends. Everything it keeps is in a temporary folder, or in the database at `TIDEGATE_POSTGRES`.

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::{Value, json};
use std::num::NonZeroU32;
use support::{Front, PASSWORD};

#[tokio::main]
async fn main() {
    let mut front = Front::with(|config| {
        // One address makes all connections.
        config.limits.connections_per_ip = 20_000;
        config.limits.connections = 20_000;
        config.limits.key_per_minute = NonZeroU32::MAX;
    })
    .await;
    for role in ["trader", "administrator"] {
        front.register(role).await;
        if role != "trader" {
            front = front.promote(role, role).await;
        }
    }
    let mut tokens = serde_json::Map::new();
    for role in ["trader", "administrator"] {
        let body = json!({ "email": format!("{role}@example.org"), "password": PASSWORD });
        let pair = front.api.post("/api/v1/auth/login", body).await.data();
        tokens.insert(role.into(), pair["access_token"].clone());
    }
    println!("{}", json!({ "url": front.api.base, "tokens": Value::Object(tokens) }));
    // Whoever started it ends it by closing the pipe.
    let ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await.expect("no panic").expect("a pipe");
    front.close().await;
}
