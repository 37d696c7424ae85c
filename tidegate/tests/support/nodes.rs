//! Several nodes of one deployment, each a process with a folder of its own, and an etcd where one is wanted.

use super::network::Network;
use super::{ADMIN, Place, Ran, Running, TRADER, run, spawn_command, spawn_heard, text, tidegate};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tidegate_client::Client;

/// How long a node may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that nobody has just now, of either kind, and that the system gives to nobody who does not ask for it by number: one whose
/// server is away could be somebody's own end of a connection when it comes back, even of whoever tries to reach it.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let begin = std::process::id().wrapping_mul(7_919).wrapping_add(nanos / 1_000);
    let found = (0..1_000).find_map(|n| {
        let port = (FIRST + begin.wrapping_add(n) % COUNT) as u16;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        UdpSocket::bind(("127.0.0.1", port)).ok().map(|_| port)
    });
    found.expect("a free port")
}

/// A real etcd, if the machine has one.
pub struct Etcd {
    pub running: Running,
    pub address: String,
    _dir: TempDir,
}

impl Etcd {
    /// Starts one on this machine; `None` where there is none to start.
    pub fn start() -> Option<Self> {
        Self::start_at("127.0.0.1")
    }

    /// Starts one that listens at `host`.
    pub fn start_at(host: &str) -> Option<Self> {
        let found = Command::new("etcd").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            eprintln!("skipped: etcd is not here; scripts/setup.sh --test installs it");
            return None;
        }
        let dir = TempDir::new().expect("a temporary folder");
        let (client, peer) = (free_port(), free_port());
        let address = format!("http://{host}:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut command = Command::new("etcd");
        command.args(["--data-dir", text(dir.path()), "--log-level", "error"]);
        command.args(["--listen-client-urls", &address, "--advertise-client-urls", &address]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        let running = spawn_command(&mut command);
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address.trim_start_matches("http://")).is_err() {
            assert!(Instant::now() < deadline, "etcd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { running, address, _dir: dir })
    }
}

/// The nodes' folders and certificates.
pub struct Deployment {
    dir: TempDir,
    homes: Vec<Home>,
}

/// Where a node runs.
struct Home {
    node: String,
    /// Where other nodes find it.
    address: String,
    /// The host at which it serves clients and hears its feed.
    desk: String,
    /// What its processes are started by; empty on this machine.
    by: Vec<String>,
}

impl Deployment {
    /// With nodes of these names, each with its release level, on this machine.
    pub fn new(nodes: &[(&str, &str)], etcd: Option<&Etcd>) -> Self {
        let home = |node: &str| Home {
            node: node.into(),
            address: format!("127.0.0.1:{}", free_port()),
            desk: "127.0.0.1".into(),
            by: Vec::new(),
        };
        Self::at(nodes, home, etcd)
    }

    /// The same, each on a machine of its own in `network`.
    pub fn across(network: &Network, nodes: &[(&str, &str)], etcd: Option<&Etcd>) -> Self {
        let home = |node: &str| {
            let machine = network.machine(node);
            let (address, desk) = (format!("{}:7400", machine.address()), machine.desk());
            Home { node: node.into(), address, desk, by: machine.enter() }
        };
        Self::at(nodes, home, etcd)
    }

    fn at(nodes: &[(&str, &str)], home: impl Fn(&str) -> Home, etcd: Option<&Etcd>) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let names: Vec<_> = nodes.iter().map(|(name, _)| *name).collect();
        let certs = dir.path().join("certs");
        let mut args = vec!["standby", "certs", "--dir", text(&certs)];
        args.extend(&names);
        run(&args).ok();
        let homes = names.iter().map(|name| home(name)).collect();
        let deployment = Self { dir, homes };
        for (name, release) in nodes {
            deployment.configure(name, release, etcd, &Place::account(1));
        }
        deployment
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the configuration of `name`.
    pub fn configure(&self, name: &str, release: &str, etcd: Option<&Etcd>, more: &str) {
        let certs = self.dir.path().join("certs");
        let mut config = format!(
            r#"
[engine]
orders_max = 65536
book_orders_max = 65536
[journal]
dir = "{journal}"
segment_mib = 4
release = "{release}"
low_space_mib = 0
[feed]
line_a = "{desk}:0"
midnight_unix_s = 1577664000
[edge]
listen = "{desk}:0"
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
{more}
[replication]
listen = "{own}"
authority = "{certs}/authority.pem"
certificate = "{certs}/{name}.pem"
key = "{certs}/{name}.key"
"#,
            journal = text(&self.journal(name)),
            own = self.home(name).address,
            desk = self.home(name).desk,
            certs = text(&certs),
        );
        for Home { node, address, .. } in self.homes.iter().filter(|home| home.node != name) {
            config +=
                &format!("[[replication.peers]]\nname = \"{node}\"\naddress = \"{address}\"\n");
        }
        if let Some(etcd) = etcd {
            config += &format!("[replication.lease]\netcd = [\"{}\"]\n", etcd.address);
        }
        std::fs::write(self.config(name), config).expect("the configuration is written");
    }

    /// Lets `name` serve clients at a port that it keeps; its address.
    pub fn serve_at_a_fixed_port(&self, name: &str) -> String {
        let addr = format!("127.0.0.1:{}", free_port());
        let config = std::fs::read_to_string(self.config(name)).expect("it was written");
        let config = config
            .replace("[edge]\nlisten = \"127.0.0.1:0\"", &format!("[edge]\nlisten = \"{addr}\""));
        assert!(config.contains(&addr), "{config}");
        std::fs::write(self.config(name), config).expect("it is written");
        addr
    }

    fn home(&self, name: &str) -> &Home {
        self.homes.iter().find(|home| home.node == name).expect("a node")
    }

    /// Where other nodes find `name`.
    pub fn address(&self, name: &str) -> &str {
        &self.home(name).address
    }

    /// The binary, on the machine of `name`.
    fn tidegate(&self, name: &str) -> Command {
        let binary = tidegate();
        let by = &self.home(name).by;
        let Some((program, args)) = by.split_first() else { return binary };
        let mut command = Command::new(program);
        command.args(args).arg(binary.get_program());
        command.env_remove("TIDEGATE_LOG").stdin(Stdio::null());
        command
    }

    /// Runs a command on the machine of `name`, with its configuration, to its end.
    pub fn run(&self, args: &[&str], name: &str) -> Ran {
        let mut command = self.tidegate(name);
        command.args(args).args(["--config", text(&self.config(name))]);
        spawn_command(&mut command).wait()
    }

    pub fn config(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.toml"))
    }

    pub fn journal(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}-journal"))
    }

    /// Starts `tidegate COMMAND --config NAME.toml`.
    pub fn start(&self, command: &str, name: &str) -> Node {
        let mut process = self.tidegate(name);
        process.args([command, "--config", text(&self.config(name))]);
        let (running, heard) = spawn_heard(&mut process);
        Node { name: name.to_string(), running, heard, addr: String::new(), line: None }
    }

    /// What `tidegate standby status` says of a node.
    pub fn status(&self, name: &str) -> String {
        let ran = self.run(&["standby", "status"], name);
        if ran.is_ok() { ran.stdout } else { ran.stderr }
    }

    /// Waits until the status of `name` holds all of `parts`.
    pub fn wait_for(&self, name: &str, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status(name);
            if parts.iter().all(|part| status.contains(part)) {
                return status;
            }
            assert!(Instant::now() < deadline, "{name} is not so: {parts:?} in {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that leads or follows.
pub struct Node {
    pub name: String,
    pub running: Running,
    heard: Receiver<String>,
    /// Where gRPC listens, once it serves.
    pub addr: String,
    /// Where the feed listens, once it serves.
    pub line: Option<SocketAddr>,
}

impl Node {
    /// Waits for a line that begins with `start`.
    pub fn hears(&self, start: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(line) if line.starts_with(start) => return line,
                Ok(_) => {}
                Err(why) => panic!("'{}' never said '{start}': {why}", self.name),
            }
        }
    }

    /// Waits until it serves.
    pub fn serves(mut self) -> Self {
        let grpc = self.hears("gRPC");
        self.addr = grpc.split_whitespace().nth(1).expect("a URL").to_string();
        let feed = self.hears("feed");
        self.line = feed.split_whitespace().last().and_then(|addr| addr.parse().ok());
        self
    }

    pub async fn admin(&self) -> Client {
        Client::connect(&self.addr, Some(ADMIN)).await.expect("a connection")
    }
}

/// Ends nodes in order, one after the other.
pub fn end(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.running.signal("TERM");
        node.running.wait().ok();
    }
}
