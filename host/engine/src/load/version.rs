//! Versions of the scenario on one shard: which one users run, and how they go over to a newer one.
//!
//! A user ends its iteration and its `on-stop` on the version that it runs, and begins on the newest with `on-start`;
//! its number, its load and what is left of its pause stay its own. Crews call a few users over at a time.

use std::rc::Rc;
use std::sync::Arc;

use loadhost_model::description::Description;
use loadhost_model::plan::TaskFilter;
use tokio::sync::watch;

use crate::load::picker::TaskTable;
use crate::load::shard::Shard;
use crate::load::user::Role;
use crate::load::vu::{MakeError, ShardContext, VuFactory};

/// How each shard makes the users of a version.
pub(super) struct Recipe<F> {
    /// Greater than those of the versions before; the first is 0.
    pub(super) number: u32,
    pub(super) description: Arc<Description>,
    /// Called on the shard's thread, within its runtime.
    pub(super) make: Arc<Make<F>>,
}

pub(super) type Make<F> = dyn Fn(ShardContext) -> Result<F, MakeError> + Send + Sync;

impl<F> Clone for Recipe<F> {
    fn clone(&self) -> Self {
        let (description, make) = (Arc::clone(&self.description), Arc::clone(&self.make));
        Self { number: self.number, description, make }
    }
}

/// A version that users of a shard run. It lives as long as one of them does.
#[derive(Debug)]
pub(super) struct Version<F> {
    pub(super) number: u32,
    pub(super) factory: F,
    /// By user type; None: the filter leaves it no task.
    roles: Vec<Option<(Rc<Role>, Arc<TaskTable>)>>,
}

impl<F> Version<F> {
    pub(super) fn new(
        number: u32,
        factory: F,
        description: &Description,
        filter: &TaskFilter,
        context: &ShardContext,
    ) -> Rc<Self> {
        let roles = description.user_types.iter().map(|user_type| {
            let table = Arc::new(TaskTable::new(user_type, filter)?);
            let tasks = user_type.tasks.iter().map(|task| &*task.name);
            let role = Role::new(&user_type.name, tasks, |key| context.recorder.series(key));
            Some((Rc::new(role), table))
        });
        Rc::new(Self { number, factory, roles: roles.collect() })
    }

    pub(super) fn role(&self, user_type: u32) -> Option<(Rc<Role>, Arc<TaskTable>)> {
        self.roles.get(user_type as usize).cloned().flatten()
    }

    pub(super) fn has_tasks(&self, user_type: usize) -> bool {
        self.roles.get(user_type).is_some_and(Option::is_some)
    }
}

/// Makes newer versions the shard's as they come.
pub(super) async fn follow<F: VuFactory>(
    shard: Rc<Shard<F>>,
    mut recipes: watch::Receiver<Option<Recipe<F>>>,
) {
    while recipes.changed().await.is_ok() {
        let Some(recipe) = recipes.borrow_and_update().clone() else { continue };
        match (recipe.make)(shard.context.clone()) {
            Ok(factory) => shard.renew(recipe.number, factory, &recipe.description),
            Err(error) => shard.team.abort("shard", error.to_string()),
        }
    }
}
