//! How a gateway is set up. Every key has a default; `default.toml` lists them all.

mod billing;
mod ops;

pub use billing::Billing;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use ops::{Cors, Limits, SecretSource, Secrets, Telemetry, Tls};

/// Every key, with its default and what it is for.
pub const DEFAULT: &str = include_str!("default.toml");

/// The highest group of the engine's risk.
const GROUP_MAX: u32 = 1_023;
/// Characters of the name of a sector.
const SECTOR_LEN_MAX: usize = 40;

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
    /// What people open to come here; mails and sign-ins elsewhere lead back to it. No slash at its end.
    pub public_url: String,
    /// The engine.
    pub engine: Engine,
    /// Who may come in.
    pub identity: Identity,
    /// Mails to people.
    pub mail: Mail,
    /// Plans that are sold.
    pub billing: Billing,
    /// What traders may do.
    pub trading: Trading,
    /// What is kept of the market.
    pub market: Market,
    /// Streams to people and programs.
    pub live: Live,
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
    /// The authority that made the edge's certificate (PEM); needed if `addr` is `https://`.
    pub tls_ca: PathBuf,
    /// The certificate that the gateway shows (PEM); empty: none.
    pub tls_cert: PathBuf,
    /// Its key (PEM).
    pub tls_key: PathBuf,
    /// The first and the last principal that people get.
    pub principals: [u32; 2],
    /// The first and the last principal that programs of people get; the first two are nobody's.
    pub programs: [u32; 2],
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
    /// How many users one network may register in an hour; after that one in a while.
    pub registrations_per_network: u32,
    /// Whether an address must be verified before its user may trade.
    pub verify_email: bool,
    /// How long an access token is good.
    pub access_minutes: u32,
    /// How long a session lives without being refreshed.
    pub refresh_days: u32,
    /// Where else people may sign in.
    pub providers: Vec<Provider>,
}

/// `[[identity.providers]]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it is called in paths: a-z, 0-9 and -.
    pub name: String,
    /// Which one it is.
    pub kind: ProviderKind,
    /// What the gateway is called there.
    pub client_id: String,
    /// The secret that goes with it; empty: from the file, or `TIDEGATE_OIDC_NAME_SECRET` of the environment.
    #[serde(default)]
    pub client_secret: String,
    /// A file of the secret.
    pub client_secret_file: Option<PathBuf>,
    /// Its URL; empty: the one that everybody knows. Needed of `oidc`.
    #[serde(default)]
    pub issuer: String,
}

// The secret stays out of logs.
impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which provider of sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, or its enterprise server at `issuer`: OAuth 2.0.
    Github,
    /// Apple; its secret is a JWT that ends after half a year.
    Apple,
    /// Any other with OpenID Connect.
    Oidc,
}

/// `[mail]`
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// Whom they are from.
    pub from: String,
    /// `smtps://USER:PASSWORD@HOST` or `smtp://HOST:PORT?tls=required`; empty: `TIDEGATE_SMTP` of the environment, and if that is empty
    /// too each mail becomes a file in the folder `mail` of `dir`.
    pub smtp: String,
}

// The URL may hold a password.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self { from: "Tidegate <tidegate@localhost>".into(), smtp: String::new() }
    }
}

/// `[trading]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trading {
    /// Which orders of people need a preview and a second factor.
    pub authorization: Authorization,
    /// Orders that have ended, and executions, that are kept of one account.
    pub history_of_account: usize,
    /// The same of all accounts.
    pub history: usize,
    /// How often what accounts are worth is written down, in seconds; the newest of a minute stays.
    pub equity_every_s: u32,
    /// The first limits of a new account: its largest order, in its currency; decimal text.
    pub max_order_notional: String,
    /// Its largest order, in lots.
    pub max_order_lots: u64,
    /// Its largest position in one instrument, in lots.
    pub max_position_lots: u64,
    /// How far a limit price may be from the market, in basis points.
    pub price_collar_bp: u32,
    /// Its most open orders.
    pub max_open_orders: u32,
    /// Its messages a second.
    pub messages_per_sec: u32,
    /// Its messages at once.
    pub message_burst: u32,
}

/// Which orders of people need a preview and a second factor. Programs need none: their keys are bound otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// All.
    Always,
    /// Those of instruments that are routed to a live venue.
    Live,
    /// None.
    Never,
}

impl Trading {
    /// The first limits of account `number`.
    pub(crate) fn limits(&self, number: u32) -> tidegate_client::proto::Limits {
        tidegate_client::proto::Limits {
            account: number,
            max_order_notional: self.max_order_notional.clone(),
            credit: "0".into(),
            max_order_lots: self.max_order_lots,
            max_position_lots: self.max_position_lots,
            price_collar_bp: self.price_collar_bp,
            max_open_orders: self.max_open_orders,
            messages_per_sec: self.messages_per_sec,
            message_burst: self.message_burst,
        }
    }

    /// How much of what is over is kept.
    pub(crate) fn bounds(&self) -> crate::trading::picture::Bounds {
        crate::trading::picture::Bounds {
            of_account: self.history_of_account,
            in_all: self.history,
        }
    }
}

impl Default for Trading {
    fn default() -> Self {
        Self {
            authorization: Authorization::Live,
            history_of_account: 2_000,
            history: 200_000,
            equity_every_s: 60,
            max_order_notional: "100000".into(),
            max_order_lots: 100_000,
            max_position_lots: 1_000_000,
            price_collar_bp: 1_000,
            max_open_orders: 500,
            messages_per_sec: 50,
            message_burst: 100,
        }
    }
}

/// `[market]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Market {
    /// Whether strangers see it.
    pub is_open: bool,
    /// Levels of a book, each side.
    pub depth: u32,
    /// Least time between two quotes of an instrument.
    pub quote_interval_ms: u32,
    /// Least time between two changes of a book.
    pub book_interval_ms: u32,
    /// Trades of an instrument that are kept.
    pub trades_kept: usize,
    /// Whether bars are written into the database.
    pub bars_are_kept: bool,
    /// Names of groups of instruments in the engine's risk, 1 to 1023.
    pub sectors: BTreeMap<String, u32>,
}

/// `[live]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Streams at one time.
    pub connections: usize,
    /// Streams of one user at one time.
    pub connections_per_user: usize,
    /// Streams of strangers who follow the market.
    pub onlookers: usize,
    /// Those at one address.
    pub onlookers_per_ip: usize,
    /// Least time between two sendings to one client; what changes meanwhile is sent once, as it is then.
    pub interval_ms: u64,
    /// Events of all accounts together that are kept for clients that come again.
    pub events_kept: usize,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            is_open: true,
            depth: 20,
            quote_interval_ms: 10,
            book_interval_ms: 50,
            trades_kept: 2_000,
            bars_are_kept: true,
            sectors: BTreeMap::new(),
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_user: 20,
            onlookers: 1_000,
            onlookers_per_ip: 20,
            interval_ms: 20,
            events_kept: 50_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            dir: "data/gateway".into(),
            database: String::new(),
            public_url: "http://127.0.0.1:8080".into(),
            engine: Engine::default(),
            identity: Identity::default(),
            mail: Mail::default(),
            billing: Billing::default(),
            trading: Trading::default(),
            market: Market::default(),
            live: Live::default(),
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
            tls_ca: PathBuf::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            principals: [1_000, 2_999],
            programs: [3_000, 3_999],
            accounts: [1_000, 65_535],
            paper_cash: "100000".into(),
            currency: "USD".into(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            open_registration: true,
            registrations_per_network: 20,
            verify_email: false,
            access_minutes: 15,
            refresh_days: 7,
            providers: Vec::new(),
        }
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
        let ranges = [
            ("principals", config.engine.principals),
            ("programs", config.engine.programs),
            ("accounts", config.engine.accounts),
        ];
        for (name, [first, last]) in ranges {
            ensure!(first <= last, "engine.{name}: {first} is above {last}");
        }
        let Engine { addr, tls_ca, tls_cert, tls_key, .. } = &config.engine;
        let [has_ca, has_cert, has_key] =
            [tls_ca, tls_cert, tls_key].map(|path| !path.as_os_str().is_empty());
        ensure!(
            addr.starts_with("https://") == has_ca,
            "engine.tls_ca: needed of an addr that begins with https://, and only of such"
        );
        ensure!(
            has_cert == has_key && has_ca >= has_cert,
            "engine: tls_cert and tls_key go together, beside tls_ca"
        );
        let ([first, last], programs) = (config.engine.principals, config.engine.programs);
        ensure!(
            programs[1] < first || programs[0] > last,
            "engine.programs: {programs:?} and engine.principals share numbers"
        );
        ensure!(programs[1] - programs[0] >= 2, "engine.programs: 3 numbers at least");
        let Trading { history_of_account, history, equity_every_s, .. } = config.trading;
        ensure!(
            (1..=100_000).contains(&history_of_account),
            "trading.history_of_account: 1 to 100000"
        );
        ensure!((1..=10_000_000).contains(&history), "trading.history: 1 to 10000000");
        ensure!((1..=60).contains(&equity_every_s), "trading.equity_every_s: 1 to 60");
        let Identity { access_minutes, refresh_days, .. } = config.identity;
        ensure!((1..=60).contains(&access_minutes), "identity.access_minutes: 1 to 60");
        ensure!((1..=90).contains(&refresh_days), "identity.refresh_days: 1 to 90");
        let url = &config.public_url;
        let is_url = url.starts_with("http://") || url.starts_with("https://");
        ensure!(is_url && !url.ends_with('/'), "public_url: such as https://trade.example.org");
        let Market { depth, quote_interval_ms, book_interval_ms, trades_kept, .. } = config.market;
        ensure!((1..=1_000).contains(&depth), "market.depth: 1 to 1000");
        for (name, ms) in [("quote", quote_interval_ms), ("book", book_interval_ms)] {
            ensure!(ms <= 60_000, "market.{name}_interval_ms: 0 to 60000");
        }
        ensure!((1..=100_000).contains(&trades_kept), "market.trades_kept: 1 to 100000");
        let mut groups = BTreeSet::new();
        for (name, group) in &config.market.sectors {
            ensure!(
                (1..=SECTOR_LEN_MAX).contains(&name.trim().chars().count()),
                "market.sectors: a name has 1 to {SECTOR_LEN_MAX} characters"
            );
            ensure!((1..=GROUP_MAX).contains(group), "market.sectors.{name}: 1 to {GROUP_MAX}");
            ensure!(groups.insert(group), "market.sectors: two are group {group}");
        }
        let Live {
            connections,
            connections_per_user,
            onlookers: _,
            onlookers_per_ip: _,
            interval_ms,
            events_kept,
        } = config.live;
        ensure!((1..=1_000_000).contains(&connections), "live.connections: 1 to 1000000");
        ensure!(connections_per_user >= 1, "live.connections_per_user: 1 or more");
        ensure!((1..=10_000).contains(&interval_ms), "live.interval_ms: 1 to 10000");
        ensure!((1..=10_000_000).contains(&events_kept), "live.events_kept: 1 to 10000000");
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
            ("[engine]\nprograms = [2999, 5000]", "share numbers"),
            ("[engine]\naddr = 'https://a:1'", "engine.tls_ca"),
            ("[engine]\ntls_ca = 'a.pem'", "engine.tls_ca"),
            ("[engine]\ntls_cert = 'a.pem'", "tls_cert and tls_key"),
            ("[trading]\nhistory = 0", "trading.history"),
            ("[trading]\nequity_every_s = 61", "trading.equity_every_s"),
            ("[trading]\nauthorization = 'often'", "authorization"),
            ("[identity]\naccess_minutes = 0", "access_minutes"),
            ("[identity]\nrefresh_days = 400", "refresh_days"),
            ("[market]\ndepth = 0", "depth"),
            ("[market.sectors]\nEnergy = 1024", "market.sectors.Energy: 1 to 1023"),
            ("[market.sectors]\n' ' = 1", "1 to 40 characters"),
            ("[market.sectors]\nEnergy = 7\nMining = 7", "two are group 7"),
            ("[live]\ninterval_ms = 0", "interval_ms"),
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
