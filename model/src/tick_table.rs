//! Tick tables: the step of order prices by price, as MiFID II (Commission Delegated Regulation (EU) 2017/588, RTS 11) and the
//! Tokyo exchange have them.

use crate::command::SetTickTable;
use crate::decimal::{format_ticks, parse_ticks};
use crate::instrument::ORDER_TICK_MAX;
use crate::units::Ticks;
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

/// Bands that a table may have: RTS 11 has 19, and so many fit one command.
pub const TICK_BANDS_MAX: usize = 20;

/// From a price on, the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickBand {
    /// From this price on, at least 0 ...
    pub from: Ticks,
    /// ... up to the next band prices are multiples of this, at least 1.
    pub tick: Ticks,
}

/// The step of order prices by price. Below the first band it is that of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<TickBand>", try_from = "Vec<TickBand>")]
pub struct TickTable {
    bands: [TickBand; TICK_BANDS_MAX],
    /// At least 1.
    count: u8,
}

/// Why bands make no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TickTableError {
    /// No bands, or too many.
    #[error("a tick table has 1 to {TICK_BANDS_MAX} bands, this one {0}")]
    Count(usize),
    /// A band does not begin above the one before, or below 0.
    #[error("band {0} must begin above the one before it, and not below 0")]
    Order(usize),
    /// A step is 0 or too large.
    #[error("the step of band {0} must be 1 to {max} ticks", max = ORDER_TICK_MAX.0)]
    Tick(usize),
    /// A band begins at a price that is no multiple of its step and of that of the band before it.
    #[error("band {0} must begin at a multiple of its step and of the step before it")]
    Begin(usize),
    /// A number has too many digits.
    #[error("band {0} has a number of more than five digits before its zeros")]
    Digits(usize),
    /// A text is no band.
    #[error("'{text}' is no band such as 10:0.002, from 10 on steps of 0.002: {reason}")]
    Syntax {
        /// The band.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A [`TickBand`] in a record: numbers of ticks as digits and zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PackedBand {
    /// Digits of the price that it begins at.
    pub from_digits: u16,
    /// Digits of the step.
    pub tick_digits: u16,
    /// Zeros behind the digits of the price, at most 18.
    pub from_zeros: u8,
    /// Zeros behind the digits of the step, at most 18.
    pub tick_zeros: u8,
}

impl TickTableError {
    /// The number of the band at fault, from 1; 0 if it is not one of them.
    pub const fn band(&self) -> usize {
        match self {
            Self::Order(band) | Self::Tick(band) | Self::Begin(band) | Self::Digits(band) => *band,
            Self::Count(_) | Self::Syntax { .. } => 0,
        }
    }
}

impl From<TickTable> for Vec<TickBand> {
    fn from(table: TickTable) -> Self {
        table.bands().to_vec()
    }
}

impl TryFrom<Vec<TickBand>> for TickTable {
    type Error = TickTableError;

    fn try_from(bands: Vec<TickBand>) -> Result<Self, TickTableError> {
        Self::new(&bands)
    }
}

impl TickTable {
    /// A table of bands, by rising price.
    ///
    /// # Errors
    /// [`TickTableError`], with the number of the band, from 1.
    pub fn new(bands: &[TickBand]) -> Result<Self, TickTableError> {
        if !(1..=TICK_BANDS_MAX).contains(&bands.len()) {
            return Err(TickTableError::Count(bands.len()));
        }
        let mut before: Option<TickBand> = None;
        for (number, band) in (1..).zip(bands) {
            let &TickBand { from, tick } = band;
            if from < Ticks::ZERO || before.is_some_and(|before| from <= before.from) {
                return Err(TickTableError::Order(number));
            }
            if !(1..=ORDER_TICK_MAX.0).contains(&tick.0) {
                return Err(TickTableError::Tick(number));
            }
            let before_tick = before.map_or(1, |before| before.tick.0);
            if from.0 % tick.0 != 0 || from.0 % before_tick != 0 {
                return Err(TickTableError::Begin(number));
            }
            before = Some(*band);
        }
        let mut table = Self { bands: [TickBand::default(); TICK_BANDS_MAX], count: 0 };
        table.bands[..bands.len()].copy_from_slice(bands);
        table.count = bands.len() as u8;
        Ok(table)
    }

    /// The bands, by rising price.
    #[inline]
    pub fn bands(&self) -> &[TickBand] {
        &self.bands[..usize::from(self.count)]
    }

    /// The step at a price.
    #[inline]
    pub fn tick_at(&self, price: Ticks) -> Ticks {
        let above = self.bands().partition_point(|band| band.from <= price);
        self.bands[above.saturating_sub(1)].tick
    }

    /// Reads a table from a command; `None` if it has no bands.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn unpack(set: &SetTickTable) -> Result<Option<Self>, TickTableError> {
        let count = usize::from(set.count);
        if count == 0 {
            return Ok(None);
        }
        let packed = set.bands.get(..count).ok_or(TickTableError::Count(count))?;
        let mut bands = [TickBand::default(); TICK_BANDS_MAX];
        for (number, (band, packed)) in (1..).zip(bands.iter_mut().zip(packed)) {
            let number_of = |digits: u16, zeros: u8| {
                let power = 10_i64.checked_pow(zeros.into())?;
                i64::from(digits).checked_mul(power).map(Ticks)
            };
            let digits = TickTableError::Digits(number);
            let from = number_of(packed.from_digits, packed.from_zeros).ok_or(digits.clone())?;
            let tick = number_of(packed.tick_digits, packed.tick_zeros).ok_or(digits)?;
            *band = TickBand { from, tick };
        }
        Self::new(&bands[..count]).map(Some)
    }

    /// The bands as a command has them.
    ///
    /// # Errors
    /// [`TickTableError::Digits`].
    pub fn packed(&self) -> Result<[PackedBand; TICK_BANDS_MAX], TickTableError> {
        let mut packed = [PackedBand::default(); TICK_BANDS_MAX];
        for (number, (packed, band)) in (1..).zip(packed.iter_mut().zip(self.bands())) {
            let digits = TickTableError::Digits(number);
            let (from_digits, from_zeros) = digits_of(band.from).ok_or(digits.clone())?;
            let (tick_digits, tick_zeros) = digits_of(band.tick).ok_or(digits)?;
            *packed = PackedBand { from_digits, tick_digits, from_zeros, tick_zeros };
        }
        Ok(packed)
    }

    /// Reads `FROM:STEP` bands in the currency, such as `0:0.0001 1:0.0002 2:0.0005`, for an instrument whose ticks are so large.
    ///
    /// # Errors
    /// [`TickTableError::Syntax`], and as [`Self::new`].
    pub fn parse(text: &str, tick_size_nano: i64) -> Result<Self, TickTableError> {
        // One more than there may be is enough to say that there are too many.
        let mut bands = Vec::with_capacity(TICK_BANDS_MAX);
        for band in text.split_ascii_whitespace().take(TICK_BANDS_MAX + 1) {
            let syntax = |reason: String| TickTableError::Syntax { text: band.to_string(), reason };
            let (from, tick) =
                band.split_once(':').ok_or_else(|| syntax("there is no colon".into()))?;
            let ticks = |text| parse_ticks(text, tick_size_nano).map_err(|e| syntax(e.to_string()));
            bands.push(TickBand { from: ticks(from)?, tick: ticks(tick)? });
        }
        Self::new(&bands)
    }

    /// What [`Self::parse`] reads.
    pub fn format(&self, tick_size_nano: i64) -> String {
        let number = |ticks| format_ticks(ticks, tick_size_nano, 0);
        let band = |band: &TickBand| format!("{}:{}", number(band.from), number(band.tick));
        self.bands().iter().map(band).collect::<Vec<_>>().join(" ")
    }
}

/// Digits and zeros of a number that is not below 0.
fn digits_of(Ticks(number): Ticks) -> Option<(u16, u8)> {
    let (mut digits, mut zeros) = (number, 0);
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        zeros += 1;
    }
    u16::try_from(digits).ok().map(|digits| (digits, zeros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::InstrumentId;
    use proptest::prelude::*;

    /// RTS 11, Annex, of the most liquid shares (average daily number of trades from 9,000), in ticks of 0.0001.
    const MOST_LIQUID: &str = "0:0.0001 1:0.0002 2:0.0005 5:0.001 10:0.002 20:0.005 50:0.01 100:0.02 200:0.05 500:0.1 \
         1000:0.2 2000:0.5 5000:1 10000:2 20000:5 50000:10";
    const TICK_SIZE: i64 = 100_000;

    fn set(table: &TickTable) -> SetTickTable {
        SetTickTable {
            instrument: InstrumentId(0),
            count: table.bands().len() as u8,
            reserved: [0; 3],
            bands: table.packed().expect("few digits"),
        }
    }

    #[test]
    fn the_step_is_that_of_the_band() {
        let table = TickTable::parse(MOST_LIQUID, TICK_SIZE).expect("a table");
        for (price, step) in [
            (i64::MIN, 1),
            (0, 1),
            (9_999, 1),
            (10_000, 2),
            (19_999, 2),
            (20_000, 5),
            (999_999, 100),
            (1_000_000, 200),
            (499_999_999, 50_000),
            (500_000_000, 100_000),
            (i64::MAX, 100_000),
        ] {
            assert_eq!(table.tick_at(Ticks(price)), Ticks(step), "at {price}");
        }
        assert_eq!(table.format(TICK_SIZE), MOST_LIQUID);
        assert_eq!(TickTable::unpack(&set(&table)), Ok(Some(table)));
        assert_eq!(TickTable::unpack(&SetTickTable { count: 0, ..set(&table) }), Ok(None));
    }

    #[test]
    fn bands_that_make_no_table() {
        let many = (0..21).map(|n| format!("{n}:1 ")).collect::<String>();
        for (text, told) in [
            ("", "1 to 20 bands"),
            (many.as_str(), "1 to 20 bands"),
            ("1:0.01 1:0.02", "band 2 must begin above"),
            ("-1:0.01", "band 1 must begin above"),
            ("0:0", "step of band 1"),
            ("0:-0.01", "step of band 1"),
            ("0:0.01 1.005:0.005", "band 2 must begin at a multiple"),
            ("0:0.01 1.01:0.05", "band 2 must begin at a multiple"),
            ("0=0.01", "no colon"),
            ("0:x", "'0:x'"),
            ("0:0.00001", "'0:0.00001'"),
        ] {
            let error = TickTable::parse(text, TICK_SIZE).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let long = TickTable::parse("12.3457:0.0001", TICK_SIZE).expect("a table");
        assert_eq!(long.packed(), Err(TickTableError::Digits(1)));
        let good = set(&TickTable::parse("1:0.01", TICK_SIZE).expect("a table"));
        let packed = |band: PackedBand| {
            let mut set = good;
            set.bands[0] = band;
            TickTable::unpack(&set)
        };
        let band = good.bands[0];
        let far = PackedBand { from_zeros: 19, ..band };
        assert_eq!(packed(far), Err(TickTableError::Digits(1)));
        assert_eq!(packed(PackedBand { tick_zeros: 255, ..band }), Err(TickTableError::Digits(1)));
        let count = SetTickTable { count: 21, ..good };
        assert_eq!(TickTable::unpack(&count), Err(TickTableError::Count(21)));
    }

    proptest! {
        /// The naive twin walks all bands.
        #[test]
        fn the_step_is_that_of_the_last_band_that_has_begun(
            steps in prop::collection::vec((1_i64..50, 1_i64..8), 1..=TICK_BANDS_MAX),
            prices in prop::collection::vec(0_i64..1_000_000, 20),
        ) {
            let mut bands = Vec::new();
            let mut from = 0;
            for (step, tick) in steps {
                bands.push(TickBand { from: Ticks(from), tick: Ticks(tick) });
                from += step * 840;
            }
            let table = TickTable::new(&bands).expect("840 is a multiple of every step");
            for price in prices.into_iter().map(Ticks) {
                let mut naive = bands[0].tick;
                for band in &bands {
                    if band.from <= price {
                        naive = band.tick;
                    }
                }
                prop_assert_eq!(table.tick_at(price), naive);
            }
            if let Ok(packed) = table.packed() {
                prop_assert_eq!(TickTable::unpack(&SetTickTable { bands: packed, ..set(&table) }), Ok(Some(table)));
            }
            prop_assert_eq!(TickTable::parse(&table.format(TICK_SIZE), TICK_SIZE), Ok(table));
        }

        /// What comes from outside makes a table or an error.
        #[test]
        fn any_bytes_make_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), size_of::<SetTickTable>())) {
            let set: SetTickTable = bytemuck::pod_read_unaligned(&bytes);
            if let Ok(Some(table)) = TickTable::unpack(&set) {
                prop_assert!(table.bands().iter().all(|band| band.tick.0 > 0));
            }
        }
    }
}
