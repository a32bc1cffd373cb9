#![allow(clippy::unwrap_used)]

use loadhost_control::ports::{FolderShelf, ShelfBounds};

use super::*;
use crate::api::dto::RunShort;
use crate::export::fixture;

fn archive(folder: &std::path::Path) -> Arc<Archive> {
    Archive::new(Arc::new(FolderShelf::open(folder, ShelfBounds::default()).unwrap()))
}

/// A run of this id, with another content than others.
fn run(id: usize) -> (RunShort, Kept) {
    let report = fixture::report();
    let mut kept = Kept::new(&report, &[]);
    kept.detail.run = format!("r{id:04}");
    (RunShort { run: kept.detail.run.clone(), ..RunShort::from(&report.view) }, kept)
}

async fn keep(archive: &Archive, id: usize) -> bool {
    let (short, kept) = run(id);
    archive.keep(short, kept).await.unwrap()
}

#[tokio::test]
async fn a_run_is_kept_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (archive(folder.path()), archive(folder.path()));
    assert!(keep(&first, 1).await);
    assert!(!keep(&second, 1).await, "another master finds it kept");
    let kept = second.read("r0001").await.unwrap().unwrap();
    assert_eq!(kept.detail, run(1).1.detail);
    assert_eq!(kept.points, run(1).1.points);
    assert!(second.read("r0002").await.unwrap().is_none());
}

#[tokio::test]
async fn the_oldest_unpinned_go_when_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    keep(&archive, 0).await;
    let pinned = Remark { pinned: true, ..Remark::default() };
    archive.remark("r0000", pinned).await.unwrap();
    for id in 1..=MAX_KEPT {
        keep(&archive, id).await;
    }
    let runs: Vec<_> = archive.list().await.unwrap().into_iter().map(|one| one.short.run).collect();
    assert_eq!(runs.len(), MAX_KEPT);
    assert_eq!((runs[MAX_KEPT - 1].as_str(), runs[MAX_KEPT - 2].as_str()), ("r0000", "r0002"));
    assert_eq!(archive.counters.let_go.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_kept_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    let mut report = fixture::report();
    let plan = Arc::make_mut(&mut report.plan);
    plan.http.bearer = Some("hunter2-token".into());
    plan.params.insert("password".into(), "hunter2-param".into());
    plan.secret_params.push("password".into());
    let short = RunShort { run: "r1".into(), ..RunShort::from(&report.view) };
    archive.keep(short, Kept::new(&report, &[])).await.unwrap();
    let kept = archive.read("r1").await.unwrap().unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
}
