#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::schedule::{users_of, users_wanted};
use crate::share::Share;
use crate::text::{Target, parse_stages};

pub(in crate::schedule) fn curve(text: &str) -> Curve {
    let hold = text.ends_with("hold");
    let stages = parse_stages(text.trim_end_matches("hold"), Target::Rate).unwrap();
    Curve { start: 0.0, stages, hold }
}

fn check(stages: &str, n: u64, due: Option<f64>) {
    let got = Arrivals::new(&curve(stages)).due(n).map(|due| due.as_secs_f64());
    let near = match (got, due) {
        (Some(got), Some(due)) => (got - due).abs() < 1e-8,
        (got, due) => got == due,
    };
    assert!(near, "{stages}: arrival {n} is due at {got:?}, not {due:?}");
}

#[test]
fn ramp_then_hold() {
    check("10s->100, 20s->100", 0, Some(0.0));
    check("10s->100, 20s->100", 125, Some(5.0)); // a quarter of the arrivals takes half the ramp
    check("10s->100, 20s->100", 500, Some(10.0));
    check("10s->100, 20s->100", 501, Some(10.01));
    check("10s->100, 20s->100", 2499, Some(29.99));
    check("10s->100, 20s->100", 2500, None); // over
    check("10s->100, hold", 1_000_500, Some(10_010.0));
}

#[test]
fn a_jump_takes_no_time() {
    check("0s->50, 10s->50", 100, Some(2.0));
    check("0s->50, 10s->50, 0s->100, 10s->100", 600, Some(11.0));
    check("0s->50, 10s->50, 0s->100, 10s->100", 1500, None);
}

#[test]
fn a_pause_holds_back_the_next_arrival() {
    // Down to zero after 10 s with 500 arrivals, nothing for 5 s, then up again.
    check("0s->100, 10s->0, 5s->0, 10s->100", 499, Some(10.0 - 0.2_f64.sqrt()));
    check("0s->100, 10s->0, 5s->0, 10s->100", 500, Some(15.0));
    check("0s->100, 10s->0, 5s->0, 10s->100", 625, Some(20.0));
    check("5s->0, 10s->10", 0, Some(5.0));
    check("0s->100, 10s->0, hold", 500, None);
    check("5s->0, hold", 0, None);
}

#[test]
fn an_almost_flat_ramp_is_as_good_as_flat() {
    check("0s->100, 1000s->100.0000000001", 50_000, Some(500.0));
    check("0s->100, 1000s->99.9999999999", 50_000, Some(500.0));
    check("0s->100000, 10h->100000", 3_599_999_999, Some(35_999.999_99));
}

#[test]
fn counts_say_what_is_due() {
    let arrivals = Arrivals::new(&curve("10s->100, 20s->100"));
    assert_eq!(arrivals.total(), Some(2500));
    let counts = [0.0, 5.0, 10.0, 10.001, 30.0, 99.0]
        .map(|at| arrivals.count_at(Duration::from_secs_f64(at)));
    assert_eq!(counts, [0, 125, 500, 501, 2500, 2500]);
    assert_eq!(Arrivals::new(&Curve::constant(1.0)).total(), None);
    assert_eq!(Arrivals::new(&Curve::constant(0.0)).total(), Some(0));
}

#[test]
fn users_follow_the_curve() {
    let check = |at: f64, users: Option<u32>| {
        let at = Duration::from_secs_f64(at);
        assert_eq!(users_wanted(&curve("10s->10, 5s->10, 0s->3, 5s->3"), at), users, "at {at:?}");
    };
    check(0.0, Some(0));
    check(0.001, Some(1));
    check(1.0, Some(1));
    check(1.5, Some(2));
    check(10.0, Some(10));
    check(14.9, Some(10));
    check(15.0, Some(3));
    check(20.0, None);
    assert_eq!(users_wanted(&curve("1s->7, hold"), Duration::from_secs(1000)), Some(7));
}

/// Curves with jumps, pauses, flat and steep pieces.
pub(in crate::schedule) fn any_curve() -> impl Strategy<Value = Curve> {
    let rate = prop_oneof![Just(0.0), Just(100.0), 0.0..0.01, 0.0..1000.0];
    let duration = prop_oneof![Just(0_u64), 1..10_000_000_u64, 1_000_000_000..20_000_000_000_u64];
    let stage = (duration, rate.clone()).prop_map(|(nanos, target)| crate::profile::Stage {
        duration: Duration::from_nanos(nanos),
        target,
    });
    let stages = proptest::collection::vec(stage, 0..6);
    (rate, stages, any::<bool>()).prop_map(|(start, stages, hold)| Curve { start, stages, hold })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn due_never_goes_back(curve in any_curve()) {
        let arrivals = Arrivals::new(&curve);
        let total = arrivals.total().unwrap_or(20_000).min(20_000);
        let mut last = Duration::ZERO;
        for n in 0..total {
            let due = arrivals.due(n).expect("before the total");
            prop_assert!(due >= last, "arrival {n} at {due:?} before {last:?}");
            last = due;
        }
        if arrivals.total().is_some_and(|all| all == total) {
            prop_assert_eq!(arrivals.due(total), None);
            prop_assert!(curve.hold || last <= curve.length().unwrap());
        }
    }

    #[test]
    fn the_numeric_integral_agrees(curve in any_curve()) {
        let arrivals = Arrivals::new(&curve);
        for n in [0, 1, 7, 100, 5_000] {
            let Some(due) = arrivals.due(n) else { continue };
            prop_assume!(due < Duration::from_secs(3600));
            // Midpoints between the corners, so that a jump is no error.
            let mut area = 0.0;
            let mut begin = Duration::ZERO;
            for end in curve.pieces().map(|piece| piece.begin + piece.length.unwrap_or(due)).chain([due]) {
                let end = end.min(due);
                let steps = 64;
                let step = (end.saturating_sub(begin)) / steps;
                for i in 0..steps {
                    area += curve.value_at(begin + step * i + step / 2).unwrap_or(0.0) * step.as_secs_f64();
                }
                begin = begin.max(end);
            }
            prop_assert!((area - n as f64).abs() < 1e-3, "{area} arrivals before {n} at {due:?}");
            prop_assert!((curve.cumulative(due) - n as f64).abs() < 1e-3);
        }
    }

    #[test]
    fn shares_of_users_add_up(wanted in 0_u32..10_000, of in 1_u32..100) {
        let sum: u32 = (0..of).map(|index| users_of(&Share::stripe(index, of).unwrap(), wanted)).sum();
        prop_assert_eq!(sum, wanted);
    }

    #[test]
    fn counts_and_due_times_agree(curve in any_curve(), millis in 0_u64..100_000) {
        let arrivals = Arrivals::new(&curve);
        let at = Duration::from_millis(millis);
        let count = arrivals.count_at(at);
        let (hair, slack) = (Duration::from_micros(1), Duration::from_micros(1));
        if count > 0 {
            prop_assert!(arrivals.due(count - 1).unwrap() <= at + hair);
        }
        if let Some(due) = arrivals.due(count) {
            prop_assert!(due + slack >= at, "arrival {count} at {due:?} before {at:?}");
        }
    }
}
