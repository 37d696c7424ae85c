//! `tidegate backtest` from outside: strategies inside it and over gRPC, what it writes, and what it refuses.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{
    Ran, Running, python, run, spawn, spawn_command, spawn_errors_heard, text, tidegate,
};
use tempfile::TempDir;
use tidegate_client::Client;
use tidegate_client::strategy::{
    Desk, InstrumentId, Lots, Order, Report, Side, Strategy, Ticks, TimeInForce, trade_in_lock_step,
};
use tidegate_model::instrument::format_money;

/// A made-up session of three symbols, two minutes long, and room for what is written.
struct Room {
    dir: TempDir,
    session: PathBuf,
}

impl Room {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let session = dir.path().join("session.itch");
        let length = ["--symbols", "3", "--duration", "120", "--rate", "400", "--seed", "11"];
        run(&[&["gen", "-o", text(&session)][..], &length].concat()).ok();
        Self { dir, session }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn backtest(&self, more: &[&str]) -> Ran {
        backtest(&self.session, more)
    }
}

fn backtest(file: &Path, more: &[&str]) -> Ran {
    run(&[&["backtest", text(file)][..], more].concat())
}

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The recording of a real session, if it is there.
fn recording() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let file = shared.join("itch/AAPL_20191230_clean.itch");
    if !file.exists() {
        println!("skipped: {} is not there", file.display());
    }
    file.exists().then_some(file)
}

fn cells(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

#[test]
fn the_same_file_and_strategy_give_the_same_twice() {
    let room = Room::new();
    for strategy in ["momentum", "market-maker", "buy-and-hold"] {
        let options = ["--strategy", strategy, "--output", "json"];
        let [first, second] = [(); 2].map(|()| room.backtest(&options).ok());
        assert_eq!(first, second, "{strategy}");
        let report = json(&first);
        assert_eq!(report["state_hash"].as_str().map(str::len), Some(16), "{report}");
        let orders = &report["orders"];
        let fills = [&orders["maker_fills"], &orders["taker_fills"]].map(|n| n.as_u64());
        assert!(fills.iter().flatten().sum::<u64>() > 0, "{strategy} never traded: {report}");
        // Another latency is another history.
        let slower = [&options[..], &["--latency", "20ms"]].concat();
        assert_ne!(json(&room.backtest(&slower).ok())["state_hash"], report["state_hash"]);
    }
}

#[test]
fn a_strategy_does_the_same_inside_and_in_a_process_of_its_own() {
    let room = Room::new();
    let options = ["--interval", "50ms", "--output", "json"];
    for file in [Some(room.session.clone()), recording()].into_iter().flatten() {
        for strategy in ["momentum", "market-maker"] {
            let inside = [&["--strategy", strategy][..], &options].concat();
            let inside = json(&backtest(&file, &inside).ok());
            let (waiting, addr) = listen(&file, &options);
            let client = spawn(&["trade", strategy, "--lock-step", "--addr", &addr]);
            let heard = client.wait().ok();
            let outside = waiting.wait().ok();
            assert_eq!(heard.trim(), outside.trim(), "the strategy is told what was found");
            let outside = json(&outside);
            for field in ["state_hash", "inputs", "steps", "result", "orders", "daily"] {
                assert_eq!(inside[field], outside[field], "{strategy}: {field}");
            }
        }
    }
}

#[test]
fn fills_equity_and_journal_tell_the_same_story_as_the_summary() {
    let room = Room::new();
    let [fills, equity, journal] = ["fills.csv", "equity.jsonl", "journal"].map(|n| room.path(n));
    let report = json(
        &room
            .backtest(&[
                "--strategy",
                "momentum",
                "--fills",
                text(&fills),
                "--equity",
                text(&equity),
                "--equity-every",
                "10s",
                "--journal",
                text(&journal),
                "--output",
                "json",
            ])
            .ok(),
    );

    let fills = std::fs::read_to_string(fills).expect("written");
    let mut lines = fills.lines();
    let head = cells(lines.next().expect("a head"));
    let column = |name: &str| head.iter().position(|cell| *cell == name).expect(name);
    let (qty, side, notional, reason) =
        (column("qty"), column("side"), column("notional"), column("reason"));
    let rows: Vec<_> = lines.map(cells).collect();
    assert_eq!(rows.len() as u64, report["orders"]["taker_fills"].as_u64().expect("a count"));
    let traded: f64 = rows.iter().map(|row| row[notional].parse::<f64>().expect("a number")).sum();
    let told: f64 = report["result"]["traded"].as_str().and_then(|t| t.parse().ok()).expect("text");
    assert!((traded - told).abs() < 1e-6, "{traded} {told}");
    assert!(rows.iter().all(|row| row[reason].contains("took what was displayed")), "{fills}");
    // What it bought and sold is what it holds at the end, and what its money became is what the file of equities ends with.
    let sign = |row: &&Vec<&str>| if row[side] == "buy" { 1i64 } else { -1 };
    let held: i64 = rows.iter().map(|r| sign(&r) * r[qty].parse::<i64>().expect("lots")).sum();
    let is_flat = report["trades"]["open"] == 0;
    assert!(!is_flat || held == 0, "{held} held: {report}");

    let equity = std::fs::read_to_string(equity).expect("written");
    let rows: Vec<_> = equity.lines().map(json).collect();
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert_eq!((first["at"].as_str(), last["at"].as_str()), (Some("start"), Some("end")));
    assert_eq!(first["equity"], report["result"]["equity_begin"]);
    assert_eq!(last["equity"], report["result"]["equity_end"]);
    assert!(rows.len() >= 12, "two minutes have twelve samples: {equity}");
    let times: Vec<_> = rows.iter().map(|row| row["ts"].as_u64().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");

    let replayed = run(&["replay", text(&journal)]).ok();
    let hash = report["state_hash"].as_str().expect("text");
    assert!(replayed.contains(hash), "{replayed} does not end at {hash}");
    let again = ["--strategy", "momentum", "--journal", text(&journal)];
    room.backtest(&again).refused(&["is not empty", "--journal"]);
}

#[test]
fn the_summary_says_what_it_rests_on_and_where_it_is_not_to_be_believed() {
    let room = Room::new();
    let page = room.backtest(&["--strategy", "momentum", "--latency", "0"]).ok();
    for part in [
        "orders (L3)",
        "orders take no time to the venue",
        "no latency",
        "resting 0 bp, taking 0 bp",
        "no fees were charged",
        "1 days say little",
        "nothing is scaled to a year below 20",
        "held between best bid and offer",
        "state hash",
    ] {
        assert!(page.contains(part), "'{part}' is not in: {page}");
    }
    assert!(!page.contains("Sharpe"), "one day has no Sharpe ratio: {page}");
    let report = json(&room.backtest(&["--strategy", "momentum", "--output", "json"]).ok());
    assert!(report["statistics"]["annual"].is_null(), "{report}");
    assert_eq!(report["statistics"]["days"], 1, "{report}");

    let table = room.backtest(&["--strategy", "momentum", "--output", "csv"]).ok();
    assert_eq!(table.lines().next(), Some("name,value"));
    let hash = format!("state_hash,{}", report["state_hash"].as_str().expect("text"));
    assert!(table.lines().any(|line| line == hash), "{table}");
    assert!(table.contains("\nresult.equity_end,"), "{table}");
}

/// Daily bars of one share that wins and loses in turn: opens at 100, and closes at 100, 102, 100, 102, ...
fn bars(days: usize) -> String {
    let mut text = "Date,Open,High,Low,Close,Volume,Name\n".to_string();
    for day in 0..days {
        let close = if day % 2 == 0 { 100 } else { 102 };
        text += &format!(
            "2024-{:02}-{:02},100,103,99,{close},1000000,ACME\n",
            1 + day / 28,
            1 + day % 28
        );
    }
    text
}

#[test]
fn daily_bars_are_days_and_enough_of_them_give_a_years_figures() {
    let room = Room::new();
    let file = room.path("ACME_daily.csv");
    let options = ["--strategy", "buy-and-hold", "--param", "size=1000", "--output", "json"];
    std::fs::write(&file, bars(41)).expect("written");
    let report = json(&backtest(&file, &options).ok());
    let statistics = &report["statistics"];
    assert_eq!(statistics["days"], 41, "{report}");
    // It hears of the first bar at its end and buys 1,000 at the open of the second, 100: 2,000 up on each second day.
    let daily = report["daily"].as_array().expect("days");
    let equities: Vec<_> = daily.iter().map(|day| day["equity"].as_str().expect("text")).collect();
    assert_eq!(equities[..4], ["1000000.00", "1002000.00", "1000000.00", "1002000.00"]);
    assert_eq!(daily[1]["date"], "2024-01-02");
    assert_eq!(statistics["total_return"], 0.0);
    let number = |value: &Value| value.as_f64().expect("a number");
    let fall = 1.0 - 1_000_000.0 / 1_002_000.0;
    assert!((number(&statistics["max_drawdown"]) - fall).abs() < 1e-12, "{statistics}");
    // One day of 0, then 20 returns of +0.002 and 20 of -fall, by the formula of docs/guide.md.
    let returns: Vec<f64> = std::iter::once(0.0)
        .chain((0..40).map(|n| if n % 2 == 0 { 0.002 } else { -fall }))
        .collect();
    let mean = returns.iter().sum::<f64>() / 41.0;
    let variance = returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / 40.0;
    let annual = &statistics["annual"];
    let root = 252f64.sqrt();
    assert!((number(&annual["volatility"]) - variance.sqrt() * root).abs() < 1e-9, "{annual}");
    assert!((number(&annual["sharpe"]) - mean / variance.sqrt() * root).abs() < 1e-9, "{annual}");
    let page = backtest(&file, &options[..4]).ok();
    assert!(page.contains("within two standard errors"), "{page}");
    assert!(page.contains("it took at a price") || page.contains("bars 1"), "{page}");

    std::fs::write(&file, bars(19)).expect("written");
    let report = json(&backtest(&file, &options).ok());
    assert!(report["statistics"]["annual"].is_null(), "{report}");
}

#[test]
fn every_kind_of_recording_can_be_traded() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    for (name, data, model) in [
        ("dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst", "orders (L3), trades", "exact"),
        ("binance/btcusdt_20240808.gz", "price levels (L2), trades", "risk_averse"),
        ("daily/MSFT_2006-01-01_to_2018-01-01.csv", "bars", "bars"),
    ] {
        let file = shared.join(name);
        if !file.exists() {
            println!("skipped: {} is not there", file.display());
            continue;
        }
        let strategy = if data == "bars" { "buy-and-hold" } else { "market-maker" };
        let options = ["--strategy", strategy, "--param", "size=1", "--output", "json"];
        let report = json(&backtest(&file, &[&options[..], &["--interval", "10ms"]].concat()).ok());
        assert_eq!(report["assumptions"][0]["is"], data, "{report}");
        let fills = report["orders"]["fill_models"][model].as_u64();
        assert!(fills.is_some_and(|fills| fills > 0), "{name}: {report}");
        assert!(data == "bars" || report["statistics"]["days"] == 1, "{name}: {report}");
    }
}

#[test]
fn latencies_are_drawn_from_a_seed_and_replayed_from_recordings() {
    let room = Room::new();
    let (random, recorded) = (room.path("random.csv"), room.path("recorded.csv"));
    std::fs::write(&random, "quantile,latency_ns\n0,50000\n0.9,200000\n1,9000000\n")
        .expect("written");
    std::fs::write(&recorded, "req_ts,exch_ts,resp_ts\n1,80001,100001\n").expect("written");
    let (random, recorded) =
        (format!("random:{}", text(&random)), format!("recorded:{}", text(&recorded)));
    let journal = room.path("journal");
    let hash_of = |more: &[&str]| {
        let all = ["--strategy", "momentum", "--latency", &random, "--answer-latency", &recorded];
        let page = room.backtest(&[&all[..], more, &["--output", "json"]].concat()).ok();
        (page.clone(), json(&page)["state_hash"].as_str().expect("text").to_string())
    };
    let (page, hash) = hash_of(&["--journal", text(&journal)]);
    for part in ["50 us to 9 ms drawn from", "with seed 1", "answers 20 us to 20 us as recorded in"]
    {
        assert!(page.contains(part), "'{part}' is not in: {page}");
    }
    assert_eq!(hash_of(&["--latency-seed", "1"]).1, hash);
    assert_ne!(hash_of(&["--latency-seed", "2"]).1, hash);
    assert_ne!(hash_of(&["--feed-latency", "1ms"]).1, hash);
    let replayed = run(&["replay", text(&journal)]).ok();
    assert!(replayed.contains(&hash), "{replayed} does not end at {hash}");
    let commands = run(&["journal", "cat", text(&journal)]).ok();
    assert!(commands.contains("set_latency") && commands.contains("add_latency_points"));

    let with = |way: &str| room.backtest(&["--strategy", "momentum", "--latency", way]);
    with("recorded:/nowhere.csv").refused(&["the entry latency", "/nowhere.csv"]);
    with(&random.replace("random:", "recorded:")).refused(&["write random:FILE"]);
}

#[test]
fn each_fill_names_its_model_its_cause_and_its_place() {
    let room = Room::new();
    let fills = room.path("fills.jsonl");
    let of_model = |model: &[&str]| {
        let maker = ["--strategy", "market-maker", "--fills", text(&fills), "--output", "json"];
        // Answers that come late change nothing of what is told of the cause.
        let late = ["--answer-latency", "5ms"];
        let report = json(&room.backtest(&[&maker[..], &late, model].concat()).ok());
        let fills = std::fs::read_to_string(&fills).expect("written");
        for row in fills.lines().map(json) {
            let is_maker = row["liquidity"] == "maker";
            assert_eq!(is_maker, row["cause"] != "", "{row}");
            assert_eq!([is_maker; 2], [row["cause_message"] != 0, row["cause_seq"] != 0], "{row}");
            assert_eq!(is_maker, row["queue_ahead_at_entry"] != "", "{row}");
            assert!(report["orders"]["fill_models"][row["model"].as_str().expect("text")].is_u64());
        }
        let models = report["orders"]["fill_models"].as_object().expect("models").clone();
        assert_eq!(models.len(), 1, "{report}");
        (models.keys().next().expect("one").clone(), report["state_hash"].to_string())
    };
    let (model, exact) = of_model(&[]);
    assert_eq!(model, "exact");
    for name in ["risk_averse", "power:2", "log", "square", "quotes"] {
        let (model, hash) = of_model(&["--fill-model", name]);
        assert!(name.starts_with(&model), "{model} instead of {name}");
        assert_ne!(hash, exact);
    }
    let ran = run(&["backtest", "f", "--strategy", "a", "--fill-model", "best"]);
    assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("risk_averse, power"), "{}", ran.stderr);
}

#[test]
fn what_is_configured_of_paper_is_journaled() {
    let room = Room::new();
    let (config, journal) = (room.path("desk.toml"), room.path("journal"));
    let desk = "[[instruments]]\nsymbol = \"TIDE\"\n[instruments.paper]\nfill_model = \"power:2\"\nfill_on_touch = true\n\
                [instruments.paper.impact]\ndaily_volume = \"100000\"\ndaily_volatility = \"0.02\"\n\
                half_life = \"10m\"\n[[accounts]]\nid = 1\ncash = \"1000\"\n";
    std::fs::write(&config, desk).expect("written");
    let all = ["--strategy", "momentum", "--config", text(&config), "--journal", text(&journal)];
    room.backtest(&all).ok();
    let commands = run(&["journal", "cat", text(&journal)]).ok();
    for part in ["set_fill_model", "set_impact", "600000000000", "100000", "20000", "10000"] {
        assert!(commands.contains(part), "'{part}' is not there");
    }
    for (right, wrong, part) in [
        ("power:2", "power:x", "power:2.5"),
        ("0.02", "11", "a multiple of 0.000001 from 0 to 10"),
        ("10m", "169h", "at most 168h"),
    ] {
        std::fs::write(&config, desk.replace(right, wrong)).expect("written");
        let refused = room.backtest(&all[..4]);
        assert_eq!(refused.status.code(), Some(1), "{refused:#?}");
        assert!(refused.stderr.contains(part), "'{part}' is not in: {}", refused.stderr);
    }
}

#[test]
fn a_configuration_gives_instruments_fees_and_accounts() {
    let room = Room::new();
    let config = room.path("desk.toml");
    let listed = run(&["stats", text(&room.session), "--json"]).ok();
    let symbol = json(&listed)["top_symbols"][0]["symbol"].as_str().expect("text").to_string();
    let account = |id: u32, more: &str| {
        format!(
            "[[accounts]]\nid = {id}\ncash = \"50000\"\n[accounts.limits]\nmax_order_notional = \"40000\"\n\
             max_order_qty = 100\nmax_position = 100\nprice_collar_bp = 500\nmax_open_orders = 10\n\
             messages_per_sec = 100\nmessage_burst = 100\n{more}"
        )
    };
    let fees = format!("[[instruments]]\nsymbol = \"{symbol}\"\ntaker_fee_bp = \"0.5\"\n");
    let text_of =
        format!("[paper]\nentry_latency = \"250us\"\n{fees}{}{}", account(3, ""), account(5, ""));
    std::fs::write(&config, text_of).expect("written");
    let options = |more: &[&str]| {
        let all = ["--strategy", "momentum", "--config", text(&config), "--symbols", &symbol];
        room.backtest(&[&all[..], more].concat())
    };
    let page = options(&[]).ok();
    assert!(page.contains("account 3"), "{page}");
    assert!(page.contains("orders take 250 us to the venue"), "{page}");
    assert!(page.contains("taking 0.5 bp"), "{page}");
    assert!(!page.contains("no fees were charged"), "{page}");
    let report = json(&options(&["--account", "5", "--output", "json"]).ok());
    assert_eq!(report["account"], 5);
    let fee: f64 = report["result"]["fees"].as_str().and_then(|t| t.parse().ok()).expect("text");
    let traded: f64 =
        report["result"]["traded"].as_str().and_then(|t| t.parse().ok()).expect("text");
    assert!(traded > 0.0 && (fee - traded * 0.5e-4).abs() < 1e-6, "{fee} of {traded}");

    options(&["--account", "4"]).refused(&["has no account 4"]);
    // Orders beyond a limit are refused by the gate, as they are live, and told.
    let page = options(&["--param", "size=101"]).ok();
    assert!(page.contains("requests were refused: max_order_qty"), "{page}");
    std::fs::write(&config, "[engine]\n").expect("written");
    options(&[]).refused(&["no [[accounts]]"]);
}

#[test]
fn what_cannot_be_is_one_line_that_says_why() {
    let room = Room::new();
    let with = |more: &[&str]| room.backtest(&[&["--strategy", "momentum"][..], more].concat());
    room.backtest(&["--strategy", "martingale"]).refused(&["no strategy 'martingale'", "momentum"]);
    with(&["--param", "sise=1"]).refused(&["no parameter 'sise'", "size (100)"]);
    with(&["--param", "size=0"]).refused(&["size=0 is not allowed", "1 to 1000000000"]);
    with(&["--symbols", "NOBODY"]).refused(&["the file has nothing of NOBODY"]);
    with(&["--from", "23:59:59"]).refused(&["ends before --from"]);
    with(&["--from", "10:00:00", "--to", "09:00:00"]).refused(&["--from is not before --to"]);
    with(&["--latency", "61s"]).refused(&["61 s", "at most 1 m"]);
    with(&["--equity-every", "1us"]).refused(&["at least 1ms"]);
    with(&["--fills", "/nowhere/fills.csv"]).refused(&["cannot write /nowhere/fills.csv"]);
    with(&["--config", "/nowhere/t.toml"]).refused(&["cannot read the configuration"]);
    room.backtest(&["--listen", "0.0.0.0:0"]).refused(&["0.0.0.0:0", "only loopback"]);
    failed(
        &room.backtest(&["--listen", "127.0.0.1:0", "--timeout", "1"]),
        &["no strategy called", "within 1 s"],
    );
    backtest(Path::new("/nowhere/day.itch"), &["--strategy", "momentum"])
        .refused(&["/nowhere/day.itch"]);
    let empty = room.path("empty.itch");
    std::fs::write(&empty, []).expect("written");
    backtest(&empty, &["--strategy", "momentum"]).refused(&["empty.itch", "no market event"]);
    let torn = room.path("torn.itch");
    let bytes = std::fs::read(&room.session).expect("a session");
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).expect("written");
    backtest(&torn, &["--strategy", "momentum"]).refused(&["reading", "torn.itch"]);

    for (args, part) in [
        (&["backtest", "f"][..], "--strategy"),
        (&["backtest", "f", "--strategy", "a", "--listen", "127.0.0.1:0"], "cannot be used with"),
        (&["backtest", "f", "--listen", "127.0.0.1:0", "--param", "a=1"], "cannot be used with"),
        (&["backtest", "f", "--strategy", "a", "--timeout", "5"], "cannot be used with"),
        (&["backtest", "f", "--strategy", "a", "--latency", "5"], "250us, 10ms"),
        (&["backtest", "f", "--strategy", "a", "--from", "noon"], "2019-12-30T14:35:00Z"),
        (&["backtest", "f", "--strategy", "a", "--days-per-year", "0"], "1 to 366"),
    ] {
        let ran = run(args);
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
    }
}

/// Fails unless it ended in an error whose last line, behind the one that says where it listens, contains every part.
#[track_caller]
fn failed(ran: &Ran, parts: &[&str]) {
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    for part in parts {
        assert!(last.starts_with("tidegate: ") && last.contains(part), "'{part}': {ran:#?}");
    }
}

/// Starts a backtest that waits for a strategy, and says where.
fn listen(file: &Path, more: &[&str]) -> (Running, String) {
    let mut command = tidegate();
    command.args(["backtest", text(file), "--listen", "127.0.0.1:0"]).args(more);
    let (running, lines): (_, Receiver<String>) = spawn_errors_heard(&mut command);
    let line = lines.recv_timeout(Duration::from_secs(60)).expect("it says where it listens");
    let addr = line.split_whitespace().find(|word| word.starts_with("http://"));
    (running, addr.unwrap_or_else(|| panic!("no address in '{line}'")).to_string())
}

#[test]
fn a_strategy_in_python_trades_in_lock_step() {
    let program = match python() {
        Ok(program) => program,
        Err(why) => return println!("skipped: {why}"),
    };
    let room = Room::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/lock_step.py");
    let with = |fault: &str, timeout: &str| {
        let options = ["--interval", "100ms", "--timeout", timeout, "--output", "json"];
        let (waiting, addr) = listen(&room.session, &options);
        let addr = addr.trim_start_matches("http://").to_string();
        let client = spawn_command(Command::new(&program).args([script, &addr, fault]));
        (waiting, client)
    };
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let (waiting, client) = with("", "30");
        let (found, said) = (json(&waiting.wait().ok()), json(&client.wait().ok()));
        assert_eq!(said["summary"], found);
        assert!(said["fills"].as_array().is_some_and(|fills| fills.len() >= 2), "{said}");
        assert_eq!(said["heard"]["timer"], 1, "{said}");
        assert_eq!(said["heard"]["end"], 1, "{said}");
        assert_eq!(found["trades"]["count"], 1, "{found}");
        assert_eq!(found["result"]["unrealised"], "0.00", "{found}");
        hashes.push(found["state_hash"].clone());
    }
    assert_eq!(hashes[0], hashes[1]);

    // A malformed order is told to the strategy at once, and the backtest goes on.
    let (waiting, client) = with("malformed", "30");
    let (found, said) = (json(&waiting.wait().ok()), json(&client.wait().ok()));
    assert_eq!(said["refused"], serde_json::json!(["py-1 qty"]), "{said}");
    assert_eq!(found["trades"]["count"], 1, "{found}");

    for (fault, timeout, part) in [
        ("hang", "5", "did not answer step 5 within 5 s"),
        ("leave", "30", "left at step 5"),
        ("wrong", "30", "the number 5 to step 4"),
    ] {
        let (waiting, _client) = with(fault, timeout);
        failed(&waiting.wait(), &[part]);
    }
}

/// Sends an order that no instrument takes, then a good one; sells what it has at the end.
#[derive(Default)]
struct Clumsy {
    heard: Arc<Mutex<Vec<String>>>,
    asked: u32,
}

impl Clumsy {
    fn order(&mut self, side: Side, qty: u64, price: Option<Ticks>, desk: &mut Desk) {
        let (instrument, time_in_force) = (InstrumentId(0), TimeInForce::Ioc);
        let order = Order { instrument, side, qty: Lots(qty), price, time_in_force };
        desk.submit(order).expect("room");
    }
}

impl Strategy for Clumsy {
    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        if self.asked == 0
            && instrument == InstrumentId(0)
            && let Some((_, ask)) = desk.book(instrument).touch()
        {
            self.asked = 1;
            assert_eq!(desk.cash().map(format_money).as_deref(), Some("1000000.00"));
            // Between two prices that orders may name.
            self.order(Side::Buy, 10, Some(Ticks(ask.price.0 + 1)), desk);
        }
    }

    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        let line = format!("{:?} {:?}", report.exec_type, report.reject);
        self.heard.lock().expect("no panic").push(line);
        if report.reject.is_some() && self.asked == 1 {
            self.asked = 2;
            self.order(Side::Buy, 10, None, desk);
        }
    }

    fn on_end(&mut self, desk: &mut Desk) {
        let held = desk.position(InstrumentId(0));
        assert_eq!(held, 10, "it bought");
        self.order(Side::Sell, held.unsigned_abs(), None, desk);
    }
}

#[tokio::test]
async fn a_strategy_of_ones_own_is_told_of_its_mistakes_and_has_the_place_for_itself() {
    let room = Room::new();
    let options = ["--interval", "100ms", "--output", "json"];
    let (waiting, addr) = listen(&room.session, &options);
    let client = Client::connect(&addr, None).await.expect("it listens");
    let other = Client::connect(&addr, None).await.expect("it listens");
    let clumsy = Clumsy::default();
    let heard = Arc::clone(&clumsy.heard);
    let (found, refused) = tokio::join!(trade_in_lock_step(&client, clumsy), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        trade_in_lock_step(&other, Clumsy::default()).await
    });
    let refused = refused.expect_err("the place is taken").to_string();
    assert!(refused.contains("connected already"), "{refused}");
    let found = json(&found.expect("it ends well"));
    let heard = heard.lock().expect("no panic").clone();
    assert_eq!(heard.first().map(String::as_str), Some("Some(Rejected) Some(BadField)"));
    assert!(heard.contains(&"Some(Trade) None".to_string()), "{heard:?}");
    // The last order still reached the venue, and a round trip is over.
    assert_eq!(found["trades"]["count"], 1, "{found}");
    assert_eq!(found["trades"]["open"], 0, "{found}");
    let said = tokio::task::spawn_blocking(|| waiting.wait()).await.expect("no panic").ok();
    assert_eq!(json(&said)["state_hash"], found["state_hash"]);
}
