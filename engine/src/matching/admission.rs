//! What an order may be: the terms that go together (rule 3.7) and the phases that take it (rule 6.1).

use super::Phase;
use super::terms::{Entry, Peg, Terms, Trail};
use tidegate_model::command::{OrderType as T, TimeInForce as F};
use tidegate_model::{Lots, Reject, RejectReason, Ticks, UnixNanos};

/// Most lots of one order. The sum over as many orders as handles below 2^24 can name fits in 64 bits.
pub const QTY_MAX: Lots = Lots(1 << 40);

/// Prices, offsets and trails keep within this, so that the sum of two and a price times 1,000,000 in 128 bits never pass.
pub const PRICE_MAX: Ticks = Ticks(1 << 56);

/// Most parts that an iceberg may be shown in: one taking order may trade so many times with one order.
pub const DISPLAY_PARTS_MAX: u64 = 10_000;

impl Entry {
    /// What of the terms does not go together (rule 3.7): words for it, and the value at fault.
    pub fn fault(&self) -> Option<(&'static str, i128)> {
        let Terms { stop_price, trail, limit_offset, peg, post_only, .. } = self.terms;
        let Terms { hidden, display_qty, min_qty, expire_at, .. } = self.terms;
        let (kind, life) = (self.order_type, self.time_in_force);
        let number = |value: Option<Ticks>| i128::from(value.unwrap_or_default().0);
        let lots = |value: Option<Lots>| i128::from(value.unwrap_or_default().0);
        let trails = matches!(kind, T::TrailingStop | T::TrailingStopLimit);
        let stops = matches!(kind, T::Stop | T::StopLimit | T::MarketIfTouched | T::LimitIfTouched);
        let auction = matches!(life, F::AtTheOpen | F::AtTheClose);
        let (trail_value, is_trail) = match trail {
            None => (0, true),
            Some(Trail::Ticks(ticks)) => (ticks, ticks > 0),
            Some(Trail::Ppm(ppm)) => (ppm, (1..1_000_000).contains(&ppm)),
        };
        let parts = display_qty.filter(|qty| qty.0 > 0).map_or(0, |qty| self.qty.0.div_ceil(qty.0));
        [
            (
                stop_price.is_none() && stops,
                "a stop or touched order needs a stop price",
                number(stop_price),
            ),
            (
                stop_price.is_some() && !stops && !trails,
                "only stop, touched and trailing orders have a stop price",
                number(stop_price),
            ),
            (
                trail.is_some() != trails,
                "trailing orders have a trail, and no others do",
                trail_value.into(),
            ),
            (!is_trail, "a trail is above 0, and below 100 % of the price", trail_value.into()),
            (
                limit_offset.is_some() && !(kind == T::TrailingStopLimit && self.price.0 == 0),
                "only a trailing stop-limit order without a price has a limit offset",
                number(limit_offset),
            ),
            (
                peg.is_some() != (kind == T::Pegged),
                "pegged orders have a peg, and no others do",
                number(peg.map(|peg| peg.offset)),
            ),
            (
                post_only.is_some()
                    && !(kind == T::Limit && matches!(life, F::Day | F::Gtc | F::Gtd)),
                "post-only is for limit orders that rest",
                post_only.map_or(0, |kind| kind.wire().into()),
            ),
            (
                min_qty.is_some_and(|qty| qty.0 == 0 || qty > self.qty),
                "a minimum quantity is from 1 to the order's quantity",
                lots(min_qty),
            ),
            (
                min_qty.is_some() && (kind == T::Pegged || auction || post_only.is_some()),
                "a minimum quantity does not go with pegged, post-only and auction orders",
                lots(min_qty),
            ),
            (display_qty == Some(Lots(0)), "a display quantity is above 0", 0),
            (
                display_qty.is_some() && (hidden || min_qty.is_some() || kind == T::Pegged),
                "a display quantity is for orders that are displayed",
                lots(display_qty),
            ),
            (
                parts > DISPLAY_PARTS_MAX,
                "the display quantity is less than a 10,000th of the order",
                lots(display_qty),
            ),
            (
                auction && !matches!(kind, T::Market | T::Limit),
                "only market and limit orders are at the open or at the close",
                life.wire().into(),
            ),
            (
                expire_at.0 != 0 && life != F::Gtd,
                "only good-till-date orders have an expiry",
                expire_at.0.into(),
            ),
        ]
        .into_iter()
        .find_map(|(is_fault, why, value)| is_fault.then_some((why, value)))
    }

    /// Refuses what no market takes at any time. `increment` is one step of prices.
    ///
    /// # Errors
    /// `zero_quantity`, `overflow` (quantity above [`QTY_MAX`]), `bad_field`, `bad_price` and `tick`, in this order.
    pub(super) fn check(&self, increment: Ticks) -> Result<(), Reject> {
        if self.qty.0 == 0 {
            return Err(Reject::of(RejectReason::ZeroQuantity, 0));
        }
        if self.qty > QTY_MAX {
            let (limit, value) = (QTY_MAX.0.into(), self.qty.0.into());
            return Err(Reject::new(RejectReason::Overflow, limit, value));
        }
        if let Some((_, value)) = self.fault() {
            return Err(Reject::of(RejectReason::BadField, value));
        }
        let lowest = Ticks(i64::from(self.has_limit()));
        let nothing = Ticks(-PRICE_MAX.0);
        let terms = &self.terms;
        let trail = terms.trail.and_then(|trail| match trail {
            Trail::Ticks(ticks) => Some(Ticks(ticks)),
            Trail::Ppm(_) => None,
        });
        for (price, lowest) in [
            (Some(self.price), lowest),
            (terms.stop_price, Ticks(1)),
            (terms.limit_offset, nothing),
            (terms.peg.map(|Peg { offset, .. }| offset), nothing),
            (trail, Ticks(1)),
        ] {
            let Some(price) = price else { continue };
            let value = i128::from(price.0);
            if price < lowest {
                return Err(Reject::new(RejectReason::BadPrice, lowest.0.into(), value));
            }
            if price > PRICE_MAX {
                return Err(Reject::new(RejectReason::BadPrice, PRICE_MAX.0.into(), value));
            }
            if price.0 % increment.0 != 0 {
                return Err(Reject::new(RejectReason::Tick, increment.0.into(), value));
            }
        }
        Ok(())
    }

    /// Refuses a new order that the market does not take now.
    ///
    /// # Errors
    /// `expired`, then `phase`.
    pub(super) fn check_now(&self, phase: Phase, now: UnixNanos) -> Result<(), Reject> {
        if self.time_in_force == F::Gtd && self.terms.expire_at <= now {
            let (limit, value) = (now.0.into(), self.terms.expire_at.0.into());
            return Err(Reject::new(RejectReason::Expired, limit, value));
        }
        let immediate = matches!(self.time_in_force, F::Ioc | F::Fok)
            || self.order_type == T::MarketToLimit
            || self.order_type == T::Market && self.terms.min_qty.is_some()
            || self.terms.post_only.is_some();
        let is_open = match phase {
            Phase::Continuous => true,
            Phase::Closed => false,
            _ => !immediate,
        };
        let in_time = self.time_in_force != F::AtTheOpen
            || matches!(phase, Phase::PreOpen | Phase::OpenAuction);
        if is_open && in_time {
            return Ok(());
        }
        Err(Reject::of(RejectReason::Phase, phase as i128))
    }

    /// The order as a replace asks for it: `leaves` open lots, the limit `price`, and another stop price if one is given.
    ///
    /// # Errors
    /// `bad_field` for a price of an order without a limit or a stop price of one that waits for none, and those of
    /// [`Self::check`].
    pub(super) fn replaced(
        &self,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
        increment: Ticks,
    ) -> Result<Self, Reject> {
        let mut entry = Self { qty: leaves, price, ..*self };
        if price != self.price && !self.has_limit() && self.order_type != T::Pegged {
            return Err(Reject::of(RejectReason::BadField, price.0.into()));
        }
        if let Some(stop_price) = stop_price {
            if !self.is_triggered() {
                return Err(Reject::of(RejectReason::BadField, stop_price.0.into()));
            }
            entry.terms.stop_price = Some(stop_price);
        }
        // What is left may well be less than the minimum quantity (rule 3.4).
        let min_qty = self.terms.min_qty.map(|qty| qty.min(leaves));
        Self { terms: Terms { min_qty, ..entry.terms }, ..entry }.check(increment)?;
        Ok(entry)
    }

    /// True if it has a price beyond which it never trades, and that a replace may change.
    pub(super) fn has_limit(&self) -> bool {
        match self.order_type {
            T::Limit | T::StopLimit | T::LimitIfTouched => true,
            T::TrailingStopLimit => self.terms.limit_offset.is_none(),
            T::Market
            | T::Stop
            | T::MarketToLimit
            | T::MarketIfTouched
            | T::TrailingStop
            | T::Pegged => false,
        }
    }

    /// True if a trade has to trigger it. Once triggered, it is a market or limit order.
    pub(super) fn is_triggered(&self) -> bool {
        match self.order_type {
            T::Stop
            | T::StopLimit
            | T::MarketIfTouched
            | T::LimitIfTouched
            | T::TrailingStop
            | T::TrailingStopLimit => true,
            T::Market | T::Limit | T::MarketToLimit | T::Pegged => false,
        }
    }

    /// True for a limit order of which account, side, quantity, price and time in force say everything.
    pub(super) fn is_plain(&self) -> bool {
        self.order_type == T::Limit
            && matches!(self.time_in_force, F::Day | F::Gtc | F::Ioc | F::Fok)
            && self.terms == Terms::default()
    }
}
