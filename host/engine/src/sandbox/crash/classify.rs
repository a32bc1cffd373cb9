//! The stable code of what ended a guest, and what it means.

use wasmtime::{Error, FrameInfo, Trap};

use super::Evidence;
use crate::load::vu::Crash;
use crate::sandbox::trap::HostTrap;

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
        "kept_bytes",
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

pub(super) fn classify(
    error: &Error,
    frames: &[FrameInfo],
    evidence: &Evidence,
) -> (String, String) {
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
        // Without a trap: the component did not get what it begins with.
        Some(Trap::UnreachableCodeReached) | None if evidence.refused.is_some() => {
            let name = evidence.refused.unwrap_or_default();
            let what = if name == "table_elements" { "a table" } else { "memory" };
            (
                limit_code(name),
                format!(
                    "the limit `{name}` is exceeded: {what} could not grow; raise it with `--limit {name}=VALUE`"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_have_stable_codes() {
        assert_eq!(trap_code(Trap::UnreachableCodeReached), "trap-unreachable");
        assert_eq!(trap_code(Trap::MemoryOutOfBounds), "trap-memory-out-of-bounds");
        assert_eq!(trap_code(Trap::IntegerDivisionByZero), "trap-integer-division-by-zero");
        let (code, what) = classify(
            &HostTrap::limit("task_cpu", "2s").into(),
            &[],
            &Evidence { call: "task `a`".into(), ..Evidence::default() },
        );
        assert_eq!(code, "limit-task_cpu");
        assert_eq!(
            what,
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
        let (code, _) = classify(&Trap::UnreachableCodeReached.into(), &[], &evidence);
        assert_eq!(code, "limit-memory_bytes");
    }
}
