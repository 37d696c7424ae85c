//! The edge's own picture of accounts, positions, orders and controls, made of the events and of nothing else.

mod risk;

pub(crate) use risk::{ControlKey, Noted, RiskView, asked_for, is_off, scopes_of, text_of};

use crate::link::EventPosition;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tidegate_model::command::{CommandKind, RouteLink};
use tidegate_model::event::{
    Account, Execution, OrdStatus, PhaseChange, Position, RouteDifference, RouteDifferenceKind,
    RouteState,
};
use tidegate_model::{
    AccountId, ClientOrderId, Event, EventRecord, Instrument, InstrumentId, OrderId, RejectReason,
    ScopeKind, Symbol, TickTable, Ticks, UnixNanos,
};

/// What is known of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountView {
    /// In its base currency.
    pub cash: Option<Account>,
    /// In its other currencies, in the order in which it came to hold them.
    pub others: Vec<Account>,
}

impl AccountView {
    fn put(&mut self, account: Account) {
        let is_base = account.base.is_empty() || account.base == account.currency;
        if is_base {
            self.cash = Some(account);
            return;
        }
        match self.others.iter_mut().find(|other| other.currency == account.currency) {
            Some(other) => *other = account,
            None => self.others.push(account),
        }
    }

    /// In every currency, the base currency first.
    pub fn currencies(&self) -> impl Iterator<Item = &Account> {
        self.cash.iter().chain(&self.others)
    }
}

/// One order after its last event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderView {
    pub record: EventRecord,
    pub execution: Execution,
    /// As it was told last.
    pub stop_price: Option<Ticks>,
}

impl OrderView {
    fn is_final(&self) -> bool {
        OrdStatus::from_wire(self.execution.ord_status).is_some_and(OrdStatus::is_final)
    }
}

/// A live route after its last event.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteView {
    /// How it stands, and since when.
    pub state: Option<(RouteState, UnixNanos)>,
    /// Differences by kind.
    pub differences: BTreeMap<&'static str, u64>,
    /// Instruments that a difference blocks, and since when.
    pub blocked: BTreeMap<InstrumentId, (RouteDifference, UnixNanos)>,
}

impl RouteView {
    /// True if orders flow.
    pub fn is_up(&self) -> bool {
        self.state.is_some_and(|(state, _)| state.link == RouteLink::Up.wire())
    }

    fn differs(&mut self, record: &EventRecord, difference: RouteDifference) {
        let Some(kind) = RouteDifferenceKind::from_wire(difference.kind) else { return };
        if kind == RouteDifferenceKind::Position && difference.settled != 0 {
            self.blocked.remove(&record.instrument);
            return;
        }
        *self.differences.entry(kind.as_str()).or_default() += 1;
        if difference.settled == 0 && record.instrument != InstrumentId::NONE {
            self.blocked.insert(record.instrument, (difference, record.ts));
        }
    }
}

/// Everything queries are answered from.
#[derive(Debug)]
pub(crate) struct View {
    pub as_of: EventPosition,
    /// The highest session number ever seen: new sessions count on from it.
    pub session_last: u32,
    /// Controls, proposals, what stands still.
    pub risk: RiskView,
    pub accounts: BTreeMap<AccountId, AccountView>,
    pub positions: BTreeMap<(AccountId, InstrumentId), Position>,
    /// Open orders, and those finished today.
    pub orders: BTreeMap<OrderId, OrderView>,
    pub finished_dropped: u64,
    /// How often each reason refused an order or a change of one, by whose limit it was.
    pub refusals: BTreeMap<(RejectReason, Option<ScopeKind>), u64>,
    /// By number; those that no event has named are not in it.
    pub routes: BTreeMap<u8, RouteView>,
    /// The last step of each market of the house that has taken one.
    pub phases: BTreeMap<InstrumentId, PhaseChange>,
    instruments: BTreeMap<InstrumentId, Arc<Instrument>>,
    symbols: BTreeMap<Symbol, InstrumentId>,
    tick_tables: BTreeMap<InstrumentId, TickTable>,
    by_client_id: HashMap<(AccountId, ClientOrderId), OrderId>,
    /// Finished orders, oldest first.
    finished: VecDeque<OrderId>,
    finished_max: usize,
}

impl View {
    pub fn new(finished_max: usize) -> Self {
        Self {
            as_of: EventPosition::default(),
            session_last: 0,
            risk: RiskView::default(),
            accounts: BTreeMap::new(),
            positions: BTreeMap::new(),
            orders: BTreeMap::new(),
            finished_dropped: 0,
            refusals: BTreeMap::new(),
            routes: BTreeMap::new(),
            phases: BTreeMap::new(),
            instruments: BTreeMap::new(),
            symbols: BTreeMap::new(),
            tick_tables: BTreeMap::new(),
            by_client_id: HashMap::new(),
            finished: VecDeque::new(),
            finished_max,
        }
    }

    /// The instrument behind a number.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Arc<Instrument>> {
        self.instruments.get(&id)
    }

    /// The tick table of an instrument, if it has one.
    pub fn tick_table(&self, id: InstrumentId) -> Option<&TickTable> {
        self.tick_tables.get(&id)
    }

    /// The instrument behind a symbol.
    pub fn by_symbol(&self, symbol: &Symbol) -> Option<(InstrumentId, &Arc<Instrument>)> {
        let id = *self.symbols.get(symbol)?;
        Some((id, self.instruments.get(&id)?))
    }

    /// All instruments, by number.
    pub fn instruments(&self) -> impl Iterator<Item = (InstrumentId, &Arc<Instrument>)> {
        self.instruments.iter().map(|(id, terms)| (*id, terms))
    }

    /// Instruments by symbol, beginning at `from`.
    pub fn instruments_from(
        &self,
        from: Symbol,
    ) -> impl Iterator<Item = (InstrumentId, &Arc<Instrument>)> {
        self.symbols.range(from..).filter_map(|(_, id)| Some((*id, self.instruments.get(id)?)))
    }

    /// The order that the account calls by this name today.
    pub fn order_by_client_id(&self, account: AccountId, id: ClientOrderId) -> Option<&OrderView> {
        self.orders.get(self.by_client_id.get(&(account, id))?)
    }

    /// Open orders of each route's instruments, by the route's number.
    pub fn routed_orders(&self) -> BTreeMap<u8, u32> {
        let mut open = BTreeMap::new();
        for order in self.orders.values().filter(|order| !order.is_final()) {
            if let Some(terms) = self.instrument(order.record.instrument)
                && terms.is_routed()
            {
                *open.entry(terms.route).or_default() += 1;
            }
        }
        open
    }

    /// Takes in one event; in order, each once.
    pub fn apply(&mut self, record: &EventRecord) {
        self.as_of = EventPosition { seq: record.seq, ordinal: record.ordinal };
        self.session_last = self.session_last.max(record.session.0);
        self.risk.apply(record);
        if let Some(Event::Execution(told) | Event::CancelReject(told)) = record.event()
            && let Some(reject) = told.reject()
        {
            *self.refusals.entry((reject.reason, reject.scope)).or_default() += 1;
        }
        match record.event() {
            Some(Event::Execution(execution)) => self.order(record, execution),
            // The order as it stands: a cancel that was pending no longer is.
            Some(Event::CancelReject(execution)) => {
                if self.orders.contains_key(&execution.order_id) {
                    self.order(record, execution);
                }
            }
            Some(Event::Position(position)) => {
                self.positions.insert((record.account, record.instrument), position);
            }
            Some(Event::Account(account)) => {
                self.accounts.entry(record.account).or_default().put(account);
            }
            Some(Event::Instrument(instrument)) => {
                self.symbols.insert(instrument.symbol, record.instrument);
                self.instruments.insert(record.instrument, Arc::new(instrument));
            }
            Some(Event::TickTable(set)) => {
                match TickTable::unpack(&set) {
                    Ok(Some(table)) => self.tick_tables.insert(record.instrument, table),
                    Ok(None) | Err(_) => self.tick_tables.remove(&record.instrument),
                };
            }
            Some(Event::RouteState(state)) => {
                self.routes.entry(state.route).or_default().state = Some((state, record.ts));
            }
            Some(Event::RouteDifference(difference)) => {
                self.routes.entry(difference.route).or_default().differs(record, difference);
            }
            Some(Event::Ack(ack))
                if ack.command_kind == CommandKind::DayRoll.wire() && ack.reject_reason == 0 =>
            {
                while let Some(id) = self.finished.pop_front() {
                    self.forget(id);
                }
                self.finished_dropped = 0;
            }
            Some(Event::Phase(change)) => {
                self.phases.insert(record.instrument, change);
            }
            Some(
                Event::Ack(_)
                | Event::Limits(_)
                | Event::KillSwitch(_)
                | Event::Posting(_)
                | Event::Equity(_)
                | Event::ListStatus(_)
                | Event::Principal(_)
                | Event::Control(_)
                | Event::Group(_)
                | Event::Listed(_)
                | Event::Factors(_)
                | Event::Locate(_)
                | Event::Proposal(_)
                | Event::Verdict(_)
                | Event::Tripped(_),
            )
            | None => {}
        }
    }

    fn order(&mut self, record: &EventRecord, execution: Execution) {
        // Refused before it got a number: it never was an order.
        if execution.order_id.0 == 0 {
            return;
        }
        let known = self.orders.get(&execution.order_id).and_then(|order| order.stop_price);
        let stop_price = execution.stop_price().or(known);
        let order = OrderView { record: *record, execution, stop_price };
        let before = self.orders.insert(execution.order_id, order);
        if before.is_none() {
            let name = (record.account, execution.client_order_id);
            self.by_client_id.insert(name, execution.order_id);
        }
        if order.is_final() && !before.is_some_and(|before| before.is_final()) {
            self.finished.push_back(execution.order_id);
            if self.finished.len() > self.finished_max
                && let Some(oldest) = self.finished.pop_front()
            {
                self.forget(oldest);
                self.finished_dropped += 1;
            }
        }
    }

    fn forget(&mut self, id: OrderId) {
        if let Some(order) = self.orders.remove(&id) {
            let name = (order.record.account, order.execution.client_order_id);
            if self.by_client_id.get(&name) == Some(&id) {
                self.by_client_id.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_model::SeqNo;
    use tidegate_model::event::Ack;

    fn event(seq: u64, event: Event) -> EventRecord {
        let mut record = EventRecord::new(&event);
        record.seq = SeqNo(seq);
        record.account = AccountId(1);
        record.instrument = InstrumentId(0);
        record
    }

    fn order(id: u64, status: OrdStatus) -> Event {
        Event::Execution(Execution {
            order_id: OrderId(id),
            client_order_id: ClientOrderId::new(&format!("c{id}")).expect("a name"),
            ord_status: status.wire(),
            ..Execution::zeroed()
        })
    }

    #[test]
    fn finished_orders_are_bounded_and_counted_when_dropped() {
        let mut view = View::new(2);
        for id in 1..=5 {
            view.apply(&event(id, order(id, OrdStatus::New)));
        }
        for id in 1..=4 {
            view.apply(&event(10 + id, order(id, OrdStatus::Filled)));
            // A late report of a finished order is not a second finish.
            view.apply(&event(10 + id, order(id, OrdStatus::Filled)));
        }
        let kept: Vec<_> = view.orders.keys().map(|id| id.0).collect();
        assert_eq!(kept, [3, 4, 5]);
        assert_eq!(view.finished_dropped, 2);
        let name = |id: u64| ClientOrderId::new(&format!("c{id}")).expect("a name");
        assert!(view.order_by_client_id(AccountId(1), name(1)).is_none());
        assert!(view.order_by_client_id(AccountId(1), name(5)).is_some());
        assert!(view.order_by_client_id(AccountId(2), name(5)).is_none());
    }

    #[test]
    fn refusals_are_counted_by_reason_and_scope() {
        let mut view = View::new(2);
        let refused = |reason: RejectReason, scope: u8| {
            Event::Execution(Execution {
                reject_reason: reason.wire(),
                reject_scope: scope,
                ord_status: OrdStatus::Rejected.wire(),
                ..Execution::zeroed()
            })
        };
        let (qty, kill) = (RejectReason::MaxOrderQuantity, RejectReason::KillSwitch);
        let firm = ScopeKind::Firm;
        for (seq, event) in [
            refused(qty, 0),
            refused(qty, firm.wire()),
            refused(kill, firm.wire()),
            refused(qty, 0),
        ]
        .into_iter()
        .enumerate()
        {
            view.apply(&self::event(seq as u64 + 1, event));
        }
        let counts: Vec<_> = view.refusals.iter().map(|(key, count)| (*key, *count)).collect();
        let expected = [((kill, Some(firm)), 1), ((qty, None), 2), ((qty, Some(firm)), 1)];
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_new_day_forgets_what_is_finished() {
        let mut view = View::new(10);
        view.apply(&event(1, order(1, OrdStatus::New)));
        view.apply(&event(2, order(2, OrdStatus::Canceled)));
        let roll = Ack { command_kind: CommandKind::DayRoll.wire(), ..Ack::zeroed() };
        view.apply(&event(3, Event::Ack(roll)));
        assert_eq!(view.orders.keys().map(|id| id.0).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_refused_order_without_number_is_none() {
        let mut view = View::new(10);
        view.apply(&event(1, order(0, OrdStatus::Rejected)));
        assert!(view.orders.is_empty());
        assert_eq!(view.as_of.seq, SeqNo(1));
    }
}
