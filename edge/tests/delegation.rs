//! A gateway before a real engine: one token acts for people of its own, whom the engine tells apart.

mod support;

use support::*;
use tidegate_client::proto::*;
use tidegate_client::{Client, ClientError};
use tidegate_edge::{ActsFor, EdgeConfig, TokenEntry};
use tidegate_model::PrincipalId;
use tonic::Code;

const GATEWAY: &str = "gateway-token-0123456789";
/// A gateway whose people may neither control nor administer.
const PLAIN: &str = "plain-token-0123456789";

/// Two people who may control, and one who may trade.
const ALICE: u32 = 1_000;
const BOB: u32 = 1_001;
const CAROL: u32 = 1_002;

fn with_gateways() -> EdgeConfig {
    let gateway = |token: &str, principal, first, may| TokenEntry {
        token: token.into(),
        principal: PrincipalId(principal),
        name: token.into(),
        may_administer: may,
        may_control: may,
        acts_for: Some(ActsFor::new(PrincipalId(first), PrincipalId(first + 999)).expect("people")),
    };
    let mut config = config();
    config.tokens.extend([gateway(GATEWAY, 5, 1_000, true), gateway(PLAIN, 6, 2_000, false)]);
    config
}

fn person(principal: u32, name: &str, may_control: bool) -> SetPrincipalRequest {
    SetPrincipalRequest {
        principal,
        name: name.into(),
        role: Role::Person.into(),
        may_trade: true,
        may_control,
        ..Default::default()
    }
}

/// A house with a gateway and its people.
async fn house() -> (House, Client) {
    let house = House::new(with_gateways()).await;
    let gateway = Client::connect(&house.addr, Some(GATEWAY)).await.expect("a connection");
    for set in
        [person(ALICE, "alice", true), person(BOB, "bob", true), person(CAROL, "carol", false)]
    {
        done(gateway.set_principal(set).await.expect("an answer"));
    }
    (house, gateway)
}

fn day_orders(principal: u32, limit: &str) -> SetControlRequest {
    let scope = Scope { kind: ScopeKind::Principal.into(), id: principal, symbol: String::new() };
    let control = Control {
        scope: Some(scope),
        control: ControlKind::DayOrders.into(),
        limit: limit.into(),
        reason: "a test".into(),
        ..Default::default()
    };
    SetControlRequest { control: Some(control) }
}

async fn known(client: &Client) -> Vec<PrincipalReport> {
    client.list_principals(Default::default()).await.expect("an answer").principals
}

fn refusal(answer: Result<AdminResponse, ClientError>) -> RejectReason {
    answer.expect("an answer").reject.expect("a refusal").reason()
}

#[tokio::test]
async fn a_call_belongs_to_whom_the_gateway_names() {
    let (mut house, gateway) = house().await;
    // Each has a day of orders of their own.
    done(house.client.set_control(day_orders(ALICE, "2")).await.expect("an answer"));
    let (alice, carol) = (gateway.acting_for(ALICE), gateway.acting_for(CAROL));
    for (who, refused) in
        [(&alice, None), (&alice, None), (&alice, Some("principal")), (&carol, None)]
    {
        let order = house.order(Side::Buy, "1", "9.00");
        let report = who.submit(order).await.expect("an answer");
        let scope = report.reject.as_ref().map(|reject| reject.scope.as_str());
        assert_eq!(scope, refused, "{report:#?}");
    }
    let order = house.order(Side::Buy, "1", "9.00");
    let report = gateway.submit(order).await.expect("an answer");
    assert_eq!(report.reject, None, "without a name it is the token's own: {report:#?}");

    // A session too is theirs, from its beginning on.
    let mut session = alice.order_session().await.expect("a session");
    assert_eq!(session.opened.principal, ALICE);
    let order = house.order(Side::Buy, "1", "9.00");
    session.sender.submit(order).await.expect("it is sent");
    let told = session.events.next().await.expect("it is there");
    let Some(order_event::Event::Engine(event)) = told else { panic!("{told:#?}") };
    let Some(event::Body::Execution(report)) = event.body else { panic!("{event:#?}") };
    let reject = report.reject.expect("a refusal");
    assert_eq!((reject.reason(), reject.scope.as_str()), (RejectReason::DayOrders, "principal"));
    drop(session);

    // What one entered another cannot change.
    let open = house.order(Side::Buy, "1", "9.00");
    let name = open.client_order_id.clone();
    assert_eq!(carol.submit(open).await.expect("an answer").reject, None);
    let replace = ReplaceOrderRequest {
        account: ACCOUNT,
        order: Some(replace_order_request::Order::ClientOrderId(name)),
        symbol: SYMBOL.into(),
        qty: "2".into(),
        price: "9.00".into(),
        stop_price: String::new(),
    };
    let bob = gateway.acting_for(BOB);
    let report = bob.replace(replace).await.expect("an answer");
    assert_eq!(report.reject.map(|reject| reject.code), Some("not_permitted".into()));
    house.close().await;
}

#[tokio::test]
async fn two_people_of_one_gateway_are_two_persons() {
    let (house, gateway) = house().await;
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|number| gateway.acting_for(number));
    done(alice.set_control(day_orders(CAROL, "2")).await.expect("an answer"));
    assert_eq!(
        refusal(carol.set_control(day_orders(CAROL, "1")).await),
        RejectReason::NotPermitted
    );
    let looser = alice.set_control(day_orders(CAROL, "5")).await.expect("an answer");
    assert_ne!(looser.proposal, 0, "{looser:#?}");

    let waiting = gateway.list_proposals(Default::default()).await.expect("an answer").proposals;
    let [entry] = &waiting[..] else { panic!("{waiting:#?}") };
    let proposal = entry.proposal.as_ref().expect("it");
    assert_eq!((proposal.proposer, entry.proposer_name.as_str()), (ALICE, "alice"));
    let decide = || DecideRequest {
        proposal: proposal.number,
        hash: proposal.hash.clone(),
        decision: Decision::Approve.into(),
        ..Default::default()
    };
    assert_eq!(refusal(alice.decide(decide()).await), RejectReason::SamePerson);
    assert_eq!(refusal(carol.decide(decide()).await), RejectReason::NotPermitted);
    done(bob.decide(decide()).await.expect("an answer"));
    let controls = gateway.list_controls(Default::default()).await.expect("an answer").controls;
    let [in_force] = &controls[..] else { panic!("{controls:#?}") };
    assert_eq!(in_force.control.as_ref().map(|control| control.limit.as_str()), Some("5"));
    house.close().await;
}

#[tokio::test]
async fn nobody_acts_for_those_of_another() {
    let (mut house, gateway) = house().await;
    let plain = Client::connect(&house.addr, Some(PLAIN)).await.expect("a connection");
    let (admin, trader) = (house.client.clone(), house.trader().await);
    for (client, number, said) in [
        (
            &gateway,
            2_000,
            "'gateway-token-0123456789' acts for principals 1000 to 1999, and not for 2000",
        ),
        (&gateway, 1, "and not for 1 "),
        (&gateway, 0, "and not for 0 "),
        (&plain, ALICE, "acts for principals 2000 to 2999, and not for 1000"),
        (&admin, ALICE, "acts for no principal but its own, and not for 1000"),
        (&trader, 2, "acts for no principal but its own, and not for 2 "),
    ] {
        let acting = client.acting_for(number);
        let order = house.order(Side::Buy, "1", "9.00");
        for (code, text) in [
            failure(acting.submit(order).await),
            failure(acting.order_session().await),
            failure(acting.set_control(day_orders(CAROL, "2")).await),
            failure(acting.day_roll(Default::default()).await),
            failure(client.set_principal(person(number, "mallory", true)).await),
        ] {
            assert_eq!(code, Code::PermissionDenied, "{text}");
            assert!(text.contains(said), "{text}");
        }
    }
    // The token's own rights bound those of its people.
    done(plain.set_principal(person(2_000, "dave", true)).await.expect("an answer"));
    let dave = plain.acting_for(2_000);
    assert_eq!(failure(dave.set_control(day_orders(CAROL, "2")).await).0, Code::PermissionDenied);
    assert_eq!(failure(dave.day_roll(Default::default()).await).0, Code::PermissionDenied);
    let order = house.order(Side::Buy, "1", "9.00");
    assert_eq!(dave.submit(order).await.expect("an answer").reject, None);
    house.close().await;
}

#[tokio::test]
async fn a_gateway_says_who_its_people_are() {
    let (mut house, gateway) = house().await;
    // A program has no rights of people, and nobody is made in the name of somebody.
    for role in [Role::Agent, Role::Strategy] {
        let program = SetPrincipalRequest { role: role.into(), ..person(1_500, "robot", true) };
        let (code, text) = failure(gateway.set_principal(program).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains("may_control: is for a person"), "{text}");
    }
    let (code, text) =
        failure(gateway.acting_for(ALICE).set_principal(person(ALICE, "alice", true)).await);
    assert_eq!(code, Code::InvalidArgument, "{text}");

    // What is said is told, by number, and what is said later takes its place.
    let bound = SetPrincipalRequest { account: Some(7), ..person(CAROL, "carol", false) };
    done(gateway.set_principal(bound).await.expect("an answer"));
    let people = known(&gateway).await;
    let numbers: Vec<_> = people.iter().map(|report| report.principal).collect();
    assert_eq!(numbers, [1, 2, ALICE, BOB, CAROL]);
    let carol = people.last().expect("carol");
    assert_eq!((carol.name.as_str(), carol.account, carol.may_control), ("carol", Some(7), false));
    let order = house.order(Side::Buy, "1", "9.00");
    let report = gateway.acting_for(CAROL).submit(order).await.expect("an answer");
    assert_eq!(report.reject.map(|reject| reject.code), Some("not_permitted".into()));
    house.close().await;
}

#[tokio::test]
async fn a_gateway_gives_accounts_their_first_limits_and_no_others() {
    let (house, gateway) = house().await;
    let account = 77;
    let open = OpenAccountRequest { account, currency: "USD".into(), ..Default::default() };
    done(gateway.open_account(open).await.expect("an answer"));
    let limits = |max_open_orders| SetLimitsRequest {
        limits: Some(Limits {
            account,
            max_order_notional: "1000".into(),
            max_order_lots: 10,
            max_position_lots: 10,
            price_collar_bp: 100,
            max_open_orders,
            messages_per_sec: 10,
            message_burst: 10,
            ..Default::default()
        }),
        reason: "a test".into(),
    };
    // Of somebody it acts for they are not the configuration's, and wait.
    let waits = gateway.acting_for(ALICE).set_limits(limits(5)).await.expect("an answer");
    assert_ne!(waits.proposal, 0, "{waits:#?}");
    let first = gateway.set_limits(limits(5)).await.expect("an answer");
    assert_eq!((first.proposal, first.reject), (0, None));
    // From then on it is whoever its token stands for, whom nobody let control anything here.
    assert_eq!(refusal(gateway.set_limits(limits(6)).await), RejectReason::NotPermitted);
    let kept = gateway.get_limits(GetLimitsRequest { account }).await.expect("an answer");
    assert_eq!(kept.limits.map(|limits| limits.max_open_orders), Some(5));
    house.close().await;
}
