//! Thresholds as text, and back.

use std::fmt;
use std::str::FromStr;

use super::built_in::{self, Shape, shape_of};
use super::{Aggregate, Comparison, Threshold};
use crate::description::ThresholdText;
use crate::text::{parse_duration, suggestion};

/// Why a text is no threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("threshold `{text}`, column {column}: {what}")]
pub struct ThresholdError {
    /// The whole text.
    pub text: String,
    /// Where in it, counted in characters from 1.
    pub column: usize,
    /// What is wrong, with the remedy.
    pub what: String,
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let mut cursor = Cursor { text, at: 0 };
        let metric = cursor.metric()?;
        let behind = cursor.at;
        let tags = cursor.tags()?;
        let status = tags.iter().any(|(key, _)| key == "status");
        if status && built_in::is_built_in(&metric) && metric != "http_reqs" {
            return cursor.fault(behind, "the tag `status` is for `http_reqs` only");
        }
        cursor.condition(metric, tags)
    }
}

impl TryFrom<&ThresholdText> for Threshold {
    type Error = ThresholdError;

    /// Columns in errors count from the begin of the whole threshold, written in one line.
    fn try_from(parts: &ThresholdText) -> Result<Self, ThresholdError> {
        let head = Head { metric: &parts.metric, tags: &parts.tags }.to_string();
        let text = format!("{head} {}", parts.condition);
        let mut threshold: Threshold = text.parse()?;
        threshold.abort_after = parts.abort_after;
        Ok(threshold)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Head { metric: &self.metric, tags: &self.tags };
        write!(f, "{head} {} {} ", self.aggregate, self.comparison)?;
        let shape = shape_of(&self.metric);
        let bound = self.bound;
        match (shape, self.aggregate) {
            (Some(_), Aggregate::Count) => write!(f, "{bound}"),
            (Some(Shape::Times | Shape::AverageTime), _) => write!(f, "{bound}ms"),
            (Some(Shape::Share), _) => write!(f, "{}", Share(bound)),
            (Some(Shape::Count), Aggregate::Rate) => write!(f, "{bound}/s"),
            _ => write!(f, "{bound}"),
        }
    }
}

/// `1%`, if that is read back to the same.
struct Share(f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.0 * 1e10).round() / 1e8;
        if percent / 100.0 == self.0 { write!(f, "{percent}%") } else { write!(f, "{}", self.0) }
    }
}

struct Head<'a> {
    metric: &'a str,
    tags: &'a [(String, String)],
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric)?;
        if self.tags.is_empty() {
            return Ok(());
        }
        let plain = |value: &str| {
            !value.is_empty() && value.trim() == value && !value.contains([',', '}', '"', '\\'])
        };
        f.write_str("{")?;
        for (i, (key, value)) in self.tags.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if plain(value) {
                write!(f, "{comma}{key}={value}")?;
            } else {
                let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "{comma}{key}=\"{quoted}\"")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p({percent})"),
            Self::Average => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Median => f.write_str("med"),
            Self::Count => f.write_str("count"),
            Self::Rate => f.write_str("rate"),
            Self::Value => f.write_str("value"),
        }
    }
}

/// Longer signs first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = COMPARISONS.iter().find(|(_, comparison)| comparison == self);
        f.write_str(sign.map_or("", |(sign, _)| sign))
    }
}

const HOW: &str = "write it like `http_req_duration{name=checkout} p(95) < 500ms`";

struct Cursor<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn accept(&mut self, sign: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// The longest beginning of only such characters.
    fn word(&mut self, fits: impl Fn(char) -> bool) -> (usize, &'a str) {
        self.skip_spaces();
        let begin = self.at;
        let length = self.rest().find(|c| !fits(c)).unwrap_or(self.rest().len());
        self.at += length;
        (begin, &self.text[begin..self.at])
    }

    fn fault<T>(&self, at: usize, what: impl Into<String>) -> Result<T, ThresholdError> {
        let column = self.text[..at].chars().count() + 1;
        Err(ThresholdError { text: self.text.to_string(), column, what: what.into() })
    }

    fn metric(&mut self) -> Result<String, ThresholdError> {
        let (begin, metric) = self.word(|c| c.is_alphanumeric() || "_-.:/".contains(c));
        if metric.is_empty() {
            return self.fault(begin, format!("a metric is missing; {HOW}"));
        }
        let near = suggestion(metric, built_in::names());
        let ours = metric.starts_with("http_") || (metric.len() > 5 && !near.is_empty());
        if !built_in::is_built_in(metric) && ours {
            let known = built_in::names().collect::<Vec<_>>().join(", ");
            let remedy = if near.is_empty() { format!("; there are {known}") } else { near };
            return self.fault(begin, format!("unknown metric `{metric}`{remedy}"));
        }
        Ok(metric.to_string())
    }

    fn tags(&mut self) -> Result<Vec<(String, String)>, ThresholdError> {
        let mut tags = Vec::new();
        let open = self.at;
        if !self.accept("{") {
            return Ok(tags);
        }
        while !self.accept("}") {
            let (begin, key) = self.word(|c| !c.is_whitespace() && !"=,{}\"".contains(c));
            if key.is_empty() {
                let what = if self.rest().is_empty() {
                    "this `{` is not closed"
                } else {
                    "a tag is missing"
                };
                let at = if self.rest().is_empty() { open } else { begin };
                return self.fault(at, format!("{what}; {HOW}"));
            }
            if !self.accept("=") {
                return self.fault(self.at, format!("`=` is missing after tag `{key}`"));
            }
            tags.push((key.to_string(), self.tag_value(open)?));
            if !self.accept(",") && !self.rest().trim_start().starts_with('}') {
                return self.fault(self.at, "`,` or `}` is missing after this tag");
            }
        }
        Ok(tags)
    }

    fn tag_value(&mut self, open: usize) -> Result<String, ThresholdError> {
        let begin = self.at;
        if !self.accept("\"") {
            let (_, value) = self.word(|c| !",}".contains(c));
            return Ok(value.trim_end().to_string());
        }
        let mut value = String::new();
        let mut escaped = false;
        for c in self.rest().chars() {
            self.at += c.len_utf8();
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return Ok(value),
                c => {
                    escaped = false;
                    value.push(c);
                }
            }
        }
        self.fault(begin.max(open), "this quoted value is not closed; end it with `\"`")
    }

    fn condition(
        mut self,
        metric: String,
        tags: Vec<(String, String)>,
    ) -> Result<Threshold, ThresholdError> {
        let shape = shape_of(&metric);
        let aggregate = self.aggregate(&metric, shape)?;
        self.skip_spaces();
        let sign = self.at;
        let found = COMPARISONS.iter().find(|(sign, _)| self.rest().starts_with(sign));
        let Some((length, comparison)) = found.map(|(sign, comparison)| (sign.len(), *comparison))
        else {
            return self.fault(sign, "a comparison is missing: `<`, `<=`, `>`, `>=`, `==` or `!=`");
        };
        self.at += length;
        self.skip_spaces();
        let begin = self.at;
        match bound(self.rest().trim_end(), shape, aggregate) {
            Ok(bound) => {
                Ok(Threshold { metric, tags, aggregate, comparison, bound, abort_after: None })
            }
            Err(what) => self.fault(begin, what),
        }
    }

    fn aggregate(
        &mut self,
        metric: &str,
        shape: Option<Shape>,
    ) -> Result<Aggregate, ThresholdError> {
        let (begin, word) = self.word(|c| c.is_alphanumeric() || c == '.');
        let aggregate = match word {
            "" | "rate" => Aggregate::Rate,
            "avg" | "mean" => Aggregate::Average,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "med" | "median" => Aggregate::Median,
            "count" => Aggregate::Count,
            "value" => Aggregate::Value,
            "p" => return self.percentile(metric, shape, begin),
            _ => match word.strip_prefix('p').map(|number| number.parse::<f64>()) {
                Some(Ok(percent)) => return self.checked_percentile(metric, shape, begin, percent),
                _ => {
                    let near =
                        suggestion(word, ["rate", "count", "value", "avg", "min", "max", "med"]);
                    let known =
                        "there are `p(95)`, `med`, `avg`, `min`, `max`, `count`, `rate`, `value`";
                    return self.fault(begin, format!("unknown aggregate `{word}`{near}; {known}"));
                }
            },
        };
        self.fitting(metric, shape, begin, aggregate)
    }

    fn percentile(
        &mut self,
        metric: &str,
        shape: Option<Shape>,
        begin: usize,
    ) -> Result<Aggregate, ThresholdError> {
        if !self.accept("(") {
            return self.fault(self.at, "`(` is missing: write a percentile like `p(95)`");
        }
        let (at, number) = self.word(|c| c.is_ascii_digit() || c == '.');
        let Ok(percent) = number.parse::<f64>() else {
            return self.fault(at, "a number from 0 to 100 is missing, such as in `p(99.9)`");
        };
        if !self.accept(")") {
            return self.fault(self.at, "`)` is missing: write a percentile like `p(95)`");
        }
        self.checked_percentile(metric, shape, begin, percent)
    }

    fn checked_percentile(
        &self,
        metric: &str,
        shape: Option<Shape>,
        begin: usize,
        percent: f64,
    ) -> Result<Aggregate, ThresholdError> {
        if !(0.0..=100.0).contains(&percent) {
            return self.fault(begin, format!("there is no percentile {percent}; use 0 to 100"));
        }
        self.fitting(metric, shape, begin, Aggregate::Percentile(percent))
    }

    fn fitting(
        &self,
        metric: &str,
        shape: Option<Shape>,
        begin: usize,
        aggregate: Aggregate,
    ) -> Result<Aggregate, ThresholdError> {
        match shape {
            Some(shape) if !shape.allows(aggregate) => {
                let has = shape.aggregates();
                self.fault(begin, format!("`{metric}` has no `{aggregate}`; use {has}"))
            }
            _ => Ok(aggregate),
        }
    }
}

/// The number that is compared with.
fn bound(text: &str, shape: Option<Shape>, aggregate: Aggregate) -> Result<f64, String> {
    if text.is_empty() {
        return Err("a bound is missing, such as `500ms`, `1%` or `100/s`".to_string());
    }
    let count = aggregate == Aggregate::Count;
    let times = !count && matches!(shape, None | Some(Shape::Times | Shape::AverageTime));
    let share = !count && matches!(shape, None | Some(Shape::Share));
    let per_second = aggregate == Aggregate::Rate && matches!(shape, None | Some(Shape::Count));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(number) = number(text) {
        return Ok(number);
    }
    if let Some(number) = text.strip_suffix('%').and_then(number) {
        let wrong = || format!("`{text}` is a share, but this is none; leave out the `%`");
        return if share { Ok(number / 100.0) } else { Err(wrong()) };
    }
    if let Some(number) = text.strip_suffix("/s").and_then(number) {
        let wrong = || format!("`{text}` is a rate per second, but this is none");
        return if per_second { Ok(number) } else { Err(wrong()) };
    }
    if let Ok(duration) = parse_duration(text) {
        let wrong = || format!("`{text}` is a time, but this is none");
        // Whole nanoseconds divided once, so that `0.1ms` is 0.1.
        return if times { Ok(duration.as_nanos() as f64 / 1e6) } else { Err(wrong()) };
    }
    Err(format!("`{text}` is no bound; write it like `500ms`, `1%` or `100/s`"))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
