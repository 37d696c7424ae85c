//! The order store: names, numbers, capacity, walks, and the day's end.

mod desk;

use desk::{Desk, NOW, USD, WHO, name, order};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_model::command::{NewOrder, OpenAccount, OrderType, TimeInForce};
use tidegate_model::event::{ExecType, Execution, OrdStatus};
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, ClientOrderId, Lots, OrderId, Reject, RejectReason, Side, Ticks};
use tidegate_oms::oms::ORDERS_MAX;
use tidegate_oms::{Named, Oms, OrderSlot};

#[test]
fn a_store_has_a_power_of_two_of_slots() {
    for (orders_max, ok) in [(0, false), (1, true), (3, false), (64, true), (u32::MAX, false)] {
        let answer = Oms::new(orders_max).map(|_| ()).map_err(|reject| reject.reason);
        assert_eq!(answer, if ok { Ok(()) } else { Err(RejectReason::BadField) }, "{orders_max}");
    }
    assert_eq!(Oms::new(ORDERS_MAX * 2).expect_err("too many").limit, ORDERS_MAX.into());
}

#[test]
fn accounts_open_once() {
    let mut oms = Oms::new(16).expect("a power of two");
    let mut open = |account, currency| {
        let open = OpenAccount::of(AccountId(account), currency);
        oms.open_account(&open).map_err(|reject| reject.reason)
    };
    assert_eq!(open(3, USD), Ok(()));
    assert_eq!(open(3, USD), Err(RejectReason::DuplicateAccount));
    assert_eq!(open(2, Code::EMPTY), Err(RejectReason::BadField));
    assert_eq!(open(AccountId::COUNT_MAX as u32, USD), Err(RejectReason::CapacityExceeded));
    assert_eq!(open(u32::MAX, USD), Err(RejectReason::CapacityExceeded));
    let odd = OpenAccount { cost_method: 3, ..OpenAccount::of(AccountId(5), USD) };
    assert_eq!(oms.open_account(&odd).expect_err("no method").reason, RejectReason::BadField);
    assert_eq!(oms.accounts().map(|(id, _)| id.0).collect::<Vec<_>>(), [3]);
    for account in [AccountId(2), AccountId::NONE] {
        assert_eq!(oms.account(account).expect_err("unknown").reason, RejectReason::UnknownAccount);
    }
    let mut euro = desk::instrument();
    euro.currency = Code(*b"EUR\0\0\0\0\0");
    let answer = oms.funds(AccountId(3), &euro, None).map_err(|reject| reject.reason);
    assert_eq!(answer, Err(RejectReason::CurrencyMismatch));
    assert!(oms.funds(AccountId(3), &desk::instrument(), None).is_ok());
}

#[test]
fn a_name_is_used_once_an_account_and_day() {
    let mut desk = Desk::new(16, 2, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 5)).expect("room");
    let taken = Err(Reject::of(RejectReason::DuplicateClientOrderId, 1));
    assert_eq!(desk.check_name(0, &name(1)), taken);
    assert_eq!(desk.enter(order(0, 0, 1, Side::Buy, 6)), taken.map(|()| slot));
    assert_eq!(desk.check_name(1, &name(1)), Ok(()));
    assert_eq!(desk.check_name(0, &name(2)), Ok(()));
    let mut spaced = name(3);
    spaced.0[2] = b' ';
    for bad in [ClientOrderId::EMPTY, spaced, ClientOrderId([b'x'; 40])] {
        let answer = desk.check_name(0, &bad);
        assert_eq!(answer, Err(Reject::of(RejectReason::BadClientOrderId, 0)));
    }

    desk.oms.canceled(slot).expect("open");
    assert_eq!(desk.check_name(0, &name(1)), taken, "also when it ended");
    assert_eq!(desk.find(0, 0, 1), Ok(slot));
    desk.oms.day_roll();
    assert_eq!(desk.check_name(0, &name(1)), Ok(()));
    let unknown = |order_id| Err(Reject::of(RejectReason::UnknownOrder, order_id));
    assert_eq!(desk.find(0, 0, 1), unknown(0));
    assert_eq!(desk.find(0, 1, 1), unknown(1));
    let again = desk.enter(order(0, 0, 1, Side::Buy, 5)).expect("a new day");
    assert_eq!(desk.oms.order(again).order_id, OrderId(2), "numbers are never used again");
}

/// An order that is sent again is the one that it was, whatever became of it; the comparison is of every byte.
#[test]
fn the_same_order_is_the_same_again() {
    let mut desk = Desk::new(16, 2, 1);
    let first = order(0, 0, 1, Side::Buy, 5);
    let slot = desk.enter(first).expect("room");
    type Change = fn(&mut NewOrder);
    let changes: [Change; 8] = [
        |o| o.qty = Lots(6),
        |o| o.price = Ticks(101),
        |o| o.side = Side::Sell.wire(),
        |o| o.time_in_force = TimeInForce::Gtc.wire(),
        |o| o.flags = 1,
        |o| o.stop_price = Ticks(1),
        |o| o.expire_at = NOW,
        |o| o.self_trade = 1,
    ];
    let check = |desk: &Desk, order: &NewOrder| {
        let hash = desk.oms.name_hash(order.account, &order.client_order_id);
        desk.oms.check_client_order_id(order, hash)
    };
    let check_all = |desk: &Desk| {
        assert_eq!(check(desk, &first), Ok(Named::Same(slot)));
        assert_eq!(desk.oms.entered(slot), first);
        for (at, change) in changes.iter().enumerate() {
            let mut other = first;
            change(&mut other);
            let taken = Err(Reject::of(RejectReason::DuplicateClientOrderId, 1));
            assert_eq!(check(desk, &other), taken, "change {at}");
        }
        assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    };
    check_all(&desk);
    // Replaced, the content is still what was sent first.
    desk.oms.accepted(slot).expect("pending new");
    for (qty, price) in [(7, 102), (5, 100), (6, 100)] {
        let before = desk.oms.exposure(slot);
        let approved = desk.approve_replace(slot, qty, price).expect("sensible");
        desk.oms.replace_requested(slot, &approved, WHO).expect("working");
        check_all(&desk);
        desk.oms.replaced(slot).expect("asked for");
        desk.oms.recount(&mut desk.risk, slot, &before);
        check_all(&desk);
    }
    desk.oms.restated(slot, Lots(9)).expect("working");
    check_all(&desk);
    desk.oms.canceled(slot).expect("open");
    check_all(&desk);
    desk.oms.day_roll();
    assert_eq!(check(&desk, &first), Ok(Named::Free));
}

#[test]
fn orders_are_found_by_their_owner() {
    let mut desk = Desk::new(16, 2, 1);
    let slot = desk.enter(order(1, 0, 9, Side::Sell, 5)).expect("room");
    assert_eq!(desk.find(1, 1, 0), Ok(slot), "by number, whatever the name");
    assert_eq!(desk.find(1, 0, 9), Ok(slot), "by name");
    for (account, order_id, name) in
        [(0, 1, 9), (0, 0, 9), (1, 2, 9), (1, 17, 9), (1, u64::MAX, 9), (1, 0, 8)]
    {
        let reject = desk.find(account, order_id, name).expect_err("unknown");
        assert_eq!(reject, Reject::of(RejectReason::UnknownOrder, order_id.into()));
    }
}

#[test]
fn a_full_store_refuses_until_the_day_ends() {
    let mut desk = Desk::new(4, 1, 1);
    let slots: Vec<OrderSlot> =
        (1..=4).map(|n| desk.enter(order(0, 0, n, Side::Buy, 1)).expect("room")).collect();
    let full = Err(Reject::new(RejectReason::CapacityExceeded, 4, 4));
    assert_eq!(desk.check_name(0, &name(5)), full);
    for slot in [slots[0], slots[2], slots[3]] {
        desk.oms.canceled(slot).expect("open");
    }
    assert_eq!(desk.check_name(0, &name(5)), full, "kept for the day");
    desk.oms.day_roll();
    assert_eq!((desk.oms.open_count(), desk.oms.kept_count()), (1, 1));
    // Number 6 would lie where number 2 still is.
    let ids = [5, 6, 7].map(|n| {
        let slot = desk.enter(order(0, 0, n, Side::Buy, 1)).expect("room");
        desk.oms.order(slot).order_id.0
    });
    assert_eq!(ids, [5, 7, 8]);
    assert_eq!(desk.check_name(0, &name(8)), full);
    assert_eq!(desk.find(0, 2, 0), Ok(slots[1]), "an order outlives its day");
    assert_eq!(desk.find(0, 0, 2), Ok(slots[1]));
    assert!(desk.find(0, 6, 0).is_err());
    assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
}

#[test]
fn hash_tells_the_next_number() {
    let mut desk = Desk::new(4, 1, 1);
    let empty = desk.oms.hash();
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 1)).expect("room");
    let entered = desk.oms.hash();
    desk.oms.accepted(slot).expect("pending new");
    let accepted = desk.oms.hash();
    desk.oms.rested(slot, Lots(1));
    let rested = desk.oms.hash();
    desk.oms.canceled(slot).expect("open");
    desk.oms.day_roll();
    let forgotten = desk.oms.hash();
    let all = std::collections::BTreeSet::from(
        [empty, entered, accepted, rested, forgotten].map(|h| h.0),
    );
    assert_eq!(all.len(), 5, "no order is kept, as at first, but its number is used up");
}

#[test]
fn walks_may_close_what_they_pass() {
    let mut desk = Desk::new(64, 3, 2);
    for number in 0..12 {
        let (account, instrument) = ((number % 3) as u32, (number % 2) as u32);
        desk.enter(order(account, instrument, number, Side::Buy, 1)).expect("room");
    }
    let mut walk = desk.oms.first_open(AccountId(1));
    let mut seen = Vec::new();
    while let Some(slot) = walk {
        walk = desk.oms.next_open(AccountId(1), slot);
        seen.push(desk.oms.order(slot).order_id.0);
        desk.oms.canceled(slot).expect("open");
    }
    assert_eq!(seen, [2, 5, 8, 11], "in the order of entry");
    assert_eq!(desk.oms.first_open(AccountId(1)), None);
    assert_eq!(desk.oms.first_open(AccountId(77)), None);
    let rest: Vec<u64> = desk.oms.open_orders(AccountId::NONE).map(|(_, o)| o.order_id.0).collect();
    assert_eq!(rest, [1, 3, 4, 6, 7, 9, 10, 12]);
}

#[test]
fn execution_report_tells_the_order_as_it_stands() {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Sell, 10)).expect("room");
    desk.oms.accepted(slot).expect("pending new");
    desk.oms.rested(slot, Lots(700));
    let terms = desk.terms;
    let maker = tidegate_model::event::Liquidity::Maker;
    desk.oms.fill(slot, Lots(4), Ticks(101), maker, &terms).expect("open");
    let report = Execution {
        exec_type: ExecType::Trade.wire(),
        last_qty: Lots(4),
        last_price: Ticks(101),
        ..desk.oms.execution(slot)
    };
    let stands = (report.qty.0, report.cum_qty.0, report.leaves_qty.0, report.cum_ticks_lots);
    assert_eq!(stands, (10, 4, 6, 404));
    assert_eq!(report.client_order_id, name(1));
    assert_eq!(report.order_id, OrderId(1));
    assert_eq!(report.ord_status, OrdStatus::PartiallyFilled.wire());
    assert_eq!((report.side, report.order_type), (Side::Sell.wire(), OrderType::Limit.wire()));
    assert_eq!((report.price, report.queue_ahead_at_entry), (Ticks(100), Lots(700)));
    assert_eq!(report.reject(), None);
    desk.oms.canceled(slot).expect("open");
    let report = desk.oms.execution(slot);
    assert_eq!((report.leaves_qty.0, report.cum_qty.0), (0, 4));
}

#[test]
fn a_market_order_has_no_price_to_replace() {
    let mut desk = Desk::new(16, 1, 1);
    let market = NewOrder {
        order_type: OrderType::Market.wire(),
        price: Ticks(0),
        ..order(0, 0, 1, Side::Buy, 1)
    };
    let slot = desk.enter(market).expect("room");
    let reject = desk.oms.check_replaceable(slot).expect_err("no price");
    assert_eq!(reject.reason, RejectReason::BadField);
}

#[test]
#[should_panic(expected = "no more than OrderQty leaves")]
fn an_execution_beyond_the_order_stops_the_engine() {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 5)).expect("room");
    let terms = desk.terms;
    let taker = tidegate_model::event::Liquidity::Taker;
    let _ = desk.oms.fill(slot, Lots(6), Ticks(1), taker, &terms);
}

#[derive(Clone, Debug)]
enum Step {
    Enter { account: u32, name: u64, qty: u64 },
    Close { pick: usize },
    DayRoll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0_u32..3, 0_u64..40, 1_u64..3)
            .prop_map(|(account, name, qty)| Step::Enter { account, name, qty }),
        4 => any::<usize>().prop_map(|pick| Step::Close { pick }),
        1 => Just(Step::DayRoll),
    ]
}

/// An order as the twin keeps it: account, name, open, quantity.
type TwinOrder = (u32, u64, bool, u64);

fn run(orders_max: u32, steps: &[Step]) {
    let mut desk = Desk::new(orders_max, 3, 1);
    let mut twin: BTreeMap<u64, TwinOrder> = BTreeMap::new();
    let mut last_id = 0;
    for step in steps {
        match *step {
            Step::Enter { account, name: number, qty } => {
                let told = desk.enter(order(account, 0, number, Side::Buy, qty));
                let bearer = twin.iter().find(|(_, o)| (o.0, o.1) == (account, number));
                if let Some((id, bearer)) = bearer {
                    let reject = Reject::of(RejectReason::DuplicateClientOrderId, (*id).into());
                    let same = desk.find(account, *id, 0);
                    assert_eq!(told, if bearer.3 == qty { same } else { Err(reject) });
                } else if twin.len() == orders_max as usize {
                    assert_eq!(told.expect_err("full").reason, RejectReason::CapacityExceeded);
                } else {
                    let id = desk.oms.order(told.expect("room for it")).order_id.0;
                    assert!(id > last_id, "numbers rise");
                    last_id = id;
                    twin.insert(id, (account, number, true, qty));
                }
            }
            Step::Close { pick } => {
                let open: Vec<u64> = twin.iter().filter(|(_, o)| o.2).map(|(id, _)| *id).collect();
                if open.is_empty() {
                    continue;
                }
                let id = open[pick % open.len()];
                let order = twin.get_mut(&id).expect("picked from it");
                let slot = desk.find(order.0, id, 0).expect("open");
                desk.oms.canceled(slot).expect("open");
                order.2 = false;
            }
            Step::DayRoll => {
                desk.oms.day_roll();
                twin.retain(|_, order| order.2);
            }
        }
        assert_eq!(desk.oms.kept_count() as usize, twin.len());
        for (id, (account, number, open, _)) in &twin {
            let slot = desk.find(*account, *id, 0).expect("kept");
            assert_eq!(desk.find(*account, 0, *number), Ok(slot));
            assert_eq!(desk.oms.order(slot).is_open(), *open);
        }
        for scope in [AccountId(0), AccountId(1), AccountId(2), AccountId::NONE] {
            let in_scope = |account: u32| scope == AccountId::NONE || scope.0 == account;
            let walked: Vec<u64> = desk.oms.open_orders(scope).map(|(_, o)| o.order_id.0).collect();
            let expected: Vec<u64> =
                twin.iter().filter(|(_, o)| o.2 && in_scope(o.0)).map(|(id, _)| *id).collect();
            assert_eq!(walked, expected);
        }
        assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Stores around the size of one word of the bitmap, so that numbers go round and meet old orders.
    #[test]
    fn store_agrees_with_a_map(
        log2 in 0_u32..8,
        steps in prop::collection::vec(step(), 1..300)
    ) {
        run(1 << log2, &steps);
    }
}
