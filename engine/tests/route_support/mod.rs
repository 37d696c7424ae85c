//! A desk whose one instrument is routed, and short words for what leaves and comes back.
#![allow(dead_code, reason = "each test file uses its own part")]

use super::support::*;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::*;
use tidegate_model::event::{Event, RouteDifferenceKind};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

pub const ROUTE: u8 = 2;
pub const PRICE: Ticks = cents_of(10_000);

const fn cents_of(cents: i64) -> Ticks {
    Ticks(cents * 100)
}

/// A desk whose one instrument is routed; every input is kept, to be replayed.
pub struct Near {
    pub desk: Desk,
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
    pub fn new() -> Self {
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
    pub fn up() -> Self {
        let mut near = Self::new();
        near.link(RouteLink::Reconciling);
        near.link(RouteLink::Up);
        near.left();
        near
    }

    pub fn tell(&mut self, command: Command) -> Vec<String> {
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

    pub fn link(&mut self, link: RouteLink) -> Vec<String> {
        let cursor = [9, 0];
        let link = link.wire();
        self.tell(Command::RouteStatus(RouteStatus {
            cursor,
            route: ROUTE,
            link,
            reserved: [0; 6],
        }))
    }

    pub fn order(&mut self, side: Side, qty: u64) -> Vec<String> {
        self.desk.names += 1;
        let name = format!("order-{}", self.desk.names);
        let price = Some(PRICE);
        self.tell(Command::NewOrder(new_order(&name, side, price, qty, Gtc)))
    }

    /// A list under a fresh number.
    pub fn list(&mut self, kind: Contingency, legs: &[NewOrder]) -> Vec<String> {
        self.desk.names += 1;
        let list_id = self.desk.names as u32;
        let mut told = self.tell(Command::NewList(NewList {
            account: ACCOUNT,
            list_id,
            contingency: kind.wire(),
            leg_count: legs.len() as u8,
            reserved: [0; 6],
        }));
        for (at, leg) in legs.iter().enumerate() {
            let name = ClientOrderId::new(&format!("list-{list_id}-{at}")).expect("valid");
            let leg = NewOrder { client_order_id: name, list_id, leg: at as u8 + 1, ..*leg };
            told.extend(self.tell(Command::NewOrder(leg)));
        }
        told
    }

    /// Somebody trades, hidden from the book.
    pub fn trade(&mut self, at_cents: i64) -> Vec<String> {
        let kind = tidegate_model::market::MarketEventKind::Trade;
        let event = MarketEvent { price: cents(at_cents), qty: Lots(1), ..market(kind, 0) };
        let event = MarketEvent { ts_recv: self.desk.now, ts_event: self.desk.now, ..event };
        self.inputs.push(Kept::Market(event));
        lines(&self.desk.market(event))
    }

    pub fn cancel(&mut self, order_id: u64) -> Vec<String> {
        self.tell(cancel_of(order_id))
    }

    pub fn replace(&mut self, order_id: u64, qty: u64) -> Vec<String> {
        self.tell(replace_of(order_id, qty))
    }

    pub fn report(
        &mut self,
        kind: RouteReportKind,
        order_id: u64,
        more: RouteReport,
    ) -> Vec<String> {
        let report = RouteReport {
            order_id: OrderId(order_id),
            kind: kind.wire(),
            route: ROUTE,
            price: PRICE,
            ..more
        };
        self.tell(Command::RouteReport(report))
    }

    pub fn fill(&mut self, order_id: u64, qty: u64, cum_qty: u64) -> Vec<String> {
        let more = RouteReport { qty: Lots(qty), cum_qty: Lots(cum_qty), ..blank() };
        self.report(RouteReportKind::Executed, order_id, more)
    }

    pub fn position(&mut self, qty: i64) -> Vec<String> {
        let symbol = Symbol::new("ACME").expect("valid");
        let told = RoutePosition { symbol, qty, route: ROUTE, reserved: [0; 7] };
        self.tell(Command::RoutePosition(told))
    }

    /// What has left since it was last asked.
    pub fn left(&mut self) -> Vec<String> {
        let routed = &self.desk.out.routed;
        for (at, request) in routed.iter().enumerate() {
            assert_eq!(request.number, at as u64 + 1, "numbered without gap");
        }
        let left = routed[self.at..].iter().map(short).collect();
        self.at = routed.len();
        left
    }

    pub fn held(&self) -> i64 {
        self.desk.core.oms().position(ACCOUNT, INSTRUMENT).qty
    }

    /// The orders that are open.
    pub fn open(&self) -> Vec<u64> {
        let oms = self.desk.core.oms();
        let mut open = Vec::new();
        let mut next = oms.first_open(ACCOUNT);
        while let Some(slot) = next {
            next = oms.next_open(ACCOUNT, slot);
            open.push(oms.order(slot).order_id.0);
        }
        open
    }

    /// The engine is killed, and started again on its journal.
    pub fn restart(&mut self) {
        self.desk.core = self.replayed();
    }

    /// A fresh state machine on the same inputs is in the same state and lets the same leave.
    pub fn check_replay(&self) {
        self.replayed();
    }

    fn replayed(&self) -> Core {
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
        core
    }
}

/// An entry at [`PRICE`], a take profit at the same, and a stop loss a dollar away.
pub fn bracket(side: Side, qty: u64) -> [NewOrder; 3] {
    let exit = side.opposite();
    let stop_price = match side {
        Side::Buy => cents(9_900),
        Side::Sell => cents(10_100),
    };
    let order_type = OrderType::Stop.wire();
    let stop = NewOrder { order_type, stop_price, ..new_order("stop", exit, None, qty, Gtc) };
    let limit = |side| new_order("limit", side, Some(PRICE), qty, Gtc);
    [limit(side), limit(exit), stop]
}

pub fn blank() -> RouteReport {
    bytemuck::Zeroable::zeroed()
}

pub fn terms(qty: u64) -> RouteReport {
    RouteReport { qty: Lots(qty), ..blank() }
}

pub fn cancel_of(order_id: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        client_order_id: ClientOrderId::EMPTY,
        order_id: OrderId(order_id),
        account: ACCOUNT,
        reserved: [0; 4],
    })
}

pub fn replace_of(order_id: u64, qty: u64) -> Command {
    Command::ReplaceOrder(ReplaceOrder {
        client_order_id: ClientOrderId::EMPTY,
        order_id: OrderId(order_id),
        account: ACCOUNT,
        reserved: [0; 4],
        qty: Lots(qty),
        price: PRICE,
        stop_price: Ticks::ZERO,
    })
}
