//! A strategy's desk: its order session, a budget of messages, and a tally of what it did.

use crate::Summary;
use crate::tally::{Tally, note};
use anyhow::{Result, bail};
use std::time::{Duration, SystemTime};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::{
    ExecType, MassCancelRequest, OrderReport, OrderType, PositionReport, RequestRefused, Side,
    SubmitOrderRequest, TimeInForce,
};
use tidegate_client::{Client, OrderEvents, OrderRef, OrderSender};
use tokio::time::Instant;

/// Messages a second that a strategy allows itself. Accounts have limits too; running into them costs rejects.
const MESSAGES_PER_SEC: u32 = 200;
/// Messages that may go out at once.
const MESSAGES_AT_ONCE: u32 = 40;
/// How long to wait at the end for our orders to be canceled.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a strategy hears about its orders.
#[derive(Debug)]
pub enum Order {
    /// An order changed, or a change of it was refused (then `reject` says why).
    Report(Box<OrderReport>),
    /// A position changed.
    Position(PositionReport),
    /// A request was malformed and never reached the engine.
    Refused(RequestRefused),
}

/// The session and what belongs to it.
#[derive(Debug)]
pub struct Desk {
    tally: Tally,
    strategy: &'static str,
    account: u32,
    /// How many there are to trade.
    symbols: usize,
    sender: OrderSender,
    events: OrderEvents,
    /// Client order ids must be unique for the day, over restarts too: they begin with the time we started.
    prefix: String,
    names: u64,
    /// Messages that may be sent now, in units of one message a second times one millisecond.
    budget: u64,
    budget_at: Instant,
}

const BUDGET_PER_MESSAGE: u64 = 1_000;

impl Desk {
    /// Opens a session.
    ///
    /// # Errors
    /// If the server refuses: the token is unknown, or all sessions are taken.
    pub async fn open(
        client: &Client,
        strategy: &'static str,
        account: u32,
        symbols: usize,
    ) -> Result<Self> {
        let (sender, events) = client.order_session().await?.split();
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Self {
            tally: Tally::default(),
            strategy,
            account,
            symbols,
            sender,
            events,
            prefix: format!("{strategy}-{}", started.as_millis()),
            names: 0,
            budget: u64::from(MESSAGES_AT_ONCE) * BUDGET_PER_MESSAGE,
            budget_at: Instant::now(),
        })
    }

    /// Takes `count` messages out of the budget; false if there are not as many left.
    pub fn afford(&mut self, count: u32) -> bool {
        let now = Instant::now();
        let ms = now.duration_since(self.budget_at).as_millis() as u64;
        let full = u64::from(MESSAGES_AT_ONCE) * BUDGET_PER_MESSAGE;
        self.budget = (self.budget + ms * u64::from(MESSAGES_PER_SEC)).min(full);
        self.budget_at += Duration::from_millis(ms);
        let cost = u64::from(count) * BUDGET_PER_MESSAGE;
        let is_enough = self.budget >= cost;
        self.budget -= if is_enough { cost } else { 0 };
        is_enough
    }

    /// Sends an order and returns the name we gave it. Without `price` it is a market order.
    ///
    /// # Errors
    /// If the session is over.
    pub async fn submit(
        &mut self,
        symbol: &str,
        side: Side,
        qty: String,
        price: Option<String>,
        time_in_force: TimeInForce,
    ) -> Result<String> {
        self.names += 1;
        let client_order_id = format!("{}-{}", self.prefix, self.names);
        let order_type = if price.is_some() { OrderType::Limit } else { OrderType::Market };
        let order = SubmitOrderRequest {
            account: self.account,
            symbol: symbol.to_string(),
            client_order_id: client_order_id.clone(),
            side: side.into(),
            order_type: order_type.into(),
            time_in_force: time_in_force.into(),
            qty,
            price: price.unwrap_or_default(),
            // Whatever happens to us, our orders do not outlive us.
            cancel_on_disconnect: true,
        };
        let request_id = self.sender.submit(order).await?;
        self.tally.sent(request_id);
        self.tally.orders += 1;
        Ok(client_order_id)
    }

    /// Asks to change one of our orders.
    ///
    /// # Errors
    /// If the session is over.
    pub async fn replace(
        &mut self,
        symbol: &str,
        client_order_id: &str,
        qty: String,
        price: String,
    ) -> Result<()> {
        let order = OrderRef::ClientId(client_order_id.to_string());
        let request_id = self.sender.replace(self.account, order, symbol, qty, price).await?;
        self.tally.sent(request_id);
        self.tally.replaces += 1;
        Ok(())
    }

    /// Asks to cancel one of our orders.
    ///
    /// # Errors
    /// If the session is over.
    pub async fn cancel(&mut self, client_order_id: &str) -> Result<()> {
        let order = OrderRef::ClientId(client_order_id.to_string());
        let request_id = self.sender.cancel(self.account, order).await?;
        self.tally.sent(request_id);
        self.tally.cancels += 1;
        Ok(())
    }

    /// Waits for the next news about our orders, and counts it.
    ///
    /// # Errors
    /// If the session ends: nothing can be traded any more.
    pub async fn heard(&mut self) -> Result<Order> {
        loop {
            let Some(heard) = self.events.next().await? else {
                bail!("the server ended the session");
            };
            match heard {
                Heard::Engine(event) => {
                    self.tally.heard(event.request_id);
                    match event.body {
                        Some(Body::Execution(report)) => {
                            let exec_type = report.exec_type();
                            self.tally.fills += u64::from(exec_type == ExecType::Trade);
                            self.tally.rejects += u64::from(exec_type == ExecType::Rejected);
                            return Ok(Order::Report(Box::new(report)));
                        }
                        Some(Body::CancelReject(report)) => {
                            self.tally.rejects += 1;
                            return Ok(Order::Report(Box::new(report)));
                        }
                        Some(Body::PositionReport(position)) => {
                            return Ok(Order::Position(position));
                        }
                        _ => {}
                    }
                }
                Heard::Refused(refused) => {
                    self.tally.heard(refused.request_id);
                    self.tally.rejects += 1;
                    note(format_args!("refused: {}", refused.text));
                    return Ok(Order::Refused(refused));
                }
                Heard::Opened(_) => {}
            }
        }
    }

    /// Cancels what is open, waits for the answer, and says what was done.
    ///
    /// # Errors
    /// If the session is over already.
    pub async fn close(mut self) -> Result<Summary> {
        let scope = MassCancelRequest { account: Some(self.account), ..Default::default() };
        let request_id = self.sender.mass_cancel(scope).await?;
        let answered = async {
            loop {
                match self.events.next().await? {
                    None => bail!("the server ended the session"),
                    Some(Heard::Engine(event)) => {
                        self.tally.heard(event.request_id);
                        match event.body {
                            Some(Body::Execution(report)) => {
                                let is_trade = report.exec_type() == ExecType::Trade;
                                self.tally.fills += u64::from(is_trade);
                            }
                            Some(Body::Ack(_)) if event.request_id == request_id => return Ok(()),
                            _ => {}
                        }
                    }
                    Some(_) => {}
                }
            }
        };
        // What was done is told in any case.
        match tokio::time::timeout(GOODBYE, answered).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => note(format_args!("{error:#}; that cancels our orders")),
            Err(_) => note(format_args!(
                "no answer to the mass cancel; the end of the session cancels our orders"
            )),
        }
        Ok(self.tally.summary(self.strategy, self.account, self.symbols))
    }
}
