//! Values for the places of a URL, for headers and forms.

use std::borrow::Cow;

/// A text or a number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value for a URL, a header or a form",
    note = "values are texts, numbers, `bool` and `char`; others: `.to_string()`"
)]
pub trait Value<'a> {
    /// As text.
    fn into_text(self) -> Cow<'a, str>;
}

impl<'a> Value<'a> for &'a str {
    fn into_text(self) -> Cow<'a, str> {
        Cow::Borrowed(self)
    }
}

impl<'a> Value<'a> for &'a String {
    fn into_text(self) -> Cow<'a, str> {
        Cow::Borrowed(self)
    }
}

impl Value<'_> for String {
    fn into_text(self) -> Cow<'static, str> {
        Cow::Owned(self)
    }
}

impl<'a> Value<'a> for Cow<'a, str> {
    fn into_text(self) -> Cow<'a, str> {
        self
    }
}

macro_rules! values {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn into_text(self) -> Cow<'static, str> {
                Cow::Owned(self.to_string())
            }
        }
        impl Value<'_> for &$type {
            fn into_text(self) -> Cow<'static, str> {
                Cow::Owned(self.to_string())
            }
        }
    )*};
}
values!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, char);
