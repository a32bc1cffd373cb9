//! Users with no more rights than they need, and brokers that want to be sure who comes.

use std::path::{Path, PathBuf};

use loadhost_cluster::store::ModuleStore;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{
    AgentConfig, AgentLink, ConnectError, Connection, FleetConfig, NatsFleet, Settings, connect,
};
use loadhost_control::ports::Fleet;
use loadhost_model::id::{ClusterId, Incarnation};
use loadhost_model::wire::Report;

use crate::broker::{Broker, PATIENCE, eventually, soon};
use crate::words::{assignment, interval, next_interval, status, worker};

/// What `deploy/` offers to operators.
fn access_list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/access.conf")
}

fn guarded() -> Broker {
    let config = access_list();
    let passwords = [("LOADHOST_MASTER_PASSWORD", "pass-m"), ("LOADHOST_W1_PASSWORD", "pass-w")];
    Broker::with_env(&["-c", config.to_str().expect("a path")], &passwords)
}

async fn login(broker: &Broker, user: &str, password: &str) -> Connection {
    let urls = vec![format!("nats://{user}:{password}@127.0.0.1:{}", broker.port)];
    let settings = Settings { urls, name: user.into(), ..Settings::default() };
    connect(&settings).await.expect("connect")
}

fn default_cluster() -> ClusterId {
    ClusterId::new("default").expect("a cluster id")
}

#[tokio::test]
async fn a_worker_with_few_rights_can_do_all_its_work() {
    let broker = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let config = FleetConfig::new(default_cluster(), "host:1", Incarnation(1));
    let (fleet, mut reports) = NatsFleet::lead(&master, config).await.expect("lead");
    let names = Names::new(default_cluster());
    let digest = ModuleStore::new(&master, &names).put(b"a module", PATIENCE).await.expect("put");

    let connection = login(&broker, "w1", "pass-w").await;
    let config = AgentConfig::new(default_cluster(), worker("w1"));
    let mut link = AgentLink::join(&connection, config).await.expect("join");
    fleet.assign(&worker("w1"), assignment(fleet.term(), 1, None)).await.expect("assign");
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    let module = ModuleStore::new(&connection, &names).fetch(digest, 100, PATIENCE).await;
    assert_eq!(module.expect("fetch"), b"a module");
    let sent = interval("r1", "w1", 1, 3);
    link.reports.send(Report::Interval(Box::new(sent.clone()))).await.expect("open");
    assert_eq!(next_interval(&mut reports).await, sent);
    link.reports.send(Report::Status(status("w1"))).await.expect("open");
    assert!(matches!(soon("status", reports.recv()).await, Some(Report::Status(_))));
    assert_eq!(connection.counters().broker_errors.get(), 0, "something was denied");
    fleet.close().await;
}

#[tokio::test]
async fn a_worker_cannot_speak_for_others_nor_command() {
    let broker = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let config = FleetConfig::new(default_cluster(), "host:1", Incarnation(1));
    let (fleet, mut reports) = NatsFleet::lead(&master, config).await.expect("lead");
    let rogue = async_nats::ConnectOptions::with_user_and_password("w1".into(), "pass-w".into())
        .connect(broker.url())
        .await
        .expect("connect");
    for subject in [
        "lh.default.hb.w2",
        "lh.default.stats.r1.w2",
        "lh.default.assign.w2",
        "lh.default.leader",
        "$KV.lh_default.leader",
        "$KV.lh_default.assign.w1",
        "$O.lh_mod_default.M.x",
        "$JS.API.STREAM.DELETE.KV_lh_default",
    ] {
        rogue.publish(subject, status("w2").to_json().into()).await.expect("sent");
    }
    // It says it is w2 where only w1 may speak; after that something true.
    rogue.publish("lh.default.hb.w1", status("w2").to_json().into()).await.expect("sent");
    rogue.publish("lh.default.hb.w1", status("w1").to_json().into()).await.expect("sent");
    match soon("status", reports.recv()).await {
        Some(Report::Status(heard)) => assert_eq!(heard, status("w1"), "a forged one was believed"),
        other => panic!("{other:?}"),
    }
    assert_eq!(master.counters().statuses_undecodable.get(), 1);
    assert!(fleet.leads());
    fleet.close().await;
}

/// Keys of an authority, of `127.0.0.1` and of a client.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut of_authority, key) = (params(&[]), rcgen::KeyPair::generate().expect("a key"));
        of_authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = of_authority.self_signed(&key).expect("an authority");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("write");
        let issuer = rcgen::Issuer::new(of_authority, key);
        for (name, hosts) in [("server", &["127.0.0.1"][..]), ("client", &["client"][..])] {
            let key = rcgen::KeyPair::generate().expect("a key");
            let certificate = params(hosts).signed_by(&key, &issuer).expect("a certificate");
            let path = |end: &str| folder.path().join(format!("{name}.{end}"));
            std::fs::write(path("pem"), certificate.pem()).expect("write");
            std::fs::write(path("key"), key.serialize_pem()).expect("write");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn params(hosts: &[&str]) -> rcgen::CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
    rcgen::CertificateParams::new(hosts).expect("names")
}

#[tokio::test]
async fn a_broker_with_its_own_authority_wants_to_know_the_client() {
    let keys = Keys::make();
    let shown = |name: &str| keys.path(name).to_str().expect("a path").to_string();
    let (certificate, key, ca) = (shown("server.pem"), shown("server.key"), shown("ca.pem"));
    let broker = Broker::with(&[
        "-js",
        "--tls",
        "--tlscert",
        &certificate,
        "--tlskey",
        &key,
        "--tlsverify",
        "--tlscacert",
        &ca,
    ]);
    let trusting = Settings {
        urls: vec![format!("tls://127.0.0.1:{}", broker.port)],
        ca: Some(keys.path("ca.pem")),
        ..Settings::default()
    };
    let known = Settings {
        client_certificate: Some((keys.path("client.pem"), keys.path("client.key"))),
        ..trusting.clone()
    };
    assert!(connect(&known).await.expect("connect").connected());
    let distrusting = Settings { ca: None, ..known };
    for (settings, what) in [
        (trusting, "a client without a certificate was let in"),
        (distrusting, "a broker of an unknown authority was believed"),
    ] {
        match connect(&settings).await.map(|_| what) {
            Err(ConnectError::Tls { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_master_that_is_refused_leaves_the_broker_in_peace() {
    let broker = guarded();
    let wrong = Settings {
        urls: vec![broker.url()],
        user: Some(("master".into(), "guessed".into())),
        patience: PATIENCE,
        ..Settings::default()
    };
    let began = tokio::time::Instant::now();
    assert!(matches!(connect(&wrong).await, Err(ConnectError::Refused { .. })));
    assert!(began.elapsed() < PATIENCE / 2, "it went on guessing");
    eventually("the broker serves", async || {
        connect(&Settings { user: Some(("master".into(), "pass-m".into())), ..wrong.clone() })
            .await
            .is_ok()
    })
    .await;
}
