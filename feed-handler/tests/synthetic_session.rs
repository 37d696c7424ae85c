//! What the generator makes is a valid session, and the same one everywhere.

mod naive;

use naive::NaiveBooks;
use std::collections::BTreeMap;
use tidegate_feed_handler::binary_file::Frames;
use tidegate_feed_handler::itch::{Decoder, MessageCounts};
use tidegate_feed_handler::synthetic::{
    Length, ParameterError, Parameters, Session, write_session,
};
use tidegate_model::UnixNanos;
use tidegate_model::market::{MarketEventKind, Side, TradingStatus};

fn bytes_of(parameters: Parameters) -> Vec<u8> {
    let session = Session::new(parameters).expect("valid parameters");
    let mut out = Vec::new();
    write_session(session, &mut out, |_, _| {}).expect("memory takes it");
    out
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[test]
fn same_seed_same_bytes_on_every_machine() {
    let make = |seed| {
        bytes_of(Parameters { seed, length: Length::Messages(50_000), ..Parameters::default() })
    };
    let first = make(7);
    assert_eq!(first, make(7));
    assert_ne!(first, make(8));
    // Fixed for ever: demos, figures and bug reports name a seed.
    assert_eq!(format!("{:016x}", fnv1a(&first)), "c734d78256bf97d4");
}

/// Checks everything that must hold after every message, and gives counts by type.
fn check_session(parameters: Parameters) -> MessageCounts {
    let bytes = bytes_of(parameters);
    let mut decoder = Decoder::new(UnixNanos(0));
    let mut counts = MessageCounts::default();
    let mut books = NaiveBooks::default();
    let mut halted = BTreeMap::new();
    let (mut last_time, mut last_ref) = (0, 0);
    let (mut spreads, mut spread_samples) = (0, 0);
    for frame in Frames::new(&bytes) {
        let frame = frame.expect("the framing is right");
        counts.add(frame.message);
        let mut events = Vec::new();
        decoder.decode(frame.message, |event| events.push(event)).expect("every message is valid");
        for event in events {
            let kind = event.kind().expect("a known kind");
            assert!(event.ts_event.0 >= last_time, "time runs backwards");
            last_time = event.ts_event.0;
            if matches!(kind, MarketEventKind::Execute | MarketEventKind::ExecuteAtPrice) {
                let side = books.side_of(event.order_ref).expect("a known order");
                assert_eq!(books.front(event.channel_id, side), Some(event.order_ref));
                assert!(!halted.contains_key(&event.channel_id), "an execution in a halt");
            }
            if kind == MarketEventKind::Status {
                if event.flags == u16::from(TradingStatus::Trading.wire()) {
                    halted.remove(&event.channel_id);
                } else {
                    halted.insert(event.channel_id, ());
                }
            }
            let new_ref = match kind {
                MarketEventKind::Add => event.order_ref,
                MarketEventKind::Replace => event.aux,
                _ => 0,
            };
            if new_ref != 0 {
                assert_eq!(new_ref, last_ref + 1, "references are dense");
                last_ref = new_ref;
                assert_eq!(event.price.0 % 100, 0, "prices are whole cents");
                assert!(event.qty.0 > 0);
            }
            books.apply(&event);
            let bid = books.best(event.channel_id, Side::Buy);
            let ask = books.best(event.channel_id, Side::Sell);
            if let (Some(bid), Some(ask)) = (bid, ask) {
                assert!(bid < ask, "crossed: {bid} {ask} at message {}", decoder.messages());
                spreads += ask - bid;
                spread_samples += 1;
            }
        }
    }
    assert_eq!(books.unknown, 0);
    assert!(halted.is_empty(), "every halt ends");
    println!(
        "mean spread {} ticks, {} orders left",
        spreads / spread_samples.max(1),
        books.orders()
    );
    println!("{:?}", counts.iter().collect::<Vec<_>>());
    counts
}

#[test]
fn a_session_is_consistent_and_looks_like_a_market() {
    let messages = 400_000;
    let counts = check_session(Parameters {
        seed: 3,
        length: Length::Messages(messages),
        ..Parameters::default()
    });
    let all: u64 = counts.iter().map(|(_, _, n)| n).sum();
    assert_eq!(all, messages);
    let per_mille = |kinds: &[u8]| kinds.iter().map(|&k| counts.of(k)).sum::<u64>() * 1_000 / all;
    let executed = per_mille(b"EC");
    assert!((45..=95).contains(&executed), "{executed} executions in a thousand");
    let canceled = per_mille(b"DXU");
    assert!(canceled > 5 * executed, "cancels dominate: {canceled} against {executed}");
    for kind in b"SRHYAFECXDUPQ" {
        assert!(counts.of(*kind) > 0, "no message of type {}", *kind as char);
    }
}

#[test]
fn sessions_of_every_shape_are_consistent() {
    for (symbols, length, rate) in [
        (1, Length::Messages(30_000), 20_000),
        (1, Length::Messages(91), 1),
        (40, Length::Messages(60_000), 1_000_000),
        (3, Length::DurationNs(3_000_000_000), 5_000),
        (2, Length::DurationNs(0), 5_000),
    ] {
        for seed in 0..4 {
            let parameters = Parameters {
                seed,
                symbols,
                length,
                messages_per_sec: rate,
                ..Parameters::default()
            };
            check_session(parameters);
        }
    }
}

#[test]
fn prices_rise_and_fall_for_seconds() {
    let parameters = Parameters {
        seed: 11,
        symbols: 2,
        length: Length::DurationNs(60_000_000_000),
        messages_per_sec: 2_000,
        ..Parameters::default()
    };
    let bytes = bytes_of(parameters);
    let mut decoder = Decoder::new(UnixNanos(0));
    let mut books = NaiveBooks::default();
    let mut mids = Vec::new();
    for frame in Frames::new(&bytes) {
        let mut now = 0;
        decoder
            .decode(frame.expect("valid").message, |event| {
                books.apply(&event);
                now = event.ts_event.0;
            })
            .expect("valid");
        let due = parameters.start_time_ns + mids.len() as u64 * 1_000_000_000;
        if now > due {
            let mid = books.best(1, Side::Buy).zip(books.best(1, Side::Sell));
            mids.push(mid.map_or(0, |(b, a)| (b + a) / 2));
        }
    }
    let moves: Vec<i64> = mids.windows(5).map(|w| (w[4] - w[0]) / 100).collect();
    println!("moves over four seconds in cents: {moves:?}");
    assert!(moves.iter().filter(|m| m.abs() >= 4).count() > 10, "{moves:?}");
}

#[test]
fn impossible_parameters_are_refused() {
    let base = Parameters::default();
    let check = |parameters: Parameters, want: &str| {
        let error = Session::new(parameters).expect_err("refused");
        assert!(error.to_string().contains(want), "{error}");
    };
    check(Parameters { symbols: 0, ..base }, "0 symbols");
    check(Parameters { symbols: 10_001, ..base }, "10001 symbols");
    check(Parameters { messages_per_sec: 0, ..base }, "0 messages a second");
    check(Parameters { length: Length::Messages(3), ..base }, "3 messages are too few");
    check(Parameters { messages_per_sec: 1, ..base }, "within its day");
    check(Parameters { start_time_ns: u64::MAX, ..base }, "within its day");
    check(Parameters { length: Length::DurationNs(u64::MAX), ..base }, "within its day");
    assert!(matches!(
        Session::new(Parameters { symbols: 0, ..base }),
        Err(ParameterError::Symbols(0))
    ));
}
