//! How a gateway is set up. Every key has a default; `default.toml` lists them all.

mod ops;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use ops::{Cors, Limits, SecretSource, Secrets, Telemetry, Tls};

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
    /// How much of it.
    pub limits: Limits,
    /// Who the gateway is.
    pub tls: Tls,
    /// Which pages may call.
    pub cors: Cors,
    /// Who watches.
    pub telemetry: Telemetry,
    /// Where its secret is.
    pub secrets: Secrets,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            dir: "data/gateway".into(),
            database: String::new(),
            engine: Engine::default(),
            identity: Identity::default(),
            limits: Limits::default(),
            tls: Tls::default(),
            cors: Cors::default(),
            telemetry: Telemetry::default(),
            secrets: Secrets::default(),
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
        config.limits.check()?;
        config.tls.check()?;
        config.cors.check()?;
        config.telemetry.check()?;
        config.secrets.check()?;
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
            ("[limits]\nuser_burst = 0", "user_burst"),
            ("[limits]\ntrusted_proxies = [\"10.0.0.0/33\"]", "10.0.0.0/33"),
            ("[tls]\ncert = \"a.pem\"", "cert and key"),
            ("[cors]\norigins = [\"*\"]", "cors.origins"),
            ("[telemetry]\nmetrics_token = \"short\"", "metrics_token"),
            ("[secrets]\nsource = \"vault\"", "vault_addr"),
        ] {
            let error = format!("{:#}", Config::parse(text).expect_err(text));
            assert!(error.contains(part), "{error}");
        }
    }
}
