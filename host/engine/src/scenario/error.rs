//! Why bytes are no scenario.

use super::validate::Fault;

/// Why bytes are refused as a scenario. Each text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Larger than the cap on files.
    #[error(
        "the scenario has {size} bytes, but at most {cap} are accepted; build it with `--release` and strip debug information, or raise the cap"
    )]
    TooLarge {
        /// Of the file.
        size: u64,
        /// Accepted.
        cap: u64,
    },
    /// Another kind of file.
    #[error("this is {found}, not a WebAssembly component; {remedy}")]
    NotAComponent {
        /// Such as `a text file`.
        found: &'static str,
        /// How to get a component.
        remedy: &'static str,
    },
    /// Truncated or broken.
    #[error(
        "the component is malformed at byte {offset}: {message}; build it again, or copy it again in binary mode"
    )]
    Malformed {
        /// In the file.
        offset: u64,
        /// Of the parser.
        message: String,
    },
    /// Beyond a cap on its structure.
    #[error("the component has {found} {what}, but at most {cap} are accepted; make it smaller")]
    Structure {
        /// Such as `core modules`.
        what: &'static str,
        /// In the component.
        found: u64,
        /// Accepted.
        cap: u64,
    },
    /// Made for a contract that this program does not know yet.
    #[error(
        "the scenario was built against a newer contract `loadhost:scenario@{found}`, this loadhost speaks {ours}; upgrade loadhost, or rebuild the scenario with the SDK of {ours}"
    )]
    NewerContract {
        /// In the component.
        found: String,
        /// Of this program: the compatible track, such as `0.1`.
        ours: &'static str,
    },
    /// Made for a contract that this program knows no more.
    #[error(
        "the scenario was built against an older contract `loadhost:scenario@{found}`, this loadhost speaks {ours}; rebuild it with the SDK of {ours}"
    )]
    OlderContract {
        /// In the component.
        found: String,
        /// Of this program.
        ours: &'static str,
    },
    /// A component for something else.
    #[error(
        "the component is of another world: it does not export {missing}{}; make a scenario with `loadhost new NAME`",
        of_list(", but ", exports)
    )]
    ForeignWorld {
        /// Exports that a scenario has, in backquotes.
        missing: String,
        /// Names that it does export.
        exports: Vec<String>,
    },
    /// It wants something that no host of this version gives.
    #[error(
        "the scenario imports {}, which loadhost does not provide; build for `wasm32-wasip2` with the SDK of contract {ours}",
        quoted(imports)
    )]
    UnknownImports {
        /// Names of interfaces, or what the linker says of one.
        imports: Vec<String>,
        /// Of this program.
        ours: &'static str,
    },
    /// Not accepted by the compiler.
    #[error(
        "the component does not compile: {0}; WebAssembly proposals beyond 2.0 (threads, exceptions, garbage collection, 64-bit memory) are switched off"
    )]
    Compile(String),
    /// The compiler was stopped.
    #[error(
        "the component needs more than {cap} to compile; make it smaller, and its functions shorter"
    )]
    Costly {
        /// Such as `60 s of CPU`.
        cap: String,
    },
    /// `describe` failed.
    #[error("`describe` {what}{}", of_detail(detail))]
    Describe {
        /// A stable code, such as `trap-unreachable`, `limit-task_cpu`, `guest-failed`.
        code: String,
        /// What happened, in words that follow the name.
        what: String,
        /// The guest's frames and last lines; may be empty.
        detail: String,
    },
    /// `describe` returned something that cannot be run.
    #[error("the scenario's description has {} fault{}:{}", faults.len(), if faults.len() == 1 { "" } else { "s" }, lines(faults))]
    Description {
        /// All of them.
        faults: Vec<Fault>,
    },
    /// The compiler's process could not be started, or was ended.
    #[error(
        "the process that compiles the scenario {0}; this is for want of something on this machine, most often memory: leave it more, or run fewer processes beside it"
    )]
    Compiler(String),
    /// Something on this machine, not in the file.
    #[error("the sandbox cannot be made: {0}")]
    Engine(String),
}

impl ScenarioError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotAComponent { .. } => "not-a-component",
            Self::Malformed { .. } => "malformed",
            Self::Structure { .. } => "structure",
            Self::NewerContract { .. } => "newer-contract",
            Self::OlderContract { .. } => "older-contract",
            Self::ForeignWorld { .. } => "foreign-world",
            Self::UnknownImports { .. } => "unknown-imports",
            Self::Compile(_) | Self::Compiler(_) => "compile",
            Self::Costly { .. } => "compile-limit",
            Self::Describe { .. } => "describe",
            Self::Description { .. } => "description",
            Self::Engine(_) => "engine",
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn of_list(before: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", quoted(names)) }
}

fn of_detail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!("\n{detail}") }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
