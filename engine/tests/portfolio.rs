//! Controls that look at a whole portfolio, and who is behind each report.

mod support;

use support::*;
use tidegate_engine::core::{Collected, Input};
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::*;

const TRADER: u32 = 3;
const STRATEGY: StrategyId = StrategyId(5);
const GROUP: GroupId = GroupId(1);
const SCOPES: [Scope; 6] = [
    Scope::FIRM,
    Scope::principal(PrincipalId(TRADER)),
    Scope::account(ACCOUNT),
    Scope::strategy(STRATEGY),
    Scope::instrument(INSTRUMENT),
    Scope::group(GROUP),
];

fn control(scope: Scope, kind: ControlKind, limit: i128) -> Command {
    Command::SetControl(SetControl::of(kind, scope, limit))
}

/// A market at 100.00 and a trader.
fn house() -> Desk {
    let mut desk = Desk::new(0);
    desk.command(Command::SetPrincipal(person(TRADER)));
    let (member, group) = (Scope::principal(PrincipalId(TRADER)), GROUP.0.into());
    let reason = Reason::EMPTY;
    desk.command(Command::SetGroup(SetGroup { member, group, reserved: [0; 4], reason }));
    desk.market(trade(Side::Buy, cents(10_000), 1));
    desk
}

/// The refusal of an order of the trader, as it is told; `None` if it passes.
fn refused(
    desk: &mut Desk,
    account: AccountId,
    side: Side,
    qty: u64,
    price: i64,
) -> Option<String> {
    desk.names += 1;
    let name = format!("o{}", desk.names);
    let order = new_order(&name, side, Some(cents(price)), qty, TimeInForce::Gtc);
    let order = NewOrder { account, strategy: STRATEGY, ..order };
    let told = lines(&desk.command_by(TRADER, Command::NewOrder(order)));
    let last = told.last().expect("an answer");
    last.split("rejected -> rejected ").nth(1).map(str::to_string)
}

/// An order's money, times the root of the sum of the squares of its loadings, at a limit of 1,000.
#[test]
fn factors_are_limited_together() {
    let limit = 1_000 * MONEY;
    for scope in SCOPES {
        for (loadings, passes, refuses, value) in [
            ([1_000_000, 0], [(10, 9_999), (10, 10_000)], (10, 10_001), Some(1_000_100)),
            ([600_000, 800_000], [(10, 9_999), (10, 10_000)], (10, 10_001), Some(1_000_100)),
            ([0, -1_000_000], [(10, 9_999), (10, 10_000)], (10, 10_001), Some(1_000_100)),
            // 707.10 in each of two is 999.99, 707.14 is 1,000.04.
            ([1_000_000, 1_000_000], [(7, 10_101), (9, 7_856)], (7, 10_102), None),
            ([500_000, 0], [(20, 9_999), (20, 10_000)], (20, 10_001), Some(1_000_100)),
        ] {
            let mut loadings_e6 = [0; FACTORS_MAX];
            loadings_e6[..2].copy_from_slice(&loadings);
            let check = |side, qty, price| {
                let mut desk = house();
                let set = SetFactors { instrument: INSTRUMENT, loadings_e6 };
                desk.command(Command::SetFactors(set));
                desk.command(control(scope, ControlKind::FactorExposure, limit));
                refused(&mut desk, ACCOUNT, side, qty, price)
            };
            for (qty, price) in passes {
                assert_eq!(
                    check(Side::Buy, qty, price),
                    None,
                    "{scope} {loadings:?} {qty}@{price}"
                );
            }
            let told = check(Side::Buy, refuses.0, refuses.1).expect("beyond the limit");
            let start = format!("factor_exposure: limit={limit} value=");
            assert!(told.starts_with(&start), "{scope} {loadings:?}: {told}");
            if let Some(milli) = value {
                assert!(told.starts_with(&format!("{start}{} ", milli * MONEY / 1_000)), "{told}");
            }
        }
        // Nobody has said what it moves with: it counts for nothing.
        let mut desk = house();
        desk.command(control(scope, ControlKind::FactorExposure, 0));
        assert_eq!(refused(&mut desk, ACCOUNT, Side::Buy, 10, 10_000), None, "{scope}");
    }
}

/// 10,000 in a margin account, 100 lots at 100.00 whose maintenance margin is a quarter: 75 % of equity are above it.
#[test]
fn an_account_near_its_maintenance_margin_only_reduces() {
    let margin_account = AccountId(3);
    let on_margin = |scope, limit| {
        let mut desk = house();
        let usd = tidegate_model::ids::Code::new("USD").expect("valid");
        let open = OpenAccount {
            kind: AccountKind::Margin.wire(),
            ..OpenAccount::of(margin_account, usd)
        };
        desk.command(Command::OpenAccount(open));
        desk.command(Command::Transfer(Transfer::of_base(margin_account, Money(10_000 * MONEY))));
        let limits = SetLimits { credit: Money::ZERO, ..limits(margin_account) };
        desk.command(Command::SetLimits(limits));
        desk.command(Command::SetMargin(SetMargin {
            initial_per_lot: Money::ZERO,
            maintenance_per_lot: Money::ZERO,
            instrument: INSTRUMENT,
            initial_e6: 500_000,
            maintenance_e6: 250_000,
            reserved: [0; 4],
        }));
        desk.market(add(1, Side::Sell, cents(10_000), 100));
        assert_eq!(refused(&mut desk, margin_account, Side::Buy, 100, 10_000), None);
        assert_eq!(desk.core.oms().position(margin_account, INSTRUMENT).qty, 100);
        desk.command(control(scope, ControlKind::LiquidationDistance, limit));
        desk
    };
    for scope in SCOPES
        .map(|s| if s == Scope::account(ACCOUNT) { Scope::account(margin_account) } else { s })
    {
        let kind = scope.scope_kind().expect("assigned");
        for (limit, passes) in [(7_499, true), (7_500, true), (7_501, false)] {
            let mut desk = on_margin(scope, limit);
            let told = refused(&mut desk, margin_account, Side::Buy, 1, 9_500);
            let expected = format!("liquidation_distance: limit={limit} value=7500 scope={kind}");
            assert_eq!(told, (!passes).then_some(expected), "{scope}");
            assert_eq!(
                refused(&mut desk, margin_account, Side::Sell, 100, 10_500),
                None,
                "{scope}"
            );
        }
        // A cash account has no maintenance margin.
        let mut desk = on_margin(scope, 10_000);
        assert_eq!(refused(&mut desk, ACCOUNT, Side::Buy, 1, 9_500), None, "{scope}");
    }
}

/// Each report of an order names who entered it, also where somebody else ends it.
#[test]
fn every_report_names_who_is_behind_the_order() {
    let mut desk = house();
    desk.market(add(1, Side::Sell, cents(10_000), 4));
    let order = new_order("a", Side::Buy, Some(cents(10_000)), 10, TimeInForce::Gtc);
    let order = Command::NewOrder(NewOrder { strategy: STRATEGY, ..order });
    let kill = Command::KillSwitch(KillSwitch::of(Scope::FIRM, true));
    let mut reports = 0;
    for (principal, command) in [(TRADER, order), (0, kill)] {
        let mut record = CommandRecord::new(command).from_session(
            PrincipalId(principal),
            SessionId(principal + 40),
            7,
        );
        record.ts_recv = desk.now;
        let mut out = Collected::default();
        desk.core.apply(desk.core.seq().next(), Input::Command(&record), &mut out);
        for record in &out.events {
            if !matches!(record.event(), Some(Event::Execution(_))) {
                continue;
            }
            reports += 1;
            let who = (record.account, record.principal, record.session, record.strategy);
            let owner = (ACCOUNT, PrincipalId(TRADER), SessionId(TRADER + 40), STRATEGY);
            assert_eq!(who, owner, "{:?}", record.event());
        }
    }
    assert!(reports >= 3, "new, a trade, canceled: {reports}");
}
