#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn a_slot_beyond_the_last_does_not_exist() {
    assert_eq!(Share::new(3, [0, 3]), Err(ShareError::Beyond { slot: 3, of: 3 }));
    assert!(Share::stripe(0, 0).is_err() && Share::empty(MAX_SLOTS + 1).is_err());
    assert_eq!(Share::new(3, [2, 0, 2]).unwrap().slots(), [0, 2]);
    let other = Share::stripe(0, 4).unwrap();
    assert!(Share::whole().union(&other).is_err() && Share::whole().minus(&other).is_err());
}

#[test]
fn a_stripe_is_short_as_text() {
    let check = |share: Share, text: &str| {
        assert_eq!(serde_json::to_string(&share).unwrap(), text);
        assert_eq!(serde_json::from_str::<Share>(text).unwrap(), share);
    };
    let fourth = Share::new(240, (1..240).step_by(4)).unwrap();
    check(fourth, "[240,[[1,4,60]]]");
    check(Share::whole(), "[1,[[0,1,1]]]");
    check(Share::empty(5).unwrap(), "[5,[]]");
    check(Share::new(100, [3, 50, 51, 52, 53, 90]).unwrap(), "[100,[[3,1,1],[50,1,4],[90,1,1]]]");
    check(Share::new(100, [7, 9]).unwrap(), "[100,[[7,2,2]]]");
}

#[test]
fn a_forged_share_is_refused() {
    let check = |text: &str, why: &str| {
        let error = serde_json::from_str::<Share>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    };
    check("[0,[]]", "a share of 0 slots");
    check("[70000,[]]", "1 to 65536 slots");
    check("[3,[[3,1,1]]]", "slot 3 of 3 does not exist");
    check("[3,[[0,1,4000000000]]]", "slot 3 of 3 does not exist");
    check("[3,[[0,0,4000000000]]]", "slot 0 is not above");
    check("[3,[[1,4294967295,3]]]", "does not exist");
    check("[9,[[4,1,2],[5,1,1]]]", "slot 5 is not above");
}

#[test]
fn a_guest_is_told_of_a_stripe_that_is_its_workers_own() {
    let check = |share: Share, place: (u32, u32)| {
        assert_eq!(share.place(), place, "{share:?}");
    };
    check(Share::whole(), (0, 1));
    check(Share::new(240, 0..240).unwrap(), (0, 1));
    check(Share::new(240, (2..240).step_by(3)).unwrap(), (2, 3));
    check(Share::new(6, [1, 2]).unwrap(), (1, 6));
    check(Share::new(6, [2, 3, 4]).unwrap(), (2, 6));
    check(Share::empty(6).unwrap(), (0, 6));
}

#[test]
fn a_slot_that_stays_keeps_its_shard() {
    let mut spread = Spread::new(2);
    let before = Share::new(12, [0, 2, 4, 6, 8, 10]).unwrap();
    spread.follow([&before].into_iter());
    let owner = |spread: &Spread, share: &Share, n| {
        (0..2).find(|shard| spread.part(share, *shard).unwrap().owns(n))
    };
    let was: Vec<_> = (0..48).map(|n| owner(&spread, &before, n)).collect();
    assert_eq!(was[..6], [Some(0), None, Some(1), None, Some(0), None]);
    let after = Share::new(12, [1, 2, 3, 6, 8, 10]).unwrap();
    spread.follow([&after].into_iter());
    for n in (0..48).filter(|n| before.owns(*n) && after.owns(*n)) {
        assert_eq!(owner(&spread, &after, n), was[n as usize], "number {n}");
    }
}

#[test]
fn a_change_replaces_what_was_to_come() {
    let secs = Duration::from_secs;
    let share = |slots: &[u32]| Share::new(9, slots.iter().copied()).unwrap();
    let mut timeline = Timeline::new(secs(1), share(&[1, 2, 3]));
    assert_eq!(timeline.at(Duration::ZERO), None);
    timeline.change(secs(5), share(&[1, 2]));
    timeline.change(secs(5), share(&[1]));
    timeline.change(secs(9), share(&[]));
    assert_eq!(timeline.at(secs(4)), Some(&share(&[1, 2, 3])));
    assert_eq!(timeline.at(secs(5)), Some(&share(&[1])));
    assert_eq!(timeline.at(secs(9)), Some(&share(&[])));
    // Everything stays as it is at second 4.
    timeline.change(secs(4), share(&[1, 2, 3]));
    assert_eq!(timeline.spans(), [(secs(1), share(&[1, 2, 3]))]);
    timeline.change(secs(0), share(&[4]));
    assert_eq!(timeline.spans(), [(secs(0), share(&[4]))]);
    for second in 1..100 {
        timeline.change(secs(second), share(&[second as u32 % 9]));
    }
    assert!(timeline.spans().len() < 20, "{timeline:?}");
}

#[test]
fn a_gain_leaves_what_was_lost_since_as_it_is() {
    let secs = Duration::from_secs;
    let share = |slots: &[u32]| Share::new(9, slots.iter().copied()).unwrap();
    let mut timeline = Timeline::new(secs(2), share(&[1, 2]));
    timeline.change(secs(6), share(&[1]));
    timeline.gain(secs(4), &share(&[7])).unwrap();
    timeline.gain(secs(6), &share(&[8])).unwrap();
    timeline.gain(secs(1), &share(&[9 - 1])).unwrap();
    let expected = [
        (secs(1), share(&[8])),
        (secs(2), share(&[1, 2, 8])),
        (secs(4), share(&[1, 2, 7, 8])),
        (secs(6), share(&[1, 7, 8])),
    ];
    assert_eq!(timeline.spans(), expected);
}

/// A share as a set, to compare with.
fn any_share() -> impl Strategy<Value = Share> {
    (1_u32..50).prop_flat_map(|of| {
        proptest::collection::btree_set(0..of, 0..=of as usize)
            .prop_map(move |slots| Share::new(of, slots).unwrap())
    })
}

fn numbers(share: &Share, total: u64) -> Vec<u64> {
    (0..total).filter(|n| share.slots().contains(&((n % u64::from(share.of())) as u32))).collect()
}

proptest! {
    #[test]
    fn closed_forms_agree_with_counting(share in any_share(), total in 0_u64..500) {
        let expected = numbers(&share, total);
        prop_assert!((0..total).filter(|n| share.owns(*n)).eq(expected.iter().copied()));
        prop_assert_eq!(share.count_of(total), expected.len() as u64);
        for (k, n) in expected.iter().enumerate() {
            prop_assert_eq!(share.nth(k as u64), Some(*n));
        }
        let next = numbers(&share, total + 100).into_iter().find(|n| *n >= total);
        prop_assert_eq!(share.next_from(total), next);
        prop_assert_eq!(share.nth(u64::MAX).is_some(), share.slots().len() == share.of() as usize);
    }

    #[test]
    fn parts_partition_a_share_evenly(share in any_share(), of in 1_u32..70, total in 0_u64..5000) {
        let parts: Vec<Share> = (0..of).map(|index| share.part(index, of).unwrap()).collect();
        let mut all: Vec<u64> = parts.iter().flat_map(|part| numbers(part, total)).collect();
        all.sort_unstable();
        prop_assert_eq!(all, numbers(&share, total));
        let counts = parts.iter().map(|part| part.count_of(total));
        // Each slot is dealt evenly to within one number.
        let slots = share.slots().len() as u64;
        prop_assert!(counts.clone().max().unwrap() - counts.min().unwrap() <= slots);
        prop_assert!(share.part(of, of).is_err());
    }

    #[test]
    fn moving_shares_are_partitioned_too(
        moves in proptest::collection::vec(any_slots(), 1..6),
        shards in 1_u32..5,
    ) {
        let mut spread = Spread::new(shards);
        for share in moves {
            spread.follow([&share].into_iter());
            let parts = (0..shards).map(|shard| spread.part(&share, shard).unwrap());
            let mut all: Vec<u64> = parts.flat_map(|part| numbers(&part, 300)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, numbers(&share, 300));
        }
    }

    #[test]
    fn nothing_falls_to_stripes_without_users(
        holders in proptest::collection::vec(0_u32..3, 24),
        users in 0_u32..120,
        total in 0_u64..400,
    ) {
        // Worker `w` has `w + 1` shards.
        let mut all = Vec::new();
        for worker in 0..3 {
            let own = (0..24).filter(|slot| holders[*slot as usize] == worker);
            let share = Share::new(24, own).unwrap();
            for shard in 0..=worker {
                let part = share.part(shard, worker + 1).unwrap();
                let crewed = part.crewed(24, users);
                prop_assert!(crewed.is_empty() || part.count_of(users.into()) > 0);
                all.extend(numbers(&crewed, total));
            }
        }
        all.sort_unstable();
        prop_assert_eq!(all, (0..if users > 0 { total } else { 0 }).collect::<Vec<_>>());
    }

    #[test]
    fn union_and_minus_are_those_of_sets(a in any_slots(), b in any_slots()) {
        let (both, rest) = (a.union(&b).unwrap(), a.minus(&b).unwrap());
        for n in 0..100 {
            prop_assert_eq!(both.owns(n), a.owns(n) || b.owns(n));
            prop_assert_eq!(rest.owns(n), a.owns(n) && !b.owns(n));
        }
    }

    #[test]
    fn a_share_survives_text(share in any_share()) {
        let text = serde_json::to_string(&share).unwrap();
        prop_assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), share.clone());
        let bytes = postcard::to_stdvec(&share).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Share>(&bytes).unwrap(), share);
    }

    #[test]
    fn noise_never_panics(of: u32, runs in proptest::collection::vec(any::<(u32, u32, u32)>(), 0..9)) {
        let text = serde_json::to_string(&(of, runs)).unwrap();
        if let Ok(share) = serde_json::from_str::<Share>(&text) {
            prop_assert!(share.of() <= MAX_SLOTS && share.slots().len() <= MAX_SLOTS as usize);
        }
    }
}

/// Some of 24 slots.
fn any_slots() -> impl Strategy<Value = Share> {
    proptest::collection::btree_set(0_u32..24, 0..24)
        .prop_map(|slots| Share::new(24, slots).unwrap())
}
