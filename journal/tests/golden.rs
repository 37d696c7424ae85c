//! Journals of every format version stay readable for ever. The files under `golden/` are never written anew; a new
//! version gets a directory of its own.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use tidegate_journal::archive::{self, Folder};
use tidegate_journal::chain;
use tidegate_journal::frame::{
    Checkpoint, KIND_CHECKPOINT, KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT, KIND_SEAL,
};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, Reader, Seal, SealReason, Writer, verify};
use tidegate_model::command::SetLimits;
use tidegate_model::{
    AccountId, Command, CommandRecord, Event, EventRecord, Lots, MarketEvent, MarketEventKind,
    SeqNo, Side, StateHash, Ticks, UnixNanos,
};

const INSTANCE: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;

fn golden(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}"))
}

fn market_event() -> MarketEvent {
    MarketEvent {
        kind: MarketEventKind::Add.wire(),
        side: Side::Buy.wire(),
        flags: 0,
        channel_id: 13,
        ts_event: UnixNanos(1_546_300_800_000_000_001),
        ts_recv: UnixNanos(1_546_300_800_000_000_002),
        order_ref: 4_711,
        price: Ticks(2_891_200),
        qty: Lots(300),
        aux: 0,
        feed_seq: 99,
    }
}

fn limits() -> SetLimits {
    SetLimits { account: AccountId(7), max_order_qty: Lots(500), ..SetLimits::default() }
}

#[test]
#[ignore = "writes the golden file of the current version, once"]
fn write_golden() {
    let dir = golden(1);
    if dir.exists() {
        return;
    }
    let config = Config {
        segment_len: SEGMENT_LEN_MIN,
        instance: Some(INSTANCE),
        epoch: 2,
        behaviour_version: 3,
        ..Config::default()
    };
    let (mut writer, _) = Writer::open(&dir, config).unwrap();
    writer.append_pod(KIND_MARKET_EVENT, SeqNo(1), &market_event()).unwrap();
    let command = CommandRecord::new(Command::SetLimits(limits()));
    writer.append_pod(KIND_COMMAND, SeqNo(2), &command).unwrap();
    writer.append_checkpoint(StateHash(0xfeed_f00d_dead_beef)).unwrap();
    let event = EventRecord::new(&Event::Limits(limits()));
    writer.append_pod(KIND_EVENT, SeqNo(3), &event).unwrap();
    writer.append(200, SeqNo(4), b"a kind of a later version").unwrap();
    writer.close().unwrap();
    std::fs::remove_file(dir.join("LOCK")).unwrap();
}

#[test]
fn version_1() {
    let dir = golden(1);
    let mut reader = Reader::open(&dir).unwrap();
    let mut offsets = Vec::new();
    let mut take = |kind: u8, seq: u64| {
        let record = reader.next().unwrap().unwrap();
        assert_eq!((record.kind, record.seq), (kind, SeqNo(seq)));
        offsets.push(record.offset);
        record.payload.to_vec()
    };
    assert_eq!(take(KIND_MARKET_EVENT, 1), bytemuck::bytes_of(&market_event()));
    let command: CommandRecord = bytemuck::pod_read_unaligned(&take(KIND_COMMAND, 2));
    assert_eq!(command.command(), Some(Command::SetLimits(limits())));
    let checkpoint: Checkpoint = bytemuck::pod_read_unaligned(&take(KIND_CHECKPOINT, 2));
    assert_eq!(checkpoint, Checkpoint { seq: SeqNo(2), hash: StateHash(0xfeed_f00d_dead_beef) });
    let event: EventRecord = bytemuck::pod_read_unaligned(&take(KIND_EVENT, 3));
    assert_eq!(event.event(), Some(Event::Limits(limits())));
    assert_eq!(take(200, 4), b"a kind of a later version");
    let seal: Seal = bytemuck::pod_read_unaligned(&take(KIND_SEAL, 4));
    assert_eq!(seal, Seal { frame_count: 5, reason: SealReason::Closed as u64, cut_bytes: 0 });
    assert!(reader.next().unwrap().is_none());
    assert_eq!(offsets, [128, 208, 384, 416, 688, 736]);

    let report = verify(&dir).unwrap();
    assert_eq!((report.instance, report.epoch, report.behaviour_version), (INSTANCE, 2, 3));
    assert_eq!((report.first_seq, report.last_seq), (Some(SeqNo(1)), Some(SeqNo(4))));
    assert_eq!((report.frame_bytes, report.used_bytes()), (776 - 128, 776));
}

/// The layout that the documents promise, byte for byte, without this crate's own reader.
#[test]
fn version_1_lies_as_documented() {
    let bytes = std::fs::read(golden(1).join("00000000000000000001.tgj")).unwrap();
    assert_eq!(bytes.len(), 776);
    assert_eq!(&bytes[..12], b"TGJRNL\r\n\x01\0\x80\0");
    assert_eq!(&bytes[12..16], &3u32.to_le_bytes());
    assert_eq!(&bytes[16..32], &INSTANCE.to_le_bytes());
    assert_eq!(&bytes[32..40], &2u64.to_le_bytes());
    assert_eq!(&bytes[40..48], &1u64.to_le_bytes());
    assert_eq!(&bytes[48..56], &SEGMENT_LEN_MIN.to_le_bytes());
    assert_eq!(&bytes[92..96], &crc32c::crc32c(&bytes[..92]).to_le_bytes());
    assert_eq!(&bytes[96..104], &1u64.to_le_bytes());
    assert_eq!(&bytes[120..124], &crc32c::crc32c(&bytes[92..120]).to_le_bytes());
    let mut at = 128;
    for (kind, seq, len) in
        [(1, 1, 64), (2, 2, 160), (3, 2, 16), (4, 3, 256), (200, 4, 25), (5, 4, 24)]
    {
        let end = at + 16 + usize::from(len).next_multiple_of(8);
        let frame = &bytes[at..end];
        assert_eq!(&frame[..4], &crc32c::crc32c(&frame[4..]).to_le_bytes());
        assert_eq!(&frame[4..6], &u16::to_le_bytes(len));
        assert_eq!(&frame[6..8], &[kind, 0]);
        assert_eq!(&frame[8..16], &u64::to_le_bytes(seq));
        at = end;
    }
    assert_eq!(at, bytes.len());
}

/// Where the archived form of [`golden`]'s segment lies.
fn golden_archive(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/archive-v{version}"))
}

#[test]
#[ignore = "writes the golden archive of the current version, once"]
fn write_golden_archive() {
    let away = golden_archive(archive::MANIFEST_VERSION);
    if !away.exists() {
        archive::archive(&golden(1), &Folder::new(away), archive::Look::Names, false, &mut |_| {})
            .unwrap();
    }
}

#[test]
fn archive_version_1() {
    let store = Folder::new(golden_archive(1));
    assert_eq!(archive::instances(&store).unwrap().into_iter().collect::<Vec<_>>(), [INSTANCE]);
    let back = tempfile::TempDir::new().unwrap();
    let restored = archive::restore(back.path(), &store, INSTANCE, false, &mut |_| {}).unwrap();
    assert_eq!((restored.segments, restored.range), (1, Some((SeqNo(1), SeqNo(4)))));
    let segment = "00000000000000000001.tgj";
    let read = |dir: &Path| std::fs::read(dir.join(segment)).unwrap();
    assert!(read(back.path()) == read(&golden(1)));
    // The heads that this version has given and will always give.
    let head = chain::head(back.path(), Some(SeqNo(3))).unwrap().unwrap();
    assert_eq!(
        head.audit.to_string(),
        "630fbe6bed26579e7f7ea7b71e42dbf9f1892e70969b0adbc7078e951f1761c4"
    );
    assert_eq!(
        head.market.to_string(),
        "8dea868f1c7a1a3ed120c217d192cd92dd0fd8bb2f8bcf875fd9d332889fd6a7"
    );
}
