//! Cancels of many orders at once, and what a day's end does to all of them.

use super::Core;
use super::orders::parties_of;
use super::output::Publisher;
use super::paper::Request;
use tidegate_model::command::{ControlKind, FLAG_CANCEL_ON_DISCONNECT, MassCancel, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType};
use tidegate_model::{
    AccountId, InstrumentId, PrincipalId, Reject, RejectReason, SessionId, Side, UnixNanos,
};
use tidegate_oms::{AlgorithmEnd, Order, OrderSlot, Requester};
use tidegate_risk::Parties;

impl Core {
    /// Asks the venue to cancel every open order in scope; how many there were.
    pub(super) fn mass_cancel(
        &mut self,
        mass: MassCancel,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let side = match mass.side {
            0 => None,
            wire => {
                Some(Side::from_wire(wire).ok_or(Reject::of(RejectReason::BadField, wire.into()))?)
            }
        };
        if mass.account != AccountId::NONE {
            self.oms.account(mass.account)?;
        }
        self.risk.check_account(who.principal, mass.account)?;
        Ok(self.cancel_where(mass.account, CancelReason::MassCancel, publisher, |_, order| {
            (mass.instrument == InstrumentId::NONE || order.instrument == mass.instrument)
                && side.is_none_or(|side| order.side == side)
        }))
    }

    /// The session is gone: what it did not complete is refused, and its orders that asked for it go as well.
    pub(super) fn session_closed(&mut self, who: Requester, publisher: &mut Publisher<'_>) {
        self.drop_list(who.session, publisher);
        self.withdraw_of_session(who.session, publisher);
        self.cancel_where(AccountId::NONE, CancelReason::Disconnect, publisher, |core, order| {
            order.who.session == who.session
                && core.ends_with_session(order.flags, parties_of(order))
        });
    }

    /// Every session that leaves something behind that a [`tidegate_model::Command::SessionClosed`] ends, with whom it acted
    /// for last, in order of their numbers. For the start after a crash, when nobody is left to say that a session is gone.
    pub fn sessions_to_close(&self) -> Vec<(SessionId, PrincipalId)> {
        let open = self.oms.open_orders(AccountId::NONE).map(|(_, order)| order);
        let open = open.filter(|order| self.ends_with_session(order.flags, parties_of(order)));
        let mut left: Vec<_> = open
            .map(|order| order.who)
            .chain(self.waiting_with_session())
            .chain(self.incomplete_lists())
            .map(|who| (who.session, who.principal))
            .collect();
        left.sort_unstable();
        left.dedup_by_key(|(session, _)| *session);
        left
    }

    /// True if such an order ends with the session that sent it: it asks for that, or a control does.
    pub(super) fn ends_with_session(&self, flags: u8, parties: Parties) -> bool {
        flags & FLAG_CANCEL_ON_DISCONNECT != 0
            || self.risk.has_control(ControlKind::CancelOnDisconnect, parties)
    }

    /// Asks the venue to cancel the open orders that fit, in order of entry; those with a cancel under way are left.
    pub(super) fn cancel_where(
        &mut self,
        scope: AccountId,
        reason: CancelReason,
        publisher: &mut Publisher<'_>,
        fits: impl Fn(&Self, &Order) -> bool,
    ) -> u64 {
        let mut canceled = 0;
        // One pass through each queue for all of them: thousands may go at once.
        self.paper.remove_later();
        let mut next = self.oms.first_open(scope);
        while let Some(slot) = next {
            // Looked up before the order leaves the list.
            next = self.oms.next_open(scope, slot);
            if !fits(self, self.oms.order(slot)) {
                continue;
            }
            let &Order { who, .. } = self.oms.order(slot);
            if self.oms.cancel_requested(slot).is_ok() {
                match self.market_with(slot) {
                    Some(market) => self.internal.leaving.push((market, slot.index() as u32)),
                    None => self.send(slot, Request::Cancel(reason), who, publisher),
                }
                canceled += 1;
            }
        }
        let oms = &self.oms;
        self.paper.remove_together(|slot| oms.order(slot).is_open());
        self.leave_markets(reason, publisher);
        canceled
    }

    /// The trading day ends and the next begins: what is under way arrives, DAY orders expire, the others are done for the day
    /// and renewed (FIX H.1.a), client order ids are free again.
    pub(super) fn day_roll(&mut self, publisher: &mut Publisher<'_>) -> Result<u64, Reject> {
        self.charge_borrow(publisher)?;
        self.carry_out_arrived(UnixNanos::MAX, publisher);
        let mut expired = 0;
        let mut next = self.oms.first_open(AccountId::NONE);
        while let Some(slot) = next {
            next = self.oms.next_open(AccountId::NONE, slot);
            if self.is_routed(slot) {
                // Its venue ends it, and says so, but for one that never left.
                expired += u64::from(self.expire_kept(slot, publisher));
                continue;
            }
            let &Order { time_in_force, .. } = self.oms.order(slot);
            if !ends_with_the_day(time_in_force) {
                self.renew(slot, publisher);
            } else if self.oms.algorithm_of(slot).is_some() {
                // Its child goes first.
                self.oms.end_algorithm(slot, AlgorithmEnd::Expired);
                expired += 1;
            } else if let Some(market) = self.market_with(slot) {
                self.internal.leaving.push((market, slot.index() as u32));
                expired += 1;
            } else {
                expired += u64::from(self.expire(slot, publisher));
            }
        }
        self.leave_markets(CancelReason::Expired, publisher);
        self.follow_up(publisher);
        self.paper.forget_impact();
        self.oms.day_roll();
        self.risk.day_roll();
        self.forget_expiries();
        Ok(expired)
    }

    /// One day ends for an order that outlives it, and the next begins.
    fn renew(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let &Order { qty, who, .. } = self.oms.order(slot);
        if self.oms.done_for_day(slot).is_ok() {
            self.report(slot, ExecType::DoneForDay, who, publisher, |_| {});
            self.oms.restated(slot, qty).expect("a new day follows on the old");
            self.report(slot, ExecType::Restated, who, publisher, |_| {});
        }
    }
}

/// True if a market's closing ends such an order, so that no new day finds it (`docs/rule-book.md`, rules 4.1 and 4.3).
fn ends_with_the_day(time_in_force: TimeInForce) -> bool {
    matches!(time_in_force, TimeInForce::Day | TimeInForce::AtTheOpen | TimeInForce::AtTheClose)
}
