//! The gate: every order passes here before any venue sees it.
//!
//! [`Risk`] holds the limits, the kill switches, the message budgets and the exposure of every account,
//! and answers one question: may this order go? Only a yes gives a [`RiskApproved`], which nothing
//! outside this crate can make, and venues accept nothing else.
//!
//! **Invariant:** the crate reads no clock, no random source, no file and no socket, knows no float, and
//! allocates only in [`Risk::new`], [`Risk::open_account`] and [`Risk::define_instrument`].
//!
//! **Invariant:** what comes from outside never panics here. It is approved or it is a
//! [`Reject`](tidegate_model::Reject) with the limit and the value. Assertions guard only what the
//! engine itself feeds back: an order that closes must have been opened.
//!
//! Start reading at [`gate`], which has the controls in the order in which they are asked.

pub mod approval;
pub mod collar;
pub mod exposure;
pub mod funds;
pub mod gate;
pub mod limits;
pub mod margin;
pub mod pairs;
pub mod rate;
pub mod terms;

pub use approval::RiskApproved;
pub use exposure::{Counting, OrderExposure, PairExposure};
pub use funds::{Funds, MarginFunds};
pub use gate::{OrderContext, Risk};
pub use margin::MarginTerms;
