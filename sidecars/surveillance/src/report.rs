//! Messages into integers: 1e-9 of a unit for prices and quantities. What cannot be read is said, never guessed.

use std::collections::HashMap;
use tidegate_client::decimal::parse_nano;
use tidegate_client::proto::{CancelReason, ExecType, OrdStatus, OrderReport, OrderType, Side};

/// Instruments that are told apart, as many as an engine can define.
pub(crate) const SYMBOLS_MAX: usize = 16_384;
/// Bytes of a symbol: what the protocol allows.
const SYMBOL_LEN_MAX: usize = 24;

/// 1 in units of 1e-9.
pub(crate) const NANO: i64 = 1_000_000_000;

/// Types of order that nobody sees before their stop price is reached.
const WAITING: [OrderType; 6] = [
    OrderType::Stop,
    OrderType::StopLimit,
    OrderType::MarketIfTouched,
    OrderType::LimitIfTouched,
    OrderType::TrailingStop,
    OrderType::TrailingStopLimit,
];

/// What of a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub &'static str);

/// A symbol by number, from 0 in the order of their first mention.
pub(crate) type SymbolId = u32;

/// What is known of an instrument.
pub(crate) struct Listed {
    pub symbol: String,
    /// Units of the underlying per unit traded, in 1e-9.
    pub multiplier: i64,
    pub currency: String,
}

/// Every symbol that was heard.
#[derive(Default)]
pub(crate) struct Symbols {
    by_name: HashMap<String, SymbolId>,
    listed: Vec<Listed>,
}

impl Symbols {
    pub fn id(&mut self, symbol: &str) -> Result<SymbolId, Unreadable> {
        if let Some(id) = self.by_name.get(symbol) {
            return Ok(*id);
        }
        if symbol.is_empty() || symbol.len() > SYMBOL_LEN_MAX {
            return Err(Unreadable("symbol"));
        }
        if self.listed.len() == SYMBOLS_MAX {
            return Err(Unreadable("symbol beyond the bound of 16384"));
        }
        let id = self.listed.len() as SymbolId;
        self.by_name.insert(symbol.to_string(), id);
        let (symbol, currency) = (symbol.to_string(), String::new());
        self.listed.push(Listed { symbol, multiplier: NANO, currency });
        Ok(id)
    }

    pub fn get(&self, id: SymbolId) -> &Listed {
        &self.listed[id as usize]
    }

    pub fn get_mut(&mut self, id: SymbolId) -> &mut Listed {
        &mut self.listed[id as usize]
    }
}

/// An order as a report tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub order_id: u64,
    pub account: u32,
    pub symbol: SymbolId,
    /// 0 buys, 1 sells.
    pub side: usize,
    pub exec_type: ExecType,
    pub is_open: bool,
    pub qty: i64,
    pub leaves: i64,
    /// `None` for orders without a price of their own.
    pub price: Option<i64>,
    pub last_qty: i64,
    pub last_price: Option<i64>,
    pub parent_id: u64,
    pub cancel_reason: CancelReason,
    /// It is held outside the market until its stop price is reached.
    pub waits: bool,
}

fn qty(text: &str, name: &'static str) -> Result<i64, Unreadable> {
    parse_nano(text).ok().filter(|it| *it >= 0).ok_or(Unreadable(name))
}

fn price(text: &str, name: &'static str) -> Result<Option<i64>, Unreadable> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_nano(text).map(Some).map_err(|_| Unreadable(name))
}

impl Told {
    pub fn read(report: &OrderReport, symbols: &mut Symbols) -> Result<Self, Unreadable> {
        let side = match report.side() {
            Side::Buy => 0,
            Side::Sell => 1,
            Side::Unspecified => return Err(Unreadable("side")),
        };
        let is_open = match report.ord_status() {
            OrdStatus::Unspecified => return Err(Unreadable("ord_status")),
            OrdStatus::Filled | OrdStatus::Canceled | OrdStatus::Rejected | OrdStatus::Expired => {
                false
            }
            _ => true,
        };
        let last_qty = match report.last_qty.as_str() {
            "" => 0,
            text => qty(text, "last_qty")?,
        };
        let told = Self {
            order_id: report.order_id,
            account: report.account,
            symbol: symbols.id(&report.symbol)?,
            side,
            exec_type: report.exec_type(),
            is_open,
            qty: qty(&report.qty, "qty")?,
            leaves: qty(&report.leaves_qty, "leaves_qty")?,
            price: price(&report.price, "price")?,
            last_qty,
            last_price: price(&report.last_price, "last_price")?,
            parent_id: report.parent_id,
            cancel_reason: report.cancel_reason(),
            waits: WAITING.contains(&report.order_type()),
        };
        if told.exec_type == ExecType::Trade && told.last_price.is_none() {
            return Err(Unreadable("last_price"));
        }
        Ok(told)
    }
}

/// A number that a position or an open quantity may be below zero.
pub(crate) fn signed_qty(text: &str, name: &'static str) -> Result<i64, Unreadable> {
    parse_nano(text).map_err(|_| Unreadable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> OrderReport {
        OrderReport {
            order_id: 7,
            account: 1,
            symbol: "TIDE".into(),
            exec_type: ExecType::Trade.into(),
            ord_status: OrdStatus::PartiallyFilled.into(),
            side: Side::Sell.into(),
            qty: "100".into(),
            leaves_qty: "99.5".into(),
            last_qty: "0.5".into(),
            last_price: "-1.25".into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        fn check(change: impl FnOnce(&mut OrderReport), expected: Result<(), &'static str>) {
            let mut report = report();
            change(&mut report);
            let read = Told::read(&report, &mut Symbols::default());
            assert_eq!(read.map(drop), expected.map_err(Unreadable), "{report:?}");
        }
        check(|_| {}, Ok(()));
        check(|it| it.side = 0, Err("side"));
        check(|it| it.side = 77, Err("side"));
        check(|it| it.ord_status = 0, Err("ord_status"));
        check(|it| it.ord_status = -1, Err("ord_status"));
        check(|it| it.exec_type = 99, Ok(()));
        check(|it| it.symbol = String::new(), Err("symbol"));
        check(|it| it.symbol = "S".repeat(SYMBOL_LEN_MAX + 1), Err("symbol"));
        check(|it| it.qty = String::new(), Err("qty"));
        check(|it| it.qty = "-1".into(), Err("qty"));
        check(|it| it.leaves_qty = "9223372036.854775808".into(), Err("leaves_qty"));
        check(|it| it.last_qty = "1e3".into(), Err("last_qty"));
        check(|it| it.last_qty = String::new(), Ok(()));
        check(|it| it.price = "a".into(), Err("price"));
        check(|it| it.last_price = String::new(), Err("last_price"));
    }

    #[test]
    fn symbols_are_bounded() {
        let mut symbols = Symbols::default();
        for n in 0..SYMBOLS_MAX {
            assert_eq!(symbols.id(&format!("S{n}")), Ok(n as u32));
        }
        assert!(symbols.id("ONE").is_err());
        assert_eq!(symbols.id("S5"), Ok(5));
    }
}
