//! DBN records of every schema that gives events, written by Databento's own encoder, and damage to them.

use dbn::encode::{DbnEncodable, EncodeRecord, dbn::Encoder};
use dbn::{
    BidAskPair, MappingInterval, MboMsg, Mbp1Msg, Mbp10Msg, Metadata, MetadataBuilder, OhlcvMsg,
    RecordHeader, SType, Schema, SymbolMapping, TradeMsg, UNDEF_PRICE, rtype,
};
use proptest::prelude::*;
use tidegate_feed_handler::Error;
use tidegate_feed_handler::dbn_file::DbnReader;
use tidegate_model::MarketEvent;
use tidegate_model::market::{Bar, FLAG_FILLS_FOLLOW, MarketEventKind};

const T0: u64 = 1_700_000_000_000_000_000;

fn metadata(version: u8, mapped: bool) -> Metadata {
    // A day as Databento's crate has it, without a calendar of our own.
    let day = |ts: u64| {
        let base = MetadataBuilder::new().dataset(String::new()).schema(None);
        let base = base.start(ts).stype_in(None).stype_out(SType::InstrumentId).build();
        base.start().date()
    };
    let interval = MappingInterval {
        start_date: day(T0),
        end_date: day(T0 + 86_400_000_000_000),
        symbol: "42".to_string(),
    };
    let mapping = SymbolMapping {
        raw_symbol: "AAPL  240119C00150000".to_string(),
        intervals: vec![interval],
    };
    MetadataBuilder::new()
        .version(version)
        .dataset("TEST.DATA".to_string())
        .schema(Some(Schema::Mbo))
        .start(T0)
        .stype_in(Some(SType::RawSymbol))
        .stype_out(SType::InstrumentId)
        .mappings(if mapped { vec![mapping] } else { vec![] })
        .build()
}

fn file<R: DbnEncodable>(metadata: &Metadata, records: &[R]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, metadata).expect("memory takes it");
    for record in records {
        encoder.encode_record(record).expect("memory takes it");
    }
    bytes
}

/// What a file gives, as text: one word an event.
fn words(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = DbnReader::new(bytes)?;
    let mut words = Vec::new();
    while reader.read_record(|event| words.push(word(&event)))? {}
    Ok(words)
}

/// The flags, if the event is a trade.
fn trade_flags(event: &MarketEvent) -> Option<u16> {
    (event.kind == MarketEventKind::Trade.wire()).then_some(event.flags)
}

fn word(event: &MarketEvent) -> String {
    match event.definition() {
        Some(definition) => format!("def:{}:{}", definition.channel_id, definition.symbol),
        None => format!(
            "{}:{}:{}@{}",
            event.kind().map_or("?", MarketEventKind::as_str),
            event.side().map_or("-", |side| side.as_str()),
            event.qty,
            event.price
        ),
    }
}

fn mbo(action: u8, side: u8, price: i64, size: u32) -> MboMsg {
    MboMsg {
        hd: RecordHeader::new::<MboMsg>(rtype::MBO, 1, 42, T0),
        order_id: 7,
        price,
        size,
        action: action as _,
        side: side as _,
        ts_recv: T0 + 1,
        ..MboMsg::default()
    }
}

#[test]
fn mbo_in_every_version() {
    let records = [
        mbo(b'R', b'N', UNDEF_PRICE, 0),
        mbo(b'A', b'B', 5, 10),
        mbo(b'A', b'N', 5, 10),
        mbo(b'M', b'A', 6, 11),
        mbo(b'C', b'B', 5, 3),
        mbo(b'T', b'N', 5, 2),
        mbo(b'F', b'A', 5, 2),
        mbo(b'N', b'N', 5, 2),
    ];
    for version in 1..=3 {
        let bytes = file(&metadata(version, true), &records);
        let want = [
            "def:0:AAPL__240119C00150000",
            "clear:-:0@0",
            "add:buy:10@5",
            "modify:sell:11@6",
            "reduce:buy:3@5",
            "trade:-:2@5",
            "fill:sell:2@5",
        ];
        assert_eq!(words(&bytes).expect("valid"), want, "version {version}");
        let mut flags = Vec::new();
        let mut reader = DbnReader::new(&bytes[..]).expect("valid");
        while reader.read_record(|event| flags.extend(trade_flags(&event))).expect("valid") {}
        assert_eq!(flags, [FLAG_FILLS_FOLLOW], "fills tell what the trade executed");
        let mut reader = DbnReader::new(&bytes[..]).expect("valid");
        while reader.read_record(|_| ()).expect("valid") {}
        assert_eq!((reader.records(), reader.skipped(), reader.channels()), (8, 2, 1));
        assert_eq!(reader.offset(), bytes.len() as u64);
    }
}

#[test]
fn an_instrument_without_a_symbol_gets_a_name() {
    let bytes = file(&metadata(3, false), &[mbo(b'A', b'B', 5, 10)]);
    assert_eq!(words(&bytes).expect("valid"), ["def:0:ID42", "add:buy:10@5"]);
}

fn pair(bid: (i64, u32), ask: (i64, u32)) -> BidAskPair {
    BidAskPair { bid_px: bid.0, bid_sz: bid.1, ask_px: ask.0, ask_sz: ask.1, bid_ct: 1, ask_ct: 1 }
}

#[test]
fn mbp_1_gives_the_sides_that_changed() {
    let record = |action: u8, level: BidAskPair| Mbp1Msg {
        hd: RecordHeader::new::<Mbp1Msg>(rtype::MBP_1, 1, 42, T0),
        price: 100,
        size: 3,
        action: action as _,
        side: b'A' as _,
        ts_recv: T0,
        levels: [level],
        ..Mbp1Msg::default()
    };
    let records = [
        record(b'A', pair((99, 5), (101, 6))),
        record(b'A', pair((99, 5), (101, 7))),
        record(b'T', pair((99, 2), (101, 7))),
        record(b'C', pair((UNDEF_PRICE, 0), (101, 7))),
    ];
    let want = [
        "def:0:ID42",
        "quote:buy:5@99",
        "quote:sell:6@101",
        "quote:sell:7@101",
        "trade:sell:3@100",
        "quote:buy:2@99",
        "quote:buy:0@0",
    ];
    assert_eq!(words(&file(&metadata(3, false), &records)).expect("valid"), want);
}

#[test]
fn mbp_10_gives_the_levels_that_changed() {
    let record = |levels: &[BidAskPair]| {
        let none = || pair((UNDEF_PRICE, 0), (UNDEF_PRICE, 0));
        Mbp10Msg {
            hd: RecordHeader::new::<Mbp10Msg>(rtype::MBP_10, 1, 42, T0),
            action: b'A' as _,
            side: b'B' as _,
            ts_recv: T0,
            levels: core::array::from_fn(|n| levels.get(n).cloned().unwrap_or_else(none)),
            ..Mbp10Msg::default()
        }
    };
    let records = [
        record(&[pair((99, 5), (101, 6)), pair((98, 1), (102, 2))]),
        record(&[pair((98, 1), (101, 6)), pair((97, 4), (102, 3))]),
    ];
    let want = [
        "def:0:ID42",
        "level:buy:5@99",
        "level:buy:1@98",
        "level:sell:6@101",
        "level:sell:2@102",
        "level:buy:0@99",
        "level:buy:4@97",
        "level:sell:3@102",
    ];
    assert_eq!(words(&file(&metadata(3, false), &records)).expect("valid"), want);
}

#[test]
fn trades() {
    let trade = TradeMsg {
        hd: RecordHeader::new::<TradeMsg>(rtype::MBP_0, 1, 42, T0),
        price: -5,
        size: 3,
        action: b'T' as _,
        side: b'B' as _,
        ts_recv: T0,
        ..TradeMsg::default()
    };
    let words_of = words(&file(&metadata(3, false), &[trade])).expect("valid");
    assert_eq!(words_of, ["def:0:ID42", "trade:buy:3@-5"]);
}

#[test]
fn a_bar_comes_when_it_is_over() {
    const MINUTE: u64 = 60_000_000_000;
    let record = |schema, figures: [i64; 4]| {
        let mut bar = OhlcvMsg::default_for_schema(schema);
        (bar.hd.instrument_id, bar.hd.ts_event, bar.volume) = (42, T0, 1_000);
        [bar.open, bar.high, bar.low, bar.close] = figures;
        bar
    };
    let read = |bars: &[OhlcvMsg]| {
        let bytes = file(&metadata(3, false), bars);
        let mut reader = DbnReader::new(&bytes[..]).expect("valid");
        let mut events = Vec::new();
        while reader.read_record(|event| events.push(event)).expect("valid") {}
        (events, reader.skipped())
    };
    let (events, skipped) = read(&[record(Schema::Ohlcv1M, [9, 11, 7, 10])]);
    let bar = Bar::from_events(&events[1], &events[2]).expect("a bar");
    assert_eq!((bar.begin.0, bar.end.0, skipped), (T0, T0 + MINUTE, 0));
    let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0);
    assert_eq!((prices, bar.volume.0), ([9, 11, 7, 10], 1_000));
    assert!(events[1..].iter().all(|event| event.ts_recv == bar.end), "not before it is known");
    // A close outside its range, and a bar whose end does not fit.
    assert_eq!(read(&[record(Schema::Ohlcv1M, [9, 11, 7, 12])]), (vec![], 1));
    let mut late = record(Schema::Ohlcv1D, [9, 11, 7, 10]);
    late.hd.ts_event = u64::MAX - 1;
    assert_eq!(read(&[late]), (vec![], 1));
}

#[test]
fn every_cut_is_found() {
    let records: Vec<MboMsg> = (0..5).map(|n| mbo(b'A', b'B', n, 1)).collect();
    let bytes = file(&metadata(3, true), &records);
    let len = size_of::<MboMsg>();
    let head = bytes.len() - 5 * len;
    for cut in 0..bytes.len() {
        let outcome = words(&bytes[..cut]);
        if cut >= head && (cut - head).is_multiple_of(len) {
            let events = (cut - head) / len;
            assert_eq!(outcome.expect("whole records").len(), events + usize::from(events > 0));
        } else {
            let Err(Error::Truncated { offset, message, .. }) = outcome else {
                panic!("cut at {cut}: {outcome:?}");
            };
            let record = cut.saturating_sub(head) / len;
            if cut > head {
                assert_eq!(offset as usize, head + record * len, "cut at {cut}");
                assert_eq!(message as usize, record + 1);
            }
        }
    }
}

#[test]
fn wrong_heads_are_named() {
    let check = |bytes: &[u8], want: &str| {
        let error = words(bytes).expect_err("refused").to_string();
        assert!(error.contains(want), "{error}");
    };
    check(b"DBX\x01\0\0\0\0", "not with \"DBN\"");
    check(b"DBN\x03\xff\xff\xff\xff", "4294967295 bytes");
    check(b"DBN\x63\0\x01\0\0", "99");
    check(b"DBN\x03\x01\0\0\0", "metadata");
    let bytes = file(&metadata(3, true), &[mbo(b'?', b'B', 1, 1)]);
    check(&bytes, "record 1 at byte");
    check(&file(&metadata(3, true), &[mbo(b'A', b'?', 1, 1)]), "side");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn flipped_bits_are_survived(
        version in 1u8..=3,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..5),
    ) {
        let records: Vec<MboMsg> = (0..8).map(|n| mbo(b'A', b'B', n, 1)).collect();
        let mut bytes = file(&metadata(version, true), &records);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = words(&bytes);
    }

    #[test]
    fn any_records_are_survived(version in 1u8..=3, tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = file::<MboMsg>(&metadata(version, true), &[]);
        bytes.extend_from_slice(&tail);
        let _ = words(&bytes);
    }
}
