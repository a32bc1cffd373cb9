//! Cookies of one user.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cookie_store::CookieStore;
use tokio::time::Instant;
use url::Url;

use super::origin::Origin;

/// Cookies of one user at most; RFC 6265 asks for 3000 of a browser, and sites use a dozen.
const MAX_COOKIES: usize = 300;
/// Name, value and attributes of one cookie at most.
const MAX_COOKIE_BYTES: usize = 8 << 10;
/// How long a cookie with an expiry may be sent after it, because its line is prepared.
const VIEW_LIFE: Duration = Duration::from_millis(100);

/// The cookies of one user. Empty until the first one is set.
#[derive(Debug, Default)]
pub(super) struct Jar {
    store: Option<Box<CookieStore>>,
    view: Option<CachedView>,
}

#[derive(Debug)]
struct CachedView {
    origin: Arc<Origin>,
    view: Arc<View>,
    /// None: until the jar changes.
    until: Option<Instant>,
}

/// The cookies of one origin, ready to be sent: path and `name=value`, longest paths first.
#[derive(Debug, Default)]
pub(super) struct View {
    cookies: Vec<(String, String)>,
}

impl Jar {
    /// What goes to this origin. None: nothing.
    pub(super) fn view(&mut self, origin: &Arc<Origin>) -> Option<Arc<View>> {
        let store = self.store.as_deref()?;
        let fresh = self.view.as_ref().filter(|cached| {
            (Arc::ptr_eq(&cached.origin, origin) || cached.origin == *origin)
                && cached.until.is_none_or(|until| Instant::now() < until)
        });
        if let Some(cached) = fresh {
            return Some(Arc::clone(&cached.view));
        }
        let url = Url::parse(&origin.url("/")).ok()?;
        let mut cookies = Vec::new();
        let mut expires = false;
        for cookie in store.iter_unexpired() {
            let is_secret = cookie.secure().unwrap_or(false) && !origin.secure;
            if cookie.domain.matches(&url) && !is_secret {
                expires |= cookie.is_persistent();
                let (name, value) = cookie.name_value();
                cookies.push((String::from(&cookie.path), format!("{name}={value}")));
            }
        }
        // The store is a hash map, so without the text the order would vary from run to run.
        cookies.sort_by(|a, b| (b.0.len(), &a.1).cmp(&(a.0.len(), &b.1)));
        let view = Arc::new(View { cookies });
        let until = expires.then(|| Instant::now() + VIEW_LIFE);
        self.view = Some(CachedView { origin: Arc::clone(origin), view: Arc::clone(&view), until });
        Some(view)
    }

    /// Takes a `Set-Cookie` value that this URL answered with. An error says why not.
    pub(super) fn set(&mut self, url: &Url, cookie: &str) -> Result<(), String> {
        if cookie.len() > MAX_COOKIE_BYTES {
            return Err(format!("cookie is longer than {MAX_COOKIE_BYTES} bytes"));
        }
        if cookie.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err("cookie has control characters".to_string());
        }
        let store = self.store.get_or_insert_with(Box::default);
        if store.iter_any().count() >= MAX_COOKIES {
            return Err(format!("user has {MAX_COOKIES} cookies already"));
        }
        self.view = None;
        match store.parse(cookie, url) {
            // An expired cookie that is not there has done its work.
            Ok(_) | Err(cookie_store::CookieError::Expired) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The value of a cookie that would be sent to this URL.
    pub(super) fn get(&self, url: &Url, name: &str) -> Option<String> {
        let store = self.store.as_deref()?;
        let mut found: Vec<_> =
            store.matches(url).into_iter().filter(|cookie| cookie.name() == name).collect();
        found.sort_by_key(|cookie| std::cmp::Reverse(String::from(&cookie.path).len()));
        found.first().map(|cookie| cookie.value().to_string())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl View {
    /// Appends the `Cookie` line, if there is any cookie for the path, which stands in the
    /// request already.
    pub(super) fn write(&self, path: Range<usize>, out: &mut Vec<u8>) {
        let mut written = false;
        for (prefix, pair) in &self.cookies {
            if path_matches(prefix.as_bytes(), &out[path.clone()]) {
                out.extend_from_slice(if written { b"; " } else { b"Cookie: " });
                out.extend_from_slice(pair.as_bytes());
                written = true;
            }
        }
        if written {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// RFC 6265, 5.1.4.
fn path_matches(prefix: &[u8], path: &[u8]) -> bool {
    let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
    path.starts_with(prefix)
        && (path.len() == prefix.len() || prefix.ends_with(b"/") || path[prefix.len()] == b'/')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn line(jar: &mut Jar, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        let origin = Arc::new(Origin::of(&url).unwrap());
        let mut out = url.path().as_bytes().to_vec();
        if let Some(view) = jar.view(&origin) {
            view.write(0..out.len(), &mut out);
        }
        String::from_utf8(out.split_off(url.path().len())).unwrap()
    }

    fn jar(cookies: &[(&str, &str)]) -> Jar {
        let mut jar = Jar::default();
        for (url, cookie) in cookies {
            let _ = jar.set(&Url::parse(url).unwrap(), cookie);
        }
        jar
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = jar(&[
            ("http://a.test/login", "s=1; Path=/; HttpOnly"),
            ("http://a.test/api/x", "deep=2"),
            ("https://a.test/", "secret=3; Secure; Path=/"),
            ("http://sub.a.test/", "wide=4; Domain=a.test; Path=/"),
            ("http://a.test/", "foreign=5; Domain=b.test"),
            ("http://a.test/", "gone=6; Max-Age=0"),
        ]);
        for (url, expected) in [
            ("http://a.test/", "Cookie: s=1; wide=4\r\n"),
            ("http://a.test/api", "Cookie: deep=2; s=1; wide=4\r\n"),
            ("http://a.test/api/y", "Cookie: deep=2; s=1; wide=4\r\n"),
            ("http://a.test/apix", "Cookie: s=1; wide=4\r\n"),
            ("https://a.test/", "Cookie: s=1; secret=3; wide=4\r\n"),
            ("http://sub.a.test/", "Cookie: wide=4\r\n"),
            ("http://b.test/", ""),
        ] {
            assert_eq!(line(&mut jar, url), expected, "{url}");
        }
    }

    #[test]
    fn a_change_is_seen_at_once() {
        let mut jar = jar(&[("http://a.test/", "s=1")]);
        assert_eq!(line(&mut jar, "http://a.test/"), "Cookie: s=1\r\n");
        jar.set(&Url::parse("http://a.test/").unwrap(), "s=2").unwrap();
        assert_eq!(line(&mut jar, "http://a.test/"), "Cookie: s=2\r\n");
        assert_eq!(jar.get(&Url::parse("http://a.test/x").unwrap(), "s").unwrap(), "2");
        jar.set(&Url::parse("http://a.test/").unwrap(), "s=; Max-Age=0").unwrap();
        assert_eq!(line(&mut jar, "http://a.test/"), "");
        jar.clear();
        assert!(jar.store.is_none());
    }

    #[test]
    fn cookies_are_bounded() {
        let mut jar = Jar::default();
        let url = Url::parse("http://a.test/").unwrap();
        for n in 0..MAX_COOKIES {
            jar.set(&url, &format!("c{n}=x")).unwrap();
        }
        assert!(jar.set(&url, "more=x").is_err());
        assert!(Jar::default().set(&url, &format!("c={}", "x".repeat(9000))).is_err());
        assert!(Jar::default().set(&url, "c=x\r\nEvil: 1").is_err());
    }
}
