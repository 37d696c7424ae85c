use super::*;
use proptest::prelude::*;

const MILLI: u64 = 1_000_000;

fn session() -> SessionName {
    SessionName::new("TEST").expect("valid")
}

fn packet(first: u64, count: u64) -> Vec<u8> {
    let mut builder = PacketBuilder::new(session(), first);
    for n in first..first + count {
        assert!(builder.push(&n.to_be_bytes()));
    }
    builder.packet().expect("not empty").to_vec()
}

/// What a test sees, as short text: `m1` message 1, `g2+3` gap of 3 from 2, `s` session, `e9` end after 9.
fn seen(log: &mut Vec<String>) -> impl FnMut(Delivery<'_>) + '_ {
    |delivery| {
        log.push(match delivery {
            Delivery::Session(_) => "s".to_string(),
            Delivery::Message { sequence, message } => {
                assert_eq!(message, sequence.to_be_bytes(), "the message is the one of its number");
                format!("m{sequence}")
            }
            Delivery::Gap { sequence, count } => format!("g{sequence}+{count}"),
            Delivery::EndOfSession { messages } => format!("e{messages}"),
        });
    }
}

fn take(receiver: &mut Receiver, now: u64, bytes: &[u8]) -> String {
    let mut log = Vec::new();
    receiver.on_packet(now, bytes, &mut seen(&mut log)).expect("a valid packet");
    log.join(" ")
}

fn tick(receiver: &mut Receiver, now: u64) -> (String, Option<(u64, u16)>) {
    let mut log = Vec::new();
    let request = receiver.on_time(now, &mut seen(&mut log));
    (log.join(" "), request.map(|r| (r.sequence, r.count)))
}

#[test]
fn two_lines_make_one_stream() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(take(&mut receiver, 0, &packet(1, 2)), "s m1 m2");
    assert_eq!(take(&mut receiver, 1, &packet(1, 2)), "");
    assert_eq!(take(&mut receiver, 2, &packet(4, 2)), "");
    assert_eq!(tick(&mut receiver, 3), (String::new(), None));
    assert_eq!(take(&mut receiver, 4, &packet(3, 2)), "m3 m4 m5");
    assert!(!receiver.is_stalled());
    assert_eq!(receiver.counts().duplicates, 3);
    assert_eq!(receiver.counts().gaps, 1);
    assert_eq!(take(&mut receiver, 5, &end_of_session(session(), 6)), "e5");
    assert_eq!(take(&mut receiver, 6, &end_of_session(session(), 6)), "");
    assert_eq!(take(&mut receiver, 7, &packet(6, 1)), "", "nothing comes after the end");
}

#[test]
fn a_gap_is_asked_for_and_given_up() {
    let config = ReceiverConfig { request_attempts_max: 2, ..ReceiverConfig::default() };
    let mut receiver = Receiver::new(config);
    take(&mut receiver, 0, &packet(1, 1));
    take(&mut receiver, 0, &packet(4, 1));
    assert_eq!(tick(&mut receiver, MILLI), (String::new(), Some((2, 2))));
    assert_eq!(tick(&mut receiver, 2 * MILLI), (String::new(), None));
    assert_eq!(tick(&mut receiver, 22 * MILLI), (String::new(), Some((2, 2))));
    // A part of the answer is progress: attempts begin anew.
    assert_eq!(take(&mut receiver, 23 * MILLI, &packet(2, 1)), "m2");
    assert_eq!(tick(&mut receiver, 24 * MILLI), (String::new(), None));
    assert_eq!(tick(&mut receiver, 43 * MILLI), (String::new(), Some((3, 1))));
    assert_eq!(tick(&mut receiver, 63 * MILLI), (String::new(), Some((3, 1))));
    assert_eq!(tick(&mut receiver, 83 * MILLI), ("g3+1 m4".to_string(), None));
    assert_eq!(take(&mut receiver, 84 * MILLI, &packet(3, 1)), "", "too late");
    let counts = receiver.counts();
    assert_eq!((counts.lost, counts.recovered, counts.requests), (1, 1, 4));
}

#[test]
fn the_tail_is_missed_by_heartbeat_and_end() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(take(&mut receiver, 0, &heartbeat(session(), 4)), "s");
    assert_eq!(tick(&mut receiver, MILLI), (String::new(), Some((1, 3))));
    assert_eq!(take(&mut receiver, 2 * MILLI, &packet(1, 3)), "m1 m2 m3");
    assert_eq!(take(&mut receiver, 3 * MILLI, &end_of_session(session(), 6)), "");
    assert_eq!(tick(&mut receiver, 4 * MILLI), (String::new(), Some((4, 2))));
    assert_eq!(take(&mut receiver, 5 * MILLI, &packet(4, 2)), "m4 m5 e5");
}

#[test]
fn without_a_request_server_the_other_line_gets_time() {
    let mut receiver =
        Receiver::new(ReceiverConfig { can_request: false, ..ReceiverConfig::default() });
    take(&mut receiver, 0, &packet(1, 1));
    take(&mut receiver, 0, &packet(3, 1));
    assert_eq!(tick(&mut receiver, 19 * MILLI), (String::new(), None));
    assert_eq!(tick(&mut receiver, 20 * MILLI), ("g2+1 m3".to_string(), None));
}

#[test]
fn one_may_join_late() {
    let config = ReceiverConfig { first: FirstMessage::Seen, ..ReceiverConfig::default() };
    let mut receiver = Receiver::new(config);
    assert_eq!(take(&mut receiver, 0, &packet(1_000, 1)), "s m1000");
    // From the beginning instead: everything before is asked for, in portions.
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(take(&mut receiver, 0, &packet(1_000, 1)), "s");
    assert_eq!(tick(&mut receiver, MILLI).1, Some((1, 512)));
    for n in 1..=512 {
        take(&mut receiver, 2 * MILLI, &packet(n, 1));
    }
    assert_eq!(tick(&mut receiver, 2 * MILLI).1, Some((513, 487)), "at once");
}

#[test]
fn a_new_session_takes_over_only_from_one_that_is_over() {
    let other = SessionName::new("OTHER").expect("valid");
    let mut receiver = Receiver::new(ReceiverConfig::default());
    take(&mut receiver, 0, &packet(1, 1));
    assert_eq!(take(&mut receiver, 1, &heartbeat(other, 1)), "");
    assert_eq!(receiver.counts().foreign, 1);
    take(&mut receiver, 2, &packet(3, 1));
    assert_eq!(take(&mut receiver, 6_000 * MILLI, &heartbeat(other, 1)), "g2+2 s");
    assert_eq!(take(&mut receiver, 6_001 * MILLI, &packet(2, 1)), "", "the old one is foreign now");
    assert_eq!(take(&mut receiver, 6_002 * MILLI, &end_of_session(other, 1)), "e0");
    assert_eq!(take(&mut receiver, 6_003 * MILLI, &packet(1, 1)), "s m1");
}

#[test]
fn a_session_that_has_ended_stays_over_while_its_sender_repeats_itself() {
    let [a, b] = ["A", "B"].map(|name| SessionName::new(name).expect("valid"));
    let one = |session| {
        let mut builder = PacketBuilder::new(session, 1);
        assert!(builder.push(&1u64.to_be_bytes()));
        builder.packet().expect("not empty").to_vec()
    };
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(take(&mut receiver, 0, &one(a)), "s m1");
    assert_eq!(take(&mut receiver, 0, &end_of_session(a, 2)), "e1");
    assert_eq!(take(&mut receiver, 0, &one(a)), "");
    assert_eq!(take(&mut receiver, 1_000 * MILLI, &one(b)), "s m1");
    assert_eq!(take(&mut receiver, 2_000 * MILLI, &end_of_session(b, 2)), "e1");
    assert_eq!(take(&mut receiver, 3_000 * MILLI, &end_of_session(a, 2)), "");
    assert_eq!(take(&mut receiver, 7_000 * MILLI, &one(a)), "", "it was heard four seconds ago");
    assert_eq!(take(&mut receiver, 12_001 * MILLI, &one(a)), "s m1", "it was silent for five");
    // B has ended as well, and is the session before now.
    assert_eq!(take(&mut receiver, 12_002 * MILLI, &end_of_session(a, 2)), "e1");
    assert_eq!(take(&mut receiver, 12_003 * MILLI, &one(b)), "s m1", "it was silent for ten");
}

#[test]
fn far_jumps_are_damage_and_large_gaps_are_bounded() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    take(&mut receiver, 0, &packet(1, 1));
    let error = receiver.on_packet(0, &heartbeat(session(), 1 << 50), &mut |_| ());
    assert!(matches!(error, Err(PacketError::Sequence { .. })));
    let far = 10 * WINDOW as u64;
    assert_eq!(take(&mut receiver, 0, &packet(far, 1)), "");
    let mut now = 0;
    let mut log = String::new();
    while receiver.is_stalled() {
        now += 20 * MILLI;
        log.push_str(&tick(&mut receiver, now).0);
    }
    assert_eq!(log, format!("g2+{}", far - 1), "what was not held is lost too");
}

/// Plays `messages` over two bad lines and a bad request line, as `fates` say, and returns what came out.
fn play(messages: u64, fates: &[u8]) -> (Vec<String>, ReceiverCounts) {
    let mut receiver =
        Receiver::new(ReceiverConfig { request_attempts_max: 3, ..ReceiverConfig::default() });
    let mut fate = fates.iter().copied().cycle();
    let mut fate = move || fate.next().unwrap_or(0);
    let (mut log, mut now) = (Vec::new(), 0);
    let mut late: Vec<Vec<u8>> = Vec::new();
    let mut history = History::new(usize::MAX);
    let mut on_line =
        |receiver: &mut Receiver, log: &mut Vec<String>, now: u64, bytes: Vec<u8>, fate: u8| {
            let mut deliver = |bytes: &[u8]| {
                receiver.on_packet(now, bytes, &mut seen(log)).expect("valid");
            };
            match fate % 8 {
                0 => {}
                1 => late.push(bytes),
                2 => {
                    deliver(&bytes);
                    deliver(&bytes);
                }
                3 => {
                    deliver(&bytes);
                    late.drain(..).rev().for_each(|bytes| deliver(&bytes));
                }
                _ => deliver(&bytes),
            }
        };
    let mut next = 1;
    let mut idle = 0;
    while idle < 1_000 {
        now += MILLI;
        let mut packets = Vec::new();
        if next <= messages {
            let count = u64::from(fate() % 5 + 1).min(messages + 1 - next);
            let bytes = packet(next, count);
            history.keep(&bytes);
            next += count;
            packets.push(bytes);
        } else {
            idle += 1;
            packets.push(end_of_session(session(), next).to_vec());
        }
        for bytes in packets {
            on_line(&mut receiver, &mut log, now, bytes.clone(), fate());
            on_line(&mut receiver, &mut log, now, bytes, fate());
        }
        let request = receiver.on_time(now, &mut seen(&mut log));
        if let Some(request) = request {
            let mut answer = Vec::new();
            history.answer(request, 4, |bytes| answer.push(bytes.to_vec()));
            for bytes in answer {
                on_line(&mut receiver, &mut log, now, bytes, fate());
            }
        }
    }
    (log, receiver.counts())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the lines do: every number once, in order, as a message or in a declared gap.
    #[test]
    fn every_message_in_order_or_in_a_gap(
        messages in 1u64..200,
        fates in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let (log, counts) = play(messages, &fates);
        let mut next = 1;
        let mut ended = false;
        for entry in &log {
            prop_assert!(!ended, "something follows the end: {log:?}");
            let (kind, rest) = entry.split_at(1);
            match kind {
                "s" => prop_assert_eq!(next, 1),
                "m" => {
                    prop_assert_eq!(rest, next.to_string());
                    next += 1;
                }
                "g" => {
                    let (first, count) = rest.split_once('+').expect("as written");
                    prop_assert_eq!(first, next.to_string());
                    next += count.parse::<u64>().expect("a number");
                }
                _ => {
                    prop_assert_eq!(next, messages + 1);
                    ended = true;
                }
            }
        }
        prop_assert_eq!(counts.messages + counts.lost, next - 1);
        // Some packet gets through unless every fate loses or delays it.
        if fates.iter().any(|f| f % 8 > 3) && fates.len() % 2 == 1 {
            prop_assert!(ended, "the end never came: {log:?}");
        }
    }

    /// No packet, however damaged, makes it panic.
    #[test]
    fn any_bytes_are_survived(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40)) {
        let mut receiver = Receiver::new(ReceiverConfig::default());
        for (now, bytes) in packets.iter().enumerate() {
            let _ = receiver.on_packet(now as u64 * MILLI, bytes, &mut |_| ());
            let _ = receiver.on_time(now as u64 * MILLI, &mut |_| ());
        }
    }
}
