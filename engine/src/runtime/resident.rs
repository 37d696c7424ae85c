//! A trader that lives on the engine's thread: it hears what happened when it has, without a ring between, and what it answers goes in
//! at once, as inputs of a session of its own. The engine is there first; the trader comes when everything is set up, and goes before
//! that is taken down. The same trader trades in a backtest.
//!
//! It hears before anything is released ([`tidegate_journal::Release`]): what it sends then is an input, and what comes of that waits
//! as all outputs do. A replay needs no trader, for its commands are in the journal.

use super::{Orders, Strategy};
use crate::core::Core;
use crate::trader::{Answer, Heard, Hearing, Step, Trader, Watch};
use rtrb::{Consumer, Producer, PushError, RingBuffer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidegate_model::{
    AccountId, Command, CommandRecord, EventRecord, MarketEvent, PrincipalId, PublicUpdate,
    SessionId, UnixNanos,
};

/// Least time between two timers of a trader: one that asks to be woken at once each time it is would fill the journal with the time.
const WAKE_EVERY_NS: u64 = 100_000;

/// Somebody who comes to live on the engine's thread.
#[derive(Debug)]
pub struct Guest<T> {
    /// What trades.
    pub trader: T,
    /// For which account: it hears of everything that concerns that.
    pub account: AccountId,
    /// Whose its requests are.
    pub principal: PrincipalId,
    /// By which session they come; nobody else's.
    pub session: SessionId,
    /// Which instruments it hears of.
    pub watch: Watch,
}

/// What both ends know.
#[derive(Debug, Default)]
struct Stay {
    is_to_end: AtomicBool,
    has_ended: AtomicBool,
    requests: AtomicU64,
}

/// The end of whoever lets the trader in.
#[derive(Debug)]
pub struct Host<T> {
    coming: Producer<Guest<T>>,
    stay: Arc<Stay>,
}

/// The engine's end: a [`Strategy`] that does nothing until a [`Guest`] comes.
#[derive(Debug)]
pub struct Resident<T> {
    coming: Consumer<Guest<T>>,
    stay: Arc<Stay>,
    trading: Option<Trading<T>>,
}

/// Both ends, for one trader.
pub fn resident<T>() -> (Host<T>, Resident<T>) {
    let (coming, came) = RingBuffer::new(1);
    let stay = Arc::<Stay>::default();
    (Host { coming, stay: Arc::clone(&stay) }, Resident { coming: came, stay, trading: None })
}

impl<T> Host<T> {
    /// Lets `guest` in, who hears of everything that is there in the next turn of the engine. To be woken for that, the engine's bell
    /// is rung.
    ///
    /// # Errors
    /// Gives it back if one was let in before.
    pub fn begin(&mut self, guest: Guest<T>) -> Result<(), Guest<T>> {
        self.coming.push(guest).map_err(|PushError::Full(guest)| guest)
    }

    /// Asks the trader to end: it says its last word, and then what its session has open is canceled.
    pub fn ask_to_end(&self) {
        self.stay.is_to_end.store(true, Ordering::Release);
    }

    /// True once it has ended: the end of its session is in the journal.
    pub fn has_ended(&self) -> bool {
        self.stay.has_ended.load(Ordering::Acquire)
    }

    /// Requests that it has sent.
    pub fn requests(&self) -> u64 {
        self.stay.requests.load(Ordering::Relaxed)
    }
}

/// How far the end of a trader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It trades.
    Not,
    /// It has heard of its end; what it answered to that is on its way.
    Told,
    /// Its session is closed.
    Closed,
}

/// A trader, what it is to hear, and what it answered.
#[derive(Debug)]
struct Trading<T> {
    trader: T,
    account: AccountId,
    principal: PrincipalId,
    session: SessionId,
    hearing: Hearing,
    /// Times it was asked.
    steps: u64,
    /// What it hears in this step; a buffer that is used again.
    heard: Vec<Heard>,
    answer: Answer,
    /// Not woken before then.
    wake_from: UnixNanos,
    /// Commands of the answer that were sent. It is not asked again before all are.
    sent: usize,
    end: End,
}

impl<T: Trader<Error = Infallible>> Trading<T> {
    fn begin(guest: Guest<T>, core: &Core) -> Self {
        let Guest { trader, account, principal, session, watch } = guest;
        let mut hearing = Hearing::new(watch);
        hearing.begin(core, account, (principal, session));
        Self {
            trader,
            account,
            principal,
            session,
            hearing,
            steps: 0,
            heard: Vec::with_capacity(64),
            answer: Answer::default(),
            wake_from: UnixNanos::ZERO,
            sent: 0,
            end: End::Not,
        }
    }

    /// Asks the trader if there is something to hear, and sends what it answers, as far as there is room.
    #[inline]
    fn go_on(&mut self, core: &Core, orders: &mut Orders, stay: &Stay) {
        if self.sent == self.answer.commands.len() {
            let now = core.now();
            if self.answer.wake_at.is_some_and(|at| at <= now) {
                self.wake_from = UnixNanos(now.0.saturating_add(WAKE_EVERY_NS));
                self.hearing.hear_now(Heard::Timer);
            }
            // Even without instruments it is asked once.
            if !self.hearing.is_pending() && self.steps > 0 {
                return;
            }
            self.ask(core);
        }
        self.send(core.now(), orders, stay);
    }

    fn ask(&mut self, core: &Core) {
        self.hearing.gather(core, &mut self.heard);
        if self.heard.is_empty() && self.steps > 0 {
            return;
        }
        self.steps += 1;
        self.sent = 0;
        let step = Step { number: self.steps, now: core.now(), heard: &self.heard };
        match self.answer.ask(&mut self.trader, core, &step) {
            Ok(()) => {}
            Err(never) => match never {},
        }
        self.answer.wake_at = self.answer.wake_at.map(|at| at.max(self.wake_from));
    }

    fn send(&mut self, now: UnixNanos, orders: &mut Orders, stay: &Stay) {
        let before = self.sent;
        while let Some(&(request_id, command)) = self.answer.commands.get(self.sent) {
            if !self.send_one(request_id, command, now, orders) {
                break;
            }
            self.sent += 1;
        }
        stay.requests.fetch_add((self.sent - before) as u64, Ordering::Relaxed);
    }

    fn send_one(
        &self,
        request_id: u64,
        command: Command,
        now: UnixNanos,
        orders: &mut Orders,
    ) -> bool {
        let record =
            CommandRecord::new(command).from_session(self.principal, self.session, request_id);
        orders.send(CommandRecord { ts_recv: now, ..record }).is_ok()
    }

    /// The way to its end: what it had sent goes first, then its last word, then the end of its session.
    #[cold]
    fn end(&mut self, core: &Core, orders: &mut Orders, stay: &Stay) {
        if self.end == End::Closed {
            // That was an input since.
            return stay.has_ended.store(true, Ordering::Release);
        }
        if self.end == End::Not && self.sent == self.answer.commands.len() {
            self.hearing.hear_now(Heard::End);
            self.ask(core);
            self.hearing.is_heard = false;
            self.end = End::Told;
        }
        self.send(core.now(), orders, stay);
        let is_all_sent = self.sent == self.answer.commands.len();
        if self.end == End::Told
            && is_all_sent
            && self.send_one(0, Command::SessionClosed, core.now(), orders)
        {
            self.end = End::Closed;
        }
    }
}

impl<T: Trader<Error = Infallible> + Send> Strategy for Resident<T> {
    #[inline]
    fn on_market(&mut self, core: &Core, _: &MarketEvent, orders: &mut Orders) {
        if let Some(trading) = &mut self.trading
            && trading.end == End::Not
        {
            trading.go_on(core, orders, &self.stay);
        }
    }

    #[inline]
    fn on_event(&mut self, event: &EventRecord) {
        if let Some(trading) = &mut self.trading {
            let is_own = event.session == trading.session || event.account == trading.account;
            trading.hearing.event(event, is_own);
        }
    }

    #[inline]
    fn on_public(&mut self, update: &PublicUpdate) {
        if let Some(trading) = &mut self.trading {
            trading.hearing.public(update);
        }
    }

    #[inline]
    fn due(&self) -> Option<UnixNanos> {
        let Some(trading) = &self.trading else {
            return (!self.coming.is_empty()).then_some(UnixNanos::ZERO);
        };
        if self.stay.is_to_end.load(Ordering::Acquire) {
            return (!self.stay.has_ended.load(Ordering::Relaxed)).then_some(UnixNanos::ZERO);
        }
        trading.answer.wake_at
    }

    #[inline]
    fn on_turn(&mut self, core: &Core, orders: &mut Orders) {
        let is_to_end = self.stay.is_to_end.load(Ordering::Acquire);
        match &mut self.trading {
            None => match self.coming.pop() {
                Ok(guest) => self.trading = Some(Trading::begin(guest, core)),
                Err(_) => return,
            },
            Some(trading) if is_to_end => return trading.end(core, orders, &self.stay),
            Some(_) => {}
        }
        if let Some(trading) = &mut self.trading {
            trading.go_on(core, orders, &self.stay);
        }
    }
}
