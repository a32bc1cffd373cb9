//! `loadhost key`: keys that sign scenarios, for workers that run nothing else.

use std::path::Path;

use loadhost_cluster::trust::SigningKey;

use super::secret_file;
use crate::args::KeyCommand;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;

/// Makes a key, or shows the public half of one.
pub(crate) fn key(command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::New { file } => {
            let key = SigningKey::generate();
            let seed = key.seed().map_err(|error| {
                Failure::new(ExitCode::Unexpected, "the key has no seed").because(&error)
            })?;
            secret_file::write_new(&file, &seed)?;
            print(&format!(
                "made {file}\npublic key: {public}\n\n  \
                 loadhost master --sign {file} …      # signs the scenarios it stores\n  \
                 loadhost worker --trust {public} …   # runs nothing that this key did not sign\n",
                file = file.display(),
                public = key.public(),
            ));
        }
        KeyCommand::Show { file } => print(&format!("{}\n", read(&file)?.public())),
    }
    Ok(ExitCode::Ok)
}

/// The key in a file that `key new` made.
pub(crate) fn read(file: &Path) -> Result<SigningKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            ExitCode::Configuration,
            format!("the key `{}` cannot be read", file.display()),
        )
        .because(&error)
        .hint("make one with `loadhost key new FILE`")
    })?;
    SigningKey::from_seed(&text).map_err(|error| {
        Failure::new(ExitCode::Configuration, format!("`{}` holds no key", file.display()))
            .because(&error)
            .hint("make one with `loadhost key new FILE`")
    })
}
