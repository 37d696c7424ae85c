//! What every request shares, and the life of the process.

use crate::audit::Audit;
use crate::billing::{self, Payments};
use crate::config::Config;
use crate::db;
use crate::http::cursor::Cursors;
use crate::http::idempotency::Idempotency;
use crate::identity::Identity;
use crate::live::Live;
use crate::market::Market;
use crate::ops::{self, Ops};
use crate::sealed::Sealer;
use crate::secrets;
use crate::trading::Trading;
use crate::trading::accounts::Accounts;
use crate::trading::events::Events;
use anyhow::{Context, Result, bail};
use sqlx::AnyPool;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::Client;

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
        std::fs::create_dir_all(&config.dir)
            .with_context(|| format!("cannot make the folder {}", config.dir.display()))?;
        let keys = secrets::open(&config).await?;
        let pool = db::open(&config.database_url()).await?;
        let engine = connect(&config).await?;
        let audit = Audit::open(pool.clone()).await.map_err(|error| failed(&error))?;
        let identity = Identity::open(&config, &keys, pool.clone()).await?;
        let payments = billing::open(&config.billing)?;
        let accounts = Accounts::open(&config, pool.clone()).await.map_err(|e| failed(&e))?;
        let accounts = Arc::new(accounts);
        let bounds = config.trading.bounds();
        let events = Arc::new(Events::start(engine.clone(), config.engine.accounts, bounds));
        let market = Market::start(&engine, &config.market);
        let live = Live::start(&config.live, &market, &events, &accounts);
        let gateway = Arc::new(Self {
            ops: Ops::new(&config)?,
            idempotency: Idempotency::new(Sealer::open(&keys, &config.dir)?, pool.clone()),
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
        Ok(gateway)
    }
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
    let until = tokio::time::Instant::now() + ENGINE_PATIENCE;
    loop {
        match Client::connect(addr, Some(&token)).await {
            Ok(client) => return Ok(client),
            Err(error) if tokio::time::Instant::now() > until => {
                return Err(error)
                    .context("the engine cannot be reached; is tidegate run started?");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
