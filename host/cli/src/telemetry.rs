//! Logs to stderr: text for people, JSON for machines.

use std::io::IsTerminal;

use loadhost_web::access::AUDIT_TARGET;
use tracing_subscriber::EnvFilter;

use crate::config::{Effective, refuse};
use crate::failure::Failure;

/// It logs several errors a second for as long as the broker is away.
const CLIENT: &str = "async_nats";

/// From here on, logs go out as `log-level` and `log-format` say.
pub(crate) fn start(settings: &Effective) -> Result<(), Failure> {
    let (Some(level), Some(format)) = (settings.item("log-level"), settings.item("log-format"))
    else {
        return Ok(());
    };
    // What the client of the broker says, this program says once, in its own words: it is heard if asked for by name.
    let quiet = if level.text.contains(CLIENT) { "" } else { ",async_nats=off" };
    let audit = if level.text.contains(AUDIT_TARGET) { "" } else { ",audit=info" };
    let filter = EnvFilter::try_new(format!("{}{quiet}{audit}", level.text)).map_err(|error| {
        refuse("log-level", level, &format!("{error}; give error, warn, info, debug or trace"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second start, as in tests, changes nothing.
    let _ = match format.text.as_str() {
        "json" => builder.json().try_init(),
        "text" => builder.with_ansi(coloured).try_init(),
        _ => return Err(refuse("log-format", format, "it is `text` or `json`")),
    };
    Ok(())
}
