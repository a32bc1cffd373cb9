//! Files that only their owner may read.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::unwritable;

/// Writes a secret and a line break to a new file; one that is there already is never written over.
pub(crate) fn write_new(path: &Path, secret: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            ExitCode::OutputUnwritable,
            format!("`{}` exists already and may be a key that is in use", path.display()),
        )
        .hint("give another name, or remove it"),
        _ => unwritable(path, &error),
    })?;
    writeln!(file, "{secret}").map_err(|error| unwritable(path, &error))
}

/// The secret in `path`; where there is none yet, `make` makes one and it is written.
pub(crate) fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<String, Failure>,
) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = make()?;
            write_new(path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(Failure::new(
            ExitCode::Configuration,
            format!("`{}` cannot be read", path.display()),
        )
        .because(&error)
        .hint("check its permissions, or remove it and make a new one")),
    }
}
