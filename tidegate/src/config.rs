//! The server's configuration: one TOML file, every key documented in `default.toml` and defaulted here.
//!
//! A key that is not known and a value that is not allowed are errors that name the file, the line and what is
//! allowed: `serde` gives the place, the types below give the rule.

use crate::calendar::{self, Calendar};
use crate::latency::{Way, Ways};
use crate::paper::PaperEntry;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tidegate_model::command::{
    AccountKind, BAND_PPM_MAX, CostMethod, PAUSE_NS_MAX, ROUTES_MAX, Reason, SetBands, SetLimits,
    SetTickTable,
};
use tidegate_model::decimal::{format_nano, parse_nano, parse_ticks};
use tidegate_model::ids::Code;
use tidegate_model::instrument::{AssetClass, FEE_E8_MAX, venue_kind};
use tidegate_model::units::NANO;
use tidegate_model::{AccountId, Instrument, InstrumentId, Lots, Money, Symbol, TickTable, Ticks};
use toml::Spanned;

/// The commented default configuration, as `tidegate run --print-config` prints it.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

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
    const fn new(value: u64) -> Self {
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

fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let value = Decimal::deserialize(deserializer)?;
    if value.0 > 0 {
        return Ok(value);
    }
    Err(D::Error::custom(format!("{} is not allowed: above 0", format_nano(value.0.into()))))
}

fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
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

fn power_of_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrdersMax, D::Error> {
    let value = OrdersMax::deserialize(deserializer)?;
    if value.get().is_power_of_two() {
        return Ok(value);
    }
    Err(D::Error::custom(format!("{} is not allowed: a power of two", value.get())))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() >= TOKEN_LEN_MIN && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "a token needs at least {TOKEN_LEN_MIN} printable ASCII characters, this one has {}",
        text.len()
    )))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!("'{text}' is not an address with a port such as 127.0.0.1:7800"))
    })
}

fn address_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}

macro_rules! checked_text {
    ($function:ident, $id:ty) => {
        fn $function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$id, D::Error> {
            <$id>::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    };
}
checked_text!(symbol, Symbol);
checked_text!(code, Code);

macro_rules! named {
    ($function:ident, $type:ty) => {
        fn $function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
            let text = String::deserialize(deserializer)?;
            <$type>::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                let all: Vec<_> = <$type>::ALL.iter().map(|value| value.as_str()).collect();
                D::Error::custom(format!("'{text}' is not allowed: one of {}", all.join(", ")))
            })
        }
    };
}
named!(asset_class, AssetClass);
named!(account_kind, AccountKind);
named!(cost_method, CostMethod);

/// Characters a token has at least: too many to guess over a network.
const TOKEN_LEN_MIN: usize = 16;
/// Bounds of `engine.orders_max`.
pub type OrdersMax = Within<1_024, 4_194_304>;

/// How a polling thread waits for work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Never gives up its core: the lowest latency, and a core of its own.
    Spin,
    /// Offers its core to others between polls.
    Yield,
    /// Sleeps for some microseconds when there is nothing to do.
    #[default]
    Park,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The engine thread.
    pub engine: Engine,
    /// The paper venue.
    pub paper: Paper,
    /// The journal.
    pub journal: Journal,
    /// The market data feed.
    pub feed: Feed,
    /// The gRPC services.
    pub edge: Edge,
    /// Instruments to define at start, beside those that the feed defines.
    pub instruments: Vec<InstrumentEntry>,
    /// Accounts to open at start.
    pub accounts: Vec<AccountEntry>,
    /// Live routes, numbered from 0 in the order of the file; a new one goes to the end.
    pub routes: Vec<RouteEntry>,
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// The core to pin the engine thread to.
    pub pin_core: Option<usize>,
    /// How it waits for inputs.
    pub wait: Wait,
    /// Orders kept for the day.
    #[serde(deserialize_with = "power_of_two")]
    pub orders_max: OrdersMax,
    /// Displayed orders in all books.
    pub book_orders_max: Within<1_024, 268_435_456>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            pin_core: None,
            wait: Wait::default(),
            orders_max: Within::new(1 << 20),
            book_orders_max: Within::new(1 << 23),
        }
    }
}

/// `[paper]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paper {
    /// How long the market's news take to us.
    pub feed_latency: Way,
    /// How long requests take to the venue.
    pub entry_latency: Way,
    /// How long the venue's answers take to us.
    pub answer_latency: Way,
    /// Where random latencies begin.
    pub latency_seed: Count64,
}

impl Default for Paper {
    fn default() -> Self {
        let [feed_latency, entry_latency, answer_latency] = [0; 3].map(Way::Always);
        Self { feed_latency, entry_latency, answer_latency, latency_seed: Within::new(1) }
    }
}

impl Paper {
    /// The ways to the venue and back.
    pub fn ways(&self) -> Ways {
        Ways {
            feed: self.feed_latency.clone(),
            entry: self.entry_latency.clone(),
            answer: self.answer_latency.clone(),
            seed: self.latency_seed.get(),
        }
    }
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Where it lives.
    pub dir: PathBuf,
    /// Size of one segment.
    pub segment_mib: Within<1, 1_024>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { dir: PathBuf::from("data/journal"), segment_mib: Within::new(64) }
    }
}

/// `[feed]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// Where line A arrives; no feed without it.
    #[serde(deserialize_with = "address_if_any")]
    pub line_a: Option<SocketAddr>,
    /// Where line B arrives.
    #[serde(deserialize_with = "address_if_any")]
    pub line_b: Option<SocketAddr>,
    /// The local address whose interface multicast groups are joined on.
    pub interface: Option<Ipv4Addr>,
    /// Whom to ask for lost messages.
    #[serde(deserialize_with = "address_if_any")]
    pub rerequest: Option<SocketAddr>,
    /// Midnight of every session, as seconds since the Unix epoch; the last in New York before each if absent.
    pub midnight_unix_s: Option<Within<0, 7_258_118_400>>,
}

/// `[edge]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// Where gRPC listens.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Who may change state.
    pub tokens: Vec<Token>,
}

impl Default for Edge {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7_800)), tokens: Vec::new() }
    }
}

/// `[[edge.tokens]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The secret, at least 16 characters.
    #[serde(deserialize_with = "secret")]
    pub token: String,
    /// The principal it stands for.
    pub principal: u32,
    /// A name for logs.
    pub name: String,
    /// True if it may use the administrative calls: instruments, accounts, limits, kill switch.
    #[serde(default)]
    pub may_administer: bool,
}

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

fn calendar<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static Calendar>, D::Error> {
    let code = String::deserialize(deserializer)?;
    let found = calendar::find(&code);
    found.map(Some).ok_or_else(|| {
        D::Error::custom(format!("'{code}' is not allowed: one of {}", calendar::codes()))
    })
}

fn usd() -> Code {
    Code(*b"USD\0\0\0\0\0")
}

fn zero() -> Decimal {
    Decimal(0)
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

/// The venues that a route can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteVenue {
    /// Another Tidegate, over its gRPC edge.
    Tidegate,
}

/// `[[routes]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    /// What instruments call it.
    pub name: String,
    /// What it leads to.
    pub venue: RouteVenue,
    /// Where that is.
    pub address: String,
    /// The token to trade with there.
    #[serde(deserialize_with = "secret")]
    pub token: String,
    /// The account there, which nobody else trades in.
    pub account: Within<0, { AccountId::COUNT_MAX as u64 - 1 }>,
    /// Longest wait for one answer.
    #[serde(default = "RouteEntry::timeout")]
    pub timeout_ms: Within<10, 600_000>,
    /// How long a request of a broken connection may still be under way there.
    #[serde(default = "RouteEntry::settle")]
    pub settle_ms: Within<10, 600_000>,
    /// Most requests a second.
    #[serde(default = "RouteEntry::requests")]
    pub requests_per_sec: Within<1, 100_000>,
    /// Cancel open orders there that did not come from here.
    #[serde(default)]
    pub cancel_foreign: bool,
}

impl RouteEntry {
    const fn timeout() -> Within<10, 600_000> {
        Within::new(5_000)
    }
    const fn settle() -> Within<10, 600_000> {
        Within::new(500)
    }
    const fn requests() -> Within<1, 100_000> {
        Within::new(100)
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

/// `[[accounts]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Its number.
    pub id: Within<0, { AccountId::COUNT_MAX as u64 - 1 }>,
    /// Its currency.
    #[serde(default = "usd", deserialize_with = "code")]
    pub currency: Code,
    /// What it must have for what it trades.
    #[serde(default = "AccountEntry::cash_kind", deserialize_with = "account_kind")]
    pub kind: AccountKind,
    /// What of a position goes when a part of it is closed.
    #[serde(default = "AccountEntry::average", deserialize_with = "cost_method")]
    pub cost_method: CostMethod,
    /// Cash paid in when it is opened.
    #[serde(deserialize_with = "not_negative")]
    pub cash: Decimal,
    /// Its limits; without them it may not trade.
    pub limits: Option<LimitsEntry>,
}

impl AccountEntry {
    fn cash_kind() -> AccountKind {
        AccountKind::Cash
    }
    fn average() -> CostMethod {
        CostMethod::Average
    }

    /// Its number, as the engine has it.
    pub fn account(&self) -> AccountId {
        AccountId(self.id.get() as u32)
    }
}

/// `[accounts.limits]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Largest notional of one order.
    #[serde(deserialize_with = "not_negative")]
    pub max_order_notional: Decimal,
    /// Largest quantity of one order, in lots.
    pub max_order_qty: Count64,
    /// Largest position in one instrument, in lots.
    pub max_position: Count64,
    /// Exposure allowed above the account's own funds.
    #[serde(default = "zero", deserialize_with = "not_negative")]
    pub credit: Decimal,
    /// Widest aggressive distance from the reference price, in basis points.
    pub price_collar_bp: Count32,
    /// Most open orders.
    pub max_open_orders: Count32,
    /// Orders, cancels and replaces a second.
    pub messages_per_sec: Count32,
    /// How many of them may come at once.
    pub message_burst: Count32,
}

impl LimitsEntry {
    /// The limits as the engine takes them.
    pub fn of(&self, account: AccountId) -> SetLimits {
        SetLimits {
            max_order_notional: self.max_order_notional.money(),
            credit: self.credit.money(),
            max_order_qty: Lots(self.max_order_qty.get()),
            max_position: Lots(self.max_position.get()),
            price_collar_bp: self.price_collar_bp.get() as u32,
            max_open_orders: self.max_open_orders.get() as u32,
            messages_per_sec: self.messages_per_sec.get() as u32,
            message_burst: self.message_burst.get() as u32,
            account,
            reserved: [0; 12],
            reason: Reason::EMPTY,
        }
    }
}

/// A count as large as TOML has.
pub type Count64 = Within<0, { i64::MAX as u64 }>;
/// A count of 32 bits.
pub type Count32 = Within<0, { u32::MAX as u64 }>;

/// Where the entries stand that are checked as a whole: in the order in which [`Config`] has them.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    instruments: Vec<InstrumentPlace>,
    #[serde(default)]
    accounts: Vec<AccountPlace>,
}

#[derive(Deserialize)]
struct InstrumentPlace {
    symbol: Spanned<IgnoredAny>,
    tick: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
struct AccountPlace {
    id: Spanned<IgnoredAny>,
}

/// MiB that a configuration may have: far more than any has, and soon read.
const FILE_MIB_MAX: u64 = 1;

/// Reads the text of `path`, which may be a device or a pipe that has no end.
fn read_text(path: &Path) -> Result<String> {
    let len_max = FILE_MIB_MAX * 1024 * 1024;
    let mut bytes = Vec::new();
    File::open(path)?.take(len_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > len_max {
        bail!("it is longer than {FILE_MIB_MAX} MiB, the most a configuration may have");
    }
    String::from_utf8(bytes).context("it is not text in UTF-8")
}

impl Config {
    /// An instrument of this configuration as the engine takes it, with its route.
    pub fn terms(&self, entry: &InstrumentEntry) -> Result<Instrument> {
        let terms = entry.instrument()?;
        let Some(name) = &entry.route else { return Ok(terms) };
        ensure!(
            entry.venue_kind != Venue::Internal,
            "instrument {}: a market of the house has no route",
            entry.symbol
        );
        let route = self.routes.iter().position(|route| route.name == *name);
        let route = route.with_context(|| {
            format!("instrument {}: route '{name}' is not in [[routes]]", entry.symbol)
        })?;
        let route = u8::try_from(route).unwrap_or(u8::MAX);
        let routed = Instrument { venue_kind: venue_kind::ROUTE, route, ..terms };
        routed.checked().with_context(|| format!("instrument {}", entry.symbol))
    }

    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| {
            format!(
                "the configuration {} is not valid (tidegate run --print-config shows every key)",
                path.display()
            )
        })
    }

    /// Parses and checks the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        let places: Places = toml::from_str(text)?;
        let line_of = |place: &Spanned<IgnoredAny>| {
            let before = text.get(..place.span().start).unwrap_or(text);
            before.matches('\n').count() + 1
        };
        let mut lines = BTreeMap::new();
        for (entry, place) in config.instruments.iter().zip(&places.instruments) {
            let line = line_of(place.tick.as_ref().unwrap_or(&place.symbol));
            config.terms(entry).with_context(|| format!("line {line}"))?;
            let line = line_of(&place.symbol);
            if let Some(first) = lines.insert(entry.symbol, line) {
                bail!("line {line}: instrument {} is there already, at line {first}", entry.symbol);
            }
        }
        let mut lines = BTreeMap::new();
        for (entry, place) in config.accounts.iter().zip(&places.accounts) {
            let (id, line) = (entry.id.get(), line_of(&place.id));
            if let Some(first) = lines.insert(id, line) {
                bail!("line {line}: account {id} is there already, at line {first}");
            }
        }
        for (at, route) in config.routes.iter().enumerate() {
            if config.routes[..at].iter().any(|other| other.name == route.name) {
                bail!("route '{}' is in [[routes]] twice", route.name);
            }
        }
        if config.routes.len() > ROUTES_MAX {
            bail!("{} [[routes]] are too many: at most {ROUTES_MAX}", config.routes.len());
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_file_says_what_the_defaults_are() {
        let uncommented: String = DEFAULT_TOML
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Config::parse(DEFAULT_TOML).expect("valid"), Config::default());
        let full = Config::parse(&uncommented).expect("the commented examples are valid");
        assert_eq!(full.instruments.len(), 2);
        assert_eq!(full.accounts.len(), 1);
        assert_eq!(full.routes.len(), 1);
    }

    #[test]
    fn wrong_key_names_line_and_what_is_allowed() {
        let error = Config::parse("[engine]\nwait = 'park'\nspeed = 3\n").expect_err("unknown key");
        let text = format!("{error:#}");
        assert!(text.contains("line 3"), "{text}");
        assert!(text.contains("orders_max"), "{text}");
    }

    #[test]
    fn wrong_value_names_line_and_what_is_allowed() {
        let error = Config::parse("[engine]\nwait = 'sleep'\n").expect_err("unknown value");
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains("`park`"), "{text}");
        let error = Config::parse("[engine]\norders_max = 5000\n").expect_err("not a power");
        assert!(format!("{error:#}").contains("power of two"));
    }
}
