//! What the benches share: made-up market data, a desk that trades on it, order flow for the internal market, and where large
//! files come from.
//!
//! Each bench in `benches/` says its workload, its unit, its threads and where its clock starts and stops.

pub mod desk;
pub mod flow;
pub mod levels;
pub mod market;
pub mod reports;
