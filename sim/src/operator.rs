//! What operators do with what a machine has on its disk.

use anyhow::Result;
use tidegate_engine::core::NoOutput;
use tidegate_engine::replay::{ReplayError, Replayed, replay as whole, resume};
use tidegate_engine::snapshot::{Follow, ShadowError, newest_certain};
use tidegate_journal::epochs::keep;
use tidegate_journal::{Dir, Reader, oldest, synced};
use tidegate_model::SeqNo;

/// What an operator, or a shadow of the engine, does: a snapshot of what is on the disk.
///
/// # Errors
/// What is wrong with the journal, and the disk's.
pub fn take_snapshot(dir: &Dir) -> Result<SeqNo, ShadowError> {
    let synced = synced::read(dir)?.map_or(SeqNo::ZERO, |synced| synced.seq);
    let mut follow = Follow::begin(dir, synced)?;
    follow.advance(synced, u64::MAX)?;
    Ok(follow.snapshot()?.seq)
}

/// Replays a journal from its first input on, or from a snapshot where that is gone.
///
/// # Errors
/// What is wrong with it.
pub fn replay(dir: &Dir) -> Result<Option<Replayed>, ReplayError> {
    let is_whole = oldest(dir)?.is_some_and(|header| header.first_seq == Some(SeqNo(1)));
    if is_whole {
        return whole(dir, &mut NoOutput, |_| {});
    }
    let mut resumed = resume(dir, |_| Ok(()))?;
    resumed.finish(&mut NoOutput, |_| {})?;
    Ok(resumed.replayed)
}

/// What an operator does to make room: takes away the segments before the newest snapshot that a restart can begin with; how many.
///
/// # Errors
/// What is wrong with the journal, and the disk's.
pub fn prune(dir: &Dir) -> Result<u64> {
    let Some(newest) = newest_certain(dir)?.map(|header| header.seq) else { return Ok(0) };
    let mut last = Vec::<(u64, SeqNo)>::new();
    let mut reader = Reader::open(dir)?;
    while let Some(record) = reader.next()? {
        match last.last_mut() {
            Some((segment, last)) if *segment == record.segment => *last = record.seq,
            _ => last.push((record.segment, record.seq)),
        }
    }
    let old = last.iter().take_while(|(_, last)| *last < newest).count();
    if old == 0 {
        return Ok(0);
    }
    keep(dir)?;
    for (segment, _) in &last[..old] {
        dir.storage().remove(&dir.path().join(format!("{segment:020}.tgj")))?;
        dir.storage().sync_dir(dir.path())?;
    }
    Ok(old as u64)
}
