//! Levels shown (L2): a place in the queue that must be estimated, by trades at the price and by what else leaves the level.
//!
//! An order of ours joins behind all that is displayed at its price. From then on
//! * a trade at its price takes from the front: the order gets forward by all of it, and what goes beyond those ahead fills it;
//! * a trade at a worse price went through its price, and fills it;
//! * when the level shrinks by more than was traded there, somebody canceled. Where those stood is the one thing that the feed
//!   does not say: [`Cancels`] decides;
//! * nobody joins ahead.
//!
//! A trade and the change of the level that it causes come as two messages, in either order, each with the exchange's time. A
//! level told at `t` holds every trade up to `t`: trades told before it are taken out of its change, and a trade that is told
//! after it, but happened by then, is taken out of the change that was told before, so that nothing counts twice. Of two
//! messages of the same time, a trade belongs to the change before it if that is not explained otherwise, and else to the
//! change that follows.
//!
//! Assumption: as [`super::exact`]; and trades at a price are with displayed orders. Bias: a trade with a hidden order at our price counts as
//! one with the front of the queue (optimistic). Quantity that is canceled and added again between two updates of the level is
//! not seen (pessimistic). For the rest see [`super::risk_averse`] and [`super::probability`].

use super::FillModel;
use super::queue::{Queue, Resting};
use serde::{Deserialize, Serialize};
use tidegate_model::command::FillModelKind;
use tidegate_model::{Lots, Ticks, UnixNanos};

/// A change of a level, and what of it is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Lots ahead of ours before it, trades up to it taken off.
    pub ahead: Lots,
    /// Lots of the level before it, those trades included.
    pub before: Lots,
    /// Lots of the level after it.
    pub after: Lots,
    /// How many of them trades account for.
    pub traded: Lots,
}

impl Change {
    /// Lots that left without a trade.
    pub fn canceled(&self) -> u64 {
        self.before.0.saturating_sub(self.after.0).saturating_sub(self.traded.0)
    }
}

/// Where those stood who canceled.
pub trait Cancels {
    /// Which model it makes.
    fn kind(&self) -> FillModelKind;

    /// Lots ahead of ours after `change`: at most `change.ahead` and at most `change.after`.
    fn ahead_after(&self, change: &Change) -> Lots;
}

/// What is remembered of the level that an order rests at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelPlace {
    /// The last change that was told.
    last: Change,
    /// When it happened.
    told_at: UnixNanos,
    /// Lots traded since, of which no change was told yet.
    pending: Lots,
    /// When the first of them traded.
    pending_from: UnixNanos,
}

impl LevelPlace {
    fn behind(displayed: Lots, now: UnixNanos) -> Self {
        let last =
            Change { ahead: displayed, before: displayed, after: displayed, traded: Lots::ZERO };
        Self { last, told_at: now, ..Self::default() }
    }

    fn ahead(&self, cancels: &impl Cancels) -> Lots {
        Lots(cancels.ahead_after(&self.last).0.saturating_sub(self.pending.0))
    }

    /// `qty` lots traded at the price at `now`; how many of them went before ours could be reached.
    fn traded(&mut self, qty: Lots, now: UnixNanos, cancels: &impl Cancels) -> Lots {
        let is_told = now < self.told_at || (now == self.told_at && self.last.canceled() >= qty.0);
        if is_told {
            let before_it = self.last.ahead;
            self.last.ahead.0 = before_it.0.saturating_sub(qty.0);
            self.last.traded.0 = self.last.traded.0.saturating_add(qty.0);
            return before_it;
        }
        let before_it = self.ahead(cancels);
        if self.pending.0 == 0 {
            self.pending_from = now;
        }
        self.pending.0 = self.pending.0.saturating_add(qty.0);
        before_it
    }

    /// The level is `qty` lots since `now`.
    fn told(&mut self, qty: Lots, now: UnixNanos, cancels: &impl Cancels) {
        let mut ahead = cancels.ahead_after(&self.last);
        let mut traded = Lots::ZERO;
        // A change older than what traded since holds none of it.
        if self.pending.0 > 0 && now >= self.pending_from {
            traded = std::mem::take(&mut self.pending);
            ahead.0 = ahead.0.saturating_sub(traded.0);
        }
        self.last = Change { ahead, before: self.last.after, after: qty, traded };
        self.told_at = now;
    }

    /// The words that its hash is made of.
    pub fn words(&self) -> [u64; 7] {
        let Change { ahead, before, after, traded } = self.last;
        [ahead.0, before.0, after.0, traded.0, self.told_at.0, self.pending.0, self.pending_from.0]
    }
}

/// The model for levels, with what it supposes of cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels<C>(pub C);

impl<C: Cancels> FillModel for Levels<C> {
    fn kind(&self) -> FillModelKind {
        self.0.kind()
    }

    fn rested(&self, resting: &mut Resting, displayed: Lots) {
        resting.ahead = displayed;
        resting.level = LevelPlace::behind(displayed, resting.since);
    }

    fn traded(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) -> Lots {
        let now = queue.market().time;
        queue.flow(price, true, qty, |resting| {
            if resting.price != price {
                return Some(Lots::ZERO);
            }
            // The record goes on where ours took from it: all of it took from the level.
            let before_it = resting.level.traded(qty, now, &self.0);
            resting.ahead = resting.level.ahead(&self.0);
            Some(before_it)
        })
    }

    fn level_told(&self, queue: &mut Queue<'_>, price: Ticks, qty: Lots) {
        let now = queue.market().time;
        for resting in queue.orders_at(price) {
            // A level of before it rested, told by a feed that begins again, says nothing about those ahead.
            if resting.since <= now {
                resting.level.told(qty, now, &self.0);
                resting.ahead = resting.level.ahead(&self.0);
            }
        }
    }
}
