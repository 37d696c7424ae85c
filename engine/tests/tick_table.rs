//! Tick tables: the step of order prices by price, for orders, replaces, stop prices and what slides, on either kind of market.

mod support;
use support::*;
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

/// Steps of 0.01 up to 100.00, of 0.05 up to 200.00, and of 0.50 from there, in ticks of 0.0001.
const TABLE: &str = "0:0.01 100:0.05 200:0.5";

fn set(text: &str) -> SetTickTable {
    let table = TickTable::parse(text, 100_000).expect("a table");
    let bands = table.packed().expect("few digits");
    SetTickTable {
        instrument: INSTRUMENT,
        count: table.bands().len() as u8,
        reserved: [0; 3],
        bands,
    }
}

fn refused(events: &[Event]) -> Option<Reject> {
    let Some(Event::Ack(ack)) = events.last() else { panic!("an answer comes last") };
    ack.reject()
}

/// A desk with a market of 149.95 to 150.05 and 10,000 bp of collar.
fn desk() -> Desk {
    let mut desk = Desk::new(0);
    desk.market(add(1, Side::Buy, cents(14_995), 10));
    desk.market(add(2, Side::Sell, cents(15_005), 10));
    let limits = SetLimits { price_collar_bp: 10_000, ..limits(ACCOUNT) };
    desk.agreed(Command::SetLimits(limits));
    let events = desk.command(Command::SetTickTable(set(TABLE)));
    assert!(matches!(events[0], Event::TickTable(told) if told == set(TABLE)), "{events:?}");
    desk
}

#[test]
fn prices_are_multiples_of_the_step_of_their_band() {
    let mut desk = desk();
    let mut answer = |order: NewOrder| {
        desk.names += 1;
        let name = format!("band-{}", desk.names);
        let order =
            NewOrder { client_order_id: ClientOrderId::new(&name).expect("short"), ..order };
        lines(&desk.command(Command::NewOrder(order))).remove(0)
    };
    let limit = |price: Ticks| new_order("band", Side::Buy, Some(price), 1, TimeInForce::Day);
    for (price, step) in [
        (cents(9_999), None),
        (cents(10_000), None),
        (Ticks(999_950), Some(100)),
        (cents(10_001), Some(500)),
        (cents(10_005), None),
        (cents(14_999), Some(500)),
    ] {
        let told = answer(limit(price));
        match step {
            None => assert!(told.contains("new -> new"), "{price:?}: {told}"),
            Some(step) => {
                let expected = format!("tick: limit={step} value={}", price.0);
                assert!(told.contains(&expected), "{price:?}: {told}");
            }
        }
    }
    let stop = |price: Ticks| NewOrder {
        order_type: OrderType::Stop.wire(),
        stop_price: price,
        price: Ticks::ZERO,
        ..limit(price)
    };
    assert!(answer(stop(cents(20_010))).contains("tick: limit=5000"));
    assert!(!answer(stop(cents(20_050))).contains("tick"));
}

#[test]
fn replaces_keep_to_it_and_what_rests_stays() {
    let mut desk = desk();
    let order = desk.order(Side::Buy, Some(cents(14_000)), 5, TimeInForce::Day);
    assert_eq!(lines(&order), ["1 new -> new"]);
    let told = lines(&desk.replace(1, cents(14_001), 5));
    assert!(told[0].contains("tick: limit=500 value=1400100"), "{told:?}");
    assert_eq!(lines(&desk.replace(1, cents(14_005), 5)), ["1 replaced -> new"]);
    // A coarser table leaves 140.05 where it is.
    assert_eq!(refused(&desk.command(Command::SetTickTable(set("0:0.5")))), None);
    let told = lines(&desk.replace(1, cents(14_010), 5));
    assert!(told[0].contains("tick: limit=5000"), "{told:?}");
    let none = SetTickTable { count: 0, ..set(TABLE) };
    assert_eq!(refused(&desk.command(Command::SetTickTable(none))), None);
    assert_eq!(lines(&desk.replace(1, cents(14_011), 5)), ["1 replaced -> new"], "its own tick");
}

/// A post-only order slides to a price that an order may have.
#[test]
fn what_slides_ends_on_a_step() {
    for (side, price, expected) in
        [(Side::Buy, 15_100, 15_000), (Side::Sell, 14_900, 15_000), (Side::Buy, 15_000, 15_000)]
    {
        let mut desk = desk();
        let order = NewOrder {
            post_only: PostOnly::Slide.wire(),
            ..new_order("slides", side, Some(cents(price)), 1, TimeInForce::Day)
        };
        let events = desk.command(Command::NewOrder(order));
        let Some(Event::Execution(told)) = events.first() else { panic!("{events:?}") };
        assert_eq!(told.price, cents(expected), "{side:?} at {price}: {:?}", lines(&events));
    }
}

#[test]
fn tables_that_are_refused() {
    let mut desk = desk();
    let hash = desk.core.listing().hash();
    let mut falls = set(TABLE);
    falls.bands.swap(0, 1);
    for (set, reason, value) in [
        (
            SetTickTable { instrument: InstrumentId(9), ..set(TABLE) },
            RejectReason::UnknownInstrument,
            9,
        ),
        (SetTickTable { count: 21, ..set(TABLE) }, RejectReason::BadField, 0),
        (falls, RejectReason::BadField, 2),
        // The instrument's own tick is a cent.
        (set("0:0.005"), RejectReason::Tick, 50),
    ] {
        let reject = refused(&desk.command(Command::SetTickTable(set))).expect("it is refused");
        assert_eq!((reject.reason, reject.value), (reason, value));
    }
    assert_eq!(desk.core.listing().hash(), hash, "what is refused changes nothing");
    let none = SetTickTable { count: 0, ..set(TABLE) };
    desk.command(Command::SetTickTable(none));
    assert_ne!(desk.core.listing().hash(), hash, "a table is part of the state");
}

/// A market of the house takes what the gate lets through: the same steps.
#[test]
fn a_market_of_the_house_has_the_same_steps() {
    let mut desk = Desk::new(0);
    let symbol = Symbol::new("HOUSE").expect("valid");
    let share = Instrument {
        venue_kind: venue_kind::INTERNAL,
        order_tick_from: Ticks::ZERO,
        ..Instrument::us_equity(symbol)
    };
    desk.command(Command::DefineInstrument(share));
    let instrument = InstrumentId(1);
    desk.command(Command::SetReference(SetReference {
        price: cents(15_000),
        instrument,
        reserved: [0; 4],
    }));
    desk.command(Command::SetTickTable(SetTickTable { instrument, ..set(TABLE) }));
    let mut answer = |name: &str, price| {
        let order = new_order(name, Side::Buy, Some(cents(price)), 1, TimeInForce::Day);
        lines(&desk.command(Command::NewOrder(NewOrder { instrument, ..order }))).remove(0)
    };
    assert!(answer("a", 15_001).contains("tick: limit=500 value=1500100"));
    assert_eq!(answer("b", 15_005), "1 new -> new");
}

#[test]
fn a_replay_reaches_the_same_state() {
    let play = || {
        let mut desk = desk();
        desk.order(Side::Buy, Some(cents(14_001)), 5, TimeInForce::Day);
        desk.order(Side::Buy, Some(cents(14_005)), 5, TimeInForce::Day);
        desk.market(market(Kind::Delete, 2));
        desk.core.state_hash()
    };
    assert_eq!(play(), play());
}
