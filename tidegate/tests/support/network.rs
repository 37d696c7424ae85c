//! Machines of one network, each a network namespace of its own, whose cables can be pulled.
//!
//! ```text
//!  machine 1   machine 2
//!    | |         | |
//!    | '-- hub --' |     10.78.0.N: nodes with each other, and with what this process runs at HUB
//!    '--- desks ---'     10.79.N.1: clients and feeds, which are in this process; never cut
//! ```

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where this process is found by machines whose cable is in.
pub const HUB: &str = "10.78.0.254";
/// Says that a test runs in a network of its own.
const INSIDE: &str = "TIDEGATE_TEST_INSIDE";

/// Whether this process is in a network of its own. If it is not, the test of this name, which asks, is run again in one, and
/// nothing is left to do but to return.
pub fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--"]);
        command
    };
    let can = unshare().args(["ip", "link", "add", "hub", "type", "bridge"]).output();
    match can {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!("skipped: no network namespaces here, or no ip: {}", why.trim());
            return false;
        }
        Err(error) => {
            eprintln!("skipped: no unshare here: {error}");
            return false;
        }
    }
    let program = std::env::current_exe().expect("this test is a file");
    let ran =
        unshare().arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
    let ran = ran.expect("it was started before");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{out}{err}");
    assert!(ran.status.success(), "'{test}' failed in a network of its own");
    assert!(out.contains("1 passed"), "there is no test '{test}'");
    false
}

/// The network.
pub struct Network {
    machines: Vec<Machine>,
}

/// A machine: a process that does nothing keeps its namespace.
pub struct Machine {
    name: String,
    number: usize,
    keeper: Child,
}

fn ip(by: &[String], line: &str) {
    let mut words: Vec<&str> = by.iter().map(String::as_str).collect();
    words.push("ip");
    words.extend(line.split_whitespace());
    let ran = Command::new(words[0]).args(&words[1..]).output().expect("ip was here before");
    assert!(ran.status.success(), "ip {line}: {}", String::from_utf8_lossy(&ran.stderr));
}

impl Network {
    /// Machines of these names, every cable in. Call it inside.
    pub fn of(names: &[&str]) -> Self {
        ip(&[], "link set lo up");
        ip(&[], "link add hub type bridge");
        ip(&[], &format!("addr add {HUB}/24 dev hub"));
        ip(&[], "link set hub up");
        let machines = names.iter().zip(1..).map(|(name, number)| Machine::start(name, number));
        Self { machines: machines.collect() }
    }

    pub fn machine(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).expect("a machine")
    }

    /// Pulls the cable of a machine: it reaches nobody and nobody reaches it but its own clients.
    pub fn cut(&self, name: &str) {
        ip(&[], &format!("link set hub{} down", self.machine(name).number));
    }

    /// Puts it in again.
    pub fn mend(&self, name: &str) {
        ip(&[], &format!("link set hub{} up", self.machine(name).number));
    }
}

impl Machine {
    fn start(name: &str, number: usize) -> Self {
        let mut keeper = Command::new("unshare");
        // It ends with this process, whatever ends that.
        keeper.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let keeper = keeper.spawn().expect("unshare was here before");
        let machine = Self { name: name.into(), number, keeper };
        let place = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let (own, pid) = (place("self"), machine.keeper.id());
        let deadline = Instant::now() + Duration::from_secs(10);
        while place(&pid.to_string()) == own {
            assert!(Instant::now() < deadline, "'{name}' has no network of its own");
            std::thread::sleep(Duration::from_millis(1));
        }
        ip(&[], &format!("link add hub{number} type veth peer name wire netns {pid}"));
        ip(&[], &format!("link set hub{number} master hub up"));
        ip(&[], &format!("link add desk{number} type veth peer name desk netns {pid}"));
        ip(&[], &format!("addr add 10.79.{number}.254/24 dev desk{number}"));
        ip(&[], &format!("link set desk{number} up"));
        let there = machine.enter();
        ip(&there, "link set lo up");
        for (device, address) in [("wire", machine.address()), ("desk", machine.desk())] {
            ip(&there, &format!("addr add {address}/24 dev {device}"));
            ip(&there, &format!("link set {device} up"));
        }
        machine
    }

    /// Where other machines find it.
    pub fn address(&self) -> String {
        format!("10.78.0.{}", self.number)
    }

    /// Where its clients find it, which are in this process.
    pub fn desk(&self) -> String {
        format!("10.79.{}.1", self.number)
    }

    /// What a command is started by that runs on this machine.
    pub fn enter(&self) -> Vec<String> {
        let net = format!("--net=/proc/{}/ns/net", self.keeper.id());
        ["nsenter", &net, "--"].map(String::from).to_vec()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
