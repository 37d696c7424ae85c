//! An order and what one may ask of it, in the words of FIX. What each term does at the venue stands in the rule book of
//! the internal market (`docs/rule-book.md`).

use crate::Side;
use crate::ids::{AccountId, ClientOrderId, InstrumentId, OrderId, StrategyId};
use crate::units::{Lots, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// How an order is priced and what sets it off (FIX tag 40).
    OrderType {
        /// At any price.
        Market = 1 => "market",
        /// At its price or better.
        Limit = 2 => "limit",
        /// A market order once the last trade has reached its stop price from the other side.
        Stop = 3 => "stop",
        /// A limit order once the last trade has reached its stop price.
        StopLimit = 4 => "stop_limit",
        /// At the best opposite price; what is left stays there as a limit order.
        MarketToLimit = 5 => "market_to_limit",
        /// A market order once the last trade is at its stop price or better for it.
        MarketIfTouched = 6 => "market_if_touched",
        /// A limit order once the last trade is at its stop price or better for it.
        LimitIfTouched = 7 => "limit_if_touched",
        /// A stop order whose stop price follows the last trade at a distance.
        TrailingStop = 8 => "trailing_stop",
        /// A stop-limit order whose stop price follows the last trade at a distance.
        TrailingStopLimit = 9 => "trailing_stop_limit",
        /// At a price that follows the book: [`NewOrder::peg`] and [`NewOrder::offset`], its price the limit.
        Pegged = 10 => "pegged",
    }
);

impl OrderType {
    /// True if such an order waits for the last trade to reach its stop price.
    #[inline]
    pub const fn waits(self) -> bool {
        use OrderType::{
            LimitIfTouched, MarketIfTouched, Stop, StopLimit, TrailingStop, TrailingStopLimit,
        };
        matches!(
            self,
            Stop | StopLimit | MarketIfTouched | LimitIfTouched | TrailingStop | TrailingStopLimit
        )
    }

    /// True if the stop price of such an order follows the last trade.
    #[inline]
    pub const fn trails(self) -> bool {
        matches!(self, Self::TrailingStop | Self::TrailingStopLimit)
    }

    /// True if such an order, once at a venue, has no limit but its protection price.
    #[inline]
    pub const fn is_market(self) -> bool {
        matches!(self, Self::Market | Self::Stop | Self::MarketIfTouched | Self::TrailingStop)
    }

    /// True if a trade at or above the stop price of such an order triggers it, false if one at or below does: stop orders
    /// follow the market, touched orders meet it.
    #[inline]
    pub const fn triggers_upwards(self, side: Side) -> bool {
        let meets = matches!(self, Self::MarketIfTouched | Self::LimitIfTouched);
        matches!(side, Side::Buy) != meets
    }
}

wire_enum!(
    /// How long an order lives (FIX tag 59).
    TimeInForce {
        /// Until the trading day ends.
        Day = 1 => "day",
        /// Until canceled.
        Gtc = 2 => "gtc",
        /// What can be executed at once; the rest is canceled.
        Ioc = 3 => "ioc",
        /// All at once or nothing.
        Fok = 4 => "fok",
        /// Until [`NewOrder::expire_at`].
        Gtd = 5 => "gtd",
        /// In the opening auction only.
        AtTheOpen = 6 => "at_the_open",
        /// In the closing auction only.
        AtTheClose = 7 => "at_the_close",
    }
);

wire_enum!(
    /// What becomes of a post-only order that would take at once (FIX ExecInst 6).
    PostOnly {
        /// It is refused.
        Reject = 1 => "reject",
        /// Its price moves to one step short of the best opposite price.
        Slide = 2 => "slide",
    }
);

wire_enum!(
    /// What happens where an order would trade with another of its own account (FIX tag 7928, as venues use it).
    SelfTrade {
        /// The arriving order is canceled.
        CancelNewest = 1 => "cancel_newest",
        /// The resting order is canceled.
        CancelOldest = 2 => "cancel_oldest",
        /// Both are canceled.
        CancelBoth = 3 => "cancel_both",
        /// Both shrink by the smaller of the two; the one that is left without quantity is canceled.
        Decrement = 4 => "decrement",
    }
);

wire_enum!(
    /// What a pegged order follows (FIX tag 1094). Only displayed orders that are not pegged themselves are looked at.
    PegKind {
        /// The best price of its own side.
        Primary = 1 => "primary",
        /// The best price of the other side.
        Market = 2 => "market",
        /// The middle between the two, rounded away from the other side.
        Mid = 3 => "mid",
    }
);

wire_enum!(
    /// What [`NewOrder::trail`] counts.
    TrailUnit {
        /// Ticks.
        Ticks = 1 => "ticks",
        /// Millionths of the last trade's price (1 % is 10,000).
        Ppm = 2 => "ppm",
    }
);

/// Millionths in the whole.
pub const PPM_PER_UNIT: i64 = 1_000_000;

impl TrailUnit {
    /// How far from `price` a stop price is that trails it by `trail` of these units: for a share of the price rounded up to
    /// a whole tick, at least one (`docs/rule-book.md`, 2.6).
    #[inline]
    pub fn distance(self, trail: i64, price: Ticks) -> Ticks {
        match self {
            Self::Ticks => Ticks(trail),
            Self::Ppm => {
                // Below 2^63 times 2^63: it fits.
                let share = i128::from(price.0.unsigned_abs()) * i128::from(trail);
                let ticks = share.unsigned_abs().div_ceil(PPM_PER_UNIT as u128).max(1);
                Ticks(i64::try_from(ticks).unwrap_or(i64::MAX))
            }
        }
    }

    /// The stop price that a trade at `last` gives an order on `side`: above it for a buy, below for a sell.
    #[inline]
    pub fn stop_behind(self, side: Side, trail: i64, last: Ticks) -> Ticks {
        let distance = self.distance(trail, last).0;
        match side {
            Side::Buy => Ticks(last.0.saturating_add(distance)),
            Side::Sell => Ticks(last.0.saturating_sub(distance)),
        }
    }
}

/// [`NewOrder::flags`]: cancel the order when its session closes.
pub const FLAG_CANCEL_ON_DISCONNECT: u8 = 1;
/// [`NewOrder::flags`]: the order is not displayed.
pub const FLAG_HIDDEN: u8 = 2;
/// Every flag that an order may carry.
pub const FLAGS_KNOWN: u8 = FLAG_CANCEL_ON_DISCONNECT | FLAG_HIDDEN;

/// A new order: 128 bytes. A term that an order does not have is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NewOrder {
    /// The client's own name for it.
    pub client_order_id: ClientOrderId,
    /// The account it trades for.
    pub account: AccountId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// A [`crate::Side`] on the wire.
    pub side: u8,
    /// An [`OrderType`] on the wire.
    pub order_type: u8,
    /// A [`TimeInForce`] on the wire.
    pub time_in_force: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// A [`PostOnly`] on the wire, or 0.
    pub post_only: u8,
    /// A [`SelfTrade`] on the wire, or 0.
    pub self_trade: u8,
    /// A [`PegKind`] on the wire, or 0; of a pegged order only.
    pub peg: u8,
    /// A [`TrailUnit`] on the wire, or 0; of a trailing order only.
    pub trail_unit: u8,
    /// OrderQty in lots.
    pub qty: Lots,
    /// Limit price in ticks; 0 for orders without one.
    pub price: Ticks,
    /// Trigger price in ticks (FIX tag 99), of stop and touched orders; of a trailing order the first one, or 0.
    pub stop_price: Ticks,
    /// Distance of a trailing order's stop price from the last trade, above 0, in [`Self::trail_unit`].
    pub trail: i64,
    /// Ticks added to what a pegged order follows, or to the stop price of a trailing stop-limit order to give its limit.
    pub offset: Ticks,
    /// Most lots displayed at a time (FIX tag 1138); 0 displays all.
    pub display_qty: Lots,
    /// Fewest lots that one execution may take (FIX tag 110); as much as [`Self::qty`] is all or none.
    pub min_qty: Lots,
    /// When an order that is [`TimeInForce::Gtd`] ends (FIX tag 126).
    pub expire_at: UnixNanos,
    /// The [`super::NewList::list_id`] of the list that it is a leg of; 0 if it stands alone.
    pub list_id: u32,
    /// Its number among the legs of the list, from 1; 0 if it stands alone.
    pub leg: u8,
    /// Zero.
    pub reserved: u8,
    /// The strategy that it belongs to, or 0.
    pub strategy: StrategyId,
}

crate::saved_as_bytes!(NewOrder);

const _: () = assert!(size_of::<NewOrder>() == 128);

impl NewOrder {
    /// An order without a single term, to start from.
    pub const BLANK: Self = Self {
        client_order_id: ClientOrderId::EMPTY,
        account: AccountId(0),
        instrument: InstrumentId(0),
        side: 0,
        order_type: 0,
        time_in_force: 0,
        flags: 0,
        post_only: 0,
        self_trade: 0,
        peg: 0,
        trail_unit: 0,
        qty: Lots::ZERO,
        price: Ticks::ZERO,
        stop_price: Ticks::ZERO,
        trail: 0,
        offset: Ticks::ZERO,
        display_qty: Lots::ZERO,
        min_qty: Lots::ZERO,
        expire_at: UnixNanos::ZERO,
        list_id: 0,
        leg: 0,
        reserved: 0,
        strategy: StrategyId::NONE,
    };

    /// True if nothing but type, side, price, quantity and time in force says how it trades.
    #[inline]
    pub fn is_plain(&self) -> bool {
        !self.has_special_terms() && self.flags & FLAG_HIDDEN == 0
    }

    /// True if anything but type, side, price, quantity, time in force and flags says how it trades.
    #[inline]
    pub fn has_special_terms(&self) -> bool {
        let kinds = [self.post_only, self.self_trade, self.peg, self.trail_unit];
        let prices = self.stop_price.0 | self.trail | self.offset.0;
        let rest = self.display_qty.0 | self.min_qty.0 | self.expire_at.0;
        u32::from_ne_bytes(kinds) != 0 || prices as u64 | rest != 0
    }

    /// True if it names a list, or what only legs of one may name.
    #[inline]
    pub const fn is_of_list(&self) -> bool {
        self.list_id | self.leg as u32 | self.reserved as u32 != 0
    }
}

/// Cancels one order, named by id or, where that is 0, by the client's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CancelOrder {
    /// The client's name of the order (FIX OrigClOrdID), or empty.
    pub client_order_id: ClientOrderId,
    /// The engine's number of the order, or 0.
    pub order_id: OrderId,
    /// The account that owns it.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Changes price and quantity of one order, named as in [`CancelOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReplaceOrder {
    /// The client's name of the order, or empty.
    pub client_order_id: ClientOrderId,
    /// The engine's number of the order, or 0.
    pub order_id: OrderId,
    /// The account that owns it.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
    /// New OrderQty in lots, the executed part included.
    pub qty: Lots,
    /// New limit price in ticks; 0 for an order that has none.
    pub price: Ticks,
    /// New trigger price of a stop or touched order that has not been triggered, in ticks; 0 leaves it as it is.
    pub stop_price: Ticks,
}

/// Cancels every open order in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MassCancel {
    /// Of this account, or [`AccountId::NONE`] for all.
    pub account: AccountId,
    /// Of this instrument, or [`InstrumentId::NONE`] for all.
    pub instrument: InstrumentId,
    /// Of this [`crate::Side`], or 0 for both.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 7],
}
