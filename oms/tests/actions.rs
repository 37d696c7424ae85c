//! Dividends, splits, settlements and borrowing against a naive ledger, which knows nothing but what was paid for what.

mod desk;

use desk::{Desk, order};
use proptest::prelude::*;
use tidegate_model::command::{CostMethod, SetBorrow};
use tidegate_model::event::Liquidity;
use tidegate_model::instrument::Settlement;
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Money, RejectReason, Side, Ticks, UnixNanos,
};
use tidegate_oms::{Action, Mark, Posted};

const ACCOUNTS: u32 = 3;
/// Instrument 0 is paid for, 1 is settled daily.
const INSTRUMENTS: u32 = 2;

fn terms(instrument: u32) -> Instrument {
    let settlement = if instrument == 1 { Settlement::Daily.wire() } else { 0 };
    Instrument { settlement, ..desk::instrument() }
}

fn trade(desk: &mut Desk, account: u32, instrument: u32, number: u64, qty: i64, price: i64) {
    desk.terms = terms(instrument);
    let side = if qty > 0 { Side::Buy } else { Side::Sell };
    let new = order(account, instrument, number, side, qty.unsigned_abs());
    let slot = desk.enter(new).expect("room");
    desk.fill(slot, qty.unsigned_abs(), price, Liquidity::Maker);
}

/// Does an action, or tells why not, and that then nothing changed.
fn act(desk: &mut Desk, instrument: u32, action: Action) -> Result<u64, RejectReason> {
    let (id, terms) = (InstrumentId(instrument), terms(instrument));
    let before = desk.oms.hash();
    if let Err(reject) = desk.oms.check_action(id, &terms, action) {
        assert_eq!(desk.oms.hash(), before);
        return Err(reject.reason);
    }
    let risk = &mut desk.risk;
    Ok(desk.oms.act(id, &terms, action, |posted| {
        let position = posted.position;
        risk.position_changed(posted.wallet.account(), id, position.qty, position.cost);
    }))
}

/// Cash, and (lots, cost, realised) of the first account in an instrument.
fn state(desk: &Desk, instrument: u32) -> (i128, (i64, i128, i128)) {
    let position = desk.oms.position(AccountId(0), InstrumentId(instrument));
    let cash = desk.oms.account(AccountId(0)).expect("open").cash.0;
    (cash, (position.qty, position.cost.0, position.realised.0))
}

const HALF: Action = Action::Split { numerator: 1, denominator: 2, price: Ticks(50) };
const UNPRICED: Action = Action::Split { numerator: 1, denominator: 2, price: Ticks(0) };

#[test]
fn what_happens_to_a_holder() {
    type State = (i128, (i64, i128, i128));
    type Row<'a> = (u32, (i64, i64), &'a [Action], Result<State, RejectReason>);
    let quarter = Action::Borrow { e6: 250_000, over: 1, price: Some(Ticks(120)) };
    let table: &[Row<'_>] = &[
        (0, (10, 100), &[], Ok((-1_000, (10, 1_000, 0)))),
        (0, (10, 100), &[Action::Dividend(Money(3))], Ok((-970, (10, 1_000, 0)))),
        (0, (-10, 100), &[Action::Dividend(Money(3))], Ok((970, (-10, -1_000, 0)))),
        (0, (10, 100), &[HALF], Ok((-1_000, (5, 1_000, 0)))),
        // Half a lot at 50 for a fraction that had cost 100.
        (0, (11, 100), &[HALF], Ok((-1_075, (5, 1_000, -75)))),
        (0, (-11, 100), &[HALF], Ok((1_075, (-5, -1_000, 75)))),
        (0, (11, 100), &[UNPRICED], Err(RejectReason::BadPrice)),
        (0, (10, 100), &[UNPRICED], Ok((-1_000, (5, 1_000, 0)))),
        // Nothing is left of one lot.
        (0, (1, 100), &[HALF], Ok((-75, (0, 0, -75)))),
        // Only who is short borrows: a quarter of 1,200.
        (0, (10, 100), &[quarter], Ok((-1_000, (10, 1_000, 0)))),
        (0, (-10, 100), &[quarter], Ok((700, (-10, -1_000, 0)))),
        (0, (10, 100), &[Action::Settle(Ticks(120))], Ok((-1_000, (10, 1_000, 0)))),
        // Settled daily: nothing is paid but what is made.
        (1, (10, 100), &[], Ok((0, (10, 1_000, 0)))),
        (1, (10, 100), &[Action::Settle(Ticks(120))], Ok((200, (10, 1_200, 200)))),
        (1, (-10, 100), &[Action::Settle(Ticks(120))], Ok((-200, (-10, -1_200, -200)))),
        (
            1,
            (10, 100),
            &[Action::Settle(Ticks(120)), Action::Settle(Ticks(90))],
            Ok((-100, (10, 900, -100))),
        ),
        (
            1,
            (10, 100),
            &[Action::Settle(Ticks(i64::MAX)), HALF],
            Ok((
                92_233_720_368_547_757_070,
                (5, 92_233_720_368_547_758_070, 92_233_720_368_547_757_070),
            )),
        ),
        (1, (11, 100), &[HALF], Ok((-75, (5, 1_000, -75)))),
        (0, (10, 100), &[Action::Dividend(Money(1 << 110))], Err(RejectReason::Overflow)),
        (
            0,
            (i64::MAX, 1),
            &[Action::Split { numerator: 2, denominator: 1, price: Ticks(0) }],
            Err(RejectReason::Overflow),
        ),
    ];
    for method in [CostMethod::Average, CostMethod::Fifo] {
        for (instrument, (qty, price), actions, expected) in table {
            let mut desk = Desk::with(16, 1, INSTRUMENTS, method);
            trade(&mut desk, 0, *instrument, 1, *qty, *price);
            let done = actions
                .iter()
                .try_for_each(|action| act(&mut desk, *instrument, *action).map(|_| ()));
            let told = done.map(|()| state(&desk, *instrument));
            assert_eq!(told, *expected, "{method} {instrument} {qty}@{price} {actions:?}");
            assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
        }
    }
}

/// Whoever came first, they are told by rising account; who holds nothing any more, or something else, is not.
#[test]
fn holders_are_told_by_rising_account() {
    let mut desk = Desk::new(16, 4, INSTRUMENTS);
    for (number, (account, instrument, qty)) in
        [(1, 0, 1), (3, 0, 1), (0, 0, -2), (2, 0, 1), (0, 1, 1), (1, 0, -1)].into_iter().enumerate()
    {
        trade(&mut desk, account, instrument, number as u64 + 1, qty, 100);
    }
    let mut told = |instrument, action| {
        let mut told = Vec::new();
        let mut tell = |posted: &Posted| told.push(posted.wallet.account().0);
        desk.oms.act(InstrumentId(instrument), &terms(instrument), action, &mut tell);
        told
    };
    let borrow = Action::Borrow { e6: 1, over: 360, price: None };
    assert_eq!(told(0, Action::Dividend(Money(1))), [0, 2, 3]);
    assert_eq!(told(0, borrow), [0]);
    assert_eq!(told(1, Action::Dividend(Money(1))), [0]);
    assert_eq!(told(2, Action::Dividend(Money(1))), [0; 0]);
}

/// An amount that one holder cannot be paid is paid to none.
#[test]
fn it_happens_to_all_or_to_none() {
    let mut desk = Desk::new(16, 2, INSTRUMENTS);
    trade(&mut desk, 0, 0, 1, 1, 100);
    trade(&mut desk, 1, 0, 2, 1 << 40, 1);
    let dear = Action::Dividend(Money(1 << 80));
    assert_eq!(act(&mut desk, 0, dear), Err(RejectReason::Overflow));
    assert_eq!(act(&mut desk, 0, Action::Dividend(Money(1 << 60))), Ok(2));
    let rich = Money(1 << 122);
    desk.oms.transfer(AccountId(1), rich, desk::USD).expect_err("it has more than nothing");
    desk.oms.transfer(AccountId(1), Money((1 << 122) - (1 << 101)), desk::USD).expect("the most");
    assert_eq!(act(&mut desk, 0, Action::Dividend(Money(1 << 63))), Ok(2));
    assert_eq!(act(&mut desk, 0, Action::Dividend(Money(1))), Err(RejectReason::Overflow));
}

#[test]
fn borrowing_is_charged_by_the_day() {
    let mut desk = Desk::new(16, 1, INSTRUMENTS);
    let set = |instrument, rate_e6, days_per_year| SetBorrow {
        instrument: InstrumentId(instrument),
        rate_e6,
        days_per_year,
        reserved: [0; 6],
    };
    for bad in [set(0, 100_000_001, 360), set(0, 1, 364), set(0, 1, 0)] {
        assert_eq!(desk.oms.set_borrow(&bad).expect_err("refused").reason, RejectReason::BadField);
    }
    desk.oms.set_borrow(&set(1, 30_000, 360)).expect("sensible");
    desk.oms.set_borrow(&set(0, 20_000, 365)).expect("sensible");
    desk.oms.set_borrow(&set(0, 0, 365)).expect("taken away");
    const DAY: u64 = 86_400 * 1_000_000_000;
    let mut due = |at: u64| {
        let mark = |_| Some(Ticks(7));
        let due = desk.oms.borrow_due(UnixNanos(at), mark).collect::<Vec<_>>();
        desk.oms.borrow_charged(UnixNanos(at));
        due.into_iter()
            .map(|(instrument, action)| {
                let Action::Borrow { e6, over: 360, price: Some(Ticks(7)) } = action else {
                    panic!("{action:?}")
                };
                (instrument.0, e6 / 30_000)
            })
            .collect::<Vec<_>>()
    };
    // Friday, the same day again, Monday, a clock that went back, and one that jumped.
    for (at, days) in [
        (100 * DAY + 5, Some(1)),
        (101 * DAY - 1, None),
        (103 * DAY, Some(3)),
        (102 * DAY, None),
        (10_000 * DAY, Some(366)),
    ] {
        assert_eq!(due(at), days.map(|days| (1, days)).into_iter().collect::<Vec<_>>(), "{at}");
    }
    assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Trade { account: u32, instrument: u32, qty: i64, price: i64 },
    Dividend { instrument: u32, per_lot: i64 },
    Split { instrument: u32, numerator: u32, denominator: u32, price: i64 },
    Settle { instrument: u32, price: i64 },
    Borrow { instrument: u32, e6: u64, over: u64, price: Option<i64> },
    DayRoll,
}

fn step() -> impl Strategy<Value = Step> {
    let instrument = 0..INSTRUMENTS;
    let price = 1_i64..500;
    prop_oneof![
        8 => (0..ACCOUNTS, instrument.clone(), -60_i64..60, price.clone()).prop_map(
            |(account, instrument, qty, price)| Step::Trade { account, instrument, qty, price }
        ),
        1 => (instrument.clone(), 1_i64..9)
            .prop_map(|(instrument, per_lot)| Step::Dividend { instrument, per_lot }),
        1 => (instrument.clone(), 1_u32..6, 1_u32..6, 0_i64..500).prop_map(
            |(instrument, numerator, denominator, price)| {
                Step::Split { instrument, numerator, denominator, price }
            }
        ),
        2 => (instrument.clone(), price.clone())
            .prop_map(|(instrument, price)| Step::Settle { instrument, price }),
        1 => (instrument, 0_u64..1_000_000, 1_u64..400, prop::option::of(price)).prop_map(
            |(instrument, e6, over, price)| Step::Borrow { instrument, e6, over, price }
        ),
        1 => Just(Step::DayRoll),
    ]
}

/// What one account has of one instrument: lots, what trades and fractions brought, dividends, what borrowing cost.
#[derive(Clone, Copy, Debug, Default)]
struct Naive {
    qty: i128,
    traded: i128,
    dividends: i128,
    borrow: i128,
}

/// Does the step in the naive ledger; false if it cannot be.
fn naive_act(
    held: &mut [[Naive; INSTRUMENTS as usize]; ACCOUNTS as usize],
    step: Step,
    costs: impl Fn(u32, u32) -> i128,
) -> bool {
    let needs_price = |held: &Naive, numerator: u32, denominator: u32| {
        held.qty.abs() * i128::from(numerator) % i128::from(denominator) != 0
    };
    if let Step::Split { instrument, numerator, denominator, price: 0 } = step
        && held.iter().any(|all| needs_price(&all[instrument as usize], numerator, denominator))
    {
        return false;
    }
    for (account, all) in held.iter_mut().enumerate() {
        match step {
            Step::Dividend { instrument, per_lot } => {
                let held = &mut all[instrument as usize];
                held.dividends += held.qty * i128::from(per_lot);
            }
            Step::Split { instrument, numerator, denominator, price } => {
                let held = &mut all[instrument as usize];
                let parts = held.qty.abs() * i128::from(numerator);
                let (whole, fraction) =
                    (parts / i128::from(denominator), parts % i128::from(denominator));
                let sign = held.qty.signum();
                held.traded += (sign * i128::from(price) * fraction).div_euclid(denominator.into());
                held.qty = sign * whole;
            }
            Step::Borrow { instrument, e6, over, price } => {
                let held = &mut all[instrument as usize];
                if held.qty < 0 {
                    let cost = costs(account as u32, instrument).abs();
                    let value = price.map_or(cost, |price| -held.qty * i128::from(price));
                    let (up, down) = (value * i128::from(e6), 1_000_000 * i128::from(over));
                    held.borrow += (up + down - 1) / down;
                }
            }
            Step::Trade { .. } | Step::Settle { .. } | Step::DayRoll => {}
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn money_is_what_was_paid(
        steps in prop::collection::vec(step(), 1..80), by_lots: bool, mark in 1_i64..500
    ) {
        let method = if by_lots { CostMethod::Fifo } else { CostMethod::Average };
        let mut desk = Desk::with(128, ACCOUNTS, INSTRUMENTS, method);
        let mut naive = [[Naive::default(); INSTRUMENTS as usize]; ACCOUNTS as usize];
        for (number, &step) in steps.iter().enumerate() {
            let position = |desk: &Desk, account, instrument| {
                *desk.oms.position(AccountId(account), InstrumentId(instrument))
            };
            let done = match step {
                Step::Trade { qty: 0, .. } => continue,
                Step::DayRoll => {
                    desk.oms.day_roll();
                    continue;
                }
                Step::Trade { account, instrument, qty, price } => {
                    trade(&mut desk, account, instrument, number as u64, qty, price);
                    let held = &mut naive[account as usize][instrument as usize];
                    held.qty += i128::from(qty);
                    held.traded -= i128::from(qty * price);
                    continue;
                }
                Step::Dividend { instrument, per_lot } => {
                    act(&mut desk, instrument, Action::Dividend(Money(per_lot.into())))
                }
                Step::Split { instrument, numerator, denominator, price } => {
                    let price = Ticks(price);
                    let before = desk.oms.hash();
                    let split = Action::Split { numerator, denominator, price };
                    let done = act(&mut desk, instrument, split);
                    if done.is_err() {
                        prop_assert_eq!(desk.oms.hash(), before);
                    }
                    done
                }
                Step::Settle { instrument, price } => {
                    act(&mut desk, instrument, Action::Settle(Ticks(price)))
                }
                Step::Borrow { instrument, e6, over, price } => {
                    // Valued before it is charged.
                    let costs = |account, instrument| position(&desk, account, instrument).cost.0;
                    naive_act(&mut naive, step, costs);
                    let price = price.map(Ticks);
                    let charge = Action::Borrow { e6, over, price };
                    prop_assert!(act(&mut desk, instrument, charge).is_ok());
                    continue;
                }
            };
            prop_assert_eq!(done.is_ok(), naive_act(&mut naive, step, |_, _| 0), "{:?}", step);
        }
        for account in 0..ACCOUNTS {
            let id = AccountId(account);
            let told = *desk.oms.account(id).expect("open");
            let held = &naive[account as usize];
            let mut worth = 0;
            for instrument in 0..INSTRUMENTS {
                let (naive, position) = (&held[instrument as usize], *desk.oms.position(id, InstrumentId(instrument)));
                prop_assert_eq!(i128::from(position.qty), naive.qty);
                // However cost is shared out: what is realised and what is not come to what the trades made.
                prop_assert_eq!(position.realised.0 - position.cost.0, naive.traded);
                prop_assert_eq!(i128::from(position.bought.0) - i128::from(position.sold.0), naive.qty);
                let lots = desk.oms.tax_lots(id, InstrumentId(instrument)).collect::<Vec<_>>();
                if by_lots && position.qty != 0 {
                    prop_assert_eq!(lots.iter().map(|lot| lot.0).sum::<u64>(), position.qty.unsigned_abs());
                    prop_assert_eq!(lots.iter().map(|lot| lot.1.0).sum::<i128>(), position.cost.0);
                }
                worth += naive.traded + naive.dividends - naive.borrow + naive.qty * i128::from(mark);
            }
            prop_assert_eq!(told.dividends.0, held.iter().map(|held| held.dividends).sum::<i128>());
            prop_assert_eq!(told.borrow.0, held.iter().map(|held| held.borrow).sum::<i128>());
            // Worth as if all were closed at the mark, whichever way it is paid for.
            let terms = [terms(0), terms(1)];
            let equity = desk.oms.equity(id, |id| Mark { terms: &terms[id.index()], price: Some(Ticks(mark)), margin: None });
            prop_assert_eq!(equity.expect("one currency").equity.0, worth);
        }
        prop_assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    }
}
