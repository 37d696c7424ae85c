//! Markets for tests: inputs and reports in a short text form, the same for scenarios and for shrunk cases.
//!
//! ```text
//! new 1 buy limit 100 x10 day account=7 display=3      cancel 1            phase halt       bands 90 110
//! new 2 sell stop x4 stop=99 ioc                       replace 1 99 x5     time 5           bands none
//! new 3 buy pegged 105 x4 peg=primary-1                replace 2 x5 stop=98  mass_cancel account=7 buy   reference 100
//! ```
//!
//! The price is the limit; `x` goes before open quantity. A trade names maker and taker (`trade 1x2 100 x4`), that of an
//! auction buyer and seller (`cross 1x2 100 x4`). Behind a reject's reason stand its limit and its value.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod text;

use std::fmt;
use tidegate_engine::matching::{
    Entry, Indicative, NaiveMarket, Phase, Queued, Reports, SingleMarket, Trade,
};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::StateHash;
use tidegate_model::{AccountId, Lots, Reject, Side, Ticks, UnixNanos};

/// What a market is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    New(Entry),
    Cancel(u32),
    Replace { handle: u32, leaves: Lots, price: Ticks, stop_price: Option<Ticks> },
    MassCancel { account: Option<AccountId>, side: Option<Side> },
    Phase(Phase),
    Time(UnixNanos),
    Bands(Option<(Ticks, Ticks)>),
    Reference(Ticks),
}

/// What a market reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Accepted(u32, Ticks),
    Trade(Trade),
    Canceled(u32, Lots, CancelReason),
    Replaced(u32, Ticks, Lots),
    Triggered(u32, Ticks),
    Rejected(u32, Reject),
    Refused(u32, Reject),
    Phase(Phase),
    Indicative(Indicative),
}

/// Keeps every report.
#[derive(Debug, Default)]
pub struct Recorder(pub Vec<Report>);

impl Reports for Recorder {
    fn accepted(&mut self, handle: u32, price: Ticks) {
        self.0.push(Report::Accepted(handle, price));
    }
    fn trade(&mut self, trade: &Trade) {
        self.0.push(Report::Trade(*trade));
    }
    fn canceled(&mut self, handle: u32, qty: Lots, reason: CancelReason) {
        self.0.push(Report::Canceled(handle, qty, reason));
    }
    fn replaced(&mut self, handle: u32, price: Ticks, leaves: Lots) {
        self.0.push(Report::Replaced(handle, price, leaves));
    }
    fn triggered(&mut self, handle: u32, price: Ticks) {
        self.0.push(Report::Triggered(handle, price));
    }
    fn rejected(&mut self, handle: u32, reject: Reject) {
        self.0.push(Report::Rejected(handle, reject));
    }
    fn refused(&mut self, handle: u32, reject: Reject) {
        self.0.push(Report::Refused(handle, reject));
    }
    fn phase(&mut self, phase: Phase) {
        self.0.push(Report::Phase(phase));
    }
    fn indicative(&mut self, indicative: Indicative) {
        self.0.push(Report::Indicative(indicative));
    }
}

/// One instrument's market, however it is built.
pub trait Matching {
    /// An empty one in continuous trading.
    fn new(increment: Ticks) -> Self;
    /// Hands it one input.
    fn apply(&mut self, input: &Input, out: &mut Recorder);
    /// The displayed book, best first: price, lots, orders.
    fn levels(&self, side: Side) -> Vec<(Ticks, Lots, u32)>;
    /// The displayed orders in their turn.
    fn queued(&self, side: Side) -> Vec<Queued>;
    fn phase(&self) -> Phase;
    fn last(&self) -> Option<Ticks>;
    fn indicative(&self) -> Indicative;
    /// The open quantity of a live order.
    fn open(&self, handle: u32) -> Option<Lots>;
    /// What rests at a price, displayed or not, and the fewest lots that one execution takes; where that can be asked.
    fn interest(&self) -> Vec<(u32, Ticks, Lots)> {
        Vec::new()
    }
    fn state_hash(&self) -> StateHash;

    /// Hands it one input and gives what it reports.
    fn report(&mut self, input: &Input) -> Vec<Report> {
        let mut out = Recorder::default();
        self.apply(input, &mut out);
        out.0
    }
}

macro_rules! matching {
    ($market:ty { $($more:item)* }) => {
        impl Matching for $market {
    fn new(increment: Ticks) -> Self {
        Self::new(increment)
    }

    fn apply(&mut self, input: &Input, out: &mut Recorder) {
        match *input {
            Input::New(entry) => self.enter(&entry, out),
            Input::Cancel(handle) => self.cancel(handle, out),
            Input::Replace { handle, leaves, price, stop_price } => {
                self.replace(handle, leaves, price, stop_price, out);
            }
            Input::MassCancel { account, side } => self.mass_cancel(account, side, out),
            Input::Phase(phase) => self.set_phase(phase, out),
            Input::Time(now) => self.set_time(now, out),
            Input::Bands(bands) => self.set_bands(bands, out),
            Input::Reference(price) => self.set_reference(price, out),
        }
    }

    fn levels(&self, side: Side) -> Vec<(Ticks, Lots, u32)> {
        self.levels(side)
    }

    fn queued(&self, side: Side) -> Vec<Queued> {
        self.queued(side)
    }

    fn phase(&self) -> Phase {
        self.phase()
    }

    fn last(&self) -> Option<Ticks> {
        self.last()
    }

    fn indicative(&self) -> Indicative {
        self.indicative()
    }

    fn open(&self, handle: u32) -> Option<Lots> {
        self.open(handle)
    }

    $($more)*

    fn state_hash(&self) -> StateHash {
        self.state_hash()
    }
}
    };
}

matching!(NaiveMarket {
    fn interest(&self) -> Vec<(u32, Ticks, Lots)> {
        self.interest()
    }
});
matching!(SingleMarket {});

/// The displayed book in one line, as a scenario writes it.
pub fn book(market: &impl Matching) -> String {
    let side = |side| {
        let levels = market.levels(side);
        let text = |&(price, qty, orders): &(Ticks, Lots, u32)| match orders {
            1 => format!(" {price}x{qty}"),
            _ => format!(" {price}x{qty}/{orders}"),
        };
        levels.iter().map(text).collect::<String>()
    };
    format!("buy{} sell{}", side(Side::Buy), side(Side::Sell))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusal =
            |reject: &Reject| format!("{} {}/{}", reject.reason, reject.limit, reject.value);
        match self {
            Self::Accepted(handle, Ticks(0)) => write!(f, "accepted {handle}"),
            Self::Accepted(handle, price) => write!(f, "accepted {handle} {price}"),
            Self::Trade(trade) => {
                let word = if trade.auction { "cross" } else { "trade" };
                let Trade { maker, taker, price, qty, .. } = trade;
                write!(f, "{word} {maker}x{taker} {price} x{qty}")
            }
            Self::Canceled(handle, qty, reason) => write!(f, "canceled {handle} x{qty} {reason}"),
            Self::Replaced(handle, Ticks(0), leaves) => write!(f, "replaced {handle} x{leaves}"),
            Self::Replaced(handle, price, leaves) => {
                write!(f, "replaced {handle} {price} x{leaves}")
            }
            Self::Triggered(handle, _) => write!(f, "triggered {handle}"),
            Self::Rejected(handle, reject) => write!(f, "rejected {handle} {}", refusal(reject)),
            Self::Refused(handle, reject) => write!(f, "refused {handle} {}", refusal(reject)),
            Self::Phase(phase) => write!(f, "phase {phase}"),
            Self::Indicative(indicative) => {
                let Indicative { price, qty, imbalance, side } = indicative;
                match price {
                    None => write!(f, "indicative none"),
                    Some(price) => write!(f, "indicative {price} x{qty} {side} {imbalance}"),
                }
            }
        }
    }
}

/// Reports in one line, as a scenario writes them.
pub fn told(reports: &[Report]) -> String {
    reports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
