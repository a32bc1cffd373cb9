//! Whole masters: what they show and say of themselves when the lead changes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use loadhost_cluster::lease::Leadership;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{
    AgentLink, Connection, Membership, NatsState, Node, NodeConfig, NodeParts, PrivateServer,
    Settings, connect,
};
use loadhost_control::ports::{NoShapes, boundless};
use loadhost_control::{CoordinatorConfig, EndReason, FleetView, RefusalKind, StartRequest};
use loadhost_model::description::Description;
use loadhost_model::profile::{Curve, Load, Phase};
use loadhost_model::wire::{
    Assignment, LogLine, Report, Step, StopMode, WorkerState, WorkerStatus,
};

use crate::broker::{Broker, PATIENCE, eventually, soon};
use crate::leading::take_over;
use crate::words::{cluster, fleet_config, interval, join, lead, run, status, work, worker};

async fn node(connection: &Connection, id: &str) -> Node {
    node_with(connection, id, CoordinatorConfig::default()).await
}

async fn node_with(connection: &Connection, id: &str, coordinator: CoordinatorConfig) -> Node {
    let config = NodeConfig { fleet: fleet_config(id), coordinator, url: None };
    let store = NatsState::open(connection, &Names::new(cluster()), 1).await.expect("a stream");
    let parts = NodeParts { store: Arc::new(store), shapes: Arc::new(NoShapes), room: boundless() };
    Node::start(connection, config, parts).await.expect("start")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_deposed_master_does_not_show_its_past() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    let node = node(&connection, "host:1").await;
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let mut views = client.subscribe("lh.test.view").await.expect("subscribe");
    // Views go out as soon as somebody else is there to see them.
    let standby = broker.connect("standby").await;
    let standby = Membership::join(&standby, &fleet_config("host:2"), None).await.expect("join");
    let early = soon("a view goes out", views.next()).await.expect("open");
    let mut shown = node.handle().view();
    let back = tokio::spawn(async move {
        let mut last = shown.borrow_and_update().at;
        while shown.changed().await.is_ok() {
            let at = shown.borrow_and_update().at;
            if at < last {
                return Some(Duration::from_micros(last - at));
            }
            last = at;
        }
        None
    });
    let link = join(&broker.connect("worker").await, "w1").await;
    let users = async |users: u32| {
        let status = WorkerStatus { users, ..status("w1") };
        link.reports.send(Report::Status(status)).await.expect("open");
        let is_shown =
            move |view: &Arc<FleetView>| view.workers.iter().any(|worker| worker.users == users);
        let mut view = node.handle().view();
        drop(soon("it is shown", view.wait_for(is_shown)).await.expect("open"));
    };
    users(1).await;
    users(2).await;
    // As many as come back to a master that leads for ten minutes.
    for _ in 0..1_200 {
        let (subject, headers) = (early.subject.clone(), early.headers.clone().expect("headers"));
        let sent = client.publish_with_headers(subject, headers, early.payload.clone()).await;
        sent.expect("sent");
    }
    client.flush().await.expect("flush");
    take_over(&broker, "host:9").await;
    let mut leadership = node.leadership();
    let is_over = |seen: &Leadership| seen.leader().is_some_and(|leader| leader.epoch.0 > 2);
    soon("who took over is followed", leadership.wait_for(is_over)).await.expect("open");
    node.stop().await;
    assert_eq!(soon("the handle closes", back).await.expect("ends"), None, "it showed the past");
    assert_eq!(connection.counters().views_incomplete.get(), 0);
    standby.leave().await;
}

#[tokio::test]
async fn a_master_that_could_not_take_over_is_ready_when_another_leads() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    drop(NatsState::open(&connection, &Names::new(cluster()), 1).await.expect("a stream"));
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let damaged = jetstream.publish("lh.test.state.decisions", "nonsense".into()).await;
    damaged.expect("sent").await.expect("stored");
    let node = node(&connection, "host:1").await;
    let ready = node.readiness();
    eventually("it says why not", async || {
        ready().is_err_and(|why| why.contains("cannot take over"))
    })
    .await;
    take_over(&broker, "host:9").await;
    eventually("it stands by", async || ready().is_ok()).await;
    node.stop().await;
}

/// Three users for as long as nobody stops them.
fn endless(id: &str) -> StartRequest {
    let description = Description { name: "test".into(), ..Description::default() };
    let load = Load::Closed { users: Curve { start: 3.0, stages: Vec::new(), hold: true } };
    let phase = Phase { name: "main".into(), start: Duration::ZERO, load, user_types: Vec::new() };
    let mut plan = (*work(id).plan).clone();
    plan.profile.phases.push(phase);
    StartRequest {
        plan,
        description: Arc::new(description),
        expect_workers: 1,
        max_wait: PATIENCE,
        shape: None,
    }
}

/// A worker as its coordinator sees it; it measures three seconds, whatever the time.
async fn works_for_three_seconds(mut link: AgentLink) {
    let mut measured = 0;
    loop {
        let wanted = link.assignments.borrow_and_update().clone();
        let mut says = status("w1");
        if let Some(Assignment { term, generation, work, .. }) = wanted {
            says.applied = (term, generation);
            says.run = work.as_ref().map(|work| work.plan.run.clone());
            says.state = match work.map(|work| work.step) {
                None => WorkerState::Idle,
                Some(Step::Prepare) => WorkerState::Ready,
                Some(Step::Setup) => WorkerState::SetUp { data: "".into() },
                Some(Step::Run { .. }) => WorkerState::Running,
                Some(Step::Stop { .. }) => WorkerState::Stopped { last_seq: measured },
                Some(Step::Teardown { .. }) => WorkerState::TornDown,
            };
        }
        let makes_load = says.state == WorkerState::Running;
        link.reports.send(Report::Status(says)).await.expect("open");
        while makes_load && measured < 3 {
            measured += 1;
            let interval = Box::new(interval("r1", "w1", measured, 3));
            link.reports.send(Report::Interval(interval)).await.expect("open");
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), link.assignments.changed()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_master_tells_the_whole_history_of_a_run() {
    let broker = Broker::start();
    let leader = broker.connect("leader").await;
    let leader = node(&leader, "host:1").await;
    eventually("it leads", async || leader.leadership().borrow().term().is_some()).await;
    let connection = broker.connect("standby").await;
    let standby = node(&connection, "host:2").await;
    let nobodys = run("nobodys");
    for handle in [leader.handle(), standby.handle()] {
        let told = soon("an answer", handle.timeline(&nobodys)).await;
        assert_eq!(told.expect_err("no such run").kind(), RefusalKind::UnknownRun);
    }
    let link = join(&broker.connect("worker").await, "w1").await;
    let worker = tokio::spawn(works_for_three_seconds(link));
    soon("it starts", standby.handle().start(endless("r1"))).await.expect("started");
    let points = async |node: &Node| node.handle().timeline(&run("r1")).await.expect("a history");
    eventually("all of it is there", async || points(&leader).await.len() == 3).await;
    let history = points(&leader).await;
    assert_eq!(history.iter().map(|point| point.requests).collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!(points(&standby).await, history);
    standby.handle().stop(&run("r1"), StopMode::Now).await.expect("stop");
    let report = soon("its end", standby.handle().finished(&run("r1"))).await.expect("a report");
    assert_eq!(report.history, history);
    assert_eq!((points(&leader).await, points(&standby).await), (history.clone(), history));
    worker.abort();
    standby.stop().await;
    leader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_lone_master_that_was_killed_shows_its_runs_again_and_ends_the_one_without_workers() {
    let home = tempfile::tempdir().expect("a folder");
    // As on a disk after a kill: nobody said goodbye.
    let mut history = Vec::new();
    for life in ["first", "second"] {
        let server = PrivateServer::start_in(None, home.path()).await.expect("start");
        let settings = Settings { urls: vec![server.url().into()], ..Settings::default() };
        let connection = connect(&settings).await.expect("connect");
        let patient = CoordinatorConfig::default();
        let config = CoordinatorConfig {
            all_lost: Duration::from_secs(4),
            checkpoint: Duration::from_millis(100),
            ..patient
        };
        let node = node_with(&connection, life, config).await;
        let points = async || node.handle().timeline(&run("r1")).await;
        if life == "first" {
            let worker = tokio::spawn(works_for_three_seconds(join(&connection, "w1").await));
            soon("it starts", node.handle().start(endless("r1"))).await.expect("started");
            eventually("it has a history", async || points().await.is_ok_and(|p| p.len() == 3))
                .await;
            history = points().await.expect("a history");
            worker.abort();
            let stream = Names::new(cluster()).stats_stream();
            let stream = stream_of(&server, &stream).await;
            eventually("it is in a checkpoint", async || {
                stream.get_info().await.is_ok_and(|info| info.state.messages == 0)
            })
            .await;
            drop((server, node));
            continue;
        }
        eventually("it is known again", async || points().await == Ok(history.clone())).await;
        let report = soon("its end", node.handle().finished(&run("r1"))).await.expect("a report");
        assert_eq!(report.history, history);
        let lost = |code: &str| code == "lost";
        assert!(
            matches!(&report.ended, EndReason::WorkerFailed { code, .. } if lost(code)),
            "{:?}",
            report.ended
        );
        node.stop().await;
        server.stop().await;
    }
}

/// As somebody else sees it.
async fn stream_of(server: &PrivateServer, name: &str) -> async_nats::jetstream::stream::Stream {
    let token = server.url().trim_start_matches("nats://").split('@').next().expect("a token");
    let options = async_nats::ConnectOptions::with_token(token.into());
    let client = options.connect(server.address()).await.expect("connect");
    async_nats::jetstream::new(client).get_stream(name).await.expect("a stream")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn masters_see_each_other_and_who_leads() {
    let broker = Broker::start();
    let connection = broker.connect("leader").await;
    let leader = node(&connection, "host:1").await;
    eventually("it leads", async || leader.leadership().borrow().term().is_some()).await;
    let other = broker.connect("standby").await;
    let standby = node(&other, "host:2").await;
    for (own, node) in [("host:1", &leader), ("host:2", &standby)] {
        let mut masters = node.masters();
        let both = masters.wait_for(|view| view.masters.len() == 2 && view.trouble.is_none());
        let view = soon("both are seen, and all is well", both).await.expect("open").clone();
        assert_eq!((view.own.as_str(), view.leader.as_deref()), (own, Some("host:1")));
        let leading: Vec<_> = view.masters.iter().map(|master| master.acting).collect();
        assert_eq!((leading, view.masters[0].term), (vec![true, false], view.term));
        assert!(view.masters.iter().all(|master| master.silent < PATIENCE), "{view:?}");
    }
    leader.stop().await;
    let mut masters = standby.masters();
    let alone = masters.wait_for(|view| {
        view.masters.len() == 1
            && view.leader.as_deref() == Some("host:2")
            && view.trouble.is_none()
    });
    drop(soon("the other one leads alone", alone).await.expect("open"));
    drop(broker);
    let troubled = masters.wait_for(|view| view.trouble.is_some());
    let trouble = soon("the broker is missed", troubled).await.expect("open").trouble.clone();
    assert!(trouble.as_ref().is_some_and(|text| text.contains("not connected")), "{trouble:?}");
    standby.stop().await;
}

#[tokio::test]
async fn a_worker_cannot_put_words_into_the_mouth_of_another() {
    let broker = Broker::start();
    let leader = broker.connect("leader").await;
    let (leader, _reports) = lead(&leader, "host:1").await;
    let connection = broker.connect("master").await;
    let node = node(&connection, "host:2").await;
    let mut lines = node.handle().logs();
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let line = |message: &str| LogLine {
        run: run("r1"),
        at: Duration::ZERO,
        worker: worker("w1"),
        user: 1,
        level: "info".into(),
        message: message.into(),
    };
    let said = [("w2", line("forged").to_json()), ("w1", b"nonsense".to_vec())];
    for (from, body) in said.into_iter().chain([("w1", line("true").to_json())]) {
        client.publish(format!("lh.test.log.{from}"), body.into()).await.expect("sent");
    }
    assert_eq!(*soon("a line", lines.recv()).await.expect("open"), line("true"));
    assert_eq!(connection.counters().logs_dropped.get(), 2);
    node.stop().await;
    leader.close().await;
}
