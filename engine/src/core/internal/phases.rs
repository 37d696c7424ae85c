//! What the markets of the house do by the clock and by command: phases, price bands, pauses that end by themselves, and what an
//! auction would do, told to everyone.

use super::bands;
use super::told::Step;
use super::{Core, Internal};
use crate::core::output::Publisher;
use crate::matching::{Indicative, PRICE_MAX, Phase};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use tidegate_model::command::{SetBands, SetPhase, SetReference};
use tidegate_model::event::PhaseCause;
use tidegate_model::{
    InstrumentId, Lots, PublicKind, PublicUpdate, Reject, RejectReason, Ticks, UnixNanos,
};

/// Least time between two looks at what an auction would do: ten a second are more than a person reads.
const INDICATIVE_INTERVAL_NS: u64 = 100_000_000;
/// More of it for each order that took part in the look before: a look goes over every order, some tens of nanoseconds each,
/// and this bounds it to a small share of the time.
const INDICATIVE_INTERVAL_NS_PER_ORDER: u64 = 2_000;

/// What falls due in a market by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum Due {
    /// Its pause ends.
    Reopening,
    /// What an auction would do is looked at.
    Indicative,
}

/// When something falls due in a market, soonest first. It follows from the markets and from what came, so it is not hashed.
///
/// A market has at most one entry of each kind that counts; those of pauses that ended before their time are dropped when the
/// list is full.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Agenda {
    heap: std::collections::BinaryHeap<Reverse<(UnixNanos, Due, u32)>>,
}

/// Entries that one market may have, half of them outdated.
const ENTRIES_PER_MARKET: usize = 4;

impl Agenda {
    /// Makes room for another market.
    pub fn add_market(&mut self, markets: usize) {
        let wanted = markets * ENTRIES_PER_MARKET;
        self.heap.reserve(wanted.saturating_sub(self.heap.len()));
    }

    /// True if its entries are of one of `markets`, and not too many.
    pub fn is_sound(&self, markets: usize) -> bool {
        self.heap.len() <= markets * ENTRIES_PER_MARKET
            && self.heap.iter().all(|Reverse((_, _, market))| (*market as usize) < markets)
    }

    /// When the next entry is due.
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }
}

impl Internal {
    /// When something falls due in a market by itself; sometimes in one where it no longer does.
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.agenda.next_due()
    }

    fn put_on_agenda(&mut self, at: UnixNanos, due: Due, market: u32) {
        let heap = &mut self.agenda.heap;
        if heap.len() >= self.guards.len() * ENTRIES_PER_MARKET {
            let guards = &self.guards;
            let mut entries = std::mem::take(heap).into_vec();
            entries.retain(|Reverse((at, due, market))| {
                *due == Due::Indicative || guards[*market as usize].reopen_at() == Some(*at)
            });
            entries.sort_unstable();
            entries.dedup();
            *heap = entries.into();
        }
        heap.push(Reverse((at, due, market)));
    }
}

impl Core {
    /// The market that is due first does what is due.
    pub(in crate::core) fn carry_out_market_due(&mut self, publisher: &mut Publisher<'_>) {
        let Some(Reverse((at, due, market))) = self.internal.agenda.heap.pop() else { return };
        match due {
            Due::Reopening if self.internal.guards[market as usize].reopen_at() == Some(at) => {
                let step = Step { phase: Phase::Continuous, cause: PhaseCause::Reopening };
                self.step_market(market, step, publisher);
            }
            // That pause ended before its time.
            Due::Reopening => {}
            Due::Indicative => {
                self.internal.told[market as usize].is_due = false;
                self.tell_indicative(market, publisher);
            }
        }
    }

    /// Steps one market, or every one, to another phase; how many were in another before.
    pub(in crate::core) fn set_phase(
        &mut self,
        set: SetPhase,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::BadField, set.phase.into());
        let phase = Phase::from_wire(set.phase).ok_or(unknown)?;
        let mut stepped = 0;
        for market in self.markets_in(set.instrument)? {
            let is_due = set.due_at != UnixNanos::ZERO;
            if is_due && self.internal.guards[market as usize].is_past(set.due_at) {
                continue;
            }
            stepped += u64::from(self.internal.markets.phase(market) != phase);
            self.step_market(market, Step { phase, cause: PhaseCause::Command }, publisher);
            if is_due && self.internal.markets.phase(market) == phase {
                // However late it is: what was due after it is still to come.
                self.internal.guards[market as usize].set_stepped_at(set.due_at);
            }
        }
        Ok(stepped)
    }

    fn step_market(&mut self, market: u32, step: Step, publisher: &mut Publisher<'_>) {
        self.ask_told(market, None, Some(step), publisher, |markets, told| {
            markets.set_phase(market, step.phase, told);
        });
        self.settle_market(market, publisher);
        if !self.internal.markets.phase(market).collects() {
            // Everyone forgets with the status what they were told.
            self.internal.told[market as usize].indicative = Indicative::NOTHING;
        }
    }

    /// Sets the price bands of one market, or of every one; how many there were.
    pub(in crate::core) fn set_bands(
        &mut self,
        set: SetBands,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        bands::check(&set)?;
        let markets = self.markets_in(set.instrument)?;
        let count = markets.len() as u64;
        for market in markets {
            let reference = self.internal.markets.reference(market);
            self.internal.guards[market as usize].set(&set, reference);
            self.settle_market(market, publisher);
        }
        Ok(count)
    }

    /// Sets the price that a market begins from.
    pub(in crate::core) fn set_reference(
        &mut self,
        set: SetReference,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let market = self.market_of(set.instrument)?;
        let price = set.price;
        if price <= Ticks::ZERO || price > PRICE_MAX {
            let (limit, value) = (PRICE_MAX.0.into(), price.0.into());
            return Err(Reject::new(RejectReason::BadPrice, limit, value));
        }
        let step = self.internal.markets.step(market).0;
        if price.0 % step != 0 {
            return Err(Reject::new(RejectReason::Tick, step.into(), price.0.into()));
        }
        self.internal.markets.set_reference(market, price);
        self.internal.guards[market as usize].set_anchor(price);
        self.risk.marked(self.now, set.instrument, price);
        self.settle_market(market, publisher);
        Ok(0)
    }

    /// The markets that a command is for.
    fn markets_in(&self, instrument: InstrumentId) -> Result<std::ops::Range<u32>, Reject> {
        if instrument == InstrumentId::NONE {
            return Ok(0..self.internal.markets.count());
        }
        let market = self.market_of(instrument)?;
        Ok(market..market + 1)
    }

    fn market_of(&self, instrument: InstrumentId) -> Result<u32, Reject> {
        let value = instrument.0.into();
        if self.listing.get(instrument).is_none() {
            return Err(Reject::of(RejectReason::UnknownInstrument, value));
        }
        self.internal.market_of(instrument).ok_or(Reject::of(RejectReason::NoMarket, value))
    }

    /// What follows from what a market did: bands move with its trades, a pause is to end, and what an auction would do is to
    /// be looked at.
    #[inline]
    pub(super) fn settle_market(&mut self, market: u32, publisher: &mut Publisher<'_>) {
        let guard = &self.internal.guards[market as usize];
        let collects = self.internal.markets.phase(market).collects();
        if collects || guard.is_on() {
            self.settle_guarded(market, publisher);
        }
    }

    #[cold]
    fn settle_guarded(&mut self, market: u32, publisher: &mut Publisher<'_>) {
        let before = self.internal.told[market as usize].reopen_at;
        // Other bands may let an order trade that waited beside the book, and each trade may move the bands again. That ends,
        // since every trade takes something from the book.
        loop {
            let Internal { markets, guards, .. } = &mut self.internal;
            let (phase, last) = (markets.phase(market), markets.last(market));
            let Some(limits) = guards[market as usize].changed(phase, last) else { break };
            self.ask_told(market, None, None, publisher, |markets, told| {
                markets.set_bands(market, limits, told);
            });
        }
        let reopen_at = self.internal.guards[market as usize].reopen_at();
        self.internal.told[market as usize].reopen_at = reopen_at;
        if let Some(at) = reopen_at.filter(|_| reopen_at != before) {
            self.internal.put_on_agenda(at, Due::Reopening, market);
        }
        let collects = self.internal.markets.phase(market).collects();
        let told = &mut self.internal.told[market as usize];
        if collects && !told.is_due {
            told.is_due = true;
            let orders = self.internal.markets.bidders(market) as u64;
            let interval = INDICATIVE_INTERVAL_NS
                .saturating_add(orders.saturating_mul(INDICATIVE_INTERVAL_NS_PER_ORDER));
            let at = UnixNanos(publisher.ts.0.saturating_add(interval));
            self.internal.put_on_agenda(at, Due::Indicative, market);
        }
    }

    /// Tells everyone what an auction would do, if that is something else than was told.
    fn tell_indicative(&mut self, market: u32, publisher: &mut Publisher<'_>) {
        if !self.internal.markets.phase(market).collects() {
            return;
        }
        let now = self.internal.markets.indicative(market);
        let told = &mut self.internal.told[market as usize].indicative;
        if std::mem::replace(told, now) != now {
            let instrument = self.internal.instruments[market as usize];
            for update in indicative_updates(instrument, &now) {
                publisher.public(update);
            }
        }
    }
}

/// What was told of one market, and is still to come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct LastTold {
    /// What an auction would do.
    pub indicative: Indicative,
    /// A look at that is on the agenda.
    pub is_due: bool,
    /// The end of the pause that is on the agenda.
    pub reopen_at: Option<UnixNanos>,
}

impl LastTold {
    /// Nothing was told.
    pub const NOTHING: Self =
        Self { indicative: Indicative::NOTHING, is_due: false, reopen_at: None };
}

/// What an auction would do, as everyone hears it.
pub(in crate::core) fn indicative_updates(
    instrument: InstrumentId,
    now: &Indicative,
) -> [PublicUpdate; 2] {
    let update = |kind: PublicKind, side: u8, price: Ticks, qty: Lots| PublicUpdate {
        kind: kind.wire(),
        instrument,
        side,
        price,
        qty,
        ..Default::default()
    };
    let price = now.price.unwrap_or_default();
    let side = if now.imbalance == Lots::ZERO { 0 } else { now.side.wire() };
    [
        update(PublicKind::Indicative, 0, price, now.qty),
        update(PublicKind::Imbalance, side, price, now.imbalance),
    ]
}
