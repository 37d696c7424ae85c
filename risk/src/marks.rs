//! What everything is worth as prices move, and what losses stop.
//!
//! The sums of the firm, of an instrument and of its group follow each price. Those of everybody else follow when one of
//! their orders changes, and by a sweep that passes every stake within [`SWEEP_NS`] of event time.

use crate::ask::BP_PER_UNIT;
use crate::control::Control;
use crate::gate::Risk;
use crate::scopes::{Range, STOPS, ScopeSlot, Stop};
use crate::stake::{Moved, Stake, Traded};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{Action, ControlKind, Reason};
use tidegate_model::event::Tripped;
use tidegate_model::{AccountId, InstrumentId, Scope, ScopeKind, Ticks, UnixNanos};

/// Within this time of event time every stake is valued at its instrument's mark: 100 ms.
pub const SWEEP_NS: u64 = 100_000_000;
/// Room for what stops at once, so that nothing is allocated then: a firm's worth of strategies.
pub(crate) const TRIPS_ROOM: usize = 8_192;
/// How far the sweep is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// The stake that is valued next: accounts' first, then strategies', then principals'.
    next: usize,
    /// When the last one was.
    at: UnixNanos,
}

impl Risk {
    /// The price of an instrument's positions is another.
    #[inline]
    pub fn marked(&mut self, now: UnixNanos, instrument: InstrumentId, price: Ticks) {
        let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) else { return };
        if traded.mark == Some(price) {
            return;
        }
        traded.mark = Some(price);
        if traded.all.position != 0 || traded.all.cash != 0 {
            self.add_pnl_of_all(instrument);
        }
        if self.is_used(ControlKind::Volatility) {
            self.watch_volatility(now, instrument, price);
        }
    }

    #[cold]
    fn watch_volatility(&mut self, now: UnixNanos, instrument: InstrumentId, price: Ticks) {
        let slot = self.scopes.slot(ScopeKind::Instrument, instrument.0);
        let record = self.scopes.get_mut(slot);
        let Some(control) = record.control(ControlKind::Volatility).copied() else { return };
        let moved = record.moved.follow(now, price, control.window_ns);
        if moved <= control.limit {
            return;
        }
        let Control { kind, limit, hold_ns, option, .. } = control;
        let action = control.action.unwrap_or(Action::StopOpening);
        let whom = if option == 1 { ScopeSlot::FIRM } else { slot };
        let until = UnixNanos(now.0.saturating_add(hold_ns));
        self.trip(whom, kind, action, [limit, moved], until);
    }

    /// Values as many stakes as the time asks for since it was last called.
    #[inline]
    pub fn sweep(&mut self, now: UnixNanos) {
        let elapsed = now.0.saturating_sub(self.sweep.at.0);
        let [strategies, principals] = [0, 1].map(|at| self.helds[at].len());
        let count = self.pairs.len() + strategies + principals;
        if count == 0 {
            self.sweep.at = now;
            return;
        }
        // Asked before the division, which takes longer than all the rest: is it less than the time for one?
        let is_early = elapsed.saturating_add(1).saturating_mul(count as u64) <= SWEEP_NS;
        if elapsed == 0 || is_early {
            return;
        }
        // The time for one; a stake is not left out because inputs come faster than it.
        let each = (SWEEP_NS / count as u64).max(1);
        let due = usize::try_from(elapsed / each).unwrap_or(usize::MAX).min(count);
        self.sweep.at = match due == count {
            true => now,
            false => UnixNanos(self.sweep.at.0 + due as u64 * each),
        };
        for _ in 0..due {
            let next = self.sweep.next % count;
            self.sweep.next = (next + 1) % count;
            self.value(next, strategies);
        }
    }

    /// Values one stake at its instrument's mark.
    fn value(&mut self, number: usize, strategies: usize) {
        let accounts = self.pairs.len();
        if number < accounts {
            let pair = self.pairs.record_mut(number);
            if pair.stake.exposure.position == 0 {
                return;
            }
            let (account, instrument) = (pair.account, pair.instrument);
            let Some(Some(traded)) = self.instruments.get(instrument.index()) else { return };
            let before = pair.stake.counted;
            let moved = pair.stake.value(traded);
            if pair.stake.counted != before {
                self.add_of_account(account, instrument, Moved::All(moved));
            }
            return;
        }
        let (at, number) = match number - accounts {
            number if number < strategies => (0, number),
            number => (1, number - strategies),
        };
        let held = self.helds[at].record_mut(number);
        if held.stake.exposure.position != 0 {
            let (holder, instrument) = (held.holder, held.instrument);
            let value = |stake: &mut Stake, traded: &Traded| Moved::All(stake.value(traded));
            let moved = self.change_held(at, holder, instrument, value);
            self.add_of_held(at, holder, instrument, moved);
        }
    }

    /// Stops a scope whose loss is beyond its limit.
    #[inline]
    pub(crate) fn check_loss(&mut self, slot: ScopeSlot) {
        const KINDS: u64 =
            crate::scopes::bit(ControlKind::DayLoss) | crate::scopes::bit(ControlKind::Drawdown);
        let record = self.scopes.get_mut(slot);
        if record.kinds & KINDS == 0 || self.is_held {
            return;
        }
        let pnl = record.pnl_of_day();
        record.day.pnl_best = record.day.pnl_best.max(pnl);
        let best = record.day.pnl_best;
        for (kind, loss) in [(ControlKind::DayLoss, -pnl), (ControlKind::Drawdown, best - pnl)] {
            let control = self.scopes.get(slot).control(kind).copied();
            if let Some(control) = control.filter(|control| loss > control.limit) {
                let action = control.action.unwrap_or(Action::StopOpening);
                self.trip(slot, kind, action, [control.limit, loss], UnixNanos::ZERO);
            }
        }
    }

    /// The same for every scope.
    pub(crate) fn check_losses(&mut self) {
        for slot in self.scopes.slots() {
            self.check_loss(slot);
        }
    }

    /// A control stops a scope by what happened. One that it stops already only goes on longer.
    #[cold]
    pub(crate) fn trip(
        &mut self,
        slot: ScopeSlot,
        control: ControlKind,
        action: Action,
        [limit, value]: [i128; 2],
        until: UnixNanos,
    ) {
        let record = self.scopes.get_mut(slot);
        let at = STOPS.iter().position(|kind| *kind == control).expect("one that stops by itself");
        let is_new = record.stops[at].is_none_or(|stop| stop.until != UnixNanos::ZERO);
        if !is_new {
            return;
        }
        let is_longer = record.stops[at].is_some_and(|stop| stop.until >= until);
        if is_longer {
            return;
        }
        let stop = Stop { control, action, limit, value, until };
        record.stops[at] = Some(stop);
        self.trips.push(stop.told(record.scope, true));
    }

    /// Lets a scope go on that a control stopped; how many did.
    pub(crate) fn enable(&mut self, slot: ScopeSlot) -> u64 {
        let record = self.scopes.get_mut(slot);
        let mut count = 0;
        for stop in &mut record.stops {
            let Some(stop) = stop.take() else { continue };
            count += 1;
            self.trips.push(stop.told(record.scope, false));
        }
        record.losses = 0;
        record.moved = Range::default();
        if let Some(ring) = &mut record.executions {
            ring.clear();
        }
        // What was lost is borne: the limit counts from here.
        let pnl = record.totals.money.pnl;
        if count > 0 {
            record.day.pnl_before = pnl;
            record.day.pnl_best = 0;
        }
        count
    }

    /// The only account whose orders a strategy or a principal has entered; `None` if there were several, or none.
    pub fn sole_account(&self, scope: Scope) -> Option<AccountId> {
        let record = self.scopes.get(self.scopes.find(scope)?);
        record.sole_account.filter(|_| !record.has_several)
    }

    /// True if all that an account holds is a strategy's or a principal's own: closing it closes nobody else's.
    pub fn is_alone(&self, scope: Scope, account: AccountId) -> bool {
        let at = match scope.scope_kind() {
            Some(ScopeKind::Strategy) => 0,
            Some(ScopeKind::Principal) => 1,
            _ => return false,
        };
        self.pairs.of_account(account).all(|(instrument, pair)| {
            let held = self.held(at, scope.id, instrument);
            let own = held.map_or(0, |held| held.stake.exposure.position);
            pair.stake.exposure.position == own
        })
    }

    /// The trading day ends: what is counted by day begins anew, and what a loss of the day stopped goes on.
    pub fn day_roll(&mut self) {
        for traded in self.instruments.iter_mut().flatten() {
            traded.previous_close = traded.mark.or(traded.previous_close);
        }
        for record in self.scopes.iter_mut() {
            record.day_roll();
        }
        for at in 0..self.pairs.len() {
            self.pairs.record_mut(at).located = tidegate_model::Lots::ZERO;
        }
    }
}

impl Stop {
    /// That it stops a scope, or lets it go on.
    fn told(&self, scope: Scope, stopped: bool) -> Tripped {
        let &Self { control, action, limit, value, until } = self;
        Tripped {
            limit,
            value,
            until,
            scope,
            control: control.wire(),
            action: action.wire(),
            stopped: stopped.into(),
            reserved: [0; 13],
            reason: Reason::EMPTY,
        }
    }
}

impl Range {
    /// Takes a price in; how far prices went within the window, and at most the one before it, in basis points of the lowest.
    fn follow(&mut self, now: UnixNanos, price: Ticks, window_ns: u64) -> i128 {
        let age = now.0.saturating_sub(self.began_at.0);
        if age >= window_ns {
            let before = if age < window_ns.saturating_mul(2) { self.spans[0] } else { None };
            *self = Self { began_at: now, spans: [None, before] };
        }
        let [low, high] = self.spans[0].unwrap_or([price.0; 2]);
        self.spans[0] = Some([low.min(price.0), high.max(price.0)]);
        let low = self.spans.iter().flatten().map(|span| span[0]).min().unwrap_or(price.0);
        let high = self.spans.iter().flatten().map(|span| span[1]).max().unwrap_or(price.0);
        if low <= 0 {
            return 0;
        }
        (i128::from(high) - i128::from(low)) * BP_PER_UNIT / i128::from(low)
    }
}
