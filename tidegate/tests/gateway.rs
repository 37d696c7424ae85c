//! The whole system from outside: a server, a gateway, people who trade through it over HTTP; both processes are killed, and nothing
//! that was told is lost or done twice.

mod support;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use support::{Place, Running, Server, spawn_errors_heard, spawn_heard, text, tidegate};
use tidegate_client::proto::{ListOrdersRequest, OrdStatus, SetReferenceRequest};

const GATEWAY: &str = "gateway-token-0123456789";
const SYMBOL: &str = "HOUSE";
const PEOPLE: usize = 4;
/// Long enough for a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that nobody has; it stays the same over restarts.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A server with a market of the house, and a gateway in front of it.
struct System {
    place: Place,
    config: PathBuf,
    url: String,
}

impl System {
    fn new() -> Self {
        let place = Place::new(&format!(
            "[[edge.tokens]]\ntoken = \"{GATEWAY}\"\nprincipal = 9\nname = \"gateway\"\nmay_administer = true\nmay_control = true\n\
             acts_for = [1000, 3999]\n[[instruments]]\nsymbol = \"{SYMBOL}\"\nprice_unit = \"0.01\"\nvenue_kind = \"internal\"\n"
        ));
        let (edge, port) = (free_port(), free_port());
        let server = std::fs::read_to_string(place.config()).expect("written");
        let fixed = format!("[edge]\nlisten = \"127.0.0.1:{edge}\"");
        let server = server.replace("[edge]\nlisten = \"127.0.0.1:0\"", &fixed);
        assert!(server.contains(&fixed), "{server}");
        std::fs::write(place.config(), server).expect("written");
        let config = place.dir.path().join("gateway.toml");
        let gateway = format!(
            "listen = \"127.0.0.1:{port}\"\ndir = \"{}\"\n[engine]\naddr = \"http://127.0.0.1:{edge}\"\ntoken = \"{GATEWAY}\"\n\
             [limits]\nuser_per_minute = 1000000\nuser_burst = 1000000\n",
            text(&place.dir.path().join("gateway"))
        );
        std::fs::write(&config, gateway).expect("written");
        Self { place, config, url: format!("http://127.0.0.1:{port}") }
    }

    /// Starts the gateway, and waits until it can serve.
    fn gateway(&self) -> Running {
        let mut command = tidegate();
        let (running, heard) =
            spawn_heard(command.args(["gateway", "--config", text(&self.config)]));
        self.listening(&heard);
        running
    }

    fn listening(&self, heard: &Receiver<String>) {
        let line = heard.recv_timeout(PATIENCE).expect("it starts");
        assert!(line.contains(&self.url), "{line}");
        self.until_ready(200);
    }

    /// Waits until readiness is answered so.
    fn until_ready(&self, status: u16) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = call(&self.url, None, "GET", "/ready", None, None);
            match answer {
                Ok((answered, body)) if answered == status => return body,
                answer => assert!(Instant::now() < until, "not {status}: {answer:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A call, and what came of it; an error is that nobody answered.
fn call(
    url: &str,
    token: Option<&str>,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Result<(u16, Value), ureq::Error> {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.timeout_global(Some(Duration::from_secs(10))).build().new_agent();
    let mut answer = agent.run(request.body(body).expect("a request"))?;
    let text = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
}

/// Somebody who trades.
#[derive(Clone)]
struct Person {
    url: String,
    token: String,
    account: String,
    number: usize,
}

impl Person {
    fn register(url: &str, number: usize) -> Self {
        let name = format!("person{number}");
        let body = json!({ "email": format!("{name}@example.org"), "password": "correct horse battery", "name": name });
        let (status, pair) =
            call(url, None, "POST", "/api/v1/auth/register", None, Some(&body)).expect("an answer");
        assert!(status < 300, "{pair}");
        let token = pair["data"]["access_token"].as_str().expect("a token").to_string();
        let mut person = Self { url: url.into(), token, account: String::new(), number };
        let account = json!({ "name": "paper" });
        let (status, account) =
            person.call("POST", "/api/v1/accounts", None, Some(&account)).expect("an answer");
        assert!(status < 300, "{account}");
        person.account = account["data"]["id"].as_str().expect("an id").to_string();
        person
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Value), ureq::Error> {
        call(&self.url, Some(&self.token), method, path, key, body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None, None).expect("an answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What is asked for under a number; the same each time.
    fn order(&self, number: usize) -> (String, Value) {
        let side = if (number + self.number).is_multiple_of(2) { "buy" } else { "sell" };
        let order = json!({
            "account": self.account, "symbol": SYMBOL, "side": side, "type": "limit",
            "qty": (number % 3 + 1).to_string(), "limit_price": "10.00", "time_in_force": "gtc",
        });
        (format!("person{}-{number}", self.number), order)
    }

    /// Sends an order under its key until somebody says what became of it; its id, unless it was refused.
    fn insist(&self, number: usize) -> Option<String> {
        let (key, order) = self.order(number);
        let until = Instant::now() + PATIENCE;
        loop {
            match self.call("POST", "/api/v1/orders", Some(&key), Some(&order)) {
                Ok((201, answer)) => {
                    return Some(answer["data"]["id"].as_str().expect("an id").to_string());
                }
                Ok((422, answer)) => {
                    assert_eq!(answer["error"]["code"], "rejected", "{answer}");
                    return None;
                }
                Ok((429 | 503 | 504, _)) | Err(_) => {}
                other => panic!("{key}: {other:?}"),
            }
            assert!(Instant::now() < until, "{key} is never answered");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Trades until `stop`; what was acknowledged, by its number.
    fn trade(&self, stop: &AtomicBool) -> BTreeMap<usize, Option<String>> {
        let mut told = BTreeMap::new();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            told.insert(number, self.insist(number));
            std::thread::sleep(Duration::from_millis(25));
        }
        told
    }

    /// All rows of a list, page after page.
    fn all(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=200{cursor}"));
            rows.extend(page["data"].as_array().expect("rows").iter().cloned());
            match page["meta"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// Waits until the books agree, which they do as soon as the gateway has heard everything; the number of executions.
    fn books(&self) -> usize {
        for _ in 0..50 {
            if let Ok(executions) = self.check_books() {
                return executions;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.check_books().expect("the books agree")
    }

    /// Whether cash and position are what the executions make of the first 100,000.
    fn check_books(&self) -> Result<usize, String> {
        let executions = self.all("/api/v1/executions");
        let (mut cash, mut position) = (100_000 * UNIT, 0);
        for execution in &executions {
            assert_eq!(execution["type"], "trade", "{execution}");
            let [qty, price, fee] = ["qty", "price", "fee"].map(|name| units(&execution[name]));
            let sign = if execution["side"] == "buy" { 1 } else { -1 };
            position += sign * qty;
            cash -= sign * qty * price / UNIT + fee;
        }
        let account = self.get(&format!("/api/v1/accounts/{}", self.account));
        let told_cash = units(&account["data"]["balances"][0]["cash"]);
        let positions = self.get("/api/v1/positions");
        let positions = positions["data"].as_array().expect("rows");
        let told = positions.iter().find(|row| row["symbol"] == SYMBOL);
        let told = told.map_or(0, |row| units(&row["qty"]));
        if (cash, position) == (told_cash, told) {
            return Ok(executions.len());
        }
        Err(format!("{:?} is told, and it is {:?}", (told_cash, told), (cash, position)))
    }
}

const UNIT: i128 = 1_000_000_000;

/// Decimal text in billionths.
fn units(text: &Value) -> i128 {
    let text = text.as_str().unwrap_or_else(|| panic!("no decimal text: {text}"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<9}");
    digits.parse().unwrap_or_else(|_| panic!("no decimal text: {text}"))
}

/// The names of all orders of people that the engine took, each once.
async fn orders_of_people(server: &Server) -> BTreeSet<String> {
    let admin = server.admin().await;
    let mut request =
        ListOrdersRequest { include_finished: true, page_size: 1_000, ..Default::default() };
    let mut names = BTreeSet::new();
    loop {
        let page = admin.list_orders(request.clone()).await.expect("an answer");
        for order in page.orders {
            if order.account >= 1_000 && order.ord_status() != OrdStatus::Rejected {
                let is_new = names.insert(order.client_order_id.clone());
                assert!(is_new, "twice: {order:?}");
            }
        }
        if page.next_page_token.is_empty() {
            return names;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_people_trade_nothing_is_lost_and_nothing_done_twice() {
    let system = System::new();
    let server = Server::start(&system.place);
    // Without a price to compare with, limits are refused.
    let reference = SetReferenceRequest { symbol: SYMBOL.into(), price: "10.00".into() };
    let set = server.admin().await.set_reference(reference).await.expect("an answer");
    assert_eq!(set.reject, None);
    let gateway = system.gateway();
    let people: Vec<_> = (0..PEOPLE).map(|number| Person::register(&system.url, number)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let trading: Vec<_> = people
        .iter()
        .map(|person| {
            let (person, stop) = (person.clone(), Arc::clone(&stop));
            std::thread::spawn(move || person.trade(&stop))
        })
        .collect();
    let pause = || tokio::time::sleep(Duration::from_millis(1_500));
    pause().await;
    gateway.kill();
    let gateway = system.gateway();
    pause().await;
    gateway.kill();
    pause().await;
    let gateway = system.gateway();
    pause().await;
    stop.store(true, Ordering::Relaxed);
    let told: Vec<_> = trading.into_iter().map(|thread| thread.join().expect("no panic")).collect();

    // The same again is the same order; one that was refused may be taken now.
    let mut names = BTreeSet::new();
    for (person, told) in people.iter().zip(&told) {
        assert!(told.len() > 20, "only {} orders", told.len());
        for (&number, before) in told {
            let again = person.insist(number);
            assert!(before.is_none() || *before == again, "{number}: {before:?}, then {again:?}");
            names.extend(again);
        }
    }
    assert_eq!(orders_of_people(&server).await, names, "the engine has what was told, and no more");
    let mut executions = 0;
    for person in &people {
        executions += person.books();
    }
    assert!(executions > 20, "only {executions} executions");

    // The engine goes while the gateway stays, which says so.
    server.kill();
    // First its events are missed, then the engine itself.
    let until = Instant::now() + PATIENCE;
    while system.until_ready(503)["engine"] != "down" {
        assert!(Instant::now() < until, "the engine is not said to be down");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (key, order) = people[0].order(1_000_000);
    let asked = people[0].call("POST", "/api/v1/orders", Some(&key), Some(&order));
    let (status, body) = asked.expect("an answer");
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("unavailable")), "{body}");
    // What it knows it still tells.
    people[0].check_books().expect("the books agree");
    let server = Server::start(&system.place);
    system.until_ready(200);
    for (person, told) in people.iter().zip(&told) {
        let Some((&number, Some(before))) = told.iter().rfind(|(_, id)| id.is_some()) else {
            panic!("nothing was taken");
        };
        assert_eq!(person.insist(number).as_ref(), Some(before));
        person.books();
    }
    names.extend(people[0].insist(1_000_000));
    assert_eq!(orders_of_people(&server).await, names);
    gateway.signal("TERM");
    assert!(gateway.wait().is_ok());
    assert!(server.stop("TERM").is_ok());
}

#[test]
fn log_lines_are_json_where_that_is_asked_for_and_name_their_trace() {
    let system = System::new();
    let server = Server::start(&system.place);
    let mut command = tidegate();
    command.args(["gateway", "--config", text(&system.config)]);
    command.envs([("TIDEGATE_LOG", "tidegate_gateway=info"), ("TIDEGATE_LOG_FORMAT", "json")]);
    let (gateway, lines) = spawn_errors_heard(&mut command);
    system.until_ready(200);
    Person::register(&system.url, 0);
    gateway.signal("TERM");
    assert!(gateway.wait().is_ok());
    server.stop("TERM");
    let mut answered = 0;
    for line in lines {
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(said["level"].is_string() && said["timestamp"].is_string(), "{line}");
        if said["message"] == "answered" {
            assert_eq!(said["span"]["trace_id"].as_str().map(str::len), Some(32), "{line}");
            answered += 1;
        }
    }
    assert!(answered >= 2, "{answered} requests");
    let mut wrong = tidegate();
    let ran =
        support::spawn_command(wrong.args(["calendar", "XNYS"]).env("TIDEGATE_LOG_FORMAT", "xml"));
    ran.wait().refused(&["TIDEGATE_LOG_FORMAT", "text or json"]);
}
