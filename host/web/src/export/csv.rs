//! Locust's four CSV files, so that what reads those reads ours.
//!
//! Headers, row order and line ends are Locust's. Times are milliseconds to the microsecond where
//! Locust rounds to two digits. Of a run that is over, the history has of each second what was kept of it:
//! three percentiles of eleven; the others are `N/A`, as Locust has it where there is no number.

use std::time::Duration;

use ::csv::{Terminator, WriterBuilder};
use loadhost_control::view::{HttpRow, RunView};
use loadhost_model::interval::Origin;

use super::results::{Distribution, Results, Second, Series};

const PERCENTILES: [&str; 11] =
    ["50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%"];
/// Where there is no number.
const NOTHING: &str = "N/A";

/// Which names the history has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// All together.
    Total,
    /// Each, then all together.
    Each,
}

/// The first line of [`stats_csv`].
pub fn stats_head() -> String {
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
    text([head.into_iter().chain(PERCENTILES).map(str::to_string).collect()])
}

/// Counts, times and rates by name, then all together.
pub fn stats_csv(results: &Results) -> String {
    let rows = results.series.iter().chain([&results.total]).map(|row| {
        let counts = [
            row.method.clone(),
            row.name.clone(),
            row.requests.to_string(),
            row.failures.to_string(),
        ];
        let rates = [row.rps.to_string(), row.fps.to_string()];
        let times = row.response_time.as_ref();
        let sums = sums(row);
        counts.into_iter().chain(sums).chain(rates).chain(percentiles(times, "0")).collect()
    });
    stats_head() + &text(rows)
}

/// Requests that failed, with when they did.
pub fn failures_csv(results: &Results) -> String {
    let head =
        ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"].map(str::to_string);
    let rows = results.errors.iter().filter_map(|error| {
        let Origin::Request { method, name } = &error.origin else { return None };
        let at = |offset: Duration| {
            let micros = u64::try_from(offset.as_micros()).unwrap_or_default();
            timestamp(results.started_unix_micros.unwrap_or_default().saturating_add(micros))
        };
        let text = [method, name, &error.message].map(ToString::to_string);
        let seen = [error.count.to_string(), at(error.first), at(error.last)];
        Some(text.into_iter().chain(seen).collect())
    });
    text(std::iter::once(head.into()).chain(rows))
}

/// Iterations that failed, with the guest's frames.
pub fn exceptions_csv(results: &Results) -> String {
    let head = ["Count", "Message", "Traceback", "Nodes"].map(str::to_string);
    let nodes = nodes(results);
    let rows = results.errors.iter().filter_map(|error| {
        let Origin::Task { user_type, task } = &error.origin else { return None };
        let message = format!("{user_type}.{task}: {}", error.message);
        Some(vec![error.count.to_string(), message, error.detail.to_string(), nodes.clone()])
    });
    text(std::iter::once(head.into()).chain(rows))
}

/// Who worked, as Locust names them.
pub(crate) fn nodes(results: &Results) -> String {
    let nodes: Vec<_> = results.workers.iter().map(|worker| worker.worker.as_str()).collect();
    if nodes.is_empty() { "local".to_string() } else { nodes.join(", ") }
}

/// One row for each second that was kept, all names together; the last one with the totals' own numbers.
pub fn stats_history_csv(results: &Results) -> String {
    let (mut requests, mut failures) = (0, 0);
    let rows = results.history.iter().map(|second| {
        if second.counted {
            requests += second.requests;
            failures += second.failures;
        }
        kept_second(results, second, [requests, failures])
    });
    let last = results.history.last().map(|second| {
        let row = &results.total;
        let head = seconds_head(results, second, [0.0; 2]);
        let percentiles = percentiles(row.response_time.as_ref(), NOTHING);
        let totals = [row.requests, row.failures].map(|count| count.to_string());
        head.into_iter().chain(percentiles).chain(totals).chain(sums(row)).collect()
    });
    let rows: Vec<Vec<String>> = rows.chain(last).collect();
    history_head() + &text(rows)
}

fn kept_second(results: &Results, second: &Second, totals: [u64; 2]) -> Vec<String> {
    let times = [second.response_p50, second.response_p95, second.response_p99]
        .map(|ms| ms.map_or_else(|| NOTHING.to_string(), |ms| ms.to_string()));
    let [p50, p95, p99] = times;
    let percentiles = PERCENTILES.map(|name| match name {
        "50%" => p50.clone(),
        "95%" => p95.clone(),
        "99%" => p99.clone(),
        _ => NOTHING.to_string(),
    });
    let head = seconds_head(results, second, [second.rps, second.fps]);
    let totals = totals.map(|count| count.to_string());
    let unknown = std::iter::repeat_n(NOTHING.to_string(), 5);
    head.into_iter().chain(percentiles).chain(totals).chain(unknown).collect()
}

fn seconds_head(results: &Results, second: &Second, rates: [f64; 2]) -> [String; 6] {
    let end = Duration::try_from_secs_f64(second.at + second.span).unwrap_or_default();
    let now = Duration::from_micros(results.started_unix_micros.unwrap_or_default()) + end;
    [
        now.as_secs().to_string(),
        second.users.to_string(),
        String::new(),
        "Aggregated".to_string(),
        format!("{:.6}", rates[0]),
        format!("{:.6}", rates[1]),
    ]
}

/// The first line of a history.
pub fn history_head() -> String {
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
    text([head.into_iter().chain(PERCENTILES).chain(tail).map(str::to_string).collect()])
}

/// The lines of one second of a run that goes on; `now` is a Unix second.
///
/// As in Locust, percentiles are of the whole run so far, and of the last seconds if each name has a line.
pub fn history_rows(view: &RunView, names: Names, now: u64) -> String {
    let each: &[HttpRow] = if names == Names::Each { &view.rows } else { &[] };
    text(each.iter().chain([&view.total]).map(|row| history_row(view, row, names, now)))
}

fn history_row(view: &RunView, row: &HttpRow, names: Names, now: u64) -> Vec<String> {
    // The sum of all; a row without a name would not be found by readers.
    let nameless = row.method.is_empty() && row.name.is_empty();
    let name = if nameless { "Aggregated" } else { &row.name };
    let head = [
        now.to_string(),
        view.users.to_string(),
        row.method.to_string(),
        name.to_string(),
        format!("{:.6}", row.current_rps),
        format!("{:.6}", row.current_fps),
    ];
    let (times, nothing) = match names {
        Names::Each if row.response_time.is_some() => (row.current_response_time, "0"),
        _ => (row.response_time, NOTHING),
    };
    let percentiles = percentiles(times.as_ref().map(Distribution::of_times).as_ref(), nothing);
    let row = Series::of_row(row);
    let totals = [row.requests.to_string(), row.failures.to_string()];
    head.into_iter().chain(percentiles).chain(totals).chain(sums(&row)).collect()
}

/// Median, mean, least, greatest, mean size.
fn sums(row: &Series) -> [String; 5] {
    let of = |pick: fn(&Distribution) -> f64| {
        row.response_time.as_ref().map_or_else(|| "0".to_string(), |times| pick(times).to_string())
    };
    [
        of(|times| times.p50),
        of(|times| times.mean),
        of(|times| times.min),
        of(|times| times.max),
        row.mean_body_bytes().to_string(),
    ]
}

fn percentiles(times: Option<&Distribution>, nothing: &str) -> [String; 11] {
    let Some(times) = times else {
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
    .map(|ms| ms.to_string())
}

/// CRLF at the ends of lines, as Locust writes them.
fn text(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer =
        WriterBuilder::new().terminator(Terminator::CRLF).flexible(true).from_writer(Vec::new());
    // Writing to memory does not fail, and what was text stays text.
    let made = rows.into_iter().try_for_each(|row| writer.write_record(row));
    let bytes = made.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// `2026-11-22T07:04:04Z`
pub fn timestamp(unix_micros: u64) -> String {
    let seconds = i64::try_from(unix_micros / 1_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
