//! Why a task did not succeed, and what follows from it.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use crate::http::Error;

/// What hooks and tasks return.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a hook or a task did not succeed.
///
/// Any error becomes a [`Failure::Failed`] by `?`, with the line it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Counted; the user carries on.
    Failed(String),
    /// This user is done; its `on_stop` still runs.
    StopUser(String),
    /// The whole run ends.
    AbortRun(String),
    /// This user has nothing left to do: it ends, nothing counts as failed, and its `on_stop` still runs.
    Done,
}

impl Failure {
    /// The text, whatever follows from it.
    pub fn message(&self) -> &str {
        match self {
            Self::Failed(text) | Self::StopUser(text) | Self::AbortRun(text) => text,
            Self::Done => "nothing is left to do",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl<E: StdError + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let text = with_place(&error, Location::caller());
        let error: &dyn StdError = &error;
        match error.downcast_ref::<Error>() {
            Some(error) if error.is_cancelled() => Self::StopUser(text),
            _ => Self::Failed(text),
        }
    }
}

/// This iteration failed.
#[track_caller]
pub fn fail(why: impl fmt::Display) -> Failure {
    Failure::Failed(with_place(why, Location::caller()))
}

/// This user is done.
#[track_caller]
pub fn stop_user(why: impl fmt::Display) -> Failure {
    Failure::StopUser(with_place(why, Location::caller()))
}

/// The whole run has to end.
#[track_caller]
pub fn abort_run(why: impl fmt::Display) -> Failure {
    Failure::AbortRun(with_place(why, Location::caller()))
}

/// This user has nothing left to do, which is no failure.
pub fn done() -> Failure {
    Failure::Done
}

fn with_place(why: impl fmt::Display, place: &Location<'_>) -> String {
    format!("{why} ({}:{})", place.file(), place.line())
}

/// Turns what is missing or wrong into a [`Failure`] with words of one's own.
pub trait OrFail<T> {
    /// This iteration failed.
    #[track_caller]
    fn or_fail(self, why: impl fmt::Display) -> Outcome<T>;
    /// This user is done.
    #[track_caller]
    fn or_stop_user(self, why: impl fmt::Display) -> Outcome<T>;
    /// The whole run has to end.
    #[track_caller]
    fn or_abort_run(self, why: impl fmt::Display) -> Outcome<T>;
}

impl<T> OrFail<T> for Option<T> {
    #[track_caller]
    fn or_fail(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(fail(why)),
        }
    }

    #[track_caller]
    fn or_stop_user(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(stop_user(why)),
        }
    }

    #[track_caller]
    fn or_abort_run(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(abort_run(why)),
        }
    }
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(fail(format_args!("{why}: {error}"))),
        }
    }

    #[track_caller]
    fn or_stop_user(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(stop_user(format_args!("{why}: {error}"))),
        }
    }

    #[track_caller]
    fn or_abort_run(self, why: impl fmt::Display) -> Outcome<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(abort_run(format_args!("{why}: {error}"))),
        }
    }
}

/// What a hook or task may return: nothing, or a result whose error becomes a [`Failure`].
#[diagnostic::on_unimplemented(
    message = "a task or hook returns nothing or `Outcome`, not `{Self}`",
    label = "returns `{Self}`",
    note = "write `-> Outcome` and end with `Ok(())`"
)]
pub trait IntoOutcome {
    /// As an [`Outcome`].
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Ok(())
    }
}

impl<E: Into<Failure>> IntoOutcome for Result<(), E> {
    fn into_outcome(self) -> Outcome {
        self.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Outcome<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn a_failure_by_question_mark_names_the_line() {
        let line = line!() - 5;
        let expected = format!("invalid digit found in string ({}:{line})", file!());
        assert_eq!(number("x"), Err(Failure::Failed(expected)));
    }

    #[test]
    fn a_missing_value_fails_with_the_author_s_words() {
        let failed = None::<u32>.or_stop_user("sold out").map_err(|f| f.message().to_string());
        let expected = format!("sold out ({}:{})", file!(), line!() - 1);
        assert_eq!(failed, Err(expected));
    }
}
