//! The bytes of every message type, written out by hand from the specification's offset tables.

use super::*;

const HEADER: Header =
    Header { stock_locate: 0x0102, tracking_number: 0x0304, timestamp: 0x0506_0708_090a };
/// Locate, tracking number and time of [`HEADER`].
const HEADER_HEX: &str = "0102 0304 05060708090a";
const AAPL: Stock = *b"AAPL    ";
const AAPL_HEX: &str = "4141504c20202020";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| {
        let pair = core::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal")
    };
    digits.chunks(2).map(byte).collect()
}

fn check(message: impl Into<Message>, body_hex: &str) {
    let message = message.into();
    let kind = message.kind();
    let golden = unhex(&format!("{kind:02x} {HEADER_HEX} {body_hex}"));
    let mut written = Vec::new();
    message.write_to(&mut written);
    assert_eq!(written, golden, "writing {}", kind as char);
    assert_eq!(Message::parse(&golden), Ok(message), "reading {}", kind as char);
    assert_eq!(message.header(), HEADER);
    // One byte more or less is an error that names both lengths.
    for len in [golden.len() - 1, golden.len() + 1] {
        let mut wrong = golden.clone();
        wrong.resize(len, 0);
        let expected = golden.len();
        let error = MessageError::Length { kind, expected, found: len };
        assert_eq!(Message::parse(&wrong), Err(error));
    }
}

use crate::error::MessageError;

#[test]
fn bytes_of_every_message_type() {
    let header = HEADER;
    let stock = AAPL;
    check(SystemEvent { header, event_code: b'Q' }, "51");
    check(
        StockDirectory {
            header,
            stock,
            market_category: b'Q',
            financial_status: b'N',
            round_lot_size: 100,
            round_lots_only: b'N',
            issue_classification: b'C',
            issue_sub_type: *b"Z ",
            authenticity: b'P',
            short_sale_threshold: b'Y',
            ipo_flag: b' ',
            luld_tier: b'1',
            etp_flag: b'N',
            etp_leverage: 3,
            inverse: b'N',
        },
        &format!("{AAPL_HEX} 51 4e 00000064 4e 43 5a20 50 59 20 31 4e 00000003 4e"),
    );
    check(
        TradingAction { header, stock, trading_state: b'H', reserved: b' ', reason: *b"T1  " },
        &format!("{AAPL_HEX} 48 20 54312020"),
    );
    check(RegShoRestriction { header, stock, action: b'1' }, &format!("{AAPL_HEX} 31"));
    check(
        MarketParticipantPosition {
            header,
            mpid: *b"GSCO",
            stock,
            primary_market_maker: b'Y',
            market_maker_mode: b'N',
            state: b'A',
        },
        &format!("4753434f {AAPL_HEX} 59 4e 41"),
    );
    check(
        CircuitBreakerLevels { header, level_1: 1, level_2: 0x0203, level_3: 0x04_0506 },
        "0000000000000001 0000000000000203 0000000000040506",
    );
    check(CircuitBreakerStatus { header, breached_level: b'2' }, "32");
    check(
        IpoQuotingPeriod {
            header,
            stock,
            release_time_secs: 34_200,
            release_qualifier: b'A',
            price: 250_000,
        },
        &format!("{AAPL_HEX} 00008598 41 0003d090"),
    );
    check(
        AuctionCollar {
            header,
            stock,
            reference_price: 1_000_000,
            upper_price: 1_100_000,
            lower_price: 900_000,
            extension: 2,
        },
        &format!("{AAPL_HEX} 000f4240 0010c8e0 000dbba0 00000002"),
    );
    check(
        OperationalHalt { header, stock, market_code: b'Q', action: b'H' },
        &format!("{AAPL_HEX} 51 48"),
    );
    check(
        AddOrder {
            header,
            order_ref: 0x1122_3344,
            side: b'B',
            shares: 300,
            stock,
            price: 2_891_200,
        },
        &format!("0000000011223344 42 0000012c {AAPL_HEX} 002c1dc0"),
    );
    check(
        AddOrderAttributed {
            header,
            order_ref: 0x1122_3344,
            side: b'S',
            shares: 300,
            stock,
            price: 2_891_200,
            attribution: *b"NITE",
        },
        &format!("0000000011223344 53 0000012c {AAPL_HEX} 002c1dc0 4e495445"),
    );
    check(
        OrderExecuted { header, order_ref: 5, shares: 100, match_number: 6 },
        "0000000000000005 00000064 0000000000000006",
    );
    check(
        OrderExecutedWithPrice {
            header,
            order_ref: 5,
            shares: 100,
            match_number: 6,
            printable: b'N',
            price: 7,
        },
        "0000000000000005 00000064 0000000000000006 4e 00000007",
    );
    check(OrderCancel { header, order_ref: 5, shares: 100 }, "0000000000000005 00000064");
    check(OrderDelete { header, order_ref: u64::MAX }, "ffffffffffffffff");
    check(
        OrderReplace { header, order_ref: 5, new_order_ref: 6, shares: 100, price: 7 },
        "0000000000000005 0000000000000006 00000064 00000007",
    );
    check(
        Trade { header, order_ref: 0, side: b'B', shares: 100, stock, price: 7, match_number: 8 },
        &format!("0000000000000000 42 00000064 {AAPL_HEX} 00000007 0000000000000008"),
    );
    check(
        CrossTrade { header, shares: 1 << 40, stock, price: 7, match_number: 8, cross_type: b'O' },
        &format!("0000010000000000 {AAPL_HEX} 00000007 0000000000000008 4f"),
    );
    check(BrokenTrade { header, match_number: 9 }, "0000000000000009");
    check(
        OrderImbalance {
            header,
            paired_shares: 1,
            imbalance_shares: 2,
            direction: b'S',
            stock,
            far_price: 3,
            near_price: 4,
            reference_price: 5,
            cross_type: b'C',
            price_variation: b'L',
        },
        &format!(
            "0000000000000001 0000000000000002 53 {AAPL_HEX} 00000003 00000004 00000005 43 4c"
        ),
    );
    check(RetailInterest { header, stock, interest: b'A' }, &format!("{AAPL_HEX} 41"));
    check(
        DirectListing {
            header,
            stock,
            open_eligibility: b'Y',
            minimum_price: 1,
            maximum_price: 2,
            near_execution_price: 3,
            near_execution_time: 4,
            lower_collar: 5,
            upper_collar: 6,
        },
        &format!("{AAPL_HEX} 59 00000001 00000002 00000003 0000000000000004 00000005 00000006"),
    );
}

#[test]
fn lengths_are_those_of_the_specification() {
    let specification: &[(u8, usize)] = &[
        (b'S', 12),
        (b'R', 39),
        (b'H', 25),
        (b'Y', 20),
        (b'L', 26),
        (b'V', 35),
        (b'W', 12),
        (b'K', 28),
        (b'J', 35),
        (b'h', 21),
        (b'A', 36),
        (b'F', 40),
        (b'E', 31),
        (b'C', 36),
        (b'X', 23),
        (b'D', 19),
        (b'U', 35),
        (b'P', 44),
        (b'Q', 40),
        (b'B', 19),
        (b'I', 50),
        (b'N', 20),
        (b'O', 48),
    ];
    assert_eq!(MESSAGE_TYPES.len(), specification.len());
    for &(kind, len) in specification {
        let ours = MESSAGE_TYPES.iter().find(|row| row.0 == kind).map(|row| row.1);
        assert_eq!(ours, Some(len), "type {kind}");
    }
    let longest = specification.iter().map(|row| row.1).max();
    assert_eq!(longest, Some(MESSAGE_LEN_MAX));
}
