//! One line of input: what it asks, with every number exactly as written.

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt::Display;
use tidegate_engine::matching::Phase;
use tidegate_model::Side;
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::decimal::{DecimalError, parse_nano};

/// Why a line is no request.
#[derive(Debug)]
pub struct Fault {
    /// Where, from 1; 0 for the line as a whole.
    pub column: usize,
    pub why: String,
}

impl Fault {
    pub fn whole(why: impl Into<String>) -> Self {
        Self { column: 0, why: why.into() }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // The library counts lines within the line, which says nothing here.
        let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
        Self { column: error.column(), why: why.to_string() }
    }
}

/// What a line asks.
#[derive(Debug)]
pub enum Request {
    New(Box<New>),
    Cancel(Cancel),
    Replace(Replace),
    MassCancel(MassCancel),
    Phase(Phase),
    Time(u64),
    Bands(Option<(Nano, Nano)>),
    Reference(Nano),
}

/// A price or quantity in units of 1e-9.
#[derive(Clone, Copy, Debug)]
pub struct Nano(pub i64);

/// A quantity in units of 1e-9, not below 0.
#[derive(Clone, Copy, Debug)]
pub struct NanoQty(pub i64);

/// The distance of a trailing stop.
#[derive(Clone, Copy, Debug)]
pub enum TrailText {
    Price(Nano),
    Ppm(i64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    pub id: u64,
    #[serde(default)]
    pub account: u32,
    #[serde(deserialize_with = "side")]
    pub side: Side,
    #[serde(rename = "type", deserialize_with = "order_type")]
    pub order_type: OrderType,
    pub qty: NanoQty,
    pub price: Option<Nano>,
    #[serde(default = "until_canceled", deserialize_with = "time_in_force")]
    pub tif: TimeInForce,
    pub expire_ns: Option<u64>,
    pub stop_price: Option<Nano>,
    pub trail: Option<TrailText>,
    #[serde(default, deserialize_with = "peg")]
    pub peg: Option<PegKind>,
    pub offset: Option<Nano>,
    pub display_qty: Option<NanoQty>,
    pub min_qty: Option<NanoQty>,
    #[serde(default)]
    pub hidden: bool,
    #[serde(default, deserialize_with = "post_only")]
    pub post_only: Option<PostOnly>,
    #[serde(default, deserialize_with = "self_trade")]
    pub stp: Option<SelfTrade>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    pub id: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    pub id: u64,
    pub qty: NanoQty,
    pub price: Option<Nano>,
    pub stop_price: Option<Nano>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MassCancel {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    pub account: Option<u32>,
    #[serde(default, deserialize_with = "some_side")]
    pub side: Option<Side>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    #[serde(deserialize_with = "phase")]
    to: Phase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    ns: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bands {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    low: Option<Nano>,
    high: Option<Nano>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[expect(dead_code, reason = "read before")]
    op: IgnoredAny,
    price: Nano,
}

/// What every line has.
#[derive(Deserialize)]
struct Head {
    op: Op,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    New,
    Cancel,
    Replace,
    MassCancel,
    Phase,
    Time,
    Bands,
    Reference,
}

/// Reads one line.
///
/// # Errors
/// Where it is not JSON, and which field is missing, unknown, given twice or no value of its kind.
pub fn parse(line: &[u8]) -> Result<Request, Fault> {
    let head: Head = serde_json::from_slice(line)?;
    Ok(match head.op {
        Op::New => Request::New(complete(serde_json::from_slice(line)?)?),
        Op::Cancel => Request::Cancel(serde_json::from_slice(line)?),
        Op::Replace => Request::Replace(serde_json::from_slice(line)?),
        Op::MassCancel => Request::MassCancel(serde_json::from_slice(line)?),
        Op::Phase => Request::Phase(serde_json::from_slice::<Step>(line)?.to),
        Op::Time => Request::Time(serde_json::from_slice::<Time>(line)?.ns),
        Op::Reference => Request::Reference(serde_json::from_slice::<Reference>(line)?.price),
        Op::Bands => {
            let Bands { low, high, .. } = serde_json::from_slice(line)?;
            match (low, high) {
                (None, None) => Request::Bands(None),
                (Some(low), Some(high)) if low.0 <= high.0 => Request::Bands(Some((low, high))),
                (Some(_), Some(_)) => return Err(Fault::whole("low is above high")),
                (None, _) => return Err(Fault::whole("missing field `low`")),
                (_, None) => return Err(Fault::whole("missing field `high`")),
            }
        }
    })
}

/// Asks for the fields that the order's type and time in force cannot do without.
fn complete(mut new: Box<New>) -> Result<Box<New>, Fault> {
    use OrderType as T;
    let of_type = new.order_type;
    if new.peg.is_some() && matches!(of_type, T::Market | T::Limit) {
        new.order_type = T::Pegged;
    }
    let has_price = new.price.is_some();
    let needed = match new.order_type {
        T::Market | T::MarketToLimit => [None, None],
        T::Limit => [(!has_price).then_some("price"), None],
        T::Stop | T::MarketIfTouched => [new.stop_price.is_none().then_some("stop_price"), None],
        T::StopLimit | T::LimitIfTouched => {
            [(!has_price).then_some("price"), new.stop_price.is_none().then_some("stop_price")]
        }
        T::TrailingStop => [new.trail.is_none().then_some("trail"), None],
        T::TrailingStopLimit => [
            new.trail.is_none().then_some("trail"),
            (!has_price && new.offset.is_none()).then_some("price"),
        ],
        T::Pegged => [new.peg.is_none().then_some("peg"), None],
    };
    if let Some(field) = needed.into_iter().flatten().next() {
        return Err(Fault::whole(format!("missing field `{field}` of a {of_type} order")));
    }
    if new.tif == TimeInForce::Gtd && new.expire_ns.is_none() {
        return Err(Fault::whole("missing field `expire_ns` of a gtd order"));
    }
    Ok(new)
}

/// A number or a text, as written.
fn decimal_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(from)?;
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(D::Error::custom),
        Some(b'-' | b'0'..=b'9') => Ok(text.to_string()),
        _ => Err(D::Error::custom("a number or a decimal text is needed")),
    }
}

impl<'de> Deserialize<'de> for Nano {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parse_nano(&decimal_text(from)?).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for NanoQty {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = decimal_text(from)?;
        match parse_nano(&text) {
            Ok(nano) if nano < 0 => Err(D::Error::custom(DecimalError::Negative(text))),
            Ok(nano) => Ok(Self(nano)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

impl<'de> Deserialize<'de> for TrailText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = decimal_text(from)?;
        let Some(per_cent) = text.strip_suffix('%') else {
            return parse_nano(&text).map(|nano| Self::Price(Nano(nano))).map_err(D::Error::custom);
        };
        // 1 % is 10,000 millionths.
        const NANO_PER_PPM: i64 = 1_000_000_000 / 10_000;
        let nano = parse_nano(per_cent).map_err(D::Error::custom)?;
        if nano % NANO_PER_PPM != 0 {
            return Err(D::Error::custom(format!("{text} has more than four decimals")));
        }
        Ok(Self::Ppm(nano / NANO_PER_PPM))
    }
}

/// One of `all` by its name.
fn named<'de, D: Deserializer<'de>, T: Copy + Display>(from: D, all: &[T]) -> Result<T, D::Error> {
    let name = String::deserialize(from)?;
    let known = all.iter().copied().find(|value| value.to_string() == name);
    known.ok_or_else(|| {
        let names = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        D::Error::custom(format!("'{name}' is none of {names}"))
    })
}

/// One of `all` by its name, or nothing for `null`.
fn some_named<'de, D: Deserializer<'de>, T: Copy + Display>(
    from: D,
    all: &[T],
) -> Result<Option<T>, D::Error> {
    let Some(name) = Option::<String>::deserialize(from)? else { return Ok(None) };
    named(serde::de::value::StringDeserializer::new(name), all).map(Some)
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

fn until_canceled() -> TimeInForce {
    TimeInForce::Gtc
}

fn side<'de, D: Deserializer<'de>>(from: D) -> Result<Side, D::Error> {
    named(from, &SIDES)
}

fn some_side<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Side>, D::Error> {
    some_named(from, &SIDES)
}

fn order_type<'de, D: Deserializer<'de>>(from: D) -> Result<OrderType, D::Error> {
    named(from, OrderType::ALL)
}

fn time_in_force<'de, D: Deserializer<'de>>(from: D) -> Result<TimeInForce, D::Error> {
    some_named(from, TimeInForce::ALL).map(|life| life.unwrap_or_else(until_canceled))
}

fn peg<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PegKind>, D::Error> {
    some_named(from, PegKind::ALL)
}

fn post_only<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PostOnly>, D::Error> {
    some_named(from, PostOnly::ALL)
}

fn self_trade<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SelfTrade>, D::Error> {
    some_named(from, SelfTrade::ALL)
}

fn phase<'de, D: Deserializer<'de>>(from: D) -> Result<Phase, D::Error> {
    named(from, Phase::ALL)
}
