//! Whom a control, a kill switch or a count is for.

use crate::ids::{AccountId, GroupId, InstrumentId, PrincipalId, StrategyId};
use bytemuck::{Pod, Zeroable};
use core::fmt;

wire_enum!(
    /// What a [`Scope`] names.
    ScopeKind {
        /// Everything. Its id is 0.
        Firm = 1 => "firm",
        /// One who acts: a person, a strategy's process, an agent.
        Principal = 2 => "principal",
        /// One account.
        Account = 3 => "account",
        /// One strategy, whichever accounts it trades for.
        Strategy = 4 => "strategy",
        /// One instrument, whoever trades it.
        Instrument = 5 => "instrument",
        /// Principals, accounts, strategies or instruments that were put together: a desk, a client, a sector.
        Group = 6 => "group",
    }
);

/// Whom a control, a kill switch or a count is for: a kind and a number of that kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Scope {
    /// A [`ScopeKind`] on the wire.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Which of that kind; 0 for the firm.
    pub id: u32,
}

crate::saved_as_bytes!(Scope);

impl Scope {
    /// Everything.
    pub const FIRM: Self = Self::of(ScopeKind::Firm, 0);

    /// The scope of a number of a kind.
    pub const fn of(kind: ScopeKind, id: u32) -> Self {
        Self { kind: kind.wire(), reserved: [0; 3], id }
    }

    /// One who acts.
    pub const fn principal(id: PrincipalId) -> Self {
        Self::of(ScopeKind::Principal, id.0)
    }

    /// One account.
    pub const fn account(id: AccountId) -> Self {
        Self::of(ScopeKind::Account, id.0)
    }

    /// One strategy.
    pub const fn strategy(id: StrategyId) -> Self {
        Self::of(ScopeKind::Strategy, id.0 as u32)
    }

    /// One instrument.
    pub const fn instrument(id: InstrumentId) -> Self {
        Self::of(ScopeKind::Instrument, id.0)
    }

    /// One group.
    pub const fn group(id: GroupId) -> Self {
        Self::of(ScopeKind::Group, id.0 as u32)
    }

    /// What it names; `None` if that is not assigned.
    #[inline]
    pub const fn scope_kind(&self) -> Option<ScopeKind> {
        ScopeKind::from_wire(self.kind)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope_kind() {
            Some(ScopeKind::Firm) => f.write_str("firm"),
            Some(kind) => write!(f, "{kind}:{}", self.id),
            None => write!(f, "{}:{}", self.kind, self.id),
        }
    }
}
