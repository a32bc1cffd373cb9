//! Names to addresses, with a cache and the run's overrides.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadhost_model::plan::HttpSettings;
use tokio::time::Instant;

use super::origin::Origin;
use super::outcome::{Failure, FailureKind};
use super::policy::split_port;
use super::shared::SetupError;

/// Names in the cache at most. The allow list bounds them, unless it is `*`.
const MAX_NAMES: usize = 1024;

/// Resolves names for all users of a shard.
#[derive(Debug)]
pub(super) struct Resolver {
    overrides: HashMap<(String, Option<u16>), (String, Option<u16>)>,
    ttl: Duration,
    names: Mutex<HashMap<String, Slot>>,
}

/// One name. The lock is held while it is looked up, so that ten thousand users who
/// start at once ask once.
type Slot = Arc<tokio::sync::Mutex<Option<Found>>>;

#[derive(Debug, Clone)]
struct Found {
    addresses: Arc<[IpAddr]>,
    until: Instant,
    /// Where the next connection begins, so that all addresses get their share.
    turn: usize,
}

impl Resolver {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, SetupError> {
        let mut overrides = HashMap::new();
        for (from, to) in &settings.host_overrides {
            let fault = || SetupError::Override(format!("{from}={to}"));
            let (name, port) = split_port(from).ok_or_else(fault)?;
            let (host, to_port) = split_port(to).ok_or_else(fault)?;
            if name.is_empty() || host.is_empty() {
                return Err(fault());
            }
            overrides.insert((name.to_ascii_lowercase(), port), (host.to_string(), to_port));
        }
        Ok(Self { overrides, ttl: settings.dns_ttl, names: Mutex::default() })
    }

    /// Addresses to dial for this origin, in the order to try them.
    pub(super) async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = self.overridden(origin);
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let addresses = self.lookup(host).await?;
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    fn overridden<'a>(&'a self, origin: &'a Origin) -> (&'a str, u16) {
        if self.overrides.is_empty() {
            return (&origin.host, origin.port);
        }
        let with_port = (origin.host.clone(), Some(origin.port));
        let found = self
            .overrides
            .get(&with_port)
            .or_else(|| self.overrides.get(&(origin.host.clone(), None)));
        match found {
            Some((host, port)) => (host, port.unwrap_or(origin.port)),
            None => (&origin.host, origin.port),
        }
    }

    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let slot = self.slot(host);
        let mut slot = slot.lock().await;
        let now = Instant::now();
        let found = match slot.take().filter(|found| now < found.until) {
            Some(found) => found,
            None => Found { addresses: ask(host).await?, until: now + self.ttl, turn: 0 },
        };
        let addresses = in_turn(&found.addresses, found.turn);
        *slot = Some(Found { turn: found.turn.wrapping_add(1), ..found });
        Ok(addresses)
    }

    fn slot(&self, host: &str) -> Slot {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = names.get(host) {
            return Arc::clone(slot);
        }
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        Arc::clone(names.entry(host.to_string()).or_default())
    }
}

/// Asks the system's resolver.
async fn ask(host: &str) -> Result<Arc<[IpAddr]>, Failure> {
    let fault = |why: &str| {
        Failure::new(FailureKind::Dns, format!("name `{host}` does not resolve: {why}"))
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    let found =
        tokio::net::lookup_host((host, 0)).await.map_err(|error| fault(&error.to_string()))?;
    for address in found {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() { Err(fault("it has no address")) } else { Ok(addresses.into()) }
}

/// The addresses of the family that the system prefers, beginning with the one whose turn it
/// is, alternating with the other family's (RFC 8305, 4).
fn in_turn(addresses: &[IpAddr], turn: usize) -> Vec<IpAddr> {
    let prefers_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == prefers_v6);
    for family in [&mut first, &mut second] {
        let shift = turn % family.len().max(1);
        family.rotate_left(shift);
    }
    let mut ordered = Vec::with_capacity(addresses.len());
    let mut second = second.into_iter();
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_addresses_take_turns() {
        let all = ips(&["10.0.0.1", "10.0.0.2", "::1"]);
        assert_eq!(in_turn(&all, 0), ips(&["10.0.0.1", "::1", "10.0.0.2"]));
        assert_eq!(in_turn(&all, 1), ips(&["10.0.0.2", "::1", "10.0.0.1"]));
        assert_eq!(in_turn(&[], 3), ips(&[]));
    }

    #[tokio::test]
    async fn an_override_replaces_address_and_port() {
        let overrides =
            [("a.test", "10.0.0.1"), ("b.test:80", "[::1]:8080"), ("c.test:81", "10.0.0.2")];
        let settings = HttpSettings {
            host_overrides: overrides.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            ..HttpSettings::default()
        };
        let resolver = Resolver::new(&settings).unwrap();
        let resolve = async |host: &str, port| {
            let origin = Origin { secure: false, host: host.into(), port, authority: host.into() };
            resolver.resolve(&origin).await.map(|found| found[0].to_string())
        };
        assert_eq!(resolve("a.test", 80).await.unwrap(), "10.0.0.1:80");
        assert_eq!(resolve("b.test", 80).await.unwrap(), "[::1]:8080");
        assert_eq!(resolve("c.test", 81).await.unwrap(), "10.0.0.2:81");
        assert_eq!(resolve("127.0.0.1", 1).await.unwrap(), "127.0.0.1:1");
        let unknown = resolve("c.test.invalid", 80).await.unwrap_err();
        assert_eq!(unknown.kind, FailureKind::Dns);
    }

    #[test]
    fn so_many_names_are_kept_and_no_more() {
        let resolver = Resolver::new(&HttpSettings::default()).unwrap();
        let kept = |n: usize| resolver.slot(&format!("n{n}.test"));
        let first = kept(0);
        (1..1_024).for_each(|n| drop(kept(n)));
        assert!(Arc::ptr_eq(&first, &kept(0)));
        kept(1_024);
        assert!(!Arc::ptr_eq(&first, &kept(0)), "the cache begins anew");
    }

    #[tokio::test]
    async fn a_name_is_asked_for_again_when_its_time_is_over() {
        let ttl = Duration::from_millis(40);
        let settings = HttpSettings { dns_ttl: ttl, ..HttpSettings::default() };
        let resolver = Resolver::new(&settings).unwrap();
        let until = async || {
            resolver.lookup("localhost").await.unwrap();
            resolver.slot("localhost").lock().await.as_ref().unwrap().until
        };
        let first = until().await;
        if Instant::now() < first {
            assert_eq!(until().await, first, "kept, so not asked for again");
        }
        tokio::time::sleep_until(first + Duration::from_millis(1)).await;
        assert!(until().await > first);
    }
}
