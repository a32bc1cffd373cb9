//! One kind of virtual user. `#[user]` writes the implementation.

use crate::description::{Parameter, UserType};
use crate::failure::Outcome;
use crate::scope::Scope;

/// A kind of virtual user: state that each user has for itself, and what it does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kind of user",
    note = "write `#[user] impl {Self} {{ … }}` around its tasks"
)]
pub trait User: Default + 'static {
    /// What it is and does.
    fn user_type() -> UserType;

    /// Parameters that its tasks and hooks are given.
    fn parameters() -> Vec<Parameter>;

    /// Before the first task.
    fn on_start(&mut self, scope: &Scope) -> Outcome;

    /// `task`: index into [`UserType::tasks`].
    fn run_task(&mut self, task: u32, scope: &Scope) -> Outcome;

    /// After the last task.
    fn on_stop(&mut self, scope: &Scope) -> Outcome;
}

/// A user of any type.
pub trait AnyUser {
    /// See [`User::on_start`].
    fn on_start(&mut self, scope: &Scope) -> Outcome;
    /// See [`User::run_task`].
    fn run_task(&mut self, task: u32, scope: &Scope) -> Outcome;
    /// See [`User::on_stop`].
    fn on_stop(&mut self, scope: &Scope) -> Outcome;
}

impl<U: User> AnyUser for U {
    fn on_start(&mut self, scope: &Scope) -> Outcome {
        User::on_start(self, scope)
    }

    fn run_task(&mut self, task: u32, scope: &Scope) -> Outcome {
        User::run_task(self, task, scope)
    }

    fn on_stop(&mut self, scope: &Scope) -> Outcome {
        User::on_stop(self, scope)
    }
}
