//! Files given as scenarios.

use std::time::{Duration, Instant};

use loadhost_engine::scenario::{
    Compiling, Scenario, ScenarioError, StructureCaps, check_in_process, inspect,
};

use crate::bench::{cache, guest, load};

fn refusal(name: &str) -> ScenarioError {
    Scenario::load(&guest(name), &StructureCaps::default(), Some(cache())).unwrap_err()
}

#[test]
fn a_scenario_says_what_it_contains() {
    let scenario = load("hostile");
    assert_eq!(scenario.description().user_types[0].tasks[0].name, "attack");
    let inspection = scenario.inspection();
    assert_eq!(inspection.contract, "0.1.0");
    assert!(inspection.imports.iter().any(|name| name.starts_with("loadhost:scenario/http@")));
    assert!(
        inspection.producers.iter().any(|(name, _)| name == "Rust"),
        "{:?}",
        inspection.producers
    );
    assert!(!inspection.has_load_shape);
    assert_eq!(scenario.digest().to_string().len(), 64);
}

#[test]
fn a_component_of_another_world_is_refused_before_it_is_compiled() {
    let error = inspect(&guest("other-world"), &StructureCaps::default()).unwrap_err();
    assert_eq!(error.code(), "foreign-world");
    let text = error.to_string();
    assert!(
        text.contains("`loadhost:scenario/guest@0.1.0`") && text.contains("shop:plugin/prices"),
        "{text}"
    );
}

#[test]
fn a_newer_contract_is_named() {
    let text = refusal("newer-contract").to_string();
    assert!(
        text.contains("newer contract `loadhost:scenario@0.2.0`, this loadhost speaks 0.1"),
        "{text}"
    );
}

#[test]
fn describe_in_an_endless_loop_ends() {
    let begun = Instant::now();
    let error = refusal("describe-loop");
    assert!(begun.elapsed() < Duration::from_secs(15));
    let ScenarioError::Describe { code, .. } = &error else { panic!("{error}") };
    assert_eq!(code, "limit-task_cpu");
}

#[test]
fn describe_may_not_send_requests() {
    let error = refusal("describe-call");
    let ScenarioError::Describe { code, what, .. } = &error else { panic!("{error}") };
    assert_eq!(code, "denied");
    assert!(
        what.contains("may not be called from `describe`") && what.contains("template"),
        "{what}"
    );
}

#[test]
fn all_faults_of_a_description_are_told() {
    let error = refusal("describe-faults");
    let ScenarioError::Description { faults } = &error else { panic!("{error}") };
    assert_eq!(faults.len(), 3, "{error}");
}

#[test]
fn a_truncated_file_is_malformed() {
    let bytes = guest("hostile");
    let error = inspect(&bytes[..bytes.len() / 2], &StructureCaps::default()).unwrap_err();
    assert_eq!(error.code(), "malformed");
}

#[test]
fn caps_on_the_structure_hold() {
    let bytes = guest("hostile");
    let check = |caps: StructureCaps, what: &str| {
        let error = inspect(&bytes, &caps).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let caps = StructureCaps::default;
    check(StructureCaps { file_bytes: 1_000, ..caps() }, "at most 1000 are accepted");
    check(StructureCaps { core_modules: 1, ..caps() }, "core modules");
    check(StructureCaps { functions: 10, ..caps() }, "functions");
    check(StructureCaps { body_bytes: 10, ..caps() }, "bytes in one function");
    check(StructureCaps { data_bytes: 10, ..caps() }, "bytes of data");
    check(StructureCaps { data_end: 10, ..caps() }, "end of its data");
    check(StructureCaps { names: 2, ..caps() }, "imports");
}

#[test]
fn flipped_bits_never_panic() {
    let bytes = guest("other-world");
    let step = bytes.len() / 500;
    for at in (8..bytes.len()).step_by(step) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x41;
        let _ = inspect(&bytes, &StructureCaps::default());
    }
}

#[test]
fn a_report_for_a_parent_process_travels_as_json() {
    let good = check_in_process(&guest("hostile"), &StructureCaps::default());
    assert!(good.error.is_none() && good.description.is_some());
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(
        serde_json::from_str::<loadhost_engine::scenario::CheckReport>(&text).unwrap(),
        good
    );
    let bad = check_in_process(b"fn main() {}", &StructureCaps::default());
    assert_eq!(bad.code.as_deref(), Some("not-a-component"));
    assert!(bad.error.unwrap().contains("a text file"));
}

#[test]
fn the_second_load_takes_the_compiled_code_from_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        std::sync::Arc::new(
            loadhost_engine::scenario::Cache::open(dir.path().join("c"), 64 << 20).unwrap(),
        )
    };
    let bytes = guest("hostile");
    let first = open();
    Scenario::load(&bytes, &StructureCaps::default(), Some(first.clone())).unwrap();
    assert_eq!(first.hits(), 0);
    let second = open();
    Scenario::load(&bytes, &StructureCaps::default(), Some(second.clone())).unwrap();
    assert_eq!(second.hits(), 1);
}

#[test]
fn of_processes_that_load_a_scenario_at_once_one_compiles_it() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = guest("hostile");
    let together = std::sync::Barrier::new(4);
    let loads = || {
        // A cache of its own over the same folder is what another process has.
        let cache = loadhost_engine::scenario::Cache::open(dir.path().join("c"), 64 << 20).unwrap();
        let compiling = Compiling::from(Some(std::sync::Arc::new(cache)));
        together.wait();
        Scenario::load(&bytes, &StructureCaps::default(), compiling.clone()).unwrap();
        compiling.counts()
    };
    let counts: Vec<[u64; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(loads)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |which: usize| counts.iter().map(|counts| counts[which]).sum::<u64>();
    assert_eq!((sum(0), sum(1)), (3, 1), "found and compiled: {counts:?}");
}
