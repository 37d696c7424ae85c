//! Event arrays as [hftbacktest](https://hftbacktest.readthedocs.io/en/latest/data.html) keeps them: `.npy` of NumPy, or the
//! first array of an `.npz`. A row has 64 bytes:
//!
//! ```text
//! offset  type  field
//!      0  u64   ev        low byte: what it is; bit 31: the exchange's view, 30: ours; bit 29: buy, 28: sell
//!      8  i64   exch_ts   exchange time, UTC nanoseconds
//!     16  i64   local_ts  time it was received, UTC nanoseconds
//!     24  f64   px
//!     32  f64   qty
//!     40        order_id, ival, fval: not read
//! ```
//!
//! | `ev` | events |
//! |---|---|
//! | 1 depth, 4 snapshot | `Level` |
//! | 2 trade | `Trade`; the side is the aggressor's |
//! | 3 clear | `Clear` of a side up to `px`, or of both sides |
//!
//! Rows without bit 30 are of the exchange's view only, and stand elsewhere as ours: they give nothing. Those of other kinds
//! are counted and skipped. Prices and quantities count in 1e-8; one that is no multiple of that is an error. An array names no
//! symbol: its instrument is called as its file.
//!
//! Formats: NumPy enhancement proposal 1 (`.npy`, versions 1 to 3), PKWARE APPNOTE 6.3 (`.npz` is a zip archive).

use crate::error::Error;
use flate2::read::DeflateDecoder;
use std::io::{self, Read};
use tidegate_model::market::{Definition, MarketEvent, MarketEventKind, Side};
use tidegate_model::{Lots, Symbol, Ticks, UnixNanos};

/// What one tick and one lot are, in 1e-9.
pub const UNIT_NANO: i64 = 10;
/// The first bytes of a `.npy`.
pub const MAGIC_NPY: [u8; 6] = *b"\x93NUMPY";
/// The first bytes of a `.npz`.
pub const MAGIC_ZIP: [u8; 4] = *b"PK\x03\x04";
/// Bytes of a row.
const ROW_LEN: usize = 64;
/// Bytes read ahead, whole rows: they stay in the second-level cache.
const BUFFER_LEN: usize = 4_096 * ROW_LEN;
/// Bytes of the longest head of an array: ours has 300.
const HEAD_LEN_MAX: usize = 4_096;
/// Bytes of the longest name and extra field of a member of a zip archive.
const MEMBER_LEN_MAX: usize = 2 * u16::MAX as usize;

const KIND_MASK: u64 = 0xff;
const DEPTH: u64 = 1;
const TRADE: u64 = 2;
const CLEAR: u64 = 3;
const SNAPSHOT: u64 = 4;
const IS_OURS: u64 = 1 << 30;
const IS_BUY: u64 = 1 << 29;
const IS_SELL: u64 = 1 << 28;

/// Units of 1e-8 in 1.
const UNITS: f64 = 1e8;
/// Below so many units a float has two bits to spare: what it was made of can be told from its neighbours.
const UNITS_MAX: f64 = (1u64 << 51) as f64;

/// The columns, without spaces, as NumPy writes them.
const COLUMNS: &str = "[('ev','<u8'),('exch_ts','<i8'),('local_ts','<i8'),('px','<f8'),('qty','<f8'),\
    ('order_id','<u8'),('ival','<i8'),('fval','<f8')]";

/// Reads one array.
pub struct EventArray<R> {
    input: Member<R>,
    symbol: Symbol,
    buffer: Box<[u8]>,
    /// What is read and not yet given out: `buffer[from..to]`.
    from: usize,
    to: usize,
    /// Bytes of the array's head.
    head_len: u64,
    rows: u64,
    /// Rows that the array has.
    rows_all: u64,
    counts: [u64; 5],
    /// The stream ended early, so many bytes after its last whole row.
    cut: Option<usize>,
    finished: bool,
}

/// The array itself, or a member of an archive.
enum Member<R> {
    Plain(R),
    Stored(io::Take<R>),
    Deflated(Box<DeflateDecoder<R>>),
}

impl<R: Read> Read for Member<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(into),
            Self::Stored(input) => input.read(into),
            Self::Deflated(input) => input.read(into),
        }
    }
}

/// True if `head`, the begin of a stream, is that of an array or of an archive of them.
pub fn is_event_array(head: &[u8]) -> bool {
    head.starts_with(&MAGIC_NPY) || head.starts_with(&MAGIC_ZIP)
}

impl<R: Read> EventArray<R> {
    /// Reads the array in `input` up to its first row; its instrument is called `symbol`.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Array`] if it is no array of events.
    pub fn new(mut input: R, symbol: Symbol) -> Result<Self, Error> {
        let mut magic = [0; 4];
        fill(&mut input, &mut magic)?;
        let mut input = match magic {
            MAGIC_ZIP => {
                let mut input = member(input)?;
                fill(&mut input, &mut magic)?;
                input
            }
            _ => Member::Plain(input),
        };
        let (rows_all, head_len) = head(&mut input, magic)?;
        Ok(Self {
            input,
            symbol,
            buffer: vec![0; BUFFER_LEN].into_boxed_slice(),
            from: 0,
            to: 0,
            head_len,
            rows: 0,
            rows_all,
            counts: [0; 5],
            cut: None,
            finished: false,
        })
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows so far of kinds that give nothing.
    pub fn skipped(&self) -> u64 {
        self.counts[0]
    }

    /// Bytes of the array read so far.
    pub fn bytes(&self) -> u64 {
        self.head_len + self.rows * ROW_LEN as u64
    }

    /// Rows of ours of each kind so far, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["other", "depth", "trade", "clear", "snapshot"].into_iter().zip(self.counts)
    }

    /// Reads one row and gives its event to `emit`; false at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Truncated`] or [`Error::Array`].
    #[inline]
    pub fn read_row(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<bool, Error> {
        if self.from == self.to && !self.refill()? {
            return Ok(false);
        }
        let (row, _) = self.buffer[self.from..self.to]
            .split_first_chunk::<ROW_LEN>()
            .expect("the buffer holds whole rows");
        let row = Row(*row);
        self.from += ROW_LEN;
        self.rows += 1;
        if self.rows == 1 {
            emit(row.definition(self.symbol));
        }
        if row.ev() & IS_OURS == 0 {
            return Ok(true);
        }
        match row.event(self.rows) {
            Ok(Some(event)) => {
                self.counts[(row.ev() & KIND_MASK) as usize] += 1;
                emit(event);
            }
            Ok(None) => self.counts[0] += 1,
            Err(reason) => {
                self.finished = true;
                (self.from, self.to) = (0, 0);
                return Err(Error::Array { row: self.rows, reason });
            }
        }
        Ok(true)
    }

    /// Reads more rows; false if there are none.
    #[cold]
    fn refill(&mut self) -> Result<bool, Error> {
        let left = self.rows_all - self.rows;
        if self.finished || left == 0 {
            return Ok(false);
        }
        self.finished = true;
        let wanted = left.min((BUFFER_LEN / ROW_LEN) as u64) as usize * ROW_LEN;
        let (offset, message) = (self.bytes(), self.rows + 1);
        if self.cut.is_none() {
            let have = read_up_to(&mut self.input, &mut self.buffer[..wanted])
                .map_err(|cause| Error::Read { offset, message, cause })?;
            self.cut = (have < wanted).then_some(have % ROW_LEN);
            (self.from, self.to) = (0, have / ROW_LEN * ROW_LEN);
        }
        if let Some(found) = self.cut.filter(|_| self.from == self.to) {
            return Err(Error::Truncated { offset, message, needed: ROW_LEN, found });
        }
        self.finished = false;
        Ok(true)
    }
}

/// One row.
struct Row([u8; ROW_LEN]);

impl Row {
    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        let bytes = self.0[at * 8..].first_chunk().expect("a row has eight words");
        u64::from_le_bytes(*bytes)
    }

    #[inline(always)]
    fn ev(&self) -> u64 {
        self.word(0)
    }

    /// Exchange time and ours.
    #[inline(always)]
    fn times(&self) -> [UnixNanos; 2] {
        [UnixNanos(self.word(1)), UnixNanos(self.word(2))]
    }

    fn definition(&self, symbol: Symbol) -> MarketEvent {
        let [ts_event, ts_recv] = self.times();
        Definition {
            kind: MarketEventKind::Definition.wire(),
            price_scale: 2,
            flags: 0,
            channel_id: 0,
            ts_event,
            ts_recv,
            symbol,
            tick_size_nano: UNIT_NANO,
            lot_size_nano: UNIT_NANO,
        }
        .into_event()
    }

    /// The event of a row of ours, if its kind is read.
    #[inline(always)]
    fn event(&self, feed_seq: u64) -> Result<Option<MarketEvent>, String> {
        let ev = self.ev();
        let side = match ev & (IS_BUY | IS_SELL) {
            IS_BUY => Side::Buy.wire(),
            IS_SELL => Side::Sell.wire(),
            _ => 0,
        };
        let kind = match ev & KIND_MASK {
            DEPTH | SNAPSHOT => MarketEventKind::Level,
            TRADE => MarketEventKind::Trade,
            CLEAR => MarketEventKind::Clear,
            _ => return Ok(None),
        };
        let [ts_event, ts_recv] = self.times();
        if (ts_event.0 | ts_recv.0) >> 63 != 0 {
            return Err("it has a time before 1970".to_string());
        }
        let template = MarketEvent {
            kind: kind.wire(),
            side,
            ts_event,
            ts_recv,
            feed_seq,
            ..MarketEvent::default()
        };
        if kind == MarketEventKind::Clear {
            return clear(template, f64::from_bits(self.word(3))).map(Some);
        }
        if side == 0 && kind == MarketEventKind::Level {
            return Err("its level is neither of bids nor of offers".to_string());
        }
        let price = Ticks(units("px", f64::from_bits(self.word(3)))?);
        let qty = units("qty", f64::from_bits(self.word(4)))?;
        let Ok(qty) = u64::try_from(qty) else {
            return Err(format!("its qty is {}, below 0", f64::from_bits(self.word(4))));
        };
        Ok(Some(MarketEvent { price, qty: Lots(qty), ..template }))
    }
}

/// A side without a price to which it is cleared is cleared whole.
fn clear(template: MarketEvent, px: f64) -> Result<MarketEvent, String> {
    let price = match Side::from_wire(template.side) {
        Some(_) if px.is_finite() => Ticks(units("px", px)?),
        Some(Side::Buy) => Ticks(i64::MIN),
        Some(Side::Sell) => Ticks(i64::MAX),
        None => Ticks::ZERO,
    };
    Ok(MarketEvent { price, ..template })
}

/// A number in units of 1e-8.
#[inline(always)]
fn units(field: &'static str, number: f64) -> Result<i64, String> {
    let scaled = number * UNITS;
    if (0.0..UNITS_MAX).contains(&scaled) {
        let units = (scaled + 0.5) as i64;
        // The float nearest to a decimal, and the product, are each off by half of its last bit at most.
        if (scaled - units as f64).abs() <= scaled * f64::EPSILON {
            return Ok(units);
        }
    }
    units_by_text(field, number)
}

/// The same by the shortest decimal that means this float.
#[cold]
#[inline(never)]
fn units_by_text(field: &'static str, number: f64) -> Result<i64, String> {
    tidegate_model::decimal::parse_ticks(&format!("{number}"), UNIT_NANO)
        .map(|ticks| ticks.0)
        .map_err(|error| format!("its {field} is {number}: {error}"))
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::Array { row: 0, reason: reason.into() }
}

fn read_up_to(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match input.read(&mut into[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Reads a part of a head, all of it.
fn fill(input: &mut impl Read, into: &mut [u8]) -> Result<(), Error> {
    let have =
        read_up_to(input, into).map_err(|cause| Error::Read { offset: 0, message: 0, cause })?;
    if have < into.len() { Err(wrong("its head is cut short")) } else { Ok(()) }
}

/// The first member of a zip archive, after its first four bytes.
fn member<R: Read>(mut input: R) -> Result<Member<R>, Error> {
    const STORED: u16 = 0;
    const DEFLATED: u16 = 8;
    const FLAG_ENCRYPTED: u16 = 1;
    const FLAG_LENGTH_FOLLOWS: u16 = 1 << 3;
    const ZIP64: u16 = 1;
    let mut fixed = [0; 26];
    fill(&mut input, &mut fixed)?;
    let short = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let (flags, method) = (short(2), short(4));
    let length = u32::from_le_bytes([fixed[14], fixed[15], fixed[16], fixed[17]]);
    let (name_len, extra_len) = (usize::from(short(22)), usize::from(short(24)));
    let mut rest = [0; MEMBER_LEN_MAX];
    let rest = &mut rest[..name_len + extra_len];
    fill(&mut input, rest)?;
    let name = String::from_utf8_lossy(&rest[..name_len]).into_owned();
    if flags & FLAG_ENCRYPTED != 0 {
        return Err(wrong(format!("its member {name} is encrypted")));
    }
    match method {
        DEFLATED => Ok(Member::Deflated(Box::new(DeflateDecoder::new(input)))),
        STORED if flags & FLAG_LENGTH_FOLLOWS == 0 => {
            let mut length = u64::from(length);
            // A length of 32 bits that is full stands in the extra field, after that of the array.
            let extra = &rest[name_len..];
            if length == u64::from(u32::MAX)
                && extra.starts_with(&ZIP64.to_le_bytes())
                && let Some(whole) = extra.get(12..20).and_then(|bytes| bytes.first_chunk())
            {
                length = u64::from_le_bytes(*whole);
            }
            Ok(Member::Stored(input.take(length)))
        }
        _ => Err(wrong(format!(
            "its member {name} is compressed by method {method}, which is not read: 0 and 8 are"
        ))),
    }
}

/// Reads the head of an array after its first four bytes; how many rows it has, and how long the head is.
fn head(input: &mut impl Read, magic: [u8; 4]) -> Result<(u64, u64), Error> {
    let mut rest = [0; 4];
    fill(input, &mut rest)?;
    let [.., _, _, major, _] = rest;
    if [&magic[..], &rest[..2]].concat() != MAGIC_NPY {
        return Err(wrong("it does not begin as an array of NumPy does"));
    }
    let mut length = [0; 4];
    let length_len = match major {
        1 => 2,
        2 | 3 => 4,
        _ => return Err(wrong(format!("it has version {major}, of which 1 to 3 are read"))),
    };
    fill(input, &mut length[..length_len])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > HEAD_LEN_MAX {
        return Err(wrong(format!("its head has {length} bytes, more than {HEAD_LEN_MAX}")));
    }
    let mut text = vec![0; length];
    fill(input, &mut text)?;
    let text: String = String::from_utf8_lossy(&text).split_whitespace().collect();
    let columns = text.split_once("'descr':").map(|(_, rest)| rest);
    if !columns.is_some_and(|columns| columns.starts_with(COLUMNS)) {
        return Err(wrong(format!("its columns are not {COLUMNS}: {text}")));
    }
    let shape = text.split_once("'shape':(").and_then(|(_, rest)| rest.split_once(",)"));
    let rows = shape.and_then(|(rows, _)| rows.parse().ok());
    let Some(rows) = rows.filter(|rows: &u64| *rows <= u64::MAX / ROW_LEN as u64 / 2) else {
        return Err(wrong(format!("its shape is no number of rows: {text}")));
    };
    Ok((rows, (MAGIC_NPY.len() + 2 + length_len + length) as u64))
}

#[cfg(test)]
#[path = "event_array_tests.rs"]
mod tests;
