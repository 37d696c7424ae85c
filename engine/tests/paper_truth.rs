//! Fills of orders that rest on paper beside a recorded market, against those that they would have had in it.
//!
//! The twin is the market itself: one price, a queue in which our orders stand among the others', and sales that take from its
//! front. What is recorded is the same market without ours. As long as nobody cancels and somebody is displayed, both must agree.

mod support;
use proptest::prelude::*;
use std::collections::VecDeque;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::event::{Event, ExecType};
use tidegate_model::*;

const BID: Ticks = Ticks(1_000_000);

#[derive(Clone, Debug)]
enum Step {
    /// Somebody else joins the queue.
    Join(u64),
    /// We do.
    Ours(u64),
    /// Somebody sells.
    Sell(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..60u64).prop_map(Step::Join),
        3 => (1..40u64).prop_map(Step::Ours),
        5 => (1..90u64).prop_map(Step::Sell),
    ]
}

/// How the market is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    /// Order by order.
    Orders,
    /// Each trade, then what is left of the level.
    Levels,
}

struct Market {
    desk: Desk,
    record: Record,
    /// With ours, which have a number: lots from the front.
    truth: VecDeque<(Option<u64>, u64)>,
    /// Without ours: reference and lots.
    recorded: VecDeque<(u64, u64)>,
    refs: u64,
    ours: u64,
}

impl Market {
    fn displayed(&self) -> u64 {
        self.recorded.iter().map(|order| order.1).sum()
    }

    fn tell_level(&mut self) -> Vec<Event> {
        let displayed = self.displayed();
        self.desk.market(level(Buy, BID, displayed))
    }

    fn join(&mut self, qty: u64) {
        self.refs += 1;
        self.truth.push_back((None, qty));
        self.recorded.push_back((self.refs, qty));
        match self.record {
            Record::Orders => self.desk.market(add(self.refs, Buy, BID, qty)),
            Record::Levels => self.tell_level(),
        };
    }

    /// Sells, and gives the fills of ours on paper and in truth: order and lots.
    fn sell(&mut self, qty: u64) -> [Vec<(u64, u64)>; 2] {
        let qty = qty.min(self.displayed() - 1);
        let (mut on_paper, mut in_truth) = (Vec::new(), Vec::new());
        take(&mut self.truth, qty, |order, lots| {
            if let Some(order) = order {
                in_truth.push((order, lots));
            }
        });
        let mut executed = Vec::new();
        take(&mut self.recorded, qty, |order, lots| executed.push(execute(order, lots)));
        if self.record == Record::Levels {
            executed = if qty > 0 { vec![trade(Sell, BID, qty)] } else { Vec::new() };
        }
        let mut told: Vec<_> =
            executed.into_iter().flat_map(|event| self.desk.market(event)).collect();
        if self.record == Record::Levels {
            told.extend(self.tell_level());
        }
        for event in told {
            if let Event::Execution(execution) = event
                && execution.exec_type == ExecType::Trade.wire()
            {
                let order = execution.order_id.0;
                // One sale meets several recorded orders, and may fill one of ours by each.
                match on_paper.last_mut() {
                    Some((last, lots)) if *last == order => *lots += execution.last_qty.0,
                    _ => on_paper.push((order, execution.last_qty.0)),
                }
            }
        }
        in_truth.sort_unstable();
        on_paper.sort_unstable();
        let sum = |fills: Vec<(u64, u64)>| {
            let mut sums: Vec<(u64, u64)> = Vec::new();
            for (order, lots) in fills {
                match sums.last_mut() {
                    Some((last, sum)) if *last == order => *sum += lots,
                    _ => sums.push((order, lots)),
                }
            }
            sums
        };
        [sum(on_paper), sum(in_truth)]
    }
}

/// Takes lots from the front of a queue.
fn take<T: Copy>(queue: &mut VecDeque<(T, u64)>, mut qty: u64, mut each: impl FnMut(T, u64)) {
    while qty > 0 {
        let (order, lots) = queue.front_mut().expect("more is there than is taken");
        let taken = qty.min(*lots);
        each(*order, taken);
        *lots -= taken;
        qty -= taken;
        if *lots == 0 {
            queue.pop_front();
        }
    }
}

/// How many lots of ours were filled.
fn play(record: Record, steps: &[Step]) -> u64 {
    let mut desk = Desk::new(0);
    desk.market(match record {
        Record::Orders => add(100_000, Sell, cents(10_010), 100),
        Record::Levels => level(Sell, cents(10_010), 100),
    });
    let (truth, recorded) = (VecDeque::new(), VecDeque::new());
    let mut market = Market { desk, record, truth, recorded, refs: 0, ours: 0 };
    market.join(10);
    let mut filled = 0;
    for (at, step) in steps.iter().enumerate() {
        market.desk.now.0 += 10;
        match *step {
            Step::Join(qty) => market.join(qty),
            Step::Ours(qty) => {
                market.ours += 1;
                market.truth.push_back((Some(market.ours), qty));
                let told = market.desk.order(Buy, Some(BID), qty, Gtc);
                assert_eq!(lines(&told), [format!("{} new -> new", market.ours)]);
            }
            Step::Sell(qty) => {
                let [on_paper, in_truth] = market.sell(qty);
                assert_eq!(on_paper, in_truth, "step {at} of {record:?}");
                filled += in_truth.iter().map(|fill| fill.1).sum::<u64>();
            }
        }
    }
    filled
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn our_own_orders_are_where_they_would_have_been(steps in prop::collection::vec(step(), 1..80)) {
        play(Record::Orders, &steps);
        play(Record::Levels, &steps);
    }
}

#[test]
fn what_ours_took_spares_others_who_stand_ahead_of_our_next_order() {
    use Step::{Join, Ours, Sell};
    // Ten and ours of 20 ahead of 50: a sale of 25 fills 15, so in truth 50 stand ahead of the next, in the record 35.
    // The last sales leave 21, then 6, then none of them, and the last 8 lots are ours.
    let steps = [Ours(20), Join(50), Sell(25), Ours(10), Sell(45), Join(30), Sell(15), Sell(14)];
    for record in [Record::Orders, Record::Levels] {
        assert_eq!(play(record, &steps), 20 + 8);
    }
}
