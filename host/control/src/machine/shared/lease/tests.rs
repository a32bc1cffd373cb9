//! Leases that are granted, used, taken back and lost.

use proptest::prelude::*;

use super::*;

fn asks(source: &mut Source, held: &mut Held, taken: u64, wanted: u64, workers: usize) -> u64 {
    let before = held.lease.total();
    source.hear(held, Draw { taken, wanted });
    if held.asks {
        source.grant(held, workers);
    }
    held.lease.total() - before
}

#[test]
fn the_last_rows_are_spread_evenly() {
    let mut source = Source::new(Some(1_000), LostRows::Withhold);
    let mut workers = [Held::default(), Held::default()];
    let mut grants = Vec::new();
    for round in 0.. {
        let held = &mut workers[round % 2];
        let taken = held.lease.total();
        grants.push(asks(&mut source, held, taken, 10_000, 2));
        if source.is_exhausted() {
            break;
        }
    }
    assert_eq!(grants.iter().sum::<u64>(), 1_000);
    assert_eq!(grants[..3], [250, 187, 140], "a quarter of what is left, for one of two");
    assert_eq!(grants[grants.len() - 4..], [1; 4]);
    assert!(grants.len() < 30, "{grants:?}");
}

#[test]
fn a_worker_is_served_once_it_has_less_than_half_of_what_it_wants() {
    let check = |taken: u64, wanted: u64, expected: u64| {
        let mut source = Source::new(None, LostRows::Withhold);
        let mut held = Held::default();
        source.grant_first(&mut held, 1);
        assert_eq!(held.stock(), FIRST_GRANT);
        assert_eq!(asks(&mut source, &mut held, taken, wanted, 1), expected, "{taken} {wanted}");
    };
    check(0, 1_000, 0);
    check(500, 1_000, 0);
    check(501, 1_000, 501);
    check(1_000, 1, 1);
    check(1_000, 0, 0);
    check(0, 5_000, 4_000);
    check(1_000, u64::MAX, MAX_GRANT);
}

#[test]
fn what_comes_back_is_leased_before_new_numbers_and_adjacent_blocks_are_one() {
    let mut source = Source::new(Some(100), LostRows::Withhold);
    let (mut a, mut b) = (Held::default(), Held::default());
    for _ in 0..3 {
        let taken = a.lease.total();
        asks(&mut source, &mut a, taken, 10, 1);
        let taken = b.lease.total();
        asks(&mut source, &mut b, taken, 10, 1);
    }
    assert_eq!((&a.lease.blocks[..], &b.lease.blocks[..]), (&[(40, 10)][..], &[(50, 10)][..]));
    source.hear(&mut a, Draw { taken: 23, wanted: 10 });
    source.hear(&mut b, Draw { taken: 21, wanted: 10 });
    source.finish(&mut b);
    source.finish(&mut a);
    assert_eq!(source.returned, [(43, 7), (51, 9)]);
    assert_eq!((source.leased(), source.taken), (44, 44));
    let mut c = Held::default();
    assert_eq!(asks(&mut source, &mut c, 0, 20, 1), 20);
    assert_eq!(c.lease.blocks, [(43, 7), (51, 13)]);
}

#[test]
fn of_a_silent_worker_the_rest_is_withheld_or_repeated_and_its_own_again_when_it_is_back() {
    for lost in [LostRows::Withhold, LostRows::Repeat] {
        let mut source = Source::new(Some(100), lost);
        let mut held = Held::default();
        asks(&mut source, &mut held, 0, 40, 1);
        source.hear(&mut held, Draw { taken: 10, wanted: 0 });
        source.doubt(&mut held);
        let repeats = lost == LostRows::Repeat;
        assert_eq!(source.repeated, if repeats { 30 } else { 0 });
        assert_eq!(held.in_doubt(), if repeats { 0 } else { 30 });
        assert_eq!(source.remaining(), Some(if repeats { 90 } else { 60 }));
        // It is back, has gone on meanwhile, and is lost again: nothing is given away twice.
        source.hear(&mut held, Draw { taken: 15, wanted: 0 });
        assert_eq!(held.lease.blocks, [(15, 25)]);
        source.doubt(&mut held);
        assert_eq!(source.repeated, if repeats { 30 } else { 0 });
        source.give_up(&mut held);
        assert_eq!(source.withheld(), if repeats { 0 } else { 25 });
    }
}

#[test]
fn a_lease_in_many_pieces_grows_once_some_are_used_up() {
    let mut source = Source::new(Some(1_000), LostRows::Withhold);
    source.next = 1_000;
    source.take_back((0..200).map(|n| (2 * n, 1)).collect());
    let mut held = Held::default();
    assert_eq!(asks(&mut source, &mut held, 0, 1_000, 1), MAX_BLOCKS as u64);
    assert_eq!(asks(&mut source, &mut held, 0, 1_000, 1), 0);
    assert_eq!(asks(&mut source, &mut held, 10, 1_000, 1), 10);
    // Returned ones are bounded, too.
    let many = (0..MAX_RETURNED as u64 + 5).map(|n| (10_000 + 2 * n, 1)).collect();
    source.take_back(many);
    assert_eq!(source.returned.len(), MAX_RETURNED);
    assert!(source.withheld() > 0);
}

#[derive(Debug, Clone)]
enum Act {
    Ask { taken: u64, wanted: u64 },
    Doubt,
    Finish,
    GiveUp,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..30_u64, 0..30_u64).prop_map(|(taken, wanted)| Act::Ask { taken, wanted }),
        1 => Just(Act::Doubt),
        1 => Just(Act::Finish),
        1 => Just(Act::GiveUp),
    ]
}

proptest! {
    #[test]
    fn each_number_is_with_one_or_waits_or_is_accounted_for(
        acts in prop::collection::vec((0..3_usize, act()), 0..200), end in 1..500_u64,
    ) {
        let mut source = Source::new(Some(end), LostRows::Withhold);
        let mut all: [Held; 3] = Default::default();
        for (who, act) in acts {
            let held = &mut all[who];
            match act {
                Act::Ask { taken, wanted } => {
                    let taken = held.taken + taken.min(held.stock());
                    asks(&mut source, held, taken, wanted, 3);
                }
                Act::Doubt => source.doubt(held),
                Act::Finish => source.finish(held),
                Act::GiveUp => source.give_up(held),
            }
            let mut numbers: Vec<u64> = Vec::new();
            let blocks = all.iter().flat_map(|held| &held.lease.blocks).chain(&source.returned);
            blocks.for_each(|(first, length)| numbers.extend(*first..first + length));
            let stock: u64 = all.iter().map(Held::stock).sum();
            let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
            prop_assert_eq!(distinct.len(), numbers.len(), "one holder for each");
            prop_assert_eq!(source.leased(), source.taken + stock + source.withheld());
            prop_assert!(numbers.iter().all(|number| *number < source.next));
            prop_assert!(source.next <= end);
        }
    }
}
