//! Where a worker is asked how it is: health and metrics, at a port each or both at one.

use std::net::SocketAddr;

use loadhost_cluster::{AgentLink, Connection};
use loadhost_web::ops::{NotReady, Ops, Role, Shown};
use tokio_util::sync::CancellationToken;

use crate::broker;
use crate::config::{Effective, Origin};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::ops::{self, Bound, Door, Port, Served};

const ALL: &str = "worker.listen";
/// What is served where nothing else is said, unless somebody else is there.
const PARTS: [(&str, Shown); 2] =
    [("worker.health-listen", Shown::Health), ("worker.metrics-listen", Shown::Metrics)];

/// Settings that are ports of this worker.
pub(super) const PORTS: [&str; 3] = [ALL, PARTS[0].0, PARTS[1].0];

/// Ports that were taken, and what is shown there.
pub(super) struct Faces(Vec<(Bound, Shown)>);

/// A port that is to be taken, what is shown there, and whether nobody asked for it.
pub(super) struct Wanted {
    door: Door,
    shown: Shown,
    is_default: bool,
}

/// Ports that the settings give.
pub(super) fn doors(settings: &Effective) -> Result<Vec<Wanted>, Failure> {
    let ports = wanted(settings)?.into_iter().map(|(key, address, shown)| {
        let door = Door::of_worker(settings, Port { key, address, serves: words(shown) })?;
        Ok(Wanted { door, shown, is_default: is_default(settings, key) })
    });
    ports.collect()
}

impl Faces {
    /// Takes these ports. A default that is in use is told and done without.
    ///
    /// # Errors
    /// If a port that was given cannot be had.
    pub(super) async fn bind(doors: Vec<Wanted>) -> Result<Self, Failure> {
        let mut bound = Vec::new();
        for Wanted { door, shown, is_default } in doors {
            let port = door.port;
            match ops::bind_worker(door).await {
                Ok(at) => bound.push((at, shown)),
                Err(failure) if is_default && failure.code == ExitCode::PortInUse => {
                    let (address, what, flag) = (port.address, port.serves, port.flag());
                    say!(
                        "note: {address} is in use, so {what} cannot be asked of this worker; give \
                         another port with {flag} HOST:PORT"
                    );
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(Self(bound))
    }

    /// Answers there until `stop`, and pushes metrics if they have a collector.
    pub(super) fn serve(self, faces: &Ops, stop: &CancellationToken) -> Vec<Served> {
        let ports = self.0.into_iter();
        let ports = ports.map(|(at, shown)| at.serve(faces.clone().only(shown), stop.clone()));
        ports.chain(ops::serve(None, faces.clone(), stop.clone())).collect()
    }
}

/// Port by port. Two of the same address are one.
fn wanted(settings: &Effective) -> Result<Vec<(&'static str, SocketAddr, Shown)>, Failure> {
    let all = settings.address(ALL)?;
    let mut ports = Vec::from_iter(all.map(|address| (ALL, address, Shown::All)));
    for (key, shown) in PARTS {
        if all.is_some() && is_default(settings, key) {
            continue;
        }
        let Some(address) = settings.address(key)? else { continue };
        let same = ports.iter_mut().find(|(_, known, _)| *known == address && known.port() != 0);
        match same {
            Some(known) => known.2 = Shown::All,
            None => ports.push((key, address, shown)),
        }
    }
    Ok(ports)
}

fn is_default(settings: &Effective, key: &str) -> bool {
    settings.item(key).is_none_or(|item| item.origin == Origin::Default)
}

fn words(shown: Shown) -> &'static str {
    match shown {
        Shown::All => "/health, /ready and /metrics",
        Shown::Health => "/health and /ready",
        Shown::Metrics => "/metrics",
    }
}

/// Of this worker. `asked` is cancelled once this process was told to stop.
pub(super) fn of(connection: &Connection, link: &AgentLink, asked: &CancellationToken) -> Ops {
    let asked = asked.clone();
    let (leader, broker) = (link.leader.clone(), connection.clone());
    let ready = move || {
        if asked.is_cancelled() {
            let why = "this worker was told to stop, and its users go to others";
            return Err(NotReady::Draining(why.to_string()));
        }
        if !broker.connected() {
            return Err(
                format!("the NATS server at {} is not connected", broker.addresses()).into()
            );
        }
        if leader.borrow().is_none() {
            return Err("no master leads".to_string().into());
        }
        Ok(())
    };
    Ops::new(Role::Worker(link.status.clone()))
        .ready_if(ready)
        .counting(broker::counters(connection))
        .with_broker(broker::state(connection))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::tests::flags;

    fn ports(given: &[(&str, &str)]) -> Vec<(String, Shown)> {
        let wanted = wanted(&Effective::of([flags(given)])).unwrap().into_iter();
        wanted.map(|(_, address, shown)| (address.to_string(), shown)).collect()
    }

    #[test]
    fn health_and_metrics_have_a_port_each_or_share_one() {
        let of = |all: &[(&str, Shown)]| -> Vec<_> {
            all.iter().map(|(address, shown)| ((*address).to_string(), *shown)).collect()
        };
        let (health, metrics) = ("127.0.0.1:8080", "127.0.0.1:9090");
        assert_eq!(ports(&[]), of(&[(health, Shown::Health), (metrics, Shown::Metrics)]));
        let one = "127.0.0.1:7000";
        assert_eq!(ports(&[(ALL, one)]), of(&[(one, Shown::All)]));
        assert_eq!(
            ports(&[("worker.health-listen", one)]),
            of(&[(one, Shown::Health), (metrics, Shown::Metrics)])
        );
        let both = [("worker.health-listen", one), ("worker.metrics-listen", one)];
        assert_eq!(ports(&both), of(&[(one, Shown::All)]));
        assert_eq!(
            ports(&[(ALL, one), ("worker.metrics-listen", metrics)]),
            of(&[(one, Shown::All), (metrics, Shown::Metrics)])
        );
        let any = "127.0.0.1:0";
        let both = [("worker.health-listen", any), ("worker.metrics-listen", any)];
        assert_eq!(ports(&both), of(&[(any, Shown::Health), (any, Shown::Metrics)]));
    }
}
