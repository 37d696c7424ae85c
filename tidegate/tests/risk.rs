//! `tidegate risk` against a running server: what tightens and what loosens, two persons, agents, checks that say what an order
//! gets, what stands still, who did what and why; and that a replay does it again.

mod support;

use support::{ADMIN, OFFICER, Place, Ran, Server, TRADER, approve, run, text};
use tidegate_client::Client;
use tidegate_client::proto::get_order_request::Order as Named;
use tidegate_client::proto::{
    CheckOrderRequest, DecideRequest, Decision, GetOrderRequest, HistoryRequest,
    ListProposalsRequest, OrdStatus, OrderReport, OrderType, ProposalStatus, Reject, RejectReason,
    Side, SubmitOrderRequest, TimeInForce,
};

const AGENT: &str = "agent-token-01234567890";
const HOUSE: &str = "HOUSE";

struct Desk {
    server: Server,
    place: Place,
    admin: Client,
    orders: u64,
}

impl Desk {
    async fn new() -> Self {
        let more = format!(
            r#"
[[edge.tokens]]
token = "{AGENT}"
principal = 7
name = "agent"
role = "agent"
[edge.tokens.budget]
approval_above = "5000"
[risk]
version = 1
[[instruments]]
symbol = "{HOUSE}"
price_unit = "0.01"
venue_kind = "internal"
{}{}"#,
            Place::account(1),
            Place::account(2)
        );
        let place = Place::new(&more);
        let server = Server::start(&place);
        let admin = server.admin().await;
        let desk = Self { server, place, admin, orders: 0 };
        run(&["market", "--addr", &desk.server.addr, "--token", ADMIN, "reference", HOUSE, "100"])
            .ok();
        desk
    }

    fn risk_as(&self, token: &str, args: &[&str]) -> Ran {
        let common = ["risk", "--addr", &self.server.addr, "--token", token];
        run(&[&common[..], args].concat())
    }

    /// What the first person hears that is done.
    #[track_caller]
    fn risk(&self, args: &[&str]) -> String {
        self.risk_as(ADMIN, args).ok().trim_end().to_string()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> serde_json::Value {
        let told = self.risk(&[args, &["--json"]].concat());
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// The number of the proposal that a change becomes.
    #[track_caller]
    fn proposed(&self, args: &[&str]) -> u64 {
        let told = self.risk(args);
        let number = told.strip_prefix("proposal ").and_then(|rest| rest.split(':').next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{told}"))
    }

    async fn client(&self, token: &str) -> Client {
        Client::connect(&self.server.addr, Some(token)).await.expect("a connection")
    }

    fn order(&mut self, account: u32, side: Side, qty: &str, price: &str) -> SubmitOrderRequest {
        self.orders += 1;
        SubmitOrderRequest {
            account,
            symbol: HOUSE.into(),
            client_order_id: format!("order-{}", self.orders),
            side: side.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Day.into(),
            qty: qty.into(),
            price: price.into(),
            ..Default::default()
        }
    }

    async fn hash_of(&self, number: u64) -> String {
        let all = ListProposalsRequest { include_decided: true, ..Default::default() };
        let all = self.admin.list_proposals(all).await.expect("an answer").proposals;
        let mut all = all.into_iter().filter_map(|entry| entry.proposal);
        all.find(|proposal| proposal.number == number).expect("a proposal").hash
    }

    /// Lets the clients go, ends the server, and has its journal replayed to the same state.
    async fn replays<const N: usize>(self, clients: [Client; N]) {
        let Self { server, place, admin, .. } = self;
        drop((clients, admin));
        stopped(server).await;
        let told = run(&["replay", text(&place.journal())]).ok();
        assert!(told.contains("recorded hashes agree"), "{told}");
    }
}

/// Ends a server, which waits for connections to end: they do while another thread waits for it.
async fn stopped(server: Server) {
    let ended = tokio::task::spawn_blocking(|| server.stop("TERM")).await;
    ended.expect("no panic").ok();
}

fn decide(proposal: u64, hash: &str, decision: Decision) -> DecideRequest {
    DecideRequest { proposal, hash: hash.into(), decision: decision.into(), ..Default::default() }
}

async fn refusal(client: &Client, request: DecideRequest) -> RejectReason {
    let answer = client.decide(request).await.expect("an answer");
    answer.reject.expect("a refusal").reason()
}

#[tokio::test]
async fn a_limit_is_raised_by_two_persons_and_once() {
    let desk = Desk::new().await;
    let set = |limit| ["set", "account:1", "day_notional", limit, "--reason", "new desk"];
    assert_eq!(desk.risk(&set("100000")), "done");
    assert_eq!(desk.risk(&set("50000")), "done", "what tightens is done at once");
    let number = desk.proposed(&set("200000"));
    let in_force = |desk: &Desk| desk.json(&["show", "account:1"])["controls"][0].clone();
    assert_eq!(in_force(&desk)["limit"], "50000.00", "nothing has changed yet");

    let shown = desk.risk(&["proposals"]);
    let hash = desk.hash_of(number).await;
    for part in ["day_notional of account:1 is 200000.00", "admin (1)", "new desk", &hash] {
        assert!(shown.contains(part), "'{part}' is not in {shown}");
    }
    // Nobody alone, nothing else than what was looked at, and no program.
    let (number_text, approve_it) = (number.to_string(), |token, hash: &str| {
        desk.risk_as(token, &["approve", &number.to_string(), "--hash", hash])
    });
    approve_it(ADMIN, &hash).refused(&["refused: same_person", "another person has to"]);
    approve_it(OFFICER, "0123456789abcdef").refused(&["it is not what you looked at", &hash]);
    approve_it(AGENT, &hash).refused(&["needs the token of a person with may_control"]);
    approve_it(TRADER, &hash).refused(&["needs the token of a person with may_control"]);
    let blind = desk.risk_as(OFFICER, &["approve", &number_text]);
    blind.refused(&["nothing was approved", &format!("--hash {hash}")]);
    let officer = desk.server.officer().await;
    let wrong = decide(number, "0123456789abcdef", Decision::Approve);
    assert_eq!(refusal(&officer, wrong).await, RejectReason::WrongHash);
    assert_eq!(in_force(&desk)["limit"], "50000.00");

    let approved = approve_it(OFFICER, &hash).ok();
    for part in ["day_notional of account:1 is 200000.00", "by admin (1)", &hash, "done"] {
        assert!(approved.contains(part), "'{part}' is not in {approved}");
    }
    assert_eq!(in_force(&desk)["limit"], "200000.00");
    approve_it(OFFICER, &hash).refused(&["is approved already"]);
    let again = decide(number, &hash, Decision::Approve);
    assert_eq!(refusal(&officer, again).await, RejectReason::UnknownProposal, "it is used up");

    // Whoever asked may take it back, and then nobody can approve it.
    let number = desk.proposed(&["clear", "account:1", "day_notional", "--reason", "not needed"]);
    let hash = desk.hash_of(number).await;
    assert_eq!(desk.risk(&["refuse", &number.to_string()]), "done");
    let late = decide(number, &hash, Decision::Approve);
    assert_eq!(refusal(&officer, late).await, RejectReason::UnknownProposal);
    assert_eq!(in_force(&desk)["limit"], "200000.00");
    desk.replays([officer]).await;
}

#[tokio::test]
async fn no_program_changes_what_it_is_limited_by() {
    let desk = Desk::new().await;
    let why = ["--reason", "mine"];
    for args in [
        &["set", "principal:7", "approval_above", "1000000"][..],
        &["clear", "principal:7", "approval_above"],
        &["enable", "principal:7"],
        &["group", "account:1", "3"],
        &["list", "1", HOUSE],
        &["locate", "1", HOUSE, "1000"],
    ] {
        for token in [AGENT, TRADER] {
            let asked = desk.risk_as(token, &[args, &why].concat());
            asked.refused(&["needs the token of a person with may_control"]);
        }
    }
    let shown = desk.json(&["show", "principal:7"]);
    assert_eq!(shown["controls"][0]["control"], "approval_above");
    assert_eq!(shown["controls"][0]["limit"], "5000.00");
    assert_eq!(desk.risk(&["proposals"]), "nothing waits for a second person");
    let known = desk.json(&["principals"])["principals"].clone();
    let agent = known.as_array().expect("a list").iter().find(|known| known["name"] == "agent");
    let agent = agent.expect("the agent is known");
    assert_eq!((agent["role"].as_str(), &agent["may_control"]), (Some("agent"), &false.into()));
    desk.replays([]).await;
}

/// What a check says, and what the same order gets, agree: it passes, or it is refused by one that would refuse it.
#[tokio::test]
async fn a_check_says_what_the_order_gets() {
    let mut desk = Desk::new().await;
    for args in [
        &["set", "account:1", "max_order_qty", "100"][..],
        &["set", "firm", "max_order_notional", "9000"],
        &["set", "instrument:HOUSE", "price_collar", "500", "--from", "last"],
        &["set", "principal:2", "sides", "buy"],
        &["set", "account:1", "open_orders", "3"],
        &["set", "account:1", "duplicate_orders", "0", "--window", "1h"],
        &["set", "account:2", "reduce_only"],
    ] {
        assert_eq!(desk.risk(&[args, &["--reason", "a test"]].concat()), "done", "{args:?}");
    }
    let trader = desk.client(TRADER).await;
    let (mut passed, mut refused) = (0, Vec::new());
    for (account, side, qty, price) in [
        (1, Side::Buy, "80", "100"),
        (1, Side::Buy, "100", "90"),
        (1, Side::Buy, "101", "80"),
        (1, Side::Buy, "95", "100"),
        (1, Side::Buy, "10", "105.01"),
        (1, Side::Sell, "10", "100"),
        (1, Side::Buy, "80", "100"),
        (2, Side::Buy, "1", "100"),
        (1, Side::Buy, "3", "99"),
        (1, Side::Buy, "4", "99"),
        (9, Side::Buy, "1", "99"),
    ] {
        let order = desk.order(account, side, qty, price);
        let request = CheckOrderRequest { order: Some(order.clone()) };
        let check = trader.check_order(request).await.expect("an answer");
        let report = trader.submit(order).await.expect("an answer");
        let what = format!("{account} {side:?} {qty} {price}: {report:?} {check:?}");
        let would: Vec<_> = check.verdicts.iter().filter(|verdict| !verdict.passes).collect();
        assert_eq!(check.refusals, would.len() as u64, "{what}");
        match (report.reject, check.reject) {
            (None, None) => {
                assert_eq!(would.len(), 0, "{what}");
                passed += 1;
            }
            (Some(reject), None) => {
                let says_so = would.iter().any(|verdict| {
                    let kind = verdict.scope.as_ref().map(|scope| scope.kind().as_str_name());
                    let kind = kind.map(|kind| kind["SCOPE_KIND_".len()..].to_lowercase());
                    (verdict.reason(), &verdict.limit, &verdict.value, kind.as_deref())
                        == (reject.reason(), &reject.limit, &reject.value, Some(&reject.scope))
                });
                assert!(says_so, "{what}");
                refused.push(reject.code);
            }
            (Some(sent), Some(checked)) => {
                assert_eq!(sent.code, checked.code, "{what}");
                refused.push(sent.code);
            }
            (None, Some(_)) => panic!("{what}"),
        }
    }
    assert_eq!(passed, 3);
    refused.sort();
    assert_eq!(
        refused,
        [
            "duplicate_order",
            "max_open_orders",
            "max_order_notional",
            "max_order_qty",
            "price_collar",
            "reduce_only",
            "side_not_allowed",
            "unknown_account",
        ]
    );

    let args = ["check", HOUSE, "buy", "101", "--price", "99", "--account", "1"];
    let told = desk.risk_as(TRADER, &args).ok();
    let words = |line: &str| line.split_whitespace().take(5).map(String::from).collect::<Vec<_>>();
    let lines: Vec<_> = told.lines().map(words).collect();
    // The account's own limit, and the control beside it.
    assert!(lines.contains(&words("pass account:1 max_order_qty 5000 101")), "{told}");
    assert!(lines.contains(&words("REFUSE account:1 max_order_qty 100 101")), "{told}");
    assert!(told.lines().last().is_some_and(|line| line.ends_with("would refuse it")), "{told}");
    assert!(told.lines().any(|line| line.starts_with("pass ")), "{told}");
    desk.replays([trader]).await;
}

async fn order_named(client: &Client, name: &str) -> Option<OrderReport> {
    let order = Some(Named::ClientOrderId(name.into()));
    let answer = client.get_order(GetOrderRequest { account: 1, order }).await;
    answer.ok().and_then(|answer| answer.report)
}

#[tokio::test]
async fn an_agents_order_waits_for_a_person_and_is_approved_once() {
    let mut desk = Desk::new().await;
    let (agent, officer) = (desk.client(AGENT).await, desk.server.officer().await);
    let small = agent.submit(desk.order(1, Side::Buy, "50", "100")).await.expect("an answer");
    assert_eq!((small.reject, small.ord_status), (None, OrdStatus::New.into()));

    let order = desk.order(1, Side::Buy, "60", "100");
    let name = order.client_order_id.clone();
    let waits = agent.submit(order.clone()).await.expect("an answer");
    assert_eq!((waits.ord_status(), waits.order_id), (OrdStatus::PendingApproval, 0));
    let again = agent.submit(order.clone()).await.expect("an answer");
    assert_eq!(again.ord_status(), OrdStatus::PendingApproval, "sent again, it waits still");
    let waiting = officer.list_proposals(Default::default()).await.expect("an answer").proposals;
    let [entry] = &waiting[..] else { panic!("one waits: {waiting:?}") };
    let proposal = entry.proposal.clone().expect("it");
    assert_eq!(entry.proposer_name, "agent");
    let summary = "buy 60 HOUSE limit 100.00 day for account:1, notional 6000.00, named 'order-2'";
    assert_eq!(proposal.summary, summary);
    assert!(order_named(&officer, &name).await.is_none(), "no venue has heard of it");

    let own =
        desk.risk_as(AGENT, &["approve", &proposal.number.to_string(), "--hash", &proposal.hash]);
    own.refused(&["needs the token of a person with may_control"]);
    let wrong = decide(proposal.number, "0000000000000000", Decision::Approve);
    assert_eq!(refusal(&officer, wrong).await, RejectReason::WrongHash);
    assert_eq!(approve(&officer, proposal.number).await.reject, None);
    let report = order_named(&officer, &name).await.expect("it is at work");
    assert_eq!((report.ord_status(), report.leaves_qty.as_str()), (OrdStatus::New, "60"));
    let replayed = decide(proposal.number, &proposal.hash, Decision::Approve);
    assert_eq!(refusal(&officer, replayed).await, RejectReason::UnknownProposal);

    // Other terms under its name: what was to be approved is no longer what is wanted.
    let order = desk.order(1, Side::Buy, "70", "99");
    agent.submit(order.clone()).await.expect("an answer");
    let first = officer.list_proposals(Default::default()).await.expect("an answer").proposals;
    let first = first[0].proposal.clone().expect("it");
    let larger = SubmitOrderRequest { qty: "700".into(), ..order.clone() };
    assert_eq!(
        agent.submit(larger).await.expect("an answer").ord_status(),
        OrdStatus::PendingApproval
    );
    let old = decide(first.number, &first.hash, Decision::Approve);
    assert_eq!(refusal(&officer, old).await, RejectReason::UnknownProposal);
    let second = officer.list_proposals(Default::default()).await.expect("an answer").proposals;
    let second = second[0].proposal.clone().expect("it");
    assert!(second.summary.starts_with("buy 700 HOUSE"), "{}", second.summary);
    let crossed = decide(second.number, &first.hash, Decision::Approve);
    assert_eq!(refusal(&officer, crossed).await, RejectReason::WrongHash, "hashes are not shared");
    let told = desk.risk_as(OFFICER, &["refuse", &second.number.to_string()]).ok();
    assert_eq!(told, "done\n");
    assert!(order_named(&officer, &order.client_order_id).await.is_none());

    let all = ListProposalsRequest { include_decided: true, ..Default::default() };
    let all = officer.list_proposals(all).await.expect("an answer").proposals;
    let statuses: Vec<_> =
        all.iter().filter_map(|entry| entry.proposal.as_ref()).map(|p| p.status()).collect();
    use ProposalStatus::{Approved, Refused, Withdrawn};
    assert_eq!(statuses, [Refused, Withdrawn, Approved]);
    desk.replays([agent, officer]).await;
}

#[tokio::test]
async fn what_stands_still_is_shown_and_goes_on() {
    let mut desk = Desk::new().await;
    let args =
        ["set", "account:1", "execution_throttle", "2", "--window", "1h", "--reason", "test"];
    assert_eq!(desk.risk(&args), "done");
    let trader = desk.client(TRADER).await;
    for _ in 0..3 {
        let sell = desk.order(2, Side::Sell, "1", "100");
        assert_eq!(trader.submit(sell).await.expect("an answer").reject, None);
        let buy = desk.order(1, Side::Buy, "1", "100");
        assert_eq!(trader.submit(buy).await.expect("an answer").reject, None);
    }
    let order = desk.order(1, Side::Buy, "1", "100");
    let reject = trader.submit(order).await.expect("an answer").reject.expect("a refusal");
    let Reject { code, scope, text, .. } = &reject;
    assert_eq!((code.as_str(), scope.as_str()), ("disabled", "account"), "{text}");
    let shown = desk.risk(&["show"]);
    assert!(shown.starts_with("STOPPED account:1 by execution_throttle"), "{shown}");
    assert_eq!(desk.json(&["show", "account:2"])["tripped"], serde_json::json!([]));
    let enabled = ["enable", "account:1", "--reason", "looked at it"];
    desk.risk_as(TRADER, &enabled).refused(&["may_control"]);
    assert_eq!(desk.risk(&enabled), "done");
    assert!(!desk.risk(&["show"]).contains("STOPPED"));
    let last = desk.json(&["history", "account:1", "--limit", "2"])["changes"].clone();
    let who_and_why = |at: usize| (last[at]["name"].clone(), last[at]["reason"].clone());
    assert_eq!(who_and_why(0), ("admin".into(), "looked at it".into()));
    assert_eq!(who_and_why(1), ("".into(), "".into()), "what stopped it is nobody's doing");
    let order = desk.order(1, Side::Buy, "1", "99");
    assert_eq!(trader.submit(order).await.expect("an answer").reject, None);

    let common = ["--addr", &desk.server.addr, "--token", ADMIN];
    let kill = ["kill", "account:1", "--reason", "runs wild"];
    run(&[&kill[..], &common].concat()).ok();
    let shown = desk.risk(&["show", "account:1"]);
    let first = shown.lines().next().unwrap_or_default();
    for part in ["STOPPED account:1 by its kill switch (block), engaged by admin (1)", "runs wild"]
    {
        assert!(first.contains(part), "'{part}' is not in {first}");
    }
    let release = ["kill", "--release", "account:1", "--reason", "it is fixed"];
    run(&[&release[..], &common].concat()).ok();
    assert!(desk.risk(&["show"]).contains("STOPPED account:1"), "one person releases nothing");
    let number = desk.json(&["proposals"])["proposals"][0]["number"].as_u64().expect("a number");
    let officer = desk.server.officer().await;
    assert_eq!(approve(&officer, number).await.reject, None);
    assert!(!desk.risk(&["show"]).contains("STOPPED"));
    desk.replays([trader, officer]).await;
}

#[tokio::test]
async fn history_says_who_when_and_why_also_after_a_restart() {
    let desk = Desk::new().await;
    for args in [
        &["group", "account:1", "3"][..],
        &["list", "5", HOUSE],
        &["set", "group:3", "gross_exposure", "750000"],
        &["set", "strategy:5", "stale_market", "500ms"],
        &["set", "principal:2", "expires_at", "2190-01-02T03:04:05Z"],
    ] {
        assert_eq!(desk.risk(&[args, &["--reason", "the review"]].concat()), "done", "{args:?}");
    }
    let number = desk.proposed(&["set", "group:3", "gross_exposure", "900000", "--reason", "more"]);
    let officer = desk.server.officer().await;
    assert_eq!(approve(&officer, number).await.reject, None);
    for (args, parts) in [
        (&["group"][..], &["group:3", "account:1", "the review"][..]),
        (&["list", "5"], &[HOUSE, "the review"]),
        (&["show", "strategy:5"], &["stale_market", "500 ms", "admin (1)", "the review"]),
        (&["show", "principal:2"], &["expires_at", "2190-01-02T03:04:05Z"]),
        (&["show"], &["limits of account:1, set by configuration", "max_order_lots 5000"]),
    ] {
        let told = desk.risk(args);
        parts.iter().for_each(|part| assert!(told.contains(part), "'{part}' is not in {told}"));
    }
    let request = HistoryRequest { page_size: 1_000, ..Default::default() };
    let before = desk.admin.history(request.clone()).await.expect("an answer").entries;
    let texts: Vec<_> =
        before.iter().map(|e| (e.name.as_str(), e.text.as_str(), e.reason.as_str())).collect();
    assert_eq!(
        texts[..4],
        [
            ("admin", "gross_exposure of group:3 is 900000.00", "more"),
            ("officer", "proposal 1 is approved: gross_exposure of group:3 is 900000.00", "more"),
            ("admin", "proposal 1 is pending: gross_exposure of group:3 is 900000.00", "more"),
            ("admin", "expires_at of principal:2 is 6942683045000000000 (UTC ns)", "the review"),
        ]
    );
    let events: Vec<_> = before.iter().filter_map(|entry| entry.event.as_ref()).collect();
    assert!(events.windows(2).all(|pair| pair[0].ts >= pair[1].ts && pair[1].ts > 0));
    let told = desk.risk(&["history", "group:3"]);
    assert_eq!(told.lines().count(), 1 + 5, "{told}");
    let limited = desk.json(&["history", "--limit", "2"]);
    assert_eq!(limited["changes"].as_array().map(Vec::len), Some(2));

    drop(officer);
    let Desk { server, place, .. } = desk;
    server.kill();
    let server = Server::start(&place);
    let admin = server.admin().await;
    let after = admin.history(request).await.expect("an answer").entries;
    let kept = after.len() - before.len();
    assert_eq!(after[kept..], before[..], "what was changed is remembered");
    let told = run(&["risk", "--addr", &server.addr, "show", "group:3"]).ok();
    assert!(told.contains("900000.00"), "{told}");
    drop(admin);
    stopped(server).await;
}
