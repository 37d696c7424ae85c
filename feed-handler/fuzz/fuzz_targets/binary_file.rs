//! Any bytes, compressed or not, are read to their end or to a typed error; both ways of reading agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read};
use tidegate_feed_handler::binary_file::{Frames, Reader, decompress};
use tidegate_feed_handler::source::Source;
use tidegate_model::UnixNanos;

/// Bytes that a compressed input may unfold to here: fuzzing looks for crashes, not for large files.
const UNFOLDED_MAX: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    for frame in Frames::new(bytes) {
        match (frame, reader.next_frame()) {
            (Ok(a), Ok(Some(b))) => assert_eq!(a, b),
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("{a:?} and {b:?}"),
        }
    }
    assert!(matches!(reader.next_frame(), Ok(None)));
    if let Ok(input) = decompress(Cursor::new(bytes.to_vec()))
        && let Ok(mut source) =
            Source::from_input(Box::new(input.take(UNFOLDED_MAX)), UnixNanos(0))
    {
        let _ = source.for_each(|_| ());
    }
});
