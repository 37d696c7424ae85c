//! Random markets and random orders: whatever happens, the sums hold, places in the queue are exact, nothing
//! panics, and the same inputs give the same outputs and the same state.

mod support;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::saved::{reload_sometimes, saved};
use support::*;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_engine::parity::{Settings, Unfit, compare};
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Writer};
use tidegate_model::command::*;
use tidegate_model::event::{ExecType, OrdStatus};
use tidegate_model::market::{Bar, MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;
use tidegate_oms::Place;

/// One step, small numbers so that orders meet often.
#[derive(Clone, Debug)]
enum Step {
    Add { order_ref: u64, buy: bool, cents: i64, qty: u64 },
    Execute { order_ref: u64, qty: u64 },
    Reduce { order_ref: u64, qty: u64 },
    Delete { order_ref: u64 },
    Replace { order_ref: u64, new_ref: u64, cents: i64, qty: u64 },
    Trade { cents: i64, qty: u64 },
    Level { buy: bool, cents: i64, qty: u64 },
    Quote { buy: bool, cents: i64, qty: u64 },
    Model { model: u8, flags: u8, figure: u32 },
    Latency { leg: u8, model: u8, ns: u64 },
    Points { leg: u8, share: u64, ns: u64 },
    Impact { volume: u64, figure: u32 },
    Bar { cents: [i64; 4], volume: u64, second: bool },
    Status { trading: bool },
    Clear,
    Gap,
    New { account: u32, buy: bool, cents: Option<i64>, qty: u64, tif: TimeInForce, flags: u8 },
    Special { buy: bool, order_type: OrderType, cents: i64, stop: i64, qty: u64, more: u64 },
    List { kind: Contingency, buy: bool, cents: i64, far: [i64; 3], qty: u64, more: u64 },
    Parent { buy: bool, cents: Option<i64>, qty: u64, more: u64 },
    Cancel { account: u32, order: u64 },
    Change { account: u32, order: u64, cents: i64, qty: u64, stop: Option<i64> },
    MassCancel { account: u32 },
    Kill { account: u32, engaged: bool },
    SessionClosed,
    DayRoll,
    Pass { ns: u64 },
    Garbage { kind: u8, word: u64 },
}

/// With `levels`, the feed sometimes shows bare levels, which have no queue to have a place in.
fn step(levels: bool) -> impl Strategy<Value = Step> {
    let cents = 9_990..10_011i64;
    let refs = 1..60u64;
    let tif = prop::sample::select(TimeInForce::ALL);
    prop_oneof![
        20 => (refs.clone(), any::<bool>(), cents.clone(), 1..200u64)
            .prop_map(|(order_ref, buy, cents, qty)| Step::Add { order_ref, buy, cents, qty }),
        10 => (refs.clone(), 1..150u64).prop_map(|(order_ref, qty)| Step::Execute { order_ref, qty }),
        4 => (refs.clone(), 1..150u64).prop_map(|(order_ref, qty)| Step::Reduce { order_ref, qty }),
        8 => refs.clone().prop_map(|order_ref| Step::Delete { order_ref }),
        4 => (refs.clone(), refs, cents.clone(), 1..200u64).prop_map(|(order_ref, new_ref, cents, qty)| {
            Step::Replace { order_ref, new_ref, cents, qty }
        }),
        2 => (cents.clone(), 1..100u64).prop_map(|(cents, qty)| Step::Trade { cents, qty }),
        6 => (any::<bool>(), cents.clone(), 0..100u64).prop_map(move |(buy, cents, qty)| {
            if levels { Step::Level { buy, cents, qty } } else { Step::Pass { ns: qty } }
        }),
        2 => (any::<bool>(), cents.clone(), 0..100u64).prop_map(move |(buy, cents, qty)| {
            if levels { Step::Quote { buy, cents, qty } } else { Step::Pass { ns: qty } }
        }),
        2 => (0..9u8, 0..3u8, 0..12_000u32).prop_map(move |(model, flags, figure)| {
            if levels { Step::Model { model, flags, figure } } else { Step::Pass { ns: 1 } }
        }),
        // Not of the answer: what is checked here of reports must have been told by then.
        2 => (prop::sample::select(vec![0u8, 1, 2, 4]), 0..5u8, 0..800u64)
            .prop_map(|(leg, model, ns)| Step::Latency { leg, model, ns }),
        2 => (0..5u8, 0..2_000_000_000u64, 0..800u64)
            .prop_map(|(leg, share, ns)| Step::Points { leg, share, ns }),
        1 => (0..2_000u64, 0..30_000u32).prop_map(|(volume, figure)| Step::Impact { volume, figure }),
        6 => ([cents.clone(), cents.clone(), cents.clone(), cents.clone()], 0..3_000u64, any::<bool>())
            .prop_map(move |(mut cents, volume, second)| {
                cents.sort_unstable();
                if levels { Step::Bar { cents, volume, second } } else { Step::Pass { ns: 2 } }
            }),
        1 => prop::bool::weighted(0.8).prop_map(|trading| Step::Status { trading }),
        1 => Just(Step::Clear),
        1 => Just(Step::Gap),
        20 => (1..3u32, any::<bool>(), prop::option::weighted(0.8, cents.clone()), 1..300u64, tif, 0..2u8)
            .prop_map(|(account, buy, cents, qty, tif, flags)| {
                Step::New { account, buy, cents, qty, tif, flags }
            }),
        12 => (
            any::<bool>(),
            prop::sample::select(OrderType::ALL),
            cents.clone(),
            cents.clone(),
            1..300u64,
            any::<u64>(),
        )
            .prop_map(|(buy, order_type, cents, stop, qty, more)| {
                Step::Special { buy, order_type, cents, stop, qty, more }
            }),
        14 => (
            prop::sample::select(Contingency::ALL),
            any::<bool>(),
            cents.clone(),
            [1..8i64, 1..8i64, 1..8i64],
            1..300u64,
            any::<u64>(),
        )
            .prop_map(|(kind, buy, cents, far, qty, more)| {
                Step::List { kind, buy, cents, far, qty, more }
            }),
        8 => (any::<bool>(), prop::option::of(cents.clone()), 1..300u64, any::<u64>())
            .prop_map(|(buy, cents, qty, more)| Step::Parent { buy, cents, qty, more }),
        8 => (1..3u32, 1..40u64).prop_map(|(account, order)| Step::Cancel { account, order }),
        8 => (1..3u32, 1..40u64, cents.clone(), 1..300u64, prop::option::weighted(0.2, cents))
            .prop_map(|(account, order, cents, qty, stop)| {
                Step::Change { account, order, cents, qty, stop }
            }),
        1 => (0..3u32).prop_map(|account| Step::MassCancel { account }),
        1 => (0..3u32, prop::bool::weighted(0.2))
            .prop_map(|(account, engaged)| Step::Kill { account, engaged }),
        1 => Just(Step::SessionClosed),
        1 => Just(Step::DayRoll),
        10 => (0..800u64).prop_map(|ns| Step::Pass { ns }),
        2 => (0..1_500_000_000u64).prop_map(|ns| Step::Pass { ns }),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(kind, word)| Step::Garbage { kind, word }),
    ]
}

enum Made {
    Market(MarketEvent),
    Command(CommandRecord),
}

/// An order of any type with the terms that it needs, and some that it need not have, as the bits of `more` say.
#[expect(clippy::too_many_arguments, reason = "a step, taken apart")]
fn special(
    name: &str,
    side: Side,
    order_type: OrderType,
    limit: i64,
    stop: i64,
    qty: u64,
    more: u64,
    now: u64,
) -> NewOrder {
    let pick = |at: u32, count: u64| (more >> at) % count;
    let tif = TimeInForce::ALL[pick(0, 5) as usize];
    let gtd = tif == TimeInForce::Gtd;
    let trails = order_type.trails();
    let by_share = pick(8, 2) == 1;
    let unit = if by_share { TrailUnit::Ppm } else { TrailUnit::Ticks };
    let trail = 1 + pick(16, 500) as i64;
    let has_limit = !order_type.is_market() && order_type != OrderType::MarketToLimit;
    let follows = order_type == OrderType::TrailingStopLimit && pick(9, 2) == 1;
    let has_stop = order_type.waits() && (!trails || pick(10, 2) == 1);
    let may_post = has_limit && !matches!(tif, TimeInForce::Ioc | TimeInForce::Fok);
    NewOrder {
        order_type: order_type.wire(),
        price: if has_limit && !follows { cents(limit) } else { Ticks::ZERO },
        stop_price: if has_stop { cents(stop) } else { Ticks::ZERO },
        trail: if trails { trail } else { 0 },
        trail_unit: if trails { unit.wire() } else { 0 },
        offset: if follows { Ticks(pick(24, 200) as i64 - 100) } else { Ticks::ZERO },
        post_only: if may_post { pick(32, 3) as u8 } else { 0 },
        expire_at: UnixNanos(if gtd { now + pick(40, 2_000) } else { 0 }),
        ..new_order(name, side, None, qty, tif)
    }
}

/// The inputs that a step stands for, at its place in the flow.
fn make(step: &Step, at: usize, now: &mut u64) -> Vec<Made> {
    if let Step::Parent { buy, cents: limit, qty, more } = *step {
        let list_id = at as u32 + 1;
        let side = if buy { Side::Buy } else { Side::Sell };
        let tif = if more >> 50 & 1 == 0 { TimeInForce::Day } else { TimeInForce::Gtc };
        let order = new_order(&format!("o{at}"), side, limit.map(cents), qty, tif);
        let head = Command::NewAlgorithm(algorithm(ACCOUNT, list_id, *now, more));
        let parent = Command::NewOrder(NewOrder { list_id, leg: 1, ..order });
        let made = [head, parent].map(|command| {
            let record = CommandRecord::new(command);
            let mut record = record.from_session(PrincipalId(1), SessionId(5), at as u64);
            record.ts_recv = UnixNanos(*now);
            Made::Command(record)
        });
        return made.into();
    }
    let Step::List { kind, buy, cents, far, qty, more } = *step else {
        // A bar is told in two halves, of which the second may be lost.
        let halves = if matches!(step, Step::Bar { second: true, .. }) { 2 } else { 1 };
        return (0..halves).map(|half| make_one(step, at * 2 + half, now)).collect();
    };
    let side = if buy { Side::Buy } else { Side::Sell };
    let legs = list_legs(at, kind, side, cents, far, qty, more);
    let head = NewList {
        account: ACCOUNT,
        list_id: at as u32 + 1,
        contingency: kind.wire(),
        leg_count: legs.len() as u8,
        reserved: [0; 6],
    };
    let expire_at = UnixNanos(*now + more % 3_000);
    let legs = legs.into_iter().map(|leg| match leg.time_in_force == TimeInForce::Gtd.wire() {
        true => Command::NewOrder(NewOrder { expire_at, ..leg }),
        false => Command::NewOrder(leg),
    });
    let commands = std::iter::once(Command::NewList(head)).chain(legs);
    let made = commands.map(|command| {
        let record = CommandRecord::new(command);
        let mut record = record.from_session(PrincipalId(1), SessionId(5), at as u64);
        record.ts_recv = UnixNanos(*now);
        Made::Command(record)
    });
    made.collect()
}

fn make_one(step: &Step, at: usize, now: &mut u64) -> Made {
    let side = |buy: bool| if buy { Side::Buy } else { Side::Sell };
    let scope = |account: u32| if account == 0 { AccountId::NONE } else { AccountId(account) };
    let command = |command: Command| {
        Made::Command(CommandRecord::new(command).from_session(
            PrincipalId(1),
            SessionId(5),
            at as u64,
        ))
    };
    let mut made = match *step {
        Step::Add { order_ref, buy, cents: c, qty } => {
            Made::Market(add(order_ref, side(buy), cents(c), qty))
        }
        Step::Execute { order_ref, qty } => Made::Market(execute(order_ref, qty)),
        Step::Reduce { order_ref, qty } => {
            Made::Market(MarketEvent { qty: Lots(qty), ..market(Kind::Reduce, order_ref) })
        }
        Step::Delete { order_ref } => Made::Market(market(Kind::Delete, order_ref)),
        Step::Replace { order_ref, new_ref, cents: c, qty } => Made::Market(MarketEvent {
            aux: new_ref,
            price: cents(c),
            qty: Lots(qty),
            ..market(Kind::Replace, order_ref)
        }),
        Step::Trade { cents: c, qty } => {
            Made::Market(MarketEvent { price: cents(c), qty: Lots(qty), ..market(Kind::Trade, 0) })
        }
        Step::Level { buy, cents: c, qty } => Made::Market(MarketEvent {
            side: side(buy).wire(),
            price: cents(c),
            qty: Lots(qty),
            ..market(Kind::Level, 0)
        }),
        Step::Quote { buy, cents: c, qty } => Made::Market(MarketEvent {
            side: side(buy).wire(),
            price: cents(c),
            qty: Lots(qty),
            ..market(Kind::Quote, 0)
        }),
        Step::Bar { cents: [low, open, close, high], volume, .. } => {
            let (begin, end) = (UnixNanos(*now - 1), UnixNanos(*now));
            let [open, high, low, close] = [open, high, low, close].map(cents);
            let volume = Lots(volume);
            let bar =
                Bar { channel_id: 7, begin, end, open, high, low, close, volume, feed_seq: 1 };
            Made::Market(bar.into_events()[at % 2])
        }
        Step::Model { model, flags, figure } => command(Command::SetFillModel(SetFillModel {
            instrument: INSTRUMENT,
            model,
            flags,
            exponent_e3: if model == FillModelKind::Power.wire() { figure } else { 0 },
            volume_share_bp: figure,
            log_unit: Lots(figure.into()),
            ..SetFillModel::default()
        })),
        Step::Latency { leg, model, ns } => command(Command::SetLatency(SetLatency {
            constant_ns: ns,
            seed: at as u64,
            leg,
            model,
            reserved: [0; 6],
        })),
        Step::Points { leg, share, ns } => {
            let mut add = AddLatencyPoints { leg, count: 2, ..Default::default() };
            add.points[0] = LatencyPoint { at: share / 4, ns };
            add.points[1] = LatencyPoint { at: share, ns: 2 * ns };
            command(Command::AddLatencyPoints(add))
        }
        Step::Impact { volume, figure } => command(Command::SetImpact(SetImpact {
            instrument: INSTRUMENT,
            volatility_e6: figure,
            daily_volume: Lots(volume),
            half_life_ns: volume / 2,
            coefficient_e4: figure / 2,
            reserved: [0; 4],
        })),
        Step::Status { trading } => {
            let status = if trading { TradingStatus::Trading } else { TradingStatus::Halted };
            Made::Market(MarketEvent { flags: status.wire().into(), ..market(Kind::Status, 0) })
        }
        Step::Clear => Made::Market(market(Kind::Clear, 0)),
        Step::Gap => Made::Market(market(Kind::Gap, 0)),
        Step::New { account, buy, cents: c, qty, tif, flags } => {
            let name = format!("o{at}");
            let order = new_order(&name, side(buy), c.map(cents), qty, tif);
            command(Command::NewOrder(NewOrder { account: AccountId(account), flags, ..order }))
        }
        Step::Cancel { account, order } => command(Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order),
            account: AccountId(account),
            reserved: [0; 4],
        })),
        Step::List { .. } | Step::Parent { .. } => unreachable!("a list is several inputs"),
        Step::Special { buy, order_type, cents: c, stop, qty, more } => {
            let order = special(&format!("o{at}"), side(buy), order_type, c, stop, qty, more, *now);
            command(Command::NewOrder(order))
        }
        Step::Change { account, order, cents: c, qty, stop } => {
            command(Command::ReplaceOrder(ReplaceOrder {
                client_order_id: ClientOrderId::EMPTY,
                order_id: OrderId(order),
                account: AccountId(account),
                reserved: [0; 4],
                qty: Lots(qty),
                price: if stop.is_some() && qty % 2 == 0 { Ticks::ZERO } else { cents(c) },
                stop_price: stop.map_or(Ticks::ZERO, cents),
            }))
        }
        Step::MassCancel { account } => command(Command::MassCancel(MassCancel {
            account: scope(account),
            instrument: InstrumentId::NONE,
            side: 0,
            reserved: [0; 7],
        })),
        Step::Kill { account, engaged } => command(Command::KillSwitch(KillSwitch {
            account: scope(account),
            engaged: engaged.into(),
            ..KillSwitch::of(Scope::default(), false)
        })),
        Step::SessionClosed => command(Command::SessionClosed),
        Step::DayRoll => command(Command::DayRoll),
        Step::Pass { ns } => {
            *now += ns;
            command(Command::Time)
        }
        Step::Garbage { kind, word } => {
            let words = [word.rotate_left(7); 16];
            let mut record = CommandRecord::new(Command::Time);
            record.kind = kind;
            record.body = bytemuck::cast(words);
            Made::Command(record)
        }
    };
    match &mut made {
        Made::Market(event) => (event.ts_recv, event.ts_event) = (UnixNanos(*now), UnixNanos(*now)),
        Made::Command(record) => record.ts_recv = UnixNanos(*now),
    }
    made
}

fn apply(core: &mut Core, made: &Made, out: &mut Collected) {
    let seq = core.seq().next();
    match made {
        Made::Market(event) => core.apply(seq, Input::Market(event), out),
        Made::Command(record) => core.apply(seq, Input::Command(record), out),
    }
}

fn check_state(core: &Core, levels: bool) {
    assert_eq!(core.risk().hash(), core.risk().hash_from_scratch());
    assert_eq!(core.oms().hash(), core.oms().hash_from_scratch());
    assert_eq!(core.waiting().hash(), core.waiting().hash_from_scratch());
    let open = || core.oms().open_orders(AccountId::NONE);
    for waiter in core.waiting().waiters(INSTRUMENT) {
        let order = core.oms().order(waiter.slot);
        assert_eq!((order.order_id, order.place), (waiter.order_id, Place::Waiting));
        assert!(order.is_open() && order.cum_qty == Lots::ZERO);
        let is_held_back = core.listing()[INSTRUMENT].status != TradingStatus::Trading;
        let last = core.listing()[INSTRUMENT].last_trade;
        let reached = last.is_some_and(|last| waiter.is_triggered_by(last));
        assert!(is_held_back || !reached, "what the market has reached does not wait");
    }
    let waiting = open().filter(|(_, order)| order.place == Place::Waiting).count();
    assert_eq!(waiting, core.waiting().waiters(INSTRUMENT).count());
    for (slot, order) in open().filter(|(_, order)| order.time_in_force == TimeInForce::Gtd) {
        // One that was filled while its cancel was under way ends with the answer to that.
        let is_filled = order.leaves_qty() == Lots::ZERO;
        let expire_at = core.oms().entered(slot).expire_at;
        assert!(is_filled || expire_at > core.now(), "{} is over", order.order_id);
    }
    for side in [Side::Buy, Side::Sell] {
        for level in core.books().levels(INSTRUMENT, side) {
            for (slot, displayed) in core.books().orders_at(INSTRUMENT, side, level.price) {
                let taken = core.paper().taken().of_order(slot);
                assert!(taken <= displayed.qty, "no more is gone to us than is displayed");
                assert!(displayed.taken || taken == Lots::ZERO, "what is gone to us is marked");
            }
        }
        let mut open = [0u64; 3];
        for resting in core.paper().resting(INSTRUMENT, side) {
            let order = core.oms().order(resting.order);
            assert!(order.is_open());
            assert_eq!(core.oms().live_qty(resting.order), resting.leaves);
            assert_eq!(order.price, resting.price);
            let ahead: u64 = core
                .books()
                .orders_at(INSTRUMENT, side, resting.price)
                .filter(|(_, displayed)| displayed.priority < resting.priority)
                .map(|(_, displayed)| displayed.qty.0)
                .sum();
            assert!(levels || ahead == resting.ahead.0, "the place in the queue is exact");
        }
        for (slot, order) in core.oms().open_orders(AccountId::NONE) {
            // Of orders of which only one can execute, the first stands for all.
            if order.side == side && core.oms().rivals(slot).all(|rival| rival > slot) {
                open[order.account.index()] += core.oms().exposure(slot).qty.0;
            }
        }
        for account in [1, 2] {
            let counted = core.risk().exposure(AccountId(account), INSTRUMENT);
            assert_eq!(counted.open_qty[side.index()].0, open[account as usize]);
            let position = core.oms().position(AccountId(account), INSTRUMENT);
            assert_eq!(counted.position, position.qty);
            assert_eq!(counted.cost, position.cost);
        }
    }
}

/// Orders of which only one can execute are never at the venue together, and the exits of a bracket close no more than its
/// entry has executed.
fn check_lists(core: &Core, heads: &BTreeMap<u64, Vec<u64>>) {
    for (slot, order) in core.oms().open_orders(AccountId::NONE) {
        let rests = |order: &tidegate_oms::Order, slot| {
            let resting = core.paper().resting(INSTRUMENT, order.side);
            resting.iter().any(|resting| resting.order == slot)
        };
        if rests(order, slot) {
            for rival in core.oms().rivals(slot) {
                assert!(!rests(core.oms().order(rival), rival), "{} has a rival", order.order_id);
            }
        }
    }
    for (entry, exits) in heads {
        let cum_qty = |id: u64| {
            core.oms().by_id(OrderId(id)).map(|slot| (core.oms().order(slot).cum_qty, slot))
        };
        let Some((entered, _)) = cum_qty(*entry) else { continue };
        let exits: Vec<_> = exits.iter().filter_map(|exit| cum_qty(*exit)).collect();
        let closed: u64 = exits.iter().map(|(cum_qty, _)| cum_qty.0).sum();
        assert!(closed <= entered.0, "exits of {entry} close {closed} of {entered}");
        let live = exits.iter().map(|(_, slot)| core.oms().live_qty(*slot).0).max();
        let begun = exits.iter().any(|(_, slot)| core.oms().order(*slot).place != Place::Held);
        assert!(!begun || live <= Some(entered.0 - closed), "exits of {entry} could close more");
    }
}

/// What reports say of an order adds up: OrderQty = CumQty + LeavesQty, and at its end with what was taken off.
fn check_reports(told: &[EventRecord]) {
    for record in told {
        let Some(Event::Execution(told)) = record.event() else { continue };
        let status = OrdStatus::from_wire(told.ord_status).expect("known");
        let exec_type = ExecType::from_wire(told.exec_type).expect("known");
        let taken_off = match exec_type {
            ExecType::Canceled | ExecType::Expired => told.last_qty.0,
            _ if status.is_final() && status != OrdStatus::Filled => continue,
            _ => 0,
        };
        let sum = told.cum_qty.0 + told.leaves_qty.0 + taken_off;
        assert_eq!(told.qty.0, sum, "order {} {exec_type}", told.order_id);
    }
}

/// What a run came to: the state, all that was told, and the hash of the state after every few inputs.
struct Ran {
    core: Core,
    out: Collected,
    hashes: Vec<StateHash>,
}

fn run(steps: &[Step], latency_ns: u64, checked: Option<bool>) -> Ran {
    let mut desk = Desk::new(latency_ns);
    let mut now = desk.now.0;
    let mut brackets = BTreeMap::new();
    let mut families = Families::new();
    let mut hashes = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        for made in make(step, at, &mut now) {
            let first = desk.out.events.len();
            apply(&mut desk.core, &made, &mut desk.out);
            if checked.is_none() {
                reload_sometimes(&mut desk.core, 40);
            }
            if let Some(levels) = checked {
                note_brackets(&desk.out.events[first..], &mut brackets);
                check_state(&desk.core, levels);
                check_lists(&desk.core, &brackets);
                note_families(&desk.out.events[first..], &mut families);
                check_families(&desk.core, &families);
                check_reports(&desk.out.events[first..]);
            }
            if desk.core.seq().0.is_multiple_of(16) {
                hashes.push(desk.core.state_hash());
            }
        }
    }
    Ran { core: desk.core, out: desk.out, hashes }
}

/// Whatever was done: when everything is canceled, nothing is tied up.
fn check_all_released(mut core: Core) {
    let mut out = Collected::default();
    let mut now = core.now();
    let mut command = |core: &mut Core, command| {
        now.0 += 1_000;
        let mut record = CommandRecord::new(command);
        record.ts_recv = now;
        let seq = core.seq().next();
        core.apply(seq, Input::Command(&record), &mut out);
    };
    let mass = MassCancel {
        account: AccountId::NONE,
        instrument: InstrumentId::NONE,
        side: 0,
        reserved: [0; 7],
    };
    // What is under way arrives, and what follows from that is under way again.
    for _ in 0..4 {
        command(&mut core, Command::MassCancel(mass));
        command(&mut core, Command::Time);
    }
    assert_eq!(core.oms().open_count(), 0);
    assert_eq!(core.waiting().waiters(INSTRUMENT).count(), 0);
    for account in [AccountId(1), AccountId(2)] {
        let pair = core.risk().exposure(account, INSTRUMENT);
        assert_eq!((pair.open_qty, pair.open_notional), ([Lots(0); 2], [Money(0); 2]));
        assert_eq!(core.risk().open_orders(account), 0);
    }
    assert_eq!(core.oms().hash(), core.oms().hash_from_scratch());
    assert_eq!(core.risk().hash(), core.risk().hash_from_scratch());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn sums_hold_and_replay_agrees_with_orders_shown(
        steps in prop::collection::vec(step(false), 1..250),
        latency_ns in prop::sample::select(vec![0u64, 300]),
    ) {
        check_flow(&steps, latency_ns, false);
    }

    #[test]
    fn sums_hold_and_replay_agrees_with_bare_levels(
        steps in prop::collection::vec(step(true), 1..250),
        latency_ns in prop::sample::select(vec![0u64, 300]),
    ) {
        check_flow(&steps, latency_ns, true);
    }
}

fn check_flow(steps: &[Step], latency_ns: u64, levels: bool) {
    let first = run(steps, latency_ns, Some(levels));
    let again = run(steps, latency_ns, None);
    assert_eq!(first.hashes, again.hashes, "in the middle of whatever was under way");
    assert_eq!(first.core.state_hash(), again.core.state_hash());
    assert!(saved(&first.core) == saved(&again.core), "the same, hashed or not");
    assert_eq!(first.out.events, again.out.events);
    assert_eq!(first.out.updates, again.out.updates);
    check_all_released(first.core);
}

/// The flow as a journal in `dir`.
fn journal(dir: &std::path::Path, steps: &[Step], latency_ns: u64) {
    let config = Config { segment_len: 1 << 17, ..Config::default() };
    let (mut writer, _) = Writer::open(dir, config).expect("a new journal");
    let mut now = 1_000;
    let mut made: Vec<Made> = vec![
        Made::Command(CommandRecord::new(Command::Configure(configure(latency_ns)))),
        Made::Market(definition()),
    ];
    made.extend(setup_commands().into_iter().map(|c| Made::Command(CommandRecord::new(c))));
    made.extend(steps.iter().enumerate().flat_map(|(at, step)| make(step, at * 2, &mut now)));
    for (at, input) in made.iter().enumerate() {
        let seq = SeqNo(at as u64 + 1);
        let appended = match input {
            Made::Market(event) => writer.append_pod(KIND_MARKET_EVENT, seq, event),
            Made::Command(record) => writer.append_pod(KIND_COMMAND, seq, record),
        };
        appended.expect("there is room");
    }
    writer.close().expect("written");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// What a paper journal holds is what the simulator makes of it, to the last lot; and whatever it supposes instead, the
    /// parts of each difference add up, which `compare` asserts.
    #[test]
    fn a_simulation_that_supposes_what_was_makes_the_same_fills(
        steps in prop::collection::vec(step(true), 1..250),
        latency_ns in prop::sample::select(vec![0u64, 300]),
        other_ns in 0..600u64,
        model in 1..8u8,
    ) {
        // Legs of lists are sent by the engine, whose simulation is not asked to do so anew.
        // What it supposes of latency and impact is not told by the journal's commands.
        let is_compared = |step: &Step| {
            let (list, latency) = (matches!(step, Step::List { .. }), matches!(step, Step::Latency { .. }));
            !(list || latency || matches!(step, Step::Points { .. } | Step::Impact { .. }))
        };
        let steps: Vec<_> = steps.into_iter().filter(is_compared).collect();
        let dir = tempfile::tempdir().expect("a folder");
        journal(dir.path(), &steps, latency_ns);
        let same = compare(dir.path(), &Settings::default(), &mut |_| {});
        let same = same.expect("it can be compared").expect("it has inputs");
        prop_assert_eq!(same.runs, 1);
        for one in &same.compared {
            let order = &same.recording.orders[one.order];
            prop_assert_eq!(&one.simulated, &order.fills, "order {}", order.order_id);
        }
        // What was let through is let through again.
        let refused = same.unfit.iter().find(|(_, why)| matches!(why, Unfit::Refused(_)));
        prop_assert_eq!(refused, None);
        let exponent_e3 = if model == FillModelKind::Power.wire() { 1_000 } else { 0 };
        let fill_model = Some(SetFillModel { model, exponent_e3, ..SetFillModel::default() });
        let settings = Settings { latency_ns: Some(other_ns), fill_model, rates: None };
        let other = compare(dir.path(), &settings, &mut |_| {}).expect("it can be compared");
        let other = other.expect("it has inputs");
        prop_assert_eq!(other.recording.state_hash, same.recording.state_hash);
        for one in &other.compared {
            // With latency and queue as they were there is nothing left to explain.
            let parts = &one.parts;
            let left = [parts.slippage, parts.missed, parts.extra, parts.fees];
            prop_assert_eq!(left, [Money::ZERO; 4]);
        }
    }
}
