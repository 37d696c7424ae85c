//! A chain of hashes over the records, whose head can be kept elsewhere: who changes, removes or inserts a record before it, CRCs
//! put right or not, cannot lead the journal through that head any more.
//!
//! # What is hashed
//!
//! There are two chains, so that one can be proved without the records of the other: *market* over market events
//! ([`KIND_MARKET_EVENT`]), and *audit* over every other record: commands, events, and kinds of later versions. Checkpoints, seals,
//! CRCs, headers and ends of segments are in neither, so that a primary, its standby and a restored copy have the same chains
//! however their segments fall. Of a frame is hashed: its kind (1 byte), its number (8), its payload's length (4), its payload;
//! integers little-endian.
//!
//! A *link* falls at every multiple N of [`LINK_EVERY`], behind record N. The *origin* is the head before the first record: all zeros. With L the last link (or the origin) below S, the *head* at S is
//!
//! ```text
//! BLAKE3-derive-key("tidegate journal chain 1 audit" | "... market", head at L, then each frame with L < number <= S)
//! ```
//!
//! A checkpoint follows from the records before it, and a replay compares it. It is not hashed, for a standby whose primary ended
//! between a record and its checkpoint never gets that one. The last record is in no head yet: recovery may still cut it.
//!
//! # What is kept
//!
//! `DIR/CHAIN` holds the origin and the links, so that a head is found by hashing at most [`LINK_EVERY`] numbers. It is a
//! convenience: it is written by a thread behind the engine ([`Follower`]) and not synced, its damaged end is made anew from the
//! records, and [`verify`] compares it with the records from the first one on. Only where older segments were taken away does
//! it hold what is nowhere else here; [`crate::archive`] has it too.
//!
//! ```text
//! offset  size  field     unit
//!      0     8  magic     "TGCHAIN\n"
//!      8     4  version   1
//!     12    16  instance  the journal it belongs to
//!     28     4  crc32c    of bytes 0..28
//!     32    80  entries   seq (8), audit (32), market (32), crc32c of these 72 bytes (4), zero (4)
//! ```
//!
//! # What it costs
//!
//! The engine's thread does nothing for it. The thread behind it reads each frame again out of the page cache, checks it and
//! hashes it: `cargo run --release -p tidegate-journal --example chain_ns` measures it, `docs/decisions/0014-two-chains.md` has the figure.

use crate::crc;
use crate::directory::{open_segment, segment_indexes};
use crate::error::JournalError;
use crate::frame::{KIND_MARKET_EVENT, KIND_PRUNED, seq_step};
use crate::header::SegmentHeader;
use crate::reader::Reader;
use crate::storage::{Dir, Open, StorageFile};
use crate::watermark::Watermark;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_model::SeqNo;

/// Numbers between two links: those between two checkpoints of the engine. Hashing as many takes a few milliseconds.
pub const LINK_EVERY: u64 = 65_536;

const FILE_NAME: &str = "CHAIN";
const MAGIC: [u8; 8] = *b"TGCHAIN\n";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 32;
const ENTRY_LEN: usize = 80;
/// Entries read: 2^24 links are 10^12 records.
const ENTRIES_MAX: usize = 1 << 24;
/// Bytes hashed at once: BLAKE3 needs some kilobytes to use the processor's wide registers.
const BUFFER_LEN: usize = 64 * 1024;
/// How often a thread that has caught up looks for more. A link comes every 65 ms at a million records a second.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A BLAKE3 hash, printed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ChainHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| d.try_into().ok()).collect();
        if text.len() != 64 || digits.len() != 64 {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

/// A text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NotAHash;

/// Both chains at a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last number that is covered.
    pub seq: SeqNo,
    /// Over everything but market events.
    pub audit: ChainHash,
    /// Over market events.
    pub market: ChainHash,
}

impl Head {
    /// The head before the first record, `first`, of a journal.
    pub fn origin(first: SeqNo) -> Self {
        Self { seq: SeqNo(first.0.saturating_sub(1)), ..Self::default() }
    }

    /// The chain in which `self` and `other` differ, if there is one.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.audit != other.audit {
            return Some("audit");
        }
        (self.market != other.market).then_some("market")
    }
}

/// One of the two chains since its last link.
#[derive(Debug)]
struct Block {
    context: &'static str,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Block {
    fn new(context: &'static str, link: ChainHash) -> Self {
        let hasher = blake3::Hasher::new_derive_key(context);
        let mut block = Self { context, hasher, buffer: Vec::with_capacity(2 * BUFFER_LEN) };
        block.begin(link);
        block
    }

    fn begin(&mut self, link: ChainHash) {
        self.hasher = blake3::Hasher::new_derive_key(self.context);
        self.buffer.clear();
        self.buffer.extend_from_slice(&link.0);
    }

    fn add(&mut self, kind: u8, seq: u64, payload: &[u8]) {
        let mut head = [0; 13];
        head[0] = kind;
        head[1..9].copy_from_slice(&seq.to_le_bytes());
        head[9..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(&head);
        self.buffer.extend_from_slice(payload);
        if self.buffer.len() >= BUFFER_LEN {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
    }

    fn hash(&mut self) -> ChainHash {
        self.flush();
        ChainHash(self.hasher.finalize().into())
    }
}

/// Both chains, frame by frame.
#[derive(Debug)]
pub struct Fold {
    audit: Block,
    market: Block,
    /// The last link or the origin.
    link: Head,
    seq: u64,
    links: Vec<Head>,
    is_pruned: bool,
}

impl Fold {
    /// Goes on from `link`, which is a link or an origin: no other head can be gone on from.
    pub fn from(link: Head) -> Self {
        Self {
            audit: Block::new("tidegate journal chain 1 audit", link.audit),
            market: Block::new("tidegate journal chain 1 market", link.market),
            link,
            seq: link.seq.0,
            links: Vec::new(),
            is_pruned: false,
        }
    }

    /// Adds a frame. Those that its beginning covers already, checkpoints and seals are passed over. Frames come in the journal's order;
    /// some may be left out of the middle, as market events are in a copy without them.
    pub fn add(&mut self, kind: u8, seq: SeqNo, payload: &[u8]) {
        let counts = seq_step(kind) == 1;
        if !counts || seq.0 <= self.link.seq.0 {
            return;
        }
        if kind == KIND_PRUNED {
            self.is_pruned = true;
            return;
        }
        self.advance(seq.0);
        let block = if kind == KIND_MARKET_EVENT { &mut self.market } else { &mut self.audit };
        block.add(kind, seq.0, payload);
    }

    /// Comes to `seq`, closing the links below it.
    fn advance(&mut self, seq: u64) {
        loop {
            let next = (self.link.seq.0 / LINK_EVERY + 1).saturating_mul(LINK_EVERY);
            if next >= seq {
                break;
            }
            let (audit, market) = (self.audit.hash(), self.market.hash());
            self.link = Head { seq: SeqNo(next), audit, market };
            self.audit.begin(audit);
            self.market.begin(market);
            self.links.push(self.link);
        }
        self.seq = self.seq.max(seq);
    }

    /// The head at `seq`, which is at or behind the last frame added.
    pub fn head(&mut self, seq: SeqNo) -> Head {
        self.advance(seq.0);
        if self.seq == self.link.seq.0 {
            return self.link;
        }
        Head { seq: SeqNo(self.seq), audit: self.audit.hash(), market: self.market.hash() }
    }

    /// The last number added, or that of the beginning.
    pub fn seq(&self) -> SeqNo {
        SeqNo(self.seq)
    }

    /// True once market events were missing: the market chain means nothing from there on.
    pub fn is_pruned(&self) -> bool {
        self.is_pruned
    }

    /// The links closed since this was asked last.
    pub fn take_links(&mut self) -> Vec<Head> {
        std::mem::take(&mut self.links)
    }
}

/// The file of links.
#[derive(Debug)]
struct Links {
    path: PathBuf,
    instance: u128,
    /// The origin first, then links at consecutive multiples.
    entries: Vec<Head>,
}

impl Links {
    /// Reads what is whole of the file; `None` if it is not there or its header is damaged.
    fn read(dir: &Dir) -> Result<Option<Self>, JournalError> {
        let path = dir.path().join(FILE_NAME);
        let Some(file) = dir.open_if_there(&path)? else { return Ok(None) };
        let mut header = [0; HEADER_LEN];
        if !read_whole(file.as_ref(), &mut header, 0, &path)? {
            return Ok(None);
        }
        let sound = header[..8] == MAGIC
            && header[8..12] == VERSION.to_le_bytes()
            && header[28..] == crc::bytes(&header[..28]).to_le_bytes();
        if !sound {
            return Ok(None);
        }
        let mut instance = [0; 16];
        instance.copy_from_slice(&header[12..28]);
        let instance = u128::from_le_bytes(instance);
        let mut links = Self { path, instance, entries: Vec::new() };
        let mut bytes = [0; ENTRY_LEN];
        while links.entries.len() < ENTRIES_MAX
            && read_whole(file.as_ref(), &mut bytes, links.end(), &links.path)?
        {
            let Some(entry) = decode(&bytes) else { break };
            let follows = links.entries.last().is_none_or(|last| {
                entry.seq.0 == (last.seq.0 / LINK_EVERY + 1).saturating_mul(LINK_EVERY)
            });
            if !follows {
                break;
            }
            links.entries.push(entry);
        }
        Ok((!links.entries.is_empty()).then_some(links))
    }

    fn end(&self) -> u64 {
        (HEADER_LEN + self.entries.len() * ENTRY_LEN) as u64
    }

    /// The last entry that is at `seq` or below.
    fn last_to(&self, seq: SeqNo) -> Option<Head> {
        let count = self.entries.partition_point(|entry| entry.seq <= seq);
        self.entries[..count].last().copied()
    }

    /// Writes the file anew.
    fn create(&self, dir: &Dir) -> Result<Box<dyn StorageFile>, JournalError> {
        let mut bytes = Vec::with_capacity(self.end() as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.instance.to_le_bytes());
        bytes.extend_from_slice(&crc::bytes(&bytes).to_le_bytes());
        self.entries.iter().for_each(|entry| bytes.extend_from_slice(&encode(entry)));
        dir.replace(FILE_NAME, &bytes)
    }
}

fn encode(entry: &Head) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    bytes[..8].copy_from_slice(&entry.seq.0.to_le_bytes());
    bytes[8..40].copy_from_slice(&entry.audit.0);
    bytes[40..72].copy_from_slice(&entry.market.0);
    let crc = crc::bytes(&bytes[..72]);
    bytes[72..76].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<Head> {
    let mut seq = [0; 8];
    seq.copy_from_slice(&bytes[..8]);
    let mut entry = Head { seq: SeqNo(u64::from_le_bytes(seq)), ..Head::default() };
    entry.audit.0.copy_from_slice(&bytes[8..40]);
    entry.market.0.copy_from_slice(&bytes[40..72]);
    (encode(&entry) == *bytes).then_some(entry)
}

/// False if the file ends before.
fn read_whole(
    file: &dyn StorageFile,
    bytes: &mut [u8],
    at: u64,
    path: &std::path::Path,
) -> Result<bool, JournalError> {
    match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true).map_err(JournalError::io("read", path)),
    }
}

/// The headers of the first and of the last segment in use; `None` if none is in use yet.
fn ends(dir: &Dir) -> Result<Option<(SegmentHeader, SegmentHeader)>, JournalError> {
    let indexes = segment_indexes(dir)?;
    let mut ends: Option<(SegmentHeader, SegmentHeader)> = None;
    let (Some(&first), Some(&last)) = (indexes.first(), indexes.last()) else {
        return Err(JournalError::NoJournal { dir: dir.path().to_path_buf() });
    };
    // Segments that are not in use lie at the end, one or two of them.
    for index in std::iter::once(first).chain((first..=last).rev()) {
        let Some((_, header)) = open_segment(dir, index)? else {
            return Err(JournalError::MissingSegment { dir: dir.path().to_path_buf(), index });
        };
        match (&mut ends, header.first_seq) {
            (None, Some(_)) => ends = Some((header, header)),
            (None, None) => return Ok(None),
            (Some(ends), Some(_)) => {
                ends.1 = header;
                break;
            }
            (Some(_), None) => {}
        }
    }
    Ok(ends)
}

/// The links of the journal in `dir` that can be gone on from, the origin first, and the number of its first record. Those that
/// begin before what is held are left out, but for the last.
fn usable(dir: &Dir) -> Result<Option<(Links, SeqNo, SegmentHeader)>, JournalError> {
    let Some((first, last)) = ends(dir)? else { return Ok(None) };
    let first_seq = first.first_seq.unwrap_or_default();
    let path = dir.path().join(FILE_NAME);
    let make = |entries| Links { path, instance: first.instance, entries };
    let links = match Links::read(dir)?.filter(|links| links.instance == first.instance) {
        Some(links) => links,
        // Nothing was taken away before the first segment: the chain begins here.
        None if first.index == 1 => make(vec![Head::origin(first_seq)]),
        None => make(Vec::new()),
    };
    // What is hashed after a link must be here.
    let held = |link: &Head| link.seq.0 + 1 >= first_seq.0;
    if !links.entries.iter().any(held) {
        let dir = dir.path().to_path_buf();
        return Err(JournalError::ChainLost { dir, first: first_seq.0 });
    }
    Ok(Some((links, first_seq, last)))
}

/// The head of the journal in `dir` at `at`, or at the last number whose head is final; `None` if the journal is too short to have
/// one. Reads the last segment, and what follows the last link.
///
/// # Errors
/// [`JournalError::HeadNotFinal`] if `at` is the last number or above, [`JournalError::SeqNotHeld`] if it is older than what is
/// held, [`JournalError::ChainLost`], and damage.
pub fn head(dir: impl Into<Dir>, at: Option<SeqNo>) -> Result<Option<Head>, JournalError> {
    let dir = dir.into();
    let Some((links, first, last)) = usable(&dir)? else { return Ok(None) };
    let mut reader = Reader::open(&dir)?;
    reader.seek(last.first_seq.unwrap_or_default())?;
    while reader.next()?.is_some() {}
    let newest = SeqNo(reader.last_seq().unwrap_or_default().0.saturating_sub(1));
    let at = match at {
        Some(at) if at > newest => {
            return Err(JournalError::HeadNotFinal { asked: at.0, newest: newest.0 });
        }
        None if newest.0 < first.0 => return Ok(None),
        at => at.unwrap_or(newest),
    };
    let link = links.last_to(at).filter(|link| link.seq.0 + 1 >= first.0);
    let Some(link) = link else {
        let (dir, asked) = (dir.path().to_path_buf(), at.0);
        return Err(JournalError::SeqNotHeld { dir, asked, first: first.0 });
    };
    let mut fold = Fold::from(link);
    reader.seek(SeqNo(link.seq.0 + 1))?;
    while let Some(record) = reader.next()?.filter(|record| record.seq <= at) {
        fold.add(record.kind, record.seq, record.payload);
    }
    if fold.is_pruned() {
        return Err(JournalError::Pruned { dir: dir.path().to_path_buf() });
    }
    Ok(Some(fold.head(at)))
}

/// Reads every record, compares the links with the file's, and finds the head at `through` if one is given. Returns the links. Of
/// a journal whose market events were pruned only the audit chain is compared from there on.
///
/// # Errors
/// [`JournalError::ChainDiffers`] if the file's link, or `through`, is not what the records give; those of [`head`].
pub fn verify(dir: impl Into<Dir>, through: Option<Head>) -> Result<Vec<Head>, JournalError> {
    let dir = dir.into();
    let Some((links, first, _)) = usable(&dir)? else { return Ok(Vec::new()) };
    let begin = links.entries.iter().position(|link| link.seq.0 + 1 >= first.0).unwrap_or(0);
    let mut expected = links.entries[begin..].iter().skip(1);
    let link = links.entries[begin];
    let too_old = |head: &Head| head.seq < link.seq || head.seq.0 + 1 < first.0;
    if let Some(head) = through.filter(too_old) {
        let (dir, asked) = (dir.path().to_path_buf(), head.seq.0);
        return Err(JournalError::SeqNotHeld { dir, asked, first: first.0 });
    }
    let differs =
        |found: &Head, wanted: &Head, kept, is_pruned: bool| match found.difference(wanted) {
            None => Ok(()),
            Some("market") if is_pruned => Ok(()),
            Some(chain) => {
                let dir = dir.path().to_path_buf();
                Err(JournalError::ChainDiffers { dir, seq: wanted.seq.0, chain, kept })
            }
        };
    let mut fold = Fold::from(link);
    let mut reader = Reader::open(&dir)?;
    reader.seek(SeqNo(link.seq.0 + 1))?;
    let mut all = vec![link];
    let mut through_left = through;
    while let Some(record) = reader.next()? {
        if let Some(head) = through_left.filter(|head| record.seq > head.seq) {
            differs(&fold.head(head.seq), &head, "the head given", fold.is_pruned())?;
            through_left = None;
        }
        fold.add(record.kind, record.seq, record.payload);
        for found in fold.take_links() {
            if let Some(wanted) = expected.next() {
                differs(&found, wanted, "CHAIN", fold.is_pruned())?;
            }
            all.push(found);
        }
    }
    match through_left {
        None => Ok(all),
        Some(head) => {
            let newest = reader.last_seq().unwrap_or_default().0.saturating_sub(1);
            Err(JournalError::HeadNotFinal { asked: head.seq.0, newest })
        }
    }
}

/// The last link, or the origin, below `seq` that the records held lead on from.
pub(crate) fn link_below(dir: &Dir, seq: SeqNo) -> Result<Head, JournalError> {
    let found = usable(dir)?.and_then(|(links, first, _)| {
        let link = links.last_to(SeqNo(seq.0.saturating_sub(1)))?;
        (link.seq.0 + 1 >= first.0).then_some(link)
    });
    let lost = || JournalError::ChainLost { dir: dir.path().to_path_buf(), first: seq.0 };
    found.ok_or_else(lost)
}

/// From where on a copy of the records up to `seq` must begin so that its chain can be led on: the number of its first record, and
/// the link to [`seed`] it with. Where no link lies below `seq` the copy begins as this journal does, and without one.
///
/// # Errors
/// [`JournalError::NoJournal`], and what is wrong with headers and CHAIN.
pub fn base(dir: impl Into<Dir>, seq: SeqNo) -> Result<(SeqNo, Option<Head>), JournalError> {
    let dir = dir.into();
    let (links, first) = match usable(&dir) {
        Ok(Some((links, first, _))) => (links, first),
        Ok(None) => return Err(JournalError::NoJournal { dir: dir.path().to_path_buf() }),
        Err(JournalError::ChainLost { first, .. }) => return Ok((SeqNo(first), None)),
        Err(error) => return Err(error),
    };
    let mut held = links.entries.iter().filter(|link| link.seq.0 + 1 >= first.0);
    match held.rfind(|link| link.seq < seq) {
        Some(link) => Ok((link.seq.next(), Some(*link))),
        // A later one would cover records that the copy does not have yet, and may never get.
        None => Ok((first, None)),
    }
}

/// The last link that CHAIN holds, once it is on the disk.
pub(crate) fn last_kept_link(dir: &Dir) -> Result<Option<SeqNo>, JournalError> {
    let Some(links) = Links::read(dir)? else { return Ok(None) };
    let file = dir.open(&links.path, Open::Write)?;
    file.sync().map_err(JournalError::io("sync", &links.path))?;
    Ok(links.entries.last().map(|link| link.seq))
}

/// Forgets the links behind `last`, the last record that a recovery left: the records that come next are others, or come for the first
/// time.
pub(crate) fn cut_after(dir: &Dir, last: SeqNo) -> Result<(), JournalError> {
    let Some(mut links) = Links::read(dir)? else { return Ok(()) };
    let kept = links.entries.partition_point(|link| link.seq <= last);
    if kept == links.entries.len() {
        return Ok(());
    }
    links.entries.truncate(kept);
    match kept {
        0 => dir.remove(&links.path),
        _ => links.create(dir).map(|_| ()),
    }
}

/// Lets the chain of a journal that does not begin with the first record go on from `link`: for a standby that starts from a
/// snapshot ([`base`]), and for a restored copy. Call it before anything follows the journal.
///
/// # Errors
/// [`JournalError::Io`].
pub fn seed(dir: impl Into<Dir>, instance: u128, link: Head) -> Result<(), JournalError> {
    let dir = dir.into();
    let path = dir.path().join(FILE_NAME);
    Links { path, instance, entries: vec![link] }.create(&dir).map(|_| ())
}

/// The thread that computes the chain behind a writer of this process and keeps `DIR/CHAIN`.
#[derive(Debug)]
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), JournalError>>>,
}

impl Follower {
    /// Starts it. Call this after [`crate::Writer::open`]: links of the last segment are computed anew, since a recovery may have
    /// cut what an older link covers.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the system gives no thread.
    pub fn start(dir: impl Into<Dir>, watermark: Arc<Watermark>) -> Result<Self, JournalError> {
        let dir = dir.into();
        let stop = Arc::new(AtomicBool::new(false));
        let (path, stopped) = (dir.path().to_path_buf(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("journal-chain".to_string())
            .spawn(move || follow(&dir, &watermark, &stopped))
            .map_err(JournalError::io("start a thread for", &path))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// True if it has ended, which it does by itself only after an error: see [`Self::finish`].
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Goes to the end of what is committed, and stops.
    ///
    /// # Errors
    /// What ended the thread: damage, or a file that cannot be written. The records are as good as before.
    pub fn finish(mut self) -> Result<(), JournalError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Whoever wants to know what ended it asks `finish`.
            let _ = thread.join();
        }
    }
}

fn follow(dir: &Dir, watermark: &Arc<Watermark>, stop: &AtomicBool) -> Result<(), JournalError> {
    let (mut links, first, last) = loop {
        match usable(dir)? {
            Some(found) => break found,
            None if stop.load(Ordering::Acquire) => return Ok(()),
            None => std::thread::sleep(POLL_INTERVAL),
        }
    };
    let recompute_from = last.first_seq.unwrap_or_default();
    let below_held = links.entries.partition_point(|link| link.seq.0 + 1 < first.0);
    let keep = links.entries.partition_point(|link| link.seq < recompute_from).max(below_held + 1);
    links.entries.truncate(keep);
    let file = links.create(dir)?;
    let link = links.entries[keep - 1];
    let mut fold = Fold::from(link);
    let mut reader = Reader::follow(dir, Arc::clone(watermark))?;
    reader.seek(SeqNo(link.seq.0 + 1))?;
    loop {
        let last = stop.load(Ordering::Acquire);
        while let Some(record) = reader.next()? {
            fold.add(record.kind, record.seq, record.payload);
            for link in fold.take_links() {
                let write = file.write_all_at(&encode(&link), links.end());
                write.map_err(JournalError::io("write", &links.path))?;
                links.entries.push(link);
            }
        }
        if last {
            return Ok(());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
