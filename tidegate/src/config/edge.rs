//! `[edge]`

use super::risk::{ControlEntry, limit_of};
use super::values::{Within, acts_for, address, role, secret};
use crate::scope_text::ScopeText;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate_edge::{ActsFor, EdgeTls, TokenEntry, check_acts_for};
use tidegate_model::command::{
    ControlKind, LISTS_OF_INSTRUMENTS_MAX, MAY_CONTROL, MAY_ESTIMATE, MAY_TRADE, Role, SetPrincipal,
};
use tidegate_model::scope::Scope;
use tidegate_model::{AccountId, PrincipalId, StrategyId};

/// `[edge]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// Where gRPC listens.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The socket at which processes of this machine come in that share memory with the engine; in the journal's folder if absent,
    /// none if empty.
    pub door: Option<PathBuf>,
    /// Who may change state.
    pub tokens: Vec<Token>,
    /// Who the edge is, and who may connect.
    pub tls: Option<Tls>,
}

/// `[edge.tls]`: PEM files.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that lead to its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority of whose certificates a client must show one.
    pub client_ca: Option<PathBuf>,
}

impl From<Tls> for EdgeTls {
    fn from(Tls { cert, key, client_ca }: Tls) -> Self {
        Self { cert, key, client_ca }
    }
}

impl Default for Edge {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7_800));
        Self { listen, door: None, tokens: Vec::new(), tls: None }
    }
}

/// Numbers of principals: 0 is the configuration's own.
pub type Principal = Within<1, { PrincipalId::COUNT_MAX as u64 - 1 }>;
/// Numbers of accounts.
pub type Account = Within<0, { AccountId::COUNT_MAX as u64 - 1 }>;
/// Numbers of strategies: 0 is none.
type Strategy = Within<1, { StrategyId::COUNT_MAX as u64 - 1 }>;

/// `[[edge.tokens]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The secret, at least 16 characters.
    #[serde(deserialize_with = "secret")]
    pub token: String,
    /// The principal it stands for.
    pub principal: Principal,
    /// A name for logs and for the journal.
    pub name: String,
    /// What stands behind it.
    #[serde(default = "Token::person", deserialize_with = "role")]
    pub role: Role,
    /// True if it may use the administrative calls: instruments, accounts, cash, phases.
    #[serde(default)]
    pub may_administer: bool,
    /// True if it may set limits and controls, engage kill switches, propose and decide.
    #[serde(default)]
    pub may_control: bool,
    /// True if it may supply the factors of portfolios.
    #[serde(default)]
    pub may_estimate: bool,
    /// The only account that it may trade for.
    pub account: Option<Account>,
    /// The strategy that its orders belong to.
    pub strategy: Option<Strategy>,
    /// The first and the last of the principals that a gateway with it acts for.
    #[serde(default, deserialize_with = "acts_for")]
    pub acts_for: Option<ActsFor>,
    /// Controls of its principal, in short.
    #[serde(default)]
    pub budget: Budget,
}

impl Token {
    const fn person() -> Role {
        Role::Person
    }

    /// A token of a person.
    pub fn of_person(token: String, principal: PrincipalId, name: &str) -> Self {
        Self {
            token,
            principal: Principal::new(principal.0.into()),
            name: name.into(),
            role: Role::Person,
            may_administer: false,
            may_control: false,
            may_estimate: false,
            account: None,
            strategy: None,
            acts_for: None,
            budget: Budget::default(),
        }
    }

    /// Whom it stands for.
    pub fn principal(&self) -> PrincipalId {
        PrincipalId(self.principal.get() as u32)
    }

    /// The token as the edge takes it.
    pub fn entry(&self) -> TokenEntry {
        TokenEntry {
            token: self.token.clone(),
            principal: self.principal(),
            name: self.name.clone(),
            may_administer: self.may_administer,
            may_control: self.may_control,
            acts_for: self.acts_for,
        }
    }

    /// Its principal as the engine takes it.
    pub fn set_principal(&self) -> SetPrincipal {
        let may = |is_given: bool, permission: u8| if is_given { permission } else { 0 };
        SetPrincipal {
            principal: self.principal(),
            account: self.account.map_or(AccountId::NONE, |id| AccountId(id.get() as u32)),
            strategy: self.strategy.map_or(StrategyId::NONE, |id| StrategyId(id.get() as u16)),
            role: self.role.wire(),
            permissions: MAY_TRADE
                | may(self.may_control, MAY_CONTROL)
                | may(self.may_estimate, MAY_ESTIMATE),
            reserved: [0; 4],
            name: wire_name(&self.name),
        }
    }

    /// Refuses rights that only people have.
    fn check(&self) -> Result<()> {
        for (right, is_given) in
            [("may_control", self.may_control), ("may_administer", self.may_administer)]
        {
            ensure!(
                self.role == Role::Person || !is_given,
                "the token named '{}': {right} is for a person, not for a {}: no program changes what it is limited by",
                self.name,
                self.role
            );
        }
        Ok(())
    }
}

/// A principal's name as records hold it. What does not fit, or is no printable ASCII, is not needed to know who it is: the number
/// says that.
pub(super) fn wire_name(name: &str) -> [u8; 24] {
    let mut wire = [0; 24];
    let bytes = name.bytes().map(|b| if (b' '..=b'~').contains(&b) { b } else { b'?' });
    wire.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    wire
}

/// Refuses tokens that do not agree about who a principal is, or whose it is to say.
///
/// # Errors
/// Which of them, and why.
pub(super) fn check_tokens(tokens: &[Token]) -> Result<()> {
    for (at, token) in tokens.iter().enumerate() {
        token.check()?;
        for earlier in tokens[..at].iter().filter(|other| other.principal == token.principal) {
            let named = |token: &Token| SetPrincipal { name: [0; 24], ..token.set_principal() };
            let of_one = || {
                format!(
                    "the tokens named '{}' and '{}' are of one principal, {}",
                    earlier.name,
                    token.name,
                    token.principal.get()
                )
            };
            ensure!(
                named(earlier) == named(token),
                "{}: they must have the same role, may_control, may_estimate, account and strategy",
                of_one()
            );
            let budgets = [&earlier.budget, &token.budget];
            let is_one = budgets[0] == budgets[1] || budgets.contains(&&Budget::default());
            ensure!(is_one, "{}: it has one budget", of_one());
        }
    }
    let entries: Vec<_> = tokens.iter().map(Token::entry).collect();
    Ok(check_acts_for(&entries)?)
}

/// `[edge.tokens.budget]`: controls of the token's principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Notional of one order.
    pub order_notional: Option<OfControl<{ ControlKind::MaxOrderNotional.wire() }>>,
    /// Notional of a day.
    pub day_notional: Option<OfControl<{ ControlKind::DayNotional.wire() }>>,
    /// The list of instruments that alone may be traded.
    pub allowed_list: Option<Within<1, { LISTS_OF_INSTRUMENTS_MAX as u64 }>>,
    /// Sides that may be traded.
    pub sides: Option<OfControl<{ ControlKind::Sides.wire() }>>,
    /// When it ends.
    pub expires_at: Option<OfControl<{ ControlKind::ExpiresAt.wire() }>>,
    /// Notional of one order above which a person must approve it.
    pub approval_above: Option<OfControl<{ ControlKind::ApprovalAbove.wire() }>>,
}

/// The limit of one kind of control, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfControl<const KIND: u8>(i128);

impl<'de, const KIND: u8> Deserialize<'de> for OfControl<KIND> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let kind = ControlKind::from_wire(KIND).expect("a budget names kinds that are assigned");
        limit_of(kind, &text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Budget {
    /// The controls that it stands for.
    pub fn controls(&self, principal: PrincipalId) -> impl Iterator<Item = ControlEntry> {
        let scope = ScopeText::Of(Scope::principal(principal));
        let limits = [
            (ControlKind::MaxOrderNotional, self.order_notional.map(|limit| limit.0)),
            (ControlKind::DayNotional, self.day_notional.map(|limit| limit.0)),
            (ControlKind::AllowedList, self.allowed_list.map(|list| list.get().into())),
            (ControlKind::Sides, self.sides.map(|limit| limit.0)),
            (ControlKind::ExpiresAt, self.expires_at.map(|limit| limit.0)),
            (ControlKind::ApprovalAbove, self.approval_above.map(|limit| limit.0)),
        ];
        let given = limits.into_iter().filter_map(|(kind, limit)| Some((kind, limit?)));
        given.map(move |(kind, limit)| ControlEntry::of(scope, kind, limit))
    }
}
