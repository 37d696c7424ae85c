//! Market data for benches: the made-up session, or a file that `TIDEGATE_BENCH_ITCH` names.

use std::path::PathBuf;
use tidegate_feed_handler::binary_file;
use tidegate_feed_handler::itch::Decoder;
use tidegate_feed_handler::synthetic::{Length, Parameters, Session, write_session};
use tidegate_model::{MarketEvent, UnixNanos};

/// A session as BinaryFILE bytes: `messages` made up from a fixed seed over 100 symbols.
pub fn session_bytes(messages: u64) -> Vec<u8> {
    let length = Length::Messages(messages);
    let parameters = Parameters {
        seed: 7,
        symbols: 100,
        length,
        messages_per_sec: 50_000,
        ..Default::default()
    };
    let session = Session::new(parameters).expect("the parameters are in range");
    let mut bytes = Vec::new();
    write_session(session, &mut bytes, |_, _| {}).expect("memory takes every byte");
    bytes
}

/// The file that `TIDEGATE_BENCH_ITCH` names, or a made-up session; with a name for the report.
///
/// # Panics
/// If the file cannot be read.
pub fn workload(messages: u64) -> (String, Vec<u8>) {
    match std::env::var_os("TIDEGATE_BENCH_ITCH").map(PathBuf::from) {
        Some(path) => {
            let bytes = std::fs::read(&path).expect("TIDEGATE_BENCH_ITCH names a readable file");
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, bytes)
        }
        None => (format!("made-up-{messages}"), session_bytes(messages)),
    }
}

/// The events of a session, received as they happened.
///
/// # Panics
/// If the bytes are no valid session.
pub fn events_of(bytes: &[u8]) -> Vec<MarketEvent> {
    let mut decoder = Decoder::new(UnixNanos(1_577_682_000_000_000_000));
    let mut events = Vec::new();
    for frame in binary_file::Frames::new(bytes) {
        let message = frame.expect("whole frames").message;
        decoder
            .decode(message, |event| events.push(MarketEvent { ts_recv: event.ts_event, ..event }))
            .expect("valid messages");
    }
    events
}
