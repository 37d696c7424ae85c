//! `tidegate kill`

use crate::config::Config;
use crate::kill::{self, KillFile};
use crate::scope_text::ScopeText;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidegate_client::Client;
use tidegate_client::proto::{AdminResponse, KillRequest, ReleaseRequest};
use tidegate_model::command::KillMode;

/// Stops everything, or one scope: open orders are canceled, new ones refused, until two persons release it.
///
/// It asks the server, and waits a second at most. If that fails and the journal's folder is known (--journal or --config), it
/// makes the kill file there, which the server obeys even if no call reaches it, and waits until it was obeyed. A server that
/// does not run obeys it when it starts, before it takes any order.
///
/// The exit code is 0 only if the kill is known to be in force.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KillArgs {
    /// Whom: firm, principal:N, account:N, strategy:N, group:N or instrument:SYMBOL.
    #[arg(default_value = "firm")]
    scope: ScopeText,
    /// Let orders pass that reduce a position.
    #[arg(long)]
    reduce_only: bool,
    /// Why, for the journal: 48 printable ASCII characters of it are kept.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Ask for the release of a kill switch instead: a proposal, which a second person approves.
    #[arg(long, requires = "scope", conflicts_with = "reduce_only")]
    release: bool,
    /// Where the server listens; by default as the configuration says, or 127.0.0.1:7800.
    #[arg(long, value_name = "ADDR")]
    addr: Option<String>,
    /// The token of a person that may control.
    #[arg(long, value_name = "TOKEN", env = "TIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The journal's folder, to make the kill file in.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    journal: Option<PathBuf>,
    /// The server's configuration, which says where it listens and where its kill file is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples (TIDEGATE_TOKEN holds the token of a person that may control):
  tidegate kill --journal data/journal                     stop the firm
  tidegate kill account:7 --reason 'runs wild'             stop one account
  tidegate kill strategy:5 --reduce-only                   let it only reduce
  tidegate kill --release account:7 --reason 'bug is fixed'  ask for its release
Without this program: echo firm > data/journal/KILL";

/// How long the server may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the file may lie there.
const FILE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two looks at what became of it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Where a server listens that was not told otherwise.
const ADDR: &str = "127.0.0.1:7800";

impl KillArgs {
    fn mode(&self) -> KillMode {
        if self.reduce_only { KillMode::ReduceOnly } else { KillMode::Block }
    }
}

/// Runs the command.
pub fn run(args: KillArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    // What is wrong with the configuration must not keep the call from being tried.
    let config = args.config.as_deref().map(Config::read).transpose();
    let of_config = config.as_ref().ok().and_then(Option::as_ref);
    let listen = of_config.map(|config| match config.edge.tls {
        Some(_) => format!("https://{}", config.edge.listen),
        None => config.edge.listen.to_string(),
    });
    let addr = args.addr.clone().or(listen).unwrap_or_else(|| ADDR.into());
    let answer = call(&args, &addr);
    if args.release {
        return released(&mut out, args.scope, &answer?);
    }
    let error = match answer.and_then(engaged) {
        Ok(canceled) => {
            writeln!(out, "KILL {} is in force: {canceled} open orders canceled", args.scope)?;
            return Ok(());
        }
        Err(error) => error,
    };
    let of_config = config?.map(|config| config.kill_file());
    let path = args.journal.as_ref().map(|folder| folder.join(kill::FILE_NAME)).or(of_config);
    let Some(path) = path else {
        bail!(
            "KILL {} is not known to be in force: {error:#}; name the journal's folder with --journal, or make the kill file there: \
             echo {} > JOURNAL/{}",
            args.scope,
            args.scope,
            kill::FILE_NAME
        );
    };
    writeln!(out, "the server at {addr} did not do it: {error:#}")?;
    let reason = kill::reason(&args.reason);
    let asked = KillFile { scope: args.scope, mode: args.mode(), reason };
    let done = by_file(&path, &asked)
        .with_context(|| format!("KILL {} is not known to be in force", args.scope))?;
    writeln!(out, "KILL {} is in force: the server has obeyed {}", args.scope, done.display())?;
    Ok(())
}

/// Asks the server.
fn call(args: &KillArgs, addr: &str) -> Result<AdminResponse> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the client's thread")?;
    let asked = async {
        let client = Client::connect(addr, args.token.as_deref()).await?;
        let scope = Some(args.scope.into());
        let reason = kill::reason(&args.reason).as_str().to_string();
        if args.release {
            return client.release(ReleaseRequest { scope, reason }).await;
        }
        let mode = args.mode().wire().into();
        client.kill(KillRequest { scope, mode, reason }).await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(CALL_TIMEOUT, asked).await });
    // A name that is still being looked up must not hold anything.
    runtime.shutdown_background();
    let answer =
        answer.with_context(|| format!("no answer within {} s", CALL_TIMEOUT.as_secs()))?;
    Ok(answer?)
}

/// How many orders were canceled, unless it was refused.
fn engaged(answer: AdminResponse) -> Result<u64> {
    crate::remote::unless_refused(answer.reject.as_ref())?;
    Ok(answer.value)
}

/// Says what came of asking for a release.
fn released(out: &mut impl Write, scope: ScopeText, answer: &AdminResponse) -> Result<()> {
    crate::remote::unless_refused(answer.reject.as_ref())?;
    match answer.proposal {
        0 => writeln!(out, "{scope} is released")?,
        proposal => writeln!(
            out,
            "the release of {scope} is proposal {proposal}: nothing is released until a second person approves it with \
             tidegate risk approve {proposal}"
        )?,
    }
    Ok(())
}

/// Makes the file and waits until it was obeyed; its new name.
fn by_file(path: &Path, request: &KillFile) -> Result<PathBuf> {
    let deadline = Instant::now() + FILE_TIMEOUT;
    let written = loop {
        match kill::write(path, request) {
            Ok(written) => break written,
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let path = path.display();
                return Err(error).with_context(|| format!("cannot make the kill file {path}"));
            }
            Err(_) if Instant::now() > deadline => bail!(
                "a kill file {} is there already, and no server obeys it: if one runs, end its process",
                path.display()
            ),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    };
    let deadline = Instant::now() + FILE_TIMEOUT;
    loop {
        let done = written.obeyed();
        let done = done.with_context(|| format!("what became of {}?", path.display()))?;
        if let Some(done) = done {
            return Ok(done);
        }
        if Instant::now() > deadline {
            bail!(
                "the kill file {} lies there and no server obeys it: if one runs, end its process; one that starts obeys it first",
                path.display()
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
