//! Imports and exports against the contract, version first: the linker's own refusal never
//! names it.

use super::error::ScenarioError;

/// The contract that this program speaks: all versions of this track are compatible.
pub const TRACK: &str = "0.1";

const PACKAGE: &str = "loadhost:scenario/";
const PROVIDED: &[&str] = &["types", "http", "metrics", "log", "data", "time"];
const GUEST: &str = "guest";
const LOAD_SHAPE: &str = "load-shape";

/// WASI 0.2 interfaces that are linked; none of them gives files, sockets or the environment.
const WASI: &[&str] = &[
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

#[derive(Debug, PartialEq)]
pub(super) struct Contract {
    pub(super) version: String,
    pub(super) imports: Vec<String>,
    pub(super) wasi: Vec<String>,
    pub(super) has_load_shape: bool,
}

pub(super) fn check(imports: &[String], exports: &[String]) -> Result<Contract, ScenarioError> {
    let version = version(imports, exports)?;
    let ours = |name: &str| exports.iter().any(|export| interface(export) == Some(name));
    if !ours(GUEST) {
        return Err(ScenarioError::ForeignWorld {
            missing: format!("`{PACKAGE}{GUEST}@{TRACK}.0`"),
            exports: exports.to_vec(),
        });
    }
    let unknown: Vec<String> = imports.iter().filter(|name| !is_provided(name)).cloned().collect();
    if !unknown.is_empty() {
        return Err(ScenarioError::UnknownImports { imports: unknown, ours: TRACK });
    }
    let (wasi, imports) = imports.iter().cloned().partition(|name| name.starts_with("wasi:"));
    Ok(Contract { version, imports, wasi, has_load_shape: ours(LOAD_SHAPE) })
}

/// The version of our package among the names, if it is of our track.
fn version(imports: &[String], exports: &[String]) -> Result<String, ScenarioError> {
    let versions = || {
        imports
            .iter()
            .chain(exports)
            .filter(|name| name.starts_with(PACKAGE))
            .filter_map(|name| split(name).1)
    };
    for found in versions() {
        match track(found).cmp(&track(TRACK)) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                return Err(ScenarioError::NewerContract { found: found.to_string(), ours: TRACK });
            }
            std::cmp::Ordering::Less => {
                return Err(ScenarioError::OlderContract { found: found.to_string(), ours: TRACK });
            }
        }
    }
    Ok(versions().max_by_key(|found| numbers(found)).unwrap_or_default().to_string())
}

fn is_provided(name: &str) -> bool {
    if let Some(interface) = interface(name) {
        return PROVIDED.contains(&interface);
    }
    let (path, version) = split(name);
    let Some(path) = path.strip_prefix("wasi:") else { return false };
    WASI.contains(&path) && version.is_some_and(|version| track(version) == (0, 2))
}

/// `http` of `loadhost:scenario/http@0.1.0`.
fn interface(name: &str) -> Option<&str> {
    split(name).0.strip_prefix(PACKAGE)
}

fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('@').map_or((name, None), |(path, version)| (path, Some(version)))
}

/// Versions are compatible if these are equal: the major number, or the minor one below 1.0.
fn track(version: &str) -> (u64, u64) {
    match numbers(version) {
        [0, minor, _] => (0, minor),
        [major, ..] => (major, 0),
    }
}

fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check_names(imports: &[&str], exports: &[&str]) -> Result<Contract, ScenarioError> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        check(&owned(imports), &owned(exports))
    }

    #[test]
    fn a_scenario_with_a_load_shape_passes() {
        let contract = check_names(
            &["loadhost:scenario/http@0.1.0", "wasi:io/streams@0.2.6"],
            &["loadhost:scenario/guest@0.1.2", "loadhost:scenario/load-shape@0.1.0"],
        )
        .unwrap();
        assert_eq!(contract.version, "0.1.2");
        assert!(contract.has_load_shape);
        assert_eq!(contract.wasi, ["wasi:io/streams@0.2.6"]);
        assert_eq!(contract.imports, ["loadhost:scenario/http@0.1.0"]);
    }

    #[test]
    fn a_newer_contract_is_named_before_anything_else() {
        let error =
            check_names(&["loadhost:scenario/websocket@0.2.0"], &["loadhost:scenario/guest@0.2.0"]);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("newer contract `loadhost:scenario@0.2.0`, this loadhost speaks 0.1"),
            "{text}"
        );
        let error = check_names(&[], &["loadhost:scenario/guest@1.0.0"]);
        assert_eq!(error.unwrap_err().code(), "newer-contract");
        let error = check_names(&[], &["loadhost:scenario/guest@0.0.9"]);
        assert_eq!(error.unwrap_err().code(), "older-contract");
    }

    #[test]
    fn a_component_of_another_world_says_what_it_lacks_and_has() {
        let error = check_names(&["wasi:http/types@0.2.0"], &["wasi:http/incoming-handler@0.2.0"])
            .unwrap_err();
        assert_eq!(error.code(), "foreign-world");
        let text = error.to_string();
        assert!(text.contains("does not export `loadhost:scenario/guest@0.1.0`, but `wasi:http/incoming-handler@0.2.0`"), "{text}");
    }

    #[test]
    fn imports_that_nobody_gives_are_listed() {
        let error = check_names(
            &[
                "wasi:nn/graph@0.2.0",
                "wasi:clocks/wall-clock@0.3.0",
                "loadhost:scenario/grpc@0.1.9",
                "env",
            ],
            &["loadhost:scenario/guest@0.1.0"],
        )
        .unwrap_err();
        let ScenarioError::UnknownImports { imports, .. } = error else { panic!("{error}") };
        assert_eq!(imports.len(), 4);
    }
}
