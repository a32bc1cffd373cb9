//! Time, as the run sees it.

use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::host;

/// Since the start of the run.
pub fn elapsed() -> Duration {
    host::now()
}

/// Pauses this user inside a task. Between tasks the host waits: `wait = "1s..3s"`.
///
/// Fails if the run is stopping; `?` then ends the user.
pub fn sleep(span: Duration) -> Outcome {
    if span.is_zero() {
        return Ok(());
    }
    host::sleep(span).map_err(|()| Failure::StopUser("the run is stopping".to_string()))
}

/// `secs(1.5)`. Negative and endless spans are zero.
pub fn secs(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// `millis(20)`.
pub fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
