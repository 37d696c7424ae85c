//! Between the protocol's words and the desk's.

use super::{Book, Desk, Heard, Level, Order, Report, Request, Trade};
use crate::ClientError;
use crate::proto::event::Body;
use crate::proto::order_request::Request as Asked;
use crate::proto::{self, cancel_order_request, replace_order_request};
use std::collections::BTreeMap;
use tidegate_model::event::{ExecType, OrdStatus};
use tidegate_model::instrument::{AssetClass, Settlement, venue_kind};
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    Instrument, InstrumentId, Money, RejectReason, Side, Symbol, Ticks, UnixNanos, decimal,
    ids::Code, units::MONEY_PER_UNIT,
};

/// Which of the desk's instruments a symbol is.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<String, (InstrumentId, Instrument)>);

/// A number of the wire as one of its enum.
fn from_wire<T>(number: i32, known: fn(u8) -> Option<T>) -> Option<T> {
    u8::try_from(number).ok().and_then(known)
}

impl Symbols {
    /// Takes in an instrument that becomes the desk's next; `None` if it is there already.
    pub fn add(&mut self, told: &proto::Instrument) -> Result<Option<Instrument>, ClientError> {
        if self.0.contains_key(&told.symbol) {
            return Ok(None);
        }
        let terms = terms(told)?;
        let id = InstrumentId(self.0.len() as u32);
        self.0.insert(told.symbol.clone(), (id, terms));
        Ok(Some(terms))
    }

    fn get(&self, symbol: &str) -> Option<(InstrumentId, &Instrument)> {
        self.0.get(symbol).map(|(id, terms)| (*id, terms))
    }

    /// A quote of one of our instruments.
    pub fn book(&self, quote: &proto::Quote) -> Result<Option<Heard>, ClientError> {
        let Some((id, terms)) = self.get(&quote.symbol) else { return Ok(None) };
        let level = |price: &str, qty: &str| {
            if price.is_empty() {
                return Ok(None);
            }
            Ok::<_, ClientError>(Some(Level {
                price: terms.parse_price(price)?,
                qty: terms.parse_qty(qty)?,
            }))
        };
        let status = from_wire(quote.status, TradingStatus::from_wire);
        let book = Book {
            bid: level(&quote.bid_price, &quote.bid_qty)?,
            ask: level(&quote.ask_price, &quote.ask_qty)?,
            // Where the feed has not said, orders are taken.
            is_trading: status.is_none_or(|status| status == TradingStatus::Trading),
            last: match quote.last_price.as_str() {
                "" => None,
                text => Some(terms.parse_price(text)?),
            },
        };
        Ok(Some(Heard::Book(id, book)))
    }

    /// A trade of one of our instruments.
    pub fn trade(&self, trade: &proto::Trade) -> Result<Option<Heard>, ClientError> {
        let Some((instrument, terms)) = self.get(&trade.symbol) else { return Ok(None) };
        Ok(Some(Heard::Trade(Trade {
            instrument,
            price: terms.parse_price(&trade.price)?,
            qty: terms.parse_qty(&trade.qty)?,
            aggressor: from_wire(trade.aggressor, Side::from_wire),
            ts_event: UnixNanos(trade.ts_event),
        })))
    }

    /// An event about us.
    pub fn event(&self, event: &proto::Event, desk: &Desk) -> Result<Option<Heard>, ClientError> {
        match &event.body {
            Some(Body::Execution(order)) => self.report(order, desk, true),
            Some(Body::CancelReject(order)) => self.report(order, desk, false),
            Some(Body::PositionReport(position)) => {
                let Some((id, terms)) = self.get(&position.symbol) else { return Ok(None) };
                Ok(Some(Heard::Position(id, lots(terms, &position.qty)?)))
            }
            Some(Body::AccountReport(account)) => cash(account),
            _ => Ok(None),
        }
    }

    fn report(
        &self,
        order: &proto::OrderReport,
        desk: &Desk,
        is_execution: bool,
    ) -> Result<Option<Heard>, ClientError> {
        let Some(key) = desk.key_of(&order.client_order_id) else { return Ok(None) };
        // The refusal of a change of an order that the engine does not know has no symbol.
        let Some((instrument, terms)) = self.get(&order.symbol) else {
            let (reject, change) = (reject(order), Request::Cancel(key));
            let refusal = desk.refusal(&change);
            return Ok(refusal.map(|refusal| Heard::Report(Report { reject, ..refusal })));
        };
        let wrong = |part| ClientError::Protocol { call: "OrderReport", part };
        let qty = |text: &str| Ok::<_, ClientError>(terms.parse_qty(text)?);
        let price = |text: &str| match text {
            "" => Ok(Ticks::ZERO),
            text => Ok::<_, ClientError>(terms.parse_price(text)?),
        };
        let exec_type = from_wire(order.exec_type, ExecType::from_wire);
        Ok(Some(Heard::Report(Report {
            key,
            instrument,
            side: from_wire(order.side, Side::from_wire).ok_or(wrong("side"))?,
            exec_type: exec_type.filter(|_| is_execution),
            status: from_wire(order.ord_status, OrdStatus::from_wire).ok_or(wrong("ord_status"))?,
            price: price(&order.price)?,
            cum_qty: qty(&order.cum_qty)?,
            leaves_qty: qty(&order.leaves_qty)?,
            last_qty: qty(&order.last_qty)?,
            last_price: price(&order.last_price)?,
            reject: reject(order),
        })))
    }

    /// A request as it goes out.
    pub fn request(&self, desk: &Desk, request: Request) -> proto::OrderRequest {
        let account = desk.account();
        let text_of = |id: InstrumentId| desk.terms(id).symbol.as_str().to_string();
        let request = match request {
            Request::Submit(key, order) => {
                let Order { instrument, side, qty, price, time_in_force } = order;
                let terms = desk.terms(instrument);
                let order_type = match price {
                    Some(_) => proto::OrderType::Limit,
                    None => proto::OrderType::Market,
                };
                Asked::Submit(proto::SubmitOrderRequest {
                    account,
                    symbol: text_of(instrument),
                    client_order_id: desk.name(key).as_str().to_string(),
                    side: side.wire().into(),
                    order_type: order_type.into(),
                    time_in_force: time_in_force.wire().into(),
                    qty: terms.format_qty(qty),
                    price: price.map(|price| terms.format_price(price)).unwrap_or_default(),
                    // Whatever happens to us, our orders do not outlive us.
                    cancel_on_disconnect: true,
                    ..Default::default()
                })
            }
            Request::Replace(key, instrument, qty, price) => {
                let terms = desk.terms(instrument);
                let name = desk.name(key).as_str().to_string();
                Asked::Replace(proto::ReplaceOrderRequest {
                    account,
                    order: Some(replace_order_request::Order::ClientOrderId(name)),
                    symbol: text_of(instrument),
                    qty: terms.format_qty(qty),
                    price: terms.format_price(price),
                    stop_price: String::new(),
                })
            }
            Request::Cancel(key) => {
                let name = desk.name(key).as_str().to_string();
                Asked::Cancel(proto::CancelOrderRequest {
                    account,
                    order: Some(cancel_order_request::Order::ClientOrderId(name)),
                })
            }
            Request::CancelAll => Asked::MassCancel(proto::MassCancelRequest {
                account: Some(account),
                ..Default::default()
            }),
        };
        proto::OrderRequest { request: Some(request) }
    }
}

fn reject(order: &proto::OrderReport) -> Option<RejectReason> {
    let reject = order.reject.as_ref()?;
    // A reason that is newer than this client is a refusal all the same.
    Some(from_wire(reject.reason, RejectReason::from_wire).unwrap_or(RejectReason::BadField))
}

/// A signed quantity in lots; what the engine holds is a whole number of them.
pub(super) fn lots(terms: &Instrument, text: &str) -> Result<i64, ClientError> {
    Ok(decimal::parse_nano(text)? / terms.lot_size_nano)
}

/// The cash of an account in its base currency; `None` if it is in another.
pub(super) fn cash(account: &proto::AccountReport) -> Result<Option<Heard>, ClientError> {
    if account.currency != account.base_currency {
        return Ok(None);
    }
    let wrong = ClientError::Protocol { call: "AccountReport", part: "amount" };
    Ok(Some(Heard::Cash(money(&account.cash).ok_or(wrong)?)))
}

/// An amount of money, to the last of its 18 decimals.
fn money(text: &str) -> Option<Money> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number || fraction.len() > 18 {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<18}").parse().ok()?;
    let units = whole.parse::<i128>().ok()?.checked_mul(MONEY_PER_UNIT)?.checked_add(fraction)?;
    Some(Money(if text.starts_with('-') { -units } else { units }))
}

/// An instrument's terms as integers: what one tick and one lot are, and what an order's price and quantity must be
/// multiples of.
///
/// # Errors
/// [`ClientError::Decimal`], [`ClientError::Terms`] if a server gave what no engine holds.
pub(super) fn terms(told: &proto::Instrument) -> Result<Instrument, ClientError> {
    let wrong = |part| ClientError::Protocol { call: "Instrument", part };
    let code = |text: &str, part| Code::new(text).map_err(|_| wrong(part));
    let tick_size_nano = decimal::parse_nano(&told.tick_size)?;
    let lot_size_nano = decimal::parse_nano(&told.lot_size)?;
    if tick_size_nano <= 0 || lot_size_nano <= 0 {
        return Err(wrong("tick_size and lot_size above 0"));
    }
    let decimals = |digits: u32| u8::try_from(digits.min(9)).unwrap_or(9);
    // Rates come in units of one, and are kept in 1e-8.
    let rate = |text: &str| Ok::<_, ClientError>(decimal::parse_nano(text)? / 10);
    let asset_class = from_wire(told.asset_class, AssetClass::from_wire);
    let terms = Instrument {
        symbol: Symbol::new(&told.symbol).map_err(|_| wrong("symbol"))?,
        venue: code(&told.venue, "venue")?,
        currency: code(&told.currency, "currency")?,
        tick_size_nano,
        lot_size_nano,
        multiplier_nano: decimal::parse_nano(&told.multiplier)?,
        order_tick: decimal::parse_ticks(&told.order_tick, tick_size_nano)?,
        order_tick_from: decimal::parse_ticks(&told.order_tick_from, tick_size_nano)?,
        order_lot: decimal::parse_lots(&told.order_lot, lot_size_nano)?,
        maker_fee_e8: rate(&told.maker_fee_rate)?,
        taker_fee_e8: rate(&told.taker_fee_rate)?,
        asset_class: asset_class.unwrap_or(AssetClass::Equity).wire(),
        venue_kind: venue_kind::PAPER,
        price_scale: decimals(told.price_decimals),
        qty_scale: decimals(told.qty_decimals),
        settlement: from_wire(told.settlement, Settlement::from_wire).map_or(0, Settlement::wire),
        route: 0,
        reserved: [0; 2],
        money_per_tick_lot: 0,
    };
    Ok(terms.checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{Lots, OrderKey, TimeInForce};

    fn share() -> proto::Instrument {
        proto::Instrument {
            symbol: "ACME".into(),
            venue: "XNAS".into(),
            currency: "USD".into(),
            asset_class: proto::AssetClass::Equity.into(),
            tick_size: "0.0001".into(),
            lot_size: "1".into(),
            multiplier: "1".into(),
            order_tick: "0.01".into(),
            order_tick_from: "1.0000".into(),
            order_lot: "1".into(),
            maker_fee_rate: "-0.00002".into(),
            taker_fee_rate: "0.00003".into(),
            price_decimals: 4,
            qty_decimals: 0,
            settlement: proto::Settlement::Paid.into(),
            ..Default::default()
        }
    }

    fn symbols() -> (Symbols, Desk, Instrument) {
        let (mut symbols, mut desk) = (Symbols::default(), Desk::new(1, "t"));
        let terms = symbols.add(&share()).expect("valid").expect("new");
        assert!(symbols.add(&share()).expect("valid").is_none(), "told twice");
        desk.list(terms, 0);
        (symbols, desk, terms)
    }

    #[test]
    fn terms_come_back_as_the_engine_has_them() {
        let expected = Instrument {
            maker_fee_e8: -2_000,
            taker_fee_e8: 3_000,
            ..Instrument::us_equity(Symbol::new("ACME").expect("valid"))
        };
        assert_eq!(terms(&share()).expect("valid"), expected.checked().expect("valid"));
        for (field, wrong) in [
            ("tick", proto::Instrument { tick_size: "0".into(), ..share() }),
            ("lot", proto::Instrument { lot_size: "-1".into(), ..share() }),
            ("symbol", proto::Instrument { symbol: "A B".into(), ..share() }),
            ("order_tick", proto::Instrument { order_tick: "0.00015".into(), ..share() }),
            ("order_lot", proto::Instrument { order_lot: "0".into(), ..share() }),
            ("multiplier", proto::Instrument { multiplier: "0".into(), ..share() }),
        ] {
            assert!(terms(&wrong).is_err(), "{field}");
        }
    }

    #[test]
    fn cash_is_exact_and_of_the_base_currency() {
        for (text, expected) in [
            ("0.00", Some(0)),
            ("-12.50", Some(-12_500_000_000_000_000_000)),
            ("1000000.000000000000000001", Some(1_000_000 * MONEY_PER_UNIT + 1)),
            ("-0.1", Some(-MONEY_PER_UNIT / 10)),
            ("0.0000000000000000001", None),
            ("1e5", None),
            ("1.2.3", None),
            ("+1", None),
            ("--1", None),
            ("", None),
            ("999999999999999999999999999", None),
        ] {
            assert_eq!(money(text).map(|amount| amount.0), expected, "{text}");
        }
        let account = |currency: &str, cash: &str| proto::AccountReport {
            currency: currency.into(),
            base_currency: "USD".into(),
            cash: cash.into(),
            ..Default::default()
        };
        let told = cash(&account("USD", "2.50")).expect("read");
        assert!(matches!(told, Some(Heard::Cash(Money(2_500_000_000_000_000_000)))), "{told:?}");
        assert!(cash(&account("EUR", "2.50")).expect("read").is_none());
        assert!(cash(&account("USD", "much")).is_err());
    }

    #[test]
    fn books_and_trades_are_read_in_ticks_and_lots() {
        let (symbols, ..) = symbols();
        let quote = proto::Quote {
            symbol: "ACME".into(),
            bid_price: "10.0050".into(),
            bid_qty: "300".into(),
            status: proto::TradingStatus::Halted.into(),
            last_price: "9.99".into(),
            ..Default::default()
        };
        let Ok(Some(Heard::Book(InstrumentId(0), book))) = symbols.book(&quote) else {
            panic!("a book");
        };
        let bid = Level { price: Ticks(100_050), qty: Lots(300) };
        let last = Some(Ticks(99_900));
        assert_eq!(book, Book { bid: Some(bid), ask: None, is_trading: false, last });
        let other = proto::Quote { symbol: "OTHER".into(), ..quote.clone() };
        assert!(symbols.book(&other).expect("read").is_none());
        let between = proto::Quote { bid_price: "10.00505".into(), ..quote };
        assert!(symbols.book(&between).is_err(), "a price between two ticks");
    }

    #[test]
    fn an_order_goes_out_and_its_report_comes_back() {
        let (symbols, mut desk, _) = symbols();
        let order = Order {
            instrument: InstrumentId(0),
            side: Side::Sell,
            qty: Lots(5),
            price: Some(Ticks(100_100)),
            time_in_force: TimeInForce::Ioc,
        };
        let key = desk.submit(order).expect("room");
        let sent = symbols.request(&desk, Request::Submit(key, order));
        let Some(Asked::Submit(sent)) = sent.request else { panic!("an order") };
        assert_eq!((sent.symbol.as_str(), sent.client_order_id.as_str()), ("ACME", "t-1"));
        assert_eq!((sent.price.as_str(), sent.qty.as_str()), ("10.0100", "5"));
        let report = proto::OrderReport {
            client_order_id: sent.client_order_id,
            symbol: sent.symbol,
            exec_type: proto::ExecType::Trade.into(),
            ord_status: proto::OrdStatus::PartiallyFilled.into(),
            side: sent.side,
            price: sent.price,
            cum_qty: "2".into(),
            leaves_qty: "3".into(),
            last_qty: "2".into(),
            last_price: "10.02".into(),
            ..Default::default()
        };
        let event = |body| proto::Event { body: Some(body), ..Default::default() };
        let told = symbols.event(&event(Body::Execution(report.clone())), &desk).expect("read");
        let Some(Heard::Report(heard)) = told else { panic!("a report") };
        assert_eq!(heard.key, OrderKey(1));
        assert_eq!(heard.exec_type, Some(ExecType::Trade));
        assert_eq!((heard.last_qty, heard.last_price), (Lots(2), Ticks(100_200)));
        // The same as a refused cancel says where the order stands, and changes nothing.
        let told = symbols.event(&event(Body::CancelReject(report.clone())), &desk).expect("read");
        let Some(Heard::Report(heard)) = told else { panic!("a report") };
        assert_eq!((heard.exec_type, heard.status), (None, OrdStatus::PartiallyFilled));
        let stranger = proto::OrderReport { client_order_id: "x-1".into(), ..report };
        assert!(symbols.event(&event(Body::Execution(stranger)), &desk).expect("read").is_none());
    }
}
