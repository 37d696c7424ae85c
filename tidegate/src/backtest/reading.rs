//! The file of a backtest, read and decoded by a thread of its own, some messages ahead of what is played.
//!
//! What is played depends on nothing but the file: batches end after a number of messages, never with time.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;
use tidegate_feed_handler::error::Error;
use tidegate_feed_handler::source::Source;
use tidegate_model::MarketEvent;

/// Messages of a batch.
const MESSAGES: usize = 4_096;
/// Batches that are read ahead, used again once they are played.
const BATCHES: usize = 4;

/// Some messages' events.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the file's order.
    pub events: Vec<MarketEvent>,
    /// Of each message, the events up to its end.
    ends: Vec<usize>,
    /// Messages of the file before these.
    before: u64,
    /// Why the file cannot be read any further, behind the events.
    pub error: Option<Error>,
}

impl Batch {
    /// Messages of the file up to the one of event `at` of this batch; past its last event, up to its end.
    pub fn messages(&self, at: usize) -> u64 {
        let begun = self.ends.partition_point(|end| *end <= at) + 1;
        self.before + begun.min(self.ends.len()) as u64
    }
}

/// The batches of a file, in order. Dropping it ends the thread.
#[derive(Debug)]
pub struct Reading {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
}

impl Reading {
    /// Begins to read what is left of `source`.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        source: &'env mut Source,
    ) -> Self {
        let (full, filled) = sync_channel(BATCHES);
        let (empty, emptied) = channel();
        for _ in 0..BATCHES {
            // Its receiver is below.
            let _ = empty.send(Batch::default());
        }
        scope.spawn(move || read(source, &emptied, &full));
        Self { full: filled, empty }
    }

    /// The next batch; `None` behind the end.
    pub fn next(&mut self) -> Option<Batch> {
        self.full.recv().ok()
    }

    /// Gives a batch back.
    pub fn played(&mut self, batch: Batch) {
        // The thread may be behind the file's end.
        let _ = self.empty.send(batch);
    }
}

fn read(source: &mut Source, empty: &Receiver<Batch>, full: &SyncSender<Batch>) {
    for Batch { mut events, mut ends, .. } in empty {
        events.clear();
        ends.clear();
        let before = source.messages();
        let (mut error, mut is_end) = (None, false);
        while ends.len() < MESSAGES && !is_end {
            match source.read_message(|event| events.push(event)) {
                Ok(true) => ends.push(events.len()),
                Ok(false) => is_end = true,
                Err(reason) => (error, is_end) = (Some(reason), true),
            }
        }
        if full.send(Batch { events, ends, before, error }).is_err() || is_end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_counted_from_its_first_event_on() {
        // A message of two events, one of none, one of one.
        let batch = Batch { ends: vec![2, 2, 3], before: 10, ..Batch::default() };
        assert_eq!([0, 1, 2, 3].map(|at| batch.messages(at)), [11, 11, 13, 13]);
        assert_eq!(Batch { before: 7, ..Batch::default() }.messages(0), 7);
    }
}
