//! Orders that do not stand alone: what binds them, and how the order management follows it.

use crate::lists::{AtTrigger, Leg, LegView, List, ListSlot, ListStep};
use crate::oms::Oms;
use crate::order::{Bond, Order, OrderSlot, Owner, Place, Requester};
use crate::orders::Orders;
use tidegate_model::command::{Contingency, LIST_LEGS_MAX};
use tidegate_model::event::OrdStatus;
use tidegate_model::{Lots, Reject, Ticks};
use tidegate_risk::OrderExposure;

/// What lists see of orders.
fn view(orders: &Orders) -> impl Fn(OrderSlot) -> LegView {
    move |slot| {
        let &Order { instrument, side, status, place, qty, cum_qty, .. } = orders.get(slot);
        let held = orders.bond(slot).held;
        LegView { instrument, side, status, place, qty, cum_qty, held }
    }
}

impl Oms {
    /// What the order has beside its own terms; nothing if it stands alone.
    #[inline]
    pub fn bond(&self, slot: OrderSlot) -> Bond {
        self.orders.bond(slot)
    }

    /// What of LeavesQty is not held back: what its venue may execute.
    #[inline]
    pub fn live_qty(&self, slot: OrderSlot) -> Lots {
        let leaves = self.order(slot).leaves_qty();
        Lots(leaves.0.saturating_sub(self.orders.bond(slot).held.0))
    }

    /// Lets a list pass for which there is room, of `legs` orders.
    ///
    /// # Errors
    /// `RejectReason::CapacityExceeded`.
    pub fn check_room_for_list(&self, legs: usize) -> Result<(), Reject> {
        self.lists.check_room()?;
        self.orders.check_room(legs)
    }

    /// Makes orders the legs of a list; none of them has begun yet. Those that `held` names are held back by the engine, and
    /// are counted from then on; of an exit of a bracket nothing is counted before its entry executes something. With `once`,
    /// an exit whose stop price is reached goes out when its quantity is final.
    ///
    /// # Panics
    /// If there is no room, or no leg.
    pub fn open_list(
        &mut self,
        contingency: Contingency,
        list_id: u32,
        who: Requester,
        legs: &[OrderSlot],
        once: bool,
        held: impl Fn(usize) -> bool,
    ) -> ListSlot {
        let list = self.lists.next_slot();
        let &Order { account, order_id: parent_id, .. } = self.order(legs[0]);
        let mut all = [Leg::new(legs[0], parent_id); LIST_LEGS_MAX];
        for (at, &slot) in legs.iter().enumerate() {
            all[at] = Leg::new(slot, self.order(slot).order_id);
            let is_exit = contingency == Contingency::Bracket && at > 0;
            let qty = self.order(slot).qty;
            self.orders.bind(slot, |bond| {
                *bond = bond.owned_by(Owner::List(list));
                bond.parent_id = parent_id;
                bond.held = if is_exit { qty } else { Lots::ZERO };
            });
            let waits = self.order(slot).order_type.waits();
            match held(at) {
                true => self.orders.update(slot, |order| order.place = Place::Held),
                // Wherever it will trade: another leg must be able to stop it until it goes there.
                false if waits => self.orders.update(slot, |order| order.place = Place::Waiting),
                false => {}
            }
        }
        let list_of = List::new(contingency, account, list_id, who, &all[..legs.len()], once);
        self.lists.open(list_of);
        list
    }

    /// The list at `slot`.
    pub fn list(&self, slot: ListSlot) -> &List {
        self.lists.get(slot)
    }

    /// Notes that an order changed: whoever looks after it is to be settled.
    #[inline]
    pub fn note_change(&mut self, slot: OrderSlot) {
        let Some(owner) = self.orders.bond(slot).owner() else { return };
        let is_new = match owner {
            Owner::List(list) => self.lists.touch(list, true),
            Owner::Algorithm(algorithm) => self.algorithms.touch(algorithm, true),
        };
        if is_new {
            self.changed.push_back(owner);
        }
    }

    /// Notes that an execution of an order was taken back or put right.
    pub(crate) fn note_amendment(&mut self, slot: OrderSlot) {
        if let Some(Owner::List(list)) = self.orders.bond(slot).owner() {
            self.lists.amended(list, slot, self.order(slot).cum_qty);
        }
    }

    /// The next one to be settled: [`Self::settled`] says when that is done.
    #[inline]
    pub fn next_changed(&mut self) -> Option<Owner> {
        self.changed.pop_front()
    }

    /// Whoever was to be settled is.
    pub fn settled(&mut self, owner: Owner) {
        match owner {
            Owner::List(list) => self.lists.touch(list, false),
            Owner::Algorithm(algorithm) => self.algorithms.touch(algorithm, false),
        };
    }

    /// What a list must do next, given how its orders stand now; `None` if nothing must until one of them changes. A step that
    /// is told is taken for done; [`ListStep::Done`] forgets the list.
    pub fn list_step(&mut self, list: ListSlot) -> Option<ListStep> {
        let step = self.lists.next_step(list, view(&self.orders));
        if step == Some(ListStep::Done) {
            // From now on nobody looks after them; reports still name the first.
            for leg in self.lists.get(list).legs() {
                if self.orders.by_id(leg.order_id) == Some(leg.slot) {
                    self.orders.bind(leg.slot, |bond| *bond = bond.owned_by_none());
                }
            }
            self.lists.close(list);
        }
        step
    }

    /// The stop price of an order is reached: whether its list lets it go.
    pub fn at_trigger(&mut self, slot: OrderSlot) -> AtTrigger {
        let Some(Owner::List(list)) = self.orders.bond(slot).owner() else { return AtTrigger::Go };
        self.lists.at_trigger(list, slot, view(&self.orders))
    }

    /// A change of quantity reaches a leg: it is restated to what its list wants now, and the rest of it is held back. `None`
    /// if nothing is changed, since it is to be canceled or has ended.
    pub fn resized(&mut self, slot: OrderSlot) -> Option<OrdStatus> {
        let Some(Owner::List(list)) = self.orders.bond(slot).owner() else { return None };
        let (qty, held) = self.lists.resized(list, slot, view(&self.orders))?;
        let status = self.restated(slot, qty).ok()?;
        self.orders.bind(slot, |bond| bond.held = held);
        Some(status)
    }

    fn list_of(&self, slot: OrderSlot) -> Option<ListSlot> {
        match self.orders.bond(slot).owner() {
            Some(Owner::List(list)) => Some(list),
            _ => None,
        }
    }

    /// What the venue has, or is to have, as OrderQty of an order: without what the engine holds back.
    pub fn qty_there(&self, slot: OrderSlot) -> Lots {
        let order = self.order(slot);
        match order.is_open() {
            true => Lots(order.qty.0.saturating_sub(self.orders.bond(slot).held.0)),
            // What was held back at its end never was a part of it.
            false => order.qty,
        }
    }

    /// What the venue of a leg is to have as OrderQty, if a change of that is wanted and the leg is not to be canceled.
    pub fn wanted_there(&mut self, slot: OrderSlot) -> Option<Lots> {
        let list = self.list_of(slot)?;
        self.lists.wanted_there(list, slot, view(&self.orders))
    }

    /// The venue of an order has, or is asked for, `there` as OrderQty: the order is restated to that, and to what of a leg is
    /// held back beside it. `None` if nothing is changed, since the order has ended.
    pub fn resized_there(&mut self, slot: OrderSlot, there: Lots) -> Option<OrdStatus> {
        let Some(list) = self.list_of(slot) else { return self.restated(slot, there).ok() };
        let there = there.max(self.order(slot).cum_qty);
        let (qty, held) = self.lists.resized_there(list, slot, there, view(&self.orders))?;
        let status = self.restated(slot, qty).ok()?;
        self.orders.bind(slot, |bond| bond.held = held);
        Some(status)
    }

    /// True if a change of a leg's quantity is wanted that no venue has answered.
    pub fn resizes(&self, slot: OrderSlot) -> bool {
        self.list_of(slot).is_some_and(|list| self.lists.resizes(list, slot))
    }

    /// The change of a leg's quantity that was wanted is made, or cannot be.
    pub fn resize_answered(&mut self, slot: OrderSlot) {
        if let Some(list) = self.list_of(slot) {
            self.lists.resize_answered(list, slot);
        }
    }

    /// The venue does not know an order any more. If it is a leg, the others go on without it.
    pub fn lost(&mut self, slot: OrderSlot) {
        if let Some(list) = self.list_of(slot) {
            self.lists.lost(list, slot);
        }
    }

    /// Its venue has executed all that it had of an order: what was held back never goes there.
    pub fn done_there(&mut self, slot: OrderSlot) -> Option<OrdStatus> {
        let cum_qty = self.order(slot).cum_qty;
        let status = self.restated(slot, cum_qty).ok()?;
        self.orders.bind(slot, |bond| bond.held = Lots::ZERO);
        Some(status)
    }

    /// True if the order is a leg of a list.
    pub fn is_leg(&self, slot: OrderSlot) -> bool {
        matches!(self.orders.bond(slot).owner(), Some(Owner::List(_)))
    }

    /// True if the order's quantity is not its own: it is an exit of a bracket, and follows the entry.
    pub fn follows_entry(&self, slot: OrderSlot) -> bool {
        match self.orders.bond(slot).owner() {
            Some(Owner::List(list)) => self.lists.get(list).follows_entry(slot),
            _ => false,
        }
    }

    /// An order that the engine held begins: where it goes from here, to wait or to where it trades, `home`.
    pub fn activated(&mut self, slot: OrderSlot, home: Place) -> Place {
        let waits = self.order(slot).order_type.waits();
        let place = if waits { Place::Waiting } else { home };
        self.orders.update(slot, |order| order.place = place);
        place
    }

    /// An order whose stop price was reached while its siblings stood in its way goes to where it trades, `home`.
    pub fn released(&mut self, slot: OrderSlot, home: Place) {
        self.orders.update(slot, |order| order.place = home);
    }

    /// The stop price with which a held order will begin to wait; 0 if the last trade will give it one.
    pub fn first_stop_price(&self, slot: OrderSlot) -> Ticks {
        match self.orders.bond(slot).stop_price {
            Ticks::ZERO => self.entered(slot).stop_price,
            stop_price => stop_price,
        }
    }

    #[cold]
    pub(crate) fn exposure_of_group(&self, slot: OrderSlot, own: OrderExposure) -> OrderExposure {
        self.rivals(slot)
            .fold(own, |sum, rival| sum.or(&self.own_exposure(self.order(rival), rival)))
    }

    /// What the orders tie up of which only one can execute together with this one, without it.
    pub fn exposure_of_rivals(&self, slot: OrderSlot) -> Option<OrderExposure> {
        let of_rivals = self.rivals(slot).map(|rival| self.own_exposure(self.order(rival), rival));
        of_rivals.reduce(|sum, rival| sum.or(&rival))
    }

    /// The open orders of which only one can execute together with this one.
    pub fn rivals(&self, slot: OrderSlot) -> impl Iterator<Item = OrderSlot> {
        let list = match self.orders.bond(slot).owner() {
            Some(Owner::List(list)) => Some(self.lists.get(list)),
            _ => None,
        };
        list.into_iter().flat_map(move |list| list.rivals(slot, view(&self.orders)))
    }
}
