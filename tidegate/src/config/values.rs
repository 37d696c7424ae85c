//! The kinds of values that keys take, each with its rule.

use crate::calendar::{self, Calendar};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::net::SocketAddr;
use tidegate_edge::ActsFor;
use tidegate_model::command::{
    AccountKind, Action, BAND_PPM_MAX, ControlKind, CostMethod, ReferenceKind, Role,
};
use tidegate_model::decimal::{format_nano, parse_nano};
use tidegate_model::ids::Code;
use tidegate_model::instrument::{AssetClass, FEE_E8_MAX};
use tidegate_model::units::NANO;
use tidegate_model::{Money, PrincipalId, ReleaseLevel, Symbol};

/// A decimal number given as text, in 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub i64);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_nano(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Decimal {
    /// The amount in units of 1e-18.
    pub fn money(self) -> Money {
        Money(i128::from(self.0) * i128::from(NANO))
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    pub(super) const fn new(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX, "a default lies within its bounds");
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        match u64::try_from(value) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(D::Error::custom(format!("{value} is not allowed: {MIN} to {MAX}"))),
        }
    }
}

pub(super) fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let value = Decimal::deserialize(deserializer)?;
    if value.0 > 0 {
        return Ok(value);
    }
    Err(D::Error::custom(format!("{} is not allowed: above 0", format_nano(value.0.into()))))
}

pub(super) fn not_negative<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Decimal, D::Error> {
    let value = Decimal::deserialize(deserializer)?;
    if value.0 >= 0 {
        return Ok(value);
    }
    Err(D::Error::custom(format!("{} is not allowed: 0 or more", format_nano(value.0.into()))))
}

/// A fee on notional, given in basis points, kept in 1e-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeRate(pub i64);

impl<'de> Deserialize<'de> for FeeRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// 1e-8, the resolution of a rate, is so many 1e-9 of a basis point.
        const NANO_BP_PER_E8: i64 = 100_000;
        let Decimal(nano_bp) = Decimal::deserialize(deserializer)?;
        let rate = Self(nano_bp / NANO_BP_PER_E8);
        if nano_bp % NANO_BP_PER_E8 == 0 && (-FEE_E8_MAX..=FEE_E8_MAX).contains(&rate.0) {
            return Ok(rate);
        }
        Err(D::Error::custom(format!(
            "{} is not allowed: a multiple of 0.0001 basis points, -10000 to 10000",
            format_nano(nano_bp.into())
        )))
    }
}

pub(super) fn release_level<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ReleaseLevel, D::Error> {
    let text = String::deserialize(deserializer)?;
    ReleaseLevel::from_name(&text).ok_or_else(|| {
        let names: Vec<_> = ReleaseLevel::ALL.iter().map(|level| level.as_str()).collect();
        D::Error::custom(format!("'{text}' is no release level: {}", names.join(", ")))
    })
}

pub(super) fn acts_for<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ActsFor>, D::Error> {
    let [first, last] = <[u32; 2]>::deserialize(deserializer)?;
    ActsFor::new(PrincipalId(first), PrincipalId(last)).map(Some).map_err(D::Error::custom)
}

pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() >= TOKEN_LEN_MIN && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "a token needs at least {TOKEN_LEN_MIN} printable ASCII characters, this one has {}",
        text.len()
    )))
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!("'{text}' is not an address with a port such as 127.0.0.1:7800"))
    })
}

pub(super) fn address_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}

macro_rules! checked_text {
    ($function:ident, $id:ty) => {
        pub(super) fn $function<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<$id, D::Error> {
            <$id>::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    };
}
checked_text!(symbol, Symbol);
checked_text!(code, Code);

macro_rules! named {
    ($function:ident, $type:ty) => {
        pub(super) fn $function<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<$type, D::Error> {
            let text = String::deserialize(deserializer)?;
            <$type>::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                let all: Vec<_> = <$type>::ALL.iter().map(|value| value.as_str()).collect();
                D::Error::custom(format!("'{text}' is not allowed: one of {}", all.join(", ")))
            })
        }
    };
}
named!(role, Role);
named!(control_kind, ControlKind);
named!(asset_class, AssetClass);
named!(account_kind, AccountKind);
named!(cost_method, CostMethod);

macro_rules! named_if_any {
    ($function:ident, $named:ident, $type:ty) => {
        named!($named, $type);
        pub(super) fn $function<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<$type>, D::Error> {
            $named(deserializer).map(Some)
        }
    };
}
named_if_any!(action, an_action, Action);
named_if_any!(reference, a_reference, ReferenceKind);

/// An amount of money, not below 0: as many digits as a firm needs, and 9 decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Money);

impl std::str::FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// Digits before the point: less than a billion billions, so that no sum comes near the end of 128 bits.
        const WHOLE_DIGITS_MAX: usize = 18;
        let bad = || format!("'{text}' is not an amount such as 25000 or 0.5");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_whole = (1..=WHOLE_DIGITS_MAX).contains(&whole.len())
            && whole.bytes().all(|byte| byte.is_ascii_digit());
        let whole = whole.parse::<i128>().ok().filter(|_| is_whole).ok_or_else(bad)?;
        let nano = parse_nano(&format!("0.{fraction}")).map_err(|error| error.to_string())?;
        let nano = whole * i128::from(NANO) + i128::from(nano);
        Ok(Self(Money(nano * i128::from(NANO))))
    }
}

/// Characters a token has at least: too many to guess over a network.
const TOKEN_LEN_MIN: usize = 16;
/// A share of a price, given in per cent, kept in millionths; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(pub u32);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// One millionth is so many 1e-9 of a per cent.
        const NANO_PERCENT_PER_PPM: i64 = 100_000;
        let Decimal(nano) = Decimal::deserialize(deserializer)?;
        let ppm = u32::try_from(nano / NANO_PERCENT_PER_PPM).ok();
        let ppm = ppm.filter(|ppm| *ppm <= BAND_PPM_MAX && nano % NANO_PERCENT_PER_PPM == 0);
        ppm.map(Self).ok_or_else(|| {
            let text = format_nano(nano.into());
            D::Error::custom(format!("{text} is not allowed: 0 to 100 per cent, 4 decimals"))
        })
    }
}

pub(super) fn calendar<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static Calendar>, D::Error> {
    let code = String::deserialize(deserializer)?;
    let found = calendar::find(&code);
    found.map(Some).ok_or_else(|| {
        D::Error::custom(format!("'{code}' is not allowed: one of {}", calendar::codes()))
    })
}

pub(super) fn usd() -> Code {
    Code(*b"USD\0\0\0\0\0")
}

pub(super) fn zero() -> Decimal {
    Decimal(0)
}

/// A count as large as TOML has.
pub type Count64 = Within<0, { i64::MAX as u64 }>;
/// A count of 32 bits.
pub type Count32 = Within<0, { u32::MAX as u64 }>;
