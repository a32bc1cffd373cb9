//! Workers that live and do not answer: they hold up nobody else.

use loadhost_model::plan::FleetSettings;

use super::fleet::{plan_with, slots};
use super::*;

impl Stage {
    /// Tenths of a second in which these workers do as they are told, and one says the same all the time.
    fn goes_on_but(&mut self, names: &[&str], stuck: &WorkerStatus, tenths: u32) {
        for _ in 0..tenths {
            self.hears(stuck.clone());
            self.goes_on(names, 1);
        }
    }

    fn newest(&self, name: &str) -> u64 {
        self.assigned[&worker(name)].generation
    }
}

/// A worker `c` that came to two others has not answered for so long that it was told again once.
fn told_again() -> Stage {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    let stuck = stage.obedient("c");
    stage.goes_on_but(&["a", "b"], &stuck, 140);
    assert_eq!(stage.view().unconfirmed_shares, 1);
    stage
}

fn all(stage: &Stage) -> [usize; 3] {
    ["a", "b", "c"].map(|name| slots(stage, name))
}

#[test]
fn slots_on_their_way_to_a_worker_that_never_confirms_go_to_others_and_hold_up_nobody() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    let stuck = stage.obedient("c");
    stage.goes_on_but(&["a", "b"], &stuck, 80);
    assert_eq!((all(&stage), stage.view().unconfirmed_shares), ([108, 108, 12], 0));
    let told = stage.newest("c");
    stage.goes_on_but(&["a", "b"], &stuck, 60);
    assert_eq!(all(&stage), [114, 114, 12], "what was on its way to it went back");
    assert_eq!((stage.view().unconfirmed_shares, stage.view().unserved), (1, 0.0));
    assert!(stage.newest("c") > told, "and it is told its share again");
    let said = "worker `c` has not confirmed its share of the load for 10s; it is told again, and 5.0 % of the load \
                that was on the way to it goes to others";
    assert!(stage.notes().contains(said), "{}", stage.notes());
    for _ in 0..90 {
        stage.drains("b");
        stage.goes_on_but(&["a"], &stuck, 1);
    }
    assert_eq!(slots(&stage, "a"), 228, "b gives its share away meanwhile");
    stage.goes_on(&["a", "c"], 80);
    assert_eq!((slots(&stage, "a"), slots(&stage, "c")), (120, 120), "it answers at last");
}

#[test]
fn a_giver_that_never_confirms_holds_up_nobody_else() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    let stuck = stage.obedient("a");
    stage.goes_on_but(&["b", "c"], &stuck, 80);
    assert_eq!((all(&stage), stage.view().unconfirmed_shares), ([108, 108, 12], 0));
    stage.goes_on_but(&["b", "c"], &stuck, 150);
    assert_eq!(all(&stage), [108, 66, 54], "a still works for what is on its way from it");
    assert_eq!(stage.view().unconfirmed_shares, 2, "it is told again and again");
    assert!(!stage.notes().contains("on the way to it"), "{}", stage.notes());
    stage.goes_on(&["a", "b", "c"], 100);
    assert_eq!(all(&stage), [80, 80, 80]);
}

#[test]
fn a_worker_that_is_only_silent_for_a_while_is_not_overdue() {
    let mut stage = Stage::running(&["a", "b"], plan_with(FleetSettings::default()));
    stage.goes_on(&["a", "b"], 20);
    stage.hears(status(&worker("c"), 1, WorkerState::Idle));
    stage.goes_on(&["a", "b", "c"], 6);
    stage.passes(secs(2));
    stage.passes(secs(20)); // nobody is heard, so nobody is lost
    stage.goes_on(&["a", "b", "c"], 150);
    assert_eq!((all(&stage), stage.view().unconfirmed_shares), ([80, 80, 80], 0));
}

#[test]
fn a_new_process_is_not_blamed_for_what_its_predecessor_never_confirmed() {
    let mut stage = told_again();
    let (incarnation, state) = (Incarnation(2), WorkerState::Preparing);
    let prepares = WorkerStatus { incarnation, state, ..stage.obedient("c") };
    stage.goes_on_but(&["a", "b"], &prepares, 150);
    assert_eq!(stage.view().unconfirmed_shares, 1);
}

#[test]
fn a_worker_that_is_tried_again_is_not_blamed_for_what_it_never_confirmed_before() {
    let mut stage = told_again();
    let state = WorkerState::Failed { code: "download".into(), message: "no route".into() };
    let fails = WorkerStatus { state, ..stage.obedient("c") };
    stage.goes_on_but(&["a", "b"], &fails, 150);
    assert_eq!(stage.assigned[&worker("c")].work, None, "it is to be idle first");
    assert_eq!(stage.view().unconfirmed_shares, 1);
}
