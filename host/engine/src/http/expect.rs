//! What a template expects of an answer: `expect-status`, `expect-contains`, `expect-json`.

use std::borrow::Cow;

use serde_json::Value;

use super::kept::Kept;
use super::pointer;
use super::template::TemplateError;

/// Texts and pointers that one template may expect: each is looked for in the whole body.
const MOST: usize = 16;

/// Bytes of one `expect-json`, which is taken apart.
const JSON_BYTES: usize = 64 << 10;

/// Bytes of memory that JSON takes apart for each byte of its text: `[[[[]]]]` takes 144.
const JSON_GROWTH: usize = 160;

/// Expectations of one template. Empty: a status below 400.
#[derive(Debug, Clone, Default)]
pub(super) struct Expect {
    status: Option<Statuses>,
    contains: Vec<String>,
    json: Vec<JsonExpectation>,
}

/// `200-299,404`, as written and as ranges.
#[derive(Debug, Clone)]
struct Statuses {
    text: String,
    ranges: Vec<(u16, u16)>,
}

/// `/pointer=value`; without a value: the pointer leads somewhere.
#[derive(Debug, Clone)]
struct JsonExpectation {
    pointer: String,
    value: Option<Value>,
    /// Bytes of memory that both take, at most.
    kept: usize,
}

impl Expect {
    /// Sets `expect-status` from comma-separated statuses and ranges.
    pub(super) fn set_status(&mut self, text: &str) -> Result<(), TemplateError> {
        let fault = || TemplateError::setting("expect-status", text, "such as `200-299,404`");
        let number = |text: &str| {
            text.trim().parse::<u16>().ok().filter(|n| (100..=999).contains(n)).ok_or_else(fault)
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let range = (number(low)?, number(high)?);
            if range.0 > range.1 {
                return Err(fault());
            }
            ranges.push(range);
        }
        self.status = Some(Statuses { text: text.trim().to_string(), ranges });
        Ok(())
    }

    /// Adds `expect-contains`.
    pub(super) fn add_contains(&mut self, text: &str) -> Result<(), TemplateError> {
        if self.contains.len() == MOST {
            return Err(TemplateError::setting("expect-contains", text, "16 of them at most"));
        }
        self.contains.push(text.to_string());
        Ok(())
    }

    /// Adds `expect-json`: `/pointer=value` with a JSON value, or text that is taken as a string.
    pub(super) fn add_json(&mut self, text: &str) -> Result<(), TemplateError> {
        let (pointer, value) = match text.split_once('=') {
            Some((pointer, value)) => (pointer, Some(value)),
            None => (text, None),
        };
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(TemplateError::setting("expect-json", text, "such as `/ok=true`"));
        }
        if self.json.len() == MOST {
            return Err(TemplateError::setting("expect-json", text, "16 of them at most"));
        }
        if text.len() > JSON_BYTES {
            let start = shortened(text);
            return Err(TemplateError::setting("expect-json", &start, "at most 64 KiB"));
        }
        let value = value.map(|value| {
            serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_string()))
        });
        let is_tree = value.as_ref().is_some_and(|value| value.is_array() || value.is_object());
        let kept = if is_tree { text.len() * JSON_GROWTH } else { text.len() };
        self.json.push(JsonExpectation { pointer: pointer.to_string(), value, kept });
        Ok(())
    }

    /// Bytes of memory that it takes beside itself, at most.
    pub(super) fn kept_bytes(&self) -> u64 {
        let status = self.status.as_ref().map_or(0, |status| {
            status.text.len() + status.ranges.capacity() * size_of::<(u16, u16)>()
        });
        let contains: usize =
            self.contains.iter().map(|text| size_of::<String>() + text.len()).sum();
        let json: usize = self.json.iter().map(|one| size_of::<JsonExpectation>() + one.kept).sum();
        (status + contains + json) as u64
    }

    /// Whether the verdict needs the body.
    pub(super) fn reads_body(&self) -> bool {
        !self.contains.is_empty() || !self.json.is_empty()
    }

    /// Whether the answer is as expected; else a text that does not vary with the answer,
    /// but for its status.
    pub(super) fn verdict(
        &self,
        status: u16,
        kept: Option<&Kept>,
    ) -> Result<(), Cow<'static, str>> {
        match &self.status {
            Some(statuses) if !statuses.allow(status) => {
                return Err(format!("status {status}, expected {}", statuses.text).into());
            }
            None if status >= 400 => return Err(status_text(status)),
            _ => {}
        }
        let Some(kept) = kept else { return Ok(()) };
        if let Some(missing) = self.contains.iter().find(|needle| !kept.contains(needle)) {
            return Err(format!("body does not contain `{}`", shortened(missing)).into());
        }
        self.json.iter().try_for_each(|expected| expected.verdict(kept))
    }
}

impl Statuses {
    fn allow(&self, status: u16) -> bool {
        self.ranges.iter().any(|&(low, high)| (low..=high).contains(&status))
    }
}

impl JsonExpectation {
    fn verdict(&self, kept: &Kept) -> Result<(), Cow<'static, str>> {
        let found = pointer::find(kept.bytes(), &self.pointer).map_err(|_| "body is not JSON")?;
        match (found, &self.value) {
            (Some(found), Some(value)) if found != *value => {
                let value = shortened(&value.to_string());
                Err(format!("JSON at `{}` is not {value}", self.pointer).into())
            }
            (None, _) => Err(format!("JSON has nothing at `{}`", self.pointer).into()),
            _ => Ok(()),
        }
    }
}

/// The verdict on a status from 400 up; the usual ones without allocating.
fn status_text(status: u16) -> Cow<'static, str> {
    match status {
        400 => "status 400".into(),
        401 => "status 401".into(),
        403 => "status 403".into(),
        404 => "status 404".into(),
        409 => "status 409".into(),
        422 => "status 422".into(),
        429 => "status 429".into(),
        500 => "status 500".into(),
        502 => "status 502".into(),
        503 => "status 503".into(),
        504 => "status 504".into(),
        _ => format!("status {status}").into(),
    }
}

/// The first 60 characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_takes_no_more_memory_than_is_counted() {
        // Two bytes of text are a list, which has room for four values once it has one.
        assert!(4 * size_of::<Value>() + 16 <= 2 * JSON_GROWTH, "{}", size_of::<Value>());
        let kept = |text: &str| {
            let mut expect = Expect::default();
            expect.add_json(text).unwrap();
            expect.kept_bytes()
        };
        assert!(kept("/a=[[[[]]]]") > 4 * 4 * size_of::<Value>() as u64);
        assert!(kept("/ok=true") < 200, "{}", kept("/ok=true"));
    }
}
