//! Locust's four CSV files, so that what reads those reads ours.
//!
//! Headers, row order and line ends are Locust's. Times are milliseconds to the microsecond where
//! Locust rounds to two digits.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::report::RunReport;
use loadhost_control::view::{FleetView, HttpRow, RunView, Times, WorkerView};
use loadhost_model::id::RunId;
use loadhost_model::interval::Origin;
use tokio::sync::watch;

use super::{unwritable, write_file};
use crate::failure::Failure;

const PERCENTILES: [&str; 11] =
    ["50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%"];

/// The files of one run.
pub(crate) struct CsvFiles {
    prefix: PathBuf,
    history: ::csv::Writer<File>,
    names: Names,
    /// Unix second of the last row of the history.
    last: u64,
}

/// Which names the history has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// All together.
    Total,
    /// Each, then all together.
    Each,
}

impl CsvFiles {
    /// Makes the files, so that a path that cannot be written is known before the run.
    pub(crate) fn create(prefix: &Path, names: Names) -> Result<Self, Failure> {
        let path = file(prefix, "stats_history");
        let opened = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        let mut history = writer(opened);
        let head = ["Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s"];
        let tail = [
            "Total Request Count",
            "Total Failure Count",
            "Total Median Response Time",
            "Total Average Response Time",
            "Total Min Response Time",
            "Total Max Response Time",
            "Total Average Content Size",
        ];
        let made = history
            .write_record(head.into_iter().chain(PERCENTILES).chain(tail))
            .and_then(|()| Ok(history.flush()?));
        made.map_err(|error| unwritable(&path, &std::io::Error::other(error)))?;
        let files = Self { prefix: prefix.to_path_buf(), history, names, last: 0 };
        files.write("stats", &[stats_head()])?;
        Ok(files)
    }

    /// Writes each second, until the run is over or the coordinator is gone.
    pub(crate) async fn follow(
        mut self,
        run: RunId,
        mut views: watch::Receiver<Arc<FleetView>>,
    ) -> (Self, Result<(), Failure>) {
        loop {
            let view = views.borrow_and_update().clone();
            let written = view.run(&run).map_or(Ok(()), |run| self.second(run, &view.workers));
            let over = view.run(&run).is_some_and(|run| run.ended.is_some());
            if written.is_err() || over || views.changed().await.is_err() {
                return (self, written);
            }
        }
    }

    /// One more row of the history, at most one a second; the other files anew.
    fn second(&mut self, view: &RunView, workers: &[WorkerView]) -> Result<(), Failure> {
        let Some(started) = view.started else { return Ok(()) };
        let now = (Duration::from_micros(started) + view.elapsed).as_secs();
        if now <= self.last {
            return Ok(());
        }
        self.last = now;
        self.history_rows(view, now)?;
        self.totals(view, workers)
    }

    /// The final numbers.
    pub(crate) fn finish(
        mut self,
        report: &RunReport,
        workers: &[WorkerView],
    ) -> Result<(), Failure> {
        let started = report.view.started.unwrap_or_default();
        let now =
            (Duration::from_micros(started) + report.view.elapsed).as_secs().max(self.last + 1);
        self.history_rows(&report.view, now)?;
        self.totals(&report.view, workers)
    }

    fn totals(&self, view: &RunView, workers: &[WorkerView]) -> Result<(), Failure> {
        self.write("stats", &stats(view))?;
        self.write("failures", &failures(view))?;
        self.write("exceptions", &exceptions(view, workers))
    }

    fn write(&self, kind: &str, rows: &[Vec<String>]) -> Result<(), Failure> {
        let path = file(&self.prefix, kind);
        let mut text = writer(Vec::new());
        let made = rows.iter().try_for_each(|row| text.write_record(row));
        let bytes = made.ok().and_then(|()| text.into_inner().ok()).unwrap_or_default();
        write_file(&path, &bytes)
    }

    fn history_rows(&mut self, view: &RunView, now: u64) -> Result<(), Failure> {
        let each: &[HttpRow] = if self.names == Names::Each { &view.rows } else { &[] };
        for row in each.iter().chain([&view.total]) {
            let written = self.history.write_record(history_row(view, row, now));
            written.map_err(|error| {
                unwritable(&file(&self.prefix, "stats_history"), &std::io::Error::other(error))
            })?;
        }
        self.history
            .flush()
            .map_err(|error| unwritable(&file(&self.prefix, "stats_history"), &error))
    }
}

fn writer<W: Write>(to: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).flexible(true).from_writer(to)
}

fn file(prefix: &Path, kind: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_os_string();
    name.push(format!("_{kind}.csv"));
    name.into()
}

fn stats_head() -> Vec<String> {
    let head = [
        "Type",
        "Name",
        "Request Count",
        "Failure Count",
        "Median Response Time",
        "Average Response Time",
        "Min Response Time",
        "Max Response Time",
        "Average Content Size",
        "Requests/s",
        "Failures/s",
    ];
    head.into_iter().chain(PERCENTILES).map(str::to_string).collect()
}

fn stats(view: &RunView) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = view.rows.iter().collect();
    rows.sort_by(|a, b| (&a.name, &a.method).cmp(&(&b.name, &b.method)));
    let rows = rows.into_iter().chain([&view.total]).map(|row| {
        let counts = [
            row.method.to_string(),
            name(row).to_string(),
            row.requests.to_string(),
            row.failures.to_string(),
        ];
        let rates = [row.rps.to_string(), row.fps.to_string()];
        counts.into_iter().chain(sums(row)).chain(rates).chain(percentiles(row, "0")).collect()
    });
    std::iter::once(stats_head()).chain(rows).collect()
}

fn name(row: &HttpRow) -> &str {
    // The sum of all; a row without a name would not be found by readers.
    if row.method.is_empty() && row.name.is_empty() { "Aggregated" } else { &row.name }
}

fn history_row(view: &RunView, row: &HttpRow, now: u64) -> Vec<String> {
    let head = [
        now.to_string(),
        view.users.to_string(),
        row.method.to_string(),
        name(row).to_string(),
        format!("{:.6}", row.current_rps),
        format!("{:.6}", row.current_fps),
    ];
    let totals = [row.requests.to_string(), row.failures.to_string()];
    head.into_iter().chain(percentiles(row, "N/A")).chain(totals).chain(sums(row)).collect()
}

/// Median, mean, least, greatest, mean size.
fn sums(row: &HttpRow) -> [String; 5] {
    let of = |pick: fn(&Times) -> f64| {
        row.response_time.as_ref().map_or_else(|| "0".to_string(), |times| number(pick(times)))
    };
    [
        of(|times| times.p50 as f64),
        of(|times| times.mean),
        of(|times| times.min as f64),
        of(|times| times.max as f64),
        row.mean_body_bytes.to_string(),
    ]
}

fn percentiles(row: &HttpRow, nothing: &str) -> [String; 11] {
    let Some(times) = &row.response_time else {
        return std::array::from_fn(|_| nothing.to_string());
    };
    [
        times.p50,
        times.p66,
        times.p75,
        times.p80,
        times.p90,
        times.p95,
        times.p98,
        times.p99,
        times.p99_9,
        times.p99_99,
        times.max,
    ]
    .map(|micros| number(micros as f64))
}

/// Microseconds as milliseconds, as short as they can be said.
fn number(micros: f64) -> String {
    (micros / 1e3).to_string()
}

fn failures(view: &RunView) -> Vec<Vec<String>> {
    let head =
        ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"].map(str::to_string);
    let rows = view.errors.iter().filter_map(|error| {
        let Origin::Request { method, name } = &error.origin else { return None };
        let at = |offset: Duration| {
            let micros = u64::try_from(offset.as_micros()).unwrap_or_default();
            timestamp(view.started.unwrap_or_default() + micros)
        };
        let text = [method, name, &error.message].map(ToString::to_string);
        let seen = [error.count.to_string(), at(error.first), at(error.last)];
        Some(text.into_iter().chain(seen).collect())
    });
    std::iter::once(head.into()).chain(rows).collect()
}

fn exceptions(view: &RunView, workers: &[WorkerView]) -> Vec<Vec<String>> {
    let head = ["Count", "Message", "Traceback", "Nodes"].map(str::to_string);
    let nodes: Vec<_> = workers.iter().map(|worker| worker.worker.as_str()).collect();
    let nodes = if nodes.is_empty() { "local".to_string() } else { nodes.join(", ") };
    let rows = view.errors.iter().filter_map(|error| {
        let Origin::Task { user_type, task } = &error.origin else { return None };
        let message = format!("{user_type}.{task}: {}", error.message);
        Some(vec![error.count.to_string(), message, error.detail.to_string(), nodes.clone()])
    });
    std::iter::once(head.into()).chain(rows).collect()
}

/// `2026-11-22T07:04:04Z`
pub(crate) fn timestamp(unix_micros: u64) -> String {
    let seconds = i64::try_from(unix_micros / 1_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
