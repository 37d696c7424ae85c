//! The picture of people's accounts: what the engine's events say of orders, executions, positions and cash, and nothing else. Pure:
//! [`Picture::apply`] takes one event after the other.
//!
//! What is open is all there. Of what has ended, and of executions, the newest are kept: so many of each account, and so many in all.

use super::words::OrdStatus;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{self, Event, ExecType};
use uuid::Uuid;

/// Names of orders that were not entered here are made in this space.
const SPACE: Uuid = Uuid::from_u128(0x7469_6465_6761_7465_8000_6f72_6465_7273);

/// How much of what is over is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Orders that have ended, and executions, of one account.
    pub of_account: usize,
    /// The same of all accounts.
    pub in_all: usize,
}

/// The place of an event: sequence number of its input, and its number among the events of that.
pub type Position = (u64, u32);

/// The place of an event as answers have it: `SEQ:ORDINAL`.
pub fn place(position: Position) -> String {
    format!("{}:{}", position.0, position.1)
}

/// An order after its last event.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderRow {
    /// What it is called outside: the client's own name if that is a UUID.
    pub id: Uuid,
    /// Its number among all orders here, by their first event.
    pub serial: u64,
    /// As the engine told it last; `stop_price` as it told that last.
    pub report: proto::OrderReport,
    /// Whose request it was; only that principal may change it.
    pub principal: u32,
    /// When it was entered, UTC nanoseconds.
    pub created_at: u64,
}

impl OrderRow {
    /// Where it stands.
    pub fn status(&self) -> Option<OrdStatus> {
        OrdStatus::of(self.report.ord_status)
    }

    /// Whether nothing follows any more.
    pub fn is_closed(&self) -> bool {
        self.status().is_some_and(OrdStatus::is_final)
    }
}

/// One execution, or one that was taken back or put right.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRow {
    /// Its number among all executions here.
    pub serial: u64,
    /// The order's name outside.
    pub order: Uuid,
    /// As the engine told it.
    pub report: proto::OrderReport,
}

/// What one event changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An order, and the name of the one that it belongs to.
    Order(Box<OrderRow>, Option<Uuid>),
    /// There was an execution; the order follows.
    Execution(Box<ExecutionRow>),
    /// A cancel or replace was refused: the name of its order, and the report with the refusal.
    CancelReject(Uuid, Box<proto::OrderReport>),
    /// A position.
    Position(Box<proto::PositionReport>),
    /// Cash in one currency.
    Balance(Box<proto::AccountReport>),
    /// The limits of an account.
    Limits(Box<proto::Limits>),
    /// A kill switch.
    KillSwitch(Box<proto::KillSwitchReport>),
    /// A control stopped a scope, or lets it go on.
    Tripped(Box<proto::TrippedReport>),
    /// Something waits for a second person, or no longer does.
    Proposal(Box<proto::ProposalReport>),
}

/// One account.
#[derive(Clone, Debug, Default)]
pub struct AccountPicture {
    /// Cash, the base currency first.
    pub balances: Vec<proto::AccountReport>,
    /// By symbol.
    pub positions: BTreeMap<String, proto::PositionReport>,
    /// By serial.
    pub orders: BTreeMap<u64, OrderRow>,
    /// By serial.
    pub executions: BTreeMap<u64, ExecutionRow>,
    /// Its limits.
    pub limits: Option<proto::Limits>,
    by_id: HashMap<Uuid, u64>,
    by_number: HashMap<u64, u64>,
    /// Ended orders by when they ended.
    closed: VecDeque<u64>,
}

impl AccountPicture {
    /// An order by its name.
    pub fn order(&self, id: Uuid) -> Option<&OrderRow> {
        self.orders.get(self.by_id.get(&id)?)
    }

    /// How many orders are open, as the engine's risk counts them: what waits for approval is no order yet.
    pub fn open_orders(&self) -> usize {
        let is_open = |row: &&OrderRow| !row.is_closed() && row.report.order_id != 0;
        self.orders.values().filter(is_open).count()
    }

    /// The name of an order by the engine's number.
    pub fn name_of(&self, number: u64) -> Option<Uuid> {
        self.orders.get(self.by_number.get(&number)?).map(|row| row.id)
    }

    /// The name of the order that another belongs to: the first of its list, the parent whose child it is.
    pub fn parent_of(&self, report: &proto::OrderReport) -> Option<Uuid> {
        let number = Some(report.parent_id).filter(|number| *number != 0);
        self.name_of(number.filter(|number| *number != report.order_id)?)
    }

    fn find(&self, id: Uuid, number: u64) -> Option<u64> {
        let by_number = self.by_number.get(&number).filter(|_| number != 0);
        by_number.or_else(|| self.by_id.get(&id)).copied()
    }

    fn remove(&mut self, serial: u64) {
        let Some(row) = self.orders.remove(&serial) else { return };
        if self.by_id.get(&row.id) == Some(&serial) {
            self.by_id.remove(&row.id);
        }
        if self.by_number.get(&row.report.order_id) == Some(&serial) {
            self.by_number.remove(&row.report.order_id);
        }
    }

    fn remove_closed(&mut self, serial: u64) {
        if self.orders.get(&serial).is_some_and(OrderRow::is_closed) {
            self.remove(serial);
        }
    }
}

/// All accounts.
#[derive(Debug)]
pub struct Picture {
    /// The first and the last account that is kept: people's.
    accounts_of: [u32; 2],
    bounds: Bounds,
    accounts: HashMap<u32, AccountPicture>,
    instruments: HashMap<String, proto::Instrument>,
    /// The group of each instrument that is in one.
    groups: HashMap<String, u32>,
    as_of: Position,
    serial: u64,
    closed: VecDeque<(u32, u64)>,
    executions: VecDeque<(u32, u64)>,
}

impl Picture {
    /// Nothing is known yet.
    pub fn new(accounts_of: [u32; 2], bounds: Bounds) -> Self {
        Self {
            accounts_of,
            bounds,
            accounts: HashMap::new(),
            instruments: HashMap::new(),
            groups: HashMap::new(),
            as_of: (0, 0),
            serial: 0,
            closed: VecDeque::new(),
            executions: VecDeque::new(),
        }
    }

    /// The last event that it includes.
    pub fn as_of(&self) -> Position {
        self.as_of
    }

    /// The same where events passed by that are of nobody here.
    pub fn passed(&mut self, position: Position) {
        self.as_of = self.as_of.max(position);
    }

    /// One account; `None` until the engine told of it.
    pub fn account(&self, number: u32) -> Option<&AccountPicture> {
        self.accounts.get(&number)
    }

    /// The highest account of people that the engine has; 0 if it has none.
    pub fn account_last(&self) -> u32 {
        self.accounts.keys().copied().max().unwrap_or_default()
    }

    /// The terms of an instrument.
    pub fn instrument(&self, symbol: &str) -> Option<&proto::Instrument> {
        self.instruments.get(symbol)
    }

    /// The group that the engine's risk counts an instrument in, if it is in one.
    pub fn group(&self, symbol: &str) -> Option<u32> {
        self.groups.get(symbol).copied()
    }

    /// The account that an event is about, if it is one that is kept.
    fn account_of(&mut self, number: u32) -> Option<&mut AccountPicture> {
        let [first, last] = self.accounts_of;
        (first..=last).contains(&number).then(|| self.accounts.entry(number).or_default())
    }

    /// Takes the next event, and says what it changed. One that was taken before changes nothing.
    pub fn apply(&mut self, event: Event) -> Vec<Change> {
        let position = event.position.map_or(self.as_of, |at| (at.seq, at.ordinal));
        if position <= self.as_of && self.as_of != (0, 0) {
            return Vec::new();
        }
        self.as_of = position;
        let one = |change| vec![change];
        match event.body {
            Some(Body::Execution(report)) => self.execution(report, event.principal, event.ts),
            Some(Body::CancelReject(report)) => {
                let Some(account) = self.account_of(report.account) else { return Vec::new() };
                let row = account.by_number.get(&report.order_id);
                let row = row.and_then(|serial| account.orders.get(serial));
                let id = row.map_or_else(|| name(&report), |row| row.id);
                // It tells the order as it stands: a cancel that was pending no longer is.
                let stands =
                    |row: &OrderRow| !row.is_closed() && row.report.symbol == report.symbol;
                let mut changes = if row.is_some_and(stands) {
                    let exec_type = ExecType::Unspecified.into();
                    let standing = proto::OrderReport { reject: None, exec_type, ..report.clone() };
                    self.execution(standing, event.principal, event.ts)
                } else {
                    Vec::new()
                };
                changes.push(Change::CancelReject(id, Box::new(report)));
                changes
            }
            Some(Body::PositionReport(report)) => {
                let Some(account) = self.account_of(report.account) else { return Vec::new() };
                account.positions.insert(report.symbol.clone(), report.clone());
                one(Change::Position(Box::new(report)))
            }
            Some(Body::AccountReport(report)) => {
                let Some(account) = self.account_of(report.account) else { return Vec::new() };
                match account.balances.iter_mut().find(|old| old.currency == report.currency) {
                    Some(old) => *old = report.clone(),
                    None if report.base_currency.is_empty()
                        || report.currency == report.base_currency =>
                    {
                        account.balances.insert(0, report.clone());
                    }
                    None => account.balances.push(report.clone()),
                }
                one(Change::Balance(Box::new(report)))
            }
            Some(Body::Limits(limits)) => {
                let Some(account) = self.account_of(limits.account) else { return Vec::new() };
                account.limits = Some(limits.clone());
                one(Change::Limits(Box::new(limits)))
            }
            Some(Body::Instrument(terms) | Body::TickTable(terms)) => {
                self.instruments.insert(terms.symbol.clone(), terms);
                Vec::new()
            }
            Some(Body::Group(proto::GroupReport { member: Some(member), group, .. })) => {
                match (member.kind(), group) {
                    (proto::ScopeKind::Instrument, 0) => drop(self.groups.remove(&member.symbol)),
                    (proto::ScopeKind::Instrument, _) => {
                        self.groups.insert(member.symbol, group);
                    }
                    _ => {}
                }
                Vec::new()
            }
            Some(Body::KillSwitchReport(report)) => one(Change::KillSwitch(Box::new(report))),
            Some(Body::Tripped(report)) => one(Change::Tripped(Box::new(report))),
            Some(Body::Proposal(report)) => one(Change::Proposal(Box::new(report))),
            _ => Vec::new(),
        }
    }

    fn execution(
        &mut self,
        mut report: proto::OrderReport,
        principal: u32,
        ts: u64,
    ) -> Vec<Change> {
        let (number, bounds) = (report.account, self.bounds);
        let (order_serial, execution_serial) = (self.serial + 1, self.serial + 2);
        let Some(account) = self.account_of(number) else { return Vec::new() };
        let id = name(&report);
        let found = account.find(id, report.order_id).or_else(|| {
            // What waited for approval had no number to be called by.
            let serial = account.by_id.get(&name_of(number, 0, &report.client_order_id)).copied();
            serial.filter(|serial| account.orders.get(serial).is_some_and(|row| !row.is_closed()))
        });
        let named = found.and_then(|serial| account.orders.get(&serial));
        if report.order_id == 0
            && named.is_some_and(|row| row.report.order_id != 0 && !row.is_closed())
        {
            // Another order was refused because this one has its name. This one stands.
            return Vec::new();
        }
        // What waits for approval gets its number later; else it is a name of another day's order, which this one takes over.
        let is_same = |row: &OrderRow| match row.report.order_id {
            0 => !row.is_closed(),
            number => number == report.order_id,
        };
        let found = found.filter(|serial| {
            let same = account.orders.get(serial).is_some_and(is_same);
            if !same {
                account.remove(*serial);
            }
            same
        });
        let before = found.and_then(|serial| account.orders.get(&serial));
        let was_closed = before.is_some_and(OrderRow::is_closed);
        if let (true, Some(before)) = (report.stop_price.is_empty(), before) {
            report.stop_price.clone_from(&before.report.stop_price);
        }
        let row = OrderRow {
            id: before.map_or(id, |row| row.id),
            serial: before.map_or(order_serial, |row| row.serial),
            // Later events may be the market's doing, or another's cancel.
            principal: before.map_or(principal, |row| row.principal),
            created_at: before.map_or(ts, |row| row.created_at),
            report,
        };
        if row.report.order_id != 0 {
            account.by_number.insert(row.report.order_id, row.serial);
        }
        account.by_id.insert(row.id, row.serial);
        account.orders.insert(row.serial, row.clone());
        let mut changes = Vec::new();
        let is_execution = matches!(
            row.report.exec_type(),
            ExecType::Trade | ExecType::TradeCancel | ExecType::TradeCorrect
        );
        let (serial, is_closed) = (row.serial, row.is_closed());
        if is_execution {
            let execution = ExecutionRow {
                serial: execution_serial,
                order: row.id,
                report: row.report.clone(),
            };
            account.executions.insert(execution_serial, execution.clone());
            if account.executions.len() > bounds.of_account {
                account.executions.pop_first();
            }
            changes.push(Change::Execution(Box::new(execution)));
        }
        let parent = account.parent_of(&row.report);
        changes.push(Change::Order(Box::new(row), parent));
        if is_closed && !was_closed {
            account.closed.push_back(serial);
            if account.closed.len() > bounds.of_account
                && let Some(oldest) = account.closed.pop_front()
            {
                account.remove_closed(oldest);
            }
            self.closed.push_back((number, serial));
        } else if was_closed && !is_closed {
            // An execution was taken back: it will end anew.
            account.closed.retain(|other| *other != serial);
            self.closed.retain(|other| *other != (number, serial));
        }
        if is_execution {
            self.executions.push_back((number, execution_serial));
        }
        self.serial = execution_serial;
        self.bound();
        changes
    }

    /// Lets go of the oldest of what is over.
    fn bound(&mut self) {
        while self.closed.len() > self.bounds.in_all {
            let Some((number, serial)) = self.closed.pop_front() else { break };
            if let Some(account) = self.accounts.get_mut(&number) {
                account.remove_closed(serial);
            }
        }
        while self.executions.len() > self.bounds.in_all {
            let Some((number, serial)) = self.executions.pop_front() else { break };
            if let Some(account) = self.accounts.get_mut(&number) {
                account.executions.remove(&serial);
            }
        }
    }
}

/// What an order is called outside: the client's own name if that is a UUID, else one made of account and number.
fn name(report: &proto::OrderReport) -> Uuid {
    name_of(report.account, report.order_id, &report.client_order_id)
}

fn name_of(account: u32, order_id: u64, given: &str) -> Uuid {
    Uuid::try_parse(given).unwrap_or_else(|_| {
        let text = match order_id {
            0 => format!("{account}/{given}"),
            number => format!("{account}#{number}"),
        };
        Uuid::new_v5(&SPACE, text.as_bytes())
    })
}
