//! Orders, positions and cash: what became of everything that the gate let through.
//!
//! [`Oms`] holds every order of the trading day with its place in the FIX life cycle, the positions at
//! average cost, and the cash of every account. It decides nothing about markets: the engine tells it
//! what a venue did, and it says what that means.
//!
//! **Invariant:** the crate reads no clock, no random source, no file and no socket, knows no float, and
//! allocates only in [`Oms::new`] and [`Oms::open_account`], beside memory reserved there.
//!
//! **Invariant:** in every currency of every account, after every event: cash + positions at cost = deposits +
//! realised + dividends - fees - borrow + conversions. It is asserted in release builds.
//!
//! Start reading at [`lifecycle`], the one table of what may happen to an order; then [`order`],
//! [`position`], [`accounts`] and [`oms`].

mod account;
pub mod accounts;
pub mod algorithms;
mod amend;
pub mod borrow;
mod client_ids;
pub mod fee;
mod ledger;
mod legs;
pub mod lifecycle;
pub mod lists;
pub mod oms;
pub mod order;
mod orders;
mod parents;
pub mod position;
mod rates;
pub mod waiting;

pub use accounts::Mark;
pub use algorithms::{AlgorithmEnd, AlgorithmSlot, AlgorithmStep};
pub use amend::Amended;
pub use ledger::actions::{Action, Posted};
pub use ledger::executions::Executed;
pub use ledger::{Booking, WalletSlot};
pub use lifecycle::OrdEvent;
pub use lists::{AtTrigger, List, ListSlot, ListStep};
pub use oms::{Fill, NameHash, Named, Oms};
pub use order::{Bond, Order, OrderSlot, Owner, PendingReplace, Place, Requester};
pub use parents::name_of_child;
pub use waiting::{Trail, Waiter, Waiting};
