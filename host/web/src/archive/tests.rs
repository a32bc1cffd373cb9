#![allow(clippy::unwrap_used)]

use loadhost_control::ports::{FolderShelf, ShelfBounds};

use super::*;
use crate::api::dto::RunShort;
use crate::export::fixture;
use crate::live::{LogEntry, Seen};

fn archive(folder: &std::path::Path) -> Arc<Archive> {
    Archive::new(Arc::new(FolderShelf::open(folder, ShelfBounds::default()).unwrap()))
}

/// A run of this id, with another content than others.
fn run(id: usize) -> (RunShort, Kept) {
    let report = fixture::report();
    let mut kept = Kept::new(&report, Seen::default(), Vec::new());
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
    archive.keep(short, Kept::new(&report, Seen::default(), Vec::new())).await.unwrap();
    let kept = archive.read("r1").await.unwrap().unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_deleted_run_does_not_come_back_through_another_master() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (archive(folder.path()), archive(folder.path()));
    assert!(keep(&first, 1).await);
    assert!(first.delete("r0001").await.unwrap());
    // Its view shows the run still.
    assert!(!second.wants("r0001").await.unwrap());
    assert!(!keep(&second, 1).await);
    assert!(second.list().await.unwrap().is_empty() && second.was_deleted("r0001"));
}

#[tokio::test]
async fn a_deleted_run_does_not_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let before = archive(folder.path());
        assert!(!before.delete("r0001").await.unwrap(), "it was over, and not yet kept");
    }
    let after = archive(folder.path());
    assert!(!keep(&after, 1).await);
    assert!(after.read("r0001").await.unwrap().is_none());
}

#[tokio::test]
async fn who_deletes_thousands_of_runs_fills_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for id in 0..MAX_DELETED + 20 {
        archive.delete(&format!("r{id:04}")).await.unwrap();
    }
    let shelf = FolderShelf::open(folder.path(), ShelfBounds::default()).unwrap();
    let gone = shelf.list("gone.").await.unwrap();
    assert_eq!((gone.len(), gone[0].0.as_str()), (MAX_DELETED, "gone.r0020"));
    assert!(archive.was_deleted("r0219") && !archive.was_deleted("r0019"));
}

#[tokio::test]
async fn a_note_through_another_master_keeps_who_started_the_run_and_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (archive(folder.path()), archive(folder.path()));
    // What the second knows is two seconds old.
    second.refresh().await.unwrap();
    let begun = Remark {
        started_by: Some("olga".into()),
        command: Some("loadhost run shop.wasm".into()),
        ..Remark::default()
    };
    first.remark("r0001", begun.clone()).await.unwrap();
    let noted = second
        .amend("r0001", |known| {
            Ok::<_, ArchiveError>(Remark { note: "cache was cold".into(), ..known })
        })
        .await
        .unwrap();
    assert_eq!(noted, Remark { note: "cache was cold".into(), ..begun });
    assert_eq!(first.written("r0001").await.unwrap(), noted);
}

#[tokio::test]
async fn two_notes_at_once_lose_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    let noted = archive
        .amend("r0001", |known| Ok::<_, ArchiveError>(Remark { note: "first".into(), ..known }));
    let pinned =
        archive.amend("r0001", |known| Ok::<_, ArchiveError>(Remark { pinned: true, ..known }));
    let (noted, pinned) = tokio::join!(noted, pinned);
    assert!(noted.is_ok() && pinned.is_ok());
    let known = archive.written("r0001").await.unwrap();
    assert_eq!((known.note.as_str(), known.pinned), ("first", true));
}

#[test]
fn the_newest_lines_of_a_log_are_kept_within_their_bound() {
    let line = |n: u64| LogEntry {
        n,
        run: "r1".into(),
        at_seconds: 0.0,
        worker: "w1".into(),
        user: 1,
        level: "info".into(),
        message: "x".repeat(4_096),
    };
    let kept = Kept::new(&fixture::report(), Seen::default(), (0..1_000).map(line).collect());
    assert_eq!(kept.logs.len(), MAX_KEPT_LOG_BYTES / 4_096);
    assert_eq!(kept.logs.last().unwrap().n, 999);
}
