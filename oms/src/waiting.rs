//! Orders that the engine holds back until the last trade reaches their stop price, whatever their venue.
//!
//! By instrument and direction they are sorted by stop price, so that a trade looks at the nearest one and at those that it
//! triggers, and a trade of an instrument that nobody waits for costs one look. Trailing orders are apart: each trade may
//! move them all. The rules are 2.4 to 2.6 of `docs/rule-book.md`.

use crate::order::{Order, OrderSlot};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{NewOrder, OrderType, TrailUnit};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room, check_hash, make_room};
use tidegate_model::{InstrumentId, OrderId, Reject, RejectReason, Side, StateHash, Ticks};

/// Orders that may wait in one direction of one instrument. A new one moves up to as many entries of 24 bytes, which the
/// memory does in some 20 microseconds at worst.
pub const WAITING_MAX: usize = 16_384;
/// Trailing orders of one instrument: each trade at another price walks them all, in some microseconds at worst.
pub const TRAILING_MAX: usize = 1_024;

const TAG_WAITING: u64 = 0x6f6d_7377_6169_7400;

/// An order that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// The order.
    pub slot: OrderSlot,
    /// Its number: of orders that one trade triggers at one stop price, the lower goes first.
    pub order_id: OrderId,
    /// A trade at or above the stop price triggers it; else one at or below.
    pub upwards: bool,
    /// The stop price. `None` of a trailing order that no trade has given one yet.
    pub stop_price: Option<Ticks>,
    /// What follows the last trade, and how: of trailing orders.
    pub trail: Option<Trail>,
}

/// How a stop price follows the last trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// The side of the order: a buy's stop price lies above the trade and only falls.
    pub side: Side,
    /// What `by` counts.
    pub unit: TrailUnit,
    /// How far behind.
    pub by: i64,
}

impl Waiter {
    /// An order as it begins to wait: what it was entered as, its stop price perhaps another now.
    ///
    /// # Panics
    /// If it is of no type that waits.
    pub fn of(slot: OrderSlot, order: &Order, entered: &NewOrder, stop_price: Ticks) -> Self {
        assert!(order.order_type.waits(), "only what has a stop price waits");
        let trail = order.order_type.trails().then(|| Trail {
            side: order.side,
            unit: TrailUnit::from_wire(entered.trail_unit).expect("the gate knows the unit"),
            by: entered.trail,
        });
        Self {
            slot,
            order_id: order.order_id,
            upwards: order.order_type.triggers_upwards(order.side),
            stop_price: (stop_price != Ticks::ZERO).then_some(stop_price),
            trail,
        }
    }

    /// True if a trade at that price has reached its stop price.
    pub fn is_triggered_by(&self, trade: Ticks) -> bool {
        self.stop_price.is_some_and(|stop| match self.upwards {
            true => trade >= stop,
            false => trade <= stop,
        })
    }

    /// The stop price after a trade.
    pub fn stop_after(&self, trade: Ticks) -> Option<Ticks> {
        let Some(Trail { side, unit, by }) = self.trail else { return self.stop_price };
        let new = unit.stop_behind(side, by, trade);
        Some(self.stop_price.map_or(new, |stop| match side {
            Side::Buy => stop.min(new),
            Side::Sell => stop.max(new),
        }))
    }

    /// Sorts by what is triggered first: upwards the lowest stop price, then downwards the highest, then who came first.
    const fn turn(&self) -> (bool, i64, u64) {
        let stop = match self.stop_price {
            Some(stop) => stop.0,
            None => i64::MAX,
        };
        (!self.upwards, if self.upwards { stop } else { !stop }, self.order_id.0)
    }

    fn hash(&self) -> u64 {
        let (has_stop, stop) = self.stop_price.map_or((0, 0), |stop| (1, stop.0 as u64));
        hash_words(TAG_WAITING, &[self.order_id.0, has_stop, stop])
    }
}

/// A place in a sorted list.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    stop_price: Ticks,
    order_id: OrderId,
    slot: OrderSlot,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Desk {
    /// By [`Waiter::upwards`]; the one that is triggered first is last.
    sorted: [Vec<Entry>; 2],
    /// In the order of arrival.
    trailing: Vec<Waiter>,
}

/// Every order that waits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    /// By instrument.
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    desks: Vec<Desk>,
    hash: StateHash,
}

impl Desk {
    fn make_room(&mut self) {
        self.sorted.iter_mut().for_each(|list| make_room(list, 16));
        make_room(&mut self.trailing, 4);
    }
}

impl Entry {
    const fn of(waiter: &Waiter) -> Self {
        let Waiter { slot, order_id, .. } = *waiter;
        let stop_price = waiter.stop_price.expect("only a trailing order has none");
        Self { stop_price, order_id, slot }
    }

    const fn waiter(&self, upwards: bool) -> Waiter {
        let Self { stop_price, order_id, slot } = *self;
        Waiter { slot, order_id, upwards, stop_price: Some(stop_price), trail: None }
    }
}

impl Waiting {
    /// Nobody waits.
    pub fn new() -> Self {
        let desks = Vec::with_capacity(InstrumentId::COUNT_MAX);
        Self { desks, hash: StateHash::default() }
    }

    /// Makes room for one more instrument.
    pub fn define_instrument(&mut self) {
        let mut desk = Desk::default();
        desk.make_room();
        self.desks.push(desk);
    }

    /// Looks at what was read from a snapshot, of `instruments` and `orders`, and makes the room that there was.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(&mut self, instruments: usize, orders: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "waiting orders", why);
        check(self.desks.len() == instruments, "every instrument has a place")?;
        for (desk, id) in self.desks.iter().zip(0..) {
            let mut waiters = self.waiters(InstrumentId(id));
            check(waiters.all(|waiter| waiter.slot.index() < orders), "who waits is an order")?;
            let trails = desk.trailing.iter().all(|waiter| waiter.trail.is_some());
            check(trails, "who trails does so by something")?;
        }
        check_hash("waiting orders", self.hash(), self.hash_from_scratch())?;
        self.desks.iter_mut().for_each(Desk::make_room);
        Ok(())
    }

    /// Lets an order pass for which there is room.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] with [`WAITING_MAX`] or [`TRAILING_MAX`].
    pub fn check_room(
        &self,
        instrument: InstrumentId,
        side: Side,
        order_type: OrderType,
    ) -> Result<(), Reject> {
        let desk = &self.desks[instrument.index()];
        let upwards = usize::from(order_type.triggers_upwards(side));
        let (count, max) = match order_type.trails() {
            true => (desk.trailing.len(), TRAILING_MAX),
            false => (desk.sorted[upwards].len(), WAITING_MAX),
        };
        if count < max {
            return Ok(());
        }
        Err(Reject::new(RejectReason::CapacityExceeded, max as i128, count as i128))
    }

    /// True if an order waits for trades of the instrument.
    #[inline]
    pub fn has_any(&self, instrument: InstrumentId) -> bool {
        let Desk { sorted: [down, up], trailing } = &self.desks[instrument.index()];
        !(down.is_empty() && up.is_empty() && trailing.is_empty())
    }

    /// Lets an order wait.
    ///
    /// # Panics
    /// If it trails nothing and has no stop price.
    pub fn insert(&mut self, instrument: InstrumentId, waiter: Waiter) {
        self.hash.add(waiter.hash());
        let desk = &mut self.desks[instrument.index()];
        if waiter.trail.is_some() {
            return desk.trailing.push(waiter);
        }
        let list = &mut desk.sorted[usize::from(waiter.upwards)];
        let turn = waiter.turn();
        let at = list.partition_point(|entry| entry.waiter(waiter.upwards).turn() > turn);
        list.insert(at, Entry::of(&waiter));
    }

    /// The order waits no longer; what it was, or `None` if it did not wait.
    pub fn remove(&mut self, order: &Order) -> Option<Waiter> {
        let Order { instrument, order_id, order_type, side, .. } = *order;
        self.remove_from(
            instrument,
            order_id,
            order_type.triggers_upwards(side),
            order_type.trails(),
        )
    }

    fn remove_from(
        &mut self,
        instrument: InstrumentId,
        order_id: OrderId,
        upwards: bool,
        trails: bool,
    ) -> Option<Waiter> {
        let desk = &mut self.desks[instrument.index()];
        let removed = if trails {
            let at = desk.trailing.iter().position(|waiter| waiter.order_id == order_id)?;
            desk.trailing.remove(at)
        } else {
            let list = &mut desk.sorted[usize::from(upwards)];
            let at = list.iter().position(|entry| entry.order_id == order_id)?;
            list.remove(at).waiter(upwards)
        };
        self.hash.remove(removed.hash());
        Some(removed)
    }

    /// The stop price of an order as it is now; `None` if it has none yet or does not wait.
    pub fn stop_price(&self, order: &Order) -> Option<Ticks> {
        let Order { instrument, order_id, order_type, side, .. } = *order;
        self.stop_price_in(
            instrument,
            order_id,
            order_type.triggers_upwards(side),
            order_type.trails(),
        )
    }

    fn stop_price_in(
        &self,
        instrument: InstrumentId,
        order_id: OrderId,
        upwards: bool,
        trails: bool,
    ) -> Option<Ticks> {
        let desk = &self.desks[instrument.index()];
        if trails {
            return desk.trailing.iter().find(|w| w.order_id == order_id)?.stop_price;
        }
        let list = &desk.sorted[usize::from(upwards)];
        Some(list.iter().find(|entry| entry.order_id == order_id)?.stop_price)
    }

    /// The instrument traded at `price`: stop prices follow, and the orders that are triggered leave, into `triggered`, in
    /// their turn.
    pub fn traded(&mut self, instrument: InstrumentId, price: Ticks, triggered: &mut Vec<Waiter>) {
        let desk = &mut self.desks[instrument.index()];
        let hash = &mut self.hash;
        let first = triggered.len();
        for (upwards, list) in [true, false].into_iter().zip(desk.sorted.iter_mut().rev()) {
            while let Some(entry) = list.last()
                && entry.waiter(upwards).is_triggered_by(price)
            {
                triggered.push(entry.waiter(upwards));
                list.pop();
            }
        }
        let sorted = triggered.len();
        desk.trailing.retain_mut(|waiter| {
            hash.remove(waiter.hash());
            waiter.stop_price = waiter.stop_after(price);
            hash.add(waiter.hash());
            let stays = !waiter.is_triggered_by(price);
            if !stays {
                triggered.push(*waiter);
            }
            stays
        });
        for waiter in &triggered[first..] {
            hash.remove(waiter.hash());
        }
        if triggered.len() > sorted {
            triggered[first..].sort_unstable_by_key(Waiter::turn);
        }
    }

    /// Every order that waits for trades of the instrument, in no order that means anything.
    pub fn waiters(&self, instrument: InstrumentId) -> impl Iterator<Item = Waiter> {
        let Desk { sorted: [down, up], trailing } = &self.desks[instrument.index()];
        let down = down.iter().map(|entry| entry.waiter(false));
        let up = up.iter().map(|entry| entry.waiter(true));
        down.chain(up).chain(trailing.iter().copied())
    }

    /// The hash of every order that waits and its stop price, kept up with every change.
    pub const fn hash(&self) -> StateHash {
        self.hash
    }

    /// The same hash, computed anew; for tests and audits.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        for instrument in 0..self.desks.len() as u32 {
            self.waiters(InstrumentId(instrument)).for_each(|waiter| hash.add(waiter.hash()));
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INSTRUMENT: InstrumentId = InstrumentId(0);

    /// The same, one list and a scan for each trade.
    #[derive(Default)]
    struct Naive {
        waiters: Vec<Waiter>,
    }

    impl Naive {
        fn traded(&mut self, price: Ticks) -> Vec<OrderId> {
            let mut due = Vec::new();
            for waiter in &mut self.waiters {
                waiter.stop_price = waiter.stop_after(price);
                if waiter.is_triggered_by(price) {
                    due.push(*waiter);
                }
            }
            self.waiters.retain(|waiter| !due.contains(waiter));
            let key = |w: &Waiter| {
                let stop = w.stop_price.expect("it was triggered").0;
                (!w.upwards, if w.upwards { stop } else { -stop }, w.order_id.0)
            };
            due.sort_by_key(key);
            due.iter().map(|waiter| waiter.order_id).collect()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait { upwards: bool, stop: i64 },
        Trail { buy: bool, stop: Option<i64>, unit: TrailUnit, by: i64 },
        Leave { pick: usize },
        Trade { price: i64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let unit = prop::sample::select(TrailUnit::ALL);
        prop_oneof![
            4 => (any::<bool>(), 80..120i64).prop_map(|(upwards, stop)| Step::Wait { upwards, stop }),
            3 => (any::<bool>(), prop::option::of(80..120i64), unit, 1..30i64).prop_map(
                |(buy, stop, unit, by)| {
                    let by = if unit == TrailUnit::Ppm { by * 10_000 } else { by };
                    Step::Trail { buy, stop, unit, by }
                }
            ),
            2 => any::<usize>().prop_map(|pick| Step::Leave { pick }),
            4 => (80..120i64).prop_map(|price| Step::Trade { price }),
        ]
    }

    fn run(steps: &[Step]) {
        let mut waiting = Waiting::new();
        waiting.define_instrument();
        let mut naive = Naive::default();
        for (at, step) in steps.iter().enumerate() {
            let (slot, order_id) = (OrderSlot(at as u32), OrderId(at as u64 + 1));
            let waiter = Waiter { slot, order_id, upwards: true, stop_price: None, trail: None };
            let mut enter = |waiter| {
                waiting.insert(INSTRUMENT, waiter);
                naive.waiters.push(waiter);
            };
            match *step {
                Step::Wait { upwards, stop } => {
                    enter(Waiter { upwards, stop_price: Some(Ticks(stop)), ..waiter });
                }
                Step::Trail { buy, stop, unit, by } => {
                    let side = if buy { Side::Buy } else { Side::Sell };
                    let trail = Some(Trail { side, unit, by });
                    let stop_price = stop.map(Ticks);
                    enter(Waiter { upwards: buy, stop_price, trail, ..waiter });
                }
                Step::Leave { pick } if naive.waiters.is_empty() => {
                    let gone = waiting.remove_from(INSTRUMENT, OrderId(pick as u64), true, true);
                    assert_eq!(gone, None);
                }
                Step::Leave { pick } => {
                    let gone = naive.waiters.remove(pick % naive.waiters.len());
                    let trails = gone.trail.is_some();
                    let (id, upwards) = (gone.order_id, gone.upwards);
                    let stop = waiting.stop_price_in(INSTRUMENT, id, upwards, trails);
                    assert_eq!(stop, gone.stop_price);
                    assert_eq!(waiting.remove_from(INSTRUMENT, id, upwards, trails), Some(gone));
                    assert_eq!(waiting.remove_from(INSTRUMENT, id, upwards, trails), None);
                }
                Step::Trade { price } => {
                    let mut triggered = Vec::new();
                    waiting.traded(INSTRUMENT, Ticks(price), &mut triggered);
                    let ids: Vec<OrderId> = triggered.iter().map(|w| w.order_id).collect();
                    assert_eq!(ids, naive.traded(Ticks(price)));
                }
            }
            let sorted = |mut waiters: Vec<Waiter>| {
                waiters.sort_by_key(|waiter| waiter.order_id);
                waiters
            };
            let held = sorted(waiting.waiters(INSTRUMENT).collect());
            assert_eq!(held, sorted(naive.waiters.clone()));
            assert_eq!(waiting.has_any(INSTRUMENT), !held.is_empty());
            assert_eq!(waiting.hash(), waiting.hash_from_scratch());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_one_list_and_a_scan(steps in prop::collection::vec(step(), 1..80)) {
            run(&steps);
        }
    }

    #[test]
    fn lists_are_bounded() {
        let mut waiting = Waiting::new();
        waiting.define_instrument();
        let waiter = |number: u64| Waiter {
            slot: OrderSlot(0),
            order_id: OrderId(number),
            upwards: true,
            stop_price: Some(Ticks(number as i64)),
            trail: None,
        };
        for number in 0..WAITING_MAX as u64 {
            assert_eq!(waiting.check_room(INSTRUMENT, Side::Buy, OrderType::Stop), Ok(()));
            waiting.insert(INSTRUMENT, waiter(number));
        }
        let full =
            |max: usize| Reject::new(RejectReason::CapacityExceeded, max as i128, max as i128);
        assert_eq!(
            waiting.check_room(INSTRUMENT, Side::Buy, OrderType::Stop),
            Err(full(WAITING_MAX))
        );
        assert_eq!(waiting.check_room(INSTRUMENT, Side::Sell, OrderType::Stop), Ok(()));
        let trail = Some(Trail { side: Side::Buy, unit: TrailUnit::Ticks, by: 1 });
        for number in 0..TRAILING_MAX as u64 {
            assert_eq!(waiting.check_room(INSTRUMENT, Side::Buy, OrderType::TrailingStop), Ok(()));
            waiting.insert(INSTRUMENT, Waiter { trail, ..waiter(number) });
        }
        assert_eq!(
            waiting.check_room(INSTRUMENT, Side::Sell, OrderType::TrailingStop),
            Err(full(TRAILING_MAX))
        );
    }
}
