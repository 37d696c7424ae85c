//! Controls in the core: who may change them, what waits for a second person, what stops a scope and what that does, and
//! that a replay says the same.

mod support;

use support::*;
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_model::command::*;
use tidegate_model::event::{Event, Proposal, ProposalStatus};
use tidegate_model::*;

const ALICE: u32 = 11;
const BOB: u32 = 12;
const AGENT: u32 = 13;
const TRADER: u32 = 14;
const STRATEGY: StrategyId = StrategyId(3);

fn control(kind: ControlKind, scope: Scope, limit: i128) -> SetControl {
    SetControl {
        reason: Reason::new("a test").expect("short"),
        ..SetControl::of(kind, scope, limit)
    }
}

/// A desk with a book of 99.90 to 100.10, two officers, an agent and a trader of the strategy.
fn staffed() -> Desk {
    let mut desk = Desk::new(0);
    desk.market(add(1, Side::Buy, cents(9_990), 1_000));
    desk.market(add(2, Side::Sell, cents(10_010), 1_000));
    let agent = SetPrincipal {
        role: Role::Agent.wire(),
        permissions: MAY_TRADE,
        account: ACCOUNT,
        ..person(AGENT)
    };
    let trader = SetPrincipal { permissions: MAY_TRADE, strategy: STRATEGY, ..person(TRADER) };
    for set in [person(ALICE), person(BOB), agent, trader] {
        acked(&desk.command(Command::SetPrincipal(set)), Ok(0));
    }
    desk
}

/// What the last acknowledgement among the events says.
fn answer(told: &[Event]) -> Result<u64, RejectReason> {
    let ack = told.iter().rev().find_map(|event| match event {
        Event::Ack(ack) => Some(*ack),
        _ => None,
    });
    let ack = ack.expect("it is answered");
    ack.reject().map_or(Ok(ack.value), |reject| Err(reject.reason))
}

fn acked(told: &[Event], expected: Result<u64, RejectReason>) {
    assert_eq!(answer(told), expected, "{told:?}");
}

fn proposals(told: &[Event]) -> Vec<Proposal> {
    let proposal = |event: &Event| match event {
        Event::Proposal(proposal) => Some(*proposal),
        _ => None,
    };
    told.iter().filter_map(proposal).collect()
}

fn order_of(name: &str, side: Side, price: Option<Ticks>, qty: u64) -> NewOrder {
    NewOrder { strategy: STRATEGY, ..new_order(name, side, price, qty, TimeInForce::Day) }
}

#[test]
fn one_person_tightens_and_two_loosen() {
    let mut desk = staffed();
    let cap = |limit| Command::SetControl(control(ControlKind::MaxOrderQty, Scope::FIRM, limit));
    acked(&desk.command_by(ALICE, cap(100)), Ok(0));
    acked(&desk.command_by(BOB, cap(50)), Ok(0));
    let told = desk.command_by(ALICE, cap(80));
    let [proposal] = proposals(&told)[..] else { panic!("{told:?}") };
    acked(&told, Ok(proposal.number));
    let in_force = |desk: &Desk| desk.core.risk().controls(Scope::FIRM)[0].limit;
    assert_eq!(in_force(&desk), 50, "nothing has changed yet");
    let decide = |decision: Decision, hash| {
        Command::Decide(Decide { hash, decision: decision.wire(), ..approval(&proposal) })
    };
    let approve = decide(Decision::Approve, proposal.hash);
    for (principal, command, reason) in [
        (ALICE, approve, RejectReason::SamePerson),
        (0, approve, RejectReason::NotAPerson),
        (AGENT, approve, RejectReason::NotAPerson),
        (TRADER, approve, RejectReason::NotPermitted),
        (99, approve, RejectReason::NotAPerson),
        (BOB, decide(Decision::Approve, proposal.hash ^ 1), RejectReason::WrongHash),
    ] {
        acked(&desk.command_by(principal, command), Err(reason));
        assert_eq!(in_force(&desk), 50, "{reason}");
    }
    acked(&desk.command_by(BOB, approve), Ok(proposal.number));
    assert_eq!(in_force(&desk), 80);
    acked(&desk.command_by(BOB, approve), Err(RejectReason::UnknownProposal));
}

#[test]
fn programs_and_strangers_change_nothing() {
    let mut desk = staffed();
    let scope = Scope::FIRM;
    let reason = Reason::EMPTY;
    let listed = SetListed { instrument: INSTRUMENT, list: 1, listed: 1, reserved: [0; 2], reason };
    let locate = GrantLocate { qty: Lots(1), account: ACCOUNT, instrument: INSTRUMENT, reason };
    let group = SetGroup { member: Scope::account(ACCOUNT), group: 1, reserved: [0; 4], reason };
    for command in [
        Command::SetControl(control(ControlKind::MaxOrderQty, scope, 1)),
        Command::SetLimits(SetLimits { credit: Money::ZERO, ..limits(ACCOUNT) }),
        Command::KillSwitch(KillSwitch::of(scope, true)),
        Command::KillSwitch(KillSwitch::of(scope, false)),
        Command::Enable(Enable { scope, reason }),
        Command::SetListed(listed),
        Command::GrantLocate(locate),
        Command::SetGroup(group),
        Command::SetFactors(SetFactors { instrument: INSTRUMENT, loadings_e6: [0; 8] }),
    ] {
        for principal in [AGENT, TRADER, 99] {
            acked(&desk.command_by(principal, command), Err(RejectReason::NotPermitted));
        }
    }
    for principal in [ALICE, AGENT] {
        let set = Command::SetPrincipal(person(principal));
        acked(&desk.command_by(principal, set), Err(RejectReason::NotPermitted));
    }
}

#[test]
fn a_principal_trades_for_whom_it_may() {
    let mut desk = staffed();
    let refused = |told: &[Event]| {
        let line = lines(told).pop().unwrap_or_default();
        line.contains("not_permitted")
    };
    let other = AccountId(2);
    let order = order_of("a", Side::Buy, Some(cents(9_990)), 1);
    let told = desk.command_by(AGENT, Command::NewOrder(NewOrder { account: other, ..order }));
    assert!(refused(&told), "{told:?}");
    let no_strategy = NewOrder { strategy: StrategyId(9), ..order };
    assert!(refused(&desk.command_by(TRADER, Command::NewOrder(no_strategy))));
    let told = desk.command_by(TRADER, Command::NewOrder(order));
    assert_eq!(lines(&told), ["1 new -> new"]);
    // Nor does it touch what is others'.
    let theirs = NewOrder { account: other, ..order_of("b", Side::Buy, Some(cents(9_990)), 1) };
    desk.command(Command::NewOrder(theirs));
    let cancel = CancelOrder {
        client_order_id: theirs.client_order_id,
        order_id: OrderId(0),
        account: other,
        reserved: [0; 4],
    };
    assert!(refused(&desk.command_by(AGENT, Command::CancelOrder(cancel))));
    let all = MassCancel {
        account: AccountId::NONE,
        instrument: InstrumentId::NONE,
        side: 0,
        reserved: [0; 7],
    };
    acked(&desk.command_by(AGENT, Command::MassCancel(all)), Err(RejectReason::NotPermitted));
}

#[test]
fn kill_switches_of_every_scope_cancel_what_is_theirs() {
    for scope in [
        Scope::FIRM,
        Scope::principal(PrincipalId(TRADER)),
        Scope::account(ACCOUNT),
        Scope::strategy(STRATEGY),
        Scope::instrument(INSTRUMENT),
        Scope::group(GroupId(1)),
    ] {
        let mut desk = staffed();
        let join = SetGroup {
            member: Scope::strategy(STRATEGY),
            group: 1,
            reserved: [0; 4],
            reason: Reason::EMPTY,
        };
        acked(&desk.command(Command::SetGroup(join)), Ok(0));
        let order = order_of("mine", Side::Buy, Some(cents(9_000)), 5);
        desk.command_by(TRADER, Command::NewOrder(order));
        let others = NewOrder {
            account: AccountId(2),
            strategy: StrategyId::NONE,
            ..order_of("theirs", Side::Buy, Some(cents(9_000)), 5)
        };
        desk.command_by(ALICE, Command::NewOrder(others));
        let is_everybodys =
            matches!(scope.scope_kind(), Some(ScopeKind::Firm | ScopeKind::Instrument));
        let count = if is_everybodys { 2 } else { 1 };
        acked(&desk.command_by(BOB, Command::KillSwitch(KillSwitch::of(scope, true))), Ok(count));
        let again = order_of("again", Side::Buy, Some(cents(9_000)), 5);
        let told = lines(&desk.command_by(TRADER, Command::NewOrder(again)));
        assert!(told[0].contains("rejected kill_switch"), "{scope}: {told:?}");
        // Letting go takes two.
        let told = desk.command_by(BOB, Command::KillSwitch(KillSwitch::of(scope, false)));
        let [proposal] = proposals(&told)[..] else { panic!("{told:?}") };
        assert!(desk.core.risk().killed(scope).is_some());
        let approve = Command::Decide(approval(&proposal));
        acked(&desk.command_by(BOB, approve), Err(RejectReason::SamePerson));
        acked(&desk.command_by(ALICE, approve), Ok(proposal.number));
        assert_eq!(desk.core.risk().killed(scope), None, "{scope}");
    }
}

/// Above its threshold an order waits; a person approves exactly it, once, in time.
#[test]
fn an_agents_order_waits_for_a_person() {
    let budget = |desk: &mut Desk| {
        let limit = 1_000 * MONEY;
        let scope = Scope::principal(PrincipalId(AGENT));
        let set = control(ControlKind::ApprovalAbove, scope, limit);
        acked(&desk.command(Command::SetControl(set)), Ok(0));
    };
    let order = new_order("large", Side::Buy, Some(cents(9_990)), 11, TimeInForce::Day);
    let ask = |desk: &mut Desk| {
        let told = desk.command_by(AGENT, Command::NewOrder(order));
        let [proposal] = proposals(&told)[..] else { panic!("{told:?}") };
        assert_eq!(lines(&told), ["0 pending_approval -> pending_approval"]);
        proposal
    };
    let open = |desk: &Desk| desk.core.oms().open_count();

    let mut desk = staffed();
    budget(&mut desk);
    let small = NewOrder {
        qty: Lots(10),
        ..new_order("s", Side::Buy, Some(cents(9_990)), 10, TimeInForce::Day)
    };
    assert_eq!(lines(&desk.command_by(AGENT, Command::NewOrder(small))), ["1 new -> new"]);
    let proposal = ask(&mut desk);
    assert_eq!(open(&desk), 1, "it is nowhere yet");
    let approve = Command::Decide(approval(&proposal));
    for principal in [AGENT, TRADER, 0] {
        assert!(answer(&desk.command_by(principal, approve)).is_err(), "{principal}");
    }
    // Sent again it waits still, as the same proposal.
    let again = desk.command_by(AGENT, Command::NewOrder(order));
    assert_eq!((proposals(&again).len(), lines(&again).len()), (0, 1));
    let told = desk.command_by(ALICE, approve);
    assert_eq!(lines(&told), ["2 new -> new"]);
    acked(&desk.command_by(ALICE, approve), Err(RejectReason::UnknownProposal));
    assert_eq!(open(&desk), 2, "once");

    // Approved, it still goes through the gate.
    let mut desk = staffed();
    budget(&mut desk);
    let proposal = ask(&mut desk);
    let cap = control(ControlKind::MaxOrderQty, Scope::FIRM, 5);
    acked(&desk.command(Command::SetControl(cap)), Ok(0));
    let told = lines(&desk.command_by(ALICE, Command::Decide(approval(&proposal))));
    assert!(told[0].contains("rejected max_order_qty"), "{told:?}");

    // Refused, lapsed, canceled, changed, killed: it never goes.
    type End = fn(&mut Desk, &Proposal) -> Vec<Event>;
    let ends: [(&str, End, ProposalStatus); 6] = [
        (
            "approval_refused",
            |desk, proposal| {
                let decision = Decision::Refuse.wire();
                desk.command_by(ALICE, Command::Decide(Decide { decision, ..approval(proposal) }))
            },
            ProposalStatus::Refused,
        ),
        ("approval_lapsed", |desk, _| desk.pass(ORDER_PROPOSAL_LIFE_NS), ProposalStatus::Lapsed),
        (
            "canceled",
            |desk, _| {
                let client_order_id = ClientOrderId::new("large").expect("a name");
                let cancel = CancelOrder {
                    client_order_id,
                    order_id: OrderId(0),
                    account: ACCOUNT,
                    reserved: [0; 4],
                };
                desk.command_by(AGENT, Command::CancelOrder(cancel))
            },
            ProposalStatus::Withdrawn,
        ),
        (
            "approval_lapsed",
            |desk, _| {
                let other = new_order("large", Side::Buy, Some(cents(9_991)), 11, TimeInForce::Day);
                desk.command_by(AGENT, Command::NewOrder(other))
            },
            ProposalStatus::Withdrawn,
        ),
        (
            "approval_lapsed",
            |desk, _| {
                let replace = ReplaceOrder {
                    client_order_id: ClientOrderId::new("large").expect("a name"),
                    order_id: OrderId(0),
                    account: ACCOUNT,
                    reserved: [0; 4],
                    qty: Lots(12),
                    price: cents(9_990),
                    stop_price: Ticks::ZERO,
                };
                desk.command_by(AGENT, Command::ReplaceOrder(replace))
            },
            ProposalStatus::Withdrawn,
        ),
        (
            "approval_lapsed",
            |desk, _| desk.command(Command::KillSwitch(KillSwitch::of(Scope::FIRM, true))),
            ProposalStatus::Withdrawn,
        ),
    ];
    for (reason, end, status) in ends {
        let mut desk = staffed();
        budget(&mut desk);
        let proposal = ask(&mut desk);
        let told = end(&mut desk, &proposal);
        let ended: Vec<_> = proposals(&told).iter().map(|p| (p.number, p.status)).collect();
        assert_eq!(ended[0], (proposal.number, status.wire()), "{reason}: {told:?}");
        let is_changed = proposals(&told).len() == 2;
        assert!(
            is_changed || lines(&told).iter().any(|l| l.contains(reason)),
            "{reason}: {told:?}"
        );
        let late = desk.command_by(ALICE, Command::Decide(approval(&proposal)));
        acked(&late, Err(RejectReason::UnknownProposal));
        assert_eq!(open(&desk), 0, "{reason}");
    }
}

#[test]
fn approval_is_for_orders_that_stand_alone() {
    let mut desk = staffed();
    let scope = Scope::principal(PrincipalId(AGENT));
    let set = control(ControlKind::ApprovalAbove, scope, 1_000 * MONEY);
    acked(&desk.command(Command::SetControl(set)), Ok(0));
    let order = new_order("small", Side::Buy, Some(cents(9_900)), 5, TimeInForce::Day);
    desk.command_by(AGENT, Command::NewOrder(order));
    let replace = ReplaceOrder {
        client_order_id: order.client_order_id,
        order_id: OrderId(0),
        account: ACCOUNT,
        reserved: [0; 4],
        qty: Lots(500),
        price: cents(9_900),
        stop_price: Ticks::ZERO,
    };
    let told = lines(&desk.command_by(AGENT, Command::ReplaceOrder(replace)));
    assert!(told[0].contains("cancel_reject") && told[0].contains("approval_needed"), "{told:?}");
}

#[test]
fn a_loss_stops_cancels_and_flattens_as_configured() {
    for action in [Action::StopOpening, Action::Cancel, Action::Flatten] {
        for scope in [Scope::FIRM, Scope::account(ACCOUNT), Scope::strategy(STRATEGY)] {
            let mut desk = staffed();
            let set = SetControl {
                action: action.wire(),
                ..control(ControlKind::DayLoss, scope, 50 * MONEY)
            };
            acked(&desk.command(Command::SetControl(set)), Ok(0));
            let take = order_of("take", Side::Buy, None, 100);
            let told = lines(&desk.command_by(TRADER, Command::NewOrder(take)));
            assert!(told.last().is_some_and(|line| line.contains("filled")), "{told:?}");
            desk.command_by(
                TRADER,
                Command::NewOrder(order_of("rest", Side::Buy, Some(cents(9_000)), 1)),
            );
            // From 100.10 to 99.60 the loss is 50, which is allowed; the marks follow within 100 ms.
            desk.market(trade(Side::Sell, cents(9_960), 1));
            let told = desk.pass(100_000_000);
            let tripped = |told: &[Event]| {
                let stop = |e: &Event| matches!(e, Event::Tripped(t) if t.stopped == 1);
                told.iter().filter(|e| stop(e)).count()
            };
            assert_eq!(tripped(&told), 0, "{action} {scope}");
            let mut told = desk.market(trade(Side::Sell, cents(9_959), 1));
            told.extend(desk.pass(100_000_000));
            assert_eq!(tripped(&told), 1, "{action} {scope}: {told:?}");
            let more = lines(&desk.command_by(
                TRADER,
                Command::NewOrder(order_of("more", Side::Buy, Some(cents(9_000)), 1)),
            ));
            assert!(more[0].contains("day_loss"), "{action} {scope}: {more:?}");
            desk.pass(2_000_000_000);
            let position = desk.core.oms().position(ACCOUNT, INSTRUMENT).qty;
            let (open, held) = match action {
                Action::StopOpening => (1, 100),
                Action::Cancel => (0, 100),
                Action::Flatten => (0, 0),
            };
            assert_eq!((desk.core.oms().open_count(), position), (open, held), "{action} {scope}");
            let long = desk.core.risk().totals(scope).map(|totals| totals.money.long);
            // What closes a strategy's position is the strategy's own.
            assert_eq!(long == Some(0), held == 0, "{action} {scope}: {long:?}");
            // To go on takes two: it raises the limit by what was lost.
            let enable = Command::Enable(Enable { scope, reason: Reason::EMPTY });
            let told = desk.command_by(ALICE, enable);
            let [proposal] = proposals(&told)[..] else { panic!("{told:?}") };
            acked(&desk.command_by(BOB, Command::Decide(approval(&proposal))), Ok(proposal.number));
            let more = lines(&desk.command_by(
                TRADER,
                Command::NewOrder(order_of("on", Side::Buy, Some(cents(9_000)), 1)),
            ));
            assert!(more[0].contains("new"), "{action} {scope}: {more:?}");
        }
    }
}

#[test]
fn a_strategy_that_fills_too_often_needs_a_named_person() {
    let mut desk = staffed();
    let scope = Scope::strategy(STRATEGY);
    let set = SetControl {
        window_ns: 1_000_000_000,
        ..control(ControlKind::ExecutionThrottle, scope, 3)
    };
    acked(&desk.command(Command::SetControl(set)), Ok(0));
    for number in 0..4 {
        let take = order_of(&format!("t{number}"), Side::Buy, None, 1);
        let told = lines(&desk.command_by(TRADER, Command::NewOrder(take)));
        assert!(told.last().is_some_and(|line| line.contains("filled")), "{told:?}");
    }
    desk.pass(60_000_000_000);
    let next = |desk: &mut Desk, name: &str| {
        lines(&desk.command_by(
            TRADER,
            Command::NewOrder(order_of(name, Side::Buy, Some(cents(9_000)), 1)),
        ))
        .remove(0)
    };
    assert!(next(&mut desk, "n").contains("disabled"));
    let enable = Command::Enable(Enable { scope, reason: Reason::EMPTY });
    acked(&desk.command_by(TRADER, enable), Err(RejectReason::NotPermitted));
    acked(&desk.command_by(ALICE, enable), Ok(1));
    assert!(next(&mut desk, "m").contains("new"));
}

#[test]
fn a_session_that_closes_takes_its_orders_where_that_is_asked_for() {
    let mut desk = staffed();
    let rest = order_of("rest", Side::Buy, Some(cents(9_000)), 1);
    desk.command_by(TRADER, Command::NewOrder(rest));
    desk.command_by(TRADER, Command::SessionClosed);
    assert_eq!(desk.core.oms().open_count(), 1, "it did not ask for it");
    let set = control(ControlKind::CancelOnDisconnect, Scope::strategy(STRATEGY), 0);
    acked(&desk.command(Command::SetControl(set)), Ok(0));
    desk.command_by(TRADER, Command::SessionClosed);
    assert_eq!(desk.core.oms().open_count(), 0);
}

#[test]
fn what_if_in_the_core() {
    let mut desk = staffed();
    let cap = control(ControlKind::MaxOrderQty, Scope::strategy(STRATEGY), 5);
    acked(&desk.command(Command::SetControl(cap)), Ok(0));
    for (qty, refusing) in [(5, 0), (6, 1), (20_001, 5)] {
        let order = order_of("what-if", Side::Buy, Some(cents(9_990)), qty);
        let before = desk.core.risk().hash();
        let told = desk.command_by(TRADER, Command::CheckOrder(order));
        assert_eq!(desk.core.risk().hash(), before, "nothing is counted");
        let verdicts: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                Event::Verdict(verdict) => Some(*verdict),
                _ => None,
            })
            .collect();
        let no = verdicts.iter().filter(|verdict| verdict.passes == 0).count() as u64;
        acked(&told, Ok(no));
        assert_eq!(no, refusing, "{verdicts:?}");
        assert_eq!(desk.core.oms().open_count(), 0);
    }
    let unknown = NewOrder { instrument: InstrumentId(77), ..order_of("u", Side::Buy, None, 1) };
    acked(
        &desk.command_by(TRADER, Command::CheckOrder(unknown)),
        Err(RejectReason::UnknownInstrument),
    );
}

#[test]
fn own_orders_do_not_meet() {
    let mut desk = staffed();
    acked(
        &desk.command(Command::SetControl(control(ControlKind::SelfTrade, Scope::FIRM, 0))),
        Ok(0),
    );
    let offer = order_of("offer", Side::Sell, Some(cents(10_005)), 5);
    desk.command_by(TRADER, Command::NewOrder(offer));
    let cross =
        NewOrder { account: AccountId(2), ..order_of("cross", Side::Buy, Some(cents(10_005)), 5) };
    let told = lines(&desk.command_by(ALICE, Command::NewOrder(cross)));
    assert!(told[0].contains("self_trade: limit=0 value=1000500 scope=firm"), "{told:?}");
    desk.cancel(1);
    let told = lines(&desk.command_by(ALICE, Command::NewOrder(cross)));
    assert!(told[0].contains("new"), "the offer is gone: {told:?}");
}

/// Every step that a test above takes ends in the same state when it is taken again.
#[test]
fn a_replay_reaches_the_same_state() {
    let scope = Scope::strategy(STRATEGY);
    let mut inputs = vec![Command::Configure(configure(0))];
    inputs.extend(setup_commands());
    let loss = SetControl {
        action: Action::Flatten.wire(),
        ..control(ControlKind::Drawdown, Scope::FIRM, MONEY)
    };
    inputs.extend([
        Command::SetPrincipal(person(ALICE)),
        Command::SetPrincipal(person(BOB)),
        Command::SetControl(control(ControlKind::GrossExposure, scope, 1_000_000 * MONEY)),
        Command::SetControl(loss),
        Command::KillSwitch(KillSwitch::of(scope, true)),
        Command::KillSwitch(KillSwitch::of(scope, false)),
    ]);
    let run = || {
        let mut core = Core::new(configure(0)).expect("sizes");
        core.apply(core.seq().next(), Input::Market(&definition()), &mut NoOutput);
        let mut hashes = Vec::new();
        for (at, command) in inputs.iter().enumerate() {
            let mut record = CommandRecord::new(*command);
            record.ts_recv = UnixNanos(1_000 + at as u64);
            core.apply(core.seq().next(), Input::Command(&record), &mut NoOutput);
            hashes.push(core.state_hash());
        }
        hashes
    };
    let hashes = run();
    assert_eq!(hashes, run());
    let distinct: std::collections::BTreeSet<_> = hashes.iter().map(|hash| hash.0).collect();
    assert_eq!(distinct.len(), hashes.len(), "each step shows in the hash");
}
