//! Real market data, where it is at hand: counts must be what the manifest says.

use std::path::PathBuf;
use tidegate_feed_handler::source::{Format, Source};
use tidegate_model::market::MarketEventKind;

/// The folder with real data: `TIDEGATE_SHARED_DATA`, or `shared/data` beside the workspace.
fn shared_file(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TIDEGATE_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

#[test]
fn aapl_of_30_december_2019() {
    let Some(path) = shared_file("itch/AAPL_20191230_0935-0939.itch") else { return };
    let mut source = Source::open(&path).expect("readable");
    let mut definitions = 0;
    source.for_each(|event| definitions += u32::from(event.definition().is_some())).expect("whole");
    assert_eq!(source.format(), Format::Itch);
    assert_eq!((source.messages(), definitions), (49_947, 1));
    let counts: Vec<(String, u64)> =
        source.message_types().into_iter().map(|(kind, _, count)| (kind, count)).collect();
    let want = [
        ("A", 22_121),
        ("F", 1),
        ("E", 2_162),
        ("C", 4),
        ("X", 98),
        ("D", 24_150),
        ("U", 1_130),
        ("P", 281),
    ];
    assert_eq!(counts, want.map(|(kind, count)| (kind.to_string(), count)));
    let time_of_day = |at: Option<tidegate_model::UnixNanos>| at.map(|t| t.0 - source.midnight().0);
    assert_eq!(time_of_day(source.stats().first_event), Some(34_500_000_155_705));
    assert_eq!(time_of_day(source.stats().last_event), Some(34_776_663_325_325));
}

#[test]
fn the_clean_cut_has_a_directory() {
    let Some(path) = shared_file("itch/AAPL_20191230_clean.itch") else { return };
    let mut source = Source::open(&path).expect("readable");
    let mut first = None;
    source.for_each(|event| _ = first.get_or_insert(event)).expect("whole");
    let definition = first.expect("not empty").definition().expect("the directory comes first");
    assert_eq!(definition.symbol.as_str(), "AAPL");
    assert_eq!(source.messages(), 45_978);
}

#[test]
fn e_mini_of_25_december_2023_as_databento_reads_it() {
    use dbn::decode::DecodeRecordRef;
    let Some(path) = shared_file("dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst") else { return };
    let mut source = Source::open(&path).expect("readable");
    let mut events = Vec::new();
    source.for_each(|event| events.push(event)).expect("whole");
    assert_eq!(source.format(), Format::Dbn);
    let definition = events[0].definition().expect("the definition goes first");
    assert_eq!(definition.symbol.as_str(), "ESH4");

    let packed = std::fs::read(&path).expect("readable");
    let bytes = zstd::decode_all(&packed[..]).expect("whole");
    let mut reference = dbn::decode::dbn::Decoder::new(&bytes[..]).expect("metadata");
    let mut records = 0;
    let mut at = events.iter().skip(1);
    while let Some(record) = reference.decode_record_ref().expect("whole") {
        records += 1;
        let record: &dbn::MboMsg = record.get().expect("only MBO");
        if record.action as u8 == b'N' {
            continue;
        }
        let event = at.next().expect("an event for every record");
        let kind = match record.action as u8 {
            b'A' => MarketEventKind::Add,
            b'C' => MarketEventKind::Reduce,
            b'M' => MarketEventKind::Modify,
            b'R' => MarketEventKind::Clear,
            b'T' => MarketEventKind::Trade,
            b'F' => MarketEventKind::Fill,
            other => panic!("action {other}"),
        };
        assert_eq!(event.kind(), Some(kind), "record {records}");
        assert_eq!(event.feed_seq, records);
        assert_eq!((event.ts_event.0, event.ts_recv.0), (record.hd.ts_event, record.ts_recv));
        if kind != MarketEventKind::Clear {
            let want = (record.order_id, record.price, u64::from(record.size));
            assert_eq!((event.order_ref, event.price.0, event.qty.0), want);
        }
    }
    assert_eq!(source.messages(), records);
    assert!(at.next().is_none());
    assert!(records > 50_000);
}

#[test]
fn bitcoin_of_8_august_2024() {
    let Some(path) = shared_file("binance/btcusdt_20240808.gz") else { return };
    let mut source = Source::open(&path).expect("readable");
    let mut counts = std::collections::BTreeMap::new();
    let mut first = None;
    source
        .for_each(|event| {
            first.get_or_insert(event);
            *counts.entry(event.kind).or_insert(0u64) += 1;
        })
        .expect("whole");
    assert_eq!(source.format(), Format::Binance);
    let definition = first.expect("not empty").definition().expect("the definition goes first");
    assert_eq!((definition.symbol.as_str(), definition.price_scale), ("BTCUSDT", 2));
    assert_eq!(source.messages(), 93_954);
    let of = |kind: MarketEventKind| counts.get(&kind.wire()).copied().unwrap_or(0);
    assert_eq!(of(MarketEventKind::Trade), 21_313);
    assert_eq!(of(MarketEventKind::Clear), 1, "the snapshot's; no update is missing");
    // Every level of every update, the 2,000 of the snapshot, and those that it did not hold yet once more.
    let again = of(MarketEventKind::Level) - 443_521 - 2_000;
    assert!((1..20_000).contains(&again), "{again}");
    let message_types: Vec<(String, u64)> =
        source.message_types().into_iter().map(|(kind, _, count)| (kind, count)).collect();
    let want = [("depthUpdate", 6_551), ("snapshot", 1), ("trade", 21_313), ("bookTicker", 66_089)];
    assert_eq!(message_types, want.map(|(kind, count)| (kind.to_string(), count)));
}

#[test]
fn days_of_ten_shares() {
    let Some(folder) = shared_file("daily") else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let mut source = Source::open(&path).expect("readable");
        source.for_each(|_| ()).expect("whole");
        assert_eq!(source.format(), Format::CsvBars, "{}", path.display());
        let stats = source.stats();
        assert_eq!(
            (stats.bars + stats.skipped, stats.events),
            (source.messages(), 2 * stats.bars + 1)
        );
        assert!((1..=11).contains(&stats.skipped), "some days contradict themselves");
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        let symbol = source.channels().next().expect("one").symbol;
        assert!(name.starts_with(&format!("{symbol}_")), "{name} is {symbol}");
        assert!((2_990..3_100).contains(&stats.bars), "{name} has {} days", stats.bars);
        files += 1;
    }
    assert_eq!(files, 10);
}
