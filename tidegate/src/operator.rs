//! The operator's own commands: what the configuration asks for goes the way of every command.

use crate::calendar::Calendar;
use crate::cmd::run::stop_on_signal;
use crate::config::{AccountEntry, Config};
use crate::controls::Symbols;
use crate::latency::Latencies;
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_engine::event_log::{EventLog, EventPosition};
use tidegate_engine::lane::CommandLane;
use tidegate_engine::runtime::{self, Release};
use tidegate_model::command::{Configure, MassCancel, OpenAccount, Transfer};
use tidegate_model::event::{Account, Ack, Event};
use tidegate_model::ids::Code;
use tidegate_model::{
    AccountId, Command, CommandRecord, InstrumentId, Money, PrincipalId, RejectReason, SeqNo,
    SessionId,
};

/// How long the operator's own commands may take; recovery is over by then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a start that waits for somebody who confirms says so.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How long canceled orders may stay open: the largest latency, and an answer.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(70);
/// Time between two looks at whether any order is open.
const CANCEL_AGAIN: Duration = Duration::from_millis(20);

/// The operator's own lane: what the configuration asks for goes the way of every command.
pub struct Operator {
    lane: CommandLane,
    events: EventLog,
    status: Arc<runtime::EngineStatus>,
    release: Arc<Release>,
    next_request: u64,
}

/// What the engine answers to one command of the operator.
pub struct Answer {
    /// The acknowledgement.
    pub ack: Ack,
    /// The input that the command became.
    seq: SeqNo,
    /// The account, if the command told of one.
    account: Option<Account>,
}

impl Operator {
    /// The operator of a running engine.
    pub fn new(
        lane: CommandLane,
        events: EventLog,
        status: Arc<runtime::EngineStatus>,
        release: Arc<Release>,
    ) -> Self {
        Self { lane, events, status, release, next_request: 1 }
    }

    /// True if answers of the engine wait for their release.
    pub fn is_held(&self) -> bool {
        self.release.released() < SeqNo(self.status.seq.load(Ordering::Acquire))
    }

    /// What the configuration asks for, as commands. Commands that an earlier run has done already are passed over, and what
    /// would loosen a control that is in force waits as a proposal. Returns the instruments that follow a calendar.
    pub fn set_up(
        &mut self,
        config: &Config,
        configure: Configure,
        latencies: &Latencies,
    ) -> Result<Vec<(InstrumentId, &'static Calendar)>> {
        // Whoever must confirm what leaves here may come later: one that was promoted has nobody yet.
        let stop = stop_on_signal()?;
        let configured = self.answer(Command::Configure(configure), |waited, release| {
            if waited.as_secs() % TELL_EVERY.as_secs() == 0 {
                tracing::warn!(
                    level = release.level().as_str(),
                    "nobody confirms what leaves at this level; nothing is served before"
                );
            }
            !stop.load(Ordering::Relaxed)
        })?;
        refused(&configured, &[]).context("cannot configure the engine")?;
        for command in latencies.commands() {
            refused(&self.ask(command)?, &[]).context("cannot set the latency")?;
        }
        let mut followed = Vec::new();
        let mut symbols = Symbols::new();
        // Before anything that one of them may ask for.
        self.set_principals(config)?;
        for entry in &config.instruments {
            let terms = config.terms(entry)?;
            let answer = self.ask(Command::DefineInstrument(terms))?;
            let named = || format!("cannot define instrument {}", entry.symbol);
            refused(&answer, &[]).with_context(named)?;
            let number =
                u32::try_from(answer.ack.value).context("the engine numbers in 32 bits")?;
            let instrument = InstrumentId(number);
            symbols.insert(entry.symbol, instrument);
            for command in entry.paper.commands(instrument, &terms) {
                refused(&self.ask(command)?, &[]).with_context(named)?;
            }
            followed.extend(entry.calendar.map(|calendar| (instrument, calendar)));
            if let Some(set) = entry.tick_table(instrument)? {
                refused(&self.ask(Command::SetTickTable(set))?, &[])
                    .with_context(|| format!("cannot set the tick table of {}", entry.symbol))?;
            }
            if let Some(bands) = &entry.bands {
                let answer = self.ask(Command::SetBands(bands.of(instrument)))?;
                refused(&answer, &[])
                    .with_context(|| format!("cannot set the bands of {}", entry.symbol))?;
            }
        }
        for entry in &config.accounts {
            self.open(entry).with_context(|| format!("cannot open account {}", entry.id.get()))?;
        }
        self.set_controls(config, symbols)?;
        Ok(followed)
    }

    fn open(&mut self, entry: &AccountEntry) -> Result<()> {
        let account = entry.account();
        let open = OpenAccount {
            kind: entry.kind.wire(),
            cost_method: entry.cost_method.wire(),
            ..OpenAccount::of(account, entry.currency)
        };
        let opened = self.ask(Command::OpenAccount(open))?;
        refused(&opened, &[RejectReason::DuplicateAccount])?;
        let was_there = opened.ack.reject().is_some();
        // An earlier run may have died between opening it and paying in.
        if !(was_there && self.was_paid(account, entry.currency)?) {
            self.transfer(account, entry.cash.money())?;
        }
        if let Some(limits) = &entry.limits {
            self.set(Command::SetLimits(limits.of(account)), "limits")?;
        }
        Ok(())
    }

    fn transfer(&mut self, account: AccountId, amount: Money) -> Result<Account> {
        let paid = self.ask(Command::Transfer(Transfer::of_base(account, amount)))?;
        refused(&paid, &[])?;
        paid.account.context("the engine did not tell the account's cash")
    }

    /// True if anything was ever paid into an account that is there, even if all of it was paid out again.
    fn was_paid(&mut self, account: AccountId, currency: Code) -> Result<bool> {
        // Nothing paid: the engine answers with what the account has.
        let state = self.transfer(account, Money::ZERO)?;
        ensure!(
            state.currency == currency,
            "it is there and holds {}, the configuration asks for {currency}",
            state.currency
        );
        if state.deposits != Money::ZERO {
            return Ok(true);
        }
        let mut cursor = self.events.cursor(EventPosition::default())?;
        while let Some(event) = cursor.next()? {
            if event.account == account
                && let Some(Event::Account(then)) = event.event()
                && then.deposits != Money::ZERO
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses an account that is not there.
    pub fn check_account(&mut self, account: AccountId) -> Result<()> {
        // Nothing paid: the engine answers with what the account has.
        self.transfer(account, Money::ZERO).map(|_| ())
    }

    /// Asks the venue to cancel every open order.
    pub fn cancel_everything(&mut self) -> Result<Answer> {
        let everything = MassCancel {
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            side: 0,
            reserved: [0; 7],
        };
        self.ask(Command::MassCancel(everything))
    }

    /// Cancels until no order is open: cancels take their time to the venue, behind whatever set out before them with a
    /// longer latency, and a last order may have come after the first of them.
    pub fn cancel_until_none_is_open(&mut self) -> Result<()> {
        let deadline = Instant::now() + CANCEL_TIMEOUT;
        loop {
            let canceled = self.cancel_everything()?;
            while self.status.seq.load(Ordering::Acquire) < canceled.seq.0 {
                self.check_alive()?;
                std::thread::sleep(Duration::from_millis(1));
            }
            let open = self.status.open_orders.load(Ordering::Relaxed);
            if open == 0 {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{open} orders are still open {} s after they were canceled",
                CANCEL_TIMEOUT.as_secs()
            );
            std::thread::sleep(CANCEL_AGAIN);
        }
    }

    fn check_alive(&self) -> Result<()> {
        ensure!(self.status.alive.load(Ordering::Acquire), "the engine ended without an answer");
        Ok(())
    }

    /// Every instrument that the log tells of.
    pub fn instruments(&self) -> Result<Symbols> {
        let mut found = Symbols::new();
        let mut cursor = self.events.cursor(EventPosition::default())?;
        while let Some(event) = cursor.next()? {
            if let Some(Event::Instrument(terms)) = event.event() {
                found.insert(terms.symbol, event.instrument);
            }
        }
        Ok(found)
    }

    /// Sends a command and waits for its answer.
    pub fn ask(&mut self, command: Command) -> Result<Answer> {
        self.answer(command, |_, _| false)
    }

    /// The same; where the answer waits for its release `goes_on` is asked each second, after [`ANSWER_TIMEOUT`], whether to go on.
    fn answer(
        &mut self,
        command: Command,
        mut goes_on: impl FnMut(Duration, &Release) -> bool,
    ) -> Result<Answer> {
        let mut cursor = self.events.cursor(self.events.last())?;
        let request_id = self.next_request;
        self.next_request += 1;
        let mut record =
            CommandRecord::new(command).from_session(PrincipalId(0), SessionId(0), request_id);
        record.ts_recv = runtime::unix_now();
        self.check_alive()?;
        if self.lane.try_send(record).is_err() {
            bail!("the engine does not take commands");
        }
        let (began, mut deadline) = (Instant::now(), Instant::now() + ANSWER_TIMEOUT);
        let mut account = None;
        loop {
            if Instant::now() >= deadline {
                if !self.is_held() || !goes_on(began.elapsed(), &self.release) {
                    break;
                }
                deadline += Duration::from_secs(1);
            }
            let Some(event) = cursor.next()? else {
                self.check_alive()?;
                std::thread::sleep(Duration::from_micros(200));
                continue;
            };
            if event.session != SessionId(0) || event.request_id != request_id {
                continue;
            }
            match event.event() {
                Some(Event::Account(state)) => account = Some(state),
                Some(Event::Ack(ack)) => return Ok(Answer { ack, seq: event.seq, account }),
                _ => {}
            }
        }
        let secs = ANSWER_TIMEOUT.as_secs();
        if self.is_held() {
            let (level, released) = (self.release.level(), self.release.released());
            let seq = self.status.seq.load(Ordering::Acquire);
            bail!(
                "the engine's answer was not released within {secs} s: the level '{level}' holds up to input {released} of {seq}"
            );
        }
        bail!("the engine did not answer within {secs} s");
    }
}

/// Ends with the refusal, unless it is one of those that are allowed.
pub fn refused(answer: &Answer, allowed: &[RejectReason]) -> Result<()> {
    match answer.ack.reject() {
        Some(reject) if !allowed.contains(&reject.reason) => bail!("the engine refused: {reject}"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_engine::event_log;
    use tidegate_engine::lane::lane;

    #[test]
    fn a_question_to_an_engine_that_ends_is_over_at_once() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let small = tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() };
        let (_writer, events) = event_log::open(dir.path(), small).expect("a new log");
        // It takes the command, and never answers.
        let (lane, _taken) = lane();
        let status = Arc::new(runtime::EngineStatus::default());
        status.alive.store(true, Ordering::Release);
        let mut operator = Operator::new(lane, events, Arc::clone(&status), Arc::default());
        let dying = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            status.alive.store(false, Ordering::Release);
        });
        let began = Instant::now();
        let error = operator.cancel_everything().err().expect("nobody answers").to_string();
        assert!(error.contains("the engine ended"), "{error}");
        assert!(began.elapsed() < ANSWER_TIMEOUT / 2, "it waited for a dead engine");
        dying.join().expect("no panic");
    }
}
