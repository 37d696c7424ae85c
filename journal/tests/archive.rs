//! Segments to an archive and back, to the byte; what is pruned and what is not; what a store can do wrong.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tidegate_journal::archive::{
    self, ArchivePruned, Archived, Folder, Look, Store, prune_archive, prune_local, restore,
};
use tidegate_journal::chain::{self, Follower, LINK_EVERY};
use tidegate_journal::frame::{
    KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT, KIND_PRUNED, KIND_SEAL,
};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, JournalError, Reader, Writer, verify};
use tidegate_model::{SeqNo, StateHash, UnixNanos};

const INSTANCE: u128 = 0xabc;
const DAY: Duration = Duration::from_secs(86_400);
/// Long after anything a test writes.
const FAR: UnixNanos = UnixNanos(u64::MAX);

fn config() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, instance: Some(INSTANCE), ..Config::default() }
}

/// Appends `count` records, with a checkpoint now and then, while a follower keeps the chain.
fn append(dir: &Path, count: u64) {
    let (mut writer, _) = Writer::open(dir, config()).unwrap();
    let follower = Follower::start(dir, writer.watermark()).unwrap();
    for _ in 0..count {
        let seq = writer.last_seq().next();
        let kind =
            [KIND_MARKET_EVENT, KIND_MARKET_EVENT, KIND_COMMAND, KIND_EVENT][(seq.0 % 4) as usize];
        writer.append(kind, seq, &seq.0.to_le_bytes()[..(seq.0 % 9) as usize]).unwrap();
        if seq.0.is_multiple_of(5_000) {
            writer.append_checkpoint(StateHash(seq.0)).unwrap();
        }
    }
    follower.finish().unwrap();
    writer.close().unwrap();
}

fn segments(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut segments = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return segments };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".tgj") {
            segments.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    segments
}

/// A store in memory that does wrong on request.
#[derive(Default)]
struct Memory {
    objects: RefCell<BTreeMap<String, Vec<u8>>>,
    calls_left: Cell<Option<u64>>,
}

impl Memory {
    fn call(&self, what: &'static str, name: &str) -> Result<(), JournalError> {
        match self.calls_left.get() {
            Some(0) => Err(JournalError::store(what, self, name, "it is cut off")),
            left => {
                self.calls_left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    fn names(&self, suffix: &str) -> Vec<String> {
        self.objects.borrow().keys().filter(|name| name.ends_with(suffix)).cloned().collect()
    }
}

impl Store for Memory {
    fn place(&self) -> String {
        "memory".to_string()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        self.call("store", name)?;
        self.objects.borrow_mut().insert(name.to_string(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, name: &str, _: u64) -> Result<Option<Vec<u8>>, JournalError> {
        self.call("read", name)?;
        Ok(self.objects.borrow().get(name).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, JournalError> {
        self.call("list", prefix)?;
        Ok(self.objects.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        self.call("remove", name)?;
        self.objects.borrow_mut().remove(name);
        Ok(())
    }
}

fn archive_all(dir: &Path, store: &dyn Store) -> Result<Archived, JournalError> {
    archive::archive(dir, store, Look::Names, false, &mut |_| {})
}

#[test]
fn what_is_archived_is_restored_to_the_byte_and_leads_to_the_same_head() {
    let (dir, away, back) =
        (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    append(dir.path(), LINK_EVERY + 9_000);
    let store = Folder::new(away.path().join("not/there/yet"));
    let dry = archive::archive(dir.path(), &store, Look::Names, true, &mut |_| {}).unwrap();
    assert_eq!(store.list("").unwrap(), [""; 0], "a dry run stores nothing");
    let mut seen = Vec::new();
    let archived =
        archive::archive(dir.path(), &store, Look::Names, false, &mut |step| seen.push(step.index))
            .unwrap();
    let here = segments(dir.path());
    assert!(here.len() > 10);
    assert_eq!(archived.segments, here.len() as u64);
    assert_eq!((dry.segments, dry.stored_bytes), (archived.segments, 0));
    assert_eq!(seen, (1..=archived.segments).collect::<Vec<_>>());
    assert_eq!(archived.segment_bytes, here.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert!(archived.stored_bytes * 2 < archived.segment_bytes, "{archived:?}");
    // Again: nothing to do. Then more comes.
    let again = archive_all(dir.path(), &store).unwrap();
    assert_eq!((again.segments, again.already), (0, archived.segments));
    append(dir.path(), LINK_EVERY);
    let more = archive_all(dir.path(), &store).unwrap();
    assert_eq!(more.already, archived.segments);
    assert!(more.segments > 10);

    let restored = restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
    assert_eq!(restored.segments, archived.segments + more.segments);
    assert!(restored.from_origin);
    assert_eq!(restored.range, Some((SeqNo(1), SeqNo(2 * LINK_EVERY + 9_000))));
    assert!(segments(back.path()) == segments(dir.path()), "to the byte");
    let head = chain::head(dir.path(), None).unwrap();
    assert_eq!(chain::head(back.path(), None).unwrap(), head);
    chain::verify(back.path(), head).unwrap();
    // Again, after one was lost: only that one is written.
    std::fs::remove_file(back.path().join("00000000000000000003.tgj")).unwrap();
    let again = restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
    assert_eq!((again.segments, again.already), (1, restored.segments - 1));
    assert!(segments(back.path()) == segments(dir.path()));
    // A file that differs is never overwritten.
    let other = back.path().join("00000000000000000004.tgj");
    let mut bytes = std::fs::read(&other).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&other, &bytes).unwrap();
    let refused = restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("nothing is overwritten"), "{refused}");
    assert_eq!(std::fs::read(&other).unwrap(), bytes);
    // Nor is a journal that somebody writes.
    let (_writer, _) = Writer::open(dir.path(), config()).unwrap();
    let refused = restore(dir.path(), &store, INSTANCE, false, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
}

#[test]
fn the_segment_in_use_stays_out() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), config()).unwrap();
    for seq in 1..=12_000 {
        writer.append(KIND_MARKET_EVENT, SeqNo(seq), &[7; 40]).unwrap();
    }
    let store = Memory::default();
    let archived = archive_all(dir.path(), &store).unwrap();
    let in_use = verify(dir.path()).unwrap().segment_count;
    assert_eq!(archived.segments, in_use - 1);
    let never =
        prune_local(dir.path(), &store, SeqNo(u64::MAX), Duration::ZERO, FAR, false, &mut |_| {});
    assert_eq!(never.unwrap().segments, 0, "without CHAIN no segment may go");
    writer.append(KIND_MARKET_EVENT, SeqNo(12_001), &[7; 40]).unwrap();
    verify(dir.path()).unwrap();
}

#[test]
fn an_archive_that_is_cut_off_anywhere_goes_on_and_never_has_half_a_segment() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 12_000);
    let whole = Memory::default();
    let archived = archive_all(dir.path(), &whole).unwrap();
    assert!(archived.segments >= 3);
    for calls in 0.. {
        let store = Memory::default();
        store.calls_left.set(Some(calls));
        let first = archive_all(dir.path(), &store);
        store.calls_left.set(None);
        if let Err(error) = &first {
            assert!(error.to_string().contains("it is cut off"), "{error}");
        }
        let complete = first.is_ok();
        archive_all(dir.path(), &store).unwrap();
        assert!(*store.objects.borrow() == *whole.objects.borrow(), "after {calls} calls");
        if complete {
            assert!(calls > 10);
            break;
        }
    }
}

#[test]
fn every_damaged_object_is_named() {
    let (dir, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    append(dir.path(), 3_000);
    let store = Memory::default();
    archive_all(dir.path(), &store).unwrap();
    let whole = store.objects.borrow().clone();
    let mut refused = 0;
    for (name, bytes) in &whole {
        let cuts = [0, 1, bytes.len() / 2, bytes.len() - 1];
        let flips = (0..bytes.len()).step_by(bytes.len() / 150 + 1);
        let changed = cuts.iter().map(|&len| bytes[..len].to_vec()).chain(flips.map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        }));
        for changed in changed {
            store.objects.borrow_mut().insert(name.clone(), changed);
            let target = back.path().join("journal");
            match restore(&target, &store, INSTANCE, false, &mut |_| {}) {
                // White space, or a number that only says how long something is kept.
                Ok(_) => {
                    assert!(name.ends_with(".json") && segments(&target) == segments(dir.path()))
                }
                Err(error) => {
                    refused += 1;
                    let stem = name.split('.').next().unwrap();
                    assert!(error.to_string().contains(stem), "{error}");
                    assert!(segments(&target).is_empty());
                }
            }
            let _ = std::fs::remove_dir_all(&target);
        }
        store.objects.borrow_mut().insert(name.clone(), bytes.clone());
    }
    assert!(refused > 300, "{refused}");
    // An object that is gone is named as well.
    for name in whole.keys().filter(|name| name.ends_with("audit.zst")) {
        store.objects.borrow_mut().remove(name);
        let error =
            restore(&back.path().join("j"), &store, INSTANCE, false, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn what_rotted_in_the_archive_is_found_and_archived_again_while_it_is_here() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 12_000);
    let store = Memory::default();
    archive_all(dir.path(), &store).unwrap();
    let whole = store.objects.borrow().clone();
    let again = |look: Look, dry_run: bool| {
        archive::archive(dir.path(), &store, look, dry_run, &mut |_| {}).unwrap()
    };
    assert_eq!(again(Look::Bytes, false).repaired, [""; 0]);
    for (name, bytes) in &whole {
        let mut changed = bytes.clone();
        // Not every byte of a manifest is of a segment's bytes.
        let at = if name.ends_with(".json") { 0 } else { bytes.len() / 2 };
        changed[at] ^= 4;
        store.objects.borrow_mut().insert(name.clone(), changed);
        assert_eq!(again(Look::Names, false).repaired, [""; 0], "names are as they were");
        let dry = again(Look::Bytes, true);
        let stem = name.split('.').next().unwrap();
        assert!(dry.repaired.len() == 1 && dry.repaired[0].contains(stem), "{name}: {dry:?}");
        assert_eq!(again(Look::Bytes, false).segments, 1);
        assert!(*store.objects.borrow() == whole, "{name} is as it was");
    }
    // An object that is gone is missed at once.
    for name in whole.keys() {
        store.objects.borrow_mut().remove(name);
        let archived = again(Look::Names, false);
        assert_eq!(archived.segments, 1, "{name}");
        store.objects.borrow_mut().insert(name.clone(), whole[name].clone());
    }
    // What is not here any more cannot be had again.
    let first = whole.keys().find(|name| name.contains(".audit.")).unwrap();
    store.objects.borrow_mut().insert(first.clone(), vec![1, 2, 3]);
    let oldest = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let oldest = oldest.filter(|path| path.extension().is_some_and(|e| e == "tgj")).min().unwrap();
    std::fs::remove_file(oldest).unwrap();
    let archived = again(Look::Bytes, false);
    assert!(archived.lost.len() == 1 && archived.lost[0].contains(first.as_str()), "{archived:?}");
    assert_eq!((archived.segments, archived.repaired.len()), (0, 0));
}

#[test]
fn only_what_is_archived_old_and_below_a_snapshot_goes() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 2 * LINK_EVERY + 20_000);
    let store = Memory::default();
    let prune = |below: u64, age: Duration, dry_run: bool| {
        prune_local(dir.path(), &store, SeqNo(below), age, FAR, dry_run, &mut |_| {}).unwrap()
    };
    let all = segments(dir.path());
    let head = chain::head(dir.path(), None).unwrap();
    let same = |because: &str, pruned: archive::LocalPruned| {
        assert_eq!(pruned.segments, 0);
        assert!(pruned.kept_because.unwrap().contains(because), "{pruned:?}");
        assert!(segments(dir.path()) == all);
    };
    same("not archived", prune(u64::MAX, Duration::ZERO, false));
    archive_all(dir.path(), &store).unwrap();
    same("snapshot", prune(0, Duration::ZERO, false));
    same("younger", prune(u64::MAX, Duration::MAX, false));
    let dry = prune(40_000, Duration::ZERO, true);
    assert!(dry.segments > 3 && segments(dir.path()) == all);
    let below = prune(40_000, Duration::ZERO, false);
    assert_eq!(below, dry);
    assert_eq!(verify(dir.path()).unwrap().first_seq.map(|seq| seq.0 <= 40_000), Some(true));
    // Whatever the snapshot, what follows the last link stays: the chain goes on from there.
    let rest = prune(u64::MAX, Duration::ZERO, false);
    assert!(rest.kept_because.unwrap().contains("CHAIN"), "{rest:?}");
    let first = verify(dir.path()).unwrap().first_seq.unwrap().0;
    assert!(first <= 2 * LINK_EVERY + 1 && first > 2 * LINK_EVERY - 5_000, "{first}");
    assert_eq!(chain::head(dir.path(), None).unwrap(), head);
    chain::verify(dir.path(), head).unwrap();
    // The journal goes on, is archived, and comes back whole.
    append(dir.path(), 100);
    archive_all(dir.path(), &store).unwrap();
    let back = TempDir::new().unwrap();
    restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
    assert!(all.iter().all(|(name, bytes)| segments(back.path())[name] == *bytes));
    chain::verify(back.path(), head).unwrap();
}

#[test]
fn market_events_that_the_archive_lost_are_archived_again_while_they_are_here() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 2 * LINK_EVERY);
    let store = Memory::default();
    archive_all(dir.path(), &store).unwrap();
    let whole = store.objects.borrow().clone();
    let lost = whole.keys().find(|name| name.contains(".market.")).unwrap();
    store.objects.borrow_mut().remove(lost);
    let prune = || {
        prune_local(dir.path(), &store, SeqNo(u64::MAX), Duration::ZERO, FAR, false, &mut |_| {})
            .unwrap()
    };
    let pruned = prune();
    assert!(pruned.segments == 0 && pruned.kept_because.unwrap().contains("not all"), "{pruned:?}");
    let archived = archive_all(dir.path(), &store).unwrap();
    assert!(archived.repaired.len() == 1 && archived.repaired[0].contains(lost), "{archived:?}");
    assert_eq!(store.objects.borrow().keys().len(), whole.len());
    // Once the segment is gone, what the archive lacks of it is told, not repaired.
    assert!(prune().segments > 0);
    store.objects.borrow_mut().remove(lost);
    let archived = archive_all(dir.path(), &store).unwrap();
    assert_eq!((archived.repaired.len(), archived.without_market), (0, 1));
}

#[test]
fn a_local_segment_that_differs_from_the_archive_is_not_pruned() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), LINK_EVERY + 10);
    let store = Memory::default();
    archive_all(dir.path(), &store).unwrap();
    let path = dir.path().join("00000000000000000002.tgj");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error =
        prune_local(dir.path(), &store, SeqNo(u64::MAX), Duration::ZERO, FAR, false, &mut |_| {})
            .unwrap_err();
    assert!(error.to_string().contains("other bytes"), "{error}");
    assert!(path.exists());
}

#[test]
fn the_archive_forgets_by_age_the_oldest_first_and_keeps_the_newest() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 2 * LINK_EVERY);
    let store = Memory::default();
    let archived = archive_all(dir.path(), &store).unwrap();
    let now = UnixNanos(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
            as u64,
    );
    let prune = |market: Duration, audit: Duration, dry_run| {
        prune_archive(&store, INSTANCE, market, audit, now, dry_run).unwrap()
    };
    assert_eq!(prune(DAY, DAY, false), ArchivePruned::default());
    let before = store.objects.borrow().clone();
    let dry = prune(Duration::ZERO, DAY, true);
    assert!(*store.objects.borrow() == before);
    let market = prune(Duration::ZERO, DAY, false);
    assert_eq!(dry, market);
    assert_eq!((market.market_objects, market.segments), (archived.segments, 0));
    assert_eq!(store.names("market.zst"), [""; 0]);
    assert_eq!(prune(Duration::ZERO, DAY, false), ArchivePruned::default(), "again: nothing");
    let all = prune(Duration::ZERO, Duration::ZERO, false);
    assert_eq!(all.segments, archived.segments - 1);
    assert_eq!(store.names("").len(), 2, "the newest manifest and its audit object");
}

/// Every frame but market events and what stands for them; of seals only the reason.
fn audit_frames(dir: &Path) -> Vec<(u8, u64, Vec<u8>)> {
    let mut reader = Reader::open(dir).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        match record.kind {
            KIND_MARKET_EVENT | KIND_PRUNED => {}
            KIND_SEAL => frames.push((record.kind, record.seq.0, record.payload[8..].to_vec())),
            kind => frames.push((kind, record.seq.0, record.payload.to_vec())),
        }
    }
    frames
}

#[test]
fn without_its_market_events_everything_else_comes_back_and_the_audit_chain_holds() {
    let dir = TempDir::new().unwrap();
    append(dir.path(), 2 * LINK_EVERY + 20_000);
    let head = chain::head(dir.path(), None).unwrap().unwrap();
    let store = Memory::default();
    let archived = archive_all(dir.path(), &store).unwrap();
    let markets = store.names("market.zst");
    // All of them, the older half, and one in the middle.
    for gone in [&markets[..], &markets[..markets.len() / 2], &markets[3..4]] {
        let whole = store.objects.borrow().clone();
        gone.iter().for_each(|name| store.remove(name).unwrap());
        let back = TempDir::new().unwrap();
        let restored = restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
        assert_eq!((restored.segments, restored.pruned), (archived.segments, gone.len() as u64));
        assert_eq!(audit_frames(back.path()), audit_frames(dir.path()));
        let (is, was) = (verify(back.path()).unwrap(), verify(dir.path()).unwrap());
        assert_eq!((is.first_seq, is.last_seq), (was.first_seq, was.last_seq));
        chain::verify(back.path(), Some(head)).unwrap();
        let refused = chain::head(back.path(), Some(SeqNo(5)));
        if gone.len() == markets.len() {
            assert!(matches!(refused, Err(JournalError::Pruned { .. })), "{refused:?}");
        }
        let again = restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
        assert_eq!((again.segments, again.already), (0, archived.segments));
        // Somebody who changes a command there is found out.
        let mut other = head;
        other.audit.0[0] ^= 1;
        let error = chain::verify(back.path(), Some(other)).unwrap_err();
        assert!(matches!(error, JournalError::ChainDiffers { chain: "audit", .. }), "{error}");
        *store.objects.borrow_mut() = whole;
    }
}
