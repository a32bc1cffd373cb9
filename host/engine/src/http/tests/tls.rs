//! Encryption against a real rustls server.

use std::sync::Arc;

use loadhost_model::plan::{HttpSettings, Limits};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::{FailureKind, Grants, SetupError, Shared};
use super::server::{Seen, Step, follow, ok, reply, send};
use super::{body, client_with, get, settings};

/// A certificate authority of the test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key, PEM, for a name.
    fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> String {
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }
}

fn server_config(identity: &str, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let chain = CertificateDer::pem_slice_iter(identity.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.as_bytes()).unwrap();
    builder.with_single_cert(chain, key).unwrap()
}

/// Serves each connection by the script. Its port.
async fn serve(config: ServerConfig, script: Vec<Step>) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { break };
            let (acceptor, script, log) = (acceptor.clone(), script.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    follow(&mut stream, &script, number, &log).await;
                }
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_trusted_server_is_talked_to_over_one_connection() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let large = "x".repeat(300_000);
    let script = [reply(ok("hi")), reply(ok(&large)), reply(ok("last"))].concat();
    let (port, seen) = serve(server_config(&identity, None), script).await;
    let settings = HttpSettings { extra_roots: Some(authority.pem()), ..settings() };
    let mut client =
        client_with(&format!("https://localhost:{port}"), &settings, &Limits::default());
    let first = get(&mut client, "/").await;
    assert_eq!(body(&first), "hi");
    assert!(first.timings.tls > std::time::Duration::ZERO);
    assert_eq!(body(&get(&mut client, "/").await), large);
    let last = get(&mut client, "/").await;
    assert_eq!((body(&last).as_str(), last.timings.new_connections), ("last", 0));
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_server_that_proves_nothing_is_refused() {
    let authority = Authority::new();
    let own = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let others = authority.issue("other.test", ExtendedKeyUsagePurpose::ServerAuth);
    let trusted = HttpSettings { extra_roots: Some(authority.pem()), ..settings() };
    let insecure = HttpSettings { insecure: true, ..settings() };
    for (identity, settings, word) in [
        (&own, &settings(), "unknown issuer"),
        (&others, &trusted, "another name"),
        (&others, &insecure, ""),
    ] {
        let (port, _) = serve(server_config(identity, None), reply(ok("hi"))).await;
        let target = format!("https://localhost:{port}");
        let exchange = get(&mut client_with(&target, settings, &Limits::default()), "/").await;
        match exchange.result {
            Ok(_) => assert_eq!(word, "", "an insecure run trusts everybody"),
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Tls);
                assert!(!word.is_empty() && failure.message.contains(word), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let server = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let user = authority.issue("user", ExtendedKeyUsagePurpose::ClientAuth);
    for (identity, welcome) in [(Some(user), true), (None, false)] {
        let config = server_config(&server, Some(&authority));
        let (port, _) = serve(config, reply(ok("hi"))).await;
        let settings = HttpSettings {
            extra_roots: Some(authority.pem()),
            client_identity: identity,
            ..settings()
        };
        let target = format!("https://localhost:{port}");
        let exchange = get(&mut client_with(&target, &settings, &Limits::default()), "/").await;
        assert_eq!(exchange.ok(), welcome, "{exchange:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closes_is_replaced() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let script = vec![Step::Read, send(ok("hi")), Step::Close];
    let (port, seen) = serve(server_config(&identity, None), script).await;
    let settings = HttpSettings { insecure: true, ..settings() };
    let mut client =
        client_with(&format!("https://localhost:{port}"), &settings, &Limits::default());
    for _ in 0..3 {
        assert_eq!(body(&get(&mut client, "/").await), "hi");
    }
    let connections: Vec<_> = seen.lock().unwrap().iter().map(|(number, _)| *number).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_server_without_encryption_is_named_as_such() {
    let server = super::server::Server::of(vec![send("220 smtp ready\r\n")]).await;
    let target = server.url.replace("http:", "https:");
    let exchange = get(&mut client_with(&target, &settings(), &Limits::default()), "/").await;
    assert_eq!(body(&exchange), "tls: the server does not speak TLS");
}

#[test]
fn certificates_are_checked_before_the_run() {
    let authority = Authority::new();
    let one = authority.issue("a", ExtendedKeyUsagePurpose::ClientAuth);
    let two = authority.issue("b", ExtendedKeyUsagePurpose::ClientAuth);
    let key = two.find("-----BEGIN PRIVATE KEY").unwrap();
    let mixed = format!("{}{}", &one[..one.find("-----BEGIN PRIVATE KEY").unwrap()], &two[key..]);
    for (roots, identity) in [
        (Some("no pem"), None),
        (None, Some("no pem")),
        (None, Some(authority.pem().as_str())),
        (None, Some(mixed.as_str())),
    ] {
        let settings = HttpSettings {
            extra_roots: roots.map(str::to_string),
            client_identity: identity.map(str::to_string),
            ..settings()
        };
        let made = Shared::new(&settings, None, &Limits::default(), &Grants::default());
        assert!(matches!(made, Err(SetupError::Certificate { .. })), "{roots:?} {identity:?}");
    }
}
