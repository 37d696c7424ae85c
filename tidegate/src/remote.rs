//! A running server, as commands of this binary reach it.

use anyhow::{Context, Result, bail};
use std::future::Future;
use tidegate_client::proto;
use tidegate_client::{Client, ClientError, ReleaseLevel};

/// Where the server is, and who asks.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Where the server listens; of a deployment with standbys all nodes, with commas between them
    #[arg(long, default_value = "http://127.0.0.1:7800", value_name = "ADDRESS", global = true)]
    addr: String,
    /// The token; better in the environment as TIDEGATE_TOKEN, where the other users of the machine do not see it
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
}

impl ServerArgs {
    /// A server whose address and token are known.
    pub fn new(addr: String, token: String) -> Self {
        Self { addr, token: Some(token) }
    }

    /// Asks the server something and waits for the answer.
    pub fn ask<T, F>(&self, ask: impl FnOnce(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.ask_at(None, ask)
    }

    /// The same with an answer that waits for `level` as well.
    pub fn ask_at<T, F>(
        &self,
        level: Option<ReleaseLevel>,
        ask: impl FnOnce(Client) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let token = self.token.clone().or_else(|| std::env::var("TIDEGATE_TOKEN").ok());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the client's thread")?;
        let asked = runtime.block_on(async {
            let client = Client::connect(&self.addr, token.as_deref()).await?;
            ask(level.map_or(client.clone(), |level| client.with_release_level(level))).await
        });
        asked.map_err(|error| match hint(&error, &self.addr, token.is_some()) {
            Some(hint) => anyhow::Error::from(error).context(hint),
            None => error.into(),
        })
    }
}

/// What to do about an error, where it does not say so itself.
fn hint(error: &ClientError, addr: &str, has_token: bool) -> Option<String> {
    if error.is_unauthenticated() && !has_token {
        return Some("a token is needed: in TIDEGATE_TOKEN, or by --token".into());
    }
    let says_so = matches!(error, ClientError::Connect { .. });
    (error.is_unreachable() && !says_so)
        .then(|| format!("cannot connect to {addr}; is `tidegate run` up, and listening there?"))
}

/// Ends with the refusal, if there is one.
pub fn unless_refused(reject: Option<&proto::Reject>) -> Result<()> {
    let Some(reject) = reject else { return Ok(()) };
    let proto::Reject { code, limit, value, text, .. } = reject;
    bail!("refused: {code}: {text} (limit {limit}, value {value})")
}
