#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use loadhost_model::description::{Task, TaskGroup};

use super::*;

fn task(name: &str, weight: u32) -> Task {
    Task { name: name.into(), weight, tags: vec![], wait: None, group: None, next: vec![] }
}

fn user(order: Order, tasks: Vec<Task>) -> UserType {
    UserType {
        name: "User".into(),
        weight: 1,
        fixed_count: None,
        wait: WaitTime::None,
        order,
        tasks,
        groups: vec![],
    }
}

fn group(name: &str, order: Order, rounds: (u32, u32)) -> TaskGroup {
    TaskGroup { name: name.into(), weight: 1, tags: vec![], order, rounds, parent: None }
}

/// `a` stands in the group with the number, `a:tag` has the tag.
fn parse(text: &str) -> Vec<Task> {
    let words = text.split_whitespace().map(|word| {
        let (word, group) = match word.split_once('/') {
            Some((word, group)) => (word, Some(group.parse().unwrap())),
            None => (word, None),
        };
        let (word, weight) = word.split_once('*').unwrap_or((word, "1"));
        let (name, tag) = word.split_once(':').unwrap_or((word, ""));
        let tags = if tag.is_empty() { vec![] } else { vec![tag.to_string()] };
        Task { tags, group, ..task(name, weight.parse().unwrap()) }
    });
    words.collect()
}

fn picks(user: &UserType, filter: &TaskFilter, seed: u64, count: usize) -> Vec<String> {
    let table = Arc::new(TaskTable::new(user, filter).unwrap());
    let (mut picker, mut rng) = (TaskPicker::new(table), Rng::with_seed(seed));
    (0..count).map(|_| user.tasks[picker.pick(&mut rng) as usize].name.clone()).collect()
}

fn check(order: Order, tasks: &str, filter: &TaskFilter, expected: &str) {
    let user = user(order, parse(tasks));
    let count = expected.split_whitespace().count();
    assert_eq!(picks(&user, filter, 7, count).join(" "), expected, "{tasks}");
}

fn filter(include: &[&str], exclude: &[&str], names: &[&str]) -> TaskFilter {
    let list = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    TaskFilter { include: list(include), exclude: list(exclude), names: list(names) }
}

#[test]
fn a_sequence_repeats_in_the_order_of_the_list() {
    check(Order::Sequential, "a b c", &TaskFilter::default(), "a b c a b c a");
}

#[test]
fn tags_and_names_decide_what_runs() {
    let tasks = "a:buy b:browse c:buy d e*0";
    check(Order::Sequential, tasks, &filter(&[], &[], &[]), "a b c d a");
    check(Order::Sequential, tasks, &filter(&["buy"], &[], &[]), "a c a c");
    check(Order::Sequential, tasks, &filter(&[], &["buy"], &[]), "b d b d");
    check(Order::Sequential, tasks, &filter(&["buy", "browse"], &["browse"], &[]), "a c a c");
    check(Order::Sequential, tasks, &filter(&[], &[], &["e", "a"]), "a e a e");
}

#[test]
fn nothing_left_is_said() {
    let user = user(Order::Weighted, parse("a:buy b*0"));
    assert_eq!(TaskTable::new(&user, &filter(&[], &["buy"], &[])), None);
    assert_eq!(TaskTable::new(&user, &filter(&["sell"], &[], &[])), None);
}

#[test]
fn a_shuffle_has_each_task_once_per_round() {
    let user = user(Order::Shuffled, parse("a b c d"));
    let picked = picks(&user, &TaskFilter::default(), 3, 400);
    let mut rounds: Vec<Vec<String>> = picked.chunks(4).map(<[String]>::to_vec).collect();
    rounds.sort();
    rounds.dedup();
    assert!(rounds.len() > 15, "only {} of 24 orders in 100 rounds", rounds.len());
    for round in rounds {
        let mut round = round.clone();
        round.sort();
        assert_eq!(round, ["a", "b", "c", "d"]);
    }
}

#[test]
fn weights_are_met_and_weight_0_never_runs() {
    let user = user(Order::Weighted, parse("a*1 b*0 c*3"));
    let mut counts = BTreeMap::new();
    for name in picks(&user, &TaskFilter::default(), 11, 40_000) {
        *counts.entry(name).or_insert(0) += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert!((9_500..10_500).contains(&counts["a"]), "{counts:?}");
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let user = user(Order::Weighted, parse("a b c d e"));
    let of = |seed| picks(&user, &TaskFilter::default(), seed, 100);
    assert_eq!(of(5), of(5));
    assert_ne!(of(5), of(6));
}

#[test]
fn markov_follows_the_successors() {
    let mut tasks = parse("login*1 browse*0 buy*0");
    tasks[0].next = vec![(1, 1)];
    tasks[1].next = vec![(2, 1)];
    tasks[2].next = vec![(1, 1)];
    let user = user(Order::Markov, tasks);
    let picked = picks(&user, &TaskFilter::default(), 1, 6);
    assert_eq!(picked, ["login", "browse", "buy", "browse", "buy", "browse"]);
}

#[test]
fn a_markov_chain_without_successors_goes_on_by_weight() {
    let user = user(Order::Markov, parse("a b*0"));
    assert_eq!(picks(&user, &TaskFilter::default(), 1, 3), ["a", "a", "a"]);
}

#[test]
fn a_group_runs_its_own_tasks_and_is_left_again() {
    let mut user = user(Order::Sequential, parse("a b/0 c/0 d"));
    user.groups = vec![group("cart", Order::Sequential, (3, 3))];
    let picked = picks(&user, &TaskFilter::default(), 1, 8);
    assert_eq!(picked, ["a", "b", "c", "b", "d", "a", "b", "c"]);
}

#[test]
fn a_weighted_group_without_rounds_runs_each_task_once() {
    let mut user = user(Order::Sequential, parse("a b*100/0 c/0"));
    user.groups = vec![group("cart", Order::Weighted, (0, 0))];
    for round in picks(&user, &TaskFilter::default(), 9, 300).chunks(3) {
        let mut group = round[1..].to_vec();
        group.sort();
        assert_eq!((&*round[0], group), ("a", vec!["b".to_string(), "c".to_string()]));
    }
}

#[test]
fn groups_nest_and_pass_their_tags_on() {
    let mut user = user(Order::Sequential, parse("a b/0 c/1 d/1"));
    let outer = TaskGroup { tags: vec!["shop".into()], ..group("shop", Order::Sequential, (0, 0)) };
    let inner = TaskGroup { parent: Some(0), ..group("pay", Order::Sequential, (2, 2)) };
    user.groups = vec![outer, inner];
    let all = picks(&user, &TaskFilter::default(), 1, 7);
    assert_eq!(all, ["a", "b", "c", "d", "a", "b", "c"]);
    assert_eq!(picks(&user, &filter(&["shop"], &[], &[]), 1, 4), ["b", "c", "d", "b"]);
    assert_eq!(picks(&user, &filter(&[], &["shop"], &[]), 1, 2), ["a", "a"]);
}

#[test]
fn a_name_runs_a_task_in_a_group_of_weight_0() {
    let mut user = user(Order::Weighted, parse("a b*0/0"));
    user.groups = vec![TaskGroup { weight: 0, ..group("admin", Order::Weighted, (0, 0)) }];
    assert_eq!(picks(&user, &TaskFilter::default(), 1, 3), ["a", "a", "a"]);
    assert_eq!(picks(&user, &filter(&[], &[], &["b"]), 1, 3), ["b", "b", "b"]);
}

#[test]
fn a_tasks_own_wait_replaces_the_user_types() {
    let second = std::time::Duration::from_secs(1);
    let mut user = user(Order::Weighted, parse("a b"));
    user.wait = WaitTime::Constant(second);
    user.tasks[1].wait = Some(WaitTime::None);
    let table = TaskTable::new(&user, &TaskFilter::default()).unwrap();
    assert_eq!(table.wait_after(0), WaitTime::Constant(second));
    assert_eq!(table.wait_after(1), WaitTime::None);
}
