//! What the gate costs: every control asked about one order, with 1 account and with 100,000, in order and at random; and how
//! long a kill switch of the firm takes with 10,000 orders open.
//!
//! One thread, warm, no rings. Each check is timed by itself, and the cost of asking for the time is taken off; an order is
//! counted as open and closed again between two checks, outside the time.

#![allow(missing_docs, reason = "a bench")]

use hdrhistogram::Histogram;
use std::hint::black_box;
use std::time::Instant;
use tidegate_bench::desk;
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_model::command::{
    Action, ControlKind, KillSwitch, NewOrder, OrderType, Reason, ReferenceKind, SetControl,
    SetGroup, SetLimits, TimeInForce,
};
use tidegate_model::fx::Rate;
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, GroupId, Instrument, InstrumentId, Lots,
    Money, PrincipalId, Scope, Side, StrategyId, Symbol, Ticks, UnixNanos,
};
use tidegate_risk::control::fits;
use tidegate_risk::{Funds, MarketView, OrderContext, OwnOrders, Parties, Risk};

const INSTRUMENT: InstrumentId = InstrumentId(0);
const STRATEGY: StrategyId = StrategyId(1);
const PRINCIPAL: PrincipalId = PrincipalId(1);
const GROUP: GroupId = GroupId(1);
const WIDE: i128 = 1_000_000_000 * MONEY_PER_UNIT;
const SEC: u64 = 1_000_000_000;
const REFERENCE: Ticks = Ticks(1_000_000);
/// Orders that are timed in one row.
const CHECKS: usize = 400_000;
const KILLED: usize = 10_000;

/// A control that refuses nothing here.
fn wide(kind: ControlKind, scope: Scope) -> SetControl {
    use ControlKind as K;
    let mut set = SetControl::of(kind, scope, WIDE);
    match kind {
        K::MaxOrderQty | K::PositionLong | K::PositionShort | K::ShortSale => set.limit = 1 << 40,
        K::StaleMarket | K::ExpiresAt => set.limit = u64::MAX.into(),
        K::PriceCollar => (set.limit, set.option) = (5_000, ReferenceKind::Mid.wire()),
        K::WindowCollar => (set.limit, set.window_ns) = (5_000, SEC),
        K::FatFinger => (set.limit, set.count) = (1_000_000, 1),
        K::MessageRate => (set.limit, set.count) = (u32::MAX.into(), u32::MAX),
        K::DuplicateOrders => (set.limit, set.window_ns) = (u32::MAX.into(), SEC),
        K::OpenOrders | K::DayOrders | K::DayTrades | K::Concentration => {
            set.limit = u32::MAX.into();
        }
        K::LiquidationDistance | K::SelfTrade | K::CancelOnDisconnect => set.limit = 0,
        K::RestrictedList => set.limit = 1,
        K::ExecutionThrottle => (set.limit, set.window_ns) = (1_000, SEC),
        K::DayLoss | K::Drawdown => set.action = Action::Flatten.wire(),
        K::ConsecutiveLosses => (set.limit, set.window_ns) = (u32::MAX.into(), SEC),
        K::Volatility => {
            (set.limit, set.window_ns, set.hold_ns) = (u32::MAX.into(), SEC, SEC);
            set.action = Action::StopOpening.wire();
        }
        K::Sides => set.limit = 3,
        _ => {}
    }
    set
}

/// Controls that cannot be in force while an order that opens passes.
const EXCLUSIVE: [ControlKind; 2] = [ControlKind::ReduceOnly, ControlKind::AllowedList];

struct Gate {
    risk: Risk,
    terms: Instrument,
    now: UnixNanos,
}

impl Gate {
    fn new(accounts: u32) -> Self {
        let symbol = Symbol::new("BENCH").expect("a valid symbol");
        let terms = Instrument::us_equity(symbol).checked().expect("acceptable");
        let mut risk = Risk::new();
        risk.prefault();
        let rate = |_| Some(Rate::ONE);
        risk.define_instrument(INSTRUMENT, &terms, &rate).expect("in range");
        for account in (0..accounts).map(AccountId) {
            risk.open_account(account).expect("in range");
            let limits = SetLimits {
                max_order_notional: Money(WIDE),
                credit: Money(WIDE),
                max_order_qty: Lots(1 << 40),
                max_position: Lots(1 << 40),
                price_collar_bp: 5_000,
                max_open_orders: u32::MAX,
                messages_per_sec: u32::MAX,
                message_burst: u32::MAX,
                account,
                reserved: [0; 12],
                reason: Reason::EMPTY,
            };
            risk.set_limits(&limits).expect("known");
        }
        Self { risk, terms, now: UnixNanos(1_700_000_000 * SEC) }
    }

    fn set_all(&mut self, scope: Scope) -> usize {
        let scope_kind = scope.scope_kind().expect("assigned");
        let kinds = ControlKind::ALL.iter().filter(|kind| fits(**kind, scope_kind));
        let kinds = kinds.filter(|kind| !EXCLUSIVE.contains(kind));
        let mut count = 0;
        for kind in kinds {
            self.risk.set_control(&wide(*kind, scope)).expect("it fits");
            count += 1;
        }
        count
    }

    /// Times each check of orders of accounts that `next` names.
    fn time(&mut self, mut next: impl FnMut() -> AccountId) -> Histogram<u64> {
        let mut times = Histogram::new(3).expect("three digits");
        let asking = cost_of_asking();
        let none = |_: Side, _: &dyn Fn(Parties) -> bool| None;
        for number in 0..CHECKS + CHECKS / 4 {
            self.now.0 += 1_000;
            let account = next();
            let market = MarketView {
                best: [Some(Ticks(999_900)), Some(Ticks(1_000_100))],
                heard_at: Some(self.now),
                has_feed: true,
            };
            let funds = Funds::of_base(Money(WIDE));
            let context = OrderContext::plain(self.now, &self.terms, Some(REFERENCE), funds);
            let own = OwnOrders(&none);
            let context = OrderContext { principal: PRINCIPAL, market, own, ..context };
            let mut name = [0; 40];
            name[..8].copy_from_slice(&(number as u64 | 0x2020_2020_2020_2020).to_le_bytes());
            let order = black_box(NewOrder {
                client_order_id: ClientOrderId(name),
                account,
                instrument: INSTRUMENT,
                strategy: STRATEGY,
                side: if number % 2 == 0 { Side::Buy.wire() } else { Side::Sell.wire() },
                order_type: OrderType::Limit.wire(),
                time_in_force: TimeInForce::Day.wire(),
                qty: Lots(100 + number as u64 % 7),
                price: REFERENCE,
                ..NewOrder::BLANK
            });
            let began = Instant::now();
            let approved = black_box(self.risk.check_new(order, &context));
            let ns = began.elapsed().as_nanos() as u64;
            let exposure = *approved.expect("nothing refuses it").exposure();
            self.risk.order_opened(&exposure);
            self.risk.order_closed(&exposure);
            // The first quarter warms up.
            if number >= CHECKS / 4 {
                times.record(ns.saturating_sub(asking).max(1)).expect("in range");
            }
        }
        times
    }
}

/// What asking for the time twice costs.
fn cost_of_asking() -> u64 {
    let mut times: Vec<_> = (0..10_000)
        .map(|_| {
            let began = Instant::now();
            began.elapsed().as_nanos() as u64
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn tell(what: &str, times: &Histogram<u64>) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|at| times.value_at_quantile(at));
    println!("{what:<66} {p50:>6} {p99:>6} {p999:>7}");
}

fn checks() {
    println!("{:<66} {:>6} {:>6} {:>7}", "one check of one order, ns", "p50", "p99", "p99.9");
    let first = || AccountId(0);
    tell("limits of the account alone, 1 account", &Gate::new(1).time(first));
    let mut gate = Gate::new(1);
    let count = gate.set_all(Scope::FIRM) + 2;
    for kind in [ControlKind::WindowCollar, ControlKind::Volatility] {
        let set = wide(kind, Scope::instrument(INSTRUMENT));
        gate.risk.set_control(&set).expect("it fits");
    }
    tell(&format!("and {count} controls, each once, 1 account"), &gate.time(first));

    let mut gate = Gate::new(1);
    let join = SetGroup {
        member: Scope::account(AccountId(0)),
        group: GROUP.0.into(),
        reserved: [0; 4],
        reason: Reason::EMPTY,
    };
    gate.risk.set_group(&join).expect("a group");
    let scopes = [
        Scope::FIRM,
        Scope::account(AccountId(0)),
        Scope::instrument(INSTRUMENT),
        Scope::strategy(STRATEGY),
        Scope::principal(PRINCIPAL),
        Scope::group(GROUP),
    ];
    let count: usize = scopes.into_iter().map(|scope| gate.set_all(scope)).sum();
    tell(&format!("{count} controls, each in all of 6 scopes, 1 account"), &gate.time(first));

    let many = 100_000;
    let mut gate = Gate::new(many);
    let count = gate.set_all(Scope::FIRM);
    let mut turn = 0;
    let in_turn = || {
        turn = (turn + 1) % many;
        AccountId(turn)
    };
    tell(&format!("{count} controls of the firm, 100,000 accounts in turn"), &gate.time(in_turn));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let at_random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        AccountId((seed % u64::from(many)) as u32)
    };
    tell(
        &format!("{count} controls of the firm, 100,000 accounts at random"),
        &gate.time(at_random),
    );
}

/// A kill switch of the firm with 10,000 orders open: the one input that cancels them all.
fn kill() {
    let mut spent = Vec::new();
    for _ in 0..11 {
        let mut core = Core::new(desk::CONFIGURE).expect("the sizes are allowed");
        core.apply(core.seq().next(), Input::Market(&desk::definition()), &mut NoOutput);
        for command in desk::set_up() {
            core.apply(core.seq().next(), Input::Command(&command), &mut NoOutput);
        }
        for (side, order_ref, price) in
            [(Side::Buy, 1, Ticks(999_900)), (Side::Sell, 2, Ticks(1_000_100))]
        {
            let event = desk::add(order_ref, side, price, 1_000);
            core.apply(core.seq().next(), Input::Market(&event), &mut NoOutput);
        }
        for number in 0..KILLED {
            let price = Ticks(990_000 - (number as i64 % 500) * 100);
            let record = desk::taking_order(number as u64, Side::Buy, price);
            let Some(Command::NewOrder(order)) = record.command() else { unreachable!() };
            let resting = NewOrder { time_in_force: TimeInForce::Day.wire(), ..order };
            let record = CommandRecord::new(Command::NewOrder(resting));
            core.apply(core.seq().next(), Input::Command(&record), &mut NoOutput);
        }
        assert_eq!(core.oms().open_count() as usize, KILLED, "all of them rest");
        let record = CommandRecord::new(Command::KillSwitch(KillSwitch::of(Scope::FIRM, true)));
        let began = Instant::now();
        core.apply(core.seq().next(), Input::Command(&record), &mut NoOutput);
        spent.push(began.elapsed());
        assert_eq!(core.oms().open_count(), 0, "none is left");
    }
    spent.sort_unstable();
    println!(
        "a kill of the firm cancels {KILLED} open orders in {:?} (median of {}; slowest {:?})",
        spent[spent.len() / 2],
        spent.len(),
        spent[spent.len() - 1]
    );
}

fn main() {
    checks();
    kill();
}
