//! A backtest: what the trader hears, when, and what its answers lead to.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use support::{ACCOUNT, add, cents, configure, definition, execute, new_order, setup_commands};
use tidegate_engine::backtest::{Backtest, BacktestError, Config, Finished};
use tidegate_engine::core::{Core, NoOutput};
use tidegate_engine::replay::replay;
use tidegate_engine::trader::{Answer, COMMANDS_PER_STEP_MAX, Heard, Step, Trader, Watch};
use tidegate_model::command::{CancelOrder, OpenAccount, TimeInForce};
use tidegate_model::event::{Event, ExecType};
use tidegate_model::ids::Code;
use tidegate_model::{
    ClientOrderId, Command, MarketEvent, OrderId, RejectReason, Side, Symbol, UnixNanos,
};

const LATENCY_NS: u64 = 50;

/// Answers each step with the next entry of a script, and notes what it hears.
#[derive(Default)]
struct Scripted {
    script: VecDeque<(Vec<Command>, Option<u64>)>,
    /// Given when the script is over.
    for_ever: Vec<Command>,
    lines: Vec<String>,
    requests: u64,
}

impl Trader for Scripted {
    type Error = Infallible;

    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), Infallible> {
        assert!(core.now() <= step.now, "the engine is not ahead of what is told");
        let heard: Vec<_> = step.heard.iter().map(|heard| line(heard, step.now)).collect();
        self.lines.push(format!("{}: {}", step.now, heard.join(", ")));
        let (commands, wake_at) =
            self.script.pop_front().unwrap_or_else(|| (self.for_ever.clone(), None));
        for command in commands {
            self.requests += 1;
            answer.send(self.requests, command).expect("room");
        }
        answer.wake_at = wake_at.map(UnixNanos);
        Ok(())
    }
}

fn line(heard: &Heard, now: UnixNanos) -> String {
    match heard {
        Heard::Instrument(id) => format!("instrument {id}"),
        Heard::Quote(quote) => {
            let text = |side: Option<(tidegate_model::Ticks, tidegate_model::Lots)>| {
                side.map_or("-".to_string(), |(price, qty)| format!("{qty}@{}", price.0 / 100))
            };
            format!("quote {}/{}", text(quote.bid), text(quote.ask))
        }
        Heard::Trade(update) => {
            assert!(update.ts <= now, "nothing is heard before it happened");
            format!("trade {}@{}", update.qty, update.price.0 / 100)
        }
        Heard::Event(record) => {
            assert!(record.ts <= now, "nothing is heard before it happened");
            match record.event() {
                Some(Event::Execution(report)) => {
                    let exec_type = ExecType::from_wire(report.exec_type).expect("known");
                    format!("{}:{exec_type}", record.request_id)
                }
                Some(Event::CancelReject(_)) => format!("{}:cancel_reject", record.request_id),
                Some(Event::Position(position)) => format!("position {}", position.qty),
                Some(Event::Account(_)) => "cash".to_string(),
                other => format!("{other:?}"),
            }
        }
        Heard::Timer => "timer".to_string(),
        Heard::End => "end".to_string(),
    }
}

fn backtest(trader: Scripted, interval_ns: u64) -> Backtest<Scripted, ()> {
    backtest_with(trader, interval_ns, None, Watch::First(1))
}

fn backtest_with(
    trader: Scripted,
    interval_ns: u64,
    journal: Option<tidegate_journal::Writer>,
    watch: Watch,
) -> Backtest<Scripted, ()> {
    let begin = UnixNanos(1_000);
    let configure = configure(LATENCY_NS);
    let config = Config { configure, begin, account: ACCOUNT, watch, interval_ns, journal };
    let mut backtest = Backtest::new(config, trader, ()).expect("the sizes are allowed");
    for command in setup_commands() {
        backtest.command(command).expect("done");
    }
    backtest
}

fn at(time: u64, event: MarketEvent) -> MarketEvent {
    MarketEvent { ts_event: UnixNanos(time), ts_recv: UnixNanos(time), ..event }
}

fn buy(name: &str) -> Command {
    Command::NewOrder(new_order(name, Side::Buy, Some(cents(1_001)), 10, TimeInForce::Day))
}

/// A market of one instrument at 10.00 and 10.01, with an execution at the end.
fn events() -> Vec<MarketEvent> {
    vec![
        at(1_000, definition()),
        at(1_000, add(1, Side::Buy, cents(1_000), 100)),
        at(1_000, add(2, Side::Sell, cents(1_001), 100)),
        at(2_000, add(3, Side::Buy, cents(999), 100)),
        at(3_000, execute(2, 40)),
        at(4_000, add(4, Side::Sell, cents(1_002), 100)),
    ]
}

fn play(mut backtest: Backtest<Scripted, ()>) -> Finished<Scripted, ()> {
    backtest.start().expect("no error");
    for event in events() {
        backtest.market(&event).expect("no error");
    }
    backtest.finish().expect("no error")
}

#[track_caller]
fn check(script: Vec<(Vec<Command>, Option<u64>)>, interval_ns: u64, expected: &[&str]) {
    let trader = Scripted { script: script.into(), ..Scripted::default() };
    let finished = play(backtest(trader, interval_ns));
    assert_eq!(finished.trader.lines, expected);
    assert_eq!(finished.steps, expected.len() as u64);
}

#[test]
fn it_hears_of_instruments_changes_of_the_best_prices_and_trades_as_they_happen() {
    check(
        vec![],
        0,
        &[
            "1000: cash",
            "1000: instrument 0, quote -/-",
            "1000: quote 100@1000/-",
            "1000: quote 100@1000/100@1001",
            // The order at 9.99 and the one at 10.02 change no best price.
            "3000: quote 100@1000/60@1001, trade 40@1001",
            "4000: end",
        ],
    );
}

#[test]
fn an_order_takes_its_time_to_the_venue_and_a_timer_rings_before_the_next_event() {
    check(
        vec![
            (vec![], None),
            (vec![], None),
            (vec![], None),
            (vec![buy("a")], Some(1_020)),
            // The answer to the order's report says the timer anew, or it would be gone.
            (vec![], Some(1_020)),
            (vec![], Some(1_500)),
        ],
        0,
        &[
            "1000: cash",
            "1000: instrument 0, quote -/-",
            "1000: quote 100@1000/-",
            "1000: quote 100@1000/100@1001",
            "1000: 1:pending_new",
            "1020: timer",
            // Told to wait until 1500: at 1050 the order arrives, 50 ns after it was sent.
            "1050: 1:new, 1:trade, position 10, cash",
            "3000: quote 100@1000/60@1001, trade 40@1001",
            "4000: end",
        ],
    );
}

#[test]
fn with_an_interval_it_looks_now_and_then_but_hears_of_its_orders_at_once() {
    check(
        vec![(vec![], None), (vec![buy("a")], None)],
        700,
        &[
            "1000: cash",
            // New instruments are told at once, and the books of that moment with them.
            "1000: instrument 0, quote -/-",
            "1000: 1:rejected",
            "1700: quote 100@1000/100@1001",
            // At 3000 the last look is long over.
            "3000: quote 100@1000/60@1001, trade 40@1001",
            "4000: end",
        ],
    );
}

#[test]
fn what_is_held_is_heard_together_when_it_is_released() {
    let mut backtest = backtest(Scripted::default(), 0);
    backtest.start().expect("no error");
    backtest.hold();
    for event in &events()[..4] {
        backtest.market(event).expect("no error");
    }
    backtest.command(Command::DayRoll).expect("no error");
    backtest.release().expect("no error");
    for event in &events()[4..] {
        backtest.market(event).expect("no error");
    }
    let finished = backtest.finish().expect("no error");
    assert_eq!(
        finished.trader.lines,
        [
            "1000: cash",
            "2000: instrument 0, quote 100@1000/100@1001",
            "3000: quote 100@1000/60@1001, trade 40@1001",
            "4000: end"
        ]
    );
}

#[test]
fn what_is_sent_at_the_end_still_goes_out_and_what_is_open_is_canceled() {
    let mut trader = Scripted::default();
    let resting = new_order("rests", Side::Buy, Some(cents(990)), 10, TimeInForce::Gtc);
    let script = [(vec![], None), (vec![], None), (vec![], None)];
    trader.script.extend(script);
    trader.script.push_back((vec![Command::NewOrder(resting)], None));
    trader.script.extend([(vec![], None), (vec![], None), (vec![], None)]);
    trader.script.push_back((vec![buy("last")], None));
    let finished = play(backtest(trader, 0));
    assert_eq!(finished.trader.lines.last().map(String::as_str), Some("4000: end"));
    let core = &finished.core;
    assert_eq!(core.oms().position(ACCOUNT, support::INSTRUMENT).qty, 10);
    assert_eq!(core.oms().open_orders(ACCOUNT).count(), 0);
    assert_eq!(core.next_due(), None);
    assert!(core.now().0 >= 4_000 + LATENCY_NS);
}

#[test]
fn the_same_again_is_the_same_and_its_journal_replays_to_it() {
    let script = || Scripted {
        script: [(vec![], None), (vec![], None), (vec![], None), (vec![buy("a")], Some(1_020))]
            .into(),
        ..Scripted::default()
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let small = tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() };
    let (writer, _) = tidegate_journal::Writer::open(dir.path(), small).expect("a new journal");
    let first = play(backtest_with(script(), 0, Some(writer), Watch::First(1)));
    let second = play(backtest(script(), 0));
    assert_eq!(first.state_hash, second.state_hash);
    assert_eq!(first.trader.lines, second.trader.lines);
    let replayed = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs");
    assert_eq!(replayed.core.state_hash(), first.state_hash);
    assert_eq!((replayed.checkpoints, replayed.core.seq()), (1, first.core.seq()));

    // Another answer leads elsewhere: the hash is of something.
    let other = play(backtest(Scripted::default(), 0));
    assert_ne!(other.state_hash, first.state_hash);
}

#[test]
fn only_what_is_watched_is_heard_of() {
    let nobody = Watch::Symbols(vec![Symbol::new("OTHER").expect("valid")]);
    let finished = play(backtest_with(Scripted::default(), 0, None, nobody));
    assert_eq!(finished.trader.lines, ["1000: cash", "4000: end"]);
    let named = Watch::Symbols(vec![Symbol::new("ACME").expect("valid")]);
    let finished = play(backtest_with(Scripted::default(), 0, None, named));
    assert_eq!(finished.trader.lines.len(), 6);
}

#[test]
fn before_the_start_events_only_fill_the_books() {
    let mut backtest = backtest(Scripted::default(), 0);
    for event in &events()[..4] {
        backtest.market(event).expect("no error");
    }
    backtest.pass_to(UnixNanos(2_500)).expect("no error");
    backtest.start().expect("no error");
    for event in &events()[4..] {
        backtest.market(event).expect("no error");
    }
    let finished = backtest.finish().expect("no error");
    assert_eq!(
        finished.trader.lines,
        [
            "2500: instrument 0, quote 100@1000/100@1001, cash",
            "3000: quote 100@1000/60@1001, trade 40@1001",
            "4000: end"
        ]
    );
}

#[test]
fn a_trader_that_never_lets_time_pass_is_stopped() {
    let unknown = Command::CancelOrder(CancelOrder {
        client_order_id: ClientOrderId::new("nobody").expect("valid"),
        order_id: OrderId(0),
        account: ACCOUNT,
        reserved: [0; 4],
    });
    let mut backtest = backtest(Scripted { for_ever: vec![unknown], ..Scripted::default() }, 0);
    let error = backtest.start().expect_err("it repeats itself");
    assert!(matches!(error, BacktestError::Standstill { now: UnixNanos(1_000) }), "{error}");
    assert!(error.to_string().contains("without letting time pass"), "{error}");
}

#[test]
fn a_set_up_that_is_refused_says_what_and_why() {
    let mut backtest = backtest(Scripted::default(), 0);
    let currency = Code::new("USD").expect("valid");
    let again = OpenAccount::of(ACCOUNT, currency);
    let error = backtest.command(Command::OpenAccount(again)).expect_err("it is open");
    let BacktestError::Refused { reject, .. } = &error else { panic!("{error}") };
    assert_eq!(reject.reason, RejectReason::DuplicateAccount);
    assert!(error.to_string().contains("open_account"), "{error}");
}

#[test]
fn an_answer_has_room_for_so_many_commands() {
    let mut answer = Answer::default();
    for id in 0..COMMANDS_PER_STEP_MAX as u64 {
        answer.send(id, buy("a")).expect("room");
    }
    assert_eq!(answer.send(0, buy("a")), Err(COMMANDS_PER_STEP_MAX));
}
