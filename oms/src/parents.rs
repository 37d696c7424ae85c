//! Parent orders and their children, as the order management keeps them.

use crate::algorithms::{AlgorithmEnd, AlgorithmSlot, AlgorithmStep, Asked};
use crate::lifecycle::{OrdEvent, next_status};
use crate::oms::Oms;
use crate::order::{Order, OrderSlot, Owner, Place};
use std::fmt::Write as _;
use tidegate_model::command::{Algorithm, NewAlgorithm, SetVolumeCurve};
use tidegate_model::{ClientOrderId, InstrumentId, Lots, OrderId, Reject, RejectReason, UnixNanos};

/// What a parent holds back: all that it ever may have. Its children go through the gate, not it.
const ALL: Lots = Lots(u64::MAX);

/// A text as it is written into a name.
struct NameWriter {
    name: ClientOrderId,
    len: usize,
}

impl std::fmt::Write for NameWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let room = self.name.0.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The name of an order that the engine enters for another: `~` and that one's number, a point, and which it is of them.
pub fn name_of_child(parent: OrderId, number: u32) -> ClientOrderId {
    let mut writer = NameWriter { name: ClientOrderId::EMPTY, len: 0 };
    write!(writer, "~{parent}.{number}").expect("32 characters at most");
    writer.name
}

impl Oms {
    /// Lets an algorithm pass whose terms are some and for which there is room.
    ///
    /// # Errors
    /// As [`crate::algorithms::Algorithms::check`].
    pub fn check_algorithm(&self, new: &NewAlgorithm, now: UnixNanos) -> Result<Algorithm, Reject> {
        self.algorithms.check(new, now)
    }

    /// Sets a curve of volume.
    ///
    /// # Errors
    /// As [`crate::algorithms::Algorithms::set_curve`].
    pub fn set_curve(&mut self, set: SetVolumeCurve) -> Result<u64, Reject> {
        self.algorithms.set_curve(set)
    }

    /// Makes an order that was just admitted a parent, to be worked as `new` says.
    ///
    /// # Panics
    /// If that did not pass [`Self::check_algorithm`].
    pub fn open_algorithm(&mut self, slot: OrderSlot, new: NewAlgorithm, now: UnixNanos) {
        let order = *self.order(slot);
        let algorithm = self.algorithms.open(&order, slot, new, now);
        self.orders.bind(slot, |bond| {
            *bond = bond.owned_by(Owner::Algorithm(algorithm));
            bond.held = ALL;
        });
        self.orders.update(slot, |order| order.place = Place::Parent);
    }

    /// How a parent is worked that is still at work; `None` of any other order.
    pub fn algorithm_of(&self, slot: OrderSlot) -> Option<&NewAlgorithm> {
        let Some(Owner::Algorithm(algorithm)) = self.orders.bond(slot).owner() else { return None };
        let parent = self.algorithms.get(algorithm).filter(|parent| parent.slot == slot)?;
        Some(&parent.terms)
    }

    /// The parent of an order that is the child of an algorithm at work.
    pub fn parent_of(&self, slot: OrderSlot) -> Option<OrderSlot> {
        let Some(Owner::Algorithm(algorithm)) = self.orders.bond(slot).owner() else { return None };
        let parent = self.algorithms.get(algorithm)?;
        (parent.slot != slot).then_some(parent.slot)
    }

    /// What a parent's children have executed and have at work: it can be no smaller.
    pub fn at_work(&self, slot: OrderSlot) -> Lots {
        let cum_qty = self.order(slot).cum_qty;
        let Some(Owner::Algorithm(algorithm)) = self.orders.bond(slot).owner() else {
            return cum_qty;
        };
        let (_, child) = self.algorithms.orders_of(algorithm);
        let leaves = child.map_or(Lots::ZERO, |child| self.order(child).leaves_qty());
        Lots(cum_qty.0.saturating_add(leaves.0))
    }

    /// When the next parent is to be looked at, or a little before.
    #[inline]
    pub fn next_algorithm_due(&self) -> Option<UnixNanos> {
        self.algorithms.next_due()
    }

    /// The time has come for parents: those that are due are to be settled.
    pub fn algorithms_due(&mut self, now: UnixNanos) {
        let changed = &mut self.changed;
        self.algorithms.due(now, |slot| changed.push_back(Owner::Algorithm(slot)));
    }

    /// `qty` lots of an instrument were traded: parents that take a share of it are to be settled.
    #[inline]
    pub fn note_traded(&mut self, instrument: InstrumentId, qty: Lots, now: UnixNanos) {
        if !self.algorithms.is_empty() {
            let changed = &mut self.changed;
            let tell = |slot| changed.push_back(Owner::Algorithm(slot));
            self.algorithms.traded(instrument, qty, now, tell);
        }
    }

    /// Takes into a parent what its child has executed since; true if that was something.
    pub fn take_in(&mut self, algorithm: AlgorithmSlot) -> bool {
        let (parent, child) = self.algorithms.orders_of(algorithm);
        let Some(child) = child.map(|child| *self.order(child)) else { return false };
        let Some(taken) = self.algorithms.take_in(algorithm, &child) else { return false };
        let order = *self.order(parent);
        let cum_qty = Lots(order.cum_qty.0 + taken.qty.0);
        assert!(cum_qty <= order.qty, "children execute no more than their parent has");
        let standing = order.standing_at(order.qty, cum_qty);
        let status = next_status(order.status, OrdEvent::Trade, standing).unwrap_or(order.status);
        self.orders.update(parent, |order| {
            order.cum_qty = cum_qty;
            order.cum_ticks_lots += taken.ticks_lots;
            order.status = status;
        });
        true
    }

    /// What a parent must do next; `None` if nothing must until its time comes or something changes. A step that is told is
    /// taken for done; [`AlgorithmStep::Done`] forgets it.
    pub fn algorithm_step(
        &mut self,
        algorithm: AlgorithmSlot,
        now: UnixNanos,
        is_trading: bool,
        lot: u64,
    ) -> Option<AlgorithmStep> {
        let (parent, child) = self.algorithms.orders_of(algorithm);
        let curve = self.algorithms.curve_of(algorithm);
        let asked = Asked {
            now,
            order: self.orders.get(parent),
            child: child.map(|child| self.orders.get(child)),
            is_trading,
            curve: curve.as_ref(),
            lot,
        };
        let step = self.algorithms.next_step(algorithm, &asked);
        if step == Some(AlgorithmStep::Done) {
            self.orders.bind(parent, |bond| *bond = bond.owned_by_none());
            self.algorithms.close(algorithm);
        }
        step
    }

    /// The order of a parent.
    pub fn parent(&self, algorithm: AlgorithmSlot) -> OrderSlot {
        self.algorithms.orders_of(algorithm).0
    }

    /// The name of the child that [`AlgorithmStep::Send`] asked for.
    pub fn child_name(&self, algorithm: AlgorithmSlot) -> ClientOrderId {
        let parent = self.order(self.parent(algorithm)).order_id;
        name_of_child(parent, self.algorithms.child_number(algorithm))
    }

    /// An order that was just admitted is the child that [`AlgorithmStep::Send`] asked for.
    pub fn adopt(&mut self, algorithm: AlgorithmSlot, child: OrderSlot) {
        let &Order { order_id: parent_id, price, .. } = self.order(self.parent(algorithm));
        self.orders.bind(child, |bond| {
            *bond = bond.owned_by(Owner::Algorithm(algorithm));
            bond.parent_id = parent_id;
        });
        self.algorithms.adopt(algorithm, child, self.order(child).order_id, price);
    }

    /// The child that [`AlgorithmStep::Send`] asked for did not pass the gate.
    pub fn child_refused(&mut self, algorithm: AlgorithmSlot, now: UnixNanos) {
        self.algorithms.child_refused(algorithm, now);
    }

    /// A parent is to end: once its child is gone it does.
    pub fn end_algorithm(&mut self, slot: OrderSlot, end: AlgorithmEnd) {
        if let Some(Owner::Algorithm(algorithm)) = self.orders.bond(slot).owner() {
            self.algorithms.end(algorithm, end);
            self.note_change(slot);
        }
    }

    /// Lets the new quantity of a parent pass, and any of another order that is no child.
    ///
    /// # Errors
    /// [`RejectReason::BelowAtWork`], [`RejectReason::ChildOrder`].
    pub fn check_family(&self, slot: OrderSlot, qty: Lots) -> Result<(), Reject> {
        if let Some(parent) = self.parent_of(slot) {
            let parent = self.order(parent).order_id;
            return Err(Reject::of(RejectReason::ChildOrder, parent.0.into()));
        }
        let at_work = self.at_work(slot);
        if self.order(slot).place == Place::Parent && qty < at_work {
            let (limit, value) = (at_work.0.into(), qty.0.into());
            return Err(Reject::new(RejectReason::BelowAtWork, limit, value));
        }
        Ok(())
    }
}
