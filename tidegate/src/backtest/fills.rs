//! Fills, each with what brought it about, one after the other into a file.

use super::table::Table;
use anyhow::Result;
use serde::Serialize;
use tidegate_model::command::FillModelKind;
use tidegate_model::event::{Execution, Liquidity, Position};
use tidegate_model::instrument::format_money;
use tidegate_model::market::MarketEventKind;
use tidegate_model::{EventRecord, Instrument, Side};

/// One fill, as it is written: texts are exact decimals.
#[derive(Debug, Serialize)]
pub struct Fill {
    /// The engine's time, UTC nanoseconds.
    ts: u64,
    symbol: String,
    side: &'static str,
    qty: String,
    price: String,
    notional: String,
    fee: String,
    currency: String,
    liquidity: &'static str,
    /// What brought it about, for people.
    reason: &'static str,
    /// The kind of the market event that did, its number in the file, and the input of the engine that it was; empty and 0 if
    /// it was the order's own arrival.
    cause: &'static str,
    cause_message: u64,
    cause_seq: u64,
    /// Quantity displayed ahead when the order came to rest, and when it was filled; empty if it took. Above 0 at the fill, the
    /// market went through the order's price.
    queue_ahead_at_entry: String,
    queue_ahead_at_fill: String,
    /// How much of the price is the impact of our own taking.
    impact: String,
    /// How the venue decided.
    model: &'static str,
    order_id: u64,
    client_order_id: String,
    exec_id: u64,
    /// The input of the engine, and the event's place in it.
    seq: u64,
    ordinal: u32,
    /// Position after it, below 0 short, and what was realised since the beginning, before fees.
    position: String,
    realised: String,
}

/// An execution that waits for the position it led to.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    record: EventRecord,
    execution: Execution,
    cause: u64,
}

impl Pending {
    /// An execution, and the number in its feed of the market event that caused it.
    pub fn new(record: &EventRecord, execution: Execution, cause: u64) -> Self {
        Self { record: *record, execution, cause }
    }

    /// The fill that it is.
    pub fn fill(&self, terms: &Instrument, position: &Position) -> Fill {
        let Self { record, execution, cause } = self;
        let is_maker = execution.liquidity == Liquidity::Maker.wire();
        let kind = MarketEventKind::from_wire(execution.cause_kind);
        let notional = terms.notional(execution.last_price, execution.last_qty);
        let at_rest = |qty| if is_maker { terms.format_qty(qty) } else { String::new() };
        let text_of_lots = |lots: i128| {
            let nano = lots.saturating_mul(terms.lot_size_nano.into());
            tidegate_model::decimal::format_scaled(nano, 9, terms.qty_scale)
        };
        Fill {
            ts: record.ts.0,
            symbol: terms.symbol.as_str().to_string(),
            side: Side::from_wire(execution.side).map_or("", Side::as_str),
            qty: terms.format_qty(execution.last_qty),
            price: terms.format_price(execution.last_price),
            notional: notional.map(format_money).unwrap_or_default(),
            fee: format_money(execution.fee),
            currency: terms.currency.as_str().to_string(),
            liquidity: Liquidity::from_wire(execution.liquidity).map_or("", Liquidity::as_str),
            reason: reason(is_maker, kind),
            cause: kind.map_or("", MarketEventKind::as_str),
            cause_message: *cause,
            cause_seq: execution.cause_seq.0,
            queue_ahead_at_entry: at_rest(execution.queue_ahead_at_entry),
            queue_ahead_at_fill: at_rest(execution.queue_ahead_at_fill()),
            impact: terms.format_price(execution.impact()),
            model: FillModelKind::from_wire(execution.fill_model).map_or("", FillModelKind::as_str),
            order_id: execution.order_id.0,
            client_order_id: execution.client_order_id.as_str().to_string(),
            exec_id: execution.exec_id.0,
            seq: record.seq.0,
            ordinal: record.ordinal,
            position: text_of_lots(position.qty.into()),
            realised: format_money(position.realised),
        }
    }
}

/// Why an order was filled by a market event of `kind`, by the rules in the heads of `engine/src/core/paper/`.
fn reason(is_maker: bool, kind: Option<MarketEventKind>) -> &'static str {
    use MarketEventKind as Kind;
    match (is_maker, kind) {
        (false, Some(Kind::Status)) => "trading went on, and it took what was displayed across it",
        (false, Some(Kind::BarRange | Kind::Bar)) => "it took at a price of the bar",
        (false, _) => "it arrived and took what was displayed",
        (true, Some(Kind::Execute | Kind::ExecuteAtPrice | Kind::Fill)) => {
            "an order displayed behind it, or at a worse price, was executed"
        }
        (true, Some(Kind::Trade | Kind::Cross)) => {
            "the market traded at a worse price, or at its own with nobody ahead of it"
        }
        (true, Some(Kind::Add | Kind::Replace | Kind::Modify)) => {
            "an order came to be displayed across it"
        }
        (true, Some(Kind::Level | Kind::Quote)) => "a price level came to be displayed across it",
        (true, Some(Kind::BarRange | Kind::Bar)) => "a bar proves that the market traded there",
        (true, _) => "the market came to it",
    }
}

/// Where fills go.
pub struct FillLog {
    table: Table,
    /// What went wrong first; nothing is written after it.
    failed: Option<anyhow::Error>,
}

impl FillLog {
    /// Into `table`.
    pub fn new(table: Table) -> Self {
        Self { table, failed: None }
    }

    /// Writes one.
    pub fn write(&mut self, fill: &Fill) {
        if self.failed.is_none() {
            self.failed = self.table.write(fill).err();
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What went wrong while it was written.
    pub fn finish(self) -> Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.table.finish(),
        }
    }
}
