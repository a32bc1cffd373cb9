//! What a request may hold: the table that the form is made from.

use loadhost_web::workbench::{Setting, SettingKind};

use crate::config::{Effective, OPTIONS, Opt, Shape, by_key};

/// Keys that who asks for a run must give: the master's own values do not hold for runs.
const OF_THE_ASKER: [&str; 5] = ["params", "data", "headers", "basic-auth", "bearer"];

/// The other keys of a request. A new option is not in it before somebody puts it there.
const REQUESTABLE: [&str; 41] = [
    "host",
    "tags",
    "exclude-tags",
    "tasks",
    "user-types",
    "seed",
    "users",
    "spawn-rate",
    "stages",
    "rate",
    "rate-stages",
    "poisson",
    "max-users",
    "preallocate",
    "max-lag",
    "iterations",
    "per-user",
    "run-time",
    "warm-up",
    "graceful-stop",
    "max-rps",
    "timeout",
    "connect-timeout",
    "first-byte-timeout",
    "max-redirects",
    "no-keep-alive",
    "user-agent",
    "insecure",
    "resolve",
    "dns-ttl",
    "allow-hosts",
    "limits",
    "thresholds",
    "abort-after",
    "expect-workers",
    "placement",
    "distribution",
    "rebalance-interval",
    "on-worker-lost",
    "max-retries",
    "max-wait",
];

/// Whether a request may hold this key. `phases` is none of the options.
pub(crate) fn requestable(key: &str) -> bool {
    REQUESTABLE.contains(&key) || of_the_asker(key)
}

/// Whether only who asks for a run may give it.
pub(super) fn of_the_asker(key: &str) -> bool {
    OF_THE_ASKER.contains(&key)
}

/// Whether the master's own value holds for runs that give none.
pub(super) fn inherited(key: &str) -> bool {
    REQUESTABLE.contains(&key) || key == "ca"
}

/// The table, with what holds for this master as defaults.
pub(super) fn settings(own: &Effective) -> Vec<Setting> {
    let options = OPTIONS.iter().filter(|option| requestable(option.key));
    let mut table: Vec<_> = options.map(|option| setting(option, own)).collect();
    table.push(Setting {
        key: "phases",
        flag: "",
        group: by_key("users").map_or("", |option| option.group),
        kind: SettingKind::Tables,
        choices: Vec::new(),
        placeholder: "",
        default: None,
        help: "Several loads at once, each a table with keys such as `name`, `start`, `user-types`, `users` or `rate`",
        secret: false,
        proposable: false,
    });
    table
}

fn setting(option: &'static Opt, own: &Effective) -> Setting {
    let texts = own.items(option.key).iter().map(|item| match &item.name {
        Some(name) => format!("{name}={}", item.text),
        None => item.text.clone(),
    });
    let texts: Vec<_> = texts.collect();
    Setting {
        key: option.key,
        flag: option.flag,
        group: option.group,
        kind: kind(option),
        choices: choices(option.key),
        placeholder: option.value,
        default: (!texts.is_empty()).then(|| texts.join(",")),
        help: option.help,
        secret: option.secret,
        proposable: option.proposable,
    }
}

/// What values of the option look like.
pub(super) fn kind(option: &Opt) -> SettingKind {
    match (option.shape, option.value) {
        (Shape::Switch, _) => SettingKind::Switch,
        (Shape::Many(_), _) => SettingKind::List,
        (Shape::Map, _) => SettingKind::Map,
        (Shape::One, _) if !choices(option.key).is_empty() => SettingKind::Choice,
        (Shape::One, _) if ["spawn-rate", "max-rps"].contains(&option.key) => SettingKind::Rate,
        (Shape::One, "N" | "NUMBER") => SettingKind::Integer,
        (Shape::One, "DURATION") => SettingKind::Duration,
        (Shape::One, "RATE") => SettingKind::Rate,
        (Shape::One, "STAGES") => SettingKind::Stages,
        (Shape::One, _) => SettingKind::Text,
    }
}

fn choices(key: &str) -> Vec<&'static str> {
    match key {
        "distribution" => vec!["round-robin", "least-loaded", "weighted"],
        "on-worker-lost" => vec!["rebalance", "continue", "abort"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Commands;

    /// What a run could be given on the command line, and is not given over the API.
    const CLOSED: [&str; 17] = [
        "scenario",
        "ca",
        "cert",
        "key",
        "json",
        "csv",
        "csv-full-history",
        "junit",
        "compare",
        "fail-on-regression",
        "quiet",
        "html",
        "listen",
        "cache-dir",
        "shards",
        "allow-private",
        "prepare-timeout",
    ];

    #[test]
    fn each_option_of_a_run_is_either_open_to_requests_or_closed_on_purpose() {
        let of_runs = OPTIONS.iter().filter(|option| option.commands.has(Commands::RUN));
        for option in of_runs.filter(|option| option.group != "Program") {
            let closed = CLOSED.contains(&option.key) || option.group.starts_with("Health");
            assert_ne!(requestable(option.key), closed, "`{}` is open xor closed", option.key);
        }
        for key in REQUESTABLE.iter().chain(&OF_THE_ASKER) {
            let option = by_key(key).unwrap();
            assert!(option.value != "FILE" && option.value != "FOLDER", "{key} names a file here");
        }
    }

    #[test]
    fn choices_are_those_that_a_plan_knows() {
        use loadhost_model::plan::{Distribution, LossPolicy};
        for word in choices("distribution") {
            word.parse::<Distribution>().unwrap();
        }
        for word in choices("on-worker-lost") {
            word.parse::<LossPolicy>().unwrap();
        }
    }
}
