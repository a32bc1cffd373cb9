//! Which page a request comes from, and under which name it asks for us.

use axum::http::{HeaderMap, header};

use super::session::Wire;

/// Whose page asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Ours, or the user's own address line.
    Ours,
    /// Another site's, or one that hides it.
    Foreign,
    /// Not said: no browser of today asks for a change so.
    Unsaid,
}

/// By `Sec-Fetch-Site`, which no page can forge; else by `Origin` against `Host`, and, where we know of TLS, `https`.
pub(super) fn origin(headers: &HeaderMap, wire: Wire) -> Origin {
    let mut said = headers.get_all("sec-fetch-site").iter();
    if let Some(site) = said.next() {
        let ours = matches!(site.as_bytes(), b"same-origin" | b"none");
        return if ours && said.next().is_none() { Origin::Ours } else { Origin::Foreign };
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Unsaid };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let page = origin.to_str().ok().and_then(|text| text.split_once("://"));
    // Where it is plain, a proxy that we do not know may have taken TLS off.
    let is_fine = |scheme: &str| wire == Wire::Plain || scheme.eq_ignore_ascii_case("https");
    match (page, host) {
        (Some((scheme, page)), Some(host))
            if page.eq_ignore_ascii_case(host) && is_fine(scheme) =>
        {
            Origin::Ours
        }
        _ => Origin::Foreign,
    }
}

/// Whether the name that was asked for can only be this machine: a page that a browser has open
/// must not speak to us under its own name (DNS rebinding).
pub(super) fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return true; // No browser leaves it out.
    };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let ours = name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ours && hosts.next().is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_request_says_whose_page_it_comes_from() {
        use Origin::*;
        let host = ("host", "load.example:8089");
        for (lines, expected) in [
            (vec![host], Unsaid),
            (vec![host, ("sec-fetch-site", "same-origin")], Ours),
            (vec![host, ("sec-fetch-site", "none")], Ours),
            (vec![host, ("sec-fetch-site", "same-site")], Foreign),
            (vec![host, ("sec-fetch-site", "cross-site")], Foreign),
            (vec![host, ("sec-fetch-site", "new-word")], Foreign),
            (
                vec![host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                Foreign,
            ),
            (
                vec![
                    host,
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://load.example:8089"),
                ],
                Foreign,
            ),
            (vec![host, ("origin", "http://load.example:8089")], Ours),
            (vec![host, ("origin", "https://LOAD.example:8089")], Ours),
            (vec![host, ("origin", "http://load.example")], Foreign),
            (vec![host, ("origin", "http://load.example:8089.evil.example")], Foreign),
            (vec![host, ("origin", "null")], Foreign),
            (vec![host, ("origin", "")], Foreign),
            (vec![("origin", "http://load.example:8089")], Foreign),
        ] {
            assert_eq!(origin(&of(&lines), Wire::Plain), expected, "{lines:?}");
        }
        let here = |page| of(&[host, ("origin", page)]);
        let encrypted = |page| origin(&here(page), Wire::Encrypted);
        assert_eq!(encrypted("https://load.example:8089"), Ours);
        assert_eq!(encrypted("http://load.example:8089"), Foreign, "the same name without TLS");
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in
            ["127.0.0.1:8089", "127.9.9.9", "localhost", "LOCALHOST:1", "[::1]:8089", "[::1]"]
        {
            assert!(names_this_machine(&of(&[("host", own)])), "{own}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "127.0.0.1.evil.example",
            "[::2]",
        ] {
            assert!(!names_this_machine(&of(&[("host", foreign)])), "{foreign}");
        }
        assert!(!names_this_machine(&of(&[("host", "localhost"), ("host", "evil.example")])));
    }
}
