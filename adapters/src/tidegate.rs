//! To another Tidegate over its gRPC edge.
//!
//! Everything about orders comes from the far side's event stream, which has every event once and in order and is resumed by
//! position; answers to calls are looked at for refused cancels and replaces only. An order's name over there follows from
//! the journal here, the route and the order's number, so that what is found there can be told apart.

use crate::runner::report;
use crate::{Adapter, AdapterError, Known, Reports};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    self, CancelOrderRequest, Event, EventPosition, ExecType, GetOrderRequest, GetStatusRequest,
    ListOrdersRequest, ListPositionsRequest, OrderReport, OrderType, ReplaceOrderRequest,
    SubmitOrderRequest, cancel_order_request, get_order_request, replace_order_request,
};
use tidegate_client::{Client, ClientError, EventFilter, EventStream};
use tidegate_model::command::{FLAG_FOREIGN_CANCELED, RoutePosition, RouteReport, RouteReportKind};
use tidegate_model::event::OrdStatus;
use tidegate_model::{Command, Instrument, Lots, OrderId, RoutedKind, RoutedOrder, Ticks};
use tonic::Code;

/// Characters of the far side's version that are told.
const VERSION_SHOWN_MAX: usize = 32;

/// Where the far side is, and how to trade there.
#[derive(Clone, Debug)]
pub struct TidegateVenue {
    /// Its edge, e.g. `http://127.0.0.1:7800`.
    pub address: String,
    /// A token that may trade.
    pub token: String,
    /// The account over there, which no one else of ours trades in.
    pub account: u32,
    /// The route's number here.
    pub route: u8,
    /// How long a request of a broken connection may still be under way over there.
    pub settle: Duration,
    /// Cancels open orders over there that did not come from here.
    pub cancel_foreign: bool,
    /// The instruments of the route; symbols are the same on both sides.
    pub instruments: Vec<Instrument>,
}

/// The adapter.
#[derive(Debug)]
pub struct TidegateAdapter {
    venue: TidegateVenue,
    client: Option<Client>,
    events: Option<EventStream>,
    /// An event that was read ahead.
    ahead: Option<Event>,
    /// What every name of ours over there begins with.
    prefix: String,
    /// The version over there, as of the last connection.
    version: String,
}

fn unreadable(what: &'static str, text: &str) -> AdapterError {
    AdapterError::Unreadable { what, text: text.to_string() }
}

fn place(position: &EventPosition) -> [u64; 2] {
    [position.seq, position.ordinal.into()]
}

impl TidegateAdapter {
    /// An adapter that is not connected yet.
    pub fn new(venue: TidegateVenue) -> Self {
        let (prefix, version) = (String::new(), String::new());
        Self { venue, client: None, events: None, ahead: None, prefix, version }
    }

    fn client(&self) -> Result<&Client, AdapterError> {
        self.client.as_ref().ok_or(AdapterError::Client(ClientError::SessionClosed))
    }

    fn name(&self, order: &RoutedOrder) -> String {
        format!("{}{:x}", self.prefix, order.order_id.0)
    }

    fn instrument(&self, symbol: &str) -> Option<&Instrument> {
        self.venue.instruments.iter().find(|terms| terms.symbol.as_str() == symbol)
    }

    /// The next event, or `None` where only the position moved.
    async fn step(&mut self) -> Result<Option<Event>, AdapterError> {
        if let Some(event) = self.ahead.take() {
            return Ok(Some(event));
        }
        let closed = AdapterError::Client(ClientError::SessionClosed);
        Ok(self.events.as_mut().ok_or(closed)?.step_once().await?)
    }

    /// Tells every event up to `end`, and none after it.
    async fn read_until(
        &mut self,
        end: [u64; 2],
        reports: &mut Reports,
    ) -> Result<(), AdapterError> {
        loop {
            let at = self.events.as_ref().and_then(EventStream::position);
            if self.ahead.is_some() || at.is_some_and(|at| place(&at) >= end) {
                return Ok(());
            }
            match self.step().await? {
                Some(event) if event.position.as_ref().is_some_and(|at| place(at) > end) => {
                    self.ahead = Some(event);
                }
                Some(event) => self.translate(&event, reports)?,
                None => {}
            }
        }
    }

    /// What an event of the far side means for an order of ours.
    fn translate(&self, event: &Event, reports: &mut Reports) -> Result<(), AdapterError> {
        let (Some(Body::Execution(said)), Some(position)) = (&event.body, &event.position) else {
            return Ok(());
        };
        let Some(number) = said.client_order_id.strip_prefix(&self.prefix) else { return Ok(()) };
        let number = u64::from_str_radix(number, 16);
        let order_id =
            OrderId(number.map_err(|_| unreadable("client_order_id", &said.client_order_id))?);
        let kind = match said.exec_type() {
            ExecType::New => RouteReportKind::Accepted,
            ExecType::Trade => RouteReportKind::Executed,
            ExecType::Canceled => RouteReportKind::Canceled,
            ExecType::Rejected => RouteReportKind::Rejected,
            ExecType::Expired => RouteReportKind::Expired,
            ExecType::Replaced | ExecType::Restated => RouteReportKind::Replaced,
            _ => return Ok(()),
        };
        let mut report = RouteReport { order_id, cursor: place(position), ..self.terms(said)? };
        report.kind = kind.wire();
        if kind == RouteReportKind::Executed {
            let terms = self.terms_of(said)?;
            report.qty = lots(terms, "last_qty", &said.last_qty)?;
            report.price = price(terms, "last_price", &said.last_price)?;
        }
        reports.order(report);
        Ok(())
    }

    fn terms_of(&self, said: &OrderReport) -> Result<&Instrument, AdapterError> {
        self.instrument(&said.symbol).ok_or_else(|| unreadable("symbol", &said.symbol))
    }

    /// An order as the far side has it.
    fn terms(&self, said: &OrderReport) -> Result<RouteReport, AdapterError> {
        let terms = self.terms_of(said)?;
        let code = match &said.reject {
            Some(reject) => reject.reason,
            None => said.cancel_reason,
        };
        Ok(RouteReport {
            venue_order_id: said.order_id,
            exec_id: said.exec_id,
            qty: lots(terms, "qty", &said.qty)?,
            price: price(terms, "price", &said.price)?,
            cum_qty: lots(terms, "cum_qty", &said.cum_qty)?,
            code: u8::try_from(code).unwrap_or_default(),
            route: self.venue.route,
            liquidity: u8::try_from(said.liquidity).unwrap_or_default(),
            ..bytemuck::Zeroable::zeroed()
        })
    }

    /// Positions over there, all events up to the same place told before.
    async fn positions(&mut self, reports: &mut Reports) -> Result<(), AdapterError> {
        let request = ListPositionsRequest {
            account: Some(self.venue.account),
            include_flat: true,
            page_size: 1_000,
            ..Default::default()
        };
        let told = self.client()?.list_positions(request).await?;
        let as_of = told.as_of.ok_or_else(|| unreadable("as_of", ""))?;
        self.read_until(place(&as_of), reports).await?;
        for terms in &self.venue.instruments {
            let held = told.positions.iter().find(|held| held.symbol == terms.symbol.as_str());
            let qty = held.map_or(Ok(0), |held| signed(terms, &held.qty))?;
            let (symbol, route) = (terms.symbol, self.venue.route);
            let position = RoutePosition { symbol, qty, route, reserved: [0; 7] };
            reports.0.push(Command::RoutePosition(position));
        }
        Ok(())
    }

    /// Whether each order that is open here is there, every event before the answer told before. Of one that has ended over
    /// there the events have said so.
    async fn orders(&mut self, known: &Known, reports: &mut Reports) -> Result<(), AdapterError> {
        for order in &known.orders {
            let name = get_order_request::Order::ClientOrderId(self.name(order));
            let request = GetOrderRequest { account: self.venue.account, order: Some(name) };
            let answer = match self.client()?.get_order(request).await {
                Ok(found) => {
                    let as_of = found.as_of.ok_or_else(|| unreadable("as_of", ""))?;
                    self.read_until(place(&as_of), reports).await?;
                    let said = found.report.ok_or_else(|| unreadable("report", ""))?;
                    if has_ended(&said) {
                        continue;
                    }
                    let (order_id, kind) = (order.order_id, RouteReportKind::Found.wire());
                    RouteReport { order_id, kind, attempt: order.attempt, ..self.terms(&said)? }
                }
                Err(ClientError::Call { status, .. }) if status.code() == Code::NotFound => {
                    report(RouteReportKind::Missing, self.venue.route, order)
                }
                Err(error) => return Err(error.into()),
            };
            reports.order(answer);
        }
        Ok(())
    }

    /// Open orders over there that are not open here: some of ours that ended here, others that did not come from here.
    async fn others(&self, known: &Known, reports: &mut Reports) -> Result<(), AdapterError> {
        let account = self.venue.account;
        let here: BTreeSet<_> = known.orders.iter().map(|order| order.order_id).collect();
        let mut request = ListOrdersRequest { account: Some(account), ..Default::default() };
        loop {
            let page = self.client()?.list_orders(request.clone()).await?;
            for said in &page.orders {
                let number = said.client_order_id.strip_prefix(&self.prefix);
                let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
                match number.map(OrderId) {
                    Some(order_id) if here.contains(&order_id) => {}
                    Some(order_id) => {
                        let kind = RouteReportKind::Found.wire();
                        reports.order(RouteReport { order_id, kind, ..self.terms(said)? });
                    }
                    None => self.foreign(said, reports).await?,
                }
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn foreign(&self, said: &OrderReport, reports: &mut Reports) -> Result<(), AdapterError> {
        let mut flags = 0;
        if self.venue.cancel_foreign {
            let order = Some(cancel_order_request::Order::OrderId(said.order_id));
            let request = CancelOrderRequest { account: self.venue.account, order };
            let canceled = self.client()?.cancel(request).await?;
            flags = if canceled.reject.is_none() { FLAG_FOREIGN_CANCELED } else { 0 };
        }
        let told = match self.instrument(&said.symbol) {
            Some(_) => self.terms(said)?,
            None => bytemuck::Zeroable::zeroed(),
        };
        let (kind, route) = (RouteReportKind::Foreign.wire(), self.venue.route);
        let venue_order_id = said.order_id;
        reports.order(RouteReport { kind, flags, route, venue_order_id, ..told });
        Ok(())
    }

    async fn submit(&self, order: &RoutedOrder) -> Result<OrderReport, ClientError> {
        let terms = &order.instrument;
        let request = SubmitOrderRequest {
            account: self.venue.account,
            symbol: terms.symbol.to_string(),
            client_order_id: self.name(order),
            side: order.side.wire().into(),
            order_type: OrderType::Limit.into(),
            time_in_force: order.time_in_force.wire().into(),
            qty: terms.format_qty(order.qty),
            price: terms.format_price(order.price),
            ..Default::default()
        };
        let client = self.client.as_ref().ok_or(ClientError::SessionClosed)?;
        client.submit(request).await
    }

    async fn cancel(&self, order: &RoutedOrder) -> Result<OrderReport, ClientError> {
        let name = Some(cancel_order_request::Order::ClientOrderId(self.name(order)));
        let request = CancelOrderRequest { account: self.venue.account, order: name };
        let client = self.client.as_ref().ok_or(ClientError::SessionClosed)?;
        client.cancel(request).await
    }

    async fn replace(&self, order: &RoutedOrder) -> Result<OrderReport, ClientError> {
        let terms = &order.instrument;
        let request = ReplaceOrderRequest {
            account: self.venue.account,
            order: Some(replace_order_request::Order::ClientOrderId(self.name(order))),
            symbol: terms.symbol.to_string(),
            qty: terms.format_qty(order.qty),
            price: terms.format_price(order.price),
            stop_price: String::new(),
        };
        let client = self.client.as_ref().ok_or(ClientError::SessionClosed)?;
        client.replace(request).await
    }
}

impl Adapter for TidegateAdapter {
    fn check_version(&self) -> Result<(), AdapterError> {
        agree(VERSION, &self.version)
    }

    async fn connect(&mut self) -> Result<[u64; 2], AdapterError> {
        self.events = None;
        self.ahead = None;
        let client = Client::connect(&self.venue.address, Some(&self.venue.token)).await?;
        let status = client.get_status(GetStatusRequest {}).await?;
        self.client = Some(client);
        self.version.clone_from(&status.version);
        Ok(status.last_event.as_ref().map_or([0; 2], place))
    }

    async fn reconcile(&mut self, known: Known, reports: &mut Reports) -> Result<(), AdapterError> {
        self.prefix = format!("{:x}-{:x}-", known.journal, self.venue.route);
        tokio::time::sleep(self.venue.settle).await;
        let [seq, ordinal] = known.cursor;
        let after = EventPosition { seq, ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX) };
        let filter = EventFilter {
            account: Some(self.venue.account),
            principal: None,
            kinds: vec![proto::EventKind::Execution],
        };
        let mut events = self.client()?.events(Some(after), filter);
        events.open().await?;
        self.events = Some(events);
        self.positions(reports).await?;
        self.orders(&known, reports).await?;
        self.others(&known, reports).await
    }

    async fn send(
        &mut self,
        request: &RoutedKind,
        reports: &mut Reports,
    ) -> Result<(), AdapterError> {
        let (order, refused, answer) = match request {
            RoutedKind::New(order) => (order, RouteReportKind::Rejected, self.submit(order).await),
            RoutedKind::Cancel(order) => {
                (order, RouteReportKind::CancelRejected, self.cancel(order).await)
            }
            RoutedKind::Replace(order) => {
                (order, RouteReportKind::ReplaceRejected, self.replace(order).await)
            }
            RoutedKind::Begin { .. } | RoutedKind::Query(_) | RoutedKind::End => return Ok(()),
        };
        let code = match answer {
            // A refused order is an event of the stream as well.
            Ok(said) if refused == RouteReportKind::Rejected || said.reject.is_none() => {
                return Ok(());
            }
            Ok(said) => said.reject.map_or(0, |reject| reject.reason),
            Err(ClientError::Call { status, .. }) if was_not_carried_out(status.code()) => 0,
            Err(error) => return Err(error.into()),
        };
        let code = u8::try_from(code).unwrap_or_default();
        reports.order(RouteReport { code, ..report(refused, self.venue.route, order) });
        Ok(())
    }

    async fn next(&mut self, reports: &mut Reports) -> Result<(), AdapterError> {
        match self.step().await? {
            Some(event) => self.translate(&event, reports),
            None => Ok(()),
        }
    }
}

/// The version that this adapter was made for: that of the protocol's crate.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Two versions speak the same language if they have the same major and minor number.
fn agree(ours: &str, theirs: &str) -> Result<(), AdapterError> {
    let language = |version: &str| -> Option<[u32; 2]> {
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        Some([numbers.next()??, numbers.next()??])
    };
    let is_same = language(theirs).is_some() && language(ours) == language(theirs);
    let shown = || theirs.chars().take(VERSION_SHOWN_MAX).flat_map(char::escape_default).collect();
    is_same
        .then_some(())
        .ok_or_else(|| AdapterError::Version { expected: ours.into(), found: shown() })
}

/// True if nothing more can come of the order.
fn has_ended(said: &OrderReport) -> bool {
    let status = u8::try_from(said.ord_status).ok().and_then(OrdStatus::from_wire);
    status.is_some_and(OrdStatus::is_final)
}

/// True if the far side has certainly not done what was asked, as [`ClientError::Call`] says.
fn was_not_carried_out(code: Code) -> bool {
    !matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::Unknown
    )
}

fn lots(terms: &Instrument, what: &'static str, text: &str) -> Result<Lots, AdapterError> {
    if text.is_empty() || text == "0" {
        return Ok(Lots::ZERO);
    }
    terms.parse_qty(text).map_err(|_| unreadable(what, text))
}

fn price(terms: &Instrument, what: &'static str, text: &str) -> Result<Ticks, AdapterError> {
    if text.is_empty() {
        return Ok(Ticks::ZERO);
    }
    terms.parse_price(text).map_err(|_| unreadable(what, text))
}

fn signed(terms: &Instrument, text: &str) -> Result<i64, AdapterError> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, text),
    };
    let lots = i64::try_from(lots(terms, "position", magnitude)?.0);
    lots.map(|lots| sign * lots).map_err(|_| unreadable("position", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_agree_by_major_and_minor() {
        for (ours, theirs, is_same) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.0", "0.1.7", true),
            ("0.1.0", "0.1.0-rc.1", true),
            ("0.1.0", "0.2.0", false),
            ("0.1.0", "1.1.0", false),
            ("0.1.0", "0.10.0", false),
            ("0.1.0", "0.1", true),
            ("0.1.0", "0", false),
            ("0.1.0", "", false),
            ("0.1.0", "latest", false),
            ("latest", "latest", false),
        ] {
            let agreed = agree(ours, theirs);
            assert_eq!(agreed.is_ok(), is_same, "{ours} and {theirs}: {agreed:?}");
        }
        let error =
            agree("0.1.0", &format!("\u{1b}{}", "x".repeat(1_000))).expect_err("no version");
        assert!(error.to_string().len() < 200, "{error}");
    }
}
