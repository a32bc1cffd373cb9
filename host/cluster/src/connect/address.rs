//! One URL of a broker, taken apart into the address and the secrets.

use async_nats::ServerAddr;

use super::ConnectError;

/// Where to connect, and as whom.
#[derive(Clone)]
pub(super) struct Address {
    /// Without secrets, since the client logs it.
    pub(super) server: ServerAddr,
    /// Without secrets, for people.
    pub(super) shown: String,
    /// `nats://user:password@…`
    pub(super) user: Option<(String, String)>,
    /// `nats://token@…`
    pub(super) token: Option<String>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, ConnectError> {
        let bad = |reason: String| ConnectError::BadAddress { address: redacted(text), reason };
        let given: ServerAddr =
            text.parse().map_err(|error: std::io::Error| bad(error.to_string()))?;
        if given.host().is_empty() {
            return Err(bad("the host is missing".into()));
        }
        let host = if given.host().contains(':') {
            format!("[{}]", given.host())
        } else {
            given.host().to_string()
        };
        let shown = format!("{}://{host}:{}", given.scheme(), given.port());
        let server = shown.parse().map_err(|error: std::io::Error| bad(error.to_string()))?;
        let name = given.username().map(percent_decoded);
        let password = given.password().map(percent_decoded);
        let (user, token) = match (name, password) {
            (Some(name), Some(password)) => (Some((name, password)), None),
            (name, _) => (None, name),
        };
        Ok(Self { server, shown, user, token })
    }
}

/// Without what may be a secret, even if the text is no URL at all.
fn redacted(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{after}"),
            None => format!("***@{after}"),
        },
        None => text.to_string(),
    }
}

/// `%40` → `@`. What is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(hex);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn check(text: &str, shown: &str, user: Option<(&str, &str)>, token: Option<&str>) {
        let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.shown, shown, "{text}");
        assert_eq!(address.server.as_url_str().trim_end_matches('/'), shown, "{text}");
        let found = address.user.as_ref().map(|(user, pass)| (user.as_str(), pass.as_str()));
        assert_eq!((found, address.token.as_deref()), (user, token), "{text}");
    }

    #[test]
    fn secrets_leave_the_address() {
        check("10.0.0.5", "nats://10.0.0.5:4222", None, None);
        check("nats://h:1", "nats://h:1", None, None);
        check("tls://u:p@h:1", "tls://h:1", Some(("u", "p")), None);
        check("nats://u:p%40ss@h:1", "nats://h:1", Some(("u", "p@ss")), None);
        check("nats://t0k3n@[::1]:1", "nats://[::1]:1", None, Some("t0k3n"));
    }

    #[test]
    fn an_address_that_is_none_does_not_give_its_secrets_away() {
        for text in ["http://user:hunter2@h", "nats://user:hunter2@h:port", "user:hunter2@"] {
            let error = Address::parse(text).map(|a| a.shown).expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
