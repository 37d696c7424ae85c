//! Databento DBN, versions 1 to 3, to market events: MBO, MBP-1, MBP-10, TBBO, trades and OHLCV.
//!
//! Records are read by Databento's own crate; this module drives it with bytes, so that a cut or damaged file
//! ends in an error with its place. Prices stay in DBN's unit (ticks of 1e-9), quantities in units of one, so
//! nothing is rounded. Instruments get dense channel numbers in order of appearance, from 0.
//!
//! | record | events |
//! |---|---|
//! | MBO add, modify, clear, trade, fill | `Add`, `Modify`, `Clear`, `Trade`, `Fill` |
//! | MBO cancel | `Reduce` by the size canceled: all of it deletes the order |
//! | MBP-1, TBBO | `Quote` for each side that changed, after `Trade` if it was one |
//! | MBP-10 | `Level` for each level that changed, after `Trade` if it was one |
//! | trades | `Trade` |
//! | OHLCV of known length | a [`Bar`], at its end |
//!
//! Everything else is counted. Records of all publishers of an instrument go into one channel.

use crate::error::Error;
use dbn::decode::dbn::fsm::{DbnFsm, ProcessResult};
use dbn::{
    BidAskPair, InstrumentDefMsg, MboMsg, Mbp1Msg, Mbp10Msg, Metadata, OhlcvMsg, RecordHeader,
    RecordRef, SType, SymbolMappingMsg, TradeMsg, UNDEF_PRICE, UNDEF_TIMESTAMP,
};
use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use tidegate_model::market::{
    Bar, Definition, FLAG_FILLS_FOLLOW, MarketEvent, MarketEventKind, Side,
};
use tidegate_model::{InstrumentId, Lots, Symbol, Ticks, UnixNanos};

/// What one tick of DBN prices is worth, in 1e-9.
pub const TICK_SIZE_NANO: i64 = 1;
/// What one lot of DBN quantities is, in 1e-9: one share or contract.
pub const LOT_SIZE_NANO: i64 = 1_000_000_000;
/// The first bytes of every DBN stream.
pub const MAGIC: [u8; 3] = *b"DBN";
/// Bytes of the part that says how long the metadata is.
const PRELUDE_LEN: usize = 8;
/// Bytes that metadata may have: mappings of all of OPRA for a month fit.
const METADATA_LEN_MAX: u32 = 256 * 1024 * 1024;
/// Bytes read ahead.
const BUFFER_LEN: usize = 256 * 1024;
/// Bytes of what every record begins with: length, type, publisher, instrument, time.
const RECORD_HEADER_LEN: usize = 16;
/// Bytes of the longest record: its length is one byte that counts four.
const RECORD_LEN_MAX: usize = u8::MAX as usize * RecordHeader::LENGTH_MULTIPLIER;
/// Every record is a multiple of this many bytes.
const RECORD_ALIGNMENT: usize = 8;
/// Instruments a file may have records of.
const CHANNELS_MAX: usize = InstrumentId::COUNT_MAX;
/// Record types: the field has eight bits.
const RTYPES: usize = 256;

/// What is known of an instrument.
struct Channel {
    id: u32,
    symbol: Symbol,
    defined: bool,
    /// The levels that were last seen, for records that repeat the whole book.
    levels: [BidAskPair; 10],
}

/// Reads one DBN stream.
pub struct DbnReader<R> {
    input: BufReader<R>,
    fsm: DbnFsm,
    metadata: Metadata,
    /// The file's own version; records come out as version 3.
    version: u8,
    /// Symbols by instrument id, as metadata and mapping records say; only looked up, never walked.
    symbols: HashMap<u32, Symbol>,
    channels: HashMap<u32, Channel>,
    /// Bytes of whole records and what is before them.
    bytes: u64,
    records: u64,
    counts: [u64; RTYPES],
    skipped: u64,
    finished: bool,
}

impl<R: Read> DbnReader<R> {
    /// Reads the metadata of `input`, which is not compressed (see [`crate::binary_file::open_input`]).
    ///
    /// # Errors
    /// [`Error::Dbn`], [`Error::Truncated`] or [`Error::Read`].
    pub fn new(mut input: R) -> Result<Self, Error> {
        let mut prelude = [0; PRELUDE_LEN];
        let found = fill(&mut input, &mut prelude, 0, 0)?;
        if found < PRELUDE_LEN {
            let needed = PRELUDE_LEN;
            return Err(Error::Truncated { offset: 0, message: 0, needed, found });
        }
        let fail = |reason: String| Error::Dbn { offset: 0, record: 0, reason };
        if prelude[..3] != MAGIC {
            return Err(fail(format!("it begins with {:02x?}, not with \"DBN\"", &prelude[..3])));
        }
        let length = u32::from_le_bytes([prelude[4], prelude[5], prelude[6], prelude[7]]);
        if length > METADATA_LEN_MAX {
            return Err(fail(format!(
                "the metadata has {length} bytes, at most {METADATA_LEN_MAX} are allowed"
            )));
        }
        let mut fsm = DbnFsm::new(BUFFER_LEN, 0);
        fsm.write_all(&prelude);
        // Version and length are refused before any memory is set aside for them.
        if let ProcessResult::Err(error) = fsm.process() {
            return Err(fail(error.to_string()));
        }
        let mut left = length as usize;
        let mut chunk = vec![0; BUFFER_LEN];
        while left > 0 {
            let part = left.min(BUFFER_LEN);
            let found = fill(
                &mut input,
                &mut chunk[..part],
                (PRELUDE_LEN + length as usize - left) as u64,
                0,
            )?;
            if found < part {
                let needed = PRELUDE_LEN + length as usize;
                let found = needed - left + found;
                return Err(Error::Truncated { offset: 0, message: 0, needed, found });
            }
            fsm.write_all(&chunk[..part]);
            left -= part;
            match fsm.process() {
                ProcessResult::ReadMore(_) if left > 0 => {}
                ProcessResult::Metadata(metadata) if left == 0 => {
                    return Ok(Self::after_metadata(input, fsm, metadata, prelude[3], length));
                }
                ProcessResult::Err(error) => return Err(fail(error.to_string())),
                _ => break,
            }
        }
        Err(fail("the metadata does not have the length that it says".to_string()))
    }

    fn after_metadata(input: R, fsm: DbnFsm, metadata: Metadata, version: u8, length: u32) -> Self {
        let symbols = symbols_of(&metadata);
        Self {
            input: BufReader::with_capacity(BUFFER_LEN, input),
            fsm,
            metadata,
            version,
            symbols,
            channels: HashMap::new(),
            bytes: PRELUDE_LEN as u64 + u64::from(length),
            records: 0,
            counts: [0; RTYPES],
            skipped: 0,
            finished: false,
        }
    }

    /// What the file says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records that gave nothing although their type is read: no price, no side, no action, or a bar that is none.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Records of each type (`rtype`) so far, in order of type.
    pub fn counts(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (0..=u8::MAX).zip(self.counts).filter(|&(_, count)| count > 0)
    }

    /// Instruments with events so far.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Bytes of the uncompressed stream read so far.
    pub fn offset(&self) -> u64 {
        self.bytes
    }

    /// Reads one record and gives what it holds to `emit`; false at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::Dbn`], [`Error::Truncated`], [`Error::Read`] or [`Error::TooManyInstruments`].
    pub fn read_record(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        self.finished = true;
        let (offset, number) = (self.bytes, self.records + 1);
        let mut bytes = [0; RECORD_LEN_MAX];
        let found = fill(&mut self.input, &mut bytes[..RECORD_HEADER_LEN], offset, number)?;
        if found == 0 {
            return Ok(false);
        }
        let cut = |needed, found| Error::Truncated { offset, message: number, needed, found };
        if found < RECORD_HEADER_LEN {
            return Err(cut(RECORD_HEADER_LEN, found));
        }
        // The format's own decoder takes lengths on trust, so they are checked before it sees them.
        let (len, rtype) = (usize::from(bytes[0]) * RecordHeader::LENGTH_MULTIPLIER, bytes[1]);
        let least = self.record_len_min(rtype);
        if len < least.unwrap_or(RECORD_HEADER_LEN) || !len.is_multiple_of(RECORD_ALIGNMENT) {
            return Err(self.damaged(offset, format!("type 0x{rtype:02x} cannot have {len} bytes")));
        }
        let rest = &mut bytes[RECORD_HEADER_LEN..len];
        let found = RECORD_HEADER_LEN + fill(&mut self.input, rest, offset, number)?;
        if found < len {
            return Err(cut(len, found));
        }
        self.bytes += len as u64;
        self.counts[usize::from(rtype)] += 1;
        if least.is_none() {
            // Not a type that is read.
            self.records = number;
            self.finished = false;
            return Ok(true);
        }
        self.fsm.write_all(&bytes[..len]);
        match self.fsm.process() {
            ProcessResult::Record(()) => {}
            ProcessResult::Err(error) => return Err(self.damaged(offset, error.to_string())),
            _ => return Err(self.damaged(offset, "the record is not whole".to_string())),
        }
        self.records = number;
        let Some(record) = self.fsm.last_record() else {
            return Err(self.damaged(offset, "the record is not there".to_string()));
        };
        let mut state = State {
            symbols: &mut self.symbols,
            channels: &mut self.channels,
            number: self.records,
            emit: &mut emit,
        };
        match state.record(record) {
            Ok(Outcome::Used) => {}
            Ok(Outcome::Skipped) => self.skipped += 1,
            Err(Failure::Damaged(reason)) => {
                return Err(Error::Dbn { offset, record: self.records, reason });
            }
            Err(Failure::TooManyInstruments) => {
                let record = self.records;
                return Err(Error::TooManyInstruments { offset, record, limit: CHANNELS_MAX });
            }
        }
        self.finished = false;
        Ok(true)
    }

    /// Bytes that a record of this type has at least in the file's version, or `None` if the type is not read.
    fn record_len_min(&self, rtype: u8) -> Option<usize> {
        use dbn::rtype as types;
        Some(match rtype {
            types::MBO => size_of::<MboMsg>(),
            types::MBP_0 => size_of::<TradeMsg>(),
            types::MBP_1 => size_of::<Mbp1Msg>(),
            types::MBP_10 => size_of::<Mbp10Msg>(),
            types::OHLCV_1S
            | types::OHLCV_1M
            | types::OHLCV_1H
            | types::OHLCV_1D
            | types::OHLCV_EOD
            | types::OHLCV_DEPRECATED => size_of::<OhlcvMsg>(),
            types::INSTRUMENT_DEF => match self.version {
                1 => size_of::<dbn::v1::InstrumentDefMsg>(),
                2 => size_of::<dbn::v2::InstrumentDefMsg>(),
                _ => size_of::<InstrumentDefMsg>(),
            },
            types::SYMBOL_MAPPING => match self.version {
                1 => size_of::<dbn::v1::SymbolMappingMsg>(),
                _ => size_of::<SymbolMappingMsg>(),
            },
            _ => return None,
        })
    }

    fn damaged(&self, offset: u64, reason: String) -> Error {
        Error::Dbn { offset, record: self.records + 1, reason }
    }
}

/// Fills `buffer`, as far as there is input; gives the number of bytes.
fn fill(
    input: &mut impl Read,
    buffer: &mut [u8],
    offset: u64,
    message: u64,
) -> Result<usize, Error> {
    let mut have = 0;
    while have < buffer.len() {
        match input.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(Error::Read { offset: offset + have as u64, message, cause }),
        }
    }
    Ok(have)
}

/// Symbols by instrument id, from the metadata's mappings. Of several symbols of one id the first is taken.
fn symbols_of(metadata: &Metadata) -> HashMap<u32, Symbol> {
    let mut symbols = HashMap::new();
    for mapping in &metadata.mappings {
        for interval in &mapping.intervals {
            let (id, text) = if metadata.stype_in == Some(SType::InstrumentId) {
                (&mapping.raw_symbol, &interval.symbol)
            } else {
                (&interval.symbol, &mapping.raw_symbol)
            };
            if let (Ok(id), Some(symbol)) = (id.parse(), symbol_from(text)) {
                symbols.entry(id).or_insert(symbol);
            }
        }
    }
    symbols
}

/// A symbol as the engine takes it: spaces, as in option symbols, become `_`.
fn symbol_from(text: &str) -> Option<Symbol> {
    Symbol::new(&text.trim().replace(' ', "_")).ok()
}

enum Outcome {
    Used,
    Skipped,
}

enum Failure {
    Damaged(String),
    TooManyInstruments,
}

impl From<dbn::Error> for Failure {
    fn from(error: dbn::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// What turning one record into events needs.
struct State<'a, F> {
    symbols: &'a mut HashMap<u32, Symbol>,
    channels: &'a mut HashMap<u32, Channel>,
    number: u64,
    emit: &'a mut F,
}

impl<F: FnMut(MarketEvent)> State<'_, F> {
    fn record(&mut self, record: RecordRef<'_>) -> Result<Outcome, Failure> {
        if record.has::<MboMsg>() {
            self.mbo(record.try_get()?)
        } else if record.has::<Mbp1Msg>() {
            self.mbp_1(record.try_get()?)
        } else if record.has::<Mbp10Msg>() {
            self.mbp_10(record.try_get()?)
        } else if record.has::<TradeMsg>() {
            self.trade(record.try_get()?)
        } else if record.has::<OhlcvMsg>() {
            self.bar(record.try_get()?)
        } else {
            if record.has::<InstrumentDefMsg>() {
                let message: &InstrumentDefMsg = record.try_get()?;
                self.learn(message.hd.instrument_id, message.raw_symbol().ok());
            } else if record.has::<SymbolMappingMsg>() {
                let message: &SymbolMappingMsg = record.try_get()?;
                let out = message.stype_out_symbol().ok();
                let is_text = |text: &&str| text.bytes().any(|b| !b.is_ascii_digit());
                let text = out.filter(is_text).or(message.stype_in_symbol().ok());
                self.learn(message.hd.instrument_id, text);
            }
            Ok(Outcome::Used)
        }
    }

    fn learn(&mut self, instrument_id: u32, text: Option<&str>) {
        // The table is bounded like the channels: a file may map more, but cannot use more.
        if self.symbols.len() < CHANNELS_MAX
            && let Some(symbol) = text.and_then(symbol_from)
        {
            self.symbols.insert(instrument_id, symbol);
        }
    }

    /// The record's channel, defined before its first event.
    fn channel(
        &mut self,
        header: &RecordHeader,
        ts_recv: UnixNanos,
    ) -> Result<&mut Channel, Failure> {
        let id = header.instrument_id;
        let known = self.channels.len();
        if known >= CHANNELS_MAX && !self.channels.contains_key(&id) {
            return Err(Failure::TooManyInstruments);
        }
        let symbols = &*self.symbols;
        let channel = self.channels.entry(id).or_insert_with(|| {
            let unnamed = || symbol_from(&format!("ID{id}"));
            Channel {
                id: known as u32,
                symbol: symbols.get(&id).copied().or_else(unnamed).unwrap_or_default(),
                defined: false,
                levels: core::array::from_fn(|_| no_level()),
            }
        });
        if !channel.defined {
            channel.defined = true;
            let definition = Definition {
                kind: MarketEventKind::Definition.wire(),
                price_scale: 2,
                flags: 0,
                channel_id: channel.id,
                ts_event: time_of(header.ts_event, ts_recv),
                ts_recv,
                symbol: channel.symbol,
                tick_size_nano: TICK_SIZE_NANO,
                lot_size_nano: LOT_SIZE_NANO,
            };
            (self.emit)(definition.into_event());
        }
        Ok(channel)
    }

    /// An event of the record, without what its kind adds.
    fn event(
        &mut self,
        kind: MarketEventKind,
        header: &RecordHeader,
        ts_recv: u64,
    ) -> Result<MarketEvent, Failure> {
        let ts_recv = match ts_recv {
            UNDEF_TIMESTAMP => UnixNanos(0),
            known => UnixNanos(known),
        };
        let ts_event = time_of(header.ts_event, ts_recv);
        let ts_recv = if ts_recv.0 == 0 { ts_event } else { ts_recv };
        let channel_id = self.channel(header, ts_recv)?.id;
        let (kind, feed_seq) = (kind.wire(), self.number);
        Ok(MarketEvent { kind, channel_id, ts_event, ts_recv, feed_seq, ..MarketEvent::default() })
    }

    fn mbo(&mut self, record: &MboMsg) -> Result<Outcome, Failure> {
        let action = record.action as u8;
        let (kind, needs_side, needs_price) = match action {
            b'A' => (MarketEventKind::Add, true, true),
            b'M' => (MarketEventKind::Modify, true, true),
            b'C' => (MarketEventKind::Reduce, false, false),
            b'R' => (MarketEventKind::Clear, false, false),
            b'T' => (MarketEventKind::Trade, false, true),
            b'F' => (MarketEventKind::Fill, false, true),
            b'N' => return Ok(Outcome::Skipped),
            _ => return Err(Failure::Damaged(unassigned("action", action))),
        };
        let side = side_of(record.side as u8)?;
        if (needs_side && side.is_none()) || (needs_price && record.price == UNDEF_PRICE) {
            return Ok(Outcome::Skipped);
        }
        let mut event = self.event(kind, &record.hd, record.ts_recv)?;
        if kind == MarketEventKind::Trade {
            event.flags = FLAG_FILLS_FOLLOW;
        }
        if kind != MarketEventKind::Clear {
            event.side = side.map_or(0, Side::wire);
            event.order_ref = record.order_id;
            event.price = price_of(record.price);
            event.qty = Lots(u64::from(record.size));
            event.aux = u64::from(record.sequence);
        }
        (self.emit)(event);
        Ok(Outcome::Used)
    }

    fn trade(&mut self, record: &TradeMsg) -> Result<Outcome, Failure> {
        let figures = (record.price, record.size, record.side as u8, record.sequence);
        self.emit_trade(&record.hd, record.ts_recv, figures)
    }

    fn emit_trade(
        &mut self,
        header: &RecordHeader,
        ts_recv: u64,
        (price, size, side, sequence): (i64, u32, u8, u32),
    ) -> Result<Outcome, Failure> {
        let side = side_of(side)?;
        if price == UNDEF_PRICE {
            return Ok(Outcome::Skipped);
        }
        let mut event = self.event(MarketEventKind::Trade, header, ts_recv)?;
        event.side = side.map_or(0, Side::wire);
        event.price = Ticks(price);
        event.qty = Lots(u64::from(size));
        event.aux = u64::from(sequence);
        (self.emit)(event);
        Ok(Outcome::Used)
    }

    fn mbp_1(&mut self, record: &Mbp1Msg) -> Result<Outcome, Failure> {
        if record.action as u8 == b'T' {
            let figures = (record.price, record.size, record.side as u8, record.sequence);
            self.emit_trade(&record.hd, record.ts_recv, figures)?;
        }
        let quote = self.event(MarketEventKind::Quote, &record.hd, record.ts_recv)?;
        let old = &mut self.channel(&record.hd, quote.ts_recv)?.levels[0];
        let now = &record.levels[0];
        let before = core::mem::replace(old, now.clone());
        for side in [Side::Buy, Side::Sell] {
            if level(&before, side) != level(now, side) {
                let (price, size, orders) = level(now, side);
                // No price: the side is empty.
                let qty = if price == UNDEF_PRICE { 0 } else { size };
                self.emit_level(quote, side, price, qty, orders);
            }
        }
        Ok(Outcome::Used)
    }

    fn mbp_10(&mut self, record: &Mbp10Msg) -> Result<Outcome, Failure> {
        if record.action as u8 == b'T' {
            let figures = (record.price, record.size, record.side as u8, record.sequence);
            self.emit_trade(&record.hd, record.ts_recv, figures)?;
        }
        let template = self.event(MarketEventKind::Level, &record.hd, record.ts_recv)?;
        let old = &mut self.channel(&record.hd, template.ts_recv)?.levels;
        let now = &record.levels;
        let before = core::mem::replace(old, now.clone());
        for side in [Side::Buy, Side::Sell] {
            let has =
                |levels: &[BidAskPair], price| levels.iter().any(|l| level(l, side).0 == price);
            for gone in before.iter().map(|l| level(l, side).0) {
                if gone != UNDEF_PRICE && !has(now, gone) {
                    self.emit_level(template, side, gone, 0, 0);
                }
            }
            for (price, size, orders) in now.iter().map(|l| level(l, side)) {
                let same = before.iter().any(|l| level(l, side) == (price, size, orders));
                if price != UNDEF_PRICE && !same {
                    self.emit_level(template, side, price, size, orders);
                }
            }
        }
        Ok(Outcome::Used)
    }

    fn emit_level(&mut self, template: MarketEvent, side: Side, price: i64, qty: u32, orders: u32) {
        (self.emit)(MarketEvent {
            side: side.wire(),
            price: price_of(price),
            qty: Lots(u64::from(qty)),
            aux: u64::from(orders),
            ..template
        });
    }

    fn bar(&mut self, record: &OhlcvMsg) -> Result<Outcome, Failure> {
        const SECOND: u64 = 1_000_000_000;
        let length_ns = match record.hd.rtype {
            dbn::rtype::OHLCV_1S => SECOND,
            dbn::rtype::OHLCV_1M => 60 * SECOND,
            dbn::rtype::OHLCV_1H => 3_600 * SECOND,
            dbn::rtype::OHLCV_1D | dbn::rtype::OHLCV_EOD => 86_400 * SECOND,
            // Nobody knows when it was known.
            _ => return Ok(Outcome::Skipped),
        };
        let begin = UnixNanos(record.hd.ts_event);
        let Some(end) = begin.0.checked_add(length_ns).map(UnixNanos) else {
            return Ok(Outcome::Skipped);
        };
        let bar = Bar {
            channel_id: 0,
            begin,
            end,
            open: Ticks(record.open),
            high: Ticks(record.high),
            low: Ticks(record.low),
            close: Ticks(record.close),
            volume: Lots(record.volume),
            feed_seq: self.number,
        };
        if !bar.is_consistent() {
            return Ok(Outcome::Skipped);
        }
        let channel_id = self.channel(&record.hd, begin)?.id;
        Bar { channel_id, ..bar }.into_events().into_iter().for_each(&mut *self.emit);
        Ok(Outcome::Used)
    }
}

fn unassigned(field: &str, value: u8) -> String {
    format!("{field} has the unassigned value 0x{value:02x}")
}

fn side_of(side: u8) -> Result<Option<Side>, Failure> {
    match side {
        b'B' => Ok(Some(Side::Buy)),
        b'A' => Ok(Some(Side::Sell)),
        b'N' => Ok(None),
        other => Err(Failure::Damaged(unassigned("side", other))),
    }
}

fn price_of(price: i64) -> Ticks {
    if price == UNDEF_PRICE { Ticks(0) } else { Ticks(price) }
}

fn time_of(ts_event: u64, otherwise: UnixNanos) -> UnixNanos {
    if ts_event == UNDEF_TIMESTAMP { otherwise } else { UnixNanos(ts_event) }
}

/// Price, size and orders of one side of a level.
fn level(pair: &BidAskPair, side: Side) -> (i64, u32, u32) {
    match side {
        Side::Buy => (pair.bid_px, pair.bid_sz, pair.bid_ct),
        Side::Sell => (pair.ask_px, pair.ask_sz, pair.ask_ct),
    }
}

fn no_level() -> BidAskPair {
    BidAskPair { bid_px: UNDEF_PRICE, ask_px: UNDEF_PRICE, ..BidAskPair::default() }
}
