//! Parity: the orders of a live or paper journal through the simulator, and what sets the two apart, order by order, in
//! money.
//!
//! What is compared is fills. The simulator is the paper venue of the same core, with the market data that the journal
//! holds; each order, cancel and replace leaves at the time at which it left, and where an input led to several things, in
//! the same place among them. Nobody decides anew: a strategy that would have traded otherwise is not asked.
//!
//! The value of fills is cash in less cash out and less fees, with what is held because of them at the *mark*, the last price
//! of the journal. `difference = value of the actual fills - value of the simulated ones`, so below 0 the real order did worse.
//! It is the sum of six parts, exactly, which is asserted. They come from simulations that differ in one thing each:
//!
//! * **latency**: what changes when each request takes as long as it did, in place of what the simulator supposes. On a route
//!   that is the time to the first answer: it holds the way of the answer as well as that of the request, and so does what we
//!   see of the market then. On paper it is what the journal configures.
//! * **queue place**: what changes when resting orders have the place that they had. On paper the journal says which model gave
//!   it. On a route no place is told, so two simulations bound it: of a quantity that was not filled, what the last place of
//!   the queue would not have filled either; of a quantity that was filled beyond, what the first place would have filled as
//!   well. Among lots of several prices these are the last that are missing, and the first that are beyond.
//! * **slippage**: the difference of prices of what both filled, lot by lot in the order of execution, once latency and queue
//!   are as they were.
//! * **missed fills**: at the mark, lots that only the simulation filled and no queue place explains.
//! * **extra fills**: at the mark, lots that only the real order filled and no queue place explains.
//! * **fees**: the difference of what was charged, whatever its reason. The other parts are before fees.
//!
//! Start reading at [`compare`].

mod attribution;
mod moment;
mod recorded;
mod simulated;

pub use attribution::{Parts, Sum};
pub use recorded::{Fill, OrderRecord, Recording, Unfit, Venue};
pub use simulated::Rates;

use crate::core::Core;
use crate::replay::ReplayError;
use attribution::{Runs, attribute};
use simulated::{Outcome, Queue, Rules, Way, simulate};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_journal::JournalError;
use tidegate_model::command::SetFillModel;
use tidegate_model::{AccountId, InstrumentId, Money, OrderId};

/// Orders of one journal: more than a busy desk sends in a month, and a gigabyte of them.
pub const ORDERS_MAX: usize = 1 << 22;
/// Executions of one journal; half a gigabyte, and as much for each simulation that is kept.
pub const FILLS_MAX: usize = 1 << 23;

/// Why a journal cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParityError {
    /// It cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Too many orders.
    #[error("the journal has more than {ORDERS_MAX} orders")]
    TooManyOrders,
    /// Too many executions.
    #[error("the journal has more than {FILLS_MAX} executions")]
    TooManyFills,
    /// An order's money passes the integers.
    #[error("order {0}: prices and quantities are beyond what can be valued")]
    Overflow(OrderId),
    /// The journal is another one than it was a moment ago.
    #[error("the journal changed while it was read")]
    Changed,
    /// Orders and ledger do not agree.
    #[error(
        "account {account}, instrument {instrument}: its orders moved {orders} of cash (1e-18), the ledger says {ledger}"
    )]
    Ledger {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentId,
        /// By orders.
        orders: i128,
        /// By the ledger.
        ledger: i128,
    },
}

impl From<JournalError> for ParityError {
    fn from(error: JournalError) -> Self {
        Self::Replay(error.into())
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The journal is applied.
    Reading,
    /// Simulation so many of so many.
    Simulating(usize, usize),
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// With what.
    pub stage: Stage,
    /// Inputs done in this stage.
    pub inputs: u64,
}

/// What the simulator supposes. Without anything it supposes what the journal says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Nanoseconds from the gate to the venue, in place of the paper venue's in the journal.
    pub latency_ns: Option<u64>,
    /// How resting orders are filled, in place of what the journal sets.
    pub fill_model: Option<SetFillModel>,
    /// What is charged, in place of the journal's schedules.
    pub rates: Option<Rates>,
}

/// One order, what the simulator made of it, and what sets the two apart.
#[derive(Debug)]
pub struct Compared {
    /// Its place in [`Recording::orders`].
    pub order: usize,
    /// What the simulator filled.
    pub simulated: Vec<Fill>,
    /// What sets them apart.
    pub parts: Parts,
}

/// Orders that were compared, and those that could not be.
#[derive(Debug)]
pub struct Parity {
    /// What the journal tells.
    pub recording: Recording,
    /// Orders in the order of entry.
    pub compared: Vec<Compared>,
    /// Orders by their place in [`Recording::orders`], and why they could not be.
    pub unfit: Vec<(usize, Unfit)>,
    /// Simulations that were made.
    pub runs: usize,
}

/// Compares the orders of the journal in `dir` with what the simulator makes of them; `None` if it has no input.
///
/// # Errors
/// See [`ParityError`].
///
/// # Panics
/// If the parts of an order do not add up to its difference: a defect of this module.
pub fn compare(
    dir: &Path,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Parity>, ParityError> {
    let Some(recording) = Recording::read(dir, progress)? else { return Ok(None) };
    let rules = rules(&recording, settings);
    // Simulations that are the same are made once.
    let mut different: Vec<Rules> = Vec::new();
    for one in &rules {
        if !different.contains(one) {
            different.push(*one);
        }
    }
    let runs = different.len();
    let mut outcomes = Vec::with_capacity(runs);
    for (at, one) in different.iter().enumerate() {
        let stage = Stage::Simulating(at + 1, runs);
        outcomes.push(simulate(dir, &recording, *one, stage, progress)?);
    }
    let of = |rules: &Rules| {
        let at = different.iter().position(|other| other == rules).expect("each was made");
        &outcomes[at]
    };
    let [base, way, queue, last, first] = [0, 1, 2, 3, 4].map(|at| of(&rules[at]));
    let mut compared = Vec::new();
    let mut unfit = Vec::new();
    let sent = recording.orders.iter().enumerate().filter(|(_, order)| order.has_left);
    for (at, order) in sent {
        let refused = outcomes.iter().find_map(|outcomes: &Vec<Outcome>| outcomes.get(at)?.unfit);
        if let Some(why) = order.unfit.or(refused) {
            unfit.push((at, why));
            continue;
        }
        let runs = Runs {
            base: &base[at].fills,
            way: &way[at].fills,
            queue: &queue[at].fills,
            last: &last[at].fills,
            first: &first[at].fills,
        };
        let terms = &recording.instruments[order.instrument.index()];
        let mark = recording.marks[order.instrument.index()].expect("without one it is unfit");
        let parts =
            attribute(order, &runs, mark, terms).ok_or(ParityError::Overflow(order.order_id))?;
        compared.push(Compared { order: at, simulated: base[at].fills.clone(), parts });
    }
    Ok(Some(Parity { recording, compared, unfit, runs }))
}

/// The simulations: as supposed; with the latency that was; with the queue places that were, on paper; from the last place
/// and from the first one, on routes.
fn rules(recording: &Recording, settings: &Settings) -> [Rules; 5] {
    let queue = settings.fill_model.map_or(Queue::AsRecorded, Queue::Set);
    let way = Way::AsRecorded { else_ns: settings.latency_ns };
    let rates = settings.rates;
    let base = Rules { way: Way::Supposed(settings.latency_ns), queue, rates };
    let sent_on = |is: fn(&Venue) -> bool| {
        recording.orders.iter().any(|order| order.unfit.is_none() && is(&order.venue))
    };
    let has_routed = sent_on(|venue| matches!(venue, Venue::Route(_)));
    let has_paper = sent_on(|venue| matches!(venue, Venue::Paper));
    let of_way = match settings.latency_ns {
        None if !has_routed => base,
        _ => Rules { way, ..base },
    };
    let bound = |queue| if has_routed { Rules { queue, ..of_way } } else { of_way };
    let of_queue = if has_paper { Rules { queue: Queue::AsRecorded, ..of_way } } else { of_way };
    [base, of_way, of_queue, bound(Queue::Last), bound(Queue::First)]
}

/// Holds what orders executed against what was booked, by account and instrument:
/// `cash of executions - fees = realised - cost of the position - fees of it`.
fn check_ledger<'a>(
    core: &Core,
    orders: &[OrderRecord],
    booked: impl Fn(usize) -> (&'a [Fill], Money),
) -> Result<(), ParityError> {
    let mut cash: BTreeMap<(AccountId, InstrumentId), i128> = BTreeMap::new();
    for (at, order) in orders.iter().enumerate() {
        let terms = &core.listing()[order.instrument].instrument;
        let (fills, fees) = booked(at);
        let gross = attribution::cash_of(order.side, fills).and_then(|cash| terms.value_of(cash));
        let net = gross.and_then(|gross| gross.checked_sub(fees));
        let net = net.ok_or(ParityError::Overflow(order.order_id))?;
        let sum = cash.entry((order.account, order.instrument)).or_default();
        *sum = sum.checked_add(net.0).ok_or(ParityError::Overflow(order.order_id))?;
    }
    for ((account, instrument), orders) in cash {
        let position = core.oms().position(account, instrument);
        let ledger = position.realised.0 - position.cost.0 - position.fees.0;
        if orders != ledger {
            return Err(ParityError::Ledger { account, instrument, orders, ledger });
        }
    }
    Ok(())
}
