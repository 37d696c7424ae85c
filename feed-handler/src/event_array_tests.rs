//! Event arrays and the events that they give.

use super::*;
use proptest::prelude::*;
use std::io::Write;

const BID: u64 = IS_OURS | 1 << 31 | IS_BUY;
const OFFER: u64 = IS_OURS | 1 << 31 | IS_SELL;

/// Rows of `ev`, `exch_ts`, `local_ts`, `px` and `qty`.
type Rows<'a> = &'a [(u64, i64, i64, f64, f64)];

fn array_with(columns: &str, version: u8, rows: Rows<'_>) -> Vec<u8> {
    let text =
        format!("{{'descr': {columns}, 'fortran_order': False, 'shape': ({},), }}\n", rows.len());
    let mut bytes = MAGIC_NPY.to_vec();
    bytes.extend([version, 0]);
    let length = (text.len() as u32).to_le_bytes();
    bytes.extend(&length[..if version == 1 { 2 } else { 4 }]);
    bytes.extend(text.as_bytes());
    for (ev, exch_ts, local_ts, px, qty) in rows {
        bytes.extend(ev.to_le_bytes());
        bytes.extend([exch_ts, local_ts].iter().flat_map(|time| time.to_le_bytes()));
        bytes.extend([px, qty].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend([0; 24]);
    }
    bytes
}

fn array(rows: Rows<'_>) -> Vec<u8> {
    array_with(&COLUMNS.replace(',', ", "), 1, rows)
}

/// A zip archive of one member, without the directory at its end, which nobody asks for.
fn archive(method: u16, flags: u16, length: u32, extra: &[u8], body: &[u8]) -> Vec<u8> {
    let name = b"data.npy";
    let mut bytes = MAGIC_ZIP.to_vec();
    bytes.extend([45, 0].iter().chain(&flags.to_le_bytes()).chain(&method.to_le_bytes()));
    bytes.extend([0; 8]);
    bytes.extend(length.to_le_bytes().iter().chain(&length.to_le_bytes()));
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend((extra.len() as u16).to_le_bytes());
    [&bytes[..], name, extra, body].concat()
}

fn read(bytes: &[u8]) -> (Vec<MarketEvent>, Option<String>) {
    let mut events = Vec::new();
    let mut reader = match EventArray::new(bytes, Symbol::new("TEST").expect("valid")) {
        Ok(reader) => reader,
        Err(error) => return (events, Some(error.to_string())),
    };
    loop {
        match reader.read_row(|event| events.push(event)) {
            Ok(true) => {}
            Ok(false) => return (events, None),
            Err(error) => {
                let more = reader.read_row(|event| events.push(event));
                assert!(matches!(more, Ok(false)), "after an error there is nothing more");
                return (events, Some(error.to_string()));
            }
        }
    }
}

const SESSION: Rows<'static> = &[
    (BID | DEPTH, 1_000, 2_000, 61_800.2, 2.507),
    (OFFER | SNAPSHOT, 1_001, 2_001, 0.1, 0.0),
    (OFFER & !IS_OURS | DEPTH, 1_002, 2_002, 5.0, 1.0),
    (BID & !(1 << 31) | TRADE, 1_003, 2_003, 61_800.3, 0.006),
    (OFFER | CLEAR, 1_004, 2_004, 61_900.0, 0.0),
    (BID | CLEAR, 1_004, 2_004, f64::NAN, 0.0),
    (IS_OURS | CLEAR, 1_005, 2_005, 0.0, 0.0),
    (BID | 103, 1_006, 2_006, 1.0, 1.0),
];

#[test]
fn rows_of_ours_are_levels_trades_and_clears() {
    let (events, error) = read(&array(SESSION));
    assert_eq!(error, None);
    let definition = events[0].definition().expect("the instrument is defined first");
    assert_eq!((definition.symbol.as_str(), definition.tick_size_nano), ("TEST", 10));
    let found: Vec<_> = events[1..]
        .iter()
        .map(|event| {
            let kind = event.kind().expect("known");
            (kind, event.side, event.ts_recv.0, event.price.0, event.qty.0, event.feed_seq)
        })
        .collect();
    use MarketEventKind::{Clear, Level, Trade};
    let expected = [
        (Level, 1, 2_000, 6_180_020_000_000, 250_700_000, 1),
        (Level, 2, 2_001, 10_000_000, 0, 2),
        (Trade, 1, 2_003, 6_180_030_000_000, 600_000, 4),
        (Clear, 2, 2_004, 6_190_000_000_000, 0, 5),
        (Clear, 1, 2_004, i64::MIN, 0, 6),
        (Clear, 0, 2_005, 0, 0, 7),
    ];
    assert_eq!(found, expected);
    assert!(events[1..].iter().all(|event| event.ts_event.0 + 1_000 == event.ts_recv.0));
}

#[test]
fn every_version_and_packing_gives_the_same_events() {
    let plain = array(SESSION);
    let expected = read(&plain);
    assert_eq!(read(&array_with(COLUMNS, 2, SESSION)), expected);
    assert_eq!(read(&array_with(COLUMNS, 3, SESSION)), expected);
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&plain).expect("to memory");
    let packed = packer.finish().expect("to memory");
    let length = plain.len() as u32;
    let directory = b"PK\x01\x02 and so on";
    let of = |method, flags, length, extra: &[u8], body: &[u8]| {
        read(&[&archive(method, flags, length, extra, body), &directory[..]].concat())
    };
    assert_eq!(of(8, 0, length, &[], &packed), expected);
    assert_eq!(of(8, 8, 0, &[], &packed), expected);
    assert_eq!(of(0, 0, length, &[], &plain), expected);
    let wide = u64::from(length).to_le_bytes();
    let extra = [&[1, 0, 16, 0][..], &wide, &wide].concat();
    assert_eq!(of(0, 0, u32::MAX, &extra, &plain), expected);
}

#[test]
fn what_is_wrong_is_said_with_its_row() {
    let of = |row| read(&array(&[(BID | DEPTH, 1, 2, 1.0, 1.0), row])).1.expect("it is refused");
    for (row, expected) in [
        ((IS_OURS | DEPTH, 1, 2, 1.0, 1.0), "row 2 of the event array: its level is neither of"),
        ((BID | DEPTH, -1, 2, 1.0, 1.0), "row 2 of the event array: it has a time before 1970"),
        ((BID | TRADE, 1, -2, 1.0, 1.0), "row 2 of the event array: it has a time before 1970"),
        ((BID | DEPTH, 1, 2, f64::NAN, 1.0), "its px is NaN"),
        ((BID | DEPTH, 1, 2, 1e300, 1.0), "its px is 1"),
        ((BID | DEPTH, 1, 2, 0.000_000_001, 1.0), "its px is 0.000000001"),
        ((BID | DEPTH, 1, 2, 1.0, f64::INFINITY), "its qty is inf"),
        ((BID | DEPTH, 1, 2, 1.0, -0.5), "its qty is -0.5, below 0"),
    ] {
        let error = of(row);
        assert!(error.contains(expected), "{error}");
    }
    let plain = array(SESSION);
    let cut = |bytes: &[u8]| read(bytes).1.expect("it is refused");
    let error = cut(&plain[..plain.len() - 1]);
    assert!(error.contains("message 8") && error.contains("63 are left"), "{error}");
    let error = cut(&plain[..100]);
    assert!(error.contains("its head is cut short"), "{error}");
    let error = cut(&array_with("[('a','<u8')]", 1, SESSION));
    assert!(error.contains("its columns are not"), "{error}");
    assert!(cut(&array_with(COLUMNS, 9, SESSION)).contains("version 9"));
    let text = String::from_utf8_lossy(&plain[..300]).replace("(8,)", "(8,8)");
    assert!(cut(text.as_bytes()).contains("does not begin"), "text is no array");
    assert!(cut(&archive(12, 0, 10, &[], &plain)).contains("method 12"));
    assert!(cut(&archive(0, 1, 10, &[], &plain)).contains("encrypted"));
    assert!(cut(&archive(8, 0, 10, &[], &[0xff; 50])).contains("reading failed"));
}

#[test]
fn prices_too_large_for_the_short_way_are_exact_too() {
    for (number, units) in [
        (150_000_000.1, 15_000_000_010_000_000),
        (-5.25, -525_000_000),
        (22_517_998.136_852_47, 2_251_799_813_685_247),
        (0.0, 0),
        (-0.0, 0),
        (1e-8, 1),
        (9_000_000_000.0, 900_000_000_000_000_000),
    ] {
        assert_eq!(super::units("px", number), Ok(units), "{number}");
    }
}

proptest! {
    #[test]
    fn a_decimal_is_read_as_it_was_written(units in 0..1i64 << 52, digits in 0..9u32) {
        let step = 10i64.pow(8 - digits);
        let units = units - units % step;
        let text = tidegate_model::decimal::format_nano(i128::from(units) * 10);
        let number: f64 = text.parse().expect("a number");
        prop_assert_eq!(super::units("px", number), Ok(units));
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..300usize) {
        read(&bytes);
        let mut damaged = array(SESSION);
        let end = (at + bytes.len()).min(damaged.len());
        damaged[at..end].copy_from_slice(&bytes[..end - at]);
        read(&damaged);
    }
}
