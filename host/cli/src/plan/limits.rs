//! Caps of the sandbox by the names of their fields.

use std::fmt::Write;
use std::time::Duration;

use loadhost_model::plan::{Limits, LogLevel};
use loadhost_model::text::{format_duration, parse_duration};
use serde_json::{Map, Value};

use crate::config::{Effective, Item, refuse, similar};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// What holds. Names may be written with dashes.
pub(crate) fn limits(settings: &Effective) -> Result<Limits, Failure> {
    let mut fields = fields(&Limits::default());
    for item in settings.items("limits") {
        let name = item.name.as_deref().unwrap_or_default().to_ascii_lowercase().replace('-', "_");
        let Some(field) = fields.get_mut(&name) else { return Err(unknown(&name, item, &fields)) };
        let parsed = match field {
            Value::Object(_) => {
                parse_duration(&item.text).ok().and_then(|span| serde_json::to_value(span).ok())
            }
            Value::String(_) => parse_level(&item.text),
            _ if name.ends_with("_bytes") => parse_size(&item.text).map(Value::from),
            _ => item.text.parse::<u64>().ok().map(Value::from),
        };
        *field = parsed.ok_or_else(|| refuse("limits", item, wanted(field, &name)))?;
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        Failure::new(ExitCode::Configuration, "a limit is out of range").because(&error)
    })
}

fn fields(limits: &Limits) -> Map<String, Value> {
    match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn wanted(field: &Value, name: &str) -> &'static str {
    match field {
        Value::Object(_) => "it is no duration; write it like `500ms`, `10s` or `1m30s`",
        Value::String(_) => "it is none of trace, debug, info, warn, error",
        _ if name.ends_with("_bytes") => "it is no size; write it like `64MiB`, `512KiB` or `4096`",
        _ => "it is no whole number",
    }
}

fn unknown(name: &str, item: &Item, fields: &Map<String, Value>) -> Failure {
    let question = similar(name, fields.keys().map(String::as_str))
        .map(|like| format!(", did you mean `{like}`?"))
        .unwrap_or_default();
    Failure::new(
        ExitCode::Configuration,
        format!("unknown limit `{name}` from {}{question}", item.origin),
    )
    .hint("`loadhost help limits` lists them")
    .of(format!("limits.{name}"))
}

/// A level of log lines.
fn parse_level(text: &str) -> Option<Value> {
    let level = Value::from(text.trim().to_ascii_lowercase());
    serde_json::from_value::<LogLevel>(level.clone()).ok().map(|_| level)
}

/// `64MiB`, `512KiB`, `2GB`, or bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// As [`parse_size`] reads it.
pub(crate) fn format_size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_string(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// For `loadhost help limits`.
pub(crate) fn table() -> String {
    let mut text =
        String::from("Caps of the sandbox, per user unless said otherwise: --limit NAME=VALUE\n\n");
    for (name, value) in fields(&Limits::default()) {
        let shown = match &value {
            Value::Object(_) => {
                serde_json::from_value::<Duration>(value).map(format_duration).unwrap_or_default()
            }
            Value::Number(number) if name.ends_with("_bytes") => {
                format_size(number.as_u64().unwrap_or(0))
            }
            Value::String(level) => level.clone(),
            other => other.to_string(),
        };
        let _ = writeln!(text, "  {name:<22} {shown:>8}  {}", help(&name));
    }
    text
}

fn help(name: &str) -> &'static str {
    match name {
        "memory_bytes" => "memory, all memories summed",
        "table_elements" => "elements of each table",
        "stack_bytes" => "stack",
        "task_cpu" => "CPU time of one call into the guest",
        "task_time" => "wall-clock time of one task",
        "start_time" => "wall-clock time of on-start and of setup",
        "stop_time" => "wall-clock time of on-stop and of teardown",
        "host_calls" => "calls to the host in one task",
        "call_bytes" => "bytes that one call hands to the host, a request's body not counted",
        "request_body_bytes" => "body of a request",
        "response_body_bytes" => "kept of a response; the rest is counted and discarded",
        "kept_bytes" => "templates with their bodies, and answers that it holds",
        "header_bytes" => "head of a response",
        "connections" => "connections to one host",
        "batch" => "requests sent at once",
        "handles" => "resource handles",
        "log_level" => "least important log lines that pass: trace, debug, info, warn or error",
        "log_lines" => "log lines per second",
        "log_line_bytes" => "length of a log line",
        "metrics" => "custom metrics of a run",
        "names" => "names of requests, and of checks, of a run",
        "series" => "series of a run",
        "errors" => "distinct errors of a run",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size("2 GB"), Some(2_000_000_000));
        assert_eq!(parse_size("much"), None);
        assert_eq!(parse_size("99999999999999999GiB"), None);
    }

    #[test]
    fn levels_are_words() {
        assert_eq!(parse_level(" Debug"), Some(Value::from("debug")));
        assert_eq!(parse_level("loud"), None);
    }

    #[test]
    fn each_limit_is_explained() {
        for name in fields(&Limits::default()).keys() {
            assert!(!help(name).is_empty(), "{name}");
        }
    }
}
