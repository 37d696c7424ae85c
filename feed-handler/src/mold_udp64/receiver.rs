//! The receiving side: messages in order, each once, from lines that lose, repeat and reorder.

use super::packet::{Packet, PacketError, PacketKind, Request, SessionName};

/// Messages that are held while an earlier one is missing; a power of two. At full opening rates of all of
/// Nasdaq (about a million a second) this is more than a round trip to a request server in another state.
pub const WINDOW: usize = 1 << 16;
/// Bytes of the longest message that is held; a longer one that arrives early is asked for again later.
pub const MESSAGE_LEN_MAX: usize = 62;
/// Messages asked for at once: answers of about 16 KiB fit the smallest socket buffer.
pub const REQUEST_COUNT_MAX: u16 = 512;
/// A sequence number farther ahead than this is damage, not loss: a day of all of Nasdaq has 2^29 messages.
const JUMP_MAX: u64 = 1 << 32;

/// Where a receiver begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstMessage {
    /// With this message, which is asked for if it has gone by.
    Number(u64),
    /// With the first that is seen.
    Seen,
}

/// How a receiver deals with loss. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// The one session to listen to, or `None` for the first seen.
    pub session: Option<SessionName>,
    /// Where to begin.
    pub first: FirstMessage,
    /// There is somebody to ask for lost messages.
    pub can_request: bool,
    /// Time that the other line is given to fill a gap before anything is done about it.
    pub patience_ns: u64,
    /// Time that an answer may take.
    pub request_timeout_ns: u64,
    /// Requests without an answer after which the messages are given up.
    pub request_attempts_max: u32,
    /// Another session may take over when the current one was silent for so long without having ended.
    pub session_silence_ns: u64,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            session: None,
            first: FirstMessage::Number(1),
            can_request: true,
            patience_ns: 500_000,
            request_timeout_ns: 20_000_000,
            request_attempts_max: 10,
            session_silence_ns: 5_000_000_000,
        }
    }
}

/// What a receiver gives out, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// A session begins; numbers begin again.
    Session(SessionName),
    /// A message.
    Message {
        /// Its number.
        sequence: u64,
        /// Its bytes.
        message: &'a [u8],
    },
    /// Messages that could not be had.
    Gap {
        /// The first that is lost.
        sequence: u64,
        /// How many are.
        count: u64,
    },
    /// The session is over, and everything that could be had was delivered.
    EndOfSession {
        /// Number of its last message.
        messages: u64,
    },
}

/// What a receiver has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounts {
    /// Packets taken.
    pub packets: u64,
    /// Packets refused as damaged.
    pub damaged: u64,
    /// Packets of other sessions.
    pub foreign: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Messages that had come before.
    pub duplicates: u64,
    /// Times that a message was missing.
    pub gaps: u64,
    /// Requests made.
    pub requests: u64,
    /// Messages asked for, repetitions included.
    pub requested: u64,
    /// Messages that came after they had been asked for.
    pub recovered: u64,
    /// Messages given up.
    pub lost: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    /// 0: empty; otherwise one more than the message's length.
    len_plus_one: u8,
    bytes: [u8; MESSAGE_LEN_MAX],
}

const EMPTY: Slot = Slot { len_plus_one: 0, bytes: [0; MESSAGE_LEN_MAX] };

/// A gap that is being dealt with.
#[derive(Clone, Copy, Debug)]
struct Stall {
    /// The missing message.
    sequence: u64,
    /// When something must be done.
    deadline_ns: u64,
    attempts: u32,
}

/// The state machine.
pub struct Receiver {
    config: ReceiverConfig,
    session: Option<SessionName>,
    /// The session before, if it has ended, and when it was last heard.
    over: Option<(SessionName, u64)>,
    /// The message that is delivered next.
    next: u64,
    /// One more than the last message known to exist.
    head: u64,
    end: Option<u64>,
    ended: bool,
    /// Early messages, at their number modulo [`WINDOW`].
    held: Box<[Slot]>,
    stall: Option<Stall>,
    /// One more than the last message asked for.
    requested_to: u64,
    last_packet_ns: u64,
    counts: ReceiverCounts,
}

impl Receiver {
    /// A receiver that has seen nothing.
    pub fn new(config: ReceiverConfig) -> Self {
        let next = match config.first {
            FirstMessage::Number(number) => number.max(1),
            FirstMessage::Seen => 1,
        };
        Self {
            config,
            session: None,
            over: None,
            next,
            head: next,
            end: None,
            ended: false,
            held: vec![EMPTY; WINDOW].into_boxed_slice(),
            stall: None,
            requested_to: 0,
            last_packet_ns: 0,
            counts: ReceiverCounts::default(),
        }
    }

    /// What has been seen.
    pub fn counts(&self) -> ReceiverCounts {
        self.counts
    }

    /// True while a message is missing that is known to exist.
    pub fn is_stalled(&self) -> bool {
        self.stall.is_some()
    }

    /// Takes a packet from any line, or the answer to a request, and delivers what can be.
    ///
    /// # Errors
    /// [`PacketError`]: the packet is damaged and was ignored as a whole.
    pub fn on_packet(
        &mut self,
        now_ns: u64,
        bytes: &[u8],
        deliver: &mut impl FnMut(Delivery<'_>),
    ) -> Result<(), PacketError> {
        let packet = Packet::parse(bytes).inspect_err(|_| self.counts.damaged += 1)?;
        if !self.accepts_session(now_ns, &packet, deliver) {
            self.counts.foreign += 1;
            return Ok(());
        }
        if packet.sequence > self.next.saturating_add(JUMP_MAX) {
            self.counts.damaged += 1;
            let (sequence, expected) = (packet.sequence, self.next);
            return Err(PacketError::Sequence { sequence, expected });
        }
        self.counts.packets += 1;
        self.last_packet_ns = now_ns;
        for (sequence, message) in (packet.sequence..).zip(packet.messages()) {
            self.on_message(sequence, message, deliver);
        }
        let after = packet.sequence + u64::from(packet.count);
        // Nothing comes after the end.
        self.head = self.head.max(self.end.map_or(after, |end| after.min(end)));
        if packet.kind == PacketKind::EndOfSession && self.end.is_none() {
            self.end = Some(packet.sequence.max(self.next));
        }
        self.settle(now_ns, deliver);
        Ok(())
    }

    /// Deals with time that has passed: gives up what never came, and says what to ask for. To be called after
    /// packets, and at least every few milliseconds while [`Self::is_stalled`].
    pub fn on_time(
        &mut self,
        now_ns: u64,
        deliver: &mut impl FnMut(Delivery<'_>),
    ) -> Option<Request> {
        let stall = self.stall?;
        if now_ns < stall.deadline_ns {
            return None;
        }
        let session = self.session?;
        if self.config.can_request && stall.attempts < self.config.request_attempts_max {
            let portion = self.next + u64::from(REQUEST_COUNT_MAX);
            let count = self.first_held(portion).unwrap_or(portion).min(self.head) - self.next;
            let deadline_ns = now_ns.saturating_add(self.config.request_timeout_ns);
            self.stall = Some(Stall { deadline_ns, attempts: stall.attempts + 1, ..stall });
            self.requested_to = self.requested_to.max(self.next + count);
            self.counts.requests += 1;
            self.counts.requested += count;
            let count = u16::try_from(count).expect("at most REQUEST_COUNT_MAX");
            return Some(Request { session, sequence: self.next, count });
        }
        let held = self.first_held(self.next + WINDOW as u64);
        let (sequence, count) = (self.next, held.unwrap_or(self.head) - self.next);
        self.give_up(sequence, count, deliver);
        self.deliver_held(deliver);
        self.settle(now_ns, deliver);
        None
    }

    fn give_up(&mut self, sequence: u64, count: u64, deliver: &mut impl FnMut(Delivery<'_>)) {
        self.counts.lost += count;
        self.next = sequence + count;
        deliver(Delivery::Gap { sequence, count });
    }

    /// The first message from `next` to below `reach` (at most [`WINDOW`] away) that is held.
    fn first_held(&self, reach: u64) -> Option<u64> {
        (self.next..reach.min(self.head)).find(|&n| self.held[slot_of(n)].len_plus_one > 0)
    }

    #[inline]
    fn on_message(
        &mut self,
        sequence: u64,
        message: &[u8],
        deliver: &mut impl FnMut(Delivery<'_>),
    ) {
        if sequence == self.next && !self.ended {
            self.counts.messages += 1;
            self.counts.recovered += u64::from(sequence < self.requested_to);
            self.next += 1;
            deliver(Delivery::Message { sequence, message });
            if self.next < self.head {
                self.deliver_held(deliver);
            }
        } else if sequence < self.next || self.ended {
            self.counts.duplicates += 1;
        } else if sequence - self.next < WINDOW as u64 && message.len() <= MESSAGE_LEN_MAX {
            let slot = &mut self.held[slot_of(sequence)];
            if slot.len_plus_one > 0 {
                self.counts.duplicates += 1;
            } else {
                slot.len_plus_one = message.len() as u8 + 1;
                slot.bytes[..message.len()].copy_from_slice(message);
                self.head = self.head.max(sequence + 1);
            }
        }
        // Otherwise it is too far ahead or too long to hold: known to exist, asked for when its turn comes.
    }

    /// Delivers held messages from `next` on, up to the first that is missing.
    fn deliver_held(&mut self, deliver: &mut impl FnMut(Delivery<'_>)) {
        loop {
            let slot = &mut self.held[slot_of(self.next)];
            if slot.len_plus_one == 0 {
                return;
            }
            let len = usize::from(slot.len_plus_one - 1);
            slot.len_plus_one = 0;
            let (sequence, message) = (self.next, &slot.bytes[..len]);
            self.counts.messages += 1;
            self.counts.recovered += u64::from(sequence < self.requested_to);
            self.next += 1;
            deliver(Delivery::Message { sequence, message });
        }
    }

    /// After anything has changed: is a message missing, is the session over?
    fn settle(&mut self, now_ns: u64, deliver: &mut impl FnMut(Delivery<'_>)) {
        if self.next >= self.head {
            self.stall = None;
            if self.end.is_some_and(|end| self.next >= end) && !self.ended {
                self.ended = true;
                deliver(Delivery::EndOfSession { messages: self.next - 1 });
            }
            return;
        }
        match self.stall {
            Some(stall) if stall.sequence == self.next => {}
            Some(_) => {
                // Something came. When it was all that had been asked for, the rest is asked for at once.
                let wait =
                    if self.next >= self.requested_to { 0 } else { self.config.request_timeout_ns };
                self.begin_stall(now_ns, wait);
            }
            None => {
                self.counts.gaps += 1;
                let wait = if self.config.can_request {
                    self.config.patience_ns
                } else {
                    // Without a request server the other line is all there is to hope for.
                    self.config.patience_ns.max(self.config.request_timeout_ns)
                };
                self.begin_stall(now_ns, wait);
            }
        }
    }

    fn begin_stall(&mut self, now_ns: u64, wait_ns: u64) {
        let deadline_ns = now_ns.saturating_add(wait_ns);
        self.stall = Some(Stall { sequence: self.next, deadline_ns, attempts: 0 });
    }

    /// Is the packet of our session? The first packet decides, or the configuration; another session takes
    /// over only when the current one has ended or fallen silent, so that a stray packet cannot.
    fn accepts_session(
        &mut self,
        now_ns: u64,
        packet: &Packet<'_>,
        deliver: &mut impl FnMut(Delivery<'_>),
    ) -> bool {
        if self.session == Some(packet.session) {
            return true;
        }
        if self.config.session.is_some_and(|wanted| wanted != packet.session) {
            return false;
        }
        let is_silent = |since_ns| now_ns.saturating_sub(since_ns) > self.config.session_silence_ns;
        if let Some((over, heard_ns)) = &mut self.over
            && *over == packet.session
            && !is_silent(std::mem::replace(heard_ns, now_ns))
        {
            return false;
        }
        if self.session.is_none() {
            if self.config.first == FirstMessage::Seen {
                self.next = packet.sequence;
                self.head = packet.sequence;
            }
        } else {
            if !self.ended && !is_silent(self.last_packet_ns) {
                return false;
            }
            let before = self.session.filter(|_| self.ended);
            self.over = before.map(|session| (session, self.last_packet_ns));
            if self.next < self.head {
                let (sequence, count) = (self.next, self.head - self.next);
                self.give_up(sequence, count, deliver);
            }
            self.held.fill(EMPTY);
            self.next = 1;
            self.head = 1;
            self.end = None;
            self.ended = false;
            self.stall = None;
            self.requested_to = 0;
        }
        self.session = Some(packet.session);
        deliver(Delivery::Session(packet.session));
        true
    }
}

#[inline]
fn slot_of(sequence: u64) -> usize {
    sequence as usize % WINDOW
}
