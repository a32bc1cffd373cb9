#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use super::*;
use crate::data::{DataFormat, DataSet};
use crate::description::{Parameter, Task, TaskGroup, WaitTime};
use crate::id::{Digest, RunId};
use crate::plan::{HttpSettings, Limits, ParamKind, UserShare, check_parameter};
use crate::profile::{Curve, Load, Phase, Profile};

fn task(name: &str, weight: u32, tags: &[&str], group: Option<u32>) -> Task {
    let tags = tags.iter().map(ToString::to_string).collect();
    Task { name: name.to_string(), weight, tags, wait: None, group, next: Vec::new() }
}

fn parameter(name: &str, kind: &str, default: Option<&str>) -> Parameter {
    let (name, kind) = (name.to_string(), kind.to_string());
    let default = default.map(str::to_string);
    Parameter { secret: name == "password", name, kind, default, help: "what for".to_string() }
}

pub(in crate::plan) fn shop() -> Description {
    let shopper = UserType {
        name: "Shopper".to_string(),
        weight: 3,
        fixed_count: None,
        wait: WaitTime::None,
        order: Order::Weighted,
        tasks: vec![
            task("browse", 5, &["read"], None),
            task("buy", 1, &["write"], Some(0)),
            task("audit", 0, &[], None),
        ],
        groups: vec![TaskGroup {
            name: "basket".to_string(),
            weight: 1,
            tags: vec!["money".to_string()],
            order: Order::Weighted,
            rounds: (0, 0),
            parent: None,
        }],
    };
    let admin = UserType {
        name: "Admin".to_string(),
        fixed_count: Some(2),
        tasks: vec![task("report", 1, &["read"], None)],
        ..shopper.clone()
    };
    Description {
        name: "shop".to_string(),
        user_types: vec![shopper, admin],
        parameters: vec![
            parameter("items", "integer", Some("3")),
            parameter("password", "string", None),
        ],
        ..Description::default()
    }
}

pub(in crate::plan) fn plan() -> RunPlan {
    RunPlan {
        run: RunId::new("r1").unwrap(),
        scenario: "shop".to_string(),
        module: Digest::new([0; 32]),
        target: Some("http://127.0.0.1:8000".to_string()),
        params: [("password".to_string(), "secret".to_string())].into(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: 1,
        profile: Profile {
            phases: vec![Phase {
                name: "main".to_string(),
                start: Duration::ZERO,
                load: Load::Closed { users: Curve::constant(10.0) },
                user_types: Vec::new(),
            }],
            run_time: Some(Duration::from_secs(60)),
            max_request_rate: None,
        },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(30),
        warm_up: None,
        fleet: Default::default(),
    }
}

/// The faults of the plan after `change`.
fn faults(change: impl FnOnce(&mut RunPlan)) -> String {
    let mut plan = plan();
    change(&mut plan);
    plan.checked(&shop()).unwrap_err().to_string()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_filled_in_and_secrets_hidden() {
    let plan = plan().checked(&shop()).unwrap();
    assert_eq!(plan.params["items"], "3");
    assert_eq!(plan.secret_params, ["password"]);
    assert_eq!(plan.shown_params()["password"], "•••");
    assert_eq!(plan.shown_params()["items"], "3");
}

#[test]
fn a_missing_parameter_says_how_to_give_it() {
    let fault = faults(|plan| plan.params.clear());
    assert_eq!(fault, "parameter `password` is missing (what for); give `--param password=VALUE`");
}

#[test]
fn a_misspelt_parameter_gets_a_suggestion() {
    let fault = faults(|plan| drop(plan.params.insert("itmes".to_string(), "1".to_string())));
    assert!(fault.starts_with("unknown parameter `itmes`, did you mean `items`?"), "{fault}");
}

#[test]
fn a_parameter_of_another_kind_is_named_with_its_value() {
    let fault = faults(|plan| drop(plan.params.insert("items".to_string(), "few".to_string())));
    assert!(fault.contains("`items`: `few` is no whole number"), "{fault}");
}

fn data_set() -> DataSet {
    let (order, lost) = Default::default();
    DataSet { digest: Digest::new([0; 32]), format: DataFormat::Csv, rows: 1, order, lost }
}

/// The faults of a plan with these data sets for a scenario that reads two.
fn data_faults(given: &[&str]) -> Vec<String> {
    let mut plan = plan();
    plan.data = given.iter().map(|name| (name.to_string(), data_set())).collect();
    let mut shop = shop();
    shop.data_sets = names(&["users", "items"]);
    let faults = plan.validate(&shop).err().map(|faults| faults.0).unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_data_set_that_the_scenario_reads_is_asked_for() {
    assert!(data_faults(&["users", "items"]).is_empty());
    assert_eq!(
        data_faults(&["items"]),
        ["the scenario reads data set `users`; give `--data users=FILE`"]
    );
}

#[test]
fn a_data_set_that_the_scenario_does_not_read_gets_a_suggestion() {
    let known = "did you mean `users`?; the scenario has `items`, `users`";
    assert_eq!(
        data_faults(&["items", "users", "usres"]),
        [format!("unknown data set `usres`, {known}")]
    );
    let fault = faults(|plan| {
        plan.data.insert("users".to_string(), data_set());
    });
    assert_eq!(fault, "unknown data set `users`; the scenario has no data sets");
}

#[test]
fn an_unknown_tag_lists_those_there_are() {
    let fault = faults(|plan| plan.tasks.include = names(&["reed"]));
    let known = "did you mean `read`?; the scenario has `money`, `read`, `write`";
    assert_eq!(fault, format!("unknown tag `reed`, {known}"));
}

#[test]
fn a_user_type_without_tasks_is_refused() {
    let fault = faults(|plan| plan.tasks.include = names(&["money"]));
    assert!(fault.starts_with("no task of user type `Admin` is left"), "{fault}");
}

#[test]
fn a_user_type_that_is_left_out_needs_no_tasks() {
    let mut plan = plan();
    plan.tasks.include = names(&["money"]);
    plan.user_types.insert("Admin".to_string(), UserShare::Weight(0));
    plan.checked(&shop()).unwrap();
}

#[test]
fn a_task_of_weight_0_runs_only_by_name() {
    let (shop, named) = (shop(), TaskFilter { names: names(&["audit"]), ..TaskFilter::default() });
    assert!(named.picks(&shop.user_types[0], 2));
    assert!(!named.admits(&shop.user_types[0], 0));
    assert!(!TaskFilter::default().picks(&shop.user_types[0], 2));
}

#[test]
fn tags_of_a_group_hold_for_its_tasks() {
    let without_money = TaskFilter { exclude: names(&["money"]), ..TaskFilter::default() };
    let admitted = |task| without_money.admits(&shop().user_types[0], task);
    assert_eq!([admitted(0), admitted(1), admitted(2), admitted(9)], [true, false, true, false]);
}

#[test]
fn nobody_to_run_is_refused() {
    let fault = faults(|plan| {
        for name in ["Shopper", "Admin"] {
            plan.user_types.insert(name.to_string(), UserShare::Weight(0));
        }
    });
    assert!(fault.contains("no user type is left to run: all of `Shopper`, `Admin`"), "{fault}");
    let misspelt = [("Shoper".to_string(), UserShare::Count(1))];
    let fault = faults(|plan| plan.user_types = misspelt.into());
    assert!(fault.contains("unknown user type `Shoper`, did you mean `Shopper`?"), "{fault}");
}

#[test]
fn more_users_than_the_fixed_counts_allow_are_refused() {
    let fault = faults(|plan| plan.profile.phases[0].user_types = names(&["Admin"]));
    assert!(
        fault.contains("wants 10 users") && fault.contains("fixed counts, 2 together"),
        "{fault}"
    );
}

#[test]
fn all_faults_are_named_at_once() {
    let fault = faults(|plan| {
        plan.target = Some("localhost:8000".to_string());
        plan.params.clear();
        plan.profile.phases.clear();
    });
    assert_eq!(fault.lines().count(), 3, "{fault}");
}

#[test]
fn parameter_kinds_know_their_values() {
    let check = |kind: &str, good: &[&str], bad: &[&str]| {
        let kind: ParamKind = kind.parse().unwrap();
        good.iter().for_each(|value| assert_eq!(kind.check(value), Ok(()), "{kind:?} {value}"));
        bad.iter().for_each(|value| assert!(kind.check(value).is_err(), "{kind:?} {value}"));
    };
    check("integer", &["0", "-7"], &["", "1.5", "x"]);
    check("number", &["1.5", "-2", "1e3"], &["NaN", "inf", "x"]);
    check("boolean", &["true", "false"], &["yes", "1"]);
    check("duration", &["10s", "1m30s"], &["soon"]);
    check("url", &["http://a", "postgres://u@h/db"], &["a", "http://", "://a", "http://a b"]);
    check("choice:a|b", &["a", "b"], &["c", "a|b"]);
    check("string", &["", "x"], &[]);
    assert!("choice:".parse::<ParamKind>().is_err() && "int".parse::<ParamKind>().is_err());
}

#[test]
fn a_parameter_with_an_empty_default_may_be_left_out() {
    let optional = parameter("retries", "integer", Some(""));
    assert_eq!(check_parameter(&optional), Ok(()));
    let wrong = parameter("retries", "integer", Some("many"));
    assert!(check_parameter(&wrong).is_err());
}
