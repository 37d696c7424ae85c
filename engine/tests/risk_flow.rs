//! Random orders of several principals and strategies: after every event the sums of each scope are those that adding up anew
//! gives, from what the order management, the books and the reports say and not from what risk keeps.

mod support;

use std::collections::BTreeMap;
use support::saved::reload_sometimes;
use support::*;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType};
use tidegate_model::*;
use tidegate_risk::Totals;
use tidegate_risk::marks::SWEEP_NS;

const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];
const STRATEGIES: [StrategyId; 3] = [StrategyId(0), StrategyId(5), StrategyId(6)];
const PRINCIPALS: [u32; 3] = [1, 2, 3];
/// Accounts of a client, strategies of a desk.
const CLIENT: GroupId = GroupId(1);
const TEAM: GroupId = GroupId(2);

/// What a tick of a lot is worth: 0.0001.
const TICK_LOT: i128 = MONEY / 10_000;

/// Splitmix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % count
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What one strategy or principal has, by its reports: lots, and cash in money.
#[derive(Clone, Copy, Default)]
struct Held {
    lots: i128,
    cash: i128,
}

struct Flow {
    core: Core,
    now: UnixNanos,
    names: u64,
    /// By kind of scope and its number.
    held: BTreeMap<(u8, u32), Held>,
    trades: u64,
}

fn scopes() -> Vec<Scope> {
    let mut scopes =
        vec![Scope::FIRM, Scope::instrument(INSTRUMENT), Scope::group(CLIENT), Scope::group(TEAM)];
    scopes.extend(ACCOUNTS.map(Scope::account));
    scopes.extend(STRATEGIES[1..].iter().map(|strategy| Scope::strategy(*strategy)));
    scopes.extend(PRINCIPALS.map(|number| Scope::principal(PrincipalId(number))));
    scopes
}

impl Flow {
    fn new() -> Self {
        let core = Core::new(configure(0)).expect("the sizes are allowed");
        let (now, held) = (UnixNanos(1_000), BTreeMap::new());
        let mut flow = Self { core, now, names: 0, held, trades: 0 };
        flow.command(0, Command::Configure(configure(0)));
        flow.market(definition());
        for command in setup_commands() {
            flow.command(0, command);
        }
        for number in PRINCIPALS {
            flow.command(0, Command::SetPrincipal(person(number)));
        }
        let join = |member, group: GroupId| {
            let (group, reason) = (group.0.into(), Reason::EMPTY);
            Command::SetGroup(SetGroup { member, group, reserved: [0; 4], reason })
        };
        flow.command(0, join(Scope::account(ACCOUNTS[1]), CLIENT));
        flow.command(0, join(Scope::strategy(STRATEGIES[1]), TEAM));
        for scope in scopes() {
            let set = SetControl::of(ControlKind::GrossExposure, scope, 1_000_000_000 * MONEY);
            flow.command(0, Command::SetControl(set));
            assert!(flow.core.risk().totals(scope).is_some(), "{scope}");
        }
        flow
    }

    fn hear(&mut self, out: &Collected) {
        for record in &out.events {
            let Some(Event::Execution(report)) = record.event() else { continue };
            if ExecType::from_wire(report.exec_type) != Some(ExecType::Trade) {
                continue;
            }
            self.trades += 1;
            let sign = if report.side == Side::Buy.wire() { 1 } else { -1 };
            let lots = i128::from(report.last_qty.0) * sign;
            let cash = -lots * i128::from(report.last_price.0) * TICK_LOT - report.fee.0;
            for scope in [Scope::strategy(record.strategy), Scope::principal(record.principal)] {
                let held = self.held.entry((scope.kind, scope.id)).or_default();
                (held.lots, held.cash) = (held.lots + lots, held.cash + cash);
            }
        }
    }

    fn command(&mut self, principal: u32, command: Command) {
        let mut record =
            CommandRecord::new(command).from_session(PrincipalId(principal), SessionId(5), 0);
        record.ts_recv = self.now;
        let mut out = Collected::default();
        self.core.apply(self.core.seq().next(), Input::Command(&record), &mut out);
        reload_sometimes(&mut self.core, 500);
        self.hear(&out);
    }

    fn market(&mut self, event: MarketEvent) {
        let event = MarketEvent { ts_recv: self.now, ts_event: self.now, ..event };
        let mut out = Collected::default();
        self.core.apply(self.core.seq().next(), Input::Market(&event), &mut out);
        reload_sometimes(&mut self.core, 500);
        self.hear(&out);
    }

    fn step(&mut self, random: &mut Random) {
        let price = cents(9_990 + random.below(21) as i64);
        let (side, qty) = (random.one_of(&[Side::Buy, Side::Sell]), 1 + random.below(200));
        self.now.0 += random.below(1_000_000);
        match random.below(12) {
            0..=2 => self.market(add(1 + random.below(60), side, price, qty)),
            3 => self.market(execute(1 + random.below(60), qty)),
            4 => self.market(trade(side, price, qty)),
            5..=8 => {
                self.names += 1;
                let tif = random.one_of(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Day]);
                let limit = (random.below(5) > 0).then_some(price);
                let order = NewOrder {
                    account: random.one_of(&ACCOUNTS),
                    strategy: random.one_of(&STRATEGIES),
                    ..new_order(&format!("n{}", self.names), side, limit, qty, tif)
                };
                self.command(random.one_of(&PRINCIPALS), Command::NewOrder(order));
            }
            kind => self.change(kind, price, qty, random),
        }
    }

    /// A cancel or new terms for an open order, by who entered it.
    fn change(&mut self, kind: u64, price: Ticks, qty: u64, random: &mut Random) {
        let open: Vec<_> = self.core.oms().open_orders(AccountId::NONE).collect();
        if open.is_empty() {
            return;
        }
        let &(_, order) = &open[random.below(open.len() as u64) as usize];
        let (account, order_id, who) = (order.account, order.order_id, order.who.principal.0);
        let client_order_id = ClientOrderId::EMPTY;
        let command = match kind {
            9 | 10 => Command::ReplaceOrder(ReplaceOrder {
                client_order_id,
                order_id,
                account,
                reserved: [0; 4],
                qty: Lots(qty),
                price,
                stop_price: Ticks::ZERO,
            }),
            _ => Command::CancelOrder(CancelOrder {
                client_order_id,
                order_id,
                account,
                reserved: [0; 4],
            }),
        };
        self.command(who, command);
    }

    /// True if what `account`, `strategy` and `principal` do counts for the scope.
    fn counts(scope: Scope, account: AccountId, strategy: StrategyId, principal: u32) -> bool {
        match scope.scope_kind().expect("one of ours") {
            ScopeKind::Firm | ScopeKind::Instrument => true,
            ScopeKind::Account => scope.id == account.0,
            ScopeKind::Strategy => scope.id == u32::from(strategy.0),
            ScopeKind::Principal => scope.id == principal,
            ScopeKind::Group if scope.id == u32::from(CLIENT.0) => account == ACCOUNTS[1],
            ScopeKind::Group => strategy == STRATEGIES[1],
        }
    }

    fn totals(&self, scope: Scope) -> Totals {
        *self.core.risk().totals(scope).expect("it has a control")
    }

    /// What is open, order by order.
    fn check_open(&self) {
        for scope in scopes() {
            let (mut count, mut money) = (0, [0; 2]);
            for (slot, order) in self.core.oms().open_orders(AccountId::NONE) {
                let by = order.who.principal.0;
                if Self::counts(scope, order.account, order.strategy, by) {
                    count += 1;
                    money[order.side.index()] += self.core.oms().exposure(slot).notional.0;
                }
            }
            let totals = self.totals(scope);
            assert_eq!((totals.open_orders, totals.money.open), (count, money), "{scope}");
        }
    }

    /// What is held, at the mark, when the sweep has passed everybody.
    fn check_held(&mut self) {
        self.now.0 += SWEEP_NS;
        self.command(0, Command::Time);
        let Some(mark) = self.core.mark(INSTRUMENT) else { return };
        let worth = |lots: i128| lots * i128::from(mark.0) * TICK_LOT;
        let of_account = |account: AccountId| {
            let lots = self.core.oms().position(account, INSTRUMENT).qty.into();
            let equity = self.core.equity(account).expect("one currency").equity.0;
            let deposits = self.core.oms().account(account).expect("open").deposits.0;
            (worth(lots), equity - deposits)
        };
        let of_held = |scope: Scope| {
            let held = self.held.get(&(scope.kind, scope.id)).copied().unwrap_or_default();
            (worth(held.lots), worth(held.lots) + held.cash)
        };
        for scope in scopes() {
            let parts: Vec<(i128, i128)> = match scope.scope_kind().expect("one of ours") {
                ScopeKind::Firm | ScopeKind::Instrument => ACCOUNTS.map(of_account).to_vec(),
                ScopeKind::Account => vec![of_account(AccountId(scope.id))],
                ScopeKind::Group if scope.id == u32::from(CLIENT.0) => {
                    vec![of_account(ACCOUNTS[1])]
                }
                ScopeKind::Group => vec![of_held(Scope::strategy(STRATEGIES[1]))],
                _ => vec![of_held(scope)],
            };
            let long: i128 = parts.iter().map(|part| part.0.max(0)).sum();
            let short: i128 = parts.iter().map(|part| (-part.0).max(0)).sum();
            let pnl: i128 = parts.iter().map(|part| part.1).sum();
            let money = self.totals(scope).money;
            assert_eq!((money.long, money.short, money.pnl), (long, short, pnl), "{scope}");
        }
    }
}

fn run(seed: u64, steps: u64) {
    let (mut flow, mut random) = (Flow::new(), Random(seed));
    for step in 0..steps {
        flow.step(&mut random);
        flow.check_open();
        if step % 10 == 0 {
            flow.check_held();
        }
        // Orders at their end are forgotten, or there would soon be no room for more.
        if step % 1_000 == 999 {
            flow.command(0, Command::DayRoll);
        }
        assert_eq!(flow.core.risk().hash(), flow.core.risk().hash_from_scratch());
    }
    assert!(flow.trades > steps / 20, "only {} trades: nothing is shown", flow.trades);
}

#[test]
fn sums_are_what_adding_up_anew_gives() {
    for seed in 1..=4 {
        run(seed, 2_000);
    }
}

#[test]
#[ignore = "deep: a million random events"]
fn sums_of_a_million_events_are_what_adding_up_anew_gives() {
    run(0x7469_6465, 1_000_000);
}
