//! Messages there and back, and what is no message.

use super::*;
use crate::history::EpochStart;
use proptest::prelude::*;
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND};

fn hello() -> Control {
    let starts = vec![EpochStart { epoch: 3, first: SeqNo(1) }];
    Control::Hello(Hello {
        version: PROTOCOL_VERSION,
        name: "b".into(),
        instance: Some(u128::MAX),
        behaviour_version: 2,
        newest_epoch: 4,
        history: History::new(starts, SeqNo(9)).expect("a history"),
        back_to: SeqNo(3),
    })
}

fn welcome(snapshot: Option<SnapshotBegins>) -> Control {
    Control::Welcome(Welcome {
        instance: 7,
        epoch: 2,
        common: SeqNo(1),
        last: SeqNo(5),
        replicated: SeqNo(4),
        snapshot: snapshot.map(Box::new),
    })
}

fn snapshot() -> SnapshotBegins {
    let starts = vec![EpochStart { epoch: 3, first: SeqNo(1) }];
    SnapshotBegins {
        seq: SeqNo(9),
        len: 4_000,
        events: 12,
        after: SeqNo(8),
        history: History::new(starts, SeqNo(9)).expect("a history"),
        link: Some(Link { seq: SeqNo(8), audit: [1; 32], market: [2; 32] }),
    }
}

#[test]
fn every_message_survives_the_way() {
    let controls = [
        hello(),
        welcome(None),
        welcome(Some(snapshot())),
        Control::Refused(Refusal::Unknown { name: "x".into() }),
        Control::Epoch(EpochBegins { epoch: 1, behaviour_version: 2, after: SeqNo(3) }),
        Control::Heartbeat(Heartbeat {
            epoch: 1,
            last: SeqNo(2),
            replicated: SeqNo(1),
            in_sync: true,
        }),
        Control::Confirm(Confirm { epoch: 1, progress: Progress::default() }),
        Control::Fenced { epoch: 8 },
        Control::Stopped(Stop::failed("ü".repeat(TEXT_LEN_MAX))),
        Control::HandOver(HandOver { epoch: 1, last: SeqNo(2) }),
        Control::Taken { epoch: 2 },
        Control::Ask(Request::Standing),
        Control::Reply(Reply::Waits("for silence".into())),
        Control::Reply(Reply::Stands(Stands {
            is_asked: true,
            leads: Some(3),
            instance: Some(u128::MAX),
            epoch: Some(3),
            last: SeqNo(9),
        })),
    ];
    for control in controls {
        let bytes = control.to_bytes();
        let (read, len) = Message::split(&bytes).expect("valid").expect("whole");
        assert_eq!((read, len), (Message::Control(control), bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(Message::split(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }
}

#[test]
fn a_snapshot_that_cannot_be_is_refused() {
    let refused = |change: &dyn Fn(&mut SnapshotBegins)| {
        let mut begins = snapshot();
        change(&mut begins);
        let bytes = welcome(Some(begins)).to_bytes();
        matches!(Message::split(&bytes), Err(MessageError::Snapshot { .. }))
    };
    assert!(!refused(&|_| {}));
    assert!(!refused(&|begins| begins.len = FILE_LEN_MAX));
    assert!(refused(&|begins| begins.len = FILE_LEN_MAX + 1));
    assert!(refused(&|begins| begins.seq = SeqNo(10)));
    assert!(refused(&|begins| begins.after = SeqNo(9)));
    let nothing = |begins: &mut SnapshotBegins| {
        (begins.seq, begins.history) = (SeqNo::ZERO, History::default());
    };
    assert!(refused(&nothing));
}

#[test]
fn pieces_survive_the_way() {
    let mut out = Vec::new();
    piece(77, b"bytes", &mut out);
    let expected = Message::Piece { offset: 77, bytes: b"bytes" };
    assert_eq!(Message::split(&out), Ok(Some((expected, out.len()))));
}

#[test]
fn records_survive_the_way_and_number_themselves() {
    let mut out = vec![1, 2, 3];
    let mut builder = RecordsBuilder::begin(5, SeqNo(41), &mut out);
    for (kind, payload) in
        [(KIND_COMMAND, &b"abc"[..]), (KIND_CHECKPOINT, b"0123456789abcdef"), (KIND_COMMAND, b"")]
    {
        assert!(builder.push(kind, payload, &mut out));
    }
    builder.finish(&mut out);
    let (message, len) = Message::split(&out[3..]).expect("valid").expect("whole");
    assert_eq!(len, out.len() - 3);
    let Message::Records(records) = message else { panic!("not records") };
    assert_eq!((records.leader_epoch, records.after, records.last), (5, SeqNo(41), SeqNo(43)));
    let numbers: Vec<_> = records.iter().map(|record| (record.seq.0, record.kind)).collect();
    assert_eq!(numbers, [(42, KIND_COMMAND), (42, KIND_CHECKPOINT), (43, KIND_COMMAND)]);
}

#[test]
fn a_batch_ends_where_a_message_must() {
    let mut out = Vec::new();
    let mut builder = RecordsBuilder::begin(1, SeqNo(0), &mut out);
    let payload = vec![7; PAYLOAD_LEN_MAX];
    let fitted = (0..100).take_while(|_| builder.push(KIND_COMMAND, &payload, &mut out)).count();
    builder.finish(&mut out);
    assert_eq!(fitted, 3, "as many as fit into {BODY_LEN_MAX} bytes");
    assert!(Message::split(&out).expect("valid").is_some());
    let builder = RecordsBuilder::begin(1, SeqNo(0), &mut out);
    let len = out.len();
    builder.finish(&mut out);
    assert!(out.len() < len, "an empty batch is no message");
}

#[test]
fn bounds_are_named() {
    let header_of = |len: u32, shape: u8| {
        let [a, b, c, d] = len.to_le_bytes();
        header([a, b, c, d, shape])
    };
    assert_eq!(header_of(BODY_LEN_MAX as u32, 1), Ok((1, BODY_LEN_MAX)));
    assert_eq!(
        header_of(BODY_LEN_MAX as u32 + 1, 1),
        Err(MessageError::TooLong { len: BODY_LEN_MAX + 1 })
    );
    assert_eq!(header_of(1, 9), Err(MessageError::UnknownShape { shape: 9 }));
    let mut long = hello();
    if let Control::Hello(hello) = &mut long {
        hello.name = "n".repeat(NAME_LEN_MAX + 1);
    }
    let bytes = long.to_bytes();
    assert!(matches!(Message::split(&bytes), Err(MessageError::TextTooLong { len: 65, .. })));
    let mut behind = hello().to_bytes();
    behind.push(0);
    behind[0] += 1;
    assert_eq!(Message::split(&behind), Err(MessageError::Extra { extra: 1 }));
    let high = EPOCH_MAX + 1;
    for control in [
        Control::Fenced { epoch: high },
        Control::Taken { epoch: u64::MAX },
        Control::HandOver(HandOver { epoch: high, last: SeqNo(2) }),
    ] {
        let bytes = control.to_bytes();
        assert!(matches!(Message::split(&bytes), Err(MessageError::Epoch { .. })), "{control:?}");
    }
    assert_eq!(check_name("node one"), Err(MessageError::Name));
    assert_eq!(check_name(""), Err(MessageError::Name));
}

proptest! {
    /// Whatever comes: a message, a typed error, or more is needed; and what is read holds what it says.
    #[test]
    fn hostile_bytes_never_panic(
        shape in 0u8..5,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(Message::Records(records)) = Message::decode(shape, &body) {
            prop_assert_eq!(records.iter().count(), records.count as usize);
            let last = records.iter().last().map_or(records.after, |record| record.seq);
            prop_assert_eq!(last, records.last);
        }
        let _ = Message::split(&body);
    }

    /// One changed byte of a good message is read as another message or refused, never a panic.
    #[test]
    fn a_changed_byte_never_panics(at in 0usize..200, to in any::<u8>()) {
        let mut out = hello().to_bytes();
        let mut builder = RecordsBuilder::begin(1, SeqNo(5), &mut out);
        builder.push(KIND_COMMAND, &[9; 40], &mut out);
        builder.push(KIND_CHECKPOINT, &[0; 16], &mut out);
        builder.finish(&mut out);
        let at = at % out.len();
        out[at] = to;
        let mut rest = &out[..];
        while let Ok(Some((_, len))) = Message::split(rest) {
            rest = &rest[len..];
        }
    }
}
