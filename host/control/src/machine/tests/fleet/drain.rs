//! Workers that an operator takes out of service.

use super::*;

impl Stage {
    fn drain(&mut self, name: &str, drained: bool) -> Result<(), ControlError> {
        let effects = self.machine.drain(self.time(), &worker(name), drained)?;
        self.apply(effects);
        Ok(())
    }

    fn is_draining(&self, name: &str) -> bool {
        let view = self.machine.show(self.time());
        view.workers.iter().find(|shown| shown.worker == worker(name)).unwrap().draining
    }
}

fn two() -> Stage {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage
}

#[test]
fn a_drained_worker_gives_its_share_away_step_by_step_and_gets_one_again_when_it_may() {
    let mut stage = two();
    let saved = stage.machine.version();
    stage.drain("b", true).unwrap();
    assert!(stage.machine.version() > saved, "a successor must know of it before it is answered");
    assert!(stage.machine.has_news() && stage.is_draining("b"));
    let mut before = slots(&stage, "b");
    for _ in 0..7 {
        stage.goes_on(&["a", "b"], 10);
        let now = slots(&stage, "b");
        assert!(before - now <= 24, "{before} slots, a second later {now}");
        before = now;
    }
    stage.goes_on(&["a", "b"], 20);
    assert_eq!(slots(&stage, "a"), 240);
    assert_eq!(stage.assigned[&worker("b")].work, None, "it is idle");
    stage.goes_on(&["a", "b"], 50);
    assert_eq!(stage.assigned[&worker("b")].work, None, "and stays so");
    assert_eq!((stage.view().workers, stage.view().unserved), (1, 0.0));
    stage.drain("b", false).unwrap();
    assert!(!stage.is_draining("b"));
    stage.goes_on(&["a", "b"], 90);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (120, 120));
    let notes = stage.notes();
    assert!(notes.contains("worker `b` is taken out of service"), "{notes}");
    assert!(notes.contains("worker `b` is in service again"), "{notes}");
}

#[test]
fn the_next_leader_knows_who_is_out_of_service_and_can_undo_it() {
    let mut stage = two();
    stage.drain("b", true).unwrap();
    stage.goes_on(&["a", "b"], 90);
    stage.next_leader();
    stage.goes_on(&["a", "b"], 50);
    assert!(stage.is_draining("b"));
    assert_eq!(stage.assigned.get(&worker("b")).and_then(|said| said.work.as_ref()), None);
    stage.drain("b", false).unwrap();
    stage.goes_on(&["a", "b"], 90);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (120, 120));
}

#[test]
fn a_leader_that_takes_over_while_a_share_moves_away_goes_on_with_it() {
    let mut stage = two();
    stage.drain("b", true).unwrap();
    stage.goes_on(&["a", "b"], 25);
    assert!(slots(&stage, "b") > 0);
    stage.next_leader();
    stage.goes_on(&["a", "b"], 90);
    assert_eq!((slots(&stage, "a"), slots(&stage, "b")), (240, 0));
}

#[test]
fn who_is_out_of_service_stays_so_in_a_new_process_and_is_named_to_a_run_that_waits() {
    let mut stage = Stage::new();
    stage.hears(status(&worker("a"), 1, WorkerState::Idle));
    stage.drain("a", true).unwrap();
    stage.hears(status(&worker("a"), 2, WorkerState::Idle));
    assert!(stage.is_draining("a"));
    stage.start(plan(600), 1, false);
    stage.passes(secs(61));
    let Some(Err(error)) = &stage.started else { panic!("{:?}", stage.started) };
    assert!(error.to_string().contains("`a`"), "{error}");
}

#[test]
fn a_worker_that_goes_away_by_itself_is_not_kept_by_an_undo() {
    let mut stage = two();
    stage.drains("b");
    stage.drain("b", true).unwrap();
    stage.drain("b", false).unwrap();
    assert!(stage.is_draining("b"));
}

#[test]
fn a_worker_that_is_unknown_or_the_last_of_a_run_is_not_drained() {
    let mut stage = two();
    assert_eq!(stage.drain("x", true), Err(ControlError::UnknownWorker(worker("x"))));
    assert_eq!(stage.drain("x", false), Err(ControlError::UnknownWorker(worker("x"))));
    stage.drain("b", true).unwrap();
    stage.drain("b", true).unwrap();
    let last = ControlError::LastWorker { worker: worker("a"), run: run_id() };
    assert_eq!(stage.drain("a", true), Err(last.clone()));
    stage.goes_on(&["a", "b"], 90);
    assert_eq!(stage.drain("a", true), Err(last));
    assert!(!stage.is_draining("a"));
    stage.drain("b", false).unwrap();
    stage.goes_on(&["a", "b"], 90);
    stage.drain("a", true).unwrap();
    let effects = stage.machine.stop(stage.time(), &run_id(), StopMode::Graceful).unwrap();
    stage.apply(effects);
    stage.drain("b", true).expect("a run that ends needs nobody");
}
