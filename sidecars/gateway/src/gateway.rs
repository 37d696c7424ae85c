//! What every request shares, and the life of the process.

use crate::audit::Audit;
use crate::billing::{self, Payments};
use crate::config::{self, Config};
use crate::db;
use crate::http::cursor::Cursors;
use crate::http::idempotency::Idempotency;
use crate::identity::Identity;
use crate::live::Live;
use crate::market::Market;
use crate::ops::{self, Ops};
use crate::sealed::Sealer;
use crate::secrets;
use crate::trading::accounts::Accounts;
use crate::trading::events::Events;
use crate::trading::{Trading, history};
use anyhow::{Context, Result, bail};
use sqlx::AnyPool;
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto::{CheckOrderRequest, ListAccountsRequest};
use tidegate_client::tls::Tls;
use tidegate_client::{Client, ClientError};

/// How long the start waits for the engine.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);

/// What every request shares.
#[derive(Debug)]
pub struct Gateway {
    /// How it is set up.
    pub config: Config,
    /// Its database.
    pub(crate) pool: AnyPool,
    /// The engine, with the token that acts for principals.
    pub(crate) engine: Client,
    /// Who may come in.
    pub(crate) identity: Identity,
    /// What somebody did.
    pub(crate) audit: Audit,
    /// Who takes money for plans, if they are sold.
    pub(crate) payments: Option<Arc<dyn Payments>>,
    /// What was answered to those who come again.
    pub(crate) idempotency: Idempotency,
    /// Where pages begin.
    pub(crate) cursors: Cursors,
    /// Accounts of people.
    pub(crate) accounts: Arc<Accounts>,
    /// What happens to them.
    pub(crate) events: Arc<Events>,
    /// What trading needs besides.
    pub(crate) trading: Trading,
    /// The market as it stands.
    pub(crate) market: Market,
    /// Streams to people and programs.
    pub(crate) live: Live,
    /// What watches.
    pub(crate) ops: Ops,
}

impl Gateway {
    /// Opens the database and connects to the engine, for which it waits half a minute.
    ///
    /// # Errors
    /// What cannot be opened or reached, and what to do.
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        make_dir(&config.dir)?;
        let keys = secrets::open(&config).await?;
        let pool = db::open(&config.database_url()).await?;
        let sealer = Sealer::open(&keys, &config.dir)?;
        sealer.recognise(&pool).await?;
        let engine = connect(&config).await?;
        let audit = Audit::open(pool.clone(), &keys).await.map_err(|error| failed(&error))?;
        let identity = Identity::open(&config, &keys, pool.clone()).await?;
        let payments = billing::open(&config.billing)?;
        let accounts = Accounts::open(&config, pool.clone()).await.map_err(|e| failed(&e))?;
        let accounts = Arc::new(accounts);
        let bounds = config.trading.bounds();
        let ops = Ops::new(&config)?;
        let executions = ops.metrics.executions.clone();
        let events = Events::start(engine.clone(), config.engine.accounts, bounds, executions);
        let events = Arc::new(events);
        let market = Market::start(&engine, &config.market, pool.clone());
        let market = market.await.context("cannot read the bars that were kept")?;
        let live = Live::start(&config.live, &market, &events, &accounts);
        let gateway = Arc::new(Self {
            ops,
            idempotency: Idempotency::new(&keys, sealer, pool.clone()),
            cursors: Cursors::new(&keys),
            trading: Trading::new(&keys),
            config,
            pool,
            engine,
            identity,
            audit,
            payments,
            accounts,
            events,
            market,
            live,
        });
        tokio::spawn(ops::look_after(Arc::downgrade(&gateway)));
        tokio::spawn(history::keep(Arc::downgrade(&gateway)));
        if let Some(tracer) = gateway.ops.traces.tracer() {
            tokio::spawn(ops::stages::follow(Arc::downgrade(&gateway), tracer));
        }
        Ok(gateway)
    }
}

/// Makes the folder, or takes it, for nobody else: it holds secrets, hashes of passwords, and mails with tokens.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make the folder {}", dir.display()))?;
    if let Err(error) = std::fs::set_permissions(dir, Permissions::from_mode(0o700)) {
        tracing::warn!("others may be able to read {}: {error}", dir.display());
    }
    Ok(())
}

fn failed(error: &crate::error::ApiError) -> anyhow::Error {
    anyhow::anyhow!("cannot read the database: {}", error.message)
}

async fn connect(config: &Config) -> Result<Client> {
    let addr = &config.engine.addr;
    let token = match &config.engine.token {
        token if token.is_empty() => std::env::var("TIDEGATE_GATEWAY_TOKEN").ok(),
        token => Some(token.clone()),
    };
    let Some(token) = token else {
        bail!("no token for the engine: give engine.token or TIDEGATE_GATEWAY_TOKEN")
    };
    let config::Engine { tls_ca, tls_cert, tls_key, .. } = &config.engine;
    let own = (!tls_cert.as_os_str().is_empty()).then_some((tls_cert.as_path(), tls_key.as_path()));
    let is_encrypted = !tls_ca.as_os_str().is_empty();
    let tls = is_encrypted.then(|| Tls::read(tls_ca, own)).transpose().context("engine")?;
    let until = tokio::time::Instant::now() + ENGINE_PATIENCE;
    let mut has_said = false;
    loop {
        let connected = match tls.clone() {
            Some(tls) => Client::connect_tls(addr, Some(&token), tls).await,
            None => Client::connect(addr, Some(&token)).await,
        };
        match connected {
            Ok(client) => return known(client, &config.engine).await,
            Err(error) if tokio::time::Instant::now() > until => {
                return Err(error)
                    .context("the engine cannot be reached; is tidegate run started?");
            }
            Err(error) => {
                if !std::mem::replace(&mut has_said, true) {
                    let wait = ENGINE_PATIENCE.as_secs();
                    tracing::warn!("the engine does not answer yet, trying for {wait} s: {error}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Makes sure that the engine knows the token, and that it acts for all that get a number here; whatever else fails now may be
/// better soon.
async fn known(client: Client, engine: &config::Engine) -> Result<Client> {
    let addr = &engine.addr;
    if let Err(ClientError::Call { status, .. }) =
        client.list_accounts(ListAccountsRequest::default()).await
        && status.code() == tonic::Code::Unauthenticated
    {
        bail!(
            "the engine at {addr} does not know this token: enter it under [[edge.tokens]] of the server's file, with acts_for, \
             may_administer and may_control, and start the server anew"
        );
    }
    for (key, ends) in [("principals", engine.principals), ("programs", engine.programs)] {
        for principal in ends {
            // Of what orders nothing, the engine asks no more than whose it is.
            let acting = client.acting_for(principal);
            if let Err(ClientError::Call { status, .. }) =
                acting.check_order(CheckOrderRequest::default()).await
                && status.code() == tonic::Code::PermissionDenied
            {
                bail!("engine.{key} = {ends:?}: {}", status.message());
            }
        }
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_nobody_elses_also_if_it_was_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let old = dir.path().join("old");
        std::fs::create_dir(&old).expect("made");
        std::fs::set_permissions(&old, Permissions::from_mode(0o755)).expect("it is ours");
        for path in [old, dir.path().join("new/inner")] {
            make_dir(&path).expect("made");
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
    }
}
