//! A network namespace with two cables: one to where the broker is, one to where the target is.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

/// Tells a test that it runs where it may make network namespaces.
const INSIDE: &str = "LOADHOST_TESTS_INSIDE";
const UNSHARE: &str = "unshare is missing: apt-get install util-linux";
/// What `ip netns` wants to write to, and the loopback device of a new network.
const PREPARE: &str = "mount -t tmpfs none /run && ip link set lo up && exec \"$@\"";

/// Runs `body` in a network of its own, in which it may make others; they end with it, and the machine's own
/// network stays as it is. `test` is the full name of the test that calls this: it is run again inside.
///
/// # Errors
/// What `body` says; and if neither users nor root may make namespaces here.
pub fn in_a_network_of_its_own(test: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let status = Command::new("unshare")
        .args(way()?)
        .args(["sh", "-c", PREPARE, "sh"])
        .arg(std::env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .context(UNSHARE)?;
    ensure!(status.success(), "inside the network namespace it ended with {status}");
    Ok(())
}

/// As root of a user namespace, else as root.
fn way() -> Result<&'static [&'static str]> {
    let ways: [&[&str]; 2] =
        [&["--user", "--map-root-user", "--net", "--mount"], &["--net", "--mount"]];
    let mut said = String::new();
    for way in ways {
        let Output { status, stderr, .. } = Command::new("unshare")
            .args(way)
            .args(["sh", "-c", PREPARE, "sh", "true"])
            .output()
            .context(UNSHARE)?;
        if status.success() {
            return Ok(way);
        }
        said += &String::from_utf8_lossy(&stderr);
    }
    bail!(
        "no network namespace may be made here:\n{said}run the tests as root (in a container: `--privileged`), or allow \
         user namespaces (`sysctl user.max_user_namespaces`); `ip` is in the package iproute2"
    )
}

/// A namespace, in a network of a test's own.
pub struct Island {
    name: String,
}

/// A way to an [`Island`].
#[derive(Debug, Clone, Copy)]
pub enum Cable {
    /// To the broker.
    Broker,
    /// To the target.
    Target,
}

impl Cable {
    /// This end's device, the other end's, and the network's first three numbers (RFC 2544: for measurements).
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Cable::Broker => ("broker0", "broker1", "198.18.1"),
            Cable::Target => ("target0", "target1", "198.18.2"),
        }
    }

    /// The address of this end.
    pub fn ip(self) -> String {
        format!("{}.1", self.parts().2)
    }
}

impl Island {
    /// Makes it and plugs its cables.
    pub fn new(name: &str) -> Result<Island> {
        ip(&["netns", "add", name])?;
        let island = Island { name: name.to_string() };
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        for cable in [Cable::Broker, Cable::Target] {
            let (here, there, net) = cable.parts();
            ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", name])?;
            ip(&["address", "add", &format!("{net}.1/24"), "dev", here])?;
            ip(&["-n", name, "address", "add", &format!("{net}.2/24"), "dev", there])?;
            ip(&["-n", name, "link", "set", there, "up"])?;
            island.plug(cable)?;
        }
        Ok(island)
    }

    /// Nothing comes or goes by `cable` any more.
    pub fn pull(&self, cable: Cable) -> Result<()> {
        ip(&["link", "set", cable.parts().0, "down"])
    }

    /// It is as before.
    pub fn plug(&self, cable: Cable) -> Result<()> {
        ip(&["link", "set", cable.parts().0, "up"])
    }

    /// What stands in front of a command that is to run on the island.
    pub(crate) fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(String::from).to_vec()
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let Output { status, stderr, .. } = Command::new("ip")
        .args(args)
        .output()
        .context("ip is missing: apt-get install iproute2")?;
    ensure!(status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&stderr));
    Ok(())
}
