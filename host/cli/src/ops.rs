//! Where a process is asked how it is, and told what to do: health, metrics and API.

use std::net::{Ipv4Addr, SocketAddr};

use loadhost_web::access::{
    Access, BasePath, Doors, Front, NoProxies, Proxies, Reach, Tls, Users, Wire,
};
use loadhost_web::ops::{Exposure, ListenError, Ops, may_listen};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Where a master listens unless it is told otherwise, and where it is looked for.
pub(crate) const MASTER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8089);

const USERS: &str = "give --web-users a file that `loadhost user add NAME` has made";
const PEM: &str = "give --tls-cert and --tls-key files in PEM that this user may read";

/// Each takes a file, and memory for its buffers.
const MOST_CONNECTIONS: u32 = 1_000_000;

/// What was spawned; ends when its token is cancelled.
pub(crate) type Served = JoinHandle<std::io::Result<()>>;

/// Listens at this door, if there is one, and says where.
pub(crate) async fn bind(door: Option<Door>) -> Result<Option<Front>, Failure> {
    let Some(door) = door else { return Ok(None) };
    let front = door.take().await?;
    say!("listening on {}", shown_url(&front));
    say!("page: {}/", url(&front));
    Ok(Some(front))
}

/// A port that somebody listens at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    /// The option that gives it.
    pub(crate) key: &'static str,
    pub(crate) address: SocketAddr,
    /// What is asked there, for people.
    pub(crate) serves: &'static str,
}

impl Port {
    /// On the command line.
    pub(crate) fn flag(&self) -> &'static str {
        match self.key {
            "worker.health-listen" => "--health-listen",
            "worker.metrics-listen" => "--metrics-listen",
            _ => "--listen",
        }
    }
}

/// A worker's port, taken.
pub(crate) struct Bound(Front);

impl Bound {
    /// Answers there.
    pub(crate) fn serve(self, ops: Ops, stop: CancellationToken) -> Served {
        tokio::spawn(loadhost_web::ops::serve(self.0, ops, stop))
    }
}

/// Listens at a port of a worker, and says where.
pub(crate) async fn bind_worker(door: Door) -> Result<Bound, Failure> {
    let serves = door.port.serves;
    let front = door.take().await?;
    say!("listening on {} ({serves})", shown_url(&front));
    Ok(Bound(front))
}

/// A port that is to be listened at, and how others get in: all that can be wrong with it is told but whether it
/// can be had, so that nobody joins a fleet first.
pub(crate) struct Door {
    way: Way,
    pub(crate) port: Port,
}

impl Door {
    /// Where `--listen` of a master or a run says, or else at `default`. None: nowhere.
    pub(crate) fn of_master(
        settings: &Effective,
        default: Option<SocketAddr>,
    ) -> Result<Option<Self>, Failure> {
        let key = "listen";
        let way = Way::of_master(settings)?;
        let Some(address) = settings.address(key)?.or(default) else { return Ok(None) };
        Self::new(way, Port { key, address, serves: "/health, /ready and /metrics" }).map(Some)
    }

    /// A port of a worker.
    pub(crate) fn of_worker(settings: &Effective, port: Port) -> Result<Self, Failure> {
        Self::new(Way::of_worker(settings)?, port)
    }

    fn new(way: Way, port: Port) -> Result<Self, Failure> {
        let may = may_listen(port.address, way.exposure, port.flag(), way.allow);
        may.map_err(|error| not_served(port, &error))?;
        Ok(Self { way, port })
    }

    async fn take(self) -> Result<Front, Failure> {
        let Self { way, port } = self;
        let bound = loadhost_web::ops::bind(port.address, way.exposure, port.flag(), way.allow);
        let listener = bound.await.map_err(|error| not_served(port, &error))?;
        let access = way.access(listener.local_addr().unwrap_or(port.address))?;
        Ok(Front { listener, access, doors: way.doors })
    }
}

fn not_served(port: Port, error: &ListenError) -> Failure {
    let failure = |code| Failure::new(code, format!("{} cannot be served", port.serves));
    match error {
        ListenError::InUse { .. } => failure(ExitCode::PortInUse).because(error),
        // What they say ends with the remedy.
        ListenError::Exposed { .. } | ListenError::Refused { .. } => {
            failure(ExitCode::Configuration).because(error).hint("")
        }
    }
}

/// As it is said when a process begins to listen.
fn shown_url(front: &Front) -> String {
    let base = &front.doors.base;
    if base.is_root() { url(front) } else { url(front) + "/" }
}

/// How others get in.
struct Way {
    exposure: Exposure,
    /// What else could be given where others are not let in.
    allow: &'static str,
    users: Option<Users>,
    doors: Doors,
    proxies: Proxies,
}

impl Way {
    /// Health and metrics only.
    fn of_worker(settings: &Effective) -> Result<Self, Failure> {
        let exposure = exposure(settings.switch("worker.listen-beyond-loopback")?);
        let allow = "allow it with --listen-beyond-loopback";
        let (doors, proxies) = Default::default();
        Ok(Self { exposure, allow, users: None, doors, proxies })
    }

    fn of_master(settings: &Effective) -> Result<Self, Failure> {
        let users = settings.path("web-users").map(|path| Users::open(&path)).transpose();
        let users = users.map_err(|error| unusable("nobody could log in", &error, USERS))?;
        let exposure = exposure(users.is_some() || settings.switch("insecure-no-auth")?);
        let allow = "have people log in with --web-users FILE (`loadhost user add NAME` makes it), \
            or let everybody do everything with --insecure-no-auth";
        let base = settings.item("web-base-path").map(|item| {
            let parsed = item.text.parse::<BasePath>();
            parsed.map_err(|error| refuse("web-base-path", item, &error.to_string()))
        });
        let base = base.transpose()?.unwrap_or_default();
        let connections = connections(settings)?;
        let doors = Doors { tls: tls(settings)?, base, connections, ..Doors::default() };
        let proxies = proxies(settings)?;
        if !proxies.is_empty() && exposure == Exposure::Loopback {
            let what = "whoever asks through the trusted proxy could do everything";
            return Err(Failure::new(ExitCode::Configuration, what).hint(allow));
        }
        Ok(Self { exposure, allow, users, doors, proxies })
    }

    fn access(&self, address: SocketAddr) -> Result<Access, Failure> {
        let is_behind = !self.proxies.is_empty();
        let reach = if is_behind { Reach::Anyone } else { Reach::of(address) };
        let wire = if self.doors.tls.is_some() { Wire::Encrypted } else { Wire::Plain };
        let Some(users) = &self.users else {
            return Ok(Access::open(reach, wire).behind(self.proxies.clone()));
        };
        if reach == Reach::Anyone && wire == Wire::Plain && !is_behind {
            say!(
                "warning: passwords travel unencrypted; give --tls-cert and --tls-key, \
                 or let a proxy do TLS"
            );
        }
        let access = Access::guarded(users.clone(), reach, wire, &self.doors.base);
        let access = access.map_err(|error| unusable("nobody could log in", &error, USERS))?;
        Ok(access.behind(self.proxies.clone()))
    }
}

fn exposure(allowed: bool) -> Exposure {
    if allowed { Exposure::Anyone } else { Exposure::Loopback }
}

fn proxies(settings: &Effective) -> Result<Proxies, Failure> {
    let Some(item) = settings.item("trusted-proxy") else { return Ok(Proxies::default()) };
    item.text.parse().map_err(|error: NoProxies| refuse("trusted-proxy", item, &error.to_string()))
}

/// At once.
fn connections(settings: &Effective) -> Result<usize, Failure> {
    let key = "max-connections";
    let most = settings.number::<u32>(key)?.unwrap_or_default();
    match settings.item(key) {
        Some(item) if most == 0 || most > MOST_CONNECTIONS => {
            let words = format!("it is a number from 1 to {MOST_CONNECTIONS}");
            Err(refuse(key, item, &words))
        }
        _ => Ok(most as usize),
    }
}

fn tls(settings: &Effective) -> Result<Option<Tls>, Failure> {
    match (settings.path("tls-cert"), settings.path("tls-key")) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let tls = Tls::load(&cert, &key);
            tls.map(Some).map_err(|error| unusable("HTTPS cannot be served", &error, PEM))
        }
        _ => Err(Failure::new(ExitCode::Configuration, "HTTPS needs certificate and key")
            .hint("give both --tls-cert FILE and --tls-key FILE")),
    }
}

fn unusable(what: &str, error: &(dyn std::error::Error + 'static), remedy: &str) -> Failure {
    Failure::new(ExitCode::Configuration, what).because(error).hint(remedy)
}

/// Where page and API are, without a slash at the end.
pub(crate) fn url(front: &Front) -> String {
    let scheme = if front.doors.tls.is_some() { "https" } else { "http" };
    let address = front.listener.local_addr().map(|at| at.to_string()).unwrap_or_default();
    format!("{scheme}://{address}{}", front.doors.base.with_slash().trim_end_matches('/'))
}

/// Serves where [`bind`] listens, if it does, and pushes metrics to the collector of `ops`, if there is one. Who asked
/// before waits until now.
pub(crate) fn serve(front: Option<Front>, ops: Ops, stop: CancellationToken) -> Option<Served> {
    if front.is_none() && ops.collector.is_none() {
        return None;
    }
    Some(tokio::spawn(async move {
        let pushed = loadhost_web::ops::push(ops.clone(), stop.clone());
        let served = async {
            match front {
                Some(front) => loadhost_web::ops::serve(front, ops, stop).await,
                None => Ok(()),
            }
        };
        let (pushed, served) = tokio::join!(pushed, served);
        pushed.map_err(std::io::Error::other).and(served)
    }))
}

/// Waits for the end of what [`serve`] started.
pub(crate) async fn ended(served: Option<Served>) {
    if let Some(served) = served {
        let _ = served.await;
    }
}
