//! Lists of orders: entered whole or not at all, and settled after every change of a leg.
//!
//! What a list must do is derived in `oms` ([`tidegate_oms::lists`]); here it is done.

use super::Core;
use super::internal::check_house_terms;
use super::orders::{best_of_own, check_trading, refuse_new};
use super::output::{Pause, Publisher};
use super::paper::{FillCause, Request};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    Contingency, LIST_LEGS_MAX, NewAlgorithm, NewList, NewOrder, OrderType, ReplaceOrder,
    SelfTrade, TimeInForce,
};
use tidegate_model::event::{CancelReason, Event, ExecType, ListOrderStatus, ListStatus};
use tidegate_model::hash::hash_words;
use tidegate_model::{
    InstrumentId, Lots, OrderId, Reject, RejectReason, SessionId, Side, StateHash,
};
use tidegate_oms::lists::LIST_STEPS_MAX;
use tidegate_oms::{
    AtTrigger, ListSlot, ListStep, NameHash, Named, Order, OrderSlot, Owner, Place, Requester,
};
use tidegate_risk::{Counting, OrderContext, OrderExposure, OwnOrders, Parties, RiskApproved};

/// Sessions whose lists may be incomplete at once. Head and legs follow each other, so that few are.
pub const ASSEMBLING_MAX: usize = 64;

/// A list whose legs are still coming.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Assembling {
    head: NewList,
    /// How the one order that follows is worked, if it is no list but a parent.
    algorithm: Option<NewAlgorithm>,
    contingency: Contingency,
    who: Requester,
    legs: [NewOrder; LIST_LEGS_MAX],
    count: usize,
}

impl Assembling {
    /// What is begun with `head`.
    pub(super) fn begun(head: NewList, algorithm: Option<NewAlgorithm>, who: Requester) -> Self {
        let contingency = Contingency::from_wire(head.contingency).unwrap_or(Contingency::Oco);
        let legs = [NewOrder::BLANK; LIST_LEGS_MAX];
        Self { head, algorithm, contingency, who, legs, count: 0 }
    }

    /// True if it has the legs that it counts.
    pub(super) fn is_sound(&self) -> bool {
        self.count <= LIST_LEGS_MAX
    }

    fn legs(&self) -> &[NewOrder] {
        &self.legs[..self.count]
    }

    fn status(&self, status: ListOrderStatus, first_order_id: OrderId) -> ListStatus {
        ListStatus {
            reject_limit: 0,
            reject_value: 0,
            first_order_id,
            list_id: self.head.list_id,
            contingency: self.head.contingency,
            leg_count: self.head.leg_count,
            status: status.wire(),
            reject_reason: 0,
            reserved: [0; 16],
        }
    }

    /// Where the legs begin of which one cancels the other.
    fn first_sibling(&self) -> usize {
        match self.contingency {
            Contingency::Oco => 0,
            Contingency::Oto => self.count,
            Contingency::OneTriggersOco | Contingency::Bracket => 1,
        }
    }

    /// True if both legs could be executed where one was meant.
    fn exclude(&self, a: usize, b: usize) -> bool {
        let first = self.first_sibling();
        let (one, other) = (&self.legs[a], &self.legs[b]);
        let alike = one.instrument == other.instrument && one.side == other.side;
        a != b && a.min(b) >= first && alike
    }

    fn is_exit(&self, at: usize) -> bool {
        self.contingency == Contingency::Bracket && at > 0
    }

    fn is_held(&self, at: usize) -> bool {
        self.contingency != Contingency::Oco && at > 0
    }

    /// Whether the legs can be to each other what the list says.
    fn check_shape(&self) -> Result<(), Reject> {
        let bad = |value: u64| Reject::of(RejectReason::BadField, value.into());
        let entry = &self.legs[0];
        for (at, leg) in self.legs().iter().enumerate().filter(|(at, _)| self.is_exit(*at)) {
            if leg.instrument != entry.instrument {
                return Err(bad(leg.instrument.0.into()));
            }
            if Side::from_wire(leg.side).map(Side::opposite) != Side::from_wire(entry.side) {
                return Err(bad(leg.side.into()));
            }
            if leg.qty != entry.qty {
                let (wanted, asked) = (entry.qty.0.into(), leg.qty.0.into());
                return Err(Reject::new(RejectReason::ContingentQuantity, wanted, asked));
            }
            let at_once = [TimeInForce::Ioc.wire(), TimeInForce::Fok.wire()];
            if at_once.contains(&leg.time_in_force) {
                return Err(bad(leg.time_in_force.into()));
            }
            // It would take off what the entry gives.
            if leg.self_trade == SelfTrade::Decrement.wire() {
                return Err(bad(leg.self_trade.into()));
            }
            debug_assert!(at > 0, "the entry is no exit");
        }
        let rests = |at: usize| {
            OrderType::from_wire(self.legs[at].order_type).is_some_and(|kind| !kind.waits())
        };
        for second in 0..self.count {
            if (0..second).any(|first| self.exclude(first, second) && rests(first) && rests(second))
            {
                let leg = second as i128 + 1;
                return Err(Reject::of(RejectReason::ContingentOverCommit, leg));
            }
        }
        Ok(())
    }
}

/// Legs as they came through the gate.
struct Approved {
    orders: [Option<RiskApproved<NewOrder>>; LIST_LEGS_MAX],
    /// What each ties up alone.
    own: [Option<OrderExposure>; LIST_LEGS_MAX],
}

impl Core {
    /// The head of a list. A list that the session began before and did not complete is refused.
    pub(super) fn new_list(
        &mut self,
        head: NewList,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        self.drop_list(who.session, publisher);
        let contingency = Contingency::from_wire(head.contingency);
        let least = match contingency {
            Some(Contingency::OneTriggersOco) => 3,
            _ => 2,
        };
        let most = match contingency {
            Some(Contingency::Bracket) => 3,
            _ => LIST_LEGS_MAX,
        };
        let bad = |value: u64| Err(Reject::of(RejectReason::BadField, value.into()));
        let full = self.assembling.len() == ASSEMBLING_MAX;
        let checked = match contingency {
            None => bad(head.contingency.into()),
            _ if head.list_id == 0 => bad(0),
            _ if !(least..=most).contains(&usize::from(head.leg_count)) => {
                bad(head.leg_count.into())
            }
            _ if full => {
                let max = ASSEMBLING_MAX as i128;
                Err(Reject::new(RejectReason::CapacityExceeded, max, max))
            }
            Some(_) => Ok(()),
        };
        let list = Assembling::begun(head, None, who);
        match checked {
            Ok(()) => self.assembling.push(list),
            Err(reject) => refuse_list(&list, reject, publisher),
        }
    }

    /// How the order that follows is worked. What the session began before and did not complete is refused.
    pub(super) fn new_algorithm(
        &mut self,
        new: NewAlgorithm,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        self.drop_list(who.session, publisher);
        let list = Assembling::of_algorithm(new, who);
        if new.list_id == 0 || self.assembling.len() == ASSEMBLING_MAX {
            let max = ASSEMBLING_MAX as i128;
            let reject = match new.list_id {
                0 => Reject::of(RejectReason::BadField, 0),
                _ => Reject::new(RejectReason::CapacityExceeded, max, max),
            };
            return refuse_list(&list, reject, publisher);
        }
        self.assembling.push(list);
    }

    /// A leg: kept until the last one has come.
    pub(super) fn new_leg(
        &mut self,
        order: NewOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let at = self
            .assembling
            .iter()
            .position(|list| list.who.session == who.session && list.head.list_id == order.list_id);
        let Some(at) = at.filter(|_| order.list_id != 0) else {
            let unknown = Reject::of(RejectReason::UnknownList, order.list_id.into());
            return refuse_new(&order, unknown, who, publisher);
        };
        let list = &mut self.assembling[at];
        list.legs[list.count] = order;
        list.count += 1;
        list.who = who;
        if usize::from(order.leg) != list.count || order.account != list.head.account {
            let list = self.assembling.remove(at);
            let reject = Reject::of(RejectReason::BadField, order.leg.into());
            return refuse_list(&list, reject, publisher);
        }
        if list.count == usize::from(list.head.leg_count) {
            let list = self.assembling.remove(at);
            match list.algorithm {
                Some(new) => self.enter_algorithm(new, order, who, publisher),
                None => self.enter_list(&list, publisher),
            }
        }
    }

    /// The session goes on to something else, or is gone: what it began is refused.
    pub(super) fn drop_list(&mut self, session: SessionId, publisher: &mut Publisher<'_>) {
        if let Some(at) = self.assembling.iter().position(|list| list.who.session == session) {
            let list = self.assembling.remove(at);
            let (legs, came) = (list.head.leg_count.into(), list.count as i128);
            let reject = Reject::new(RejectReason::ListIncomplete, legs, came);
            refuse_list(&list, reject, publisher);
        }
    }

    /// Who began the lists that are not complete.
    pub(super) fn incomplete_lists(&self) -> impl Iterator<Item = Requester> {
        self.assembling.iter().map(|list| list.who)
    }

    /// Every leg is here: all pass the gate, or none is kept.
    fn enter_list(&mut self, list: &Assembling, publisher: &mut Publisher<'_>) {
        let hashes = list.legs.map(|leg| self.oms.name_hash(leg.account, &leg.client_order_id));
        let entered = match self.find_again(list, &hashes) {
            Ok(Some(slots)) => return self.tell_again(list, &slots, publisher),
            Ok(None) => self.approve_list(list),
            Err(reject) => Err(reject),
        };
        let approved = match entered {
            Ok(approved) => approved,
            Err(reject) => return refuse_list(list, reject, publisher),
        };
        let mut slots = [None; LIST_LEGS_MAX];
        for (at, approved) in approved.orders.iter().flatten().enumerate() {
            let terms = &self.listing[list.legs[at].instrument].instrument;
            let slot = self.oms.admit(approved, hashes[at], list.who, self.now, terms);
            slots[at] = Some(slot.expect("the gate knows the account"));
        }
        let mut legs = [slots[0].expect("a list has legs"); LIST_LEGS_MAX];
        for (leg, slot) in legs.iter_mut().zip(slots.iter().flatten()) {
            *leg = *slot;
        }
        let legs = &legs[..list.count];
        let (id, who) = (list.head.list_id, list.who);
        let once = self.listing[list.legs[0].instrument].instrument.is_routed();
        self.oms.open_list(list.contingency, id, who, legs, once, |at| list.is_held(at));
        let first = self.oms.order(legs[0]).order_id;
        tell_list(list.status(ListOrderStatus::Executing, first), list, publisher);
        for &slot in legs {
            if self.oms.order(slot).is_open() {
                self.begin(slot, who, publisher);
            }
            if list.contingency == Contingency::Oco {
                // What one executes at once, the next does not begin with.
                self.follow_up(publisher);
            }
        }
    }

    /// The orders of a list that was entered before, if every leg of this one is the same again.
    fn find_again(
        &self,
        list: &Assembling,
        hashes: &[NameHash; LIST_LEGS_MAX],
    ) -> Result<Option<[Option<OrderSlot>; LIST_LEGS_MAX]>, Reject> {
        let mut slots = [None; LIST_LEGS_MAX];
        for (at, leg) in list.legs().iter().enumerate() {
            if let Named::Same(slot) = self.oms.check_client_order_id(leg, hashes[at])? {
                slots[at] = Some(slot);
            }
            let twice =
                list.legs[..at].iter().any(|other| other.client_order_id == leg.client_order_id);
            if twice {
                return Err(Reject::of(RejectReason::DuplicateClientOrderId, 0));
            }
        }
        match slots.iter().flatten().count() {
            0 => Ok(None),
            count if count == list.count => Ok(Some(slots)),
            _ => {
                let taken = slots.iter().flatten().next().expect("there is one");
                let order_id = self.oms.order(*taken).order_id;
                Err(Reject::of(RejectReason::DuplicateClientOrderId, order_id.0.into()))
            }
        }
    }

    fn tell_again(
        &mut self,
        list: &Assembling,
        slots: &[Option<OrderSlot>; LIST_LEGS_MAX],
        publisher: &mut Publisher<'_>,
    ) {
        let legs = || slots.iter().flatten().copied();
        let is_done = legs().all(|slot| !self.oms.order(slot).is_open());
        let status = if is_done { ListOrderStatus::AllDone } else { ListOrderStatus::Executing };
        let first = legs().next().map_or(OrderId(0), |slot| self.oms.order(slot).order_id);
        tell_list(list.status(status, first), list, publisher);
        for slot in legs() {
            self.report(slot, ExecType::OrderStatus, list.who, publisher, |_| {});
        }
    }

    /// The gate, for each leg with those before it counted. If one is refused, none is counted.
    fn approve_list(&mut self, list: &Assembling) -> Result<Approved, Reject> {
        list.check_shape()?;
        self.oms.check_room_for_list(list.count)?;
        self.paper.check_room()?;
        let none = [const { None }; LIST_LEGS_MAX];
        let mut approved = Approved { orders: none, own: [None; LIST_LEGS_MAX] };
        for at in 0..list.count {
            if let Err(reject) = self.approve_leg(list, at, &mut approved) {
                for counted in (0..at).rev() {
                    let before = of_rivals(list, counted, &approved);
                    let order = approved.orders[counted].as_ref().expect("it was approved");
                    let none = order.exposure().none();
                    self.risk.order_left(order.exposure(), before.as_ref().unwrap_or(&none), false);
                }
                return Err(reject);
            }
        }
        Ok(approved)
    }

    fn approve_leg(
        &mut self,
        list: &Assembling,
        at: usize,
        approved: &mut Approved,
    ) -> Result<(), Reject> {
        let leg = list.legs[at];
        let unknown = Reject::of(RejectReason::UnknownInstrument, leg.instrument.0.into());
        let listed = self.listing.get(leg.instrument).ok_or(unknown)?;
        let (margin, ticks) =
            (self.margin_funds(leg.account), self.listing.tick_table(leg.instrument));
        if leg.strategy != list.legs[0].strategy {
            // One is counted for all of which only one can execute.
            return Err(Reject::of(RejectReason::BadField, leg.strategy.0.into()));
        }
        let funds = self.oms.funds(leg.account, &listed.instrument, margin.as_ref())?;
        let oms = &self.oms;
        let own =
            |side, is_in: &dyn Fn(Parties) -> bool| best_of_own(oms, leg.instrument, side, is_in);
        let context = self.order_context(list.who.principal, (listed, ticks), funds);
        let mut context = OrderContext { own: OwnOrders(&own), ..context };
        let before = of_rivals(list, at, approved);
        context.counting = match before {
            _ if list.is_exit(at) => Counting::Later,
            Some(before) => Counting::OneOf(before),
            None => Counting::Alone,
        };
        let order = self.risk.check_new(leg, &context)?;
        // A market of the house says itself what it takes, when the leg comes there.
        match listed.instrument.is_internal() {
            true => check_house_terms(&leg)?,
            false => {
                check_trading(listed)?;
                self.check_route(&leg, listed, list.is_held(at))?;
            }
        }
        self.check_room_to_wait(&leg)?;
        let counted = order.exposure();
        let own = OrderExposure::of(
            counted.account,
            counted.instrument,
            counted.side,
            if list.is_exit(at) { Lots::ZERO } else { leg.qty },
            order.exposure_price(),
            &listed.instrument,
        )?;
        let own = OrderExposure { qty: own.qty, notional: own.notional, ..*counted };
        match before {
            Some(before) if !list.is_exit(at) => self.risk.order_joined(&before, counted),
            _ => self.risk.order_opened(counted),
        }
        approved.own[at] = Some(own);
        approved.orders[at] = Some(order);
        Ok(())
    }

    /// Trades in markets of the house have reached stop prices of legs that the engine holds.
    fn trigger_in_house(&mut self, publisher: &mut Publisher<'_>) {
        std::mem::swap(&mut self.triggered, &mut self.internal.triggered);
        for at in 0..self.triggered.len() {
            let waiter = self.triggered[at];
            self.trigger(&waiter, publisher);
        }
        self.triggered.clear();
    }

    /// Whoever looks after orders that changed does what follows from it, until nothing does.
    #[inline]
    pub(super) fn follow_up(&mut self, publisher: &mut Publisher<'_>) {
        loop {
            if !self.internal.triggered.is_empty() {
                self.trigger_in_house(publisher);
            } else if let Some(owner) = self.oms.next_changed() {
                match owner {
                    Owner::List(list) => self.settle_list(list, publisher),
                    Owner::Algorithm(algorithm) => self.settle_algorithm(algorithm, publisher),
                }
                // Only now: what it did itself is settled.
                self.oms.settled(owner);
            } else if !self.suppose(Pause::Settled, publisher) {
                return;
            }
        }
    }

    fn settle_list(&mut self, list: ListSlot, publisher: &mut Publisher<'_>) {
        let about = *self.oms.list(list);
        for _ in 0..LIST_STEPS_MAX {
            let Some(step) = self.oms.list_step(list) else { return };
            match step {
                ListStep::Cancel(slot) => {
                    self.yield_order(slot, CancelReason::Contingent, publisher);
                }
                ListStep::Resize(slot) => self.resize(slot, publisher),
                ListStep::Activate(slot) => self.activate(slot, publisher),
                ListStep::Release(slot) => {
                    let &Order { instrument, who, .. } = self.oms.order(slot);
                    self.oms.released(slot, self.home_of(instrument));
                    self.send(slot, Request::New, who, publisher);
                }
                ListStep::Done => {
                    let first_order_id = about.legs()[0].order_id;
                    let leg_count = about.legs().len() as u8;
                    let status = ListStatus {
                        reject_limit: 0,
                        reject_value: 0,
                        first_order_id,
                        list_id: about.list_id,
                        contingency: about.contingency.wire(),
                        leg_count,
                        status: ListOrderStatus::AllDone.wire(),
                        reject_reason: 0,
                        reserved: [0; 16],
                    };
                    let event = Event::ListStatus(status);
                    return publisher.event(about.who, about.account, InstrumentId::NONE, &event);
                }
            }
        }
        // A market that takes back what it is given, as self-trade prevention does, keeps a leg from what it is to be: what
        // is left to do is done with the next change of a leg.
    }

    /// An order is canceled for another's sake.
    pub(super) fn yield_order(
        &mut self,
        slot: OrderSlot,
        reason: CancelReason,
        publisher: &mut Publisher<'_>,
    ) {
        let who = self.oms.order(slot).who;
        // One whose cancel is under way already needs no second.
        if self.oms.cancel_requested(slot).is_ok() {
            self.send(slot, Request::Cancel(reason), who, publisher);
        }
    }

    /// A leg that was held begins.
    fn activate(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let &Order { instrument, who, .. } = self.oms.order(slot);
        match self.oms.activated(slot, self.home_of(instrument)) {
            Place::Waiting => self.wait(slot, who, publisher),
            Place::Venue | Place::House | Place::Held | Place::Parent => {
                self.send(slot, Request::New, who, publisher);
            }
        }
    }

    /// A leg's quantity is to follow the others: at once if the engine holds it, else when its venue knows.
    fn resize(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let who = self.oms.order(slot).who;
        self.send(slot, Request::Resize, who, publisher);
    }

    /// A change of quantity that other legs caused reaches the order.
    pub(super) fn arrive_resize(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let &Order { instrument, side, place, who, .. } = self.oms.order(slot);
        let before = self.oms.exposure(slot);
        let told = |core: &Self| {
            let execution = core.oms.execution(slot);
            (execution.qty, execution.ord_status)
        };
        let told_before = told(self);
        if self.oms.resized(slot).is_none() {
            // It is to be canceled, or has ended.
            return;
        }
        let after = self.oms.exposure(slot);
        if self.risk.check_change(&before, &after).is_err() {
            self.end_counted(slot, &before, CancelReason::CannotBook, who, publisher);
            if place == Place::House {
                self.resize_in_house(slot, publisher);
            }
            return;
        }
        self.oms.recount(&mut self.risk, slot, &before);
        if told(self) != told_before {
            self.report(slot, ExecType::Restated, who, publisher, |_| {});
        }
        if place == Place::House {
            return self.resize_in_house(slot, publisher);
        }
        if !self.oms.order(slot).is_open() {
            return self.take_off(slot);
        }
        let order = self.oms.order(slot);
        if place != Place::Venue || !order.acknowledged || self.is_routed(slot) {
            // It is not at its venue yet, and goes there with what is live then.
            return;
        }
        let live = self.oms.live_qty(slot);
        let mut resting = self.paper.resting(instrument, side).iter();
        let resting =
            resting.find(|resting| resting.order == slot).map_or(Lots::ZERO, |r| r.leaves);
        if Lots::ZERO < live && live <= resting {
            self.paper.reduce(instrument, side, slot, live);
        } else {
            self.paper.remove(instrument, side, slot);
            self.execute(slot, FillCause::default(), publisher);
        }
    }

    /// How new terms of an order are counted beside others of its list.
    pub(super) fn counting_of(&self, slot: OrderSlot) -> Counting {
        let is_parent = self.oms.order(slot).place == Place::Parent;
        if is_parent || self.oms.follows_entry(slot) {
            return Counting::Later;
        }
        self.oms.exposure_of_rivals(slot).map_or(Counting::Alone, Counting::OneOf)
    }

    /// New terms with the quantity that the order has, if that follows another's: it may be named as it is told.
    ///
    /// # Errors
    /// [`RejectReason::ContingentQuantity`].
    pub(super) fn with_followed_qty(
        &self,
        slot: OrderSlot,
        replace: ReplaceOrder,
    ) -> Result<ReplaceOrder, Reject> {
        if !self.oms.follows_entry(slot) {
            return Ok(replace);
        }
        let (whole, told) = (self.oms.order(slot).qty, self.oms.execution(slot).qty);
        if replace.qty != whole && replace.qty != told {
            let (limit, value) = (told.0.into(), replace.qty.0.into());
            return Err(Reject::new(RejectReason::ContingentQuantity, limit, value));
        }
        Ok(ReplaceOrder { qty: whole, ..replace })
    }

    /// Whether the list of an order whose stop price is reached lets it go; `None` if it is to do nothing.
    pub(super) fn is_blocked(&mut self, slot: OrderSlot) -> Option<bool> {
        match self.oms.at_trigger(slot) {
            AtTrigger::Go => Some(false),
            AtTrigger::Block => Some(true),
            AtTrigger::Nothing => None,
        }
    }

    /// The hash of the lists whose legs are still coming.
    pub(super) fn hash_of_assembling(&self) -> StateHash {
        let mut hash = StateHash::default();
        for list in &self.assembling {
            let head: [u32; 4] = bytemuck::cast(list.head);
            let head = head.map(u64::from);
            let session = u64::from(list.who.session.0);
            let mut record =
                hash_words(hash_words(0x4153_534d, &head), &[session, list.count as u64]);
            if let Some(new) = list.algorithm {
                record = hash_words(record, &bytemuck::cast::<NewAlgorithm, [u64; 7]>(new));
            }
            for leg in list.legs() {
                record = hash_words(record, &bytemuck::cast::<NewOrder, [u64; 16]>(*leg));
            }
            hash.add(record);
        }
        hash
    }
}

/// What the legs before this one tie up that exclude it.
fn of_rivals(list: &Assembling, at: usize, approved: &Approved) -> Option<OrderExposure> {
    let rivals = (0..at).filter(|other| list.exclude(*other, at));
    rivals.filter_map(|other| approved.own[other]).reduce(|sum, rival| sum.or(&rival))
}

fn tell_list(status: ListStatus, list: &Assembling, publisher: &mut Publisher<'_>) {
    let event = Event::ListStatus(status);
    publisher.event(list.who, list.head.account, InstrumentId::NONE, &event);
}

/// Tells that a list was refused, and each leg that came with it.
fn refuse_list(list: &Assembling, reject: Reject, publisher: &mut Publisher<'_>) {
    for leg in list.legs() {
        refuse_new(leg, reject, list.who, publisher);
    }
    let status = ListStatus {
        reject_limit: reject.limit,
        reject_value: reject.value,
        reject_reason: reject.reason.wire(),
        ..list.status(ListOrderStatus::Reject, OrderId(0))
    };
    // A parent speaks for itself.
    if list.algorithm.is_none() || list.count == 0 {
        tell_list(status, list, publisher);
    }
}
