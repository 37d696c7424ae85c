//! Load: reads with authentication at a fixed rate, or orders, over connections that stay open. A request's time runs from when it was
//! due, not from when a connection was free, so that a gateway that stands still shows.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Largest latency that is told apart: a minute, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;
/// Lines of the head of an answer at most.
const HEADERS_MAX: usize = 100;

/// Reads the paths one after the other, or enters orders, at a fixed rate, and says what the answers took. Exits with 1 if an answer was
/// not good.
#[derive(Debug, Parser)]
struct Args {
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: String,
    /// An access token or API key.
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: String,
    /// Requests a second, all connections together.
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// How long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Paths with commas between them, such as /api/v1/quotes/AAPL.
    #[arg(long, value_delimiter = ',', required_unless_present = "orders_of")]
    paths: Vec<String>,
    /// Enters market orders, bought and sold in turn, of this account instead.
    #[arg(long, value_name = "UUID", conflicts_with = "paths", requires = "symbol")]
    orders_of: Option<String>,
    /// What is traded.
    #[arg(long)]
    symbol: Option<String>,
    /// Begins the names of the orders: another one for each run.
    #[arg(long, default_value = "load")]
    name: String,
}

impl Args {
    /// The request of a turn, and the status of its answer.
    fn request(&self, turn: u64) -> (String, u16) {
        let (host, token) = (&self.addr, &self.token);
        let common = format!("host: {host}\r\nauthorization: Bearer {token}\r\n");
        let (Some(account), Some(symbol)) = (&self.orders_of, &self.symbol) else {
            let path = &self.paths[turn as usize % self.paths.len()];
            return (format!("GET {path} HTTP/1.1\r\n{common}\r\n"), 200);
        };
        let side = if turn.is_multiple_of(2) { "buy" } else { "sell" };
        let order = json!({
            "account": account, "symbol": symbol, "side": side, "type": "market", "qty": "1",
        })
        .to_string();
        let request = format!(
            "POST /api/v1/orders HTTP/1.1\r\n{common}idempotency-key: {}-{turn}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{order}",
            self.name,
            order.len()
        );
        (request, 201)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Arc::new(Args::parse());
    ensure!(args.rate > 0 && args.connections > 0, "--rate and --connections: 1 or more");
    let begin = Instant::now() + Duration::from_millis(200);
    let mut clients = JoinSet::new();
    for number in 0..args.connections {
        clients.spawn(client(Arc::clone(&args), number, begin));
    }
    let mut all = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let mut bad = 0;
    while let Some(ended) = clients.join_next().await {
        let (latency, failed) = ended??;
        all.add(latency)?;
        bad += failed;
    }
    let took = (Instant::now() - begin).as_secs_f64();
    println!(
        "{} answers in {took:.1} s, {:.0} a second; {bad} were not good",
        all.len(),
        all.len() as f64 / took
    );
    let ms = |quantile| all.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "from when it was due to the answer, ms: p50 {:.2}  p95 {:.2}  p99 {:.2}  max {:.2}",
        ms(0.5),
        ms(0.95),
        ms(0.99),
        all.max() as f64 / 1_000.0
    );
    ensure!(bad == 0, "{bad} answers were not good");
    Ok(())
}

/// One connection: what its answers took, and how many were bad.
async fn client(args: Arc<Args>, number: u64, begin: Instant) -> Result<(Histogram<u64>, u64)> {
    let mut latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let stream = TcpStream::connect(&args.addr).await.context("the gateway cannot be reached")?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut bad = 0;
    for turn in (number..args.rate * args.seconds).step_by(args.connections.try_into()?) {
        let due = begin + Duration::from_nanos(turn.saturating_mul(1_000_000_000) / args.rate);
        sleep_until(due).await;
        let (request, good) = args.request(turn);
        stream.write_all(request.as_bytes()).await?;
        let (status, body) = answer(&mut stream).await?;
        latency.saturating_record((Instant::now() - due).as_micros().try_into()?);
        if status != good {
            bad += 1;
            if bad == 1 && number == 0 {
                println!("{}: {status} {body}", request.lines().next().unwrap_or_default());
            }
        }
    }
    Ok((latency, bad))
}

/// Reads one answer to its end; its status and body.
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<(u16, String)> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).context("no HTTP")?.parse()?;
    let mut length = None;
    for _ in 0..HEADERS_MAX {
        line.clear();
        stream.read_line(&mut line).await?;
        if line.trim_end().is_empty() {
            let length = length.context("an answer without content-length")?;
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            return Ok((status, String::from_utf8(body)?));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    bail!("an answer with more than {HEADERS_MAX} headers")
}
