//! `tidegate parity` from outside, on a journal whose differences are known.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::run;
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Writer};
use tidegate_model::command::*;
use tidegate_model::ids::Code;
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::{Definition, MarketEventKind as Kind};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::*;

const ACCOUNT: AccountId = AccountId(1);
const ROUTE: u8 = 2;
const MS: u64 = 1_000_000;

/// Room for what is written.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A journal that is written by hand. Prices are in cents.
struct Tape {
    writer: Writer,
    seq: SeqNo,
    now: UnixNanos,
}

impl Tape {
    fn tell(&mut self, ms: u64, command: Command) {
        self.now = UnixNanos(ms * MS);
        let record = CommandRecord { ts_recv: self.now, ..CommandRecord::new(command) };
        self.seq = self.seq.next();
        self.writer.append_pod(KIND_COMMAND, self.seq, &record).expect("room");
    }

    fn hear(&mut self, ms: u64, event: MarketEvent) {
        self.now = UnixNanos(ms * MS);
        let event = MarketEvent { ts_recv: self.now, ts_event: self.now, ..event };
        self.seq = self.seq.next();
        self.writer.append_pod(KIND_MARKET_EVENT, self.seq, &event).expect("room");
    }

    fn order(&mut self, ms: u64, name: &str, side: Side, cents: i64, qty: u64) {
        self.tell(
            ms,
            Command::NewOrder(NewOrder {
                client_order_id: ClientOrderId::new(name).expect("valid"),
                account: ACCOUNT,
                side: side.wire(),
                order_type: OrderType::Limit.wire(),
                time_in_force: TimeInForce::Day.wire(),
                qty: Lots(qty),
                price: Ticks(cents * 100),
                ..NewOrder::BLANK
            }),
        );
    }

    /// What the venue said: an execution if `cents` is not 0, else that it has the order.
    fn report(&mut self, ms: u64, order_id: u64, qty: u64, cents: i64, fee_cents: i128) {
        let is_executed = cents > 0;
        let kind = if is_executed { RouteReportKind::Executed } else { RouteReportKind::Accepted };
        let qty = Lots(qty);
        self.tell(
            ms,
            Command::RouteReport(RouteReport {
                order_id: OrderId(order_id),
                kind: kind.wire(),
                route: ROUTE,
                qty,
                cum_qty: qty,
                price: Ticks(cents * 100),
                fee: Money(fee_cents * MONEY_PER_UNIT / 100),
                ..bytemuck::Zeroable::zeroed()
            }),
        );
    }
}

fn event(kind: Kind, order_ref: u64, side: Option<Side>, cents: i64, qty: u64) -> MarketEvent {
    MarketEvent {
        kind: kind.wire(),
        side: side.map_or(0, Side::wire),
        channel_id: 7,
        order_ref,
        price: Ticks(cents * 100),
        qty: Lots(qty),
        ..MarketEvent::default()
    }
}

/// Five orders on a route, each with one difference: latency -5.00, slippage -3.00, queue place -55.00, missed fills -21.00,
/// fees -0.7495; and the mark is 101.00.
fn five_orders(dir: &Path) {
    let config = Config { segment_len: 1 << 17, ..Config::default() };
    let (writer, _) = Writer::open(dir, config).expect("a new journal");
    let mut tape = Tape { writer, seq: SeqNo::ZERO, now: UnixNanos::ZERO };
    let usd = Code::new("USD").expect("valid");
    let symbol = Symbol::new("ACME").expect("valid");
    let share = Instrument::us_equity(symbol);
    let (orders_max, book_orders_max) = (1 << 12, 1 << 12);
    for command in [
        Command::Configure(Configure {
            paper_latency_ns: MS,
            orders_max,
            book_orders_max,
            currency: Code::EMPTY,
        }),
        Command::DefineInstrument(Instrument {
            venue_kind: venue_kind::ROUTE,
            route: ROUTE,
            taker_fee_e8: 10_000,
            ..share
        }),
        Command::OpenAccount(OpenAccount::of(ACCOUNT, usd)),
        Command::Transfer(Transfer::of_base(ACCOUNT, Money(1_000_000 * MONEY_PER_UNIT))),
        Command::SetLimits(SetLimits {
            max_order_notional: Money(1_000_000 * MONEY_PER_UNIT),
            max_order_qty: Lots(100_000),
            max_position: Lots(100_000),
            price_collar_bp: 1_000,
            max_open_orders: 100,
            messages_per_sec: 1_000,
            message_burst: 1_000,
            account: ACCOUNT,
            ..SetLimits::default()
        }),
        status(RouteLink::Reconciling),
        status(RouteLink::Up),
    ] {
        tape.tell(1, command);
    }
    let definition = Definition {
        kind: Kind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 7,
        ts_event: UnixNanos(1),
        ts_recv: UnixNanos(1),
        symbol,
        tick_size_nano: share.tick_size_nano,
        lot_size_nano: share.lot_size_nano,
    };
    tape.hear(1, definition.into_event());
    let (buy, sell) = (Some(Side::Buy), Some(Side::Sell));
    tape.hear(2, event(Kind::Add, 1, buy, 9_990, 500));
    tape.hear(2, event(Kind::Add, 2, sell, 10_000, 500));
    // It took 50 ms, and the offer moved meanwhile. The schedule takes 1 bp, as the venue does.
    tape.order(10, "slow", Side::Buy, 10_010, 100);
    tape.hear(20, event(Kind::Delete, 2, None, 0, 0));
    tape.hear(20, event(Kind::Add, 3, sell, 10_005, 500));
    tape.report(60, 1, 100, 10_005, 100);
    // In time, three cents worse than what was displayed.
    tape.order(70, "slipped", Side::Sell, 9_980, 100);
    tape.report(71, 2, 100, 9_987, 100);
    // A bid behind 400 that are left; then these and 80 of an order behind it trade. It got 30 of 80.
    tape.order(80, "behind", Side::Buy, 9_990, 100);
    tape.report(81, 3, 0, 0, 0);
    tape.hear(90, event(Kind::Add, 4, buy, 9_990, 200));
    tape.hear(90, event(Kind::Execute, 1, None, 0, 500));
    tape.hear(90, event(Kind::Execute, 4, None, 0, 80));
    tape.report(91, 3, 30, 9_990, 0);
    // A bid that the market trades through, and that gets nothing.
    tape.order(100, "missed", Side::Buy, 9_995, 20);
    tape.report(101, 4, 0, 0, 0);
    tape.hear(110, event(Kind::Trade, 0, sell, 9_989, 20));
    // Charged 1.75; 1 bp is 1.0005. That of the order before but two is 0.999, and it paid 1.00.
    tape.order(120, "dear", Side::Buy, 10_005, 100);
    tape.report(121, 5, 100, 10_005, 175);
    tape.hear(130, event(Kind::Trade, 0, buy, 10_100, 1));
    tape.writer.close().expect("written");
}

fn status(link: RouteLink) -> Command {
    let (cursor, link) = ([9, 0], link.wire());
    Command::RouteStatus(RouteStatus { cursor, route: ROUTE, link, reserved: [0; 6] })
}

fn parity(dir: &Path, options: &[&str]) -> support::Ran {
    let mut args = vec!["parity", dir.to_str().expect("text")];
    args.extend(options);
    run(&args)
}

const CAUSES: [&str; 6] =
    ["latency", "queue_place", "slippage", "missed_fills", "extra_fills", "fees"];

#[test]
fn causes_are_told_order_by_order_and_add_up() {
    let room = Room::new();
    let dir = room.path("journal");
    five_orders(&dir);
    let report: Value =
        serde_json::from_str(&parity(&dir, &["--output", "json"]).ok()).expect("JSON");
    println!("{report:#}");
    let total = &report["totals"][0];
    for (cause, expected) in
        CAUSES.iter().zip(["-5.00", "-55.00", "-3.00", "-21.00", "0.00", "-0.7505"])
    {
        assert_eq!(total[cause], *expected, "{cause}");
    }
    let number = |value: &Value| value.as_str().expect("text").parse::<f64>().expect("a number");
    let orders = report["orders"].as_array().expect("orders");
    assert_eq!(orders.len(), 5);
    for row in orders.iter().chain([total]) {
        let sum: f64 = CAUSES.iter().map(|cause| number(&row[cause])).sum();
        assert!((sum - number(&row["difference"])).abs() < 1e-9, "{row}");
        let values = number(&row["actual_value"]) - number(&row["simulated_value"]);
        assert!((values - number(&row["difference"])).abs() < 1e-9, "{row}");
    }
    assert_eq!(orders[0]["latency_ns"], 50 * MS);

    // The same in every form.
    let text = parity(&dir, &[]).ok();
    println!("{text}");
    for part in ["latency          -5.00", "difference    -84.7505   5 orders"] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    let table = parity(&dir, &["--output", "csv"]).ok();
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let names = rows.headers().expect("names").clone();
    let at = names.iter().position(|name| name == "difference").expect("a column");
    let sum: f64 =
        rows.records().map(|row| row.expect("a row")[at].parse::<f64>().expect("a number")).sum();
    assert!((sum - number(&total["difference"])).abs() < 1e-9, "{table}");

    // Who supposes the latency that was has none left to explain.
    let slow = parity(&dir, &["--latency", "51ms", "--output", "json"]).ok();
    let slow: Value = serde_json::from_str(&slow).expect("JSON");
    assert_eq!(slow["orders"][0]["latency"], "0.00", "{slow:#}");
    assert_eq!(slow["orders"][0]["difference"], "0.0005", "{slow:#}");
    let one = parity(&dir, &["--orders", "1"]).ok();
    assert!(one.contains("more: --orders 5"), "{one}");
}

#[test]
fn a_backtests_own_journal_differs_in_nothing() {
    let room = Room::new();
    let (file, dir) = (room.path("day.itch"), room.path("journal"));
    let (file, dir) = (file.to_str().expect("text"), dir.to_str().expect("text"));
    run(&["gen", "-o", file, "--symbols", "3", "--messages", "60000", "--seed", "5"]).ok();
    run(&["backtest", file, "--strategy", "market-maker", "--journal", dir]).ok();
    let same = run(&["parity", dir, "--output", "json"]).ok();
    let same: Value = serde_json::from_str(&same).expect("JSON");
    assert!(same["orders_compared"].as_u64().is_some_and(|orders| orders > 100), "{same:#}");
    assert_eq!((&same["orders_that_differ"], &same["simulations"]), (&0.into(), &1.into()));
    let other = ["--latency", "20ms", "--fill-model", "quotes", "--fees", "-0.2,0.5"];
    let other = run(&[&["parity", dir, "--output", "json"], &other[..]].concat()).ok();
    let other: Value = serde_json::from_str(&other).expect("JSON");
    let total = &other["totals"][0];
    for (cause, is_there) in CAUSES.iter().zip([true, true, false, false, false, true]) {
        assert_eq!(total[cause] != "0.00", is_there, "{cause}: {total}");
    }
}

#[test]
fn what_is_no_journal_is_refused_in_one_line() {
    let room = Room::new();
    let dir = room.path("journal");
    parity(&dir, &[]).refused(&["is not a journal's directory"]);
    std::fs::create_dir(&dir).expect("a folder");
    parity(&dir, &[]).refused(&["cannot compare", "holds no journal"]);
    five_orders(&dir);
    let files = std::fs::read_dir(&dir).expect("a folder");
    let segments = files.map(|entry| entry.expect("a file").path());
    let segments = segments.filter(|path| path.extension().is_some_and(|end| end == "tgj"));
    let longest = segments.max_by_key(|path| path.metadata().map_or(0, |about| about.len()));
    let segment = longest.expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let name = segment.file_name().expect("a name").to_str().expect("text");
    parity(&dir, &[]).refused(&["cannot compare", name]);
    for (options, part) in [
        (["--latency", "61s"], "at most 60s"),
        (["--latency", "soon"], "a span such as"),
        (["--fill-model", "power"], "power:2"),
        (["--fees", "1"], "two rates"),
    ] {
        let ran = parity(&dir, &options);
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(part), "{ran:#?}");
    }
}
