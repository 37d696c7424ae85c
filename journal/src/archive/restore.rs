//! From an archive back to a journal.

use super::manifest::Stand;
use super::pack::{audit_name, market_name, rebuild};
use super::{Manifest, Progress, Store, file_hash, get, read_manifest, stems};
use crate::chain::{self, Fold, Head};
use crate::directory::{Lock, segment_path, unfinished_path};
use crate::error::JournalError;
use crate::storage::{Dir, Open, StorageFile};
use std::collections::BTreeSet;
use std::io;
use tidegate_model::SeqNo;

/// Bytes of a segment written at once.
const WRITE_LEN: usize = 1 << 20;

/// What [`restore`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Segments written.
    pub segments: u64,
    /// Segments that were there, the same to the byte or with market events that the archive lost.
    pub already: u64,
    /// Segments, of both, whose market events were pruned: runs of [`crate::frame::KIND_PRUNED`] stand for them.
    pub pruned: u64,
    /// The first and the last record restored.
    pub range: Option<(SeqNo, SeqNo)>,
    /// True if the chain was proved from the journal's first record on, and not from a link on.
    pub from_origin: bool,
}

/// The journals that `store` has something of, by instance.
///
/// # Errors
/// [`JournalError::Store`].
pub fn instances(store: &dyn Store) -> Result<BTreeSet<u128>, JournalError> {
    let names = store.list("")?;
    let instance = |stem: &String| u128::from_str_radix(stem.split_once('/')?.0, 16).ok();
    Ok(stems(&names).iter().filter_map(instance).collect())
}

/// The beginning of the names of a segment's objects, and its manifest.
pub(super) type Entry = (String, Manifest);

/// The manifests of `instance` in order, and the objects that are there.
pub(super) fn manifests(
    store: &dyn Store,
    instance: u128,
) -> Result<(Vec<Entry>, BTreeSet<String>), JournalError> {
    let names = store.list(&format!("{instance:032x}/"))?;
    let mut manifests = Vec::new();
    for stem in stems(&names) {
        let manifest = read_manifest(store, &stem)?;
        let header = manifest.header(&stem)?;
        if Manifest::stem(&header) != stem {
            let reason = "it is the manifest of another segment".to_string();
            return Err(JournalError::Archive { object: stem, reason });
        }
        manifests.push((stem, manifest));
    }
    for pair in manifests.windows(2) {
        let ((_, before), (stem, after)) = (&pair[0], &pair[1]);
        let follows = before.last_seq.wrapping_add(1) == after.first_seq
            && before.index.wrapping_add(1) == after.index
            && before.epoch <= after.epoch
            && before.after == after.before;
        if !follows {
            let reason = format!(
                "it does not follow the segment before it, which ends at {}",
                before.last_seq
            );
            return Err(JournalError::Archive { object: stem.clone(), reason });
        }
    }
    Ok((manifests, names.into_iter().collect()))
}

/// The chains, each from where it can be led through what the archive has.
struct Proof {
    audit: Option<Fold>,
    market: Option<Fold>,
}

impl Proof {
    fn add(&mut self, kind: u8, seq: SeqNo, payload: &[u8]) {
        self.audit.iter_mut().chain(&mut self.market).for_each(|fold| fold.add(kind, seq, payload));
    }

    /// The chains stand behind the segment as its manifest says, and closed the links that it names.
    fn check(&mut self, manifest: &Manifest, stem: &str) -> Result<(), JournalError> {
        let last = SeqNo(manifest.last_seq);
        for (fold, is_market) in [(&mut self.audit, false), (&mut self.market, true)] {
            let Some(fold) = fold.as_mut().filter(|fold| fold.seq() <= last) else { continue };
            let of = |head: &Head| if is_market { head.market } else { head.audit };
            let wanted: Vec<_> = manifest.links.iter().filter_map(Stand::head).collect();
            let links = fold.take_links();
            let links_fit = links
                .iter()
                .all(|link| wanted.iter().any(|head| head.seq == link.seq && of(head) == of(link)));
            let after = manifest.after.head().is_some_and(|head| of(&head) == of(&fold.head(last)));
            if !(links_fit && after) {
                let name = if is_market { "market" } else { "audit" };
                let reason = format!("the {name} chain does not lead through it");
                return Err(JournalError::Archive { object: stem.to_string(), reason });
            }
        }
        Ok(())
    }
}

/// Writes the segments of `instance` that `store` has into `dir`, each as it was to the byte, and proves the chain on the way.
/// A segment that is there stays, if it is the same. Where the archive has no market events any more, everything else is restored,
/// and the audit chain proved; such a journal can be read and verified, and not replayed.
///
/// # Errors
/// [`JournalError::Archive`] names the object and what is wrong with it; [`JournalError::Locked`] if a writer has `dir`.
pub fn restore(
    dir: impl Into<Dir>,
    store: &dyn Store,
    instance: u128,
    dry_run: bool,
    watch: &mut dyn FnMut(Progress),
) -> Result<Restored, JournalError> {
    let dir = dir.into();
    let (manifests, names) = manifests(store, instance)?;
    let (Some((_, first)), Some((_, last))) = (manifests.first(), manifests.last()) else {
        let object = format!("{instance:032x}/");
        let reason = "the archive has no segment of this instance".to_string();
        return Err(JournalError::Archive { object, reason });
    };
    let has_market = |(stem, manifest): &Entry| {
        manifest.market.frames == 0 || names.contains(&market_name(stem))
    };
    let mut restored = Restored {
        range: Some((SeqNo(first.first_seq), SeqNo(last.last_seq))),
        from_origin: first.index == 1,
        ..Restored::default()
    };
    if dry_run {
        restored.segments = manifests.len() as u64;
        restored.pruned = manifests.iter().filter(|manifest| !has_market(manifest)).count() as u64;
        return Ok(restored);
    }
    dir.create()?;
    let _lock = Lock::take(&dir)?;
    let base = base(&manifests);
    if first.index > 1
        && let Some(base) = base
        && dir.open_if_there(&dir.path().join("CHAIN"))?.is_none()
    {
        chain::seed(&dir, instance, base)?;
    }
    let with_market = manifests.iter().rposition(|manifest| !has_market(manifest));
    let whole = &manifests[with_market.map_or(0, |last| last + 1)..];
    let (audit, market) = (base.map(Fold::from), self::base(whole).map(Fold::from));
    let mut proof = Proof { audit, market };
    for entry in &manifests {
        let (stem, manifest) = entry;
        let (done, total) = (restored.segments + restored.already, manifests.len() as u64);
        watch(Progress { what: "restore", index: manifest.index, done, total });
        let audit = get(store, audit_name(stem))?;
        let market = match names.contains(&market_name(stem)) {
            true => Some(get(store, market_name(stem))?),
            // There was none: nothing is missing.
            false if manifest.market.frames == 0 => {
                let reason = "it is not there".to_string();
                return Err(JournalError::Archive { object: market_name(stem), reason });
            }
            false => None,
        };
        restored.pruned += u64::from(market.is_none());
        let mut write = |to: &mut dyn io::Write| {
            let each = |kind, seq, payload: &[u8]| proof.add(kind, seq, payload);
            let hash = rebuild(manifest, stem, &audit, market.as_deref(), each, to)?;
            if market.is_some() && hash != manifest.file_blake3 {
                let reason = "it does not give the bytes that were archived".to_string();
                return Err(JournalError::Archive { object: stem.clone(), reason });
            }
            proof.check(manifest, stem).map(|()| hash)
        };
        let path = segment_path(dir.path(), manifest.index);
        if dir.open_if_there(&path)?.is_some() {
            let hash = write(&mut io::sink())?;
            let here = file_hash(&dir, manifest.index)?.0;
            if here != hash && here != manifest.file_blake3 {
                let path = path.display();
                let reason = format!("{path} is there and differs from it: nothing is overwritten");
                return Err(JournalError::Archive { object: stem.clone(), reason });
            }
            restored.already += 1;
            continue;
        }
        let unfinished = unfinished_path(dir.path(), manifest.index);
        let file = dir.open(&unfinished, Open::Create)?;
        let to = Appending { file: file.as_ref(), at: 0 };
        let mut to = io::BufWriter::with_capacity(WRITE_LEN, to);
        let written = write(&mut to);
        let flushed = io::Write::flush(&mut to).map_err(JournalError::io("write", &unfinished));
        if let Err(error) = written.and(flushed) {
            drop(to);
            let _ = dir.remove(&unfinished);
            return Err(error);
        }
        file.sync().map_err(JournalError::io("sync", &unfinished))?;
        let renamed = dir.storage().rename(&unfinished, &path);
        renamed.map_err(JournalError::io("rename", &unfinished))?;
        dir.sync()?;
        restored.segments += 1;
    }
    Ok(restored)
}

/// The link, or the origin, from which the chain can be led through what is there.
fn base(manifests: &[Entry]) -> Option<Head> {
    let (_, first) = manifests.first()?;
    if first.index == 1 {
        return Some(Head::origin(SeqNo(first.first_seq)));
    }
    manifests.iter().flat_map(|(_, manifest)| &manifest.links).next()?.head()
}

/// A file, written from its beginning on.
struct Appending<'a> {
    file: &'a dyn StorageFile,
    at: u64,
}

impl io::Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
