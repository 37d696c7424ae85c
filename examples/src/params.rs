//! What can be set of a strategy, as `name=value`.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Parameters of one strategy: whole numbers by name.
#[derive(Clone, Debug, Default)]
pub struct Params {
    given: BTreeMap<String, String>,
    /// What was asked for, with default and range, for errors and for reports.
    known: Vec<(&'static str, u64, RangeInclusive<u64>)>,
}

impl Params {
    /// Reads `name=value` texts.
    ///
    /// # Errors
    /// Names the text that is none, or the name that is there twice.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut params = Self::default();
        for text in texts {
            let (name, value) = text
                .split_once('=')
                .with_context(|| format!("'{text}' is not a parameter such as size=100"))?;
            let before = params.given.insert(name.to_string(), value.to_string());
            ensure!(before.is_none(), "parameter {name} is given twice");
        }
        Ok(params)
    }

    /// The parameter `name`, or its default.
    ///
    /// # Errors
    /// If it is not a whole number within `range`.
    pub fn number(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64> {
        self.known.push((name, default, range.clone()));
        let Some(text) = self.given.remove(name) else { return Ok(default) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => bail!(
                "parameter {name}={text} is not allowed: a whole number from {} to {}",
                range.start(),
                range.end()
            ),
        }
    }

    /// As [`Self::number`], in milliseconds.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub fn millis(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration> {
        Ok(Duration::from_millis(self.number(name, default, range)?))
    }

    /// What was asked for, with its default.
    pub(crate) fn known(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.known.iter().map(|(name, default, _)| (*name, *default))
    }

    /// Refuses what nobody asked for.
    pub(crate) fn done(&self, strategy: &str) -> Result<()> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        let known: Vec<_> =
            self.known().map(|(name, default)| format!("{name} ({default})")).collect();
        bail!("{strategy} has no parameter '{name}'; it has {}", known.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{STRATEGIES, build, parameters};

    #[test]
    fn what_a_strategy_does_not_know_or_allow_is_refused_with_what_it_does() {
        for (name, _) in STRATEGIES {
            assert!(build(name, Params::default()).is_ok(), "{name}");
            assert_eq!(parameters(name).is_empty(), name == "idle", "{name}");
        }
        for (name, params, expected) in [
            ("momentum", "sise=100", "no parameter 'sise'; it has size (100)"),
            ("momentum", "size=0", "size=0 is not allowed: a whole number from 1 to 1000000000"),
            ("momentum", "size=-1", "not allowed"),
            ("market-maker", "rest_ms=x", "rest_ms=x is not allowed"),
            ("martingale", "size=1", "there are buy-and-hold, grid, idle, market-maker, momentum"),
        ] {
            let error = Params::parse([params]).and_then(|params| build(name, params).map(|_| ()));
            let error = error.expect_err(params).to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Params::parse(["size"]).is_err());
        assert!(Params::parse(["size=1", "size=2"]).is_err());
    }
}
