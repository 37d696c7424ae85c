//! The canonical hashes of a market's records: one sum, the same for every structure that holds the same orders.

use super::Phase;
use super::terms::{Entry, Peg, Trail};
use tidegate_model::command::TimeInForce;
use tidegate_model::hash::{fold, hash_words};
use tidegate_model::{Ticks, UnixNanos};

const TAG_ORDER: u64 = 0x6d61_7463_686f_7264;
const TAG_TERMS: u64 = 0x6d61_7463_6874_726d;
const TAG_MARKET: u64 = 0x6d61_7463_6d6b_7400;

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// In the book, displayed.
    Displayed = 0,
    /// In the book, hidden.
    Hidden = 1,
    /// Beside the book, following it.
    Pegged = 2,
    /// Beside the book, with a minimum quantity.
    Conditional = 3,
    /// Outside, until a trade triggers it.
    Waiting = 4,
    /// A market order that waits for an auction.
    AtMarket = 5,
    /// Outside, until the closing auction.
    AtClose = 6,
}

/// What the hash of a live order is made of, beside its terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderState {
    pub(super) handle: u32,
    pub(super) account: u32,
    /// 0 buy, 1 sell.
    pub(super) side: u8,
    pub(super) place: Place,
    pub(super) time_in_force: TimeInForce,
    /// Limit, of a pegged order its price now; 0 for none.
    pub(super) price: i64,
    /// Open and, if the order is displayed, displayed.
    pub(super) qty: u64,
    /// Open and held back by an iceberg.
    pub(super) reserve: u64,
    pub(super) stamp: u64,
}

/// The hash of an order as it stands.
#[inline(always)]
pub(super) fn hash_order(order: &OrderState) -> u64 {
    // From the lowest bit: place 3 bits, side 1, time in force 4, stamp.
    let kind = order.time_in_force.wire() << 4 | order.side << 3 | order.place as u8;
    // As `hash_words`, in two multiplications: this is done twice for each order.
    let whose = u64::from(order.handle) | u64::from(order.account) << 32;
    let hash = fold(TAG_ORDER ^ whose, order.price as u64);
    let open = order.qty.wrapping_add(order.reserve.rotate_left(32));
    fold(hash.rotate_left(23) ^ open, hash.wrapping_add(order.stamp << 8 | u64::from(kind)))
}

/// What a market knows beside its orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MarketState {
    pub(super) phase: Phase,
    /// The last trade.
    pub(super) last: Option<Ticks>,
    /// What stands in for the last trade in an auction, until there is one.
    pub(super) reference: Option<Ticks>,
    /// Limit down and limit up.
    pub(super) bands: Option<(Ticks, Ticks)>,
    pub(super) next_stamp: u64,
    pub(super) time: UnixNanos,
}

/// The hash of what a market knows beside its orders.
pub(super) fn hash_market(market: &MarketState) -> u64 {
    let flags = [market.last.is_some(), market.reference.is_some(), market.bands.is_some()];
    let flags = flags.iter().fold(0, |flags, &flag| flags << 1 | u64::from(flag));
    let price = |price: Option<Ticks>| price.unwrap_or_default().0 as u64;
    hash_words(
        TAG_MARKET,
        &[
            flags << 8 | market.phase as u64,
            price(market.last),
            price(market.reference),
            price(market.bands.map(|(low, _)| low)),
            price(market.bands.map(|(_, high)| high)),
            market.next_stamp,
            market.time.0,
        ],
    )
}

/// The hash of the terms of an order that is not plain. `entry.terms.stop_price` is the one in force.
pub(super) fn hash_terms(entry: &Entry) -> u64 {
    let terms = &entry.terms;
    let some = |value: Option<i64>| [u64::from(value.is_some()), value.unwrap_or(0) as u64];
    let [has_stop, stop] = some(terms.stop_price.map(|price| price.0));
    let [has_limit_offset, limit_offset] = some(terms.limit_offset.map(|offset| offset.0));
    let (trail_kind, trail) = match terms.trail {
        None => (0, 0),
        Some(Trail::Ticks(ticks)) => (1, ticks as u64),
        Some(Trail::Ppm(ppm)) => (2, ppm as u64),
    };
    let (peg, peg_offset) = match terms.peg {
        None => (0, 0),
        Some(Peg { kind, offset }) => (u64::from(kind.wire()), offset.0 as u64),
    };
    let kinds = [
        entry.order_type.wire(),
        entry.time_in_force.wire(),
        terms.post_only.map_or(0, |kind| kind.wire()),
        terms.self_trade.map_or(0, |kind| kind.wire()),
        u8::from(terms.hidden),
        0,
        0,
        0,
    ];
    hash_words(
        TAG_TERMS,
        &[
            u64::from(entry.handle),
            u64::from_le_bytes(kinds),
            has_stop << 2 | has_limit_offset << 1 | trail_kind << 4 | peg << 8,
            stop,
            limit_offset,
            trail,
            peg_offset,
            entry.price.0 as u64,
            terms.display_qty.map_or(0, |qty| qty.0),
            terms.min_qty.map_or(0, |qty| qty.0),
            terms.expire_at.0,
        ],
    )
}
