//! Market events: to the book, to everyone, and to the paper orders they concern.

use super::Core;
use super::internal::indicative_updates;
use super::orders::Traded;
use super::output::{Output, Publisher};
use super::paper::{Depth, FillCause, Market, PaperVenue, Place, is_better};
use crate::book::{BookError, BookObserver, BookOrder, Cause, FETCHED, Level, Slot};
use crate::matching::Indicative;
use tidegate_model::market::{
    FLAG_FILLS_FOLLOW, FLAG_NON_PRINTABLE, MarketEventKind, STATUS_MASK, TradingStatus,
};
use tidegate_model::{
    Instrument, InstrumentId, Lots, MarketEvent, PublicKind, PublicUpdate, Side, Symbol, Ticks,
};

impl Core {
    /// Begins to fetch what [`Core::apply`] of events that are still to come will look at; `ahead(n)` is the `n`th after the next one, if
    /// that is a market event and known. Changes nothing.
    #[inline]
    pub fn fetch_ahead<'a>(&self, ahead: impl Fn(usize) -> Option<&'a MarketEvent>) {
        for (distance, what) in FETCHED {
            if let Some(event) = ahead(distance)
                && let Some(instrument) = self.listing.by_channel(event.channel_id)
            {
                self.books.fetch(instrument, event, what);
            }
        }
    }

    /// Applies one market event.
    #[inline]
    pub(super) fn market(&mut self, event: &MarketEvent, publisher: &mut Publisher<'_>) {
        self.counters.market_events += 1;
        let Some(kind) = event.kind() else {
            self.counters.unbound_events += 1;
            return;
        };
        match kind {
            MarketEventKind::Definition => return self.bind_channel(event, publisher),
            MarketEventKind::System => return,
            MarketEventKind::Gap => return self.gap(event, publisher),
            _ => {}
        }
        let Some(instrument) = self.listing.by_channel(event.channel_id) else {
            self.counters.unbound_events += 1;
            return;
        };
        self.listing[instrument].heard_at = Some(self.now);
        self.paper.market = Market {
            time: event.ts_event,
            cause: FillCause { seq: publisher.seq, kind: event.kind },
        };
        match kind {
            MarketEventKind::Status => self.status(instrument, event, publisher),
            MarketEventKind::Trade | MarketEventKind::Cross => {
                self.trade(instrument, kind, event, publisher);
            }
            MarketEventKind::Fill => self.fill_told_apart(instrument, event),
            MarketEventKind::BarRange | MarketEventKind::Bar => {
                self.bar_event(instrument, event, publisher);
            }
            _ => self.book_event(instrument, event, publisher),
        }
        if !self.paper.fills.is_empty() || !self.paper.met.is_empty() {
            self.settle_resting(publisher);
            self.follow_up(publisher);
        }
        if let Some(traded) = self.traded.take() {
            self.oms.note_traded(instrument, traded.qty, self.now);
            self.after_trade(instrument, traded, publisher);
        }
        if let Some(mark) = self.mark(instrument) {
            self.risk.marked(self.now, instrument, mark);
        }
    }

    /// The instrument traded. Told once an event, or for each part of what it traded.
    #[inline]
    pub(super) fn note_trade(&mut self, instrument: InstrumentId, price: Ticks, qty: Lots) {
        self.listing[instrument].last_trade = Some(price);
        let before = self.traded.map_or(0, |traded| traded.qty.0);
        self.traded = Some(Traded { price, qty: Lots(before.saturating_add(qty.0)) });
    }

    /// What happened in between is unknown: every book is emptied, since any of its orders may be gone.
    fn gap(&mut self, event: &MarketEvent, publisher: &mut Publisher<'_>) {
        self.counters.gaps += 1;
        let clear = MarketEvent { kind: MarketEventKind::Clear.wire(), side: 0, ..*event };
        for id in 0..self.listing.count() as u32 {
            self.book_event(InstrumentId(id), &clear, publisher);
        }
    }

    fn book_event(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        publisher: &mut Publisher<'_>,
    ) {
        let depth = match event.kind() {
            Some(MarketEventKind::Level) => Some(Depth::Levels),
            Some(MarketEventKind::Quote) => Some(Depth::Quotes),
            _ => None,
        };
        if let Some(depth) = depth {
            self.paper.told(instrument, depth);
        }
        if event.kind() == Some(MarketEventKind::Clear) && event.side().is_none() {
            self.paper.levels_gone(instrument);
        }
        let has_resting = self.paper.has_resting(instrument);
        let mut listener = Listener {
            has_resting,
            can_fill: has_resting && self.is_trading(instrument),
            is_printed: event.flags & FLAG_NON_PRINTABLE == 0,
            tells_levels: depth.is_some(),
            clears: event.kind() == Some(MarketEventKind::Clear),
            instrument,
            traded: None,
            paper: &mut self.paper,
            publisher,
        };
        let applied = self.books.apply(instrument, event, &mut listener);
        if let Some(traded) = listener.traded {
            self.note_trade(instrument, traded.price, traded.qty);
        }
        match applied {
            Ok(()) => {}
            Err(BookError::UnknownOrder { .. }) => self.counters.unknown_orders += 1,
            Err(_) => self.counters.refused_events += 1,
        }
    }

    /// A trade that changes no book: against an order that was not displayed, or in an auction.
    fn trade(
        &mut self,
        instrument: InstrumentId,
        kind: MarketEventKind,
        event: &MarketEvent,
        publisher: &mut Publisher<'_>,
    ) {
        if event.qty.0 == 0 {
            return;
        }
        self.note_trade(instrument, event.price, event.qty);
        publisher.public(trade_update(instrument, 0, event.price, event.qty));
        let is_flow = kind == MarketEventKind::Trade && event.flags & FLAG_FILLS_FOLLOW == 0;
        if is_flow && self.can_fill(instrument) {
            // The flow passed every price better than its own; at its own price nothing is proved.
            let mut left = event.qty;
            for side in [Side::Buy, Side::Sell] {
                // An aggressor meets the other side; where the feed does not tell, it may have been either.
                if event.side() != Some(side) {
                    let met = self.paper.traded(instrument, side, event.price, left);
                    left.0 -= met.0;
                }
            }
        }
    }

    #[inline]
    pub(super) fn is_trading(&self, instrument: InstrumentId) -> bool {
        self.listing[instrument].status == TradingStatus::Trading
    }

    /// True if the market can fill an order of ours that rests.
    #[inline]
    fn can_fill(&self, instrument: InstrumentId) -> bool {
        self.paper.has_resting(instrument) && self.is_trading(instrument)
    }

    /// An execution that the feed tells apart from the change of the book that follows it (DBN `F`).
    fn fill_told_apart(&mut self, instrument: InstrumentId, event: &MarketEvent) {
        let Some(slot) = self.books.find(event.order_ref) else { return };
        let order = self.books.order(slot);
        if order.instrument == instrument && self.can_fill(instrument) {
            self.paper.order_met(instrument, order.side, place_of(&order), event.qty);
        }
    }

    fn status(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        publisher: &mut Publisher<'_>,
    ) {
        let status = TradingStatus::from_wire((event.flags & STATUS_MASK) as u8);
        let Some(status) = status else {
            self.counters.refused_events += 1;
            return;
        };
        let traded = self.is_trading(instrument);
        self.listing[instrument].status = status;
        publisher.public(PublicUpdate {
            kind: PublicKind::Status.wire(),
            instrument,
            orders: status.wire().into(),
            ..Default::default()
        });
        if !traded && self.can_fill(instrument) {
            let before = self.enter_venue(publisher);
            self.take_what_rests_across(instrument, publisher);
            publisher.reports_leave_at(before);
        }
        if !traded && let Some(price) = self.listing[instrument].last_trade {
            // What it passed meanwhile has effect now.
            self.traded = Some(Traded { price, qty: Lots::ZERO });
        }
    }

    /// The feed binds its number to a symbol, which becomes an instrument if it is none yet.
    ///
    /// An instrument that is listed keeps its terms; if its prices or quantities count in other units than the
    /// feed's, or it has a market of the house, the channel stays unbound, because its integers would mean something else.
    fn bind_channel(&mut self, event: &MarketEvent, publisher: &mut Publisher<'_>) {
        let Some(definition) = event.definition().filter(|d| d.symbol.is_valid()) else {
            self.counters.unbound_events += 1;
            return;
        };
        let id = match self.listing.by_symbol(&definition.symbol) {
            Some(id) => Some(id),
            None => self.define_from_feed(
                definition.symbol,
                definition.tick_size_nano,
                definition.lot_size_nano,
                definition.price_scale,
                publisher,
            ),
        };
        let same_units = id.is_some_and(|id| {
            let terms = &self.listing[id].instrument;
            // A market of the house is its own: no feed tells of it.
            !terms.is_internal()
                && terms.tick_size_nano == definition.tick_size_nano
                && terms.lot_size_nano == definition.lot_size_nano
        });
        let bound = match id {
            Some(id) if same_units => self.listing.bind(definition.channel_id, id),
            _ => false,
        };
        if !bound {
            self.counters.unbound_events += 1;
        }
    }

    fn define_from_feed(
        &mut self,
        symbol: Symbol,
        tick_size_nano: i64,
        lot_size_nano: i64,
        price_scale: u8,
        publisher: &mut Publisher<'_>,
    ) -> Option<InstrumentId> {
        let share = Instrument::us_equity(symbol);
        let terms =
            if tick_size_nano == share.tick_size_nano && lot_size_nano == share.lot_size_nano {
                share
            } else {
                let (order_tick, order_tick_from) = (Ticks(1), Ticks(i64::MIN));
                let share = Instrument { tick_size_nano, lot_size_nano, price_scale, ..share };
                Instrument { order_tick, order_tick_from, ..share }
            };
        let id = self.define(terms, super::orders::NOBODY, publisher).ok()?;
        u32::try_from(id).ok().map(InstrumentId)
    }

    /// Tells the whole book of one instrument: `Clear`, its levels from the best, `PictureEnd`; of how many levels. Nothing of an
    /// instrument that is not listed.
    pub fn publish_picture(&self, instrument: InstrumentId, out: &mut dyn Output) -> usize {
        if self.listing.get(instrument).is_none() {
            return 0;
        }
        let mut count = 0;
        let mut publisher = Publisher::new(out, self.seq, self.now, self.now, None);
        let mark = |kind: PublicKind| PublicUpdate {
            kind: kind.wire(),
            instrument,
            orders: self.listing[instrument].status.wire().into(),
            ..Default::default()
        };
        publisher.public(mark(PublicKind::Clear));
        let market = self.internal.market_of(instrument);
        for side in [Side::Buy, Side::Sell] {
            let levels = market.map(|market| self.internal.markets().levels(market, side));
            for (price, qty, orders) in levels.into_iter().flatten().take(PICTURE_LEVELS_MAX) {
                let level = Level { price, qty, orders };
                publisher.public(level_update(instrument, side, level));
                count += 1;
            }
            for level in self.books.levels(instrument, side).take(PICTURE_LEVELS_MAX) {
                publisher.public(level_update(instrument, side, level));
                count += 1;
            }
        }
        let told = market.map(|market| self.internal.last_indicative(market));
        if let Some(told) = told.filter(|told| *told != Indicative::NOTHING) {
            for update in indicative_updates(instrument, &told) {
                publisher.public(update);
            }
        }
        publisher.public(mark(PublicKind::PictureEnd));
        count
    }

    /// What an order is measured against: the last trade, else the middle of the best bid and offer. In a market of the house
    /// a price that was set since the last trade goes before.
    #[inline]
    pub fn reference(&self, instrument: InstrumentId) -> Option<Ticks> {
        let best = || [Side::Buy, Side::Sell].map(|side| self.best_price(instrument, side));
        self.reference_beside(instrument, best)
    }

    /// The same, where `best` gives the best bid and offer.
    #[inline]
    pub(super) fn reference_beside(
        &self,
        instrument: InstrumentId,
        best: impl FnOnce() -> [Option<Ticks>; 2],
    ) -> Option<Ticks> {
        if let Some(market) = self.internal.market_of(instrument) {
            return self.internal.reference(market);
        }
        self.listing[instrument].last_trade.or_else(|| {
            let [bid, offer] = best();
            Some(Ticks(bid?.0.midpoint(offer?.0)))
        })
    }
}

/// Levels of one side in a picture: deeper ones are of no use to a subscriber, and the broadcast must hold it.
const PICTURE_LEVELS_MAX: usize = 4_096;

#[inline]
fn place_of(order: &BookOrder) -> Place {
    Place { price: order.price, priority: order.priority }
}

pub(super) fn level_update(instrument: InstrumentId, side: Side, level: Level) -> PublicUpdate {
    PublicUpdate {
        kind: PublicKind::Level.wire(),
        instrument,
        side: side.wire(),
        price: level.price,
        qty: level.qty,
        orders: level.orders,
        ..Default::default()
    }
}

pub(super) fn trade_update(
    instrument: InstrumentId,
    aggressor: u8,
    price: Ticks,
    qty: Lots,
) -> PublicUpdate {
    PublicUpdate {
        kind: PublicKind::Trade.wire(),
        instrument,
        side: aggressor,
        price,
        qty,
        ..Default::default()
    }
}

/// Hears what an event does to a book, and passes it to everyone and to the paper venue.
struct Listener<'a, 'o> {
    instrument: InstrumentId,
    has_resting: bool,
    /// It has, and the instrument trades.
    can_fill: bool,
    is_printed: bool,
    /// The event is of a feed that shows levels without orders.
    tells_levels: bool,
    clears: bool,
    traded: Option<Traded>,
    paper: &'a mut PaperVenue,
    publisher: &'a mut Publisher<'o>,
}

impl Listener<'_, '_> {
    #[inline]
    fn left(&mut self, slot: Slot, before: &BookOrder, by: Lots, cause: Cause) {
        if let Cause::Executed { price } = cause
            && self.is_printed
        {
            let so_far = self.traded.map_or(0, |traded| traded.qty.0);
            self.traded = Some(Traded { price, qty: Lots(so_far.saturating_add(by.0)) });
            let aggressor = before.side.opposite().wire();
            self.publisher.public(trade_update(self.instrument, aggressor, price, by));
        }
        if before.taken {
            // No more of it can be gone to us than is left.
            let left = Lots(before.qty.0 - by.0);
            let taken = self.paper.taken_mut();
            taken.set_of_order(slot, taken.of_order(slot).min(left));
        }
        if self.has_resting {
            let place = place_of(before);
            self.paper.order_left(self.instrument, before.side, place, by);
            if self.can_fill && self.is_printed && matches!(cause, Cause::Executed { .. }) {
                self.paper.order_met(self.instrument, before.side, place, by);
            }
        }
    }
}

impl BookObserver for Listener<'_, '_> {
    #[inline]
    fn added(&mut self, slot: Slot, order: &BookOrder) {
        if self.has_resting {
            self.paper.order_came(self.instrument, order.side, place_of(order), order.qty);
        }
        if self.can_fill {
            let side = order.side.opposite();
            let met = self.paper.crossed_by(self.instrument, side, order.price, order.qty);
            if met.0 > 0 {
                self.paper.met.push((slot, met));
            }
        }
    }

    #[inline]
    fn reduced(&mut self, slot: Slot, before: &BookOrder, by: Lots, cause: Cause) {
        self.left(slot, before, by, cause);
    }

    #[inline]
    fn removed(&mut self, slot: Slot, before: &BookOrder, cause: Cause) {
        self.left(slot, before, before.qty, cause);
    }

    #[inline]
    fn level(&mut self, instrument: InstrumentId, side: Side, level: Level) {
        self.publisher.public(level_update(instrument, side, level));
        if self.tells_levels || self.clears {
            self.paper.taken_mut().level_told(instrument, side, level.price, level.qty);
        }
        if level.qty.0 == 0 {
            self.paper.level_gone(instrument, side, level.price);
        }
        if self.has_resting && !self.clears {
            self.paper.level_told(instrument, side, level.price, level.qty);
        }
        if self.tells_levels && self.can_fill && level.qty.0 > 0 {
            let taken = self.paper.taken().of_level(instrument, side, level.price);
            let (ours, fresh) = (side.opposite(), Lots(level.qty.0 - taken.0));
            let met = self.paper.crossed_by(instrument, ours, level.price, fresh);
            if met.0 > 0 {
                self.paper.taken_mut().take_of_level(instrument, side, level.price, met);
            }
        }
    }
}

/// True if `price` is acceptable to an order on `side` with limit `limit`.
#[inline]
pub(super) fn is_acceptable(side: Side, limit: Ticks, price: Ticks) -> bool {
    !is_better(side, price, limit)
}
