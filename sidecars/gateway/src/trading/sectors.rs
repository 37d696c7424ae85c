//! Sectors: groups of instruments in the engine's risk, whose limits count them together, by the names that the configuration gives
//! them.

use super::risk::{Changed, changed, reason};
use super::{outcome, principal};
use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::proto::{Scope, ScopeKind, SetGroupRequest};
use utoipa::ToSchema;

/// The sector of an instrument: the name of its group, if that has one.
pub(crate) fn of(gateway: &Gateway, symbol: &str) -> Option<String> {
    let group = gateway.events.picture().group(symbol)?;
    let named = gateway.config.market.sectors.iter().find(|(_, number)| **number == group);
    named.map(|(name, _)| name.clone())
}

/// A sector.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sector {
    /// What it is called.
    name: String,
    /// The group in the engine's risk that it is: limits of `group:N` are its.
    group: u32,
}

/// Sectors that instruments may be in, by name (`market.sectors`).
#[utoipa::path(get, path = "/api/v1/sectors", tag = "market", security((), ("bearer" = ["market:read"])),
    responses((status = 200, body = Envelope<Vec<Sector>>)))]
pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Data<Vec<Sector>> {
    let sectors = gateway.config.market.sectors.iter();
    Data::new(sectors.map(|(name, group)| Sector { name: name.clone(), group: *group }).collect())
}

/// Which sector.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetSector {
    /// Its name; null: none.
    sector: Option<String>,
    /// Why; 1 to 48 characters.
    reason: String,
}

/// Puts an instrument into a sector, whose limits hold for it from now on. Out of another one: that waits for a second person.
#[utoipa::path(put, path = "/api/v1/instruments/{symbol}/sector", tag = "risk", security(("bearer" = ["risk:write"])),
    params(("symbol" = String, Path)), request_body = SetSector, responses((status = 200, body = Envelope<Changed>)))]
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(symbol): Path<String>,
    Body(asked): Body<SetSector>,
) -> Result<Data<Changed>> {
    let reason = reason(&asked.reason)?;
    let group = match &asked.sector {
        None => 0,
        Some(name) => *gateway.config.market.sectors.get(name).ok_or_else(|| {
            let message = format!("sector: there is no '{name}' (market.sectors)");
            ApiError::field("sector", message)
        })?,
    };
    let symbol = &gateway.market.instrument(&symbol)?.symbol;
    let member = Scope { kind: ScopeKind::Instrument.into(), symbol: symbol.clone(), id: 0 };
    let request = SetGroupRequest { member: Some(member), group, reason };
    let engine = principal::controller(&gateway, &caller).await?;
    let detail = json!({ "sector": asked.sector, "reason": asked.reason });
    gateway.audit.add(caller.entry("instrument.sector", symbol, detail)).await?;
    let answer = engine.set_group(request).await.map_err(outcome::unknown)?;
    changed(&gateway, answer, 0).await
}
