//! `loadhost config`: which settings hold, and where each comes from.

use std::fmt::Write;

use super::Layers;
use crate::args::Settings;
use crate::config::{Effective, Item, OPTIONS, Opt};
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::format::fit;
use crate::output::print;

/// Prints them all; secrets are redacted.
pub(crate) fn config<const COMMAND: u8>(settings: Settings<COMMAND>) -> Outcome {
    let settings = Layers::read(settings)?.effective();
    print(&table(&settings));
    Ok(ExitCode::Ok)
}

fn table(settings: &Effective) -> String {
    let mut text = format!("{:<30} {:<34} {}\n", "key", "value", "from");
    for option in OPTIONS {
        let items = settings.items(option.key);
        if items.is_empty() {
            let _ = writeln!(text, "{:<30} {:<34}", option.key, "-");
        }
        for item in items {
            let key = item
                .name
                .as_ref()
                .map_or_else(|| option.key.to_string(), |name| format!("{}.{name}", option.key));
            let _ =
                writeln!(text, "{key:<30} {:<34} {}", fit(&shown(option, item), 34), item.origin);
        }
    }
    for (index, phase) in settings.phases.iter().enumerate() {
        for (key, item) in phase {
            let key = format!("phases.{}.{key}", index + 1);
            let _ = writeln!(text, "{key:<30} {:<34} {}", fit(&item.text, 34), item.origin);
        }
    }
    text
}

/// Which parameters are secret is known only with a scenario, so none is shown.
fn shown(option: &Opt, item: &Item) -> String {
    if option.secret || option.key == "params" { "***".to_string() } else { item.text.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::from_file;

    #[test]
    fn values_are_shown_with_their_origin_and_secrets_are_not() {
        let file = "users = 3\nbearer = 'hunter2'\n[params]\npassword = 'hunter3'\n";
        let text = table(&Effective::of([from_file("loadhost.toml".as_ref(), file).unwrap()]));
        let line = |key: &str| {
            text.lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        assert_eq!(line("users"), ["users", "3", "loadhost.toml:1"]);
        assert_eq!(line("timeout"), ["timeout", "30s", "default"]);
        assert_eq!(line("params.password"), ["params.password", "***", "loadhost.toml:4"]);
        assert!(!text.contains("hunter"));
    }
}
