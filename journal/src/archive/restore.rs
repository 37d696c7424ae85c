//! From an archive back to a journal.

use super::manifest::{MANIFEST_LEN_MAX, OBJECT_LEN_MAX};
use super::pack::{Rebuilt, audit_name, market_name, rebuild};
use super::{Manifest, Progress, Store, file_hash, get, read_manifest, stems};
use crate::chain::{self, Fold, Head};
use crate::directory::{Lock, segment_path, unfinished_path};
use crate::error::JournalError;
use crate::storage::{Dir, Open, StorageFile};
use std::collections::BTreeSet;
use std::io;
use tidegate_model::SeqNo;

/// What [`restore`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Segments written.
    pub segments: u64,
    /// Segments that were there, the same to the byte.
    pub already: u64,
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

/// The manifests of `instance` in order, and the objects that are there.
pub(super) fn manifests(
    store: &dyn Store,
    instance: u128,
) -> Result<(Vec<(String, Manifest)>, BTreeSet<String>), JournalError> {
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

/// Writes the segments of `instance` that `store` has into `dir`, each as it was to the byte, and proves the chain on the way.
/// A segment that is there stays, if it is the same.
///
/// # Errors
/// [`JournalError::Archive`] names the object and what is wrong with it, also where market events were pruned;
/// [`JournalError::Locked`] if a writer has `dir`.
pub fn restore(
    dir: impl Into<Dir>,
    store: &dyn Store,
    instance: u128,
    dry_run: bool,
    watch: &mut dyn FnMut(Progress),
) -> Result<Restored, JournalError> {
    let dir = dir.into();
    let (manifests, _) = manifests(store, instance)?;
    let mut restored = Restored::default();
    let (Some((first_stem, first)), Some((_, last))) = (manifests.first(), manifests.last()) else {
        let object = format!("{instance:032x}/");
        let reason = "the archive has no segment of this instance".to_string();
        return Err(JournalError::Archive { object, reason });
    };
    restored.range = Some((SeqNo(first.first_seq), SeqNo(last.last_seq)));
    let base = base(&manifests);
    restored.from_origin = first.index == 1;
    if dry_run {
        restored.segments = manifests.len() as u64;
        return Ok(restored);
    }
    dir.create()?;
    let _lock = Lock::take(&dir)?;
    if first.index > 1
        && let Some(base) = base
        && dir.open_if_there(&dir.path().join("CHAIN"))?.is_none()
    {
        let instance = first.header(first_stem)?.instance;
        chain::seed(&dir, instance, base)?;
    }
    let mut fold = base.map(Fold::from);
    for (stem, manifest) in &manifests {
        let (done, total) = (restored.segments + restored.already, manifests.len() as u64);
        watch(Progress { what: "restore", index: manifest.index, done, total });
        let audit = get(store, audit_name(stem))?;
        let market = get(store, market_name(stem))?;
        let path = segment_path(dir.path(), manifest.index);
        if dir.open_if_there(&path)?.is_some() {
            if file_hash(&dir, manifest.index)?.0 != manifest.file_blake3 {
                let reason = format!(
                    "{} is there and differs from it: nothing is overwritten",
                    path.display()
                );
                return Err(JournalError::Archive { object: stem.clone(), reason });
            }
            let rebuilt = rebuild(manifest, stem, &audit, &market, fold.as_mut(), io::sink())?;
            check(manifest, stem, fold.as_mut(), &rebuilt)?;
            restored.already += 1;
            continue;
        }
        let unfinished = unfinished_path(dir.path(), manifest.index);
        let file = dir.open(&unfinished, Open::Create)?;
        let to = io::BufWriter::with_capacity(1 << 20, Appending { file: file.as_ref(), at: 0 });
        let rebuilt = rebuild(manifest, stem, &audit, &market, fold.as_mut(), to);
        let whole = rebuilt.and_then(|rebuilt| check(manifest, stem, fold.as_mut(), &rebuilt));
        if let Err(error) = whole {
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
fn base(manifests: &[(String, Manifest)]) -> Option<Head> {
    let (_, first) = manifests.first()?;
    if first.index == 1 {
        return Some(Head::origin(SeqNo(first.first_seq)));
    }
    manifests.iter().flat_map(|(_, manifest)| &manifest.links).next()?.head()
}

/// Bytes and chain are what the manifest says.
fn check(
    manifest: &Manifest,
    stem: &str,
    fold: Option<&mut Fold>,
    rebuilt: &Rebuilt,
) -> Result<(), JournalError> {
    let bad = |reason: &str| {
        Err(JournalError::Archive { object: stem.to_string(), reason: reason.to_string() })
    };
    if rebuilt.blake3 != manifest.file_blake3 {
        return bad("it does not give the bytes that were archived");
    }
    let Some(fold) = fold.filter(|fold| fold.seq().0 <= manifest.last_seq) else { return Ok(()) };
    if Some(fold.head(SeqNo(manifest.last_seq))) != manifest.after.head() {
        return bad("the chain does not lead through it");
    }
    let links: Vec<_> = manifest.links.iter().filter_map(super::manifest::Stand::head).collect();
    if !links.ends_with(&rebuilt.links) {
        return bad("its links are not those of its records");
    }
    Ok(())
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

const _: () = assert!(MANIFEST_LEN_MAX < OBJECT_LEN_MAX);
