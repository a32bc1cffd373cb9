//! Newer versions of the scenario under a running run.

use loadhost_model::id::Digest;
use loadhost_model::wire::{EditionRefusal, EditionStatus};

use super::*;

impl Stage {
    fn asks_for(&mut self, module: u8) -> Result<(), ControlError> {
        let description = loadhost_model::description::Description {
            version: Some(module.to_string()),
            ..(*description()).clone()
        };
        let (now, module) = (self.time(), Digest::new([module; 32]));
        let asked = self.machine.change_scenario(now, &run_id(), module, Arc::new(description));
        asked.map(|effects| self.apply(effects))
    }

    fn has(&mut self, name: &str, edition: EditionStatus) {
        self.hears(WorkerStatus { edition: Box::new(edition), ..self.obedient(name) });
    }

    fn has_ready(&mut self, name: &str, ready: u32) {
        self.has(name, EditionStatus { ready, ..EditionStatus::default() });
    }

    fn refuses(&mut self, name: &str, number: u32) {
        let (code, message) = ("signature".into(), "it is not signed".into());
        let refused = Some(EditionRefusal { number, code, message });
        self.has(name, EditionStatus { refused, ..EditionStatus::default() });
    }

    /// The plan's module, and the one to be made ready with its number.
    fn told(&self, name: &str) -> (u8, Option<(u32, u8)>) {
        let work = self.assigned[&worker(name)].work.as_ref().unwrap();
        let byte = |module: Digest| u8::from_str_radix(&module.to_string()[..2], 16).unwrap();
        let next = work.next.as_ref().map(|next| (next.number, byte(next.module)));
        (byte(work.plan.module), next)
    }
}

fn two() -> Stage {
    Stage::running(&["a", "b"], plan(600))
}

#[test]
fn users_go_over_once_all_workers_have_made_the_version_ready() {
    let mut stage = two();
    let saved = stage.machine.version();
    stage.asks_for(8).unwrap();
    assert!(stage.machine.version() > saved, "a successor must know");
    assert_eq!((stage.told("a"), stage.told("b")), ((7, Some((1, 8))), (7, Some((1, 8)))));
    stage.has_ready("a", 1);
    assert_eq!(stage.told("a"), (7, Some((1, 8))), "b is not ready");
    let next = stage.view().versions.next.clone().unwrap();
    assert_eq!((next.ready, next.of, next.version.as_deref()), (1, 2, Some("8")));
    stage.passes(secs(1));
    stage.has_ready("b", 1);
    assert_eq!((stage.told("a"), stage.told("b")), ((8, None), (8, None)));
    assert!(matches!(stage.step("a"), Some(Step::Run { .. })));
    let behind = EditionStatus { ready: 1, behind: 5, refused: None };
    stage.has("a", behind.clone());
    stage.has_ready("b", 1);
    let versions = stage.view().versions.clone();
    assert_eq!((versions.behind, versions.ran[1].complete), (5, None));
    stage.passes(secs(2));
    stage.has_ready("a", 1);
    let view = stage.view();
    let ran = &view.versions.ran;
    assert_eq!((ran[0].module, ran[0].version.as_deref()), (Digest::new([7; 32]), Some("1")));
    assert_eq!((ran[1].module, ran[1].version.as_deref()), (Digest::new([8; 32]), Some("8")));
    assert_eq!(ran[1].complete, Some(ran[1].from + secs(2)));
    assert_eq!((view.module, view.scenario_version.as_deref()), (ran[1].module, Some("8")));
    for note in ["version 8 of the scenario (module 08080808", "users go over to", "all users run"]
    {
        assert!(stage.notes().contains(note), "{}", stage.notes());
    }
}

#[test]
fn a_worker_that_cannot_use_a_version_is_named_and_the_run_goes_on() {
    let mut stage = two();
    stage.asks_for(8).unwrap();
    stage.has_ready("a", 1);
    stage.refuses("b", 1);
    assert_eq!((stage.told("a"), stage.told("b")), ((7, None), (7, None)));
    let refused = stage.view().versions.refused.clone().unwrap();
    assert_eq!(refused.message, "worker `b` cannot use it: signature: it is not signed");
    assert!(stage.notes().contains("is refused, and the run goes on without it"));
    // Once that is mended, the word about the first attempt counts no more.
    stage.asks_for(8).unwrap();
    stage.refuses("b", 1);
    assert_eq!(stage.told("b"), (7, Some((2, 8))));
    stage.has_ready("a", 2);
    stage.has_ready("b", 2);
    assert_eq!((stage.told("b"), &stage.view().versions.refused), ((8, None), &None));
}

#[test]
fn a_worker_that_takes_too_long_is_named() {
    let mut stage = two();
    stage.asks_for(8).unwrap();
    for _ in 0..1_210 {
        stage.now += Duration::from_millis(100);
        stage.has_ready("a", 1);
        stage.has_ready("b", 0);
        stage.feed(Input::Tick);
    }
    let refused = stage.view().versions.refused.clone().unwrap();
    assert!(refused.message.starts_with("worker `b` did not make it ready within"), "{refused:?}");
    assert_eq!(stage.told("a"), (7, None));
}

#[test]
fn who_is_lost_or_comes_late_holds_up_nobody_and_gets_what_holds() {
    let mut stage = two();
    stage.asks_for(8).unwrap();
    for _ in 0..50 {
        stage.now += Duration::from_millis(100);
        stage.has_ready("a", 1);
        stage.feed(Input::Tick);
    }
    assert_eq!((stage.view().workers_lost, stage.told("a")), (1, (8, None)));
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    assert_eq!(stage.told("c"), (8, None));
    // A new process has made nothing ready yet, and is told alike.
    stage.says_as("b", 2, WorkerState::Idle);
    stage.passes(secs(1));
    assert_eq!(stage.told("b"), (8, None));
    assert!(stage.view().versions.ran[1].complete.is_some());
}

#[test]
fn the_next_leader_goes_on_with_a_version_that_is_on_its_way() {
    let mut stage = two();
    stage.asks_for(8).unwrap();
    stage.has_ready("a", 1);
    stage.next_leader();
    assert_eq!((stage.told("a"), stage.told("b")), ((7, Some((1, 8))), (7, Some((1, 8)))));
    stage.has_ready("a", 1);
    stage.has_ready("b", 1);
    assert_eq!(stage.told("b"), (8, None));
    stage.next_leader();
    assert_eq!(stage.view().versions.ran[1].complete, None, "nobody has said so to this one");
    stage.has_ready("a", 1);
    stage.has_ready("b", 1);
    assert!(stage.view().versions.ran[1].complete.is_some());
}

#[test]
fn one_version_after_the_other_and_asking_twice_does_no_harm() {
    let mut stage = two();
    stage.asks_for(7).unwrap(); // it is in use
    assert_eq!(stage.told("a"), (7, None));
    stage.asks_for(8).unwrap();
    let stated = stage.assigned[&worker("a")].generation;
    stage.asks_for(8).unwrap();
    assert_eq!(stage.assigned[&worker("a")].generation, stated);
    assert!(matches!(stage.asks_for(9), Err(ControlError::OtherVersion(_))));
    stage.has_ready("a", 1);
    stage.has_ready("b", 1);
    assert!(matches!(stage.asks_for(9), Err(ControlError::OtherVersion(_))), "users go over");
    stage.has_ready("a", 1);
    stage.has_ready("b", 1);
    stage.asks_for(7).unwrap();
    assert_eq!(stage.told("b"), (8, Some((2, 7))), "back again");
}

#[test]
fn what_does_not_fit_or_comes_at_the_wrong_time_is_refused() {
    let mut stage = two();
    let mut other = (*description()).clone();
    other.user_types[0].name = "Buyer".into();
    let (now, module) = (stage.time(), Digest::new([9; 32]));
    let asked = stage.machine.change_scenario(now, &run_id(), module, Arc::new(other));
    let said = asked.unwrap_err().to_string();
    assert!(
        said.contains("users of the run are `Shopper`, and this version has `Buyer`"),
        "{said}"
    );
    let mut early = Stage::started(&["a"], plan(600));
    assert!(matches!(early.asks_for(8), Err(ControlError::NotRunning(_))));
    // A run that ends waits for no version.
    stage.asks_for(8).unwrap();
    stage.machine.stop(stage.time(), &run_id(), StopMode::Graceful).unwrap();
    assert_eq!(stage.view().versions.next, None);
    assert!(matches!(stage.asks_for(9), Err(ControlError::NotRunning(_))));
}
