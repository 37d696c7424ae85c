//! The engine: order books, the paper venue, the state machine, and the thread that runs it.
//!
//! * [`book`]: one L3 book per instrument, in flat memory.
//! * [`matching`]: the internal market.
//! * [`core`]: the state machine. `apply(input)` reads no clock, no file and no socket; the same inputs give the
//!   same outputs and the same state hash.
//! * [`runtime`]: the pinned thread around it: sequence, journal, apply, publish.
//! * [`trader`]: who trades on the engine's thread, live or in a backtest, and what it hears.
//! * [`backtest`]: the same state machine in lock-step with whoever trades, over the market events of a file.
//! * [`replay`]: the same state machine over the inputs of a journal; [`parity`]: what a simulation makes of them, compared.
//! * [`snapshot`]: the state in a file, so that a restart applies only what came after it.
//! * [`event_log`]: the thread behind the engine that keeps every event, numbered, for streams that resume.
//! * [`latency`]: what each stage of an order's way takes, outside of the state.
//! * [`broadcast`], [`lane`]: the rings by which others listen and speak.
//!
//! Start reading at [`core::Core::apply`].

pub mod backtest;
pub mod book;
pub mod broadcast;
pub mod core;
pub mod event_log;
mod grid;
pub mod lane;
pub mod latency;
pub mod matching;
pub mod memory;
pub mod parity;
pub mod replay;
pub mod runtime;
pub mod snapshot;
pub mod trader;
