//! Events through the library of patterns, one thread; the unit is one event. 40,000 orders of 1,000 accounts in 100
//! instruments, told as an engine tells them: all pass, three of ten are executed, two are replaced, and all that is left is
//! canceled. Beside it the same events are read from their bytes, which whoever hears them over gRPC does first.

#![allow(missing_docs, reason = "a bench")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use std::hint::black_box;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelReason, Event, EventPosition, ExecType, OrdStatus, OrderReport, OrderType,
    PositionReport, Side,
};
use tidegate_surveillance::{Settings, Surveillance};

const ORDERS: u64 = 40_000;
const ACCOUNTS: u64 = 1_000;
const SYMBOLS: u64 = 100;
/// Time between two orders: 50,000 a second.
const APART_NS: u64 = 20_000;

struct Engine {
    events: Vec<Event>,
    seq: u64,
}

impl Engine {
    fn tell(&mut self, report: &OrderReport, ordinal: u32, body: Body) {
        self.events.push(Event {
            position: Some(EventPosition { seq: self.seq, ordinal }),
            ts: 1_790_000_000_000_000_000 + self.seq * APART_NS,
            request_id: self.seq,
            session: report.account % 16,
            principal: 1 + report.account % 64,
            account: Some(report.account),
            symbol: report.symbol.clone(),
            body: Some(body),
            ..Default::default()
        });
    }

    fn report(&mut self, report: &mut OrderReport, kind: ExecType, status: OrdStatus) {
        self.seq += 1;
        report.exec_type = kind.into();
        report.ord_status = status.into();
        self.tell(report, 0, Body::Execution(report.clone()));
    }
}

fn events() -> Vec<Event> {
    let mut engine = Engine { events: Vec::new(), seq: 0 };
    for n in 0..ORDERS {
        // Spread without a pattern that the patterns would find.
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let price = |away: u64| format!("{}.{:02}", 100 + mixed % 7, (mixed / 7 + away) % 100);
        let mut order = OrderReport {
            order_id: n + 1,
            client_order_id: format!("order-{n:020}"),
            account: (mixed % ACCOUNTS) as u32,
            symbol: format!("SYM{}", (mixed / ACCOUNTS) % SYMBOLS),
            side: if mixed & 1 == 0 { Side::Buy } else { Side::Sell }.into(),
            order_type: OrderType::Limit.into(),
            qty: (100 + mixed % 900).to_string(),
            leaves_qty: (100 + mixed % 900).to_string(),
            cum_qty: "0".into(),
            last_qty: "0".into(),
            price: price(0),
            currency: "USD".into(),
            fee: "0.00".into(),
            ..Default::default()
        };
        engine.report(&mut order, ExecType::PendingNew, OrdStatus::PendingNew);
        engine.report(&mut order, ExecType::New, OrdStatus::New);
        if n % 10 < 3 {
            order.last_qty = "100".into();
            order.last_price = order.price.clone();
            order.cum_qty = "100".into();
            order.leaves_qty = (1 + mixed % 900).to_string();
            engine.report(&mut order, ExecType::Trade, OrdStatus::PartiallyFilled);
            // Told without a position: what it comes to is not this bench's.
            let held =
                PositionReport { symbol: "OTHER".into(), qty: "0".into(), ..Default::default() };
            engine.tell(&order, 1, Body::PositionReport(held));
        } else if n % 10 < 5 {
            order.price = price(3);
            engine.report(&mut order, ExecType::Replaced, OrdStatus::New);
        }
        order.last_qty = std::mem::replace(&mut order.leaves_qty, "0".into());
        order.last_price = String::new();
        order.cancel_reason = CancelReason::User.into();
        engine.report(&mut order, ExecType::Canceled, OrdStatus::Canceled);
    }
    engine.events
}

fn bench(criterion: &mut Criterion) {
    let events = events();
    let bytes: Vec<_> = events.iter().map(Message::encode_to_vec).collect();
    let mut group = criterion.benchmark_group("surveillance");
    group.throughput(Throughput::Elements(events.len() as u64)).sample_size(20);
    group.bench_function("events", |bencher| {
        bencher.iter_batched_ref(
            || Surveillance::new(Settings::default()).expect("defaults are in range"),
            |surveillance| {
                events.iter().for_each(|event| _ = black_box(surveillance.on_event(event)))
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("read_from_bytes", |bencher| {
        bencher.iter(|| {
            for bytes in &bytes {
                black_box(Event::decode(bytes.as_slice()).expect("it was encoded just now"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
