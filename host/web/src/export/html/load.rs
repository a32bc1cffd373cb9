//! Who made the load: tasks, workers, how well the generators did.

use loadhost_control::view::{Liveness, TaskRow};

use super::markup::{NONE, Page};
use super::statistics::{MAX_ROWS, clock_of, millis_of, seconds};
use crate::export::Results;
use crate::export::format::{bytes, grouped, percent, rate};

/// Workers shown.
const MAX_WORKERS: usize = 100;

pub(super) fn load(page: &mut Page, results: &Results) {
    if !results.tasks.is_empty() {
        page.section("tasks", "tasks", |page| tasks(page, &results.tasks));
    }
    if !results.workers.is_empty() {
        page.section("workers", "workers", |page| workers(page, results));
    }
    if !results.losses.is_empty() {
        page.section("losses", "losses", |page| losses(page, results));
    }
    page.section("generator", "generator", |page| generator(page, results));
}

fn tasks(page: &mut Page, tasks: &[TaskRow]) {
    page.raw("<div class=wide><table class=plain>");
    let columns =
        ["user_type", "task", "iterations", "failures", "per_second", "share_wanted", "share_seen"];
    page.head(&columns, 2).raw("<tbody>");
    for task in tasks.iter().take(MAX_ROWS) {
        page.raw("<tr>").name_cell(&task.user_type).name_cell(&task.task);
        page.cell(&grouped(task.iterations));
        page.raw(if task.failures > 0 { "<td class=bad>" } else { "<td>" });
        page.text(&grouped(task.failures)).raw("</td>").cell(&rate(task.rate));
        share(page, task.share_wanted, "wanted");
        share(page, Some(task.share), "seen");
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

fn share(page: &mut Page, share: Option<f64>, kind: &str) {
    let Some(share) = share else {
        page.cell(NONE);
        return;
    };
    let width = (share * 100.0).clamp(0.0, 100.0);
    page.raw("<td class=share>").text(&percent(share));
    page.raw(&format!(
        "<svg class=\"bar-{kind}\" viewBox=\"0 0 100 4\" preserveAspectRatio=none aria-hidden=true><rect class=back width=\"100\" height=\"4\"/><rect width=\"{width:.1}\" height=\"4\"/></svg></td>"
    ));
}

fn workers(page: &mut Page, results: &Results) {
    page.raw("<div class=wide><table class=plain>");
    page.head(&["name", "tags", "capacity", "cpu", "memory", "heard", "program"], 2).raw("<tbody>");
    for worker in results.workers.iter().take(MAX_WORKERS) {
        let tags: Vec<_> =
            worker.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let (kind, heard) = match worker.liveness {
            Liveness::Alive => ("good", "alive"),
            Liveness::Suspect => ("warn", "suspect"),
            Liveness::Lost => ("bad", "lost"),
        };
        page.raw("<tr>").name_cell(worker.worker.as_str()).name_cell(&tags.join(", "));
        page.cell(&grouped(worker.capacity.into())).cell(&percent(worker.cpu.min(1.0)));
        page.cell(&bytes(worker.memory)).raw("<td><span class=\"tag ").raw(kind).raw("\">");
        page.word(heard).raw("</span></td>").cell(&worker.release).raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

fn losses(page: &mut Page, results: &Results) {
    page.raw("<div class=wide><table class=plain>");
    page.head(&["name", "at", "share", "unmeasured", "taken_over", "returned"], 1).raw("<tbody>");
    for loss in results.losses.iter().take(MAX_WORKERS) {
        page.raw("<tr>").name_cell(&loss.worker).cell(&clock_of(loss.at_seconds));
        page.cell(&percent(loss.share)).cell(&seconds(loss.unmeasured_seconds));
        for moment in [loss.served_seconds, loss.returned_seconds] {
            page.raw("<td>");
            match moment {
                Some(at) => page.text(&clock_of(at)),
                None => page.word("never"),
            };
            page.raw("</td>");
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

fn generator(page: &mut Page, results: &Results) {
    let (health, counters) = (&results.generator, &results.counters);
    page.raw("<dl class=facts>");
    page.fact("cpu_peak", |page| {
        page.text(&percent(health.cpu_peak.min(1.0)));
    });
    page.fact("starts_late", |page| {
        page.text(&millis_of(health.start_lag_p99_ms, " ms"));
    });
    page.fact("timers_late", |page| {
        page.text(&millis_of(health.loop_lag_p99_ms, " ms"));
    });
    page.fact("saturated_for", |page| {
        page.text(&seconds(results.saturated_seconds));
    });
    page.fact("intervals", |page| {
        let of = &results.collection;
        let counts = [of.merged, of.duplicates, of.missing].map(grouped);
        page.words("intervals_v", &[&counts[0], &counts[1], &counts[2]]);
    });
    for (key, count) in [
        ("arrivals", counters.arrivals),
        ("dropped", counters.dropped_arrivals),
        ("interrupted", counters.interrupted),
        ("crashed", counters.crashed_users),
    ] {
        page.fact(key, |page| {
            page.text(&grouped(count));
        });
    }
    if !counters.capped.is_empty() {
        let capped: Vec<_> = counters
            .capped
            .iter()
            .map(|(cap, count)| format!("{cap}: {}", grouped(*count)))
            .collect();
        page.fact("capped", |page| {
            page.text(&capped.join(" · "));
        });
    }
    page.raw("</dl>");
}
