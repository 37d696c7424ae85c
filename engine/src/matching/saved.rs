//! What was read from a snapshot of a market is looked at before it is believed: every order is in one place, and the places say
//! what the orders do.

use super::hash::Place;
use super::ladder::Ladder;
use super::market::{BESIDE_MAX, Market};
use super::pool::{NONE, Node, Pool, SIDES};
use crate::grid::Grid;
use tidegate_model::instrument::ORDER_TICK_MAX;
use tidegate_model::saved::{Inconsistent, check_hash};
use tidegate_model::{Side, StateHash};

const PART: &str = "market of the house";

fn check(holds: bool, why: &'static str) -> Result<(), Inconsistent> {
    Inconsistent::unless(holds, PART, why)
}

impl Market {
    /// Makes what follows from what was read, and looks at all of it; marks the orders that are `found`.
    pub(super) fn restored(&mut self, pool: &Pool, found: &mut [bool]) -> Result<(), Inconsistent> {
        check((1..=ORDER_TICK_MAX.0).contains(&self.step), "a step is some ticks")?;
        check(self.grid.stride() == self.step, "the grid is that of the step")?;
        let Self { grid, books, hidden, waiting, id, .. } = self;
        let is_here = |node: &Node, place: Place, side: Side| {
            node.market == *id && node.place() == place && node.side() == side
        };
        for side in SIDES {
            let at = side.index();
            let displayed = |node: &Node| is_here(node, Place::Displayed, side);
            check_ladder(&mut books[at], grid, side, pool, found, displayed)?;
            let lies_hidden = |node: &Node| is_here(node, Place::Hidden, side);
            check_ladder(&mut hidden[at], grid, side, pool, found, lies_hidden)?;
        }
        let waits = |node: &Node| node.market == *id && node.place() == Place::Waiting;
        for (ladder, side) in waiting.iter_mut().zip([Side::Sell, Side::Buy]) {
            // A stop price is that of the terms, and those are looked at with the hash.
            check_levels(ladder, grid, side, pool, found, |node, _, _| waits(node))?;
        }
        let mut listed = |slot: u32, place: Place, side: Option<Side>| {
            let node = pool.get(slot).filter(|node| {
                node.market == self.id
                    && node.place() == place
                    && node.special != NONE
                    && side.is_none_or(|side| node.side() == side)
            });
            check(node.is_some(), "an order beside the book is one")?;
            found[slot as usize] = true;
            Ok(())
        };
        for side in SIDES {
            for slot in &self.pegs[side.index()] {
                listed(*slot, Place::Pegged, Some(side))?;
            }
            for slot in &self.conditional[side.index()] {
                listed(*slot, Place::Conditional, Some(side))?;
            }
        }
        for slot in self.trailing.iter().chain(&self.triggered) {
            listed(*slot, Place::Waiting, None)?;
        }
        for side in SIDES {
            let queue = &self.at_market[side.index()];
            let is_whose = |node: &Node| {
                node.market == self.id && node.place() == Place::AtMarket && node.side() == side
            };
            check(pool.find_all(queue, found, is_whose), "market orders wait in their queue")?;
        }
        let closes = |node: &Node| node.market == self.id && node.place() == Place::AtClose;
        check(pool.find_all(&self.at_close, found, closes), "orders wait for the close")?;
        self.check_counts(pool)
    }

    fn check_counts(&self, pool: &Pool) -> Result<(), Inconsistent> {
        let mut hash = StateHash::default();
        let (mut beside, mut reserve, mut watching) = ([0; 2], [0u64; 2], 0);
        for slot in pool.live().filter(|slot| pool.node(*slot).market == self.id) {
            let node = pool.node(slot);
            let side = node.side().index();
            match node.place() {
                Place::Displayed => {
                    reserve[side] =
                        reserve[side].checked_add(node.reserve).ok_or(Inconsistent {
                            part: PART,
                            why: "what is held back fits 64 bits",
                        })?;
                }
                Place::Hidden => beside[side] += 1,
                Place::Pegged | Place::Conditional => {
                    beside[side] += 1;
                    watching += 1;
                }
                Place::Waiting => watching += 1,
                Place::AtMarket | Place::AtClose => {}
            }
            hash.add(pool.hash(slot));
        }
        check(
            self.beside == beside && self.reserve == reserve,
            "what is not displayed is counted",
        )?;
        check(self.watching == watching, "orders that may act are counted")?;
        let few = |orders: &[u32]| orders.len() <= BESIDE_MAX;
        let lists = self.pegs.iter().chain(&self.conditional).chain([&self.trailing]);
        check(lists.into_iter().all(|orders| few(orders)), "orders beside the book are bounded")?;
        let has_handle = |handle: u32| (handle as usize) < pool.handles_max();
        check(self.expiries.iter().all(|next| has_handle(next.0.1)), "expiries are of orders")?;
        check_hash(PART, self.hash, hash)
    }
}

/// Looks at every level of a ladder and marks the orders that are there.
fn check_ladder(
    ladder: &mut Ladder,
    grid: &Grid,
    side: Side,
    pool: &Pool,
    found: &mut [bool],
    is_here: impl Fn(&Node) -> bool,
) -> Result<(), Inconsistent> {
    check_levels(ladder, grid, side, pool, found, |node, price, level| {
        is_here(node) && node.price == price && node.level == level
    })
}

fn check_levels(
    ladder: &mut Ladder,
    grid: &Grid,
    side: Side,
    pool: &Pool,
    found: &mut [bool],
    is_here: impl Fn(&Node, i64, u32) -> bool,
) -> Result<(), Inconsistent> {
    for level in ladder.restored(grid, side)? {
        let (queue, price) = (ladder.queue(level), ladder.price_of(level));
        let holds =
            queue.orders > 0 && pool.find_all(queue, found, |node| is_here(node, price, level));
        check(holds, "a level holds what it says")?;
    }
    Ok(())
}
