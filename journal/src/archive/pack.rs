//! From a segment's frames to its two objects, and back.

use super::manifest::{Manifest, Object};
use crate::crc;
use crate::error::JournalError;
use crate::frame::{
    FRAME_HEADER_LEN, FrameHeader, KIND_MARKET_EVENT, KIND_PRUNED, KIND_SEAL, Pruned, Seal, encode,
    frame_len, head_of, seq_step,
};
use crate::header::SEGMENT_HEADER_LEN;
use std::io::{self, Read, Write};
use tidegate_model::SeqNo;

/// Market events shrink to less than half at this level, at several times the speed of a full engine.
const ZSTD_LEVEL: i32 = 3;

/// One object in the making.
pub(crate) struct Packer {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    frame: Vec<u8>,
    frames: u64,
    raw_len: u64,
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        let encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
        Ok(Self { encoder, frame: Vec::new(), frames: 0, raw_len: 0 })
    }

    pub(crate) fn add(&mut self, kind: u8, seq: u64, payload: &[u8]) -> io::Result<()> {
        let len = u16::try_from(payload.len()).expect("it was read from a frame");
        self.frame.clear();
        self.frame.extend_from_slice(&[0; 4]);
        self.frame.extend_from_slice(&head_of(len, kind).to_le_bytes());
        self.frame.extend_from_slice(&seq.to_le_bytes());
        self.frame.extend_from_slice(payload);
        self.frame.resize(frame_len(payload.len()), 0);
        let crc = crc::frame(&self.frame);
        self.frame[..4].copy_from_slice(&crc.to_le_bytes());
        self.frames += 1;
        self.raw_len += self.frame.len() as u64;
        self.encoder.write_all(&self.frame)
    }

    pub(crate) fn finish(self) -> io::Result<(Object, Vec<u8>)> {
        let bytes = self.encoder.finish()?;
        let object = Object {
            frames: self.frames,
            raw_len: self.raw_len,
            stored_len: bytes.len() as u64,
            stored_blake3: blake3::hash(&bytes).to_hex().to_string(),
        };
        Ok((object, bytes))
    }
}

/// The frames of an object, one after the other.
struct Unpacker<'a> {
    decoder: zstd::Decoder<'static, io::BufReader<&'a [u8]>>,
    name: String,
    left: u64,
    bytes_left: u64,
    frame: Vec<u8>,
    header: Option<FrameHeader>,
}

impl<'a> Unpacker<'a> {
    fn new(object: &Object, name: String, stored: &'a [u8]) -> Result<Self, JournalError> {
        let whole = stored.len() as u64 == object.stored_len
            && blake3::hash(stored).to_hex().as_str() == object.stored_blake3;
        if !whole {
            let reason = format!(
                "its {} bytes are not those that were stored ({} bytes, another BLAKE3)",
                stored.len(),
                object.stored_len
            );
            return Err(JournalError::Archive { object: name, reason });
        }
        let decoder = zstd::Decoder::new(stored).map_err(|error| JournalError::Archive {
            object: name.clone(),
            reason: format!("it does not decompress: {error}"),
        })?;
        let (left, bytes_left) = (object.frames, object.raw_len);
        let mut unpacker =
            Self { decoder, name, left, bytes_left, frame: Vec::new(), header: None };
        unpacker.advance()?;
        Ok(unpacker)
    }

    fn bad(&self, reason: impl ToString) -> JournalError {
        JournalError::Archive { object: self.name.clone(), reason: reason.to_string() }
    }

    fn read(&mut self, from: usize, to: usize) -> Result<(), JournalError> {
        let len = (to - from) as u64;
        if len > self.bytes_left {
            return Err(self.bad("it holds more bytes than its manifest says"));
        }
        self.bytes_left -= len;
        self.frame.resize(to, 0);
        let read = self.decoder.read_exact(&mut self.frame[from..]);
        read.map_err(|error| self.bad(format!("it does not decompress: {error}")))
    }

    /// Comes to the next frame.
    fn advance(&mut self) -> Result<(), JournalError> {
        self.header = None;
        if self.left == 0 {
            return match self.bytes_left {
                0 => Ok(()),
                _ => Err(self.bad("it holds fewer bytes than its manifest says")),
            };
        }
        self.left -= 1;
        self.read(0, FRAME_HEADER_LEN)?;
        let header =
            FrameHeader::parse(self.frame.first_chunk().expect("that many were just read"));
        self.read(FRAME_HEADER_LEN, header.frame_len())?;
        if crc::frame(&self.frame) != header.crc || header.kind == 0 || header.zero != 0 {
            return Err(self.bad("it holds a frame that is damaged"));
        }
        self.header = Some(header);
        Ok(())
    }

    /// Where the frame comes: its number, and records before what repeats their number.
    fn place(&self) -> Option<(u64, bool)> {
        self.header.map(|header| (header.seq, seq_step(header.kind) == 0))
    }
}

/// Writes the segment of `manifest` out of its objects, checks every frame's place, and gives each frame to `each`. Without
/// `market`, runs of market events become [`KIND_PRUNED`] frames, and the seal counts what is there. Returns the BLAKE3 of what was written.
pub(crate) fn rebuild(
    manifest: &Manifest,
    stem: &str,
    audit: &[u8],
    market: Option<&[u8]>,
    mut each: impl FnMut(u8, SeqNo, &[u8]),
    mut to: impl Write,
) -> Result<String, JournalError> {
    let mut audit = Unpacker::new(&manifest.audit, audit_name(stem), audit)?;
    let mut market = market
        .map(|market| Unpacker::new(&manifest.market, market_name(stem), market))
        .transpose()?;
    let is_pruned = market.is_none();
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        to.write_all(bytes).map_err(|error| JournalError::Archive {
            object: stem.to_string(),
            reason: format!("its segment cannot be written: {error}"),
        })
    };
    put(&manifest.header_bytes(stem)?)?;
    let mut len = SEGMENT_HEADER_LEN as u64;
    let (mut seq, mut frames, mut pruned) = (manifest.first_seq.wrapping_sub(1), 0, 0u64);
    let mut sealed = false;
    loop {
        let market_place = market.as_ref().and_then(Unpacker::place);
        let next = match (audit.place(), market_place, &mut market) {
            (None, None, _) => break,
            (Some(a), Some(m), _) if a <= m => &mut audit,
            (_, Some(_), Some(market)) => market,
            _ => &mut audit,
        };
        let Some(header) = next.header else { break };
        let mine = (header.kind == KIND_MARKET_EVENT) == next.name.ends_with(MARKET_SUFFIX);
        let expected = seq.wrapping_add(seq_step(header.kind));
        let missing = header.seq.wrapping_sub(expected);
        // Without market events, at most as many numbers are missing as there were of them.
        let may_miss = if is_pruned { manifest.market.frames - pruned } else { 0 };
        if missing > may_miss || sealed || !mine || header.kind == KIND_PRUNED {
            return Err(next.bad(format!(
                "a frame of kind {} with number {} does not belong where {expected} must come",
                header.kind, header.seq
            )));
        }
        if missing > 0 {
            pruned += missing;
            let run = Pruned { count: missing };
            let last = seq.wrapping_add(missing);
            let frame = encode(KIND_PRUNED, last, bytemuck::bytes_of(&run));
            len += frame.len() as u64;
            frames += 1;
            put(&frame)?;
            each(KIND_PRUNED, SeqNo(last), bytemuck::bytes_of(&run));
        }
        seq = header.seq;
        sealed = header.kind == KIND_SEAL;
        let payload = &next.frame[FRAME_HEADER_LEN..][..usize::from(header.payload_len)];
        if sealed && pruned > 0 {
            let seal: Seal = bytemuck::try_pod_read_unaligned(payload)
                .map_err(|_| next.bad("its seal has another size than a seal"))?;
            let frame =
                encode(KIND_SEAL, seq, bytemuck::bytes_of(&Seal { frame_count: frames, ..seal }));
            len += frame.len() as u64;
            put(&frame)?;
        } else {
            len += next.frame.len() as u64;
            put(&next.frame)?;
        }
        frames += 1;
        each(header.kind, SeqNo(seq), payload);
        next.advance()?;
    }
    let none_left = !is_pruned || pruned == manifest.market.frames;
    if seq != manifest.last_seq || !sealed || len > manifest.file_len || !none_left {
        return Err(audit.bad("the segment does not end as its manifest says"));
    }
    let zeros = [0; 4096];
    while !is_pruned && len < manifest.file_len {
        let count = (manifest.file_len - len).min(zeros.len() as u64);
        put(&zeros[..count as usize])?;
        len += count;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

const AUDIT_SUFFIX: &str = ".audit.zst";
const MARKET_SUFFIX: &str = ".market.zst";
pub(crate) const MANIFEST_SUFFIX: &str = ".json";

/// The object of everything but market events.
pub(crate) fn audit_name(stem: &str) -> String {
    format!("{stem}{AUDIT_SUFFIX}")
}

/// The object of market events.
pub(crate) fn market_name(stem: &str) -> String {
    format!("{stem}{MARKET_SUFFIX}")
}

/// The manifest.
pub(crate) fn manifest_name(stem: &str) -> String {
    format!("{stem}{MANIFEST_SUFFIX}")
}
