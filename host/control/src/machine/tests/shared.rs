//! What users share over all workers: rows, numbers, counters, rendezvous.

use loadhost_model::data::{DataFormat, DataSet, LostRows, RowOrder};
use loadhost_model::id::Digest;
use loadhost_model::shared::{Attendance, Draw, Lease, Release, SharedState, SharedUse};

use super::*;
use crate::view::LeasedView;

fn plan_with(rows: u64, lost: LostRows) -> RunPlan {
    let digest = Digest::new([1; 32]);
    let data = DataSet { digest, format: DataFormat::Csv, rows, order: RowOrder::Queue, lost };
    RunPlan { data: [("logins".to_string(), data)].into(), ..plan(600) }
}

fn draws(taken: u64, wanted: u64) -> SharedUse {
    let rows = [("logins".into(), Draw { taken, wanted })].into();
    SharedUse { run: Some(run_id()), rows, ..SharedUse::default() }
}

fn waits(size: u32, arrived: u64, left: u64) -> SharedUse {
    let attendance = Attendance { size, arrived, left, missed: 0 };
    SharedUse { meetings: [("start".into(), attendance)].into(), ..SharedUse::default() }
}

fn counts(value: i64) -> SharedUse {
    SharedUse { counters: [("sold".into(), value)].into(), ..SharedUse::default() }
}

impl Stage {
    /// A status of a running worker under its newest assignment, or of one that is idle.
    fn uses(&mut self, name: &str, state: WorkerState, shared: SharedUse) {
        let id = worker(name);
        let mut said = status(&id, 1, state);
        let assignment = &self.assigned[&id];
        said.applied = (assignment.term, assignment.generation);
        let is_idle = said.state == WorkerState::Idle;
        said.run = assignment.work.as_ref().filter(|_| !is_idle).map(|work| work.plan.run.clone());
        said.shared = shared.into();
        self.hears(said);
    }

    fn running_uses(&mut self, name: &str, shared: SharedUse) {
        self.uses(name, WorkerState::Running, shared);
    }

    fn shared(&self, name: &str) -> SharedState {
        let work = self.assigned[&worker(name)].work.as_ref().unwrap();
        SharedState::clone(&work.shared)
    }

    fn lease(&self, name: &str) -> Lease {
        self.shared(name).rows["logins"].clone()
    }

    fn logins(&self) -> LeasedView {
        self.view().shared.rows[0].clone()
    }

    fn generation(&self, name: &str) -> u64 {
        self.assigned[&worker(name)].generation
    }

    /// Time in which these are heard of and the rest is silent.
    fn goes_by(&mut self, names: &[&str], tenths: u32) {
        for _ in 0..tenths {
            self.now += Duration::from_millis(100);
            for name in names {
                self.says(name, WorkerState::Running);
            }
            self.feed(Input::Tick);
        }
    }
}

#[test]
fn rows_are_there_before_the_first_user_asks() {
    let stage = Stage::started(&["a", "b"], plan_with(100, LostRows::Withhold));
    assert_eq!(stage.step("a"), Some(&Step::Prepare));
    assert_eq!(stage.lease("a").blocks, [(0, 25)]);
    assert_eq!(stage.lease("b").blocks, [(25, 18)]);
    assert_eq!(stage.shared("a").to, Some(Incarnation(1)));
    let view = stage.logins();
    assert_eq!((view.leased, view.in_stock, view.taken, view.total), (43, 43, 0, Some(100)));
}

#[test]
fn a_run_that_shares_nothing_states_nothing() {
    let mut stage = Stage::running(&["a"], plan(600));
    assert!(stage.shared("a").is_empty() && stage.view().shared == Default::default());
    let before = stage.generation("a");
    stage.goes_by(&["a"], 20);
    assert_eq!(stage.generation("a"), before);
}

#[test]
fn who_has_none_left_is_served_at_once_and_who_runs_short_with_the_next_tick() {
    let mut stage = Stage::running(&["a", "b"], plan_with(1_000, LostRows::Withhold));
    let (a, b) = (stage.lease("a"), stage.lease("b"));
    assert_eq!((a.total(), b.total()), (250, 187));
    stage.running_uses("a", draws(250, 40));
    assert_eq!(stage.lease("a"), Lease { before: 250, blocks: vec![(437, 40)], last: false });
    stage.running_uses("b", draws(180, 40));
    assert_eq!(stage.lease("b").total(), 187);
    stage.passes(Duration::from_millis(100));
    assert_eq!(stage.lease("b").blocks, [(430, 7), (477, 33)]);
    // Half of what it wants is enough.
    let before = stage.generation("b");
    stage.running_uses("b", draws(200, 40));
    stage.passes(secs(1));
    assert_eq!(stage.generation("b"), before);
}

#[test]
fn the_last_rows_are_announced_and_those_of_somebody_who_leaves_are_waited_for() {
    let mut stage = Stage::running(&["a", "b"], plan_with(2, LostRows::Withhold));
    assert_eq!((stage.lease("a").blocks, stage.lease("b").blocks), (vec![(0, 1)], vec![(1, 1)]));
    stage.passes(Duration::from_millis(100));
    assert!(stage.lease("a").last && stage.lease("b").last, "nobody is on the way out");
    // b goes away with a row, which somebody else may still want.
    let id = worker("b");
    let mut leaves = status(&id, 1, WorkerState::Running);
    leaves.applied = (Term(1), stage.generation("b"));
    (leaves.run, leaves.draining) = (Some(run_id()), true);
    leaves.shared = draws(0, 5).into();
    stage.hears(leaves);
    stage.running_uses("a", draws(1, 5));
    stage.passes(Duration::from_millis(100));
    assert!(!stage.lease("a").last && stage.lease("b").last);
    stage.uses("b", WorkerState::Stopped { last_seq: 0 }, draws(0, 0));
    stage.goes_by(&["a"], 1);
    assert_eq!(stage.lease("a"), Lease { before: 1, blocks: vec![(1, 1)], last: true });
}

#[test]
fn where_each_row_is_to_be_used_the_end_is_not_announced_before() {
    let mut stage = Stage::running(&["a", "b"], plan_with(2, LostRows::Repeat));
    stage.running_uses("a", draws(1, 5));
    stage.goes_by(&["a", "b"], 2);
    assert!(!stage.lease("a").last, "b has one that may come back");
    assert!(stage.lease("b").last, "it has the last one itself");
    stage.goes_by(&["a"], 35);
    assert_eq!(stage.lease("a").blocks, [(1, 1)], "b is lost");
    stage.running_uses("a", draws(2, 5));
    stage.goes_by(&["a"], 1);
    assert!(stage.lease("a").last);
    let view = stage.logins();
    assert_eq!((view.leased, view.taken, view.repeated, view.withheld), (2, 2, 1, 0));
}

#[test]
fn rows_of_a_lost_worker_are_withheld_until_it_is_back() {
    let mut stage = Stage::running(&["a", "b"], plan_with(1_000, LostRows::Withhold));
    stage.running_uses("b", draws(100, 150));
    stage.goes_by(&["a"], 35);
    let view = stage.logins();
    assert_eq!((view.leased, view.taken, view.in_stock, view.withheld), (437, 100, 250, 87));
    stage.running_uses("b", draws(120, 10));
    assert_eq!(stage.logins().withheld, 0, "its own again");
    assert_eq!(stage.lease("b").after(120), [(250 + 120, 67)]);
    // Another process takes its place: what the former one had left, nobody gets.
    stage.says_as("b", 2, WorkerState::Idle);
    stage.goes_by(&["a"], 1);
    let view = stage.logins();
    assert_eq!((view.taken, view.withheld), (120, 67));
    let shared = stage.shared("b");
    assert_eq!(shared.to, Some(Incarnation(2)));
    assert_eq!(shared.rows["logins"].blocks[0].0, 437, "new rows for the new process");
}

#[test]
fn a_worker_that_ends_by_itself_brings_back_what_it_has_left() {
    let mut stage = Stage::running(&["a", "b"], plan_with(1_000, LostRows::Withhold));
    let under_way = stage.generation("b");
    stage.running_uses("b", draws(187, 10));
    // It ends before it has heard that it got more: it may begin again by that.
    let mut idle = status(&worker("b"), 1, WorkerState::Idle);
    (idle.applied, idle.shared) = ((Term(1), under_way), draws(187, 0).into());
    stage.hears(idle);
    assert_eq!(stage.logins().leased, 447);
    stage.uses("b", WorkerState::Idle, draws(187, 0));
    // It is free, so it is taken in again, and finds nothing of its own any more, but what it gets anew.
    assert_eq!(stage.lease("b"), Lease { before: 197, blocks: vec![(437, 140)], last: false });
    let view = stage.logins();
    assert_eq!((view.leased, view.taken, view.in_stock), (577, 187, 390));
}

#[test]
fn numbers_are_leased_by_name_and_too_many_names_are_told() {
    let mut stage = Stage::running(&["a", "b"], plan(600));
    let asks = |names: std::ops::Range<u32>| {
        let numbers = names.map(|n| (format!("n{n:03}").into(), Draw { taken: 0, wanted: 3 }));
        SharedUse { numbers: numbers.collect(), ..SharedUse::default() }
    };
    stage.running_uses("a", asks(0..1));
    stage.running_uses("b", asks(0..101));
    assert_eq!(stage.shared("a").numbers["n000"].blocks, [(0, 3)]);
    let numbers = stage.shared("b").numbers;
    assert_eq!((numbers.len(), &numbers["n000"].blocks[..]), (100, &[(3, 3)][..]));
    assert!(stage.notes().contains("numbers of some names are not shared"), "{}", stage.notes());
}

#[test]
fn counters_are_told_once_a_second_to_those_who_use_them() {
    let mut stage = Stage::running(&["a", "b", "c"], plan(600));
    let c = stage.generation("c");
    stage.running_uses("a", counts(5));
    stage.running_uses("b", counts(0));
    stage.passes(Duration::from_millis(100));
    assert_eq!(stage.shared("b").counters["sold"], 5);
    stage.running_uses("a", counts(7));
    stage.running_uses("b", counts(-3));
    stage.passes(Duration::from_millis(500));
    assert_eq!(stage.shared("b").counters["sold"], 5, "a second has not passed");
    stage.passes(Duration::from_millis(500));
    assert_eq!((stage.shared("a").counters["sold"], stage.shared("b").counters["sold"]), (-3, 7));
    let before = stage.generation("a");
    stage.goes_by(&["a", "b", "c"], 25);
    assert_eq!((stage.generation("a"), stage.generation("c")), (before, c), "nothing changed");
    assert_eq!(stage.view().shared.counters["sold"], 4);
    // What a former process added still counts, for its successor as well.
    stage.says_as("a", 2, WorkerState::Idle);
    stage.running_uses("b", counts(1));
    assert_eq!(stage.view().shared.counters["sold"], 8);
}

#[test]
fn users_go_on_together_once_enough_of_them_wait_wherever_they_are() {
    let mut stage = Stage::running(&["a", "b"], plan(600));
    stage.running_uses("a", waits(5, 3, 0));
    stage.running_uses("b", waits(5, 2, 1));
    stage.passes(Duration::from_millis(100));
    assert!(stage.shared("a").meetings.is_empty(), "four of five");
    stage.running_uses("b", waits(5, 4, 1));
    stage.passes(Duration::from_millis(100));
    let at = stage.time().wall + 1_000_000;
    assert_eq!(stage.shared("a").meetings["start"], Release { released: 3, at });
    assert_eq!(stage.shared("b").meetings["start"], Release { released: 3, at });
    let view = stage.view().shared.meetings[0].clone();
    assert_eq!((view.size, view.waiting, view.releases, view.released), (5, 0, 1, 6));
    // Those of a lost worker do not count; and of sizes the greatest does.
    stage.running_uses("b", waits(5, 6, 1));
    stage.goes_by(&["a"], 35);
    stage.running_uses("a", waits(4, 6, 0));
    stage.goes_by(&["a"], 2);
    let view = stage.view().shared.meetings[0].clone();
    assert_eq!((view.size, view.waiting, view.releases), (5, 3, 1));
    assert!(stage.notes().contains("rendezvous `start` takes: 4 and 5; it takes 5"));
    stage.running_uses("b", waits(5, 6, 1));
    stage.passes(Duration::from_millis(100));
    let view = stage.view().shared.meetings[0].clone();
    assert_eq!((view.waiting, view.releases, view.released), (0, 2, 11));
}
