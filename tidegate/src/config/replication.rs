//! `[replication]`

use super::values::Within;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_replication::leader::{FOLLOWERS_MAX, Limits};
use tidegate_replication::lease::Timing;
use tidegate_replication::message::check_name;
use tidegate_replication::node::{LeaseConfig, NodeConfig};
use tidegate_replication::tls::Files;

/// `[replication]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// Where this node listens, UDP.
    pub listen: SocketAddr,
    /// Where the others reach it; `listen` if absent.
    pub address: Option<String>,
    /// The authority's certificate, PEM.
    pub authority: PathBuf,
    /// This node's certificate, PEM: its first DNS name is the node's name.
    pub certificate: PathBuf,
    /// The certificate's key, PEM.
    pub key: PathBuf,
    /// A follower in sync that is so far behind loses its place, if another is in sync.
    #[serde(default = "Replication::lag")]
    pub lag_ms: Within<10, 60_000>,
    /// The longest that a hand-over may take before the primary goes on.
    #[serde(default = "Replication::hand_over")]
    pub hand_over_ms: Within<100, 60_000>,
    /// The other nodes.
    pub peers: Vec<Peer>,
    /// Who is primary stands in a consensus store; without it, operators decide.
    pub lease: Option<Lease>,
}

/// `[[replication.peers]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where it is reached: a host and a port.
    pub address: String,
}

/// `[replication.lease]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The servers of etcd.
    pub etcd: Vec<String>,
    /// The key of the record.
    #[serde(default = "Lease::key")]
    pub key: String,
    /// How long a primary that says nothing stays primary.
    #[serde(default = "Lease::length")]
    pub lease_ms: Within<200, 60_000>,
}

impl Lease {
    fn key() -> String {
        "/tidegate/primary".into()
    }
    const fn length() -> Within<200, 60_000> {
        Within::new(1_000)
    }
}

impl Replication {
    const fn lag() -> Within<10, 60_000> {
        Within::new(1_000)
    }
    const fn hand_over() -> Within<100, 60_000> {
        Within::new(2_000)
    }

    /// Checks what no single key can say.
    pub(super) fn check(&self) -> Result<()> {
        let count = self.peers.len();
        ensure!(
            (1..=FOLLOWERS_MAX).contains(&count),
            "{count} [[replication.peers]]: 1 to {FOLLOWERS_MAX} are allowed"
        );
        for (at, peer) in self.peers.iter().enumerate() {
            check_name(&peer.name)?;
            let is_twice = self.peers[..at].iter().any(|other| other.name == peer.name);
            ensure!(!is_twice, "'{}' is in [[replication.peers]] twice", peer.name);
            let port = peer.address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            let is_address = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            ensure!(
                is_address,
                "'{}' of peer '{}' is no address: host:port",
                peer.address,
                peer.name
            );
            let is_own = peer.address == self.address();
            ensure!(!is_own, "peer '{}' has this node's own address", peer.name);
        }
        Ok(())
    }

    /// Where the others reach this node.
    pub fn address(&self) -> String {
        self.address.clone().unwrap_or_else(|| self.listen.to_string())
    }

    /// The certificates.
    pub fn files(&self) -> Files {
        Files {
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }

    /// The node that this describes.
    pub fn node(&self) -> NodeConfig {
        let lag_max = Duration::from_millis(self.lag_ms.get());
        NodeConfig {
            listen: self.listen,
            address: self.address(),
            peers: self
                .peers
                .iter()
                .map(|peer| (peer.name.clone(), peer.address.clone()))
                .collect(),
            limits: Limits { lag_max, ..Limits::default() },
            lease: self.lease.as_ref().map(|lease| LeaseConfig {
                etcd: lease.etcd.clone(),
                key: lease.key.clone(),
                timing: Timing::of_lease(Duration::from_millis(lease.lease_ms.get())),
            }),
            hand_over_max: Duration::from_millis(self.hand_over_ms.get()),
        }
    }
}
