//! Prices and quantities as the integers they are.

use crate::ClientError;
use crate::proto::Instrument;
use tidegate_model::{Lots, Ticks, decimal};

/// An instrument's steps: turns decimal text into whole order ticks and order lots and back, so that a strategy can
/// compute without a float.
#[derive(Clone, Debug)]
pub struct PriceGrid {
    order_tick_nano: i64,
    order_lot_nano: i64,
    price_decimals: u8,
    qty_decimals: u8,
}

impl PriceGrid {
    /// The grid that orders of `instrument` live on.
    ///
    /// # Errors
    /// [`ClientError::Decimal`] if a step is not decimal text; [`ClientError::Protocol`] if it is not above 0.
    pub fn new(instrument: &Instrument) -> Result<Self, ClientError> {
        let order_tick_nano = decimal::parse_nano(&instrument.order_tick)?;
        let order_lot_nano = decimal::parse_nano(&instrument.order_lot)?;
        if order_tick_nano <= 0 || order_lot_nano <= 0 {
            return Err(ClientError::Protocol { call: "PriceGrid", part: "step above 0" });
        }
        let decimals = |n: u32| u8::try_from(n.min(9)).unwrap_or(9);
        Ok(Self {
            order_tick_nano,
            order_lot_nano,
            price_decimals: decimals(instrument.price_decimals),
            qty_decimals: decimals(instrument.qty_decimals),
        })
    }

    /// A price in order ticks, rounded down: feeds may quote between the steps that orders may name.
    ///
    /// # Errors
    /// [`ClientError::Decimal`].
    pub fn price_floor(&self, text: &str) -> Result<i64, ClientError> {
        Ok(decimal::parse_nano(text)?.div_euclid(self.order_tick_nano))
    }

    /// A price in order ticks, rounded up.
    ///
    /// # Errors
    /// [`ClientError::Decimal`].
    pub fn price_ceil(&self, text: &str) -> Result<i64, ClientError> {
        let nano = decimal::parse_nano(text)?;
        let floor = nano.div_euclid(self.order_tick_nano);
        Ok(floor + i64::from(nano.rem_euclid(self.order_tick_nano) != 0))
    }

    /// A quantity in order lots, rounded towards zero; below 0 for short positions.
    ///
    /// # Errors
    /// [`ClientError::Decimal`].
    pub fn lots(&self, text: &str) -> Result<i64, ClientError> {
        Ok(decimal::parse_nano(text)? / self.order_lot_nano)
    }

    /// The text of a price in order ticks.
    pub fn price_text(&self, ticks: i64) -> String {
        decimal::format_ticks(Ticks(ticks), self.order_tick_nano, self.price_decimals)
    }

    /// The text of a quantity in order lots.
    pub fn qty_text(&self, lots: u64) -> String {
        decimal::format_lots(Lots(lots), self.order_lot_nano, self.qty_decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_between_steps_round_away_from_the_market() {
        let grid = PriceGrid::new(&Instrument {
            order_tick: "0.01".into(),
            order_lot: "1".into(),
            price_decimals: 4,
            ..Default::default()
        })
        .expect("steps are above 0");
        assert_eq!(grid.price_floor("10.0050").expect("a price"), 1000);
        assert_eq!(grid.price_ceil("10.0050").expect("a price"), 1001);
        assert_eq!(grid.price_ceil("10.01").expect("a price"), 1001);
        assert_eq!(grid.price_floor("-0.005").expect("a price"), -1);
        assert_eq!(grid.price_text(28912), "289.1200");
        assert_eq!(grid.qty_text(100), "100");
        assert_eq!(grid.lots("-300").expect("a quantity"), -300);
    }

    #[test]
    fn a_step_of_zero_is_refused() {
        let bad =
            Instrument { order_tick: "0".into(), order_lot: "1".into(), ..Default::default() };
        assert!(PriceGrid::new(&bad).is_err());
    }
}
