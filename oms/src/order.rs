//! One order: what was asked, what became of it.

use crate::algorithms::AlgorithmSlot;
use crate::fee::Commission;
use crate::lifecycle::Standing;
use crate::lists::ListSlot;
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{NewOrder, OrderType, PostOnly, TimeInForce};
use tidegate_model::event::OrdStatus;
use tidegate_model::hash::hash_words;
use tidegate_model::{
    AccountId, ClientOrderId, InstrumentId, Lots, Money, OrderId, PrincipalId, SessionId, Side,
    StrategyId, Ticks, UnixNanos,
};

const TAG_ORDER: u64 = 0x6f6d_736f_7264_6572;
const TAG_ORDER_ENTRY: u64 = 0x6f6d_7365_6e74_7279;

/// Where an order is kept: good from [`crate::Oms::admit`] until the trading day ends after its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderSlot(pub(crate) u32);

impl OrderSlot {
    /// The slot as an index below `orders_max`, for tables beside the order store.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where an order is while it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Place {
    /// At its venue, or on the way there.
    #[default]
    Venue = 0,
    /// With the engine, until its stop price is reached.
    Waiting = 1,
    /// In a market of the house, which keeps orders that wait as well.
    House = 2,
    /// With the engine, until other orders of its list let it go.
    Held = 3,
    /// With the engine, which works it by child orders.
    Parent = 4,
}

/// What an order that does not stand alone has beside its own terms. Kept apart, so that others need not carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Bond {
    /// The order that reports name as its parent.
    pub parent_id: OrderId,
    /// What of its quantity the engine holds back.
    pub held: Lots,
    /// Its stop price before it waits for it, where that is not the one that it was entered with.
    pub stop_price: Ticks,
    owner_kind: u32,
    owner: u32,
}

const _: () = assert!(size_of::<Bond>() == 32, "four words of the state hash");

/// Who in the engine looks after an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The list that it is a leg of.
    List(ListSlot),
    /// The algorithm that it is the parent or a child of.
    Algorithm(AlgorithmSlot),
}

impl Bond {
    /// Who looks after the order.
    pub const fn owner(&self) -> Option<Owner> {
        match self.owner_kind {
            1 => Some(Owner::List(ListSlot(self.owner))),
            2 => Some(Owner::Algorithm(AlgorithmSlot(self.owner))),
            _ => None,
        }
    }

    /// The same, looked after by nobody.
    #[must_use]
    pub const fn owned_by_none(self) -> Self {
        Self { owner_kind: 0, owner: 0, ..self }
    }

    /// The same, looked after by `owner`.
    #[must_use]
    pub const fn owned_by(self, owner: Owner) -> Self {
        let (owner_kind, owner) = match owner {
            Owner::List(slot) => (1, slot.0),
            Owner::Algorithm(slot) => (2, slot.0),
        };
        Self { owner_kind, owner, ..self }
    }
}

/// Who asked, and where the answer goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// Who.
    pub principal: PrincipalId,
    /// By which connection.
    pub session: SessionId,
    /// The session's own number for the request.
    pub request_id: u64,
}

/// New terms that the venue has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReplace {
    /// New OrderQty, the executed part included.
    pub qty: Lots,
    /// New limit price.
    pub price: Ticks,
    /// New stop price; 0 leaves it as it is.
    pub stop_price: Ticks,
    /// The price that the gate counted the new terms at.
    pub exposure_price: Ticks,
    /// Who asked for it.
    pub who: Requester,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The engine's number for it.
    pub order_id: OrderId,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
    /// The account it trades for.
    pub account: AccountId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// The strategy that it belongs to, or none.
    pub strategy: StrategyId,
    /// `FLAG_*` of [`tidegate_model::command`].
    pub flags: u8,
    /// Where it stands.
    pub status: OrdStatus,
    /// Where it is.
    pub place: Place,
    /// What happens where it would take, if it must not.
    pub post_only: Option<PostOnly>,
    /// The venue has accepted it or executed some of it.
    pub acknowledged: bool,
    /// Its terms as entered are kept apart: they are more than this record holds, or it says something else by now.
    pub(crate) entered_apart: bool,
    /// It does not stand alone: it has a [`Bond`].
    pub(crate) bound: bool,
    /// OrderQty.
    pub qty: Lots,
    /// Limit price; 0 for market orders.
    pub price: Ticks,
    /// CumQty.
    pub cum_qty: Lots,
    /// Sum of price x quantity over all executions, in ticks x lots.
    pub cum_ticks_lots: i128,
    /// Lots displayed ahead in the queue when it came to rest.
    pub queue_ahead_at_entry: Lots,
    /// The price that the gate counts each open lot at.
    pub exposure_price: Ticks,
    /// The worst price that a market order may trade at; a limit order's limit when it was entered.
    pub protection_price: Ticks,
    /// What its executions were charged, where a schedule counts by order; zero elsewhere.
    pub commission: Commission,
    /// New terms on their way.
    pub replace: Option<PendingReplace>,
    /// Who entered it.
    pub who: Requester,
    /// When it was admitted, on event time.
    pub entered_at: UnixNanos,
    /// From its instrument: what one tick of one lot is worth.
    pub(crate) money_per_tick_lot: i128,
    /// The hash of the fields that never change.
    pub(crate) entry_hash: u64,
    /// This record's term of the state hash as it was last entered.
    pub(crate) hash: u64,
}

impl Order {
    /// Fills room that no order has yet.
    pub(crate) const BLANK: Self = Self {
        order_id: OrderId(0),
        client_order_id: ClientOrderId::EMPTY,
        account: AccountId::NONE,
        instrument: InstrumentId::NONE,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        strategy: StrategyId::NONE,
        flags: 0,
        status: OrdStatus::Canceled,
        place: Place::Venue,
        post_only: None,
        acknowledged: false,
        entered_apart: false,
        bound: false,
        qty: Lots::ZERO,
        price: Ticks::ZERO,
        cum_qty: Lots::ZERO,
        cum_ticks_lots: 0,
        queue_ahead_at_entry: Lots::ZERO,
        exposure_price: Ticks::ZERO,
        protection_price: Ticks::ZERO,
        commission: Commission { raw: Money::ZERO, charged: Money::ZERO },
        replace: None,
        who: Requester { principal: PrincipalId(0), session: SessionId(0), request_id: 0 },
        entered_at: UnixNanos::ZERO,
        money_per_tick_lot: 0,
        entry_hash: 0,
        hash: 0,
    };

    /// True if what the engine holds back of the order is a part of it all the same: it has not begun, or never goes out itself.
    /// One that is held again, since its siblings are still in its way when its stop price is reached, has begun.
    pub(crate) fn shows_whole(&self) -> bool {
        match self.place {
            Place::Held => !self.acknowledged,
            Place::Parent => true,
            Place::Venue | Place::Waiting | Place::House => false,
        }
    }

    /// What reports leave out of it, where the engine holds `held` back: of an order at work that is no part yet.
    #[inline]
    pub(crate) fn unseen(&self, held: Lots) -> Lots {
        if self.shows_whole() { Lots::ZERO } else { held.min(self.leaves_qty()) }
    }

    /// LeavesQty: what may still be executed. 0 once the order is at its end.
    #[inline]
    pub fn leaves_qty(&self) -> Lots {
        if self.status.is_final() { Lots::ZERO } else { Lots(self.qty.0 - self.cum_qty.0) }
    }

    /// True while something may still happen to it.
    #[inline]
    pub const fn is_open(&self) -> bool {
        !self.status.is_final()
    }

    /// What the life cycle asks beside the status, for an event that changes no quantity.
    #[inline]
    pub const fn standing(&self) -> Standing {
        self.standing_at(self.qty, self.cum_qty)
    }

    /// What the life cycle asks beside the status, for an event after which OrderQty and CumQty are these.
    #[inline]
    pub const fn standing_at(&self, qty: Lots, cum_qty: Lots) -> Standing {
        Standing {
            acknowledged: self.acknowledged,
            executed: cum_qty.0 > 0,
            filled: cum_qty.0 == qty.0,
            replacing: self.replace.is_some(),
        }
    }

    /// The order as it was entered, if it was plain and its price and quantity are the first.
    #[inline]
    pub(crate) fn as_plain(&self) -> NewOrder {
        NewOrder {
            client_order_id: self.client_order_id,
            account: self.account,
            instrument: self.instrument,
            side: self.side.wire(),
            order_type: self.order_type.wire(),
            time_in_force: self.time_in_force.wire(),
            flags: self.flags,
            strategy: self.strategy,
            qty: self.qty,
            price: self.price,
            ..NewOrder::BLANK
        }
    }

    /// The hash of what never changes, of an order that was entered as `new`.
    pub(crate) fn hash_entry(&self, new: &NewOrder) -> u64 {
        let mut words = [0; 12];
        for (word, bytes) in words.iter_mut().zip(self.client_order_id.0.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        words[5] = self.order_id.0;
        words[6] = pair(self.account.0, self.instrument.0);
        words[7] = u64::from(u32::from_le_bytes([
            self.side.wire(),
            self.order_type.wire(),
            self.time_in_force.wire(),
            self.flags,
        ])) | u64::from(self.strategy.0) << 32;
        words[8] = pair(self.who.principal.0, self.who.session.0);
        words[9] = self.who.request_id;
        words[10] = self.entered_at.0;
        words[11] = self.protection_price.0 as u64;
        let entry = hash_words(TAG_ORDER_ENTRY, &words);
        match self.entered_apart {
            true => hash_words(entry, &bytemuck::cast::<NewOrder, [u64; 16]>(*new)),
            // Price and quantity are those that it has.
            false => entry,
        }
    }

    /// The canonical hash of the order as it stands.
    #[inline]
    pub(crate) fn hash_now(&self) -> u64 {
        let state = u64::from(self.status.wire())
            | u64::from(self.acknowledged) << 8
            | (self.place as u64) << 16;
        let live = hash_words(
            TAG_ORDER,
            &[
                self.entry_hash,
                state,
                self.qty.0,
                self.price.0 as u64,
                self.cum_qty.0,
                self.cum_ticks_lots as u64,
                (self.cum_ticks_lots >> 64) as u64,
                self.queue_ahead_at_entry.0,
                self.exposure_price.0 as u64,
            ],
        );
        let live = match self.commission == Commission::default() {
            true => live,
            false => hash_commission(live, &self.commission),
        };
        let Some(replace) = self.replace else { return live };
        let who = replace.who;
        hash_words(
            live,
            &[
                replace.qty.0,
                replace.price.0 as u64,
                replace.stop_price.0 as u64,
                replace.exposure_price.0 as u64,
                u64::from(who.principal.0) << 32 | u64::from(who.session.0),
                who.request_id,
            ],
        )
    }
}

#[cold]
fn hash_commission(live: u64, commission: &Commission) -> u64 {
    let words = |money: Money| [money.0 as u64, (money.0 >> 64) as u64];
    let [raw, charged] = [commission.raw, commission.charged].map(words);
    hash_words(live, &[raw[0], raw[1], charged[0], charged[1]])
}

const _: () = assert!(size_of::<ClientOrderId>() == 40, "five words of the entry hash");
