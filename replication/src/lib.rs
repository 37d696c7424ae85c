//! The hot standby: the journal of a primary, streamed to followers that have it in memory before anyone is answered, and
//! the change of primary when one is gone.
//!
//! # The protocol, which does no I/O
//!
//! * [`message`]: what goes over the wire, bounded; hostile bytes give typed errors.
//! * [`history`]: which epoch each number was written in, and from where on two journals differ.
//! * [`leader`]: what the primary knows of its followers, and how far all of them are: only up to there may anything leave.
//! * [`follower`]: what a standby takes, in which order, and what it refuses.
//! * [`lease`]: who may be primary, by compare-and-swap on one record in a consensus store.
//! * [`tail`]: the records of a journal as messages.
//! * [`catchup`]: a snapshot in place of the records that the leader does not have any more.
//!
//! None of these reads a clock, opens a socket, starts a thread or draws a random number: time is a parameter, messages are
//! bytes. The simulator runs the same code as the server.
//!
//! # Around it
//!
//! * [`tls`], [`quic`]: links over QUIC, certificates on both sides.
//! * [`complete`]: whether a loss of power may have taken what was confirmed.
//! * [`store`]: the lease's record in etcd.
//! * [`node`]: the threads and tasks of a node; [`primary`] when it leads, [`standby`] when it follows; `promote`: what operators ask.
//!
//! # What must hold
//!
//! * **One prefix.** Two journals that hold a record of one epoch and number are the same up to there.
//! * **Who may lead has everything.** The set in the lease's record is always part of the set that the holder waits for. What
//!   left is therefore in the journal of everyone who may take over.
//! * **An old epoch is deaf.** A follower confirms nothing to a leader of an older epoch than it has seen, and the holder
//!   of a new one is among those that the old one waits for.
//!
//! Start reading at [`leader::Leader`], then [`follower::Follower`].

pub mod catchup;
pub mod complete;
pub mod follower;
pub mod history;
pub mod leader;
pub mod lease;
pub mod message;
pub mod node;
pub mod primary;
mod promote;
pub mod quic;
pub mod standby;
pub mod store;
pub mod tail;
pub mod tls;
mod told;

pub use follower::Follower;
pub use history::History;
pub use leader::Leader;
pub use lease::Lease;

/// A moment on the clock of one machine that is never set: nanoseconds since some beginning of its own. Moments of two
/// machines are never compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The time from `earlier` to this one; zero if that is later.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<std::time::Duration> for Moment {
    type Output = Self;

    fn add(self, span: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}
