//! Whoever trades on the engine's own thread, and what it hears: the same in a backtest ([`crate::backtest`]) and beside a live engine
//! ([`crate::runtime::Resident`]).

use crate::core::Core;
use tidegate_model::event::{Event, EventKind};
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, Command, EventRecord, InstrumentId, Lots, PrincipalId, PublicKind, PublicUpdate,
    SessionId, Side, Symbol, Ticks, UnixNanos,
};

/// Commands of one answer: far more than a strategy has orders; one that needs more answers in two steps.
pub const COMMANDS_PER_STEP_MAX: usize = 1_024;

/// Things heard that are kept for the next step; with so many it comes early.
const HEARD_MAX: usize = 4_096;

/// Best bid and offer of one instrument, its status and its last trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Best bid and what is displayed there.
    pub bid: Option<(Ticks, Lots)>,
    /// Best offer and what is displayed there.
    pub ask: Option<(Ticks, Lots)>,
    /// Whether it trades.
    pub status: TradingStatus,
    /// Price of the last trade.
    pub last_trade: Option<Ticks>,
}

/// Something that the trader hears.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    /// An instrument that it may trade is there; [`Core::listing`] has its terms.
    Instrument(InstrumentId),
    /// The best bid or offer, or the status, changed.
    Quote(Quote),
    /// A trade on the market.
    Trade(PublicUpdate),
    /// Something about its own requests, orders, position or cash.
    Event(EventRecord),
    /// The time that it asked to be woken at has come.
    Timer,
    /// It is over: what is sent now still goes to the venue, then what is open is canceled.
    End,
}

/// What happened since the trader answered last.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Counted from 1.
    pub number: u64,
    /// The time; it stands still until the answer.
    pub now: UnixNanos,
    /// New instruments, then quotes as they are now, then everything else in the order in which it happened.
    pub heard: &'a [Heard],
}

/// What the trader wants.
#[derive(Debug, Default)]
pub struct Answer {
    pub(crate) commands: Vec<(u64, Command)>,
    /// When to be woken at the latest, or never. Each answer says it anew.
    pub wake_at: Option<UnixNanos>,
}

impl Answer {
    /// Asks `trader` anew, forgetting what it answered before.
    #[inline]
    pub(crate) fn ask<T: Trader>(
        &mut self,
        trader: &mut T,
        core: &Core,
        step: &Step<'_>,
    ) -> Result<(), T::Error> {
        self.commands.clear();
        self.wake_at = None;
        trader.step(core, step, self)
    }

    /// Sends `command` as the trader's request `request_id`, which events will carry.
    ///
    /// # Errors
    /// [`COMMANDS_PER_STEP_MAX`] if so many were sent in this step.
    pub fn send(&mut self, request_id: u64, command: Command) -> Result<(), usize> {
        if self.commands.len() == COMMANDS_PER_STEP_MAX {
            return Err(COMMANDS_PER_STEP_MAX);
        }
        self.commands.push((request_id, command));
        Ok(())
    }
}

/// Whoever trades: a strategy in this process, or the connection to one in another.
pub trait Trader {
    /// Why it cannot go on.
    type Error;
    /// Hears what happened and answers.
    ///
    /// # Errors
    /// It trades no more.
    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), Self::Error>;
}

/// Which instruments the trader hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// So many, as they are defined.
    First(usize),
    /// These.
    Symbols(Vec<Symbol>),
}

impl Watch {
    fn takes(&self, symbol: &Symbol, watched: usize) -> bool {
        match self {
            Self::First(count) => watched < *count,
            Self::Symbols(symbols) => symbols.contains(symbol),
        }
    }
}

/// Keeps what a trader is to hear until it is asked.
#[derive(Debug)]
pub(crate) struct Hearing {
    watch: Watch,
    /// By instrument: whether the trader hears of it.
    watched: Vec<bool>,
    watched_count: usize,
    /// By instrument: the quote that the trader was told last.
    told: Vec<Option<Quote>>,
    /// It has begun, and not ended.
    pub is_heard: bool,
    /// What is to be told is kept for later.
    pub is_held: bool,
    /// Instruments to be told.
    instruments: Vec<InstrumentId>,
    /// Instruments whose book or status may look different; each may be there more than once.
    touched: Vec<InstrumentId>,
    /// Everything else to be told, in order.
    others: Vec<Heard>,
    /// Something is to be told at once.
    pub is_urgent: bool,
}

impl Hearing {
    pub fn new(watch: Watch) -> Self {
        Self {
            watch,
            watched: Vec::new(),
            watched_count: 0,
            told: Vec::new(),
            is_heard: false,
            is_held: false,
            instruments: Vec::new(),
            touched: Vec::with_capacity(64),
            others: Vec::with_capacity(64),
            is_urgent: false,
        }
    }

    /// From now on the trader hears: first of every instrument that is there, with its quote, and of its account's cash.
    pub fn begin(
        &mut self,
        core: &Core,
        account: AccountId,
        (principal, session): (PrincipalId, SessionId),
    ) {
        assert!(!self.is_heard, "it begins once");
        self.is_heard = true;
        for id in (0..core.listing().count() as u32).map(InstrumentId) {
            self.defined(id, &core.listing()[id].instrument.symbol);
        }
        if let Ok(state) = core.oms().account(account) {
            let mut record = EventRecord::new(&Event::Account(*state));
            (record.seq, record.ts) = (core.seq(), core.now());
            (record.principal, record.session) = (principal, session);
            record.account = account;
            self.hear_now(Heard::Event(record));
        }
    }

    #[inline]
    pub fn is_pending(&self) -> bool {
        self.is_heard
            && !self.is_held
            && !(self.touched.is_empty() && self.others.is_empty() && self.instruments.is_empty())
    }

    pub fn hear_now(&mut self, heard: Heard) {
        self.others.push(heard);
        self.is_urgent = true;
    }

    fn hears_of(&self, instrument: InstrumentId) -> bool {
        self.watched.get(instrument.index()).is_some_and(|watched| *watched)
    }

    /// Takes an event: of the trader's own, if `is_own`, or of an instrument that is defined.
    #[inline]
    pub fn event(&mut self, record: &EventRecord, is_own: bool) {
        if !self.is_heard {
            return;
        }
        if record.kind == EventKind::Instrument.wire() {
            // One that has new terms is there already.
            if let Some(Event::Instrument(terms)) = record.event()
                && record.instrument.index() == self.watched.len()
            {
                self.defined(record.instrument, &terms.symbol);
            }
        } else if is_own {
            self.hear_now(Heard::Event(*record));
        }
    }

    fn defined(&mut self, id: InstrumentId, symbol: &Symbol) {
        let takes = self.watch.takes(symbol, self.watched_count);
        self.watched_count += usize::from(takes);
        // Instruments are numbered densely as they are defined.
        self.watched.push(takes);
        self.told.push(None);
        assert_eq!(self.watched.len(), id.index() + 1, "instruments are numbered without gap");
        if takes {
            self.instruments.push(id);
            self.touched.push(id);
            self.is_urgent = true;
        }
    }

    /// Takes a public update.
    #[inline]
    pub fn public(&mut self, update: &PublicUpdate) {
        if !self.is_heard || !self.hears_of(update.instrument) {
            return;
        }
        if update.kind == PublicKind::Trade.wire() {
            self.others.push(Heard::Trade(*update));
            self.is_urgent |= self.others.len() >= HEARD_MAX;
        } else if self.touched.last() != Some(&update.instrument) {
            self.touched.push(update.instrument);
            self.is_urgent |= self.touched.len() >= HEARD_MAX;
        }
    }

    /// Lays everything to be told into `heard`: instruments, quotes that changed, the others.
    pub fn gather(&mut self, core: &Core, heard: &mut Vec<Heard>) {
        heard.clear();
        heard.extend(self.instruments.drain(..).map(Heard::Instrument));
        for at in 0..self.touched.len() {
            let id = self.touched[at];
            let quote = quote(core, id);
            let told = &mut self.told[id.index()];
            if told.is_none_or(|told| Quote { last_trade: quote.last_trade, ..told } != quote) {
                heard.push(Heard::Quote(quote));
            }
            *told = Some(quote);
        }
        self.touched.clear();
        heard.append(&mut self.others);
        self.is_urgent = false;
    }
}

/// Best prices and status of an instrument that is listed.
fn quote(core: &Core, instrument: InstrumentId) -> Quote {
    let market = core.internal().market_of(instrument);
    let best = |side| match market {
        Some(market) => {
            let (price, qty, _) = core.internal().markets().levels(market, side).next()?;
            Some((price, qty))
        }
        None => {
            let level = core.books().best(instrument, side)?;
            Some((level.price, level.qty))
        }
    };
    let listed = &core.listing()[instrument];
    Quote {
        instrument,
        bid: best(Side::Buy),
        ask: best(Side::Sell),
        status: listed.status,
        last_trade: listed.last_trade,
    }
}
