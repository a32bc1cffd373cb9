//! What the agent needs of the sandbox: a scenario made ready, and factories of its users.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use loadhost_model::plan::RunPlan;

use crate::load::vu::{CallOutcome, MakeError, ShardContext, UserIdentity, VuFactory};

/// Makes scenarios ready to run.
pub trait Workshop: Send + Sync + 'static {
    /// A scenario that is ready.
    type Stage: Stage;

    /// Users that fit on this machine.
    fn capacity(&self) -> u32;

    /// Fetches, verifies and compiles the plan's module and makes room for `users`, and for
    /// more of them as far as that is cheap.
    ///
    /// # Errors
    /// With a stable code, such as `module`, `compile` or `capacity`, and the remedy.
    fn prepare(
        &self,
        plan: Arc<RunPlan>,
        users: u32,
    ) -> impl Future<Output = Result<Self::Stage, PrepareError>> + Send;
}

/// A scenario that is ready to run.
pub trait Stage: Clone + Send + Sync + 'static {
    /// Makes its users, and runs what comes before and after them.
    type Factory: RunFactory;

    /// What the scenario contains.
    fn description(&self) -> Arc<Description>;

    /// Users that fit at once in this run.
    fn room(&self) -> u32;

    /// A factory for one shard. Called on the shard's thread, within its runtime.
    ///
    /// # Errors
    /// If the shard cannot be set up, with the remedy.
    fn factory(&self, context: ShardContext) -> Result<Self::Factory, MakeError>;
}

/// The scenario's own set-up and its undoing.
pub trait RunFactory: VuFactory {
    /// Runs `setup`.
    ///
    /// # Errors
    /// Any outcome but success.
    fn setup(&self, identity: UserIdentity) -> impl Future<Output = Result<Arc<str>, CallOutcome>>;

    /// Runs `teardown` with [`ShardContext::setup_data`].
    fn teardown(&self, identity: UserIdentity) -> impl Future<Output = CallOutcome>;
}

/// Why a scenario cannot be made ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PrepareError {
    /// Stable, such as `module`, `compile` or `capacity`.
    pub code: Arc<str>,
    /// What and why, with the remedy.
    pub message: Arc<str>,
}

/// Where modules come from.
pub trait ModuleSource: Send + Sync + 'static {
    /// The bytes of the module, which the caller verifies.
    fn fetch(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, ModuleError>>;
}

/// Why a module cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot fetch module {}: {reason}", .digest.short())]
pub struct ModuleError {
    /// Which.
    pub digest: Digest,
    /// At which step: `download`, `digest` or `signature`.
    pub code: &'static str,
    /// Why, with the remedy.
    pub reason: String,
}
