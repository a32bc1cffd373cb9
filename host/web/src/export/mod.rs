//! What a run leaves behind, as bytes: results as JSON, Locust's CSV files, JUnit, a comparison.
//!
//! [`Results`] is all of it: made of a run that is over or goes on, kept as JSON, read back. Every other
//! form is made from it, so that a kept run and one that has just ended read alike. Nothing here knows files.

mod compare;
mod csv;
#[cfg(test)]
pub(crate) mod fixture;
pub mod format;
mod html;
mod junit;
mod load;
mod phrases;
mod results;
mod shared;

pub use compare::{Change, ComparedRow, Comparison, Difference, Side, Standing, Unit, compare};
pub use csv::{
    Names, exceptions_csv, failures_csv, history_head, history_rows, stats_csv, stats_head,
    stats_history_csv, timestamp,
};
pub use html::{HtmlOptions, Language, Theme, html, html_answer_policy, html_policy};
pub use junit::{JunitError, junit};
pub use load::load;
pub use phrases::{error_text, metric_name, metric_value, threshold_value};
pub use results::{
    Distribution, Generator, Group, Loss, Results, ResultsError, Second, Series, VERSION, Version,
    decode, encode,
};
pub use shared::lines as shared_lines;
