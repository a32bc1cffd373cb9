//! A nats-server of a test's own, and waiting for things that come true.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadhost_cluster::{Connection, Settings, connect};
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A nats-server; its store outlives [`Broker::restart`].
pub(crate) struct Broker {
    pub(crate) port: u16,
    args: Vec<String>,
    env: Vec<(String, String)>,
    store: TempDir,
    child: Option<Child>,
}

impl Broker {
    /// One with JetStream.
    pub(crate) fn start() -> Self {
        Self::with(&["-js"])
    }

    /// One with these arguments; the port is given, and `-sd` unless a configuration says where.
    pub(crate) fn with(args: &[&str]) -> Self {
        Self::with_env(args, &[])
    }

    /// With these arguments and variables.
    pub(crate) fn with_env(args: &[&str], env: &[(&str, &str)]) -> Self {
        let args = args.iter().map(|arg| arg.to_string()).collect();
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let store = TempDir::new().expect("a folder");
        let mut broker = Self { port: free_port(), args, env, store, child: None };
        broker.serve();
        broker
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill nats-server");
            child.wait().expect("wait for nats-server");
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.serve();
    }

    /// Waits until it accepts connections, and until its streams are there again.
    fn serve(&mut self) {
        let mut command = Command::new(program());
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]).args(&self.args);
        if !self.args.iter().any(|arg| arg == "-c") {
            command.arg("-sd").arg(self.store.path());
        }
        let child = command
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("start nats-server"));
        let until = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "nats-server does not listen on {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) async fn connect(&self, name: &str) -> Connection {
        let settings =
            Settings { urls: vec![self.url()], name: name.into(), ..Settings::default() };
        connect(&settings).await.expect("connect")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.exists())
        .expect("nats-server is missing: apt-get install nats-server")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// Waits until `check` says true.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !check().await {
        assert!(tokio::time::Instant::now() < until, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `future`, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}
