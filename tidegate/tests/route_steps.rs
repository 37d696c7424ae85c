//! The live route, killed at every step of an order: while a request is on its way, when it has arrived and the answer is on
//! its way, and while the two sides reconcile; either side. What becomes of the order is told for each step.

mod support;

use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL};
use support::pair::{
    PATIENCE, Pair, cancel, executions, open, order, position, quoted, reports, until_equal,
    until_up,
};
use support::wire::{Way, Wire};
use support::{Place, Server, run, text};
use tidegate_client::Client;
use tidegate_client::proto::{
    ExecType, GetOrderRequest, OrdStatus, OrderReport, ReplaceOrderRequest, Side,
    get_order_request, replace_order_request,
};
use tokio::time::sleep;

/// What the route is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    New,
    /// A new order that is filled at once.
    Fill,
    Cancel,
    Replace,
    /// The first thing on a new connection, with an order resting.
    Reconcile,
}

/// How far it has come when a side is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The request is on its way and never arrives.
    Lost,
    /// The request is on its way and arrives after its sender is dead.
    Late,
    /// The request has arrived, and the answer is lost.
    Unanswered,
}

/// How the order stands on both sides in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Open(&'static str),
    Filled,
    /// Ended here, never there.
    Lost,
    Canceled,
}

use Doing::{Cancel, Fill, New, Reconcile, Replace};
use Moment::{Late, Lost, Unanswered};

/// Every step and what follows from it, whoever is killed.
const STEPS: [(Doing, Moment, Then); 14] = [
    (New, Lost, Then::Lost),
    (New, Late, Then::Open("10")),
    (New, Unanswered, Then::Open("10")),
    (Fill, Lost, Then::Lost),
    (Fill, Late, Then::Filled),
    (Fill, Unanswered, Then::Filled),
    // A cancel that is still wanted leaves again, under a number of its own.
    (Cancel, Lost, Then::Canceled),
    (Cancel, Late, Then::Canceled),
    (Cancel, Unanswered, Then::Canceled),
    // A replace never does.
    (Replace, Lost, Then::Open("10")),
    (Replace, Late, Then::Open("7")),
    (Replace, Unanswered, Then::Open("7")),
    (Reconcile, Lost, Then::Open("10")),
    (Reconcile, Unanswered, Then::Open("10")),
];

/// What every name of a routed order over there contains.
const NAME: &str = "-0-";

/// One of the two servers, with quotes on its feed.
struct End {
    server: Server,
    _market: Market,
    client: Client,
}

impl End {
    async fn start(place: &Place) -> Self {
        let server = Server::start(place);
        let (market, client) = quoted(&server).await;
        Self { server, _market: market, client }
    }
}

/// Waits for something.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not come: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// An order of the near side by its name.
async fn order_of(client: &Client, name: &str) -> OrderReport {
    let order = Some(get_order_request::Order::ClientOrderId(name.into()));
    let found = client.get_order(GetOrderRequest { account: 1, order }).await;
    found.expect("it is kept").report.expect("a report")
}

async fn replace(client: &Client, order_id: u64, qty: &str) {
    let request = ReplaceOrderRequest {
        account: 1,
        order: Some(replace_order_request::Order::OrderId(order_id)),
        symbol: SYMBOL.into(),
        qty: qty.into(),
        price: "9.60".into(),
        stop_price: String::new(),
    };
    let answer = client.replace(request).await.expect("an answer");
    assert_eq!(answer.reject, None);
}

/// True if what was asked for has happened at the far side.
async fn has_arrived(far: &Client, doing: Doing, held_before: &str) -> bool {
    let open = open(far, 7).await;
    match doing {
        New => open.len() == 1,
        Fill => position(far, 7).await != held_before,
        Cancel => open.is_empty(),
        Replace => open.iter().any(|order| order.qty == "7"),
        Reconcile => true,
    }
}

/// Lets the route do something as far as `moment`.
async fn bring_to(
    near: &Client,
    far: &Client,
    wire: &Wire,
    name: &str,
    (doing, moment): (Doing, Moment),
) {
    let is_resting = matches!(doing, Cancel | Replace | Reconcile);
    let entry = order(name.into(), Side::Buy, if doing == Fill { 1_040 } else { 960 });
    let mut order_id = 0;
    if is_resting {
        order_id = near.submit(entry.clone()).await.expect("an answer").order_id;
        until("the order rests", async || {
            order_of(near, name).await.ord_status() == OrdStatus::New
        })
        .await;
    }
    let before = position(far, 7).await;
    let (way, text) = match (doing, moment) {
        (Reconcile, Unanswered) => (Way::Back, NAME),
        (_, Unanswered) => (Way::Back, ""),
        _ => (Way::Out, NAME),
    };
    if doing == Reconcile {
        // The next connection is the one that is held; it is not made at once.
        wire.cut();
    }
    wire.hold(way, text);
    match doing {
        New | Fill => assert_eq!(near.submit(entry).await.expect("an answer").reject, None),
        Cancel => cancel(near, order_id).await,
        Replace => replace(near, order_id, "7").await,
        Reconcile => {}
    }
    until("the moment", async || {
        wire.is_holding(way) && (moment != Unanswered || has_arrived(far, doing, &before).await)
    })
    .await;
}

async fn check_then(near: &Client, far: &Client, name: &str, then: Then) {
    let is_so = async || {
        let (here, there) = (order_of(near, name).await, open(far, 7).await);
        let (status, qty) = match then {
            Then::Open(qty) => (OrdStatus::New, Some(qty)),
            Then::Filled => (OrdStatus::Filled, None),
            Then::Lost | Then::Canceled => (OrdStatus::Canceled, None),
        };
        let there: Vec<_> = there.iter().map(|order| order.qty.as_str()).collect();
        let is_here = here.ord_status() == status && qty.is_none_or(|qty| here.qty == qty);
        is_here && there == qty.into_iter().collect::<Vec<_>>()
    };
    until(&format!("{name}: {then:?}"), is_so).await;
}

/// Kills one side at every step.
async fn kill_at_every_step(is_near_killed: bool) {
    let mut wire = None;
    let pair = Pair::through(|far| wire.insert(Wire::to(far)).port);
    let wire = wire.expect("it was made");
    let (mut far, mut near) = (End::start(&pair.far).await, End::start(&pair.near).await);
    let mut arrived = 0;
    for (at, (doing, moment, then)) in STEPS.into_iter().enumerate() {
        if moment == Late && !is_near_killed {
            // Nothing arrives at the dead.
            continue;
        }
        println!("step {at}: {doing:?}, {moment:?}, near is killed: {is_near_killed}");
        until_up(&near.client).await;
        let before = position(&far.client, 7).await;
        let name = format!("step-{at}");
        bring_to(&near.client, &far.client, &wire, &name, (doing, moment)).await;
        if is_near_killed {
            near.server.kill();
            if moment == Late {
                wire.let_go();
                until("it arrives late", async || has_arrived(&far.client, doing, &before).await)
                    .await;
            }
            wire.cut();
            near = End::start(&pair.near).await;
        } else {
            far.server.kill();
            wire.cut();
            far = End::start(&pair.far).await;
        }
        until_up(&near.client).await;
        check_then(&near.client, &far.client, &name, then).await;
        for order in open(&near.client, 1).await {
            cancel(&near.client, order.order_id).await;
        }
        until_equal(&near.client, &far.client).await;
        arrived += usize::from(then != Then::Lost);
    }
    let mut new = reports(&far.client, 7, ExecType::New).await;
    assert_eq!(new.len(), arrived, "each that arrived, once: {new:#?}");
    new.sort();
    new.dedup_by(|one, other| one.0 == other.0);
    assert_eq!(new.len(), arrived, "none under one name twice: {new:#?}");
    let (here, there) = (executions(&near.client, 1).await, executions(&far.client, 7).await);
    assert_eq!(here.len(), there.len(), "executions here and there");
    near.server.kill();
    far.server.kill();
    for place in [&pair.near, &pair.far] {
        run(&["replay", text(&place.journal())]).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routing_side_is_killed_at_every_step() {
    kill_at_every_step(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_venue_is_killed_at_every_step() {
    kill_at_every_step(false).await;
}
