//! What requests come to, and that a run's command line means the same run.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::Parser as _;
use loadhost_model::data::DataFormat;
use loadhost_model::description::{Description, Order, Parameter, Task, UserType, WaitTime};
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::RunPlan;
use loadhost_web::workbench::{DataFile, Fault, Planned, Wanted, Workbench as _};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Bench;
use crate::args::{Cli, Cmd};
use crate::commands::Layers;
use crate::config::{Effective, Layer, from_file, from_scenario};
use crate::plan::{Module, plan};

fn parameter(name: &str, secret: bool) -> Parameter {
    let (kind, default) = ("string".to_string(), Some("usual".to_string()));
    Parameter { name: name.into(), kind, default, help: String::new(), secret }
}

fn description() -> Description {
    let task = Task {
        name: "buy".into(),
        weight: 1,
        tags: vec!["shop".into(), "slow one".into()],
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
        parameters: vec![parameter("greeting", false), parameter("pass-word", true)],
        settings: vec![("users".into(), "7".into()), ("run-time".into(), "3m".into())],
        ..Description::default()
    }
}

fn digest(of: &str) -> Digest {
    loadhost_engine::scenario::digest_of(of.as_bytes())
}

fn bench(file: &str) -> Bench {
    let file = from_file("loadhost.toml".as_ref(), file).unwrap();
    Bench::new(&Layers::of([file, Layer::default(), Layer::default()])).unwrap()
}

fn asked(
    bench: &Bench,
    description: &Description,
    files: &BTreeMap<Digest, DataFile>,
    settings: &Value,
) -> Result<Planned, Vec<Fault>> {
    let settings = settings.as_object().unwrap();
    let module = digest("shop");
    bench.plan(&Wanted { scenario_file: "my shop.wasm", module, description, files, settings })
}

fn keys(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.key.as_deref().unwrap_or("-")).collect()
}

#[test]
fn a_request_is_stronger_than_the_masters_settings_which_are_stronger_than_the_scenarios() {
    let bench = bench("timeout = '4s'\nhost = 'http://own'\nbearer = 'hunter2'\njson = 'x.json'");
    let settings = json!({"host": "http://asked", "thresholds": ["http_req_failed rate < 1%"]});
    let planned = asked(&bench, &description(), &BTreeMap::new(), &settings).unwrap();
    assert_eq!(planned.plan.target.as_deref(), Some("http://asked"));
    assert_eq!(planned.plan.http.timeout.as_secs(), 4);
    assert_eq!(planned.plan.profile.run_time.unwrap().as_secs(), 180);
    assert_eq!(planned.plan.http.bearer, None, "the master's own secrets are not for runs");
    let origin = |key: &str| {
        let held = planned.effective.iter().find(|held| held.key == key).unwrap();
        held.origin.clone()
    };
    assert_eq!(origin("host"), "the request");
    assert_eq!(origin("timeout"), "loadhost.toml:1");
    assert_eq!(origin("users"), "the scenario's settings");
    assert_eq!(
        planned.command,
        "loadhost start 'my shop.wasm' --host http://asked --timeout 4s \
         --threshold 'http_req_failed rate < 1%'"
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once_each_with_its_key() {
    let settings = json!({
        "usres": 3, "listen": "0.0.0.0:80", "key": "/etc/passwd", "users": "many", "timeout": "soon",
        "connect-timeout": "five", "tags": ["shp"], "user-types": {"Shoper": 1}, "params": {"gretting": "x"},
        "limits": {"memory_byte": 1}, "data": {"rows": {"file": "00"}}, "host": {"a": 1},
        "thresholds": ["p(95"], "max-wait": "x", "distribution": "fair",
    });
    let faults = asked(&bench(""), &description(), &BTreeMap::new(), &settings).unwrap_err();
    let mut found = keys(&faults);
    found.sort_unstable();
    let mut wanted = [
        "usres",
        "listen",
        "key",
        "users",
        "timeout",
        "connect-timeout",
        "tags",
        "user-types",
        "params.gretting",
        "limits.memory_byte",
        "data.rows",
        "host",
        "thresholds",
        "max-wait",
        "distribution",
    ];
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{faults:#?}");
    let of = |key: &str| faults.iter().find(|fault| fault.key.as_deref() == Some(key)).unwrap();
    assert_eq!(of("usres").hint, "did you mean `users`?");
    assert!(of("key").message.contains("cannot be set by a request"));
    assert!(of("params.gretting").hint.contains("did you mean `greeting`?"));
    assert!(of("users").message.contains("`many`"), "{}", of("users").message);
}

#[test]
fn phases_are_those_of_the_file() {
    let settings = json!({"phases": [
        {"name": "steady", "users": 3, "run-time": "1m", "user-types": ["Shopper"]},
        {"rate": "5/s", "max_users": 9, "start": "10s"},
    ]});
    let planned = asked(&bench(""), &description(), &BTreeMap::new(), &settings).unwrap();
    assert_eq!(planned.plan.profile.phases.len(), 2);
    assert!(planned.command.starts_with("printf %s '[[phases]]\n"), "{}", planned.command);
    let wrong = json!({"phases": [{"user": 3}, {"users": "x"}, 7]});
    let faults = asked(&bench(""), &description(), &BTreeMap::new(), &wrong).unwrap_err();
    assert_eq!(keys(&faults)[..3], ["phases.1.user", "phases.2.users", "phases.3"]);
}

#[test]
fn a_data_set_is_an_uploaded_file_by_its_digest() {
    let mut description = description();
    description.data_sets = vec!["users".into()];
    let file = DataFile { name: "all users.csv".into(), format: DataFormat::Csv, rows: 12 };
    let files = BTreeMap::from([(digest("rows"), file)]);
    let named = digest("rows").to_string();
    let settings = json!({"data": {"users": {"file": named, "order": "circular", "lost": null}}});
    let planned = asked(&bench(""), &description, &files, &settings).unwrap();
    let set = &planned.plan.data["users"];
    assert_eq!(
        (set.digest, set.rows, set.order.to_string().as_str()),
        (digest("rows"), 12, "circular")
    );
    assert!(
        planned.command.contains("--data users='all users.csv,order=circular'"),
        "{}",
        planned.command
    );
    let other = digest("other").to_string();
    for (wrong, said) in [
        (json!({"users": {"file": "/etc/passwd"}}), "64 hexadecimal digits"),
        (json!({"users": {"file": other}}), "is not here"),
        (json!({"users": {"file": named, "order": "best"}}), "order of rows"),
        (json!({"users": {"file": named, "format": "csv"}}), "has no `format`"),
        (json!({"users": {}}), "names no `file`"),
    ] {
        let faults = asked(&bench(""), &description, &files, &json!({"data": wrong})).unwrap_err();
        assert_eq!(keys(&faults), ["data.users"], "{faults:?}");
        assert!(faults[0].message.contains(said), "{}", faults[0].message);
    }
}

#[test]
fn secrets_are_neither_shown_nor_part_of_the_command() {
    let settings = json!({
        "bearer": "hunter2", "basic-auth": "me:hunter3", "headers": ["X-Key: hunter4"],
        "params": {"pass_word": "hunter5", "greeting": "hi"},
    });
    let planned = asked(&bench(""), &description(), &BTreeMap::new(), &settings).unwrap();
    let shown = format!("{}{:?}", planned.command, planned.effective);
    assert!(!shown.contains("hunter"), "{shown}");
    for part in [
        "--bearer \"$BEARER\"",
        "--basic-auth \"$BASIC_AUTH\"",
        "--header \"X-Key: $X_KEY\"",
        "--param pass_word=\"$PASS_WORD\"",
        "--param greeting=hi",
    ] {
        assert!(planned.command.contains(part), "{part} is missing: {}", planned.command);
    }
}

/// What the line means to a shell: words of the arguments, and what stands on the standard input.
fn words(command: &str) -> (Vec<String>, String) {
    let script = format!("loadhost() {{ printf '%s\\0' \"$@\"; printf '\\1'; cat; }}\n{command}\n");
    let mut shell = Command::new("/bin/sh")
        .args(["-s"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs([
            ("BEARER", "b'e\"a$r"),
            ("BASIC_AUTH", "me:p w"),
            ("X_KEY", "k"),
            ("PASS_WORD", "p"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
    let (args, input) = output.split_once('\u{1}').unwrap();
    (args.split_terminator('\0').map(str::to_string).collect(), input.to_string())
}

/// The plan that the line makes on another machine.
fn planned_by(command: &str, description: &Description) -> RunPlan {
    let (words, input) = words(command);
    let cli = Cli::try_parse_from(std::iter::once("loadhost".to_string()).chain(words)).unwrap();
    let Cmd::Start(start) = cli.command else { panic!("{command}") };
    assert_eq!(start.scenario, "my shop.wasm");
    let file = from_file("stdin".as_ref(), &input).unwrap();
    assert_eq!(start.settings.file.is_some(), !input.is_empty());
    let proposed = from_scenario(&description.settings).unwrap();
    let settings = Effective::of([proposed, file, start.settings.layer]);
    let module = Module { digest: digest("shop"), description, data: &BTreeMap::new() };
    plan(&settings, module).unwrap()
}

fn load() -> impl Strategy<Value = Map<String, Value>> {
    let map = |value: Value| value.as_object().unwrap().clone();
    prop_oneof![
        Just(Map::new()),
        (1..50u32, proptest::option::of(1..9u32))
            .prop_map(move |(users, rate)| map(json!({"users": users, "spawn-rate": rate}))),
        (1..9u32, 1..60u32).prop_map(move |(n, s)| map(json!({"stages": format!("{s}s->{n}, 1m->0")}))),
        (1..900u32, any::<bool>())
            .prop_map(move |(rate, poisson)| map(json!({"rate": format!("{rate}/m"), "poisson": poisson}))),
        (1..99u32, 1..9u32).prop_map(move |(n, users)| map(json!({"iterations": n, "users": users}))),
        (1..99u32).prop_map(move |n| map(json!({"iterations": n, "per-user": true}))),
        (1..9u32, "[a-z '\"$]{1,8}").prop_map(move |(users, name)| map(
            json!({"phases": [{"name": format!("p{name}"), "users": users}, {"rate": "2/s", "start": "5s"}]})
        )),
    ]
}

fn others() -> impl Strategy<Value = Map<String, Value>> {
    // No zero bytes and no bytes that end our own parting of words.
    let text = "[^\\x00-\\x09\\x0b-\\x1f]{0,12}";
    (
        proptest::option::of(text),
        proptest::option::of(text),
        proptest::option::of(1..90u32),
        proptest::option::of(any::<bool>()),
        proptest::sample::subsequence(vec!["shop", "slow one"], 0..=2),
        proptest::option::of(0..3u32),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(|(agent, greeting, timeout, insecure, tags, weight, (secret, limits))| {
            let value = json!({
                "host": "http://shop.example:8000/a'b",
                "user-agent": agent.map(|agent| format!("a{agent}")),
                "params": {"greeting": greeting, "pass-word": secret.then_some("p")},
                "timeout": timeout.map(|seconds| format!("{seconds}s")),
                "insecure": insecure,
                "tags": tags,
                "user-types": {"Admin": weight, "Shopper": ":1"},
                "bearer": secret.then_some("b'e\"a$r"),
                "headers": if secret { vec!["X-Key: k"] } else { vec![] },
                "basic-auth": secret.then_some("me:p w"),
                "limits": if limits { json!({"memory_bytes": "32MiB"}) } else { json!({}) },
                "on-worker-lost": limits.then_some("continue"),
            });
            value.as_object().unwrap().clone()
        })
}

/// Number and seed are new each time.
fn same(mut plan: RunPlan) -> RunPlan {
    plan.run = RunId::new("same").unwrap();
    plan.seed = 0;
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_command_line_of_a_run_is_the_same_run(
        load in load(), others in others(), own in prop_oneof![Just(""), Just("users = 4"), Just("rate = '3/s'\nmax-lag = '2s'")],
    ) {
        let settings = Value::Object(load.into_iter().chain(others).collect());
        let description = description();
        let planned = match asked(&bench(own), &description, &BTreeMap::new(), &settings) {
            Ok(planned) => planned,
            // Such as more users than fixed counts allow: refused alike on the command line.
            Err(_) => return Ok(()),
        };
        prop_assert_eq!(same(planned_by(&planned.command, &description)), same(planned.plan), "{}", planned.command);
    }
}
