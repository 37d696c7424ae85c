//! States that are told to many: each is written once, and whoever follows it is marked. A client takes what it is marked for when
//! it has room, as it stands then.

use crate::market::bars::BASES;
use crate::market::picture::{Instrument, change};
use crate::market::report::{BarReport, BookReport, QuoteReport, TradeReport};
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Notify;

/// Subscriptions of one client.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 200;
const WORDS: usize = SUBSCRIPTIONS_MAX.div_ceil(64);

/// A client, as those see it who have something for it.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    dirty: [AtomicU64; WORDS],
    has_events: AtomicBool,
    notify: Notify,
}

impl Listener {
    fn mark(&self, bit: u8) {
        let word = &self.dirty[usize::from(bit) / 64];
        let mask = 1 << (bit % 64);
        // Who marks what is marked already has been heard.
        if word.fetch_or(mask, Ordering::AcqRel) & mask == 0 {
            self.notify.notify_one();
        }
    }

    /// There are events for it.
    pub fn events(&self) {
        if !self.has_events.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits until there is something.
    pub async fn wait(&self) {
        self.notify.notified().await;
    }

    /// Whether there are events, which are taken now.
    pub fn take_events(&self) -> bool {
        self.has_events.swap(false, Ordering::AcqRel)
    }

    /// The numbers of the subscriptions that have something, which is taken now.
    pub fn take_dirty(&self, mut each: impl FnMut(u8)) {
        for (at, word) in self.dirty.iter().enumerate() {
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                each((at * 64) as u8 + bits.trailing_zeros() as u8);
                bits &= bits - 1;
            }
        }
    }
}

/// What can be followed of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Aspect {
    /// Best bid and offer.
    Quotes,
    /// The book.
    Books,
    /// The last trade.
    Trades,
    /// The newest bar, by its number in [`BASES`].
    Bars(u8),
}

impl Aspect {
    /// Those that a change concerns.
    fn of(changed: u8) -> impl Iterator<Item = Self> {
        let quotes = (changed & change::QUOTE != 0).then_some(Self::Quotes);
        let books = (changed & change::BOOK != 0).then_some(Self::Books);
        let traded = changed & change::TRADE != 0;
        let bars = (0..BASES.len() as u8).map(Self::Bars);
        let trades = std::iter::once(Self::Trades).chain(bars).filter(move |_| traded);
        quotes.into_iter().chain(books).chain(trades)
    }
}

/// An aspect of an instrument, by its slot.
pub(crate) type Key = (u32, Aspect);

/// An aspect of an instrument, as it was told last, and who follows it.
#[derive(Debug)]
pub(crate) struct Topic {
    latest: RwLock<Utf8Bytes>,
    listeners: Mutex<Vec<(Arc<Listener>, u8)>>,
}

impl Topic {
    /// The state as it was told last; `None` if nothing was.
    pub fn latest(&self) -> Option<Utf8Bytes> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        (!latest.is_empty()).then(|| latest.clone())
    }
}

/// A message about an instrument.
#[derive(Serialize)]
struct State<'a, T> {
    channel: &'static str,
    symbol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<&'static str>,
    data: T,
}

/// Names of [`BASES`].
pub(crate) const RESOLUTIONS: [&str; BASES.len()] = ["1s", "1m", "5m", "15m", "1h", "1d"];

/// The message about an aspect as it stands; empty if there is nothing to tell.
fn write(instrument: &Instrument, aspect: Aspect) -> Utf8Bytes {
    let state = instrument.look();
    let (symbol, terms) = (instrument.symbol.as_str(), &state.terms);
    let text = match aspect {
        Aspect::Quotes => {
            state.quote.as_ref().map(|quote| text("quotes", symbol, None, QuoteReport::new(quote)))
        }
        Aspect::Books => state
            .book
            .as_ref()
            .map(|book| text("books", symbol, None, BookReport::new(symbol, book, usize::MAX))),
        Aspect::Trades => {
            let report = |trade| text("trades", symbol, None, TradeReport::new(terms, trade));
            state.trades.back().map(report)
        }
        Aspect::Bars(base) => {
            let resolution = RESOLUTIONS.get(usize::from(base)).copied();
            let report = |bar| text("bars", symbol, resolution, BarReport::new(terms, bar));
            state.bars.newest(base.into()).map(report)
        }
    };
    text.unwrap_or_default().into()
}

fn text<T: Serialize>(
    channel: &'static str,
    symbol: &str,
    resolution: Option<&'static str>,
    data: T,
) -> String {
    let message = State { channel, symbol, resolution, data };
    serde_json::to_string(&message).unwrap_or_default()
}

/// All states that somebody follows.
#[derive(Debug, Default)]
pub(crate) struct Topics(RwLock<HashMap<Key, Arc<Topic>>>);

impl Topics {
    /// Tells what changed of an instrument to those who follow it.
    pub fn publish(&self, instrument: &Instrument, changed: u8) {
        // Held to the end, so that nobody who comes meanwhile gets an older state after a newer one.
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for aspect in Aspect::of(changed) {
            let Some(topic) = topics.get(&(instrument.slot, aspect)) else { continue };
            *topic.latest.write().unwrap_or_else(PoisonError::into_inner) =
                write(instrument, aspect);
            let listeners = topic.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            for (listener, bit) in listeners.iter() {
                listener.mark(*bit);
            }
        }
    }

    /// Begins to mark `listener`, at once for what there is, which the topic has from now on.
    pub fn follow(
        &self,
        instrument: &Instrument,
        aspect: Aspect,
        listener: &Arc<Listener>,
        bit: u8,
    ) -> Arc<Topic> {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry((instrument.slot, aspect)).or_insert_with(|| {
            Arc::new(Topic {
                latest: RwLock::new(write(instrument, aspect)),
                listeners: Mutex::default(),
            })
        });
        let mut listeners = topic.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push((Arc::clone(listener), bit));
        listener.mark(bit);
        drop(listeners);
        Arc::clone(topic)
    }

    /// Marks `listener` no more.
    pub fn leave(&self, key: Key, listener: &Arc<Listener>) {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(topic) = topics.get(&key) else { return };
        let mut listeners = topic.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = listeners.iter().position(|(one, _)| Arc::ptr_eq(one, listener)) {
            listeners.swap_remove(at);
        }
        let is_followed = !listeners.is_empty();
        drop(listeners);
        if !is_followed {
            topics.remove(&key);
        }
    }

    /// How many are followed.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::picture::Picture;
    use tidegate_client::proto;

    #[test]
    fn whoever_follows_is_marked_once_and_takes_the_newest() {
        let picture = Picture::new(10, HashMap::new());
        let symbol = "ACME".to_string();
        picture.define(vec![proto::Instrument { symbol: symbol.clone(), ..Default::default() }]);
        let acme = picture.index().get("ACME").cloned().expect("defined");
        let (topics, listener) = (Topics::default(), Arc::new(Listener::default()));
        let quotes = topics.follow(&acme, Aspect::Quotes, &listener, 199);
        topics.follow(&acme, Aspect::Bars(1), &listener, 3);
        let taken = || {
            let mut bits = Vec::new();
            listener.take_dirty(|bit| bits.push(bit));
            bits
        };
        assert_eq!(taken(), [3, 199]);
        assert_eq!(quotes.latest(), None);
        for bid in ["1", "2", "3"] {
            let quote = proto::Quote {
                symbol: symbol.clone(),
                bid_price: bid.into(),
                ..Default::default()
            };
            picture.quote(quote);
            topics.publish(&acme, acme.take_changed());
        }
        assert_eq!(taken(), [199]);
        assert!(taken().is_empty());
        let latest = quotes.latest().expect("told");
        assert!(latest.contains(r#""bid_price":"3""#), "{latest}");
        topics.leave((acme.slot, Aspect::Quotes), &listener);
        topics.leave((acme.slot, Aspect::Bars(1)), &listener);
        assert_eq!(topics.len(), 0);
    }
}
