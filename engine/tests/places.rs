//! Where resting orders stand in the queues of their prices, beside a plain recount of what is displayed before them.

mod support;
use proptest::prelude::*;
use support::*;
use tidegate_engine::core::places::{PLACES_MAX, QueuePicture, QueuePlace};
use tidegate_engine::runtime::BookRequests;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::{Command, FillModelKind, NewOrder};
use tidegate_model::event::{Event, ExecType};
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

const BID: Ticks = Ticks(1_000_000);
/// Displayed below our price, so that it can be gone through.
const BELOW: u64 = 1_000_000;
/// Of a desk with two instruments the one of the house.
const HOUSE: InstrumentId = InstrumentId(1);

fn picture(desk: &Desk, instrument: InstrumentId) -> Box<QueuePicture> {
    let mut picture = BookRequests::default().take_places().expect("it is at hand");
    picture.instrument = instrument;
    desk.core.picture_places(&mut picture);
    assert_eq!((picture.seq, picture.ts), (desk.core.seq(), desk.core.now()));
    picture
}

/// Of each order on a side: its number, its open quantity, what is displayed ahead and behind.
fn around(picture: &QueuePicture, side: Side) -> Vec<(u64, u64, u64, u64)> {
    let row = |place: &QueuePlace| {
        let (ahead, behind) = place.around.expect("the feed says");
        (place.order.0, place.leaves.0, ahead.0, behind.0)
    };
    picture.places[side.index()].iter().map(row).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody else joins the queue.
    Join(u64),
    /// We do.
    Ours(u64),
    /// One of the others' orders leaves, or so many lots of it.
    Leave(prop::sample::Index, Option<u64>),
    /// So many lots at the front are executed.
    Sell(u64),
    /// A sale meets an order at a worse price: it went through ours.
    Through(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..60u64).prop_map(Step::Join),
        3 => (1..40u64).prop_map(Step::Ours),
        4 => (any::<prop::sample::Index>(), prop::option::of(1..30u64))
            .prop_map(|(which, qty)| Step::Leave(which, qty)),
        3 => (1..60u64).prop_map(Step::Sell),
        1 => (1..20u64).prop_map(Step::Through),
    ]
}

/// One price: who is displayed and who of ours rests, each with the number of its arrival.
struct Market {
    desk: Desk,
    arrivals: u64,
    /// Reference, which is the arrival, and lots.
    displayed: Vec<(u64, u64)>,
    /// Arrival, order and open lots.
    ours: Vec<(u64, u64, u64)>,
}

impl Market {
    fn ahead(&self, arrival: u64) -> u64 {
        self.displayed.iter().filter(|other| other.0 < arrival).map(|other| other.1).sum()
    }

    /// Hands over an event; what it fills of ours was reached at the place that it had before.
    fn market(&mut self, event: MarketEvent) {
        self.desk.now.0 += 10;
        for event in self.desk.market(event) {
            let Event::Execution(told) = event else { continue };
            assert_eq!(told.exec_type, ExecType::Trade.wire());
            let at = self.ours.iter().position(|own| own.1 == told.order_id.0).expect("it rests");
            assert_eq!(told.queue_ahead_at_fill().0, self.ahead(self.ours[at].0));
            self.ours[at].2 = told.leaves_qty.0;
        }
        self.ours.retain(|own| own.2 > 0);
    }

    fn take(&mut self, at: usize, qty: u64) {
        self.displayed[at].1 -= qty;
        self.displayed.retain(|other| other.1 > 0);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(qty) => {
                self.arrivals += 1;
                self.market(add(self.arrivals, Buy, BID, qty));
                self.displayed.push((self.arrivals, qty));
            }
            Step::Ours(qty) => {
                self.arrivals += 1;
                let told = self.desk.order(Buy, Some(BID), qty, Gtc);
                let order = told.iter().find_map(|event| match event {
                    Event::Execution(told) => Some(told.order_id.0),
                    _ => None,
                });
                self.ours.push((self.arrivals, order.expect("it is taken"), qty));
            }
            Step::Leave(which, qty) if !self.displayed.is_empty() => {
                let at = which.index(self.displayed.len());
                let (order_ref, lots) = self.displayed[at];
                let qty = qty.filter(|qty| *qty < lots);
                self.market(match qty {
                    Some(qty) => MarketEvent { qty: Lots(qty), ..market(Kind::Reduce, order_ref) },
                    None => market(Kind::Delete, order_ref),
                });
                self.take(at, qty.unwrap_or(lots));
            }
            Step::Sell(qty) if !self.displayed.is_empty() => {
                let (order_ref, lots) = self.displayed[0];
                let qty = qty.min(lots);
                self.market(execute(order_ref, qty));
                self.take(0, qty);
            }
            Step::Through(qty) => self.market(execute(BELOW, qty)),
            Step::Leave(..) | Step::Sell(_) => {}
        }
    }

    #[track_caller]
    fn check(&self) {
        let picture = picture(&self.desk, INSTRUMENT);
        assert_eq!((picture.model, picture.is_cut), (Some(FillModelKind::Exact), false));
        let level: u64 = self.displayed.iter().map(|other| other.1).sum();
        let counted = |&(arrival, order, leaves): &(u64, u64, u64)| {
            let ahead = self.ahead(arrival);
            (order, leaves, ahead, level - ahead)
        };
        assert_eq!(around(&picture, Buy), self.ours.iter().map(counted).collect::<Vec<_>>());
        let is_here = |place: &QueuePlace| {
            (place.account, place.price, place.level.0) == (ACCOUNT, BID, level)
        };
        assert!(picture.places[0].iter().all(is_here) && picture.places[1].is_empty());
    }
}

/// With an offer, so that there is a price to measure orders by.
fn offered() -> Desk {
    let mut desk = Desk::new(0);
    desk.market(add(BELOW + 1, Sell, Ticks(1_001_000), 100));
    desk
}

fn play(steps: &[Step]) {
    let mut desk = offered();
    desk.market(add(BELOW, Buy, Ticks(999_900), 1_000_000));
    let mut market = Market { desk, arrivals: 0, displayed: Vec::new(), ours: Vec::new() };
    for step in steps {
        market.step(step);
        market.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_recount_finds_the_same_places(steps in prop::collection::vec(step(), 1..60)) {
        play(&steps);
    }
}

#[test]
fn who_leaves_ahead_brings_an_order_forward_and_who_leaves_behind_does_not() {
    let mut desk = offered();
    desk.market(add(1, Buy, BID, 100));
    desk.market(add(2, Buy, BID, 50));
    desk.order(Buy, Some(BID), 30, Gtc);
    let places = |desk: &Desk| around(&picture(desk, INSTRUMENT), Buy);
    assert_eq!(places(&desk), [(1, 30, 150, 0)]);
    desk.market(add(3, Buy, BID, 70));
    assert_eq!(places(&desk), [(1, 30, 150, 70)]);
    desk.market(execute(1, 40));
    assert_eq!(places(&desk), [(1, 30, 110, 70)], "a trade ahead");
    desk.market(market(Kind::Delete, 2));
    assert_eq!(places(&desk), [(1, 30, 60, 70)], "a cancel ahead");
    desk.market(market(Kind::Delete, 3));
    assert_eq!(places(&desk), [(1, 30, 60, 0)], "a cancel behind");
    desk.cancel(1);
    assert_eq!(places(&desk), []);
}

#[test]
fn levels_give_an_estimate_and_quotes_none() {
    let mut desk = Desk::new(0);
    desk.market(level(Sell, Ticks(1_001_000), 100));
    desk.market(level(Buy, BID, 100));
    desk.order(Buy, Some(BID), 30, Gtc);
    desk.market(level(Buy, BID, 160));
    let told = picture(&desk, INSTRUMENT);
    assert_eq!(told.model, Some(FillModelKind::RiskAverse));
    assert_eq!(around(&told, Buy), [(1, 30, 100, 60)]);
    desk.market(trade(Sell, BID, 25));
    desk.market(level(Buy, BID, 135));
    assert_eq!(around(&picture(&desk, INSTRUMENT), Buy), [(1, 30, 75, 60)]);

    let mut desk = Desk::new(0);
    desk.fill_by(FillModelKind::Quotes, Default::default());
    desk.market(level(Sell, Ticks(1_001_000), 100));
    desk.market(level(Buy, BID, 100));
    desk.order(Buy, Some(BID), 30, Gtc);
    let told = picture(&desk, INSTRUMENT);
    assert_eq!(told.model, Some(FillModelKind::Quotes));
    let [place] = told.places[0][..] else { panic!("{told:?}") };
    assert_eq!((place.order, place.level, place.around), (OrderId(1), Lots(100), None));
}

/// A desk with a market of the house beside the instrument on paper.
fn house() -> Desk {
    let mut desk = Desk::new(0);
    desk.command(Command::DefineInstrument(Instrument {
        venue_kind: venue_kind::INTERNAL,
        order_tick_from: Ticks::ZERO,
        ..Instrument::us_equity(Symbol::new("HOUSE").expect("valid"))
    }));
    desk.command(Command::SetReference(command::SetReference {
        price: BID,
        instrument: HOUSE,
        reserved: [0; 4],
    }));
    desk
}

fn enter(desk: &mut Desk, account: u32, side: Side, qty: u64, display_qty: u64) {
    desk.names += 1;
    let name = format!("h{}", desk.names);
    desk.command(Command::NewOrder(NewOrder {
        account: AccountId(account),
        instrument: HOUSE,
        display_qty: Lots(display_qty),
        ..new_order(&name, side, Some(BID), qty, Gtc)
    }));
}

#[test]
fn a_market_of_the_house_counts_what_is_displayed() {
    let mut desk = house();
    // The second shows 10 of its 40.
    for (account, qty, display_qty) in [(1, 20, 0), (2, 40, 10), (1, 5, 0)] {
        enter(&mut desk, account, Buy, qty, display_qty);
    }
    let told = picture(&desk, HOUSE);
    assert_eq!((told.model, told.is_cut), (None, false));
    assert_eq!(around(&told, Buy), [(1, 20, 0, 15), (2, 40, 20, 5), (3, 5, 30, 0)]);
    let accounts: Vec<_> = told.places[0].iter().map(|place| place.account.0).collect();
    assert_eq!(accounts, [1, 2, 1]);
    assert!(told.places[0].iter().all(|place| (place.price, place.level) == (BID, Lots(35))));
    // The first is filled; the iceberg shows its next part behind the third.
    enter(&mut desk, 2, Sell, 30, 0);
    assert_eq!(around(&picture(&desk, HOUSE), Buy), [(3, 5, 0, 10), (2, 30, 5, 0)]);
    assert_eq!(picture(&desk, INSTRUMENT).count(), 0);
    assert_eq!(picture(&desk, InstrumentId(9)).count(), 0, "it is not listed");
}

#[test]
fn a_picture_has_room_for_the_orders_that_are_next_and_says_that_there_are_more() {
    let mut desk = house();
    for order in 0..=PLACES_MAX as u64 {
        let told = picture(&desk, HOUSE);
        assert_eq!((told.count() as u64, told.is_cut), (order, false));
        enter(&mut desk, 1 + order as u32 % 2, Buy, 1, 0);
    }
    let mut told = picture(&desk, INSTRUMENT);
    told.instrument = HOUSE;
    let room = |told: &QueuePicture| (told.places[0].as_ptr(), told.places[0].capacity());
    let before = room(&told);
    desk.core.picture_places(&mut told);
    assert_eq!((told.count(), told.is_cut), (PLACES_MAX, true));
    assert_eq!(room(&told), before, "the engine's thread allocates nothing");
    let ahead: Vec<_> = around(&told, Buy).iter().map(|row| row.2).collect();
    assert!(ahead.into_iter().eq(0..PLACES_MAX as u64));
}
