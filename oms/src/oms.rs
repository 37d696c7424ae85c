//! The order management as the engine sees it.
//!
//! ```text
//! risk.check_new, check_client_order_id -> admit -> risk.order_opened         PendingNew
//! accepted | rejected                                                        New | Rejected
//! fill ...                                                                   PartiallyFilled, Filled
//! cancel_requested -> canceled | cancel_rejected
//! check_replaceable -> risk.check_replace -> replace_requested -> replaced | replace_rejected
//! expired
//! ```
//!
//! Around each step that changes what an order ties up the engine tells risk:
//! `let before = oms.exposure(slot);`, the step, `oms.recount(&mut risk, slot, &before)`.

use crate::algorithms::{ALGORITHMS_MAX, Algorithms};
use crate::borrow::Borrow;
use crate::fee::{Charge, Fees, charge, fee, rate_e8};
use crate::ledger::{Booking, By, Ledger};
use crate::lifecycle::{OrdEvent, Standing, next_status};
use crate::lists::{LISTS_MAX, Lists};
use crate::order::{Bond, Order, OrderSlot, Owner, PendingReplace, Place, Requester};
use crate::orders::Orders;
use crate::position::{Trade, trade_value};
use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tidegate_model::command::{NewOrder, OrderType, PostOnly, ReplaceOrder, TimeInForce};
use tidegate_model::event::{Execution, Liquidity, OrdStatus};
use tidegate_model::saved::Inconsistent;
use tidegate_model::units::product;
use tidegate_model::{
    AccountId, ClientOrderId, ExecId, Instrument, Lots, Money, OrderId, Reject, RejectReason, Side,
    StateHash, Ticks, UnixNanos,
};
use tidegate_risk::exposure::{PAIR_MONEY_MAX, bounded_notional};
use tidegate_risk::{OrderExposure, Risk, RiskApproved};

pub use crate::orders::{NameHash, Named, ORDERS_MAX};

/// What an execution did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Its number.
    pub exec_id: ExecId,
    /// Where the order stands after it.
    pub status: OrdStatus,
    /// LastQty.
    pub qty: Lots,
    /// LastPx.
    pub price: Ticks,
    /// Rested or took.
    pub liquidity: Liquidity,
    /// Its fee; below 0 is a rebate.
    pub fee: Money,
    /// What it did to position and cash.
    pub booking: Booking,
}

/// Every order of the day, every position, all cash.
#[derive(Debug, Serialize, Deserialize)]
pub struct Oms {
    pub(crate) orders: Orders,
    pub(crate) ledger: Ledger,
    pub(crate) fees: Fees,
    pub(crate) borrow: Borrow,
    pub(crate) lists: Lists,
    pub(crate) algorithms: Algorithms,
    /// Those who look after orders that changed; empty between inputs.
    #[serde(skip, default = "nobody")]
    pub(crate) changed: VecDeque<Owner>,
}

/// Nobody who looks after an order, and room for everybody.
fn nobody() -> VecDeque<Owner> {
    VecDeque::with_capacity(LISTS_MAX + ALGORITHMS_MAX)
}

impl Oms {
    /// Empty, with room for `orders_max` orders open or kept for the day.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] if `orders_max` is not a power of two up to [`ORDERS_MAX`].
    pub fn new(orders_max: u32) -> Result<Self, Reject> {
        let orders = Orders::new(orders_max)?;
        Ok(Self {
            orders,
            // As many as orders: few orders are executed in many parts.
            ledger: Ledger::new(orders_max),
            fees: Fees::new(),
            borrow: Borrow::default(),
            lists: Lists::new(),
            algorithms: Algorithms::new(),
            changed: nobody(),
        })
    }

    /// Looks at what was read from a snapshot of a store for `orders_max` orders of `instruments`, reserves the room that [`Self::new`] does, and
    /// touches it.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(&mut self, orders_max: u32, instruments: usize) -> Result<(), Inconsistent> {
        self.orders.restored(orders_max, instruments)?;
        let orders = self.orders.places();
        self.ledger.restored(orders_max, orders)?;
        self.fees.restored()?;
        self.borrow.restored()?;
        self.lists.restored(orders)?;
        self.algorithms.restored(orders)?;
        self.orders.check_owners(&self.lists, &self.algorithms)
    }

    /// Places that orders have had so far.
    pub fn places(&self) -> usize {
        self.orders.places()
    }

    /// Touches the memory that orders and the first few thousand positions will need, 256 bytes for each of
    /// `orders_max`; without it the system hands pages out as orders come, a microsecond and more at a time.
    pub fn prefault(&mut self) {
        self.orders.prefault();
        self.ledger.prefault();
    }

    /// Lets an order pass whose name the account has not used since the day began, and for which there is room; or tells
    /// that it is a message sent again ([`Named::Same`]): the order that bears the name was entered with the same content,
    /// every byte of it, and is to be told once more (FIX F.1.b). Goes before the gate's answer, so that a repeated message
    /// is answered as what it is.
    ///
    /// # Errors
    /// [`RejectReason::BadClientOrderId`]; [`RejectReason::DuplicateClientOrderId`] with the number of the
    /// order that bears it, with other content; [`RejectReason::CapacityExceeded`].
    #[inline]
    pub fn check_client_order_id(&self, new: &NewOrder, hash: NameHash) -> Result<Named, Reject> {
        self.orders.check_name(new, hash)
    }

    /// The order as it was entered, whatever was replaced since.
    #[inline]
    pub fn entered(&self, slot: OrderSlot) -> NewOrder {
        self.orders.entered(slot)
    }

    /// Where [`Self::check_client_order_id`] and [`Self::admit`] look a name up. To be asked as soon as the name is known:
    /// the memory behind it is fetched meanwhile.
    #[inline]
    pub fn name_hash(&self, account: AccountId, client_order_id: &ClientOrderId) -> NameHash {
        self.orders.name_hash(account, client_order_id)
    }

    /// Keeps an approved order, as PendingNew, under the next number.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`].
    ///
    /// # Panics
    /// If the approved order has values that the gate refuses, or its name did not pass as [`Named::Free`].
    pub fn admit(
        &mut self,
        approved: &RiskApproved<NewOrder>,
        hash: NameHash,
        who: Requester,
        now: UnixNanos,
        instrument: &Instrument,
    ) -> Result<OrderSlot, Reject> {
        let new = approved.get();
        self.ledger.base(new.account)?;
        let order_type = OrderType::from_wire(new.order_type).expect("the gate knows the type");
        let order = Order {
            client_order_id: new.client_order_id,
            account: new.account,
            instrument: new.instrument,
            side: Side::from_wire(new.side).expect("the gate knows the side"),
            order_type,
            time_in_force: TimeInForce::from_wire(new.time_in_force)
                .expect("the gate knows the time in force"),
            strategy: new.strategy,
            flags: new.flags,
            status: OrdStatus::PendingNew,
            place: match order_type.waits() {
                _ if instrument.is_internal() => Place::House,
                true => Place::Waiting,
                false => Place::Venue,
            },
            post_only: PostOnly::from_wire(new.post_only),
            qty: new.qty,
            price: new.price,
            exposure_price: approved.exposure_price(),
            protection_price: approved.protection_price(),
            who,
            entered_at: now,
            money_per_tick_lot: instrument.money_per_tick_lot,
            ..Order::BLANK
        };
        Ok(self.orders.admit(order, new, hash))
    }

    /// The order of an account by its number or, where that is 0, by the client's name.
    ///
    /// # Errors
    /// [`RejectReason::UnknownOrder`], also for an order of another account.
    #[inline]
    pub fn find(
        &self,
        account: AccountId,
        order_id: OrderId,
        client_order_id: &ClientOrderId,
    ) -> Result<OrderSlot, Reject> {
        let slot = if order_id.0 == 0 {
            self.orders.by_name(account, client_order_id)
        } else {
            self.orders.by_id(order_id).filter(|slot| self.order(*slot).account == account)
        };
        slot.ok_or(Reject::of(RejectReason::UnknownOrder, i128::from(order_id.0)))
    }

    /// The order of a number, if it is kept.
    #[inline]
    pub fn by_id(&self, order_id: OrderId) -> Option<OrderSlot> {
        self.orders.by_id(order_id)
    }

    /// The order whose slot has this [`OrderSlot::index`], if one is kept there.
    #[inline]
    pub fn slot(&self, index: u32) -> Option<OrderSlot> {
        self.orders.slot(index)
    }

    /// The order at `slot`.
    #[inline]
    pub fn order(&self, slot: OrderSlot) -> &Order {
        self.orders.get(slot)
    }

    /// The venue has the order.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`]: [`RejectReason::TooLateToCancel`] for an order at its end,
    /// [`RejectReason::PendingCancelOrReplace`] for one to which this cannot happen now. Nothing is changed.
    pub fn accepted(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::Accept, |order| order.acknowledged = true)
    }

    /// The venue refuses the order.
    ///
    /// # Errors
    /// As [`Self::accepted`].
    pub fn rejected(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::Reject, |order| order.replace = None)
    }

    /// The order came to rest behind `queue_ahead` displayed lots.
    pub fn rested(&mut self, slot: OrderSlot, queue_ahead: Lots) {
        self.orders.update(slot, |order| order.queue_ahead_at_entry = queue_ahead);
    }

    /// `qty` lots of the order are executed at `price`: books order, position, cash and fee.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`] or [`RejectReason::CapacityExceeded`] if it cannot be booked,
    /// [`RejectReason::TooLateToCancel`] if the order is filled or refused. Nothing is changed. A canceled or expired order
    /// takes an execution that its venue reports late.
    ///
    /// # Panics
    /// If `qty` is 0 or more than OrderQty leaves: a venue of ours would have invented it.
    pub fn fill(
        &mut self,
        slot: OrderSlot,
        qty: Lots,
        price: Ticks,
        liquidity: Liquidity,
        instrument: &Instrument,
    ) -> Result<Fill, Reject> {
        let order = self.orders.get(slot);
        let &Order { account, instrument: traded, side, .. } = order;
        assert!(qty > Lots::ZERO, "an execution executes something");
        let cum_qty = order.cum_qty.checked_add(qty).filter(|cum_qty| *cum_qty <= order.qty);
        let standing = order.standing_at(order.qty, cum_qty.unwrap_or(order.qty));
        let status = next_status(order.status, OrdEvent::Trade, standing);
        let status = status.ok_or_else(|| refusal(order))?;
        let cum_qty = cum_qty.expect("an execution takes no more than OrderQty leaves");

        let overflow = || Reject::of(RejectReason::Overflow, i128::from(price.0));
        let ticks_lots = product(price.0.into(), qty.0.into()).ok_or_else(overflow)?;
        let cum_ticks_lots = order.cum_ticks_lots.checked_add(ticks_lots).ok_or_else(overflow)?;
        let notional = Money(trade_value(price, qty, instrument)?.0.abs());
        let Charge { fee, commission } =
            self.charge(order, qty, notional, liquidity, instrument)?;
        let trade = Trade { side, qty, price, fee };
        let by = By { order: slot, liquidity };
        let booking = self.ledger.book(account, traded, &trade, by, instrument)?;

        self.orders.update(slot, |order| {
            order.acknowledged = true;
            order.cum_qty = cum_qty;
            order.cum_ticks_lots = cum_ticks_lots;
            order.commission = commission;
            order.status = status;
        });
        Ok(Fill { exec_id: booking.exec_id, status, qty, price, liquidity, fee, booking })
    }

    /// True if an execution of the order is sure to be booked by [`Self::fill`], and another one of that size before it,
    /// even of its own account: for trades of which both sides are booked or neither.
    #[inline]
    pub fn can_fill(
        &self,
        slot: OrderSlot,
        qty: Lots,
        price: Ticks,
        liquidity: Liquidity,
        instrument: &Instrument,
    ) -> bool {
        let order = self.order(slot);
        let Ok(value) = trade_value(price, qty, instrument) else { return false };
        let notional = Money(value.0.abs());
        let charged = self.charge(order, qty, notional, liquidity, instrument);
        charged.is_ok_and(|Charge { fee, .. }| {
            let trade = Trade { side: order.side, qty, price, fee };
            self.ledger.has_room(order.account, order.instrument, &trade, notional, instrument)
        })
    }

    /// What an execution of the order costs.
    #[inline]
    fn charge(
        &self,
        order: &Order,
        qty: Lots,
        notional: Money,
        liquidity: Liquidity,
        instrument: &Instrument,
    ) -> Result<Charge, Reject> {
        match self.fees.schedule(order.account, order.instrument) {
            None => {
                let fee = fee(notional, rate_e8(instrument, liquidity));
                Ok(Charge { fee, commission: order.commission })
            }
            Some(schedule) => {
                charge(schedule, order.side, liquidity, qty, notional, order.commission)
            }
        }
    }

    /// A cancel of the order goes to the venue.
    ///
    /// An order whose replace is under way may be canceled; one whose cancel is under way may not be again.
    ///
    /// # Errors
    /// [`RejectReason::TooLateToCancel`] or [`RejectReason::PendingCancelOrReplace`]; nothing is changed.
    pub fn cancel_requested(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::RequestCancel, |_| ())
    }

    /// The order is canceled, whether that was asked for or not.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn canceled(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step_to_end(slot, OrdEvent::Cancel)
    }

    /// The venue refuses the cancel: the order stands where it stood.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn cancel_rejected(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::RejectCancel, |_| ())
    }

    /// Lets an order pass that may be replaced now; to be asked before risk.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`], and [`RejectReason::BadField`] for a market order at its venue, which has no price.
    pub fn check_replaceable(&self, slot: OrderSlot) -> Result<(), Reject> {
        let order = self.order(slot);
        if order.place == Place::Venue && order.price == Ticks::ZERO {
            let order_type = i128::from(order.order_type.wire());
            return Err(Reject::of(RejectReason::BadField, order_type));
        }
        next_status(order.status, OrdEvent::RequestReplace, order.standing())
            .map(|_| ())
            .ok_or_else(|| refusal(order))
    }

    /// An approved replace of the order goes to the venue.
    ///
    /// # Errors
    /// As [`Self::check_replaceable`].
    ///
    /// # Panics
    /// If what was approved is another order's.
    pub fn replace_requested(
        &mut self,
        slot: OrderSlot,
        approved: &RiskApproved<ReplaceOrder>,
        who: Requester,
    ) -> Result<OrdStatus, Reject> {
        self.check_replaceable(slot)?;
        let order = self.order(slot);
        let exposure = approved.exposure();
        assert_eq!(exposure.account, order.account, "approved for this order");
        assert_eq!(exposure.instrument, order.instrument, "approved for this order");
        assert_eq!(exposure.side, order.side, "approved for this order");
        let terms = approved.get();
        let &ReplaceOrder { qty, price, stop_price, .. } = terms;
        let exposure_price = approved.exposure_price();
        let replace = PendingReplace { qty, price, stop_price, exposure_price, who };
        self.step(slot, OrdEvent::RequestReplace, |order| order.replace = Some(replace))
    }

    /// The venue has replaced the order: the terms asked for are in force. Where fills have overtaken a smaller quantity,
    /// OrderQty becomes what is executed, and the order is filled (FIX C.3.b and C.3.c).
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn replaced(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        let order = self.order(slot);
        let asked = order.replace.map_or(order.qty, |terms| terms.qty.max(order.cum_qty));
        let is_own = !order.bound || !self.follows_entry(slot);
        let qty = if is_own { asked } else { order.qty };
        let stop_price = order.replace.map_or(Ticks::ZERO, |terms| terms.stop_price);
        if order.place == Place::Held && stop_price != Ticks::ZERO {
            self.orders.bind(slot, |bond| bond.stop_price = stop_price);
        }
        let order = self.order(slot);
        let standing = order.standing_at(qty, order.cum_qty);
        self.step_at(slot, OrdEvent::Replace, standing, |order| {
            let terms = order.replace.take().expect("the life cycle asks for one");
            order.qty = qty;
            order.price = terms.price;
            order.exposure_price = terms.exposure_price;
        })
    }

    /// The venue refuses the replace: the order stands as it was.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn replace_rejected(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::RejectReplace, |order| order.replace = None)
    }

    /// The order's time ends.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn expired(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step_to_end(slot, OrdEvent::Expire)
    }

    /// What of an order at work is still held back never was a part of it.
    #[inline]
    fn step_to_end(&mut self, slot: OrderSlot, event: OrdEvent) -> Result<OrdStatus, Reject> {
        let held = self.orders.bond(slot).held;
        self.step(slot, event, |order| {
            order.replace = None;
            if !order.shows_whole() {
                order.qty = Lots(order.qty.0 - held.0);
            }
        })
    }

    /// The stop price of the order is reached, and it goes on to the venue: with the limit `price`, 0 for a market order,
    /// and no further than `protection_price`; or, to [`Place::Held`], until its siblings stand in its way no more.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn triggered(
        &mut self,
        slot: OrderSlot,
        price: Ticks,
        protection_price: Ticks,
        place: Place,
    ) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::Trigger, |order| {
            order.place = place;
            order.price = price;
            order.protection_price = protection_price;
        })
    }

    /// The venue gives the order another limit, by its own instructions: one that a market-to-limit order finds, or a
    /// post-only order slides to.
    pub fn priced(&mut self, slot: OrderSlot, price: Ticks) {
        self.orders.update(slot, |order| order.price = price);
    }

    /// OrderQty becomes `qty`, unasked; no less than is executed, and where it is that, the order is filled. Of an order
    /// that is done for the day with the same `qty`: the next day begins.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`], and [`RejectReason::ZeroQuantity`] where nothing would be left of it: that is a cancel.
    pub fn restated(&mut self, slot: OrderSlot, qty: Lots) -> Result<OrdStatus, Reject> {
        let order = self.order(slot);
        let qty = qty.max(order.cum_qty);
        if qty == Lots::ZERO {
            return Err(Reject::of(RejectReason::ZeroQuantity, 0));
        }
        let standing = order.standing_at(qty, order.cum_qty);
        self.step_at(slot, OrdEvent::Restate, standing, |order| order.qty = qty)
    }

    /// Nothing more of the order is executed today.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    pub fn done_for_day(&mut self, slot: OrderSlot) -> Result<OrdStatus, Reject> {
        self.step(slot, OrdEvent::EndOfDay, |_| ())
    }

    /// An execution of `qty` lots at `price` is taken back (FIX J.1): CumQty and AvgPx are as without it. A filled order is
    /// open again, and its owner's to count and to work or cancel. Position and cash are booked apart from this.
    ///
    /// # Errors
    /// As [`Self::cancel_requested`].
    ///
    /// # Panics
    /// If less than that was executed.
    pub fn trade_canceled(
        &mut self,
        slot: OrderSlot,
        qty: Lots,
        price: Ticks,
    ) -> Result<OrdStatus, Reject> {
        self.amend(slot, OrdEvent::TradeCancel, (qty, price), (Lots::ZERO, Ticks::ZERO))
    }

    /// An execution, `was` lots at a price, is put right: it is `is`. Else as [`Self::trade_canceled`].
    ///
    /// # Errors
    /// As [`Self::cancel_requested`], and [`RejectReason::Overflow`] if it would execute more than OrderQty.
    ///
    /// # Panics
    /// If less than that was executed.
    pub fn trade_corrected(
        &mut self,
        slot: OrderSlot,
        was: (Lots, Ticks),
        is: (Lots, Ticks),
    ) -> Result<OrdStatus, Reject> {
        self.amend(slot, OrdEvent::TradeCorrect, was, is)
    }

    fn amend(
        &mut self,
        slot: OrderSlot,
        event: OrdEvent,
        was: (Lots, Ticks),
        is: (Lots, Ticks),
    ) -> Result<OrdStatus, Reject> {
        let order = self.order(slot);
        let without = order.cum_qty.checked_sub(was.0);
        let without = without.expect("no more is taken back than was executed");
        let cum_qty = without.checked_add(is.0).filter(|cum_qty| *cum_qty <= order.qty);
        let overflow = Reject::of(RejectReason::Overflow, i128::from(is.0.0));
        let cum_qty = cum_qty.ok_or(overflow)?;
        let ticks_lots = |(qty, price): (Lots, Ticks)| i128::from(price.0) * i128::from(qty.0);
        let sum = order.cum_ticks_lots.checked_sub(ticks_lots(was));
        let sum = sum.and_then(|sum| sum.checked_add(ticks_lots(is))).ok_or(overflow)?;
        let standing = order.standing_at(order.qty, cum_qty);
        self.step_at(slot, event, standing, |order| {
            order.cum_qty = cum_qty;
            order.cum_ticks_lots = sum;
        })
    }

    #[inline]
    fn step(
        &mut self,
        slot: OrderSlot,
        event: OrdEvent,
        change: impl FnOnce(&mut Order),
    ) -> Result<OrdStatus, Reject> {
        self.step_at(slot, event, self.order(slot).standing(), change)
    }

    #[inline]
    fn step_at(
        &mut self,
        slot: OrderSlot,
        event: OrdEvent,
        standing: Standing,
        change: impl FnOnce(&mut Order),
    ) -> Result<OrdStatus, Reject> {
        let order = self.orders.get(slot);
        let status = next_status(order.status, event, standing);
        let status = status.ok_or_else(|| refusal(order))?;
        self.orders.update(slot, |order| {
            change(order);
            order.status = status;
        });
        Ok(status)
    }

    /// What the order ties up now; nothing once it is at its end. While a replace is under way, the larger of
    /// either terms, in lots and in money; without what the engine holds back of it. Of orders of which only one can execute,
    /// the largest.
    #[inline]
    pub fn exposure(&self, slot: OrderSlot) -> OrderExposure {
        let order = self.order(slot);
        let own = self.own_exposure(order, slot);
        if order.bound { self.exposure_of_group(slot, own) } else { own }
    }

    #[inline]
    pub(crate) fn own_exposure(&self, order: &Order, slot: OrderSlot) -> OrderExposure {
        let mut exposure = OrderExposure {
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            qty: Lots::ZERO,
            notional: Money::ZERO,
            strategy: order.strategy,
            principal: order.who.principal,
            limit: if order.price == Ticks::ZERO { order.protection_price } else { order.price },
        };
        if !order.is_open() {
            return exposure;
        }
        let held = if order.bound { self.orders.bond(slot).held } else { Lots::ZERO };
        let mut widen = |qty: u64, price: Ticks| {
            let qty = Lots(qty.saturating_sub(held.0));
            let notional = bounded_notional(price, qty, order.money_per_tick_lot);
            let notional = match order.bound {
                // Of a quantity that follows another order's; then the change cannot be counted.
                true => notional.unwrap_or(PAIR_MONEY_MAX),
                false => notional.expect("the gate bounds what it approves"),
            };
            exposure.qty = exposure.qty.max(qty);
            exposure.notional = exposure.notional.max(notional);
        };
        widen(order.leaves_qty().0, order.exposure_price);
        if let Some(terms) = order.replace {
            widen(terms.qty.0.saturating_sub(order.cum_qty.0), terms.exposure_price);
            exposure.limit = match order.side {
                Side::Buy => exposure.limit.max(terms.price),
                Side::Sell => exposure.limit.min(terms.price),
            };
        }
        exposure
    }

    /// Tells risk what the order ties up now, given what it did `before` a step.
    #[inline]
    pub fn recount(&self, risk: &mut Risk, slot: OrderSlot, before: &OrderExposure) {
        let after = self.exposure(slot);
        if self.order(slot).is_open() {
            risk.order_changed(before, &after);
        } else {
            risk.order_left(before, &after, self.order(slot).cum_qty > Lots::ZERO);
        }
    }

    /// LeavesQty as the execution report of the order tells it.
    #[inline]
    pub fn shown_leaves(&self, slot: OrderSlot) -> Lots {
        let order = self.order(slot);
        Lots(order.leaves_qty().0 - order.unseen(self.orders.bond(slot).held).0)
    }

    /// The execution report of the order as it stands. The caller adds what the event says: `exec_type`,
    /// `last_qty`, `last_price`, `fee`, `liquidity`, the reasons, `exec_id` and `cause_seq`, which are 0 here.
    #[inline]
    pub fn execution(&self, slot: OrderSlot) -> Execution {
        let order = self.order(slot);
        let Bond { parent_id, held, .. } = self.orders.bond(slot);
        let leaves = order.leaves_qty();
        let unseen = order.unseen(held);
        Execution {
            cum_ticks_lots: order.cum_ticks_lots,
            client_order_id: order.client_order_id,
            order_id: order.order_id,
            parent_id,
            qty: Lots(order.qty.0 - unseen.0),
            cum_qty: order.cum_qty,
            leaves_qty: Lots(leaves.0 - unseen.0),
            price: order.price,
            ord_status: order.status.wire(),
            side: order.side.wire(),
            order_type: order.order_type.wire(),
            time_in_force: order.time_in_force.wire(),
            queue_ahead_at_entry: order.queue_ahead_at_entry,
            ..Execution::zeroed()
        }
    }

    /// The open order that was entered first, of one account or with [`AccountId::NONE`] of all.
    #[inline]
    pub fn first_open(&self, scope: AccountId) -> Option<OrderSlot> {
        self.orders.first_open(scope)
    }

    /// The open order entered next after `slot`. A loop that closes orders takes this step first:
    ///
    /// ```text
    /// let mut walk = oms.first_open(scope);
    /// while let Some(slot) = walk {
    ///     walk = oms.next_open(scope, slot);
    ///     oms.canceled(slot)?;
    /// }
    /// ```
    ///
    /// # Panics
    /// If `slot` is not open.
    #[inline]
    pub fn next_open(&self, scope: AccountId, slot: OrderSlot) -> Option<OrderSlot> {
        self.orders.next_open(scope, slot)
    }

    /// Every open order of one account, or with [`AccountId::NONE`] of all, in the order of entry.
    pub fn open_orders(&self, scope: AccountId) -> impl Iterator<Item = (OrderSlot, &Order)> {
        core::iter::successors(self.first_open(scope), move |slot| self.next_open(scope, *slot))
            .map(|slot| (slot, self.order(slot)))
    }

    /// How many orders are open.
    pub const fn open_count(&self) -> u32 {
        self.orders.open_count()
    }

    /// How many orders are kept: open, or at their end since the day began.
    pub const fn kept_count(&self) -> u32 {
        self.orders.kept_count()
    }

    /// The trading day ends: forgets every order at its end, so that slots and clients' names may be used
    /// again. The engine has expired DAY orders before.
    pub fn day_roll(&mut self) {
        self.orders.forget_finished();
        self.ledger.day_roll();
    }

    /// An input is applied: what the hash is still to be told of is entered, so that it is kept with each record.
    #[inline]
    pub fn settle(&mut self) {
        self.orders.settle();
    }

    /// The hash of every order, position and account, kept up with every input.
    #[inline]
    pub fn hash(&self) -> StateHash {
        self.orders
            .hash()
            .combined(self.ledger.hash())
            .combined(self.fees.hash())
            .combined(self.borrow.hash())
            .combined(self.lists.hash())
            .combined(self.algorithms.hash())
    }

    /// The same hash, computed anew from every record; for tests and audits, linear in their number.
    pub fn hash_from_scratch(&self) -> StateHash {
        self.orders
            .hash_from_scratch()
            .combined(self.ledger.hash_from_scratch())
            .combined(self.fees.hash())
            .combined(self.borrow.hash())
            .combined(self.lists.hash_from_scratch())
            .combined(self.algorithms.hash_from_scratch())
    }
}

/// Why a step cannot happen to an order.
#[cold]
fn refusal(order: &Order) -> Reject {
    let reason = if order.leaves_qty() == Lots::ZERO {
        RejectReason::TooLateToCancel
    } else {
        RejectReason::PendingCancelOrReplace
    };
    Reject::of(reason, i128::from(order.order_id.0))
}
