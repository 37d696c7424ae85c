//! Sessions made up from a seed: valid ITCH 5.0 that behaves like a market, the same bytes on every machine.
//!
//! Arrivals are clustered: an event calls forth another of the same symbol within microseconds more often than
//! not. Depth falls off with a power law, most orders are canceled, executions hit the front of the best
//! queue. The session opens with a burst, halts one symbol for a while, and has a volatile spell; in between
//! prices rise, fall and rest for seconds at a time. Books never cross and every reference is known.
//!
//! Everything is integer arithmetic on a seeded counter, so no machine's floating point can tell.

mod book;
mod flow;
mod random;
mod stream;

use crate::binary_file;
use crate::itch::{
    CrossTrade, Header, Message, NANOS_PER_DAY, RegShoRestriction, Stock, StockDirectory,
    SystemEvent, TradingAction,
};
use flow::{Flow, Numbering, Step};
pub use random::Random;
use std::collections::VecDeque;
use std::io::{self, Write};
pub use stream::Stream;
use tidegate_model::Symbol;

/// Symbols a session can have; about what Nasdaq lists.
pub const SYMBOLS_MAX: u16 = 10_000;
/// When market hours begin unless said: 09:30.
pub const START_TIME_NS: u64 = 34_200 * NANOS_PER_SEC;
/// Messages a second of session time, unless said.
pub const MESSAGES_PER_SEC: u32 = 20_000;
/// The fastest session that one may ask for.
pub const MESSAGES_PER_SEC_MAX: u32 = 5_000_000;
const NANOS_PER_SEC: u64 = 1_000_000_000;
/// Messages after the last order: end of market hours, system hours, messages.
const EPILOGUE: u64 = 3;
/// Time between two messages before the open.
const PROLOGUE_GAP_NS: u64 = 500;
/// Orders on each side of a book before the open.
const SEED_ORDERS: u64 = 40;
/// Messages before the open, by symbol: directory, restriction, status, orders, opening cross.
const PROLOGUE_PER_SYMBOL: u64 = 4 + 2 * SEED_ORDERS;
/// Messages before the open that belong to no symbol: start of messages, system hours, market hours.
const PROLOGUE_SYSTEM: u64 = 3;
/// How often, in a thousand, an event calls forth another.
const BRANCHING_PER_MILLE: u64 = 600;
/// How often, in a thousand, that other one is of the same symbol.
const SAME_SYMBOL_PER_MILLE: u64 = 850;
/// Mean time to an event that another called forth.
const CHILD_GAP_NS: u64 = 15_000;

/// Progress through the session counts 1/1000.
const OPENING_UNTIL: u64 = 30;
const HALT: core::ops::Range<u64> = 400..430;
/// A session cut at a number of messages has a halt only if it is so many times longer than its prologue: the cut
/// must not fall into the halt.
const HALT_ROOM: u64 = 10;
/// Quoting resumes here, before trading does.
const QUOTATION_FROM: u64 = 420;
const VOLATILE: core::ops::Range<u64> = 560..630;

/// How long a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many messages, all counted.
    Messages(u64),
    /// So many nanoseconds of market hours.
    DurationNs(u64),
}

/// What a session is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Equal parameters give equal bytes.
    pub seed: u64,
    /// Number of symbols, 1 to [`SYMBOLS_MAX`].
    pub symbols: u16,
    /// Where it ends.
    pub length: Length,
    /// Messages a second of session time in quiet times, all symbols together; the opening has four times as
    /// many, the volatile spell three times.
    pub messages_per_sec: u32,
    /// When market hours begin, in nanoseconds after midnight.
    pub start_time_ns: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            seed: 1,
            symbols: 8,
            length: Length::Messages(1_000_000),
            messages_per_sec: MESSAGES_PER_SEC,
            start_time_ns: START_TIME_NS,
        }
    }
}

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// No symbols, or too many.
    #[error("{0} symbols are out of range: 1 to {SYMBOLS_MAX} are possible")]
    Symbols(u16),
    /// A rate that is zero or too high.
    #[error("{0} messages a second are out of range: 1 to {MESSAGES_PER_SEC_MAX} are possible")]
    Rate(u32),
    /// Too few messages to open the session.
    #[error("{messages} messages are too few: {minimum} are needed to open and close the session")]
    TooShort {
        /// Asked for.
        messages: u64,
        /// Needed.
        minimum: u64,
    },
    /// The session does not fit into a day.
    #[error(
        "the session would not end within its day: it starts at {start_secs} s and lasts about {length_secs} s; raise the rate or make it shorter"
    )]
    TooLong {
        /// Start, in seconds after midnight.
        start_secs: u64,
        /// Length in seconds, about.
        length_secs: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    StartOfMessages,
    Directory(usize),
    SystemHours,
    Seed(usize),
    MarketHours,
    Cross(usize),
    Continuous,
    Epilogue(usize),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HaltState {
    Before,
    Halted,
    Quoting,
    Over,
}

/// A session, one message after the other.
#[derive(Clone, Debug)]
pub struct Session {
    parameters: Parameters,
    random: Random,
    numbering: Numbering,
    flows: Vec<Flow>,
    stage: Stage,
    halt: HaltState,
    has_room_for_halt: bool,
    now_ns: u64,
    /// The symbol of the last event.
    current: usize,
    pending: VecDeque<Message>,
    messages: u64,
    bytes: Vec<u8>,
}

impl Session {
    /// A session at its start.
    ///
    /// # Errors
    /// [`ParameterError`] names what is out of range and the range.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        let Parameters { seed, symbols, length, messages_per_sec, start_time_ns } = parameters;
        if symbols == 0 || symbols > SYMBOLS_MAX {
            return Err(ParameterError::Symbols(symbols));
        }
        if messages_per_sec == 0 || messages_per_sec > MESSAGES_PER_SEC_MAX {
            return Err(ParameterError::Rate(messages_per_sec));
        }
        let prologue = PROLOGUE_SYSTEM + PROLOGUE_PER_SYMBOL * u64::from(symbols);
        let minimum = prologue + EPILOGUE;
        let prologue_ns = prologue * PROLOGUE_GAP_NS;
        let length_secs = match length {
            Length::Messages(messages) if messages < minimum => {
                return Err(ParameterError::TooShort { messages, minimum });
            }
            // Twice the mean leaves room for chance.
            Length::Messages(messages) => messages / u64::from(messages_per_sec) * 2,
            Length::DurationNs(ns) => ns.div_ceil(NANOS_PER_SEC),
        };
        let start_secs = start_time_ns / NANOS_PER_SEC;
        let fits = start_secs
            .checked_add(length_secs)
            .is_some_and(|end| end < NANOS_PER_DAY / NANOS_PER_SEC - 1);
        if !fits || start_time_ns < prologue_ns {
            return Err(ParameterError::TooLong { start_secs, length_secs });
        }
        let mut random = Random::new(seed);
        let now_ns = start_time_ns - prologue_ns;
        let flows = (0..symbols)
            .map(|n| {
                // Five doublings from 20 dollars, cut at 500.
                let doubling = 2_000 << random.below(5);
                let cents = doubling + random.below(doubling);
                let cents = u32::try_from(cents.min(50_000)).expect("at most 50,000");
                Flow::new(symbol_name(n), n + 1, cents, now_ns)
            })
            .collect();
        Ok(Self {
            parameters,
            random,
            numbering: Numbering { next_order_ref: 1, next_match: 1 },
            flows,
            stage: Stage::StartOfMessages,
            halt: HaltState::Before,
            has_room_for_halt: match length {
                Length::Messages(messages) => messages >= HALT_ROOM * minimum,
                Length::DurationNs(_) => true,
            },
            now_ns,
            current: 0,
            pending: VecDeque::new(),
            messages: 0,
            bytes: Vec::with_capacity(crate::itch::MESSAGE_LEN_MAX),
        })
    }

    /// The symbols that it has.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        let name = |stock: &Stock| Symbol::new(core::str::from_utf8(stock).ok()?.trim_end()).ok();
        self.flows.iter().filter_map(move |flow| name(&flow.stock))
    }

    /// Where the price of each of its symbols stands, in the order of [`symbols`](Self::symbols): at its start, where it begins. In
    /// 1/100 cent.
    pub fn prices(&self) -> impl Iterator<Item = u32> + '_ {
        self.flows.iter().map(Flow::fair_ticks)
    }

    /// Messages given so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How far the session is, in 1/1000.
    pub fn progress_per_mille(&self) -> u64 {
        let (done, all) = match self.parameters.length {
            Length::Messages(all) => (self.messages, all),
            Length::DurationNs(all) => {
                (self.now_ns.saturating_sub(self.parameters.start_time_ns), all)
            }
        };
        (u128::from(done) * 1_000 / u128::from(all.max(1))).min(1_000) as u64
    }

    /// The next message's bytes, or `None` after the last.
    pub fn next_message(&mut self) -> Option<&[u8]> {
        let message = self.next()?;
        self.bytes.clear();
        message.write_to(&mut self.bytes);
        Some(&self.bytes)
    }

    fn is_over(&self) -> bool {
        match self.parameters.length {
            Length::Messages(all) => self.messages + EPILOGUE >= all,
            Length::DurationNs(ns) => self.now_ns >= self.parameters.start_time_ns + ns,
        }
    }

    /// Puts at least one message into `pending`, unless the session is done.
    fn advance(&mut self) {
        let next_symbol = |at: usize, this: fn(usize) -> Stage, then: Stage| {
            if at + 1 < self.flows.len() { this(at + 1) } else { then }
        };
        match self.stage {
            Stage::StartOfMessages => {
                self.system(b'O');
                self.stage = Stage::Directory(0);
            }
            Stage::Directory(at) => {
                self.stage = next_symbol(at, Stage::Directory, Stage::SystemHours);
                self.directory(at);
            }
            Stage::SystemHours => {
                self.system(b'S');
                self.stage = Stage::Seed(0);
            }
            Stage::Seed(at) => {
                self.stage = next_symbol(at, Stage::Seed, Stage::MarketHours);
                self.with_flow(at, 1, |flow, step| flow.seed(SEED_ORDERS, step));
            }
            Stage::MarketHours => {
                self.system(b'Q');
                self.stage = Stage::Cross(0);
            }
            Stage::Cross(at) => {
                self.stage = next_symbol(at, Stage::Cross, Stage::Continuous);
                self.opening_cross(at);
            }
            Stage::Continuous => self.continuous(),
            Stage::Epilogue(at) => {
                self.system(b"MEC"[at]);
                self.stage = if at < 2 { Stage::Epilogue(at + 1) } else { Stage::Done };
            }
            Stage::Done => {}
        }
    }

    fn system(&mut self, event_code: u8) {
        let header = Header { timestamp: self.now_ns, ..Header::default() };
        self.pending.push_back(SystemEvent { header, event_code }.into());
    }

    fn directory(&mut self, at: usize) {
        let flow = &self.flows[at];
        let (header, stock) = (flow.header(self.now_ns), flow.stock);
        let directory = StockDirectory::share(header, stock);
        self.pending.push_back(directory.into());
        self.pending.push_back(RegShoRestriction { header, stock, action: b'0' }.into());
        self.trading_action(at, b'T', *b"    ");
    }

    fn trading_action(&mut self, at: usize, trading_state: u8, reason: [u8; 4]) {
        let flow = &self.flows[at];
        let (header, stock) = (flow.header(self.now_ns), flow.stock);
        let message = TradingAction { header, stock, trading_state, reserved: b' ', reason };
        self.pending.push_back(message.into());
    }

    fn opening_cross(&mut self, at: usize) {
        let shares = 100 * self.random.between(20, 2_000);
        let match_number = self.numbering.next_match;
        self.numbering.next_match += 1;
        let flow = &self.flows[at];
        let cross = CrossTrade {
            header: flow.header(self.now_ns),
            shares,
            stock: flow.stock,
            price: flow.fair_ticks(),
            match_number,
            cross_type: b'O',
        };
        self.pending.push_back(cross.into());
    }

    fn with_flow(
        &mut self,
        at: usize,
        volatility: i64,
        act: impl FnOnce(&mut Flow, &mut Step<'_>),
    ) {
        let mut step = Step {
            now_ns: self.now_ns,
            volatility,
            random: &mut self.random,
            numbering: &mut self.numbering,
            out: &mut self.pending,
        };
        act(&mut self.flows[at], &mut step);
    }

    fn continuous(&mut self) {
        let progress = self.progress_per_mille();
        self.pass_time(progress);
        if self.is_over() {
            self.stage = Stage::Epilogue(0);
            return self.close();
        }
        self.step_halt(progress);
        let volatility = if VOLATILE.contains(&progress) { 4 } else { 1 };
        self.with_flow(self.current, volatility, Flow::step);
    }

    /// Goes over to the epilogue; a halt that a short session has not ended ends here.
    fn close(&mut self) {
        if matches!(self.halt, HaltState::Halted | HaltState::Quoting) {
            self.halt = HaltState::Over;
            self.trading_action(self.flows.len() / 2, b'T', *b"T3  ");
        }
        self.advance();
    }

    /// Draws when the next event is and whose.
    fn pass_time(&mut self, progress: u64) {
        let mean_ns = NANOS_PER_SEC / u64::from(self.parameters.messages_per_sec);
        let mean_ns = match progress {
            0..OPENING_UNTIL => mean_ns / 4,
            _ if VOLATILE.contains(&progress) => mean_ns / 3,
            _ => mean_ns,
        };
        let child_ns = CHILD_GAP_NS.min(mean_ns / 4);
        let gap_ns = if self.random.chance(BRANCHING_PER_MILLE) {
            if !self.random.chance(SAME_SYMBOL_PER_MILLE) {
                self.current = self.draw_symbol();
            }
            self.random.exponential(child_ns)
        } else {
            self.current = self.draw_symbol();
            let called_ns = child_ns * BRANCHING_PER_MILLE / 1_000;
            let parent_ns = (mean_ns - called_ns) * 1_000 / (1_000 - BRANCHING_PER_MILLE);
            self.random.exponential(parent_ns)
        };
        self.now_ns = (self.now_ns + gap_ns).min(NANOS_PER_DAY - 1);
        if let Length::DurationNs(ns) = self.parameters.length {
            self.now_ns = self.now_ns.min(self.parameters.start_time_ns + ns);
        }
    }

    /// The first symbols are busier than the last: of two draws the lower one counts.
    fn draw_symbol(&mut self) -> usize {
        let symbols = self.flows.len() as u64;
        self.random.below(symbols).min(self.random.below(symbols)) as usize
    }

    fn step_halt(&mut self, progress: u64) {
        let at = self.flows.len() / 2;
        match self.halt {
            HaltState::Before if self.has_room_for_halt && HALT.contains(&progress) => {
                self.halt = HaltState::Halted;
                self.flows[at].halted = true;
                self.trading_action(at, b'H', *b"T1  ");
            }
            HaltState::Halted if progress >= QUOTATION_FROM => {
                self.halt = HaltState::Quoting;
                self.trading_action(at, b'Q', *b"T3  ");
            }
            HaltState::Quoting if progress >= HALT.end => {
                self.halt = HaltState::Over;
                self.flows[at].halted = false;
                self.trading_action(at, b'T', *b"T3  ");
            }
            _ => {}
        }
    }
}

impl Iterator for Session {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let full = match self.parameters.length {
            Length::Messages(all) => self.messages + EPILOGUE >= all,
            Length::DurationNs(_) => false,
        };
        if full && !matches!(self.stage, Stage::Epilogue(_) | Stage::Done) {
            // What is still pending came after the cut: a prefix of a valid session is valid.
            self.pending.clear();
            self.stage = Stage::Epilogue(0);
        }
        if self.pending.is_empty() {
            self.advance();
        }
        let message = self.pending.pop_front()?;
        self.messages += 1;
        if self.stage < Stage::Continuous {
            self.now_ns += PROLOGUE_GAP_NS;
        }
        Some(message)
    }
}

/// Writes a whole session as BinaryFILE with its end-of-session marker; `progress` is told the messages written
/// and how far the session is in 1/1000, about every 65,536 messages. Gives the number of messages.
///
/// # Errors
/// What the writer says.
pub fn write_session(
    mut session: Session,
    out: &mut impl Write,
    mut progress: impl FnMut(u64, u64),
) -> io::Result<u64> {
    while let Some(message) = session.next_message() {
        binary_file::write_frame(out, message)?;
        if session.messages().is_multiple_of(65_536) {
            progress(session.messages(), session.progress_per_mille());
        }
    }
    binary_file::write_end_of_session(out)?;
    progress(session.messages(), 1_000);
    Ok(session.messages())
}

/// Names of the first symbols; made up, as is everything about them.
const NAMES: [&str; 24] = [
    "TIDE", "GATE", "EBBS", "WAVE", "REEF", "MOOR", "KEEL", "SURF", "BUOY", "DOCK", "HELM", "ISLE",
    "PIER", "QUAY", "RAFT", "SAIL", "SHOR", "SILT", "SWEL", "WEIR", "WHRF", "YAWL", "ESTU", "DUNE",
];

/// The name of symbol `n`, counted from 0.
fn symbol_name(n: u16) -> Stock {
    let name = match NAMES.get(usize::from(n)) {
        Some(name) => (*name).to_string(),
        None => format!("SYM{n:04}"),
    };
    crate::itch::stock(&name).expect("at most 8 characters")
}
