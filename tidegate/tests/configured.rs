//! What the configuration says about risk is in force from the first order on, and a start loosens nothing.

mod support;

use support::pair::{order, quoted};
use support::{OFFICER, Place, Server, run, text};
use tidegate_client::Client;
use tidegate_client::proto::{
    OrderReport, PrincipalReport, Role, SetPrincipalRequest, Side, SubmitOrderRequest,
};

const AGENT: &str = "agent-token-0123456789";
const GATEWAY: &str = "gateway-token-0123456789";

/// Two accounts, an agent with a budget, and controls of several scopes.
fn config(account_notional: &str) -> String {
    format!(
        r#"
[[edge.tokens]]
token = "{AGENT}"
principal = 7
name = "pricing agent"
role = "agent"
account = 2
strategy = 5
[edge.tokens.budget]
order_notional = "95"
sides = "buy"
{}{}
[risk]
version = 1
[[risk.groups]]
group = 1
members = ["account:1", "account:2"]
[[risk.lists]]
list = 3
symbols = ["LATER", "ACME"]
[[risk.controls]]
scope = "account:1"
control = "max_order_notional"
limit = "{account_notional}"
reason = "a test"
[[risk.controls]]
scope = "group:1"
control = "open_orders"
limit = "3"
[[risk.controls]]
scope = "strategy:9"
control = "restricted_list"
limit = "3"
"#,
        Place::account(1),
        Place::account(2)
    )
}

async fn send(client: &Client, account: u32, strategy: u32, lots: u32, name: &str) -> OrderReport {
    let order = SubmitOrderRequest {
        account,
        strategy,
        qty: lots.to_string(),
        ..order(name.into(), Side::Buy, 900)
    };
    client.submit(order).await.expect("answered")
}

/// The reason of a refusal and whose control it was, or nothing.
fn refusal(report: &OrderReport) -> Option<(&str, &str)> {
    report.reject.as_ref().map(|reject| (reject.code.as_str(), reject.scope.as_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controls_of_the_configuration_are_in_force_and_a_start_loosens_none() {
    let place = Place::new(&config("180"));
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let agent = Client::connect(&server.addr, Some(AGENT)).await.expect("a connection");
    let sell = SubmitOrderRequest {
        account: 2,
        strategy: 5,
        qty: "1".into(),
        ..order("s".into(), Side::Sell, 1_100)
    };
    let sell = agent.submit(sell).await.expect("answered");
    assert_eq!(refusal(&sell).map(|(code, _)| code), Some("side_not_allowed"), "{sell:#?}");
    for (sent, expected) in [
        (send(&client, 1, 0, 20, "fits").await, None),
        (send(&client, 1, 0, 21, "large").await, Some(("max_order_notional", "account"))),
        (send(&agent, 2, 5, 10, "small").await, None),
        (send(&agent, 2, 5, 11, "budget").await, Some(("max_order_notional", "principal"))),
        (send(&agent, 1, 5, 1, "account").await, Some(("not_permitted", ""))),
        (send(&client, 1, 9, 1, "list").await, Some(("restricted", "strategy"))),
        (send(&client, 2, 0, 1, "third").await, None),
        (send(&client, 2, 0, 1, "fourth").await, Some(("max_open_orders", "group"))),
    ] {
        assert_eq!(refusal(&sent), expected, "{sent:#?}");
    }
    assert_eq!(server.stop("TERM").stderr.matches("proposal").count(), 0);

    // The same again changes nothing; looser waits for a person; tighter is done.
    for (round, (limit, waits)) in
        [("180", false), ("190", true), ("190", true), ("90", false)].into_iter().enumerate()
    {
        place.configure(&config(limit));
        let server = Server::start(&place);
        let (_market, client) = quoted(&server).await;
        let large = send(&client, 1, 0, 21, &format!("large-{round}")).await;
        assert_eq!(refusal(&large).map(|(code, _)| code), Some("max_order_notional"), "{limit}");
        let small = send(&client, 1, 0, 11, &format!("small-{round}")).await;
        assert_eq!(refusal(&small).is_some(), limit == "90", "{limit}: {small:#?}");
        if waits {
            let proposals = ["risk", "proposals", "--addr", &server.addr, "--token", OFFICER];
            let proposals = run(&proposals).ok();
            assert_eq!(proposals.matches("max_order_notional").count(), 1, "{proposals}");
        }
        let said = server.stop("TERM").stderr;
        let told =
            said.contains("control max_order_notional of account:1: the configuration is looser");
        assert_eq!(told, waits, "{limit}: {said}");
    }
    run(&["replay", text(&place.journal())]).ok();
}

#[test]
fn what_cannot_be_set_ends_the_start_and_says_which() {
    let journal = Place::new(&format!(
        "{}[risk]\nversion = 1\n[[risk.controls]]\nscope = 'account:1'\ncontrol = 'day_loss'\nlimit = '5'\n",
        Place::account(1)
    ));
    let config = journal.config();
    // A loss says what it does.
    run(&["run", "--config", text(&config)])
        .refused(&["control day_loss of account:1", "bad_control"]);
}

async fn principals(client: &Client) -> Vec<PrincipalReport> {
    client.list_principals(Default::default()).await.expect("an answer").principals
}

/// Whom a gateway told of is known after a crash and after an orderly end, as it was told: no start says otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_start_undoes_what_a_gateway_said_of_its_people() {
    let config = |more: &str| {
        let gateway = "principal = 9\nname = \"gateway\"\nmay_control = true";
        let gateway = format!(
            "[[edge.tokens]]\ntoken = \"{GATEWAY}\"\n{gateway}\nacts_for = [1000, 16383]\n"
        );
        gateway + more + &Place::account(1) + &Place::account(2)
    };
    let place = Place::new(&config(""));
    let server = Server::start(&place);
    let gateway = Client::connect(&server.addr, Some(GATEWAY)).await.expect("a connection");
    let person = |principal, name: &str| SetPrincipalRequest {
        principal,
        name: name.into(),
        role: Role::Person.into(),
        may_trade: true,
        account: Some(2),
        ..Default::default()
    };
    let officer =
        SetPrincipalRequest { may_control: true, account: None, ..person(16_383, "officer") };
    for set in [person(1_000, "alice"), person(1_000, "alice b."), officer] {
        assert_eq!(gateway.set_principal(set).await.expect("an answer").reject, None);
    }
    let told = principals(&gateway).await;
    let names: Vec<_> = told.iter().map(|known| known.name.as_str()).collect();
    assert_eq!(names, ["admin", "trader", "officer", "gateway", "alice b.", "officer"]);
    drop(gateway);
    server.kill();

    for round in 0..2 {
        let server = Server::start(&place);
        let (_market, _) = quoted(&server).await;
        let gateway = Client::connect(&server.addr, Some(GATEWAY)).await.expect("a connection");
        assert_eq!(principals(&gateway).await, told);
        let alice = gateway.acting_for(1_000);
        for (account, expected) in [(1, Some(("not_permitted", ""))), (2, None)] {
            let sent = send(&alice, account, 0, 1, &format!("{round}-{account}")).await;
            assert_eq!(refusal(&sent), expected, "{sent:#?}");
        }
        drop((gateway, alice));
        server.stop("TERM");
    }
    run(&["replay", text(&place.journal())]).ok();

    // Nor can the configuration name one of them while the gateway acts for it.
    let own = format!("[[edge.tokens]]\ntoken = \"{AGENT}\"\nprincipal = 1000\nname = \"mine\"\n");
    place.configure(&config(&own));
    run(&["run", "--config", text(&place.config())]).refused(&[
        "'gateway' acts for principals 1000 to 16383",
        "'mine' stands or acts for 1000",
    ]);
}
