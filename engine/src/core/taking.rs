//! Taking: what an order meets on the other side of the book, and at which prices.

use super::Core;
use super::market::is_acceptable;
use super::output::Publisher;
use super::paper::{Displayed, FillCause, PaperFill};
use crate::book::{Level, Slot};
use tidegate_model::market::TradingStatus;
use tidegate_model::{InstrumentId, Lots, Side, Ticks};
use tidegate_oms::{Order, OrderSlot};

/// Displayed orders that one step of a taking order goes through; one that needs more takes another step.
pub(super) const WALK_MAX: usize = 1_024;

/// What a taking order takes from one displayed order, or from one level without orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taking {
    from: Displayed,
    price: Ticks,
    qty: Lots,
}

impl Core {
    /// How far those of our orders that took before have moved the prices that one on `side` meets now.
    pub(super) fn impact_of_others(&self, instrument: InstrumentId, side: Side) -> Ticks {
        let impact = self.paper.impact(instrument);
        if !impact.is_set() {
            return Ticks::ZERO;
        }
        let best = self.books.best(instrument, side.opposite());
        best.map_or(Ticks::ZERO, |best| impact.ticks(side, best.price, Lots::ZERO, self.arrived_at))
    }

    /// The best price that an order without a limit may take, now.
    pub(super) fn best_to_take(
        &self,
        instrument: InstrumentId,
        side: Side,
        impact: Ticks,
        protection: Ticks,
    ) -> Option<Ticks> {
        let is_trading = self.listing[instrument].status == TradingStatus::Trading;
        let best = self.books.best(instrument, side.opposite()).filter(|_| is_trading)?;
        let price = moved(side, best.price, impact);
        is_acceptable(side, protection, price).then_some(price)
    }

    /// A price onto one that orders may have: the next that is no better for its owner.
    pub(super) fn onto_tick(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Ticks {
        let step = self.listing.order_tick_at(instrument, price).0;
        let below = price.0 - price.0.rem_euclid(step);
        match side {
            _ if below == price.0 => price,
            Side::Buy => Ticks(below.saturating_add(step)),
            Side::Sell if below > 0 => Ticks(below),
            Side::Sell => price,
        }
    }

    /// Lists in `walk` what an order may take that pays `impact` more than what is displayed, best price first and first come first, as far as there is room; returns
    /// the sum of all it may take, at most `wanted`.
    pub(super) fn find_liquidity(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        impact: Ticks,
        limit: Ticks,
        wanted: Lots,
    ) -> Lots {
        self.walk.clear();
        let mut left = wanted;
        let other = side.opposite();
        // Most orders need no more than the best level, which is found sooner than the others.
        let best = self.books.best(instrument, other).into_iter();
        let deeper = std::iter::once_with(|| self.books.levels(instrument, other).skip(1));
        for level in best.chain(deeper.flatten()) {
            if !is_acceptable(side, limit, moved(side, level.price, impact)) {
                break;
            }
            let Level { price, qty, .. } = level;
            let mut offer = |from: Displayed, displayed: Lots, taken: Lots| {
                let qty = Lots(displayed.0.saturating_sub(taken.0)).min(left);
                left.0 -= qty.0;
                if qty.0 > 0 && self.walk.len() < WALK_MAX {
                    self.walk.push(Taking { from, price, qty });
                }
                left.0 > 0
            };
            let mut orders = self.books.orders_at(instrument, other, price).peekable();
            if orders.peek().is_none() {
                let taken = self.paper.taken().of_level(instrument, other, price);
                offer(Displayed::Level(other, price), qty, taken);
            }
            for (at, order) in orders {
                let taken = if order.taken { self.paper.taken().of_order(at) } else { Lots::ZERO };
                if !offer(Displayed::Order(at), order.qty, taken) {
                    break;
                }
            }
            if left.0 == 0 {
                break;
            }
        }
        Lots(wanted.0 - left.0)
    }

    /// Takes what `walk` lists, and reports one fill a price level.
    pub(super) fn take(
        &mut self,
        slot: OrderSlot,
        impact: Ticks,
        cause: FillCause,
        publisher: &mut Publisher<'_>,
    ) {
        let &Order { instrument, side, .. } = self.oms.order(slot);
        let mut at = 0;
        while let Some(&Taking { price, .. }) = self.walk.get(at) {
            let mut qty = Lots::ZERO;
            while let Some(&taking) = self.walk.get(at)
                && taking.price == price
            {
                match taking.from {
                    Displayed::Order(displayed) => self.note_taken(displayed, taking.qty),
                    Displayed::Level(side, price) => {
                        self.paper.taken_mut().take_of_level(instrument, side, price, taking.qty);
                    }
                }
                qty.0 += taking.qty.0;
                at += 1;
            }
            let model = self.paper.model_of(instrument);
            let price = moved(side, price, impact);
            let fill = PaperFill::taken(slot, price, qty, cause, model).with_impact(impact);
            self.paper.took(instrument, side, qty, self.arrived_at);
            self.fill(fill, publisher);
        }
    }

    pub(super) fn note_taken(&mut self, displayed: Slot, qty: Lots) {
        let taken = match self.books.order(displayed).taken {
            true => self.paper.taken().of_order(displayed),
            false => Lots::ZERO,
        };
        self.paper.taken_mut().set_of_order(displayed, Lots(taken.0 + qty.0));
        self.books.set_taken(displayed, true);
    }
}

/// What an order on `side` pays where `price` is displayed and our taking has moved it by `impact`; never 0 where more is
/// displayed.
#[inline]
pub(super) fn moved(side: Side, price: Ticks, impact: Ticks) -> Ticks {
    match side {
        Side::Buy => Ticks(price.0.saturating_add(impact.0)),
        Side::Sell => Ticks(price.0.saturating_sub(impact.0).max(price.0.min(1))),
    }
}
