//! Bodies: forms and files.

use std::borrow::Cow;

use super::{Value, encode};
use crate::random;

/// Fields as `application/x-www-form-urlencoded`.
pub(crate) fn urlencoded<'a, K, V>(fields: impl IntoIterator<Item = (K, V)>) -> String
where
    K: AsRef<str>,
    V: Value<'a>,
{
    let mut text = String::new();
    for (key, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        encode::form(key.as_ref(), &mut text);
        text.push('=');
        encode::form(&value.into_text(), &mut text);
    }
    text
}

/// A form with files: `multipart/form-data`.
///
/// ```no_run
/// # use loadhost_sdk::prelude::*;
/// # fn upload() -> Outcome {
/// let form = Multipart::new().text("title", "Cat").file("image", "cat.png", "image/png", b"\x89PNG");
/// post("/upload").multipart(form).send()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Multipart {
    parts: Vec<(String, Vec<u8>)>,
}

impl Multipart {
    /// Without fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn text<'a>(mut self, name: &str, value: impl Value<'a>) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
        self.parts.push((head, value.into_text().into_owned().into_bytes()));
        self
    }

    /// Adds a file.
    pub fn file(
        mut self,
        name: &str,
        filename: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}",
            quoted(name),
            quoted(filename),
            content_type.replace(['\r', '\n'], ""),
        );
        self.parts.push((head, content.as_ref().to_vec()));
        self
    }

    /// Content type and body.
    pub(crate) fn finish(self) -> (String, Vec<u8>) {
        let boundary = format!("loadhost-{:016x}{:016x}", random::bits(), random::bits());
        let mut body = Vec::new();
        for (head, content) in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }
}

/// As browsers write names: without line ends and quotes.
fn quoted(name: &str) -> Cow<'_, str> {
    if name.contains(['"', '\r', '\n']) {
        Cow::Owned(name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_order_and_escapes() {
        assert_eq!(urlencoded([("user", "a&b"), ("n", "1 2")]), "user=a%26b&n=1+2");
        assert_eq!(urlencoded([("items", 3)]), "items=3");
    }

    #[test]
    fn a_multipart_body_reads_like_rfc_7578() {
        crate::random::reseed(1);
        let (kind, body) = Multipart::new()
            .text("title", "Cat")
            .file("im\"age", "cat.png", "image/png", b"\x89PNG")
            .finish();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap_or_default();
        let text = String::from_utf8_lossy(&body).replace(boundary, "B");
        let expected = "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nCat\r\n\
            --B\r\nContent-Disposition: form-data; name=\"im%22age\"; filename=\"cat.png\"\r\n\
            Content-Type: image/png\r\n\r\n\u{fffd}PNG\r\n--B--\r\n";
        assert_eq!(text, expected);
    }
}
