//! Busts and corrections: after each, everything is as in a ledger in which the trade never was, or was as it should be.

mod desk;

use desk::{Desk, order};
use proptest::prelude::*;
use tidegate_model::command::{AmendKind, AmendTrade, AssignFees, CostMethod, SetFees};
use tidegate_model::event::{Liquidity, OrdStatus, Position};
use tidegate_model::instrument::Settlement;
use tidegate_model::{
    AccountId, ExecId, Instrument, InstrumentId, Lots, OrderId, RejectReason, Side, Ticks,
};
use tidegate_oms::{Action, OrderSlot};

const ACCOUNT: AccountId = AccountId(0);
/// Instrument 0 is paid for, 1 is settled daily.
const INSTRUMENTS: u32 = 2;

fn terms(instrument: u32) -> Instrument {
    let settlement = if instrument == 1 { Settlement::Daily.wire() } else { 0 };
    let (maker_fee_e8, taker_fee_e8) = (-200_000, 300_000);
    Instrument { settlement, maker_fee_e8, taker_fee_e8, ..desk::instrument() }
}

/// A part of an order that was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    exec: ExecId,
    qty: u64,
    price: i64,
}

/// What happened, as it should have been.
#[derive(Clone, Debug)]
enum Done {
    /// An order that was executed in parts; those with no quantity never were.
    Order {
        instrument: u32,
        buy: bool,
        qty: u64,
        liquidity: Liquidity,
        parts: Vec<Part>,
    },
    Settle {
        price: i64,
    },
    Dividend {
        instrument: u32,
    },
    DayRoll,
}

/// A desk and what it did.
struct Book {
    desk: Desk,
    names: u64,
}

/// A position and its lots.
type Shown = (Position, Vec<(u64, i128)>);

impl Book {
    fn new(method: CostMethod, schedule: Option<SetFees>) -> Self {
        let mut desk = Desk::with(256, 1, INSTRUMENTS, method);
        if let Some(schedule) = schedule {
            desk.oms.set_fees(&schedule).expect("sensible");
            let (account, instrument) = (ACCOUNT, InstrumentId::NONE);
            let assign = AssignFees { account, instrument, schedule: 1, reserved: [0; 4] };
            desk.oms.assign_fees(&assign).expect("known");
        }
        Self { desk, names: 0 }
    }

    fn enter(&mut self, instrument: u32, buy: bool, qty: u64) -> OrderSlot {
        self.names += 1;
        self.desk.terms = terms(instrument);
        let side = if buy { Side::Buy } else { Side::Sell };
        self.desk.enter(order(0, instrument, self.names, side, qty)).expect("room")
    }

    fn act(&mut self, instrument: u32, action: Action) {
        let (id, terms) = (InstrumentId(instrument), terms(instrument));
        self.desk.oms.check_action(id, &terms, action).expect("small");
        self.desk.oms.act(id, &terms, action, |_| {});
    }

    /// Does it; parts get the numbers of their executions.
    fn run(&mut self, done: &mut Done) {
        match done {
            Done::Order { instrument, buy, qty, liquidity, parts } => {
                let slot = self.enter(*instrument, *buy, *qty);
                for part in parts.iter_mut().filter(|part| part.qty > 0) {
                    part.exec = self.desk.fill(slot, part.qty, part.price, *liquidity).exec_id;
                }
            }
            Done::Settle { price } => self.act(1, Action::Settle(Ticks(*price))),
            Done::Dividend { instrument } => {
                self.act(*instrument, Action::Dividend(tidegate_model::Money(1)));
            }
            Done::DayRoll => self.desk.oms.day_roll(),
        }
    }

    fn amend(
        &mut self,
        exec: ExecId,
        kind: AmendKind,
        qty: u64,
        price: i64,
    ) -> Result<(), RejectReason> {
        let unknown = RejectReason::UnknownTrade;
        let executed = *self.desk.oms.executed(exec).ok_or(unknown)?;
        let asked = AmendTrade {
            order_id: self.desk.oms.order(executed.order).order_id,
            exec_id: exec,
            qty: Lots(qty),
            price: Ticks(price),
            account: ACCOUNT,
            kind: kind.wire(),
            reserved: [0; 3],
        };
        self.ask(asked)
    }

    fn ask(&mut self, asked: AmendTrade) -> Result<(), RejectReason> {
        let oms = &mut self.desk.oms;
        let before = oms.hash();
        let of = oms.executed(asked.exec_id).map_or(0, |executed| executed.instrument.0);
        match oms.amend_trade(&asked, &terms(of)) {
            Ok(amended) => {
                assert_eq!(amended.position, *oms.position(ACCOUNT, InstrumentId(of)));
                // What leaves LeavesQty again is not worked on here.
                if oms.order(amended.order).is_open() {
                    oms.canceled(amended.order).expect("open");
                }
                Ok(())
            }
            Err(reject) => {
                assert_eq!(oms.hash(), before, "a refusal changes nothing");
                Err(reject.reason)
            }
        }
    }

    /// Everything that an account shows.
    fn shows(&self) -> (tidegate_model::event::Account, Vec<Shown>) {
        let of = |id| {
            let id = InstrumentId(id);
            let lots = self.desk.oms.tax_lots(ACCOUNT, id).map(|(qty, cost)| (qty, cost.0));
            (*self.desk.oms.position(ACCOUNT, id), lots.collect())
        };
        let account = *self.desk.oms.account(ACCOUNT).expect("open");
        (account, (0..INSTRUMENTS).map(of).collect())
    }
}

#[test]
fn what_cannot_be_amended() {
    use AmendKind::{Bust, Correct};
    let mut book = Book::new(CostMethod::Average, None);
    let slot = book.enter(0, true, 10);
    let exec = book.desk.fill(slot, 6, 100, Liquidity::Maker).exec_id;
    assert_eq!(exec, ExecId(1));
    let asked = AmendTrade {
        order_id: OrderId(1),
        exec_id: exec,
        qty: Lots(3),
        price: Ticks(90),
        account: ACCOUNT,
        kind: Correct.wire(),
        reserved: [0; 3],
    };
    for (wrong, expected) in [
        (AmendTrade { exec_id: ExecId(0), ..asked }, RejectReason::UnknownTrade),
        (AmendTrade { exec_id: ExecId(2), ..asked }, RejectReason::UnknownTrade),
        (AmendTrade { exec_id: ExecId(u64::MAX), ..asked }, RejectReason::UnknownTrade),
        (AmendTrade { order_id: OrderId(2), ..asked }, RejectReason::UnknownTrade),
        (AmendTrade { account: AccountId(1), ..asked }, RejectReason::UnknownTrade),
        (AmendTrade { kind: 0, ..asked }, RejectReason::BadField),
        (AmendTrade { qty: Lots(0), ..asked }, RejectReason::BadField),
        (AmendTrade { qty: Lots(7), ..asked }, RejectReason::BadField),
        (AmendTrade { price: Ticks(0), ..asked }, RejectReason::BadPrice),
        (AmendTrade { price: Ticks(i64::MAX), qty: Lots(6), ..asked }, RejectReason::BadPrice),
    ] {
        // A price that fits is a matter of the desk.
        let expected = if wrong.price == Ticks::MAX { Ok(()) } else { Err(expected) };
        assert_eq!(book.ask(wrong), expected, "{wrong:?}");
    }
    assert_eq!(book.ask(asked), Ok(()));
    assert_eq!(book.amend(exec, Correct, 4, 90), Err(RejectReason::BadField), "it executed 3");
    assert_eq!(book.amend(exec, Bust, 0, 0), Ok(()));
    assert_eq!(book.amend(exec, Bust, 0, 0), Err(RejectReason::UnknownTrade), "it is gone");

    let slot = book.enter(0, true, 10);
    let exec = book.desk.fill(slot, 10, 100, Liquidity::Maker).exec_id;
    book.act(0, Action::Dividend(tidegate_model::Money(1)));
    assert_eq!(book.amend(exec, Bust, 0, 0), Err(RejectReason::TooLateToAmend));
    let slot = book.enter(0, true, 10);
    let exec = book.desk.fill(slot, 10, 100, Liquidity::Maker).exec_id;
    book.desk.oms.day_roll();
    assert_eq!(book.amend(exec, Bust, 0, 0), Err(RejectReason::UnknownTrade), "the day is over");
}

/// More executions than are kept: the oldest are not, and what came after them cannot be booked anew.
#[test]
fn as_many_executions_are_kept_as_there_may_be_orders() {
    let mut book = Book::new(CostMethod::Average, None);
    let slot = book.enter(0, true, 1_000);
    for _ in 0..256 {
        book.desk.fill(slot, 1, 100, Liquidity::Maker);
    }
    assert_eq!(book.amend(ExecId(1), AmendKind::Correct, 1, 90), Ok(()));
    let slot = book.enter(0, true, 1_000);
    book.desk.fill(slot, 1, 100, Liquidity::Maker);
    assert_eq!(book.amend(ExecId(1), AmendKind::Bust, 0, 0), Err(RejectReason::UnknownTrade));
    assert_eq!(book.amend(ExecId(257), AmendKind::Bust, 0, 0), Err(RejectReason::TooLateToAmend));
    let other = book.enter(1, true, 5);
    let exec = book.desk.fill(other, 5, 100, Liquidity::Maker).exec_id;
    assert_eq!(book.amend(exec, AmendKind::Bust, 0, 0), Ok(()), "another position is all there");
    assert_eq!(book.desk.oms.hash(), book.desk.oms.hash_from_scratch());
}

/// What the order shows: status, CumQty, LeavesQty, and what its executions came to.
#[test]
fn the_order_is_as_without_it() {
    let mut book = Book::new(CostMethod::Average, None);
    let slot = book.enter(0, true, 10);
    let first = book.desk.fill(slot, 4, 100, Liquidity::Maker).exec_id;
    book.desk.fill(slot, 6, 110, Liquidity::Maker);
    let told = |book: &Book| {
        let order = book.desk.oms.order(slot);
        (order.status, order.cum_qty.0, order.leaves_qty().0, order.cum_ticks_lots)
    };
    assert_eq!(told(&book), (OrdStatus::Filled, 10, 0, 1_060));
    let asked = |kind: AmendKind, qty, price| AmendTrade {
        order_id: OrderId(1),
        exec_id: first,
        qty: Lots(qty),
        price: Ticks(price),
        account: ACCOUNT,
        kind: kind.wire(),
        reserved: [0; 3],
    };
    let mut amend = |asked| book.desk.oms.amend_trade(&asked, &terms(0)).map(|_| ());
    amend(asked(AmendKind::Correct, 4, 90)).expect("kept");
    amend(asked(AmendKind::Correct, 3, 95)).expect("kept");
    assert_eq!(told(&book), (OrdStatus::PartiallyFilled, 9, 1, 945));
    let mut amend = |asked| book.desk.oms.amend_trade(&asked, &terms(0)).map(|_| ());
    amend(asked(AmendKind::Bust, 0, 0)).expect("kept");
    assert_eq!(told(&book), (OrdStatus::PartiallyFilled, 6, 4, 660));
}

#[derive(Clone, Debug)]
enum Step {
    Do(Done),
    Amend { pick: usize, qty: u64, price: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let part =
        (1_u64..20, 1_i64..300).prop_map(|(qty, price)| Part { exec: ExecId(0), qty, price });
    let liquidity = prop::sample::select(&[Liquidity::Maker, Liquidity::Taker][..]);
    let order = (0..INSTRUMENTS, any::<bool>(), liquidity, prop::collection::vec(part, 1..4))
        .prop_map(|(instrument, buy, liquidity, parts)| {
            let qty = parts.iter().map(|part| part.qty).sum::<u64>();
            Step::Do(Done::Order { instrument, buy, qty, liquidity, parts })
        });
    prop_oneof![
        10 => order,
        8 => (any::<usize>(), prop_oneof![Just(0_u64), 1_u64..20], 1_i64..300)
            .prop_map(|(pick, qty, price)| Step::Amend { pick, qty, price }),
        1 => (1_i64..300).prop_map(|price| Step::Do(Done::Settle { price })),
        1 => (0..INSTRUMENTS).prop_map(|instrument| Step::Do(Done::Dividend { instrument })),
        1 => Just(Step::Do(Done::DayRoll)),
    ]
}

/// Amends an execution in what should have been; false if none may be.
fn amend(history: &mut [Done], pick: usize, qty: u64, price: i64) -> Option<(ExecId, u64)> {
    let parts = history.iter_mut().filter_map(|done| match done {
        Done::Order { parts, .. } => Some(parts),
        _ => None,
    });
    let mut parts: Vec<_> = parts.flatten().filter(|part| part.exec != ExecId(0)).collect();
    let count = parts.len();
    if count == 0 {
        return None;
    }
    let part = &mut parts[pick % count];
    let qty = qty.min(part.qty);
    let exec = part.exec;
    (part.qty, part.price) = (qty, price);
    if qty == 0 {
        part.exec = ExecId(0);
    }
    Some((exec, qty))
}

/// Why an execution cannot be amended: what came after it.
fn closed(history: &[Done], exec: ExecId) -> Option<RejectReason> {
    let is_it = |done: &Done| match done {
        Done::Order { instrument, parts, .. } => {
            parts.iter().any(|part| part.exec == exec).then_some(*instrument)
        }
        _ => None,
    };
    let at = history.iter().position(|done| is_it(done).is_some()).expect("it was executed");
    let of = is_it(&history[at]).expect("found there");
    let after = &history[at..];
    if after.iter().any(|done| matches!(done, Done::DayRoll)) {
        return Some(RejectReason::UnknownTrade);
    }
    let closes = |done: &Done| match done {
        Done::Settle { .. } => of == 1,
        Done::Dividend { instrument } => *instrument == of,
        Done::Order { .. } | Done::DayRoll => false,
    };
    after.iter().any(closes).then_some(RejectReason::TooLateToAmend)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn as_if_it_had_been_so(
        steps in prop::collection::vec(step(), 1..40),
        by_lots: bool,
        schedule in prop::option::of((0_i64..3, 0_i64..3, any::<bool>())),
    ) {
        let method = if by_lots { CostMethod::Fifo } else { CostMethod::Average };
        // Money is counted in 1e-18 here, and fees in 1e-9: a scale at which they would drown everything else, but add up.
        let schedule = schedule.map(|(trade, order, by_order)| SetFees {
            schedule: 1,
            maker_e8: 100_000,
            taker_e8: 500_000,
            taker_per_lot_nano: 1,
            per_trade_nano: trade,
            trade_min_nano: 2,
            order_min_nano: if by_order { 10 + order } else { 0 },
            order_max_nano: if by_order { 40 } else { 0 },
            sell_e8: 1_000,
            ..SetFees::default()
        });
        let mut book = Book::new(method, schedule);
        let mut history: Vec<Done> = Vec::new();
        for step in &steps {
            match step {
                Step::Do(done) => {
                    let mut done = done.clone();
                    book.run(&mut done);
                    history.push(done);
                }
                Step::Amend { pick, qty, price } => {
                    let mut amended = history.clone();
                    let Some((exec, qty)) = amend(&mut amended, *pick, *qty, *price) else { continue };
                    let kind = if qty == 0 { AmendKind::Bust } else { AmendKind::Correct };
                    let done = book.amend(exec, kind, qty, *price);
                    prop_assert_eq!(done, closed(&history, exec).map_or(Ok(()), Err));
                    if done.is_ok() {
                        history = amended;
                    }
                }
            }
            prop_assert_eq!(book.desk.oms.hash(), book.desk.oms.hash_from_scratch());
        }
        let mut again = Book::new(method, schedule);
        history.iter_mut().for_each(|done| again.run(done));
        prop_assert_eq!(book.shows(), again.shows());
    }
}
