//! Texts inside of literals: durations, ranges, thresholds.

use std::time::Duration;

use syn::{Lit, LitStr, Result};

/// `250ms`, `1.5s`, `2m`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(literal: &Lit) -> Result<Duration> {
    let read = match literal {
        Lit::Str(text) => crate::duration::read(&text.value()),
        Lit::Int(number) => number.base10_parse().ok().and_then(seconds),
        Lit::Float(number) => number.base10_parse().ok().and_then(seconds),
        _ => None,
    };
    read.ok_or_else(|| {
        syn::Error::new(literal.span(), "this is no duration such as \"500ms\" or \"1.5s\"")
    })
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// `low..high`, or one value for both; both included.
pub(crate) fn range<T: PartialOrd + Copy>(
    literal: &LitStr,
    read: impl Fn(&str) -> Option<T>,
    example: &str,
) -> Result<(T, T)> {
    let text = literal.value();
    let (low, high) = text.split_once("..").unwrap_or((&text, &text));
    let high = high.strip_prefix('=').unwrap_or(high);
    match (read(low.trim()), read(high.trim())) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        (Some(_), Some(_)) => Err(syn::Error::new(
            literal.span(),
            "the range is empty: the second value is the smaller one",
        )),
        _ => Err(syn::Error::new(literal.span(), format!("this is no range such as {example}"))),
    }
}

/// `metric{key=value,…} condition`.
pub(crate) struct ThresholdText {
    pub(crate) metric: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) condition: String,
}

pub(crate) fn threshold(literal: &LitStr) -> Result<ThresholdText> {
    let text = literal.value();
    let fault = |why: &str| {
        let example = "a threshold reads like \"http_req_duration{name=/checkout} p(95) < 500ms\"";
        syn::Error::new(literal.span(), format!("{why}; {example}"))
    };
    let end = text.find(|c: char| c == '{' || c.is_whitespace() || "<>=!".contains(c));
    let (metric, rest) = text.split_at(end.ok_or_else(|| fault("there is no condition"))?);
    if metric.is_empty() {
        return Err(fault("there is no metric"));
    }
    let (tags, condition) = match rest.trim_start().strip_prefix('{') {
        Some(rest) => split_tags(rest).ok_or_else(|| fault("the tags are not `{key=value,…}`"))?,
        None => (Vec::new(), rest),
    };
    let condition = condition.trim();
    if !condition.contains(['<', '>', '=']) {
        return Err(fault("the condition compares nothing"));
    }
    Ok(ThresholdText { metric: metric.to_string(), tags, condition: condition.to_string() })
}

/// A value may hold braces, as in `{name=/item/{id}}`, or be quoted.
fn split_tags(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut depth = 1;
    let end = text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })?;
    let tags = text[..end].split(',').map(|tag| {
        let (key, value) = tag.split_once('=')?;
        let value = value.trim().trim_matches('"');
        Some((key.trim().to_string(), value.to_string()))
    });
    Some((tags.collect::<Option<_>>()?, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, metric: &str, tags: &[(&str, &str)], condition: &str) {
        let read = threshold(&LitStr::new(text, proc_macro2::Span::call_site())).unwrap();
        let wanted: Vec<_> = tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(
            (read.metric.as_str(), read.tags, read.condition.as_str()),
            (metric, wanted, condition)
        );
    }

    #[test]
    fn thresholds_come_apart() {
        check("checks > 99%", "checks", &[], "> 99%");
        check("checks>99%", "checks", &[], ">99%");
        check("http_req_failed rate < 1%", "http_req_failed", &[], "rate < 1%");
        check(
            "http_req_duration{name=/item/{id}, method=GET} p(95) < 500ms",
            "http_req_duration",
            &[("name", "/item/{id}"), ("method", "GET")],
            "p(95) < 500ms",
        );
    }

    #[test]
    fn half_a_threshold_is_refused() {
        for text in ["", "checks", "checks rate", "{a=b} < 1", "checks{a} < 1", "checks{a=b < 1"] {
            assert!(
                threshold(&LitStr::new(text, proc_macro2::Span::call_site())).is_err(),
                "{text}"
            );
        }
    }
}
