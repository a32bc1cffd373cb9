#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::testing::{interval, worker};

fn name(path: &str) -> Name {
    ("GET".into(), path.into())
}

/// A recent second with these response times of `/`.
fn second(second: u64, times: &[u64]) -> Interval {
    interval(&worker("a"), second + 1, &[("/", times)])
}

#[test]
fn times_are_of_the_seconds_asked_for_only() {
    let mut recent = Recent::default();
    recent.take(&second(0, &[9_000; 50]));
    recent.take(&second(1, &[1_000, 3_000]));
    recent.take(&interval(&worker("b"), 2, &[("/", &[2_000]), ("/buy", &[8_000])]));
    let [response, service] = recent.times(&name("/"), &(1..2)).map(Option::unwrap);
    assert_eq!((response.count, response.p50, response.max), (3, 2_000, 3_000));
    assert_eq!((service.count, service.p50, service.max), (3, 1_000, 1_500));
    assert_eq!(recent.counts(&name("/"), &(0..2)), (53, 12));
    assert_eq!(recent.times(&name("/"), &(2..3)), [None; 2]);
}

#[test]
fn a_name_without_recent_requests_makes_room_for_another() {
    let mut recent = Recent::default();
    for n in 0..MAX_NAMES as u64 {
        recent.take(&interval(&worker("a"), 1, &[(&format!("/{n}"), &[1_000])]));
    }
    recent.take(&interval(&worker("a"), 2, &[("/late", &[1_000])]));
    assert_eq!(recent.counts(&name("/late"), &(1..2)), (0, 0), "no room");
    recent.forget_before(1);
    assert_eq!(recent.names.len(), 1, "the sum of those beyond");
    recent.take(&interval(&worker("a"), 2, &[("/late", &[1_000])]));
    assert_eq!(recent.counts(&name("/late"), &(1..2)), (1, 0));
    assert_eq!(recent.times(&name("/late"), &(1..2)).map(|times| times.unwrap().count), [1, 1]);
}

#[test]
fn of_many_names_the_first_have_times_and_all_have_counts() {
    let mut recent = Recent::default();
    for n in 0..=MAX_TIMED {
        recent.take(&interval(&worker("a"), 1, &[(&format!("/{n}"), &[1_000])]));
    }
    let last = name(&format!("/{MAX_TIMED}"));
    assert_eq!(recent.counts(&last, &(0..1)), (1, 0));
    assert_eq!(recent.times(&last, &(0..1)), [None; 2]);
    assert!(recent.times(&name("/0"), &(0..1))[0].is_some());
}

#[test]
fn what_is_forgotten_holds_no_memory() {
    let mut recent = Recent::default();
    for at in 0..SLOTS as u64 {
        recent.take(&second(at, &[1_000]));
    }
    recent.forget_before(10);
    let held = recent.names[&name("/")].slots.iter().filter(|slot| slot.times.is_some());
    assert_eq!(held.count(), SLOTS - 10);
}

proptest! {
    #[test]
    fn times_are_those_of_all_requests_in_the_window(
        samples in proptest::collection::vec((0..SLOTS as u64, 1u64..5_000_000), 0..200),
        begin in 0..SLOTS as u64,
    ) {
        let (mut recent, mut expected) = (Recent::default(), Histogram::new());
        for (at, time) in &samples {
            recent.take(&second(*at, &[*time]));
            if *at >= begin {
                expected.record(*time);
            }
        }
        recent.forget_before(begin);
        let window = begin..SLOTS as u64;
        prop_assert_eq!(recent.times(&name("/"), &window)[0], Times::of(&expected));
        prop_assert_eq!(recent.counts(&name("/"), &window).0, expected.count());
    }
}
