//! `tidegate backtest`, behind its command line: a file through the engine, with a strategy in lock-step.
//!
//! [`reading`] reads it, [`play`] drives it, [`host`] is the strategy's side, [`recorder`] watches, [`statistics`] and
//! [`report`] say what came of it. The engine's part is `engine/src/backtest.rs`.

pub mod fills;
pub mod host;
pub mod play;
pub mod reading;
pub mod recorder;
pub mod report;
pub mod statistics;
pub mod table;
pub mod trips;
