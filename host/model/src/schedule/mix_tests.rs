#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::description::{Order, UserType, WaitTime};
use crate::share::Share;

fn scenario(types: &[(&str, UserShare)]) -> Description {
    let user_types = types.iter().map(|(name, share)| UserType {
        name: name.to_string(),
        weight: if let UserShare::Weight(weight) = share { *weight } else { 1 },
        fixed_count: if let UserShare::Count(count) = share { Some(*count) } else { None },
        wait: WaitTime::None,
        order: Order::Weighted,
        tasks: Vec::new(),
        groups: Vec::new(),
    });
    Description {
        name: "test".to_string(),
        user_types: user_types.collect(),
        ..Description::default()
    }
}

fn mix(types: &[(&str, UserShare)]) -> UserMix {
    UserMix::new(&scenario(types), &BTreeMap::new(), &[]).unwrap()
}

#[test]
fn fixed_counts_come_first() {
    let mix =
        mix(&[("a", UserShare::Weight(1)), ("b", UserShare::Count(2)), ("c", UserShare::Count(1))]);
    let types: Vec<_> = (0..6).map(|number| mix.type_of(number)).collect();
    assert_eq!(types, [1, 1, 2, 0, 0, 0].map(Some));
    assert_eq!((mix.fixed_users(), mix.limit()), (3, None));
}

#[test]
fn beyond_fixed_counts_there_is_nobody() {
    let mix = mix(&[("a", UserShare::Count(2))]);
    assert_eq!([mix.type_of(1), mix.type_of(2)], [Some(0), None]);
    assert_eq!(mix.limit(), Some(2));
}

#[test]
fn the_run_overrides_the_scenario() {
    let scenario = scenario(&[("a", UserShare::Weight(1)), ("b", UserShare::Count(2))]);
    let shares = [("a".to_string(), UserShare::Weight(0)), ("b".to_string(), UserShare::Weight(1))];
    let mix = UserMix::new(&scenario, &shares.into(), &[]).unwrap();
    assert_eq!(mix.type_of(1000), Some(1));
}

#[test]
fn a_phase_takes_only_its_types() {
    let scenario = scenario(&[("a", UserShare::Weight(1)), ("b", UserShare::Weight(1))]);
    let mix = UserMix::new(&scenario, &BTreeMap::new(), &["b".to_string()]).unwrap();
    assert!((0..100).all(|number| mix.type_of(number) == Some(1)));
}

#[test]
fn a_type_does_not_sit_on_one_worker() {
    let mix = mix(&[("a", UserShare::Weight(3)), ("b", UserShare::Weight(1))]);
    for of in [2, 3, 4, 8] {
        for index in 0..of {
            let share = Share::stripe(index, of).unwrap();
            let b = (0..1000).filter(|k| mix.type_of(share.nth(*k).unwrap()) == Some(1)).count();
            assert!((200..300).contains(&b), "{b} of 1000 are of type b in slot {index} of {of}");
        }
    }
}

#[test]
fn huge_weights_are_cheap() {
    let mix = mix(&[("a", UserShare::Weight(u32::MAX)), ("b", UserShare::Weight(u32::MAX - 1))]);
    let a = (0..1000).filter(|number| mix.type_of(*number) == Some(0)).count();
    assert!((499..=501).contains(&a), "{a}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_prefix_has_the_right_mix(weights in proptest::collection::vec(1_u32..50, 1..8)) {
        let types: Vec<_> = weights.iter().map(|weight| ("t", UserShare::Weight(*weight))).collect();
        let mix = mix(&types);
        let sum = f64::from(weights.iter().sum::<u32>());
        let mut seen = vec![0.0; weights.len()];
        for number in 0..3000 {
            seen[mix.type_of(number).unwrap() as usize] += 1.0;
            for (seen, weight) in seen.iter().zip(&weights) {
                let share = (number + 1) as f64 * f64::from(*weight) / sum;
                prop_assert!((seen - share).abs() < 1.0, "{seen} instead of {share} of {}", number + 1);
            }
        }
    }
}
