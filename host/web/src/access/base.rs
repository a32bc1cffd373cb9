//! The path that a proxy puts before all of ours (`--web-base-path`).
//!
//! It is taken off before routing, so routes do not know it. What health checks ask is answered
//! also without it, since they rarely go through the proxy.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

const LONGEST: usize = 200;
/// Answered also without the base path.
const BARE: &[&str] = &["/health", "/ready", "/metrics"];

/// `/` or `/some/where`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BasePath(String);

/// Not a base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no base path; write it like /loadhost, of letters, digits, `-`, `_`, `.`, `~` and `/`"
)]
pub struct NoBasePath(String);

impl FromStr for BasePath {
    type Err = NoBasePath;

    fn from_str(text: &str) -> Result<Self, NoBasePath> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(fits);
        let good = match bare.strip_prefix('/') {
            None => bare.is_empty(),
            Some(parts) => parts.split('/').all(is_part) && text.len() <= LONGEST,
        };
        match good {
            true => Ok(Self(bare.into())),
            false => Err(NoBasePath(text.chars().take(LONGEST).collect())),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// Asked so inside.
    Inside(Uri),
    /// The base path without the slash, which relative addresses need.
    Redirect(String),
    /// Somebody else's.
    Outside,
}

impl BasePath {
    /// Nothing stands before our paths.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// With a slash at its end.
    pub fn with_slash(&self) -> String {
        format!("{}/", self.0)
    }

    pub(super) fn cookie_path(&self) -> &str {
        if self.is_root() { "/" } else { &self.0 }
    }

    /// Takes the base path off.
    pub(super) fn strip(&self, uri: &Uri) -> Under {
        let path = uri.path();
        if self.is_root() || BARE.contains(&path) {
            return Under::Inside(uri.clone());
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        match path.strip_prefix(self.0.as_str()) {
            Some("") => Under::Redirect(format!("{}/{query}", self.0)),
            Some(rest) if rest.starts_with('/') => {
                let mut parts = uri.clone().into_parts();
                parts.path_and_query = PathAndQuery::try_from(format!("{rest}{query}")).ok();
                Uri::from_parts(parts).map_or(Under::Outside, Under::Inside)
            }
            _ => Under::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_base_path_is_one_or_is_refused() {
        for (text, kept) in
            [("", ""), ("/", ""), ("/loadhost", "/loadhost"), ("/a/b-c_d.e~1/", "/a/b-c_d.e~1")]
        {
            assert_eq!(text.parse::<BasePath>().unwrap().to_string(), kept, "{text}");
        }
        let long = format!("/{}", "x".repeat(LONGEST));
        for text in [
            "loadhost",
            "//",
            "/a//b",
            "/../a",
            "/a/.",
            "/a b",
            "/a;Path=/",
            "/a\r\nx: y",
            "/é",
            &long,
        ] {
            assert!(text.parse::<BasePath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_base_path_is_taken_off_and_nothing_else() {
        let base: BasePath = "/load/host".parse().unwrap();
        let inside = |text: &str| Under::Inside(text.parse().unwrap());
        for (asked, becomes) in [
            ("/load/host/", inside("/")),
            ("/load/host/api/v1/runs?limit=3", inside("/api/v1/runs?limit=3")),
            ("/load/host//evil.example", inside("//evil.example")),
            ("/load/host", Under::Redirect("/load/host/".into())),
            ("/load/host?lang=zh", Under::Redirect("/load/host/?lang=zh".into())),
            ("/load/hostel", Under::Outside),
            ("/", Under::Outside),
            ("/api/v1/runs", Under::Outside),
            ("/health", inside("/health")),
            ("/load/host/health", inside("/health")),
        ] {
            let uri: Uri = asked.parse().unwrap();
            let found = base.strip(&uri);
            match (&found, &becomes) {
                // `Uri` reads `//evil.example` as a path here, as it does on the wire.
                (Under::Inside(found), Under::Inside(becomes)) => {
                    assert_eq!(found.path_and_query(), becomes.path_and_query(), "{asked}")
                }
                _ => assert_eq!(found, becomes, "{asked}"),
            }
        }
    }
}
