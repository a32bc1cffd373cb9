//! `loadhost new NAME`: a project that compiles.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use crate::args::NewArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::unwritable;
use crate::sdk;

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/template");

/// Writes the project and says what to do with it.
pub(crate) fn new(args: NewArgs) -> Outcome {
    let name = name(&args.path)?;
    if args.path.exists() {
        return Err(Failure::new(
            ExitCode::OutputUnwritable,
            format!("`{}` exists already", args.path.display()),
        )
        .hint("choose another name, or remove it"));
    }
    let sdk = sdk::install()?;
    let places = Places { name: &name, sdk: &sdk };
    write(&TEMPLATE, &args.path, &places)?;
    let (folder, krate) = (args.path.display(), krate(&name));
    println!(
        "made {folder}\n\n  cd {folder}\n  loadhost build                    # {krate}.wasm\n  \
         loadhost demo-shop &              # something to load, on http://127.0.0.1:8000\n  \
         loadhost trace {krate}.wasm       # one user, each request printed\n  \
         loadhost run {krate}.wasm"
    );
    Ok(ExitCode::Ok)
}

/// What cargo takes as the name of a package.
fn name(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits {
        return Ok(name.to_string());
    }
    Err(Failure::new(ExitCode::Configuration, format!("`{name}` is no name for a project"))
        .hint("use letters, digits, `-` and `_`, beginning with a letter"))
}

/// The name of the library and of its component.
pub(super) fn krate(name: &str) -> String {
    name.replace('-', "_")
}

struct Places<'a> {
    name: &'a str,
    sdk: &'a Path,
}

impl Places<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace("{{name}}", self.name)
            .replace("{{crate}}", &krate(self.name))
            .replace("{{version}}", sdk::VERSION)
            .replace("{{sdk}}", &self.sdk.display().to_string())
    }
}

fn write(folder: &Dir<'_>, to: &Path, places: &Places<'_>) -> Result<(), Failure> {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => write(folder, to, places)?,
            DirEntry::File(file) => {
                let path = to.join(real_name(file.path()));
                let text = places.fill(&String::from_utf8_lossy(file.contents()));
                let parent = path.parent().unwrap_or(to);
                std::fs::create_dir_all(parent)
                    .and_then(|()| std::fs::write(&path, text))
                    .map_err(|error| unwritable(&path, &error))?;
            }
        }
    }
    Ok(())
}

/// `dot-cargo/config.toml.in` stands for `.cargo/config.toml`, so that tools leave the template alone.
fn real_name(path: &Path) -> PathBuf {
    let parts = path.components().map(|part| {
        let part = part.as_os_str().to_string_lossy();
        let part =
            part.strip_prefix("dot-").map_or_else(|| part.to_string(), |rest| format!(".{rest}"));
        part.strip_suffix(".in").map(str::to_string).unwrap_or(part)
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_project_has_at_most_six_files_and_no_place_left_open() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("my-shop");
        let places = Places { name: "my-shop", sdk: Path::new("/data/sdk") };
        write(&TEMPLATE, &project, &places).unwrap();
        let mut files = Vec::new();
        let mut folders = vec![project.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        assert!(files.len() <= 6, "{files:?}");
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(
                !text.contains("{{name}}")
                    && !text.contains("{{crate}}")
                    && !text.contains("{{sdk}}"),
                "{file:?}"
            );
        }
        assert!(project.join("Cargo.toml").exists() && project.join("src/lib.rs").exists());
        assert!(
            std::fs::read_to_string(project.join("Cargo.toml"))
                .unwrap()
                .contains("name = \"my-shop\"")
        );
    }

    #[test]
    fn names_are_those_of_packages() {
        assert_eq!(name(Path::new("/tmp/my-shop")).unwrap(), "my-shop");
        assert_eq!(krate("my-shop"), "my_shop");
        for wrong in ["1shop", "my shop", "..", "läden"] {
            assert_eq!(
                name(Path::new(wrong)).unwrap_err().code,
                ExitCode::Configuration,
                "{wrong}"
            );
        }
    }
}
