use super::*;
use crate::aggregate::Sums;
use crate::testing::{interval, secs, worker};

fn take(timeline: &mut Timeline, interval: &Interval) {
    let sums = Sums::of(&interval.statistics);
    timeline.take(interval, &sums, |_| Wanted::default());
}

fn of_seconds(seconds: u64) -> Timeline {
    let mut timeline = Timeline::default();
    for seq in 1..=seconds {
        take(&mut timeline, &interval(&worker("a"), seq, &[("/", &[1000 + seq % 7, 9000])]));
    }
    timeline
}

#[test]
fn a_late_interval_amends_its_second_exactly() {
    let mut timeline = of_seconds(600);
    take(&mut timeline, &interval(&worker("b"), 3, &[("/", &[50_000; 8])]));
    let point = timeline.history(600, Duration::ZERO)[2];
    assert_eq!((point.at, point.requests, point.failures, point.users), (secs(2), 10, 2, 10));
    let times = point.response_time.unwrap_or_default();
    assert!(times.p50.abs_diff(50_000) <= 50, "{times:?}");
    assert_eq!(point.service_time.unwrap_or_default().p50, 25_000);
}

#[test]
fn an_interval_later_than_that_still_amends_the_counts() {
    let mut timeline = of_seconds(1000);
    take(&mut timeline, &interval(&worker("b"), 3, &[("/", &[50_000; 8])]));
    let point = timeline.history(1000, Duration::ZERO)[2];
    assert_eq!((point.requests, point.rps), (10, 10.0));
    assert!(point.response_time.unwrap_or_default().p50 < 2_000, "its distribution is gone");
    let all: u64 = timeline.history(1000, Duration::ZERO).iter().map(|point| point.requests).sum();
    assert_eq!(all, 2008);
}

#[test]
fn an_interval_of_many_seconds_spreads_its_counts() {
    let mut timeline = Timeline::default();
    let long = Interval { end: secs(4), ..interval(&worker("a"), 1, &[("/", &[1000; 10])]) };
    take(&mut timeline, &long);
    let requests: Vec<u64> =
        timeline.history(4, Duration::ZERO).iter().map(|point| point.requests).collect();
    assert_eq!(requests, [2, 3, 2, 3]);
}

#[test]
fn a_run_of_days_keeps_a_bounded_history_that_counts_everything() {
    let days = 2 * 24 * 3600;
    let timeline = of_seconds(days);
    let history = timeline.history(days, Duration::ZERO);
    assert!(history.len() <= MAX_POINTS + EXACT, "{}", history.len());
    assert_eq!(history.iter().map(|point| point.requests).sum::<u64>(), 2 * days);
    let gapless = history.windows(2).all(|pair| pair[0].at + pair[0].span == pair[1].at);
    assert!(gapless);
    let first = history[0];
    assert_eq!((first.span, first.rps), (secs(16), 2.0), "rates stay per second");
    assert!(first.response_time.unwrap_or_default().p99 >= 9000);
}

#[test]
fn the_window_is_ten_whole_seconds() {
    let timeline = of_seconds(30);
    let (window, _) = timeline.window(30);
    assert_eq!((window.seconds, window.rps, window.fps), (10, 2.0, 0.0));
    assert_eq!(window.response_time.unwrap_or_default().count, 20);
    let (early, _) = timeline.window(3);
    assert_eq!((early.seconds, early.rps), (3, 2.0));
    assert_eq!(timeline.window(0).0, Window::default());
}
