//! The markets of the house as a client meets them: orders of two accounts through the gate, and every report about them.

mod support;
use support::*;
use tidegate_engine::core::{Collected, Input};
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution, Liquidity};
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::TradingStatus;
use tidegate_model::*;

/// The instrument of the house; the desk's own is on paper.
const HOUSE: InstrumentId = InstrumentId(1);
const ALICE: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);

fn terms() -> Instrument {
    Instrument {
        venue_kind: venue_kind::INTERNAL,
        order_tick_from: Ticks::ZERO,
        maker_fee_e8: -1_000,
        taker_fee_e8: 3_000,
        ..Instrument::us_equity(Symbol::new("HOUSE").expect("valid"))
    }
}

struct House(Desk);

impl House {
    /// A market whose reference is 100.00.
    fn new() -> Self {
        let mut house = Self(Desk::new(0));
        house.0.command(Command::DefineInstrument(terms()));
        house.0.command(Command::SetReference(SetReference {
            price: cents(10_000),
            instrument: HOUSE,
            reserved: [0; 4],
        }));
        house
    }

    fn enter(&mut self, order: NewOrder) -> Vec<String> {
        self.0.names += 1;
        let client_order_id = ClientOrderId::new(&format!("h{}", self.0.names)).expect("valid");
        let order = NewOrder { client_order_id, instrument: HOUSE, ..order };
        lines(&self.0.command(Command::NewOrder(order)))
    }

    fn limit(
        &mut self,
        account: AccountId,
        side: Side,
        price: i64,
        qty: u64,
        life: TimeInForce,
    ) -> Vec<String> {
        self.enter(NewOrder { account, ..new_order("x", side, Some(cents(price)), qty, life) })
    }

    fn market(&mut self, account: AccountId, side: Side, qty: u64) -> Vec<String> {
        self.enter(NewOrder { account, ..new_order("x", side, None, qty, Day) })
    }

    fn replace(&mut self, account: AccountId, id: u64, price: i64, qty: u64) -> Vec<String> {
        lines(&self.0.command(Command::ReplaceOrder(ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(id),
            account,
            reserved: [0; 4],
            qty: Lots(qty),
            price: cents(price),
            stop_price: Ticks::ZERO,
        })))
    }

    fn cancel(&mut self, account: AccountId, id: u64) -> Vec<String> {
        lines(&self.0.command(Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(id),
            account,
            reserved: [0; 4],
        })))
    }

    fn phase(&mut self, phase: Phase) -> Vec<String> {
        let set = SetPhase::now(HOUSE, phase);
        lines(&self.0.command(Command::SetPhase(set)))
    }

    fn position(&self, account: AccountId) -> i64 {
        self.0.core.oms().position(account, HOUSE).qty
    }
}

/// Bids 99.98 x 30 (1), 99.97 x 20 (2) and offers 100.02 x 10 (3), 100.02 x 15 (4), all Alice's.
fn quoted() -> House {
    let mut house = House::new();
    for (side, price, qty) in [(Buy, 9_998, 30), (Buy, 9_997, 20), (Sell, 10_002, 10)] {
        house.limit(ALICE, side, price, qty, Gtc);
    }
    house.limit(ALICE, Sell, 10_002, 15, Day);
    house
}

#[test]
fn both_sides_of_a_trade_are_told_and_booked() {
    let mut house = quoted();
    let order = NewOrder {
        client_order_id: ClientOrderId::new("bob").expect("valid"),
        account: BOB,
        instrument: HOUSE,
        ..new_order("x", Buy, Some(cents(10_003)), 12, Ioc)
    };
    let events = house.0.command(Command::NewOrder(order));
    assert_eq!(
        lines(&events),
        [
            "5 new -> new",
            "3 trade 10@10002 -> filled",
            "5 trade 10@10002 -> partially_filled",
            "4 trade 2@10002 -> partially_filled",
            "5 trade 2@10002 -> filled",
        ]
    );
    let fills: Vec<Execution> = events
        .iter()
        .filter_map(|event| match event {
            Event::Execution(it) if it.exec_type == ExecType::Trade.wire() => Some(*it),
            _ => None,
        })
        .collect();
    let sides: Vec<_> = fills.iter().map(|fill| Liquidity::from_wire(fill.liquidity)).collect();
    let (maker, taker) = (Some(Liquidity::Maker), Some(Liquidity::Taker));
    assert_eq!(sides, [maker, taker, maker, taker]);
    // 1,000.20 at a rebate of a tenth and a fee of three tenths of a basis point.
    assert_eq!(fills[0].fee, Money(-MONEY * 10_002 / 1_000_000));
    assert_eq!(fills[1].fee, Money(MONEY * 30_006 / 1_000_000));
    let ids: Vec<_> = fills.iter().map(|fill| fill.exec_id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4], "each side has a number of its own");

    assert_eq!((house.position(ALICE), house.position(BOB)), (-12, 12));
    let exposure = house.0.core.risk().exposure(ALICE, HOUSE);
    assert_eq!((exposure.open_qty, exposure.position), ([Lots(50), Lots(13)], -12));
    assert_eq!(house.0.core.risk().open_orders(BOB), 0);
    assert_eq!(house.0.core.counters().fills, 4);
    assert_eq!(house.0.core.reference(HOUSE), Some(cents(10_002)));
}

#[test]
fn everyone_sees_levels_and_trades() {
    let mut house = quoted();
    let mut out = Collected::default();
    let apply = |house: &mut House, out: &mut Collected, command: Command| {
        let record = CommandRecord { ts_recv: house.0.now, ..CommandRecord::new(command) };
        let seq = house.0.core.seq().next();
        house.0.core.apply(seq, Input::Command(&record), out);
        let told = out.updates.drain(..).map(|update| {
            let kind = PublicKind::from_wire(update.kind).expect("known");
            let side = Side::from_wire(update.side).map_or("-", Side::as_str);
            format!("{kind} {side} {}@{} {}", update.qty, update.price.0 / 100, update.orders)
        });
        told.collect::<Vec<_>>()
    };
    let order = NewOrder {
        account: BOB,
        instrument: HOUSE,
        ..new_order("bob", Buy, Some(cents(10_002)), 30, Gtc)
    };
    assert_eq!(
        apply(&mut house, &mut out, Command::NewOrder(order)),
        [
            "trade buy 10@10002 0",
            "trade buy 15@10002 0",
            "level sell 0@10002 0",
            "level buy 5@10002 1",
        ]
    );
    let set = SetPhase::now(HOUSE, Phase::Halt);
    let paused = TradingStatus::Paused.wire();
    assert_eq!(
        apply(&mut house, &mut out, Command::SetPhase(set)),
        [format!("status - 0@0 {paused}")]
    );

    house.0.core.publish_picture(HOUSE, &mut out);
    let picture: Vec<_> = out.updates.iter().map(|it| (it.side, it.qty.0, it.orders)).collect();
    let buy = Buy.wire();
    let status = u32::from(paused);
    assert_eq!(
        picture,
        [(0, 0, status), (buy, 5, 1), (buy, 30, 1), (buy, 20, 1), (0, 0, status)],
        "clear, levels from the best, end"
    );
}

#[test]
fn what_cannot_trade_is_accepted_and_canceled() {
    let mut house = House::new();
    assert_eq!(
        house.market(BOB, Buy, 5),
        ["1 new -> new", "1 canceled 5 no_liquidity -> canceled"]
    );
    house.limit(ALICE, Sell, 10_000, 3, Gtc);
    assert_eq!(
        house.limit(BOB, Buy, 10_000, 5, Fok),
        ["3 new -> new", "3 canceled 5 fok -> canceled"]
    );
    assert_eq!(
        house.limit(BOB, Buy, 10_000, 5, Ioc),
        [
            "4 new -> new",
            "2 trade 3@10000 -> filled",
            "4 trade 3@10000 -> partially_filled",
            "4 canceled 2 ioc -> canceled",
        ]
    );
    assert_eq!(house.0.core.risk().open_orders(BOB), 0);
}

#[test]
fn a_market_order_goes_no_further_than_its_collar() {
    let mut house = House::new();
    // The collar is 10 % of 100.00: an offer at 110.01 is beyond it.
    house.limit(ALICE, Sell, 10_900, 3, Gtc);
    house.limit(ALICE, Sell, 11_001, 3, Gtc);
    assert_eq!(
        house.market(BOB, Buy, 5),
        [
            "3 new -> new",
            "1 trade 3@10900 -> filled",
            "3 trade 3@10900 -> partially_filled",
            "3 canceled 2 no_liquidity -> canceled",
        ]
    );
}

#[test]
fn a_replace_keeps_or_loses_its_place() {
    let mut house = quoted();
    assert_eq!(house.replace(ALICE, 3, 10_002, 8), ["3 replaced -> new"]);
    assert_eq!(house.replace(ALICE, 4, 10_002, 16), ["4 replaced -> new"]);
    assert_eq!(
        house.limit(BOB, Buy, 10_002, 9, Ioc),
        [
            "5 new -> new",
            "3 trade 8@10002 -> filled",
            "5 trade 8@10002 -> partially_filled",
            "4 trade 1@10002 -> partially_filled",
            "5 trade 1@10002 -> filled",
        ]
    );
    // OrderQty, the executed lot included, and a price that trades.
    assert_eq!(
        house.replace(ALICE, 4, 9_997, 56),
        [
            "4 replaced -> partially_filled",
            "1 trade 30@9998 -> filled",
            "4 trade 30@9998 -> partially_filled",
            "2 trade 20@9997 -> filled",
            "4 trade 20@9997 -> partially_filled",
        ]
    );
    assert_eq!(
        house.replace(ALICE, 4, 10_002, 51),
        ["4 cancel_reject -> partially_filled qty_below_executed: limit=51 value=51"]
    );
    assert_eq!(house.cancel(ALICE, 4), ["4 canceled 5 user -> canceled"]);
    assert_eq!(
        house.cancel(ALICE, 4),
        ["4 cancel_reject -> canceled too_late_to_cancel: limit=0 value=4"]
    );
    let exposure = house.0.core.risk().exposure(ALICE, HOUSE);
    assert_eq!(exposure.open_qty, [Lots(0), Lots(0)]);
}

#[test]
fn a_day_of_phases() {
    let mut house = House::new();
    assert_eq!(house.phase(Phase::PreOpen), [""; 0]);
    house.limit(ALICE, Buy, 10_005, 10, Gtc);
    house.limit(BOB, Sell, 9_995, 4, Day);
    house.limit(BOB, Sell, 10_010, 4, Day);
    let phase = Phase::PreOpen.wire();
    assert_eq!(
        house.limit(BOB, Sell, 10_000, 4, Ioc),
        [format!("4 rejected -> rejected phase: limit=0 value={phase}")]
    );
    house.phase(Phase::OpenAuction);
    assert_eq!(
        house.phase(Phase::Continuous),
        ["1 trade 4@10005 -> partially_filled", "2 trade 4@10005 -> filled"]
    );
    house.phase(Phase::CloseAuction);
    house.limit(ALICE, Buy, 10_010, 1, Day);
    assert_eq!(
        house.phase(Phase::Closed),
        [
            "5 trade 1@10010 -> filled",
            "3 trade 1@10010 -> partially_filled",
            "3 expired -> expired",
        ]
    );
    let closed = Phase::Closed.wire();
    assert_eq!(
        house.limit(ALICE, Buy, 10_010, 1, Gtc),
        [format!("6 rejected -> rejected phase: limit=0 value={closed}")]
    );
    assert_eq!(
        house.replace(ALICE, 1, 10_000, 8),
        [format!("1 cancel_reject -> partially_filled phase: limit=0 value={closed}")]
    );
    assert_eq!(
        lines(&house.0.command(Command::DayRoll)),
        ["1 done_for_day -> done_for_day", "1 restated -> partially_filled"]
    );
    assert_eq!(house.cancel(ALICE, 1), ["1 canceled 6 user -> canceled"]);
}

#[test]
fn a_day_that_ends_without_a_closing_ends_its_orders() {
    let mut house = quoted();
    assert_eq!(
        lines(&house.0.command(Command::DayRoll)),
        [
            "1 done_for_day -> done_for_day",
            "1 restated -> new",
            "2 done_for_day -> done_for_day",
            "2 restated -> new",
            "3 done_for_day -> done_for_day",
            "3 restated -> new",
            "4 expired -> expired",
        ]
    );
    // The market knows it as well.
    assert_eq!(
        house.limit(BOB, Buy, 10_002, 20, Ioc),
        [
            "5 new -> new",
            "3 trade 10@10002 -> filled",
            "5 trade 10@10002 -> partially_filled",
            "5 canceled 10 ioc -> canceled",
        ]
    );
}

/// As [`quoted`], and on paper a bid of Alice's that rests (5).
fn quoted_with_paper() -> House {
    let mut house = quoted();
    house.0.market(add(1, Buy, cents(9_990), 5));
    house.0.market(add(2, Sell, cents(10_010), 5));
    let order = new_order("paper", Buy, Some(cents(9_900)), 1, Gtc);
    let flags = FLAG_CANCEL_ON_DISCONNECT;
    let told = house.0.command(Command::NewOrder(NewOrder { flags, ..order }));
    assert_eq!(lines(&told), ["5 new -> new"]);
    house
}

#[test]
fn orders_leave_together() {
    let mass = |account, instrument, side| {
        Command::MassCancel(MassCancel { account, instrument, side, reserved: [0; 7] })
    };
    let check = |command: Command, ids: &[(u32, u64)], why: &str| {
        let expected: Vec<_> =
            ids.iter().map(|(id, qty)| format!("{id} canceled {qty} {why} -> canceled")).collect();
        let mut house = quoted_with_paper();
        assert_eq!(lines(&house.0.command(command)), expected, "{command:?}");
        let left: u32 = 5 - ids.len() as u32;
        assert_eq!(house.0.core.risk().open_orders(ALICE), left);
    };
    let all = [(1, 30), (2, 20), (3, 10), (4, 15)];
    check(mass(AccountId::NONE, HOUSE, 0), &all, "mass_cancel");
    check(mass(ALICE, HOUSE, Sell.wire()), &all[2..], "mass_cancel");
    check(mass(BOB, HOUSE, 0), &[], "mass_cancel");
    // What rests on paper is canceled before what rests in the house.
    let with_paper = [(5, 1), (1, 30), (2, 20), (3, 10), (4, 15)];
    check(mass(ALICE, InstrumentId::NONE, 0), &with_paper, "mass_cancel");
    let kill = KillSwitch::of(Scope::account(ALICE), true);
    check(Command::KillSwitch(kill), &with_paper, "kill_switch");
    check(Command::SessionClosed, &[(5, 1)], "disconnect");
}

#[test]
fn they_leave_in_the_order_of_their_places() {
    let mut house = quoted();
    // It gives up its place, and is now behind the others.
    assert_eq!(house.replace(ALICE, 1, 9_998, 31), ["1 replaced -> new"]);
    let flags = FLAG_CANCEL_ON_DISCONNECT;
    let order = NewOrder { flags, ..new_order("x", Buy, Some(cents(9_990)), 1, Gtc) };
    house.enter(order);
    assert_eq!(
        lines(&house.0.command(Command::SessionClosed)),
        ["5 canceled 1 disconnect -> canceled"]
    );
    let everything = MassCancel {
        account: ALICE,
        instrument: InstrumentId::NONE,
        side: Buy.wire(),
        reserved: [0; 7],
    };
    assert_eq!(
        lines(&house.0.command(Command::MassCancel(everything))),
        ["2 canceled 20 mass_cancel -> canceled", "1 canceled 31 mass_cancel -> canceled"]
    );
}

#[test]
fn what_is_asked_of_a_market_that_is_not_there_is_refused() {
    let mut house = House::new();
    let mut check = |command: Command, expected: Option<RejectReason>| {
        let events = house.0.command(command);
        let Some(Event::Ack(ack)) = events.last() else { panic!("{command:?} is answered") };
        assert_eq!(ack.reject().map(|reject| reject.reason), expected, "{command:?}");
    };
    let phase = |instrument, phase| {
        let due_at = UnixNanos::ZERO;
        Command::SetPhase(SetPhase { instrument, phase, reserved: [0; 3], due_at })
    };
    let reference = |instrument, price| {
        let price = Ticks(price);
        Command::SetReference(SetReference { price, instrument, reserved: [0; 4] })
    };
    check(phase(HOUSE, 0), Some(RejectReason::BadField));
    check(phase(HOUSE, 7), Some(RejectReason::BadField));
    check(phase(INSTRUMENT, 1), Some(RejectReason::NoMarket));
    check(phase(InstrumentId(2), 1), Some(RejectReason::UnknownInstrument));
    check(phase(InstrumentId::NONE, Phase::Halt.wire()), None);
    check(reference(INSTRUMENT, 100), Some(RejectReason::NoMarket));
    check(reference(HOUSE, 0), Some(RejectReason::BadPrice));
    check(reference(HOUSE, i64::MAX), Some(RejectReason::BadPrice));
    check(reference(HOUSE, 150), Some(RejectReason::Tick));
    check(reference(HOUSE, 200), None);
    assert_eq!(house.0.core.reference(HOUSE), Some(Ticks(200)));
}

/// What Bob's order becomes at the book of [`quoted`], and what follows. The market's own rules are tried elsewhere; here it
/// is seen that each term reaches it, and that its answers reach the order.
#[test]
fn every_term_reaches_the_market() {
    let check = |order: NewOrder, then: &[(Side, i64, u64)], expected: &[&str]| {
        let mut house = quoted();
        let mut told = house.enter(NewOrder { account: BOB, ..order });
        for &(side, price, qty) in then {
            told.extend(house.limit(ALICE, side, price, qty, Ioc));
        }
        // Of what Alice sent then nothing is said here.
        told.retain(|line| line.starts_with("5 "));
        assert_eq!(told, expected, "{order:?}");
    };
    let base = |side, price, qty| new_order("x", side, price, qty, Gtc);
    let of = |order_type: OrderType, order: NewOrder| NewOrder {
        order_type: order_type.wire(),
        ..order
    };
    let (buy, sell) = (base(Buy, None, 5), base(Sell, None, 5));
    let priced = |order: NewOrder, price| NewOrder { price: cents(price), ..order };
    let stopped = |order: NewOrder, stop| NewOrder { stop_price: cents(stop), ..order };
    let accepted = "5 new -> new";

    // Triggers: Alice trades with herself at 100.02, then at 99.98.
    let rise = (Buy, 10_002, 1);
    let fall = (Sell, 9_998, 1);
    let triggered = "5 triggered -> new";
    let bought = "5 trade 5@10002 -> filled";
    let sold = "5 trade 5@9998 -> filled";
    check(stopped(of(OrderType::Stop, buy), 10_002), &[fall, rise], &[accepted, triggered, bought]);
    check(stopped(of(OrderType::Stop, sell), 9_998), &[rise, fall], &[accepted, triggered, sold]);
    check(
        priced(stopped(of(OrderType::StopLimit, buy), 10_002), 10_001),
        &[rise],
        &[accepted, triggered],
    );
    check(
        stopped(of(OrderType::MarketIfTouched, buy), 9_998),
        &[rise, fall],
        &[accepted, triggered, bought],
    );
    check(
        priced(stopped(of(OrderType::LimitIfTouched, sell), 10_002), 9_999),
        &[fall, rise],
        &[accepted, triggered],
    );
    let trailing = |unit: TrailUnit, trail, order| NewOrder {
        trail,
        trail_unit: unit.wire(),
        ..of(OrderType::TrailingStop, order)
    };
    // Four cents, and 4 basis points of 100.02, which is five cents.
    check(
        trailing(TrailUnit::Ticks, 400, sell),
        &[rise, fall],
        &[accepted, triggered, "5 trade 5@9998 -> filled"],
    );
    check(trailing(TrailUnit::Ppm, 400, sell), &[rise, fall], &[accepted]);
    check(trailing(TrailUnit::Ppm, 300, sell), &[rise, fall], &[accepted, triggered, sold]);
    let limited = NewOrder {
        offset: cents(2),
        ..of(OrderType::TrailingStopLimit, trailing(TrailUnit::Ticks, 400, sell))
    };
    check(limited, &[rise, fall], &[accepted, triggered]);

    check(
        of(OrderType::MarketToLimit, base(Buy, None, 30)),
        &[],
        &[accepted, "5 trade 10@10002 -> partially_filled", "5 trade 15@10002 -> filled"]
            .map(|line| line.replace("-> filled", "-> partially_filled"))
            .each_ref()
            .map(String::as_str),
    );

    // Instructions.
    let post_only = |kind: PostOnly, order| NewOrder { post_only: kind.wire(), ..order };
    let limit = |price| base(Buy, Some(cents(price)), 5);
    let cross = limit(10_002);
    check(
        post_only(PostOnly::Reject, cross),
        &[],
        &["5 rejected -> rejected post_only_would_cross: limit=1000200 value=1000200"],
    );
    check(
        post_only(PostOnly::Slide, cross),
        &[(Sell, 10_001, 2)],
        &[accepted, "5 trade 2@10001 -> partially_filled"],
    );
    let iceberg = NewOrder { display_qty: Lots(2), ..limit(9_999) };
    check(
        iceberg,
        &[(Sell, 9_999, 3)],
        &[accepted, "5 trade 2@9999 -> partially_filled", "5 trade 1@9999 -> partially_filled"],
    );
    let hidden = NewOrder { flags: FLAG_HIDDEN, ..limit(9_999) };
    check(hidden, &[(Sell, 9_999, 3)], &[accepted, "5 trade 3@9999 -> partially_filled"]);
    let least = NewOrder { min_qty: Lots(4), ..limit(9_999) };
    check(
        least,
        &[(Sell, 9_999, 3), (Sell, 9_999, 4)],
        &[accepted, "5 trade 4@9999 -> partially_filled"],
    );
    let peg = |kind: PegKind, offset, order| NewOrder {
        peg: kind.wire(),
        offset: cents(offset),
        ..of(OrderType::Pegged, order)
    };
    check(
        peg(PegKind::Mid, 0, buy),
        &[(Sell, 10_000, 3)],
        &[accepted, "5 trade 3@10000 -> partially_filled"],
    );
    check(
        peg(PegKind::Primary, 1, buy),
        &[(Sell, 9_999, 3)],
        &[accepted, "5 trade 3@9999 -> partially_filled"],
    );
    check(
        peg(PegKind::Market, -1, priced(buy, 9_999)),
        &[(Sell, 10_000, 3), (Sell, 9_999, 1)],
        &[accepted, "5 trade 1@9999 -> partially_filled"],
    );
}

#[test]
fn an_account_does_not_trade_with_itself_if_it_says_so() {
    let check = |instruction: SelfTrade, expected: &[&str]| {
        let mut house = quoted();
        let order = new_order("x", Buy, Some(cents(10_002)), 12, Gtc);
        let told = house.enter(NewOrder { self_trade: instruction.wire(), ..order });
        assert_eq!(told, expected, "{instruction}");
    };
    check(SelfTrade::CancelNewest, &["5 new -> new", "5 canceled 12 self_trade -> canceled"]);
    check(
        SelfTrade::CancelOldest,
        &[
            "5 new -> new",
            "3 canceled 10 self_trade -> canceled",
            "4 canceled 15 self_trade -> canceled",
        ],
    );
    check(
        SelfTrade::CancelBoth,
        &[
            "5 new -> new",
            "3 canceled 10 self_trade -> canceled",
            "5 canceled 12 self_trade -> canceled",
        ],
    );
    check(
        SelfTrade::Decrement,
        &[
            "5 new -> new",
            "3 canceled 10 self_trade -> canceled",
            "5 restated -> new",
            "4 restated -> new",
            "5 canceled 2 self_trade -> canceled",
        ],
    );
}

#[test]
fn a_limit_that_the_market_gives_is_the_orders() {
    let mut house = quoted();
    let mtl = NewOrder {
        account: BOB,
        order_type: OrderType::MarketToLimit.wire(),
        ..new_order("x", Buy, None, 40, Gtc)
    };
    house.enter(mtl);
    let slide = NewOrder {
        account: BOB,
        post_only: PostOnly::Slide.wire(),
        ..new_order("x", Sell, Some(cents(9_100)), 1, Gtc)
    };
    // The rest of Bob's market-to-limit order is the best bid now: 100.02.
    house.enter(slide);
    let price = |id: usize| {
        let found = house.0.core.oms().open_orders(BOB).nth(id);
        found.map(|(_, order)| (order.order_id.0, order.price, order.leaves_qty().0))
    };
    assert_eq!(price(0), Some((5, cents(10_002), 15)));
    assert_eq!(price(1), Some((6, cents(10_003), 1)));
}

#[test]
fn orders_without_a_limit_go_no_further_than_their_collar() {
    // The bounds around 100.00 are 110.00 and 90.00.
    let check = |order: NewOrder, offer: i64, expected: &[&str]| {
        let mut house = House::new();
        house.limit(ALICE, Sell, offer, 3, Gtc);
        assert_eq!(house.enter(NewOrder { account: BOB, ..order }), expected, "{order:?} {offer}");
    };
    let of = |order_type: OrderType| NewOrder {
        order_type: order_type.wire(),
        ..new_order("x", Buy, None, 3, Gtc)
    };
    let fills = |price: i64| {
        vec![
            "2 new -> new".to_string(),
            format!("1 trade 3@{price} -> filled"),
            format!("2 trade 3@{price} -> filled"),
        ]
    };
    let none = ["2 new -> new", "2 canceled 3 no_liquidity -> canceled"];
    for order_type in [OrderType::Market, OrderType::MarketToLimit] {
        let filled = fills(11_000);
        check(of(order_type), 11_000, &filled.iter().map(String::as_str).collect::<Vec<_>>());
        check(of(order_type), 11_001, &none);
    }
    let peg = NewOrder { peg: PegKind::Market.wire(), ..of(OrderType::Pegged) };
    let filled = fills(11_000);
    check(peg, 11_000, &filled.iter().map(String::as_str).collect::<Vec<_>>());
    check(peg, 11_001, &none[..1]);
    // It waits for 105.00, and stops 10 % above that.
    let stop = NewOrder { stop_price: cents(10_500), ..of(OrderType::Stop) };
    for (offer, trades) in [(11_550, true), (11_551, false)] {
        let mut house = House::new();
        house.limit(ALICE, Sell, 10_500, 1, Gtc);
        house.limit(ALICE, Sell, offer, 3, Gtc);
        house.enter(NewOrder { account: BOB, ..stop });
        let told = house.limit(ALICE, Buy, 10_500, 1, Ioc);
        let filled = told.contains(&format!("3 trade 3@{offer} -> filled"));
        assert_eq!(filled, trades, "{offer}: {told:?}");
    }
}

#[test]
fn orders_that_wait_and_pegs_are_replaced_with_their_own_terms() {
    let check = |order: NewOrder, replace: (i64, u64, i64), expected: &str| {
        let mut house = quoted();
        house.enter(NewOrder { account: BOB, ..order });
        let (price, qty, stop) = replace;
        let told = lines(&house.0.command(Command::ReplaceOrder(ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(5),
            account: BOB,
            reserved: [0; 4],
            qty: Lots(qty),
            price: cents(price),
            stop_price: cents(stop),
        })));
        assert_eq!(told[0], expected, "{order:?} {replace:?}");
    };
    let of = |order_type: OrderType, stop: i64| NewOrder {
        order_type: order_type.wire(),
        stop_price: cents(stop),
        ..new_order("x", Buy, None, 5, Gtc)
    };
    let done = "5 replaced -> new";
    let bad = |value: i64| format!("5 cancel_reject -> new bad_field: limit=0 value={value}");
    let stop = of(OrderType::Stop, 10_010);
    check(stop, (0, 7, 0), done);
    check(stop, (0, 5, 10_020), done);
    check(stop, (10_000, 5, 0), &bad(1_000_000));
    let stop_limit = NewOrder { price: cents(10_020), ..of(OrderType::StopLimit, 10_010) };
    check(stop_limit, (10_015, 5, 0), done);
    check(stop_limit, (0, 5, 0), "5 cancel_reject -> new bad_price: limit=0 value=0");
    // Its collar is around its stop price, not around the market.
    check(stop_limit, (11_050, 5, 10_050), done);
    check(
        stop_limit,
        (11_060, 5, 10_050),
        "5 cancel_reject -> new price_collar: limit=1105500 value=1106000",
    );
    let peg = NewOrder { peg: PegKind::Primary.wire(), ..of(OrderType::Pegged, 0) };
    check(peg, (10_000, 5, 0), done);
    check(NewOrder { price: cents(9_990), ..peg }, (0, 6, 0), done);
    check(peg, (0, 5, 10_000), &bad(1_000_000));
    let limit = NewOrder { price: cents(9_990), ..of(OrderType::Limit, 0) };
    check(limit, (9_991, 5, 10_000), &bad(1_000_000));
    // Once triggered it is a market or limit order like any other: 100.00 is no trade, but the stop price is reached at once.
    let reached = NewOrder { price: cents(9_990), ..of(OrderType::LimitIfTouched, 10_000) };
    check(reached, (9_991, 5, 10_000), done);
}

#[test]
fn good_till_date_ends_when_its_time_comes() {
    let mut house = quoted();
    let expire_at = UnixNanos(house.0.now.0 + 100);
    for (qty, late) in [(1, 0), (2, 50), (3, 0)] {
        let expire_at = UnixNanos(expire_at.0 + late);
        let gtd = new_order("x", Buy, Some(cents(9_990)), qty, TimeInForce::Gtd);
        house.enter(NewOrder { expire_at, ..gtd });
    }
    house.cancel(ALICE, 7);
    assert_eq!(house.0.core.next_due(), Some(expire_at));
    assert_eq!(lines(&house.0.pass(99)), [""; 0]);
    // Any input that comes then or later brings it about, before it is applied itself.
    house.0.now = expire_at;
    assert_eq!(
        house.limit(BOB, Sell, 9_990, 100, Ioc)[..2],
        ["5 expired -> expired", "8 new -> new"]
    );
    assert_eq!(lines(&house.0.pass(1_000)), [""; 0], "7 was canceled and 6 was filled");
    assert_eq!(house.0.core.next_due(), None);
}

#[test]
fn orders_for_an_auction_trade_in_it_or_end() {
    let mut house = House::new();
    house.phase(Phase::PreOpen);
    let at = |life: TimeInForce, side, price: Option<i64>, qty| NewOrder {
        account: if side == Buy { ALICE } else { BOB },
        ..new_order("x", side, price.map(cents), qty, life)
    };
    house.enter(at(TimeInForce::AtTheOpen, Buy, None, 5));
    house.enter(at(TimeInForce::AtTheOpen, Sell, Some(10_000), 8));
    house.enter(at(TimeInForce::AtTheClose, Sell, Some(10_000), 8));
    assert_eq!(
        house.phase(Phase::Continuous),
        [
            "1 trade 5@10000 -> filled",
            "2 trade 5@10000 -> partially_filled",
            "2 expired -> expired",
        ]
    );
    house.enter(at(TimeInForce::AtTheClose, Buy, None, 3));
    house.phase(Phase::CloseAuction);
    assert_eq!(
        house.phase(Phase::Closed),
        [
            "4 trade 3@10000 -> filled",
            "3 trade 3@10000 -> partially_filled",
            "3 expired -> expired",
        ]
    );
}

#[test]
fn a_term_that_is_not_assigned_is_refused_at_the_gate() {
    let mut house = House::new();
    let plain = new_order("x", Buy, Some(cents(10_000)), 5, Gtc);
    for order in [
        NewOrder { peg: 9, ..plain },
        NewOrder { post_only: 9, ..plain },
        NewOrder { self_trade: 9, ..plain },
        NewOrder { trail_unit: 9, ..plain },
    ] {
        assert_eq!(
            house.enter(order),
            ["0 rejected -> rejected bad_field: limit=0 value=9"],
            "{order:?}"
        );
    }
}

#[test]
fn a_market_without_a_price_takes_no_order() {
    let mut house = House(Desk::new(0));
    house.0.command(Command::DefineInstrument(terms()));
    assert_eq!(
        house.limit(ALICE, Buy, 10_000, 1, Gtc),
        ["0 rejected -> rejected no_reference_price: limit=0 value=0"]
    );
}

#[test]
fn no_feed_tells_of_a_market_of_the_house() {
    let mut house = quoted();
    let definition = market::Definition {
        channel_id: 8,
        symbol: terms().symbol,
        ..definition().definition().expect("it is one")
    };
    house.0.market(definition.into_event());
    assert_eq!(house.0.core.counters().unbound_events, 1);
    house.0.market(MarketEvent { channel_id: 8, ..add(9, Sell, cents(9_000), 5) });
    assert_eq!(house.0.core.counters().unbound_events, 2);
    house.0.market(market(MarketEventKind::Gap, 0));
    assert_eq!(house.market(BOB, Buy, 1)[1], "3 trade 1@10002 -> partially_filled");
}

/// Amounts near the end of the integers: what cannot be booked for both is booked for neither.
#[test]
fn a_trade_that_cannot_be_booked_is_none() {
    let mut house = House::new();
    // A lot of it is worth 1.5625e7 a tick; the limits let everything pass.
    let dear = Instrument {
        symbol: Symbol::new("DEAR").expect("valid"),
        tick_size_nano: 1_000_000_000,
        multiplier_nano: 15_625_000_000_000_000,
        order_tick: Ticks(1),
        ..terms()
    };
    house.0.command(Command::DefineInstrument(dear));
    let dear = InstrumentId(2);
    let price = Ticks(10_000);
    let set = SetReference { price, instrument: dear, reserved: [0; 4] };
    house.0.command(Command::SetReference(set));
    for account in [ALICE, BOB] {
        house.0.agreed(Command::SetLimits(SetLimits {
            max_order_notional: Money(i128::MAX),
            credit: Money(1 << 120),
            max_order_qty: Lots(u64::MAX),
            max_position: Lots(u64::MAX),
            ..limits(account)
        }));
    }
    let order = |name: &str, account, side, qty| NewOrder {
        account,
        instrument: dear,
        ..new_order(name, side, Some(price), qty, Gtc)
    };
    // 40 lots are worth 6.25e30, which is more than a quarter of what one position may cost.
    house.0.command(Command::NewOrder(order("a", ALICE, Sell, 40)));
    assert_eq!(
        lines(&house.0.command(Command::NewOrder(order("b", BOB, Buy, 50)))),
        ["2 new -> new", "1 canceled 40 cannot_book -> canceled", "2 restated -> new",]
    );
    assert_eq!(house.0.core.oms().position(BOB, dear).qty, 0);
    assert_eq!(house.0.core.risk().exposure(BOB, dear).open_qty, [Lots(10), Lots(0)]);
    assert_eq!(
        lines(&house.0.command(Command::NewOrder(order("c", ALICE, Sell, 10)))),
        ["3 new -> new", "2 trade 10@100 -> filled", "3 trade 10@100 -> filled"]
    );
}
