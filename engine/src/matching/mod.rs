//! The internal market: orders of ours that meet each other. Its rules stand in `docs/rule-book.md`, by number.
//!
//! * [`Markets`] is the market of every instrument, in flat memory: what production, `tidegate match` and the public
//!   benchmark run.
//! * [`SingleMarket`] is one of them on its own.
//! * [`NaiveMarket`] is one instrument's market again, written with maps and scans for tests to compare with: the same
//!   reports, the same book, the same state hash.
//! * [`Reports`] is told what happens, in order.
//!
//! An order is named by its *handle*, a small number that the caller gives it and may give again once the order has ended.
//! The market counts open quantity only: what was executed before is its owner's business.

mod admission;
mod auction;
mod carry;
mod far;
mod follow;
mod hash;
mod ladder;
mod market;
mod markets;
mod naive;
mod phases;
mod pool;
mod saved;
mod single;
mod take;
mod terms;

pub use admission::{DISPLAY_PARTS_MAX, PRICE_MAX, QTY_MAX};
pub use markets::{HANDLES_MAX, Markets, Plain};
pub use naive::NaiveMarket;
pub use single::SingleMarket;
pub use terms::{Entry, Peg, Terms, Trail};
pub use tidegate_model::command::Phase;

use serde::{Deserialize, Serialize};
use tidegate_model::command::SelfTrade;
use tidegate_model::event::CancelReason;
use tidegate_model::{Lots, Reject, Side, Ticks};

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The order that rested; in an auction the buyer.
    pub maker: u32,
    /// The order that took; in an auction the seller.
    pub taker: u32,
    /// The taker's side; in an auction [`Side::Sell`].
    pub taker_side: Side,
    /// In an auction there is neither maker nor taker.
    pub auction: bool,
    /// The maker's price, or the auction's.
    pub price: Ticks,
    /// Lots, above 0.
    pub qty: Lots,
}

/// What an auction would do now (rule 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicative {
    /// Its price; `None` if nothing would trade.
    pub price: Option<Ticks>,
    /// Lots that would trade.
    pub qty: Lots,
    /// Lots that would be left at that price.
    pub imbalance: Lots,
    /// Their side; [`Side::Buy`] if there are none.
    pub side: Side,
}

impl Indicative {
    /// Nothing would trade.
    pub const NOTHING: Self =
        Self { price: None, qty: Lots(0), imbalance: Lots(0), side: Side::Buy };
}

/// A displayed order in the queue of its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The order.
    pub handle: u32,
    /// Its price.
    pub price: Ticks,
    /// Its open quantity, displayed or not.
    pub open: Lots,
    /// Lots displayed at its price, its own among them.
    pub level: Lots,
    /// Of those, lots that trade before it.
    pub ahead: Lots,
    /// And lots that trade after it.
    pub behind: Lots,
}

/// Is told what the market does, in the order in which it does it.
pub trait Reports {
    /// The order is in. `price` is its limit where it slid, else as entered; 0 where it has none.
    fn accepted(&mut self, handle: u32, price: Ticks);
    /// Two orders traded.
    fn trade(&mut self, trade: &Trade);
    /// `qty` lots were taken off the order. It has ended unless the reason is [`CancelReason::SelfTrade`] and some are left.
    fn canceled(&mut self, handle: u32, qty: Lots, reason: CancelReason);
    /// The order has new terms: its limit (0 where it has none) and open quantity.
    fn replaced(&mut self, handle: u32, price: Ticks, leaves: Lots);
    /// A waiting order was triggered and is carried out next: with the limit `price`, 0 for a market order.
    fn triggered(&mut self, handle: u32, price: Ticks);
    /// A new order was refused.
    fn rejected(&mut self, handle: u32, reject: Reject);
    /// A cancel or replace was refused; the order, if there is one, stands as it was.
    fn refused(&mut self, handle: u32, reject: Reject);
    /// The order has ended, filled or canceled, and all of it has been told: no order has its handle any more.
    #[inline(always)]
    fn ended(&mut self, handle: u32) {
        let _ = handle;
    }
    /// The market's phase is another now, by a price band or because it was asked for.
    fn phase(&mut self, phase: Phase) {
        let _ = phase;
    }
    /// What an auction would do has changed.
    fn indicative(&mut self, indicative: Indicative) {
        let _ = indicative;
    }
    /// The displayed quantity at a price, and the number of orders there, are now these.
    #[inline(always)]
    fn level(&mut self, side: Side, price: Ticks, qty: Lots, orders: u32) {
        let _ = (side, price, qty, orders);
    }
}

/// True if the account's instruction forbids a trade of `taker` with `maker`, both by account.
fn is_self_trade(instruction: Option<SelfTrade>, taker: u32, maker: u32) -> bool {
    instruction.is_some() && taker == maker
}
