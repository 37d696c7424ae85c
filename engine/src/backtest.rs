//! A backtest: the market events of a file through the state machine, in lock-step with whoever trades.
//!
//! It is the third way to drive [`Core::apply`], beside the thread of a server ([`crate::runtime`]) and the replay of a
//! journal ([`crate::replay`]). Nothing in it reads a clock, so the same file, settings and trader lead to the same state
//! hash. There is no journal unless one is given: the file is the journal. For each market event
//!
//! 1. what falls due before it happens first, in the order of time: requests that reach the venue, the trader's timer;
//! 2. the event is applied;
//! 3. the trader hears what followed and answers; its commands are applied at that same time, and it hears what followed
//!    from those, until there is nothing left to hear.
//!
//! The engine stands still while the trader thinks: how long it takes changes nothing. How long its orders take to reach
//! the venue is the paper venue's latency.

use crate::core::output::Output;
use crate::core::{Core, Input};
use crate::runtime::CHECKPOINT_EVERY;
use crate::trader::{Answer, Heard, Hearing, Step, Trader, Watch};
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{JournalError, Writer};
use tidegate_model::command::{CommandKind, Configure, MassCancel};
use tidegate_model::event::{Ack, Event};
use tidegate_model::{
    AccountId, Command, CommandRecord, EventRecord, InstrumentId, MarketEvent, PrincipalId,
    PublicUpdate, Reject, SeqNo, SessionId, StateHash, UnixNanos,
};

/// The session that the trader's commands come from.
pub const SESSION: SessionId = SessionId(1);
/// Whom they are asked by.
pub const PRINCIPAL: PrincipalId = PrincipalId(1);
/// Market events that are remembered while what they cause is told late: more than a feed tells in a second. 16 MiB.
const PAST_MAX: usize = 1 << 20;
/// Steps without time passing: a strategy that answers each refusal with the same order would never end.
const STEPS_AT_ONE_TIME_MAX: u32 = 10_000;

/// Whoever watches: hears every event, not only the trader's.
pub trait Observer {
    /// Takes one event. Of a fill that a market event caused, `cause` is that event's number in its feed; else, or where that
    /// is no longer known, 0.
    fn event(&mut self, record: &EventRecord, cause: u64);
}

/// Nobody watches.
impl Observer for () {
    fn event(&mut self, _: &EventRecord, _: u64) {}
}

/// What shapes a backtest.
#[derive(Debug)]
pub struct Config {
    /// The engine.
    pub configure: Configure,
    /// The time of its first input, the set-up.
    pub begin: UnixNanos,
    /// The account that the trader trades for: it hears at the start what that has.
    pub account: AccountId,
    /// What the trader hears of.
    pub watch: Watch,
    /// Least time between two looks of the trader at the market; 0: it hears each change. It hears of its own orders at
    /// once.
    pub interval_ns: u64,
    /// Where inputs and state hashes are written, if anywhere.
    pub journal: Option<Writer>,
}

/// Why a backtest ended early. `E` is the trader's own reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError<E: core::fmt::Display> {
    /// The sizes asked for cannot be had.
    #[error("the engine cannot be configured so: {0}")]
    Configure(Reject),
    /// A command of the set-up was refused.
    #[error("{command} was refused: {reject}")]
    Refused {
        /// The command.
        command: CommandKind,
        /// Why.
        reject: Reject,
    },
    /// The journal cannot be written.
    #[error("the journal failed: {0}")]
    Journal(#[from] JournalError),
    /// The trader cannot go on.
    #[error("{0}")]
    Trader(E),
    /// The trader goes on and on without letting time pass.
    #[error(
        "the strategy answered {STEPS_AT_ONE_TIME_MAX} times at {now} ns (UTC) without letting time pass: it may be repeating \
         a refused order for ever"
    )]
    Standstill {
        /// The time.
        now: UnixNanos,
    },
}

/// A backtest that runs.
#[derive(Debug)]
pub struct Backtest<T, O> {
    core: Core,
    trader: T,
    ears: Ears<O>,
    journal: Option<Writer>,
    account: AccountId,
    now: UnixNanos,
    interval_ns: u64,
    /// The trader looks at the market again from then on.
    look_at: UnixNanos,
    wake_at: Option<UnixNanos>,
    steps: u64,
    /// Steps at `now`.
    steps_now: u32,
    /// Buffers of a step, used again.
    heard: Vec<Heard>,
    answer: Answer,
}

/// Where a backtest ended.
#[derive(Debug)]
pub struct Finished<T, O> {
    /// The state at the end.
    pub core: Core,
    /// Its hash.
    pub state_hash: StateHash,
    /// Whoever traded.
    pub trader: T,
    /// Whoever watched.
    pub observer: O,
    /// Steps that the trader answered.
    pub steps: u64,
}

impl<T: Trader<Error: core::fmt::Display>, O: Observer> Backtest<T, O> {
    /// An engine without instruments and accounts, ready to be set up with [`Self::command`].
    ///
    /// # Errors
    /// [`BacktestError::Configure`], [`BacktestError::Journal`].
    pub fn new(config: Config, trader: T, observer: O) -> Result<Self, BacktestError<T::Error>> {
        let Config { configure, begin, account, watch, interval_ns, journal } = config;
        let mut backtest = Self {
            core: Core::new(configure).map_err(BacktestError::Configure)?,
            trader,
            ears: Ears::new(watch, observer),
            journal,
            account,
            now: begin,
            interval_ns,
            look_at: UnixNanos::ZERO,
            wake_at: None,
            steps: 0,
            steps_now: 0,
            heard: Vec::with_capacity(64),
            answer: Answer::default(),
        };
        backtest.command(Command::Configure(configure))?;
        Ok(backtest)
    }

    /// Carries out a command of the operator; what its answer returns.
    ///
    /// # Errors
    /// [`BacktestError::Refused`], or what the trader's answer to it led to.
    pub fn command(&mut self, command: Command) -> Result<u64, BacktestError<T::Error>> {
        self.ears.ack = None;
        self.apply_command(CommandRecord::new(command))?;
        let ack = self.ears.ack.take();
        self.settle()?;
        let Some(ack) = ack else { return Ok(0) };
        match (ack.reject(), CommandKind::from_wire(ack.command_kind)) {
            (Some(reject), Some(command)) => Err(BacktestError::Refused { command, reject }),
            _ => Ok(ack.value),
        }
    }

    /// From now on the trader hears: first of every instrument that is there, with its quote, and of its account's cash. Before,
    /// events only fill the books.
    ///
    /// # Errors
    /// What the trader's answers led to.
    pub fn start(&mut self) -> Result<(), BacktestError<T::Error>> {
        self.ears.hearing.begin(&self.core, self.account, (PRINCIPAL, SESSION));
        // Even without instruments: it is asked once before the first event.
        self.step()?;
        self.settle()
    }

    /// Applies one market event, with all that falls due before it and follows from it.
    ///
    /// # Errors
    /// What the trader's answers led to.
    #[inline]
    pub fn market(&mut self, event: &MarketEvent) -> Result<(), BacktestError<T::Error>> {
        self.pass_to(event.ts_recv)?;
        self.apply(event)?;
        self.settle()
    }

    /// Lets time pass up to `until`, and what falls due in it happen.
    ///
    /// # Errors
    /// What the trader's answers led to.
    #[inline]
    pub fn pass_to(&mut self, until: UnixNanos) -> Result<(), BacktestError<T::Error>> {
        if self.next_due() <= until {
            self.pass(until)?;
        }
        self.be_at(until);
        Ok(())
    }

    /// Lets what falls due by `until` happen.
    #[inline(never)]
    fn pass(&mut self, until: UnixNanos) -> Result<(), BacktestError<T::Error>> {
        while let next = self.next_due()
            && next <= until
            && next < UnixNanos::MAX
        {
            self.be_at(next);
            if self.core.next_due().is_some_and(|due| due <= next) {
                self.apply_command(CommandRecord::new(Command::Time))?;
            }
            if self.wake_at.is_some_and(|at| at <= next) {
                self.wake_at = None;
                self.ears.hearing.hear_now(Heard::Timer);
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What happens from now on is kept for the trader until [`Self::release`]: so that it hears of several things of one moment
    /// together, and answers them after whatever the operator has to do first.
    pub fn hold(&mut self) {
        self.ears.hearing.is_held = true;
    }

    /// The trader hears again, at once, of all that was kept.
    ///
    /// # Errors
    /// What the trader's answers led to.
    pub fn release(&mut self) -> Result<(), BacktestError<T::Error>> {
        self.ears.hearing.is_held = false;
        self.settle()
    }

    /// The data is over: the trader answers once more, then what is open is canceled, and what is under way arrives.
    ///
    /// # Errors
    /// What the trader's answers led to.
    pub fn finish(mut self) -> Result<Finished<T, O>, BacktestError<T::Error>> {
        self.release()?;
        self.pass_to(self.now)?;
        if self.ears.hearing.is_heard {
            self.ears.hearing.hear_now(Heard::End);
            self.step()?;
            self.ears.hearing.is_heard = false;
        }
        self.command(Command::MassCancel(MassCancel {
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            side: 0,
            reserved: [0; 7],
        }))?;
        // Orders that are canceled may have had an end far ahead; only what is on its way is waited for.
        while let Some(due) = self.core.next_arrival() {
            self.be_at(due);
            self.apply_command(CommandRecord::new(Command::Time))?;
        }
        let state_hash = self.core.state_hash();
        if let Some(mut journal) = self.journal {
            journal.append_checkpoint(state_hash)?;
            journal.close()?;
        }
        let Self { core, trader, ears, steps, .. } = self;
        Ok(Finished { core, state_hash, trader, observer: ears.observer, steps })
    }

    /// The state.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Whoever trades.
    pub fn trader(&mut self) -> &mut T {
        &mut self.trader
    }

    /// The time.
    pub fn now(&self) -> UnixNanos {
        self.now
    }

    /// When something happens by itself; [`UnixNanos::MAX`] if nothing does.
    #[inline]
    fn next_due(&self) -> UnixNanos {
        let look = if self.ears.hearing.is_pending() { self.look_at } else { UnixNanos::MAX };
        let or_never = |due: Option<UnixNanos>| due.unwrap_or(UnixNanos::MAX);
        look.min(or_never(self.core.next_due())).min(or_never(self.wake_at))
    }

    #[inline]
    fn be_at(&mut self, time: UnixNanos) {
        if time > self.now {
            self.now = time;
            self.steps_now = 0;
        }
    }

    fn apply_command(&mut self, mut record: CommandRecord) -> Result<(), JournalError> {
        record.ts_recv = self.now;
        self.apply_any(KIND_COMMAND, &record, Input::Command(&record))
    }

    #[inline]
    fn apply(&mut self, event: &MarketEvent) -> Result<(), JournalError> {
        self.ears.market = (self.core.seq().next(), event.feed_seq);
        if !self.core.paper().latency().answers_at_once() {
            self.ears.remember();
        }
        self.apply_any(KIND_MARKET_EVENT, event, Input::Market(event))
    }

    #[inline]
    fn apply_any<P: bytemuck::Pod>(
        &mut self,
        kind: u8,
        payload: &P,
        input: Input<'_>,
    ) -> Result<(), JournalError> {
        let seq = self.core.seq().next();
        if let Some(journal) = &mut self.journal {
            journal.append_pod(kind, seq, payload)?;
        }
        self.core.apply(seq, input, &mut self.ears);
        self.be_at(self.core.now());
        match &mut self.journal {
            Some(journal) if seq.0.is_multiple_of(CHECKPOINT_EVERY) => {
                journal.append_checkpoint(self.core.state_hash())
            }
            _ => Ok(()),
        }
    }

    /// The trader hears and answers until there is nothing for it to hear now.
    #[inline]
    fn settle(&mut self) -> Result<(), BacktestError<T::Error>> {
        while (self.ears.hearing.is_urgent || self.now >= self.look_at)
            && self.ears.hearing.is_pending()
        {
            self.ears.hearing.gather(&self.core, &mut self.heard);
            if self.heard.is_empty() {
                break;
            }
            self.ask()?;
        }
        Ok(())
    }

    /// One step, whether there is something to hear or not.
    fn step(&mut self) -> Result<(), BacktestError<T::Error>> {
        self.ears.hearing.gather(&self.core, &mut self.heard);
        self.ask()
    }

    /// Tells the trader what was gathered, and applies what it answers.
    fn ask(&mut self) -> Result<(), BacktestError<T::Error>> {
        self.steps += 1;
        self.steps_now += 1;
        if self.steps_now > STEPS_AT_ONE_TIME_MAX {
            return Err(BacktestError::Standstill { now: self.now });
        }
        self.look_at = UnixNanos(self.now.0.saturating_add(self.interval_ns));
        let step = Step { number: self.steps, now: self.now, heard: &self.heard };
        let done = self.answer.ask(&mut self.trader, &self.core, &step);
        done.map_err(BacktestError::Trader)?;
        self.wake_at = self.answer.wake_at;
        for at in 0..self.answer.commands.len() {
            let (request_id, command) = self.answer.commands[at];
            let record = CommandRecord::new(command);
            self.apply_command(record.from_session(PRINCIPAL, SESSION, request_id))?;
        }
        Ok(())
    }
}

/// Hears what the state machine says, and keeps what the trader is to hear.
#[derive(Debug)]
struct Ears<O> {
    observer: O,
    hearing: Hearing,
    /// The latest market event: which input it was, and its number in its feed.
    market: (SeqNo, u64),
    /// Those before it, by their inputs' last bits, while what they cause is told late.
    past: Vec<(SeqNo, u64)>,
    /// The answer to the operator's latest command.
    ack: Option<Ack>,
}

impl<O: Observer> Ears<O> {
    fn new(watch: Watch, observer: O) -> Self {
        Self {
            observer,
            hearing: Hearing::new(watch),
            market: (SeqNo::ZERO, 0),
            past: Vec::new(),
            ack: None,
        }
    }

    /// The latest market event may cause what is told when it is no longer the latest.
    fn remember(&mut self) {
        if self.past.is_empty() {
            self.past.resize(PAST_MAX, (SeqNo::ZERO, 0));
        }
        self.past[self.market.0.0 as usize % PAST_MAX] = self.market;
    }

    /// The number in its feed of the market event that caused a fill; 0 if none did.
    fn cause_of(&self, record: &EventRecord) -> u64 {
        let seq = match record.event() {
            Some(Event::Execution(execution)) if execution.cause_seq != SeqNo::ZERO => {
                execution.cause_seq
            }
            _ => return 0,
        };
        let past = self.past.get(seq.0 as usize % PAST_MAX).copied().unwrap_or_default();
        [self.market, past].into_iter().find(|event| event.0 == seq).map_or(0, |event| event.1)
    }
}

impl<O: Observer> Output for Ears<O> {
    fn event(&mut self, record: &EventRecord) {
        self.observer.event(record, self.cause_of(record));
        let is_own = record.session == SESSION;
        self.hearing.event(record, is_own);
        if !is_own && let Some(Event::Ack(ack)) = record.event() {
            self.ack = Some(ack);
        }
    }

    #[inline]
    fn public(&mut self, update: &PublicUpdate) {
        self.hearing.public(update);
    }

    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {}
}
