//! `[strategy]`

use super::Config;
use super::edge::{Account, Principal, wire_name};
use super::risk::symbols;
use super::values::Within;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tidegate_client::strategy::Strategy;
use tidegate_examples::{Params, build};
use tidegate_model::command::{MAY_TRADE, Role, SetPrincipal};
use tidegate_model::{AccountId, PrincipalId, StrategyId, Symbol};

/// `[strategy]`: what trades inside the engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyEntry {
    /// Which of those that are built in.
    pub name: String,
    /// Its parameters, each as `name=value`.
    #[serde(default)]
    pub params: Vec<String>,
    /// The account that it trades for; the first of `[[accounts]]` if absent.
    pub account: Option<Account>,
    /// What it trades; if there are none, the first instruments there are.
    #[serde(default, deserialize_with = "symbols")]
    pub symbols: Vec<Symbol>,
    /// Whose its orders are.
    #[serde(default = "StrategyEntry::own")]
    pub principal: Principal,
}

impl StrategyEntry {
    /// Above the numbers that people are given.
    pub(super) const fn own() -> Principal {
        Within::new(255)
    }

    /// A strategy as a command line names it.
    pub fn of(
        name: String,
        params: Vec<String>,
        account: Option<u32>,
        symbols: Vec<Symbol>,
        principal: Option<Principal>,
    ) -> Self {
        let principal = principal.unwrap_or(Self::own());
        Self { name, params, account: account.map(|id| Within::new(id.into())), symbols, principal }
    }

    /// The strategy itself.
    ///
    /// # Errors
    /// If there is none of that name, which tells which there are, or it has no such parameter.
    pub fn build(&self) -> Result<Box<dyn Strategy + Send>> {
        build(&self.name, Params::parse(self.params.iter().map(String::as_str))?)
    }

    /// Whose its orders are.
    pub fn principal(&self) -> PrincipalId {
        PrincipalId(self.principal.get() as u32)
    }

    /// The account that it trades for.
    ///
    /// # Errors
    /// If it names none, and `config` has none either.
    pub fn account(&self, config: &Config) -> Result<AccountId> {
        let first = || config.accounts.first().map(super::AccountEntry::account);
        let named = self.account.map(|account| AccountId(account.get() as u32));
        named.or_else(first).context(
            "the strategy has no account: name one with --account or strategy.account, or add [[accounts]]",
        )
    }

    /// Its principal as the engine takes it, where no token says who that is: a program that trades for one account.
    pub fn set_principal(&self, account: AccountId) -> SetPrincipal {
        SetPrincipal {
            principal: self.principal(),
            account,
            strategy: StrategyId::NONE,
            role: Role::Strategy.wire(),
            permissions: MAY_TRADE,
            reserved: [0; 4],
            name: wire_name(&self.name),
        }
    }

    /// Refuses what cannot trade.
    ///
    /// # Errors
    /// Those of [`Self::build`] and [`Self::account`], and if a gateway acts for its principal.
    pub fn check(&self, config: &Config) -> Result<()> {
        self.build()?;
        let principal = self.principal();
        for token in &config.edge.tokens {
            if let Some(range) = token.acts_for.filter(|range| range.contains(principal)) {
                bail!(
                    "the token named '{}' acts for principals {range}, but principal {principal} is that of the strategy {}",
                    token.name,
                    self.name
                );
            }
        }
        self.account(config).map(|_| ())
    }
}
