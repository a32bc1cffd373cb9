//! Where a run's results go: the summary on the terminal, and files. Their forms are `loadhost_web::export`'s.

pub(crate) mod compare;
pub(crate) mod csv;
pub(crate) mod summary;

use std::io::Write;
use std::path::Path;

pub(crate) use loadhost_web::export::format;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Writes aside and renames, so that nobody ever reads half a file.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let aside = path.with_added_extension("part");
    std::fs::write(&aside, bytes)
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|error| unwritable(path, &error))
}

/// Refuses an output that cannot be written, before the run rather than after it.
pub(crate) fn probe(path: &Path) -> Result<(), Failure> {
    let aside = path.with_added_extension("part");
    std::fs::File::create(&aside)
        .and_then(|_| std::fs::remove_file(&aside))
        .map_err(|error| unwritable(path, &error))
}

pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::OutputUnwritable, format!("`{}` cannot be written", path.display()))
        .because(error)
}

/// A reader that went away, such as `head`, is no error.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
