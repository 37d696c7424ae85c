//! A two-way order session.

use crate::ClientError;
use crate::client::OrderRef;
use crate::proto::order_event::Event as Heard;
use crate::proto::order_request::Request;
use crate::proto::{
    CancelOrderRequest, MassCancelRequest, OrderEvent, OrderRequest, ReplaceOrderRequest,
    SessionOpened, SubmitAlgorithmRequest, SubmitListRequest, SubmitOrderRequest,
    cancel_order_request, replace_order_request,
};
use tokio::sync::mpsc;
use tonic::Streaming;

/// Requests that may wait between the caller and the connection; past it, sending waits.
pub(crate) const OUTGOING_MAX: usize = 256;

/// An open session: send with [`OrderSender`], hear with [`OrderEvents`]; [`Self::split`] takes them apart.
///
/// When the sender is dropped the session ends, and orders with `cancel_on_disconnect` are canceled.
#[derive(Debug)]
pub struct OrderSession {
    /// What the edge said on opening.
    pub opened: SessionOpened,
    /// The sending half.
    pub sender: OrderSender,
    /// The hearing half.
    pub events: OrderEvents,
}

impl OrderSession {
    /// The two halves.
    pub fn split(self) -> (OrderSender, OrderEvents) {
        (self.sender, self.events)
    }
}

/// The sending half. Each call returns the number that answers will carry as `request_id`.
#[derive(Debug)]
pub struct OrderSender {
    requests: mpsc::Sender<OrderRequest>,
    last_id: u64,
}

impl OrderSender {
    pub(crate) fn new(requests: mpsc::Sender<OrderRequest>) -> Self {
        Self { requests, last_id: 0 }
    }

    async fn send(&mut self, request: Request) -> Result<u64, ClientError> {
        self.send_any(OrderRequest { request: Some(request) }).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn send_any(&mut self, request: OrderRequest) -> Result<u64, ClientError> {
        self.requests.send(request).await.map_err(|_| ClientError::SessionClosed)?;
        // The edge numbers requests in the order they arrive; one sender means one order.
        self.last_id += 1;
        Ok(self.last_id)
    }

    /// Sends a new order.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn submit(&mut self, order: SubmitOrderRequest) -> Result<u64, ClientError> {
        self.send(Request::Submit(order)).await
    }

    /// Asks to cancel an order.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn cancel(&mut self, account: u32, order: OrderRef) -> Result<u64, ClientError> {
        self.send(Request::Cancel(CancelOrderRequest { account, order: Some(order.into()) })).await
    }

    /// Asks to change quantity and price of an order of `symbol`; both are decimal text.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn replace(
        &mut self,
        account: u32,
        order: OrderRef,
        symbol: &str,
        qty: String,
        price: String,
    ) -> Result<u64, ClientError> {
        let order = Some(order.into());
        let symbol = symbol.to_string();
        let stop_price = String::new();
        let replace = ReplaceOrderRequest { account, order, symbol, qty, price, stop_price };
        self.send(Request::Replace(replace)).await
    }

    /// Sends a list of orders.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn submit_list(&mut self, list: SubmitListRequest) -> Result<u64, ClientError> {
        self.send(Request::List(list)).await
    }

    /// Sends a parent order.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn submit_algorithm(
        &mut self,
        parent: SubmitAlgorithmRequest,
    ) -> Result<u64, ClientError> {
        self.send(Request::Algorithm(parent)).await
    }

    /// Asks to cancel every open order in scope.
    ///
    /// # Errors
    /// [`ClientError::SessionClosed`].
    pub async fn mass_cancel(&mut self, scope: MassCancelRequest) -> Result<u64, ClientError> {
        self.send(Request::MassCancel(scope)).await
    }
}

/// The hearing half.
#[derive(Debug)]
pub struct OrderEvents {
    incoming: Streaming<OrderEvent>,
}

impl OrderEvents {
    pub(crate) fn new(incoming: Streaming<OrderEvent>) -> Self {
        Self { incoming }
    }

    /// The next event of the session, or `None` once it is over.
    ///
    /// # Errors
    /// [`ClientError::Call`] with the edge's reason for ending the session.
    pub async fn next(&mut self) -> Result<Option<Heard>, ClientError> {
        loop {
            let message =
                self.incoming.message().await.map_err(ClientError::call("OrderSession"))?;
            match message {
                None => return Ok(None),
                Some(OrderEvent { event: Some(event) }) => return Ok(Some(event)),
                // A kind of event newer than this client.
                Some(OrderEvent { event: None }) => {}
            }
        }
    }
}

impl From<OrderRef> for cancel_order_request::Order {
    fn from(order: OrderRef) -> Self {
        match order {
            OrderRef::Id(id) => Self::OrderId(id),
            OrderRef::ClientId(id) => Self::ClientOrderId(id),
        }
    }
}

impl From<OrderRef> for replace_order_request::Order {
    fn from(order: OrderRef) -> Self {
        match order {
            OrderRef::Id(id) => Self::OrderId(id),
            OrderRef::ClientId(id) => Self::ClientOrderId(id),
        }
    }
}
