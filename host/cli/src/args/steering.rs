//! What is typed to give a master something to do, and to ask what came of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Settings;
use crate::config::Commands;

/// Of `loadhost push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Scenarios (`.wasm`) and files of data (`.csv`, `.jsonl`)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// A component, which is handed over; or one that was: its name, NAME@VERSION, or its SHA-256
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Follow the run to its end, which decides the exit code
    #[arg(long)]
    pub(crate) wait: bool,
    /// For people, shown in the list of runs
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::START }>,
}

/// Of `loadhost runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Show this run [default: list all]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// All that is known, for programs
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost report`. `-` is stdout.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("form").required(true).multiple(true).args(["html", "json", "junit", "csv"])))]
pub(crate) struct ReportArgs {
    /// Which run, as `loadhost runs` lists them
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// One page with charts and tables, which needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// All results
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Thresholds and checks as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Locust's four CSV files
    #[arg(long, value_name = "PREFIX")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Let somebody log in; makes the file if there is none
    Add {
        /// What they log in with
        name: String,
        /// `view` looks, `operate` starts and stops runs as well, `admin` does everything
        #[arg(long, default_value = "operate")]
        role: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        file: UsersFile,
    },
    /// Give somebody another password, which ends their sessions
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        file: UsersFile,
    },
    /// Let somebody, or a token, log in no more
    Remove {
        /// Of the user or the token
        name: String,
        #[command(flatten)]
        file: UsersFile,
    },
    /// Show who may log in, and which tokens there are
    List {
        #[command(flatten)]
        file: UsersFile,
    },
    /// Make a token for a program, for `--token` and `Authorization: Bearer`; it is shown once
    Token {
        /// What it is for
        name: String,
        /// As for `user add`
        #[arg(long, default_value = "operate")]
        role: String,
        /// It is good for so long [default: for ever]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        #[command(flatten)]
        file: UsersFile,
    },
}

/// Where a password comes from; else the terminal is asked.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of the standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// The file of users.
#[derive(Debug, Args)]
pub(crate) struct UsersFile {
    /// What a master is given with its `--web-users`
    #[arg(long = "web-users", value_name = "FILE", env = "LOADHOST_WEB_USERS")]
    pub(crate) path: PathBuf,
}
