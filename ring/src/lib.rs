//! Rings between threads, and between processes that trust each other with nothing but the memory they share.
//!
//! * [`queue`]: one sender, one receiver, every message once; full is an error for the sender. What says that a message is there
//!   lies in its own cache line, so one line goes from core to core for a message of 56 bytes, where a counter beside the messages
//!   makes it two.
//! * [`broadcast`]: one writer who never waits, any number of readers; who is overtaken is told by how much.
//! * [`Memory`]: where they lie: private to the process, or a sealed memory file whose descriptor is handed to another process.
//!
//! **What a process on the other side can do:** write anything into memory that it may write, at any time. Everything here is
//! read word by word as atomics, copied once, and never trusted for an index or a length; whoever takes a message out has a
//! copy that nobody changes any more, and checks what it says.
//!
//! Start reading at [`queue::queue`].

pub mod broadcast;
mod memory;
pub mod queue;
mod slots;

pub use memory::{Access, Memory, MemoryError};
