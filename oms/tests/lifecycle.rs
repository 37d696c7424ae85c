//! The life cycle, walked: the table against a model that knows facts and FIX's order of precedence and no transitions,
//! every cell of it, and sequences of events on real orders.

mod desk;

use desk::{Desk, WHO, order};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidegate_model::event::{Liquidity, OrdStatus};
use tidegate_model::{AccountId, InstrumentId, Lots, Money, Reject, RejectReason, Side, Ticks};
use tidegate_oms::lifecycle::{Standing, next_status};
use tidegate_oms::{OrdEvent, OrderSlot, Place};

/// What is done to an order: an event with its quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Accept,
    Reject,
    Trade(u64),
    RequestCancel,
    Cancel,
    RejectCancel,
    RequestReplace(u64),
    Replace,
    RejectReplace,
    Expire,
    Trigger,
    Restate(u64),
    EndOfDay,
    TradeCancel(u64),
    TradeCorrect(u64, u64),
}

const STEPS: [Step; 24] = [
    Step::Accept,
    Step::Reject,
    Step::Trade(1),
    Step::Trade(2),
    Step::Trade(3),
    Step::RequestCancel,
    Step::Cancel,
    Step::RejectCancel,
    Step::RequestReplace(1),
    Step::RequestReplace(2),
    Step::RequestReplace(4),
    Step::Replace,
    Step::RejectReplace,
    Step::Expire,
    Step::Trigger,
    Step::Restate(0),
    Step::Restate(2),
    Step::Restate(4),
    Step::EndOfDay,
    Step::TradeCancel(1),
    Step::TradeCancel(3),
    Step::TradeCorrect(1, 1),
    Step::TradeCorrect(1, 2),
    Step::TradeCorrect(2, 1),
];

/// OrderQty of every order in these tests, before it is changed.
const QTY: u64 = 3;

impl Step {
    fn event(self) -> OrdEvent {
        match self {
            Self::Accept => OrdEvent::Accept,
            Self::Reject => OrdEvent::Reject,
            Self::Trade(_) => OrdEvent::Trade,
            Self::RequestCancel => OrdEvent::RequestCancel,
            Self::Cancel => OrdEvent::Cancel,
            Self::RejectCancel => OrdEvent::RejectCancel,
            Self::RequestReplace(_) => OrdEvent::RequestReplace,
            Self::Replace => OrdEvent::Replace,
            Self::RejectReplace => OrdEvent::RejectReplace,
            Self::Expire => OrdEvent::Expire,
            Self::Trigger => OrdEvent::Trigger,
            Self::Restate(_) => OrdEvent::Restate,
            Self::EndOfDay => OrdEvent::EndOfDay,
            Self::TradeCancel(_) => OrdEvent::TradeCancel,
            Self::TradeCorrect(..) => OrdEvent::TradeCorrect,
        }
    }
}

/// What has happened to an order; the status follows by FIX's precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    qty: u64,
    cum: u64,
    acknowledged: bool,
    cancel_sent: bool,
    replace_sent: Option<u64>,
    done_for_day: bool,
    end: Option<OrdStatus>,
}

const ENTERED: Facts = Facts {
    qty: QTY,
    cum: 0,
    acknowledged: false,
    cancel_sent: false,
    replace_sent: None,
    done_for_day: false,
    end: None,
};

impl Facts {
    /// FIX 5.0 volume 4, appendix D: the precedence values beside the states.
    fn status(self) -> OrdStatus {
        let states = [
            (12, self.cancel_sent, OrdStatus::PendingCancel),
            (11, self.replace_sent.is_some(), OrdStatus::PendingReplace),
            (10, self.done_for_day, OrdStatus::DoneForDay),
            (8, self.cum == self.qty && self.end.is_none(), OrdStatus::Filled),
            (5, self.end == Some(OrdStatus::Canceled), OrdStatus::Canceled),
            (5, self.end == Some(OrdStatus::Expired), OrdStatus::Expired),
            (4, self.cum > 0, OrdStatus::PartiallyFilled),
            // Of equals, the later.
            (3, self.end == Some(OrdStatus::Rejected), OrdStatus::Rejected),
            (2, self.acknowledged, OrdStatus::New),
            (1, true, OrdStatus::PendingNew),
        ];
        let held = states.into_iter().filter(|(_, holds, _)| *holds);
        held.max_by_key(|(precedence, ..)| *precedence).expect("the last one holds").2
    }

    fn standing_before(self, after: Facts) -> Standing {
        Standing {
            acknowledged: self.acknowledged,
            executed: after.cum > 0,
            filled: after.cum == after.qty,
            replacing: self.replace_sent.is_some(),
        }
    }

    /// True if such a step makes sense at all: a venue can only take back what was executed, and execute what is open.
    fn is_sensible(self, step: Step) -> bool {
        match step {
            Step::Trade(qty) => self.cum + qty <= self.qty,
            Step::TradeCancel(qty) => qty <= self.cum,
            Step::TradeCorrect(was, is) => was <= self.cum && self.cum - was + is <= self.qty,
            Step::Restate(qty) => qty.max(self.cum) > 0,
            _ => true,
        }
    }

    fn after(self, step: Step) -> Option<Facts> {
        let is_open = !self.status().is_final();
        let is_working = is_open && !self.done_for_day;
        let leaves_something = self.cum < self.qty;
        let mut next = self;
        let possible = match step {
            Step::Accept => {
                next.acknowledged = true;
                is_open && !self.acknowledged
            }
            Step::Reject => {
                next.end = Some(OrdStatus::Rejected);
                is_working && self.cum == 0
            }
            Step::Trade(qty) => {
                next.acknowledged = true;
                next.cum += qty;
                self.end != Some(OrdStatus::Rejected) && !self.done_for_day && leaves_something
            }
            Step::RequestCancel => {
                next.cancel_sent = true;
                is_working && !self.cancel_sent && leaves_something
            }
            Step::Cancel => {
                next.end = Some(OrdStatus::Canceled);
                is_open && leaves_something
            }
            Step::Expire => {
                next.end = Some(OrdStatus::Expired);
                is_open && leaves_something
            }
            Step::RejectCancel => {
                next.cancel_sent = false;
                self.cancel_sent
            }
            Step::RequestReplace(qty) => {
                next.replace_sent = Some(qty);
                let is_free = !self.cancel_sent && self.replace_sent.is_none();
                is_working && is_free && leaves_something
            }
            Step::Replace => {
                next.qty = self.replace_sent.map_or(self.qty, |qty| qty.max(self.cum));
                next.replace_sent = None;
                self.replace_sent.is_some()
            }
            Step::RejectReplace => {
                next.replace_sent = None;
                self.replace_sent.is_some()
            }
            Step::Trigger => is_working && self.acknowledged && self.cum == 0,
            Step::Restate(qty) => {
                next.qty = qty.max(self.cum);
                next.done_for_day = false;
                is_open
            }
            Step::EndOfDay => {
                next.done_for_day = true;
                matches!(self.status(), OrdStatus::New | OrdStatus::PartiallyFilled)
            }
            Step::TradeCancel(qty) => {
                next.cum -= qty;
                self.end != Some(OrdStatus::Rejected)
            }
            Step::TradeCorrect(was, is) => {
                next.cum = next.cum - was + is;
                self.end != Some(OrdStatus::Rejected)
            }
        };
        if next.end.is_some() {
            (next.cancel_sent, next.replace_sent, next.done_for_day) = (false, None, false);
        }
        possible.then_some(next)
    }
}

/// Every state of the facts that steps can lead to, and every change of status on the way.
fn walked() -> (BTreeSet<Facts>, BTreeSet<(OrdStatus, OrdEvent, OrdStatus)>) {
    let mut reached = BTreeSet::from([ENTERED]);
    let mut changes = BTreeSet::new();
    let mut to_visit = vec![ENTERED];
    while let Some(facts) = to_visit.pop() {
        for step in STEPS.into_iter().filter(|step| facts.is_sensible(*step)) {
            let after = facts.after(step);
            let standing = facts.standing_before(after.unwrap_or(facts));
            let told = next_status(facts.status(), step.event(), standing);
            assert_eq!(told, after.map(Facts::status), "{facts:?} {step:?}");
            if let Some(after) = after {
                changes.insert((facts.status(), step.event(), after.status()));
                if reached.insert(after) {
                    to_visit.push(after);
                }
            }
        }
    }
    (reached, changes)
}

#[test]
fn table_agrees_with_the_facts_everywhere() {
    let (reached, _) = walked();
    let statuses: BTreeSet<OrdStatus> = reached.iter().map(|facts| facts.status()).collect();
    // The store has no order that waits for a person.
    let kept = OrdStatus::ALL.iter().filter(|status| **status != OrdStatus::PendingApproval);
    assert_eq!(statuses, kept.copied().collect(), "every status is reached");
}

/// Every cell that says something is reached, with every status that it can lead to.
#[test]
fn every_cell_of_the_table_is_walked() {
    let (_, changes) = walked();
    let mut told = BTreeSet::new();
    for status in OrdStatus::ALL {
        for event in OrdEvent::ALL {
            for bits in 0..16 {
                let standing = Standing {
                    acknowledged: bits & 1 != 0,
                    executed: bits & 2 != 0,
                    filled: bits & 4 != 0,
                    replacing: bits & 8 != 0,
                };
                told.extend(next_status(*status, event, standing).map(|_| (*status, event)));
            }
        }
    }
    let walked: BTreeSet<_> = changes.iter().map(|(from, event, _)| (*from, *event)).collect();
    assert_eq!(told, walked);
    let lines: Vec<String> = changes
        .iter()
        .filter(|(from, _, to)| from != to)
        .map(|(from, event, to)| format!("{from} {event:?} {to}"))
        .collect();
    let expected = "
        new Reject rejected
        new Trade partially_filled
        new Trade filled
        new RequestCancel pending_cancel
        new Cancel canceled
        new RequestReplace pending_replace
        new Expire expired
        new EndOfDay done_for_day
        partially_filled Trade filled
        partially_filled RequestCancel pending_cancel
        partially_filled Cancel canceled
        partially_filled RequestReplace pending_replace
        partially_filled Expire expired
        partially_filled Restate filled
        partially_filled EndOfDay done_for_day
        partially_filled TradeCancel new
        partially_filled TradeCorrect filled
        filled TradeCancel new
        filled TradeCancel partially_filled
        filled TradeCorrect partially_filled
        pending_new Accept new
        pending_new Reject rejected
        pending_new Trade partially_filled
        pending_new Trade filled
        pending_new RequestCancel pending_cancel
        pending_new Cancel canceled
        pending_new RequestReplace pending_replace
        pending_new Expire expired
        pending_cancel Reject rejected
        pending_cancel Cancel canceled
        pending_cancel RejectCancel new
        pending_cancel RejectCancel partially_filled
        pending_cancel RejectCancel filled
        pending_cancel RejectCancel pending_new
        pending_cancel RejectCancel pending_replace
        pending_cancel Expire expired
        pending_replace Reject rejected
        pending_replace RequestCancel pending_cancel
        pending_replace Cancel canceled
        pending_replace Replace new
        pending_replace Replace partially_filled
        pending_replace Replace filled
        pending_replace Replace pending_new
        pending_replace RejectReplace new
        pending_replace RejectReplace partially_filled
        pending_replace RejectReplace filled
        pending_replace RejectReplace pending_new
        pending_replace Expire expired
        done_for_day Cancel canceled
        done_for_day Expire expired
        done_for_day Restate new
        done_for_day Restate partially_filled
        done_for_day Restate filled";
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, expected);
}

/// Makes `step` happen to a real order, and keeps risk up with it.
fn apply(desk: &mut Desk, slot: OrderSlot, step: Step) -> Result<OrdStatus, Reject> {
    const PRICE: Ticks = Ticks(100);
    let before = desk.oms.exposure(slot);
    let was_open = desk.oms.order(slot).is_open();
    let terms = desk.terms;
    let told = match step {
        Step::Accept => desk.oms.accepted(slot),
        Step::Reject => desk.oms.rejected(slot),
        Step::Trade(qty) => {
            desk.oms.fill(slot, Lots(qty), PRICE, Liquidity::Maker, &terms).map(|fill| {
                let (account, instrument) = (before.account, before.instrument);
                let (qty, cost) = (fill.booking.position_qty, fill.booking.position_cost);
                desk.risk.position_changed(account, instrument, qty, cost);
                fill.status
            })
        }
        Step::RequestCancel => desk.oms.cancel_requested(slot),
        Step::Cancel => desk.oms.canceled(slot),
        Step::RejectCancel => desk.oms.cancel_rejected(slot),
        Step::RequestReplace(qty) => desk.oms.check_replaceable(slot).and_then(|()| {
            // Asked for before fills overtook it.
            let cum_qty = desk.oms.order(slot).cum_qty;
            let approved = desk.approve_replace(slot, qty.max(cum_qty.0 + 1), 101)?;
            desk.oms.replace_requested(slot, &approved, WHO)
        }),
        Step::Replace => desk.oms.replaced(slot),
        Step::RejectReplace => desk.oms.replace_rejected(slot),
        Step::Expire => desk.oms.expired(slot),
        Step::Trigger => desk.oms.triggered(slot, PRICE, PRICE, Place::Venue),
        Step::Restate(qty) => desk.oms.restated(slot, Lots(qty)),
        Step::EndOfDay => desk.oms.done_for_day(slot),
        Step::TradeCancel(qty) => desk.oms.trade_canceled(slot, Lots(qty), PRICE),
        Step::TradeCorrect(was, is) => {
            desk.oms.trade_corrected(slot, (Lots(was), PRICE), (Lots(is), PRICE))
        }
    };
    let is_open = desk.oms.order(slot).is_open();
    match (told.is_ok() && was_open, was_open, is_open) {
        (true, ..) => desk.oms.recount(&mut desk.risk, slot, &before),
        (_, false, true) => desk.risk.order_opened(&desk.oms.exposure(slot)),
        _ => {}
    }
    told
}

/// Walks an order through `steps` beside the facts; nothing that cannot happen changes anything.
fn walk(desk: &mut Desk, name: u64, steps: impl IntoIterator<Item = Step>) {
    let slot = desk.enter(order(0, 0, name, Side::Buy, QTY)).expect("room");
    let mut facts = ENTERED;
    for step in steps {
        // A replace to what is executed or less is refused when it is asked for.
        let step = match step {
            Step::RequestReplace(qty) => Step::RequestReplace(qty.max(facts.cum + 1)),
            step => step,
        };
        if !facts.is_sensible(step) {
            continue;
        }
        let before = *desk.oms.order(slot);
        let told = apply(desk, slot, step);
        let Some(after) = facts.after(step) else {
            let reason = told.expect_err("it cannot happen").reason;
            let is_over = before.leaves_qty() == Lots::ZERO;
            let expected = match is_over {
                true => RejectReason::TooLateToCancel,
                false => RejectReason::PendingCancelOrReplace,
            };
            assert_eq!(reason, expected, "{facts:?} {step:?}");
            assert_eq!(*desk.oms.order(slot), before, "and nothing is changed");
            continue;
        };
        assert_eq!(told, Ok(after.status()), "{facts:?} {step:?}");
        facts = after;
        let order = desk.oms.order(slot);
        assert_eq!(order.status, facts.status());
        assert_eq!((order.qty.0, order.cum_qty.0), (facts.qty, facts.cum));
        assert_eq!(order.replace.map(|terms| terms.qty.0), facts.replace_sent);
        assert_eq!(order.acknowledged, facts.acknowledged);
        let leaves = if facts.end.is_some() { 0 } else { facts.qty - facts.cum };
        assert_eq!(order.leaves_qty().0, leaves, "{facts:?}");
    }
    if desk.oms.order(slot).is_open() {
        // Whatever is under way is answered, a new day begins, then nothing is left.
        let renewed = Step::Restate(facts.qty);
        for step in [Step::RejectCancel, Step::RejectReplace, renewed, Step::Cancel] {
            let _ = apply(desk, slot, step);
        }
    }
    assert!(!desk.oms.order(slot).is_open());
}

fn check_nothing_open(desk: &Desk) {
    assert_eq!(desk.oms.open_count(), 0);
    assert_eq!(desk.risk.open_orders(AccountId(0)), 0);
    let pair = desk.risk.exposure(AccountId(0), InstrumentId(0));
    assert_eq!(pair.open_qty, [Lots::ZERO; 2], "nothing open ties nothing up");
    assert_eq!(pair.open_notional, [Money::ZERO; 2]);
    assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    assert_eq!(desk.risk.hash(), desk.risk.hash_from_scratch());
}

/// Every sequence of up to three events, on an order of its own.
#[test]
fn every_short_sequence_on_real_orders() {
    let mut desk = Desk::new(1 << 14, 1, 1);
    let mut name = 0;
    for first in STEPS {
        for second in STEPS {
            for third in STEPS {
                name += 1;
                walk(&mut desk, name, [first, second, third]);
            }
        }
    }
    check_nothing_open(&desk);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn long_sequences_on_real_orders(
        orders in prop::collection::vec(
            prop::collection::vec(prop::sample::select(&STEPS[..]), 4..24),
            1..40,
        ),
    ) {
        let mut desk = Desk::new(1 << 6, 1, 1);
        for (name, steps) in orders.into_iter().enumerate() {
            walk(&mut desk, name as u64, steps);
        }
        check_nothing_open(&desk);
    }
}

#[test]
fn pending_terms_tie_up_the_larger_of_both() {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 10)).expect("room");
    apply(&mut desk, slot, Step::Accept).expect("pending new");
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
    apply(&mut desk, slot, Step::Replace).expect("asked for");
    assert_eq!(desk.oms.exposure(slot).qty, Lots(5));
    assert_eq!(desk.oms.order(slot).price, Ticks(200));
    // More lots, refused by the venue.
    assert_eq!(replace_to(&mut desk, 50, 100), (50, 5_000));
    apply(&mut desk, slot, Step::Trade(1)).expect("on the old terms");
    assert_eq!(desk.oms.exposure(slot).qty, Lots(49));
    apply(&mut desk, slot, Step::RejectReplace).expect("asked for");
    let exposure = desk.oms.exposure(slot);
    assert_eq!((exposure.qty.0, exposure.notional.0), (4, 800));
    // Fills overtake a replace to less: what is executed is all there is.
    assert_eq!(replace_to(&mut desk, 2, 200), (4, 800));
    apply(&mut desk, slot, Step::Trade(2)).expect("on the old terms");
    assert_eq!(apply(&mut desk, slot, Step::Replace), Ok(OrdStatus::Filled));
    assert_eq!(desk.oms.order(slot).qty, Lots(3));
    let exposure = desk.oms.exposure(slot);
    assert_eq!((exposure.qty.0, exposure.notional.0), (0, 0));
    assert_eq!(desk.oms.order(slot).leaves_qty(), Lots::ZERO);
}
