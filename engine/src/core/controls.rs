//! Controls, limits, kill switches, and who may change them. Each is a journaled command.
//!
//! What tightens is done at once, by anybody who may. What loosens waits for a second person: `proposals.rs`.

use super::Core;
use super::orders::{best_of_own, check_trading, parties_of};
use super::output::Publisher;
use tidegate_model::command::{
    Enable, GrantLocate, KillSwitch, NewOrder, SetControl, SetFactors, SetGroup, SetLimits,
    SetListed, SetPrincipal,
};
use tidegate_model::event::{CancelReason, Event, Verdict};
use tidegate_model::{
    AccountId, Command, GroupId, InstrumentId, PrincipalId, Reject, RejectReason, Scope, ScopeKind,
};
use tidegate_oms::Requester;
use tidegate_risk::{OrderContext, OwnOrders, Parties};

/// What an account or an instrument in a scope is called in the head of an event.
fn concerned(scope: Scope) -> (AccountId, InstrumentId) {
    match scope.scope_kind() {
        Some(ScopeKind::Account) => (AccountId(scope.id), InstrumentId::NONE),
        Some(ScopeKind::Instrument) => (AccountId::NONE, InstrumentId(scope.id)),
        _ => (AccountId::NONE, InstrumentId::NONE),
    }
}

impl Core {
    /// A command that changes what is controlled: done, or proposed to a second person where it loosens.
    ///
    /// # Errors
    /// As the command itself; [`RejectReason::NotPermitted`].
    pub(super) fn control(
        &mut self,
        command: Command,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        match command {
            Command::SetPrincipal(set) => return self.set_principal(set, who, publisher),
            Command::SetFactors(set) => return self.set_factors(set, who, publisher),
            _ => self.risk.check_control(who.principal)?,
        }
        if self.loosens(&command, who.principal)? {
            return self.propose(command, who, publisher);
        }
        self.change_control(command, who, publisher)
    }

    /// True if a second person must agree.
    fn loosens(&self, command: &Command, by: PrincipalId) -> Result<bool, Reject> {
        Ok(match command {
            // The configuration may give an account its first limits.
            Command::SetLimits(limits) => {
                let has_some = self.risk.limits(limits.account).is_some();
                let is_first = by == PrincipalId::OPERATOR && !has_some;
                !is_first && self.risk.is_loosened_by(limits)
            }
            Command::SetControl(set) => self.risk.is_loosened_by_control(set)?,
            Command::SetGroup(set) => {
                let group = self.risk.group(set.member);
                group != GroupId::NONE && u32::from(group.0) != set.group
            }
            Command::SetListed(set) => self.risk.is_loosened_by_list(set),
            Command::GrantLocate(set) => self.risk.is_loosened_by_locate(set),
            Command::KillSwitch(kill) if kill.engaged == 0 => {
                self.risk.killed(kill.whom()).is_some()
            }
            Command::KillSwitch(kill) => {
                // From letting nothing through to letting reducing orders through.
                let before = self.risk.killed(kill.whom()).map(|mode| mode.wire());
                before.is_some_and(|before| kill.mode > before)
            }
            Command::Enable(enable) => self.risk.is_stopped_by_loss(enable.scope),
            _ => false,
        })
    }

    /// Carries a change out.
    pub(super) fn change_control(
        &mut self,
        command: Command,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        match command {
            Command::SetLimits(limits) => self.set_limits(limits, who, publisher),
            Command::SetControl(set) => self.set_control(set, who, publisher),
            Command::SetGroup(set) => self.set_group(set, who, publisher),
            Command::SetListed(set) => self.set_listed(set, who, publisher),
            Command::GrantLocate(set) => self.grant_locate(set, who, publisher),
            Command::KillSwitch(kill) => self.kill_switch(kill, who, publisher),
            Command::Enable(enable) => self.enable(enable, who, publisher),
            _ => Err(Reject::of(RejectReason::UnknownCommand, 0)),
        }
    }

    fn set_principal(
        &mut self,
        set: SetPrincipal,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        if who.principal != PrincipalId::OPERATOR {
            let value = who.principal.0.into();
            return Err(Reject::of(RejectReason::NotPermitted, value));
        }
        if self.risk.set_principal(&set)? {
            let event = Event::Principal(set);
            publisher.event(who, AccountId::NONE, InstrumentId::NONE, &event);
        }
        Ok(0)
    }

    fn set_factors(
        &mut self,
        set: SetFactors,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.check_estimate(who.principal)?;
        self.risk.set_factors(&set)?;
        publisher.event(who, AccountId::NONE, set.instrument, &Event::Factors(set));
        Ok(0)
    }

    fn set_limits(
        &mut self,
        limits: SetLimits,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.set_limits(&limits)?;
        publisher.event(who, limits.account, InstrumentId::NONE, &Event::Limits(limits));
        Ok(0)
    }

    fn set_control(
        &mut self,
        set: SetControl,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.set_control(&set)?;
        let (account, instrument) = concerned(set.scope);
        publisher.event(who, account, instrument, &Event::Control(set));
        Ok(0)
    }

    fn set_group(
        &mut self,
        set: SetGroup,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.set_group(&set)?;
        let (account, instrument) = concerned(set.member);
        publisher.event(who, account, instrument, &Event::Group(set));
        Ok(0)
    }

    fn set_listed(
        &mut self,
        set: SetListed,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.set_listed(&set)?;
        publisher.event(who, AccountId::NONE, set.instrument, &Event::Listed(set));
        Ok(0)
    }

    fn grant_locate(
        &mut self,
        set: GrantLocate,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let listed = self.check_instrument(set.instrument)?;
        let funds = self.oms.funds(set.account, &listed.instrument, None)?;
        self.risk.grant_locate(&set, funds.currency)?;
        publisher.event(who, set.account, set.instrument, &Event::Locate(set));
        Ok(0)
    }

    /// Blocks, or lets again, every new order in scope; engaging it cancels what is open there.
    fn kill_switch(
        &mut self,
        kill: KillSwitch,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.risk.kill(&kill)?;
        let scope = kill.whom();
        let (account, instrument) = concerned(scope);
        let told = KillSwitch { scope, ..kill };
        publisher.event(who, account, instrument, &Event::KillSwitch(told));
        if kill.engaged == 0 {
            return Ok(0);
        }
        self.withdraw_approvals_of(scope, publisher);
        Ok(self.cancel_scope(scope, CancelReason::KillSwitch, publisher))
    }

    /// Cancels every open order of a scope; how many there were.
    pub(super) fn cancel_scope(
        &mut self,
        scope: Scope,
        reason: CancelReason,
        publisher: &mut Publisher<'_>,
    ) -> u64 {
        let of = match scope.scope_kind() {
            Some(ScopeKind::Account) => AccountId(scope.id),
            _ => AccountId::NONE,
        };
        let is_firm = scope == Scope::FIRM;
        self.cancel_where(of, reason, publisher, |core, order| {
            is_firm || core.risk.is_in(scope, parties_of(order))
        })
    }

    fn enable(
        &mut self,
        enable: Enable,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let count = self.risk.enable_scope(&enable)?;
        self.tell_trips_of(who, enable.reason, publisher);
        Ok(count)
    }

    /// Tells what each control would say of an order, and how many would refuse it; nothing is counted or sent.
    pub(super) fn check_order(
        &mut self,
        order: NewOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let (account, instrument) = (order.account, order.instrument);
        let listed = self.check_instrument(instrument)?;
        let ticks = self.listing.tick_table(instrument);
        let margin = self.margin_funds(account);
        let funds = self.oms.funds(account, &listed.instrument, margin.as_ref())?;
        let oms = &self.oms;
        let own = |side, is_in: &dyn Fn(Parties) -> bool| best_of_own(oms, instrument, side, is_in);
        let context = self.order_context(who.principal, (listed, ticks), funds);
        let context = OrderContext { own: OwnOrders(&own), ..context };
        let mut refusing = 0;
        let mut tell = |verdict: Verdict| {
            refusing += u64::from(verdict.passes == 0);
            publisher.event(who, account, instrument, &Event::Verdict(verdict));
        };
        self.risk.explain_new(&order, &context, &mut tell)?;
        if !listed.instrument.is_internal() {
            check_trading(listed)?;
            self.check_route(&order, listed, false)?;
        }
        Ok(refusing)
    }
}
