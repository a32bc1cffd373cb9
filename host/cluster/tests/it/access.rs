//! Users with no more rights than they need, and brokers that want to be sure who comes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::{FutureExt, StreamExt};
use loadhost_cluster::server_config::{Login, Node, ServerConfig, Tenant, Tls, Workers};
use loadhost_cluster::store::ModuleStore;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{
    AgentConfig, AgentLink, ConnectError, Connection, FleetConfig, NatsShelf, Settings, connect,
};
use loadhost_control::ports::{Drawer, Fleet, Shelf};
use loadhost_model::id::{ClusterId, Incarnation};
use loadhost_model::wire::Report;
use tokio::sync::mpsc;

use crate::broker::{Broker, PATIENCE, eventually, free_port, soon};
use crate::words::{Leader, assignment, interval, lead_with, next_interval, status, worker};

fn tenant(account: &str, master: Login, workers: Vec<(Workers, Login)>) -> Tenant {
    let cluster = default_cluster();
    Tenant { account: account.into(), cluster, masters: vec![master], workers }
}

fn password(user: &str) -> Login {
    let variable = format!("LOADHOST_{}_PASSWORD", user.to_ascii_uppercase());
    Login::Password { user: user.into(), variable }
}

fn server(tenants: Vec<Tenant>) -> ServerConfig {
    ServerConfig {
        listen: "127.0.0.1:4222".into(),
        monitor: None,
        store: "/var/lib/nats".into(),
        tls: None,
        node: None,
        tenants,
    }
}

fn one(name: &str) -> Workers {
    Workers::One(worker(name))
}

/// A broker with this configuration, and the folder it lies in.
fn configured(config: &ServerConfig, env: &[(&str, &str)]) -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nats-server.conf");
    let config = ServerConfig { store: folder.path().join("store"), ..config.clone() };
    std::fs::write(&path, config.to_string()).expect("write");
    (Broker::with_env(&["-c", path.to_str().expect("a path")], env), folder)
}

/// A master and worker `w1`, by passwords.
fn guarded() -> (Broker, tempfile::TempDir) {
    let workers = vec![(one("w1"), password("w1"))];
    let config = server(vec![tenant("loadhost", password("master"), workers)]);
    let passwords = [("LOADHOST_MASTER_PASSWORD", "pass-m"), ("LOADHOST_W1_PASSWORD", "pass-w")];
    configured(&config, &passwords)
}

async fn login(broker: &Broker, user: &str, password: &str) -> Connection {
    let urls = vec![format!("nats://{user}:{password}@127.0.0.1:{}", broker.port)];
    let inbox_prefix = (user == "w1").then(|| Names::inbox(&worker("w1")));
    let settings = Settings { urls, name: user.into(), inbox_prefix, ..Settings::default() };
    connect(&settings).await.expect("connect")
}

async fn by_key(broker: &Broker, key: &nkeys::KeyPair, name: Option<&str>) -> Connection {
    let settings = Settings {
        urls: vec![broker.url()],
        nkey: Some(key.seed().expect("a seed")),
        inbox_prefix: name.map(|name| Names::inbox(&worker(name))),
        ..Settings::default()
    };
    connect(&settings).await.expect("connect")
}

fn default_cluster() -> ClusterId {
    ClusterId::new("default").expect("a cluster id")
}

#[tokio::test]
async fn a_worker_with_few_rights_can_do_all_its_work() {
    let (broker, _folder) = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let connection = login(&broker, "w1", "pass-w").await;
    works(&master, &connection, "w1").await;
}

#[tokio::test]
async fn workers_prove_who_they_are_by_keys_and_tenants_do_not_see_each_other() {
    let keys: Vec<nkeys::KeyPair> = (0..4).map(|_| nkeys::KeyPair::new_user()).collect();
    let nkey = |at: usize| Login::Nkey(keys[at].public_key());
    let config = server(vec![
        tenant("blue", nkey(0), vec![(one("w1"), nkey(1))]),
        tenant("green", nkey(2), vec![(Workers::All, nkey(3))]),
    ]);
    let (broker, _folder) = configured(&config, &[]);
    let blue = by_key(&broker, &keys[0], None).await;
    let (w1, w2) =
        (by_key(&broker, &keys[1], Some("w1")).await, by_key(&broker, &keys[3], Some("w2")).await);
    // Both fleets have the same name, and each its own term, streams and modules.
    let green = by_key(&broker, &keys[2], None).await;
    tokio::join!(works(&blue, &w1, "w1"), works(&green, &w2, "w2"));
    let stranger = Settings {
        urls: vec![broker.url()],
        nkey: nkeys::KeyPair::new_user().seed().ok(),
        ..Settings::default()
    };
    assert!(matches!(connect(&stranger).await, Err(ConnectError::Refused { .. })));
}

/// Leads over this connection.
async fn leading(master: &Connection) -> (Leader, mpsc::Receiver<Report>) {
    let config = FleetConfig::new(default_cluster(), "host:1", Incarnation(1));
    lead_with(master, config).await.expect("lead")
}

/// All that a worker does, over a connection that may do no more than that.
async fn works(master: &Connection, connection: &Connection, name: &str) {
    let (fleet, mut reports) = leading(master).await;
    let names = Names::new(default_cluster());
    let digest = ModuleStore::new(master, &names).put(b"a module", PATIENCE).await.expect("put");

    let config = AgentConfig::new(default_cluster(), worker(name));
    let mut link = AgentLink::join(connection, config).await.expect("join");
    fleet.assign(&worker(name), assignment(fleet.term(), 1, None)).await.expect("assign");
    soon("assignment", link.assignments.wait_for(Option::is_some)).await.expect("open");
    let module = ModuleStore::new(connection, &names).fetch(digest, 100, PATIENCE).await;
    assert_eq!(module.expect("fetch"), b"a module");
    let sent = interval("r1", name, 1, 3);
    link.reports.send(Report::Interval(Box::new(sent.clone()))).await.expect("open");
    assert_eq!(next_interval(&mut reports).await, sent);
    link.reports.send(Report::Status(status(name))).await.expect("open");
    assert!(matches!(soon("status", reports.recv()).await, Some(Report::Status(_))));
    assert_eq!(connection.counters().broker_errors.get(), 0, "something was denied");
    fleet.close().await;
}

#[tokio::test]
async fn a_worker_cannot_speak_for_others_nor_command() {
    let (broker, _folder) = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let (fleet, mut reports) = leading(&master).await;
    let rogue = client(&broker, "w1", "pass-w").await;
    for subject in [
        "lh.default.hb.w2",
        "lh.default.stats.r1.w2",
        "lh.default.assign.w2",
        "lh.default.leader",
        "$KV.lh_default.leader",
        "$KV.lh_default.assign.w1",
        "$O.lh_mod_default.M.x",
        "$O.lh_res_default.M.x",
        "$KV.lh-shelf_default.run.r1",
        "$JS.API.STREAM.PURGE.KV_lh-shelf_default",
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

#[tokio::test]
async fn a_worker_can_neither_read_nor_write_what_masters_keep() {
    let (broker, _folder) = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let shelf = NatsShelf::open(&master, &Names::new(default_cluster()), 1).await.expect("open");
    shelf.put("run.r1", b"ours".to_vec()).await.expect("put");
    let digest = shelf.put_file(Drawer::Results, "ours".into()).await.expect("put");
    let modules = ModuleStore::new(&master, &Names::new(default_cluster()));
    modules.put(b"a module", PATIENCE).await.expect("put");
    let rogue = client(&broker, "w1", "pass-w").await;
    for question in [
        "$JS.API.STREAM.INFO.KV_lh-shelf_default".to_string(),
        "$JS.API.STREAM.INFO.OBJ_lh_res_default".to_string(),
        "$JS.API.STREAM.MSG.GET.KV_lh-shelf_default".to_string(),
        "$JS.API.DIRECT.GET.KV_lh-shelf_default.$KV.lh-shelf_default.run.r1".to_string(),
        "$JS.API.DIRECT.GET.OBJ_lh_res_default.$O.lh_res_default.M.x".to_string(),
        "$JS.API.CONSUMER.CREATE.OBJ_lh_res_default".to_string(),
        // The broker would send what such a consumer delivers to any subject, such as another's assignments.
        "$JS.API.CONSUMER.CREATE.OBJ_lh_mod_default".to_string(),
        "$JS.API.CONSUMER.CREATE.OBJ_lh_mod_default.name".to_string(),
        "$JS.API.STREAM.PURGE.OBJ_lh_res_default".to_string(),
        "$KV.lh-shelf_default.run.r1".to_string(),
        "$O.lh_res_default.C.x".to_string(),
    ] {
        let asked = rogue.request(question.clone(), "{}".into());
        let told = tokio::time::timeout(std::time::Duration::from_millis(300), asked).await;
        assert!(!matches!(told, Ok(Ok(_))), "{question} was answered");
    }
    assert_eq!(shelf.get("run.r1").await, Ok(Some(b"ours".to_vec())));
    assert_eq!(shelf.file(Drawer::Results, digest).await, Ok(Some("ours".into())));
    // The same questions by who may ask them.
    let ours = client(&broker, "master", "pass-m").await;
    let asked = ours.request("$JS.API.STREAM.INFO.OBJ_lh_res_default", "".into());
    assert!(soon("an answer", asked).await.is_ok());
}

#[tokio::test]
async fn a_worker_hears_nothing_that_is_meant_for_others() {
    let (broker, _folder) = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let (fleet, _reports) = leading(&master).await;
    let rogue = client(&broker, "w1", "pass-w").await;
    // An assignment has the values of secret parameters.
    let mut heard = Vec::new();
    for subject in [
        ">",
        "lh.>",
        "lh.default.assign.w2",
        "lh.default.assign.*",
        "lh.default.stats.>",
        "lh.default.log.>",
        "lh.default.ctl",
        "lh.default.view",
        "$KV.>",
        "_INBOX.>",
        "_INBOX.w.w2.>",
        "$JS.>",
    ] {
        heard.push(rogue.subscribe(subject).await.expect("sent"));
    }
    let mut own = rogue.subscribe("lh.default.assign.w1").await.expect("sent");
    rogue.flush().await.expect("flush");
    for id in ["w2", "w1"] {
        fleet.assign(&worker(id), assignment(fleet.term(), 1, None)).await.expect("assign");
    }
    soon("its own assignment", own.next()).await.expect("heard");
    for mut subscription in heard {
        assert!(subscription.next().now_or_never().flatten().is_none(), "heard by a stranger");
    }
    for question in [
        "$JS.API.DIRECT.GET.KV_lh_default.$KV.lh_default.assign.w2",
        "$JS.API.DIRECT.GET.KV_lh_default",
        "$JS.API.STREAM.MSG.GET.KV_lh_default",
        "$JS.API.CONSUMER.CREATE.KV_lh_default",
        "lh.default.ctl",
    ] {
        let asked =
            rogue.request(question, r#"{"last_by_subj":"$KV.lh_default.assign.w2"}"#.into());
        let told = tokio::time::timeout(std::time::Duration::from_millis(300), asked).await;
        assert!(!matches!(told, Ok(Ok(_))), "{question} was answered");
    }
    fleet.close().await;
}

#[tokio::test]
async fn a_worker_cannot_have_answers_sent_to_where_it_may_not_speak() {
    let (broker, _folder) = guarded();
    let master = login(&broker, "master", "pass-m").await;
    let (fleet, _reports) = leading(&master).await;
    let modules = ModuleStore::new(&master, &Names::new(default_cluster()));
    let digest = modules.put(b"a module", PATIENCE).await.expect("put");
    let ours = client(&broker, "master", "pass-m").await;
    let mut told = ours.subscribe("lh.default.>").await.expect("subscribe");
    let rogue = client(&broker, "w1", "pass-w").await;
    let jetstream = async_nats::jetstream::new(ours);
    let streams = async || {
        let names = jetstream.stream_names();
        names.map(|name| name.expect("a name")).collect::<BTreeSet<_>>().await
    };
    let before = streams().await;
    assert!(before.contains("OBJ_lh_mod_default"), "{before:?}");
    // The broker answers each of these with rights of its own, and an empty answer is all that a deletion needs.
    for asked in [
        "lh.default.stats.r1.w1",
        "lh.default.clock",
        "$JS.API.DIRECT.GET.OBJ_lh_mod_default.nothing",
        "$JS.API.DIRECT.GET.OBJ_lh_mod_default",
    ] {
        for stream in &before {
            for answer in ["DELETE", "PURGE"] {
                let answer = format!("$JS.API.STREAM.{answer}.{stream}");
                rogue.publish_with_reply(asked, answer, "{}".into()).await.expect("sent");
            }
        }
        for answer in ["$KV.lh_default.leader", "lh.default.hb.w2", "lh.default.assign.w2"] {
            rogue.publish_with_reply(asked, answer, "".into()).await.expect("sent");
        }
    }
    rogue.publish("lh.default.log.w1", "the last".into()).await.expect("sent");
    rogue.flush().await.expect("flush");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|subject| subject != "lh.default.log.w1") {
        let message = soon("the last", told.next()).await.expect("heard");
        heard.push(message.subject.to_string());
    }
    heard.retain(|subject| subject.ends_with("w2"));
    assert!(heard.is_empty(), "the broker spoke for it: {heard:?}");
    assert_eq!(streams().await, before, "streams are gone");
    assert_eq!(modules.fetch(digest, 100, PATIENCE).await.expect("fetch"), b"a module");
    assert!(fleet.leads());
    fleet.close().await;
}

/// A client of the broker's own library, which does whatever it is told.
async fn client(broker: &Broker, user: &str, password: &str) -> async_nats::Client {
    async_nats::ConnectOptions::with_user_and_password(user.into(), password.into())
        .custom_inbox_prefix(Names::inbox(&worker(user)))
        .connect(broker.url())
        .await
        .expect("connect")
}

#[tokio::test]
async fn three_nodes_that_know_each_other_are_one_broker_for_masters_and_workers() {
    let (master, shared) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let workers = vec![(Workers::All, Login::Nkey(shared.public_key()))];
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let at = |port: &u16| format!("127.0.0.1:{port}");
    let nodes: Vec<_> = ports
        .iter()
        .map(|port| {
            let config = ServerConfig {
                node: Some(Node {
                    name: format!("n{port}"),
                    listen: at(port),
                    routes: ports.iter().filter(|other| *other != port).map(at).collect(),
                    password: "between-nodes".into(),
                }),
                ..server(vec![tenant(
                    "loadhost",
                    Login::Nkey(master.public_key()),
                    workers.clone(),
                )])
            };
            configured(&config, &[])
        })
        .collect();
    let settings = Settings {
        urls: nodes.iter().map(|(broker, _)| broker.url()).collect(),
        nkey: master.seed().ok(),
        ..Settings::default()
    };
    let connection = connect(&settings).await.expect("connect");
    let config = FleetConfig {
        replicas: 3,
        ..FleetConfig::new(default_cluster(), "host:1", Incarnation(1))
    };
    // The nodes need some seconds until one of them leads.
    let mut leading = None;
    eventually("a term in a stream of three copies", async || {
        leading = lead_with(&connection, config.clone()).await.ok();
        leading.is_some()
    })
    .await;
    let (fleet, _reports) = leading.expect("a term");
    assert!(fleet.leads());
    fleet.close().await;
    // At another node than the master, perhaps.
    let w2 = by_key(&nodes[2].0, &shared, Some("w2")).await;
    works(&connection, &w2, "w2").await;
}

#[test]
fn the_example_for_operators_is_what_the_program_writes() {
    let workers = vec![
        (one("w1"), Login::Nkey("UWORKER1".into())),
        (Workers::All, Login::Nkey("UWORKERS".into())),
    ];
    let config = ServerConfig {
        monitor: Some("127.0.0.1:8222".into()),
        tls: Some(Tls {
            certificate: "/etc/nats/server.pem".into(),
            key: "/etc/nats/server.key".into(),
            authority: Some("/etc/nats/ca.pem".into()),
        }),
        ..server(vec![tenant("loadhost", Login::Nkey("UMASTER".into()), workers)])
    };
    let text = config.to_string();
    let example = "../../deploy/nats/nats-server.conf";
    if std::env::var_os("LOADHOST_WRITE_EXAMPLES").is_some() {
        std::fs::write(example, &text).expect("write");
    }
    assert_eq!(
        std::fs::read_to_string(example).expect("read"),
        text,
        "LOADHOST_WRITE_EXAMPLES=1 writes it"
    );
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
    let (broker, _folder) = guarded();
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
