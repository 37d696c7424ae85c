//! Closing positions, scenario by scenario.

mod support;
use support::quoted::{desk, position};
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::market::{MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;

const SEC: u64 = 1_000_000_000;

/// Long `qty`, and an order to sell 10 at 100.50 rests.
fn long(latency_ns: u64, qty: u64) -> Desk {
    let mut desk = desk(latency_ns);
    desk.order(Buy, None, qty, Gtc);
    desk.pass(latency_ns);
    desk.order(Sell, Some(cents(10_050)), 10, Gtc);
    desk.pass(latency_ns);
    assert_eq!(position(&desk), qty as i64);
    desk
}

fn flatten(desk: &mut Desk, at: UnixNanos, instrument: InstrumentId) -> Vec<Event> {
    desk.command(Command::Flatten(Flatten::of(at, ACCOUNT, instrument)))
}

fn waiting(told: &[Event]) -> Option<u64> {
    told.iter().find_map(|event| match event {
        Event::Ack(ack) if ack.reject().is_none() => Some(ack.value),
        _ => None,
    })
}

#[test]
fn what_is_open_goes_first_then_the_position() {
    let mut desk = long(0, 100);
    let told = flatten(&mut desk, UnixNanos::ZERO, INSTRUMENT);
    assert_eq!(
        lines(&told),
        ["2 canceled 10 flatten -> canceled", "3 new -> new", "3 trade 100@9990 -> filled"]
    );
    assert_eq!(waiting(&told), Some(0));
    assert_eq!((position(&desk), desk.core.next_due()), (0, None));
}

#[test]
fn with_latency_it_comes_back_until_nothing_is_left() {
    let mut desk = long(1_000, 100);
    let told = flatten(&mut desk, UnixNanos::ZERO, InstrumentId::NONE);
    assert_eq!(lines(&told), ["2 pending_cancel -> pending_cancel"]);
    assert_eq!(waiting(&told), Some(1));
    desk.pass(1_000);
    // Somebody enters another order meanwhile: that goes too.
    desk.order(Sell, Some(cents(10_060)), 5, Gtc);
    for _ in 0..4 {
        desk.pass(SEC);
    }
    assert_eq!((position(&desk), desk.core.oms().open_count()), (0, 0));
    assert_eq!(desk.core.next_due(), None);
}

#[test]
fn at_a_time_and_not_before_unless_it_is_taken_back() {
    let mut desk = long(0, 100);
    let at = UnixNanos(desk.now.0 + 10 * SEC);
    assert_eq!(waiting(&flatten(&mut desk, at, InstrumentId::NONE)), Some(1));
    assert_eq!(waiting(&flatten(&mut desk, at, InstrumentId::NONE)), Some(1), "in its place");
    assert_eq!(waiting(&flatten(&mut desk, UnixNanos(u64::MAX), InstrumentId::NONE)), Some(0));
    assert_eq!(waiting(&flatten(&mut desk, at, INSTRUMENT)), Some(1));
    assert_eq!(desk.core.next_due(), Some(at));
    assert_eq!(lines(&desk.pass(10 * SEC - 1)), [""; 0]);
    assert_eq!(position(&desk), 100);
    desk.pass(1);
    assert_eq!(position(&desk), 0);
}

#[test]
fn a_halt_holds_it_and_a_limit_splits_it() {
    let mut desk = long(0, 100);
    let status = |status: TradingStatus| MarketEvent {
        flags: status.wire().into(),
        ..market(Kind::Status, 0)
    };
    desk.market(status(TradingStatus::Halted));
    flatten(&mut desk, UnixNanos::ZERO, INSTRUMENT);
    assert_eq!((position(&desk), desk.core.oms().open_count()), (100, 0));
    desk.market(status(TradingStatus::Trading));
    desk.command(Command::SetLimits(SetLimits { max_order_qty: Lots(60), ..limits(ACCOUNT) }));
    desk.pass(SEC);
    assert_eq!(position(&desk), 40);
    desk.pass(SEC);
    assert_eq!((position(&desk), desk.core.next_due()), (0, None));
}

#[test]
fn a_kill_switch_refuses_its_orders_and_it_goes_on_afterwards() {
    let mut desk = long(0, 100);
    let kill = |engaged| KillSwitch::of(Scope::account(ACCOUNT), engaged);
    desk.command(Command::KillSwitch(kill(true)));
    let told = lines(&flatten(&mut desk, UnixNanos::ZERO, INSTRUMENT));
    assert_eq!(told, ["0 rejected -> rejected kill_switch: limit=0 value=0 scope=account"]);
    desk.agreed(Command::KillSwitch(kill(false)));
    desk.pass(SEC);
    assert_eq!(position(&desk), 0);
}

#[test]
fn what_is_not_there_is_refused() {
    let mut desk = long(0, 100);
    let told = flatten(&mut desk, UnixNanos::ZERO, InstrumentId(77));
    assert_eq!(waiting(&told), None);
    let scope = Flatten::of(UnixNanos::ZERO, AccountId(9), INSTRUMENT);
    assert_eq!(waiting(&desk.command(Command::Flatten(scope))), None);
    assert_eq!(position(&desk), 100);
}
