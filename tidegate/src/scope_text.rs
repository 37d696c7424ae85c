//! Scopes as people write them: `firm`, `account:3`, `instrument:ACME`.

use std::fmt;
use tidegate_client::proto;
use tidegate_model::Symbol;
use tidegate_model::ids::{AccountId, GroupId, InstrumentId, PrincipalId, StrategyId};
use tidegate_model::scope::{Scope, ScopeKind};

/// A scope whose instrument, if it names one, is not looked up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeText {
    /// By its number.
    Of(Scope),
    /// An instrument by its symbol.
    Symbol(Symbol),
}

impl ScopeText {
    /// Everything.
    pub const FIRM: Self = Self::Of(Scope::FIRM);

    /// The scope, once the instrument that has a symbol is told; `None` if there is none.
    pub fn scope(self, instrument: impl FnOnce(Symbol) -> Option<InstrumentId>) -> Option<Scope> {
        match self {
            Self::Of(scope) => Some(scope),
            Self::Symbol(symbol) => instrument(symbol).map(Scope::instrument),
        }
    }
}

impl From<ScopeText> for proto::Scope {
    fn from(text: ScopeText) -> Self {
        match text {
            ScopeText::Of(scope) => {
                Self { kind: scope.kind.into(), id: scope.id, symbol: String::new() }
            }
            ScopeText::Symbol(symbol) => {
                let kind = ScopeKind::Instrument.wire().into();
                Self { kind, id: 0, symbol: symbol.to_string() }
            }
        }
    }
}

impl fmt::Display for ScopeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(scope) => scope.fmt(f),
            Self::Symbol(symbol) => write!(f, "{}:{symbol}", ScopeKind::Instrument),
        }
    }
}

/// What a scope may look like, for messages.
pub const FORMS: &str = "firm, principal:N, account:N, strategy:N, group:N or instrument:SYMBOL";

impl std::str::FromStr for ScopeText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == ScopeKind::Firm.as_str() {
            return Ok(Self::FIRM);
        }
        let unknown = || format!("'{}' is no scope: {FORMS}", text.escape_default());
        let (kind, which) = text.split_once(':').ok_or_else(unknown)?;
        let kind = ScopeKind::ALL.iter().find(|known| known.as_str() == kind);
        let (first, count) = match kind {
            None | Some(ScopeKind::Firm) => return Err(unknown()),
            Some(ScopeKind::Instrument) => {
                return Symbol::new(which).map(Self::Symbol).map_err(|error| error.to_string());
            }
            Some(ScopeKind::Principal) => (1, PrincipalId::COUNT_MAX),
            Some(ScopeKind::Account) => (0, AccountId::COUNT_MAX),
            Some(ScopeKind::Strategy) => (1, StrategyId::COUNT_MAX),
            Some(ScopeKind::Group) => (1, GroupId::COUNT_MAX),
        };
        let kind = *kind.ok_or_else(unknown)?;
        // Digits only: "+3" and "03" are how nobody writes a number that he means.
        let number = which.parse::<u32>().ok().filter(|number| number.to_string() == which);
        match number {
            Some(number) if (first..count as u32).contains(&number) => {
                Ok(Self::Of(Scope::of(kind, number)))
            }
            _ => Err(format!(
                "'{}' is not a number of a {kind}: {first} to {}",
                which.escape_default(),
                count - 1
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in [
            "firm",
            "account:0",
            "account:4095",
            &format!("account:{}", AccountId::COUNT_MAX - 1),
            "principal:1",
            "principal:16383",
            "strategy:4095",
            "group:1023",
            "instrument:ACME",
        ] {
            assert_eq!(text.parse::<ScopeText>().map(|scope| scope.to_string()), Ok(text.into()));
        }
        let scope: ScopeText = "instrument:ACME".parse().expect("a scope");
        assert_eq!(
            scope.scope(|_| Some(InstrumentId(7))),
            Some(Scope::instrument(InstrumentId(7)))
        );
        assert_eq!(scope.scope(|_| None), None);
    }

    #[test]
    fn whatever_is_no_scope_says_what_is() {
        let last = (AccountId::COUNT_MAX - 1).to_string();
        let accounts = format!("0 to {last}");
        let beyond = format!("account:{}", AccountId::COUNT_MAX);
        for (text, said) in [
            ("", "is no scope"),
            ("FIRM", "is no scope"),
            ("firm:0", "is no scope"),
            ("account", "is no scope"),
            ("account:", accounts.as_str()),
            (beyond.as_str(), accounts.as_str()),
            ("account:-1", accounts.as_str()),
            ("account:+1", accounts.as_str()),
            ("account:01", accounts.as_str()),
            ("account:99999999999", accounts.as_str()),
            ("principal:0", "1 to 16383"),
            ("strategy:0", "1 to 4095"),
            ("group:0", "1 to 1023"),
            ("instrument:", "empty"),
            ("desk:1", "is no scope"),
            ("\u{1b}[31m", "\\u{1b}"),
        ] {
            let error = text.parse::<ScopeText>().expect_err(text);
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
