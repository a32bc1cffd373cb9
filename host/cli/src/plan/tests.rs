//! From what people write to what a run is.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use loadhost_model::description::{
    Description, Order, Parameter, Task, ThresholdText, UserType, WaitTime,
};
use loadhost_model::plan::{Distribution, LossPolicy};
use loadhost_model::profile::{Load, Stage};

use super::*;
use crate::config::{from_file, from_scenario};

fn description() -> Description {
    let task = Task {
        name: "buy".into(),
        weight: 1,
        tags: vec!["shop".into()],
        wait: None,
        group: None,
        next: Vec::new(),
    };
    let user = |name: &str| UserType {
        name: name.into(),
        weight: 1,
        fixed_count: None,
        wait: WaitTime::None,
        order: Order::Weighted,
        tasks: vec![task.clone()],
        groups: Vec::new(),
    };
    Description {
        name: "checkout".into(),
        user_types: vec![user("Shopper"), user("Admin")],
        thresholds: vec![ThresholdText {
            metric: "http_req_failed".into(),
            tags: Vec::new(),
            condition: "rate < 1%".into(),
            abort_after: None,
        }],
        parameters: vec![
            Parameter {
                name: "pause-time".into(),
                kind: "duration".into(),
                default: Some("1s".into()),
                help: "Between tasks".into(),
                secret: false,
            },
            Parameter {
                name: "password".into(),
                kind: "string".into(),
                default: Some("secret".into()),
                help: String::new(),
                secret: true,
            },
        ],
        settings: vec![("users".into(), "7".into())],
        ..Description::default()
    }
}

fn planned(file: &str) -> Result<RunPlan, Failure> {
    let description = description();
    let layers = [
        from_scenario(&description.settings).unwrap(),
        from_file(Path::new("loadhost.toml"), file)?,
    ];
    let data = BTreeMap::new();
    let module = Module { digest: Digest::new([7; 32]), description: &description, data: &data };
    plan(&Effective::of(layers), module)
}

fn load(file: &str) -> Load {
    planned(file).unwrap().profile.phases.remove(0).load
}

fn error(file: &str) -> (ExitCode, String) {
    let failure = planned(file).unwrap_err();
    (failure.code, failure.to_string())
}

fn stage(seconds: u64, target: f64) -> Stage {
    Stage { duration: Duration::from_secs(seconds), target }
}

#[test]
fn users_start_at_once_or_by_spawn_rate() {
    let Load::Closed { users } = load("") else { panic!("not closed") };
    assert_eq!((users.start, users.hold), (7.0, true), "the scenario proposes seven");
    let Load::Closed { users } = load("users = 100\nspawn-rate = 10") else { panic!("not closed") };
    assert_eq!((users.start, users.stages, users.hold), (0.0, vec![stage(10, 100.0)], true));
    let Load::Closed { users } = load("stages = '10s->5, 20s->5'") else { panic!("not closed") };
    assert_eq!((users.stages.len(), users.hold), (2, false));
}

#[test]
fn arrivals_begin_with_few_users_and_have_room_for_iterations_of_a_second() {
    let Load::Arrivals { rate, max_users, preallocated, poisson, max_lag } =
        load("rate = '6000/m'\npoisson = true")
    else {
        panic!("not open")
    };
    assert_eq!((rate.start, max_users, preallocated, poisson), (100.0, 1_000, 2, true));
    assert_eq!(max_lag, Duration::from_secs(10));
    let users = |text: &str| match load(text) {
        Load::Arrivals { max_users, preallocated, .. } => (preallocated, max_users),
        other => panic!("{other:?} is not open"),
    };
    assert_eq!(users("rate = '1/m'"), (1, 1_000));
    assert_eq!(users("rate-stages = '10s->2500, 10s->0'"), (50, 2_500));
    assert_eq!(users("rate = '50000/s'"), (1_000, 10_000));
    assert_eq!(users("rate = '50000/s'\nmax-users = 70"), (70, 70));
    assert_eq!(users("rate = '10/s'\nmax-users = 70\npreallocate = 30"), (30, 70));
    let Load::Arrivals { max_users, preallocated, .. } =
        load("rate-stages = '10s->50'\nmax-users = 5")
    else {
        panic!("not open")
    };
    assert_eq!((max_users, preallocated), (5, 1));
}

#[test]
fn iterations_are_shared_or_per_user() {
    assert!(matches!(
        load("iterations = 10"),
        Load::SharedIterations { users: 7, iterations: 10, max_duration: None }
    ));
    let per_user = load("iterations = 10\nusers = 2\nper-user = true\nrun-time = '5s'");
    let max_duration = Some(Duration::from_secs(5));
    assert_eq!(per_user, Load::UserIterations { users: 2, iterations: 10, max_duration });
}

#[test]
fn phases_run_beside_and_after_each_other() {
    let plan = planned(
        "[[phases]]\nname = 'warm'\nusers = 5\nrun-time = '10s'\nuser-types = ['Admin']\n\
         [[phases]]\nstart = '10s'\nrate = '50/s'\nmax-users = 9\nrun-time = '20s'",
    )
    .unwrap();
    let [warm, second] = plan.profile.phases.as_slice() else { panic!("not two phases") };
    assert_eq!(
        (warm.name.as_str(), warm.length(), warm.user_types.clone()),
        ("warm", Some(Duration::from_secs(10)), vec!["Admin".to_string()])
    );
    assert_eq!((second.name.as_str(), second.start), ("phase-2", Duration::from_secs(10)));
    assert_eq!(plan.profile.length(), Some(Duration::from_secs(30)));
}

#[test]
fn two_kinds_of_load_at_once_are_refused() {
    let (code, text) = error("rate = 5\nstages = '1s->5'");
    assert_eq!(code, ExitCode::Configuration);
    assert!(
        text.contains(
            "`stages` (loadhost.toml:2) and `rate` (loadhost.toml:1) are two kinds of load"
        ),
        "{text}"
    );
}

#[test]
fn parameters_are_checked_by_name_and_kind() {
    let params = planned("[params]\npause_time = '2s'").unwrap().params;
    assert_eq!(params["pause-time"], "2s");
    assert_eq!(params["password"], "secret");
    assert_eq!(planned("").unwrap().secret_params, ["password"]);
    let (code, text) = error("[params]\npause-tiem = '2s'");
    assert_eq!(code, ExitCode::Parameters);
    assert!(text.contains("hint: did you mean `pause-time`?"), "{text}");
    let (code, text) = error("[params]\npause-time = 'soon'");
    assert_eq!(code, ExitCode::Parameters);
    assert!(text.contains("pause-time") && text.contains("soon"), "{text}");
}

#[test]
fn limits_are_read_by_name() {
    let plan = planned("[limits]\nmemory-bytes = '128MiB'\ntask_cpu = '500ms'\nbatch = 8").unwrap();
    assert_eq!(plan.limits.memory_bytes, 128 << 20);
    assert_eq!(plan.limits.task_cpu, Duration::from_millis(500));
    assert_eq!(plan.limits.batch, 8);
    let (_, text) = error("[limits]\nmemory_byte = 1");
    assert!(
        text.contains(
            "unknown limit `memory_byte` from loadhost.toml:2, did you mean `memory_bytes`?"
        ),
        "{text}"
    );
    let (_, text) = error("[limits]\nbatch = 'big'");
    assert!(text.contains("`limits.batch` from loadhost.toml:2 cannot be `big`"), "{text}");
}

#[test]
fn how_a_run_is_spread_over_workers_is_as_the_settings_say() {
    assert_eq!(planned("").unwrap().fleet, FleetSettings::default());
    let fleet = planned(
        "placement = 'region=eu'\ndistribution = 'weighted'\nrebalance-interval = '7s'\n\
         on-worker-lost = 'abort'\nmax-retries = 5",
    )
    .unwrap()
    .fleet;
    let wanted = FleetSettings {
        placement: Some("region=eu".parse().unwrap()),
        distribution: Distribution::Weighted,
        rebalance_interval: Some(Duration::from_secs(7)),
        on_worker_lost: LossPolicy::Abort,
        max_retries: 5,
    };
    assert_eq!(fleet, wanted);
    let never = planned("rebalance-interval = '0s'\nmax-retries = 0").unwrap().fleet;
    assert_eq!((never.rebalance_interval, never.max_retries), (None, 0));
}

#[test]
fn thresholds_of_the_scenario_and_of_the_starter_add_up() {
    let plan =
        planned("thresholds = ['http_req_duration p(95) < 500ms']\nabort-after = '10s'").unwrap();
    let texts: Vec<_> = plan.thresholds.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        plan.thresholds
            .iter()
            .all(|threshold| threshold.abort_after == Some(Duration::from_secs(10)))
    );
    let (code, text) = error("thresholds = ['http_req_durration p(95) < 1s']");
    assert_eq!(code, ExitCode::Configuration);
    assert!(text.contains("http_req_duration"), "{text}");
}

#[test]
fn shares_of_user_types_are_weights_or_counts() {
    let plan = planned("[user-types]\nShopper = 3\nAdmin = ':2'").unwrap();
    assert_eq!(plan.user_types["Shopper"], UserShare::Weight(3));
    assert_eq!(plan.user_types["Admin"], UserShare::Count(2));
}

#[test]
fn a_host_without_a_scheme_is_refused() {
    assert!(error("host = 'localhost:8000'").1.contains("http://127.0.0.1:8000"));
    assert_eq!(planned("host = 'http://a/'").unwrap().target.as_deref(), Some("http://a"));
}

#[test]
fn secrets_are_not_repeated_in_errors() {
    let (_, text) = error("basic-auth = 'hunter2'");
    assert!(!text.contains("hunter2"), "{text}");
    let (_, text) = error("headers = ['hunter2']");
    assert!(!text.contains("hunter2"), "{text}");
}
