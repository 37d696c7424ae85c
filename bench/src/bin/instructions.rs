//! `instructions WORK COUNT`: does a piece of work so often, for a tool that counts instructions. What one piece costs is the
//! difference of two runs by the difference of their counts; what comes before it is in both. `scripts/instructions.sh` does that.

use std::hint::black_box;
use std::process::ExitCode;
use tidegate_bench::desk;
use tidegate_engine::core::output::Output;
use tidegate_engine::core::{Core, Input};
use tidegate_model::command::{CancelOrder, NewOrder, TimeInForce};
use tidegate_model::ids::ClientOrderId;
use tidegate_model::{
    Command, CommandRecord, EventRecord, OrderId, PrincipalId, PublicUpdate, SeqNo, Side, Ticks,
};

/// A piece of work: its name, and what does it so often.
type Work = (&'static str, fn(u64));

/// What can be counted.
const WORKS: [Work; 3] = [("market_event", market_event), ("taken", taken), ("rests", rests)];

const PRICES: [Ticks; 2] = [Ticks(1_000_000), Ticks(1_000_100)];

struct Seen;

impl Output for Seen {
    #[inline]
    fn event(&mut self, event: &EventRecord) {
        black_box(event);
    }
    #[inline]
    fn public(&mut self, update: &PublicUpdate) {
        black_box(update);
    }
    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {}
}

fn engine() -> Core {
    let configure = tidegate_model::command::Configure { orders_max: 1 << 16, ..desk::CONFIGURE };
    let mut core = Core::new(configure).expect("the sizes are allowed");
    market(&mut core, &desk::definition());
    for record in desk::set_up() {
        command(&mut core, &record);
    }
    for (side, order_ref) in [(Side::Buy, 1), (Side::Sell, 2)] {
        market(&mut core, &desk::add(order_ref, side, PRICES[side.index()], 1_000));
    }
    core
}

fn market(core: &mut Core, event: &tidegate_model::MarketEvent) {
    core.apply(core.seq().next(), Input::Market(event), &mut Seen);
}

fn command(core: &mut Core, record: &CommandRecord) {
    core.apply(core.seq().next(), Input::Command(record), &mut Seen);
}

fn refresh(core: &mut Core, n: u64) -> usize {
    let side = (n % 2) as usize;
    market(core, &desk::refresh(n + 1, n + 3, PRICES[side], 1_000, n));
    side
}

/// A displayed order is replaced at its price: the end of the queue.
fn market_event(count: u64) {
    let core = &mut engine();
    for n in 0..count {
        refresh(core, n);
    }
}

/// The same, and an immediate order that takes a lot of it.
fn taken(count: u64) {
    let core = &mut engine();
    for n in 0..count {
        let side = refresh(core, n);
        let taker = if side == 0 { Side::Sell } else { Side::Buy };
        command(core, &desk::taking_order(n, taker, PRICES[side]));
    }
    assert_eq!(core.counters().fills, count, "each order fills");
}

/// The same, and a limit order behind the market, which is then canceled.
fn rests(count: u64) {
    let core = &mut engine();
    for n in 0..count {
        refresh(core, n);
        let record = desk::taking_order(n, Side::Buy, Ticks(PRICES[0].0 - 500));
        let Some(Command::NewOrder(order)) = record.command() else { return };
        let order = NewOrder { time_in_force: TimeInForce::Day.wire(), ..order };
        let rest = Command::NewOrder(order);
        command(core, &CommandRecord::new(rest).from_session(PrincipalId(1), desk::SESSION, n));
        let cancel = CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(n + 1),
            account: desk::ACCOUNT,
            ..bytemuck::Zeroable::zeroed()
        };
        let cancel = Command::CancelOrder(cancel);
        command(core, &CommandRecord::new(cancel).from_session(PrincipalId(1), desk::SESSION, n));
    }
    assert_eq!(core.oms().open_count(), 0, "each order is canceled");
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["list"] {
        WORKS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let work = args.first().and_then(|name| WORKS.iter().find(|(known, _)| known == name));
    let count = args.get(1).and_then(|count| count.parse().ok());
    let (Some((_, work)), Some(count)) = (work, count) else {
        let names: Vec<_> = WORKS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "instructions list | instructions WORK COUNT; WORK is one of {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    };
    work(count);
    ExitCode::SUCCESS
}
