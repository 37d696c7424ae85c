//! Nasdaq BinaryFILE: each message preceded by its length in two big-endian bytes.
//!
//! A length of zero marks the end of the session. It is optional: Nasdaq's published archives have it, cut-outs
//! do not. Nothing may follow it; data after it is an error, because a reader that stopped silently would
//! pretend to have read a file that it has not.
//!
//! [`Frames`] walks bytes in memory; [`Reader`] streams from anything that reads, in bounded memory; [`open`]
//! opens a path, plain, `.gz` or `.zst`, told apart by their first bytes.

use crate::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a frame's length field.
pub const LENGTH_LEN: usize = 2;
/// Bytes a frame can have with its length field.
const FRAME_LEN_MAX: usize = LENGTH_LEN + u16::MAX as usize;
/// Bytes a [`Reader`] holds: large enough that refilling costs nothing beside decoding, small enough for the
/// second-level cache.
const BUFFER_LEN: usize = 256 * 1024;
const _: () = assert!(BUFFER_LEN > 2 * FRAME_LEN_MAX);
/// Largest window a `.zst` file may ask for, as a power of two: 128 MiB, zstd's own default bound.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const MAGIC_GZIP: [u8; 2] = [0x1f, 0x8b];
const MAGIC_ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A message and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message, without its length field.
    pub message: &'a [u8],
    /// Where the message begins, counted in bytes of the uncompressed stream.
    pub offset: u64,
}

/// Walks the frames of bytes in memory. After an error or the end it gives nothing more.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    len: usize,
    messages: u64,
}

impl<'a> Frames<'a> {
    /// Walks `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), messages: 0 }
    }

    /// Messages given so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes walked so far.
    pub fn offset(&self) -> u64 {
        (self.len - self.rest.len()) as u64
    }

    #[cold]
    fn stop(&mut self) -> Option<Result<Frame<'a>, Error>> {
        let offset = self.offset();
        let rest = core::mem::take(&mut self.rest);
        match rest {
            [] => None,
            [0, 0] => None,
            [0, 0, ..] => Some(Err(Error::TrailingData { offset, message: self.messages })),
            _ => Some(Err(truncated(rest, offset, self.messages + 1))),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Error>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let Some((length, tail)) = self.rest.split_first_chunk::<LENGTH_LEN>() else {
            return self.stop();
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > tail.len() {
            return self.stop();
        }
        let (message, rest) = tail.split_at(length);
        let offset = (self.len - tail.len()) as u64;
        self.rest = rest;
        self.messages += 1;
        Some(Ok(Frame { message, offset }))
    }
}

/// `rest` is what is left, less than the frame at its start needs.
#[cold]
fn truncated(rest: &[u8], offset: u64, message: u64) -> Error {
    let needed = match rest {
        [high, low, ..] => LENGTH_LEN + usize::from(u16::from_be_bytes([*high, *low])),
        _ => LENGTH_LEN,
    };
    Error::Truncated { offset, message, needed, found: rest.len() }
}

/// Streams frames from a reader, holding no more than a fixed buffer.
pub struct Reader<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What is read and not yet given out: `buffer[from..to]`.
    from: usize,
    to: usize,
    /// Offset in the stream of `buffer[0]`.
    base: u64,
    messages: u64,
    finished: bool,
}

impl<R: Read> Reader<R> {
    /// Streams from `input`, which need not be buffered.
    pub fn new(input: R) -> Self {
        let buffer = vec![0; BUFFER_LEN].into_boxed_slice();
        Self { input, buffer, from: 0, to: 0, base: 0, messages: 0, finished: false }
    }

    /// Messages given so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of the uncompressed stream given so far.
    pub fn offset(&self) -> u64 {
        self.base + self.from as u64
    }

    /// The next message, or `None` at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Truncated`] or [`Error::TrailingData`].
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let mut have = &self.buffer[self.from..self.to];
        if !holds_frame(have) {
            if !self.refill()? {
                return Ok(None);
            }
            have = &self.buffer[self.from..self.to];
        }
        let length = usize::from(u16::from_be_bytes([have[0], have[1]]));
        let start = self.from + LENGTH_LEN;
        self.from = start + length;
        self.messages += 1;
        let message = &self.buffer[start..self.from];
        Ok(Some(Frame { message, offset: self.base + start as u64 }))
    }

    /// Reads until a whole message is there; false at the end.
    #[cold]
    fn refill(&mut self) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        // Whatever happens below other than success is the end.
        self.finished = true;
        self.buffer.copy_within(self.from..self.to, 0);
        self.base += self.from as u64;
        self.to -= self.from;
        self.from = 0;
        loop {
            let have = &self.buffer[..self.to];
            if holds_frame(have) {
                self.finished = false;
                return Ok(true);
            }
            let marker = have.starts_with(&[0, 0]);
            if marker && self.to > LENGTH_LEN {
                return Err(Error::TrailingData { offset: self.base, message: self.messages });
            }
            match self.input.read(&mut self.buffer[self.to..]) {
                Ok(0) if self.to == 0 || marker => {
                    self.to = 0;
                    return Ok(false);
                }
                Ok(0) => {
                    let rest = &self.buffer[..self.to];
                    return Err(truncated(rest, self.base, self.messages + 1));
                }
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    let offset = self.base + self.to as u64;
                    return Err(Error::Read { offset, message: self.messages + 1, cause });
                }
            }
        }
    }
}

/// True if `bytes` begin with a whole frame that is not the end-of-session marker.
#[inline(always)]
fn holds_frame(bytes: &[u8]) -> bool {
    match bytes {
        [high, low, tail @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            length != 0 && length <= tail.len()
        }
        _ => false,
    }
}

/// A stream that is decompressed on the way.
pub type Input = Box<dyn Read + Send>;

/// Opens `path` and undoes `.gz` or `.zst`, recognized by content.
///
/// # Errors
/// [`Error::Open`].
pub fn open_input(path: &Path) -> Result<Input, Error> {
    let fail = |cause| Error::Open { path: path.to_path_buf(), cause };
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(fail(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    decompress(file).map_err(fail)
}

/// Wraps `input` in the decompressor that its first bytes ask for, if any.
///
/// # Errors
/// Reading the first bytes failed.
pub fn decompress(mut input: impl Read + Send + 'static) -> io::Result<Input> {
    let mut magic = [0; MAGIC_ZSTD.len()];
    let mut have = 0;
    while have < magic.len() {
        match input.read(&mut magic[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let head = io::Cursor::new(magic).take(have as u64);
    let whole = head.chain(input);
    if magic[..have].starts_with(&MAGIC_GZIP) {
        let buffered = BufReader::with_capacity(BUFFER_LEN, whole);
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
    } else if magic[..have] == MAGIC_ZSTD {
        let mut decoder = zstd::Decoder::new(whole)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Box::new(decoder))
    } else {
        Ok(Box::new(whole))
    }
}

/// Opens the BinaryFILE at `path`, plain, `.gz` or `.zst`.
///
/// # Errors
/// [`Error::Open`].
pub fn open(path: &Path) -> Result<Reader<Input>, Error> {
    open_input(path).map(Reader::new)
}

/// Writes one framed message.
///
/// # Errors
/// What the writer says; [`io::ErrorKind::InvalidInput`] for a message that is empty or longer than 65,535 bytes.
#[inline]
pub fn write_frame(out: &mut impl Write, message: &[u8]) -> io::Result<()> {
    match u16::try_from(message.len()) {
        Ok(length) if length > 0 => {
            out.write_all(&length.to_be_bytes())?;
            out.write_all(message)
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a message has 1 to 65535 bytes, not {}", message.len()),
        )),
    }
}

/// Writes the end-of-session marker.
///
/// # Errors
/// What the writer says.
pub fn write_end_of_session(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; LENGTH_LEN])
}

/// How hard `.zst` files are compressed: 3 is zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written, compressed as its name says, and that appears under its name only when it is whole.
///
/// What is there and is no regular file, a device or a pipe, is written straight into: to replace it would break
/// whatever else uses it.
pub struct Output {
    /// Where the bytes stand until the file is whole, and the name it gets then; `None` if they go straight in.
    part: Option<(PathBuf, PathBuf)>,
    encoder: Encoder,
}

enum Encoder {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

/// Symbolic links followed one after the other: as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Where `path` leads: a link stays a link, and what it points at is written, even if that is not there yet.
fn follow_links(path: &Path) -> PathBuf {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(link) = fs::read_link(&target) else { break };
        target = target.parent().map(|parent| parent.join(&link)).unwrap_or(link);
    }
    target
}

/// Begins to write `path`: `.gz` and `.zst` are compressed. Until [`Output::finish`] the bytes stand in `path.part`,
/// beside the file that `path` leads to; into what is no regular file they go at once.
///
/// # Errors
/// What the system says.
pub fn create(path: &Path) -> io::Result<Output> {
    let direct = match fs::metadata(path) {
        Ok(there) => !there.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    let (file, part) = if direct {
        (OpenOptions::new().write(true).open(path)?, None)
    } else {
        let target = follow_links(path);
        let mut part = OsString::from(&target);
        part.push(".part");
        let part = PathBuf::from(part);
        (File::create(&part)?, Some((part, target)))
    };
    let file = BufWriter::with_capacity(BUFFER_LEN, file);
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let encoder = match extension.as_deref() {
        Some("gz") => {
            Encoder::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default()))
        }
        Some("zst") => {
            let mut encoder = zstd::Encoder::new(file, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Encoder::Zstd(encoder)
        }
        _ => Encoder::Plain(file),
    };
    Ok(Output { part, encoder })
}

impl Output {
    /// Completes the file and gives it its name, in place of any older one.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.encoder {
            Encoder::Plain(file) => file,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        match self.part {
            Some((part, target)) => fs::rename(part, target),
            None => Ok(()),
        }
    }

    /// Gives up: what was written so far is removed, unless it went straight into a device or a pipe.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(self) -> io::Result<()> {
        match self.part {
            Some((part, _)) => fs::remove_file(part),
            None => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.encoder {
            Encoder::Plain(file) => file.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Plain(file) => file.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}
