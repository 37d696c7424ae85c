//! Who may do what: a closed list of permissions, and what each role has of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Something that may be done. Routes name the one they need in their OpenAPI description, from which it is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Permission {
    /// See one's own profile, preferences and watchlists.
    #[serde(rename = "profile:read")]
    ProfileRead,
    /// Change them.
    #[serde(rename = "profile:write")]
    ProfileWrite,
    /// Change password, second factor, sessions and API keys. Never in the scope of an API key.
    #[serde(rename = "credentials:write")]
    CredentialsWrite,
    /// See one's own accounts: cash, positions, portfolio, executions.
    #[serde(rename = "accounts:read")]
    AccountsRead,
    /// Open accounts of one's own.
    #[serde(rename = "accounts:write")]
    AccountsWrite,
    /// See one's own orders.
    #[serde(rename = "orders:read")]
    OrdersRead,
    /// Place, change and cancel orders.
    #[serde(rename = "orders:write")]
    OrdersWrite,
    /// See limits and controls, what stands still, and how the system stands.
    #[serde(rename = "risk:read")]
    RiskRead,
    /// Set limits, engage and release kill switches, decide what waits for a second person. Never in the scope of an API key.
    #[serde(rename = "risk:write")]
    RiskWrite,
    /// See everybody's accounts and orders.
    #[serde(rename = "accounts:read_all")]
    AccountsReadAll,
    /// Read the audit log.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Make, change and disable users. Never in the scope of an API key.
    #[serde(rename = "users:admin")]
    UsersAdmin,
    /// Define instruments.
    #[serde(rename = "instruments:admin")]
    InstrumentsAdmin,
    /// See the market: instruments, quotes, books, trades, bars.
    #[serde(rename = "market:read")]
    MarketRead,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ProfileRead,
        Self::ProfileWrite,
        Self::CredentialsWrite,
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::RiskRead,
        Self::RiskWrite,
        Self::AccountsReadAll,
        Self::AuditRead,
        Self::UsersAdmin,
        Self::InstrumentsAdmin,
        Self::MarketRead,
    ];

    /// Its name, as scopes and the OpenAPI document have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProfileRead => "profile:read",
            Self::ProfileWrite => "profile:write",
            Self::CredentialsWrite => "credentials:write",
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::RiskRead => "risk:read",
            Self::RiskWrite => "risk:write",
            Self::AccountsReadAll => "accounts:read_all",
            Self::AuditRead => "audit:read",
            Self::UsersAdmin => "users:admin",
            Self::InstrumentsAdmin => "instruments:admin",
            Self::MarketRead => "market:read",
        }
    }

    /// The permission of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// These.
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.iter().fold(0, |bits, permission| bits | 1 << *permission as u32))
    }

    /// Whether it has `permission`.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in one of them.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that a key may have: who lets people in, and who decides, is a person.
    #[must_use]
    pub fn for_programs(self) -> Self {
        use Permission as P;
        Self(self.0 & !Self::of(&[P::CredentialsWrite, P::RiskWrite, P::UsersAdmin]).0)
    }

    /// Its members, in their order.
    pub fn list(self) -> Vec<Permission> {
        Permission::ALL.into_iter().filter(|permission| self.has(*permission)).collect()
    }
}

/// What somebody is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Trades accounts of one's own.
    Trader,
    /// Watches everybody's risk, stops and limits; does not trade.
    RiskOfficer,
    /// Manages users and instruments; does not trade.
    Administrator,
    /// A program that trades within what people let it.
    Agent,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::Trader, Self::RiskOfficer, Self::Administrator, Self::Agent];

    /// Its name, as the database and answers have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Trader => "trader",
            Self::RiskOfficer => "risk_officer",
            Self::Administrator => "administrator",
            Self::Agent => "agent",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What it may.
    pub fn permissions(self) -> Permissions {
        use Permission as P;
        let looks = [
            P::ProfileRead,
            P::ProfileWrite,
            P::AccountsRead,
            P::OrdersRead,
            P::RiskRead,
            P::MarketRead,
        ];
        let more: &[Permission] = match self {
            Self::Viewer => &[P::CredentialsWrite],
            Self::Trader => &[P::CredentialsWrite, P::AccountsWrite, P::OrdersWrite],
            Self::Agent => &[P::OrdersWrite],
            Self::RiskOfficer => {
                &[P::CredentialsWrite, P::RiskWrite, P::AccountsReadAll, P::AuditRead]
            }
            Self::Administrator => &[
                P::CredentialsWrite,
                P::RiskWrite,
                P::AccountsReadAll,
                P::AuditRead,
                P::UsersAdmin,
                P::InstrumentsAdmin,
            ],
        };
        Permissions::of(&looks).or(Permissions::of(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_and_back() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.as_str()), Some(permission));
            let json = serde_json::to_value(permission).expect("a name");
            assert_eq!(json, permission.as_str());
        }
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).expect("a name"), role.as_str());
        }
        assert_eq!(Permissions::of(&Permission::ALL).list(), Permission::ALL);
    }

    #[test]
    fn who_controls_does_not_trade_and_programs_do_neither_credentials_nor_control() {
        for role in Role::ALL {
            let may = |permission| role.permissions().has(permission);
            assert!(!(may(Permission::OrdersWrite) && may(Permission::RiskWrite)), "{role:?}");
        }
        let agent = Role::Agent.permissions();
        assert!(!agent.has(Permission::CredentialsWrite) && !agent.has(Permission::RiskWrite));
    }
}
