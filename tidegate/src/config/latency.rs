//! How long things may take, and where that is told.

use super::values::address_if_any;
use crate::time_text::span;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tidegate_engine::latency::{BUDGET_NS, Budgets, What};
use tidegate_engine::runtime::Stage;

/// The longest budget, in nanoseconds: what is told apart.
const BUDGET_NS_MAX: u64 = 60_000_000_000;

/// A span above 0, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(u64);

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ns = span(&text).filter(|ns| (1..=BUDGET_NS_MAX).contains(ns));
        ns.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "'{text}' is not allowed: a span such as 250us or 50ms, 1ns to 60s"
            ))
        })
    }
}

/// `[latency]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyBudgets {
    /// What an order, or a fill of one that rested, may take from one end to the other.
    pub budget: Budget,
    /// What the step to a stage may take.
    #[serde(deserialize_with = "stages")]
    pub stages: BTreeMap<Stage, Budget>,
}

impl Default for LatencyBudgets {
    fn default() -> Self {
        Self { budget: Budget(BUDGET_NS), stages: BTreeMap::new() }
    }
}

fn stages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Stage, Budget>, D::Error> {
    let named = BTreeMap::<String, Budget>::deserialize(deserializer)?;
    let known = |(name, budget): (String, Budget)| match Stage::of_name(&name) {
        Some(stage) => Ok((stage, budget)),
        None => {
            let names = Stage::ALL.map(Stage::as_str).join(", ");
            Err(D::Error::custom(format!("'{name}' is no stage: one of {names}")))
        }
    };
    named.into_iter().map(known).collect()
}

impl LatencyBudgets {
    /// All of them.
    pub fn budgets(&self) -> Budgets {
        let mut budgets = Budgets::whole(self.budget.0);
        for (stage, budget) in &self.stages {
            budgets.set(What::Stage(*stage), budget.0);
        }
        budgets
    }
}

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Where they are served; nowhere without it.
    #[serde(deserialize_with = "address_if_any")]
    pub listen: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use tidegate_engine::latency::{Path, What};
    use tidegate_engine::runtime::Stage;

    #[test]
    fn budgets_are_spans_of_stages_that_there_are() {
        let text = "[latency]\nbudget = '20ms'\n[latency.stages]\njournaled = '5us'\n";
        let budgets = Config::parse(text).expect("valid").latency.budgets();
        assert_eq!(budgets.of(What::Path(Path::Order)), Some(20_000_000));
        assert_eq!(budgets.of(What::Path(Path::Fill)), Some(20_000_000));
        assert_eq!(budgets.of(What::Stage(Stage::Journaled)), Some(5_000));
        assert_eq!(budgets.of(What::Stage(Stage::Filled)), None);
        for (text, said) in [
            ("[latency]\nbudget = '0'", "1ns to 60s"),
            ("[latency]\nbudget = '61s'", "1ns to 60s"),
            ("[latency]\nbudget = 'soon'", "'soon' is not allowed"),
            ("[latency.stages]\nsold = '1ms'", "'sold' is no stage: one of market_received"),
            ("[metrics]\nlisten = 'here'", "is not an address"),
        ] {
            let error = format!("{:#}", Config::parse(text).expect_err("it is wrong"));
            assert!(error.contains(said), "'{said}' is not in: {error}");
        }
    }
}
