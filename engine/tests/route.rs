//! The live route in the state machine: what leaves, what comes back, what a break leaves unknown, and that a replay knows
//! all of it.

mod support;
use support::*;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_model::command::TimeInForce::{Day, Gtc};
use tidegate_model::command::*;
use tidegate_model::event::{Event, RouteDifferenceKind};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

const ROUTE: u8 = 2;
const PRICE: Ticks = cents_of(10_000);

const fn cents_of(cents: i64) -> Ticks {
    Ticks(cents * 100)
}

/// A desk whose one instrument is routed; every input is kept, to be replayed.
struct Near {
    desk: Desk,
    inputs: Vec<Kept>,
    at: usize,
}

enum Kept {
    Market(MarketEvent),
    Command(CommandRecord),
}

/// What left, in short.
fn short(request: &RoutedRequest) -> String {
    let of = |name: &str, order: &RoutedOrder| {
        format!("{name} {}.{} {}@{}", order.order_id, order.attempt, order.qty, order.price.0 / 100)
    };
    match &request.kind {
        RoutedKind::Begin { cursor } => format!("begin {}", cursor[0]),
        RoutedKind::End => "end".into(),
        RoutedKind::Query(order) => of("query", order),
        RoutedKind::New(order) => of("new", order),
        RoutedKind::Cancel(order) => of("cancel", order),
        RoutedKind::Replace(order) => of("replace", order),
    }
}

impl Near {
    fn new() -> Self {
        let core = Core::new(configure(0)).expect("the sizes are allowed");
        let desk = Desk { core, out: Collected::default(), now: UnixNanos(1_000), names: 0 };
        let mut near = Self { desk, inputs: Vec::new(), at: 0 };
        near.tell(Command::Configure(configure(0)));
        let terms = Instrument::us_equity(Symbol::new("ACME").expect("valid"));
        let routed = Instrument { venue_kind: venue_kind::ROUTE, route: ROUTE, ..terms };
        near.tell(Command::DefineInstrument(routed));
        for command in setup_commands() {
            near.tell(command);
        }
        // The gate asks for a price to compare with.
        for event in
            [definition(), add(1, Side::Buy, PRICE, 500), add(2, Side::Sell, cents(10_001), 500)]
        {
            let event = MarketEvent { ts_recv: near.desk.now, ts_event: near.desk.now, ..event };
            near.desk.market(event);
            near.inputs.push(Kept::Market(event));
        }
        near
    }

    /// One that is connected.
    fn up() -> Self {
        let mut near = Self::new();
        near.link(RouteLink::Reconciling);
        near.link(RouteLink::Up);
        near.left();
        near
    }

    fn tell(&mut self, command: Command) -> Vec<String> {
        let mut record = CommandRecord::new(command);
        record.ts_recv = self.desk.now;
        record.session = SessionId(5);
        self.inputs.push(Kept::Command(record));
        let events = self.desk.command(command);
        let mut told = lines(&events);
        for event in events {
            match event {
                Event::RouteDifference(difference) => {
                    let kind = RouteDifferenceKind::from_wire(difference.kind).expect("known");
                    told.push(format!("{kind} {}/{}", difference.here, difference.there));
                }
                Event::Ack(ack) if ack.reject_reason != 0 => {
                    told.push(ack.reject().expect("a reject").reason.to_string());
                }
                _ => {}
            }
        }
        told
    }

    fn link(&mut self, link: RouteLink) -> Vec<String> {
        let cursor = [9, 0];
        let link = link.wire();
        self.tell(Command::RouteStatus(RouteStatus {
            cursor,
            route: ROUTE,
            link,
            reserved: [0; 6],
        }))
    }

    fn order(&mut self, side: Side, qty: u64) -> Vec<String> {
        self.desk.names += 1;
        let name = format!("order-{}", self.desk.names);
        let price = Some(PRICE);
        self.tell(Command::NewOrder(new_order(&name, side, price, qty, Gtc)))
    }

    fn cancel(&mut self, order_id: u64) -> Vec<String> {
        self.tell(Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order_id),
            account: ACCOUNT,
            reserved: [0; 4],
        }))
    }

    fn replace(&mut self, order_id: u64, qty: u64) -> Vec<String> {
        self.tell(Command::ReplaceOrder(ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order_id),
            account: ACCOUNT,
            reserved: [0; 4],
            qty: Lots(qty),
            price: PRICE,
            stop_price: Ticks::ZERO,
        }))
    }

    fn report(&mut self, kind: RouteReportKind, order_id: u64, more: RouteReport) -> Vec<String> {
        let report = RouteReport {
            order_id: OrderId(order_id),
            kind: kind.wire(),
            route: ROUTE,
            price: PRICE,
            ..more
        };
        self.tell(Command::RouteReport(report))
    }

    fn fill(&mut self, order_id: u64, qty: u64, cum_qty: u64) -> Vec<String> {
        let more = RouteReport { qty: Lots(qty), cum_qty: Lots(cum_qty), ..blank() };
        self.report(RouteReportKind::Executed, order_id, more)
    }

    fn position(&mut self, qty: i64) -> Vec<String> {
        let symbol = Symbol::new("ACME").expect("valid");
        let told = RoutePosition { symbol, qty, route: ROUTE, reserved: [0; 7] };
        self.tell(Command::RoutePosition(told))
    }

    /// What has left since it was last asked.
    fn left(&mut self) -> Vec<String> {
        let routed = &self.desk.out.routed;
        for (at, request) in routed.iter().enumerate() {
            assert_eq!(request.number, at as u64 + 1, "numbered without gap");
        }
        let left = routed[self.at..].iter().map(short).collect();
        self.at = routed.len();
        left
    }

    fn held(&self) -> i64 {
        self.desk.core.oms().position(ACCOUNT, INSTRUMENT).qty
    }

    /// A fresh state machine on the same inputs is in the same state and lets the same leave.
    fn check_replay(&self) {
        let mut core = Core::new(configure(0)).expect("the sizes are allowed");
        let mut out = Collected::default();
        for input in &self.inputs {
            let input = match input {
                Kept::Market(event) => Input::Market(event),
                Kept::Command(command) => Input::Command(command),
            };
            core.apply(core.seq().next(), input, &mut out);
        }
        assert_eq!(core.state_hash(), self.desk.core.state_hash());
        assert_eq!(out.routed, self.desk.out.routed);
    }
}

fn blank() -> RouteReport {
    bytemuck::Zeroable::zeroed()
}

fn terms(qty: u64) -> RouteReport {
    RouteReport { qty: Lots(qty), ..blank() }
}

#[test]
fn an_order_goes_there_and_back() {
    let mut near = Near::up();
    assert_eq!(near.order(Side::Buy, 100), ["1 pending_new -> pending_new"]);
    assert_eq!(near.left(), ["new 1.0 100@10000"]);
    assert_eq!(near.report(RouteReportKind::Accepted, 1, blank()), ["1 new -> new"]);
    assert_eq!(near.fill(1, 40, 40), ["1 trade 40@10000 -> partially_filled"]);
    assert_eq!(near.fill(1, 40, 40), [] as [&str; 0], "told again");
    assert_eq!(near.replace(1, 80), ["1 pending_replace -> pending_replace"]);
    assert_eq!(near.left(), ["replace 1.1 80@10000"]);
    let replaced = near.report(RouteReportKind::Replaced, 1, terms(80));
    assert_eq!(replaced, ["1 replaced -> partially_filled"]);
    assert_eq!(near.cancel(1), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(near.left(), ["cancel 1.2 80@10000"]);
    assert_eq!(
        near.report(RouteReportKind::Canceled, 1, blank()),
        ["1 canceled 40 user -> canceled"]
    );
    assert_eq!(near.fill(1, 10, 50), ["1 trade 10@10000 -> canceled"], "told late");
    assert_eq!((near.held(), near.desk.core.routes().all()[2].open), (50, 0));
    near.check_replay();
}

#[test]
fn refusals_of_the_venue_are_told() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    let code = RouteReport { code: 86, ..blank() };
    let rejected = near.report(RouteReportKind::Rejected, 1, code);
    assert_eq!(rejected, ["1 rejected -> rejected route_refused: limit=2 value=86"]);
    near.order(Side::Buy, 100);
    near.report(RouteReportKind::Accepted, 2, blank());
    near.replace(2, 50);
    near.cancel(2);
    let refused =
        near.report(RouteReportKind::ReplaceRejected, 2, RouteReport { attempt: 1, ..blank() });
    assert_eq!(refused, ["2 cancel_reject -> pending_cancel route_refused: limit=2 value=0"]);
    let refused =
        near.report(RouteReportKind::CancelRejected, 2, RouteReport { attempt: 2, ..blank() });
    assert_eq!(refused, ["2 cancel_reject -> new route_refused: limit=2 value=0"]);
    near.check_replay();
}

#[test]
fn while_the_link_is_down_orders_are_refused_and_cancels_wait() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.report(RouteReportKind::Accepted, 1, blank());
    near.left();
    near.link(RouteLink::Down);
    assert_eq!(near.order(Side::Sell, 10), ["0 rejected -> rejected route_down: limit=0 value=2"]);
    assert_eq!(near.replace(1, 50), ["1 cancel_reject -> new route_down: limit=0 value=2"]);
    assert_eq!(near.cancel(1), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(near.left(), [] as [&str; 0]);
    near.link(RouteLink::Reconciling);
    assert_eq!(near.left(), ["begin 9", "query 1.0 100@10000", "end"]);
    near.report(RouteReportKind::Found, 1, terms(100));
    near.link(RouteLink::Up);
    assert_eq!(near.left(), ["cancel 1.1 100@10000"]);
    near.check_replay();
}

#[test]
fn what_left_without_an_answer_never_leaves_again() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.order(Side::Buy, 200);
    near.left();
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    assert_eq!(near.left(), ["begin 9", "query 1.0 100@10000", "query 2.0 200@10000", "end"]);
    assert_eq!(near.report(RouteReportKind::Found, 1, terms(100)), ["1 new -> new"]);
    assert_eq!(
        near.report(RouteReportKind::Missing, 2, blank()),
        ["2 canceled 200 lost_at_venue -> canceled", "lost_order 0/0"]
    );
    near.link(RouteLink::Up);
    assert_eq!(near.left(), [] as [&str; 0]);
    // It arrived after all: it is canceled there, and what it did is booked.
    assert_eq!(near.report(RouteReportKind::Accepted, 2, blank()), ["late_order 0/0"]);
    assert_eq!(near.left(), ["cancel 2.0 200@10000"]);
    assert_eq!(near.fill(2, 5, 5), ["2 trade 5@10000 -> canceled"]);
    assert_eq!(near.held(), 5);
    near.check_replay();
}

#[test]
fn a_lost_replace_is_settled_by_what_the_venue_has() {
    for (there, told) in
        [(50, "1 replaced -> new"), (100, "1 cancel_reject -> new route_down: limit=0 value=2")]
    {
        let mut near = Near::up();
        near.order(Side::Buy, 100);
        near.report(RouteReportKind::Accepted, 1, blank());
        near.replace(1, 50);
        near.link(RouteLink::Down);
        near.link(RouteLink::Reconciling);
        assert_eq!(near.report(RouteReportKind::Found, 1, terms(there)), [told]);
        near.check_replay();
    }
}

#[test]
fn positions_that_differ_block_until_an_operator_confirms() {
    let mut near = Near::up();
    assert_eq!(near.position(30), ["position 0/30"]);
    assert_eq!(
        near.order(Side::Buy, 10),
        ["0 rejected -> rejected route_blocked: limit=30 value=0"]
    );
    near.tell(Command::ConfirmPosition(ConfirmPosition {
        instrument: INSTRUMENT,
        reserved: [0; 4],
    }));
    assert_eq!(near.order(Side::Buy, 10), ["1 pending_new -> pending_new"]);
    near.fill(1, 10, 10);
    assert_eq!(near.position(40), [] as [&str; 0]);
    near.check_replay();
}

#[test]
fn an_execution_that_cannot_be_booked_is_shown_and_blocks() {
    // Quantity, CumQty of the second execution of an order of 100, of which 40 are executed.
    for (qty, cum_qty) in [(10, 60), (61, 101), (0, 45), (u64::MAX, u64::MAX)] {
        let mut near = Near::up();
        near.order(Side::Buy, 100);
        near.fill(1, 40, 40);
        let told = near.fill(1, qty, cum_qty);
        assert!(told[0].starts_with("execution 40/"), "{told:?}");
        assert_eq!(near.held(), 40);
        assert!(near.order(Side::Buy, 1)[0].contains("route_blocked"));
        near.check_replay();
    }
}

#[test]
fn reports_that_cannot_be_are_refused() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    let report = |kind: u8, route: u8, order_id: u64| {
        let order_id = OrderId(order_id);
        Command::RouteReport(RouteReport { kind, route, order_id, ..blank() })
    };
    for (command, reason) in [
        (report(0, ROUTE, 1), "bad_route"),
        (report(200, ROUTE, 1), "bad_route"),
        (report(1, 16, 1), "bad_route"),
        (report(1, ROUTE + 1, 1), "unknown_order"),
        (report(1, ROUTE, 77), "unknown_order"),
        (report(RouteReportKind::Missing.wire(), ROUTE, 1), "bad_route"),
    ] {
        assert_eq!(near.tell(command), [reason], "{command:?}");
    }
    assert_eq!(near.link(RouteLink::Up), ["bad_route"], "only after reconciliation");
    near.check_replay();
}

#[test]
fn orders_that_a_route_does_not_take() {
    let mut near = Near::up();
    let order = || new_order("n", Side::Buy, Some(PRICE), 10, Day);
    for unsupported in [
        NewOrder { flags: FLAG_HIDDEN, ..order() },
        NewOrder { post_only: PostOnly::Reject.wire(), ..order() },
        NewOrder { display_qty: Lots(1), ..order() },
        NewOrder { min_qty: Lots(1), ..order() },
        NewOrder { time_in_force: TimeInForce::AtTheOpen.wire(), ..order() },
    ] {
        let told = near.tell(Command::NewOrder(unsupported));
        assert!(told[0].contains("unsupported_by_venue"), "{told:?}");
    }
    assert_eq!(near.left(), [] as [&str; 0]);
}
