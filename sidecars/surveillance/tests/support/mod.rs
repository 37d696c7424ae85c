//! Events as an engine tells them, made up.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    Ack, CancelReason, Event, EventPosition, ExecType, OrdStatus, OrderReport, OrderType,
    PositionReport, Reject, RejectReason, Side,
};
use tidegate_surveillance::{Alert, Settings, Surveillance};

/// When the first event is: some day in 2026, UTC nanoseconds.
pub const START: u64 = 1_790_000_000_000_000_000;
pub const MS: u64 = 1_000_000;
pub const SYMBOL: &str = "TIDE";

/// An engine's events, one input after the other. Quantities and prices are whole numbers.
pub struct Stream {
    pub events: Vec<Event>,
    orders: BTreeMap<u64, OrderReport>,
    /// Who asked for each order: its executions are told as theirs.
    asked: BTreeMap<u64, u32>,
    seq: u64,
    ordinal: u32,
    ms: u64,
    principal: u32,
}

impl Default for Stream {
    fn default() -> Self {
        let (events, orders, asked) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { events, orders, asked, seq: 0, ordinal: 0, ms: 0, principal: 1 }
    }
}

impl Stream {
    /// What follows happens so long after the start.
    pub fn at(&mut self, ms: u64) -> &mut Self {
        self.ms = ms;
        self
    }

    /// What follows is asked for by this principal.
    pub fn by(&mut self, principal: u32) -> &mut Self {
        self.principal = principal;
        self
    }

    pub fn body(&mut self, account: Option<u32>, symbol: &str, body: Body) -> &mut Self {
        self.seq += 1;
        self.ordinal = 0;
        self.same_input(account, symbol, body)
    }

    /// Another event of the input before.
    pub fn same_input(&mut self, account: Option<u32>, symbol: &str, body: Body) -> &mut Self {
        self.events.push(Event {
            position: Some(EventPosition { seq: self.seq, ordinal: self.ordinal }),
            ts: START + self.ms * MS,
            session: 4,
            principal: self.principal,
            account,
            symbol: symbol.to_string(),
            body: Some(body),
            ..Default::default()
        });
        self.ordinal += 1;
        self
    }

    pub fn order(&self, id: u64) -> Option<&OrderReport> {
        self.orders.get(&id)
    }

    pub fn open(&self) -> Vec<u64> {
        let open = |it: &&OrderReport| is_open(it.ord_status());
        self.orders.values().filter(open).map(|it| it.order_id).collect()
    }

    fn report(&mut self, id: u64, same_input: bool, change: impl FnOnce(&mut OrderReport)) {
        let order = self.orders.get_mut(&id).expect("a known order");
        order.last_qty = "0".into();
        order.last_price = String::new();
        order.cancel_reason = 0;
        change(order);
        let (account, symbol, report) =
            (Some(order.account), order.symbol.clone(), Body::Execution(order.clone()));
        let speaks = std::mem::replace(&mut self.principal, self.asked[&id]);
        if same_input {
            self.same_input(account, &symbol, report);
        } else {
            self.body(account, &symbol, report);
        }
        self.principal = speaks;
    }

    /// A limit order comes to the market.
    pub fn enter(&mut self, id: u64, account: u32, side: Side, qty: i64, price: i64) -> &mut Self {
        self.enter_in(SYMBOL, id, account, side, qty, price)
    }

    pub fn enter_in(
        &mut self,
        symbol: &str,
        id: u64,
        account: u32,
        side: Side,
        qty: i64,
        price: i64,
    ) -> &mut Self {
        let order = OrderReport {
            order_id: id,
            client_order_id: format!("o{id}"),
            account,
            symbol: symbol.to_string(),
            side: side.into(),
            order_type: OrderType::Limit.into(),
            qty: qty.to_string(),
            price: price.to_string(),
            cum_qty: "0".into(),
            leaves_qty: qty.to_string(),
            ..Default::default()
        };
        self.orders.insert(id, order);
        self.asked.insert(id, self.principal);
        self.report(id, false, |it| {
            it.exec_type = ExecType::PendingNew.into();
            it.ord_status = OrdStatus::PendingNew.into();
        });
        self.report(id, true, |it| {
            it.exec_type = ExecType::New.into();
            it.ord_status = OrdStatus::New.into();
        });
        self
    }

    /// Changes what an order was told as, before anything else of it is.
    pub fn reports_as(&mut self, id: u64, change: impl FnOnce(&mut OrderReport)) -> &mut Self {
        change(self.orders.get_mut(&id).expect("a known order"));
        self
    }

    pub fn fill(&mut self, id: u64, qty: i64, price: i64) -> &mut Self {
        self.executed(id, qty, price, false);
        self
    }

    /// Two orders trade with each other: two executions of one input.
    pub fn cross(&mut self, maker: u64, taker: u64, qty: i64, price: i64) -> &mut Self {
        self.executed(maker, qty, price, false);
        self.executed(taker, qty, price, true);
        self
    }

    fn executed(&mut self, id: u64, qty: i64, price: i64, same_input: bool) {
        self.report(id, same_input, |it| {
            let leaves = number(&it.leaves_qty) - qty;
            it.leaves_qty = leaves.to_string();
            it.cum_qty = (number(&it.cum_qty) + qty).to_string();
            it.exec_type = ExecType::Trade.into();
            it.last_qty = qty.to_string();
            it.last_price = price.to_string();
            it.ord_status = match leaves {
                0 => OrdStatus::Filled,
                _ => OrdStatus::PartiallyFilled,
            }
            .into();
        });
    }

    pub fn cancel(&mut self, id: u64) -> &mut Self {
        self.cancel_for(id, CancelReason::User)
    }

    pub fn cancel_for(&mut self, id: u64, reason: CancelReason) -> &mut Self {
        self.report(id, false, |it| {
            it.exec_type = ExecType::Canceled.into();
            it.ord_status = OrdStatus::Canceled.into();
            it.last_qty = std::mem::replace(&mut it.leaves_qty, "0".into());
            it.cancel_reason = reason.into();
        });
        self
    }

    pub fn replace(&mut self, id: u64, qty: i64, price: i64) -> &mut Self {
        self.report(id, false, |it| {
            it.exec_type = ExecType::Replaced.into();
            it.leaves_qty = (qty - number(&it.cum_qty)).to_string();
            it.qty = qty.to_string();
            it.price = price.to_string();
        });
        self
    }

    /// A report that changes nothing but its kind, such as a cancel under way.
    pub fn told(&mut self, id: u64, exec_type: ExecType) -> &mut Self {
        self.report(id, false, |it| it.exec_type = exec_type.into());
        self
    }

    /// A new order is refused before it got a number.
    pub fn refuse(&mut self, account: u32, reason: RejectReason) -> &mut Self {
        self.refuse_with(account, reject(reason))
    }

    pub fn refuse_with(&mut self, account: u32, reject: Reject) -> &mut Self {
        let report = OrderReport {
            account,
            symbol: SYMBOL.into(),
            exec_type: ExecType::Rejected.into(),
            ord_status: OrdStatus::Rejected.into(),
            reject: Some(reject),
            ..Default::default()
        };
        self.body(Some(account), SYMBOL, Body::Execution(report))
    }

    pub fn refuse_cancel(&mut self, id: u64, reason: RejectReason) -> &mut Self {
        let mut report = self.orders[&id].clone();
        report.reject = Some(reject(reason));
        self.body(Some(report.account), SYMBOL, Body::CancelReject(report))
    }

    pub fn position(&mut self, account: u32, qty: i64, same_input: bool) -> &mut Self {
        let held = PositionReport {
            account,
            symbol: SYMBOL.into(),
            qty: qty.to_string(),
            ..Default::default()
        };
        let body = Body::PositionReport(held);
        match same_input {
            true => self.same_input(Some(account), SYMBOL, body),
            false => self.body(Some(account), SYMBOL, body),
        }
    }

    pub fn ack(&mut self, command: &str, reason: RejectReason) -> &mut Self {
        let ack = Ack { command: command.into(), value: 0, reject: Some(reject(reason)) };
        self.body(None, "", Body::Ack(ack))
    }

    /// All alerts.
    pub fn watched(&self, settings: &Settings) -> Vec<Alert> {
        let mut surveillance = Surveillance::new(settings.clone()).expect("settings in range");
        self.events.iter().flat_map(|event| surveillance.on_event(event)).collect()
    }
}

pub fn is_open(status: OrdStatus) -> bool {
    use OrdStatus::{Canceled, Expired, Filled, Rejected};
    !matches!(status, Filled | Canceled | Rejected | Expired)
}

pub fn number(text: &str) -> i64 {
    text.parse().expect("a whole number")
}

pub fn reject(reason: RejectReason) -> Reject {
    let code = reason.as_str_name().trim_start_matches("REJECT_REASON_").to_lowercase();
    Reject { reason: reason.into(), code, ..Default::default() }
}
