//! The gate: every order passes here before any venue sees it.
//!
//! [`Risk`] holds the limits, the kill switches, the message budgets and the exposure of every account,
//! and answers one question: may this order go? Only a yes gives a [`RiskApproved`], which nothing
//! outside this crate can make, and venues accept nothing else.
//!
//! **Invariant:** the crate reads no clock, no random source, no file and no socket, knows no float, and
//! allocates only where something is set: an account, an instrument, a control, a principal, a group; and once for the first
//! order of a strategy.
//!
//! **Invariant:** what comes from outside never panics here. It is approved or it is a
//! [`Reject`](tidegate_model::Reject) with the limit and the value. Assertions guard only what the
//! engine itself feeds back: an order that closes must have been opened.
//!
//! Start reading at [`gate`], which has the controls in the order in which they are asked.

mod admin;
pub mod approval;
mod ask;
pub mod collar;
pub mod control;
pub mod counting;
pub mod exposure;
mod factors;
pub mod funds;
pub mod gate;
mod judge;
pub mod limits;
pub mod margin;
pub mod marks;
pub mod pairs;
mod people;
pub mod rate;
mod recent;
pub mod saved;
pub mod scopes;
pub mod stake;
pub mod terms;
mod throttle;

pub use approval::RiskApproved;
pub use ask::Parties;
pub use control::Control;
pub use counting::{Filled, Left};
pub use exposure::{Counting, OrderExposure, PairExposure};
pub use funds::{Funds, MarginFunds};
pub use gate::{MarketView, OrderContext, OwnOrders, RateOf, Risk};
pub use margin::MarginTerms;
pub use scopes::Totals;
pub use stake::Contribution;
