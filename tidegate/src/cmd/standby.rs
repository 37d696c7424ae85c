//! `tidegate standby`

use crate::cmd::promote::{ask, replication};
use crate::cmd::run::{Feed, edge_config, serve, stop_on_signal};
use crate::config::Config;
use crate::replica::{self, NotLed, Role};
use crate::starting::raise_open_files;
use crate::system::System;
use anyhow::{Context, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use tidegate_engine::runtime;
use tidegate_feed_handler::udp::AfterSession;
use tidegate_replication::message::{Request, check_name};

/// Runs a standby until Ctrl-C: it follows the primary, journals and applies what that does, and leads when it is its turn.
///
/// It takes over when the lease of the primary ends ([replication.lease]), or when an operator says so (tidegate promote).
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StandbyArgs {
    /// The configuration file (TOML), with its section [replication].
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say how a node stands, primary or standby.
    Status {
        /// The configuration file of a node of the deployment.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The node to ask: one of the configuration's peers, its own if absent.
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
    },
    /// Make an authority of this deployment's own and a certificate for each node.
    Certs {
        /// Where to write them; nothing there is overwritten.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The nodes' names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Runs the command.
pub fn run(args: StandbyArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    match (args.what, args.config) {
        (Some(What::Status { config, node }), _) => {
            write!(out, "{}", ask(&config, node.as_deref(), Request::Status)?)?;
            Ok(())
        }
        (Some(What::Certs { dir, names }), _) => certs(&dir, &names, &mut out),
        (None, Some(path)) => stand_by(&path, &mut out),
        (None, None) => anyhow::bail!("--config FILE says which node this is"),
    }
}

fn stand_by(path: &Path, out: &mut impl Write) -> Result<()> {
    let mut config = Config::read(path)?;
    let node = replica::node(replication(&config)?)?;
    let stop = stop_on_signal()?;
    raise_open_files();
    let edge_config = edge_config(&mut config, out)?;
    writeln!(out, "standby   {} at {}", node.name(), node.local_addr()?)?;
    loop {
        let dir = &config.journal.dir;
        let following = match replica::follow(&node, dir, out, &stop) {
            Err(error) if is_stopped(&error) => return Ok(()),
            other => other?,
        };
        writeln!(
            out,
            "standby   follows journal {:032x} in {}",
            following.instance,
            dir.display()
        )?;
        out.flush()?;
        let (feed_in, feed_out) = runtime::feed_ring();
        let role = Role::Standby(&node, following);
        let error = match System::start_as(&role, &config, edge_config.clone(), feed_out) {
            Ok(system) => {
                writeln!(out, "leads     {}", node.name())?;
                let feed = Feed::bind(&config, feed_in, AfterSession::Wait)?;
                return serve(out, &config, system, feed, &stop, Some(&node));
            }
            Err(error) => error,
        };
        let was_complete = node.is_complete();
        node.stop_following();
        if stop.load(Ordering::Relaxed) && is_stopped(&error) {
            replica::closed(&config, was_complete);
            writeln!(out, "stopped")?;
            return Ok(());
        }
        match error.downcast_ref::<NotLed>() {
            Some(NotLed::Cut(after)) => {
                let events = replica::cut(&config, *after)?;
                writeln!(
                    out,
                    "standby   set aside what lies behind input {after}, which no primary confirmed, in {}, with {events} events that clients may \
                     have heard of",
                    dir.join("cut").display()
                )?;
            }
            Some(NotLed::CaughtUp(seq)) => {
                let aside = replica::exchange(dir)?;
                writeln!(
                    out,
                    "standby   begins anew with the snapshot of input {seq}; what it had is in {}",
                    aside.display()
                )?;
            }
            _ => return Err(error),
        }
    }
}

fn is_stopped(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<NotLed>(), Some(NotLed::Stopped))
}

/// Makes an authority and a certificate for each of `names` in `dir`.
fn certs(dir: &Path, names: &[String], out: &mut impl Write) -> Result<()> {
    for (at, name) in names.iter().enumerate() {
        check_name(name)?;
        ensure!(name != "authority", "'authority' is the name of the authority's own files");
        ensure!(
            !names[..at].contains(name),
            "'{name}' is given twice: each node has a name of its own"
        );
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "tidegate standby authority");
    let authority = params.self_signed(&key)?;
    write_new(&dir.join("authority.pem"), &authority.pem(), 0o644)?;
    write_new(&dir.join("authority.key"), &key.serialize_pem(), 0o600)?;
    let issuer = Issuer::new(params, key);
    for name in names {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &issuer)?;
        write_new(&dir.join(format!("{name}.pem")), &certificate.pem(), 0o644)?;
        write_new(&dir.join(format!("{name}.key")), &key.serialize_pem(), 0o600)?;
    }
    writeln!(
        out,
        "wrote an authority and {} certificates to {}; keep authority.key where no node is",
        names.len(),
        dir.display()
    )?;
    Ok(())
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}
