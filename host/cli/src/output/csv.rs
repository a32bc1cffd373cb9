//! Locust's four CSV files as a run goes on: their rows come from `loadhost_web::export`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::report::RunReport;
use loadhost_control::view::{FleetView, RunView, WorkerView};
use loadhost_model::id::RunId;
use loadhost_web::export::{
    Names, Results, exceptions_csv, failures_csv, history_head, history_rows, stats_csv, stats_head,
};
use tokio::sync::watch;

use super::{unwritable, write_file};
use crate::failure::Failure;

/// The files of one run.
pub(crate) struct CsvFiles {
    prefix: PathBuf,
    history: File,
    names: Names,
    /// Unix second of the last row of the history.
    last: u64,
}

impl CsvFiles {
    /// Makes the files, so that a path that cannot be written is known before the run.
    pub(crate) fn create(prefix: &Path, names: Names) -> Result<Self, Failure> {
        let path = file(prefix, "stats_history");
        let history = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        let mut files = Self { prefix: prefix.to_path_buf(), history, names, last: 0 };
        files.add_history(&history_head())?;
        files.write("stats", &stats_head())?;
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
        self.add_history(&history_rows(view, self.names, now))?;
        self.totals(&Results::so_far(view, &[], workers))
    }

    /// The final numbers.
    pub(crate) fn finish(mut self, report: &RunReport, results: &Results) -> Result<(), Failure> {
        let started = report.view.started.unwrap_or_default();
        let now =
            (Duration::from_micros(started) + report.view.elapsed).as_secs().max(self.last + 1);
        self.add_history(&history_rows(&report.view, self.names, now))?;
        self.totals(results)
    }

    fn totals(&self, results: &Results) -> Result<(), Failure> {
        self.write("stats", &stats_csv(results))?;
        self.write("failures", &failures_csv(results))?;
        self.write("exceptions", &exceptions_csv(results))
    }

    fn write(&self, kind: &str, text: &str) -> Result<(), Failure> {
        write_file(&file(&self.prefix, kind), text.as_bytes())
    }

    fn add_history(&mut self, text: &str) -> Result<(), Failure> {
        self.history
            .write_all(text.as_bytes())
            .map_err(|error| unwritable(&file(&self.prefix, "stats_history"), &error))
    }
}

fn file(prefix: &Path, kind: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_os_string();
    name.push(format!("_{kind}.csv"));
    name.into()
}

#[cfg(test)]
mod tests;
