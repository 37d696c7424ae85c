//! Figures of the running system as Prometheus reads them: OpenMetrics text over HTTP, gathered when they are asked for.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};
use tidegate_edge::{Counted, accept};
use tidegate_engine::latency::{Latency, What, Window};
use tidegate_engine::runtime::{EngineStatus, Release, unix_now};
use tidegate_feed_handler::udp::FeedStats;
use tokio::runtime::Handle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// The upper ends of the buckets of durations, in nanoseconds: from a microsecond to ten seconds.
const BOUNDS_NS: [u64; 20] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    10_000_000_000,
];
const NS_PER_S: f64 = 1e9;
/// Connections at one time: a scrape takes one, for a moment.
const CONNECTIONS_MAX: usize = 32;
/// How long one may last; whoever scrapes less often than that connects anew.
const CONNECTION_LASTS: Duration = Duration::from_secs(10);
/// What a scrape is answered with, as the format asks.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the figures come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The engine.
    pub status: Arc<EngineStatus>,
    /// How far outputs are released.
    pub release: Arc<Release>,
    /// What the stages take.
    pub latency: Arc<Latency>,
    /// The feed, once it runs.
    pub feed: Arc<OnceLock<Arc<FeedStats>>>,
}

/// Where figures will be served.
#[derive(Debug)]
pub struct Metrics(TcpListener);

impl Metrics {
    /// Listens at `addr`.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn bind(addr: SocketAddr) -> Result<Self> {
        let bind = || {
            let listener = TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(Self(listener))
        };
        bind().with_context(|| format!("cannot serve metrics on {addr} (metrics.listen)"))
    }

    /// Where that is.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn addr(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// Serves on `runtime` for as long as that lives.
    ///
    /// # Errors
    /// If the system refuses the socket.
    pub fn serve(self, sources: Sources, runtime: &Handle) -> Result<()> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        let app = Router::new().route("/metrics", get(scrape)).with_state(Arc::new(registry));
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(self.0)?;
        let addr = listener.local_addr()?;
        let incoming = Incoming {
            accepted: accept(listener, CONNECTIONS_MAX, Some(CONNECTION_LASTS), None),
            addr,
        };
        runtime.spawn(async move {
            if let Err(error) = axum::serve(incoming, app).await {
                tracing::error!(%error, "metrics are not served any more");
            }
        });
        Ok(())
    }
}

/// Connections, bounded in number and in time: whoever holds one without asking takes nothing from the server.
struct Incoming {
    accepted: ReceiverStream<io::Result<Counted>>,
    addr: SocketAddr,
}

impl axum::serve::Listener for Incoming {
    type Io = Counted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counted, SocketAddr) {
        match self.accepted.next().await {
            Some(Ok(connection)) => (connection, self.addr),
            // It ends with the runtime, and yields no errors.
            _ => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

async fn scrape(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = encode(&mut text, &registry);
    ([(CONTENT_TYPE, TEXT)], text)
}

/// Writes one kind of figure after the other.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.engine(&mut page)?;
        if let Some(feed) = self.feed.get() {
            self.feed(feed, &mut page)?;
        }
        self.latency(&mut page)
    }
}

fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

impl Sources {
    fn engine(&self, page: &mut Page<'_>) -> fmt::Result {
        let Self { status, release, .. } = self;
        let alive = status.alive.load(Ordering::Acquire);
        page.gauge("tidegate_engine_alive", "1 while the engine takes inputs", alive.into())?;
        for (name, help, cell) in [
            ("market_events", "Market events applied", &status.market_events),
            ("commands", "Commands applied", &status.commands),
            ("fills", "Executions of our orders", &status.fills),
            (
                "unknown_orders",
                "Market events that name an order no book holds",
                &status.unknown_orders,
            ),
            ("refused_events", "Market events refused for another reason", &status.refused_events),
            ("gaps", "Gaps that feeds declared", &status.gaps),
            ("release_waits", "Times that the engine waited for its release buffer", &status.waits),
            ("traces_dropped", "Inputs whose stages nobody took", &status.traces_dropped),
        ] {
            page.counter(&format!("tidegate_{name}"), help, load(cell))?;
        }
        for (name, help, value) in [
            ("open_orders", "Orders that are open", load(&status.open_orders)),
            (
                "held_requests",
                "Requests to routes that wait for their release",
                load(&status.held_requests),
            ),
            (
                "seats_taken",
                "Sessions that share memory with the engine",
                load(&status.seats_taken),
            ),
            (
                "feed_ring_events",
                "Market events that wait for the engine",
                load(&status.feed_waiting),
            ),
            ("appended_seq", "The last input in the journal", load(&status.seq)),
            ("synced_seq", "The last input on this machine's disk", release.synced().0),
            (
                "replicated_seq",
                "The last input that the followers in sync have",
                release.replicated().0,
            ),
        ] {
            page.gauge(&format!("tidegate_{name}"), help, value)?;
        }
        Ok(())
    }

    fn feed(&self, feed: &FeedStats, page: &mut Page<'_>) -> fmt::Result {
        for (name, help, cell) in [
            ("packets", "Packets taken, of all lines and answers", &feed.packets),
            ("messages", "Messages delivered", &feed.messages),
            ("lost", "Messages given up", &feed.lost),
            ("recovered", "Messages that came after they had been asked for", &feed.recovered),
            ("decode_errors", "Messages that could not be read", &feed.decode_errors),
            ("ring_full", "Times that the engine did not keep up", &feed.ring_full),
        ] {
            page.counter(&format!("tidegate_feed_{name}"), help, load(cell))?;
        }
        Ok(())
    }

    fn latency(&self, page: &mut Page<'_>) -> fmt::Result {
        let latency = &self.latency;
        let report = latency.report(Window::Start, unix_now());
        let (_, alerts) = latency.alerts_after(u64::MAX);
        page.counter("tidegate_latency_traces", "Inputs followed to their end", report.traces)?;
        let help = "Stamps that nobody took";
        page.counter("tidegate_latency_stamps_dropped", help, report.dropped)?;
        page.counter(
            "tidegate_latency_alerts",
            "Alerts of breaches, one a second at most",
            alerts,
        )?;
        page.gauge("tidegate_latency_pending", "Inputs that are being followed", report.pending)?;

        let counted = latency.cumulative(&BOUNDS_NS);
        for (name, label, help) in [
            ("tidegate_path", "path", "The whole way of an order, or of a fill of one that rested"),
            ("tidegate_stage", "stage", "The step to a stage from the one before it"),
        ] {
            let kind = MetricType::Histogram;
            let mut family = page.0.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
            for counts in counted.iter().filter(|counts| label_of(counts.what) == label) {
                let labels = [(label, counts.what.as_str())];
                let sum = counts.sum_ns as f64 / NS_PER_S;
                let buckets = buckets(&counts.counts, counts.count);
                let mut one = family.encode_family(&labels)?;
                one.encode_histogram::<NoLabelSet>(sum, counts.count, &buckets, None)?;
            }
        }
        let help = "Measurements that were longer than they may be";
        let kind = MetricType::Counter;
        let mut family = page.0.encode_descriptor("tidegate_latency_breaches", help, None, kind)?;
        for figures in report.figures.iter().filter(|figures| figures.budget_ns.is_some()) {
            let labels = [("of", figures.what.as_str())];
            let mut one = family.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, u64, u64>(&figures.breaches, None)?;
        }
        let help = "What something may take";
        let (name, unit, kind) = ("tidegate_latency_budget", Unit::Seconds, MetricType::Gauge);
        let mut family = page.0.encode_descriptor(name, help, Some(&unit), kind)?;
        for figures in &report.figures {
            let Some(budget_ns) = figures.budget_ns else { continue };
            let labels = [("of", figures.what.as_str())];
            family.encode_family(&labels)?.encode_gauge(&(budget_ns as f64 / NS_PER_S))?;
        }
        Ok(())
    }
}

const fn label_of(what: What) -> &'static str {
    match what {
        What::Path(_) => "path",
        What::Stage(_) => "stage",
    }
}

/// The buckets of a histogram, each with what lies between it and the one before, from counts up to each bound.
fn buckets(counts: &[u64], count: u64) -> Vec<(f64, u64)> {
    let mut before = 0;
    let ends = BOUNDS_NS.iter().map(|bound| *bound as f64 / NS_PER_S).chain([f64::MAX]);
    let counts = counts.iter().copied().chain([count]);
    ends.zip(counts)
        .map(|(end, up_to)| {
            let between = up_to.saturating_sub(before);
            before = before.max(up_to);
            (end, between)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_engine::latency::Budgets;

    #[test]
    fn a_page_is_whole_and_says_what_it_means() {
        let latency = Arc::new(Latency::new(Budgets::whole(50_000_000)));
        let sources = Sources {
            status: Arc::default(),
            release: Arc::default(),
            latency,
            feed: Arc::new(OnceLock::from(Arc::default())),
        };
        sources.status.fills.store(7, Ordering::Relaxed);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text takes everything");
        for line in [
            "# TYPE tidegate_fills counter",
            "tidegate_fills_total 7",
            "# UNIT tidegate_path_seconds seconds",
            "tidegate_path_seconds_bucket{le=\"+Inf\",path=\"order\"} 0",
            "tidegate_stage_seconds_count{stage=\"journaled\"} 0",
            "tidegate_latency_budget_seconds{of=\"fill\"} 0.05",
            "tidegate_latency_breaches_total{of=\"order\"} 0",
            "tidegate_feed_packets_total 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|written| written == line), "no line '{line}' in:\n{text}");
        }
    }

    #[test]
    fn buckets_hold_what_lies_between_their_bounds() {
        let mut counts = vec![0; BOUNDS_NS.len()];
        counts[3..].fill(5);
        counts[10..].fill(9);
        let buckets = buckets(&counts, 12);
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 12);
        assert_eq!((buckets[3], buckets[10].1), ((0.000_01, 5), 4));
        assert_eq!(buckets.last(), Some(&(f64::MAX, 3)));
    }
}
