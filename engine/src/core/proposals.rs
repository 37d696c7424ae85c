//! What waits for a second person: changes that loosen, and orders above their threshold.
//!
//! A proposal keeps the command as it was asked, under a number that is never used again and a hash of its bytes. Whoever
//! decides names both, so that exactly what was looked at is decided, once. Nobody decides what they asked for; programs
//! decide nothing; the configuration may ask and not decide. What nobody decides lapses.

use super::Core;
use super::orders::refuse_new;
use super::output::Publisher;
use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    CancelOrder, Decide, Decision, NewOrder, ORDER_PROPOSAL_LIFE_NS, PROPOSAL_LIFE_NS, ReplaceOrder,
};
use tidegate_model::event::{
    CancelReason, Event, ExecType, Execution, OrdStatus, Proposal, ProposalStatus,
};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room};
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, InstrumentId, Lots, PrincipalId, Reject,
    RejectReason, Scope, SessionId, StateHash, UnixNanos,
};
use tidegate_oms::Requester;
use tidegate_risk::Parties;

/// Proposals that may wait: more than people can look at in a day.
pub const PROPOSALS_MAX: usize = 1_024;
/// Orders among them: half, so that no flood of orders keeps people from changing what stops it.
const ORDERS_WAITING_MAX: usize = PROPOSALS_MAX / 2;
/// Orders of one principal among those, so that no program takes the room of the others.
const ORDERS_OF_ONE_MAX: usize = 64;
const TAG_PROPOSAL: u64 = 0x5052_4f50;

/// One that waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Waiting {
    number: u64,
    hash: u64,
    lapses_at: UnixNanos,
    who: Requester,
    record: CommandRecord,
}

impl Waiting {
    fn order(&self) -> Option<NewOrder> {
        match self.record.command() {
            Some(Command::NewOrder(order)) => Some(order),
            _ => None,
        }
    }

    /// Whose order it is.
    const fn parties(&self, order: &NewOrder) -> Parties {
        let &NewOrder { account, instrument, strategy, .. } = order;
        Parties { account, instrument, strategy, principal: self.who.principal }
    }

    fn told(&self, status: ProposalStatus, decider: PrincipalId) -> Event {
        Event::Proposal(Proposal {
            number: self.number,
            hash: self.hash,
            lapses_at: self.lapses_at,
            proposer: self.who.principal,
            decider,
            command_kind: self.record.kind,
            status: status.wire(),
            reserved: [0; 6],
            body: self.record.body,
        })
    }
}

/// Everything that waits for a second person.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proposals {
    /// By rising number.
    #[serde(with = "Room::<PROPOSALS_MAX>")]
    waiting: Vec<Waiting>,
    last_number: u64,
    next_due: Option<UnixNanos>,
}

impl Proposals {
    pub fn new() -> Self {
        Self { waiting: Vec::with_capacity(PROPOSALS_MAX), last_number: 0, next_due: None }
    }

    /// Looks at what was read from a snapshot.
    pub fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "proposals", why);
        let rise = self.waiting.windows(2).all(|pair| pair[0].number < pair[1].number);
        let last = self.waiting.last().is_none_or(|last| last.number <= self.last_number);
        check(rise && last, "numbers rise")?;
        let mut known = self.waiting.iter().map(|one| one.record.command().is_some());
        check(known.all(|known| known), "what is proposed is a command")?;
        let due = self.waiting.iter().map(|one| one.lapses_at).min();
        check(self.next_due == due, "the next one lapses first")
    }

    /// Lets one more wait.
    fn check_room(&self, command: &Command, proposer: PrincipalId) -> Result<(), Reject> {
        let check = |count: usize, max: usize| {
            let full = Reject::new(RejectReason::CapacityExceeded, max as i128, count as i128);
            if count < max { Ok(()) } else { Err(full) }
        };
        if matches!(command, Command::NewOrder(_)) {
            let orders = || self.waiting.iter().filter(|one| one.order().is_some());
            check(orders().filter(|one| one.who.principal == proposer).count(), ORDERS_OF_ONE_MAX)?;
            check(orders().count(), ORDERS_WAITING_MAX)?;
        }
        check(self.waiting.len(), PROPOSALS_MAX)
    }

    /// When the next one lapses.
    #[inline]
    pub const fn next_due(&self) -> Option<UnixNanos> {
        self.next_due
    }

    fn put(&mut self, one: Waiting) {
        self.waiting.push(one);
        self.look_for_next();
    }

    fn take(&mut self, at: usize) -> Waiting {
        let one = self.waiting.remove(at);
        self.look_for_next();
        one
    }

    /// Every input asks when the next one lapses: that is looked for when they change.
    fn look_for_next(&mut self) {
        self.next_due = self.waiting.iter().map(|one| one.lapses_at).min();
    }

    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for one in &self.waiting {
            let who = u64::from(one.who.principal.0) << 32 | u64::from(one.who.session.0);
            let words = [one.number, one.hash, one.lapses_at.0, who, one.who.request_id];
            hash.add(hash_words(TAG_PROPOSAL, &words));
        }
        hash.add(hash_words(TAG_PROPOSAL + 1, &[self.last_number]));
        hash
    }
}

/// The hash of what is proposed, by whom, under which number.
fn hash_of(number: u64, principal: PrincipalId, record: &CommandRecord) -> u64 {
    let body: [u64; 16] = bytemuck::cast(record.body);
    let head = [number, u64::from(principal.0) << 8 | u64::from(record.kind)];
    hash_words(hash_words(TAG_PROPOSAL + 2, &head), &body)
}

fn waiting_as_told(order: &NewOrder) -> Execution {
    Execution {
        client_order_id: order.client_order_id,
        qty: order.qty,
        leaves_qty: order.qty,
        price: order.price,
        exec_type: ExecType::PendingApproval.wire(),
        ord_status: OrdStatus::PendingApproval.wire(),
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        ..Execution::zeroed()
    }
}

fn tell_waiting(order: &NewOrder, who: Requester, publisher: &mut Publisher<'_>) {
    let event = Event::Execution(waiting_as_told(order));
    publisher.event_of(who, (order.account, order.instrument, order.strategy), &event);
}

impl Core {
    /// Keeps a command until a second person decides; its number. Who asks for the same change again, as a configuration does at
    /// each start, has asked for it once.
    pub(super) fn propose(
        &mut self,
        command: Command,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let record = CommandRecord::new(command);
        let is_same = |one: &&Waiting| {
            one.who.principal == who.principal && one.record == record && one.order().is_none()
        };
        if let Some(one) = self.proposals.waiting.iter().find(is_same).copied() {
            let nobody = PrincipalId::OPERATOR;
            self.tell_proposal(&one, ProposalStatus::Pending, nobody, who, publisher);
            return Ok(one.number);
        }
        self.proposals.check_room(&command, who.principal)?;
        let number = self.proposals.last_number + 1;
        self.proposals.last_number = number;
        let life_ns = match command {
            Command::NewOrder(_) => ORDER_PROPOSAL_LIFE_NS,
            _ => PROPOSAL_LIFE_NS,
        };
        let lapses_at = UnixNanos(self.now.0.saturating_add(life_ns));
        let hash = hash_of(number, who.principal, &record);
        let one = Waiting { number, hash, lapses_at, who, record };
        self.proposals.put(one);
        self.tell_proposal(&one, ProposalStatus::Pending, PrincipalId::OPERATOR, who, publisher);
        Ok(number)
    }

    fn tell_proposal(
        &self,
        one: &Waiting,
        status: ProposalStatus,
        decider: PrincipalId,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let (account, instrument) = match one.order() {
            Some(order) => (order.account, order.instrument),
            None => (AccountId::NONE, InstrumentId::NONE),
        };
        publisher.event(who, account, instrument, &one.told(status, decider));
    }

    /// Somebody decides.
    pub(super) fn decide(
        &mut self,
        decide: Decide,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let number = i128::from(decide.proposal);
        let bad = Reject::of(RejectReason::BadField, decide.decision.into());
        let decision = Decision::from_wire(decide.decision).ok_or(bad)?;
        let at = self.proposals.waiting.iter().position(|one| one.number == decide.proposal);
        let at = at.ok_or(Reject::of(RejectReason::UnknownProposal, number))?;
        let one = self.proposals.waiting[at];
        let takes_back = decision == Decision::Refuse && one.who.principal == who.principal;
        if !takes_back {
            self.risk.check_decision(who.principal, one.who.principal)?;
        }
        if one.hash != decide.hash {
            return Err(Reject::of(RejectReason::WrongHash, number));
        }
        self.proposals.take(at);
        let status = match decision {
            Decision::Approve => ProposalStatus::Approved,
            Decision::Refuse if takes_back => ProposalStatus::Withdrawn,
            Decision::Refuse => ProposalStatus::Refused,
        };
        self.tell_proposal(&one, status, who.principal, who, publisher);
        match (decision, one.order()) {
            (Decision::Approve, Some(order)) => self.enter_approved(order, &one, publisher),
            (Decision::Refuse, Some(order)) => {
                let reject = Reject::of(RejectReason::ApprovalRefused, number);
                refuse_new(&order, reject, one.who, publisher);
            }
            (Decision::Approve, None) => {
                let command = one.record.command().expect("it was asked for by this engine");
                // Whoever asked for it did it; the decision is told beside it.
                self.change_control(command, one.who, publisher)?;
            }
            (Decision::Refuse, None) => {}
        }
        Ok(decide.proposal)
    }

    /// An approved order goes through the whole gate again, as if it came now.
    fn enter_approved(&mut self, order: NewOrder, one: &Waiting, publisher: &mut Publisher<'_>) {
        match self.admit_once(order, one.who, true) {
            Ok(slot) => {
                self.begin(slot, one.who, publisher);
                self.follow_up(publisher);
            }
            Err(reject) => refuse_new(&order, reject, one.who, publisher),
        }
    }

    /// An order above its threshold waits, and says so.
    pub(super) fn await_approval(
        &mut self,
        order: NewOrder,
        reject: Reject,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        match self.propose(Command::NewOrder(order), who, publisher) {
            Ok(_) => tell_waiting(&order, who, publisher),
            Err(full) => refuse_new(&order, Reject { scope: reject.scope, ..full }, who, publisher),
        }
    }

    /// A new order of the name of one that waits. The same message, sent again, is told to wait still, and this is true. Any
    /// other takes its place: what was to be approved is no longer what is wanted.
    #[inline]
    pub(super) fn waits_already(
        &mut self,
        order: &NewOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> bool {
        let Some(one) = self.waiting_order(order.account, &order.client_order_id) else {
            return false;
        };
        if one.order() == Some(*order) && one.who.principal == who.principal {
            tell_waiting(order, who, publisher);
            return true;
        }
        if self.risk.check_account(who.principal, order.account).is_ok() {
            self.withdraw(&one, ProposalStatus::Withdrawn, publisher);
        }
        false
    }

    /// A cancel or a replace of an order that waits for approval withdraws it; the order, if it was one.
    #[inline]
    pub(super) fn withdraw_named(
        &mut self,
        account: AccountId,
        name: &ClientOrderId,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Option<NewOrder> {
        let one = self.waiting_order(account, name)?;
        self.risk.check_account(who.principal, account).ok()?;
        self.withdraw(&one, ProposalStatus::Withdrawn, publisher);
        one.order()
    }

    #[inline]
    fn waiting_order(&self, account: AccountId, name: &ClientOrderId) -> Option<Waiting> {
        let is_it = |order: NewOrder| order.account == account && order.client_order_id == *name;
        self.proposals.waiting.iter().find(|one| one.order().is_some_and(is_it)).copied()
    }

    fn withdraw(&mut self, one: &Waiting, status: ProposalStatus, publisher: &mut Publisher<'_>) {
        let at = self.proposals.waiting.iter().position(|other| other.number == one.number);
        self.proposals.take(at.expect("it was found just now"));
        self.tell_proposal(one, status, PrincipalId::OPERATOR, one.who, publisher);
    }

    /// Cancels what waits for approval by its name, as if it were an order at work; true if there was one.
    pub(super) fn cancel_waiting(
        &mut self,
        cancel: &CancelOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> bool {
        let name = &cancel.client_order_id;
        let Some(order) = self.withdraw_named(cancel.account, name, who, publisher) else {
            return false;
        };
        let execution = Execution {
            last_qty: order.qty,
            leaves_qty: Lots::ZERO,
            exec_type: ExecType::Canceled.wire(),
            ord_status: OrdStatus::Canceled.wire(),
            cancel_reason: CancelReason::User.wire(),
            ..waiting_as_told(&order)
        };
        publisher.event(who, order.account, order.instrument, &Event::Execution(execution));
        true
    }

    /// New terms for what waits for approval: it has to be entered, and approved, anew. True if there was one.
    pub(super) fn replace_waiting(
        &mut self,
        replace: &ReplaceOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> bool {
        let name = &replace.client_order_id;
        let Some(order) = self.withdraw_named(replace.account, name, who, publisher) else {
            return false;
        };
        refuse_new(&order, Reject::of(RejectReason::ApprovalLapsed, 0), who, publisher);
        true
    }

    /// A session is gone: what it wanted canceled then is withdrawn, and what a control has canceled then.
    pub(super) fn withdraw_of_session(
        &mut self,
        session: SessionId,
        publisher: &mut Publisher<'_>,
    ) {
        self.withdraw_orders(publisher, |core, one, order| {
            one.who.session == session && core.ends_with_session(order.flags, one.parties(order))
        });
    }

    /// Who sent the orders that wait and that the end of their session withdraws.
    pub(super) fn waiting_with_session(&self) -> impl Iterator<Item = Requester> {
        self.waiting_orders()
            .filter(|(one, order)| self.ends_with_session(order.flags, one.parties(order)))
            .map(|(one, _)| one.who)
    }

    /// The orders among what waits.
    fn waiting_orders(&self) -> impl Iterator<Item = (&Waiting, NewOrder)> {
        let waiting = self.proposals.waiting.iter();
        waiting.filter_map(|one| one.order().map(|order| (one, order)))
    }

    /// A kill switch: what waits in its scope is withdrawn.
    pub(super) fn withdraw_approvals_of(&mut self, scope: Scope, publisher: &mut Publisher<'_>) {
        self.withdraw_orders(publisher, |core, one, order| {
            scope == Scope::FIRM || core.risk.is_in(scope, one.parties(order))
        });
    }

    /// Withdraws the orders that fit.
    fn withdraw_orders(
        &mut self,
        publisher: &mut Publisher<'_>,
        fits: impl Fn(&Self, &Waiting, &NewOrder) -> bool,
    ) {
        let fitting = self.waiting_orders().filter(|(one, order)| fits(self, one, order));
        let numbers: Vec<u64> = fitting.map(|(one, _)| one.number).collect();
        let is_it = |one: &Waiting| numbers.contains(&one.number);
        self.withdraw_where(is_it, ProposalStatus::Withdrawn, publisher);
    }

    /// What nobody has decided in time.
    pub(super) fn lapse_due(&mut self, publisher: &mut Publisher<'_>) {
        let now = self.now;
        self.withdraw_where(|one| one.lapses_at <= now, ProposalStatus::Lapsed, publisher);
    }

    fn withdraw_where(
        &mut self,
        is_it: impl Fn(&Waiting) -> bool,
        status: ProposalStatus,
        publisher: &mut Publisher<'_>,
    ) {
        while let Some(at) = self.proposals.waiting.iter().position(&is_it) {
            let one = self.proposals.take(at);
            self.tell_proposal(&one, status, PrincipalId::OPERATOR, one.who, publisher);
            if let Some(order) = one.order() {
                let reject = Reject::of(RejectReason::ApprovalLapsed, one.number.into());
                refuse_new(&order, reject, one.who, publisher);
            }
        }
    }
}
