//! What the durable watermark decides: damage below it is refused, above it recovery cuts, and sets aside what it cuts.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_COMMAND, KIND_EVENT, KIND_SEAL};
use tidegate_journal::header::SEGMENT_HEADER_LEN;
use tidegate_journal::recovery::cut_after;
use tidegate_journal::writer::{Check, SEGMENT_LEN_MIN};
use tidegate_journal::{Config, JournalError, Reader, Recovery, Synced, Writer, synced};
use tidegate_model::{SeqNo, StateHash};

type Row = (u8, u64, Vec<u8>);

/// In memory where the machine has such a place: these tests open thousands of journals.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn small() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, instance: Some(1), is_inline: true, ..Config::default() }
}

fn segment(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:020}.tgj"))
}

fn read(dir: &Path) -> Result<Vec<Row>, JournalError> {
    let mut rows = Vec::new();
    let mut reader = Reader::open(dir)?;
    while let Some(record) = reader.next()? {
        if record.kind != KIND_SEAL {
            rows.push((record.kind, record.seq.0, record.payload.to_vec()));
        }
    }
    Ok(rows)
}

fn recover(dir: &Path, check: Check) -> Result<Recovery, JournalError> {
    let (mut writer, recovery) = Writer::open(dir, Config { check, ..small() })?;
    writer.append(KIND_COMMAND, recovery.last_seq.next(), b"goes on")?;
    Ok(recovery)
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A journal of five frames whose first `synced_count` were synced before a crash.
fn crashed(dir: &Path, synced_count: usize) -> (Vec<Row>, Option<Synced>) {
    let (mut writer, _) = Writer::open(dir, small()).unwrap();
    for at in 0..=5 {
        if at == synced_count {
            writer.sync().unwrap();
        }
        match at {
            0 => writer.append(KIND_COMMAND, SeqNo(1), &[0xaa; 30]).unwrap(),
            1 => writer.append(KIND_EVENT, SeqNo(2), &[]).unwrap(),
            2 => writer.append_checkpoint(StateHash(0x1234_5678)).unwrap(),
            3 => writer.append(77, SeqNo(3), &[0; 24]).unwrap(),
            4 => writer.append(KIND_COMMAND, SeqNo(4), &[0x55; 17]).unwrap(),
            _ => {}
        }
    }
    drop(writer);
    let _ = fs::remove_file(segment(dir, 2));
    (read(dir).unwrap(), synced::read(dir).unwrap())
}

/// Puts `bytes` in place of segment 1 of `whole`, and looks at what reading and recovering make of it. `damaged_at` is the first
/// byte that is another than it was.
fn damaged(home: &Path, bytes: &[u8], damaged_at: usize, rows: &[Row], synced: &Synced) {
    let (whole, dir) = (home.join("whole"), home.join("damaged"));
    let kept = synced.seq.0;
    let certain = synced.position.offset as usize;
    let is_certain = damaged_at < certain;
    for check in [Check::All, Check::LastSegment] {
        copy(&whole, &dir);
        fs::write(segment(&dir, 1), bytes).unwrap();
        let note = format!("byte {damaged_at}, synced to {certain}, {check:?}");
        let found = read(&dir);
        if let Ok(found) = &found {
            assert_eq!(found[..], rows[..found.len()], "{note}: a wrong record");
            assert!(!is_certain, "{note}: a loss went unseen");
        }
        match recover(&dir, check) {
            Ok(recovery) => {
                let found = found.unwrap();
                assert!(!is_certain, "{note}: below the watermark");
                assert!(recovery.last_seq.0 >= kept, "{note}: lost what was synced");
                assert_eq!(recovery.last_seq.0, found.last().map_or(0, |row| row.1), "{note}");
                let mut again = read(&dir).unwrap();
                let next = recovery.last_seq.0 + 1;
                assert_eq!(again.pop().unwrap(), (KIND_COMMAND, next, b"goes on".to_vec()));
                assert_eq!(again, found, "{note}");
                if let Some((_, at)) = recovery.cut.at {
                    let aside = dir.join(format!("cut/{:020}-{at}.1.part", 1));
                    let cut = &bytes[at as usize..][..recovery.cut.bytes as usize];
                    assert_eq!(fs::read(aside).unwrap(), cut, "{note}: set aside");
                }
            }
            Err(error) => {
                assert!(is_certain, "{note}: {error}");
                assert_eq!(fs::read(segment(&dir, 1)).unwrap(), bytes, "{note}: {error}");
            }
        }
    }
}

#[test]
fn every_bit_flipped_above_and_below() {
    for synced_count in [0, 3, 5] {
        let home = scratch();
        let (rows, synced) = crashed(&home.path().join("whole"), synced_count);
        let synced = synced.unwrap();
        let bytes = fs::read(segment(&home.path().join("whole"), 1)).unwrap();
        let end = SEGMENT_HEADER_LEN + 5 * 16 + 32 + 16 + 24 + 24;
        for bit in 0..end * 8 {
            let at = bit / 8;
            // Bits of the header that mean nothing, or of a version that is refused wherever it stands.
            if at < SEGMENT_HEADER_LEN && synced_count > 0 && !(96..120).contains(&at) {
                continue;
            }
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (bit % 8);
            damaged(home.path(), &flipped, at, &rows, &synced);
        }
    }
}

#[test]
fn cut_at_every_byte_above_and_below() {
    for synced_count in 0..=5 {
        let home = scratch();
        let (rows, synced) = crashed(&home.path().join("whole"), synced_count);
        let synced = synced.unwrap();
        let bytes = fs::read(segment(&home.path().join("whole"), 1)).unwrap();
        for len in 0..SEGMENT_HEADER_LEN + 250 {
            damaged(home.path(), &bytes[..len], len, &rows, &synced);
        }
    }
}

/// Three segments in use; the watermark in the middle of the first.
fn three_segments(dir: &Path) -> Synced {
    let (mut writer, _) = Writer::open(dir, small()).unwrap();
    let mut seq = 0;
    while writer.watermark().position().segment < 3 {
        seq += 1;
        writer.append(KIND_EVENT, SeqNo(seq), &[seq as u8; 600]).unwrap();
        if seq == 20 {
            writer.sync().unwrap();
        }
    }
    drop(writer);
    let _ = fs::remove_file(segment(dir, 4));
    synced::read(dir).unwrap().unwrap()
}

#[test]
fn whole_segments_behind_the_damage_are_set_aside() {
    let home = scratch();
    let whole = home.path().join("whole");
    let synced = three_segments(&whole);
    assert_eq!((synced.seq, synced.position.segment), (SeqNo(20), 1));
    let rows = read(&whole).unwrap();
    let frame = 616;
    // In the first segment behind the watermark; in the header of the second; in its first number; in its records.
    for (index, at, last) in [
        (1, SEGMENT_HEADER_LEN + 25 * frame + 5, 25),
        (2, 40, 212),
        (2, 97, 212),
        (2, SEGMENT_HEADER_LEN + 3 * frame + 100, 215),
    ] {
        for check in [Check::All, Check::LastSegment] {
            let dir = home.path().join("damaged");
            copy(&whole, &dir);
            let path = segment(&dir, index);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let recovery = recover(&dir, check).unwrap();
            assert_eq!(recovery.last_seq.0, last, "segment {index}, byte {at}");
            let (_, records) = rows.split_at(last as usize);
            assert!(!records.is_empty());
            let found = read(&dir).unwrap();
            assert_eq!(found[..last as usize], rows[..last as usize]);
            assert_eq!(found.len(), last as usize + 1, "and the one that goes on");
            let aside = fs::read_dir(dir.join("cut")).unwrap().count() as u64;
            assert_eq!(aside, recovery.cut.segments + u64::from(recovery.cut.bytes > 0));
            assert!(aside >= 1);
            // All that stays is certain now, and a second recovery finds nothing to do.
            let after = synced::read(&dir).unwrap().unwrap();
            assert_eq!(after.seq.0, last);
            let again = recover(&dir, check).unwrap();
            assert_eq!((again.last_seq.0, again.cut.segments, again.cut.bytes), (last + 1, 0, 0));
        }
    }
}

#[test]
fn damage_below_the_watermark_is_refused_whatever_is_read() {
    let home = scratch();
    let whole = home.path().join("whole");
    three_segments(&whole);
    for check in [Check::All, Check::LastSegment] {
        let dir = home.path().join("damaged");
        copy(&whole, &dir);
        let path = segment(&dir, 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes[SEGMENT_HEADER_LEN + 5 * 616 + 100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = recover(&dir, check).unwrap_err();
        let JournalError::Damaged { offset, .. } = error else { panic!("{error}") };
        assert_eq!(offset as usize, SEGMENT_HEADER_LEN + 5 * 616);
    }
}

#[test]
fn a_last_segment_that_was_on_the_disk_is_missed() {
    let home = scratch();
    let dir = home.path();
    three_segments(dir);
    Writer::open(dir, small()).unwrap().0.close().unwrap();
    fs::remove_file(segment(dir, 3)).unwrap();
    let error = read(dir).unwrap_err();
    assert!(matches!(error, JournalError::MissingSegment { index: 3, .. }), "{error}");
    let error = recover(dir, Check::LastSegment).unwrap_err();
    assert!(matches!(error, JournalError::MissingSegment { index: 3, .. }), "{error}");
}

#[test]
fn a_followers_end_can_be_cut_and_is_set_aside() {
    let home = scratch();
    let whole = home.path().join("whole");
    three_segments(&whole);
    let rows = read(&whole).unwrap();
    let count = rows.len() as u64;
    for last in [1, 19, 20, 21, 210, 211, 212, count - 1, count, count + 5] {
        for close in [false, true] {
            let dir = home.path().join("cut");
            copy(&whole, &dir);
            if close {
                Writer::open(&dir, small()).unwrap().0.close().unwrap();
            }
            let cut = cut_after(&dir, SeqNo(last)).unwrap();
            let kept = last.min(count);
            assert_eq!(cut.last_seq, SeqNo(kept), "{last}, closed {close}");
            assert_eq!(read(&dir).unwrap(), rows[..kept as usize], "{last}, closed {close}");
            let recovery = recover(&dir, Check::LastSegment).unwrap();
            assert_eq!(recovery.last_seq, SeqNo(kept), "{last}, closed {close}");
            assert_eq!(dir.join("cut").exists(), last < count, "{last}, closed {close}");
        }
    }
    let dir = home.path().join("all");
    copy(&whole, &dir);
    let cut = cut_after(&dir, SeqNo(0)).unwrap();
    assert_eq!((cut.last_seq, cut.cut.segments), (SeqNo(0), 3));
    assert_eq!(recover(&dir, Check::All).unwrap().last_seq, SeqNo(0));

    let late = home.path().join("late");
    let config = Config { first_seq: SeqNo(100), ..small() };
    Writer::open(&late, config).unwrap().0.append(KIND_EVENT, SeqNo(100), b"first").unwrap();
    let error = cut_after(&late, SeqNo(98)).unwrap_err();
    assert!(matches!(error, JournalError::SeqNotHeld { asked: 98, first: 100, .. }), "{error}");
}
