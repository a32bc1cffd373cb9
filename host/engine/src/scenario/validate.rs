//! Whether a description can be run. All faults are found, not only the first.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use loadhost_model::description::{Description, Order, Parameter, Task, UserType, WaitTime};
use loadhost_model::plan::check_parameter;
use loadhost_model::shared::{MAX_NAME_BYTES, MAX_NAMES};
use loadhost_model::threshold::Threshold;
use serde::{Deserialize, Serialize};

/// Bytes of a name.
const NAME_BYTES: usize = 200;
/// Things of one kind in a description.
const ENTRIES: usize = 1_000;

/// Something in a description that cannot be run, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Such as ``user type `Shopper`, task `browse` ``.
    pub place: String,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All faults; none: the description can be run.
pub(super) fn faults(description: &Description) -> Vec<Fault> {
    let mut check = Check::default();
    check.name("scenario", &description.name);
    if description.user_types.is_empty() {
        check.fault(
            "scenario",
            "it has no user type; add one with `#[user]`, and list it in `export!`",
        );
    }
    let place = "scenario".to_string();
    check.unique(&place, "user types", description.user_types.iter().map(|user| &*user.name));
    check.unique(&place, "parameters", description.parameters.iter().map(|param| &*param.name));
    check.unique(&place, "data sets", description.data_sets.iter().map(String::as_str));
    check.data_sets(&place, &description.data_sets);
    check.unique(&place, "settings", description.settings.iter().map(|(key, _)| &**key));
    let idle = description
        .user_types
        .iter()
        .all(|user| user.weight == 0 && user.fixed_count.unwrap_or(0) == 0);
    if idle && !description.user_types.is_empty() {
        check.fault("scenario", "no user type would ever run; give one a weight or a fixed count");
    }
    description.user_types.iter().for_each(|user| check.user_type(user));
    description.parameters.iter().for_each(|parameter| check.parameter(parameter));
    for (index, text) in description.thresholds.iter().enumerate() {
        if let Err(error) = Threshold::try_from(text) {
            let place = format!("threshold {} (`{} {}`)", index + 1, text.metric, text.condition);
            check.fault(place, error);
        }
    }
    check.faults
}

#[derive(Default)]
struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn fault(&mut self, place: impl Into<String>, message: impl ToString) {
        // A hostile description could have a fault for each of its entries.
        if self.faults.len() < 100 {
            self.faults.push(Fault { place: place.into(), message: message.to_string() });
        }
    }

    fn name(&mut self, place: &str, name: &str) {
        if name.is_empty() {
            self.fault(place, "its name is empty; give it one");
        } else if name.len() > NAME_BYTES {
            self.fault(
                place,
                format!("its name has {} bytes; shorten it to {NAME_BYTES}", name.len()),
            );
        } else if name.chars().any(char::is_control) {
            self.fault(place, "its name has control characters; use printable ones");
        }
    }

    fn unique<'a>(&mut self, place: &str, what: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        let mut count = 0;
        for name in names {
            count += 1;
            if !seen.insert(name) {
                self.fault(place, format!("two {what} are named `{name}`; rename one"));
            }
        }
        if count > ENTRIES {
            self.fault(place, format!("it has {count} {what}; at most {ENTRIES} are accepted"));
        }
    }

    fn data_sets(&mut self, place: &str, names: &[String]) {
        if names.len() > MAX_NAMES {
            let count = names.len();
            self.fault(
                place,
                format!("it reads {count} data sets; at most {MAX_NAMES} are accepted"),
            );
        }
        for name in names.iter().take(ENTRIES) {
            let place = format!("data set `{}`", &name[..name.floor_char_boundary(MAX_NAME_BYTES)]);
            self.name(&place, name);
            if (MAX_NAME_BYTES + 1..=NAME_BYTES).contains(&name.len()) {
                let length = name.len();
                self.fault(
                    place,
                    format!("its name has {length} bytes; shorten it to {MAX_NAME_BYTES}"),
                );
            }
        }
    }

    fn user_type(&mut self, user: &UserType) {
        let place = format!("user type `{}`", user.name);
        self.name(&place, &user.name);
        self.wait(&place, user.wait);
        self.unique(&place, "tasks", user.tasks.iter().map(|task| &*task.name));
        self.unique(&place, "groups", user.groups.iter().map(|group| &*group.name));
        if user.tasks.is_empty() {
            self.fault(&*place, "it has no task; mark a method with `#[task]`");
        } else if user.order == Order::Weighted && user.tasks.iter().all(|task| task.weight == 0) {
            self.fault(
                &*place,
                "all its tasks have weight 0, so none would ever run; give one a weight",
            );
        }
        for (index, group) in user.groups.iter().enumerate() {
            let place = format!("{place}, group `{}`", group.name);
            self.name(&place, &group.name);
            if group.parent.is_some_and(|parent| parent as usize >= index) {
                self.fault(
                    &*place,
                    "it stands in a group that comes after it; list outer groups first",
                );
            }
            if group.rounds.0 > group.rounds.1 {
                let (low, high) = group.rounds;
                self.fault(
                    &*place,
                    format!("its rounds {low}..={high} are none; swap the two numbers"),
                );
            }
            if !user.tasks.iter().any(|task| task.group == Some(index as u32))
                && !user.groups.iter().any(|inner| inner.parent == Some(index as u32))
            {
                self.fault(&*place, "it is empty; put a task into it or remove it");
            }
        }
        user.tasks.iter().for_each(|task| self.task(user, task));
    }

    fn task(&mut self, user: &UserType, task: &Task) {
        let place = format!("user type `{}`, task `{}`", user.name, task.name);
        self.name(&place, &task.name);
        if let Some(wait) = task.wait {
            self.wait(&place, wait);
        }
        if let Some(group) = task.group.filter(|group| *group as usize >= user.groups.len()) {
            self.fault(
                &*place,
                format!("it stands in group {group}, but there are {}", user.groups.len()),
            );
        }
        for (next, _) in &task.next {
            match user.tasks.get(*next as usize) {
                None => self.fault(
                    &*place,
                    format!(
                        "its successor {next} does not exist: there are {} tasks, counted from 0",
                        user.tasks.len()
                    ),
                ),
                Some(other) if other.group != task.group => {
                    self.fault(
                        &*place,
                        format!("its successor `{}` stands in another group", other.name),
                    );
                }
                Some(_) => {}
            }
        }
    }

    fn wait(&mut self, place: &str, wait: WaitTime) {
        match wait {
            WaitTime::Between(low, high) if low > high => {
                self.fault(
                    place,
                    format!("its wait {low:?}..{high:?} is none; swap the two times"),
                );
            }
            WaitTime::Pacing(Duration::ZERO) | WaitTime::Exponential(Duration::ZERO) => {
                self.fault(place, "its wait is zero; write `none`, or a time above zero");
            }
            _ => {}
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        let place = format!("parameter `{}`", parameter.name);
        self.name(&place, &parameter.name);
        if parameter.name.contains('=') || parameter.name.contains(char::is_whitespace) {
            self.fault(
                &*place,
                "its name has `=` or a space in it, so `--param NAME=VALUE` could not give it",
            );
        }
        if let Err(error) = check_parameter(parameter) {
            self.fault(&*place, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_model::description::{TaskGroup, ThresholdText};

    fn task(name: &str) -> Task {
        Task { name: name.into(), weight: 1, tags: vec![], wait: None, group: None, next: vec![] }
    }

    fn sound() -> Description {
        Description {
            name: "shop".into(),
            user_types: vec![UserType {
                name: "Shopper".into(),
                weight: 1,
                fixed_count: None,
                wait: WaitTime::None,
                order: Order::Weighted,
                tasks: vec![task("browse"), task("buy")],
                groups: vec![],
            }],
            ..Description::default()
        }
    }

    fn check(change: impl FnOnce(&mut Description), part: &str) {
        let mut description = sound();
        change(&mut description);
        let faults = faults(&description);
        assert!(
            faults.iter().any(|fault| fault.to_string().contains(part)),
            "no `{part}` in {faults:?}"
        );
    }

    #[test]
    fn a_sound_description_has_no_faults() {
        assert_eq!(faults(&sound()), []);
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        check(|d| d.user_types.clear(), "scenario: it has no user type");
        check(|d| d.name.clear(), "its name is empty");
        check(|d| d.user_types[0].weight = 0, "no user type would ever run");
        check(|d| d.user_types.push(d.user_types[0].clone()), "two user types are named `Shopper`");
        check(|d| d.user_types[0].tasks.clear(), "user type `Shopper`: it has no task");
        check(|d| d.user_types[0].tasks[1].name = "browse".into(), "two tasks are named `browse`");
        check(|d| d.user_types[0].tasks.iter_mut().for_each(|t| t.weight = 0), "weight 0");
        check(|d| d.user_types[0].tasks[0].group = Some(3), "stands in group 3, but there are 0");
        check(|d| d.user_types[0].tasks[0].next = vec![(9, 1)], "successor 9 does not exist");
        check(|d| d.user_types[0].wait = WaitTime::Pacing(Duration::ZERO), "its wait is zero");
        let backwards = WaitTime::Between(Duration::from_secs(2), Duration::from_secs(1));
        check(
            |d| d.user_types[0].tasks[0].wait = Some(backwards),
            "task `browse`: its wait 2s..1s is none",
        );
        let group = TaskGroup {
            name: "g".into(),
            weight: 1,
            tags: vec![],
            order: Order::Weighted,
            rounds: (3, 1),
            parent: Some(0),
        };
        check(|d| d.user_types[0].groups.push(group.clone()), "a group that comes after it");
        check(|d| d.user_types[0].groups.push(group.clone()), "its rounds 3..=1 are none");
        let param = |kind: &str, default: &str| Parameter {
            name: "n".into(),
            kind: kind.into(),
            default: Some(default.into()),
            help: String::new(),
            secret: false,
        };
        check(|d| d.parameters.push(param("whole", "1")), "parameter `n`");
        check(|d| d.parameters.push(param("integer", "one")), "parameter `n`");
        let threshold = ThresholdText {
            metric: "http_req_duration".into(),
            tags: vec![],
            condition: "p(95) ? 3".into(),
            abort_after: None,
        };
        let named = |name: &str| vec![name.to_string(), "users".into()];
        check(|d| d.data_sets = named("users"), "two data sets are named `users`");
        check(
            |d| d.data_sets = named(&"x".repeat(101)),
            "its name has 101 bytes; shorten it to 100",
        );
        check(|d| d.data_sets = named("a\nb"), "its name has control characters");
        let many = (0..101).map(|n| n.to_string()).collect::<Vec<_>>();
        check(|d| d.data_sets = many.clone(), "it reads 101 data sets; at most 100 are accepted");
        check(|d| d.thresholds.push(threshold), "threshold 1 (`http_req_duration p(95) ? 3`)");
    }

    #[test]
    fn all_faults_are_found_not_only_the_first() {
        let mut description = sound();
        description.name.clear();
        description.user_types[0].tasks[0].group = Some(3);
        description.user_types[0].tasks[1].next = vec![(9, 1)];
        assert_eq!(faults(&description).len(), 3);
    }
}
