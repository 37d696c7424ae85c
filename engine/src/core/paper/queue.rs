//! Our orders that rest on one side of one instrument, as a fill model sees them.

use super::levels::LevelPlace;
use serde::{Deserialize, Serialize};
use tidegate_model::command::FillModelKind;
use tidegate_model::event::Liquidity;
use tidegate_model::saved::UpTo;
use tidegate_model::{Lots, SeqNo, Side, Ticks, UnixNanos};
use tidegate_oms::OrderSlot;

/// What a fill follows from: a market event, or if it is 0, that the order reached the venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillCause {
    /// The input that told the event.
    pub seq: SeqNo,
    /// A [`tidegate_model::market::MarketEventKind`] on the wire.
    pub kind: u8,
}

/// The market event that is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Market {
    /// When it happened, by the feed's clock. A feed that begins again, as after a restart in the middle of a session,
    /// goes back in it.
    pub time: UnixNanos,
    /// The event itself.
    pub cause: FillCause,
}

/// Where a displayed order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its price.
    pub price: Ticks,
    /// Its number of arrival in the book.
    pub priority: u64,
}

/// An order of ours resting at the venue.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Resting {
    /// The order.
    pub order: OrderSlot,
    /// Its limit price.
    pub price: Ticks,
    /// The arrival number it would have had: displayed orders with a smaller one are ahead at its price.
    pub priority: u64,
    /// Lots displayed ahead of it, as its model reckons.
    pub ahead: Lots,
    /// Lots still open.
    pub leaves: Lots,
    /// The market's time when it came to rest: what the market did before cannot fill it.
    pub since: UnixNanos,
    /// Lots ahead of it that the record has executed by flow that ours took, and that would still stand there: [`Spared`].
    pub spared: Lots,
    /// What a model of levels remembers of its price.
    pub level: LevelPlace,
}

/// One execution on paper, and why it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperFill {
    /// The order.
    pub order: OrderSlot,
    /// At which price.
    pub price: Ticks,
    /// Lots executed.
    pub qty: Lots,
    /// Whether it rested or took.
    pub liquidity: Liquidity,
    /// What caused it.
    pub cause: FillCause,
    /// Lots displayed ahead of a resting order when it was filled.
    pub ahead: Lots,
    /// Ticks of the price that are the impact of our own taking.
    pub impact_ticks: u32,
    /// What decided on it.
    pub model: FillModelKind,
}

impl PaperFill {
    /// What an order took.
    pub fn taken(
        order: OrderSlot,
        price: Ticks,
        qty: Lots,
        cause: FillCause,
        model: FillModelKind,
    ) -> Self {
        let (liquidity, ahead) = (Liquidity::Taker, Lots::ZERO);
        Self { order, price, qty, liquidity, cause, ahead, impact_ticks: 0, model }
    }

    /// The same, of whose price `impact` is that of our own taking.
    #[must_use]
    pub fn with_impact(self, impact: Ticks) -> Self {
        Self { impact_ticks: u32::try_from(impact.0).unwrap_or(u32::MAX), ..self }
    }

    /// [`tidegate_model::event::Execution::fill_detail`].
    pub fn detail(&self) -> u32 {
        match self.liquidity {
            Liquidity::Maker => u32::try_from(self.ahead.0).unwrap_or(u32::MAX),
            // There is no auction on paper.
            Liquidity::Taker | Liquidity::Auction => self.impact_ticks,
        }
    }
}

/// Prices of one side at which lots are spared; with more, the oldest is forgotten. A market has moved away from most of them.
const SPARED_MAX: usize = 64;

/// Lots displayed at each price of one side that would still be there, had our orders been in the market: the record executed
/// them by flow that ours took. Orders of ours that come later stand behind them, until the record's level is gone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Spared {
    #[serde(with = "UpTo::<SPARED_MAX>")]
    levels: Vec<(Ticks, Lots)>,
}

impl Spared {
    /// Makes the room that it would have had by growing, after it was read from a snapshot.
    pub(super) fn make_room(&mut self) {
        tidegate_model::saved::make_room(&mut self.levels, 0);
    }

    /// How many at a price.
    pub fn at(&self, price: Ticks) -> Lots {
        self.levels.iter().find(|level| level.0 == price).map_or(Lots::ZERO, |level| level.1)
    }

    fn add(&mut self, price: Ticks, qty: Lots) {
        if let Some(level) = self.levels.iter_mut().find(|level| level.0 == price) {
            level.1 = Lots(level.1.0.saturating_add(qty.0));
            return;
        }
        if self.levels.len() == SPARED_MAX {
            self.levels.remove(0);
        }
        self.levels.push((price, qty));
    }

    /// The record's level is gone; true if any were spared there.
    pub fn forget(&mut self, price: Ticks) -> bool {
        let before = self.levels.len();
        self.levels.retain(|level| level.0 != price);
        self.levels.len() < before
    }

    /// The whole record is gone.
    pub fn forget_all(&mut self) {
        self.levels.clear();
    }

    /// True if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// The levels, the one that was spared first first.
    pub fn iter(&self) -> impl Iterator<Item = &(Ticks, Lots)> {
        self.levels.iter()
    }
}

/// Our orders on one side of one instrument, and where their fills go.
#[derive(Debug)]
pub struct Queue<'a> {
    pub(super) side: Side,
    pub(super) market: Market,
    pub(super) rested_last: UnixNanos,
    pub(super) model: FillModelKind,
    pub(super) orders: &'a mut Vec<Resting>,
    pub(super) spared: &'a mut Spared,
    pub(super) fills: &'a mut Vec<PaperFill>,
}

impl Queue<'_> {
    /// The side that they rest on.
    #[inline]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The market event that is applied.
    #[inline]
    pub fn market(&self) -> Market {
        self.market
    }

    /// Whether any order of ours, in this queue or another, may have come to rest after the market event: then the feed began again.
    #[inline]
    pub fn may_precede_ours(&self) -> bool {
        self.market.time < self.rested_last
    }

    /// The orders at `price`, first come first.
    #[inline]
    pub fn orders_at(&mut self, price: Ticks) -> &mut [Resting] {
        let side = self.side;
        let begin = self.orders.partition_point(|order| is_better(side, order.price, price));
        let behind = &mut self.orders[begin..];
        let count = behind.iter().take_while(|order| order.price == price).count();
        &mut behind[..count]
    }

    /// Offers `qty` lots of flow to our orders in their own priority, to those at `reach` and better or to all; returns how much of
    /// it met them. `fill` is asked for each that rested by now at which price how many of the lots that are left fill it.
    ///
    /// # Panics
    /// If `fill` wants more than is left or open: a model would have invented it.
    #[inline]
    pub fn share(
        &mut self,
        qty: Lots,
        reach: Option<Ticks>,
        mut fill: impl FnMut(&mut Resting, Lots) -> (Ticks, Lots),
    ) -> Lots {
        let mut left = qty;
        for resting in self.orders.iter_mut() {
            // The best is first: none behind it is reached either.
            if reach.is_some_and(|reach| is_better(self.side, reach, resting.price)) {
                break;
            }
            if resting.since > self.market.time {
                continue;
            }
            let (price, filled) = fill(resting, left);
            if filled.0 == 0 {
                continue;
            }
            assert!(filled <= left, "no more is filled than flowed");
            assert!(filled <= resting.leaves, "no more is filled than is open");
            resting.leaves.0 -= filled.0;
            left.0 -= filled.0;
            self.fills.push(PaperFill {
                order: resting.order,
                price,
                qty: filled,
                liquidity: Liquidity::Maker,
                cause: self.market.cause,
                ahead: resting.ahead,
                impact_ticks: 0,
                model: self.model,
            });
        }
        if left < qty {
            self.orders.retain(|resting| resting.leaves.0 > 0);
        }
        Lots(qty.0 - left.0)
    }

    /// Flow of `qty` lots that the record executed at `price`, against what was displayed there or, if `is_displayed` is false,
    /// against something hidden; returns how much of it would have met ours. `before` says of each of ours at that price or better
    /// how much of the flow the record spent ahead of it, or nothing if the flow does not come to it.
    ///
    /// What ours take is spared: in truth the flow ends that much earlier. So of an order with `before` lots ahead and `s` spared
    /// ones, what is left of the flow meets `before + s` first.
    #[inline]
    pub fn flow(
        &mut self,
        price: Ticks,
        is_displayed: bool,
        qty: Lots,
        mut before: impl FnMut(&mut Resting) -> Option<Lots>,
    ) -> Lots {
        let met = self.share(qty, Some(price), |resting, left| {
            let Some(before) = before(resting) else { return (resting.price, Lots::ZERO) };
            let ahead = before.0.saturating_add(resting.spared.0);
            let recorded = before.0.saturating_sub(qty.0);
            resting.spared.0 = ahead.saturating_sub(left.0).saturating_sub(recorded);
            (resting.price, Lots(left.0.saturating_sub(ahead)).min(resting.leaves))
        });
        if is_displayed && met.0 > 0 {
            self.spared.add(price, met);
        }
        met
    }

    /// As [`Self::share`], where an order that is met takes all that is left.
    #[inline]
    pub fn meet(&mut self, qty: Lots, reach: Ticks, is_met: impl Fn(&Resting) -> bool) -> Lots {
        self.share(qty, Some(reach), |resting, left| {
            let lots = if is_met(resting) { left.min(resting.leaves) } else { Lots::ZERO };
            (resting.price, lots)
        })
    }
}

/// True if `a` is a better price than `b` for orders on `side`.
#[inline]
pub fn is_better(side: Side, a: Ticks, b: Ticks) -> bool {
    match side {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}
