//! The nats-server that a master starts for itself.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use loadhost_cluster::subjects::Names;
use loadhost_cluster::{ConnectError, NatsShelf, PrivateServer, ServerError, Settings, connect};
use loadhost_control::ports::Shelf;

use crate::broker::eventually;
use crate::words::{cluster, lead};

async fn try_connect(url: String) -> Result<loadhost_cluster::Connection, ConnectError> {
    connect(&Settings { urls: vec![url], ..Settings::default() }).await
}

fn listens(address: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn it_serves_whoever_has_its_token_and_nobody_else() {
    let server = PrivateServer::start().await.expect("start");
    let connection = try_connect(server.url().into()).await.expect("connect");
    let (fleet, _reports) = lead(&connection, "host:1").await;
    fleet.close().await;
    let stranger = try_connect(format!("nats://{}", server.address())).await;
    assert!(matches!(stranger, Err(ConnectError::Refused { .. })));
    assert!(server.address().starts_with("127.0.0.1:"), "{}", server.address());
    assert!(server.how_to_join().contains(server.url()));
    server.stop().await;
}

#[tokio::test]
async fn it_is_gone_with_its_folder_once_stopped_or_dropped() {
    for way in ["stop", "drop"] {
        let server = PrivateServer::start().await.expect("start");
        let (address, folder) = (server.address().to_string(), server.folder().to_path_buf());
        assert!(listens(&address) && folder.exists());
        match way {
            "stop" => server.stop().await,
            _ => drop(server),
        }
        eventually("it is gone", async || !listens(&address) && !folder.exists()).await;
    }
}

/// What is in the shelf's stream of a server in this folder.
async fn kept_in(server: &PrivateServer) -> NatsShelf {
    let connection = try_connect(server.url().into()).await.expect("connect");
    let shelf = NatsShelf::open(&connection, &Names::new(cluster()), 1).await;
    shelf.expect("a stream")
}

#[tokio::test]
async fn what_it_keeps_in_a_folder_is_there_again_and_nobody_elses() {
    let home = tempfile::tempdir().expect("a folder");
    let data = home.path().join("state \"of\" loadhost/default");
    let mut tokens = Vec::new();
    for (round, way) in ["stop", "drop", "stop"].into_iter().enumerate() {
        let server = PrivateServer::start_in(None, &data).await.expect("start");
        tokens.push(server.url().to_string());
        let shelf = kept_in(&server).await;
        assert_eq!(shelf.list("").await.expect("list").len(), round);
        shelf.put(&format!("round.{round}"), b"kept".to_vec()).await.expect("put");
        let running = server.folder().to_path_buf();
        assert!(running.starts_with(&data) && running.exists());
        match way {
            "stop" => server.stop().await,
            _ => drop(server), // The next one waits until it has ended.
        }
        if way == "stop" {
            assert!(!running.exists(), "token and log stay behind");
        }
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each has a token of its own");
    for folder in [&data, home.path().join("state \"of\" loadhost").as_path()] {
        let mode = folder.metadata().expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_folder_is_kept_by_one_server_at_a_time() {
    let home = tempfile::tempdir().expect("a folder");
    let server = PrivateServer::start_in(None, home.path()).await.expect("start");
    let second = match PrivateServer::start_in(None, home.path()).await {
        Ok(_) => panic!("two servers write to one folder"),
        Err(error) => error,
    };
    assert!(matches!(second, ServerError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("--data-dir"), "{second}");
    kept_in(&server).await.put("a", vec![1]).await.expect("the first one serves");
    server.stop().await;
    PrivateServer::start_in(None, home.path()).await.expect("it is free").stop().await;
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_not_taken_away() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("letter"), "dear").expect("write");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).expect("set permissions");
    let error = match PrivateServer::start_in(None, home.path()).await {
        Ok(_) => panic!("it took the folder"),
        Err(error) => error,
    };
    assert!(matches!(error, ServerError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("--data-dir"), "{error}");
    let mode = std::fs::metadata(home.path()).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test]
async fn a_program_that_is_no_server_is_told_with_its_last_words() {
    let error = match PrivateServer::start_program(PathBuf::from("/bin/false")).await {
        Ok(_) => panic!("started"),
        Err(error) => error,
    };
    assert!(matches!(error, ServerError::NotStarted { .. }), "{error}");
    assert!(error.to_string().contains("/bin/false"), "{error}");
}

#[test]
fn a_missing_program_names_both_remedies() {
    let text = ServerError::NotInstalled.to_string();
    assert!(
        text.contains("apt-get install nats-server") && text.contains("loadhost run"),
        "{text}"
    );
}

/// Set in a process that is there to be killed.
const HOLD: &str = "LOADHOST_TEST_HOLD_A_SERVER";

#[tokio::test]
async fn it_is_gone_when_its_master_is_killed() {
    let mut master = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "private_server::holds_one_when_asked", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let said = BufReader::new(master.stdout.take().expect("piped")).lines();
    let said = said.map_while(Result::ok).find_map(|line| {
        let (_, held) = line.split_once("holding ")?;
        let (address, folder) = held.split_once(' ')?;
        Some((address.to_string(), PathBuf::from(folder)))
    });
    let (address, folder) = said.expect("an address");
    assert!(listens(&address) && folder.exists());
    master.kill().expect("SIGKILL");
    master.wait().expect("its end");
    eventually("it is gone", async || !listens(&address) && !folder.exists()).await;
}

/// The other half of the test above: nothing of its own.
#[tokio::test]
async fn holds_one_when_asked() {
    if std::env::var_os(HOLD).is_some() {
        let server = PrivateServer::start().await.expect("start");
        println!("holding {} {}", server.address(), server.folder().display());
        tokio::time::sleep(crate::broker::PATIENCE * 2).await;
    }
}
