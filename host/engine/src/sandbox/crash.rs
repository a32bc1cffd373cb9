//! What ended a guest, in words that help its author: a stable code, one line that is the
//! same for each occurrence, and the guest's own frames and last lines.

use std::fmt::Write as _;

use wasmtime::{Error, FrameInfo, Trap, WasmBacktrace};

use super::symbols::Symbols;
use super::trap::HostTrap;
use crate::load::vu::Crash;

/// What is known besides the error.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The call that ended, such as `task `browse``.
    pub(crate) call: String,
    /// Last lines on standard error.
    pub(crate) last_lines: Vec<String>,
    /// The memory cap that refused a growth during the call.
    pub(crate) refused: Option<&'static str>,
}

/// The code of a wall-clock limit, and of other limits alike.
pub(crate) fn limit_code(name: &str) -> String {
    format!("limit-{name}")
}

/// The limit that a crash's code names.
pub(crate) fn cap_of(crash: &Crash) -> Option<&'static str> {
    const CAPS: &[&str] = &[
        "call_bytes",
        "handles",
        "host_calls",
        "stack_bytes",
        "start_time",
        "stop_time",
        "task_cpu",
        "task_time",
    ];
    if &*crash.code == "trap-stack-overflow" {
        return Some("stack_bytes");
    }
    let name = crash.code.strip_prefix("limit-")?;
    CAPS.iter().copied().find(|cap| *cap == name)
}

/// A guest that was waiting, or computing with pauses, beyond its time.
pub(crate) fn of_time(
    name: &'static str,
    limit: std::time::Duration,
    evidence: &Evidence,
) -> Crash {
    let message = HostTrap::limit(name, format!("{limit:?}")).to_string();
    Crash {
        code: limit_code(name).into(),
        message: message.into(),
        detail: detail(&[], None, evidence).into(),
    }
}

/// A guest that ended with an error of wasmtime or of the host.
pub(crate) fn of_error(error: &Error, evidence: &Evidence, symbols: &Symbols) -> Crash {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let (code, what) = classify(error, frames, evidence);
    let places = places(frames, symbols);
    let place = top_frame(&places);
    let message = match (&panic_text(&evidence.last_lines), &place) {
        (Some(text), _) if code == "trap-unreachable" => text.clone(),
        (_, Some(place)) => format!("{what}, in {place}"),
        (_, None) => what.clone(),
    };
    Crash {
        code: code.into(),
        message: message.into(),
        detail: detail(&places, Some(&what), evidence).into(),
    }
}

fn classify(error: &Error, frames: &[FrameInfo], evidence: &Evidence) -> (String, String) {
    if let Some(trap) = error.downcast_ref::<HostTrap>() {
        let code = match trap {
            HostTrap::Limit { name, .. } => limit_code(name),
            HostTrap::Misuse(_) => "misuse".to_string(),
            HostTrap::Denied(_) => "denied".to_string(),
        };
        return (code, trap.to_string());
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return (
            "exit".into(),
            format!("the guest called `exit({})`; return from the function instead", exit.0),
        );
    }
    let text = error.root_cause().to_string();
    // These have no type of their own.
    let named = |name: &'static str| {
        (
            limit_code(name),
            format!(
                "the limit `{name}` is exceeded ({text}); raise it with `--limit {name}=VALUE`"
            ),
        )
    };
    if text.contains("fuel allocated for hostcalls") {
        return named("call_bytes");
    }
    if text.contains("handle limit exceeded") || text.contains("resource table has no free keys") {
        return named("handles");
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::MemoryOutOfBounds) if recurses(frames) => {
            // Most languages keep part of their stack in linear memory, which ended first.
            let what = "the guest's own stack in memory is exhausted: recursion without end?";
            ("trap-stack-overflow".into(), what.into())
        }
        Some(Trap::StackOverflow) => {
            let remedy = "the call stack is exhausted: recursion without end? or raise `--limit stack_bytes=VALUE`";
            ("trap-stack-overflow".into(), remedy.into())
        }
        Some(Trap::UnreachableCodeReached) if evidence.refused.is_some() => {
            let name = evidence.refused.unwrap_or_default();
            (
                limit_code(name),
                format!(
                    "the limit `{name}` is exceeded: memory could not grow; raise it with `--limit {name}=VALUE`"
                ),
            )
        }
        Some(trap) => (trap_code(*trap), trap.to_string()),
        None => ("trap".into(), text),
    }
}

/// Whether one function fills the backtrace.
fn recurses(frames: &[FrameInfo]) -> bool {
    let top = frames.iter().find_map(|frame| frame.func_name());
    let same = frames.iter().filter(|frame| frame.func_name() == top).count();
    top.is_some() && same >= 8
}

/// `trap-unreachable`, `trap-memory-out-of-bounds`, …
fn trap_code(trap: Trap) -> String {
    if trap == Trap::UnreachableCodeReached {
        return "trap-unreachable".into();
    }
    let mut code = String::from("trap");
    for character in format!("{trap:?}").chars() {
        if character.is_ascii_uppercase() {
            code.push('-');
        }
        code.push(character.to_ascii_lowercase());
    }
    code
}

/// `panicked at src/lib.rs:10:5: message`, from what Rust's panic hook writes.
fn panic_text(lines: &[String]) -> Option<String> {
    let at = lines.iter().rposition(|line| line.contains("panicked at "))?;
    let (_, place) = lines[at].split_once("panicked at ")?;
    let message = lines.get(at + 1).filter(|line| !line.starts_with("note: "));
    let place = place.trim_end_matches(':');
    Some(match message {
        Some(message) => format!("panicked at {place}: {message}"),
        None => format!("panicked at {place}"),
    })
}

/// One function of a frame: inlined functions have frames of their own.
struct Place {
    function: String,
    file: Option<String>,
    line: u32,
}

fn places(frames: &[FrameInfo], symbols: &Symbols) -> Vec<Place> {
    let offsets: Vec<usize> =
        frames.iter().map(|frame| frame.module_offset().unwrap_or(0)).collect();
    let mut places = Vec::new();
    for (frame, found) in frames.iter().zip(symbols.at(&offsets)) {
        let whole = demangled(frame.func_name().unwrap_or("an unnamed function"));
        if found.is_empty() {
            places.push(Place { function: whole, file: None, line: 0 });
            continue;
        }
        places.extend(found.iter().map(|symbol| Place {
            function: symbol.function.as_deref().map_or_else(|| whole.clone(), demangled),
            file: symbol.file.clone(),
            line: symbol.line,
        }));
    }
    places
}

/// Rust's names without the hash at their end; others as they are.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

impl Place {
    /// Whether an author would look here: not the language's runtime, not the SDK's glue.
    fn is_authors(&self) -> bool {
        const FOREIGN_FILES: &[&str] = &[
            "/rustc/",
            "/library/core/",
            "/library/std/",
            "/library/alloc/",
            "wit-bindgen",
            "/registry/src/",
        ];
        const FOREIGN_NAMES: &[&str] = &[
            "core::",
            "std::",
            "alloc::",
            "__rust",
            "rust_",
            "<core::",
            "<std::",
            "<alloc::",
            "loadhost_sdk::",
            "wit_bindgen",
            "dlmalloc",
            "cabi_",
            "[export]",
            "loadhost:scenario/",
            "abort",
            "__rg_",
        ];
        let file = self.file.as_deref().unwrap_or_default();
        !FOREIGN_FILES.iter().any(|part| file.contains(part))
            && !FOREIGN_NAMES.iter().any(|prefix| self.function.starts_with(prefix))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.function)?;
        match &self.file {
            Some(file) => write!(f, " ({}:{})", shortened(file), self.line),
            None => Ok(()),
        }
    }
}

/// From `src/` on: where an author built is not what the reader looks for.
fn shortened(file: &str) -> &str {
    file.rfind("/src/").map_or(file, |at| &file[at + 1..])
}

fn top_frame(places: &[Place]) -> Option<String> {
    let authors = places.iter().find(|place| place.is_authors() && place.file.is_some());
    authors.or_else(|| places.iter().find(|place| place.is_authors())).map(Place::to_string)
}

fn detail(places: &[Place], what: Option<&str>, evidence: &Evidence) -> String {
    let mut text = String::new();
    if let Some(what) = what {
        let _ = writeln!(text, "{what}");
    }
    let _ = writeln!(text, "in {}", evidence.call);
    let mut hidden = 0;
    for place in places {
        if place.is_authors() {
            let _ = writeln!(text, "  at {place}");
        } else {
            hidden += 1;
        }
    }
    if hidden > 0 {
        let _ = writeln!(text, "  ({hidden} frames of runtime and SDK left out)");
    }
    if !evidence.last_lines.is_empty() {
        let _ = writeln!(text, "last lines on stderr:");
        evidence.last_lines.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn none() -> Symbols {
        Symbols::new(std::sync::Arc::from(Vec::new()))
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_string).collect()
    }

    #[test]
    fn the_text_of_a_panic_is_found_among_the_last_lines() {
        let text = "warming up\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nno such item\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(panic_text(&lines(text)).unwrap(), "panicked at src/lib.rs:7:9: no such item");
        assert_eq!(
            panic_text(&lines("thread 'x' panicked at a.rs:1:2:\nnote: run")).unwrap(),
            "panicked at a.rs:1:2"
        );
        assert_eq!(panic_text(&lines("all is well")), None);
    }

    #[test]
    fn traps_have_stable_codes() {
        assert_eq!(trap_code(Trap::UnreachableCodeReached), "trap-unreachable");
        assert_eq!(trap_code(Trap::MemoryOutOfBounds), "trap-memory-out-of-bounds");
        assert_eq!(trap_code(Trap::IntegerDivisionByZero), "trap-integer-division-by-zero");
        let evidence = Evidence { call: "task `a`".into(), ..Evidence::default() };
        let crash = of_error(&HostTrap::limit("task_cpu", "2s").into(), &evidence, &none());
        assert_eq!(&*crash.code, "limit-task_cpu");
        assert_eq!(
            &*crash.message,
            "the limit `task_cpu` of 2s is exceeded; raise it with `--limit task_cpu=VALUE`"
        );
    }

    #[test]
    fn memory_that_may_not_grow_is_named_instead_of_the_trap_that_follows() {
        let evidence = Evidence {
            call: "task `a`".into(),
            refused: Some("memory_bytes"),
            ..Evidence::default()
        };
        let crash = of_error(&Trap::UnreachableCodeReached.into(), &evidence, &none());
        assert_eq!(&*crash.code, "limit-memory_bytes");
    }
}
