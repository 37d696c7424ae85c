//! The server's configuration: one TOML file, every key documented in `default.toml` and defaulted here.
//!
//! A key that is not known and a value that is not allowed are errors that name the file, the line and what is
//! allowed: `serde` gives the place, the types below give the rule.

mod accounts;
mod edge;
mod instruments;
mod latency;
mod replication;
mod risk;
mod routes;
mod strategy;
mod values;

pub use accounts::AccountEntry;
pub use edge::{Edge, Token};
pub use instruments::{InstrumentEntry, Venue};
pub use latency::{LatencyBudgets, Metrics};
pub use replication::Replication;
pub use risk::{ControlEntry, Risk, limit_of};
pub use routes::{RouteEntry, RouteVenue};
pub use strategy::StrategyEntry;
pub use values::Decimal;

use crate::kill;
use crate::latency::{Way, Ways};
use crate::threads::Threads;
use anyhow::{Context, Result, bail, ensure};
use edge::Budget;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tidegate_journal::Release;
use tidegate_model::command::ROUTES_MAX;
use tidegate_model::instrument::venue_kind;
use tidegate_model::{Instrument, ReleaseLevel};
use toml::Spanned;
use values::{Count64, Within, address_if_any, release_level};

/// The commented default configuration, as `tidegate run --print-config` prints it.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

fn power_of_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrdersMax, D::Error> {
    let value = OrdersMax::deserialize(deserializer)?;
    if value.get().is_power_of_two() {
        return Ok(value);
    }
    Err(D::Error::custom(format!("{} is not allowed: a power of two", value.get())))
}

/// Bytes of a path that is a socket's address, at most.
const DOOR_LEN_MAX: usize = 107;

/// Bounds of `engine.orders_max`.
pub type OrdersMax = Within<1_024, 4_194_304>;

/// How the engine's thread waits for inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Spins where it has an isolated core of its own, parks elsewhere.
    #[default]
    Auto,
    /// Never gives up its core: the lowest latency, and a core of its own.
    Spin,
    /// Offers its core to others between polls.
    Yield,
    /// Sleeps for some microseconds when there is nothing to do, longer when there has been nothing for a while.
    Park,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The engine thread.
    pub engine: Engine,
    /// Which thread runs where.
    pub threads: Threads,
    /// Memory that stays, and large pages.
    pub memory: Memory,
    /// The paper venue.
    pub paper: Paper,
    /// The journal.
    pub journal: Journal,
    /// Snapshots of the state.
    pub snapshots: Snapshots,
    /// The other nodes of a deployment that has standbys.
    pub replication: Option<Replication>,
    /// The market data feed.
    pub feed: Feed,
    /// The gRPC services.
    pub edge: Edge,
    /// What trades inside the engine.
    pub strategy: Option<StrategyEntry>,
    /// How long things may take.
    pub latency: LatencyBudgets,
    /// Figures of the running system.
    pub metrics: Metrics,
    /// Controls, and the file that stops everything.
    pub risk: Risk,
    /// Instruments to define at start, beside those that the feed defines.
    pub instruments: Vec<InstrumentEntry>,
    /// Accounts to open at start.
    pub accounts: Vec<AccountEntry>,
    /// Live routes, numbered from 0 in the order of the file; a new one goes to the end.
    pub routes: Vec<RouteEntry>,
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// How it waits for inputs.
    pub wait: Wait,
    /// Orders kept for the day.
    #[serde(deserialize_with = "power_of_two")]
    pub orders_max: OrdersMax,
    /// Displayed orders in all books.
    pub book_orders_max: Within<1_024, 268_435_456>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            wait: Wait::default(),
            orders_max: Within::new(1 << 20),
            book_orders_max: Within::new(1 << 23),
        }
    }
}

/// Whether the process keeps its memory from being paged out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lock {
    /// Where the engine spins.
    #[default]
    Auto,
    /// Yes, and a warning where the system refuses.
    Yes,
    /// No.
    No,
}

/// `[memory]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Whether memory is locked.
    pub lock: Lock,
    /// Whether the engine's tables ask for huge pages.
    pub huge_pages: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { lock: Lock::default(), huge_pages: true }
    }
}

/// `[paper]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paper {
    /// How long the market's news take to us.
    pub feed_latency: Way,
    /// How long requests take to the venue.
    pub entry_latency: Way,
    /// How long the venue's answers take to us.
    pub answer_latency: Way,
    /// Where random latencies begin.
    pub latency_seed: Count64,
}

impl Default for Paper {
    fn default() -> Self {
        let [feed_latency, entry_latency, answer_latency] = [0; 3].map(Way::Always);
        Self { feed_latency, entry_latency, answer_latency, latency_seed: Within::new(1) }
    }
}

impl Paper {
    /// The ways to the venue and back.
    pub fn ways(&self) -> Ways {
        Ways {
            feed: self.feed_latency.clone(),
            entry: self.entry_latency.clone(),
            answer: self.answer_latency.clone(),
            seed: self.latency_seed.get(),
        }
    }
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Where it lives.
    pub dir: PathBuf,
    /// Size of one segment.
    pub segment_mib: Within<1, 1_024>,
    /// What every output waits for.
    #[serde(deserialize_with = "release_level")]
    pub release: ReleaseLevel,
    /// How long what was appended stays without a sync that nobody waits for.
    pub sync_every_ms: Within<1, 60_000>,
    /// Free space below which nothing passes that opens a position; 0: never.
    pub low_space_mib: Within<0, 1_073_741_824>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data/journal"),
            segment_mib: Within::new(64),
            release: ReleaseLevel::Process,
            sync_every_ms: Within::new(1_000),
            low_space_mib: Within::new(1_024),
        }
    }
}

impl Journal {
    /// How its files, and those of its event log, are laid out.
    pub fn files(&self) -> tidegate_journal::Config {
        tidegate_journal::Config { segment_len: self.segment_mib.get() << 20, ..Default::default() }
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { every_inputs: Within::new(0) }
    }
}

/// `[snapshots]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshots {
    /// Inputs between two of them; 0: none are taken.
    pub every_inputs: Within<0, 1_000_000_000_000>,
}

/// `[feed]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// Where line A arrives; no feed without it.
    #[serde(deserialize_with = "address_if_any")]
    pub line_a: Option<SocketAddr>,
    /// Where line B arrives.
    #[serde(deserialize_with = "address_if_any")]
    pub line_b: Option<SocketAddr>,
    /// The local address whose interface multicast groups are joined on.
    pub interface: Option<Ipv4Addr>,
    /// Whom to ask for lost messages.
    #[serde(deserialize_with = "address_if_any")]
    pub rerequest: Option<SocketAddr>,
    /// Midnight of every session, as seconds since the Unix epoch; the last in New York before each if absent.
    pub midnight_unix_s: Option<Within<0, 7_258_118_400>>,
}

/// Where the entries stand that are checked as a whole: in the order in which [`Config`] has them.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    instruments: Vec<InstrumentPlace>,
    #[serde(default)]
    accounts: Vec<AccountPlace>,
}

#[derive(Deserialize)]
struct InstrumentPlace {
    symbol: Spanned<IgnoredAny>,
    tick: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
struct AccountPlace {
    id: Spanned<IgnoredAny>,
}

/// MiB that a configuration may have: far more than any has, and soon read.
const FILE_MIB_MAX: u64 = 1;

/// Reads the text of `path`, which may be a device or a pipe that has no end.
fn read_text(path: &Path) -> Result<String> {
    let len_max = FILE_MIB_MAX * 1024 * 1024;
    let mut bytes = Vec::new();
    File::open(path)?.take(len_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > len_max {
        bail!("it is longer than {FILE_MIB_MAX} MiB, the most a configuration may have");
    }
    String::from_utf8(bytes).context("it is not text in UTF-8")
}

impl Config {
    /// The socket at which processes come in that share memory with the engine, if there is one. Where the journal's folder has a
    /// name that no socket's address has room for, there is none unless it is asked for.
    pub fn door(&self) -> Option<PathBuf> {
        match &self.edge.door {
            Some(path) if path.as_os_str().is_empty() => None,
            Some(path) => Some(path.clone()),
            None => Some(self.journal.dir.join("door.sock"))
                .filter(|path| path.as_os_str().len() <= DOOR_LEN_MAX),
        }
    }

    /// The file that stops everything when somebody makes it.
    pub fn kill_file(&self) -> PathBuf {
        self.risk.kill_file.clone().unwrap_or_else(|| self.journal.dir.join(kill::FILE_NAME))
    }

    /// An instrument of this configuration as the engine takes it, with its route.
    pub fn terms(&self, entry: &InstrumentEntry) -> Result<Instrument> {
        let terms = entry.instrument()?;
        let Some(name) = &entry.route else { return Ok(terms) };
        ensure!(
            entry.venue_kind != Venue::Internal,
            "instrument {}: a market of the house has no route",
            entry.symbol
        );
        let route = self.routes.iter().position(|route| route.name == *name);
        let route = route.with_context(|| {
            format!("instrument {}: route '{name}' is not in [[routes]]", entry.symbol)
        })?;
        let route = u8::try_from(route).unwrap_or(u8::MAX);
        let routed = Instrument { venue_kind: venue_kind::ROUTE, route, ..terms };
        routed.checked().with_context(|| format!("instrument {}", entry.symbol))
    }

    /// What outputs wait for.
    ///
    /// # Errors
    /// If that is followers, and there are none.
    pub fn release(&self) -> Result<Release> {
        let level = self.journal.release;
        let has_followers = self.replication.is_some();
        ensure!(
            has_followers || !level.is_replicated(),
            "journal.release = \"{level}\" waits for a standby, and none is configured: add [replication], or take \"power\""
        );
        Ok(if has_followers { Release::with_followers(level) } else { Release::new(level) })
    }

    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| {
            format!(
                "the configuration {} is not valid (tidegate run --print-config shows every key)",
                path.display()
            )
        })
    }

    /// Parses and checks the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        let places: Places = toml::from_str(text)?;
        let line_of = |place: &Spanned<IgnoredAny>| {
            let before = text.get(..place.span().start).unwrap_or(text);
            before.matches('\n').count() + 1
        };
        let mut lines = BTreeMap::new();
        for (entry, place) in config.instruments.iter().zip(&places.instruments) {
            let line = line_of(place.tick.as_ref().unwrap_or(&place.symbol));
            config.terms(entry).with_context(|| format!("line {line}"))?;
            let line = line_of(&place.symbol);
            if let Some(first) = lines.insert(entry.symbol, line) {
                bail!("line {line}: instrument {} is there already, at line {first}", entry.symbol);
            }
        }
        let mut lines = BTreeMap::new();
        for (entry, place) in config.accounts.iter().zip(&places.accounts) {
            let (id, line) = (entry.id.get(), line_of(&place.id));
            if let Some(first) = lines.insert(id, line) {
                bail!("line {line}: account {id} is there already, at line {first}");
            }
        }
        for (at, route) in config.routes.iter().enumerate() {
            if config.routes[..at].iter().any(|other| other.name == route.name) {
                bail!("route '{}' is in [[routes]] twice", route.name);
            }
        }
        config.threads.check()?;
        config.release()?;
        if let Some(replication) = &config.replication {
            replication.check()?;
        }
        edge::check_tokens(&config.edge.tokens)?;
        let has_budgets = config.edge.tokens.iter().any(|token| token.budget != Budget::default());
        config.risk.check(has_budgets)?;
        if let Some(strategy) = &config.strategy {
            strategy.check(&config)?;
        }
        if config.routes.len() > ROUTES_MAX {
            bail!("{} [[routes]] are too many: at most {ROUTES_MAX}", config.routes.len());
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_file_says_what_the_defaults_are() {
        let uncommented: String = DEFAULT_TOML
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Config::parse(DEFAULT_TOML).expect("valid"), Config::default());
        let full = Config::parse(&uncommented).expect("the commented examples are valid");
        assert_eq!(full.instruments.len(), 2);
        assert_eq!(full.accounts.len(), 1);
        assert_eq!(full.routes.len(), 1);
        let replication = full.replication.expect("an example");
        assert!(replication.peers.len() == 1 && replication.lease.is_some());
        let risk = (full.risk.controls.len(), full.risk.groups.len(), full.risk.lists.len());
        assert_eq!(risk, (7, 1, 2));
        let agent = &full.edge.tokens[1];
        assert_eq!(agent.budget.controls(agent.principal()).count(), 6);
    }

    /// The configuration of two tokens, each with more keys.
    fn tokens(one: &str, other: &str) -> Result<Config> {
        let token = |name: &str, more: &str| {
            format!("[[edge.tokens]]\ntoken = 'token-of-{name:->9}'\nname = '{name}'\n{more}\n")
        };
        Config::parse(&(token("one", one) + &token("other", other)))
    }

    #[test]
    fn tokens_agree_about_who_a_principal_is_and_programs_have_no_rights_of_people() {
        let officer = "principal = 1\nmay_control = true";
        for (one, other, said) in [
            (officer, "principal = 2", None),
            (officer, "principal = 1\nmay_control = true\nmay_administer = true", None),
            (officer, "principal = 1", Some("'one' and 'other' are of one principal, 1")),
            ("principal = 1", "principal = 1\nrole = 'agent'", Some("the same role")),
            ("principal = 1", "principal = 1\naccount = 3", Some("account and strategy")),
            (officer, "principal = 0", Some("0 is not allowed: 1 to 16383")),
            (officer, "principal = 16384", Some("1 to 16383")),
            (officer, "principal = 2\nrole = 'robot'", Some("one of person, strategy, agent")),
            (
                officer,
                "principal = 2\nrole = 'agent'\nmay_control = true",
                Some("may_control is for a person"),
            ),
            (
                officer,
                "principal = 2\nrole = 'strategy'\nmay_control = true",
                Some("not for a strategy"),
            ),
            (
                officer,
                "principal = 2\nrole = 'agent'\nmay_administer = true",
                Some("may_administer is for"),
            ),
            (officer, "principal = 2\nstrategy = 0", Some("1 to 4095")),
            (officer, "principal = 2\nacts_for = [1000, 16383]", None),
            (officer, "principal = 2\nacts_for = [1000, 131071]", Some("from 1 to 16383")),
            (officer, "principal = 2\nacts_for = [0, 1000]", Some("from 1 to 16383")),
            (officer, "principal = 2\nacts_for = [6, 5]", Some("acts_for = [6, 5] is not allowed")),
            (officer, "principal = 2\nacts_for = [-1, 5]", Some("acts_for")),
            (officer, "principal = 2\nacts_for = [1000]", Some("acts_for")),
            (officer, "principal = 9\nacts_for = [1, 5]", Some("'one' stands or acts for 1")),
            (officer, "principal = 9\nacts_for = [9, 9]", Some("'other' stands or acts for 9")),
            (
                "principal = 1\nacts_for = [20, 30]",
                "principal = 2\nacts_for = [30, 40]",
                Some(
                    "acts for principals 20 to 30, but the token named 'other' stands or acts for 30",
                ),
            ),
            (
                officer,
                "principal = 2\nacts_for = [250, 260]\n[strategy]\nname = 'momentum'\naccount = 1",
                Some("principal 255 is that of the strategy momentum"),
            ),
            (
                officer,
                "principal = 2\n[edge.tokens.budget]\nsides = 'up'",
                Some("buy, sell or both"),
            ),
            (
                officer,
                "principal = 2\n[edge.tokens.budget]\nsides = 'buy'",
                Some("version is missing"),
            ),
        ] {
            let error = tokens(one, other).err().map(|error| format!("{error:#}"));
            match (said, &error) {
                (None, None) => {}
                (Some(said), Some(error)) => assert!(error.contains(said), "{other}: {error}"),
                _ => panic!("{one} and {other}: {error:?}"),
            }
        }
        let budgets = |more: &str| {
            let budget = "principal = 2\n[edge.tokens.budget]\nsides = 'buy'";
            let text = format!("{budget}\n[risk]\nversion = 1");
            tokens(&text, &format!("principal = 2\n{more}"))
        };
        assert!(budgets("").is_ok() && budgets("[edge.tokens.budget]\nsides = 'buy'").is_ok());
        let error = budgets("[edge.tokens.budget]\nsides = 'both'").expect_err("two budgets");
        assert!(format!("{error:#}").contains("one budget"), "{error:#}");
    }

    #[test]
    fn a_control_says_what_is_wrong_with_it() {
        let parse = |table: &str| Config::parse(&format!("[risk]\nversion = 1\n{table}"));
        let control = |more: &str| parse(&format!("[[risk.controls]]\n{more}\n"));
        let group =
            |members: &str| parse(&format!("[[risk.groups]]\ngroup = 1\nmembers = {members}"));
        let ok = "scope = 'firm'\ncontrol = 'open_orders'\nlimit = '5'";
        assert!(control(ok).is_ok() && group("['account:1', 'account:2']").is_ok());
        for (parsed, said) in [
            (control("scope = 'desk'\ncontrol = 'open_orders'\nlimit = '5'"), "'desk' is no scope"),
            (control("scope = 'firm'\ncontrol = 'open'\nlimit = '5'"), "one of max_order_qty"),
            (control("scope = 'firm'\ncontrol = 'open_orders'"), "limit '' of open_orders"),
            (control(&format!("{ok}\nwindow = '32d'")), "window = '32d'"),
            (control(&format!("{ok}\nhold = '5'")), "hold = '5'"),
            (control(&format!("{ok}\nreason = 'größer'")), "48 printable ASCII"),
            (control(&format!("{ok}\naction = 'panic'")), "one of stop_opening, cancel, flatten"),
            (control(&format!("{ok}\nlimits = '5'")), "unknown field"),
            (group("['firm']"), "firm cannot be a member"),
            (group("['account:1', 'instrument:ACME']"), "cannot be in one group"),
            (parse("[[risk.lists]]\nlist = 65\nsymbols = []"), "1 to 64"),
            (
                Config::parse("[risk]\nversion = 2"),
                "is not the version of controls of this build, 1",
            ),
            (Config::parse(&format!("[[risk.controls]]\n{ok}")), "version is missing"),
        ] {
            let error = format!("{:#}", parsed.err().unwrap_or_else(|| panic!("no error: {said}")));
            assert!(error.contains(said), "'{said}' is not in: {error}");
        }
        let error = control("scope = 'desk'\ncontrol = 'open_orders'\nlimit = '5'");
        assert!(format!("{:#}", error.expect_err("no scope")).contains("line 3"));
    }

    #[test]
    fn wrong_key_names_line_and_what_is_allowed() {
        let error = Config::parse("[engine]\nwait = 'park'\nspeed = 3\n").expect_err("unknown key");
        let text = format!("{error:#}");
        assert!(text.contains("line 3"), "{text}");
        assert!(text.contains("orders_max"), "{text}");
    }

    #[test]
    fn wrong_value_names_line_and_what_is_allowed() {
        let error = Config::parse("[engine]\nwait = 'sleep'\n").expect_err("unknown value");
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains("`park`"), "{text}");
        let error = Config::parse("[engine]\norders_max = 5000\n").expect_err("not a power");
        assert!(format!("{error:#}").contains("power of two"));
    }
}
