//! The picture beside a naive recount: after each of many random events, everything it shows is what the whole list says.

use super::picture::{Bounds, OrderRow, Picture};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    AccountReport, Event, EventPosition, ExecType, OrdStatus, OrderReport, PositionReport, Side,
};
use uuid::Uuid;

/// People's accounts; the one after them is not theirs.
const ACCOUNTS_OF: [u32; 2] = [1, 2];
const ACCOUNTS: u32 = 3;
const SYMBOLS: [&str; 2] = ["ACME", "TIDE"];

/// One thing that an engine does, and with what.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    which: usize,
    account: u32,
    qty: i64,
    price: i64,
}

fn steps(kinds: &'static [u8], count: usize) -> impl Strategy<Value = Vec<Step>> {
    let what = prop::sample::select(kinds);
    let step = (what, any::<u16>(), 1..=ACCOUNTS, 1i64..20, 1i64..50);
    let step = step.prop_map(|(what, which, account, qty, price)| {
        let which = usize::from(which);
        Step { what, which, account, qty, price }
    });
    prop::collection::vec(step, 1..count)
}

/// What steps do. Without those that bring ended orders to life again, or all.
const PLAIN: &[u8] = &[0, 0, 0, 1, 2, 2, 2, 2, 3, 4, 6, 7, 8, 9, 10, 11];
const ALL: &[u8] = &[0, 0, 0, 1, 2, 2, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11];

#[derive(Clone, Debug)]
struct Fill {
    exec_id: u64,
    qty: i64,
    price: i64,
}

/// An engine that only keeps its books, in whole numbers.
#[derive(Default)]
struct Engine {
    events: Vec<Event>,
    orders: Vec<(OrderReport, Vec<Fill>)>,
    cash: BTreeMap<u32, i64>,
    held: BTreeMap<(u32, &'static str), i64>,
    numbers: u64,
}

impl Engine {
    fn tell(&mut self, body: Body, is_next: bool) {
        let last = self.events.last().and_then(|event| event.position).unwrap_or_default();
        let position = match is_next {
            true => EventPosition { seq: last.seq + 1, ordinal: 0 },
            false => EventPosition { seq: last.seq, ordinal: last.ordinal + 1 },
        };
        let (ts, principal) = (position.seq * 10, 1_000 + (position.seq % 3) as u32);
        let position = Some(position);
        self.events.push(Event { position, ts, principal, body: Some(body), ..Event::default() });
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The order that a step is about, of those that are as they should be.
    fn pick(&self, step: &Step, is: impl Fn(&OrderReport, &[Fill]) -> bool) -> Option<usize> {
        let all = self.orders.iter().enumerate();
        let all: Vec<usize> = all.filter(|(_, (o, f))| is(o, f)).map(|(at, _)| at).collect();
        (!all.is_empty()).then(|| all[step.which % all.len()])
    }

    /// An order changed.
    fn report(&mut self, at: usize, exec_type: ExecType, status: OrdStatus) {
        let report = &mut self.orders[at].0;
        report.set_exec_type(exec_type);
        report.set_ord_status(status);
        let report = report.clone();
        self.tell(Body::Execution(report), true);
    }

    /// After an execution: where the order stands, and what the account has.
    fn settle(&mut self, at: usize, exec_type: ExecType, change: Fill, qty: i64, cash: i64) {
        let (report, fills) = &mut self.orders[at];
        let filled: i64 = fills.iter().map(|fill| fill.qty).sum();
        let whole: i64 = report.qty.parse().expect("a number");
        report.cum_qty = filled.to_string();
        (report.last_qty, report.last_price) = (change.qty.to_string(), change.price.to_string());
        report.exec_id = change.exec_id;
        let status = match filled {
            0 => OrdStatus::New,
            all if all == whole => OrdStatus::Filled,
            _ => OrdStatus::PartiallyFilled,
        };
        let is_buy = report.side() == Side::Buy;
        let account = report.account;
        let symbol = SYMBOLS.into_iter().find(|one| *one == report.symbol).expect("known");
        self.report(at, exec_type, status);
        let sign = if is_buy { 1 } else { -1 };
        let held = self.held.entry((account, symbol)).or_default();
        *held += sign * qty;
        let (qty, symbol) = (held.to_string(), symbol.to_string());
        let position = PositionReport { account, symbol, qty, ..PositionReport::default() };
        self.tell(Body::PositionReport(position), false);
        self.pay(account, -sign * cash, false);
    }

    fn pay(&mut self, account: u32, amount: i64, is_next: bool) {
        let cash = self.cash.entry(account).or_default();
        *cash += amount;
        let (cash, currency) = (cash.to_string(), "USD".to_string());
        let report = AccountReport { account, currency, cash, ..AccountReport::default() };
        self.tell(Body::AccountReport(report), is_next);
    }

    /// A new order's report.
    fn order(&mut self, step: &Step, client_order_id: String) -> OrderReport {
        let side = if step.which.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let symbol = SYMBOLS[step.which / 2 % 2].to_string();
        let (qty, price) = (step.qty.to_string(), step.price.to_string());
        let account = step.account;
        let mut report =
            OrderReport { account, client_order_id, symbol, qty, price, ..OrderReport::default() };
        report.set_side(side);
        report
    }

    /// A name: of a new order's own, none that is a UUID, or one of a day that is over.
    fn name(&mut self, step: &Step) -> String {
        let fresh = Uuid::from_u128(0xabc0 + u128::from(self.number())).to_string();
        let is_old = |order: &OrderReport, _: &[Fill]| {
            order.account == step.account && !order.client_order_id.is_empty() && is_over(order)
        };
        let same = |name: &str, order: &OrderReport| {
            order.client_order_id == name && order.account == step.account && !is_over(order)
        };
        match step.which % 5 {
            0 => String::new(),
            1 => format!("c{}", self.numbers),
            2 => {
                match self.pick(step, is_old).map(|at| self.orders[at].0.client_order_id.clone()) {
                    // Somebody has it again already.
                    Some(name) if self.orders.iter().any(|(order, _)| same(&name, order)) => fresh,
                    Some(name) => name,
                    None => fresh,
                }
            }
            _ => fresh,
        }
    }

    fn step(&mut self, step: &Step) {
        let Step { what, account, qty, price, .. } = *step;
        let is_open = |order: &OrderReport, _: &[Fill]| order.order_id != 0 && !is_over(order);
        match what {
            0 => {
                let name = self.name(step);
                let mut report = self.order(step, name);
                report.order_id = self.number();
                self.orders.push((report, Vec::new()));
                let at = self.orders.len() - 1;
                self.report(at, ExecType::PendingNew, OrdStatus::PendingNew);
                self.report(at, ExecType::New, OrdStatus::New);
            }
            // Refused before it got a number; it may have the name of one that is open.
            1 => {
                let named = |order: &OrderReport, fills: &[Fill]| {
                    is_open(order, fills) && order.account == account
                };
                let taken = self.pick(step, named).filter(|_| step.which.is_multiple_of(2));
                let taken = taken.map(|at| self.orders[at].0.client_order_id.clone());
                let taken = taken.filter(|name| !name.is_empty());
                let name = taken.unwrap_or_else(|| format!("refused {}", self.numbers));
                let mut report = self.order(step, name);
                report.set_exec_type(ExecType::Rejected);
                report.set_ord_status(OrdStatus::Rejected);
                self.tell(Body::Execution(report), true);
            }
            2 => {
                let Some(at) = self.pick(step, is_open) else { return };
                let (report, fills) = &self.orders[at];
                let filled: i64 = fills.iter().map(|fill| fill.qty).sum();
                let qty = qty.min(report.qty.parse::<i64>().expect("a number") - filled);
                let fill = Fill { exec_id: self.number(), qty, price };
                self.orders[at].1.push(fill.clone());
                self.settle(at, ExecType::Trade, fill, qty, qty * price);
            }
            3 => {
                let Some(at) = self.pick(step, is_open) else { return };
                self.report(at, ExecType::Canceled, OrdStatus::Canceled);
            }
            4 => {
                let Some(at) = self.pick(step, is_open) else { return };
                let (report, fills) = &mut self.orders[at];
                let filled: i64 = fills.iter().map(|fill| fill.qty).sum();
                (report.qty, report.price) = ((filled + qty).to_string(), price.to_string());
                let status = if filled == 0 { OrdStatus::New } else { OrdStatus::PartiallyFilled };
                self.report(at, ExecType::Replaced, status);
            }
            // An execution is taken back: what was filled is open again.
            5 => {
                let is_executed = |order: &OrderReport, fills: &[Fill]| {
                    !fills.is_empty()
                        && order.ord_status() != OrdStatus::Canceled
                        && self.orders.iter().all(|(other, _)| {
                            other.order_id == order.order_id
                                || other.client_order_id != order.client_order_id
                                || other.account != order.account
                        })
                };
                let Some(at) = self.pick(step, is_executed) else { return };
                let fills = &mut self.orders[at].1;
                let gone = fills.remove(step.which % fills.len());
                let (qty, value) = (gone.qty, gone.qty * gone.price);
                self.settle(at, ExecType::TradeCancel, gone, -qty, -value);
            }
            // One is put right: another price.
            6 => {
                let is_executed =
                    |order: &OrderReport, fills: &[Fill]| !fills.is_empty() && !is_over(order);
                let Some(at) = self.pick(step, is_executed) else { return };
                let fills = &mut self.orders[at].1;
                let which = step.which % fills.len();
                let more = fills[which].qty * (price - fills[which].price);
                fills[which].price = price;
                let fill = fills[which].clone();
                self.settle(at, ExecType::TradeCorrect, fill, 0, more);
            }
            7 => {
                let Some(at) = self.pick(step, |order, _| order.order_id != 0) else { return };
                let before = self.orders[at].0.ord_status();
                if !is_over(&self.orders[at].0) {
                    self.report(at, ExecType::PendingCancel, OrdStatus::PendingCancel);
                }
                self.orders[at].0.set_ord_status(before);
                let report = self.orders[at].0.clone();
                self.tell(Body::CancelReject(report), true);
            }
            8 => self.pay(account, qty * price, true),
            // It waits for a person; then it gets its number, or is refused.
            9 => {
                let number = self.number();
                let name = match step.which % 3 {
                    0 => format!("w{number}"),
                    _ => Uuid::from_u128(0xdef0 + u128::from(number)).to_string(),
                };
                let report = self.order(step, name);
                self.orders.push((report, Vec::new()));
                let at = self.orders.len() - 1;
                self.report(at, ExecType::PendingApproval, OrdStatus::PendingApproval);
            }
            10 | 11 => {
                let waits = |order: &OrderReport, _: &[Fill]| {
                    order.ord_status() == OrdStatus::PendingApproval
                };
                let Some(at) = self.pick(step, waits) else { return };
                if what == 10 {
                    self.orders[at].0.order_id = self.number();
                    self.report(at, ExecType::New, OrdStatus::New);
                } else {
                    self.report(at, ExecType::Rejected, OrdStatus::Rejected);
                }
            }
            _ => {}
        }
    }
}

fn is_over(order: &OrderReport) -> bool {
    use OrdStatus::{Canceled, Filled, Rejected};
    [Filled, Canceled, Rejected].contains(&order.ord_status())
}

/// An order, as the list of all events has it.
#[derive(Clone, Debug, PartialEq)]
struct Counted {
    report: OrderReport,
    principal: u32,
    created_at: u64,
}

/// Reports of orders of an account, with principal and time.
fn reports(events: &[Event], account: u32) -> impl Iterator<Item = (&Event, &OrderReport)> {
    events.iter().filter_map(move |event| match &event.body {
        Some(Body::Execution(report)) if report.account == account => Some((event, report)),
        _ => None,
    })
}

/// What an order is called outside: a name that is no UUID is not its own once it has a number, unless it was called so before.
fn outside(report: &OrderReport) -> String {
    let name = &report.client_order_id;
    let is_numbered = report.order_id != 0 && Uuid::try_parse(name).is_err();
    if is_numbered { format!("#{}", report.order_id) } else { format!("={name}") }
}

/// Orders of an account in the order of their first events; of those with one name the last, and of those that were refused for a
/// name that is in use none.
fn orders(events: &[Event], account: u32) -> Vec<Counted> {
    let mut all: Vec<(String, Counted)> = Vec::new();
    for event in events {
        let (report, is_refusal) = match &event.body {
            Some(Body::Execution(report)) if report.account == account => (report, false),
            Some(Body::CancelReject(report)) if report.account == account => (report, true),
            _ => continue,
        };
        if is_refusal {
            let number = report.order_id;
            let is_meant = |known: &&mut (String, Counted)| known.1.report.order_id == number;
            if let Some((_, known)) = all.iter_mut().find(is_meant)
                && !is_over(&known.report)
            {
                known.report = OrderReport { exec_type: 0, reject: None, ..report.clone() };
            }
            continue;
        }
        let is_same = |known: &OrderReport| match (known.order_id, report.order_id) {
            (0, _) => !is_over(known) && known.client_order_id == report.client_order_id,
            (known, number) => known == number,
        };
        if let Some((_, known)) = all.iter_mut().find(|(_, known)| is_same(&known.report)) {
            known.report = report.clone();
            continue;
        }
        let name = outside(report);
        let is_open =
            |(other, known): &(String, Counted)| *other == name && !is_over(&known.report);
        if report.order_id == 0 && all.iter().any(is_open) {
            continue;
        }
        all.retain(|(other, _)| *other != name);
        let (report, principal, created_at) = (report.clone(), event.principal, event.ts);
        all.push((name, Counted { report, principal, created_at }));
    }
    all.into_iter().map(|(_, counted)| counted).collect()
}

fn is_execution(report: &OrderReport) -> bool {
    use ExecType::{Trade, TradeCancel, TradeCorrect};
    [Trade, TradeCancel, TradeCorrect].contains(&report.exec_type())
}

/// What executions come to: quantity by symbol, and what was paid for them.
fn executed(events: &[Event], account: u32) -> (BTreeMap<String, i64>, i64) {
    let mut fills: BTreeMap<u64, (String, i64, i64)> = BTreeMap::new();
    let mut symbols: BTreeMap<String, i64> = BTreeMap::new();
    for (_, report) in reports(events, account).filter(|(_, report)| is_execution(report)) {
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let sign = if report.side() == Side::Buy { 1 } else { -1 };
        let fill =
            (report.symbol.clone(), sign * number(&report.last_qty), number(&report.last_price));
        symbols.entry(report.symbol.clone()).or_default();
        match report.exec_type() {
            ExecType::TradeCancel => drop(fills.remove(&report.exec_id)),
            _ => drop(fills.insert(report.exec_id, fill)),
        }
    }
    let mut paid = 0;
    for (symbol, qty, price) in fills.into_values() {
        *symbols.entry(symbol).or_default() += qty;
        paid += qty * price;
    }
    (symbols, paid)
}

/// How much of what is over is kept: of endings, and of executions, those that are among the newest of the account and of all.
fn newest<T: Clone>(all: &[(u32, T)], account: u32, bounds: Bounds) -> Vec<T> {
    let late = all.iter().enumerate().skip(all.len().saturating_sub(bounds.in_all));
    let late: Vec<usize> = late.map(|(at, _)| at).collect();
    let own: Vec<usize> = (0..all.len()).filter(|at| all[*at].0 == account).collect();
    let own = &own[own.len().saturating_sub(bounds.of_account)..];
    own.iter().filter(|at| late.contains(at)).map(|at| all[*at].1.clone()).collect()
}

/// The picture against the whole list.
fn compare(picture: &Picture, events: &[Event], deposits: &[(u32, i64)], bounds: Bounds) {
    let people = ACCOUNTS_OF[0]..=ACCOUNTS_OF[1];
    assert!(picture.account(ACCOUNTS).is_none());
    let mut executions = Vec::new();
    let mut ended: Vec<(u32, (u64, u64))> = Vec::new();
    for event in events {
        let Some(Body::Execution(report)) = &event.body else { continue };
        if people.contains(&report.account) && is_execution(report) {
            executions.push((report.account, report.clone()));
        }
    }
    for account in people.clone() {
        for (at, event) in events.iter().enumerate() {
            let Some(Body::Execution(report)) = &event.body else { continue };
            // An order that has just ended.
            let before = orders(&events[..at], account);
            let now = orders(&events[..=at], account);
            if report.account == account && before != now && is_over(report) {
                let created =
                    now.iter().find(|one| one.report == *report).map(|one| one.created_at);
                ended.push((account, (event.ts, created.expect("it is there"))));
            }
        }
    }
    ended.sort_by_key(|(_, (ts, _))| *ts);
    for account in people {
        let shown = picture.account(account);
        let kept: Vec<u64> =
            newest(&ended, account, bounds).into_iter().map(|(_, created)| created).collect();
        let expected: Vec<Counted> = orders(events, account)
            .into_iter()
            .filter(|one| !is_over(&one.report) || kept.contains(&one.created_at))
            .collect();
        let rows = shown.iter().flat_map(|shown| shown.orders.values());
        let rows: Vec<&OrderRow> = rows.collect();
        let found: Vec<Counted> = rows
            .iter()
            .map(|row| Counted {
                report: row.report.clone(),
                principal: row.principal,
                created_at: row.created_at,
            })
            .collect();
        assert_eq!(found, expected, "orders of {account}");
        for row in rows {
            let shown = shown.expect("it has orders");
            assert_eq!(shown.order(row.id), Some(row));
            if row.report.order_id != 0 {
                assert_eq!(shown.name_of(row.report.order_id), Some(row.id));
            }
        }
        let found = shown.iter().flat_map(|shown| shown.executions.values());
        let found: Vec<OrderReport> = found.map(|row| row.report.clone()).collect();
        assert_eq!(found, newest(&executions, account, bounds), "executions of {account}");
        let (held, paid) = executed(events, account);
        let found = shown.iter().flat_map(|shown| &shown.positions);
        let found = found.map(|(symbol, row)| (symbol.clone(), row.qty.parse().expect("a number")));
        assert_eq!(found.collect::<BTreeMap<String, i64>>(), held, "positions of {account}");
        let own = deposits.iter().filter(|(of, _)| *of == account);
        let cash = own.map(|(_, amount)| amount).sum::<i64>() - paid;
        let found = shown.and_then(|shown| shown.balances.first());
        let found = found.map_or(0, |row| row.cash.parse().expect("a number"));
        assert_eq!(found, cash, "cash of {account}");
    }
}

/// Lets an engine do all steps, and compares after each; some of its events come twice.
fn check(steps: &[Step], bounds: Bounds) {
    let mut engine = Engine::default();
    let mut picture = Picture::new(ACCOUNTS_OF, bounds);
    let mut deposits = Vec::new();
    let mut taken = 0;
    for step in steps {
        engine.step(step);
        if step.what == 8 {
            deposits.push((step.account, step.qty * step.price));
        }
        for event in &engine.events[taken..] {
            picture.apply(event.clone());
        }
        taken = engine.events.len();
        // After a break the engine may tell again what it told.
        for event in &engine.events[taken.saturating_sub(step.which % 4)..] {
            assert_eq!(picture.apply(event.clone()), [], "it was there");
        }
        compare(&picture, &engine.events, &deposits, bounds);
    }
}

proptest! {
    // Each case counts everything anew after each of its steps.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_picture_is_what_all_events_come_to(steps in steps(ALL, 50)) {
        check(&steps, Bounds { of_account: 1_000, in_all: 1_000 });
    }

    #[test]
    fn of_what_is_over_the_newest_are_kept(steps in steps(PLAIN, 50), of_account in 1usize..4, in_all in 1usize..6) {
        check(&steps, Bounds { of_account, in_all });
    }
}

#[test]
fn an_order_that_ended_twice_is_as_new_as_its_last_end() {
    let step = |what, which| Step { what, which, account: 1, qty: 5, price: 10 };
    // One is filled, taken back, and filled again after another was canceled.
    let steps = [step(0, 3), step(2, 0), step(5, 0), step(0, 3), step(3, 1), step(2, 0)];
    check(&steps, Bounds { of_account: 2, in_all: 10 });
}
