//! A nats-server of one's own, for a master that was given none: on loopback, with a secret
//! token, gone when the master is gone.
//!
//! What it keeps is in a temporary folder and goes with it, or in a folder that stays
//! ([`PrivateServer::start_in`]): then runs and uploads are there again after a restart. Port and token are new each
//! time, so workers of the former server do not find the new one: runs that went on then end when their workers
//! count as lost. One server at a time keeps such a folder, by a lock that its processes hold for as
//! long as one of them lives, however their master ended.
//!
//! The child is started by a line of shell that waits for the end of its standard input.
//! Whatever ends this process closes that pipe, and the server ends too: an exit in good
//! order, a crash, or SIGKILL, against which no handler helps. It runs in a process group of its
//! own, so that Ctrl-C in the terminal reaches the master, which then drains over a
//! server that is still there.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::server_config::quoted;

/// Where programs are that only an administrator's PATH names.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// For the server to say which port it took. It reads all that it kept before.
const START_WITHIN: Duration = Duration::from_secs(60);
/// For a former server to let go of the folder: it may be ending.
const FREE_WITHIN: Duration = Duration::from_secs(3);
/// Of all streams together: what they may have by their own bounds, and some more.
const STORE: &str = "4GB";
/// For the server to end once told to.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// `$0` is the server, `$1` its configuration, `$2` its folder.
const KEEPER: &str = r#"
exec 3<&0 </dev/null
"$0" -c "$1" 3<&- &
server=$!
{ cat <&3 >/dev/null; kill "$server"; } 2>/dev/null &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
rm -rf -- "$2"
exit "$code"
"#;

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Not installed.
    #[error(
        "nats-server is not installed; install it with `apt-get install nats-server`, give the \
         address of a running one with --nats, or use `loadhost run`, which needs none"
    )]
    NotInstalled,
    /// Its folder could not be made or written.
    #[error("the folder {path} for nats-server cannot be written: {reason}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Another one is at it.
    #[error(
        "the folder {path} is in use by the nats-server of another master; end that master, join its server with \
         --nats, or give another folder with --data-dir"
    )]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// It was started and did not serve.
    #[error("{program} did not start: {reason}")]
    NotStarted {
        /// Which.
        program: PathBuf,
        /// What it said, or how it ended.
        reason: String,
    },
}

/// A running nats-server. Dropping it ends it as well, without waiting.
pub struct PrivateServer {
    child: Child,
    folder: PathBuf,
    url: String,
    address: String,
}

impl PrivateServer {
    /// Starts one on a free port of 127.0.0.1 and waits until it listens.
    pub async fn start() -> Result<PrivateServer, ServerError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = find_program(&path).ok_or(ServerError::NotInstalled)?;
        Self::start_program(program).await
    }

    /// As [`Self::start`], with this nats-server.
    pub async fn start_program(program: PathBuf) -> Result<PrivateServer, ServerError> {
        let folder = std::env::temp_dir().join(format!("loadhost-nats-{}", &secret()[..16]));
        let store = folder.join("store");
        Self::serve(program, Place { folder, store, lock: Stdio::null() }).await
    }

    /// As [`Self::start`], with this nats-server or the one that is installed. What it keeps stays in
    /// `data`, which is made if need be and which others on this machine cannot enter.
    ///
    /// # Errors
    /// [`ServerError::InUse`], if another one keeps that folder and does not let go of it within 3 s.
    pub async fn start_in(
        program: Option<PathBuf>,
        data: &Path,
    ) -> Result<PrivateServer, ServerError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = program.or_else(|| find_program(&path)).ok_or(ServerError::NotInstalled)?;
        let unwritable = |reason| ServerError::Folder { path: data.to_path_buf(), reason };
        // A configuration cannot name a relative path: it is read by another process.
        let data = std::path::absolute(data).map_err(unwritable)?;
        let lock = lock(&data).await.map_err(unwritable)?;
        let lock = lock.ok_or_else(|| ServerError::InUse { path: data.clone() })?;
        let (folder, store) = (data.join("running"), data.join("store"));
        // Of a server that was killed with its keeper.
        let _ = std::fs::remove_dir_all(&folder);
        Self::serve(program, Place { folder, store, lock: lock.into() }).await
    }

    async fn serve(program: PathBuf, place: Place) -> Result<PrivateServer, ServerError> {
        let Place { folder, store, lock } = place;
        let token = secret();
        let unwritable = |reason| ServerError::Folder { path: folder.clone(), reason };
        let config = write_config(&folder, &store, &token).map_err(unwritable)?;
        let log = std::fs::File::create(folder.join("log")).map_err(unwritable)?;
        let mut child = Command::new("/bin/sh")
            .args([OsStr::new("-c"), OsStr::new(KEEPER)])
            .args([program.as_os_str(), config.as_os_str(), folder.as_os_str()])
            .stdin(Stdio::piped())
            // Nothing is written to it: an open file is what holds the lock.
            .stdout(lock)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| not_started(&program, error.to_string()))?;
        let address = match listening(&folder, &mut child).await {
            Ok(address) => address,
            Err(reason) => {
                stop(&mut child).await;
                return Err(not_started(&program, reason));
            }
        };
        let url = format!("nats://{token}@{address}");
        Ok(PrivateServer { child, folder, url, address })
    }

    /// Where it is, with its token: a secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, without the token.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its configuration and log; goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What to type for a worker to join, and how to go beyond this machine.
    pub fn how_to_join(&self) -> String {
        format!(
            "workers on this machine join with\n  loadhost worker --nats {}\n\
             for workers on other machines start a nats-server that all can reach (`nats-server -js`) \
             and give its address to the master and to each worker with --nats",
            self.url
        )
    }

    /// Ends it and removes its folder.
    pub async fn stop(mut self) {
        stop(&mut self.child).await;
        // The keeper has done it, unless it was killed.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Closes the pipe that the keeper waits at.
async fn stop(child: &mut Child) {
    drop(child.stdin.take());
    if tokio::time::timeout(STOP_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn not_started(program: &Path, reason: String) -> ServerError {
    ServerError::NotStarted { program: program.to_path_buf(), reason }
}

fn find_program(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(MORE_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
}

/// Where a server is.
struct Place {
    /// Of its configuration and log; goes with it.
    folder: PathBuf,
    /// Of its streams.
    store: PathBuf,
    /// Held open by its processes.
    lock: Stdio,
}

/// The lock of a folder that only we can enter; None: somebody has it.
async fn lock(data: &Path) -> std::io::Result<Option<File>> {
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(data)?;
    let is_ours = data.join("lock").exists() || std::fs::read_dir(data)?.next().is_none();
    if !is_ours {
        let why = "it holds other files; give a folder of its own with --data-dir";
        return Err(std::io::Error::other(why));
    }
    std::fs::set_permissions(data, Permissions::from_mode(0o700))?;
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).mode(0o600).open(data.join("lock"))?;
    let until = Instant::now() + FREE_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// A folder that only we can enter, because the token is in it.
fn write_config(folder: &Path, store: &Path, token: &str) -> std::io::Result<PathBuf> {
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let file = folder.join("nats.conf");
    let (shown, store) = (quoted(&folder.to_string_lossy()), quoted(&store.to_string_lossy()));
    let config = format!(
        "listen: \"127.0.0.1:-1\"\nports_file_dir: {shown}\nauthorization {{ token: \"{token}\" }}\n\
         jetstream {{ store_dir: {store}, max_file_store: {STORE} }}\n"
    );
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    open?.write_all(config.as_bytes())?;
    Ok(file)
}

/// `127.0.0.1:PORT`, once the server has written it to its folder.
async fn listening(folder: &Path, child: &mut Child) -> Result<String, String> {
    let until = Instant::now() + START_WITHIN;
    loop {
        if let Some(address) = address_in(folder) {
            return Ok(address);
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}: {}", last_line(&log())));
        }
        if Instant::now() > until {
            return Err(format!("not within {START_WITHIN:?}: {}", last_line(&log())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server writes `nats-server_PID.ports`, which says `{"nats": ["nats://127.0.0.1:PORT"], …}`.
fn address_in(folder: &Path) -> Option<String> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    let file = entries.find(|e| e.path().extension() == Some(OsStr::new("ports")))?.path();
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let url = ports["nats"][0].as_str()?;
    Some(url.trim_start_matches("nats://").to_string())
}

fn last_line(log: &str) -> &str {
    log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}

/// 256 bits that nobody can guess, as hexadecimal digits.
fn secret() -> String {
    let mut bytes = [0; 32];
    let filled = std::fs::File::open("/dev/urandom")
        .and_then(|mut random| std::io::Read::read_exact(&mut random, &mut bytes));
    if filled.is_err() {
        // Not on any Linux. The hasher's keys come from the system's generator as well.
        use std::hash::{BuildHasher, RandomState};
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&RandomState::new().hash_one(chunk.len()).to_ne_bytes());
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
