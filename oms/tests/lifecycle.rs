//! The life cycle, walked: the table against a model that knows flags and no statuses, and every sequence
//! of events on real orders.

mod desk;

use desk::{Desk, WHO, order};
use std::collections::BTreeSet;
use tidegate_model::event::{Liquidity, OrdStatus};
use tidegate_model::{AccountId, InstrumentId, Lots, Money, Reject, RejectReason, Side, Ticks};
use tidegate_oms::lifecycle::{Standing, next_status};
use tidegate_oms::{OrdEvent, OrderSlot};

/// What has happened to an order, as FIX counts it: the status follows by precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    acknowledged: bool,
    executed: bool,
    cancel_sent: bool,
    replace_sent: bool,
    end: Option<OrdStatus>,
}

const ENTERED: Facts = Facts {
    acknowledged: false,
    executed: false,
    cancel_sent: false,
    replace_sent: false,
    end: None,
};

impl Facts {
    fn status(self) -> OrdStatus {
        match self {
            Facts { end: Some(end), .. } => end,
            Facts { cancel_sent: true, .. } => OrdStatus::PendingCancel,
            Facts { replace_sent: true, .. } => OrdStatus::PendingReplace,
            Facts { executed: true, .. } => OrdStatus::PartiallyFilled,
            Facts { acknowledged: true, .. } => OrdStatus::New,
            _ => OrdStatus::PendingNew,
        }
    }

    fn standing(self) -> Standing {
        Standing {
            acknowledged: self.acknowledged,
            executed: self.executed,
            replacing: self.replace_sent,
        }
    }

    fn after(self, event: OrdEvent) -> Option<Facts> {
        if self.end.is_some() {
            return None;
        }
        let mut next = self;
        let possible = match event {
            OrdEvent::Accept => {
                next.acknowledged = true;
                !self.acknowledged
            }
            OrdEvent::Reject => {
                next.end = Some(OrdStatus::Rejected);
                !self.acknowledged
            }
            OrdEvent::PartialFill => {
                next.acknowledged = true;
                next.executed = true;
                true
            }
            OrdEvent::Fill => {
                next.acknowledged = true;
                next.executed = true;
                next.end = Some(OrdStatus::Filled);
                true
            }
            OrdEvent::RequestCancel => {
                next.cancel_sent = true;
                !self.cancel_sent
            }
            OrdEvent::Cancel => {
                next.end = Some(OrdStatus::Canceled);
                true
            }
            OrdEvent::RejectCancel => {
                next.cancel_sent = false;
                self.cancel_sent
            }
            OrdEvent::RequestReplace => {
                next.replace_sent = true;
                !self.cancel_sent && !self.replace_sent
            }
            OrdEvent::Replace | OrdEvent::RejectReplace => {
                next.replace_sent = false;
                self.replace_sent
            }
            OrdEvent::Expire => {
                next.end = Some(OrdStatus::Expired);
                true
            }
        };
        if next.end.is_some() {
            (next.cancel_sent, next.replace_sent) = (false, false);
        }
        possible.then_some(next)
    }
}

#[test]
fn table_agrees_with_the_facts_everywhere() {
    let mut reached = BTreeSet::from([ENTERED]);
    let mut to_visit = vec![ENTERED];
    while let Some(facts) = to_visit.pop() {
        for event in OrdEvent::ALL {
            let after = facts.after(event);
            let told = next_status(facts.status(), event, facts.standing());
            assert_eq!(told, after.map(Facts::status), "{facts:?} {event:?}");
            to_visit.extend(after.filter(|after| reached.insert(*after)));
        }
    }
    let statuses: BTreeSet<OrdStatus> = reached.iter().map(|facts| facts.status()).collect();
    assert_eq!(statuses, OrdStatus::ALL.iter().copied().collect(), "every status is reached");
}

#[test]
fn every_cell_of_the_table_is_walked() {
    let mut changes = Vec::new();
    for status in OrdStatus::ALL {
        for event in OrdEvent::ALL {
            for bits in 0..8 {
                let standing = Standing {
                    acknowledged: bits & 1 != 0,
                    executed: bits & 2 != 0,
                    replacing: bits & 4 != 0,
                };
                let next = next_status(*status, event, standing);
                if status.is_final() {
                    assert_eq!(next, None, "{status} is an end");
                }
                changes.extend(next.map(|next| (*status, event, next)));
            }
        }
    }
    changes.sort();
    changes.dedup();
    let told: Vec<String> =
        changes.iter().map(|(from, event, to)| format!("{from} {event:?} {to}")).collect();
    let expected = "
        new PartialFill partially_filled
        new Fill filled
        new RequestCancel pending_cancel
        new Cancel canceled
        new RequestReplace pending_replace
        new Expire expired
        partially_filled PartialFill partially_filled
        partially_filled Fill filled
        partially_filled RequestCancel pending_cancel
        partially_filled Cancel canceled
        partially_filled RequestReplace pending_replace
        partially_filled Expire expired
        pending_new Accept new
        pending_new Reject rejected
        pending_new PartialFill partially_filled
        pending_new Fill filled
        pending_new RequestCancel pending_cancel
        pending_new Cancel canceled
        pending_new RequestReplace pending_replace
        pending_new Expire expired
        pending_cancel Accept pending_cancel
        pending_cancel Reject rejected
        pending_cancel PartialFill pending_cancel
        pending_cancel Fill filled
        pending_cancel Cancel canceled
        pending_cancel RejectCancel new
        pending_cancel RejectCancel partially_filled
        pending_cancel RejectCancel pending_new
        pending_cancel RejectCancel pending_replace
        pending_cancel Replace pending_cancel
        pending_cancel RejectReplace pending_cancel
        pending_cancel Expire expired
        pending_replace Accept pending_replace
        pending_replace Reject rejected
        pending_replace PartialFill pending_replace
        pending_replace Fill filled
        pending_replace RequestCancel pending_cancel
        pending_replace Cancel canceled
        pending_replace Replace new
        pending_replace Replace partially_filled
        pending_replace Replace pending_new
        pending_replace RejectReplace new
        pending_replace RejectReplace partially_filled
        pending_replace RejectReplace pending_new
        pending_replace Expire expired";
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(told, expected);
}

/// Makes `event` happen to a real order, and keeps risk up with it.
fn apply(desk: &mut Desk, slot: OrderSlot, event: OrdEvent) -> Result<OrdStatus, Reject> {
    let before = desk.oms.exposure(slot);
    let terms = desk.terms;
    let leaves = desk.oms.order(slot).leaves_qty();
    let mut fill = |qty: Lots| {
        let fill = desk.oms.fill(slot, qty, Ticks(100), Liquidity::Maker, &terms)?;
        let (account, instrument) = (before.account, before.instrument);
        let booking = fill.booking;
        desk.risk.position_changed(
            account,
            instrument,
            booking.position_qty,
            booking.position_cost,
        );
        Ok(fill.status)
    };
    let told = match event {
        OrdEvent::Accept => desk.oms.accepted(slot),
        OrdEvent::Reject => desk.oms.rejected(slot),
        OrdEvent::PartialFill => fill(Lots(1)),
        OrdEvent::Fill => fill(leaves),
        OrdEvent::RequestCancel => desk.oms.cancel_requested(slot),
        OrdEvent::Cancel => desk.oms.canceled(slot),
        OrdEvent::RejectCancel => desk.oms.cancel_rejected(slot),
        OrdEvent::RequestReplace => match desk.oms.check_replaceable(slot) {
            Ok(()) => {
                let approved = desk.approve_replace(slot, 1_000, 101).expect("sensible");
                desk.oms.replace_requested(slot, &approved, WHO)
            }
            Err(reject) => Err(reject),
        },
        OrdEvent::Replace => desk.oms.replaced(slot),
        OrdEvent::RejectReplace => desk.oms.replace_rejected(slot),
        OrdEvent::Expire => desk.oms.expired(slot),
    };
    if told.is_ok() {
        desk.oms.recount(&mut desk.risk, slot, &before);
    }
    told
}

/// Every sequence of up to five events, on an order of its own.
#[test]
fn every_sequence_of_events_on_real_orders() {
    const DEPTH: u32 = 5;
    let events = OrdEvent::ALL.len();
    let sequences = (events as u32).pow(DEPTH);
    let mut desk = Desk::new(1 << 18, 1, 1);
    let mut reached = BTreeSet::new();
    for sequence in 0..sequences {
        let slot = desk.enter(order(0, 0, sequence.into(), Side::Buy, 900)).expect("room");
        let mut facts = ENTERED;
        let mut rest = sequence as usize;
        for _ in 0..DEPTH {
            let event = OrdEvent::ALL[rest % events];
            rest /= events;
            let before = *desk.oms.order(slot);
            let told = apply(&mut desk, slot, event);
            let Some(after) = facts.after(event) else {
                let reason = told.expect_err("it cannot happen").reason;
                let expected = match facts.end {
                    Some(_) => RejectReason::TooLateToCancel,
                    None => RejectReason::PendingCancelOrReplace,
                };
                assert_eq!(reason, expected, "{facts:?} {event:?}");
                assert_eq!(*desk.oms.order(slot), before, "and nothing is changed");
                continue;
            };
            assert_eq!(told, Ok(after.status()), "{facts:?} {event:?}");
            facts = after;
            let order = desk.oms.order(slot);
            assert_eq!(order.status, facts.status());
            let replacing = order.replace.is_some();
            assert_eq!(replacing, facts.replace_sent);
            assert_eq!(order.acknowledged, facts.acknowledged);
            reached.insert((before.status, event, order.status));
        }
        if facts.end.is_none() {
            apply(&mut desk, slot, OrdEvent::Cancel).expect("an open order can be canceled");
        }
        if sequence % 1_000 == 0 {
            assert_eq!(desk.risk.open_orders(AccountId(0)), 0);
            let pair = desk.risk.exposure(AccountId(0), InstrumentId(0));
            assert_eq!(pair.open_qty, [Lots::ZERO; 2], "nothing open ties nothing up");
            assert_eq!(pair.open_notional, [Money::ZERO; 2]);
            let position = desk.oms.position(AccountId(0), InstrumentId(0));
            assert_eq!((pair.position, pair.cost), (position.qty, position.cost));
            desk.oms.day_roll();
        }
    }
    assert_eq!(reached.len(), 45, "every change that the table has");
    assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    assert_eq!(desk.risk.hash(), desk.risk.hash_from_scratch());
}

#[test]
fn pending_terms_tie_up_the_larger_of_both() {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 10)).expect("room");
    apply(&mut desk, slot, OrdEvent::Accept).expect("pending new");
    let replace_to = |desk: &mut Desk, qty, price| {
        let before = desk.oms.exposure(slot);
        let approved = desk.approve_replace(slot, qty, price).expect("sensible");
        desk.oms.replace_requested(slot, &approved, WHO).expect("working");
        desk.oms.recount(&mut desk.risk, slot, &before);
        let after = desk.oms.exposure(slot);
        (after.qty.0, after.notional.0)
    };
    // Fewer lots at a higher price, in money the same as before.
    assert_eq!(replace_to(&mut desk, 5, 200), (10, 1_000));
    apply(&mut desk, slot, OrdEvent::Replace).expect("asked for");
    assert_eq!(desk.oms.exposure(slot).qty, Lots(5));
    assert_eq!(desk.oms.order(slot).price, Ticks(200));
    // More lots, refused by the venue.
    assert_eq!(replace_to(&mut desk, 50, 100), (50, 5_000));
    apply(&mut desk, slot, OrdEvent::PartialFill).expect("on the old terms");
    assert_eq!(desk.oms.exposure(slot).qty, Lots(49));
    apply(&mut desk, slot, OrdEvent::RejectReplace).expect("asked for");
    let exposure = desk.oms.exposure(slot);
    assert_eq!((exposure.qty.0, exposure.notional.0), (4, 800));
    // Fills overtake a replace to less.
    assert_eq!(replace_to(&mut desk, 2, 200), (4, 800));
    apply(&mut desk, slot, OrdEvent::PartialFill).expect("on the old terms");
    let reject = desk.oms.replaced(slot).expect_err("two of two are executed");
    assert_eq!(reject, Reject::new(RejectReason::QuantityBelowExecuted, 2, 2));
    assert_eq!(apply(&mut desk, slot, OrdEvent::RejectReplace), Ok(OrdStatus::PartiallyFilled));
    apply(&mut desk, slot, OrdEvent::Cancel).expect("open");
    let exposure = desk.oms.exposure(slot);
    assert_eq!((exposure.qty.0, exposure.notional.0), (0, 0));
    assert_eq!(desk.oms.order(slot).leaves_qty(), Lots::ZERO);
}
