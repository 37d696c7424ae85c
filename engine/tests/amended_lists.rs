//! Trades of lists that are taken back or put right: exits close what is held.

mod support;
use support::quoted::{check_all_released, desk, open, position, told, trade};
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::*;
use tidegate_model::*;

/// A bracket: buy 100 at 99.95, take profit at 100.50, stop loss at 99.50.
fn with_bracket() -> Desk {
    let mut desk = desk(0);
    desk.command(Command::NewList(NewList {
        account: ACCOUNT,
        list_id: 1,
        contingency: Contingency::Bracket.wire(),
        leg_count: 3,
        reserved: [0; 6],
    }));
    let stop = NewOrder {
        order_type: OrderType::Stop.wire(),
        stop_price: cents(9_950),
        ..new_order("stop", Sell, None, 100, Gtc)
    };
    let legs = [
        new_order("entry", Buy, Some(cents(9_995)), 100, Gtc),
        new_order("profit", Sell, Some(cents(10_050)), 100, Gtc),
        stop,
    ];
    for (leg, order) in (1..).zip(legs) {
        desk.command(Command::NewOrder(NewOrder { list_id: 1, leg, ..order }));
    }
    desk
}

fn amend(desk: &mut Desk, order: u64, exec: u64, qty: u64, price: i64) -> Vec<String> {
    let kind = if qty == 0 { AmendKind::Bust } else { AmendKind::Correct };
    lines(&desk.command(Command::AmendTrade(AmendTrade {
        order_id: OrderId(order),
        exec_id: ExecId(exec),
        qty: Lots(qty),
        price: cents(price),
        account: ACCOUNT,
        kind: kind.wire(),
        reserved: [0; 3],
    })))
}

/// Exits close what is held, also where the entry that brought it was taken back after it was filled.
#[test]
fn exits_follow_an_entry_that_is_taken_back() {
    let mut desk = with_bracket();
    trade(&mut desk, 9_990, 100);
    assert_eq!(
        amend(&mut desk, 1, 1, 60, 9_995),
        [
            "1 trade_correct -> partially_filled",
            "1 canceled 40 trade_bust -> canceled",
            "2 restated -> new",
            "3 restated -> new",
        ]
    );
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((60, 60), (60, 60)));
    assert_eq!((position(&desk), open(&desk)), (60, [0, 60]));
    assert_eq!(
        amend(&mut desk, 1, 1, 0, 0),
        [
            "1 trade_cancel -> canceled",
            "2 canceled 60 contingent -> canceled",
            "3 canceled 60 contingent -> canceled",
            "list 1 all_done",
        ]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

/// What an exit had closed is held again: both exits are for it again.
#[test]
fn exits_follow_one_of_them_that_is_taken_back() {
    let mut desk = with_bracket();
    trade(&mut desk, 9_990, 100);
    trade(&mut desk, 10_060, 30);
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((100, 70), (70, 70)));
    amend(&mut desk, 2, 2, 0, 0);
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((100, 100), (100, 100)));
    assert_eq!((position(&desk), open(&desk)), (100, [0, 100]));
    trade(&mut desk, 9_940, 200);
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}
