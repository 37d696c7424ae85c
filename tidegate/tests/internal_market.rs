//! A market of the house from outside: orders of every type over gRPC and from the command line, auctions, a halt, a price band, a
//! calendar; and all of it again after a `kill -9`.

mod support;

use std::time::Duration;
use support::{ADMIN, Place, Ran, Server, run, spawn_command, text, tidegate};
use tidegate_client::Client;
use tidegate_client::proto::submit_order_request::Trail;
use tidegate_client::proto::{
    Auction, GetBookRequest, GetPhaseRequest, Level, Liquidity, ListOrdersRequest,
    MassCancelRequest, OrdStatus, OrderReport, OrderType, PegKind, Phase, PhaseCause, PostOnly,
    QuotesRequest, RejectReason, ReplaceOrderRequest, SelfTrade, SetBandsRequest, SetPhaseRequest,
    SetReferenceRequest, Side, SubmitOrderRequest, TimeInForce, TradingStatus,
    replace_order_request,
};

const SYMBOL: &str = "HOUSE";
/// Long enough for everything that the engine does within a tenth of a second.
const SOON: Duration = Duration::from_secs(20);

fn place(more: &str) -> Place {
    let market = format!(
        "[[instruments]]\nsymbol = \"{SYMBOL}\"\nprice_unit = \"0.01\"\nvenue_kind = \"internal\"\n{more}\n"
    );
    Place::new(&[market, Place::account(1), Place::account(2)].concat())
}

/// The binary as a client of `server`.
fn asked(server: &Server, args: &[&str]) -> Ran {
    let mut command = tidegate();
    command.args(args).args(["--addr", &server.addr]).env("TIDEGATE_TOKEN", ADMIN);
    spawn_command(&mut command).wait()
}

fn order(account: u32, side: Side, price: &str, qty: &str) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account,
        symbol: SYMBOL.into(),
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: qty.into(),
        price: price.into(),
        ..Default::default()
    }
}

/// Sends an order under a name of its own.
async fn submit(client: &Client, name: &str, order: SubmitOrderRequest) -> OrderReport {
    let order = SubmitOrderRequest { client_order_id: name.into(), ..order };
    client.submit(order).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn reason(report: &OrderReport) -> Option<RejectReason> {
    report.reject.as_ref().map(|reject| reject.reason())
}

async fn step(client: &Client, phase: Phase) {
    let request = SetPhaseRequest { symbol: SYMBOL.into(), phase: phase.into() };
    let done = client.set_phase(request).await.expect("an answer");
    assert_eq!(done.reject, None, "{phase:?}");
}

async fn phase(client: &Client) -> (Phase, PhaseCause, u64) {
    let request = GetPhaseRequest { symbol: SYMBOL.into() };
    let report = client.get_phase(request).await.expect("an answer");
    (report.phase(), report.cause(), report.reopen_at)
}

async fn book(client: &Client) -> [Vec<Level>; 2] {
    let request = GetBookRequest { symbol: SYMBOL.into(), depth: 1_000 };
    let book = client.get_book(request).await.expect("a whole book");
    [book.bids, book.asks]
}

/// Every order of the day, by name.
async fn known(client: &Client, name: &str) -> OrderReport {
    let request =
        ListOrdersRequest { include_finished: true, page_size: 1_000, ..Default::default() };
    let orders = client.list_orders(request).await.expect("an answer").orders;
    orders.into_iter().find(|it| it.client_order_id == name).expect("it is known")
}

async fn open_orders(client: &Client) -> Vec<OrderReport> {
    let request = ListOrdersRequest { page_size: 1_000, ..Default::default() };
    client.list_orders(request).await.expect("an answer").orders
}

/// Waits until an auction would do this.
async fn would(client: &Client, expected: &Auction) {
    let request = QuotesRequest { symbols: vec![SYMBOL.into()], min_interval_ms: 0 };
    let mut quotes = client.quotes(request).await.expect("a stream");
    let wait = async {
        loop {
            let quote = quotes.message().await.expect("a quote").expect("the stream goes on");
            if quote.auction.as_ref() == Some(expected) {
                assert_eq!(quote.status(), TradingStatus::QuotationOnly);
                return;
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the auction is told");
}

/// One order of every kind, and what it is after its first word: its state, or why it was refused. The book is 99.90 to 100.10.
fn every_kind() -> Vec<(&'static str, SubmitOrderRequest, Result<OrdStatus, RejectReason>)> {
    use OrdStatus::{Canceled, Filled, New};
    let buy = |price: &str, qty: &str| order(2, Side::Buy, price, qty);
    let sell = |price: &str, qty: &str| order(2, Side::Sell, price, qty);
    let of = |order_type: OrderType, order: SubmitOrderRequest| SubmitOrderRequest {
        order_type: order_type.into(),
        ..order
    };
    let lives = |life: TimeInForce, order: SubmitOrderRequest| SubmitOrderRequest {
        time_in_force: life.into(),
        ..order
    };
    let stop = |stop_price: &str, order: SubmitOrderRequest| SubmitOrderRequest {
        stop_price: stop_price.into(),
        ..order
    };
    let post = |post_only: PostOnly, order: SubmitOrderRequest| SubmitOrderRequest {
        post_only: post_only.into(),
        ..order
    };
    let peg = |peg: PegKind, offset: &str, order: SubmitOrderRequest| SubmitOrderRequest {
        peg: peg.into(),
        offset: offset.into(),
        ..of(OrderType::Pegged, order)
    };
    let trail = |trail: Trail, order: SubmitOrderRequest| SubmitOrderRequest {
        trail: Some(trail),
        ..order
    };
    let amount = |text: &str| Trail::TrailAmount(text.into());
    let percent = |text: &str| Trail::TrailPercent(text.into());
    vec![
        ("limit", buy("99.50", "10"), Ok(New)),
        ("market", of(OrderType::Market, buy("", "5")), Ok(Filled)),
        ("market_to_limit", of(OrderType::MarketToLimit, buy("", "25")), Ok(Filled)),
        ("ioc", lives(TimeInForce::Ioc, sell("101.00", "5")), Ok(Canceled)),
        ("fok", lives(TimeInForce::Fok, sell("99.00", "2000")), Ok(Canceled)),
        (
            "gtd",
            SubmitOrderRequest {
                expire_at: 4_102_444_800_000_000_000,
                ..lives(TimeInForce::Gtd, sell("101.50", "3"))
            },
            Ok(New),
        ),
        (
            "gtd_past",
            SubmitOrderRequest { expire_at: 1, ..lives(TimeInForce::Gtd, sell("101.50", "3")) },
            Err(RejectReason::Expired),
        ),
        ("at_the_close", lives(TimeInForce::AtTheClose, sell("100.50", "7")), Ok(New)),
        (
            "at_the_open",
            lives(TimeInForce::AtTheOpen, sell("100.50", "7")),
            Err(RejectReason::Phase),
        ),
        ("stop", stop("99.00", of(OrderType::Stop, sell("", "4"))), Ok(New)),
        ("stop_limit", stop("99.10", of(OrderType::StopLimit, sell("99.00", "4"))), Ok(New)),
        ("touched", stop("99.20", of(OrderType::MarketIfTouched, buy("", "4"))), Ok(New)),
        ("limit_touched", stop("99.30", of(OrderType::LimitIfTouched, buy("99.30", "4"))), Ok(New)),
        ("trailing", trail(amount("0.75"), of(OrderType::TrailingStop, sell("", "4"))), Ok(New)),
        (
            "trailing_percent",
            trail(percent("1.5"), of(OrderType::TrailingStop, sell("", "4"))),
            Ok(New),
        ),
        (
            "trailing_limit",
            SubmitOrderRequest {
                offset: "-0.05".into(),
                ..trail(amount("0.80"), of(OrderType::TrailingStopLimit, sell("", "4")))
            },
            Ok(New),
        ),
        ("peg_primary", peg(PegKind::Primary, "-0.02", buy("", "6")), Ok(New)),
        ("peg_mid", peg(PegKind::Mid, "", sell("", "6")), Ok(New)),
        ("peg_market", peg(PegKind::Market, "-0.30", buy("100.00", "6")), Ok(New)),
        (
            "iceberg",
            SubmitOrderRequest { display_qty: "10".into(), ..buy("99.60", "100") },
            Ok(New),
        ),
        ("hidden", SubmitOrderRequest { hidden: true, ..buy("99.70", "50") }, Ok(New)),
        (
            "post_only",
            post(PostOnly::Reject, sell("99.00", "5")),
            Err(RejectReason::PostOnlyWouldCross),
        ),
        ("slides", post(PostOnly::Slide, sell("99.00", "5")), Ok(New)),
        ("min_qty", SubmitOrderRequest { min_qty: "20".into(), ..buy("99.80", "25") }, Ok(New)),
        ("all_or_none", SubmitOrderRequest { min_qty: "33".into(), ..buy("99.80", "33") }, Ok(New)),
        (
            "self_trade",
            SubmitOrderRequest {
                self_trade: SelfTrade::CancelNewest.into(),
                ..order(1, Side::Sell, "99.90", "5")
            },
            Ok(Canceled),
        ),
        ("bad_terms", stop("99.00", buy("99.00", "5")), Err(RejectReason::BadField)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_a_market_of_the_house_holds_survives_a_kill() {
    let place = place("");
    let server = Server::start(&place);
    let client = server.admin().await;
    let reference = SetReferenceRequest { symbol: SYMBOL.into(), price: "100.00".into() };
    assert_eq!(client.set_reference(reference).await.expect("an answer").reject, None);

    // An opening auction, told before it is held.
    step(&client, Phase::PreOpen).await;
    let open = SubmitOrderRequest {
        time_in_force: TimeInForce::AtTheOpen.into(),
        ..order(1, Side::Buy, "100.10", "30")
    };
    assert_eq!(submit(&client, "open", open).await.ord_status(), OrdStatus::New);
    submit(&client, "seller", order(2, Side::Sell, "99.90", "20")).await;
    let fok = SubmitOrderRequest {
        time_in_force: TimeInForce::Fok.into(),
        ..order(2, Side::Sell, "99.90", "1")
    };
    assert_eq!(reason(&submit(&client, "early", fok).await), Some(RejectReason::Phase));
    let auction = Auction {
        price: "100.10".into(),
        qty: "20".into(),
        imbalance_qty: "10".into(),
        imbalance_side: Side::Buy.into(),
    };
    would(&client, &auction).await;
    step(&client, Phase::Continuous).await;
    let sold = known(&client, "seller").await;
    assert_eq!((sold.ord_status(), sold.avg_price.as_str()), (OrdStatus::Filled, "100.10"));
    assert_eq!(sold.liquidity(), Liquidity::Auction);
    let opened = known(&client, "open").await;
    assert_eq!((opened.ord_status(), opened.cum_qty.as_str()), (OrdStatus::Expired, "20"));

    // Every kind of order.
    submit(&client, "bid", order(1, Side::Buy, "99.90", "500")).await;
    submit(&client, "ask", order(1, Side::Sell, "100.10", "30")).await;
    for (name, order, expected) in every_kind() {
        let report = submit(&client, name, order).await;
        let found = match reason(&report) {
            Some(reason) => Err(reason),
            None => Ok(report.ord_status()),
        };
        assert_eq!(found, expected, "{name}: {report:?}");
    }
    let replace = ReplaceOrderRequest {
        account: 2,
        order: Some(replace_order_request::Order::ClientOrderId("stop".into())),
        symbol: SYMBOL.into(),
        qty: "6".into(),
        price: String::new(),
        stop_price: "98.90".into(),
    };
    let replaced = client.replace(replace).await.expect("an answer");
    assert_eq!((reason(&replaced), replaced.qty.as_str()), (None, "6"));

    // A halt, in which orders are collected; and the end of the process.
    step(&client, Phase::Halt).await;
    submit(&client, "crosses", order(2, Side::Sell, "99.85", "60")).await;
    let before = (book(&client).await, open_orders(&client).await, phase(&client).await);
    assert_eq!(before.2, (Phase::Halt, PhaseCause::Command, 0));
    assert!(before.1.len() >= 20, "{} orders are open", before.1.len());
    server.kill();
    let verified = run(&["journal", "verify", text(&place.journal())]).ok();
    assert!(verified.contains(": whole"), "{verified}");

    let server = Server::start(&place);
    let client = server.admin().await;
    let after = (book(&client).await, open_orders(&client).await, phase(&client).await);
    assert_eq!(before, after);

    // The reopening auction, and what it sets off.
    step(&client, Phase::Continuous).await;
    let crossed = known(&client, "crosses").await;
    assert_eq!(crossed.ord_status(), OrdStatus::Filled, "{crossed:?}");

    // Mass cancels: of a side of an account, then of all.
    let sells =
        MassCancelRequest { account: Some(2), symbol: SYMBOL.into(), side: Side::Sell.into() };
    assert!(client.mass_cancel(sells).await.expect("an answer").canceled > 0);
    let left = open_orders(&client).await;
    assert!(left.iter().any(|it| it.account == 2 && it.side() == Side::Buy));
    assert!(!left.iter().any(|it| it.account == 2 && it.side() == Side::Sell), "{left:?}");
    let all = client.mass_cancel(MassCancelRequest::default()).await.expect("an answer");
    assert_eq!(all.canceled, left.len() as u64);
    assert_eq!(book(&client).await, [vec![], vec![]]);

    // Live, recovered and replayed, it is the same state.
    let stopped = server.stop("TERM").ok();
    let hash = stopped.trim_end().rsplit(' ').next().expect("the last word").to_string();
    let replayed = run(&["replay", text(&place.journal()), "--json"]).ok();
    let replayed: serde_json::Value = serde_json::from_str(&replayed).expect("one line of JSON");
    assert_eq!(replayed["state_hash"].as_str(), Some(hash.as_str()), "{stopped}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_band_pauses_the_market_and_an_auction_reopens_it() {
    let place = place("[instruments.bands]\nstatic_percent = \"1\"\npause_s = 600");
    let server = Server::start(&place);
    let client = server.admin().await;
    let told = asked(&server, &["market", "reference", SYMBOL, "100"]).ok();
    assert!(told.starts_with("done"), "{told}");
    submit(&client, "ask", order(1, Side::Sell, "101.50", "10")).await;
    submit(&client, "buy", order(2, Side::Buy, "101.50", "10")).await;
    let (now, cause, reopen_at) = phase(&client).await;
    assert_eq!((now, cause), (Phase::Halt, PhaseCause::PriceBand));
    assert!(reopen_at > 0);
    let told = asked(&server, &["market", "show", SYMBOL]).ok();
    assert!(told.contains("HOUSE is in halt, after continuous, because of: price_band"), "{told}");
    // The pause survives a kill, and with a shorter one the market reopens by itself.
    server.kill();
    place.configure(
        &[
            format!("[[instruments]]\nsymbol = \"{SYMBOL}\"\nprice_unit = \"0.01\"\nvenue_kind = \"internal\"\n"),
            Place::account(1),
            Place::account(2),
        ]
        .concat(),
    );
    let server = Server::start(&place);
    let client = server.admin().await;
    assert_eq!(phase(&client).await, (now, cause, reopen_at));
    let bands = SetBandsRequest {
        symbol: SYMBOL.into(),
        static_percent: "1".into(),
        dynamic_percent: String::new(),
        pause_ms: 50,
    };
    assert_eq!(client.set_bands(bands).await.expect("an answer").value, 1);
    step(&client, Phase::CloseAuction).await;
    // 101.50 is beyond 101: the auction fails, and the next one may go to 102.
    step(&client, Phase::Continuous).await;
    let wait = async {
        while phase(&client).await.0 != Phase::Continuous {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("it reopens");
    assert_eq!(phase(&client).await.1, PhaseCause::Reopening);
    assert_eq!(open_orders(&client).await, []);
    server.stop("TERM").ok();
}

#[test]
fn orders_from_the_command_line() {
    let place = place("");
    let server = Server::start(&place);
    asked(&server, &["market", "reference", SYMBOL, "100"]).ok();
    let placed = asked(
        &server,
        &["order", "new", SYMBOL, "sell", "50", "--price", "100.10", "--display-qty", "10"],
    )
    .ok();
    assert!(
        placed.contains("new: sell 50 HOUSE limit 100.10 day; 0 executed, 50 open"),
        "{placed}"
    );
    let taken = asked(
        &server,
        &["order", "new", SYMBOL, "buy", "20", "--type", "market", "--account", "2", "--json"],
    )
    .ok();
    let taken: serde_json::Value = serde_json::from_str(&taken).expect("JSON");
    assert_eq!(taken["ord_status"], "filled");
    assert_eq!(taken["avg_price"], "100.10");
    let kinds: [&[&str]; 5] = [
        &["--type", "stop_limit", "--stop-price", "101", "--price", "101.50", "--tif", "gtc"],
        &["--type", "trailing_stop", "--trail", "1%"],
        &["--type", "pegged", "--peg", "primary", "--offset", "-0.01", "--price", "99"],
        &["--price", "100.20", "--post-only", "slide", "--client-order-id", "slid"],
        &[
            "--price",
            "99",
            "--tif",
            "gtd",
            "--expire",
            "2100-01-01",
            "--hidden",
            "--stp",
            "decrement",
        ],
    ];
    for kind in kinds {
        let args = [&["order", "new", SYMBOL, "buy", "5", "--account", "2"], kind].concat();
        let told = asked(&server, &args).ok();
        assert!(told.contains(" new: buy 5 HOUSE"), "{kind:?}: {told}");
    }
    let slid = asked(
        &server,
        &[
            "order",
            "replace",
            SYMBOL,
            "--client-order-id",
            "slid",
            "--account",
            "2",
            "--qty",
            "4",
            "--price",
            "99.50",
        ],
    )
    .ok();
    assert!(slid.contains("buy 4 HOUSE limit 99.50"), "{slid}");
    let canceled =
        asked(&server, &["order", "cancel", "--client-order-id", "slid", "--account", "2"]);
    assert!(canceled.ok().contains("canceled"));
    // What a rule refuses says which, with the figures.
    asked(&server, &["order", "new", SYMBOL, "buy", "5", "--price", "500"]).refused(&[
        "refused: price_collar",
        "limit 110",
        "value 500",
    ]);
    asked(&server, &["order", "cancel", "--id", "1", "--account", "2"])
        .refused(&["refused: unknown_order"]);
    asked(&server, &["market", "phase", "closed", SYMBOL]).ok();
    asked(&server, &["order", "new", SYMBOL, "buy", "5", "--price", "99"])
        .refused(&["refused: phase"]);
    let all = asked(&server, &["order", "cancel-all", "--all-accounts"]).ok();
    assert!(all.ends_with("orders canceled\n") && !all.starts_with('0'), "{all}");
    server.stop("TERM").ok();
}

/// A market whose exchange never closes trades; one whose exchange sleeps follows it, and a halt of the operator's stays over a
/// restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_follows_its_calendar() {
    let place = place("calendar = \"24x7\"");
    let server = Server::start(&place);
    let client = server.admin().await;
    assert_eq!(phase(&client).await.0, Phase::Continuous);
    step(&client, Phase::Halt).await;
    server.kill();
    let server = Server::start(&place);
    let client = server.admin().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(phase(&client).await.0, Phase::Halt, "the calendar asked again and was passed over");
    server.stop("TERM").ok();

    // The exchange's own state now, whatever that is.
    let market = format!(
        "[[instruments]]\nsymbol = \"{SYMBOL}\"\nprice_unit = \"0.01\"\nvenue_kind = \"internal\"\ncalendar = \"XTKS\"\n"
    );
    let other = Place::new(&market);
    let server = Server::start(&other);
    let client = server.admin().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_nanos() as u64;
    let days = run(&["calendar", "XTKS", "--json", "--from", "2026-11-01", "--to", "2027-12-30"]);
    let mut expected = String::new();
    for line in days.ok().lines() {
        let day: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for step in day["steps"].as_array().into_iter().flatten() {
            if step["ns"].as_u64().expect("a number") <= now {
                expected =
                    format!("PHASE_{}", step["phase"].as_str().expect("a text").to_uppercase());
            }
        }
    }
    let wait = async {
        loop {
            if phase(&client).await.0.as_str_name() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("it follows its exchange");
    server.stop("TERM").ok();
}
