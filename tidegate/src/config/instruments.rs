//! `[[instruments]]`

use super::values::{
    Decimal, FeeRate, Share, Within, above_zero, asset_class, calendar, code, symbol, usd,
};
use crate::calendar::Calendar;
use crate::paper::PaperEntry;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tidegate_model::command::{PAUSE_NS_MAX, SetBands, SetTickTable};
use tidegate_model::decimal::{format_nano, parse_ticks};
use tidegate_model::ids::Code;
use tidegate_model::instrument::{AssetClass, venue_kind};
use tidegate_model::units::NANO;
use tidegate_model::{Instrument, InstrumentId, Lots, Symbol, TickTable, Ticks};

/// `[[instruments]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentEntry {
    /// Symbol as the venue writes it.
    #[serde(deserialize_with = "symbol")]
    pub symbol: Symbol,
    /// Venue code.
    #[serde(default = "InstrumentEntry::venue", deserialize_with = "code")]
    pub venue: Code,
    /// Currency code.
    #[serde(default = "usd", deserialize_with = "code")]
    pub currency: Code,
    /// The class.
    #[serde(default = "InstrumentEntry::asset_class", deserialize_with = "asset_class")]
    pub asset_class: AssetClass,
    /// The feed's price unit.
    #[serde(default = "InstrumentEntry::price_unit", deserialize_with = "above_zero")]
    pub price_unit: Decimal,
    /// The order tick.
    #[serde(default = "InstrumentEntry::tick", deserialize_with = "above_zero")]
    pub tick: Decimal,
    /// The lot.
    #[serde(default = "InstrumentEntry::lot", deserialize_with = "above_zero")]
    pub lot: Decimal,
    /// Units of the underlying per unit traded.
    #[serde(default = "InstrumentEntry::lot", deserialize_with = "above_zero")]
    pub multiplier: Decimal,
    /// Maker fee, in the file in basis points; negative is a rebate.
    #[serde(default)]
    pub maker_fee_bp: FeeRate,
    /// Taker fee.
    #[serde(default)]
    pub taker_fee_bp: FeeRate,
    /// Bands `FROM:STEP`: the step of order prices by price, in place of `tick`.
    pub tick_table: Option<String>,
    /// The name of the live route that its orders take; on paper without.
    pub route: Option<String>,
    /// How orders are filled on paper.
    #[serde(default)]
    pub paper: PaperEntry,
    /// Where its orders go.
    #[serde(default)]
    pub venue_kind: Venue,
    /// The exchange calendar that its market of the house follows; without one it trades until it is told otherwise.
    #[serde(default, deserialize_with = "calendar")]
    pub calendar: Option<&'static Calendar>,
    /// The price bands of its market of the house.
    pub bands: Option<BandsEntry>,
}

/// Where orders of an instrument go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// Simulated fills against the feed's book.
    #[default]
    Paper,
    /// A market of the house.
    Internal,
}

/// `[instruments.bands]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BandsEntry {
    /// From the last auction's price, or from the reference that was set since.
    pub static_percent: Share,
    /// From the last trade.
    pub dynamic_percent: Share,
    /// How long a trade outside pauses the market; 0: until somebody ends it.
    pub pause_s: Within<0, { PAUSE_NS_MAX / NANO as u64 }>,
}

impl Default for BandsEntry {
    fn default() -> Self {
        let (static_percent, dynamic_percent) = (Share::default(), Share::default());
        Self { static_percent, dynamic_percent, pause_s: Within::new(300) }
    }
}

impl BandsEntry {
    /// The bands as the engine takes them.
    pub fn of(&self, instrument: InstrumentId) -> SetBands {
        SetBands {
            pause_ns: self.pause_s.get() * NANO as u64,
            instrument,
            static_ppm: self.static_percent.0,
            dynamic_ppm: self.dynamic_percent.0,
            reserved: [0; 4],
        }
    }
}

impl InstrumentEntry {
    fn venue() -> Code {
        Code(*b"XNAS\0\0\0\0")
    }
    fn asset_class() -> AssetClass {
        AssetClass::Equity
    }
    fn price_unit() -> Decimal {
        Decimal(100_000)
    }
    fn tick() -> Decimal {
        Decimal(10_000_000)
    }
    fn lot() -> Decimal {
        Decimal(NANO)
    }

    /// Its tick table as the engine takes it, if it has one.
    pub fn tick_table(&self, instrument: InstrumentId) -> Result<Option<SetTickTable>> {
        let Some(text) = &self.tick_table else { return Ok(None) };
        let named = || format!("instrument {}: tick_table", self.symbol);
        let table = TickTable::parse(text, self.price_unit.0).with_context(named)?;
        let (count, bands) = (table.bands().len() as u8, table.packed().with_context(named)?);
        Ok(Some(SetTickTable { instrument, count, reserved: [0; 3], bands }))
    }

    /// The instrument as the engine takes it.
    pub fn instrument(&self) -> Result<Instrument> {
        let named = || format!("instrument {}", self.symbol);
        let is_internal = self.venue_kind == Venue::Internal;
        ensure!(
            is_internal || (self.calendar.is_none() && self.bands.is_none()),
            "{}: calendar and bands are of a market of the house: set venue_kind = \"internal\"",
            named()
        );
        let tick = format_nano(self.tick.0.into());
        let order_tick = parse_ticks(&tick, self.price_unit.0)
            .with_context(|| format!("{}: tick must be a multiple of price_unit", named()))?;
        let from = Instrument::us_equity(Symbol::EMPTY).order_tick_from;
        let sub_dollar =
            self.asset_class == AssetClass::Equity && self.price_unit == Self::price_unit();
        // A market of the house has one step of prices.
        let sub_dollar = sub_dollar && !is_internal;
        let price_scale = decimals(self.tick.0).max(2);
        Instrument {
            symbol: self.symbol,
            venue: self.venue,
            currency: self.currency,
            tick_size_nano: self.price_unit.0,
            lot_size_nano: self.lot.0,
            multiplier_nano: self.multiplier.0,
            order_tick,
            order_tick_from: if sub_dollar { from } else { Ticks(i64::MIN) },
            order_lot: Lots(1),
            maker_fee_e8: self.maker_fee_bp.0,
            taker_fee_e8: self.taker_fee_bp.0,
            money_per_tick_lot: 0,
            asset_class: self.asset_class.wire(),
            venue_kind: if is_internal { venue_kind::INTERNAL } else { venue_kind::PAPER },
            price_scale: if sub_dollar { 4 } else { price_scale },
            qty_scale: 0,
            settlement: 0,
            route: 0,
            reserved: [0; 2],
        }
        .checked()
        .with_context(named)
    }
}

/// Digits after the point that a count of 1e-9 needs.
fn decimals(nano: i64) -> u8 {
    let mut digits = 9;
    let mut rest = nano.unsigned_abs();
    while digits > 0 && rest.is_multiple_of(10) {
        rest /= 10;
        digits -= 1;
    }
    digits
}
