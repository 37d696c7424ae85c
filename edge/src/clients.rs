//! Who is connected: what the bearer of each token has open, and when it called last.

use crate::config::TokenEntry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tidegate_client::proto;
use tidegate_engine::runtime::unix_now;

/// One of those who may connect. What all bearers of a token do is one client's.
#[derive(Debug, Default)]
pub(crate) struct Client {
    name: String,
    principal: u32,
    streams: AtomicU32,
    seats: AtomicU32,
    /// UTC nanoseconds; 0: never.
    called_at: AtomicU64,
}

/// Something that a client has open, until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    client: Arc<Client>,
    count: fn(&Client) -> &AtomicU32,
}

impl Client {
    /// Whoever has this token.
    pub fn new(entry: &TokenEntry) -> Arc<Self> {
        Arc::new(Self { name: entry.name.clone(), principal: entry.principal.0, ..Self::default() })
    }

    /// Whoever reads on this machine without a token.
    pub fn local() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// It calls now.
    pub fn called(&self) {
        self.called_at.store(unix_now().0, Ordering::Relaxed);
    }

    /// One more of its streams.
    pub fn open_stream(self: &Arc<Self>) -> Open {
        self.open(|client| &client.streams)
    }

    /// One more of its sessions over shared memory.
    pub fn open_seat(self: &Arc<Self>) -> Open {
        self.called();
        self.open(|client| &client.seats)
    }

    fn open(self: &Arc<Self>, count: fn(&Self) -> &AtomicU32) -> Open {
        count(self).fetch_add(1, Ordering::Relaxed);
        Open { client: Arc::clone(self), count }
    }

    /// How it stands; `None` if it was never here.
    pub fn report(&self) -> Option<proto::ClientReport> {
        let last_call = self.called_at.load(Ordering::Relaxed);
        (last_call != 0).then(|| proto::ClientReport {
            name: self.name.clone(),
            principal: self.principal,
            streams_open: self.streams.load(Ordering::Relaxed),
            seats_open: self.seats.load(Ordering::Relaxed),
            last_call,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.count)(&self.client).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_counts_until_it_is_dropped() {
        let client = Client::local();
        assert_eq!(client.report(), None);
        let seat = client.open_seat();
        let (first, second) = (client.open_stream(), client.open_stream());
        let counts = || client.report().map(|told| (told.streams_open, told.seats_open));
        assert_eq!(counts(), Some((2, 1)));
        drop((seat, first));
        assert_eq!(counts(), Some((1, 0)));
        drop(second);
        let told = client.report().expect("it was here");
        assert!(told.last_call > 0 && told.streams_open == 0, "{told:?}");
    }
}
