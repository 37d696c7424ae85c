//! From where a request comes.

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::gateway::Gateway;

/// What proxies say they speak for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// An address, or a network of them: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "IpNet")]
pub struct Network(IpNet);

impl Network {
    /// Whether `ip` is in it.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl From<Network> for IpNet {
    fn from(network: Network) -> Self {
        network.0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
        let network = text.parse::<IpNet>().ok().or_else(address);
        // Addresses are compared in their canonical form: nothing would be in another's network.
        let network = network.filter(|network| network.addr() == network.addr().to_canonical());
        let bad =
            || format!("'{}' is no address or network such as 10.0.0.0/8", text.escape_debug());
        network.map(|network| Self(network.trunc())).ok_or_else(bad)
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What counts as one place: one IPv4 address, or the /64 that one customer has of IPv6.
pub fn place(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// From where a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address: of the client, if a trusted proxy says it.
    pub ip: IpAddr,
    /// Whether it was made on this machine, not through any proxy.
    pub is_local: bool,
}

impl Origin {
    /// Nobody knows.
    const UNKNOWN: Self = Self { ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), is_local: false };

    fn new(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.has(ip));
        let is_local = peer.is_loopback() && !headers.contains_key(FORWARDED_FOR);
        if !is_trusted(peer) {
            return Self { ip: peer, is_local };
        }
        // Each proxy writes who called it at the end: the last one that is no proxy of ours is the client.
        let said = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<_> = said.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut ip = peer;
        for hop in hops.iter().rev() {
            let Ok(hop) = hop.parse::<IpAddr>() else { break };
            ip = hop.to_canonical();
            if !is_trusted(ip) {
                break;
            }
        }
        Self { ip, is_local }
    }

    /// That of a request on which [`locate`] was.
    pub fn of(extensions: &axum::http::Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self::UNKNOWN)
    }
}

/// Finds out from where a request comes.
pub fn locate(gateway: &Gateway, request: &mut Request) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let trusted = &gateway.config.limits.trusted_proxies;
    let origin = peer.map(|peer| Origin::new(peer, request.headers(), trusted));
    request.extensions_mut().insert(origin.unwrap_or(Origin::UNKNOWN));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_addresses_and_no_others() {
        for (network, ip, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let read: Network = network.parse().expect(network);
            assert_eq!(read.has(ip.parse().expect(ip)), is_in, "{network} {ip}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "example.org"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_wrote() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        for (peer, said, ip) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            // What the client itself wrote stands before it.
            ("10.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, said.parse().expect("a value"));
            let origin = Origin::new(peer.parse().expect(peer), &headers, &trusted);
            assert_eq!(origin.ip.to_string(), ip, "{peer} {said}");
            assert!(!origin.is_local);
        }
        let local = Origin::new(IpAddr::from([127, 0, 0, 1]), &HeaderMap::new(), &trusted);
        assert!(local.is_local);
    }
}
