//! A scenario's file: read, checked and compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loadhost_engine::scenario::{self, Cache, Compiling, Scenario, ScenarioError, StructureCaps};

use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};

/// Compiled scenarios kept on disk, at most.
const CACHE_BYTES: u64 = 1 << 30;

/// Reads, compiles and asks the scenario what it contains. Blocks for up to seconds.
pub(crate) fn load(path: &Path, compiling: Compiling) -> Result<Arc<Scenario>, Failure> {
    let bytes = read(path)?;
    let scenario = Scenario::load(&bytes, &StructureCaps::default(), compiling);
    scenario.map(Arc::new).map_err(|error| refused(path, code_of(error.code()), &error))
}

/// The bytes of a file that may be anything.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cap = StructureCaps::default().file_bytes;
    let unreadable = |error: &std::io::Error| {
        Failure::new(
            ExitCode::ScenarioUnreadable,
            format!("the scenario `{}` cannot be read", path.display()),
        )
        .because(error)
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > cap {
        let error = ScenarioError::TooLarge { size, cap };
        return Err(refused(path, ExitCode::FaultyScenario, &error));
    }
    std::fs::read(path).map_err(|error| unreadable(&error))
}

fn refused(path: &Path, code: ExitCode, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(code, format!("`{}` cannot be run as a scenario", path.display())).because(error)
}

/// By [`ScenarioError::code`].
pub(crate) fn code_of(code: &str) -> ExitCode {
    match code {
        "not-a-component" => ExitCode::NotAComponent,
        "foreign-world" | "unknown-imports" => ExitCode::ForeignWorld,
        "newer-contract" | "older-contract" => ExitCode::OtherContract,
        "engine" => ExitCode::Unexpected,
        _ => ExitCode::FaultyScenario,
    }
}

/// Compiles in children of this program, and keeps what they compiled.
pub(crate) fn compiling(settings: &Effective) -> Compiling {
    Compiling::from(cache(settings)).apart(["compile-inside"])
}

/// The child's half.
pub(crate) fn compile_inside(recipe: &str) -> Outcome {
    scenario::compile_inside(recipe).map(|()| ExitCode::Ok).map_err(|error| {
        Failure::new(ExitCode::Unexpected, "the scenario cannot be compiled here").because(&error)
    })
}

/// Where compiled scenarios are kept. Without it they are compiled anew each time, which is no
/// reason not to run.
fn cache(settings: &Effective) -> Option<Arc<Cache>> {
    let folder = settings
        .path("cache-dir")
        .or_else(|| Some(user_folder("XDG_CACHE_HOME", ".cache")?.join("compiled")))?;
    if let Some(parent) = folder.parent() {
        let _ = std::fs::create_dir_all(parent);
    }
    match Cache::open(&folder, CACHE_BYTES) {
        Ok(cache) => Some(Arc::new(cache)),
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "compiled scenarios are not kept");
            None
        }
    }
}

/// `$XDG_…/loadhost`, or below the home folder.
pub(crate) fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below_home)))?;
    Some(base.join("loadhost"))
}
