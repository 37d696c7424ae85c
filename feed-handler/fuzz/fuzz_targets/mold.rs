//! Any packets at any time: every number comes once and in order, as a message or in a gap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_feed_handler::mold_udp64::{
    Delivery, Receiver, ReceiverConfig, Request, SessionName, end_of_session, heartbeat,
};

fuzz_target!(|steps: Vec<(u8, u16, u8, &[u8])>| {
    let session = SessionName(*b"FUZZ      ");
    let mut receiver = Receiver::new(ReceiverConfig::default());
    let (mut now, mut next) = (0, 1);
    for (wait_ms, sequence, kind, bytes) in steps {
        now += u64::from(wait_ms) * 1_000_000;
        let mut check = |delivery: Delivery<'_>| match delivery {
            Delivery::Session(_) => next = 1,
            Delivery::Message { sequence, .. } => {
                assert_eq!(sequence, next);
                next += 1;
            }
            Delivery::Gap { sequence, count } => {
                assert_eq!(sequence, next);
                next += count;
            }
            Delivery::EndOfSession { messages } => assert_eq!(messages + 1, next),
        };
        let sequence = u64::from(sequence);
        let packet = match kind % 4 {
            // Raw bytes, then well-formed packets: random bytes alone would rarely get past the header.
            0 => bytes.to_vec(),
            1 => heartbeat(session, sequence).to_vec(),
            2 => end_of_session(session, sequence).to_vec(),
            _ => {
                let messages: Vec<&[u8]> = bytes.chunks(3).collect();
                let mut packet = heartbeat(session, sequence).to_vec();
                packet[18..20].copy_from_slice(&(messages.len() as u16).to_be_bytes());
                for message in messages {
                    packet.extend_from_slice(&(message.len() as u16).to_be_bytes());
                    packet.extend_from_slice(message);
                }
                packet
            }
        };
        let _ = Request::parse(&packet);
        let _ = receiver.on_packet(now, &packet, &mut check);
        let _ = receiver.on_time(now, &mut check);
    }
});
