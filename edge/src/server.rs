//! Bringing it up, and down again.

use crate::answers::Answers;
use crate::auth::Auth;
use crate::config::EdgeConfig;
use crate::door::Door;
use crate::error::EdgeError;
use crate::follow::Follower;
use crate::lanes::Lanes;
use crate::link::{EngineLink, EngineStatus};
use crate::listener::accept;
use crate::market::{Board, MarketReader};
use crate::places::Places;
use crate::service::{Accounts, Admin, Desk, Events, Latencies, MarketData, Orders, Risk, Shared};
use crate::sync::read;
use crate::tls::EdgeTls;
use crate::traces::Traces;
use crate::view::View;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::account_service_server::AccountServiceServer;
use tidegate_client::proto::admin_service_server::AdminServiceServer;
use tidegate_client::proto::desk_service_server::DeskServiceServer;
use tidegate_client::proto::event_service_server::EventServiceServer;
use tidegate_client::proto::latency_service_server::LatencyServiceServer;
use tidegate_client::proto::market_data_service_server::MarketDataServiceServer;
use tidegate_client::proto::order_service_server::OrderServiceServer;
use tidegate_client::proto::risk_service_server::RiskServiceServer;
use tidegate_model::SessionId;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often the engine's pulse is felt for the health service.
const HEALTH_EVERY: Duration = Duration::from_millis(500);
/// How often an idle connection is probed, so that dead clients free their sessions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a probe may stay unanswered.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is served, beside health and reflection.
const SERVICES: [&str; 8] = [
    "tidegate.v1.OrderService",
    "tidegate.v1.EventService",
    "tidegate.v1.MarketDataService",
    "tidegate.v1.AccountService",
    "tidegate.v1.AdminService",
    "tidegate.v1.DeskService",
    "tidegate.v1.RiskService",
    "tidegate.v1.LatencyService",
];

/// Bytes of one stream's requests that may wait: hundreds of orders.
const STREAM_WINDOW: u32 = 64 * 1_024;
/// Bytes of a connection's requests that may wait. HTTP/2 allows small unread frames an overhead of half of it and
/// cuts the connection beyond.
const CONNECTION_WINDOW: u32 = 1_024 * 1_024;

/// An edge that listens but does not serve yet.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    listener: TcpListener,
    addr: SocketAddr,
    threads: Threads,
    shutdown: watch::Sender<bool>,
    tls: Option<Arc<ServerConfig>>,
}

/// The edge's own threads; they stop with it.
#[derive(Debug)]
struct Threads {
    stop: Arc<AtomicBool>,
    handles: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            if handle.join().is_err() {
                tracing::error!("a thread of the edge had panicked");
            }
        }
    }
}

impl Edge {
    /// Reads the event log up to now, starts the edge's threads and listens.
    ///
    /// Call it once the event log is open; the engine may still be recovering.
    ///
    /// # Errors
    /// [`EdgeError`] says what is wrong with the configuration or the machine.
    pub async fn bind(link: EngineLink, config: EdgeConfig) -> Result<Self, EdgeError> {
        config.check()?;
        let tls = config.tls.as_ref().map(EdgeTls::read).transpose()?;
        let EngineLink {
            kill,
            mut lanes,
            events: log,
            public,
            book_requests,
            status,
            usher,
            release,
            latency,
        } = link;
        if lanes.len() < 2 {
            return Err(EdgeError::NoLanes { given: lanes.len() });
        }
        let unary = lanes.remove(0);
        let limits = config.limits.clone();
        let view = Arc::new(RwLock::new(View::new(limits.finished_orders_max)));
        let (mut follower, followed) = Follower::new(&log, Arc::clone(&view))?;
        // All that is there first: sessions count on from the last one, so that no answer is taken for another's.
        while follower.step(None)? {
            tokio::task::yield_now().await;
        }
        let session = SessionId(read(&view).session_last + 1);
        let answers = Arc::new(Answers::new(session, limits.waiting_max));
        let places = Places::new(Arc::clone(&book_requests));
        let board = Arc::new(Board::new(book_requests));
        let listen = config.listen;
        let in_listening = |source| EdgeError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(in_listening)?;
        let addr = listener.local_addr().map_err(in_listening)?;

        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Threads { stop: Arc::clone(&stop), handles: Vec::new() };
        let following = follower.spawn(&log, Arc::clone(&answers), Arc::clone(&stop));
        let in_thread = |name| move |source| EdgeError::Thread { name, source };
        threads.handles.push(following.map_err(in_thread("edge-follow"))?);
        let public_memory = Arc::clone(public.shared());
        let reading = MarketReader::new(public, Arc::clone(&board)).spawn(Arc::clone(&stop));
        threads.handles.push(reading.map_err(in_thread("edge-market"))?);

        let (shutdown, down) = watch::channel(false);
        let (advances, advance) = watch::channel(());
        release.on_advance(move || {
            let _ = advances.send(());
        });
        let traces = Arc::new(Traces::new(session));
        let telling = Arc::clone(&traces);
        latency.on_request(move |way| telling.ended(way));
        let shared = Arc::new(Shared {
            auth: Auth::new(&config, Arc::clone(&release)),
            routes: config.routes,
            lanes: Lanes::new(kill, unary, lanes),
            log,
            view,
            answers,
            board,
            places,
            status,
            release,
            latency,
            traces,
            advance,
            followed,
            shutdown: down,
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            request_last: AtomicU64::new(0),
            session_last: AtomicU32::new(session.0),
            limits,
        });
        if let Some(path) = config.door {
            let door = Door::open(path, Arc::clone(&shared), usher, public_memory)?;
            threads.handles.push(door.spawn(stop).map_err(in_thread("edge-door"))?);
        }
        Ok(Self { shared, listener, addr, threads, shutdown, tls })
    }

    /// The number of a session that comes in another way than through here.
    pub fn next_session(&self) -> SessionId {
        self.shared.next_session()
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown` is done; then streams are told, and get a moment to end.
    ///
    /// The engine should run until this returns: sessions that end tell it so.
    ///
    /// # Errors
    /// [`EdgeError::Serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), EdgeError> {
        let Self { shared, listener, addr, threads, shutdown: tell_down, tls } = self;
        let limits = &shared.limits;
        let descriptors = proto::FILE_DESCRIPTOR_SET;
        // The descriptors know of more services than are offered here.
        let reflection = || {
            let all = SERVICES.into_iter().chain(["grpc.health.v1.Health"]);
            all.fold(
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(descriptors)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET),
                |builder, service| builder.with_service_name(service),
            )
        };
        let (health, health_service) = tonic_health::server::health_reporter();
        let pulse = tokio::spawn(feel_pulse(Arc::clone(&shared.status), health));
        let bytes_max = limits.request_bytes_max;
        macro_rules! service {
            ($server:ident, $service:ident) => {
                $server::new($service(Arc::clone(&shared))).max_decoding_message_size(bytes_max)
            };
        }
        let router = Server::builder()
            .max_concurrent_streams(Some(limits.streams_per_connection_max))
            .http2_max_header_list_size(Some(limits.header_bytes_max))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .add_service(service!(OrderServiceServer, Orders))
            .add_service(service!(EventServiceServer, Events))
            .add_service(service!(MarketDataServiceServer, MarketData))
            .add_service(service!(AccountServiceServer, Accounts))
            .add_service(service!(AdminServiceServer, Admin))
            .add_service(service!(DeskServiceServer, Desk))
            .add_service(service!(RiskServiceServer, Risk))
            .add_service(service!(LatencyServiceServer, Latencies));
        tracing::info!(%addr, encrypted = tls.is_some(), "serving gRPC");
        if tls.is_none() && !addr.ip().is_loopback() {
            tracing::warn!(%addr, "tokens and orders go over the network unencrypted: see edge.tls");
        }

        let mut down = shared.shutdown.clone();
        let incoming = accept(listener, limits.connections_max, None, tls);
        let serving = router.serve_with_incoming_shutdown(incoming, async move {
            // An error means that the other end is gone, which is down as well.
            let _ = down.wait_for(|down| *down).await;
        });
        tokio::pin!(serving);
        let outcome = tokio::select! {
            outcome = &mut serving => outcome,
            () = shutdown => {
                tracing::info!("the edge is shutting down");
                let _ = tell_down.send(true);
                match tokio::time::timeout(limits.shutdown_grace, &mut serving).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        tracing::warn!("some connections did not end in time; they are cut");
                        Ok(())
                    }
                }
            }
        };
        pulse.abort();
        wait_for_lanes(&shared).await;
        // Joining may take a moment, and other tasks live on this runtime.
        let _ = tokio::task::spawn_blocking(move || drop(threads)).await;
        Ok(outcome?)
    }
}

/// See [`Edge::bind`].
///
/// # Errors
/// [`EdgeError`].
pub async fn bind(link: EngineLink, config: EdgeConfig) -> Result<Edge, EdgeError> {
    Edge::bind(link, config).await
}

/// Sessions tell the engine that they end; a lane comes home after that.
async fn wait_for_lanes(shared: &Shared) {
    let until = tokio::time::Instant::now() + shared.limits.shutdown_grace;
    while shared.lanes.sessions_open() > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The health service says SERVING for as long as the engine's thread runs.
async fn feel_pulse(status: Arc<EngineStatus>, health: HealthReporter) {
    let mut told = None;
    loop {
        let is_alive = status.alive.load(Ordering::Acquire);
        if told != Some(is_alive) {
            told = Some(is_alive);
            let serving = if is_alive { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in SERVICES.into_iter().chain([""]) {
                health.set_service_status(service, serving).await;
            }
        }
        tokio::time::sleep(HEALTH_EVERY).await;
    }
}
