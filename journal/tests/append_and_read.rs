//! What is appended is read back, across segments, restarts and threads.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;
use tidegate_journal::frame::{
    KIND_CHECKPOINT, KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT, KIND_SEAL, PAYLOAD_LEN_MAX,
};
use tidegate_journal::writer::{Check, SEGMENT_LEN_MIN};
use tidegate_journal::{Config, JournalError, Reader, SealReason, Writer, verify};
use tidegate_model::{MarketEvent, SeqNo, StateHash, Ticks};

fn small() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() }
}

type Row = (u8, u64, Vec<u8>);

/// Every record from `seq` on, without seals.
fn read_from(dir: &Path, seq: u64) -> Vec<Row> {
    let mut reader = Reader::open(dir).unwrap();
    reader.seek(SeqNo(seq)).unwrap();
    let mut rows = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        if record.kind != KIND_SEAL {
            rows.push((record.kind, record.seq.0, record.payload.to_vec()));
        }
    }
    rows
}

#[test]
fn a_new_journal_is_empty_and_opens_again() {
    let dir = TempDir::new().unwrap();
    for round in 0..3 {
        let (writer, recovery) = Writer::open(dir.path(), small()).unwrap();
        assert_eq!(recovery.created, round < 2, "round {round}");
        assert_eq!(writer.last_seq(), SeqNo(0));
        if round < 1 {
            writer.close().unwrap();
        }
    }
    assert!(read_from(dir.path(), 1).is_empty());
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.record_count, report.first_seq), (0, None));
}

#[test]
fn plain_records_come_back_with_their_numbers() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
    for seq in 1..=5_000 {
        let event = MarketEvent { kind: 1, price: Ticks(seq), ..MarketEvent::default() };
        writer.append_pod(KIND_MARKET_EVENT, SeqNo(seq.unsigned_abs()), &event).unwrap();
    }
    writer.append_checkpoint(StateHash(7)).unwrap();
    writer.close().unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    for seq in 1..=5_000u64 {
        let record = loop {
            let record = reader.next().unwrap().unwrap();
            if record.kind != KIND_SEAL {
                break record;
            }
        };
        assert_eq!(record.seq, SeqNo(seq));
        assert_eq!(record.pod::<MarketEvent>().unwrap().price.0.unsigned_abs(), seq);
        assert!(matches!(record.pod::<u64>(), Err(JournalError::PayloadSize { .. })));
    }
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.sealed, Some(SealReason::Closed));
    assert_eq!(report.record_count, 5_000);
    assert_eq!(report.checkpoint_count, 1);
    assert!(report.segment_count > 3);
    assert_eq!((report.first_seq, report.last_seq), (Some(SeqNo(1)), Some(SeqNo(5_000))));
}

#[test]
fn what_may_not_be_appended_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
    writer.append(KIND_COMMAND, SeqNo(1), b"a").unwrap();
    let too_long = vec![0; PAYLOAD_LEN_MAX + 1];
    for (kind, seq, payload, expected) in [
        (KIND_COMMAND, 1, &b"b"[..], "record 1 was appended where 2 must come"),
        (KIND_COMMAND, 3, b"b", "record 3 was appended where 2 must come"),
        (KIND_CHECKPOINT, 2, b"b", "record 2 was appended where 1 must come"),
        (KIND_SEAL, 1, b"b", "records of kind 5 are the journal's own"),
        (0, 2, b"b", "records of kind 0 are the journal's own"),
        (
            KIND_COMMAND,
            2,
            &too_long,
            "a payload of 65536 bytes is too long: at most 65535 are allowed",
        ),
    ] {
        let error = writer.append(kind, SeqNo(seq), payload).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    writer.append(KIND_COMMAND, SeqNo(2), b"b").unwrap();
    drop(writer);
    let rows = [(KIND_COMMAND, 1, b"a".to_vec()), (KIND_COMMAND, 2, b"b".to_vec())];
    assert_eq!(read_from(dir.path(), 1), rows);
}

#[test]
fn bad_terms_are_refused() {
    let dir = TempDir::new().unwrap();
    for len in [0, 4096, SEGMENT_LEN_MIN + 1, (1 << 30) + 4096] {
        let config = Config { segment_len: len, ..Config::default() };
        assert!(matches!(Writer::open(dir.path(), config), Err(JournalError::SegmentLen { .. })));
    }
    let config = Config { first_seq: SeqNo(0), ..small() };
    assert!(matches!(Writer::open(dir.path(), config), Err(JournalError::FirstSeqZero)));
    assert!(matches!(Reader::open(dir.path()), Err(JournalError::NoJournal { .. })));
    assert!(matches!(Reader::open(&dir.path().join("none")), Err(JournalError::Io { .. })));
}

#[test]
fn a_second_writer_is_refused_with_the_first_ones_process() {
    let dir = TempDir::new().unwrap();
    let (writer, _) = Writer::open(dir.path(), small()).unwrap();
    let error = Writer::open(dir.path(), small()).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, JournalError::Locked { holder_pid: Some(p), .. } if p == pid));
    assert!(error.to_string().contains("stop it first"), "{error}");
    drop(writer);
    Writer::open(dir.path(), small()).unwrap();
}

#[test]
fn another_instance_and_an_older_epoch_are_refused() {
    let dir = TempDir::new().unwrap();
    let config = Config { instance: Some(5), epoch: 3, ..small() };
    let (mut writer, _) = Writer::open(dir.path(), config).unwrap();
    writer.append(KIND_COMMAND, SeqNo(1), b"a").unwrap();
    writer.close().unwrap();
    let error = Writer::open(dir.path(), Config { instance: Some(6), epoch: 3, ..small() });
    assert!(matches!(error, Err(JournalError::WrongInstance { found: 5, expected: 6, .. })));
    let error = Writer::open(dir.path(), Config { epoch: 2, ..small() });
    assert!(matches!(error, Err(JournalError::StaleEpoch { found: 3, asked: 2, .. })));
    let (mut writer, _) = Writer::open(dir.path(), Config { epoch: 4, ..small() }).unwrap();
    writer.append(KIND_COMMAND, SeqNo(2), b"b").unwrap();
    writer.close().unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    while reader.next().unwrap().is_some() {}
    let header = reader.header().unwrap();
    assert_eq!((header.instance, header.epoch, header.index), (5, 4, 2));
}

#[test]
fn a_journal_may_begin_in_the_middle() {
    let dir = TempDir::new().unwrap();
    let config = Config { first_seq: SeqNo(1_000), ..small() };
    let (mut writer, recovery) = Writer::open(dir.path(), config).unwrap();
    assert_eq!(recovery.last_seq, SeqNo(999));
    writer.append_checkpoint(StateHash(1)).unwrap();
    writer.append(KIND_COMMAND, SeqNo(1_000), b"a").unwrap();
    writer.close().unwrap();
    assert_eq!(read_from(dir.path(), 1_000).len(), 1);
    let error = Reader::open(dir.path()).unwrap().seek(SeqNo(999));
    assert!(matches!(error, Err(JournalError::SeqNotHeld { asked: 999, first: 1_000, .. })));
}

#[test]
fn a_reader_follows_a_writer_on_another_thread() {
    const RECORDS: u64 = 50_000;
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
    let watermark = writer.watermark();
    let path = dir.path().to_path_buf();
    let follower = std::thread::spawn(move || {
        let mut reader = Reader::follow(&path, std::sync::Arc::clone(&watermark)).unwrap();
        let mut seen = 0;
        while seen < RECORDS {
            // Taken before, so that every record up to it must come out.
            let committed = watermark.seq().0;
            while let Some(record) = reader.next().unwrap() {
                if record.kind == KIND_SEAL {
                    continue;
                }
                seen += 1;
                assert_eq!(record.seq.0, seen);
                assert_eq!(record.payload.len() as u64, seen % 100);
                assert!(record.payload.iter().all(|&byte| u64::from(byte) == seen % 251));
            }
            assert!(seen >= committed, "{seen} of {committed} committed");
            std::thread::yield_now();
        }
        assert!(reader.next().unwrap().is_none());
    });
    for seq in 1..=RECORDS {
        let payload = vec![(seq % 251) as u8; (seq % 100) as usize];
        writer.append(KIND_EVENT, SeqNo(seq), &payload).unwrap();
    }
    follower.join().unwrap();
    let syncer = writer.syncer();
    assert_eq!(syncer.sync().unwrap(), SeqNo(RECORDS));
    assert_eq!(writer.sync().unwrap(), SeqNo(RECORDS));
    writer.close().unwrap();
}

/// Without a watermark, as in another process: the end of the records must not be taken for damage while the writer
/// goes on behind the place that was looked at.
#[test]
fn a_reader_in_another_place_sees_a_journal_that_is_being_written() {
    const RECORDS: u64 = 300_000;
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
    let path = dir.path().to_path_buf();
    let looker = std::thread::spawn(move || {
        let mut reader = Reader::open(&path).unwrap();
        let (mut seen, mut ends) = (0, 0u64);
        while seen < RECORDS {
            match reader.next().unwrap() {
                Some(record) if record.kind == KIND_SEAL => {}
                Some(record) => {
                    seen += 1;
                    assert_eq!((record.seq.0, record.payload), (seen, &[1; 40][..]));
                }
                None => ends += 1,
            }
        }
        (seen, ends)
    });
    for seq in 1..=RECORDS {
        writer.append(KIND_EVENT, SeqNo(seq), &[1; 40]).unwrap();
        if seq.is_multiple_of(50) {
            // Lets the reader catch up, so that it meets the end often.
            std::thread::yield_now();
        }
    }
    let (seen, ends) = looker.join().unwrap();
    assert_eq!(seen, RECORDS);
    println!("met the end {ends} times");
    writer.close().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Record(u8, Vec<u8>),
    Checkpoint(u64),
    Close,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![8 => 0usize..300, 2 => 0usize..9_000, 1 => 60_000usize..=PAYLOAD_LEN_MAX];
    let kind =
        prop_oneof![Just(KIND_MARKET_EVENT), Just(KIND_COMMAND), Just(KIND_EVENT), 7u8..=255];
    let record =
        (kind, len, any::<u8>()).prop_map(|(kind, len, byte)| Step::Record(kind, vec![byte; len]));
    let step = prop_oneof![
        40 => record,
        3 => any::<u64>().prop_map(Step::Checkpoint),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_journal_holds_what_a_vector_would(steps in steps(), check_all: bool, from in 0u64..160) {
        let dir = TempDir::new().unwrap();
        let check = if check_all { Check::All } else { Check::LastSegment };
        let open = || Writer::open(dir.path(), Config { check, ..small() }).unwrap();
        let mut twin: Vec<Row> = Vec::new();
        let (mut writer, _) = open();
        let mut last = 0;
        for step in steps {
            match step {
                Step::Record(kind, payload) => {
                    last += 1;
                    writer.append(kind, SeqNo(last), &payload).unwrap();
                    twin.push((kind, last, payload));
                }
                Step::Checkpoint(hash) => {
                    writer.append_checkpoint(StateHash(hash)).unwrap();
                    let payload = [last.to_le_bytes(), hash.to_le_bytes()].concat();
                    twin.push((KIND_CHECKPOINT, last, payload));
                }
                Step::Close | Step::Crash => {
                    if matches!(step, Step::Close) { writer.close().unwrap() } else { drop(writer) }
                    let (again, recovery) = open();
                    prop_assert_eq!(recovery.last_seq, SeqNo(last));
                    prop_assert_eq!(recovery.cut.bytes, 0);
                    writer = again;
                }
            }
        }
        let all: Vec<Row> = twin.iter().filter(|row| row.1 >= 1).cloned().collect();
        prop_assert_eq!(&read_from(dir.path(), 1), &all);
        let expected: Vec<Row> = twin.iter().filter(|row| row.1 >= from).cloned().collect();
        if from >= 1 {
            prop_assert_eq!(read_from(dir.path(), from), expected);
        }
    }
}
