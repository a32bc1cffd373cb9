//! What people gave and what runs left behind, in a real broker.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use loadhost_cluster::store::{ModuleStore, digest_of};
use loadhost_cluster::subjects::Names;
use loadhost_cluster::{Connection, NatsShelf};
use loadhost_control::ports::shelf::{MAX_DOCUMENT_BYTES, MAX_FILE_BYTES};
use loadhost_control::ports::{Drawer, Shelf, ShelfError};

use crate::broker::{Broker, PATIENCE, eventually};
use crate::words::cluster;

async fn shelf(connection: &Connection) -> NatsShelf {
    NatsShelf::open(connection, &Names::new(cluster()), 1).await.expect("a stream")
}

fn bytes(count: usize, fill: u8) -> Bytes {
    vec![fill; count].into()
}

/// Another bound for a stream, so that a test can fill it.
async fn bound(broker: &Broker, stream: &str, bytes: i64, messages: i64) {
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let mut config =
        jetstream.get_stream(stream).await.expect("a stream").cached_info().config.clone();
    (config.max_bytes, config.max_messages) = (bytes, messages);
    jetstream.update_stream(config).await.expect("update");
}

async fn messages(broker: &Broker, stream: &str) -> u64 {
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let stream = async_nats::jetstream::new(client).get_stream(stream).await.expect("a stream");
    stream.cached_info().state.messages
}

#[tokio::test]
async fn what_one_master_keeps_another_finds_also_after_the_broker_was_killed() {
    let mut broker = Broker::start();
    let (one, two) = (broker.connect("one").await, broker.connect("two").await);
    let (first, second) = (shelf(&one).await, shelf(&two).await);
    assert_eq!(second.file(Drawer::Results, digest_of(b"x")).await, Ok(None), "without a bucket");
    let file: Bytes = (0..700_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>().into();
    let input = first.put_file(Drawer::Inputs, file.clone()).await.expect("put");
    let result = first.put_file(Drawer::Results, bytes(10, 3)).await.expect("put");
    for (key, text) in [("run.01JB", "b"), ("run.01JA", "a"), ("running", "c"), ("note.01JA", "d")]
    {
        first.put(key, text.into()).await.expect("put");
    }
    broker.restart();
    eventually("it is connected again", async || two.connected()).await;
    eventually("the streams are there", async || second.get("running").await.is_ok()).await;
    assert_eq!(second.file(Drawer::Inputs, input).await, Ok(Some(file)));
    assert_eq!(second.file(Drawer::Results, result).await, Ok(Some(bytes(10, 3))));
    assert_eq!(second.file(Drawer::Results, input).await, Ok(None), "another drawer");
    let listed = |keys: &[(&str, &str)]| {
        Ok(keys.iter().map(|(key, text)| (key.to_string(), text.as_bytes().to_vec())).collect())
    };
    assert_eq!(second.list("run.").await, listed(&[("run.01JA", "a"), ("run.01JB", "b")]));
    assert_eq!(second.list("run.01JB").await, listed(&[("run.01JB", "b")]));
    assert_eq!(second.list("runn").await, listed(&[("running", "c")]));
    assert_eq!(second.list("").await.expect("all").len(), 4);
    for hostile in ["*", ">", "run.*", "run..", ".", "run.01JA.>", "a b", "nobody."] {
        assert_eq!(second.list(hostile).await, Ok(Vec::new()), "{hostile}");
    }

    second.delete("run.01JA").await.expect("delete");
    second.delete("run.01JA").await.expect("it is not there");
    second.delete_file(Drawer::Results, result).await.expect("delete");
    second.delete_file(Drawer::Results, result).await.expect("it is not there");
    assert_eq!(first.get("run.01JA").await, Ok(None));
    assert_eq!(first.file(Drawer::Results, result).await, Ok(None));
    first.put("run.01JA", b"again".to_vec()).await.expect("put again");
    assert_eq!(second.get("run.01JA").await, Ok(Some(b"again".to_vec())));
    let again = first.put_file(Drawer::Results, bytes(10, 3)).await;
    assert_eq!(again, Ok(result));
    assert_eq!(second.file(Drawer::Results, result).await, Ok(Some(bytes(10, 3))));
}

#[tokio::test]
async fn while_the_broker_is_away_it_says_so_and_keeps_nothing_for_later() {
    let mut broker = Broker::start();
    let connection = broker.connect("master").await;
    let shelf = shelf(&connection).await;
    shelf.put("a", b"old".to_vec()).await.expect("put");
    let file = shelf.put_file(Drawer::Inputs, bytes(10, 1)).await.expect("put");
    broker.kill();
    eventually("it is noticed", async || !connection.connected()).await;
    let away = |found: Option<ShelfError>| matches!(found, Some(ShelfError::Unavailable { .. }));
    let (put, get, list, delete, fetch, put_file) = tokio::join!(
        shelf.put("a", b"late".to_vec()),
        shelf.get("a"),
        shelf.list(""),
        shelf.delete("b"),
        shelf.file(Drawer::Inputs, file),
        shelf.put_file(Drawer::Inputs, bytes(10, 2)),
    );
    assert!(away(put.err()) && away(get.err()) && away(list.err()) && away(delete.err()));
    assert!(away(fetch.err()) && away(put_file.err()));
    broker.restart();
    eventually("it is there again", async || shelf.get("a").await == Ok(Some(b"old".to_vec())))
        .await;
    shelf.put("a", b"new".to_vec()).await.expect("put");
    assert_eq!(shelf.get("a").await, Ok(Some(b"new".to_vec())));
}

#[tokio::test]
async fn a_full_broker_names_what_is_full_and_what_to_delete() {
    let broker = Broker::start();
    let shelf = shelf(&broker.connect("master").await).await;
    let first = shelf.put_file(Drawer::Results, bytes(50_000, 1)).await.expect("put");
    bound(&broker, "OBJ_lh_res_test", 100_000, -1).await;
    let refused = shelf.put_file(Drawer::Results, bytes(50_000, 2)).await.expect_err("full");
    assert!(matches!(refused, ShelfError::Full { bytes: 50_000, .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("`lh_res_test`") && text.contains("delete old runs"), "{text}");
    assert_eq!(messages(&broker, "OBJ_lh_res_test").await, 2, "nothing was begun");
    assert_eq!(shelf.put_file(Drawer::Results, bytes(50_000, 1)).await, Ok(first), "it is there");
    shelf.put_file(Drawer::Inputs, bytes(50_000, 2)).await.expect("another drawer has room");
    shelf.delete_file(Drawer::Results, first).await.expect("delete");
    shelf.put_file(Drawer::Results, bytes(50_000, 2)).await.expect("there is room now");

    bound(&broker, "KV_lh-shelf_test", 10_000, 3).await;
    shelf.put("a", vec![1; 8_000]).await.expect("put");
    let refused = shelf.put("b", vec![1; 8_000]).await.expect_err("full");
    let text = refused.to_string();
    assert!(matches!(refused, ShelfError::Full { .. }), "{text}");
    assert!(text.contains("document `b`") && text.contains("delete old runs"), "{text}");
    shelf.put("a", vec![1; 10]).await.expect("less than before");
    for key in ["b", "c"] {
        shelf.put(key, vec![1; 10]).await.expect("put");
    }
    assert!(matches!(shelf.put("d", vec![1; 10]).await, Err(ShelfError::Full { .. })));
    shelf.put("c", vec![2; 10]).await.expect("a new text of one that is there");
    shelf.delete("b").await.expect("delete");
    shelf.put("d", vec![1; 10]).await.expect("there is room now");
}

#[tokio::test]
async fn what_is_too_large_or_has_no_proper_key_is_refused() {
    let broker = Broker::start();
    let shelf = shelf(&broker.connect("master").await).await;
    let most = vec![7; MAX_DOCUMENT_BYTES];
    shelf.put("largest", most.clone()).await.expect("put");
    assert_eq!(shelf.get("largest").await, Ok(Some(most)));
    let too_large = shelf.put("larger", vec![7; MAX_DOCUMENT_BYTES + 1]).await;
    assert!(matches!(too_large, Err(ShelfError::TooLarge { .. })), "{too_large:?}");
    let too_large = shelf.put_file(Drawer::Inputs, bytes(MAX_FILE_BYTES + 1, 0)).await;
    assert!(matches!(too_large, Err(ShelfError::TooLarge { .. })), "{too_large:?}");
    for key in ["", "*", ">", "a.>", "a..b", "a/b", "a b", "a\r\nPUB x"] {
        assert!(matches!(shelf.put(key, vec![1]).await, Err(ShelfError::BadKey(_))), "{key:?}");
        assert!(matches!(shelf.get(key).await, Err(ShelfError::BadKey(_))), "{key:?}");
        assert!(matches!(shelf.delete(key).await, Err(ShelfError::BadKey(_))), "{key:?}");
    }
}

#[tokio::test]
async fn of_two_masters_that_write_at_once_one_wins_whole_and_none_fails() {
    let broker = Broker::start();
    let one = Arc::new(shelf(&broker.connect("one").await).await);
    let two = Arc::new(shelf(&broker.connect("two").await).await);
    let write = |shelf: Arc<NatsShelf>, fill: u8| async move {
        for round in 0..50_u8 {
            shelf.put("note", vec![fill; 1_000 + usize::from(round)]).await.expect("put");
            shelf.put_file(Drawer::Results, bytes(1_000, round % 3)).await.expect("put");
        }
    };
    tokio::join!(write(one.clone(), 1), write(two.clone(), 2));
    let note = one.get("note").await.expect("get").expect("a note");
    assert!(note.len() == 1_049 && (note == [1; 1_049] || note == [2; 1_049]), "{note:?}");
    for fill in 0..3 {
        let file = two.file(Drawer::Results, digest_of(&bytes(1_000, fill))).await;
        assert_eq!(file, Ok(Some(bytes(1_000, fill))));
    }
}

#[tokio::test]
async fn an_altered_file_is_not_believed() {
    let broker = Broker::start();
    let shelf = shelf(&broker.connect("master").await).await;
    let digest = shelf.put_file(Drawer::Results, bytes(100, 1)).await.expect("put");
    let client = async_nats::connect(broker.url()).await.expect("connect");
    let bucket = async_nats::jetstream::new(client).get_object_store("lh_res_test").await;
    let bucket = bucket.expect("a bucket");
    bucket.put(digest.to_string().as_str(), &mut &b"else"[..]).await.expect("tamper");
    let found = shelf.file(Drawer::Results, digest).await;
    assert!(matches!(found, Err(ShelfError::Altered { .. })), "{found:?}");
    shelf.put_file(Drawer::Results, bytes(100, 1)).await.expect("put");
    assert_eq!(shelf.file(Drawer::Results, digest).await, Ok(Some(bytes(100, 1))));
}

#[tokio::test]
async fn what_was_deleted_leaves_nothing_behind_for_ever() {
    let broker = Broker::start();
    let connection = broker.connect("master").await;
    let shelf = shelf(&connection).await;
    let digest = shelf.put_file(Drawer::Inputs, bytes(300_000, 1)).await.expect("put");
    let kept = shelf.put_file(Drawer::Inputs, bytes(300_000, 2)).await.expect("put");
    let before = messages(&broker, "OBJ_lh_mod_test").await;
    shelf.delete_file(Drawer::Inputs, digest).await.expect("delete");
    let modules = ModuleStore::new(&connection, &Names::new(cluster()));
    let left = modules.sweep(&BTreeSet::new()).await.expect("sweep");
    assert_eq!(left, BTreeSet::new());
    assert_eq!(messages(&broker, "OBJ_lh_mod_test").await, before / 2, "chunks and entry are gone");
    let fetched = modules.fetch(kept, 1 << 20, PATIENCE).await;
    assert_eq!(fetched.expect("it is there").len(), 300_000);
}
