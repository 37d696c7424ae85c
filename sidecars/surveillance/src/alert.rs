//! What surveillance tells.

use crate::Heard;
use serde_json::{Value, json};
use std::fmt;
use tidegate_client::proto::EventPosition;

/// Events that one alert names as its proof: enough to see the pattern; figures say how many there were.
pub const EVIDENCE_MAX: usize = 64;

/// The place of an event, as [`EventPosition`], ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Sequence number of the input.
    pub seq: u64,
    /// Place among the events of that input, from 0.
    pub ordinal: u32,
}

impl From<EventPosition> for Place {
    fn from(at: EventPosition) -> Self {
        Self { seq: at.seq, ordinal: at.ordinal }
    }
}

impl From<Place> for EventPosition {
    fn from(at: Place) -> Self {
        Self { seq: at.seq, ordinal: at.ordinal }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.ordinal)
    }
}

/// What was seen. `docs/surveillance.md` defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlertKind {
    /// Many orders of one principal or account were refused by risk controls.
    LimitBreach,
    /// Somebody asked for, or decided, what they may not.
    NotPermitted,
    /// A kill switch was engaged or released.
    KillSwitch,
    /// A control stopped a scope by what happened, or lets it go on.
    Tripped,
    /// One owner bought and sold the same.
    WashTrade,
    /// Orders at several prices were withdrawn after an execution on the other side.
    Layering,
    /// A large quantity was withdrawn after an execution on the other side.
    Spoofing,
    /// Too many messages for what was executed.
    OrderToTrade,
    /// The position by executions is not the engine's.
    PositionDifference,
    /// Surveillance could not read an event, or met a bound, and sees less than it should.
    Blind,
}

impl AlertKind {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LimitBreach => "limit_breach_attempts",
            Self::NotPermitted => "not_permitted",
            Self::KillSwitch => "kill_switch",
            Self::Tripped => "tripped",
            Self::WashTrade => "wash_trade",
            Self::Layering => "layering",
            Self::Spoofing => "spoofing",
            Self::OrderToTrade => "order_to_trade_ratio",
            Self::PositionDifference => "position_difference",
            Self::Blind => "blind",
        }
    }
}

/// How soon a person should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// When there is time.
    Low,
    /// Today.
    Medium,
    /// Now.
    High,
}

impl Severity {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A pattern that was met, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What was seen.
    pub kind: AlertKind,
    /// How soon a person should look.
    pub severity: Severity,
    /// The engine's time of the event that completed it, UTC nanoseconds.
    pub ts: u64,
    /// The event that completed it. With `kind` it names the alert: the same events give the same alerts.
    pub place: Place,
    /// The accounts it is about; may be empty.
    pub accounts: Vec<u32>,
    /// The principals it is about; may be empty.
    pub principals: Vec<u32>,
    /// The strategies it is about; may be empty.
    pub strategies: Vec<u32>,
    /// The instrument; empty if it is about none or several.
    pub symbol: String,
    /// What was counted, by name; decimal text.
    pub figures: Vec<(&'static str, String)>,
    /// The events that prove it, oldest first, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<Place>,
    /// How often it was met, untold, since it was told before.
    pub repeats: u64,
    /// One sentence for people.
    pub text: String,
}

impl Alert {
    /// An alert of what an event completed, by whoever asked for that, to be filled in.
    pub(crate) fn new(kind: AlertKind, severity: Severity, heard: &Heard) -> Self {
        let &Heard { ts, place, .. } = heard;
        let somebody = |number: u32| Some(number).filter(|it| *it != 0).into_iter().collect();
        Self {
            kind,
            severity,
            ts,
            place,
            accounts: Vec::new(),
            principals: somebody(heard.principal),
            strategies: somebody(heard.strategy),
            symbol: String::new(),
            figures: Vec::new(),
            evidence: vec![place],
            repeats: 0,
            text: String::new(),
        }
    }

    /// Names what proves it: the last [`EVIDENCE_MAX`] of `places`, each once, in order.
    pub(crate) fn prove(&mut self, mut places: Vec<Place>) {
        places.push(self.place);
        places.sort_unstable();
        places.dedup();
        self.evidence = places.split_off(places.len().saturating_sub(EVIDENCE_MAX));
    }

    /// As an object of JSON, told at `told_at` (UTC nanoseconds): `late_us` is how long after the event.
    pub fn to_json(&self, told_at: u64) -> Value {
        let figures: serde_json::Map<_, _> =
            self.figures.iter().map(|(name, text)| ((*name).to_string(), json!(text))).collect();
        let evidence: Vec<_> =
            self.evidence.iter().map(|at| json!({"seq": at.seq, "ordinal": at.ordinal})).collect();
        json!({
            "type": "alert",
            "kind": self.kind.as_str(),
            "severity": self.severity.as_str(),
            "ts": self.ts,
            "seq": self.place.seq,
            "ordinal": self.place.ordinal,
            "accounts": self.accounts,
            "principals": self.principals,
            "strategies": self.strategies,
            "symbol": self.symbol,
            "figures": figures,
            "events": evidence,
            "repeats": self.repeats,
            "late_us": told_at.saturating_sub(self.ts) / 1_000,
            "text": self.text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_it_is_in_order_and_bounded() {
        let at = |seq| Place { seq, ordinal: 0 };
        let heard = Heard { place: at(100), ts: 5, principal: 0, strategy: 7, account: None };
        let mut alert = Alert::new(AlertKind::Layering, Severity::High, &heard);
        assert_eq!((alert.principals.len(), alert.strategies.as_slice()), (0, &[7][..]));
        alert.prove(vec![at(3), at(1), at(3)]);
        assert_eq!(alert.evidence, [at(1), at(3), at(100)]);
        alert.prove((0..1_000).map(|n| at(n / 2)).collect());
        assert_eq!(alert.evidence.len(), EVIDENCE_MAX);
        assert_eq!(alert.evidence.last(), Some(&at(499)));
    }
}
