//! What was run, and what was noted while it ran.

use loadhost_control::view::NoteKind;

use super::markup::{NONE, Page};
use super::statistics::{clock_of, seconds};
use crate::export::Results;
use crate::export::format::grouped;

/// Notes shown; there are fewer unless a fleet is very restless.
const MAX_NOTES: usize = 200;
/// Parameters and versions shown, of each.
const MAX_PARAMS: usize = 100;

pub(super) fn facts(page: &mut Page, results: &Results) {
    page.section("facts", "facts", |page| {
        page.raw("<dl class=facts>");
        page.fact("scenario", |page| {
            page.name(&results.scenario);
            if let Some(version) = &results.scenario_version {
                page.raw(" ").text(version);
            }
        });
        page.fact("target", |page| {
            page.name(results.target.as_deref().unwrap_or(NONE));
        });
        page.fact("load", |page| {
            page.text(if results.load.is_empty() { NONE } else { &results.load });
        });
        page.fact("run", |page| {
            page.raw("<code>").text(&results.run).raw("</code>");
        });
        page.fact("module", |page| {
            page.raw("<code class=digest>").text(&results.module).raw("</code>");
        });
        page.fact("seed", |page| {
            page.raw("<code>").text(&results.seed.to_string()).raw("</code>");
        });
        page.fact("counted", |page| {
            let (counted, from) = (results.counted_seconds, results.counted_from_seconds);
            page.words("counted_v", &[&seconds(counted), &clock_of(from)]);
        });
        page.fact("workers", |page| {
            page.text(&grouped(results.workers.len() as u64));
        });
        page.fact("program", |page| {
            page.text("loadhost ").text(&results.loadhost);
        });
        page.raw("</dl>");
        versions(page, results);
        params(page, results);
        if let Some(command) = &results.command {
            page.word_in("h3", "command").raw("<pre class=command>").text(command).raw("</pre>");
        }
    });
}

/// Nothing unless users went from one version to another.
fn versions(page: &mut Page, results: &Results) {
    if results.versions.len() < 2 {
        return;
    }
    page.word_in("h3", "versions").raw("<ol class=notes>");
    for version in results.versions.iter().take(MAX_PARAMS) {
        page.raw("<li><span class=at>").text(&clock_of(version.from_seconds)).raw("</span> ");
        page.name(version.version.as_deref().unwrap_or(NONE));
        page.raw(" <code class=digest>").text(&version.module).raw("</code></li>");
    }
    page.raw("</ol>");
}

fn params(page: &mut Page, results: &Results) {
    if results.params.is_empty() {
        return;
    }
    page.word_in("h3", "params").raw("<dl class=\"facts params\">");
    for (name, value) in results.params.iter().take(MAX_PARAMS) {
        page.raw("<div><dt>")
            .name(name)
            .raw("</dt><dd><code>")
            .text(value)
            .raw("</code></dd></div>");
    }
    page.raw("</dl>");
}

/// Nothing if there are none.
pub(super) fn notes(page: &mut Page, results: &Results) {
    if results.notes.is_empty() {
        return;
    }
    page.section("notes", "notes", |page| {
        page.raw("<ol class=notes>");
        for note in results.notes.iter().take(MAX_NOTES) {
            let (kind, word) = match note.kind {
                NoteKind::Warning => ("warn", "warning"),
                NoteKind::Info => ("info", "info"),
            };
            page.raw("<li><span class=at>");
            match note.at {
                Some(at) => page.text(&clock_of(at.as_secs_f64())),
                None => page.word("before"),
            };
            page.raw("</span> <span class=\"tag ").raw(kind).raw("\">").word(word).raw("</span> ");
            page.name(&note.message).raw("</li>");
        }
        page.raw("</ol>");
    });
}
