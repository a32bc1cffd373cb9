//! `loadhost trace`: one user, each task once, every request printed.

use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};

pub(crate) fn trace<const COMMAND: u8>(_args: RunArgs<COMMAND>) -> Outcome {
    Err(Failure::new(ExitCode::Unexpected, "not yet"))
}
