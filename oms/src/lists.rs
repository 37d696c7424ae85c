//! Lists of orders that depend on each other: what each leg must do next, given how the others stand.
//!
//! Nothing here happens by itself. The engine tells a list what became of its legs by asking `List::next_step` after each
//! change, and does what that says, until it says nothing. A step is derived from how the legs stand, not from what was
//! reported last, so that reports that cross requests, in whatever order, lead to the same end.
//!
//! The rules, by [`Contingency`]:
//!
//! * **Siblings** (all legs of an OCO; those after the entry of a bracket or one-triggers-OCO): what one executes, the others
//!   shrink by. When one is filled, or ends for a reason of its own, the others are canceled.
//! * **One leg live.** Siblings on the same side of the same instrument are never at their venue together, where both might be
//!   executed: at most one of them needs no stop price, and one whose stop price is reached is sent only after the other is
//!   canceled for certain. So only the larger of them is counted.
//! * **Triggered by fill** (OTO, one-triggers-OCO): the others are held until the entry is filled; if it ends otherwise, they are
//!   canceled.
//! * **Bracket**: of each exit as much is live as the entry has executed and the exits have not. When the entry ends, the exits
//!   are restated to that. When an exit executes something, what is left of the entry is canceled.
//!
//! Where legs rest at different venues or on different sides, both may be executed before the cancel of the other arrives:
//! that is the market's doing, and both are booked.

use crate::order::{OrderSlot, Place, Requester};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{Contingency, LIST_LEGS_MAX};
use tidegate_model::event::OrdStatus;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room, check_hash};
use tidegate_model::{
    AccountId, InstrumentId, Lots, OrderId, Reject, RejectReason, Side, StateHash,
};

/// Lists that may be at work at once: two orders and more for each, some hundred thousand of them.
pub const LISTS_MAX: usize = 65_536;
/// Steps that one change of one leg can lead to at most: a change of quantity, a cancel and a beginning of each.
pub const LIST_STEPS_MAX: usize = 4 * LIST_LEGS_MAX;

const TAG_LIST: u64 = 0x6f6d_736c_6973_7400;

/// Where a list is kept, from its entry until every leg is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListSlot(pub(crate) u32);

/// What a list needs to know of a leg's order.
#[derive(Clone, Copy, Debug)]
pub struct LegView {
    /// What it trades.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// Where it stands.
    pub status: OrdStatus,
    /// Where it is.
    pub place: Place,
    /// OrderQty, with what is held back.
    pub qty: Lots,
    /// CumQty.
    pub cum_qty: Lots,
    /// What of OrderQty is held back.
    pub held: Lots,
}

impl LegView {
    fn leaves_qty(&self) -> Lots {
        if self.status.is_final() { Lots::ZERO } else { Lots(self.qty.0 - self.cum_qty.0) }
    }

    /// True if both could be executed where one was meant: they trade the same thing the same way.
    fn excludes(&self, other: &Self) -> bool {
        self.instrument == other.instrument && self.side == other.side
    }
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
enum End {
    /// All executed.
    Filled = 1,
    /// Canceled by the engine, for another leg's sake.
    Yielded = 2,
    /// Canceled, expired or refused for a reason of its own.
    Alone = 3,
}

/// A leg.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Leg {
    /// Its order, as long as that is open.
    pub slot: OrderSlot,
    /// The order's number.
    pub order_id: OrderId,
    /// CumQty as last seen.
    cum_qty: Lots,
    /// Lots that its siblings executed and it has not shrunk by yet.
    owed: Lots,
    end: Option<End>,
    /// The engine has asked for its cancel.
    yields: bool,
    /// A change of its quantity is on its way.
    resizes: bool,
}

impl Leg {
    /// A leg as it is entered.
    pub const fn new(slot: OrderSlot, order_id: OrderId) -> Self {
        let (cum_qty, owed) = (Lots::ZERO, Lots::ZERO);
        Self { slot, order_id, cum_qty, owed, end: None, yields: false, resizes: false }
    }
}

/// What a leg must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListStep {
    /// It was held and begins: it goes to its venue, or waits for its stop price.
    Activate(OrderSlot),
    /// Its stop price was reached, and nothing stands in its way any more: it goes to its venue.
    Release(OrderSlot),
    /// Its quantity is to be what `List::target` says: at once if the engine holds it, else when its venue knows.
    Resize(OrderSlot),
    /// It is to be canceled.
    Cancel(OrderSlot),
    /// Every leg is at its end, and the list with them.
    Done,
}

/// What a leg whose stop price is reached does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTrigger {
    /// It goes to its venue.
    Go,
    /// It is held until its siblings are canceled.
    Block,
    /// A sibling was triggered before: nothing.
    Nothing,
}

/// Orders that depend on each other.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct List {
    /// What its legs are to each other.
    pub contingency: Contingency,
    /// The account of every leg.
    pub account: AccountId,
    /// The session's own number for it.
    pub list_id: u32,
    /// Who entered it.
    pub who: Requester,
    legs: [Leg; LIST_LEGS_MAX],
    leg_count: u8,
    /// Its legs' venue takes an order once: what it has executed whole cannot grow any more.
    once: bool,
    /// Of siblings that exclude each other, the one whose stop price was reached first.
    chosen: Option<u8>,
    /// It is among those that the engine will settle; never so between inputs.
    touched: bool,
    /// This record's term of the state hash as it was last entered.
    hash: u64,
}

impl List {
    /// A list as it is entered.
    ///
    /// # Panics
    /// If there are more than [`LIST_LEGS_MAX`] legs, or none.
    pub fn new(
        contingency: Contingency,
        account: AccountId,
        list_id: u32,
        who: Requester,
        legs: &[Leg],
        once: bool,
    ) -> Self {
        let mut all = [legs[0]; LIST_LEGS_MAX];
        all[..legs.len()].copy_from_slice(legs);
        let leg_count = legs.len() as u8;
        Self {
            contingency,
            account,
            list_id,
            who,
            legs: all,
            leg_count,
            once,
            chosen: None,
            touched: false,
            hash: 0,
        }
    }

    /// Its legs, in their order.
    pub fn legs(&self) -> &[Leg] {
        &self.legs[..usize::from(self.leg_count)]
    }

    /// Where the legs begin of which one cancels the other; an OTO has none.
    fn first_sibling(&self) -> usize {
        match self.contingency {
            Contingency::Oco => 0,
            Contingency::Oto => usize::from(self.leg_count),
            Contingency::OneTriggersOco | Contingency::Bracket => 1,
        }
    }

    fn siblings(&self) -> &[Leg] {
        &self.legs()[self.first_sibling()..]
    }

    fn open_leg_mut(&mut self, slot: OrderSlot) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.slot == slot && leg.end.is_none())
    }

    /// The open siblings of a leg that exclude it.
    pub fn rivals<'a>(
        &'a self,
        slot: OrderSlot,
        view: impl Fn(OrderSlot) -> LegView + 'a,
    ) -> impl Iterator<Item = OrderSlot> + 'a {
        let is_sibling = self.siblings().iter().any(|leg| leg.slot == slot);
        let others = self.siblings().iter().filter(move |leg| {
            is_sibling
                && leg.slot != slot
                && leg.end.is_none()
                && view(leg.slot).excludes(&view(slot))
        });
        others.map(|leg| leg.slot)
    }

    /// True if the leg's quantity is not its own: it follows the entry of its bracket.
    pub fn follows_entry(&self, slot: OrderSlot) -> bool {
        self.contingency == Contingency::Bracket && self.legs[0].slot != slot
    }

    /// Takes in how the legs stand.
    fn refresh(&mut self, view: &impl Fn(OrderSlot) -> LegView) {
        let (first, count) = (self.first_sibling(), usize::from(self.leg_count));
        let shrinks = self.contingency != Contingency::Bracket;
        for at in 0..count {
            let leg = &mut self.legs[at];
            if leg.end.is_some() {
                continue;
            }
            let LegView { status, cum_qty, .. } = view(leg.slot);
            // An execution that was taken back gives the others nothing back.
            let executed = Lots(cum_qty.0.saturating_sub(leg.cum_qty.0));
            leg.cum_qty = cum_qty;
            leg.end = match status {
                OrdStatus::Filled => Some(End::Filled),
                status if status.is_final() && leg.yields => Some(End::Yielded),
                status if status.is_final() => Some(End::Alone),
                _ => None,
            };
            // A cancel that the venue refused is to be asked for again.
            leg.yields &= status.is_final() || status == OrdStatus::PendingCancel;
            if shrinks && at >= first && executed > Lots::ZERO {
                for other in (first..count).filter(|other| *other != at) {
                    let owed = &mut self.legs[other].owed;
                    *owed = Lots(owed.0.saturating_add(executed.0));
                }
            }
        }
    }

    /// What must happen next, given how the orders stand now; `None` if nothing must until one of them changes.
    fn next_step(&mut self, view: &impl Fn(OrderSlot) -> LegView) -> Option<ListStep> {
        self.refresh(view);
        if self.legs().iter().all(|leg| leg.end.is_some()) {
            return Some(ListStep::Done);
        }
        self.step_of_entry(view).or_else(|| {
            let mut siblings = self.siblings().iter();
            siblings.find_map(|leg| self.step_of_sibling(leg, view))
        })
    }

    /// The entry, and what is held until it is filled.
    fn step_of_entry(&self, view: &impl Fn(OrderSlot) -> LegView) -> Option<ListStep> {
        let entry = &self.legs[0];
        match (self.contingency, entry.end) {
            (Contingency::Oco, _) => None,
            (Contingency::Bracket, None) => {
                let (exits, _) = self.executed();
                let is_left = view(entry.slot).leaves_qty() > Lots::ZERO;
                let has_exited = exits > Lots::ZERO || self.once && self.chosen.is_some();
                let is_unwanted = has_exited && is_left && !entry.yields;
                is_unwanted.then_some(ListStep::Cancel(entry.slot))
            }
            (Contingency::Bracket, Some(_)) | (_, None) => None,
            (_, Some(end)) => {
                let mut others = self.legs()[1..].iter().filter(|leg| leg.end.is_none());
                let held = others.find(|leg| {
                    let is_held = view(leg.slot).place == Place::Held;
                    is_held && !leg.yields && !self.is_chosen(leg)
                })?;
                Some(match end {
                    End::Filled => ListStep::Activate(held.slot),
                    End::Yielded | End::Alone => ListStep::Cancel(held.slot),
                })
            }
        }
    }

    /// True if nothing stands in the way of a leg whose stop price is reached: no sibling, and where it can go out only once,
    /// no entry that it would have to follow.
    fn is_clear(&self, slot: OrderSlot, view: &impl Fn(OrderSlot) -> LegView) -> bool {
        let is_final = !self.once || !self.follows_entry(slot) || self.legs[0].end.is_some();
        is_final && self.rivals(slot, view).next().is_none()
    }

    fn is_chosen(&self, leg: &Leg) -> bool {
        self.chosen.is_some_and(|at| self.legs[usize::from(at)].slot == leg.slot)
    }

    /// Of a bracket: what its exits executed, and what its entry did.
    fn executed(&self) -> (Lots, Lots) {
        let exits = self.siblings().iter().map(|leg| leg.cum_qty.0).sum();
        (Lots(exits), self.legs[0].cum_qty)
    }

    /// A leg of which one cancels the other.
    fn step_of_sibling(&self, leg: &Leg, view: &impl Fn(OrderSlot) -> LegView) -> Option<ListStep> {
        if leg.end.is_some() || leg.yields {
            return None;
        }
        let this = view(leg.slot);
        if !self.is_wanted(leg, &this, view) {
            let is_left = this.leaves_qty() > Lots::ZERO;
            return is_left.then_some(ListStep::Cancel(leg.slot));
        }
        let (qty, held) = self.target_of(leg, &this, view);
        if (this.qty, this.held) != (qty, held) {
            return (!leg.resizes).then_some(ListStep::Resize(leg.slot));
        }
        if this.place != Place::Held {
            return None;
        }
        if self.is_chosen(leg) {
            let is_free = self.is_clear(leg.slot, view);
            return is_free.then_some(ListStep::Release(leg.slot));
        }
        // The exits of a bracket begin with the first execution of its entry.
        let begins = self.contingency == Contingency::Bracket && held < this.leaves_qty();
        begins.then_some(ListStep::Activate(leg.slot))
    }

    /// False if the leg is to be canceled for its siblings' sake.
    fn is_wanted(&self, leg: &Leg, this: &LegView, view: &impl Fn(OrderSlot) -> LegView) -> bool {
        let chosen = self.chosen.map(|at| &self.legs[usize::from(at)]);
        if let Some(chosen) = chosen.filter(|chosen| chosen.slot != leg.slot)
            && (chosen.end.is_some() || view(chosen.slot).excludes(this))
        {
            return false;
        }
        let mut others = self.siblings().iter().filter(|other| other.slot != leg.slot);
        if self.contingency != Contingency::Bracket {
            let is_over = |other: &Leg| matches!(other.end, Some(End::Filled | End::Alone));
            return !others.any(is_over) && leg.owed < this.leaves_qty();
        }
        // What the other exit executed is in the quantity; one that has executed something itself is restated to that.
        let (wanted, _) = self.wanted_of_exits(view);
        let other_left = others.any(|other| other.end == Some(End::Alone));
        !other_left && (wanted > Lots::ZERO || leg.cum_qty > Lots::ZERO)
    }

    /// Of a bracket: what its exits have yet to close if the entry executes all that it still may; and what they may close now.
    fn wanted_of_exits(&self, view: &impl Fn(OrderSlot) -> LegView) -> (Lots, Lots) {
        let (exits, entered) = self.executed();
        let entry = &self.legs[0];
        let to_come = if entry.end.is_none() { view(entry.slot).qty } else { entered };
        let less_exits = |qty: Lots| Lots(qty.0.saturating_sub(exits.0));
        (less_exits(to_come), less_exits(entered))
    }

    /// OrderQty of an open leg as it is to be, and how much of it is to be held back.
    fn target_of(
        &self,
        leg: &Leg,
        this: &LegView,
        view: &impl Fn(OrderSlot) -> LegView,
    ) -> (Lots, Lots) {
        if !self.follows_entry(leg.slot) {
            let owed = leg.owed.min(this.leaves_qty());
            return (Lots(this.qty.0 - owed.0), this.held);
        }
        let (wanted, now) = self.wanted_of_exits(view);
        let qty = Lots(leg.cum_qty.0.saturating_add(wanted.0));
        (qty, Lots(wanted.0.saturating_sub(now.0)))
    }

    fn compute_hash(&self) -> u64 {
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let chosen = self.chosen.map_or(0, |at| u32::from(at) + 1);
        let kinds =
            u32::from_le_bytes([self.contingency.wire(), self.leg_count, self.once.into(), 0]);
        let who = self.who;
        let mut hash = hash_words(
            TAG_LIST,
            &[
                pair(self.account.0, self.list_id),
                pair(kinds, chosen),
                pair(who.principal.0, who.session.0),
                who.request_id,
            ],
        );
        for leg in self.legs() {
            let end = leg.end.map_or(0, |end| end as u64);
            let flags = end | u64::from(leg.yields) << 8 | u64::from(leg.resizes) << 9;
            hash = hash_words(hash, &[leg.order_id.0, leg.cum_qty.0, leg.owed.0, flags]);
        }
        hash
    }
}

/// Every list at work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lists {
    #[serde(with = "Room::<LISTS_MAX>")]
    records: Vec<List>,
    /// Records that hold no list, the one used next last.
    #[serde(with = "Room::<LISTS_MAX>")]
    free: Vec<u32>,
    hash: StateHash,
}

impl Lists {
    /// None, and room for [`LISTS_MAX`]; the memory is touched as they come.
    pub fn new() -> Self {
        let records = Vec::with_capacity(LISTS_MAX);
        Self { records, free: Vec::with_capacity(LISTS_MAX), hash: StateHash::default() }
    }

    /// Looks at what was read from a snapshot, beside `orders` places of orders.
    pub(crate) fn restored(&self, orders: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "lists", why);
        let mut is_free = vec![false; self.records.len()];
        for at in &self.free {
            let free = is_free.get_mut(*at as usize).filter(|free| !**free);
            *free.ok_or(Inconsistent { part: "lists", why: "a free place is one" })? = true;
        }
        for (list, _) in self.records.iter().zip(&is_free).filter(|(_, free)| !**free) {
            let count = usize::from(list.leg_count);
            check(count <= LIST_LEGS_MAX && !list.touched, "a list has legs")?;
            check(list.chosen.is_none_or(|leg| usize::from(leg) < count), "a leg is chosen")?;
            check(list.legs().iter().all(|leg| leg.slot.index() < orders), "legs are orders")?;
            check(list.hash == list.compute_hash(), "lists enter the state hash as they are")?;
        }
        check_hash("lists", self.hash(), self.hash_from_scratch())
    }

    /// Lets a list pass for which there is room.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] with [`LISTS_MAX`].
    pub fn check_room(&self) -> Result<(), Reject> {
        if !self.free.is_empty() || self.records.len() < LISTS_MAX {
            return Ok(());
        }
        let max = LISTS_MAX as i128;
        Err(Reject::new(RejectReason::CapacityExceeded, max, max))
    }

    /// True if there is such a place.
    pub(crate) fn has(&self, slot: ListSlot) -> bool {
        (slot.0 as usize) < self.records.len()
    }

    /// Where the next list will be kept.
    pub fn next_slot(&self) -> ListSlot {
        ListSlot(self.free.last().copied().unwrap_or(self.records.len() as u32))
    }

    /// Keeps a list, at [`Self::next_slot`].
    pub fn open(&mut self, mut list: List) {
        list.hash = list.compute_hash();
        self.hash.add(list.hash);
        match self.free.pop() {
            Some(at) => self.records[at as usize] = list,
            None => self.records.push(list),
        }
    }

    /// The list at `slot`.
    pub fn get(&self, slot: ListSlot) -> &List {
        &self.records[slot.0 as usize]
    }

    fn change<T>(&mut self, slot: ListSlot, change: impl FnOnce(&mut List) -> T) -> T {
        let list = &mut self.records[slot.0 as usize];
        let changed = change(list);
        self.hash.remove(list.hash);
        list.hash = list.compute_hash();
        self.hash.add(list.hash);
        changed
    }

    /// What must happen next, given how the orders stand now; `None` if nothing must until one of them changes. A step that is
    /// told is taken for done: [`Self::resized`] says when a change of quantity has arrived.
    pub fn next_step(
        &mut self,
        slot: ListSlot,
        view: impl Fn(OrderSlot) -> LegView,
    ) -> Option<ListStep> {
        self.change(slot, |list| {
            let step = list.next_step(&view);
            match step {
                Some(ListStep::Cancel(leg)) => {
                    list.open_leg_mut(leg).expect("a step is an open leg's").yields = true;
                }
                Some(ListStep::Resize(leg)) => {
                    list.open_leg_mut(leg).expect("a step is an open leg's").resizes = true;
                }
                _ => {}
            }
            step
        })
    }

    /// OrderQty of a leg as it is to be, and how much of it is to be held back; `None` if it is at its end, or it is to be
    /// canceled. The change of quantity that was asked for arrives with this.
    pub fn resized(
        &mut self,
        slot: ListSlot,
        order: OrderSlot,
        view: impl Fn(OrderSlot) -> LegView,
    ) -> Option<(Lots, Lots)> {
        self.change(slot, |list| {
            list.refresh(&view);
            let this = view(order);
            let leg = list.open_leg_mut(order)?;
            leg.resizes = false;
            let leg = *leg;
            if leg.yields || !list.is_wanted(&leg, &this, &view) {
                return None;
            }
            let target = list.target_of(&leg, &this, &view);
            let leg = list.open_leg_mut(order).expect("it was open");
            leg.owed = Lots::ZERO;
            Some(target)
        })
    }

    /// What a venue is to have as OrderQty of a leg; `None` if nothing is to be changed there, or the leg is to be canceled.
    pub fn wanted_there(
        &mut self,
        slot: ListSlot,
        order: OrderSlot,
        view: impl Fn(OrderSlot) -> LegView,
    ) -> Option<Lots> {
        self.change(slot, |list| {
            list.refresh(&view);
            let this = view(order);
            let leg = *list.open_leg_mut(order)?;
            if !leg.resizes || leg.yields || !list.is_wanted(&leg, &this, &view) {
                return None;
            }
            let (qty, held) = list.target_of(&leg, &this, &view);
            Some(Lots(qty.0 - held.0))
        })
    }

    /// OrderQty of a leg, and what of it is to be held back, where its venue has `there` as OrderQty: no less than that, even
    /// if the list wants less by now. `None` if it is at its end.
    pub fn resized_there(
        &mut self,
        slot: ListSlot,
        order: OrderSlot,
        there: Lots,
        view: impl Fn(OrderSlot) -> LegView,
    ) -> Option<(Lots, Lots)> {
        self.change(slot, |list| {
            list.refresh(&view);
            let this = view(order);
            let leg = *list.open_leg_mut(order)?;
            if list.follows_entry(order) {
                let (qty, _) = list.target_of(&leg, &this, &view);
                let qty = qty.max(there);
                return Some((qty, Lots(qty.0 - there.0)));
            }
            let shrunk = this.qty.0.saturating_sub(there.0);
            let leg = list.open_leg_mut(order).expect("it was open");
            leg.owed = Lots(leg.owed.0.saturating_sub(shrunk));
            Some((there, Lots::ZERO))
        })
    }

    /// True if a change of quantity of the leg is on its way.
    pub fn resizes(&self, slot: ListSlot, order: OrderSlot) -> bool {
        self.get(slot).legs().iter().any(|leg| leg.slot == order && leg.resizes)
    }

    /// The change of quantity that was asked for is made, or cannot be: the list says anew what it wants.
    pub fn resize_answered(&mut self, slot: ListSlot, order: OrderSlot) {
        self.change(slot, |list| {
            if let Some(leg) = list.open_leg_mut(order) {
                leg.resizes = false;
            }
        });
    }

    /// The venue does not know a leg any more: its end is not the others' end.
    pub fn lost(&mut self, slot: ListSlot, order: OrderSlot) {
        self.change(slot, |list| {
            if let Some(leg) = list.open_leg_mut(order) {
                leg.yields = true;
            }
        });
    }

    /// The stop price of a leg is reached.
    pub fn at_trigger(
        &mut self,
        slot: ListSlot,
        order: OrderSlot,
        view: impl Fn(OrderSlot) -> LegView,
    ) -> AtTrigger {
        self.change(slot, |list| {
            let at = list.legs().iter().position(|leg| leg.slot == order && leg.end.is_none());
            let Some(at) = at else { return AtTrigger::Go };
            if let Some(chosen) = list.chosen {
                let chosen = &list.legs[usize::from(chosen)];
                let is_free = chosen.slot == order
                    || chosen.end.is_none() && !view(chosen.slot).excludes(&view(order));
                return if is_free { AtTrigger::Go } else { AtTrigger::Nothing };
            }
            if list.is_clear(order, &view) {
                return AtTrigger::Go;
            }
            list.chosen = Some(at as u8);
            AtTrigger::Block
        })
    }

    /// What a leg executed is less than it was, or another price: an execution was taken back or put right. A leg that has
    /// ended is told here, since nobody looks at it any more.
    pub fn amended(&mut self, slot: ListSlot, order: OrderSlot, cum_qty: Lots) {
        self.change(slot, |list| {
            let mut ended = list.legs.iter_mut().filter(|leg| leg.end.is_some());
            if let Some(leg) = ended.find(|leg| leg.slot == order) {
                leg.cum_qty = cum_qty;
            }
        });
    }

    /// Notes whether the list will be settled; false if that was noted before.
    pub fn touch(&mut self, slot: ListSlot, touched: bool) -> bool {
        let list = &mut self.records[slot.0 as usize];
        std::mem::replace(&mut list.touched, touched) != touched
    }

    /// Every leg is at its end: the list is forgotten.
    pub fn close(&mut self, slot: ListSlot) {
        self.hash.remove(self.get(slot).hash);
        self.free.push(slot.0);
    }

    /// The hash of every list, kept up with every change.
    pub const fn hash(&self) -> StateHash {
        self.hash
    }

    /// The same hash, computed anew; for tests and audits.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        let mut is_free = vec![false; self.records.len()];
        self.free.iter().for_each(|at| is_free[*at as usize] = true);
        for (list, _) in self.records.iter().zip(&is_free).filter(|(_, free)| !**free) {
            hash.add(list.compute_hash());
        }
        hash
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self::new()
    }
}
