//! The state machine. One closed set of inputs, one `match`, no clock, no file, no socket.
//!
//! The way of an input:
//!
//! 1. the engine's time becomes the later of its own and the input's receive time;
//! 2. requests that have reached the paper venue by then are carried out;
//! 3. the input itself is applied: a market event to its book, then to the paper orders it concerns; a command to
//!    the gate (`risk`), the order store (`oms`) and the venue;
//! 4. every change is told through [`Output`], numbered within the input.

mod accounts;
mod admin;
mod algorithms;
mod amend;
mod answers;
mod bars;
mod controls;
mod flatten;
mod held;
mod holders;
mod internal;
mod listing;
mod lists;
mod many;
mod market;
mod orders;
pub mod output;
pub mod paper;
pub mod places;
mod proposals;
mod reports;
pub mod route;
mod saved;
mod stops;
mod table;
mod taking;

use crate::book::{BookLimits, Books};
use answers::Answers;
pub use internal::Internal;
pub use listing::{CHANNELS_MAX, Listed, Listing};
pub use output::{Collected, NoOutput};
use output::{Output, Pause, Publisher, Supposed};
use paper::PaperVenue;
pub use saved::{LoadError, STATE_VERSION};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{Configure, SetLimits};
use tidegate_model::event::{Ack, Event};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Room, room};
use tidegate_model::{
    AccountId, Command, CommandRecord, InstrumentId, MarketEvent, Reject, RejectReason, SeqNo,
    StateHash, UnixNanos,
};
use tidegate_oms::{Oms, OrderSlot, Requester, Waiter, Waiting};
use tidegate_risk::Risk;

/// One input of the engine.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// What a feed says.
    Market(&'a MarketEvent),
    /// What a session, an operator or the clock asks for.
    Command(&'a CommandRecord),
}

/// What the state machine met that changed nothing; telemetry, not state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Market events applied or told on.
    pub market_events: u64,
    /// Commands.
    pub commands: u64,
    /// Events that name an order the book does not hold (a feed joined in mid-session has them).
    pub unknown_orders: u64,
    /// Events that a book refused for another reason.
    pub refused_events: u64,
    /// Events of a channel that no definition bound, or of an unknown kind.
    pub unbound_events: u64,
    /// Gaps that the feed declared.
    pub gaps: u64,
    /// Fills of our orders.
    pub fills: u64,
}

/// All trading state, and the one way to change it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Core {
    seq: SeqNo,
    now: UnixNanos,
    configure: Configure,
    listing: Listing,
    books: Books,
    risk: Risk,
    oms: Oms,
    paper: PaperVenue,
    /// When what is carried out reached its venue; the time, but for requests that arrived since the input before.
    arrived_at: UnixNanos,
    /// What left on live routes.
    routes: route::Routes,
    /// When the journal began. It follows from the first input, so it is not hashed.
    began: UnixNanos,
    /// Reports on their way; made when their latency is first set.
    answers: Option<Box<Answers>>,
    /// When something is due by itself, [`UnixNanos::MAX`] if nothing is. It follows from the rest, so it is not hashed.
    #[serde(skip)]
    due_at: UnixNanos,
    /// Orders that wait for their stop price.
    waiting: Waiting,
    /// When orders end by themselves. It follows from the orders, so it is not hashed.
    expiries: held::Expiries,
    /// Lists whose legs are still coming.
    #[serde(with = "Room::<{ lists::ASSEMBLING_MAX }>")]
    assembling: Vec<lists::Assembling>,
    /// What waits for a second person.
    proposals: proposals::Proposals,
    /// Scopes whose positions are to be closed.
    #[serde(with = "Room::<{ flatten::FLATTENS_MAX }>")]
    flattening: Vec<flatten::Flattening>,
    /// The trades of the market event that is applied; taken out before the next input.
    #[serde(skip)]
    traded: Option<orders::Traded>,
    /// Scratch: orders that a trade triggers.
    #[serde(skip, default = "room::<_, 1_024>")]
    triggered: Vec<Waiter>,
    internal: Internal,
    /// Scratch: displayed orders that a taking order goes through.
    #[serde(skip, default = "room::<_, { taking::WALK_MAX }>")]
    walk: Vec<taking::Taking>,
    /// Scratch: orders of ours that the book crosses when trading goes on.
    #[serde(skip, default = "room::<_, 1_024>")]
    crossed: Vec<OrderSlot>,
    counters: Counters,
}

impl Core {
    /// An engine without instruments, accounts or orders, shaped by `configure`.
    ///
    /// Everything it will need on the path of an order is allocated here or when an instrument or account is
    /// defined.
    ///
    /// # Errors
    /// `CapacityExceeded` if `orders_max` is not a power of two that the order store can hold.
    pub fn new(configure: Configure) -> Result<Self, Reject> {
        let mut paper = PaperVenue::new(configure.book_orders_max);
        paper.latency_mut().reset(configure.paper_latency_ns);
        // Pages are handed out now, not one by one as orders come.
        let mut oms = Oms::new(configure.orders_max)?;
        oms.prefault();
        let mut risk = Risk::new();
        risk.prefault();
        let limits = BookLimits { orders_max: configure.book_orders_max, ..Default::default() };
        Ok(Self {
            seq: SeqNo::ZERO,
            now: UnixNanos::ZERO,
            configure,
            listing: Listing::new(),
            books: Books::new(limits),
            risk,
            oms,
            paper,
            arrived_at: UnixNanos::ZERO,
            routes: route::Routes::new(configure.orders_max),
            began: UnixNanos::ZERO,
            answers: None,
            due_at: UnixNanos::MAX,
            waiting: Waiting::new(),
            expiries: held::Expiries::new(configure.orders_max),
            assembling: Vec::with_capacity(lists::ASSEMBLING_MAX),
            proposals: proposals::Proposals::new(),
            flattening: Vec::with_capacity(flatten::FLATTENS_MAX),
            traded: None,
            triggered: room::<_, 1_024>(),
            internal: Internal::new(configure.orders_max),
            walk: room::<_, { taking::WALK_MAX }>(),
            crossed: room::<_, 1_024>(),
            counters: Counters::default(),
        })
    }

    /// Applies input number `seq` and tells what follows from it.
    ///
    /// # Panics
    /// If `seq` is not the number after the last one: an input was lost or repeated, and going on would be wrong.
    pub fn apply(&mut self, seq: SeqNo, input: Input<'_>, out: &mut dyn Output) {
        assert_eq!(seq, self.seq.next(), "inputs are applied in sequence, without gap or repeat");
        self.seq = seq;
        let (ts_recv, ts_event) = match input {
            Input::Market(event) => (event.ts_recv, event.ts_event),
            Input::Command(command) => (command.ts_recv, command.ts_recv),
        };
        self.now = self.now.max(ts_recv);
        self.arrived_at = self.now;
        if self.began == UnixNanos::ZERO {
            self.began = self.now;
        }
        // Taken out while it is told to, so that the rest of the state can be changed beside it.
        let mut answers = self.answers.take();
        let publisher = &mut Publisher::new(out, seq, self.now, ts_event, answers.as_deref_mut());
        if self.due_at <= self.now {
            self.carry_out_due(self.now, publisher);
        }
        publisher.release(self.now);
        while self.suppose(Pause::BeforeInput, publisher) {}
        match input {
            Input::Market(event) => self.market(event, publisher),
            Input::Command(command) => self.command(command, publisher),
        }
        self.follow_up(publisher);
        self.watch(publisher);
        self.risk.settle();
        self.oms.settle();
        publisher.end_of_input();
        self.answers = answers;
        if self.answers.is_none() && !self.paper.latency().answers_at_once() {
            self.answers = Some(Box::default());
        }
        self.note_next_deed();
    }

    fn command(&mut self, record: &CommandRecord, publisher: &mut Publisher<'_>) {
        self.counters.commands += 1;
        let who = Requester {
            principal: record.principal,
            session: record.session,
            request_id: record.request_id,
        };
        if let Some(order) = record.new_order() {
            return self.new_order(order, who, publisher);
        }
        let done = match record.command() {
            Some(Command::NewOrder(order)) => return self.new_order(&order, who, publisher),
            Some(Command::CancelOrder(cancel)) => return self.cancel_order(cancel, who, publisher),
            Some(Command::ReplaceOrder(replace)) => {
                return self.replace_order(replace, who, publisher);
            }
            Some(Command::NewList(list)) => return self.new_list(list, who, publisher),
            Some(Command::NewAlgorithm(new)) => return self.new_algorithm(new, who, publisher),
            Some(Command::SetVolumeCurve(set)) => self.set_curve(set),
            Some(Command::Flatten(scope)) => self.flatten(scope, who, publisher),
            Some(Command::SessionClosed) => return self.session_closed(who, publisher),
            Some(Command::Time) => return,
            Some(Command::MassCancel(mass)) => self.mass_cancel(mass, who, publisher),
            Some(Command::DefineInstrument(terms)) => self.define(terms, who, publisher),
            Some(Command::OpenAccount(open)) => self.open_account(open, who, publisher),
            Some(Command::Transfer(transfer)) => self.transfer(transfer, who, publisher),
            Some(Command::Configure(configure)) => self.configure(configure),
            Some(Command::DayRoll) => self.day_roll(publisher),
            Some(Command::SetRate(rate)) => self.set_rate(rate),
            Some(Command::Convert(convert)) => self.convert(convert, who, publisher),
            Some(Command::SetFees(fees)) => self.set_fees(fees),
            Some(Command::AssignFees(assign)) => self.assign_fees(assign),
            Some(Command::SetMargin(set)) => self.set_margin(set),
            Some(Command::SetBorrow(set)) => self.set_borrow(set),
            Some(Command::CorporateAction(action)) => self.corporate_action(action, who, publisher),
            Some(Command::Settle(settle)) => self.settle(settle, who, publisher),
            Some(Command::AmendTrade(amend)) => self.amend_trade(amend, publisher),
            Some(Command::ReportEquity(report)) => self.report_equity(report, who, publisher),
            Some(Command::SetFillModel(set)) => self.set_fill_model(set),
            Some(Command::SetLatency(set)) => self.paper.latency_mut().set(&set).map(|()| 0),
            Some(Command::AddLatencyPoints(add)) => self.paper.latency_mut().add_points(&add),
            Some(Command::SetImpact(set)) => self.set_impact(set),
            Some(Command::SetPhase(set)) => self.set_phase(set, publisher),
            Some(Command::SetTickTable(set)) => self.set_tick_table(set, who, publisher),
            Some(Command::RouteReport(report)) => match self.route_report(report, publisher) {
                Ok(_) => return,
                refused => refused,
            },
            Some(Command::RouteStatus(status)) => self.route_status(status, publisher),
            Some(Command::RoutePosition(told)) => self.route_position(told, publisher),
            Some(Command::ConfirmPosition(confirm)) => self.confirm_position(confirm, publisher),
            Some(Command::SetBands(set)) => self.set_bands(set, publisher),
            Some(Command::SetReference(set)) => self.set_reference(set, publisher),
            Some(
                command @ (Command::SetPrincipal(_)
                | Command::SetLimits(_)
                | Command::SetControl(_)
                | Command::SetGroup(_)
                | Command::SetListed(_)
                | Command::SetFactors(_)
                | Command::GrantLocate(_)
                | Command::KillSwitch(_)
                | Command::Enable(_)),
            ) => self.control(command, who, publisher),
            Some(Command::Decide(decide)) => self.decide(decide, who, publisher),
            Some(Command::CheckOrder(order)) => self.check_order(order, who, publisher),
            None => Err(Reject::of(RejectReason::UnknownCommand, record.kind.into())),
        };
        let ack = ack(record.kind, done);
        publisher.event(who, AccountId::NONE, InstrumentId::NONE, &Event::Ack(ack));
    }

    /// Does the next thing that a simulation asks for here; false if there is none.
    #[inline]
    fn suppose(&mut self, pause: Pause, publisher: &mut Publisher<'_>) -> bool {
        if !publisher.has_pauses {
            return false;
        }
        let at = self.arrived_at;
        let Some(supposed) = publisher.out.supposed(pause, at) else { return false };
        let Supposed { command, latency_ns, due_at } = supposed;
        let mut record = CommandRecord::new(command);
        record.ts_recv = self.now;
        self.arrived_at = due_at.unwrap_or(at);
        let latency_before = self.paper.set_recorded_latency(latency_ns);
        self.command(&record, publisher);
        self.paper.set_recorded_latency(latency_before);
        self.arrived_at = at;
        true
    }

    /// The last input applied.
    pub fn seq(&self) -> SeqNo {
        self.seq
    }

    /// The engine's time: the latest receive time of all inputs.
    pub fn now(&self) -> UnixNanos {
        self.now
    }

    /// When the next request that is on its way to the paper venue arrives there, or the next report from it here.
    pub fn next_arrival(&self) -> Option<UnixNanos> {
        let answer = self.answers.as_ref().and_then(|answers| answers.next_due());
        sooner(self.paper.next_due(), answer)
    }

    /// When the engine must be told the time at the latest: a request reaches the venue then, an order expires, a parent order
    /// goes on, or a report leaves.
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        let answer = self.answers.as_ref().and_then(|answers| answers.next_due());
        let due = self.due_at.min(answer.unwrap_or(UnixNanos::MAX));
        (due < UnixNanos::MAX).then_some(due)
    }

    /// When a request reaches the venue, an order expires, a parent order goes on or positions are to be closed.
    #[inline]
    fn next_deed(&self) -> Option<UnixNanos> {
        let of_venues = sooner(self.paper.next_due(), self.internal.next_due());
        let of_orders = sooner(self.expiries.next_due(), self.oms.next_algorithm_due());
        let of_scopes = sooner(self.next_flatten_due(), self.proposals.next_due());
        sooner(sooner(of_venues, of_orders), of_scopes)
    }

    /// Keeps [`Self::next_deed`] for the next input.
    #[inline]
    fn note_next_deed(&mut self) {
        self.due_at = self.next_deed().unwrap_or(UnixNanos::MAX);
    }

    /// The instruments.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Orders, accounts and positions.
    pub fn oms(&self) -> &Oms {
        &self.oms
    }

    /// Limits and exposures.
    pub fn risk(&self) -> &Risk {
        &self.risk
    }

    /// The paper venue.
    pub fn paper(&self) -> &PaperVenue {
        &self.paper
    }

    /// The live routes.
    pub fn routes(&self) -> &route::Routes {
        &self.routes
    }

    /// See [`PaperVenue::set_recorded_latency`]. For simulations only: what it changes is in no journal.
    pub fn set_recorded_latency(&mut self, latency_ns: Option<u64>) {
        self.paper.set_recorded_latency(latency_ns);
    }

    /// Puts limits in force at once, whoever would have to agree. For simulations only: what it changes is in no journal.
    ///
    /// # Errors
    /// As the command.
    pub fn set_supposed_limits(&mut self, limits: &SetLimits) -> Result<(), Reject> {
        self.risk.set_limits(limits)
    }

    /// Orders that wait for their stop price.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The markets of the house.
    pub fn internal(&self) -> &Internal {
        &self.internal
    }

    /// What was met that changed nothing.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The hash of the whole state. Books, markets, orders, accounts, positions and exposures keep theirs with each
    /// mutation; the short lists of the paper venue and the listing are hashed here.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = self
            .books
            .hash()
            .combined(self.oms.hash())
            .combined(self.risk.hash())
            .combined(self.paper.hash())
            .combined(self.waiting.hash())
            .combined(self.internal.hash())
            .combined(self.hash_of_assembling())
            .combined(self.routes.hash())
            .combined(self.hash_of_flattening())
            .combined(self.proposals.hash())
            .combined(self.listing.hash());
        if let Some(answers) = &self.answers {
            hash = hash.combined(answers.hash());
        }
        hash.add(hash_words(0x434f_5245, &[self.seq.0, self.now.0]));
        hash
    }
}

/// The sooner of two times, if there is one.
#[inline]
fn sooner(a: Option<UnixNanos>, b: Option<UnixNanos>) -> Option<UnixNanos> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(UnixNanos::MAX).min(b.unwrap_or(UnixNanos::MAX))),
    }
}

/// The answer to a command of `kind`.
fn ack(kind: u8, done: Result<u64, Reject>) -> Ack {
    let (value, reject) = match done {
        Ok(value) => (value, None),
        Err(reject) => (0, Some(reject)),
    };
    Ack {
        reject_limit: reject.map_or(0, |r| r.limit),
        reject_value: reject.map_or(0, |r| r.value),
        value,
        command_kind: kind,
        reject_reason: reject.map_or(0, |r| r.reason.wire()),
        reject_scope: reject.and_then(|r| r.scope).map_or(0, |scope| scope.wire()),
        reserved: [0; 5],
    }
}
