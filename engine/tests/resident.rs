//! A trader on the engine's thread: what it hears and when, that its answers hold nobody up, and how it goes.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use support::*;
use tempfile::TempDir;
use tidegate_engine::broadcast;
use tidegate_engine::core::{Core, NoOutput};
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime::{
    self, BookRequests, Engine, EngineConfig, EngineStatus, Guest, Host, Inputs,
    ORDERS_PER_EVENT_MAX, Outputs, Resident, Wait, resident,
};
use tidegate_engine::trader::{Answer, Heard, Step, Trader, Watch};
use tidegate_model::command::TimeInForce::{Gtc, Ioc};
use tidegate_model::command::{FLAG_CANCEL_ON_DISCONNECT, NewOrder, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType};
use tidegate_model::*;

const SESSION: SessionId = SessionId(77);

/// What a trader answers: commands, and when it wants to be woken.
type Words = (Vec<Command>, Option<u64>);

/// Answers each step with the next of its words, and then always with the last.
#[derive(Clone, Default)]
struct Scripted {
    script: VecDeque<Words>,
    for_ever: Vec<Command>,
    /// What it heard, a step a line.
    lines: Arc<Mutex<Vec<String>>>,
    requests: u64,
}

impl Scripted {
    fn saying(script: impl IntoIterator<Item = Words>) -> Self {
        Self { script: script.into_iter().collect(), ..Self::default() }
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().expect("nobody panics"))
    }
}

impl Trader for Scripted {
    type Error = Infallible;

    fn step(&mut self, _: &Core, step: &Step<'_>, answer: &mut Answer) -> Result<(), Infallible> {
        let heard: Vec<_> = step.heard.iter().map(word).collect();
        let line = format!("{}: {}", step.now.0, heard.join(", "));
        self.lines.lock().expect("nobody panics").push(line);
        let next = self.script.pop_front();
        let (commands, wake_at) = next.unwrap_or_else(|| (self.for_ever.clone(), None));
        for command in commands {
            self.requests += 1;
            answer.send(self.requests, command).expect("room");
        }
        answer.wake_at = wake_at.map(UnixNanos);
        Ok(())
    }
}

fn word(heard: &Heard) -> String {
    match heard {
        Heard::Instrument(id) => format!("instrument {id}"),
        Heard::Quote(quote) => {
            let text = |side: Option<(Ticks, Lots)>| {
                side.map_or("-".into(), |(price, qty)| format!("{}@{}", qty.0, price.0 / 100))
            };
            format!("quote {} {}", text(quote.bid), text(quote.ask))
        }
        Heard::Trade(update) => format!("trade {}@{}", update.qty.0, update.price.0 / 100),
        Heard::Event(record) => match record.event() {
            Some(Event::Execution(execution)) => {
                let exec_type = ExecType::from_wire(execution.exec_type).expect("assigned");
                let name = execution.client_order_id;
                match CancelReason::from_wire(execution.cancel_reason) {
                    Some(why) => format!("{name} {exec_type} {why}"),
                    None => format!("{name} {exec_type}"),
                }
            }
            Some(Event::Position(position)) => format!("holds {}", position.qty),
            Some(Event::Account(_)) => "cash".into(),
            other => format!("{other:?}"),
        },
        Heard::Timer => "timer".into(),
        Heard::End => "end".into(),
    }
}

/// An engine that a test drives, with a market and an account, and a trader at its door.
struct Bench {
    engine: Engine<Resident<Scripted>>,
    inputs: Inputs,
    feed: rtrb::Producer<MarketEvent>,
    lane: CommandLane,
    events: tidegate_ring::queue::Receiver<EventRecord>,
    _public: broadcast::Reader,
    host: Host<Scripted>,
    now: u64,
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (feed, feed_in) = runtime::feed_ring();
        let (events_out, events) = runtime::event_ring().expect("memory");
        let (stages, _) = runtime::stage_ring();
        let (public_out, public) = broadcast::channel(Arc::default()).expect("memory");
        let (lane, lane_in) = lane();
        let (host, place) = resident();
        let book_requests = Arc::new(BookRequests::default());
        let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests };
        let outputs = Outputs {
            events: events_out,
            public: public_out,
            stages,
            routes: Vec::new(),
            seats: Default::default(),
        };
        let config = EngineConfig {
            journal_dir: dir.path().into(),
            journal: tidegate_journal::Config { segment_len: 1 << 22, ..Default::default() },
            configure: configure(0),
            pin_core: None,
            wait: Wait::Spin,
            release: Arc::default(),
            sync: Some(Default::default()),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let status = Arc::<EngineStatus>::default();
        let engine = Engine::recover(&config, outputs, EventPosition::default(), place, status);
        let engine = engine.expect("it starts");
        // The engine took the time of its first input from the clock.
        let now = engine.core().now().0;
        let mut bench =
            Self { engine, inputs, feed, lane, events, _public: public, host, now, dir };
        bench.market(definition());
        setup_commands().into_iter().for_each(|command| bench.command(command));
        bench.market(add(1, Side::Buy, cents(10_000), 500));
        bench.market(add(2, Side::Sell, cents(10_002), 500));
        assert_eq!(bench.turn(), 9);
        bench
    }

    fn market(&mut self, event: MarketEvent) {
        self.feed.push(event).expect("room");
    }

    fn command(&mut self, command: Command) {
        self.lane.try_send(CommandRecord::new(command)).expect("room");
    }

    fn turn(&mut self) -> usize {
        while self.events.pop().is_some() {}
        let now = UnixNanos(self.now);
        self.engine.turn(&mut self.inputs, || now).expect("it goes on")
    }

    fn begin(&mut self, trader: &Scripted) {
        let guest = Guest {
            trader: trader.clone(),
            account: ACCOUNT,
            principal: PrincipalId(5),
            session: SESSION,
            watch: Watch::First(32),
        };
        assert!(self.host.begin(guest).is_ok());
    }

    /// Ends it, and shows that its journal leads to the same state without a trader.
    fn finish(self) -> Core {
        let stopped = self.engine.finish().expect("it stops in order");
        let replayed = replay(self.dir.path(), &mut NoOutput, |_| {}).expect("it replays");
        let core = replayed.expect("inputs").core;
        assert_eq!(core.state_hash(), stopped.state_hash);
        core
    }
}

fn buy(name: &str, price: i64, qty: u64, tif: TimeInForce) -> Command {
    let order = new_order(name, Side::Buy, Some(cents(price)), qty, tif);
    Command::NewOrder(NewOrder { flags: FLAG_CANCEL_ON_DISCONNECT, ..order })
}

#[test]
fn it_hears_of_market_orders_and_time_and_says_a_last_word() {
    let mut bench = Bench::new();
    let begun = bench.now;
    let wake = begun + 5_000_000;
    let trader = Scripted::saying([
        (vec![], Some(wake)),
        (vec![buy("takes", 10_002, 5, Ioc)], Some(wake)),
        (vec![], Some(wake)),
        (vec![buy("rests", 9_990, 5, Gtc)], None),
        (vec![], None),
        (vec![buy("last", 9_980, 5, Gtc)], None),
    ]);
    assert_eq!(bench.turn(), 0, "nobody is there yet");
    bench.begin(&trader);
    bench.turn();
    let first = format!("{begun}: instrument 0, quote 500@10000 500@10002, cash");
    assert_eq!(trader.heard(), [first]);
    // Its answer to a market event goes in right after it, and it hears of that at the end of the turn.
    bench.market(add(3, Side::Buy, cents(10_001), 100));
    bench.turn();
    let [market, answer] = &trader.heard()[..] else { panic!("two steps") };
    assert_eq!(*market, format!("{begun}: quote 100@10001 500@10002"));
    assert!(answer.contains("takes new") && answer.contains("takes trade"), "{answer}");
    assert!(answer.contains("holds 5") && answer.contains("cash"), "{answer}");
    // Nothing happens, and it is not asked.
    assert_eq!(bench.turn(), 0);
    assert_eq!(trader.heard(), [""; 0]);
    // Its time comes, as an input, and what it sends then as another.
    bench.now = wake;
    assert_eq!(bench.turn(), 2);
    assert_eq!(trader.heard(), [format!("{wake}: timer")]);
    bench.turn();
    let heard = trader.heard();
    assert!(heard.len() == 1 && heard[0].contains("rests new"), "{heard:?}");
    assert_eq!(bench.engine.core().oms().open_count(), 1);
    // The last word goes out, and then everything of its session is canceled.
    bench.host.ask_to_end();
    bench.turn();
    assert!(!bench.host.has_ended(), "its end is an input first");
    bench.turn();
    assert!(bench.host.has_ended());
    assert_eq!(trader.heard(), [format!("{wake}: end")]);
    bench.turn();
    assert_eq!(trader.heard(), [""; 0], "nothing is heard after the end");
    assert_eq!(bench.engine.core().oms().open_count(), 0);
    assert_eq!(bench.host.requests(), 3);
    let core = bench.finish();
    assert_eq!(core.oms().position(ACCOUNT, INSTRUMENT).bought, Lots(5));
}

#[test]
fn one_that_answers_its_refusals_for_ever_holds_nobody_up() {
    let mut bench = Bench::new();
    // Each is refused: the name was used.
    let again: Vec<_> = (0..3).map(|_| buy("same", 9_000, 1, Gtc)).collect();
    let trader = Scripted { for_ever: again, ..Scripted::default() };
    bench.begin(&trader);
    bench.turn();
    trader.heard();
    for turn in 0..200 {
        bench.command(buy(&format!("other{turn}"), 9_000, 1, Gtc));
        bench.market(add(100 + turn, Side::Buy, cents(9_500), 1));
        // The lane's, the feed's, and one answer to each of: the market event, what came of that answer.
        let taken = bench.turn();
        assert_eq!(
            taken,
            2 + 3,
            "{turn}: the answer to the market event is not among what is counted"
        );
        assert_eq!(trader.heard().len(), 2, "it is asked after the market event and at the end");
    }
    assert_eq!(bench.engine.core().oms().open_count(), 201);
    bench.finish();
}

#[test]
fn a_long_answer_goes_in_over_several_turns_in_order() {
    let mut bench = Bench::new();
    let most = ORDERS_PER_EVENT_MAX;
    let count = 3 * most + 7;
    let orders = (0..count).map(|n| buy(&format!("n{n}"), 9_000, 1, Gtc)).collect();
    let trader = Scripted::saying([(orders, None)]);
    bench.begin(&trader);
    for part in [most, most, most, 7] {
        bench.turn();
        let sent = bench.engine.core().oms().open_count() as usize;
        assert!(sent.is_multiple_of(most) || sent == count, "{part}: {sent}");
        // Until it has said everything it hears nothing.
        assert_eq!(trader.heard().len(), usize::from(sent == most));
    }
    bench.turn();
    let heard = trader.heard();
    let names: Vec<_> = heard[0]
        .split(", ")
        .flat_map(|word| word.split(' '))
        .filter(|w| w.starts_with('n'))
        .collect();
    let expected: Vec<_> = (0..count).map(|n| format!("n{n}")).collect();
    let news: Vec<_> = names.into_iter().filter(|name| *name != "new").collect();
    assert_eq!(news, expected);
    // It ends in the midst of an answer: the rest goes out before.
    bench.host.ask_to_end();
    while !bench.host.has_ended() {
        bench.turn();
    }
    assert_eq!(bench.engine.core().oms().open_count(), 0);
    bench.finish();
}

#[test]
fn timers_leave_time_between_them() {
    let mut bench = Bench::new();
    let begun = bench.now;
    // It always wants to be woken at a time that is past.
    let trader = Scripted::saying((0..1_000).map(|_| (vec![], Some(1))));
    bench.begin(&trader);
    for _ in 0..100 {
        bench.now += 10_000;
        bench.turn();
    }
    let times = trader.heard().len();
    assert!((8..=12).contains(&times), "{times} times in a millisecond from {begun} on");
    bench.finish();
}
