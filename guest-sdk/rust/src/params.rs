//! Typed parameters: `--param NAME=VALUE`, environment, file or web form.

use std::time::Duration;

/// A type that a parameter can have.
#[diagnostic::on_unimplemented(
    message = "a parameter cannot be a `{Self}`",
    note = "parameters are strings, numbers, `bool`, `Duration`, or an `Option` of these"
)]
pub trait ParamValue: Sized {
    /// The kind shown to people and checked by the host.
    const KIND: &'static str;
    /// What an absent value means; None: the run must give one.
    const ABSENT: Option<&'static str> = None;
    /// Reads the text of a run.
    fn parse(text: &str) -> Result<Self, String>;
}

macro_rules! by_from_str {
    ($kind:literal: $($type:ty),*) => {$(
        impl ParamValue for $type {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Result<Self, String> {
                let fault = |error| format!("`{text}` is no {}: {error}", stringify!($type));
                text.trim().parse().map_err(fault)
            }
        }
    )*};
}
by_from_str!("integer": u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
by_from_str!("number": f32, f64);
by_from_str!("boolean": bool);

impl ParamValue for String {
    const KIND: &'static str = "string";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_string())
    }
}

impl ParamValue for Duration {
    const KIND: &'static str = "duration";
    fn parse(text: &str) -> Result<Self, String> {
        crate::duration::read(text).ok_or_else(|| format!("`{text}` is no duration such as `1.5s`"))
    }
}

/// An empty text is `None`.
impl<T: ParamValue> ParamValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const ABSENT: Option<&'static str> = Some("");
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_parameter_may_be_empty() {
        assert_eq!(Option::<u32>::parse(""), Ok(None));
        assert_eq!(Option::<u32>::parse("7"), Ok(Some(7)));
        assert!(Option::<u32>::parse("seven").is_err());
    }
}
