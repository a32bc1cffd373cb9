//! Which part of a user type's iterations each task should have, by the description.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadhost_model::description::{Description, Order, Task, UserType};
use loadhost_model::plan::TaskFilter;

/// Wanted parts by user type and task. Absent: the description does not say.
pub(crate) type Shares = BTreeMap<(Arc<str>, Arc<str>), f64>;

/// Of all user types. Types with Markov order have none, since their parts are those of the
/// chain's equilibrium, which a short run need not reach.
pub(crate) fn wanted(description: &Description, filter: &TaskFilter) -> Shares {
    let mut shares = Shares::new();
    for user_type in &description.user_types {
        let counts = Counts { user_type, filter };
        let Some(per_visit) = counts.of_members(None, user_type.order, (0, 0)) else { continue };
        let all: f64 = per_visit.values().sum();
        if all > 0.0 {
            for (task, count) in per_visit {
                shares.insert((user_type.name.as_str().into(), task.into()), count / all);
            }
        }
    }
    shares
}

struct Counts<'a> {
    user_type: &'a UserType,
    filter: &'a TaskFilter,
}

impl<'a> Counts<'a> {
    /// How often each task runs in one visit of a group, on average; None stands for the
    /// user type itself.
    fn of_members(
        &self,
        group: Option<u32>,
        order: Order,
        rounds: (u32, u32),
    ) -> Option<BTreeMap<String, f64>> {
        let mut members: Vec<(f64, BTreeMap<String, f64>)> = Vec::new();
        for task in self.user_type.tasks.iter().filter(|task| task.group == group) {
            if self.selects(task) {
                let weight =
                    if self.filter.names.is_empty() { task.weight } else { task.weight.max(1) };
                members.push((f64::from(weight), BTreeMap::from([(task.name.clone(), 1.0)])));
            }
        }
        for (index, child) in (0u32..).zip(&self.user_type.groups) {
            // A parent comes before its children, so this ends.
            if child.parent == group && group.is_none_or(|parent| parent < index) {
                let inside = self.of_members(Some(index), child.order, child.rounds)?;
                if !inside.is_empty() {
                    members.push((f64::from(child.weight), inside));
                }
            }
        }
        let weights: f64 = members.iter().map(|(weight, _)| weight).sum();
        let number = members.len() as f64;
        let visits = if rounds == (0, 0) {
            number
        } else {
            f64::from(rounds.0.saturating_add(rounds.1)) / 2.0
        };
        let mut counts = BTreeMap::new();
        for (weight, inside) in members {
            let times = match order {
                Order::Weighted if weights > 0.0 => visits * weight / weights,
                Order::Weighted => 0.0,
                Order::Sequential | Order::Shuffled => visits / number,
                Order::Markov => return None,
            };
            for (task, count) in inside {
                *counts.entry(task).or_insert(0.0) += times * count;
            }
        }
        Some(counts)
    }

    fn selects(&self, task: &'a Task) -> bool {
        let tags = self.tags(task);
        let has = |wanted: &[String]| wanted.iter().any(|tag| tags.contains(&tag.as_str()));
        (self.filter.names.is_empty() || self.filter.names.contains(&task.name))
            && (self.filter.include.is_empty() || has(&self.filter.include))
            && !has(&self.filter.exclude)
    }

    /// A task has the tags of the groups that it stands in.
    fn tags(&self, task: &'a Task) -> Vec<&'a str> {
        let mut tags: Vec<&str> = task.tags.iter().map(String::as_str).collect();
        let mut group = task.group;
        let mut left = self.user_type.groups.len();
        while let Some(index) = group
            && let Some(found) = self.user_type.groups.get(index as usize)
            && left > 0
        {
            tags.extend(found.tags.iter().map(String::as_str));
            group = found.parent;
            left -= 1;
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use loadhost_model::description::TaskGroup;

    use super::*;
    use crate::testing::{description, task};

    fn check(change: impl FnOnce(&mut UserType), filter: &TaskFilter, expected: &[(&str, f64)]) {
        let mut description = (*description()).clone();
        change(&mut description.user_types[0]);
        let shares = wanted(&description, filter);
        let shares: Vec<(&str, f64)> =
            shares.iter().map(|((_, task), share)| (&**task, *share)).collect();
        assert_eq!(shares.len(), expected.len(), "{shares:?}");
        for ((task, share), (expected_task, expected_share)) in shares.iter().zip(expected) {
            assert_eq!(task, expected_task);
            assert!((share - expected_share).abs() < 1e-9, "{shares:?}");
        }
    }

    fn group(name: &str, order: Order, rounds: (u32, u32), parent: Option<u32>) -> TaskGroup {
        TaskGroup {
            name: name.to_string(),
            weight: 1,
            tags: vec!["slow".to_string()],
            order,
            rounds,
            parent,
        }
    }

    #[test]
    fn parts_follow_weights_order_and_groups() {
        let all = TaskFilter::default();
        check(|_| {}, &all, &[("browse", 0.75), ("buy", 0.25)]);
        check(|user| user.order = Order::Sequential, &all, &[("browse", 0.5), ("buy", 0.5)]);
        check(|user| user.order = Order::Markov, &all, &[]);
        // Browse or visit the group, which runs `pay` and `leave` twice each: 3:1 visits, 1:4 tasks.
        let nested = |user: &mut UserType| {
            user.groups = vec![group("checkout", Order::Sequential, (4, 4), None)];
            user.tasks = vec![task("browse", 3), task("pay", 1), task("leave", 1)];
            user.tasks[1].group = Some(0);
            user.tasks[2].group = Some(0);
        };
        check(nested, &all, &[("browse", 3.0 / 7.0), ("leave", 2.0 / 7.0), ("pay", 2.0 / 7.0)]);
        let only =
            |tag: &str| TaskFilter { include: vec![tag.to_string()], ..TaskFilter::default() };
        check(nested, &only("slow"), &[("leave", 0.5), ("pay", 0.5)]);
        check(nested, &only("none"), &[]);
        let named = TaskFilter { names: vec!["buy".to_string()], ..TaskFilter::default() };
        check(|user| user.tasks[1].weight = 0, &named, &[("buy", 1.0)]);
    }
}
