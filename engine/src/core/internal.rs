//! The markets of the house: orders that passed the gate meet each other in [`Markets`], at once, and what a market tells
//! becomes what it means for the order store, the positions, the gate's counters and everyone.
//!
//! * A market knows an order by the index of its slot in the order store.
//! * A trade is booked for both sides or for neither. Where one side cannot be booked, because an amount would come too near
//!   the end of the integers, the quantity is taken off both orders, as self-trade prevention does (rule 3.6).
//! * Many orders that are canceled at once leave a market before anything follows from that (rule 5.6).

use super::market::{level_update, trade_update};
use super::output::{Output, Publisher};
use super::paper::Request;
use super::reports::{Execute, report, report_refusal, report_reject};
use super::{Core, Listed};
use crate::book::Level;
use crate::matching::{Entry, Markets, PRICE_MAX, Phase, Plain, Reports, Terms, Trade};
use tidegate_model::command::{NewOrder, OrderType, SetPhase, SetReference, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType, Liquidity};
use tidegate_model::hash::hash_words;
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    Instrument, InstrumentId, Lots, PublicKind, PublicUpdate, Reject, RejectReason, Side,
    StateHash, Ticks,
};
use tidegate_oms::{Oms, Order, OrderSlot, Requester};
use tidegate_risk::Risk;

/// No market, in the table by instrument.
const NONE: u32 = u32::MAX;

/// Every market of the house, and whose it is.
#[derive(Debug)]
pub struct Internal {
    pub(super) markets: Markets,
    /// By instrument: the number of its market, or [`NONE`].
    market_of: Vec<u32>,
    /// By market.
    instruments: Vec<InstrumentId>,
    /// Scratch: market and handle of orders that leave together.
    pub(super) leaving: Vec<(u32, u32)>,
    /// Scratch: those of one market.
    handles: Vec<u32>,
}

impl Internal {
    /// No market yet, room for `orders_max` orders in all of them.
    pub fn new(orders_max: u32) -> Self {
        Self {
            markets: Markets::new(orders_max),
            market_of: Vec::with_capacity(InstrumentId::COUNT_MAX),
            instruments: Vec::new(),
            leaving: Vec::new(),
            handles: Vec::new(),
        }
    }

    /// Takes note of the next instrument, and opens its market if it has one.
    pub fn define_instrument(&mut self, id: InstrumentId, terms: &Instrument) {
        if !terms.is_internal() {
            return self.market_of.push(NONE);
        }
        if self.instruments.is_empty() {
            self.markets.prefault_all();
        }
        self.market_of.push(self.markets.define(terms.order_tick));
        self.instruments.push(id);
    }

    /// The number of an instrument's market, if it has one.
    #[inline]
    pub fn market_of(&self, instrument: InstrumentId) -> Option<u32> {
        let market = self.market_of.get(instrument.index()).copied();
        market.filter(|market| *market != NONE)
    }

    /// The markets, by number.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// What orders are measured against: the price that was set since the last trade, else the last trade, else the middle
    /// of the best displayed prices.
    pub fn reference(&self, market: u32) -> Option<Ticks> {
        self.markets.reference(market).or_else(|| {
            let bid = self.markets.best(market, Side::Buy)?.0;
            let offer = self.markets.best(market, Side::Sell)?.0;
            Some(Ticks(bid.midpoint(offer)))
        })
    }

    /// The hash of every market with its orders.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (market, instrument) in self.instruments.iter().enumerate() {
            let state = self.markets.state_hash(market as u32);
            hash.add(hash_words(0x4d41_524b, &[instrument.0.into(), state.0]));
        }
        hash
    }
}

impl Core {
    /// An order that was let in, a cancel or a replace goes to its market, which answers at once.
    pub(super) fn ask_market<O: Output>(
        &mut self,
        market: u32,
        (slot, request, who): (OrderSlot, Request, Requester),
        publisher: &mut Publisher<'_, O>,
    ) {
        let handle = slot.index() as u32;
        let order = *self.oms.order(slot);
        let reason = match request {
            Request::Cancel(reason) => reason,
            Request::New | Request::Replace => CancelReason::User,
        };
        let asked = Some(Asked { slot, who, reason });
        match request {
            Request::New => {
                let new = self.oms.entered(slot);
                if is_plain(&new) {
                    let &Order { account, side, time_in_force, qty, price, .. } = &order;
                    let plain = Plain { handle, account, side, time_in_force, qty, price };
                    self.in_market(market, asked, publisher, |markets, told| {
                        markets.enter_plain(market, &plain, told);
                    });
                } else {
                    let entry = entry(handle, &order, self.internal.markets.step(market));
                    self.in_market(market, asked, publisher, |markets, told| {
                        markets.enter(market, &entry, told);
                    });
                }
            }
            Request::Cancel(_) => self.in_market(market, asked, publisher, |markets, told| {
                markets.cancel(handle, told);
            }),
            Request::Replace => {
                let terms = order.replace.expect("a replace was asked for");
                let leaves = Lots(terms.qty.0 - order.cum_qty.0);
                self.in_market(market, asked, publisher, |markets, told| {
                    markets.replace(handle, leaves, terms.price, None, told);
                });
            }
        }
    }

    /// The orders that are listed in `leaving` leave their markets.
    pub(super) fn leave_markets<O: Output>(
        &mut self,
        reason: CancelReason,
        publisher: &mut Publisher<'_, O>,
    ) {
        let mut leaving = core::mem::take(&mut self.internal.leaving);
        let mut handles = core::mem::take(&mut self.internal.handles);
        leaving.sort_unstable();
        for of_market in leaving.chunk_by(|a, b| a.0 == b.0) {
            let market = of_market[0].0;
            handles.clear();
            handles.extend(of_market.iter().map(|(_, handle)| handle));
            self.in_market(market, None, publisher, |markets, told| {
                markets.cancel_all(market, &mut handles, reason, told);
            });
        }
        leaving.clear();
        self.internal.leaving = leaving;
        self.internal.handles = handles;
    }

    /// Steps one market, or every one, to another phase; how many were in another before.
    pub(super) fn set_phase<O: Output>(
        &mut self,
        set: SetPhase,
        publisher: &mut Publisher<'_, O>,
    ) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::BadField, set.phase.into());
        let phase = Phase::from_wire(set.phase).ok_or(unknown)?;
        let markets = match set.instrument {
            InstrumentId::NONE => 0..self.internal.markets.count(),
            instrument => {
                let market = self.market_of(instrument)?;
                market..market + 1
            }
        };
        let mut stepped = 0;
        for market in markets {
            stepped += u64::from(self.internal.markets.phase(market) != phase);
            self.in_market(market, None, publisher, |markets, told| {
                markets.set_phase(market, phase, told);
            });
        }
        Ok(stepped)
    }

    /// Sets the price that a market begins from.
    pub(super) fn set_reference(&mut self, set: SetReference) -> Result<u64, Reject> {
        let market = self.market_of(set.instrument)?;
        let price = set.price;
        if price <= Ticks::ZERO || price > PRICE_MAX {
            let (limit, value) = (PRICE_MAX.0.into(), price.0.into());
            return Err(Reject::new(RejectReason::BadPrice, limit, value));
        }
        let step = self.internal.markets.step(market).0;
        if price.0 % step != 0 {
            return Err(Reject::new(RejectReason::Tick, step.into(), price.0.into()));
        }
        self.internal.markets.set_reference(market, price);
        Ok(0)
    }

    fn market_of(&self, instrument: InstrumentId) -> Result<u32, Reject> {
        let value = instrument.0.into();
        if self.listing.get(instrument).is_none() {
            return Err(Reject::of(RejectReason::UnknownInstrument, value));
        }
        self.internal.market_of(instrument).ok_or(Reject::of(RejectReason::NoMarket, value))
    }

    /// Asks a market something, with everything at hand that its answers change.
    fn in_market<O: Output>(
        &mut self,
        market: u32,
        asked: Option<Asked>,
        publisher: &mut Publisher<'_, O>,
        ask: impl FnOnce(&mut Markets, &mut Told<'_, '_, O>),
    ) {
        let Self { internal, oms, risk, listing, counters, .. } = self;
        let instrument = internal.instruments[market as usize];
        let listed = &mut listing[instrument];
        let fills = &mut counters.fills;
        ask(
            &mut internal.markets,
            &mut Told { oms, risk, listed, instrument, fills, asked, publisher },
        );
    }
}

/// True if the market takes the order the short way.
#[inline]
fn is_plain(new: &NewOrder) -> bool {
    new.order_type == OrderType::Limit.wire()
        && new.time_in_force <= TimeInForce::Fok.wire()
        && new.is_plain()
}

/// An order as its market takes it. `step` is one step of prices there.
fn entry(handle: u32, order: &Order, step: Ticks) -> Entry {
    let price = match order.order_type {
        OrderType::Market => protection(order.side, order.protection_price, step),
        _ => order.price,
    };
    Entry {
        handle,
        account: order.account,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        qty: order.qty,
        price,
        terms: Terms::NONE,
    }
}

/// The worst price at which a market order may trade, as the market takes it: a multiple of its step, 0 for any.
fn protection(side: Side, price: Ticks, step: Ticks) -> Ticks {
    let inside = price.0.clamp(0, PRICE_MAX.0);
    let below = inside - inside % step.0;
    match side {
        Side::Buy => Ticks(below.max(step.0)),
        Side::Sell if below < inside => Ticks(below + step.0),
        Side::Sell => Ticks(below),
    }
}

/// What a market's phase means for whoever asks whether the instrument trades.
fn status_of(phase: Phase) -> TradingStatus {
    match phase {
        Phase::Continuous => TradingStatus::Trading,
        Phase::Halt => TradingStatus::Paused,
        Phase::PreOpen | Phase::OpenAuction | Phase::CloseAuction => TradingStatus::QuotationOnly,
        Phase::Closed => TradingStatus::Closed,
    }
}

/// The order that a market is asked about, by whom, and why it is canceled if it is.
#[derive(Clone, Copy)]
struct Asked {
    slot: OrderSlot,
    who: Requester,
    reason: CancelReason,
}

/// Is told what one market does, and books it.
struct Told<'a, 'o, O: Output> {
    oms: &'a mut Oms,
    risk: &'a mut Risk,
    listed: &'a mut Listed,
    instrument: InstrumentId,
    fills: &'a mut u64,
    asked: Option<Asked>,
    publisher: &'a mut Publisher<'o, O>,
}

/// Why a step of an order's life that a market tells cannot fail.
const IN_STEP: &str = "the order store follows the market step by step";

impl<O: Output> Told<'_, '_, O> {
    #[inline]
    fn slot(&self, handle: u32) -> OrderSlot {
        self.oms.slot(handle).expect("a market holds orders of the store only")
    }

    /// Who asked for what happens to the order: now, or when it came.
    #[inline]
    fn who(&self, slot: OrderSlot) -> Requester {
        match self.asked {
            Some(asked) if asked.slot == slot => asked.who,
            _ => self.oms.order(slot).who,
        }
    }

    #[inline]
    fn report(&mut self, slot: OrderSlot, exec_type: ExecType, who: Requester) {
        report(self.oms, slot, exec_type, who, self.publisher, |_| {});
    }

    /// Takes a step that changes what an order ties up.
    fn step(&mut self, slot: OrderSlot, step: impl FnOnce(&mut Oms)) {
        let before = self.oms.exposure(slot);
        step(self.oms);
        self.oms.recount(self.risk, slot, &before);
    }

    /// `qty` lots are taken off an order: all that is left of it, or OrderQty is restated.
    fn take_off(&mut self, slot: OrderSlot, qty: Lots, reason: CancelReason) {
        let &Order { qty: order_qty, .. } = self.oms.order(slot);
        let exec_type = if qty < self.oms.order(slot).leaves_qty() {
            ExecType::Restated
        } else if reason == CancelReason::Expired {
            ExecType::Expired
        } else {
            ExecType::Canceled
        };
        let who = self.who(slot);
        self.step(slot, |oms| {
            let step = match exec_type {
                ExecType::Restated => oms.restated(slot, Lots(order_qty.0 - qty.0)),
                ExecType::Expired => oms.expired(slot),
                _ => oms.canceled(slot),
            };
            step.expect(IN_STEP);
        });
        report(self.oms, slot, exec_type, who, self.publisher, |execution| {
            execution.last_qty = qty;
            if exec_type != ExecType::Expired {
                execution.cancel_reason = reason.wire();
            }
        });
    }
}

impl<O: Output> Reports for Told<'_, '_, O> {
    fn accepted(&mut self, handle: u32, _: Ticks) {
        let slot = self.slot(handle);
        self.oms.accepted(slot).expect(IN_STEP);
        let who = self.who(slot);
        self.report(slot, ExecType::New, who);
    }

    fn trade(&mut self, trade: &Trade) {
        let &Trade { taker_side, auction, price, qty, .. } = trade;
        let [maker, taker] = match auction {
            true => [Liquidity::Auction; 2],
            false => [Liquidity::Maker, Liquidity::Taker],
        };
        let sides = [(self.slot(trade.maker), maker), (self.slot(trade.taker), taker)];
        let terms = &self.listed.instrument;
        let can_fill = |&(slot, liquidity): &(OrderSlot, Liquidity)| {
            self.oms.can_fill(slot, qty, price, liquidity, terms)
        };
        if !sides.iter().all(can_fill) {
            let reason = CancelReason::CannotBook;
            return sides.iter().for_each(|(slot, _)| self.take_off(*slot, qty, reason));
        }
        self.listed.last_trade = Some(price);
        let aggressor = if auction { 0 } else { taker_side.wire() };
        self.publisher.public(trade_update(self.instrument, aggressor, price, qty));
        for (slot, liquidity) in sides {
            Execute { slot, qty, price, liquidity, terms: &self.listed.instrument }
                .book(self.oms, self.risk, self.publisher, |_| {})
                .expect("both sides were asked for room first");
            *self.fills += 1;
        }
    }

    fn canceled(&mut self, handle: u32, qty: Lots, reason: CancelReason) {
        let slot = self.slot(handle);
        let reason = match self.asked {
            Some(asked) if asked.slot == slot && reason == CancelReason::User => asked.reason,
            _ => reason,
        };
        self.take_off(slot, qty, reason);
    }

    fn replaced(&mut self, handle: u32, _: Ticks, _: Lots) {
        let slot = self.slot(handle);
        self.step(slot, |oms| {
            oms.replaced(slot).expect(IN_STEP);
        });
        let who = self.who(slot);
        self.report(slot, ExecType::Replaced, who);
    }

    fn triggered(&mut self, handle: u32) {
        let slot = self.slot(handle);
        let &Order { price, protection_price, .. } = self.oms.order(slot);
        self.oms.triggered(slot, price, protection_price).expect(IN_STEP);
        let who = self.oms.order(slot).who;
        self.report(slot, ExecType::Triggered, who);
    }

    fn rejected(&mut self, handle: u32, reject: Reject) {
        let slot = self.slot(handle);
        self.step(slot, |oms| {
            oms.rejected(slot).expect(IN_STEP);
        });
        report_reject(self.oms, slot, reject, self.who(slot), self.publisher);
    }

    fn refused(&mut self, handle: u32, reject: Reject) {
        // A cancel is not refused: what the store has open, the market has.
        let slot = self.slot(handle);
        self.step(slot, |oms| {
            oms.replace_rejected(slot).expect(IN_STEP);
        });
        report_refusal(self.oms, slot, reject, self.who(slot), self.publisher);
    }

    fn phase(&mut self, phase: Phase) {
        let status = status_of(phase);
        self.listed.status = status;
        self.publisher.public(PublicUpdate {
            kind: PublicKind::Status.wire(),
            instrument: self.instrument,
            orders: status.wire().into(),
            ..Default::default()
        });
    }

    #[inline]
    fn level(&mut self, side: Side, price: Ticks, qty: Lots, orders: u32) {
        let level = Level { price, qty, orders };
        self.publisher.public(level_update(self.instrument, side, level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_price_lies_on_a_step_inside_the_collar() {
        let table = [
            (Side::Buy, 1_099, 100, 1_000),
            (Side::Buy, 1_100, 100, 1_100),
            (Side::Buy, 50, 100, 100),
            (Side::Buy, i64::MAX, 100, PRICE_MAX.0 - PRICE_MAX.0 % 100),
            (Side::Sell, 901, 100, 1_000),
            (Side::Sell, 900, 100, 900),
            (Side::Sell, 1, 100, 100),
            (Side::Sell, 0, 100, 0),
            (Side::Sell, i64::MIN, 100, 0),
        ];
        for (side, bound, step, expected) in table {
            let found = protection(side, Ticks(bound), Ticks(step));
            assert_eq!(found, Ticks(expected), "{side} {bound} {step}");
        }
    }
}
