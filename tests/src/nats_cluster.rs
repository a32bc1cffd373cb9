//! Three nats-servers that are one broker.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::Process;
use crate::nats::program;

const NODES: usize = 3;

/// A broker of three nodes, named `n1`, `n2` and `n3`; what each stores outlives its process.
pub struct NatsCluster {
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    port: u16,
    routes: u16,
    store: TempDir,
    process: Option<Process>,
}

impl NatsCluster {
    /// Starts all and waits until they have found each other.
    pub fn start() -> Result<NatsCluster> {
        Self::start_some(NODES)
    }

    /// The same with `n1` and `n2` alone; [`Self::restart`] brings `n3`, which nobody has met yet.
    pub fn start_two() -> Result<NatsCluster> {
        Self::start_some(2)
    }

    fn start_some(count: usize) -> Result<NatsCluster> {
        let mut taken = BTreeSet::new();
        let mut nodes = Vec::new();
        for number in 1..=NODES {
            let (port, routes) = (free_port(&mut taken)?, free_port(&mut taken)?);
            let name = format!("n{number}");
            nodes.push(Node { name, port, routes, store: tempfile::tempdir()?, process: None });
        }
        let mut cluster = NatsCluster { nodes };
        for number in 0..count {
            cluster.serve(number)?;
        }
        cluster.wait_for_a_leader()?;
        Ok(cluster)
    }

    /// Without a leader of their own they store nothing. The one that is elected says so.
    fn wait_for_a_leader(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let leads = |node: &Node| {
            let log = node.process.as_ref().map(Process::stderr).unwrap_or_default();
            log.contains("Self is new JetStream cluster metadata leader")
        };
        while !self.nodes.iter().any(leads) {
            ensure!(Instant::now() < deadline, "no node of the broker leads");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// All nodes, for `--nats`.
    pub fn url(&self) -> String {
        let urls: Vec<_> =
            self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.port)).collect();
        urls.join(",")
    }

    /// Kills the node of this name.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        let process = node.with_context(|| format!("no node {name}"))?.process.take();
        process.with_context(|| format!("{name} does not run"))?.kill()
    }

    /// Starts those that do not run, such as those that were killed.
    pub fn restart(&mut self) -> Result<()> {
        for number in 0..NODES {
            if self.nodes[number].process.is_none() {
                self.serve(number)?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, number: usize) -> Result<()> {
        let others = self.nodes.iter().filter(|node| node.name != self.nodes[number].name);
        let routes: Vec<_> =
            others.map(|other| format!("nats://127.0.0.1:{}", other.routes)).collect();
        let node = &mut self.nodes[number];
        let mut command = Command::new(program()?);
        command
            .args(["-a", "127.0.0.1", "-p", &node.port.to_string(), "-n", &node.name])
            .args(["-js", "-sd"])
            .arg(node.store.path())
            .args(["--cluster_name", "loadhost-tests"])
            .args(["--cluster", &format!("nats://127.0.0.1:{}", node.routes)])
            .args(["--routes", &routes.join(",")]);
        let mut process = Process::spawn(format!("nats-server {}", node.name), &mut command)?;
        process.wait_until(Duration::from_secs(20), |log| log.find("Server is ready"))?;
        node.process = Some(process);
        Ok(())
    }
}

/// One that this cluster does not use yet.
fn free_port(taken: &mut BTreeSet<u16>) -> Result<u16> {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if taken.insert(port) {
            return Ok(port);
        }
    }
}
