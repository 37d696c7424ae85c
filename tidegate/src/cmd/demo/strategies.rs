//! The demo's strategies: processes of their own that know nothing but an address and a token. The first comes in at the door and
//! shares memory with the engine, the others trade over gRPC.

use anyhow::{Context, Result, bail};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tidegate_edge::TokenEntry;
use tidegate_model::Symbol;

/// The running processes.
pub struct Strategies(Vec<(String, Child)>);

impl Strategies {
    /// Starts one process a token, with the strategy of that name, trading for the account of the token's principal.
    pub fn start(
        edge: SocketAddr,
        mut door: Option<&Path>,
        tokens: &[TokenEntry],
        symbols: &[Symbol],
    ) -> Result<Self> {
        let symbols: Vec<_> = symbols.iter().map(Symbol::as_str).collect();
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut started = Self(Vec::new());
        for entry in tokens {
            let mut command = Command::new(&program);
            command.args(["trade", &entry.name]);
            match door.take() {
                Some(door) => command.arg("--door").arg(door),
                None => command.arg("--addr").arg(format!("http://{edge}")),
            };
            let child = command
                .args(["--account", &entry.principal.to_string()])
                .args(["--symbols", &symbols.join(",")])
                // A token on the command line would be seen by everyone on the machine.
                .env("TIDEGATE_TOKEN", &entry.token)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("cannot start {}", program.display()))?;
            started.0.push((entry.name.clone(), child));
        }
        Ok(started)
    }

    /// True if one has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.iter_mut().any(|(_, child)| !matches!(child.try_wait(), Ok(None)))
    }

    /// Asks all to end, by closing their standard input, and returns what each says of itself.
    pub fn stop(mut self, grace: Duration) -> Result<Vec<serde_json::Value>> {
        for (_, child) in &mut self.0 {
            drop(child.stdin.take());
        }
        let deadline = Instant::now() + grace;
        let mut said = Vec::new();
        for (name, child) in &mut self.0 {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            let Some(status) = child.try_wait()? else {
                bail!("{name} did not end within {} s", grace.as_secs());
            };
            let mut text = String::new();
            if let Some(mut stdout) = child.stdout.take() {
                stdout.read_to_string(&mut text)?;
            }
            if !status.success() {
                bail!("{name} failed with {status}");
            }
            let last = text.lines().last().unwrap_or_default();
            let value = serde_json::from_str(last)
                .with_context(|| format!("{name} did not say what it did: '{last}'"))?;
            said.push(value);
        }
        Ok(said)
    }
}

impl Drop for Strategies {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            // Those that ended already are not there to be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
