//! A component in words.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use loadhost_engine::scenario::{CheckReport, Inspection};
use loadhost_model::description::{Description, Order, Parameter, Task, UserType, WaitTime};
use loadhost_model::text::format_duration;

use crate::output::format::{bytes, grouped};

macro_rules! line {
    // Writing to a string cannot fail.
    ($text:expr, $($arg:tt)*) => { let _ = writeln!($text, $($arg)*); };
}

/// All that is known; faults are told by the error that follows.
pub(super) fn report(file: &Path, report: &CheckReport) -> String {
    let mut text = String::new();
    let name = report.description.as_ref().map(|description| {
        let version =
            description.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{}{version} · ", description.name)
    });
    line!(text, "{}{}", name.unwrap_or_default(), file.display());
    if let Some(inspection) = &report.inspection {
        contents(&mut text, inspection);
    }
    if let Some(description) = &report.description {
        wants(&mut text, description);
        line!(text, "it can be run");
    }
    text
}

fn contents(text: &mut String, inspection: &Inspection) {
    line!(text, "  sha256      {}", inspection.digest);
    line!(
        text,
        "  size        {}, {} functions, {} of debug information",
        bytes(inspection.size),
        grouped(inspection.functions),
        bytes(inspection.debug_bytes)
    );
    line!(text, "  contract    loadhost:scenario@{}", inspection.contract);
    line!(text, "  made by     {}", list(inspection.producers.iter().map(producer)));
    let interface = |name: &String| short(name).to_string();
    line!(text, "  imports     {}", list(inspection.imports.iter().map(interface)));
    line!(text, "  of WASI     {}", wasi(&inspection.wasi));
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "nothing".to_string() } else { names.join(", ") }
}

/// `rustc 1.95.0`, without commit and origin.
fn producer((name, version): &(String, String)) -> String {
    let version = version.split(" (").next().unwrap_or_default();
    if version.is_empty() { name.clone() } else { format!("{name} {version}") }
}

/// `http` of `loadhost:scenario/http@0.1.0`.
fn short(interface: &str) -> &str {
    let name = interface.rsplit_once('/').map_or(interface, |(_, name)| name);
    name.split('@').next().unwrap_or(name)
}

/// `cli (stdout, stderr), io (streams)`: by package, without versions.
fn wasi(interfaces: &[String]) -> String {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for interface in interfaces {
        let package = interface.split('/').next().unwrap_or_default().trim_start_matches("wasi:");
        packages.entry(package).or_default().push(short(interface));
    }
    list(packages.iter().map(|(package, names)| format!("{package} ({})", names.join(", "))))
}

fn wants(text: &mut String, description: &Description) {
    if let Some((name, version)) = &description.sdk {
        line!(text, "  SDK         {name} {version}");
    }
    line!(text, "users");
    for user in &description.user_types {
        user_type(text, user);
    }
    if description.has_load_shape {
        line!(text, "  steers its own load (load-shape)");
    }
    if !description.parameters.is_empty() {
        line!(text, "parameters (--param NAME=VALUE)");
        for each in &description.parameters {
            line!(text, "  {}", parameter(each));
        }
    }
    if !description.thresholds.is_empty() {
        line!(text, "thresholds");
    }
    for threshold in &description.thresholds {
        let tags: Vec<_> =
            threshold.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let tags = if tags.is_empty() { String::new() } else { format!("{{{}}}", tags.join(",")) };
        let abort = threshold.abort_after.map(|after| match after.is_zero() {
            true => " · stops the run when broken".to_string(),
            false => format!(" · stops the run when broken after {}", format_duration(after)),
        });
        let abort = abort.unwrap_or_default();
        line!(text, "  {}{tags} {}{abort}", threshold.metric, threshold.condition);
    }
    if !description.settings.is_empty() {
        line!(text, "proposes");
    }
    for (key, value) in &description.settings {
        line!(text, "  {key} = {value}");
    }
    if !description.hosts.is_empty() {
        line!(text, "wants to reach (--allow-host)");
        line!(text, "  {}", description.hosts.join(", "));
    }
    if !description.data_sets.is_empty() {
        line!(text, "data sets");
        line!(text, "  {}", description.data_sets.join(", "));
    }
}

fn user_type(text: &mut String, user: &UserType) {
    let share = match user.fixed_count {
        Some(count) => format!("exactly {count}"),
        None => format!("weight {}", user.weight),
    };
    line!(text, "  {} · {share} · {} · waits {}", user.name, order(user.order), wait(user.wait));
    for (index, group) in user.groups.iter().enumerate() {
        line!(text, "    group {} · weight {} · {}", group.name, group.weight, order(group.order));
        let own = user.tasks.iter().filter(|task| task.group == u32::try_from(index).ok());
        own.for_each(|each| task(text, each, "      "));
    }
    user.tasks.iter().filter(|task| task.group.is_none()).for_each(|each| task(text, each, "    "));
}

fn task(text: &mut String, task: &Task, indent: &str) {
    let tags =
        if task.tags.is_empty() { String::new() } else { format!(" · {}", task.tags.join(", ")) };
    let wait = task.wait.map(|time| format!(" · waits {}", wait(time))).unwrap_or_default();
    line!(text, "{indent}{} · weight {}{tags}{wait}", task.name, task.weight);
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Weighted => "by weight",
        Order::Sequential => "one after the other",
        Order::Shuffled => "shuffled",
        Order::Markov => "by successors",
    }
}

fn wait(wait: WaitTime) -> String {
    match wait {
        WaitTime::None => "not at all".to_string(),
        WaitTime::Constant(time) => format_duration(time),
        WaitTime::Between(low, high) => {
            format!("{} to {}", format_duration(low), format_duration(high))
        }
        WaitTime::Pacing(period) => format!("the rest of {}", format_duration(period)),
        WaitTime::Exponential(mean) => {
            format!("exponentially, {} on average", format_duration(mean))
        }
    }
}

fn parameter(parameter: &Parameter) -> String {
    let default = match &parameter.default {
        Some(_) if parameter.secret => "default ***".to_string(),
        Some(value) => format!("default {value}"),
        None => "required".to_string(),
    };
    let help =
        if parameter.help.is_empty() { String::new() } else { format!(" · {}", parameter.help) };
    format!("{:<18} {:<10} {default}{help}", parameter.name, parameter.kind)
}
