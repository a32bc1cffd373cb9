//! The Rust SDK, carried in this program and written out for authors.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};
use sha2::{Digest, Sha256};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::unwritable;
use crate::scenario_file::user_folder;

/// Of the SDK, which has the version of the program that carries it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/rust");
static MACROS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/macros");

/// Beside the folders: the digest of all that they should hold.
const MARK: &str = "digest";

/// Writes the SDK into the user's data folder, unless it is there; the folder of its main crate.
pub(crate) fn install() -> Result<PathBuf, Failure> {
    let data = user_folder("XDG_DATA_HOME", ".local/share").ok_or_else(|| {
        Failure::new(ExitCode::Configuration, "there is no folder to write the SDK to")
            .hint("set HOME or XDG_DATA_HOME")
    })?;
    install_below(&data)
}

fn install_below(data: &Path) -> Result<PathBuf, Failure> {
    let folder = data.join("sdk").join(VERSION);
    let digest = digest();
    let is_current = || std::fs::read_to_string(folder.join(MARK)).is_ok_and(|mark| mark == digest);
    if !is_current() {
        let aside = data.join("sdk").join(format!("{VERSION}.{}", std::process::id()));
        let written = write_all(&aside, &digest);
        let moved = written.and_then(|()| {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::rename(&aside, &folder)
        });
        if let Err(error) = moved {
            let _ = std::fs::remove_dir_all(&aside);
            // Another process may have been quicker.
            if !is_current() {
                return Err(unwritable(&folder, &error));
            }
        }
    }
    Ok(folder.join("rust"))
}

fn write_all(to: &Path, digest: &str) -> std::io::Result<()> {
    for (name, folder) in crates() {
        for (path, bytes) in files(folder) {
            let path = to.join(name).join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(to))?;
            std::fs::write(path, bytes)?;
        }
    }
    std::fs::write(to.join(MARK), digest)
}

fn crates() -> [(&'static str, &'static Dir<'static>); 2] {
    [("rust", &RUST), ("macros", &MACROS)]
}

/// All but tests, which need more than authors have.
fn files(folder: &'static Dir<'static>) -> Vec<(&'static Path, &'static [u8])> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in folder.entries() {
            match entry {
                DirEntry::Dir(inner) if !inner.path().starts_with("tests") => folders.push(inner),
                DirEntry::Dir(_) => {}
                DirEntry::File(file) => files.push((file.path(), file.contents())),
            }
        }
    }
    files.sort();
    files
}

fn digest() -> String {
    let mut hash = Sha256::new();
    for (name, folder) in crates() {
        for (path, bytes) in files(folder) {
            hash.update(name);
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sdk_is_written_whole_and_renewed_when_it_was_changed() {
        let data = tempfile::tempdir().unwrap();
        let main = install_below(data.path()).unwrap();
        for file in ["Cargo.toml", "src/lib.rs", "wit/types.wit", "../macros/Cargo.toml"] {
            let metadata = std::fs::symlink_metadata(main.join(file)).unwrap();
            assert!(metadata.is_file() && metadata.len() > 0, "{file}");
        }
        assert!(!main.join("tests").exists());
        std::fs::write(main.join("src/lib.rs"), "changed").unwrap();
        std::fs::write(main.join("../digest"), "of another version").unwrap();
        install_below(data.path()).unwrap();
        assert_ne!(std::fs::read_to_string(main.join("src/lib.rs")).unwrap(), "changed");
    }
}
