//! What the events said of risk: who may what, controls in force, proposals, what stands still, and what was changed.
//!
//! Members, controls and switches are as many as the engine's own tables hold; what would grow for ever has a bound here.

use crate::link::EventPosition;
use std::collections::{BTreeMap, VecDeque};
use tidegate_model::command::{
    CommandKind, ControlKind, GrantLocate, KillSwitch, NO_LIMIT, SetControl, SetFactors, SetGroup,
    SetLimits, SetListed, SetPrincipal,
};
use tidegate_model::event::{Proposal, ProposalStatus, Tripped};
use tidegate_model::{
    AccountId, Command, CommandRecord, Event, EventRecord, InstrumentId, PrincipalId, Scope,
    UnixNanos,
};

/// Proposals kept once they are decided: what a person may still ask about. Each has some 200 bytes.
const DECIDED_MAX: usize = 1_000;
/// Changes kept: many years of what people change, at 256 bytes each. Older ones are in the event log.
const HISTORY_MAX: usize = 65_536;

/// Something that was said, by whom and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<T> {
    pub what: T,
    pub principal: PrincipalId,
    pub ts: UnixNanos,
    pub position: EventPosition,
}

impl<T> Noted<T> {
    fn new(record: &EventRecord, what: T) -> Self {
        let (principal, ts) = (record.principal, record.ts);
        Self { what, principal, ts, position: EventPosition::of(record) }
    }
}

/// Which control: whose, what, and of lists which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ControlKey {
    pub scope: Scope,
    pub control: u8,
    pub list: u8,
}

impl ControlKey {
    /// A scope has as many restricted lists as it likes, and one of every other control.
    fn of(set: &SetControl) -> Self {
        let is_list = set.control == ControlKind::RestrictedList.wire();
        let list = if is_list { u8::try_from(set.limit).unwrap_or(0) } else { 0 };
        Self { scope: set.scope, control: set.control, list }
    }
}

/// True of what tells that a control was taken away.
pub(crate) const fn is_off(set: &SetControl) -> bool {
    set.off != 0 || set.limit == NO_LIMIT
}

/// Everything that is known of risk.
#[derive(Debug, Default)]
pub(crate) struct RiskView {
    pub principals: BTreeMap<PrincipalId, SetPrincipal>,
    pub controls: BTreeMap<ControlKey, Noted<SetControl>>,
    pub limits: BTreeMap<AccountId, Noted<SetLimits>>,
    pub groups: BTreeMap<Scope, SetGroup>,
    pub listed: BTreeMap<(u8, InstrumentId), SetListed>,
    pub factors: BTreeMap<InstrumentId, SetFactors>,
    pub locates: BTreeMap<(AccountId, InstrumentId), GrantLocate>,
    /// Those that are engaged.
    pub kills: BTreeMap<Scope, Noted<KillSwitch>>,
    /// By scope and control, those that stop.
    pub tripped: BTreeMap<(Scope, u8), Noted<Tripped>>,
    /// By number: all that wait, and the last that were decided.
    pub proposals: BTreeMap<u64, Noted<Proposal>>,
    decided: VecDeque<u64>,
    /// The last changes, oldest first.
    pub history: VecDeque<EventRecord>,
    /// Changes before those.
    pub older: u64,
}

impl RiskView {
    /// What people call a principal; empty if nobody said.
    pub fn name(&self, principal: PrincipalId) -> String {
        let known = self.principals.get(&principal);
        known.map(|known| text_of(&known.name)).unwrap_or_default()
    }

    /// True if the kill switch of exactly this scope is engaged.
    pub fn is_killed(&self, scope: Scope) -> bool {
        self.kills.contains_key(&scope)
    }

    /// Takes in one event, if it is about risk.
    pub fn apply(&mut self, record: &EventRecord) {
        let Some(event) = record.event() else { return };
        match event {
            Event::Principal(set) => {
                self.principals.insert(set.principal, set);
            }
            Event::Control(set) => self.control(record, set),
            Event::Limits(set) => {
                self.limits.insert(record.account, Noted::new(record, set));
            }
            Event::Group(set) => {
                if set.group == 0 {
                    self.groups.remove(&set.member);
                } else {
                    self.groups.insert(set.member, set);
                }
            }
            Event::Listed(set) => {
                let entry = (set.list, set.instrument);
                if set.listed == 0 {
                    self.listed.remove(&entry);
                } else {
                    self.listed.insert(entry, set);
                }
            }
            Event::Factors(set) => {
                self.factors.insert(set.instrument, set);
            }
            Event::Locate(set) => {
                self.locates.insert((set.account, set.instrument), set);
            }
            Event::KillSwitch(kill) => {
                if kill.engaged == 0 {
                    self.kills.remove(&kill.whom());
                } else {
                    self.kills.insert(kill.whom(), Noted::new(record, kill));
                }
            }
            Event::Tripped(tripped) => {
                let place = (tripped.scope, tripped.control);
                if tripped.stopped == 0 {
                    self.tripped.remove(&place);
                } else {
                    self.tripped.insert(place, Noted::new(record, tripped));
                }
            }
            Event::Proposal(proposal) => self.proposal(record, proposal),
            Event::Ack(ack)
                if ack.command_kind == CommandKind::DayRoll.wire() && ack.reject_reason == 0 =>
            {
                // What was located, and what a loss of the day stopped, holds until the day ends.
                self.locates.clear();
                let of_day = [ControlKind::DayLoss, ControlKind::Drawdown].map(ControlKind::wire);
                self.tripped.retain(|(_, control), _| !of_day.contains(control));
            }
            _ => {}
        }
        if is_change(&event) {
            self.history.push_back(*record);
            if self.history.len() > HISTORY_MAX {
                self.history.pop_front();
                self.older += 1;
            }
        }
    }

    fn control(&mut self, record: &EventRecord, set: SetControl) {
        let key = ControlKey::of(&set);
        if !is_off(&set) {
            self.controls.insert(key, Noted::new(record, set));
        } else if set.control == ControlKind::RestrictedList.wire() && key.list == 0 {
            // No list is named: all of them.
            let all = ControlKey { list: u8::MAX, ..key };
            let gone: Vec<_> = self.controls.range(key..=all).map(|(key, _)| *key).collect();
            for key in gone {
                self.controls.remove(&key);
            }
        } else {
            self.controls.remove(&key);
        }
    }

    fn proposal(&mut self, record: &EventRecord, proposal: Proposal) {
        let number = proposal.number;
        let is_decided = |proposal: &Proposal| proposal.status != ProposalStatus::Pending.wire();
        let before = self.proposals.insert(number, Noted::new(record, proposal));
        if is_decided(&proposal) && !before.is_some_and(|before| is_decided(&before.what)) {
            self.decided.push_back(number);
            if self.decided.len() > DECIDED_MAX
                && let Some(oldest) = self.decided.pop_front()
            {
                self.proposals.remove(&oldest);
            }
        }
    }
}

/// Text of printable ASCII that zeros fill up.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

/// The command that a proposal asks for.
pub(crate) fn asked_for(proposal: &Proposal) -> Option<Command> {
    let blank = CommandRecord::new(Command::Time);
    CommandRecord { kind: proposal.command_kind, body: proposal.body, ..blank }.command()
}

/// True of what belongs to the history of risk. An order that asks for approval does once a person has decided it, so that no
/// program can fill the history.
fn is_change(event: &Event) -> bool {
    match event {
        Event::Principal(_)
        | Event::Control(_)
        | Event::Limits(_)
        | Event::Group(_)
        | Event::Listed(_)
        | Event::Locate(_)
        | Event::KillSwitch(_)
        | Event::Tripped(_) => true,
        Event::Proposal(proposal) => {
            let status = ProposalStatus::from_wire(proposal.status);
            let by_person =
                matches!(status, Some(ProposalStatus::Approved | ProposalStatus::Refused));
            by_person || proposal.command_kind != CommandKind::NewOrder.wire()
        }
        _ => false,
    }
}

/// Whom a change is about: up to two scopes, the first before all.
pub(crate) fn scopes_of(event: &Event) -> [Option<Scope>; 2] {
    match event {
        Event::Principal(set) => [Some(Scope::principal(set.principal)), None],
        Event::Control(set) => [Some(set.scope), None],
        Event::Limits(set) => [Some(Scope::account(set.account)), None],
        Event::Group(set) => group_scopes(set),
        Event::Listed(set) => [Some(Scope::instrument(set.instrument)), None],
        Event::Factors(set) => [Some(Scope::instrument(set.instrument)), None],
        Event::Locate(set) => {
            [Some(Scope::account(set.account)), Some(Scope::instrument(set.instrument))]
        }
        Event::KillSwitch(kill) => [Some(kill.whom()), None],
        Event::Tripped(tripped) => [Some(tripped.scope), None],
        Event::Verdict(verdict) => [Some(verdict.scope), None],
        Event::Proposal(proposal) => match asked_for(proposal) {
            Some(Command::SetControl(set)) => [Some(set.scope), None],
            Some(Command::SetLimits(set)) => [Some(Scope::account(set.account)), None],
            Some(Command::SetGroup(set)) => group_scopes(&set),
            Some(Command::SetListed(set)) => [Some(Scope::instrument(set.instrument)), None],
            Some(Command::GrantLocate(set)) => {
                [Some(Scope::account(set.account)), Some(Scope::instrument(set.instrument))]
            }
            Some(Command::KillSwitch(kill)) => [Some(kill.whom()), None],
            Some(Command::Enable(enable)) => [Some(enable.scope), None],
            Some(Command::NewOrder(order)) => {
                [Some(Scope::account(order.account)), Some(Scope::instrument(order.instrument))]
            }
            _ => [None, None],
        },
        _ => [None, None],
    }
}

fn group_scopes(set: &SetGroup) -> [Option<Scope>; 2] {
    let group = u16::try_from(set.group).ok().filter(|group| *group != 0);
    [Some(set.member), group.map(|group| Scope::group(tidegate_model::GroupId(group)))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_model::SeqNo;
    use tidegate_model::command::{NewOrder, Reason};
    use tidegate_model::event::Ack;

    fn record(seq: u64, event: Event) -> EventRecord {
        let mut record = EventRecord::new(&event);
        record.seq = SeqNo(seq);
        record.principal = PrincipalId(7);
        record
    }

    fn control(kind: ControlKind, limit: i128, off: u8) -> Event {
        Event::Control(SetControl {
            limit,
            scope: Scope::account(AccountId(3)),
            control: kind.wire(),
            off,
            ..SetControl::zeroed()
        })
    }

    fn proposal(number: u64, status: ProposalStatus, command: Command) -> Event {
        let command = CommandRecord::new(command);
        Event::Proposal(Proposal {
            number,
            status: status.wire(),
            command_kind: command.kind,
            body: command.body,
            ..Proposal::zeroed()
        })
    }

    #[test]
    fn controls_are_as_last_told() {
        let mut view = RiskView::default();
        let mut seq = 0;
        let mut check = |event: Event, expected: &[(ControlKind, i128)]| {
            seq += 1;
            view.apply(&record(seq, event));
            let told: Vec<_> =
                view.controls.values().map(|c| (c.what.control, c.what.limit)).collect();
            let expected: Vec<_> = expected.iter().map(|(k, limit)| (k.wire(), *limit)).collect();
            assert_eq!(told, expected, "{event:?}");
        };
        use ControlKind::{DayOrders, RestrictedList};
        check(control(DayOrders, 10, 0), &[(DayOrders, 10)]);
        check(control(DayOrders, 50, 0), &[(DayOrders, 50)]);
        check(control(RestrictedList, 1, 0), &[(DayOrders, 50), (RestrictedList, 1)]);
        check(
            control(RestrictedList, 2, 0),
            &[(DayOrders, 50), (RestrictedList, 1), (RestrictedList, 2)],
        );
        check(control(RestrictedList, 1, 1), &[(DayOrders, 50), (RestrictedList, 2)]);
        check(control(DayOrders, NO_LIMIT, 0), &[(RestrictedList, 2)]);
        check(control(RestrictedList, NO_LIMIT, 1), &[]);
        assert_eq!((view.history.len(), view.older), (7, 0));
    }

    #[test]
    fn kill_switches_and_stops_last_until_they_are_lifted() {
        let mut view = RiskView::default();
        let account = Scope::account(AccountId(3));
        let kill = |scope, engaged| Event::KillSwitch(KillSwitch::of(scope, engaged));
        for scope in [Scope::FIRM, account] {
            view.apply(&record(1, kill(scope, true)));
        }
        view.apply(&record(2, kill(Scope::FIRM, false)));
        assert!(!view.is_killed(Scope::FIRM) && view.is_killed(account));
        let stop = |control: ControlKind, stopped| {
            let control = control.wire();
            Event::Tripped(Tripped { scope: account, control, stopped, ..Tripped::zeroed() })
        };
        view.apply(&record(3, stop(ControlKind::DayLoss, 1)));
        view.apply(&record(4, stop(ControlKind::Drawdown, 1)));
        view.apply(&record(5, stop(ControlKind::DayLoss, 0)));
        view.apply(&record(6, stop(ControlKind::ExecutionThrottle, 1)));
        let left = |view: &RiskView| view.tripped.keys().map(|key| key.1).collect::<Vec<_>>();
        let throttle = ControlKind::ExecutionThrottle.wire();
        assert_eq!(left(&view), [throttle, ControlKind::Drawdown.wire()]);
        let roll = Ack { command_kind: CommandKind::DayRoll.wire(), ..Ack::zeroed() };
        view.apply(&record(7, Event::Ack(roll)));
        assert_eq!(left(&view), [throttle], "what a loss stopped goes on with the new day");
    }

    #[test]
    fn decided_proposals_are_bounded_and_those_that_wait_are_not_dropped() {
        let mut view = RiskView::default();
        let count = DECIDED_MAX as u64 + 5;
        let change = Command::SetControl(SetControl::zeroed());
        for number in 1..=count + 1 {
            view.apply(&record(number, proposal(number, ProposalStatus::Pending, change)));
        }
        for number in 1..=count {
            view.apply(&record(number, proposal(number, ProposalStatus::Approved, change)));
            // Told twice, it is not decided twice.
            view.apply(&record(number, proposal(number, ProposalStatus::Approved, change)));
        }
        assert_eq!(view.proposals.len(), DECIDED_MAX + 1);
        assert_eq!(view.proposals.keys().next(), Some(&6));
        assert!(view.proposals.contains_key(&(count + 1)));
    }

    #[test]
    fn programs_cannot_fill_the_history() {
        let mut view = RiskView::default();
        let order = Command::NewOrder(NewOrder::BLANK);
        for (status, changes) in [
            (ProposalStatus::Pending, 0),
            (ProposalStatus::Lapsed, 0),
            (ProposalStatus::Withdrawn, 0),
            (ProposalStatus::Approved, 1),
            (ProposalStatus::Refused, 2),
        ] {
            view.apply(&record(1, proposal(1, status, order)));
            assert_eq!(view.history.len(), changes, "{status}");
        }
        let limits = Event::Limits(SetLimits { reason: Reason::EMPTY, ..SetLimits::default() });
        for _ in 0..HISTORY_MAX + 3 {
            view.apply(&record(2, limits));
        }
        assert_eq!((view.history.len(), view.older), (HISTORY_MAX, 5));
    }
}
