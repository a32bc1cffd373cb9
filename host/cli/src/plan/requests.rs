//! How requests are sent.

use loadhost_model::plan::HttpSettings;

use crate::config::{Effective, refuse, refuse_secret};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Files of certificates are read here, so that a plan can travel.
pub(super) fn http(settings: &Effective) -> Result<HttpSettings, Failure> {
    let usual = HttpSettings::default();
    Ok(HttpSettings {
        timeout: settings.duration("timeout")?.unwrap_or(usual.timeout),
        connect_timeout: settings.duration("connect-timeout")?.unwrap_or(usual.connect_timeout),
        first_byte_timeout: settings.duration("first-byte-timeout")?,
        max_redirects: settings.number("max-redirects")?.unwrap_or(usual.max_redirects),
        insecure: settings.switch("insecure")?,
        extra_roots: settings.item("ca").map(|_| read(settings, "ca")).transpose()?,
        client_identity: client_identity(settings)?,
        host_overrides: settings
            .items("resolve")
            .iter()
            .map(|item| (item.name.clone().unwrap_or_default(), item.text.clone()))
            .collect(),
        dns_ttl: settings.duration("dns-ttl")?.unwrap_or(usual.dns_ttl),
        headers: headers(settings)?,
        user_agent: settings.text("user-agent").unwrap_or(usual.user_agent),
        basic_auth: basic_auth(settings)?,
        bearer: settings.text("bearer"),
        allow_hosts: settings.texts("allow-hosts"),
        keep_alive: !settings.switch("no-keep-alive")?,
    })
}

fn read(settings: &Effective, key: &str) -> Result<String, Failure> {
    let path = settings.path(key).unwrap_or_default();
    std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            ExitCode::Configuration,
            format!("`{key}`: `{}` cannot be read", path.display()),
        )
        .because(&error)
        .hint("give the path of a PEM file")
    })
}

fn client_identity(settings: &Effective) -> Result<Option<String>, Failure> {
    match (settings.item("cert"), settings.item("key")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Ok(Some(format!("{}\n{}", read(settings, "cert")?, read(settings, "key")?)))
        }
        (Some(item), None) => Err(refuse("cert", item, "it needs `--key` as well")),
        (None, Some(item)) => Err(refuse("key", item, "it needs `--cert` as well")),
    }
}

fn headers(settings: &Effective) -> Result<Vec<(String, String)>, Failure> {
    let pair = |item: &crate::config::Item| {
        let (name, value) = item.text.split_once(':').ok_or_else(|| {
            refuse_secret("headers", item, "a header is written as `NAME: VALUE`")
        })?;
        Ok((name.trim().to_string(), value.trim().to_string()))
    };
    settings.items("headers").iter().map(pair).collect()
}

fn basic_auth(settings: &Effective) -> Result<Option<(String, String)>, Failure> {
    let Some(item) = settings.item("basic-auth") else { return Ok(None) };
    let (user, password) = item
        .text
        .split_once(':')
        .ok_or_else(|| refuse_secret("basic-auth", item, "it is written as `USER:PASSWORD`"))?;
    Ok(Some((user.to_string(), password.to_string())))
}
