//! The order flow of one symbol: a fair price that trends and jitters, and orders, cancels and executions
//! around it.

use super::book::Book;
use super::random::Random;
use crate::itch::{
    AddOrder, AddOrderAttributed, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, Stock, Trade,
};
use std::collections::VecDeque;
use tidegate_model::Side;

/// Fair prices count 1/256 cent.
const FAIR_PER_CENT: i64 = 256;
/// Feed prices count 1/100 cent.
const TICKS_PER_CENT: u32 = 100;
/// The fair price moves in steps of this much time.
const FAIR_STEP_NS: u64 = 10_000_000;
/// Steps caught up at once after a quiet time.
const FAIR_STEPS_MAX: u64 = 64;
/// Live orders that a symbol's book settles at.
const DEPTH_TARGET: u64 = 130;
/// A side never has fewer orders than this.
const SIDE_DEPTH_MIN: u32 = 12;
/// Farthest an order is placed from the best price, in cents.
const DISTANCE_MAX_CENTS: u64 = 120;
/// Farthest the fair price drifts from where it began, in 1/16 of it.
const EXCURSION_SIXTEENTHS: i64 = 2;
/// How often, in a thousand steps, somebody takes liquidity for reasons of his own.
const EXECUTIONS_PER_MILLE: u64 = 34;
/// Price levels one aggressive order may clear.
const SWEEP_LEVELS_MAX: u32 = 3;

/// What is shared by all symbols: numbers that run through the whole session.
#[derive(Clone, Debug)]
pub(super) struct Numbering {
    pub(super) next_order_ref: u64,
    pub(super) next_match: u64,
}

impl Numbering {
    fn order_ref(&mut self) -> u64 {
        let order_ref = self.next_order_ref;
        self.next_order_ref += 1;
        order_ref
    }

    fn match_number(&mut self) -> u64 {
        let number = self.next_match;
        self.next_match += 1;
        number
    }
}

/// One symbol of the session.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) stock: Stock,
    pub(super) locate: u16,
    /// No executions while it is set.
    pub(super) halted: bool,
    book: Book,
    fair: i64,
    anchor: i64,
    drift_per_step: i64,
    regime_until_ns: u64,
    fair_at_ns: u64,
}

/// Everything a step of a flow reads and writes besides the flow itself.
pub(super) struct Step<'a> {
    pub(super) now_ns: u64,
    /// 1 in quiet times; multiplies how far prices move.
    pub(super) volatility: i64,
    pub(super) random: &'a mut Random,
    pub(super) numbering: &'a mut Numbering,
    pub(super) out: &'a mut VecDeque<Message>,
}

impl Flow {
    pub(super) fn new(stock: Stock, locate: u16, cents: u32, now_ns: u64) -> Self {
        let fair = i64::from(cents) * FAIR_PER_CENT + FAIR_PER_CENT / 2;
        Self {
            stock,
            locate,
            halted: false,
            book: Book::default(),
            fair,
            anchor: fair,
            drift_per_step: 0,
            regime_until_ns: now_ns,
            fair_at_ns: now_ns,
        }
    }

    pub(super) fn header(&self, now_ns: u64) -> Header {
        Header { stock_locate: self.locate, tracking_number: 0, timestamp: now_ns }
    }

    /// The fair price in ticks of the feed, on a cent.
    pub(super) fn fair_ticks(&self) -> u32 {
        self.fair_cents() * TICKS_PER_CENT
    }

    fn fair_cents(&self) -> u32 {
        u32::try_from(self.fair / FAIR_PER_CENT).expect("the excursion bound keeps it positive")
    }

    /// Fills the book before the open, `orders` on each side.
    pub(super) fn seed(&mut self, orders: u64, step: &mut Step<'_>) {
        let fair = self.fair_cents();
        for n in 0..orders {
            let distance = if n == 0 { 0 } else { distance_cents(step.random) };
            let distance = u32::try_from(distance).expect("bounded by DISTANCE_MAX_CENTS");
            self.add(Side::Buy, fair - distance, step);
            self.add(Side::Sell, fair + 1 + distance, step);
        }
    }

    /// One event of the symbol: at least one message goes out.
    pub(super) fn step(&mut self, step: &mut Step<'_>) {
        self.move_fair(step);
        for side in [Side::Buy, Side::Sell] {
            if self.book.count(side) < SIDE_DEPTH_MIN {
                let cents = self.place(side, step.random);
                return self.add(side, cents, step);
            }
        }
        if !self.halted && self.follow_fair(step) {
            return;
        }
        // Deletions balance arrivals at the target depth.
        let depth = (self.book.len() as u64).min(2 * DEPTH_TARGET);
        let deletions = 420 * depth / DEPTH_TARGET;
        let mut draw = step.random.below(1_000);
        let mut falls = |weight: u64| {
            let hit = draw < weight;
            draw = draw.saturating_sub(weight);
            hit
        };
        if falls(EXECUTIONS_PER_MILLE) {
            let side = coin(step.random);
            return if self.halted { self.cancel_part(step) } else { self.execute(side, step) };
        }
        if falls(6) && !self.halted {
            return self.trade_hidden(step);
        }
        if falls(14) {
            return self.cancel_part(step);
        }
        if falls(44) {
            return self.replace(step);
        }
        if falls(deletions) {
            let slot = self.random_order(step.random);
            return self.delete(slot, step);
        }
        let side = coin(step.random);
        let cents = self.place(side, step.random);
        self.add(side, cents, step);
    }

    /// Moves the fair price by the time that has passed.
    fn move_fair(&mut self, step: &mut Step<'_>) {
        let steps = ((step.now_ns - self.fair_at_ns) / FAIR_STEP_NS).min(FAIR_STEPS_MAX);
        if steps == 0 {
            return;
        }
        self.fair_at_ns = step.now_ns;
        // 1 at 100 dollars: dearer shares move by more cents.
        let scale_q8 = (self.anchor / 10_000).max(128);
        for _ in 0..steps {
            let jitter = step.random.between(0, 40) as i64 - 20;
            self.fair += (self.drift_per_step + jitter * step.volatility) * scale_q8 / 256;
        }
        let reach = self.anchor * EXCURSION_SIXTEENTHS / 16;
        self.fair = self.fair.clamp(self.anchor - reach, self.anchor + reach);
        if step.now_ns >= self.regime_until_ns {
            self.next_regime(step);
        }
    }

    /// Begins a rise, a fall or a rest of some seconds; far from the anchor it turns back.
    fn next_regime(&mut self, step: &mut Step<'_>) {
        let seconds_ns = step.random.between(1_500, 7_000) * 1_000_000;
        self.regime_until_ns = step.now_ns + seconds_ns;
        if step.random.chance(250) {
            self.drift_per_step = 0;
            return;
        }
        // 1/256 cent a step of 10 ms: 8 are about 3 cents a second.
        let speed = step.random.between(6, 14) as i64 * step.volatility;
        let away = (self.fair - self.anchor) * 32 / self.anchor;
        let rises = step.random.between(0, 8) as i64 > 4 + away;
        self.drift_per_step = if rises { speed } else { -speed };
    }

    /// When the fair price has left the spread, the stale side is hit or flees; false if there is nothing to do.
    fn follow_fair(&mut self, step: &mut Step<'_>) -> bool {
        let (Some(bid), Some(ask)) = (self.book.best(Side::Buy), self.book.best(Side::Sell)) else {
            return false;
        };
        let stale = if self.fair > i64::from(ask) * FAIR_PER_CENT {
            Side::Sell
        } else if self.fair < i64::from(bid) * FAIR_PER_CENT {
            Side::Buy
        } else {
            return false;
        };
        if !step.random.chance(450) {
            return false;
        }
        if step.random.chance(300) {
            self.execute(stale, step);
        } else if let Some(slot) = self.book.youngest_at_best(stale) {
            self.delete(slot, step);
        }
        true
    }

    /// A price for a new order of `side`: near the best price most of the time, never through the other side.
    fn place(&mut self, side: Side, random: &mut Random) -> u32 {
        let fair = self.fair_cents();
        let bid = self.book.best(Side::Buy).unwrap_or(fair);
        let ask = self.book.best(Side::Sell).unwrap_or(fair + 1).max(bid + 1);
        let improves = random.chance(match ask - bid {
            1 => 0,
            2 => 35,
            3 => 180,
            _ => 600,
        });
        let distance = if improves { 0 } else { distance_cents(random) };
        let distance = u32::try_from(distance).expect("bounded by DISTANCE_MAX_CENTS");
        match side {
            Side::Buy => {
                let best = if improves { bid + 1 } else { bid };
                best.min(fair.max(1)).min(ask - 1).saturating_sub(distance).max(1)
            }
            Side::Sell => {
                let best = if improves { ask - 1 } else { ask };
                best.max(fair + 1).max(bid + 1) + distance
            }
        }
    }

    fn random_order(&self, random: &mut Random) -> u32 {
        self.book.nth(random.below(self.book.len() as u64) as usize)
    }

    fn add(&mut self, side: Side, cents: u32, step: &mut Step<'_>) {
        let order_ref = step.numbering.order_ref();
        let shares = order_shares(step.random);
        self.book.add(order_ref, side, cents, shares);
        let header = self.header(step.now_ns);
        let (stock, price, side) = (self.stock, cents * TICKS_PER_CENT, side_byte(side));
        let message = if step.random.chance(15) {
            let attribution = *b"TIDE";
            AddOrderAttributed { header, order_ref, side, shares, stock, price, attribution }.into()
        } else {
            AddOrder { header, order_ref, side, shares, stock, price }.into()
        };
        step.out.push_back(message);
    }

    fn delete(&mut self, slot: u32, step: &mut Step<'_>) {
        let order_ref = self.book.order(slot).order_ref;
        self.book.remove(slot);
        step.out.push_back(OrderDelete { header: self.header(step.now_ns), order_ref }.into());
    }

    fn cancel_part(&mut self, step: &mut Step<'_>) {
        let slot = self.random_order(step.random);
        let order = *self.book.order(slot);
        if order.shares < 2 {
            return self.delete(slot, step);
        }
        let shares = (order.shares / 2).max(1);
        self.book.take(slot, shares);
        let header = self.header(step.now_ns);
        step.out.push_back(OrderCancel { header, order_ref: order.order_ref, shares }.into());
    }

    fn replace(&mut self, step: &mut Step<'_>) {
        let slot = self.random_order(step.random);
        let old = *self.book.order(slot);
        let cents = self.place(old.side, step.random);
        let shares = order_shares(step.random);
        let new_order_ref = step.numbering.order_ref();
        self.book.remove(slot);
        self.book.add(new_order_ref, old.side, cents, shares);
        let header = self.header(step.now_ns);
        let price = cents * TICKS_PER_CENT;
        let order_ref = old.order_ref;
        step.out.push_back(OrderReplace { header, order_ref, new_order_ref, shares, price }.into());
    }

    /// An aggressive order takes what rests on `side`, best price and oldest order first.
    fn execute(&mut self, side: Side, step: &mut Step<'_>) {
        let header = self.header(step.now_ns);
        let mut open = order_shares(step.random);
        let mut levels = 1;
        let mut at = self.book.best(side);
        while open > 0 && self.book.count(side) >= SIDE_DEPTH_MIN / 2 {
            let Some(slot) = self.book.front(side) else { break };
            let order = *self.book.order(slot);
            if at != Some(order.cents) {
                levels += 1;
                if levels > SWEEP_LEVELS_MAX || !step.random.chance(150) {
                    break;
                }
                at = Some(order.cents);
            }
            let shares = open.min(order.shares);
            open -= shares;
            self.book.take(slot, shares);
            let (order_ref, match_number) = (order.order_ref, step.numbering.match_number());
            let message = if step.random.chance(8) {
                let (printable, price) = (b'Y', order.cents * TICKS_PER_CENT);
                OrderExecutedWithPrice { header, order_ref, shares, match_number, printable, price }
                    .into()
            } else {
                OrderExecuted { header, order_ref, shares, match_number }.into()
            };
            step.out.push_back(message);
        }
        if step.out.is_empty() {
            let cents = self.place(side, step.random);
            self.add(side, cents, step);
        }
    }

    /// A trade against an order that nobody sees, at the middle of the spread.
    fn trade_hidden(&mut self, step: &mut Step<'_>) {
        let fair = self.fair_cents();
        let bid = self.book.best(Side::Buy).unwrap_or(fair);
        let ask = self.book.best(Side::Sell).unwrap_or(bid + 1);
        let price = (bid + ask) * (TICKS_PER_CENT / 2);
        let shares = order_shares(step.random);
        let match_number = step.numbering.match_number();
        let (header, stock) = (self.header(step.now_ns), self.stock);
        let order_ref = 0;
        let message = Trade { header, order_ref, side: b'B', shares, stock, price, match_number };
        step.out.push_back(message.into());
    }
}

fn side_byte(side: Side) -> u8 {
    match side {
        Side::Buy => b'B',
        Side::Sell => b'S',
    }
}

fn coin(random: &mut Random) -> Side {
    if random.chance(500) { Side::Buy } else { Side::Sell }
}

/// Power-law depth: a fifth of the orders at the best price or a cent from it each, ever fewer below.
fn distance_cents(random: &mut Random) -> u64 {
    let distance = random.power_law().max(1) + random.below(3) - 1;
    if distance <= DISTANCE_MAX_CENTS { distance } else { random.below(DISTANCE_MAX_CENTS) }
}

/// Mostly round lots with a heavy tail; one order in eight is odd.
fn order_shares(random: &mut Random) -> u32 {
    let shares = if random.chance(125) {
        random.between(1, 99)
    } else {
        100 * random.power_law().clamp(1, 50)
    };
    u32::try_from(shares).expect("at most 5,000")
}
