//! A run beside an earlier one, for people: what `--compare` reads and prints.

use std::fmt::Write;
use std::path::Path;

use loadhost_web::export::{Change, ComparedRow, Comparison, Difference, Results, Standing};

use super::format::{fit, millis, percent};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Results of an earlier run, from a file that `--json` wrote.
pub(crate) fn read_baseline(path: &Path) -> Result<Results, Failure> {
    let refuse = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(
            ExitCode::Configuration,
            format!("the baseline `{}` cannot be used", path.display()),
        )
        .because(error)
        .hint("give a file that `--json` wrote")
    };
    let bytes = std::fs::read(path).map_err(|error| refuse(&error))?;
    Results::from_json(&bytes).map_err(|error| refuse(&error))
}

/// At most 100 columns, with a line end.
pub(crate) fn text(comparison: &Comparison) -> String {
    let Comparison { baseline, run, rows, saturated } = comparison;
    let mut text = format!(
        "compared with run {} (response time, ms; ▲ worse, ▼ better than noise)\n",
        baseline.run
    );
    for row in rows {
        let name = name(row);
        // Writing to a string cannot fail.
        let _ = match row.standing {
            Standing::Both => {
                writeln!(text, "  {:26} {}", fit(&name, 26), cells(row).trim_end())
            }
            Standing::New => writeln!(text, "  {:30} new", fit(&name, 30)),
            Standing::Gone => writeln!(text, "  {:30} gone", fit(&name, 30)),
        };
    }
    let _ = writeln!(text, "  requests per second: {:.1} → {:.1}", baseline.rps, run.rps);
    if *saturated {
        text.push_str("! a generator was saturated: the comparison says little about the target\n");
    }
    text
}

fn name(row: &ComparedRow) -> String {
    match row.method.as_str() {
        "" => "all together".to_string(),
        method => format!("{method} {}", row.name),
    }
}

fn cells(row: &ComparedRow) -> String {
    let mut cells = String::new();
    for (label, metric) in
        [("p50", "response_p50"), ("p95", "response_p95"), ("p99", "response_p99")]
    {
        let Some(Difference { before, after, change, .. }) = row.difference(metric) else {
            continue;
        };
        let _ = write!(cells, "{label} {:>6} → {:<6} {} ", ms(*before), ms(*after), mark(*change));
    }
    if let Some(Difference { before, after, change, .. }) = row.difference("failure_ratio") {
        let (before, after) = (percent(*before), percent(*after));
        if before != after {
            let _ = write!(cells, "failed {before} → {after} {}", mark(*change));
        }
    }
    cells
}

fn mark(change: Change) -> char {
    match change {
        Change::None => ' ',
        Change::Better => '▼',
        Change::Worse => '▲',
    }
}

/// Milliseconds in the form of the summary.
fn ms(ms: f64) -> String {
    millis((ms * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture;
    use loadhost_web::export::compare;

    fn read(report: &loadhost_control::RunReport) -> Results {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.json");
        std::fs::write(&file, Results::of(report, &[], Some(0)).to_json().unwrap()).unwrap();
        read_baseline(&file).unwrap()
    }

    #[test]
    fn what_became_slower_is_named() {
        let comparison = compare(&read(&fixture::report()), &read(&fixture::slower_report()));
        insta::assert_snapshot!(text(&comparison));
    }

    #[test]
    fn names_that_came_and_went_are_said() {
        let (mut before, mut after) = (read(&fixture::report()), read(&fixture::report()));
        before.series.remove(2);
        after.series.remove(0);
        let text = text(&compare(&before, &after));
        assert!(text.contains("POST /login                    new"), "{text}");
        assert!(text.contains("not/fit/{id} gone"), "{text}");
    }

    #[test]
    fn other_files_are_no_baselines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        std::fs::write(&file, "{}").unwrap();
        assert!(read_baseline(&file).unwrap_err().to_string().contains("x.json"));
    }
}
