#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::profile::ProfileError;
use crate::schedule::{Arrivals, users_wanted};
use crate::text::{Target, format_stages, parse_stages};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn curve(text: &str) -> Curve {
    let stages = parse_stages(text.trim_end_matches("hold"), Target::Rate).unwrap();
    Curve { start: 0.0, stages, hold: text.ends_with("hold") }
}

fn phase(name: &str, load: Load) -> Phase {
    Phase { name: name.to_string(), start: Duration::ZERO, load, user_types: Vec::new() }
}

fn closed(text: &str) -> Load {
    Load::Closed { users: curve(text) }
}

fn open(text: &str) -> Load {
    let max_lag = secs(1);
    Load::Arrivals { rate: curve(text), poisson: false, preallocated: 1, max_users: 50, max_lag }
}

fn profile(phases: &[(&str, Load)]) -> Profile {
    let phases = phases.iter().map(|(name, load)| phase(name, load.clone())).collect();
    Profile { phases, run_time: None, max_request_rate: None }
}

fn of(profile: &Profile, place: usize) -> &Curve {
    match &profile.phases[place].load {
        Load::Closed { users } | Load::Shaped { users } => users,
        Load::Arrivals { rate, .. } => rate,
        _ => panic!("no curve"),
    }
}

fn users(users: u32, spawn_rate: f64) -> Change {
    Change::Users { users, spawn_rate: Some(spawn_rate) }
}

fn amended(load: Load, at: u64, change: &Change) -> String {
    let profile = profile(&[("main", load)]).amend(None, secs(at), change).unwrap();
    format_stages(&of(&profile, 0).stages)
}

#[test]
fn more_users_come_at_the_spawn_rate_from_those_there_are() {
    assert_eq!(amended(closed("10s->10, hold"), 5, &users(25, 2.0)), "5s->5, 10s->25");
    assert_eq!(amended(closed("10s->10, hold"), 60, &users(0, 5.0)), "10s->10, 50s->10, 2s->0");
    let at_once = Change::Users { users: 3, spawn_rate: None };
    assert_eq!(amended(closed("10s->10, hold"), 60, &at_once), "10s->10, 50s->10, 0s->3");
}

#[test]
fn a_limited_phase_keeps_its_end() {
    assert_eq!(
        amended(closed("10s->10, 50s->10"), 20, &users(20, 1.0)),
        "10s->10, 10s->10, 10s->20, 30s->20"
    );
    assert_eq!(
        amended(closed("10s->10, 50s->10"), 50, &users(20, 0.5)),
        "10s->10, 40s->10, 10s->15"
    );
}

#[test]
fn a_rate_changes_within_its_time() {
    let change = Change::Rate { rate: 200.0, over: secs(5) };
    assert_eq!(amended(open("10s->100, hold"), 30, &change), "10s->100, 20s->100, 5s->200");
}

#[test]
fn new_stages_replace_what_is_to_come() {
    let change = Change::Stages { stages: parse_stages("10s->5, 10s->0", Target::Users).unwrap() };
    assert_eq!(amended(closed("20s->20, 1h->20"), 10, &change), "10s->10, 10s->5, 10s->0");
}

#[test]
fn a_phase_that_starts_later_counts_from_its_start() {
    let mut profile = profile(&[("main", closed("10s->10, hold"))]);
    profile.phases[0].start = secs(100);
    let amended = profile.amend(None, secs(105), &users(6, 1.0)).unwrap();
    assert_eq!(format_stages(&of(&amended, 0).stages), "5s->5, 1s->6");
}

#[test]
fn a_change_that_does_not_fit_says_what_does() {
    let refused = |profile: &Profile, phase, at, change: &Change| {
        profile.amend(phase, secs(at), change).unwrap_err().to_string()
    };
    let rate = Change::Rate { rate: 1.0, over: Duration::ZERO };
    let one = profile(&[("main", closed("10s->10, 10s->10"))]);
    assert_eq!(
        refused(&one, None, 5, &rate),
        "phase `main` has users and no rate; change its users instead"
    );
    assert_eq!(refused(&one, None, 20, &users(1, 1.0)), "phase `main` is over; start a new run");
    assert!(refused(&one, Some("mian"), 5, &users(1, 1.0)).ends_with("it has `main`"));
    assert!(refused(&one, None, 5, &users(1, 0.0)).contains("it must be above 0"));
    assert!(
        refused(&one, None, 5, &Change::Rate { rate: f64::NAN, over: secs(1) }).contains("finite")
    );
    let open = profile(&[("main", open("1s->1, hold"))]);
    assert!(refused(&open, None, 5, &users(1, 1.0)).contains("change its rate instead"));
    let two = profile(&[("a", closed("9s->1, hold")), ("b", closed("9s->1, hold"))]);
    assert!(refused(&two, None, 5, &users(1, 1.0)).contains("`a`, `b`; name the one"));
    let shared = Load::SharedIterations { users: 1, iterations: 1, max_duration: None };
    let fixed = profile(&[("main", shared)]);
    assert!(refused(&fixed, None, 5, &users(1, 1.0)).contains("fixed number of iterations"));
}

#[test]
fn of_several_phases_the_fitting_one_is_changed() {
    let both = profile(&[("users", closed("10s->10, hold")), ("rate", open("10s->10, hold"))]);
    let amended = both.amend(None, secs(20), &users(0, 10.0)).unwrap();
    assert_eq!(of(&amended, 1), of(&both, 1));
    assert_eq!(users_wanted(of(&amended, 0), secs(21)), Some(0));
}

#[test]
fn a_load_shape_may_change_its_mind_every_second_for_days() {
    let mut profile = profile(&[("main", open("1s->10, hold"))]);
    let mut area = 0.0;
    for second in 1..5_000 {
        let rate = f64::from(second % 7 * 3 + 1);
        let change = Change::Rate { rate, over: Duration::ZERO };
        profile = profile.amend(None, secs(u64::from(second as u32)), &change).unwrap();
        profile.validate().unwrap();
        let now = of(&profile, 0).cumulative(secs(second as u64 + 1));
        assert!(
            (now - (if second == 1 { 5.0 } else { area }) - rate).abs() < 1e-6,
            "second {second}"
        );
        area = now;
    }
    assert!(of(&profile, 0).stages.len() <= Profile::MAX_STAGES);
}

#[test]
fn a_steady_load_shape_adds_no_stages() {
    let mut profile = profile(&[("main", Load::Shaped { users: Curve::constant(10.0) })]);
    for second in 1..1000 {
        profile = profile.amend(None, secs(second), &users(10, 1.0)).unwrap();
    }
    assert!(of(&profile, 0).stages.len() <= 4, "{:?}", of(&profile, 0).stages);
}

#[test]
fn impossible_profiles_are_refused() {
    let refused = |phases: &[(&str, Load)]| profile(phases).validate().unwrap_err().to_string();
    assert!(refused(&[]).contains("the run has no phase"));
    assert!(
        refused(&[("a", closed("1s->1")), ("a", closed("1s->1"))])
            .contains("two phases are named `a`")
    );
    assert!(refused(&[("a", closed("1s->0"))]).contains("never has any users"));
    let negative = Curve::constant(-1.0);
    assert!(
        refused(&[("a", Load::Closed { users: negative })])
            .contains("the users at the start is -1")
    );
    let nobody = Load::SharedIterations { users: 0, iterations: 5, max_duration: None };
    assert!(refused(&[("a", nobody)]).contains("the number of users is 0"));
    let rate = Curve::constant(1.0);
    let max_lag = secs(1);
    let few = Load::Arrivals { rate, poisson: false, preallocated: 5, max_users: 2, max_lag };
    assert!(refused(&[("a", few)]).contains("2, with 5 made before"));
    let mut late = profile(&[("a", closed("1s->1"))]);
    (late.run_time, late.phases[0].start) = (Some(secs(5)), secs(5));
    assert!(matches!(late.validate(), Err(ProfileError::Late { .. })));
    late.run_time = Some(Duration::ZERO);
    assert_eq!(late.validate(), Err(ProfileError::NoTime));
    late.max_request_rate = Some(0.0);
    late.run_time = None;
    assert_eq!(late.validate(), Err(ProfileError::RequestRate(0.0)));
}

#[test]
fn the_end_is_known_if_each_phase_has_one() {
    let mut both = profile(&[("a", closed("10s->1")), ("b", closed("5s->1"))]);
    both.phases[1].start = secs(20);
    assert_eq!(both.length(), Some(secs(25)));
    both.run_time = Some(secs(8));
    assert_eq!(both.length(), Some(secs(8)));
    both.phases[0].load = closed("1s->1, hold");
    assert_eq!(both.length(), Some(secs(8)));
    both.run_time = None;
    assert_eq!(both.length(), None);
}

#[test]
fn room_is_needed_for_phases_that_run_together() {
    let mut phases =
        profile(&[("a", closed("10s->30")), ("b", open("5s->1")), ("c", closed("1s->7"))]);
    assert_eq!(phases.planned_users_max(), 30 + 50 + 7);
    phases.phases[2].start = secs(10);
    assert_eq!(phases.planned_users_max(), 80);
    phases.phases[1].start = secs(10);
    assert_eq!(phases.planned_users_max(), 57);
}

fn any_curve() -> impl Strategy<Value = Curve> {
    let stage = (0_u64..20_000, 0.0..500.0);
    let stages = proptest::collection::vec(stage, 1..5);
    (0.0..500.0, stages, any::<bool>()).prop_map(|(start, stages, hold)| Curve {
        start,
        stages: stages
            .into_iter()
            .map(|(millis, target)| Stage { duration: Duration::from_millis(millis), target })
            .collect(),
        hold,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The past stays, the present does not jump, and a limited phase keeps its end.
    #[test]
    fn a_change_leaves_the_past_as_it_was(curve in any_curve(), millis in 0_u64..50_000, rate in 0.0..500.0) {
        let at = Duration::from_millis(millis);
        let load = Load::Arrivals { rate: curve.clone(), poisson: false, preallocated: 0, max_users: 1, max_lag: secs(1) };
        let before = profile(&[("main", load)]);
        let change = Change::Rate { rate, over: secs(3) };
        let Ok(after) = before.amend(None, at, &change) else {
            prop_assert!(curve.value_at(at).is_none());
            return Ok(());
        };
        let (old, new) = (Arrivals::new(&curve), Arrivals::new(of(&after, 0)));
        for n in 0..old.count_at(at).saturating_sub(1).min(2_000) {
            let (old, new) = (old.due(n).unwrap(), new.due(n).unwrap());
            prop_assert!(old.abs_diff(new) < Duration::from_micros(1), "arrival {n}: {old:?} then {new:?}");
        }
        let present = curve.value_at(at).unwrap();
        let continued = of(&after, 0).value_at(at).unwrap_or(present);
        prop_assert!((present - continued).abs() < 1e-6, "{present} then {continued}");
        prop_assert_eq!(curve.length(), of(&after, 0).length());
    }
}
