//! A journal takes another's place: whatever ends the process or the power, and after whichever step, what is found then is the old
//! one or the new one, and the old one is nowhere lost.

use std::path::Path;
use std::sync::Arc;
use tidegate_journal::frame::{KIND_COMMAND, KIND_EVENT};
use tidegate_journal::storage::Open;
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, Dir, JournalError, Reader, Writer, exchange, verify};
use tidegate_model::SeqNo;
use tidegate_sim::dice::Dice;
use tidegate_sim::disk::Disk;

/// A journal with an event log and a snapshot.
fn write(dir: &Dir, first: u64, last: u64) {
    for (dir, kind, first, last) in
        [(dir.clone(), KIND_COMMAND, first, last), (dir.join("events"), KIND_EVENT, 1, last)]
    {
        let config = Config {
            segment_len: SEGMENT_LEN_MIN,
            instance: Some(7),
            first_seq: SeqNo(first),
            first_index: if first > 1 { 2 } else { 1 },
            is_inline: true,
            ..Config::default()
        };
        let (mut writer, _) = Writer::open(&dir, config).expect("a new journal");
        for seq in first..=last {
            writer.append(kind, SeqNo(seq), &[7; 200]).expect("room");
        }
        writer.close().expect("closed");
    }
    let snapshots = dir.join("snapshots");
    snapshots.storage().create_dir(snapshots.path()).expect("made");
    let path = snapshots.path().join(format!("{last:020}.tgs"));
    let file = snapshots.storage().open(&path, Open::Create).expect("made");
    file.write_all_at(&last.to_le_bytes(), 0).expect("room");
    file.sync().expect("synced");
    snapshots.storage().sync_dir(snapshots.path()).expect("synced");
}

/// The first and the last record, if a whole journal with its log and its snapshot is there; `None` if there is none of the three.
fn range(dir: &Dir) -> Option<(u64, u64)> {
    let range = |dir: &Dir| {
        let report = verify(dir).ok()?;
        Some((report.first_seq?.0, report.last_seq?.0))
    };
    let (journal, events) = (range(dir), range(&dir.join("events")));
    let snapshots = dir.join("snapshots");
    let names = snapshots.storage().list(snapshots.path()).unwrap_or_default();
    assert_eq!(
        journal.map(|(_, last)| last),
        events.map(|(_, last)| last),
        "one without the other"
    );
    let expected = journal.map(|(_, last)| format!("{last:020}.tgs"));
    assert_eq!(names.first(), expected.as_ref(), "another's snapshot");
    journal
}

fn world(seed: u64) -> (Disk, Dir) {
    let disk = Disk::new(Dice::new(seed), 64 << 20);
    let dir = Dir::on(Arc::new(disk.clone()), Path::new("/journal"));
    write(&dir, 1, 1_500);
    write(&exchange::stage(&dir), 1_200, 3_000);
    (disk, dir)
}

#[test]
fn interrupted_at_any_step_it_is_one_journal_or_the_other() {
    let (mut old, mut new) = (0, 0);
    for with_power in [false, true] {
        for operations in 0.. {
            let (disk, dir) = world(operations);
            disk.stop_after(Some(operations));
            let done = exchange::commit(&dir).and_then(|()| exchange::finish(&dir));
            disk.end_process();
            let was_stopped = disk.stop_after(None);
            if with_power {
                disk.lose_power();
            }
            // The next start, which is interrupted as well and begun again.
            disk.stop_after(Some(operations / 2));
            let _ = exchange::finish(&dir);
            disk.end_process();
            disk.stop_after(None);
            exchange::finish(&dir).expect("nothing stops it now");
            match range(&dir) {
                Some((1, 1_500)) => {
                    assert!(done.is_err(), "it was done");
                    exchange::clear(&dir).expect("it was not committed");
                    assert_eq!(range(&exchange::stage(&dir)), None);
                    old += 1;
                }
                Some((1_200, 3_000)) => {
                    let aside = dir.join("cut").join("journal.1");
                    assert_eq!(range(&aside), Some((1, 1_500)), "after {operations} operations");
                    new += 1;
                }
                other => panic!("{other:?} after {operations} operations, power {with_power}"),
            }
            if !was_stopped {
                assert!(done.expect("nothing stopped it").is_some());
                break;
            }
        }
    }
    assert!(old > 4 && new > 10, "{old} times the old one, {new} times the new one");
}

#[test]
fn nothing_is_ever_overwritten() {
    let (_, dir) = world(1);
    for (number, last) in [(1, 3_000), (2, 4_000), (3, 5_000)] {
        exchange::commit(&dir).expect("committed");
        assert!(exchange::clear(&dir).is_err(), "it is on its way");
        let read = Reader::open(&dir).map(|_| ());
        assert!(matches!(read, Err(JournalError::Exchanging { .. })), "half of each: {read:?}");
        let aside = exchange::finish(&dir).expect("done").expect("there was one");
        assert!(aside.ends_with(format!("cut/journal.{number}")), "{aside:?}");
        assert_eq!(range(&dir), Some((1_200, last)));
        assert_eq!(exchange::finish(&dir).expect("nothing to do"), None);
        write(&exchange::stage(&dir), 1_200, last + 1_000);
    }
    let lasts = [1_500, 3_000, 4_000];
    for (number, last) in lasts.into_iter().enumerate() {
        let aside = dir.join("cut").join(&format!("journal.{}", number + 1));
        assert_eq!(range(&aside).map(|(_, last)| last), Some(last));
    }
}
