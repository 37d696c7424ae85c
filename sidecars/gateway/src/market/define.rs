//! Instruments that an administrator defines.

use super::report::InstrumentReport;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::trading::words::{AssetClass, Settlement, VenueKind};
use crate::trading::{outcome, principal, sectors};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto::{self, DefineInstrumentRequest};
use utoipa::ToSchema;

/// How often and after which pause it is looked whether the market has heard of a new instrument.
const HEARD_TRIES: usize = 50;
const HEARD_PAUSE: Duration = Duration::from_millis(10);

/// A new instrument. What is absent is as the engine has it: ticks of 0.0001, lots and multiplier of 1, orders in single ticks and
/// lots, no fees, venue XNAS in USD, an equity that is paid for and traded on paper.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewInstrument {
    /// As the venue writes it: 1 to 24 printable ASCII characters without spaces; needed.
    #[schema(required, example = "ACME")]
    symbol: String,
    /// The venue; 1 to 8 printable ASCII characters.
    venue: Option<String>,
    /// The currency of prices; 1 to 8 printable ASCII characters.
    currency: Option<String>,
    /// What kind of thing it is.
    asset_class: Option<AssetClass>,
    /// Prices of the market are multiples of it; decimal text, above 0, as all that follow.
    #[schema(example = "0.01")]
    tick_size: Option<String>,
    /// Quantities of the market are multiples of it.
    lot_size: Option<String>,
    /// Units of the underlying per unit traded.
    multiplier: Option<String>,
    /// Prices of orders are multiples of it, from `order_tick_from` on.
    order_tick: Option<String>,
    /// Below, prices of orders are multiples of `tick_size`.
    order_tick_from: Option<String>,
    /// Quantities of orders are multiples of it.
    order_lot: Option<String>,
    /// Fee when resting, a fraction of the notional; below 0 a rebate.
    maker_fee_rate: Option<String>,
    /// Fee when taking.
    taker_fee_rate: Option<String>,
    /// Digits of a price after the point, at least; 0 to 9.
    price_decimals: u32,
    /// Digits of a quantity after the point, at least; 0 to 9.
    qty_decimals: u32,
    /// How a position is paid for.
    settlement: Option<Settlement>,
    /// Where its orders go: `paper` or `internal`.
    venue_kind: Option<VenueKind>,
}

impl NewInstrument {
    fn to_engine(&self) -> Result<proto::Instrument> {
        if self.venue_kind == Some(VenueKind::Route) {
            let message = "paper or internal: what is routed, the engine's configuration says";
            return Err(ApiError::field("venue_kind", message));
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Ok(proto::Instrument {
            symbol: self.symbol.clone(),
            venue: text(&self.venue),
            currency: text(&self.currency),
            asset_class: self.asset_class.map_or(0, AssetClass::number),
            tick_size: text(&self.tick_size),
            lot_size: text(&self.lot_size),
            multiplier: text(&self.multiplier),
            order_tick: text(&self.order_tick),
            order_tick_from: text(&self.order_tick_from),
            order_lot: text(&self.order_lot),
            maker_fee_rate: text(&self.maker_fee_rate),
            taker_fee_rate: text(&self.taker_fee_rate),
            price_decimals: self.price_decimals,
            qty_decimals: self.qty_decimals,
            settlement: self.settlement.map_or(0, Settlement::number),
            tick_table: String::new(),
            venue_kind: self.venue_kind.map_or(0, VenueKind::number),
        })
    }
}

/// Defines an instrument; one that is defined already with the same terms is confirmed.
#[utoipa::path(post, path = "/api/v1/instruments", tag = "market", security(("bearer" = ["instruments:admin"])),
    request_body = NewInstrument, responses((status = 201, body = Envelope<InstrumentReport>)))]
pub(super) async fn define(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<NewInstrument>,
) -> Result<Data<InstrumentReport>> {
    let request = DefineInstrumentRequest { instrument: Some(asked.to_engine()?) };
    let engine = principal::controller(&gateway, &caller).await?;
    let answer =
        engine.define_instrument(request).await.map_err(outcome::unknown).map_err(named)?;
    outcome::check(answer.reject.as_ref())?;
    let detail = json!({ "terms": asked });
    gateway.audit.add(caller.entry("instrument.define", &asked.symbol, detail)).await?;
    for _ in 0..HEARD_TRIES {
        if let Ok(instrument) = gateway.market.instrument(&asked.symbol) {
            let sector = sectors::of(&gateway, &asked.symbol);
            return Ok(Data::created(InstrumentReport::new(&instrument.look().terms, sector)));
        }
        tokio::time::sleep(HEARD_PAUSE).await;
    }
    let message = "it is defined, and the gateway has not heard of it yet; ask again";
    Err(ApiError::new(Code::Unavailable, message).with(json!({ "retry_after_s": 1 })))
}

/// A refusal in the words of this route: the engine calls a rate by what it makes.
fn named(error: ApiError) -> ApiError {
    let field = match error.details["field"].as_str() {
        Some("maker_fee") => "maker_fee_rate",
        Some("taker_fee") => "taker_fee_rate",
        _ => return error,
    };
    error.with(json!({ "field": field }))
}
