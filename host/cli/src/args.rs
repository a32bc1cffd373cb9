//! The command line. Pure: what was typed, as [`Layer`](crate::config::Layer)s and the arguments of commands.
//!
//! Options of runs, workers and the shop are generated from the table of [`crate::config`];
//! only what is no setting stands here.

mod settings;
mod steering;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Commands;

pub(crate) use self::settings::Settings;
pub(crate) use self::steering::{
    PasswordArgs, PushArgs, ReportArgs, RunsArgs, StartArgs, UserCommand, UsersFile,
};

/// Loads a target with scenarios that are WebAssembly components, from one process or from a fleet.
#[derive(Debug, Parser)]
#[command(name = "loadhost", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "`loadhost help exit-codes`, `help limits` and `help settings` print tables.\n\
    Settings: flags over LOADHOST_… over loadhost.toml; `loadhost config` shows what holds and why."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Cmd,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Cmd {
    /// Run a scenario from this process
    Run(RunArgs<{ Commands::RUN }>),
    /// Run a scenario from a fleet of workers
    Master(RunArgs<{ Commands::MASTER }>),
    /// Work for a master
    Worker(Settings<{ Commands::WORKER }>),
    /// Run one user once and print each request
    Trace(RunArgs<{ Commands::TRACE }>),
    /// Give a master scenarios and files of data, for runs that are started later
    Push(PushArgs),
    /// Start a run on a master's fleet
    Start(StartArgs),
    /// Change the load of a run that goes on, or bring another version of its scenario to its users
    Change(ChangeArgs),
    /// Stop a run that goes on
    Stop(StopArgs),
    /// Take workers out of service, whose load others take over, or masters before they are stopped
    Drain(DrainArgs),
    /// Show what a master, its workers and its runs are doing
    Status(StatusArgs),
    /// Ask whether a master or a worker is well: exit code 0 if so
    Health(HealthArgs),
    /// List the runs that a master knows, or show one of them
    Runs(RunsArgs),
    /// Fetch the report of a run
    Report(ReportArgs),
    /// Say who may log in to page and API
    #[command(subcommand)]
    User(UserCommand),
    /// Look at a whole fleet: masters, leader, workers, streams
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Make and show keys that sign scenarios
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write a nats-server's configuration for a fleet, and a key for each of its users
    NatsConfig(NatsConfigArgs),
    /// Make a project for a scenario
    New(NewArgs),
    /// Compile a scenario's project to a component
    Build(BuildArgs),
    /// Say what a component contains, imports and wants, and what is wrong with it
    Check(CheckArgs),
    /// Serve a small shop to try scenarios on
    DemoShop(Settings<{ Commands::SHOP }>),
    /// Show which settings hold and where each comes from
    Config(Settings<{ Commands::RUN | Commands::MASTER }>),
    /// Print what a shell needs to complete commands and flags
    Completions {
        /// Such as bash, zsh or fish
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command
    Man {
        /// Where; made if it is not there
        folder: PathBuf,
    },
    /// Explain a command, `exit-codes`, `limits` or `settings`
    Help {
        /// What to explain
        topic: Option<String>,
    },
    /// Check a component in this process, under limits of its own
    #[command(hide = true)]
    CheckInside {
        /// The component
        file: PathBuf,
    },
    /// Compile a component in this process, under limits of its own
    #[command(hide = true)]
    CompileInside {
        /// From the parent, which also gives the component
        recipe: String,
    },
}

/// A run's scenario may also stand without `--scenario`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs<const COMMAND: u8> {
    /// The scenario: a WebAssembly component
    #[arg(value_name = "SCENARIO")]
    pub(crate) file: Option<PathBuf>,
    /// Run one user once and print each request, as `loadhost trace` does
    #[arg(long, help_heading = "Scenario")]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) settings: Settings<COMMAND>,
}

/// Of `loadhost change`. A scenario or one of the kinds of load is given; which the run has, only the master knows.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("load").required(true).args(["users", "rate", "stages", "rate_stages", "scenario"])))]
pub(crate) struct ChangeArgs {
    /// So many users
    #[arg(long, value_name = "N")]
    pub(crate) users: Option<u32>,
    /// Users started or stopped per second [default: all at once]
    #[arg(long, value_name = "N", requires = "users")]
    pub(crate) spawn_rate: Option<String>,
    /// So many iterations per second, such as `100/s` or `6000/m`
    #[arg(long)]
    pub(crate) rate: Option<String>,
    /// Time to get there [default: at once]
    #[arg(long, value_name = "DURATION", requires = "rate")]
    pub(crate) over: Option<String>,
    /// Users from now on, such as `10s->100, 1m->100`
    #[arg(long)]
    pub(crate) stages: Option<String>,
    /// Iterations per second from now on, such as `10s->100, 1m->100`
    #[arg(long, value_name = "STAGES")]
    pub(crate) rate_stages: Option<String>,
    /// Another version of the scenario, which all users go over to: a WebAssembly component
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Phase to change [default: the only one that can be changed so]
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    pub(crate) phase: Option<String>,
    /// Run to change [default: the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Without waiting for iterations to end
    #[arg(long)]
    pub(crate) now: bool,
    /// Run to stop [default: the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost drain`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).multiple(true).args(["workers", "masters", "this_master"])))]
pub(crate) struct DrainArgs {
    /// Names of workers, as `loadhost status` shows them
    #[arg(value_name = "WORKER")]
    pub(crate) workers: Vec<String>,
    /// A master, as `loadhost cluster status` and the page show it; again for each. It hands over and goes on
    /// serving, and its /ready says that it is draining
    #[arg(long = "master", value_name = "NAME")]
    pub(crate) masters: Vec<String>,
    /// The master that answers at `--url`
    #[arg(long)]
    pub(crate) this_master: bool,
    /// Let them work again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Return once workers have no users and no run, and others lead instead of masters
    #[arg(long, conflicts_with = "undo")]
    pub(crate) wait: bool,
    /// Wait no longer than this [default: 2m]
    #[arg(long, value_name = "DURATION", requires = "wait")]
    pub(crate) timeout: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// All that is known, for programs
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Also whether it can take work, as balancers ask
    #[arg(long)]
    pub(crate) ready: bool,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLIENT }>,
}

/// Of `loadhost cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show masters, leader, workers and streams, asked of the NATS server
    Status(ClusterStatusArgs),
}

/// Of `loadhost cluster status`.
#[derive(Debug, Args)]
pub(crate) struct ClusterStatusArgs {
    /// All that is known, for programs
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings<{ Commands::CLUSTER }>,
}

/// Of `loadhost key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key
    New {
        /// Where its secret half goes; only you can read it
        file: PathBuf,
    },
    /// Show the public half of a key
    Show {
        /// What `key new` made
        file: PathBuf,
    },
}

/// Of `loadhost nats-config`.
#[derive(Debug, Args)]
pub(crate) struct NatsConfigArgs {
    /// Folder for configuration and keys; keys that are there already are kept
    pub(crate) folder: PathBuf,
    /// A worker with a key of its own, which can speak for nobody else; again for each
    /// [default: one key for all workers]
    #[arg(long = "worker", value_name = "[TENANT/]ID")]
    pub(crate) workers: Vec<String>,
    /// A tenant: an account with a fleet that no other account sees; again for each
    /// [default: loadhost]
    #[arg(long = "tenant", value_name = "NAME")]
    pub(crate) tenants: Vec<String>,
    /// Name of the fleet (`--cluster` of masters and workers)
    #[arg(long, default_value = "default")]
    pub(crate) cluster: String,
    /// Where masters and workers connect
    #[arg(long, value_name = "ADDRESS", default_value_t = crate::commands::nats_config::default_listen())]
    pub(crate) listen: std::net::SocketAddr,
    /// Where the server says how it is, over HTTP
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) monitor: Option<std::net::SocketAddr>,
    /// Where the server keeps its streams
    #[arg(long, value_name = "FOLDER", default_value_os_t = crate::commands::nats_config::default_store())]
    pub(crate) store: PathBuf,
    /// The server's certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of `--tls-cert` (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Masters and workers must show a certificate of this authority (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// A node of a broker of several, and where the others reach it; three or five times
    #[arg(long = "node", value_name = "NAME=HOST[:PORT]")]
    pub(crate) nodes: Vec<String>,
}

/// Of `loadhost new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Folder to make; its last part is the scenario's name
    pub(crate) path: PathBuf,
}

/// Of `loadhost build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The scenario's project
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// Faster to compile, slower to run
    #[arg(long)]
    pub(crate) debug: bool,
    /// Where the component goes [default: PROJECT/NAME.wasm]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Of `loadhost check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The component
    pub(crate) file: PathBuf,
    /// For programs instead of people
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_a_layer() {
        let typed = "loadhost run shop.wasm --users 3 --params a=b=c --user-type Admin:5 --tags x --tags y --insecure --no-keep-alive=false";
        let Cmd::Run(run) = Cli::try_parse_from(typed.split(' ')).unwrap().command else {
            unreachable!()
        };
        assert_eq!(run.file, Some(PathBuf::from("shop.wasm")));
        let texts = |key: &str| -> Vec<_> {
            let items = run.settings.layer.items[key].iter();
            items
                .map(|item| {
                    format!(
                        "{}{}",
                        item.name.clone().map(|name| name + "=").unwrap_or_default(),
                        item.text
                    )
                })
                .collect()
        };
        assert_eq!(texts("users"), ["3"]);
        assert_eq!(texts("params"), ["a=b=c"]);
        assert_eq!(texts("user-types"), ["Admin=:5"]);
        assert_eq!(texts("tags"), ["x", "y"]);
        assert_eq!(texts("insecure"), ["true"]);
        assert_eq!(texts("no-keep-alive"), ["false"]);
    }

    #[test]
    fn a_misspelt_flag_is_refused_with_a_similar_one() {
        let error =
            Cli::try_parse_from(["loadhost", "run", "--usres", "3"]).unwrap_err().to_string();
        assert!(error.contains("--users"), "{error}");
    }
}
