//! `tidegate desk` against a running server: every command, what it does, how it is refused, and that a replay does it again.

mod support;

use support::market::{Market, SYMBOL, book_with};
use support::{ADMIN, Place, Ran, Server, TRADER, run, text};
use tidegate_client::Client;
use tidegate_client::proto::{
    GetAccountRequest, ListInstrumentsRequest, ListOrdersRequest, ListPositionsRequest,
    OrderReport, OrderType, RejectReason, Side, SubmitOrderRequest, TimeInForce,
};

struct Office {
    server: Server,
    client: Client,
    place: Place,
    orders: u64,
}

impl Office {
    async fn new(more: &str) -> Self {
        let place = Place::new(&format!("{}{more}", Place::account(1)));
        let server = Server::start(&place);
        let client = server.admin().await;
        // The feed's instrument is there once its book is.
        let _market = Market::quoted(server.line);
        book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
        Self { server, client, place, orders: 0 }
    }

    fn desk_as(&self, token: &str, args: &[&str]) -> Ran {
        let common = ["desk", "--addr", &self.server.addr, "--token", token];
        run(&[&common[..], args].concat())
    }

    /// What a command prints that is done.
    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        self.desk_as(ADMIN, args).ok().trim_end().to_string()
    }

    /// Fails unless a command is refused and says each part.
    #[track_caller]
    fn refused(&self, args: &[&str], parts: &[&str]) {
        self.desk_as(ADMIN, args).refused(parts);
    }

    async fn order(&mut self, side: Side, qty: &str, price: &str) -> OrderReport {
        self.orders += 1;
        let order = SubmitOrderRequest {
            account: 1,
            symbol: SYMBOL.into(),
            client_order_id: format!("order-{}", self.orders),
            side: side.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Ioc.into(),
            qty: qty.into(),
            price: price.into(),
            ..Default::default()
        };
        self.client.submit(order).await.expect("an answer")
    }

    /// Cash of account 1 in its base currency.
    async fn cash(&self) -> String {
        let answer = self.client.get_account(GetAccountRequest { account: 1 }).await;
        answer.expect("an answer").account.expect("it is open").cash
    }

    /// Ends the server, and has its journal replayed to the same state.
    fn replays(self) {
        self.server.stop("TERM").ok();
        let told = run(&["replay", text(&self.place.journal())]).ok();
        assert!(told.contains("recorded hashes agree"), "{told}");
    }
}

#[tokio::test]
async fn a_trade_is_put_right_and_taken_back() {
    let mut office = Office::new("").await;
    let filled = office.order(Side::Buy, "100", "10.02").await;
    assert_eq!(filled.cum_qty, "100", "{filled:?}");
    assert_eq!(office.cash().await, "998998.00");
    let (order, exec) = (filled.order_id.to_string(), filled.exec_id.to_string());
    assert_ne!(filled.exec_id, 0);

    let right = ["correct", "1", &order, &exec, SYMBOL, "--qty", "60", "--price", "10.00"];
    assert_eq!(office.done(&right), format!("done ({exec})"));
    assert_eq!(office.cash().await, "999400.00");
    let request = ListPositionsRequest { account: Some(1), ..Default::default() };
    let held = office.client.list_positions(request).await.expect("an answer").positions;
    assert_eq!((held[0].qty.as_str(), held[0].cost.as_str()), ("60", "600.00"));
    let request =
        ListOrdersRequest { account: Some(1), include_finished: true, ..Default::default() };
    let orders = office.client.list_orders(request).await.expect("an answer").orders;
    assert_eq!((orders[0].cum_qty.as_str(), orders[0].leaves_qty.as_str()), ("60", "0"));

    let odd = ["correct", "1", &order, &exec, SYMBOL, "--qty", "61", "--price", "10.00"];
    office.refused(&odd, &["refused: bad_field", "value 61"]);
    assert_eq!(office.done(&["bust", "1", &order, &exec]), format!("done ({exec})"));
    assert_eq!(office.cash().await, "1000000.00");
    office.refused(&["bust", "1", &order, &exec], &["refused: unknown_trade"]);
    office.refused(&["bust", "2", &order, &exec], &["refused: unknown_trade"]);
    office.refused(&["bust", "1", "0", "1"], &["order_id: 0 is no order"]);
    let trader = office.desk_as(TRADER, &["bust", "1", &order, &exec]);
    trader.refused(&["administers the engine"]);
    office.replays();
}

#[tokio::test]
async fn prices_keep_to_the_tick_table() {
    let table = r#"
[[instruments]]
symbol = "MIFID"
tick = "0.0001"
tick_table = "0:0.0001 1:0.0002 10:0.002"
"#;
    let mut office = Office::new(table).await;
    let list = |office: &Office, prefix: &str| {
        let request = ListInstrumentsRequest { prefix: prefix.into(), ..Default::default() };
        let client = office.client.clone();
        async move { client.list_instruments(request).await.expect("an answer").instruments }
    };
    assert_eq!(list(&office, "MIFID").await[0].tick_table, "0:0.0001 1:0.0002 10:0.002");
    assert_eq!(list(&office, SYMBOL).await[0].tick_table, "");

    assert_eq!(office.done(&["tick-table", SYMBOL, "0:0.01", "10:0.05"]), "done (2)");
    assert_eq!(list(&office, SYMBOL).await[0].tick_table, "0:0.01 10:0.05");
    let off = office.order(Side::Buy, "1", "10.02").await.reject.expect("a refusal");
    assert_eq!(off.reason(), RejectReason::Tick, "{off:?}");
    assert_eq!(office.order(Side::Buy, "1", "10.05").await.reject, None);
    assert_eq!(office.order(Side::Buy, "1", "9.99").await.reject, None);
    office.refused(&["tick-table", SYMBOL, "0:0.015"], &["refused: tick"]);
    office.refused(&["tick-table", SYMBOL, "5"], &["tick_table: ", "no colon"]);
    office.refused(&["tick-table", "NONE", "0:1"], &["'NONE' is not defined"]);
    assert_eq!(office.done(&["tick-table", SYMBOL]), "done", "taken away");
    assert_eq!(office.order(Side::Buy, "1", "10.02").await.reject, None);
    office.replays();
}

#[tokio::test]
async fn the_desk_runs_its_accounts() {
    let mut office = Office::new("").await;
    let limits = [
        "limits",
        "7",
        "--max-order-notional",
        "100000",
        "--max-order-lots",
        "1000",
        "--max-position-lots",
        "1000",
        "--price-collar-bp",
        "500",
        "--max-open-orders",
        "10",
        "--messages-per-sec",
        "100",
        "--message-burst",
        "100",
    ];
    for (args, told) in [
        (&["open-account", "7", "USD", "--kind", "margin", "--cost-method", "fifo"][..], "done"),
        (&["transfer", "7", "5000"], "done"),
        (&["transfer", "7", "-1000"], "done"),
        (&["transfer", "7", "0", "--currency", "EUR"], "done"),
        (&limits, "proposal 1 waits for a second person"),
        (&["rate", "EUR", "USD", "1.0835"], "done"),
        (&["rate", "USD", "EUR", "0.92"], "done"),
        (&["convert", "7", "USD", "EUR", "1000"], "done"),
        (&["convert", "7", "EUR", "USD", "920", "--received", "1001.5"], "done"),
        (&["margin", SYMBOL, "--initial", "0.5", "--maintenance", "0.25"], "done"),
        (
            &[
                "fees",
                "3",
                "--taker-per-lot",
                "0.005",
                "--order-min",
                "1",
                "--sell-rate",
                "0.0000278",
            ],
            "done",
        ),
        (&["assign-fees", "3", "--account", "1"], "done"),
        (&["assign-fees", "3", "--symbol", SYMBOL], "done"),
        (&["borrow", SYMBOL, "0.03", "--days-per-year", "365"], "done"),
        (&["mass-cancel", "--account", "7", "--symbol", SYMBOL, "--side", "buy"], "done"),
        (&["day-roll"], "done"),
    ] {
        assert!(office.done(args).starts_with(told), "{args:?}");
    }
    let worth = office.done(&["equity", "7"]);
    for part in
        ["\"equity\":\"4001.50\"", "\"currency\":\"USD\"", "\"excess_liquidity\":\"4001.50\""]
    {
        assert!(worth.contains(part), "{part} is not in {worth}");
    }
    let filled = office.order(Side::Buy, "100", "10.02").await;
    assert_eq!((filled.fee.as_str(), filled.cum_qty.as_str()), ("1.00", "100"), "{filled:?}");
    assert_eq!(office.done(&["dividend", SYMBOL, "0.25"]), "done (1)");
    assert_eq!(office.cash().await, "999022.00");
    assert_eq!(office.done(&["split", SYMBOL, "3", "2"]), "done (1)");
    assert_eq!(office.done(&["settle", SYMBOL, "6.70"]), "done");
    for (args, parts) in [
        (&["open-account", "7", "USD"][..], &["refused: duplicate_account"][..]),
        (&["convert", "7", "USD", "JPY", "1"], &["refused: no_rate"]),
        (&["rate", "USD", "EUR", "1e3"], &["rate: ", "1e3"]),
        (&["margin", SYMBOL, "--initial", "0.2", "--maintenance", "0.3"], &["refused: bad_field"]),
        (&["assign-fees", "9", "--account", "1"], &["refused: bad_field"]),
        (&["dividend", SYMBOL, "0"], &["amount_per_lot: ", "above 0"]),
        (&["split", SYMBOL, "0", "1"], &["refused: bad_field"]),
        (&["equity", "99"], &["refused: unknown_account"]),
        (&["transfer", "7", "a lot"], &["amount: "]),
    ] {
        office.refused(args, parts);
    }
    office.replays();
}

#[test]
fn a_server_that_is_not_there() {
    run(&["desk", "--addr", "127.0.0.1:1", "day-roll"]).refused(&["127.0.0.1:1"]);
}
