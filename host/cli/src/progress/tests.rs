//! What is seen of a run while it goes on.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use loadhost_control::RunView;
use loadhost_control::view::{RunState, ThresholdState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::live::{Colours, Picture, draw, height};
use super::{Pace, line};
use crate::fixture;

#[test]
fn a_run_in_a_line() {
    let mut view = fixture::view();
    view.counters.dropped_arrivals = 0;
    view.thresholds.clear();
    assert_eq!(
        line::line(&view),
        "run 01J9… · 00:42/01:30 · 998/s of 1,000/s · 1400 VUs · p99 83.4 ms (service 41.7 ms) · 0.02 % failed"
    );
}

#[test]
fn a_line_tells_what_is_wrong() {
    let view = fixture::view();
    let text = line::line(&view);
    assert!(text.ends_with(" · 17 dropped · ✗ 1 of 3 thresholds"), "{text}");
    let mut view = fixture::view();
    view.generator.saturated = Some("CPU 97 %".into());
    view.workers_lost = 1;
    let text = line::line(&view);
    assert!(text.ends_with(" · 1 of 2 workers lost · ! generator saturated: CPU 97 %"), "{text}");
}

#[test]
fn lines_become_rarer() {
    let mut pace = Pace::default();
    let mut view = fixture::view();
    let mut due = |state, second| {
        view.state = state;
        view.elapsed = Duration::from_secs(second);
        pace.is_due(&view, false)
    };
    assert!(due(RunState::Preparing, 0));
    assert!(!due(RunState::Preparing, 0));
    let lines = (0..60).filter(|second| due(RunState::Running, *second)).count();
    assert_eq!(lines, 30 + 6, "each second for half a minute, then each five");
    let lines = (600..700).filter(|second| due(RunState::Running, *second)).count();
    assert_eq!(lines, 10);
    assert!(due(RunState::Stopping, 700), "a change of state is always told");
}

#[test]
fn an_outage_of_the_broker_is_told_when_it_begins_and_when_it_ends() {
    let mut pace = Pace::default();
    let mut view = fixture::view();
    let mut due = |away, second| {
        view.elapsed = Duration::from_secs(second);
        pace.is_due(&view, away)
    };
    assert!(due(false, 600) && !due(false, 601));
    assert!(due(true, 602) && !due(true, 603) && due(false, 604));
}

fn screen(view: &RunView, width: u16) -> String {
    drawn(&Picture { view, away: None, keys: false }, width)
}

fn drawn(picture: &Picture<'_>, width: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height(picture.keys))).unwrap();
    terminal.draw(|frame| draw(frame, picture, Colours::No)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_live_view_names_its_keys_and_the_brokers_outage() {
    let view = fixture::view();
    let picture = Picture { view: &view, away: Some(Duration::from_secs(12)), keys: true };
    let text = drawn(&picture, 100);
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert!(last[0].contains("q stop"), "{text}");
    assert!(last[1].contains("! broker away since 12 s"), "{text}");
}

#[test]
fn the_live_view_of_a_running_run() {
    insta::assert_snapshot!(screen(&fixture::view(), 100));
}

#[test]
fn the_live_view_of_a_run_without_an_end_that_is_saturated() {
    let mut view = fixture::view();
    view.length = None;
    view.rate_wanted = None;
    view.users_wanted = Some(2_000);
    view.generator.saturated = Some("CPU of a shard above 90 %".into());
    view.thresholds.retain(|threshold| threshold.state == ThresholdState::Broken);
    insta::assert_snapshot!(screen(&view, 80));
}

#[test]
fn the_live_view_fits_any_terminal() {
    for width in [1, 10, 40, 300] {
        screen(&fixture::view(), width);
    }
}
