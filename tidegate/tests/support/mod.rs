//! The binary from outside: commands that run to their end, and servers that are stopped, killed and started again.
//! Every process is killed when its handle is dropped, and nothing waits for ever.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod load;
pub mod market;
pub mod network;
pub mod nodes;
pub mod pair;
pub mod wire;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidegate_client::{Client, proto};

/// The token that may do everything, and the one that may only trade.
pub const ADMIN: &str = "admin-token-0123456789";
pub const TRADER: &str = "trader-token-0123456789";
/// The token of a second person that may control.
pub const OFFICER: &str = "officer-token-0123456789";
/// How long a command, or a server's start or stop, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, quiet but for warnings.
pub fn tidegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_remove("TIDEGATE_LOG").stdin(Stdio::null());
    command
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn is_ok(&self) -> bool {
        self.status.success()
    }

    /// Fails unless it ended well; its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_ok(), "it failed: {self:#?}");
        self.stdout
    }

    /// Fails unless it ended in an error that is one line and contains every part; its standard error.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        let line = self.stderr.trim_end();
        assert_eq!(line.lines().count(), 1, "an error is one line: {self:#?}");
        assert!(line.starts_with("tidegate: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "'{part}' is not in: {line}");
        }
        self.stderr
    }

    /// Fails if anything in it is a panic.
    #[track_caller]
    pub fn without_panic(self) -> Self {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains("panicked at"), "a panic: {self:#?}");
            assert!(!text.contains("RUST_BACKTRACE"), "a panic: {self:#?}");
        }
        self
    }
}

/// A running process.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// Gathers what comes out of a pipe, and passes each line on as it comes.
fn gather(pipe: impl Read + Send + 'static, lines: Option<Sender<String>>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut pipe, mut bytes) = (BufReader::new(pipe), Vec::new());
        let mut begin = 0;
        // What came before a broken end is what there is.
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            if let Some(lines) = &lines {
                let line = String::from_utf8_lossy(&bytes[begin..]);
                // Nobody listens once the start is over.
                let _ = lines.send(line.trim_end().to_string());
            }
            begin = bytes.len();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Starts `command`, gathering what it says; each line goes to whoever is given for its stream as well.
    fn start(
        command: &mut Command,
        out: Option<Sender<String>>,
        errors: Option<Sender<String>>,
    ) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Some(gather(child.stdout.take().expect("piped"), out));
        let stderr = Some(gather(child.stderr.take().expect("piped"), errors));
        Self { child, stdout, stderr }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("the child is ours") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    panic!("it did not end within {PATIENCE:?}: {:#?}", self.said());
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let (stdout, stderr) = self.said();
        Ran { status, stdout, stderr }.without_panic()
    }

    /// Kills it, with no chance to say anything.
    pub fn kill(mut self) -> Ran {
        self.child.kill().expect("it runs");
        let status = self.child.wait().expect("the child is ours");
        let (stdout, stderr) = self.said();
        let ran = Ran { status, stdout, stderr };
        assert_eq!(status.code(), None, "it had ended by itself: {ran:#?}");
        ran
    }

    fn said(&mut self) -> (String, String) {
        let join = |thread: Option<JoinHandle<String>>| {
            thread.map(|thread| thread.join().expect("a reader does not panic")).unwrap_or_default()
        };
        (join(self.stdout.take()), join(self.stderr.take()))
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status().expect("sh is there");
        assert!(sent.success(), "{line}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end. Panics in what it says fail the test.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Ran {
    spawn(args).wait()
}

/// Starts a command.
pub fn spawn<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Running {
    Running::start(tidegate().args(args), None, None)
}

/// Starts any command, gathering what it says.
pub fn spawn_command(command: &mut Command) -> Running {
    Running::start(command, None, None)
}

/// Starts any command, with its lines as they come.
pub fn spawn_heard(command: &mut Command) -> (Running, Receiver<String>) {
    let (lines, heard) = channel();
    (Running::start(command, Some(lines), None), heard)
}

/// Starts any command, with the lines of its standard error as they come.
pub fn spawn_errors_heard(command: &mut Command) -> (Running, Receiver<String>) {
    let (lines, heard) = channel();
    (Running::start(command, None, Some(lines)), heard)
}

/// Starts any command, with its lines and those of its standard error as they come.
pub fn spawn_all_heard(command: &mut Command) -> (Running, Receiver<String>, Receiver<String>) {
    let ((lines, heard), (errors, errors_heard)) = (channel(), channel());
    (Running::start(command, Some(lines), Some(errors)), heard, errors_heard)
}

/// An interpreter with grpcio, or why there is none.
pub fn python() -> Result<String, String> {
    let program = std::env::var("TIDEGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&program).args(["-c", "import grpc, grpc_reflection"]).output();
    match found {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("it failed").to_string();
            Err(format!("{program}: {last}"))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// A place of its own for a server: configuration, journal.
pub struct Place {
    pub dir: TempDir,
    /// Keys of the section `[journal]`.
    pub journal_keys: String,
}

impl Place {
    /// With a configuration that has small tables, small segments, a feed, three tokens, and `more`.
    pub fn new(more: &str) -> Self {
        Self::with_journal("", more)
    }

    /// The same with more keys of its journal.
    pub fn with_journal(keys: &str, more: &str) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let place = Self { dir, journal_keys: keys.into() };
        place.configure(more);
        place
    }

    /// Writes the configuration anew.
    pub fn configure(&self, more: &str) {
        let journal = self.journal();
        let config = format!(
            r#"
[engine]
orders_max = 65536
book_orders_max = 65536
[journal]
dir = "{}"
segment_mib = 1
{}
[feed]
line_a = "127.0.0.1:0"
midnight_unix_s = 1577664000
[edge]
listen = "127.0.0.1:0"
[[edge.tokens]]
token = "{ADMIN}"
principal = 1
name = "admin"
may_administer = true
may_control = true
[[edge.tokens]]
token = "{TRADER}"
principal = 2
name = "trader"
[[edge.tokens]]
token = "{OFFICER}"
principal = 3
name = "officer"
may_control = true
{more}
"#,
            text(&journal),
            self.journal_keys
        );
        std::fs::write(self.config(), config).expect("the configuration is written");
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("tidegate.toml")
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    pub fn events(&self) -> PathBuf {
        self.journal().join("events")
    }

    /// `[[accounts]]` of one account with a million and wide limits.
    pub fn account(id: u32) -> String {
        format!(
            r#"
[[accounts]]
id = {id}
cash = "1000000"
[accounts.limits]
max_order_notional = "250000"
max_order_qty = 5000
max_position = 50000
credit = "4000000"
price_collar_bp = 1000
max_open_orders = 5000
messages_per_sec = 100000
message_burst = 100000
"#
        )
    }
}

/// A running `tidegate run`.
pub struct Server {
    running: Running,
    /// Where gRPC listens, as a URL.
    pub addr: String,
    /// Where the feed listens.
    pub line: SocketAddr,
    /// Where metrics are served, as a URL; empty if they are not.
    pub metrics: String,
}

impl Server {
    /// Starts it and waits until it serves.
    pub fn start(place: &Place) -> Self {
        let (lines, heard) = channel();
        let config = place.config();
        let mut command = tidegate();
        command.args(["run", "--config", text(&config)]);
        let mut running = Running::start(&mut command, Some(lines), None);
        let deadline = Instant::now() + PATIENCE;
        let mut metrics = String::new();
        let mut found = |name: &str, heard: &Receiver<String>| loop {
            match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(name) => return line,
                Ok(line) if line.starts_with("metrics") => {
                    metrics = line.split_whitespace().nth(1).expect("a URL").to_string();
                }
                Ok(_) => {}
                Err(why) => {
                    let _ = running.child.kill();
                    let why = match why {
                        RecvTimeoutError::Timeout => "did not start in time",
                        RecvTimeoutError::Disconnected => "ended",
                    };
                    panic!("the server {why}: {:#?}", running.said());
                }
            }
        };
        let grpc = found("gRPC", &heard);
        let feed = found("feed", &heard);
        let addr = grpc.split_whitespace().nth(1).expect("a URL").to_string();
        let line = feed.split_whitespace().last().and_then(|addr| addr.parse().ok());
        let line = line.unwrap_or_else(|| panic!("no address in '{feed}'"));
        Self { running, addr, line, metrics }
    }

    /// A connection of the second person that may control.
    pub async fn officer(&self) -> Client {
        Client::connect(&self.addr, Some(OFFICER)).await.expect("a connection")
    }

    /// A connection that may do everything.
    pub async fn admin(&self) -> Client {
        Client::connect(&self.addr, Some(ADMIN)).await.expect("a connection")
    }

    /// Kills it, with no chance to say anything.
    pub fn kill(self) {
        self.running.kill().without_panic();
    }

    /// Asks it to end.
    pub fn stop(self, signal: &str) -> Ran {
        self.running.signal(signal);
        self.running.wait()
    }

    /// Asks it to end without waiting for it.
    pub fn ask_to_stop(&self, signal: &str) {
        self.running.signal(signal);
    }

    /// Waits for its end.
    pub fn wait(self) -> Ran {
        self.running.wait()
    }
}

/// The scope of the firm, or of an account.
pub fn scope(account: Option<u32>) -> proto::Scope {
    let (kind, id) =
        account.map_or((proto::ScopeKind::Firm, 0), |account| (proto::ScopeKind::Account, account));
    proto::Scope { kind: kind.into(), id, symbol: String::new() }
}

/// Approves a proposal, exactly as the server shows it.
pub async fn approve(client: &Client, number: u64) -> proto::AdminResponse {
    let pending = client.list_proposals(proto::ListProposalsRequest::default()).await;
    let pending = pending.expect("an answer").proposals;
    let shown = pending.into_iter().filter_map(|entry| entry.proposal);
    let proposal = shown.into_iter().find(|proposal| proposal.number == number);
    let hash = proposal.unwrap_or_else(|| panic!("proposal {number} is not pending")).hash;
    let decision = proto::Decision::Approve.into();
    let request = proto::DecideRequest { proposal: number, hash, decision, ..Default::default() };
    client.decide(request).await.expect("an answer")
}

/// Numbers that look random and follow from a seed.
pub struct Random(u64);

impl Random {
    /// From `TIDEGATE_TEST_SEED`, else from the clock. Failures show what is printed here.
    pub fn from_environment(test: &str) -> Self {
        let seed = match std::env::var("TIDEGATE_TEST_SEED") {
            Ok(text) => text.parse().expect("TIDEGATE_TEST_SEED is a whole number"),
            Err(_) => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("after 1970")
                .subsec_nanos()
                .into(),
        };
        println!(
            "seed {seed}; again with: TIDEGATE_TEST_SEED={seed} cargo test -p tidegate {test}"
        );
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
