//! The guest's own frames: function, file and line.

use wasmtime::FrameInfo;

use super::symbols::Symbols;
use crate::host::output::escaped;

/// Shown of a name of a function or file.
const NAME_BYTES: usize = 300;

/// One function of a frame: inlined functions have frames of their own.
#[derive(Debug)]
pub(super) struct Place {
    function: String,
    file: Option<String>,
    line: u32,
}

/// A frame as wasmtime tells it. All text is the guest's, and may be a lie.
#[derive(Debug)]
pub(super) struct Frame {
    offset: usize,
    name: String,
}

impl Frame {
    pub(super) fn of(frame: &FrameInfo) -> Self {
        let name = frame.func_name().unwrap_or("an unnamed function");
        Self { offset: frame.module_offset().unwrap_or(0), name: demangled(name) }
    }
}

/// The functions at these frames, innermost first.
pub(super) async fn places(frames: Vec<Frame>, symbols: &Symbols) -> Vec<Place> {
    if frames.is_empty() {
        return Vec::new();
    }
    let offsets: Vec<usize> = frames.iter().map(|frame| frame.offset).collect();
    let mut places = Vec::new();
    for (frame, found) in frames.into_iter().zip(symbols.at(&offsets).await) {
        if found.is_empty() {
            places.push(Place { function: frame.name, file: None, line: 0 });
            continue;
        }
        places.extend(found.iter().map(|symbol| Place {
            function: symbol.function.as_deref().map_or_else(|| frame.name.clone(), demangled),
            file: symbol.file.as_deref().map(tidy),
            line: symbol.line,
        }));
    }
    places
}

/// Rust's names without the hash at their end; others as they are.
fn demangled(name: &str) -> String {
    tidy(&format!("{:#}", rustc_demangle::demangle(cut(name, 16 * NAME_BYTES))))
}

impl Place {
    /// Whether an author would look here: not the language's runtime, not the SDK's glue.
    pub(super) fn is_authors(&self) -> bool {
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

/// Safe to show, and not endless.
fn tidy(text: &str) -> String {
    escaped(cut(text, NAME_BYTES))
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// From `src/` on: where an author built is not what the reader looks for.
fn shortened(file: &str) -> &str {
    file.rfind("/src/").map_or(file, |at| &file[at + 1..])
}

pub(super) fn top_frame(places: &[Place]) -> Option<String> {
    let authors = places.iter().find(|place| place.is_authors() && place.file.is_some());
    authors.or_else(|| places.iter().find(|place| place.is_authors())).map(Place::to_string)
}
