//! Brokers that know whom to believe by JWT: an operator vouches for accounts, and these for users.

use std::path::{Path, PathBuf};

use loadhost_cluster::{ConnectError, Connection, Settings, connect};
use loadhost_control::ports::Fleet;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{Broker, soon};
use crate::words::{assignment, join, lead, worker};

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..=three.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * letter) & 63) as usize]));
        }
    }
    text
}

/// What `issuer` says of `subject`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let (iss, sub) = (issuer.public_key(), subject.public_key());
    let claims = json!({"jti": sub, "iat": 1, "iss": iss, "name": sub, "sub": sub, "nats": nats});
    let part = |value: Value| base64url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", base64url(&signature))
}

fn account_of(operator: &KeyPair, account: &KeyPair) -> String {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    jwt(operator, account, json!({"type": "account", "version": 2, "limits": limits}))
}

/// A file as `nsc` writes them, of a new user.
fn credentials(folder: &Path, account: &KeyPair) -> PathBuf {
    let user = KeyPair::new_user();
    let nats = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let (jwt, seed) = (jwt(account, &user, nats), user.seed().expect("a seed"));
    let path = folder.join(format!("{}.creds", user.public_key()));
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    std::fs::write(&path, text).expect("write");
    path
}

async fn by_file(broker: &Broker, file: Option<PathBuf>) -> Result<Connection, ConnectError> {
    let settings = Settings { urls: vec![broker.url()], credentials: file, ..Settings::default() };
    soon("an answer", connect(&settings)).await
}

#[tokio::test]
async fn a_credentials_file_lets_in_and_that_of_a_stranger_does_not() {
    let folder = TempDir::new().expect("a folder");
    let (operator, account, system) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let own = json!({"type": "operator", "version": 2, "system_account": system.public_key()});
    let config = folder.path().join("nats-server.conf");
    let text = format!(
        "jetstream {{ store_dir: \"{}\" }}\noperator: \"{}\"\nresolver: MEMORY\n\
         resolver_preload: {{\n  {}: \"{}\"\n  {}: \"{}\"\n}}\n",
        folder.path().join("store").display(),
        jwt(&operator, &operator, own),
        account.public_key(),
        account_of(&operator, &account),
        system.public_key(),
        jwt(&operator, &system, json!({"type": "account", "version": 2})),
    );
    std::fs::write(&config, text).expect("write");
    let broker = Broker::with(&["-c", &config.display().to_string()]);

    let master =
        by_file(&broker, Some(credentials(folder.path(), &account))).await.expect("master");
    let (fleet, _reports) = lead(&master, "host:1").await;
    let joined =
        by_file(&broker, Some(credentials(folder.path(), &account))).await.expect("worker");
    let mut link = join(&joined, "w1").await;
    fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await.expect("assigned");
    let assigned =
        link.assignments.wait_for(|found| found.as_ref().is_some_and(|a| a.generation == 1));
    soon("it is told", assigned).await.expect("open");

    let nobody = by_file(&broker, None).await;
    assert!(matches!(nobody, Err(ConnectError::Refused { .. })), "{:?}", nobody.err());
    let stranger = credentials(folder.path(), &KeyPair::new_account());
    let stranger = by_file(&broker, Some(stranger)).await;
    assert!(matches!(stranger, Err(ConnectError::Refused { .. })), "{:?}", stranger.err());
    fleet.close().await;
}

#[tokio::test]
async fn a_file_that_holds_no_credentials_is_named() {
    let broker = Broker::start();
    let folder = TempDir::new().expect("a folder");
    let nonsense = folder.path().join("nonsense.creds");
    std::fs::write(&nonsense, "nonsense").expect("write");
    for file in [nonsense, folder.path().join("missing.creds")] {
        let shown = file.display().to_string();
        let error = by_file(&broker, Some(file)).await.err().expect("refused");
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
        assert!(error.to_string().contains(&shown), "{error}");
    }
}
