//! First in, first out, against a naive queue of what was bought at which price: every lot, every profit, exactly.

mod desk;

use desk::{Desk, order};
use proptest::prelude::*;
use std::collections::VecDeque;
use tidegate_model::command::CostMethod;
use tidegate_model::event::Liquidity;
use tidegate_model::{AccountId, InstrumentId, Side};

const ACCOUNT: AccountId = AccountId(0);

/// Lots as (lots, below 0 short; price of each), oldest first, and what was realised.
#[derive(Default, Debug)]
struct Naive {
    lots: VecDeque<(i64, i64)>,
    realised: i128,
}

impl Naive {
    fn trade(&mut self, mut qty: i64, price: i64) {
        while let Some((held, paid)) =
            self.lots.front_mut().filter(|lot| lot.0.signum() == -qty.signum())
        {
            let part = held.abs().min(qty.abs()) * held.signum();
            self.realised += i128::from(part) * i128::from(price - *paid);
            *held -= part;
            qty += part;
            if *held == 0 {
                self.lots.pop_front();
            }
            if qty == 0 {
                return;
            }
        }
        self.lots.push_back((qty, price));
    }
}

/// A desk whose account realises by lots, and how many trades it made.
struct Fifo {
    desk: Desk,
    trades: u64,
}

impl Fifo {
    fn new() -> Self {
        Self { desk: Desk::with(1 << 13, 1, 2, CostMethod::Fifo), trades: 0 }
    }

    fn trade(&mut self, instrument: u32, qty: i64, price: i64) {
        self.trades += 1;
        let side = if qty > 0 { Side::Buy } else { Side::Sell };
        let lots = qty.unsigned_abs();
        let slot = self.desk.enter(order(0, instrument, self.trades, side, lots)).expect("room");
        self.desk.fill(slot, lots, price, Liquidity::Maker);
    }

    /// Lots as (lots, what they cost), oldest first.
    fn lots(&self, instrument: u32) -> Vec<(u64, i128)> {
        let lots = self.desk.oms.tax_lots(ACCOUNT, InstrumentId(instrument));
        lots.map(|(qty, cost)| (qty, cost.0)).collect()
    }

    fn realised(&self, instrument: u32) -> i128 {
        self.desk.oms.position(ACCOUNT, InstrumentId(instrument)).realised.0
    }
}

#[test]
fn the_oldest_lot_goes_first() {
    type Row<'a> = (&'a [(i64, i64)], &'a [(u64, i128)], i128);
    let table: &[Row<'_>] = &[
        (&[(10, 100)], &[(10, 1_000)], 0),
        (&[(10, 100), (5, 130)], &[(10, 1_000), (5, 650)], 0),
        (&[(10, 100), (5, 130), (-4, 150)], &[(6, 600), (5, 650)], 200),
        (&[(10, 100), (5, 130), (-12, 150)], &[(3, 390)], 540),
        (&[(10, 100), (5, 130), (-15, 150)], &[], 600),
        (&[(10, 100), (5, 130), (-12, 150), (2, 90)], &[(3, 390), (2, 180)], 540),
        // Through zero: every old lot closes, the rest is a lot of its own.
        (&[(10, 100), (5, 130), (-20, 150)], &[(5, -750)], 600),
        (&[(-10, 100), (-5, 130), (12, 90)], &[(3, -390)], 180),
        (&[(-10, 100), (-5, 130), (20, 90)], &[(5, 450)], 300),
    ];
    for (trades, lots, realised) in table {
        let mut fifo = Fifo::new();
        trades.iter().for_each(|(qty, price)| fifo.trade(1, *qty, *price));
        assert_eq!((&fifo.lots(1)[..], fifo.realised(1)), (*lots, *realised), "{trades:?}");
    }
}

/// An account that averages has no lots to tell.
#[test]
fn lots_are_an_accounts_choice() {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 5)).expect("room");
    desk.fill(slot, 5, 100, Liquidity::Taker);
    assert_eq!(desk.oms.tax_lots(ACCOUNT, InstrumentId(0)).count(), 0);
}

/// Beyond the bound what is bought joins the newest lot: nothing is refused, and every sum stays what it is.
#[test]
fn a_position_has_so_many_lots_and_no_more() {
    let mut fifo = Fifo::new();
    let mut total = 0;
    for number in 1..=4_200_i64 {
        fifo.trade(0, 1, number);
        total += i128::from(number);
    }
    let lots = fifo.lots(0);
    assert_eq!(lots.len(), 4_097, "the list, and the newest");
    assert_eq!(lots[4_096].0, 4_200 - 4_096);
    assert_eq!(lots.iter().map(|lot| lot.1).sum::<i128>(), total);
    fifo.trade(0, -4_199, 5_000);
    assert_eq!(fifo.desk.oms.hash(), fifo.desk.oms.hash_from_scratch());
    fifo.trade(0, -1, 5_000);
    assert_eq!(
        fifo.realised(0),
        4_200 * 5_000 - total,
        "the last lot takes what is left of the cost"
    );
    assert_eq!(fifo.lots(0), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn lots_are_what_was_bought_and_not_yet_sold(
        trades in prop::collection::vec(
            (0_u32..2, prop_oneof![8 => -9_i64..=9, 1 => -40_i64..=40], 1_i64..500), 1..120
        )
    ) {
        let mut fifo = Fifo::new();
        let mut naive = [Naive::default(), Naive::default()];
        for &(instrument, qty, price) in &trades {
            if qty == 0 {
                // Days end, and lots that are closed are forgotten.
                fifo.desk.oms.day_roll();
            } else {
                fifo.trade(instrument, qty, price);
                naive[instrument as usize].trade(qty, price);
            }
            for (number, expected) in naive.iter().enumerate() {
                let lots = expected.lots.iter();
                let lots = lots.map(|(qty, price)| (qty.unsigned_abs(), i128::from(qty * price)));
                prop_assert_eq!(fifo.lots(number as u32), lots.collect::<Vec<_>>());
                prop_assert_eq!(fifo.realised(number as u32), expected.realised);
            }
            prop_assert_eq!(fifo.desk.oms.hash(), fifo.desk.oms.hash_from_scratch());
        }
    }
}
