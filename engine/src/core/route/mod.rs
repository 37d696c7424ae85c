//! The live route, as the state machine has it: what left, what was answered, what is unknown.
//!
//! A routed request is an output that follows from a journaled input, and every answer is a journaled input, so a replay
//! knows what left. It never leaves again: after a break of either side the engine asks for each open order, and the
//! answers settle it.
//!
//! * While a route is not up its instruments are reduce-only: an order that reduces a position is kept here and leaves when
//!   the route is up, if it still does; any other is refused, and so is a replace. Cancels wait, and leave first.
//! * An execution that is told again is known by CumQty, which does not pass what is booked.
//! * An order that the venue does not know is canceled here; one that it has and that has ended here is canceled there.
//! * Where positions differ, the instrument is blocked until an operator confirms.

mod leave;
mod reports;
pub mod table;

use super::Listing;
use serde::{Deserialize, Serialize};
use table::Standing;
use tidegate_model::command::{ROUTES_MAX, RouteLink};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Sparse, check_hash};
use tidegate_model::{InstrumentId, Lots, OrderId, StateHash};
use tidegate_oms::OrderSlot;
use tidegate_oms::oms::ORDERS_MAX;

/// Orders that may be open on one route: a broker's desk has hundreds. It bounds what reconciliation asks for.
pub const ROUTE_ORDERS_MAX: u32 = 4_096;
/// Requests between engine and adapter: of each open order its own, a replace, a cancel and a question, and the two ends
/// of a reconciliation. An adapter that lets more lie finds a gap in their numbers, goes down and reconciles.
pub const ROUTE_RING_CAPACITY: usize = 4 * ROUTE_ORDERS_MAX as usize + 2;

const TAG_ROUTE: u64 = 0x0072_6f75_7465;
const TAG_ROUTED: u64 = 0x726f_7574_6564;
const TAG_HELD: u64 = 0x726f_7574_6568;

/// One route.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Route {
    /// How it stands.
    pub link: RouteLink,
    /// Orders open on it, those that are kept included.
    pub open: u32,
    /// The venue's place of the last report; zeros before the first connection.
    pub cursor: [u64; 2],
    /// The number of the last request that left.
    pub number: u64,
}

/// A routed order, beside the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Routed {
    pub(super) order_id: OrderId,
    pub(super) standing: Standing,
    /// The number of the request of this order that left last.
    pub(super) attempt: u32,
    /// Why it is to be canceled, if that was asked for.
    pub(super) reason: Option<CancelReason>,
    /// The venue's number of the order, or 0.
    pub(super) venue_order_id: u64,
    /// The change of a leg's quantity that left and is not answered.
    pub(super) resize: Option<Resize>,
}

/// OrderQty at the venue, as it is and as it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resize {
    pub(super) from: Lots,
    pub(super) to: Lots,
}

impl Default for Routed {
    fn default() -> Self {
        NOT_ROUTED
    }
}

const NOT_ROUTED: Routed = Routed {
    order_id: OrderId(0),
    standing: Standing::Ended,
    attempt: 0,
    reason: None,
    venue_order_id: 0,
    resize: None,
};

/// What was booked from a route in one instrument, and what its venue says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Lots bought less lots sold on the route.
    pub(super) here: i64,
    /// Lots that the venue has beside, as an operator confirmed.
    pub(super) offset: i64,
    /// What the venue said when it last differed.
    pub(super) there: i64,
    /// No new orders until an operator confirms.
    pub(super) is_blocked: bool,
}

impl Held {
    /// What the venue must have.
    pub(super) fn expected(&self) -> i64 {
        self.here.saturating_add(self.offset)
    }
}

/// Every route.
#[derive(Debug, Serialize, Deserialize)]
pub struct Routes {
    routes: [Route; ROUTES_MAX],
    /// By slot of the order store; empty until an instrument is routed.
    #[serde(with = "Sparse::<{ ORDERS_MAX as usize }>")]
    orders: Vec<Routed>,
    orders_max: u32,
    /// By instrument, as far as the last one that is routed.
    #[serde(with = "Sparse::<{ InstrumentId::COUNT_MAX }>")]
    held: Vec<Held>,
    hash: StateHash,
}

impl Routes {
    /// No instrument is routed.
    pub fn new(orders_max: u32) -> Self {
        let route = Route { link: RouteLink::Down, open: 0, cursor: [0; 2], number: 0 };
        let routes = [route; ROUTES_MAX];
        Self {
            routes,
            orders: Vec::new(),
            orders_max,
            held: Vec::new(),
            hash: StateHash::default(),
        }
    }

    /// An instrument is routed: room for its orders, and for what is held of it.
    pub(super) fn define_instrument(&mut self, id: InstrumentId) {
        self.orders.resize(self.orders_max as usize, NOT_ROUTED);
        self.held.resize((id.index() + 1).max(self.held.len()), Held::default());
    }

    /// Looks at what was read from a snapshot of an engine for `orders_max` orders.
    pub(super) fn restored(&self, orders_max: u32, listing: &Listing) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "routes", why);
        let (orders, count) = (self.orders.len(), orders_max as usize);
        let last = listing.iter().filter(|listed| listed.instrument.is_routed()).last();
        let routed = last.map_or(0, |listed| listed.id.index() + 1);
        check(self.orders_max == orders_max, "there is room for other orders")?;
        check(orders == if routed > 0 { count } else { 0 }, "orders have places")?;
        check(self.held.len() == routed, "routed instruments have places")?;
        let mut hash = StateHash::default();
        self.orders.iter().for_each(|routed| hash.add(hash_of(routed)));
        check_hash("routes", self.hash, hash)
    }

    /// Every route, by number.
    pub fn all(&self) -> &[Route; ROUTES_MAX] {
        &self.routes
    }

    pub(super) fn route(&self, route: u8) -> &Route {
        &self.routes[usize::from(route)]
    }

    pub(super) fn route_mut(&mut self, route: u8) -> &mut Route {
        &mut self.routes[usize::from(route)]
    }

    pub(super) fn order(&self, slot: OrderSlot) -> Routed {
        self.orders.get(slot.index()).copied().unwrap_or(NOT_ROUTED)
    }

    pub(super) fn set_order(&mut self, slot: OrderSlot, routed: Routed) {
        let place = &mut self.orders[slot.index()];
        self.hash.remove(hash_of(place));
        self.hash.add(hash_of(&routed));
        *place = routed;
    }

    pub(super) fn held(&self, id: InstrumentId) -> Held {
        self.held.get(id.index()).copied().unwrap_or_default()
    }

    pub(super) fn held_mut(&mut self, id: InstrumentId) -> &mut Held {
        &mut self.held[id.index()]
    }

    /// The hash of all of it. That of orders is kept up; routes and instruments are few.
    pub fn hash(&self) -> StateHash {
        let mut hash = self.hash;
        for (number, route) in self.routes.iter().enumerate().filter(|(_, route)| route.number > 0)
        {
            let words = [number as u64, route.link as u64, route.open.into(), route.number];
            hash.add(hash_words(hash_words(TAG_ROUTE, &words), &route.cursor));
        }
        for (id, held) in self.held.iter().enumerate().filter(|(_, held)| **held != Held::default())
        {
            let Held { here, offset, there, is_blocked } = *held;
            let lots = [here as u64, offset as u64, there as u64];
            let words = [id as u64, lots[0], lots[1], lots[2], is_blocked.into()];
            hash.add(hash_words(TAG_HELD, &words));
        }
        hash
    }
}

fn hash_of(routed: &Routed) -> u64 {
    if routed.standing == Standing::Ended {
        return 0;
    }
    let reason = routed.reason.map_or(0, CancelReason::wire);
    let state = routed.standing as u64 | u64::from(reason) << 8 | u64::from(routed.attempt) << 32;
    let hash = hash_words(TAG_ROUTED, &[routed.order_id.0, state, routed.venue_order_id]);
    routed.resize.map_or(hash, |resize| hash_words(hash, &[resize.from.0, resize.to.0]))
}
