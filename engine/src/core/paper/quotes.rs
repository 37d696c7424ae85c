//! Quotes and trades (L1): fills that what was seen proves.
//!
//! * A trade at a worse price went through our order's price, and fills it by its quantity.
//! * So does the opposite quote when it comes to our price or beyond: it would have met ours.
//! * A trade at our price proves nothing, since nobody knows who stood ahead; with `touch` it fills all the same.
//!
//! Bias: pessimistic, since a queue that is only reached and not passed never fills. With `touch` optimistic: our order counts as
//! first in its queue.

use super::FillModel;
use super::queue::Queue;
use tidegate_model::command::FillModelKind;
use tidegate_model::{Lots, Ticks};

/// The model for quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotes {
    /// A trade at an order's price fills it.
    pub touch: bool,
}

impl FillModel for Quotes {
    fn kind(&self) -> FillModelKind {
        FillModelKind::Quotes
    }

    fn traded(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) -> Lots {
        queue.meet(qty, price, |resting| self.touch || resting.price != price)
    }
}
