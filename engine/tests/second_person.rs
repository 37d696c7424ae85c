//! Who may change what, and what waits for a second person: changes that loosen, and orders above their threshold. Each test is
//! an attempt to get past.

mod support;

use support::*;
use tidegate_model::command::*;
use tidegate_model::event::{Ack, Event, ExecType, OrdStatus, Proposal, ProposalStatus};
use tidegate_model::*;

/// Two persons who may control, one who may only trade, an agent and a strategy.
const ANNA: u32 = 1;
const BERT: u32 = 2;
const TRADER: u32 = 3;
const AGENT: u32 = 4;
const PROGRAM: u32 = 5;
/// A number that the configuration has not named.
const NOBODY: u32 = 9;
/// Proposals that may wait, orders among them, and orders of one principal.
const PROPOSALS_MAX: usize = 1_024;
const ORDERS_WAITING_MAX: usize = 512;
const ORDERS_OF_ONE_MAX: usize = 64;
/// Above it the agent's orders wait: 1,000 units of money.
const THRESHOLD: i128 = 1_000 * MONEY;

fn house() -> Desk {
    let mut desk = Desk::new(0);
    let trade_only = |number, role: Role| SetPrincipal {
        role: role.wire(),
        permissions: MAY_TRADE,
        ..person(number)
    };
    for set in [
        person(ANNA),
        person(BERT),
        trade_only(TRADER, Role::Person),
        trade_only(AGENT, Role::Agent),
        trade_only(PROGRAM, Role::Strategy),
    ] {
        desk.command(Command::SetPrincipal(set));
    }
    let set = control(Scope::principal(PrincipalId(AGENT)), ControlKind::ApprovalAbove, THRESHOLD);
    desk.command(set);
    desk.market(add(1, Side::Buy, cents(9_990), 10_000));
    desk.market(add(2, Side::Sell, cents(10_010), 10_000));
    desk
}

fn control(scope: Scope, kind: ControlKind, limit: i128) -> Command {
    Command::SetControl(set_control(scope, kind, limit))
}

fn set_control(scope: Scope, kind: ControlKind, limit: i128) -> SetControl {
    SetControl { reason: Reason::new("test").expect("short"), ..SetControl::of(kind, scope, limit) }
}

/// What the command was answered with.
fn ack(told: &[Event]) -> Result<u64, RejectReason> {
    let answer = told.iter().find_map(|event| match event {
        Event::Ack(ack) => Some(*ack),
        _ => None,
    });
    let answer: Ack = answer.expect("each command is answered");
    answer.reject().map_or(Ok(answer.value), |reject| Err(reject.reason))
}

fn proposal(told: &[Event]) -> Option<Proposal> {
    told.iter().find_map(|event| match event {
        Event::Proposal(proposal) => Some(*proposal),
        _ => None,
    })
}

fn status(told: &[Event]) -> Option<ProposalStatus> {
    proposal(told).and_then(|proposal| ProposalStatus::from_wire(proposal.status))
}

fn refusal(proposal: &Proposal) -> Decide {
    Decide { decision: Decision::Refuse.wire(), ..approval(proposal) }
}

fn kill(scope: Scope, engaged: bool) -> Command {
    Command::KillSwitch(KillSwitch::of(scope, engaged))
}

/// An order of so many lots at 99.00, which rests.
fn order(name: &str, qty: u64) -> NewOrder {
    new_order(name, Side::Buy, Some(cents(9_900)), qty, TimeInForce::Gtc)
}

/// (ExecType, OrdStatus, reason) of the last execution report told.
fn report(told: &[Event]) -> Option<(ExecType, OrdStatus, Option<RejectReason>)> {
    let last = told.iter().rev().find_map(|event| match event {
        Event::Execution(execution) => Some(*execution),
        _ => None,
    })?;
    let exec_type = ExecType::from_wire(last.exec_type).expect("known");
    let ord_status = OrdStatus::from_wire(last.ord_status).expect("known");
    Some((exec_type, ord_status, RejectReason::from_wire(last.reject_reason)))
}

const WAITS: Option<(ExecType, OrdStatus, Option<RejectReason>)> =
    Some((ExecType::PendingApproval, OrdStatus::PendingApproval, None));

fn rejected(reason: RejectReason) -> Option<(ExecType, OrdStatus, Option<RejectReason>)> {
    Some((ExecType::Rejected, OrdStatus::Rejected, Some(reason)))
}

#[test]
fn only_those_who_may_control_change_anything() {
    let scope = Scope::account(ACCOUNT);
    let listed = SetListed {
        instrument: INSTRUMENT,
        list: 1,
        listed: 1,
        reserved: [0; 2],
        reason: Reason::EMPTY,
    };
    let locate = GrantLocate {
        qty: Lots(1),
        account: ACCOUNT,
        instrument: INSTRUMENT,
        reason: Reason::EMPTY,
    };
    let group = SetGroup { member: scope, group: 1, reserved: [0; 4], reason: Reason::EMPTY };
    let commands = [
        control(scope, ControlKind::OpenOrders, 5),
        Command::SetLimits(SetLimits { max_open_orders: 1, ..limits(ACCOUNT) }),
        kill(scope, true),
        kill(scope, false),
        Command::SetListed(listed),
        Command::GrantLocate(locate),
        Command::SetGroup(group),
        Command::Enable(Enable { scope: Scope::FIRM, reason: Reason::EMPTY }),
    ];
    for who in [TRADER, AGENT, PROGRAM, NOBODY] {
        let mut desk = house();
        let before = desk.core.risk().hash();
        for command in commands {
            let told = desk.command_by(who, command);
            assert_eq!(ack(&told), Err(RejectReason::NotPermitted), "{who}: {command:?}");
            assert_eq!(told.len(), 1, "{who}: nothing else is told");
        }
        assert_eq!(desk.core.risk().hash(), before, "{who}: nothing changed");
    }
    // Who there is only the configuration says.
    for who in [ANNA, TRADER, AGENT, NOBODY] {
        let told = house().command_by(who, Command::SetPrincipal(person(NOBODY)));
        assert_eq!(ack(&told), Err(RejectReason::NotPermitted), "{who}");
    }
}

/// What is lower is in force at once; what is higher only after another person has approved exactly that.
#[test]
fn raising_needs_a_second_person_and_lowering_does_not() {
    let firm = Scope::FIRM;
    let mut desk = house();
    let limit = |desk: &Desk| desk.core.risk().controls(firm).first().map(|set| set.limit);
    let set = |limit| control(firm, ControlKind::OpenOrders, limit);
    for (asked, in_force) in [(10, 10), (9, 9), (9, 9)] {
        assert_eq!(ack(&desk.command_by(ANNA, set(asked))), Ok(0));
        assert_eq!(limit(&desk), Some(in_force));
    }
    let told = desk.command_by(ANNA, set(20));
    let asked = proposal(&told).expect("it waits");
    assert_eq!((ack(&told), status(&told)), (Ok(asked.number), Some(ProposalStatus::Pending)));
    let decide = approval(&asked);
    for (who, decide, refused) in [
        (ANNA, decide, RejectReason::SamePerson),
        (TRADER, decide, RejectReason::NotPermitted),
        (AGENT, decide, RejectReason::NotAPerson),
        (PROGRAM, decide, RejectReason::NotAPerson),
        (NOBODY, decide, RejectReason::NotAPerson),
        (0, decide, RejectReason::NotAPerson),
        (BERT, Decide { hash: decide.hash ^ 1, ..decide }, RejectReason::WrongHash),
        (BERT, Decide { hash: 0, ..decide }, RejectReason::WrongHash),
        (BERT, Decide { proposal: asked.number + 1, ..decide }, RejectReason::UnknownProposal),
        (BERT, Decide { proposal: 0, ..decide }, RejectReason::UnknownProposal),
        (BERT, Decide { decision: 3, ..decide }, RejectReason::BadField),
        (BERT, Decide { decision: 0, ..decide }, RejectReason::BadField),
    ] {
        let told = desk.command_by(who, Command::Decide(decide));
        assert_eq!(ack(&told), Err(refused), "{who} {decide:?}");
        assert_eq!(limit(&desk), Some(9), "{who} {decide:?}");
    }
    let told = desk.command_by(BERT, Command::Decide(decide));
    assert_eq!((ack(&told), status(&told)), (Ok(asked.number), Some(ProposalStatus::Approved)));
    assert_eq!(limit(&desk), Some(20));
}

/// The same approval, sent again after the limit was lowered, raises nothing.
#[test]
fn an_approval_counts_once() {
    let mut desk = house();
    let set = |limit| control(Scope::FIRM, ControlKind::OpenOrders, limit);
    desk.command_by(ANNA, set(5));
    let asked = proposal(&desk.command_by(ANNA, set(50))).expect("it waits");
    assert!(ack(&desk.command_by(BERT, Command::Decide(approval(&asked)))).is_ok());
    desk.command_by(ANNA, set(5));
    for who in [ANNA, BERT] {
        let told = desk.command_by(who, Command::Decide(approval(&asked)));
        assert_eq!(ack(&told), Err(RejectReason::UnknownProposal), "{who}");
    }
    assert_eq!(desk.core.risk().controls(Scope::FIRM)[0].limit, 5);
    // The same again is another proposal, with another hash.
    let again = proposal(&desk.command_by(ANNA, set(50))).expect("it waits");
    assert_ne!((again.number, again.hash), (asked.number, asked.hash));
    let stale = Decide { hash: asked.hash, ..approval(&again) };
    let told = desk.command_by(BERT, Command::Decide(stale));
    assert_eq!(ack(&told), Err(RejectReason::WrongHash));
}

#[test]
fn whoever_asked_may_take_it_back_and_others_may_refuse() {
    for (who, refused, ends) in [
        (ANNA, None, Some(ProposalStatus::Withdrawn)),
        (BERT, None, Some(ProposalStatus::Refused)),
        (AGENT, Some(RejectReason::NotAPerson), None),
        (TRADER, Some(RejectReason::NotPermitted), None),
    ] {
        let mut desk = house();
        let set = |limit| control(Scope::FIRM, ControlKind::OpenOrders, limit);
        desk.command_by(ANNA, set(5));
        let asked = proposal(&desk.command_by(ANNA, set(50))).expect("it waits");
        let told = desk.command_by(who, Command::Decide(refusal(&asked)));
        assert_eq!((ack(&told).err(), status(&told)), (refused, ends), "{who}");
        let told = desk.command_by(BERT, Command::Decide(approval(&asked)));
        assert_eq!(ack(&told).is_ok(), refused.is_some(), "{who}: once decided it is gone");
    }
}

#[test]
fn a_proposal_lapses_after_a_day() {
    for (passed, lapses) in [(PROPOSAL_LIFE_NS - 1, false), (PROPOSAL_LIFE_NS, true)] {
        let mut desk = house();
        let set = |limit| control(Scope::FIRM, ControlKind::OpenOrders, limit);
        desk.command_by(ANNA, set(5));
        let asked = proposal(&desk.command_by(ANNA, set(50))).expect("it waits");
        assert_eq!(asked.lapses_at.0, desk.now.0 + PROPOSAL_LIFE_NS);
        desk.now.0 += passed;
        let told = desk.command_by(BERT, Command::Decide(approval(&asked)));
        let expected = if lapses { Err(RejectReason::UnknownProposal) } else { Ok(asked.number) };
        assert_eq!(ack(&told), expected, "{passed}");
        let ends = if lapses { ProposalStatus::Lapsed } else { ProposalStatus::Approved };
        assert_eq!(status(&told), Some(ends), "{passed}");
    }
}

#[test]
fn two_persons_release_a_kill_switch() {
    for scope in [
        Scope::FIRM,
        Scope::account(ACCOUNT),
        Scope::instrument(INSTRUMENT),
        Scope::strategy(StrategyId(7)),
        Scope::principal(PrincipalId(AGENT)),
        Scope::group(GroupId(1)),
    ] {
        let mut desk = house();
        let member = Scope::principal(PrincipalId(AGENT));
        let group = SetGroup { member, group: 1, reserved: [0; 4], reason: Reason::EMPTY };
        desk.command(Command::SetGroup(group));
        let entry = |name| NewOrder { strategy: StrategyId(7), ..order(name, 1) };
        desk.command_by(AGENT, Command::NewOrder(entry("before")));
        let told = desk.command_by(ANNA, kill(scope, true));
        assert_eq!(ack(&told), Ok(1), "{scope}: what was open is canceled");
        let killed = rejected(RejectReason::KillSwitch);
        let told = desk.command_by(AGENT, Command::NewOrder(entry("killed")));
        assert_eq!(report(&told), killed, "{scope}");
        // To let reduce is to loosen, too.
        let milder =
            KillSwitch { mode: KillMode::ReduceOnly.wire(), ..KillSwitch::of(scope, true) };
        for command in [kill(scope, false), Command::KillSwitch(milder)] {
            let told = desk.command_by(ANNA, command);
            assert!(proposal(&told).is_some(), "{scope}: {command:?}");
            let told = desk.command_by(AGENT, Command::NewOrder(entry("killed-still")));
            assert_eq!(report(&told), killed, "{scope}");
        }
        let asked = proposal(&desk.command_by(ANNA, kill(scope, false))).expect("it waits");
        let told = desk.command_by(ANNA, Command::Decide(approval(&asked)));
        assert_eq!(ack(&told), Err(RejectReason::SamePerson), "{scope}");
        assert!(ack(&desk.command_by(BERT, Command::Decide(approval(&asked)))).is_ok(), "{scope}");
        let told = desk.command_by(AGENT, Command::NewOrder(entry("after")));
        assert_eq!(report(&told).expect("told").1, OrdStatus::New, "{scope}");
    }
}

/// The configuration may give first limits and tighten them, and never raises them by itself.
#[test]
fn a_restart_undoes_nothing_that_a_person_tightened() {
    let mut desk = house();
    let tight = SetLimits { max_open_orders: 3, ..limits(ACCOUNT) };
    assert_eq!(ack(&desk.command_by(ANNA, Command::SetLimits(tight))), Ok(0));
    let told = desk.command(Command::SetLimits(limits(ACCOUNT)));
    let asked = proposal(&told).expect("the file is looser");
    assert_eq!(desk.core.risk().limits(ACCOUNT).expect("set").max_open_orders, 3);
    let told = desk.command(Command::Decide(approval(&asked)));
    assert_eq!(ack(&told), Err(RejectReason::NotAPerson), "nor does it decide");
    assert!(ack(&desk.command_by(BERT, Command::Decide(approval(&asked)))).is_ok());
    assert_eq!(desk.core.risk().limits(ACCOUNT), Some(&limits(ACCOUNT)));
    // First limits of an account by a person are a proposal.
    let account = AccountId(3);
    let currency = tidegate_model::ids::Code::new("USD").expect("valid");
    desk.command(Command::OpenAccount(OpenAccount::of(account, currency)));
    assert!(proposal(&desk.command_by(ANNA, Command::SetLimits(limits(account)))).is_some());
    assert_eq!(desk.core.risk().limits(account), None);
    assert_eq!(ack(&desk.command(Command::SetLimits(limits(account)))), Ok(0));
    assert_eq!(desk.core.risk().limits(account), Some(&limits(account)));
}

/// 10 lots at 99.00 come to 990, 11 to 1,089.
#[test]
fn a_large_order_waits_until_another_person_approves_exactly_it() {
    let mut desk = house();
    let told = desk.command_by(AGENT, Command::NewOrder(order("small", 10)));
    assert_eq!(report(&told).expect("told").1, OrdStatus::New);
    let told = desk.command_by(AGENT, Command::NewOrder(order("large", 11)));
    assert_eq!(report(&told), WAITS);
    let asked = proposal(&told).expect("it waits");
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 1, "nothing of it is counted or sent");
    for (who, decide, refused) in [
        (AGENT, approval(&asked), RejectReason::NotAPerson),
        (TRADER, approval(&asked), RejectReason::NotPermitted),
        (0, approval(&asked), RejectReason::NotAPerson),
        (ANNA, Decide { hash: !asked.hash, ..approval(&asked) }, RejectReason::WrongHash),
    ] {
        let told = desk.command_by(who, Command::Decide(decide));
        assert_eq!(ack(&told), Err(refused), "{who}");
    }
    let told = desk.command_by(ANNA, Command::Decide(approval(&asked)));
    assert_eq!(report(&told).expect("told").1, OrdStatus::New);
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 2);
    let told = desk.command_by(BERT, Command::Decide(approval(&asked)));
    assert_eq!(ack(&told), Err(RejectReason::UnknownProposal), "once");
    // Refused, it ends.
    let asked = proposal(&desk.command_by(AGENT, Command::NewOrder(order("other", 11))));
    let told = desk.command_by(BERT, Command::Decide(refusal(&asked.expect("it waits"))));
    assert_eq!(report(&told), rejected(RejectReason::ApprovalRefused));
    // Nobody approves what they entered themselves.
    let own = control(Scope::principal(PrincipalId(ANNA)), ControlKind::ApprovalAbove, THRESHOLD);
    desk.command(own);
    let asked = proposal(&desk.command_by(ANNA, Command::NewOrder(order("own", 11))));
    let told = desk.command_by(ANNA, Command::Decide(approval(&asked.expect("it waits"))));
    assert_eq!(ack(&told), Err(RejectReason::SamePerson));
}

#[test]
fn an_order_that_waits_lapses_after_five_minutes_or_when_it_is_changed() {
    for (passed, lapses) in [(ORDER_PROPOSAL_LIFE_NS - 1, false), (ORDER_PROPOSAL_LIFE_NS, true)] {
        let mut desk = house();
        let asked = proposal(&desk.command_by(AGENT, Command::NewOrder(order("a", 11))));
        desk.now.0 += passed;
        let told = desk.command_by(ANNA, Command::Decide(approval(&asked.expect("it waits"))));
        assert_eq!(ack(&told).is_err(), lapses, "{passed}");
        let expected = if lapses { rejected(RejectReason::ApprovalLapsed) } else { report(&told) };
        assert_eq!(report(&told), expected, "{passed}");
    }
    let name = ClientOrderId::new("a").expect("valid");
    let replace = ReplaceOrder {
        client_order_id: name,
        account: ACCOUNT,
        price: cents(9_900),
        qty: Lots(10),
        ..bytemuck::Zeroable::zeroed()
    };
    let cancel = CancelOrder {
        client_order_id: name,
        order_id: OrderId(0),
        account: ACCOUNT,
        reserved: [0; 4],
    };
    for change in [
        Command::ReplaceOrder(replace),
        Command::CancelOrder(cancel),
        Command::NewOrder(order("a", 12)),
        kill(Scope::account(ACCOUNT), true),
    ] {
        let mut desk = house();
        let asked = proposal(&desk.command_by(AGENT, Command::NewOrder(order("a", 11))));
        let asked = asked.expect("it waits");
        let who = if matches!(change, Command::KillSwitch(_)) { ANNA } else { AGENT };
        desk.command_by(who, change);
        let told = desk.command_by(ANNA, Command::Decide(approval(&asked)));
        assert_eq!(ack(&told), Err(RejectReason::UnknownProposal), "{change:?}");
        assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0, "{change:?}");
    }
    // The same message again is told to wait still, and is no second proposal.
    let mut desk = house();
    let first = desk.command_by(AGENT, Command::NewOrder(order("a", 11)));
    let again = desk.command_by(AGENT, Command::NewOrder(order("a", 11)));
    assert_eq!((report(&first), report(&again)), (WAITS, WAITS));
    assert!(proposal(&first).is_some() && proposal(&again).is_none());
}

/// What was tightened while it waited holds for it.
#[test]
fn an_approved_order_goes_through_the_whole_gate_again() {
    for (change, refused) in [
        (kill(Scope::FIRM, true), None),
        (control(Scope::FIRM, ControlKind::MaxOrderQty, 10), Some(RejectReason::MaxOrderQuantity)),
        (
            Command::SetLimits(SetLimits {
                credit: Money::ZERO,
                max_position: Lots(5),
                ..limits(ACCOUNT)
            }),
            Some(RejectReason::PositionLimit),
        ),
    ] {
        let mut desk = house();
        let asked = proposal(&desk.command_by(AGENT, Command::NewOrder(order("a", 11))));
        desk.command_by(BERT, change);
        let told = desk.command_by(ANNA, Command::Decide(approval(&asked.expect("it waits"))));
        match refused {
            Some(reason) => assert_eq!(report(&told), rejected(reason), "{change:?}"),
            None => assert_eq!(ack(&told), Err(RejectReason::UnknownProposal), "{change:?}"),
        }
        assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0, "{change:?}");
    }
}

/// New terms for another's order would be limited as that one's: an agent could make a person's order as large as it likes.
#[test]
fn nobody_gives_new_terms_to_anothers_order() {
    for (owner, other) in [(TRADER, AGENT), (AGENT, TRADER), (TRADER, NOBODY), (NOBODY, AGENT)] {
        let mut desk = house();
        desk.command_by(owner, Command::NewOrder(order("a", 5)));
        let replace = |qty| {
            Command::ReplaceOrder(ReplaceOrder {
                client_order_id: ClientOrderId::new("a").expect("valid"),
                account: ACCOUNT,
                price: cents(9_900),
                qty: Lots(qty),
                ..bytemuck::Zeroable::zeroed()
            })
        };
        for qty in [4, 500] {
            let told = desk.command_by(other, replace(qty));
            let refused = told.iter().find_map(|event| match event {
                Event::CancelReject(reject) => RejectReason::from_wire(reject.reject_reason),
                _ => None,
            });
            assert_eq!(refused, Some(RejectReason::NotPermitted), "{other} of {owner}: {qty}");
        }
        let told = desk.command_by(owner, replace(4));
        assert_eq!(report(&told).map(|told| told.2), Some(None), "{owner} of its own");
        let cancel = CancelOrder {
            client_order_id: ClientOrderId::new("a").expect("valid"),
            order_id: OrderId(0),
            account: ACCOUNT,
            reserved: [0; 4],
        };
        let told = desk.command_by(other, Command::CancelOrder(cancel));
        let canceled = report(&told).map(|told| told.1);
        assert_eq!(canceled, Some(OrdStatus::Canceled), "cancels are never refused");
    }
}

/// A replace above the threshold does not wait, and does not pass.
#[test]
fn an_order_grows_past_its_threshold_by_no_replace() {
    let mut desk = house();
    desk.command_by(AGENT, Command::NewOrder(order("a", 10)));
    let replace = ReplaceOrder {
        client_order_id: ClientOrderId::new("a").expect("valid"),
        account: ACCOUNT,
        price: cents(9_900),
        qty: Lots(11),
        ..bytemuck::Zeroable::zeroed()
    };
    let told = desk.command_by(AGENT, Command::ReplaceOrder(replace));
    let refused = told.iter().find_map(|event| match event {
        Event::CancelReject(reject) => RejectReason::from_wire(reject.reject_reason),
        _ => None,
    });
    assert_eq!(refused, Some(RejectReason::ApprovalNeeded));
}

/// A flood of large orders leaves room for those who stop it.
#[test]
fn orders_that_wait_keep_nobody_from_proposing() {
    let mut desk = house();
    desk.command_by(ANNA, kill(Scope::strategy(StrategyId(1)), true));
    let mut waiting = 0;
    for agent in 100..120 {
        let set =
            SetPrincipal { role: Role::Agent.wire(), permissions: MAY_TRADE, ..person(agent) };
        desk.command(Command::SetPrincipal(set));
        let scope = Scope::principal(PrincipalId(agent));
        desk.command(control(scope, ControlKind::ApprovalAbove, THRESHOLD));
        for number in 0..ORDERS_OF_ONE_MAX + 2 {
            let told =
                desk.command_by(agent, Command::NewOrder(order(&format!("{agent}-{number}"), 11)));
            let is_room = number < ORDERS_OF_ONE_MAX && waiting < ORDERS_WAITING_MAX;
            let expected = if is_room { WAITS } else { rejected(RejectReason::CapacityExceeded) };
            assert_eq!(report(&told), expected, "{agent} {number}");
            waiting += usize::from(is_room);
        }
    }
    assert_eq!(waiting, ORDERS_WAITING_MAX);
    let release = |number: usize| {
        let reason = Reason::new(&number.to_string()).expect("short");
        let switch = KillSwitch::of(Scope::strategy(StrategyId(1)), false);
        Command::KillSwitch(KillSwitch { reason, ..switch })
    };
    for number in ORDERS_WAITING_MAX..PROPOSALS_MAX {
        assert!(ack(&desk.command_by(ANNA, release(number))).is_ok(), "{number}");
    }
    assert_eq!(ack(&desk.command_by(ANNA, release(0))), Err(RejectReason::CapacityExceeded));
    // What waits already needs no more room.
    let again = desk.command_by(ANNA, release(PROPOSALS_MAX - 1));
    assert_eq!(ack(&again).ok(), proposal(&again).map(|proposal| proposal.number));
}

/// Who asks for the same change again has asked for it once; another's, or another change, is another proposal.
#[test]
fn what_waits_already_is_not_asked_for_twice() {
    let mut desk = house();
    desk.command_by(ANNA, kill(Scope::FIRM, true));
    let release = kill(Scope::FIRM, false);
    let mut ask = |who: u32, command: Command| {
        let told = desk.command_by(who, command);
        let proposal = proposal(&told).expect("a proposal");
        assert_eq!(ack(&told), Ok(proposal.number));
        (proposal.number, proposal.hash, proposal.lapses_at)
    };
    let first = ask(ANNA, release);
    assert_eq!(ask(ANNA, release), first);
    assert_ne!(ask(BERT, release).0, first.0, "another person's");
    let switch = KillSwitch {
        reason: Reason::new("why").expect("short"),
        ..KillSwitch::of(Scope::FIRM, false)
    };
    assert_ne!(ask(ANNA, Command::KillSwitch(switch)).0, first.0, "for another reason");
    assert_eq!(ask(ANNA, release), first);
}

/// A flood of one program costs the others no message: what it may not send takes no token of theirs.
#[test]
fn a_flood_of_one_stops_nobody_else() {
    let mut desk = house();
    let rate = |scope, burst| {
        let set = set_control(scope, ControlKind::MessageRate, 1);
        Command::SetControl(SetControl { count: burst, ..set })
    };
    desk.command(rate(Scope::FIRM, 100));
    desk.command(rate(Scope::principal(PrincipalId(AGENT)), 5));
    let limited = rejected(RejectReason::MessageRate);
    for number in 0..1_000 {
        let told = desk.command_by(AGENT, Command::NewOrder(order(&format!("f{number}"), 1)));
        assert_eq!(report(&told) == limited, number >= 5, "{number}");
    }
    // The firm's bucket has lost five; the account's own was never asked for more.
    for number in 0..96 {
        let told = desk.command_by(TRADER, Command::NewOrder(order(&format!("t{number}"), 1)));
        assert_eq!(report(&told) == limited, number >= 95, "{number}");
    }
}
