//! The paper venue, scenario by scenario: what is done to the desk, and every report about orders that follows.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Ioc};
use tidegate_model::command::{Command, FillModelKind, KillSwitch, MassCancel, NewOrder};
use tidegate_model::event::{Event, Execution};
use tidegate_model::market::{FLAG_FILLS_FOLLOW, MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;

/// Offers 100.01 x 100, 100.02 x 50 + 70; bids 100.00 x 100, 99.99 x 200.
fn with_book(latency_ns: u64) -> Desk {
    let mut desk = Desk::new(latency_ns);
    desk.market(add(1, Sell, cents(10_001), 100));
    desk.market(add(2, Sell, cents(10_002), 50));
    desk.market(add(3, Sell, cents(10_002), 70));
    desk.market(add(4, Buy, cents(10_000), 100));
    desk.market(add(5, Buy, cents(9_999), 200));
    desk
}

#[test]
fn market_order_takes_level_by_level_and_the_rest_is_canceled() {
    let mut desk = with_book(0);
    assert_eq!(
        lines(&desk.order(Buy, None, 180, Ioc)),
        ["1 new -> new", "1 trade 100@10001 -> partially_filled", "1 trade 80@10002 -> filled"]
    );
    assert_eq!(
        lines(&desk.order(Buy, None, 100, Day)),
        [
            "2 new -> new",
            "2 trade 40@10002 -> partially_filled",
            "2 canceled 60 no_liquidity -> canceled"
        ]
    );
}

#[test]
fn what_was_taken_stays_taken_until_the_level_is_refreshed() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(10_001)), 100, Ioc);
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 10, Ioc)),
        ["2 new -> new", "2 canceled 10 ioc -> canceled"]
    );
    // A fresh order at the level can be taken; the old one still cannot.
    desk.market(add(6, Sell, cents(10_001), 30));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 40, Ioc)),
        ["3 new -> new", "3 trade 30@10001 -> partially_filled", "3 canceled 10 ioc -> canceled"]
    );
    // The taken order leaves the book, and its slot may serve another: that one is free.
    desk.market(market(Kind::Delete, 1));
    desk.market(market(Kind::Delete, 6));
    desk.market(add(7, Sell, cents(10_001), 15));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 40, Ioc)),
        ["4 new -> new", "4 trade 15@10001 -> partially_filled", "4 canceled 25 ioc -> canceled"]
    );
}

#[test]
fn fill_or_kill_is_all_or_nothing() {
    let mut desk = with_book(0);
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_002)), 221, Fok)),
        ["1 new -> new", "1 canceled 221 fok -> canceled"]
    );
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_002)), 220, Fok)),
        ["2 new -> new", "2 trade 100@10001 -> partially_filled", "2 trade 120@10002 -> filled"]
    );
}

#[test]
fn resting_order_keeps_its_exact_place_in_the_queue() {
    let mut desk = with_book(0);
    assert_eq!(lines(&desk.order(Buy, Some(cents(10_000)), 50, Gtc)), ["1 new -> new"]);
    // Behind the 100 lots of order 4; order 8 comes later.
    desk.market(add(8, Buy, cents(10_000), 60));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(100));
    assert_eq!(lines(&desk.market(execute(4, 40))), [""; 0]);
    desk.market(MarketEvent { qty: Lots(20), ..market(Kind::Reduce, 4) });
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(40));
    assert_eq!(lines(&desk.market(execute(4, 40))), [""; 0]);
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(0));
    // Flow reaches order 8, which is behind ours.
    assert_eq!(lines(&desk.market(execute(8, 20))), ["1 trade 20@10000 -> partially_filled"]);
    assert_eq!(lines(&desk.market(execute(8, 40))), ["1 trade 30@10000 -> filled"]);
}

#[test]
fn order_behind_that_leaves_does_not_move_ours() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.market(add(8, Buy, cents(10_000), 60));
    desk.market(market(Kind::Delete, 8));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(100));
    // An order ahead that is replaced at the same price goes behind.
    let replace =
        MarketEvent { aux: 9, price: cents(10_000), qty: Lots(100), ..market(Kind::Replace, 4) };
    desk.market(replace);
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(0));
    assert_eq!(lines(&desk.market(execute(9, 10))), ["1 trade 10@10000 -> partially_filled"]);
}

#[test]
fn execution_at_a_worse_price_would_have_met_ours_first() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    assert_eq!(lines(&desk.market(execute(5, 30))), ["1 trade 30@10000 -> partially_filled"]);
    // A hidden trade through our price proves the same; one at our price proves nothing.
    let hidden = MarketEvent { price: cents(10_000), qty: Lots(5), ..market(Kind::Trade, 0) };
    assert_eq!(lines(&desk.market(hidden)), [""; 0]);
    let through = MarketEvent { price: cents(9_999), qty: Lots(5), ..market(Kind::Trade, 0) };
    assert_eq!(lines(&desk.market(through)), ["1 trade 5@10000 -> partially_filled"]);
}

#[test]
fn order_arriving_across_ours_meets_it_and_is_taken() {
    let mut desk = with_book(0);
    desk.market(market(Kind::Delete, 1));
    desk.order(Buy, Some(cents(10_001)), 50, Gtc);
    assert_eq!(
        lines(&desk.market(add(9, Sell, cents(10_001), 20))),
        ["1 trade 20@10001 -> partially_filled"]
    );
    // Those 20 lots are gone to us.
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 5, Ioc)),
        ["2 new -> new", "2 canceled 5 ioc -> canceled"]
    );
}

#[test]
fn flow_is_shared_by_price_then_time() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(9_999)), 10, Gtc);
    desk.order(Buy, Some(cents(10_000)), 10, Gtc);
    desk.order(Buy, Some(cents(10_000)), 10, Gtc);
    desk.market(add(10, Buy, cents(9_998), 100));
    assert_eq!(
        lines(&desk.market(execute(10, 25))),
        [
            "2 trade 10@10000 -> filled",
            "3 trade 10@10000 -> filled",
            "1 trade 5@9999 -> partially_filled"
        ]
    );
}

#[test]
fn replace_down_keeps_the_place_and_up_or_away_loses_it() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.market(add(8, Buy, cents(10_000), 60));
    assert_eq!(lines(&desk.replace(1, cents(10_000), 40)), ["1 replaced -> new"]);
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(100));
    assert_eq!(lines(&desk.replace(1, cents(10_000), 45)), ["1 replaced -> new"]);
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(160));
    assert_eq!(
        lines(&desk.replace(1, cents(10_001), 45)),
        ["1 replaced -> new", "1 trade 45@10001 -> filled"]
    );
    assert_eq!(
        lines(&desk.replace(1, cents(10_000), 45)),
        ["1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"]
    );
}

#[test]
fn latency_lies_between_gate_and_venue() {
    let mut desk = with_book(1_000);
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 40, Day)),
        ["1 pending_new -> pending_new"]
    );
    assert_eq!(lines(&desk.pass(999)), [""; 0]);
    // The offer is gone before the order arrives.
    desk.market(market(Kind::Delete, 1));
    assert_eq!(lines(&desk.pass(1)), ["1 new -> new"]);
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    // It fills while the cancel is under way.
    assert_eq!(
        lines(&desk.market(add(9, Sell, cents(10_001), 40))),
        ["1 trade 40@10001 -> pending_cancel"]
    );
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 1);
    assert_eq!(
        lines(&desk.pass(1_000)),
        ["1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"]
    );
}

#[test]
fn fills_overtake_a_replace_under_way() {
    let mut desk = with_book(1_000);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.pass(1_000);
    assert_eq!(
        lines(&desk.replace(1, cents(10_000), 30)),
        ["1 pending_replace -> pending_replace"]
    );
    desk.market(market(Kind::Delete, 4));
    assert_eq!(lines(&desk.market(execute(5, 40))), ["1 trade 40@10000 -> pending_replace"]);
    // What is executed is all there is of it.
    assert_eq!(lines(&desk.pass(1_000)), ["1 replaced -> filled"]);
    assert_eq!(desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty[0], Lots(0));
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
}

#[test]
fn kill_switch_cancels_what_is_open_and_blocks_what_is_new_but_not_cancels() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(9_990)), 10, Gtc);
    desk.order(Sell, Some(cents(10_010)), 10, Gtc);
    let engage = |engaged| Command::KillSwitch(KillSwitch::of(Scope::FIRM, engaged));
    let told = desk.command(engage(true));
    assert_eq!(
        lines(&told),
        ["1 canceled 10 kill_switch -> canceled", "2 canceled 10 kill_switch -> canceled"]
    );
    assert!(told.iter().any(|event| matches!(event, Event::Ack(ack) if ack.value == 2)));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(9_990)), 10, Gtc)),
        ["0 rejected -> rejected kill_switch: limit=0 value=0 scope=firm"]
    );
    desk.agreed(engage(false));
    assert_eq!(lines(&desk.order(Buy, Some(cents(9_990)), 10, Gtc)), ["3 new -> new"]);
}

#[test]
fn kill_switch_reaches_orders_on_their_way() {
    let mut desk = with_book(1_000);
    desk.order(Buy, Some(cents(9_990)), 10, Gtc);
    desk.command(Command::KillSwitch(KillSwitch {
        account: ACCOUNT,
        engaged: 1,
        ..KillSwitch::of(Scope::default(), false)
    }));
    assert_eq!(
        lines(&desk.pass(1_000)),
        ["1 new -> pending_cancel", "1 canceled 10 kill_switch -> canceled"]
    );
}

#[test]
fn mass_cancel_by_side_and_day_roll() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(9_990)), 10, Day);
    desk.order(Sell, Some(cents(10_010)), 10, Gtc);
    desk.order(Sell, Some(cents(10_011)), 10, Day);
    let mass = MassCancel { account: ACCOUNT, instrument: INSTRUMENT, side: 1, reserved: [0; 7] };
    assert_eq!(
        lines(&desk.command(Command::MassCancel(mass))),
        ["1 canceled 10 mass_cancel -> canceled"]
    );
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["2 done_for_day -> done_for_day", "2 restated -> new", "3 expired -> expired"]
    );
    // Names of yesterday may be used again, but not that of an order still open.
    desk.names = 0;
    assert_eq!(lines(&desk.order(Buy, Some(cents(9_990)), 10, Day)), ["4 new -> new"]);
    let again = lines(&desk.order(Buy, Some(cents(9_990)), 10, Day));
    assert_eq!(again, ["0 rejected -> rejected duplicate_client_order_id: limit=0 value=2"]);
}

fn status(status: TradingStatus) -> MarketEvent {
    MarketEvent { flags: status.wire().into(), ..market(Kind::Status, 0) }
}

#[test]
fn nothing_fills_in_a_halt_and_what_the_book_crosses_takes_when_trading_goes_on() {
    let mut desk = with_book(1_000);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.pass(1_000);
    // On their way to the venue when trading stops.
    desk.order(Buy, Some(cents(10_001)), 30, Gtc);
    desk.order(Buy, Some(cents(10_001)), 30, Ioc);
    desk.market(status(TradingStatus::Halted));
    assert_eq!(
        lines(&desk.pass(1_000)),
        ["2 new -> new", "3 new -> new", "3 canceled 30 ioc -> canceled"]
    );
    for event in [
        add(9, Sell, cents(10_000), 20),
        execute(5, 10),
        MarketEvent { price: cents(9_990), qty: Lots(5), ..market(Kind::Trade, 0) },
        MarketEvent { qty: Lots(5), ..market(Kind::Fill, 5) },
        status(TradingStatus::QuotationOnly),
    ] {
        assert_eq!(lines(&desk.market(event)), [""; 0]);
    }
    assert_eq!(
        lines(&desk.market(status(TradingStatus::Trading))),
        ["2 trade 20@10000 -> partially_filled", "2 trade 10@10001 -> filled"]
    );
    // Those 20 lots are gone to us, and the first order still rests.
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy).len(), 1);
    assert_eq!(lines(&desk.market(status(TradingStatus::Trading))), [""; 0]);
    assert_eq!(lines(&desk.market(execute(5, 10))), ["1 trade 10@10000 -> partially_filled"]);
}

#[test]
fn market_order_goes_no_further_than_the_collar() {
    let mut desk = Desk::new(0);
    // The collar is 10 % of the middle, 100.00.
    desk.market(add(1, Buy, cents(9_990), 10));
    desk.market(add(2, Sell, cents(10_010), 10));
    desk.market(add(3, Buy, cents(9_000), 10));
    desk.market(add(4, Sell, cents(11_000), 10));
    desk.market(add(5, Buy, cents(8_999), 10));
    desk.market(add(6, Sell, cents(11_001), 10));
    assert_eq!(
        lines(&desk.order(Sell, None, 30, Ioc)),
        [
            "1 new -> new",
            "1 trade 10@9990 -> partially_filled",
            "1 trade 10@9000 -> partially_filled",
            "1 canceled 10 no_liquidity -> canceled"
        ]
    );
    assert_eq!(
        lines(&desk.order(Buy, None, 30, Ioc)),
        [
            "2 new -> new",
            "2 trade 10@10010 -> partially_filled",
            "2 trade 10@11000 -> partially_filled",
            "2 canceled 10 no_liquidity -> canceled"
        ]
    );
}

#[test]
fn an_order_takes_however_many_orders_are_displayed() {
    let mut desk = Desk::new(0);
    for order_ref in 1..=5_000 {
        desk.market(add(order_ref, Sell, cents(10_000), 1));
    }
    desk.market(add(9_000, Buy, cents(9_999), 1));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_000)), 5_001, Fok)),
        ["1 new -> new", "1 canceled 5001 fok -> canceled"]
    );
    let told = lines(&desk.order(Buy, Some(cents(10_000)), 5_000, Fok));
    assert_eq!(told.last().map(String::as_str), Some("2 trade 904@10000 -> filled"));
    assert_eq!(desk.core.oms().position(ACCOUNT, INSTRUMENT).qty, 5_000);
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_000)), 1, Ioc)),
        ["3 new -> new", "3 canceled 1 ioc -> canceled"]
    );
}

#[test]
fn a_gap_empties_every_book() {
    let mut desk = with_book(0);
    let last = MarketEvent { price: cents(10_001), qty: Lots(1), ..market(Kind::Trade, 0) };
    desk.market(last);
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.order(Buy, Some(cents(10_001)), 60, Ioc);
    desk.market(market(Kind::Gap, 0));
    assert_eq!(desk.core.books().orders_count_total(), 0);
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_002)), 10, Ioc)),
        ["3 new -> new", "3 canceled 10 ioc -> canceled"]
    );
    // References that the lost messages may have ended begin anew, and nothing is remembered as taken.
    desk.market(add(1, Sell, cents(10_001), 100));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_001)), 100, Ioc)),
        ["4 new -> new", "4 trade 100@10001 -> filled"]
    );
    assert_eq!(
        lines(&desk.market(add(2, Sell, cents(10_000), 5))),
        ["1 trade 5@10000 -> partially_filled"]
    );
}

#[test]
fn what_happened_before_an_order_rested_does_not_fill_it_when_the_feed_begins_again() {
    let mut desk = with_book(0);
    desk.now.0 += 1_000;
    desk.market(add(6, Buy, cents(9_998), 10));
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    // A restart: the feed tells the session from its beginning.
    desk.market(market(Kind::Gap, 0));
    desk.now.0 -= 500;
    desk.market(add(7, Buy, cents(9_990), 100));
    assert_eq!(lines(&desk.market(execute(7, 10))), [""; 0]);
    assert_eq!(lines(&desk.market(add(8, Sell, cents(10_000), 10))), [""; 0]);
    // An order that comes now is filled by what happens from now on, and the other one from its own time on.
    desk.order(Buy, Some(cents(9_995)), 5, Gtc);
    assert_eq!(lines(&desk.market(execute(7, 10))), ["2 trade 5@9995 -> filled"]);
    desk.now.0 += 500;
    assert_eq!(lines(&desk.market(execute(7, 10))), ["1 trade 10@10000 -> partially_filled"]);
}

#[test]
fn orders_that_a_feed_tells_again_stand_ahead_again() {
    let mut desk = Desk::new(0);
    desk.market(add(9, Sell, cents(10_001), 100));
    desk.market(add(1, Buy, cents(10_000), 100));
    desk.now.0 += 1_000;
    desk.market(add(2, Buy, cents(9_990), 1));
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    desk.market(market(Kind::Gap, 0));
    desk.now.0 -= 1_000;
    desk.market(add(1, Buy, cents(10_000), 100));
    desk.now.0 += 1_001;
    desk.market(add(3, Buy, cents(10_000), 70));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].ahead, Lots(100));
    assert_eq!(lines(&desk.market(execute(1, 60))), [""; 0]);
    assert_eq!(lines(&desk.market(execute(1, 40))), [""; 0]);
    // The one that came later is behind.
    assert_eq!(lines(&desk.market(execute(3, 20))), ["1 trade 20@10000 -> partially_filled"]);
}

#[test]
fn a_trade_without_a_side_fills_no_more_than_it_traded() {
    let mut desk = with_book(0);
    let trade = MarketEvent { price: cents(10_000), qty: Lots(1), ..market(Kind::Trade, 0) };
    desk.market(trade);
    desk.order(Buy, Some(cents(10_000)), 3, Gtc);
    desk.market(market(Kind::Delete, 4));
    desk.market(market(Kind::Delete, 5));
    desk.order(Sell, Some(cents(9_998)), 50, Gtc);
    let trade = MarketEvent { price: cents(9_999), qty: Lots(5), ..market(Kind::Trade, 0) };
    assert_eq!(
        lines(&desk.market(trade)),
        ["1 trade 3@10000 -> filled", "2 trade 2@9998 -> partially_filled"]
    );
}

#[test]
fn a_trade_fills_once_and_only_the_side_that_its_aggressor_meets() {
    let mut desk = with_book(0);
    desk.order(Buy, Some(cents(9_999)), 50, Gtc);
    let through = |side: u8, flags: u16| MarketEvent {
        side,
        flags,
        price: cents(9_990),
        qty: Lots(5),
        ..market(Kind::Trade, 0)
    };
    assert_eq!(lines(&desk.market(through(Buy.wire(), 0))), [""; 0]);
    assert_eq!(
        lines(&desk.market(through(Sell.wire(), 0))),
        ["1 trade 5@9999 -> partially_filled"]
    );
    // The displayed orders that it executed are told one by one.
    assert_eq!(lines(&desk.market(through(Sell.wire(), FLAG_FILLS_FOLLOW))), [""; 0]);
    let fill = MarketEvent { price: cents(10_000), qty: Lots(5), ..market(Kind::Fill, 4) };
    assert_eq!(lines(&desk.market(fill)), [""; 0], "order 4 was better");
    desk.market(add(10, Buy, cents(9_990), 5));
    let fill = MarketEvent { price: cents(9_990), qty: Lots(5), ..market(Kind::Fill, 10) };
    assert_eq!(lines(&desk.market(fill)), ["1 trade 5@9999 -> partially_filled"]);
}

#[test]
fn a_refused_definition_leaves_nothing_behind() {
    let mut desk = with_book(0);
    let symbol = Symbol::new("NEXT").expect("valid");
    let refused = Instrument { order_tick: Ticks(1 << 33), ..Instrument::us_equity(symbol) };
    let told = desk.command(Command::DefineInstrument(refused));
    assert!(
        told.iter().any(|event| matches!(event, Event::Ack(ack) if ack.reject().is_some())),
        "{told:?}"
    );
    desk.command(Command::DefineInstrument(Instrument::us_equity(symbol)));
    let widest = Symbol::new("WIDE").expect("valid");
    let widest = Instrument { order_tick: Ticks(1 << 32), ..Instrument::us_equity(widest) };
    desk.command(Command::DefineInstrument(widest));
    assert_eq!(desk.core.listing().count(), 3);
    // Orders for what was defined after it are answered.
    let order = new_order("next", Buy, Some(cents(10_000)), 10, Gtc);
    let order = NewOrder { instrument: InstrumentId(1), ..order };
    assert_eq!(
        lines(&desk.command(Command::NewOrder(order))),
        ["0 rejected -> rejected no_reference_price: limit=0 value=0"]
    );
}

#[test]
fn halted_instrument_takes_no_orders() {
    let mut desk = with_book(0);
    desk.market(status(TradingStatus::Halted));
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(9_990)), 10, Gtc)),
        ["0 rejected -> rejected not_trading: limit=0 value=2"]
    );
    desk.market(status(TradingStatus::Trading));
    assert_eq!(lines(&desk.order(Buy, Some(cents(9_990)), 10, Gtc)), ["1 new -> new"]);
}

#[test]
fn of_levels_without_orders_only_what_is_new_can_be_taken_again() {
    let mut desk = Desk::new(0);
    let level = |side: Side, price, qty| MarketEvent {
        side: side.wire(),
        price,
        qty: Lots(qty),
        ..market(Kind::Level, 0)
    };
    desk.market(level(Buy, cents(10_000), 100));
    desk.market(level(Sell, cents(10_001), 100));
    assert_eq!(
        lines(&desk.order(Buy, None, 150, Ioc)),
        [
            "1 new -> new",
            "1 trade 100@10001 -> partially_filled",
            "1 canceled 50 no_liquidity -> canceled"
        ]
    );
    assert_eq!(
        lines(&desk.order(Buy, None, 10, Ioc)),
        ["2 new -> new", "2 canceled 10 no_liquidity -> canceled"]
    );
    // What is told anew is what is left of the same lots, however often.
    desk.market(level(Sell, cents(10_001), 30));
    desk.market(level(Sell, cents(10_001), 30));
    assert_eq!(
        lines(&desk.order(Buy, None, 10, Ioc)),
        ["3 new -> new", "3 canceled 10 no_liquidity -> canceled"]
    );
    desk.market(level(Sell, cents(10_001), 50));
    assert_eq!(
        lines(&desk.order(Buy, None, 30, Ioc)),
        [
            "4 new -> new",
            "4 trade 20@10001 -> partially_filled",
            "4 canceled 10 no_liquidity -> canceled"
        ]
    );
    // So is what a resting order met: the same offer does not fill it twice.
    desk.market(level(Sell, cents(10_001), 0));
    desk.market(level(Sell, cents(10_005), 1));
    assert_eq!(lines(&desk.order(Buy, Some(cents(10_001)), 50, Gtc)), ["5 new -> new"]);
    let met = desk.market(level(Sell, cents(10_001), 30));
    assert_eq!(lines(&met), ["5 trade 30@10001 -> partially_filled"]);
    assert_eq!(lines(&desk.market(level(Sell, cents(10_001), 30))), [""; 0]);
    let met = desk.market(level(Sell, cents(10_001), 35));
    assert_eq!(lines(&met), ["5 trade 5@10001 -> partially_filled"]);
    desk.cancel(5);
    // A book that was cleared owes nothing.
    desk.market(market(Kind::Clear, 0));
    desk.market(level(Buy, cents(10_000), 100));
    desk.market(level(Sell, cents(10_002), 5));
    desk.market(level(Sell, cents(10_001), 10));
    assert_eq!(
        lines(&desk.order(Buy, None, 10, Ioc)),
        ["6 new -> new", "6 trade 10@10001 -> filled"]
    );
}

#[test]
fn a_fill_says_why_it_happened() {
    let mut desk = with_book(0);
    let trade = |told: Vec<Event>| {
        let trades = told.into_iter().filter_map(|event| match event {
            Event::Execution(execution) if execution.last_qty.0 > 0 => Some(execution),
            _ => None,
        });
        let fields = |e: Execution| {
            let ahead = (e.queue_ahead_at_entry.0, e.queue_ahead_at_fill().0);
            let cause = (e.cause_seq, Kind::from_wire(e.cause_kind));
            (cause, ahead, FillModelKind::from_wire(e.fill_model))
        };
        trades.map(fields).collect::<Vec<_>>()
    };
    let exact = Some(FillModelKind::Exact);
    let took = trade(desk.order(Buy, None, 10, Ioc));
    assert_eq!(took, [((SeqNo::ZERO, None), (0, 0), exact)], "by its own arrival");
    desk.order(Buy, Some(cents(10_000)), 50, Gtc);
    // Through the price while lots stand ahead, then past the place.
    let through = trade(desk.market(execute(5, 30)));
    assert_eq!(through, [((desk.core.seq(), Some(Kind::Execute)), (100, 100), exact)]);
    desk.market(market(Kind::Delete, 4));
    let reached = trade(desk.market(execute(5, 5)));
    assert_eq!(reached, [((desk.core.seq(), Some(Kind::Execute)), (100, 0), exact)]);
}

#[test]
fn absurd_prices_end_in_a_reject_or_a_cancel_never_in_a_panic() {
    let mut desk = Desk::new(0);
    desk.market(add(1, Buy, Ticks(i64::MAX - 1), u64::MAX));
    desk.market(add(2, Sell, Ticks(i64::MIN + 1), u64::MAX));
    for side in [Buy, Sell] {
        for price in [None, Some(Ticks(i64::MAX)), Some(Ticks(1)), Some(Ticks(i64::MIN))] {
            for qty in [0, 1, 10_000, u64::MAX] {
                desk.order(side, price, qty, Gtc);
                desk.order(side, price, qty, Ioc);
            }
        }
    }
    let trade =
        MarketEvent { price: Ticks(i64::MAX), qty: Lots(u64::MAX), ..market(Kind::Trade, 0) };
    desk.market(trade);
    desk.order(Sell, Some(Ticks(100)), 1, Gtc);
}
