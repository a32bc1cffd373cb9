//! What ended a guest, in words that help its author: a stable code, one line that is the
//! same for each occurrence, and the guest's own frames and last lines.

mod classify;
mod dwarf;
mod message;
mod places;
pub(crate) mod symbols;

use std::fmt::Write as _;

use wasmtime::{Error, WasmBacktrace};

use self::classify::{classify, limit_code};
use self::message::without_numbers;
use self::places::{Frame, Place};
use self::symbols::Symbols;
use super::trap::HostTrap;
use crate::load::vu::Crash;

pub(crate) use self::classify::cap_of;

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
        detail: detail(&[], &[], evidence).into(),
    }
}

/// A guest that ended with an error of wasmtime or of the host. Waits until its places are
/// looked up, which is done elsewhere.
pub(crate) async fn of_error(error: &Error, evidence: &Evidence, symbols: &Symbols) -> Crash {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let (code, what) = classify(error, frames, evidence);
    let frames = frames.iter().map(Frame::of).collect();
    let places = places::places(frames, symbols).await;
    let panic = message::panic(&evidence.last_lines).filter(|_| code == "trap-unreachable");
    // What a limit is, and which it is, does not vary within a run.
    let varies = !code.starts_with("limit-") && code != "exit";
    let kind = if varies { without_numbers(&what) } else { what.clone() };
    let message = match (&panic, places::top_frame(&places)) {
        (Some(panic), _) => panic.kind.clone(),
        (None, Some(place)) => format!("{kind}, in {place}"),
        (None, None) => kind,
    };
    let example = panic
        .as_ref()
        .and_then(|panic| panic.example.as_ref())
        .map(|example| format!("for example: {example}"));
    let head: Vec<&str> = example.as_deref().into_iter().chain([&*what]).collect();
    Crash {
        code: code.into(),
        message: message.into(),
        detail: detail(&head, &places, evidence).into(),
    }
}

fn detail(head: &[&str], places: &[Place], evidence: &Evidence) -> String {
    let mut text = String::new();
    for line in head {
        let _ = writeln!(text, "{line}");
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
