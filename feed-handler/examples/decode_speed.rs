//! Measures one thread over one file in memory: walking the frames, decoding to events, generating a session.
//!
//! `cargo run --release -p tidegate-feed-handler --example decode_speed -- FILE`

use std::hint::black_box;
use std::time::Instant;
use tidegate_feed_handler::binary_file::Frames;
use tidegate_feed_handler::itch::Decoder;
use tidegate_feed_handler::synthetic::{Parameters, Session};
use tidegate_model::UnixNanos;

const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: decode_speed FILE")?;
    let bytes = std::fs::read(path)?;
    let (mut walk_ns, mut decode_ns, mut messages) = (f64::MAX, f64::MAX, 0);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut frames = Frames::new(&bytes);
        let mut sum = 0;
        for frame in &mut frames {
            sum ^= u64::from(frame?.message[0]);
        }
        black_box(sum);
        messages = frames.messages();
        walk_ns = f64::min(walk_ns, begin.elapsed().as_nanos() as f64 / messages as f64);

        let begin = Instant::now();
        let mut decoder = Decoder::new(UnixNanos(0));
        let mut sum = 0;
        for frame in Frames::new(&bytes) {
            // Every field is used, as a book would.
            decoder.decode(frame?.message, |event| {
                sum ^= event.order_ref ^ event.price.0 as u64 ^ event.qty.0 ^ event.aux;
                sum ^= event.ts_event.0 ^ u64::from(event.channel_id) ^ event.feed_seq;
                sum ^= u64::from(event.kind) ^ u64::from(event.side);
            })?;
        }
        black_box(sum);
        decode_ns = f64::min(decode_ns, begin.elapsed().as_nanos() as f64 / messages as f64);
    }
    println!(
        "{messages} messages, best of {ROUNDS}: walk {walk_ns:.2} ns, walk and decode {decode_ns:.2} ns each"
    );
    let begin = Instant::now();
    let mut session = Session::new(Parameters::default())?;
    let mut len = 0;
    while let Some(message) = session.next_message() {
        len += message.len();
    }
    let rate = session.messages() as f64 / begin.elapsed().as_secs_f64() / 1e6;
    println!("generated {} messages, {len} bytes, {rate:.2} M/s", session.messages());
    Ok(())
}
