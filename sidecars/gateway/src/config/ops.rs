//! How the gateway meets the network, and how it is watched.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::http::origin::Network;

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a minute of one user, with all credentials together.
    pub user_per_minute: NonZeroU32,
    /// How many of them may come at once.
    pub user_burst: NonZeroU32,
    /// Requests a minute of one API key.
    pub key_per_minute: NonZeroU32,
    /// How many of them may come at once.
    pub key_burst: NonZeroU32,
    /// Requests a minute of one address to one route that is open to strangers, and failures to log in to one that is not.
    pub open_per_minute: NonZeroU32,
    /// How many of them may come at once.
    pub open_burst: NonZeroU32,
    /// Requests a minute of strangers at one address to the market.
    pub market_per_minute: NonZeroU32,
    /// How many of them may come at once.
    pub market_burst: NonZeroU32,
    /// Connections in all.
    pub connections: u32,
    /// Connections of one address (of IPv6: one /64).
    pub connections_per_ip: u32,
    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Vec<Network>,
}

/// `[tls]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that vouch for it (PEM); empty: no TLS.
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// `[cors]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Pages of other origins that may call, each `https://HOST[:PORT]`.
    pub origins: Vec<String>,
}

/// `[telemetry]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// A collector of OpenTelemetry traces, `http://HOST:4317` (OTLP over gRPC); empty: none.
    pub otlp: String,
    /// Whoever sends it as bearer may read `/metrics` from elsewhere; empty: only this machine may.
    pub metrics_token: String,
}

/// `[secrets]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Where the gateway's secret is.
    pub source: SecretSource,
    /// Of `environment`: the variable.
    pub variable: String,
    /// Of `vault`: where it is, e.g. `https://vault.example.org:8200`.
    pub vault_addr: String,
    /// Of `vault`: the path below `/v1/`, e.g. `secret/data/tidegate` of a KV store of version 2.
    pub vault_path: String,
    /// Of `vault`: the file with the token; empty: `VAULT_TOKEN` of the environment.
    pub vault_token_file: PathBuf,
}

/// Where the gateway's secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// In the file `secret` of `dir`, made at the first start.
    #[default]
    File,
    /// In a variable of the environment.
    Environment,
    /// In a HashiCorp Vault.
    Vault,
}

impl Default for Limits {
    fn default() -> Self {
        const fn count(count: u32) -> NonZeroU32 {
            NonZeroU32::new(count).expect("it is not zero")
        }
        Self {
            user_per_minute: count(1_000),
            user_burst: count(100),
            key_per_minute: count(1_000),
            key_burst: count(100),
            open_per_minute: count(100),
            open_burst: count(20),
            market_per_minute: count(1_000),
            market_burst: count(100),
            connections: 16_384,
            connections_per_ip: 1_024,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            source: SecretSource::File,
            variable: "TIDEGATE_GATEWAY_SECRET".into(),
            vault_addr: String::new(),
            vault_path: "secret/data/tidegate".into(),
            vault_token_file: PathBuf::new(),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.connections >= 1, "limits.connections: 1 at least");
        ensure!(self.connections_per_ip >= 1, "limits.connections_per_ip: 1 at least");
        Ok(())
    }
}

impl Tls {
    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        !self.cert.as_os_str().is_empty()
    }

    pub(super) fn check(&self) -> Result<()> {
        let has_key = !self.key.as_os_str().is_empty();
        ensure!(self.is_on() == has_key, "tls: cert and key go together");
        Ok(())
    }
}

impl Cors {
    pub(super) fn check(&self) -> Result<()> {
        for origin in &self.origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_origin = host.is_some_and(|host| {
                !host.is_empty()
                    && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
            });
            ensure!(is_origin, "cors.origins: '{origin}' is no origin such as https://example.org");
        }
        Ok(())
    }
}

impl Telemetry {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            self.otlp.is_empty()
                || self.otlp.starts_with("http://")
                || self.otlp.starts_with("https://"),
            "telemetry.otlp: http://HOST:4317, or empty"
        );
        let length = self.metrics_token.len();
        ensure!(length == 0 || length >= 16, "telemetry.metrics_token: 16 characters at least");
        Ok(())
    }
}

impl Secrets {
    pub(super) fn check(&self) -> Result<()> {
        if self.source == SecretSource::Vault {
            let addr = &self.vault_addr;
            let is_url = addr.starts_with("https://") || addr.starts_with("http://");
            is_url.then_some(()).context("secrets.vault_addr: https://HOST:PORT")?;
            ensure!(!self.vault_path.is_empty(), "secrets.vault_path: where the secret is");
        }
        Ok(())
    }
}
