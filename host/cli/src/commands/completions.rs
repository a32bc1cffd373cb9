//! `loadhost completions`: what a shell needs to complete commands and flags.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::print;

/// Prints the script for `shell`.
pub(crate) fn completions(shell: Shell) -> Outcome {
    print(&script(shell));
    Ok(ExitCode::Ok)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loadhost", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_of_commands_and_flags_and_of_nothing_hidden() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for word in ["drain", "this-master", "health-listen", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
