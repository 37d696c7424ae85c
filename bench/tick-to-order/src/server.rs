//! A whole server, `tidegate run`, in a process of its own.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The account that trades.
pub const ACCOUNT: u32 = 1;
/// What it trades.
pub const SYMBOL: &str = "ACME";
/// Whose orders they are.
pub const TOKEN: &str = "a-token-for-a-measurement-0123456789";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server and its folder.
pub struct Server {
    _running: Running,
    _dir: TempDir,
    /// Where gRPC listens, as a URL.
    pub addr: String,
    /// Where the feed listens.
    pub feed: SocketAddr,
}

impl Server {
    /// Starts the `tidegate` that lies beside this program, and waits until it serves.
    pub fn start() -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("tidegate");
        ensure!(
            program.exists(),
            "there is no {}: cargo build --release -p tidegate",
            program.display()
        );
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("tidegate.toml");
        std::fs::write(&config, configuration(&dir))?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config).stdout(Stdio::piped());
        let child = command.stderr(Stdio::inherit()).spawn().context("cannot start tidegate")?;
        let mut running = Running(child);
        let out = running.0.stdout.take().context("it has an output")?;
        let (lines, heard) = channel();
        // Reads to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let grpc = line_of("gRPC", &heard)?;
        let feed = line_of("feed", &heard)?;
        let addr = grpc.split_whitespace().nth(1).context("no address of gRPC")?.to_owned();
        let feed = feed.split_whitespace().last().and_then(|addr| addr.parse().ok());
        let feed = feed.context("no address of the feed")?;
        Ok(Self { _running: running, _dir: dir, addr, feed })
    }
}

/// A process that ends with whoever started it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Its journal goes with its folder.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn line_of(name: &str, heard: &Receiver<String>) -> Result<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with(name) => return Ok(line),
            Ok(_) => {}
            Err(_) => bail!("the server does not say '{name}'"),
        }
    }
}

fn configuration(dir: &TempDir) -> String {
    let journal = dir.path().join("journal");
    format!(
        r#"
[engine]
orders_max = 4194304
book_orders_max = 1048576
[journal]
dir = "{}"
[feed]
line_a = "127.0.0.1:0"
midnight_unix_s = 1577664000
[edge]
listen = "127.0.0.1:0"
[[edge.tokens]]
token = "{TOKEN}"
principal = 1
name = "bench"
[[accounts]]
id = {ACCOUNT}
cash = "1000000000"
[accounts.limits]
max_order_notional = "1000000000"
max_order_qty = 10000000
max_position = 1000000000
credit = "4000000000"
price_collar_bp = 5000
max_open_orders = 1000000
messages_per_sec = 1000000
message_burst = 1000000
"#,
        journal.display()
    )
}
