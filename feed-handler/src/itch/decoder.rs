//! ITCH messages to market events.

use super::messages::*;
use super::{LOT_SIZE_NANO, NANOS_PER_DAY, Stock, TICK_SIZE_NANO};
use crate::error::MessageError;
use core::ops::Range;
use tidegate_model::market::{self, Definition, MarketEvent, MarketEventKind, Side, TradingStatus};
use tidegate_model::{Lots, Symbol, Ticks, UnixNanos};

/// Stock locates that exist: the field has 16 bits.
const LOCATES: usize = 1 << 16;
/// The market center of an operational halt that concerns this feed.
const MARKET_CODE_NASDAQ: u8 = b'Q';

/// Turns messages into events. One message gives no, one or two events: a [`Definition`] goes before the first
/// event that a symbol-bearing message of its stock locate gives.
///
/// An execution, cancel or delete does not name its stock: where such messages come first, as in a file that
/// starts in mid-session, their events go out before any definition of their channel.
///
/// `ts_recv` of the events is their `ts_event`; whoever knows better overwrites it.
#[derive(Clone, Debug)]
pub struct Decoder {
    midnight: u64,
    messages: u64,
    /// The symbol each locate is bound to, as on the wire; 0: none yet. Boxed: half a megabyte.
    bound: Box<[u64; LOCATES]>,
}

/// How many messages of each type were seen, by type byte.
#[derive(Clone, Debug)]
pub struct MessageCounts([u64; 256]);

impl Default for MessageCounts {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl MessageCounts {
    /// Counts one message.
    #[inline]
    pub fn add(&mut self, message: &[u8]) {
        if let Some(&kind) = message.first() {
            self.0[kind as usize] += 1;
        }
    }

    /// Messages of type `kind`.
    pub fn of(&self, kind: u8) -> u64 {
        self.0[kind as usize]
    }

    /// Types that occurred with their counts, in the specification's order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'static str, u64)> + '_ {
        MESSAGE_TYPES
            .iter()
            .map(|&(kind, _, name)| (kind, name, self.of(kind)))
            .filter(|&(_, _, count)| count > 0)
    }
}

impl Decoder {
    /// A decoder for the day that begins at `midnight` (New York, given in UTC; see
    /// [`crate::session_date::new_york_midnight`]).
    ///
    /// # Panics
    /// If `midnight` is so late that the times of its day do not fit 64 bits (the year 2554).
    pub fn new(midnight: UnixNanos) -> Self {
        let bound = vec![0; LOCATES].into_boxed_slice();
        let bound = bound.try_into().expect("there is one for each locate");
        let mut decoder = Self { midnight: 0, messages: 0, bound };
        decoder.begin_session(midnight);
        decoder
    }

    /// Messages seen, which is the number of the last one.
    #[inline]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The midnight that times are counted from.
    pub fn midnight(&self) -> UnixNanos {
        UnixNanos(self.midnight)
    }

    /// The next message has this number: a live feed numbers its messages, and may have lost some.
    #[inline]
    pub fn set_next_message(&mut self, number: u64) {
        self.messages = number.saturating_sub(1);
    }

    /// Begins anew with a session whose times count from `midnight`: it numbers its messages and stocks from the
    /// beginning.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn begin_session(&mut self, midnight: UnixNanos) {
        assert!(midnight.0 <= u64::MAX - NANOS_PER_DAY, "midnight {midnight} is beyond 64 bits");
        self.midnight = midnight.0;
        self.messages = 0;
        self.bound.fill(0);
    }

    /// Decodes one message and gives its events, in order, to `emit`. The message counts even if it is wrong.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong; no event was given out then.
    #[inline(always)]
    pub fn decode(
        &mut self,
        message: &[u8],
        mut emit: impl FnMut(MarketEvent),
    ) -> Result<(), MessageError> {
        self.messages += 1;
        match self.plain(message) {
            Some(event) => {
                emit(event);
                Ok(())
            }
            None => self.decode_rare(message, &mut emit),
        }
    }

    /// The event of a message as [`PLAIN`] says; none if there is more to say about it.
    ///
    /// Which of these types comes next and which side it names is a coin toss in real flow, so no branch depends on it.
    #[inline(always)]
    fn plain(&self, message: &[u8]) -> Option<MarketEvent> {
        let head: &[u8; OrderDelete::LEN] = message.first_chunk()?;
        let tail: &[u8; OrderDelete::LEN] = message.last_chunk()?;
        let plain = &PLAIN[head[0] as usize];
        let header = Header::read(head);
        let side = tail[SIDE];
        let stock = u64::read(&tail[STOCK]);
        let other_stock = (self.bound[header.stock_locate as usize] ^ stock) & plain.names_stock;
        // 0 if it is one of the two.
        let no_side = (u64::from(side ^ b'B') * u64::from(side ^ b'S')) & plain.names_stock;
        let is_late = header.timestamp >= NANOS_PER_DAY;
        if message.len() != plain.len as usize || other_stock | no_side != 0 || is_late {
            return None;
        }
        let ts_event = self.time(&header);
        let side = Side::Buy.wire() + u8::from(side == b'S');
        let qty = u32::from_be_bytes(word(tail, plain.qty_at)) & plain.qty;
        let price = u32::read(&tail[PRICE]) & plain.price;
        Some(MarketEvent {
            kind: plain.kind,
            side: side & plain.names_stock as u8,
            flags: 0,
            channel_id: u32::from(header.stock_locate),
            ts_event,
            ts_recv: ts_event,
            order_ref: u64::read(&head[ORDER_REF]),
            price: ticks(price),
            qty: lots(qty),
            aux: u64::from_be_bytes(word(tail, plain.aux_at)) & plain.aux,
            feed_seq: self.messages,
        })
    }

    /// The types that make up less than two in a hundred messages, the first order of a stock, and what is wrong; kept out of the
    /// hot loop.
    #[inline(never)]
    fn decode_rare(
        &mut self,
        message: &[u8],
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), MessageError> {
        let Some(&kind) = message.first() else { return Err(MessageError::Empty) };
        match kind {
            AddOrder::KIND => {
                let m = AddOrder::read_checked(message)?;
                side_of(kind, m.side)?;
                self.check_time(kind, &m.header)?;
                self.bind(kind, &m.header, m.stock, emit)?;
                emit(self.plain(message).expect("length, side, time and stock were checked"));
            }
            AddOrderAttributed::KIND => {
                let m = AddOrderAttributed::read_checked(message)?;
                let side = side_of(kind, m.side)?;
                let mut event = self.event(kind, MarketEventKind::Add, &m.header)?;
                self.bind(kind, &m.header, m.stock, emit)?;
                event.side = side;
                event.order_ref = m.order_ref;
                event.price = ticks(m.price);
                event.qty = lots(m.shares);
                emit(event);
            }
            Trade::KIND => {
                let m = Trade::read_checked(message)?;
                // The side says "B" whoever was the aggressor, since 2014; the event has none.
                side_of(kind, m.side)?;
                let mut event = self.event(kind, MarketEventKind::Trade, &m.header)?;
                self.bind(kind, &m.header, m.stock, emit)?;
                event.order_ref = m.order_ref;
                event.price = ticks(m.price);
                event.qty = lots(m.shares);
                event.aux = m.match_number;
                emit(event);
            }
            OrderExecutedWithPrice::KIND => {
                let m = OrderExecutedWithPrice::read_checked(message)?;
                let flags = match m.printable {
                    b'Y' => 0,
                    b'N' => market::FLAG_NON_PRINTABLE,
                    other => return Err(field(kind, "printable", other)),
                };
                let mut event = self.event(kind, MarketEventKind::ExecuteAtPrice, &m.header)?;
                event.flags = flags;
                event.order_ref = m.order_ref;
                event.price = ticks(m.price);
                event.qty = lots(m.shares);
                event.aux = m.match_number;
                emit(event);
            }
            CrossTrade::KIND => {
                let m = CrossTrade::read_checked(message)?;
                let mut event = self.event(kind, MarketEventKind::Cross, &m.header)?;
                self.bind(kind, &m.header, m.stock, emit)?;
                event.price = ticks(m.price);
                event.qty = Lots(m.shares);
                event.aux = m.match_number;
                emit(event);
            }
            StockDirectory::KIND => {
                let m = StockDirectory::read_checked(message)?;
                self.check_time(kind, &m.header)?;
                // The directory is the authority: it may bind a locate anew.
                if self.bound[m.header.stock_locate as usize] != u64::from_be_bytes(m.stock) {
                    self.define(kind, &m.header, m.stock, emit)?;
                }
            }
            TradingAction::KIND => {
                let m = TradingAction::read_checked(message)?;
                let status = match m.trading_state {
                    b'T' => TradingStatus::Trading,
                    b'H' => TradingStatus::Halted,
                    b'P' => TradingStatus::Paused,
                    b'Q' => TradingStatus::QuotationOnly,
                    other => return Err(field(kind, "trading_state", other)),
                };
                self.status(kind, &m.header, m.stock, status, emit)?;
            }
            OperationalHalt::KIND => {
                let m = OperationalHalt::read_checked(message)?;
                let status = match m.action {
                    b'T' => TradingStatus::Trading,
                    b'H' => TradingStatus::Paused,
                    other => return Err(field(kind, "operational_halt_action", other)),
                };
                // A halt of another market center says nothing about this one's book.
                if m.market_code == MARKET_CODE_NASDAQ {
                    self.status(kind, &m.header, m.stock, status, emit)?;
                }
            }
            SystemEvent::KIND => {
                let m = SystemEvent::read_checked(message)?;
                let flags = match m.event_code {
                    b'O' => market::SYSTEM_START_OF_MESSAGES,
                    b'S' => market::SYSTEM_START_OF_SYSTEM_HOURS,
                    b'Q' => market::SYSTEM_START_OF_MARKET_HOURS,
                    b'M' => market::SYSTEM_END_OF_MARKET_HOURS,
                    b'E' => market::SYSTEM_END_OF_SYSTEM_HOURS,
                    b'C' => market::SYSTEM_END_OF_MESSAGES,
                    other => return Err(field(kind, "event_code", other)),
                };
                let mut event = self.event(kind, MarketEventKind::System, &m.header)?;
                event.flags = flags;
                emit(event);
            }
            // The rest changes neither a book nor a status: it is checked and counted.
            _ => {
                let header = Message::parse(message)?.header();
                self.check_time(kind, &header)?;
            }
        }
        Ok(())
    }

    fn status(
        &mut self,
        kind: u8,
        header: &Header,
        stock: Stock,
        status: TradingStatus,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), MessageError> {
        let mut event = self.event(kind, MarketEventKind::Status, header)?;
        self.bind(kind, header, stock, emit)?;
        event.flags = u16::from(status.wire());
        emit(event);
        Ok(())
    }

    #[inline(always)]
    fn check_time(&self, kind: u8, header: &Header) -> Result<(), MessageError> {
        if header.timestamp >= NANOS_PER_DAY {
            return Err(MessageError::Field { kind, field: "timestamp", value: header.timestamp });
        }
        Ok(())
    }

    #[inline(always)]
    fn time(&self, header: &Header) -> UnixNanos {
        // Cannot wrap: `new` left room for a day.
        UnixNanos(self.midnight.wrapping_add(header.timestamp))
    }

    #[inline(always)]
    fn event(
        &self,
        kind: u8,
        event_kind: MarketEventKind,
        header: &Header,
    ) -> Result<MarketEvent, MessageError> {
        self.check_time(kind, header)?;
        let ts_event = self.time(header);
        Ok(MarketEvent {
            kind: event_kind.wire(),
            side: 0,
            flags: 0,
            channel_id: u32::from(header.stock_locate),
            ts_event,
            ts_recv: ts_event,
            order_ref: 0,
            price: Ticks(0),
            qty: Lots(0),
            aux: 0,
            feed_seq: self.messages,
        })
    }

    /// Makes sure that the locate is bound to `stock`.
    #[inline(always)]
    fn bind(
        &mut self,
        kind: u8,
        header: &Header,
        stock: Stock,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), MessageError> {
        let bound = self.bound[header.stock_locate as usize];
        if bound == u64::from_be_bytes(stock) {
            return Ok(());
        }
        if bound != 0 {
            let locate = header.stock_locate;
            return Err(MessageError::LocateRebound { kind, locate, stock });
        }
        self.define(kind, header, stock, emit)
    }

    #[inline(never)]
    fn define(
        &mut self,
        kind: u8,
        header: &Header,
        stock: Stock,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), MessageError> {
        let len = stock.iter().rposition(|&b| b != b' ').map_or(0, |at| at + 1);
        let symbol = core::str::from_utf8(&stock[..len])
            .ok()
            .and_then(|text| Symbol::new(text).ok())
            .ok_or(MessageError::Symbol { kind, stock })?;
        self.bound[header.stock_locate as usize] = u64::from_be_bytes(stock);
        let ts_event = UnixNanos(self.midnight + header.timestamp);
        emit(
            Definition {
                kind: MarketEventKind::Definition.wire(),
                price_scale: 4,
                flags: 0,
                channel_id: u32::from(header.stock_locate),
                ts_event,
                ts_recv: ts_event,
                symbol,
                tick_size_nano: TICK_SIZE_NANO,
                lot_size_nano: LOT_SIZE_NANO,
            }
            .into_event(),
        );
        Ok(())
    }
}

/// Where a type keeps what its event says. All fields but the reference are counted from the end, where the types agree most.
#[derive(Clone, Copy)]
struct Plain {
    /// Bits of the fields that the type has: all or none.
    aux: u64,
    names_stock: u64,
    qty: u32,
    price: u32,
    /// Of its event, on the wire.
    kind: u8,
    /// Bytes of the message; 0 for types that are not plain.
    len: u8,
    /// Where `qty` and `aux` are in the last bytes.
    qty_at: u8,
    aux_at: u8,
}

/// Types that make up nearly all of a day, and whose events say what their fields say.
static PLAIN: [Plain; 256] = {
    let none =
        Plain { aux: 0, names_stock: 0, qty: 0, price: 0, kind: 0, len: 0, qty_at: 0, aux_at: 0 };
    let (add, execute) = (MarketEventKind::Add.wire(), MarketEventKind::Execute.wire());
    let (reduce, delete) = (MarketEventKind::Reduce.wire(), MarketEventKind::Delete.wire());
    let replace = MarketEventKind::Replace.wire();
    let (all, wide) = (u32::MAX, u64::MAX);
    let mut table = [none; 256];
    table[AddOrder::KIND as usize] = Plain {
        kind: add,
        len: AddOrder::LEN as u8,
        names_stock: wide,
        price: all,
        qty: all,
        qty_at: 3,
        ..none
    };
    table[OrderExecuted::KIND as usize] = Plain {
        kind: execute,
        len: OrderExecuted::LEN as u8,
        qty: all,
        qty_at: 7,
        aux: wide,
        aux_at: 11,
        ..none
    };
    table[OrderCancel::KIND as usize] =
        Plain { kind: reduce, len: OrderCancel::LEN as u8, qty: all, qty_at: 15, ..none };
    table[OrderDelete::KIND as usize] = Plain { kind: delete, len: OrderDelete::LEN as u8, ..none };
    table[OrderReplace::KIND as usize] = Plain {
        kind: replace,
        len: OrderReplace::LEN as u8,
        price: all,
        qty: all,
        qty_at: 11,
        aux: wide,
        aux_at: 3,
        ..none
    };
    table
};

/// Where plain types have their reference, from the beginning.
const ORDER_REF: Range<usize> = 11..19;
/// Where those that have a side, a stock and a price have them in the last bytes.
const SIDE: usize = 2;
const STOCK: Range<usize> = 7..15;
const PRICE: Range<usize> = 15..19;

/// `N` bytes from `at` on. The mask changes no place of [`PLAIN`] and keeps every other within the bytes.
#[inline(always)]
fn word<const N: usize>(bytes: &[u8; OrderDelete::LEN], at: u8) -> [u8; N] {
    let at = usize::from(at) & (OrderDelete::LEN - N);
    bytes[at..at + N].try_into().expect("the range has N bytes")
}

#[inline(always)]
fn ticks(price: u32) -> Ticks {
    Ticks(i64::from(price))
}

#[inline(always)]
fn lots(shares: u32) -> Lots {
    Lots(u64::from(shares))
}

#[inline(always)]
fn side_of(kind: u8, side: u8) -> Result<u8, MessageError> {
    match side {
        b'B' => Ok(Side::Buy.wire()),
        b'S' => Ok(Side::Sell.wire()),
        other => Err(field(kind, "buy_sell_indicator", other)),
    }
}

#[cold]
fn field(kind: u8, field: &'static str, value: u8) -> MessageError {
    MessageError::Field { kind, field, value: u64::from(value) }
}
