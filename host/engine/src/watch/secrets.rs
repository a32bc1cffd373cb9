//! What must not be told: values of secret parameters, credentials in URLs, values in queries.

use std::borrow::Cow;

use loadhost_model::plan::RunPlan;

use crate::http::percent_encoded;

/// Stands for what is not told.
const HIDDEN: &str = "***";
/// Shorter values would hide too much else.
const LEAST_BYTES: usize = 4;

/// Values of the run's secret parameters, as they are and as they stand in a URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn of(plan: &RunPlan) -> Self {
        let values = plan.secret_params.iter().filter_map(|name| plan.params.get(name));
        Self::new(values.map(String::as_str))
    }

    pub(crate) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for value in values.filter(|value| value.len() >= LEAST_BYTES) {
            let encoded = percent_encoded(value);
            if encoded != value {
                all.push(encoded);
            }
            all.push(value.to_string());
        }
        // One value may be a part of another.
        all.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(all)
    }

    /// The text without secret values.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), HIDDEN));
            }
        }
        text
    }

    /// A URL without credentials, secret values and values of its query.
    pub(crate) fn url(&self, url: &str) -> String {
        let url = self.name(url);
        let Some((path, query)) = url.split_once('?') else { return url };
        let mut out = path.to_string();
        for (place, pair) in query.split('&').enumerate() {
            out.push(if place == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, _)) => {
                    out.push_str(name);
                    out.push('=');
                    out.push_str(HIDDEN);
                }
                None if pair.is_empty() => {}
                // It may be a token as well as a name.
                None => out.push_str(HIDDEN),
            }
        }
        out
    }

    /// The name of a series without credentials and secret values: it is often a URL.
    pub(crate) fn name(&self, name: &str) -> String {
        let name = self.text(name);
        let Some(begin) = name.find("://").map(|at| at + 3) else { return name.into_owned() };
        let end = name[begin..].find(['/', '?', '#']).map_or(name.len(), |at| begin + at);
        match name[begin..end].rfind('@') {
            Some(at) => format!("{}{}", &name[..begin], &name[begin + at + 1..]),
            None => name.into_owned(),
        }
    }
}
