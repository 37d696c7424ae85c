//! The demo's gateway: a process of its own that people come in through, with a user and an account to begin with.

use crate::cmd::run::random_token;
use crate::config::Token;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tidegate_edge::ActsFor;
use tidegate_model::PrincipalId;
use toml::Table;

/// Where people come in if nobody else listens there.
const PORT: u16 = 8_080;
/// How long a call of the gateway may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A gateway that ends so often within such a time is not started again.
const RESTARTS_MAX: usize = 3;
const RESTARTS_WITHIN: Duration = Duration::from_secs(60);
/// The log-in of the demo's user.
const EMAIL: &str = "demo@example.org";
/// Those who decide, together: what one asks for the other agrees to. They do not trade.
const DECIDERS: [(&str, &str, &str); 2] = [
    ("risk@example.org", "risk_officer", "Risk officer"),
    ("admin@example.org", "administrator", "Administrator"),
];
/// The gateway itself, and whom it acts for: what a gateway's configuration has unless it says something else.
const PRINCIPAL: PrincipalId = PrincipalId(4);
const PEOPLE: (PrincipalId, PrincipalId) = (PrincipalId(1_000), PrincipalId(3_999));

/// What the groups of demo.toml are called.
const SECTORS: [(&str, i64); 3] = [("Energy", 101), ("Shipping", 102), ("Travel", 103)];

/// The gateway's token.
pub fn token(token: String) -> Result<Token> {
    let person = Token::of_person(token, PRINCIPAL, "gateway");
    let acts_for = Some(ActsFor::new(PEOPLE.0, PEOPLE.1)?);
    Ok(Token { may_administer: true, may_control: true, acts_for, ..person })
}

/// The gateway's configuration: what `given` says, with where it listens if that says nothing, and where folder and engine are.
fn settings_for(edge: SocketAddr, dir: &Path, given: Option<&Path>) -> Result<Table> {
    let mut settings = match given {
        None => Table::new(),
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .parse()
            .with_context(|| file.display().to_string())?,
    };
    if !settings.contains_key("listen") {
        let usual = SocketAddr::from(([127, 0, 0, 1], PORT));
        let is_free = TcpListener::bind(usual).is_ok();
        let listen = if is_free { usual } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
        settings.insert("listen".into(), listen.to_string().into());
    }
    let folder = dir.join("gateway").to_str().context("--dir must be UTF-8")?.to_string();
    settings.insert("dir".into(), folder.into());
    let engine = settings.entry("engine").or_insert_with(|| Table::new().into());
    let engine = engine.as_table_mut().context("the gateway's settings: [engine] is a table")?;
    engine.insert("addr".into(), format!("http://{edge}").into());
    let market = settings.entry("market").or_insert_with(|| Table::new().into());
    let market = market.as_table_mut().context("the gateway's settings: [market] is a table")?;
    let sectors: Table =
        SECTORS.map(|(name, group)| (name.into(), group.into())).into_iter().collect();
    market.entry("sectors").or_insert_with(|| sectors.into());
    Ok(settings)
}

/// Of any port that was free the one that it took, for it to have again.
fn fix_port(settings: &mut Table, url: &str) -> Result<()> {
    let listen = settings.get("listen").and_then(toml::Value::as_str).unwrap_or_default();
    let Ok(mut address) = listen.parse::<SocketAddr>() else { return Ok(()) };
    if address.port() == 0 {
        let port = url.rsplit_once(':').map(|(_, port)| port.trim_end_matches('/'));
        address.set_port(port.context("it says its port")?.parse()?);
        settings.insert("listen".into(), address.to_string().into());
    }
    Ok(())
}

fn write(file: &Path, settings: &Table) -> Result<()> {
    std::fs::write(file, settings.to_string())
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Prepares the gateway whose configuration is `file`, before that one starts: a command of its own, and its input.
fn prepare<A: AsRef<OsStr>>(program: &Path, file: &Path, command: &[A], input: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(["gateway", "--config"])
        .arg(file)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    writeln!(child.stdin.take().context("its input is ours")?, "{input}")?;
    let status = child.wait()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The gateway's process.
struct Running {
    child: Child,
    /// Kept open: what it says must go somewhere.
    _said: BufReader<ChildStdout>,
    url: String,
}

impl Running {
    /// Starts it, and waits until it serves.
    fn start(program: &Path, file: &Path, token: &str) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["gateway", "--until-input-ends", "--config"])
            .arg(file)
            .env("TIDEGATE_GATEWAY_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = BufReader::new(child.stdout.take().context("its output is ours")?);
        // From here on it is ended if anything fails.
        let mut running = Self { child, _said: said, url: String::new() };
        let mut line = String::new();
        running._said.read_line(&mut line)?;
        let url = line.split_whitespace().find(|word| word.starts_with("http"));
        running.url = url.context("the gateway did not start; it said why above")?.into();
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended already is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The running gateway, and the user who is there.
pub struct People {
    running: Running,
    program: PathBuf,
    file: PathBuf,
    token: String,
    /// When it was started again, within the last minute.
    restarts: Vec<Instant>,
    password: String,
    /// Where mails become files, unless they are sent.
    mails: Option<PathBuf>,
}

impl People {
    /// Starts the gateway in front of the engine at `edge`, with everything it keeps in `dir`, what `settings` say besides and bars of
    /// a `history`, and registers the user.
    pub fn start(
        edge: SocketAddr,
        token: &str,
        dir: &Path,
        settings: Option<&Path>,
        history: Option<&Path>,
    ) -> Result<Self> {
        let file = dir.join("gateway.toml");
        let mut settings = settings_for(edge, dir, settings)?;
        let sends = settings.get("mail").is_some_and(|mail| mail.get("smtp").is_some())
            || std::env::var_os("TIDEGATE_SMTP").is_some();
        let mails = (!sends).then(|| dir.join("gateway").join("mail"));
        write(&file, &settings)?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let password = random_token()?;
        for (email, role, name) in DECIDERS {
            let command = ["add-user", email, role, "--name", name];
            prepare(&program, &file, &command, &password)
                .with_context(|| format!("cannot add {email}"))?;
        }
        if let Some(history) = history {
            let command = [OsStr::new("import-bars"), history.as_os_str()];
            prepare(&program, &file, &command, "").context("cannot add the market's past")?;
        }
        let running = Running::start(&program, &file, token)?;
        fix_port(&mut settings, &running.url)?;
        write(&file, &settings)?;
        let (token, restarts) = (token.into(), Vec::new());
        let people = Self { running, program, file, token, restarts, password, mails };
        people.register().context("the demo's user")?;
        Ok(people)
    }

    /// A user who trades, and an account with cash.
    fn register(&self) -> Result<()> {
        let user = json!({ "email": EMAIL, "password": self.password, "name": "Demo" });
        let pair = self.post("/api/v1/auth/register", None, &user)?;
        let token = pair["access_token"].as_str().context("no token was given")?;
        self.post("/api/v1/accounts", Some(token), &json!({ "name": "Paper" }))?;
        Ok(())
    }

    /// The `data` of a call's answer.
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let mut request = agent
            .post(format!("{}{path}", self.running.url))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", "demo");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.send(body.to_string())?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status().is_success(), "{path}: {text}");
        Ok(serde_json::from_str::<Value>(&text)?["data"].take())
    }

    /// Says where to go, and the log-in.
    pub fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { running: Running { url, .. }, password, .. } = self;
        writeln!(out, "open       {url} (the page; {url}/docs describes the API)")?;
        writeln!(out, "log-in     {EMAIL}  password {password}")?;
        let [(risk, ..), (admin, ..)] = DECIDERS;
        if let Some(folder) = &self.mails {
            writeln!(out, "mails      {} (none is sent)", folder.display())?;
        }
        writeln!(out, "deciders   {risk} and {admin}, the same password")
    }

    /// True if it has ended by itself for good. One that was killed is started again where it was, as whatever watches over a gateway
    /// would.
    pub fn has_ended(&mut self) -> bool {
        let status = match self.running.child.try_wait() {
            Ok(None) => return false,
            Ok(Some(status)) if !status.success() => status,
            Ok(Some(_)) | Err(_) => return true,
        };
        self.restarts.retain(|at| at.elapsed() < RESTARTS_WITHIN);
        if self.restarts.len() == RESTARTS_MAX {
            return true;
        }
        self.restarts.push(Instant::now());
        tracing::warn!("the gateway ended ({status}); it is started again");
        match Running::start(&self.program, &self.file, &self.token) {
            Ok(running) => self.running = running,
            Err(error) => tracing::warn!("the gateway is not started: {error:#}"),
        }
        false
    }

    /// Asks it to end, by closing its standard input, and waits for that.
    pub fn stop(mut self, grace: Duration) -> Result<()> {
        drop(self.running.child.stdin.take());
        let deadline = Instant::now() + grace;
        while matches!(self.running.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        match self.running.child.try_wait()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the gateway failed with {status}"),
            None => bail!("the gateway did not end within {} s", grace.as_secs()),
        }
    }
}
