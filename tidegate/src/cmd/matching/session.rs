//! The market with what its caller has to know of each live order: its id, and what of it was executed.

use super::line::{Cancel, Fault, MassCancel, Nano, NanoQty, New, Replace, Request, TrailText};
use super::output::{Event, Level};
use super::{Instrument, Market};
use std::collections::HashMap;
use std::io::{self, Write};
use tidegate_engine::matching::{
    Entry, Indicative, PRICE_MAX, Peg, Phase, QTY_MAX, Reports, Terms, Trade, Trail,
};
use tidegate_model::event::CancelReason;
use tidegate_model::{AccountId, Lots, Reject, RejectReason, Side, Ticks, UnixNanos, decimal};

/// Live orders: with more of the largest orders than this the sums of quantities would not fit.
const ORDERS_MAX: usize = 1 << 24;

/// What is written beside the events of orders.
pub struct Show {
    pub book: bool,
    pub depth: usize,
    pub indicative: bool,
}

/// The market, its orders by their ids, and what is to be written.
pub struct Session {
    market: Market,
    tape: Tape,
    show: Show,
}

/// A live order.
struct Live {
    id: u64,
    entry: Entry,
    open: Lots,
    executed: Lots,
}

/// Hears the market and writes down what it says.
struct Tape {
    instrument: Instrument,
    ids: HashMap<u64, u32>,
    /// By handle.
    orders: Vec<Option<Live>>,
    /// Handles that are free to be given again.
    free: Vec<u32>,
    /// The phase that was asked for.
    asked: Option<Phase>,
    indicative: bool,
    text: Vec<u8>,
}

impl Session {
    pub fn new(market: Market, instrument: Instrument, show: Show) -> Self {
        let tape = Tape {
            instrument,
            ids: HashMap::new(),
            orders: Vec::new(),
            free: Vec::new(),
            asked: None,
            indicative: show.indicative,
            text: Vec::new(),
        };
        Self { market, tape, show }
    }

    /// Writes what was said since the last time.
    pub fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.tape.text)?;
        self.tape.text.clear();
        out.flush()
    }

    /// Does what line `number` asks.
    ///
    /// # Errors
    /// If it makes no sense for this instrument.
    pub fn take(&mut self, number: u64, request: &Request) -> Result<(), Fault> {
        let (market, tape) = (&mut self.market, &mut self.tape);
        match request {
            Request::New(new) => self.enter(new),
            Request::Replace(replace) => self.replace(replace),
            Request::Cancel(Cancel { id, .. }) => match tape.ids.get(id) {
                Some(&handle) => market.cancel(handle, tape),
                None => tape.unknown(*id),
            },
            Request::MassCancel(MassCancel { account, side, .. }) => {
                market.mass_cancel(account.map(AccountId), *side, tape);
            }
            Request::Phase(phase) => {
                tape.asked = Some(*phase);
                market.set_phase(*phase, tape);
                tape.asked = None;
            }
            Request::Time(ns) => market.set_time(UnixNanos(*ns), tape),
            Request::Bands(bands) => {
                let bands = match bands {
                    None => None,
                    Some((low, high)) => Some((tape.exact(*low)?, tape.exact(*high)?)),
                };
                market.set_bands(bands, tape);
            }
            Request::Reference(price) => {
                let price = tape.exact(*price)?;
                market.set_reference(price, tape);
            }
        }
        if self.show.book {
            self.write_book(number);
        }
        Ok(())
    }

    fn enter(&mut self, new: &New) {
        let (id, tape) = (new.id, &mut self.tape);
        if tape.ids.contains_key(&id) {
            let text = format!("an order with the id {id} is live");
            return tape.reject(id, RejectReason::DuplicateId, text);
        }
        if tape.ids.len() >= ORDERS_MAX {
            let text = format!("{ORDERS_MAX} orders are live, which is the limit");
            return tape.reject(id, RejectReason::CapacityExceeded, text);
        }
        let mut entry = match tape.entry(new) {
            Ok(entry) => entry,
            Err((reason, text)) => return tape.reject(id, reason, text),
        };
        entry.handle = tape.free.pop().unwrap_or(tape.orders.len() as u32);
        let handle = entry.handle as usize;
        if handle == tape.orders.len() {
            tape.orders.push(None);
        }
        tape.orders[handle] = Some(Live { id, entry, open: entry.qty, executed: Lots(0) });
        tape.ids.insert(id, entry.handle);
        self.market.enter(&entry, tape);
    }

    fn replace(&mut self, replace: &Replace) {
        let (id, tape) = (replace.id, &mut self.tape);
        let Some(&handle) = tape.ids.get(&id) else { return tape.unknown(id) };
        let asked = || {
            let qty = tape.lots(replace.qty)?;
            let price = replace.price.map(|price| tape.ticks(price)).transpose()?;
            let stop_price = replace.stop_price.map(|price| tape.ticks(price)).transpose()?;
            Ok((qty, price, stop_price))
        };
        let (qty, price, stop_price) = match asked() {
            Ok(asked) => asked,
            Err((reason, text)) => return tape.reject(id, reason, text),
        };
        let executed = tape.live(handle).executed;
        if qty <= executed {
            let [qty, executed] = [qty, executed].map(|qty| tape.instrument.qty_text(qty));
            let text = format!("the new quantity {qty} is not above {executed}, which is executed");
            return tape.reject(id, RejectReason::QuantityBelowExecuted, text);
        }
        let leaves = qty.checked_sub(executed).expect("not below it");
        let price = price.or_else(|| self.market.limit(handle)).unwrap_or_default();
        self.market.replace(handle, leaves, price, stop_price, tape);
    }

    fn write_book(&mut self, message: u64) {
        let (instrument, mut orders) = (self.tape.instrument, 0);
        let [bids, asks] = [Side::Buy, Side::Sell].map(|side| {
            let levels = self.market.levels(side);
            orders += levels.iter().map(|level| u64::from(level.2)).sum::<u64>();
            let shown = levels.into_iter().take(self.show.depth);
            let level =
                |(price, qty, orders)| Level(instrument.price(price), instrument.qty(qty), orders);
            shown.map(level).collect()
        });
        self.tape.write(&Event::Book { message, bids, asks, orders });
    }
}

/// A refusal by this command, not by the market.
type Refusal = (RejectReason, String);

impl Tape {
    fn write(&mut self, event: &Event) {
        serde_json::to_writer(&mut self.text, event).expect("memory takes every event");
        self.text.push(b'\n');
    }

    fn reject(&mut self, id: u64, reason: RejectReason, text: String) {
        self.write(&Event::Rejected { id, reason: reason.as_str(), text });
    }

    fn unknown(&mut self, id: u64) {
        self.reject(id, RejectReason::UnknownOrder, format!("no live order has the id {id}"));
    }

    fn live(&self, handle: u32) -> &Live {
        self.orders[handle as usize].as_ref().expect("the market names live orders only")
    }

    /// Takes `qty` off what is open. An order without any has ended, and its id is free.
    fn reduce(&mut self, handle: u32, qty: Lots) -> &mut Live {
        let index = handle as usize;
        let live = self.orders[index].as_mut().expect("the market names live orders only");
        live.open = live.open.checked_sub(qty).expect("no more is taken off than is open");
        if live.open == Lots(0) {
            self.ids.remove(&live.id);
            self.free.push(handle);
        }
        live
    }

    fn ticks(&self, price: Nano) -> Result<Ticks, Refusal> {
        let tick = self.instrument.tick_nano;
        if price.0 % tick == 0 {
            return Ok(Ticks(price.0 / tick));
        }
        let [price, tick] = [price.0, tick].map(|nano| decimal::format_nano(nano.into()));
        Err((RejectReason::Tick, format!("{price} is not a multiple of the tick {tick}")))
    }

    /// A price that belongs to no order.
    fn exact(&self, price: Nano) -> Result<Ticks, Fault> {
        self.ticks(price).map_err(|(_, text)| Fault::whole(text))
    }

    fn lots(&self, qty: NanoQty) -> Result<Lots, Refusal> {
        let lot = self.instrument.lot_nano;
        if qty.0 % lot == 0 {
            return Ok(Lots((qty.0 / lot).unsigned_abs()));
        }
        let [qty, lot] = [qty.0, lot].map(|nano| decimal::format_nano(nano.into()));
        Err((RejectReason::Lot, format!("{qty} is not a multiple of the lot {lot}")))
    }

    fn entry(&self, new: &New) -> Result<Entry, Refusal> {
        let ticks = |price: Option<Nano>| price.map(|price| self.ticks(price)).transpose();
        let lots = |qty: Option<NanoQty>| qty.map(|qty| self.lots(qty)).transpose();
        let offset = ticks(new.offset)?;
        let trail = match new.trail {
            None => None,
            Some(TrailText::Ppm(ppm)) => Some(Trail::Ppm(ppm)),
            Some(TrailText::Price(price)) => Some(Trail::Ticks(self.ticks(price)?.0)),
        };
        Ok(Entry {
            handle: 0,
            account: AccountId(new.account),
            side: new.side,
            order_type: new.order_type,
            time_in_force: new.tif,
            qty: self.lots(new.qty)?,
            price: ticks(new.price)?.unwrap_or_default(),
            terms: Terms {
                stop_price: ticks(new.stop_price)?,
                trail,
                limit_offset: offset.filter(|_| new.peg.is_none()),
                peg: new.peg.map(|kind| Peg { kind, offset: offset.unwrap_or_default() }),
                post_only: new.post_only,
                self_trade: new.stp,
                hidden: new.hidden,
                display_qty: lots(new.display_qty)?,
                min_qty: lots(new.min_qty)?,
                expire_at: UnixNanos(new.expire_ns.unwrap_or_default()),
            },
        })
    }

    /// A refusal by the market in words, with limit and value in the user's units.
    fn explain(&self, live: &Live, reject: Reject, is_new: bool) -> String {
        let price = |ticks: i128| {
            self.instrument.price(Ticks(i64::try_from(ticks).expect("a price in ticks")))
        };
        let Entry { order_type, time_in_force, .. } = live.entry;
        let (limit, value) = (reject.limit, reject.value);
        match reject.reason {
            RejectReason::ZeroQuantity => "the quantity is 0".to_string(),
            RejectReason::Overflow => {
                let most = self.instrument.qty_text(QTY_MAX);
                format!("the quantity is above {most}, the most of one order")
            }
            RejectReason::BadPrice if limit == PRICE_MAX.0.into() => {
                format!("{} is above {}, the highest price", price(value), price(limit))
            }
            RejectReason::BadPrice => {
                format!("{} is below {}, the lowest price", price(value), price(limit))
            }
            RejectReason::BadField if is_new => {
                let fault = live.entry.fault().expect("it was refused for one");
                fault.0.to_string()
            }
            RejectReason::BadField => {
                format!("{value} is no value that a replace can give to this {order_type} order")
            }
            RejectReason::Expired => format!("expire_ns {value} has passed: it is {limit}"),
            RejectReason::Phase => {
                let phase = Phase::ALL.iter().find(|phase| **phase as i128 == value);
                let phase = phase.expect("it is the market's");
                format!("in phase {phase} no {time_in_force} {order_type} order like this is taken")
            }
            RejectReason::PostOnlyWouldCross => {
                format!("at {} it would take at {}", price(value), price(limit))
            }
            reason => format!("{reason}: limit {limit}, value {value}"),
        }
    }
}

impl Reports for Tape {
    fn accepted(&mut self, handle: u32, price: Ticks) {
        let live = self.live(handle);
        let slid = (price != live.entry.price).then(|| self.instrument.price(price));
        self.write(&Event::Accepted { id: live.id, price: slid });
    }

    fn trade(&mut self, trade: &Trade) {
        let price = self.instrument.price(trade.price);
        let qty = self.instrument.qty(trade.qty);
        let [maker, taker] = [trade.maker, trade.taker].map(|handle| {
            let live = self.reduce(handle, trade.qty);
            let executed = live.executed.checked_add(trade.qty);
            live.executed = executed.expect("no more than the quantities asked for");
            live.id
        });
        self.write(&if trade.auction {
            Event::Cross { buy: maker, sell: taker, price, qty }
        } else {
            Event::Trade { maker, taker, price, qty }
        });
    }

    fn canceled(&mut self, handle: u32, qty: Lots, reason: CancelReason) {
        let id = self.reduce(handle, qty).id;
        let qty = self.instrument.qty(qty);
        self.write(&Event::Canceled { id, qty, reason: reason.as_str() });
    }

    fn replaced(&mut self, handle: u32, price: Ticks, leaves: Lots) {
        let live = self.orders[handle as usize].as_mut().expect("the market names live orders");
        live.open = leaves;
        let (id, executed) = (live.id, live.executed);
        let qty = leaves.checked_add(executed).expect("a replace gave their sum");
        let (price, qty) = (self.instrument.limit(price), self.instrument.qty(qty));
        self.write(&Event::Replaced { id, price, qty });
    }

    fn triggered(&mut self, handle: u32, _: Ticks) {
        let id = self.live(handle).id;
        self.write(&Event::Triggered { id });
    }

    fn rejected(&mut self, handle: u32, reject: Reject) {
        let live = self.live(handle);
        let (id, text) = (live.id, self.explain(live, reject, true));
        self.reduce(handle, self.live(handle).open);
        self.reject(id, reject.reason, text);
    }

    fn refused(&mut self, handle: u32, reject: Reject) {
        let live = self.live(handle);
        let (id, text) = (live.id, self.explain(live, reject, false));
        self.reject(id, reject.reason, text);
    }

    fn phase(&mut self, phase: Phase) {
        if self.asked != Some(phase) {
            self.write(&Event::Phase { to: phase.as_str() });
        }
    }

    fn indicative(&mut self, indicative: Indicative) {
        if !self.indicative {
            return;
        }
        let Indicative { price, qty, imbalance, side } = indicative;
        let price = price.map(|price| self.instrument.price(price));
        let [qty, imbalance] = [qty, imbalance].map(|qty| self.instrument.qty(qty));
        self.write(&Event::Indicative { price, qty, imbalance, side: side.as_str() });
    }
}
