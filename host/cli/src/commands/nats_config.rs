//! `loadhost nats-config`: a nats-server's configuration for a fleet, and a key for each of its users.
//!
//! Written again into the same folder it keeps the keys that are there, so that workers may be added.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use loadhost_cluster::server_config::{Login, Node, ServerConfig, Tenant, Tls, Workers};
use loadhost_model::id::{ClusterId, WorkerId};

use super::secret_file;
use crate::args::NatsConfigArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::{print, unwritable};

/// Of the broker's own protocol between nodes, as nats-server's documentation uses it.
const NODE_PORT: u16 = 6222;

/// Writes configuration and keys, and says how to use them.
pub(crate) fn nats_config(args: NatsConfigArgs) -> Outcome {
    let config = Plan::of(&args)?;
    make_folder(&args.folder)?;
    let mut made = String::new();
    let tenants = config
        .tenants
        .iter()
        .map(|tenant| tenant.with_keys(&args.folder, config.tenants.len() > 1, &mut made))
        .collect::<Result<Vec<_>, _>>()?;
    for (name, node) in config.nodes(&args)? {
        let server = ServerConfig {
            listen: args.listen.to_string(),
            monitor: args.monitor.map(|address| address.to_string()),
            store: args.store.clone(),
            tls: config.tls.clone(),
            node,
            tenants: tenants.clone(),
        };
        let path = args.folder.join(name);
        std::fs::write(&path, server.to_string()).map_err(|error| unwritable(&path, &error))?;
        let _ = writeln!(made, "  nats-server -c {}", path.display());
    }
    print(&format!("made in {}\n{made}", args.folder.display()));
    Ok(ExitCode::Ok)
}

/// What was asked for, checked.
struct Plan {
    tenants: Vec<TenantPlan>,
    tls: Option<Tls>,
    nodes: Vec<(String, String)>,
}

struct TenantPlan {
    account: String,
    cluster: ClusterId,
    workers: Vec<WorkerId>,
}

impl Plan {
    fn of(args: &NatsConfigArgs) -> Result<Self, Failure> {
        let cluster = ClusterId::new(args.cluster.as_str())
            .map_err(|error| wrong("--cluster", &args.cluster, &error.to_string()))?;
        let accounts = match args.tenants.as_slice() {
            [] => vec!["loadhost".to_string()],
            named => named.to_vec(),
        };
        let mut tenants: Vec<TenantPlan> = Vec::new();
        for account in accounts {
            // The same signs as names of fleets: it becomes part of files' names.
            ClusterId::new(account.as_str())
                .map_err(|error| wrong("--tenant", &account, &error.to_string()))?;
            if tenants.iter().any(|tenant| tenant.account == account) {
                return Err(wrong("--tenant", &account, "it is named twice"));
            }
            tenants.push(TenantPlan { account, cluster: cluster.clone(), workers: Vec::new() });
        }
        for text in &args.workers {
            let (tenant, worker) = worker_of(text, &tenants)?;
            if tenants[tenant].workers.contains(&worker) {
                return Err(wrong("--worker", text, "it is named twice"));
            }
            tenants[tenant].workers.push(worker);
        }
        Ok(Self { tenants, tls: tls(args)?, nodes: nodes(args)? })
    }

    /// Names of files, each with its node.
    fn nodes(&self, args: &NatsConfigArgs) -> Result<Vec<(String, Option<Node>)>, Failure> {
        if self.nodes.is_empty() {
            return Ok(vec![("nats-server.conf".to_string(), None)]);
        }
        let path = args.folder.join("nodes.password");
        let password = secret_file::read_or_make(&path, || Ok(random_text()))?;
        let node = |(name, host): &(String, String)| {
            let others = self.nodes.iter().filter(|(other, _)| other != name);
            let node = Node {
                name: name.clone(),
                listen: format!("0.0.0.0:{}", port_of(host)),
                routes: others.map(|(_, host)| host.clone()).collect(),
                password: password.clone(),
            };
            (format!("nats-server-{name}.conf"), Some(node))
        };
        Ok(self.nodes.iter().map(node).collect())
    }
}

impl TenantPlan {
    /// With keys of all its users, made where there are none, and a line for each in `made`.
    fn with_keys(
        &self,
        folder: &Path,
        several: bool,
        made: &mut String,
    ) -> Result<Tenant, Failure> {
        let prefix = if several { format!("{}-", self.account) } else { String::new() };
        let mut key = |name: &str, use_it: &str| {
            let path = folder.join(format!("{prefix}{name}.nk"));
            let _ = writeln!(made, "  {use_it} --nats-nkey {}", path.display());
            public_key(&path).map(Login::Nkey)
        };
        let masters = vec![key("master", "loadhost master")?];
        let mut workers = Vec::new();
        for worker in &self.workers {
            let login =
                key(&format!("worker-{worker}"), &format!("loadhost worker --id {worker}"))?;
            workers.push((Workers::One(worker.clone()), login));
        }
        if workers.is_empty() {
            workers.push((Workers::All, key("workers", "loadhost worker")?));
        }
        let (account, cluster) = (self.account.clone(), self.cluster.clone());
        Ok(Tenant { account, cluster, masters, workers })
    }
}

/// `ID`, or `TENANT/ID` where there are several.
fn worker_of(text: &str, tenants: &[TenantPlan]) -> Result<(usize, WorkerId), Failure> {
    let (tenant, id) = match text.split_once('/') {
        Some((tenant, id)) => {
            let at = tenants.iter().position(|known| known.account == tenant);
            (at.ok_or_else(|| wrong("--worker", text, "no `--tenant` has this name"))?, id)
        }
        None if tenants.len() > 1 => {
            return Err(wrong("--worker", text, "say of which tenant: TENANT/ID"));
        }
        None => (0, text),
    };
    let worker = WorkerId::new(id).map_err(|error| wrong("--worker", text, &error.to_string()))?;
    Ok((tenant, worker))
}

fn tls(args: &NatsConfigArgs) -> Result<Option<Tls>, Failure> {
    match (&args.tls_cert, &args.tls_key, &args.tls_ca) {
        (Some(certificate), Some(key), authority) => Ok(Some(Tls {
            certificate: certificate.clone(),
            key: key.clone(),
            authority: authority.clone(),
        })),
        (None, None, None) => Ok(None),
        _ => Err(Failure::new(
            ExitCode::Configuration,
            "`--tls-cert` and `--tls-key` are needed together, also for `--tls-ca`",
        )
        .hint("give the broker's certificate and its key")),
    }
}

/// `NAME=HOST[:PORT]`, as other nodes reach it.
fn nodes(args: &NatsConfigArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut nodes: Vec<(String, String)> = Vec::new();
    for text in &args.nodes {
        let (name, host) = text
            .split_once('=')
            .filter(|(_, host)| !host.is_empty())
            .ok_or_else(|| wrong("--node", text, "write it as NAME=HOST or NAME=HOST:PORT"))?;
        ClusterId::new(name).map_err(|error| wrong("--node", text, &error.to_string()))?;
        if nodes.iter().any(|(other, _)| other == name) {
            return Err(wrong("--node", text, "it is named twice"));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { host.to_string() } else { format!("{host}:{NODE_PORT}") };
        nodes.push((name.to_string(), host));
    }
    match nodes.len() {
        0 | 3.. => Ok(nodes),
        few => Err(Failure::new(
            ExitCode::Configuration,
            format!("a broker of {few} nodes cannot lose one: copies are held by a majority"),
        )
        .hint("give `--node` three or five times, or not at all")),
    }
}

fn port_of(host: &str) -> u16 {
    host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(NODE_PORT)
}

fn public_key(path: &Path) -> Result<String, Failure> {
    let seed = secret_file::read_or_make(path, || {
        nkeys::KeyPair::new_user().seed().map_err(|error| {
            Failure::new(ExitCode::Unexpected, "the key has no seed").because(&error)
        })
    })?;
    nkeys::KeyPair::from_seed(&seed).map(|pair| pair.public_key()).map_err(|error| {
        Failure::new(ExitCode::Configuration, format!("`{}` holds no nkey", path.display()))
            .because(&error)
            .hint("remove it, and it is made anew")
    })
}

/// 160 random bits, as a text that every shell and format takes.
fn random_text() -> String {
    let [a, b] = [ulid::Ulid::generate().random(), ulid::Ulid::generate().random()];
    format!("{a:020x}{b:020x}")
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| unwritable(path, &error))
}

fn wrong(flag: &str, text: &str, reason: &str) -> Failure {
    Failure::new(ExitCode::Configuration, format!("`{flag} {text}` is not valid: {reason}"))
        .hint("see `loadhost nats-config --help`")
}

/// Where nats-server keeps its streams unless told otherwise.
pub(crate) fn default_store() -> PathBuf {
    PathBuf::from("/var/lib/nats")
}

/// Where it listens unless told otherwise.
pub(crate) fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4222))
}
