//! How a gateway is set up. Every key has a default; `default.toml` lists them all.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Every key, with its default and what it is for.
pub const DEFAULT: &str = include_str!("default.toml");

/// How a gateway is set up.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where people and programs come in; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of what the gateway keeps: its secret, its database if that is SQLite, mails that go to files.
    pub dir: PathBuf,
    /// `sqlite://FILE` or `postgres://USER@HOST/NAME`; empty: SQLite in `dir`.
    pub database: String,
    /// The engine.
    pub engine: Engine,
    /// Who may come in.
    pub identity: Identity,
    /// What is kept of the market.
    pub market: Market,
    /// Streams to people and programs.
    pub live: Live,
}

/// `[engine]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Where its edge listens.
    pub addr: String,
    /// The edge's token that acts for principals; empty: `TIDEGATE_GATEWAY_TOKEN` of the environment.
    pub token: String,
    /// The first and the last principal that people get.
    pub principals: [u32; 2],
    /// The first and the last account that people get.
    pub accounts: [u32; 2],
    /// What a new paper account has, in its currency; decimal text.
    pub paper_cash: String,
    /// The currency of new accounts.
    pub currency: String,
}

/// `[identity]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Whether anybody may register; else only an administrator makes users.
    pub open_registration: bool,
    /// Whether an address must be verified before its user may trade.
    pub verify_email: bool,
    /// How long an access token is good.
    pub access_minutes: u32,
    /// How long a session lives without being refreshed.
    pub refresh_days: u32,
}

/// `[market]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Market {
    /// Levels of a book, each side.
    pub depth: u32,
    /// Least time between two quotes of an instrument.
    pub quote_interval_ms: u32,
    /// Least time between two changes of a book.
    pub book_interval_ms: u32,
    /// Trades of an instrument that are kept.
    pub trades_kept: usize,
}

/// `[live]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Streams at one time.
    pub connections: usize,
    /// Streams of one user at one time.
    pub connections_per_user: usize,
    /// Least time between two sendings to one client; what changes meanwhile is sent once, as it is then.
    pub interval_ms: u64,
    /// Events of all accounts together that are kept for clients that come again.
    pub events_kept: usize,
}

impl Default for Market {
    fn default() -> Self {
        Self { depth: 20, quote_interval_ms: 10, book_interval_ms: 50, trades_kept: 2_000 }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self { connections: 20_000, connections_per_user: 20, interval_ms: 20, events_kept: 50_000 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            dir: "data/gateway".into(),
            database: String::new(),
            engine: Engine::default(),
            identity: Identity::default(),
            market: Market::default(),
            live: Live::default(),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            addr: "http://127.0.0.1:7800".into(),
            token: String::new(),
            principals: [1_000, 3_999],
            accounts: [1_000, 65_535],
            paper_cash: "100000".into(),
            currency: "USD".into(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self { open_registration: true, verify_email: false, access_minutes: 15, refresh_days: 7 }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a value out of its range; the message names it.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        Self::parse(&text).with_context(|| shown.to_string())
    }

    /// Reads text.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        let ranges =
            [("principals", config.engine.principals), ("accounts", config.engine.accounts)];
        for (name, [first, last]) in ranges {
            ensure!(first <= last, "engine.{name}: {first} is above {last}");
        }
        let Identity { access_minutes, refresh_days, .. } = config.identity;
        ensure!((1..=60).contains(&access_minutes), "identity.access_minutes: 1 to 60");
        ensure!((1..=90).contains(&refresh_days), "identity.refresh_days: 1 to 90");
        let Market { depth, quote_interval_ms, book_interval_ms, trades_kept } = config.market;
        ensure!((1..=1_000).contains(&depth), "market.depth: 1 to 1000");
        for (name, ms) in [("quote", quote_interval_ms), ("book", book_interval_ms)] {
            ensure!(ms <= 60_000, "market.{name}_interval_ms: 0 to 60000");
        }
        ensure!((1..=100_000).contains(&trades_kept), "market.trades_kept: 1 to 100000");
        let Live { connections, connections_per_user, interval_ms, events_kept } = config.live;
        ensure!((1..=1_000_000).contains(&connections), "live.connections: 1 to 1000000");
        ensure!(connections_per_user >= 1, "live.connections_per_user: 1 or more");
        ensure!((1..=10_000).contains(&interval_ms), "live.interval_ms: 1 to 10000");
        ensure!((1..=10_000_000).contains(&events_kept), "live.events_kept: 1 to 10000000");
        Ok(config)
    }

    /// Where the database is.
    pub fn database_url(&self) -> String {
        match self.database.is_empty() {
            true => format!("sqlite://{}", self.dir.join("gateway.db").display()),
            false => self.database.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_is_in_force_without_one() {
        let read = Config::parse(DEFAULT).expect("it is right");
        assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, part) in [
            ("listn = 1", "listn"),
            ("[engine]\nprincipals = [2, 1]", "principals"),
            ("[identity]\naccess_minutes = 0", "access_minutes"),
            ("[identity]\nrefresh_days = 400", "refresh_days"),
            ("[market]\ndepth = 0", "depth"),
            ("[live]\ninterval_ms = 0", "interval_ms"),
        ] {
            let error = format!("{:#}", Config::parse(text).expect_err(text));
            assert!(error.contains(part), "{error}");
        }
    }
}
