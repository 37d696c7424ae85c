//! A strategy over memory that it shares with the engine.

use super::records::Numbers;
use super::{Book, Desk, ExecType, Heard, Level, Player, Strategy, Tally, Trade, UnixNanos};
use core::fmt;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_model::event::EventKind;
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    Command, Event, EventRecord, Instrument, InstrumentId, PublicKind, PublicUpdate, Side, Symbol,
};
use tidegate_shm::book::{self, Books};
use tidegate_shm::{Attach, Ended, Next, SendError, Session, ShmError};

/// How long to wait at the end for our orders to be canceled.
const GOODBYE: Duration = Duration::from_secs(3);
/// How long a request may find the ring of orders full: the engine is held, or gone.
const FULL_MAX: Duration = Duration::from_secs(5);
/// Looks in vain before a thread that does not spin gives way to others, and before one that may sleep does.
const LOOKS_BEFORE_YIELD: u32 = 64;
const LOOKS_BEFORE_SLEEP: u32 = 256;
/// How long it sleeps then, at first and at most: each sleep in vain is twice as long as the one before.
const NAP: Duration = Duration::from_micros(50);
const NAP_MAX: Duration = Duration::from_micros(500);

/// What to do while there is nothing to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Look again at once: for a core of its own.
    Spin,
    /// Offer the core to others between looks.
    Yield,
    /// Sleep for some microseconds after some hundred looks.
    #[default]
    Park,
}

/// How a strategy trades over shared memory.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The server's door: `[edge] door` in its configuration.
    pub door: PathBuf,
    /// The token, as for gRPC.
    pub token: String,
    /// The account it trades for.
    pub account: u32,
    /// What it trades; without any, whatever is there or comes.
    pub symbols: Vec<Symbol>,
    /// What its orders are called, with a number behind: unique for the account's day, 1 to 15 printable ASCII characters.
    pub prefix: String,
    /// What to do while there is nothing to hear.
    pub wait: Wait,
    /// Hears remarks for people.
    pub note: fn(fmt::Arguments<'_>),
}

/// Why a strategy over shared memory ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// It did not come in.
    #[error(transparent)]
    Attach(#[from] ShmError),
    /// The server ended it.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Requests were not taken for seconds.
    #[error("the engine takes no requests: {0}")]
    Held(SendError),
}

/// Runs `strategy` on this thread until `stop` is set; then what is open is canceled. Nothing here asks the system for anything
/// while there is something to hear, but to tell the time.
///
/// # Errors
/// [`SharedError`]. The end of the session cancels our orders.
pub fn trade_over_shared_memory<S: Strategy>(
    shared: Shared,
    strategy: S,
    stop: &AtomicBool,
) -> Result<Tally, SharedError> {
    let attach =
        Attach { token: shared.token.clone(), account: Some(shared.account), ..Attach::default() };
    let session = Session::attach(&shared.door, &attach)?;
    let mut host = Host {
        player: Player { desk: Desk::new(shared.account, &shared.prefix), strategy },
        numbers: Numbers::default(),
        symbols: shared.symbols.iter().copied().collect(),
        books: Books::default(),
        tally: Tally::default(),
        clock: Clock::new(),
        note: shared.note,
        session,
    };
    host.hear(&Heard::Start);
    host.run(shared.wait, stop)?;
    host.close()
}

/// The system's time at the start, and from then on the monotonic clock's pace.
struct Clock {
    began: Instant,
    unix_ns: u64,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), unix_ns: since.as_nanos() as u64 }
    }

    fn now(&self) -> UnixNanos {
        UnixNanos(self.unix_ns + self.began.elapsed().as_nanos() as u64)
    }
}

struct Host<S> {
    session: Session,
    player: Player<S>,
    numbers: Numbers,
    symbols: BTreeSet<Symbol>,
    books: Books,
    tally: Tally,
    clock: Clock,
    note: fn(fmt::Arguments<'_>),
}

impl<S: Strategy> Host<S> {
    fn run(&mut self, wait: Wait, stop: &AtomicBool) -> Result<(), SharedError> {
        let mut looks = 0u32;
        while !stop.load(Ordering::Relaxed) {
            let mut is_idle = true;
            while let Some(record) = self.session.next_event()? {
                self.told(&record)?;
                is_idle = false;
            }
            match self.session.next_public()? {
                Next::Item(update) => {
                    self.market(&update)?;
                    is_idle = false;
                }
                Next::Empty => {}
                Next::Lapped { skipped } => self.resume(skipped)?,
            }
            let is_due = |at: UnixNanos| at <= self.clock.now();
            if self.player.desk.timer().is_some_and(is_due) {
                self.hear_and_send(&Heard::Timer)?;
                is_idle = false;
            }
            looks = if is_idle { looks.saturating_add(1) } else { 0 };
            match wait {
                _ if !is_idle => {}
                Wait::Park if looks > LOOKS_BEFORE_SLEEP => {
                    let doublings = (looks - LOOKS_BEFORE_SLEEP - 1).min(8);
                    std::thread::sleep((NAP * (1 << doublings)).min(NAP_MAX));
                }
                Wait::Park | Wait::Yield if looks > LOOKS_BEFORE_YIELD => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        Ok(())
    }

    /// An event: how things stood, or what happened.
    fn told(&mut self, record: &EventRecord) -> Result<(), SharedError> {
        self.count(record);
        if let Some(Event::Instrument(terms)) = record.event() {
            return self.list(record.instrument, terms);
        }
        match self.numbers.heard(record, &self.player.desk) {
            Some(heard) => self.hear_and_send(&heard),
            None => Ok(()),
        }
    }

    /// An instrument is there. What is held of it comes as a position.
    fn list(&mut self, id: InstrumentId, terms: Instrument) -> Result<(), SharedError> {
        let is_wanted = self.symbols.is_empty() || self.symbols.contains(&terms.symbol);
        if !is_wanted || !self.numbers.add(id) {
            return Ok(());
        }
        self.hear_and_send(&Heard::Instrument(terms, 0))?;
        self.picture(id)
    }

    /// Asks for how a book stands.
    fn picture(&mut self, id: InstrumentId) -> Result<(), SharedError> {
        let Self { session, .. } = self;
        patiently(|| session.ask_picture(id))
    }

    fn market(&mut self, update: &PublicUpdate) -> Result<(), SharedError> {
        let Some(id) = self.numbers.of_desk(update.instrument) else { return Ok(()) };
        let before = self.books.book(update.instrument).map(seen);
        let Some(book) = self.books.apply(update).filter(|book| book.is_shown()) else {
            return Ok(());
        };
        let now = seen(book);
        if update.kind == PublicKind::Trade.wire() {
            return self.hear_and_send(&Heard::Trade(Trade {
                instrument: id,
                price: update.price,
                qty: update.qty,
                aggressor: Side::from_wire(update.side),
                ts_event: update.ts_event,
            }));
        }
        let is_new = before != Some(now) || update.kind == PublicKind::PictureEnd.wire();
        if is_new { self.hear_and_send(&Heard::Book(id, now)) } else { Ok(()) }
    }

    /// We were overtaken: every book is asked for anew.
    fn resume(&mut self, skipped: u64) -> Result<(), SharedError> {
        (self.note)(format_args!(
            "{skipped} public updates were missed; the books are asked for anew"
        ));
        self.books.doubt();
        let ids: Vec<_> = self.numbers.all().collect();
        ids.into_iter().try_for_each(|id| self.picture(id))
    }

    fn hear(&mut self, heard: &Heard) {
        self.player.hear(self.clock.now(), heard);
    }

    fn hear_and_send(&mut self, heard: &Heard) -> Result<(), SharedError> {
        self.hear(heard);
        self.send()
    }

    /// Sends what lies at the desk.
    fn send(&mut self) -> Result<(), SharedError> {
        while let Some(request) = self.player.desk.take_request() {
            let command = self.numbers.command(&self.player.desk, request);
            let number = self.send_command(command)?;
            self.tally.sent(number, request);
        }
        Ok(())
    }

    fn send_command(&mut self, command: Command) -> Result<u64, SharedError> {
        let Self { session, .. } = self;
        patiently(|| session.send(command))
    }

    /// Counts what comes of our own requests: of the account, those of other sessions are heard as well.
    fn count(&mut self, record: &EventRecord) {
        if record.session != self.session.session() {
            return;
        }
        self.tally.heard(record.request_id);
        match record.event() {
            Some(Event::Execution(order)) => {
                self.tally.fills += u64::from(order.exec_type == ExecType::Trade.wire());
                self.tally.rejects += u64::from(order.exec_type == ExecType::Rejected.wire());
            }
            Some(Event::CancelReject(_)) => self.tally.rejects += 1,
            _ => {}
        }
    }

    /// Lets the strategy say its last word, cancels what is open, and waits for the answer.
    fn close(mut self) -> Result<Tally, SharedError> {
        self.hear_and_send(&Heard::End)?;
        let everything = self.numbers.command(&self.player.desk, super::Request::CancelAll);
        let last = self.send_command(everything)?;
        let until = Instant::now() + GOODBYE;
        while Instant::now() < until {
            let Some(record) = self.session.next_event()? else {
                std::thread::yield_now();
                continue;
            };
            self.count(&record);
            let is_ours = record.session == self.session.session();
            if is_ours && record.kind == EventKind::Ack.wire() && record.request_id == last {
                return Ok(self.tally);
            }
        }
        (self.note)(format_args!(
            "no answer to the mass cancel; the end of the session cancels our orders"
        ));
        Ok(self.tally)
    }
}

/// Tries again while the ring of orders is full.
fn patiently<T>(mut send: impl FnMut() -> Result<T, SendError>) -> Result<T, SharedError> {
    let mut until = None;
    loop {
        match send() {
            Ok(sent) => return Ok(sent),
            Err(full) => {
                let now = Instant::now();
                if now >= *until.get_or_insert(now + FULL_MAX) {
                    return Err(SharedError::Held(full));
                }
                std::thread::yield_now();
            }
        }
    }
}

/// What a strategy sees of a book.
fn seen(book: &book::Book) -> Book {
    let level = |side| book.best(side).map(|book::Level { price, qty, .. }| Level { price, qty });
    Book {
        bid: level(Side::Buy),
        ask: level(Side::Sell),
        // Where the feed has not said, orders are taken.
        is_trading: book.status.is_none_or(|status| status == TradingStatus::Trading),
        last: book.last,
    }
}
