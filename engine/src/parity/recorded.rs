//! What a journal tells of orders: what left for the venue and when, when it was answered, and what was filled.

use super::moment::{Happened, Moment};
use super::{FILLS_MAX, ORDERS_MAX, ParityError, Progress, Stage};
use crate::core::Core;
use crate::replay::{Inputs, PROGRESS_EVERY, Recorded, Replayed};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_model::command::{
    CorporateActionKind, NewOrder, OrderType, ROUTES_MAX, ReplaceOrder, RouteReport,
    RouteReportKind, SetLimits,
};
use tidegate_model::event::{CancelReason, Event, ExecType, Execution};
use tidegate_model::market::MarketEventKind;
use tidegate_model::{
    AccountId, ClientOrderId, Command, EventRecord, Instrument, InstrumentId, Lots, MarketEvent,
    Money, OrderId, Reject, SeqNo, SessionId, Side, StateHash, Ticks, UnixNanos,
};
use tidegate_oms::{Order, OrderSlot, PendingReplace, Place, Requester};

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// When, on the engine's clock.
    pub ts: UnixNanos,
    /// At what price.
    pub price: Ticks,
    /// How much.
    pub qty: Lots,
    /// What it cost; below 0 is a rebate.
    pub fee: Money,
}

/// Why an order cannot be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It was traded in a market of the house, whose other orders are the market.
    Internal,
    /// The journal has no market data of its instrument.
    NoData,
    /// There is no last trade and no best price to value a difference at.
    NoMark,
    /// The instrument was split: lots before and after it are not the same.
    Split,
    /// One of its executions was taken back or put right later.
    Amended,
    /// The simulation's gate refused it.
    Refused(Reject),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Internal => {
                f.write_str("traded in a market of the house: no feed tells what it would have met")
            }
            Self::NoData => f.write_str("the journal has no market data of its instrument"),
            Self::NoMark => f.write_str("the journal has no price of its instrument"),
            Self::Split => f.write_str("its instrument was split"),
            Self::Amended => f.write_str("one of its executions was taken back or put right"),
            Self::Refused(reject) => write!(f, "the simulation refused it: {reject}"),
        }
    }
}

/// Where an order went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// The paper venue.
    Paper,
    /// A market of the house.
    Internal,
    /// A live route, by its number.
    Route(u8),
}

/// One order as the journal has it.
#[derive(Clone, Debug)]
pub struct OrderRecord {
    /// The engine's number.
    pub order_id: OrderId,
    /// The client's name.
    pub client_order_id: ClientOrderId,
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// OrderQty as entered.
    pub qty: Lots,
    /// Limit price as entered; 0 without.
    pub price: Ticks,
    /// Where.
    pub venue: Venue,
    /// When it passed the gate.
    pub entered: UnixNanos,
    /// From its sending to the first answer.
    pub latency_ns: Option<u64>,
    /// Its executions, in order; the fee is what the venue charged, if the route tells that, else what was booked.
    pub fills: Vec<Fill>,
    /// Fees booked by the engine.
    pub booked_fees: Money,
    /// It went to its venue. The parent of an algorithm does not, and the leg of a list may end before.
    pub has_left: bool,
    /// Why it cannot be simulated, if it cannot.
    pub unfit: Option<Unfit>,
}

impl OrderRecord {
    fn blank(entered: UnixNanos) -> Self {
        Self {
            order_id: OrderId(0),
            client_order_id: ClientOrderId::EMPTY,
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            side: Side::Buy,
            qty: Lots::ZERO,
            price: Ticks::ZERO,
            venue: Venue::Paper,
            entered,
            latency_ns: None,
            fills: Vec::new(),
            booked_fees: Money::ZERO,
            has_left: false,
            unfit: None,
        }
    }
}

/// What left for a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A new order, or one that waits for its stop price.
    New(NewOrder),
    /// An order that waited, by itself.
    Triggered,
    /// A cancel.
    Cancel,
    /// New terms.
    Replace { qty: Lots, price: Ticks, stop_price: Ticks },
    /// Another quantity, which the engine gave it for the sake of other legs of its list. It is known when it has arrived.
    Resized { qty: Lots, price: Ticks },
}

/// One request, in the order of sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The input that led to it.
    pub seq: SeqNo,
    /// When, within that input.
    pub moment: Moment,
    /// The order, as an index.
    pub order: usize,
    pub ask: Ask,
    pub sent: UnixNanos,
    pub answered: Option<UnixNanos>,
    /// The answer was no: whatever it asked for never was.
    pub refused: bool,
    /// Whose request, and its number: a refusal names them.
    who: (SessionId, u64),
}

/// What a journal tells.
#[derive(Debug)]
pub struct Recording {
    /// Orders that passed the gate, in the order of entry.
    pub orders: Vec<OrderRecord>,
    /// New orders that did not, by reason: they are in neither world.
    pub refused: BTreeMap<&'static str, u64>,
    /// Instruments, by number.
    pub instruments: Vec<Instrument>,
    /// By instrument: its last trade, else the middle of its book, at the end.
    pub marks: Vec<Option<Ticks>>,
    /// Time of the first input and of the last.
    pub span: (UnixNanos, UnixNanos),
    /// Inputs.
    pub inputs: u64,
    /// State hashes that were compared, all equal.
    pub checkpoints: u64,
    /// The hash after the last input.
    pub state_hash: StateHash,
    /// Latency of the paper venue, as first configured.
    pub latency_ns: u64,
    /// By route: it tells what its venue charges.
    pub tells_fees: [bool; ROUTES_MAX],
    pub(super) asked: Vec<Asked>,
    /// Limits that were put in force, with the input that did: it may be a second person's decision.
    pub(super) limits: Vec<(SeqNo, SetLimits)>,
    /// What was booked in positions is what orders executed, and nothing else.
    pub(super) is_ledger_plain: bool,
}

/// What is known of an order only while the journal is read.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// It came without a command of its own, and has not left yet.
    is_held: bool,
    /// OrderQty as last told.
    qty: Lots,
    /// Requests without an answer, as indexes: the order itself, its cancel, its replace.
    unanswered: [Option<usize>; 3],
}

const NEW: usize = 0;
const CANCEL: usize = 1;
const REPLACE: usize = 2;

struct Reading {
    orders: Vec<OrderRecord>,
    open: Vec<Open>,
    index: BTreeMap<OrderId, usize>,
    asked: Vec<Asked>,
    /// Fees that venues told, beside the fills that have them: order, fill, fee.
    told_fees: Vec<(usize, usize, Money)>,
    fills: usize,
    refused: BTreeMap<&'static str, u64>,
    has_data: Vec<bool>,
    splits: Vec<InstrumentId>,
    limits: Vec<(SeqNo, SetLimits)>,
    is_ledger_plain: bool,
    /// The new terms that the input asks for.
    replacing: Option<ReplaceOrder>,
    /// Where in the input the event is that is read.
    moment: Moment,
}

impl Recording {
    /// Reads the journal in `dir` and applies it; `None` if it has no input.
    ///
    /// # Errors
    /// See [`ParityError`].
    pub fn read(
        dir: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Self>, ParityError> {
        let mut inputs = Inputs::open(dir)?;
        let Some((seq, first)) = inputs.next()? else { return Ok(None) };
        let mut replayed = Replayed::begin(&first)?;
        let latency_ns = crate::replay::configured(&first).map_or(0, |c| c.paper_latency_ns);
        let mut out = Happened::new();
        let mut reading = Reading::new();
        replayed.apply(seq, &first, &mut out)?;
        let began = replayed.core.now();
        while let Some((seq, recorded)) = inputs.next()? {
            replayed.apply(seq, &recorded, &mut out)?;
            reading.input(&replayed.core, seq, &recorded, &mut out)?;
            if replayed.inputs.is_multiple_of(PROGRESS_EVERY) {
                progress(Progress { stage: Stage::Reading, inputs: replayed.inputs });
            }
        }
        reading.finish(replayed, began, latency_ns).map(Some)
    }
}

impl Reading {
    fn new() -> Self {
        Self {
            orders: Vec::new(),
            open: Vec::new(),
            index: BTreeMap::new(),
            asked: Vec::new(),
            told_fees: Vec::new(),
            fills: 0,
            refused: BTreeMap::new(),
            has_data: Vec::new(),
            splits: Vec::new(),
            is_ledger_plain: true,
            limits: Vec::new(),
            replacing: None,
            moment: Moment::FIRST,
        }
    }

    fn input(
        &mut self,
        core: &Core,
        seq: SeqNo,
        recorded: &Recorded,
        out: &mut Happened,
    ) -> Result<(), ParityError> {
        let command = match recorded {
            Recorded::Market(event) => {
                self.note_data(core, event);
                None
            }
            Recorded::Command(record) => record.command(),
            Recorded::Checkpoint(_) => return Ok(()),
        };
        let mut events = std::mem::take(&mut out.events);
        // What was due comes before the command.
        self.replacing = None;
        let due = events.iter().take_while(|(moment, _)| moment.due_at.is_some()).count();
        for (moment, record) in events.drain(..due) {
            self.moment = moment;
            self.event(core, seq, &record, (None, None))?;
        }
        self.moment = Moment::OF_INPUT;
        let (mut told_fee, mut answer) = (None, None);
        self.replacing = match command {
            Some(Command::ReplaceOrder(replace)) => Some(replace),
            _ => None,
        };
        match command {
            // The leg of a list is told when the list is whole, as the engine's own.
            Some(Command::NewOrder(new)) if new.list_id == 0 && new.leg == 0 => {
                self.entered(core, seq, &new)?;
            }
            Some(Command::RouteReport(report)) => {
                told_fee = fee_of(&report);
                answer = RouteReportKind::from_wire(report.kind);
            }
            Some(Command::CorporateAction(action)) => {
                if action.kind == CorporateActionKind::Split.wire() {
                    self.splits.push(action.instrument);
                }
                self.is_ledger_plain = false;
            }
            Some(Command::Settle(_)) => self.is_ledger_plain = false,
            _ => {}
        }
        for (moment, record) in events.drain(..) {
            self.moment = moment;
            self.event(core, seq, &record, (told_fee, answer))?;
        }
        out.events = events;
        Ok(())
    }

    /// One event of the input; the fee that a route's report told, and what kind of report it was.
    fn event(
        &mut self,
        core: &Core,
        seq: SeqNo,
        record: &EventRecord,
        (told_fee, answer): (Option<Money>, Option<RouteReportKind>),
    ) -> Result<(), ParityError> {
        match record.event() {
            Some(Event::Execution(execution)) => {
                self.execution(core, seq, record, &execution, told_fee)?;
            }
            Some(Event::CancelReject(execution)) => self.refusal(record, &execution, answer),
            Some(Event::Limits(limits)) => self.limits.push((seq, limits)),
            _ => {}
        }
        Ok(())
    }

    /// Notes of which instruments there is a market.
    fn note_data(&mut self, core: &Core, event: &MarketEvent) {
        let of_market = !matches!(
            event.kind(),
            None | Some(
                MarketEventKind::Status
                    | MarketEventKind::Definition
                    | MarketEventKind::Clear
                    | MarketEventKind::Gap
                    | MarketEventKind::System
            )
        );
        if of_market && let Some(id) = core.listing().by_channel(event.channel_id) {
            if self.has_data.len() <= id.index() {
                self.has_data.resize(id.index() + 1, false);
            }
            self.has_data[id.index()] = true;
        }
    }

    /// A new order was asked for: if it was let in, it goes to the simulation as it was asked for.
    fn entered(&mut self, core: &Core, seq: SeqNo, new: &NewOrder) -> Result<(), ParityError> {
        let found = core.oms().find(new.account, OrderId(0), &new.client_order_id);
        let Ok(slot) = found else { return Ok(()) };
        if self.index.contains_key(&core.oms().order(slot).order_id) {
            return Ok(());
        }
        let order = self.add(core, slot)?;
        self.left(seq, order, *new, core, slot);
        Ok(())
    }

    fn add(&mut self, core: &Core, slot: OrderSlot) -> Result<usize, ParityError> {
        let (order, entered) = (core.oms().order(slot), core.oms().entered(slot));
        let told = core.oms().execution(slot).qty;
        let (account, instrument) = (order.account, order.instrument);
        self.keep(
            core,
            told,
            OrderRecord {
                order_id: order.order_id,
                client_order_id: order.client_order_id,
                account,
                instrument,
                side: order.side,
                qty: entered.qty,
                price: entered.price,
                ..OrderRecord::blank(core.now())
            },
        )
    }

    /// An order of which there is nothing but reports.
    fn add_told(
        &mut self,
        core: &Core,
        record: &EventRecord,
        execution: &Execution,
    ) -> Result<usize, ParityError> {
        self.keep(
            core,
            execution.qty,
            OrderRecord {
                order_id: execution.order_id,
                client_order_id: execution.client_order_id,
                account: record.account,
                instrument: record.instrument,
                side: Side::from_wire(execution.side).unwrap_or(Side::Buy),
                qty: execution.qty,
                price: execution.price,
                ..OrderRecord::blank(core.now())
            },
        )
    }

    fn keep(
        &mut self,
        core: &Core,
        qty: Lots,
        mut order: OrderRecord,
    ) -> Result<usize, ParityError> {
        if self.orders.len() == ORDERS_MAX {
            return Err(ParityError::TooManyOrders);
        }
        let terms = &core.listing()[order.instrument].instrument;
        order.venue = match terms {
            terms if terms.is_internal() => Venue::Internal,
            terms if terms.is_routed() => Venue::Route(terms.route),
            _ => Venue::Paper,
        };
        order.unfit = (order.venue == Venue::Internal).then_some(Unfit::Internal);
        self.index.insert(order.order_id, self.orders.len());
        self.open.push(Open { qty, ..Open::default() });
        self.orders.push(order);
        Ok(self.orders.len() - 1)
    }

    /// A new order leaves, by a command or by the engine's own will.
    fn left(&mut self, seq: SeqNo, order: usize, new: NewOrder, core: &Core, slot: OrderSlot) {
        let who = core.oms().order(slot).who;
        self.orders[order].has_left = true;
        self.asked(Asked {
            seq,
            moment: self.moment,
            order,
            ask: Ask::New(new),
            sent: core.now(),
            answered: None,
            refused: false,
            who: (who.session, who.request_id),
        });
    }

    fn asked(&mut self, asked: Asked) {
        let kind = match asked.ask {
            Ask::New(_) | Ask::Triggered => NEW,
            Ask::Cancel => CANCEL,
            Ask::Replace { .. } | Ask::Resized { .. } => REPLACE,
        };
        self.open[asked.order].unanswered[kind] = Some(self.asked.len());
        self.asked.push(asked);
    }

    fn answer(&mut self, order: usize, kind: usize, at: UnixNanos) -> bool {
        let Some(asked) = self.open[order].unanswered[kind].take() else { return false };
        let asked = &mut self.asked[asked];
        asked.answered = Some(at);
        if kind == NEW {
            self.orders[order].latency_ns = Some(at.0.saturating_sub(asked.sent.0));
        }
        true
    }

    fn execution(
        &mut self,
        core: &Core,
        seq: SeqNo,
        record: &EventRecord,
        execution: &Execution,
        told_fee: Option<Money>,
    ) -> Result<(), ParityError> {
        let Some(exec_type) = ExecType::from_wire(execution.exec_type) else { return Ok(()) };
        if execution.order_id == OrderId(0) {
            if let Some(reject) = execution.reject() {
                *self.refused.entry(reject.reason.as_str()).or_default() += 1;
            }
            return Ok(());
        }
        let slot = core.oms().by_id(execution.order_id);
        let order = match (self.index.get(&execution.order_id), slot) {
            (Some(&order), _) => order,
            // The engine's own: a leg of a list, the child of an algorithm.
            (None, Some(slot)) => {
                let order = self.add(core, slot)?;
                self.open[order].is_held = true;
                order
            }
            // It came and went within this input, as the day ended.
            (None, None) if record.instrument == InstrumentId::NONE => return Ok(()),
            (None, None) => {
                let order = self.add_told(core, record, execution)?;
                self.orders[order].has_left = true;
                let Requester { session, request_id, .. } = Requester::default();
                self.asked(Asked {
                    seq,
                    moment: self.moment,
                    order,
                    ask: Ask::New(as_told(record, execution)),
                    sent: core.now(),
                    answered: None,
                    refused: false,
                    who: (session, request_id),
                });
                order
            }
        };
        if let Some(slot) = slot
            && self.open[order].is_held
            && core.oms().order(slot).place == Place::Venue
        {
            self.open[order].is_held = false;
            self.left(seq, order, plain(core, slot), core, slot);
        }
        match exec_type {
            ExecType::Trade => {
                self.answer(order, NEW, record.ts);
                self.fill(order, record, execution, told_fee)
            }
            _ => {
                let slot = slot.map(|slot| core.oms().order(slot));
                self.changed(seq, order, exec_type, slot, record, execution);
                Ok(())
            }
        }
    }

    /// A report of anything but an execution: a request, or the answer to one.
    fn changed(
        &mut self,
        seq: SeqNo,
        order: usize,
        exec_type: ExecType,
        now: Option<&Order>,
        record: &EventRecord,
        execution: &Execution,
    ) {
        let at = record.ts;
        let moment = self.moment;
        let ask = |ask| Asked {
            seq,
            moment,
            order,
            ask,
            sent: at,
            answered: None,
            refused: false,
            who: (record.session, record.request_id),
        };
        match exec_type {
            ExecType::New if now.is_some_and(|order| order.place == Place::Waiting) => {}
            ExecType::New | ExecType::Rejected => _ = self.answer(order, NEW, at),
            // The answer to its command came when it began to wait.
            ExecType::Triggered => self.asked(ask(Ask::Triggered)),
            ExecType::PendingCancel => self.asked(ask(Ask::Cancel)),
            ExecType::Canceled => {
                self.answer(order, NEW, at);
                let reason = CancelReason::from_wire(execution.cancel_reason);
                if !self.answer(order, CANCEL, at) && reason.is_some_and(is_asked_for) {
                    self.asked(ask(Ask::Cancel));
                    self.answer(order, CANCEL, at);
                }
            }
            ExecType::PendingReplace => {
                if let Some(asked) = now.and_then(|order| order.replace) {
                    let PendingReplace { qty, price, stop_price, .. } = asked;
                    self.asked(ask(Ask::Replace { qty, price, stop_price }));
                }
            }
            ExecType::Replaced if self.answer(order, REPLACE, at) => {}
            ExecType::Replaced => {
                let terms = match self.replacing {
                    Some(ReplaceOrder { qty, price, stop_price, .. }) => {
                        Ask::Replace { qty, price, stop_price }
                    }
                    None => Ask::Resized { qty: execution.qty, price: execution.price },
                };
                self.asked(ask(terms));
                self.answer(order, REPLACE, at);
            }
            // That a venue behind a route gives an order other terms unasked is not for the simulation to do.
            ExecType::Restated if matches!(self.orders[order].venue, Venue::Route(_)) => {}
            ExecType::Restated if execution.qty != self.open[order].qty => {
                let Execution { qty, price, .. } = *execution;
                self.asked(ask(Ask::Resized { qty, price }));
                self.answer(order, REPLACE, at);
            }
            ExecType::TradeCancel | ExecType::TradeCorrect => {
                self.orders[order].unfit = Some(Unfit::Amended);
                self.is_ledger_plain = false;
            }
            _ => {}
        }
        self.open[order].qty = execution.qty;
    }

    fn fill(
        &mut self,
        order: usize,
        record: &EventRecord,
        execution: &Execution,
        told_fee: Option<Money>,
    ) -> Result<(), ParityError> {
        if self.fills == FILLS_MAX {
            return Err(ParityError::TooManyFills);
        }
        self.fills += 1;
        let Execution { last_price: price, last_qty: qty, fee, .. } = *execution;
        let booked = &mut self.orders[order];
        if let Some(told) = told_fee {
            self.told_fees.push((order, booked.fills.len(), told));
        }
        booked.fills.push(Fill { ts: record.ts, price, qty, fee });
        booked.booked_fees =
            booked.booked_fees.checked_add(fee).ok_or(ParityError::Overflow(booked.order_id))?;
        Ok(())
    }

    /// A cancel or replace that was under way was refused, which is its answer: by a route's report, or by name.
    fn refusal(
        &mut self,
        record: &EventRecord,
        execution: &Execution,
        answer: Option<RouteReportKind>,
    ) {
        let Some(&order) = self.index.get(&execution.order_id) else { return };
        let who = (record.session, record.request_id);
        for kind in [CANCEL, REPLACE] {
            let Some(asked) = self.open[order].unanswered[kind] else { continue };
            let is_meant = match answer {
                Some(RouteReportKind::ReplaceRejected) => kind == REPLACE,
                Some(_) => true,
                None => self.asked[asked].who == who,
            };
            if is_meant {
                self.asked[asked].refused = true;
                self.answer(order, kind, record.ts);
                return;
            }
        }
    }

    fn finish(
        mut self,
        replayed: Replayed,
        began: UnixNanos,
        latency_ns: u64,
    ) -> Result<Recording, ParityError> {
        let core = &replayed.core;
        let ids = || (0..core.listing().count() as u32).map(InstrumentId);
        let marks: Vec<_> = ids().map(|id| core.reference(id)).collect();
        let mut tells_fees = [false; ROUTES_MAX];
        for (order, _, fee) in &self.told_fees {
            if let Venue::Route(route) = self.orders[*order].venue {
                tells_fees[usize::from(route)] |= *fee != Money::ZERO;
            }
        }
        if self.is_ledger_plain {
            super::check_ledger(core, &self.orders, |order| {
                (self.orders[order].fills.as_slice(), self.orders[order].booked_fees)
            })?;
        }
        for &(order, fill, fee) in &self.told_fees {
            if let Venue::Route(route) = self.orders[order].venue
                && tells_fees[usize::from(route)]
            {
                self.orders[order].fills[fill].fee = fee;
            }
        }
        for order in &mut self.orders {
            let id = order.instrument;
            let has_data = self.has_data.get(id.index()).is_some_and(|has| *has);
            let why = match () {
                () if !has_data => Some(Unfit::NoData),
                () if marks[id.index()].is_none() => Some(Unfit::NoMark),
                () if self.splits.contains(&id) => Some(Unfit::Split),
                () => None,
            };
            order.unfit = order.unfit.or(why);
        }
        Ok(Recording {
            orders: self.orders,
            refused: self.refused,
            instruments: ids().map(|id| core.listing()[id].instrument).collect(),
            marks,
            span: (began, core.now()),
            inputs: replayed.inputs,
            checkpoints: replayed.checkpoints,
            state_hash: core.state_hash(),
            latency_ns,
            tells_fees,
            asked: self.asked,
            is_ledger_plain: self.is_ledger_plain,
            limits: self.limits,
        })
    }
}

/// The fee that a venue told with an execution.
fn fee_of(report: &RouteReport) -> Option<Money> {
    (report.kind == RouteReportKind::Executed.wire()).then_some(report.fee)
}

/// An order of the engine's own as it goes to its venue: what it waited for has happened.
fn plain(core: &Core, slot: OrderSlot) -> NewOrder {
    let (order, entered) = (core.oms().order(slot), core.oms().entered(slot));
    let is_market = order.order_type.is_market() || order.price == Ticks::ZERO;
    let order_type = if is_market { OrderType::Market } else { OrderType::Limit };
    NewOrder {
        order_type: order_type.wire(),
        price: if is_market { Ticks::ZERO } else { order.price },
        qty: core.oms().execution(slot).qty,
        list_id: 0,
        leg: 0,
        stop_price: Ticks::ZERO,
        trail: 0,
        trail_unit: 0,
        offset: Ticks::ZERO,
        ..entered
    }
}

/// As [`plain`], of an order of which there is nothing but a report.
fn as_told(record: &EventRecord, execution: &Execution) -> NewOrder {
    let is_market = execution.price == Ticks::ZERO;
    let order_type = if is_market { OrderType::Market } else { OrderType::Limit };
    NewOrder {
        account: record.account,
        instrument: record.instrument,
        side: execution.side,
        order_type: order_type.wire(),
        time_in_force: execution.time_in_force,
        qty: execution.qty,
        price: execution.price,
        ..NewOrder::BLANK
    }
}

/// True if an order ends so because somebody, or the engine, wanted it to; false if the venue's rules ended it, which the
/// simulation's do as well.
fn is_asked_for(reason: CancelReason) -> bool {
    use CancelReason as Reason;
    !matches!(
        reason,
        Reason::Ioc
            | Reason::Fok
            | Reason::NoLiquidity
            | Reason::CannotBook
            | Reason::MinQty
            | Reason::SelfTrade
            | Reason::Expired
            | Reason::PriceBand
            | Reason::LostAtVenue
            | Reason::AtVenue
    )
}
