//! A whole scenario. `export!` writes the implementation.

use crate::description::{Description, Parameter};
use crate::failure::Outcome;
use crate::scope::Scope;
use crate::user::AnyUser;

/// What `export!` makes of its arguments, as a type named `Scenario`.
pub trait ScenarioDefinition: 'static {
    /// What the scenario contains. Err: two things of it contradict each other.
    fn description() -> Result<Description, String>;

    /// A new user; None: there is no such type.
    fn user(user_type: u32) -> Option<Box<dyn AnyUser>>;

    /// Once per run: the text for users and teardown.
    fn setup(scope: &Scope) -> Outcome<String>;

    /// Once per run, at its end.
    fn teardown(scope: &Scope) -> Outcome;
}

/// Each parameter once, in the order of first appearance.
pub fn merge_parameters(
    all: impl IntoIterator<Item = Vec<Parameter>>,
) -> Result<Vec<Parameter>, String> {
    let mut merged: Vec<Parameter> = Vec::new();
    for parameter in all.into_iter().flatten() {
        match merged.iter().find(|known| known.name == parameter.name) {
            Some(known) if *known == parameter => {}
            Some(_) => {
                return Err(format!(
                    "parameter `{}` is declared twice, and differently: rename one, or use one struct for both",
                    parameter.name
                ));
            }
            None => merged.push(parameter),
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: &str) -> Parameter {
        let (name, kind) = (name.to_string(), kind.to_string());
        Parameter { name, kind, default: None, help: String::new(), secret: false }
    }

    #[test]
    fn a_parameter_of_two_users_is_one_parameter() {
        let of_user = vec![parameter("items", "integer")];
        let merged = merge_parameters([of_user.clone(), of_user.clone()]);
        assert_eq!(merged, Ok(of_user));
    }

    #[test]
    fn one_name_for_two_parameters_is_refused() {
        let merged =
            merge_parameters([vec![parameter("n", "integer")], vec![parameter("n", "string")]]);
        assert!(merged.is_err_and(|why| why.contains("`n` is declared twice")));
    }
}
