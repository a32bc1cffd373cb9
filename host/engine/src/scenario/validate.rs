//! Whether a description can be run. All faults are found, not only the first.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use loadhost_model::description::{Description, Order, Parameter, Task, UserType, WaitTime};
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
    }
}
