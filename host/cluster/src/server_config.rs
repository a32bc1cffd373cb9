//! A configuration of nats-server that gives each user of a fleet what it needs and nothing else.
//!
//! Pure: [`ServerConfig`] becomes text by its `Display`. Each tenant is an account of the broker, with
//! streams and subjects that no other account can see. Masters may do everything within their account;
//! a worker may hand in its own measurements, statuses and logs, read its own assignment, the leader's
//! beat and the modules.
//!
//! Workers have accounts of their own, and what they may do is handed from account to account. Rights of a
//! user alone do not suffice: the broker checks what is published and not where the answer is to go, and
//! answers with rights of its own. In the masters' account an acknowledgement could be sent to where streams
//! are deleted.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use loadhost_model::id::{ClusterId, WorkerId};

use crate::subjects::Names;

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By a signature; the public key (`U…`) is no secret.
    Nkey(String),
    /// By name, and the password in this environment variable of the broker.
    Password {
        /// Its name.
        user: String,
        /// Where the broker finds the password.
        variable: String,
    },
}

/// For which workers a login is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workers {
    /// For one, which can speak for itself only.
    One(WorkerId),
    /// For all of the fleet: workers that come and go, and trust each other.
    All,
}

/// One account, with one fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Name of the account.
    pub account: String,
    /// Name of the fleet (`--cluster`).
    pub cluster: ClusterId,
    /// Of its masters.
    pub masters: Vec<Login>,
    /// Of its workers.
    pub workers: Vec<(Workers, Login)>,
}

/// Certificates of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Chain (PEM).
    pub certificate: PathBuf,
    /// Private key (PEM).
    pub key: PathBuf,
    /// With it, clients must show a certificate of this authority.
    pub authority: Option<PathBuf>,
}

/// This node among others of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where the other nodes reach it: `HOST:PORT`.
    pub listen: String,
    /// `HOST:PORT` of the others.
    pub routes: Vec<String>,
    /// Nodes know each other by it. Letters and digits: it becomes part of a URL.
    pub password: String,
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where clients connect: `HOST:PORT`.
    pub listen: String,
    /// Where nats-server says how it is, over HTTP: `HOST:PORT`.
    pub monitor: Option<String>,
    /// Where streams are kept.
    pub store: PathBuf,
    /// Encryption and certificates.
    pub tls: Option<Tls>,
    /// With other nodes.
    pub node: Option<Node>,
    /// Accounts.
    pub tenants: Vec<Tenant>,
}

/// Subjects that a worker may publish to, and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// It may publish to these.
    pub publish: Vec<String>,
    /// It may subscribe to these.
    pub subscribe: Vec<String>,
}

impl Rights {
    /// What is handed over from the masters' account: services to speak to, and streams to hear. Answers are heard
    /// without that.
    fn handed_over(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let heard = self.subscribe.iter().filter(|subject| !subject.starts_with("_INBOX."));
        let services = self.publish.iter().map(|subject| ("service", subject.as_str()));
        services.chain(heard.map(|subject| ("stream", subject.as_str())))
    }
}

impl Workers {
    /// What these may do in fleet `cluster`.
    pub fn rights(&self, cluster: &ClusterId) -> Rights {
        let names = Names::new(cluster.clone());
        let (stream, bucket) = (names.control_stream(), names.modules_stream());
        let (own, inbox) = match self {
            Self::One(worker) => (worker.to_string(), Names::inbox(worker)),
            Self::All => ("*".to_string(), "_INBOX.w.*".to_string()),
        };
        let of = |kind: &str| format!("lh.{cluster}.{kind}.{own}");
        Rights {
            publish: vec![
                of("stats.*"),
                of("hb"),
                of("log"),
                names.clock(),
                format!("$JS.API.DIRECT.GET.{stream}.{}", names.document(&format!("assign.{own}"))),
                format!("$JS.API.DIRECT.GET.{bucket}.>"),
                format!("$JS.API.DIRECT.GET.{bucket}"),
            ],
            subscribe: vec![names.leader(), of("assign"), format!("{inbox}.>")],
        }
    }
}

impl fmt::Display for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# nats-server for loadhost, made by `loadhost nats-config`.")?;
        writeln!(
            f,
            "# Each tenant has an account, and one for each login of its workers: nobody sees anything"
        )?;
        writeln!(
            f,
            "# of others, and what the broker answers to a worker stays in that worker's account."
        )?;
        writeln!(f, "listen: {}", quoted(&self.listen))?;
        if let Some(monitor) = &self.monitor {
            writeln!(f, "http: {}", quoted(monitor))?;
        }
        if let Some(node) = &self.node {
            writeln!(f, "server_name: {}", quoted(&node.name))?;
        }
        writeln!(f, "jetstream {{ store_dir: {} }}", quoted(&self.store.to_string_lossy()))?;
        if let Some(tls) = &self.tls {
            write_tls(f, tls)?;
        }
        if let Some(node) = &self.node {
            write_node(f, node)?;
        }
        writeln!(f, "\naccounts {{")?;
        for tenant in &self.tenants {
            write_tenant(f, tenant)?;
        }
        writeln!(f, "}}")
    }
}

fn write_tls(f: &mut fmt::Formatter<'_>, tls: &Tls) -> fmt::Result {
    writeln!(f, "\ntls {{")?;
    writeln!(f, "  cert_file: {}", quoted(&tls.certificate.to_string_lossy()))?;
    writeln!(f, "  key_file: {}", quoted(&tls.key.to_string_lossy()))?;
    if let Some(authority) = &tls.authority {
        writeln!(f, "  ca_file: {}", quoted(&authority.to_string_lossy()))?;
        writeln!(f, "  verify: true")?;
    }
    writeln!(f, "}}")
}

fn write_node(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    let login = format!("node:{}", node.password);
    writeln!(f, "\ncluster {{")?;
    writeln!(f, "  name: loadhost")?;
    writeln!(f, "  listen: {}", quoted(&node.listen))?;
    writeln!(f, "  authorization {{ user: node, password: {} }}", quoted(&node.password))?;
    writeln!(f, "  routes: [")?;
    for route in &node.routes {
        writeln!(f, "    {}", quoted(&format!("nats://{login}@{route}")))?;
    }
    writeln!(f, "  ]\n}}")
}

fn write_tenant(f: &mut fmt::Formatter<'_>, tenant: &Tenant) -> fmt::Result {
    writeln!(f, "  {}: {{\n    jetstream: enabled\n    users: [", quoted(&tenant.account))?;
    for master in &tenant.masters {
        writeln!(f, "      {{ {} }} # master: everything in this account", login(master))?;
    }
    writeln!(f, "    ]\n    exports: [")?;
    let rights = tenant.workers.iter().map(|(workers, _)| workers.rights(&tenant.cluster));
    let rights = rights.collect::<Vec<_>>();
    for (kind, subject) in rights.iter().flat_map(Rights::handed_over).collect::<BTreeSet<_>>() {
        writeln!(f, "      {{ {kind}: {} }}", quoted(subject))?;
    }
    writeln!(f, "    ]\n  }}")?;
    tenant.workers.iter().try_for_each(|(workers, who)| write_workers(f, tenant, workers, who))
}

/// The account of one worker, or of all that share a login.
fn write_workers(
    f: &mut fmt::Formatter<'_>,
    tenant: &Tenant,
    workers: &Workers,
    who: &Login,
) -> fmt::Result {
    let rights = workers.rights(&tenant.cluster);
    // Without spaces, which part the words that nodes of a broker say to one another.
    let name = match workers {
        Workers::One(worker) => format!("{}/worker/{worker}", tenant.account),
        Workers::All => format!("{}/workers", tenant.account),
    };
    writeln!(f, "  {}: {{\n    users: [\n      {{ {}", quoted(&name), login(who))?;
    writeln!(f, "        permissions: {{")?;
    for (what, subjects) in [("publish", &rights.publish), ("subscribe", &rights.subscribe)] {
        writeln!(f, "          {what}: [")?;
        for subject in subjects {
            writeln!(f, "            {}", quoted(subject))?;
        }
        writeln!(f, "          ]")?;
    }
    writeln!(f, "        }}\n      }}\n    ]\n    imports: [")?;
    let from = quoted(&tenant.account);
    for (kind, subject) in rights.handed_over() {
        writeln!(f, "      {{ {kind}: {{ account: {from}, subject: {} }} }}", quoted(subject))?;
    }
    writeln!(f, "    ]\n  }}")
}

fn login(login: &Login) -> String {
    match login {
        Login::Nkey(public) => format!("nkey: {public}"),
        Login::Password { user, variable } => {
            format!("user: {}, password: ${variable}", quoted(user))
        }
    }
}

/// As a text of nats-server's format, which knows these escapes and no others.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
