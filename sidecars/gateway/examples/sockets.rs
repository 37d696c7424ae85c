//! Load: so many sockets, each following five symbols. Says how long an update takes from the engine's time in it to the client, on
//! the clock of this machine, and what a client costs the gateway in memory.
//!
//! All clients are read by one thread, once a millisecond: as the network card of a machine elsewhere would gather what comes for them,
//! and so that what is measured takes little of what it measures.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

/// Symbols that each socket follows.
const SYMBOLS: usize = 5;
/// Files that the process needs besides its sockets.
const FILES: usize = 100;
/// How often all sockets are read.
const READ_EVERY: Duration = Duration::from_millis(1);
/// Largest latency that is told apart: a minute, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Opens sockets that follow five symbols each, and measures.
///
/// The gateway must allow them: live.connections and live.connections_per_user. Both processes need files for them: `ulimit -n`.
#[derive(Debug, Parser)]
struct Args {
    /// Where the gateway listens, such as 127.0.0.1:8080.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: String,
    /// An access token or API key.
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: String,
    /// Sockets.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// What is measured, once all are open.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The gateway's process, whose memory is read.
    #[arg(long)]
    pid: Option<u32>,
    /// The channel: quotes, books, trades or bars.
    #[arg(long, default_value = "quotes")]
    channel: String,
    /// Symbols with commas between them, which the clients share out; at least five.
    #[arg(long, value_delimiter = ',', required = true)]
    symbols: Vec<String>,
    /// Sockets that are opened at a time.
    #[arg(long, default_value_t = 50)]
    at_once: usize,
}

/// What all clients add to.
struct Measured {
    latency_us: Mutex<Histogram<u64>>,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// Messages whose time is ahead of this machine's clock: they are not from here.
    ahead: AtomicU64,
    is_measuring: std::sync::atomic::AtomicBool,
}

fn files_max() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("no /proc")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).context("no limit of files")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

/// KiB that a process has in memory.
fn rss_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("there is no process {pid}"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).context("VmRSS is a number")
}

/// Keeps the thread from waiting for each message: what came in meanwhile is read in one go.
async fn gather() {
    loop {
        std::thread::sleep(READ_EVERY);
        tokio::task::yield_now().await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Arc::new(Args::parse());
    ensure!(args.symbols.len() >= SYMBOLS, "name at least {SYMBOLS} symbols");
    let (files, needed) = (files_max()?, args.clients + FILES);
    if files < needed {
        bail!(
            "{files} files are allowed, {needed} are needed: run `ulimit -n {needed}` first, for the gateway too"
        );
    }
    let before = args.pid.map(rss_kib).transpose()?;
    let measured = Arc::new(Measured {
        latency_us: Mutex::new(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?),
        messages: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        ahead: AtomicU64::new(0),
        is_measuring: false.into(),
    });
    let mut running = JoinSet::new();
    let began = std::time::Instant::now();
    for first in (0..args.clients).step_by(args.at_once.max(1)) {
        let mut opening = JoinSet::new();
        for client in first..args.clients.min(first + args.at_once.max(1)) {
            opening.spawn(open(Arc::clone(&args), client));
        }
        while let Some(opened) = opening.join_next().await {
            running.spawn(read(opened??, Arc::clone(&measured)));
        }
    }
    println!("{} sockets open after {:.1} s", args.clients, began.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(2)).await;
    if let (Some(pid), Some(before)) = (args.pid, before) {
        let after = rss_kib(pid)?;
        let each = after.saturating_sub(before) as f64 / args.clients as f64;
        println!("gateway: {before} KiB before, {after} KiB with them: {each:.1} KiB a client");
    }
    let gathering = tokio::spawn(gather());
    measured.is_measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    measured.is_measuring.store(false, Ordering::Relaxed);
    gathering.abort();
    let mut gone = 0;
    while let Some(ended) = running.try_join_next() {
        gone += 1;
        if gone <= 3 {
            println!("a socket ended: {ended:?}");
        }
    }
    let (messages, bytes) =
        (measured.messages.load(Ordering::Relaxed), measured.bytes.load(Ordering::Relaxed));
    let rate = messages as f64 / args.seconds as f64;
    println!("{messages} messages, {rate:.0} a second, {bytes} bytes; {gone} sockets ended");
    let latency = measured.latency_us.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "engine's time to client, ms: p50 {:.1}  p95 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
        ms(0.5),
        ms(0.95),
        ms(0.99),
        ms(0.999),
        latency.max() as f64 / 1_000.0
    );
    let ahead = measured.ahead.load(Ordering::Relaxed);
    if ahead > 0 {
        println!("{ahead} messages have times ahead of this machine's clock");
    }
    Ok(())
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// Opens one, and follows its symbols.
async fn open(args: Arc<Args>, client: usize) -> Result<Socket> {
    let mut request = format!("ws://{}/api/v1/stream", args.addr).into_client_request()?;
    let value = format!("Bearer {}", args.token).parse()?;
    request.headers_mut().insert("authorization", value);
    let stream = TcpStream::connect(&args.addr).await.context("the gateway cannot be reached")?;
    let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(1_024);
    let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let (mut socket, _) = opened.map_err(refusal)?;
    let symbols: Vec<&String> =
        (0..SYMBOLS).map(|n| &args.symbols[(client + n) % args.symbols.len()]).collect();
    let follow = json!({ "op": "subscribe", "channel": args.channel, "symbols": symbols });
    socket.send(Message::text(follow.to_string())).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let answer: Value = serde_json::from_str(&text)?;
        match answer["op"].as_str() {
            Some("subscribed") => return Ok(socket),
            Some("error") => bail!("refused: {}", answer["error"]["message"]),
            _ => {}
        }
    }
    bail!("the gateway closed a socket")
}

/// What the gateway said, where it refused.
fn refusal(error: tungstenite::Error) -> anyhow::Error {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            anyhow::anyhow!("{}: {body}", response.status())
        }
        other => other.into(),
    }
}

/// The engine's time in a message.
fn engine_time(text: &str) -> Option<jiff::Timestamp> {
    let (_, rest) = text.split_once("\"time\":\"")?;
    rest.split_once('"')?.0.parse().ok()
}

async fn read(mut socket: Socket, measured: Arc<Measured>) -> Result<()> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        if !measured.is_measuring.load(Ordering::Relaxed) {
            continue;
        }
        measured.messages.fetch_add(1, Ordering::Relaxed);
        measured.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        let Some(time) = engine_time(&text) else { continue };
        let took = jiff::Timestamp::now().duration_since(time).as_micros();
        match u64::try_from(took) {
            Ok(took) => {
                let mut latency =
                    measured.latency_us.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                latency.saturating_record(took);
            }
            Err(_) => drop(measured.ahead.fetch_add(1, Ordering::Relaxed)),
        }
    }
    bail!("the gateway closed it")
}
