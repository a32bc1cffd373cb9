//! Cookies, as far as a test needs them: names and values of one site.

/// In order of their first setting.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<(String, String)>,
}

impl Jar {
    /// Takes a `Set-Cookie` value. An empty value, or `Max-Age=0`, removes the cookie.
    pub(super) fn set(&mut self, cookie: &str) -> Result<(), String> {
        let mut parts = cookie.split(';');
        let pair = parts.next().and_then(|pair| pair.split_once('='));
        let Some((name, value)) = pair.filter(|(name, _)| !name.trim().is_empty()) else {
            return Err(format!("`{cookie}` is no cookie such as `name=value; Path=/`"));
        };
        let (name, value) = (name.trim(), value.trim());
        let gone = parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        self.cookies.retain(|(known, _)| known != name || !(gone || value.is_empty()));
        if gone || value.is_empty() {
            return Ok(());
        }
        match self.cookies.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_string(),
            None => self.cookies.push((name.to_string(), value.to_string())),
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The `Cookie` header.
    pub(super) fn header(&self) -> Option<String> {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
    }

    pub(super) fn clear(&mut self) {
        self.cookies.clear();
    }
}
