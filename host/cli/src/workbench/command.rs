//! A run as a line for a POSIX shell: what was asked for, not what the scenario proposes or what holds anyway.

use std::fmt::Write as _;

use loadhost_model::plan::RunPlan;
use loadhost_web::workbench::Wanted;

use super::{is_secret, table};
use crate::config::{Effective, Item, OPTIONS, Opt, Origin, PhaseItems, Shape};

/// `loadhost start FILE …`. Secrets are variables of the shell; phases, which have no flags, come as a file on
/// the standard input.
pub(super) fn line(wanted: &Wanted<'_>, settings: &Effective, plan: &RunPlan) -> String {
    let file = match wanted.scenario_file.starts_with('-') {
        true => format!("./{}", wanted.scenario_file),
        false => wanted.scenario_file.to_string(),
    };
    let mut line = format!("loadhost start {}", quoted(&file));
    for option in OPTIONS.iter().filter(|option| table::requestable(option.key)) {
        let given = settings.items(option.key).iter();
        for item in given.filter(|item| !matches!(item.origin, Origin::Default | Origin::Scenario))
        {
            // Writing to a string cannot fail.
            let _ = write!(line, " {}", flag(option, item, &plan.secret_params));
        }
    }
    let has = |key: &str| settings.item(key).is_some();
    if has("iterations") && !has("users") {
        // Else those that the scenario proposes would hold, which a setting of the master had made meaningless.
        line.push_str(" --users 1");
    }
    if settings.phases.is_empty() {
        return line;
    }
    let tables: String = settings.phases.iter().map(phase_table).collect();
    format!("printf %s {} | {line} --config /dev/stdin", quoted(&tables))
}

fn flag(option: &Opt, item: &Item, secret_params: &[String]) -> String {
    let flag = option.flag;
    let value = match is_secret(option, item.name.as_deref(), secret_params) {
        true => format!("\"{}\"", secret(option, item)),
        false => quoted(&item.text),
    };
    match (option.shape, &item.name) {
        (Shape::Switch, _) if item.text == "true" => format!("--{flag}"),
        (Shape::Switch, _) => format!("--{flag}={value}"),
        (_, Some(name)) => format!("--{flag} {}={value}", quoted(name)),
        (_, None) => format!("--{flag} {value}"),
    }
}

/// Within double quotes.
fn secret(option: &Opt, item: &Item) -> String {
    if option.key == "headers" {
        let name = item.text.split(':').next().unwrap_or_default().trim();
        if is_plain(name) {
            return format!("{name}: ${}", variable(name));
        }
    }
    format!("${}", variable(item.name.as_deref().unwrap_or(option.key)))
}

/// `$PASSWORD` of `password`.
fn variable(name: &str) -> String {
    let upper =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let upper: String = upper.collect();
    if upper.starts_with(|c: char| c.is_ascii_digit()) { format!("_{upper}") } else { upper }
}

/// As one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_string() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,%@+=".contains(c);
    !text.is_empty() && text.chars().all(plain) && !text.starts_with('=')
}

/// As TOML.
fn phase_table(items: &PhaseItems) -> String {
    let mut table = String::from("[[phases]]\n");
    for (key, item) in items {
        let _ = writeln!(table, "{key} = {}", toml::Value::String(item.text.clone()));
    }
    table
}
