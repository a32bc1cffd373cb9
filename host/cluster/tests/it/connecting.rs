//! What a newcomer meets when the broker is not as it should be.

use std::io::Write as _;
use std::time::Duration;

use loadhost_cluster::{ConnectError, Connection, Settings, connect};

use crate::broker::{Broker, eventually, soon};

async fn try_connect(url: String) -> Result<Connection, ConnectError> {
    soon("an answer", connect(&Settings { urls: vec![url], ..Settings::default() })).await
}

async fn error_of(url: String) -> String {
    match try_connect(url).await {
        Ok(_) => panic!("connected"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_good_broker_is_taken_and_says_its_version() {
    let broker = Broker::start();
    let connection = broker.connect("test").await;
    assert!(connection.connected());
    assert!(connection.server_version().starts_with("2."), "{}", connection.server_version());
}

#[tokio::test]
async fn a_broker_without_jetstream_names_the_remedy() {
    let broker = Broker::with(&[]);
    let error = error_of(broker.url()).await;
    assert!(
        error.contains("nats-server -js") && error.contains(&broker.port.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_there_names_the_address() {
    let mut broker = Broker::start();
    broker.kill();
    let error = error_of(broker.url()).await;
    assert!(error.contains(&broker.url()), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let broker = Broker::with(&["-js", "--user", "boss", "--pass", "right"]);
    let url = |password: &str| format!("nats://boss:{password}@127.0.0.1:{}", broker.port);
    assert!(try_connect(url("right")).await.is_ok());
    let error = error_of(url("hunter2")).await;
    assert!(error.contains("refuses") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_token_may_stand_in_the_address() {
    let broker = Broker::with(&["-js", "--auth", "s3cret"]);
    assert!(try_connect(format!("nats://s3cret@127.0.0.1:{}", broker.port)).await.is_ok());
    assert!(matches!(try_connect(broker.url()).await, Err(ConnectError::Refused { .. })));
}

#[tokio::test]
async fn a_broker_that_stays_away_is_given_up_if_attempts_are_bounded() {
    let mut broker = Broker::start();
    let settings = Settings {
        urls: vec![broker.url()],
        reconnect_attempts: 100,
        reconnect_interval: Some(Duration::from_millis(50)),
        ..Settings::default()
    };
    let connection = soon("an answer", connect(&settings)).await.expect("connect");
    broker.restart();
    eventually("it comes back", async || connection.counters().connects.get() == 2).await;
    broker.kill();
    let error = soon("it is given up", connection.lost()).await;
    assert!(matches!(error, ConnectError::GivenUp { attempts: 100, .. }), "{error}");
    assert!(error.to_string().contains(&broker.url()), "{error}");
    assert!(!connection.connected());
}

/// Brokers this old are nowhere to be had, so a socket says what one would.
#[tokio::test]
async fn an_old_broker_is_refused_with_its_version() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let info = "INFO {\"version\":\"2.8.4\",\"jetstream\":true,\"headers\":true,\"max_payload\":1048576}\r\n";
        socket.write_all(info.as_bytes()).unwrap();
        socket.write_all(b"PONG\r\n").unwrap();
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    });
    let error = error_of(format!("nats://127.0.0.1:{port}")).await;
    assert!(error.contains("2.8.4") && error.contains("2.9"), "{error}");
}
