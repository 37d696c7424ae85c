//! Order flow for the internal market, after the model of the public matching-engine benchmark of Flash One Technologies
//! (flash1-dev/matching-engine-benchmark, `docs/METHODOLOGY.md`): the same kind of workload, from a generator of our own, so that
//! figures on it are near the harness's but its hashes mean nothing here. `docs/matching-challenge.md` says how to run that one.
//!
//! The model: a share of $167.52 with ticks of half a cent. Its mid price walks as geometric Brownian motion; buyers come along the
//! first half of the way and sellers along the second, in shuffled order, each on its own side of its mid, at a distance that
//! falls off as a power and has a hump at 8 ticks. Of the orders 15 % are immediate or cancel. Of the others 20 % are modified
//! (a lot more, four in five a tick nearer) and 95 % are canceled; 2 % of these cancels, and of the modifies before them, come
//! twice. Orders live one after the other: what stands in the book is what nobody cancels.

use std::f64::consts::TAU;

/// Orders of a whole run, as in the public benchmark: about two messages each.
pub const ORDERS: usize = 1_000_000;
/// The seed of the runs that are published here. In its scenarios, as with the public benchmark's own, the two halves of the way
/// separate, so that a book stands.
pub const SEED: u64 = 54;

/// Ticks of $0.005 in $167.52.
const START_TICKS: f64 = 33_504.0;
const DEPTH_MAX: usize = 800;
const DEPTH_EXPONENT: f64 = -2.23;
const HUMP_HEIGHT: f64 = 5.0;
const HUMP_DEPTH: f64 = 8.0;
const QTY_MAX: u64 = 100;
const IOC_SHARE: f64 = 0.15;
const MODIFY_SHARE: f64 = 0.20;
const REPRICE_SHARE: f64 = 0.80;
const CANCEL_SHARE: f64 = 0.95;
const TWICE_SHARE: f64 = 0.02;

/// How the mid price moves.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What the public benchmark calls it.
    pub name: &'static str,
    /// How far it typically gets within a run: the standard deviation of its logarithm.
    pub swing: f64,
}

/// The five of the public benchmark.
pub const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "static", swing: 0.0 },
    Scenario { name: "normal", swing: 0.02 },
    Scenario { name: "swing-25", swing: 0.25 },
    Scenario { name: "swing-40", swing: 0.40 },
    Scenario { name: "flash-crash", swing: 0.60 },
];

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A limit order that rests.
    Rest,
    /// A limit order that is immediate or cancel.
    Ioc,
    /// Off the book.
    Cancel,
    /// Another price and quantity, at the end of the queue.
    Modify,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of a cancel: only `order_id` counts.
    pub ask: Ask,
    /// 0 buy, 1 sell.
    pub side: u8,
    /// Lots, 1 to 101.
    pub qty: u32,
    /// From 1; each names one order.
    pub order_id: u64,
    /// Ticks, above 0.
    pub price: i64,
}

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, which is above 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box, Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (TAU * self.share()).cos()
    }
}

/// How many of all orders are at most so deep, by depth: the last is the sum of the weights.
fn depth_weights() -> Vec<f64> {
    let weight = |depth: usize| {
        let off_hump = depth as f64 - HUMP_DEPTH;
        (depth as f64 + 1.0).powf(DEPTH_EXPONENT) + HUMP_HEIGHT * (-0.5 * off_hump * off_hump).exp()
    };
    let sum = |sum: &mut f64, depth| {
        *sum += weight(depth);
        Some(*sum)
    };
    (0..DEPTH_MAX).scan(0.0, sum).collect()
}

/// The new orders along the way of the mid price, all as [`Ask::Rest`]; ids count along it.
fn orders(scenario: &Scenario, count: usize, random: &mut Random) -> Vec<Message> {
    let step = scenario.swing / (count as f64).sqrt();
    let weights = depth_weights();
    let mut mid = START_TICKS;
    let mut order = |at: usize| {
        mid *= (step * random.normal() - 0.5 * step * step).exp();
        let sum = random.share() * weights[DEPTH_MAX - 1];
        let away = 1 + weights.partition_point(|weight| *weight < sum) as i64;
        let is_buy = at < count / 2;
        let price = mid.round() as i64 + if is_buy { -away } else { away };
        Message {
            ask: Ask::Rest,
            side: u8::from(!is_buy),
            qty: 1 + random.below(QTY_MAX) as u32,
            order_id: at as u64 + 1,
            price: price.max(1),
        }
    };
    (0..count).map(&mut order).collect()
}

/// The messages of a run of `count` orders, in order; about twice as many.
pub fn messages(scenario: &Scenario, count: usize, seed: u64) -> Vec<Message> {
    let mut random = Random(seed);
    let mut orders = orders(scenario, count, &mut random);
    for last in (1..count).rev() {
        orders.swap(last, random.below(last as u64 + 1) as usize);
    }
    let mut messages = Vec::with_capacity(count * 21 / 10);
    for order in orders {
        live(order, &mut random, &mut messages);
    }
    messages
}

/// The life of one order.
fn live(order: Message, random: &mut Random, messages: &mut Vec<Message>) {
    let mut happens = |share: f64| random.share() < share;
    if happens(IOC_SHARE) {
        return messages.push(Message { ask: Ask::Ioc, ..order });
    }
    messages.push(order);
    let modify = happens(MODIFY_SHARE).then(|| {
        let nearer = if order.side == 0 { 1 } else { -1 };
        let price = order.price + if happens(REPRICE_SHARE) { nearer } else { 0 };
        Message { ask: Ask::Modify, qty: order.qty + 1, price: price.max(1), ..order }
    });
    messages.extend(modify);
    if happens(CANCEL_SHARE) {
        let cancel = Message { ask: Ask::Cancel, ..order };
        messages.push(cancel);
        messages.extend(happens(TWICE_SHARE).then_some(cancel));
        messages.extend(modify.filter(|_| happens(TWICE_SHARE)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Message, SCENARIOS, SEED, messages};
    use std::collections::HashMap;

    /// Shares per ten thousand, at the model's value give or take 30.
    #[track_caller]
    fn check(what: &str, part: usize, of: usize, want: usize) {
        let share = part * 10_000 / of;
        assert!(share.abs_diff(want) <= 30, "{what}: {share} of 10,000 in place of {want}");
    }

    #[test]
    fn the_shares_are_the_models() {
        let messages = messages(&SCENARIOS[1], 200_000, SEED);
        let count = |ask| messages.iter().filter(|message| message.ask == ask).count();
        let mut lives: HashMap<u64, Vec<Message>> = HashMap::new();
        for message in &messages {
            lives.entry(message.order_id).or_default().push(*message);
        }
        let lives_with = |is_one: &dyn Fn(&[Message]) -> bool| {
            lives.values().filter(|life| is_one(life.as_slice())).count()
        };
        let asks = |life: &[Message], ask| life.iter().filter(|message| message.ask == ask).count();
        let resting = count(Ask::Rest);
        assert_eq!(lives.len(), 200_000);
        assert_eq!(resting + count(Ask::Ioc), 200_000);
        check("immediate or cancel", count(Ask::Ioc), 200_000, 1_500);
        check("canceled", lives_with(&|life| asks(life, Ask::Cancel) > 0), resting, 9_500);
        check("modified", lives_with(&|life| asks(life, Ask::Modify) > 0), resting, 2_000);
        let canceled = lives_with(&|life| asks(life, Ask::Cancel) > 0);
        check("canceled twice", lives_with(&|life| asks(life, Ask::Cancel) == 2), canceled, 200);
        let both = lives_with(&|life| asks(life, Ask::Modify) > 0 && asks(life, Ask::Cancel) > 0);
        check("modified twice", lives_with(&|life| asks(life, Ask::Modify) == 2), both, 200);
        let repriced = |life: &[Message]| {
            life.iter().any(|message| message.ask == Ask::Modify && message.price != life[0].price)
        };
        let modified = lives_with(&|life| asks(life, Ask::Modify) > 0);
        check("modified to another price", lives_with(&repriced), modified, 8_000);
        check(
            "buyers",
            messages.iter().filter(|m| m.ask == Ask::Ioc && m.side == 0).count(),
            count(Ask::Ioc),
            5_000,
        );
    }

    #[test]
    fn a_static_mid_keeps_the_sides_apart() {
        for message in messages(&SCENARIOS[0], 20_000, SEED) {
            let away =
                if message.side == 0 { 33_504 - message.price } else { message.price - 33_504 };
            // A modify comes a tick nearer.
            assert!((0..=800).contains(&away), "{message:?}");
        }
    }

    #[test]
    fn a_seed_says_everything() {
        let run = |seed| messages(&SCENARIOS[2], 10_000, seed);
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
