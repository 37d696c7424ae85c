//! A file of market data, whatever its kind: opened by path, recognized by content, read message by message in
//! bounded memory.

use crate::binance::{self, BinanceReader};
use crate::binary_file::{self, Input, Reader};
use crate::csv_bars::{self, CsvBars};
use crate::dbn_file::{self, DbnReader};
use crate::error::Error;
use crate::event_array::{self, EventArray};
use crate::itch::{Decoder, MessageCounts};
use crate::session_date::midnight_from_file_name;
use std::io::{Cursor, Read};
use std::path::Path;
use tidegate_model::market::{MarketEvent, MarketEventKind};
use tidegate_model::{Symbol, UnixNanos};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Nasdaq TotalView-ITCH 5.0 in BinaryFILE framing.
    Itch,
    /// Databento DBN.
    Dbn,
    /// Binance messages as recorded.
    Binance,
    /// Comma-separated bars.
    CsvBars,
    /// Event arrays of hftbacktest.
    EventArray,
}

impl Format {
    /// The format's name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Itch => "Nasdaq TotalView-ITCH 5.0 (BinaryFILE)",
            Self::Dbn => "Databento DBN",
            Self::Binance => "Binance messages, recorded",
            Self::CsvBars => "comma-separated bars",
            Self::EventArray => "event array of hftbacktest",
        }
    }
}

/// What has been read of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Messages or records.
    pub messages: u64,
    /// Events they gave.
    pub events: u64,
    /// Bars they gave, of two events each.
    pub bars: u64,
    /// Messages that could not be used, although their type is read.
    pub skipped: u64,
    /// Exchange time of the first event.
    pub first_event: Option<UnixNanos>,
    /// Latest exchange time of any event.
    pub last_event: Option<UnixNanos>,
    /// Bytes of the uncompressed stream.
    pub bytes: u64,
}

/// One instrument of a file and the events that named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStats {
    /// The feed's number for it.
    pub channel_id: u32,
    /// Its symbol; empty where the file never said.
    pub symbol: Symbol,
    /// Its events, without definitions.
    pub events: u64,
}

enum Kind {
    // They are boxed: a source is moved around, its buffers are not.
    Itch(Box<ItchSource>),
    Dbn(Box<DbnReader<Input>>),
    Binance(Box<BinanceReader<Input>>),
    CsvBars(Box<CsvBars<Input>>),
    EventArray(Box<EventArray<Input>>),
}

struct ItchSource {
    reader: Reader<Input>,
    decoder: Decoder,
    counts: MessageCounts,
}

/// An open file.
pub struct Source {
    kind: Kind,
    stats: SourceStats,
    /// By channel number, which all formats give densely.
    channels: Vec<ChannelStats>,
}

impl Source {
    /// Opens `path`; ITCH times count from the midnight that the file's name tells, or from the epoch.
    ///
    /// # Errors
    /// [`Error::Open`], or what is wrong with the file's head.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let midnight = midnight_from_file_name(path).unwrap_or(UnixNanos(0));
        Self::open_at(path, midnight)
    }

    /// Opens `path`; ITCH times count from `midnight`.
    ///
    /// # Errors
    /// [`Error::Open`], or what is wrong with the file's head.
    pub fn open_at(path: &Path, midnight: UnixNanos) -> Result<Self, Error> {
        let input = binary_file::open_input(path)?;
        Self::from_named_input(input, midnight, symbol_of(path).unwrap_or(UNNAMED))
    }

    /// Reads from a stream that is not compressed.
    ///
    /// # Errors
    /// [`Error::Read`], or what is wrong with the stream's head.
    pub fn from_input(input: Input, midnight: UnixNanos) -> Result<Self, Error> {
        Self::from_named_input(input, midnight, UNNAMED)
    }

    /// As [`Self::from_input`]; bars and arrays that do not say whose they are belong to `named`.
    fn from_named_input(
        mut input: Input,
        midnight: UnixNanos,
        named: Symbol,
    ) -> Result<Self, Error> {
        let mut head = [0; HEAD_LEN_MAX];
        let mut have = 0;
        while have < head.len() && !is_decided(&head[..have]) {
            match input.read(&mut head[have..]) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    return Err(Error::Read { offset: have as u64, message: 1, cause });
                }
            }
        }
        let format = format_of(&head[..have])?;
        let input: Input = Box::new(Cursor::new(head).take(have as u64).chain(input));
        let kind = match format {
            Format::Itch => Kind::Itch(Box::new(ItchSource {
                reader: Reader::new(input),
                decoder: Decoder::new(midnight),
                counts: MessageCounts::default(),
            })),
            Format::Dbn => Kind::Dbn(Box::new(DbnReader::new(input)?)),
            Format::Binance => Kind::Binance(Box::new(BinanceReader::new(input))),
            Format::CsvBars => Kind::CsvBars(Box::new(CsvBars::new(input, named)?)),
            Format::EventArray => Kind::EventArray(Box::new(EventArray::new(input, named)?)),
        };
        let (stats, channels) = (SourceStats::default(), Vec::new());
        Ok(Self { kind, stats, channels })
    }

    /// What the file is.
    pub fn format(&self) -> Format {
        match self.kind {
            Kind::Itch(_) => Format::Itch,
            Kind::Dbn(_) => Format::Dbn,
            Kind::Binance(_) => Format::Binance,
            Kind::CsvBars(_) => Format::CsvBars,
            Kind::EventArray(_) => Format::EventArray,
        }
    }

    /// The midnight that times of day count from: New York's for ITCH, UTC's (the epoch) for all others.
    pub fn midnight(&self) -> UnixNanos {
        match &self.kind {
            Kind::Itch(itch) => itch.decoder.midnight(),
            Kind::Dbn(_) | Kind::Binance(_) | Kind::CsvBars(_) | Kind::EventArray(_) => {
                UnixNanos(0)
            }
        }
    }

    /// What has been read so far.
    pub fn stats(&self) -> &SourceStats {
        &self.stats
    }

    /// Messages read so far, which is the number of the last one.
    pub fn messages(&self) -> u64 {
        self.stats.messages
    }

    /// The instruments seen so far, in order of channel number.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelStats> {
        self.channels.iter().filter(|channel| channel.events > 0 || !channel.symbol.is_empty())
    }

    /// Messages by type: its code, its name, how many.
    pub fn message_types(&self) -> Vec<(String, String, u64)> {
        match &self.kind {
            Kind::Itch(itch) => itch
                .counts
                .iter()
                .map(|(kind, name, count)| ((kind as char).to_string(), name.to_string(), count))
                .collect(),
            Kind::Dbn(dbn) => dbn
                .counts()
                .map(|(rtype, count)| {
                    let name = dbn::RType::try_from(rtype)
                        .map_or_else(|_| "unknown".to_string(), |r| r.as_str().to_string());
                    (format!("0x{rtype:02x}"), name, count)
                })
                .collect(),
            Kind::Binance(binance) => binance
                .counts()
                .filter(|&(_, count)| count > 0)
                .map(|(name, count)| (name.to_string(), "message".to_string(), count))
                .collect(),
            Kind::CsvBars(bars) => vec![("row".to_string(), "of bars".to_string(), bars.rows())],
            Kind::EventArray(array) => array
                .counts()
                .filter(|&(_, count)| count > 0)
                .map(|(name, count)| (name.to_string(), "row".to_string(), count))
                .collect(),
        }
    }

    /// Reads one message and gives its events to `emit`; false at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    #[inline]
    pub fn read_message(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<bool, Error> {
        let Self { kind, stats, channels } = self;
        let mut count = |event: MarketEvent| {
            stats.events += 1;
            stats.bars += u64::from(event.kind == MarketEventKind::Bar.wire());
            note_channel(channels, &event);
            stats.first_event.get_or_insert(event.ts_event);
            stats.last_event = stats.last_event.max(Some(event.ts_event));
            emit(event);
        };
        match kind {
            Kind::Itch(itch) => {
                let ItchSource { reader, decoder, counts } = &mut **itch;
                let Some(frame) = reader.next_frame()? else { return Ok(false) };
                counts.add(frame.message);
                let offset = frame.offset;
                stats.bytes = offset + frame.message.len() as u64;
                decoder.decode(frame.message, &mut count).map_err(|cause| {
                    let message = decoder.messages();
                    Error::Message { offset, message, cause }
                })?;
                stats.messages = decoder.messages();
                Ok(true)
            }
            Kind::Dbn(dbn) => {
                let more = dbn.read_record(&mut count)?;
                stats.messages = dbn.records();
                stats.skipped = dbn.skipped();
                stats.bytes = dbn.offset();
                Ok(more)
            }
            Kind::Binance(binance) => {
                let more = binance.read_line(&mut count)?;
                stats.messages = binance.lines();
                stats.skipped = binance.skipped();
                stats.bytes = binance.bytes();
                Ok(more)
            }
            Kind::CsvBars(bars) => {
                let more = bars.read_row(&mut count)?;
                stats.messages = bars.rows();
                stats.skipped = bars.skipped();
                stats.bytes = bars.bytes();
                Ok(more)
            }
            Kind::EventArray(array) => {
                let more = array.read_row(&mut count)?;
                stats.messages = array.rows();
                stats.skipped = array.skipped();
                stats.bytes = array.bytes();
                Ok(more)
            }
        }
    }

    /// Reads the rest of the file and gives every event to `emit`.
    ///
    /// # Errors
    /// What is wrong with the file, and where; the events before it were given out.
    pub fn for_each(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<(), Error> {
        while self.read_message(&mut emit)? {}
        Ok(())
    }
}

/// Bytes from which every format is recognized: the longest header of bars fits.
const HEAD_LEN_MAX: usize = 4_096;
/// What bars and arrays are called whose file says no name.
const UNNAMED: Symbol = Symbol(*b"BARS\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

/// True if more bytes would not say more of what a file is.
fn is_decided(head: &[u8]) -> bool {
    let is_binary = head.first() == Some(&0)
        || head.starts_with(&dbn_file::MAGIC)
        || event_array::is_event_array(head);
    is_binary || head.contains(&b'\n')
}

/// What a file is, by its first bytes.
///
/// # Errors
/// [`Error::UnknownText`]. Bytes that are no text are taken for ITCH, whose reader says what is wrong with them.
fn format_of(head: &[u8]) -> Result<Format, Error> {
    // As a BinaryFILE this would be a message of 17,474 bytes: there is none.
    if head.starts_with(&dbn_file::MAGIC) {
        return Ok(Format::Dbn);
    }
    // Nor of 20,555 or 37,710.
    if event_array::is_event_array(head) {
        return Ok(Format::EventArray);
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Ok(Format::Itch),
    };
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    if text.is_empty() || !text.chars().all(is_text) {
        Ok(Format::Itch)
    } else if binance::is_recording(text) {
        Ok(Format::Binance)
    } else if csv_bars::is_header(text) {
        Ok(Format::CsvBars)
    } else {
        Err(Error::UnknownText)
    }
}

/// A symbol from a file's name, up to the first `_` or `.`.
fn symbol_of(path: &Path) -> Option<Symbol> {
    let name = path.file_name()?.to_str()?;
    Symbol::new(name.split(['_', '.']).next()?).ok()
}

/// Channels that statistics are kept of; ITCH has 65,536 at most, DBN is bounded by its reader.
const CHANNELS_MAX: usize = 1 << 16;

#[inline]
fn note_channel(channels: &mut Vec<ChannelStats>, event: &MarketEvent) {
    // The system is no instrument, although it has a channel number: 0.
    if event.kind == MarketEventKind::System.wire() {
        return;
    }
    let at = event.channel_id as usize;
    if at >= channels.len() {
        if at >= CHANNELS_MAX {
            return;
        }
        let blank =
            |n: usize| ChannelStats { channel_id: n as u32, symbol: Symbol::EMPTY, events: 0 };
        let from = channels.len();
        channels.extend((from..=at).map(blank));
    }
    match event.definition() {
        Some(definition) => channels[at].symbol = definition.symbol,
        None => channels[at].events += 1,
    }
}
