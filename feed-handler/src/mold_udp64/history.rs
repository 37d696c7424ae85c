//! What a sender keeps to answer requests.

use super::packet::{Packet, PacketBuilder, Request};
use std::collections::VecDeque;

/// The last packets sent, up to a bound in bytes; older messages can no longer be asked for.
#[derive(Clone, Debug)]
pub struct History {
    packets: VecDeque<Kept>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Clone, Debug)]
struct Kept {
    first: u64,
    bytes: Box<[u8]>,
}

impl History {
    /// Keeps up to `bytes_max` bytes of packets.
    pub fn new(bytes_max: usize) -> Self {
        Self { packets: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Number of the oldest message kept.
    pub fn oldest(&self) -> Option<u64> {
        self.packets.front().map(|kept| kept.first)
    }

    /// Keeps a packet, whose messages follow those of the packet before. What [`Packet::parse`] refuses is not kept.
    pub fn keep(&mut self, packet: &[u8]) {
        let Ok(parsed) = Packet::parse(packet) else { return };
        self.bytes += packet.len();
        self.packets.push_back(Kept { first: parsed.sequence, bytes: packet.into() });
        while self.bytes > self.bytes_max {
            let Some(old) = self.packets.pop_front() else { break };
            self.bytes -= old.bytes.len();
        }
    }

    /// Answers a request with packets, at most `packets_max`, given to `send` in order. Gives the number of
    /// messages sent; 0 if the first message asked for is not kept.
    pub fn answer(&self, request: Request, packets_max: usize, mut send: impl FnMut(&[u8])) -> u64 {
        let at = self.packets.partition_point(|kept| kept.first <= request.sequence);
        let end = request.sequence + u64::from(request.count);
        let mut builder = PacketBuilder::new(request.session, request.sequence);
        let mut sent = 0;
        for kept in self.packets.range(at.saturating_sub(1)..) {
            let Ok(packet) = Packet::parse(&kept.bytes) else { break };
            for (number, message) in (kept.first..).zip(packet.messages()) {
                if number != builder.next_sequence() || number >= end {
                    continue;
                }
                if !builder.push(message) {
                    flush(&mut builder, &mut send);
                    sent += 1;
                    if sent == packets_max {
                        return builder.next_sequence() - request.sequence;
                    }
                    // An empty packet takes any message that came in a packet.
                    let _ = builder.push(message);
                }
            }
            if builder.next_sequence() >= end {
                break;
            }
        }
        flush(&mut builder, &mut send);
        builder.next_sequence() - request.sequence
    }
}

fn flush(builder: &mut PacketBuilder, send: &mut impl FnMut(&[u8])) {
    if let Some(packet) = builder.packet() {
        send(packet);
        builder.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::SessionName;
    use super::*;

    #[test]
    fn what_is_kept_is_answered_exactly() {
        let session = SessionName::new("S").expect("valid");
        let message = |n: u64| n.to_be_bytes().to_vec();
        let mut history = History::new(100_000);
        let mut builder = PacketBuilder::new(session, 1);
        for n in 1..=5_000 {
            if !builder.push(&message(n)) {
                history.keep(builder.packet().expect("full"));
                builder.advance();
                assert!(builder.push(&message(n)));
            }
        }
        history.keep(builder.packet().expect("a rest"));
        let oldest = history.oldest().expect("something is kept");
        let check = |sequence: u64, count: u16, want: core::ops::Range<u64>| {
            let mut got = Vec::new();
            let request = Request { session, sequence, count };
            let told = history.answer(request, 3, |bytes| {
                let packet = Packet::parse(bytes).expect("valid");
                assert_eq!(packet.sequence, sequence + got.len() as u64);
                got.extend(packet.messages().map(<[u8]>::to_vec));
            });
            assert_eq!(got, want.clone().map(message).collect::<Vec<_>>());
            assert_eq!(told, want.end - want.start);
        };
        check(4_000, 1, 4_000..4_001);
        check(4_000, 200, 4_000..4_200);
        check(4_990, 1_000, 4_990..5_001);
        check(5_001, 10, 5_001..5_001);
        check(1_000_000, 10, 0..0);
        check(oldest, 3, oldest..oldest + 3);
        check(oldest - 1, 3, 0..0);
        check(4_000, 0, 0..0);
        // Three packets hold at most 3 x 138 messages of eight bytes.
        check(3_000, 5_000, 3_000..3_414);
    }
}
