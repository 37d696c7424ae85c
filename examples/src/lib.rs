//! What the example strategies share: how they are started and stopped (`Start`), and how they send orders (`Desk`).
//!
//! The strategies themselves are `src/bin/market_maker.rs` and `src/bin/momentum.rs`; read those first. They use
//! nothing but the gRPC services, like a program in any other language would.

mod desk;
mod setup;
mod tally;

pub use desk::{Desk, Order};
pub use setup::{Market, Start};
pub use tally::Summary;
