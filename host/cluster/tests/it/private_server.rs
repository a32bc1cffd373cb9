//! The nats-server that a master starts for itself.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use loadhost_cluster::{ConnectError, PrivateServer, ServerError, Settings, connect};

use crate::broker::eventually;
use crate::words::lead;

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
