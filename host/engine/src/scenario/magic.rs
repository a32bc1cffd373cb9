//! What kind of file it is, by its first bytes.

use super::error::ScenarioError;

const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

const BUILD: &str =
    "build one with `loadhost build`, or `cargo build --release --target wasm32-wasip2`";
const RENAME: &str = "give the `.wasm` file that the build made, not its source";

/// Passes components, and names everything else.
pub(super) fn check(bytes: &[u8]) -> Result<(), ScenarioError> {
    if bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    let (found, remedy) = name(bytes);
    Err(ScenarioError::NotAComponent { found, remedy })
}

fn name(bytes: &[u8]) -> (&'static str, &'static str) {
    let begin = bytes.trim_ascii_start();
    match bytes {
        [] => ("an empty file", "build it again; the last build may have failed"),
        _ if bytes.starts_with(CORE_MODULE) => (
            "a core WebAssembly module",
            "build for `wasm32-wasip2`, which makes components, instead of `wasm32-unknown-unknown` or `wasm32-wasip1`",
        ),
        _ if bytes.starts_with(b"\0asm") => ("WebAssembly of an unknown version", BUILD),
        _ if wasmtime::Engine::detect_precompiled(bytes).is_some() => (
            "a precompiled wasmtime artefact (cwasm)",
            "give the `.wasm` file it was made of: machine code is never accepted",
        ),
        _ if bytes.starts_with(b"\x7fELF") => ("a native program (ELF)", BUILD),
        _ if bytes.starts_with(b"MZ") => ("a native program (Windows)", BUILD),
        _ if bytes.starts_with(b"\xcf\xfa\xed\xfe") => ("a native program (macOS)", BUILD),
        _ if bytes.starts_with(b"PK\x03\x04") => {
            ("a zip archive", "unpack it and give the `.wasm` file in it")
        }
        _ if bytes.starts_with(b"\x1f\x8b") => {
            ("a gzip archive", "unpack it and give the `.wasm` file in it")
        }
        _ if begin.starts_with(b"(component") || begin.starts_with(b"(module") => {
            ("WebAssembly text", "translate it with `wasm-tools parse`")
        }
        _ if std::str::from_utf8(&bytes[..bytes.len().min(1024)]).is_ok() => {
            ("a text file", RENAME)
        }
        _ => ("a file of an unknown kind", BUILD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_kinds_of_files_are_named() {
        let kinds: &[(&[u8], &str)] = &[
            (b"", "an empty file"),
            (b"fn main() {}", "a text file"),
            (b"\0asm\x01\0\0\0", "a core WebAssembly module"),
            (b"\0asm\x07\0\0\0", "WebAssembly of an unknown version"),
            (b"\x7fELF\x02\x01\x01\0", "a native program (ELF)"),
            (b"  (component)", "WebAssembly text"),
            (b"PK\x03\x04....", "a zip archive"),
            (b"\x80\x81\x82\x83", "a file of an unknown kind"),
        ];
        for (bytes, kind) in kinds {
            assert_eq!(name(bytes).0, *kind);
        }
        assert!(check(COMPONENT).is_ok());
    }
}
