//! The edge of a backtest: one strategy process, over gRPC, in lock-step with the engine.
//!
//! The service is `BacktestService` of `client/proto/tidegate/v1/backtest.proto`. A [`LockStep`] is the engine's
//! [`Trader`]: each step goes out as one message, and the engine stands still until its answer is there. Requests are
//! checked as those of an order session are; one that is malformed is told at once, in a step of its own.

use crate::convert::{lists, reports, requests};
use crate::error::{EdgeError, Refusal};
use crate::listener::accept;
use crate::market::{Row, TradeRow};
use crate::service::{quote_of, trade};
use crate::sync::lock;
use crate::view::View;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::backtest_item::Item;
use tidegate_client::proto::backtest_service_server::{BacktestService, BacktestServiceServer};
use tidegate_client::proto::order_request::Request as Asked;
use tidegate_engine::core::Core;
use tidegate_engine::trader::{Answer, COMMANDS_PER_STEP_MAX, Heard, Step, Trader};
use tidegate_model::{AccountId, Command, Event, EventRecord, Instrument, InstrumentId, UnixNanos};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use tonic_health::ServingStatus;

/// What is served, beside health and reflection.
const SERVICE: &str = "tidegate.v1.BacktestService";
/// Requests of one answer; the engine takes a few more in a step, for the answers to what was malformed.
const REQUESTS_MAX: usize = 1_000;
const _: () = assert!(REQUESTS_MAX <= COMMANDS_PER_STEP_MAX);
/// Bytes of one answer: [`REQUESTS_MAX`] orders have some 150 each.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Answers in a row that hold something malformed: a client that repeats one for ever is told so.
const MALFORMED_IN_A_ROW_MAX: u32 = 100;
/// Connections at one time: the strategy's, and some that look at health or reflection.
const CONNECTIONS_MAX: usize = 16;
/// Finished orders that a replace may still be checked against.
const FINISHED_ORDERS_MAX: usize = 1_024;
/// Turns of the connections' tasks in [`LockStep::breathe`]: reading, answering, and writing take a few.
const TURNS_OF_A_BREATH: usize = 16;
/// How long the client gets to read the end.
const GRACE: Duration = Duration::from_secs(2);

/// Why a strategy process cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockStepError {
    /// Nobody connected.
    #[error(
        "no strategy called BacktestService.Run at {addr} within {} s (--timeout)", waited.as_secs()
    )]
    NobodyCame {
        /// Where it could have.
        addr: SocketAddr,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It does not answer.
    #[error(
        "the strategy did not answer step {step} within {} s (--timeout): it hangs, or thinks longer than it may",
        waited.as_secs()
    )]
    Hangs {
        /// The step.
        step: u64,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It is gone.
    #[error("the strategy left at step {step}: {why}")]
    Left {
        /// The step.
        step: u64,
        /// What the connection says.
        why: String,
    },
    /// It answers something else.
    #[error("the strategy answered {what} to step {step}")]
    Wrong {
        /// The step.
        step: u64,
        /// What is wrong.
        what: String,
    },
}

/// What the connection and the engine pass each other.
struct Seat {
    steps: mpsc::Receiver<Result<proto::BacktestStep, Status>>,
    answers: mpsc::Sender<Result<proto::BacktestAnswer, Status>>,
    taken: oneshot::Sender<()>,
}

/// BacktestService: the first to call takes the seat.
struct Door(Mutex<Option<Seat>>);

#[tonic::async_trait]
impl BacktestService for Door {
    type RunStream = ReceiverStream<Result<proto::BacktestStep, Status>>;

    async fn run(
        &self,
        request: Request<Streaming<proto::BacktestAnswer>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let Some(Seat { steps, answers, taken }) = lock(&self.0).take() else {
            return Err(Status::resource_exhausted("a strategy is connected already"));
        };
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            loop {
                let answer = match incoming.message().await {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => return,
                    Err(status) => Err(status),
                };
                let is_last = answer.is_err();
                if answers.send(answer).await.is_err() || is_last {
                    return;
                }
            }
        });
        // The engine may have given up meanwhile; then the stream ends at once and says why.
        let _ = taken.send(());
        Ok(Response::new(ReceiverStream::new(steps)))
    }
}

/// A strategy process as the engine's trader.
pub struct LockStep {
    runtime: Runtime,
    addr: SocketAddr,
    account: AccountId,
    timeout: Duration,
    /// `None` once the end was told.
    steps: Option<mpsc::Sender<Result<proto::BacktestStep, Status>>>,
    answers: mpsc::Receiver<Result<proto::BacktestAnswer, Status>>,
    taken: Option<oneshot::Receiver<()>>,
    view: View,
    /// Messages sent.
    step: u64,
    /// Requests received.
    requests: u64,
}

impl LockStep {
    /// Listens on `listen`, which must be loopback since nobody is asked for a token; port 0 takes a free one. The strategy
    /// trades for `account`, and may take `timeout` to connect and for each answer.
    ///
    /// # Errors
    /// [`EdgeError`].
    pub fn listen(
        listen: SocketAddr,
        account: AccountId,
        timeout: Duration,
    ) -> Result<Self, EdgeError> {
        if !listen.ip().is_loopback() {
            return Err(EdgeError::Unprotected { listen });
        }
        // Served by the engine's own thread while it waits: a step goes over no other.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| EdgeError::Thread { name: "lock-step", source })?;
        let in_listening = |source| EdgeError::Listen { listen, source };
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(in_listening)?;
        let addr = listener.local_addr().map_err(in_listening)?;
        // One step and one answer are under way at most, and an error behind them.
        let (steps, steps_out) = mpsc::channel(2);
        let (answers_in, answers) = mpsc::channel(2);
        let (taken_in, taken) = oneshot::channel();
        let seat = Seat { steps: steps_out, answers: answers_in, taken: taken_in };
        runtime.block_on(serve(listener, Door(Mutex::new(Some(seat)))))?;
        Ok(Self {
            runtime,
            addr,
            account,
            timeout,
            steps: Some(steps),
            answers,
            taken: Some(taken),
            view: View::new(FINISHED_ORDERS_MAX),
            step: 0,
            requests: 0,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until a strategy has called.
    ///
    /// # Errors
    /// [`LockStepError::NobodyCame`].
    pub fn wait_for_strategy(&mut self) -> Result<(), LockStepError> {
        let Some(taken) = self.taken.take() else { return Ok(()) };
        let waited = self.timeout;
        let came = self.runtime.block_on(async { tokio::time::timeout(waited, taken).await });
        match came {
            Ok(Ok(())) => Ok(()),
            _ => Err(LockStepError::NobodyCame { addr: self.addr, waited }),
        }
    }

    /// Serves what the connections wait for. To be called now and then while the engine has nothing to say for long, so that
    /// no connection is taken for dead.
    pub fn breathe(&mut self) {
        self.runtime.block_on(async {
            for _ in 0..TURNS_OF_A_BREATH {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Tells the strategy what the backtest found, and lets it go. Dropped without, it is told that the backtest failed.
    pub fn finish(mut self, summary: String) {
        self.end(Ok(proto::BacktestStep { summary, ..Default::default() }));
    }

    fn end(&mut self, last: Result<proto::BacktestStep, Status>) {
        let Some(steps) = self.steps.take() else { return };
        let Self { runtime, answers, .. } = self;
        runtime.block_on(async {
            // Whoever has left, or reads no more, is not waited for.
            let goodbye = async {
                let _ = steps.send(last).await;
                drop(steps);
                while answers.recv().await.is_some() {}
            };
            let _ = tokio::time::timeout(GRACE, goodbye).await;
        });
    }

    /// Sends one message and waits for its answer.
    fn exchange(
        &mut self,
        now: UnixNanos,
        items: Vec<Item>,
    ) -> Result<proto::BacktestAnswer, LockStepError> {
        self.step += 1;
        let (step, waited) = (self.step, self.timeout);
        let items = items.into_iter().map(|item| proto::BacktestItem { item: Some(item) });
        let message = proto::BacktestStep {
            step,
            now: now.0,
            account: self.account.0,
            items: items.collect(),
            summary: String::new(),
        };
        let Self { runtime, steps, answers, .. } = self;
        let answer = runtime.block_on(async {
            tokio::time::timeout(waited, async {
                // If nobody takes it, the answers say why.
                if let Some(steps) = steps {
                    let _ = steps.send(Ok(message)).await;
                }
                answers.recv().await
            })
            .await
        });
        match answer {
            Err(_) => Err(LockStepError::Hangs { step, waited }),
            Ok(None) => Err(LockStepError::Left { step, why: "it closed the call".into() }),
            Ok(Some(Err(status))) => {
                Err(LockStepError::Left { step, why: status.message().to_string() })
            }
            Ok(Some(Ok(answer))) if answer.step == step => Ok(answer),
            Ok(Some(Ok(answer))) => {
                let what = format!("with the number {}", answer.step);
                Err(LockStepError::Wrong { step, what })
            }
        }
    }

    fn item(&mut self, core: &Core, now: UnixNanos, heard: &Heard) -> Item {
        match heard {
            Heard::Instrument(id) => {
                let terms = core.listing()[*id].instrument;
                let mut record = EventRecord::new(&Event::Instrument(terms));
                record.instrument = *id;
                self.view.apply(&record);
                Item::Instrument(reports::instrument(&terms, core.listing().tick_table(*id)))
            }
            Heard::Quote(quote) => {
                let row = |(price, qty)| Row { price, qty, orders: 0 };
                let best = [quote.bid.map(row), quote.ask.map(row)];
                let status = quote.status.wire();
                let message =
                    quote_of(terms(core, quote.instrument), best, status, quote.last_trade);
                Item::Quote(proto::Quote { ts: now.0, seq: core.seq().0, ..message })
            }
            Heard::Trade(update) => {
                let row = TradeRow {
                    price: update.price,
                    qty: update.qty,
                    aggressor: update.side,
                    ts_event: update.ts_event,
                    ts: update.ts,
                    seq: update.seq,
                };
                Item::Trade(trade(terms(core, update.instrument), &row))
            }
            Heard::Event(record) => {
                self.view.apply(record);
                Item::Event(reports::event(&self.view, record))
            }
            Heard::Timer => Item::Timer(proto::BacktestTimer {}),
            Heard::End => Item::End(proto::BacktestEnd {}),
        }
    }

    /// Takes over what one answer asks for; returns what was malformed.
    fn take(
        &mut self,
        asked: proto::BacktestAnswer,
        answer: &mut Answer,
    ) -> Result<Vec<Item>, LockStepError> {
        let count = asked.requests.len();
        let step = self.step;
        let too_many = |max: usize| LockStepError::Wrong {
            step,
            what: format!("{count} requests; at most {max} are allowed"),
        };
        if count > REQUESTS_MAX {
            return Err(too_many(REQUESTS_MAX));
        }
        answer.wake_at = (asked.wake_at > 0).then_some(UnixNanos(asked.wake_at));
        let mut refused = Vec::new();
        for request in asked.requests {
            self.requests += 1;
            match commands(&self.view, &request) {
                Ok(commands) => {
                    for command in commands {
                        answer.send(self.requests, command).map_err(too_many)?;
                    }
                }
                Err(refusal) => {
                    let client_order_id = match request.request {
                        Some(Asked::Submit(order)) => order.client_order_id,
                        _ => String::new(),
                    };
                    refused.push(Item::Refused(proto::RequestRefused {
                        request_id: self.requests,
                        client_order_id,
                        field: refusal.field.to_string(),
                        text: refusal.message(),
                    }));
                }
            }
        }
        Ok(refused)
    }
}

impl Drop for LockStep {
    fn drop(&mut self) {
        // Nobody has come: there is nobody to tell.
        if self.step > 0 {
            self.end(Err(Status::aborted("the backtest ended early; it says why where it runs")));
        }
    }
}

/// A request of a session in the engine's words.
fn commands(view: &View, request: &proto::OrderRequest) -> Result<Vec<Command>, Refusal> {
    let command = match &request.request {
        Some(Asked::List(list)) => return lists::list(view, list),
        Some(Asked::Algorithm(parent)) => return lists::algorithm(view, parent),
        Some(Asked::Submit(order)) => requests::new_order(view, order),
        Some(Asked::Cancel(cancel)) => requests::cancel(cancel),
        Some(Asked::Replace(replace)) => requests::replace(view, replace),
        Some(Asked::MassCancel(scope)) => requests::mass_cancel(view, scope),
        None => Err(Refusal::invalid("request", "is empty")),
    };
    command.map(|command| vec![command])
}

fn terms(core: &Core, id: InstrumentId) -> &Instrument {
    &core.listing()[id].instrument
}

impl Trader for LockStep {
    type Error = LockStepError;

    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), LockStepError> {
        let mut items = Vec::with_capacity(step.heard.len());
        for heard in step.heard {
            items.push(self.item(core, step.now, heard));
        }
        for _ in 0..MALFORMED_IN_A_ROW_MAX {
            let asked = self.exchange(step.now, items)?;
            items = self.take(asked, answer)?;
            if items.is_empty() {
                return Ok(());
            }
        }
        let what = format!("malformed requests {MALFORMED_IN_A_ROW_MAX} times in a row");
        Err(LockStepError::Wrong { step: self.step, what })
    }
}

/// Starts to serve.
async fn serve(listener: TcpListener, door: Door) -> Result<(), EdgeError> {
    let descriptors = proto::FILE_DESCRIPTOR_SET;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(SERVICE)
            .with_service_name("grpc.health.v1.Health")
    };
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in ["", SERVICE] {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    let router = Server::builder()
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(BacktestServiceServer::new(door).max_decoding_message_size(ANSWER_BYTES_MAX));
    tokio::spawn(async move {
        if let Err(error) =
            router.serve_with_incoming(accept(listener, CONNECTIONS_MAX, None, None)).await
        {
            tracing::error!(%error, "the backtest's gRPC server failed");
        }
    });
    Ok(())
}
