//! A journal cut at every byte and with every bit flipped: the records before, or a typed error; never a wrong
//! record, never silence about a lost one, never a panic.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND, KIND_EVENT, KIND_SEAL, frame_len};
use tidegate_journal::header::SEGMENT_HEADER_LEN;
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{
    Config, Damage, JournalError, Reader, Recovery, SealReason, Writer, verify,
};
use tidegate_model::{SeqNo, StateHash};

type Row = (u8, u64, Vec<u8>);

/// In memory where the machine has such a place: these tests open thousands of journals.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn small() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, instance: Some(1), ..Config::default() }
}

fn segment(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:020}.tgj"))
}

/// The records, and how the walk ended.
fn read(dir: &Path) -> (Vec<Row>, Result<(), JournalError>) {
    let mut rows = Vec::new();
    let mut reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(error) => return (rows, Err(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(record)) if record.kind == KIND_SEAL => {}
            Ok(Some(record)) => rows.push((record.kind, record.seq.0, record.payload.to_vec())),
            Ok(None) => return (rows, Ok(())),
            Err(error) => return (rows, Err(error)),
        }
    }
}

fn recover(dir: &Path) -> Result<Recovery, JournalError> {
    let (mut writer, recovery) = Writer::open(dir, small())?;
    writer.append(KIND_COMMAND, recovery.last_seq.next(), b"goes on")?;
    Ok(recovery)
}

/// A journal of a few records in one segment, and the offsets at which its frames begin, the end included.
fn sample(dir: &Path, close: bool) -> (Vec<Row>, Vec<u64>) {
    let (mut writer, _) = Writer::open(dir, small()).unwrap();
    writer.append(KIND_COMMAND, SeqNo(1), &[0xaa; 30]).unwrap();
    writer.append(KIND_EVENT, SeqNo(2), &[]).unwrap();
    writer.append_checkpoint(StateHash(0x1234_5678_9abc_def0)).unwrap();
    writer.append(77, SeqNo(3), &[0; 24]).unwrap();
    writer.append(KIND_COMMAND, SeqNo(4), &[0x55; 17]).unwrap();
    if close {
        writer.close().unwrap();
    } else {
        drop(writer);
        // What is made ahead is of no interest here.
        let _ = fs::remove_file(segment(dir, 2));
    }
    let (rows, end) = read(dir);
    end.unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[2].0, KIND_CHECKPOINT);
    let mut at = SEGMENT_HEADER_LEN as u64;
    let mut offsets = vec![at];
    for row in &rows {
        at += frame_len(row.2.len()) as u64;
        offsets.push(at);
    }
    (rows, offsets)
}

/// Writes `bytes` as segment 1 of a fresh directory, reads, recovers, and reads again.
/// Returns the records read first and how that ended; checks that recovery agrees.
fn try_bytes(dir: &Path, bytes: &[u8], note: &str) -> (Vec<Row>, Result<(), JournalError>) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    fs::write(segment(dir, 1), bytes).unwrap();
    let (rows, end) = read(dir);
    match (&end, recover(dir)) {
        (Ok(()), Ok(recovery)) => {
            let last = rows.iter().map(|row| row.1).max().unwrap_or(0);
            assert_eq!(recovery.last_seq.0, last, "{note}");
            let (mut again, end) = read(dir);
            end.unwrap();
            assert_eq!(again.pop().unwrap(), (KIND_COMMAND, last + 1, b"goes on".to_vec()));
            assert_eq!(again, rows, "{note}: recovery changed what is read");
        }
        (Err(_), Err(_)) => {
            assert_eq!(
                fs::read(segment(dir, 1)).unwrap(),
                bytes,
                "{note}: a refusal changed bytes"
            );
        }
        (read, recovered) => panic!("{note}: read {read:?}, recovered {recovered:?}"),
    }
    (rows, end)
}

#[test]
fn cut_at_every_byte() {
    let home = scratch();
    for close in [true, false] {
        let dir = home.path().join("whole");
        let _ = fs::remove_dir_all(&dir);
        let (rows, offsets) = sample(&dir, close);
        let bytes = fs::read(segment(&dir, 1)).unwrap();
        let records_end = *offsets.last().unwrap() as usize;
        let end = if close { bytes.len() } else { records_end + 200 };
        for len in 0..end {
            let note = format!("closed {close}, cut to {len}");
            let (read, result) = try_bytes(&home.path().join("cut"), &bytes[..len], &note);
            assert_eq!(read, rows[..read.len()], "{note}");
            let whole = offsets.iter().filter(|&&at| at <= len as u64).count().saturating_sub(1);
            assert_eq!(read.len(), whole, "{note}");
            let error = result.expect_err(&note);
            let named =
                matches!(error, JournalError::Truncated { .. } | JournalError::BadHeader { .. });
            assert!(named, "{note}: {error}");
        }
    }
}

#[test]
fn every_bit_flipped() {
    let home = scratch();
    for close in [true, false] {
        let dir = home.path().join("whole");
        let _ = fs::remove_dir_all(&dir);
        let (rows, offsets) = sample(&dir, close);
        let bytes = fs::read(segment(&dir, 1)).unwrap();
        let records_end = offsets[5] as usize;
        let last_at = offsets[4] as usize;
        let end = if close { bytes.len() } else { records_end + 100 };
        for bit in 0..end * 8 {
            let note = format!("closed {close}, bit {bit} in byte {}", bit / 8);
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (read, result) = try_bytes(&home.path().join("flip"), &flipped, &note);
            assert_eq!(read, rows[..read.len()], "{note}");
            match bit / 8 {
                at if at < last_at || close => {
                    let error = result.expect_err(&note);
                    let whole = offsets.iter().filter(|&&end| end <= at as u64).count();
                    assert_eq!(read.len(), whole.saturating_sub(1).min(5), "{note}: {error}");
                    if at >= SEGMENT_HEADER_LEN && at < last_at {
                        let JournalError::Damaged { offset, .. } = error else {
                            panic!("{note}: {error}")
                        };
                        assert_eq!(offset, offsets[whole - 1], "{note}");
                    }
                }
                // The last record of a journal that was not closed is taken for torn.
                at if at < records_end => {
                    result.expect(&note);
                    assert_eq!(read.len(), 4, "{note}");
                }
                _ => {
                    result.expect(&note);
                    assert_eq!(read.len(), 5, "{note}");
                }
            }
        }
    }
}

/// Two segments of many records, the second one open.
fn two_segments(dir: &Path) -> u64 {
    let (mut writer, _) = Writer::open(dir, small()).unwrap();
    let mut seq = 0;
    while writer.watermark().position().segment < 3 {
        seq += 1;
        writer.append(KIND_EVENT, SeqNo(seq), &[seq as u8; 600]).unwrap();
    }
    // On the disk: from here on, none of it may go.
    writer.sync().unwrap();
    drop(writer);
    seq
}

fn first_damage(dir: &Path) -> (u64, Damage) {
    let error = read(dir).1.unwrap_err();
    let recovered = recover(dir).unwrap_err();
    assert_eq!(error.to_string(), recovered.to_string());
    match error {
        JournalError::Damaged { offset, damage, .. } => (offset, damage),
        other => panic!("{other}"),
    }
}

#[test]
fn damage_in_the_middle_is_refused_however_large() {
    let frame = frame_len(600);
    let at = SEGMENT_HEADER_LEN + 20 * frame;
    // (first byte, bytes, what is put there, what is found)
    let zeros = vec![0; 4096];
    let noise: Vec<u8> =
        (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (from, put, expected) in [
        (at, &zeros[..8], Damage::Missing),
        (at, &zeros[..frame], Damage::Missing),
        (at, &zeros[..4096], Damage::Missing),
        (at + 4, &[0xff, 0xff][..], Damage::Crc),
        (at, &noise[..4096], Damage::Crc),
        (at, &noise[..], Damage::Crc),
    ] {
        let dir = scratch();
        two_segments(dir.path());
        let path = segment(dir.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes[from..from + put.len()].copy_from_slice(put);
        fs::write(&path, bytes).unwrap();
        let (offset, damage) = first_damage(dir.path());
        assert_eq!(offset, at as u64);
        assert!(
            damage == expected || damage == Damage::Length || damage == Damage::Header,
            "{damage}"
        );
    }
}

#[test]
fn a_swapped_a_repeated_and_a_left_out_record_are_refused() {
    let frame = frame_len(600);
    for (to, from) in [(20, 21), (20, 19), (30, 5)] {
        let dir = scratch();
        two_segments(dir.path());
        let path = segment(dir.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        let at = |index: usize| SEGMENT_HEADER_LEN + index * frame;
        bytes.copy_within(at(from)..at(from) + frame, at(to));
        fs::write(&path, bytes).unwrap();
        let found = from as u64 + 1;
        let expected = Damage::Sequence { expected: to as u64 + 1, found };
        assert_eq!(first_damage(dir.path()), (at(to) as u64, expected));
    }
}

#[test]
fn a_missing_a_foreign_and_a_misnamed_segment_are_refused() {
    let dir = scratch();
    two_segments(dir.path());
    let path = segment(dir.path(), 2);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = recover(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::MissingSegment { index: 2, .. }), "{error}");
    assert!(matches!(read(dir.path()).1, Err(JournalError::MissingSegment { index: 2, .. })));

    fs::copy(segment(dir.path(), 1), &path).unwrap();
    let error = read(dir.path()).1.unwrap_err();
    assert!(error.to_string().contains("of another segment"), "{error}");
    assert!(matches!(recover(dir.path()), Err(JournalError::BadHeader { .. })));

    let other = scratch();
    let config = Config { instance: Some(2), ..small() };
    drop(Writer::open(other.path(), config).unwrap());
    fs::write(&path, &bytes).unwrap();
    let foreign = fs::read(segment(other.path(), 1)).unwrap();
    fs::write(segment(dir.path(), 1), foreign).unwrap();
    assert!(matches!(recover(dir.path()), Err(JournalError::WrongInstance { found: 2, .. })));
}

#[test]
fn a_segment_that_lost_its_end_is_refused() {
    let dir = scratch();
    two_segments(dir.path());
    let path = segment(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    // From the middle of the segment on, everything is zero, as when the disk lost a block group.
    bytes[SEGMENT_HEADER_LEN + 20 * frame_len(600)..].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(first_damage(dir.path()).1, Damage::Unsealed);
}

#[test]
fn a_record_without_a_number_of_its_own_cannot_be_taken_out() {
    let dir = scratch();
    let (_, offsets) = sample(dir.path(), true);
    let path = segment(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    // Without the checkpoint every CRC and every number still fits; only the seal's count does not.
    bytes.drain(offsets[2] as usize..offsets[3] as usize);
    fs::write(&path, bytes).unwrap();
    let seal_at = offsets[5] - (offsets[3] - offsets[2]);
    assert_eq!(first_damage(dir.path()), (seal_at, Damage::Seal));
}

#[test]
fn a_segment_of_an_older_copy_of_the_journal_is_refused() {
    let (dir, copy) = (scratch(), scratch());
    for (home, len) in [(&dir, 600), (&copy, 800)] {
        let (mut writer, _) = Writer::open(home.path(), small()).unwrap();
        for seq in 1..=400 {
            writer.append(KIND_EVENT, SeqNo(seq), &vec![1; len]).unwrap();
        }
        writer.sync().unwrap();
    }
    fs::copy(segment(copy.path(), 2), segment(dir.path(), 2)).unwrap();
    let (offset, damage) = first_damage(dir.path());
    assert_eq!(offset, 0);
    assert!(matches!(damage, Damage::Sequence { expected, found } if expected > found), "{damage}");
}

#[test]
fn bytes_behind_a_seal_are_refused() {
    let dir = scratch();
    sample(dir.path(), true);
    let path = segment(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() as u64;
    bytes.extend([0, 0, 1]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(first_damage(dir.path()), (end + 2, Damage::AfterSeal));
}

#[test]
fn a_torn_end_is_cut_reported_and_recovery_can_be_repeated() {
    let home = scratch();
    let dir = home.path().join("whole");
    let (rows, offsets) = sample(&dir, false);
    let end = offsets[5];
    let path = segment(&dir, 1);
    let bytes = fs::read(&path).unwrap();
    // A record whose payload is there, but not its first word; one whose payload is half there; one of noise.
    for (skip, len) in [(8, 100), (0, 1), (0, 50), (4, 3_000)] {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let mut torn = bytes.clone();
        torn[end as usize + skip..end as usize + skip + len].fill(0x7e);
        fs::write(&path, &torn).unwrap();
        let report = verify(&dir).unwrap();
        let torn_len = (skip + len) as u64;
        assert_eq!(report.torn.map(|torn| (torn.offset, torn.len)), Some((end, torn_len)));

        // As if recovery had been stopped after clearing some of it.
        let mut part = torn.clone();
        part[end as usize..end as usize + skip + len / 2].fill(0);
        for state in [&torn, &part] {
            fs::write(&path, state).unwrap();
            let _ = fs::remove_file(segment(&dir, 2));
            // The recovery before had come to its end, this one has not.
            let _ = fs::remove_file(dir.join("SYNCED"));
            let (writer, recovery) = Writer::open(&dir, small()).unwrap();
            drop(writer);
            assert_eq!(recovery.last_seq, SeqNo(4));
            assert!(recovery.crashed);
            assert_eq!(recovery.cut.bytes, torn_len);
            assert_eq!(recovery.cut.at, Some((path.clone(), end)));
        }
        // As if it had been stopped after sealing, before giving space back and with a segment half made.
        fs::remove_file(dir.join("SYNCED")).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(SEGMENT_LEN_MIN).unwrap();
        let half_made = dir.join("00000000000000000007.tgj.tmp");
        fs::write(&half_made, b"half").unwrap();
        let (writer, recovery) = Writer::open(&dir, small()).unwrap();
        assert!(!half_made.exists());
        drop(writer);
        assert_eq!((recovery.last_seq, recovery.cut.bytes), (SeqNo(4), 0));
        assert!(!recovery.crashed);
        assert!(fs::metadata(&path).unwrap().len() < 1_000);
        let (read, result) = read(&dir);
        result.unwrap();
        assert_eq!(read, rows);
        assert_eq!(verify(&dir).unwrap().sealed, Some(SealReason::Recovered));
    }
}
