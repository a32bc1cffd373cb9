//! The contract does not change by accident.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

const FILES: [&str; 3] = ["guest.wit", "host.wit", "types.wit"];

/// From where tests run: the package's own folder.
fn root() -> PathBuf {
    PathBuf::from("../..")
}

/// The version in `package loadhost:scenario@…;`.
fn version(types: &str) -> String {
    let line =
        types.lines().find_map(|line| line.strip_prefix("package loadhost:scenario@")).unwrap();
    line.trim_end_matches(';').to_string()
}

#[test]
fn the_contract_is_the_frozen_one() {
    let wit = root().join("wit");
    let frozen =
        wit.join("frozen").join(version(&fs::read_to_string(wit.join("types.wit")).unwrap()));
    for file in FILES {
        let (now, then) =
            (fs::read_to_string(wit.join(file)), fs::read_to_string(frozen.join(file)));
        assert!(
            now.unwrap() == then.unwrap(),
            "wit/{file} differs from {}.\n\
             Records, enums and variants are ABI: guests in the field have them compiled in. Add functions\n\
             and interfaces instead, or make a new version; wit/README.md says how. If it is an addition,\n\
             copy the file to the frozen folder in the same change.",
            frozen.join(file).display()
        );
    }
}

#[test]
fn the_sdk_carries_the_contract() {
    let own = Path::new("wit");
    let mut names: Vec<_> =
        fs::read_dir(own).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, FILES);
    for file in FILES {
        let (own, wit) = (fs::read(own.join(file)), fs::read(root().join("wit").join(file)));
        assert!(
            own.unwrap() == wit.unwrap(),
            "guest-sdk/rust/wit/{file} is a link to wit/{file}, or a copy"
        );
    }
}

#[test]
fn the_bindings_are_those_of_the_contract() {
    let own = Path::new(".");
    let files = FILES.map(|file| fs::read(own.join("wit").join(file)).unwrap());
    // FNV-1a, as guest-sdk/bindgen writes it into the first line.
    let stamp = files.iter().flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for world in ["scenario", "shape"] {
        let bindings = fs::read_to_string(own.join(format!("src/bindings/{world}.rs"))).unwrap();
        assert!(
            bindings.lines().next().unwrap().contains(&format!("({stamp:016x})")),
            "src/bindings/{world}.rs is older than wit/: cargo run --manifest-path guest-sdk/bindgen/Cargo.toml"
        );
    }
}
