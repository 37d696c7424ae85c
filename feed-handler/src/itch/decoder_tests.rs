use super::*;
use crate::error::MessageError;
use proptest::prelude::*;
use tidegate_model::market::{
    FLAG_NON_PRINTABLE, MarketEvent, MarketEventKind as Kind, SYSTEM_START_OF_MARKET_HOURS, Side,
    TradingStatus,
};
use tidegate_model::{Lots, Symbol, Ticks, UnixNanos};

const MIDNIGHT: UnixNanos = UnixNanos(1_577_682_000_000_000_000);
const AAPL: Stock = *b"AAPL    ";

fn header(stock_locate: u16) -> Header {
    Header { stock_locate, tracking_number: 0, timestamp: 5 }
}

fn run(
    decoder: &mut Decoder,
    message: impl Into<Message>,
) -> Result<Vec<MarketEvent>, MessageError> {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    message.into().write_to(&mut bytes);
    decoder.decode(&bytes, |event| events.push(event)).map(|()| events)
}

fn add(stock_locate: u16, stock: Stock) -> AddOrder {
    let header = header(stock_locate);
    AddOrder { header, order_ref: 7, side: b'S', shares: 300, stock, price: 2_891_200 }
}

#[test]
fn the_first_order_defines_its_symbol() {
    let mut decoder = Decoder::new(MIDNIGHT);
    let events = run(&mut decoder, add(9, AAPL)).expect("valid");
    let definition = events[0].definition().expect("the definition goes first");
    assert_eq!(definition.symbol, Symbol::new("AAPL").expect("valid"));
    assert_eq!((definition.channel_id, definition.tick_size_nano), (9, 100_000));
    assert_eq!(definition.lot_size_nano, 1_000_000_000);
    let ts = UnixNanos(MIDNIGHT.0 + 5);
    let want = MarketEvent {
        kind: Kind::Add.wire(),
        side: Side::Sell.wire(),
        flags: 0,
        channel_id: 9,
        ts_event: ts,
        ts_recv: ts,
        order_ref: 7,
        price: Ticks(2_891_200),
        qty: Lots(300),
        aux: 0,
        feed_seq: 1,
    };
    assert_eq!(events[1..], [want]);
    assert_eq!(run(&mut decoder, add(9, AAPL)).expect("valid").len(), 1, "defined once");
    let error = run(&mut decoder, add(9, *b"MSFT    "));
    assert!(matches!(error, Err(MessageError::LocateRebound { locate: 9, .. })), "{error:?}");
    let error = run(&mut decoder, add(3, *b"A\0B     "));
    assert!(matches!(error, Err(MessageError::Symbol { .. })), "{error:?}");
    let error = run(&mut decoder, add(3, *b"        "));
    assert!(matches!(error, Err(MessageError::Symbol { .. })), "{error:?}");
    assert_eq!(decoder.messages(), 5, "wrong messages count");
}

#[test]
fn events_of_each_type() {
    let mut decoder = Decoder::new(MIDNIGHT);
    let (header, stock) = (header(1), AAPL);
    let mut check = |message: Message, want: &[Kind], see: &dyn Fn(&MarketEvent) -> bool| {
        let events = run(&mut decoder, message).expect("valid");
        let kinds: Vec<Kind> = events.iter().map(|e| e.kind().expect("known")).collect();
        assert_eq!(kinds, want, "{message:?}");
        assert!(events.last().is_none_or(see), "{message:?} gives {events:?}");
        for event in events.iter().filter(|e| e.definition().is_none()) {
            assert_eq!(event.feed_seq, decoder.messages());
        }
    };
    let directory = StockDirectory { header, stock, ..StockDirectory::default() };
    check(directory.into(), &[Kind::Definition], &|e| e.channel_id == 1);
    check(directory.into(), &[], &|_| true);
    check(SystemEvent { header, event_code: b'Q' }.into(), &[Kind::System], &|e| {
        e.flags == SYSTEM_START_OF_MARKET_HOURS
    });
    for (trading_state, status) in [
        (b'T', TradingStatus::Trading),
        (b'H', TradingStatus::Halted),
        (b'P', TradingStatus::Paused),
        (b'Q', TradingStatus::QuotationOnly),
    ] {
        let message = TradingAction { header, stock, trading_state, reserved: 0, reason: [0; 4] };
        check(message.into(), &[Kind::Status], &|e| e.flags == u16::from(status.wire()));
    }
    let halt = |market_code, action| OperationalHalt { header, stock, market_code, action };
    let paused = u16::from(TradingStatus::Paused.wire());
    check(halt(b'Q', b'H').into(), &[Kind::Status], &|e| e.flags == paused);
    check(halt(b'B', b'H').into(), &[], &|_| true);
    check(
        OrderExecuted { header, order_ref: 7, shares: 10, match_number: 11 }.into(),
        &[Kind::Execute],
        &|e| (e.order_ref, e.qty.0, e.aux) == (7, 10, 11),
    );
    for (printable, flags) in [(b'Y', 0), (b'N', FLAG_NON_PRINTABLE)] {
        let (order_ref, shares, match_number, price) = (7, 10, 11, 12);
        let message =
            OrderExecutedWithPrice { header, order_ref, shares, match_number, printable, price };
        check(message.into(), &[Kind::ExecuteAtPrice], &|e| {
            (e.order_ref, e.qty.0, e.aux, e.price.0, e.flags) == (7, 10, 11, 12, flags)
        });
    }
    check(OrderCancel { header, order_ref: 7, shares: 10 }.into(), &[Kind::Reduce], &|e| {
        (e.order_ref, e.qty.0) == (7, 10)
    });
    check(OrderDelete { header, order_ref: 7 }.into(), &[Kind::Delete], &|e| e.order_ref == 7);
    check(
        OrderReplace { header, order_ref: 7, new_order_ref: 8, shares: 9, price: 10 }.into(),
        &[Kind::Replace],
        &|e| (e.order_ref, e.aux, e.qty.0, e.price.0) == (7, 8, 9, 10),
    );
    check(
        Trade { header, order_ref: 0, side: b'B', shares: 9, stock, price: 10, match_number: 11 }
            .into(),
        &[Kind::Trade],
        &|e| (e.qty.0, e.price.0, e.aux, e.side()) == (9, 10, 11, None),
    );
    check(
        CrossTrade {
            header,
            shares: 1 << 33,
            stock,
            price: 10,
            match_number: 11,
            cross_type: b'O',
        }
        .into(),
        &[Kind::Cross],
        &|e| (e.qty.0, e.price.0, e.aux) == (1 << 33, 10, 11),
    );
    check(BrokenTrade { header, match_number: 11 }.into(), &[], &|_| true);
    check(OrderImbalance { header, ..OrderImbalance::default() }.into(), &[], &|_| true);
}

#[test]
fn unassigned_values_are_named() {
    let mut decoder = Decoder::new(MIDNIGHT);
    let (header, stock) = (header(1), AAPL);
    let mut check = |message: Message, want: &str| {
        let error = run(&mut decoder, message).expect_err("refused");
        assert!(error.to_string().contains(want), "{error}");
    };
    check(AddOrder { side: b'X', ..add(1, AAPL) }.into(), "'A' (0x41): field buy_sell_indicator");
    check(SystemEvent { header, event_code: b'x' }.into(), "event_code");
    let action = TradingAction { header, stock, trading_state: 0, reserved: 0, reason: [0; 4] };
    check(action.into(), "trading_state has the unassigned value 0");
    let late = Header { timestamp: NANOS_PER_DAY, ..header };
    check(OrderDelete { header: late, order_ref: 1 }.into(), "timestamp");
    check(BrokenTrade { header: late, match_number: 1 }.into(), "timestamp");
    assert_eq!(decoder.decode(&[], |_| ()), Err(MessageError::Empty));
    assert_eq!(decoder.decode(b"zzz", |_| ()), Err(MessageError::UnknownType { kind: b'z' }));
}

/// What [`Decoder::decode`] of a message of one of the frequent types must say, of its fields by name.
fn told_by_fields(message: &Message) -> MarketEvent {
    let header = message.header();
    let ts_event = UnixNanos(MIDNIGHT.0 + header.timestamp);
    let channel_id = header.stock_locate.into();
    let event = MarketEvent { channel_id, ts_event, ts_recv: ts_event, ..MarketEvent::default() };
    let (price, lots) = (|price: u32| Ticks(price.into()), |shares: u32| Lots(shares.into()));
    match *message {
        Message::AddOrder(m) => MarketEvent {
            kind: Kind::Add.wire(),
            side: if m.side == b'B' { Side::Buy.wire() } else { Side::Sell.wire() },
            order_ref: m.order_ref,
            price: price(m.price),
            qty: lots(m.shares),
            ..event
        },
        Message::OrderDelete(m) => {
            MarketEvent { kind: Kind::Delete.wire(), order_ref: m.order_ref, ..event }
        }
        Message::OrderExecuted(m) => MarketEvent {
            kind: Kind::Execute.wire(),
            order_ref: m.order_ref,
            qty: lots(m.shares),
            aux: m.match_number,
            ..event
        },
        Message::OrderCancel(m) => MarketEvent {
            kind: Kind::Reduce.wire(),
            order_ref: m.order_ref,
            qty: lots(m.shares),
            ..event
        },
        Message::OrderReplace(m) => MarketEvent {
            kind: Kind::Replace.wire(),
            order_ref: m.order_ref,
            price: price(m.price),
            qty: lots(m.shares),
            aux: m.new_order_ref,
            ..event
        },
        _ => unreachable!("the test makes no other"),
    }
}

fn frequent_message() -> impl Strategy<Value = Message> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>());
    let names = (1u16..4, prop_oneof![Just(AAPL), Just(*b"MSFT    ")], 0usize..3);
    let times = prop_oneof![0..NANOS_PER_DAY, NANOS_PER_DAY - 1..NANOS_PER_DAY + 2];
    (0..5, numbers, names, times).prop_map(
        |(kind, numbers, (stock_locate, stock, side), timestamp)| {
            let header = Header { stock_locate, tracking_number: numbers.0 as u16, timestamp };
            let (order_ref, other, shares, price) = numbers;
            match kind {
                0 => {
                    AddOrder { header, order_ref, side: b"BSX"[side], shares, stock, price }.into()
                }
                1 => OrderDelete { header, order_ref }.into(),
                2 => OrderExecuted { header, order_ref, shares, match_number: other }.into(),
                3 => OrderCancel { header, order_ref, shares }.into(),
                _ => OrderReplace { header, order_ref, new_order_ref: other, shares, price }.into(),
            }
        },
    )
}

proptest! {
    /// The frequent types are decoded by a table of places: it says what the fields by name say, and refuses what is wrong.
    #[test]
    fn frequent_types_say_what_their_fields_say(
        messages in prop::collection::vec((frequent_message(), 0usize..8), 1..40),
    ) {
        let mut decoder = Decoder::new(MIDNIGHT);
        let mut bound = [None; 4];
        for (message, cut) in messages {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            let whole = bytes.len();
            match cut {
                0 => bytes.truncate(whole - 1),
                1 => bytes.push(0),
                _ => {}
            }
            let mut events = Vec::new();
            let outcome = decoder.decode(&bytes, |event| events.push(event));
            let header = message.header();
            let bound = &mut bound[header.stock_locate as usize];
            let add = match message { Message::AddOrder(add) => Some(add), _ => None };
            let is_late = header.timestamp >= NANOS_PER_DAY;
            let is_bad = is_late || add.is_some_and(|add| add.side == b'X');
            if bytes.len() != whole || is_bad || add.is_some_and(|a| bound.is_some_and(|b| b != a.stock)) {
                prop_assert!(outcome.is_err(), "{:?} is refused", message);
                prop_assert!(events.is_empty());
                continue;
            }
            prop_assert_eq!(outcome, Ok(()));
            let defines = add.is_some() && bound.is_none();
            if let Some(add) = add {
                *bound = Some(add.stock);
            }
            let want = MarketEvent { feed_seq: decoder.messages(), ..told_by_fields(&message) };
            prop_assert_eq!(events.len(), 1 + usize::from(defines));
            prop_assert_eq!(events[0].definition().is_some(), defines);
            prop_assert_eq!(events.last(), Some(&want));
        }
    }
}
