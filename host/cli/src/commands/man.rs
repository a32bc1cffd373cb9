//! `loadhost man`: a manual page for each command, for packages.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::{print, unwritable};

const MANUAL: &str = "loadhost";

/// Writes `loadhost.1`, `loadhost-run.1`, … into `folder`, which is made if it is not there.
pub(crate) fn man(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let mut program = Cli::command();
    program.build();
    let mut written = 0;
    for (name, page) in pages(&program, "").map_err(|error| unwritable(folder, &error))? {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).map_err(|error| unwritable(&path, &error))?;
        written += 1;
    }
    print(&format!("{written} pages in {}\n", folder.display()));
    Ok(ExitCode::Ok)
}

/// Names and pages of a command and of those below it, but for what is hidden.
fn pages(command: &Command, above: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let name = match above {
        "" => command.get_name().to_string(),
        above => format!("{above}-{}", command.get_name()),
    };
    let mut all = vec![(name.clone(), page(command, &name)?)];
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        all.extend(pages(below, &name)?);
    }
    Ok(all)
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let whole = command.clone().display_name(name.to_string());
    let man = Man::new(whole).title(name).manual(MANUAL).source(format!("loadhost {version}"));
    let mut page = Vec::new();
    man.render(&mut page)?;
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for code in ExitCode::ALL {
        writeln!(page, ".TP\n{}\n{}", code.number(), sentence(*code))?;
    }
    writeln!(page, ".SH \"SEE ALSO\"")?;
    let others = ["loadhost", "loadhost-run", "loadhost-master", "loadhost-worker"];
    let others = others.iter().filter(|other| **other != name);
    let others: Vec<_> = others.map(|other| format!("{}(1)", escaped(other))).collect();
    writeln!(page, "{}", others.join(", "))?;
    Ok(page)
}

fn sentence(code: ExitCode) -> String {
    escaped(&match code.remedy() {
        "" => code.meaning().to_string(),
        remedy => format!("{}: {remedy}", code.meaning()),
    })
}

/// As text of a manual page: no control line, no escape, and dashes that can be copied.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_command_has_a_page_and_what_is_hidden_has_none() {
        let mut program = Cli::command();
        program.build();
        let all = pages(&program, "").unwrap();
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["loadhost", "loadhost-run", "loadhost-drain", "loadhost-cluster-status"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.ends_with("-inside")), "{names:?}");
        let (_, worker) = all.iter().find(|(name, _)| name == "loadhost-worker").unwrap();
        let worker = String::from_utf8_lossy(worker);
        for word in ["health\\-listen", "LOADHOST_WORKER_HEALTH_LISTEN", "EXIT STATUS", "\n113\n"] {
            assert!(worker.contains(word), "{word}: {worker}");
        }
    }

    #[test]
    fn text_that_looks_like_a_request_is_text() {
        assert_eq!(escaped(".so a-b \\x"), "\\&.so a\\-b \\ex");
    }
}
