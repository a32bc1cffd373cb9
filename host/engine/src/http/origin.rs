//! Where a request goes: scheme, host and port.

use base64::Engine as _;
use url::{Host, Url};

use super::template::TemplateError;

/// Scheme, host and port. Connections belong to one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Encrypted.
    pub(super) secure: bool,
    /// Lower case; IPv6 addresses without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// For the `Host` header: with the port, if it is not the scheme's.
    pub(super) authority: String,
}

impl Origin {
    /// Of a URL of scheme `http` or `https`.
    pub(super) fn of(url: &Url) -> Option<Origin> {
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_string(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let shown = url.host_str()?;
        let authority = match url.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown.to_string(),
        };
        Some(Origin { secure, host, port: url.port_or_known_default()?, authority })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The absolute URL of a path at this origin.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, path)
    }
}

/// An origin as somebody wrote it, with the credentials that stood in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) origin: Origin,
    /// Value of `Authorization`.
    pub(super) authorization: Option<String>,
}

/// Splits `scheme://authority` from what follows. None: the text is relative.
pub(super) fn split_absolute(text: &str) -> Result<Option<(Site, &str)>, TemplateError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Ok(None);
    }
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(TemplateError::Scheme(scheme.to_string()));
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Ok(Some((parse_site(scheme, authority)?, path)))
}

fn parse_site(scheme: &str, authority: &str) -> Result<Site, TemplateError> {
    let text = format!("{scheme}://{authority}/");
    let fault = |why: String| TemplateError::Url { url: text.clone(), why };
    let url = Url::parse(&text).map_err(|error| fault(error.to_string()))?;
    let origin = Origin::of(&url).ok_or_else(|| fault("it has no host".to_string()))?;
    let authorization = (!url.username().is_empty() || url.password().is_some())
        .then(|| basic(&decode(url.username()), &decode(url.password().unwrap_or_default())));
    Ok(Site { origin, authorization })
}

/// The value of `Authorization` for user and password.
pub(super) fn basic(user: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

/// Undoes the percent-encoding of a user name or password.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn check(text: &str, authority: &str, port: u16, path: &str) {
        let (site, rest) = split_absolute(text).unwrap().unwrap();
        assert_eq!(
            (site.origin.authority.as_str(), site.origin.port, rest),
            (authority, port, path)
        );
    }

    #[test]
    fn absolute_urls_are_split_after_the_authority() {
        check("http://Example.COM/a?b", "example.com", 80, "/a?b");
        check("HTTPS://example.com:8443?x", "example.com:8443", 8443, "?x");
        check("http://[::1]:80", "[::1]", 80, "");
        check("http://user:pa%20ss@h/", "h", 80, "/");
    }

    #[test]
    fn credentials_in_the_url_become_a_header() {
        let (site, _) = split_absolute("http://user:pa%20ss@h/").unwrap().unwrap();
        assert_eq!(site.authorization.as_deref(), Some("Basic dXNlcjpwYSBzcw=="));
    }

    #[test]
    fn other_texts_are_relative_or_refused() {
        assert_eq!(split_absolute("/redirect?to=http://x/").unwrap(), None);
        assert!(split_absolute("ftp://x/").is_err());
        assert!(split_absolute("http:///x").is_err());
        assert!(split_absolute("http://a b/").is_err());
    }
}
