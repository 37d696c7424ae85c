//! A journal's orders through the paper venue, with the market data of the journal, each request at the time it was sent.

use super::moment::Steered;
use super::recorded::{Ask, Asked, Fill, Recording, Unfit, Venue};
use super::{ParityError, Progress, Stage};
use crate::core::output::Supposed;
use crate::core::{Core, Input};
use crate::replay::{Inputs, PROGRESS_EVERY, Recorded, configured};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use tidegate_model::command::{
    AssignFees, CancelOrder, CommandKind, Configure, FLAG_FILL_ON_TOUCH, FillModelKind, NewOrder,
    ReplaceOrder, SetFees, SetFillModel, SetLimits, Transfer,
};
use tidegate_model::event::{Event, ExecType};
use tidegate_model::ids::Code;
use tidegate_model::instrument::venue_kind;
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, Instrument, InstrumentId, Lots, Money,
    OrderId, SeqNo, Ticks, UnixNanos,
};

/// How long requests take to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// All the same, in nanoseconds; `None` is what the journal configures.
    Supposed(Option<u64>),
    /// On a route as long as it did, on paper as the journal configures.
    AsRecorded { else_ns: Option<u64> },
}

/// How resting orders are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// As the journal sets it.
    AsRecorded,
    /// By this, everywhere.
    Set(SetFillModel),
    /// From the last place of the queue: only what goes through the price.
    Last,
    /// From the first place: whatever trades at the price.
    First,
}

/// Fee rates in 1e-8 of the notional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of orders that rested; below 0 is a rebate.
    pub maker_e8: i64,
    /// Of orders that took.
    pub taker_e8: i64,
}

/// What a simulation goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub way: Way,
    pub queue: Queue,
    /// In place of the journal's schedules.
    pub rates: Option<Rates>,
}

/// What became of an order.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub fills: Vec<Fill>,
    pub unfit: Option<Unfit>,
}

/// Cash that every account has in each currency: no order of the journal is to fail for want of it, and 2^20 transfers of it
/// are within what the ledger counts.
const FUNDS: Money = Money(1 << 100);
/// Commands of orders, lists and algorithms that the engine has carried out: what left because of them is in the recording.
const LISTS: RangeInclusive<u8> = 50..=59;
/// What routes said.
const ROUTES: RangeInclusive<u8> = 75..=89;
/// The schedule of [`Rules::rates`].
const SCHEDULE: u32 = 1;

/// One simulation.
struct Simulation<'a> {
    rules: Rules,
    recording: &'a Recording,
    core: Core,
    out: Steered,
    outcomes: Vec<Outcome>,
    /// How many instruments have been given what the rules say.
    ruled: usize,
    /// Accounts that have been given cash of a currency.
    funded: BTreeSet<(AccountId, Code)>,
}

/// Simulates the orders of `recording`, which was read from `dir`, by `rules`; what became of each.
pub(super) fn simulate(
    dir: &Path,
    recording: &Recording,
    rules: Rules,
    stage: Stage,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Outcome>, ParityError> {
    let mut inputs = Inputs::open(dir)?;
    let mut simulation: Option<Simulation<'_>> = None;
    let mut asked = recording.asked.as_slice();
    let mut count = 0;
    // What an engine has appended since the journal was first read is left for another time.
    while count < recording.inputs
        && let Some((seq, recorded)) = inputs.next()?
    {
        let simulation = match &mut simulation {
            Some(simulation) => simulation,
            none => none.insert(Simulation::begin(recording, rules, &recorded)?),
        };
        if matches!(recorded, Recorded::Checkpoint(_)) {
            continue;
        }
        let here = asked.iter().take_while(|asked| asked.seq == seq).count();
        let (now, later) = asked.split_at(here);
        simulation.limit(seq);
        simulation.input(&recorded, now)?;
        asked = later;
        count += 1;
        if count.is_multiple_of(PROGRESS_EVERY) {
            progress(Progress { stage, inputs: count });
        }
    }
    let Some(simulation) = simulation else { return Ok(Vec::new()) };
    if recording.is_ledger_plain {
        super::check_ledger(&simulation.core, &recording.orders, |order| {
            let fills = simulation.outcomes[order].fills.as_slice();
            (fills, Money(fills.iter().map(|fill| fill.fee.0).sum()))
        })?;
    }
    Ok(simulation.outcomes)
}

impl<'a> Simulation<'a> {
    fn begin(
        recording: &'a Recording,
        rules: Rules,
        first: &Recorded,
    ) -> Result<Self, ParityError> {
        let configure = configured(first).ok_or(ParityError::Changed)?;
        let core = Core::new(configure).map_err(|_| ParityError::Changed)?;
        Ok(Self {
            rules,
            recording,
            core,
            out: Steered::new(),
            outcomes: vec![Outcome::default(); recording.orders.len()],
            ruled: 0,
            funded: BTreeSet::new(),
        })
    }

    /// One input of the journal, and the requests that it led to.
    fn input(&mut self, recorded: &Recorded, asked: &[Asked]) -> Result<(), ParityError> {
        let triggered = asked.iter().find(|asked| matches!(asked.ask, Ask::Triggered));
        self.core.set_recorded_latency(triggered.and_then(|asked| self.latency(asked)));
        self.ask(asked);
        match recorded {
            Recorded::Market(event) => {
                let seq = self.core.seq().next();
                self.core.apply(seq, Input::Market(event), &mut self.out);
                self.rule(event.ts_recv);
                self.ask_the_rest(event.ts_recv);
            }
            // What is under way when the day ends arrives before it does, and so does what follows from that.
            Recorded::Command(record) if record.kind == CommandKind::DayRoll.wire() => {
                self.ask_the_rest(record.ts_recv);
                self.set_up(record);
            }
            Recorded::Command(record) => {
                self.set_up(record);
                self.rule(record.ts_recv);
                self.ask_the_rest(record.ts_recv);
            }
            Recorded::Checkpoint(_) => {}
        }
        self.hear()
    }

    /// Makes requests of the input for which no place came.
    fn ask_the_rest(&mut self, at: UnixNanos) {
        if self.out.ends_with_the_rest() {
            self.command(Command::Time, at);
        }
    }

    /// Begins an input with the requests that are to be made in it.
    fn ask(&mut self, asked: &[Asked]) {
        self.out.begin();
        for one in asked {
            let (order, index) = (&self.recording.orders[one.order], one.order);
            if order.unfit.is_some() || self.was_refused(one) {
                continue;
            }
            let command = match one.ask {
                Ask::New(new) => {
                    Command::NewOrder(NewOrder { client_order_id: name_of(index), ..new })
                }
                Ask::Triggered => continue,
                Ask::Cancel => Command::CancelOrder(CancelOrder {
                    client_order_id: name_of(index),
                    order_id: OrderId(0),
                    account: order.account,
                    reserved: [0; 4],
                }),
                Ask::Replace { qty, price, stop_price } => {
                    replace(order.account, index, qty, price, stop_price)
                }
                Ask::Resized { qty, price } => {
                    replace(order.account, index, qty, price, Ticks::ZERO)
                }
            };
            // One whose stop price was reached as it came leaves at once.
            let left = asked.iter().rfind(|other| other.order == index && is_entry(other));
            let latency_ns = self.latency(left.filter(|_| is_entry(one)).unwrap_or(one));
            let due_at = one.moment.due_at;
            self.out.ask(one.moment, Supposed { command, latency_ns, due_at });
        }
    }

    /// How long a request takes, if not as long as the core is configured for.
    fn latency(&self, asked: &Asked) -> Option<u64> {
        if matches!(asked.ask, Ask::Resized { .. }) {
            return Some(0);
        }
        let Way::AsRecorded { else_ns } = self.rules.way else { return None };
        let Venue::Route(_) = self.recording.orders[asked.order].venue else { return None };
        let measured = asked.answered.map(|at| at.0.saturating_sub(asked.sent.0));
        measured.or(else_ns)
    }

    /// True if a venue behind a route refused a cancel or replace: whenever it came, it was too late.
    fn was_refused(&self, asked: &Asked) -> bool {
        let is_routed = matches!(self.recording.orders[asked.order].venue, Venue::Route(_));
        matches!(self.rules.way, Way::AsRecorded { .. }) && is_routed && asked.refused
    }

    fn command(&mut self, command: Command, at: UnixNanos) {
        let mut record = CommandRecord::new(command);
        record.ts_recv = at;
        let seq = self.core.seq().next();
        self.core.apply(seq, Input::Command(&record), &mut self.out);
    }

    /// A command of the journal, as far as it shapes the simulation: instruments are on paper, accounts are rich, and only
    /// the collar is left of limits, since it says how far a market order goes.
    fn set_up(&mut self, record: &CommandRecord) {
        let at = record.ts_recv;
        let command = record
            .command()
            .filter(|_| !LISTS.contains(&record.kind) && !ROUTES.contains(&record.kind));
        let command = match command {
            Some(Command::Configure(configure)) => Command::Configure(self.configured(configure)),
            Some(Command::DefineInstrument(terms)) => Command::DefineInstrument(on_paper(terms)),
            Some(Command::OpenAccount(open)) => {
                self.command(Command::OpenAccount(open), at);
                return self.fund(open.account, Code::EMPTY, at);
            }
            Some(Command::Transfer(transfer)) => {
                return self.fund(transfer.account, transfer.currency, at);
            }
            Some(Command::Convert(convert)) => return self.fund(convert.account, convert.to, at),
            Some(Command::SetFees(_) | Command::AssignFees(_)) if self.rules.rates.is_some() => {
                Command::Time
            }
            Some(Command::SetFillModel(_)) if self.rules.queue != Queue::AsRecorded => {
                Command::Time
            }
            // What is supposed is one constant for all of the way.
            Some(Command::SetLatency(_) | Command::AddLatencyPoints(_)) if self.is_supposed() => {
                Command::Time
            }
            Some(
                Command::NewOrder(_)
                | Command::CancelOrder(_)
                | Command::ReplaceOrder(_)
                | Command::MassCancel(_)
                | Command::SessionClosed
                | Command::KillSwitch(_)
                | Command::SetLimits(_)
                | Command::SetPrincipal(_)
                | Command::SetControl(_)
                | Command::SetGroup(_)
                | Command::SetListed(_)
                | Command::SetFactors(_)
                | Command::GrantLocate(_)
                | Command::Enable(_)
                | Command::Decide(_)
                | Command::CheckOrder(_)
                | Command::SetBorrow(_)
                | Command::ReportEquity(_),
            )
            | None => Command::Time,
            Some(other) => other,
        };
        self.command(command, at);
    }

    /// Limits that an input put in force, whoever had to agree to them.
    fn limit(&mut self, seq: SeqNo) {
        let at = self.recording.limits.partition_point(|(other, _)| *other < seq);
        let here = self.recording.limits[at..].iter().take_while(|(other, _)| *other == seq);
        for (_, limits) in here {
            let set = self.core.set_supposed_limits(&widened(limits));
            set.expect("the account is open, and the limits were in force");
        }
    }

    fn is_supposed(&self) -> bool {
        matches!(self.rules.way, Way::Supposed(Some(_)))
    }

    fn configured(&self, configure: Configure) -> Configure {
        let supposed = match self.rules.way {
            Way::Supposed(ns) => ns,
            Way::AsRecorded { .. } => None,
        };
        let paper_latency_ns = supposed.unwrap_or(configure.paper_latency_ns);
        Configure { paper_latency_ns, ..configure }
    }

    fn fund(&mut self, account: AccountId, currency: Code, at: UnixNanos) {
        let command = match self.funded.insert((account, currency)) {
            true => {
                Command::Transfer(Transfer { amount: FUNDS, account, currency, reserved: [0; 4] })
            }
            false => Command::Time,
        };
        self.command(command, at);
    }

    /// Gives instruments that are new what the rules say.
    fn rule(&mut self, at: UnixNanos) {
        while self.ruled < self.core.listing().count() {
            let instrument = InstrumentId(self.ruled as u32);
            let set = match self.rules.queue {
                Queue::AsRecorded => None,
                Queue::Set(set) => Some(set),
                Queue::Last => Some(quotes(0)),
                Queue::First => Some(quotes(FLAG_FILL_ON_TOUCH)),
            };
            if let Some(set) = set {
                self.command(Command::SetFillModel(SetFillModel { instrument, ..set }), at);
            }
            if let Some(Rates { maker_e8, taker_e8 }) = self.rules.rates {
                if self.ruled == 0 {
                    let set =
                        SetFees { schedule: SCHEDULE, maker_e8, taker_e8, ..SetFees::default() };
                    self.command(Command::SetFees(set), at);
                }
                let (account, schedule) = (AccountId::NONE, SCHEDULE);
                let assign = AssignFees { account, instrument, schedule, reserved: [0; 4] };
                self.command(Command::AssignFees(assign), at);
            }
            self.ruled += 1;
        }
    }

    /// Takes up what the state machine has said.
    fn hear(&mut self) -> Result<(), ParityError> {
        for record in self.out.drain() {
            let Some(Event::Execution(execution)) = record.event() else { continue };
            let Some(order) = index_of(&execution.client_order_id) else { continue };
            let outcome = self.outcomes.get_mut(order).ok_or(ParityError::Changed)?;
            match ExecType::from_wire(execution.exec_type) {
                Some(ExecType::Trade) => outcome.fills.push(Fill {
                    ts: record.ts,
                    price: execution.last_price,
                    qty: execution.last_qty,
                    fee: execution.fee,
                }),
                Some(ExecType::Rejected) if execution.order_id == OrderId(0) => {
                    outcome.unfit = execution.reject().map(Unfit::Refused);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn replace(
    account: AccountId,
    order: usize,
    qty: Lots,
    price: Ticks,
    stop_price: Ticks,
) -> Command {
    Command::ReplaceOrder(ReplaceOrder {
        client_order_id: name_of(order),
        order_id: OrderId(0),
        account,
        reserved: [0; 4],
        qty,
        price,
        stop_price,
    })
}

fn is_entry(asked: &Asked) -> bool {
    matches!(asked.ask, Ask::New(_) | Ask::Triggered)
}

/// The instrument on paper, with the terms and fees that it has.
fn on_paper(terms: Instrument) -> Instrument {
    match terms.is_routed() {
        true => Instrument { venue_kind: venue_kind::PAPER, route: 0, ..terms },
        false => terms,
    }
}

/// Limits that let through whatever the journal's let through.
fn widened(limits: &SetLimits) -> SetLimits {
    SetLimits {
        max_order_notional: Money::MAX,
        credit: FUNDS,
        max_order_qty: Lots::MAX,
        max_position: Lots::MAX,
        max_open_orders: u32::MAX,
        messages_per_sec: u32::MAX,
        message_burst: u32::MAX,
        ..*limits
    }
}

fn quotes(flags: u8) -> SetFillModel {
    SetFillModel { model: FillModelKind::Quotes.wire(), flags, ..SetFillModel::default() }
}

/// What an order is called in a simulation.
fn name_of(order: usize) -> ClientOrderId {
    ClientOrderId::new(&order.to_string()).expect("digits are a name")
}

fn index_of(name: &ClientOrderId) -> Option<usize> {
    name.as_str().parse().ok()
}
