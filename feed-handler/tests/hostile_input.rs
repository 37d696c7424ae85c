//! Damaged and made-up input: a typed error with its place, or other events; never a panic, never a loop.

use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use tidegate_feed_handler::binary_file::{self, Frames, Reader};
use tidegate_feed_handler::itch::{Decoder, MESSAGE_TYPES, Message};
use tidegate_feed_handler::source::Source;
use tidegate_feed_handler::synthetic::{Length, Parameters, Session, write_session};
use tidegate_feed_handler::{Error, MessageError};
use tidegate_model::UnixNanos;

fn session_bytes(messages: u64) -> Vec<u8> {
    let parameters = Parameters {
        seed: 9,
        symbols: 2,
        length: Length::Messages(messages),
        ..Parameters::default()
    };
    let mut bytes = Vec::new();
    write_session(Session::new(parameters).expect("valid"), &mut bytes, |_, _| {})
        .expect("memory takes it");
    bytes
}

/// Gives at most `step` bytes at a time, as networks and decompressors do.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}

type Walked = (Vec<(u64, Vec<u8>)>, Option<String>);

fn walk_memory(bytes: &[u8]) -> Walked {
    let mut messages = Vec::new();
    for frame in Frames::new(bytes) {
        match frame {
            Ok(frame) => messages.push((frame.offset, frame.message.to_vec())),
            Err(error) => return (messages, Some(error.to_string())),
        }
    }
    (messages, None)
}

fn walk_stream(bytes: &[u8], step: usize) -> Walked {
    let mut reader = Reader::new(Trickle(bytes, step));
    let mut messages = Vec::new();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => messages.push((frame.offset, frame.message.to_vec())),
            Ok(None) => return (messages, None),
            Err(error) => {
                assert!(matches!(reader.next_frame(), Ok(None)), "nothing follows an error");
                return (messages, Some(error.to_string()));
            }
        }
    }
}

#[test]
fn every_cut_is_found_with_its_place() {
    let bytes = session_bytes(300);
    let (whole, none) = walk_memory(&bytes);
    assert_eq!((whole.len(), none), (300, None));
    for len in 0..bytes.len() {
        let (messages, error) = walk_memory(&bytes[..len]);
        assert_eq!(messages, whole[..messages.len()]);
        assert_eq!(
            walk_stream(&bytes[..len], 7),
            (messages.clone(), error.clone()),
            "cut at {len}"
        );
        let end = messages.last().map_or(0, |(offset, message)| *offset as usize + message.len());
        if end == len {
            assert_eq!(error, None, "cut between messages at {len}");
        } else {
            let error = error.expect("cut within a message");
            let place = format!("message {} at byte {end}", messages.len() + 1);
            assert!(error.contains(&place), "{error} does not name {place}");
        }
    }
}

#[test]
fn data_after_the_end_of_session_is_refused() {
    let mut bytes = session_bytes(300);
    let end = bytes.len() - 2;
    bytes.extend_from_slice(b"\0\x01x");
    for (messages, error) in [walk_memory(&bytes), walk_stream(&bytes, 1_000)] {
        assert_eq!(messages.len(), 300);
        let want =
            format!("data follows the end-of-session marker at byte {end}, after message 300");
        assert_eq!(error, Some(want));
    }
}

#[test]
fn compressed_files_are_recognized_and_their_damage_is_named() {
    let bytes = session_bytes(20_000);
    let half = bytes.len() / 2;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    // Archives are sometimes made of several parts; a message may cross from one to the next.
    let members = [gzip(&bytes[..half]), gzip(&bytes[half..])].concat();
    let frames = [
        zstd::encode_all(&bytes[..half], 1).expect("memory takes it"),
        zstd::encode_all(&bytes[half..], 1).expect("memory takes it"),
    ]
    .concat();
    for packed in [gzip(&bytes), members, zstd::encode_all(&bytes[..], 1).expect("fits"), frames] {
        let read = |packed: Vec<u8>| -> Result<u64, Error> {
            let input = binary_file::decompress(Cursor::new(packed)).expect("memory can be read");
            let mut source = Source::from_input(input, UnixNanos(0))?;
            source.for_each(|_| ())?;
            Ok(source.messages())
        };
        assert_eq!(read(packed.clone()).expect("whole"), 20_000);
        let error = read(packed[..packed.len() / 3].to_vec()).expect_err("cut short");
        assert!(matches!(error, Error::Read { offset: 1.., message: 2.., .. }), "{error}");
        let mut flipped = packed;
        let middle = flipped.len() / 2;
        flipped[middle..middle + 16].fill(0x55);
        // Zstandard frames need not have a checksum: what is read then is wrong, but harmless.
        let _ = read(flipped);
    }
}

#[test]
fn empty_input_is_an_empty_file() {
    for bytes in [&b""[..], b"\0\0"] {
        assert_eq!(walk_memory(bytes), (vec![], None));
        assert_eq!(walk_stream(bytes, 1), (vec![], None));
    }
    assert!(walk_memory(b"\0").1.is_some());
    assert!(walk_stream(b"\0", 1).1.is_some());
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let bytes = session_bytes(500);
    for name in ["s.itch", "s.itch.gz", "s.itch.zst"] {
        let path = dir.path().join(name);
        let mut output = binary_file::create(&path).expect("writable");
        output.write_all(&bytes).expect("writable");
        assert!(!path.exists(), "not there before it is finished");
        output.finish().expect("writable");
        let mut source = Source::open(&path).expect("readable");
        let mut events = 0;
        source.for_each(|_| events += 1).expect("whole");
        assert_eq!((source.messages(), source.stats().events), (500, events));
    }
    let path = dir.path().join("gone");
    binary_file::create(&path).expect("writable").discard().expect("removable");
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 3);
    let error = Source::open(&path).err().expect("absent");
    assert!(error.to_string().contains("gone"), "{error}");
    assert!(matches!(Source::open(dir.path()), Err(Error::Open { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any bytes of the right type and length are a message that is written back as it was.
    #[test]
    fn messages_go_round(at in 0..MESSAGE_TYPES.len(), body in prop::collection::vec(any::<u8>(), 50)) {
        let (kind, len, _) = MESSAGE_TYPES[at];
        let mut bytes = body[..len].to_vec();
        bytes[0] = kind;
        let message = Message::parse(&bytes).expect("type and length are right");
        let mut back = Vec::new();
        message.write_to(&mut back);
        prop_assert_eq!(back, bytes);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..50)) {
        let mut decoder = Decoder::new(UnixNanos(0));
        for (n, message) in messages.iter().enumerate() {
            let mut events = 0;
            let outcome = decoder.decode(message, |_| events += 1);
            prop_assert!(events <= 2);
            prop_assert!(outcome.is_ok() || events == 0);
            prop_assert_eq!(decoder.messages(), n as u64 + 1);
            prop_assert_eq!(outcome == Err(MessageError::Empty), message.is_empty());
        }
    }

    /// Flipped bits give other events or an error that names a place within the file.
    #[test]
    fn flipped_bits_are_survived(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..6)) {
        let mut bytes = session_bytes(400);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let len = bytes.len() as u64;
        let input: binary_file::Input = Box::new(Cursor::new(bytes));
        let outcome = Source::from_input(input, UnixNanos(0)).and_then(|mut source| {
            source.for_each(|_| ())
        });
        match outcome {
            Ok(()) => {}
            Err(Error::Truncated { offset, message, .. } | Error::Message { offset, message, .. } | Error::TrailingData { offset, message }) => {
                prop_assert!(offset < len && message <= 401);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn memory_and_stream_agree(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..300), step in 1..9usize) {
        prop_assert_eq!(walk_memory(&bytes), walk_stream(&bytes, step));
    }

    /// Changed bytes of text files give other events or an error that names a line.
    #[test]
    fn changed_text_is_survived(
        bars: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = if bars { BARS } else { RECORDING }.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let input: binary_file::Input = Box::new(Cursor::new(bytes));
        let outcome = Source::from_input(input, UnixNanos(0)).and_then(|mut source| {
            source.for_each(|_| ())
        });
        match outcome {
            Ok(()) | Err(Error::UnknownText) => {}
            Err(Error::Line { line, .. }) => prop_assert!((1..=8).contains(&line)),
            // What is no text any more is taken for ITCH.
            Err(Error::Truncated { .. } | Error::Message { .. } | Error::TrailingData { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

const BARS: &str = "date,open,high,low,close,volume,symbol
2006-01-03,10.34,10.68,10.32,10.68,201853036,AAPL
2006-01-03 16:30:00,70.4,70.6,69.33,70.44,4943100,BA
1136341000,35.1,35.4,34.8,35.37,33221400,GE
";

const RECORDING: &str = r#"100 {"stream":"x@depth","data":{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["99.00","1.000"]],"a":[]}}
101 {"lastUpdateId":2,"E":2,"T":1,"bids":[["99.00","1.000"]],"asks":[["101.00","2.000"]]}
102 {"e":"trade","E":3,"T":1,"s":"BTCUSDT","t":5,"p":"100.30","q":"0.006","X":"MARKET","m":true}
103 {"e":"bookTicker","u":1,"s":"BTCUSDT","b":"99.00","B":"1.000","a":"100.00","A":"2.000","T":1,"E":1}
"#;

#[test]
fn the_texts_that_are_changed_are_whole() {
    for (text, events) in [(BARS, 9), (RECORDING, 6)] {
        let input: binary_file::Input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let mut source = Source::from_input(input, UnixNanos(0)).expect("recognized");
        source.for_each(|_| ()).expect("whole");
        assert_eq!(source.stats().events, events);
    }
    for text in ["date,open\n", "hello", "{\"e\":1}\n", "\u{feff}a,b,c"] {
        let input: binary_file::Input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let refused = Source::from_input(input, UnixNanos(0)).err();
        assert!(matches!(refused, Some(Error::UnknownText)), "{text}: {refused:?}");
    }
}
