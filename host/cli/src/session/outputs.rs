//! What is asked for beside the exit code.

use std::path::PathBuf;

use loadhost_control::RunReport;
use loadhost_control::view::WorkerView;
use loadhost_web::export::{HtmlOptions, Names, Results, compare, html, junit};

use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::compare::{read_baseline, text};
use crate::output::csv::CsvFiles;
use crate::output::summary::summary;
use crate::output::{print, probe, write_file};
use crate::progress::{Broker, Show};

/// Where results go.
pub(crate) struct Outputs {
    pub(crate) show: Show,
    /// Whose outages are shown.
    pub(crate) broker: Option<Broker>,
    summary: bool,
    json: Option<Json>,
    csv: Option<(PathBuf, Names)>,
    html: Option<PathBuf>,
    junit: Option<PathBuf>,
    baseline: Option<Box<Results>>,
    fail_on_regression: bool,
}

enum Json {
    Stdout,
    File(PathBuf),
}

impl Outputs {
    /// As the settings say. Files that cannot be written are refused now, not after the run.
    pub(crate) fn new(settings: &Effective) -> Result<Self, Failure> {
        let quiet = settings.switch("quiet")?;
        let json = settings
            .path("json")
            .map(|path| if path.as_os_str() == "-" { Json::Stdout } else { Json::File(path) });
        let names = if settings.switch("csv-full-history")? { Names::Each } else { Names::Total };
        let (html, junit) = (settings.path("html"), settings.path("junit"));
        if let Some(Json::File(path)) = &json {
            probe(path)?;
        }
        for path in [&html, &junit].into_iter().flatten() {
            probe(path)?;
        }
        Ok(Self {
            show: Show::choose(quiet),
            broker: None,
            summary: !quiet && !matches!(json, Some(Json::Stdout)),
            json,
            csv: settings.path("csv").map(|prefix| (prefix, names)),
            html,
            junit,
            baseline: settings
                .path("compare")
                .map(|path| read_baseline(&path).map(Box::new))
                .transpose()?,
            fail_on_regression: settings.switch("fail-on-regression")?,
        })
    }

    /// The CSV files, if they are wanted.
    pub(crate) fn csv(&self) -> Result<Option<CsvFiles>, Failure> {
        self.csv.as_ref().map(|(prefix, names)| CsvFiles::create(prefix, *names)).transpose()
    }

    /// Writes everything. `code` becomes that of a regression if all else is well.
    pub(crate) fn write(
        &self,
        report: &RunReport,
        workers: &[WorkerView],
        csv: Option<(CsvFiles, Result<(), Failure>)>,
        code: ExitCode,
    ) -> Result<ExitCode, Failure> {
        if self.summary {
            print(&summary(report));
        }
        let results = Results::of(report, workers, Some(code.number()));
        let (code, comparison) = self.compare(&results, code);
        if let Some(text) = comparison.filter(|_| self.summary) {
            print(&text);
        }
        let results = Results { exit_code: Some(code.number()), ..results };
        let json = || results.to_json().map_err(|error| no_json(&error));
        match &self.json {
            Some(Json::Stdout) => print(&json()?),
            Some(Json::File(path)) => write_file(path, json()?.as_bytes())?,
            None => {}
        }
        if let Some(path) = &self.html {
            write_file(path, html(&results, &HtmlOptions::default()).as_bytes())?;
        }
        if let Some(path) = &self.junit {
            let text = junit(&results).map_err(|error| {
                Failure::new(ExitCode::Unexpected, "the thresholds cannot be made into JUnit")
                    .because(&error)
            })?;
            write_file(path, text.as_bytes())?;
        }
        if let Some((files, so_far)) = csv {
            so_far?;
            files.finish(report, &results)?;
        }
        Ok(code)
    }

    /// The code of a regression if there is one and all else is well; the comparison for people.
    fn compare(&self, results: &Results, code: ExitCode) -> (ExitCode, Option<String>) {
        let Some(baseline) = &self.baseline else { return (code, None) };
        let comparison = compare(baseline, results);
        let regressed = self.fail_on_regression
            && comparison.regressions().next().is_some()
            && code == ExitCode::Ok;
        (if regressed { ExitCode::Regression } else { code }, Some(text(&comparison)))
    }
}

fn no_json(error: &serde_json::Error) -> Failure {
    Failure::new(ExitCode::Unexpected, "the results cannot be made into JSON").because(error)
}
