//! The epochs of records that are not here any more, and what a loss of power between two segments leaves.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use tidegate_journal::epochs::{keep, seed};
use tidegate_journal::frame::KIND_COMMAND;
use tidegate_journal::writer::{Check, SEGMENT_LEN_MIN};
use tidegate_journal::{Config, JournalError, Writer, epochs};
use tidegate_model::SeqNo;

fn config() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, is_inline: true, ..Config::default() }
}

/// Ten records in each of so many epochs, each in a segment of its own.
fn write(dir: &Path, count: u64) -> Writer {
    let (mut writer, _) = Writer::open(dir, config()).unwrap();
    for seq in 1..=10 * count {
        if seq % 10 == 1 {
            writer.begin_epoch(seq / 10 + 1, 1).unwrap();
        }
        writer.append(KIND_COMMAND, SeqNo(seq), &[7; 40]).unwrap();
    }
    writer
}

fn segment(dir: &Path, index: u64) -> std::path::PathBuf {
    dir.join(format!("{index:020}.tgj"))
}

fn known(dir: &Path) -> Vec<(u64, u64)> {
    epochs(dir).unwrap().into_iter().map(|(epoch, first)| (epoch, first.0)).collect()
}

#[test]
fn epochs_outlive_their_segments() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, 5).close().unwrap();
    let all = [(1, 1), (2, 11), (3, 21), (4, 31), (5, 41)];
    assert_eq!(known(dir), all);
    for taken in 1..=3 {
        keep(dir).unwrap();
        fs::remove_file(segment(dir, taken)).unwrap();
        assert_eq!(known(dir), all, "{taken} taken away");
    }
    // What the segments say goes before what is kept of the same numbers.
    seed(dir, &[(1, SeqNo(1)), (2, SeqNo(11)), (9, SeqNo(35))]).unwrap();
    assert_eq!(known(dir), [(1, 1), (2, 11), (4, 31), (5, 41)]);
    seed(dir, &[]).unwrap();
    assert_eq!(known(dir), [(4, 31), (5, 41)]);
    fs::remove_file(dir.join("EPOCHS")).unwrap();
    assert_eq!(known(dir), [(4, 31), (5, 41)]);
}

#[test]
fn a_damaged_file_of_epochs_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, 3).close().unwrap();
    keep(dir).unwrap();
    let path = dir.join("EPOCHS");
    let good = fs::read(&path).unwrap();
    fs::remove_file(segment(dir, 1)).unwrap();
    let check = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let found = epochs(dir);
        assert!(matches!(found, Err(JournalError::BadEpochs { .. })), "{what}: {found:?}");
    };
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(&bad, &format!("bit {bit}"));
    }
    for len in 0..good.len() {
        check(&good[..len], &format!("{len} bytes of it"));
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(known(dir), [(1, 1), (2, 11), (3, 21)]);
}

#[test]
fn a_segment_left_unused_before_one_in_use_costs_nothing_that_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut writer = write(dir, 2);
    writer.sync().unwrap();
    for seq in 21..=40 {
        if seq % 10 == 1 {
            writer.begin_epoch(seq / 10 + 1, 1).unwrap();
        }
        writer.append(KIND_COMMAND, SeqNo(seq), &[7; 40]).unwrap();
    }
    drop(writer);
    // What a loss of power may leave: the third segment was never written, the fourth was.
    let mut third = fs::read(segment(dir, 3)).unwrap();
    third[96..].fill(0);
    fs::write(segment(dir, 3), third).unwrap();
    assert_eq!(known(dir), [(1, 1), (2, 11)]);
    for check in [Check::LastSegment, Check::All] {
        let config = Config { epoch: 2, check, ..config() };
        let (writer, recovery) = Writer::open(dir, config).unwrap();
        assert_eq!(recovery.last_seq, SeqNo(20), "{check:?}");
        drop(writer);
    }
}
