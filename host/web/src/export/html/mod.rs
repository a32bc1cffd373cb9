//! The report of a run as one file: it needs no server and no network, works from a disk, and prints.
//!
//! [`html`] makes it of [`Results`] alone. Tables are plain markup, so that it reads without scripts; the
//! charts are those of the page (`assets/charts.js`). Nothing of a run becomes markup or script: texts are
//! escaped in [`markup`], data goes in as JSON, and the file's own policy admits only its own script and style.

mod facts;
mod failures;
mod load;
mod markup;
mod points;
mod statistics;
#[cfg(test)]
mod tests;
mod top;
mod words;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use self::words::Language;

use self::markup::{Page, json_block};
use self::points::Points;
use super::Results;

/// Colours of the report when it is opened; a reader may switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the reader's system has it.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// How a report is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HtmlOptions {
    /// Its colours.
    pub theme: Theme,
    /// Its language.
    pub language: Language,
}

/// The whole report.
pub fn html(results: &Results, options: &HtmlOptions) -> String {
    let mut page = Page::new(options.language);
    let points = Points::of(&results.history);
    page.raw("<!doctype html>\n<html lang=\"").raw(options.language.tag()).raw("\"");
    page.raw(match options.theme {
        Theme::System => "",
        Theme::Light => " data-theme=\"light\"",
        Theme::Dark => " data-theme=\"dark\"",
    });
    page.raw(">\n<head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").raw(&POLICY).raw("\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">");
    page.raw("<meta name=\"generator\" content=\"loadhost\"><title>");
    page.text(&format!("{} · {} · loadhost", results.scenario, results.run));
    page.raw("</title><link rel=\"icon\" href=\"").raw(&ICON).raw("\"><style>").raw(&STYLE);
    page.raw("</style></head>\n<body>");
    top::bar(&mut page, results);
    page.raw("<main>");
    top::verdict(&mut page, results);
    top::thresholds(&mut page, results);
    facts::facts(&mut page, results);
    charts(&mut page, &points);
    statistics::statistics(&mut page, results);
    failures::failures(&mut page, results);
    statistics::own(&mut page, results);
    load::load(&mut page, results);
    facts::notes(&mut page, results);
    page.raw("</main><footer>").words("footer", &[&results.loadhost]).raw("</footer>");
    data(&mut page, results, &points);
    page.raw("<script>").raw(&SCRIPT).raw("</script></body></html>\n");
    page.finish()
}

/// What the file says of itself: only its own script and style.
pub fn html_policy() -> &'static str {
    &POLICY
}

/// What a server says of a report that it shows in place: sandboxed, it has an origin of its own and reaches
/// neither cookies nor API.
pub fn html_answer_policy() -> String {
    format!(
        "{}; sandbox allow-scripts allow-downloads allow-modals; frame-ancestors 'none'",
        html_policy()
    )
}

fn charts(page: &mut Page, points: &Points) {
    page.section("charts", "charts", |page| {
        if points.is_empty() {
            page.word_in("p", "charts_none");
            return;
        }
        page.raw("<noscript>").word_in("p", "no_script").raw("</noscript>");
        page.raw("<div class=charts id=plots></div><p class=hint>").word("charts_hint");
        if points.bucket > 1 {
            page.raw(" ").words("charts_thin", &[&points.bucket.to_string()]);
        }
        page.raw("</p>");
    });
}

/// What the script draws and says.
fn data(page: &mut Page, results: &Results, points: &Points) {
    let data = serde_json::json!({
        "words": serde_json::from_str::<serde_json::Value>(words::TABLE).unwrap_or_default(),
        "points": points,
        "arrivals": points.has_arrivals(),
        "marks": top::marks(results, page.language()),
        "whole": top::whole(results),
    });
    page.raw("<script type=\"application/json\" id=\"data\">");
    page.raw(&json_block(&data.to_string())).raw("</script>");
}

/// The page's colours and charts, then the report's own.
static STYLE: LazyLock<String> = LazyLock::new(|| {
    let parts = [
        include_str!("../../../assets/tokens.css"),
        include_str!("../../../assets/charts.css"),
        include_str!("report.css"),
    ];
    parts.concat()
});

/// uPlot, the page's charts as a plain script, then the report's own, in a scope of their own.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let charts: Vec<&str> = include_str!("../../../assets/charts.js")
        .lines()
        .map(|line| line.strip_prefix("export ").unwrap_or(line))
        .collect();
    let uplot =
        include_str!("../../../assets/vendor/uplot.js").replace("export default uPlot;", "");
    let own = include_str!("report.js");
    format!("(() => {{\n{uplot}\n{}\n{own}\n}})();", charts.join("\n"))
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&SCRIPT),
        hash(&STYLE)
    )
});

static ICON: LazyLock<String> = LazyLock::new(|| {
    let icon = STANDARD.encode(include_str!("../../../assets/icon.svg"));
    format!("data:image/svg+xml;base64,{icon}")
});
