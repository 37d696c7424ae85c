//! What `tidegate doctor` finds: what this machine is, what it should be for the configuration at hand, what it costs not to be, and the
//! command that changes it.

mod cores;
mod disk;
mod host;
mod measured;
mod memory;
mod time_sync;

use crate::config::Config;
use crate::machine::{Cores, Machine};
use crate::threads::Plan;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// Something to know; nothing to do.
    Note,
    /// The server runs, and would run better.
    Advice,
    /// The server would not run, or not for long.
    Stop,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Under which heading.
    pub area: &'static str,
    /// What was looked at.
    pub what: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is.
    pub is: String,
    /// What it should be; empty if it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub should: String,
    /// What it costs not to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub costs: String,
    /// What changes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change: String,
}

impl Finding {
    fn new(area: &'static str, what: &'static str, level: Level, is: impl Into<String>) -> Self {
        let [should, costs, change] = [const { String::new() }; 3];
        Self { area, what, level, is: is.into(), should, costs, change }
    }

    fn fine(area: &'static str, what: &'static str, is: impl Into<String>) -> Self {
        Self::new(area, what, Level::Fine, is)
    }

    fn note(area: &'static str, what: &'static str, is: impl Into<String>) -> Self {
        Self::new(area, what, Level::Note, is)
    }

    fn advice(area: &'static str, what: &'static str, is: impl Into<String>) -> Self {
        Self::new(area, what, Level::Advice, is)
    }

    fn stop(area: &'static str, what: &'static str, is: impl Into<String>) -> Self {
        Self::new(area, what, Level::Stop, is)
    }

    fn should(mut self, text: impl Into<String>) -> Self {
        self.should = text.into();
        self
    }

    fn costs(mut self, text: impl Into<String>) -> Self {
        self.costs = text.into();
        self
    }

    fn change(mut self, text: impl Into<String>) -> Self {
        self.change = text.into();
        self
    }
}

/// What is looked at: a machine, and what is to run on it.
pub struct Patient<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The cores that this process may use.
    pub cores: Cores,
    /// What is to run.
    pub config: &'a Config,
    /// Where its threads would run.
    pub plan: Plan,
}

impl<'a> Patient<'a> {
    /// This machine, for `config`.
    ///
    /// # Errors
    /// If the system does not tell which cores there are, or a configured one cannot be used.
    pub fn of_process(machine: &'a Machine, config: &'a Config) -> Result<Self> {
        let (cores, plan) = (Cores::of_process(machine)?, Plan::of_process(config)?);
        Ok(Self { machine, cores, config, plan })
    }

    /// Everything that files tell.
    pub fn look(&self) -> Vec<Finding> {
        let mut found = cores::look(self);
        found.extend(memory::look(self));
        found.extend(host::look(self));
        found
    }

    /// Everything that is measured, or asked of the system; with `is_quick` what takes no second.
    pub fn measure(&self, is_quick: bool) -> Vec<Finding> {
        let mut found = host::ask(self);
        found.extend(disk::look(self, is_quick));
        found.extend(measured::look(self, is_quick));
        found
    }
}

/// The findings for people, under their headings.
pub fn text(found: &[Finding]) -> String {
    let mut text = String::new();
    let mut areas: Vec<&str> = Vec::new();
    for finding in found {
        if !areas.contains(&finding.area) {
            areas.push(finding.area);
        }
    }
    for area in areas {
        let _ = writeln!(text, "{area}");
        for finding in found.iter().filter(|finding| finding.area == area) {
            let mark = match finding.level {
                Level::Fine => "ok",
                Level::Note => "note",
                Level::Advice => "advice",
                Level::Stop => "STOP",
            };
            let _ = writeln!(text, "  {mark:<8}{:<18}{}", finding.what, finding.is);
            for (name, value) in [
                ("should be", &finding.should),
                ("costs", &finding.costs),
                ("change", &finding.change),
            ] {
                if !value.is_empty() {
                    let _ = writeln!(text, "{:28}{name:<11}{value}", "");
                }
            }
        }
    }
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    let advice = match count(Level::Advice) {
        0 => "Nothing to change".into(),
        1 => "1 thing could be better".into(),
        n => format!("{n} things could be better"),
    };
    let _ = match count(Level::Stop) {
        0 => writeln!(text, "\n{advice}; nothing would stop the server."),
        n => writeln!(text, "\n{advice}; {n} would stop the server."),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::made_up::machine;

    /// What is found on a machine of these files and cores; each core is physical.
    pub(super) fn found(config: &str, cores: &[usize], files: &[(&str, &str)]) -> Vec<Finding> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let machine = machine(dir.path(), files);
        let config = Config::parse(config).expect("valid");
        let cores = Cores::of(&machine, cores.to_vec());
        let plan = Plan::of(&config, cores.clone(), machine.quota_milli());
        Patient { machine: &machine, cores, config: &config, plan }.look()
    }

    /// The level of what was found under a name, and all that is said of it.
    pub(super) fn check(found: &[Finding], what: &str, level: Level, said: &[&str]) {
        let of = found.iter().filter(|finding| finding.what == what);
        let all: Vec<_> = of.collect();
        let finding = all.iter().find(|finding| finding.level == level);
        let finding = finding.unwrap_or_else(|| panic!("{what} is not {level:?}: {all:?}"));
        let text = format!("{finding:?}");
        for said in said {
            assert!(text.contains(said), "'{said}' is not in {text}");
        }
        // Advice says all that is needed to follow it.
        if level >= Level::Advice {
            let complete = [&finding.should, &finding.costs, &finding.change];
            assert!(complete.iter().all(|text| !text.is_empty()), "{finding:?}");
        }
    }

    #[test]
    fn a_machine_that_tells_nothing_stops_nobody() {
        let found = found("", &[0], &[]);
        assert!(found.iter().all(|finding| finding.level < Level::Stop), "{found:?}");
    }

    #[test]
    fn the_text_counts_what_is_to_do() {
        let fine = Finding::fine("cores", "governor", "performance");
        let advice = Finding::advice("memory", "swap", "on")
            .should("off")
            .costs("time")
            .change("swapoff -a");
        let stop = Finding::stop("disk", "space", "none").should("some").costs("all").change("rm");
        let said = text(std::slice::from_ref(&fine));
        assert!(said.contains("  ok      governor          performance\n"), "{said}");
        assert!(said.ends_with("Nothing to change; nothing would stop the server.\n"), "{said}");
        let said = text(&[fine, advice, stop]);
        assert!(
            said.contains("should be  off\n") && said.contains("change     swapoff -a\n"),
            "{said}"
        );
        assert!(said.ends_with("1 thing could be better; 1 would stop the server.\n"), "{said}");
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::here();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::default();
        config.journal.dir = dir.path().join("journal");
        let patient = Patient::of_process(&machine, &config).expect("the system tells");
        let mut found = patient.look();
        found.extend(patient.measure(true));
        for what in ["threads", "clock source", "sync", "free space", "open files"] {
            assert!(found.iter().any(|finding| finding.what == what), "{what}: {found:?}");
        }
        assert!(!config.journal.dir.exists(), "it leaves nothing behind");
        assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 0);
        serde_json::to_string(&found).expect("it is text and numbers");
    }
}
