#![allow(clippy::unwrap_used)]

use std::time::Duration;

use std::collections::BTreeMap;

use loadhost_model::plan::{HttpSettings, Limits, TaskFilter};
use loadhost_model::profile::{Profile, Stage};

use super::*;

fn plan(phases: Vec<Phase>, run_time: Option<u64>) -> RunPlan {
    RunPlan {
        run: loadhost_model::id::RunId::new("r1").unwrap(),
        scenario: "shop".into(),
        module: Digest::new([7; 32]),
        target: None,
        params: BTreeMap::new(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: 1,
        profile: Profile {
            phases,
            run_time: run_time.map(Duration::from_secs),
            max_request_rate: None,
        },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(1),
        warm_up: None,
        fleet: Default::default(),
    }
}

fn users(start: u64, first: f64, stages: &[(u64, f64)], hold: bool) -> Phase {
    let stages = stages.iter().map(|(seconds, target)| Stage {
        duration: Duration::from_secs(*seconds),
        target: *target,
    });
    let users = Curve { start: first, stages: stages.collect(), hold };
    Phase {
        name: "main".into(),
        start: Duration::from_secs(start),
        load: Load::Closed { users },
        user_types: Vec::new(),
    }
}

#[track_caller]
fn check(phases: Vec<Phase>, run_time: Option<u64>, points: &[(f64, f64)], open_ended: bool) {
    let curve = curve(&plan(phases, run_time)).unwrap();
    assert_eq!((curve.points.as_slice(), curve.open_ended), (points, open_ended));
}

#[test]
fn a_ramp_is_a_line_and_a_jump_two_points() {
    check(vec![users(0, 0.0, &[(10, 5.0)], true)], None, &[(0.0, 0.0), (10.0, 5.0)], true);
    let stages = [(10, 5.0), (0, 9.0), (10, 9.0)];
    let points = [(0.0, 0.0), (10.0, 5.0), (10.0, 9.0), (20.0, 9.0)];
    check(vec![users(0, 0.0, &stages, false)], None, &points, false);
}

#[test]
fn the_run_time_cuts_or_lengthens() {
    check(vec![users(0, 7.0, &[], true)], Some(30), &[(0.0, 7.0), (30.0, 7.0)], false);
    check(vec![users(0, 0.0, &[(10, 10.0)], true)], Some(5), &[(0.0, 0.0), (5.0, 5.0)], false);
}

#[test]
fn phases_beside_each_other_are_summed() {
    let phases = vec![users(0, 2.0, &[(20, 2.0)], false), users(10, 3.0, &[(10, 3.0)], false)];
    let points = [(0.0, 2.0), (10.0, 2.0), (10.0, 5.0), (20.0, 5.0)];
    check(phases, None, &points, false);
}
