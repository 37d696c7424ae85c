//! Files of bars and the bars that they give.

use super::*;

const HEADER: &str = "Date,Open,High,Low,Close,Volume";

fn bars(text: &str) -> Result<Vec<(Symbol, Bar)>, Error> {
    let mut reader = CsvBars::new(text.as_bytes(), Symbol::new("TEST").expect("valid"))?;
    let mut events = Vec::new();
    while reader.read_row(|event| events.push(event))? {}
    let mut symbols = BTreeMap::new();
    for definition in events.iter().filter_map(MarketEvent::definition) {
        symbols.insert(definition.channel_id, definition.symbol);
    }
    let halves: Vec<_> = events.iter().filter(|event| event.definition().is_none()).collect();
    Ok(halves
        .chunks(2)
        .map(|pair| {
            let bar = Bar::from_events(pair[0], pair[1]).expect("two halves of a bar");
            (symbols[&bar.channel_id], bar)
        })
        .collect())
}

#[test]
fn a_row_a_day_is_a_session_in_new_york() {
    let rows = "2006-01-03,10.34,10.68,10.32,10.68,201853036,AAPL\r\n\
        2006-01-04,10.5,10.6,10.4,10.45,7,AAPL\r\n2006-07-03,10.5,10.6,10.4,10.45,7,AAPL\r\n";
    let text = format!("{HEADER},Name\r\n{rows}");
    let got = bars(&text).expect("valid");
    let (symbol, bar) = got[0];
    assert_eq!((symbol.as_str(), got.len()), ("AAPL", 3));
    // 3 January 2006, 14:30 to 21:00 UTC.
    assert_eq!((bar.begin.0, bar.end.0), (1_136_298_600 * SECOND, 1_136_322_000 * SECOND));
    let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0);
    assert_eq!((prices, bar.volume.0), ([103_400, 106_800, 103_200, 106_800], 201_853_036));
    // In daylight time an hour earlier.
    assert_eq!(got[2].1.begin.0 % DAY, 13 * 3_600 * SECOND + 1_800 * SECOND);
}

#[test]
fn times_in_many_forms() {
    let at = |secs: u64| Some(Stamp { at: secs * SECOND, is_date: false });
    for (text, want) in [
        ("2006-01-03 14:30:00", at(1_136_298_600)),
        ("2006-01-03T14:30:00Z", at(1_136_298_600)),
        ("2006/01/03 14:30", at(1_136_298_600)),
        ("20060103 14:30:00", at(1_136_298_600)),
        ("2006-01-03 09:30:00-05:00", at(1_136_298_600)),
        ("2006-01-03 15:30:00+0100", at(1_136_298_600)),
        ("1136298600", at(1_136_298_600)),
        ("1136298600000", at(1_136_298_600)),
        ("1136298600000000", at(1_136_298_600)),
        ("1136298600000000000", at(1_136_298_600)),
        ("2006-01-03", Some(Stamp { at: 1_136_298_600 * SECOND, is_date: true })),
        ("20060103", Some(Stamp { at: 1_136_298_600 * SECOND, is_date: true })),
        ("2006-02-30", None),
        ("2006-01-03 24:00:00", None),
        ("2006-01-03 09:60", None),
        ("2006-01-03 09:30:60", None),
        ("2006-01-03 9:30", None),
        ("2006-01-03 09:30+x", None),
        ("2006-1-3", None),
        ("yesterday", None),
        ("", None),
        ("113629860", None),
        ("é006-01-03", None),
    ] {
        assert_eq!(stamp_of(text), want, "{text}");
    }
    let fraction = stamp_of("1970-01-01 00:00:00.000000001").expect("a time");
    assert_eq!(fraction.at, 1);
}

#[test]
fn bars_are_as_long_as_most_are_apart_or_end_where_the_next_begins() {
    let row = |second: u64| format!("{},1,1,1,1,5\n", 1_136_298_600 + second);
    let lengths = |seconds: &[u64]| {
        let rows: String = seconds.iter().map(|&second| row(second)).collect();
        let got = bars(&format!("timestamp,open,high,low,close,volume\n{rows}")).expect("valid");
        got.iter().map(|(_, bar)| (bar.end.0 - bar.begin.0) / SECOND).collect::<Vec<_>>()
    };
    // A night in between is no bar.
    assert_eq!(lengths(&[0, 60, 120, 86_400, 86_460]), [60; 5]);
    assert_eq!(lengths(&[0, 5, 100, 130]), [5, 95, 30, 30]);
    let months =
        format!("{HEADER}\n2006-01-03,1,1,1,1,5\n2006-02-01,1,1,1,1,5\n2006-03-01,1,1,1,1,5\n");
    let got = bars(&months).expect("valid");
    assert_eq!(got[0].1.end, got[1].1.begin, "nobody knows a month before it is over");
}

#[test]
fn several_symbols_share_times() {
    let text = "date;time;symbol;open;high;low;close;vol\n\
        2006-01-03;14:30;B;1;2;1;2;3\n2006-01-03;14:30;A;1;2;1;2;3\n2006-01-03;14:31;B;1;2;1;2;3\n";
    let got: Vec<_> = bars(text).expect("valid").iter().map(|bar| bar.0.to_string()).collect();
    assert_eq!(got, ["B", "A", "B"]);
}

#[test]
fn units_follow_the_first_rows() {
    let check = |row: &str, want: [u64; 2]| {
        let (_, bar) = bars(&format!("{HEADER}\n2006-01-03,{row}\n")).expect("valid")[0];
        assert_eq!([bar.open.0 as u64, bar.volume.0], want, "{row}");
    };
    check("1.25,1.25,1.25,1.25,7", [12_500, 7]);
    check("1.25,1.25,1.25,1.25,7.0", [12_500, 7]);
    check("1.25000,1.25,1.25,1.25,7.5", [12_500, 750_000_000]);
    check("1.23456,1.23456,1.23456,1.23456,7", [1_234_560_000, 7]);
    check("10.344999313354492,10.344999313354492,10.3,10.344999313354492,7", [10_344_999_313, 7]);
    let (_, oil) =
        bars(&format!("{HEADER}\n2020-04-20,17.7,17.8,-40.3,-37.6,7\n")).expect("valid")[0];
    assert_eq!(oil.close.0, -376_000);
}

#[test]
fn rows_that_say_too_little_or_contradict_themselves_are_skipped() {
    let rows = "2006-01-03,1,2,1,2,5\n2006-01-04,,2,1,2,5\n2006-01-05,3,2,1,2,5\n\
        2006-01-06,1,2,1,NaN,5\n2006-01-09,1,2,1,2,5\n";
    let text = format!("{HEADER}\n{rows}");
    assert_eq!(bars(&text).expect("valid").len(), 2);
    let mut reader = CsvBars::new(text.as_bytes(), Symbol::EMPTY).expect("valid");
    while reader.read_row(|_| ()).expect("valid") {}
    assert_eq!((reader.rows(), reader.skipped()), (5, 3));
}

#[test]
fn errors_name_the_line() {
    let good = "2006-01-03,1,2,1,2,5";
    for (text, want) in [
        ("Date,Open,High,Low,Close\n", "line 1: the header has no column \"volume\""),
        ("Open,High,Low,Close,Volume\n", "line 1: the header has no column \"date\""),
        (&format!("{HEADER}\n2006-01-03,1,2,1,2\n"), "line 2: it has 5 fields, the header 6"),
        (&format!("{HEADER}\n{good}\n\nx,1,2,1,2,5\n"), "line 4: \"x\" is no time"),
        (&format!("{HEADER}\n2006-01-03,1,2,1,x,5\n"), "line 2: close \"x\" is no number"),
        (&format!("{HEADER}\n2006-01-03,1,2,1,2,1e6\n"), "line 2: volume \"1e6\" is no number"),
        (&format!("{HEADER}\n2006-01-03,1,2,1,2,-5\n"), "line 2: its volume is negative"),
        (&format!("{HEADER}\n2006-01-03,1,2,1,99999999999999999999,5\n"), "line 2: close"),
        (&format!("{HEADER}\n2006-01-03,1,2,1,9999999999999999,5\n"), "line 2: close"),
        (&format!("{HEADER}\n{good}\n{good}\n"), "line 3: TEST has a bar of that time already"),
        (&format!("{HEADER}\n{good}\n2006-01-02,1,2,1,2,5\n"), "line 3: its time is before"),
        (&format!("{HEADER},Name\n{good},\n"), "line 2: symbol"),
    ] {
        let error = bars(text).expect_err("refused").to_string();
        assert!(error.starts_with(want), "{error}");
    }
    let late = (0..ROWS_AHEAD as u64 + 2).map(|at| {
        let step = if at > ROWS_AHEAD as u64 { 30 } else { 60 };
        format!("{},1,1,1,1,5\n", 1_136_298_600 + at * 60 - (60 - step))
    });
    let text = format!("{HEADER}\n{}", late.collect::<String>());
    let error = bars(&text).expect_err("too near").to_string();
    assert!(error.starts_with("line 1027: it begins before the bar before is over"), "{error}");
}
