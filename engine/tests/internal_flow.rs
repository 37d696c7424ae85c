//! Random orders at two markets of the house: whatever happens, the order store, the markets, the gate's counters and what is
//! told to everyone agree, what one account buys another sells, and the same inputs give the same outputs and the same state.

mod support;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::saved::{reload_sometimes, saved};
use support::*;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;
use tidegate_oms::Place;

/// The two markets; the desk's own instrument is on paper.
const HOUSES: [InstrumentId; 2] = [InstrumentId(1), InstrumentId(2)];
const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];

#[derive(Clone, Debug)]
enum Step {
    New(Box<NewOrder>),
    Parent {
        house: usize,
        account: u32,
        buy: bool,
        cents: Option<i64>,
        qty: u64,
        more: u64,
    },
    List {
        house: usize,
        account: u32,
        kind: Contingency,
        buy: bool,
        cents: i64,
        far: [i64; 3],
        qty: u64,
        more: u64,
    },
    Cancel {
        account: u32,
        order: u64,
    },
    Change {
        account: u32,
        order: u64,
        cents: Option<i64>,
        qty: u64,
        stop_cents: Option<i64>,
    },
    MassCancel {
        house: Option<usize>,
        account: u32,
        side: u8,
    },
    Kill {
        account: u32,
        engaged: bool,
    },
    Phase {
        house: Option<usize>,
        phase: Phase,
    },
    Bands {
        house: Option<usize>,
        static_ppm: u32,
        dynamic_ppm: u32,
        pause_ns: u64,
    },
    Reference {
        house: usize,
        cents: i64,
    },
    SessionClosed,
    DayRoll,
    Pass {
        ns: u64,
    },
}

fn price() -> impl Strategy<Value = i64> {
    9_990..10_011i64
}

/// Mostly what goes together; where it does not, it is refused.
fn order() -> impl Strategy<Value = Box<NewOrder>> {
    let plain = (
        0..HOUSES.len(),
        prop::sample::select(ACCOUNTS.to_vec()),
        any::<bool>(),
        1..300u64,
        price(),
        prop::sample::select(TimeInForce::ALL),
        prop_oneof![3 => Just(OrderType::Limit), 1 => Just(OrderType::Market),
            4 => prop::sample::select(OrderType::ALL)],
    );
    let kinds = (
        prop::option::weighted(0.1, prop::sample::select(PostOnly::ALL)),
        prop::option::weighted(0.2, prop::sample::select(SelfTrade::ALL)),
        prop::sample::select(PegKind::ALL),
        prop::sample::select(TrailUnit::ALL),
        0..4u8,
    );
    let amounts = (
        price(),
        1..9i64,
        -3..4i64,
        prop::option::weighted(0.1, 1..100u64),
        prop::option::weighted(0.1, 1..100u64),
        prop::bool::weighted(0.9),
        1..2_000u64,
    );
    (plain, kinds, amounts).prop_map(|(plain, kinds, amounts)| {
        let (house, account, buy, qty, price, life, order_type) = plain;
        let (post_only, self_trade, peg, trail_unit, flags) = kinds;
        let (stop, trail, offset, display_qty, min_qty, has_price, expire) = amounts;
        let side = if buy { Side::Buy } else { Side::Sell };
        let trails = matches!(order_type, OrderType::TrailingStop | OrderType::TrailingStopLimit);
        let waits = order_type.waits() && (!trails || has_price);
        let pegged = order_type == OrderType::Pegged;
        let follows = order_type == OrderType::TrailingStopLimit && !has_price;
        let limited = !order_type.is_market() && order_type != OrderType::MarketToLimit;
        let limited = limited && !(follows || pegged && has_price);
        let some = |is: bool, price: i64| if is { cents(price) } else { Ticks::ZERO };
        let distance = match trail_unit {
            TrailUnit::Ticks => trail * 100,
            TrailUnit::Ppm => trail * 100,
        };
        Box::new(NewOrder {
            account,
            instrument: HOUSES[house],
            order_type: order_type.wire(),
            flags,
            post_only: post_only.map_or(0, PostOnly::wire),
            self_trade: self_trade.map_or(0, SelfTrade::wire),
            peg: if pegged { peg.wire() } else { 0 },
            trail_unit: if trails { trail_unit.wire() } else { 0 },
            price: some(limited, price),
            stop_price: some(waits, stop),
            trail: if trails { distance } else { 0 },
            offset: some(pegged || follows, offset),
            display_qty: Lots(display_qty.unwrap_or(0)),
            min_qty: Lots(min_qty.unwrap_or(0)),
            expire_at: UnixNanos(if life == TimeInForce::Gtd { 1_000 + expire } else { 0 }),
            ..new_order("x", side, None, qty, life)
        })
    })
}

fn step() -> impl Strategy<Value = Step> {
    let house = 0..HOUSES.len();
    let phase = prop::sample::select(Phase::ALL);
    // Trading is what a market does most of the time.
    let phase = prop_oneof![2 => Just(Phase::Continuous), 1 => phase];
    let change = (
        1..3u32,
        1..50u64,
        prop::option::weighted(0.8, price()),
        1..300u64,
        prop::option::weighted(0.2, price()),
    );
    prop_oneof![
        40 => order().prop_map(Step::New),
        8 => (house.clone(), 1..3u32, any::<bool>(), prop::option::of(price()), 1..300u64, any::<u64>())
            .prop_map(|(house, account, buy, cents, qty, more)| {
                Step::Parent { house, account, buy, cents, qty, more }
            }),
        10 => (
            (house.clone(), 1..3u32, prop::sample::select(Contingency::ALL), any::<bool>()),
            price(),
            [1..8i64, 1..8i64, 1..8i64],
            1..300u64,
            any::<u64>(),
        )
            .prop_map(|((house, account, kind, buy), cents, far, qty, more)| {
                Step::List { house, account, kind, buy, cents, far, qty, more }
            }),
        8 => (1..3u32, 1..50u64).prop_map(|(account, order)| Step::Cancel { account, order }),
        10 => change.prop_map(|(account, order, cents, qty, stop_cents)| {
            Step::Change { account, order, cents, qty, stop_cents }
        }),
        1 => (prop::option::of(house.clone()), 0..3u32, 0..3u8)
            .prop_map(|(house, account, side)| Step::MassCancel { house, account, side }),
        1 => (0..3u32, prop::bool::weighted(0.1))
            .prop_map(|(account, engaged)| Step::Kill { account, engaged }),
        3 => (prop::option::of(house.clone()), phase)
            .prop_map(|(house, phase)| Step::Phase { house, phase }),
        2 => (prop::option::of(house.clone()), 0..2_000u32, 0..1_000u32, 0..400u64).prop_map(
            |(house, static_ppm, dynamic_ppm, pause_ns)| {
                Step::Bands { house, static_ppm, dynamic_ppm, pause_ns }
            }
        ),
        1 => (house, price()).prop_map(|(house, cents)| Step::Reference { house, cents }),
        1 => Just(Step::SessionClosed),
        1 => Just(Step::DayRoll),
        4 => (1..300u64).prop_map(|ns| Step::Pass { ns }),
        2 => (1..1_500_000_000u64).prop_map(|ns| Step::Pass { ns }),
    ]
}

fn terms(symbol: &str) -> Instrument {
    let symbol = Symbol::new(symbol).expect("valid");
    let (venue_kind, order_tick_from) = (venue_kind::INTERNAL, Ticks::ZERO);
    Instrument { venue_kind, order_tick_from, ..Instrument::us_equity(symbol) }
}

fn command(step: &Step, at: usize) -> Command {
    let scope = |account: u32| if account == 0 { AccountId::NONE } else { AccountId(account) };
    let of = |house: Option<usize>| house.map_or(InstrumentId::NONE, |house| HOUSES[house]);
    match *step {
        Step::New(ref order) => {
            let client_order_id = ClientOrderId::new(&format!("o{at}")).expect("valid");
            Command::NewOrder(NewOrder { client_order_id, ..**order })
        }
        Step::List { .. } | Step::Parent { .. } => unreachable!("a list is several inputs"),
        Step::Cancel { account, order } => Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order),
            account: AccountId(account),
            reserved: [0; 4],
        }),
        Step::Change { account, order, cents: c, qty, stop_cents } => {
            Command::ReplaceOrder(ReplaceOrder {
                client_order_id: ClientOrderId::EMPTY,
                order_id: OrderId(order),
                account: AccountId(account),
                reserved: [0; 4],
                qty: Lots(qty),
                price: c.map_or(Ticks::ZERO, cents),
                stop_price: stop_cents.map_or(Ticks::ZERO, cents),
            })
        }
        Step::MassCancel { house, account, side } => Command::MassCancel(MassCancel {
            account: scope(account),
            instrument: of(house),
            side,
            reserved: [0; 7],
        }),
        Step::Kill { account, engaged } => Command::KillSwitch(KillSwitch {
            account: scope(account),
            engaged: engaged.into(),
            ..KillSwitch::of(Scope::default(), false)
        }),
        Step::Phase { house, phase } => Command::SetPhase(SetPhase {
            instrument: of(house),
            phase: phase.wire(),
            reserved: [0; 3],
            due_at: UnixNanos::ZERO,
        }),
        Step::Bands { house, static_ppm, dynamic_ppm, pause_ns } => Command::SetBands(SetBands {
            pause_ns,
            instrument: of(house),
            static_ppm,
            dynamic_ppm,
            reserved: [0; 4],
        }),
        Step::Reference { house, cents: c } => Command::SetReference(SetReference {
            price: cents(c),
            instrument: HOUSES[house],
            reserved: [0; 4],
        }),
        Step::SessionClosed => Command::SessionClosed,
        Step::DayRoll => Command::DayRoll,
        Step::Pass { .. } => Command::Time,
    }
}

/// What everyone and the owners of orders were told, put together again.
#[derive(Default)]
struct Listener {
    books: BTreeMap<(InstrumentId, u8, Ticks), (Lots, u32)>,
    /// By order: as its last report shows it.
    orders: BTreeMap<OrderId, Execution>,
}

impl Listener {
    fn hear(&mut self, out: &Collected) {
        for update in &out.updates {
            if update.kind == PublicKind::Level.wire() {
                let at = (update.instrument, update.side, update.price);
                match update.qty {
                    Lots::ZERO => self.books.remove(&at),
                    qty => self.books.insert(at, (qty, update.orders)),
                };
            }
        }
        for record in &out.events {
            let Some(Event::Execution(report)) = record.event() else { continue };
            if report.order_id.0 == 0 {
                continue;
            }
            let before = self.orders.insert(report.order_id, report);
            let executed = before.map_or(0, |before| before.cum_qty.0);
            let last = report.last_qty.0;
            match ExecType::from_wire(report.exec_type) {
                Some(ExecType::Trade) => assert_eq!(report.cum_qty.0, executed + last),
                Some(ExecType::Canceled | ExecType::Expired) => {
                    let asked = report.cum_qty.0 + last;
                    assert_eq!(report.qty.0, asked, "OrderQty = CumQty + canceled");
                }
                Some(ExecType::Restated) if last > 0 => {
                    let before = before.expect("it was told before");
                    assert_eq!(report.qty.0, before.qty.0 - last, "what is taken off is restated");
                }
                // A parent is told what its children executed.
                Some(ExecType::OrderStatus) => assert!(report.cum_qty.0 >= executed),
                _ => assert_eq!(report.cum_qty.0, executed),
            }
        }
    }
}

fn check_state(core: &Core, listener: &Listener) {
    assert_eq!(core.risk().hash(), core.risk().hash_from_scratch());
    assert_eq!(core.oms().hash(), core.oms().hash_from_scratch());
    let markets = core.internal().markets();
    let (mut open, mut live) = (BTreeMap::new(), 0);
    for (slot, order) in core.oms().open_orders(AccountId::NONE) {
        let handle = slot.index() as u32;
        let in_market = markets.open(handle);
        let live_qty = core.oms().live_qty(slot);
        let expected = (order.place == Place::House && live_qty > Lots::ZERO).then_some(live_qty);
        assert_eq!(in_market, expected, "the market has what is live: {order:?}");
        live += usize::from(in_market.is_some());
        let told = core.oms().execution(slot);
        let last = &listener.orders[&order.order_id];
        assert_eq!((last.qty, last.leaves_qty), (told.qty, told.leaves_qty), "it was told");
        let lots = open.entry((order.account, order.instrument, order.side)).or_insert(0);
        // Of orders of which only one can execute, the first stands for all.
        if core.oms().rivals(slot).all(|rival| rival > slot) {
            *lots += core.oms().exposure(slot).qty.0;
        }
        for rival in core.oms().rivals(slot) {
            let is_there = markets.open(rival.index() as u32).is_some();
            assert!(in_market.is_none() || !is_there, "{} has a rival", order.order_id);
        }
    }
    for (id, report) in &listener.orders {
        let is_open = core.oms().open_orders(AccountId::NONE).any(|(_, it)| it.order_id == *id);
        assert!(is_open || report.leaves_qty == Lots::ZERO, "{report:?}");
    }
    let mut levels = BTreeMap::new();
    for instrument in HOUSES {
        let market = core.internal().market_of(instrument).expect("it has one");
        for side in [Side::Buy, Side::Sell] {
            for (price, qty, orders) in markets.levels(market, side) {
                levels.insert((instrument, side.wire(), price), (qty, orders));
            }
        }
        if markets.phase(market) == Phase::Continuous {
            let best = [Side::Buy, Side::Sell].map(|side| markets.best(market, side));
            assert!(!matches!(best, [Some(bid), Some(offer)] if bid >= offer), "never crossed");
        }
        let held: Vec<i64> =
            ACCOUNTS.iter().map(|id| core.oms().position(*id, instrument).qty).collect();
        assert_eq!(held.iter().sum::<i64>(), 0, "what one buys another sells: {held:?}");
        for account in ACCOUNTS {
            let counted = core.risk().exposure(account, instrument);
            for side in [Side::Buy, Side::Sell] {
                let lots = open.get(&(account, instrument, side)).copied().unwrap_or(0);
                assert_eq!(counted.open_qty[side.index()].0, lots);
            }
            assert_eq!(counted.position, core.oms().position(account, instrument).qty);
        }
    }
    let in_markets = (0..1 << 12).filter(|handle| markets.open(*handle).is_some()).count();
    assert_eq!(in_markets, live, "the markets have nothing else");
    assert_eq!(levels, listener.books, "everyone was told");
}

/// The exits of a bracket close no more than its entry has executed.
fn check_brackets(core: &Core, heads: &BTreeMap<u64, Vec<u64>>) {
    for (entry, exits) in heads {
        let find = |id: &u64| core.oms().by_id(OrderId(*id));
        let Some(entered) = find(entry).map(|slot| core.oms().order(slot).cum_qty.0) else {
            continue;
        };
        let exits: Vec<_> = exits.iter().filter_map(find).collect();
        let closed: u64 = exits.iter().map(|slot| core.oms().order(*slot).cum_qty.0).sum();
        assert!(closed <= entered, "exits of {entry} close {closed} of {entered}");
        let markets = core.internal().markets();
        let live = exits.iter().filter_map(|slot| markets.open(slot.index() as u32));
        let live: u64 = live.map(|open| open.0).sum();
        assert!(live <= entered - closed, "exits of {entry} could close more");
    }
}

/// The inputs that a step stands for.
fn commands(step: &Step, at: usize, now: u64) -> Vec<Command> {
    if let Step::Parent { house, account, buy, cents: limit, qty, more } = *step {
        let (account, list_id) = (AccountId(account), at as u32 + 1);
        let side = if buy { Side::Buy } else { Side::Sell };
        let tif = if more >> 50 & 1 == 0 { TimeInForce::Day } else { TimeInForce::Gtc };
        let order = new_order(&format!("o{at}"), side, limit.map(cents), qty, tif);
        let instrument = HOUSES[house];
        return vec![
            Command::NewAlgorithm(algorithm(account, list_id, now, more)),
            Command::NewOrder(NewOrder { account, instrument, list_id, leg: 1, ..order }),
        ];
    }
    let Step::List { house, account, kind, buy, cents, far, qty, more } = *step else {
        return vec![command(step, at)];
    };
    let (account, list_id) = (AccountId(account), at as u32 + 1);
    let side = if buy { Side::Buy } else { Side::Sell };
    let legs = list_legs(at, kind, side, cents, far, qty, more);
    let expire_at = UnixNanos(1_000 + more % 2_000);
    let leg_count = legs.len() as u8;
    let contingency = kind.wire();
    let head = NewList { account, list_id, contingency, leg_count, reserved: [0; 6] };
    let legs = legs.into_iter().map(|leg| {
        let leg = NewOrder { account, instrument: HOUSES[house], ..leg };
        let gtd = leg.time_in_force == TimeInForce::Gtd.wire();
        Command::NewOrder(if gtd { NewOrder { expire_at, ..leg } } else { leg })
    });
    std::iter::once(Command::NewList(head)).chain(legs).collect()
}

fn run(steps: &[Step], checks: bool) -> (Core, Vec<Collected>) {
    let mut desk = Desk::new(0);
    for (symbol, instrument) in ["ONE", "TWO"].into_iter().zip(HOUSES) {
        desk.command(Command::DefineInstrument(terms(symbol)));
        let price = cents(10_000);
        desk.command(Command::SetReference(SetReference { price, instrument, reserved: [0; 4] }));
    }
    let mut listener = Listener::default();
    let mut brackets = BTreeMap::new();
    let mut families = Families::new();
    let mut told = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if let Step::Pass { ns } = step {
            desk.now.0 += ns;
        }
        for command in commands(step, at, desk.now.0) {
            let mut record = CommandRecord::new(command);
            record.ts_recv = desk.now;
            let record = record.from_session(PrincipalId(1), SessionId(5), at as u64);
            let mut out = Collected::default();
            desk.core.apply(desk.core.seq().next(), Input::Command(&record), &mut out);
            if !checks {
                reload_sometimes(&mut desk.core, 40);
            }
            if checks {
                listener.hear(&out);
                note_brackets(&out.events, &mut brackets);
                check_state(&desk.core, &listener);
                check_brackets(&desk.core, &brackets);
                note_families(&out.events, &mut families);
                check_families(&desk.core, &families);
            }
            told.push(out);
        }
    }
    (desk.core, told)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn all_agree_and_replay_does(steps in prop::collection::vec(step(), 1..200)) {
        let (core, told) = run(&steps, true);
        let (again, told_again) = run(&steps, false);
        assert_eq!(core.state_hash(), again.state_hash());
        assert!(saved(&core) == saved(&again), "the same, hashed or not");
        for (first, second) in told.iter().zip(&told_again) {
            assert_eq!(&first.events, &second.events);
            assert_eq!(&first.updates, &second.updates);
        }
    }
}
