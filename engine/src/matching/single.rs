//! One instrument's market on its own: what a tool or a test wants.

use super::{Entry, HANDLES_MAX, Indicative, Markets, Phase, Queued, Reports};
use tidegate_model::{AccountId, Lots, Side, StateHash, Ticks, UnixNanos};

/// [`Markets`] with one market, which tells what an auction would do after each input that changes it (rule 7.4).
#[derive(Debug)]
pub struct SingleMarket {
    markets: Markets,
    /// As told last.
    indicative: Indicative,
}

impl SingleMarket {
    /// An empty one in continuous trading, whose order prices are multiples of `increment`.
    pub fn new(increment: Ticks) -> Self {
        let mut markets = Markets::new(HANDLES_MAX);
        markets.define(increment);
        Self { markets, indicative: Indicative::NOTHING }
    }

    /// See [`Markets::enter`].
    pub fn enter(&mut self, entry: &Entry, out: &mut impl Reports) {
        self.markets.enter(0, entry, out);
        self.tell(out);
    }

    /// See [`Markets::cancel`].
    pub fn cancel(&mut self, handle: u32, out: &mut impl Reports) {
        self.markets.cancel(handle, out);
        self.tell(out);
    }

    /// See [`Markets::replace`].
    pub fn replace(
        &mut self,
        handle: u32,
        leaves: Lots,
        price: Ticks,
        stop_price: Option<Ticks>,
        out: &mut impl Reports,
    ) {
        self.markets.replace(handle, leaves, price, stop_price, out);
        self.tell(out);
    }

    /// See [`Markets::mass_cancel`].
    pub fn mass_cancel(
        &mut self,
        account: Option<AccountId>,
        side: Option<Side>,
        out: &mut impl Reports,
    ) {
        self.markets.mass_cancel(0, account, side, out);
        self.tell(out);
    }

    /// See [`Markets::set_phase`].
    pub fn set_phase(&mut self, phase: Phase, out: &mut impl Reports) {
        self.markets.set_phase(0, phase, out);
        self.tell(out);
    }

    /// See [`Markets::set_time`].
    pub fn set_time(&mut self, now: UnixNanos, out: &mut impl Reports) {
        self.markets.set_time(0, now, out);
        self.tell(out);
    }

    /// See [`Markets::set_bands`].
    pub fn set_bands(&mut self, bands: Option<(Ticks, Ticks)>, out: &mut impl Reports) {
        self.markets.set_bands(0, bands, out);
        self.tell(out);
    }

    /// See [`Markets::set_reference`].
    pub fn set_reference(&mut self, price: Ticks, out: &mut impl Reports) {
        self.markets.set_reference(0, price);
        self.tell(out);
    }

    /// See [`Markets::phase`].
    pub fn phase(&self) -> Phase {
        self.markets.phase(0)
    }

    /// See [`Markets::last`].
    pub fn last(&self) -> Option<Ticks> {
        self.markets.last(0)
    }

    /// See [`Markets::limit`].
    pub fn limit(&self, handle: u32) -> Option<Ticks> {
        self.markets.limit(handle)
    }

    /// See [`Markets::open`].
    pub fn open(&self, handle: u32) -> Option<Lots> {
        self.markets.open(handle)
    }

    /// See [`Markets::levels`].
    pub fn levels(&self, side: Side) -> Vec<(Ticks, Lots, u32)> {
        self.markets.levels(0, side).collect()
    }

    /// See [`Markets::queued`].
    pub fn queued(&self, side: Side) -> Vec<Queued> {
        self.markets.queued(0, side).collect()
    }

    /// See [`Markets::indicative`].
    pub fn indicative(&self) -> Indicative {
        self.indicative
    }

    /// See [`Markets::state_hash`].
    pub fn state_hash(&self) -> StateHash {
        self.markets.state_hash(0)
    }

    fn tell(&mut self, out: &mut impl Reports) {
        if !self.markets.phase(0).collects() && self.indicative == Indicative::NOTHING {
            return;
        }
        let now = self.markets.indicative(0);
        if now != self.indicative {
            self.indicative = now;
            if self.markets.phase(0).collects() {
                out.indicative(now);
            }
        }
    }
}
