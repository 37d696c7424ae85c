//! Which thread of the server runs where, and how the engine waits.
//!
//! A plan gives some threads cores of their own and all others the rest. It is made from the cores that this process may use and from
//! `[threads]`, before anything starts, and carried out once everything runs: by the names of the threads, as `top -H` shows them.

use crate::config::{Config, Wait};
use crate::machine::{Cores, Machine, core_text, place};
use anyhow::{Context, Result, ensure};
use rustix::thread::Pid;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_engine::runtime;

/// The engine's thread.
pub const ENGINE: &str = "engine";
/// The thread that receives market data.
pub const FEED: &str = "feed";
/// The thread that writes the event log.
pub const EVENT_LOG: &str = "event-log";
/// In a configuration: every thread that is not named.
const OTHERS: &str = "others";
/// The threads that a configuration may name; `route-0` and so on besides.
const NAMES: [&str; 21] = [
    OTHERS,
    ENGINE,
    FEED,
    EVENT_LOG,
    "event-log-sync",
    "journal-sync",
    "journal-prepare",
    "journal-chain",
    "edge",
    "edge-follow",
    "edge-market",
    "replication",
    "catch-up",
    "shadow",
    "kill-file",
    "kill-log",
    "space",
    "calendar",
    "clock",
    "latency",
    "tidegate",
];

/// Who decides where threads run that the configuration does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placing {
    /// A plan for the number of cores.
    #[default]
    Auto,
    /// The operating system.
    None,
}

/// `[threads]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Threads {
    /// Who decides.
    pub placing: Placing,
    /// Cores by the names of threads.
    pub cores: BTreeMap<String, BTreeSet<usize>>,
}

impl Threads {
    /// Refuses names that no thread has, and lists without a core.
    ///
    /// # Errors
    /// The name, and those that there are.
    pub fn check(&self) -> Result<()> {
        for (name, cores) in &self.cores {
            let is_route = name.strip_prefix("route-").is_some_and(|n| n.parse::<u8>().is_ok());
            ensure!(
                is_route || NAMES.contains(&name.as_str()),
                "threads.cores: '{name}' is no thread of the server: one of {}, route-0",
                NAMES.join(", ")
            );
            ensure!(
                !cores.is_empty(),
                "threads.cores: '{name}' has no core: name one, or leave it out"
            );
        }
        Ok(())
    }
}

/// Which thread runs where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Threads that run on certain cores only.
    own: BTreeMap<String, Vec<usize>>,
    /// Where all others run; `None`: wherever the system has them.
    others: Option<Vec<usize>>,
    /// How the engine waits.
    pub wait: runtime::Wait,
    cores: Cores,
    quota_milli: Option<u64>,
}

impl Plan {
    /// The plan for this process on this machine.
    ///
    /// # Errors
    /// If a core that the configuration names is not there, or may not be used.
    pub fn of_process(config: &Config) -> Result<Self> {
        let machine = Machine::here();
        let cores = Cores::of_process(&machine)?;
        for (name, asked) in &config.threads.cores {
            for core in asked {
                // What is named need not be in the mask: isolated cores are not, unless somebody puts them there.
                let is_there = std::thread::scope(|scope| {
                    scope.spawn(|| place(None, &[*core])).join().is_ok_and(|placed| placed.is_ok())
                });
                ensure!(
                    is_there,
                    "threads.cores: cannot put '{name}' on core {core}: this process may use cores {}",
                    core_text(&cores.ids())
                );
            }
        }
        Ok(Self::of(config, cores, machine.quota_milli()))
    }

    /// The plan for these cores.
    pub fn of(config: &Config, cores: Cores, quota_milli: Option<u64>) -> Self {
        let named = &config.threads.cores;
        let list = |name: &str| named.get(name).map(|cores| cores.iter().copied().collect());
        let mut own: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for name in named.keys().filter(|name| *name != OTHERS) {
            own.extend(list(name).map(|cores| (name.clone(), cores)));
        }
        let asks_to_spin = matches!(config.engine.wait, Wait::Spin);
        if config.threads.placing == Placing::Auto {
            for name in wants_own(&cores, quota_milli, asks_to_spin, config.feed.line_a.is_some()) {
                if !own.contains_key(*name)
                    && let Some(core) = choose(&cores, &own)
                {
                    own.insert((*name).to_string(), vec![core]);
                }
            }
        }
        let is_isolated = |core: &usize| cores.get(*core).is_some_and(|core| core.is_isolated);
        let has_isolated = own.get(ENGINE).is_some_and(|cores| cores.iter().all(is_isolated));
        let wait = match config.engine.wait {
            Wait::Auto if has_isolated && quota_milli.is_none() => runtime::Wait::Spin,
            Wait::Auto | Wait::Park => runtime::Wait::Park,
            Wait::Spin => runtime::Wait::Spin,
            Wait::Yield => runtime::Wait::Yield,
        };
        let others = list(OTHERS).or_else(|| rest(&cores, &own));
        Self { own, others, wait, cores, quota_milli }
    }

    /// Places every thread that runs by now; those that these start will be where these are.
    ///
    /// # Errors
    /// If the system does not let one be placed.
    pub fn carry_out(&self) -> Result<()> {
        let tasks = "/proc/self/task";
        for task in
            std::fs::read_dir(tasks).with_context(|| format!("cannot read {tasks}"))?.flatten()
        {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let Some(cores) = self.own.get(name.trim()).or(self.others.as_ref()) else { continue };
            let number = task.file_name().to_str().and_then(|text| text.parse().ok());
            match place(number.and_then(Pid::from_raw), cores) {
                // It has ended since.
                Err(rustix::io::Errno::SRCH) => {}
                placed => placed.with_context(|| {
                    format!("cannot put thread '{}' on cores {}", name.trim(), core_text(cores))
                })?,
            }
        }
        Ok(())
    }

    /// Cores of their own, by thread.
    pub fn own(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.own.iter().map(|(name, cores)| (name.as_str(), cores.as_slice()))
    }

    /// The core that the engine has, and one that what feeds it or hears of it runs on.
    pub fn two_cores(&self) -> Option<[usize; 2]> {
        let all = self.cores.ids();
        let engine = *self.own.get(ENGINE).and_then(|cores| cores.first()).or(all.last())?;
        let near = self.own.get(FEED).or(self.others.as_ref()).unwrap_or(&all);
        near.iter().copied().find(|core| *core != engine).map(|core| [engine, core])
    }

    /// The plan in one line.
    pub fn line(&self) -> String {
        let all = core_text(&self.cores.ids());
        let waits = match self.wait {
            runtime::Wait::Spin => "spins",
            runtime::Wait::Yield => "yields",
            runtime::Wait::Park => "parks",
        };
        let mut pieces = Vec::new();
        for (name, cores) in self.own() {
            let how = if name == ENGINE { format!(" ({waits})") } else { String::new() };
            pieces.push(format!("{name} on {}{how}", core_text(cores)));
        }
        if !self.own.contains_key(ENGINE) {
            pieces.insert(0, format!("engine {waits}"));
        }
        pieces.push(match &self.others {
            Some(cores) => format!("all others on {}", core_text(cores)),
            None => format!("none pinned, cores {all}"),
        });
        pieces.join(", ")
    }

    /// What a thread that spins shares its core with, and what that costs; nothing where it shares none.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.wait == runtime::Wait::Park {
            return warnings;
        }
        if let Some(quota) = self.quota_milli {
            warnings.push(format!(
                "the engine polls without pause, and its control group may use {}.{:02} cores: when they are used up the whole process \
                 stands still until the period is over, tens of milliseconds; lift the quota (cpu.max), or set engine.wait = \"park\"",
                quota / 1_000,
                quota % 1_000 / 10
            ));
        }
        let all = self.cores.ids();
        let others = self.others.as_ref().unwrap_or(&all);
        let Some(engine) = self.own.get(ENGINE) else {
            warnings.push(format!(
                "the engine polls without pause and has no core of its own: it takes turns with every other thread on cores {}, some \
                 milliseconds each; name one in [threads.cores], or set engine.wait = \"park\"",
                core_text(&all)
            ));
            return warnings;
        };
        let everyone = self.own().filter(|(name, _)| *name != ENGINE);
        let everyone: Vec<_> = everyone.chain([("all other threads", others.as_slice())]).collect();
        for core in engine {
            let siblings = self.cores.get(*core).map_or(&[][..], |core| &core.siblings);
            for (name, cores) in &everyone {
                if cores.contains(core) {
                    warnings.push(format!(
                        "the engine polls without pause on core {core}, where {name} may run as well: each waits for the other, some \
                         milliseconds at a time; give them cores apart in [threads.cores], or set engine.wait = \"park\""
                    ));
                } else if let Some(beside) =
                    siblings.iter().find(|id| *id != core && cores.contains(id))
                {
                    warnings.push(format!(
                        "the engine polls without pause on core {core}, and {name} may run on core {beside}, the other thread of the same \
                         physical core: each runs at a half to two thirds of its speed while both do; leave {beside} idle in [threads.cores]"
                    ));
                }
            }
        }
        warnings
    }
}

/// The threads that get a core of their own where nobody says which.
fn wants_own(
    cores: &Cores,
    quota: Option<u64>,
    asks_to_spin: bool,
    has_feed: bool,
) -> &'static [&'static str] {
    let quota = quota.map_or(usize::MAX, |milli| (milli / 1_000) as usize);
    match (cores.physical_count().min(quota), has_feed) {
        (0 | 1, _) => &[],
        // A thread that sleeps is no worse off among others.
        (2 | 3, _) if asks_to_spin => &[ENGINE],
        (2 | 3, _) => &[],
        (4..=7, true) => &[ENGINE, FEED],
        (4..=7, false) => &[ENGINE],
        (_, true) => &[ENGINE, FEED, EVENT_LOG],
        (_, false) => &[ENGINE, EVENT_LOG],
    }
}

/// The best core that nobody has: isolated, beside the engine's cache, of a physical core that nobody has, the last of those. The
/// first cores serve interrupts.
fn choose(cores: &Cores, own: &BTreeMap<String, Vec<usize>>) -> Option<usize> {
    let taken: Vec<usize> = own.values().flatten().copied().collect();
    let engine = own.get(ENGINE).and_then(|engine| cores.get(*engine.first()?));
    let free = cores.0.iter().filter(|core| !core.siblings.iter().any(|id| taken.contains(id)));
    let is_near = |cache| engine.is_none_or(|engine| engine.cache == cache);
    free.max_by_key(|core| (core.is_isolated, is_near(core.cache), core.id)).map(|core| core.id)
}

/// The cores for all other threads: not those that somebody has, nor the other thread of the engine's, nor isolated ones, among which the
/// system would not move them; unless nothing else is left. `None` if nobody has one.
fn rest(cores: &Cores, own: &BTreeMap<String, Vec<usize>>) -> Option<Vec<usize>> {
    if own.is_empty() {
        return None;
    }
    let engine = own.get(ENGINE).map(Vec::as_slice).unwrap_or_default();
    let taken: Vec<usize> = own.values().flatten().copied().collect();
    let free = cores.0.iter().filter(|core| !taken.contains(&core.id));
    let beside = |id: &usize| {
        cores.get(*id).is_some_and(|core| core.siblings.iter().any(|id| engine.contains(id)))
    };
    let free: Vec<usize> = free.map(|core| core.id).collect();
    let is_isolated = |id: &usize| cores.get(*id).is_some_and(|core| core.is_isolated);
    let best: Vec<usize> =
        free.iter().copied().filter(|id| !beside(id) && !is_isolated(id)).collect();
    let good: Vec<usize> = free.iter().copied().filter(|id| !beside(id)).collect();
    [best, good, free, cores.ids()].into_iter().find(|cores| !cores.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Core;
    use proptest::prelude::*;

    /// Cores 0 to `count` of which `ways` in a row, counted as Linux does, share a physical one.
    fn cores(count: usize, ways: usize, isolated: &[usize]) -> Cores {
        let physical = count / ways;
        let core = |id: usize| Core {
            id,
            is_isolated: isolated.contains(&id),
            siblings: (0..ways).map(|way| id % physical + way * physical).collect(),
            cache: 0,
        };
        Cores((0..count).map(core).collect())
    }

    fn plan(text: &str, cores: Cores) -> Plan {
        Plan::of(&Config::parse(text).expect("valid"), cores, None)
    }

    const SPIN: &str = "[engine]\nwait = 'spin'\n";
    const FED: &str = "[feed]\nline_a = '127.0.0.1:1'\n";

    #[test]
    fn defaults_by_the_number_of_cores() {
        for (config, cores, line) in [
            ("", cores(1, 1, &[]), "engine parks, none pinned, cores 0"),
            (SPIN, cores(1, 1, &[]), "engine spins, none pinned, cores 0"),
            (FED, cores(2, 1, &[]), "engine parks, none pinned, cores 0-1"),
            (SPIN, cores(2, 1, &[]), "engine on 1 (spins), all others on 0"),
            (SPIN, cores(2, 2, &[]), "engine spins, none pinned, cores 0-1"),
            (FED, cores(4, 1, &[]), "engine on 3 (parks), feed on 2, all others on 0-1"),
            ("", cores(4, 1, &[]), "engine on 3 (parks), all others on 0-2"),
            (FED, cores(8, 2, &[]), "engine on 7 (parks), feed on 6, all others on 0-2,4-5"),
            (
                FED,
                cores(8, 1, &[]),
                "engine on 7 (parks), event-log on 5, feed on 6, all others on 0-4",
            ),
            (FED, cores(4, 1, &[1, 2]), "engine on 2 (spins), feed on 1, all others on 0,3"),
            (
                "[engine]\nwait = 'park'",
                cores(4, 1, &[1]),
                "engine on 1 (parks), all others on 0,2-3",
            ),
            (
                "[threads]\nplacing = 'none'",
                cores(64, 2, &[]),
                "engine parks, none pinned, cores 0-63",
            ),
        ] {
            assert_eq!(plan(config, cores.clone()).line(), line, "{config} {cores:?}");
        }
    }

    #[test]
    fn a_quota_leaves_less_to_plan_with_and_nobody_spins_by_default() {
        let config = Config::parse(FED).expect("valid");
        let isolated = cores(16, 1, &[14, 15]);
        let bounded = Plan::of(&config, isolated.clone(), Some(1_500));
        assert_eq!(bounded.line(), "engine parks, none pinned, cores 0-15");
        assert_eq!(Plan::of(&config, isolated, Some(9_000)).wait, runtime::Wait::Park);
    }

    #[test]
    fn what_is_named_stands() {
        let named =
            format!("{SPIN}[threads.cores]\nengine = [1]\nothers = [0, 1]\nedge = [2, 3]\n");
        let plan = plan(&named, cores(4, 1, &[]));
        assert_eq!(plan.line(), "edge on 2-3, engine on 1 (spins), all others on 0-1");
        assert_eq!(plan.two_cores(), Some([1, 0]));
        let said = |table: &str| {
            let error = Config::parse(&format!("[threads]\n{table}")).expect_err("not valid");
            format!("{error:#}")
        };
        assert!(said("cores = { egde = [1] }").contains("'egde' is no thread"));
        assert!(said("cores = { edge = [] }").contains("'edge' has no core"));
        assert!(said("cores = { edge = [-1] }").contains("line 2"));
        assert!(Config::parse("[threads]\ncores = { route-3 = [1] }").is_ok());
    }

    #[test]
    fn a_thread_that_spins_is_told_what_it_shares_its_core_with() {
        let none: [&str; 0] = [];
        let shared =
            format!("{SPIN}[threads]\ncores = {{ engine = [1], feed = [1], others = [0, 3] }}");
        for (config, cores, said) in [
            ("", cores(1, 1, &[]), &none[..]),
            (SPIN, cores(2, 1, &[]), &none),
            (SPIN, cores(8, 2, &[]), &none),
            (
                SPIN,
                cores(1, 1, &[]),
                &["no core of its own: it takes turns with every other thread on cores 0"],
            ),
            (SPIN, cores(2, 2, &[]), &["no core of its own"]),
            (
                shared.as_str(),
                cores(4, 2, &[]),
                &[
                    "on core 1, where feed may run as well",
                    "all other threads may run on core 3, the other thread",
                ],
            ),
        ] {
            let warnings = plan(config, cores.clone()).warnings();
            assert_eq!(warnings.len(), said.len(), "{config} {cores:?} {warnings:?}");
            for (warning, said) in warnings.iter().zip(said) {
                assert!(warning.contains(said), "{warning}");
            }
        }
        let bounded = Plan::of(&Config::parse(SPIN).expect("valid"), cores(4, 1, &[]), Some(1_500));
        let warnings = bounded.warnings();
        assert!(warnings[0].contains("may use 1.50 cores") && warnings.len() == 2, "{warnings:?}");
    }

    proptest! {
        /// Whatever the machine, threads with a core of their own share none and no physical one, and all others have some.
        #[test]
        fn a_plan_shares_no_core_of_a_thread_that_has_one(
            physical in 1usize..40, ways in 1usize..=2, isolated in proptest::collection::vec(0usize..80, 0..6),
            gone in proptest::collection::btree_set(0usize..80, 0..10), spins: bool, is_fed: bool,
        ) {
            let mut cores = cores(physical * ways, ways, &isolated);
            cores.0.retain(|core| core.id == 0 || !gone.contains(&core.id));
            let config = format!("{}{}", if spins { SPIN } else { "" }, if is_fed { FED } else { "" });
            let plan = plan(&config, cores.clone());
            let own: Vec<usize> = plan.own().flat_map(|(_, cores)| cores.iter().copied()).collect();
            for (at, core) in own.iter().enumerate() {
                let core = cores.get(*core).expect("it may be used");
                prop_assert!(!own[at + 1..].iter().any(|other| core.siblings.contains(other)));
            }
            match &plan.others {
                None => prop_assert!(own.is_empty()),
                Some(others) => {
                    prop_assert!(!others.is_empty() && others.iter().all(|core| cores.get(*core).is_some()));
                    prop_assert!(!others.iter().any(|core| own.contains(core)), "{}", plan.line());
                }
            }
        }
    }

    #[test]
    fn threads_are_placed_by_name() {
        let machine = Machine::here();
        let first = Cores::of_process(&machine).expect("the system tells").ids()[0];
        let config = Config::parse(&format!("[threads.cores]\nedge-market = [{first}]\n"));
        let mut plan = Plan::of_process(&config.expect("valid")).expect("the core is there");
        plan.others = None;
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("edge-market".into()).spawn(move || {
            let _ = wait.recv();
            Cores::of_process(&Machine::here()).expect("the system tells").ids()
        });
        let thread = thread.expect("a thread");
        // Its name is set by itself, soon after it began.
        std::thread::sleep(std::time::Duration::from_millis(50));
        plan.carry_out().expect("all may be placed");
        drop(done);
        assert_eq!(thread.join().expect("no panic"), [first]);
    }
}
