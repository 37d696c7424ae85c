//! Orders over gRPC on loopback, from before an order is handed to the client until the first word about it is read: of a whole server, and
//! of a bare tonic service that answers each request with one event and does nothing else, through the same client.

use crate::open_loop::{Figures, Load, Stamps};
use crate::server::{ACCOUNT, SYMBOL, Server, TOKEN};
use crate::shared_memory::Other;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::order_service_server::{OrderService, OrderServiceServer};
use tidegate_client::proto::{
    self, OrderEvent, OrderRequest, OrderType, Side, SubmitOrderRequest, TimeInForce,
};
use tidegate_client::{Client, OrderEvents, OrderSender};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(10);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    Server,
    Echo,
}

/// How orders follow each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// The next one when the one before was answered.
    OneByOne(u64),
    /// When they are due.
    Due(Load),
}

pub fn measure(whom: Whom, pace: Pace) -> Result<Figures> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let said = dir.path().join("address");
    let (server, _echo) = match whom {
        Whom::Server => (Some(Server::start()?), None),
        Whom::Echo => (None, Some(Other::start("grpc-echo", &said, 0)?)),
    };
    let addr = match &server {
        Some(server) => server.addr.clone(),
        None => wait_for(&said)?,
    };
    let mut feed = None;
    if let Some(server) = &server {
        feed = Some(crate::feed::Feed::open(server.feed)?);
        // The symbol is there.
        std::thread::sleep(Duration::from_millis(300));
    }
    let token = (whom == Whom::Server).then_some(TOKEN);
    let figures = runtime.block_on(async {
        let client = Client::connect(&addr, token).await?;
        let (sender, events) = client.order_session().await?.split();
        match pace {
            Pace::OneByOne(count) => one_by_one(sender, events, count).await,
            Pace::Due(load) => when_due(sender, events, load).await,
        }
    });
    drop(feed);
    figures
}

fn order(n: u64) -> SubmitOrderRequest {
    SubmitOrderRequest {
        client_order_id: format!("o{n}"),
        account: ACCOUNT,
        symbol: SYMBOL.into(),
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        // Below the bid: it goes back at once, and nothing piles up.
        time_in_force: TimeInForce::Ioc.into(),
        qty: "1".into(),
        price: "9.00".into(),
        ..Default::default()
    }
}

/// Reads on until there is a word about the request.
async fn answer(events: &mut OrderEvents, request: u64) -> Result<()> {
    loop {
        match events.next().await?.context("the session is over")? {
            Heard::Engine(event) if event.request_id >= request => return Ok(()),
            Heard::Refused(refused) => bail!("refused: {} {}", refused.field, refused.text),
            _ => {}
        }
    }
}

async fn one_by_one(
    mut sender: OrderSender,
    mut events: OrderEvents,
    count: u64,
) -> Result<Figures> {
    let load = Load { rate: 0, warm_up: 0, total: count };
    let mut times = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3)?;
    let began = Instant::now();
    for n in 0..load.total {
        let sent = Instant::now();
        let request = sender.submit(order(n)).await?;
        answer(&mut events, request).await?;
        if n >= count / 10 {
            times.saturating_record(sent.elapsed().as_nanos() as u64);
        }
    }
    Ok(Figures::of(&times, count, began.elapsed().as_nanos() as u64))
}

async fn when_due(mut sender: OrderSender, mut events: OrderEvents, load: Load) -> Result<Figures> {
    let mut stamps = Stamps::begin(load);
    stamps.restart();
    let heard = stamps.clone();
    let hearing = tokio::spawn(async move {
        for request in 1..=load.total {
            answer(&mut events, request).await?;
            heard.stamp();
        }
        anyhow::Ok(())
    });
    let handle = tokio::runtime::Handle::current();
    let due = stamps.clone();
    // A thread of its own keeps the time: it sleeps until the next is due.
    let sending = std::thread::spawn(move || -> Result<()> {
        for n in 0..load.total {
            let left = due.due(n).saturating_sub(due.now());
            if left > 0 {
                std::thread::sleep(Duration::from_nanos(left));
            }
            handle.block_on(sender.submit(order(n)))?;
        }
        Ok(())
    });
    hearing.await??;
    if sending.join().is_err() {
        bail!("the sender failed");
    }
    Ok(stamps.figures())
}

fn wait_for(path: &Path) -> Result<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return Ok(text.trim().to_owned()),
            _ if Instant::now() > until => bail!("the other process says nothing"),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

/// The bare service.
struct Echo;

fn not_here<T>() -> Answer<T> {
    Err(Status::unimplemented("only sessions"))
}

#[tonic::async_trait]
impl OrderService for Echo {
    type OrderSessionStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<OrderEvent, Status>> + Send>>;

    async fn order_session(
        &self,
        request: Request<Streaming<OrderRequest>>,
    ) -> Answer<Self::OrderSessionStream> {
        let mut requests = request.into_inner();
        let (answers, out) = mpsc::channel(1_024);
        tokio::spawn(async move {
            let opened = Heard::Opened(proto::SessionOpened::default());
            let _ = answers.send(Ok(OrderEvent { event: Some(opened) })).await;
            let mut request_id = 0;
            while let Ok(Some(request)) = requests.message().await {
                request_id += 1;
                let Some(proto::order_request::Request::Submit(order)) = request.request else {
                    continue;
                };
                // As much as a server says of an order.
                let report = proto::OrderReport {
                    client_order_id: order.client_order_id,
                    symbol: order.symbol,
                    qty: order.qty,
                    price: order.price,
                    account: order.account,
                    ..Default::default()
                };
                let body = Some(proto::event::Body::Execution(report));
                let event = proto::Event { request_id, body, ..Default::default() };
                let event = OrderEvent { event: Some(Heard::Engine(event)) };
                if answers.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn submit_order(
        &self,
        _: Request<SubmitOrderRequest>,
    ) -> Answer<proto::SubmitOrderResponse> {
        not_here()
    }
    async fn cancel_order(
        &self,
        _: Request<proto::CancelOrderRequest>,
    ) -> Answer<proto::CancelOrderResponse> {
        not_here()
    }
    async fn replace_order(
        &self,
        _: Request<proto::ReplaceOrderRequest>,
    ) -> Answer<proto::ReplaceOrderResponse> {
        not_here()
    }
    async fn submit_list(
        &self,
        _: Request<proto::SubmitListRequest>,
    ) -> Answer<proto::SubmitListResponse> {
        not_here()
    }
    async fn submit_algorithm(
        &self,
        _: Request<proto::SubmitAlgorithmRequest>,
    ) -> Answer<proto::SubmitAlgorithmResponse> {
        not_here()
    }
    async fn flatten(&self, _: Request<proto::FlattenRequest>) -> Answer<proto::FlattenResponse> {
        not_here()
    }
    async fn mass_cancel(
        &self,
        _: Request<proto::MassCancelRequest>,
    ) -> Answer<proto::MassCancelResponse> {
        not_here()
    }
}

/// The other process.
pub fn echo(said: &Path) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        std::fs::write(said, format!("http://{}\n", listener.local_addr()?))?;
        let incoming =
            tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        let mut server = tonic::transport::Server::builder();
        Ok(server.add_service(OrderServiceServer::new(Echo)).serve_with_incoming(incoming).await?)
    })
}
