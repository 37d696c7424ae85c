//! A desk whose instrument is quoted, and what tests of orders that depend on others ask of it.

use super::{ACCOUNT, Desk, INSTRUMENT, add, cents, lines, market};
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

/// Bids 99.90 x 1,000; offers 100.10 x 1,000; the last trade was at 100.00.
pub fn desk(latency_ns: u64) -> Desk {
    let mut desk = Desk::new(latency_ns);
    desk.market(add(1, Buy, cents(9_990), 1_000));
    desk.market(add(2, Sell, cents(10_010), 1_000));
    trade(&mut desk, 10_000, 1);
    desk
}

/// Somebody trades, hidden from the book.
pub fn trade(desk: &mut Desk, at_cents: i64, qty: u64) -> Vec<String> {
    let event = MarketEvent { price: cents(at_cents), qty: Lots(qty), ..market(Kind::Trade, 0) };
    lines(&desk.market(event))
}

/// OrderQty and LeavesQty as reports tell them.
pub fn told(desk: &Desk, order_id: u64) -> (u64, u64) {
    let slot = desk.core.oms().by_id(OrderId(order_id)).expect("kept");
    let execution = desk.core.oms().execution(slot);
    (execution.qty.0, execution.leaves_qty.0)
}

/// What is open to buy and to sell, as the gate counts it.
pub fn open(desk: &Desk) -> [u64; 2] {
    let pair = desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    pair.open_qty.map(|qty| qty.0)
}

pub fn position(desk: &Desk) -> i64 {
    desk.core.oms().position(ACCOUNT, INSTRUMENT).qty
}

/// Nothing is open at the gate any more, and every hash is that of the state.
pub fn check_all_released(desk: &Desk) {
    let pair = desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    assert_eq!(pair.open_qty, [Lots(0); 2]);
    assert_eq!(pair.open_notional, [Money(0); 2]);
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
    assert_eq!(desk.core.oms().hash(), desk.core.oms().hash_from_scratch());
    assert_eq!(desk.core.risk().hash(), desk.core.risk().hash_from_scratch());
}
