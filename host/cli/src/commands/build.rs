//! `loadhost build`: cargo for the scenario's target, in words that help when it cannot.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::new::krate;
use crate::args::BuildArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::{format, unwritable};
use crate::sdk;

const TARGET: &str = "wasm32-wasip2";

/// Builds the project and puts the component beside its manifest.
pub(crate) fn build(args: BuildArgs) -> Outcome {
    let project = Project::read(&args.path)?;
    let sdk = sdk::install()?;
    ensure_target()?;
    let target_dir = target_dir(&project, &sdk)?;
    cargo_build(&project, &sdk, args.debug)?;
    let profile = if args.debug { "debug" } else { "release" };
    let built =
        target_dir.join(TARGET).join(profile).join(format!("{}.wasm", krate(&project.name)));
    let output = args
        .output
        .unwrap_or_else(|| project.folder.join(format!("{}.wasm", krate(&project.name))));
    let size = std::fs::copy(&built, &output).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(ExitCode::BuildFailed, format!("cargo made no `{}`", built.display()))
                .hint("the project needs `crate-type = [\"cdylib\"]` in its [lib]")
        }
        _ => unwritable(&output, &error),
    })?;
    println!(
        "{} · {}\n  loadhost check {}",
        output.display(),
        format::bytes(size),
        output.display()
    );
    Ok(ExitCode::Ok)
}

struct Project {
    folder: PathBuf,
    name: String,
}

impl Project {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let manifest = folder.join("Cargo.toml");
        let refuse = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(
                ExitCode::BuildFailed,
                format!("`{}` is no project of a scenario", folder.display()),
            )
            .because(error)
            .hint("go to the project's folder, or make one with `loadhost new NAME`")
        };
        let text = std::fs::read_to_string(&manifest).map_err(|error| refuse(&error))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| refuse(&error))?;
        let field = |table: &str, key: &str, all: &toml::Table| {
            all.get(table)
                .and_then(|table| table.get(key))
                .and_then(|value| value.as_str())
                .map(str::to_string)
        };
        let name = field("lib", "name", &table).or_else(|| field("package", "name", &table));
        let name = name.ok_or_else(|| {
            refuse(&std::io::Error::other("Cargo.toml has no [package] with a name"))
        })?;
        Ok(Self { folder: folder.to_path_buf(), name })
    }

    fn cargo(&self, sdk: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        let patch = toml::Value::String(sdk.display().to_string());
        command
            .args(arguments)
            .arg("--config")
            .arg(format!("patch.crates-io.loadhost-sdk.path={patch}"));
        // A clone of the project has no `.cargo/config.toml` of ours, and needs none.
        command.current_dir(&self.folder);
        command
    }
}

/// rustc knows where the target's standard library would be; whether it is there decides.
fn ensure_target() -> Result<(), Failure> {
    let printed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let printed = printed.map_err(|error| no_rust(&error))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim());
    let has_std = std::fs::read_dir(&folder).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
    });
    if printed.status.success() && has_std {
        return Ok(());
    }
    Err(Failure::new(ExitCode::ToolMissing, format!("the Rust target {TARGET} is not installed"))
        .hint(format!("rustup target add {TARGET}\nwithout rustup: scripts/wasm-target.sh in loadhost's repository")))
}

fn no_rust(error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::ToolMissing, "cargo and rustc are not installed")
        .because(error)
        .hint("install Rust from https://rustup.rs, then: rustup target add wasm32-wasip2")
}

fn target_dir(project: &Project, sdk: &Path) -> Result<PathBuf, Failure> {
    let asked = project
        .cargo(sdk, &["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output();
    let asked = asked.map_err(|error| no_rust(&error))?;
    let metadata: Option<serde_json::Value> = serde_json::from_slice(&asked.stdout).ok();
    let folder = metadata.as_ref().and_then(|metadata| metadata["target_directory"].as_str());
    folder
        .map(PathBuf::from)
        .ok_or_else(|| Failure::new(ExitCode::BuildFailed, "cargo does not understand the project"))
}

fn cargo_build(project: &Project, sdk: &Path, debug: bool) -> Result<(), Failure> {
    let mut arguments = vec!["build", "--target", TARGET];
    if !debug {
        arguments.push("--release");
    }
    let status = project.cargo(sdk, &arguments).status().map_err(|error| no_rust(&error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(
        ExitCode::BuildFailed,
        format!("`{}` does not build", project.folder.display()),
    ))
}
