//! What failed, and where in the guest's source.

use loadhost_control::view::ErrorRow;
use loadhost_model::interval::Origin;

use super::markup::Page;
use super::statistics::clock_of;
use crate::export::Results;
use crate::export::format::{fit, grouped};

/// Kinds shown of requests and of iterations, of each.
const MAX_KINDS: usize = 40;
/// Characters of a message.
const MAX_MESSAGE: usize = 400;
/// Lines of a case's frames.
const MAX_FRAMES: usize = 12;
/// Characters of one of them.
const MAX_FRAME: usize = 160;

pub(super) fn failures(page: &mut Page, results: &Results) {
    let of_requests = |error: &&ErrorRow| matches!(error.origin, Origin::Request { .. });
    let (requests, tasks): (Vec<_>, Vec<_>) = results.errors.iter().partition(of_requests);
    if results.errors.is_empty() {
        page.section("failures", "request_failures", |page| {
            page.raw("<p class=hint>").word("no_failures").raw("</p>");
        });
        return;
    }
    if !requests.is_empty() {
        page.section("failures", "request_failures", |page| table(page, &requests));
    }
    if !tasks.is_empty() {
        page.section("exceptions", "exceptions", |page| {
            for error in tasks.iter().take(MAX_KINDS) {
                exception(page, error);
            }
            left_out(page, tasks.len().saturating_sub(MAX_KINDS));
        });
    }
    left_out(page, results.errors_omitted as usize);
}

fn table(page: &mut Page, errors: &[&ErrorRow]) {
    page.raw("<div class=wide><table class=plain>");
    page.head(&["where", "error", "count", "first", "last"], 2).raw("<tbody>");
    for error in errors.iter().take(MAX_KINDS) {
        let Origin::Request { method, name } = &error.origin else { continue };
        page.raw("<tr>").name_cell(&format!("{method} {}", fit(name, 120)));
        page.raw("<td class=n><bdi>")
            .text(&fit(&error.message, MAX_MESSAGE))
            .raw("</bdi> <span class=\"tag code\">");
        page.text(&error.code).raw("</span></td>").cell(&grouped(error.count));
        page.cell(&clock_of(error.first.as_secs_f64())).cell(&clock_of(error.last.as_secs_f64()));
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
    left_out(page, errors.len().saturating_sub(MAX_KINDS));
}

fn exception(page: &mut Page, error: &ErrorRow) {
    let Origin::Task { user_type, task } = &error.origin else { return };
    let frames: Vec<_> = error.detail.lines().filter(|line| !line.trim().is_empty()).collect();
    let [begin, head, head_end, end] = match frames.is_empty() {
        true => ["<div class=exception>", "<p>", "</p>", "</div>"],
        false => ["<details open class=exception>", "<summary>", "</summary>", "</details>"],
    };
    page.raw(begin).raw(head).raw("<b>").text(&grouped(error.count)).raw("×</b> ");
    page.name(&format!("{user_type}.{task}")).raw(": ").name(&fit(&error.message, MAX_MESSAGE));
    page.raw(" <span class=\"tag code\">").text(&error.code).raw("</span> <span class=at>");
    let (first, last) = (error.first.as_secs_f64(), error.last.as_secs_f64());
    page.text(&format!("{}–{}", clock_of(first), clock_of(last))).raw("</span>").raw(head_end);
    if !frames.is_empty() {
        page.raw("<pre>");
        for frame in frames.iter().take(MAX_FRAMES) {
            page.text(&fit(frame.trim_end(), MAX_FRAME)).raw("\n");
        }
        page.raw(if frames.len() > MAX_FRAMES { "…</pre>" } else { "</pre>" });
    }
    page.raw(end);
}

fn left_out(page: &mut Page, count: usize) {
    if count > 0 {
        page.raw("<p class=hint>").words("errors_cut", &[&grouped(count as u64)]).raw("</p>");
    }
}
