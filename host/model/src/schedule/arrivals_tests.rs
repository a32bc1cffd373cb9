#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::schedule::{users_of, users_wanted};
use crate::text::{Target, parse_stages};

fn curve(text: &str) -> Curve {
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

#[test]
fn a_rate_that_is_replaced_goes_on_without_gap_or_double() {
    let at = Duration::from_secs(10);
    let before = Curve::constant(100.0);
    let after = Curve {
        start: 100.0,
        stages: parse_stages("10s->100, 0s->10", Target::Rate).unwrap(),
        hold: true,
    };
    let mut due = DueTimes::even(Arc::new(Arrivals::new(&before)), Share::whole());
    let early = due.by_ref().take_while(|(_, due)| *due < at).count();
    due.replace(Arc::new(Arrivals::new(&after)));
    // `take_while` consumed arrival 1000, which is due at the very moment.
    assert_eq!(early, 1000);
    let late: Vec<_> = due.take(2).map(|(n, due)| (n, due.as_millis())).collect();
    assert_eq!(late, [(1001, 10_100), (1002, 10_200)]);
}

#[test]
fn poisson_gaps_are_exponential_and_repeatable() {
    let arrivals = Arc::new(Arrivals::new(&Curve::constant(1000.0)));
    let third = Share::stripe(1, 3).unwrap();
    let times = |seed| {
        DueTimes::poisson(arrivals.clone(), third.clone(), seed)
            .take(100_000)
            .map(|(_, due)| due.as_secs_f64())
    };
    let all: Vec<f64> = times(7).collect();
    assert!(times(7).eq(all.iter().copied()));
    assert!(!times(8).eq(all.iter().copied()));
    // A third of 1000/s: gaps of 3 ms on average, and a deviation as large.
    let gaps: Vec<f64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let deviation =
        (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
    assert!((mean * 1e3 - 3.0).abs() < 0.05, "mean gap {mean}");
    assert!((deviation / mean - 1.0).abs() < 0.02, "deviation {deviation}");
}

#[test]
fn shares_of_a_poisson_process_differ() {
    let arrivals = Arc::new(Arrivals::new(&Curve::constant(1000.0)));
    let first = |index| {
        let share = Share::stripe(index, 64).unwrap();
        DueTimes::poisson(arrivals.clone(), share, 7).next().unwrap().1
    };
    let distinct: std::collections::BTreeSet<_> = (0..64).map(first).collect();
    assert_eq!(distinct.len(), 64);
}

#[test]
fn a_late_worker_leaves_out_what_is_past() {
    let arrivals = Arc::new(Arrivals::new(&curve("10s->100, 20s->100")));
    let at = Duration::from_secs(20);
    let share = Share::stripe(2, 3).unwrap();
    for mut due in
        [DueTimes::even(arrivals.clone(), share.clone()), DueTimes::poisson(arrivals.clone(), share, 3)]
    {
        due.skip_to(at);
        let all: Vec<_> = due.map(|(_, due)| due).collect();
        assert!(all[0] >= at && all[0] < at + Duration::from_millis(500), "{:?}", all[0]);
        assert!((200..=500).contains(&all.len()), "{} of 333", all.len());
    }
}

/// Curves with jumps, pauses, flat and steep pieces.
fn any_curve() -> impl Strategy<Value = Curve> {
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
    fn stripes_partition_the_arrivals(curve in any_curve(), of in 1_u32..7) {
        let arrivals = Arc::new(Arrivals::new(&curve));
        let most = 500;
        let mut all: Vec<_> = (0..of)
            .flat_map(|index| DueTimes::even(arrivals.clone(), Share::stripe(index, of).unwrap()).take(most))
            .collect();
        all.sort();
        all.truncate(most);
        let whole: Vec<_> = DueTimes::even(arrivals, Share::whole()).take(most).collect();
        prop_assert_eq!(all, whole);
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
