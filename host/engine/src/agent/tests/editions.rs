//! A newer version of the scenario in a running run.

use loadhost_model::id::Digest;
use loadhost_model::plan::Edition;

use super::*;

fn module(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

impl Script {
    /// With another version, which has this module.
    fn beside(mut self, byte: u8, newer: &Script) -> Self {
        self.newer.insert(module(byte), newer.clone());
        self
    }

    fn count(&self) -> u64 {
        self.iterations.load(Ordering::Relaxed)
    }
}

impl Boss {
    fn edition(&self, number: u32, byte: u8) -> Edition {
        let description = Script::default().description;
        let asked = (module(byte), &*description);
        Edition::new(number, asked, &self.plan, &description).unwrap()
    }

    fn run_on(&mut self, next: Option<&Edition>) {
        self.next = next.cloned().map(Box::new);
        let setup_data = "data".into();
        self.assign(Step::Run { start: self.start, setup_data });
    }

    fn switches_to(&mut self, edition: &Edition) {
        self.plan = edition.of(&self.plan);
        self.run_on(None);
    }

    async fn until_edition(
        &mut self,
        wanted: impl Fn(&wire::EditionStatus) -> bool,
    ) -> WorkerStatus {
        let applied = (self.term, self.generation);
        self.until(|status| status.applied == applied && wanted(&status.edition)).await
    }

    async fn loaded(script: Script) -> Self {
        let mut boss = Self::of(script, Load::Closed { users: Curve::constant(4.0) });
        boss.start();
        boss.until(|status| status.users == 4).await;
        boss
    }

    async fn ends(&mut self) {
        self.assign(Step::Stop { mode: StopMode::Graceful });
        self.until_stopped().await;
    }
}

#[tokio::test]
async fn users_go_over_once_they_are_told_and_everything_is_counted() {
    let newer = Script::default();
    let older = Script::default();
    let mut boss = Boss::loaded(older.clone().beside(2, &newer)).await;
    let edition = boss.edition(1, 2);
    boss.run_on(Some(&edition));
    let status = boss.until_edition(|edition| edition.ready == 1).await;
    assert_eq!((status.state, newer.made.load(Ordering::Relaxed)), (WorkerState::Running, 0));
    boss.switches_to(&edition);
    boss.until_edition(|edition| edition.behind == 0).await;
    let before = older.count();
    boss.until(|_| newer.count() > 20).await;
    assert_eq!(older.count(), before, "nobody runs the old version any more");
    assert_eq!((older.made.load(Ordering::Relaxed), newer.made.load(Ordering::Relaxed)), (4, 4));
    boss.ends().await;
    assert_eq!(boss.iterations(), older.count() + newer.count());
    boss.assign(Step::Teardown { setup_data: "data".into() });
    boss.until_state(WorkerState::TornDown).await;
    let torn_down = |script: &Script| script.torn_down.load(Ordering::Relaxed);
    assert_eq!((torn_down(&older), torn_down(&newer)), (0, 1), "by the version that users ran");
    boss.finish().await;
}

#[tokio::test]
async fn a_version_that_cannot_be_made_ready_is_refused_with_the_reason_and_users_go_on() {
    let newer = Script { refuses: Some("signature"), ..Script::default() };
    let mut boss = Boss::loaded(Script::default().beside(2, &newer)).await;
    let edition = boss.edition(1, 2);
    boss.run_on(Some(&edition));
    let status = boss.until_edition(|edition| edition.refused.is_some()).await;
    let refused = status.edition.refused.unwrap();
    assert_eq!((refused.number, &*refused.code), (1, "signature"));
    boss.run_on(None);
    boss.until_edition(|edition| edition.refused.is_none()).await;
    assert_eq!(boss.until(|_| true).await.state, WorkerState::Running);
    boss.ends().await;
    boss.finish().await;
}

#[tokio::test]
async fn a_version_that_says_other_things_of_itself_is_refused() {
    let mut other = (*Script::default().description).clone();
    other.user_types[0].name = "Other".into();
    let newer = Script { description: Arc::new(other), ..Script::default() };
    let mut boss = Boss::loaded(Script::default().beside(2, &newer)).await;
    let edition = boss.edition(1, 2);
    boss.run_on(Some(&edition));
    let status = boss.until_edition(|edition| edition.refused.is_some()).await;
    let refused = status.edition.refused.unwrap();
    assert_eq!(&*refused.code, "description");
    assert!(refused.message.contains("this version has `Other`"), "{refused:?}");
    boss.ends().await;
    boss.finish().await;
}

#[tokio::test]
async fn who_was_never_told_to_make_it_ready_does_so_when_it_is_to_be_used() {
    let newer = Script { prepares_for: Duration::from_millis(300), ..Script::default() };
    let older = Script::default();
    let mut boss = Boss::loaded(older.clone().beside(2, &newer)).await;
    let edition = boss.edition(1, 2);
    boss.switches_to(&edition);
    let status = boss.until_edition(|_| true).await;
    assert_eq!(status.edition.behind, 4, "it is not ready yet, so nobody runs it");
    boss.until(|_| newer.count() > 20).await;
    boss.until_edition(|edition| edition.behind == 0).await;
    boss.ends().await;
    assert_eq!(boss.iterations(), older.count() + newer.count());
    boss.finish().await;
}

#[tokio::test]
async fn who_has_to_use_what_it_cannot_make_ready_fails() {
    let newer = Script { refuses: Some("download"), ..Script::default() };
    let mut boss = Boss::loaded(Script::default().beside(2, &newer)).await;
    let edition = boss.edition(1, 2);
    boss.switches_to(&edition);
    let failed = boss.until(|status| matches!(status.state, WorkerState::Failed { .. })).await;
    let WorkerState::Failed { code, .. } = failed.state else { panic!() };
    assert_eq!(&*code, "edition");
    boss.finish().await;
}

#[tokio::test]
async fn who_comes_late_begins_with_the_version_that_holds() {
    let (older, newer) = (Script::default(), Script::default());
    let mut boss =
        Boss::of(older.clone().beside(2, &newer), Load::Closed { users: Curve::constant(4.0) });
    boss.plan = boss.edition(1, 2).of(&boss.plan);
    boss.start();
    boss.until(|_| newer.count() > 20).await;
    assert_eq!(older.count(), 0);
    boss.ends().await;
    boss.finish().await;
}
