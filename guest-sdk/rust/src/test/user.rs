//! A user under test.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::failure::{Failure, Outcome};
use crate::scope::Scope;
use crate::user::User;

/// A user whose hooks and tasks the test calls. Dereferences to the user's own state.
#[derive(Debug)]
pub struct TestUser<U> {
    user: U,
    scope: Rc<Scope>,
}

impl<U: User> TestUser<U> {
    pub(super) fn new(scope: Rc<Scope>) -> Self {
        Self { user: U::default(), scope }
    }

    /// Runs `on_start`.
    pub fn start(&mut self) -> Outcome {
        self.scope.enter();
        self.user.on_start(&self.scope)
    }

    /// Runs the task of this name.
    ///
    /// # Panics
    /// If there is none.
    #[allow(clippy::panic)] // For tests only.
    #[track_caller]
    pub fn run(&mut self, task: &str) -> Outcome {
        let names: Vec<_> = U::user_type().tasks.into_iter().map(|task| task.name).collect();
        let Some(index) = names.iter().position(|name| name == task) else {
            panic!("there is no task `{task}`, only {names:?}");
        };
        self.scope.enter();
        let index =
            u32::try_from(index).map_err(|_| Failure::Failed("too many tasks".to_string()))?;
        self.user.run_task(index, &self.scope)
    }

    /// Runs `on_stop`.
    pub fn stop(&mut self) -> Outcome {
        self.scope.enter();
        self.user.on_stop(&self.scope)
    }
}

impl<U> Deref for TestUser<U> {
    type Target = U;
    fn deref(&self) -> &U {
        &self.user
    }
}

impl<U> DerefMut for TestUser<U> {
    fn deref_mut(&mut self) -> &mut U {
        &mut self.user
    }
}
