//! Orders shown (L3): the exact place in the queue.
//!
//! * Every displayed order that arrived earlier at its price is ahead of ours. Executions of those, and their cancels, bring
//!   ours forward. An execution of an order *behind* it, or at a worse price, would have met it first: it fills by that
//!   quantity, at its own price.
//! * A trade against something that was not displayed proves only that the market went past every price better than its own.
//!
//! Assumption: the market would have done the same without the lots that ours took from the flow.
//!
//! Bias: none in the place. Hidden orders at our price that stand behind displayed ones are not seen; where they traded at our
//! price, ours is not filled (pessimistic). Whoever would have joined or left the queue because of ours is not there.

use super::FillModel;
use super::queue::{Place, Queue};
use tidegate_model::command::FillModelKind;
use tidegate_model::{Lots, Ticks};

/// The model; it has nothing to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact;

impl FillModel for Exact {
    #[inline]
    fn kind(&self) -> FillModelKind {
        FillModelKind::Exact
    }

    /// An order that came before some of ours at its price rested is told a second time by a feed that began again: it
    /// stood ahead of those, and does again.
    #[inline]
    fn order_came(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        if !queue.may_precede_ours() {
            return;
        }
        let now = queue.market().time;
        for resting in queue.orders_at(place.price) {
            if resting.since > now {
                resting.priority = place.priority + 1;
                resting.ahead = Lots(resting.ahead.0.saturating_add(qty.0));
            }
        }
    }

    /// Whoever queues behind the order moves forward.
    #[inline]
    fn order_left(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        for resting in queue.orders_at(place.price) {
            if place.priority < resting.priority {
                resting.ahead = Lots(resting.ahead.0.saturating_sub(qty.0));
            }
        }
    }

    /// Every order of ours before it, by price or by place, would have been met first.
    ///
    /// The record does not stop there, so over-filling by flow that our own order would have absorbed is bounded by the flow
    /// itself.
    #[inline]
    fn order_met(&self, queue: &mut Queue<'_>, place: Place, qty: Lots) {
        queue.flow(place.price, true, qty, |resting| {
            let is_first = resting.price != place.price || resting.priority <= place.priority;
            Some(if is_first { Lots::ZERO } else { qty })
        });
    }

    /// Nothing displayed was met: orders of ours at better prices would have been met first, at its own price nothing is
    /// proved.
    #[inline]
    fn traded(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) -> Lots {
        queue.flow(price, false, qty, |resting| (resting.price != price).then_some(Lots::ZERO))
    }
}
