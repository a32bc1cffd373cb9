//! Uploads are checked in a child of this program, as `loadhost check` does it: under limits of CPU, memory and
//! time, with nothing of this process's environment.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use loadhost_engine::scenario::{CheckReport, THIS_PROGRAM, digest_of};
use loadhost_web::workbench::{Checked, Fault, WorkbenchError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Children at a time; each may use a core and 2 GiB.
const AT_ONCE: usize = 2;
/// Uploads that are being checked or wait for it, at most.
const OPEN: usize = 16;
/// Of a child.
const TIME: Duration = Duration::from_secs(90);
/// What a child may answer: names of a scenario are capped, so this is never reached by one.
const ANSWER_BYTES: u64 = 8 << 20;

/// Takes uploads, so many at once.
pub(super) struct Checks {
    turns: Semaphore,
    open: AtomicUsize,
    refused: AtomicU64,
}

impl Default for Checks {
    fn default() -> Self {
        let (open, refused) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { turns: Semaphore::new(AT_ONCE), open, refused }
    }
}

/// One of those that are open.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Checks {
    /// Names and values of counters that only go up.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("upload_checks_refused", self.refused.load(Ordering::Relaxed))]
    }

    /// What these bytes are. Dropping the future ends the child.
    pub(super) async fn check(&self, wasm: Bytes) -> Result<Checked, WorkbenchError> {
        let _place = self.place()?;
        let failed = |error: String| WorkbenchError::Failed(error);
        let _turn = self.turns.acquire().await.map_err(|error| failed(error.to_string()))?;
        let (digest, size) = (digest_of(&wasm), wasm.len() as u64);
        let inside = tokio::time::timeout(TIME, report(wasm)).await;
        let (inspection, description, faults) = match inside {
            Ok(Ok(Some(report))) => taken_apart(report),
            Ok(Ok(None)) => {
                too_much("it needs too much CPU or memory to compile or to describe itself")
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => too_much("it was not compiled and described within 90 s"),
        };
        Ok(Checked { digest, size, description, inspection, faults })
    }

    fn place(&self) -> Result<Place<'_>, WorkbenchError> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.open);
        if before < OPEN {
            return Ok(place);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(WorkbenchError::Busy(before))
    }
}

/// None: the child ended before it could say.
async fn report(wasm: Bytes) -> std::io::Result<Option<CheckReport>> {
    let mut child = Command::new(THIS_PROGRAM)
        .args(["check-inside", "/dev/stdin"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A child that has ended says why by its answer, or has none.
            let _ = stdin.write_all(&wasm).await;
        }
    };
    let take = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
        }
        Ok::<_, std::io::Error>(answer)
    };
    let ((), answer) = tokio::join!(give, take);
    let answer = answer?;
    child.wait().await?;
    Ok(serde_json::from_slice(&answer).ok())
}

type Parts = (serde_json::Value, Option<loadhost_model::description::Description>, Vec<Fault>);

fn taken_apart(report: CheckReport) -> Parts {
    let inspection = serde_json::to_value(&report.inspection).unwrap_or_default();
    let fault = |code: &str, message: String| Fault {
        key: None,
        code: code.to_string(),
        message,
        hint: crate::scenario_file::code_of(code).remedy().to_string(),
    };
    let code = report.code.unwrap_or_default();
    let mut faults: Vec<_> = report
        .faults
        .iter()
        .map(|found| Fault { hint: String::new(), ..fault(&code, found.to_string()) })
        .collect();
    if faults.is_empty() {
        faults.extend(report.error.map(|error| fault(&code, error)));
    }
    (inspection, report.description, faults)
}

fn too_much(what: &str) -> Parts {
    let fault = Fault {
        key: None,
        code: "costly".to_string(),
        message: format!("the scenario cannot be checked: {what}"),
        hint: "make it smaller, and `describe` quick".to_string(),
    };
    (serde_json::Value::Null, None, vec![fault])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_uploads_than_can_wait_are_refused_and_counted() {
        let checks = Checks::default();
        let places: Vec<_> = (0..OPEN).map(|_| checks.place()).collect();
        assert!(places.iter().all(Result::is_ok));
        assert_eq!(checks.place().err(), Some(WorkbenchError::Busy(OPEN)));
        assert_eq!(checks.counters(), [("upload_checks_refused", 1)]);
        drop(places);
        assert!(checks.place().is_ok());
    }
}
