//! `tidegate promote`, and the questions that operators ask nodes.

use crate::config::{Config, Replication};
use anyhow::{Context, Result, anyhow, bail};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_replication::message::{Reply, Request};
use tidegate_replication::quic;
use tidegate_replication::tls::Tls;

/// How long an answer may take beyond what a hand-over may, and what taking it back may.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets a standby lead: when the primary is gone, or by a hand-over of the primary, which loses nothing.
///
/// The standby waits until its primary has been silent for half a second, and asks the other nodes that it reaches: it refuses if one of
/// them leads or has more. A primary that gave over to a standby which did not take it goes on when it is promoted itself.
///
/// Without a lease in a consensus store, make sure that the old primary has ended before you promote a standby: nothing that it
/// does can be acknowledged at the replica level, but below that level it would not know.
#[derive(Debug, clap::Args)]
pub struct PromoteArgs {
    /// The configuration file of a node of the deployment; it is the one that is asked, unless --node says another.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The node to ask, one of the configuration's peers.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Lead even if acknowledged inputs may be missing here.
    #[arg(long, conflicts_with = "planned")]
    force: bool,
    /// Ask a primary to hand over: it takes no more inputs, its standby goes on from its last.
    #[arg(long)]
    planned: bool,
    /// With --planned, the standby to hand over to; one that is in sync if absent.
    #[arg(long, value_name = "NAME", requires = "planned")]
    to: Option<String>,
}

/// Runs the command.
pub fn run(args: PromoteArgs) -> Result<()> {
    let PromoteArgs { config, node, force, planned, to } = args;
    let request = if planned { Request::HandOver { to } } else { Request::Promote { force } };
    let said = ask(&config, node.as_deref(), request)?;
    write!(io::stdout().lock(), "{said}")?;
    Ok(())
}

/// The section of a configuration that must have it.
pub fn replication(config: &Config) -> Result<&Replication> {
    config
        .replication
        .as_ref()
        .context("the configuration has no [replication]: see tidegate run --print-config")
}

/// Asks the node of the configuration in `path`, or another that it names.
///
/// # Errors
/// What the node refuses, and why it cannot be asked.
pub fn ask(path: &Path, node: Option<&str>, request: Request) -> Result<String> {
    let config = Config::read(path)?;
    let replication = replication(&config)?;
    let tls = Tls::read(&replication.files())?;
    let (name, address) = match node {
        Some(node) if node != tls.name => {
            let peer = replication.peers.iter().find(|peer| peer.name == node);
            let peer =
                peer.ok_or_else(|| anyhow!("'{node}' is none of the [[replication.peers]]"))?;
            (peer.name.clone(), peer.address.clone())
        }
        _ => (tls.name.clone(), replication.address()),
    };
    let patience = PATIENCE + 2 * Duration::from_millis(replication.hand_over_ms.get());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reply = runtime.block_on(async {
        let endpoint = quic::client(&tls)?;
        // What is said on the way is said anyway, whoever listens.
        let told = |text: &str| drop(writeln!(io::stdout(), "'{name}' {text}"));
        quic::ask(&endpoint, &name, &address, request, patience, told).await
    });
    match reply.with_context(|| format!("cannot ask '{name}' at {address}"))? {
        Reply::Said(text) => Ok(text),
        Reply::Refused(why) => bail!("'{name}' refuses: {why}"),
        Reply::Waits(_) | Reply::Stands(_) => bail!("'{name}' answers what was not asked"),
    }
}
