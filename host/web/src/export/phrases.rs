//! Rows of a view in words that summary, live view and report share.

use loadhost_control::view::{ErrorRow, MetricRow, MetricValue, ThresholdState, ThresholdView};
use loadhost_model::interval::Origin;

use super::format::{grouped, percent, plain, rate};

/// Name of a scenario's metric, with its tags: `orders{country=de}`.
pub fn metric_name(metric: &MetricRow) -> String {
    if metric.tags.is_empty() {
        return metric.name.to_string();
    }
    let tags: Vec<_> = metric.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}{{{}}}", metric.name, tags.join(","))
}

/// What a scenario's metric came to, with its unit.
pub fn metric_value(metric: &MetricRow) -> String {
    let unit = if metric.unit.is_empty() { String::new() } else { format!(" {}", metric.unit) };
    match metric.value {
        MetricValue::Counter { sum, rate: per_second } => {
            format!("{}{unit} · {}/s", plain(sum), rate(per_second))
        }
        MetricValue::Gauge { last, min, max } => {
            format!("{}{unit} · min {} · max {}", plain(last), plain(min), plain(max))
        }
        MetricValue::Rate { passes, failures } => {
            let all = passes + failures;
            format!(
                "{} · {} of {}",
                percent(passes as f64 / all.max(1) as f64),
                grouped(passes),
                grouped(all)
            )
        }
        MetricValue::Trend { mean, p50, p95, p99, max, .. } => format!(
            "avg {}{unit} · p50 {} · p95 {} · p99 {} · max {}",
            plain(mean),
            plain(p50),
            plain(p95),
            plain(p99),
            plain(max)
        ),
    }
}

/// Where an error happened, and what it was.
pub fn error_text(error: &ErrorRow) -> String {
    match &error.origin {
        Origin::Request { method, name } => format!("{method} {name}: {}", error.message),
        Origin::Task { user_type, task } => {
            format!("{user_type}.{task}: {} [{}]", error.message, error.code)
        }
    }
}

/// What was compared, in the unit of the bound. None: nothing was measured.
pub fn threshold_value(threshold: &ThresholdView) -> Option<String> {
    let value = threshold.value.filter(|_| threshold.state != ThresholdState::NoData)?;
    let text = &threshold.text;
    Some(if text.ends_with("ms") {
        format!("{} ms", plain(value))
    } else if text.ends_with('%') {
        percent(value)
    } else if text.ends_with("/s") {
        format!("{}/s", plain(value))
    } else {
        plain(value)
    })
}
