//! Who asks through a proxy: believed only from proxies that are named, whatever others write into their headers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap};

use super::guard::Peer;
use super::session::Wire;

/// Networks that may be named.
const MOST: usize = 64;
/// Proxies behind each other that are looked at.
const HOPS: usize = 32;

/// Who asks, and how their exchange with us, or with the first proxy, is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Of the browser or program.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub wire: Wire,
}

impl Caller {
    /// Of a request that the guard has let through; else nowhere.
    pub fn of(extensions: &Extensions) -> Self {
        let nowhere = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), wire: Wire::Plain };
        extensions.get::<Self>().copied().unwrap_or(nowhere)
    }
}

/// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Arc<[Network]>);

/// Addresses whose first bits are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

/// Why a text names no proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProxies {
    /// Not an address, or not so many bits.
    #[error("`{0}` is no address or network; write 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
    NoNetwork(String),
    /// Everybody could say who they are.
    #[error("`{0}` is everybody; name the proxies' own addresses")]
    Everybody(String),
    /// Each request looks through them.
    #[error("{0} networks are named, and {MOST} are the most; join some")]
    TooMany(usize),
}

impl FromStr for Network {
    type Err = NoProxies;

    fn from_str(text: &str) -> Result<Self, NoProxies> {
        let wrong = || NoProxies::NoNetwork(text.to_string());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let address = address.to_canonical();
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        match bits {
            0 => Err(NoProxies::Everybody(text.to_string())),
            bits if bits > all => Err(wrong()),
            bits => Ok(Self { address, bits }),
        }
    }
}

impl Network {
    fn has(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Proxies {
    type Err = NoProxies;

    fn from_str(text: &str) -> Result<Self, NoProxies> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(str::parse).collect::<Result<Vec<Network>, _>>()?;
        match networks.len() {
            count if count > MOST => Err(NoProxies::TooMany(count)),
            _ => Ok(Self(networks.into())),
        }
    }
}

impl Proxies {
    /// Nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn have(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// Who asks over a connection from `peer`, on which we speak `ours`.
    pub(super) fn caller(&self, peer: Option<Peer>, ours: Wire, headers: &HeaderMap) -> Caller {
        let Some(Peer(peer)) = peer else {
            return Caller { wire: ours, ..Caller::of(&Extensions::new()) };
        };
        let address = peer.ip().to_canonical();
        if !self.have(address) {
            return Caller { address, wire: ours };
        }
        let wire = match last(headers, "x-forwarded-proto") {
            Some("https") => Wire::Encrypted,
            _ => ours,
        };
        Caller { address: self.beyond(address, headers), wire }
    }

    /// The first address, seen from us, that is no proxy of ours. Each proxy adds at the end whom it speaks with, so what
    /// stands further ahead is hearsay.
    fn beyond(&self, nearest: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for").into_iter().rev();
        let mut said = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')).take(HOPS);
        let mut found = nearest;
        while self.have(found) {
            let Some(address) = said.next().and_then(address) else { break };
            found = address;
        }
        found
    }
}

/// The last word of a list in a header: what the nearest proxy said.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).into_iter().next_back()?;
    line.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// With or without a port; some write brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caller(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
        let proxies: Proxies = "127.0.0.1, 10.0.0.0/8,fd00::/16".parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = Peer(SocketAddr::new(peer.parse().unwrap(), 4711));
        let Caller { address, wire } = proxies.caller(Some(peer), Wire::Plain, &headers);
        (address.to_string(), wire == Wire::Encrypted)
    }

    #[test]
    fn a_named_proxy_says_who_asks() {
        let one = |peer, said| caller(peer, &[("x-forwarded-for", said)]).0;
        assert_eq!(one("127.0.0.1", "192.0.2.7"), "192.0.2.7");
        assert_eq!(one("::ffff:127.0.0.1", "192.0.2.7:5000"), "192.0.2.7");
        assert_eq!(one("fd00::5", "[2001:db8::1]:80"), "2001:db8::1");
        assert_eq!(one("fd00::5", "[2001:db8::1]"), "2001:db8::1");
        assert_eq!(one("10.1.2.3", "::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(one("127.0.0.1", "192.0.2.7, 10.9.9.9"), "192.0.2.7", "two proxies of ours");
        assert_eq!(one("127.0.0.1", "10.0.0.1"), "10.0.0.1", "a program beside the proxy");
        let lines = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(caller("127.0.0.1", &lines).0, "192.0.2.7", "over several lines");
    }

    #[test]
    fn nobody_else_can_say_who_they_are() {
        let one = |peer, said| caller(peer, &[("x-forwarded-for", said)]).0;
        assert_eq!(one("192.0.2.9", "127.0.0.1"), "192.0.2.9", "not a proxy");
        assert_eq!(one("11.0.0.1", "192.0.2.7"), "11.0.0.1", "not in the network");
        assert_eq!(one("fd01::5", "192.0.2.7"), "fd01::5");
        assert_eq!(one("127.0.0.1", "127.0.0.1, 192.0.2.9"), "192.0.2.9", "what it wrote itself");
        assert_eq!(one("127.0.0.1", "8.8.8.8, unknown"), "127.0.0.1", "hidden: the proxy itself");
        assert_eq!(one("127.0.0.1", "8.8.8.8, \u{e9}"), "127.0.0.1");
        assert_eq!(one("127.0.0.1", ""), "127.0.0.1");
        let endless = vec!["10.0.0.1"; 5_000].join(",");
        assert_eq!(one("127.0.0.1", &endless), "10.0.0.1");
    }

    #[test]
    fn only_a_named_proxy_says_that_there_is_tls_before_it() {
        let one = |peer, said| caller(peer, &[("x-forwarded-proto", said)]).1;
        assert!(one("127.0.0.1", "https") && one("10.0.0.1", "http, https"));
        assert!(!one("192.0.2.9", "https") && !one("127.0.0.1", "http"));
        assert!(!one("127.0.0.1", "https, http") && !one("127.0.0.1", "HTTPS!"));
    }

    #[test]
    fn what_names_no_proxies_is_told() {
        let wrong = |text: &str| text.parse::<Proxies>().unwrap_err().to_string();
        for text in ["proxy.example", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong(text).contains("10.0.0.0/8"), "{text}: {}", wrong(text));
        }
        assert!(wrong("10.0.0.1,0.0.0.0/0").contains("everybody"));
        assert!(wrong(&"10.0.0.1,".repeat(65)).contains("64"));
        assert!("".parse::<Proxies>().unwrap().is_empty());
    }
}
