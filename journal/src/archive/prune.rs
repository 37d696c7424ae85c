//! Taking away what is old: here, what an archive has; in the archive, what need not be kept any more.

use super::pack::{MANIFEST_SUFFIX, audit_name, manifest_name, market_name};
use super::restore::manifests;
use super::{Manifest, Progress, Store, file_hash, modified_ns, read_manifest};
use crate::chain;
use crate::directory::segment_path;
use crate::epochs::headers;
use crate::error::JournalError;
use crate::storage::Dir;
use std::time::Duration;
use tidegate_model::{SeqNo, UnixNanos};

/// What [`prune_local`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPruned {
    /// Segments taken away.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why the first segment that is left was left.
    pub kept_because: Option<&'static str>,
}

/// What [`prune_archive`] did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchivePruned {
    /// Objects of market events taken away.
    pub market_objects: u64,
    /// Whole segments taken away.
    pub segments: u64,
    /// Bytes taken away.
    pub bytes: u64,
}

/// Takes away the first segments of `dir` that `store` has, that were written at least `age` ago, and whose records are all below
/// `below`: what starts from there does not need them. The segment in use always stays, and so do those behind the last link
/// that CHAIN holds.
///
/// # Errors
/// [`JournalError::Archive`] if the archive has other bytes than `dir`; [`JournalError::Store`]; [`JournalError::Io`].
pub fn prune_local(
    dir: impl Into<Dir>,
    store: &dyn Store,
    below: SeqNo,
    age: Duration,
    now: UnixNanos,
    dry_run: bool,
    watch: &mut dyn FnMut(Progress),
) -> Result<LocalPruned, JournalError> {
    let dir = dir.into();
    let headers = headers(&dir)?;
    let mut pruned = LocalPruned::default();
    let Some(first) = headers.first() else { return Ok(pruned) };
    let names = store.list(&format!("{:032x}/", first.instance))?;
    let last_link = chain::last_kept_link(&dir)?;
    let total = headers.len() as u64 - 1;
    for pair in headers.windows(2) {
        let (header, next) = (&pair[0], &pair[1]);
        let last_seq = SeqNo(next.first_seq.unwrap_or_default().0 - 1);
        let path = segment_path(dir.path(), header.index);
        let stem = Manifest::stem(header);
        let has = |name: String| names.contains(&name);
        let written = modified_ns(&path, header);
        pruned.kept_because = if last_seq >= below {
            Some("a restart needs it: no snapshot is behind it")
        } else if last_link.is_none_or(|link| last_seq > link) {
            Some("CHAIN has no link behind it yet (one comes every 65,536 records)")
        } else if now.0.saturating_sub(written) < u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
        {
            Some("it is younger than what is kept here")
        } else if [manifest_name(&stem), audit_name(&stem), market_name(&stem)]
            .into_iter()
            .any(|name| !has(name))
        {
            Some("it is not archived, or not all of it any more")
        } else {
            None
        };
        if pruned.kept_because.is_some() {
            return Ok(pruned);
        }
        watch(Progress { what: "prune", index: header.index, done: pruned.segments, total });
        let manifest = read_manifest(store, &stem)?;
        let (hash, len) = file_hash(&dir, header.index)?;
        if hash != manifest.file_blake3 {
            let reason = format!("{} has other bytes than were archived", path.display());
            return Err(JournalError::Archive { object: stem, reason });
        }
        if !dry_run {
            if pruned.segments == 0 {
                crate::epochs::keep(&dir)?;
            }
            // From the first on, so that no hole is ever seen.
            dir.remove(&path)?;
            dir.sync()?;
        }
        pruned.segments += 1;
        pruned.bytes += len;
    }
    pruned.kept_because = Some("it is in use");
    Ok(pruned)
}

/// Takes away, of what `store` has of `instance`, market events written at least `market_age` ago, and whole segments written at
/// least `audit_age` ago.
///
/// # Errors
/// [`JournalError::Store`]; [`JournalError::Archive`] if the manifests are not whole: nothing is taken away then.
pub fn prune_archive(
    store: &dyn Store,
    instance: u128,
    market_age: Duration,
    audit_age: Duration,
    now: UnixNanos,
    dry_run: bool,
) -> Result<ArchivePruned, JournalError> {
    let (manifests, names) = manifests(store, instance)?;
    let mut pruned = ArchivePruned::default();
    let old = |manifest: &Manifest, age: Duration| {
        u128::from(now.0.saturating_sub(manifest.modified_ns)) >= age.as_nanos()
    };
    let remove = |name: &str| if dry_run { Ok(()) } else { store.remove(name) };
    // Segments go from the first on. The newest stays: the chain goes on from it.
    let whole = manifests.iter().take_while(|(_, manifest)| old(manifest, audit_age)).count();
    let whole = whole.min(manifests.len().saturating_sub(1));
    for (n, (stem, manifest)) in manifests.iter().enumerate() {
        let market = market_name(stem);
        if n < whole {
            // The manifest first: without it nobody looks for the rest.
            remove(&manifest_name(stem))?;
            remove(&audit_name(stem))?;
            pruned.segments += 1;
            pruned.bytes += manifest.audit.stored_len;
        }
        // An object of no events is no gain, and restoring would miss it.
        let market_goes = old(manifest, market_age) && manifest.market.frames > 0;
        if (n < whole || market_goes) && names.contains(&market) {
            remove(&market)?;
            pruned.market_objects += 1;
            pruned.bytes += manifest.market.stored_len;
        }
    }
    // What an interrupted run left of segments older than the first that stays.
    if let Some((first, _)) = manifests.get(whole) {
        let orphans = names.iter().filter(|name| {
            name.as_str() < first.as_str()
                && !name.ends_with(MANIFEST_SUFFIX)
                && !manifests.iter().any(|(stem, _)| name.starts_with(stem.as_str()))
        });
        orphans.into_iter().try_for_each(|name| remove(name))?;
    }
    Ok(pruned)
}
