//! An order as the market is asked to take it.

use serde::{Deserialize, Serialize};
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::{AccountId, Lots, Side, Ticks, UnixNanos};

/// A new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number by which the market knows it; no live order may have it.
    pub handle: u32,
    /// Whose it is; for self-trade prevention and mass cancels.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced and what sets it off.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Open quantity, above 0.
    pub qty: Lots,
    /// Limit; of a market order the worst price it may trade at, or 0 for any.
    pub price: Ticks,
    /// Everything else.
    pub terms: Terms,
}

/// How far a trailing order's stop price keeps from the last trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trail {
    /// So many ticks, above 0.
    Ticks(i64),
    /// So many millionths of the trade's price, above 0 and below 1,000,000.
    Ppm(i64),
}

/// What a pegged order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peg {
    /// Which price.
    pub kind: PegKind,
    /// Added to it, for either side.
    pub offset: Ticks,
}

/// The terms that a plain order does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Trigger price of stop and touched orders; of trailing orders the first one.
    pub stop_price: Option<Ticks>,
    /// Of trailing orders.
    pub trail: Option<Trail>,
    /// Added to the stop price that triggered a trailing stop-limit order; its limit is [`Entry::price`] if this is `None`.
    pub limit_offset: Option<Ticks>,
    /// Of pegged orders; their limit is [`Entry::price`], 0 for none.
    pub peg: Option<Peg>,
    /// Never takes.
    pub post_only: Option<PostOnly>,
    /// What happens where it would trade with its own account.
    pub self_trade: Option<SelfTrade>,
    /// Not displayed.
    pub hidden: bool,
    /// Most lots displayed at a time, if not all.
    pub display_qty: Option<Lots>,
    /// Fewest lots of an execution, if not one.
    pub min_qty: Option<Lots>,
    /// Of [`TimeInForce::Gtd`].
    pub expire_at: UnixNanos,
}

impl Terms {
    /// Those of a plain order.
    pub const NONE: Self = Self {
        stop_price: None,
        trail: None,
        limit_offset: None,
        peg: None,
        post_only: None,
        self_trade: None,
        hidden: false,
        display_qty: None,
        min_qty: None,
        expire_at: UnixNanos::ZERO,
    };
}

impl Entry {
    /// A limit order without further terms.
    pub fn limit(handle: u32, side: Side, price: Ticks, qty: Lots) -> Self {
        Self {
            handle,
            account: AccountId(0),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            qty,
            price,
            terms: Terms::default(),
        }
    }
}
