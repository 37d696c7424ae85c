//! The thread between the engine's broadcast and the board.

use super::{Board, BookCell};
use crate::link::Reader;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_engine::broadcast::{Next, Rest};
use tidegate_model::{InstrumentId, PublicUpdate};

/// Updates taken before consumers are woken.
const BATCH: usize = 1_024;
/// How long the thread sleeps when there is nothing: far below what a network adds, and little work when idle.
const PARK: Duration = Duration::from_micros(500);
/// How long it goes on like that when nothing comes.
const QUIET: Duration = Duration::from_millis(20);
/// How long it sleeps then where the engine would wake it.
const SLEEP: Duration = Duration::from_millis(5);

/// Reads the broadcast into the board.
pub(crate) struct MarketReader {
    reader: Reader,
    board: Arc<Board>,
    /// Books seen so far, without the board's lock.
    known: Vec<Arc<BookCell>>,
    /// It has not been up to date yet: a recovery speaks faster than anybody listens.
    is_new: bool,
}

impl MarketReader {
    pub fn new(reader: Reader, board: Arc<Board>) -> Self {
        Self { reader, board, known: Vec::new(), is_new: true }
    }

    fn apply(&mut self, update: &PublicUpdate) {
        let at = update.instrument.index();
        if at >= InstrumentId::COUNT_MAX {
            return;
        }
        while self.known.len() <= at {
            let next = InstrumentId(self.known.len() as u32);
            self.known.push(self.board.cell(next));
        }
        self.known[at].apply(update);
    }

    /// Takes what is there, at most [`BATCH`]; false if there was nothing.
    pub fn step(&mut self) -> bool {
        let mut taken = 0;
        while taken < BATCH {
            match self.reader.next() {
                Next::Item(update) => self.apply(&update),
                Next::Empty => {
                    self.is_new = false;
                    break;
                }
                Next::Lapped { skipped } => {
                    if !self.is_new {
                        tracing::warn!(
                            skipped,
                            "too slow for the engine's public data; books are read anew"
                        );
                    }
                    self.board.lost_some(skipped);
                }
            }
            taken += 1;
        }
        if taken > 0 {
            self.board.changed.send_replace(());
        }
        taken > 0
    }

    /// Runs until `stop`, on a thread of its own.
    pub fn spawn(mut self, stop: Arc<AtomicBool>) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("edge-market".into()).spawn(move || {
            let mut rest = Rest::new(PARK, QUIET);
            while !stop.load(Ordering::Acquire) {
                if self.step() {
                    rest.worked();
                } else {
                    self.reader.rest(&mut rest, SLEEP);
                }
            }
        })
    }
}
