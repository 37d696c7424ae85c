//! Recorded lines and the events that they give.

use super::*;

/// What a recording gives, as text: one word an event.
fn words(lines: &[&str]) -> Result<(Vec<String>, u64), Error> {
    let text = lines.join("\n");
    let mut reader = BinanceReader::new(text.as_bytes());
    let mut words = Vec::new();
    while reader.read_line(|event| words.push(word(&event)))? {}
    Ok((words, reader.skipped()))
}

fn word(event: &MarketEvent) -> String {
    if let Some(definition) = event.definition() {
        return format!("def:{}:{}", definition.symbol, definition.price_scale);
    }
    let kind = event.kind().map_or("?", MarketEventKind::as_str);
    let side = event.side().map_or("-", |side| side.as_str());
    // In 1e-2 and 1e-3, as the symbol has them.
    format!("{kind}:{side}:{}@{}", event.qty.0 / 100_000, event.price.0 / 1_000_000)
}

fn depth(first: u64, last: u64, previous: u64, bids: &str, asks: &str) -> String {
    format!(
        r#"100 {{"stream":"x@depth","data":{{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"b":[{bids}],"a":[{asks}]}}}}"#
    )
}

fn snapshot(last: u64) -> String {
    format!(
        r#"101 {{"lastUpdateId":{last},"E":2,"T":1,"bids":[["99.00","1.000"]],"asks":[["101.00","2.000"]]}}"#
    )
}

const TRADE: &str = r#"102 {"e":"trade","E":3,"T":1723161256322,"s":"BTCUSDT","t":5,"p":"100.30","q":"0.006","X":"MARKET","m":true}"#;

#[test]
fn a_change_gives_its_levels_those_that_are_gone_first() {
    let line = depth(1, 2, 0, r#"["99.50","1.000"],["99.40","0.000"]"#, r#"["100.00","0.5"]"#);
    let (words, skipped) = words(&[&line, TRADE]).expect("valid");
    assert_eq!(
        words,
        [
            "def:BTCUSDT:2",
            "level:buy:0@9940",
            "level:buy:1000@9950",
            "level:sell:500@10000",
            "trade:sell:6@10030"
        ]
    );
    assert_eq!(skipped, 0);
    let mut events = Vec::new();
    let mut reader = BinanceReader::new(TRADE.as_bytes());
    while reader.read_line(|event| events.push(event)).expect("valid") {}
    let trade = events[1];
    assert_eq!((trade.ts_event.0, trade.ts_recv.0), (1_723_161_256_322_000_000, 102));
    assert_eq!((trade.aux, trade.feed_seq), (5, 1));
}

#[test]
fn a_snapshot_is_followed_by_what_it_does_not_hold_yet() {
    let change = |first, last, previous, qty: &str| {
        depth(first, last, previous, &format!(r#"["98.00","{qty}"]"#), "")
    };
    let lines = [
        change(11, 12, 10, "1.000"),
        change(13, 14, 12, "2.000"),
        change(15, 16, 14, "3.000"),
        snapshot(14),
        change(17, 18, 16, "4.000"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let told = words(&lines).expect("valid").0;
    assert_eq!(
        told[4..],
        [
            "clear:-:0@0",
            "level:buy:1000@9900",
            "level:sell:2000@10100",
            "level:buy:3000@9800",
            "level:buy:4000@9800"
        ]
    );
    // One that is newer than every change lets those that it holds pass.
    let lines = [
        change(11, 12, 10, "1.000"),
        snapshot(14),
        change(13, 14, 12, "2.000"),
        change(15, 16, 14, "3.000"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (told, skipped) = words(&lines).expect("valid");
    let after = ["clear:-:0@0", "level:buy:1000@9900", "level:sell:2000@10100"];
    assert_eq!(told[2..5], after);
    assert_eq!(told[5..], ["level:buy:3000@9800"]);
    assert_eq!(skipped, 1);
    // One that what is kept does not join is of no use.
    let lines = [change(31, 32, 30, "1.000"), snapshot(14)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(words(&lines).expect("valid").1, 1);
}

#[test]
fn updates_that_are_missing_clear_the_book() {
    let lines = [depth(1, 2, 0, "", ""), depth(5, 6, 4, r#"["99.00","1.000"]"#, "")];
    let told = words(&[&lines[0], &lines[1]]).expect("valid").0;
    assert_eq!(told[1..], ["clear:-:0@0", "level:buy:1000@9900"]);
    // Spot says it by the first number alone.
    let spot = |first: u64, last: u64| {
        format!(
            r#"1 {{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":{first},"u":{last},"b":[],"a":[]}}"#
        )
    };
    for (first, cleared) in [(3, false), (2, false), (4, true)] {
        let told = words(&[&spot(1, 2), &spot(first, 9)]).expect("valid").0;
        assert_eq!(told.contains(&"clear:-:0@0".to_string()), cleared, "from {first}");
    }
}

#[test]
fn tickers_are_quotes_until_depth_is_told() {
    let ticker = |bid: &str, ask: &str| {
        format!(
            r#"1 {{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"{bid}","B":"1.000","a":"{ask}","A":"2.000","T":1,"E":1}}"#
        )
    };
    let spot = r#"1 {"u":1,"s":"BTCUSDT","b":"99.00","B":"1.000","a":"101.00","A":"2.000"}"#;
    let lines = [
        ticker("99.00", "100.00"),
        spot.to_string(),
        depth(1, 2, 0, "", ""),
        ticker("98.00", "99.00"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (told, skipped) = words(&lines).expect("valid");
    assert_eq!(
        told,
        [
            "def:BTCUSDT:2",
            "quote:buy:1000@9900",
            "quote:sell:2000@10000",
            "quote:sell:2000@10100",
            "clear:-:0@0"
        ]
    );
    assert_eq!(skipped, 1);
}

#[test]
fn trades_without_orders_and_those_told_twice_are_skipped() {
    let insurance = TRADE.replace("MARKET", "INSURANCE_FUND");
    let aggregate = TRADE.replace(r#""trade""#, r#""aggTrade""#).replace(r#""t":5"#, r#""a":5"#);
    let other = r#"1 {"e":"markPriceUpdate","s":"BTCUSDT","p":"1"}"#;
    let (told, skipped) = words(&[&insurance, TRADE, &aggregate, other, ""]).expect("valid");
    assert_eq!(told, ["def:BTCUSDT:2", "trade:sell:6@10030"]);
    assert_eq!(skipped, 3);
    assert_eq!(words(&[&aggregate]).expect("valid").0.len(), 2, "alone it is taken");
}

#[test]
fn errors_name_the_line() {
    for (line, want) in [
        ("1723161255088169167", "line 2: it is not a time"),
        ("x {}", "line 2: it is not a time"),
        ("99999999999999999999 {}", "line 2: it is not a time"),
        (r#"1 {"e":"trade"}"#, "line 2: its JSON: missing field"),
        (r#"1 {"e":"trade",}"#, "line 2: its JSON"),
        (&TRADE.replace("100.30", "1e5"), "'1e5' is not a decimal number"),
        (&TRADE.replace("0.006", "-1"), "-1 is negative"),
        (&TRADE.replace("100.30", "0.000000001"), "not a multiple of the tick"),
        (&TRADE.replace("1723161256322", "18446744073709551615"), "does not fit"),
        (&TRADE.replace("BTCUSDT", ""), "line 2: symbol"),
    ] {
        let error = words(&[TRADE, line]).expect_err("refused").to_string();
        assert!(error.starts_with("line 2") && error.contains(want), "{error}");
    }
    // Nothing follows an error.
    let text = format!("nonsense\n{TRADE}");
    let mut reader = BinanceReader::new(text.as_bytes());
    assert!(reader.read_line(|_| ()).is_err());
    assert!(!reader.read_line(|_| ()).expect("over"));
}
