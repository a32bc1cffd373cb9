//! Modules in the broker's object store.

use futures_util::future::join_all;
use loadhost_cluster::store::{ModuleStore, StoreError, digest_of};
use loadhost_cluster::subjects::Names;
use loadhost_cluster::trust::{SigningKey, Trust, TrustError};

use crate::broker::{Broker, PATIENCE};
use crate::words::cluster;

const MOST: u64 = 8 << 20;

fn module() -> Vec<u8> {
    (0..700_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

async fn store(broker: &Broker) -> ModuleStore {
    ModuleStore::new(&broker.connect("modules").await, &Names::new(cluster()))
}

#[tokio::test]
async fn a_module_comes_back_as_it_was_stored() {
    let broker = Broker::start();
    let (master, worker) = (store(&broker).await, store(&broker).await);
    let module = module();
    let digest = master.put(&module, PATIENCE).await.expect("put");
    assert_eq!(digest, digest_of(&module));
    assert_eq!(worker.fetch(digest, MOST, PATIENCE).await.expect("fetch"), module);
}

#[tokio::test]
async fn modules_whose_chunks_lie_among_those_of_others_come_back_whole() {
    let broker = Broker::start();
    let store = store(&broker).await;
    let modules: Vec<Vec<u8>> = (0..4).map(|n| [module(), vec![n; 1_000]].concat()).collect();
    let digests = join_all(modules.iter().map(|module| store.put(module, PATIENCE))).await;
    for (digest, module) in digests.into_iter().zip(&modules) {
        let fetched = store.fetch(digest.expect("put"), MOST, PATIENCE).await.expect("fetch");
        assert!(fetched == *module, "{} bytes of {}", fetched.len(), module.len());
    }
}

#[tokio::test]
async fn storing_again_writes_nothing() {
    let broker = Broker::start();
    let (store, module) = (store(&broker).await, module());
    let context = jetstream(&broker).await;
    store.put(&module, PATIENCE).await.expect("put");
    let written = async || {
        let stream = context.get_stream("OBJ_lh_mod_test").await.expect("stream");
        stream.cached_info().state.last_sequence
    };
    let before = written().await;
    store.put(&module, PATIENCE).await.expect("put again");
    assert_eq!(written().await, before);
}

#[tokio::test]
async fn another_module_under_its_name_is_not_believed_and_is_replaced() {
    let broker = Broker::start();
    let (store, module) = (store(&broker).await, module());
    let digest = store.put(&module, PATIENCE).await.expect("put");
    let bucket = jetstream(&broker).await.get_object_store("lh_mod_test").await.expect("bucket");
    bucket.put(digest.to_string().as_str(), &mut &b"something else"[..]).await.expect("tamper");
    match store.fetch(digest, MOST, PATIENCE).await {
        Err(StoreError::Tampered { wanted, found }) => {
            assert_eq!((wanted, found), (digest, digest_of(b"something else")));
        }
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
    store.put(&module, PATIENCE).await.expect("put again");
    assert_eq!(store.fetch(digest, MOST, PATIENCE).await.expect("fetch"), module);
}

#[tokio::test]
async fn a_module_that_nobody_stored_is_missing() {
    let broker = Broker::start();
    let store = store(&broker).await;
    let digest = digest_of(b"never stored");
    for _ in ["without a bucket", "with one"] {
        let error = store.fetch(digest, MOST, PATIENCE).await.expect_err("missing");
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert!(error.to_string().contains(&digest.short()), "{error}");
        store.put(b"another", PATIENCE).await.expect("put");
    }
}

#[tokio::test]
async fn a_module_with_lost_chunks_does_not_hang() {
    let broker = Broker::start();
    let (store, module) = (store(&broker).await, module());
    let digest = store.put(&module, PATIENCE).await.expect("put");
    let stream = jetstream(&broker).await.get_stream("OBJ_lh_mod_test").await.expect("stream");
    stream.purge().filter("$O.lh_mod_test.C.>").await.expect("lose the chunks");
    let error = store.fetch(digest, MOST, PATIENCE).await.expect_err("lost");
    assert!(matches!(error, StoreError::Torn { .. }), "{error}");
}

#[tokio::test]
async fn a_module_above_the_cap_is_refused_before_it_is_read() {
    let broker = Broker::start();
    let (store, module) = (store(&broker).await, module());
    let digest = store.put(&module, PATIENCE).await.expect("put");
    let error = store.fetch(digest, 1_000, PATIENCE).await.expect_err("too large");
    assert!(matches!(error, StoreError::TooLarge { bytes: 2_800_000, .. }), "{error}");
}

#[tokio::test]
async fn where_a_key_is_trusted_only_what_it_signed_is_fetched() {
    let broker = Broker::start();
    let (master, key) = (store(&broker).await, SigningKey::generate());
    let worker = store(&broker).await.trusting(Trust::only([key.public()]));
    let digest = master.put(b"a module", PATIENCE).await.expect("put");
    let refused = async |expected: TrustError| match worker.fetch(digest, MOST, PATIENCE).await {
        Err(error @ StoreError::Untrusted { .. }) => {
            assert_eq!(error.step(), "signature");
            assert!(error.to_string().contains(&expected.to_string()), "{error}");
        }
        other => panic!("{other:?}"),
    };
    refused(TrustError::Unsigned).await;

    let stranger = SigningKey::generate();
    let theirs = stranger.sign(digest).expect("a signature");
    master.put_signed(b"a module", Some(&theirs), PATIENCE).await.expect("put");
    refused(TrustError::Strangers(vec![stranger.public()])).await;

    let ours = key.sign(digest).expect("a signature");
    master.put_signed(b"a module", Some(&ours), PATIENCE).await.expect("put");
    assert_eq!(worker.fetch(digest, MOST, PATIENCE).await.expect("fetch"), b"a module");
    // Storing it again without a signature does not take it away.
    master.put(b"a module", PATIENCE).await.expect("put");
    assert_eq!(worker.fetch(digest, MOST, PATIENCE).await.expect("fetch"), b"a module");
    // Whoever trusts nobody in particular needs no signature.
    let other = master.put(b"another", PATIENCE).await.expect("put");
    assert_eq!(master.fetch(other, MOST, PATIENCE).await.expect("fetch"), b"another");
}

async fn jetstream(broker: &Broker) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(broker.url()).await.expect("connect"))
}
