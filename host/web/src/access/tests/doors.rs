//! Base path, TLS, deadlines.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::{Answer, exchange};
use super::*;

async fn at(base: &str) -> (Fleet, Served) {
    let fleet = fleet();
    let base: BasePath = base.parse().unwrap();
    let access = fleet.access_at(&base, Wire::Plain);
    let doors = Doors { base, ..Doors::default() };
    let served = Served::new(routes(&access), doors).await;
    (fleet, served)
}

#[tokio::test]
async fn behind_a_base_path_all_is_where_it_is_without() {
    let (fleet, served) = at("/load/host").await;
    let bearer = format!("authorization: Bearer {}\r\n", fleet.token(Role::View));
    for (path, status) in [
        ("/load/host/", 200),
        ("/load/host/assets/app.js", 200),
        ("/load/host/api/v1/runs", 200),
        ("/load/host/health", 200),
        ("/health", 200),
        ("/metrics", 200),
        ("/", 404),
        ("/api/v1/runs", 404),
        ("/load/hostel/", 404),
    ] {
        assert_eq!(served.ask("GET", path, &bearer, "").await.status, status, "{path}");
    }
    let found = served.ask("GET", "/load/host?lang=zh", "", "").await;
    assert_eq!((found.status, found.header("location")), (308, Some("/load/host/?lang=zh")));
    assert_eq!(served.ask("GET", "/load/host/api/v1/runs", "", "").await.status, 401);
    let (kind, body) = json_body(&json!({"user": "ada", "password": PASSWORD}));
    let found = served.ask("POST", "/load/host/api/v1/session", &kind, &body).await;
    let cookie = found.header("set-cookie").unwrap();
    assert!(cookie.contains("; Path=/load/host;"), "{cookie}");
}

/// Writes a certificate for `localhost` with its key.
fn certify(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// Asks as somebody who trusts just the certificate that lies in `trusted`. None: it is not the one that is shown.
async fn ask_by_tls(served: &Served, trusted: &Path, path: &str, lines: &str) -> Option<Answer> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(&served.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    Some(exchange(stream, "GET", path, lines, "").await)
}

async fn eventually_shows(served: &Served, trusted: &Path) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while ask_by_tls(served, trusted, "/", "").await.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "another certificate is still shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn tls_follows_its_files_and_keeps_the_last_pair_that_was_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    certify(folder.path());
    let tls = Tls::load(&cert, &key).unwrap();
    let fleet = fleet();
    let access = fleet.access_at(&BasePath::default(), Wire::Encrypted);
    let doors = Doors { tls: Some(tls), ..Doors::default() };
    let served = Served::new(routes(&access), doors).await;
    let found = ask_by_tls(&served, &cert, "/", "host: load.example\r\n").await.unwrap();
    assert_eq!((found.status, &*found.body), (200, "the page"));
    assert_eq!(found.header("strict-transport-security"), Some("max-age=31536000"));
    let found = ask_by_tls(&served, &cert, "/", "host: localhost\r\n").await.unwrap();
    assert_eq!(found.header("strict-transport-security"), None, "other servers of this machine");

    let first = folder.path().join("first.pem");
    std::fs::copy(&cert, &first).unwrap();
    certify(folder.path());
    eventually_shows(&served, &cert).await;
    assert!(ask_by_tls(&served, &first, "/", "").await.is_none());

    let second = folder.path().join("second.pem");
    std::fs::copy(&cert, &second).unwrap();
    for broken in ["", "nonsense", &std::fs::read_to_string(&first).unwrap()] {
        std::fs::write(&cert, broken).unwrap();
        // Longer than it takes to be looked at again.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert!(ask_by_tls(&served, &second, "/", "").await.is_some(), "{broken}");
    }
    certify(folder.path());
    eventually_shows(&served, &cert).await;
}

#[tokio::test]
async fn who_speaks_plain_http_to_tls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let tls = Tls::load(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let doors = Doors { tls: Some(tls), ..Doors::default() };
    let access = Access::open(Reach::ThisMachine, Wire::Encrypted);
    let served = Served::new(routes(&access), doors).await;
    let found = served.ask("GET", "/", "", "").await;
    assert_eq!(found.status, 400);
    assert!(found.body.contains("https://"), "{}", found.body);
    let counts = served.doors.counters.counts();
    assert!(counts.contains(&("http_plain_on_tls", 1)), "{counts:?}");
}

#[test]
fn files_that_make_no_tls_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    certify(folder.path());
    std::fs::copy(file("key.pem"), file("other.pem")).unwrap();
    certify(folder.path());
    std::fs::write(file("empty.pem"), "").unwrap();
    for (cert, key, part) in [
        ("missing.pem", "key.pem", "missing.pem"),
        ("cert.pem", "missing.pem", "missing.pem"),
        ("empty.pem", "key.pem", "BEGIN CERTIFICATE"),
        ("cert.pem", "empty.pem", "private key"),
        ("cert.pem", "other.pem", "do not go together"),
    ] {
        let error = Tls::load(&file(cert), &file(key)).err().unwrap().to_string();
        assert!(error.contains(part), "{cert} {key}: {error}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_keeps_a_connection_open() {
    let served = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    let mut idle = TcpStream::connect(&served.address).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: loc").await.unwrap();
    served.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), served.task).await;
    ended.unwrap().unwrap().unwrap();
}

// The clock moves on by itself while nothing else can happen.
#[tokio::test(start_paused = true)]
async fn headers_that_trickle_in_are_not_waited_for() {
    let served = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    let mut slow = TcpStream::connect(&served.address).await.unwrap();
    let began = tokio::time::Instant::now();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(600), slow.read_to_end(&mut answer));
    let _ = read.await.expect("the connection is still open");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(began.elapsed() >= Duration::from_secs(30), "{:?}", began.elapsed());
    let counts = served.doors.counters.counts();
    assert!(counts.contains(&("http_headers_too_late", 1)), "{counts:?}");
}
