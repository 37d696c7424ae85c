//! `[risk]`

use super::values::{Amount, Within, action, code, control_kind, reference, usd};
use crate::scope_text::ScopeText;
use crate::time_text::{moment, span};
use anyhow::{Result, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::path::PathBuf;
use tidegate_model::Symbol;
use tidegate_model::command::{
    Action, CONTROLS_VERSION, ControlKind, LISTS_OF_INSTRUMENTS_MAX, Reason, ReferenceKind,
    SetControl, WINDOW_MAX_NS,
};
use tidegate_model::decimal::parse_nano;
use tidegate_model::ids::{Code, GroupId};
use tidegate_model::scope::{Scope, ScopeKind};
use tidegate_model::units::NANO;

/// `[risk]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Risk {
    /// The version of controls that this file was written for.
    pub version: Option<u32>,
    /// The firm's currency, in which sums over accounts are.
    #[serde(deserialize_with = "code")]
    pub currency: Code,
    /// The file that stops everything when somebody makes it; `KILL` in the journal's folder without.
    pub kill_file: Option<PathBuf>,
    /// Controls to set at start.
    pub controls: Vec<ControlEntry>,
    /// Groups to make at start.
    pub groups: Vec<GroupEntry>,
    /// Lists of instruments to fill at start.
    pub lists: Vec<ListEntry>,
}

impl Default for Risk {
    fn default() -> Self {
        Self {
            version: None,
            currency: usd(),
            kill_file: None,
            controls: Vec::new(),
            groups: Vec::new(),
            lists: Vec::new(),
        }
    }
}

impl Risk {
    /// Refuses limits that were written for other controls than these.
    ///
    /// # Errors
    /// What the version is and must be.
    pub(super) fn check(&self, has_budgets: bool) -> Result<()> {
        let has_any = has_budgets
            || !(self.controls.is_empty() && self.groups.is_empty() && self.lists.is_empty());
        ensure!(
            self.version.is_some() || !has_any,
            "[risk] version is missing: controls, groups, lists and budgets name the version of controls that they were \
             written for; this build has version = {CONTROLS_VERSION}"
        );
        if let Some(version) = self.version {
            ensure!(
                version == CONTROLS_VERSION,
                "[risk] version = {version} is not the version of controls of this build, {CONTROLS_VERSION}: read what has \
                 changed in docs/controls.md, check each limit, then set version = {CONTROLS_VERSION}"
            );
        }
        Ok(())
    }
}

/// `[[risk.groups]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    /// Its number.
    pub group: Within<1, { GroupId::COUNT_MAX as u64 - 1 }>,
    /// Who or what is in it, all of one kind.
    #[serde(deserialize_with = "members")]
    pub members: Vec<ScopeText>,
}

fn kind_of(scope: ScopeText) -> Option<ScopeKind> {
    match scope {
        ScopeText::Of(scope) => scope.scope_kind(),
        ScopeText::Symbol(_) => Some(ScopeKind::Instrument),
    }
}

fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ScopeText>, D::Error> {
    let mut members: Vec<ScopeText> = Vec::new();
    for text in Vec::<String>::deserialize(deserializer)? {
        let member: ScopeText = text.parse().map_err(D::Error::custom)?;
        let kind = kind_of(member);
        if matches!(kind, Some(ScopeKind::Firm | ScopeKind::Group)) {
            return Err(D::Error::custom(format!("{member} cannot be a member of a group")));
        }
        if let Some(first) = members.first().filter(|first| kind_of(**first) != kind) {
            return Err(D::Error::custom(format!(
                "{member} and {first} cannot be in one group: all its members are of one kind"
            )));
        }
        members.push(member);
    }
    Ok(members)
}

/// `[[risk.lists]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntry {
    /// Its number.
    pub list: Within<1, { LISTS_OF_INSTRUMENTS_MAX as u64 }>,
    /// What is on it.
    #[serde(deserialize_with = "symbols")]
    pub symbols: Vec<Symbol>,
}

pub(super) fn symbols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Symbol>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let symbols = texts.iter().map(|text| Symbol::new(text).map_err(D::Error::custom));
    symbols.collect()
}

/// `[[risk.controls]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "ControlTable")]
pub struct ControlEntry {
    /// Whom it is for.
    pub scope: ScopeText,
    /// What is limited.
    pub kind: ControlKind,
    set: SetControl,
}

impl ControlEntry {
    /// A control that has a limit only.
    pub fn of(scope: ScopeText, kind: ControlKind, limit: i128) -> Self {
        let set = SetControl::of(kind, Scope::default(), limit);
        Self { scope, kind, set }
    }

    /// The control as the engine takes it, for a scope whose instrument is known.
    pub fn set(&self, scope: Scope) -> SetControl {
        SetControl { scope, ..self.set }
    }
}

/// A control as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlTable {
    scope: String,
    #[serde(deserialize_with = "control_kind")]
    control: ControlKind,
    #[serde(default)]
    limit: String,
    window: Option<String>,
    hold: Option<String>,
    #[serde(default)]
    count: u32,
    #[serde(default, deserialize_with = "action")]
    action: Option<Action>,
    #[serde(default, deserialize_with = "reference")]
    reference: Option<ReferenceKind>,
    #[serde(default)]
    whole_market: bool,
    #[serde(default)]
    reason: String,
}

impl TryFrom<ControlTable> for ControlEntry {
    type Error = String;

    fn try_from(table: ControlTable) -> Result<Self, String> {
        let limit = limit_of(table.control, &table.limit)?;
        let duration = |key: &str, text: &Option<String>| match text {
            None => Ok(0),
            Some(text) => span(text).filter(|ns| *ns <= WINDOW_MAX_NS).ok_or_else(|| {
                format!("{key} = '{text}' is not a span such as 500ms, at most 31 days")
            }),
        };
        let scope = table.scope.parse()?;
        let entry = Self::of(scope, table.control, limit);
        let reason = Reason::new(&table.reason);
        let reference = table.reference.map_or(0, ReferenceKind::wire);
        if table.whole_market && reference != 0 {
            return Err("reference is of collars, whole_market of volatility".into());
        }
        let set = SetControl {
            window_ns: duration("window", &table.window)?,
            hold_ns: duration("hold", &table.hold)?,
            count: table.count,
            action: table.action.map_or(0, Action::wire),
            option: reference.max(table.whole_market.into()),
            reason: reason.ok_or("reason: at most 48 printable ASCII characters are allowed")?,
            ..entry.set
        };
        Ok(Self { set, ..entry })
    }
}

/// What a control's limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Money,
    Whole,
    Hundredths,
    Span,
    Moment,
    Sides,
    Zero,
}

const fn unit(kind: ControlKind) -> Unit {
    use ControlKind as K;
    match kind {
        K::MaxOrderNotional
        | K::GrossExposure
        | K::NetExposure
        | K::OpenExposure
        | K::DayNotional
        | K::DayLoss
        | K::Drawdown
        | K::FactorExposure
        | K::ApprovalAbove => Unit::Money,
        K::FatFinger => Unit::Hundredths,
        K::StaleMarket => Unit::Span,
        K::ExpiresAt => Unit::Moment,
        K::Sides => Unit::Sides,
        K::SelfTrade | K::CancelOnDisconnect | K::ReduceOnly => Unit::Zero,
        K::MaxOrderQty
        | K::PriceCollar
        | K::WindowCollar
        | K::MessageRate
        | K::DuplicateOrders
        | K::PositionLong
        | K::PositionShort
        | K::OpenOrders
        | K::DayOrders
        | K::DayTrades
        | K::RestrictedList
        | K::AllowedList
        | K::ShortSale
        | K::ExecutionThrottle
        | K::Concentration
        | K::LiquidationDistance
        | K::ConsecutiveLosses
        | K::Volatility => Unit::Whole,
    }
}

/// Reads a limit in the unit of its control.
///
/// # Errors
/// What the text must look like.
pub fn limit_of(kind: ControlKind, text: &str) -> Result<i128, String> {
    let digits = || text.bytes().all(|byte| byte.is_ascii_digit());
    let (limit, form) = match unit(kind) {
        Unit::Money => (text.parse().ok().map(|Amount(money)| money.0), "an amount such as 25000"),
        Unit::Whole => {
            let whole = text.parse::<u64>().ok().filter(|_| digits());
            (whole.map(i128::from), "a whole number such as 100")
        }
        Unit::Hundredths => {
            let hundredth = NANO / 100;
            let nano = parse_nano(text).ok().filter(|nano| *nano >= 0 && nano % hundredth == 0);
            (nano.map(|nano| (nano / hundredth).into()), "a multiple with 2 decimals such as 7.5")
        }
        Unit::Span => (span(text).map(i128::from), "a span such as 500ms"),
        Unit::Moment => {
            let at = moment(text).map(|at| at.0.into());
            (at, "a moment such as 2030-12-31T20:00:00Z or 2030-12-31")
        }
        Unit::Sides => {
            let sides = ["buy", "sell", "both"].iter().zip(1..).find(|(name, _)| **name == text);
            (sides.map(|(_, bits)| bits), "buy, sell or both")
        }
        Unit::Zero => (matches!(text, "" | "0").then_some(0), "0, or left out"),
    };
    limit.ok_or_else(|| format!("limit '{}' of {kind} must be {form}", text.escape_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_the_unit_of_their_control() {
        const UNIT: i128 = 1_000_000_000_000_000_000;
        for (kind, text, limit) in [
            (ControlKind::MaxOrderNotional, "25000", Some(25_000 * UNIT)),
            (ControlKind::GrossExposure, "900000000000.5", Some(900_000_000_000 * UNIT + UNIT / 2)),
            (ControlKind::DayLoss, "0", Some(0)),
            (ControlKind::DayLoss, "-1", None),
            (ControlKind::DayLoss, "1e3", None),
            (ControlKind::DayLoss, "", None),
            (ControlKind::DayLoss, "1000000000000000000", None),
            (ControlKind::MaxOrderQty, "1000", Some(1_000)),
            (ControlKind::MaxOrderQty, "1.5", None),
            (ControlKind::MaxOrderQty, "+1", None),
            (ControlKind::MaxOrderQty, "18446744073709551616", None),
            (ControlKind::FatFinger, "7.5", Some(750)),
            (ControlKind::FatFinger, "7.505", None),
            (ControlKind::StaleMarket, "500ms", Some(500_000_000)),
            (ControlKind::StaleMarket, "500", None),
            (ControlKind::ExpiresAt, "1970-01-02", Some(86_400_000_000_000)),
            (ControlKind::ExpiresAt, "tomorrow", None),
            (ControlKind::Sides, "buy", Some(1)),
            (ControlKind::Sides, "sell", Some(2)),
            (ControlKind::Sides, "both", Some(3)),
            (ControlKind::Sides, "3", None),
            (ControlKind::ReduceOnly, "", Some(0)),
            (ControlKind::SelfTrade, "1", None),
        ] {
            let read = limit_of(kind, text);
            assert_eq!(read.clone().ok(), limit, "{kind} {text}: {read:?}");
        }
    }
}
