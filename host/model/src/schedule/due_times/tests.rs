#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::profile::Curve;
use crate::schedule::arrivals::tests::{any_curve, curve};
use crate::share::Spread;
use crate::text::{Target, parse_stages};

fn even(arrivals: &Arc<Arrivals>, share: Share) -> DueTimes {
    DueTimes::new(arrivals.clone(), Gaps::Even, Timeline::always(share))
}

fn poisson(arrivals: &Arc<Arrivals>, share: Share, seed: u64) -> DueTimes {
    let gaps = Gaps::Exponential { seed, slots: share.of() };
    DueTimes::new(arrivals.clone(), gaps, Timeline::always(share))
}

#[test]
fn a_rate_that_is_replaced_goes_on_without_gap_or_double() {
    let at = Duration::from_secs(10);
    let before = Arc::new(Arrivals::new(&Curve::constant(100.0)));
    let after = Curve {
        start: 100.0,
        stages: parse_stages("10s->100, 0s->10", Target::Rate).unwrap(),
        hold: true,
    };
    let mut due = even(&before, Share::whole());
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
        poisson(&arrivals, third.clone(), seed).take(100_000).map(|(_, due)| due.as_secs_f64())
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
    let first = |index| poisson(&arrivals, Share::stripe(index, 64).unwrap(), 7).next().unwrap().1;
    let distinct: BTreeSet<_> = (0..64).map(first).collect();
    assert_eq!(distinct.len(), 64);
}

#[test]
fn a_late_worker_leaves_out_what_is_past() {
    let arrivals = Arc::new(Arrivals::new(&curve("10s->100, 20s->100")));
    let at = Duration::from_secs(20);
    let late = Timeline::new(at, Share::stripe(2, 3).unwrap());
    for gaps in [Gaps::Even, Gaps::Exponential { seed: 3, slots: 3 }] {
        let due = DueTimes::new(arrivals.clone(), gaps, late.clone());
        let all: Vec<_> = due.map(|(_, due)| due).collect();
        assert!(all[0] >= at && all[0] < at + Duration::from_millis(500), "{:?}", all[0]);
        assert!((270..=400).contains(&all.len()), "{} of 333", all.len());
    }
}

#[test]
fn a_slot_that_was_given_up_too_late_to_tell_is_made_up_for() {
    let arrivals = Arc::new(Arrivals::new(&Curve::constant(10.0)));
    let mut shares = Timeline::always(Share::stripe(0, 2).unwrap());
    let mut due = DueTimes::new(arrivals, Gaps::Even, shares.clone());
    // Half of ten a second, up to the fourth second.
    assert!(due.by_ref().take(20).map(|(n, _)| n).eq((0..40).step_by(2)));
    shares.change(Duration::from_secs(3), Share::new(2, [0, 1]).unwrap());
    due.follow(&shares);
    let next: Vec<u64> = due.take(8).map(|(n, _)| n).collect();
    assert_eq!(next, [31, 33, 35, 37, 39, 40, 41, 42]);
}

#[test]
fn a_gain_that_is_heard_of_after_a_later_one_doubles_nothing() {
    let arrivals = Arc::new(Arrivals::new(&Curve::constant(10.0)));
    let slot = |slot| Share::new(4, [slot]).unwrap();
    let mut shares = Timeline::always(Share::empty(4).unwrap());
    let mut due = DueTimes::new(arrivals, Gaps::Even, shares.clone());
    shares.gain(Duration::from_secs(2), &slot(1)).unwrap();
    due.follow(&shares);
    assert!(due.by_ref().take(3).map(|(n, _)| n).eq([21, 25, 29]));
    shares.gain(Duration::from_secs(1), &slot(0)).unwrap();
    due.follow(&shares);
    let next: Vec<u64> = due.take(8).map(|(n, _)| n).collect();
    assert_eq!(next, [12, 16, 20, 24, 28, 32, 33, 36]);
}

#[test]
fn a_gain_of_the_past_before_a_slot_that_came_back_doubles_nothing() {
    let slots = |slots: &[u32]| Share::new(4, slots.iter().copied()).unwrap();
    let ms = Duration::from_millis;
    let arrivals = Arc::new(Arrivals::new(&Curve::constant(1_000.0)));
    let mut shares = Timeline::always(slots(&[0, 3]));
    let mut due = DueTimes::new(arrivals, Gaps::Even, shares.clone());
    // Slot 3 goes and comes back before its first arrival, and has some; only then is heard that slot 0,
    // which went before, is back for just as long.
    for (from, share) in [(1, &[3][..]), (2, &[]), (2, &[3])] {
        shares.change(ms(from), slots(share));
        due.follow(&shares);
    }
    assert!(due.by_ref().take(4).map(|(n, _)| n).eq([0, 3, 7, 11]));
    shares.gain(ms(1), &slots(&[0])).unwrap();
    due.follow(&shares);
    let mut next: Vec<u64> = due.take(7).map(|(n, _)| n).collect();
    next.sort_unstable();
    assert_eq!(next, [4, 8, 12, 15, 16, 19, 20]);
}

/// A move of slots from a moment on: which slots, to whom, told so long before, and taken up
/// so long after, by whoever gains them.
#[derive(Debug, Clone)]
struct Move {
    at: Duration,
    slots: BTreeSet<u32>,
    to: usize,
    late: Duration,
}

const SLOTS: u32 = 12;

fn any_moves() -> impl Strategy<Value = Vec<Move>> {
    let slots = proptest::collection::btree_set(0..SLOTS, 1..8);
    let one = (1_u64..3_000, slots, 0_usize..3, 0_u64..2_000);
    proptest::collection::vec(one, 0..8).prop_map(|moves| {
        let mut at = Duration::ZERO;
        let moves = moves.into_iter().map(|(pause, slots, to, late)| {
            at += Duration::from_millis(pause);
            Move { at, slots, to, late: Duration::from_millis(late) }
        });
        moves.collect()
    })
}

/// A worker with shards, each with its own arrivals.
struct Worker {
    shares: Timeline,
    spread: Spread,
    shards: Vec<DueTimes>,
    served: Vec<(u64, Duration)>,
}

impl Worker {
    fn new(shards: u32, share: Share, users: u32, arrivals: &Arc<Arrivals>, gaps: Gaps) -> Self {
        let shares = Timeline::always(share);
        let mut new = Self { shares, spread: Spread::new(shards), shards: vec![], served: vec![] };
        for part in new.parts(users) {
            new.shards.push(DueTimes::new(arrivals.clone(), gaps, part));
        }
        new
    }

    fn parts(&mut self, users: u32) -> Vec<Timeline> {
        self.spread.follow(self.shares.spans().iter().map(|(_, share)| share));
        let part = |shard: u32| {
            let own = |share: &Share| Ok(self.spread.part(share, shard)?.crewed(SLOTS, users));
            self.shares.try_map(own).unwrap()
        };
        (0..self.spread.shards()).map(part).collect()
    }

    fn lose(&mut self, from: Duration, share: Share, users: u32) {
        self.shares.change(from, share);
        self.follow(users);
    }

    fn gain(&mut self, from: Duration, more: &Share, users: u32) {
        self.shares.gain(from, more).unwrap();
        self.follow(users);
    }

    fn follow(&mut self, users: u32) {
        let parts = self.parts(users);
        self.shards.iter_mut().zip(&parts).for_each(|(shard, part)| shard.follow(part));
    }

    /// Serves what is due before `at`.
    fn serve(&mut self, at: Duration) {
        for shard in &mut self.shards {
            while shard.peek().is_some_and(|(_, due)| due < at) {
                self.served.extend(shard.next());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn stripes_partition_the_arrivals(curve in any_curve(), of in 1_u32..7) {
        let arrivals = Arc::new(Arrivals::new(&curve));
        let most = 500;
        let mut all: Vec<_> = (0..of)
            .flat_map(|index| even(&arrivals, Share::stripe(index, of).unwrap()).take(most))
            .collect();
        all.sort();
        all.truncate(most);
        let whole: Vec<_> = even(&arrivals, Share::whole()).take(most).collect();
        prop_assert_eq!(all, whole);
    }

    #[test]
    fn while_slots_move_each_arrival_is_served_once(
        curve in any_curve(),
        moves in any_moves(),
        random: bool,
        users in prop_oneof![1_u32..40, Just(1_000)],
    ) {
        let arrivals = Arc::new(Arrivals::new(&curve));
        let gaps = match random {
            true => Gaps::Exponential { seed: 7, slots: SLOTS.min(users) },
            false => Gaps::Even,
        };
        let end = Duration::from_secs(20);
        // Of one, two and three shards.
        let mut workers: Vec<Worker> = (0..3)
            .map(|worker| {
                let share = Share::new(SLOTS, (worker..SLOTS).step_by(3)).unwrap();
                Worker::new(worker + 1, share, users, &arrivals, gaps)
            })
            .collect();
        let mut gains: Vec<(Duration, usize, Duration, Share)> = Vec::new();
        for Move { at, slots, to, late } in moves {
            // Those who gained before may hear of it only now, or have not heard yet.
            let (due, rest): (Vec<_>, Vec<_>) = gains.drain(..).partition(|gain| gain.0 <= at);
            gains = rest;
            for (heard, worker, from, gained) in due {
                gain(&mut workers[worker], heard, from, &gained, users);
            }
            let moved = Share::new(SLOTS, slots).unwrap();
            let mut free = Share::empty(SLOTS).unwrap();
            for worker in &mut workers {
                worker.serve(at);
                let own = worker.shares.last().unwrap().clone();
                let kept = own.minus(&moved).unwrap();
                free = free.union(&own.minus(&kept).unwrap()).unwrap();
                worker.lose(at, kept, users);
            }
            gains.push((at + late, to, at, free));
        }
        for (heard, worker, from, gained) in gains {
            gain(&mut workers[worker], heard, from, &gained, users);
        }
        let mut served: Vec<_> = workers
            .iter_mut()
            .flat_map(|worker| {
                worker.serve(end);
                worker.served.clone()
            })
            .collect();
        served.sort_by_key(|(n, due)| (*due, *n));
        let whole = match random {
            true => {
                let all = Timeline::always(Share::new(gaps_slots(gaps), 0..gaps_slots(gaps)).unwrap());
                DueTimes::new(arrivals, gaps, all)
            }
            false => even(&arrivals, Share::whole()),
        };
        let expected: Vec<_> = whole.take_while(|(_, due)| *due < end).collect();
        prop_assert_eq!(served.len(), expected.len());
        let mut expected = expected;
        expected.sort_by_key(|(n, due)| (*due, *n));
        prop_assert_eq!(served, expected);
    }
}

fn gaps_slots(gaps: Gaps) -> u32 {
    match gaps {
        Gaps::Even => 1,
        Gaps::Exponential { slots, .. } => slots,
    }
}

/// A worker hears at `heard` that it has more since `from`. It may not have come to serve all
/// that was due by then.
fn gain(worker: &mut Worker, heard: Duration, from: Duration, gained: &Share, users: u32) {
    worker.serve(heard.mul_f64(0.9));
    worker.gain(from, gained, users);
}
