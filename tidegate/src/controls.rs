//! What the configuration says about principals and controls, as commands.
//!
//! What is looser than what is in force is not done: a person may have tightened it, and the file does not know why. It
//! becomes a proposal, which is told, and which somebody who may control decides.

use crate::config::{Config, ControlEntry};
use crate::operator::{Operator, refused};
use crate::scope_text::ScopeText;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Display;
use tidegate_model::command::{Reason, SetControl, SetGroup, SetListed};
use tidegate_model::{Command, Instrument, InstrumentId, Symbol};

/// Instruments by their symbols.
pub type Symbols = BTreeMap<Symbol, InstrumentId>;

impl Operator {
    /// Sends a command that may become a proposal, and tells if it did.
    pub fn set(&mut self, command: Command, what: impl Display) -> Result<()> {
        let answer = self.ask(command)?;
        refused(&answer, &[]).with_context(|| format!("cannot set {what}"))?;
        if answer.ack.reject().is_none() && answer.ack.value != 0 {
            let proposal = answer.ack.value;
            tracing::warn!(
                "{what}: the configuration is looser than what is in force, which stays; proposal {proposal} waits for a \
                 person: tidegate risk approve {proposal}"
            );
        }
        Ok(())
    }

    /// Says who there is.
    pub fn set_principals(&mut self, config: &Config) -> Result<()> {
        let edge = &config.edge;
        for (at, token) in edge.tokens.iter().enumerate() {
            let is_first =
                !edge.tokens[..at].iter().any(|other| other.principal == token.principal);
            if is_first {
                let what = format!("principal {} ({})", token.principal(), token.name);
                self.set(Command::SetPrincipal(token.set_principal()), what)?;
            }
        }
        if let Some(strategy) = &config.strategy
            && !edge.tokens.iter().any(|token| token.principal() == strategy.principal())
        {
            let set = strategy.set_principal(strategy.account(config)?);
            let what = format!("principal {} ({})", set.principal, strategy.name);
            self.set(Command::SetPrincipal(set), what)?;
        }
        Ok(())
    }

    /// Sets groups, lists and controls, in this order: a control may be of a group or a list.
    pub fn set_controls(&mut self, config: &Config, mut symbols: Symbols) -> Result<()> {
        self.know(config, &mut symbols)?;
        let scope_of = |scope: ScopeText| {
            let known = scope.scope(|symbol| symbols.get(&symbol).copied());
            known.with_context(|| format!("{scope} is not known"))
        };
        let reason = Reason::new("configuration").unwrap_or_default();
        for entry in &config.risk.groups {
            let group = entry.group.get() as u32;
            for &member in &entry.members {
                let set = SetGroup { member: scope_of(member)?, group, reserved: [0; 4], reason };
                self.set(Command::SetGroup(set), format!("{member} in group {group}"))?;
            }
        }
        for entry in &config.risk.lists {
            let list = entry.list.get() as u8;
            for symbol in &entry.symbols {
                let instrument = symbols.get(symbol).copied();
                let instrument = instrument.with_context(|| format!("{symbol} is not known"))?;
                let set = SetListed { instrument, list, listed: 1, reserved: [0; 2], reason };
                self.set(Command::SetListed(set), format!("{symbol} on list {list}"))?;
            }
        }
        for entry in controls(config) {
            let set = entry.set(scope_of(entry.scope)?);
            let set = if set.reason == Reason::EMPTY { SetControl { reason, ..set } } else { set };
            let what = format!("control {} of {}", entry.kind, entry.scope);
            self.set(Command::SetControl(set), what)?;
        }
        Ok(())
    }

    /// Finds every instrument that a scope or a list names. One that nobody has defined yet is defined as the feed would do:
    /// what is restricted must be so from its first moment.
    fn know(&mut self, config: &Config, symbols: &mut Symbols) -> Result<()> {
        let scopes = controls(config).map(|entry| entry.scope);
        let members = config.risk.groups.iter().flat_map(|group| group.members.iter().copied());
        let of_scopes = scopes.chain(members).filter_map(|scope| match scope {
            ScopeText::Symbol(symbol) => Some(symbol),
            ScopeText::Of(_) => None,
        });
        let listed = config.risk.lists.iter().flat_map(|list| list.symbols.iter().copied());
        let mut missing: Vec<_> =
            of_scopes.chain(listed).filter(|symbol| !symbols.contains_key(symbol)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let known = self.instruments()?;
        for symbol in missing {
            let instrument = match known.get(&symbol) {
                Some(&instrument) => instrument,
                None => self.define(symbol)?,
            };
            symbols.insert(symbol, instrument);
        }
        Ok(())
    }

    fn define(&mut self, symbol: Symbol) -> Result<InstrumentId> {
        let terms = Instrument::us_equity(symbol).checked()?;
        let answer = self.ask(Command::DefineInstrument(terms))?;
        refused(&answer, &[]).with_context(|| format!("cannot define instrument {symbol}"))?;
        Ok(InstrumentId(u32::try_from(answer.ack.value).context("the engine numbers in 32 bits")?))
    }
}

/// Every control that the configuration asks for, those of budgets first.
fn controls(config: &Config) -> impl Iterator<Item = ControlEntry> + '_ {
    let tokens = config.edge.tokens.iter();
    let of_budgets = tokens.flat_map(|token| token.budget.controls(token.principal()));
    of_budgets.chain(config.risk.controls.iter().cloned())
}
