//! The shared-memory door: the same events and the same orders as over gRPC, without a system call on the way.
//!
//! A process asks at a Unix socket, with a token. It is given two pieces of memory: the public data of everyone, which it may
//! only read, and a ring of orders and a ring of events of its own. From then on nothing goes over the socket; that it is
//! open says that both sides are there. However a process ends, the system closes it, and with it the session.
//!
//! * [`Session::attach`] comes in; [`Session::send`], [`Session::next_event`] and [`Session::next_public`] are the path.
//! * [`book::Books`] makes books of public data.
//! * [`protocol`] is what goes over the socket and where everything lies, for whoever writes the other side or another client.
//!
//! Who shares memory is trusted with nothing but its own session: the engine copies what it finds, and checks it.
//!
//! Start reading at [`Session`].

pub mod book;
pub mod protocol;
mod session;
pub mod socket;

pub use protocol::Position;
pub use session::{Attach, Ended, SendError, Session, ShmError};
pub use tidegate_model::ReleaseLevel;
pub use tidegate_ring::broadcast::Next;
