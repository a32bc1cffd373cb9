//! The house stays in order: imports point down, one crate names each technology.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};
use loadhost_tests::workspace_root;

/// Each crate with the crates of the house that it may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("loadhost-model", &[]),
    ("loadhost-engine", &["loadhost-model"]),
    ("loadhost-control", &["loadhost-model"]),
    ("loadhost-cluster", &["loadhost-control", "loadhost-model"]),
    ("loadhost-web", &["loadhost-control", "loadhost-model"]),
    (
        "loadhost",
        &[
            "loadhost-cluster",
            "loadhost-control",
            "loadhost-engine",
            "loadhost-model",
            "loadhost-web",
        ],
    ),
    ("loadhost-sdk", &["loadhost-sdk-macros"]),
    ("loadhost-sdk-macros", &[]),
];

/// Each technology with the only crate that may name it.
const TECHNOLOGIES: &[(&str, &str)] = &[
    ("wasmtime", "loadhost-engine"),
    ("wasmtime-wasi", "loadhost-engine"),
    ("async-nats", "loadhost-cluster"),
    ("axum", "loadhost-web"),
    ("clap", "loadhost"),
    ("opentelemetry-otlp", "loadhost"),
    ("anyhow", "loadhost"),
];

/// What the pure crate may use: data and arithmetic.
const PURE: &[&str] =
    &["csv", "fastrand", "hdrhistogram", "postcard", "serde", "serde_json", "thiserror", "strsim"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata =
        MetadataCommand::new().current_dir(workspace_root()).no_deps().exec().expect("metadata");
    let normal = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), normal(package)))
        .filter(|(name, _)| name != "loadhost-tests")
        .collect()
}

#[test]
fn imports_point_down_only() {
    let found = dependencies();
    for (name, allowed) in IMPORTS {
        let ours = found[*name].iter().filter(|other| found.contains_key(*other));
        let wrong: Vec<_> = ours.filter(|other| !allowed.contains(&other.as_str())).collect();
        assert!(wrong.is_empty(), "{name} imports {wrong:?}: see the house in ARCHITECTURE.md");
    }
    let known: BTreeSet<_> = IMPORTS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), known, "a crate without a place");
}

#[test]
fn each_technology_is_named_by_one_crate() {
    for (technology, owner) in TECHNOLOGIES {
        for (name, dependencies) in dependencies() {
            assert!(
                name == *owner || !dependencies.contains(*technology),
                "{name} names {technology}, which only {owner} may"
            );
        }
    }
}

#[test]
fn the_model_is_pure() {
    for dependency in &dependencies()["loadhost-model"] {
        assert!(PURE.contains(&dependency.as_str()), "loadhost-model uses {dependency}");
    }
}

#[test]
fn unsafe_code_stands_in_audited_files_only() {
    let audited = [
        "host/engine/src/scenario/cache.rs",
        "guest-sdk/rust/src/bindings/scenario.rs",
        "guest-sdk/rust/src/bindings/shape.rs",
    ];
    let mut wrong = Vec::new();
    for folder in ["host", "guest-sdk", "scenarios"] {
        visit(&workspace_root().join(folder), &mut |file, text| {
            let place = file.strip_prefix(workspace_root()).unwrap().display().to_string();
            let speaks = text.contains("allow(unsafe_code)") || text.contains("unsafe {");
            if speaks && !audited.contains(&place.as_str()) {
                wrong.push(place);
            }
        });
    }
    assert!(wrong.is_empty(), "unsafe code outside of the audited files: {wrong:?}");
}

#[test]
fn lines_on_stderr_are_written_at_once() {
    let mut wrong = Vec::new();
    visit(&workspace_root().join("host/cli/src"), &mut |file, text| {
        if text.contains("eprintln!(") {
            wrong.push(file.display().to_string());
        }
    });
    assert!(wrong.is_empty(), "`eprintln!` writes in pieces, `say!` does not: {wrong:?}");
}

#[test]
fn durations_mean_the_same_to_macros_and_to_the_library() {
    let of = |part: &str| {
        let file = workspace_root().join("guest-sdk").join(part).join("src/duration.rs");
        std::fs::read_to_string(file).unwrap()
    };
    assert_eq!(of("rust"), of("macros"), "copy one to the other");
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
