//! The way out of a stream: a bounded queue with a reason at its end.

use crate::clients::Open;
use crate::sync::lock;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::Stream;
use tonic::Status;

/// Messages between the task that makes them and the connection that carries them.
pub(crate) const QUEUE_MAX: usize = 64;

/// The making end. Dropping it ends the stream without error.
#[derive(Debug)]
pub(crate) struct Inlet<T> {
    queue: mpsc::Sender<T>,
    reason: Arc<Mutex<Option<Status>>>,
}

/// The carrying end: what tonic sends.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    queue: mpsc::Receiver<T>,
    reason: Arc<Mutex<Option<Status>>>,
    /// Counts the stream for as long as it lives.
    _permit: StreamPermit,
}

/// A place among all streams, and among those of one client; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    pub _place: OwnedSemaphorePermit,
    pub _open: Open,
}

/// The client has gone.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) fn outlet<T>(permit: StreamPermit) -> (Inlet<T>, Outlet<T>) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let reason = Arc::new(Mutex::new(None));
    let inlet = Inlet { queue: sender, reason: Arc::clone(&reason) };
    (inlet, Outlet { queue: receiver, reason, _permit: permit })
}

impl<T> Inlet<T> {
    /// Waits for room; the caller decides beside what.
    pub async fn reserve(&self) -> Result<mpsc::Permit<'_, T>, Gone> {
        self.queue.reserve().await.map_err(|_| Gone)
    }

    /// Waits until the client has gone.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Ends the stream with `reason`, after what is queued.
    pub fn close(self, reason: Status) {
        *lock(&self.reason) = Some(reason);
    }
}

impl<T> Stream for Outlet<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.queue.poll_recv(context) {
            Poll::Ready(Some(item)) => Poll::Ready(Some(Ok(item))),
            Poll::Ready(None) => Poll::Ready(lock(&self.reason).take().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Client;
    use tokio_stream::StreamExt;

    #[tokio::test]
    async fn the_reason_comes_after_what_is_queued() {
        let streams = Arc::new(tokio::sync::Semaphore::new(1));
        let place = Arc::clone(&streams).try_acquire_owned().expect("a permit");
        let permit = StreamPermit { _place: place, _open: Client::local().open_stream() };
        let (inlet, mut outlet) = outlet(permit);
        inlet.reserve().await.expect("room").send(1);
        inlet.close(Status::aborted("enough"));
        assert_eq!(outlet.next().await.expect("an item").expect("no error"), 1);
        let status = outlet.next().await.expect("a reason").expect_err("an error");
        assert_eq!(status.message(), "enough");
        assert!(outlet.next().await.is_none());
        drop(outlet);
        assert_eq!(streams.available_permits(), 1);
    }
}
