//! Events of accounts that are kept, so that whoever comes again hears what was missed, or that it cannot be known.

use super::Listener;
use axum::extract::ws::Utf8Bytes;
use serde::{Serialize, Serializer};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use utoipa::ToSchema;

/// The place of an event; `SEQ:ORDINAL` as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The engine's input.
    pub seq: u64,
    /// Its how many-eth event.
    pub ordinal: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.ordinal)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, ordinal) = text.split_once(':').ok_or(())?;
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !is_plain(seq) || !is_plain(ordinal) {
            return Err(());
        }
        let (seq, ordinal) = (seq.parse().map_err(drop)?, ordinal.parse().map_err(drop)?);
        Ok(Self { seq, ordinal })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Channels of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventChannel {
    /// Whatever becomes of an order.
    Orders,
    /// Executions, and those that were taken back or put right.
    Fills,
    /// Positions as they stand; of those that wait for one client only the newest of an instrument is sent.
    Positions,
    /// Cash, in the same way.
    Balances,
    /// Limits that were set; for those who decide, what waits for a second person.
    Risk,
    /// Controls that stopped something, and kill switches.
    Alerts,
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// An account, by the engine's number.
    Account(u32),
    /// One who acts, by the engine's number.
    Principal(u32),
    /// Everybody: the firm, or an instrument.
    Everybody,
    /// Those who decide what waits for a second person.
    Deciders,
}

/// What is told of one event on one channel.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Whom it is about.
    pub whose: Whose,
    /// On which.
    pub channel: EventChannel,
    /// The message as it is sent.
    pub text: Utf8Bytes,
    /// Messages with the same key make earlier ones needless, where they wait together.
    pub replaces: Option<Arc<str>>,
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its place; they come in this order.
    pub position: Position,
    /// What is told of it.
    pub told: Vec<Told>,
}

/// Events of one account.
#[derive(Debug, Default)]
struct Feed {
    kept: VecDeque<Arc<Event>>,
    /// The last that is no longer kept.
    dropped: Position,
    listeners: Vec<Arc<Listener>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// What came up to here before we did is not known.
    floor: Position,
    /// The last event.
    head: Position,
    /// Whose events are kept, in their order.
    order: VecDeque<Whose>,
    of: HashMap<Whose, Feed>,
}

/// The events that are kept.
#[derive(Debug)]
pub(crate) struct Log {
    kept: Mutex<Kept>,
    kept_max: usize,
}

/// Events after a place.
#[derive(Debug)]
pub(crate) enum Since {
    /// These, and how far they have been looked for.
    Events(Vec<Arc<Event>>, Position),
    /// Some of them are no longer kept; what was lost, if anything, ends before this place.
    Gap(Position),
}

impl Log {
    /// An empty one that keeps so many.
    pub fn new(kept_max: usize) -> Self {
        Self { kept: Mutex::default(), kept_max }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes next follows this place; what came before is not known. It may be behind what came last: another engine's.
    pub fn begin(&self, floor: Position) {
        let mut kept = self.kept();
        (kept.floor, kept.head) = (floor, floor);
        kept.order.clear();
        #[allow(clippy::iter_over_hash_type, reason = "each is done the same to, in any order")]
        for feed in kept.of.values_mut() {
            feed.kept.clear();
            feed.dropped = floor;
            // Whoever was further hears that it must begin anew.
            for listener in &feed.listeners {
                listener.events();
            }
        }
    }

    /// The last event.
    pub fn head(&self) -> Position {
        self.kept().head
    }

    /// Adds an event, and wakes whom it is for. One that is not newer than the last was added before.
    pub fn add(&self, event: Event) {
        let mut kept = self.kept();
        if event.position <= kept.head {
            return;
        }
        kept.head = event.position;
        let mut about: Vec<Whose> = Vec::new();
        for told in &event.told {
            if !about.contains(&told.whose) {
                about.push(told.whose);
            }
        }
        let event = Arc::new(event);
        for whose in about {
            if kept.order.len() >= self.kept_max
                && let Some(oldest) = kept.order.pop_front()
                && let Some(feed) = kept.of.get_mut(&oldest)
                && let Some(dropped) = feed.kept.pop_front()
            {
                feed.dropped = dropped.position;
            }
            kept.order.push_back(whose);
            let feed = kept.of.entry(whose).or_default();
            feed.kept.push_back(Arc::clone(&event));
            for listener in &feed.listeners {
                listener.events();
            }
        }
    }

    /// Wakes `listener` with each event about `whose`.
    pub fn listen(&self, whose: Whose, listener: &Arc<Listener>) {
        self.kept().of.entry(whose).or_default().listeners.push(Arc::clone(listener));
    }

    /// Takes one [`Log::listen`] back.
    pub fn leave(&self, whose: Whose, listener: &Arc<Listener>) {
        let mut kept = self.kept();
        let Some(feed) = kept.of.get_mut(&whose) else { return };
        if let Some(at) = feed.listeners.iter().position(|one| Arc::ptr_eq(one, listener)) {
            feed.listeners.swap_remove(at);
        }
    }

    /// Events of several after a place of each, as they stand in one moment.
    pub fn since(&self, asked: impl Iterator<Item = (Whose, Position)>) -> Vec<Since> {
        let kept = self.kept();
        let since = |(whose, after): (Whose, Position)| {
            let feed = kept.of.get(&whose);
            let known = feed.map_or(kept.floor, |feed| feed.dropped.max(kept.floor));
            if after < known || after > kept.head {
                return Since::Gap(kept.head);
            }
            let events = feed.map(|feed| {
                let first = feed.kept.partition_point(|event| event.position <= after);
                feed.kept.range(first..).cloned().collect()
            });
            Since::Events(events.unwrap_or_default(), kept.head)
        };
        asked.map(since).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, account: u32) -> Event {
        let (whose, channel) = (Whose::Account(account), EventChannel::Orders);
        let told = Told { whose, channel, text: "{}".into(), replaces: None };
        Event { position: Position { seq, ordinal: 0 }, told: vec![told] }
    }

    fn since(log: &Log, account: u32, seq: u64) -> Option<Vec<u64>> {
        let after = Position { seq, ordinal: 0 };
        match log.since(std::iter::once((Whose::Account(account), after))).remove(0) {
            Since::Events(events, _) => Some(events.iter().map(|e| e.position.seq).collect()),
            Since::Gap(_) => None,
        }
    }

    #[test]
    fn what_is_kept_is_told_and_what_is_not_is_a_gap() {
        let log = Log::new(3);
        log.begin(Position { seq: 10, ordinal: 0 });
        for (seq, account) in [(11, 1), (12, 2), (12, 2), (13, 1), (9, 1)] {
            log.add(event(seq, account));
        }
        assert_eq!(since(&log, 1, 10), Some(vec![11, 13]));
        assert_eq!(since(&log, 1, 11), Some(vec![13]));
        assert_eq!(since(&log, 3, 10), Some(vec![]));
        assert_eq!(since(&log, 1, 9), None);
        log.add(event(14, 2));
        assert_eq!((since(&log, 1, 10), since(&log, 1, 11)), (None, Some(vec![13])));
        assert_eq!(since(&log, 2, 10), Some(vec![12, 14]));
        assert_eq!(log.head(), Position { seq: 14, ordinal: 0 });
        // A place that nobody gave out, and an engine that begins anew.
        assert_eq!(since(&log, 1, 15), None);
        log.begin(Position { seq: 5, ordinal: 0 });
        log.add(event(6, 1));
        assert_eq!((since(&log, 1, 14), since(&log, 1, 5)), (None, Some(vec![6])));
    }

    #[test]
    fn places_are_read_and_nothing_else() {
        let place = Position { seq: 12, ordinal: 3 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in ["", "1", ":", "1:", "+1:0", "1:-1", "1:0:0", "99999999999999999999:0"] {
            assert_eq!(bad.parse::<Position>(), Err(()), "{bad}");
        }
    }
}
