//! What a backtest leaves behind: fills, orders by their end, round trips, and the equity over time.

use super::fills::{FillLog, Pending};
use super::trips::Trips;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_engine::backtest::Observer;
use tidegate_engine::core::Core;
use tidegate_model::command::FillModelKind;
use tidegate_model::event::{CancelReason, Event, ExecType, Execution, Liquidity};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{
    AccountId, EventRecord, Instrument, InstrumentId, Money, Reject, RejectReason, Side, Ticks,
    UnixNanos,
};

/// Money as a float, for figures that people read.
pub fn units(money: Money) -> f64 {
    // Whole units and the rest apart: each fits a double better than the sum of both.
    (money.0 / MONEY_PER_UNIT) as f64 + (money.0 % MONEY_PER_UNIT) as f64 / MONEY_PER_UNIT as f64
}

/// How often what happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// New orders that passed the gate.
    pub orders: u64,
    /// Replaces that were carried out.
    pub replaced: u64,
    /// Orders that ended canceled, by reason.
    pub canceled: BTreeMap<&'static str, u64>,
    /// DAY orders that expired.
    pub expired: u64,
    /// New orders, cancels and replaces that were refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Executions of orders that rested.
    pub maker_fills: u64,
    /// Executions of orders that took.
    pub taker_fills: u64,
    /// Executions by the model that decided on them.
    pub fill_models: BTreeMap<&'static str, u64>,
}

/// Watches a backtest for one account.
pub struct Recorder {
    account: AccountId,
    terms: BTreeMap<InstrumentId, Instrument>,
    pending: Option<Pending>,
    fills: Option<FillLog>,
    /// How often what happened.
    pub counts: Counts,
    /// Round trips.
    pub trips: Trips,
    /// Bought and sold, both counted, in money; `None` once it is beyond the integers.
    pub traded: Option<Money>,
}

impl Recorder {
    /// Of `account`; fills are written to `fills`, if anywhere.
    pub fn new(account: AccountId, fills: Option<FillLog>) -> Self {
        Self {
            account,
            terms: BTreeMap::new(),
            pending: None,
            fills,
            counts: Counts::default(),
            trips: Trips::default(),
            traded: Some(Money::ZERO),
        }
    }

    /// Ends the list of fills.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.fills.take().map_or(Ok(()), FillLog::finish)
    }

    fn execution(&mut self, record: &EventRecord, execution: Execution, cause: u64) {
        let counts = &mut self.counts;
        match ExecType::from_wire(execution.exec_type) {
            // With a latency an order is pending before it is new; each is new once.
            Some(ExecType::New) => counts.orders += 1,
            Some(ExecType::Replaced) => counts.replaced += 1,
            Some(ExecType::Canceled) => {
                let reason = CancelReason::from_wire(execution.cancel_reason);
                *counts.canceled.entry(reason.map_or("", CancelReason::as_str)).or_default() += 1;
            }
            Some(ExecType::Expired) => counts.expired += 1,
            Some(ExecType::Rejected) => self.refused(&execution),
            Some(ExecType::Trade) => {
                let is_maker = execution.liquidity == Liquidity::Maker.wire();
                counts.maker_fills += u64::from(is_maker);
                counts.taker_fills += u64::from(!is_maker);
                let model = FillModelKind::from_wire(execution.fill_model);
                let model = model.map_or("", FillModelKind::as_str);
                *counts.fill_models.entry(model).or_default() += 1;
                self.pending = Some(Pending::new(record, execution, cause));
                let terms = self.terms.get(&record.instrument);
                let notional =
                    terms.and_then(|t| t.notional(execution.last_price, execution.last_qty));
                self.traded = self
                    .traded
                    .zip(notional)
                    .and_then(|(sum, notional)| sum.checked_add(Money(notional.0.checked_abs()?)));
            }
            _ => {}
        }
    }

    fn refused(&mut self, execution: &Execution) {
        let reason = RejectReason::from_wire(execution.reject_reason);
        *self.counts.refused.entry(reason.map_or("", RejectReason::as_str)).or_default() += 1;
    }
}

impl Observer for Recorder {
    fn event(&mut self, record: &EventRecord, cause: u64) {
        match record.event() {
            Some(Event::Instrument(terms)) => {
                self.terms.insert(record.instrument, terms);
            }
            Some(Event::Execution(execution)) if record.account == self.account => {
                self.execution(record, execution, cause);
            }
            Some(Event::CancelReject(execution)) if record.account == self.account => {
                self.refused(&execution);
            }
            Some(Event::Position(position)) if record.account == self.account => {
                self.trips.position(record.instrument.index(), &position, record.ts);
                let terms = self.terms.get(&record.instrument);
                if let (Some(pending), Some(terms), Some(fills)) =
                    (self.pending.take(), terms, &mut self.fills)
                {
                    fills.write(&pending.fill(terms, &position));
                }
            }
            _ => {}
        }
    }
}

/// What the account is worth at one moment, in its base currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub ts: UnixNanos,
    /// Cash and positions at their marks.
    pub equity: Money,
    /// Cash of the base currency.
    pub cash: Money,
    /// Realised in the base currency since the beginning, before fees.
    pub realised: Money,
    /// Positions at their marks less what they cost.
    pub unrealised: Money,
    /// Fees in the base currency since the beginning.
    pub fees: Money,
    /// Positions that are not flat.
    pub positions: u32,
    /// Positions without a price, which count at what they cost.
    pub unpriced: u32,
}

impl Mark {
    /// The account as it is at `ts`. A position counts at its [`mark_price`].
    ///
    /// # Errors
    /// If it cannot be told: there is no such account, or no rate of a currency that it holds.
    pub fn take(core: &Core, account: AccountId, ts: UnixNanos) -> Result<Self, Reject> {
        let oms = core.oms();
        let worth = oms.equity(account, |id| tidegate_oms::Mark {
            terms: &core.listing()[id].instrument,
            price: mark_price(core, id),
            margin: None,
        })?;
        let base = oms.account(account)?;
        let held = oms.positions(account).filter(|(_, position)| position.qty != 0);
        Ok(Self {
            ts,
            equity: worth.equity,
            cash: base.cash,
            realised: base.realised,
            unrealised: worth.unrealised,
            fees: base.fees,
            positions: held.count() as u32,
            unpriced: worth.unmarked,
        })
    }
}

/// What a position is marked at: the last trade, but never outside the best bid and offer: a quote that has left the last
/// trade behind knows better. Without a trade the middle of the two.
pub fn mark_price(core: &Core, instrument: InstrumentId) -> Option<Ticks> {
    let best = |side| core.books().best(instrument, side).map(|level| level.price);
    let (bid, ask) = (best(Side::Buy), best(Side::Sell));
    let Some(last) = core.listing()[instrument].last_trade else {
        return Some(Ticks(bid?.0.midpoint(ask?.0)));
    };
    let above_bid = bid.map_or(last, |bid| last.max(bid));
    // Of a crossed book the offer decides.
    Some(ask.map_or(above_bid, |ask| above_bid.min(ask)))
}
