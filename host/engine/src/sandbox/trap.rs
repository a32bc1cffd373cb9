//! Errors that host calls end a guest with.

/// Why the host ended a guest. It reaches the caller inside a `wasmtime::Error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostTrap {
    /// A quota was used up.
    #[error("the limit `{name}` of {value} is exceeded; raise it with `--limit {name}=VALUE`")]
    Limit {
        /// The field of `Limits`.
        name: &'static str,
        /// Its value, for people.
        value: String,
    },
    /// The guest broke the contract.
    #[error("{0}")]
    Misuse(String),
    /// A call that is not allowed here.
    #[error(
        "`{0}` may not be called from `describe`, which runs before any run; move it into `setup`, `on-start` or a task"
    )]
    Denied(String),
}

impl HostTrap {
    pub(crate) fn limit(name: &'static str, value: impl ToString) -> Self {
        Self::Limit { name, value: value.to_string() }
    }
}
