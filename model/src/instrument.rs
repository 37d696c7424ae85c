//! What can be traded, and what its integers mean.

use crate::command::ROUTES_MAX;
use crate::decimal::{self, DecimalError};
use crate::ids::{Code, Symbol};
use crate::units::{Lots, MONEY_PER_UNIT, Money, NANO, Ticks, product};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What kind of thing an instrument is (FIX SecurityType, in broad classes).
    AssetClass {
        /// A share or fund.
        Equity = 1 => "equity",
        /// A future.
        Future = 2 => "future",
        /// An option.
        Option = 3 => "option",
        /// A pair of currencies.
        Fx = 4 => "fx",
        /// A crypto pair or perpetual.
        Crypto = 5 => "crypto",
    }
);

wire_enum!(
    /// How a position is paid for.
    Settlement {
        /// In full when it is traded: shares, premiums of options, coins.
        Paid = 1 => "paid",
        /// Not at all; what it makes or loses is paid when it is settled, every day, and when it is closed: futures.
        Daily = 2 => "daily",
    }
);

/// Where orders of an instrument go.
pub mod venue_kind {
    /// Simulated fills against the feed's book.
    pub const PAPER: u8 = 1;
    /// A market of the house, where orders meet each other (`docs/rule-book.md`).
    pub const INTERNAL: u8 = 2;
    /// A venue behind a live route, [`super::Instrument::route`].
    pub const ROUTE: u8 = 3;
}

/// The largest fee rate: all of the notional, in 1e-8.
pub const FEE_E8_MAX: i64 = 100_000_000;
/// The largest step of an order's price: books reckon with steps up to here.
pub const ORDER_TICK_MAX: Ticks = Ticks(1 << 32);

/// The largest worth of one tick of one lot: a thousand million of the currency is far beyond any contract
/// and leaves 37 bits of `ticks x lots` before a notional overflows.
const MONEY_PER_TICK_LOT_MAX: i128 = 1_000_000_000 * MONEY_PER_UNIT;

/// An instrument: 128 bytes, the same in memory, on rings and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Instrument {
    /// Symbol as the venue writes it; unique in an engine.
    pub symbol: Symbol,
    /// The venue, e.g. `XNAS` (ISO 10383).
    pub venue: Code,
    /// The currency of prices, e.g. `USD` (ISO 4217).
    pub currency: Code,
    /// What one [`Ticks`] is worth, in 1e-9 of the currency; above 0.
    pub tick_size_nano: i64,
    /// What one [`Lots`] is, in 1e-9 of the unit traded; above 0.
    pub lot_size_nano: i64,
    /// Units of the underlying per unit traded (1 for shares, 50 for E-mini S&P), in 1e-9; above 0.
    pub multiplier_nano: i64,
    /// An order's price at or above `order_tick_from` must be a multiple of this many ticks; at least 1.
    pub order_tick: Ticks,
    /// Below this price an order may name any tick (SEC Rule 612: below 1.00).
    pub order_tick_from: Ticks,
    /// An order's quantity must be a multiple of this many lots; at least 1.
    pub order_lot: Lots,
    /// Fee on notional when resting, in 1e-8 (1 basis point = 10,000); negative is a rebate.
    pub maker_fee_e8: i64,
    /// Fee on notional when taking, in 1e-8.
    pub taker_fee_e8: i64,
    /// An [`AssetClass`] on the wire.
    pub asset_class: u8,
    /// A [`venue_kind`].
    pub venue_kind: u8,
    /// Digits to print after the point of a price, at least.
    pub price_scale: u8,
    /// Digits to print after the point of a quantity, at least.
    pub qty_scale: u8,
    /// A [`Settlement`] on the wire; [`Settlement::Paid`] is kept as 0, which is what it was before there was another.
    pub settlement: u8,
    /// The route that its orders take, below [`crate::command::ROUTES_MAX`]; 0 for other venues.
    pub route: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// What one tick of one lot is worth, in [`Money`] units; derived by [`Self::checked`], 0 before.
    ///
    /// 64 bits would not do: one tick of an E-mini S&P future is 12.50 USD, 1.25e19 units.
    pub money_per_tick_lot: i128,
}

crate::saved_as_bytes!(Instrument);

const _: () = assert!(size_of::<Instrument>() == 128);

/// Why an instrument definition was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instrument field {field} must be {must}")]
pub struct InstrumentError {
    /// The field at fault.
    pub field: &'static str,
    /// What it must be.
    pub must: &'static str,
}

impl Instrument {
    /// A US share as Nasdaq's feed prices it: ticks of 0.0001, orders in 0.01 from 1.00 up, lots of one share.
    pub fn us_equity(symbol: Symbol) -> Self {
        Self {
            symbol,
            venue: Code(*b"XNAS\0\0\0\0"),
            currency: Code(*b"USD\0\0\0\0\0"),
            tick_size_nano: 100_000,
            lot_size_nano: 1_000_000_000,
            multiplier_nano: 1_000_000_000,
            order_tick: Ticks(100),
            order_tick_from: Ticks(10_000),
            order_lot: Lots(1),
            maker_fee_e8: 0,
            taker_fee_e8: 0,
            asset_class: AssetClass::Equity.wire(),
            venue_kind: venue_kind::PAPER,
            price_scale: 4,
            qty_scale: 0,
            settlement: 0,
            route: 0,
            reserved: [0; 2],
            money_per_tick_lot: 0,
        }
    }

    /// Checks every field that others divide by or index with, and fills in what is derived from them.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn checked(mut self) -> Result<Self, InstrumentError> {
        let check =
            |ok: bool, field, must| if ok { Ok(()) } else { Err(InstrumentError { field, must }) };
        check(self.symbol.is_valid(), "symbol", "1 to 24 printable ASCII characters")?;
        check(self.venue.is_valid(), "venue", "1 to 8 printable ASCII characters")?;
        check(self.currency.is_valid(), "currency", "1 to 8 printable ASCII characters")?;
        check(self.tick_size_nano > 0, "tick_size", "above 0")?;
        check(self.lot_size_nano > 0, "lot_size", "above 0")?;
        check(self.multiplier_nano > 0, "multiplier", "above 0")?;
        check(
            (1..=ORDER_TICK_MAX.0).contains(&self.order_tick.0),
            "order_tick",
            "1 to 4,294,967,296 ticks",
        )?;
        check(self.order_lot.0 > 0, "order_lot", "at least one lot")?;
        check(
            (-FEE_E8_MAX..=FEE_E8_MAX).contains(&self.maker_fee_e8),
            "maker_fee",
            "within 100 %",
        )?;
        check(
            (-FEE_E8_MAX..=FEE_E8_MAX).contains(&self.taker_fee_e8),
            "taker_fee",
            "within 100 %",
        )?;
        check(AssetClass::from_wire(self.asset_class).is_some(), "asset_class", "a known class")?;
        let (is_internal, is_routed) = (self.is_internal(), self.is_routed());
        let is_known = is_internal || is_routed || self.venue_kind == venue_kind::PAPER;
        check(is_known, "venue_kind", "a known kind")?;
        let routes = if is_routed { ROUTES_MAX } else { 1 };
        check(usize::from(self.route) < routes, "route", "below 16, and 0 for what is not routed")?;
        check(
            !is_internal || self.order_tick_from <= Ticks(1),
            "order_tick_from",
            "at most one tick: a market of the house has one step of prices",
        )?;
        let settlement = self.settlement == 0 || Settlement::from_wire(self.settlement).is_some();
        check(settlement, "settlement", "paid or daily")?;
        check(self.price_scale <= 9, "price_scale", "at most 9")?;
        check(self.qty_scale <= 9, "qty_scale", "at most 9")?;
        let per_one = self.money_of_one();
        check(
            per_one.is_some(),
            "tick_size x lot_size x multiplier",
            "a whole number of 1e-18 of the currency, at most 1,000,000,000",
        )?;
        self.money_per_tick_lot = per_one.unwrap_or_default();
        if self.settlement == Settlement::Paid.wire() {
            self.settlement = 0;
        }
        self.reserved = [0; 2];
        Ok(self)
    }

    /// True if its orders meet each other in a market of the house.
    #[inline]
    pub const fn is_internal(&self) -> bool {
        self.venue_kind == venue_kind::INTERNAL
    }

    /// True if its orders leave on a live route.
    #[inline]
    pub const fn is_routed(&self) -> bool {
        self.venue_kind == venue_kind::ROUTE
    }

    fn money_of_one(&self) -> Option<i128> {
        let product = i128::from(self.tick_size_nano)
            .checked_mul(i128::from(self.lot_size_nano))?
            .checked_mul(i128::from(self.multiplier_nano))?;
        let whole = product % i128::from(NANO) == 0;
        Some(product / i128::from(NANO))
            .filter(|v| whole && (1..=MONEY_PER_TICK_LOT_MAX).contains(v))
    }

    /// `price x qty` as money, or `None` if it does not fit. The instrument must be [`Self::checked`].
    #[inline]
    pub fn notional(&self, price: Ticks, qty: Lots) -> Option<Money> {
        self.value_of(product(price.0.into(), qty.0.into())?)
    }

    /// The money that a sum of `ticks x lots` stands for. The instrument must be [`Self::checked`].
    #[inline]
    pub fn value_of(&self, ticks_lots: i128) -> Option<Money> {
        product(ticks_lots, self.money_per_tick_lot).map(Money)
    }

    /// True if a position is not paid for, but settled every day.
    #[inline]
    pub const fn is_settled_daily(&self) -> bool {
        self.settlement == Settlement::Daily.wire()
    }

    /// The step an order's price must be a multiple of, at that price.
    #[inline]
    pub fn order_tick_at(&self, price: Ticks) -> Ticks {
        if price >= self.order_tick_from { self.order_tick } else { Ticks(1) }
    }

    /// Parses a price into ticks (any tick of the feed; the order tick is checked at the gate).
    ///
    /// # Errors
    /// See [`decimal::parse_ticks`].
    pub fn parse_price(&self, text: &str) -> Result<Ticks, DecimalError> {
        decimal::parse_ticks(text, self.tick_size_nano)
    }

    /// Parses an order's price, which must be a multiple of the order tick.
    ///
    /// # Errors
    /// See [`decimal::parse_ticks`].
    pub fn parse_order_price(&self, text: &str) -> Result<Ticks, DecimalError> {
        let price = self.parse_price(text)?;
        let step = self.order_tick_at(price);
        if price.0 % step.0 != 0 {
            let tick = self.format_nano_of(step);
            return Err(DecimalError::Tick { value: text.to_string(), tick });
        }
        Ok(price)
    }

    fn format_nano_of(&self, price: Ticks) -> String {
        decimal::format_ticks(price, self.tick_size_nano, 0)
    }

    /// Parses a quantity into lots.
    ///
    /// # Errors
    /// See [`decimal::parse_lots`].
    pub fn parse_qty(&self, text: &str) -> Result<Lots, DecimalError> {
        decimal::parse_lots(text, self.lot_size_nano)
    }

    /// The price as exact decimal text.
    pub fn format_price(&self, price: Ticks) -> String {
        decimal::format_ticks(price, self.tick_size_nano, self.price_scale)
    }

    /// The quantity as exact decimal text.
    pub fn format_qty(&self, qty: Lots) -> String {
        decimal::format_lots(qty, self.lot_size_nano, self.qty_scale)
    }
}

/// Money as exact decimal text, with at least two decimals.
pub fn format_money(money: Money) -> String {
    decimal::format_scaled(money.0, 18, 2)
}
