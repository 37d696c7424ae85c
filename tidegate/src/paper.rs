//! How the paper venue fills, as people say it: by which model, and what our own taking does to the price.

use crate::config::Decimal;
use crate::time_text::span;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use tidegate_model::command::{
    COEFFICIENT_E4_MAX, EXPONENT_E3_MAX, FLAG_FILL_ON_TOUCH, FillModelKind, HALF_LIFE_NS_MAX,
    SetFillModel, SetImpact, VOLATILITY_E6_MAX, VOLUME_SHARE_BP_MAX,
};
use tidegate_model::decimal::{format_nano, parse_nano};
use tidegate_model::{Command, Instrument, InstrumentId, Lots};

/// What 1e-3, 1e-4 and 1e-6 are in 1e-9.
const NANO_PER_E3: i64 = 1_000_000;
const NANO_PER_E4: i64 = 100_000;
const NANO_PER_E6: i64 = 1_000;
/// The exponent of a power unless it is said: hftbacktest's examples take 3.
const EXPONENT_E3_DEFAULT: u32 = 3_000;

/// A fill model by its name, for a power with its exponent: `power:2.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    kind: FillModelKind,
    exponent_e3: u32,
}

impl Model {
    /// The name of a model, and for `power` the exponent if it is not 3.
    ///
    /// # Errors
    /// What is needed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, exponent) = match text.split_once(':') {
            Some((name, exponent)) => (name, Some(exponent)),
            None => (text, None),
        };
        let kind = FillModelKind::ALL.iter().copied().find(|kind| kind.as_str() == name);
        let exponent_e3 = match (kind, exponent) {
            (Some(FillModelKind::Power), None) => Some(EXPONENT_E3_DEFAULT),
            (Some(FillModelKind::Power), Some(text)) => {
                let nano = parse_nano(text).ok().filter(|nano| nano % NANO_PER_E3 == 0);
                let e3 = nano.and_then(|nano| u32::try_from(nano / NANO_PER_E3).ok());
                e3.filter(|e3| (1..=EXPONENT_E3_MAX).contains(e3))
            }
            (_, exponent) => exponent.is_none().then_some(0),
        };
        match (kind, exponent_e3) {
            (Some(kind), Some(exponent_e3)) => Ok(Self { kind, exponent_e3 }),
            _ => {
                let names: Vec<_> = FillModelKind::ALL.iter().map(|kind| kind.as_str()).collect();
                Err(format!("one of {} is needed, or power:2.5 (0.001 to 10)", names.join(", ")))
            }
        }
    }

    /// It, for one instrument.
    pub fn of(self, instrument: InstrumentId) -> SetFillModel {
        let (model, exponent_e3) = (self.kind.wire(), self.exponent_e3);
        SetFillModel { instrument, model, exponent_e3, ..Default::default() }
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|needed| D::Error::custom(format!("'{text}': {needed}")))
    }
}

/// A decimal number as so many steps, at most `max`.
fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    step_nano: i64,
    max: u32,
) -> Result<u32, D::Error> {
    let Decimal(nano) = Decimal::deserialize(deserializer)?;
    let value = u32::try_from(nano / step_nano).ok();
    value.filter(|value| nano % step_nano == 0 && *value <= max).ok_or_else(|| {
        let text = |nano: i64| format_nano(nano.into());
        D::Error::custom(format!(
            "{} is not allowed: a multiple of {} from 0 to {}",
            text(nano),
            text(step_nano),
            text(step_nano * i64::from(max))
        ))
    })
}

fn volume_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, NANO_PER_E4, VOLUME_SHARE_BP_MAX)
}

fn volatility<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, NANO_PER_E6, VOLATILITY_E6_MAX)
}

fn coefficient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, NANO_PER_E4, COEFFICIENT_E4_MAX)
}

fn lasting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    span(&text).filter(|ns| *ns <= HALF_LIFE_NS_MAX).ok_or_else(|| {
        D::Error::custom(format!("'{text}': a span such as 10m, at most 168h, is needed"))
    })
}

/// `[instruments.paper]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaperEntry {
    /// The model; that of the data if absent.
    pub fill_model: Option<Model>,
    /// A trade at an order's price fills it: of quotes and bars.
    pub fill_on_touch: bool,
    /// Share of a bar's volume that our orders may take, in 1e-4; 0 for a tenth.
    #[serde(deserialize_with = "volume_share")]
    pub volume_share: u32,
    /// What our own taking does to the price.
    pub impact: Option<ImpactEntry>,
}

/// `[instruments.paper.impact]`
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImpactEntry {
    /// Units that the market trades in a day.
    daily_volume: Decimal,
    /// Standard deviation of a day's return, in 1e-6.
    #[serde(deserialize_with = "volatility")]
    daily_volatility: u32,
    /// What the law is multiplied with, in 1e-4.
    #[serde(default = "one", deserialize_with = "coefficient")]
    coefficient: u32,
    /// After which half of it is forgotten.
    #[serde(default, deserialize_with = "lasting")]
    half_life: u64,
}

fn one() -> u32 {
    10_000
}

impl PaperEntry {
    /// The commands that set it for an instrument.
    pub fn commands(&self, instrument: InstrumentId, terms: &Instrument) -> Vec<Command> {
        let set = self.fill_model.map(|model| model.of(instrument)).unwrap_or_default();
        let flags = if self.fill_on_touch { FLAG_FILL_ON_TOUCH } else { 0 };
        let fill = SetFillModel { instrument, flags, volume_share_bp: self.volume_share, ..set };
        let impact = self.impact.map_or(SetImpact::default(), |impact| SetImpact {
            instrument,
            volatility_e6: impact.daily_volatility,
            // A market of less than a lot a day has the impact of one.
            daily_volume: Lots((impact.daily_volume.0 / terms.lot_size_nano).max(1).unsigned_abs()),
            half_life_ns: impact.half_life,
            coefficient_e4: impact.coefficient,
            reserved: [0; 4],
        });
        let impact = SetImpact { instrument, ..impact };
        vec![Command::SetFillModel(fill), Command::SetImpact(impact)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_by_name() {
        let power = |exponent_e3| Some(Model { kind: FillModelKind::Power, exponent_e3 });
        for (text, want) in [
            ("log", Some(Model { kind: FillModelKind::Log, exponent_e3: 0 })),
            ("power", power(3_000)),
            ("power:2.5", power(2_500)),
            ("power:10", power(10_000)),
            ("power:10.001", None),
            ("power:0", None),
            ("power:0.0001", None),
            ("log:2", None),
            ("best", None),
        ] {
            assert_eq!(Model::parse(text).ok(), want, "{text}");
        }
        let told = Model::parse("best").expect_err("no such model");
        assert!(told.contains("risk_averse") && told.contains("power:2.5"), "{told}");
    }
}
