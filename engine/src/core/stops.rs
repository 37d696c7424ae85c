//! What a control does that was met by what happened: it stops a scope, cancels what is open there, closes its positions.

use super::Core;
use super::output::Publisher;
use tidegate_model::command::{Action, Flatten, Reason};
use tidegate_model::event::{CancelReason, Event, Tripped};
use tidegate_model::{
    AccountId, InstrumentId, PrincipalId, Scope, ScopeKind, StrategyId, UnixNanos,
};
use tidegate_oms::Requester;

impl Core {
    /// Values positions as the time asks for, and does what controls ask for that were met.
    #[inline]
    pub(super) fn watch(&mut self, publisher: &mut Publisher<'_>) {
        self.risk.sweep(self.now);
        if !self.risk.trips().is_empty() {
            self.tell_trips(publisher);
            self.follow_up(publisher);
        }
    }

    /// Tells what stopped or goes on, and does what was asked for that case.
    pub(super) fn tell_trips(&mut self, publisher: &mut Publisher<'_>) {
        self.tell_trips_of(Requester::default(), Reason::EMPTY, publisher);
    }

    /// The same where somebody let a scope go on: who, and why.
    pub(super) fn tell_trips_of(
        &mut self,
        enabled_by: Requester,
        reason: Reason,
        publisher: &mut Publisher<'_>,
    ) {
        // What is done may stop more: the next round's.
        while !self.risk.trips().is_empty() {
            let tripped = self.risk.trips().remove(0);
            let scope = tripped.scope;
            let action = Action::from_wire(tripped.action).unwrap_or(Action::StopOpening);
            let flattened = match (tripped.stopped, action) {
                (1, Action::Flatten) => self.whom_to_flatten(scope),
                _ => None,
            };
            // Whose positions cannot be told apart from others' is canceled only, and that is what is told.
            let action = match (action, flattened) {
                (Action::Flatten, None) => Action::Cancel,
                (action, _) => action,
            };
            // What stops is nobody's doing.
            let (who, reason) = match tripped.stopped {
                0 => (enabled_by, reason),
                _ => (Requester::default(), Reason::EMPTY),
            };
            let told = Tripped { action: action.wire(), reason, ..tripped };
            let account = match scope.scope_kind() {
                Some(ScopeKind::Account) => AccountId(scope.id),
                _ => AccountId::NONE,
            };
            publisher.event(who, account, InstrumentId::NONE, &Event::Tripped(told));
            if tripped.stopped == 0 || action == Action::StopOpening {
                continue;
            }
            self.cancel_scope(scope, CancelReason::Control, publisher);
            if let Some((account, instrument)) = flattened {
                self.flatten_each(scope, account, instrument, publisher);
            }
        }
    }

    /// The account and the instrument that closing a scope's positions comes down to: all of them for the firm, and for a
    /// strategy or a principal its account if it ever had one only.
    fn whom_to_flatten(&self, scope: Scope) -> Option<(AccountId, InstrumentId)> {
        let any = (AccountId::NONE, InstrumentId::NONE);
        match scope.scope_kind()? {
            ScopeKind::Firm => Some(any),
            ScopeKind::Account => Some((AccountId(scope.id), any.1)),
            ScopeKind::Instrument => Some((any.0, InstrumentId(scope.id))),
            ScopeKind::Strategy | ScopeKind::Principal => {
                // Closing takes the whole position of an account: only where nobody else has a part in it.
                let account = self.risk.sole_account(scope)?;
                self.risk.is_alone(scope, account).then_some((account, any.1))
            }
            ScopeKind::Group => None,
        }
    }

    fn flatten_each(
        &mut self,
        of: Scope,
        account: AccountId,
        instrument: InstrumentId,
        publisher: &mut Publisher<'_>,
    ) {
        let each: Vec<AccountId> = match account {
            AccountId::NONE => self.oms.accounts().map(|(account, _)| account).collect(),
            account => vec![account],
        };
        // What closes a strategy's or a principal's positions counts as theirs.
        let (mut who, mut strategy) = (Requester::default(), StrategyId::NONE);
        match of.scope_kind() {
            Some(ScopeKind::Strategy) => strategy = StrategyId(of.id as u16),
            Some(ScopeKind::Principal) => who.principal = PrincipalId(of.id),
            _ => {}
        }
        for account in each {
            let holds = |id: InstrumentId| instrument == InstrumentId::NONE || instrument == id;
            let holds_any = {
                let mut positions = self.oms.positions(account);
                positions.any(|(id, position)| holds(id) && position.qty != 0)
            };
            if holds_any {
                let now = UnixNanos::ZERO;
                let scope = Flatten { strategy, ..Flatten::of(now, account, instrument) };
                // A full table is told by the orders that stay refused: the scope is stopped all the same.
                if self.flatten(scope, who, publisher).is_err() {
                    self.counters.refused_events += 1;
                }
            }
        }
    }
}
