//! `tidegate gateway`: the command, for the binary that holds it.

use crate::audit::{self, Verified};
use crate::permission::Role;
use crate::{Config, DEFAULT, Gateway, serve};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the gateway until Ctrl-C: people and programs come in over HTTP, with REST and streams.
///
/// It is a client of a running server, whose token for it must have may_administer, may_control and acts_for. It may be stopped and
/// started at any time; the engine does not notice.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
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
    /// Print the OpenAPI document.
    Openapi,
    /// Say what a user is: viewer, trader, risk_officer, administrator or agent. The first administrator is made so.
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
            match audit::verify(&pool).await.map_err(|error| anyhow!("{}", error.message))? {
                Verified::Whole(rows, newest) => {
                    writeln!(out, "whole: {rows} rows, the newest hash is {newest}")?;
                    Ok(())
                }
                Verified::Broken(seq) => {
                    bail!("row {seq} of the audit log is not as it was written")
                }
            }
        }),
        Some(Command::SetRole { email, role }) => runtime.block_on(async {
            let pool = crate::open_database(&config.database_url()).await?;
            let done = sqlx::query("UPDATE users SET role = $1 WHERE email = $2")
                .bind(role.as_str())
                .bind(email.to_lowercase())
                .execute(&pool)
                .await?;
            ensure!(done.rows_affected() == 1, "there is no user '{email}'");
            writeln!(
                out,
                "{email} is {}; a running gateway takes it from its next start on",
                role.as_str()
            )?;
            Ok(())
        }),
    }
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
    let mut told = Ok(());
    let ready = |addr| {
        told = writeln!(out, "gateway   http://{addr}\nCtrl-C stops.").and_then(|()| out.flush());
    };
    serve(gateway, stop, ready).await?;
    told.map_err(Into::into)
}
