//! What one master saves and the next one finds.

use std::time::Duration;

use futures_util::TryStreamExt;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{Connection, ModuleStore, NatsState};
use loadhost_control::ports::{Saved, SavedCheckpoint, StateStore, StoreError};
use loadhost_model::id::Term;

use crate::broker::{Broker, PATIENCE, eventually, soon};
use crate::words::{cluster, run};

async fn open(connection: &Connection) -> NatsState {
    NatsState::open(connection, &Names::new(cluster()), 1).await.expect("a stream")
}

/// A master that has taken over in this term.
async fn master(broker: &Broker, term: u64) -> (NatsState, Connection, Saved) {
    let connection = broker.connect("master").await;
    let state = open(&connection).await;
    let saved = state.load(Term(term)).await.expect("load");
    (state, connection, saved)
}

/// Bytes that are the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn checkpoint(seed: u64, position: u64) -> SavedCheckpoint {
    let sections = vec![noise(seed, 3_000_000), noise(7, 200_000), noise(8, 10_000), Vec::new()];
    SavedCheckpoint { position, sections }
}

/// Subjects of the stream's chunks, and of all else.
async fn subjects(broker: &Broker) -> (Vec<String>, Vec<String>) {
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("LH_STATE_test").await.expect("stream");
    let all = stream.info_with_subjects("lh.test.state.>").await.expect("subjects");
    let mut all: Vec<String> = all.map_ok(|(subject, _)| subject).try_collect().await.expect("all");
    all.sort();
    all.into_iter().partition(|subject| subject.contains(".chunk."))
}

/// A stream of intervals with ten messages; how many are left is asked by what is returned.
async fn intervals(broker: &Broker) -> impl AsyncFn() -> u64 {
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "LH_STATS_test".into(),
        subjects: vec!["lh.test.stats.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.expect("stream");
    for _ in 0..10 {
        let sent = jetstream.publish("lh.test.stats.r1.w1", "interval".into()).await;
        sent.expect("sent").await.expect("stored");
    }
    async move || {
        let stream = jetstream.get_stream("LH_STATS_test").await.expect("stream");
        stream.cached_info().state.messages
    }
}

fn is_deposed<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Deposed(_))), "{result:?}");
}

#[tokio::test]
async fn what_was_saved_is_found_by_the_next_leader_and_the_one_after() {
    let broker = Broker::start();
    let (first, _connection, nothing) = master(&broker, 1).await;
    assert_eq!(nothing, Saved::default());
    first.save_decisions(Term(1), b"first thoughts".to_vec()).await.expect("save");
    first.save_decisions(Term(1), noise(1, 1_500_000)).await.expect("save");
    for seed in [2, 3] {
        first.save_checkpoint(Term(1), run("r1"), checkpoint(seed, seed)).await.expect("save");
    }
    first.save_checkpoint(Term(1), run("r2"), checkpoint(4, 9)).await.expect("save");
    first.forget(Term(1), run("r2")).await.expect("forget");
    for (name, length) in [("b", 10), ("a", 2_000_000)] {
        first.save_report(Term(1), run(name), noise(5, length)).await.expect("save");
    }
    for term in [2, 3] {
        let (_, _connection, saved) = master(&broker, term).await;
        assert_eq!(saved.decisions, Some(noise(1, 1_500_000)), "term {term}");
        assert_eq!(saved.checkpoints.len(), 1);
        assert_eq!(saved.checkpoints[&run("r1")], checkpoint(3, 3));
        assert_eq!(saved.reports, [noise(5, 10), noise(5, 2_000_000)], "oldest first");
        assert!(saved.age.expect("an age") < Duration::from_secs(60), "{:?}", saved.age);
    }
    let stranger = open(&broker.connect("standby").await).await;
    assert_eq!(stranger.report(run("b")).await, Ok(Some(noise(5, 10))));
    assert_eq!(stranger.report(run("nobody")).await, Ok(None));
}

#[tokio::test]
async fn the_age_of_decisions_is_not_that_of_a_claim() {
    let broker = Broker::start();
    let (first, ..) = master(&broker, 1).await;
    first.save_decisions(Term(1), b"decisions".to_vec()).await.expect("save");
    let saved_at = std::time::Instant::now();
    let mut term = 2;
    eventually("they are a second old, over several claims", async || {
        let (_, _, saved) = master(&broker, term).await;
        term += 1;
        let (age, passed) = (saved.age.expect("an age"), saved_at.elapsed());
        assert!(age < passed + Duration::from_millis(500), "{age:?} after {passed:?}");
        age > Duration::from_secs(1)
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_was_deposed_can_save_and_purge_no_more() {
    let broker = Broker::start();
    let left = intervals(&broker).await;
    let (first, ..) = master(&broker, 1).await;
    first.save_decisions(Term(1), b"old".to_vec()).await.expect("save");
    first.save_checkpoint(Term(1), run("r1"), checkpoint(1, 5)).await.expect("save");
    let (second, _connection, saved) = master(&broker, 2).await;
    assert_eq!(saved.checkpoints[&run("r1")].position, 5);
    is_deposed(first.save_decisions(Term(1), b"stale".to_vec()).await);
    is_deposed(first.release(Term(1), 5).await);
    assert_eq!(left().await, 10, "a stale leader has purged");
    second.save_checkpoint(Term(2), run("r1"), checkpoint(2, 6)).await.expect("save");
    is_deposed(first.save_checkpoint(Term(1), run("r1"), checkpoint(3, 7)).await);
    is_deposed(first.load(Term(1)).await);
    second.release(Term(2), 6).await.expect("release");
    assert_eq!(left().await, 4);

    let (_, _, saved) = master(&broker, 3).await;
    assert_eq!(saved.decisions, Some(b"old".to_vec()));
    assert_eq!(saved.checkpoints[&run("r1")], checkpoint(2, 6));
    is_deposed(second.save_decisions(Term(2), b"stale too".to_vec()).await);
}

#[tokio::test]
async fn an_upload_that_breaks_off_changes_nothing_and_is_collected() {
    let broker = Broker::start();
    drop(intervals(&broker).await);
    let (first, connection, _) = master(&broker, 1).await;
    first.save_decisions(Term(1), b"decisions".to_vec()).await.expect("save");
    first.save_checkpoint(Term(1), run("r1"), checkpoint(1, 1)).await.expect("save");
    let whole = subjects(&broker).await.0.len();
    let written = connection.counters().state_bytes.get();
    // Looked at each turn: the upload is quicker than a pause between two looks.
    let goes_out = async {
        while connection.counters().state_bytes.get() == written {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        saved = first.save_checkpoint(Term(1), run("r1"), checkpoint(2, 2)) => panic!("{saved:?}"),
        () = soon("a chunk goes out", goes_out) => {}
    }
    // Killed here. What was sent arrives all the same.
    eventually("it has left something", async || subjects(&broker).await.0.len() > whole).await;
    let (second, _connection, saved) = master(&broker, 2).await;
    assert_eq!(saved.checkpoints[&run("r1")], checkpoint(1, 1));
    second.save_checkpoint(Term(2), run("r1"), checkpoint(3, 3)).await.expect("save");
    second.release(Term(2), 3).await.expect("release");
    eventually("only what is needed is left", async || subjects(&broker).await.0.len() == whole)
        .await;
    let (_, _, saved) = master(&broker, 3).await;
    assert_eq!(saved.checkpoints[&run("r1")], checkpoint(3, 3));
}

#[tokio::test]
async fn what_has_not_changed_is_not_written_again() {
    let broker = Broker::start();
    let (state, connection, _) = master(&broker, 1).await;
    state.save_checkpoint(Term(1), run("r1"), checkpoint(1, 1)).await.expect("save");
    let written = connection.counters().state_bytes.get();
    assert_eq!(written, 3_200_000);
    state.save_checkpoint(Term(1), run("r1"), checkpoint(1, 2)).await.expect("save");
    assert_eq!(connection.counters().state_bytes.get(), written);
    let before = subjects(&broker).await;
    state.save_checkpoint(Term(1), run("r1"), checkpoint(2, 3)).await.expect("save");
    assert_eq!(connection.counters().state_bytes.get(), written + 3_000_000);
    let after = subjects(&broker).await;
    assert_eq!((after.0.len(), after.1), (before.0.len(), before.1), "the old ones are gone");
    state.forget(Term(1), run("r1")).await.expect("forget");
    assert_eq!(subjects(&broker).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn state_outlives_the_broker() {
    let mut broker = Broker::start();
    let (state, connection, _) = master(&broker, 1).await;
    state.save_checkpoint(Term(1), run("r1"), checkpoint(1, 1)).await.expect("save");
    broker.kill();
    let refused = state.save_decisions(Term(1), b"decisions".to_vec()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    broker.restart();
    eventually("they meet again", async || connection.connected()).await;
    eventually("it is saved", async || {
        state.save_decisions(Term(1), b"more decisions".to_vec()).await.is_ok()
    })
    .await;
    let (_, _, saved) = master(&broker, 2).await;
    assert_eq!(saved.decisions, Some(b"more decisions".to_vec()));
    assert_eq!(saved.checkpoints[&run("r1")], checkpoint(1, 1));
}

#[tokio::test]
async fn the_oldest_reports_go() {
    let broker = Broker::start();
    let (state, ..) = master(&broker, 1).await;
    for n in 0..25_u64 {
        let name = format!("r{}", 99 - n);
        state.save_report(Term(1), run(&name), noise(n, 100_000)).await.expect("save");
    }
    assert_eq!(state.report(run("r95")).await, Ok(None));
    let (_, _, saved) = master(&broker, 2).await;
    let newest: Vec<_> = (5..25).map(|n| noise(n, 100_000)).collect();
    assert_eq!(saved.reports, newest);
    assert_eq!(subjects(&broker).await.0.len(), 20);
}

#[tokio::test]
async fn a_report_that_could_not_be_read_once_is_there_when_it_can_be() {
    let broker = Broker::start();
    drop(intervals(&broker).await);
    let (first, ..) = master(&broker, 1).await;
    first.save_report(Term(1), run("r1"), noise(5, 2_000_000)).await.expect("save");
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("LH_STATE_test").await.expect("stream");
    // A chunk is out of reach while the next leader reads.
    let chunk = subjects(&broker).await.0.remove(0);
    let kept = stream.get_last_raw_message_by_subject(&chunk).await.expect("a chunk");
    stream.purge().filter(&chunk).await.expect("purge");
    let (second, _connection, saved) = master(&broker, 2).await;
    assert_eq!(saved.reports, Vec::<Vec<u8>>::new());
    second.release(Term(2), 3).await.expect("release");
    jetstream.publish(chunk, kept.payload).await.expect("sent").await.expect("stored");
    let (_, _connection, saved) = master(&broker, 3).await;
    assert!(saved.reports == [noise(5, 2_000_000)], "{} reports", saved.reports.len());
}

#[tokio::test]
async fn garbage_that_cannot_be_read_does_not_keep_intervals_from_being_released() {
    let broker = Broker::start();
    let left = intervals(&broker).await;
    let (state, ..) = master(&broker, 1).await;
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let garbage = jetstream.publish("lh.test.state.run.unknown", "nonsense".into()).await;
    garbage.expect("sent").await.expect("stored");
    assert_eq!(state.release(Term(1), 4).await, Ok(()));
    assert_eq!(left().await, 6);
}

#[tokio::test]
async fn frequent_checkpoints_do_not_hasten_the_end_of_an_upload() {
    let broker = Broker::start();
    drop(intervals(&broker).await);
    let (state, connection, _) = master(&broker, 1).await;
    ModuleStore::new(&connection, &Names::new(cluster()))
        .put(b"module", PATIENCE)
        .await
        .expect("put");
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let chunk = "$O.lh_mod_test.C.underway";
    let sent = jetstream.publish(chunk, noise(2, 1_000).into()).await.expect("sent");
    sent.await.expect("stored");
    for _ in 0..=200 {
        state.release(Term(1), 1).await.expect("release");
    }
    let stream = jetstream.get_stream("OBJ_lh_mod_test").await.expect("stream");
    stream.get_last_raw_message_by_subject(chunk).await.expect("the chunk is still there");
}

#[tokio::test]
async fn modules_whose_upload_broke_off_are_deleted_the_second_time_they_are_seen() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    let modules = ModuleStore::new(&connection, &Names::new(cluster()));
    let digest = modules.put(&noise(1, 300_000), PATIENCE).await.expect("put");
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    for _ in 0..3 {
        let chunk = noise(2, 1_000).into();
        let sent = jetstream.publish("$O.lh_mod_test.C.broken", chunk).await.expect("sent");
        sent.await.expect("stored");
    }
    let seen = modules.sweep(&Default::default()).await.expect("sweep");
    assert_eq!(seen, ["broken".to_string()].into());
    assert_eq!(modules.sweep(&seen).await.expect("sweep"), [].into());
    assert_eq!(connection.counters().modules_collected.get(), 1);
    let stream = jetstream.get_stream("OBJ_lh_mod_test").await.expect("stream");
    let gone = stream.get_last_raw_message_by_subject("$O.lh_mod_test.C.broken").await;
    assert!(gone.is_err());
    let whole = modules.fetch(digest, 1 << 20, PATIENCE).await.expect("fetch");
    assert_eq!(whole, noise(1, 300_000));
}

#[tokio::test]
async fn more_than_the_store_takes_is_refused_with_the_figure() {
    let broker = Broker::start();
    let (state, ..) = master(&broker, 1).await;
    let huge = SavedCheckpoint { position: 0, sections: vec![vec![0; (128 << 20) + 1]] };
    let refused = state.save_checkpoint(Term(1), run("r1"), huge).await.expect_err("too large");
    assert!(refused.to_string().contains("134217729 bytes"), "{refused}");
    assert_eq!(subjects(&broker).await.0, Vec::<String>::new());
}
