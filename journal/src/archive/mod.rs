//! Sealed segments kept elsewhere, for years: [`archive`], [`restore`], and taking away what is old, [`prune_local`] and
//! [`prune_archive`].
//!
//! A segment becomes two objects, because market inputs are kept for weeks and everything else for years: one of its market events, one of
//! all other frames; and a [`Manifest`], which says how to rebuild it byte for byte, and how the chain ([`crate::chain`]) stands before
//! and behind it. The manifest is stored last, after both objects were read back and rebuilt into the segment's very bytes: where
//! a manifest is, its segment is safe.
//!
//! ```text
//! INSTANCE/FIRST_SEQ-EPOCH.audit.zst    frames, one after the other, compressed
//! INSTANCE/FIRST_SEQ-EPOCH.market.zst
//! INSTANCE/FIRST_SEQ-EPOCH.json         the manifest
//! ```
//!
//! Every step may be interrupted and done again. None touches the segment in use, so all may run beside an engine; the one
//! exception is [`restore`], which takes the journal's lock.

pub mod manifest;
mod pack;
mod prune;
mod restore;
pub mod store;

pub use manifest::{MANIFEST_VERSION, Manifest};
pub use prune::{ArchivePruned, LocalPruned, prune_archive, prune_local};
pub use restore::{Restored, instances, restore};
pub use store::{Folder, Store};

use crate::chain::{self, Fold};
use crate::directory::segment_path;
use crate::epochs::headers;
use crate::error::JournalError;
use crate::frame::{KIND_MARKET_EVENT, KIND_SEAL};
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::reader::Reader;
use crate::storage::Dir;
use manifest::{MANIFEST_LEN_MAX, MANIFEST_VERSION as VERSION, OBJECT_LEN_MAX, to_hex};
use pack::{MANIFEST_SUFFIX, Packer, audit_name, manifest_name, market_name, rebuild};
use std::collections::BTreeSet;
use std::io;
use tidegate_model::SeqNo;

/// A segment that is being worked on, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done with it: `archive`, `restore`, ...
    pub what: &'static str,
    /// The segment's number.
    pub index: u64,
    /// Segments done before it.
    pub done: u64,
    /// Segments that were to be done when it began; more may come.
    pub total: u64,
}

/// What [`archive`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Segments archived now.
    pub segments: u64,
    /// Sealed segments that had been archived before.
    pub already: u64,
    /// Bytes of the segments archived now.
    pub segment_bytes: u64,
    /// Bytes of their objects.
    pub stored_bytes: u64,
    /// What is wrong with objects that were stored before and whose segment is here: it is archived again.
    pub repaired: Vec<String>,
    /// The same where the segment is not here any more: they cannot be had again.
    pub lost: Vec<String>,
    /// Segments that are not here any more and of which the archive has no market events: they were pruned, or somebody took them
    /// away.
    pub without_market: u64,
}

/// BLAKE3 and length of a segment's file.
fn file_hash(dir: &Dir, index: u64) -> Result<(String, u64), JournalError> {
    let path = segment_path(dir.path(), index);
    let file = dir.open(&path, crate::storage::Open::Read)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match file.read_at(&mut block, at) {
            Ok(0) => return Ok((hasher.finalize().to_hex().to_string(), at)),
            Ok(count) => {
                hasher.update(&block[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(JournalError::io("read", &path)(error)),
        }
    }
}

/// The names of manifests among `names`, without their suffix.
fn stems(names: &[String]) -> BTreeSet<String> {
    names.iter().filter_map(|name| name.strip_suffix(MANIFEST_SUFFIX)).map(String::from).collect()
}

/// Reads the manifest of `stem`.
fn read_manifest(store: &dyn Store, stem: &str) -> Result<Manifest, JournalError> {
    let name = manifest_name(stem);
    match store.get(&name, MANIFEST_LEN_MAX)? {
        Some(bytes) => Manifest::decode(&bytes, &name),
        None => Err(missing(name)),
    }
}

fn missing(object: String) -> JournalError {
    JournalError::Archive { object, reason: "it is not there".to_string() }
}

fn get(store: &dyn Store, name: String) -> Result<Vec<u8>, JournalError> {
    store.get(&name, OBJECT_LEN_MAX)?.ok_or_else(|| missing(name))
}

/// A segment being packed.
struct Open {
    header: SegmentHeader,
    before: crate::chain::Head,
    audit: Packer,
    market: Packer,
}

/// What is looked at again of that which was archived before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// That the objects of each manifest are there.
    Names,
    /// That they still give the bytes that were archived: all of them are read.
    Bytes,
}

/// Archives every sealed segment of `dir` that `store` does not have. With `dry_run` it only counts them. What `store` has is looked at
/// again, as far as `look` says: what is damaged and still here is archived again.
///
/// # Errors
/// [`JournalError::Store`] and [`JournalError::Archive`], which name the object; damage of the journal.
pub fn archive(
    dir: impl Into<Dir>,
    store: &dyn Store,
    look: Look,
    dry_run: bool,
    watch: &mut dyn FnMut(Progress),
) -> Result<Archived, JournalError> {
    let dir = dir.into();
    let headers = headers(&dir)?;
    let mut archived = Archived::default();
    let Some(first) = headers.first() else { return Ok(archived) };
    let names = store.list(&format!("{:032x}/", first.instance))?;
    let mut there = stems(&names);
    let here: BTreeSet<_> = headers.iter().map(Manifest::stem).collect();
    let is_without_market =
        |stem: &&String| !here.contains(*stem) && !names.contains(&market_name(stem));
    archived.without_market = there.iter().filter(is_without_market).count() as u64;
    for (stem, error) in damaged(store, names, &here, look, watch)? {
        if here.contains(&stem) {
            archived.repaired.push(error.to_string());
            there.remove(&stem);
        } else {
            archived.lost.push(error.to_string());
        }
    }
    let is_there = |header: &SegmentHeader| there.contains(&Manifest::stem(header));
    archived.already = headers.iter().filter(|header| is_there(header)).count() as u64;
    let Some(begin) = headers.iter().find(|header| !is_there(header)).copied() else {
        return Ok(archived);
    };
    // The last segment is sealed only if the journal was closed.
    let total = headers.len() as u64 - archived.already;
    let (mut fold, mut reader) = before(&dir, first, &begin)?;
    let mut open: Option<Open> = None;
    let mut segment = 0;
    while let Some(record) = reader.next()? {
        if record.segment != segment && record.segment >= begin.index {
            segment = record.segment;
            let header = headers.iter().find(|header| header.index == segment);
            open = match header.filter(|header| !is_there(header)) {
                Some(&header) => {
                    let (what, done) = ("archive", archived.segments);
                    watch(Progress { what, index: segment, done, total });
                    let packer = || Packer::new().map_err(JournalError::io("pack", dir.path()));
                    let (audit, market) = (packer()?, packer()?);
                    let before = fold.head(SeqNo(header.first_seq.unwrap_or_default().0 - 1));
                    Some(Open { header, before, audit, market })
                }
                // Begun after the list was made, or archived already.
                None => None,
            };
            fold.take_links();
        }
        fold.add(record.kind, record.seq, record.payload);
        if let Some(open) = &mut open {
            let is_market = record.kind == KIND_MARKET_EVENT;
            let packer = if is_market { &mut open.market } else { &mut open.audit };
            let added = packer.add(record.kind, record.seq.0, record.payload);
            added.map_err(JournalError::io("pack", dir.path()))?;
        }
        if record.kind == KIND_SEAL
            && let Some(open) = open.take()
        {
            let last_seq = record.seq;
            archived.segments += 1;
            if dry_run {
                continue;
            }
            let manifest = upload(&dir, store, open, &mut fold, last_seq)?;
            archived.segment_bytes += manifest.file_len;
            archived.stored_bytes += manifest.audit.stored_len + manifest.market.stored_len;
        }
    }
    Ok(archived)
}

/// The segments of which not all is as it was archived, and what is wrong with them. Market events of segments that are not `here` any
/// more may be gone: they are not kept as long as the rest.
fn damaged(
    store: &dyn Store,
    names: Vec<String>,
    here: &BTreeSet<String>,
    look: Look,
    watch: &mut dyn FnMut(Progress),
) -> Result<Vec<(String, JournalError)>, JournalError> {
    let stems = stems(&names);
    let names: BTreeSet<String> = names.into_iter().collect();
    let mut damaged = Vec::new();
    for (done, stem) in stems.iter().enumerate() {
        let is_gone = |name: &String| !names.contains(name);
        let market = Some(market_name(stem)).filter(|_| here.contains(stem));
        let gone = [Some(audit_name(stem)), market].into_iter().flatten().find(is_gone);
        let checked = match (gone, look) {
            (Some(name), _) => Err(missing(name)),
            (None, Look::Names) => Ok(()),
            (None, Look::Bytes) => {
                let (done, total) = (done as u64, stems.len() as u64);
                check_bytes(store, stem, &names, |index| {
                    watch(Progress { what: "check", index, done, total });
                })
            }
        };
        match checked {
            Ok(()) => {}
            Err(error @ JournalError::Archive { .. }) => damaged.push((stem.clone(), error)),
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

/// The objects of `stem` give the segment that its manifest is of.
fn check_bytes(
    store: &dyn Store,
    stem: &str,
    names: &BTreeSet<String>,
    watch: impl FnOnce(u64),
) -> Result<(), JournalError> {
    let manifest = read_manifest(store, stem)?;
    watch(manifest.index);
    let audit = get(store, audit_name(stem))?;
    let has_market = names.contains(&market_name(stem));
    if !has_market && manifest.market.frames == 0 {
        return Err(missing(market_name(stem)));
    }
    let market = has_market.then(|| get(store, market_name(stem))).transpose()?;
    let rebuilt = rebuild(&manifest, stem, &audit, market.as_deref(), |_, _, _| {}, io::sink())?;
    if has_market && rebuilt != manifest.file_blake3 {
        let reason = "it does not give the bytes that were archived".to_string();
        return Err(JournalError::Archive { object: stem.to_string(), reason });
    }
    Ok(())
}

/// Chain and reader at a place from which both come to the beginning of `begin` with every frame before it counted.
fn before(
    dir: &Dir,
    first: &SegmentHeader,
    begin: &SegmentHeader,
) -> Result<(Fold, Reader), JournalError> {
    let mut reader = Reader::open(dir)?;
    let first_seq = begin.first_seq.unwrap_or_default();
    let is_first = first.index == begin.index;
    // A checkpoint of the number before may begin the segment, so the reader starts below that.
    let from = if is_first { first_seq } else { SeqNo(first_seq.0 - 1) };
    let link = chain::link_below(dir, from)?;
    if !is_first {
        reader.seek(SeqNo(link.seq.0 + 1))?;
    } else if link.seq.0 + 1 != first_seq.0 {
        let (dir, first) = (dir.path().to_path_buf(), first_seq.0);
        return Err(JournalError::ChainLost { dir, first });
    }
    Ok((Fold::from(link), reader))
}

fn upload(
    dir: &Dir,
    store: &dyn Store,
    open: Open,
    fold: &mut Fold,
    last_seq: SeqNo,
) -> Result<Manifest, JournalError> {
    let Open { header, before, audit, market } = open;
    let stem = Manifest::stem(&header);
    let path = segment_path(dir.path(), header.index);
    let file = dir.open(&path, crate::storage::Open::Write)?;
    // What is kept for years must not be more than what a loss of power would leave here.
    file.sync().map_err(JournalError::io("sync", &path))?;
    let mut header_bytes = [0; SEGMENT_HEADER_LEN];
    file.read_exact_at(&mut header_bytes, 0).map_err(JournalError::io("read", &path))?;
    let (file_blake3, file_len) = file_hash(dir, header.index)?;
    let packed = |packer: Packer| packer.finish().map_err(JournalError::io("pack", &path));
    let ((audit, audit_bytes), (market, market_bytes)) = (packed(audit)?, packed(market)?);
    let manifest = Manifest {
        version: VERSION,
        instance: format!("{:032x}", header.instance),
        epoch: header.epoch,
        index: header.index,
        first_seq: header.first_seq.unwrap_or_default().0,
        last_seq: last_seq.0,
        header: to_hex(&header_bytes),
        file_len,
        file_blake3,
        modified_ns: modified_ns(&path, &header),
        before: before.into(),
        after: fold.head(last_seq).into(),
        links: fold.take_links().into_iter().map(Into::into).collect(),
        audit,
        market,
    };
    store.put(&audit_name(&stem), &audit_bytes)?;
    store.put(&market_name(&stem), &market_bytes)?;
    drop((audit_bytes, market_bytes));
    // What the store gives back must be the segment.
    let (audit, market) = (get(store, audit_name(&stem))?, get(store, market_name(&stem))?);
    let rebuilt = rebuild(&manifest, &stem, &audit, Some(&market), |_, _, _| {}, io::sink())?;
    if rebuilt != manifest.file_blake3 {
        let reason = format!("what was stored does not give the bytes of {}", path.display());
        return Err(JournalError::Archive { object: stem, reason });
    }
    let (name, bytes) = (manifest_name(&stem), manifest.encode());
    store.put(&name, &bytes)?;
    if store.get(&name, MANIFEST_LEN_MAX)?.as_ref() != Some(&bytes) {
        let reason = "it is not read back as it was stored".to_string();
        return Err(JournalError::Archive { object: name, reason });
    }
    Ok(manifest)
}

/// When a segment's file was written last, or when it was made if the file system does not say.
fn modified_ns(path: &std::path::Path, header: &SegmentHeader) -> u64 {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    ns.max(header.created.0)
}
