//! What the live route brings back from a venue: reports of orders, the state of the link, positions. Each is a journaled
//! input, so that a replay knows what left and what was answered.

use crate::ids::{InstrumentId, OrderId, Symbol};
use crate::units::{Lots, Money, Ticks};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// How a route stands.
    RouteLink {
        /// Nothing can be sent: its instruments take no new order, cancels wait.
        Down = 1 => "down",
        /// Connected; what is open is compared with the venue before anything leaves.
        Reconciling = 2 => "reconciling",
        /// Orders flow.
        Up = 3 => "up",
    }
);

wire_enum!(
    /// What a [`RouteReport`] says.
    RouteReportKind {
        /// The venue has the order.
        Accepted = 1 => "accepted",
        /// The venue refused the order; [`RouteReport::code`] is its reason.
        Rejected = 2 => "rejected",
        /// An execution: `qty` at `price`, after which `cum_qty` are executed.
        Executed = 3 => "executed",
        /// The order is canceled, asked for or not.
        Canceled = 4 => "canceled",
        /// The order's time ended at the venue.
        Expired = 5 => "expired",
        /// The order has new terms: `qty` and `price`.
        Replaced = 6 => "replaced",
        /// The venue refused the cancel.
        CancelRejected = 7 => "cancel_rejected",
        /// The venue refused the replace.
        ReplaceRejected = 8 => "replace_rejected",
        /// Nobody knows whether the request arrived: nothing of this order leaves until it is found or missing.
        UnknownOutcome = 9 => "unknown_outcome",
        /// Reconciliation: the venue has the order open, with these `qty`, `price` and `cum_qty`.
        Found = 10 => "found",
        /// Reconciliation: the venue does not know the order, and nothing about it can still be under way.
        Missing = 11 => "missing",
        /// Reconciliation: the venue has an open order that did not come from here, `venue_order_id`.
        Foreign = 12 => "foreign",
    }
);

/// [`RouteReport::flags`]: the adapter has canceled the foreign order.
pub const FLAG_FOREIGN_CANCELED: u8 = 1;

/// Routes that one engine may have: brokers of one desk.
pub const ROUTES_MAX: usize = 16;

/// What a venue said of one routed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RouteReport {
    /// The fee that the venue charged for an execution; kept for comparison, the engine books its own schedule's.
    pub fee: Money,
    /// The engine's number of the order; 0 for [`RouteReportKind::Foreign`].
    pub order_id: OrderId,
    /// The venue's number of the order, or 0.
    pub venue_order_id: u64,
    /// The venue's number of the execution, or 0.
    pub exec_id: u64,
    /// The venue's place of this report, from which its history is read again after a break; zeros leave the last one.
    pub cursor: [u64; 2],
    /// LastQty of an execution, else OrderQty.
    pub qty: Lots,
    /// LastPx of an execution, else the limit price; 0 without.
    pub price: Ticks,
    /// CumQty at the venue. One that is not beyond what is booked tells an execution again.
    pub cum_qty: Lots,
    /// The request of the order that is answered, as `RoutedRequest::attempt`.
    pub attempt: u32,
    /// Why, in the venue's numbers: of a Tidegate its reject or cancel reason.
    pub code: u8,
    /// The route.
    pub route: u8,
    /// A [`RouteReportKind`] on the wire.
    pub kind: u8,
    /// A [`crate::event::Liquidity`] on the wire, or 0.
    pub liquidity: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// The link to a venue changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RouteStatus {
    /// Where the venue's history stands, on the first connection; taken only while none is known.
    pub cursor: [u64; 2],
    /// The route.
    pub route: u8,
    /// A [`RouteLink`] on the wire.
    pub link: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// What a venue holds of one instrument, all executions up to the last report counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RoutePosition {
    /// The instrument.
    pub symbol: Symbol,
    /// Lots; below 0 is short.
    pub qty: i64,
    /// The route.
    pub route: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// An operator has looked at a difference of positions: it is expected from now on, and the instrument trades again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ConfirmPosition {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Zero.
    pub reserved: [u8; 4],
}
