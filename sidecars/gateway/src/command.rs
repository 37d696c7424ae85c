//! `tidegate gateway`: the command, for the binary that holds it.

use crate::audit::{self, Audit, Entry, Verified};
use crate::error::ApiError;
use crate::gateway::make_dir;
use crate::identity::Identity;
use crate::keys::Keys;
use crate::market::import::{Imported, import};
use crate::permission::Role;
use crate::reseal::{Resealed, reseal};
use crate::sealed::Sealer;
use crate::{Config, DEFAULT, Gateway, secrets, serve};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;
use sqlx::Row;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the gateway until Ctrl-C: people and programs come in over HTTP, with REST and streams.
///
/// It is a client of a running server, whose token for it must have may_administer, may_control and acts_for. It may be stopped and
/// started at any time; the engine does not notice.
#[derive(Debug, clap::Args)]
pub struct GatewayArgs {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print every key with its default, and exit.
    #[arg(long)]
    print_config: bool,
    /// End when standard input does, as a program that starts this one wants it.
    #[arg(long)]
    until_input_ends: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read the whole audit log and compare every hash.
    VerifyAudit,
    /// Seal every secret in the database anew that the secret before sealed, which is in secret.old. It may be stopped and begun again,
    /// and the gateway may run. Afterwards secret.old is needed no more.
    Reseal,
    /// Print the OpenAPI document.
    Openapi,
    /// Add a user, with the password that standard input has in its first line. The first administrator is made so; a running gateway
    /// lets the user in at once.
    AddUser {
        /// The user's address.
        email: String,
        /// The role: viewer, trader, risk_officer, administrator or agent.
        #[arg(value_parser = role)]
        role: Role,
        /// What others see; the address by default.
        #[arg(long)]
        name: Option<String>,
    },
    /// Add bars to charts that begin before the gateway did, from a CSV file: symbol,start,seconds,open,high,low,close,volume, and vwap
    /// and trades if it has them. Seconds are 60, 300, 900, 3600 or 86400; longer bars are made of shorter ones. What is there
    /// already stays. A running gateway shows them from its next start on.
    ImportBars {
        /// The file.
        file: PathBuf,
    },
    /// Say what a user is: viewer, trader, risk_officer, administrator or agent.
    SetRole {
        /// The user's address.
        email: String,
        /// The role.
        #[arg(value_parser = role)]
        role: Role,
    },
}

fn role(name: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::as_str).join(", ");
    Role::from_name(name).ok_or_else(|| format!("none of {}", names()))
}

/// Runs the command.
///
/// # Errors
/// What cannot be done, for people.
pub fn run(args: GatewayArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    if args.print_config {
        write!(out, "{DEFAULT}")?;
        return Ok(());
    }
    let config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match args.command {
        None => runtime.block_on(run_gateway(config, args.until_input_ends, &mut out)),
        Some(Command::Openapi) => {
            writeln!(out, "{}", crate::http::api().1.to_pretty_json()?)?;
            Ok(())
        }
        Some(Command::VerifyAudit) => runtime.block_on(async {
            let pool = crate::open_database(&config.database_url()).await?;
            let keys = keys(&config).await?;
            match audit::verify(&pool, &keys).await.map_err(said)? {
                Verified::Whole(rows, newest) => {
                    writeln!(out, "whole: {rows} rows, the newest hash is {newest}")?;
                    Ok(())
                }
                Verified::Broken(seq) => {
                    bail!("row {seq} of the audit log is not as it was written")
                }
            }
        }),
        Some(Command::Reseal) => runtime.block_on(async {
            let keys = secrets::open(&config).await?;
            let sealer = Sealer::open(&keys, &config.dir)?;
            let pool = crate::open_database(&config.database_url()).await?;
            sealer.recognise(&pool).await?;
            let done =
                reseal(&pool, &sealer).await.map_err(|error| anyhow!("{}", error.message))?;
            let Resealed { anew, before, closed } = done;
            writeln!(out, "{anew} sealed anew, {before} were so before")?;
            ensure!(
                closed == 0,
                "{closed} do not open: is the secret that sealed them secret.old?"
            );
            Ok(())
        }),
        Some(Command::AddUser { email, role, name }) => runtime.block_on(async {
            let mut password = String::new();
            io::stdin().lock().read_line(&mut password).context("no password came")?;
            let password = password.trim_end_matches(['\r', '\n']).to_string();
            make_dir(&config.dir)?;
            let pool = crate::open_database(&config.database_url()).await?;
            let keys = secrets::open(&config).await?;
            let identity = Identity::open(&config, &keys, pool.clone()).await?;
            let name = name.as_deref().unwrap_or(&email);
            let person = identity.add(&email, name, role, password).await.map_err(said)?;
            let entry = Entry {
                actor: "system".into(),
                action: "user.create",
                target: person.id.to_string(),
                detail: json!({ "email": person.email, "role": role }),
                ..Default::default()
            };
            Audit::open(pool, &keys).await.map_err(said)?.add(entry).await.map_err(said)?;
            writeln!(out, "{} is here as {}", person.email, role.as_str())?;
            Ok(())
        }),
        Some(Command::ImportBars { file }) => runtime.block_on(async {
            make_dir(&config.dir)?;
            let pool = crate::open_database(&config.database_url()).await?;
            let Imported { lines, symbols, added, there } = import(&pool, &file).await?;
            writeln!(
                out,
                "{lines} lines of {symbols} symbols: {added} bars added, {there} were there"
            )?;
            Ok(())
        }),
        Some(Command::SetRole { email, role }) => runtime.block_on(async {
            let pool = crate::open_database(&config.database_url()).await?;
            let keys = secrets::open(&config).await?;
            let user = sqlx::query("UPDATE users SET role = $1 WHERE email = $2 RETURNING id")
                .bind(role.as_str())
                .bind(email.to_lowercase())
                .fetch_optional(&pool)
                .await?;
            let user = user.with_context(|| format!("there is no user '{email}'"))?;
            let entry = Entry {
                actor: "system".into(),
                action: "user.set_role",
                target: user.try_get("id")?,
                detail: json!({ "email": email.to_lowercase(), "role": role }),
                ..Default::default()
            };
            let audit = Audit::open(pool, &keys).await.map_err(said)?;
            audit.add(entry).await.map_err(said)?;
            writeln!(
                out,
                "{email} is {}; a running gateway takes it from its next start on",
                role.as_str()
            )?;
            Ok(())
        }),
    }
}

/// The keys in force, and those before if their secret is still there.
async fn keys(config: &Config) -> Result<Vec<Keys>> {
    let mut keys = vec![secrets::open(config).await?];
    let before = config.dir.join("secret.old");
    if before.exists() {
        keys.push(Keys::open(&before)?);
    }
    Ok(keys)
}

fn said(error: ApiError) -> anyhow::Error {
    anyhow!("{}", error.message)
}

async fn run_gateway(config: Config, until_input_ends: bool, out: &mut impl Write) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    let (ended, input_ended) = tokio::sync::oneshot::channel();
    if until_input_ends {
        // A thread of its own: a task that reads could not be ended.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            let _ = ended.send(());
        });
    }
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            // Ctrl-C reaches the whole group: whoever started this one ends it when the time has come.
            _ = interrupt.recv(), if !until_input_ends => {}
            Ok(()) = input_ended => {}
        }
    };
    let gateway = Gateway::open(config).await?;
    let is_encrypted = gateway.config.tls.is_on();
    let has_proxies = !gateway.config.limits.trusted_proxies.is_empty();
    let mut told = Ok(());
    let ready = |addr: SocketAddr| {
        if !is_encrypted && !has_proxies && !addr.ip().is_loopback() {
            tracing::warn!(
                "passwords and tokens come to {addr} without TLS: set [tls], or listen on 127.0.0.1 behind a proxy that has it"
            );
        }
        let scheme = if is_encrypted { "https" } else { "http" };
        told =
            writeln!(out, "gateway   {scheme}://{addr}\nCtrl-C stops.").and_then(|()| out.flush());
    };
    serve(gateway, stop, ready).await?;
    told.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_made_more_is_in_the_audit_log_and_nobody_changes_that() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, format!("dir = {:?}", dir.path())).expect("written");
        let run = |command| {
            let config = Some(path.clone());
            let command = Some(command);
            run(GatewayArgs { config, print_config: false, until_input_ends: false, command })
        };
        let sql = |statement: &'static str| {
            let url = Config::read(&path).expect("a configuration").database_url();
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let pool = crate::open_database(&url).await.expect("a database");
                sqlx::query(statement).execute(&pool).await.expect("done").rows_affected()
            })
        };
        sql("INSERT INTO users (id, email, name, role, plan, principal, created_at)
             VALUES ('00000000-0000-4000-8000-000000000000', 'ann@x.org', 'Ann', 'trader', 'free', 1000, 0)");
        let set = |email: &str| Command::SetRole { email: email.into(), role: Role::Administrator };
        run(set("bob@x.org")).expect_err("there is no bob");
        run(set("Ann@x.org")).expect("done");
        run(Command::VerifyAudit).expect("it is whole");
        let rows = sql("UPDATE audit SET detail = '{}' WHERE action = 'user.set_role'
             AND target = '00000000-0000-4000-8000-000000000000'");
        assert_eq!(rows, 1);
        run(Command::VerifyAudit).expect_err("it was changed");
    }
}
