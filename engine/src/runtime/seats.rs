//! Sessions in other processes that share memory with the engine: each has a seat, with a ring of orders that the engine polls as
//! it polls a lane, and a ring of events that it writes to.
//!
//! Nothing that such a process does or leaves undone holds the engine: what it wrote is copied once and checked, and a session whose
//! events find no room is over. Seats are taken and given up by whoever lets sessions in ([`Usher`]), which also makes and
//! frees their memory; the engine never asks the system for anything.

use crate::event_log::EventPosition;
use rtrb::{Consumer, Producer, PushError, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use tidegate_model::command::{CommandKind, PICTURE_WANTED};
use tidegate_model::{
    AccountId, CommandRecord, EventRecord, InstrumentId, PrincipalId, SeqNo, SessionId, UnixNanos,
};
use tidegate_ring::queue::{Full, Receiver, Sender};

/// Sessions that may share memory at one time. The engine looks at each in every turn.
pub const SEATS_MAX: usize = 16;
/// Requests that a session's ring holds: as many as a lane's.
pub const ORDERS_CAPACITY: usize = 1_024;
/// Events that a session's ring holds: 1 MiB, some thousand orders that nobody looked after.
pub const EVENTS_CAPACITY: usize = 4_096;

/// Whether a session may send this kind of command: orders, and nothing that administers.
const fn is_for_sessions(kind: u8) -> bool {
    use CommandKind as K;
    matches!(
        K::from_wire(kind),
        Some(
            K::NewOrder
                | K::CancelOrder
                | K::ReplaceOrder
                | K::MassCancel
                | K::NewList
                | K::NewAlgorithm
                | K::CheckOrder
        )
    )
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatEnd {
    /// Its ring of events was full.
    Behind,
    /// It sent what no session may.
    Garbage {
        /// The kind that was in its place.
        kind: u8,
    },
}

/// What the engine tells of a seat.
#[derive(Debug, Default)]
pub struct SeatStatus {
    /// The last event that did not go into the ring.
    before_seq: AtomicU64,
    before_ordinal: AtomicU32,
    /// Those are valid.
    has_begun: AtomicBool,
    has_left: AtomicBool,
    /// 0, 1 behind, 2 garbage.
    end: AtomicU8,
    kind: AtomicU8,
}

impl SeatStatus {
    /// The last event that did not go into the ring; `None` before the engine has seen the seat.
    pub fn began(&self) -> Option<EventPosition> {
        self.has_begun.load(Ordering::Acquire).then(|| EventPosition {
            seq: SeqNo(self.before_seq.load(Ordering::Relaxed)),
            ordinal: self.before_ordinal.load(Ordering::Relaxed),
        })
    }

    /// True once the engine has given the seat up: [`Usher::take_gone`] has it.
    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }

    fn begin(&self, before: EventPosition) {
        self.before_seq.store(before.seq.0, Ordering::Relaxed);
        self.before_ordinal.store(before.ordinal, Ordering::Relaxed);
        self.has_begun.store(true, Ordering::Release);
    }

    /// Why the session is over, if it is.
    pub fn end(&self) -> Option<SeatEnd> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            1 => Some(SeatEnd::Behind),
            _ => Some(SeatEnd::Garbage { kind: self.kind.load(Ordering::Relaxed) }),
        }
    }

    fn set_end(&self, end: SeatEnd) {
        let code = match end {
            SeatEnd::Behind => 1,
            SeatEnd::Garbage { kind } => {
                self.kind.store(kind, Ordering::Relaxed);
                2
            }
        };
        self.end.store(code, Ordering::Release);
    }
}

/// A session's rings and whose they are.
#[derive(Debug)]
pub struct Seat {
    /// Its number.
    pub session: SessionId,
    /// Whom the engine takes its requests for.
    pub principal: PrincipalId,
    /// The account whose events it hears, beside those of its own requests.
    pub account: Option<AccountId>,
    /// What it asks for.
    pub orders: Receiver<CommandRecord>,
    /// What it hears.
    pub events: Sender<EventRecord>,
    /// What the engine tells of it.
    pub status: Arc<SeatStatus>,
}

/// What the usher asks the engine for.
#[derive(Debug)]
enum Ask {
    Open(Seat),
    Close(SessionId),
}

/// The end of whoever lets sessions in.
#[derive(Debug)]
pub struct Usher {
    asks: Producer<Ask>,
    gone: Consumer<Seat>,
}

/// The engine's end.
#[derive(Debug)]
pub struct Seats {
    asks: Consumer<Ask>,
    gone: Producer<Seat>,
    open: Vec<Seat>,
}

/// Both ends.
pub fn seats() -> (Usher, Seats) {
    // Each seat is asked for and given up once before its place is free again.
    let (asks, asks_in) = RingBuffer::new(2 * SEATS_MAX);
    let (gone_out, gone) = RingBuffer::new(SEATS_MAX);
    (
        Usher { asks, gone },
        Seats { asks: asks_in, gone: gone_out, open: Vec::with_capacity(SEATS_MAX) },
    )
}

impl Usher {
    /// Gives `seat` to the engine, which says in its status when it has it. Not more than [`SEATS_MAX`] may be open.
    ///
    /// # Errors
    /// Gives it back if the engine takes none now.
    pub fn open(&mut self, seat: Seat) -> Result<(), Seat> {
        self.asks.push(Ask::Open(seat)).map_err(|error| match error {
            PushError::Full(Ask::Open(seat)) => seat,
            PushError::Full(Ask::Close(_)) => unreachable!("a seat was to be opened"),
        })
    }

    /// Ends a session: what it sent is still taken, and its orders are canceled that asked for it. False if the engine takes
    /// nothing now; then it is to be asked again.
    pub fn close(&mut self, session: SessionId) -> bool {
        self.asks.push(Ask::Close(session)).is_ok()
    }

    /// A seat that the engine has given up; dropping it frees its memory.
    pub fn take_gone(&mut self) -> Option<Seat> {
        self.gone.pop().ok()
    }

    /// True once the engine's end is gone.
    pub fn is_closed(&self) -> bool {
        self.asks.is_abandoned()
    }
}

/// Nobody ever comes in.
impl Default for Seats {
    fn default() -> Self {
        seats().1
    }
}

/// What the engine finds to do for its seats.
pub(super) enum SeatWork {
    /// A command.
    Command(CommandRecord),
    /// A picture of a book is wanted.
    Picture(InstrumentId),
}

impl Seats {
    /// Takes what the usher asks, `told` being the last event; the session that is to be closed, if one is. Its seat is still there until [`Self::leave`].
    #[inline]
    pub(super) fn hear_usher(&mut self, told: EventPosition) -> Option<(SessionId, PrincipalId)> {
        while let Ok(ask) = self.asks.pop() {
            match ask {
                Ask::Open(seat) => {
                    debug_assert!(self.open.len() < SEATS_MAX, "the usher counts its sessions");
                    seat.status.begin(told);
                    self.open.push(seat);
                }
                Ask::Close(session) => {
                    let found = self.open.iter().find(|seat| seat.session == session);
                    if let Some(seat) = found {
                        return Some((session, seat.principal));
                    }
                }
            }
        }
        None
    }

    /// Seats that are taken.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The place of a session's seat.
    pub(super) fn place_of(&self, session: SessionId) -> Option<usize> {
        self.open.iter().position(|seat| seat.session == session)
    }

    /// The next thing that the session at `place` asks for.
    #[inline]
    pub(super) fn take(
        &mut self,
        place: usize,
        now: impl FnOnce() -> UnixNanos,
    ) -> Option<SeatWork> {
        let seat = &mut self.open[place];
        let sent = seat.orders.pop()?;
        if is_for_sessions(sent.kind) {
            return Some(SeatWork::Command(CommandRecord {
                reserved: [0; 7],
                ts_recv: now(),
                principal: seat.principal,
                session: seat.session,
                ..sent
            }));
        }
        if sent.kind == PICTURE_WANTED {
            let [a, b, c, d, ..] = sent.body;
            return Some(SeatWork::Picture(InstrumentId(u32::from_le_bytes([a, b, c, d]))));
        }
        // Nothing after it is taken for an order: the session is over.
        seat.status.set_end(SeatEnd::Garbage { kind: sent.kind });
        None
    }

    /// True if the session at `place` may still ask.
    #[inline]
    pub(super) fn is_heard(&self, place: usize) -> bool {
        self.open[place].status.end.load(Ordering::Relaxed) != 2
    }

    /// Tells those whom `event` concerns.
    #[inline]
    pub(super) fn tell(&mut self, event: &EventRecord) {
        for seat in &mut self.open {
            let is_concerned = event.session == seat.session || seat.account == Some(event.account);
            if is_concerned
                && seat.status.end.load(Ordering::Relaxed) == 0
                && let Err(Full) = seat.events.push(event)
            {
                seat.status.set_end(SeatEnd::Behind);
            }
        }
    }

    /// Gives up a session's seat.
    pub(super) fn leave(&mut self, session: SessionId) {
        if let Some(place) = self.place_of(session) {
            let seat = self.open.remove(place);
            let status = Arc::clone(&seat.status);
            // It has room for as many seats as can be open; the usher takes them out.
            let _ = self.gone.push(seat);
            status.has_left.store(true, Ordering::Release);
        }
    }
}
