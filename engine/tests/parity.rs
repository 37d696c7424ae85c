//! Journals with known differences: each amount is reckoned by hand.

mod support;
use std::path::Path;
use support::*;
use tidegate_engine::parity::{Compared, Parity, ParityError, Rates, Settings, Unfit, compare};
use tidegate_engine::replay::ReplayError;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Writer};
use tidegate_model::command::*;
use tidegate_model::instrument::{format_money, venue_kind};
use tidegate_model::market::{Bar, MarketEventKind as Kind};
use tidegate_model::*;

const MS: u64 = 1_000_000;
const ROUTE: u8 = 2;

/// A journal that is written by hand.
struct Tape {
    dir: tempfile::TempDir,
    writer: Writer,
    seq: SeqNo,
    now: UnixNanos,
    orders: u64,
}

impl Tape {
    /// A desk whose paper venue takes `latency_ns`, and whose one instrument is `terms`.
    fn new(latency_ns: u64, terms: Instrument) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = Config { segment_len: 1 << 17, ..Config::default() };
        let (writer, _) = Writer::open(dir.path(), config).expect("a new journal");
        let mut tape = Self { dir, writer, seq: SeqNo::ZERO, now: UnixNanos(MS), orders: 0 };
        tape.tell(Command::Configure(configure(latency_ns)));
        tape.tell(Command::DefineInstrument(terms));
        for command in setup_commands() {
            tape.tell(command);
        }
        tape.hear(definition());
        for link in [RouteLink::Reconciling, RouteLink::Up] {
            let link = link.wire();
            let status = RouteStatus { cursor: [9, 0], route: ROUTE, link, reserved: [0; 6] };
            tape.tell(Command::RouteStatus(status));
        }
        tape
    }

    /// On a route, with 500 at 99.90 bid and 500 at 100.00 offered; the simulator supposes 1 ms.
    fn routed() -> Self {
        Self::quoted(Instrument { venue_kind: venue_kind::ROUTE, route: ROUTE, ..acme() })
    }

    /// On paper.
    fn paper() -> Self {
        Self::quoted(acme())
    }

    fn quoted(terms: Instrument) -> Self {
        let mut tape = Self::new(MS, terms);
        tape.hear(add(1, Side::Buy, cents(9_990), 500));
        tape.hear(add(2, Side::Sell, cents(10_000), 500));
        tape
    }

    fn tell(&mut self, command: Command) {
        let mut record = CommandRecord::new(command);
        record.ts_recv = self.now;
        self.seq = self.seq.next();
        self.writer.append_pod(KIND_COMMAND, self.seq, &record).expect("room");
    }

    fn hear(&mut self, event: MarketEvent) {
        let event = MarketEvent { ts_recv: self.now, ts_event: self.now, ..event };
        self.seq = self.seq.next();
        self.writer.append_pod(KIND_MARKET_EVENT, self.seq, &event).expect("room");
    }

    /// Time passes.
    fn at_ms(&mut self, ms: u64) -> &mut Self {
        assert!(self.now.0 <= ms * MS, "time goes on");
        self.now = UnixNanos(ms * MS);
        self
    }

    /// A limit order; its number.
    fn order(&mut self, side: Side, price: i64, qty: u64) -> u64 {
        self.orders += 1;
        let name = format!("order-{}", self.orders);
        let order = new_order(&name, side, Some(cents(price)), qty, TimeInForce::Gtc);
        self.tell(Command::NewOrder(order));
        self.orders
    }

    fn cancel(&mut self, order_id: u64) {
        self.tell(Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order_id),
            account: ACCOUNT,
            reserved: [0; 4],
        }));
    }

    /// An iceberg of 24 by 8, of which the engine sends one part after the other from `start_ms` on.
    fn iceberg(&mut self, side: Side, price: i64, start_ms: u64) {
        let head: NewAlgorithm = bytemuck::Zeroable::zeroed();
        self.tell(Command::NewAlgorithm(NewAlgorithm {
            account: ACCOUNT,
            list_id: 1,
            start_at: UnixNanos(start_ms * MS),
            slice_qty: Lots(8),
            algorithm: Algorithm::Iceberg.wire(),
            ..head
        }));
        let order = new_order("iceberg", side, Some(cents(price)), 24, TimeInForce::Day);
        self.tell(Command::NewOrder(NewOrder { list_id: 1, leg: 1, ..order }));
    }

    /// A bar of the last millisecond.
    fn bar(&mut self, low: i64, high: i64, volume: u64) {
        let [open, high, low, close] = [high, high, low, low].map(cents);
        let (begin, end, volume) = (UnixNanos(self.now.0 - MS), self.now, Lots(volume));
        let bar = Bar { channel_id: 7, begin, end, open, high, low, close, volume, feed_seq: 1 };
        for half in bar.into_events() {
            self.hear(half);
        }
    }

    fn report(&mut self, kind: RouteReportKind, order_id: u64, more: RouteReport) {
        let (order_id, kind) = (OrderId(order_id), kind.wire());
        self.tell(Command::RouteReport(RouteReport { order_id, kind, route: ROUTE, ..more }));
    }

    fn accepted(&mut self, order_id: u64) {
        self.report(RouteReportKind::Accepted, order_id, blank());
    }

    /// An execution at the venue behind the route, for which it charged `fee_cents`.
    fn executed(&mut self, order_id: u64, qty: u64, price: i64, cum_qty: u64, fee_cents: i128) {
        let (price, fee) = (cents(price), Money(fee_cents * MONEY / 100));
        let more = RouteReport { qty: Lots(qty), cum_qty: Lots(cum_qty), price, fee, ..blank() };
        self.report(RouteReportKind::Executed, order_id, more);
    }

    /// The last trade, which is the mark: bought of an order that nobody saw.
    fn mark(&mut self, price: i64) {
        self.hear(trade(Side::Buy, cents(price), 1));
    }

    fn end(self) -> Ended {
        self.writer.close().expect("written");
        Ended(self.dir)
    }
}

/// A journal that is written.
struct Ended(tempfile::TempDir);

impl Ended {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn compared(&self, settings: &Settings) -> Parity {
        let parity = compare(self.path(), settings, &mut |_| {}).expect("it can be compared");
        let parity = parity.expect("it has inputs");
        println!("{:?} refused, {:?}", parity.recording.refused, parity.unfit);
        parity
    }

    /// What the simulation makes of each order, if that is what was.
    fn as_it_was(&self) -> Vec<Vec<(i64, u64)>> {
        let parity = self.compared(&AS_IT_WAS);
        let told = |one: &Compared| {
            let order = &parity.recording.orders[one.order];
            assert_eq!(one.simulated, order.fills, "order {}", order.order_id);
            one.simulated.iter().map(|fill| (fill.price.0 / 100, fill.qty.0)).collect()
        };
        parity.compared.iter().map(told).collect()
    }

    /// One line for each order: the parts that are not 0, and the whole.
    fn parts(&self, settings: &Settings) -> Vec<String> {
        self.compared(settings).compared.iter().map(line).collect()
    }
}

fn line(one: &Compared) -> String {
    let named = one.parts.named().into_iter().filter(|part| part.1 != Money::ZERO);
    let mut words: Vec<_> =
        named.map(|(name, amount)| format!("{name} {}", format_money(amount))).collect();
    words.push(format!("= {}", format_money(one.parts.difference)));
    words.join(", ")
}

fn acme() -> Instrument {
    Instrument::us_equity(Symbol::new("ACME").expect("valid"))
}

fn blank() -> RouteReport {
    bytemuck::Zeroable::zeroed()
}

const AS_IT_WAS: Settings = Settings { latency_ns: None, fill_model: None, rates: None };

fn supposing(latency_ns: u64) -> Settings {
    Settings { latency_ns: Some(latency_ns), ..AS_IT_WAS }
}

#[test]
fn a_route_that_does_what_the_simulator_does_differs_in_nothing() {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 10_005, 100);
    tape.at_ms(11).accepted(1);
    tape.executed(1, 100, 10_000, 100, 0);
    tape.at_ms(20).mark(10_100);
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["= 0.00"]);
}

#[test]
fn a_slower_way_meets_another_price() {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    // The offer goes up by five cents before the venue has the order, 50 ms after it left.
    tape.at_ms(20).hear(market(Kind::Delete, 2));
    tape.hear(add(3, Side::Sell, cents(10_005), 500));
    tape.at_ms(60).accepted(1);
    tape.executed(1, 100, 10_005, 100, 0);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["latency -5.00, = -5.00"]);
    // One who supposes 10 ms and more has it.
    assert_eq!(tape.parts(&supposing(11 * MS)), ["= 0.00"]);
    assert_eq!(tape.compared(&AS_IT_WAS).recording.orders[0].latency_ns, Some(50 * MS));
}

#[test]
fn a_slower_way_may_meet_nothing() {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 10_000, 100);
    tape.at_ms(20).hear(market(Kind::Delete, 2));
    tape.at_ms(60).accepted(1);
    tape.at_ms(70).mark(10_030);
    // The simulator bought 100 at 100.00, which are worth 30 cents more at the end.
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["latency -30.00, = -30.00"]);
}

#[test]
fn a_late_cancel_is_latency() {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 9_995, 100);
    tape.at_ms(11).accepted(1);
    tape.at_ms(20).cancel(1);
    // Sold through the order before the cancel is there.
    tape.at_ms(30).hear(trade(Side::Sell, cents(9_990), 100));
    tape.executed(1, 100, 9_995, 100, 0);
    tape.at_ms(40).mark(9_900);
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["latency -95.00, = -95.00"]);
}

#[test]
fn a_worse_price_with_the_same_latency_is_slippage() {
    for (side, limit, price, expected) in [
        (Side::Buy, 10_010, 10_003, "slippage -3.00, = -3.00"),
        (Side::Buy, 10_010, 9_999, "slippage 1.00, = 1.00"),
        (Side::Sell, 9_980, 9_988, "slippage -2.00, = -2.00"),
    ] {
        let mut tape = Tape::routed();
        tape.at_ms(10).order(side, limit, 100);
        tape.at_ms(11).accepted(1);
        tape.executed(1, 100, price, 100, 0);
        assert_eq!(tape.end().parts(&AS_IT_WAS), [expected]);
    }
}

#[test]
fn slippage_is_of_what_both_filled_lot_by_lot() {
    let mut tape = Tape::routed();
    tape.hear(add(3, Side::Sell, cents(10_002), 500));
    tape.at_ms(10).order(Side::Buy, 10_010, 600);
    tape.at_ms(11).accepted(1);
    // Supposed: 500 at 100.00 and 100 at 100.02. Actual: 200 at 100.01, 300 at 100.03, none after.
    tape.executed(1, 200, 10_001, 200, 0);
    tape.executed(1, 300, 10_003, 500, 0);
    tape.at_ms(20).mark(10_022);
    // 200 x 1 cent and 300 x 3 cents; 100 lots are missing that would have gained 20 cents.
    let expected = ["slippage -11.00, missed fills -20.00, = -31.00"];
    assert_eq!(tape.end().parts(&AS_IT_WAS), expected);
}

/// A bid of 100 at 99.90 behind 500 lots; then 530 are executed there, the last 30 of an order behind it.
fn queued() -> Tape {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 9_990, 100);
    tape.at_ms(11).accepted(1);
    tape.at_ms(20).hear(add(4, Side::Buy, cents(9_990), 200));
    tape.hear(execute(1, 500));
    tape.hear(execute(4, 80));
    tape
}

#[test]
fn what_a_worse_place_explains_is_of_the_queue() {
    let mut tape = queued();
    // The exact place gives 80, the real one gave 30: nothing went through the price, so 50 are of the place.
    tape.executed(1, 30, 9_990, 30, 0);
    tape.at_ms(30).mark(10_090);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["queue place -50.00, = -50.00"]);
    assert_eq!(tape.compared(&AS_IT_WAS).compared[0].parts.queue_qty, -50);
}

#[test]
fn what_a_better_place_explains_is_of_the_queue_and_what_none_does_is_extra() {
    let mut tape = queued();
    // 580 were executed at the price: the first place gives all 100.
    tape.executed(1, 100, 9_990, 100, 0);
    tape.at_ms(30).mark(10_090);
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["queue place 20.00, = 20.00"]);

    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 9_990, 100);
    tape.at_ms(11).accepted(1);
    tape.at_ms(20).hear(execute(1, 40));
    // 40 were executed at the price: of the 100 that were bought the first place explains 40.
    tape.executed(1, 100, 9_990, 100, 0);
    tape.at_ms(30).mark(10_090);
    let expected = ["queue place 40.00, extra fills 60.00, = 100.00"];
    assert_eq!(tape.end().parts(&AS_IT_WAS), expected);
}

#[test]
fn what_went_through_the_price_and_was_not_filled_is_missed() {
    let mut tape = queued();
    // 30 more go through the price: from the last place these are filled. The simulator has 80 and 20.
    tape.hear(trade(Side::Sell, cents(9_980), 30));
    tape.at_ms(30).mark(10_090);
    // None was: 30 no place explains, 70 the last one.
    let expected = ["queue place -70.00, missed fills -30.00, = -100.00"];
    assert_eq!(tape.end().parts(&AS_IT_WAS), expected);
}

#[test]
fn what_a_route_tells_of_fees_is_compared_with_the_schedule() {
    let terms = Instrument { taker_fee_e8: 10_000, ..acme() };
    let terms = Instrument { venue_kind: venue_kind::ROUTE, route: ROUTE, ..terms };
    let mut tape = Tape::quoted(terms);
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    tape.at_ms(11).accepted(1);
    // The schedule takes 1 bp of 10,000, the venue 1.75.
    tape.executed(1, 100, 10_000, 100, 175);
    tape.at_ms(12).order(Side::Buy, 10_010, 100);
    tape.at_ms(13).accepted(2);
    // A route that tells fees means a 0.
    tape.executed(2, 100, 10_000, 100, 0);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["fees -0.75, = -0.75", "fees 1.00, = 1.00"]);
    let rates = Some(Rates { maker_e8: 0, taker_e8: 20_000 });
    let two = Settings { rates, ..AS_IT_WAS };
    assert_eq!(tape.parts(&two), ["fees 0.25, = 0.25", "fees 2.00, = 2.00"]);

    // One that never tells any is taken to charge what was booked.
    let mut tape = Tape::quoted(terms);
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    tape.at_ms(11).accepted(1);
    tape.executed(1, 100, 10_000, 100, 0);
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["= 0.00"]);
}

#[test]
fn several_causes_in_one_order_are_told_apart() {
    let terms = Instrument { maker_fee_e8: -5_000, taker_fee_e8: 10_000, ..acme() };
    let terms = Instrument { venue_kind: venue_kind::ROUTE, route: ROUTE, ..terms };
    let mut tape = Tape::quoted(terms);
    tape.at_ms(10).order(Side::Buy, 10_010, 600);
    tape.at_ms(20).hear(market(Kind::Delete, 2));
    tape.hear(add(3, Side::Sell, cents(10_005), 400));
    tape.at_ms(40).accepted(1);
    tape.executed(1, 300, 10_007, 300, 500);
    tape.at_ms(50).mark(10_025);
    // Supposed, after 1 ms: 500 at 100.00, the rest at 100.10 first in its queue; the offer of 400 at 100.05 then comes across
    // it, and 100 meet. After 30 ms: 400 at 100.05, and 200 rest at 100.10 unfilled.
    // latency: 400 x 20 cents - (500 x 25 + 100 x 15 cents) = 80 - 140 = -60.
    // slippage: 300 x 2 cents. Missed: 100 that had gained 20 cents.
    // fees: 5.00 of the venue; supposed 1 bp of 50,000 less half a bp of 100 x 100.10: 5.00 - 0.5005.
    let expected = "latency -60.00, slippage -6.00, missed fills -20.00, fees -0.5005, = -86.5005";
    assert_eq!(tape.end().parts(&AS_IT_WAS), [expected]);
}

#[test]
fn an_order_that_the_venue_refused_is_missed() {
    let mut tape = Tape::routed();
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    tape.at_ms(11).report(RouteReportKind::Rejected, 1, blank());
    tape.at_ms(20).mark(10_050);
    assert_eq!(tape.end().parts(&AS_IT_WAS), ["missed fills -50.00, = -50.00"]);
}

#[test]
fn on_paper_the_journal_says_what_the_latency_was() {
    let mut tape = Tape::paper();
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    tape.now.0 += MS / 2;
    tape.hear(market(Kind::Delete, 2));
    tape.hear(add(3, Side::Sell, cents(10_005), 500));
    tape.at_ms(20).mark(10_005);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["= 0.00"]);
    assert_eq!(tape.parts(&supposing(0)), ["latency -5.00, = -5.00"]);
    assert_eq!(tape.parts(&supposing(MS / 4)), ["latency -5.00, = -5.00"]);
    assert_eq!(tape.parts(&supposing(2 * MS)), ["= 0.00"]);
}

#[test]
fn on_paper_the_journal_says_what_the_queue_was() {
    let mut tape = Tape::paper();
    tape.at_ms(10).order(Side::Buy, 9_990, 100);
    tape.at_ms(20).hear(execute(1, 500));
    tape.hear(add(4, Side::Buy, cents(9_990), 200));
    tape.hear(execute(4, 80));
    tape.at_ms(30).mark(10_090);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["= 0.00"]);
    let model = |model: FillModelKind, flags| {
        let set = SetFillModel { model: model.wire(), flags, ..SetFillModel::default() };
        Settings { fill_model: Some(set), ..AS_IT_WAS }
    };
    // 80 were filled by the exact place; by quotes none, or with a touch all.
    let none = tape.parts(&model(FillModelKind::Quotes, 0));
    assert_eq!(none, ["queue place 80.00, = 80.00"]);
    let all = tape.parts(&model(FillModelKind::Quotes, FLAG_FILL_ON_TOUCH));
    assert_eq!(all, ["queue place -20.00, = -20.00"]);
}

#[test]
fn on_paper_other_rates_are_a_difference_of_fees() {
    let mut tape = Tape::quoted(Instrument { taker_fee_e8: 10_000, ..acme() });
    tape.at_ms(10).order(Side::Buy, 10_010, 100);
    tape.at_ms(20).mark(10_000);
    let rates = Some(Rates { maker_e8: 0, taker_e8: 2_500 });
    let settings = Settings { rates, ..AS_IT_WAS };
    // 1.00 was charged, 0.25 is supposed.
    assert_eq!(tape.end().parts(&settings), ["fees -0.75, = -0.75"]);
}

#[test]
fn an_order_that_waits_for_its_stop_price_is_late_from_its_trigger_on() {
    let mut tape = Tape::routed();
    tape.orders += 1;
    let order_type = OrderType::StopLimit.wire();
    let stop_price = cents(10_000);
    let order = new_order("stop", Side::Buy, Some(cents(10_020)), 100, TimeInForce::Gtc);
    tape.at_ms(10).tell(Command::NewOrder(NewOrder { order_type, stop_price, ..order }));
    tape.at_ms(100).mark(10_000);
    tape.at_ms(110).hear(market(Kind::Delete, 2));
    tape.hear(add(3, Side::Sell, cents(10_005), 500));
    tape.at_ms(125).accepted(1);
    tape.executed(1, 100, 10_006, 100, 0);
    let tape = tape.end();
    assert_eq!(tape.parts(&AS_IT_WAS), ["latency -5.00, slippage -1.00, = -6.00"]);
    assert_eq!(tape.compared(&AS_IT_WAS).recording.orders[0].latency_ns, Some(25 * MS));
}

#[test]
fn what_a_bar_brings_about_leaves_within_it() {
    let mut tape = Tape::new(MS, acme());
    tape.mark(9_990);
    tape.at_ms(10).iceberg(Side::Buy, 9_998, 0);
    tape.at_ms(11).tell(Command::Time);
    // A tenth of it fills the first part. The next one is there at once, as nothing in a bar has a latency.
    tape.at_ms(20).bar(9_990, 9_990, 80);
    tape.hear(add(1, Side::Sell, cents(9_990), 3));
    tape.at_ms(30).mark(9_998);
    let tape = tape.end();
    assert_eq!(tape.as_it_was(), [vec![(9_990, 8)], vec![(9_998, 3)]]);
    assert_eq!(tape.parts(&supposing(2 * MS)), ["= 0.00", "= 0.00"]);
}

#[test]
fn what_follows_from_the_volume_of_a_bar_leaves_after_it() {
    let mut tape = Tape::new(MS, acme());
    tape.mark(9_990);
    let head: NewAlgorithm = bytemuck::Zeroable::zeroed();
    tape.at_ms(10).tell(Command::NewAlgorithm(NewAlgorithm {
        account: ACCOUNT,
        list_id: 1,
        slice_qty: Lots(5),
        rate_bp: 1_000,
        algorithm: Algorithm::Pov.wire(),
        ..head
    }));
    let order = new_order("pov", Side::Buy, Some(cents(9_998)), 8, TimeInForce::Day);
    tape.tell(Command::NewOrder(NewOrder { list_id: 1, leg: 1, ..order }));
    tape.at_ms(20).bar(9_990, 9_990, 50);
    // It is under way.
    tape.hear(add(1, Side::Sell, cents(9_990), 3));
    tape.hear(market(Kind::Delete, 1));
    tape.at_ms(21).tell(Command::Time);
    tape.hear(add(2, Side::Sell, cents(9_990), 2));
    tape.at_ms(30).mark(9_998);
    assert_eq!(tape.end().as_it_was(), [vec![(9_998, 2)]]);
}

#[test]
fn requests_of_one_input_arrive_in_the_order_in_which_they_left() {
    let mut tape = Tape::new(MS, acme());
    tape.mark(10_000);
    tape.at_ms(10).iceberg(Side::Buy, 9_996, 0);
    let order_type = OrderType::MarketIfTouched.wire();
    let order = new_order("touched", Side::Buy, None, 6, TimeInForce::Day);
    tape.tell(Command::NewOrder(NewOrder { order_type, stop_price: cents(9_995), ..order }));
    tape.at_ms(11).tell(Command::Time);
    tape.hear(add(1, Side::Sell, cents(10_008), 50));
    // Fills the first part, whose successor leaves before the order that it touches.
    tape.at_ms(20).hear(MarketEvent { side: 0, ..trade(Side::Sell, cents(9_990), 8) });
    tape.hear(add(2, Side::Sell, cents(9_996), 9));
    tape.at_ms(30).tell(Command::Time);
    tape.mark(9_998);
    let touched = vec![(9_996, 1), (10_008, 5)];
    let parts = [vec![(9_996, 8)], touched, vec![(9_996, 8)], vec![]];
    assert_eq!(tape.end().as_it_was(), parts);
}

#[test]
fn what_was_due_before_an_input_meets_the_market_before_it() {
    // Nobody told the time when it was due: the event does, which takes the offer away.
    let mut tape = Tape::new(0, acme());
    tape.hear(add(1, Side::Sell, cents(10_000), 5));
    tape.mark(10_000);
    tape.at_ms(10).iceberg(Side::Buy, 10_000, 15);
    tape.at_ms(20).hear(market(Kind::Delete, 1));
    tape.at_ms(30).mark(10_000);
    assert_eq!(tape.end().as_it_was(), [vec![(10_000, 5)]]);

    // It was there when the bar began, although the time was told later.
    let mut tape = Tape::new(0, acme());
    tape.mark(10_000);
    tape.at_ms(10).iceberg(Side::Buy, 10_000, 15);
    tape.at_ms(16).tell(Command::Time);
    tape.now.0 += MS / 4;
    tape.bar(9_990, 9_990, 50);
    tape.at_ms(30).mark(10_000);
    assert_eq!(tape.end().as_it_was(), [vec![(9_990, 5)]]);
}

#[test]
fn what_cannot_be_simulated_is_said() {
    // A market of the house.
    let mut tape = Tape::new(
        MS,
        Instrument { venue_kind: venue_kind::INTERNAL, order_tick_from: Ticks::ZERO, ..acme() },
    );
    let reference = SetReference {
        instrument: INSTRUMENT,
        price: cents(10_000),
        ..bytemuck::Zeroable::zeroed()
    };
    tape.tell(Command::SetReference(reference));
    tape.order(Side::Buy, 10_000, 100);
    tape.order(Side::Sell, 10_000, 40);
    let parity = tape.end().compared(&AS_IT_WAS);
    assert_eq!(parity.unfit, [(0, Unfit::Internal), (1, Unfit::Internal)]);
    assert!(parity.compared.is_empty());
    assert_eq!(parity.recording.orders[0].fills.len(), 1);
}

#[test]
fn a_journal_that_cannot_be_is_an_error() {
    let error = |dir: &Path| compare(dir, &AS_IT_WAS, &mut |_| {}).expect_err("no journal");
    let dir = tempfile::tempdir().expect("a folder");
    assert!(matches!(error(dir.path()), ParityError::Replay(ReplayError::Journal(_))));

    // It begins with something else.
    let config = Config { segment_len: 1 << 17, ..Config::default() };
    let (mut writer, _) = Writer::open(dir.path(), config.clone()).expect("a new journal");
    let record = CommandRecord::new(Command::Time);
    writer.append_pod(KIND_COMMAND, SeqNo(1), &record).expect("room");
    writer.close().expect("written");
    let found = error(dir.path());
    assert!(matches!(found, ParityError::Replay(ReplayError::NotConfigured(SeqNo(1)))), "{found}");

    // It begins in the middle.
    let dir = tempfile::tempdir().expect("a folder");
    let config = Config { first_seq: SeqNo(7), ..config };
    let (mut writer, _) = Writer::open(dir.path(), config).expect("a new journal");
    let record = CommandRecord::new(Command::Configure(configure(0)));
    writer.append_pod(KIND_COMMAND, SeqNo(7), &record).expect("room");
    writer.close().expect("written");
    let found = error(dir.path());
    assert!(matches!(found, ParityError::Replay(ReplayError::NotConfigured(SeqNo(7)))), "{found}");

    // A state hash that does not come again.
    let mut tape = Tape::paper();
    tape.writer.append_checkpoint(StateHash(1)).expect("room");
    let tape = tape.end();
    let found = error(tape.path());
    assert!(matches!(found, ParityError::Replay(ReplayError::Diverged { .. })), "{found}");
}
