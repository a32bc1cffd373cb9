//! Layers over one another.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

fn file(text: &str) -> Layer {
    from_file(Path::new("loadhost.toml"), text).unwrap()
}

fn file_error(text: &str) -> String {
    from_file(Path::new("loadhost.toml"), text).unwrap_err().to_string()
}

fn environment(variables: &[(&str, &str)]) -> Result<Layer, Failure> {
    from_environment(variables.iter().map(|(name, text)| (name.to_string(), text.to_string())))
}

/// As they are given on the command line.
pub(crate) fn flags(pairs: &[(&str, &str)]) -> Layer {
    let mut layer = Layer::default();
    for (key, text) in pairs {
        let origin = Origin::Flag(format!("--{key}"));
        layer.push(by_key(key).unwrap(), Item { name: None, text: text.to_string(), origin });
    }
    layer
}

#[test]
fn flags_are_stronger_than_environment_than_file_than_scenario_than_defaults() {
    let scenario = from_scenario(&[
        ("users".into(), "1".into()),
        ("host".into(), "http://scenario".into()),
        ("run-time".into(), "1s".into()),
    ])
    .unwrap();
    let effective = Effective::of([
        scenario,
        file("users = 2\nhost = 'http://file'\ntimeout = '2s'"),
        environment(&[("LOADHOST_USERS", "3"), ("LOADHOST_HOST", "http://env")]).unwrap(),
        flags(&[("users", "4")]),
    ]);
    let get = |key| effective.item(key).map(|item| (item.text.as_str(), item.origin.to_string()));
    assert_eq!(get("users"), Some(("4", "--users".to_string())));
    assert_eq!(get("host"), Some(("http://env", "LOADHOST_HOST".to_string())));
    assert_eq!(get("timeout"), Some(("2s", "loadhost.toml:3".to_string())));
    assert_eq!(get("run-time"), Some(("1s", "the scenario's settings".to_string())));
    assert_eq!(get("max-redirects"), Some(("10", "default".to_string())));
    assert_eq!(get("json"), None);
}

#[test]
fn an_unknown_key_is_refused_with_line_and_suggestion() {
    assert!(file_error("users = 3\n\nmax_usres = 5").starts_with(
        "error: unknown key `max_usres` in loadhost.toml:3, did you mean `max-users`?"
    ));
    assert!(
        file_error("[worker]\nidd = 'x'")
            .contains("unknown key `worker.idd` in loadhost.toml:2, did you mean `worker.id`?")
    );
    assert!(file_error("[[phases]]\nraet = 5").contains("did you mean `rate`?"));
    assert!(file_error("colour = 1").contains("unknown key `colour` in loadhost.toml:1"));
    assert!(file_error("users = ").contains("loadhost.toml:1 is no TOML"));
    assert!(
        file_error("users = [1]").contains("`users` in loadhost.toml:1 must be a single value")
    );
    let error = environment(&[("LOADHOST_USRES", "1")]).unwrap_err().to_string();
    assert!(
        error.contains(
            "unknown environment variable `LOADHOST_USRES`, did you mean `LOADHOST_USERS`?"
        )
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("LOADHOST_BIN", "x"),
        ("LOADHOST_SERVICE_HOST", "10.0.0.1"),
        ("LOADHOST_MASTER_PORT_8089_TCP_ADDR", "10.0.0.1"),
        ("LOADHOST_PORT", "tcp://10.0.0.1:8089"),
        ("PATH", "/bin"),
    ];
    assert_eq!(environment(&others).unwrap(), Layer::default());
}

#[test]
fn lists_replace_and_maps_add_up() {
    let effective = Effective::of([
        file("tags = ['a', 'b']\n[params]\ncolour = 'red'\nsize = 3"),
        environment(&[("LOADHOST_TAGS", "c, d"), ("LOADHOST_PARAMS_COLOUR", "blue")]).unwrap(),
    ]);
    assert_eq!(effective.texts("tags"), ["c", "d"]);
    let params: Vec<_> = effective
        .items("params")
        .iter()
        .map(|item| (item.name.as_deref().unwrap(), item.text.as_str()))
        .collect();
    assert_eq!(params, [("size", "3"), ("colour", "blue")]);
}

#[test]
fn the_strongest_layer_with_a_load_decides_what_kind_it_is() {
    let check = |weak: &str, strong: &str, expected: &[&str]| {
        let effective = Effective::of([file(weak), file(strong)]);
        let loads: Vec<_> = LOADS.into_iter().filter(|key| effective.item(key).is_some()).collect();
        assert_eq!(loads, expected, "{weak} below {strong}");
    };
    check("rate = 5", "users = 3", &["users"]);
    check("users = 3", "rate = 5", &["rate"]);
    check("stages = '1s->5'\nusers = 3", "iterations = 10", &["users", "iterations"]);
    check("iterations = 10\nusers = 3", "users = 5", &["users", "iterations"]);
    check("rate = 5", "timeout = '1s'", &["rate"]);
    let phases = Effective::of([file("[[phases]]\nusers = 5"), file("rate = 3")]);
    assert!(phases.phases.is_empty());
}

#[test]
fn a_value_that_cannot_be_names_its_origin() {
    let effective = Effective::of([file("users = 'many'\ninsecure = 'perhaps'\ntimeout = 'soon'")]);
    let error = effective.number::<u32>("users").unwrap_err().to_string();
    assert!(error.contains("`users` from loadhost.toml:1 cannot be `many`"), "{error}");
    assert!(
        effective.switch("insecure").unwrap_err().to_string().contains("either `true` or `false`")
    );
    assert!(effective.duration("timeout").unwrap_err().to_string().contains("500ms"));
}

#[test]
fn a_scenario_may_not_propose_what_is_the_starters_business() {
    let error = from_scenario(&[("insecure".into(), "true".into())]).unwrap_err();
    assert_eq!(error.code, ExitCode::FaultyScenario);
    assert!(from_scenario(&[("json".into(), "/etc/passwd".into())]).is_err());
    let error = from_scenario(&[("user".into(), "3".into())]).unwrap_err().to_string();
    assert!(error.contains("did you mean `users`?"), "{error}");
}
