//! What a scenario may reach: first by name, then by each resolved address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::origin::Origin;
use super::outcome::Failure;
use super::shared::SetupError;

/// The target, the allow list, and what the worker's operator granted.
#[derive(Debug)]
pub(super) struct Policy {
    target: Option<(String, u16)>,
    allowed: Vec<Pattern>,
    private: bool,
    refused: Vec<SocketAddr>,
}

/// An entry of the allow list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    name: Name,
    /// None: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    /// With the dot: `.example.com`.
    Below(String),
    Exactly(String),
}

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Public,
    /// Loopback and private networks.
    Private,
    /// Link-local, metadata services, multicast, reserved.
    Special,
}

impl Policy {
    pub(super) fn new(
        target: Option<&Origin>,
        allow_hosts: &[String],
        private: bool,
        refused: Vec<SocketAddr>,
    ) -> Result<Self, SetupError> {
        let allowed =
            allow_hosts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        let target = target.map(|origin| (origin.host.clone(), origin.port));
        Ok(Self { target, allowed, private, refused })
    }

    /// Whether the run may talk to this host at all.
    pub(super) fn check_name(&self, origin: &Origin) -> Result<(), Failure> {
        let fits = self.is_target_host(&origin.host)
            || self.allowed.iter().any(|pattern| pattern.fits(&origin.host, origin.port));
        if fits {
            return Ok(());
        }
        Err(Failure::denied(format!(
            "host `{}` is neither the target nor on the run's allow list: add it with --allow-host",
            origin.host
        )))
    }

    /// Whether this address of the host may be dialled.
    pub(super) fn check_address(
        &self,
        origin: &Origin,
        address: SocketAddr,
    ) -> Result<(), Failure> {
        let ip = normalise(address.ip());
        let is_refused = |refused: &SocketAddr| {
            normalise(refused.ip()) == ip
                && (refused.port() == 0 || refused.port() == address.port())
        };
        if self.refused.iter().any(is_refused) {
            return Err(Failure::denied(format!(
                "host `{}` is a part of the fleet itself",
                origin.host
            )));
        }
        let is_target = self.is_target_host(&origin.host);
        // A name may be pointed anywhere by whoever runs its zone. An address as target
        // says what its author meant.
        let is_literal = origin.host.parse::<IpAddr>().is_ok_and(|host| normalise(host) == ip);
        match range(ip) {
            Range::Public => Ok(()),
            Range::Private if is_target || self.private => Ok(()),
            Range::Special if is_target && is_literal => Ok(()),
            Range::Private => Err(Failure::denied(format!(
                "host `{}` has a private address: the worker's operator grants these with --allow-private",
                origin.host
            ))),
            Range::Special => Err(Failure::denied(format!(
                "host `{}` has a link-local, metadata, multicast or reserved address",
                origin.host
            ))),
        }
    }

    fn is_target_host(&self, host: &str) -> bool {
        self.target.as_ref().is_some_and(|(target, _)| target == host)
    }
}

impl Pattern {
    /// `name`, `name:port`, `*.name`, `*`; IPv6 addresses with a port in brackets.
    fn parse(text: &str) -> Result<Self, SetupError> {
        let fault = || SetupError::AllowHost(text.to_string());
        let trimmed = text.trim().to_ascii_lowercase();
        let (name, port) = split_port(&trimmed).ok_or_else(fault)?;
        let name = match name {
            "*" => Name::Any,
            "" => return Err(fault()),
            name => match name.strip_prefix('*') {
                Some(rest) if rest.len() > 1 && rest.starts_with('.') && !rest.contains('*') => {
                    Name::Below(rest.to_string())
                }
                None if !name.contains(['*', '/', ' ']) => {
                    // Addresses are compared in their shortest form.
                    let canonical = name.parse::<IpAddr>().map(|address| address.to_string());
                    Name::Exactly(canonical.unwrap_or_else(|_| name.to_string()))
                }
                _ => return Err(fault()),
            },
        };
        Ok(Self { name, port })
    }

    fn fits(&self, host: &str, port: u16) -> bool {
        let name_fits = match &self.name {
            Name::Any => true,
            Name::Below(suffix) => host.ends_with(suffix.as_str()) && host.len() > suffix.len(),
            Name::Exactly(name) => name == host,
        };
        name_fits && self.port.is_none_or(|wanted| wanted == port)
    }
}

/// Splits `name:port`, `[v6]:port`, `[v6]`, `v6` and `name`. None: the port is no number.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

/// The IPv4 address inside of v4-mapped, v4-compatible, 6to4 and NAT64 addresses.
fn normalise(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let s = v6.segments();
    let embedded =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => embedded(s[6], s[7]),
        [0x2002, high, low, ..] => embedded(high, low),
        _ => ip,
    }
}

fn range(ip: IpAddr) -> Range {
    match ip {
        IpAddr::V4(ip) => range_v4(ip),
        IpAddr::V6(ip) => range_v6(ip),
    }
}

fn range_v4(ip: Ipv4Addr) -> Range {
    match ip.octets() {
        [127, ..] | [10, ..] | [192, 168, ..] => Range::Private,
        [172, second, ..] if (16..32).contains(&second) => Range::Private,
        // Shared address space of carriers, but for Alibaba's metadata service in it.
        [100, 100, 100, 200] => Range::Special,
        [100, second, ..] if (64..128).contains(&second) => Range::Private,
        [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [224..=255, ..] => Range::Special,
        // Documentation and benchmarking networks.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18 | 19, ..] => {
            Range::Special
        }
        _ => Range::Public,
    }
}

fn range_v6(ip: Ipv6Addr) -> Range {
    match ip.segments() {
        _ if ip == Ipv6Addr::LOCALHOST => Range::Private,
        _ if ip == Ipv6Addr::UNSPECIFIED => Range::Special,
        // AWS's metadata service stands in the private range.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Range::Special,
        [0xfc00..=0xfdff, ..] => Range::Private,
        [0xfe80..=0xffff, ..] | [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] => Range::Special,
        _ => Range::Public,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn origin(host: &str, port: u16) -> Origin {
        Origin { secure: false, host: host.to_string(), port, authority: host.to_string() }
    }

    fn policy(target: &str, allowed: &[&str], private: bool) -> Policy {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Policy::new(Some(&origin(target, 80)), &allowed, private, Vec::new()).unwrap()
    }

    fn name(policy: &Policy, host: &str, port: u16) -> bool {
        policy.check_name(&origin(host, port)).is_ok()
    }

    fn address(policy: &Policy, host: &str, ip: &str) -> bool {
        policy.check_address(&origin(host, 80), SocketAddr::new(ip.parse().unwrap(), 80)).is_ok()
    }

    #[test]
    fn names_are_allowed_by_target_and_list() {
        let policy = policy("shop.test", &["cdn.test", "api.test:8080", "*.img.test"], false);
        for (host, port, allowed) in [
            ("shop.test", 80, true),
            ("shop.test", 9999, true),
            ("cdn.test", 1, true),
            ("api.test", 8080, true),
            ("api.test", 80, false),
            ("a.img.test", 80, true),
            ("img.test", 80, false),
            ("evilcdn.test", 80, false),
            ("evil-img.test", 80, false),
        ] {
            assert_eq!(name(&policy, host, port), allowed, "{host}:{port}");
        }
        assert!(name(&super::tests::policy("t", &["*"], false), "anything", 1));
    }

    #[test]
    fn private_addresses_belong_to_the_target_or_are_granted() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.31.0.1",
            "::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(address(&policy("shop", &[], false), "shop", ip), "{ip}");
            assert!(!address(&policy("shop", &["*"], false), "other", ip), "{ip}");
            assert!(address(&policy("shop", &["*"], true), "other", ip), "{ip}");
        }
    }

    #[test]
    fn metadata_is_refused_in_every_disguise() {
        for ip in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fd00:ec2::254",
            "192.0.0.192",
            "100.100.100.200",
            "fe80::1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "::",
            "ff02::1",
        ] {
            let policy = policy("shop", &["*"], true);
            assert!(!address(&policy, "other", ip), "{ip}");
            assert!(!address(&policy, "shop", ip), "a name that points to {ip}");
        }
        let literal = policy("169.254.169.254", &[], false);
        assert!(address(&literal, "169.254.169.254", "169.254.169.254"), "the target itself");
    }

    #[test]
    fn the_fleet_is_refused_even_as_target() {
        let refused = vec!["10.0.0.9:4222".parse().unwrap(), "10.0.0.8:0".parse().unwrap()];
        let policy = Policy::new(Some(&origin("nats", 4222)), &[], true, refused).unwrap();
        let dial = |ip: &str, port| {
            policy.check_address(&origin("nats", port), SocketAddr::new(ip.parse().unwrap(), port))
        };
        assert!(dial("10.0.0.9", 4222).is_err() && dial("::ffff:10.0.0.9", 4222).is_err());
        assert!(dial("10.0.0.8", 1234).is_err(), "port 0 means every port");
        assert!(dial("10.0.0.9", 80).is_ok());
    }

    #[test]
    fn a_malformed_allow_list_is_an_error() {
        for text in ["", "*x", "a b", "http://x", "x:port", "*.", "a*b", "[::1"] {
            let list = [text.to_string()];
            assert!(Policy::new(None, &list, false, Vec::new()).is_err(), "{text}");
        }
    }
}
