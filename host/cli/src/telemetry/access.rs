//! The access log: a line of JSON for each request, as `deploy/logging/access-line.schema.json` says.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use loadhost_engine::watch::{AccessEntry, AccessLog};
use serde::Serialize;
use tokio::sync::mpsc;

use super::file::{LogFile, Steady};
use super::outlet::Account;

/// Entries that are written at once.
const TOGETHER: usize = 512;

/// Writes what an [`AccessLog`] tells, on a thread of its own.
pub(crate) struct AccessWriter {
    log: AccessLog,
    path: PathBuf,
    account: Account,
    /// Disconnected once all is written.
    ended: Receiver<()>,
}

impl AccessWriter {
    /// Starts the thread, which ends with the last clone of the log but its own.
    pub(crate) fn start(file: LogFile, path: PathBuf) -> std::io::Result<(AccessLog, Self)> {
        let (log, mut entries) = AccessLog::new();
        let account = Account::default();
        let mut file = Steady::new(file, "access log");
        let passed = account.clone();
        let (end, ended) = channel::<()>();
        std::thread::Builder::new().name("access-log".to_string()).spawn(move || {
            write(&mut entries, &mut file, &passed);
            drop(end);
        })?;
        Ok((log.clone(), Self { log, path, account, ended }))
    }

    /// Waits until what was told is written, but no longer than `patience`, and says what is missing. Users
    /// and their requests are gone by now.
    pub(crate) fn finish(self, patience: Duration) {
        let (dropped, told) = (self.log.dropped(), self.log.told());
        drop(self.log);
        let _ = self.ended.recv_timeout(patience);
        let path = self.path.display();
        if dropped > 0 {
            say!(
                "warning: {dropped} requests are not in the access log `{path}`: they came faster than it \
                 could be written (access_log_dropped)"
            );
        }
        let lost = self.account.missing(told);
        if lost > 0 {
            say!(
                "warning: {lost} requests are not in the access log `{path}`: it could not be written"
            );
        }
    }
}

fn write(entries: &mut mpsc::Receiver<AccessEntry>, file: &mut Steady, account: &Account) {
    let mut lines = Vec::with_capacity(TOGETHER);
    while let Some(entry) = entries.blocking_recv() {
        lines.extend(line(&entry));
        while lines.len() < TOGETHER
            && let Ok(entry) = entries.try_recv()
        {
            lines.extend(line(&entry));
        }
        account.pass(lines.len(), file.write(&lines));
        lines.clear();
    }
}

/// What is unknown is null, so that each line has the same fields.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    run: &'a str,
    worker: &'a str,
    vu: Option<u64>,
    user_type: Option<&'a str>,
    method: &'a str,
    name: &'a str,
    url: &'a str,
    status: Option<u16>,
    bytes: u64,
    bytes_sent: u64,
    service_time_us: u64,
    response_time_us: u64,
    error: Option<&'a str>,
    reason: Option<&'a str>,
}

/// With its end. Strings and numbers can always be written.
fn line(entry: &AccessEntry) -> Option<Vec<u8>> {
    let failure = entry.failure.as_ref();
    let line = Line {
        time: humantime::format_rfc3339_micros(entry.time).to_string(),
        run: &entry.run,
        worker: &entry.worker,
        vu: entry.vu,
        user_type: Some(&*entry.user_type).filter(|name| !name.is_empty()),
        method: &entry.method,
        name: &entry.name,
        url: &entry.url,
        status: entry.status,
        bytes: entry.bytes_received,
        bytes_sent: entry.bytes_sent,
        service_time_us: entry.service_time_us,
        response_time_us: entry.response_time_us,
        error: failure.map(|(code, _)| *code),
        reason: failure.map(|(_, why)| why.as_str()),
    };
    let mut text = serde_json::to_vec(&line).ok()?;
    text.push(b'\n');
    Some(text)
}
