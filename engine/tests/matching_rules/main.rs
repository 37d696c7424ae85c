//! The rule book (`docs/rule-book.md`) as scenarios, each named by its rule and the venue's rule that it is written from.
//!
//! A line is an input and, behind `->`, all that it reports. Without `->` an order is accepted (a replace replaced) as it
//! came, and anything else reports nothing. `book ->` gives the displayed book, `indicative ->` the auction as it stands.

#[path = "../matching_support/mod.rs"]
mod support;

mod basics;
mod instructions;
mod phases;
mod refusals;
mod types;

use support::text::parse;
use support::{Input, Matching, Report, book, told};
use tidegate_engine::matching::{NaiveMarket, SingleMarket};
use tidegate_model::Ticks;

/// A rule's number, what of it is shown and where it is from, and the lines.
type Scenario = (&'static str, &'static str);

/// Runs each scenario on each kind of market.
#[track_caller]
fn check(scenarios: &[Scenario]) {
    for (name, lines) in scenarios {
        run::<NaiveMarket>(name, lines, Ticks(1));
        run::<SingleMarket>(name, lines, Ticks(1));
    }
}

fn run<M: Matching>(name: &str, lines: &str, increment: Ticks) {
    let mut market = M::new(increment);
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, expected) = match line.split_once("->") {
            Some((asked, expected)) => (asked.trim(), Some(expected.trim())),
            None => (line, None),
        };
        let got = match asked {
            "book" => book(&market),
            "indicative" => Report::Indicative(market.indicative()).to_string(),
            _ => ask(&mut market, asked, expected),
        };
        let as_asked = || match parse(asked) {
            Input::New(entry) => told(&[Report::Accepted(entry.handle, entry.price)]),
            Input::Replace { handle, leaves, price, .. } => {
                told(&[Report::Replaced(handle, price, leaves)])
            }
            _ => String::new(),
        };
        let expected = expected.map_or_else(as_asked, |expected| expected.to_string());
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&got), words(&expected), "\n{name}\n{lines}\nat: {line}");
    }
}

/// What an input reports. An order that is accepted at its price says so in short; phases that were asked for, and what
/// an auction would do, are left out unless the line is about them.
fn ask(market: &mut impl Matching, asked: &str, expected: Option<&str>) -> String {
    let input = parse(asked);
    let mut reports = market.report(&input);
    let wants = |word: &str| expected.is_some_and(|expected| expected.contains(word));
    reports.retain(|report| match report {
        Report::Indicative(_) => wants("indicative"),
        Report::Phase(phase) => input != Input::Phase(*phase),
        _ => true,
    });
    if let (Input::New(entry), Some(_), Some(Report::Accepted(_, price))) =
        (input, expected, reports.first_mut())
        && *price == entry.price
    {
        *price = Ticks(0);
    }
    told(&reports)
}

/// A scenario that expects the wrong thing must fail.
#[test]
#[should_panic(expected = "at: new 2 sell limit 100 x4 -> accepted 2")]
fn a_wrong_scenario_is_noticed() {
    check(&[("", "new 1 buy limit 100 x10\n new 2 sell limit 100 x4 -> accepted 2")]);
}
