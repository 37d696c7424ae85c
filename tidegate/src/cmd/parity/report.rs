//! What a comparison found, as text, JSON or CSV. Nothing in it depends on when or how fast it ran.

use crate::time_text::{moment_text, span_text};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use tidegate_engine::parity::{Compared, Fill, OrderRecord, Parity, Parts, Rates, Sum, Venue};
use tidegate_model::command::{FLAG_FILL_ON_TOUCH, FillModelKind, SetFillModel};
use tidegate_model::decimal::format_scaled;
use tidegate_model::instrument::format_money;
use tidegate_model::{Instrument, Money, Ticks};

/// What was asked for.
#[derive(Debug)]
pub struct Told {
    pub journal: String,
    /// What the simulator supposes.
    pub latency: String,
    pub is_latency_given: bool,
    pub fill_model: Option<SetFillModel>,
    pub rates: Option<Rates>,
}

/// The whole of it. Amounts are exact decimal texts.
#[derive(Debug, Serialize)]
pub struct Report {
    journal: String,
    inputs: u64,
    checkpoints: u64,
    state_hash: String,
    from: String,
    to: String,
    /// What the simulator supposes.
    latency: String,
    fill_model: String,
    fees: String,
    /// Where actual fees come from.
    actual_fees: String,
    simulations: usize,
    orders_compared: usize,
    orders_that_differ: usize,
    /// New orders that the gate refused, by reason; they are in neither world.
    refused: BTreeMap<&'static str, u64>,
    /// By currency.
    totals: Vec<Total>,
    orders: Vec<Row>,
    not_compared: Vec<Unfit>,
    #[serde(skip)]
    by_difference: Vec<usize>,
}

/// All orders of one currency. Actual less simulated; below 0 the real fills are worse.
#[derive(Debug, Serialize)]
struct Total {
    currency: String,
    #[serde(flatten)]
    causes: Causes,
    /// Orders that have some of a cause, in the order of the causes.
    #[serde(skip)]
    counts: [u64; 6],
    orders: u64,
}

/// The causes and what they add up to.
#[derive(Debug, Serialize)]
struct Causes {
    latency: String,
    queue_place: String,
    slippage: String,
    missed_fills: String,
    extra_fills: String,
    fees: String,
    difference: String,
    actual_value: String,
    simulated_value: String,
}

impl Causes {
    fn of(parts: &Parts) -> Self {
        Self {
            latency: format_money(parts.latency),
            queue_place: format_money(parts.queue),
            slippage: format_money(parts.slippage),
            missed_fills: format_money(parts.missed),
            extra_fills: format_money(parts.extra),
            fees: format_money(parts.fees),
            difference: format_money(parts.difference),
            actual_value: format_money(parts.actual),
            simulated_value: format_money(parts.simulated),
        }
    }
}

/// One order. CSV has these columns in this order.
#[derive(Debug, Serialize)]
struct Row {
    order_id: u64,
    client_order_id: String,
    account: u32,
    symbol: String,
    currency: String,
    venue: String,
    side: &'static str,
    qty: String,
    price: String,
    /// UTC nanoseconds.
    entered_ns: u64,
    /// From its sending to the first answer; absent if none came.
    latency_ns: Option<u64>,
    actual_qty: String,
    actual_price: String,
    actual_fees: String,
    simulated_qty: String,
    simulated_price: String,
    simulated_fees: String,
    mark: String,
    latency: String,
    queue_place: String,
    slippage: String,
    missed_fills: String,
    extra_fills: String,
    fees: String,
    difference: String,
    actual_value: String,
    simulated_value: String,
    queue_qty: String,
    missed_qty: String,
    extra_qty: String,
    because: String,
}

/// An order that could not be compared.
#[derive(Debug, Serialize)]
struct Unfit {
    order_id: u64,
    client_order_id: String,
    account: u32,
    symbol: String,
    venue: String,
    actual_qty: String,
    reason: String,
}

impl Report {
    /// Draws up what was found.
    ///
    /// # Errors
    /// If the sum of all orders passes the integers.
    pub fn new(told: Told, parity: &Parity) -> Result<Self> {
        let recording = &parity.recording;
        let mut sums: BTreeMap<&str, (Parts, [u64; 6], u64)> = BTreeMap::new();
        let mut orders = Vec::with_capacity(parity.compared.len());
        for one in &parity.compared {
            let order = &recording.orders[one.order];
            let terms = &recording.instruments[order.instrument.index()];
            let mark = recording.marks[order.instrument.index()].unwrap_or_default();
            let (parts, counts, count) = sums.entry(terms.currency.as_str()).or_default();
            parts.add(&one.parts).context("the sum of all orders is beyond what can be counted")?;
            for (count, (_, amount)) in counts.iter_mut().zip(one.parts.named()) {
                *count += u64::from(amount != Money::ZERO);
            }
            *count += 1;
            orders.push(row(order, one, terms, mark));
        }
        let totals = sums.into_iter().map(|(currency, (parts, counts, orders))| Total {
            currency: currency.to_string(),
            causes: Causes::of(&parts),
            counts,
            orders,
        });
        let size = |at: &usize| parity.compared[*at].parts.difference.0.unsigned_abs();
        let mut by_difference: Vec<usize> =
            (0..orders.len()).filter(|at| is_different(&parity.compared[*at])).collect();
        by_difference.sort_by_key(|at| std::cmp::Reverse(size(at)));
        let unfit = parity.unfit.iter().map(|(at, why)| {
            let order = &recording.orders[*at];
            let terms = &recording.instruments[order.instrument.index()];
            Unfit {
                order_id: order.order_id.0,
                client_order_id: order.client_order_id.as_str().to_string(),
                account: order.account.0,
                symbol: terms.symbol.as_str().to_string(),
                venue: venue(order),
                actual_qty: terms.format_qty(Sum::of(&order.fills).unwrap_or_default().qty),
                reason: why.to_string(),
            }
        });
        Ok(Self {
            inputs: recording.inputs,
            checkpoints: recording.checkpoints,
            state_hash: recording.state_hash.to_string(),
            from: moment_text(recording.span.0),
            to: moment_text(recording.span.1),
            latency: match told.is_latency_given {
                true => told.latency,
                false => format!("as the journal sets it on paper, {} at its start", told.latency),
            },
            fill_model: told.fill_model.map_or("as the journal sets it".into(), |set| model(&set)),
            fees: told.rates.map_or("the journal's schedules".into(), rates),
            actual_fees: actual_fees(parity),
            simulations: parity.runs,
            orders_compared: orders.len(),
            orders_that_differ: by_difference.len(),
            refused: recording.refused.clone(),
            totals: totals.collect(),
            orders,
            not_compared: unfit.collect(),
            by_difference,
            journal: told.journal,
        })
    }

    /// One JSON object.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_json(&self, out: &mut impl Write) -> Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)?;
        Ok(())
    }

    /// One line an order that was compared, below the names of its fields.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_csv(&self, out: &mut impl Write) -> Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        if self.orders.is_empty() {
            csv.write_record(["order_id"])?;
        }
        for row in &self.orders {
            csv.serialize(row)?;
        }
        csv.flush()?;
        Ok(())
    }

    /// A page for people, with `orders_max` orders on it.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_text(&self, out: &mut impl Write, orders_max: usize) -> Result<()> {
        let refused: u64 = self.refused.values().sum();
        writeln!(out, "journal       {}: {} inputs", self.journal, self.inputs)?;
        writeln!(
            out,
            "              state hash {}, {} recorded hashes agree",
            self.state_hash, self.checkpoints
        )?;
        writeln!(out, "from          {}", self.from)?;
        writeln!(out, "to            {}", self.to)?;
        writeln!(
            out,
            "orders        {} compared, {} differ; {} cannot be compared; {refused} the gate refused",
            self.orders_compared,
            self.orders_that_differ,
            self.not_compared.len(),
        )?;
        writeln!(out, "simulator     latency {}", self.latency)?;
        writeln!(out, "              resting orders filled {}", self.fill_model)?;
        writeln!(out, "              fees: {}; actual ones: {}", self.fees, self.actual_fees)?;
        for total in &self.totals {
            total.write(out)?;
        }
        if orders_max > 0 && !self.by_difference.is_empty() {
            self.write_orders(out, orders_max)?;
        }
        self.write_unfit(out)
    }

    fn write_orders(&self, out: &mut impl Write, orders_max: usize) -> Result<()> {
        writeln!(out)?;
        writeln!(out, "Orders, the largest differences first")?;
        for at in self.by_difference.iter().take(orders_max) {
            let row = &self.orders[*at];
            let filled = |qty: &str, price: &str| match price {
                "" => "nothing".to_string(),
                _ => format!("{qty} at {price}"),
            };
            writeln!(
                out,
                "  {:>8} {} {} {} {}{}: {} {}",
                row.order_id,
                row.symbol,
                row.side,
                row.qty,
                if row.price.is_empty() { "at market" } else { "at " },
                row.price,
                row.difference,
                row.currency
            )?;
            writeln!(
                out,
                "           filled {}, simulated {}, mark {}",
                filled(&row.actual_qty, &row.actual_price),
                filled(&row.simulated_qty, &row.simulated_price),
                row.mark
            )?;
            writeln!(out, "           {}", row.because)?;
        }
        let left = self.by_difference.len().saturating_sub(orders_max);
        if left > 0 {
            writeln!(out, "  {left} more: --orders {}", self.by_difference.len())?;
        }
        Ok(())
    }

    fn write_unfit(&self, out: &mut impl Write) -> Result<()> {
        if self.not_compared.is_empty() {
            return Ok(());
        }
        let mut reasons: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for unfit in &self.not_compared {
            reasons.entry(&unfit.reason).or_default().push(unfit.order_id);
        }
        writeln!(out)?;
        writeln!(out, "Not compared, and in no sum above")?;
        for (reason, orders) in reasons {
            let first: Vec<_> = orders.iter().take(5).map(u64::to_string).collect();
            let more = if orders.len() > 5 { ", ..." } else { "" };
            let count = orders.len();
            writeln!(out, "  {count} {reason} (order {}{more})", first.join(", "))?;
        }
        Ok(())
    }
}

impl Total {
    fn write(&self, out: &mut impl Write) -> Result<()> {
        let Self { currency, causes, counts, orders } = self;
        writeln!(out)?;
        writeln!(out, "Actual less simulated, {currency}; below 0 the real fills are worse")?;
        let rows = [
            ("latency", &causes.latency),
            ("queue place", &causes.queue_place),
            ("slippage", &causes.slippage),
            ("missed fills", &causes.missed_fills),
            ("extra fills", &causes.extra_fills),
            ("fees", &causes.fees),
        ];
        let width = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
        let width = width.max(causes.difference.len());
        for ((name, amount), count) in rows.iter().zip(counts) {
            writeln!(out, "  {name:<14}{amount:>width$}   {}", of_orders(*count))?;
        }
        let all = of_orders(*orders);
        writeln!(out, "  {:<14}{:>width$}   {all}", "difference", causes.difference)?;
        let (actual, simulated) = (&causes.actual_value, &causes.simulated_value);
        writeln!(out, "  fills at the mark, after fees: actual {actual}, simulated {simulated}")?;
        Ok(())
    }
}

fn of_orders(count: u64) -> String {
    format!("{count} {}", if count == 1 { "order" } else { "orders" })
}

/// True if anything sets the order's fills apart, even if it adds up to nothing.
fn is_different(one: &Compared) -> bool {
    one.parts.named().iter().any(|part| part.1 != Money::ZERO)
}

fn row(order: &OrderRecord, one: &Compared, terms: &Instrument, mark: Ticks) -> Row {
    let parts = &one.parts;
    let (actual, simulated) = (Sum::of(&order.fills), Sum::of(&one.simulated));
    let [actual, simulated] = [actual, simulated].map(Option::unwrap_or_default);
    let causes = Causes::of(parts);
    let of_qty = |qty| terms.format_qty(qty);
    let signed = |lots: i64| {
        let nano = i128::from(lots) * i128::from(terms.lot_size_nano);
        format_scaled(nano, 9, terms.qty_scale)
    };
    Row {
        order_id: order.order_id.0,
        client_order_id: order.client_order_id.as_str().to_string(),
        account: order.account.0,
        symbol: terms.symbol.as_str().to_string(),
        currency: terms.currency.as_str().to_string(),
        venue: venue(order),
        side: order.side.as_str(),
        qty: of_qty(order.qty),
        price: match order.price {
            Ticks::ZERO => String::new(),
            price => terms.format_price(price),
        },
        entered_ns: order.entered.0,
        latency_ns: order.latency_ns,
        actual_qty: of_qty(actual.qty),
        actual_price: average(&actual, terms),
        actual_fees: format_money(actual.fees),
        simulated_qty: of_qty(simulated.qty),
        simulated_price: average(&simulated, terms),
        simulated_fees: format_money(simulated.fees),
        mark: terms.format_price(mark),
        because: because(order, one, terms),
        latency: causes.latency,
        queue_place: causes.queue_place,
        slippage: causes.slippage,
        missed_fills: causes.missed_fills,
        extra_fills: causes.extra_fills,
        fees: causes.fees,
        difference: causes.difference,
        actual_value: causes.actual_value,
        simulated_value: causes.simulated_value,
        queue_qty: signed(parts.queue_qty),
        missed_qty: of_qty(parts.missed_qty),
        extra_qty: of_qty(parts.extra_qty),
    }
}

/// AvgPx to 1e-9, cut off; empty if nothing was filled.
fn average(sum: &Sum, terms: &Instrument) -> String {
    let nano = sum.ticks_lots.checked_mul(terms.tick_size_nano.into());
    let average = nano.and_then(|nano| nano.checked_div(sum.qty.0.into()));
    average.map_or(String::new(), |nano| format_scaled(nano, 9, terms.price_scale))
}

/// The causes that there are, with what is known of them.
fn because(order: &OrderRecord, one: &Compared, terms: &Instrument) -> String {
    let parts = &one.parts;
    let fees = |fills: &[Fill]| format_money(Sum::of(fills).unwrap_or_default().fees);
    let told = parts.named().into_iter().filter(|part| part.1 != Money::ZERO);
    let told = told.map(|(name, amount)| {
        let more = match (name, order.latency_ns) {
            ("latency", Some(ns)) => format!(" (the first answer took {})", span_text(ns)),
            ("queue place", _) => {
                let lots = i128::from(parts.queue_qty) * i128::from(terms.lot_size_nano);
                format!(" ({} filled)", sign(&format_scaled(lots, 9, terms.qty_scale)))
            }
            ("missed fills", _) => format!(" ({})", terms.format_qty(parts.missed_qty)),
            ("extra fills", _) => format!(" ({})", terms.format_qty(parts.extra_qty)),
            ("fees", _) => {
                format!(" ({} instead of {})", fees(&order.fills), fees(&one.simulated))
            }
            _ => String::new(),
        };
        format!("{name} {}{more}", format_money(amount))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn sign(number: &str) -> String {
    if number.starts_with('-') { number.to_string() } else { format!("+{number}") }
}

fn venue(order: &OrderRecord) -> String {
    match order.venue {
        Venue::Paper => "paper".into(),
        Venue::Internal => "internal".into(),
        Venue::Route(route) => format!("route {route}"),
    }
}

fn model(set: &SetFillModel) -> String {
    let name = FillModelKind::from_wire(set.model).map_or("", FillModelKind::as_str);
    match set.flags & FLAG_FILL_ON_TOUCH {
        0 if set.exponent_e3 > 0 => {
            format!("by {name}:{}", format_scaled(set.exponent_e3.into(), 3, 0))
        }
        0 => format!("by {name}"),
        _ => format!("by {name}:touch"),
    }
}

fn rates(rates: Rates) -> String {
    let bp = |e8: i64| format_scaled(e8.into(), 4, 0);
    format!("{} bp resting, {} bp taking", bp(rates.maker_e8), bp(rates.taker_e8))
}

fn actual_fees(parity: &Parity) -> String {
    let tells = parity.recording.tells_fees.iter().enumerate().filter(|(_, tells)| **tells);
    let routes: Vec<_> = tells.map(|(route, _)| route.to_string()).collect();
    match routes.as_slice() {
        [] => "as booked".into(),
        routes => format!("as the venue told on route {}, else as booked", routes.join(", ")),
    }
}
