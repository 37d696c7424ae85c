//! A primary, a standby and orders that flow between them and clients.

use super::market::{Market, SYMBOL, book_with};
use super::nodes::{Deployment, Etcd, Node};
use super::{TRADER, run, text};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidegate_client::Client;
use tidegate_client::proto::get_order_request::Order as Asked;
use tidegate_client::proto::{
    GetOrderRequest, GetStatusRequest, OrderReport, OrderType, Side, SubmitOrderRequest,
    TimeInForce,
};
use tokio::task::JoinSet;

/// Acknowledgements that clients were given, and when.
pub type Told = Arc<Mutex<Vec<(Instant, OrderReport)>>>;
/// Orders of one task that stay in the book: an account may have 5000 open ones.
const OPEN_MAX: u64 = 200;

/// Orders one after the other, from several tasks, until the server is gone.
pub async fn trade(addr: String, task: u64, told: Told) {
    let Ok(client) = Client::connect(&addr, Some(TRADER)).await else { return };
    for n in 0u64.. {
        let request = SubmitOrderRequest {
            account: 1,
            symbol: SYMBOL.into(),
            client_order_id: format!("t{task}n{n}"),
            side: Side::Buy.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: if n < OPEN_MAX { TimeInForce::Gtc } else { TimeInForce::Ioc }.into(),
            qty: "1".into(),
            price: format!("9.{:02}", 50 + n % 40),
            ..Default::default()
        };
        match client.submit(request).await {
            Ok(report) => told.lock().expect("no panic").push((Instant::now(), report)),
            // One that was not answered in time may still be: the server is there.
            Err(_) if client.get_status(GetStatusRequest {}).await.is_ok() => {}
            Err(_) => return,
        }
    }
}

/// Every order that was acknowledged is known, and there are enough of them.
pub async fn assert_nothing_lost(client: &Client, told: &[OrderReport]) {
    assert!(told.len() > 50, "only {} were acknowledged", told.len());
    assert_known(client, told).await;
}

/// Every order that was acknowledged is known, however few they are.
pub async fn assert_known(client: &Client, told: &[OrderReport]) {
    for report in told.iter().filter(|report| report.reject.is_none()) {
        let order = Some(Asked::OrderId(report.order_id));
        let request = GetOrderRequest { account: report.account, order };
        let now = client.get_order(request).await;
        let now = now.unwrap_or_else(|error| panic!("{report:?} was acknowledged: {error}"));
        let now = now.report.expect("a report");
        assert_eq!(now.client_order_id, report.client_order_id);
    }
}

/// The journal of `name` can be read and replayed as it was recorded; the state hash at its end.
pub fn assert_whole(deployment: &Deployment, name: &str) -> String {
    let journal = deployment.journal(name);
    run(&["journal", "verify", text(&journal)]).ok();
    let replayed = run(&["replay", text(&journal), "--json"]).ok();
    let replayed: serde_json::Value = serde_json::from_str(&replayed).expect("one line of JSON");
    replayed["state_hash"].as_str().expect("a hash").to_string()
}

/// A primary 'a' and a standby 'b' in sync, with a market and orders flowing.
pub struct Traded {
    pub deployment: Deployment,
    pub primary: Node,
    pub standby: Node,
    pub told: Told,
    pub tasks: JoinSet<()>,
    pub _market: Market,
}

/// Starts the nodes 'a' and 'b' of a deployment, and the orders.
pub async fn traded(deployment: Deployment) -> Traded {
    let primary = deployment.start("run", "a");
    primary.hears("primary");
    let standby = deployment.start("standby", "b");
    let primary = primary.serves();
    let market = market(&primary).await;
    let told = Told::default();
    let tasks = trading(&primary, 0, &told);
    deployment.wait_for("b", &["; in sync"]);
    tokio::time::sleep(Duration::from_millis(800)).await;
    Traded { deployment, primary, standby, told, tasks, _market: market }
}

/// Quotes, once the primary has them in its book.
pub async fn market(primary: &Node) -> Market {
    let market = Market::quoted(primary.line.expect("a feed"));
    let client = primary.admin().await;
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    market
}

/// Several tasks that trade, of numbers from `first` on.
pub fn trading(primary: &Node, first: u64, told: &Told) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for task in first..first + 4 {
        tasks.spawn(trade(primary.addr.clone(), task, Arc::clone(told)));
    }
    tasks
}

/// A pair on this machine: the primary at the replica level, the standby at the process level.
pub async fn traded_here(etcd: Option<&Etcd>) -> Traded {
    traded(Deployment::new(&[("a", "replica"), ("b", "process")], etcd)).await
}

/// How many orders have been acknowledged by now.
pub fn count(told: &Told) -> usize {
    told.lock().expect("no panic").len()
}

/// Fails unless nothing is acknowledged from some moment on, for `span`; what was confirmed before may still arrive.
pub async fn assert_silence(told: &Told, span: Duration) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = count(told);
    tokio::time::sleep(span).await;
    assert_eq!(count(told), before, "acknowledged at the replica level without a replica");
}

/// Waits until more is acknowledged than by now.
pub async fn wait_for_more(told: &Told) {
    let (before, deadline) = (count(told), Instant::now() + Duration::from_secs(20));
    while count(told) == before {
        assert!(Instant::now() < deadline, "nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The acknowledgements of all, once their server is gone.
pub async fn settled(tasks: &mut JoinSet<()>, told: &Told) -> Vec<OrderReport> {
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    told.lock().expect("no panic").iter().map(|(_, report)| report.clone()).collect()
}
