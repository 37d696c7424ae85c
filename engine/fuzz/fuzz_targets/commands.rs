//! Any commands and market events, right or wrong: the state machine answers each, its sums hold (it asserts them itself),
//! and the same inputs lead to the same events and the same hash again.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use bytemuck::bytes_of_mut;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use support::{ACCOUNT, Desk, INSTRUMENT, add, cents, execute, market, new_order, trade};
use tidegate_engine::core::Input;
use tidegate_model::command::*;
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::MarketEventKind;
use tidegate_model::*;

const INPUTS_MAX: usize = 100;
/// Bytes of a record that one input has different from what would be right.
const PATCHES_MAX: usize = 6;
const HOUSE: InstrumentId = InstrumentId(1);

enum Step {
    Command(CommandRecord),
    Market(MarketEvent),
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut steps = Vec::new();
    let mut now = 2_000;
    while steps.len() < INPUTS_MAX && !bytes.is_empty() {
        let Ok(step) = step(&mut bytes, &mut now, steps.len()) else { break };
        steps.push(step);
    }
    let (first, second) = (run(&steps), run(&steps));
    assert_eq!(first.core.state_hash(), second.core.state_hash());
    assert_eq!(first.out.events, second.out.events);
});

fn run(steps: &[Step]) -> Desk {
    let mut desk = Desk::new(0);
    desk.command(Command::DefineInstrument(Instrument {
        venue_kind: venue_kind::INTERNAL,
        order_tick_from: Ticks::ZERO,
        ..Instrument::us_equity(Symbol::new("HOUSE").expect("valid"))
    }));
    desk.command(Command::SetReference(SetReference {
        price: cents(10_000),
        instrument: HOUSE,
        reserved: [0; 4],
    }));
    for step in steps {
        let seq = desk.core.seq().next();
        match step {
            Step::Command(record) => {
                desk.core.apply(seq, Input::Command(record), &mut desk.out);
            }
            Step::Market(event) => {
                desk.core.apply(seq, Input::Market(event), &mut desk.out);
            }
        }
        desk.out.updates.clear();
    }
    desk
}

fn step(bytes: &mut Unstructured, now: &mut u64, at: usize) -> Result<Step> {
    *now += if bytes.ratio(1, 16)? { u64::from(bytes.arbitrary::<u32>()?) } else { 100 };
    if bytes.ratio(1, 4)? {
        let mut event = event(bytes)?;
        (event.ts_event, event.ts_recv) = (UnixNanos(*now), UnixNanos(*now));
        patch(bytes, bytes_of_mut(&mut event))?;
        return Ok(Step::Market(event));
    }
    let mut record = match bytes.int_in_range(0..=3)? {
        0..=1 => CommandRecord::new(order(bytes, at)?),
        2 => CommandRecord::new(about_an_order(bytes)?),
        // Of any kind, about the first account and instrument, if it is right at all.
        _ => CommandRecord { kind: bytes.arbitrary()?, ..CommandRecord::new(Command::Time) },
    };
    record.ts_recv = UnixNanos(*now);
    record.session = SessionId(bytes.int_in_range(4..=6)?);
    patch(bytes, &mut record.body)?;
    Ok(Step::Command(record))
}

fn order(bytes: &mut Unstructured, at: usize) -> Result<Command> {
    let order_type = OrderType::from_wire(bytes.int_in_range(1..=10)?).unwrap_or(OrderType::Limit);
    let life = TimeInForce::from_wire(bytes.int_in_range(1..=7)?).unwrap_or(TimeInForce::Day);
    let plain = new_order(&format!("fuzz-{at}"), side(bytes)?, price(bytes)?, qty(bytes)?, life);
    Ok(Command::NewOrder(NewOrder {
        account: AccountId(bytes.int_in_range(1..=2)?),
        instrument: if bytes.arbitrary()? { INSTRUMENT } else { HOUSE },
        order_type: if bytes.arbitrary()? { plain.order_type } else { order_type.wire() },
        ..plain
    }))
}

fn about_an_order(bytes: &mut Unstructured) -> Result<Command> {
    let order_id = OrderId(bytes.int_in_range(0..=40)?);
    let (client_order_id, account) = (ClientOrderId::EMPTY, ACCOUNT);
    Ok(if bytes.arbitrary()? {
        Command::CancelOrder(CancelOrder { client_order_id, order_id, account, reserved: [0; 4] })
    } else {
        Command::ReplaceOrder(ReplaceOrder {
            client_order_id,
            order_id,
            account,
            reserved: [0; 4],
            qty: Lots(qty(bytes)?),
            price: price(bytes)?.unwrap_or_default(),
            stop_price: Ticks::ZERO,
        })
    })
}

fn event(bytes: &mut Unstructured) -> Result<MarketEvent> {
    let reference = bytes.int_in_range(1..=30)?;
    let price = price(bytes)?.unwrap_or(cents(10_000));
    Ok(match bytes.int_in_range(0..=5)? {
        0..=2 => add(reference, side(bytes)?, price, qty(bytes)?),
        3 => execute(reference, qty(bytes)?),
        4 => trade(side(bytes)?, price, qty(bytes)?),
        _ => {
            let kind = MarketEventKind::from_wire(bytes.arbitrary()?);
            market(kind.unwrap_or(MarketEventKind::Trade), reference)
        }
    })
}

/// Makes some bytes others.
fn patch(bytes: &mut Unstructured, record: &mut [u8]) -> Result<()> {
    for _ in 0..bytes.int_in_range(0..=PATCHES_MAX)? {
        let at = bytes.choose_index(record.len())?;
        record[at] = bytes.arbitrary()?;
    }
    Ok(())
}

fn side(bytes: &mut Unstructured) -> Result<Side> {
    Ok(if bytes.arbitrary()? { Side::Buy } else { Side::Sell })
}

fn price(bytes: &mut Unstructured) -> Result<Option<Ticks>> {
    let price = bytes.int_in_range(9_990..=10_010)?;
    Ok(if bytes.ratio(7, 8)? { Some(cents(price)) } else { None })
}

fn qty(bytes: &mut Unstructured) -> Result<u64> {
    bytes.int_in_range(1..=50)
}
