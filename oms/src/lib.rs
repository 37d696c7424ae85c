//! Orders, positions and cash: what became of everything that the gate let through.
//!
//! [`Oms`] holds every order of the trading day with its place in the FIX life cycle, the positions at
//! average cost, and the cash of every account. It decides nothing about markets: the engine tells it
//! what a venue did, and it says what that means.
//!
//! **Invariant:** the crate reads no clock, no random source, no file and no socket, knows no float, and
//! allocates only in [`Oms::new`] and [`Oms::open_account`], beside memory reserved there.
//!
//! **Invariant:** cash + positions at cost = net deposits + realised - fees, for every account, after
//! every fill and transfer. It is asserted in release builds.
//!
//! Start reading at [`lifecycle`], the one table of what may happen to an order; then [`order`],
//! [`position`] and [`oms`].

mod account;
mod client_ids;
pub mod fee;
mod ledger;
pub mod lifecycle;
pub mod oms;
pub mod order;
mod orders;
pub mod position;

pub use ledger::Booking;
pub use lifecycle::OrdEvent;
pub use oms::{Fill, Named, Oms};
pub use order::{Order, OrderSlot, PendingReplace, Requester};
