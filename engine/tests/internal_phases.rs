//! Phases, auctions and price bands of the markets of the house, as everyone hears of them.

mod support;
use support::*;
use tidegate_engine::core::{Collected, Input};
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, PhaseCause};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

const HOUSE: InstrumentId = InstrumentId(1);
const MS: u64 = 1_000_000;

struct House(Desk);

impl House {
    /// A market whose reference is 100.00.
    fn new() -> Self {
        let mut house = Self(Desk::new(0));
        let share = Instrument::us_equity(Symbol::new("HOUSE").expect("valid"));
        let (venue_kind, order_tick_from) = (venue_kind::INTERNAL, Ticks::ZERO);
        house.ask(Command::DefineInstrument(Instrument { venue_kind, order_tick_from, ..share }));
        house.reference(10_000);
        house
    }

    fn reference(&mut self, price: i64) -> Vec<String> {
        let (price, instrument) = (cents(price), HOUSE);
        self.ask(Command::SetReference(SetReference { price, instrument, reserved: [0; 4] }))
    }

    /// What a command makes the engine say of phases, trades and auctions, in order: first events, then what everyone hears.
    fn ask(&mut self, command: Command) -> Vec<String> {
        let mut record = CommandRecord::new(command);
        record.ts_recv = self.0.now;
        let mut out = Collected::default();
        self.0.core.apply(self.0.core.seq().next(), Input::Command(&record), &mut out);
        let events = out.events.iter().filter_map(|record| match record.event()? {
            Event::Phase(change) => {
                let name = |phase| Phase::from_wire(phase).expect("a phase").as_str();
                let cause = PhaseCause::from_wire(change.cause).expect("a cause");
                let reopens = match change.reopen_at.0 {
                    0 => String::new(),
                    at => format!(" until {} ms", at / MS),
                };
                Some(format!("{} -> {} {cause}{reopens}", name(change.before), name(change.phase)))
            }
            Event::Execution(it) if it.exec_type == ExecType::Trade.wire() => (it.side
                == Buy.wire())
            .then(|| format!("trade {}@{}", it.last_qty.0, it.last_price.0 / 100)),
            _ => None,
        });
        let updates = out.updates.iter().filter_map(|update| match update.kind {
            kind if kind == PublicKind::Indicative.wire() => {
                Some(format!("would {}@{}", update.qty.0, update.price.0 / 100))
            }
            kind if kind == PublicKind::Imbalance.wire() => {
                Some(format!("leave {} of side {}", update.qty.0, update.side))
            }
            _ => None,
        });
        events.chain(updates).collect()
    }

    fn order(&mut self, account: u32, side: Side, price: i64, qty: u64) -> Vec<String> {
        self.0.names += 1;
        let client_order_id = ClientOrderId::new(&format!("h{}", self.0.names)).expect("valid");
        let plain = new_order("x", side, Some(cents(price)), qty, Gtc);
        let account = AccountId(account);
        let order = NewOrder { client_order_id, account, instrument: HOUSE, ..plain };
        self.ask(Command::NewOrder(order))
    }

    fn phase(&mut self, phase: Phase) -> Vec<String> {
        let set = SetPhase::now(HOUSE, phase);
        self.ask(Command::SetPhase(set))
    }

    fn bands(&mut self, static_ppm: u32, dynamic_ppm: u32, pause_ms: u64) {
        let bands = SetBands {
            pause_ns: pause_ms * MS,
            instrument: HOUSE,
            static_ppm,
            dynamic_ppm,
            reserved: [0; 4],
        };
        assert_eq!(self.ask(Command::SetBands(bands)), [""; 0]);
    }

    /// `ms` later, by the clock alone.
    fn pass(&mut self, ms: u64) -> Vec<String> {
        self.0.now.0 += ms * MS;
        self.ask(Command::Time)
    }
}

#[test]
fn every_step_is_told_with_its_cause() {
    let mut house = House::new();
    assert_eq!(house.phase(Phase::OpenAuction), ["continuous -> open_auction command"]);
    assert_eq!(house.phase(Phase::OpenAuction), [""; 0], "no step");
    house.order(1, Buy, 10_001, 10);
    house.order(2, Sell, 9_999, 10);
    assert_eq!(
        house.phase(Phase::Continuous),
        ["open_auction -> continuous command", "trade 10@10000"]
    );
}

#[test]
fn what_an_auction_would_do_is_told_at_intervals_and_only_when_it_changed() {
    let mut house = House::new();
    house.phase(Phase::PreOpen);
    for (side, price, qty) in [(Buy, 10_010, 30), (Sell, 9_990, 10), (Sell, 10_000, 5)] {
        assert_eq!(house.order(1, side, price, qty), [""; 0], "not with the order");
        assert_eq!(house.pass(1), [""; 0]);
    }
    assert_eq!(house.pass(200), ["would 15@10010", "leave 15 of side 1"]);
    assert_eq!(house.0.core.next_due(), None, "nothing changes by itself");
    assert_eq!(house.pass(500), [""; 0]);
    // What does not change it is not told; what is taken back is.
    house.order(1, Sell, 10_500, 5);
    assert_eq!(house.pass(200), [""; 0]);
    let buys =
        MassCancel { account: AccountId(1), instrument: HOUSE, side: Buy.wire(), reserved: [0; 7] };
    house.ask(Command::MassCancel(buys));
    assert_eq!(house.pass(200), ["would 0@0", "leave 0 of side 0"]);
    house.order(2, Buy, 9_995, 4);
    house.phase(Phase::Continuous);
    assert_eq!(house.pass(200), [""; 0], "trading needs none");
    // The next auction begins anew.
    house.phase(Phase::CloseAuction);
    house.order(2, Buy, 10_000, 1);
    assert_eq!(house.pass(200), ["would 1@9990", "leave 5 of side 2"]);
}

#[test]
fn a_trade_outside_the_static_band_pauses_the_market_until_an_auction() {
    let mut house = House::new();
    house.bands(10_000, 0, 5_000);
    house.order(1, Sell, 10_100, 10);
    house.order(1, Sell, 10_101, 10);
    let told = house.order(2, Buy, 10_200, 15);
    assert_eq!(told, ["trade 10@10100", "continuous -> halt price_band until 5000 ms"]);
    assert_eq!(house.pass(4_999), ["would 5@10101", "leave 5 of side 2"]);
    // The auction may go twice as far, and what it finds is what the band lies around from then on.
    assert_eq!(house.pass(1), ["halt -> continuous reopening", "trade 5@10101"]);
    house.order(1, Sell, 10_202, 10);
    house.order(1, Sell, 10_203, 10);
    assert_eq!(
        house.order(2, Buy, 10_203, 16)[1..],
        ["trade 10@10202".to_string(), "continuous -> halt price_band until 10000 ms".to_string()]
    );
}

#[test]
fn the_dynamic_band_follows_from_order_to_order_but_not_within_one() {
    let mut house = House::new();
    house.bands(0, 10_000, 5_000);
    // Nothing has traded yet: there is nothing to lie around.
    house.order(1, Sell, 10_000, 1);
    assert_eq!(house.order(2, Buy, 10_000, 1), ["trade 1@10000"]);
    for price in [10_050, 10_100, 10_150] {
        house.order(1, Sell, price, 1);
    }
    assert_eq!(house.order(2, Buy, 10_100, 1), ["trade 1@10050"]);
    // From 100.50 one per cent reaches to 101.50; from 100.00 it would not have.
    assert_eq!(house.order(2, Buy, 10_150, 2), ["trade 1@10100", "trade 1@10150"]);
    house.order(1, Sell, 10_260, 1);
    let told = house.order(2, Buy, 10_260, 1);
    assert_eq!(told, ["continuous -> halt price_band until 5000 ms"], "101.50 reaches to 102.51");
    // An auction is not bound by it.
    house.pass(4_000);
    assert_eq!(house.pass(1_000), ["halt -> continuous reopening", "trade 1@10260"]);
}

#[test]
fn an_auction_outside_the_band_waits_longer_and_may_go_further() {
    let mut house = House::new();
    house.bands(10_000, 0, 1_000);
    house.order(1, Sell, 10_350, 1);
    assert_eq!(house.order(2, Buy, 10_350, 1), ["continuous -> halt price_band until 1000 ms"]);
    // 102.00, 103.00, then 104.00.
    house.pass(500);
    assert_eq!(house.pass(500), ["halt -> halt price_band until 2000 ms"]);
    assert_eq!(house.pass(1_000), ["halt -> halt price_band until 3000 ms"]);
    assert_eq!(house.pass(1_000), ["halt -> continuous reopening", "trade 1@10350"]);
}

#[test]
fn a_clock_that_jumps_makes_one_attempt_to_reopen() {
    let mut house = House::new();
    house.bands(1, 0, 1);
    house.order(1, Sell, 10_500, 1);
    house.order(2, Buy, 10_500, 1);
    let mut told = house.pass(86_400_000);
    told.retain(|line| line.contains("->"));
    assert_eq!(told, ["halt -> halt price_band until 86400001 ms"]);
}

#[test]
fn who_steps_a_paused_market_takes_it_over() {
    let mut house = House::new();
    house.bands(10_000, 0, 1_000);
    house.order(1, Sell, 10_150, 1);
    house.order(2, Buy, 10_150, 1);
    assert_eq!(house.phase(Phase::CloseAuction), ["halt -> close_auction command"]);
    assert_eq!(house.pass(1_000), ["would 1@10150", "leave 0 of side 0"], "it does not reopen");
    // Out of a commanded auction the band is what it is.
    assert_eq!(house.phase(Phase::Closed), ["close_auction -> halt price_band until 2000 ms"]);
    assert_eq!(house.pass(1_000), ["halt -> continuous reopening", "trade 1@10150"]);
}

#[test]
fn a_calendar_may_ask_again_and_undoes_nothing_that_came_after() {
    let mut house = House::new();
    house.pass(100);
    let due = |house: &mut House, phase: Phase, ms: u64| {
        let due_at = UnixNanos(ms * MS);
        house.ask(Command::SetPhase(SetPhase { due_at, ..SetPhase::now(HOUSE, phase) }))
    };
    // What was missed is made up for, step by step, whatever the time is.
    assert_eq!(due(&mut house, Phase::OpenAuction, 40), ["continuous -> open_auction command"]);
    assert_eq!(due(&mut house, Phase::Continuous, 60), ["open_auction -> continuous command"]);
    assert_eq!(due(&mut house, Phase::OpenAuction, 40), [""; 0], "it was taken");
    assert_eq!(due(&mut house, Phase::Halt, 60), [""; 0], "one step a time");
    assert_eq!(house.phase(Phase::Halt), ["continuous -> halt command"]);
    assert_eq!(due(&mut house, Phase::Continuous, 60), [""; 0], "the halt came after");
    assert_eq!(due(&mut house, Phase::Continuous, 100), [""; 0], "it came at 100");
    assert_eq!(due(&mut house, Phase::CloseAuction, 101), ["halt -> close_auction command"]);
}

#[test]
fn a_halt_without_end_lasts_until_somebody_ends_it() {
    let mut house = House::new();
    house.bands(10_000, 0, 0);
    house.order(1, Sell, 10_150, 1);
    assert_eq!(house.order(2, Buy, 10_150, 1), ["continuous -> halt price_band"]);
    house.pass(86_400_000);
    assert_eq!(house.0.core.next_due(), None);
    assert_eq!(house.reference(10_150), [""; 0]);
    assert_eq!(house.phase(Phase::Continuous), ["halt -> continuous command", "trade 1@10150"]);
}

#[test]
fn bands_that_cannot_be_are_refused() {
    let mut house = House::new();
    let mut check =
        |instrument, static_ppm, dynamic_ppm, pause_ns, expected: Option<(RejectReason, i128)>| {
            let reserved = [0; 4];
            let set = SetBands { pause_ns, instrument, static_ppm, dynamic_ppm, reserved };
            let events = house.0.command(Command::SetBands(set));
            let Some(Event::Ack(ack)) = events.last() else { panic!("{set:?} is answered") };
            let found = ack.reject().map(|reject| (reject.reason, reject.limit));
            assert_eq!(found, expected, "{set:?}");
        };
    let bad = |limit| Some((RejectReason::BadField, limit));
    check(HOUSE, 1_000_000, 1_000_000, PAUSE_NS_MAX, None);
    check(HOUSE, 1_000_001, 0, 0, bad(1_000_000));
    check(HOUSE, 0, 1_000_001, 0, bad(1_000_000));
    check(HOUSE, 0, 0, PAUSE_NS_MAX + 1, bad(PAUSE_NS_MAX.into()));
    check(InstrumentId::NONE, 0, 0, 0, None);
    check(INSTRUMENT, 0, 0, 0, Some((RejectReason::NoMarket, 0)));
    check(InstrumentId(9), 0, 0, 0, Some((RejectReason::UnknownInstrument, 0)));
}

#[test]
fn a_picture_of_a_book_holds_what_its_auction_would_do() {
    let mut house = House::new();
    house.phase(Phase::OpenAuction);
    house.order(1, Buy, 10_010, 30);
    house.order(2, Sell, 9_990, 10);
    house.pass(200);
    let mut out = Collected::default();
    house.0.core.publish_picture(HOUSE, &mut out);
    let kinds: Vec<_> = out.updates.iter().map(|update| update.kind).collect();
    let expected = [
        PublicKind::Clear,
        PublicKind::Level,
        PublicKind::Level,
        PublicKind::Indicative,
        PublicKind::Imbalance,
        PublicKind::PictureEnd,
    ];
    assert_eq!(kinds, expected.map(PublicKind::wire));
}

/// The same inputs lead to the same state, hashed with bands, pauses and what they lie around.
#[test]
fn the_state_hash_knows_bands_and_pauses() {
    let hash = |change: &dyn Fn(&mut House)| {
        let mut house = House::new();
        house.order(1, Sell, 10_150, 1);
        change(&mut house);
        house.order(2, Buy, 10_150, 1);
        house.0.core.state_hash()
    };
    let base = hash(&|house| house.bands(10_000, 0, 1_000));
    assert_eq!(base, hash(&|house| house.bands(10_000, 0, 1_000)));
    assert_ne!(base, hash(&|house| house.bands(10_001, 0, 1_000)));
    assert_ne!(base, hash(&|house| house.bands(10_000, 0, 1_001)));
    assert_ne!(base, hash(&|house| house.bands(10_000, 1, 1_000)));
}
