//! What leaves on a live route: one record for each request, from the engine to the adapter of the route. It stays in one
//! process, so it has no layout of its own.

use crate::command::TimeInForce;
use crate::ids::{AccountId, OrderId};
use crate::instrument::Instrument;
use crate::market::Side;
use crate::units::{Lots, Ticks};

/// What a [`RoutedRequest`] asks the adapter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutedKind {
    /// Reconciliation begins: what came before is void. `cursor` is the place of the venue's history that is known here.
    Begin {
        /// As [`crate::command::RouteReport::cursor`].
        cursor: [u64; 2],
    },
    /// Reconciliation: is the order there, and how does it stand?
    Query(RoutedOrder),
    /// Reconciliation: every open order has been asked for.
    End,
    /// A new order.
    New(RoutedOrder),
    /// Cancel the order.
    Cancel(RoutedOrder),
    /// Give the order `qty` and `price`.
    Replace(RoutedOrder),
}

/// The order that a request is about. A market order leaves as a limit order at the bound that the gate gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedOrder {
    /// The engine's number for the order. With `attempt` it is the route id, which leaves once.
    pub order_id: OrderId,
    /// Requests of this order that left before this one.
    pub attempt: u32,
    /// The venue's number of the order, if it has told one; else 0.
    pub venue_order_id: u64,
    /// The account that it trades for.
    pub account: AccountId,
    /// What it trades.
    pub instrument: Instrument,
    /// Buy or sell.
    pub side: Side,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// OrderQty, what is executed included.
    pub qty: Lots,
    /// Limit price.
    pub price: Ticks,
}

/// One request on its way to an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedRequest {
    /// The route.
    pub route: u8,
    /// Numbers the requests of a route from 1, without gap: an adapter that misses one goes down and reconciles.
    pub number: u64,
    /// When the journal began, UTC nanoseconds: it tells names given by this engine from those of another.
    pub journal: u64,
    /// What is asked.
    pub kind: RoutedKind,
}
