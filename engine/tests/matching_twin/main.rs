//! Random flows of orders of every kind: what must hold of any market, and that two markets do the same.
//!
//! A failure is shrunk to the fewest steps and printed in the text form of `matching_support`; such a case can be put
//! into a scenario as it is.

#[path = "../matching_support/mod.rs"]
mod support;

mod flow;
mod ledger;

use flow::{Flow, flow, plain_flow};
use ledger::Ledger;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use support::{Input, Matching, Recorder, Report, told};
use tidegate_engine::matching::{NaiveMarket, Phase, SingleMarket};
use tidegate_model::Ticks;

/// One step of prices.
const INCREMENT: Ticks = Ticks(1);

/// Hands the inputs to a market and looks after each at what must hold.
fn keeps_the_rules<M: Matching>(inputs: &[Input]) {
    let mut market = M::new(INCREMENT);
    let mut ledger = Ledger::default();
    for input in inputs {
        let reports = market.report(input);
        ledger.enter(input, &reports, &market);
    }
}

/// Hands the inputs to two markets, which have to report the same and be the same after each.
fn do_the_same<A: Matching, B: Matching>(inputs: &[Input]) {
    let (mut one, mut other) = (A::new(INCREMENT), B::new(INCREMENT));
    for input in inputs {
        let [left, right] = [one.report(input), other.report(input)];
        assert_eq!(told(&left), told(&right), "at: {input}");
        assert_eq!(left, right, "at: {input}");
        for side in [tidegate_model::Side::Buy, tidegate_model::Side::Sell] {
            assert_eq!(one.levels(side), other.levels(side), "{side} levels after: {input}");
            assert_eq!(one.queued(side), other.queued(side), "{side} queues after: {input}");
        }
        let state = (one.phase(), one.last(), one.indicative());
        assert_eq!(state, (other.phase(), other.last(), other.indicative()), "after: {input}");
        assert_eq!(one.state_hash(), other.state_hash(), "after: {input}");
    }
}

/// Runs `check` on random flows. The one that fails is shrunk, printed and run once more.
fn holds(flows: impl Strategy<Value = Flow>, cases: u32, check: impl Fn(&[Input])) {
    if let Some(flow) = smallest_that_fails(flows, cases, &check) {
        eprintln!("the smallest case that fails:{flow:?}");
        check(&flow.inputs());
        panic!("it failed before, and does not now");
    }
}

/// The smallest flow found on which `check` panics. PROPTEST_CASES asks for more cases.
fn smallest_that_fails(
    flows: impl Strategy<Value = Flow>,
    cases: u32,
    check: &impl Fn(&[Input]),
) -> Option<Flow> {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(cases);
    // Most of the time went into the default generator, which nothing here needs the strength of.
    let rng_algorithm = RngAlgorithm::XorShift;
    let config = Config { cases, failure_persistence: None, rng_algorithm, ..Config::default() };
    let fails = |flow: &Flow| panics(|| check(&flow.inputs()));
    let found = TestRunner::new(config).run(&flows, |flow| match fails(&flow) {
        true => Err(TestCaseError::fail("")),
        false => Ok(()),
    });
    match found {
        Ok(()) => None,
        // Steps that were needed before others became simpler may not be any more.
        Err(TestError::Fail(_, flow)) => Some(flow.without_needless(fails)),
        Err(error) => panic!("{error}"),
    }
}

thread_local! {
    /// Whether what panics on this thread says so.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// True if `run` panics, which it does quietly.
fn panics(run: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    outcome.is_err()
}

#[test]
fn any_flow_keeps_the_rules() {
    holds(flow(120), 256, keeps_the_rules::<NaiveMarket>);
}

#[test]
fn the_market_does_what_the_naive_one_does() {
    holds(flow(160), 1_024, do_the_same::<NaiveMarket, SingleMarket>);
}

#[test]
fn the_market_does_what_the_naive_one_does_with_plain_orders() {
    holds(plain_flow(400), 256, do_the_same::<NaiveMarket, SingleMarket>);
}

/// Flows of market and limit orders, in which the ledger knows every order's place.
#[test]
fn priority_never_inverts() {
    holds(plain_flow(120), 256, |inputs| {
        let mut market = NaiveMarket::new(INCREMENT);
        let mut ledger = Ledger::of_plain_orders();
        for input in inputs {
            let reports = market.report(input);
            ledger.enter(input, &reports, &market);
        }
    });
}

/// Long flows in which the handles of ended orders are given again. `TIDEGATE_MATCHING_SEED=N` runs one more.
#[test]
fn long_flows_keep_the_rules() {
    let given = std::env::var("TIDEGATE_MATCHING_SEED").ok().and_then(|text| text.parse().ok());
    for seed in (1..=4).chain(given) {
        let steps = long_flow(seed, 2_000);
        let mut market = NaiveMarket::new(INCREMENT);
        let mut ledger = Ledger::default();
        for (number, input) in steps.inputs().iter().enumerate() {
            let input = ledger.renumbered(input);
            let run = AssertUnwindSafe(|| {
                let reports = market.report(&input);
                ledger.enter(&input, &reports, &market);
            });
            if let Err(panic) = catch_unwind(run) {
                eprintln!("seed {seed}, step {number}: {input}");
                eprintln!("run it again with TIDEGATE_MATCHING_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
}

fn long_flow(seed: u8, steps: usize) -> Flow {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    flow::exactly(steps).new_tree(&mut runner).expect("nothing is filtered").current()
}

/// The flows reach what they are for: every kind of report, every reason, and every kind of order in a trade.
#[test]
fn flows_reach_everything() {
    let mut reached = BTreeSet::new();
    for seed in 1..=6 {
        let mut market = NaiveMarket::new(INCREMENT);
        let mut ledger = Ledger::default();
        for input in long_flow(seed, 1_500).inputs() {
            let (phase, reports) = (market.phase(), market.report(&input));
            for report in &reports {
                reached.extend(names(report, &input, phase, &ledger));
            }
            ledger.enter(&input, &reports, &market);
        }
    }
    let expected = [
        "canceled user",
        "canceled ioc",
        "canceled fok",
        "canceled no_liquidity",
        "canceled mass_cancel",
        "canceled min_qty",
        "canceled self_trade",
        "canceled expired",
        "canceled price_band",
        "rejected post_only_would_cross",
        "rejected phase",
        "rejected expired",
        "rejected bad_field",
        "refused unknown_order",
        "refused bad_field",
        "refused phase",
        "refused post_only_would_cross",
        "replaced",
        "replaced and traded",
        "triggered",
        "halted",
        "indicative",
        "auction",
        "hidden maker",
        "pegged maker",
        "pegged taker from rest",
        "iceberg maker",
        "min maker",
        "min taker from rest",
        "at_the_open trade",
        "at_the_close trade",
        "market trade",
        "market_to_limit trade",
        "stop trade",
        "stop_limit trade",
        "trailing_stop trade",
        "trailing_stop_limit trade",
        "market_if_touched trade",
        "limit_if_touched trade",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !reached.contains(**name)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

/// What a report shows, in words.
fn names(report: &Report, input: &Input, before: Phase, ledger: &Ledger) -> Vec<String> {
    let mut names = Vec::new();
    match report {
        Report::Accepted(..) => {}
        Report::Canceled(_, _, reason) => names.push(format!("canceled {reason}")),
        Report::Rejected(_, reject) => names.push(format!("rejected {}", reject.reason)),
        Report::Refused(_, reject) => names.push(format!("refused {}", reject.reason)),
        Report::Replaced(..) => names.push("replaced".to_string()),
        Report::Triggered(..) => names.push("triggered".to_string()),
        Report::Indicative(_) => names.push("indicative".to_string()),
        Report::Phase(phase) if *input == Input::Phase(*phase) => {}
        Report::Phase(_) => names.push("halted".to_string()),
        Report::Trade(trade) => {
            if trade.auction {
                names.push("auction".to_string());
            }
            if matches!(input, Input::Replace { .. }) && before == Phase::Continuous {
                names.push("replaced and traded".to_string());
            }
            // The order that comes with this input is not yet known.
            for (handle, is_maker) in [(trade.maker, true), (trade.taker, false)] {
                names.extend(ledger.roles(handle, is_maker && !trade.auction, input));
            }
        }
    }
    names
}

/// A market that forgets one thing, to see that the comparison notices.
struct Forgetful(NaiveMarket);

impl Matching for Forgetful {
    fn new(increment: Ticks) -> Self {
        Self(NaiveMarket::new(increment))
    }
    fn apply(&mut self, input: &Input, out: &mut Recorder) {
        let mut input = *input;
        if let Input::New(entry) = &mut input {
            entry.terms.hidden = false;
        }
        self.0.apply(&input, out);
    }
    fn levels(&self, side: tidegate_model::Side) -> Vec<(Ticks, tidegate_model::Lots, u32)> {
        self.0.levels(side)
    }
    fn queued(&self, side: tidegate_model::Side) -> Vec<tidegate_engine::matching::Queued> {
        self.0.queued(side)
    }
    fn phase(&self) -> Phase {
        self.0.phase()
    }
    fn last(&self) -> Option<Ticks> {
        self.0.last()
    }
    fn indicative(&self) -> tidegate_engine::matching::Indicative {
        self.0.indicative()
    }
    fn open(&self, handle: u32) -> Option<tidegate_model::Lots> {
        self.0.open(handle)
    }
    fn state_hash(&self) -> tidegate_model::hash::StateHash {
        self.0.state_hash()
    }
}

/// What differs is found, and shrunk to the one step that shows it.
#[test]
fn a_wrong_twin_is_found_in_one_step() {
    let found = smallest_that_fails(flow(60), 256, &do_the_same::<NaiveMarket, Forgetful>);
    let flow = found.expect("they differ");
    let [input] = flow.inputs()[..] else { panic!("not the fewest steps: {flow:?}") };
    assert!(input.to_string().contains(" hidden"), "{input}");
}
