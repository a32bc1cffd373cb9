//! What people read when something cannot be done.
//!
//! ```text
//! error: the scenario `notes.wasm` is no WebAssembly component
//!   caused by: it is a text file
//!   hint: build it with `loadhost build`
//! ```

use std::fmt;

use crate::exit_code::ExitCode;

/// An error with its exit code, its causes and a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) code: ExitCode,
    /// The setting at fault, if it is one; with a dot and a name, if it is a map.
    key: Option<String>,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

/// Of a command.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// An error and all that caused it.
pub(crate) fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

impl Failure {
    /// With the remedy of its code, if it gets no other.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, key: None, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Adds an error and all that caused it.
    pub(crate) fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        for error in chain(error) {
            let text = error.to_string();
            // Transparent wrappers say the same twice.
            if self.causes.last().is_none_or(|last| !last.contains(&text)) && text != self.message {
                self.causes.push(text);
            }
        }
        self
    }

    /// Of this setting.
    pub(crate) fn of(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The setting at fault, if it is one.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong, in one line: for whoever shows it beside the setting.
    pub(crate) fn line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.causes);
        parts.map(|part| part.replace('\n', "; ")).collect::<Vec<_>>().join(": ")
    }

    /// The remedy; empty: none is known.
    pub(crate) fn remedy(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.remedy())
    }

    /// Without causes and remedy.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Instead of the remedy of the code.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {}", indented(cause))?;
        }
        let hint = self.remedy();
        if !hint.is_empty() {
            write!(f, "\n  hint: {}", indented(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_thing_cause_and_remedy() {
        let cause = std::io::Error::other("it is a text file");
        let failure =
            Failure::new(ExitCode::NotAComponent, "`notes.wasm` cannot be run").because(&cause);
        assert_eq!(
            failure.to_string(),
            "error: `notes.wasm` cannot be run\n  caused by: it is a text file\n  hint: build it with `loadhost build`"
        );
    }
}
