//! What the example strategies share: how they are started, how they send orders, and how they are stopped.
//!
//! The strategies themselves are `src/bin/market_maker.rs` and `src/bin/momentum.rs`; read those first. They use
//! nothing but the gRPC services, like a program in any other language would.

mod desk;
mod setup;
mod tally;

pub use desk::{Desk, Order};
pub use setup::{Args, Market, stopped};
pub use tally::{Summary, Tally};
